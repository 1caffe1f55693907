/* The envelope: what MAIL, RCPT and DATA say, and what is made of the answers. */
#include <stdio.h>
#include <string.h>

#include "codec/casefold.h"
#include "codec/idna.h"
#include "codec/token.h"
#include "codec/utf8.h"
#include "smtp/client.h"
#include "smtp/smtp.h"

static const struct msv_smtp_exchange reset, mail, rcpt, data;

static bool has(const struct msv_smtp_client *c, unsigned extension)
{
	return (c->hop.extensions & extension) != 0;
}

static bool pipelines(const struct msv_smtp_client *c)
{
	return has(c, MSV_SMTP_EXT_PIPELINING) && !c->config.no_pipelining;
}

/* -- Findings of our own ------------------------------------------------------------ */

static struct msv_smtp_verdict find(
    enum msv_smtp_stage stage, int code, const char *enhanced, const char *text)
{
	return (struct msv_smtp_verdict){
		.stage = stage,
		.code = code,
		.enhanced = enhanced,
		.text = text,
		.permanent = code >= 500,
	};
}

static void refuse(struct msv_smtp_client *c, int code, const char *enhanced, const char *text)
{
	struct msv_smtp_verdict verdict = find(MSV_SMTP_AT_MAIL, code, enhanced, text);

	msv_sending_settle_rest(c->first, &verdict);
}

static void refuse_one(
    struct msv_smtp_client *c, size_t i, int code, const char *enhanced, const char *text)
{
	struct msv_smtp_verdict verdict = find(MSV_SMTP_AT_RCPT, code, enhanced, text);

	msv_sending_settle(c->first, i, &verdict);
}

/* -- Addresses as the next hop can take them ------------------------------------------- */

/* Reads an address as given; "postmaster" alone is one too. */
static bool parse(const char *address, struct msv_smtp_mailbox *out)
{
	if (msv_smtp_mailbox_parse(address, strlen(address), out) == 0)
		return true;
	memset(out, 0, sizeof(*out));
	if (!msv_ascii_equals(address, strlen(address), "postmaster"))
		return false;
	snprintf(out->address, sizeof(out->address), "%s", address);
	snprintf(out->local, sizeof(out->local), "%s", address);
	return true;
}

static bool local_is_utf8(const struct msv_smtp_mailbox *m)
{
	return !msv_ascii_only(m->local, strlen(m->local));
}

/* The local part as written, quotes included: what stands before the domain. */
static size_t local_len(const struct msv_smtp_mailbox *m)
{
	size_t n = strlen(m->address), domain = strlen(m->domain);

	return domain ? n - domain - 1 : n;
}

/* Writes what stands between < and >; without SMTPUTF8 the domain's A-labels.
 * False: that cannot be. */
static bool write_address(const struct msv_smtp_mailbox *m, bool utf8, char out[1024])
{
	char domain[MSV_DOMAIN_SIZE];

	if (!m->utf8 || utf8) {
		snprintf(out, 1024, "%s", m->address);
		return true;
	}
	if (local_is_utf8(m) || msv_domain_to_ascii(m->domain, domain))
		return false;
	snprintf(out, 1024, "%.*s@%s", (int)local_len(m), m->address, domain);
	return true;
}

/* -- May it be sent at all? ---------------------------------------------------------------- */

/* What may not happen to the message without a promise.  A notification goes all the
 * same: better in the open than not at all (RFC 8689 5). */
static bool insists_on_tls(const struct msv_smtp_message *m)
{
	return m->requiretls && m->from && *m->from;
}

/* RFC 1870 6.3. */
static bool too_large(const struct msv_smtp_client *c, uint64_t octets)
{
	return c->hop.size_limit && octets > c->hop.size_limit;
}

static void refuse_size(struct msv_smtp_client *c)
{
	refuse(c, 552, "5.3.4", "the message is larger than the next hop takes");
}

