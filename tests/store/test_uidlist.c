#include "store/uidlist.h"

#include <stdio.h>
#include <string.h>

#include "check_main.h"

static bool span_is(struct msv_span span, const char *s)
{
	return span.n == strlen(s) && (!span.n || memcmp(span.p, s, span.n) == 0);
}

/* -- Lines ------------------------------------------------------------------------------ */

START_TEST(test_header)
{
	static const struct {
		const char *line;
		unsigned version;
		uint32_t uidvalidity, uidnext;
		const char *guid, *others;
	} good[] = {
		{ "3 V1795369192 N1 G38450e24e728036baa42000083ecc375", 3, 1795369192, 1,
		    "38450e24e728036baa42000083ecc375", "" },
		{ "3 N5 V7", 3, 7, 5, "", "" },
		{ "3 V1 N4294967295 Xfoo Gab Ybar", 3, 1, 4294967295, "ab", " Xfoo Ybar" },
		{ "1 1173189136 20221", 1, 1173189136, 20221, "", "" },
	};
	static const char *const bad[] = { "", "3", "3 ", "3 V1", "3 N1", "3 V0 N1", "3 V1 N0",
		"3 Vx N1", "3 V4294967296 N1", "2 V1 N1", "1 5", "1 5 6 7", "1 0 1", "3 V1x N1" };
	struct msv_uidlist_header h;

	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
		ck_assert_int_eq(
		    msv_uidlist_parse_header(good[i].line, strlen(good[i].line), &h), 0);
		ck_assert_uint_eq(h.version, good[i].version);
		ck_assert_uint_eq(h.uidvalidity, good[i].uidvalidity);
		ck_assert_uint_eq(h.uidnext, good[i].uidnext);
		ck_assert_str_eq(h.guid, good[i].guid);
		ck_assert_str_eq(h.others, good[i].others);
	}
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		ck_assert_msg(
		    msv_uidlist_parse_header(bad[i], strlen(bad[i]), &h) == MSV_ERR_FORMAT, "%s",
		    bad[i]);
}
END_TEST

START_TEST(test_header_written)
{
	struct msv_uidlist_header h = { 1, 12, 34, "00ff", " Xy" };
	char out[MSV_UIDLIST_HEADER_SIZE];

	ck_assert_uint_eq(msv_uidlist_format_header(&h, out), strlen(out));
	ck_assert_str_eq(out, "3 V12 N34 G00ff Xy\n");
	h.guid[0] = h.others[0] = '\0';
	msv_uidlist_format_header(&h, out);
	ck_assert_str_eq(out, "3 V12 N34\n");
}
END_TEST

static const struct {
	const char *line;
	unsigned version;
	uint32_t uid;
	const char *keys, *base;
} records[] = {
	{ "25006 :1276528487.M364837P9451.kurkku,S=1355,W=1394", 3, 25006, "",
	    "1276528487.M364837P9451.kurkku,S=1355,W=1394" },
	{ "25017 W2481 :1276533073.M242911P3632.kurkku", 3, 25017, "W2481",
	    "1276533073.M242911P3632.kurkku" },
	{ "2 Gabc.d,S=1 S5 :x y", 3, 2, "Gabc.d,S=1 S5", "x y" },
	{ "7 :a:2,S", 3, 7, "", "a" },
	{ "20220 1173189136.P1.x:2,S", 1, 20220, "", "1173189136.P1.x" },
};

START_TEST(test_record)
{
	static const char *const bad[] = { "", "5", "5 ", "5 x", "0 :x", "x :y", "5 :", "5 :.x",
		"5 :a/b", "5 :a\tb", "4294967296 :x", "5 G :", "-1 :x", "5:x" };
	struct msv_uidlist_record r;

	for (size_t i = 0; i < sizeof(records) / sizeof(records[0]); i++) {
		ck_assert_int_eq(msv_uidlist_parse_record(records[i].version, records[i].line,
		                     strlen(records[i].line), &r),
		    0);
		ck_assert_uint_eq(r.uid, records[i].uid);
		ck_assert(span_is(r.keys, records[i].keys));
		ck_assert(span_is(r.base, records[i].base));
	}
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		ck_assert_msg(
		    msv_uidlist_parse_record(3, bad[i], strlen(bad[i]), &r) == MSV_ERR_FORMAT, "%s",
		    bad[i]);
}
END_TEST

