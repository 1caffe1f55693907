/*
 * Delivery: all is on disk before the first copy becomes visible, and all copies
 * are visible before 250.  Each local copy goes through the same steps - begin,
 * add, write..., prepare, (wait for the others and the queue,) commit - a few of
 * them at a time.  A copy that fails when others may be visible is queued, or
 * without a queue tried again.
 */
#include "mta/mta.h"

/* Recipients worked on at once: many syncs in flight, little memory. */
#define BUSY_MAX ((size_t)16)
/* Bytes of the body given to the store at a time. */
#define PIECE    ((size_t)64 << 10)
/* How often a copy is tried again once others are visible. */
#define RETRIES  3

/* Where the message is. */
enum {
	PREPARING,
	QUEUEING,   /* what is not for a mailbox of ours */
	COMMITTING, /* from here on something may be visible */
	REQUEUEING, /* copies that failed since */
	OVER
};

static void next(struct mta_transaction *t);
static void write_body(struct mta_leaf *r);
static void begin(struct mta_leaf *r);
static void commit(struct mta_leaf *r);

/* -- One copy --------------------------------------------------------------------- */

static void drop(struct mta_leaf *r)
{
	const struct msv_store *store = r->transaction->mta->store;
	if (r->op)
		msv_op_cancel(r->op);
	r->op = NULL;
	if (r->append)
		store->append_abort(store->self, r->append);
	r->append = NULL;
}

/* To be told that one copy failed, the sender would send all of them again. */
static bool worth_retrying(const struct mta_leaf *r)
{
	const struct mta_transaction *t = r->transaction;
	return t->phase == COMMITTING && r->retries < RETRIES && t->nrcpts > 1 &&
	       t->origin.role != MSV_SMTP_LMTP && !t->mta->queue;
}

/* Are there others whose mail this leaf must not turn away? */
static bool is_one_of_several(const struct mta_leaf *r)
{
	const struct mta_transaction *t = r->transaction;
	if (t->origin.role == MSV_SMTP_LMTP)
		return t->rcpts[r->rcpt].nleaves > 1;
	return t->norder > 1;
}

/* A full mailbox may be emptied: its copy waits in the queue. */
static bool can_wait(const struct mta_leaf *r, int error)
{
	const struct mta_transaction *t = r->transaction;
	return error == MSV_ERR_QUOTA && t->phase == PREPARING && t->mta->queue &&
	       is_one_of_several(r);
}

/* The leaf has failed: nothing of its copy stays. */
static void fail(struct mta_leaf *r, int error)
{
	drop(r);
	if (worth_retrying(r)) {
		r->retries++;
		r->offset = 0;
		begin(r);
		return;
	}
	if (can_wait(r, error)) {
		r->state = LEAF_TO_QUEUE;
	} else {
		r->error = error;
		r->state = LEAF_DONE;
	}
	r->transaction->busy--;
	next(r->transaction);
}

static struct msv_op *ask(struct mta_leaf *r, enum mta_leaf_state state, msv_op_fn done)
{
	struct msv_op *op = msv_op_new(r->transaction->mta->env, done, r);

	r->state = state;
	r->op = op;
	if (!op)
		fail(r, MSV_ERR_NOMEM); /* may ask again: r->op is another then */
	return op;
}

static void on_commit(void *user, int error, const void *result)
{
	struct mta_leaf *r = user;
	const struct msv_copy_result *copied = result;
	r->op = NULL;
	r->append = NULL;
	if (error) {
		fail(r, error);
		return;
	}
	if (copied && copied->dest.n > 0)
		r->uid = copied->dest.r[0].first;
	r->state = LEAF_DONE;
	r->transaction->busy--;
	next(r->transaction);
}

static void commit(struct mta_leaf *r)
{
	const struct msv_store *store = r->transaction->mta->store;
	struct msv_copy_op op = { ask(r, LEAF_COMMIT, on_commit) };
	if (op.op)
		store->append_commit(store->self, r->append, op);
}

