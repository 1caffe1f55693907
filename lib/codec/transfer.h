/* Content-Transfer-Encodings undone (RFC 2045 6), in pieces of any size, as
 * forgiving as mail readers are: nothing is an error, what cannot be decoded is
 * skipped (base64) or kept as it is (quoted-printable). */
#ifndef MSV_CODEC_TRANSFER_H
#define MSV_CODEC_TRANSFER_H

#include "base/buf.h"

enum msv_encoding {
	MSV_ENCODING_IDENTITY, /* 7bit, 8bit, binary, and none */
	MSV_ENCODING_QP,
	MSV_ENCODING_BASE64,
	MSV_ENCODING_UNKNOWN, /* bytes are passed on as they are */
};

/* The encoding a Content-Transfer-Encoding field names; "" or NULL is none. */
enum msv_encoding msv_encoding_of(const char *name);

struct msv_transfer {
	enum msv_encoding encoding;
	uint32_t bits;   /* base64: those of the group so far */
	uint8_t count;   /* base64: characters in the group */
	uint8_t state;   /* quoted-printable: behind "=", "=X", ... */
	char hex;        /* quoted-printable: the X */
	uint32_t blanks; /* quoted-printable: spaces that vanish at a line's end */
	char tail[64];   /* ... as they are, while they are few */
};

void msv_transfer_init(struct msv_transfer *t, enum msv_encoding encoding);
/* Appends the decoded bytes.  0 or MSV_ERR_NOMEM. */
int msv_transfer_push(struct msv_transfer *t, const char *p, size_t n, struct msv_buf *out);
/* The body ended: what was held back comes out. */
int msv_transfer_end(struct msv_transfer *t, struct msv_buf *out);

#endif
