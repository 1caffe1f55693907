/* A destination that cannot be reached is tried with one message at a time.  The
 * others wait in the queue unseen, but their senders are told of the delay, and
 * of the end, when it is time: then each of them is looked at once. */
#include "mta/relay_parts.h"

static void drain_next(void *user);

static void note(struct relay_peer *destination, uint64_t at)
{
	if (at < destination->attention)
		destination->attention = at;
}

static void end(struct relay_session *s)
{
	s->destination->draining = false;
	msv_relay_session_quit(s);
}

/* All were looked at: nobody needs to be told of anything for as long as the
 * first of them, or of those that come from now on, can wait. */
static void drained(struct relay_session *s)
{
	const struct queue_schedule *schedule = &s->relay->schedule;
	uint64_t wait =
	    schedule->warn_s < schedule->lifetime_s ? schedule->warn_s : schedule->lifetime_s;
	note(s->destination, msv_relay_now(s->relay) + wait * SECOND);
	end(s);
}

/* Somebody was not looked at: the next failure is an occasion. */
static void broken_off(struct relay_session *s)
{
	s->destination->attention = 0;
	end(s);
}

static void on_taken(void *user, int error, const void *result)
{
	struct relay_session *s = user;
	struct queue_delivery *delivery = (struct queue_delivery *)(uintptr_t)result;
	s->op = NULL;
	if (!error && !delivery) {
		drained(s);
		return;
	}
	s->work = delivery ? msv_relay_work_new(s->relay, delivery) : NULL;
	if (!s->work) {
		broken_off(s);
		return;
	}
	note(s->destination, msv_relay_work_attention(s->work));
	s->work->until = s->destination->blocked;
	msv_relay_work_say_all(s->work, RELAY_BLOCKED, &s->reason);
	msv_relay_work_finish(s->work, drain_next, s);
}

static void drain_next(void *user)
{
	struct relay_session *s = user;
	struct msv_relay *relay = s->relay;
	struct queue_take_op op = { relay->paused ? NULL : msv_op_new(relay->env, on_taken, s) };
	s->work = NULL;
	if (!op.op) {
		broken_off(s);
		return;
	}
	s->op = op.op;
	msv_queue_take(relay->queue, s->destination->name, relay->transaction_recipients, op);
}

void msv_relay_drain(struct relay_session *s)
{
	struct relay_peer *d = s->destination;
	bool due = d->attention <= msv_relay_now(s->relay);
	if (d->draining || !due) {
		note(d, s->attention);
		msv_relay_session_quit(s);
		return;
	}
	msv_relay_session_state(s, RELAY_DRAINING);
	d->draining = true;
	d->attention = s->attention;
	drain_next(s);
}
