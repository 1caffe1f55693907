/* Facts of a client's session. */
#include <string.h>

#include "smtp/client.h"

const char *msv_smtp_client_tls(const struct msv_smtp_client *c)
{
	const struct msv_filter *tls = msv_conn_filter(&c->conn, "tls");
	const char *version = NULL;

	if (!tls || (tls->ops->ready && !tls->ops->ready(tls)))
		return "";
	if (tls->ops->describe)
		version = tls->ops->describe(tls);
	return version && *version ? version : "TLS";
}

static enum msv_smtp_client_state state_of(const struct msv_smtp_client *c)
{
	if (c->end.code || c->over || msv_conn_ended(&c->conn))
		return MSV_SMTP_CLIENT_OVER;
	if (!c->ready)
		return MSV_SMTP_CLIENT_SETUP;
	return c->first ? MSV_SMTP_CLIENT_BUSY : MSV_SMTP_CLIENT_IDLE;
}

void msv_smtp_client_conn_info(const struct msv_conn *conn, struct msv_conn_info *info)
{
	static const char *const words[] = { "setup", "idle", "sending", "over" };
	const struct msv_smtp_client *c = (const struct msv_smtp_client *)conn;

	info->state = words[state_of(c)];
	if (c->authenticated)
		info->user = c->config.username;
	info->memory += sizeof(*c) - sizeof(*conn) + c->piece.cap + c->chunk.cap;
}

static void info_session(const struct msv_smtp_client *c, struct msv_smtp_client_info *all)
{
	const char *why = NULL;

	all->state = state_of(c);
	all->greeting_host = c->greeting_host;
	all->hello_host = c->hello_host;
	all->esmtp = c->hop.esmtp;
	all->extensions = c->hop.extensions;
	all->size_limit = c->hop.size_limit;
	all->mail_max = c->hop.mail_max;
	all->rcpt_max = c->hop.rcpt_max;
	all->rcpt_domain_max = c->hop.rcpt_domain_max;
	all->tls = msv_smtp_client_tls(c);
	all->tls_verified = msv_tls_verified(&c->conn, &why);
	if (msv_conn_filter(&c->conn, "tls") && why)
		all->tls_problem = why;
	all->authenticated = c->authenticated;
	all->messages = c->mails;
	all->waiting = c->waiting;
	if (c->end.code) {
		all->end = msv_verdict_of(c->end_stage, &c->end);
		all->end.remote = c->end_remote;
		all->end.permanent = false;
	}
}

void msv_smtp_client_info(const struct msv_conn *conn, struct msv_smtp_client_info *info)
{
	const struct msv_smtp_client *c = msv_smtp_client_of(conn);
	size_t size = info->size;
	struct msv_smtp_client_info all = {
		.size = size,
		.state = MSV_SMTP_CLIENT_OVER,
		.greeting_host = "",
		.hello_host = "",
		.tls = "",
		.tls_problem = "",
		.end = { .enhanced = "", .text = "" },
	};

	if (c)
		info_session(c, &all);
	memcpy(info, &all, size < sizeof(all) ? size : sizeof(all));
}
