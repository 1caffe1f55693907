#include "codec/arena.h"

#include <stdalign.h>

#include "buf_fixture.h"

START_TEST(pieces_are_zeroed_and_apart)
{
	struct msv_arena arena;
	char *last = NULL;

	msv_arena_init(&arena, env);
	for (size_t n = 1; n < 3000; n += 7) {
		char *p = msv_arena_alloc(&arena, n);

		ck_assert_ptr_nonnull(p);
		ck_assert_uint_eq((uintptr_t)p % alignof(max_align_t), 0);
		for (size_t i = 0; i < n; i++)
			ck_assert_int_eq(p[i], 0);
		memset(p, 'x', n);
		if (last)
			ck_assert_int_eq(last[0], 'x');
		last = p;
	}
	msv_arena_fini(&arena);
	ck_assert_uint_eq(arena.bytes, 0);
}
END_TEST

START_TEST(strings_are_packed)
{
	struct msv_arena arena;
	const char *a, *b;

	msv_arena_init(&arena, env);
	a = msv_arena_strndup(&arena, "abc", 2);
	b = msv_arena_strndup(&arena, NULL, 0);
	ck_assert_str_eq(a, "ab");
	ck_assert_str_eq(b, "");
	ck_assert_ptr_eq(b, a + 3);
	msv_arena_fini(&arena);
}
END_TEST

START_TEST(many_small_pieces_cost_few_allocations)
{
	struct msv_arena arena;
	uint64_t before = msv_test_allocs(test);

	msv_arena_init(&arena, env);
	for (int i = 0; i < 100000; i++)
		ck_assert_ptr_nonnull(msv_arena_alloc(&arena, 16));
	ck_assert_uint_lt(msv_test_allocs(test) - before, 50);
	ck_assert_uint_lt(arena.bytes, 100000 * 16 + 200000);
	msv_arena_fini(&arena);
}
END_TEST

START_TEST(no_memory)
{
	struct msv_arena arena;

	msv_arena_init(&arena, env);
	ck_assert_ptr_null(msv_arena_alloc(&arena, SIZE_MAX));
	msv_test_fail_alloc(test, 0, false);
	ck_assert_ptr_null(msv_arena_strndup(&arena, "abc", 3));
	ck_assert_str_eq(msv_arena_strndup(&arena, "abc", 3), "abc");
	msv_arena_fini(&arena);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("arena");

	buf_case(s, "arena", pieces_are_zeroed_and_apart, strings_are_packed,
	    many_small_pieces_cost_few_allocations, no_memory);
	return check_main(s);
}
