/* The public face of a structure: <mailserv/message.h>. */
#include <mailserv/message.h>

#include "parsing.h"

static const char message[] =
    "From: =?utf-8?q?J=C3=B6rg?= <\"j b\"@example.org>\r\n"
    "To: Friends: Ann <ann@example.org>, bob@example.org; carl\r\n"
    "Subject: =?iso-8859-1?q?Gr=FC=DFe?=\r\n =?iso-8859-1?q?_aus_K=F6ln?=\r\n"
    "Date: Fri, 21 Nov 1997 09:55:06 -0600\r\n"
    "Message-ID: <1@example.org>\r\n"
    "Cc:\r\n"
    "Content-Type: Multipart/Mixed; boundary=b; X-Other=\"y z\"\r\n"
    "\r\n"
    "--b\r\n"
    "Content-Type: Text/Plain; charset=ISO-8859-15\r\n"
    "Content-Transfer-Encoding: Quoted-Printable\r\n"
    "\r\n"
    "3 =A4 =\r\n"
    "\r\n"
    "--b\r\n"
    "Content-Type: application/pdf; name=old.pdf\r\n"
    "Content-Disposition: ATTACHMENT; filename*0*=utf-8''caf%C3; filename*1*=%A9.pdf\r\n"
    "Content-Transfer-Encoding: base64\r\n"
    "Content-ID: <pdf@example.org>\r\n"
    "Content-Description: =?utf-8?b?w6k=?=\r\n"
    "\r\n"
    "JVBERi0=\r\n"
    "--b\r\n"
    "Content-Type: message/rfc822\r\n"
    "\r\n"
    "Subject: inner\r\n"
    "\r\n"
    "\xe2\x82\xac\xff\r\n"
    "--b--\r\n";

static struct msv_mime *mime;

static void parse(void)
{
	mime = parse_text(message);
}

static struct msv_part_info info_of(const char *number)
{
	struct msv_part_info info = { .size = sizeof info };

	ck_assert_int_eq(msv_part_info(msv_mime_part(mime, number), &info), 0);
	return info;
}

START_TEST(the_tree)
{
	const struct msv_part *root, *part;
	size_t n = 0;

	parse();
	root = msv_mime_root(mime);
	ck_assert_ptr_null(msv_part_parent(root));
	ck_assert_ptr_null(msv_part_sibling(root));
	ck_assert(!msv_mime_limited(mime));
	for (part = root; part; part = msv_part_next(part))
		n++;
	ck_assert_uint_eq(n, 5);
	part = msv_part_child(root);
	ck_assert_ptr_eq(part, msv_mime_part(mime, "1"));
	ck_assert_ptr_eq(msv_part_parent(part), root);
	part = msv_part_sibling(msv_part_sibling(part));
	ck_assert_ptr_eq(part, msv_mime_part(mime, "3"));
	ck_assert_ptr_eq(msv_part_child(part), msv_mime_part(mime, "3.1"));
	ck_assert_ptr_null(msv_part_next(msv_part_child(part)));
	ck_assert_str_eq(msv_part_param(root, "BOUNDARY"), "b");
	ck_assert_str_eq(msv_part_param(root, "x-other"), "y z");
	ck_assert_ptr_null(msv_part_param(root, "charset"));
	msv_mime_free(mime);
}
END_TEST

START_TEST(what_parts_are)
{
	struct msv_part_info info;

	parse();
	info = info_of("");
	ck_assert_str_eq(info.type, "multipart");
	ck_assert_str_eq(info.subtype, "mixed");
	ck_assert_ptr_null(info.encoding);
	ck_assert_uint_eq(info.header.start, 0);
	ck_assert_uint_eq(info.body.start + info.body.len, sizeof message - 1);
	info = info_of("1");
	ck_assert_str_eq(info.type, "text");
	ck_assert_str_eq(info.charset, "ISO-8859-15");
	ck_assert_str_eq(info.encoding, "quoted-printable");
	ck_assert_ptr_null(info.filename);
	info = info_of("2");
	ck_assert_str_eq(info.disposition, "attachment");
	ck_assert_str_eq(info.filename, "caf\xc3\xa9.pdf");
	ck_assert_str_eq(info.id, "<pdf@example.org>");
	ck_assert_str_eq(info.description, "\xc3\xa9");
	/* Asked again, the same. */
	ck_assert_ptr_eq(info_of("2").filename, info.filename);
	msv_mime_free(mime);
}
END_TEST

