/* Domains beyond ASCII. */
#include "codec/idna.h"

#include <string.h>

#include "check_main.h"
#include "config.h"

START_TEST(ascii)
{
	char out[MSV_DOMAIN_SIZE], longest[MSV_DOMAIN_SIZE + 1];

	ck_assert_int_eq(msv_domain_to_ascii("MX.Example.ORG", out), 0);
	ck_assert_str_eq(out, "mx.example.org");
	ck_assert_int_eq(msv_domain_to_ascii("", out), 0);
	ck_assert_str_eq(out, "");
	memset(longest, 'a', sizeof(longest));
	longest[MSV_DOMAIN_SIZE - 1] = '\0';
	ck_assert_int_eq(msv_domain_to_ascii(longest, out), 0);
	longest[MSV_DOMAIN_SIZE - 1] = 'a';
	longest[MSV_DOMAIN_SIZE] = '\0';
	ck_assert_int_eq(msv_domain_to_ascii(longest, out), MSV_ERR_FORMAT);
}
END_TEST

START_TEST(beyond_ascii)
{
	char out[MSV_DOMAIN_SIZE];

#ifdef HAVE_IDN2
	static const char *const spellings[] = { "b\xc3\xbc"
		                                 "cher.example",
		"B\xc3\x9c"
		"CHER.Example",
		"bu\xcc\x88"
		"cher.example",
		"xn--bcher-kva.example", "XN--BCHER-KVA.example" };
	for (size_t i = 0; i < sizeof(spellings) / sizeof(spellings[0]); i++) {
		ck_assert_int_eq(msv_domain_to_ascii(spellings[i], out), 0);
		ck_assert_str_eq(out, "xn--bcher-kva.example");
	}
#else
	ck_assert_int_eq(msv_domain_to_ascii("b\xc3\xbc", out), MSV_ERR_FORMAT);
#endif
	ck_assert_int_eq(msv_domain_to_ascii("b\xff", out), MSV_ERR_FORMAT);
	ck_assert_int_eq(msv_domain_to_ascii("\xe2\x80\xae.example", out), MSV_ERR_FORMAT);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("codec/idna");

	check_case(s, "idna", ascii, beyond_ascii);
	return check_main(s);
}
