/* A delivery goes out over a session: the message as the client wants it, and what
 * the next hop's answers mean for its recipients. */
#include <stdio.h>
#include <string.h>

#include "codec/casefold.h"
#include "mta/relay_parts.h"

/* -- What an answer means --------------------------------------------------------------- */

/* Over verified TLS only, and that was not to be had (RFC 8689 4.2.1). */
static bool is_requiretls(const struct msv_smtp_verdict *v)
{
	return v->code >= 500 &&
	       (strcmp(v->enhanced, "5.7.30") == 0 || strcmp(v->enhanced, "5.7.10") == 0);
}

static bool has_word(const char *text, const char *word)
{
	size_t n = strlen(word);
	for (size_t left = strlen(text); left >= n; left--, text++)
		if (msv_ascii_equals(text, n, word))
			return true;
	return false;
}

/* The next hop wants fewer connections, or none for now. */
static bool is_crowded(const struct msv_smtp_verdict *v)
{
	if (v->code >= 500 || v->code < 400 || !v->remote)
		return false;
	return v->code == 421 || strcmp(v->enhanced, "4.3.2") == 0 ||
	       has_word(v->text, "too many connections") ||
	       has_word(v->text, "too many concurrent") || has_word(v->text, "connection limit") ||
	       has_word(v->text, "connection rate");
}

/* More recipients than it takes at once (RFC 5321 4.5.3.1.10): another transaction
 * takes them. */
static bool is_surplus(const struct msv_smtp_outcome *outcome, const struct msv_smtp_verdict *v)
{
	return outcome->accepted > 0 && v->stage == MSV_SMTP_AT_RCPT &&
	       (v->code == 452 || v->code == 552) &&
	       (strcmp(v->enhanced + (*v->enhanced ? 1 : 0), ".5.3") == 0 ||
	           has_word(v->text, "too many recipients"));
}

static bool all_untried(const struct msv_smtp_outcome *outcome)
{
	for (size_t i = 0; i < outcome->nrecipients; i++)
		if (!outcome->recipients[i].untried)
			return false;
	return true;
}

static bool all_requiretls(const struct msv_smtp_outcome *outcome)
{
	for (size_t i = 0; i < outcome->nrecipients; i++)
		if (!is_requiretls(&outcome->recipients[i]))
			return false;
	return true;
}

static struct relay_reason reason_of(const struct msv_smtp_verdict *v)
{
	return (struct relay_reason){
		.code = v->remote ? v->code : 0,
		.enhanced = v->enhanced,
		.text = v->text,
		.remote = v->remote,
	};
}

/* -- For the recipients ------------------------------------------------------------------------ */

static enum relay_verdict verdict_of(
    const struct msv_smtp_outcome *outcome, const struct msv_smtp_verdict *v)
{
	if (v->code < 300)
		return RELAY_SENT;
	if (v->untried || is_surplus(outcome, v))
		return RELAY_BACK;
	return v->permanent ? RELAY_NEVER : RELAY_LATER;
}

static void name_host(struct relay_session *s)
{
	const struct relay_hop *hop = &s->hops[s->at];
	char *host = s->route->path
	                 ? msv_strdup(s->relay->env, hop->address)
	                 : msv_asprintf(s->relay->env, "%s[%s]", hop->name, hop->address);
	msv_relay_work_asked(s->work, host, s->up ? s->tls : "");
	msv_free(s->relay->env, host);
}

static void say_all(struct relay_session *s, const struct msv_smtp_outcome *outcome)
{
	bool told = s->extensions & MSV_SMTP_EXT_DSN;
	for (size_t i = 0; i < outcome->nrecipients; i++) {
		const struct msv_smtp_verdict *v = &outcome->recipients[i];
		struct relay_reason reason = reason_of(v);
		msv_relay_work_say(s->work, i, verdict_of(outcome, v), &reason);
		s->work->outcomes[i].told = told;
	}
	s->work->final = s->route->kind == MSV_ROUTE_LMTP;
}

/* The next hop is there and does its work. */
static void works(struct relay_session *s)
{
	struct msv_relay *relay = s->relay;
	msv_relay_peer_works(&relay->hosts, s->host, relay->host_connections);
	msv_relay_peer_works(&relay->destinations, s->destination, relay->destination_connections);
	msv_relay_place_update(relay, s->destination);
	s->restarts = 0;
	s->messages++;
}

/* -- For the session ------------------------------------------------------------------------------- */

/* No message was begun. */
static void set_up_failed(struct relay_session *s, const struct msv_smtp_outcome *outcome)
{
	const struct msv_smtp_verdict *v = &outcome->recipients[0];
	struct relay_reason reason = reason_of(v);
	bool opportunistic = s->route->tls == MSV_SMTP_TLS_OPPORTUNISTIC && !s->clear;
	/* A notification goes all the same (RFC 8689 5). */
	const struct queue_delivery *d = s->work->delivery;
	if (outcome->tls_failed && opportunistic && (!d->requiretls || !*d->from)) {
		msv_relay_session_in_the_clear(s);
		return;
	}
	if (v->stage == MSV_SMTP_AT_AUTH)
		msv_env_log(s->relay->env, MSV_LOG_ERROR,
		    "mta route=%s: %s does not let %s log in: %d %s; correct user and password of "
		    "this "
		    "route",
		    s->route->domain, s->hops[s->at].name, s->route->user ? s->route->user : "us",
		    v->code, v->text);
	msv_relay_session_remember(s, &reason, false);
	/* Who comes by another route may do better. */
	if (v->stage != MSV_SMTP_AT_AUTH && v->stage != MSV_SMTP_AT_TLS && !outcome->tls_failed)
		msv_relay_session_blame(s);
	msv_relay_session_skip(s);
}

