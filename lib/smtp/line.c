/* Lines of the peer's, found in the input in linear time. */
#include <string.h>

#include "codec/casefold.h"
#include "smtp/smtp.h"

/* Drops the rest of a line that was too long. */
static enum msv_smtp_line skip(struct msv_smtp *s, const char *lf)
{
	const char *p = msv_buf_data(&s->conn.in);

	if (!s->skipping)
		s->skipped_bdat = msv_ascii_equal(p, 4, "BDAT", 4);
	s->scanned = 0;
	s->skipping = !lf;
	msv_buf_consume(&s->conn.in, lf ? (size_t)(lf + 1 - p) : msv_buf_len(&s->conn.in));
	return lf ? MSV_LINE_LONG : MSV_LINE_NONE;
}

static bool has_controls(struct msv_span line)
{
	for (size_t i = 0; i < line.n; i++)
		if ((line.p[i] >= 0 && line.p[i] < 0x20 && line.p[i] != '\t') || line.p[i] == 0x7f)
			return true;
	return false;
}

enum msv_smtp_line msv_smtp_line_next(struct msv_smtp *s, size_t max, struct msv_span *line)
{
	const char *p = msv_buf_data(&s->conn.in);
	size_t n = msv_buf_len(&s->conn.in);
	const char *lf = n > s->scanned ? memchr(p + s->scanned, '\n', n - s->scanned) : NULL;

	*line = (struct msv_span){ p, 0 };
	if (s->skipping || (lf ? (size_t)(lf + 1 - p) : n) > max)
		return skip(s, lf);
	if (!lf) {
		s->scanned = n;
		return MSV_LINE_NONE;
	}
	bool crlf = lf > p && lf[-1] == '\r';
	line->n = (size_t)(lf - p) - crlf;
	s->line_size = (size_t)(lf + 1 - p);
	if (!crlf)
		return MSV_LINE_LF;
	return has_controls(*line) ? MSV_LINE_BYTES : MSV_LINE_READY;
}

void msv_smtp_line_done(struct msv_smtp *s)
{
	msv_buf_consume(&s->conn.in, s->line_size);
	s->scanned = 0;
	s->line_size = 0;
}
