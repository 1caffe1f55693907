/* What the administrator does to many entries, in one transaction. */
#include "mta/queue_inside.h"

struct change {
	struct queue_work work; /* first */
	struct msv_op *op;
	struct msv_queue_count *result; /* the op's memory */
	enum msv_queue_change what;
	struct queue_filter filter;
	uint64_t messages, recipients, gone, held_gone;
};

/* -- In the job --------------------------------------------------------------------------------- */

static int run(struct queue_desk *desk, enum queue_sql which)
{
	return msv_queue_run(&desk->db, msv_queue_sql(&desk->db, which));
}

static int run_with(struct queue_desk *desk, enum queue_sql which, uint64_t value)
{
	sqlite3_stmt *statement = msv_queue_sql(&desk->db, which);

	msv_queue_bind(statement, 1, value);
	return msv_queue_run(&desk->db, statement);
}

static int count(struct queue_desk *desk, enum queue_sql which, uint64_t *a, uint64_t *b)
{
	sqlite3_stmt *statement = msv_queue_sql(&desk->db, which);
	int more = msv_queue_step(&desk->db, statement);

	if (more > 0) {
		*a = msv_queue_column(statement, 0);
		if (b)
			*b = msv_queue_column(statement, 1);
		sqlite3_reset(statement);
	}
	return more < 0 ? more : 0;
}

/* Fills the table of those meant. */
static int find_hits(struct queue_desk *desk, struct change *change)
{
	sqlite3_stmt *statement;
	int error = msv_queue_filter_rows(desk, &change->filter);

	if (!error)
		error = run(desk, QUEUE_SQL_CLEAR_HIT);
	if (error)
		return error;
	statement = msv_queue_sql(&desk->db, QUEUE_SQL_HIT);
	msv_queue_filter_bind(statement, &change->filter);
	msv_queue_bind(statement, 4, change->what == MSV_QUEUE_REMOVE);
	error = msv_queue_run(&desk->db, statement);
	if (!error)
		error = count(desk, QUEUE_SQL_COUNT_HIT, &change->messages, &change->recipients);
	return error ? error : change->recipients ? 0 : MSV_ERR_NOTFOUND;
}

static int retry(struct queue_desk *desk, struct change *change)
{
	(void)change;
	return run_with(desk, QUEUE_SQL_RETRY_HIT, desk->now);
}

/* Whole messages, those not held (or held) already left out. */
static int hold_or_release(struct queue_desk *desk, struct change *change)
{
	bool hold = change->what == MSV_QUEUE_HOLD;
	int error = run(desk, QUEUE_SQL_HIT_WHOLE);

	if (!error)
		error = run_with(desk, QUEUE_SQL_HIT_NOT_HELD, hold);
	if (!error)
		error = count(desk, QUEUE_SQL_COUNT_HIT, &change->messages, &change->recipients);
	if (!error)
		error = run(desk, hold ? QUEUE_SQL_HOLD_HIT : QUEUE_SQL_RELEASE_HIT);
	if (!error)
		error = run_with(desk, QUEUE_SQL_HOLD_MESSAGES, hold);
	return error;
}

static int remove_hits(struct queue_desk *desk, struct change *change)
{
	int error = run(desk, QUEUE_SQL_REMOVE_HIT);

	if (!error)
		error = run(desk, QUEUE_SQL_GONE_HIT);
	if (!error)
		error = count(desk, QUEUE_SQL_HELD_GONE, &change->held_gone, NULL);
	if (!error)
		error = run(desk, QUEUE_SQL_REMOVE_GONE);
	if (!error)
		change->gone = (uint64_t)sqlite3_changes64(desk->db.sqlite);
	return error;
}

static int (*const changes[])(struct queue_desk *desk, struct change *change) = {
	[MSV_QUEUE_RETRY] = retry,
	[MSV_QUEUE_HOLD] = hold_or_release,
	[MSV_QUEUE_RELEASE] = hold_or_release,
	[MSV_QUEUE_REMOVE] = remove_hits,
};

static int change_write(struct queue_desk *desk, struct queue_work *work)
{
	struct change *change = (struct change *)work;
	int error = find_hits(desk, change);

	if (!error)
		error = changes[change->what](desk, change);
	if (!error)
		error = run(desk, QUEUE_SQL_CLEAR_HIT);
	return error;
}

/* -- On the loop ----------------------------------------------------------------------------------- */

static void change_free(struct change *change)
{
	struct msv_queue *queue = change->work.queue;

	msv_queue_filter_fini(queue, &change->filter);
	msv_free(queue->env, change);
}

static void count_change(struct msv_queue *queue, const struct change *change)
{
	struct msv_queue_stats *stats = &queue->stats;

	if (change->what == MSV_QUEUE_HOLD)
		stats->held += change->messages;
	if (change->what == MSV_QUEUE_RELEASE)
		stats->held -= change->messages;
	if (change->what != MSV_QUEUE_REMOVE)
		return;
	stats->recipients -= change->recipients;
	stats->messages -= change->gone;
	stats->held -= change->held_gone;
}

static void change_done(struct queue_work *work)
{
	struct change *change = (struct change *)work;
	struct msv_queue *queue = work->queue;

	if (!work->error) {
		count_change(queue, change);
		msv_turns_doubt(&queue->turns);
		if (change->what == MSV_QUEUE_RETRY && queue->on_retry)
			queue->on_retry(queue->retry_user);
		*change->result = (struct msv_queue_count){ .size = sizeof(*change->result),
			.messages = change->messages,
			.recipients = change->recipients };
	}
	msv_op_complete(change->op, work->error, change->result);
	change_free(change);
}

void msv_queue_change(struct msv_queue *queue, enum msv_queue_change what,
    const struct msv_queue_filter *filter, struct msv_queue_change_op op)
{
	struct change *change;

	if ((unsigned)what > MSV_QUEUE_REMOVE) {
		msv_op_answer(op.op, MSV_ERR_INVAL);
		return;
	}
	change = msv_alloc(queue->env, sizeof(*change));
	if (change)
		change->result = msv_op_alloc(op.op, sizeof(*change->result));
	if (!change || !change->result ||
	    msv_queue_filter_init(queue, &change->filter, filter) != 0) {
		msv_free(queue->env, change);
		msv_op_answer(op.op, MSV_ERR_NOMEM);
		return;
	}
	change->op = op.op;
	change->what = what;
	change->work =
	    (struct queue_work){ .queue = queue, .write = change_write, .done = change_done };
	msv_queue_submit(&change->work);
}
