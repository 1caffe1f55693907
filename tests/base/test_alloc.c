#include "base/alloc.h"

#include <string.h>

#include "check_main.h"

START_TEST(copies)
{
	struct msv_env *env;

	ck_assert_int_eq(msv_env_new(NULL, &env), 0);
	char *s = msv_strndup(env, "abcdef", 3);
	ck_assert_str_eq(s, "abc");
	msv_free(env, s);
	ck_assert_ptr_null(msv_strdup(env, NULL));
	s = msv_asprintf(env, "%s-%d", "x", 42);
	ck_assert_str_eq(s, "x-42");
	msv_free_secret(env, s, strlen(s));
	s = msv_memdup(env, "a\0b", 3);
	ck_assert_mem_eq(s, "a\0b", 3);
	msv_free(env, s);
	msv_free(env, NULL);
	s = msv_alloc(env, 100);
	for (int i = 0; i < 100; i++)
		ck_assert_int_eq(s[i], 0);
	msv_free(env, s);
	msv_env_free(env);
}
END_TEST

/* Elements keep their value, new ones are zero, an impossible size is refused
 * and leaves the array as it was. */
START_TEST(grow)
{
	struct msv_env *env;
	uint32_t *array = NULL;
	size_t cap = 0, grown = 0;

	ck_assert_int_eq(msv_env_new(NULL, &env), 0);
	for (uint32_t i = 0; i < 1000; i++) {
		size_t before = cap;
		ck_assert_int_eq(msv_grow(env, &array, &cap, i + 1, sizeof(*array)), 0);
		grown += cap != before;
		ck_assert_uint_eq(array[i], 0);
		array[i] = i + 1;
	}
	ck_assert_uint_lt(grown, 12);
	ck_assert_uint_eq(array[999], 1000);
	ck_assert_int_eq(msv_grow(env, &array, &cap, SIZE_MAX / 2, sizeof(*array)), MSV_ERR_NOMEM);
	ck_assert_uint_eq(array[0], 1);
	msv_free(env, array);
	msv_env_free(env);
}
END_TEST

START_TEST(words_for_errors)
{
	for (int error = 0; error >= MSV_ERR_TIMEOUT; error--)
		ck_assert_str_ne(msv_strerror(error), "unknown error");
	ck_assert_str_eq(msv_strerror(1), "unknown error");
	ck_assert_str_eq(msv_strerror(MSV_ERR_TIMEOUT - 1), "unknown error");
	ck_assert_str_eq(msv_strerror(INT32_MIN), "unknown error");
	ck_assert_str_eq(msv_version(), "0.1.0");
}
END_TEST

int main(void)
{
	Suite *s = suite_create("alloc");

	check_case(s, "alloc", copies, grow);
	check_case(s, "errors", words_for_errors);
	return check_main(s);
}
