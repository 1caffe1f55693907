/* What becomes of each leaf: a mailbox, or a route, its hosts and its limits. */
#include <string.h>

#include "mta/explain.h"
#include "mta/mx.h"

/* So many domains are looked up for one explanation. */
#define LOOKUPS_MAX 20

static void go_on(struct mta_explain *e);

/* -- Routes ---------------------------------------------------------------------------- */

static const char *tls_words(const struct relay_route *route)
{
	static const char *const words[] = {
		[MSV_SMTP_TLS_OPPORTUNISTIC] = "opportunistic: used when offered",
		[MSV_SMTP_TLS_OFF] = "off",
		[MSV_SMTP_TLS_REQUIRED] = "required, whatever the certificate",
		[MSV_SMTP_TLS_VERIFIED] = "required, and the certificate must be right",
	};
	if (!route->client_tls)
		return "none: there is no TLS client";
	return route->implicit_tls ? "from the first byte" : words[route->tls];
}

static void say_route(struct mta_explain *e, const struct relay_route *route)
{
	if (route->kind == MSV_ROUTE_DIRECT)
		msv_explain_say(e, 1, "route", "\"%s\": directly to the domain's hosts, port %u",
		    route->domain, route->port);
	else if (route->path)
		msv_explain_say(
		    e, 1, "route", "\"%s\": LMTP to the socket %s", route->domain, route->path);
	else
		msv_explain_say(e, 1, "route", "\"%s\": %s %s, port %u", route->domain,
		    route->kind == MSV_ROUTE_LMTP ? "LMTP to" : "smarthost", route->host,
		    route->port);
	if (route->accept)
		msv_explain_say(e, 2, "accept", "mail for it is taken from anybody");
	if (!route->path)
		msv_explain_say(e, 2, "tls", "%s", tls_words(route));
	if (route->tls == MSV_SMTP_TLS_VERIFIED && route->tls_name)
		msv_explain_say(e, 2, "tls", "the certificate must be for %s", route->tls_name);
	if (route->user)
		msv_explain_say(e, 2, "login", "as %s", route->user);
	if (route->source)
		msv_explain_say(e, 2, "source", "from the address %s", route->source);
	if (route->helo)
		msv_explain_say(e, 2, "helo", "%s", route->helo);
}

/* -- DNS ------------------------------------------------------------------------------- */

static void say_host(
    struct mta_explain *e, const struct mta_mx_result *mx, const struct mta_mx_host *host)
{
	char list[400] = "";
	for (size_t i = 0; i < host->naddresses; i++) {
		if (i)
			strncat(list, ", ", sizeof list - strlen(list) - 1);
		strncat(list, host->addresses[i].text, sizeof list - strlen(list) - 1);
	}
	if (mx->implicit)
		msv_explain_say(e, 2, "host", "%s: %s", host->name, list);
	else
		msv_explain_say(e, 2, "host", "%u %s: %s", host->preference, host->name, list);
}

static void on_resolved(void *user, int error, const void *result)
{
	struct mta_explain *e = user;
	const struct mta_mx_result *mx = result;
	e->resolving = NULL;
	if (error) {
		e->failed = true;
		msv_explain_end(e);
		return;
	}
	for (size_t i = 0; i < mx->nlines; i++)
		msv_explain_say(e, 2, "dns", "%s", mx->lines[i]);
	for (size_t i = 0; i < mx->nhosts; i++)
		say_host(e, mx, &mx->hosts[i]);
	if (mx->code)
		msv_explain_say(e, 1, mx->code < 500 ? "later" : "bounce", "%d %s %s", mx->code,
		    mx->enhanced, mx->text);
	go_on(e);
}

