/* The commands, and how a line becomes one. */
#include <string.h>

#include "codec/casefold.h"
#include "smtp/smtp.h"

enum { AUTH_LINE_MAX = 12288 + 2 }; /* RFC 4954 4 */

static bool is_blank(char c)
{
	return c == ' ' || c == '\t';
}

static void rset(struct msv_smtp *s, struct msv_span arg)
{
	(void)arg;
	msv_smtp_reset(s, MSV_SMTP_RESET_COMMAND);
	msv_smtp_forget(s);
	msv_smtp_reply_say(s, &s->command->usual);
}

static void say_usual(struct msv_smtp *s, struct msv_span arg)
{
	(void)arg;
	msv_smtp_reply_say(s, &s->command->usual);
}

static void vrfy_answered(struct msv_smtp *s, const struct msv_smtp_answer *answer)
{
	msv_smtp_reply_answer(s, answer, &s->command->usual);
}

/* Takes off the parameter that asks for replies beyond ASCII (RFC 6531 3.7.4.2),
 * which are not given. */
static struct msv_span without_smtputf8(struct msv_span arg)
{
	static const char word[] = " SMTPUTF8";
	const size_t n = sizeof(word) - 1;

	if (arg.n > n && msv_ascii_equal(arg.p + arg.n - n, n, word, n))
		arg.n -= n;
	return arg;
}

static void vrfy(struct msv_smtp *s, struct msv_span arg)
{
	arg = without_smtputf8(arg);
	if (!s->handler.vrfy) {
		msv_smtp_reply_say(s, &s->command->usual);
		return;
	}
	char *what = msv_strndup(s->conn.env, arg.p, arg.n);
	if (!what) {
		msv_smtp_reply_say(s, msv_smtp_say_error(MSV_ERR_NOMEM));
		return;
	}
	struct msv_reply_op op = msv_smtp_ask(s, vrfy_answered);
	if (op.op)
		s->handler.vrfy(s->config.user, &s->conn, what, op);
	msv_free(s->conn.env, what);
}

static void quit(struct msv_smtp *s, struct msv_span arg)
{
	(void)arg;
	msv_smtp_reset(s, MSV_SMTP_RESET_GONE);
	msv_smtp_reply_say(s, &s->command->usual);
	msv_conn_end(&s->conn);
}

/* A web browser was talked into speaking to a mail server: nothing it says next
 * may be taken for a command. */
static void browser(struct msv_smtp *s, struct msv_span arg)
{
	(void)arg;
	msv_smtp_hang_up(s, "4.7.0", "this is no web server");
}

/* Phases. */
enum {
	ANY = MSV_PHASE_START | MSV_PHASE_READY | MSV_PHASE_MAIL | MSV_PHASE_RCPT | MSV_PHASE_BDAT,
	HAS_NAME = MSV_PHASE_READY | MSV_PHASE_MAIL | MSV_PHASE_RCPT | MSV_PHASE_BDAT,
	ALWAYS = ANY | MSV_PHASE_DENIED,
};

/* Needs of the commands that carry mail. */
enum { MAILING = MSV_NEED_TLS | MSV_NEED_AUTH };

