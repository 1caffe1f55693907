#include "message/section.h"

#include "parsing.h"

/* After the example of RFC 3501 6.4.5. */
static const char message[] = "Subject: outer\n"
                              "Content-Type: multipart/mixed; boundary=b\n"
                              "\n"
                              "--b\n"
                              "Content-Type: text/plain\n"
                              "\n"
                              "part one\n"
                              "--b\n"
                              "Content-Type: application/octet-stream\n"
                              "\n"
                              "part two\n"
                              "--b\n"
                              "Content-Type: message/rfc822\n"
                              "\n"
                              "Subject: three\n"
                              "Content-Type: multipart/mixed; boundary=c\n"
                              "\n"
                              "--c\n"
                              "\n"
                              "three one\n"
                              "--c\n"
                              "X: 3.2\n"
                              "\n"
                              "three two\n"
                              "--c--\n"
                              "--b\n"
                              "Content-Type: multipart/mixed; boundary=d\n"
                              "\n"
                              "--d\n"
                              "Content-Type: image/gif\n"
                              "\n"
                              "gif\n"
                              "--d\n"
                              "Content-Type: message/rfc822\n"
                              "X: 4.2\n"
                              "\n"
                              "Subject: four two\n"
                              "\n"
                              "four two\n"
                              "--d--\n"
                              "\n"
                              "--b--\n";

static const struct {
	uint32_t path[4];
	size_t n;
	enum msv_section_kind kind;
	const char *text; /* NULL: NIL */
} table[] = {
	{ { 0 }, 0, MSV_SECTION_ALL, message },
	{ { 0 }, 0, MSV_SECTION_HEADER,
	    "Subject: outer\nContent-Type: multipart/mixed; boundary=b\n\n" },
	{ { 1 }, 1, MSV_SECTION_ALL, "part one" },
	{ { 1 }, 1, MSV_SECTION_MIME, "Content-Type: text/plain\n\n" },
	{ { 1 }, 1, MSV_SECTION_HEADER, NULL },
	{ { 1 }, 1, MSV_SECTION_TEXT, NULL },
	{ { 1, 1 }, 2, MSV_SECTION_ALL, NULL },
	{ { 2 }, 1, MSV_SECTION_ALL, "part two" },
	{ { 3 }, 1, MSV_SECTION_MIME, "Content-Type: message/rfc822\n\n" },
	{ { 3 }, 1, MSV_SECTION_HEADER,
	    "Subject: three\nContent-Type: multipart/mixed; boundary=c\n\n" },
	{ { 3 }, 1, MSV_SECTION_TEXT, "--c\n\nthree one\n--c\nX: 3.2\n\nthree two\n--c--" },
	{ { 3, 1 }, 2, MSV_SECTION_ALL, "three one" },
	{ { 3, 1 }, 2, MSV_SECTION_MIME, "\n" },
	{ { 3, 2 }, 2, MSV_SECTION_MIME, "X: 3.2\n\n" },
	{ { 3, 3 }, 2, MSV_SECTION_ALL, NULL },
	{ { 4 }, 1, MSV_SECTION_MIME, "Content-Type: multipart/mixed; boundary=d\n\n" },
	{ { 4 }, 1, MSV_SECTION_HEADER, NULL },
	{ { 4, 1 }, 2, MSV_SECTION_ALL, "gif" },
	{ { 4, 2 }, 2, MSV_SECTION_ALL, "Subject: four two\n\nfour two" },
	{ { 4, 2 }, 2, MSV_SECTION_MIME, "Content-Type: message/rfc822\nX: 4.2\n\n" },
	{ { 4, 2 }, 2, MSV_SECTION_HEADER, "Subject: four two\n\n" },
	{ { 4, 2 }, 2, MSV_SECTION_TEXT, "four two" },
	{ { 4, 2, 1 }, 3, MSV_SECTION_ALL, "four two" },
	{ { 4, 2, 1 }, 3, MSV_SECTION_MIME, "Subject: four two\n\n" },
	{ { 4, 2, 1, 1 }, 4, MSV_SECTION_ALL, NULL },
	{ { 4, 2, 2 }, 3, MSV_SECTION_ALL, NULL },
	{ { 5 }, 1, MSV_SECTION_ALL, NULL },
	{ { 0 }, 1, MSV_SECTION_ALL, NULL },
	{ { UINT32_MAX }, 1, MSV_SECTION_ALL, NULL },
};

