#include "base/env_struct.h"

/* A running timer is in the heap; when it is due it moves to the task queue. */
struct msv_timer {
	struct msv_task due; /* first: the task is the timer */
	struct msv_env *env;
	void (*fn)(void *user);
	void *user;
	uint64_t at;
	size_t place; /* in the heap, from 1; 0 when not there */
};

static void put(struct msv_env *env, size_t place, struct msv_timer *timer)
{
	env->heap[place - 1] = timer;
	timer->place = place;
}

/* Lets a timer rise from a place until its parent is earlier. */
static void rise(struct msv_env *env, size_t place, struct msv_timer *timer)
{
	while (place > 1 && env->heap[place / 2 - 1]->at > timer->at) {
		put(env, place, env->heap[place / 2 - 1]);
		place /= 2;
	}
	put(env, place, timer);
}

/* Lets a timer sink from a place until its children are later. */
static void sink(struct msv_env *env, size_t place, struct msv_timer *timer)
{
	for (;;) {
		size_t child = place * 2;
		if (child > env->nheap)
			break;
		if (child < env->nheap && env->heap[child]->at < env->heap[child - 1]->at)
			child++;
		if (env->heap[child - 1]->at >= timer->at)
			break;
		put(env, place, env->heap[child - 1]);
		place = child;
	}
	put(env, place, timer);
}

static void take_out(struct msv_env *env, struct msv_timer *timer)
{
	size_t place = timer->place;
	struct msv_timer *last = env->heap[--env->nheap];

	timer->place = 0;
	if (last == timer)
		return;
	if (last->at < timer->at)
		rise(env, place, last);
	else
		sink(env, place, last);
}

static void run_timer(struct msv_task *task)
{
	struct msv_timer *timer = (struct msv_timer *)task;

	timer->fn(timer->user);
}

int msv_timer_new(struct msv_env *env, void (*fn)(void *user), void *user, struct msv_timer **out)
{
	*out = NULL;
	if (msv_grow(env, &env->heap, &env->heap_cap, env->ntimers + 1, sizeof(*env->heap)))
		return MSV_ERR_NOMEM;
	struct msv_timer *timer = msv_alloc(env, sizeof(*timer));
	if (!timer)
		return MSV_ERR_NOMEM;
	timer->env = env;
	timer->fn = fn;
	timer->user = user;
	timer->due.fn = run_timer;
	env->ntimers++;
	msv_env_ref(env);
	*out = timer;
	return 0;
}

void msv_timer_start(struct msv_timer *timer, uint64_t at)
{
	struct msv_env *env = timer->env;

	msv_timer_stop(timer);
	timer->at = at;
	rise(env, ++env->nheap, timer);
	if (at < env->promised)
		msv_env_want_tick(env);
}

void msv_timer_stop(struct msv_timer *timer)
{
	msv_env_undefer(timer->env, &timer->due);
	if (timer->place)
		take_out(timer->env, timer);
}

void msv_timer_free(struct msv_timer *timer)
{
	if (!timer)
		return;
	struct msv_env *env = timer->env;
	msv_timer_stop(timer);
	env->ntimers--;
	msv_free(env, timer);
	msv_env_unref(env);
}

void msv_timers_expire(struct msv_env *env)
{
	uint64_t now = env->nheap ? msv_env_now(env) : 0;

	while (env->nheap && env->heap[0]->at <= now) {
		struct msv_timer *timer = env->heap[0];
		take_out(env, timer);
		msv_env_defer(env, &timer->due);
	}
}

uint64_t msv_timers_next(const struct msv_env *env)
{
	return env->nheap ? env->heap[0]->at : MSV_NEVER;
}
