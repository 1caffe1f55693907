/* Queued deliveries on this machine: into mailboxes, and to programs. */
#include "relay_rig.h"

#include <sysexits.h>

#define ZONE "sender.example A 192.0.2.200\n"

static struct host *home;

/* -- A runner of programs that only writes down ---------------------------------------- */

static struct {
	unsigned runs;
	char argv[200], environment[400], input[4096];
	int status;
	const char *text;
	int error;
	bool late;
	struct msv_program_op op;
} runner;

static void on_program_cancel(void *user)
{
	struct msv_op *op = runner.op.op;
	(void)user;
	runner.op.op = NULL;
	msv_op_answer(op, MSV_ERR_CANCELED);
}

static void join(char *out, size_t room, const char *const *words)
{
	out[0] = '\0';
	for (; *words; words++)
		host_note(out, room, *words, strlen(*words));
}

static void run_program(void *self, const char *const *argv, const char *const *environment, int fd,
    uint32_t timeout_ms, struct msv_program_op op)
{
	struct msv_program_result result = {
		.size = sizeof result, .status = runner.status, .text = runner.text
	};
	(void)self;
	ck_assert_uint_ge(timeout_ms, 1000);
	join(runner.argv, sizeof runner.argv, argv);
	join(runner.environment, sizeof runner.environment, environment);
	ssize_t n = read(fd, runner.input, sizeof runner.input - 1);
	ck_assert_int_ge(n, 0);
	runner.input[n] = '\0';
	close(fd);
	runner.runs++;
	runner.op = op;
	if (runner.late)
		msv_op_on_cancel(op.op, on_program_cancel, NULL);
	else if (runner.error)
		msv_op_answer(op.op, runner.error);
	else
		msv_program_answer(op, &result);
}

static const struct msv_program_runner programs = { .size = sizeof programs, .run = run_program };

/* -- The rig -------------------------------------------------------------------------------- */

static struct msv_aliases *aliases;

static void set_aliases(const char *text)
{
	static const char *const domains[] = { "example.org" };
	struct msv_aliases_options options = {
		.name = "aliases", .domains = domains, .ndomains = 1, .programs = true
	};
	msv_aliases_unref(aliases);
	aliases = NULL;
	ck_assert_int_eq(msv_aliases_new(rig.env, &options, text, strlen(text), &aliases), 0);
	msv_relay_set_aliases(rig.relay, aliases);
}

static void setup(void)
{
	rig_new(ZONE);
	memset(&runner, 0, sizeof runner);
	home = rig_host("192.0.2.200");
	rig.options.programs = &programs;
	rig_start();
	set_aliases("robot: \"|/usr/bin/robot --fast\", \"|/usr/bin/second\"\n");
}

static void teardown(void)
{
	msv_aliases_unref(aliases);
	aliases = NULL;
	rig_close();
}

static void run(void)
{
	msv_test_advance(rig.test, 1000);
}

static void add_local(const char *account, const char *mailbox, unsigned notify)
{
	struct queue_message m = { 0 };
	struct queue_recipient r = { .kind = MSV_QUEUE_LOCAL,
		.address = "Anna+x@example.org",
		.destination = RELAY_LOCAL,
		.account = account,
		.mailbox = mailbox,
		.notify = notify };
	ck_assert_int_eq(rig_try_add(&m, &r, 1), 0);
	run();
}

static void add_program(const char *alias, const char *index)
{
	struct queue_message m = { 0 };
	struct queue_recipient r = { .kind = MSV_QUEUE_PROGRAM,
		.address = "robot@example.org",
		.destination = RELAY_PROGRAM,
		.account = alias,
		.mailbox = index };
	ck_assert_int_eq(rig_try_add(&m, &r, 1), 0);
	run();
}

/* -- Mailboxes --------------------------------------------------------------------------------- */

START_TEST(into_a_mailbox)
{
	add_local("anna@example.org", "INBOX", 0);
	ck_assert_has(rig_log(), "mta sent id=m00001 from=me@sender.example to=Anna+x@example.org");
	ck_assert_uint_eq(rig_stats().delivered, 1);
	ck_assert_uint_eq(home->messages, 0);
	/* A folder that is gone meanwhile is no reason to lose mail. */
	add_local("anna@example.org", "gone", MSV_NOTIFY_SUCCESS);
	ck_assert_uint_eq(rig_stats().delivered, 3); /* the notification too */
	ck_assert_has(home->text, "Action: delivered\n");
}
END_TEST

START_TEST(an_account_that_is_gone)
{
	add_local("nobody@example.org", "INBOX", 0);
	ck_assert_has(rig_log(), "mta failed id=m00001");
	ck_assert_has(home->text, "Status: 5.1.1");
}
END_TEST

static void fail_begin(
    void *self, const struct msv_actor *actor, const char *mailbox, struct msv_append_op op)
{
	(void)self, (void)actor, (void)mailbox;
	msv_op_answer(op.op, MSV_ERR_QUOTA);
}

START_TEST(a_full_mailbox_waits)
{
	struct msv_store store = *msv_memory_store(rig.memory);
	rig_stop();
	store.append_begin = fail_begin;
	rig.options.store = &store;
	rig_start();
	add_local("anna@example.org", "INBOX", 0);
	ck_assert_has(rig_log(), "mta deferred id=m00001");
	ck_assert_uint_eq(rig_stats().messages, 1);
	store.append_begin = msv_memory_store(rig.memory)->append_begin;
	msv_test_advance(rig.test, 10 * MINUTE);
	ck_assert_uint_eq(rig_stats().delivered, 1);
	rig_stop();
}
END_TEST