/* Asks for the hosts; false: nobody is to be asked. */
static bool resolve(struct mta_explain *e, const struct relay_route *route, const char *domain)
{
	struct mta_mx_options options = { 0 };
	if (route->path || !e->mta->dns || e->lookups++ >= LOOKUPS_MAX)
		return false;
	msv_relay_mx_options(e->mta->relay, route, &options);
	struct mta_mx_op op = { msv_op_new(e->env, on_resolved, e) };
	e->resolving = op.op;
	if (op.op)
		msv_mx_resolve(
		    e->env, e->mta->dns, route->host ? route->host : domain, &options, op);
	else
		e->failed = true;
	return op.op != NULL;
}

/* -- Leaves ---------------------------------------------------------------------------- */

static bool explain_remote(struct mta_explain *e, struct mta_leaf *leaf)
{
	const char *at = strrchr(leaf->address, '@');
	const char *domain = at ? at + 1 : "";
	msv_explain_say(e, 0, "remote", "<%s>", leaf->address);
	if (msv_mta_forward_sender(e->mta, e->from.address, leaf) != 0)
		e->failed = true;
	if (leaf->sender)
		msv_explain_say(e, 1, leaf->list ? "sender" : "srs", "<%s> -> <%s>",
		    e->from.address, leaf->sender);
	const struct relay_route *route = msv_relay_route(e->mta->relay, domain);
	say_route(e, route);
	msv_explain_say(e, 1, "destination", "%s", leaf->destination);
	return resolve(e, route, domain);
}

/* One leaf; true: an answer is to come. */
static bool explain_leaf(struct mta_explain *e, struct mta_leaf *leaf)
{
	switch (leaf->kind) {
	case MTA_LOCAL:
		msv_explain_say(
		    e, 0, "mailbox", "%s of the account %s", leaf->mailbox, leaf->account);
		return false;
	case MTA_REMOTE:
		return explain_remote(e, leaf);
	case MTA_PROGRAM:
		msv_explain_say(e, 0, "program", "program %zu of the alias %s", leaf->program + 1,
		    leaf->address);
		return false;
	default:
		msv_explain_say(e, 0, "discard", "accepted and dropped");
		return false;
	}
}

/* "4 days", "5 minutes" */
static void say_time(struct mta_explain *e, const char *words, uint64_t s)
{
	bool days = s % 86400 == 0, hours = s % 3600 == 0, minutes = s % 60 == 0;
	uint64_t unit = days ? 86400 : hours ? 3600 : minutes ? 60 : 1;
	msv_explain_say(e, 1, "limit", "%s %llu %s", words, (unsigned long long)(s / unit),
	    days      ? "days"
	    : hours   ? "hours"
	    : minutes ? "minutes"
	              : "seconds");
}

static void say_limits(struct mta_explain *e, bool remote)
{
	const struct mta_limits *l = &e->mta->limits;
	msv_explain_say(e, 0, "limits", "of this server");
	msv_explain_say(
	    e, 1, "limit", "%zu recipients of one message, aliases expanded", MTA_LEAVES_MAX);
	if (!remote)
		return;
	say_time(e, "tried again after", l->retry_first_s);
	say_time(e, "tried again at the latest after", l->retry_longest_s);
	if (l->warn_s != UINT32_MAX)
		say_time(e, "the sender is told of a delay after", l->warn_s);
	say_time(e, "given up after", l->lifetime_s);
	msv_explain_say(e, 1, "limit",
	    "%u connections in all, %u for one destination, %u to one address", l->connections,
	    l->destination_connections, l->host_connections);
	msv_explain_say(e, 1, "limit", "%u messages over one connection, %u recipients at a time",
	    l->connection_messages, l->transaction_recipients);
}

static void go_on(struct mta_explain *e)
{
	struct mta_question *q = &e->question;
	bool remote = false;
	while (e->leaf < q->nleaves)
		if (explain_leaf(e, &q->leaves[e->leaf++]))
			return;
	for (size_t i = 0; i < q->nleaves; i++)
		remote |= q->leaves[i].kind == MTA_REMOTE;
	say_limits(e, remote);
	msv_explain_say(e, 0, "accepted", "250 2.1.5");
	msv_explain_end(e);
}

void msv_explain_leaves(struct mta_explain *e)
{
	go_on(e);
}
