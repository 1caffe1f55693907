#include "message/imapstring.h"

#include <string.h>

/* Quoted strings longer than this are not what clients expect: a literal then. */
#define QUOTED_MAX 4096

static bool quotable(const char *p, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (p[i] == '\r' || p[i] == '\n' || ((unsigned char)p[i] & 0x80))
			return false;
	return n <= QUOTED_MAX;
}

static void put_without_nuls(struct msv_buf *out, const char *p, size_t n)
{
	while (n > 0) {
		const char *nul = memchr(p, '\0', n);
		size_t run = nul ? (size_t)(nul - p) : n;

		msv_buf_put(out, p, run);
		run += nul != NULL;
		p += run;
		n -= run;
	}
}

static void put_quoted(struct msv_buf *out, const char *p, size_t n)
{
	msv_buf_putc(out, '"');
	for (size_t i = 0, run = 0; i <= n; i++) {
		if (i < n && p[i] != '"' && p[i] != '\\')
			continue;
		put_without_nuls(out, p + run, i - run);
		if (i < n)
			msv_buf_putc(out, '\\');
		run = i;
	}
	msv_buf_putc(out, '"');
}

static void put_literal(struct msv_buf *out, const char *p, size_t n)
{
	size_t nuls = 0;

	for (const char *q = p; (q = memchr(q, '\0', n - (size_t)(q - p))); q++)
		nuls++;
	msv_buf_printf(out, "{%zu}\r\n", n - nuls);
	put_without_nuls(out, p, n);
}

int msv_imap_put_string(struct msv_buf *out, const char *p, size_t n)
{
	if (quotable(p, n))
		put_quoted(out, p, n);
	else
		put_literal(out, p, n);
	return msv_buf_failed(out) ? MSV_ERR_NOMEM : 0;
}

int msv_imap_put_nstring(struct msv_buf *out, const char *p, size_t n)
{
	return p ? msv_imap_put_string(out, p, n) : msv_buf_puts(out, "NIL");
}

int msv_imap_put_cstring(struct msv_buf *out, const char *s)
{
	return msv_imap_put_nstring(out, s, s ? strlen(s) : 0);
}
