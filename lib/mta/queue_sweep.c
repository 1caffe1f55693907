/* Bodies nobody needs any more are removed beside the chain of jobs: on some disks
 * that takes as long as a sync.  What is not done when the queue is closed is found
 * when it is opened. */
#include "mta/queue_inside.h"

static struct queue_sweep *sweep_of(struct queue_work *work)
{
	return (struct queue_sweep *)((char *)work - offsetof(struct queue_sweep, work));
}

/* In the chain: which ones. */
static void choose(struct queue_desk *desk, struct queue_work *work)
{
	struct queue_sweep *sweep = sweep_of(work);
	sqlite3_stmt *gone = msv_queue_sql(&desk->db, QUEUE_SQL_ALL_GONE), *forget;
	int more = 0;

	sweep->n = 0;
	while (sweep->n < QUEUE_SWEEP && (more = msv_queue_step(&desk->db, gone)) > 0)
		sweep->message[sweep->n++] = msv_queue_column(gone, 0);
	sqlite3_reset(gone);
	forget = msv_queue_sql(&desk->db, QUEUE_SQL_FORGET_GONE);
	if (sweep->n) {
		msv_queue_bind(forget, 1, sweep->message[sweep->n - 1]);
		msv_queue_run(&desk->db, forget);
	}
	desk->gone = more > 0;
}

static void sweep_work(void *data)
{
	const struct queue_sweep *sweep = data;

	for (size_t i = 0; i < sweep->n; i++)
		msv_queue_file_remove(&sweep->work.queue->desk.files, sweep->message[i]);
}

static void sweep_done(void *data)
{
	struct queue_sweep *sweep = data;
	struct msv_queue *queue = sweep->work.queue;

	msv_queue_job_over(queue);
	sweep->active = false;
	if (!queue->running)
		msv_queue_sweep(queue);
	msv_queue_rest(queue);
}

static void chosen(struct queue_work *work)
{
	struct queue_sweep *sweep = sweep_of(work);

	if (work->error || !sweep->n ||
	    msv_queue_job(work->queue, sweep_work, sweep_done, sweep) != 0)
		sweep->active = false;
}

void msv_queue_sweep(struct msv_queue *queue)
{
	struct queue_sweep *sweep = &queue->sweep;

	if (!queue->desk.gone || sweep->active || queue->closed)
		return;
	sweep->active = true;
	sweep->work = (struct queue_work){ .queue = queue, .read = choose, .done = chosen };
	msv_queue_submit(&sweep->work);
}