START_TEST(an_older_program_knows_less)
{
	struct msv_part_info info = { .size = offsetof(struct msv_part_info, subtype) };

	parse();
	info.subtype = "untouched";
	ck_assert_int_eq(msv_part_info(msv_mime_root(mime), &info), 0);
	ck_assert_str_eq(info.type, "multipart");
	ck_assert_str_eq(info.subtype, "untouched");
	ck_assert_uint_eq(info.size, offsetof(struct msv_part_info, subtype));
	msv_mime_free(mime);
}
END_TEST

static const char *field(const char *number, enum msv_field which)
{
	const char *text;

	ck_assert_int_eq(msv_part_field(msv_mime_part(mime, number), which, &text), 0);
	return text;
}

START_TEST(fields)
{
	int64_t time;
	int zone;

	parse();
	ck_assert_str_eq(field("", MSV_FIELD_SUBJECT), "Gr\xc3\xbc\xc3\x9f"
	                                               "e aus K\xc3\xb6ln");
	ck_assert_ptr_eq(field("", MSV_FIELD_SUBJECT), field("", MSV_FIELD_SUBJECT));
	ck_assert_str_eq(field("", MSV_FIELD_MESSAGE_ID), "<1@example.org>");
	ck_assert_str_eq(field("", MSV_FIELD_CC), "");
	ck_assert_ptr_null(field("", MSV_FIELD_BCC));
	ck_assert_ptr_null(field("1", MSV_FIELD_SUBJECT));
	ck_assert_ptr_null(field("3", MSV_FIELD_SUBJECT));
	ck_assert_str_eq(field("3.1", MSV_FIELD_SUBJECT), "inner");
	ck_assert_ptr_null(field("", (enum msv_field)99));
	ck_assert_int_eq(msv_part_date(msv_mime_root(mime), &time, &zone), 0);
	ck_assert_int_eq(time, 880127706);
	ck_assert_int_eq(zone, -360);
	ck_assert_int_eq(msv_part_date(msv_mime_part(mime, "3.1"), &time, NULL), MSV_ERR_NOTFOUND);
	msv_mime_free(mime);
	mime = parse_text("Date: soon\n\n");
	ck_assert_int_eq(msv_part_date(msv_mime_root(mime), &time, NULL), MSV_ERR_FORMAT);
	msv_mime_free(mime);
}
END_TEST

static int tell_address(void *user, const struct msv_address *a)
{
	msv_buf_printf(
	    &out, "[%s|%s|%s]", a->name ? a->name : "-", a->address, a->group ? a->group : "-");
	return user ? 42 : 0;
}

START_TEST(addresses)
{
	const struct msv_part *root;
	int once = 1;

	parse();
	root = msv_mime_root(mime);
	ck_assert_int_eq(msv_part_addresses(root, MSV_FIELD_FROM, tell_address, NULL), 0);
	ck_assert_str_eq(taken(), "[J\xc3\xb6rg|\"j b\"@example.org|-]");
	ck_assert_int_eq(msv_part_addresses(root, MSV_FIELD_TO, tell_address, NULL), 0);
	ck_assert_str_eq(
	    taken(), "[Ann|ann@example.org|Friends][-|bob@example.org|Friends][-|carl|-]");
	ck_assert_int_eq(msv_part_addresses(root, MSV_FIELD_TO, tell_address, &once), 42);
	ck_assert_str_eq(taken(), "[Ann|ann@example.org|Friends]");
	ck_assert_int_eq(msv_part_addresses(root, MSV_FIELD_SUBJECT, tell_address, NULL), 0);
	ck_assert_int_eq(msv_part_addresses(root, MSV_FIELD_BCC, tell_address, NULL), 0);
	ck_assert_str_eq(taken(), "");
	msv_mime_free(mime);
}
END_TEST