/* -- Programs -------------------------------------------------------------------------------------- */

START_TEST(to_a_program)
{
	add_program("robot", NULL);
	ck_assert_str_eq(runner.argv, "/usr/bin/robot\n--fast\n");
	ck_assert_has(runner.environment, "SENDER=me@sender.example\n");
	ck_assert_has(runner.environment, "RECIPIENT=robot@example.org\n");
	ck_assert_str_eq(runner.input, "Return-Path: <me@sender.example>\n"
	                               "Delivered-To: robot@example.org\n"
	                               "Subject: hello\n\nA line\n.dot\n");
	ck_assert_uint_eq(rig_stats().delivered, 1);
	add_program("robot", "1");
	ck_assert_str_eq(runner.argv, "/usr/bin/second\n");
}
END_TEST

START_TEST(exit_status)
{
	static const struct {
		int status;
		const char *text, *log;
		uint64_t delivered, failed;
	} cases[] = {
		{ EX_OK, "", "mta sent", 1, 0 },
		{ EX_TEMPFAIL, "try later",
		    "status=4.3.0 reason=\"the program robot (status 75): try later\"", 0, 0 },
		{ EX_OSERR, "", "status=4.3.0", 0, 0 },
		{ EX_IOERR, "", "status=4.3.0", 0, 0 },
		{ EX_NOUSER, "", "status=5.1.1", 0, 1 },
		{ EX_UNAVAILABLE, "", "status=5.3.0", 0, 1 },
		{ EX_DATAERR, "", "status=5.6.0", 0, 1 },
		{ EX_NOPERM, "", "status=5.7.0", 0, 1 },
		{ 1, "oops", "status=5.3.0 reason=\"the program robot (status 1): oops\"", 0, 1 },
		{ 127, "", "status=4.3.5", 0, 0 },
		{ 256 + 9, "", "status=4.3.0", 0, 0 },
	};
	home->error = MSV_ERR_IO;
	runner.status = cases[_i].status;
	runner.text = cases[_i].text;
	add_program("robot", NULL);
	ck_assert_has(rig_log(), cases[_i].log);
	ck_assert_uint_eq(rig_stats().delivered, cases[_i].delivered);
	ck_assert_uint_eq(rig_stats().failed, cases[_i].failed);
	runner.status = 0;
	msv_test_advance(rig.test, 10 * MINUTE);
	ck_assert_uint_eq(rig_stats().delivered, !cases[_i].failed);
}
END_TEST

START_TEST(a_runner_that_fails)
{
	runner.error = MSV_ERR_IO;
	add_program("robot", NULL);
	ck_assert_uint_eq(rig_stats().retried, 1);
	runner.error = 0;
	msv_test_advance(rig.test, 10 * MINUTE);
	ck_assert_uint_eq(rig_stats().delivered, 1);
}
END_TEST

START_TEST(an_alias_that_is_gone)
{
	set_aliases("robot: anna@example.org\n");
	add_program("robot", NULL);
	ck_assert_uint_eq(runner.runs, 0);
	ck_assert_has(rig_log(), "status=5.1.1 reason=\"the alias names no program any more\"");
}
END_TEST

START_TEST(an_end_while_a_program_runs)
{
	runner.late = true;
	add_program("robot", NULL);
	ck_assert_uint_eq(runner.runs, 1);
	rig_stop();
	runner.late = false;
	rig_start();
	msv_relay_set_aliases(rig.relay, aliases);
	msv_test_advance(rig.test, 10 * MINUTE);
	ck_assert_uint_eq(runner.runs, 2);
	ck_assert_uint_eq(rig_stats().delivered, 1);
}
END_TEST

START_TEST(line_ends_at_any_place)
{
	/* More than a piece of the body, CRLF at each place of its end in turn. */
	size_t n = (32 << 10) + 10;
	char *text = malloc(n + 1);
	for (size_t i = 0; i < n; i += 2)
		memcpy(text + i, "\r\n", 2);
	memmove(text + _i, text, n - (size_t)_i);
	memcpy(text, "xyz", (size_t)_i);
	struct queue_message m = { .head = text, .nhead = n };
	struct queue_recipient r = { .kind = MSV_QUEUE_PROGRAM,
		.address = "robot@example.org",
		.destination = RELAY_PROGRAM,
		.account = "robot" };
	ck_assert_int_eq(rig_try_add(&m, &r, 1), 0);
	run();
	ck_assert_uint_eq(runner.runs, 1);
	ck_assert_ptr_null(strchr(runner.input, '\r'));
	free(text);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("relay_local");
	TCase *loops = tcase_create("loops");
	check_fixture_case(suite, "local", setup, teardown, into_a_mailbox, an_account_that_is_gone,
	    a_full_mailbox_waits, to_a_program, a_runner_that_fails, an_alias_that_is_gone,
	    an_end_while_a_program_runs);
	tcase_add_checked_fixture(loops, setup, teardown);
	tcase_add_loop_test(loops, exit_status, 0, 11);
	tcase_add_loop_test(loops, line_ends_at_any_place, 0, 2);
	suite_add_tcase(suite, loops);
	return check_main(suite);
}
