/* Parameters of MAIL and RCPT (RFC 5321 4.1.2): SIZE (RFC 1870), BODY (RFC
 * 6152), SMTPUTF8 (RFC 6531), AUTH (RFC 4954 5), REQUIRETLS (RFC 8689 2); those
 * of DSN are in params_dsn.c, of FUTURERELEASE in hold.c. */
#include <string.h>

#include "codec/casefold.h"
#include "codec/xtext.h"
#include "smtp/smtp.h"

/* A value refused, or NULL. */
typedef const struct msv_smtp_say *verdict;

const struct msv_smtp_say msv_smtp_bad_value = { 501, "5.5.4", "that parameter has no such value" };

static verdict read_size(
    const struct msv_smtp *s, struct msv_span value, struct msv_smtp_params *out)
{
	(void)s;
	if (!value.n || value.n > 20)
		return &msv_smtp_bad_value;
	for (size_t i = 0; i < value.n; i++) {
		unsigned digit = (unsigned char)value.p[i] - '0';
		if (digit > 9)
			return &msv_smtp_bad_value;
		if (out->size > (UINT64_MAX - digit) / 10)
			out->size_overflow = true;
		out->size = out->size * 10 + digit;
	}
	return NULL;
}

static verdict read_body(
    const struct msv_smtp *s, struct msv_span value, struct msv_smtp_params *out)
{
	(void)s;
	out->body_8bit = msv_ascii_equals(value.p, value.n, "8BITMIME");
	if (!out->body_8bit && !msv_ascii_equals(value.p, value.n, "7BIT"))
		return &msv_smtp_bad_value;
	return NULL;
}

static verdict read_smtputf8(
    const struct msv_smtp *s, struct msv_span value, struct msv_smtp_params *out)
{
	(void)s;
	out->smtputf8 = true;
	return value.p ? &msv_smtp_bad_value : NULL;
}

/* The mailbox is checked as strictly as any: nothing else gets in this way. */
static verdict read_auth(
    const struct msv_smtp *s, struct msv_span value, struct msv_smtp_params *out)
{
	(void)s;
	char text[MSV_SMTP_ADDRESS_MAX];
	int n = value.n ? msv_xtext_decode(value, false, text, sizeof(text)) : MSV_ERR_FORMAT;

	out->has_auth = true;
	if (n == 2 && memcmp(text, "<>", 2) == 0)
		out->auth_null = true;
	else if (n < 0 || msv_smtp_mailbox_parse(text, (size_t)n, &out->auth))
		return &msv_smtp_bad_value;
	return NULL;
}

/* Who does not talk over TLS may not ask others to (RFC 8689 2). */
static verdict read_requiretls(
    const struct msv_smtp *s, struct msv_span value, struct msv_smtp_params *out)
{
	static const struct msv_smtp_say no_tls = { 530, "5.7.10",
		"REQUIRETLS needs TLS: say STARTTLS first" };

	out->requiretls = true;
	if (value.p)
		return &msv_smtp_bad_value;
	return msv_smtp_tls(s) ? NULL : &no_tls;
}

static bool offers_utf8(const struct msv_smtp *s)
{
	return !s->config.no_smtputf8;
}

static bool offers_auth(const struct msv_smtp *s)
{
	return s->config.auth != NULL;
}

static bool offers_dsn(const struct msv_smtp *s)
{
	return s->config.offer_dsn;
}

static bool offers_requiretls(const struct msv_smtp *s)
{
	return s->config.offer_requiretls && s->config.tls;
}

static const struct param {
	const char *keyword;
	bool rcpt; /* of RCPT, else of MAIL */
	verdict (*read)(
	    const struct msv_smtp *s, struct msv_span value, struct msv_smtp_params *out);
	bool (*offered)(const struct msv_smtp *s); /* NULL: always */
} params[] = {
	{ "SIZE", false, read_size, NULL },
	{ "BODY", false, read_body, NULL },
	{ "SMTPUTF8", false, read_smtputf8, offers_utf8 },
	{ "AUTH", false, read_auth, offers_auth },
	{ "RET", false, msv_smtp_read_ret, offers_dsn },
	{ "ENVID", false, msv_smtp_read_envid, offers_dsn },
	{ "REQUIRETLS", false, read_requiretls, offers_requiretls },
	{ "HOLDFOR", false, msv_smtp_read_holdfor, msv_smtp_offers_hold },
	{ "HOLDUNTIL", false, msv_smtp_read_holduntil, msv_smtp_offers_hold },
	{ "NOTIFY", true, msv_smtp_read_notify, offers_dsn },
	{ "ORCPT", true, msv_smtp_read_orcpt, offers_dsn },
};
enum { NPARAMS = sizeof(params) / sizeof(params[0]) };

static const struct param *find(const struct msv_smtp *s, bool rcpt, struct msv_span keyword)
{
	for (size_t i = 0; i < NPARAMS; i++)
		if (params[i].rcpt == rcpt &&
		    msv_ascii_equals(keyword.p, keyword.n, params[i].keyword) &&
		    (!params[i].offered || params[i].offered(s)))
			return &params[i];
	return NULL;
}

/* Takes the next word off the text. */
static struct msv_span next_word(struct msv_span *text)
{
	while (text->n && *text->p == ' ') {
		text->p++;
		text->n--;
	}
	const char *space = text->n ? memchr(text->p, ' ', text->n) : NULL;
	struct msv_span word = { text->p, space ? (size_t)(space - text->p) : text->n };
	text->p += word.n;
	text->n -= word.n;
	return word;
}

/* Parts "KEY=value"; the value's p is NULL when there is no "=". */
static struct msv_span part(struct msv_span *word)
{
	const char *equals = memchr(word->p, '=', word->n);
	struct msv_span value = { NULL, 0 };

	if (equals) {
		value = (struct msv_span){ equals + 1, (size_t)(word->p + word->n - equals - 1) };
		word->n = (size_t)(equals - word->p);
	}
	return value;
}

const struct msv_smtp_say *msv_smtp_params_parse(
    const struct msv_smtp *s, bool rcpt, struct msv_span text, struct msv_smtp_params *out)
{
	static const struct msv_smtp_say unknown = { 555, "5.5.4",
		"that parameter is not known here" },
	                                 glued = { 501, "5.5.4",
		                                 "a space is expected behind the address" },
	                                 twice = { 501, "5.5.4",
		                                 "that parameter was given before" },
	                                 not_esmtp = { 555, "5.5.4", "parameters need EHLO" };
	bool seen[NPARAMS] = { false };
	verdict no = NULL;

	memset(out, 0, sizeof(*out));
	if (text.n && *text.p != ' ')
		return &glued;
	while (!no) {
		struct msv_span word = next_word(&text), value;
		if (!word.n)
			return NULL;
		value = part(&word);
		const struct param *p = find(s, rcpt, word);
		if (!s->esmtp)
			no = &not_esmtp;
		else if (!p)
			no = &unknown;
		else if (seen[p - params])
			no = &twice;
		else
			no = p->read(s, value, out);
		if (p)
			seen[p - params] = true;
	}
	return no;
}
