/* Becoming somebody: STARTTLS, LOGIN, AUTHENTICATE (RFC 3501 6.2, RFC 4959), and
 * ENABLE (RFC 5161). */
#include "imap/imap.h"

#include <string.h>

#include "codec/utf8.h"

/* -- STARTTLS ------------------------------------------------------------------------ */

/*
 * The tagged OK is the last word in the clear.  Whatever came behind the command
 * was not sent by somebody who waited for it: the connection ends.
 */
enum imap_run msv_imap_run_starttls(struct imap_session *s)
{
	if (!msv_imap_arg_end(&s->cmd.args))
		return msv_imap_bad_args(s);
	if (!s->config.tls)
		return msv_imap_bad(s, "There is no TLS here");
	if (msv_conn_filter(&s->conn, "tls"))
		return msv_imap_bad(s, "TLS is active already");
	if (msv_buf_len(&s->conn.in)) {
		msv_conn_log(&s->conn, MSV_LOG_WARN, "plain text behind STARTTLS");
		msv_imap_bye(s, "Plain text behind STARTTLS");
		return IMAP_WAIT;
	}
	msv_buf_printf(&s->conn.out, "%s OK Begin TLS now\r\n", s->cmd.tag);
	s->errors = s->auth_failures = 0;
	if (msv_tls_accept(s->config.tls, &s->conn))
		msv_conn_end(&s->conn);
	return IMAP_DONE;
}

/* -- The outcome of a login ------------------------------------------------------------ */

/* A LOGIN or AUTHENTICATE under way. */
struct attempt {
	int error;
	char name[256]; /* whose, for log and observer */
	const char *challenge;
};

static enum imap_run turn_away(struct imap_session *s)
{
	static const struct {
		int error;
		const char *text;
	} reasons[] = {
		{ MSV_ERR_AUTH, "[AUTHENTICATIONFAILED] Wrong name or password" },
		{ MSV_ERR_DENIED, "[AUTHORIZATIONFAILED] Access is not allowed" },
		{ MSV_ERR_BUSY, "[UNAVAILABLE] Too many failed logins: try again later" },
	};
	const struct msv_imap_observer *o = s->config.observer;
	const struct attempt *attempt = s->cmd.data;

	if (attempt->error == MSV_ERR_CANCELED)
		return msv_imap_bad(s, "Authentication canceled");
	if (attempt->error == MSV_ERR_FORMAT)
		return msv_imap_bad(s, "Not what the mechanism requires");
	const char *text = "[UNAVAILABLE] Temporary failure: try again later";
	for (size_t i = 0; i < sizeof(reasons) / sizeof(*reasons); i++)
		if (reasons[i].error == attempt->error)
			text = reasons[i].text;
	s->auth_failures++;
	msv_imap_log_refused_login(s, attempt->name, text);
	if (o && o->login_failed)
		o->login_failed(s->config.user, &s->conn, attempt->name, attempt->error);
	return msv_imap_no(s, "%s", text);
}

/* Logged in: the capabilities of the new state stand in the answer. */
static enum imap_run welcome(struct imap_session *s)
{
	const struct msv_imap_observer *o = s->config.observer;
	struct msv_buf text;

	msv_imap_log(s, "login", NULL);
	if (o && o->login)
		o->login(s->config.user, &s->conn, s->account);
	msv_buf_init(&text, s->conn.env);
	msv_imap_put_capability(s, &text);
	const char *capability = msv_buf_cstr(&text);
	enum imap_run run =
	    capability ? msv_imap_ok(s, "[%s] Logged in", capability) : msv_imap_nomem(s);
	msv_buf_fini(&text);
	return run;
}

/* The account of an answer becomes the session's, or the error is what is told. */
static void settle(struct imap_session *s, int error, const struct msv_account *account)
{
	struct attempt *attempt = s->cmd.data;

	attempt->error = error;
	s->cmd.run = error ? turn_away : welcome;
	if (!error && msv_imap_log_in(s, account))
		msv_imap_nomem(s);
}

static struct msv_auth_question question(const struct imap_session *s, const char *mechanism)
{
	return (struct msv_auth_question){
		.size = sizeof(struct msv_auth_question),
		.mechanism = mechanism,
		.service = "imap",
		.peer_address = s->conn.peer.address,
		.session_id = s->conn.peer.session_id,
		.tls = msv_conn_filter(&s->conn, "tls") != NULL,
	};
}

static bool refuse_in_clear(struct imap_session *s)
{
	if (msv_imap_private(s))
		return false;
	s->cmd.args.code = "PRIVACYREQUIRED";
	msv_imap_arg_fail(&s->cmd.args, "Use STARTTLS first");
	return true;
}

/* -- LOGIN ------------------------------------------------------------------------------- */

int msv_imap_login_literal(struct imap_session *s)
{
	return refuse_in_clear(s) ? -1 : 0;
}

static void login_answered(struct imap_session *s, int error, const void *account)
{
	settle(s, error, account);
}

static bool take_credentials(struct imap_session *s, const char **user, const char **password)
{
	struct imap_args *a = &s->cmd.args;
	struct msv_span u, p;

	if (!msv_imap_arg_space(a) || !msv_imap_arg_astring(a, &u) || !msv_imap_arg_space(a) ||
	    !msv_imap_arg_astring(a, &p) || !msv_imap_arg_end(a))
		return false;
	if (!msv_utf8_valid(u.p, u.n) || !msv_utf8_valid(p.p, p.n))
		return msv_imap_arg_fail(a, "Name and password must be UTF-8");
	*user = msv_arena_strndup(&s->cmd.arena, u.p, u.n);
	*password = msv_arena_strndup(&s->cmd.arena, p.p, p.n);
	return (*user && *password) || msv_imap_arg_nomem(a);
}

