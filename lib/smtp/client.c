/* The client's session: commands and replies in order, its steps and its end. */
#include "smtp/client.h"

#include <stdio.h>
#include <string.h>

static const struct msv_proto smtp_proto, lmtp_proto;

struct msv_smtp_client *msv_smtp_client_of(const struct msv_conn *conn)
{
	bool is = conn->proto == &smtp_proto || conn->proto == &lmtp_proto;

	return is ? (struct msv_smtp_client *)conn : NULL;
}

/* -- The trace -------------------------------------------------------------------- */

/* The embedder may free the connection in it: ask msv_conn_ended(). */
void msv_smtp_trace_line(
    struct msv_smtp_client *c, enum msv_smtp_trace what, const char *p, size_t n)
{
	char line[1024];

	if (!c->config.trace || c->conn.freed)
		return;
	msv_smtp_clean(p, n, line, sizeof(line));
	c->config.trace(c->config.user, &c->conn, what, line);
}

void msv_smtp_note(struct msv_smtp_client *c, const char *fmt, ...)
{
	char line[1024];
	va_list args;

	if (!c->config.trace)
		return;
	va_start(args, fmt);
	vsnprintf(line, sizeof(line), fmt, args);
	va_end(args);
	msv_smtp_trace_line(c, MSV_SMTP_TRACE_NOTE, line, strlen(line));
}

/* -- Commands and replies ------------------------------------------------------------ */

void msv_smtp_expect(
    struct msv_smtp_client *c, const struct msv_smtp_exchange *exchange, size_t count)
{
	size_t at = (c->first_await + c->nawaits) % MSV_AWAITS_MAX;

	if (!count || c->nawaits == MSV_AWAITS_MAX)
		return;
	c->awaits[at] = (struct msv_smtp_await){ exchange, 0, count };
	c->nawaits++;
}

void msv_smtp_say_line(struct msv_smtp_client *c, const struct msv_smtp_exchange *exchange,
    size_t index, const char *line, const char *shown)
{
	if (c->nawaits == MSV_AWAITS_MAX)
		return;
	msv_buf_puts(&c->conn.out, line);
	msv_buf_puts(&c->conn.out, "\r\n");
	if (exchange) {
		msv_smtp_expect(c, exchange, 1);
		c->awaits[(c->first_await + c->nawaits - 1) % MSV_AWAITS_MAX].index = index;
	}
	shown = shown ? shown : line;
	msv_smtp_trace_line(c, MSV_SMTP_TRACE_SENT, shown, strlen(shown));
}

/* The reply to the first of what waits for one is whole. */
static void take_reply(struct msv_smtp_client *c)
{
	struct msv_smtp_await *await = &c->awaits[c->first_await];
	const struct msv_smtp_exchange *exchange = await->exchange;
	size_t index = await->index++;

	if (--await->count == 0) {
		c->first_await = (c->first_await + 1) % MSV_AWAITS_MAX;
		c->nawaits--;
	}
	if (*msv_smtp_client_tls(c) && !c->heard_in_tls) {
		const char *why = NULL;
		bool verified = msv_tls_verified(&c->conn, &why);
		c->heard_in_tls = true;
		msv_smtp_note(c, "%s, certificate %s%s", msv_smtp_client_tls(c),
		    verified ? "verified" : "not verified: ", verified ? "" : why);
	}
	if (c->reply.code == 421)
		msv_smtp_end_by_reply(c, exchange->stage, &c->reply);
	else
		exchange->done(c, &c->reply, index);
}

/* A body may be refused before its end; then nothing else can be said. */
static void refuse_unasked(struct msv_smtp_client *c, enum msv_smtp_stage stage)
{
	c->end_permanent = c->reply.code >= 500 && !c->end.code;
	msv_smtp_end_by_reply(c, stage, &c->reply);
}

/* A reply that nobody asked for. */
static void take_unasked(struct msv_smtp_client *c)
{
	enum msv_smtp_stage stage =
	    c->turn == MSV_TURN_BODY ? MSV_SMTP_AT_DATA : MSV_SMTP_AT_CONNECT;

	if (c->reply.code == 421 || (c->turn == MSV_TURN_BODY && !msv_reply_yes(&c->reply)))
		refuse_unasked(c, stage);
	else
		msv_smtp_end_by(c, stage, 451, "4.5.0", "it replied to what was not said");
}

static void take_line(struct msv_smtp_client *c, struct msv_span text, bool first)
{
	const struct msv_smtp_exchange *exchange = c->awaits[c->first_await].exchange;

	if (c->nawaits && exchange->line)
		exchange->line(c, text, first);
}

