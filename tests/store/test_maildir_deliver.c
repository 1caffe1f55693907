/* Appends and what a crash may leave of them. */
#include "check_main.h"
#include "store/world.h"

static unsigned count_lines(const char *text)
{
	unsigned n = 0;

	for (; (text = strchr(text, '\n')); text++)
		n++;
	return n;
}

/* -- The transaction ------------------------------------------------------------------------- */

/* Nothing is to be seen before the commit, and all after it. */
START_TEST(test_all_or_none)
{
	struct msv_append_message message = { .size = sizeof(message) };

	ck_assert_int_eq(do_begin("INBOX"), 0);
	struct msv_append *append = got.append;
	for (unsigned i = 0; i < 3; i++) {
		ck_assert_int_eq(do_add(append, &message), 0);
		ck_assert_int_eq(do_write(append, "x\r\n", 3), 0);
	}
	ck_assert_int_eq(do_prepare(append), 0);
	ck_assert_uint_eq(count_lines(names_in("ann/tmp")), 3);
	ck_assert_int_eq(do_status("INBOX"), 0);
	ck_assert_uint_eq(got.status.messages, 0);
	ck_assert_int_eq(do_commit(append), 0);
	ck_assert_str_eq(got.dest, "1:3");
	ck_assert_str_eq(names_in("ann/tmp"), "");
	ck_assert_uint_eq(count_lines(names_in("ann/new")), 3);
}
END_TEST

START_TEST(test_abort)
{
	static char big[400000];
	struct msv_append_message message = { .size = sizeof(message) };

	memset(big, 'x', sizeof(big));
	ck_assert_int_eq(do_begin("INBOX"), 0);
	struct msv_append *append = got.append;
	ck_assert_int_eq(do_add(append, &message), 0);
	ck_assert_int_eq(do_write(append, "small\r\n", 7), 0);
	ck_assert_int_eq(do_add(append, &message), 0);
	ck_assert_int_eq(do_write(append, big, sizeof(big)), 0);
	/* The big one is in a file already. */
	ck_assert_uint_eq(count_lines(names_in("ann/tmp")), 1);
	store->append_abort(store->self, append);
	msv_test_run(test);
	ck_assert_str_eq(names_in("ann/tmp"), "");
	/* Also while a write is under way. */
	ck_assert_int_eq(do_begin("INBOX"), 0);
	append = got.append;
	ck_assert_int_eq(do_add(append, &message), 0);
	struct msv_op *op = ask(on_plain, NULL);
	store->append_write(store->self, append, big, sizeof(big), op);
	msv_op_cancel(op);
	store->append_abort(store->self, append);
	msv_test_run(test);
	ck_assert_str_eq(names_in("ann/tmp"), "");
}
END_TEST

/* A big message takes no more memory than its piece. */
START_TEST(test_big)
{
	static char piece[100000];
	struct msv_append_message message = { .size = sizeof(message) };

	memset(piece, 'x', sizeof(piece));
	ck_assert_int_eq(do_begin("INBOX"), 0);
	struct msv_append *append = got.append;
	ck_assert_int_eq(do_add(append, &message), 0);
	for (unsigned i = 0; i < 100; i++)
		ck_assert_int_eq(do_write(append, piece, sizeof(piece)), 0);
	ck_assert_uint_lt(msv_test_memory_peak(test), 1500000);
	ck_assert_int_eq(do_commit(append), 0);
	ck_assert_ptr_nonnull(strstr(names_in("ann/new"), ",S=10000000,W=10000000\n"));
}
END_TEST

