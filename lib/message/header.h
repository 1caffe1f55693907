/* Header sections read in pieces: field by field, or some fields only as they
 * stand. */
#ifndef MSV_MESSAGE_HEADER_H
#define MSV_MESSAGE_HEADER_H

#include "base/buf.h"

/* What is kept of one field's value unless told otherwise. */
#define MSV_HEADER_FIELD_MAX ((size_t)1024 * 1024)
/* A name longer than this is no field name; the line is passed over. */
#define MSV_HEADER_NAME_MAX  1000

struct msv_header_field {
	struct msv_span name;  /* as written, no blanks before the colon */
	struct msv_span value; /* unfolded: line ends, NULs and outer blanks gone, CR is space */
	bool cut;              /* the value was longer than the limit */
	uint64_t start, len;   /* the whole field with its line ends, from the first byte pushed */
};

/* Called for each field; valid during the call.  0 to go on, anything else ends
 * the reading and is returned by push. */
typedef int (*msv_header_fn)(void *user, const struct msv_header_field *field);

/* Reads a header section; LF and CRLF both end lines.  Lines that are no field
 * are passed over. */
struct msv_header_reader {
	msv_header_fn fn;
	void *user;
	size_t limit;
	struct msv_buf name, value;
	uint64_t pos, line, start; /* bytes seen; where the line and the field began */
	uint8_t state;
	bool cr, cut, ended, field;
};

/* limit 0: MSV_HEADER_FIELD_MAX bytes of each value are kept. */
void msv_header_reader_init(
    struct msv_header_reader *r, struct msv_env *env, size_t limit, msv_header_fn fn, void *user);
void msv_header_reader_fini(struct msv_header_reader *r);
/* Takes bytes up to the end of the section.  *used (may be NULL) gets how many,
 * the empty line included.  1: the section ended, 0: more is wanted, else what
 * fn returned or MSV_ERR_NOMEM. */
int msv_header_reader_push(struct msv_header_reader *r, const char *p, size_t n, size_t *used);
/* The message ended inside its header: the last field comes out. */
int msv_header_reader_end(struct msv_header_reader *r);
/* Begins another section with the same function. */
void msv_header_reader_reset(struct msv_header_reader *r);

/* True when the field has that name (any case). */
bool msv_header_is(const struct msv_header_field *field, const char *name);
/* Appends the field's text decoded (RFC 2047) to UTF-8.  0 or MSV_ERR_NOMEM. */
int msv_header_text(const struct msv_header_field *field, struct msv_buf *out);

/* Sorts field names as the filter wants them. */
void msv_header_names_sort(struct msv_span *names, size_t n);

/*
 * HEADER.FIELDS and HEADER.FIELDS.NOT (RFC 3501 6.4.5): passes on the fields
 * named - or, inverse, everything but these - as they stand with CRLF line
 * ends, then the empty line when there is one.  Keeps no more than a name.
 */
struct msv_header_filter {
	const struct msv_span *names; /* sorted; must outlive the filter */
	size_t nnames;
	bool inverse;
	uint8_t state;
	bool cr, ended, show;
	size_t nname;
	char name[MSV_HEADER_NAME_MAX];
};

void msv_header_filter_init(
    struct msv_header_filter *f, const struct msv_span *names, size_t nnames, bool inverse);
/* Appends what is shown of n more bytes (at most 2 n + MSV_HEADER_NAME_MAX).  1:
 * the header ended, 0: more is wanted, MSV_ERR_NOMEM.  *used as above. */
int msv_header_filter_push(
    struct msv_header_filter *f, const char *p, size_t n, size_t *used, struct msv_buf *out);
/* The message ended inside its header: what was held back. */
int msv_header_filter_end(struct msv_header_filter *f, struct msv_buf *out);

#endif
