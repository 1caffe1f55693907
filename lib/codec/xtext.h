/* How addresses and words travel inside a parameter of SMTP or a field of a
 * notification: xtext (RFC 3461 4) and unitext (RFC 6533 3). */
#ifndef MSV_CODEC_XTEXT_H
#define MSV_CODEC_XTEXT_H

#include "base/buf.h"

/* Decodes xtext into out, which has room for `size` octets; octets beyond ASCII
 * stand for themselves where `utf8` allows them.  Returns how many octets (never
 * more than text.n; any value, controls too) or MSV_ERR_FORMAT. */
int msv_xtext_decode(struct msv_span text, bool utf8, char *out, size_t size);
/* Appends the octets as xtext; those beyond ASCII as +XX.  0 or MSV_ERR_NOMEM. */
int msv_xtext_encode(const char *p, size_t n, struct msv_buf *out);

/* Replaces each "\x{HEX}" by the character it names, in place.  Returns the new
 * length, or MSV_ERR_FORMAT when the result would not be UTF-8 without control
 * characters. */
int msv_unitext_decode(char *p, size_t n);
/* Appends UTF-8 as utf-8-addr-xtext: ASCII alone, fit for a parameter as it is.
 * 0, MSV_ERR_FORMAT (no UTF-8) or MSV_ERR_NOMEM. */
int msv_unitext_encode(const char *p, size_t n, struct msv_buf *out);

#endif
