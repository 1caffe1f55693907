#include <stdio.h>
#include <string.h>

#include "base/env_struct.h"
#include "base/utf8.h"

enum {
	SHORT_LINE = 512,
	LONGEST_LINE = 4096, /* what is longer is cut */
};

/* How many of the n bytes at p may stand in a line together: a printable
 * character, or 0 when the first byte has to be escaped. */
static size_t printable(const char *p, size_t n)
{
	uint32_t cp = 0;
	size_t length = msv_utf8_char(p, n, &cp);

	/* C1 controls move cursors as C0 ones do. */
	return cp < 0x20 || (cp >= 0x7f && cp < 0xa0) ? 0 : length;
}

/* Writes n bytes escaped, ended by NUL, as far as size allows. */
static void escape(const char *p, size_t n, char *out, size_t size)
{
	static const char digits[] = "0123456789abcdef";
	size_t used = 0;

	while (n) {
		size_t length = printable(p, n);
		size_t width = length ? length : 4;
		if (size - used <= width)
			break;
		if (length) {
			memcpy(out + used, p, length);
		} else {
			unsigned char c = (unsigned char)*p;
			memcpy(
			    out + used, (char[]){ '\\', 'x', digits[c >> 4], digits[c & 15] }, 4);
			length = 1;
		}
		used += width;
		p += length;
		n -= length;
	}
	out[used] = '\0';
}

/* Escapes and hands over; with too little memory the line is shorter. */
static void emit(struct msv_env *env, enum msv_log_level level, const char *p, size_t n)
{
	char brief[SHORT_LINE];
	size_t size = 4 * n + 1;
	char *out = size <= sizeof(brief) ? brief : msv_env_realloc(env, NULL, size);

	if (!out) {
		out = brief;
		size = sizeof(brief);
	}
	escape(p, n, out, size);
	env->o.log(env->o.user, level, out);
	if (out != brief)
		msv_free(env, out);
}

void msv_env_log(struct msv_env *env, enum msv_log_level level, const char *fmt, ...)
{
	char brief[SHORT_LINE], *line = brief;
	size_t size = sizeof(brief);
	va_list args, again;

	if (!env->o.log)
		return;
	va_start(args, fmt);
	va_copy(again, args);
	int n = vsnprintf(brief, size, fmt, args);
	if (n >= (int)size) {
		size = (size_t)n < LONGEST_LINE ? (size_t)n + 1 : LONGEST_LINE;
		line = msv_env_realloc(env, NULL, size);
		if (line)
			vsnprintf(line, size, fmt, again);
		else
			line = brief;
	}
	va_end(again);
	va_end(args);
	if (n >= 0)
		emit(env, level, line, strlen(line));
	if (line != brief)
		msv_free(env, line);
}
