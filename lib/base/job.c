#include "base/env_struct.h"

struct msv_job {
	struct msv_task task; /* first: the task is the job */
	struct msv_env *env;
	void (*work)(void *data);
	void (*done)(void *data);
	void *data;
	bool starting; /* the options' offload function is running */
};

static void finish_job(struct msv_task *task)
{
	struct msv_job *job = (struct msv_job *)task;
	struct msv_env *env = job->env;

	job->done(job->data);
	msv_free(env, job);
	msv_env_unref(env);
}

/* What becomes of a job that nobody else takes. */
static void run_inline(struct msv_task *task)
{
	msv_job_run((struct msv_job *)task);
	finish_job(task);
}

int msv_env_offload(struct msv_env *env, enum msv_lane lane, void (*work)(void *data),
    void (*done)(void *data), void *data)
{
	struct msv_job *job = msv_alloc(env, sizeof(*job));

	if (!job)
		return MSV_ERR_NOMEM;
	*job = (struct msv_job){ { .fn = finish_job }, env, work, done, data, true };
	msv_env_ref(env);
	if (env->o.offload && !env->o.offload(env->o.user, lane, job)) {
		job->starting = false;
		return 0;
	}
	job->task.fn = run_inline;
	msv_env_later(env, &job->task);
	return 0;
}

void msv_job_run(struct msv_job *job)
{
	job->work(job->data);
}

void msv_job_done(struct msv_job *job)
{
	struct msv_env *env = job->env;

	/* A program that finishes the job while it is given away must not have
	 * `done` run inside the call that gave it. */
	if (job->starting) {
		msv_env_later(env, &job->task);
		return;
	}
	msv_env_enter(env);
	msv_env_defer(env, &job->task);
	msv_env_leave(env);
}