/* Reads a line of a reply; true when there was one. */
static bool read_reply(struct msv_smtp_client *c)
{
	bool first = !c->reply.begun;
	struct msv_span text;
	enum msv_reply_state state = msv_reply_next(c, &text);

	switch (state) {
	case MSV_REPLY_NONE:
		return false;
	case MSV_REPLY_BAD:
		msv_smtp_end_by(c,
		    c->nawaits ? c->awaits[c->first_await].exchange->stage : MSV_SMTP_AT_CONNECT,
		    451, "4.5.0", c->reply.text);
		return false;
	default:
		if (msv_conn_ended(&c->conn))
			return false;
		take_line(c, text, first);
		break;
	}
	if (state == MSV_REPLY_WHOLE && !msv_conn_ended(&c->conn)) {
		if (c->nawaits)
			take_reply(c);
		else
			take_unasked(c);
		msv_reply_reset(c);
		c->heard = msv_env_now(c->conn.env);
	}
	return true;
}

/* -- The end ---------------------------------------------------------------------------- */

static void keep_end(struct msv_smtp_client *c, enum msv_smtp_stage stage,
    const struct msv_smtp_reply *reply, bool remote)
{
	if (c->end.code)
		return;
	c->end = *reply;
	c->end_stage = stage;
	c->end_remote = remote;
}

void msv_smtp_end_by_reply(
    struct msv_smtp_client *c, enum msv_smtp_stage stage, const struct msv_smtp_reply *reply)
{
	keep_end(c, stage, reply, true);
	if (c->turn != MSV_TURN_BODY && c->turn != MSV_TURN_END && reply->code != 421) {
		msv_buf_puts(&c->conn.out, "QUIT\r\n");
		msv_smtp_trace_line(c, MSV_SMTP_TRACE_SENT, "QUIT", 4);
	}
	if (c->turn == MSV_TURN_BODY)
		msv_conn_break(&c->conn);
	else
		msv_conn_end(&c->conn);
}

static void keep_words(struct msv_smtp_client *c, enum msv_smtp_stage stage, int code,
    const char *enhanced, const char *text)
{
	struct msv_smtp_reply reply = { .code = code };

	snprintf(reply.enhanced, sizeof(reply.enhanced), "%s", enhanced);
	reply.ntext = msv_smtp_clean(text, strlen(text), reply.text, sizeof(reply.text));
	if (!c->end.code)
		msv_smtp_note(c, "%s", reply.text);
	keep_end(c, stage, &reply, false);
}

void msv_smtp_end_by(struct msv_smtp_client *c, enum msv_smtp_stage stage, int code,
    const char *enhanced, const char *text)
{
	keep_words(c, stage, code, enhanced, text);
	msv_smtp_cut(c);
}

/* What waits in the buffers must not go out: a body would look whole. */
void msv_smtp_cut(struct msv_smtp_client *c)
{
	msv_conn_break(&c->conn);
}

/* Where things were when the connection went away. */
static enum msv_smtp_stage stage_now(const struct msv_smtp_client *c)
{
	if (c->nawaits)
		return c->awaits[c->first_await].exchange->stage;
	if (c->turn == MSV_TURN_BODY)
		return MSV_SMTP_AT_DATA;
	return c->turn == MSV_TURN_NONE ? MSV_SMTP_AT_CONNECT : MSV_SMTP_AT_MAIL;
}

static void blame_tls(struct msv_smtp_client *c, const char *why)
{
	c->tls_failed = true;
	keep_words(c, MSV_SMTP_AT_TLS, 454, "4.7.5", why);
}

/* The connection ended by itself: finds out why. */
static void explain_end(struct msv_smtp_client *c)
{
	struct msv_conn *conn = &c->conn;
	const char *why = NULL;
	bool tls = msv_conn_filter(conn, "tls") != NULL;

	if (c->end.code)
		return;
	if (c->canceled) {
		keep_words(
		    c, stage_now(c), 451, "4.3.2", "the message under way was given up by us");
	} else if (msv_buf_failed(&conn->in) || msv_buf_failed(&conn->out) ||
	           msv_buf_failed(&conn->raw) || msv_buf_failed(&conn->wire)) {
		keep_words(c, stage_now(c), 451, "4.3.0", "out of memory");
	} else if (tls && (conn->filter_failed || !*msv_smtp_client_tls(c))) {
		msv_tls_verified(conn, &why);
		blame_tls(c, why ? why : "TLS failed");
	} else if (tls && !c->heard_in_tls) {
		/* With TLS 1.3 who does not like our handshake says so after it. */
		blame_tls(c, "the connection was lost right after the TLS handshake");
	} else {
		keep_words(c, stage_now(c), 451, "4.4.2", "the connection was lost");
	}
}

