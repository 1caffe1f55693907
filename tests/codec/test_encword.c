#include "codec/encword.h"

#include "buf_fixture.h"

#define FFFD "\xef\xbf\xbd"

static const struct {
	const char *in, *decoded;
} table[] = {
	{ "", "" },
	{ "plain text", "plain text" },
	/* RFC 2047 8. */
	{ "=?US-ASCII?Q?Keith_Moore?= <moore@cs.utk.edu>", "Keith Moore <moore@cs.utk.edu>" },
	{ "=?ISO-8859-1?Q?Keld_J=F8rn_Simonsen?=", "Keld J\xc3\xb8rn Simonsen" },
	{ "=?ISO-8859-1?Q?Andr=E9?= Pirard", "Andr\xc3\xa9 Pirard" },
	{ "=?ISO-8859-1?B?SWYgeW91IGNhbiByZWFkIHRoaXMgeW8=?=\r\n "
	  "=?ISO-8859-2?B?dSB1bmRlcnN0YW5kIHRoZSBleGFtcGxlLg==?=",
	    "If you can read this you understand the example." },
	{ "(=?ISO-8859-1?Q?a?=)", "(a)" },
	{ "(=?ISO-8859-1?Q?a?= b)", "(a b)" },
	{ "(=?ISO-8859-1?Q?a?= =?ISO-8859-1?Q?b?=)", "(ab)" },
	{ "(=?ISO-8859-1?Q?a?=  =?ISO-8859-1?Q?b?=)", "(ab)" },
	{ "(=?ISO-8859-1?Q?a_b?=)", "(a b)" },
	{ "(=?ISO-8859-1?Q?a?= =?ISO-8859-2?Q?_b?=)", "(a b)" },
	/* RFC 2231 5. */
	{ "=?US-ASCII*EN?Q?Keith_Moore?=", "Keith Moore" },
	/* A character in two words. */
	{ "=?utf-8?Q?caf=C3?= =?UTF-8?Q?=A9?=", "caf\xc3\xa9" },
	{ "=?utf-8?B?w6k?=", "\xc3\xa9" },
	{ "=?utf-8?Q?caf=C3?= x", "caf" FFFD " x" },
	{ "=?utf-8?Q?=C3?= =?koi8-r?Q?=F0?=", FFFD "\xd0\x9f" },
	/* What mailers write. */
	{ "=?utf-8?q?are_you_there?"
	  "?=",
	    "are you there?" },
	{ "=?utf-8?q?with blank?=", "with blank" },
	{ "x=?utf-8?q?y?=z", "xyz" },
	{ "caf\xc3\xa9 \xff", "caf\xc3\xa9 " FFFD },
	/* What is none. */
	{ "=?utf-8?q?open", "=?utf-8?q?open" },
	{ "=?x-unknown?q?a?=", "=?x-unknown?q?a?=" },
	{ "=?utf-8?x?a?=", "=?utf-8?x?a?=" },
	{ "=??q?a?=", "=??q?a?=" },
	{ "=?utf-8?q?a?b?=", "=?utf-8?q?a?b?=" },
	{ "=? =? =?utf-8?q?a?=", "=? =? a" },
	{ "=?utf-8?q?"
	  "?=",
	    "" },
	{ "a=b", "a=b" },
	/* Nothing smuggles a line end out of a header. */
	{ "=?utf-8?q?a=0D=0ABcc:_x=00y?=", "a  Bcc: x y" },
};

START_TEST(decoded)
{
	ck_assert_int_eq(msv_encword_decode(table[_i].in, strlen(table[_i].in), &out), 0);
	ck_assert_str_eq(taken(), table[_i].decoded);
}
END_TEST

/* Inputs on which a careless decoder looks at the rest again and again. */
START_TEST(linear)
{
	static const char *const pieces[] = { "=?", "=?utf-8?q?", "=?a", "=?utf-8?q?a?= ", "?",
		"=?x-y?q?a?= ", "=?utf-8?b?w6k" };

	for (size_t i = 0; i < sizeof pieces / sizeof pieces[0]; i++) {
		struct msv_buf in;

		msv_buf_init(&in, env);
		while (msv_buf_len(&in) < 4000000)
			msv_buf_puts(&in, pieces[i]);
		ck_assert_int_eq(msv_encword_decode(msv_buf_data(&in), msv_buf_len(&in), &out), 0);
		msv_buf_fini(&in);
		msv_buf_clear(&out);
	}
}
END_TEST

/* Each new charset may cost files to be opened: their number is bounded. */
START_TEST(many_charsets)
{
	struct msv_buf in;

	msv_buf_init(&in, env);
	for (int i = 0; i < 100000; i++)
		msv_buf_printf(&in, "=?iso-8859-%d?q?a?= ", i);
	ck_assert_int_eq(msv_encword_decode(msv_buf_data(&in), msv_buf_len(&in), &out), 0);
	msv_buf_fini(&in);
}
END_TEST

static int decode_once(void)
{
	static const char in[] = "a =?koi8-r?q?=F0?= =?utf-8?b?w6k=?= b";
	int rc = msv_encword_decode(in, sizeof in - 1, &out);

	msv_buf_fini(&out);
	return rc;
}

START_TEST(no_memory)
{
	fail_each_alloc(decode_once);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("encword");
	TCase *tc = tcase_create("table");

	tcase_add_checked_fixture(tc, buf_setup, buf_teardown);
	tcase_add_loop_test(tc, decoded, 0, sizeof table / sizeof table[0]);
	suite_add_tcase(s, tc);
	buf_case(s, "encword", linear, many_charsets, no_memory);
	return check_main(s);
}
