#include "base/op.h"

#include <stdlib.h>
#include <string.h>

#include <mailserv/testing.h>

#include "base/env.h"
#include "check_main.h"

static struct msv_test_env *test;
static struct msv_env *env;
static struct asker {
	unsigned done, rows, resumed, canceled, dropped;
	int error;
	const char *result;
	int verdict;              /* of the row function */
	struct msv_op *to_cancel; /* from inside the row function */
	struct msv_op *to_resume;
	char text[32];
} asker;

static void setup(void)
{
	asker = (struct asker){ 0 };
	ck_assert_int_eq(msv_test_env_new(1, &test), 0);
	env = msv_test_env(test);
}

static void teardown(void)
{
	ck_assert_uint_eq(msv_test_env_free(test), 0);
}

static void done(void *user, int error, const void *result)
{
	struct asker *a = user;

	a->done++;
	a->error = error;
	a->result = result;
	if (result)
		strncpy(a->text, result, sizeof(a->text) - 1);
}

static void on_cancel(void *user)
{
	((struct asker *)user)->canceled++;
}

static void on_resume(void *user)
{
	((struct asker *)user)->resumed++;
}

static void on_drop(const void *result)
{
	ck_assert_str_eq(result, "owned");
	asker.dropped++;
}

static int row(void *user, const void *data)
{
	struct asker *a = user;

	ck_assert_str_eq(data, "row");
	a->rows++;
	msv_op_cancel(a->to_cancel);
	a->to_cancel = NULL;
	if (a->to_resume)
		msv_op_resume(a->to_resume);
	return a->verdict;
}

static struct msv_op *ask(void)
{
	struct msv_op *op = msv_op_new(env, done, &asker);

	ck_assert_ptr_nonnull(op);
	ck_assert_ptr_eq(msv_op_env(op), env);
	msv_op_set_row(op, row);
	return op;
}

/* -- Answers -------------------------------------------------------------------- */

START_TEST(answered_before_the_call_returns)
{
	msv_env_enter(env);
	struct msv_op *op = ask();
	msv_op_answer(op, MSV_ERR_DENIED);
	ck_assert_uint_eq(asker.done, 0);
	msv_env_leave(env);
	ck_assert_uint_eq(asker.done, 1);
	ck_assert_int_eq(asker.error, MSV_ERR_DENIED);
	ck_assert_ptr_null(asker.result);
}
END_TEST

/* Outside any verb whoever answers is not called back: the tick is. */
START_TEST(answered_later)
{
	struct msv_op *op = ask();

	msv_op_answer(op, 0);
	ck_assert_uint_eq(asker.done, 0);
	msv_env_tick(env);
	ck_assert_uint_eq(asker.done, 1);
	ck_assert_int_eq(asker.error, 0);
}
END_TEST

START_TEST(answered_twice)
{
	struct msv_op *op = ask();

	msv_op_answer(op, MSV_ERR_BUSY);
	msv_op_answer(op, 0);
	msv_env_tick(env);
	ck_assert_uint_eq(asker.done, 1);
	ck_assert_int_eq(asker.error, MSV_ERR_BUSY);
}
END_TEST

START_TEST(result_in_the_ops_memory)
{
	struct msv_op *op = ask();
	char *zeros = msv_op_alloc(op, 1000);

	for (int i = 0; i < 1000; i++)
		ck_assert_int_eq(zeros[i], 0);
	ck_assert_uint_eq((uintptr_t)msv_op_alloc(op, 1) % _Alignof(max_align_t), 0);
	ck_assert_ptr_null(msv_op_alloc(op, SIZE_MAX));
	msv_op_complete(op, 0, msv_op_strdup(op, "the result"));
	msv_env_tick(env);
	ck_assert_str_eq(asker.text, "the result");
	/* An error has no result. */
	op = ask();
	msv_op_complete(op, MSV_ERR_IO, msv_op_strdup(op, "dropped"));
	msv_env_tick(env);
	ck_assert_int_eq(asker.error, MSV_ERR_IO);
	ck_assert_ptr_null(asker.result);
}
END_TEST

