/*
 * The structure of a message: its parts (RFC 2045, 2046), header fields (RFC
 * 5322) and text (RFC 2047, 2231), read in one pass over bytes pushed in
 * pieces of any size.
 *
 *	msv_mime_parser_new(env, NULL, &parser);
 *	while (...)
 *		msv_mime_parser_push(parser, p, n);
 *	msv_mime_parser_finish(parser, &mime);
 *	msv_mime_parser_free(parser);
 *	for (part = msv_mime_root(mime); part; part = msv_part_next(part))
 *		...
 *	msv_mime_free(mime);
 *
 * Nothing in a message is an error: what cannot be understood is plain text,
 * what exceeds a limit is one opaque part.  The message's bytes themselves are
 * not kept: parts tell where they are.
 */
#ifndef MAILSERV_MESSAGE_H
#define MAILSERV_MESSAGE_H

#include <mailserv/base.h>

#ifdef __cplusplus
extern "C" {
#endif

struct msv_mime_parser;
struct msv_mime;
struct msv_part;

/* Bounds of what is looked at; 0 is the default in brackets. */
struct msv_mime_limits {
	size_t size;
	unsigned depth;      /* parts inside parts [100] */
	unsigned parts;      /* parts in all [10,000] */
	size_t field_bytes;  /* kept of one header field's value [256 KiB] */
	size_t header_bytes; /* kept of all header fields of the message [4 MiB] */
};

/* A stretch of the message.  Line ends may be LF or CRLF; wire_* count every
 * lone LF as CRLF, the form IMAP and SMTP send. */
struct msv_range {
	uint64_t start, len;           /* bytes as they were pushed */
	uint64_t wire_start, wire_len; /* bytes on the wire */
	uint64_t lines;                /* line ends in it */
};

/* -- Parsing --------------------------------------------------------------- */

/* A new parser in *out; limits may be NULL.  MSV_ERR_NOMEM. */
MSV_API int msv_mime_parser_new(
    struct msv_env *env, const struct msv_mime_limits *limits, struct msv_mime_parser **out);

/* Takes the next n bytes of the message.  0 or MSV_ERR_NOMEM, after which the
 * parser can only be freed. */
MSV_API int msv_mime_parser_push(struct msv_mime_parser *parser, const void *p, size_t n);

/* The message ended: its structure goes to *out, to be freed with
 * msv_mime_free().  Once.  0 or MSV_ERR_NOMEM. */
MSV_API int msv_mime_parser_finish(struct msv_mime_parser *parser, struct msv_mime **out);

MSV_API void msv_mime_parser_free(struct msv_mime_parser *parser);

/* Frees the structure with all parts and strings. */
MSV_API void msv_mime_free(struct msv_mime *mime);

/* -- Parts ----------------------------------------------------------------- */

/* The whole message as a part. */
MSV_API const struct msv_part *msv_mime_root(const struct msv_mime *mime);

/* The part with an IMAP part number, "2.1" (RFC 3501 6.4.5); "" is the root.
 * NULL when there is none. */
MSV_API const struct msv_part *msv_mime_part(const struct msv_mime *mime, const char *number);

/* True when a limit was reached and something is not shown as the part or field
 * it is. */
MSV_API bool msv_mime_limited(const struct msv_mime *mime);

/* Neighbours in the tree, or NULL.  The one child of a message/rfc822 part is
 * the embedded message. */
MSV_API const struct msv_part *msv_part_parent(const struct msv_part *part);
MSV_API const struct msv_part *msv_part_child(const struct msv_part *part);
MSV_API const struct msv_part *msv_part_sibling(const struct msv_part *part);
/* The next part in the order of the message (children first), or NULL. */
MSV_API const struct msv_part *msv_part_next(const struct msv_part *part);

/* What is known of a part.  Strings live as long as the message, are decoded to
 * UTF-8, and NULL when absent. */
struct msv_part_info {
	size_t size;
	const char *type, *subtype; /* never NULL: "text" "plain" by default; lower case */
	const char *charset;        /* of text: the parameter, or NULL */
	const char *encoding;       /* Content-Transfer-Encoding, lower case */
	const char *disposition;    /* "inline", "attachment", ...; lower case */
	const char *filename;       /* from the disposition, else Content-Type's name */
	const char *id;             /* Content-ID as written: "<x@example>" */
	const char *description;
	struct msv_range header; /* with the empty line behind it */
	struct msv_range body;   /* without the line end before a boundary */
};

/* Fills *info (info->size set by the caller).  0 or MSV_ERR_NOMEM. */
MSV_API int msv_part_info(const struct msv_part *part, struct msv_part_info *info);

/* The value of a Content-Type parameter ("boundary", "format"), as written with
 * the quotes undone; any case.  NULL when absent. */
MSV_API const char *msv_part_param(const struct msv_part *part, const char *name);

/* -- Header fields --------------------------------------------------------- */

/* The fields kept of the message and of each embedded one (RFC 5322 3.6). */
enum msv_field {
	MSV_FIELD_DATE,
	MSV_FIELD_SUBJECT,
	MSV_FIELD_FROM,
	MSV_FIELD_SENDER,
	MSV_FIELD_REPLY_TO,
	MSV_FIELD_TO,
	MSV_FIELD_CC,
	MSV_FIELD_BCC,
	MSV_FIELD_IN_REPLY_TO,
	MSV_FIELD_MESSAGE_ID,
	MSV_FIELD_COUNT
};

/*
 * A field of a message: `part` is the root or the child of a message/rfc822
 * part (other parts have none).  *out gets its text, unfolded and decoded (RFC
 * 2047) to UTF-8; it lives as long as the message; NULL when absent.
 * 0 or MSV_ERR_NOMEM.
 */
MSV_API int msv_part_field(const struct msv_part *part, enum msv_field field, const char **out);

/* The Date: field as seconds since the epoch in *time and the zone it was
 * written in (minutes east of UTC) in *zone (may be NULL).  MSV_ERR_NOTFOUND:
 * absent; MSV_ERR_FORMAT: no date (RFC 5322 3.3, 4.3). */
MSV_API int msv_part_date(const struct msv_part *part, int64_t *time, int *zone);

/* One address of an address field (RFC 5322 3.4), valid during the call. */
struct msv_address {
	const char *name;    /* the display name in UTF-8, or NULL */
	const char *address; /* "local@domain"; only "local" when there is no domain */
	const char *group;   /* the name of the group it stands in, or NULL */
};

/* Calls fn for each mailbox of an address field until it returns nonzero, which
 * is returned.  0 at the end (also for fields that are absent or no address
 * fields); MSV_ERR_NOMEM. */
MSV_API int msv_part_addresses(const struct msv_part *part, enum msv_field field,
    int (*fn)(void *user, const struct msv_address *address), void *user);

/* The decoded form of any header field's text (RFC 2047) in UTF-8; freed with
 * msv_env_realloc(env, p, 0).  NULL: no memory. */
MSV_API char *msv_decode_text(struct msv_env *env, const char *p, size_t n);

/* -- Bodies ---------------------------------------------------------------- */

/* Undoes a part's transfer encoding (RFC 2045 6) and, for text, turns its
 * charset into UTF-8; forgiving, never an error. */
struct msv_part_reader;

/*
 * A reader for the part's body in *out; the message must outlive it.  put takes
 * the decoded bytes, in pieces; what it returns other than 0 ends the reading
 * and is returned by push.  With raw set the charset is left as it is.  Text in
 * an unknown charset is shown as UTF-8 with U+FFFD for the rest.  MSV_ERR_NOMEM.
 */
MSV_API int msv_part_reader_new(const struct msv_part *part, bool raw,
    int (*put)(void *user, const char *p, size_t n), void *user, struct msv_part_reader **out);
/* The next n bytes of the part's body (its `body` range). */
MSV_API int msv_part_reader_push(struct msv_part_reader *reader, const void *p, size_t n);
/* The body ended: the last bytes come out. */
MSV_API int msv_part_reader_finish(struct msv_part_reader *reader);
MSV_API void msv_part_reader_free(struct msv_part_reader *reader);

#ifdef __cplusplus
}
#endif

#endif
