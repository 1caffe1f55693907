/* AUTH (RFC 4954), and then the session is set up. */
#include <stdio.h>
#include <string.h>

#include "smtp/client.h"

static void auth_done(struct msv_smtp_client *c, const struct msv_smtp_reply *reply, size_t index);
static void auth_line(struct msv_smtp_client *c, struct msv_span text, bool first);

static const struct msv_smtp_exchange auth = { MSV_SMTP_AT_AUTH, MSV_LIMIT(command_s), auth_line,
	auth_done };

void msv_smtp_ready(struct msv_smtp_client *c)
{
	c->ready = true;
	if (c->config.ready)
		c->config.ready(c->config.user, &c->conn);
}

static void fail(struct msv_smtp_client *c, const char *enhanced, const char *text)
{
	msv_smtp_end_by(c, MSV_SMTP_AT_AUTH, 454, enhanced, text);
}

/* -- Steps of the mechanism ------------------------------------------------------------ */

/* Says AUTH, with the initial response if there is one that fits a command line
 * (RFC 4954 4). */
static void say_auth(struct msv_smtp_client *c, const char *response)
{
	enum { LINE_MAX_SAID = 510 };
	const char *mechanism = msv_sasl_client_mechanism(c->sasl);
	char line[LINE_MAX_SAID + 1], shown[64];
	int n = response ? snprintf(line, sizeof(line), "AUTH %s %s", mechanism,
	                       *response ? response : "=")
	                 : -1;

	if (n >= 0 && n <= LINE_MAX_SAID) {
		snprintf(shown, sizeof(shown), "AUTH %s ***", mechanism);
	} else {
		if (response)
			msv_buf_puts(&c->sasl_text, response); /* said when it is asked for */
		snprintf(line, sizeof(line), "AUTH %s", mechanism);
		snprintf(shown, sizeof(shown), "AUTH %s", mechanism);
	}
	msv_smtp_say_line(c, &auth, 0, line, shown);
	explicit_bzero(line, sizeof(line));
	if (msv_buf_failed(&c->sasl_text))
		fail(c, "4.3.0", "out of memory");
}

static const char *words_of(int error)
{
	switch (error) {
	case MSV_ERR_AUTH:
		return "the server could not show that it knows the password";
	case MSV_ERR_LIMIT:
		return "the server wants too much work for a login";
	case MSV_ERR_FORMAT:
		return "the server does not keep to the mechanism of the login";
	default:
		return msv_strerror(error);
	}
}

/* What is to be said came: on the env's turn, outside step. */
static void on_reply(void *user, int error, const void *result)
{
	struct msv_smtp_client *c = user;
	const struct msv_sasl_reply *reply = result;

	c->sasl_op = NULL;
	if (msv_conn_ended(&c->conn))
		return;
	if (error)
		fail(c, "4.7.0", words_of(error));
	else if (!c->nawaits && !c->sasl_started)
		say_auth(c, reply->text);
	else
		msv_smtp_say_line(c, &auth, 0, reply->text, "***");
	c->sasl_started = true;
	c->heard = msv_env_now(c->conn.env);
	msv_conn_kick(&c->conn);
}

static void ask(struct msv_smtp_client *c, const char *text, size_t n)
{
	c->sasl_op = msv_op_new(c->conn.env, on_reply, c);
	if (!c->sasl_op)
		fail(c, "4.3.0", "out of memory");
	else
		msv_sasl_client_step(c->sasl, text, n, (struct msv_sasl_client_op){ c->sasl_op });
}

/* -- Replies ------------------------------------------------------------------------------ */

/* A challenge must be kept as it came, not as the text of a reply. */
static void auth_line(struct msv_smtp_client *c, struct msv_span text, bool first)
{
	(void)first;
	if (c->reply.code != 334 || msv_buf_len(&c->sasl_text))
		return;
	msv_buf_clear(&c->sasl_challenge);
	msv_buf_put(&c->sasl_challenge, text.p, text.n);
}

static void challenged(struct msv_smtp_client *c)
{
	struct msv_buf response = c->sasl_text, *challenge = &c->sasl_challenge;

	if (msv_buf_len(&response)) {
		const char *text = msv_buf_cstr(&response);
		msv_buf_init(&c->sasl_text, c->conn.env);
		if (text)
			msv_smtp_say_line(c, &auth, 0, text, "***");
		else
			fail(c, "4.3.0", "out of memory");
		msv_buf_fini(&response);
	} else if (msv_buf_failed(challenge)) {
		fail(c, "4.3.0", "out of memory");
	} else {
		ask(c, msv_buf_data(challenge), msv_buf_len(challenge));
	}
}

static void auth_done(struct msv_smtp_client *c, const struct msv_smtp_reply *reply, size_t index)
{
	(void)index;
	if (reply->code == 334) {
		challenged(c);
	} else if (reply->code != 235) {
		msv_smtp_end_by_reply(c, MSV_SMTP_AT_AUTH, reply);
	} else if (msv_sasl_client_finish(c->sasl)) {
		fail(c, "4.7.0", words_of(MSV_ERR_AUTH));
	} else {
		c->authenticated = true;
		msv_sasl_client_free(c->sasl);
		c->sasl = NULL;
		msv_smtp_ready(c);
	}
}

/* -- The beginning ---------------------------------------------------------------------------- */

static void start(struct msv_smtp_client *c)
{
	int error = msv_sasl_client_new(
	    c->conn.env, c->hop.mechanisms, c->config.username, c->config.password, &c->sasl);

	if (error == MSV_ERR_UNSUPPORTED)
		fail(
		    c, "4.7.0", "a login is asked of us, but none of its mechanisms is known here");
	else if (error)
		fail(c, "4.3.0", msv_strerror(error));
	else
		ask(c, NULL, 0);
}

void msv_smtp_log_in(struct msv_smtp_client *c)
{
	if (!c->config.username)
		msv_smtp_ready(c);
	else if (!(c->hop.extensions & MSV_SMTP_EXT_AUTH))
		fail(c, "4.7.0", "the server offers no login");
	else if (!*msv_smtp_client_tls(c) && !c->config.auth_in_clear)
		fail(c, "4.7.11", "no password is sent in the clear: TLS is needed for the login");
	else
		start(c);
}
