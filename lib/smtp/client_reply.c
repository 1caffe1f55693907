/* Replies of a next hop (RFC 5321 4.2), whatever it sends. */
#include <stdio.h>
#include <string.h>

#include "smtp/client.h"

size_t msv_smtp_clean(const char *p, size_t n, char *out, size_t size)
{
	size_t used = 0;

	for (size_t i = 0; i < n && used + 1 < size; i++) {
		char c = p[i];
		out[used++] = c == '\t' ? ' ' : c < 0x20 || c > 0x7e ? '?' : c;
	}
	out[used] = '\0';
	return used;
}

static enum msv_reply_state bad(struct msv_smtp_client *c, const char *why)
{
	c->reply.ntext = (size_t)snprintf(c->reply.text, sizeof(c->reply.text), "%s", why);
	return MSV_REPLY_BAD;
}

/* -- Lines ------------------------------------------------------------------------ */

/* The next line without its end; a lone LF ends one too.  NONE, LINE or BAD. */
static enum msv_reply_state next_line(struct msv_smtp_client *c, struct msv_span *line)
{
	const char *p = msv_buf_data(&c->conn.in);
	size_t n = msv_buf_len(&c->conn.in);
	const char *lf = n > c->scanned ? memchr(p + c->scanned, '\n', n - c->scanned) : NULL;
	size_t size = lf ? (size_t)(lf + 1 - p) : n;

	if (size > c->config.reply_line_max)
		return bad(c, "its reply has a line that is too long");
	if (!lf) {
		c->scanned = n;
		return MSV_REPLY_NONE;
	}
	c->line_size = size;
	c->reply.octets += size;
	if (c->reply.octets > c->config.reply_octets_max)
		return bad(c, "its reply does not end");
	size--;
	if (size && p[size - 1] == '\r')
		size--;
	*line = (struct msv_span){ p, size };
	if (memchr(p, '\0', size))
		return bad(c, "its reply has a NUL in it");
	return MSV_REPLY_LINE;
}

static void drop_line(struct msv_smtp_client *c)
{
	msv_buf_consume(&c->conn.in, c->line_size);
	c->line_size = 0;
	c->scanned = 0;
}

/* -- Codes ------------------------------------------------------------------------ */

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

/* Three digits, the first of them 2 to 5, then "-", " " or nothing. */
static int code_of(struct msv_span line)
{
	if (line.n < 3 || line.p[0] < '2' || line.p[0] > '5' || !is_digit(line.p[1]) ||
	    !is_digit(line.p[2]) || (line.n > 3 && line.p[3] != ' ' && line.p[3] != '-'))
		return 0;
	return (line.p[0] - '0') * 100 + (line.p[1] - '0') * 10 + (line.p[2] - '0');
}

/* One to `most` digits. */
static size_t number(const char *p, size_t n, size_t most)
{
	size_t i = 0;

	while (i < n && i < most && is_digit(p[i]))
		i++;
	return i;
}

/* The length of an enhanced status code of that class (RFC 3463 2) in front of
 * the text; 0: there is none. */
static size_t enhanced_len(struct msv_span text, int code)
{
	size_t subject, detail;

	if (text.n < 5 || text.p[0] != '0' + code / 100 || text.p[1] != '.')
		return 0;
	subject = number(text.p + 2, text.n - 2, 3);
	if (!subject || 2 + subject >= text.n || text.p[2 + subject] != '.')
		return 0;
	detail = number(text.p + 3 + subject, text.n - 3 - subject, 3);
	size_t len = 3 + subject + detail;
	if (!detail || (len < text.n && text.p[len] != ' '))
		return 0;
	return len;
}

/* -- Replies ----------------------------------------------------------------------- */

/* Adds a line's text; the status code that each line may repeat is taken off. */
static void add_text(struct msv_smtp_reply *r, struct msv_span text)
{
	size_t len = r->code / 100 == 3 ? 0 : enhanced_len(text, r->code);

	if (len) {
		if (!r->enhanced[0])
			snprintf(r->enhanced, sizeof(r->enhanced), "%.*s", (int)len, text.p);
		text.p += len;
		text.n -= len;
	}
	while (text.n && *text.p == ' ') {
		text.p++;
		text.n--;
	}
	if (text.n && r->ntext && r->ntext < MSV_REPLY_TEXT_MAX)
		r->text[r->ntext++] = ' ';
	r->ntext += msv_smtp_clean(text.p, text.n, r->text + r->ntext, sizeof(r->text) - r->ntext);
}

enum msv_reply_state msv_reply_next(struct msv_smtp_client *c, struct msv_span *text)
{
	struct msv_smtp_reply *r = &c->reply;
	struct msv_span line;
	enum msv_reply_state state;

	drop_line(c);
	state = next_line(c, &line);
	if (state != MSV_REPLY_LINE)
		return state;
	msv_smtp_trace_line(c, MSV_SMTP_TRACE_RECEIVED, line.p, line.n);
	int code = code_of(line);
	if (!code)
		return bad(c, "what it said is no reply of SMTP");
	if (r->begun && code != r->code)
		return bad(c, "the lines of its reply have different codes");
	r->begun = true;
	r->code = code;
	r->last = line.n == 3 || line.p[3] == ' ';
	size_t from = line.n > 3 ? 4 : 3;
	*text = (struct msv_span){ line.p + from, line.n - from };
	add_text(r, *text);
	return r->last ? MSV_REPLY_WHOLE : MSV_REPLY_LINE;
}

void msv_reply_reset(struct msv_smtp_client *c)
{
	drop_line(c);
	memset(&c->reply, 0, offsetof(struct msv_smtp_reply, text) + 1);
	c->reply.ntext = c->reply.octets = 0;
	c->reply.begun = c->reply.last = false;
}
