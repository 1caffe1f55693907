#include <stdio.h>
#include <string.h>

#include <mailserv/testing.h>

#include "base/utf8.h"
#include "check_main.h"

static void expect(const char *said, const char *logged)
{
	struct msv_test_env *test;
	char line[128];

	ck_assert_int_eq(msv_test_env_new(1, &test), 0);
	msv_env_log(msv_test_env(test), MSV_LOG_INFO, "%s", said);
	snprintf(line, sizeof(line), "info: %s\n", logged);
	ck_assert_str_eq(msv_test_log(test), line);
	ck_assert_uint_eq(msv_test_env_free(test), 0);
}

START_TEST(escapes)
{
	expect("plain", "plain");
	expect("", "");
	expect("a\r\nMay 1 forged", "a\\x0d\\x0aMay 1 forged");
	expect("\x1b[31m\x7f\x01", "\\x1b[31m\\x7f\\x01");
	expect("Gr\xc3\xbc\xc3\x9f \xe2\x82\xac \xf0\x9f\x93\xa7",
	    "Gr\xc3\xbc\xc3\x9f \xe2\x82\xac \xf0\x9f\x93\xa7");
	expect("\xc3", "\\xc3");
	expect("\xff\xfe", "\\xff\\xfe");
	expect("\xc0\xaf \xe0\x80\xaf", "\\xc0\\xaf \\xe0\\x80\\xaf");
	expect("\xed\xa0\x80", "\\xed\\xa0\\x80");
	expect("\xf4\x90\x80\x80", "\\xf4\\x90\\x80\\x80");
	expect("\xc2\x9b"
	       "1m",
	    "\\xc2\\x9b"
	    "1m");
}
END_TEST

/* A long line is cut; every byte of it escaped is held. */
START_TEST(long_lines)
{
	struct msv_test_env *test;
	char said[5000];

	ck_assert_int_eq(msv_test_env_new(1, &test), 0);
	memset(said, '\n', sizeof(said) - 1);
	said[sizeof(said) - 1] = '\0';
	msv_env_log(msv_test_env(test), MSV_LOG_ERROR, "%s", said);
	const char *line = msv_test_log(test);
	ck_assert_uint_eq(strlen(line), strlen("error: ") + 4 * 4095 + 1);
	ck_assert_ptr_eq(strchr(line, '\n'), line + strlen(line) - 1);
	ck_assert_uint_eq(msv_test_env_free(test), 0);
}
END_TEST

/* Without memory the line is shorter, never lost and never too long. */
START_TEST(without_memory)
{
	struct msv_test_env *test;
	char said[3000];

	ck_assert_int_eq(msv_test_env_new(1, &test), 0);
	memset(said, 'a', sizeof(said) - 1);
	said[sizeof(said) - 1] = '\0';
	for (uint64_t n = 0; n < 2; n++) {
		msv_test_fail_alloc(test, n, true);
		msv_env_log(msv_test_env(test), MSV_LOG_WARN, "%s", said);
		ck_assert_uint_eq(strlen(msv_test_log(test)), strlen("warn: ") + 511 + 1);
	}
	msv_test_fail_alloc(test, UINT64_MAX, false);
	ck_assert_uint_eq(msv_test_env_free(test), 0);
}
END_TEST

START_TEST(nobody_listens)
{
	struct msv_env *env;

	ck_assert_int_eq(msv_env_new(NULL, &env), 0);
	msv_env_log(env, MSV_LOG_ERROR, "dropped");
	msv_env_free(env);
}
END_TEST

/* Every number there is comes back from its UTF-8, in no shorter prefix. */
START_TEST(utf8)
{
	for (uint32_t c = 0; c < 0x110000; c++) {
		char s[4];
		size_t n;
		uint32_t got;
		if (c < 0x80) {
			s[0] = (char)c;
			n = 1;
		} else if (c < 0x800) {
			s[0] = (char)(0xc0 | c >> 6);
			n = 2;
		} else if (c < 0x10000) {
			s[0] = (char)(0xe0 | c >> 12);
			n = 3;
		} else {
			s[0] = (char)(0xf0 | c >> 18);
			n = 4;
		}
		for (size_t i = 1; i < n; i++)
			s[i] = (char)(0x80 | (c >> 6 * (n - 1 - i) & 0x3f));
		bool surrogate = c >= 0xd800 && c < 0xe000;
		ck_assert_uint_eq(msv_utf8_char(s, n, &got), surrogate ? 0 : n);
		if (!surrogate)
			ck_assert_uint_eq(got, c);
		ck_assert_uint_eq(msv_utf8_char(s, n - 1, &got), 0);
	}
}
END_TEST

int main(void)
{
	Suite *s = suite_create("log");

	check_case(s, "log", escapes, long_lines, without_memory, nobody_listens);
	check_case(s, "utf8", utf8);
	return check_main(s);
}