/* -- A chain --------------------------------------------------------------------- */

enum { LINKS = 1000000 };

static unsigned links;
static char *lowest, *highest;

static void next_link(void *user, int error, const void *result)
{
	char here;

	(void)user, (void)error, (void)result;
	lowest = !lowest || &here < lowest ? &here : lowest;
	highest = &here > highest ? &here : highest;
	if (++links < LINKS)
		msv_op_answer(msv_op_new(env, next_link, NULL), 0);
}

/* A million questions, each asked by the answer to the one before, each
 * answered at once: the stack stays where it is. */
START_TEST(a_chain_of_a_million)
{
	links = 0;
	lowest = highest = NULL;
	msv_op_answer(msv_op_new(env, next_link, NULL), 0);
	msv_env_tick(env);
	ck_assert_uint_eq(links, LINKS);
	ck_assert_int_lt(highest - lowest, 4096);
}
END_TEST

/* -- Cancel ---------------------------------------------------------------------- */

START_TEST(canceled_then_answered)
{
	struct msv_op *op = ask();

	msv_op_on_cancel(op, on_cancel, &asker);
	ck_assert(!msv_op_canceled(op));
	msv_op_cancel(op);
	ck_assert_uint_eq(asker.canceled, 1);
	ck_assert(msv_op_canceled(op));
	ck_assert_int_eq(msv_op_row(op, "row"), MSV_ERR_CANCELED);
	msv_op_answer(op, 0);
	msv_env_tick(env);
	ck_assert_uint_eq(asker.done, 0);
	ck_assert_uint_eq(asker.rows, 0);
	ck_assert_uint_eq(asker.canceled, 1);
	msv_op_cancel(NULL);
}
END_TEST

START_TEST(answered_then_canceled)
{
	struct msv_op *op = ask();

	msv_op_on_cancel(op, on_cancel, &asker);
	msv_op_answer(op, 0);
	msv_op_cancel(op);
	msv_env_tick(env);
	ck_assert_uint_eq(asker.done, 0);
	ck_assert_uint_eq(asker.canceled, 0);
}
END_TEST

static struct msv_op *open_op;

static void answer_canceled(void *user)
{
	on_cancel(user);
	msv_op_answer(open_op, MSV_ERR_CANCELED);
}

START_TEST(answered_inside_on_cancel)
{
	open_op = ask();
	msv_op_on_cancel(open_op, answer_canceled, &asker);
	msv_op_cancel(open_op);
	ck_assert_uint_eq(asker.canceled, 1);
	msv_env_tick(env);
	ck_assert_uint_eq(asker.done, 0);
}
END_TEST

static void cancel_inside(void *user, int error, const void *result)
{
	done(user, error, NULL);
	msv_op_cancel(open_op);
	ck_assert_str_eq(result, "still there");
}

/* An object that cancels all it knows of from inside a completion. */
START_TEST(canceled_inside_its_completion)
{
	open_op = msv_op_new(env, cancel_inside, &asker);
	msv_op_on_cancel(open_op, on_cancel, &asker);
	msv_op_complete(open_op, 0, msv_op_strdup(open_op, "still there"));
	msv_env_tick(env);
	ck_assert_uint_eq(asker.done, 1);
	ck_assert_uint_eq(asker.canceled, 0);
}
END_TEST

START_TEST(what_a_dropped_answer_owns)
{
	struct msv_op *op = ask();

	/* Heard: the asker has it. */
	msv_op_complete_owned(op, "owned", on_drop);
	msv_env_tick(env);
	ck_assert_uint_eq(asker.done, 1);
	ck_assert_uint_eq(asker.dropped, 0);
	/* Canceled before. */
	op = ask();
	msv_op_cancel(op);
	msv_op_complete_owned(op, "owned", on_drop);
	ck_assert_uint_eq(asker.dropped, 1);
	/* Canceled after. */
	op = ask();
	msv_op_complete_owned(op, "owned", on_drop);
	msv_op_cancel(op);
	ck_assert_uint_eq(asker.dropped, 2);
	msv_env_tick(env);
	ck_assert_uint_eq(asker.done, 1);
}
END_TEST