START_TEST(sections)
{
	struct msv_mime *mime = parse_text(message);
	struct msv_range range;
	int rc = msv_section_find(mime, table[_i].path, table[_i].n, table[_i].kind, &range);

	ck_assert_int_eq(rc, table[_i].text ? 0 : MSV_ERR_NOTFOUND);
	if (rc == 0) {
		ck_assert_uint_eq(range.len, strlen(table[_i].text));
		ck_assert_mem_eq(message + range.start, table[_i].text, range.len);
	}
	msv_mime_free(mime);
}
END_TEST

static void expect_section(struct msv_mime *mime, const char *text, const uint32_t *path, size_t n,
    enum msv_section_kind kind, const char *section)
{
	struct msv_range range;
	int rc = msv_section_find(mime, path, n, kind, &range);

	if (!section) {
		ck_assert_int_eq(rc, MSV_ERR_NOTFOUND);
		return;
	}
	ck_assert_int_eq(rc, 0);
	ck_assert_uint_eq(range.len, strlen(section));
	ck_assert_mem_eq(text + range.start, section, range.len);
}

/* A message that is no multipart has one part. */
START_TEST(a_single_part)
{
	static const char text[] = "Subject: x\n\nbody\n";
	static const uint32_t path[] = { 1, 1 }, two[] = { 2 };
	struct msv_mime *mime = parse_text(text);
	struct msv_range range;

	expect_section(mime, text, path, 1, MSV_SECTION_ALL, "body\n");
	expect_section(mime, text, path, 1, MSV_SECTION_MIME, "Subject: x\n\n");
	expect_section(mime, text, path, 1, MSV_SECTION_HEADER, NULL);
	expect_section(mime, text, path, 2, MSV_SECTION_ALL, NULL);
	expect_section(mime, text, two, 1, MSV_SECTION_ALL, NULL);
	expect_section(mime, text, path, 0, MSV_SECTION_TEXT, "body\n");
	ck_assert_int_eq(msv_section_find(mime, path, 0, MSV_SECTION_MIME, &range), MSV_ERR_INVAL);
	msv_mime_free(mime);
}
END_TEST

/* A message that is a message. */
START_TEST(an_embedded_message)
{
	static const char text[] =
	    "Content-Type: message/rfc822\n\nSubject: in\nContent-Type: message/rfc822\n\n"
	    "Subject: inner\n\nbody\n";
	static const uint32_t path[] = { 1, 1, 1, 1 };
	struct msv_mime *mime = parse_text(text);

	expect_section(mime, text, path, 1, MSV_SECTION_HEADER,
	    "Subject: in\nContent-Type: message/rfc822\n\n");
	expect_section(mime, text, path, 2, MSV_SECTION_HEADER, "Subject: inner\n\n");
	expect_section(mime, text, path, 2, MSV_SECTION_ALL, "Subject: inner\n\nbody\n");
	expect_section(mime, text, path, 3, MSV_SECTION_ALL, "body\n");
	expect_section(mime, text, path, 4, MSV_SECTION_ALL, NULL);
	msv_mime_free(mime);
}
END_TEST

static const struct {
	const char *number;
	const char *type; /* NULL: no such part */
} numbers[] = {
	{ "", "multipart" },
	{ "1", "text" },
	{ "2", "application" },
	{ "3", "message" },
	{ "3.1", "text" },
	{ "4.1", "image" },
	{ "4.2", "message" },
	{ "4.2.1", "text" },
	{ "4.2.1.1", NULL },
	{ "0", NULL },
	{ "5", NULL },
	{ "1.", NULL },
	{ ".1", NULL },
	{ "01", NULL },
	{ "4..1", NULL },
	{ "4.1.HEADER", NULL },
	{ "4294967297", NULL },
	{ "x", NULL },
};

START_TEST(parts_by_number)
{
	struct msv_mime *mime = parse_text(message);
	const struct msv_part *part = msv_mime_part(mime, numbers[_i].number);

	if (numbers[_i].type)
		ck_assert_str_eq(part->content.type, numbers[_i].type);
	else
		ck_assert_ptr_null(part);
	msv_mime_free(mime);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("section");
	TCase *tc = tcase_create("tables");

	tcase_add_checked_fixture(tc, buf_setup, buf_teardown);
	tcase_add_loop_test(tc, sections, 0, sizeof table / sizeof table[0]);
	tcase_add_loop_test(tc, parts_by_number, 0, sizeof numbers / sizeof numbers[0]);
	suite_add_tcase(s, tc);
	buf_case(s, "section", a_single_part, an_embedded_message);
	return check_main(s);
}