/* The least the next hop must know; false: the message is refused. */
static bool check_message(struct msv_smtp_client *c, const struct msv_smtp_message *m)
{
	const char *tls_problem;

	if (too_large(c, m->octets))
		refuse_size(c);
	else if (m->smtputf8 && !has(c, MSV_SMTP_EXT_SMTPUTF8))
		refuse(c, 553, "5.6.7", "the next hop takes no message with UTF-8 in its header");
	else if (insists_on_tls(m) && !msv_tls_verified(&c->conn, &tls_problem))
		refuse(c, 550, "5.7.10", "REQUIRETLS: the next hop is not verified by TLS");
	else if (insists_on_tls(m) && !has(c, MSV_SMTP_EXT_REQUIRETLS))
		refuse(c, 550, "5.7.30", "REQUIRETLS: the next hop does not promise to keep it");
	else if (m->body_8bit && !has(c, MSV_SMTP_EXT_8BITMIME) && m->has_dkim_signature)
		refuse(c, 554, "5.6.3",
		    "the next hop takes 7 bits alone, and a signed message is not converted");
	else
		return true;
	return false;
}

/* Our own sender: permanent, it will not get better. */
static bool check_sender(struct msv_smtp_client *c, const char *from)
{
	struct msv_smtp_mailbox m;
	char address[1024];

	if (!*from)
		return true;
	if (!parse(from, &m)) {
		refuse(c, 553, "5.1.7", "the sender is no address");
		return false;
	}
	if (local_is_utf8(&m) && has(c, MSV_SMTP_EXT_SMTPUTF8))
		c->utf8 = true;
	if (write_address(&m, has(c, MSV_SMTP_EXT_SMTPUTF8), address))
		return true;
	refuse(c, 553, "5.6.7", "the next hop takes no sender beyond ASCII");
	return false;
}

/* Recipients that cannot be said get their verdict. */
static void check_recipient(struct msv_smtp_client *c, size_t i)
{
	struct msv_smtp_mailbox m;
	char address[1024];

	if (!parse(c->first->targets[i].address, &m))
		refuse_one(c, i, 553, "5.1.3", "the recipient is no address");
	else if (!write_address(&m, has(c, MSV_SMTP_EXT_SMTPUTF8), address))
		refuse_one(c, i, 553, "5.6.7", "the next hop takes no recipient beyond ASCII");
	else if (local_is_utf8(&m))
		c->utf8 = true;
}

static void domain_of(const char *address, char out[MSV_DOMAIN_SIZE])
{
	struct msv_smtp_mailbox m;

	if (!parse(address, &m) || msv_domain_to_ascii(m.domain, out))
		out[0] = '\0';
}

/* LIMITS (RFC 9422): what is beyond waits for the next transaction.  One domain
 * at a time is kept, which serves RCPTDOMAINMAX=1; more of them are counted as
 * they change. */
static void apply_limits(struct msv_smtp_client *c)
{
	struct msv_smtp_verdict later =
	    find(MSV_SMTP_AT_RCPT, 452, "4.5.3", "the next hop takes no more recipients a message");
	struct msv_smtp_sending *s = c->first;
	char last[MSV_DOMAIN_SIZE] = "", domain[MSV_DOMAIN_SIZE];
	uint32_t n = 0, domains = 0;

	later.untried = true;
	for (size_t i = 0; i < s->message.nrecipients; i++) {
		if (s->targets[i].settled)
			continue;
		uint32_t more = 0;
		if (c->hop.rcpt_domain_max) {
			domain_of(s->targets[i].address, domain);
			more = n == 0 || strcmp(domain, last) != 0;
		}
		if ((c->hop.rcpt_max && n >= c->hop.rcpt_max) ||
		    (c->hop.rcpt_domain_max && domains + more > c->hop.rcpt_domain_max)) {
			msv_sending_settle(s, i, &later);
			continue;
		}
		if (more)
			memcpy(last, domain, sizeof(last));
		domains += more;
		n++;
	}
}

static bool any_left(const struct msv_smtp_client *c)
{
	for (size_t i = 0; i < c->first->message.nrecipients; i++)
		if (!c->first->targets[i].settled)
			return true;
	return false;
}

static void forget(struct msv_smtp_client *c)
{
	c->utf8 = c->first->message.smtputf8 && has(c, MSV_SMTP_EXT_SMTPUTF8);
	c->body_8bit = false;
	c->mail_said = c->mail_answered = c->mail_refused = c->data_said = false;
	c->next_target = c->accepted = c->lmtp_next = 0;
	c->end_sent = c->uncertain = c->completed = c->chunk_failed = false;
}

