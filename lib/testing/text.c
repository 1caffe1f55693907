/* Text that grows, in memory of libc. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "testing/testing.h"

void msv_text_fini(struct msv_text *text)
{
	free(text->p);
	*text = (struct msv_text){ 0 };
}

void msv_text_put(struct msv_text *text, const void *p, size_t n)
{
	if (text->cap - text->n <= n) {
		size_t cap = (text->n + n + 1) * 2;
		char *grown = realloc(text->p, cap);

		if (!grown)
			return;
		text->p = grown;
		text->cap = cap;
	}
	if (n > 0)
		memcpy(text->p + text->n, p, n);
	text->n += n;
	text->p[text->n] = '\0';
}

void msv_text_printf(struct msv_text *text, const char *fmt, ...)
{
	char *line;
	va_list ap;

	va_start(ap, fmt);
	int n = vasprintf(&line, fmt, ap);
	va_end(ap);
	if (n < 0)
		return;
	msv_text_put(text, line, (size_t)n);
	free(line);
}

void msv_text_escape(struct msv_text *text, const void *p, size_t n)
{
	static const char specials[] = "\r\n\t\\", names[] = "rnt\\";

	for (size_t i = 0; i < n; i++) {
		char c = ((const char *)p)[i];
		const char *special = c ? strchr(specials, c) : NULL;

		if (special)
			msv_text_printf(text, "\\%c", names[special - specials]);
		else if (c >= ' ' && c < 0x7f)
			msv_text_put(text, &c, 1);
		else
			msv_text_printf(text, "\\x%02X", (unsigned char)c);
	}
}

void msv_text_clear(struct msv_text *text)
{
	text->n = 0;
	if (text->p)
		text->p[0] = '\0';
}

const char *msv_text_cstr(const struct msv_text *text)
{
	return text->p ? text->p : "";
}
