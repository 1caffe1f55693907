/* The env's inside: references, and the queue that keeps the stack flat. */
#ifndef MSV_BASE_ENV_H
#define MSV_BASE_ENV_H

#include <mailserv/base.h>

#include "base/alloc.h"

/* Something to run soon: embedded in its owner.  A task that is queued is
 * not queued again. */
struct msv_task {
	struct msv_task *next, *prev;
	void (*fn)(struct msv_task *task);
	bool queued;
};

/* Keeps the env's memory until the matching unref. */
void msv_env_ref(struct msv_env *env);
void msv_env_unref(struct msv_env *env);

/* Every public verb that may call back is inside a pair of these.  At the
 * outermost leave all queued tasks are run, so nothing that completes ever
 * runs inside the call that started it.  After leave nothing that a task may
 * have freed can be touched. */
void msv_env_enter(struct msv_env *env);
void msv_env_leave(struct msv_env *env);
/* As leave, but what is queued waits for the next tick when this was the
 * outermost: around callbacks after which nobody expects to be called. */
void msv_env_leave_quietly(struct msv_env *env);
/* True between enter and leave when no other verb is under way: no code of a
 * session or an embedder is further up the stack. */
bool msv_env_outermost(const struct msv_env *env);

/* Queues a task for the outermost leave or, outside any verb, for the next
 * msv_env_tick() (and wakes the loop). */
void msv_env_defer(struct msv_env *env, struct msv_task *task);
/* As defer, but before all that is queued: for ends after which nothing else
 * of the owner may run.  A queued task moves to the front. */
void msv_env_defer_first(struct msv_env *env, struct msv_task *task);
/* Queues a task for the next msv_env_tick(), so that the loop gets a turn in
 * between: for work that is long. */
void msv_env_later(struct msv_env *env, struct msv_task *task);
/* Takes a task out of whichever queue it is in. */
void msv_env_undefer(struct msv_env *env, struct msv_task *task);

#endif
