/* Conversion to 7 bits (RFC 6152 3): what goes out is 7 bits, its structure is
 * the same, and its parts decode to the same octets. */
#include "smtp/client_rig.h"

#include "message/mime.h"
#include "smtp/client.h"

static struct msv_test_env *test;
static struct msv_env *env;

static void setup(void)
{
	ck_assert_int_eq(msv_test_env_new(0, &test), 0);
	env = msv_test_env(test);
}

static void teardown(void)
{
	ck_assert_uint_eq(msv_test_env_free(test), 0);
}

/* Runs a conversion with pieces of that size; NULL when it was refused. */
static bool convert(const char *text, size_t n, size_t piece, struct msv_buf *out)
{
	struct msv_convert *v;
	const char *why = NULL;
	int error = 0;

	msv_buf_init(out, env);
	ck_assert_int_eq(msv_convert_new(env, &v), 0);
	for (int round = 0; round < 3 && !error; round++) {
		for (size_t at = 0; at < n; at += piece)
			ck_assert_int_eq(
			    msv_convert_push(v, text + at, n - at < piece ? n - at : piece, out),
			    0);
		ck_assert(round == 2 || msv_buf_len(out) == 0);
		ck_assert(msv_convert_ready(v) == (round == 2));
		error = msv_convert_finish(v, out, &why);
	}
	ck_assert(error == 0 || (error == MSV_ERR_UNSUPPORTED && why));
	msv_convert_free(v);
	return !error;
}

static void expect(const char *text, const char *wanted)
{
	static const size_t pieces[] = { SIZE_MAX / 2, 1, 2, 7 };

	for (size_t i = 0; i < sizeof(pieces) / sizeof(pieces[0]); i++) {
		struct msv_buf out;
		bool fine = convert(text, strlen(text), pieces[i], &out);
		ck_assert(fine == (wanted != NULL));
		if (wanted)
			ck_assert_str_eq(msv_buf_cstr(&out), wanted);
		msv_buf_fini(&out);
	}
}

/* -- What comes out ------------------------------------------------------------------ */

START_TEST(plain_text)
{
	expect("Subject: x\r\nMIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\n"
	       "Content-Transfer-Encoding:\r\n 8bit\r\nTo: y\r\n\r\ncaf\xc3\xa9 = 3 \r\n\tx\t\r\n",
	    "Subject: x\r\nContent-Type: text/plain; charset=utf-8\r\nTo: y\r\n"
	    "MIME-Version: 1.0\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n"
	    "caf=C3=A9 =3D 3=20\r\n\tx=09\r\n");
}
END_TEST

START_TEST(not_mime)
{
	expect("Subject: x\r\n\r\ncaf\xe9\r\n",
	    "Subject: x\r\nMIME-Version: 1.0\r\n"
	    "Content-Type: text/plain; charset=unknown-8bit\r\n"
	    "Content-Transfer-Encoding: quoted-printable\r\n\r\ncaf=E9\r\n");
}
END_TEST

START_TEST(other_types)
{
	expect(
	    "Content-Type: application/x-y\r\nContent-Transfer-Encoding: 8bit\r\n\r\n\xff\xfe\r\n",
	    "Content-Type: application/x-y\r\nMIME-Version: 1.0\r\n"
	    "Content-Transfer-Encoding: base64\r\n\r\n//4NCg==");
}
END_TEST

/* Only the parts that need it are changed; what names 8bit around them too. */
START_TEST(parts)
{
	expect("MIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=b\r\n"
	       "Content-Transfer-Encoding: 8bit\r\n\r\npre\xff\r\n--b\r\n"
	       "Content-Type: text/plain\r\n\r\nleft = alone \r\n--b\r\n"
	       "Content-Type: text/html\r\nContent-Transfer-Encoding: 8bit\r\n\r\n<\xc3\xa4>\r\n"
	       "--b\r\nContent-Type: image/x\r\nContent-Transfer-Encoding: base64\r\n\r\n"
	       "AAAA\r\n--b--\r\npost\r\n",
	    "Content-Type: multipart/mixed; boundary=b\r\nMIME-Version: 1.0\r\n"
	    "Content-Transfer-Encoding: 7bit\r\n\r\npre?\r\n--b\r\n"
	    "Content-Type: text/plain\r\n\r\nleft = alone \r\n--b\r\n"
	    "Content-Type: text/html\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n"
	    "<=C3=A4>\r\n--b\r\nContent-Type: image/x\r\nContent-Transfer-Encoding: base64\r\n\r\n"
	    "AAAA\r\n--b--\r\npost\r\n");
}
END_TEST

