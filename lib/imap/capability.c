/* What the server can do: one table, and when each line of it is true. */
#include "imap/imap.h"

#include <string.h>

#include "codec/casefold.h"

/* When a capability is offered: all of these must hold. */
enum {
	BEFORE_LOGIN = 1,
	AFTER_LOGIN = 2,
	CLEAR = 4,       /* no TLS yet, but to be had */
	NOT_PRIVATE = 8, /* no credentials may be sent */
	PLUS = 16,       /* LITERAL+ */
	MINUS = 32,      /* LITERAL- */
	CREATES_USES = 64,
	CAN_ENABLE = 128, /* not a condition: ENABLE turns it on */
};

static const struct {
	const char *name;
	unsigned when;
} capabilities[] = {
	{ "IMAP4rev1", 0 }, { "LITERAL+", PLUS }, /* RFC 7888 */
	{ "LITERAL-", MINUS },                    /* RFC 7888 */
	{ "SASL-IR", 0 },                         /* RFC 4959 */
	{ "ID", 0 },                              /* RFC 2971 */
	{ "ENABLE", 0 },                          /* RFC 5161 */
	{ "IDLE", 0 },                            /* RFC 2177 */
	{ "STARTTLS", BEFORE_LOGIN | CLEAR }, { "LOGINDISABLED", BEFORE_LOGIN | NOT_PRIVATE },
	{ "NAMESPACE", AFTER_LOGIN },   /* RFC 2342 */
	{ "UNSELECT", AFTER_LOGIN },    /* RFC 3691 */
	{ "UIDPLUS", AFTER_LOGIN },     /* RFC 4315 */
	{ "MOVE", AFTER_LOGIN },        /* RFC 6851 */
	{ "CHILDREN", AFTER_LOGIN },    /* RFC 3348 */
	{ "SPECIAL-USE", AFTER_LOGIN }, /* RFC 6154 */
	{ "CREATE-SPECIAL-USE", AFTER_LOGIN | CREATES_USES },
	{ "ESEARCH", AFTER_LOGIN }, /* RFC 4731 */
};
enum { CAPABILITIES = sizeof(capabilities) / sizeof(*capabilities) };

static bool has_tls(const struct imap_session *s)
{
	return msv_conn_filter(&s->conn, "tls") != NULL;
}

bool msv_imap_private(const struct imap_session *s)
{
	return s->config.login_in_clear || has_tls(s);
}

/* The conditions that hold now. */
static unsigned conditions(const struct imap_session *s)
{
	unsigned now = s->state == IMAP_NOT_AUTHENTICATED ? BEFORE_LOGIN : AFTER_LOGIN;

	if (s->config.tls && !has_tls(s))
		now |= CLEAR;
	if (!msv_imap_private(s))
		now |= NOT_PRIVATE;
	if (s->store->abilities & MSV_STORE_SPECIAL_USE)
		now |= CREATES_USES;
	return now | (s->config.literal_minus ? MINUS : PLUS);
}

/* True when a list of words holds one, in any case. */
static bool list_has(const char *list, const char *p, size_t n)
{
	while (list && *list) {
		size_t len = strcspn(list, " ");
		if (msv_ascii_equal(list, len, p, n))
			return true;
		list += len + strspn(list + len, " ");
	}
	return false;
}

bool msv_imap_offers(const struct imap_session *s, const char *name)
{
	return !list_has(s->config.hide, name, strlen(name));
}

/* " AUTH=..." for each mechanism. */
static void put_mechanisms(struct imap_session *s, struct msv_buf *out)
{
	char list[256];

	msv_sasl_list(s->config.auth, list, sizeof(list));
	for (const char *p = list; *p;) {
		size_t n = strcspn(p, " ");
		msv_buf_puts(out, " AUTH=");
		msv_buf_put(out, p, n);
		p += n + strspn(p + n, " ");
	}
}

void msv_imap_put_capability(struct imap_session *s, struct msv_buf *out)
{
	unsigned now = conditions(s);

	msv_buf_puts(out, "CAPABILITY");
	for (size_t i = 0; i < CAPABILITIES; i++) {
		unsigned when = capabilities[i].when & ~(unsigned)CAN_ENABLE;
		if ((when & now) == when && msv_imap_offers(s, capabilities[i].name))
			msv_buf_printf(out, " %s", capabilities[i].name);
	}
	if (now & BEFORE_LOGIN && !(now & NOT_PRIVATE) && s->config.auth)
		put_mechanisms(s, out);
}

bool msv_imap_enable(struct imap_session *s, struct msv_span name)
{
	for (size_t i = 0; i < CAPABILITIES; i++) {
		if (capabilities[i].when & CAN_ENABLE && msv_imap_is(name, capabilities[i].name))
			return msv_imap_offers(s, capabilities[i].name);
	}
	return false;
}
