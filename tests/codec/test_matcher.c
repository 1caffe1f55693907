#include "codec/matcher.h"

#include "buf_fixture.h"
#include "codec/casefold.h"
#include "config.h"

static const struct {
	const char *needle, *text;
	bool found, unicode; /* unicode: only with utf8proc */
} table[] = {
	{ "", "", true, false },
	{ "", "x", true, false },
	{ "a", "", false, false },
	{ "abc", "xabcx", true, false },
	{ "ABC", "xaBcx", true, false },
	{ "abc", "ababab", false, false },
	{ "aab", "aaab", true, false },
	{ "abcabd", "abcabcabd", true, false },
	{ "abab", "abaabab", true, false },
	{ "\xc3\xa9", "caf\xc3\xa9", true, false },
	{ "\xc3\xa9", "CAF\xc3\x89", true, true },
	{ "STRASSE",
	    "Die Stra\xc3\x9f"
	    "e",
	    true, true },
	{ "\xd0\xbf\xd1\x80", "\xd0\x9f\xd0\xa0\xd0\x98", true, true },
	/* A compatibility form and a composed one (RFC 5051 2). */
	{ "fi", "\xef\xac\x81", true, true },
	{ "e\xcc\x81", "\xc3\x89", true, true },
	/* Bytes that are no UTF-8 stop nothing. */
	{ "b",
	    "\xff\xfe\xc3"
	    "B",
	    true, false },
	{ "\xc3\xa9", "\xe2\xc3\xa9", true, false },
};

START_TEST(every_split)
{
	const char *needle = table[_i].needle, *text = table[_i].text;
	size_t n = strlen(text);
	struct msv_matcher m;

#ifndef HAVE_UTF8PROC
	if (table[_i].unicode)
		return;
#endif
	ck_assert_int_eq(msv_matcher_init(&m, env, needle, strlen(needle)), 0);
	ck_assert_int_eq(msv_matcher_text(&m, text, n), table[_i].found);
	for (size_t split = 0; split <= n; split++) {
		msv_matcher_reset(&m);
		msv_matcher_push(&m, text, split);
		ck_assert_int_eq(msv_matcher_push(&m, text + split, n - split), table[_i].found);
	}
	msv_matcher_reset(&m);
	for (size_t i = 0; i < n; i++)
		msv_matcher_push(&m, text + i, 1);
	ck_assert_int_eq(msv_matcher_push(&m, "", 0), table[_i].found);
	msv_matcher_fini(&m);
}
END_TEST

START_TEST(needles_refused)
{
	static char big[MSV_MATCHER_MAX + 1];
	struct msv_matcher m;

	ck_assert_int_eq(msv_matcher_init(&m, env, "\xff", 1), MSV_ERR_FORMAT);
	memset(big, 'a', sizeof big);
	ck_assert_int_eq(msv_matcher_init(&m, env, big, sizeof big), MSV_ERR_LIMIT);
}
END_TEST

/* A needle of a^n b in a^m is the naive searcher's worst case. */
START_TEST(linear)
{
	static char needle[50001], text[4096];
	struct msv_matcher m;

	memset(needle, 'a', sizeof needle);
	needle[sizeof needle - 1] = 'b';
	memset(text, 'a', sizeof text);
	ck_assert_int_eq(msv_matcher_init(&m, env, needle, sizeof needle), 0);
	for (int i = 0; i < 5000; i++)
		ck_assert_int_eq(msv_matcher_push(&m, text, sizeof text), 0);
	ck_assert_int_eq(msv_matcher_push(&m, "b", 1), 1);
	ck_assert_uint_lt(msv_test_memory(test), 1000000);
	msv_matcher_fini(&m);
}
END_TEST

static int match_once(void)
{
	struct msv_matcher m;
	int rc = msv_matcher_init(&m, env, "needle", 6);

	if (rc < 0)
		return rc;
	rc = msv_matcher_text(&m, "a NEEDLE!", 9);
	msv_matcher_fini(&m);
	return rc < 0 ? rc : 0;
}

START_TEST(no_memory)
{
	fail_each_alloc(match_once);
}
END_TEST

START_TEST(ascii_comparison)
{
	ck_assert(msv_ascii_equals("SubJect", 7, "subject"));
	ck_assert(!msv_ascii_equals("SubJec", 6, "subject"));
	ck_assert(!msv_ascii_equal("\xc3\xa9", 2, "\xc3\x89", 2));
}
END_TEST

int main(void)
{
	Suite *s = suite_create("matcher");
	TCase *tc = tcase_create("table");

	tcase_add_checked_fixture(tc, buf_setup, buf_teardown);
	tcase_add_loop_test(tc, every_split, 0, sizeof table / sizeof table[0]);
	suite_add_tcase(s, tc);
	buf_case(s, "matcher", needles_refused, linear, no_memory, ascii_comparison);
	return check_main(s);
}