static void on_prepared(void *user, int error, const void *result)
{
	struct mta_leaf *r = user;
	(void)result;
	r->op = NULL;
	if (error) {
		fail(r, error);
		return;
	}
	if (r->transaction->phase == COMMITTING) {
		commit(r); /* a retry: the others do not wait for it */
		return;
	}
	r->state = LEAF_PREPARED;
	r->transaction->busy--;
	next(r->transaction);
}

static void prepare(struct mta_leaf *r)
{
	struct mta_transaction *t = r->transaction;
	const struct msv_store *store = t->mta->store;
	if (t->norder == 1 && !t->canceled && t->phase == PREPARING) {
		/* No other copy to wait for: the store may do it all at once. */
		t->phase = COMMITTING;
		commit(r);
		return;
	}
	if (!store->append_prepare) {
		on_prepared(r, 0, NULL);
		return;
	}
	struct msv_op *op = ask(r, LEAF_PREPARE, on_prepared);
	if (op)
		store->append_prepare(store->self, r->append, op);
}

static void on_written(void *user, int error, const void *result)
{
	struct mta_leaf *r = user;
	(void)result;
	r->op = NULL;
	if (error)
		fail(r, error);
	else
		write_body(r);
}

static void write_body(struct mta_leaf *r)
{
	struct mta_transaction *t = r->transaction;
	const struct msv_store *store = t->mta->store;
	const void *p;
	char *room = t->spool.fd >= 0 ? msv_alloc(t->mta->env, PIECE) : NULL;
	int64_t n = t->spool.fd >= 0 && !room
	                ? MSV_ERR_NOMEM
	                : msv_mta_spool_read(&t->spool, r->offset, room, PIECE, &p);
	if (n < 0) {
		fail(r, (int)n);
	} else if (n == 0) {
		prepare(r);
	} else {
		struct msv_op *op = ask(r, LEAF_BODY, on_written);
		r->offset += (uint64_t)n;
		if (op)
			store->append_write(store->self, r->append, p, (size_t)n, op);
	}
	msv_free(t->mta->env, room);
}

static void on_added(void *user, int error, const void *result)
{
	struct mta_leaf *r = user;
	const struct msv_store *store = r->transaction->mta->store;
	struct msv_buf trace;
	(void)result;
	r->op = NULL;
	if (error) {
		fail(r, error);
		return;
	}
	msv_buf_init(&trace, r->transaction->mta->env);
	if (msv_mta_trace(&trace, r->transaction, r) != 0) {
		fail(r, MSV_ERR_NOMEM);
	} else {
		struct msv_op *op = ask(r, LEAF_TRACE, on_written);
		if (op)
			store->append_write(
			    store->self, r->append, msv_buf_data(&trace), msv_buf_len(&trace), op);
	}
	msv_buf_fini(&trace);
}

static void on_begun(void *user, int error, const void *result)
{
	struct mta_leaf *r = user;
	const struct msv_append_handle *handle = result;
	const struct msv_store *store = r->transaction->mta->store;
	/* Lines are CRLF already; the SMTP server saw to lone CR and LF. */
	struct msv_append_message message = {
		.size = sizeof message,
		.verbatim = true,
		.uid_later = true,
		.octets = r->transaction->spool.size,
	};
	r->op = NULL;
	if (error) {
		fail(r, error);
		return;
	}
	r->append = handle->append;
	struct msv_op *op = ask(r, LEAF_ADD, on_added);
	if (op)
		store->append_add(store->self, r->append, &message, op);
}

static void begin(struct mta_leaf *r)
{
	const struct msv_store *store = r->transaction->mta->store;
	struct msv_actor actor = { .size = sizeof actor,
		.user = r->account,
		.home = r->home,
		.session_id = r->transaction->origin.session_id };
	struct msv_append_op op = { ask(r, LEAF_BEGIN, on_begun) };
	if (op.op)
		store->append_begin(store->self, &actor, r->mailbox, op);
}

/* -- All leaves --------------------------------------------------------------------- */