/* -- Rows ------------------------------------------------------------------------ */

START_TEST(paused_and_resumed)
{
	struct msv_op *op = ask();

	msv_op_on_resume(op, on_resume, &asker);
	ck_assert_int_eq(msv_op_row(op, "row"), 0);
	msv_op_resume(op); /* nothing is paused */
	msv_env_tick(env);
	ck_assert_uint_eq(asker.resumed, 0);
	asker.verdict = MSV_PAUSE;
	for (unsigned i = 1; i <= 3; i++) {
		ck_assert_int_eq(msv_op_row(op, "row"), MSV_PAUSE);
		msv_env_tick(env);
		ck_assert_uint_eq(asker.resumed, i - 1);
		msv_op_resume(op);
		msv_op_resume(op);
		ck_assert_uint_eq(asker.resumed, i - 1);
		msv_env_tick(env);
		ck_assert_uint_eq(asker.resumed, i);
	}
	msv_op_answer(op, 0);
	msv_op_resume(op);
	msv_env_tick(env);
	ck_assert_uint_eq(asker.rows, 4);
	ck_assert_uint_eq(asker.done, 1);
	ck_assert_uint_eq(asker.resumed, 3);
}
END_TEST

/* The asker is ready before the giver knows that it is paused. */
START_TEST(resumed_inside_the_row)
{
	struct msv_op *op = ask();

	asker.to_resume = op;
	asker.verdict = MSV_PAUSE;
	ck_assert_int_eq(msv_op_row(op, "row"), MSV_PAUSE);
	msv_env_tick(env);
	/* And the giver says only now what to call. */
	msv_op_on_resume(op, on_resume, &asker);
	msv_env_tick(env);
	ck_assert_uint_eq(asker.resumed, 1);
	asker.verdict = 0;
	ck_assert_int_eq(msv_op_row(op, "row"), 0);
	msv_env_tick(env);
	ck_assert_uint_eq(asker.resumed, 1);
	msv_op_answer(op, 0);
	msv_env_tick(env);
	ck_assert_uint_eq(asker.done, 1);
}
END_TEST

/* The row call's result tells; on_cancel would come in the giver's way. */
START_TEST(canceled_inside_the_row)
{
	for (asker.verdict = 0; asker.verdict <= MSV_PAUSE; asker.verdict++) {
		struct msv_op *op = ask();
		msv_op_on_cancel(op, on_cancel, &asker);
		msv_op_on_resume(op, on_resume, &asker);
		asker.to_cancel = op;
		ck_assert_int_eq(msv_op_row(op, "row"), MSV_ERR_CANCELED);
		ck_assert(msv_op_canceled(op));
		ck_assert_uint_eq(asker.canceled, 0);
		msv_op_answer(op, 0);
	}
	msv_env_tick(env);
	ck_assert_uint_eq(asker.done, 0);
	ck_assert_uint_eq(asker.resumed, 0);
}
END_TEST

START_TEST(canceled_while_paused)
{
	struct msv_op *op = ask();

	msv_op_on_cancel(op, on_cancel, &asker);
	msv_op_on_resume(op, on_resume, &asker);
	asker.verdict = MSV_PAUSE;
	ck_assert_int_eq(msv_op_row(op, "row"), MSV_PAUSE);
	msv_op_resume(op);
	msv_op_cancel(op);
	msv_env_tick(env);
	ck_assert_uint_eq(asker.resumed, 0);
	ck_assert_uint_eq(asker.canceled, 1);
	msv_op_answer(op, 0);
}
END_TEST

/* What a row function sets off does not run inside the giver's call. */
static struct msv_op *inner;

static int answer_another(void *user, const void *data)
{
	(void)user, (void)data;
	msv_op_answer(inner, 0);
	msv_env_enter(env);
	msv_env_leave(env);
	return 0;
}

