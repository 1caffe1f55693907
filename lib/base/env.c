#include "base/env_struct.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static void *default_realloc(void *user, void *p, size_t n)
{
	(void)user;
	if (n)
		return realloc(p, n);
	free(p);
	return NULL;
}

static uint64_t default_monotonic(void *user)
{
	struct timespec t;

	(void)user;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

static uint64_t default_realtime(void *user)
{
	struct timespec t;

	(void)user;
	clock_gettime(CLOCK_REALTIME, &t);
	return (uint64_t)t.tv_sec * 1000000 + (uint64_t)t.tv_nsec / 1000;
}

static int default_random(void *user, void *p, size_t n)
{
	enum { AT_ONCE = 256 }; /* getentropy gives no more */
	char *to = p;

	(void)user;
	while (n) {
		size_t take = n < AT_ONCE ? n : AT_ONCE;
		if (getentropy(to, take))
			return MSV_ERR_IO;
		to += take;
		n -= take;
	}
	return 0;
}

/* The options as given, whatever version of the struct, with defaults. */
static int take_options(struct msv_env_options *o, const struct msv_env_options *given)
{
	if (given) {
		if (given->size < sizeof(size_t))
			return MSV_ERR_INVAL;
		memcpy(o, given, given->size < sizeof(*o) ? given->size : sizeof(*o));
	}
	if (!o->watch_start != !o->watch_stop)
		return MSV_ERR_INVAL;
	if (!o->realloc)
		o->realloc = default_realloc;
	if (!o->monotonic)
		o->monotonic = default_monotonic;
	if (!o->realtime)
		o->realtime = default_realtime;
	if (!o->random)
		o->random = default_random;
	return 0;
}

int msv_env_new(const struct msv_env_options *options, struct msv_env **out)
{
	struct msv_env_options o = { 0 };

	*out = NULL;
	if (take_options(&o, options))
		return MSV_ERR_INVAL;
	struct msv_env *env = o.realloc(o.user, NULL, sizeof(*env));
	if (!env)
		return MSV_ERR_NOMEM;
	*env = (struct msv_env){ .o = o, .refs = 1, .promised = MSV_NEVER };
	env->soon.next = env->soon.prev = &env->soon;
	env->later.next = env->later.prev = &env->later;
	*out = env;
	return 0;
}

static void destroy(struct msv_env *env)
{
	msv_free(env, env->heap);
	env->o.realloc(env->o.user, env, 0);
}

void msv_env_free(struct msv_env *env)
{
	if (!env)
		return;
	/* What is queued runs in this last leave: no tick will come. */
	msv_env_enter(env);
	env->released = true;
	msv_env_leave(env);
	/* What these functions need may go away with the program's hold. */
	env->o.log = NULL;
	env->o.wake = NULL;
	env->o.offload = NULL;
	env->o.watch_start = NULL;
	env->o.watch_stop = NULL;
	msv_env_unref(env);
}

void msv_env_ref(struct msv_env *env)
{
	env->refs++;
}

void msv_env_unref(struct msv_env *env)
{
	if (--env->refs == 0 && !env->depth)
		destroy(env);
}

/* -- The queue ------------------------------------------------------------- */

static void link_before(struct msv_task *at, struct msv_task *task)
{
	task->next = at;
	task->prev = at->prev;
	at->prev->next = task;
	at->prev = task;
	task->queued = true;
}

static void unlink_task(struct msv_task *task)
{
	task->next->prev = task->prev;
	task->prev->next = task->next;
	task->next = task->prev = NULL;
	task->queued = false;
}

/* Everything that waits for the next tick waits no longer. */
static void promote_later(struct msv_env *env)
{
	struct msv_task *soon = &env->soon, *later = &env->later;

	if (later->next == later)
		return;
	later->next->prev = soon->prev;
	soon->prev->next = later->next;
	later->prev->next = soon;
	soon->prev = later->prev;
	later->next = later->prev = later;
}

static void run_queue(struct msv_env *env)
{
	for (;;) {
		if (env->released)
			promote_later(env);
		struct msv_task *task = env->soon.next;
		if (task == &env->soon)
			return;
		unlink_task(task);
		task->fn(task);
	}
}

void msv_env_enter(struct msv_env *env)
{
	env->depth++;
}

void msv_env_leave(struct msv_env *env)
{
	if (env->depth == 1)
		run_queue(env);
	if (--env->depth == 0 && !env->refs)
		destroy(env);
}

void msv_env_leave_quietly(struct msv_env *env)
{
	if (env->released) {
		msv_env_leave(env);
		return;
	}
	if (--env->depth == 0 && env->soon.next != &env->soon)
		msv_env_want_tick(env);
}

bool msv_env_outermost(const struct msv_env *env)
{
	return env->depth == 1;
}

void msv_env_want_tick(struct msv_env *env)
{
	if (env->woken || env->ticking)
		return;
	env->woken = true;
	if (env->o.wake)
		env->o.wake(env->o.user);
}

void msv_env_defer(struct msv_env *env, struct msv_task *task)
{
	if (!task->queued)
		link_before(&env->soon, task);
	if (!env->depth)
		msv_env_want_tick(env);
}

void msv_env_defer_first(struct msv_env *env, struct msv_task *task)
{
	msv_env_undefer(env, task);
	link_before(env->soon.next, task);
	if (!env->depth)
		msv_env_want_tick(env);
}

void msv_env_later(struct msv_env *env, struct msv_task *task)
{
	if (!task->queued)
		link_before(&env->later, task);
	msv_env_want_tick(env);
}

void msv_env_undefer(struct msv_env *env, struct msv_task *task)
{
	(void)env;
	if (task->queued)
		unlink_task(task);
}

uint64_t msv_env_tick(struct msv_env *env)
{
	if (env->depth)
		return 0;
	msv_env_ref(env);
	env->woken = false;
	env->ticking = true;
	msv_env_enter(env);
	msv_timers_expire(env);
	promote_later(env);
	msv_env_leave(env);
	env->ticking = false;
	env->promised = env->later.next == &env->later ? msv_timers_next(env) : 0;
	uint64_t next = env->promised;
	msv_env_unref(env);
	return next;
}

/* -- What the program gave ------------------------------------------------- */

uint64_t msv_env_now(const struct msv_env *env)
{
	return env->o.monotonic(env->o.user);
}

uint64_t msv_env_realtime(const struct msv_env *env)
{
	return env->o.realtime(env->o.user);
}

int msv_env_random(struct msv_env *env, void *p, size_t n)
{
	return env->o.random(env->o.user, p, n) ? MSV_ERR_IO : 0;
}

void *msv_env_realloc(struct msv_env *env, void *p, size_t n)
{
	return env->o.realloc(env->o.user, p, n);
}
