#include "base/buf.h"

#include <string.h>

#include <mailserv/testing.h>

#include "check_main.h"

static struct msv_test_env *test;
static struct msv_buf buf;

static void setup(void)
{
	ck_assert_int_eq(msv_test_env_new(1, &test), 0);
	msv_buf_init(&buf, msv_test_env(test));
}

static void teardown(void)
{
	msv_buf_fini(&buf);
	ck_assert_uint_eq(msv_test_env_free(test), 0);
}

static void expect(const char *text)
{
	ck_assert_uint_eq(msv_buf_len(&buf), strlen(text));
	ck_assert_mem_eq(msv_buf_data(&buf), text, strlen(text));
}

START_TEST(written_and_consumed)
{
	expect("");
	msv_buf_puts(&buf, "hello ");
	msv_buf_printf(&buf, "%s %d", "world", 7);
	msv_buf_putc(&buf, '!');
	expect("hello world 7!");
	msv_buf_consume(&buf, 6);
	expect("world 7!");
	msv_buf_truncate(&buf, 5);
	expect("world");
	msv_buf_truncate(&buf, 50);
	expect("world");
	ck_assert_str_eq(msv_buf_cstr(&buf), "world");
	expect("world");
	msv_buf_consume(&buf, 50);
	expect("");
	ck_assert_str_eq(msv_buf_cstr(&buf), "");
	ck_assert(!msv_buf_failed(&buf));
}
END_TEST

START_TEST(reserved_and_committed)
{
	char *room = msv_buf_reserve(&buf, 1000);

	memset(room, 'x', 1000);
	msv_buf_commit(&buf, 3);
	expect("xxx");
	msv_buf_clear(&buf);
	expect("");
	ck_assert_int_eq(msv_buf_put(&buf, NULL, 0), 0);
}
END_TEST

/* A queue that is always about as long moves few bytes and stays small. */
START_TEST(a_long_queue_stays_small)
{
	size_t in = 0, out = 0;

	for (int i = 0; i < 200000; i++) {
		for (int k = 0; k < 3; k++)
			msv_buf_putc(&buf, (char)in++);
		while (msv_buf_len(&buf) > 300) {
			ck_assert_int_eq(*msv_buf_data(&buf), (char)out++);
			msv_buf_consume(&buf, 1);
		}
	}
	ck_assert_uint_le(buf.cap, 2048);
}
END_TEST

START_TEST(memory_goes_back)
{
	size_t before = msv_test_memory(test);

	msv_buf_puts(&buf, "short");
	msv_buf_consume(&buf, 5);
	ck_assert_uint_le(msv_test_memory(test), before + 256);
	msv_buf_reserve(&buf, 100000);
	msv_buf_commit(&buf, 100000);
	msv_buf_consume(&buf, 99999);
	ck_assert_uint_ge(msv_test_memory(test), before + 100000);
	msv_buf_consume(&buf, 1);
	ck_assert_uint_eq(msv_test_memory(test), before);
}
END_TEST

START_TEST(failure_is_sticky)
{
	msv_buf_puts(&buf, "kept");
	msv_test_fail_alloc(test, 0, false);
	ck_assert_ptr_null(msv_buf_reserve(&buf, 100000));
	ck_assert(msv_buf_failed(&buf));
	ck_assert_int_eq(msv_buf_puts(&buf, "x"), MSV_ERR_NOMEM);
	ck_assert_int_eq(msv_buf_putc(&buf, 'x'), MSV_ERR_NOMEM);
	ck_assert_int_eq(msv_buf_printf(&buf, "x"), MSV_ERR_NOMEM);
	ck_assert_int_eq(msv_buf_put(&buf, NULL, 0), MSV_ERR_NOMEM);
	ck_assert_ptr_null(msv_buf_cstr(&buf));
	expect("kept");
	msv_buf_fini(&buf);
	ck_assert(!msv_buf_failed(&buf));
	ck_assert_int_eq(msv_buf_puts(&buf, "again"), 0);
	expect("again");
}
END_TEST

START_TEST(impossible_sizes)
{
	msv_buf_puts(&buf, "x");
	ck_assert_ptr_null(msv_buf_reserve(&buf, SIZE_MAX));
	ck_assert(msv_buf_failed(&buf));
}
END_TEST

int main(void)
{
	Suite *s = suite_create("buf");

	check_fixture_case(s, "buf", setup, teardown, written_and_consumed, reserved_and_committed,
	    a_long_queue_stays_small, memory_goes_back, failure_is_sticky, impossible_sizes);
	return check_main(s);
}
