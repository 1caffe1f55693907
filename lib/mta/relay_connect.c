/* A session finds the addresses of its next hop, and connects to one after the other
 * until one will do. */
#include <stdio.h>
#include <string.h>

#include "mta/relay_parts.h"

#define CONNECT_MS  30000
/* A connection without work is kept so long. */
#define IDLE_S      5
/* New connections for one delivery, when those before ended too early. */
#define RESTARTS    2
/* When all places at an address are taken. */
#define CROWDED     (2 * SECOND)
/* When something of our own is missing: memory, descriptors. */
#define OWN_TROUBLE (60 * SECOND)

/* -- What went wrong ---------------------------------------------------------------- */

void msv_relay_session_remember(
    struct relay_session *s, const struct relay_reason *reason, bool permanent)
{
	char *text = msv_strdup(s->relay->env, reason->text ? reason->text : "");
	char enhanced[sizeof s->reason_enhanced] = "";
	if (reason->enhanced)
		strncat(enhanced, reason->enhanced, sizeof enhanced - 1);
	memcpy(s->reason_enhanced, enhanced, sizeof enhanced);
	msv_free(s->relay->env, s->reason_text);
	s->reason_text = text;
	s->reason = *reason;
	s->reason.enhanced = s->reason_enhanced;
	s->reason.text = text ? text : "no memory for the reason";
	s->reason_permanent = permanent;
	s->doubt |= !permanent;
}

static void forget_reason(struct relay_session *s)
{
	s->reason = (struct relay_reason){ 0 };
	s->reason_permanent = false;
}

void msv_relay_session_blame(struct relay_session *s)
{
	struct relay_peers *hosts = &s->relay->hosts;
	unsigned others = s->reason.remote ? s->host->sessions - 1 : s->host->up - s->up;
	/* Others get on with it, or just did: it does not want more of us. */
	if (others > 0 || s->host->worked >= s->began) {
		msv_relay_peer_crowded(s->host);
		s->crowded = true;
	} else {
		msv_relay_peer_failed(hosts, s->host, s->reason.text);
	}
}

void msv_relay_session_back_off(struct relay_session *s)
{
	struct relay_peer *d = s->destination;
	uint64_t now = msv_relay_now(s->relay);
	/* Another session gets on with it, or just did. */
	if (d->up > s->up || d->worked >= s->began)
		return;
	msv_relay_peer_failed(&s->relay->destinations, d, s->reason.text);
	/* Who is to be told of it is told in time. */
	if (d->attention > now && d->attention < d->blocked)
		d->blocked = d->attention;
	msv_relay_place_update(s->relay, d);
}

/* Our own means are at an end, not the next hop's. */
void msv_relay_own_trouble(struct relay_session *s)
{
	msv_relay_session_drop(s);
	s->work->until = msv_relay_now(s->relay) + OWN_TROUBLE;
	msv_relay_work_say_all(s->work, RELAY_BACK, NULL);
	msv_relay_session_finish(s);
}

/* All addresses are left alone now: so is the destination. */
static void wait_with_others(struct relay_session *s)
{
	struct relay_peer *d = s->destination;
	if (!msv_relay_peer_blocked(&s->relay->destinations, d))
		d->blocked = s->soonest;
	msv_relay_place_update(s->relay, d);
	s->work->until = d->blocked;
}

/* No address is left. */
static void give_up(struct relay_session *s, bool tried)
{
	enum relay_verdict verdict = RELAY_LATER;
	msv_relay_session_drop(s);
	if (!tried && s->soonest == UINT64_MAX && !s->crowded) {
		struct relay_reason none = { .enhanced = "4.4.1", .text = "no address to try" };
		msv_relay_session_remember(s, &none, false);
		tried = true;
	}
	if (s->crowded) {
		msv_relay_peer_crowded(s->destination);
		msv_relay_place_update(s->relay, s->destination);
		/* Others of the destination take it as soon as they are free. */
		s->work->until = msv_relay_now(s->relay);
		if (s->destination->sessions == 1)
			s->work->until += CROWDED;
		verdict = RELAY_BACK;
	} else if (s->reason_permanent && !s->doubt) {
		verdict = RELAY_NEVER;
	} else if (!tried) {
		wait_with_others(s);
		verdict = RELAY_BLOCKED;
	} else {
		msv_relay_session_back_off(s);
	}
	msv_relay_work_say_all(s->work, verdict, &s->reason);
	msv_relay_session_finish(s);
}

/* -- The addresses ---------------------------------------------------------------------- */

void msv_relay_hops_clear(struct relay_session *s)
{
	for (size_t i = 0; i < s->nhops; i++) {
		msv_free(s->relay->env, s->hops[i].name);
		msv_free(s->relay->env, s->hops[i].address);
	}
	msv_free(s->relay->env, s->hops);
	s->hops = NULL;
	s->nhops = s->at = 0;
}

/* One more to try; false: no memory. */
static bool add_hop(struct relay_session *s, size_t *cap, const char *name, const char *address)
{
	struct msv_env *env = s->relay->env;
	if (msv_grow(env, &s->hops, cap, s->nhops + 1, sizeof *s->hops) != 0)
		return false;
	struct relay_hop *hop = &s->hops[s->nhops];
	hop->name = msv_strdup(env, name);
	hop->address = msv_strdup(env, address);
	s->nhops++;
	return hop->name && hop->address;
}

