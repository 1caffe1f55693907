/*
 * Local delivery: all copies are on disk before the first becomes visible, and
 * all are visible before 250.  Each recipient goes through the same steps -
 * begin, add, write..., prepare, (wait for the others,) commit - a few of them
 * at a time.  A copy that fails when others may be visible is tried again.
 */
#include <string.h>

#include "mta/mta.h"

/* Recipients worked on at once: many syncs in flight, little memory. */
#define BUSY_MAX ((size_t)16)
/* Bytes of the body given to the store at a time. */
#define PIECE    ((size_t)64 << 10)
/* How often a copy is tried again once others are visible. */
#define RETRIES  3

enum { IDLE, BEGIN, ADD, TRACE, BODY, PREPARE, PREPARED, COMMIT, DONE };

static void next(struct mta_transaction *t);
static void write_body(struct mta_recipient *r);
static void begin(struct mta_recipient *r);
static void commit(struct mta_recipient *r);

/* -- One recipient --------------------------------------------------------------- */

static void drop(struct mta_recipient *r)
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
static bool worth_retrying(const struct mta_recipient *r)
{
	const struct mta_transaction *t = r->transaction;

	return t->committing && r->retries < RETRIES && t->nrecipients > 1 &&
	       t->origin.role != MSV_SMTP_LMTP;
}

/* The recipient has failed: nothing of its copy stays. */
static void fail(struct mta_recipient *r, int error)
{
	drop(r);
	if (worth_retrying(r)) {
		r->retries++;
		r->offset = 0;
		begin(r);
		return;
	}
	r->error = error;
	r->state = DONE;
	r->transaction->busy--;
	next(r->transaction);
}

static struct msv_op *ask(struct mta_recipient *r, uint8_t state, msv_op_fn done)
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
	struct mta_recipient *r = user;
	const struct msv_copy_result *copied = result;
	r->op = NULL;
	r->append = NULL;
	if (error) {
		fail(r, error);
		return;
	}
	if (copied && copied->dest.n > 0)
		r->uid = copied->dest.r[0].first;
	r->state = DONE;
	r->transaction->busy--;
	next(r->transaction);
}

static void commit(struct mta_recipient *r)
{
	const struct msv_store *store = r->transaction->mta->store;
	struct msv_copy_op op = { ask(r, COMMIT, on_commit) };
	if (op.op)
		store->append_commit(store->self, r->append, op);
}

static void on_prepared(void *user, int error, const void *result)
{
	struct mta_recipient *r = user;
	(void)result;
	r->op = NULL;
	if (error) {
		fail(r, error);
		return;
	}
	if (r->transaction->committing) {
		commit(r); /* a retry: the others do not wait for it */
		return;
	}
	r->state = PREPARED;
	r->transaction->busy--;
	next(r->transaction);
}

static void prepare(struct mta_recipient *r)
{
	struct mta_transaction *t = r->transaction;
	const struct msv_store *store = t->mta->store;
	if (t->nrecipients == 1 && !t->canceled && !t->committing) {
		/* No other copy to wait for: the store may do it all at once. */
		t->committing = true;
		commit(r);
		return;
	}
	if (!store->append_prepare) {
		on_prepared(r, 0, NULL);
		return;
	}
	struct msv_op *op = ask(r, PREPARE, on_prepared);
	if (op)
		store->append_prepare(store->self, r->append, op);
}

static void on_written(void *user, int error, const void *result)
{
	struct mta_recipient *r = user;
	(void)result;
	r->op = NULL;
	if (error)
		fail(r, error);
	else
		write_body(r);
}

static void write_body(struct mta_recipient *r)
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
		struct msv_op *op = ask(r, BODY, on_written);
		r->offset += (uint64_t)n;
		if (op)
			store->append_write(store->self, r->append, p, (size_t)n, op);
	}
	msv_free(t->mta->env, room);
}

static void on_added(void *user, int error, const void *result)
{
	struct mta_recipient *r = user;
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
		struct msv_op *op = ask(r, TRACE, on_written);
		if (op)
			store->append_write(
			    store->self, r->append, msv_buf_data(&trace), msv_buf_len(&trace), op);
	}
	msv_buf_fini(&trace);
}