START_TEST(a_row_calls_nobody_back)
{
	struct msv_op *op = ask();

	inner = ask();
	msv_op_set_row(op, answer_another);
	ck_assert_int_eq(msv_op_row(op, "row"), 0);
	ck_assert_uint_eq(asker.done, 0);
	msv_env_tick(env);
	ck_assert_uint_eq(asker.done, 1);
	msv_op_set_row(op, NULL);
	ck_assert_int_eq(msv_op_row(op, "row"), 0);
	msv_op_answer(op, 0);
	msv_env_tick(env);
	ck_assert_uint_eq(asker.done, 2);
}
END_TEST

/* -- Without memory; after the env ------------------------------------------------ */

START_TEST(without_memory)
{
	msv_test_fail_alloc(test, 0, false);
	ck_assert_ptr_null(msv_op_new(env, done, &asker));
	struct msv_op *op = ask();
	msv_test_fail_alloc(test, 0, true);
	ck_assert_ptr_null(msv_op_alloc(op, 1));
	ck_assert_ptr_null(msv_op_strdup(op, "x"));
	/* Failing needs no memory. */
	msv_op_answer(op, MSV_ERR_NOMEM);
	msv_env_tick(env);
	ck_assert_int_eq(asker.error, MSV_ERR_NOMEM);
	msv_test_fail_alloc(test, UINT64_MAX, false);
}
END_TEST

static size_t blocks;

static void *counted_realloc(void *user, void *p, size_t n)
{
	(void)user;
	blocks += !p && n;
	blocks -= p && !n;
	if (n)
		return realloc(p, n);
	free(p);
	return NULL;
}

static struct msv_env *freed_env(struct msv_op **op)
{
	struct msv_env_options options = { .size = sizeof(options), .realloc = counted_realloc };
	struct msv_env *own;

	blocks = 0;
	ck_assert_int_eq(msv_env_new(&options, &own), 0);
	*op = msv_op_new(own, done, &asker);
	ck_assert_ptr_nonnull(*op);
	msv_op_strdup(*op, "memory");
	return own;
}

START_TEST(answered_after_the_env_is_freed)
{
	struct msv_op *op;

	msv_env_free(freed_env(&op));
	ck_assert_uint_eq(asker.done, 0);
	ck_assert_ptr_nonnull(msv_op_strdup(op, "more"));
	msv_op_answer(op, MSV_ERR_IO);
	ck_assert_uint_eq(asker.done, 1);
	ck_assert_uint_eq(blocks, 0);
}
END_TEST

START_TEST(canceled_and_answered_after_the_env_is_freed)
{
	struct msv_op *op;

	msv_env_free(freed_env(&op));
	msv_op_on_cancel(op, on_cancel, &asker);
	msv_op_cancel(op);
	ck_assert_uint_eq(asker.canceled, 1);
	ck_assert_uint_gt(blocks, 0);
	msv_op_answer(op, 0);
	ck_assert_uint_eq(asker.done, 0);
	ck_assert_uint_eq(blocks, 0);
}
END_TEST

START_TEST(answered_just_before_the_env_is_freed)
{
	struct msv_op *op;
	struct msv_env *own = freed_env(&op);

	msv_op_answer(op, 0);
	msv_env_free(own);
	ck_assert_uint_eq(asker.done, 1);
	ck_assert_uint_eq(blocks, 0);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("op");

	check_fixture_case(s, "answer", setup, teardown, answered_before_the_call_returns,
	    answered_later, answered_twice, result_in_the_ops_memory, a_chain_of_a_million);
	check_fixture_case(s, "cancel", setup, teardown, canceled_then_answered,
	    answered_then_canceled, answered_inside_on_cancel, canceled_inside_its_completion,
	    what_a_dropped_answer_owns);
	check_fixture_case(s, "rows", setup, teardown, paused_and_resumed, resumed_inside_the_row,
	    canceled_inside_the_row, canceled_while_paused, a_row_calls_nobody_back);
	check_fixture_case(s, "ends", setup, teardown, without_memory,
	    answered_after_the_env_is_freed, canceled_and_answered_after_the_env_is_freed,
	    answered_just_before_the_env_is_freed);
	return check_main(s);
}
