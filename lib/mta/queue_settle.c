/* Writing down how a delivery went, with the messages that come of it. */
#include <string.h>

#include "mta/queue_inside.h"

#define FIRST_WAIT   10000u /* ms, after writing failed */
#define LONGEST_WAIT 300000u

static struct queue_taken *taken_of(struct queue_work *work)
{
	return (struct queue_taken *)((char *)work - offsetof(struct queue_taken, work));
}

/* -- In the job ---------------------------------------------------------------------------- */

static int write_retry(struct queue_desk *desk, struct queue_taken *taken, size_t i)
{
	const struct queue_result *result = &taken->outcomes[i].given;
	sqlite3_stmt *statement = msv_queue_sql(&desk->db, QUEUE_SQL_RETRY_LATER);

	msv_queue_bind(statement, 1, taken->delivery.targets[i].row);
	msv_queue_bind(statement, 2, result->next);
	msv_queue_bind(statement, 3, result->attempted);
	msv_queue_bind(statement, 4, result->warned);
	/* What was not asked says nothing new. */
	if (result->host || result->text) {
		msv_queue_bind_text(statement, 5, result->host);
		sqlite3_bind_int(statement, 6, result->code);
		msv_queue_bind_text(statement, 7, result->text);
	}
	return msv_queue_run(&desk->db, statement);
}

static int write_end(struct queue_desk *desk, uint64_t row)
{
	sqlite3_stmt *statement = msv_queue_sql(&desk->db, QUEUE_SQL_END_RECIPIENT);

	msv_queue_bind(statement, 1, row);
	return msv_queue_run(&desk->db, statement);
}

/* Removes the message when that was its last recipient. */
static int write_message_end(struct queue_desk *desk, struct queue_taken *taken)
{
	sqlite3_stmt *statement = msv_queue_sql(&desk->db, QUEUE_SQL_END_MESSAGE);
	int more;

	msv_queue_bind(statement, 1, taken->message);
	while ((more = msv_queue_step(&desk->db, statement)) > 0) {
		taken->gone = true;
		taken->held = sqlite3_column_int(statement, 0) != 0;
	}
	if (more < 0 || !taken->gone)
		return more;
	statement = msv_queue_sql(&desk->db, QUEUE_SQL_GONE);
	msv_queue_bind(statement, 1, taken->message);
	return msv_queue_run(&desk->db, statement);
}

static int write_results(struct queue_desk *desk, struct queue_taken *taken)
{
	int error = 0;

	taken->gone = taken->held = false;
	taken->delivered = taken->failed = taken->retried = 0;
	for (size_t i = 0; !error && i < taken->delivery.ntargets; i++) {
		enum queue_outcome outcome = taken->outcomes[i].given.outcome;
		taken->retried += outcome == QUEUE_RETRY;
		taken->delivered += outcome == QUEUE_DONE;
		taken->failed += outcome == QUEUE_FAILED;
		error = outcome == QUEUE_RETRY ? write_retry(desk, taken, i)
		                               : write_end(desk, taken->delivery.targets[i].row);
	}
	if (!error && taken->delivered + taken->failed > 0)
		error = write_message_end(desk, taken);
	return error;
}

static int settle_write(struct queue_desk *desk, struct queue_work *work)
{
	struct queue_taken *taken = taken_of(work);
	int error = write_results(desk, taken);

	for (size_t i = 0; !error && i < taken->nnews; i++) {
		struct queue_new *new = &taken->news[i];
		if (new->refused)
			continue;
		error = msv_queue_new_insert(desk, new);
		new->refused = error == MSV_ERR_EXISTS;
		if (new->refused)
			error = 0;
	}
	return error;
}

static void settle_read(struct queue_desk *desk, struct queue_work *work)
{
	struct queue_taken *taken = taken_of(work);

	if (work->error)
		return;
	for (size_t i = 0; i < taken->delivery.ntargets; i++)
		msv_queue_busy_remove(&desk->db.busy, taken->delivery.targets[i].row);
	for (size_t i = 0; i < taken->nnews; i++) {
		if (taken->news[i].refused)
			msv_queue_orphan(desk, taken->news[i].row);
	}
	if (msv_queue_look(desk, &taken->look) != 0)
		taken->look =
		    (struct queue_look){ .dest = taken->look.dest, .looked = true, .exists = true };
}

/* -- On the loop ------------------------------------------------------------------------------ */

static void finish(struct queue_taken *taken, int error)
{
	if (taken->op)
		msv_op_answer(taken->op, error);
	msv_queue_taken_free(taken);
}

/* It is in memory still: once more, a little later each time. */
static void try_later(struct queue_taken *taken, int error)
{
	struct msv_queue *queue = taken->delivery.queue;
	uint64_t wait = FIRST_WAIT;

	if (queue->closed) {
		msv_env_log(queue->env, MSV_LOG_ERROR,
		    "queue id=%s: what became of it could not be written: %s; it is tried again",
		    taken->delivery.id, msv_strerror(error));
		finish(taken, error);
		return;
	}
	for (uint32_t i = 0; i < queue->failures && wait < LONGEST_WAIT; i++)
		wait *= 2;
	if (!queue->unsettled) {
		queue->failures++;
		wait = wait < LONGEST_WAIT ? wait : LONGEST_WAIT;
		msv_timer_start(queue->retry, msv_env_now(queue->env) + wait);
	}
	taken->again = queue->unsettled;
	queue->unsettled = taken;
}

