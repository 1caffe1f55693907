#include "message/mime.h"

#include "parsing.h"

#define TEXT_PLAIN "(\"text\" \"plain\" (\"charset\" \"us-ascii\") NIL NIL \"7bit\" "

/* What BODY says (RFC 3501 7.4.2). */
static const struct {
	const char *in, *body;
} table[] = {
	{ "", TEXT_PLAIN "0 0)" },
	{ "\n", TEXT_PLAIN "0 0)" },
	{ "\nbody\nno end", TEXT_PLAIN "12 1)" },
	{ "Subject: x\n", TEXT_PLAIN "0 0)" },
	{ "A: b\r\n\r\nbody\r\n", TEXT_PLAIN "6 1)" },
	{ "A: b\n\nbody\n", TEXT_PLAIN "6 1)" },
	{ "A: b\n\nlone\rcr\r\r\n\n", TEXT_PLAIN "12 2)" },
	{ "Content-Type: text/html; charset=\"utf-8\"\nContent-Transfer-Encoding: 8bit\n"
	  "Content-ID: <a@b>\nContent-Description: d \\ \"q\"\n\nx\n",
	    "(\"text\" \"html\" (\"charset\" \"utf-8\") \"<a@b>\" \"d \\\\ \\\"q\\\"\" \"8bit\" 3 "
	    "1)" },
	{ "Content-Type: image/PNG; name=x\n\nx\n",
	    "(\"image\" \"PNG\" (\"name\" \"x\") NIL NIL \"7bit\" 3)" },
	{ "Content-Type: (c) text (d) / (e) html (f)\n\n",
	    "(\"text\" \"html\" (\"charset\" \"us-ascii\") NIL NIL \"7bit\" 0 0)" },
	/* RFC 2045 5.2: what cannot be understood is text/plain. */
	{ "Content-Type: text\n\n", TEXT_PLAIN "0 0)" },
	{ "Content-Type: text/\n\n", TEXT_PLAIN "0 0)" },
	{ "Content-Type: /html\n\n", TEXT_PLAIN "0 0)" },
	{ "Content-Type:\n\n", TEXT_PLAIN "0 0)" },
	{ "Content-Transfer-Encoding: quoted printable\n\n", TEXT_PLAIN "0 0)" },
	/* The first of a Content-* field counts. */
	{ "Content-Type: a/b\nContent-Type: c/d\n\n", "(\"a\" \"b\" NIL NIL NIL \"7bit\" 0)" },

	{ "Content-Type: multipart/mixed; boundary=b\n\npreamble\n--b\n\none\n--b\nContent-Type: "
	  "a/b\n\n"
	  "two\n\n--b--\nepilogue\n--b\n\nno part\n",
	    "(" TEXT_PLAIN "3 0)(\"a\" \"b\" NIL NIL NIL \"7bit\" 5) \"mixed\")" },
	/* Blanks behind a boundary (RFC 2046 5.1.1), and quotes around one. */
	{ "Content-Type: multipart/mixed; boundary=\"a b\"\n\n--a b  \n\none\n--a b--  \n",
	    "(" TEXT_PLAIN "3 0) \"mixed\")" },
	{ "Content-Type: multipart/mixed; boundary*=us-ascii''a%20b\n\n--a b\n\none\n--a b--\n",
	    "(" TEXT_PLAIN "3 0) \"mixed\")" },
	{ "Content-Type: multipart/mixed; boundary=\"\xff\"\n\n--\xff\n\none\n--\xff--\n",
	    "(" TEXT_PLAIN "3 0) \"mixed\")" },
	/* No parts: the grammar wants one. */
	{ "Content-Type: multipart/mixed; boundary=b\n\nnothing\n",
	    "(" TEXT_PLAIN "0 0) \"mixed\")" },
	{ "Content-Type: multipart/mixed\n\n--\n\nx\n----\n", "(" TEXT_PLAIN "0 0) \"mixed\")" },
	{ "Content-Type: multipart/mixed; boundary=\"\"\n\n--\n\nx\n----\n",
	    "(" TEXT_PLAIN "0 0) \"mixed\")" },
	{ "Content-Type: multipart/mixed; boundary=b\n\n--b", "(" TEXT_PLAIN "0 0) \"mixed\")" },
	{ "Content-Type: multipart/mixed; boundary=b\n\n--b--", "(" TEXT_PLAIN "0 0) \"mixed\")" },
	{ "Content-Type: multipart/mixed; boundary=b\n\n--b\n", "(" TEXT_PLAIN "0 0) \"mixed\")" },
	/* Headers that do not end, parts without one. */
	{ "Content-Type: multipart/mixed; boundary=b\n\n--b\nContent-Type: "
	  "a/b\n--b\n--b\n\n\n--b--\n",
	    "((\"a\" \"b\" NIL NIL NIL \"7bit\" 0)" TEXT_PLAIN "0 0)" TEXT_PLAIN
	    "0 0) \"mixed\")" },
	/* A boundary that begins another; the outer one ends what is inside. */
	{ "Content-Type: multipart/a; boundary=foo\n\n--foo\n"
	  "Content-Type: multipart/b; "
	  "boundary=foobar\n\n--foobar\n\nin\n--foobar--\n--foo\n\nout\n--foo--\n",
	    "((" TEXT_PLAIN "2 0) \"b\")" TEXT_PLAIN "3 0) \"a\")" },
	{ "Content-Type: multipart/a; boundary=foobar\n\n--foobar\n"
	  "Content-Type: multipart/b; "
	  "boundary=foo\n\n--foo\n\nin\n--foobar\n\nout\n--foobar--\n--foo--\n",
	    "((" TEXT_PLAIN "2 0) \"b\")" TEXT_PLAIN "3 0) \"a\")" },
	/* The same boundary inside: the inner one takes it until it is closed. */
	{ "Content-Type: multipart/a; boundary=b\n\n--b\nContent-Type: multipart/b; boundary=b\n\n"
	  "--b\n\nin\n--b--\n--b\n\nout\n--b--\n",
	    "((" TEXT_PLAIN "2 0) \"b\")" TEXT_PLAIN "3 0) \"a\")" },
	{ "Content-Type: multipart/digest; boundary=b\n\n--b\n\nSubject: s\n\nx\n--b\n"
	  "Content-Type: text/plain\n\ny\n--b--\n",
	    "((\"message\" \"rfc822\" NIL NIL NIL \"7bit\" 15 (NIL \"s\" NIL NIL NIL NIL NIL NIL "
	    "NIL NIL) " TEXT_PLAIN "1 0) 2)" TEXT_PLAIN "1 0) \"digest\")" },
	{ "Content-Type: message/rfc822\nContent-Transfer-Encoding: base64\n\nFrom: a@b\n\nx\n",
	    "(\"message\" \"rfc822\" NIL NIL NIL \"base64\" 16 (NIL NIL ((NIL NIL \"a\" \"b\")) "
	    "((NIL NIL \"a\" \"b\")) ((NIL NIL \"a\" \"b\")) NIL NIL NIL NIL NIL) " TEXT_PLAIN
	    "3 1) 3)" },
	{ "Content-Type: message/rfc822\n",
	    "(\"message\" \"rfc822\" NIL NIL NIL \"7bit\" 0 "
	    "(NIL NIL NIL NIL NIL NIL NIL NIL NIL NIL) " TEXT_PLAIN "0 0) 0)" },
	{ "Content-Type: message/delivery-status\n\nx: y\n",
	    "(\"message\" \"delivery-status\" NIL NIL NIL \"7bit\" 6)" },
	/* An embedded message whose header ends where its boundary begins. */
	{ "Content-Type: multipart/mixed; boundary=b\n\n--b\nContent-Type: message/rfc822\n\n"
	  "Subject: s\n\n--b--\n",
	    "((\"message\" \"rfc822\" NIL NIL NIL \"7bit\" 14 (NIL \"s\" NIL NIL NIL NIL NIL NIL "
	    "NIL NIL) " TEXT_PLAIN "0 0) 2) \"mixed\")" },
};

