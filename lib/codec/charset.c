#include "codec/charset.h"

#include <errno.h>
#include <iconv.h>
#include <string.h>

#include "base/alloc.h"
#include "codec/casefold.h"
#include "codec/utf8.h"

#define NAME_MAX_LEN 64

/* Bytes of one character that may wait for the rest of it. */
#define HELD_MAX 16

enum kind { ASCII, UTF8, LATIN1, ICONV };

struct msv_charset {
	struct msv_env *env;
	enum kind kind;
	struct msv_utf8_cleaner cleaner;
	iconv_t cd;
	char held[HELD_MAX];
	size_t nheld;
};

static const struct {
	const char *name;
	enum kind kind;
} builtin[] = {
	{ "us-ascii", ASCII },
	{ "ascii", ASCII },
	{ "ansi_x3.4-1968", ASCII },
	{ "iso646-us", ASCII },
	{ "utf-8", UTF8 },
	{ "utf8", UTF8 },
	{ "iso-8859-1", LATIN1 },
	{ "iso8859-1", LATIN1 },
	{ "latin1", LATIN1 },
	{ "iso_8859-1", LATIN1 },
};

static const size_t nbuiltin = sizeof builtin / sizeof builtin[0];

static enum kind kind_of(const char *name, size_t n)
{
	for (size_t i = 0; i < nbuiltin; i++)
		if (msv_ascii_equals(name, n, builtin[i].name))
			return builtin[i].kind;
	return ICONV;
}

/* iconv_open() takes more than names: suffixes ("//IGNORE"), and files are
 * looked up by what it gets.  Only what a charset's name is made of goes there
 * (RFC 2978 2.3 without the odd ones). */
static bool plain_name(const char *name, size_t n)
{
	if (n == 0 || n >= NAME_MAX_LEN)
		return false;
	for (size_t i = 0; i < n; i++) {
		char c = msv_ascii_lower(name[i]);

		if (!(c >= 'a' && c <= 'z') && !(c >= '0' && c <= '9') &&
		    (i == 0 || c == '\0' || !strchr("-_:.+()", c)))
			return false;
	}
	return true;
}

static int open_iconv(struct msv_charset *cs, const char *name, size_t n)
{
	char copy[NAME_MAX_LEN];

	if (!plain_name(name, n))
		return MSV_ERR_UNSUPPORTED;
	memcpy(copy, name, n);
	copy[n] = '\0';
	cs->cd = iconv_open("UTF-8", copy);
	if (cs->cd == (iconv_t)-1)
		return errno == ENOMEM ? MSV_ERR_NOMEM : MSV_ERR_UNSUPPORTED;
	return 0;
}

int msv_charset_open(struct msv_env *env, const char *name, size_t n, struct msv_charset **out)
{
	struct msv_charset *cs = msv_alloc(env, sizeof *cs);
	int rc = 0;

	if (!cs)
		return MSV_ERR_NOMEM;
	cs->env = env;
	cs->kind = kind_of(name, n);
	if (cs->kind == ICONV)
		rc = open_iconv(cs, name, n);
	if (rc < 0) {
		msv_free(env, cs);
		return rc;
	}
	*out = cs;
	return 0;
}

void msv_charset_free(struct msv_charset *cs)
{
	if (!cs)
		return;
	if (cs->kind == ICONV)
		iconv_close(cs->cd);
	msv_free(cs->env, cs);
}

bool msv_charset_known(struct msv_env *env, const char *name, size_t n)
{
	struct msv_charset *cs;

	if (msv_charset_open(env, name, n, &cs) < 0)
		return false;
	msv_charset_free(cs);
	return true;
}

static void replace(struct msv_buf *out)
{
	msv_buf_put(out, MSV_UTF8_REPLACEMENT, MSV_UTF8_REPLACEMENT_LEN);
}

/* us-ascii and iso-8859-1: a byte is a character. */
static void push_bytes(enum kind kind, const char *p, size_t n, struct msv_buf *out)
{
	size_t run = 0;

	for (size_t i = 0; i < n; i++) {
		char utf8[4];

		if (!((unsigned char)p[i] & 0x80))
			continue;
		msv_buf_put(out, p + run, i - run);
		run = i + 1;
		if (kind == LATIN1)
			msv_buf_put(out, utf8, msv_utf8_put((unsigned char)p[i], utf8));
		else
			replace(out);
	}
	msv_buf_put(out, p + run, n - run);
}

/* Converts as much as goes; returns how many bytes are left: the beginning of a
 * character. */
static size_t convert(struct msv_charset *cs, const char *p, size_t n, struct msv_buf *out)
{
	char *in = (char *)p; /* iconv does not write there */
	char piece[1024];

	while (n > 0 && !msv_buf_failed(out)) {
		char *to = piece;
		size_t room = sizeof piece;
		size_t rc = iconv(cs->cd, &in, &n, &to, &room);
		int why = errno;

		msv_buf_put(out, piece, (size_t)(to - piece));
		if (rc != (size_t)-1 || why == E2BIG)
			continue;
		if (why == EINVAL)
			return n;
		replace(out);
		in++;
		n--;
	}
	return 0;
}

/* Completes the character held back, a byte at a time.  How many bytes of p
 * were taken. */
static size_t convert_held(struct msv_charset *cs, const char *p, size_t n, struct msv_buf *out)
{
	size_t used = 0;

	while (cs->nheld > 0 && used < n) {
		size_t left;

		if (cs->nheld == HELD_MAX) {
			replace(out);
			memmove(cs->held, cs->held + 1, --cs->nheld);
		}
		cs->held[cs->nheld++] = p[used++];
		left = convert(cs, cs->held, cs->nheld, out);
		memmove(cs->held, cs->held + cs->nheld - left, left);
		cs->nheld = left;
	}
	return used;
}

static void push_iconv(struct msv_charset *cs, const char *p, size_t n, struct msv_buf *out)
{
	size_t used = convert_held(cs, p, n, out);

	if (used < n) {
		size_t left = convert(cs, p + used, n - used, out);

		if (left > HELD_MAX) {
			replace(out);
			left = 0;
		}
		memcpy(cs->held, p + n - left, left);
		cs->nheld = left;
	}
}

int msv_charset_push(struct msv_charset *cs, const char *p, size_t n, struct msv_buf *out)
{
	if (cs->kind == UTF8)
		msv_utf8_clean(&cs->cleaner, p, n, out);
	else if (cs->kind == ICONV)
		push_iconv(cs, p, n, out);
	else
		push_bytes(cs->kind, p, n, out);
	return msv_buf_failed(out) ? MSV_ERR_NOMEM : 0;
}

/* Writes what iconv itself holds back, and puts it into its first state. */
static void flush_iconv(struct msv_charset *cs, struct msv_buf *out)
{
	char piece[64], *to = piece;
	size_t room = sizeof piece;

	iconv(cs->cd, NULL, NULL, &to, &room);
	msv_buf_put(out, piece, (size_t)(to - piece));
	if (cs->nheld > 0)
		replace(out);
	cs->nheld = 0;
}

int msv_charset_end(struct msv_charset *cs, struct msv_buf *out)
{
	if (cs->kind == UTF8)
		msv_utf8_clean_end(&cs->cleaner, out);
	else if (cs->kind == ICONV)
		flush_iconv(cs, out);
	return msv_buf_failed(out) ? MSV_ERR_NOMEM : 0;
}
