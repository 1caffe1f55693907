#include "store/keywords.h"

#include <stdio.h>
#include <string.h>

#include "check_main.h"

static void parse(struct msv_keywords *k, const char *text)
{
	msv_keywords_parse(text, strlen(text), k);
}

START_TEST(test_parse)
{
	struct msv_keywords k;

	parse(&k, "0 $Forwarded\n1 Work\n25 last\n");
	ck_assert_str_eq(k.name[0], "$Forwarded");
	ck_assert_str_eq(k.name[1], "Work");
	ck_assert_str_eq(k.name[2], "");
	ck_assert_str_eq(k.name[25], "last");
}
END_TEST

START_TEST(test_parse_bad_lines)
{
	static const char *const bad[] = { "26 x\n", "x 1\n", "1\n", "1 \n", " 1 x\n", "-1 x\n",
		"0 a b\n", "0 (\n", "99999999999999999999 x\n", "\n", "0 \xc3(\n" };
	static const struct msv_keywords none;
	struct msv_keywords k;

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		parse(&k, bad[i]);
		ck_assert_msg(memcmp(&k, &none, sizeof(k)) == 0, "%zu", i);
	}
	/* The first of a letter and of a name counts. */
	parse(&k, "3 one\n3 two\n4 ONE\n");
	ck_assert_str_eq(k.name[3], "one");
	ck_assert_str_eq(k.name[4], "");
}
END_TEST

START_TEST(test_add)
{
	struct msv_keywords k = { 0 };
	char name[16], text[MSV_KEYWORDS_SIZE];
	struct msv_keywords again;

	for (int i = 0; i < MSV_MAX_LETTERS; i++) {
		snprintf(name, sizeof(name), "word%d", i);
		ck_assert_int_eq(msv_keywords_add(&k, name), i);
	}
	ck_assert_int_eq(msv_keywords_add(&k, "more"), MSV_ERR_LIMIT);
	ck_assert_int_eq(msv_keywords_add(&k, "WORD7"), 7);
	ck_assert_int_eq(msv_keywords_find(&k, "more"), MSV_ERR_NOTFOUND);
	msv_keywords_parse(text, msv_keywords_format(&k, text), &again);
	ck_assert_mem_eq(&k, &again, sizeof(k));
}
END_TEST

START_TEST(test_format)
{
	struct msv_keywords k;
	char text[MSV_KEYWORDS_SIZE];

	parse(&k, "2 b\n0 a\n");
	ck_assert_uint_eq(msv_keywords_format(&k, text), 8);
	ck_assert_mem_eq(text, "0 a\n2 b\n", 8);
	/* The longest file fits. */
	for (int i = 0; i < MSV_MAX_LETTERS; i++) {
		memset(k.name[i], 'a' + i, MSV_KEYWORD_SIZE - 1);
		k.name[i][MSV_KEYWORD_SIZE - 1] = '\0';
	}
	ck_assert_uint_lt(msv_keywords_format(&k, text), sizeof(text));
}
END_TEST

START_TEST(test_valid)
{
	char longest[MSV_KEYWORD_SIZE + 1];

	ck_assert(msv_keyword_valid("$MDNSent"));
	ck_assert(msv_keyword_valid("a]b"));
	ck_assert(!msv_keyword_valid(""));
	ck_assert(!msv_keyword_valid("a b"));
	ck_assert(!msv_keyword_valid("a\nb"));
	ck_assert(!msv_keyword_valid("\\Seen"));
	memset(longest, 'x', sizeof(longest));
	longest[MSV_KEYWORD_SIZE] = '\0';
	ck_assert(!msv_keyword_valid(longest));
	longest[MSV_KEYWORD_SIZE - 1] = '\0';
	ck_assert(msv_keyword_valid(longest));
}
END_TEST

int main(void)
{
	Suite *s = suite_create("store/keywords");

	check_case(
	    s, "keywords", test_parse, test_parse_bad_lines, test_add, test_format, test_valid);
	return check_main(s);
}