static void expect_body(const struct msv_mime *mime, const char *body)
{
	ck_assert_int_eq(msv_bodystructure_write(mime, false, &out), 0);
	ck_assert_str_eq(taken(), body);
}

START_TEST(bodies)
{
	struct msv_mime *mime = parse_text(table[_i].in);

	expect_body(mime, table[_i].body);
	msv_mime_free(mime);
}
END_TEST

static const struct {
	const char *in, *extended;
} extended[] = {
	{ "Content-Type: image/png\nContent-MD5: abc==\nContent-Disposition: Attachment; "
	  "filename=\"x y\"\n"
	  "Content-Language: en\nContent-Location: http://x/\n\n",
	    "(\"image\" \"png\" NIL NIL NIL \"7bit\" 0 \"abc==\" (\"Attachment\" (\"filename\" \"x "
	    "y\")) "
	    "(\"en\") \"http://x/\")" },
	{ "Content-Language: en (English), de\nContent-Disposition: inline\n\n",
	    TEXT_PLAIN "0 0 NIL (\"inline\" NIL) (\"en\" \"de\") NIL)" },
	{ "Content-Disposition: ;\nContent-Language: ,\nContent-MD5:\n\n",
	    TEXT_PLAIN "0 0 \"\" NIL NIL NIL)" },
	{ "Content-Type: multipart/mixed; boundary=b\nContent-Language: en\n\n--b\n\n--b--\n",
	    "(" TEXT_PLAIN
	    "0 0 NIL NIL NIL NIL) \"mixed\" (\"boundary\" \"b\") NIL (\"en\") NIL)" },
	{ "Content-Type: multipart/mixed\n\n",
	    "(" TEXT_PLAIN "0 0 NIL NIL NIL NIL) \"mixed\" NIL NIL NIL NIL)" },
	{ "Content-Type: message/rfc822\nContent-Disposition: inline\n\n\n",
	    "(\"message\" \"rfc822\" NIL NIL NIL \"7bit\" 2 (NIL NIL NIL NIL NIL NIL NIL NIL NIL "
	    "NIL) " TEXT_PLAIN "0 0 NIL NIL NIL NIL) 1 NIL (\"inline\" NIL) NIL NIL)" },
	/* 8-bit bytes are a literal, NULs are not there. */
	{ "Content-Description: caf\xc3\xa9\n\n",
	    "(\"text\" \"plain\" (\"charset\" \"us-ascii\") NIL {5}\r\ncaf\xc3\xa9 \"7bit\" 0 0 "
	    "NIL NIL NIL NIL)" },
};

