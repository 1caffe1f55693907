/* Watching: what others do is told within a second, what we do at once. */
#include "check_main.h"
#include "store/world.h"

static struct {
	unsigned looks;
	char names[256];
} seen;

static void look(void *user, const char *mailbox)
{
	size_t n = strlen(seen.names);

	(void)user;
	seen.looks++;
	snprintf(seen.names + n, sizeof(seen.names) - n, "%s|", mailbox ? mailbox : "*");
}

/* What was told since the last call, within so many milliseconds. */
static const char *told(uint64_t ms)
{
	static char names[256];

	msv_test_advance(test, ms);
	memcpy(names, seen.names, sizeof(names));
	seen.names[0] = '\0';
	return names;
}

static uint64_t since;

/* Looks again, so that the next word is about something else. */
static const char *look_again(struct msv_mailbox *mailbox)
{
	ck_assert_int_eq(do_changes(mailbox, since), 0);
	since = got.changes.modseq;
	return got.rows;
}

START_TEST(test_mailbox)
{
	struct msv_store_watch *watch;

	make_maildir("ann");
	seen.names[0] = '\0';
	struct msv_mailbox *mailbox = opened("INBOX", false);
	ck_assert_int_eq(store->watch(store->self, &ann, mailbox, look, NULL, &watch), 0);
	since = 0;
	settle();
	look_again(mailbox);
	told(5000);
	ck_assert_str_eq(told(3000), "");
	scratch_puts("ann/new/1.a", "x\n");
	ck_assert_str_ne(told(1000), "");
	ck_assert_str_eq(look_again(mailbox), "1:r ");
	ck_assert_int_eq(
	    rename(scratch_path("ann/cur/1.a:2,"), scratch_path("ann/cur/1.a:2,S")), 0);
	ck_assert_str_ne(told(1000), "");
	ck_assert_str_eq(look_again(mailbox), "1:rS ");
	settle();
	look_again(mailbox);
	told(5000);
	ck_assert_int_eq(unlink(scratch_path("ann/cur/1.a:2,S")), 0);
	ck_assert_str_ne(told(1000), "");
	settle();
	ck_assert_str_eq(look_again(mailbox), "-1:1 ");
	store->unwatch(store->self, watch);
	told(0);
	scratch_puts("ann/new/2.a", "x\n");
	ck_assert_str_eq(told(5000), "");
	do_close(mailbox);
}
END_TEST

/* A session is told of another's doings without waiting for the poll. */
START_TEST(test_at_once)
{
	struct msv_store_watch *watch;

	seen.names[0] = '\0';
	struct msv_mailbox *a = opened("INBOX", false), *b = opened("INBOX", false);
	ck_assert_int_eq(store->watch(store->self, &ann, b, look, NULL, &watch), 0);
	ck_assert_int_eq(deliver("INBOX", "x\r\n", 0, NULL), 0);
	ck_assert_str_ne(told(0), "");
	ck_assert_int_eq(do_changes(a, 0), 0);
	ck_assert_str_eq(got.rows, "1:r ");
	since = 0;
	ck_assert_str_eq(look_again(b), "1: ");
	ck_assert_int_eq(do_flags(a, 1, 1, MSV_FLAGS_ADD, MSV_FLAG_DELETED, NULL), 0);
	ck_assert_str_ne(told(0), "");
	ck_assert_str_eq(look_again(b), "1:T ");
	ck_assert_int_eq(do_expunge(a), 0);
	ck_assert_str_ne(told(0), "");
	ck_assert_str_eq(look_again(b), "-1:1 ");
	store->unwatch(store->self, watch);
	do_close(a);
	do_close(b);
}
END_TEST

START_TEST(test_account)
{
	struct msv_store_watch *watch;

	ck_assert_int_eq(do_create("A.B", 0), 0);
	seen.names[0] = '\0';
	ck_assert_int_eq(store->watch(store->self, &ann, NULL, look, NULL, &watch), 0);
	told(2000);
	ck_assert_str_eq(told(2000), "");
	ck_assert_int_eq(deliver("A.B", "x\r\n", 0, NULL), 0);
	ck_assert_str_eq(told(0), "A.B|");
	told(2000);
	scratch_puts("ann/.A.B/new/1.a", "x\n");
	ck_assert_str_eq(told(1000), "A.B|");
	scratch_puts("ann/new/1.a", "x\n");
	ck_assert_str_eq(told(1000), "INBOX|");
	ck_assert_int_eq(do_subscribe("A", true), 0);
	ck_assert_str_eq(told(0), "*|");
	told(2000);
	scratch_puts("ann/subscriptions", "V\t2\n\nother\n");
	ck_assert_str_eq(told(1000), "*|");
	make_maildir("ann/.C");
	ck_assert_ptr_nonnull(strstr(told(1000), "*|"));
	ck_assert_int_eq(do_create("D", 0), 0);
	ck_assert_ptr_nonnull(strstr(told(0), "*|"));
	ck_assert_int_eq(do_remove("D"), 0);
	ck_assert_ptr_nonnull(strstr(told(0), "*|"));
	store->unwatch(store->self, watch);
}
END_TEST

static struct msv_store_watch *own;

static void look_once(void *user, const char *mailbox)
{
	look(user, mailbox);
	store->unwatch(store->self, own);
}

START_TEST(test_unwatch_inside)
{
	seen.names[0] = '\0';
	struct msv_mailbox *mailbox = opened("INBOX", false);
	ck_assert_int_eq(store->watch(store->self, &ann, mailbox, look_once, NULL, &own), 0);
	ck_assert_int_eq(deliver("INBOX", "x\r\n", 0, NULL), 0);
	ck_assert_int_eq(deliver("INBOX", "x\r\n", 0, NULL), 0);
	ck_assert_str_eq(told(5000), "*|");
	do_close(mailbox);
}
END_TEST

/* The store goes while a poll is under way. */
START_TEST(test_free_in_poll)
{
	struct msv_store_watch *watch;

	make_maildir("ann");
	struct msv_mailbox *mailbox = opened("INBOX", false);
	ck_assert_int_eq(store->watch(store->self, &ann, mailbox, look, NULL, &watch), 0);
	ck_assert_int_eq(store->watch(store->self, &ann, NULL, look, NULL, &own), 0);
	msv_test_advance(test, 499);
	msv_env_tick(msv_test_env(test));
	store->unwatch(store->self, watch);
	store->unwatch(store->self, own);
	do_close(mailbox);
	world_restart();
}
END_TEST

int main(void)
{
	Suite *s = suite_create("store/maildir_watch");
	TCase *tc = tcase_create("watch");

	tcase_add_checked_fixture(tc, world_setup, world_teardown);
	tcase_set_timeout(tc, 60);
	tcase_add_test(tc, test_mailbox);
	tcase_add_test(tc, test_at_once);
	tcase_add_test(tc, test_account);
	tcase_add_test(tc, test_unwatch_inside);
	tcase_add_test(tc, test_free_in_poll);
	suite_add_tcase(s, tc);
	return check_main(s);
}
