#include "codec/date.h"

#include <string.h>

#include <mailserv/base.h>

#include "check_main.h"

static const struct {
	const char *text;
	int64_t time; /* INT64_MIN: refused */
	int zone;
} dates[] = {
	/* RFC 5322 appendix A, and its obsolete forms. */
	{ "Fri, 21 Nov 1997 09:55:06 -0600", 880127706, -360 },
	{ "Tue, 1 Jul 2003 10:52:37 +0200", 1057049557, 120 },
	{ "Thu, 13 Feb 1969 23:32:54 -0330", -27723426, -210 },
	{ "Mon, 24 Nov 1997 14:22:01 -0800", 880410121, -480 },
	{ "Thu,\r\n      13\r\n        Feb\r\n          1969\r\n      23:32\r\n               "
	  "-0330 "
	  "(Newfoundland Time)",
	    -27723480, -210 },
	{ "21 Nov 97 09:55:06 GMT", 880106106, 0 },
	{ "Fri, 21 Nov 1997 09(comment):   55  :  06 -0600", 880127706, -360 },
	{ "Wed, 11 Feb 98 11:51 CST", 887219460, -360 },
	{ "1 Jan 1970 00:00:00 +0000", 0, 0 },
	{ "1 Jan 70 00:00 UT", 0, 0 },
	{ "1 Jan 49 00:00:00 Z", 2493072000, 0 },
	{ "1 Jan 50 00:00:00 Z", -631152000, 0 },
	{ "1 Jan 100 00:00:00 Z", 946684800, 0 },
	{ "29 Feb 2000 12:00:00 EST", 951843600, -300 },
	{ "31 Dec 2016 23:59:60 +0000", 1483228800, 0 },
	{ "Friday, 21 Nov 1997 9:55 A", 880106100, 0 },
	{ "21 Nov 1997 09:55:06", 880106106, 0 },
	{ "21-Nov-1997 09:55:06 PDT", 880131306, -420 },
	{ "21 November 1997 09:55:06 +0000", 880106106, 0 },
	{ "21 Nov 1997 09:55:06 +99", 880106106, 0 },
	{ "", INT64_MIN, 0 },
	{ "Fri", INT64_MIN, 0 },
	{ "30 Feb 2000 00:00:00 +0000", INT64_MIN, 0 },
	{ "29 Feb 1900 00:00:00 +0000", INT64_MIN, 0 },
	{ "0 Jan 2000 00:00:00 +0000", INT64_MIN, 0 },
	{ "1 Foo 2000 00:00:00 +0000", INT64_MIN, 0 },
	{ "1 Jan 2000 25:00:00 +0000", INT64_MIN, 0 },
	{ "1 Jan 2000 00:60:00 +0000", INT64_MIN, 0 },
	{ "1 Jan 20001234 00:00:00 +0000", INT64_MIN, 0 },
	{ "1 Jan 2000", INT64_MIN, 0 },
	{ "yesterday", INT64_MIN, 0 },
};

START_TEST(header_dates)
{
	struct msv_date date;
	int rc = msv_date_parse(dates[_i].text, strlen(dates[_i].text), &date);

	if (dates[_i].time == INT64_MIN) {
		ck_assert_int_eq(rc, MSV_ERR_FORMAT);
		return;
	}
	ck_assert_int_eq(rc, 0);
	ck_assert_int_eq(date.time, dates[_i].time);
	ck_assert_int_eq(date.zone, dates[_i].zone);
}
END_TEST

static const struct {
	const char *text;
	int64_t time;
} datetimes[] = {
	{ "17-Jul-1996 02:44:25 -0700", 837596665 },
	{ " 7-Feb-1994 21:52:25 -0800", 760686745 },
	{ "07-Feb-1994 21:52:25 -0800", 760686745 },
	{ "7-Feb-1994 21:52:25 -0800", 760686745 },
	{ "07-feb-1994 21:52:25 -0800", 760686745 },
	{ "07-Feb-1994 21:52:25", INT64_MIN },
	{ "07-Feb-94 21:52:25 -0800", INT64_MIN },
	{ "31-Feb-1994 21:52:25 -0800", INT64_MIN },
	{ "07-Feb-1994 1:52:25 -0800", INT64_MIN },
	{ "07-Feb-1994 24:00:00 -0800", INT64_MIN },
	{ "07-Feb-1994 21:52:25 -0860", INT64_MIN },
	{ "07-Feb-1994 21:52:25 -2400", INT64_MIN },
	{ "07-Feb-1994 21:52:25 -0800 ", INT64_MIN },
	{ "07-February-1994 21:52:25 -0800", INT64_MIN },
	{ "", INT64_MIN },
};

START_TEST(imap_datetimes)
{
	struct msv_date date;
	const char *text = datetimes[_i].text;
	int rc = msv_imap_datetime_parse(text, strlen(text), &date);

	ck_assert_int_eq(rc, datetimes[_i].time == INT64_MIN ? MSV_ERR_FORMAT : 0);
	if (rc == 0)
		ck_assert_int_eq(date.time, datetimes[_i].time);
}
END_TEST