START_TEST(extensions)
{
	struct msv_mime *mime = parse_text(extended[_i].in);

	ck_assert_int_eq(msv_bodystructure_write(mime, true, &out), 0);
	ck_assert_str_eq(taken(), extended[_i].extended);
	msv_mime_free(mime);
}
END_TEST

static const struct {
	const char *in, *envelope;
} envelopes[] = {
	{ "\n", "(NIL NIL NIL NIL NIL NIL NIL NIL NIL NIL)" },
	{ "Subject:\nDate: \nMessage-ID:\nIn-Reply-To:\n\n",
	    "(\"\" \"\" NIL NIL NIL NIL NIL NIL \"\" \"\")" },
	{ "From: a@b\nSender: c@d\nReply-To: e@f\nTo: g@h\nCc: i@j\nBcc: k@l\n\n",
	    "(NIL NIL ((NIL NIL \"a\" \"b\")) ((NIL NIL \"c\" \"d\")) ((NIL NIL \"e\" \"f\")) "
	    "((NIL NIL \"g\" \"h\")) ((NIL NIL \"i\" \"j\")) ((NIL NIL \"k\" \"l\")) NIL NIL)" },
	/* Absent and empty Sender and Reply-To are From (RFC 3501 7.4.2). */
	{ "FROM: a@b\nsender:\nReply-To: ,\nTo:\n\n",
	    "(NIL NIL ((NIL NIL \"a\" \"b\")) ((NIL NIL \"a\" \"b\")) ((NIL NIL \"a\" \"b\")) "
	    "NIL NIL NIL NIL NIL)" },
	/* Twice: lists combined (RFC 5322 4.5.3), else the last. */
	{ "To: a@b\nSubject: one\nTo: c@d\nSubject: two\n\n",
	    "(NIL \"two\" NIL NIL NIL ((NIL NIL \"a\" \"b\")(NIL NIL \"c\" \"d\")) NIL NIL NIL "
	    "NIL)" },
	{ "Subject: fol\n ded\n\ttext\nDate: Thu, 1 Jan 2026 00:00:00 +0000 \n\n",
	    "(\"Thu, 1 Jan 2026 00:00:00 +0000\" \"fol ded\ttext\" NIL NIL NIL NIL NIL NIL NIL "
	    "NIL)" },
	{ "Subject: =?utf-8?q?a?= \"\\\n\n",
	    "(NIL \"=?utf-8?q?a?= \\\"\\\\\" NIL NIL NIL NIL NIL NIL NIL NIL)" },
	{ "Subject: \xff\n\n", "(NIL {1}\r\n\xff NIL NIL NIL NIL NIL NIL NIL NIL)" },
};

START_TEST(envelopes_written)
{
	struct msv_mime *mime = parse_text(envelopes[_i].in);

	ck_assert_int_eq(msv_envelope_write(mime->root->envelope, &out), 0);
	ck_assert_str_eq(taken(), envelopes[_i].envelope);
	msv_mime_free(mime);
}
END_TEST

/* The same structure whatever the pieces, and for LF and CRLF the same wire. */
static void every_split_of(const char *p, size_t n)
{
	struct msv_buf whole;
	int rc;

	for (size_t split = 0; split <= n + 1; split++) {
		/* Two pieces; at last, byte by byte. */
		struct msv_mime *mime = split <= n ? parse_pieces(p, n, split, 0, NULL, &rc)
		                                   : parse_pieces(p, n, 1, 1, NULL, &rc);

		ck_assert_int_eq(rc, 0);
		tell(mime);
		msv_mime_free(mime);
		if (split == 0) {
			whole = out;
			msv_buf_init(&out, env);
			continue;
		}
		ck_assert_uint_eq(msv_buf_len(&out), msv_buf_len(&whole));
		ck_assert_mem_eq(msv_buf_data(&out), msv_buf_data(&whole), msv_buf_len(&out));
		msv_buf_clear(&out);
	}
	msv_buf_fini(&whole);
}