void msv_smtp_begin(struct msv_smtp_client *c)
{
	const struct msv_smtp_message *m = &c->first->message;

	forget(c);
	c->turn = MSV_TURN_ENVELOPE;
	c->octets = m->octets;
	if (check_message(c, m) && check_sender(c, m->from)) {
		for (size_t i = 0; i < m->nrecipients; i++)
			check_recipient(c, i);
		apply_limits(c);
	}
	if (!any_left(c)) {
		msv_smtp_answer_first(c);
		return;
	}
	if (m->body_8bit && !has(c, MSV_SMTP_EXT_8BITMIME))
		msv_smtp_start_scan(c);
	else
		c->body_8bit = m->body_8bit;
}

void msv_smtp_scanned(struct msv_smtp_client *c)
{
	c->turn = MSV_TURN_ENVELOPE;
	if (!too_large(c, c->octets))
		return;
	refuse_size(c);
	msv_smtp_finish(c);
}

/* -- Parameters ------------------------------------------------------------------------------- */

/* xtext (RFC 3461 4). */
static void put_xtext(struct msv_buf *out, const char *text)
{
	for (const char *p = text; *p; p++) {
		if (*p > 0x20 && *p < 0x7f && *p != '+' && *p != '=')
			msv_buf_putc(out, *p);
		else
			msv_buf_printf(out, "+%02X", (unsigned char)*p);
	}
}

/* ORCPT of an address beyond ASCII: utf-8-addr-xtext (RFC 6533 3), which needs no
 * SMTPUTF8. */
static void put_utf8_orcpt(struct msv_buf *out, const char *text)
{
	size_t n = strlen(text);
	uint32_t cp;

	msv_buf_puts(out, "utf-8;");
	for (size_t i = 0; i < n;) {
		int len = msv_utf8_get(text + i, n - i, &cp);
		if (len <= 0)
			cp = 0xfffd;
		if (cp > 0x20 && cp < 0x7f && cp != '\\' && cp != '+' && cp != '=')
			msv_buf_putc(out, (char)cp);
		else
			msv_buf_printf(out, "\\x{%02X}", (unsigned)cp);
		i += len > 0 ? (size_t)len : len < 0 ? (size_t)-len : 1;
	}
}

static bool type_valid(const char *p, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (!msv_is_token(p[i]) || p[i] == '+' || p[i] == '=' || !msv_ascii_only(p + i, 1))
			return false;
	return n > 0;
}

/* RFC 3461 4.2: at most 500 characters. */
static void put_orcpt(struct msv_buf *out, const char *orcpt)
{
	const char *semicolon = strchr(orcpt, ';');
	size_t before = msv_buf_len(out);

	if (!semicolon || !type_valid(orcpt, (size_t)(semicolon - orcpt)))
		return;
	msv_buf_puts(out, " ORCPT=");
	if (msv_ascii_only(semicolon, strlen(semicolon))) {
		msv_buf_put(out, orcpt, (size_t)(semicolon + 1 - orcpt));
		put_xtext(out, semicolon + 1);
	} else {
		put_utf8_orcpt(out, semicolon + 1);
	}
	if (msv_buf_len(out) - before > 7 + 500)
		msv_buf_truncate(out, before);
}

static void put_notify(struct msv_buf *out, unsigned notify)
{
	static const struct {
		unsigned bit;
		const char *word;
	} words[] = { { MSV_NOTIFY_SUCCESS, "SUCCESS" }, { MSV_NOTIFY_FAILURE, "FAILURE" },
		{ MSV_NOTIFY_DELAY, "DELAY" } };
	const char *comma = "";

	if (!notify)
		return;
	msv_buf_puts(out, " NOTIFY=");
	if (notify & MSV_NOTIFY_NEVER)
		msv_buf_puts(out, "NEVER");
	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]) && !(notify & MSV_NOTIFY_NEVER);
	     i++)
		if (notify & words[i].bit) {
			msv_buf_printf(out, "%s%s", comma, words[i].word);
			comma = ",";
		}
}