static bool is_lmtp(const struct mta_transaction *t)
{
	return t->origin.role == MSV_SMTP_LMTP;
}

/* True when one failed before any was committed, and all must fail with it. */
static bool fail_together(const struct mta_transaction *t)
{
	if (is_lmtp(t) || t->phase >= COMMITTING)
		return false;
	for (size_t i = 0; i < t->nleaves; i++)
		if (t->leaves[i].error)
			return true;
	return false;
}

/* Those that wait for the others' sake have waited in vain. */
static void give_up_leaf(struct mta_leaf *r)
{
	if (r->state == LEAF_DONE || r->same_as >= 0)
		return;
	drop(r);
	r->error = MSV_ERR_CANCELED;
	r->state = LEAF_DONE;
}

static void give_up(struct mta_transaction *t)
{
	for (size_t i = 0; i < t->nleaves; i++)
		give_up_leaf(&t->leaves[i]);
	t->busy = 0;
}

/* LMTP: what only refused recipients would get, nobody gets. */
static void give_up_refused(struct mta_transaction *t)
{
	for (size_t i = 0; i < t->nleaves; i++)
		t->leaves[i].wanted = false;
	for (size_t i = 0; i < t->nrcpts; i++) {
		const struct mta_rcpt *rcpt = &t->rcpts[i];
		bool refused = msv_mta_rcpt_error(t, i) != 0;
		for (size_t k = rcpt->first; !refused && k < rcpt->first + rcpt->nleaves; k++) {
			ptrdiff_t same = t->leaves[k].same_as;
			t->leaves[same >= 0 ? (size_t)same : k].wanted = true;
		}
	}
	for (size_t i = 0; i < t->nleaves; i++)
		if (!t->leaves[i].wanted)
			give_up_leaf(&t->leaves[i]);
}

/* The next leaf in that state, from where the last one was found. */
static struct mta_leaf *find(struct mta_transaction *t, enum mta_leaf_state state)
{
	for (; t->started < t->nleaves; t->started++) {
		struct mta_leaf *r = &t->leaves[t->started];
		if (r->same_as < 0 && r->state == state)
			return &t->leaves[t->started++];
	}
	return NULL;
}

static bool any(const struct mta_transaction *t, enum mta_leaf_state state)
{
	for (size_t i = 0; i < t->nleaves; i++)
		if (t->leaves[i].same_as < 0 && t->leaves[i].state == state)
			return true;
	return false;
}

/* Starts what may be started; true: an answer is to come. */
static bool work(
    struct mta_transaction *t, enum mta_leaf_state from, void (*start)(struct mta_leaf *r))
{
	struct mta_leaf *r;
	while (t->busy < BUSY_MAX && (r = find(t, from))) {
		t->busy++;
		start(r);
	}
	return t->busy > 0 || t->task.queued;
}

static void on_queued(struct mta_transaction *t, int error)
{
	for (size_t i = 0; i < t->nleaves; i++) {
		struct mta_leaf *r = &t->leaves[i];
		if (r->state != LEAF_TO_QUEUE)
			continue;
		r->state = LEAF_DONE;
		r->queued = !error;
		r->error = error;
	}
	next(t);
}

/* Something has gone through and cannot be taken back. */
static bool is_in(const struct mta_leaf *r)
{
	return r->state == LEAF_DONE && !r->error && r->kind != MTA_DISCARD;
}

/* Copies that failed when others did not: the queue tries them again. */
static void requeue(struct mta_transaction *t)
{
	bool in = false;
	for (size_t i = 0; i < t->nleaves; i++)
		in |= t->leaves[i].same_as < 0 && is_in(&t->leaves[i]);
	for (size_t i = 0; in && t->mta->queue && i < t->nleaves; i++) {
		struct mta_leaf *r = &t->leaves[i];
		if (r->same_as >= 0 || !r->error || r->loops || r->error == MSV_ERR_CANCELED ||
		    r->kind != MTA_LOCAL || (is_lmtp(t) && !is_one_of_several(r)))
			continue;
		r->state = LEAF_TO_QUEUE;
	}
}