START_TEST(every_split)
{
	ck_assert_uint_ge(
	    each_message(source_path("tests/fuzz/corpus/message"), every_split_of), 12);
	for (size_t i = 0; i < sizeof table / sizeof table[0]; i++)
		every_split_of(table[i].in, strlen(table[i].in));
}
END_TEST

static void with_crlf(const char *p, size_t n, struct msv_buf *to)
{
	for (size_t i = 0; i < n; i++) {
		if (p[i] == '\n' && (i == 0 || p[i - 1] != '\r'))
			msv_buf_putc(to, '\r');
		msv_buf_putc(to, p[i]);
	}
}

static void same_range(const struct msv_range *a, const struct msv_range *b)
{
	ck_assert_uint_eq(a->wire_start, b->start);
	ck_assert_uint_eq(a->wire_len, b->len);
	ck_assert_uint_eq(b->wire_start, b->start);
	ck_assert_uint_eq(b->wire_len, b->len);
	ck_assert_uint_eq(a->lines, b->lines);
}

/* What is LF in a file and CRLF on the wire has the same structure. */
static void same_on_the_wire(const char *p, size_t n)
{
	struct msv_buf wire;
	struct msv_mime *a, *b;
	const struct msv_part *x, *y;

	msv_buf_init(&wire, env);
	with_crlf(p, n, &wire);
	a = parse_bytes(p, n);
	b = parse_bytes(msv_buf_data(&wire), msv_buf_len(&wire));
	ck_assert_uint_eq(a->wire_size, msv_buf_len(&wire));
	ck_assert_uint_eq(a->parts, b->parts);
	for (x = a->root, y = b->root; x; x = msv_part_next(x), y = msv_part_next(y)) {
		same_range(&x->header, &y->header);
		same_range(&x->body, &y->body);
	}
	msv_mime_free(a);
	msv_mime_free(b);
	msv_buf_fini(&wire);
}

START_TEST(lf_and_crlf)
{
	ck_assert_uint_ge(
	    each_message(source_path("tests/fuzz/corpus/message"), same_on_the_wire), 12);
	for (size_t i = 0; i < sizeof table / sizeof table[0]; i++)
		same_on_the_wire(table[i].in, strlen(table[i].in));
}
END_TEST

static int parse_once(void)
{
	static const char in[] =
	    "From: a@b\nTo: c@d\nContent-Type: multipart/mixed; boundary*0=b; "
	    "boundary*1=c\n\n--bc\n"
	    "Content-Type: message/rfc822; name*0*=x; name*1*=y\nContent-Language: en, de\n\n"
	    "Subject: x\nContent-Type: multipart/digest; boundary=d\n\n--d\n\n--d--\n--bc--\n";
	struct msv_mime *mime;
	int rc;

	mime = parse_pieces(in, sizeof in - 1, 100, 7, NULL, &rc);
	if (rc < 0)
		return rc;
	rc = msv_bodystructure_write(mime, true, &out);
	if (rc == 0)
		rc = msv_envelope_write(mime->root->envelope, &out);
	msv_mime_free(mime);
	msv_buf_fini(&out);
	return rc;
}

START_TEST(no_memory)
{
	fail_each_alloc(parse_once);
}
END_TEST

START_TEST(a_parser_that_failed_stays_so)
{
	struct msv_mime_parser *parser;
	struct msv_mime *mime = NULL;

	ck_assert_int_eq(msv_mime_parser_new(env, NULL, &parser), 0);
	msv_test_fail_alloc(test, 0, false);
	ck_assert_int_eq(msv_mime_parser_push(parser, "Subject: x\n\n", 12), MSV_ERR_NOMEM);
	ck_assert_int_eq(msv_mime_parser_push(parser, "x\n", 2), MSV_ERR_NOMEM);
	ck_assert_int_eq(msv_mime_parser_finish(parser, &mime), MSV_ERR_NOMEM);
	ck_assert_ptr_null(mime);
	msv_mime_parser_free(parser);
	msv_mime_parser_free(NULL);
	msv_mime_free(NULL);
}
END_TEST

#define LOOP(test, table) tcase_add_loop_test(tc, test, 0, sizeof table / sizeof table[0])

int main(void)
{
	Suite *s = suite_create("mime");
	TCase *tc = tcase_create("tables");

	tcase_add_checked_fixture(tc, buf_setup, buf_teardown);
	LOOP(bodies, table);
	LOOP(extensions, extended);
	LOOP(envelopes_written, envelopes);
	suite_add_tcase(s, tc);
	buf_case(s, "mime", every_split, lf_and_crlf, no_memory, a_parser_that_failed_stays_so);
	return check_main(s);
}
