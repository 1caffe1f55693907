/* Content-Transfer-Encodings made (RFC 2045 6.7, 6.8), in pieces of any size. */
#include <string.h>

#include "codec/crypto.h"
#include "smtp/client.h"

void msv_encoder_init(struct msv_encoder *e, enum msv_encode how)
{
	memset(e, 0, sizeof(*e));
	e->how = how;
}

/* -- Quoted-printable --------------------------------------------------------------- */

enum { QP_COLUMNS = 75 }; /* and the "=" of a soft line break */

static void put_code(char c, char out[3])
{
	static const char digits[] = "0123456789ABCDEF";

	out[0] = '=';
	out[1] = digits[(unsigned char)c >> 4];
	out[2] = digits[(unsigned char)c & 15];
}

/* A character or code, which a soft line break may come before.  A "-" behind one
 * is encoded: the line is not to look like a boundary. */
static void qp_put(struct msv_encoder *e, const char *p, size_t n, struct msv_buf *out)
{
	char code[3];

	if (e->column + n > QP_COLUMNS) {
		msv_buf_puts(out, "=\r\n");
		e->column = 0;
		if (*p == '-') {
			put_code('-', code);
			p = code;
			n = sizeof(code);
		}
	}
	msv_buf_put(out, p, n);
	e->column += (unsigned)n;
}

static void qp_code(struct msv_encoder *e, char c, struct msv_buf *out)
{
	char code[3];

	put_code(c, code);
	qp_put(e, code, sizeof(code), out);
}

/* What was held goes out: a blank as it is, or at the end of a line as a code. */
static void qp_flush(struct msv_encoder *e, bool line_ends, struct msv_buf *out)
{
	for (unsigned i = 0; i < e->nheld; i++) {
		if (line_ends || e->held[i] == '\r')
			qp_code(e, e->held[i], out);
		else
			qp_put(e, &e->held[i], 1, out);
	}
	e->nheld = 0;
}

static void qp_line_end(struct msv_encoder *e, struct msv_buf *out)
{
	e->nheld--; /* the CR */
	qp_flush(e, true, out);
	msv_buf_puts(out, "\r\n");
	e->column = 0;
}

/* At most a blank and a CR are held. */
static void qp_push(struct msv_encoder *e, char c, struct msv_buf *out)
{
	bool cr_held = e->nheld && e->held[e->nheld - 1] == '\r';

	if (c == '\n' && cr_held) {
		qp_line_end(e, out);
	} else if (c == '\r' && !cr_held) {
		e->held[e->nheld++] = c;
	} else {
		qp_flush(e, false, out);
		if (c == ' ' || c == '\t' || c == '\r')
			e->held[e->nheld++] = c;
		else if (c > ' ' && c < 0x7f && c != '=')
			qp_put(e, &c, 1, out);
		else
			qp_code(e, c, out);
	}
}

/* -- Base64 -------------------------------------------------------------------------- */

static void base64_flush(struct msv_encoder *e, struct msv_buf *out)
{
	char *p = msv_buf_reserve(out, MSV_BASE64_SIZE(MSV_ENCODER_LINE) + 2);

	if (p && e->nheld) {
		if (e->column) { /* a line before this one */
			*p++ = '\r';
			*p++ = '\n';
		}
		msv_base64_encode(e->held, e->nheld, p);
		msv_buf_commit(out, strlen(p) + (e->column ? 2 : 0));
		e->column = 1;
	}
	e->nheld = 0;
}

static void base64_push(struct msv_encoder *e, char c, struct msv_buf *out)
{
	e->held[e->nheld++] = c;
	if (e->nheld == MSV_ENCODER_LINE)
		base64_flush(e, out);
}

/* -- Any ------------------------------------------------------------------------------- */

static void push_octet(struct msv_encoder *e, char c, struct msv_buf *out)
{
	bool high = (unsigned char)c > 127;

	switch (e->how) {
	case MSV_ENCODE_QP:
		qp_push(e, c, out);
		break;
	case MSV_ENCODE_BASE64:
		base64_push(e, c, out);
		break;
	case MSV_ENCODE_QP_PATCH:
		if (high) {
			char code[3];
			put_code(c, code);
			msv_buf_put(out, code, sizeof(code));
		} else {
			msv_buf_putc(out, c);
		}
		break;
	case MSV_ENCODE_BASE64_PATCH:
		if (!high)
			msv_buf_putc(out, c);
		break;
	case MSV_ENCODE_MASK:
		msv_buf_putc(out, high ? '?' : c);
		break;
	case MSV_ENCODE_COPY:
		break;
	}
}

void msv_encoder_push(struct msv_encoder *e, const char *p, size_t n, struct msv_buf *out)
{
	if (e->how == MSV_ENCODE_COPY) {
		msv_buf_put(out, p, n);
		return;
	}
	for (size_t i = 0; i < n; i++)
		push_octet(e, p[i], out);
}

void msv_encoder_end(struct msv_encoder *e, struct msv_buf *out)
{
	if (e->how == MSV_ENCODE_QP)
		qp_flush(e, true, out);
	else if (e->how == MSV_ENCODE_BASE64)
		base64_flush(e, out);
}