/* Queues; true: an answer is to come. */
static bool enqueue(struct mta_transaction *t, const char *mark)
{
	if (!any(t, LEAF_TO_QUEUE))
		return false;
	if (msv_mta_enqueue(t, mark, on_queued) != 0)
		on_queued(t, MSV_ERR_NOMEM);
	return true;
}

/* A phase is over: on to the next.  False: nothing to be done any more. */
static bool advance(struct mta_transaction *t)
{
	t->started = 0;
	switch (++t->phase) {
	case QUEUEING:
		if (is_lmtp(t))
			give_up_refused(t);
		enqueue(t, "");
		break;
	case COMMITTING:
		if (is_lmtp(t))
			give_up_refused(t);
		break;
	case REQUEUEING:
		requeue(t);
		enqueue(t, "r");
		break;
	default:
		return false;
	}
	return true;
}

static void step(struct msv_task *task)
{
	struct mta_transaction *t =
	    (struct mta_transaction *)(void *)((char *)task -
	                                       offsetof(struct mta_transaction, task));
	if (t->canceled && t->phase == PREPARING) {
		msv_mta_transaction_free(t);
		return;
	}
	do {
		if (fail_together(t)) {
			give_up(t);
			break;
		}
		if (t->phase == PREPARING && work(t, LEAF_IDLE, begin))
			return;
		if (t->phase == COMMITTING && work(t, LEAF_PREPARED, commit))
			return;
		if (t->queueing || t->task.queued)
			return;
	} while (advance(t));
	msv_mta_outcome(t);
}

/* Something changed: look again, from the loop. */
static void next(struct mta_transaction *t)
{
	msv_env_defer(t->mta->env, &t->task);
}

/* The session is gone.  What is not visible or queued yet is dropped: the sender was
 * told nothing and tries again. */
static void on_cancel(void *user)
{
	struct mta_transaction *t = user;
	t->canceled = true;
	next(t);
}

/* -- The beginning -------------------------------------------------------------------- */

/* Is there somebody else the recipient stands for who has not had the message? */
static bool others_want_it(const struct mta_transaction *t, const struct mta_rcpt *rcpt)
{
	for (size_t i = rcpt->first; i < rcpt->first + rcpt->nleaves; i++)
		if (!t->leaves[i].loops)
			return true;
	return false;
}

/* Who had the message before is served; if that is all of a recipient, it is a loop. */
static int loop_error(const struct mta_transaction *t, const struct mta_leaf *r)
{
	const struct mta_rcpt *rcpt = &t->rcpts[r->rcpt];
	if (rcpt->loops || (r->loops && !others_want_it(t, rcpt)))
		return MSV_ERR_EXISTS;
	return 0;
}

static void sort_leaf(struct mta_transaction *t, struct mta_leaf *r, bool hold)
{
	r->transaction = t;
	r->error = loop_error(t, r);
	if (r->error || r->loops || r->kind == MTA_DISCARD)
		r->state = LEAF_DONE;
	else if (r->same_as < 0 && (r->kind != MTA_LOCAL || hold))
		r->state = LEAF_TO_QUEUE;
}

void msv_mta_deliver(struct mta_transaction *t, struct msv_reply_op reply)
{
	bool hold = t->mta->queue && t->hold_until > msv_env_realtime(t->env);
	t->reply = reply;
	t->task.fn = step;
	t->phase = PREPARING;
	for (size_t i = 0; i < t->nleaves; i++)
		sort_leaf(t, &t->leaves[i], hold);
	msv_op_on_cancel(reply.op, on_cancel, t);
	next(t);
}

void msv_mta_delivery_cancel(struct mta_transaction *t)
{
	if (t->task.queued)
		msv_env_undefer(t->env, &t->task);
	for (size_t i = 0; i < t->nleaves; i++)
		if (t->leaves[i].transaction)
			drop(&t->leaves[i]);
}