START_TEST(test_errors)
{
	struct msv_append_message message = { .size = sizeof(message) };
	char too_long[129] = "";

	ck_assert_int_eq(do_begin("missing"), MSV_ERR_NOTFOUND);
	ck_assert_int_eq(do_begin("../../etc"), MSV_ERR_NOTFOUND);
	memset(too_long, 'x', sizeof(too_long) - 1);
	ck_assert_int_eq(deliver("INBOX", "x\r\n", 0, too_long), MSV_ERR_LIMIT);
	ck_assert_int_eq(do_create("A", 0), 0);
	ck_assert_int_eq(do_begin("A"), 0);
	struct msv_append *append = got.append;
	ck_assert_int_eq(do_add(append, &message), 0);
	ck_assert_int_eq(do_remove("A"), 0);
	ck_assert_int_eq(do_commit(append), MSV_ERR_NOTFOUND);
	/* 26 letters, and no more. */
	for (unsigned i = 0; i < 26; i++) {
		char word[8];
		snprintf(word, sizeof(word), "w%u", i);
		ck_assert_int_eq(deliver("INBOX", "x\r\n", 0, word), 0);
	}
	ck_assert_int_eq(deliver("INBOX", "x\r\n", 0, "w26"), MSV_ERR_LIMIT);
	ck_assert_int_eq(deliver("INBOX", "x\r\n", 0, "W25"), 0);
	ck_assert_str_eq(names_in("ann/tmp"), "");
}
END_TEST

/* The system refuses in the middle: nothing is left, and it works again. */
START_TEST(test_disk_errors)
{
	if (geteuid() == 0)
		return; /* root is refused nothing */
	ck_assert_int_eq(deliver("INBOX", "x\r\n", 0, NULL), 0);
	ck_assert_int_eq(chmod(scratch_path("ann/new"), 0500), 0);
	ck_assert_int_eq(deliver("INBOX", "x\r\n", 0, NULL), MSV_ERR_DENIED);
	ck_assert_int_eq(chmod(scratch_path("ann/new"), 0700), 0);
	ck_assert_str_eq(names_in("ann/tmp"), "");
	ck_assert_int_eq(deliver("INBOX", "x\r\n", 0, NULL), 0);
	ck_assert_str_eq(got.dest, "2:2");
}
END_TEST

/* A name that is taken already stops the second of three: the first goes back. */
START_TEST(test_taken_back)
{
	struct msv_append_message message = { .size = sizeof(message) };
	char path[512];

	ck_assert_int_eq(deliver("INBOX", "x\r\n", 0, NULL), 0);
	ck_assert_int_eq(do_begin("INBOX"), 0);
	struct msv_append *append = got.append;
	for (unsigned i = 0; i < 3; i++)
		ck_assert_int_eq(do_add(append, &message), 0);
	ck_assert_int_eq(do_prepare(append), 0);
	/* The second file is not there any more. */
	const char *names = names_in("ann/tmp"), *second = strchr(names, '\n') + 1;
	snprintf(path, sizeof(path), "ann/tmp/%.*s", (int)strcspn(second, "\n"), second);
	ck_assert_int_eq(unlink(scratch_path(path)), 0);
	ck_assert_int_eq(do_commit(append), MSV_ERR_NOTFOUND);
	msv_test_run(test);
	ck_assert_uint_eq(count_lines(names_in("ann/new")), 1);
	ck_assert_str_eq(names_in("ann/tmp"), "");
	ck_assert_int_eq(deliver("INBOX", "x\r\n", 0, NULL), 0);
	ck_assert_str_eq(got.dest, "2:2");
}
END_TEST

/* -- Several at once ---------------------------------------------------------------------------- */

static struct msv_append *begun(const char *name, const char *keyword)
{
	struct msv_append_message message = {
		.size = sizeof(message), .keywords = &keyword, .nkeywords = keyword != NULL
	};

	ck_assert_int_eq(do_begin(name), 0);
	ck_assert_int_eq(do_add(got.append, &message), 0);
	ck_assert_int_eq(do_write(got.append, "x\r\n", 3), 0);
	return got.append;
}