static const struct msv_smtp_command commands[] = {
	{ "HELO", ANY, MSV_NEED_ARG | MSV_NEED_SMTP, msv_smtp_helo, { 250, NULL, NULL } },
	{ "EHLO", ANY, MSV_NEED_ARG | MSV_NEED_SMTP, msv_smtp_ehlo, { 250, NULL, NULL } },
	{ "LHLO", ANY, MSV_NEED_ARG | MSV_NEED_LMTP, msv_smtp_ehlo, { 250, NULL, NULL } },
	{ "MAIL", MSV_PHASE_READY, MSV_NEED_ARG | MAILING, msv_smtp_mail,
	    { 250, "2.1.0", "sender ok" } },
	{ "RCPT", MSV_PHASE_MAIL | MSV_PHASE_RCPT, MSV_NEED_ARG | MAILING, msv_smtp_rcpt,
	    { 250, "2.1.5", "recipient ok" } },
	{ "DATA", MSV_PHASE_RCPT, MSV_NEED_NO_ARG | MAILING, msv_smtp_data,
	    { 250, "2.0.0", "message accepted" } },
	{ "BDAT", MSV_PHASE_RCPT | MSV_PHASE_BDAT, MSV_NEED_ARG | MAILING | MSV_NEED_CHUNK,
	    msv_smtp_bdat, { 250, "2.0.0", "message accepted" } },
	{ "RSET", ANY, MSV_NEED_NO_ARG, rset, { 250, "2.0.0", "ok" } },
	{ "NOOP", ANY, 0, say_usual, { 250, "2.0.0", "ok" } },
	{ "VRFY", ANY, MSV_NEED_ARG | MAILING, vrfy,
	    { 252, "2.1.5", "cannot verify, but will take mail for it" } },
	{ "EXPN", ANY, MAILING, say_usual, { 502, "5.5.1", "lists are not shown" } },
	{ "HELP", ANY, 0, say_usual,
	    { 214, "2.0.0", "EHLO tells what this server can do; see RFC 5321 and RFC 2033" } },
	{ "STARTTLS", HAS_NAME, MSV_NEED_NO_ARG, msv_smtp_starttls,
	    { 220, "2.0.0", "ready for TLS" } },
	{ "AUTH", MSV_PHASE_READY, MSV_NEED_ARG, msv_smtp_auth, { 235, "2.7.0", "logged in" } },
	{ "QUIT", ALWAYS, 0, quit, { 221, "2.0.0", "bye" } },
	{ "GET", ALWAYS, 0, browser, { 421, NULL, NULL } },
	{ "POST", ALWAYS, 0, browser, { 421, NULL, NULL } },
	{ "PUT", ALWAYS, 0, browser, { 421, NULL, NULL } },
	{ "OPTIONS", ALWAYS, 0, browser, { 421, NULL, NULL } },
	{ "CONNECT", ALWAYS, 0, browser, { 421, NULL, NULL } },
};

/* -- May it run ---------------------------------------------------------------- */

/* What is missing in a phase where a command is not allowed. */
static const struct msv_smtp_say *out_of_order(enum msv_smtp_phase phase)
{
	static const struct msv_smtp_say denied = { 503, "5.5.1", "no mail is taken from you" },
	                                 start = { 503, "5.5.1", "say EHLO first" },
	                                 ready = { 503, "5.5.1", "say MAIL first" },
	                                 mail = { 503, "5.5.1", "no valid recipients" },
	                                 nested = { 503, "5.5.1", "not within a transaction" },
	                                 chunks = { 503, "5.5.1", "a message is coming in chunks" };

	switch (phase) {
	case MSV_PHASE_DENIED:
		return &denied;
	case MSV_PHASE_START:
		return &start;
	case MSV_PHASE_READY:
		return &ready;
	case MSV_PHASE_MAIL:
		return &mail;
	case MSV_PHASE_RCPT:
		return &nested;
	case MSV_PHASE_BDAT:
		return &chunks;
	}
	return &start;
}

