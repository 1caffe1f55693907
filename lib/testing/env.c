/* The env that does as it is told: its clock, randomness, memory and jobs. */
#include <stdlib.h>
#include <string.h>

#include "testing/testing.h"

#define START_MONOTONIC 1000000          /* ms */
#define START_REALTIME  1767225600000000 /* us: 2026-01-01 00:00:00 UTC */

/* -- Memory ------------------------------------------------------------------ */

/* In front of each allocation; as wide as the strictest alignment. */
union block {
	size_t n;
	max_align_t align;
};

static bool alloc_fails(struct msv_test_env *test)
{
	uint64_t index = test->allocs++;

	return index == test->fail_at || (test->fail_forever && index > test->fail_at);
}

static void *test_realloc(void *user, void *p, size_t n)
{
	struct msv_test_env *test = user;
	union block *block = p ? (union block *)p - 1 : NULL;
	size_t old = block ? block->n : 0;

	if (n == 0) {
		test->blocks -= block != NULL;
		test->bytes -= old;
		free(block);
		return NULL;
	}
	if (alloc_fails(test) || n > SIZE_MAX - sizeof(*block))
		return NULL;
	union block *grown = realloc(block, sizeof(*block) + n);
	if (!grown)
		return NULL;
	grown->n = n;
	test->blocks += block == NULL;
	test->bytes += n - old;
	if (test->bytes > test->peak)
		test->peak = test->bytes;
	return grown + 1;
}

void msv_test_fail_alloc(struct msv_test_env *test, uint64_t n, bool forever)
{
	test->fail_at = n == UINT64_MAX ? MSV_NEVER : test->allocs + n;
	test->fail_forever = forever;
}

uint64_t msv_test_allocs(const struct msv_test_env *test)
{
	return test->allocs;
}

size_t msv_test_memory(const struct msv_test_env *test)
{
	return test->bytes;
}

size_t msv_test_memory_peak(const struct msv_test_env *test)
{
	return test->peak;
}

/* -- Clock, randomness, log --------------------------------------------------- */

static uint64_t test_monotonic(void *user)
{
	return ((struct msv_test_env *)user)->now;
}

static uint64_t test_realtime(void *user)
{
	return START_REALTIME + (test_monotonic(user) - START_MONOTONIC) * 1000;
}

/* SplitMix64: every state, 0 too, leads to good numbers. */
static uint64_t next_random(struct msv_test_env *test)
{
	uint64_t z = test->random += 0x9e3779b97f4a7c15;

	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9;
	z = (z ^ z >> 27) * 0x94d049bb133111eb;
	return z ^ z >> 31;
}

static int test_random(void *user, void *p, size_t n)
{
	for (size_t i = 0; i < n; i++)
		((unsigned char *)p)[i] = (unsigned char)next_random(user);
	return 0;
}

static void test_log(void *user, enum msv_log_level level, const char *line)
{
	static const char *const names[] = { "error", "warn", "info", "debug" };
	struct msv_test_env *test = user;

	msv_text_printf(&test->log, "%s: %s\n", names[level], line);
}

const char *msv_test_log(struct msv_test_env *test)
{
	struct msv_text shown = test->log_shown;

	test->log_shown = test->log;
	test->log = shown;
	msv_text_clear(&test->log);
	return msv_text_cstr(&test->log_shown);
}

/* -- Jobs and time -------------------------------------------------------------- */

static int test_offload(void *user, enum msv_lane lane, struct msv_job *job)
{
	struct msv_test_env *test = user;

	(void)lane;
	if (test->njobs == test->jobs_cap) {
		size_t cap = test->jobs_cap * 2 + 8;
		struct msv_job **jobs = realloc(test->jobs, cap * sizeof(struct msv_job *));

		if (!jobs)
			return MSV_ERR_NOMEM;
		test->jobs = jobs;
		test->jobs_cap = cap;
	}
	test->jobs[test->njobs++] = job;
	return 0;
}

/* True when there was a job to run. */
static bool run_job(struct msv_test_env *test)
{
	if (test->njobs == 0)
		return false;
	struct msv_job *job = test->jobs[0];
	memmove(test->jobs, test->jobs + 1, --test->njobs * sizeof(struct msv_job *));
	msv_job_run(job);
	msv_job_done(job);
	return true;
}

uint64_t msv_test_settle(struct msv_test_env *test, struct msv_conn *conn)
{
	uint64_t next;

	do {
		uint64_t timer = msv_env_tick(test->env);
		uint64_t deadline = conn ? msv_conn_tick(conn) : MSV_NEVER;
		uint64_t pump = msv_test_pump(test);

		next = timer < deadline ? timer : deadline;
		next = next < pump ? next : pump;
	} while (run_job(test) || next <= test->now);
	return next;
}

void msv_test_run(struct msv_test_env *test)
{
	msv_test_settle(test, NULL);
}

void msv_test_advance(struct msv_test_env *test, uint64_t ms)
{
	uint64_t end = test->now + ms, next;

	while ((next = msv_test_settle(test, NULL)) <= end)
		test->now = next;
	test->now = end;
}

/* -- The whole --------------------------------------------------------------------- */

int msv_test_env_new(uint64_t seed, struct msv_test_env **out)
{
	struct msv_test_env *test = calloc(1, sizeof(*test));
	int error;

	if (!test)
		return MSV_ERR_NOMEM;
	test->now = START_MONOTONIC;
	test->random = seed;
	test->fail_at = MSV_NEVER;
	error = msv_env_new(
	    &(struct msv_env_options){
	        .size = sizeof(struct msv_env_options),
	        .user = test,
	        .realloc = test_realloc,
	        .monotonic = test_monotonic,
	        .realtime = test_realtime,
	        .random = test_random,
	        .log = test_log,
	        .offload = test_offload,
	    },
	    &test->env);
	if (error) {
		free(test);
		return error;
	}
	*out = test;
	return 0;
}

void *msv_test_keep(struct msv_test_env *test, size_t n)
{
	struct msv_test_kept *kept = calloc(1, sizeof(*kept) + n);

	if (!kept)
		return NULL;
	kept->next = test->kept;
	test->kept = kept;
	return kept->data;
}

static void free_kept(struct msv_test_env *test)
{
	while (test->kept) {
		struct msv_test_kept *next = test->kept->next;

		free(test->kept);
		test->kept = next;
	}
}

struct msv_env *msv_test_env(struct msv_test_env *test)
{
	return test->env;
}

size_t msv_test_env_free(struct msv_test_env *test)
{
	if (!test)
		return 0;
	msv_test_run(test);
	msv_test_pipes_free(test);
	msv_env_free(test->env);
	free_kept(test);
	msv_text_fini(&test->log);
	msv_text_fini(&test->log_shown);
	msv_text_fini(&test->asked);
	msv_text_fini(&test->asked_shown);
	msv_text_fini(&test->output);
	msv_text_fini(&test->difference);
	free(test->jobs);
	test->jobs = NULL;
	test->jobs_cap = 0;

	size_t left = test->blocks;
	/* What was not freed may still be used, and asks this allocator then. */
	if (left == 0)
		free(test);
	return left;
}
