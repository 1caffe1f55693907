/*
 * The structure of a message (RFC 2045, 2046): a tree of parts.  The parser of
 * <mailserv/message.h> makes it in one pass, whatever the pieces pushed:
 *
 *	msv_mime_parser_new(env, NULL, &parser);
 *	msv_mime_parser_push(parser, p, n);  ...
 *	msv_mime_parser_finish(parser, &mime);
 *	msv_mime_parser_free(parser);
 *	...  mime->root ...
 *	msv_mime_free(mime);
 */
#ifndef MSV_MESSAGE_MIME_H
#define MSV_MESSAGE_MIME_H

#include <mailserv/message.h>

#include "codec/arena.h"
#include "codec/param.h"
#include "codec/transfer.h"

enum msv_part_kind {
	MSV_PART_LEAF,
	MSV_PART_MULTIPART, /* any number of children, none included */
	MSV_PART_MESSAGE,   /* message/rfc822: exactly one child, the embedded message */
};

/* Values as in the header, unfolded, not decoded, in the order of RFC 3501's
 * ENVELOPE; p is NULL when the field is absent.  Each is ended by a NUL too. */
struct msv_envelope {
	struct msv_span field[MSV_FIELD_COUNT];
	const char *text[MSV_FIELD_COUNT]; /* decoded, made when first asked for */
};

/* What the Content-* fields say; NULL when absent (type and subtype never are:
 * defaults are filled in). */
struct msv_content {
	const char *type, *subtype;
	struct msv_params params;
	const char *id, *description, *md5, *location;
	const char *encoding;    /* as written */
	const char *disposition; /* "attachment" */
	struct msv_params disposition_params;
	const char *const *language; /* NULL-ended list, or NULL */
	bool given;                  /* a usable Content-Type was there */
	unsigned seen;               /* fields taken already: content.c */
};

struct msv_part {
	struct msv_mime *mime;
	struct msv_part *parent, *first_child, *last_child, *next;
	enum msv_part_kind kind;
	unsigned depth;    /* the root's is 0 */
	uint32_t children; /* how many */
	/* The header with the empty line behind it; the body without the line end
	 * that belongs to the boundary. */
	struct msv_range header, body;
	struct msv_content content;
	/* Of the root and of embedded messages; else NULL. */
	struct msv_envelope *envelope;
	/* Made when first asked for. */
	struct msv_part_info *info;
};

struct msv_mime {
	struct msv_env *env;
	struct msv_arena arena;
	struct msv_part *root;
	uint32_t parts;
	bool limited; /* a limit was reached: something is not shown */
	uint64_t size, wire_size, lines;
};

enum msv_encoding msv_part_encoding(const struct msv_part *part);
/* True for media type `type`, and subtype too when it is not NULL (any case). */
bool msv_part_is(const struct msv_part *part, const char *type, const char *subtype);

#endif