START_TEST(test_record_written)
{
	struct msv_uidlist_record r = { .uid = 4294967295, .base = { "abc", 3 } };
	char out[64];

	ck_assert_uint_eq(msv_uidlist_format_record(&r, out, sizeof(out)), 16);
	ck_assert_str_eq(out, "4294967295 :abc\n");
	r.keys = (struct msv_span){ "Gx W1", 5 };
	msv_uidlist_format_record(&r, out, sizeof(out));
	ck_assert_str_eq(out, "4294967295 Gx W1 :abc\n");
	ck_assert_uint_eq(msv_uidlist_format_record(&r, out, 10), 0);
}
END_TEST

START_TEST(test_keys)
{
	struct msv_span keys = { "Gx.y W12 O", 10 }, value;

	ck_assert(msv_uidlist_key(&keys, 'G', &value) && span_is(value, "x.y"));
	ck_assert(msv_uidlist_key(&keys, 'W', &value) && span_is(value, "12"));
	ck_assert(msv_uidlist_key(&keys, 'O', &value) && span_is(value, ""));
	ck_assert(!msv_uidlist_key(&keys, 'S', &value));
	ck_assert(!msv_uidlist_key(&(struct msv_span){ NULL, 0 }, 'G', &value));
}
END_TEST

/* -- Whole files ------------------------------------------------------------------------- */

struct seen {
	char text[512];
	size_t n;
};

static int see(void *user, const struct msv_uidlist_record *r)
{
	struct seen *seen = user;

	seen->n += (size_t)snprintf(seen->text + seen->n, sizeof(seen->text) - seen->n, "%u=%.*s ",
	    r->uid, (int)r->base.n, r->base.p);
	return 0;
}

static const char file[] = "3 V5 N9 Gaa\n"
                           "3 :a\n"
                           "junk\n"
                           "2 :before\n"
                           "5 W1 :b\n"
                           "\n"
                           "7 :c\n"
                           "8 :torn";

/* Every split of a file reads the same; what has no newline is held back. */
START_TEST(test_read)
{
	for (size_t step = 1; step <= sizeof(file); step++) {
		struct msv_uidlist_reader reader = { 0 };
		struct seen seen = { 0 };
		for (size_t at = 0; at < sizeof(file) - 1; at += step) {
			size_t n = sizeof(file) - 1 - at;
			ck_assert_int_eq(
			    msv_uidlist_read(&reader, file + at, n < step ? n : step, see, &seen),
			    0);
		}
		ck_assert_str_eq(seen.text, "3=a 5=b 7=c ");
		ck_assert_uint_eq(reader.header.uidvalidity, 5);
		ck_assert_uint_eq(reader.bad, 3);
		ck_assert_uint_eq(reader.last, 7);
		ck_assert_uint_eq(reader.pending, 7);
		ck_assert_uint_eq(reader.offset, sizeof(file) - 1 - 7);
	}
}
END_TEST

START_TEST(test_read_long_line)
{
	static char text[5000];
	size_t n = (size_t)snprintf(text, sizeof(text), "3 V5 N9\n1 :");

	memset(text + n, 'x', 3000);
	n += 3000;
	n += (size_t)snprintf(text + n, sizeof(text) - n, "\n2 :b\n");
	for (size_t step = 1; step < 2000; step += 331) {
		struct msv_uidlist_reader reader = { 0 };
		struct seen seen = { 0 };
		for (size_t at = 0; at < n; at += step)
			ck_assert_int_eq(msv_uidlist_read(&reader, text + at,
			                     n - at < step ? n - at : step, see, &seen),
			    0);
		ck_assert_str_eq(seen.text, "2=b ");
		ck_assert_uint_eq(reader.bad, 1);
		ck_assert_uint_eq(reader.offset, n);
	}
}
END_TEST

START_TEST(test_read_bad_header)
{
	struct msv_uidlist_reader reader = { 0 };
	struct seen seen = { 0 };

	ck_assert_int_eq(
	    msv_uidlist_read(&reader, "nonsense\n1 :a\n", 14, see, &seen), MSV_ERR_FORMAT);
	ck_assert_uint_eq(seen.n, 0);
}
END_TEST

START_TEST(test_last_uid)
{
	static const char tail[] = "12 :a\n15 Gx :b\n99 :torn";

	ck_assert_uint_eq(msv_uidlist_last_uid(3, tail, strlen(tail)), 15);
	ck_assert_uint_eq(msv_uidlist_last_uid(3, "x\n", 2), 0);
	ck_assert_uint_eq(msv_uidlist_last_uid(3, "", 0), 0);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("store/uidlist");

	check_case(s, "lines", test_header, test_header_written, test_record, test_record_written,
	    test_keys);
	check_case(s, "files", test_read, test_read_long_line, test_read_bad_header, test_last_uid);
	return check_main(s);
}
