/* The Content-* fields of a part (RFC 2045, 2183, 3282, 2557, 1864). */
#ifndef MSV_MESSAGE_CONTENT_H
#define MSV_MESSAGE_CONTENT_H

#include "message/header.h"
#include "message/mime.h"

/* True for a field that msv_content_field() would look at. */
bool msv_content_is(const struct msv_header_field *field);
/* Takes the field into content when it is one of these; the first of each name
 * counts.  Memory is the arena's.  0 or MSV_ERR_NOMEM. */
int msv_content_field(
    struct msv_content *content, struct msv_arena *arena, const struct msv_header_field *field);
/* The header ended without a usable Content-Type: fills in the default (RFC
 * 2045 5.2; RFC 2046 5.1.5 in a digest). */
void msv_content_default(struct msv_content *content, bool in_digest);
/* Makes it opaque: application/octet-stream without parameters. */
void msv_content_opaque(struct msv_content *content);

#endif
