/* Sections of a message by IMAP part numbers (RFC 3501 6.4.5): "1.2.MIME",
 * "HEADER", "3.TEXT", "". */
#ifndef MSV_MESSAGE_SECTION_H
#define MSV_MESSAGE_SECTION_H

#include "message/mime.h"

enum msv_section_kind {
	MSV_SECTION_ALL,    /* "" or "1.2": the whole message or the part's body */
	MSV_SECTION_HEADER, /* and HEADER.FIELDS: the message's header */
	MSV_SECTION_TEXT,
	MSV_SECTION_MIME,
};

/* Part number n inside `part` (NULL: of the message itself), or NULL.  A message
 * that is no multipart has one part, 1: itself. */
const struct msv_part *msv_part_numbered(
    const struct msv_mime *mime, const struct msv_part *part, uint32_t n);
/* The part with that number; an empty path is the root.  NULL: no such part. */
const struct msv_part *msv_part_find(const struct msv_mime *mime, const uint32_t *path, size_t n);
/*
 * Where a section lies.  With a path, HEADER and TEXT are those of the embedded
 * message of a message/rfc822 part.  0; MSV_ERR_NOTFOUND: there is no such
 * section (its value is NIL); MSV_ERR_INVAL: MIME without a part number.
 */
int msv_section_find(const struct msv_mime *mime, const uint32_t *path, size_t n,
    enum msv_section_kind kind, struct msv_range *out);

#endif
