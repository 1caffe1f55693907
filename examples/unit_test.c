/*
 * How a program that embeds libmailserv is unit-tested: no socket, no sleep.  A
 * session is a value; bytes go in as lines of a dialogue, the clock is the
 * test's, and memory runs out when the test says so.
 *
 * The program under test turns mail to pager@example.org into calls of a pager,
 * which takes three seconds to ring.
 */
#include <check.h>
#include <mailserv/mailserv.h>
#include <stdlib.h>
#include <string.h>

/* -- The program ----------------------------------------------------------------------- */

struct pager {
	struct msv_env *env;
	struct msv_timer *timer; /* runs while it dials */
	struct msv_reply_op waiting;
	char text[80]; /* as much of a message as it can show */
	size_t n;
	unsigned rung;
};

static void on_rcpt(
    void *user, struct msv_conn *conn, const struct msv_smtp_rcpt *rcpt, struct msv_reply_op op)
{
	(void)user;
	(void)conn;
	if (strcmp(rcpt->to.address, "pager@example.org") == 0)
		msv_reply_ok(op);
	else
		msv_reply(op, 550, "5.1.1", "no such pager");
}

static int on_body(void *user, struct msv_conn *conn, const void *p, size_t n)
{
	struct pager *pager = user;
	size_t room = sizeof(pager->text) - pager->n;

	(void)conn;
	n = n < room ? n : room;
	memcpy(pager->text + pager->n, p, n);
	pager->n += n;
	return 0;
}

/* The answer comes when the pager has rung - whether or not the client still
 * waits for it. */
static void on_done(void *user, struct msv_conn *conn, struct msv_reply_op op)
{
	struct pager *pager = user;

	(void)conn;
	pager->waiting = op;
	msv_timer_start(pager->timer, msv_env_now(pager->env) + 3000);
}

static void on_rung(void *user)
{
	struct pager *pager = user;

	pager->rung++;
	msv_reply(pager->waiting, 250, "2.0.0", "it rang");
}

static const struct msv_smtp_handler handler = {
	.size = sizeof(handler),
	.rcpt = on_rcpt,
	.body = on_body,
	.done = on_done,
};

/* -- Its tests ---------------------------------------------------------------------------- */

static struct msv_test_env *test;
static struct pager pager;

static void set_up(void)
{
	ck_assert_int_eq(msv_test_env_new(0, &test), 0);
	pager = (struct pager){ .env = msv_test_env(test) };
	ck_assert_int_eq(msv_timer_new(pager.env, on_rung, &pager, &pager.timer), 0);
}

static void tear_down(void)
{
	msv_timer_free(pager.timer);
	ck_assert_uint_eq(msv_test_env_free(test), 0); /* nothing has leaked */
}

static int connect_client(struct msv_conn **conn)
{
	struct msv_smtp_config config = {
		.size = sizeof(config),
		.hostname = "pager.example",
		.handler = &handler,
		.user = &pager,
	};

	return msv_smtp_server_new(msv_test_env(test), &config, NULL, conn);
}

/* Plays a script against a new connection. */
static void play(enum msv_dialogue_split split, const char *script)
{
	struct msv_conn *conn;
	const char *difference;

	ck_assert_int_eq(connect_client(&conn), 0);
	ck_assert_msg(
	    msv_test_dialogue(test, conn, split, script, &difference) == 0, "%s", difference);
	msv_conn_free(conn);
}

#define MAIL \
	"S* 220 pager.example *\n" \
	"C: HELO client.example\n" \
	"S: 250 pager.example\n" \
	"C: MAIL FROM:<me@client.example>\n" \
	"S* 250 *\n"

#define ALARM \
	MAIL "C: RCPT TO:<pager@example.org>\n" \
	     "S* 250 *\n" \
	     "C: DATA\n" \
	     "S* 354 *\n" \
	     "C: Fire!\n" \
	     "C: .\n"

START_TEST(an_alarm_rings)
{
	/* In whatever pieces the bytes come: _i is the kind of split. */
	play((enum msv_dialogue_split)_i, ALARM "T: 2999\n"
	                                        "T: 1\n"
	                                        "S: 250 2.0.0 it rang\n"
	                                        "C: QUIT\n"
	                                        "S* 221 *\n"
	                                        "X:\n");
	ck_assert_uint_eq(pager.rung, 1);
	ck_assert_uint_eq(pager.n, 7);
	ck_assert_mem_eq(pager.text, "Fire!\r\n", 7);
}
END_TEST