/* Each gets a UID of its own, in the order of the commits; keywords too. */
START_TEST(test_together)
{
	struct msv_append *append[6];

	for (unsigned i = 0; i < 6; i++)
		append[i] = begun("INBOX", i == 3 ? "word" : NULL);
	commit_together(append, 6);
	for (unsigned i = 0; i < 6; i++) {
		ck_assert_int_eq(together[i].error, 0);
		ck_assert_uint_eq(together[i].uid, i + 1);
	}
	ck_assert_str_eq(names_in("ann/tmp"), "");
	ck_assert_uint_eq(count_lines(scratch_read("ann/dovecot-uidlist")), 7);
	struct msv_mailbox *mailbox = opened("INBOX", false);
	/* Who looks on sees them all, and no more than that. */
	for (unsigned i = 0; i < 3; i++)
		append[i] = begun("INBOX", NULL);
	commit_together(append, 3);
	ck_assert_uint_eq(together[2].uid, 9);
	ck_assert_int_eq(do_changes(mailbox, 0), 0);
	ck_assert_str_eq(got.rows, "1:r 2:r 3:r 4:r+word 5:r 6:r 7:r 8:r 9:r ");
	ck_assert_uint_eq(got.changes.uidnext, 10);
	do_close(mailbox);
}
END_TEST

/* One of them cannot be placed: the others are. */
START_TEST(test_together_but_one)
{
	struct msv_append *append[4];
	char path[512];

	ck_assert_int_eq(deliver("INBOX", "x\r\n", 0, NULL), 0);
	append[1] = begun("INBOX", NULL);
	ck_assert_int_eq(do_prepare(append[1]), 0);
	snprintf(path, sizeof(path), "ann/tmp/%.*s", (int)strcspn(names_in("ann/tmp"), "\n"),
	    names_in("ann/tmp"));
	ck_assert_int_eq(unlink(scratch_path(path)), 0);
	append[0] = begun("INBOX", NULL);
	append[2] = begun("INBOX", NULL);
	append[3] = begun("INBOX", NULL);
	commit_together(append, 4);
	ck_assert_int_eq(together[1].error, MSV_ERR_NOTFOUND);
	uint32_t all = 0;
	for (unsigned i = 0; i < 4; i++)
		all |= 1u << together[i].uid;
	ck_assert_uint_eq(all, 1 | 1 << 2 | 1 << 3 | 1 << 4);
	ck_assert_str_eq(names_in("ann/tmp"), "");
	ck_assert_uint_eq(count_lines(names_in("ann/new")), 4);
	ck_assert_int_eq(do_status("INBOX"), 0);
	ck_assert_uint_eq(got.status.uidnext, 5);
}
END_TEST

/* The folder goes away while they wait for their turn: none of them is lost in it. */
START_TEST(test_together_too_late)
{
	struct msv_append *append[3];

	ck_assert_int_eq(do_create("A", 0), 0);
	for (unsigned i = 0; i < 3; i++)
		append[i] = begun("A", NULL);
	ck_assert_int_eq(do_remove("A"), 0);
	commit_together(append, 3);
	for (unsigned i = 0; i < 3; i++)
		ck_assert_int_eq(together[i].error, MSV_ERR_NOTFOUND);
}
END_TEST

/* -- UIDs that come later ------------------------------------------------------------------------ */

/* Nobody looks: the file is put into new/, and no more is done. */
START_TEST(test_later)
{
	ck_assert_int_eq(deliver_later("INBOX", "one\r\n"), 0);
	ck_assert_str_eq(got.dest, "");
	ck_assert(!scratch_has("ann/dovecot-uidlist"));
	ck_assert_str_eq(names_in("ann/tmp"), "");
	ck_assert_uint_eq(count_lines(names_in("ann/new")), 1);
	/* Nor is a lock waited for. */
	scratch_puts("ann/dovecot-uidlist.lock", "4711");
	uint64_t before = msv_env_now(msv_test_env(test));
	ck_assert_int_eq(deliver_later("INBOX", "two\r\n"), 0);
	ck_assert_uint_lt(msv_env_now(msv_test_env(test)) - before, 5);
	ck_assert_int_eq(unlink(scratch_path("ann/dovecot-uidlist.lock")), 0);
	struct msv_mailbox *mailbox = opened("INBOX", false);
	ck_assert_int_eq(do_changes(mailbox, 0), 0);
	ck_assert_str_eq(got.rows, "1:r 2:r ");
	/* Somebody looks: it is told at once. */
	ck_assert_int_eq(deliver_later("INBOX", "three\r\n"), 0);
	ck_assert_str_eq(got.dest, "3:3");
	do_close(mailbox);
}
END_TEST

