/* A fixture for tests of functions that write to a buffer. */
#ifndef TESTS_BUF_FIXTURE_H
#define TESTS_BUF_FIXTURE_H

#include <string.h>

#include <mailserv/testing.h>

#include "base/buf.h"
#include "check_main.h"

static struct msv_test_env *test;
static struct msv_env *env;
static struct msv_buf out;

static inline void buf_setup(void)
{
	ck_assert_int_eq(msv_test_env_new(1, &test), 0);
	env = msv_test_env(test);
	msv_buf_init(&out, env);
}

/* Everything must have been freed. */
static inline void buf_teardown(void)
{
	msv_buf_fini(&out);
	ck_assert_uint_eq(msv_test_env_free(test), 0);
}

/* What is in out, as a string; out is empty afterwards. */
static inline const char *taken(void)
{
	const char *text = msv_buf_cstr(&out);

	ck_assert_ptr_nonnull(text);
	msv_buf_clear(&out);
	return text;
}

/* As check_case() of check_main.h, each test with the fixture. */
#define buf_case(suite, name, ...) \
	buf_case_add((suite), (name), (const TTest *[]){ __VA_ARGS__, NULL })

static inline void buf_case_add(Suite *s, const char *name, const TTest **tests)
{
	TCase *tc = tcase_create(name);

	tcase_add_checked_fixture(tc, buf_setup, buf_teardown);
	tcase_set_timeout(tc, 60);
	for (; *tests; tests++)
		tcase_add_test(tc, *tests);
	suite_add_tcase(s, tc);
}

/* Runs fn with the n-th allocation failing for every n, until it succeeds; fn
 * returns 0 or MSV_ERR_NOMEM and leaves nothing behind. */
static inline void fail_each_alloc(int (*fn)(void))
{
	for (uint64_t n = 0;; n++) {
		int rc;

		msv_test_fail_alloc(test, n, false);
		rc = fn();
		msv_test_fail_alloc(test, UINT64_MAX, false);
		if (rc == 0) {
			ck_assert_uint_gt(n, 0);
			return;
		}
		ck_assert_int_eq(rc, MSV_ERR_NOMEM);
		ck_assert_uint_lt(n, 100000);
	}
}

#endif
