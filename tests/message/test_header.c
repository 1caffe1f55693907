#include "message/header.h"

#include <stdio.h>

#include "buf_fixture.h"

/* -- Field by field -------------------------------------------------------- */

static int tell_field(void *user, const struct msv_header_field *f)
{
	(void)user;
	msv_buf_printf(&out, "%.*s=[%.*s]%s@%llu+%llu ", (int)f->name.n, f->name.p, (int)f->value.n,
	    f->value.p, f->cut ? "..." : "", (unsigned long long)f->start,
	    (unsigned long long)f->len);
	return 0;
}

static const struct {
	const char *in;
	size_t n; /* 0: strlen */
	bool ended;
	const char *fields;
} table[] = {
	{ "", 0, false, "" },
	{ "\n", 0, true, "" },
	{ "\r\nbody: x\n", 0, true, "" },
	{ "A: b\n\n", 0, true, "A=[b]@0+5 " },
	{ "A: b\r\n\r\n", 0, true, "A=[b]@0+6 " },
	{ "A: b", 0, false, "A=[b]@0+4 " },
	{ "A: b\r", 0, false, "A=[b]@0+5 " },
	{ "A: b\nC : d \n\n", 0, true, "A=[b]@0+5 C=[d]@5+7 " },
	{ "A: b\n c\n\td\n\n", 0, true, "A=[b c\td]@0+11 " },
	{ "A:\n b\n\n", 0, true, "A=[b]@0+6 " },
	{ "A: b\r\n \r\n c\r\n\r\n", 0, true, "A=[b  c]@0+13 " },
	{ "A:b\nno field\n more\nB:\n\n", 0, true, "A=[b]@0+4 B=[]@19+3 " },
	{ " first\nA:b\n\n", 0, true, "A=[b]@7+4 " },
	{ "From x@y Thu Jan 1 00:00:00\nA:b\n\n", 0, true, "A=[b]@28+4 " },
	{ ":x\nA:b\n\n", 0, true, "A=[b]@3+4 " },
	{ "A:b\rc\nB: \r\r\n\n", 0, true, "A=[b c]@0+6 B=[]@6+6 " },
	{ "A:b\n\rB:c\n\n", 0, true, "A=[b]@0+4 " },
	{ "A:b\0c\n\n", 7, true, "A=[bc]@0+6 " },
	{ "A\0:b\nC:d\n\n", 10, true, "C=[d]@5+4 " },
	{ "A:12345678\n 9\n\n", 0, true, "A=[1234567]...@0+14 " },
	{ "A:1234567\n\n", 0, true, "A=[1234567]@0+10 " },
};

START_TEST(fields)
{
	const char *in = table[_i].in;
	size_t n = table[_i].n ? table[_i].n : strlen(in);
	struct msv_header_reader r;

	msv_header_reader_init(&r, env, 7, tell_field, NULL);
	for (size_t split = 0; split <= n + 1; split++) {
		size_t at = 0, used = 0, first = split == n + 1 ? 1 : split;
		int rc = msv_header_reader_push(&r, in, first < n ? first : n, &used);

		for (at = used; rc == 0 && at < n; at += used)
			rc = msv_header_reader_push(&r, in + at, split > n ? 1 : n - at, &used);
		ck_assert_int_eq(rc, table[_i].ended);
		ck_assert_int_eq(msv_header_reader_end(&r), 0);
		ck_assert_str_eq(taken(), table[_i].fields);
		msv_header_reader_reset(&r);
	}
	msv_header_reader_fini(&r);
}
END_TEST

START_TEST(what_follows_is_not_taken)
{
	struct msv_header_reader r;
	size_t used;

	msv_header_reader_init(&r, env, 0, tell_field, NULL);
	ck_assert_int_eq(msv_header_reader_push(&r, "A: b\n\nbody", 10, &used), 1);
	ck_assert_uint_eq(used, 6);
	ck_assert_int_eq(msv_header_reader_push(&r, "C: d\n", 5, &used), 1);
	ck_assert_uint_eq(used, 0);
	ck_assert_str_eq(taken(), "A=[b]@0+5 ");
	msv_header_reader_fini(&r);
}
END_TEST

