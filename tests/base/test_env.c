#include <stdlib.h>
#include <string.h>

#include "base/env.h"
#include "check_main.h"

/* A program with a clock of its own that counts what it is asked. */
struct program {
	uint64_t now;
	unsigned wakes;
	size_t blocks;
};

static struct program program;
static struct msv_env *env;
static char said[256]; /* what the tasks did, a letter each */

static void *counted_realloc(void *user, void *p, size_t n)
{
	struct program *prog = user;

	prog->blocks += !p && n;
	prog->blocks -= p && !n;
	if (n)
		return realloc(p, n);
	free(p);
	return NULL;
}

static uint64_t now(void *user)
{
	return ((struct program *)user)->now;
}

static void wake(void *user)
{
	((struct program *)user)->wakes++;
}

static void setup(void)
{
	program = (struct program){ .now = 1000 };
	*said = '\0';
	struct msv_env_options options = {
		.size = sizeof(options),
		.user = &program,
		.realloc = counted_realloc,
		.monotonic = now,
		.wake = wake,
	};
	ck_assert_int_eq(msv_env_new(&options, &env), 0);
}

static void teardown(void)
{
	msv_env_free(env);
	ck_assert_uint_eq(program.blocks, 0);
}

static void say(const char *what)
{
	strncat(said, what, sizeof(said) - strlen(said) - 1);
}

static void expect(const char *what)
{
	ck_assert_str_eq(said, what);
	*said = '\0';
}

static void say_a(struct msv_task *task)
{
	(void)task;
	say("a");
}

static void say_b(struct msv_task *task)
{
	(void)task;
	say("b");
}

static struct msv_task a = { .fn = say_a }, b = { .fn = say_b };

/* -- The queue ------------------------------------------------------------- */

START_TEST(runs_at_the_outermost_leave)
{
	msv_env_enter(env);
	ck_assert(msv_env_outermost(env));
	msv_env_defer(env, &a);
	msv_env_enter(env);
	ck_assert(!msv_env_outermost(env));
	msv_env_defer(env, &b);
	msv_env_defer(env, &a);
	msv_env_leave(env);
	expect("");
	msv_env_leave(env);
	expect("ab");
	ck_assert_uint_eq(program.wakes, 0);
}
END_TEST

START_TEST(outside_a_verb_the_loop_is_woken_once)
{
	msv_env_defer(env, &a);
	msv_env_defer(env, &b);
	expect("");
	ck_assert_uint_eq(program.wakes, 1);
	ck_assert_uint_eq(msv_env_tick(env), MSV_NEVER);
	expect("ab");
	msv_env_defer(env, &a);
	ck_assert_uint_eq(program.wakes, 2);
	/* Any verb takes what waits along. */
	msv_env_enter(env);
	msv_env_leave(env);
	expect("a");
}
END_TEST

START_TEST(first_and_taken_back)
{
	msv_env_enter(env);
	msv_env_defer(env, &a);
	msv_env_defer_first(env, &b);
	msv_env_leave(env);
	expect("ba");
	msv_env_enter(env);
	msv_env_defer(env, &a);
	msv_env_defer(env, &b);
	msv_env_defer_first(env, &b);
	msv_env_undefer(env, &a);
	msv_env_undefer(env, &a);
	msv_env_leave(env);
	expect("b");
}
END_TEST

START_TEST(later_waits_for_a_tick)
{
	msv_env_enter(env);
	msv_env_later(env, &a);
	msv_env_leave(env);
	expect("");
	ck_assert_uint_eq(program.wakes, 1);
	ck_assert_uint_eq(msv_env_tick(env), MSV_NEVER);
	expect("a");
	msv_env_later(env, &a);
	msv_env_undefer(env, &a);
	msv_env_tick(env);
	expect("");
}
END_TEST

START_TEST(left_quietly_nothing_runs)
{
	msv_env_enter(env);
	msv_env_defer(env, &a);
	msv_env_leave_quietly(env);
	expect("");
	ck_assert_uint_eq(program.wakes, 1);
	msv_env_tick(env);
	expect("a");
}
END_TEST

static unsigned rounds;

static void again_later(struct msv_task *task)
{
	if (--rounds)
		msv_env_later(env, task);
}

/* Work that goes on leaves the loop a turn each time. */
START_TEST(long_work_lets_the_loop_turn)
{
	struct msv_task work = { .fn = again_later };

	rounds = 3;
	msv_env_later(env, &work);
	ck_assert_uint_eq(msv_env_tick(env), 0);
	ck_assert_uint_eq(rounds, 2);
	ck_assert_uint_eq(msv_env_tick(env), 0);
	ck_assert_uint_eq(msv_env_tick(env), MSV_NEVER);
	ck_assert_uint_eq(rounds, 0);
}
END_TEST

static void tick_inside(struct msv_task *task)
{
	(void)task;
	msv_env_defer(env, &a);
	ck_assert_uint_eq(msv_env_tick(env), 0);
	expect("");
}

START_TEST(no_tick_in_a_callback)
{
	struct msv_task task = { .fn = tick_inside };

	msv_env_defer(env, &task);
	msv_env_tick(env);
	expect("a");
}
END_TEST

/* -- The end --------------------------------------------------------------- */

static void free_env(struct msv_task *task)
{
	(void)task;
	msv_env_free(env);
	say("f");
}

