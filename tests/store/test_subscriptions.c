#include "store/subscriptions.h"

#include <mailserv/testing.h>
#include <string.h>

#include "check_main.h"

static struct msv_test_env *test;
static struct msv_buf out;

static void setup(void)
{
	ck_assert_int_eq(msv_test_env_new(0, &test), 0);
	msv_buf_init(&out, msv_test_env(test));
}

static void teardown(void)
{
	msv_buf_fini(&out);
	ck_assert_uint_eq(msv_test_env_free(test), 0);
}

/* All lines, each ended by '|'. */
static const char *lines(const char *file, char separator)
{
	struct msv_subscriptions walk;
	struct msv_buf line;

	msv_buf_init(&line, msv_test_env(test));
	msv_buf_clear(&out);
	msv_subscriptions_begin(&walk, file, strlen(file), separator);
	while (msv_subscriptions_next(&walk, &line) > 0) {
		msv_buf_put(&out, msv_buf_data(&line), msv_buf_len(&line));
		msv_buf_putc(&out, '|');
	}
	msv_buf_fini(&line);
	return msv_buf_cstr(&out);
}

START_TEST(test_read)
{
	ck_assert_str_eq(lines("V\t2\n\nA\tB&AOk-\nSent\n", '.'), "A\tB&AOk-|Sent|");
	ck_assert_str_eq(lines("V\t2\n\nwith.dot\nno newline", '.'), "with.dot|no newline|");
	ck_assert_str_eq(lines("A.B\nSent\n\n", '.'), "A\tB|Sent|");
	ck_assert_str_eq(lines("A/B.c\n", '/'), "A\tB.c|");
	ck_assert_str_eq(lines("", '.'), "");
	ck_assert_str_eq(lines("V\t2", '.'), "");
}
END_TEST

static bool edit(const char *file, const char *line, bool subscribed)
{
	bool changed;

	msv_buf_clear(&out);
	ck_assert_int_eq(msv_subscriptions_edit((struct msv_span){ file, strlen(file) }, '.',
	                     (struct msv_span){ line, strlen(line) }, subscribed, &out, &changed),
	    0);
	return changed;
}

START_TEST(test_edit)
{
	ck_assert(edit("", "A\tB", true));
	ck_assert_str_eq(msv_buf_cstr(&out), "V\t2\n\nA\tB\n");
	ck_assert(!edit("V\t2\n\nA\tB\n", "A\tB", true));
	ck_assert(edit("V\t2\n\nA\tB\nC\n", "A\tB", false));
	ck_assert_str_eq(msv_buf_cstr(&out), "V\t2\n\nC\n");
	ck_assert(!edit("V\t2\n\nC\n", "A\tB", false));
	/* Version 1 becomes version 2. */
	ck_assert(edit("A.B\nC\n", "D", true));
	ck_assert_str_eq(msv_buf_cstr(&out), "V\t2\n\nA\tB\nC\nD\n");
	/* One line of each, and an escaped line stays. */
	ck_assert(edit("V\t2\n\nC\n\001tx\nC\n", "C", true));
	ck_assert_str_eq(msv_buf_cstr(&out), "V\t2\n\nC\n\001tx\n");
}
END_TEST

START_TEST(test_no_memory)
{
	bool changed;

	for (uint64_t i = 0; i < 2; i++) {
		struct msv_buf small;
		msv_buf_init(&small, msv_test_env(test));
		msv_test_fail_alloc(test, i, true);
		ck_assert_int_eq(msv_subscriptions_edit((struct msv_span){ "A\n", 2 }, '.',
		                     (struct msv_span){ "B", 1 }, true, &small, &changed),
		    MSV_ERR_NOMEM);
		msv_test_fail_alloc(test, UINT64_MAX, false);
		msv_buf_fini(&small);
	}
}
END_TEST

int main(void)
{
	Suite *s = suite_create("store/subscriptions");
	TCase *tc = tcase_create("subscriptions");

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, test_read);
	tcase_add_test(tc, test_edit);
	tcase_add_test(tc, test_no_memory);
	suite_add_tcase(s, tc);
	return check_main(s);
}