START_TEST(strangers_are_refused)
{
	play(MSV_SPLIT_PIPELINE, MAIL "C: RCPT TO:<postmaster@example.net>\n"
	                              "S: 550 5.1.1 no such pager\n");
	ck_assert_uint_eq(pager.rung, 0);
}
END_TEST

START_TEST(who_hangs_up_has_rung_all_the_same)
{
	play(MSV_SPLIT_LINES, ALARM);
	ck_assert_uint_eq(pager.rung, 0);
	msv_test_advance(test, 3000);
	ck_assert_uint_eq(pager.rung, 1);
}
END_TEST

START_TEST(five_minutes_of_silence_are_enough)
{
	play(MSV_SPLIT_LINES, MAIL "T: 299999\n"
	                           "T: 1\n"
	                           "S* 421 4.4.2 *\n"
	                           "X:\n");
}
END_TEST

/* Whichever allocation fails, the session ends in order and nothing leaks. */
START_TEST(memory_may_run_out)
{
	bool failed = true; /* one did, so there may be more */
	uint64_t n;

	for (n = 0; failed; n++) {
		uint64_t before = msv_test_allocs(test);
		struct msv_conn *conn;

		msv_test_fail_alloc(test, n, false);
		if (connect_client(&conn) == 0) {
			msv_test_dialogue(test, conn, MSV_SPLIT_LINES,
			    ALARM "T: 3000\nS: 250 2.0.0 it rang\n", NULL);
			msv_conn_free(conn);
		}
		msv_test_advance(test, 3000);
		failed = msv_test_allocs(test) > before + n;
	}
	ck_assert_uint_gt(n, 10);
}
END_TEST

/* -- IMAP over the memory store ------------------------------------------------------------- */

START_TEST(mail_is_read_over_imap)
{
	static const char *const users[] = { "ann@example.org", "secret", NULL };
	struct msv_memory_options options = { .size = sizeof(options), .late = true };
	struct msv_memory_store *memory;
	struct msv_conn *conn;
	const char *difference;

	ck_assert_int_eq(msv_memory_store_new(msv_test_env(test), &options, &memory), 0);
	struct msv_imap_config config = {
		.size = sizeof(config),
		.store = msv_memory_store(memory),
		.auth = msv_test_auth(test, users),
		.login_in_clear = true,
	};
	ck_assert_int_eq(msv_imap_server_new(msv_test_env(test), &config, NULL, &conn), 0);
	int error = msv_test_dialogue(test, conn, (enum msv_dialogue_split)_i,
	    "S* * OK *\n"
	    "C: a LOGIN ann@example.org secret\n"
	    "S* a OK *\n"
	    "C: b APPEND INBOX (\\Flagged) {7+}\n"
	    "C: Fire!\n"
	    "C:\n"
	    "S* b OK [APPENDUID * 1] *\n"
	    "C: c SELECT INBOX\n"
	    "S~\n"
	    "S* c OK [READ-WRITE] *\n"
	    "C: d FETCH 1 (FLAGS BODY.PEEK[TEXT])\n"
	    "S~\n"
	    "S* d OK *\n"
	    "T: 1860000\n"
	    "S* * BYE *\n"
	    "X:\n",
	    &difference);
	ck_assert_msg(error == 0, "%s", difference);
	msv_conn_free(conn);
	msv_memory_store_free(memory);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("pager");
	TCase *tests = tcase_create("pager");
	SRunner *runner = srunner_create(suite);

	tcase_add_checked_fixture(tests, set_up, tear_down);
	tcase_add_loop_test(tests, an_alarm_rings, MSV_SPLIT_LINES, MSV_SPLIT_PIPELINE + 1);
	tcase_add_test(tests, strangers_are_refused);
	tcase_add_test(tests, who_hangs_up_has_rung_all_the_same);
	tcase_add_test(tests, five_minutes_of_silence_are_enough);
	tcase_add_test(tests, memory_may_run_out);
	tcase_add_loop_test(tests, mail_is_read_over_imap, MSV_SPLIT_LINES, MSV_SPLIT_PIPELINE + 1);
	suite_add_tcase(suite, tests);
	srunner_run_all(runner, CK_NORMAL);
	int failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
