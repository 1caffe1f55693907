/* Quoted-printable written (RFC 2045 6.7), in pieces of any size. */
#ifndef MSV_CODEC_QP_H
#define MSV_CODEC_QP_H

#include "base/buf.h"

/* Starts zeroed. */
struct msv_qp {
	uint8_t column;
	char blank; /* held back: at a line's end it is encoded */
	bool cr;    /* held back: it may end the line */
};

/* Appends n octets encoded; CRLF and lone LF become line ends, all else is kept.
 * Lines have at most 76 octets.  0 or MSV_ERR_NOMEM. */
int msv_qp_push(struct msv_qp *qp, const char *p, size_t n, struct msv_buf *out);
/* What was held back; no line end is added. */
int msv_qp_end(struct msv_qp *qp, struct msv_buf *out);

#endif