START_TEST(embedded_message)
{
	expect("MIME-Version: 1.0\r\nContent-Type: message/rfc822\r\n"
	       "Content-Transfer-Encoding: 8bit\r\n\r\n"
	       "Subject: inside\r\nContent-Type: text/plain\r\n\r\n\xc3\xa4\r\n",
	    "Content-Type: message/rfc822\r\nMIME-Version: 1.0\r\n"
	    "Content-Transfer-Encoding: 7bit\r\n\r\n"
	    "Subject: inside\r\nContent-Type: text/plain\r\nMIME-Version: 1.0\r\n"
	    "Content-Transfer-Encoding: quoted-printable\r\n\r\n=C3=A4\r\n");
}
END_TEST

/* Encoded already, with octets that do not belong there. */
START_TEST(patched)
{
	expect("Content-Type: text/plain\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n"
	       "a=20b\xc3=\r\n\r\n",
	    "Content-Type: text/plain\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n"
	    "a=20b=C3=\r\n\r\n");
	expect("Content-Type: image/x\r\nContent-Transfer-Encoding: base64\r\n\r\nAA\xff"
	       "AA\r\n",
	    "Content-Type: image/x\r\nContent-Transfer-Encoding: base64\r\n\r\nAAAA\r\n");
}
END_TEST

START_TEST(refused)
{
	expect("Subject: \xc3\xa4\r\n\r\ntext\r\n", NULL);
	/* RFC 6376: whatever was said of it. */
	expect("Subject: x\r\ndkim-signature : v=1;\r\n b=\r\n\r\n\xff\r\n", NULL);
	expect("Content-Transfer-Encoding: x-uuencode\r\n\r\n\xff\r\n", NULL);
	expect("Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\nX: \xff\r\n\r\n--b--\r\n",
	    NULL);
}
END_TEST

START_TEST(nothing_to_do)
{
	static const char text[] = "Subject: x\r\n\r\nplain = text \r\n";

	expect(text, text);
	expect("", "");
}
END_TEST

/* -- Encoders, against the decoders ------------------------------------------------------- */

static void round_trip(const char *text, size_t n, size_t piece, bool base64)
{
	struct msv_buf encoded, decoded;
	struct msv_encoder e;
	struct msv_transfer t;
	size_t column = 0;

	msv_buf_init(&encoded, env);
	msv_buf_init(&decoded, env);
	msv_encoder_init(&e, base64 ? MSV_ENCODE_BASE64 : MSV_ENCODE_QP);
	for (size_t at = 0; at < n; at += piece)
		msv_encoder_push(&e, text + at, n - at < piece ? n - at : piece, &encoded);
	msv_encoder_end(&e, &encoded);
	const char *p = msv_buf_data(&encoded);
	for (size_t i = 0; i < msv_buf_len(&encoded); i++) {
		ck_assert((unsigned char)p[i] < 127 && (p[i] >= ' ' || strchr("\r\n\t", p[i])));
		column = p[i] == '\n' ? 0 : column + (p[i] != '\r');
		ck_assert_uint_le(column, 76);
		if (p[i] == '\n' && i > 1)
			ck_assert(p[i - 1] == '\r' && p[i - 2] != ' ' && p[i - 2] != '\t');
	}
	msv_transfer_init(&t, base64 ? MSV_ENCODING_BASE64 : MSV_ENCODING_QP);
	ck_assert_int_eq(msv_transfer_push(&t, p, msv_buf_len(&encoded), &decoded), 0);
	ck_assert_int_eq(msv_transfer_end(&t, &decoded), 0);
	ck_assert_uint_eq(msv_buf_len(&decoded), n);
	if (n)
		ck_assert_mem_eq(msv_buf_data(&decoded), text, n);
	msv_buf_fini(&encoded);
	msv_buf_fini(&decoded);
}

