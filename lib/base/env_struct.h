/* The members of the env: for the files of base/ that are parts of it. */
#ifndef MSV_BASE_ENV_STRUCT_H
#define MSV_BASE_ENV_STRUCT_H

#include "base/env.h"

struct msv_env {
	struct msv_env_options o; /* functions that have a default are filled in */
	size_t refs;              /* the program's, and one for each object */
	unsigned depth;           /* verbs under way */
	bool released;            /* the program has let go: nobody will tick */
	bool ticking;
	bool woken;        /* wake was called since the last tick */
	uint64_t promised; /* the deadline the last tick told */

	/* Rings of tasks: for the outermost leave, and for the next tick. */
	struct msv_task soon, later;

	/* A heap of running timers, ordered by `at`.  It has room for every
	 * timer there is, so that starting one cannot fail. */
	struct msv_timer **heap;
	size_t nheap, heap_cap, ntimers;
};

/* The loop should tick: calls wake, once until it does. */
void msv_env_want_tick(struct msv_env *env);
/* Queues the functions of the timers that are due. */
void msv_timers_expire(struct msv_env *env);
/* When the next timer is due, or MSV_NEVER. */
uint64_t msv_timers_next(const struct msv_env *env);

#endif