static bool add_hops(struct relay_session *s, const struct mta_mx_result *result)
{
	size_t cap = 0;
	for (size_t i = 0; i < result->nhosts; i++) {
		const struct mta_mx_host *host = &result->hosts[i];
		for (size_t j = 0; j < host->naddresses; j++)
			if (!add_hop(s, &cap, host->name, host->addresses[j].text))
				return false;
	}
	return true;
}

static void on_resolved(void *user, int error, const void *answer)
{
	struct relay_session *s = user;
	const struct mta_mx_result *result = answer;
	s->op = NULL;
	if (error) {
		msv_relay_own_trouble(s);
	} else if (result->code) {
		struct relay_reason reason = {
			.code = result->code, .enhanced = result->enhanced, .text = result->text
		};
		msv_relay_session_remember(s, &reason, result->code >= 500);
		give_up(s, true);
	} else if (!add_hops(s, result)) {
		msv_relay_own_trouble(s);
	} else {
		msv_relay_session_next_hop(s);
	}
}

void msv_relay_connect(struct relay_session *s)
{
	struct mta_mx_options options;
	struct mta_mx_op op = { NULL };
	size_t cap = 0;
	msv_relay_hops_clear(s);
	forget_reason(s);
	s->crowded = s->clear = s->tried = s->doubt = false;
	s->soonest = UINT64_MAX;
	s->began = msv_relay_now(s->relay);
	msv_relay_session_state(s, RELAY_RESOLVING);
	if (s->route->path && add_hop(s, &cap, s->route->path, s->route->path)) {
		msv_relay_session_next_hop(s);
		return;
	}
	if (!s->route->path)
		op.op = msv_op_new(s->relay->env, on_resolved, s);
	if (!op.op) {
		msv_relay_own_trouble(s);
		return;
	}
	s->op = op.op;
	msv_relay_mx_options(s->relay, s->route, &options);
	msv_mx_resolve(s->relay->env, s->relay->dns,
	    s->route->host ? s->route->host : s->destination->name, &options, op);
}

void msv_relay_session_again(struct relay_session *s)
{
	msv_relay_session_drop(s);
	if (s->restarts++ < RESTARTS) {
		msv_relay_connect(s);
		return;
	}
	struct relay_reason reason = { .enhanced = "4.4.2",
		.text = "the connection ended again and again before anything was sent" };
	msv_relay_session_remember(s, &reason, false);
	give_up(s, true);
}

/* -- The connection ------------------------------------------------------------------------- */

static void on_over(void *user, struct msv_conn *conn)
{
	struct relay_session *s = user;
	(void)conn;
	s->over = true;
	if (s->state == RELAY_IDLE)
		msv_relay_session_state(s, RELAY_QUITTING);
}

static void on_closed(void *user)
{
	struct relay_session *s = user;
	s->conn = NULL;
	s->over = true;
	if (s->state == RELAY_IDLE || s->state == RELAY_QUITTING)
		msv_relay_session_quit(s);
}

static void on_ready(void *user, struct msv_conn *conn)
{
	struct relay_session *s = user;
	struct msv_smtp_client_info info = { .size = sizeof info };
	if (s->up)
		return;
	msv_smtp_client_info(conn, &info);
	s->up = true;
	s->host->up++;
	s->destination->up++;
	s->extensions = info.extensions;
	s->rcpt_max = info.rcpt_max;
	snprintf(s->tls, sizeof s->tls, "%s", info.tls);
}

static void on_trace(void *user, struct msv_conn *conn, enum msv_smtp_trace what, const char *line)
{
	static const char marks[] = {
		[MSV_SMTP_TRACE_SENT] = '>',
		[MSV_SMTP_TRACE_RECEIVED] = '<',
		[MSV_SMTP_TRACE_NOTE] = '*',
	};
	struct relay_session *s = user;
	(void)conn;
	if (!s->relay->trace)
		return;
	char *text = msv_asprintf(s->relay->env, "%s %s[%s] %c %s", s->destination->name,
	    s->hops[s->at].name, s->hops[s->at].address, marks[what], line);
	if (text)
		s->relay->trace(s->relay->trace_user, text);
	msv_free(s->relay->env, text);
}

/* The name its certificate must have. */
static const char *tls_name(const struct relay_session *s)
{
	const char *name = s->hops[s->at].name;
	if (s->route->tls_name)
		return s->route->tls_name;
	return *name == '[' || s->route->path ? NULL : name;
}

