/*
 * Jobs in libuv's threads: a queue for each lane, so that none starves another.
 *
 * A runner is a thread that takes one job after the other from its lane while
 * there are any: to wake a thread, and to be woken by it, costs more than many
 * a job.  For the same reason a lane whose jobs are over at once - its files
 * are in memory - has one runner; as soon as jobs take time, or one waits for
 * a while, it has as many as its width allows.
 */
#include "loop.h"

#include <stdlib.h>

#define QUICK_NS    UINT64_C(150000)   /* shorter jobs are not worth a thread each */
#define TURN_NS     UINT64_C(10000000) /* then a thread of the pool is for other lanes too */
#define PATIENCE_MS UINT64_C(2)        /* for which a job waits behind one that is slow */

struct job {
	struct msv_uv_node node;
	struct msv_uv *uv;
	struct msv_job *job;
	uint64_t since; /* by the loop's clock */
};

/* One thread's worth of a lane. */
struct msv_uv_runner {
	uv_work_t work;
	struct msv_uv_lane *lane;
	struct msv_uv_runner *next; /* of those that are free */
	struct job *last;           /* done, not yet handed back */
};

/* -- On a thread of the pool ---------------------------------------------------- */

/* The next job, or NULL.  The one before goes back to the loop now if there is
 * a next, else at the end of the thread's work. */
static struct job *take(struct msv_uv_runner *runner)
{
	struct msv_uv_lane *lane = runner->lane;
	struct msv_uv *uv = lane->uv;
	struct job *job = NULL;
	bool tell = false;

	uv_mutex_lock(&uv->jobs_mutex);
	if (!msv_uv_ring_empty(&lane->waiting)) {
		job = msv_uv_owner(lane->waiting.next, struct job, node);
		msv_uv_ring_remove(&job->node);
		if (runner->last) {
			tell = msv_uv_ring_empty(&uv->jobs_done);
			msv_uv_ring_add(&uv->jobs_done, &runner->last->node);
		}
		runner->last = NULL;
	}
	uv_mutex_unlock(&uv->jobs_mutex);
	if (tell)
		uv_async_send(&uv->jobs_async);
	return job;
}

static void note_time(struct msv_uv_lane *lane, uint64_t ns)
{
	uv_mutex_lock(&lane->uv->jobs_mutex);
	lane->average_ns = lane->average_ns - lane->average_ns / 8 + ns / 8;
	uv_mutex_unlock(&lane->uv->jobs_mutex);
}

static void work(uv_work_t *req)
{
	struct msv_uv_runner *runner = req->data;
	uint64_t begin = uv_hrtime(), before = begin, now = begin;
	struct job *job;

	while (now - begin < TURN_NS && (job = take(runner))) {
		msv_job_run(job->job);
		runner->last = job;
		now = uv_hrtime();
		note_time(runner->lane, now - before);
		before = now;
	}
}

/* -- On the loop ------------------------------------------------------------------ */

static void runner_over(uv_work_t *req, int status);

/* What the first job that waits can expect. */
static bool wants_runner(struct msv_uv_lane *lane)
{
	struct msv_uv *uv = lane->uv;
	bool wants = false;

	if (!lane->idle)
		return false;
	uv_mutex_lock(&uv->jobs_mutex);
	if (!msv_uv_ring_empty(&lane->waiting)) {
		const struct job *first = msv_uv_owner(lane->waiting.next, struct job, node);
		wants = !lane->running || lane->average_ns > QUICK_NS ||
		        uv_now(uv->loop) - first->since >= PATIENCE_MS;
	}
	uv_mutex_unlock(&uv->jobs_mutex);
	return wants;
}

/* Gives a lane one more thread if it is worth that. */
static void run_lane(struct msv_uv_lane *lane)
{
	struct msv_uv_runner *runner = lane->idle;

	if (!wants_runner(lane))
		return;
	lane->idle = runner->next;
	lane->running++;
	/* Fails only without a work function. */
	uv_queue_work(lane->uv->loop, &runner->work, work, runner_over);
}

static void finish(struct job *job)
{
	struct msv_uv *uv = job->uv;
	struct msv_job *finished = job->job;

	msv_uv_release(uv, job);
	msv_job_done(finished);
	msv_uv_unref(uv);
}

static void runner_over(uv_work_t *req, int status)
{
	struct msv_uv_runner *runner = req->data;
	struct msv_uv_lane *lane = runner->lane;
	struct job *last = runner->last;

	(void)status; /* nobody cancels */
	runner->last = NULL;
	runner->next = lane->idle;
	lane->idle = runner;
	lane->running--;
	run_lane(lane);
	if (last)
		finish(last);
}

