#include "codec/mutf7.h"

#include "buf_fixture.h"

static const struct {
	const char *utf8, *mutf7;
} names[] = {
	{ "", "" },
	{ "INBOX", "INBOX" },
	/* RFC 3501 5.1.3. */
	{ "~peter/mail/\xe5\x8f\xb0\xe5\x8c\x97/\xe6\x97\xa5\xe6\x9c\xac\xe8\xaa\x9e",
	    "~peter/mail/&U,BTFw-/&ZeVnLIqe-" },
	{ "&", "&-" },
	{ "a&b", "a&-b" },
	{ "&&", "&-&-" },
	{ "Entw\xc3\xbcrfe", "Entw&APw-rfe" },
	{ "\xc3\xbc&", "&APw-&-" },
	{ "\xc3\xbc-", "&APw--" },
	{ "\xc3\xbc\xc3\xa9", "&APwA6Q-" },
	{ "\xf0\x9f\x93\xa7", "&2D3c5w-" },
	{ "a\tb", "a&AAk-b" },
	{ "\x7f", "&AH8-" },
};

START_TEST(both_ways)
{
	const char *utf8 = names[_i].utf8, *mutf7 = names[_i].mutf7;

	ck_assert_int_eq(msv_mutf7_encode(utf8, strlen(utf8), &out), 0);
	ck_assert_str_eq(taken(), mutf7);
	ck_assert_int_eq(msv_mutf7_decode(mutf7, strlen(mutf7), &out), 0);
	ck_assert_str_eq(taken(), utf8);
}
END_TEST

static const char *const wrong[] = {
	"&",
	"a&",
	"&U,BTFw",     /* no end */
	"&U,BTF-",     /* bits left over */
	"&U,BTFx-",    /* ... and not zero */
	"&AGE-",       /* "a" needs no shift */
	"&AGEA6Q-",    /* nor at the beginning of one */
	"&AOkAYQ-",    /* nor at its end */
	"&ACY-",       /* "&" is "&-" */
	"&AAA-",       /* NUL */
	"&APw-&AOk-",  /* two shifts that could be one */
	"&2D0-",       /* half of a pair */
	"&3Oc-",       /* the other half */
	"&2D0APw-",    /* half of a pair, then something else */
	"&U/BTFw-",    /* "/" instead of "," */
	"&U,BT Fw-",   /* a blank inside */
	"caf\xc3\xa9", /* 8-bit */
	"a\tb",        /* a control character */
	"\x7f",
};

START_TEST(refused)
{
	msv_buf_puts(&out, "before");
	ck_assert_int_eq(msv_mutf7_decode(wrong[_i], strlen(wrong[_i]), &out), MSV_ERR_FORMAT);
	ck_assert_str_eq(taken(), "before");
}
END_TEST

START_TEST(not_utf8)
{
	ck_assert_int_eq(msv_mutf7_encode("a\xff", 2, &out), MSV_ERR_FORMAT);
	ck_assert_int_eq(msv_mutf7_encode("a\xc3", 2, &out), MSV_ERR_FORMAT);
	ck_assert_int_eq(msv_mutf7_encode("a\0b", 3, &out), MSV_ERR_FORMAT);
	ck_assert_int_eq(msv_mutf7_encode("\xed\xa0\x80", 3, &out), MSV_ERR_FORMAT);
	ck_assert_int_eq(msv_mutf7_decode("a\0b", 3, &out), MSV_ERR_FORMAT);
	ck_assert_uint_eq(msv_buf_len(&out), 0);
}
END_TEST

static int encode_once(void)
{
	int rc = msv_mutf7_encode("\xc3\xbc-name", 7, &out);

	if (rc == 0)
		rc = msv_mutf7_decode("&APw--name", 10, &out);
	msv_buf_fini(&out);
	return rc;
}

START_TEST(no_memory)
{
	fail_each_alloc(encode_once);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("mutf7");
	TCase *tc = tcase_create("tables");

	tcase_add_checked_fixture(tc, buf_setup, buf_teardown);
	tcase_add_loop_test(tc, both_ways, 0, sizeof names / sizeof names[0]);
	tcase_add_loop_test(tc, refused, 0, sizeof wrong / sizeof wrong[0]);
	suite_add_tcase(s, tc);
	buf_case(s, "mutf7", not_utf8, no_memory);
	return check_main(s);
}
