#include "codec/status.h"

#include <string.h>

#include "check_main.h"

static bool is(const struct msv_status *s, unsigned kind, unsigned subject, unsigned detail)
{
	return s->kind == kind && s->subject == subject && s->detail == detail;
}

START_TEST(parsing)
{
	static const char *const wrong[] = { "", "5", "5.", "5.1", "5.1.", "5.1.1.", "5.1.1 ",
		"6.1.1", "1.1.1", "3.1.1", "5.1234.1", "5.1.1234", "5..1", ".1.1", "5,1.1", "a.1.1",
		"55.1.1" };
	struct msv_status s;
	char text[MSV_STATUS_SIZE];

	ck_assert_int_eq(msv_status_parse("5.1.1", 5, &s), 0);
	ck_assert(is(&s, 5, 1, 1));
	ck_assert_int_eq(msv_status_parse("2.999.999", 9, &s), 0);
	ck_assert(is(&s, 2, 999, 999));
	ck_assert_uint_eq(msv_status_write(&s, text), 9);
	ck_assert_str_eq(text, "2.999.999");
	for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
		ck_assert_msg(msv_status_parse(wrong[i], strlen(wrong[i]), &s) == MSV_ERR_FORMAT,
		    "%s", wrong[i]);
		ck_assert(is(&s, 0, 0, 0));
	}
}
END_TEST

START_TEST(finding)
{
	static const struct {
		const char *text;
		size_t used;
		unsigned kind;
	} table[] = {
		{ "550 5.1.1 no such user", 9, 5 },
		{ "5.1.1 no such user", 5, 5 },
		{ "550-5.1.1", 9, 5 },
		{ " 4.2.2", 6, 4 },
		{ "5.7.1: refused", 5, 5 },
		{ "550 no such user", 0, 0 },
		{ "5.1.1.example.org is down", 0, 0 },
		{ "5.1.1x", 0, 0 },
		{ "550", 0, 0 },
		{ "", 0, 0 },
		{ "see 5.1.1", 0, 0 },
	};
	struct msv_status s;

	for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
		size_t used = msv_status_find(table[i].text, strlen(table[i].text), &s);
		ck_assert_msg(used == table[i].used, "%s: %zu", table[i].text, used);
		ck_assert_uint_eq(s.kind, table[i].kind);
	}
}
END_TEST

/* RFC 2034 4: class and reply code go together. */
START_TEST(classes)
{
	struct msv_status s = { 5, 1, 1 }, none = { 0 };

	ck_assert(msv_status_suits(&s, 550));
	ck_assert(!msv_status_suits(&s, 450) && !msv_status_suits(&s, 250));
	ck_assert(!msv_status_suits(&none, 0));
	for (int code = 200; code < 600; code++) {
		s = msv_status_of_code(code);
		ck_assert(s.kind == 2 || s.kind == 4 || s.kind == 5);
		if (code / 100 != 3)
			ck_assert_int_eq(s.kind, code / 100);
	}
	s = msv_status_of_code(552);
	ck_assert(is(&s, 5, 2, 2));
	s = msv_status_of_code(599);
	ck_assert(is(&s, 5, 0, 0));
	s = msv_status_of_code(-1);
	ck_assert(is(&s, 5, 0, 0));
}
END_TEST

START_TEST(names)
{
	static const struct {
		struct msv_status status;
		const char *name;
	} table[] = {
		{ { 5, 1, 1 }, "Bad destination mailbox address" },
		{ { 4, 1, 1 }, "Bad destination mailbox address" },
		{ { 5, 7, 30 }, "REQUIRETLS support required" },
		{ { 5, 2, 77 }, "Other or undefined mailbox status" },
		{ { 5, 99, 1 }, "Other undefined status" },
		{ { 0, 0, 0 }, "Other undefined status" },
	};

	for (size_t i = 0; i < sizeof table / sizeof *table; i++)
		ck_assert_str_eq(msv_status_name(&table[i].status), table[i].name);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("codec/status");

	check_case(s, "status", parsing, finding, classes, names);
	return check_main(s);
}
