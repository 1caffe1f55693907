/* One job at a time has the database, and takes all that waits: so many messages
 * share one commit, and nobody waits longer than for two. */
#include <string.h>

#include "mta/queue_inside.h"

#define BATCH 1024 /* works in a job */

/* -- In the job ------------------------------------------------------------------------- */

static int run(struct queue_desk *desk, enum queue_sql which)
{
	return msv_queue_run(&desk->db, msv_queue_sql(&desk->db, which));
}

void msv_queue_orphan(struct queue_desk *desk, uint64_t message)
{
	/* Those beyond are found when the queue is opened again. */
	if (desk->norphans < QUEUE_MAX_ORPHANS)
		desk->orphan[desk->norphans++] = message;
}

static int sync_dirs(struct queue_desk *desk)
{
	int error = 0;

	for (unsigned i = 0; i < QUEUE_BODY_DIRS; i++) {
		if (desk->dirs[i] && !error)
			error = msv_queue_dir_sync(&desk->files, i);
		desk->dirs[i] = false;
	}
	return error;
}

/* Each alone: what cannot be written leaves nothing, and the others go on.  An error
 * means that all is lost. */
static int write_one(struct queue_desk *desk, struct queue_work *work)
{
	work->error = run(desk, QUEUE_SQL_SAVEPOINT);
	if (!work->error)
		work->error = work->write(desk, work);
	if (work->error && !sqlite3_get_autocommit(desk->db.sqlite))
		run(desk, QUEUE_SQL_UNDO);
	return run(desk, QUEUE_SQL_RELEASE);
}

static int write_batch(struct queue_desk *desk)
{
	int error = run(desk, QUEUE_SQL_BEGIN);

	for (struct queue_work *work = desk->batch; !error && work; work = work->next) {
		if (work->write)
			error = write_one(desk, work);
	}
	int unsynced = sync_dirs(desk);
	if (!error)
		error = unsynced ? unsynced : run(desk, QUEUE_SQL_COMMIT);
	if (error && !sqlite3_get_autocommit(desk->db.sqlite))
		run(desk, QUEUE_SQL_ROLLBACK);
	return error;
}

/* Bodies without a row are gone as are those whose row was removed. */
static void give_up_orphans(struct queue_desk *desk)
{
	while (desk->norphans > 0) {
		sqlite3_stmt *gone = msv_queue_sql(&desk->db, QUEUE_SQL_GONE);
		msv_queue_bind(gone, 1, desk->orphan[--desk->norphans]);
		msv_queue_run(&desk->db, gone);
	}
}

static void find_gone(struct queue_desk *desk)
{
	sqlite3_stmt *gone = msv_queue_sql(&desk->db, QUEUE_SQL_ALL_GONE);

	desk->gone = msv_queue_step(&desk->db, gone) > 0;
	sqlite3_reset(gone);
}

static void find_oldest(struct queue_desk *desk)
{
	sqlite3_stmt *statement = msv_queue_sql(&desk->db, QUEUE_SQL_OLDEST);

	desk->oldest = 0;
	if (msv_queue_step(&desk->db, statement) > 0)
		desk->oldest = msv_queue_column(statement, 0);
	sqlite3_reset(statement);
}

static void work_batch(void *data)
{
	struct queue_desk *desk = data;
	struct queue_work *work = desk->batch;

	desk->error = 0;
	while (work && !work->write)
		work = work->next;
	bool writes = work != NULL;
	if (writes)
		desk->error = write_batch(desk);
	for (work = desk->batch; work; work = work->next) {
		if (work->write && desk->error)
			work->error = desk->error;
		if (work->read)
			work->read(desk, work);
	}
	if (!writes)
		return;
	if (!desk->error)
		give_up_orphans(desk);
	find_gone(desk);
	find_oldest(desk);
}

/* -- On the loop ---------------------------------------------------------------------------- */