/* All messages are answered; once. */
static void answer_over(struct msv_smtp_client *c)
{
	if (c->over)
		return;
	c->over = true;
	explain_end(c);
	msv_smtp_answer_all(c);
}

/* The embedder is told behind the completions. */
static void over(struct msv_conn *conn)
{
	struct msv_smtp_client *c = (struct msv_smtp_client *)conn;

	answer_over(c);
	if (c->config.over)
		msv_env_defer(conn->env, &c->over_task);
}

static void tell_over(struct msv_task *task)
{
	struct msv_smtp_client *c =
	    (struct msv_smtp_client *)((char *)task - offsetof(struct msv_smtp_client, over_task));

	if (!c->conn.freed)
		c->config.over(c->config.user, &c->conn);
}

/* -- QUIT -------------------------------------------------------------------------------- */

static void quit_done(struct msv_smtp_client *c, const struct msv_smtp_reply *reply, size_t index)
{
	(void)reply;
	(void)index;
	msv_conn_end(&c->conn);
}

static const struct msv_smtp_exchange quit = { MSV_SMTP_AT_CONNECT, MSV_LIMIT(quit_s), NULL,
	quit_done };

static void say_quit(struct msv_smtp_client *c)
{
	struct msv_smtp_reply reply = {
		.code = 421, .enhanced = "4.3.2", .text = "the connection takes no more messages"
	};

	c->quit_said = true;
	keep_end(c, MSV_SMTP_AT_CONNECT, &reply, false);
	msv_smtp_say_line(c, &quit, 0, "QUIT", NULL);
}

/* -- Steps ------------------------------------------------------------------------------------ */

/* Says what can be said now; true when something was. */
static bool speak(struct msv_smtp_client *c)
{
	if (!c->ready || c->quit_said)
		return false;
	switch (c->turn) {
	case MSV_TURN_NONE:
		if (c->nawaits)
			return false;
		if (c->first && !(c->hop.mail_max && c->mails >= c->hop.mail_max)) {
			msv_smtp_begin(c);
			return true;
		}
		if (!c->quit && !c->first)
			return false;
		say_quit(c);
		msv_smtp_answer_all(c);
		return true;
	case MSV_TURN_SCAN:
	case MSV_TURN_BODY:
		return msv_smtp_send_body(c);
	case MSV_TURN_ENVELOPE:
		return msv_smtp_say_envelope(c);
	case MSV_TURN_DATA:
	case MSV_TURN_END:
		break;
	}
	return false;
}

/* It is our turn, and takes time: a login is computed, a body is read. */
static bool our_turn(const struct msv_smtp_client *c)
{
	return c->sasl_op || c->paused;
}

/* Speaks first, and hears nothing while it is our turn: so it makes no difference
 * in which piece a reply came, and how long we took. */
static bool advance(struct msv_smtp_client *c)
{
	if (!c->conn.eof && speak(c)) {
		c->heard = msv_env_now(c->conn.env);
		return true;
	}
	if (msv_conn_ended(&c->conn) || our_turn(c))
		return false;
	if (read_reply(c))
		return true;
	if (!c->conn.eof || msv_conn_ended(&c->conn))
		return false;
	if (c->quit_said)
		msv_conn_end(&c->conn);
	else
		msv_conn_break(&c->conn);
	return false;
}

/* -- Time ---------------------------------------------------------------------------------------- */

static uint32_t seconds(const struct msv_smtp_client *c, size_t offset)
{
	uint32_t s;

	memcpy(&s, (const char *)&c->config + offset, sizeof(s));
	return s;
}

static bool in_handshake(const struct msv_smtp_client *c)
{
	return msv_conn_filter(&c->conn, "tls") && !*msv_smtp_client_tls(c);
}

/* How long the next hop may be silent now; 0: for ever. */
static uint32_t patience(const struct msv_smtp_client *c)
{
	if (in_handshake(c))
		return c->config.tls_s;
	if (c->nawaits)
		return seconds(c, c->awaits[c->first_await].exchange->limit);
	if (c->turn == MSV_TURN_BODY && !c->paused)
		return c->config.block_s;
	if (c->ready && c->turn == MSV_TURN_NONE)
		return c->config.idle_s;
	return 0; /* it is not the next hop that takes its time */
}

static void set_deadline(struct msv_smtp_client *c)
{
	uint32_t s = patience(c);

	c->conn.deadline =
	    msv_conn_ended(&c->conn) || !s ? MSV_NEVER : c->heard + (uint64_t)s * 1000;
}

static void step(struct msv_conn *conn)
{
	struct msv_smtp_client *c = (struct msv_smtp_client *)conn;

	while (!msv_conn_ended(conn) && advance(c))
		;
	if (!msv_conn_ended(conn))
		set_deadline(c);
}

