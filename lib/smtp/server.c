/* The session: its beginning, its steps and its end. */
#include <string.h>

#include "smtp/smtp.h"

static const struct msv_proto smtp_proto, submission_proto, lmtp_proto;

/* -- Greeting ------------------------------------------------------------------ */

/* Who does not wait for the greeting is no mail server. */
static bool talked_early(struct msv_smtp *s)
{
	if (!s->config.greet_delay_ms || !msv_buf_len(&s->conn.in))
		return false;
	msv_smtp_log(s, MSV_LOG_INFO, "refused", "it talked before the greeting");
	msv_smtp_write(s, 554, "5.5.1", "you talked before the greeting");
	msv_conn_end(&s->conn);
	return true;
}

static void greet(struct msv_smtp *s, const struct msv_smtp_answer *answer)
{
	const char *text = answer->text;
	char *line;

	s->read = msv_smtp_read_command;
	if (talked_early(s))
		return;
	if (answer->code == 421) {
		msv_smtp_hang_up(s, "4.3.2", text ? text : "no mail is taken now");
	} else if (!msv_smtp_yes(answer->code)) {
		s->phase = MSV_PHASE_DENIED;
		msv_smtp_log(s, MSV_LOG_INFO, "refused", text);
		msv_smtp_write(s, answer->code, NULL, text ? text : "no mail is taken from you");
	} else {
		s->phase = MSV_PHASE_START;
		line = msv_asprintf(
		    s->conn.env, "%s %s", s->config.hostname, text ? text : s->config.banner);
		msv_smtp_write(s, 220, NULL, line ? line : s->config.hostname);
		msv_free(s->conn.env, line);
	}
}

/* Waits, then asks whether the peer is welcome. */
static bool read_early(struct msv_smtp *s)
{
	if (talked_early(s))
		return true;
	if (s->greet_at == MSV_NEVER || s->greet_at > msv_env_now(s->conn.env))
		return false;
	s->greet_at = MSV_NEVER;
	msv_smtp_log(s, MSV_LOG_INFO, "connect", NULL);
	if (!s->handler.connect) {
		msv_smtp_assume(s, greet);
		return true;
	}
	struct msv_reply_op op = msv_smtp_ask(s, greet);
	if (op.op)
		s->handler.connect(s->config.user, &s->conn, op);
	return true;
}

/* -- Steps --------------------------------------------------------------------- */

static void take_answer(struct msv_smtp *s)
{
	struct msv_smtp_answer answer = s->answer;

	s->answer = (struct msv_smtp_answer){ 0 };
	s->answered = false;
	s->then(s, &answer);
	msv_smtp_answer_fini(s, &answer);
}

static void unpause(struct msv_smtp *s)
{
	s->paused = false;
	s->conn.hold_input = false;
	/* That time was not the peer's. */
	s->body.clock += msv_env_now(s->conn.env) - s->paused_at;
}

/* True when something was done and there may be more to do. */
static bool advance(struct msv_smtp *s)
{
	if (s->answered) {
		take_answer(s);
		return true;
	}
	if (s->paused && s->conn.resumed)
		unpause(s);
	if (s->op || s->paused || s->held_for != MSV_NEVER || !msv_conn_room(&s->conn))
		return false;
	if (s->read(s))
		return true;
	if (!s->conn.eof || s->paused)
		return false;
	msv_smtp_reset(s, MSV_SMTP_RESET_GONE);
	msv_conn_end(&s->conn);
	return false;
}

static void step(struct msv_conn *conn)
{
	struct msv_smtp *s = (struct msv_smtp *)conn;

	while (!msv_conn_ended(conn) && advance(s))
		s->heard = msv_env_now(conn->env);
	msv_smtp_set_deadline(s);
}

/* -- The end ------------------------------------------------------------------- */

static void say_goodbye(struct msv_conn *conn, enum msv_shutdown why)
{
	static const struct msv_smtp_say words[] = {
		[MSV_SHUTDOWN_SERVICE] = { 421, "4.3.2", "the server is going down" },
		[MSV_SHUTDOWN_KICK] = { 421, "4.7.0", "this connection is closed by the server" },
		[MSV_SHUTDOWN_OVERLOAD] = { 421, "4.3.2", "too many connections, try again later" },
	};
	const struct msv_smtp_say *say =
	    &words[why <= MSV_SHUTDOWN_OVERLOAD ? why : MSV_SHUTDOWN_SERVICE];

	struct msv_smtp *s = (struct msv_smtp *)conn;

	/* A sender who reads 421 sends a message again that may be safe already. */
	if (s->delivering) {
		s->goodbye = say;
		conn->farewell_waits = true;
	} else {
		msv_smtp_hang_up(s, say->enhanced, say->text);
	}
}