static void report(struct msv_queue *queue)
{
	struct queue_desk *desk = &queue->desk;

	if (desk->error)
		msv_env_log(queue->env, MSV_LOG_ERROR,
		    "queue directory=%s: cannot write: %s (%s); %s", queue->directory,
		    msv_strerror(desk->error), desk->db.problem,
		    desk->error == MSV_ERR_NOSPACE ? "make room on its disk"
		    : desk->error == MSV_ERR_FORMAT
		        ? "start again: what is damaged is then set aside"
		        : "look after its disk");
	desk->db.problem[0] = '\0';
}

static void after_batch(void *data)
{
	struct queue_desk *desk = data;
	struct msv_queue *queue = desk->batch->queue;
	struct queue_work *work = desk->batch;

	desk->batch = NULL;
	queue->running = false;
	queue->stats.oldest = desk->oldest;
	report(queue);
	while (work) {
		struct queue_work *next = work->next;
		work->done(work);
		work = next;
	}
	msv_queue_job_over(queue);
	msv_queue_announce(queue);
	msv_queue_sweep(queue);
	if (queue->waiting)
		msv_env_defer(queue->env, &queue->dispatch);
	msv_queue_rest(queue);
}

/* Up to BATCH works that want to go. */
static struct queue_work *next_batch(struct msv_queue *queue)
{
	struct queue_work *batch = NULL, **end = &batch, *work;

	queue->desk.db.busy.reserved = 0;
	for (int n = 0; n < BATCH && (work = queue->waiting); n++) {
		queue->waiting = work->next;
		if (!queue->waiting)
			queue->waiting_end = &queue->waiting;
		work->next = NULL;
		work->error = 0;
		if (work->prepare && !work->prepare(work))
			continue;
		*end = work;
		end = &work->next;
	}
	return batch;
}

static void dispatch(struct msv_task *task)
{
	struct msv_queue *queue =
	    (struct msv_queue *)((char *)task - offsetof(struct msv_queue, dispatch));
	struct queue_desk *desk = &queue->desk;

	if (queue->running)
		return;
	while ((desk->batch = next_batch(queue))) {
		desk->now = msv_env_realtime(queue->env);
		queue->running = true;
		if (msv_queue_job(queue, work_batch, after_batch, desk) == 0)
			return;
		queue->running = false;
		for (struct queue_work *work = desk->batch, *next; work; work = next) {
			next = work->next;
			work->error = MSV_ERR_NOMEM;
			work->done(work);
		}
	}
	msv_queue_announce(queue);
	msv_queue_rest(queue);
}

void msv_queue_chain_init(struct msv_queue *queue)
{
	queue->waiting_end = &queue->waiting;
	queue->dispatch.fn = dispatch;
}

void msv_queue_submit(struct queue_work *work)
{
	struct msv_queue *queue = work->queue;

	if (queue->closed && !work->lasting) {
		work->error = MSV_ERR_CANCELED;
		work->done(work);
		return;
	}
	work->next = NULL;
	*queue->waiting_end = work;
	queue->waiting_end = &work->next;
	if (!queue->running)
		msv_env_defer(queue->env, &queue->dispatch);
}

int msv_queue_job(
    struct msv_queue *queue, void (*work)(void *data), void (*done)(void *data), void *data)
{
	int error = msv_env_offload(queue->env, MSV_LANE_DISK, work, done, data);

	queue->jobs += error == 0;
	return error;
}

void msv_queue_job_over(struct msv_queue *queue)
{
	queue->jobs--;
}

/* -- The end ------------------------------------------------------------------------------------ */

static void close_desk(void *data)
{
	struct queue_desk *desk = data;

	msv_queue_db_close(&desk->db);
	msv_queue_files_close(&desk->files);
}

static void after_close(void *data)
{
	msv_queue_destroy((struct msv_queue *)((char *)data - offsetof(struct msv_queue, desk)));
}

void msv_queue_rest(struct msv_queue *queue)
{
	if (!queue->closed || queue->jobs || queue->waiting || queue->running)
		return;
	queue->running = true; /* the desk is the last job's */
	if (msv_env_offload(queue->env, MSV_LANE_DISK, close_desk, after_close, &queue->desk) == 0)
		return;
	close_desk(&queue->desk);
	msv_queue_destroy(queue);
}
