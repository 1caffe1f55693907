/* Text folded for comparing (after i;unicode-casemap, RFC 5051): case and
 * compatibility forms are the same.  Without utf8proc only ASCII letters are
 * folded (i;ascii-casemap, RFC 4790 9.2). */
#ifndef MSV_CODEC_CASEFOLD_H
#define MSV_CODEC_CASEFOLD_H

#include "base/buf.h"

/* Appends the folded form of n bytes of UTF-8 to out.  The bytes must be
 * whole characters; invalid ones are copied.  0 or MSV_ERR_NOMEM. */
int msv_casefold(const char *p, size_t n, struct msv_buf *out);

/* Compare ASCII text without regard to case (bytes above 127 as they are). */
bool msv_ascii_equal(const char *a, size_t an, const char *b, size_t bn);
/* The same against a C string. */
bool msv_ascii_equals(const char *a, size_t an, const char *literal);
char msv_ascii_lower(char c);

#endif
