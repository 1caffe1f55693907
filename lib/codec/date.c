#include "codec/date.h"

#include <mailserv/base.h>

#include <stdio.h>
#include <string.h>

#include "codec/casefold.h"
#include "codec/token.h"

static const char months[12][4] = { "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep",
	"Oct", "Nov", "Dec" };
static const char weekdays[7][4] = { "Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat" };

#define SECONDS_A_DAY 86400

struct civil {
	int year, month, day; /* month 1 to 12 */
};

/* -- Days ------------------------------------------------------------------ */

/* Rounds towards minus infinity. */
static int64_t floor_div(int64_t a, int64_t b)
{
	return a / b - (a % b < 0);
}

/* A year that begins in March has its leap day at the end, and months whose
 * first days are a straight line: (153 m + 2) / 5. */
int64_t msv_day_of(int year, int month, int day)
{
	int64_t y = (int64_t)year - (month <= 2);
	int64_t m = month + (month > 2 ? -3 : 9);
	int64_t leaps = floor_div(y, 4) - floor_div(y, 100) + floor_div(y, 400);

	/* 719,468 days from 0000-03-01 to 1970-01-01. */
	return y * 365 + leaps + (153 * m + 2) / 5 + day - 1 - 719468;
}

static struct civil civil_of(int64_t days)
{
	struct civil c;
	int64_t z = days + 719468;
	int64_t era = floor_div(z, 146097);
	int64_t doe = z - era * 146097; /* day of the era of 400 years */
	int64_t yoe = (doe - doe / 1460 + doe / 36524 - doe / 146096) / 365;
	int64_t doy = doe - (365 * yoe + yoe / 4 - yoe / 100);
	int64_t m = (5 * doy + 2) / 153;

	c.day = (int)(doy - (153 * m + 2) / 5 + 1);
	c.month = (int)(m < 10 ? m + 3 : m - 9);
	c.year = (int)(yoe + era * 400 + (c.month <= 2));
	return c;
}

int64_t msv_date_day(const struct msv_date *date)
{
	return floor_div(date->time + (int64_t)date->zone * 60, SECONDS_A_DAY);
}

static int days_in_month(int year, int month)
{
	static const int days[] = { 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31 };
	bool leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;

	return days[month - 1] + (month == 2 && leap);
}

static bool civil_ok(const struct civil *c)
{
	return c->year >= 0 && c->month >= 1 && c->month <= 12 && c->day >= 1 &&
	       c->day <= days_in_month(c->year, c->month);
}

static int month_of(const char *p, size_t n)
{
	for (int m = 0; m < 12; m++)
		if (n >= 3 && msv_ascii_equal(p, 3, months[m], 3))
			return m + 1;
	return 0;
}

/* -- Reading --------------------------------------------------------------- */

/* Up to max digits (at least min); false when there are fewer or more. */
static bool read_number(struct msv_scan *s, int min, int max, int *out)
{
	int n = 0, value = 0;

	while (s->p < s->end && *s->p >= '0' && *s->p <= '9' && n < max) {
		value = value * 10 + (*s->p++ - '0');
		n++;
	}
	*out = value;
	return n >= min && (s->p == s->end || *s->p < '0' || *s->p > '9');
}

static bool read_char(struct msv_scan *s, char c)
{
	if (s->p == s->end || *s->p != c)
		return false;
	s->p++;
	return true;
}

static bool is_letter(char c)
{
	c = msv_ascii_lower(c);
	return c >= 'a' && c <= 'z';
}

static struct msv_span read_word(struct msv_scan *s)
{
	struct msv_span word = { s->p, 0 };

	while (s->p < s->end && is_letter(*s->p))
		s->p++;
	word.n = (size_t)(s->p - word.p);
	return word;
}

/* "Fri," or "Fri" or "Friday," before a date; anything spelled that way. */
static void skip_weekday(struct msv_scan *s)
{
	msv_scan_cfws(s);
	if (s->p < s->end && is_letter(*s->p))
		read_word(s);
	msv_scan_cfws(s);
	read_char(s, ',');
	msv_scan_cfws(s);
}

/* "21 Nov 1997"; also "21-Nov-97" and "Nov 21". */
static bool read_date(struct msv_scan *s, struct civil *c)
{
	struct msv_span word;
	struct msv_scan at;

	if (!read_number(s, 1, 2, &c->day))
		return false;
	msv_scan_cfws(s);
	read_char(s, '-');
	word = read_word(s);
	c->month = month_of(word.p, word.n);
	msv_scan_cfws(s);
	read_char(s, '.');
	read_char(s, '-');
	msv_scan_cfws(s);
	at = *s;
	if (!read_number(s, 2, 6, &c->year) || c->month == 0)
		return false;
	/* RFC 5322 4.3. */
	if (s->p - at.p == 2)
		c->year += c->year < 50 ? 2000 : 1900;
	else if (s->p - at.p == 3)
		c->year += 1900;
	return civil_ok(c);
}

