/* UTF-8 (RFC 3629), strictly: no overlong forms, no surrogates, nothing beyond
 * U+10FFFF. */
#ifndef MSV_CODEC_UTF8_H
#define MSV_CODEC_UTF8_H

#include "base/buf.h"

/* What stands for bytes that mean nothing: U+FFFD. */
#define MSV_UTF8_REPLACEMENT     "\xef\xbf\xbd"
#define MSV_UTF8_REPLACEMENT_LEN 3

/* True when all n bytes are valid UTF-8. */
bool msv_utf8_valid(const char *p, size_t n);
/* True when no byte is above 127. */
bool msv_ascii_only(const char *p, size_t n);
/*
 * Reads the character at p[0..n).  Returns its length (1 to 4) and sets *c; 0
 * when the bytes are a true prefix of a character and n is too short; or the
 * negated length (-1 to -3) of the invalid bytes to skip as one (the "maximal
 * subpart" of the Unicode Standard, 3.9).
 */
int msv_utf8_get(const char *p, size_t n, uint32_t *c);
/* Writes c (a Unicode scalar value) to out; the length, 1 to 4. */
size_t msv_utf8_put(uint32_t c, char out[4]);

/* Copies bytes that may be UTF-8, invalid ones replaced by U+FFFD, in pieces
 * of any size. */
struct msv_utf8_cleaner {
	char held[4];
	uint8_t nheld;
};
/* 0 or MSV_ERR_NOMEM. */
int msv_utf8_clean(struct msv_utf8_cleaner *cleaner, const char *p, size_t n, struct msv_buf *out);
/* The input ended: what is held back is invalid. */
int msv_utf8_clean_end(struct msv_utf8_cleaner *cleaner, struct msv_buf *out);

#endif