/* It turned us away before any recipient, though not for good. */
static void turned_away(struct relay_session *s, const struct msv_smtp_verdict *v)
{
	struct relay_reason reason = reason_of(v);
	if (s->messages) {
		msv_relay_session_again(s);
		return;
	}
	msv_relay_session_remember(s, &reason, false);
	msv_relay_session_blame(s);
	msv_relay_session_skip(s);
}

static void sent(struct relay_session *s, const struct msv_smtp_outcome *outcome)
{
	const struct msv_smtp_verdict *v = &outcome->recipients[0];
	bool away = is_crowded(v) && !outcome->accepted;
	say_all(s, outcome);
	if (outcome->over)
		s->over = true;
	if (away) {
		/* It says 421 in the middle of things: a break for all. */
		struct relay_reason reason = reason_of(v);
		msv_relay_session_remember(s, &reason, false);
		msv_relay_session_blame(s);
		msv_relay_session_back_off(s);
	} else if (v->remote || outcome->accepted) {
		works(s);
	}
	msv_relay_session_finish(s);
}

static void on_sent(void *user, int error, const void *result)
{
	struct relay_session *s = user;
	const struct msv_smtp_outcome *outcome = result;
	bool lost = s->body.error == MSV_ERR_NOTFOUND;
	s->op = NULL;
	msv_relay_body_fini(&s->body);
	if (error) {
		msv_relay_own_trouble(s);
		return;
	}
	const struct msv_smtp_verdict *first = &outcome->recipients[0];
	name_host(s);
	if (!s->up) {
		set_up_failed(s, outcome);
	} else if (all_untried(outcome) ||
	           (first->stage <= MSV_SMTP_AT_MAIL && is_crowded(first) && !outcome->accepted)) {
		turned_away(s, first);
	} else if (lost) {
		static const struct relay_reason gone = { .enhanced = "5.3.0",
			.text = "the message is gone from the queue" };
		msv_relay_work_say_all(s->work, RELAY_NEVER, &gone);
		s->over = true;
		msv_relay_session_finish(s);
	} else if (all_requiretls(outcome)) {
		struct relay_reason reason = reason_of(first);
		msv_relay_session_remember(s, &reason, true);
		msv_relay_session_skip(s);
	} else {
		sent(s, outcome);
	}
}

/* -- The message ---------------------------------------------------------------------------------------- */

static void on_piece(void *user)
{
	struct relay_session *s = user;
	if (s->conn)
		msv_conn_resume(s->conn);
}

static int on_read(void *user, struct msv_conn *conn, uint64_t offset, const void **p, size_t *n)
{
	struct relay_session *s = user;
	(void)conn;
	return msv_relay_body_get(&s->body, offset, p, n);
}

/* NULL for nothing. */
static const char *some(const char *s)
{
	return s && *s ? s : NULL;
}

static struct msv_smtp_recipient *recipients_of(struct msv_env *env, const struct queue_delivery *d)
{
	struct msv_smtp_recipient *r = msv_alloc(env, d->ntargets * sizeof *r);
	for (size_t i = 0; r && i < d->ntargets; i++)
		r[i] = (struct msv_smtp_recipient){ .size = sizeof *r,
			.address = d->targets[i].address,
			.notify = d->targets[i].notify,
			.orcpt = some(d->targets[i].orcpt) };
	return r;
}

void msv_relay_send(struct relay_session *s)
{
	struct msv_env *env = s->relay->env;
	struct queue_delivery *d = s->work->delivery;
	struct msv_smtp_recipient *recipients = recipients_of(env, d);
	struct msv_smtp_send_op op = { recipients ? msv_op_new(env, on_sent, s) : NULL };
	struct msv_smtp_message message = { .size = sizeof message,
		.from = d->from,
		.recipients = recipients,
		.nrecipients = d->ntargets,
		.octets = d->octets,
		.body_8bit = d->body_8bit,
		.smtputf8 = d->smtputf8,
		.requiretls = d->requiretls,
		.has_dkim_signature = d->is_signed,
		.ret = (unsigned)d->ret,
		.envid = some(d->envid),
		.read = on_read,
		.user = s };
	if (!op.op) {
		msv_free(env, recipients);
		msv_relay_own_trouble(s);
		return;
	}
	msv_relay_session_state(s, RELAY_SENDING);
	s->op = op.op;
	msv_relay_body_init(&s->body, env, d, on_piece, s);
	msv_smtp_client_send(s->conn, &message, op);
	msv_free(env, recipients);
}
