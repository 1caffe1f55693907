/* Bytes of a charset to UTF-8, in pieces of any size.  us-ascii, utf-8 and
 * iso-8859-1 are built in; the rest comes from iconv(3). */
#ifndef MSV_CODEC_CHARSET_H
#define MSV_CODEC_CHARSET_H

#include "base/buf.h"

struct msv_charset;

/* A converter from the charset of that name (any case; RFC 2978 names and what
 * iconv knows) in *out.  MSV_ERR_UNSUPPORTED: unknown; MSV_ERR_NOMEM. */
int msv_charset_open(struct msv_env *env, const char *name, size_t n, struct msv_charset **out);
void msv_charset_free(struct msv_charset *cs);
/* Appends the UTF-8 of n more bytes to out; invalid ones become U+FFFD.
 * 0 or MSV_ERR_NOMEM. */
int msv_charset_push(struct msv_charset *cs, const char *p, size_t n, struct msv_buf *out);
/* The text ended: half a character becomes U+FFFD.  The converter may be used
 * for another text afterwards. */
int msv_charset_end(struct msv_charset *cs, struct msv_buf *out);
/* True when the name means a charset that can be converted: SEARCH's BADCHARSET. */
bool msv_charset_known(struct msv_env *env, const char *name, size_t n);

#endif