void msv_smtp_start_again(struct msv_smtp *s)
{
	struct msv_env *env = s->conn.env;

	msv_smtp_reset(s, MSV_SMTP_RESET_COMMAND);
	msv_smtp_forget(s);
	msv_free(env, s->helo);
	msv_free(env, s->helo_asked);
	msv_free(env, s->account);
	s->helo = s->helo_asked = NULL;
	s->account = NULL;
	s->esmtp = false;
	s->phase = MSV_PHASE_START;
}

static void log_end(struct msv_smtp *s)
{
	struct msv_logline l;

	msv_smtp_log_begin(&l, s, MSV_LOG_INFO, "disconnect");
	msv_logline_number(&l, "messages", s->messages);
	msv_logline_number(&l, "errors", s->errors);
	msv_logline_end(&l);
}

static void destroy(struct msv_conn *conn)
{
	struct msv_smtp *s = (struct msv_smtp *)conn;

	msv_smtp_cancel(s);
	msv_smtp_reset(s, MSV_SMTP_RESET_GONE);
	if (s->greet_at == MSV_NEVER)
		log_end(s);
	msv_sasl_free(s->sasl);
	msv_smtp_start_again(s);
	msv_smtp_answer_fini(s, &s->answer);
	msv_smtp_answer_fini(s, &s->chunk_answer);
	msv_buf_fini(&s->held);
}

/* -- Facts --------------------------------------------------------------------- */

static const char *state_word(const struct msv_smtp *s)
{
	if (s->sasl)
		return "auth";
	if (s->body.coming)
		return "body";
	switch (s->phase) {
	case MSV_PHASE_DENIED:
		return "denied";
	case MSV_PHASE_START:
		return "start";
	case MSV_PHASE_READY:
		return "idle";
	case MSV_PHASE_MAIL:
		return "mail";
	case MSV_PHASE_RCPT:
		return "rcpt";
	case MSV_PHASE_BDAT:
		return "body";
	}
	return "greeting";
}

static void conn_info(const struct msv_conn *conn, struct msv_conn_info *info)
{
	const struct msv_smtp *s = (const struct msv_smtp *)conn;

	if (s->account)
		info->user = s->account->name;
	info->state = state_word(s);
	info->memory += sizeof(*s) - sizeof(*conn) + s->answers_cap * sizeof(*s->answers);
}

static const struct msv_proto smtp_proto = { "smtp", step, msv_smtp_expire, say_goodbye, conn_info,
	destroy, NULL };
static const struct msv_proto submission_proto = { "submission", step, msv_smtp_expire, say_goodbye,
	conn_info, destroy, NULL };
static const struct msv_proto lmtp_proto = { "lmtp", step, msv_smtp_expire, say_goodbye, conn_info,
	destroy, NULL };

const char *msv_smtp_protocol(const struct msv_smtp *s)
{
	return s->conn.proto->name;
}

static const char *tls_version(const struct msv_conn *conn)
{
	const struct msv_filter *tls = msv_conn_filter(conn, "tls");
	const char *version = NULL;

	if (!tls || (tls->ops->ready && !tls->ops->ready(tls)))
		return "";
	if (tls->ops->describe)
		version = tls->ops->describe(tls);
	return version && *version ? version : "TLS";
}

bool msv_smtp_tls(const struct msv_smtp *s)
{
	return *tls_version(&s->conn);
}

/* The protocol's name in a Received field (RFC 3848, RFC 6531 4.3). */
static const char *with(const struct msv_smtp *s)
{
	static const char *const names[2][2][4] = {
		{ { "ESMTP", "ESMTPA", "ESMTPS", "ESMTPSA" },
		    { "LMTP", "LMTPA", "LMTPS", "LMTPSA" } },
		{ { "UTF8SMTP", "UTF8SMTPA", "UTF8SMTPS", "UTF8SMTPSA" },
		    { "UTF8LMTP", "UTF8LMTPA", "UTF8LMTPS", "UTF8LMTPSA" } },
	};

	if (!s->esmtp)
		return "SMTP";
	return names[s->smtputf8][s->config.role == MSV_SMTP_LMTP]
	            [2 * msv_smtp_tls(s) + (s->account != NULL)];
}

static const char *or_empty(const char *s)
{
	return s ? s : "";
}

/* The session behind a conn, NULL when it speaks something else. */
static struct msv_smtp *session_of(const struct msv_conn *conn)
{
	return conn->proto->step == step ? (struct msv_smtp *)conn : NULL;
}

