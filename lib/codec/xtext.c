#include "codec/xtext.h"

#include <string.h>

#include "base/utf8.h"
#include "codec/utf8.h"

static int hex(char c)
{
	static const char digits[] = "0123456789ABCDEF";
	const char *p = c ? strchr(digits, c) : NULL;

	return p ? (int)(p - digits) : -1;
}

static bool is_ascii(char c)
{
	return !(c & 0x80);
}

/* -- xtext --------------------------------------------------------------------- */

int msv_xtext_decode(struct msv_span text, bool utf8, char *out, size_t size)
{
	size_t n = 0;

	for (size_t i = 0; i < text.n; i++) {
		char c = text.p[i];
		if (n == size || (is_ascii(c) ? c < 33 || c > 126 || c == '=' : !utf8))
			return MSV_ERR_FORMAT;
		if (c == '+') {
			int high = i + 2 < text.n ? hex(text.p[i + 1]) : -1;
			int low = i + 2 < text.n ? hex(text.p[i + 2]) : -1;
			if (high < 0 || low < 0)
				return MSV_ERR_FORMAT;
			c = (char)(high << 4 | low);
			i += 2;
		}
		out[n++] = c;
	}
	return (int)n;
}

int msv_xtext_encode(const char *p, size_t n, struct msv_buf *out)
{
	for (size_t i = 0; i < n; i++) {
		if (p[i] >= 33 && p[i] <= 126 && p[i] != '+' && p[i] != '=')
			msv_buf_putc(out, p[i]);
		else
			msv_buf_printf(out, "+%02X", (unsigned)(unsigned char)p[i]);
	}
	return msv_buf_failed(out) ? MSV_ERR_NOMEM : 0;
}

/* -- unitext --------------------------------------------------------------------- */

/* No control character (C0, DEL, C1), no line or paragraph separator. */
static bool is_printable(uint32_t c)
{
	return c >= 0x20 && !(c >= 0x7f && c < 0xa0) && c != 0x2028 && c != 0x2029;
}

/* Reads "\x{HEXPOINT}" at p; its length, or 0. */
static size_t read_point(const char *p, size_t n, uint32_t *c)
{
	size_t i = 3;

	if (n < 6 || memcmp(p, "\\x{", 3) != 0)
		return 0;
	for (*c = 0; i < n && i < 3 + 6 && hex(p[i]) >= 0; i++)
		*c = *c << 4 | (uint32_t)hex(p[i]);
	bool scalar = *c <= 0x10ffff && !(*c >= 0xd800 && *c <= 0xdfff);
	return i >= 5 && i < n && p[i] == '}' && scalar ? i + 1 : 0;
}

int msv_unitext_decode(char *p, size_t n)
{
	size_t to = 0, used;

	for (size_t i = 0; i < n; i += used) {
		uint32_t c;
		used =
		    p[i] == '\\' ? read_point(p + i, n - i, &c) : msv_utf8_char(p + i, n - i, &c);
		if (!used || !is_printable(c))
			return MSV_ERR_FORMAT;
		to += msv_utf8_put(c, p + to);
	}
	return (int)to;
}

int msv_unitext_encode(const char *p, size_t n, struct msv_buf *out)
{
	size_t used;

	for (size_t i = 0; i < n; i += used) {
		uint32_t c;
		used = msv_utf8_char(p + i, n - i, &c);
		if (!used)
			return MSV_ERR_FORMAT;
		if (c > 32 && c < 127 && !strchr("\\+=", (int)c))
			msv_buf_putc(out, (char)c);
		else
			msv_buf_printf(out, "\\x{%02X}", (unsigned)c);
	}
	return msv_buf_failed(out) ? MSV_ERR_NOMEM : 0;
}