static int stop(void *user, const struct msv_header_field *f)
{
	(void)user;
	return msv_header_is(f, "stop") ? 42 : 0;
}

START_TEST(the_function_may_stop_it)
{
	struct msv_header_reader r;
	static const char in[] = "A: b\nSTOP: x\nC: d\n\n";

	msv_header_reader_init(&r, env, 0, stop, NULL);
	ck_assert_int_eq(msv_header_reader_push(&r, in, sizeof in - 1, NULL), 42);
	msv_header_reader_fini(&r);
}
END_TEST

static int tell_text(void *user, const struct msv_header_field *f)
{
	(void)user;
	return msv_header_text(f, &out);
}

START_TEST(decoded_text)
{
	struct msv_header_reader r;
	static const char in[] = "Subject: =?utf-8?q?caf=C3=A9?=\n\n";

	msv_header_reader_init(&r, env, 0, tell_text, NULL);
	ck_assert_int_eq(msv_header_reader_push(&r, in, sizeof in - 1, NULL), 1);
	ck_assert_str_eq(taken(), "caf\xc3\xa9");
	msv_header_reader_fini(&r);
}
END_TEST

static size_t count, too_long;

static int count_field(void *user, const struct msv_header_field *f)
{
	(void)user;
	too_long += f->value.n > MSV_HEADER_FIELD_MAX;
	count++;
	return 0;
}

/* Pushes the piece again and again, 50 MB in all. */
static void push_much(struct msv_header_reader *r, const char *piece)
{
	size_t n = strlen(piece), pushed = 0;
	char block[8192];

	while (pushed + n <= sizeof block) {
		memcpy(block + pushed, piece, n);
		pushed += n;
	}
	for (size_t all = 0; all < 50000000; all += pushed)
		ck_assert_int_eq(msv_header_reader_push(r, block, pushed, NULL), 0);
	ck_assert_int_eq(msv_header_reader_end(r), 0);
}

START_TEST(huge_headers_are_bounded)
{
	static const char *const pieces[] = { "A:\n", "A: long \n long\n", "x", " ", "A", "a\n",
		"A:", "\xff", "A: \n \n\t\n" };

	for (size_t i = 0; i < sizeof pieces / sizeof pieces[0]; i++) {
		struct msv_header_reader r;

		msv_header_reader_init(&r, env, 0, count_field, NULL);
		push_much(&r, pieces[i]);
		ck_assert_uint_lt(msv_test_memory(test), 2 * MSV_HEADER_FIELD_MAX + 100000);
		msv_header_reader_fini(&r);
	}
	ck_assert_uint_gt(count, 1000000);
	ck_assert_uint_eq(too_long, 0);
}
END_TEST

static int read_once(void)
{
	struct msv_header_reader r;
	int rc;

	msv_header_reader_init(&r, env, 0, tell_text, NULL);
	rc = msv_header_reader_push(&r, "A: b\nC: d\n\n", 11, NULL);
	msv_header_reader_fini(&r);
	msv_buf_fini(&out);
	return rc < 0 ? rc : 0;
}

START_TEST(no_memory)
{
	fail_each_alloc(read_once);
}
END_TEST

/* -- Some fields as they stand --------------------------------------------- */

#define HEADER "From: a\nTo: b\r\n c\n\td\r\nsubject : e\nno field\nX-To: f\nTo: g\n\nTo: body\n"

