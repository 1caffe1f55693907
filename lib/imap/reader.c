/*
 * Commands as they come in (RFC 3501 2.2.1, 4.3, RFC 7888): lines, continued by
 * literals.  A command that cannot be run is followed to its end all the same,
 * so that no octet of it is taken for the next one.
 */
#include "imap/imap.h"

#include <string.h>

/* How much of "{12+}" was seen: reader.brace. */
enum { NONE, OPEN, DIGITS, PLUS, CLOSED };

enum { HEAD = IMAP_TAG_MAX + 32 };

void msv_imap_reader_reset(struct imap_session *s)
{
	struct imap_command *cmd = &s->cmd;

	memset(&s->reader, 0, sizeof(s->reader));
	memset(&cmd->args, 0, sizeof(cmd->args));
	cmd->def = NULL;
	cmd->identified = cmd->uid = false;
	cmd->resume = 0;
	memcpy(cmd->tag, "*", 2);
}

static size_t limit(const struct imap_session *s)
{
	return s->state == IMAP_NOT_AUTHENTICATED ? s->config.preauth_line_max
	                                          : s->config.command_max;
}

/* The command is not run: the first reason is the one told. */
static void drop(struct imap_session *s, const char *error, const char *code)
{
	struct imap_reader *r = &s->reader;

	if (r->skipping)
		return;
	r->skipping = true;
	r->error = error;
	r->code = code;
}

/* Keeps what fits.  Of a command that is dropped the head is kept: tag and name. */
static void keep(struct imap_session *s, const char *p, size_t n)
{
	size_t have = msv_buf_len(&s->cmd.text);
	size_t room = s->reader.skipping ? HEAD : limit(s) + 2; /* and a literal's line end */

	room = have < room ? room - have : 0;
	msv_buf_put(&s->cmd.text, p, n < room ? n : room);
}

/* Follows the line by one character; what is outside quotes may become a literal. */
static void follow(struct imap_reader *r, char c)
{
	if (r->quoted) {
		if (r->escaped)
			r->escaped = false;
		else if (c == '\\')
			r->escaped = true;
		else if (c == '"')
			r->quoted = false;
		r->brace = NONE;
	} else if (c == '"') {
		r->quoted = true;
		r->brace = NONE;
	} else if (c == '{') {
		r->brace = OPEN;
		r->literal = 0;
	} else if (c >= '0' && c <= '9' && (r->brace == OPEN || r->brace == DIGITS)) {
		r->brace = DIGITS;
		if (r->literal < UINT64_MAX / 16)
			r->literal = r->literal * 10 + (uint64_t)(c - '0');
	} else if (c == '+' && r->brace == DIGITS) {
		r->brace = PLUS;
	} else if (c == '}' && (r->brace == DIGITS || r->brace == PLUS)) {
		r->sync = r->brace == DIGITS;
		r->brace = CLOSED;
	} else {
		r->brace = NONE;
	}
}

/* Looks at one character of a line.  True at the end of the line. */
static bool line_char(struct imap_session *s, char c)
{
	struct imap_reader *r = &s->reader;

	if (c == '\n')
		return true;
	if (r->cr || !c)
		drop(s, "The command holds a NUL or a lone CR", NULL);
	r->cr = c == '\r';
	if (r->cr)
		return false;
	if (++r->size > limit(s))
		drop(s, "The command is too long", NULL);
	follow(r, c);
	return false;
}

/* Takes input up to the end of a line; true when that came. */
static bool take_line(struct imap_session *s)
{
	struct msv_buf *in = &s->conn.in;
	const char *p = msv_buf_data(in);
	size_t n = msv_buf_len(in), i = 0;

	if (s->reader.cr && p[0] != '\n')
		keep(s, "\r", 1); /* held back, and not the line's end */
	while (i < n && !line_char(s, p[i]))
		i++;
	bool ended = i < n;
	size_t text = i;
	if (text && p[text - 1] == '\r')
		text--;
	keep(s, p, text);
	msv_buf_consume(in, ended ? i + 1 : n);
	return ended;
}

/* Takes input that belongs to a literal; true when it is whole. */
static bool take_literal(struct imap_session *s)
{
	struct imap_reader *r = &s->reader;
	size_t n = msv_buf_len(&s->conn.in);

	if (n > r->left)
		n = (size_t)r->left;
	keep(s, msv_buf_data(&s->conn.in), n);
	msv_buf_consume(&s->conn.in, n);
	r->left -= n;
	return !r->left;
}