static struct msv_conn *make(void *user, const struct msv_peer *peer)
{
	struct relay_session *s = user;
	const struct relay_route *route = s->route;
	bool off = s->clear || route->tls == MSV_SMTP_TLS_OFF;
	struct msv_smtp_client_config config = { .size = sizeof config,
		.hostname = route->helo,
		.lmtp = route->kind == MSV_ROUTE_LMTP,
		.tls_mode = off ? MSV_SMTP_TLS_OFF : route->tls,
		.implicit_tls = route->implicit_tls,
		.tls = off && !route->implicit_tls ? NULL : route->client_tls,
		.server_name = tls_name(s),
		.username = route->user,
		.password = route->password,
		/* Only to loopback: the route was looked at. */
		.auth_in_clear = route->password && off,
		.idle_s = IDLE_S,
		.ready = on_ready,
		.over = on_over,
		.trace = on_trace,
		.user = s };
	struct msv_conn *conn = NULL;
	int error = msv_smtp_client_new(s->relay->env, &config, peer, &conn);
	s->unmakable = error && error != MSV_ERR_NOMEM;
	s->conn = error ? NULL : conn;
	return s->conn;
}

/* This address failed; the next may do. */
void msv_relay_session_skip(struct relay_session *s)
{
	msv_relay_session_drop(s);
	s->clear = false;
	s->at++;
	msv_relay_session_next_hop(s);
}

static void unreachable(struct relay_session *s, const struct msv_connect_result *result)
{
	struct relay_reason reason = { .enhanced = "4.4.1", .text = result->text };
	const char *source = s->route->source;
	bool ours =
	    result->error == MSV_ERR_UNSUPPORTED || (source && result->error == MSV_ERR_NOTFOUND);
	if (result->error == MSV_ERR_LIMIT || result->error == MSV_ERR_NOMEM) {
		msv_relay_own_trouble(s);
		return;
	}
	if (source && result->error == MSV_ERR_NOTFOUND)
		msv_env_log(s->relay->env, MSV_LOG_ERROR,
		    "mta route=%s: cannot connect from %s: %s; correct its source address",
		    s->route->domain, source, result->text);
	msv_relay_session_remember(s, &reason, false);
	if (!ours)
		msv_relay_session_blame(s);
	msv_relay_session_skip(s);
}

static void on_connected(void *user, int error, const void *answer)
{
	struct relay_session *s = user;
	const struct msv_connect_result *result = answer;
	s->op = NULL;
	if (error && s->unmakable) {
		struct relay_reason reason = { .enhanced = "4.3.5",
			.text = "this host's route cannot be used as it is configured" };
		msv_env_log(s->relay->env, MSV_LOG_ERROR,
		    "mta route=%s: no session with %s can be begun; look at its helo name, TLS and "
		    "password",
		    s->route->domain, s->hops[s->at].name);
		msv_relay_session_remember(s, &reason, false);
		msv_relay_session_skip(s);
	} else if (error) {
		msv_relay_own_trouble(s);
	} else if (result->error) {
		unreachable(s, result);
	} else if (!s->conn) {
		msv_relay_session_again(s); /* closed already */
	} else {
		msv_relay_send(s);
	}
}

static void connect_to(struct relay_session *s)
{
	struct msv_connect_op op = { msv_op_new(s->relay->env, on_connected, s) };
	const struct relay_hop *hop = &s->hops[s->at];
	const struct relay_route *route = s->route;
	struct msv_transport_target target = { .size = sizeof target,
		.address = route->path ? NULL : hop->address,
		.port = route->port,
		.path = route->path,
		.source = route->source,
		.timeout_ms = CONNECT_MS,
		.make = make,
		.closed = on_closed,
		.user = s };
	if (!op.op) {
		msv_relay_own_trouble(s);
		return;
	}
	msv_relay_session_state(s, RELAY_CONNECTING);
	s->began = msv_relay_now(s->relay);
	s->unmakable = false;
	s->op = op.op;
	s->relay->transport->connect(s->relay->transport->self, &target, op);
}

void msv_relay_session_in_the_clear(struct relay_session *s)
{
	struct relay_peer *host = s->host;
	msv_relay_session_drop(s);
	s->clear = true;
	s->host = host;
	host->sessions++;
	connect_to(s);
}

/* Takes a place at the address, if there is one to have. */
static bool take_host(struct relay_session *s, struct relay_peer *host)
{
	struct relay_reason reason = { .enhanced = "4.4.1", .text = host->reason };
	if (msv_relay_peer_blocked(&s->relay->hosts, host)) {
		if (host->blocked < s->soonest)
			s->soonest = host->blocked;
		s->doubt = true;
		if (!s->reason.text)
			msv_relay_session_remember(s, &reason, false);
		return false;
	}
	if (host->sessions >= host->limit) {
		s->crowded = true;
		return false;
	}
	host->sessions++;
	s->host = host;
	return true;
}

void msv_relay_session_next_hop(struct relay_session *s)
{
	char name[80];
	for (; s->at < s->nhops; s->at++) {
		if (s->route->path)
			snprintf(name, sizeof name, "path");
		else
			snprintf(name, sizeof name, "[%s]:%u", s->hops[s->at].address,
			    (unsigned)s->route->port);
		struct relay_peer *host =
		    msv_relay_peer(&s->relay->hosts, s->route->path ? s->route->path : name);
		if (!host) {
			msv_relay_own_trouble(s);
			return;
		}
		if (take_host(s, host)) {
			s->tried = true;
			connect_to(s);
			return;
		}
	}
	give_up(s, s->tried);
}
