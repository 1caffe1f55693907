/* What is not delivered at once goes to the queue: other hosts' mail, programs',
 * and copies for mailboxes that could not take them. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "mta/mta.h"

#define SECOND ((uint64_t)1000000)

/* What a leaf inherits of NOTIFY (RFC 3461 5.2.7). */
static unsigned notify_of(const struct mta_rcpt *rcpt, const struct mta_leaf *leaf)
{
	unsigned notify = rcpt->notify;
	if (leaf->list)
		return 0;
	if (leaf->several && (notify & MSV_NOTIFY_SUCCESS))
		notify &= ~(unsigned)MSV_NOTIFY_SUCCESS;
	return rcpt->notify && !notify ? MSV_NOTIFY_NEVER : notify;
}

static bool is_ascii(const char *s)
{
	for (; *s; s++)
		if ((unsigned char)*s > 127)
			return false;
	return true;
}

/* Whom the sender wrote to, where aliases made it somebody else. */
static const char *orcpt_of(
    const struct mta_rcpt *rcpt, const struct mta_leaf *leaf, struct mta_enqueue_room *room)
{
	if (leaf->list)
		return NULL;
	if (rcpt->orcpt || !leaf->forwarded)
		return rcpt->orcpt;
	snprintf(room->orcpt, sizeof room->orcpt, "%s;%s",
	    is_ascii(rcpt->address) ? "rfc822" : "utf-8", rcpt->address);
	return room->orcpt;
}

struct queue_recipient msv_mta_queue_recipient(
    const struct mta_rcpt *rcpt, const struct mta_leaf *leaf, struct mta_enqueue_room *room)
{
	struct queue_recipient r = { .address = leaf->address,
		.sender = leaf->sender,
		.orcpt = orcpt_of(rcpt, leaf, room),
		.notify = notify_of(rcpt, leaf) };
	if (leaf->kind == MTA_REMOTE) {
		r.kind = MSV_QUEUE_REMOTE;
		r.destination = leaf->destination;
	} else if (leaf->kind == MTA_PROGRAM) {
		r.kind = MSV_QUEUE_PROGRAM;
		r.destination = RELAY_PROGRAM;
		r.address = rcpt->address;
		r.account = leaf->address;
		snprintf(room->program, sizeof room->program, "%zu", leaf->program);
		r.mailbox = leaf->program ? room->program : NULL;
	} else {
		r.kind = MSV_QUEUE_LOCAL;
		r.destination = RELAY_LOCAL;
		r.account = leaf->account;
		r.mailbox = leaf->mailbox;
	}
	return r;
}

/* The fields on top.  A forwarded message that comes back must be known again; with
 * several recipients naming one would betray a blind copy. */
static int put_head(struct mta_transaction *t)
{
	bool forwarded = false;
	for (size_t i = 0; i < t->nleaves; i++)
		forwarded |= t->leaves[i].state == LEAF_TO_QUEUE && t->leaves[i].forwarded &&
		             t->leaves[i].kind != MTA_LOCAL;
	msv_buf_clear(&t->head);
	if (forwarded && t->nrcpts == 1)
		msv_buf_printf(&t->head, "Delivered-To: %s\r\n", t->rcpts[0].address);
	return msv_mta_trace_message(&t->head, t);
}

/* Recipients, and the room some of their strings are in. */
struct listed {
	struct queue_recipient *recipients;
	struct mta_enqueue_room *rooms;
	size_t n;
	bool list; /* one is reached through a mailing list */
};

static int list_recipients(struct mta_transaction *t, struct listed *out)
{
	size_t n = 0;
	for (size_t i = 0; i < t->nleaves; i++)
		n += t->leaves[i].state == LEAF_TO_QUEUE;
	out->recipients = msv_alloc(t->env, n * sizeof *out->recipients);
	out->rooms = msv_alloc(t->env, n * sizeof *out->rooms);
	if (!out->recipients || !out->rooms)
		return MSV_ERR_NOMEM;
	for (size_t i = 0; i < t->nleaves; i++) {
		const struct mta_leaf *leaf = &t->leaves[i];
		if (leaf->state != LEAF_TO_QUEUE)
			continue;
		out->list |= leaf->list;
		out->recipients[out->n] =
		    msv_mta_queue_recipient(&t->rcpts[leaf->rcpt], leaf, &out->rooms[out->n]);
		out->n++;
	}
	return 0;
}

static void on_queued(void *user, int error, const void *result)
{
	struct mta_transaction *t = user;
	(void)result;
	t->queueing = NULL;
	if (t->mta)
		t->queued(t, error);
	else
		msv_mta_transaction_free(t);
}

static void add(struct mta_transaction *t, const char *id, const char *origin,
    const struct listed *listed, struct queue_add_op op)
{
	uint64_t now = msv_env_realtime(t->env);
	uint64_t from = t->hold_until > now ? t->hold_until : now;
	struct queue_message message = { .id = id,
		.from = t->from,
		.account = t->origin.account,
		/* What is asked of a list's sender is not asked of its members'. */
		.envid = listed->list ? NULL : t->envid,
		.hold = listed->list ? NULL : t->hold,
		.ret = listed->list ? 0 : t->ret,
		.origin = origin,
		.body_8bit = t->body_8bit,
		.smtputf8 = t->smtputf8,
		.requiretls = t->requiretls,
		.is_signed = t->is_signed,
		.arrived = now,
		.not_before = t->hold_until > now ? t->hold_until : 0,
		.expires = from + t->mta->limits.lifetime_s * SECOND,
		.recipients = listed->recipients,
		.nrecipients = listed->n,
		.head = msv_buf_data(&t->head),
		.nhead = msv_buf_len(&t->head),
		.spool = &t->spool };
	msv_queue_add(t->mta->queue, &message, op);
}

int msv_mta_enqueue(
    struct mta_transaction *t, const char *mark, void (*done)(struct mta_transaction *t, int error))
{
	struct msv_env *env = t->env;
	struct listed listed = { 0 };
	struct queue_add_op op = { NULL };
	char *id = msv_asprintf(env, "%s%s", t->id, mark);
	char *origin = msv_asprintf(env, "session=%s peer=%s", t->origin.session_id,
	    *t->origin.peer_address ? t->origin.peer_address : "local");
	t->queued = done;
	if (id && origin && put_head(t) == 0 && list_recipients(t, &listed) == 0)
		op.op = msv_op_new(env, on_queued, t);
	t->queueing = op.op;
	if (op.op)
		add(t, id, origin, &listed, op);
	msv_free(env, listed.recipients);
	msv_free(env, listed.rooms);
	msv_free(env, id);
	msv_free(env, origin);
	return op.op ? 0 : MSV_ERR_NOMEM;
}
