/* Limits: time, errors, messages, recipients; and goodbyes. */
#include "smtp/rig.h"

/* -- Talking before the greeting ------------------------------------------------------ */

static void slow_greeting(struct rig *rig)
{
	rig->config.greet_delay_ms = 5000;
}

static void after_early(struct rig *rig)
{
	ck_assert_ptr_null(strstr(rig->story, "helo"));
	ck_assert_ptr_nonnull(strstr(msv_test_log(rig->test), "talked before the greeting"));
}

START_TEST(early_talkers)
{
	rig_play(slow_greeting,
	    "T: 4000\n"
	    "C: EHLO client.example\n"
	    "S: 554 5.5.1 you talked before the greeting\n"
	    "X:\n",
	    after_early);
	rig_play(slow_greeting, "T: 5000\n" HELLO, NULL);
	rig_play(slow_greeting,
	    "T: 3000\n"
	    "E:\n"
	    "X:\n",
	    NULL);
}
END_TEST

static void slow_connect(void *user, struct msv_conn *conn, struct msv_reply_op op)
{
	struct rig *rig = user;

	(void)conn;
	rig_tell(rig, "connect\n");
	rig->held = op;
}

/* The delay is over but connect() is not answered yet: still too early. */
START_TEST(early_while_asked)
{
	static struct rig rig;

	rig_start(&rig);
	rig.config.greet_delay_ms = 100;
	rig.handler.connect = slow_connect;
	rig_connection(&rig);
	msv_test_advance(rig.test, 100);
	ck_assert_uint_eq(msv_test_take_output(rig.test, rig.conn).n, 0);
	rig_expect_story(&rig, "connect\n");
	msv_conn_input(rig.conn, "EHLO x\r\n", 8);
	ck_assert_uint_eq(msv_test_take_output(rig.test, rig.conn).n, 0);
	msv_reply_ok(rig.held);
	rig.held.op = NULL;
	ck_assert_str_eq(msv_test_take_output(rig.test, rig.conn).p,
	    "554 5.5.1 you talked before the greeting\r\n");
	rig_stop(&rig);
}
END_TEST

/* -- Time ---------------------------------------------------------------------------------- */

#define IDLE \
	"S: 421 4.4.2 timeout: nothing was heard for too long\n" \
	"X:\n"

static void short_idle(struct rig *rig)
{
	rig->config.idle_s = 10;
}

static void after_idle(struct rig *rig)
{
	ck_assert_ptr_nonnull(strstr(msv_test_log(rig->test), "smtp closing session=s1"));
}

START_TEST(idle)
{
	rig_play(short_idle, GREETING "T: 10000\n" IDLE, after_idle);
	rig_play(short_idle,
	    GREETING "T: 9999\n"
	             "C: NOOP\n"
	             "S: 250 2.0.0 ok\n"
	             "T: 9999\n"
	             "C: NOOP\n"
	             "S: 250 2.0.0 ok\n"
	             "T: 10000\n" IDLE,
	    NULL);
	/* Half a line is no command. */
	rig_play(short_idle,
	    ENVELOPE "T: 9000\n"
	             "C, NOO\n"
	             "T: 1000\n" IDLE,
	    NULL);
}
END_TEST

START_TEST(idle_body)
{
	rig_play(short_idle,
	    ENVELOPE DATA "T: 9999\n"
	                  "C: x\n"
	                  "T: 9999\n"
	                  "C: x\n"
	                  "T: 10000\n"
	                  "S: 421 4.4.2 timeout: the message comes too slowly\n"
	                  "X:\n",
	    NULL);
}
END_TEST

static void unending_line(struct rig *rig)
{
	rig->config.idle_s = 10;
	rig->config.line_octets_max = 1; /* becomes 512 */
}

/* A line too long that never ends is no command either. */
START_TEST(idle_long_line)
{
	static char script[4000];
	size_t n = (size_t)snprintf(script, sizeof(script), "%s", GREETING);

	for (int i = 0; i < 9; i++) {
		n += (size_t)snprintf(script + n, sizeof(script) - n, "C, ");
		memset(script + n, 'x', 200);
		n += 200;
		n += (size_t)snprintf(script + n, sizeof(script) - n, "\nT: 1000\n");
	}
	snprintf(script + n, sizeof(script) - n, "T: 1000\n%s", IDLE);
	rig_play(unending_line, script, NULL);
}
END_TEST

static void short_total(struct rig *rig)
{
	rig->config.total_s = 20;
	rig->config.idle_s = 10;
}

