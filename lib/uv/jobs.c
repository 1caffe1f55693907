/* Jobs in libuv's threads: a queue for each lane, so that none starves another. */
#include "loop.h"

struct job {
	struct msv_uv_node node;
	uv_work_t work;
	struct msv_uv *uv;
	struct msv_uv_lane *lane;
	struct msv_job *job;
};

void msv_uv_jobs_init(struct msv_uv *uv, const unsigned *width)
{
	static const unsigned defaults[MSV_LANE_COUNT] = {
		[MSV_LANE_DISK] = 4,
		[MSV_LANE_HASH] = 2,
		[MSV_LANE_INDEX] = 1,
	};

	for (unsigned i = 0; i < MSV_LANE_COUNT; i++) {
		msv_uv_ring_init(&uv->lanes[i].waiting);
		uv->lanes[i].width = width[i] ? width[i] : defaults[i];
	}
}

/* On a thread of the pool. */
static void work(uv_work_t *req)
{
	msv_job_run(((struct job *)req->data)->job);
}

static void done(uv_work_t *req, int status);

/* Fills the lane's width from its queue. */
static void run_lane(struct msv_uv *uv, struct msv_uv_lane *lane)
{
	while (lane->running < lane->width && !msv_uv_ring_empty(&lane->waiting)) {
		struct job *job = msv_uv_owner(lane->waiting.next, struct job, node);

		msv_uv_ring_remove(&job->node);
		lane->running++;
		/* Fails only without a work function. */
		uv_queue_work(uv->loop, &job->work, work, done);
	}
}

static void done(uv_work_t *req, int status)
{
	struct job *job = req->data;
	struct msv_uv *uv = job->uv;
	struct msv_job *finished = job->job;

	(void)status; /* nobody cancels */
	job->lane->running--;
	run_lane(uv, job->lane);
	msv_uv_release(uv, job);
	msv_job_done(finished);
	msv_uv_unref(uv);
}

int msv_uv_offload(void *user, enum msv_lane lane, struct msv_job *given)
{
	struct msv_uv *uv = user;
	struct job *job;

	if (uv->closing)
		return MSV_ERR_CANCELED;
	job = msv_uv_alloc(uv, sizeof(*job));
	if (!job)
		return MSV_ERR_NOMEM;
	job->uv = uv;
	job->lane = &uv->lanes[lane];
	job->job = given;
	job->work.data = job;
	msv_uv_ref(uv);
	msv_uv_ring_add(&job->lane->waiting, &job->node);
	run_lane(uv, job->lane);
	return 0;
}
