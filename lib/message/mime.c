#include "message/mime.h"

#include <string.h>

#include "base/alloc.h"
#include "message/boundary.h"
#include "message/content.h"
#include "message/fields.h"
#include "message/header.h"

#define DEPTH_DEFAULT        100
#define PARTS_DEFAULT        10000
#define FIELD_BYTES_DEFAULT  ((size_t)256 * 1024)
#define HEADER_BYTES_DEFAULT ((size_t)4 * 1024 * 1024)

/* A place in the message, as pushed and on the wire. */
struct position {
	uint64_t off, wire, lines;
};

/* What a line turned out to be. */
enum line { LINE_HELD, LINE_CONTENT, LINE_BOUNDARY };

struct msv_mime_parser {
	struct msv_env *env;
	struct msv_mime_limits limits;
	struct msv_mime *mime;
	struct msv_part *part; /* the innermost one that is open */
	bool in_header;        /* of that part */
	struct msv_header_reader header;
	struct msv_fields fields;
	struct msv_boundaries boundaries;
	bool open_next; /* a part begins behind this boundary line */
	bool failed;

	struct position pos;  /* behind the last byte */
	struct position line; /* where this line began */
	struct position eol;  /* where the line end before it began */
	bool cr;              /* the last byte was CR */

	/* The beginning of a line that may be a boundary. */
	enum line state;
	char held[MSV_BOUNDARY_LINE];
	size_t nheld;
};

/* -- Ranges ---------------------------------------------------------------- */

/* Until it ends, a range's `lines` counts those before it. */
static void range_begin(struct msv_range *range, const struct position *at)
{
	range->start = at->off;
	range->wire_start = at->wire;
	range->lines = at->lines;
}

/* An end before the beginning - the line end of a boundary is the one that ended
 * the header - makes it empty, and *at the beginning: what is around it ends
 * there too. */
static void range_end(struct msv_range *range, struct position *at)
{
	if (at->off < range->start)
		*at = (struct position){ range->start, range->wire_start, range->lines };
	range->len = at->off - range->start;
	range->wire_len = at->wire - range->wire_start;
	range->lines = at->lines - range->lines;
}

/* Counts a run of bytes within one line; lf: its last byte is the LF. */
static void count(struct msv_mime_parser *p, const char *s, size_t n, bool lf)
{
	bool crlf;

	if (!lf) {
		p->pos.off += n;
		p->pos.wire += n;
		p->cr = s[n - 1] == '\r';
		return;
	}
	crlf = n > 1 ? s[n - 2] == '\r' : p->cr;
	p->eol = p->pos;
	p->eol.off += n - 1 - crlf;
	p->eol.wire += n - 1 - crlf;
	p->pos.off += n;
	p->pos.wire += n + !crlf;
	p->pos.lines++;
	p->line = p->pos;
	p->cr = false;
}

/* -- Parts ----------------------------------------------------------------- */

/* Opens a part inside parent (NULL: the root) at the beginning of a line. */
static int open_part(struct msv_mime_parser *p, struct msv_part *parent)
{
	struct msv_part *part = msv_arena_alloc(&p->mime->arena, sizeof *part);

	if (!part)
		return MSV_ERR_NOMEM;
	part->mime = p->mime;
	part->parent = parent;
	if (parent) {
		part->depth = parent->depth + 1;
		if (parent->last_child)
			parent->last_child->next = part;
		else
			parent->first_child = part;
		parent->last_child = part;
		parent->children++;
	} else {
		p->mime->root = part;
	}
	p->mime->parts++;
	range_begin(&part->header, &p->pos);
	p->part = p->fields.part = part;
	p->in_header = true;
	msv_header_reader_reset(&p->header);
	if (parent && parent->kind == MSV_PART_MULTIPART)
		return 0;
	part->envelope = msv_arena_alloc(&p->mime->arena, sizeof *part->envelope);
	return part->envelope ? 0 : MSV_ERR_NOMEM;
}

/* A container that may not be looked into. */
static void make_opaque(struct msv_mime_parser *p)
{
	msv_content_opaque(&p->part->content);
	p->mime->limited = true;
}

/* The boundary parameter: its bytes as they are or, extended (RFC 2231),
 * decoded into the arena.  NULL when there is none. */
static int boundary_of(const struct msv_part *part, const char **out)
{
	struct msv_buf text;
	int rc;

	*out = msv_params_get(&part->content.params, "boundary");
	if (*out)
		return 0;
	msv_buf_init(&text, part->mime->env);
	rc = msv_params_decode(&part->content.params, "boundary", &text);
	if (rc == 0) {
		*out =
		    msv_arena_strndup(&part->mime->arena, msv_buf_data(&text), msv_buf_len(&text));
		rc = *out ? 0 : MSV_ERR_NOMEM;
	}
	msv_buf_fini(&text);
	return rc == MSV_ERR_NOTFOUND ? 0 : rc;
}

