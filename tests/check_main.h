/* The main of every Check program: runs a suite. */
#ifndef TESTS_CHECK_MAIN_H
#define TESTS_CHECK_MAIN_H

#include <check.h>
#include <stdlib.h>

/* Runs the suite and frees it; what main returns.  CK_FORK=no in the
 * environment keeps it in one process, for debuggers and sanitizers. */
static inline int check_main(Suite *s)
{
	SRunner *runner = srunner_create(s);

	srunner_run_all(runner, CK_NORMAL);
	int failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}

/* A case with its tests in the suite: check_case(s, "split", test_a, test_b). */
#define check_case(suite, name, ...) check_fixture_case(suite, name, NULL, NULL, __VA_ARGS__)

/* The same with functions that run before and after each of the tests. */
#define check_fixture_case(suite, name, setup, teardown, ...) \
	check_case_add((suite), (name), (setup), (teardown), (const TTest *[]){ __VA_ARGS__, NULL })

static inline void check_case_add(
    Suite *s, const char *name, void (*setup)(void), void (*teardown)(void), const TTest **tests)
{
	TCase *tc = tcase_create(name);

	tcase_set_timeout(tc, 60);
	if (setup || teardown)
		tcase_add_checked_fixture(tc, setup, teardown);
	for (; *tests; tests++)
		tcase_add_test(tc, *tests);
	suite_add_tcase(s, tc);
}

#endif
