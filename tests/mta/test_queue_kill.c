/* The process is killed at any time, again and again: what was acknowledged is
 * there, once, and what was written down as done is not. */
#include <signal.h>
#include <sys/wait.h>

#include "mta/queue_rig.h"

#define ROUNDS 25
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
	ck_assert_int_gt(added, 3000);
	ck_assert_int_eq(rig_reopen(), 0);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("queue_kill");

	check_fixture_case(s, "queue_kill", rig_setup, rig_teardown, test_kill);
	return check_main(s);
}
