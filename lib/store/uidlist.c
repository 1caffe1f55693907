#include "store/uidlist.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>

/* Reads a number above 0 and moves *p behind it.  0: none, or too big. */
static uint32_t read_number(const char **p, const char *end)
{
	uint64_t number = 0;

	for (; *p < end && isdigit((unsigned char)**p); (*p)++) {
		number = number * 10 + (uint64_t)(**p - '0');
		if (number > UINT32_MAX)
			return 0;
	}
	return (uint32_t)number;
}

/* Moves *p over one space; false: there is none. */
static bool read_space(const char **p, const char *end)
{
	if (*p == end || **p != ' ')
		return false;
	(*p)++;
	return true;
}

/* -- The header ------------------------------------------------------------------ */

/* Keeps a key that means nothing here, if there is room. */
static void keep_other(struct msv_uidlist_header *out, const char *p, size_t n)
{
	size_t used = strlen(out->others);

	if (used + n + 2 > sizeof(out->others))
		return;
	out->others[used++] = ' ';
	memcpy(out->others + used, p, n);
	out->others[used + n] = '\0';
}

/* A whole word that is a number, or 0. */
static uint32_t word_number(const char *p, size_t n)
{
	const char *end = p + n;
	uint32_t number = read_number(&p, end);

	return p == end ? number : 0;
}

static int header_key(struct msv_uidlist_header *out, const char *p, size_t n)
{
	switch (p[0]) {
	case 'V':
		out->uidvalidity = word_number(p + 1, n - 1);
		return out->uidvalidity ? 0 : MSV_ERR_FORMAT;
	case 'N':
		out->uidnext = word_number(p + 1, n - 1);
		return out->uidnext ? 0 : MSV_ERR_FORMAT;
	case 'G':
		if (n - 1 < sizeof(out->guid)) {
			memcpy(out->guid, p + 1, n - 1);
			out->guid[n - 1] = '\0';
		}
		return 0;
	default:
		keep_other(out, p, n);
		return 0;
	}
}

static int parse_header_1(const char *p, const char *end, struct msv_uidlist_header *out)
{
	out->uidvalidity = read_number(&p, end);
	if (!out->uidvalidity || !read_space(&p, end))
		return MSV_ERR_FORMAT;
	out->uidnext = read_number(&p, end);
	return out->uidnext && p == end ? 0 : MSV_ERR_FORMAT;
}

static int parse_header_3(const char *p, const char *end, struct msv_uidlist_header *out)
{
	while (p < end) {
		const char *space = memchr(p, ' ', (size_t)(end - p));
		size_t n = (size_t)((space ? space : end) - p);
		if (n && header_key(out, p, n) != 0)
			return MSV_ERR_FORMAT;
		p += n + (space != NULL);
	}
	return out->uidvalidity && out->uidnext ? 0 : MSV_ERR_FORMAT;
}

int msv_uidlist_parse_header(const char *p, size_t n, struct msv_uidlist_header *out)
{
	const char *end = p + n;

	*out = (struct msv_uidlist_header){ 0 };
	if (n < 2 || p[1] != ' ' || memchr(p, '\0', n))
		return MSV_ERR_FORMAT;
	out->version = (unsigned)(p[0] - '0');
	if (out->version == 1)
		return parse_header_1(p + 2, end, out);
	return out->version == 3 ? parse_header_3(p + 2, end, out) : MSV_ERR_FORMAT;
}

size_t msv_uidlist_format_header(
    const struct msv_uidlist_header *header, char out[MSV_UIDLIST_HEADER_SIZE])
{
	return (size_t)snprintf(out, MSV_UIDLIST_HEADER_SIZE, "3 V%lu N%lu%s%s%s\n",
	    (unsigned long)header->uidvalidity, (unsigned long)header->uidnext,
	    header->guid[0] ? " G" : "", header->guid, header->others);
}

/* -- Records ---------------------------------------------------------------------- */

/* The base of a name: no info, no hidden or broken name. */
static bool base_valid(const char *p, size_t n)
{
	if (!n || p[0] == '.' || n > 255)
		return false;
	for (size_t i = 0; i < n; i++) {
		if ((unsigned char)p[i] < 0x20 || p[i] == 0x7f || p[i] == '/' || p[i] == ':')
			return false;
	}
	return true;
}

/* Where the base of a version 3 record begins: behind " :", at p or behind the
 * keys.  NULL: nowhere. */
static const char *find_base(const char *p, const char *end)
{
	if (p < end && *p == ':')
		return p + 1;
	while ((p = memchr(p, ' ', (size_t)(end - p)))) {
		if (++p < end && *p == ':')
			return p + 1;
	}
	return NULL;
}

