/* A delivery under way: how each of its recipients went, what the log says of it,
 * and what the queue writes down. */
#include <string.h>

#include "mta/relay_parts.h"

/* When there was no memory, or a notification cannot be made. */
#define SOON     (60 * SECOND)
/* Of what is kept of a reply. */
#define TEXT_MAX ((size_t)512)

/* -- Its life ----------------------------------------------------------------------- */

static void outcome_clear(struct relay_work *work, size_t i)
{
	msv_free(work->env, work->outcomes[i].text);
	msv_free(work->env, work->outcomes[i].last);
	work->outcomes[i] = (struct relay_outcome){ 0 };
}

static void work_free(struct relay_work *work)
{
	msv_relay_notices_free(work);
	for (size_t i = 0; work->outcomes && i < work->targets; i++)
		outcome_clear(work, i);
	msv_free(work->env, work->outcomes);
	msv_free(work->env, work->results);
	msv_free(work->env, work->host);
	msv_free(work->env, work);
}

static void unlink_work(struct relay_work *work)
{
	*work->link = work->next;
	if (work->next)
		work->next->link = work->link;
}

static void on_settled(void *user, int error, const void *result)
{
	struct relay_work *work = user;
	void (*done)(void *) = work->done;
	void *done_user = work->user;
	bool alive = work->relay != NULL;
	(void)error, (void)result;
	if (alive)
		unlink_work(work);
	work_free(work);
	if (alive)
		done(done_user);
}

/* The op was never given to anybody. */
static void drop_op(struct msv_op *op)
{
	if (!op)
		return;
	msv_op_cancel(op);
	msv_op_answer(op, MSV_ERR_CANCELED);
}

void msv_relay_work_drop(struct relay_work *work)
{
	unlink_work(work);
	work->relay = NULL;
	if (!work->settled)
		return; /* on_settled() frees it */
	drop_op(work->settled);
	work_free(work);
}

/* There is no memory for the delivery: the queue has it back with what was kept
 * for that. */
static void refuse(struct msv_relay *relay, struct queue_delivery *delivery)
{
	uint64_t next = msv_relay_now(relay) + SOON;
	for (size_t i = 0; i < delivery->ntargets; i++)
		relay->spare[i] = (struct queue_result){ .outcome = QUEUE_RETRY, .next = next };
	msv_queue_settle(delivery, relay->spare, NULL, 0, (struct queue_settle_op){ .op = NULL });
}

struct relay_work *msv_relay_work_new(struct msv_relay *relay, struct queue_delivery *delivery)
{
	struct msv_env *env = relay->env;
	struct relay_work *work = msv_alloc(env, sizeof *work);
	if (work) {
		work->env = env;
		work->relay = relay;
		work->delivery = delivery;
		work->targets = delivery->ntargets;
		work->outcomes = msv_alloc(env, work->targets * sizeof *work->outcomes);
		work->results = msv_alloc(env, work->targets * sizeof *work->results);
		work->settled = msv_op_new(env, on_settled, work);
	}
	if (work && work->outcomes && work->results && work->settled) {
		work->next = relay->works;
		work->link = &relay->works;
		if (work->next)
			work->next->link = &work->next;
		relay->works = work;
		return work;
	}
	if (work) {
		drop_op(work->settled);
		work_free(work);
	}
	refuse(relay, delivery);
	return NULL;
}

/* -- What is said of it ------------------------------------------------------------------ */

void msv_relay_work_say(struct relay_work *work, size_t i, enum relay_verdict verdict,
    const struct relay_reason *reason)
{
	struct relay_outcome *o = &work->outcomes[i];
	outcome_clear(work, i);
	o->verdict = verdict;
	if (!reason)
		return;
	o->code = reason->code;
	o->remote = reason->remote;
	/* Without memory the words are lost, the code is not. */
	o->text = reason->text
	              ? msv_strndup(work->env, reason->text, strnlen(reason->text, TEXT_MAX))
	              : NULL;
	if (reason->enhanced)
		strncat(o->enhanced, reason->enhanced, sizeof o->enhanced - 1);
}

