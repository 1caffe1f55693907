/* When to try again. */
#include "mta/queue.h"

#define MICROSECONDS 1000000u

static uint64_t or_default(uint64_t given, uint64_t fallback)
{
	return given ? given : fallback;
}

/* The wait after that many attempts, in seconds: half longer each time. */
static uint64_t wait_after(uint32_t attempt, uint64_t first, uint64_t longest)
{
	uint64_t wait = first;

	for (uint32_t i = 1; i < attempt && wait < longest; i++)
		wait += wait / 2 ? wait / 2 : 1;
	return wait < longest ? wait : longest;
}

uint64_t msv_schedule_next(const struct queue_schedule *schedule, uint32_t attempt, uint64_t now,
    uint64_t expires, uint32_t random)
{
	const uint64_t most = UINT64_MAX / 8 / MICROSECONDS;
	uint64_t longest = or_default(schedule->longest_s, 14400);
	uint64_t first = or_default(schedule->first_s, 300);
	uint64_t wait;

	if (now >= expires)
		return expires;
	longest = longest < most ? longest : most;
	wait = wait_after(attempt, first < longest ? first : longest, longest) * MICROSECONDS;
	/* From an eighth less to an eighth more. */
	wait = wait - wait / 8 + (wait >> 18) * (random >> 16);
	/* One more attempt at the end, rather than one shortly before it as well. */
	return wait >= expires - now ? expires : now + wait;
}