enum imap_run msv_imap_run_login(struct imap_session *s)
{
	struct msv_auth_question q = question(s, "LOGIN");

	if (refuse_in_clear(s) || !take_credentials(s, &q.user, &q.password))
		return msv_imap_bad_args(s);
	struct attempt *attempt = msv_imap_data(s, sizeof(*attempt), NULL);
	if (!attempt)
		return IMAP_WAIT;
	memcpy(attempt->name, q.user, strnlen(q.user, sizeof(attempt->name) - 1));
	struct msv_op *op = msv_imap_ask(s, login_answered);
	if (op)
		s->config.auth->verify(s->config.auth->self, &q, (struct msv_auth_op){ op });
	return IMAP_WAIT;
}

/* -- AUTHENTICATE -------------------------------------------------------------------------- */

static enum imap_run read_response(struct imap_session *s);

static enum imap_run send_challenge(struct imap_session *s)
{
	msv_imap_go_on(s, ((struct attempt *)s->cmd.data)->challenge);
	s->cmd.run = read_response;
	return IMAP_AGAIN;
}

static void sasl_answered(struct imap_session *s, int error, const void *answer)
{
	const struct msv_sasl_result *result = answer;
	struct attempt *attempt = s->cmd.data;

	const char *name = msv_sasl_user(s->sasl);
	memcpy(attempt->name, name, strnlen(name, sizeof(attempt->name) - 1));
	if (error || !result->challenge) {
		settle(s, error, error ? NULL : result->account);
		return;
	}
	s->cmd.run = send_challenge;
	attempt->challenge =
	    msv_arena_strndup(&s->cmd.arena, result->challenge, strlen(result->challenge));
	if (!attempt->challenge)
		msv_imap_nomem(s);
}

static enum imap_run sasl_step(struct imap_session *s, const char *p, size_t n)
{
	struct msv_op *op = msv_imap_ask(s, sasl_answered);

	if (op)
		msv_sasl_step(s->sasl, p, n, (struct msv_sasl_op){ op });
	return IMAP_WAIT;
}

static enum imap_run read_response(struct imap_session *s)
{
	struct msv_span line;
	size_t used;
	int got = msv_imap_read_line(s, &line, &used);

	if (got < 0)
		msv_imap_bye(s, "The line is too long");
	else if (!got && s->conn.eof)
		msv_conn_end(&s->conn);
	if (got <= 0)
		return IMAP_WAIT;
	sasl_step(s, line.p, line.n);
	msv_buf_consume(&s->conn.in, used);
	return IMAP_WAIT;
}

static void end_sasl(struct imap_session *s, void *data)
{
	(void)data;
	msv_sasl_free(s->sasl);
	s->sasl = NULL;
}

/* The mechanism, and an initial response when there is one (RFC 4959). */
static bool take_mechanism(struct imap_session *s, const char **name, struct msv_span *initial)
{
	struct imap_args *a = &s->cmd.args;
	struct msv_span mechanism;

	*initial = (struct msv_span){ NULL, 0 };
	if (!msv_imap_arg_space(a) || !msv_imap_arg_atom(a, &mechanism))
		return false;
	if (msv_imap_arg_if(a, ' ')) {
		*initial = (struct msv_span){ a->p, (size_t)(a->end - a->p) };
		a->p = a->end;
	}
	if (!msv_imap_arg_end(a))
		return false;
	*name = msv_arena_strndup(&s->cmd.arena, mechanism.p, mechanism.n);
	return *name || msv_imap_arg_nomem(a);
}

enum imap_run msv_imap_run_authenticate(struct imap_session *s)
{
	const char *mechanism;
	struct msv_span initial;

	if (refuse_in_clear(s) || !take_mechanism(s, &mechanism, &initial))
		return msv_imap_bad_args(s);
	struct msv_auth_question q = question(s, NULL);
	if (!msv_imap_data(s, sizeof(struct attempt), end_sasl))
		return IMAP_WAIT;
	int error = msv_sasl_new(s->conn.env, s->config.auth, mechanism, &q, &s->sasl);
	if (error == MSV_ERR_UNSUPPORTED)
		return msv_imap_no(s, "[CANNOT] No such mechanism is offered");
	if (error)
		return msv_imap_nomem(s);
	return sasl_step(s, initial.p, initial.n);
}

/* -- ENABLE -------------------------------------------------------------------------------- */

enum imap_run msv_imap_run_enable(struct imap_session *s)
{
	struct imap_args *a = &s->cmd.args;
	struct msv_span name;
	const char *arguments = a->p;

	do {
		if (!msv_imap_arg_space(a) || !msv_imap_arg_atom(a, &name))
			return msv_imap_bad_args(s);
	} while (!msv_imap_arg_at_end(a));
	a->p = arguments;
	msv_buf_puts(&s->conn.out, "* ENABLED");
	while (msv_imap_arg_if(a, ' ') && msv_imap_arg_atom(a, &name)) {
		if (msv_imap_enable(s, name))
			msv_buf_printf(&s->conn.out, " %.*s", (int)name.n, name.p);
	}
	msv_buf_puts(&s->conn.out, "\r\n");
	return msv_imap_ok(s, NULL);
}