/* Is the literal just announced one that can be kept? */
static void judge_literal(struct imap_session *s)
{
	struct imap_reader *r = &s->reader;

	if (!r->skipping && !msv_imap_identify(s))
		drop(s, s->cmd.args.error, s->cmd.args.code);
	if (++r->literals > IMAP_LITERALS_MAX)
		drop(s, "Too many literals", NULL);
	if (!r->sync && s->config.literal_minus && r->literal > IMAP_LITERAL_MINUS)
		drop(s, "[TOOBIG] Literals of more than 4096 octets must wait", NULL);
}

/* A literal was announced at the end of a line. */
static enum imap_read begin_literal(struct imap_session *s)
{
	struct imap_reader *r = &s->reader;

	judge_literal(s);
	keep(s, "\r\n", 2);
	r->size += 2;
	if (r->size > limit(s))
		drop(s, "The command is too long", NULL);
	r->brace = NONE;
	if (!r->skipping && s->cmd.def->literal) {
		msv_imap_aim(s);
		int verdict = s->cmd.def->literal(s);
		if (verdict > 0)
			return IMAP_READ_STREAM;
		if (verdict < 0)
			drop(s, s->cmd.args.error, s->cmd.args.code);
	}
	if (!r->skipping && r->literal > limit(s) - r->size)
		drop(s, "[TOOBIG] The literal is too long", NULL);
	if (!r->skipping)
		r->size += (size_t)r->literal;
	if (r->sync && r->skipping)
		return IMAP_READ_FAILED;
	if (r->skipping && (s->state == IMAP_NOT_AUTHENTICATED || r->literal > UINT64_MAX / 32))
		return IMAP_READ_FATAL;
	if (r->sync)
		msv_imap_go_on(s, "OK");
	r->left = r->literal;
	return IMAP_READ_MORE;
}

/* The line is over, and no literal follows. */
static enum imap_read end_command(struct imap_session *s)
{
	if (s->reader.quoted)
		drop(s, "A quoted string does not end", NULL);
	if (s->reader.skipping)
		return IMAP_READ_FAILED;
	if (!msv_imap_identify(s)) {
		drop(s, s->cmd.args.error, s->cmd.args.code);
		return IMAP_READ_FAILED;
	}
	msv_imap_aim(s);
	return IMAP_READ_COMMAND;
}

/* For the answer: why, with the command's tag when there is one. */
static enum imap_read failed(struct imap_session *s, enum imap_read how)
{
	msv_imap_identify(s);
	s->cmd.args.error = s->reader.error;
	s->cmd.args.code = s->reader.code;
	return how;
}

enum imap_read msv_imap_read(struct imap_session *s)
{
	struct imap_reader *r = &s->reader;

	while (msv_buf_len(&s->conn.in)) {
		if (r->left) {
			take_literal(s);
			continue;
		}
		if (!take_line(s))
			break;
		r->cr = false;
		enum imap_read what =
		    r->brace == CLOSED && !r->quoted ? begin_literal(s) : end_command(s);
		if (what == IMAP_READ_FAILED || what == IMAP_READ_FATAL)
			return failed(s, what);
		if (what != IMAP_READ_MORE)
			return what;
	}
	return IMAP_READ_MORE;
}

int msv_imap_read_line(struct imap_session *s, struct msv_span *line, size_t *used)
{
	struct imap_reader *r = &s->reader;
	const char *p = msv_buf_data(&s->conn.in);
	size_t n = msv_buf_len(&s->conn.in);
	const char *end = n > r->scanned ? memchr(p + r->scanned, '\n', n - r->scanned) : NULL;

	if (!end) {
		r->scanned = n;
		return n > (size_t)s->config.preauth_line_max + 1 ? MSV_ERR_LIMIT : 0;
	}
	r->scanned = 0;
	*used = (size_t)(end - p) + 1;
	*line = (struct msv_span){ p, (size_t)(end - p) };
	if (line->n && p[line->n - 1] == '\r')
		line->n--;
	return line->n > s->config.preauth_line_max ? MSV_ERR_LIMIT : 1;
}
