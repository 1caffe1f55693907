#include <stdlib.h>

#include <mailserv/testing.h>

#include "check_main.h"

/* A job that tells how far it is, and belongs to an object that may go away. */
struct work {
	struct msv_env *env;
	bool worked, done, inside;
	struct work *next; /* given away from done() */
};

static void work(void *data)
{
	struct work *w = data;

	ck_assert(!w->worked);
	w->worked = true;
}

static void give(struct work *w);

static void done(void *data)
{
	struct work *w = data;

	ck_assert(w->worked);
	ck_assert(!w->done);
	ck_assert(!w->inside);
	w->done = true;
	if (w->next)
		give(w->next);
}

/* Neither function may run before the call is over. */
static void give(struct work *w)
{
	w->inside = true;
	ck_assert_int_eq(msv_env_offload(w->env, MSV_LANE_DISK, work, done, w), 0);
	ck_assert(!w->done);
	w->inside = false;
}

START_TEST(inline_from_the_tick)
{
	struct msv_env *env;

	ck_assert_int_eq(msv_env_new(NULL, &env), 0);
	struct work second = { .env = env }, first = { .env = env, .next = &second };
	give(&first);
	ck_assert(!first.worked);
	ck_assert_uint_eq(msv_env_tick(env), 0);
	ck_assert(first.done && !second.worked);
	ck_assert_uint_eq(msv_env_tick(env), MSV_NEVER);
	ck_assert(second.done);
	msv_env_free(env);
}
END_TEST

/* -- A program that runs jobs ------------------------------------------------- */

enum how { KEEP, REFUSE, AT_ONCE };

static struct program {
	enum how how;
	struct msv_job *job;
	enum msv_lane lane;
	size_t blocks;
} program;

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

static int offload(void *user, enum msv_lane lane, struct msv_job *job)
{
	struct program *prog = user;

	prog->lane = lane;
	if (prog->how == REFUSE)
		return MSV_ERR_LIMIT;
	if (prog->how == KEEP) {
		prog->job = job;
		return 0;
	}
	msv_job_run(job);
	msv_job_done(job);
	return 0;
}

static struct msv_env *program_env(enum how how)
{
	struct msv_env_options options = { .size = sizeof(options),
		.user = &program,
		.realloc = counted_realloc,
		.offload = offload };
	struct msv_env *env;

	program = (struct program){ .how = how };
	ck_assert_int_eq(msv_env_new(&options, &env), 0);
	return env;
}

START_TEST(given_to_the_program)
{
	struct msv_env *env = program_env(KEEP);
	struct work w = { .env = env };

	ck_assert_int_eq(msv_env_offload(env, MSV_LANE_HASH, work, done, &w), 0);
	ck_assert_int_eq(program.lane, MSV_LANE_HASH);
	msv_env_tick(env);
	ck_assert(!w.worked);
	msv_job_run(program.job);
	ck_assert(w.worked && !w.done);
	msv_env_tick(env);
	ck_assert(!w.done);
	msv_job_done(program.job);
	ck_assert(w.done);
	msv_env_free(env);
	ck_assert_uint_eq(program.blocks, 0);
}
END_TEST

START_TEST(refused_by_the_program)
{
	struct msv_env *env = program_env(REFUSE);
	struct work w = { .env = env };

	give(&w);
	ck_assert(!w.worked);
	msv_env_tick(env);
	ck_assert(w.done);
	msv_env_free(env);
	ck_assert_uint_eq(program.blocks, 0);
}
END_TEST

/* A program may be too quick: the asker is still not called back. */
START_TEST(finished_inside_the_call)
{
	struct msv_env *env = program_env(AT_ONCE);
	struct work w = { .env = env };

	give(&w);
	ck_assert(w.worked && !w.done);
	msv_env_tick(env);
	ck_assert(w.done);
	msv_env_free(env);
	ck_assert_uint_eq(program.blocks, 0);
}
END_TEST

START_TEST(running_when_the_env_is_freed)
{
	struct msv_env *env = program_env(KEEP);
	struct work w = { .env = env };

	give(&w);
	msv_env_free(env);
	ck_assert_uint_gt(program.blocks, 0);
	msv_job_run(program.job);
	msv_job_done(program.job);
	ck_assert(w.done);
	ck_assert_uint_eq(program.blocks, 0);
}
END_TEST

/* With nobody to tick any more, an inline job still comes to its end. */
START_TEST(inline_when_the_env_is_freed)
{
	struct msv_env *env = program_env(REFUSE);
	struct work second = { .env = env }, first = { .env = env, .next = &second };

	give(&first);
	msv_env_free(env);
	ck_assert(first.done && second.done);
	ck_assert_uint_eq(program.blocks, 0);
}
END_TEST

/* -- An object that goes away under its job ------------------------------------ */

/* The pattern of the library: the job's data outlives the object that asked. */
struct reading {
	struct msv_env *env;
	struct owner *owner; /* NULL: it is gone */
	int result;
};

struct owner {
	struct reading *reading;
	int got;
};

static void read_it(void *data)
{
	((struct reading *)data)->result = 42;
}

static void was_read(void *data)
{
	struct reading *r = data;

	if (r->owner)
		r->owner->got = r->result;
	free(r);
}

START_TEST(running_when_its_object_is_freed)
{
	struct msv_env *env = program_env(KEEP);
	struct owner *owner = calloc(1, sizeof(*owner));
	struct reading *reading = calloc(1, sizeof(*reading));

	*reading = (struct reading){ env, owner, 0 };
	owner->reading = reading;
	ck_assert_int_eq(msv_env_offload(env, MSV_LANE_DISK, read_it, was_read, reading), 0);
	msv_job_run(program.job);
	owner->reading->owner = NULL;
	free(owner);
	msv_job_done(program.job);
	msv_env_free(env);
	ck_assert_uint_eq(program.blocks, 0);
}
END_TEST

START_TEST(without_memory)
{
	struct msv_test_env *test;

	ck_assert_int_eq(msv_test_env_new(1, &test), 0);
	struct work w = { .env = msv_test_env(test) };
	msv_test_fail_alloc(test, 0, false);
	ck_assert_int_eq(msv_env_offload(w.env, MSV_LANE_INDEX, work, done, &w), MSV_ERR_NOMEM);
	msv_test_run(test);
	ck_assert(!w.worked && !w.done);
	ck_assert_uint_eq(msv_test_env_free(test), 0);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("job");

	check_case(s, "inline", inline_from_the_tick, inline_when_the_env_is_freed);
	check_case(s, "offloaded", given_to_the_program, refused_by_the_program,
	    finished_inside_the_call, running_when_the_env_is_freed,
	    running_when_its_object_is_freed, without_memory);
	return check_main(s);
}