static int begin_multipart(struct msv_mime_parser *p)
{
	struct msv_part *part = p->part;
	const char *text;
	int rc;

	if (part->depth >= p->limits.depth) {
		make_opaque(p);
		return 0;
	}
	part->kind = MSV_PART_MULTIPART;
	rc = boundary_of(part, &text);
	if (rc < 0 || !text || !*text)
		return rc;
	return msv_boundaries_push(&p->boundaries, part, text);
}

static int begin_embedded(struct msv_mime_parser *p)
{
	if (p->part->depth >= p->limits.depth || p->mime->parts >= p->limits.parts) {
		make_opaque(p);
		return 0;
	}
	p->part->kind = MSV_PART_MESSAGE;
	return open_part(p, p->part);
}

static bool in_digest(const struct msv_part *part)
{
	return part->parent && part->parent->kind == MSV_PART_MULTIPART &&
	       msv_part_is(part->parent, "multipart", "digest");
}

/* The part's header ended before p->pos: the body begins there. */
static int begin_body(struct msv_mime_parser *p)
{
	struct msv_part *part = p->part;
	int rc = msv_fields_end(&p->fields);

	if (rc < 0)
		return rc;
	range_end(&part->header, &p->pos);
	range_begin(&part->body, &p->pos);
	p->in_header = false;
	msv_content_default(&part->content, in_digest(part));
	if (msv_part_is(part, "multipart", NULL))
		return begin_multipart(p);
	if (msv_part_is(part, "message", "rfc822"))
		return begin_embedded(p);
	return 0;
}

/* Closes the innermost part, its body at *end; or, when its header had no end,
 * begins the body, which may open a part in turn. */
static int close_part(struct msv_mime_parser *p, struct position *end)
{
	if (p->in_header) {
		int rc = msv_header_reader_end(&p->header);

		return rc < 0 ? rc : begin_body(p);
	}
	range_end(&p->part->body, end);
	msv_boundaries_pop(&p->boundaries, p->part);
	p->part = p->part->parent;
	return 0;
}

/* Closes all parts inside of `part` at p->eol. */
static int close_inside(struct msv_mime_parser *p, const struct msv_part *part)
{
	struct position end = p->eol;
	int rc = 0;

	while (rc == 0 && p->part != part)
		rc = close_part(p, &end);
	return rc;
}

/* -- Lines ----------------------------------------------------------------- */

/* A run of bytes within one line of the innermost part. */
static int content(struct msv_mime_parser *p, const char *s, size_t n, bool lf)
{
	int rc;

	count(p, s, n, lf);
	if (!p->in_header)
		return 0;
	rc = msv_header_reader_push(&p->header, s, n, NULL);
	return rc == 1 ? begin_body(p) : rc;
}

/* The boundary line, at its beginning: closes what it ends. */
static int boundary(struct msv_mime_parser *p, const struct msv_boundary *b, bool closing)
{
	struct msv_part *part = b->part;
	int rc = close_inside(p, part);

	/* Behind the closing one it means nothing any more. */
	if (closing)
		msv_boundaries_pop(&p->boundaries, part);
	p->open_next = !closing;
	return rc;
}

/* Enough of the line is held (or all of it) to tell what it is. */
static int decide(struct msv_mime_parser *p, bool lf)
{
	bool closing = false;
	const struct msv_boundary *b =
	    msv_boundaries_find(&p->boundaries, p->held, p->nheld, &closing);
	size_t n = p->nheld;
	int rc;

	p->nheld = 0;
	p->state = LINE_CONTENT;
	if (b && !closing && p->mime->parts >= p->limits.parts) {
		p->mime->limited = true;
		b = NULL;
	}
	if (!b)
		return n > 0 ? content(p, p->held, n, lf) : 0;
	p->state = LINE_BOUNDARY;
	rc = boundary(p, b, closing);
	count(p, p->held, n, lf);
	return rc;
}

/* A line is complete. */
static int end_line(struct msv_mime_parser *p)
{
	p->state = LINE_HELD;
	if (!p->open_next)
		return 0;
	p->open_next = false;
	return open_part(p, p->part);
}

/* True when what is held, and c, may be a boundary's beginning. */
static bool may_be_boundary(const struct msv_mime_parser *p, char c)
{
	return p->boundaries.n > 0 && p->nheld < MSV_BOUNDARY_LINE && (p->nheld >= 2 || c == '-');
}

