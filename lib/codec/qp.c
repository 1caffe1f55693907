#include "codec/qp.h"

#include <string.h>

enum {
	LINE_OCTETS = 75, /* of 76: the last place is for the "=" of a soft break */
	GROWTH = 4,       /* one octet, encoded, with its share of soft breaks */
	HELD = 16,        /* more than what was held back comes to */
};

/* Makes room in the line for n octets. */
static char *room(struct msv_qp *qp, char *to, unsigned n)
{
	if (qp->column + n > LINE_OCTETS) {
		memcpy(to, "=\r\n", 3);
		to += 3;
		qp->column = 0;
	}
	qp->column = (uint8_t)(qp->column + n);
	return to;
}

static char *put_plain(struct msv_qp *qp, char *to, char c)
{
	to = room(qp, to, 1);
	*to++ = c;
	return to;
}

static char *put_encoded(struct msv_qp *qp, char *to, char c)
{
	static const char digits[] = "0123456789ABCDEF";
	unsigned char octet = (unsigned char)c;

	to = room(qp, to, 3);
	*to++ = '=';
	*to++ = digits[octet >> 4];
	*to++ = digits[octet & 15];
	return to;
}

static char *end_line(struct msv_qp *qp, char *to)
{
	if (qp->blank)
		to = put_encoded(qp, to, qp->blank);
	qp->blank = 0;
	qp->cr = false;
	qp->column = 0;
	*to++ = '\r';
	*to++ = '\n';
	return to;
}

static char *release(struct msv_qp *qp, char *to)
{
	if (qp->blank)
		to = put_plain(qp, to, qp->blank);
	if (qp->cr)
		to = put_encoded(qp, to, '\r');
	qp->blank = 0;
	qp->cr = false;
	return to;
}

static char *put(struct msv_qp *qp, char *to, char c)
{
	if (c == '\n')
		return end_line(qp, to);
	if (c == '\r' && !qp->cr) {
		qp->cr = true;
		return to;
	}
	to = release(qp, to);
	if (c == '\r')
		qp->cr = true;
	else if (c == ' ' || c == '\t')
		qp->blank = c;
	else if (c > 32 && c < 127 && c != '=')
		to = put_plain(qp, to, c);
	else
		to = put_encoded(qp, to, c);
	return to;
}

int msv_qp_push(struct msv_qp *qp, const char *p, size_t n, struct msv_buf *out)
{
	enum { STEP = 4096 };

	while (n > 0) {
		size_t step = n < STEP ? n : STEP;
		char *start = msv_buf_reserve(out, GROWTH * step + HELD), *to = start;
		if (!start)
			return MSV_ERR_NOMEM;
		for (size_t i = 0; i < step; i++)
			to = put(qp, to, p[i]);
		msv_buf_commit(out, (size_t)(to - start));
		p += step;
		n -= step;
	}
	return msv_buf_failed(out) ? MSV_ERR_NOMEM : 0;
}

int msv_qp_end(struct msv_qp *qp, struct msv_buf *out)
{
	char *start = msv_buf_reserve(out, HELD), *to = start;

	if (!start)
		return MSV_ERR_NOMEM;
	if (qp->blank)
		to = put_encoded(qp, to, qp->blank);
	qp->blank = 0;
	to = release(qp, to);
	msv_buf_commit(out, (size_t)(to - start));
	return 0;
}
