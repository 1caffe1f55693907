/*
 * The content of the message looked into last.  It stays pinned and parsed until
 * another is looked into, so that a client that fetches a part piece by piece does
 * not have the message parsed again for each.
 */
#include "imap/imap.h"

#include <string.h>

/* -- Opening ------------------------------------------------------------------------- */

static void opened(struct imap_session *s, int error, const void *result)
{
	const struct msv_message_content *content = result;

	s->content.error = error;
	if (error)
		return;
	s->content.message = content->message;
	s->content.octets = content->octets;
}

void msv_imap_content_close(struct imap_session *s)
{
	struct imap_content *c = &s->content;

	msv_mime_parser_free(c->parser);
	msv_mime_free(c->mime);
	if (c->message)
		s->store->msg_close(s->store->self, c->message);
	memset(c, 0, sizeof(*c));
}

int msv_imap_content_open(struct imap_session *s, uint32_t uid)
{
	struct imap_content *c = &s->content;

	if (c->uid == uid && c->error) {
		int error = c->error;
		msv_imap_content_close(s);
		return error;
	}
	if (c->uid == uid)
		return 1;
	msv_imap_content_close(s);
	struct msv_op *op = msv_imap_ask(s, opened);
	if (!op)
		return 0;
	c->uid = uid;
	s->store->msg_open(s->store->self, s->view.mailbox, uid, (struct msv_content_op){ op });
	return 0;
}

void msv_imap_content_read(
    struct imap_session *s, uint64_t offset, size_t n, imap_answer_fn answered)
{
	struct msv_op *op = msv_imap_ask(s, answered);

	if (op)
		s->store->msg_read(
		    s->store->self, s->content.message, offset, n, (struct msv_read_op){ op });
}

/* -- Parsing ------------------------------------------------------------------------- */

/* Where the end of the header is looked for: how much of an empty line was seen. */
enum { LINE_START, LINE_CR, LINE_INSIDE };

/* How many of the n bytes belong to the header, the empty line included. */
static size_t header_part(struct imap_content *c, const char *p, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		if (p[i] == '\n') {
			if (c->line != LINE_INSIDE) {
				c->header_over = true;
				return i + 1;
			}
			c->line = LINE_START;
		} else {
			c->line = p[i] == '\r' && c->line == LINE_START ? LINE_CR : LINE_INSIDE;
		}
	}
	return n;
}

static void parsed_more(struct imap_session *s, int error, const void *result)
{
	const struct msv_span *span = result;
	struct imap_content *c = &s->content;

	if (!error && !span->n)
		error = MSV_ERR_IO; /* shorter than it said */
	c->error = error;
	if (error)
		return;
	size_t n = c->parsing_whole ? span->n : header_part(c, span->p, span->n);
	c->pos += n;
	if (msv_mime_parser_push(c->parser, span->p, n))
		msv_imap_nomem(s);
}

static void begin(struct imap_session *s, bool whole)
{
	static const struct msv_mime_limits limits = {
		.size = sizeof(limits),
		.header_bytes = IMAP_HEADER_BYTES,
	};
	struct imap_content *c = &s->content;

	msv_mime_parser_free(c->parser);
	msv_mime_free(c->mime);
	c->parser = NULL;
	c->mime = NULL;
	c->pos = 0;
	c->line = LINE_START;
	c->header_over = false;
	c->parsing_whole = whole;
	if (msv_mime_parser_new(s->conn.env, &limits, &c->parser))
		msv_imap_nomem(s);
}

static int end(struct imap_session *s)
{
	struct imap_content *c = &s->content;
	int error = msv_mime_parser_finish(c->parser, &c->mime);

	msv_mime_parser_free(c->parser);
	c->parser = NULL;
	if (error) {
		msv_imap_nomem(s);
		return 0;
	}
	c->whole = c->parsing_whole;
	return 1;
}

static int parse(struct imap_session *s, bool whole)
{
	struct imap_content *c = &s->content;

	if (c->mime && (c->whole || !whole))
		return 1;
	if (c->error) {
		int error = c->error;
		msv_imap_content_close(s);
		return error;
	}
	/* A short message is parsed once, whatever is wanted of it. */
	whole = whole || c->octets <= IMAP_READ;
	if (!c->parser || c->parsing_whole != whole)
		begin(s, whole);
	if (msv_conn_ended(&s->conn))
		return 0;
	if (c->pos == c->octets || (!whole && c->header_over))
		return end(s);
	uint64_t left = c->octets - c->pos;
	size_t n = left < IMAP_READ ? (size_t)left : IMAP_READ;
	if (!msv_imap_turn_over(s, n))
		msv_imap_content_read(s, c->pos, n, parsed_more);
	return 0;
}

int msv_imap_content_header(struct imap_session *s)
{
	return parse(s, false);
}

int msv_imap_content_tree(struct imap_session *s)
{
	return parse(s, true);
}
