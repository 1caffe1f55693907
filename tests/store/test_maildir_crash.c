/* The process is killed before each of its system calls in turn: nothing that
 * was answered is lost, nothing half is seen, nobody waits for its locks. */
#include <errno.h>
#include <signal.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/wait.h>

#include "check_main.h"
#include "store/disk.h"
#include "store/world.h"

static char big[300000];
static const char small[] = "small\r\n";

/* -- The life that ends early ---------------------------------------------------------------- */

/* What was answered, in order. */
enum { DELIVERED, MADE, COPIED, MOVED, BIG_DELIVERED, FLAGGED, EXPUNGED, RENAMED, STEPS };

static void must(int error, int pipe, char step)
{
	if (error || write(pipe, &step, 1) != 1)
		_exit(1);
}

static int deliver_big(void)
{
	struct msv_append_message message = { .size = sizeof(message) };
	int error = do_begin("INBOX");

	if (!error)
		error = do_add(got.append, &message);
	if (!error)
		error = do_write(got.append, big, sizeof(big));
	return error ? error : do_commit(got.append);
}

static void live(int pipe)
{
	must(deliver("INBOX", small, MSV_FLAG_SEEN, "word"), pipe, DELIVERED);
	must(do_create("A", MSV_USE_SENT), pipe, MADE);
	if (do_open("INBOX", false) != 0)
		_exit(1);
	struct msv_mailbox *mailbox = got.open.mailbox;
	must(do_copy(mailbox, 1, 1, "A", false), pipe, COPIED);
	must(do_copy(mailbox, 1, 1, "A", true), pipe, MOVED);
	must(deliver_big(), pipe, BIG_DELIVERED);
	if (do_open("A", false) != 0)
		_exit(1);
	mailbox = got.open.mailbox;
	must(do_flags(mailbox, 1, 1, MSV_FLAGS_ADD, MSV_FLAG_DELETED, "other"), pipe, FLAGGED);
	must(do_expunge(mailbox), pipe, EXPUNGED);
	must(do_rename("A", "B.C"), pipe, RENAMED);
	_exit(0);
}

/* What was answered of this one. */
enum { LATER, LATER_TOO, TOGETHER };

static void live_delivering(int pipe)
{
	struct msv_append_message message = { .size = sizeof(message) };
	struct msv_append *append[3];

	must(deliver_later("INBOX", small), pipe, LATER);
	must(deliver_later("INBOX", small), pipe, LATER_TOO);
	for (unsigned i = 0; i < 3; i++) {
		if (do_begin("INBOX") || do_add(got.append, &message) ||
		    do_write(got.append, small, sizeof(small) - 1))
			_exit(1);
		append[i] = got.append;
	}
	commit_together(append, 3);
	must(together[0].error || together[1].error || together[2].error, pipe, TOGETHER);
	_exit(0);
}

/* Runs a life and kills it before its n-th system call.  The steps that were
 * answered, as bits; -1: it came to its end; -2: it cannot be done here. */
static int die_at(void (*life)(int pipe), unsigned n)
{
	int pipes[2], status, steps = 0;
	char step;
	pid_t pid;

	ck_assert_int_eq(pipe(pipes), 0);
	pid = fork();
	ck_assert_int_ge(pid, 0);
	if (pid == 0) {
		close(pipes[0]);
		if (ptrace(PTRACE_TRACEME, 0, NULL, NULL) != 0)
			_exit(2);
		raise(SIGSTOP);
		life(pipes[1]);
	}
	close(pipes[1]);
	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	if (WIFSTOPPED(status))
		ptrace(PTRACE_SETOPTIONS, pid, NULL, PTRACE_O_TRACESYSGOOD | PTRACE_O_EXITKILL);
	/* A stop at the begin and one at the end of each call. */
	for (unsigned stops = 0; WIFSTOPPED(status) && stops < 2 * n + 1; stops++) {
		ptrace(PTRACE_SYSCALL, pid, NULL, NULL);
		ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	}
	bool ended = !WIFSTOPPED(status);
	if (!ended) {
		kill(pid, SIGKILL);
		ck_assert_int_eq(waitpid(pid, NULL, 0), pid);
	}
	while (read(pipes[0], &step, 1) == 1)
		steps |= 1 << step;
	close(pipes[0]);
	if (ended && WIFEXITED(status) && WEXITSTATUS(status) == 2)
		return -2;
	ck_assert_msg(
	    !ended || (WIFEXITED(status) && WEXITSTATUS(status) == 0), "it failed at %u", n);
	return ended ? -1 : steps;
}