/* "09:55:06", "9:55", "09 : 55 : 06"; *seconds of the day. */
static bool read_time(struct msv_scan *s, int *seconds)
{
	int hour, minute, second = 0;

	if (!read_number(s, 1, 2, &hour))
		return false;
	msv_scan_cfws(s);
	if (!read_char(s, ':') && !read_char(s, '.'))
		return false;
	msv_scan_cfws(s);
	if (!read_number(s, 2, 2, &minute))
		return false;
	msv_scan_cfws(s);
	if (read_char(s, ':') || read_char(s, '.')) {
		msv_scan_cfws(s);
		if (!read_number(s, 1, 2, &second))
			return false;
	}
	*seconds = hour * 3600 + minute * 60 + second;
	return hour <= 24 && minute <= 59 && second <= 60;
}

/* "-0600": four digits behind the sign. */
static bool read_offset(struct msv_scan *s, int *zone)
{
	bool west = *s->p++ == '-';
	int value;

	if (!read_number(s, 4, 4, &value) || value % 100 > 59 || value / 100 > 23)
		return false;
	*zone = value / 100 * 60 + value % 100;
	if (west)
		*zone = -*zone;
	return true;
}

/* RFC 5322 4.3: the zones that have names.  The military letters were printed
 * with the wrong sign in RFC 822 and mean nothing: all others are UTC. */
static const struct {
	const char *name;
	int minutes;
} zones[] = {
	{ "EST", -300 },
	{ "EDT", -240 },
	{ "CST", -360 },
	{ "CDT", -300 },
	{ "MST", -420 },
	{ "MDT", -360 },
	{ "PST", -480 },
	{ "PDT", -420 },
};

static int named_zone(struct msv_span word)
{
	for (size_t i = 0; i < sizeof zones / sizeof zones[0]; i++)
		if (msv_ascii_equals(word.p, word.n, zones[i].name))
			return zones[i].minutes;
	return 0;
}

/* A zone that cannot be read is UTC: the date is still worth something. */
static int read_zone(struct msv_scan *s)
{
	int zone = 0;

	msv_scan_cfws(s);
	if (s->p == s->end)
		return 0;
	if (*s->p == '+' || *s->p == '-')
		return read_offset(s, &zone) ? zone : 0;
	return named_zone(read_word(s));
}

static void set_date(struct msv_date *out, const struct civil *c, int seconds, int zone)
{
	out->zone = zone;
	out->time = msv_day_of(c->year, c->month, c->day) * SECONDS_A_DAY + seconds - zone * 60;
}

int msv_date_parse(const char *p, size_t n, struct msv_date *out)
{
	struct msv_scan s = { p, p + n };
	struct civil c;
	int seconds;

	skip_weekday(&s);
	if (!read_date(&s, &c))
		return MSV_ERR_FORMAT;
	msv_scan_cfws(&s);
	if (!read_time(&s, &seconds))
		return MSV_ERR_FORMAT;
	set_date(out, &c, seconds, read_zone(&s));
	return 0;
}

/* "7-Feb-1994" in IMAP's strict form. */
static bool read_imap_date(struct msv_scan *s, struct civil *c)
{
	struct msv_span month;

	if (!read_number(s, 1, 2, &c->day) || !read_char(s, '-'))
		return false;
	month = read_word(s);
	c->month = month.n == 3 ? month_of(month.p, month.n) : 0;
	return c->month && read_char(s, '-') && read_number(s, 4, 4, &c->year) && civil_ok(c);
}

/* "21:52:25" in IMAP's strict form. */
static bool read_imap_time(struct msv_scan *s, int *seconds)
{
	int h, m, sec;

	if (!read_number(s, 2, 2, &h) || !read_char(s, ':') || !read_number(s, 2, 2, &m) ||
	    !read_char(s, ':') || !read_number(s, 2, 2, &sec))
		return false;
	*seconds = h * 3600 + m * 60 + sec;
	return h <= 23 && m <= 59 && sec <= 60;
}

int msv_imap_datetime_parse(const char *p, size_t n, struct msv_date *out)
{
	struct msv_scan s = { p, p + n };
	struct civil c;
	int seconds, zone;

	read_char(&s, ' ');
	if (!read_imap_date(&s, &c) || !read_char(&s, ' ') || !read_imap_time(&s, &seconds) ||
	    !read_char(&s, ' '))
		return MSV_ERR_FORMAT;
	if (s.p == s.end || (*s.p != '+' && *s.p != '-') || !read_offset(&s, &zone) || s.p != s.end)
		return MSV_ERR_FORMAT;
	set_date(out, &c, seconds, zone);
	return 0;
}

int msv_imap_date_parse(const char *p, size_t n, int64_t *day)
{
	struct msv_scan s = { p, p + n };
	struct civil c;

	if (!read_imap_date(&s, &c) || s.p != s.end)
		return MSV_ERR_FORMAT;
	*day = msv_day_of(c.year, c.month, c.day);
	return 0;
}