/* The beginning of a line.  *used gets how many bytes were taken. */
static int line_held(struct msv_mime_parser *p, const char *s, size_t n, size_t *used)
{
	size_t i = 0;
	int rc = 0;

	while (i < n && may_be_boundary(p, s[i]) && s[i] != '\n')
		p->held[p->nheld++] = s[i++];
	if (i < n && s[i] == '\n' && p->nheld >= 2 && p->nheld < MSV_BOUNDARY_LINE) {
		p->held[p->nheld++] = s[i++];
		rc = decide(p, true);
		if (rc == 0)
			rc = end_line(p);
	} else if (i < n) {
		rc = decide(p, false);
	}
	*used = i;
	return rc;
}

/* The rest of a line whose kind is known. */
static int line_rest(struct msv_mime_parser *p, const char *s, size_t n, size_t *used)
{
	const char *lf = memchr(s, '\n', n);
	size_t run = lf ? (size_t)(lf - s) + 1 : n;
	int rc = 0;

	if (p->state == LINE_CONTENT)
		rc = content(p, s, run, lf != NULL);
	else
		count(p, s, run, lf != NULL);
	if (rc == 0 && lf)
		rc = end_line(p);
	*used = run;
	return rc;
}

/* -- The parser ------------------------------------------------------------ */

static void set_limits(struct msv_mime_limits *to, const struct msv_mime_limits *from)
{
	struct msv_mime_limits given = { .size = 0 };

	if (from)
		memcpy(&given, from, from->size < sizeof given ? from->size : sizeof given);
	to->depth = given.depth ? given.depth : DEPTH_DEFAULT;
	to->parts = given.parts ? given.parts : PARTS_DEFAULT;
	to->field_bytes = given.field_bytes ? given.field_bytes : FIELD_BYTES_DEFAULT;
	to->header_bytes = given.header_bytes ? given.header_bytes : HEADER_BYTES_DEFAULT;
}

int msv_mime_parser_new(
    struct msv_env *env, const struct msv_mime_limits *limits, struct msv_mime_parser **out)
{
	struct msv_mime_parser *p = msv_alloc(env, sizeof *p);

	if (!p)
		return MSV_ERR_NOMEM;
	p->env = env;
	p->boundaries.env = env;
	set_limits(&p->limits, limits);
	msv_header_reader_init(&p->header, env, p->limits.field_bytes, msv_fields_take, &p->fields);
	msv_fields_init(&p->fields, env, p->limits.header_bytes);
	p->mime = msv_alloc(env, sizeof *p->mime);
	if (!p->mime)
		goto fail;
	p->mime->env = env;
	msv_arena_init(&p->mime->arena, env);
	if (open_part(p, NULL) < 0)
		goto fail;
	*out = p;
	return 0;
fail:
	msv_mime_parser_free(p);
	return MSV_ERR_NOMEM;
}

int msv_mime_parser_push(struct msv_mime_parser *parser, const void *p, size_t n)
{
	const char *s = p;
	int rc = parser->failed ? MSV_ERR_NOMEM : 0;

	while (n > 0 && rc == 0) {
		size_t used;

		if (parser->state == LINE_HELD)
			rc = line_held(parser, s, n, &used);
		else
			rc = line_rest(parser, s, n, &used);
		s += used;
		n -= used;
	}
	parser->failed = rc < 0;
	return rc;
}

int msv_mime_parser_finish(struct msv_mime_parser *parser, struct msv_mime **out)
{
	int rc = parser->failed ? MSV_ERR_NOMEM : 0;

	if (rc == 0 && parser->state == LINE_HELD)
		rc = decide(parser, false);
	parser->eol = parser->pos;
	if (rc == 0)
		rc = close_inside(parser, NULL);
	parser->failed = true; /* takes nothing more */
	if (rc < 0)
		return rc;
	parser->mime->size = parser->pos.off;
	parser->mime->wire_size = parser->pos.wire;
	parser->mime->lines = parser->pos.lines;
	*out = parser->mime;
	parser->mime = NULL;
	return 0;
}

void msv_mime_parser_free(struct msv_mime_parser *parser)
{
	if (!parser)
		return;
	msv_header_reader_fini(&parser->header);
	msv_fields_fini(&parser->fields);
	msv_boundaries_fini(&parser->boundaries);
	msv_mime_free(parser->mime);
	msv_free(parser->env, parser);
}

void msv_mime_free(struct msv_mime *mime)
{
	if (!mime)
		return;
	msv_arena_fini(&mime->arena);
	msv_free(mime->env, mime);
}
