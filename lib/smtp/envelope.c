/* The envelope: MAIL (RFC 5321 4.1.1.2), RCPT (4.1.1.3), and its end. */
#include <string.h>

#include "codec/casefold.h"
#include "smtp/smtp.h"

static const struct msv_smtp_say not_ascii = { 553, "5.6.7",
	"addresses beyond ASCII need SMTPUTF8" };

/* Reads "FROM:" or "TO:" and the path behind it; text is what follows. */
static const struct msv_smtp_say *read_path(struct msv_smtp *s, const char *word, unsigned allow,
    const struct msv_smtp_say *bad, struct msv_span *text)
{
	static const struct msv_smtp_say too_long = { 501, "5.1.7", "that address is too long" },
	                                 form = { 501, "5.5.4",
		                                 "say MAIL FROM:<address>, RCPT TO:<address>" };
	size_t n = strlen(word), used;

	memset(&s->path, 0, sizeof(s->path));
	if (text->n < n || !msv_ascii_equal(text->p, n, word, n))
		return &form;
	/* Blanks are not allowed here, but common. */
	while (n < text->n && text->p[n] == ' ')
		n++;
	int error = msv_smtp_path_parse(text->p + n, text->n - n, allow, &used, &s->path);
	if (error) {
		s->path.address[0] = '\0';
		return error == MSV_ERR_LIMIT ? &too_long : bad;
	}
	text->p += n + used;
	text->n -= n + used;
	return NULL;
}

/* -- MAIL ---------------------------------------------------------------------- */

static void mail_answered(struct msv_smtp *s, const struct msv_smtp_answer *answer)
{
	if (msv_smtp_yes(answer->code)) {
		s->phase = MSV_PHASE_MAIL;
		msv_smtp_reply_answer(s, answer, &s->command->usual);
		return;
	}
	msv_smtp_reset(s, MSV_SMTP_RESET_REFUSED);
	msv_smtp_reply_answer(s, answer, &s->command->usual);
	msv_smtp_forget(s);
}

static const struct msv_smtp_say *check_mail(
    struct msv_smtp *s, struct msv_span arg, struct msv_smtp_params *params)
{
	static const struct msv_smtp_say bad = { 501, "5.1.7", "that is no sender's address" },
	                                 too_big = { 552, "5.3.4",
		                                 "the message is larger than this server takes" };
	const struct msv_smtp_say *no = read_path(s, "FROM:", MSV_PATH_NULL, &bad, &arg);

	if (!no)
		no = msv_smtp_params_parse(s, false, arg, params);
	if (no)
		return no;
	if (s->path.utf8 && !params->smtputf8)
		return &not_ascii;
	if (params->size_overflow || params->size > s->config.message_octets_max)
		return &too_big;
	return NULL;
}

/* What AUTH= says counts only from those who logged in (RFC 4954 5). */
static const char *trusted_auth(const struct msv_smtp *s, const struct msv_smtp_params *params)
{
	if (!params->has_auth)
		return NULL;
	return params->auth_null || !s->account ? "<>" : params->auth.address;
}

static void ask_mail(struct msv_smtp *s, const struct msv_smtp_params *params)
{
	struct msv_smtp_mail mail = {
		.size = sizeof(mail),
		.from = msv_smtp_address_of(&s->path),
		.declared_octets = params->size,
		.body_8bit = params->body_8bit,
		.smtputf8 = params->smtputf8,
		.auth = trusted_auth(s, params),
		.ret = params->ret,
		.envid = params->envid[0] ? params->envid : NULL,
		.requiretls = params->requiretls,
		.hold_until = params->hold_until,
		.hold = params->hold[0] ? params->hold : NULL,
	};

	s->open = true;
	s->transaction = NULL;
	s->smtputf8 = params->smtputf8;
	if (!s->handler.mail) {
		msv_smtp_assume(s, mail_answered);
		return;
	}
	struct msv_reply_op op = msv_smtp_ask(s, mail_answered);
	if (op.op)
		s->handler.mail(s->config.user, &s->conn, &mail, op);
	else
		s->open = false;
}

