/* The process is killed at any time, again and again: what was acknowledged is
 * there, once, and what was written down as done is not. */
#include <signal.h>
#include <sys/ptrace.h>
#include <sys/wait.h>

#include "mta/queue_rig.h"

#define ROUNDS 15
#define MOST   100000

/* What the child told, by message: 1 taken in, 2 done with. */
static unsigned char told[MOST];

static void tell(int pipe, char what, int number)
{
	char line[16];
	int n = snprintf(line, sizeof line, "%c%d\n", what, number);

	if (write(pipe, line, (size_t)n) != n)
		_exit(1);
}

/* -- The life that ends early ------------------------------------------------------------------- */

static struct batch {
	struct answer answers[8];
	struct queue_recipient recipients[8][8];
	char ids[8][16];
} batch;

static void add_batch(int pipe, int first)
{
	memset(&batch, 0, sizeof batch);
	for (int i = 0; i < 8; i++) {
		snprintf(batch.ids[i], sizeof batch.ids[i], "m%d", first + i);
		struct mail mail = { .id = batch.ids[i], .to = { { "b@x", "x" } } };
		struct queue_message message = mail_message(&mail, batch.recipients[i]);
		struct msv_op *op = msv_op_new(rig.env, on_plain, &batch.answers[i]);
		msv_queue_add(rig.queue, &message, (struct queue_add_op){ op });
	}
	msv_test_run(rig.test);
	for (int i = 0; i < 8; i++) {
		if (!batch.answers[i].done || batch.answers[i].error)
			_exit(2);
		tell(pipe, 'a', first + i);
	}
}

static void deliver_some(int pipe)
{
	for (int i = 0; i < 5; i++) {
		struct queue_delivery *d = take(NULL, 1);
		if (!d)
			return;
		int number = atoi(d->id + 1);
		/* The remote's 250 would be now. */
		tell(pipe, 's', number);
		if (settle(d, .outcome = QUEUE_DONE) != 0)
			_exit(3);
		tell(pipe, 'd', number);
	}
}

static void live(int pipe, int first)
{
	if (rig_reopen() != 0)
		_exit(4);
	for (int i = first; i + 8 < MOST; i += 8) {
		add_batch(pipe, i);
		deliver_some(pipe);
	}
	_exit(0);
}

/* -- The witness ---------------------------------------------------------------------------------- */

/* Reads what is told, and kills after so many lines. */
static int witness(int pipe, pid_t pid, int lines)
{
	FILE *in = fdopen(pipe, "r");
	char line[32];
	int most = -1;

	ck_assert_ptr_nonnull(in);
	while (fgets(line, sizeof line, in) && strchr(line, '\n')) {
		int number = atoi(line + 1);
		ck_assert(number >= 0 && number < MOST);
		told[number] |= line[0] == 'a' ? 1 : line[0] == 's' ? 2 : 4;
		most = number > most ? number : most;
		if (--lines == 0)
			kill(pid, SIGKILL);
	}
	fclose(in);
	return most;
}

static int on_check(void *user, const void *row)
{
	const struct msv_queue_entry *entry = row;
	unsigned char *seen = user;

	seen[atoi(entry->id + 1)]++;
	return 0;
}

/* Opens the queue and compares it with what was told. */
static void check(void)
{
	static unsigned char seen[MOST];
	struct msv_queue_list_op op;

	ck_assert_int_eq(rig_reopen(), 0);
	memset(seen, 0, sizeof seen);
	op.op = msv_op_new(rig.env, NULL, seen);
	msv_op_set_row(op.op, on_check);
	msv_queue_list(rig.queue, NULL, op);
	msv_test_run(rig.test);
	for (int i = 0; i < MOST; i++) {
		ck_assert_msg(seen[i] <= 1, "m%d is there twice", i);
		if (told[i] & 4)
			ck_assert_msg(!seen[i], "m%d was done with and is there", i);
		else if ((told[i] & 3) == 1)
			ck_assert_msg(seen[i], "m%d was acknowledged and is lost", i);
	}
	/* Each row has its body, and no other is there. */
	ck_assert_int_eq(bodies(), (int)stats().messages);
	ck_assert_uint_eq(stats().held, 0);
	ck_assert_ptr_null(strstr(msv_test_log(rig.test), "gone"));
	rig_shut();
}