void msv_relay_work_say_all(
    struct relay_work *work, enum relay_verdict verdict, const struct relay_reason *reason)
{
	for (size_t i = 0; i < work->targets; i++)
		msv_relay_work_say(work, i, verdict, reason);
}

void msv_relay_work_asked(struct relay_work *work, const char *host, const char *tls)
{
	msv_free(work->env, work->host);
	work->host = msv_strdup(work->env, host);
	work->tls[0] = '\0';
	if (tls)
		strncat(work->tls, tls, sizeof work->tls - 1);
}

unsigned msv_relay_work_notify(const struct relay_work *work, size_t i)
{
	const struct queue_delivery *d = work->delivery;
	unsigned notify = d->targets[i].notify;
	if (!*d->from || d->is_bounce || notify & MSV_NOTIFY_NEVER)
		return 0;
	return notify ? notify : MSV_NOTIFY_FAILURE | MSV_NOTIFY_DELAY;
}

/* When the message began to be tried: FUTURERELEASE moves its end. */
static uint64_t began(const struct relay_work *work)
{
	uint64_t lifetime = work->relay->schedule.lifetime_s * SECOND;
	const struct queue_delivery *d = work->delivery;
	uint64_t start = d->expires > lifetime ? d->expires - lifetime : 0;
	return start > d->arrived ? start : d->arrived;
}

/* When the sender is to be told of the delay; UINT64_MAX: not at all, or he was. */
static uint64_t warn_at(const struct relay_work *work, size_t i)
{
	uint64_t warn_s = work->relay->schedule.warn_s;
	if (warn_s == UINT64_MAX || work->delivery->targets[i].warned ||
	    !(msv_relay_work_notify(work, i) & MSV_NOTIFY_DELAY))
		return UINT64_MAX;
	return began(work) + warn_s * SECOND;
}

uint64_t msv_relay_work_attention(const struct relay_work *work)
{
	uint64_t now = msv_relay_now(work->relay);
	uint64_t at = work->delivery->expires;
	if (at <= now)
		return UINT64_MAX;
	for (size_t i = 0; i < work->targets; i++) {
		uint64_t warn = warn_at(work, i);
		if (warn > now && warn < at)
			at = warn;
	}
	return at;
}

/* -- The end -------------------------------------------------------------------------------- */

/* The time is over: what was wrong last is why. */
static void expire(struct relay_work *work, struct relay_outcome *o)
{
	char *text = msv_asprintf(work->env, "Given up after %llu hours; last: %s",
	    (unsigned long long)((msv_relay_now(work->relay) - began(work)) / (3600 * SECOND)),
	    o->text && *o->text ? o->text : "no answer");
	o->verdict = RELAY_NEVER;
	o->expired = true;
	memcpy(o->enhanced, "4.4.7", sizeof "4.4.7");
	if (!text)
		return;
	o->last = o->text;
	o->text = text;
}

/* When it is tried again. */
static void put_off(struct relay_work *work, size_t i)
{
	struct relay_outcome *o = &work->outcomes[i];
	const struct queue_target *target = &work->delivery->targets[i];
	uint64_t now = msv_relay_now(work->relay);
	uint32_t random = 0;
	o->warned = warn_at(work, i) <= now;
	if (o->verdict == RELAY_BLOCKED) {
		o->next = work->until > now ? work->until : now;
		return;
	}
	(void)msv_env_random(work->env, &random, sizeof random);
	o->next = msv_schedule_next(
	    &work->relay->schedule, target->attempts + 1, now, work->delivery->expires, random);
}

