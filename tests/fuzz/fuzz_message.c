/*
 * Messages: whatever the bytes, and whatever pieces they come in, the structure
 * is the same, its parts lie inside each other, its IMAP form is well-formed
 * and everything decodes.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "codec/date.h"
#include "codec/matcher.h"
#include "codec/mutf7.h"
#include "codec/utf8.h"
#include "message/bodystructure.h"
#include "message/envelope.h"
#include "message/header.h"
#include "message/mime.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

/* Unlike assert(), there in every build. */
#define MUST(what) \
	do { \
		if (!(what)) { \
			fprintf(stderr, "%s:%d: not so: %s\n", __FILE__, __LINE__, #what); \
			abort(); \
		} \
	} while (0)

/* Lengths of pieces, the same for the same input. */
struct pieces {
	uint32_t state;
	bool whole;
};

static size_t next_piece(struct pieces *p, size_t left)
{
	size_t piece;

	if (p->whole)
		return left;
	p->state = p->state * 1664525u + 1013904223u;
	piece = p->state >> 28 ? (p->state >> 20) % 7 + 1 : (p->state >> 16) % 4096 + 1;
	return piece < left ? piece : left;
}

static struct pieces pieces_for(const char *p, size_t n)
{
	struct pieces pieces = { .state = 2166136261u };

	for (size_t i = 0; i < n; i++)
		pieces.state = (pieces.state ^ (unsigned char)p[i]) * 16777619u;
	return pieces;
}

/* -- The structure --------------------------------------------------------- */

static struct msv_mime *parse(struct msv_env *env, const char *p, size_t n, struct pieces pieces)
{
	/* Small limits, so that they are met. */
	static const struct msv_mime_limits limits = { .size = sizeof limits,
		.depth = 8,
		.parts = 50,
		.field_bytes = 1000,
		.header_bytes = 5000 };
	struct msv_mime_parser *parser;
	struct msv_mime *mime;

	MUST(msv_mime_parser_new(env, &limits, &parser) == 0);
	for (size_t at = 0, piece; at < n; at += piece) {
		piece = next_piece(&pieces, n - at);
		MUST(msv_mime_parser_push(parser, p + at, piece) == 0);
	}
	MUST(msv_mime_parser_finish(parser, &mime) == 0);
	msv_mime_parser_free(parser);
	return mime;
}

static void tell(const struct msv_mime *mime, struct msv_buf *out)
{
	for (const struct msv_part *part = mime->root; part; part = msv_part_next(part))
		msv_buf_printf(out, "%u %d %llu+%llu %llu+%llu %llu+%llu %llu+%llu\n", part->depth,
		    (int)part->kind, (unsigned long long)part->header.start,
		    (unsigned long long)part->header.len,
		    (unsigned long long)part->header.wire_start,
		    (unsigned long long)part->header.wire_len, (unsigned long long)part->body.start,
		    (unsigned long long)part->body.len, (unsigned long long)part->body.wire_len,
		    (unsigned long long)part->body.lines);
	MUST(msv_envelope_write(mime->root->envelope, out) == 0);
	msv_buf_putc(out, ' ');
	MUST(msv_bodystructure_write(mime, true, out) == 0);
}

static void parts_lie_inside(const struct msv_mime *mime, size_t n)
{
	MUST(mime->size == n);
	for (const struct msv_part *part = mime->root; part; part = msv_part_next(part)) {
		const struct msv_part *in = part->parent;

		MUST(part->header.start + part->header.len == part->body.start);
		MUST(part->body.start + part->body.len <= n);
		MUST(part->kind == MSV_PART_MULTIPART ||
		     part->children == (part->kind == MSV_PART_MESSAGE));
		if (in) {
			MUST(part->header.start >= in->body.start);
			MUST(part->body.start + part->body.len <= in->body.start + in->body.len);
		}
	}
}

/* Skips a quoted string or literal at p; NULL when it is wrong. */
static const char *skip_string(const char *p, const char *end)
{
	if (*p == '{') {
		char *after;
		unsigned long long len = strtoull(p + 1, &after, 10);

		if (end - after < 3 || memcmp(after, "}\r\n", 3) != 0 ||
		    len > (unsigned long long)(end - after - 3) || memchr(after + 3, '\0', len))
			return NULL;
		return after + 3 + len;
	}
	for (p++; p < end && *p != '"'; p++) {
		if (*p == '\\' && ++p < end && *p != '"' && *p != '\\')
			return NULL;
		if (p == end || *p == '\r' || *p == '\n' || *p == '\0' || *p & 0x80)
			return NULL;
	}
	return p < end ? p + 1 : NULL;
}

/* Balanced lists of strings, numbers and NIL. */
static bool well_formed(const char *p, const char *end)
{
	size_t depth = 0;

	while (p && p < end) {
		if (*p == '"' || *p == '{') {
			p = skip_string(p, end);
			continue;
		}
		if (*p == ')' && depth-- == 0)
			return false;
		depth += *p == '(';
		if (!strchr("() NIL0123456789", *p) || *p == '\0')
			return false;
		p++;
	}
	return p && depth == 0;
}

static int ignore(void *user, const char *p, size_t n)
{
	(void)user, (void)p, (void)n;
	return 0;
}

static int ignore_address(void *user, const struct msv_address *address)
{
	(void)user;
	MUST(msv_utf8_valid(
	    address->name ? address->name : "", address->name ? strlen(address->name) : 0));
	return 0;
}

static void read_body(const struct msv_part *part, const char *message)
{
	struct msv_part_reader *reader;

	MUST(msv_part_reader_new(part, false, ignore, NULL, &reader) == 0);
	MUST(msv_part_reader_push(reader, message + part->body.start, part->body.len) == 0);
	MUST(msv_part_reader_finish(reader) == 0);
	msv_part_reader_free(reader);
}

static void everything_decodes(const struct msv_mime *mime, const char *message)
{
	for (const struct msv_part *part = mime->root; part; part = msv_part_next(part)) {
		struct msv_part_info info = { .size = sizeof info };
		int64_t time;

		MUST(msv_part_info(part, &info) == 0);
		MUST(!info.filename || msv_utf8_valid(info.filename, strlen(info.filename)));
		for (int i = 0; i < MSV_FIELD_COUNT; i++) {
			const char *text;

			MUST(msv_part_field(part, (enum msv_field)i, &text) == 0);
			MUST(!text || msv_utf8_valid(text, strlen(text)));
			MUST(
			    msv_part_addresses(part, (enum msv_field)i, ignore_address, NULL) == 0);
		}
		msv_part_date(part, &time, NULL);
		if (part->kind == MSV_PART_LEAF)
			read_body(part, message);
	}
}

static void structure(struct msv_env *env, const char *p, size_t n)
{
	struct msv_mime *whole = parse(env, p, n, (struct pieces){ .whole = true });
	struct msv_mime *split = parse(env, p, n, pieces_for(p, n));
	struct msv_buf a, b;

	msv_buf_init(&a, env);
	msv_buf_init(&b, env);
	tell(whole, &a);
	tell(split, &b);
	MUST(msv_buf_len(&a) == msv_buf_len(&b));
	MUST(memcmp(msv_buf_data(&a), msv_buf_data(&b), msv_buf_len(&a)) == 0);
	msv_buf_clear(&a);
	msv_envelope_write(whole->root->envelope, &a);
	msv_bodystructure_write(whole, true, &a);
	msv_bodystructure_write(whole, false, &a);
	MUST(well_formed(msv_buf_data(&a), msv_buf_data(&a) + msv_buf_len(&a)));
	parts_lie_inside(whole, n);
	everything_decodes(whole, p);
	msv_buf_fini(&a);
	msv_buf_fini(&b);
	msv_mime_free(whole);
	msv_mime_free(split);
}

/* -- Fields as they stand -------------------------------------------------- */

static void filter(struct msv_env *env, const char *p, size_t n, struct pieces pieces, bool inverse,
    struct msv_buf *out)
{
	struct msv_span names[] = { { "from", 4 }, { "TO", 2 }, { "Content-Type", 12 } };
	struct msv_header_filter f;

	msv_buf_init(out, env);
	msv_header_names_sort(names, 3);
	msv_header_filter_init(&f, names, 3, inverse);
	for (size_t at = 0, piece; at < n; at += piece) {
		piece = next_piece(&pieces, n - at);
		if (msv_header_filter_push(&f, p + at, piece, NULL, out) != 0)
			break;
	}
	MUST(msv_header_filter_end(&f, out) == 0);
}

static void fields(struct msv_env *env, const char *p, size_t n)
{
	for (int inverse = 0; inverse < 2; inverse++) {
		struct msv_buf a, b;

		filter(env, p, n, (struct pieces){ .whole = true }, inverse, &a);
		filter(env, p, n, pieces_for(p, n), inverse, &b);
		MUST(msv_buf_len(&a) == msv_buf_len(&b));
		MUST(memcmp(msv_buf_data(&a), msv_buf_data(&b), msv_buf_len(&a)) == 0);
		msv_buf_fini(&a);
		msv_buf_fini(&b);
	}
}

/* -- Codecs ---------------------------------------------------------------- */

/* A name that decodes is the only form of what it says. */
static void mailbox_name(struct msv_env *env, const char *p, size_t n)
{
	struct msv_buf name, again;

	msv_buf_init(&name, env);
	msv_buf_init(&again, env);
	if (msv_mutf7_decode(p, n, &name) == 0) {
		MUST(msv_utf8_valid(msv_buf_data(&name), msv_buf_len(&name)));
		MUST(msv_mutf7_encode(msv_buf_data(&name), msv_buf_len(&name), &again) == 0);
		MUST(msv_buf_len(&again) == n && memcmp(msv_buf_data(&again), p, n) == 0);
	}
	msv_buf_fini(&name);
	msv_buf_fini(&again);
}

/* A needle taken from the text is found, in pieces too. */
static void search(struct msv_env *env, const char *p, size_t n)
{
	struct pieces pieces = pieces_for(p, n);
	struct msv_matcher m;

	if (n < 12 || msv_matcher_init(&m, env, p + 4, 8) < 0)
		return;
	MUST(msv_matcher_text(&m, p + 4, n - 4) == 1);
	msv_matcher_reset(&m);
	for (size_t at = 4, piece; at < n; at += piece) {
		piece = next_piece(&pieces, n - at);
		MUST(msv_matcher_push(&m, p + at, piece) >= 0);
	}
	MUST(msv_matcher_push(&m, "", 0) == 1);
	msv_matcher_fini(&m);
}

static void dates(const char *p, size_t n)
{
	struct msv_date date, again;
	char text[MSV_DATE_SIZE];
	int64_t day;

	msv_imap_date_parse(p, n, &day);
	if (msv_imap_datetime_parse(p, n, &date) == 0) {
		n = msv_imap_datetime_write(&date, text);
		MUST(msv_imap_datetime_parse(text, n, &again) == 0);
		MUST(again.time == date.time && again.zone == date.zone);
	}
	if (msv_date_parse(p, n, &date) == 0)
		MUST(msv_date_write(&date, text) < MSV_DATE_SIZE);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	const char *p = n > 0 ? (const char *)data : "";
	struct msv_env *env;

	MUST(msv_env_new(NULL, &env) == 0);
	structure(env, p, n);
	fields(env, p, n);
	mailbox_name(env, p, n);
	search(env, p, n);
	dates(p, n);
	msv_env_free(env);
	return 0;
}