/* Why a command is refused, or NULL. */
static const struct msv_smtp_say *refusal(
    const struct msv_smtp *s, const struct msv_smtp_command *c, struct msv_span arg)
{
	static const struct msv_smtp_say unknown = { 500, "5.5.1", "no such command" },
	                                 no_argument = { 501, "5.5.4", "an argument is missing" },
	                                 argument = { 501, "5.5.4", "no argument is expected" },
	                                 no_tls = { 530, "5.7.0", "say STARTTLS first" },
	                                 no_auth = { 530, "5.7.0", "log in first" },
	                                 nested = { 503, "5.5.1", "not within a transaction" },
	                                 not_offered = { 502, "5.5.1",
		                                 "that command is not available" };
	bool lmtp = s->config.role == MSV_SMTP_LMTP;

	if (c->needs & (lmtp ? MSV_NEED_SMTP : MSV_NEED_LMTP))
		return &unknown;
	if ((c->needs & MSV_NEED_CHUNK) && s->config.no_chunking)
		return &not_offered;
	if (!(c->phases & s->phase)) {
		bool first = c->phases == MSV_PHASE_READY && s->phase == MSV_PHASE_MAIL;
		return first ? &nested : out_of_order(s->phase);
	}
	if ((c->needs & MSV_NEED_TLS) && s->config.require_tls && !msv_smtp_tls(s))
		return &no_tls;
	if ((c->needs & MSV_NEED_AUTH) && msv_smtp_must_log_in(s))
		return &no_auth;
	if ((c->needs & MSV_NEED_ARG) && !arg.n)
		return &no_argument;
	if ((c->needs & MSV_NEED_NO_ARG) && arg.n)
		return &argument;
	return NULL;
}

/* -- Lines --------------------------------------------------------------------- */

static const struct msv_smtp_command *find(struct msv_span name)
{
	for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]); i++)
		if (msv_ascii_equals(name.p, name.n, commands[i].name))
			return &commands[i];
	return NULL;
}

/* Parts the line into the command's name and its argument. */
static struct msv_span split(struct msv_span line, struct msv_span *arg)
{
	size_t n = 0;

	while (line.n && is_blank(line.p[line.n - 1]))
		line.n--;
	while (n < line.n && !is_blank(line.p[n]))
		n++;
	*arg = (struct msv_span){ line.p + n, line.n - n };
	while (arg->n && is_blank(*arg->p)) {
		arg->p++;
		arg->n--;
	}
	return (struct msv_span){ line.p, n };
}

static void run(struct msv_smtp *s, struct msv_span line)
{
	static const struct msv_smtp_say unknown = { 500, "5.5.1", "no such command" };
	struct msv_span arg, name = split(line, &arg);

	s->command = find(name);
	const struct msv_smtp_say *no = s->command ? refusal(s, s->command, arg) : &unknown;
	bool chunk = s->command && (s->command->needs & MSV_NEED_CHUNK);
	s->chunk_refusal = no;
	if (no && !chunk)
		msv_smtp_reply_say(s, no);
	else
		s->command->run(s, arg);
}

/* A line that cannot be a command.  If it was meant to announce a chunk the
 * chunk must not be taken for commands: the connection ends. */
static void reject(struct msv_smtp *s, bool bdat, const char *why)
{
	s->command = NULL;
	msv_smtp_reply(s, 500, "5.5.2", why);
	if (bdat)
		msv_smtp_hang_up(s, "4.7.0", "what follows cannot be told from commands");
}

/* How long the line that is coming may be. */
static size_t line_max(const struct msv_smtp *s)
{
	const char *p = msv_buf_data(&s->conn.in);

	if (msv_buf_len(&s->conn.in) >= 5 && msv_ascii_equal(p, 5, "AUTH ", 5) &&
	    s->config.line_octets_max < AUTH_LINE_MAX)
		return AUTH_LINE_MAX;
	return s->config.line_octets_max;
}

bool msv_smtp_read_command(struct msv_smtp *s)
{
	struct msv_span line;
	enum msv_smtp_line kind = msv_smtp_line_next(s, line_max(s), &line);
	bool bdat = line.n >= 4 && msv_ascii_equal(line.p, 4, "BDAT", 4);

	switch (kind) {
	case MSV_LINE_NONE:
		return false;
	case MSV_LINE_LONG:
		reject(s, s->skipped_bdat, "that line is too long");
		break;
	case MSV_LINE_LF:
		reject(s, bdat, "lines must end in CRLF, not in LF alone");
		break;
	case MSV_LINE_BYTES:
		reject(s, bdat, "control characters are not allowed");
		break;
	case MSV_LINE_READY:
		run(s, line);
		break;
	}
	msv_smtp_line_done(s);
	return true;
}