START_TEST(imap_dates)
{
	int64_t day;

	ck_assert_int_eq(msv_imap_date_parse("1-Feb-1994", 10, &day), 0);
	ck_assert_int_eq(day, 8797);
	ck_assert_int_eq(msv_imap_date_parse("01-feb-1994", 11, &day), 0);
	ck_assert_int_eq(day, 8797);
	ck_assert_int_eq(msv_imap_date_parse("1-Feb-94", 8, &day), MSV_ERR_FORMAT);
	ck_assert_int_eq(msv_imap_date_parse(" 1-Feb-1994", 11, &day), MSV_ERR_FORMAT);
	ck_assert_int_eq(msv_imap_date_parse("1-Feb-1994 ", 11, &day), MSV_ERR_FORMAT);
}
END_TEST

START_TEST(written)
{
	struct msv_date date = { 880127706, -360 };
	char text[MSV_DATE_SIZE];

	ck_assert_uint_eq(msv_date_write(&date, text), 31);
	ck_assert_str_eq(text, "Fri, 21 Nov 1997 09:55:06 -0600");
	ck_assert_uint_eq(msv_imap_datetime_write(&date, text), 26);
	ck_assert_str_eq(text, "21-Nov-1997 09:55:06 -0600");
	date = (struct msv_date){ -1, 330 };
	msv_date_write(&date, text);
	ck_assert_str_eq(text, "Thu, 1 Jan 1970 05:29:59 +0530");
	msv_imap_datetime_write(&date, text);
	ck_assert_str_eq(text, " 1-Jan-1970 05:29:59 +0530");
}
END_TEST

START_TEST(no_date_is_too_far)
{
	struct msv_date date = { INT64_MAX, 1000000 };
	char text[MSV_DATE_SIZE];

	ck_assert_uint_lt(msv_date_write(&date, text), MSV_DATE_SIZE);
	date = (struct msv_date){ INT64_MIN, -1000000 };
	ck_assert_uint_lt(msv_imap_datetime_write(&date, text), MSV_DATE_SIZE);
}
END_TEST

START_TEST(every_day_comes_back)
{
	int64_t first = msv_day_of(1, 1, 1);

	for (int64_t day = first; day < first + 500 * 366; day++) {
		struct msv_date date = { day * 86400 + 1, 0 }, back;
		char text[MSV_DATE_SIZE];

		ck_assert_int_eq(msv_date_day(&date), day);
		ck_assert_int_eq(
		    msv_imap_datetime_parse(text, msv_imap_datetime_write(&date, text), &back), 0);
		ck_assert_int_eq(back.time, date.time);
	}
}
END_TEST

/* SEARCH compares days as the message's own zone counts them. */
START_TEST(days_in_their_zone)
{
	struct msv_date date;

	msv_imap_datetime_parse("02-Feb-1994 00:30:00 +0100", 26, &date);
	ck_assert_int_eq(msv_date_day(&date), 8798);
	date.zone = 0;
	ck_assert_int_eq(msv_date_day(&date), 8797);
}
END_TEST

START_TEST(timestamps)
{
	static const struct {
		const char *text;
		int64_t time;
	} table[] = {
		{ "1970-01-01T00:00:00Z", 0 },
		{ "2026-11-22T20:00:00Z", 1795377600 },
		{ "2000-02-29t23:59:59.999z", 951868799 },
		{ "1998-12-31T23:59:60Z", 915148800 },
		{ "0000-01-01T00:00:00Z", -62167219200 },
	};
	static const char *const wrong[] = { "", "2026-11-22", "2026-11-22T20:00:00",
		"2026-11-22T20:00:00+00:00", "2026-11-22 20:00:00Z", "2026-11-22T20:00Z",
		"2026-11-22T20:00:00Z ", "2026-11-31T20:00:00Z", "2026-13-01T20:00:00Z",
		"2026-00-01T20:00:00Z", "2100-02-29T00:00:00Z", "2026-11-22T24:00:00Z",
		"2026-11-22T20:60:00Z", "2026-11-22T20:00:61Z", "2026-11-22T20:00:00.Z",
		"26-11-22T20:00:00Z", "02026-11-22T20:00:00Z", "2026-11-22T2:00:00Z" };
	char text[MSV_DATE_SIZE];
	int64_t time;

	for (size_t i = 0; i < sizeof table / sizeof table[0]; i++) {
		ck_assert_int_eq(
		    msv_timestamp_parse(table[i].text, strlen(table[i].text), &time), 0);
		ck_assert_int_eq(time, table[i].time);
	}
	for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++)
		ck_assert_msg(
		    msv_timestamp_parse(wrong[i], strlen(wrong[i]), &time) < 0, "%s", wrong[i]);
	for (time = -62167219200; time < 253402300800; time += 40123457) {
		int64_t back;
		ck_assert_uint_eq(msv_timestamp_write(time, text), 20);
		ck_assert_int_eq(msv_timestamp_parse(text, 20, &back), 0);
		ck_assert_int_eq(back, time);
	}
}
END_TEST

int main(void)
{
	Suite *s = suite_create("date");
	TCase *tc = tcase_create("tables");

	tcase_add_loop_test(tc, header_dates, 0, sizeof dates / sizeof dates[0]);
	tcase_add_loop_test(tc, imap_datetimes, 0, sizeof datetimes / sizeof datetimes[0]);
	suite_add_tcase(s, tc);
	check_case(s, "date", imap_dates, written, no_date_is_too_far, every_day_comes_back,
	    days_in_their_zone, timestamps);
	return check_main(s);
}