static void decide(struct relay_work *work, size_t i)
{
	struct relay_outcome *o = &work->outcomes[i];
	bool late = o->verdict == RELAY_LATER || o->verdict == RELAY_BLOCKED;
	if (o->verdict == RELAY_BACK)
		o->next = work->until;
	else if (late && msv_relay_now(work->relay) >= work->delivery->expires)
		expire(work, o);
	else if (late)
		put_off(work, i);
}

struct words {
	const char *event;
	enum msv_log_level level;
};

static const struct words words[] = {
	[RELAY_BLOCKED] = { "deferred", MSV_LOG_DEBUG },
	[RELAY_LATER] = { "deferred", MSV_LOG_INFO },
	[RELAY_SENT] = { "sent", MSV_LOG_INFO },
	[RELAY_NEVER] = { "failed", MSV_LOG_WARN },
};

/* One line for each recipient, so that a message can be followed to its end. */
static void log_outcome(const struct relay_work *work, size_t i)
{
	const struct relay_outcome *o = &work->outcomes[i];
	const struct queue_delivery *d = work->delivery;
	uint64_t now = msv_relay_now(work->relay);
	struct msv_logline l;
	if (o->verdict == RELAY_BACK)
		return;
	msv_logline_begin(&l, work->env, words[o->verdict].level, "mta", words[o->verdict].event);
	msv_logline_text(&l, "id", d->id);
	msv_logline_text(&l, "from", d->from);
	msv_logline_text(&l, "to", d->targets[i].address);
	msv_logline_text(&l, "destination", d->destination);
	msv_logline_text(&l, "host", work->host);
	msv_logline_text(&l, "tls", work->host && *work->tls ? work->tls : NULL);
	if (o->code)
		msv_logline_number(&l, "result", (uint64_t)o->code);
	msv_logline_text(&l, "status", *o->enhanced ? o->enhanced : NULL);
	msv_logline_text(&l, "reason", o->text);
	msv_logline_number(&l, "delay", (now - d->arrived) / SECOND);
	if (o->next > now)
		msv_logline_number(&l, "next", (o->next - now) / SECOND);
	msv_logline_end(&l);
}

void msv_relay_work_finish(struct relay_work *work, void (*done)(void *user), void *user)
{
	work->done = done;
	work->user = user;
	for (size_t i = 0; i < work->targets; i++)
		decide(work, i);
	msv_relay_notify(work);
}

static void nobody(void *user)
{
	(void)user;
}

void msv_relay_work_put_back(struct relay_work *work)
{
	work->until = msv_relay_now(work->relay) + SOON;
	msv_relay_work_say_all(work, RELAY_BACK, NULL);
	msv_relay_work_finish(work, nobody, NULL);
}

void msv_relay_work_back(struct relay_work *work, size_t i)
{
	work->outcomes[i].verdict = RELAY_BACK;
	work->outcomes[i].next = msv_relay_now(work->relay) + SOON;
}

static void fill_result(struct relay_work *work, size_t i)
{
	static const enum queue_outcome outcomes[] = {
		[RELAY_BACK] = QUEUE_RETRY,
		[RELAY_BLOCKED] = QUEUE_RETRY,
		[RELAY_LATER] = QUEUE_RETRY,
		[RELAY_SENT] = QUEUE_DONE,
		[RELAY_NEVER] = QUEUE_FAILED,
	};
	const struct relay_outcome *o = &work->outcomes[i];
	work->results[i] = (struct queue_result){ .outcome = outcomes[o->verdict],
		.next = o->next,
		.attempted = o->verdict >= RELAY_LATER,
		.warned = o->warned,
		.host = work->host,
		.code = o->code,
		.text = o->text };
}

void msv_relay_work_settle(struct relay_work *work, const struct queue_message *messages, size_t n)
{
	struct queue_settle_op op = { work->settled };
	for (size_t i = 0; i < work->targets; i++) {
		log_outcome(work, i);
		fill_result(work, i);
	}
	work->settled = NULL;
	msv_queue_settle(work->delivery, work->results, messages, n, op);
	work->delivery = NULL; /* the queue's */
}