START_TEST(total)
{
	rig_play(short_total,
	    GREETING "T: 9000\n"
	             "C: NOOP\n"
	             "S: 250 2.0.0 ok\n"
	             "T: 9000\n"
	             "C: NOOP\n"
	             "S: 250 2.0.0 ok\n"
	             "T: 2000\n"
	             "S: 421 4.4.2 this connection has lasted long enough\n"
	             "X:\n",
	    NULL);
}
END_TEST

/* A body may be slow for a minute, then it must have had its rate. */
START_TEST(slow_body)
{
	static struct rig rig;
	int seconds = 0;

	rig_start(&rig);
	rig_connection(&rig);
	static const char envelope[] = "EHLO c\r\nMAIL FROM:<a@b>\r\nRCPT TO:<b@c>\r\nDATA\r\n";
	msv_conn_input(rig.conn, envelope, sizeof(envelope) - 1);
	msv_test_take_output(rig.test, rig.conn);
	while (!(msv_conn_want(rig.conn) & (MSV_WANT_WRITE | MSV_WANT_CLOSE)) && seconds < 200) {
		static const char text[] = "thirty-two octets in one second\n";
		/* Half the rate earns half the time again: 61 s + n/2 == n. */
		msv_conn_input(rig.conn, text, 31);
		msv_test_advance(rig.test, 1000);
		msv_conn_tick(rig.conn);
		seconds++;
	}
	ck_assert_int_ge(seconds, 100);
	ck_assert_int_le(seconds, 124);
	ck_assert_str_eq(msv_test_take_output(rig.test, rig.conn).p,
	    "421 4.4.2 timeout: the message comes too slowly\r\n");
	ck_assert_str_eq(rig.story + rig.story_len - 11, "reset gone\n");
	rig_stop(&rig);
}
END_TEST

/* -- Errors -------------------------------------------------------------------------------- */

static void few_errors(struct rig *rig)
{
	rig->config.errors_soft = 2;
	rig->config.errors_max = 4;
	rig->config.error_delay_ms = 3000;
}

START_TEST(errors)
{
	rig_play(few_errors,
	    HELLO "C: A\n"
	          "C: B\n"
	          "C: C\n"
	          "C: NOOP\n"
	          "S: 500 5.5.1 no such command\n"
	          "S: 500 5.5.1 no such command\n"
	          /* The third comes late, and so does what is behind it. */
	          "T: 2999\n"
	          "T: 1\n"
	          "S: 500 5.5.1 no such command\n"
	          "S: 250 2.0.0 ok\n"
	          "C: RCPT TO:<x>\n"
	          "S: 503 5.5.1 say MAIL first\n"
	          "S: 421 4.7.0 too many errors\n"
	          "X:\n",
	    NULL);
	/* A message that is taken makes up for them. */
	rig_play(few_errors,
	    HELLO "C: A\n"
	          "C: B\n"
	          "S: 500 5.5.1 no such command\n"
	          "S: 500 5.5.1 no such command\n"
	          "C: MAIL FROM:<a@b>\n"
	          "S: 250 2.1.0 sender ok\n"
	          "C: RCPT TO:<a@b>\n"
	          "S: 250 2.1.5 recipient ok\n" DATA "C: .\n"
	          "S: 250 2.0.0 message accepted\n"
	          "C: A\n"
	          "C: B\n"
	          "S: 500 5.5.1 no such command\n"
	          "S: 500 5.5.1 no such command\n",
	    NULL);
}
END_TEST

/* Refusals that are ours to blame do not count. */
START_TEST(temporary_failures)
{
	rig_play(few_errors,
	    ENVELOPE "C: RCPT TO:<busy@b>\n"
	             "C: RCPT TO:<busy@b>\n"
	             "C: RCPT TO:<busy@b>\n"
	             "C: RCPT TO:<busy@b>\n"
	             "C: RCPT TO:<busy@b>\n"
	             "S: 450 4.2.0 the mailbox is not available now, try again later\n"
	             "S: 450 4.2.0 the mailbox is not available now, try again later\n"
	             "S: 450 4.2.0 the mailbox is not available now, try again later\n"
	             "S: 450 4.2.0 the mailbox is not available now, try again later\n"
	             "S: 450 4.2.0 the mailbox is not available now, try again later\n",
	    NULL);
}
END_TEST

/* -- Mail ------------------------------------------------------------------------------------ */

static void few(struct rig *rig)
{
	rig->config.messages_max = 2;
	rig->config.recipients_max = 2;
}

