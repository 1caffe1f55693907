/* The body: read piece by piece, converted when it must be, sent by DATA (RFC
 * 5321 4.1.1.4) or in the chunks of BDAT (RFC 3030). */
#include <stdio.h>
#include <string.h>

#include "smtp/client.h"

enum {
	CHUNK = 65536,         /* octets of a chunk, about */
	CHUNKS_UNANSWERED = 4, /* with PIPELINING */
	READ_LEAST = 4096
};

static const struct msv_smtp_exchange end, bdat;

/* -- Reading ---------------------------------------------------------------------- */

int msv_smtp_read(struct msv_smtp_client *c, struct msv_span *piece)
{
	const struct msv_smtp_message *m = &c->first->message;
	size_t n = msv_conn_room(&c->conn);
	const void *p = "";
	int error;

	if (c->paused && !c->conn.resumed)
		return 0;
	c->paused = c->conn.resumed = false;
	if (n < READ_LEAST)
		n = READ_LEAST;
	error = m->read(m->user, &c->conn, c->offset, &p, &n);
	if (msv_conn_ended(&c->conn))
		return MSV_ERR_CANCELED;
	if (error) {
		c->paused = error == MSV_PAUSE;
		return c->paused ? 0 : error < 0 ? error : MSV_ERR_IO;
	}
	*piece = (struct msv_span){ p, n };
	c->offset += n;
	c->read_done = n == 0;
	return 1;
}

static void rewind_message(struct msv_smtp_client *c)
{
	c->offset = c->sent = 0;
	c->read_done = c->paused = false;
	c->chunk_last = false;
	c->lines = c->checked = (struct msv_lines){ 0 };
}

/* -- When it cannot be sent ----------------------------------------------------------- */

/* Why, as a verdict. */
static struct msv_smtp_verdict fault_of(int error, const char *why)
{
	struct msv_smtp_verdict verdict = { .stage = MSV_SMTP_AT_DATA,
		.code = 451,
		.enhanced = "4.3.0",
		.text = "the message cannot be read here" };

	if (error == MSV_ERR_FORMAT) {
		verdict.code = 554;
		verdict.enhanced = "5.6.0";
		verdict.text = "the message has a CR or LF that stands alone, or a NUL";
	} else if (error == MSV_ERR_UNSUPPORTED) {
		verdict.code = 554;
		verdict.enhanced = "5.6.3";
		verdict.text = why;
	} else if (error == MSV_ERR_NOMEM) {
		verdict.text = "out of memory";
	}
	verdict.permanent = verdict.code >= 500;
	return verdict;
}

/* Gives the message up: before MAIL, between chunks, or with the connection. */
static void give_up(struct msv_smtp_client *c, int error, const char *why)
{
	struct msv_smtp_verdict verdict = fault_of(error, why);

	if (msv_conn_ended(&c->conn))
		return;
	msv_smtp_note(c, "%s", verdict.text);
	if (msv_conn_ended(&c->conn))
		return;
	msv_sending_settle_rest(c->first, &verdict);
	if (c->turn == MSV_TURN_SCAN) {
		msv_smtp_finish(c);
	} else if (c->chunking) {
		c->chunk_failed = true;
		if (!c->nawaits)
			msv_smtp_finish(c);
	} else {
		/* Only an end of the connection takes back what was sent. */
		msv_smtp_end_by(c, MSV_SMTP_AT_DATA, 451, "4.3.0",
		    "the connection was cut off inside a message that could not be finished");
	}
}

/* -- Looking through, for conversion ----------------------------------------------------- */

void msv_smtp_start_scan(struct msv_smtp_client *c)
{
	c->turn = MSV_TURN_SCAN;
	c->octets = 0;
	rewind_message(c);
	if (msv_convert_new(c->conn.env, &c->convert))
		give_up(c, MSV_ERR_NOMEM, NULL);
}

/* A piece of the message through the conversion, into `out`. */
static int convert(
    struct msv_smtp_client *c, struct msv_span piece, struct msv_buf *out, const char **why)
{
	int error;

