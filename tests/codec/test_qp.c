#include "codec/qp.h"

#include "buf_fixture.h"
#include "codec/transfer.h"

static int encode(const char *p, size_t n, size_t piece)
{
	struct msv_qp qp = { 0 };
	int rc = 0;

	for (size_t at = 0; at < n && rc == 0; at += piece)
		rc = msv_qp_push(&qp, p + at, piece < n - at ? piece : n - at, &out);
	return rc == 0 ? msv_qp_end(&qp, &out) : rc;
}

START_TEST(forms)
{
	static const struct {
		const char *in, *out;
	} table[] = {
		{ "", "" },
		{ "plain text\r\n", "plain text\r\n" },
		{ "a=b\r\n", "a=3Db\r\n" },
		{ "caf\xc3\xa9\r\n", "caf=C3=A9\r\n" },
		{ "lone lf\n", "lone lf\r\n" },
		{ "lone\rcr\r\r\n", "lone=0Dcr=0D\r\n" },
		{ "blank \r\ntab\t\r\n", "blank=20\r\ntab=09\r\n" },
		{ "blank at the end ", "blank at the end=20" },
		{ "cr at the end\r", "cr at the end=0D" },
		{ " \r", "=20=0D" },
		{ "\x01\x7f", "=01=7F" },
	};

	for (size_t i = 0; i < sizeof table / sizeof *table; i++)
		for (size_t piece = 1; piece < 4; piece++) {
			ck_assert_int_eq(encode(table[i].in, strlen(table[i].in), piece), 0);
			ck_assert_str_eq(taken(), table[i].out);
		}
}
END_TEST

/* RFC 2045 6.7 (5): no line is longer than 76 octets. */
static void check_lines(const char *p)
{
	while (*p) {
		const char *end = strstr(p, "\r\n");
		ck_assert_uint_le(end ? (size_t)(end - p) : strlen(p), 76);
		p = end ? end + 2 : "";
	}
}

/* Whatever the text: it comes back, line ends as CRLF. */
START_TEST(round_trips)
{
	static char text[5000];
	uint32_t dice = 1;
	struct msv_buf back;

	for (int round = 0; round < 200; round++) {
		size_t n = (size_t)round * 23;
		for (size_t i = 0; i < n; i++) {
			dice = dice * 1664525 + 1013904223;
			text[i] = round % 2 ? (char)(dice >> 24 ? dice >> 24 : 1)
			                    : "  =ab.\t\xc3"[dice >> 29];
			if (text[i] == '\n')
				text[i] = 'n';
		}
		ck_assert_int_eq(encode(text, n, 1 + (size_t)round), 0);
		struct msv_transfer t;
		msv_transfer_init(&t, MSV_ENCODING_QP);
		msv_buf_init(&back, env);
		msv_transfer_push(&t, msv_buf_data(&out), msv_buf_len(&out), &back);
		msv_transfer_end(&t, &back);
		ck_assert_uint_eq(msv_buf_len(&back), n);
		ck_assert_mem_eq(msv_buf_data(&back), n ? text : "", n);
		check_lines(taken());
		msv_buf_fini(&back);
	}
}
END_TEST

static int encode_something(void)
{
	static const char text[] = "some =text=\xc3\xa9 \r\n ";
	int rc = encode(text, sizeof text - 1, 5);

	msv_buf_fini(&out);
	return rc;
}

START_TEST(no_memory)
{
	fail_each_alloc(encode_something);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("codec/qp");

	buf_case(s, "qp", forms, round_trips, no_memory);
	return check_main(s);
}