START_TEST(encoders)
{
	static const char alphabet[] = "\r\n \t=-.a\xc3\xff";
	char text[2000];
	uint32_t dice = 1;

	for (int round = 0; round < 2000; round++) {
		size_t n = 0, length = (size_t)round;
		while (n + 1 < length) {
			dice = dice * 1664525 + 1013904223;
			char c = alphabet[(dice >> 16) % (sizeof(alphabet) - 1)];
			if ((dice >> 8) % 3 == 0)
				c = (char)('a' + (dice >> 20) % 26);
			if (c == '\r' || c == '\n') {
				text[n++] = '\r';
				c = '\n';
			}
			text[n++] = c;
		}
		round_trip(text, n, 1 + dice % 9, true);
		round_trip(text, n, 1 + dice % 9, false);
	}
}
END_TEST

/* -- In a session ------------------------------------------------------------------------------ */

static void eight_bit(struct rig_client *rig)
{
	static const char text[] = "Content-Type: text/plain; charset=utf-8\r\n"
	                           "Content-Transfer-Encoding: 8bit\r\n\r\n.\xc3\xa4\r\n";
	rig_compose(rig, text, TO("a@x.example"))->message.body_8bit = true;
	rig_compose(rig, text, TO("b@x.example"))->message.body_8bit = true;
	rig->messages[1].message.has_dkim_signature = true;
	rig_compose(rig, "Subject: \xff\r\n\r\nx\r\n", TO("c@x.example"))->message.body_8bit = true;
	rig_compose(rig, "lone\n\xff\r\n", TO("d@x.example"))->message.body_8bit = true;
	for (size_t i = 0; i < 4; i++)
		rig->messages[i].message.octets = 0;
	rig->quit_at_once = true;
}

#define STORY "completed\n" REST
#define REST \
	"b@x.example: mail 554 5.6.3 the next hop takes 7 bits alone, and a signed message is " \
	"not converted (we) (permanent)\n" \
	"c@x.example: data 554 5.6.3 the next hop takes 7 bits alone, and the header has more " \
	"(we) (permanent)\n" \
	"d@x.example: data 554 5.6.0 the message has a CR or LF that stands alone, or a NUL " \
	"(we) (permanent)\n" \
	"over\n"

START_TEST(in_session)
{
	rig_play(eight_bit,
	    BARE_HELLO "C: MAIL FROM:<ann@client.example>\nS: 250 ok\n"
	               "C: RCPT TO:<a@x.example>\nS: 250 ok\nC: DATA\nS: 354 go\n"
	               "C: Content-Type: text/plain; charset=utf-8\nC: MIME-Version: 1.0\n"
	               "C: Content-Transfer-Encoding: quoted-printable\nC: \nC: ..=C3=A4\nC: .\n"
	               "S: 250 ok\nC: QUIT\nS: 221 bye\nX:\n",
	    "a@x.example: end 250 ok\n" STORY);
	rig_play(eight_bit,
	    HELLO("S: 250-x\nS: 250-CHUNKING\n") "C: MAIL FROM:<ann@client.example>\nS: 250 ok\nC: "
	                                         "RCPT TO:<a@x.example>\nS: 250 ok\n"
	                                         "C: BDAT 116 LAST\nC: Content-Type: text/plain; "
	                                         "charset=utf-8\nC: MIME-Version: 1.0\n"
	                                         "C: Content-Transfer-Encoding: "
	                                         "quoted-printable\nC: \nC: .=C3=A4\n"
	                                         "S: 250 ok\nC: QUIT\nS: 221 bye\nX:\n",
	    "a@x.example: end 250 ok\n" STORY);
}
END_TEST

/* What is declared is what it becomes (RFC 1870). */
START_TEST(size)
{
	rig_play(eight_bit,
	    HELLO(
	        "S: 250-x\nS: 250-CHUNKING\nS: 250-SIZE 116\n") "C: MAIL FROM:<ann@client.example> "
	                                                        "SIZE=116\nS: 250 ok\nC: RCPT "
	                                                        "TO:<a@x.example>\n"
	                                                        "S: 550 no\nC: QUIT\nS: 221 "
	                                                        "bye\nX:\n",
	    NULL);
	rig_play(eight_bit,
	    HELLO("S: 250-x\nS: 250-CHUNKING\nS: 250-SIZE 115\n") "C: QUIT\nS: 221 bye\nX:\n",
	    "a@x.example: mail 552 5.3.4 the message is larger than the next hop takes (we) "
	    "(permanent)\n" REST);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("smtp/client_convert");

	check_fixture_case(s, "convert", setup, teardown, plain_text, not_mime, other_types, parts,
	    embedded_message, patched, refused, nothing_to_do, encoders);
	check_case(s, "session", in_session, size);
	return check_main(s);
}
