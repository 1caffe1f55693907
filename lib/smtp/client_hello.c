/* Setting up: the greeting, EHLO and what it offers, HELO, STARTTLS. */
#include <stdio.h>
#include <string.h>

#include "codec/casefold.h"
#include "smtp/client.h"

/* -- What the next hop offers --------------------------------------------------------- */

/* Decimal digits, all of the word; false: not so. */
static bool read_number(struct msv_span word, uint64_t *out)
{
	uint64_t n = 0;

	for (size_t i = 0; i < word.n; i++) {
		unsigned digit = (unsigned char)word.p[i] - '0';
		if (digit > 9 || n > (UINT64_MAX - digit) / 10)
			return false;
		n = n * 10 + digit;
	}
	*out = n;
	return word.n > 0;
}

/* Takes the first word off a text; its n is 0 at the end. */
static struct msv_span take_word(struct msv_span *text)
{
	while (text->n && *text->p == ' ') {
		text->p++;
		text->n--;
	}
	const char *blank = text->n ? memchr(text->p, ' ', text->n) : NULL;
	struct msv_span word = { text->p, blank ? (size_t)(blank - text->p) : text->n };
	text->p += word.n;
	text->n -= word.n;
	return word;
}

/* RFC 1870 4: 0 is no limit. */
static void read_size(struct msv_next_hop *hop, struct msv_span text)
{
	uint64_t n;

	if (read_number(take_word(&text), &n))
		hop->size_limit = n;
}

static void read_auth(struct msv_next_hop *hop, struct msv_span text)
{
	size_t used = strlen(hop->mechanisms), room = sizeof(hop->mechanisms) - used;

	snprintf(hop->mechanisms + used, room, "%s%.*s", used ? " " : "",
	    (int)(text.n < room ? text.n : room), text.p);
}

/* RFC 9422 3.1: NAME=number. */
static void read_limits(struct msv_next_hop *hop, struct msv_span text)
{
	const struct {
		const char *name;
		uint32_t *value;
	} limits[] = {
		{ "MAILMAX=", &hop->mail_max },
		{ "RCPTMAX=", &hop->rcpt_max },
		{ "RCPTDOMAINMAX=", &hop->rcpt_domain_max },
	};
	struct msv_span word;

	while ((word = take_word(&text)).n) {
		for (size_t i = 0; i < sizeof(limits) / sizeof(limits[0]); i++) {
			size_t n = strlen(limits[i].name);
			uint64_t value;
			if (word.n > n && msv_ascii_equal(word.p, n, limits[i].name, n) &&
			    read_number((struct msv_span){ word.p + n, word.n - n }, &value))
				*limits[i].value =
				    value < UINT32_MAX ? (uint32_t)value : UINT32_MAX;
		}
	}
}

static const struct extension {
	const char *keyword;
	unsigned bit;
	void (*read)(struct msv_next_hop *hop, struct msv_span parameters);
} extensions[] = {
	{ "PIPELINING", MSV_SMTP_EXT_PIPELINING, NULL },
	{ "SIZE", MSV_SMTP_EXT_SIZE, read_size },
	{ "8BITMIME", MSV_SMTP_EXT_8BITMIME, NULL },
	{ "SMTPUTF8", MSV_SMTP_EXT_SMTPUTF8, NULL },
	{ "CHUNKING", MSV_SMTP_EXT_CHUNKING, NULL },
	{ "DSN", MSV_SMTP_EXT_DSN, NULL },
	{ "ENHANCEDSTATUSCODES", MSV_SMTP_EXT_ENHANCEDSTATUSCODES, NULL },
	{ "STARTTLS", MSV_SMTP_EXT_STARTTLS, NULL },
	{ "AUTH", MSV_SMTP_EXT_AUTH, read_auth },
	{ "LIMITS", MSV_SMTP_EXT_LIMITS, read_limits },
	{ "REQUIRETLS", MSV_SMTP_EXT_REQUIRETLS, NULL },
};

/* "KEYWORD parameters"; old servers say "AUTH=LOGIN" too. */
static void read_extension(struct msv_next_hop *hop, struct msv_span line)
{
	size_t n = 0;

	while (n < line.n && line.p[n] != ' ' && line.p[n] != '=')
		n++;
	struct msv_span parameters = { line.p + n, line.n - n };
	if (parameters.n) {
		parameters.p++;
		parameters.n--;
	}
	for (size_t i = 0; i < sizeof(extensions) / sizeof(extensions[0]); i++) {
		const struct extension *e = &extensions[i];
		if (!msv_ascii_equals(line.p, n, e->keyword))
			continue;
		hop->extensions |= e->bit;
		if (e->read)
			e->read(hop, parameters);
	}
}

/* -- EHLO and HELO ------------------------------------------------------------------------ */

static void hello_done(struct msv_smtp_client *c, const struct msv_smtp_reply *reply, size_t index);