void msv_smtp_mail(struct msv_smtp *s, struct msv_span arg)
{
	struct msv_smtp_params params;

	if (++s->mails > s->config.messages_max) {
		msv_smtp_hang_up(s, "4.7.0", "enough mail on one connection, open another");
		return;
	}
	const struct msv_smtp_say *no = check_mail(s, arg, &params);
	if (!no && !(s->from = msv_strdup(s->conn.env, s->path.address)))
		no = msv_smtp_say_error(MSV_ERR_NOMEM);
	if (no)
		msv_smtp_reply_say(s, no);
	else
		ask_mail(s, &params);
}

/* -- RCPT ---------------------------------------------------------------------- */

static void rcpt_answered(struct msv_smtp *s, const struct msv_smtp_answer *answer)
{
	if (msv_smtp_yes(answer->code)) {
		s->recipients++;
		s->phase = MSV_PHASE_RCPT;
	}
	msv_smtp_reply_answer(s, answer, &s->command->usual);
}

static const struct msv_smtp_say *check_rcpt(
    struct msv_smtp *s, struct msv_span arg, struct msv_smtp_params *params)
{
	static const struct msv_smtp_say bad = { 501, "5.1.3", "that is no recipient's address" },
	                                 too_many = { 452, "4.5.3", "too many recipients" };
	const struct msv_smtp_say *no = read_path(s, "TO:", MSV_PATH_POSTMASTER, &bad, &arg);

	if (!no)
		no = msv_smtp_params_parse(s, true, arg, params);
	if (no)
		return no;
	if (s->path.utf8 && !s->smtputf8)
		return &not_ascii;
	if (s->recipients >= s->config.recipients_max)
		return &too_many;
	/* Where its answer goes, so that it cannot be lost. */
	if (s->config.role == MSV_SMTP_LMTP && msv_grow(s->conn.env, &s->answers, &s->answers_cap,
	                                           s->recipients + 1, sizeof(*s->answers)))
		return msv_smtp_say_error(MSV_ERR_NOMEM);
	return NULL;
}

void msv_smtp_rcpt(struct msv_smtp *s, struct msv_span arg)
{
	struct msv_smtp_params params;
	const struct msv_smtp_say *no = check_rcpt(s, arg, &params);

	if (no) {
		msv_smtp_reply_say(s, no);
		return;
	}
	if (!s->handler.rcpt) {
		msv_smtp_assume(s, rcpt_answered);
		return;
	}
	struct msv_smtp_rcpt rcpt = {
		.size = sizeof(rcpt),
		.to = msv_smtp_address_of(&s->path),
		.index = s->recipients,
		.notify = params.notify,
		.orcpt = params.orcpt[0] ? params.orcpt : NULL,
	};
	struct msv_reply_op op = msv_smtp_ask(s, rcpt_answered);
	if (op.op)
		s->handler.rcpt(s->config.user, &s->conn, &rcpt, op);
}

/* -- The end ------------------------------------------------------------------- */

void msv_smtp_reset(struct msv_smtp *s, enum msv_smtp_reset why)
{
	if (!s->open)
		return;
	s->open = false;
	if (s->handler.reset)
		s->handler.reset(s->config.user, &s->conn, why);
	s->transaction = NULL;
}

void msv_smtp_forget(struct msv_smtp *s)
{
	for (size_t i = 0; i < s->answers_cap; i++)
		msv_smtp_answer_fini(s, &s->answers[i]);
	msv_free(s->conn.env, s->answers);
	s->answers = NULL;
	s->answers_cap = 0;
	msv_free(s->conn.env, s->from);
	s->from = NULL;
	s->transaction = NULL;
	s->smtputf8 = false;
	s->recipients = 0;
	memset(&s->path, 0, sizeof(s->path));
	if (s->phase & (MSV_PHASE_MAIL | MSV_PHASE_RCPT | MSV_PHASE_BDAT))
		s->phase = MSV_PHASE_READY;
}
