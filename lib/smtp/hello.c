/* The greeting's answer: HELO, EHLO, LHLO, and what the server can do. */
#include <inttypes.h>
#include <string.h>

#include "smtp/smtp.h"

/* -- Extensions ---------------------------------------------------------------- */

static bool always(const struct msv_smtp *s)
{
	(void)s;
	return true;
}

static bool offers_pipelining(const struct msv_smtp *s)
{
	return !s->config.no_pipelining;
}

static bool offers_chunking(const struct msv_smtp *s)
{
	return !s->config.no_chunking;
}

static bool offers_smtputf8(const struct msv_smtp *s)
{
	return !s->config.no_smtputf8;
}

static bool offers_starttls(const struct msv_smtp *s)
{
	return s->config.tls && !msv_smtp_tls(s);
}

static bool offers_auth(const struct msv_smtp *s)
{
	char mechanisms[MSV_SMTP_MECHANISMS];

	msv_smtp_auth_list(s, mechanisms);
	return mechanisms[0] && !s->account;
}

static bool offers_dsn(const struct msv_smtp *s)
{
	return s->config.offer_dsn;
}

/* RFC 8689 2: only inside TLS. */
static bool offers_requiretls(const struct msv_smtp *s)
{
	return s->config.offer_requiretls && msv_smtp_tls(s);
}

static void put_size(const struct msv_smtp *s, struct msv_buf *out)
{
	msv_buf_printf(out, " %" PRIu64, s->config.message_octets_max);
}

static void put_auth(const struct msv_smtp *s, struct msv_buf *out)
{
	char mechanisms[MSV_SMTP_MECHANISMS];

	msv_smtp_auth_list(s, mechanisms);
	msv_buf_printf(out, " %s", mechanisms);
}

/* RFC 9422 4: numbers of at most six digits. */
static void put_limits(const struct msv_smtp *s, struct msv_buf *out)
{
	const uint32_t most = 999999, mails = s->config.messages_max;
	const uint32_t rcpts = s->config.recipients_max;

	msv_buf_printf(out, " MAILMAX=%" PRIu32 " RCPTMAX=%" PRIu32, mails < most ? mails : most,
	    rcpts < most ? rcpts : most);
}

static const struct extension {
	const char *keyword;
	bool (*offered)(const struct msv_smtp *s);
	void (*put)(const struct msv_smtp *s, struct msv_buf *out); /* its parameters */
} extensions[] = {
	{ "PIPELINING", offers_pipelining, NULL },                    /* RFC 2920 */
	{ "SIZE", always, put_size },                                 /* RFC 1870 */
	{ "8BITMIME", always, NULL },                                 /* RFC 6152 */
	{ "SMTPUTF8", offers_smtputf8, NULL },                        /* RFC 6531 */
	{ "CHUNKING", offers_chunking, NULL },                        /* RFC 3030 */
	{ "STARTTLS", offers_starttls, NULL },                        /* RFC 3207 */
	{ "AUTH", offers_auth, put_auth },                            /* RFC 4954 */
	{ "DSN", offers_dsn, NULL },                                  /* RFC 3461 */
	{ "REQUIRETLS", offers_requiretls, NULL },                    /* RFC 8689 */
	{ "FUTURERELEASE", msv_smtp_offers_hold, msv_smtp_put_hold }, /* RFC 4865 */
	{ "LIMITS", always, put_limits },                             /* RFC 9422 */
	{ "ENHANCEDSTATUSCODES", always, NULL },                      /* RFC 2034 */
};

/* -- The answer ---------------------------------------------------------------- */

static void put_extensions(const struct msv_smtp *s, struct msv_buf *out)
{
	for (size_t i = 0; i < sizeof(extensions) / sizeof(extensions[0]); i++) {
		const struct extension *e = &extensions[i];
		if (!e->offered(s))
			continue;
		msv_buf_printf(out, "\n%s", e->keyword);
		if (e->put)
			e->put(s, out);
	}
}

/* Takes the name for its own and says what can be done. */
static void welcome(struct msv_smtp *s, bool esmtp)
{
	struct msv_buf text;

	msv_buf_init(&text, s->conn.env);
	msv_buf_puts(&text, s->config.hostname);
	if (esmtp)
		put_extensions(s, &text);
	const char *lines = msv_buf_cstr(&text);
	if (!lines) {
		msv_smtp_reply_say(s, msv_smtp_say_error(MSV_ERR_NOMEM));
	} else {
		msv_smtp_reset(s, MSV_SMTP_RESET_COMMAND);
		msv_smtp_forget(s);
		msv_free(s->conn.env, s->helo);
		s->helo = s->helo_asked;
		s->helo_asked = NULL;
		s->esmtp = esmtp;
		s->phase = MSV_PHASE_READY;
		msv_smtp_write(s, 250, NULL, lines);
	}
	msv_buf_fini(&text);
}

static void answered(struct msv_smtp *s, const struct msv_smtp_answer *answer)
{
	if (msv_smtp_yes(answer->code))
		welcome(s, s->command->run == msv_smtp_ehlo);
	else
		msv_smtp_reply_answer(s, answer, &s->command->usual);
}

/* A name that may stand in a Received field as it is.  Not only domains and
 * literals: what clients call themselves is often neither. */
static bool name_valid(struct msv_span name)
{
	for (size_t i = 0; i < name.n; i++)
		if (name.p[i] <= 0x20 || name.p[i] >= 0x7f || strchr("()<>,;\"\\", name.p[i]))
			return false;
	return name.n <= MSV_SMTP_DOMAIN_MAX;
}

static void hello(struct msv_smtp *s, struct msv_span arg)
{
	if (!name_valid(arg)) {
		msv_smtp_reply(s, 501, "5.5.4", "that is no host name");
		return;
	}
	msv_free(s->conn.env, s->helo_asked);
	s->helo_asked = msv_strndup(s->conn.env, arg.p, arg.n);
	if (!s->helo_asked) {
		msv_smtp_reply_say(s, msv_smtp_say_error(MSV_ERR_NOMEM));
		return;
	}
	if (!s->handler.helo) {
		msv_smtp_assume(s, answered);
		return;
	}
	struct msv_reply_op op = msv_smtp_ask(s, answered);
	if (op.op)
		s->handler.helo(s->config.user, &s->conn, s->helo_asked, op);
}

void msv_smtp_helo(struct msv_smtp *s, struct msv_span arg)
{
	hello(s, arg);
}

void msv_smtp_ehlo(struct msv_smtp *s, struct msv_span arg)
{
	hello(s, arg);
}
