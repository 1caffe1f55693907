/* ENVELOPE (RFC 3501 7.4.2). */
#ifndef MSV_MESSAGE_ENVELOPE_H
#define MSV_MESSAGE_ENVELOPE_H

#include "base/buf.h"
#include "message/mime.h"

/* Appends `("date" "subject" ((from)) ...)`.  Sender and Reply-To default to
 * From.  0 or MSV_ERR_NOMEM. */
int msv_envelope_write(const struct msv_envelope *envelope, struct msv_buf *out);
/* Appends an address field's value as `((name route mailbox host) ...)`, or NIL
 * when it holds no address. */
int msv_envelope_write_addresses(const char *p, size_t n, struct msv_buf *out);

#endif
