/* AUTH (RFC 4954): a SASL exchange, line by line. */
#include <string.h>

#include "smtp/smtp.h"

enum { AUTH_LINE_MAX = 12288 + 2 }; /* RFC 4954 4 */

static bool in_clear(const struct msv_smtp *s)
{
	return !msv_smtp_tls(s) && !s->config.auth_in_clear;
}

void msv_smtp_auth_list(const struct msv_smtp *s, char *buf)
{
	*buf = '\0';
	if (s->config.auth && !in_clear(s))
		msv_sasl_list(s->config.auth, buf, MSV_SMTP_MECHANISMS);
}

bool msv_smtp_must_log_in(const struct msv_smtp *s)
{
	return s->config.role == MSV_SMTP_SUBMISSION && !s->config.no_auth_needed && !s->account;
}

/* -- The exchange -------------------------------------------------------------- */

static bool read_response(struct msv_smtp *s);

/* What a failed exchange is answered. */
static const struct msv_smtp_say *say_failure(int error)
{
	static const struct {
		int error;
		struct msv_smtp_say say;
	} words[] = {
		{ MSV_ERR_AUTH, { 535, "5.7.8", "wrong user name or password" } },
		{ MSV_ERR_DENIED, { 535, "5.7.8", "that is not allowed to this user" } },
		{ MSV_ERR_FORMAT, { 501, "5.5.2", "that is no response the mechanism knows" } },
		{ MSV_ERR_CANCELED, { 501, "5.7.0", "login canceled" } },
		{ MSV_ERR_UNSUPPORTED, { 504, "5.5.4", "no such mechanism" } },
		{ MSV_ERR_BUSY, { 454, "4.7.0", "too many failed logins, try again later" } },
		{ MSV_ERR_NOMEM, { 454, "4.7.0", "out of memory, try again later" } },
	};
	static const struct msv_smtp_say other = { 454, "4.7.0",
		"logins are not possible now, try again later" };

	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
		if (words[i].error == error)
			return &words[i].say;
	return &other;
}

static void end_exchange(struct msv_smtp *s)
{
	msv_sasl_free(s->sasl);
	s->sasl = NULL;
	s->read = msv_smtp_read_command;
}

static void fail(struct msv_smtp *s, const struct msv_smtp_say *say)
{
	msv_smtp_reply_say(s, say); /* the log names who it was */
	end_exchange(s);
	if (say->code == 535 && ++s->auth_failures >= s->config.auth_failures_max)
		msv_smtp_hang_up(s, "4.7.0", "too many failed logins");
}

/* A challenge is all that stands in its line, whatever its length. */
static void challenge(struct msv_smtp *s, const char *text)
{
	msv_buf_printf(&s->conn.out, "334 %s\r\n", text);
	s->read = read_response;
}

static void answered(struct msv_smtp *s, const struct msv_smtp_answer *answer)
{
	if (answer->code == 334) {
		challenge(s, answer->text);
	} else if (!answer->code) {
		end_exchange(s);
		msv_smtp_log(s, MSV_LOG_INFO, "login", NULL);
		msv_smtp_reply_say(s, &s->command->usual);
	} else {
		struct msv_smtp_say say = { answer->code, answer->enhanced, answer->text };
		fail(s, &say);
	}
}

/* The completion of a step: keeps what it brought. */
static void on_step(void *user, int error, const void *data)
{
	struct msv_smtp *s = user;
	const struct msv_sasl_result *result = data;

	s->op = NULL;
	if (!error && result->challenge) {
		msv_smtp_keep(s, &(struct msv_smtp_say){ 334, NULL, result->challenge });
		if (!s->answer.text)
			error = MSV_ERR_NOMEM;
	} else if (!error) {
		s->account = msv_account_copy(s->conn.env, result->account);
		msv_smtp_keep(s, &(struct msv_smtp_say){ 0, NULL, NULL });
		if (!s->account)
			error = MSV_ERR_NOMEM;
	}
	if (error)
		msv_smtp_keep(s, say_failure(error));
}

/* Hands what the client said to the mechanism; text NULL: nothing yet. */
static void step(struct msv_smtp *s, const char *text, size_t n)
{
	struct msv_sasl_op op = { msv_op_new(s->conn.env, on_step, s) };

	s->then = answered;
	s->op = op.op;
	if (op.op)
		msv_sasl_step(s->sasl, text, n, op);
	else
		fail(s, say_failure(MSV_ERR_NOMEM));
}

static bool read_response(struct msv_smtp *s)
{
	static const struct msv_smtp_say too_long = { 500, "5.5.6", "that line is too long" },
	                                 no_line = { 501, "5.5.2", "lines must end in CRLF" };
	struct msv_span line;

	switch (msv_smtp_line_next(s, AUTH_LINE_MAX, &line)) {
	case MSV_LINE_NONE:
		return false;
	case MSV_LINE_LONG:
		fail(s, &too_long);
		break;
	case MSV_LINE_LF:
		fail(s, &no_line);
		break;
	case MSV_LINE_BYTES:
	case MSV_LINE_READY:
		step(s, line.p, line.n);
		break;
	}
	msv_smtp_line_done(s);
	return true;
}

/* -- The command --------------------------------------------------------------- */

static int start(struct msv_smtp *s, struct msv_span mechanism)
{
	char name[32];
	struct msv_auth_question question = {
		.size = sizeof(question),
		.service = msv_smtp_protocol(s),
		.peer_address = s->conn.peer.address,
		.session_id = s->conn.peer.session_id,
		.tls = msv_smtp_tls(s),
	};

	if (mechanism.n >= sizeof(name))
		return MSV_ERR_UNSUPPORTED;
	memcpy(name, mechanism.p, mechanism.n);
	name[mechanism.n] = '\0';
	return msv_sasl_new(s->conn.env, s->config.auth, name, &question, &s->sasl);
}

void msv_smtp_auth(struct msv_smtp *s, struct msv_span arg)
{
	static const struct msv_smtp_say not_here = { 502, "5.5.1", "nobody logs in here" },
	                                 again = { 503, "5.5.1", "you are logged in already" },
	                                 needs_tls = { 538, "5.7.11",
		                                 "say STARTTLS first: no passwords in the clear" };
	const char *space = memchr(arg.p, ' ', arg.n);
	struct msv_span mechanism = { arg.p, space ? (size_t)(space - arg.p) : arg.n };
	struct msv_span initial = { arg.p + mechanism.n, arg.n - mechanism.n };
	int error;

	for (; initial.n && *initial.p == ' '; initial.n--)
		initial.p++;
	if (!s->config.auth)
		msv_smtp_reply_say(s, &not_here);
	else if (s->account)
		msv_smtp_reply_say(s, &again);
	else if (in_clear(s))
		msv_smtp_reply_say(s, &needs_tls);
	else if ((error = start(s, mechanism)) != 0)
		msv_smtp_reply_say(s, say_failure(error));
	else
		step(s, initial.n ? initial.p : NULL, initial.n);
}
