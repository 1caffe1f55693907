/* Mailbox names in modified UTF-7 (RFC 3501 5.1.3). */
#ifndef MSV_CODEC_MUTF7_H
#define MSV_CODEC_MUTF7_H

#include "base/buf.h"

/* Appends the modified UTF-7 of n bytes of UTF-8.  MSV_ERR_FORMAT: not UTF-8,
 * or a NUL; MSV_ERR_NOMEM.  On error out is as before. */
int msv_mutf7_encode(const char *p, size_t n, struct msv_buf *out);
/* Appends the UTF-8 of a name in modified UTF-7.  MSV_ERR_FORMAT for anything
 * msv_mutf7_encode() would not have written: bytes above 126 or below 32,
 * base64 of printable ASCII, shifts that could be one, bits left over, half
 * surrogates.  MSV_ERR_NOMEM.  On error out is as before. */
int msv_mutf7_decode(const char *p, size_t n, struct msv_buf *out);

#endif