static void expire(struct msv_conn *conn)
{
	struct msv_smtp_client *c = (struct msv_smtp_client *)conn;

	if (!patience(c))
		return;
	if (c->quit_said) {
		msv_conn_end(conn);
	} else if (in_handshake(c)) {
		blame_tls(c, "timeout: the TLS handshake did not end");
		msv_smtp_cut(c);
	} else if (c->ready && c->turn == MSV_TURN_NONE && !c->nawaits) {
		say_quit(c);
		c->heard = msv_env_now(conn->env);
	} else {
		msv_smtp_end_by(c, stage_now(c), 451,
		    c->nawaits && c->hop.esmtp ? "4.4.2" : "4.4.1",
		    "timeout: nothing was heard for too long");
	}
}

/* -- What the embedder asks ------------------------------------------------------------------------- */

void msv_smtp_client_send(
    struct msv_conn *conn, const struct msv_smtp_message *message, struct msv_smtp_send_op op)
{
	struct msv_smtp_client *c = msv_smtp_client_of(conn);
	struct msv_env *env = conn->env;

	msv_env_enter(env);
	if (c)
		msv_smtp_client_take(c, message, op.op);
	else
		msv_op_answer(op.op, MSV_ERR_INVAL);
	msv_env_leave(env);
}

void msv_smtp_client_quit(struct msv_conn *conn)
{
	struct msv_smtp_client *c = msv_smtp_client_of(conn);
	struct msv_env *env = conn->env;

	if (!c)
		return;
	msv_env_enter(env);
	c->quit = true;
	msv_conn_kick(conn);
	msv_env_leave(env);
}

static void shut_down(struct msv_conn *conn, enum msv_shutdown why)
{
	struct msv_smtp_client *c = (struct msv_smtp_client *)conn;
	bool idle = c->ready && c->turn == MSV_TURN_NONE && !c->nawaits;

	(void)why;
	keep_words(c, stage_now(c), 451, "4.3.2", "the connection was given up by us");
	if (idle)
		msv_buf_puts(&conn->out, "QUIT\r\n");
	else if (c->turn == MSV_TURN_BODY)
		msv_conn_break(conn);
}

/* -- The beginning and the end of the struct --------------------------------------------------------- */

static void destroy(struct msv_conn *conn)
{
	struct msv_smtp_client *c = (struct msv_smtp_client *)conn;
	struct msv_op *op = c->sasl_op;

	c->sasl_op = NULL;
	msv_op_cancel(op);
	msv_sasl_client_free(c->sasl);
	c->sasl = NULL;
	answer_over(c);
	msv_env_undefer(conn->env, &c->over_task);
	msv_smtp_body_fini(c);
	msv_buf_fini(&c->sasl_text);
	msv_buf_fini(&c->sasl_challenge);
	msv_smtp_client_forget_config(c);
}

static const struct msv_proto smtp_proto = { "smtp-client", step, expire, shut_down,
	msv_smtp_client_conn_info, destroy, over };
static const struct msv_proto lmtp_proto = { "lmtp-client", step, expire, shut_down,
	msv_smtp_client_conn_info, destroy, over };

int msv_smtp_client_new(struct msv_env *env, const struct msv_smtp_client_config *config,
    const struct msv_peer *peer, struct msv_conn **out)
{
	struct msv_smtp_client *c = msv_alloc(env, sizeof(*c));
	int error;

	*out = NULL;
	if (!c)
		return MSV_ERR_NOMEM;
	c->conn.env = env;
	error = msv_smtp_client_take_config(c, config);
	if (error == MSV_ERR_INVAL) {
		msv_free(env, c);
		return error;
	}
	if (!error)
		error =
		    msv_conn_init(&c->conn, env, c->config.lmtp ? &lmtp_proto : &smtp_proto, peer);
	if (error) {
		msv_smtp_client_forget_config(c);
		msv_free(env, c);
		return error;
	}
	msv_buf_init(&c->piece, env);
	msv_buf_init(&c->chunk, env);
	msv_buf_init(&c->sasl_text, env);
	msv_buf_init(&c->sasl_challenge, env);
	c->over_task.fn = tell_over;
	c->heard = c->conn.started;
	msv_smtp_expect(c, &msv_smtp_greeting, 1);
	if (c->config.implicit_tls) {
		struct msv_tls_expect expect = { sizeof(expect), c->config.server_name,
			c->config.tls_mode == MSV_SMTP_TLS_VERIFIED };
		error = msv_tls_client_start(c->config.tls, &c->conn, &expect);
		if (error) {
			msv_conn_free(&c->conn);
			return error;
		}
	}
	*out = &c->conn;
	return 0;
}