START_TEST(test_kill)
{
	int next = 0, added = 0;

	rig_shut();
	for (int round = 0; round < ROUNDS; round++) {
		int pipes[2];
		ck_assert_int_eq(pipe(pipes), 0);
		pid_t pid = fork();
		ck_assert_int_ge(pid, 0);
		if (pid == 0) {
			close(pipes[0]);
			live(pipes[1], next);
		}
		close(pipes[1]);
		int most = witness(pipes[0], pid, 20 + (round * 977) % 1500);
		int status;
		ck_assert_int_eq(waitpid(pid, &status, 0), pid);
		ck_assert(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
		check();
		next = (most > next ? most : next) + 16;
	}
	for (int i = 0; i < MOST; i++)
		added += told[i] & 1;
	ck_assert_int_gt(added, 2000);
	ck_assert_int_eq(rig_reopen(), 0);
}
END_TEST

/* -- Before each system call in turn ------------------------------------------------------------- */

/* What was answered, in order. */
enum { OPENED, ADDED, BOUNCED, REMOVED, CLOSED };

static void must(int pipe, bool well, char step)
{
	if (!well || write(pipe, &step, 1) != 1)
		_exit(1);
}

static bool add_three(void)
{
	static const char *const ids[] = { "m0", "m1", "m2" };

	memset(&batch, 0, sizeof batch);
	for (int i = 0; i < 3; i++) {
		struct mail mail = { .id = ids[i], .to = { { "b@x", "x" } } };
		struct queue_message message = mail_message(&mail, batch.recipients[i]);
		struct msv_op *op = msv_op_new(rig.env, on_plain, &batch.answers[i]);
		msv_queue_add(rig.queue, &message, (struct queue_add_op){ op });
	}
	msv_test_run(rig.test);
	return !batch.answers[0].error && !batch.answers[1].error && !batch.answers[2].error;
}

static bool bounce_first(void)
{
	struct mail mail = { .id = "b0", .from = "", .to = { { "a@y", "y" } } };
	struct queue_recipient recipients[8];
	struct queue_message bounce = mail_message(&mail, recipients);
	struct queue_delivery *d = take(NULL, 1);

	return d && strcmp(d->id, "m0") == 0 &&
	       settle_news(d, (struct queue_result){ .outcome = QUEUE_FAILED }, &bounce, 1) == 0;
}

/* A whole life; the calls that count begin before or after the queue is opened. */
static void short_life(int pipe, bool opening)
{
	if (ptrace(PTRACE_TRACEME, 0, NULL, NULL) != 0)
		_exit(2);
	if (opening)
		raise(SIGSTOP);
	must(pipe, rig_reopen() == 0, OPENED);
	if (!opening)
		raise(SIGSTOP);
	must(pipe, add_three(), ADDED);
	must(pipe, bounce_first(), BOUNCED);
	must(pipe, change(MSV_QUEUE_REMOVE, "m1", NULL, NULL) == 0, REMOVED);
	rig_shut();
	must(pipe, true, CLOSED);
	_exit(0);
}

/* Runs a life and kills it before its n-th call: the steps that were answered, as
 * bits; -1: it cannot be done here. */
static int die_at(bool opening, unsigned n)
{
	int pipes[2], status, steps = 0;
	char step;

	ck_assert_int_eq(pipe(pipes), 0);
	pid_t pid = fork();
	ck_assert_int_ge(pid, 0);
	if (pid == 0) {
		close(pipes[0]);
		short_life(pipes[1], opening);
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
	if (WIFSTOPPED(status)) {
		kill(pid, SIGKILL);
		ck_assert_int_eq(waitpid(pid, NULL, 0), pid);
	} else if (WIFEXITED(status) && WEXITSTATUS(status) == 2) {
		steps = -1;
	} else {
		ck_assert_msg(WIFEXITED(status) && !WEXITSTATUS(status), "it failed at %u", n);
	}
	while (steps >= 0 && read(pipes[0], &step, 1) == 1)
		steps |= 1 << step;
	close(pipes[0]);
	return steps;
}

static bool there(const char *id)
{
	return list(id, NULL)->rows == 1;
}

/* What must be there, and what must not; then all goes. */
static void check_steps(int steps, unsigned n)
{
	ck_assert_int_eq(rig_reopen(), 0);
	ck_assert_ptr_null(strstr(msv_test_log(rig.test), "error"));
	bool m0 = there("m0"), m1 = there("m1"), m2 = there("m2"), b0 = there("b0");
	const char *text = list(NULL, NULL)->text;
	if (steps & 1 << ADDED) {
		ck_assert_msg(m0 != b0, "at %u: the end and what comes of it are one: %s", n, text);
		ck_assert_msg(m2, "at %u: lost: %s", n, text);
		ck_assert_msg(m1 || steps & 1 << BOUNCED, "at %u: lost: %s", n, text);
	} else {
		ck_assert_msg(!b0, "at %u: %s", n, text);
	}
	if (steps & 1 << BOUNCED)
		ck_assert_msg(b0, "at %u: %s", n, text);
	if (steps & 1 << REMOVED)
		ck_assert_msg(!m1, "at %u: %s", n, text);
	ck_assert_int_eq(bodies(), m0 + m1 + m2 + b0);
	ck_assert_uint_eq(stats().messages, (uint64_t)(m0 + m1 + m2 + b0));
	while (m0 + m1 + m2 + b0 > 0 && change(MSV_QUEUE_REMOVE, NULL, NULL, NULL) == 0)
		;
	rig_shut();
}

static void each_call(bool opening, unsigned stride)
{
	int steps = 0;
	unsigned n = 1;

	rig_shut();
	for (; !(steps & 1 << CLOSED); n += stride) {
		steps = die_at(opening, n);
		if (steps < 0)
			break; /* no tracing here: killing at random has to do */
		check_steps(steps, n);
		ck_assert_uint_lt(n, 20000);
	}
	ck_assert(steps < 0 || n > 50);
	ck_assert_int_eq(rig_reopen(), 0);
}

START_TEST(test_each_call)
{
	each_call(false, 1);
}
END_TEST

START_TEST(test_opening)
{
	each_call(true, 211);
}
END_TEST

/* The very first opening, of a directory that is not there. */
START_TEST(test_first_opening)
{
	int steps = 0;

	rig_shut();
	for (unsigned n = 1; !(steps & 1 << ADDED); n += 211) {
		nftw(scratch_path("q"), scratch_remove_one, 16, FTW_DEPTH | FTW_PHYS);
		steps = die_at(true, n);
		if (steps < 0)
			break;
		check_steps(steps, n);
	}
	ck_assert_int_eq(rig_reopen(), 0);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("queue_kill");

	check_fixture_case(s, "queue_kill", rig_setup, rig_teardown, test_kill, test_each_call,
	    test_opening, test_first_opening);
	return check_main(s);
}
