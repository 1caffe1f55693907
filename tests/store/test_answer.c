/* Typed answers: copied, and what they hand over goes back when nobody takes it. */
#include <mailserv/testing.h>
#include <string.h>

#include "check_main.h"

static struct msv_test_env *test;

static void setup(void)
{
	ck_assert_int_eq(msv_test_env_new(0, &test), 0);
}

static void teardown(void)
{
	ck_assert_uint_eq(msv_test_env_free(test), 0);
}

/* -- Names ---------------------------------------------------------------------------------- */

START_TEST(test_names)
{
	static const char *const good[] = { "INBOX", "a", "a.b/c", "sp ace", "\xc3\xa9", "...",
		"..x", "a/...", "&", "%*" };
	static const char *const bad[] = { "", "/", "a/", "/a", "a//b", ".", "..", "a/..", "../a",
		"a/./b", "a\nb", "a\x7f", "\xff", "a\xc2\x85", "\xe2\x80\xa8", "\xed\xa0\x80" };
	char longest[1002], deep[70];

	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++)
		ck_assert_msg(msv_mailbox_name_valid(good[i], '/'), "%s", good[i]);
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		ck_assert_msg(!msv_mailbox_name_valid(bad[i], '/'), "%zu", i);
	ck_assert(!msv_mailbox_name_valid("a..b", '.'));
	memset(longest, 'x', sizeof(longest));
	longest[1001] = '\0';
	ck_assert(!msv_mailbox_name_valid(longest, '/'));
	longest[1000] = '\0';
	ck_assert(msv_mailbox_name_valid(longest, '/'));
	for (size_t i = 0; i < 66; i++)
		deep[i] = i % 2 ? '/' : 'x';
	deep[65] = '\0';
	ck_assert(!msv_mailbox_name_valid(deep, '/'));
	deep[63] = '\0';
	ck_assert(msv_mailbox_name_valid(deep, '/'));
}
END_TEST

/* -- Copies ------------------------------------------------------------------------------------ */

static struct msv_mailbox_status status;
static char id[32];
static int got_error;

static void on_status(void *user, int error, const void *result)
{
	(void)user;
	got_error = error;
	if (error)
		return;
	status = *(const struct msv_mailbox_status *)result;
	strncpy(id, status.mailbox_id ? status.mailbox_id : "", sizeof(id) - 1);
}

/* An older store's status is shorter: what it lacks is zero. */
START_TEST(test_sized)
{
	char mailbox_id[] = "one";
	struct msv_mailbox_status given = {
		.size = offsetof(struct msv_mailbox_status, octets),
		.messages = 5,
		.octets = 7,
		.mailbox_id = mailbox_id,
	};
	struct msv_op *op = msv_op_new(msv_test_env(test), on_status, NULL);

	msv_status_answer((struct msv_status_op){ op }, &given);
	msv_test_run(test);
	ck_assert_uint_eq(status.messages, 5);
	ck_assert_uint_eq(status.octets, 0);
	ck_assert_ptr_null(status.mailbox_id);
	given.size = sizeof(given);
	op = msv_op_new(msv_test_env(test), on_status, NULL);
	msv_status_answer((struct msv_status_op){ op }, &given);
	mailbox_id[0] = 'X';
	msv_test_run(test);
	ck_assert_uint_eq(status.octets, 7);
	ck_assert_str_eq(id, "one");
	for (uint64_t i = 0; i < 2; i++) {
		op = msv_op_new(msv_test_env(test), on_status, NULL);
		msv_test_fail_alloc(test, i, false);
		msv_status_answer((struct msv_status_op){ op }, &given);
		msv_test_run(test);
		ck_assert_int_eq(got_error, MSV_ERR_NOMEM);
	}
}
END_TEST

static int set_error;
static uint64_t set_count;

static void on_flags(void *user, int error, const void *result)
{
	(void)user;
	set_error = error;
	set_count = error ? 0 : msv_uidset_count(result);
}