void msv_smtp_session_info(const struct msv_conn *conn, struct msv_smtp_session_info *info)
{
	const struct msv_smtp *s = session_of(conn);
	size_t size = info->size;
	struct msv_smtp_session_info all = {
		.size = size,
		.session_id = conn->peer.session_id,
		.peer_address = or_empty(conn->peer.address),
		.peer_name = or_empty(conn->peer.name),
		.helo = "",
		.tls = tls_version(conn),
		.with = "",
	};

	if (s) {
		all.role = s->config.role;
		all.helo = or_empty(s->helo);
		all.esmtp = s->esmtp;
		all.account = s->account;
		all.with = with(s);
		all.messages = s->messages;
	}
	memcpy(info, &all, size < sizeof(all) ? size : sizeof(all));
}

void msv_smtp_set_transaction(struct msv_conn *conn, void *transaction)
{
	struct msv_smtp *s = session_of(conn);

	if (s)
		s->transaction = transaction;
}

void *msv_smtp_transaction(const struct msv_conn *conn)
{
	const struct msv_smtp *s = session_of(conn);

	return s ? s->transaction : NULL;
}

/* -- The beginning ------------------------------------------------------------- */

enum {
	LINE_MIN = 512,
	LINE_MIN_DSN = 2048,      /* RFC 3461 5.4: with all parameters at once */
	LINE_MAX_ALLOWED = 32768, /* a line must fit the input window */
};

/* Reads a struct of a caller whose header may be older: what it lacks is 0. */
static void take(void *out, size_t n, const void *in)
{
	size_t given;

	memcpy(&given, in, sizeof(given));
	memset(out, 0, n);
	memcpy(out, in, given < n ? given : n);
}

static uint32_t or_default(uint32_t value, uint32_t usual)
{
	return value ? value : usual;
}

static void fill_in(struct msv_smtp_config *c)
{
	if (!c->hostname)
		c->hostname = "localhost";
	if (!c->banner)
		c->banner = "ESMTP ready";
	if (!c->message_octets_max)
		c->message_octets_max = 35 * 1024 * 1024;
	c->recipients_max = or_default(c->recipients_max, 1000);
	c->messages_max = or_default(c->messages_max, 100);
	c->hops_max = or_default(c->hops_max, 100);
	c->line_octets_max = or_default(c->line_octets_max, 2048);
	uint32_t least = c->offer_dsn ? LINE_MIN_DSN : LINE_MIN;
	if (c->line_octets_max < least)
		c->line_octets_max = least;
	if (c->line_octets_max > LINE_MAX_ALLOWED)
		c->line_octets_max = LINE_MAX_ALLOWED;
	c->errors_max = or_default(c->errors_max, 20);
	c->errors_soft = or_default(c->errors_soft, 10);
	c->error_delay_ms = or_default(c->error_delay_ms, 1000);
	c->auth_failures_max = or_default(c->auth_failures_max, 3);
	c->idle_s = or_default(c->idle_s, 300);
	c->total_s = or_default(c->total_s, 3600);
	c->data_rate_min = or_default(c->data_rate_min, 64);
	if (c->future_release_max_s > MSV_SMTP_HOLDFOR_MAX)
		c->future_release_max_s = MSV_SMTP_HOLDFOR_MAX;
}

static const struct msv_proto *proto_of(enum msv_smtp_role role)
{
	if (role == MSV_SMTP_LMTP)
		return &lmtp_proto;
	return role == MSV_SMTP_SUBMISSION ? &submission_proto : &smtp_proto;
}

int msv_smtp_server_new(struct msv_env *env, const struct msv_smtp_config *config,
    const struct msv_peer *peer, struct msv_conn **out)
{
	struct msv_smtp *s = msv_alloc(env, sizeof(*s));
	int error;

	*out = NULL;
	if (!s)
		return MSV_ERR_NOMEM;
	take(&s->config, sizeof(s->config), config);
	fill_in(&s->config);
	error = MSV_ERR_INVAL;
	if (!s->config.handler || (s->config.implicit_tls && !s->config.tls))
		goto fail;
	take(&s->handler, sizeof(s->handler), s->config.handler);
	if (!s->handler.done)
		goto fail;
	error = msv_conn_init(&s->conn, env, proto_of(s->config.role), peer);
	if (error)
		goto fail;
	msv_buf_init(&s->held, env);
	s->read = read_early;
	s->held_for = MSV_NEVER;
	s->heard = s->conn.started;
	s->greet_at = s->conn.started + s->config.greet_delay_ms;
	if (s->config.account) {
		s->account = msv_account_copy(env, s->config.account);
		s->config.account = NULL;
		if (!s->account) {
			msv_conn_free(&s->conn);
			return MSV_ERR_NOMEM;
		}
	}
	if (s->config.implicit_tls) {
		error = msv_tls_accept(s->config.tls, &s->conn);
		if (error) {
			msv_conn_free(&s->conn);
			return error;
		}
	}
	*out = &s->conn;
	return 0;

fail:
	msv_free(env, s);
	return error;
}
