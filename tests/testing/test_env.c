/* The env that does as it is told. */
#include <mailserv/testing.h>
#include <string.h>

#include "check_main.h"

static struct msv_test_env *test;
static struct msv_env *env;

static void setup(void)
{
	ck_assert_int_eq(msv_test_env_new(0, &test), 0);
	env = msv_test_env(test);
}

static void teardown(void)
{
	ck_assert_uint_eq(msv_test_env_free(test), 0);
}

/* -- Clock and randomness ------------------------------------------------------------ */

START_TEST(clocks_go_together)
{
	ck_assert_uint_eq(msv_env_now(env), 1000000);
	ck_assert_uint_eq(msv_env_realtime(env), 1767225600000000);
	msv_test_advance(test, 1500);
	ck_assert_uint_eq(msv_env_now(env), 1001500);
	ck_assert_uint_eq(msv_env_realtime(env), 1767225601500000);
}
END_TEST

START_TEST(randomness_follows_the_seed)
{
	unsigned char first[16], again[16], other[16];

	for (uint64_t seed = 0; seed < 3; seed++) {
		struct msv_test_env *same;

		ck_assert_int_eq(msv_test_env_new(seed, &same), 0);
		msv_env_random(msv_test_env(same), seed == 2 ? other : again, 16);
		if (seed == 0)
			memcpy(first, again, 16);
		ck_assert_uint_eq(msv_test_env_free(same), 0);
	}
	msv_env_random(env, other, 16);
	ck_assert_mem_eq(first, other, 16);
	ck_assert_mem_ne(first, again, 16);
}
END_TEST

struct ticking {
	struct msv_timer *timer;
	uint64_t times[4];
	unsigned n;
};

static void tick(void *user)
{
	struct ticking *t = user;

	t->times[t->n++] = msv_env_now(env);
	if (t->n < 4)
		msv_timer_start(t->timer, msv_env_now(env) + 100);
}

START_TEST(timers_run_at_their_time)
{
	struct ticking t = { 0 };

	ck_assert_int_eq(msv_timer_new(env, tick, &t, &t.timer), 0);
	msv_timer_start(t.timer, msv_env_now(env) + 100);
	msv_test_advance(test, 350);
	ck_assert_uint_eq(t.n, 3);
	ck_assert_uint_eq(t.times[0], 1000100);
	ck_assert_uint_eq(t.times[2], 1000300);
	ck_assert_uint_eq(msv_env_now(env), 1000350);
	msv_timer_free(t.timer);
}
END_TEST

/* -- Memory ------------------------------------------------------------------------------ */

START_TEST(memory_is_counted)
{
	size_t before = msv_test_memory(test);
	uint64_t allocs = msv_test_allocs(test);
	char *p = msv_env_realloc(env, NULL, 100);

	ck_assert_uint_eq(msv_test_memory(test), before + 100);
	p = msv_env_realloc(env, p, 1000);
	ck_assert_uint_eq(msv_test_memory(test), before + 1000);
	p = msv_env_realloc(env, p, 10);
	ck_assert_uint_eq(msv_test_memory(test), before + 10);
	ck_assert_uint_ge(msv_test_memory_peak(test), before + 1000);
	ck_assert_uint_eq(msv_test_allocs(test), allocs + 3);
	msv_env_realloc(env, p, 0);
	ck_assert_uint_eq(msv_test_memory(test), before);
	ck_assert_uint_eq(msv_test_allocs(test), allocs + 3);
}
END_TEST

/* Which of five allocations fail, as bits. */
static unsigned failures(void)
{
	unsigned bits = 0;

	for (unsigned i = 0; i < 5; i++) {
		void *p = msv_env_realloc(env, NULL, 8);

		if (!p)
			bits |= 1u << i;
		msv_env_realloc(env, p, 0);
	}
	return bits;
}

START_TEST(memory_fails_when_told)
{
	ck_assert_uint_eq(failures(), 0);
	msv_test_fail_alloc(test, 0, false);
	ck_assert_uint_eq(failures(), 1);
	msv_test_fail_alloc(test, 3, false);
	ck_assert_uint_eq(failures(), 8);
	msv_test_fail_alloc(test, 2, true);
	ck_assert_uint_eq(failures(), 4 | 8 | 16);
	msv_test_fail_alloc(test, UINT64_MAX, true);
	ck_assert_uint_eq(failures(), 0);
}
END_TEST

START_TEST(a_failed_realloc_keeps_what_was)
{
	char *p = msv_env_realloc(env, NULL, 4);

	strcpy(p, "abc");
	msv_test_fail_alloc(test, 0, false);
	ck_assert_ptr_null(msv_env_realloc(env, p, 400));
	ck_assert_str_eq(p, "abc");
	msv_env_realloc(env, p, 0);
}
END_TEST

START_TEST(leaks_are_counted)
{
	static struct msv_test_env *leaky; /* to be found by a leak checker */

	ck_assert_int_eq(msv_test_env_new(0, &leaky), 0);
	struct msv_env *its = msv_test_env(leaky);
	struct msv_op *op = msv_op_new(its, NULL, NULL);
	ck_assert_uint_ge(msv_test_env_free(leaky), 2);
	/* The op, and the env it holds, are still good. */
	msv_op_cancel(op);
	msv_op_answer(op, 0);
	ck_assert_uint_eq(msv_test_env_free(NULL), 0);
}
END_TEST

/* -- Log and jobs ------------------------------------------------------------------------- */

START_TEST(the_log_is_kept)
{
	ck_assert_str_eq(msv_test_log(test), "");
	msv_env_log(env, MSV_LOG_WARN, "one");
	msv_env_log(env, MSV_LOG_ERROR, "two");
	const char *shown = msv_test_log(test);
	msv_env_log(env, MSV_LOG_DEBUG, "three");
	ck_assert_str_eq(shown, "warn: one\nerror: two\n");
	ck_assert_str_eq(msv_test_log(test), "debug: three\n");
	ck_assert_str_eq(msv_test_log(test), "");
}
END_TEST

struct job {
	char *order;
	char letter;
	bool done;
};

static void work(void *data)
{
	struct job *job = data;

	job->order[strlen(job->order)] = job->letter;
}

static void done(void *data)
{
	((struct job *)data)->done = true;
}

START_TEST(jobs_wait_for_run)
{
	char order[4] = "";
	struct job jobs[3] = { { order, 'a', false }, { order, 'b', false },
		{ order, 'c', false } };

	for (int i = 0; i < 3; i++)
		ck_assert_int_eq(msv_env_offload(env, (enum msv_lane)i, work, done, &jobs[i]), 0);
	msv_env_tick(env);
	ck_assert_str_eq(order, "");
	msv_test_run(test);
	ck_assert_str_eq(order, "abc");
	for (int i = 0; i < 3; i++)
		ck_assert(jobs[i].done);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("test env");

	check_fixture_case(s, "clock", setup, teardown, clocks_go_together,
	    randomness_follows_the_seed, timers_run_at_their_time);
	check_fixture_case(s, "memory", setup, teardown, memory_is_counted, memory_fails_when_told,
	    a_failed_realloc_keeps_what_was, leaks_are_counted);
	check_fixture_case(s, "log and jobs", setup, teardown, the_log_is_kept, jobs_wait_for_run);
	return check_main(s);
}
