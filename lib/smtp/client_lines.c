/* Lines of a body on their way out: CRLF alone ends them, dots are doubled. */
#include <string.h>

#include "smtp/client.h"

/* Are the whole lines of p[0..n) without a CR or LF that is alone? */
static bool lines_fine(const char *p, size_t n)
{
	const char *end = p + n;

	while (p < end) {
		const char *lf = memchr(p, '\n', (size_t)(end - p));
		const char *cr = memchr(p, '\r', (size_t)((lf ? lf : end) - p));
		if (!lf)
			return !cr;
		if (!cr || cr + 1 != lf)
			return false;
		p = lf + 1;
	}
	return true;
}

/* Appends lines that are fine, with a dot before each dot that begins one. */
static void put_stuffed(struct msv_lines *lines, const char *p, size_t n, struct msv_buf *out)
{
	const char *end = p + n, *from = p;

	while (p < end) {
		if (!lines->mid_line && *p == '.') {
			msv_buf_put(out, from, (size_t)(p - from));
			msv_buf_putc(out, '.');
			from = p;
		}
		const char *lf = memchr(p, '\n', (size_t)(end - p));
		lines->mid_line = !lf;
		p = lf ? lf + 1 : end;
	}
	msv_buf_put(out, from, (size_t)(end - from));
}

static void put(struct msv_lines *lines, const char *p, size_t n, struct msv_buf *out)
{
	if (!n)
		return;
	if (lines->stuff) {
		put_stuffed(lines, p, n, out);
	} else {
		msv_buf_put(out, p, n);
		lines->mid_line = p[n - 1] != '\n';
	}
}

int msv_lines_push(struct msv_lines *lines, const char *p, size_t n, struct msv_buf *out)
{
	if (!n)
		return 0;
	if (lines->cr) {
		if (*p != '\n')
			return MSV_ERR_FORMAT;
		lines->cr = false;
		put(lines, "\r\n", 2, out);
		p++;
		n--;
	}
	bool cr = n && p[n - 1] == '\r';
	n -= cr;
	if (n && (memchr(p, '\0', n) || !lines_fine(p, n)))
		return MSV_ERR_FORMAT;
	put(lines, p, n, out);
	lines->cr = cr;
	return msv_buf_failed(out) ? MSV_ERR_NOMEM : 0;
}

int msv_lines_end(struct msv_lines *lines, struct msv_buf *out)
{
	if (lines->cr)
		return MSV_ERR_FORMAT;
	if (lines->mid_line)
		put(lines, "\r\n", 2, out);
	return msv_buf_failed(out) ? MSV_ERR_NOMEM : 0;
}
