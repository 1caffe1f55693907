/* Messages made to hurt: time stays linear, memory bounded, and what is beyond
 * a limit is one opaque part. */
#include "parsing.h"

static struct msv_mime_parser *parser;

static void begin(void)
{
	ck_assert_int_eq(msv_mime_parser_new(env, NULL, &parser), 0);
}

static void push(const char *text)
{
	if (msv_mime_parser_push(parser, text, strlen(text)) != 0)
		ck_abort_msg("push failed");
}

static struct msv_mime *finish(void)
{
	struct msv_mime *mime;

	ck_assert_int_eq(msv_mime_parser_finish(parser, &mime), 0);
	msv_mime_parser_free(parser);
	return mime;
}

/* Both forms can be written, however it came to be. */
static void finish_and_free(bool limited)
{
	struct msv_mime *mime = finish();

	ck_assert_int_eq(msv_mime_limited(mime), limited);
	tell(mime);
	msv_buf_fini(&out);
	msv_mime_free(mime);
}

START_TEST(nested_multiparts)
{
	char text[100];

	begin();
	for (int i = 0; i < 100000; i++) {
		snprintf(text, sizeof text,
		    "Content-Type: multipart/mixed; boundary=b%06d\n\n--b%06d\n", i, i);
		push(text);
	}
	ck_assert_uint_lt(msv_test_memory_peak(test), 1000000);
	finish_and_free(true);
}
END_TEST

START_TEST(nested_messages)
{
	struct msv_mime *mime;
	const struct msv_part *part;

	begin();
	for (int i = 0; i < 10000; i++)
		push("Content-Type: message/rfc822\n\n");
	mime = finish();
	ck_assert_uint_eq(mime->parts, 101);
	for (part = mime->root; part->first_child; part = part->first_child)
		ck_assert_int_eq(part->kind, MSV_PART_MESSAGE);
	ck_assert_uint_eq(part->depth, 100);
	ck_assert_str_eq(part->content.type, "application");
	ck_assert_str_eq(part->content.subtype, "octet-stream");
	ck_assert_uint_eq(part->body.start + part->body.len, mime->size);
	msv_mime_free(mime);
}
END_TEST

START_TEST(a_million_parts)
{
	struct msv_mime *mime;

	begin();
	push("Content-Type: multipart/mixed; boundary=b\n\n");
	for (int i = 0; i < 1000000; i++)
		push("--b\n\nx\n");
	push("--b--\n");
	ck_assert_uint_lt(msv_test_memory_peak(test), 10000000);
	mime = finish();
	ck_assert(mime->limited);
	ck_assert_uint_eq(mime->parts, 10000);
	/* The last one holds the rest. */
	ck_assert_uint_gt(mime->root->last_child->body.len, 6900000);
	msv_mime_free(mime);
}
END_TEST

/* Each of the 10,000 parts with a header as costly as can be. */
START_TEST(costly_parts)
{
	begin();
	push("Content-Type: multipart/mixed; boundary=b\n\n");
	for (int i = 0; i < 10000; i++) {
		push("--b\nContent-Type: a/b");
		for (int j = 0; j < 200; j++)
			push(";a=");
		push("\nContent-Disposition: a");
		for (int j = 0; j < 200; j++)
			push(";a*0=");
		push("\n\n");
	}
	ck_assert_uint_lt(msv_test_memory_peak(test), 32000000);
	finish_and_free(true);
}
END_TEST

START_TEST(many_boundaries_and_lines)
{
	char text[1000];

	begin();
	for (int i = 0; i < 100; i++) {
		snprintf(text, sizeof text,
		    "Content-Type: multipart/mixed; boundary=%0190d%d\n\n--%0190d%d\n", 0, i, 0, i);
		push(text);
	}
	push("\n");
	memset(text, '0', 200);
	memcpy(text, "--", 2);
	memcpy(text + 190, "\n", 2);
	for (int i = 0; i < 100000; i++)
		push(text);
	for (int i = 0; i < 1000000; i++)
		push("--\n");
	finish_and_free(false);
}
END_TEST

START_TEST(continuations)
{
	char text[100];

	begin();
	push("Content-Type: a/b");
	for (int i = 0; i < 100000; i++) {
		snprintf(text, sizeof text, ";\n name*%d*=x%d", i, i);
		push(text);
	}
	push("\n\n");
	finish_and_free(true);
}
END_TEST