int msv_uidlist_parse_record(
    unsigned version, const char *p, size_t n, struct msv_uidlist_record *out)
{
	const char *end = p + n, *base;

	*out = (struct msv_uidlist_record){ .uid = read_number(&p, end) };
	if (!out->uid || !read_space(&p, end))
		return MSV_ERR_FORMAT;
	base = version == 1 ? p : find_base(p, end);
	if (!base)
		return MSV_ERR_FORMAT;
	if (base > p + 1)
		out->keys = (struct msv_span){ p, (size_t)(base - p) - 2 };
	/* Of version 1, and of old writers, whole names are known. */
	const char *info = memchr(base, ':', (size_t)(end - base));
	out->base = (struct msv_span){ base, (size_t)((info ? info : end) - base) };
	return base_valid(out->base.p, out->base.n) ? 0 : MSV_ERR_FORMAT;
}

size_t msv_uidlist_format_record(const struct msv_uidlist_record *record, char *out, size_t n)
{
	int len = snprintf(out, n, "%lu %.*s%s:%.*s\n", (unsigned long)record->uid,
	    (int)record->keys.n, record->keys.n ? record->keys.p : "", record->keys.n ? " " : "",
	    (int)record->base.n, record->base.p);

	return len > 0 && (size_t)len < n ? (size_t)len : 0;
}

bool msv_uidlist_key(const struct msv_span *keys, char key, struct msv_span *value)
{
	const char *p = keys->n ? keys->p : "", *end = p + keys->n;

	while (p < end) {
		const char *space = memchr(p, ' ', (size_t)(end - p));
		const char *stop = space ? space : end;
		if (stop > p && *p == key) {
			*value = (struct msv_span){ p + 1, (size_t)(stop - p) - 1 };
			return true;
		}
		p = stop + 1;
	}
	return false;
}

/* -- The whole file --------------------------------------------------------------- */

/* One whole line. */
static int take_line(struct msv_uidlist_reader *reader, const char *p, size_t n,
    int (*record)(void *user, const struct msv_uidlist_record *record), void *user)
{
	struct msv_uidlist_record parsed;

	if (!reader->has_header) {
		reader->has_header = true;
		return msv_uidlist_parse_header(p, n, &reader->header);
	}
	if (msv_uidlist_parse_record(reader->header.version, p, n, &parsed) != 0 ||
	    parsed.uid <= reader->last) {
		reader->bad++;
		return 0;
	}
	reader->last = parsed.uid;
	return record(user, &parsed);
}

/* Keeps the begin of a line for later. */
static void hold(struct msv_uidlist_reader *reader, const char *p, size_t n)
{
	if (reader->skipping || n > sizeof(reader->held) - reader->nheld) {
		reader->skipping = true;
		reader->nheld = 0;
		return;
	}
	memcpy(reader->held + reader->nheld, p, n);
	reader->nheld += n;
}

int msv_uidlist_read(struct msv_uidlist_reader *reader, const char *p, size_t n,
    int (*record)(void *user, const struct msv_uidlist_record *record), void *user)
{
	const char *end = p + n;
	int error = 0;

	while (!error && p < end) {
		const char *newline = memchr(p, '\n', (size_t)(end - p));
		size_t len = (size_t)((newline ? newline : end) - p);

		if (newline && !reader->nheld && !reader->skipping && len <= MSV_UIDLIST_LINE) {
			error = take_line(reader, p, len, record, user);
		} else {
			hold(reader, p, len);
			if (newline && reader->skipping && !reader->has_header)
				return MSV_ERR_FORMAT;
			if (newline && !reader->skipping)
				error =
				    take_line(reader, reader->held, reader->nheld, record, user);
			else if (newline)
				reader->bad++;
		}
		p += len;
		reader->pending += len;
		if (newline) {
			p++;
			reader->offset += reader->pending + 1;
			reader->pending = 0;
			reader->nheld = 0;
			reader->skipping = false;
		}
	}
	return error;
}

uint32_t msv_uidlist_last_uid(unsigned version, const char *p, size_t n)
{
	const char *end = p + n, *newline;
	uint32_t last = 0;

	/* What is behind the last newline is no record yet. */
	while (p < end && (newline = memchr(p, '\n', (size_t)(end - p)))) {
		struct msv_uidlist_record record;
		if (msv_uidlist_parse_record(version, p, (size_t)(newline - p), &record) == 0 &&
		    record.uid > last)
			last = record.uid;
		p = newline + 1;
	}
	return last;
}