static const struct {
	const char *in;
	const char *names; /* one letter each: f(rom) t(o) s(ubject) */
	bool inverse;
	const char *shown;
} filters[] = {
	{ HEADER, "f", false, "From: a\r\n\r\n" },
	{ HEADER, "t", false, "To: b\r\n c\r\n\td\r\nTo: g\r\n\r\n" },
	{ HEADER, "st", false, "To: b\r\n c\r\n\td\r\nsubject : e\r\nTo: g\r\n\r\n" },
	{ HEADER, "", false, "\r\n" },
	{ HEADER, "tf", true, "subject : e\r\nno field\r\nX-To: f\r\n\r\n" },
	{ HEADER, "", true,
	    "From: a\r\nTo: b\r\n c\r\n\td\r\nsubject : e\r\nno field\r\nX-To: f\r\nTo: "
	    "g\r\n\r\n" },
	/* No empty line, none shown (RFC 3501 6.4.5). */
	{ "From: a\nTo: b\n", "t", false, "To: b\r\n" },
	{ "To: b", "t", false, "To: b" },
	{ "To", "t", false, "" },
	{ "To", "t", true, "To" },
	{ "", "t", false, "" },
	{ "\n", "t", false, "\r\n" },
	{ "\r\n", "t", false, "\r\n" },
	{ "A:\r\r\nTo:\rx\n\r", "t", false, "To:\rx\r\n" },
	{ "A:\r\r\nTo:\rx\n\r", "t", true, "A:\r\r\n\r" },
	{ "A\r\nTo:x\r\n\r\n", "t", true, "A\r\n\r\n" },
};

static size_t names_of(const char *letters, struct msv_span *names)
{
	size_t n = 0;

	for (; *letters; letters++) {
		const char *name = *letters == 'f' ? "FROM" : *letters == 't' ? "to" : "Subject";

		names[n++] = (struct msv_span){ name, strlen(name) };
	}
	msv_header_names_sort(names, n);
	return n;
}

START_TEST(filtered)
{
	const char *in = filters[_i].in;
	size_t n = strlen(in), used;
	struct msv_span names[3];
	size_t nnames = names_of(filters[_i].names, names);
	struct msv_header_filter f;

	for (size_t split = 0; split <= n; split++) {
		msv_header_filter_init(&f, names, nnames, filters[_i].inverse);
		if (msv_header_filter_push(&f, in, split, &used, &out) == 0)
			msv_header_filter_push(&f, in + split, n - split, &used, &out);
		ck_assert_int_eq(msv_header_filter_end(&f, &out), 0);
		ck_assert_str_eq(taken(), filters[_i].shown);
	}
	msv_header_filter_init(&f, names, nnames, filters[_i].inverse);
	for (size_t i = 0; i < n; i++)
		msv_header_filter_push(&f, in + i, 1, NULL, &out);
	msv_header_filter_end(&f, &out);
	ck_assert_str_eq(taken(), filters[_i].shown);
}
END_TEST

/* 20,000 names asked for, 50 MB of fields: no product of the two. */
START_TEST(many_names_and_fields)
{
	static struct msv_span names[20000];
	static char text[20000][8];
	struct msv_header_filter f;

	for (size_t i = 0; i < 20000; i++) {
		snprintf(text[i], sizeof text[i], "X%05zu", i);
		names[i] = (struct msv_span){ text[i], 6 };
	}
	msv_header_names_sort(names, 20000);
	msv_header_filter_init(&f, names, 20000, false);
	for (size_t i = 0; i < 5000000; i++)
		msv_header_filter_push(&f, "X99999: a\n", 10, NULL, &out);
	ck_assert_uint_eq(msv_buf_len(&out), 0);
	msv_header_filter_push(&f, "x12345: a\n\n", 11, NULL, &out);
	ck_assert_str_eq(taken(), "x12345: a\r\n\r\n");
}
END_TEST

int main(void)
{
	Suite *s = suite_create("header");
	TCase *tc = tcase_create("tables");

	tcase_add_checked_fixture(tc, buf_setup, buf_teardown);
	tcase_add_loop_test(tc, fields, 0, sizeof table / sizeof table[0]);
	tcase_add_loop_test(tc, filtered, 0, sizeof filters / sizeof filters[0]);
	suite_add_tcase(s, tc);
	buf_case(s, "header", what_follows_is_not_taken, the_function_may_stop_it, decoded_text,
	    huge_headers_are_bounded, no_memory, many_names_and_fields);
	return check_main(s);
}