/* RFC 4954 5: a mailbox that can be said, else "<>". */
static void put_auth(struct msv_buf *out, const char *auth)
{
	struct msv_smtp_mailbox m;

	msv_buf_puts(out, " AUTH=");
	if (msv_smtp_mailbox_parse(auth, strlen(auth), &m) == 0 && !m.utf8)
		put_xtext(out, m.address);
	else
		msv_buf_puts(out, "<>");
}

static void put_mail_parameters(struct msv_smtp_client *c, struct msv_buf *out)
{
	const struct msv_smtp_message *m = &c->first->message;
	const char *tls_problem;

	if (has(c, MSV_SMTP_EXT_SIZE) && c->octets)
		msv_buf_printf(out, " SIZE=%llu", (unsigned long long)c->octets);
	if (c->body_8bit)
		msv_buf_puts(out, " BODY=8BITMIME");
	if (c->utf8)
		msv_buf_puts(out, " SMTPUTF8");
	if (m->requiretls && has(c, MSV_SMTP_EXT_REQUIRETLS) &&
	    msv_tls_verified(&c->conn, &tls_problem))
		msv_buf_puts(out, " REQUIRETLS");
	if (has(c, MSV_SMTP_EXT_DSN) && m->ret != MSV_RET_NONE)
		msv_buf_puts(out, m->ret == MSV_RET_FULL ? " RET=FULL" : " RET=HDRS");
	if (has(c, MSV_SMTP_EXT_DSN) && m->envid && *m->envid && strlen(m->envid) <= 100) {
		msv_buf_puts(out, " ENVID=");
		put_xtext(out, m->envid);
	}
	if (has(c, MSV_SMTP_EXT_AUTH) && m->auth)
		put_auth(out, m->auth);
}

/* -- Commands ------------------------------------------------------------------------------------ */

/* Says a command made in a buffer. */
static void say(struct msv_smtp_client *c, const struct msv_smtp_exchange *exchange, size_t index,
    struct msv_buf *line)
{
	const char *text = msv_buf_cstr(line);

	if (text)
		msv_smtp_say_line(c, exchange, index, text, NULL);
	else
		msv_smtp_end_by(c, exchange->stage, 451, "4.3.0", "out of memory");
	msv_buf_fini(line);
}

static void say_mail(struct msv_smtp_client *c)
{
	const char *from = c->first->message.from;
	struct msv_smtp_mailbox m;
	char address[1024] = "";
	struct msv_buf line;

	if (*from && parse(from, &m))
		write_address(&m, c->utf8, address);
	msv_buf_init(&line, c->conn.env);
	msv_buf_printf(&line, "MAIL FROM:<%s>", address);
	put_mail_parameters(c, &line);
	c->mail_said = true;
	c->mails++;
	c->open = true;
	say(c, &mail, 0, &line);
}

static void say_rcpt(struct msv_smtp_client *c, size_t i)
{
	struct msv_smtp_target *target = &c->first->targets[i];
	struct msv_smtp_mailbox m;
	char address[1024] = "";
	struct msv_buf line;

	if (parse(target->address, &m))
		write_address(&m, c->utf8, address);
	msv_buf_init(&line, c->conn.env);
	msv_buf_printf(&line, "RCPT TO:<%s>", address);
	if (has(c, MSV_SMTP_EXT_DSN)) {
		put_notify(&line, target->notify);
		if (target->orcpt)
			put_orcpt(&line, target->orcpt);
	}
	target->asked = true;
	say(c, &rcpt, i, &line);
}

static bool chunks(const struct msv_smtp_client *c)
{
	return has(c, MSV_SMTP_EXT_CHUNKING) && !c->config.no_chunking;
}

static void say_data(struct msv_smtp_client *c)
{
	c->data_said = true;
	c->turn = MSV_TURN_DATA;
	msv_smtp_say_line(c, &data, 0, "DATA", NULL);
}

/* The next recipient that is to be said, or their number. */
static size_t next_target(struct msv_smtp_client *c)
{
	const struct msv_smtp_sending *s = c->first;

	while (c->next_target < s->message.nrecipients && s->targets[c->next_target].settled)
		c->next_target++;
	return c->next_target;
}