/* What is wrong is answered as ever. */
START_TEST(test_later_errors)
{
	struct msv_append_message message = { .size = sizeof(message), .uid_later = true };

	ck_assert_int_eq(deliver_later("missing", "x\r\n"), MSV_ERR_NOTFOUND);
	ck_assert_int_eq(do_create("A", 0), 0);
	ck_assert_int_eq(deliver_later("A", "x\r\n"), 0);
	ck_assert_uint_eq(count_lines(names_in("ann/.A/new")), 1);
	ck_assert_int_eq(do_begin("A"), 0);
	struct msv_append *append = got.append;
	ck_assert_int_eq(do_add(append, &message), 0);
	ck_assert_int_eq(do_prepare(append), 0);
	ck_assert_int_eq(do_remove("A"), 0);
	ck_assert_int_eq(do_commit(append), MSV_ERR_NOTFOUND);
	/* Directories that somebody removed are made again. */
	ck_assert_int_eq(rmdir(scratch_path("ann/tmp")), 0);
	ck_assert_int_eq(rmdir(scratch_path("ann/new")), 0);
	ck_assert_int_eq(deliver_later("INBOX", "x\r\n"), 0);
	ck_assert_uint_eq(count_lines(names_in("ann/new")), 1);
}
END_TEST

/* -- The cost ---------------------------------------------------------------------------------- */

/* How many allocations, and how many bytes at most, one append takes. */
static uint64_t cost(size_t *bytes)
{
	uint64_t before = msv_test_allocs(test);
	size_t held = msv_test_memory(test);

	ck_assert_int_eq(deliver("INBOX", "x\r\n", 0, NULL), 0);
	*bytes = msv_test_memory_peak(test) - held;
	return msv_test_allocs(test) - before;
}

/* Into a mailbox of 100,000 messages as into one of none: it is not read. */
START_TEST(test_constant_cost)
{
	enum { N = 100000 };
	size_t empty_bytes, full_bytes;
	char line[64];

	ck_assert_int_eq(deliver("INBOX", "x\r\n", 0, NULL), 0);
	world_restart();
	uint64_t empty = cost(&empty_bytes);
	/* The list is what would be long; the files need not be there for it. */
	FILE *list = fopen(scratch_path("ann/dovecot-uidlist"), "w");
	fputs("3 V77 N1\n", list);
	for (unsigned i = 1; i <= N; i++) {
		snprintf(line, sizeof(line), "%u :1795369191.M%06uP1.host,S=16,W=18\n", i, i);
		fputs(line, list);
	}
	fclose(list);
	msv_maildir_free(maildir);
	ck_assert_uint_eq(msv_test_env_free(test), 0);
	ck_assert_int_eq(msv_test_env_new(7, &test), 0);
	world_open();
	uint64_t full = cost(&full_bytes);
	ck_assert_str_eq(got.dest, "100001:100001");
	ck_assert_uint_le(full, empty + 2);
	ck_assert_uint_lt(full_bytes, 100000);
}
END_TEST

/* -- What a crash leaves ------------------------------------------------------------------------- */

/* Between the rename and the record: the message is there, new. */
START_TEST(test_crash_before_record)
{
	char *list;

	ck_assert_int_eq(deliver("INBOX", "one\r\n", 0, NULL), 0);
	list = strdup(scratch_read("ann/dovecot-uidlist"));
	ck_assert_int_eq(deliver("INBOX", "two\r\n", MSV_FLAG_SEEN, NULL), 0);
	msv_maildir_free(maildir);
	msv_test_run(test);
	scratch_puts("ann/dovecot-uidlist", list);
	scratch_puts("ann/dovecot-uidlist.lock", "mailserv\n");
	free(list);
	world_open();
	struct msv_mailbox *mailbox = opened("INBOX", false);
	ck_assert_int_eq(do_changes(mailbox, 0), 0);
	ck_assert_str_eq(got.rows, "1:r 2:S ");
	ck_assert(!scratch_has("ann/dovecot-uidlist.lock"));
	do_close(mailbox);
}
END_TEST