static void count_end(struct queue_taken *taken)
{
	struct msv_queue *queue = taken->delivery.queue;

	queue->failures = 0;
	queue->stats.busy -= taken->delivery.ntargets;
	queue->stats.recipients -= taken->delivered + taken->failed;
	queue->stats.messages -= taken->gone;
	queue->stats.held -= taken->gone && taken->held;
	queue->stats.delivered += taken->delivered;
	queue->stats.failed += taken->failed;
	queue->stats.retried += taken->retried;
}

static void settle_done(struct queue_work *work)
{
	struct queue_taken *taken = taken_of(work);
	struct msv_queue *queue = work->queue;

	if (work->error) {
		try_later(taken, work->error);
		return;
	}
	count_end(taken);
	for (size_t i = 0; i < taken->nnews; i++) {
		if (!taken->news[i].refused)
			msv_queue_new_in(&taken->news[i]);
		else
			msv_env_log(queue->env, MSV_LOG_ERROR,
			    "queue id=%s: there is a message of that id; dropped",
			    taken->news[i].given.id);
	}
	msv_queue_looked(queue, &taken->look);
	finish(taken, 0);
}

/* All bodies are written, or cannot be now. */
static void bodies_done(struct queue_taken *taken)
{
	int error = 0;

	for (size_t i = 0; i < taken->nnews; i++) {
		if (!taken->news[i].written)
			error = taken->news[i].error;
	}
	if (error)
		try_later(taken, error);
	else
		msv_queue_submit(&taken->work);
}

static void body_done(void *user)
{
	struct queue_taken *taken = user;

	if (--taken->writing == 0)
		bodies_done(taken);
}

/* Bodies first, then all in one commit. */
static void write_down(struct queue_taken *taken)
{
	taken->writing = 1; /* until all are started */
	for (size_t i = 0; i < taken->nnews; i++) {
		struct queue_new *new = &taken->news[i];
		if (new->written)
			continue;
		new->error = msv_queue_new_write(new, body_done, taken);
		taken->writing += new->error == 0;
	}
	body_done(taken);
}

void msv_queue_settle_again(void *user)
{
	struct msv_queue *queue = user;
	struct queue_taken *taken = queue->unsettled;

	queue->unsettled = NULL;
	while (taken) {
		struct queue_taken *next = taken->again;
		write_down(taken);
		taken = next;
	}
}

/* -- The question --------------------------------------------------------------------------------- */

static void clean(char *out, size_t room, const char *text)
{
	size_t n = strnlen(text, room - 1);

	/* Not in the middle of a character. */
	while (text[n] && n > 0 && ((unsigned char)text[n] & 0xc0) == 0x80)
		n--;
	for (size_t i = 0; i < n; i++)
		out[i] = (unsigned char)text[i] < ' ' || text[i] == 127 ? '?' : text[i];
	out[n] = '\0';
}

static void copy_results(struct queue_taken *taken, const struct queue_result *results)
{
	for (size_t i = 0; i < taken->delivery.ntargets; i++) {
		struct queue_outcome_copy *copy = &taken->outcomes[i];
		copy->given = results[i];
		clean(copy->host, sizeof(copy->host), results[i].host ? results[i].host : "");
		clean(copy->text, sizeof(copy->text), results[i].text ? results[i].text : "");
		copy->given.host = results[i].host ? copy->host : NULL;
		copy->given.text = results[i].text ? copy->text : NULL;
	}
}

static int copy_news(struct queue_taken *taken, const struct queue_message *messages, size_t n)
{
	struct msv_queue *queue = taken->delivery.queue;

	if (!n)
		return 0;
	taken->news = msv_alloc(queue->env, n * sizeof(*taken->news));
	if (!taken->news)
		return MSV_ERR_NOMEM;
	for (size_t i = 0; i < n; i++) {
		struct queue_new *new = &taken->news[taken->nnews];
		int error = msv_queue_new_init(queue, new, &messages[i], true);
		if (error == MSV_ERR_NOMEM)
			return error;
		if (error)
			msv_env_log(queue->env, MSV_LOG_ERROR,
			    "queue id=%s: a message that comes of it cannot be queued: %s",
			    taken->delivery.id, msv_strerror(error));
		else
			taken->nnews++;
	}
	return 0;
}

void msv_queue_settle(struct queue_delivery *delivery, const struct queue_result *results,
    const struct queue_message *new_messages, size_t n, struct queue_settle_op op)
{
	struct queue_taken *taken = (struct queue_taken *)delivery;
	int error = copy_news(taken, new_messages, n);

	if (error) {
		if (op.op)
			msv_op_answer(op.op, error);
		msv_queue_put_back(taken);
		return;
	}
	copy_results(taken, results);
	taken->op = op.op;
	taken->work = (struct queue_work){ .queue = delivery->queue,
		.write = settle_write,
		.read = settle_read,
		.done = settle_done,
		.lasting = true };
	write_down(taken);
}