static void on_begun(void *user, int error, const void *result)
{
	struct mta_recipient *r = user;
	const struct msv_append_handle *handle = result;
	const struct msv_store *store = r->transaction->mta->store;
	/* Lines are CRLF already; the SMTP server saw to lone CR and LF. */
	struct msv_append_message message = {
		.size = sizeof message, .verbatim = true, .uid_later = true
	};
	r->op = NULL;
	if (error) {
		fail(r, error);
		return;
	}
	r->append = handle->append;
	struct msv_op *op = ask(r, ADD, on_added);
	if (op)
		store->append_add(store->self, r->append, &message, op);
}

static void begin(struct mta_recipient *r)
{
	const struct msv_store *store = r->transaction->mta->store;
	struct msv_actor actor = { .size = sizeof actor,
		.user = r->account,
		.home = r->home,
		.session_id = r->transaction->origin.session_id };
	struct msv_append_op op = { ask(r, BEGIN, on_begun) };
	if (op.op)
		store->append_begin(store->self, &actor, r->mailbox, op);
}

/* -- The answer --------------------------------------------------------------------- */

struct words {
	int error, code;
	const char *enhanced, *text;
};

/* What a sender is told of a failure. */
static const struct words *words_for(const struct mta_transaction *t, int error)
{
	static const struct words full = { MSV_ERR_QUOTA, 552, "5.2.2", "The mailbox is full" };
	static const struct words table[] = {
		{ MSV_ERR_QUOTA, 452, "4.2.2", "A mailbox is full, try again later" },
		{ MSV_ERR_EXISTS, 554, "5.4.6",
		    "Mail loop: this message was delivered to its recipient before" },
		{ MSV_ERR_NOSPACE, 452, "4.3.1", "Out of disk space, try again later" },
		{ MSV_ERR_NOMEM, 451, "4.3.0", "Out of memory, try again later" },
		{ MSV_ERR_FORMAT, 550, "5.6.0", "The message holds bytes that cannot be kept" },
		{ 0, 451, "4.3.0", "The message cannot be stored now, try again later" },
	};
	const struct words *w = table;
	/* One full mailbox among several must not turn away the others' mail. */
	if (error == MSV_ERR_QUOTA && t->nrecipients == 1 && t->origin.role != MSV_SMTP_LMTP)
		return &full;
	while (w->error && w->error != error)
		w++;
	return w;
}

static void log_recipient(const struct mta_transaction *t, const struct mta_recipient *r)
{
	struct msv_logline l;
	const struct words *w = words_for(t, r->error);

	msv_logline_begin(&l, t->mta->env, r->error ? MSV_LOG_ERROR : MSV_LOG_INFO, "mta",
	    r->error ? "failed" : "delivered");
	msv_logline_text(&l, "session", t->origin.session_id);
	msv_logline_text(&l, "peer", *t->origin.peer_address ? t->origin.peer_address : "local");
	msv_logline_text(&l, "user", *t->origin.account ? t->origin.account : NULL);
	msv_logline_text(&l, "id", t->id);
	msv_logline_text(&l, "from", t->from);
	msv_logline_text(&l, "to", r->address);
	msv_logline_text(&l, "account", r->account);
	msv_logline_text(&l, "mailbox", r->mailbox);
	if (r->uid)
		msv_logline_number(&l, "uid", r->uid);
	msv_logline_number(&l, "size", t->spool.size);
	msv_logline_number(&l, "result", r->error ? (uint64_t)w->code : 250);
	if (r->error)
		msv_logline_text(&l, "reason",
		    r->error == MSV_ERR_CANCELED ? "another copy failed" : msv_strerror(r->error));
	msv_logline_end(&l);
}

/* LMTP: a recipient's own answer (RFC 2033 4.2). */
static void answer_recipient(struct mta_transaction *t, size_t i, int error)
{
	const struct words *w = words_for(t, error);
	if (error)
		msv_reply_recipient(t->reply, i, w->code, w->enhanced, w->text);
	else
		msv_reply_recipient(t->reply, i, 250, "2.1.5", "Delivered");
}

