/* A session with a next hop: finds its addresses, connects to one after the other
 * until one will do, carries deliveries of its destination, and ends. */
#include <string.h>

#include "mta/relay_parts.h"

static void take(struct relay_session *s);

/* -- Its life --------------------------------------------------------------------------- */

/* The connection is gone, or nobody wants it any more. */
static void leave_host(struct relay_session *s)
{
	if (s->host) {
		s->host->sessions--;
		s->host->up -= s->up;
	}
	s->destination->up -= s->up;
	s->up = false;
	s->host = NULL;
}

void msv_relay_session_drop(struct relay_session *s)
{
	if (s->op)
		msv_op_cancel(s->op);
	s->op = NULL;
	msv_relay_body_fini(&s->body);
	if (s->conn)
		s->relay->transport->drop(s->relay->transport->self, s->conn);
	s->conn = NULL;
	s->over = false;
	s->messages = 0;
	leave_host(s);
}

static void session_free(struct relay_session *s)
{
	struct msv_relay *relay = s->relay;
	msv_relay_session_drop(s);
	if (s->state == RELAY_IDLE)
		msv_relay_place_idle(relay, s->destination, false);
	msv_relay_place_free(relay, s->destination);
	msv_relay_hops_clear(s);
	msv_free(relay->env, s->reason_text);
	*s->link = s->next;
	if (s->next)
		s->next->link = s->link;
	msv_free(relay->env, s);
}

void msv_relay_sessions_free(struct msv_relay *relay)
{
	while (relay->sessions)
		session_free(relay->sessions);
}

void msv_relay_session_state(struct relay_session *s, enum relay_session_state state)
{
	if (s->state == RELAY_IDLE && state != RELAY_IDLE)
		msv_relay_place_idle(s->relay, s->destination, false);
	if (s->state != RELAY_IDLE && state == RELAY_IDLE)
		msv_relay_place_idle(s->relay, s->destination, true);
	s->state = state;
}

void msv_relay_session_quit(struct relay_session *s)
{
	if (!s->conn) {
		session_free(s);
		return;
	}
	msv_relay_session_state(s, RELAY_QUITTING);
	msv_smtp_client_quit(s->conn); /* closed() comes */
}

struct relay_session *msv_relay_session_idle(
    struct msv_relay *relay, const struct relay_peer *destination)
{
	struct relay_session *found = NULL;
	for (struct relay_session *s = relay->sessions; s; s = s->next)
		if (s->state == RELAY_IDLE && !s->over &&
		    (!destination || s->destination == destination))
			found = s;
	return found;
}

bool msv_relay_session_quitting(const struct msv_relay *relay)
{
	for (const struct relay_session *s = relay->sessions; s; s = s->next)
		if (s->state == RELAY_QUITTING)
			return true;
	return false;
}

void msv_relay_session_start(
    struct msv_relay *relay, struct relay_peer *destination, struct relay_work *work)
{
	struct relay_session *s = msv_alloc(relay->env, sizeof *s);
	if (!s) {
		msv_relay_work_put_back(work);
		return;
	}
	s->relay = relay;
	s->next = relay->sessions;
	s->link = &relay->sessions;
	if (s->next)
		s->next->link = &s->next;
	relay->sessions = s;
	s->destination = destination;
	s->attention = UINT64_MAX;
	msv_relay_place_take(relay, destination);
	s->route = msv_relay_route_of(relay, destination->name);
	s->work = work;
	msv_relay_body_init(&s->body, relay->env, NULL, NULL, NULL);
	msv_relay_connect(s);
}

void msv_relay_session_use(struct relay_session *s, struct relay_work *work)
{
	s->work = work;
	msv_relay_send(s);
}

/* -- After a delivery --------------------------------------------------------------------------- */

static void on_settled(void *user)
{
	struct relay_session *s = user;
	struct msv_relay *relay = s->relay;
	bool blocked = msv_relay_peer_blocked(&relay->destinations, s->destination);
	s->work = NULL;
	if (!s->conn || s->over || relay->paused || s->messages >= relay->connection_messages) {
		if (blocked && !relay->paused)
			msv_relay_drain(s);
		else
			msv_relay_session_quit(s);
		return;
	}
	take(s);
}

void msv_relay_session_finish(struct relay_session *s)
{
	uint64_t attention = msv_relay_work_attention(s->work);
	msv_relay_body_fini(&s->body);
	if (attention < s->attention)
		s->attention = attention;
	msv_relay_session_state(s, RELAY_SETTLING);
	msv_relay_work_finish(s->work, on_settled, s);
}

static size_t most_recipients(const struct relay_session *s)
{
	size_t most = s->relay->transaction_recipients;
	return s->rcpt_max && s->rcpt_max < most ? s->rcpt_max : most;
}

static void on_taken(void *user, int error, const void *result)
{
	struct relay_session *s = user;
	struct queue_delivery *delivery = (struct queue_delivery *)(uintptr_t)result;
	s->op = NULL;
	if (!error && delivery)
		s->work = msv_relay_work_new(s->relay, delivery);
	if (s->work && s->conn && !s->over)
		msv_relay_send(s);
	else if (s->work)
		msv_relay_session_again(s);
	else if (error || delivery || s->over)
		msv_relay_session_quit(s);
	else
		msv_relay_session_state(s, RELAY_IDLE);
}

static void take(struct relay_session *s)
{
	struct queue_take_op op = { msv_op_new(s->relay->env, on_taken, s) };
	if (!op.op) {
		msv_relay_session_quit(s);
		return;
	}
	msv_relay_session_state(s, RELAY_TAKING);
	s->op = op.op;
	msv_queue_take(s->relay->queue, s->destination->name, most_recipients(s), op);
}