/* All recipients were said, and what may follow does. */
static bool say_rest(struct msv_smtp_client *c)
{
	if (c->nawaits) {
		/* DATA may go with the rest (RFC 2920 3.1); should no recipient be
		 * accepted it is answered no, or an empty message is sent. */
		if (!pipelines(c) || chunks(c) || c->mail_refused)
			return false;
		say_data(c);
	} else if (!c->accepted) {
		msv_smtp_finish(c);
	} else if (chunks(c)) {
		msv_smtp_start_body(c);
	} else {
		say_data(c);
	}
	return true;
}

bool msv_smtp_say_envelope(struct msv_smtp_client *c)
{
	enum { ROOM_FOR_LAST = 2 };

	if (c->nawaits && (!pipelines(c) || c->nawaits >= MSV_AWAITS_MAX - ROOM_FOR_LAST ||
	                      !msv_conn_room(&c->conn)))
		return false;
	if (c->open && !c->mail_said) {
		c->open = false;
		msv_smtp_say_line(c, &reset, 0, "RSET", NULL);
	} else if (!c->mail_said) {
		say_mail(c);
	} else if (!c->mail_refused && next_target(c) < c->first->message.nrecipients) {
		say_rcpt(c, c->next_target++);
	} else {
		return say_rest(c);
	}
	return true;
}

/* -- Answers --------------------------------------------------------------------------------------- */

static void reset_done(struct msv_smtp_client *c, const struct msv_smtp_reply *reply, size_t index)
{
	(void)c;
	(void)reply;
	(void)index;
}

static void mail_done(struct msv_smtp_client *c, const struct msv_smtp_reply *reply, size_t index)
{
	struct msv_smtp_verdict verdict = msv_verdict_of(MSV_SMTP_AT_MAIL, reply);

	(void)index;
	c->mail_answered = true;
	if (reply->code / 100 == 2)
		return;
	c->mail_refused = true;
	c->open = false;
	msv_sending_settle_rest(c->first, &verdict);
}

static void rcpt_done(struct msv_smtp_client *c, const struct msv_smtp_reply *reply, size_t index)
{
	struct msv_smtp_target *target = &c->first->targets[index];
	struct msv_smtp_verdict verdict = msv_verdict_of(MSV_SMTP_AT_RCPT, reply);

	if (target->settled)
		return;
	if (reply->code / 100 == 2) {
		target->accepted = true;
		c->accepted++;
		return;
	}
	/* RFC 5321 4.5.3.1.10: 552 once meant "too many recipients". */
	if (reply->code == 552 && c->accepted)
		verdict.code = 452;
	if (verdict.code < 500) {
		verdict.permanent = false;
		if (verdict.enhanced[0] != '4')
			verdict.enhanced = "";
	}
	msv_sending_settle(c->first, index, &verdict);
}

static void data_done(struct msv_smtp_client *c, const struct msv_smtp_reply *reply, size_t index)
{
	struct msv_smtp_verdict verdict = msv_verdict_of(MSV_SMTP_AT_DATA, reply);

	(void)index;
	if (reply->code == 354) {
		msv_smtp_start_body(c);
		return;
	}
	if (reply->code < 400)
		verdict =
		    find(MSV_SMTP_AT_DATA, 451, "4.5.0", "DATA was answered by what is no answer");
	msv_sending_settle_accepted(c->first, &verdict);
	msv_smtp_finish(c);
}

static const struct msv_smtp_exchange reset = { MSV_SMTP_AT_MAIL, MSV_LIMIT(command_s), NULL,
	reset_done };
static const struct msv_smtp_exchange mail = { MSV_SMTP_AT_MAIL, MSV_LIMIT(command_s), NULL,
	mail_done };
static const struct msv_smtp_exchange rcpt = { MSV_SMTP_AT_RCPT, MSV_LIMIT(command_s), NULL,
	rcpt_done };
static const struct msv_smtp_exchange data = { MSV_SMTP_AT_DATA, MSV_LIMIT(data_s), NULL,
	data_done };

void msv_smtp_finish(struct msv_smtp_client *c)
{
	static const struct msv_smtp_verdict lost = { .stage = MSV_SMTP_AT_RCPT,
		.code = 451,
		.enhanced = "4.3.0",
		.text = "it was not asked" };

	msv_sending_settle_rest(c->first, &lost);
	msv_smtp_answer_first(c);
}
