/*
 * Conversion to 7 bits (RFC 6152 3): parts of the body with octets beyond 127
 * are encoded.  The message comes by three times: its structure is read, then
 * where such octets are, then it is written - so nothing of it is kept.
 */
#include <string.h>

#include "message/header.h"
#include "smtp/client.h"

/* A header, or the body of a leaf; what is between them belongs to multiparts. */
struct segment {
	uint64_t start, end;
	const struct msv_part *part;
	bool header;
	bool high; /* it has octets beyond 127 */
	enum msv_encode how;
};

enum round { STRUCTURE, SEARCH, WRITE };

struct msv_convert {
	struct msv_env *env;
	enum round round;
	struct msv_mime_parser *parser;
	struct msv_mime *mime;
	struct segment *segments;
	size_t n, cap;

	/* The first round: is the message signed? */
	struct msv_header_reader header;
	bool header_read, is_signed;

	/* The round under way. */
	uint64_t pos;
	size_t at;   /* the segment pos is in, or before */
	bool inside; /* it was begun */
	struct msv_encoder encoder;
	struct msv_header_filter filter;
	bool header_ended;
};

static int on_field(void *user, const struct msv_header_field *field)
{
	struct msv_convert *v = user;

	v->is_signed = v->is_signed || msv_header_is(field, "DKIM-Signature");
	return 0;
}

int msv_convert_new(struct msv_env *env, struct msv_convert **out)
{
	struct msv_convert *v = msv_alloc(env, sizeof(*v));
	int error;

	if (!v)
		return MSV_ERR_NOMEM;
	v->env = env;
	error = msv_mime_parser_new(env, NULL, &v->parser);
	if (error) {
		msv_free(env, v);
		return error;
	}
	msv_header_reader_init(&v->header, env, 1, on_field, v);
	*out = v;
	return 0;
}

void msv_convert_free(struct msv_convert *v)
{
	if (!v)
		return;
	msv_header_reader_fini(&v->header);
	msv_mime_parser_free(v->parser);
	msv_mime_free(v->mime);
	msv_free(v->env, v->segments);
	msv_free(v->env, v);
}

bool msv_convert_ready(const struct msv_convert *v)
{
	return v->round == WRITE;
}

/* -- Segments --------------------------------------------------------------------------- */

static int add_segment(struct msv_convert *v, const struct msv_part *part, bool header)
{
	const struct msv_range *range = header ? &part->header : &part->body;

	if (msv_grow(v->env, &v->segments, &v->cap, v->n + 1, sizeof(*v->segments)))
		return MSV_ERR_NOMEM;
	v->segments[v->n++] = (struct segment){ .start = range->start,
		.end = range->start + range->len,
		.part = part,
		.header = header };
	return 0;
}

/* The part behind this one in the message's order. */
static const struct msv_part *next_part(const struct msv_part *part)
{
	if (part->first_child)
		return part->first_child;
	while (part && !part->next)
		part = part->parent;
	return part ? part->next : NULL;
}

static int list_segments(struct msv_convert *v)
{
	int error = 0;

	for (const struct msv_part *p = v->mime->root; p && !error; p = next_part(p)) {
		error = add_segment(v, p, true);
		if (!error && p->kind == MSV_PART_LEAF)
			error = add_segment(v, p, false);
	}
	return error;
}

/* -- What is to be done -------------------------------------------------------------------- */

/* How a body with such octets is encoded; COPY: that is not known. */
static enum msv_encode encode_for(const struct msv_part *part)
{
	switch (msv_part_encoding(part)) {
	case MSV_ENCODING_QP:
		return MSV_ENCODE_QP_PATCH;
	case MSV_ENCODING_BASE64:
		return MSV_ENCODE_BASE64_PATCH;
	case MSV_ENCODING_IDENTITY:
		return msv_part_is(part, "text", NULL) ? MSV_ENCODE_QP : MSV_ENCODE_BASE64;
	default:
		return MSV_ENCODE_COPY;
	}
}

static bool says_8bit(const struct msv_part *part)
{
	const char *encoding = part->content.encoding;

	return encoding && msv_part_encoding(part) == MSV_ENCODING_IDENTITY && *encoding &&
	       *encoding != '7';
}

