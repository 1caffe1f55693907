/*
 * Mailboxes and paths of MAIL and RCPT: RFC 5321 4.1.2 and 4.1.3, with the
 * characters beyond ASCII of RFC 6531 3.3.
 */
#include <arpa/inet.h>
#include <string.h>

#include "base/utf8.h"
#include "codec/casefold.h"
#include "smtp/smtp.h"

/* A place in the text. */
struct cursor {
	const char *p, *end;
};

static bool at(const struct cursor *c, char wanted)
{
	return c->p < c->end && *c->p == wanted;
}

static bool take(struct cursor *c, char wanted)
{
	if (!at(c, wanted))
		return false;
	c->p++;
	return true;
}

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

static bool is_let_dig(char c)
{
	return is_digit(c) || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

/* Passes a character beyond ASCII that may stand in an address: no C1 control. */
static bool take_utf8(struct cursor *c, struct msv_smtp_mailbox *out)
{
	uint32_t cp;

	if (c->p == c->end || !(*c->p & 0x80))
		return false;
	size_t n = msv_utf8_char(c->p, (size_t)(c->end - c->p), &cp);
	if (!n || cp < 0xa0)
		return false;
	c->p += n;
	out->utf8 = true;
	return true;
}

/* -- Local parts --------------------------------------------------------------- */

static bool is_atext(char c)
{
	return is_let_dig(c) || (c && strchr("!#$%&'*+-/=?^_`{|}~", c));
}

static bool take_atom(struct cursor *c, struct msv_smtp_mailbox *out)
{
	const char *start = c->p;

	for (;;) {
		if (c->p < c->end && is_atext(*c->p))
			c->p++;
		else if (!take_utf8(c, out))
			return c->p > start;
	}
}

/* Local-part = Dot-string = Atom *("." Atom) */
static int read_dot_string(struct cursor *c, struct msv_smtp_mailbox *out)
{
	const char *start = c->p;

	do {
		if (!take_atom(c, out))
			return MSV_ERR_FORMAT;
	} while (take(c, '.'));
	size_t n = (size_t)(c->p - start);
	if (n > MSV_SMTP_LOCAL_MAX)
		return MSV_ERR_LIMIT;
	memcpy(out->local, start, n);
	out->local[n] = '\0';
	return 0;
}

/* Quoted-string = DQUOTE *QcontentSMTP DQUOTE; the first quote is taken. */
static int read_quoted(struct cursor *c, struct msv_smtp_mailbox *out)
{
	size_t n = 0;

	while (!take(c, '"')) {
		const char *start = c->p;
		if (!take_utf8(c, out)) {
			if (take(c, '\\'))
				start = c->p;
			if (c->p == c->end || *c->p < 0x20 || *c->p > 0x7e)
				return MSV_ERR_FORMAT;
			c->p++;
		}
		size_t length = (size_t)(c->p - start);
		if (n + length > MSV_SMTP_LOCAL_MAX)
			return MSV_ERR_LIMIT;
		memcpy(out->local + n, start, length);
		n += length;
	}
	out->local[n] = '\0';
	return 0;
}

/* True when the local part can be written without quotes. */
static bool is_dot_string(const char *local)
{
	struct cursor c = { local, local + strlen(local) };
	struct msv_smtp_mailbox scratch;

	do {
		if (!take_atom(&c, &scratch))
			return false;
	} while (take(&c, '.'));
	return c.p == c.end;
}

/* -- Domains ------------------------------------------------------------------- */

/* sub-domain = Let-dig [Ldh-str] / U-label; ends at a dot or what else cannot be
 * in one. */
static bool take_label(struct cursor *c, struct msv_smtp_mailbox *out)
{
	const char *start = c->p;

	for (;;) {
		if (c->p < c->end && (is_let_dig(*c->p) || (*c->p == '-' && c->p > start)))
			c->p++;
		else if (!take_utf8(c, out))
			break;
	}
	size_t n = (size_t)(c->p - start);
	return n > 0 && n <= 63 && c->p[-1] != '-';
}

static int read_domain(struct cursor *c, struct msv_smtp_mailbox *out)
{
	const char *start = c->p;

	do {
		if (!take_label(c, out))
			return MSV_ERR_FORMAT;
	} while (take(c, '.'));
	size_t n = (size_t)(c->p - start);
	if (n > MSV_SMTP_DOMAIN_MAX)
		return MSV_ERR_LIMIT;
	for (size_t i = 0; i < n; i++)
		out->domain[i] = msv_ascii_lower(start[i]);
	out->domain[n] = '\0';
	return 0;
}

/* Writes an address of that family in its canonical form. */
static int put_ip(int family, const char *tag, const char *text, struct msv_smtp_mailbox *out)
{
	unsigned char ip[16];
	char canonical[INET6_ADDRSTRLEN];

	if (inet_pton(family, text, ip) != 1 ||
	    !inet_ntop(family, ip, canonical, sizeof(canonical)))
		return MSV_ERR_FORMAT;
	size_t t = strlen(tag), n = strlen(canonical);
	out->domain[0] = '[';
	memcpy(out->domain + 1, tag, t);
	memcpy(out->domain + 1 + t, canonical, n);
	memcpy(out->domain + 1 + t + n, "]", 2);
	return 0;
}

/* General-address-literal = Standardized-tag ":" 1*dcontent */
static int put_general(const char *text, size_t n, struct msv_smtp_mailbox *out)
{
	const char *colon = memchr(text, ':', n);

	if (!colon || colon == text || colon + 1 == text + n || colon[-1] == '-')
		return MSV_ERR_FORMAT;
	for (const char *p = text; p < colon; p++)
		if (!is_let_dig(*p) && *p != '-')
			return MSV_ERR_FORMAT;
	for (const char *p = colon + 1; p < text + n; p++)
		if (*p < 33 || *p > 126 || *p == '\\')
			return MSV_ERR_FORMAT;
	out->domain[0] = '[';
	memcpy(out->domain + 1, text, n);
	memcpy(out->domain + 1 + n, "]", 2);
	return 0;
}

/* address-literal = "[" ( IPv4 / IPv6 / General ) "]"; "[" is taken. */
static int read_literal(struct cursor *c, struct msv_smtp_mailbox *out)
{
	static const char v6[] = "IPv6:";
	const size_t v6_len = sizeof(v6) - 1;
	char text[MSV_SMTP_DOMAIN_MAX - 1];
	size_t n = 0;

	while (c->p < c->end && *c->p != ']' && *c->p != '[' && *c->p) {
		if (n + 1 == sizeof(text))
			return MSV_ERR_LIMIT;
		text[n++] = *c->p++;
	}
	text[n] = '\0';
	if (!take(c, ']'))
		return MSV_ERR_FORMAT;
	if (n > v6_len && msv_ascii_equal(text, v6_len, v6, v6_len))
		return put_ip(AF_INET6, v6, text + v6_len, out);
	if (memchr(text, ':', n))
		return put_general(text, n, out);
	return put_ip(AF_INET, "", text, out);
}

/* -- Mailboxes and paths ------------------------------------------------------- */

/* Writes the address from its parts, quoting the local part where it must be. */
static void put_address(struct msv_smtp_mailbox *out)
{
	char *to = out->address;
	bool plain = is_dot_string(out->local);

	if (!plain)
		*to++ = '"';
	for (const char *from = out->local; *from; from++) {
		if (*from == '"' || *from == '\\')
			*to++ = '\\';
		*to++ = *from;
	}
	if (!plain)
		*to++ = '"';
	if (out->domain[0]) {
		*to++ = '@';
		memcpy(to, out->domain, strlen(out->domain) + 1);
	} else {
		*to = '\0';
	}
}

static int read_local(struct cursor *c, struct msv_smtp_mailbox *out)
{
	return take(c, '"') ? read_quoted(c, out) : read_dot_string(c, out);
}

/* Mailbox = Local-part "@" ( Domain / address-literal ) */
static int read_mailbox(struct cursor *c, unsigned allow, struct msv_smtp_mailbox *out)
{
	int error = read_local(c, out);

	if (error)
		return error;
	if (take(c, '@'))
		error = take(c, '[') ? read_literal(c, out) : read_domain(c, out);
	else if (!(allow & MSV_PATH_POSTMASTER) ||
	         !msv_ascii_equals(out->local, strlen(out->local), "postmaster"))
		error = MSV_ERR_FORMAT;
	if (!error)
		put_address(out);
	return error;
}

/* A-d-l ":" = "@" Domain *( "," "@" Domain ) ":" */
static int skip_route(struct cursor *c, struct msv_smtp_mailbox *out)
{
	do {
		int error = take(c, '@') ? read_domain(c, out) : MSV_ERR_FORMAT;
		if (error)
			return error;
	} while (take(c, ','));
	out->domain[0] = '\0';
	return take(c, ':') ? 0 : MSV_ERR_FORMAT;
}

int msv_smtp_path_parse(
    const char *p, size_t n, unsigned allow, size_t *used, struct msv_smtp_mailbox *out)
{
	struct cursor c = { p, p + n };
	int error = take(&c, '<') ? 0 : MSV_ERR_FORMAT;

	memset(out, 0, sizeof(*out));
	if (!error && !((allow & MSV_PATH_NULL) && at(&c, '>'))) {
		if (at(&c, '@'))
			error = skip_route(&c, out);
		if (!error)
			error = read_mailbox(&c, allow, out);
	}
	if (!error && !take(&c, '>'))
		error = MSV_ERR_FORMAT;
	*used = (size_t)(c.p - p);
	return error;
}

int msv_smtp_mailbox_parse(const char *p, size_t n, struct msv_smtp_mailbox *out)
{
	struct cursor c = { p, p + n };

	memset(out, 0, sizeof(*out));
	int error = read_mailbox(&c, 0, out);
	return error || c.p == c.end ? error : MSV_ERR_FORMAT;
}

struct msv_smtp_address msv_smtp_address_of(const struct msv_smtp_mailbox *mailbox)
{
	return (struct msv_smtp_address){ mailbox->address, mailbox->local, mailbox->domain };
}
