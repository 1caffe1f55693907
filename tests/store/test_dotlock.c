#include "store/dotlock.h"

#include <mailserv/base.h>

#include "check_main.h"
#include "store/scratch.h"

static int dir;

static void setup(void)
{
	scratch_make();
	dir = open(scratch, O_RDONLY | O_DIRECTORY);
}

static void teardown(void)
{
	close(dir);
	scratch_remove();
}

static int take(struct msv_dotlock *lock, struct msv_lock_seen *seen)
{
	return msv_dotlock_try(dir, "x.lock", 1000, NULL, lock, seen);
}

START_TEST(test_exclusive)
{
	struct msv_dotlock a = { .fd = -1 }, b = { .fd = -1 };
	struct msv_lock_seen seen;

	ck_assert_int_eq(take(&a, &seen), 0);
	ck_assert(scratch_has("x.lock"));
	ck_assert_int_eq(take(&b, &seen), MSV_ERR_BUSY);
	ck_assert_int_eq(b.fd, -1);
	msv_dotlock_release(dir, "x.lock", &b);
	ck_assert(scratch_has("x.lock"));
	msv_dotlock_release(dir, "x.lock", &a);
	ck_assert(!scratch_has("x.lock"));
	ck_assert_int_eq(take(&b, &seen), 0);
	msv_dotlock_release(dir, "x.lock", &b);
}
END_TEST

/* Another program's lock holds until it is old, by the clock or by watching. */
START_TEST(test_stale)
{
	struct msv_dotlock lock;
	struct msv_lock_seen seen, other;
	struct timespec old[2] = { { 1000, 5 }, { 1000, 5 } };

	scratch_puts("x.lock", "123:host");
	utimensat(dir, "x.lock", old, 0);
	ck_assert_int_eq(msv_dotlock_try(dir, "x.lock", 1000 + MSV_LOCK_STALE, NULL, &lock, &seen),
	    MSV_ERR_BUSY);
	other = seen;
	other.mtime++;
	ck_assert_int_eq(msv_dotlock_try(dir, "x.lock", 1000, &other, &lock, &seen), MSV_ERR_BUSY);
	ck_assert_int_eq(msv_dotlock_try(dir, "x.lock", 1000, &seen, &lock, &other), 0);
	msv_dotlock_release(dir, "x.lock", &lock);

	scratch_puts("x.lock", "123:host");
	utimensat(dir, "x.lock", old, 0);
	ck_assert_int_eq(
	    msv_dotlock_try(dir, "x.lock", 1001 + MSV_LOCK_STALE, NULL, &lock, &seen), 0);
	ck_assert_str_eq(scratch_read("x.lock"), "mailserv\n");
	msv_dotlock_release(dir, "x.lock", &lock);
	ck_assert(!scratch_has("x.lock.stale"));
}
END_TEST

/* What a process of ours left behind is taken over at once. */
START_TEST(test_inherit)
{
	struct msv_dotlock lock;
	struct msv_lock_seen seen;

	ck_assert_int_eq(take(&lock, &seen), 0);
	msv_dotlock_forget(&lock);
	ck_assert(scratch_has("x.lock"));
	ck_assert_int_eq(take(&lock, &seen), 0);
	ck_assert_int_gt(msv_dotlock_touch(&lock), 0);
	msv_dotlock_release(dir, "x.lock", &lock);
	ck_assert(!scratch_has("x.lock"));
}
END_TEST

/* A lock that others took from us is theirs. */
START_TEST(test_lost)
{
	struct msv_dotlock lock;
	struct msv_lock_seen seen;

	ck_assert_int_eq(take(&lock, &seen), 0);
	ck_assert_int_eq(unlinkat(dir, "x.lock", 0), 0);
	scratch_puts("x.lock", "123:host");
	msv_dotlock_release(dir, "x.lock", &lock);
	ck_assert_str_eq(scratch_read("x.lock"), "123:host");
}
END_TEST

START_TEST(test_no_directory)
{
	struct msv_dotlock lock;
	struct msv_lock_seen seen;

	ck_assert_int_eq(rmdir(scratch), 0);
	ck_assert_int_eq(take(&lock, &seen), MSV_ERR_NOTFOUND);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("store/dotlock");
	TCase *tc = tcase_create("dotlock");

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, test_exclusive);
	tcase_add_test(tc, test_stale);
	tcase_add_test(tc, test_inherit);
	tcase_add_test(tc, test_lost);
	tcase_add_test(tc, test_no_directory);
	suite_add_tcase(s, tc);
	return check_main(s);
}
