#include "codec/utf8.h"

#include "buf_fixture.h"

/* RFC 3629 sections 3, 4 and 10; Unicode 3.9 table 3-8. */
static const struct {
	const char *bytes;
	bool valid;
	const char *cleaned; /* "?" stands for U+FFFD */
} table[] = {
	{ "", true, "" },
	{ "plain", true, "plain" },
	{ "\xc3\xa9", true, "\xc3\xa9" },
	{ "A\xe2\x89\xa2\xce\x91.", true, "A\xe2\x89\xa2\xce\x91." },
	{ "\xf0\xa3\x8e\xb4", true, "\xf0\xa3\x8e\xb4" },
	{ "\xf4\x8f\xbf\xbf", true, "\xf4\x8f\xbf\xbf" },
	{ "\xef\xbb\xbf", true, "\xef\xbb\xbf" },
	{ "\xc0\x80", false, "??" },
	{ "\xc1\xbf", false, "??" },
	{ "\xe0\x80\xaf", false, "???" },
	{ "\xe0\x9f\xbf", false, "???" },
	{ "\xed\xa0\x80", false, "???" },
	{ "\xed\xbf\xbf", false, "???" },
	{ "\xf0\x8f\xbf\xbf", false, "????" },
	{ "\xf4\x90\x80\x80", false, "????" },
	{ "\xf5\x80\x80\x80", false, "????" },
	{ "\xff", false, "?" },
	{ "a\x80", false, "a?" },
	{ "\xc3", false, "?" },
	{ "\xe2\x89", false, "?" },
	{ "\xf0\xa3\x8e", false, "?" },
	{ "\xc3(", false, "?(" },
	{ "\xe2\x89(x", false, "?(x" },
	{ "\xf0\xa3\xc3\xa9", false, "?\xc3\xa9" },
	{ "\xe1\x80\xe2\xf0\x91\x92\xf1\xbf"
	  "A",
	    false, "????A" },
};

static void expand(const char *cleaned, struct msv_buf *to)
{
	for (; *cleaned; cleaned++) {
		if (*cleaned == '?')
			msv_buf_puts(to, MSV_UTF8_REPLACEMENT);
		else
			msv_buf_putc(to, *cleaned);
	}
}

START_TEST(valid_and_cleaned)
{
	const char *bytes = table[_i].bytes;
	size_t n = strlen(bytes);
	struct msv_buf want;

	ck_assert_int_eq(msv_utf8_valid(bytes, n), table[_i].valid);
	msv_buf_init(&want, env);
	expand(table[_i].cleaned, &want);
	for (size_t split = 0; split <= n; split++) {
		struct msv_utf8_cleaner cleaner = { .nheld = 0 };

		msv_utf8_clean(&cleaner, bytes, split, &out);
		msv_utf8_clean(&cleaner, bytes + split, n - split, &out);
		ck_assert_int_eq(msv_utf8_clean_end(&cleaner, &out), 0);
		ck_assert_str_eq(taken(), msv_buf_cstr(&want));
	}
	msv_buf_fini(&want);
}
END_TEST

START_TEST(every_character_comes_back)
{
	uint32_t wrong = 0;

	for (uint32_t c = 0; c < 0x110000; c++) {
		char utf8[4];
		uint32_t back = 0;
		size_t n;

		if (c == 0xd800)
			c = 0xe000;
		n = msv_utf8_put(c, utf8);
		wrong += msv_utf8_get(utf8, n, &back) != (int)n || back != c;
		wrong += msv_utf8_get(utf8, n - 1, &back) != 0;
	}
	ck_assert_uint_eq(wrong, 0);
}
END_TEST

START_TEST(ascii)
{
	ck_assert(msv_ascii_only("abc\x7f", 4));
	ck_assert(!msv_ascii_only("ab\x80", 3));
	ck_assert(msv_ascii_only(NULL, 0));
}
END_TEST

int main(void)
{
	Suite *s = suite_create("utf8");
	TCase *tc = tcase_create("table");

	tcase_add_checked_fixture(tc, buf_setup, buf_teardown);
	tcase_add_loop_test(tc, valid_and_cleaned, 0, sizeof table / sizeof table[0]);
	suite_add_tcase(s, tc);
	buf_case(s, "utf8", every_character_comes_back, ascii);
	return check_main(s);
}