/* -- What is left -------------------------------------------------------------------------------- */

struct left {
	unsigned small, big;
	uint32_t uidvalidity;
	char rows[512];
};

/* What a mailbox holds, all of it whole; nothing when there is none. */
static struct left look(const char *name)
{
	static char text[sizeof(big) + 1];
	struct left left = { 0 };
	uint64_t before = msv_env_now(msv_test_env(test));

	if (do_open(name, false) != 0)
		return left;
	struct msv_mailbox *mailbox = got.open.mailbox;
	left.uidvalidity = got.open.status.uidvalidity;
	ck_assert_int_eq(do_changes(mailbox, 0), 0);
	snprintf(left.rows, sizeof(left.rows), "%s", got.rows);
	for (uint32_t uid = 1; uid < got.changes.uidnext; uid++) {
		if (do_msg_open(mailbox, uid) != 0)
			continue;
		store->msg_close(store->self, got.content.message);
		size_t n = read_all(mailbox, uid, text, sizeof(text), 65536);
		bool is_small = n == sizeof(small) - 1 && memcmp(text, small, n) == 0;
		bool is_big = n == sizeof(big) && memcmp(text, big, n) == 0;
		ck_assert(is_small || is_big);
		left.small += is_small;
		left.big += is_big;
	}
	do_close(mailbox);
	/* No lock was in the way. */
	ck_assert_uint_lt(msv_env_now(msv_test_env(test)) - before, 5000);
	return left;
}

static bool has(int steps, int step)
{
	return steps >> step & 1;
}

/* Compares what is there with what was promised. */
static void check(int steps)
{
	struct left inbox = look("INBOX"), a = look("A"), c = look("B.C");

	if (has(steps, DELIVERED))
		ck_assert_uint_ge(inbox.small + a.small + c.small, 1);
	if (has(steps, MADE))
		ck_assert(a.uidvalidity || c.uidvalidity);
	if (has(steps, COPIED) && !has(steps, FLAGGED))
		ck_assert_uint_ge(a.small, 1);
	if (has(steps, MOVED))
		ck_assert_uint_eq(inbox.small, 0);
	if (has(steps, MOVED) && !has(steps, FLAGGED))
		ck_assert_uint_eq(a.small, 2);
	if (has(steps, MOVED) && has(steps, FLAGGED))
		ck_assert_uint_ge(a.small + c.small, 1);
	if (has(steps, BIG_DELIVERED))
		ck_assert_uint_eq(inbox.big, 1);
	if (has(steps, EXPUNGED))
		ck_assert_uint_eq(a.small + c.small, 1);
	ck_assert_uint_le(inbox.small + a.small + c.small, 3);
	/* And it stays so. */
	world_restart();
	struct left again = look("INBOX"), c_again = look("B.C");
	ck_assert_uint_eq(again.uidvalidity, inbox.uidvalidity);
	ck_assert_uint_eq(c_again.uidvalidity, c.uidvalidity);
	ck_assert_uint_eq(again.small + again.big, inbox.small + inbox.big);
	ck_assert_int_eq(deliver("INBOX", small, 0, NULL), 0);
}

/* The same of the other life. */
static void check_delivering(int steps)
{
	unsigned least = (unsigned)has(steps, LATER) + (unsigned)has(steps, LATER_TOO) +
	                 (has(steps, TOGETHER) ? 3 : 0);
	struct left inbox = look("INBOX");

	ck_assert_uint_ge(inbox.small, least);
	ck_assert_uint_le(inbox.small, 5);
	world_restart();
	struct left again = look("INBOX");
	ck_assert_uint_eq(again.uidvalidity, inbox.uidvalidity);
	ck_assert_uint_eq(again.small, inbox.small);
}