	msv_buf_clear(&c->piece);
	error = piece.n ? msv_lines_push(&c->checked, piece.p, piece.n, &c->piece)
	                : msv_lines_end(&c->checked, &c->piece);
	if (!error)
		error = msv_convert_push(
		    c->convert, msv_buf_data(&c->piece), msv_buf_len(&c->piece), out);
	if (!error && !piece.n)
		error = msv_convert_finish(c->convert, out, why);
	return error;
}

/* Looked through once more it is known how large it becomes. */
static bool scan(struct msv_smtp_client *c)
{
	bool counting = msv_convert_ready(c->convert);
	const char *why = NULL;
	struct msv_span piece;
	int got = msv_smtp_read(c, &piece);

	if (!got)
		return false;
	int error = got < 0 ? got : convert(c, piece, &c->chunk, &why);
	c->octets += msv_buf_len(&c->chunk);
	msv_buf_clear(&c->chunk);
	if (error) {
		give_up(c, error, why);
	} else if (c->read_done) {
		rewind_message(c);
		if (counting)
			msv_smtp_scanned(c);
	}
	return true;
}

/* -- The end ---------------------------------------------------------------------------- */

/* The reply to the whole message: for all, or with LMTP for the next recipient. */
static void end_done(struct msv_smtp_client *c, const struct msv_smtp_reply *reply, size_t index)
{
	struct msv_smtp_verdict verdict = msv_verdict_of(MSV_SMTP_AT_END, reply);
	bool last = index + 1 == c->ends;

	c->completed = !c->chunk_failed;
	if (!c->config.lmtp) {
		msv_sending_settle_accepted(c->first, &verdict);
	} else {
		while (c->lmtp_next < c->first->message.nrecipients &&
		       !c->first->targets[c->lmtp_next].accepted)
			c->lmtp_next++;
		if (c->lmtp_next < c->first->message.nrecipients)
			msv_sending_settle(c->first, c->lmtp_next, &verdict);
	}
	if (!last)
		return;
	c->open = c->chunk_failed;
	msv_smtp_finish(c);
}

static void expect_end(struct msv_smtp_client *c)
{
	c->turn = MSV_TURN_END;
	c->end_sent = true;
	c->ends = c->config.lmtp ? c->accepted : 1;
	msv_smtp_expect(c, &end, c->ends);
	msv_smtp_note(c, "%llu octets of a message were sent", (unsigned long long)c->sent);
}

/* -- DATA ------------------------------------------------------------------------------- */

static bool send_data(struct msv_smtp_client *c, struct msv_span piece)
{
	struct msv_buf *out = &c->conn.out;
	size_t before = msv_buf_len(out);
	int error = piece.n ? msv_lines_push(&c->lines, piece.p, piece.n, out)
	                    : msv_lines_end(&c->lines, out);

	if (error) {
		give_up(c, error, NULL);
		return true;
	}
	c->sent += msv_buf_len(out) - before;
	if (!piece.n) {
		msv_buf_puts(out, ".\r\n");
		expect_end(c);
	}
	return true;
}

/* -- BDAT --------------------------------------------------------------------------------- */

static void bdat_done(struct msv_smtp_client *c, const struct msv_smtp_reply *reply, size_t index)
{
	struct msv_smtp_verdict verdict = msv_verdict_of(MSV_SMTP_AT_DATA, reply);

	(void)index;
	if (reply->code / 100 != 2 && !c->chunk_failed) {
		c->chunk_failed = true;
		msv_sending_settle_rest(c->first, &verdict);
	}
	/* What follows is refused too; its answers are waited for. */
	if (c->chunk_failed && !c->nawaits)
		msv_smtp_finish(c);
}

static void send_chunk(struct msv_smtp_client *c)
{
	char line[64];

	snprintf(
	    line, sizeof(line), "BDAT %zu%s", msv_buf_len(&c->chunk), c->chunk_last ? " LAST" : "");
	msv_smtp_say_line(c, c->chunk_last ? NULL : &bdat, 0, line, NULL);
	if (msv_conn_ended(&c->conn))
		return;
	msv_buf_put(&c->conn.out, msv_buf_data(&c->chunk), msv_buf_len(&c->chunk));
	c->sent += msv_buf_len(&c->chunk);
	msv_buf_clear(&c->chunk);
	if (c->chunk_last)
		expect_end(c);
}

