/* Trace fields (RFC 5321 4.4) and what submission adds (RFC 6409 8). */
#include <string.h>

#include "codec/date.h"
#include "mta/mta.h"

/* Puts a peer's words where they cannot be taken for anything else: what is not
 * printable, or has a meaning in a comment, becomes '?'. */
static void put_safe(struct msv_buf *out, const char *s)
{
	for (; *s; s++) {
		bool plain = (unsigned char)*s > ' ' && *s != 127 && !strchr("()\\<>;,\"", *s);
		msv_buf_putc(out, plain ? *s : '?');
	}
}

static void put_date(struct msv_buf *out, const struct msv_mta *mta)
{
	char text[MSV_DATE_SIZE];
	struct msv_date date = { .time = (int64_t)(msv_env_realtime(mta->env) / 1000000) };
	size_t n = msv_date_write(&date, text);
	msv_buf_put(out, text, n);
}

/* "from HELO (NAME [ADDRESS])": 4.4.1's From-domain with its TCP-info. */
static void put_from(struct msv_buf *out, const struct mta_origin *origin)
{
	bool v6 = strchr(origin->peer_address, ':') != NULL;
	msv_buf_puts(out, "Received: from ");
	put_safe(out, *origin->helo ? origin->helo : "unknown");
	msv_buf_puts(out, " (");
	if (*origin->peer_name) {
		put_safe(out, origin->peer_name);
		msv_buf_putc(out, ' ');
	}
	if (*origin->peer_address) {
		msv_buf_puts(out, v6 ? "[IPv6:" : "[");
		put_safe(out, origin->peer_address);
		msv_buf_puts(out, "])\r\n");
	} else {
		msv_buf_puts(out, "local)\r\n");
	}
}

static void put_received(struct msv_buf *out, const struct mta_transaction *t)
{
	const struct mta_origin *origin = &t->origin;
	put_from(out, origin);
	msv_buf_printf(out, "\tby %s with %s", t->mta->hostname, origin->with);
	if (*origin->tls)
		msv_buf_printf(out, " (%s)", origin->tls);
	/* Naming one recipient of several would betray a blind copy. */
	if (t->nrcpts == 1)
		msv_buf_printf(out, "\r\n\tid %s for <%s>;\r\n\t", t->id, t->rcpts[0].address);
	else
		msv_buf_printf(out, "\r\n\tid %s;\r\n\t", t->id);
	put_date(out, t->mta);
	msv_buf_puts(out, "\r\n");
}

int msv_mta_trace_message(struct msv_buf *out, const struct mta_transaction *t)
{
	put_received(out, t);
	if (t->origin.role == MSV_SMTP_SUBMISSION && !t->has_date) {
		msv_buf_puts(out, "Date: ");
		put_date(out, t->mta);
		msv_buf_puts(out, "\r\n");
	}
	if (t->origin.role == MSV_SMTP_SUBMISSION && !t->has_message_id)
		msv_buf_printf(out, "Message-ID: <%s@%s>\r\n", t->id, t->mta->hostname);
	return msv_buf_failed(out) ? MSV_ERR_NOMEM : 0;
}

int msv_mta_trace(struct msv_buf *out, const struct mta_transaction *t, const struct mta_leaf *leaf)
{
	msv_buf_printf(out, "Return-Path: <%s>\r\n", leaf->sender ? leaf->sender : t->from);
	msv_buf_printf(out, "Delivered-To: %s\r\n", leaf->address);
	if (leaf->forwarded)
		msv_buf_printf(out, "X-Original-To: %s\r\n", t->rcpts[leaf->rcpt].address);
	return msv_mta_trace_message(out, t);
}
