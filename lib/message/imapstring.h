/* Strings as IMAP writes them (RFC 3501 4.3, 9). */
#ifndef MSV_MESSAGE_IMAPSTRING_H
#define MSV_MESSAGE_IMAPSTRING_H

#include "base/buf.h"

/* A quoted string, or a literal when there are bytes a quoted string may not
 * hold (CR, LF, above 127) or many of them.  NULs are left out.  0 or
 * MSV_ERR_NOMEM. */
int msv_imap_put_string(struct msv_buf *out, const char *p, size_t n);
/* The same, or NIL for NULL. */
int msv_imap_put_nstring(struct msv_buf *out, const char *p, size_t n);
int msv_imap_put_cstring(struct msv_buf *out, const char *s); /* NIL for NULL */

#endif