/* Before the rename: it lies in tmp/ and is no message. */
START_TEST(test_crash_before_rename)
{
	make_maildir("ann");
	scratch_puts("ann/tmp/1.half,S=5,W=6", "half");
	ck_assert_int_eq(do_status("INBOX"), 0);
	ck_assert_uint_eq(got.status.messages, 0);
}
END_TEST

/* Between the copies and the removal of a move: both are there. */
START_TEST(test_crash_in_move)
{
	ck_assert_int_eq(do_create("A", 0), 0);
	ck_assert_int_eq(deliver("INBOX", "one\r\n", 0, NULL), 0);
	struct msv_mailbox *mailbox = opened("INBOX", false);
	ck_assert_int_eq(do_copy(mailbox, 1, 1, "A", false), 0);
	do_close(mailbox);
	world_restart();
	ck_assert_int_eq(do_status("A"), 0);
	ck_assert_uint_eq(got.status.messages, 1);
	ck_assert_int_eq(do_status("INBOX"), 0);
	ck_assert_uint_eq(got.status.messages, 1);
}
END_TEST

/* Half a uidlist under its temporary name is not looked at. */
START_TEST(test_crash_in_rewrite)
{
	ck_assert_int_eq(deliver("INBOX", "one\r\n", 0, NULL), 0);
	msv_maildir_free(maildir);
	msv_test_run(test);
	scratch_puts("ann/dovecot-uidlist.tmp", "3 V9 N9\n7 :");
	scratch_puts("ann/dovecot-keywords.tmp", "0 hal");
	scratch_puts("ann/subscriptions.tmp", "V\t2\n\nhal");
	world_open();
	struct msv_mailbox *mailbox = opened("INBOX", false);
	ck_assert_int_eq(do_changes(mailbox, 0), 0);
	ck_assert_str_eq(got.rows, "1:r ");
	ck_assert_int_eq(do_flags(mailbox, 1, 1, MSV_FLAGS_ADD, 0, "whole"), 0);
	ck_assert_str_eq(scratch_read("ann/dovecot-keywords"), "0 whole\n");
	ck_assert_int_eq(do_subscribe("whole", true), 0);
	ck_assert_str_eq(scratch_read("ann/subscriptions"), "V\t2\n\nwhole\n");
	do_close(mailbox);
}
END_TEST

/* A mailbox that was being removed is emptied by the next list. */
START_TEST(test_crash_in_remove)
{
	make_maildir("ann");
	make_maildir("ann/..mailserv-removed.1");
	scratch_puts("ann/..mailserv-removed.1/cur/1.a:2,", "x\n");
	scratch_puts("ann/..mailserv-removed.1/dovecot-uidlist", "3 V1 N1\n");
	ck_assert_int_eq(do_list(), 0);
	ck_assert_str_eq(got.rows, "INBOX|");
	msv_test_run(test);
	ck_assert(!scratch_has("ann/..mailserv-removed.1"));
}
END_TEST

static void add(Suite *s, const char *name, const TTest *const *tests)
{
	TCase *tc = tcase_create(name);

	tcase_add_checked_fixture(tc, world_setup, world_teardown);
	tcase_set_timeout(tc, 60);
	for (; *tests; tests++)
		tcase_add_test(tc, *tests);
	suite_add_tcase(s, tc);
}

int main(void)
{
	Suite *s = suite_create("store/maildir_deliver");

	add(s, "append",
	    (const TTest *[]){ test_all_or_none, test_abort, test_big, test_errors,
	        test_disk_errors, test_taken_back, test_constant_cost, NULL });
	add(s, "several",
	    (const TTest *[]){
	        test_together, test_together_but_one, test_together_too_late, NULL });
	add(s, "later", (const TTest *[]){ test_later, test_later_errors, NULL });
	add(s, "crash",
	    (const TTest *[]){ test_crash_before_record, test_crash_before_rename,
	        test_crash_in_move, test_crash_in_rewrite, test_crash_in_remove, NULL });
	return check_main(s);
}
