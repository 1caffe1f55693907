#include <mailserv/base.h>

#include "check_main.h"

START_TEST(membership)
{
	const struct msv_uid_range ranges[] = { { 1, 1 }, { 3, 5 }, { 100, 4294967295 } };
	const struct msv_uidset set = { ranges, 3 };

	for (uint32_t uid = 0; uid < 200; uid++) {
		bool in = uid == 1 || (uid >= 3 && uid <= 5) || uid >= 100;
		ck_assert_msg(msv_uidset_has(&set, uid) == in, "%u", uid);
	}
	ck_assert(msv_uidset_has(&set, UINT32_MAX));
	ck_assert_uint_eq(msv_uidset_count(&set), 1 + 3 + (UINT64_C(4294967295) - 100 + 1));
}
END_TEST

START_TEST(nothing_and_everything)
{
	const struct msv_uidset none = { NULL, 0 };
	const struct msv_uid_range range = { 0, UINT32_MAX };
	const struct msv_uidset all = { &range, 1 };

	ck_assert(!msv_uidset_has(&none, 1));
	ck_assert_uint_eq(msv_uidset_count(&none), 0);
	ck_assert(msv_uidset_has(&all, 0));
	ck_assert_uint_eq(msv_uidset_count(&all), UINT64_C(4294967296));
}
END_TEST

/* Every range found among many: the search ends at both ends. */
START_TEST(many_ranges)
{
	static struct msv_uid_range ranges[1000];
	const struct msv_uidset set = { ranges, 1000 };

	for (uint32_t i = 0; i < 1000; i++)
		ranges[i] = (struct msv_uid_range){ i * 10 + 1, i * 10 + 3 };
	for (uint32_t uid = 0; uid < 10010; uid++)
		ck_assert(
		    msv_uidset_has(&set, uid) == (uid < 10000 && uid % 10 >= 1 && uid % 10 <= 3));
	ck_assert_uint_eq(msv_uidset_count(&set), 3000);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("uidset");

	check_case(s, "uidset", membership, nothing_and_everything, many_ranges);
	return check_main(s);
}