/* Ends a life at each of its calls; how many there are, 0 where it cannot be done. */
static unsigned kill_everywhere(void (*life)(int pipe), void (*check_it)(int steps))
{
	int steps = 0;
	unsigned n = 0;

	for (; steps >= 0; n++) {
		world_setup();
		steps = die_at(life, n);
		/* Another process has other random numbers. */
		msv_maildir_free(maildir);
		ck_assert_uint_eq(msv_test_env_free(test), 0);
		ck_assert_int_eq(msv_test_env_new(n + 100, &test), 0);
		world_open();
		if (steps >= 0)
			check_it(steps);
		world_teardown();
	}
	if (steps == -2)
		printf("no ptrace here: skipped\n");
	return steps == -2 ? 0 : n;
}

START_TEST(test_killed)
{
	for (size_t i = 0; i < sizeof(big); i++)
		big[i] = (char)('a' + i % 26);
	unsigned n = kill_everywhere(live, check);
	ck_assert(!n || n > 300);
}
END_TEST

START_TEST(test_killed_delivering)
{
	unsigned n = kill_everywhere(live_delivering, check_delivering);
	ck_assert(!n || n > 60);
}
END_TEST

/* -- The disk refuses half way ----------------------------------------------------------------------- */

/* The uidlist cannot grow, but by some bytes: half a record is taken back, and
 * the message too. */
START_TEST(test_half_a_record)
{
	struct rlimit before, limit;
	struct stat st;
	char *list;

	for (unsigned i = 0; i < 5; i++)
		ck_assert_int_eq(deliver("INBOX", small, 0, NULL), 0);
	list = strdup(scratch_read("ann/dovecot-uidlist"));
	ck_assert_int_eq(stat(scratch_path("ann/dovecot-uidlist"), &st), 0);
	signal(SIGXFSZ, SIG_IGN);
	ck_assert_int_eq(getrlimit(RLIMIT_FSIZE, &before), 0);
	limit = before;
	limit.rlim_cur = (rlim_t)st.st_size + 10;
	ck_assert_int_eq(setrlimit(RLIMIT_FSIZE, &limit), 0);
	int error = deliver("INBOX", small, 0, NULL);
	ck_assert_int_eq(setrlimit(RLIMIT_FSIZE, &before), 0);
	ck_assert_int_eq(error, MSV_ERR_NOSPACE);
	ck_assert_str_eq(scratch_read("ann/dovecot-uidlist"), list);
	free(list);
	ck_assert_str_eq(names_in("ann/tmp"), "");
	ck_assert_int_eq(deliver("INBOX", small, 0, NULL), 0);
	ck_assert_str_eq(got.dest, "6:6");
	ck_assert_int_eq(do_status("INBOX"), 0);
	ck_assert_uint_eq(got.status.messages, 6);
}
END_TEST

START_TEST(test_meanings)
{
	ck_assert_int_eq(msv_disk_error(ENOSPC), MSV_ERR_NOSPACE);
	ck_assert_int_eq(msv_disk_error(EDQUOT), MSV_ERR_QUOTA);
	ck_assert_int_eq(msv_disk_error(EIO), MSV_ERR_IO);
	ck_assert_int_eq(msv_disk_error(0), MSV_ERR_IO);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("store/maildir_crash");
	TCase *tc = tcase_create("killed"), *half = tcase_create("refused");

	tcase_set_timeout(tc, 120);
	tcase_add_test(tc, test_killed);
	tcase_add_test(tc, test_killed_delivering);
	suite_add_tcase(s, tc);
	tcase_add_checked_fixture(half, world_setup, world_teardown);
	tcase_add_test(half, test_half_a_record);
	tcase_add_test(half, test_meanings);
	suite_add_tcase(s, half);
	return check_main(s);
}
