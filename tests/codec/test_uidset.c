#include "codec/uidset.h"

#include "buf_fixture.h"

static struct msv_uidset_builder b;

static void print(const struct msv_uidset *set)
{
	for (size_t i = 0; i < set->n; i++)
		msv_buf_printf(&out, "%s%u:%u", i ? "," : "", set->r[i].first, set->r[i].last);
}

static const struct {
	struct msv_uid_range in[6];
	size_t n;
	const char *set;
} table[] = {
	{ { { 0, 0 } }, 0, "" },
	{ { { 5, 5 } }, 1, "5:5" },
	{ { { 9, 5 } }, 1, "5:9" },
	{ { { 1, 2 }, { 3, 4 } }, 2, "1:4" },
	{ { { 1, 2 }, { 4, 5 } }, 2, "1:2,4:5" },
	{ { { 4, 5 }, { 1, 2 } }, 2, "1:2,4:5" },
	{ { { 4, 5 }, { 1, 3 } }, 2, "1:5" },
	{ { { 1, 100 }, { 5, 6 }, { 50, 200 } }, 3, "1:200" },
	{ { { 7, 7 }, { 3, 3 }, { 5, 5 }, { 4, 4 }, { 6, 6 }, { 1, 1 } }, 6, "1:1,3:7" },
	{ { { UINT32_MAX, UINT32_MAX }, { 1, 1 } }, 2, "1:1,4294967295:4294967295" },
	{ { { UINT32_MAX - 1, UINT32_MAX }, { 1, UINT32_MAX } }, 2, "1:4294967295" },
	{ { { 2, 3 }, { 2, 3 }, { 2, 3 } }, 3, "2:3" },
};

START_TEST(sorted_and_disjoint)
{
	struct msv_uidset set;

	msv_uidset_builder_init(&b, env);
	for (size_t i = 0; i < table[_i].n; i++)
		ck_assert_int_eq(
		    msv_uidset_add(&b, table[_i].in[i].first, table[_i].in[i].last), 0);
	set = msv_uidset_finish(&b);
	print(&set);
	ck_assert_str_eq(taken(), table[_i].set);
	msv_uidset_builder_fini(&b);
}
END_TEST

START_TEST(rising_order_costs_the_result)
{
	struct msv_uidset set;

	msv_uidset_builder_init(&b, env);
	for (uint32_t uid = 1; uid <= 1000000; uid++)
		msv_uidset_add(&b, uid, uid);
	ck_assert_uint_lt(msv_test_memory(test), 4096);
	set = msv_uidset_take(&b);
	ck_assert_uint_eq(msv_uidset_count(&set), 1000000);
	ck_assert_uint_eq(set.n, 1);
	msv_uidset_builder_fini(&b);
	msv_free(env, (void *)set.r);
}
END_TEST

/* Falling, and scattered: both n log n. */
START_TEST(any_order)
{
	struct msv_uidset set;

	msv_uidset_builder_init(&b, env);
	for (uint32_t uid = 1000000; uid >= 2; uid -= 2)
		msv_uidset_add(&b, uid, uid);
	set = msv_uidset_finish(&b);
	ck_assert_uint_eq(set.n, 500000);
	ck_assert(msv_uidset_has(&set, 500000) && !msv_uidset_has(&set, 500001));
	for (uint32_t i = 0; i < 500000; i++)
		msv_uidset_add(
		    &b, (i * 7919u) % 500000u * 2u + 1u, (i * 7919u) % 500000u * 2u + 1u);
	set = msv_uidset_finish(&b);
	ck_assert_uint_eq(set.n, 1);
	ck_assert_uint_eq(msv_uidset_count(&set), 1000000);
	msv_uidset_builder_fini(&b);
}
END_TEST

START_TEST(no_memory)
{
	struct msv_uidset set;

	msv_uidset_builder_init(&b, env);
	msv_test_fail_alloc(test, 0, false);
	ck_assert_int_eq(msv_uidset_add(&b, 1, 2), MSV_ERR_NOMEM);
	ck_assert_int_eq(msv_uidset_add(&b, 1, 2), 0);
	set = msv_uidset_finish(&b);
	print(&set);
	ck_assert_str_eq(taken(), "1:2");
	msv_uidset_builder_fini(&b);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("uidset");
	TCase *tc = tcase_create("table");

	tcase_add_checked_fixture(tc, buf_setup, buf_teardown);
	tcase_add_loop_test(tc, sorted_and_disjoint, 0, sizeof table / sizeof table[0]);
	suite_add_tcase(s, tc);
	buf_case(s, "uidset", rising_order_costs_the_result, any_order, no_memory);
	return check_main(s);
}