static void on_done(uv_async_t *async)
{
	struct msv_uv *uv = async->data;
	struct msv_uv_node batch;

	msv_uv_ring_init(&batch);
	uv_mutex_lock(&uv->jobs_mutex);
	while (!msv_uv_ring_empty(&uv->jobs_done)) {
		struct msv_uv_node *node = uv->jobs_done.next;
		msv_uv_ring_remove(node);
		msv_uv_ring_add(&batch, node);
	}
	uv_mutex_unlock(&uv->jobs_mutex);
	while (!msv_uv_ring_empty(&batch)) {
		struct msv_uv_node *node = batch.next;
		msv_uv_ring_remove(node);
		finish(msv_uv_owner(node, struct job, node));
	}
}

static void watch_patience(struct msv_uv *uv);

static void on_patience(uv_timer_t *timer)
{
	struct msv_uv *uv = timer->data;

	for (unsigned i = 0; i < MSV_LANE_COUNT; i++)
		run_lane(&uv->lanes[i]);
	watch_patience(uv);
}

/* While jobs wait in a lane that could have more threads, it is looked at
 * again. */
static void watch_patience(struct msv_uv *uv)
{
	bool waiting = false;

	if (uv_is_active((uv_handle_t *)&uv->jobs_timer))
		return;
	uv_mutex_lock(&uv->jobs_mutex);
	for (unsigned i = 0; i < MSV_LANE_COUNT; i++)
		waiting |= uv->lanes[i].idle && !msv_uv_ring_empty(&uv->lanes[i].waiting);
	uv_mutex_unlock(&uv->jobs_mutex);
	if (waiting)
		uv_timer_start(&uv->jobs_timer, on_patience, PATIENCE_MS, 0);
}

int msv_uv_offload(void *user, enum msv_lane which, struct msv_job *given)
{
	struct msv_uv *uv = user;
	struct msv_uv_lane *lane = &uv->lanes[which];
	struct job *job;

	if (uv->closing)
		return MSV_ERR_CANCELED;
	job = msv_uv_alloc(uv, sizeof(*job));
	if (!job)
		return MSV_ERR_NOMEM;
	job->uv = uv;
	job->job = given;
	job->since = uv_now(uv->loop);
	msv_uv_ref(uv);
	uv_mutex_lock(&uv->jobs_mutex);
	msv_uv_ring_add(&lane->waiting, &job->node);
	uv_mutex_unlock(&uv->jobs_mutex);
	run_lane(lane);
	watch_patience(uv);
	return 0;
}

/* -- Life -------------------------------------------------------------------------- */

static int init_lane(struct msv_uv *uv, struct msv_uv_lane *lane, unsigned width)
{
	lane->uv = uv;
	lane->average_ns = QUICK_NS * 2; /* until it is known better */
	msv_uv_ring_init(&lane->waiting);
	lane->runners = calloc(width, sizeof(*lane->runners));
	if (!lane->runners)
		return MSV_ERR_NOMEM;
	for (unsigned i = 0; i < width; i++) {
		struct msv_uv_runner *runner = &lane->runners[i];
		runner->work.data = runner;
		runner->lane = lane;
		runner->next = lane->idle;
		lane->idle = runner;
	}
	return 0;
}

int msv_uv_jobs_init(struct msv_uv *uv, const unsigned *width)
{
	static const unsigned defaults[MSV_LANE_COUNT] = {
		[MSV_LANE_DISK] = 4,
		[MSV_LANE_HASH] = 2,
		[MSV_LANE_INDEX] = 1,
	};
	int error = 0;

	msv_uv_ring_init(&uv->jobs_done);
	if (uv_mutex_init(&uv->jobs_mutex) != 0)
		return MSV_ERR_NOMEM;
	for (unsigned i = 0; !error && i < MSV_LANE_COUNT; i++)
		error = init_lane(uv, &uv->lanes[i], width[i] ? width[i] : defaults[i]);
	if (error)
		msv_uv_jobs_fini(uv);
	return error;
}

int msv_uv_jobs_open(struct msv_uv *uv)
{
	if (uv_async_init(uv->loop, &uv->jobs_async, on_done) != 0)
		return MSV_ERR_IO;
	uv_timer_init(uv->loop, &uv->jobs_timer);
	uv->jobs_async.data = uv->jobs_timer.data = uv;
	/* What keeps the loop going while jobs wait is the runner's work. */
	uv_unref((uv_handle_t *)&uv->jobs_async);
	uv_unref((uv_handle_t *)&uv->jobs_timer);
	return 0;
}

void msv_uv_jobs_fini(struct msv_uv *uv)
{
	for (unsigned i = 0; i < MSV_LANE_COUNT; i++)
		free(uv->lanes[i].runners);
	uv_mutex_destroy(&uv->jobs_mutex);
}
