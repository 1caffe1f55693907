/* BODYSTRUCTURE and BODY (RFC 3501 7.4.2). */
#ifndef MSV_MESSAGE_BODYSTRUCTURE_H
#define MSV_MESSAGE_BODYSTRUCTURE_H

#include "base/buf.h"
#include "message/mime.h"

/* Appends the structure of the whole message: with extension data
 * (BODYSTRUCTURE) or without (BODY).  Sizes are wire sizes.  0 or MSV_ERR_NOMEM. */
int msv_bodystructure_write(const struct msv_mime *mime, bool extended, struct msv_buf *out);

#endif
