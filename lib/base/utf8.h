/* UTF-8 (RFC 3629). */
#ifndef MSV_BASE_UTF8_H
#define MSV_BASE_UTF8_H

#include <stddef.h>
#include <stdint.h>

/* The length of the character that starts the n bytes at p, its number in
 * *cp (may be NULL); 0 when these are no UTF-8: overlong forms, surrogates,
 * numbers beyond U+10FFFF and sequences cut short included. */
size_t msv_utf8_char(const char *p, size_t n, uint32_t *cp);

#endif
