/* Waiting for a lock without blocking the loop. */
#include "store/maildir.h"

enum { FIRST_PAUSE = 5, LONGEST_PAUSE = 250 }; /* ms */

/* A lock that stays empty belongs to somebody who died making it: nobody takes
 * so long to write a line. */
enum { EMPTY_STALE = 2000 }; /* ms */

int msv_lock_wait_init(
    struct msv_lock_wait *wait, struct msv_env *env, void (*again)(void *user), void *user)
{
	*wait = (struct msv_lock_wait){ .env = env, .since = msv_env_now(env) };
	return msv_timer_new(env, again, user, &wait->timer);
}

void msv_lock_wait_fini(struct msv_lock_wait *wait)
{
	msv_timer_free(wait->timer);
	wait->timer = NULL;
}

void msv_lock_wait_prepare(struct msv_lock_wait *wait)
{
	uint64_t stale = wait->last.empty ? EMPTY_STALE : (uint64_t)MSV_LOCK_STALE * 1000;

	wait->now = (int64_t)(msv_env_realtime(wait->env) / 1000000);
	wait->stale = wait->seen_since && msv_env_now(wait->env) - wait->seen_since > stale;
}

int msv_lock_wait_more(struct msv_lock_wait *wait)
{
	uint64_t now = msv_env_now(wait->env);

	if (wait->seen.ino != wait->last.ino || wait->seen.mtime != wait->last.mtime ||
	    wait->seen.empty != wait->last.empty || !wait->seen_since) {
		wait->last = wait->seen;
		wait->seen_since = now;
	}
	if (now - wait->since > MSV_LOCK_PATIENCE)
		return MSV_ERR_BUSY;
	wait->pause = wait->pause ? wait->pause * 2 : FIRST_PAUSE;
	if (wait->pause > LONGEST_PAUSE)
		wait->pause = LONGEST_PAUSE;
	msv_timer_start(wait->timer, now + wait->pause);
	return 0;
}

int msv_lock_wait_try(
    struct msv_lock_wait *wait, int dir, const char *name, struct msv_dotlock *lock)
{
	return msv_dotlock_try(
	    dir, name, wait->now, wait->stale ? &wait->last : NULL, lock, &wait->seen);
}