static void answer(struct mta_transaction *t)
{
	int first_error = 0;
	for (size_t i = 0; i < t->nrecipients; i++) {
		const struct mta_recipient *r = &t->recipients[i];
		int error = r->same_as >= 0 ? t->recipients[r->same_as].error : r->error;
		/* Those given up for another's sake are not the reason. */
		if (error && (!first_error || first_error == MSV_ERR_CANCELED))
			first_error = error;
		if (r->same_as < 0)
			log_recipient(t, r);
		if (t->origin.role == MSV_SMTP_LMTP)
			answer_recipient(t, i, error);
	}
	struct msv_reply_op reply = t->reply;
	char text[64] = "Delivered, id ";
	t->reply.op = NULL;
	strncat(text, t->id, sizeof text - strlen(text) - 1);
	const struct words *w = words_for(t, first_error);
	msv_mta_transaction_free(t);
	if (first_error)
		msv_reply(reply, w->code, w->enhanced, w->text);
	else
		msv_reply(reply, 250, "2.0.0", text);
}

/* -- All recipients ------------------------------------------------------------------- */

/* True when one failed before any was committed, and all must fail with it. */
static bool fail_together(const struct mta_transaction *t)
{
	if (t->origin.role == MSV_SMTP_LMTP || t->committing)
		return false;
	for (size_t i = 0; i < t->nrecipients; i++)
		if (t->recipients[i].error)
			return true;
	return false;
}

/* Those that wait for the others' sake have waited in vain. */
static void give_up(struct mta_transaction *t)
{
	for (size_t i = 0; i < t->nrecipients; i++) {
		struct mta_recipient *r = &t->recipients[i];
		if (r->state != DONE && r->same_as < 0) {
			drop(r);
			r->error = MSV_ERR_CANCELED;
			r->state = DONE;
		}
	}
	t->busy = 0;
}

/* The next recipient in that state, from where the last one was found. */
static struct mta_recipient *find(struct mta_transaction *t, uint8_t state)
{
	for (; t->started < t->nrecipients; t->started++) {
		struct mta_recipient *r = &t->recipients[t->started];
		if (r->same_as < 0 && r->state == state)
			return &t->recipients[t->started++];
	}
	return NULL;
}

static void step(struct msv_task *task)
{
	struct mta_transaction *t =
	    (struct mta_transaction *)(void *)((char *)task -
	                                       offsetof(struct mta_transaction, task));
	if (t->canceled && !t->committing) {
		msv_mta_transaction_free(t);
		return;
	}
	if (fail_together(t)) {
		give_up(t);
		answer(t);
		return;
	}
	for (;;) {
		struct mta_recipient *r;
		while (t->busy < BUSY_MAX && (r = find(t, t->committing ? PREPARED : IDLE))) {
			t->busy++;
			if (t->committing)
				commit(r);
			else
				begin(r);
		}
		if (t->busy > 0 || task->queued)
			return; /* an answer comes */
		if (t->committing)
			break;
		t->committing = true;
		t->started = 0;
	}
	answer(t);
}

/* Something changed: look again, from the loop. */
static void next(struct mta_transaction *t)
{
	msv_env_defer(t->mta->env, &t->task);
}

/* The session is gone.  What is not visible yet is dropped: the sender was told
 * nothing and tries again. */
static void on_cancel(void *user)
{
	struct mta_transaction *t = user;
	t->canceled = true;
	next(t);
}

void msv_mta_deliver(struct mta_transaction *t, struct msv_reply_op reply)
{
	t->reply = reply;
	t->task.fn = step;
	for (size_t i = 0; i < t->nrecipients; i++) {
		struct mta_recipient *r = &t->recipients[i];
		r->transaction = t;
		if (r->loops) {
			r->error = MSV_ERR_EXISTS;
			r->state = DONE;
		}
	}
	msv_op_on_cancel(reply.op, on_cancel, t);
	next(t);
}

void msv_mta_delivery_cancel(struct mta_transaction *t)
{
	if (t->task.queued)
		msv_env_undefer(t->mta->env, &t->task);
	for (size_t i = 0; i < t->nrecipients; i++)
		if (t->recipients[i].transaction)
			drop(&t->recipients[i]);
	if (t->reply.op) {
		msv_op_on_cancel(t->reply.op, NULL, NULL);
		msv_reply(t->reply, 451, "4.3.0", NULL);
	}
	t->reply.op = NULL;
}