static int put(void *user, const char *p, size_t n)
{
	(void)user;
	return msv_buf_put(&out, p, n);
}

/* The part's text, its body pushed in pieces. */
static int read_part(const char *number, bool raw, size_t piece)
{
	const struct msv_part *part = msv_mime_part(mime, number);
	struct msv_part_reader *reader;
	struct msv_range body = part->body;
	int rc = msv_part_reader_new(part, raw, put, NULL, &reader);

	if (rc < 0)
		return rc;
	for (uint64_t at = 0; at < body.len && rc == 0; at += piece)
		rc = msv_part_reader_push(reader, message + body.start + at,
		    body.len - at < piece ? (size_t)(body.len - at) : piece);
	if (rc == 0)
		rc = msv_part_reader_finish(reader);
	msv_part_reader_free(reader);
	return rc;
}

START_TEST(texts)
{
	parse();
	for (size_t piece = 1; piece < 20; piece++) {
		ck_assert_int_eq(read_part("1", false, piece), 0);
		ck_assert_str_eq(taken(), "3 \xe2\x82\xac ");
		ck_assert_int_eq(read_part("1", true, piece), 0);
		ck_assert_str_eq(taken(), "3 \xa4 ");
		ck_assert_int_eq(read_part("2", false, piece), 0);
		ck_assert_str_eq(taken(), "%PDF-");
		/* No charset: taken for UTF-8. */
		ck_assert_int_eq(read_part("3.1", false, piece), 0);
		ck_assert_str_eq(taken(), "\xe2\x82\xac\xef\xbf\xbd");
	}
	msv_mime_free(mime);
}
END_TEST

static int stop(void *user, const char *p, size_t n)
{
	(void)user, (void)p, (void)n;
	return 42;
}

START_TEST(reading_may_stop)
{
	struct msv_part_reader *reader;

	parse();
	ck_assert_int_eq(
	    msv_part_reader_new(msv_mime_part(mime, "1"), false, stop, NULL, &reader), 0);
	ck_assert_int_eq(msv_part_reader_push(reader, "x", 1), 42);
	msv_part_reader_free(reader);
	msv_part_reader_free(NULL);
	msv_mime_free(mime);
}
END_TEST

START_TEST(decoded_text)
{
	char *text = msv_decode_text(env, "=?utf-8?q?caf=C3=A9?=", 21);

	ck_assert_str_eq(text, "caf\xc3\xa9");
	msv_env_realloc(env, text, 0);
}
END_TEST

static int ask_all(void)
{
	struct msv_part_info info = { .size = sizeof info };
	const char *text;
	int rc;

	mime = parse_pieces(message, sizeof message - 1, 50, 50, NULL, &rc);
	if (rc < 0)
		return rc;
	rc = msv_part_info(msv_mime_part(mime, "2"), &info);
	if (rc == 0)
		rc = msv_part_field(msv_mime_root(mime), MSV_FIELD_SUBJECT, &text);
	if (rc == 0)
		rc = msv_part_addresses(msv_mime_root(mime), MSV_FIELD_TO, tell_address, NULL);
	if (rc == 0)
		rc = read_part("1", false, 3);
	msv_mime_free(mime);
	msv_buf_fini(&out);
	return rc;
}

START_TEST(no_memory)
{
	fail_each_alloc(ask_all);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("info");

	buf_case(s, "info", the_tree, what_parts_are, an_older_program_knows_less, fields,
	    addresses, texts, reading_may_stop, decoded_text, no_memory);
	return check_main(s);
}
