#include "base/env_struct.h"

enum { LOOK_MS = 1000 };

struct msv_watch {
	struct msv_task task; /* first: the task is the watch */
	struct msv_env *env;
	void (*fn)(void *user);
	void *user;
	char *path;
	void *handle;            /* what watch_start gave */
	struct msv_timer *timer; /* or, when nobody watches: look once a second */
};

static void run_watch(struct msv_task *task)
{
	struct msv_watch *watch = (struct msv_watch *)task;

	watch->fn(watch->user);
}

static void look(void *user)
{
	struct msv_watch *watch = user;

	msv_timer_start(watch->timer, msv_env_now(watch->env) + LOOK_MS);
	watch->fn(watch->user);
}

/* Has the program watch, else a timer. */
static int start(struct msv_watch *watch)
{
	struct msv_env *env = watch->env;

	if (env->o.watch_start &&
	    !env->o.watch_start(env->o.user, watch->path, watch, &watch->handle))
		return 0;
	watch->handle = NULL;
	int error = msv_timer_new(env, look, watch, &watch->timer);
	if (!error)
		msv_timer_start(watch->timer, msv_env_now(env) + LOOK_MS);
	return error;
}

int msv_watch_new(struct msv_env *env, const char *path, void (*fn)(void *user), void *user,
    struct msv_watch **out)
{
	struct msv_watch *watch = msv_alloc(env, sizeof(*watch));

	*out = NULL;
	if (!watch)
		return MSV_ERR_NOMEM;
	*watch = (struct msv_watch){ { .fn = run_watch }, env, fn, user, NULL, NULL, NULL };
	watch->path = msv_strdup(env, path);
	int error = watch->path ? start(watch) : MSV_ERR_NOMEM;
	if (error) {
		msv_free(env, watch->path);
		msv_free(env, watch);
		return error;
	}
	msv_env_ref(env);
	*out = watch;
	return 0;
}

void msv_watch_free(struct msv_watch *watch)
{
	if (!watch)
		return;
	struct msv_env *env = watch->env;
	if (watch->timer)
		msv_timer_free(watch->timer);
	else if (env->o.watch_stop)
		env->o.watch_stop(env->o.user, watch->handle);
	msv_env_undefer(env, &watch->task);
	msv_free(env, watch->path);
	msv_free(env, watch);
	msv_env_unref(env);
}

void msv_watch_fire(struct msv_watch *watch)
{
	msv_env_later(watch->env, &watch->task);
}