START_TEST(half_a_million_recipients)
{
	struct msv_mime *mime;
	struct msv_span to;
	char text[100];

	begin();
	push("From: a@b\nTo: x@y");
	for (int i = 0; i < 500000; i++) {
		snprintf(text, sizeof text, ",\n User %d <user%d@example.com>", i, i);
		push(text);
	}
	push("\n\nbody\n");
	ck_assert_uint_lt(msv_test_memory_peak(test), 2000000);
	mime = finish();
	ck_assert(mime->limited);
	to = mime->root->envelope->field[MSV_FIELD_TO];
	/* Cut behind a whole address. */
	ck_assert_uint_gt(to.n, 200000);
	ck_assert_int_eq(to.p[to.n - 1], ',');
	ck_assert_int_eq(msv_envelope_write(mime->root->envelope, &out), 0);
	msv_mime_free(mime);
}
END_TEST

START_TEST(fifty_megabytes_of_header)
{
	static const char *const fields[] = { "Subject: x\n", "To: x@y\n", "X: y\n", "junk\n",
		" more\n", "Content-Type: a/b; c=d\n", "x" };

	for (size_t i = 0; i < sizeof fields / sizeof fields[0]; i++) {
		size_t n = strlen(fields[i]);
		char block[8192];
		size_t used = 0;

		for (; used + n <= sizeof block; used += n)
			memcpy(block + used, fields[i], n);
		begin();
		for (size_t all = 0; all < 50000000; all += used)
			ck_assert_int_eq(msv_mime_parser_push(parser, block, used), 0);
		ck_assert_uint_lt(msv_test_memory(test), 20000000);
		msv_mime_free(finish());
	}
}
END_TEST

START_TEST(limits_of_the_caller)
{
	static const char text[] =
	    "Content-Type: multipart/a; boundary=a\n\n--a\n"
	    "Content-Type: multipart/b; boundary=b\n\n--b\n\nx\n--b\n\ny\n--b--\n"
	    "--a\nSubject: 12345678\n\nz\n--a--\n";
	struct msv_mime_limits limits = { .size = sizeof limits, .depth = 1 };
	struct msv_mime *mime;
	int rc;

	mime = parse_pieces(text, sizeof text - 1, 10, 10, &limits, &rc);
	ck_assert(mime->limited);
	ck_assert_uint_eq(mime->parts, 3);
	ck_assert_str_eq(mime->root->first_child->content.type, "application");
	msv_mime_free(mime);
	limits = (struct msv_mime_limits){ .size = sizeof limits, .parts = 3 };
	mime = parse_pieces(text, sizeof text - 1, 10, 10, &limits, &rc);
	ck_assert(mime->limited);
	ck_assert_uint_eq(mime->parts, 3);
	msv_mime_free(mime);
	/* An older program knows fewer members. */
	limits =
	    (struct msv_mime_limits){ .size = offsetof(struct msv_mime_limits, parts), .parts = 1 };
	mime = parse_pieces(text, sizeof text - 1, 10, 10, &limits, &rc);
	ck_assert(!mime->limited);
	ck_assert_uint_eq(mime->parts, 5);
	msv_mime_free(mime);
}
END_TEST

START_TEST(limits_of_header_fields)
{
	static const char text[] = "Subject: 1234567890\nTo: a@b, c@d\nFrom: e@f\nDate: x\n\n";
	struct msv_mime_limits limits = { .size = sizeof limits, .field_bytes = 6 };
	struct msv_mime *mime;
	int rc;

	mime = parse_pieces(text, sizeof text - 1, 10, 10, &limits, &rc);
	ck_assert(mime->limited);
	ck_assert_int_eq(msv_envelope_write(mime->root->envelope, &out), 0);
	ck_assert_str_eq(taken(),
	    "(\"x\" \"123456\" ((NIL NIL \"e\" \"f\")) ((NIL NIL \"e\" \"f\")) "
	    "((NIL NIL \"e\" \"f\")) ((NIL NIL \"a\" \"b\")) NIL NIL NIL NIL)");
	msv_mime_free(mime);
	limits = (struct msv_mime_limits){ .size = sizeof limits, .header_bytes = 15 };
	mime = parse_pieces(text, sizeof text - 1, 10, 10, &limits, &rc);
	ck_assert(mime->limited);
	ck_assert_int_eq(msv_envelope_write(mime->root->envelope, &out), 0);
	ck_assert_str_eq(taken(), "(\"x\" \"1234567890\" NIL NIL NIL NIL NIL NIL NIL NIL)");
	msv_mime_free(mime);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("limits");

	buf_case(s, "limits", nested_multiparts, nested_messages, a_million_parts, costly_parts,
	    many_boundaries_and_lines, continuations, half_a_million_recipients,
	    fifty_megabytes_of_header, limits_of_the_caller, limits_of_header_fields);
	return check_main(s);
}
