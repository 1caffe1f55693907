/* Dates of mail: RFC 5322 3.3 and 4.3 (obsolete forms), IMAP date-time and date
 * (RFC 3501 9), RFC 3339.  Pure arithmetic: no clock, no time zone tables. */
#ifndef MSV_CODEC_DATE_H
#define MSV_CODEC_DATE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* An instant and the zone it was written in. */
struct msv_date {
	int64_t time; /* seconds since the epoch, UTC */
	int zone;     /* minutes east of UTC, -1439 to 1439 */
};

/* Enough for the longest date written here, with its NUL. */
#define MSV_DATE_SIZE 48

/* Days since 1970-01-01 of a day in the proleptic Gregorian calendar. */
int64_t msv_day_of(int year, int month, int day);
/* The day (days since the epoch) of an instant as its own zone counts. */
int64_t msv_date_day(const struct msv_date *date);

/* Reads a Date: field's value, tolerantly: comments, missing weekday and
 * seconds, two-digit years, named and military zones, no zone.  0 or
 * MSV_ERR_FORMAT. */
int msv_date_parse(const char *p, size_t n, struct msv_date *out);
/* "Fri, 21 Nov 1997 09:55:06 -0600"; the length. */
size_t msv_date_write(const struct msv_date *date, char out[MSV_DATE_SIZE]);

/* Reads an RFC 3339 date-time in UTC, "2027-01-31T08:00:00Z"; fractions of a
 * second are dropped.  0 or MSV_ERR_FORMAT. */
int msv_timestamp_parse(const char *p, size_t n, int64_t *time);
/* The same written; the length, 20. */
size_t msv_timestamp_write(int64_t time, char out[MSV_DATE_SIZE]);

/* IMAP date-time, without the quotes: " 7-Feb-1994 21:52:25 -0800"; the day
 * may be one digit, "0d" or " d".  0 or MSV_ERR_FORMAT. */
int msv_imap_datetime_parse(const char *p, size_t n, struct msv_date *out);
/* "17-Jul-1996 02:44:25 -0700", the day padded by a space; the length, 26. */
size_t msv_imap_datetime_write(const struct msv_date *date, char out[MSV_DATE_SIZE]);

/* IMAP date, without the quotes: "1-Feb-1994"; *day gets days since the epoch.
 * 0 or MSV_ERR_FORMAT. */
int msv_imap_date_parse(const char *p, size_t n, int64_t *day);

#endif