START_TEST(test_sets)
{
	struct msv_uid_range ranges[] = { { 1, 2 }, { 5, 5 } };
	struct msv_uidset set = { ranges, 2 };
	struct msv_op *op = msv_op_new(msv_test_env(test), on_flags, NULL);

	msv_flags_answer((struct msv_flags_op){ op }, &set);
	ranges[0].last = 1;
	msv_test_run(test);
	ck_assert_uint_eq(set_count, 3);
	op = msv_op_new(msv_test_env(test), on_flags, NULL);
	msv_flags_answer((struct msv_flags_op){ op }, NULL);
	msv_test_run(test);
	ck_assert_int_eq(set_error, 0);
	ck_assert_uint_eq(set_count, 0);
}
END_TEST

/* -- What is handed over -------------------------------------------------------------------------- */

static unsigned closed, aborted, message_closed;
static char thing; /* stands for all three */

static void on_close(void *self, struct msv_mailbox *mailbox)
{
	(void)self;
	ck_assert_ptr_eq((char *)mailbox, &thing);
	closed++;
}

static void on_abort(void *self, struct msv_append *append)
{
	(void)self;
	ck_assert_ptr_eq((char *)append, &thing);
	aborted++;
}

static void on_msg_close(void *self, struct msv_open_message *message)
{
	(void)self;
	ck_assert_ptr_eq((char *)message, &thing);
	message_closed++;
}

static const struct msv_store store = {
	.size = sizeof(store),
	.close = on_close,
	.msg_close = on_msg_close,
	.append_abort = on_abort,
};

static int taken;

static void on_taken(void *user, int error, const void *result)
{
	(void)user, (void)result;
	taken += error ? 100 : 1;
}

static void answer_open(struct msv_op *op)
{
	struct msv_open_result result = { .size = sizeof(result), .mailbox = (void *)&thing };

	msv_open_answer((struct msv_open_op){ op }, &store, &result);
}

static void answer_content(struct msv_op *op)
{
	struct msv_message_content content = { .size = sizeof(content), .message = (void *)&thing };

	msv_content_answer((struct msv_content_op){ op }, &store, &content);
}

static void answer_append(struct msv_op *op)
{
	msv_append_answer((struct msv_append_op){ op }, &store, (void *)&thing);
}

static const struct {
	void (*answer)(struct msv_op *op);
	unsigned *back;
} kinds[] = {
	{ answer_open, &closed },
	{ answer_content, &message_closed },
	{ answer_append, &aborted },
};

START_TEST(test_handed_over)
{
	for (size_t i = 0; i < 3; i++) {
		/* Taken: it stays with the asker. */
		taken = 0;
		*kinds[i].back = 0;
		kinds[i].answer(msv_op_new(msv_test_env(test), on_taken, NULL));
		msv_test_run(test);
		ck_assert_int_eq(taken, 1);
		ck_assert_uint_eq(*kinds[i].back, 0);
		/* Canceled before the answer, or between it and the completion. */
		struct msv_op *op = msv_op_new(msv_test_env(test), on_taken, NULL);
		msv_op_cancel(op);
		kinds[i].answer(op);
		ck_assert_uint_eq(*kinds[i].back, 1);
		op = msv_op_new(msv_test_env(test), on_taken, NULL);
		kinds[i].answer(op);
		msv_op_cancel(op);
		ck_assert_uint_eq(*kinds[i].back, 2);
		/* No memory for the answer. */
		op = msv_op_new(msv_test_env(test), on_taken, NULL);
		msv_test_fail_alloc(test, 0, false);
		kinds[i].answer(op);
		msv_test_run(test);
		ck_assert_uint_eq(*kinds[i].back, 3);
		ck_assert_int_eq(taken, 101);
	}
}
END_TEST

int main(void)
{
	Suite *s = suite_create("store/answer");
	TCase *tc = tcase_create("answer");

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, test_names);
	tcase_add_test(tc, test_sized);
	tcase_add_test(tc, test_sets);
	tcase_add_test(tc, test_handed_over);
	suite_add_tcase(s, tc);
	return check_main(s);
}
