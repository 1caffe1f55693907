/* The Maildir store keeps every promise, in each layout. */
#include <mailserv/testing.h>

#include "check_main.h"
#include "store/scratch.h"

struct run {
	struct msv_test_env *test;
	struct msv_maildir *maildir;
	struct msv_maildir_options options;
	unsigned checks;
};

static int open_store(struct run *run, const struct msv_store **out)
{
	int error = msv_maildir_new(msv_test_env(run->test), &run->options, &run->maildir);

	*out = error ? NULL : msv_maildir_store(run->maildir);
	return error;
}

static int setup(void *user, const struct msv_store **out)
{
	struct run *run = user;

	scratch_make();
	run->options.root = scratch;
	return open_store(run, out);
}

static void teardown(void *user)
{
	struct run *run = user;

	msv_maildir_free(run->maildir);
	msv_test_run(run->test);
	scratch_remove();
}

static int restart(void *user, const struct msv_store **out)
{
	struct run *run = user;

	msv_maildir_free(run->maildir);
	msv_test_run(run->test);
	return open_store(run, out);
}

static void report(void *user, const char *check, const char *broken)
{
	struct run *run = user;
	const char *log = msv_test_log(run->test);

	run->checks++;
	if (broken)
		printf("%s: %s\n%s", check, broken, log);
}

static void conform(struct msv_maildir_options options)
{
	struct run run = { .options = options };
	struct msv_store_conform_options kit = {
		.size = sizeof(kit),
		.setup = setup,
		.teardown = teardown,
		.restart = restart,
		.user = &run,
		.report = report,
		.only = getenv("MSV_CHECK"),
	};

	run.options.size = sizeof(run.options);
	ck_assert_int_eq(msv_test_env_new(1, &run.test), 0);
	kit.test = run.test;
	ck_assert_int_eq(msv_store_conform(&kit), 0);
	ck_assert_uint_gt(run.checks, 0);
	ck_assert_uint_eq(msv_test_env_free(run.test), 0);
}

START_TEST(test_plus)
{
	conform((struct msv_maildir_options){ 0 });
}
END_TEST

START_TEST(test_slash)
{
	conform((struct msv_maildir_options){ .separator = '/' });
}
END_TEST

START_TEST(test_prefix)
{
	conform((struct msv_maildir_options){ .prefix = "INBOX." });
}
END_TEST

START_TEST(test_fs)
{
	conform((struct msv_maildir_options){ .fs_layout = true });
}
END_TEST

int main(void)
{
	Suite *s = suite_create("store/maildir_conform");

	check_case(s, "layouts", test_plus, test_slash, test_prefix, test_fs);
	return check_main(s);
}
