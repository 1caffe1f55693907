#include "codec/transfer.h"

#include "buf_fixture.h"

static const struct {
	enum msv_encoding encoding;
	const char *in, *decoded;
} table[] = {
	{ MSV_ENCODING_IDENTITY, "a=3D\r\n", "a=3D\r\n" },
	{ MSV_ENCODING_UNKNOWN, "a=3D\r\n", "a=3D\r\n" },
	/* RFC 2045 6.7. */
	{ MSV_ENCODING_QP,
	    "Now's the time =\r\nfor all folk to come=\r\n to the aid of their country.",
	    "Now's the time for all folk to come to the aid of their country." },
	{ MSV_ENCODING_QP, "a=3Db=C3=a9", "a=b\xc3\xa9" },
	{ MSV_ENCODING_QP, "blanks \t \r\nvanish  ", "blanks\r\nvanish" },
	{ MSV_ENCODING_QP, "blanks  in the middle \t x", "blanks  in the middle \t x" },
	{ MSV_ENCODING_QP, "soft=  \t\r\nbreak", "softbreak" },
	{ MSV_ENCODING_QP, "soft=\nbreak", "softbreak" },
	{ MSV_ENCODING_QP, "kept=20\r\n", "kept \r\n" },
	{ MSV_ENCODING_QP, "wrong=ZZ =4 =", "wrong=ZZ =4 " },
	{ MSV_ENCODING_QP, "half=4", "half=4" },
	{ MSV_ENCODING_QP, "= x", "= x" },
	{ MSV_ENCODING_QP, "==3D", "==" },
	{ MSV_ENCODING_QP, "=\rx", "x" },
	{ MSV_ENCODING_QP, "=3=3D", "=3=" },
	{ MSV_ENCODING_QP, "lf\nonly \n", "lf\nonly\n" },
	/* RFC 4648 10. */
	{ MSV_ENCODING_BASE64, "", "" },
	{ MSV_ENCODING_BASE64, "Zg==", "f" },
	{ MSV_ENCODING_BASE64, "Zm8=", "fo" },
	{ MSV_ENCODING_BASE64, "Zm9v", "foo" },
	{ MSV_ENCODING_BASE64, "Zm9vYg==", "foob" },
	{ MSV_ENCODING_BASE64, "Zm9vYmE=", "fooba" },
	{ MSV_ENCODING_BASE64, "Zm9vYmFy", "foobar" },
	{ MSV_ENCODING_BASE64, "Zm\r\n9v\r\nYm Fy\r\n", "foobar" },
	{ MSV_ENCODING_BASE64, "Zm9vYg", "foob" },
	{ MSV_ENCODING_BASE64, "Zg==Zm8=", "ffo" },
	{ MSV_ENCODING_BASE64, "*Z.g-=_=", "f" },
	{ MSV_ENCODING_BASE64, "Z", "" },
	{ MSV_ENCODING_BASE64, "====", "" },
};

START_TEST(every_split)
{
	const char *in = table[_i].in;
	size_t n = strlen(in);
	struct msv_transfer t;

	msv_transfer_init(&t, table[_i].encoding);
	for (size_t split = 0; split <= n; split++) {
		msv_transfer_push(&t, in, split, &out);
		msv_transfer_push(&t, in + split, n - split, &out);
		ck_assert_int_eq(msv_transfer_end(&t, &out), 0);
		ck_assert_str_eq(taken(), table[_i].decoded);
	}
	for (size_t i = 0; i < n; i++)
		msv_transfer_push(&t, in + i, 1, &out);
	msv_transfer_end(&t, &out);
	ck_assert_str_eq(taken(), table[_i].decoded);
}
END_TEST

START_TEST(endless_blanks_are_not_kept)
{
	struct msv_transfer t;

	msv_transfer_init(&t, MSV_ENCODING_QP);
	for (int i = 0; i < 100; i++)
		msv_transfer_push(&t, " ", 1, &out);
	msv_transfer_push(&t, "x", 1, &out);
	ck_assert_uint_eq(strlen(taken()), 101);
}
END_TEST

START_TEST(names)
{
	ck_assert_int_eq(msv_encoding_of(NULL), MSV_ENCODING_IDENTITY);
	ck_assert_int_eq(msv_encoding_of("8BIT"), MSV_ENCODING_IDENTITY);
	ck_assert_int_eq(msv_encoding_of("Quoted-Printable"), MSV_ENCODING_QP);
	ck_assert_int_eq(msv_encoding_of("BASE64"), MSV_ENCODING_BASE64);
	ck_assert_int_eq(msv_encoding_of("x-uuencode"), MSV_ENCODING_UNKNOWN);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("transfer");
	TCase *tc = tcase_create("table");

	tcase_add_checked_fixture(tc, buf_setup, buf_teardown);
	tcase_add_loop_test(tc, every_split, 0, sizeof table / sizeof table[0]);
	suite_add_tcase(s, tc);
	buf_case(s, "transfer", endless_blanks_are_not_kept, names);
	return check_main(s);
}