static void keep_name(char name[256], struct msv_span text)
{
	struct msv_span word = take_word(&text);

	msv_smtp_clean(word.p, word.n, name, 256);
}

static void hello_line(struct msv_smtp_client *c, struct msv_span text, bool first)
{
	if (first)
		keep_name(c->hello_host, text);
	else if (!c->helo)
		read_extension(&c->hop, text);
}

static const struct msv_smtp_exchange hello = { MSV_SMTP_AT_HELLO, MSV_LIMIT(command_s), hello_line,
	hello_done };

static void say_name(struct msv_smtp_client *c, const char *verb)
{
	char line[300];

	memset(&c->hop, 0, sizeof(c->hop));
	c->hello_host[0] = '\0';
	snprintf(line, sizeof(line), "%s %s", verb, c->config.hostname);
	msv_smtp_say_line(c, &hello, 0, line, NULL);
}

void msv_smtp_say_hello(struct msv_smtp_client *c)
{
	c->helo = false;
	say_name(c, c->config.lmtp ? "LHLO" : "EHLO");
}

/* TLS is needed and cannot be had. */
static void no_tls(struct msv_smtp_client *c, const char *why)
{
	msv_smtp_end_by(c, MSV_SMTP_AT_TLS, 454, "4.7.4", why);
}

/* -- STARTTLS (RFC 3207) -------------------------------------------------------------------- */

static void starttls_done(
    struct msv_smtp_client *c, const struct msv_smtp_reply *reply, size_t index)
{
	struct msv_tls_expect expect = { sizeof(expect), c->config.server_name,
		c->config.tls_mode == MSV_SMTP_TLS_VERIFIED };

	(void)index;
	if (reply->code != 220) {
		if (c->config.tls_mode != MSV_SMTP_TLS_OPPORTUNISTIC)
			msv_smtp_end_by_reply(c, MSV_SMTP_AT_TLS, reply);
		else
			msv_smtp_log_in(c);
		return;
	}
	if (msv_buf_len(&c->conn.in) > c->line_size) {
		/* Somebody in the middle wants it to be taken for encrypted. */
		c->tls_failed = true;
		msv_smtp_end_by(c, MSV_SMTP_AT_TLS, 454, "4.7.0",
		    "plain text came behind the answer to STARTTLS");
		return;
	}
	/* What was said in the clear counts no more (RFC 3207 4.2). */
	msv_reply_reset(c);
	memset(&c->hop, 0, sizeof(c->hop));
	if (msv_tls_client_start(c->config.tls, &c->conn, &expect) == 0)
		msv_smtp_say_hello(c);
}

static const struct msv_smtp_exchange starttls = { MSV_SMTP_AT_TLS, MSV_LIMIT(command_s), NULL,
	starttls_done };

/* EHLO was answered: encrypts, or goes on. */
static void introduced(struct msv_smtp_client *c)
{
	enum msv_smtp_tls_mode mode = c->config.tls_mode;
	bool offered = c->hop.extensions & MSV_SMTP_EXT_STARTTLS;

	if (*msv_smtp_client_tls(c)) {
		c->hop.extensions &= ~(unsigned)MSV_SMTP_EXT_STARTTLS;
		msv_smtp_log_in(c);
	} else if (mode != MSV_SMTP_TLS_OFF && offered) {
		msv_smtp_say_line(c, &starttls, 0, "STARTTLS", NULL);
	} else if (mode == MSV_SMTP_TLS_REQUIRED || mode == MSV_SMTP_TLS_VERIFIED) {
		no_tls(c, "TLS is required and not offered");
	} else {
		msv_smtp_log_in(c);
	}
}

/* A server that does not know EHLO may know HELO (RFC 5321 3.2). */
static void hello_done(struct msv_smtp_client *c, const struct msv_smtp_reply *reply, size_t index)
{
	(void)index;
	if (reply->code / 100 == 2) {
		c->hop.esmtp = !c->helo;
		introduced(c);
	} else if (reply->code >= 500 && !c->helo && !c->config.lmtp) {
		c->helo = true;
		say_name(c, "HELO");
	} else {
		msv_smtp_end_by_reply(c, MSV_SMTP_AT_HELLO, reply);
	}
}

/* -- The greeting ------------------------------------------------------------------------------ */

static void greeting_line(struct msv_smtp_client *c, struct msv_span text, bool first)
{
	if (first)
		keep_name(c->greeting_host, text);
}

static void greeting_done(
    struct msv_smtp_client *c, const struct msv_smtp_reply *reply, size_t index)
{
	(void)index;
	if (reply->code / 100 != 2)
		msv_smtp_end_by_reply(c, MSV_SMTP_AT_CONNECT, reply);
	else
		msv_smtp_say_hello(c);
}

const struct msv_smtp_exchange msv_smtp_greeting = { MSV_SMTP_AT_CONNECT, MSV_LIMIT(greeting_s),
	greeting_line, greeting_done };