START_TEST(recipients_and_messages)
{
	rig_play(few,
	    GREETING "C: EHLO client.example\n"
	             "S~\n"
	             "S: 250-LIMITS MAILMAX=2 RCPTMAX=2\n"
	             "S: 250 ENHANCEDSTATUSCODES\n"
	             "C: MAIL FROM:<a@b>\n"
	             "S: 250 2.1.0 sender ok\n"
	             "C: RCPT TO:<a@b>\n"
	             "S: 250 2.1.5 recipient ok\n"
	             "C: RCPT TO:<nobody@b>\n"
	             "S: 550 5.1.1 no such user\n"
	             "C: RCPT TO:<b@b>\n"
	             "S: 250 2.1.5 recipient ok\n"
	             "C: RCPT TO:<c@b>\n"
	             "S: 452 4.5.3 too many recipients\n" DATA "C: .\n"
	             "S: 250 2.0.0 message accepted\n"
	             "C: MAIL FROM:<>\n"
	             "S: 250 2.1.0 sender ok\n"
	             "C: RSET\n"
	             "S: 250 2.0.0 ok\n"
	             "C: MAIL FROM:<>\n"
	             "S: 421 4.7.0 enough mail on one connection, open another\n"
	             "X:\n",
	    NULL);
}
END_TEST

/* -- Goodbyes --------------------------------------------------------------------------------- */

static void expect_goodbye(enum msv_shutdown why, const char *words, bool held)
{
	static struct rig rig;

	rig_start(&rig);
	few_errors(&rig);
	rig_connection(&rig);
	static const char text[] = "EHLO c\r\nMAIL FROM:<a@b>\r\nRCPT TO:<b@c>\r\n";
	msv_conn_input(rig.conn, text, sizeof(text) - 1);
	msv_test_take_output(rig.test, rig.conn);
	/* An answer that is held back goes out before the goodbye. */
	if (held) {
		msv_conn_input(rig.conn, "X\r\nX\r\nX\r\n", 9);
		msv_test_take_output(rig.test, rig.conn);
	}
	msv_conn_shutdown(rig.conn, why);
	struct msv_span out = msv_test_take_output(rig.test, rig.conn);
	size_t before = held ? strlen("500 5.5.1 no such command\r\n") : 0;
	ck_assert_uint_gt(out.n, before);
	ck_assert_str_eq(out.p + before, words);
	ck_assert_uint_eq(msv_conn_want(rig.conn), MSV_WANT_CLOSE);
	ck_assert_str_eq(rig.story + rig.story_len - 11, "reset gone\n");
	rig_stop(&rig);
}

START_TEST(goodbyes)
{
	for (int held = 0; held < 2; held++) {
		expect_goodbye(
		    MSV_SHUTDOWN_SERVICE, "421 4.3.2 the server is going down\r\n", held);
		expect_goodbye(MSV_SHUTDOWN_KICK,
		    "421 4.7.0 this connection is closed by the server\r\n", held);
		expect_goodbye(MSV_SHUTDOWN_OVERLOAD,
		    "421 4.3.2 too many connections, try again later\r\n", held);
	}
}
END_TEST

/* A peer that never reads its answers costs the window and no more. */
START_TEST(unread_answers)
{
	static struct rig rig;
	char noops[6000];
	size_t given = 0;

	for (size_t i = 0; i < sizeof(noops); i++)
		noops[i] = "NOOP\r\n"[i % 6];
	rig_start(&rig);
	rig_connection(&rig);
	while ((msv_conn_want(rig.conn) & MSV_WANT_READ) && given < 10000000) {
		msv_conn_input(rig.conn, noops, sizeof(noops));
		given += sizeof(noops);
	}
	ck_assert_uint_le(given, 200000);
	ck_assert_uint_le(msv_test_memory_peak(rig.test), 300000);
	struct msv_span out = msv_test_take_output(rig.test, rig.conn);
	ck_assert_uint_eq(out.n,
	    strlen("220 mx.example ESMTP ready\r\n") + given / 6 * strlen("250 2.0.0 ok\r\n"));
	rig_stop(&rig);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("smtp/limits");

	check_case(s, "greeting", early_talkers, early_while_asked);
	check_case(s, "time", idle, idle_body, idle_long_line, total, slow_body);
	check_case(s, "errors", errors, temporary_failures);
	check_case(s, "mail", recipients_and_messages);
	check_case(s, "end", goodbyes, unread_answers);
	return check_main(s);
}