/* A chunk that is full, or the last, goes when it may; true when it did. */
static bool chunk_waits(const struct msv_smtp_client *c)
{
	return c->chunk_last || msv_buf_len(&c->chunk) >= CHUNK;
}

/* With LMTP one at a time: how many replies follow the last depends on those
 * before. */
static bool may_send_chunk(const struct msv_smtp_client *c)
{
	bool pipelines = (c->hop.extensions & MSV_SMTP_EXT_PIPELINING) &&
	                 !c->config.no_pipelining && !c->config.lmtp;

	return c->nawaits < (pipelines ? CHUNKS_UNANSWERED : 1);
}

static bool fill_chunk(struct msv_smtp_client *c, struct msv_span piece)
{
	int error = piece.n ? msv_lines_push(&c->lines, piece.p, piece.n, &c->chunk)
	                    : msv_lines_end(&c->lines, &c->chunk);

	if (error)
		give_up(c, error, NULL);
	else
		c->chunk_last = !piece.n;
	return true;
}

/* -- The body ------------------------------------------------------------------------------- */

static bool put_piece(struct msv_smtp_client *c, struct msv_span piece)
{
	return c->chunking ? fill_chunk(c, piece) : send_data(c, piece);
}

/* What the conversion makes of a piece goes on. */
static bool put_converted(struct msv_smtp_client *c, struct msv_span piece)
{
	struct msv_buf out;
	const char *why = NULL;

	msv_buf_init(&out, c->conn.env);
	int error = convert(c, piece, &out, &why);
	if (error)
		give_up(c, error, why);
	else if (msv_buf_len(&out))
		put_piece(c, (struct msv_span){ msv_buf_data(&out), msv_buf_len(&out) });
	msv_buf_fini(&out);
	bool under_way = c->turn == MSV_TURN_BODY && !c->chunk_failed;
	if (!error && !piece.n && under_way && !msv_conn_ended(&c->conn))
		put_piece(c, piece);
	return true;
}

bool msv_smtp_send_body(struct msv_smtp_client *c)
{
	struct msv_span piece;
	int got;

	if (c->turn == MSV_TURN_SCAN)
		return scan(c);
	if (c->chunk_failed || !msv_conn_room(&c->conn))
		return false;
	if (c->chunking && chunk_waits(c)) {
		if (!may_send_chunk(c))
			return false;
		send_chunk(c);
		return true;
	}
	got = msv_smtp_read(c, &piece);
	if (!got)
		return false;
	if (got < 0) {
		give_up(c, got, NULL);
		return true;
	}
	return c->convert ? put_converted(c, piece) : put_piece(c, piece);
}

void msv_smtp_start_body(struct msv_smtp_client *c)
{
	rewind_message(c);
	c->turn = MSV_TURN_BODY;
	c->chunking = !c->data_said;
	c->lines.stuff = !c->chunking;
	if (c->accepted)
		return;
	/* DATA was said before it was known that nobody is accepted (RFC 2920 3.1). */
	if (c->config.lmtp) {
		msv_smtp_end_by(
		    c, MSV_SMTP_AT_DATA, 451, "4.5.0", "the server wants a message for nobody");
		return;
	}
	send_data(c, (struct msv_span){ NULL, 0 });
}

void msv_smtp_body_fini(struct msv_smtp_client *c)
{
	msv_convert_free(c->convert);
	c->convert = NULL;
	msv_buf_fini(&c->piece);
	msv_buf_fini(&c->chunk);
	c->paused = false;
}

static const struct msv_smtp_exchange end = { MSV_SMTP_AT_END, MSV_LIMIT(end_s), NULL, end_done },
                                      bdat = { MSV_SMTP_AT_DATA, MSV_LIMIT(end_s), NULL,
	                                      bdat_done };
