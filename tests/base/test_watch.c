#include <string.h>

#include <mailserv/testing.h>

#include "check_main.h"

static unsigned fired;
static struct msv_watch *watch;

static void count(void *user)
{
	++*(unsigned *)user;
}

static void free_it(void *user)
{
	count(user);
	msv_watch_free(watch);
	watch = NULL;
}

/* -- Nobody watches: a look each second ------------------------------------------ */

START_TEST(by_the_clock)
{
	struct msv_test_env *test;

	fired = 0;
	ck_assert_int_eq(msv_test_env_new(1, &test), 0);
	ck_assert_int_eq(msv_watch_new(msv_test_env(test), "/x", count, &fired, &watch), 0);
	msv_test_advance(test, 999);
	ck_assert_uint_eq(fired, 0);
	msv_test_advance(test, 1);
	ck_assert_uint_eq(fired, 1);
	msv_test_advance(test, 9000);
	ck_assert_uint_eq(fired, 10);
	msv_watch_free(watch);
	msv_watch_free(NULL);
	msv_test_advance(test, 9000);
	ck_assert_uint_eq(fired, 10);
	ck_assert_uint_eq(msv_test_env_free(test), 0);
}
END_TEST

START_TEST(by_the_clock_freed_inside)
{
	struct msv_test_env *test;

	fired = 0;
	ck_assert_int_eq(msv_test_env_new(1, &test), 0);
	ck_assert_int_eq(msv_watch_new(msv_test_env(test), "/x", free_it, &fired, &watch), 0);
	msv_test_advance(test, 5000);
	ck_assert_uint_eq(fired, 1);
	ck_assert_uint_eq(msv_test_env_free(test), 0);
}
END_TEST

START_TEST(without_memory)
{
	struct msv_test_env *test;
	uint64_t n = 0;

	ck_assert_int_eq(msv_test_env_new(1, &test), 0);
	for (;; n++) {
		msv_test_fail_alloc(test, n, true);
		int error = msv_watch_new(msv_test_env(test), "/x", count, &fired, &watch);
		msv_test_fail_alloc(test, UINT64_MAX, false);
		if (!error)
			break;
		ck_assert_int_eq(error, MSV_ERR_NOMEM);
		ck_assert_ptr_null(watch);
	}
	ck_assert_uint_ge(n, 3);
	msv_watch_free(watch);
	ck_assert_uint_eq(msv_test_env_free(test), 0);
}
END_TEST

/* -- A program that watches -------------------------------------------------------- */

static struct program {
	struct msv_watch *watch;
	const char *path;
	bool refuse;
	unsigned stopped;
	uint64_t now;
} program;

static int start(void *user, const char *path, struct msv_watch *w, void **handle)
{
	struct program *prog = user;

	if (prog->refuse)
		return MSV_ERR_LIMIT;
	prog->watch = w;
	prog->path = path;
	*handle = &prog->stopped;
	return 0;
}

static void stop(void *user, void *handle)
{
	(void)user;
	++*(unsigned *)handle;
}

static uint64_t now(void *user)
{
	return ((struct program *)user)->now;
}

static struct msv_env *program_env(bool refuse)
{
	struct msv_env_options options = {
		.size = sizeof(options),
		.user = &program,
		.monotonic = now,
		.watch_start = start,
		.watch_stop = stop,
	};
	struct msv_env *env;

	program = (struct program){ .refuse = refuse };
	fired = 0;
	ck_assert_int_eq(msv_env_new(&options, &env), 0);
	return env;
}

/* Several changes are one call, and it comes from the tick. */
START_TEST(by_the_program)
{
	struct msv_env *env = program_env(false);
	char path[] = "/var/mail";

	ck_assert_int_eq(msv_watch_new(env, path, count, &fired, &watch), 0);
	memset(path, 'x', sizeof(path) - 1);
	ck_assert_str_eq(program.path, "/var/mail");
	msv_watch_fire(program.watch);
	msv_watch_fire(program.watch);
	ck_assert_uint_eq(fired, 0);
	ck_assert_uint_eq(msv_env_tick(env), MSV_NEVER);
	ck_assert_uint_eq(fired, 1);
	msv_watch_fire(program.watch);
	msv_watch_free(watch);
	ck_assert_uint_eq(program.stopped, 1);
	msv_env_tick(env);
	ck_assert_uint_eq(fired, 1);
	msv_env_free(env);
}
END_TEST

START_TEST(by_the_program_freed_inside)
{
	struct msv_env *env = program_env(false);

	ck_assert_int_eq(msv_watch_new(env, "/x", free_it, &fired, &watch), 0);
	msv_watch_fire(program.watch);
	msv_env_tick(env);
	ck_assert_uint_eq(fired, 1);
	ck_assert_uint_eq(program.stopped, 1);
	msv_env_free(env);
}
END_TEST

/* The program has no watches left: the clock does it. */
START_TEST(refused_by_the_program)
{
	struct msv_env *env = program_env(true);

	ck_assert_int_eq(msv_watch_new(env, "/x", count, &fired, &watch), 0);
	ck_assert_uint_eq(msv_env_tick(env), 1000);
	program.now = 1000;
	msv_env_tick(env);
	ck_assert_uint_eq(fired, 1);
	msv_watch_free(watch);
	ck_assert_uint_eq(program.stopped, 0);
	msv_env_free(env);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("watch");

	check_case(s, "by the clock", by_the_clock, by_the_clock_freed_inside, without_memory);
	check_case(s, "by the program", by_the_program, by_the_program_freed_inside,
	    refused_by_the_program);
	return check_main(s);
}