/* The body of the part whose header this is, when it has one of its own. */
static struct segment *body_of(struct msv_convert *v, const struct segment *header)
{
	struct segment *next = v->segments + (header - v->segments) + 1;

	return next < v->segments + v->n && !next->header && next->part == header->part ? next
	                                                                                : NULL;
}

/* What the header says of the encoding from now on; NULL: what it says already. */
static const char *new_encoding(struct msv_convert *v, const struct segment *header)
{
	const struct segment *body = body_of(v, header);

	if (body && body->how == MSV_ENCODE_QP)
		return "quoted-printable";
	if (body && body->how == MSV_ENCODE_BASE64)
		return "base64";
	return says_8bit(header->part) ? "7bit" : NULL;
}

static int decide(struct msv_convert *v, const char **why)
{
	for (size_t i = 0; i < v->n; i++) {
		struct segment *s = &v->segments[i];
		if (!s->high)
			continue;
		if (s->header) {
			*why = "the next hop takes 7 bits alone, and the header has more";
			return MSV_ERR_UNSUPPORTED;
		}
		s->how = encode_for(s->part);
		if (s->how == MSV_ENCODE_COPY) {
			*why =
			    "the next hop takes 7 bits alone, and a part has an unknown encoding";
			return MSV_ERR_UNSUPPORTED;
		}
	}
	return 0;
}

/* -- Writing headers ------------------------------------------------------------------------- */

static bool is_message(const struct msv_part *part)
{
	return !part->parent || part->parent->kind == MSV_PART_MESSAGE;
}

static void begin_header(struct msv_convert *v, const struct segment *s)
{
	/* The fields that are written anew, as msv_header_names_sort() has them. */
	static const struct msv_span names[] = { { "content-type", 12 }, { "mime-version", 12 },
		{ "content-transfer-encoding", 25 } };
	bool typed = s->part->content.given; /* Content-Type stays */

	v->header_ended = false;
	msv_header_filter_init(&v->filter, names + typed, 3 - (size_t)typed, true);
}

/* MIME-Version and Content-Type too where a message had none (RFC 1428 3). */
static void put_fields(const struct segment *s, const char *encoding, struct msv_buf *out)
{
	if (is_message(s->part))
		msv_buf_puts(out, "MIME-Version: 1.0\r\n");
	if (!s->part->content.given)
		msv_buf_printf(out, "Content-Type: %s\r\n",
		    msv_part_is(s->part, "text", NULL) ? "text/plain; charset=unknown-8bit"
		                                       : "application/octet-stream");
	msv_buf_printf(out, "Content-Transfer-Encoding: %s\r\n", encoding);
}

static void end_header(
    struct msv_convert *v, const struct segment *s, const char *encoding, struct msv_buf *out)
{
	size_t n = msv_buf_len(out);

	if (v->header_ended && n >= 2)
		msv_buf_truncate(out, n - 2); /* the empty line, for now */
	put_fields(s, encoding, out);
	if (v->header_ended)
		msv_buf_puts(out, "\r\n");
}

static void push_header(
    struct msv_convert *v, const struct segment *s, const char *p, size_t n, struct msv_buf *out)
{
	const char *encoding = new_encoding(v, s);
	size_t used = 0;

	if (!encoding) {
		msv_buf_put(out, p, n);
		return;
	}
	if (!v->header_ended && msv_header_filter_push(&v->filter, p, n, &used, out) == 1) {
		v->header_ended = true;
		end_header(v, s, encoding, out);
		msv_buf_put(out, p + used, n - used);
	}
}

static void finish_header(struct msv_convert *v, const struct segment *s, struct msv_buf *out)
{
	const char *encoding = new_encoding(v, s);

	if (!encoding || v->header_ended)
		return;
	msv_header_filter_end(&v->filter, out);
	end_header(v, s, encoding, out);
}

/* -- The walk ------------------------------------------------------------------------------------ */

static void look(struct segment *s, const char *p, size_t n)
{
	for (size_t i = 0; i < n && !s->high; i++)
		s->high = (unsigned char)p[i] > 127;
}