/* Let go of in a callback, the env is gone when the tick is over. */
START_TEST(freed_inside_a_tick)
{
	struct msv_task task = { .fn = free_env };

	msv_env_defer(env, &task);
	ck_assert_uint_eq(msv_env_tick(env), MSV_NEVER);
	expect("f");
	ck_assert_uint_eq(program.blocks, 0);
	setup();
}
END_TEST

START_TEST(what_is_queued_runs_before_the_end)
{
	msv_env_defer(env, &a);
	msv_env_later(env, &b);
	msv_env_free(env);
	expect("ab");
	setup();
}
END_TEST

START_TEST(memory_stays_for_a_reference)
{
	msv_env_ref(env);
	msv_env_free(env);
	ck_assert_uint_eq(program.blocks, 1);
	/* Verbs still run their tasks, the patient ones too: nobody will tick. */
	msv_env_enter(env);
	msv_env_defer(env, &a);
	msv_env_later(env, &b);
	msv_env_leave(env);
	expect("ab");
	msv_env_unref(env);
	ck_assert_uint_eq(program.blocks, 0);
	setup();
}
END_TEST

static void work_nothing(void *data)
{
	(void)data;
}

static void say_done(void *data)
{
	(void)data;
	say("d");
}

/* A program may go away with its hold on the env: what it gave is not called,
 * a job is done inline. */
START_TEST(functions_rest_after_free)
{
	struct msv_task task = { .fn = say_a };

	msv_env_ref(env);
	msv_env_free(env);
	unsigned wakes = program.wakes;
	msv_env_defer(env, &task);
	msv_env_later(env, &b);
	ck_assert_int_eq(msv_env_offload(env, MSV_LANE_DISK, work_nothing, say_done, NULL), 0);
	ck_assert_uint_eq(program.wakes, wakes);
	msv_env_enter(env);
	msv_env_leave(env);
	expect("abd");
	msv_env_unref(env);
	ck_assert_uint_eq(program.blocks, 0);
	setup();
}
END_TEST

/* -- Options --------------------------------------------------------------- */

static int watch_start(void *user, const char *path, struct msv_watch *watch, void **handle)
{
	(void)user, (void)path, (void)watch, (void)handle;
	return 0;
}

static void *no_memory(void *user, void *p, size_t n)
{
	(void)user, (void)p, (void)n;
	return NULL;
}

START_TEST(options_refused)
{
	struct msv_env_options options = { 0 };
	struct msv_env *other = env;

	ck_assert_int_eq(msv_env_new(&options, &other), MSV_ERR_INVAL);
	ck_assert_ptr_null(other);
	options = (struct msv_env_options){ .size = sizeof(options), .watch_start = watch_start };
	ck_assert_int_eq(msv_env_new(&options, &other), MSV_ERR_INVAL);
	options = (struct msv_env_options){ .size = sizeof(options), .realloc = no_memory };
	ck_assert_int_eq(msv_env_new(&options, &other), MSV_ERR_NOMEM);
	msv_env_free(NULL);
}
END_TEST

/* A program built against an older, shorter struct. */
START_TEST(shorter_options)
{
	struct msv_env_options options = {
		.size = offsetof(struct msv_env_options, monotonic),
		.user = &program,
		.realloc = counted_realloc,
		.monotonic = now,
	};
	struct msv_env *other;

	program.now = 0;
	ck_assert_int_eq(msv_env_new(&options, &other), 0);
	ck_assert_uint_gt(msv_env_now(other), 0);
	msv_env_free(other);
}
END_TEST

START_TEST(defaults)
{
	struct msv_env *plain;
	unsigned char some[1000] = { 0 };
	unsigned zeros = 0;

	ck_assert_int_eq(msv_env_new(NULL, &plain), 0);
	uint64_t before = msv_env_now(plain);
	ck_assert_uint_ge(msv_env_now(plain), before);
	/* 2020 to 2100, in microseconds. */
	ck_assert_uint_gt(msv_env_realtime(plain), UINT64_C(1577836800000000));
	ck_assert_uint_lt(msv_env_realtime(plain), UINT64_C(4102444800000000));
	ck_assert_int_eq(msv_env_random(plain, some, sizeof(some)), 0);
	for (size_t i = 0; i < sizeof(some); i++)
		zeros += !some[i];
	ck_assert_uint_lt(zeros, 50);
	msv_env_free(plain);
}
END_TEST

static int bad_random(void *user, void *p, size_t n)
{
	(void)user, (void)p, (void)n;
	return -1;
}

START_TEST(random_fails)
{
	struct msv_env_options options = { .size = sizeof(options), .random = bad_random };
	struct msv_env *other;
	char c;

	ck_assert_int_eq(msv_env_new(&options, &other), 0);
	ck_assert_int_eq(msv_env_random(other, &c, 1), MSV_ERR_IO);
	msv_env_free(other);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("env");

	check_fixture_case(s, "queue", setup, teardown, runs_at_the_outermost_leave,
	    outside_a_verb_the_loop_is_woken_once, first_and_taken_back, later_waits_for_a_tick,
	    left_quietly_nothing_runs, long_work_lets_the_loop_turn, no_tick_in_a_callback);
	check_fixture_case(s, "end", setup, teardown, freed_inside_a_tick,
	    what_is_queued_runs_before_the_end, memory_stays_for_a_reference,
	    functions_rest_after_free);
	check_fixture_case(s, "options", setup, teardown, options_refused, shorter_options,
	    defaults, random_fails);
	return check_main(s);
}
