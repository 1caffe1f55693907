#include "codec/token.h"

#include <string.h>

bool msv_is_blank(char c)
{
	return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

/* A byte that can stand for itself in some kind of word. */
static bool is_graphic(char c)
{
	return (c > 32 && c < 127) || ((unsigned char)c & 0x80);
}

bool msv_is_token(char c)
{
	return is_graphic(c) && !strchr("()<>@,;:\\\"/[]?=", c);
}

static bool is_atext(char c)
{
	return is_graphic(c) && !strchr("()<>[]:;@\\,.\"", c);
}

static void skip_blanks(struct msv_scan *s)
{
	while (s->p < s->end && msv_is_blank(*s->p))
		s->p++;
}

/* The comment that begins at the place.  What is inside the outer parentheses
 * goes to out (may be NULL). */
static void scan_comment(struct msv_scan *s, struct msv_buf *out)
{
	size_t depth = 0;

	do {
		char c = *s->p++;
		bool inside = depth > 0;

		if (c == '\\' && s->p < s->end)
			c = *s->p++;
		else if (c == '(')
			depth++;
		else if (c == ')')
			depth--;
		if (out && inside && depth > 0)
			msv_buf_putc(out, c);
	} while (depth > 0 && s->p < s->end);
}

int msv_scan_cfws_comment(struct msv_scan *s, struct msv_buf *comment)
{
	for (;;) {
		skip_blanks(s);
		if (s->p == s->end || *s->p != '(')
			break;
		if (comment)
			msv_buf_clear(comment);
		scan_comment(s, comment);
	}
	return comment && msv_buf_failed(comment) ? MSV_ERR_NOMEM : 0;
}

void msv_scan_cfws(struct msv_scan *s)
{
	msv_scan_cfws_comment(s, NULL);
}

int msv_scan_quoted(struct msv_scan *s, struct msv_buf *out)
{
	s->p++;
	while (s->p < s->end && *s->p != '"') {
		if (*s->p == '\\' && s->end - s->p > 1)
			s->p++;
		msv_buf_putc(out, *s->p++);
	}
	if (s->p < s->end)
		s->p++;
	return msv_buf_failed(out) ? MSV_ERR_NOMEM : 0;
}

static struct msv_span scan_run(struct msv_scan *s, bool (*is)(char c))
{
	struct msv_span run = { s->p, 0 };

	while (s->p < s->end && is(*s->p))
		s->p++;
	run.n = (size_t)(s->p - run.p);
	return run;
}

static bool is_dot_atext(char c)
{
	return c == '.' || is_atext(c);
}

struct msv_span msv_scan_token(struct msv_scan *s)
{
	return scan_run(s, msv_is_token);
}

struct msv_span msv_scan_dot_atom(struct msv_scan *s)
{
	return scan_run(s, is_dot_atext);
}
