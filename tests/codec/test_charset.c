#include "codec/charset.h"

#include "buf_fixture.h"

#define FFFD "\xef\xbf\xbd"

static const struct {
	const char *charset, *bytes, *utf8;
} table[] = {
	{ "us-ascii", "plain", "plain" },
	{ "US-ASCII", "a\xe9z", "a" FFFD "z" },
	{ "utf-8", "caf\xc3\xa9", "caf\xc3\xa9" },
	{ "UTF-8", "\xc3", FFFD },
	{ "utf8", "\xe2\x82x", FFFD "x" },
	{ "iso-8859-1", "caf\xe9\x80", "caf\xc3\xa9\xc2\x80" },
	{ "latin1", "\xff", "\xc3\xbf" },
	{ "iso-8859-15", "\xa4", "\xe2\x82\xac" },
	{ "windows-1252", "\x80\x93x\x94", "\xe2\x82\xac\xe2\x80\x9cx\xe2\x80\x9d" },
	{ "koi8-r", "\xf0\xd2\xc9\xd7\xc5\xd4",
	    "\xd0\x9f\xd1\x80\xd0\xb8\xd0\xb2\xd0\xb5\xd1\x82" },
	{ "iso-2022-jp", "\x1b$B%F%9%H\x1b(B", "\xe3\x83\x86\xe3\x82\xb9\xe3\x83\x88" },
	{ "shift_jis", "\x83\x65\x83\x58\x83\x67", "\xe3\x83\x86\xe3\x82\xb9\xe3\x83\x88" },
	{ "gb2312", "\xc4\xe3\xba\xc3", "\xe4\xbd\xa0\xe5\xa5\xbd" },
	{ "gb2312", "\xc4", FFFD },
	{ "big5", "\xa7\x41\xa6\x6e", "\xe4\xbd\xa0\xe5\xa5\xbd" },
	{ "euc-kr",
	    "\xc7\xd1\xff"
	    "a",
	    "\xed\x95\x9c" FFFD "a" },
};

START_TEST(every_split)
{
	const char *bytes = table[_i].bytes;
	size_t n = strlen(bytes);
	struct msv_charset *cs;

	ck_assert_int_eq(
	    msv_charset_open(env, table[_i].charset, strlen(table[_i].charset), &cs), 0);
	for (size_t split = 0; split <= n; split++) {
		ck_assert_int_eq(msv_charset_push(cs, bytes, split, &out), 0);
		ck_assert_int_eq(msv_charset_push(cs, bytes + split, n - split, &out), 0);
		ck_assert_int_eq(msv_charset_end(cs, &out), 0);
		ck_assert_str_eq(taken(), table[_i].utf8);
	}
	for (size_t i = 0; i < n; i++)
		msv_charset_push(cs, bytes + i, 1, &out);
	msv_charset_end(cs, &out);
	ck_assert_str_eq(taken(), table[_i].utf8);
	msv_charset_free(cs);
}
END_TEST

START_TEST(unknown_names)
{
	static const char *const names[] = { "", "x-unknown", "utf-8//IGNORE", "../../etc/passwd",
		"utf 8", "\xc3\xa9", "-utf-8", "a/b",
		"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa" };
	struct msv_charset *cs;

	for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
		ck_assert_int_eq(
		    msv_charset_open(env, names[i], strlen(names[i]), &cs), MSV_ERR_UNSUPPORTED);
		ck_assert(!msv_charset_known(env, names[i], strlen(names[i])));
	}
	ck_assert(msv_charset_known(env, "UTF-8", 5));
}
END_TEST

static int convert_once(void)
{
	struct msv_charset *cs;
	int rc = msv_charset_open(env, "koi8-r", 6, &cs);

	if (rc < 0)
		return rc;
	rc = msv_charset_push(cs, "\xf0\xd2", 2, &out);
	if (rc == 0)
		rc = msv_charset_end(cs, &out);
	msv_charset_free(cs);
	msv_buf_fini(&out);
	return rc;
}

START_TEST(no_memory)
{
	fail_each_alloc(convert_once);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("charset");
	TCase *tc = tcase_create("table");

	tcase_add_checked_fixture(tc, buf_setup, buf_teardown);
	tcase_add_loop_test(tc, every_split, 0, sizeof table / sizeof table[0]);
	suite_add_tcase(s, tc);
	buf_case(s, "charset", unknown_names, no_memory);
	return check_main(s);
}
