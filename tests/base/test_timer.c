#include <stdlib.h>

#include <mailserv/testing.h>

#include "check_main.h"

static struct msv_test_env *test;
static struct msv_env *env;

static void setup(void)
{
	ck_assert_int_eq(msv_test_env_new(1, &test), 0);
	env = msv_test_env(test);
}

static void teardown(void)
{
	ck_assert_uint_eq(msv_test_env_free(test), 0);
}

static void count(void *user)
{
	++*(unsigned *)user;
}

START_TEST(fires_once_when_due)
{
	struct msv_timer *timer;
	unsigned n = 0;
	uint64_t start = msv_env_now(env);

	ck_assert_int_eq(msv_timer_new(env, count, &n, &timer), 0);
	ck_assert_uint_eq(msv_env_tick(env), MSV_NEVER);
	msv_timer_start(timer, start + 100);
	ck_assert_uint_eq(msv_env_tick(env), start + 100);
	msv_test_advance(test, 99);
	ck_assert_uint_eq(n, 0);
	msv_test_advance(test, 1);
	ck_assert_uint_eq(n, 1);
	ck_assert_uint_eq(msv_env_tick(env), MSV_NEVER);
	/* Restarted: the earlier time is forgotten; the past is now. */
	msv_timer_start(timer, start + 200);
	msv_timer_start(timer, start + 300);
	msv_test_advance(test, 150);
	ck_assert_uint_eq(n, 1);
	msv_timer_start(timer, 0);
	msv_test_run(test);
	ck_assert_uint_eq(n, 2);
	msv_timer_start(timer, start + 400);
	msv_timer_stop(timer);
	msv_timer_stop(timer);
	msv_test_advance(test, 1000);
	ck_assert_uint_eq(n, 2);
	msv_timer_free(timer);
	msv_timer_free(NULL);
}
END_TEST

/* -- Many, in any order ------------------------------------------------------ */

enum { MANY = 2000 };

struct one {
	struct msv_timer *timer;
	uint64_t at;
	bool fired;
};

static uint64_t last;

static void in_order(void *user)
{
	struct one *one = user;

	ck_assert(!one->fired);
	ck_assert_uint_le(last, one->at);
	ck_assert_uint_le(one->at, msv_env_now(env));
	last = one->at;
	one->fired = true;
}

START_TEST(many_in_order)
{
	static struct one ones[MANY];
	uint64_t start = msv_env_now(env);

	srand(7);
	last = 0;
	for (int i = 0; i < MANY; i++) {
		ones[i] = (struct one){ .at = start + (uint64_t)(rand() % 5000) };
		ck_assert_int_eq(msv_timer_new(env, in_order, &ones[i], &ones[i].timer), 0);
		msv_timer_start(ones[i].timer, ones[i].at);
	}
	/* A third is moved, a third stopped. */
	for (int i = 0; i < MANY; i += 3) {
		ones[i].at = start + (uint64_t)(rand() % 5000);
		msv_timer_start(ones[i].timer, ones[i].at);
		if (i + 1 < MANY)
			msv_timer_stop(ones[i + 1].timer);
	}
	msv_test_advance(test, 5000);
	for (int i = 0; i < MANY; i++) {
		ck_assert(ones[i].fired == (i % 3 != 1));
		msv_timer_free(ones[i].timer);
	}
}
END_TEST

/* -- Inside its own function ------------------------------------------------- */

static struct msv_timer *own, *other;

static void free_both(void *user)
{
	count(user);
	msv_timer_free(own);
	msv_timer_free(other);
}

/* Both are due in the same tick: the second never runs. */
START_TEST(freed_inside)
{
	unsigned n = 0;

	ck_assert_int_eq(msv_timer_new(env, free_both, &n, &own), 0);
	ck_assert_int_eq(msv_timer_new(env, free_both, &n, &other), 0);
	msv_timer_start(own, 1);
	msv_timer_start(other, 2);
	msv_test_run(test);
	ck_assert_uint_eq(n, 1);
}
END_TEST

static void again_at_once(void *user)
{
	count(user);
	if (*(unsigned *)user % 4)
		msv_timer_start(own, 0);
}

/* A timer that is always due fires once a tick: the loop is not held up. */
START_TEST(restarted_inside)
{
	unsigned n = 0;

	ck_assert_int_eq(msv_timer_new(env, again_at_once, &n, &own), 0);
	msv_timer_start(own, 0);
	ck_assert_uint_eq(msv_env_tick(env), 0);
	ck_assert_uint_eq(n, 1);
	ck_assert_uint_eq(msv_env_tick(env), 0);
	ck_assert_uint_eq(n, 2);
	msv_test_run(test);
	ck_assert_uint_eq(n, 4);
	msv_timer_free(own);
}
END_TEST

START_TEST(without_memory)
{
	struct msv_timer *timer = (void *)&timer;
	unsigned n = 0;

	for (uint64_t i = 0; i < 2; i++) {
		msv_test_fail_alloc(test, i, false);
		ck_assert_int_eq(msv_timer_new(env, count, &n, &timer), MSV_ERR_NOMEM);
		ck_assert_ptr_null(timer);
		msv_test_fail_alloc(test, UINT64_MAX, false);
	}
}
END_TEST

/* -- Waking the loop ----------------------------------------------------------- */

static void wake(void *user)
{
	++*(unsigned *)user;
}

static uint64_t clock_now;

static uint64_t fixed_clock(void *user)
{
	(void)user;
	return clock_now;
}

/* The loop sleeps until the deadline it was told: an earlier one wakes it. */
START_TEST(an_earlier_deadline_wakes)
{
	unsigned wakes = 0, n = 0;
	struct msv_env_options options = {
		.size = sizeof(options), .user = &wakes, .monotonic = fixed_clock, .wake = wake
	};
	struct msv_env *woken;
	struct msv_timer *timer;

	clock_now = 0;
	ck_assert_int_eq(msv_env_new(&options, &woken), 0);
	ck_assert_int_eq(msv_timer_new(woken, count, &n, &timer), 0);
	msv_timer_start(timer, 1000);
	ck_assert_uint_eq(wakes, 1);
	ck_assert_uint_eq(msv_env_tick(woken), 1000);
	msv_timer_start(timer, 2000);
	ck_assert_uint_eq(wakes, 1);
	msv_timer_start(timer, 500);
	msv_timer_start(timer, 400);
	ck_assert_uint_eq(wakes, 2);
	ck_assert_uint_eq(msv_env_tick(woken), 400);
	msv_timer_free(timer);
	msv_env_free(woken);
}
END_TEST

/* A timer may outlive the program's hold on the env; it does not fire. */
START_TEST(freed_after_the_env)
{
	struct msv_env *plain;
	struct msv_timer *timer;
	unsigned n = 0;

	ck_assert_int_eq(msv_env_new(NULL, &plain), 0);
	ck_assert_int_eq(msv_timer_new(plain, count, &n, &timer), 0);
	msv_timer_start(timer, 0);
	msv_env_free(plain);
	msv_timer_free(timer);
	ck_assert_uint_eq(n, 0);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("timer");

	check_fixture_case(s, "timer", setup, teardown, fires_once_when_due, many_in_order,
	    freed_inside, restarted_inside, without_memory, an_earlier_deadline_wakes,
	    freed_after_the_env);
	return check_main(s);
}
