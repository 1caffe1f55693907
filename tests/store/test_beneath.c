#include "store/beneath.h"

#include <errno.h>
#include <stdbool.h>

#include "check_main.h"
#include "store/scratch.h"

static int root;

static void setup(void)
{
	scratch_make();
	scratch_mkdir("in");
	scratch_mkdir("in/a");
	scratch_mkdir("in/a/b");
	scratch_puts("in/a/file", "x");
	scratch_puts("secret", "x");
	ck_assert_int_eq(symlink("../secret", scratch_path("in/link")), 0);
	ck_assert_int_eq(symlink("a", scratch_path("in/alias")), 0);
	ck_assert_int_eq(symlink("/", scratch_path("in/a/out")), 0);
	root = open(scratch_path("in"), O_RDONLY | O_DIRECTORY);
	ck_assert_int_ge(root, 0);
}

static void teardown(void)
{
	close(root);
	scratch_remove();
}

static bool opens(const char *path)
{
	int fd = msv_beneath_open(root, path, O_RDONLY, 0);

	if (fd >= 0)
		close(fd);
	return fd >= 0;
}

START_TEST(test_open)
{
	ck_assert(opens(""));
	ck_assert(opens("a"));
	ck_assert(opens("a/b"));
	ck_assert(opens("a//file"));
	ck_assert(opens("./a/file"));
	ck_assert(!opens("missing"));
	ck_assert_int_eq(errno, ENOENT);
}
END_TEST

START_TEST(test_outside)
{
	static const char *const paths[] = { "..", "../secret", "a/../../secret", "/etc", "link",
		"alias/file", "a/out/etc", "a/out" };

	for (size_t i = 0; i < sizeof(paths) / sizeof(paths[0]); i++) {
		ck_assert_msg(!opens(paths[i]), "%s", paths[i]);
		ck_assert_msg(errno == EXDEV || errno == ELOOP || errno == ENOTDIR, "%s", paths[i]);
	}
}
END_TEST

START_TEST(test_create)
{
	int fd = msv_beneath_open(root, "a/made", O_WRONLY | O_CREAT | O_EXCL, 0600);

	ck_assert_int_ge(fd, 0);
	close(fd);
	ck_assert(scratch_has("in/a/made"));
	ck_assert_int_lt(msv_beneath_open(root, "../made", O_WRONLY | O_CREAT, 0600), 0);
	ck_assert(!scratch_has("made"));
}
END_TEST

START_TEST(test_mkdirs)
{
	ck_assert_int_eq(msv_beneath_mkdirs(root, "x/y/z"), 0);
	ck_assert(scratch_has("in/x/y/z"));
	ck_assert_int_eq(msv_beneath_mkdirs(root, "x/y/z"), 0);
	ck_assert_int_eq(msv_beneath_mkdirs(root, ""), 0);
	ck_assert_int_ne(msv_beneath_mkdirs(root, "x/../../up"), 0);
	ck_assert(!scratch_has("up"));
	ck_assert_int_ne(msv_beneath_mkdirs(root, "alias/c"), 0);
	ck_assert(!scratch_has("in/a/c"));
	ck_assert_int_ne(msv_beneath_mkdirs(root, "a/file/c"), 0);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("store/beneath");
	TCase *tc = tcase_create("beneath");

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, test_open);
	tcase_add_test(tc, test_outside);
	tcase_add_test(tc, test_create);
	tcase_add_test(tc, test_mkdirs);
	suite_add_tcase(s, tc);
	return check_main(s);
}