static void begin_segment(struct msv_convert *v, const struct segment *s)
{
	v->inside = true;
	if (v->round != WRITE)
		return;
	if (s->header)
		begin_header(v, s);
	else
		msv_encoder_init(&v->encoder, s->how);
}

static void end_segment(struct msv_convert *v, const struct segment *s, struct msv_buf *out)
{
	v->inside = false;
	v->at++;
	if (v->round != WRITE)
		return;
	if (s->header)
		finish_header(v, s, out);
	else
		msv_encoder_end(&v->encoder, out);
}

static void push_inside(
    struct msv_convert *v, struct segment *s, const char *p, size_t n, struct msv_buf *out)
{
	if (v->round == SEARCH)
		look(s, p, n);
	else if (s->header)
		push_header(v, s, p, n, out);
	else
		msv_encoder_push(&v->encoder, p, n, out);
}

/* Boundaries, and what stands before and behind them. */
static void push_between(struct msv_convert *v, const char *p, size_t n, struct msv_buf *out)
{
	struct msv_encoder mask;

	if (v->round != WRITE)
		return;
	msv_encoder_init(&mask, MSV_ENCODE_MASK);
	msv_encoder_push(&mask, p, n, out);
}

/* Begins and ends the segments at this place. */
static void arrive(struct msv_convert *v, struct msv_buf *out)
{
	while (v->at < v->n) {
		struct segment *s = &v->segments[v->at];
		if (!v->inside && v->pos >= s->start)
			begin_segment(v, s);
		if (!v->inside || v->pos < s->end)
			break;
		end_segment(v, s, out);
	}
}

static void walk(struct msv_convert *v, const char *p, size_t n, struct msv_buf *out)
{
	while (n) {
		arrive(v, out);
		struct segment *s = v->at < v->n ? &v->segments[v->at] : NULL;
		uint64_t until = !s ? UINT64_MAX : v->inside ? s->end : s->start;
		size_t take = until - v->pos < n ? (size_t)(until - v->pos) : n;
		if (v->inside)
			push_inside(v, s, p, take, out);
		else
			push_between(v, p, take, out);
		v->pos += take;
		p += take;
		n -= take;
	}
}

/* -- Rounds ------------------------------------------------------------------------------------------ */

static int push_structure(struct msv_convert *v, const char *p, size_t n)
{
	int ended = v->header_read ? 0 : msv_header_reader_push(&v->header, p, n, NULL);

	if (ended < 0)
		return ended;
	v->header_read = v->header_read || ended;
	return msv_mime_parser_push(v->parser, p, n);
}

int msv_convert_push(struct msv_convert *v, const char *p, size_t n, struct msv_buf *out)
{
	if (v->round == STRUCTURE)
		return push_structure(v, p, n);
	walk(v, p, n, out);
	return msv_buf_failed(out) ? MSV_ERR_NOMEM : 0;
}

static int end_structure(struct msv_convert *v, const char **why)
{
	int error = msv_mime_parser_finish(v->parser, &v->mime);

	if (error)
		return error;
	if (!v->header_read && msv_header_reader_end(&v->header) < 0)
		return MSV_ERR_NOMEM;
	if (v->is_signed) {
		*why = "the next hop takes 7 bits alone, and a signed message is not converted";
		return MSV_ERR_UNSUPPORTED;
	}
	if (v->mime->limited) {
		*why = "the next hop takes 7 bits alone, and the message has too many parts";
		return MSV_ERR_UNSUPPORTED;
	}
	return list_segments(v);
}

int msv_convert_finish(struct msv_convert *v, struct msv_buf *out, const char **why)
{
	int error = 0;

	if (v->round == STRUCTURE) {
		error = end_structure(v, why);
	} else {
		arrive(v, out);
		if (v->round == SEARCH)
			error = decide(v, why);
	}
	if (!error && v->round != WRITE)
		v->round++;
	v->pos = 0;
	v->at = 0;
	v->inside = false;
	return error ? error : msv_buf_failed(out) ? MSV_ERR_NOMEM : 0;
}