/* -- RFC 3339 -------------------------------------------------------------- */

/* "2027-01-31" */
static bool read_full_date(struct msv_scan *s, struct civil *c)
{
	return read_number(s, 4, 4, &c->year) && read_char(s, '-') &&
	       read_number(s, 2, 2, &c->month) && read_char(s, '-') &&
	       read_number(s, 2, 2, &c->day) && civil_ok(c);
}

/* "08:00:00", perhaps with ".25" */
static bool read_full_time(struct msv_scan *s, int *seconds)
{
	int hour, minute, second;

	if (!read_number(s, 2, 2, &hour) || !read_char(s, ':') || !read_number(s, 2, 2, &minute) ||
	    !read_char(s, ':') || !read_number(s, 2, 2, &second))
		return false;
	if (read_char(s, '.')) {
		const char *digits = s->p;
		while (s->p < s->end && *s->p >= '0' && *s->p <= '9')
			s->p++;
		if (s->p == digits)
			return false;
	}
	*seconds = hour * 3600 + minute * 60 + second;
	return hour <= 23 && minute <= 59 && second <= 60;
}

int msv_timestamp_parse(const char *p, size_t n, int64_t *time)
{
	struct msv_scan s = { p, p + n };
	struct msv_date date;
	struct civil c;
	int seconds;

	if (!read_full_date(&s, &c) || !(read_char(&s, 'T') || read_char(&s, 't')) ||
	    !read_full_time(&s, &seconds) || !(read_char(&s, 'Z') || read_char(&s, 'z')) ||
	    s.p != s.end)
		return MSV_ERR_FORMAT;
	set_date(&date, &c, seconds, 0);
	*time = date.time;
	return 0;
}

/* -- Writing --------------------------------------------------------------- */

/* The years that can be written with four digits. */
#define FIRST_DAY INT64_C(-719528) /* 0000-01-01 */
#define LAST_DAY  INT64_C(2932896) /* 9999-12-31 */

struct clock {
	int64_t day;
	struct civil civil;
	int hour, minute, second;
	int zone; /* as +hhmm in decimal */
};

static int64_t clamp(int64_t v, int64_t lo, int64_t hi)
{
	return v < lo ? lo : v > hi ? hi : v;
}

static struct clock clock_of(const struct msv_date *date)
{
	struct clock c;
	int zone = (int)clamp(date->zone, -1439, 1439);
	int64_t local = clamp(date->time, FIRST_DAY * SECONDS_A_DAY, LAST_DAY * SECONDS_A_DAY) +
	                (int64_t)zone * 60;
	int rest;

	c.day = clamp(floor_div(local, SECONDS_A_DAY), FIRST_DAY, LAST_DAY);
	c.civil = civil_of(c.day);
	rest = (int)(local - floor_div(local, SECONDS_A_DAY) * SECONDS_A_DAY);
	c.hour = rest / 3600;
	c.minute = rest / 60 % 60;
	c.second = rest % 60;
	c.zone = (zone < 0 ? -zone : zone) / 60 * 100 + (zone < 0 ? -zone : zone) % 60;
	return c;
}

static char zone_sign(const struct msv_date *date)
{
	return date->zone < 0 ? '-' : '+';
}

static size_t written(int n)
{
	return n < 0 ? 0 : (size_t)n < MSV_DATE_SIZE ? (size_t)n : MSV_DATE_SIZE - 1;
}

size_t msv_date_write(const struct msv_date *date, char out[MSV_DATE_SIZE])
{
	struct clock c = clock_of(date);
	int64_t weekday = ((c.day + 4) % 7 + 7) % 7; /* the epoch was a Thursday */

	return written(snprintf(out, MSV_DATE_SIZE, "%s, %d %s %04d %02d:%02d:%02d %c%04d",
	    weekdays[weekday], c.civil.day, months[c.civil.month - 1], c.civil.year, c.hour,
	    c.minute, c.second, zone_sign(date), c.zone));
}

size_t msv_imap_datetime_write(const struct msv_date *date, char out[MSV_DATE_SIZE])
{
	struct clock c = clock_of(date);

	return written(snprintf(out, MSV_DATE_SIZE, "%2d-%s-%04d %02d:%02d:%02d %c%04d",
	    c.civil.day, months[c.civil.month - 1], c.civil.year, c.hour, c.minute, c.second,
	    zone_sign(date), c.zone));
}

size_t msv_timestamp_write(int64_t time, char out[MSV_DATE_SIZE])
{
	struct clock c = clock_of(&(struct msv_date){ .time = time });

	return written(snprintf(out, MSV_DATE_SIZE, "%04d-%02d-%02dT%02d:%02d:%02dZ", c.civil.year,
	    c.civil.month, c.civil.day, c.hour, c.minute, c.second));
}
