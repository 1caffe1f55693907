/* Encoded words in header fields (RFC 2047), to UTF-8. */
#ifndef MSV_CODEC_ENCWORD_H
#define MSV_CODEC_ENCWORD_H

#include "base/buf.h"

/*
 * Appends the text with its encoded words decoded: blanks between two of them
 * vanish, characters split over two of the same charset are joined, what
 * cannot be decoded stays as it is, raw bytes that are not UTF-8 become U+FFFD.
 * Linear; the number of different charsets looked up is bounded.
 * 0 or MSV_ERR_NOMEM.
 */
int msv_encword_decode(const char *p, size_t n, struct msv_buf *out);

#endif
