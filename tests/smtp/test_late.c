/* Whoever is asked may take its time, and the connection may go away in any
 * callback, before the answer, and after. */
#include "smtp/rig.h"

static const char session[] = "EHLO c\r\n"
                              "MAIL FROM:<a@b>\r\n"
                              "RCPT TO:<b@c>\r\n"
                              "RSET\r\n"
                              "MAIL FROM:<a@b>\r\n"
                              "RCPT TO:<b@c>\r\n"
                              "DATA\r\n"
                              "text\r\n"
                              ".\r\n"
                              "QUIT\r\n";

static const char *const calls[] = { "connect", "helo", "mail", "rcpt", "reset", "data", "body",
	"done" };
#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

static void run(struct rig *rig)
{
	size_t before;
	static char out[4096];
	size_t n = 0;

	msv_conn_input(rig->conn, session, sizeof(session) - 1);
	while (rig->conn) {
		struct msv_span more = msv_test_take_output(rig->test, rig->conn);
		before = n;
		ck_assert_uint_lt(n + more.n, sizeof(out));
		memcpy(out + n, more.p, more.n);
		n += more.n;
		if (n == before)
			break;
	}
	msv_test_run(rig->test);
}

/* -- The end of a connection inside a callback ------------------------------------------- */

START_TEST(freed_in_callbacks)
{
	static struct rig rig;

	for (size_t i = 0; i < COUNT(calls); i++) {
		for (int late = 0; late < 2; late++) {
			rig_start(&rig);
			rig.late = late;
			rig.free_in = calls[i];
			rig_connection(&rig);
			/* The output is not asked for: the conn may be gone. */
			msv_conn_input(rig.conn, session, sizeof(session) - 1);
			for (int k = 0; k < 50; k++)
				msv_test_run(rig.test);
			ck_assert_msg(!rig.conn, "%s was not called", calls[i]);
			/* Nothing is asked after the call, but reset(). */
			const char *last = strstr(rig.story, calls[i]);
			if (last)
				last = strchr(last, '\n') + 1;
			if (last && strcmp(calls[i], "reset") != 0)
				ck_assert(!*last || strcmp(last, "reset gone\n") == 0);
			rig_stop(&rig);
		}
	}
}
END_TEST

START_TEST(shut_down_in_callbacks)
{
	static struct rig rig;

	for (size_t i = 0; i < COUNT(calls); i++) {
		for (int late = 0; late < 2; late++) {
			rig_start(&rig);
			rig.late = late;
			rig.shutdown_in = calls[i];
			rig_connection(&rig);
			run(&rig);
			ck_assert_ptr_null(rig.shutdown_in);
			ck_assert_uint_eq(msv_conn_want(rig.conn), MSV_WANT_CLOSE);
			rig_stop(&rig);
		}
	}
}
END_TEST

/* -- Answers ------------------------------------------------------------------------------- */

/* Commands behind a question wait; nothing is said until it is answered. */
START_TEST(commands_wait)
{
	static struct rig rig;

	rig_start(&rig);
	rig_connection(&rig);
	msv_conn_input(rig.conn, "EHLO c\r\n", 8);
	msv_test_take_output(rig.test, rig.conn);
	rig.never = true;
	static const char text[] = "MAIL FROM:<a@b>\r\nNOOP\r\nRCPT TO:<b@c>\r\n";
	msv_conn_input(rig.conn, text, sizeof(text) - 1);
	msv_test_advance(rig.test, 3600 * 1000); /* and it is not the peer's fault */
	ck_assert_uint_eq(msv_test_take_output(rig.test, rig.conn).n, 0);
	rig.never = false;
	struct msv_reply_op op = rig.held;
	rig.held.op = NULL;
	msv_reply(op, 250, "2.1.0", "at last");
	/* An hour has passed meanwhile: the connection has lasted long enough, but
	 * what was said before is answered. */
	const char *out = msv_test_take_output(rig.test, rig.conn).p;
	ck_assert_msg(strncmp(out, "250 2.1.0 at last\r\n250 2.0.0 ok\r\n", 33) == 0, "%s", out);
	rig_stop(&rig);
}
END_TEST

static unsigned canceled;

static void on_cancel(void *user)
{
	(void)user;
	canceled++;
}

/* The connection ends before the answer: it is canceled once, and the answer
 * that comes later is dropped. */
static void expect_cancel(const char *text, void (*end)(struct rig *rig))
{
	static struct rig rig;

	canceled = 0;
	rig_start(&rig);
	rig_connection(&rig);
	msv_conn_input(rig.conn, "EHLO c\r\n", 8);
	msv_test_run(rig.test);
	const char *last = strrchr(text, '|');
	msv_conn_input(rig.conn, text, last ? (size_t)(last - text) : 0);
	msv_test_run(rig.test);
	rig.never = true;
	msv_conn_input(rig.conn, last + 1, strlen(last + 1));
	msv_test_run(rig.test);
	ck_assert_ptr_nonnull(rig.held.op);
	msv_op_on_cancel(rig.held.op, on_cancel, NULL);
	end(&rig);
	msv_test_run(rig.test);
	ck_assert_uint_eq(canceled, 1);
	ck_assert(msv_op_canceled(rig.held.op));
	msv_reply_recipient(rig.held, 0, 250, NULL, NULL);
	rig_stop(&rig);
}

static void end_free(struct rig *rig)
{
	msv_conn_free(rig->conn);
	rig->conn = NULL;
}

static void end_shutdown(struct rig *rig)
{
	msv_conn_shutdown(rig->conn, MSV_SHUTDOWN_SERVICE);
}

START_TEST(answers_after_the_end)
{
	static const char *const texts[] = { "|MAIL FROM:<a@b>\r\n",
		"MAIL FROM:<a@b>\r\n|RCPT TO:<b@c>\r\n",
		"MAIL FROM:<a@b>\r\nRCPT TO:<b@c>\r\n|DATA\r\n",
		"MAIL FROM:<a@b>\r\nRCPT TO:<b@c>\r\n|BDAT 3 LAST\r\nabc",
		"MAIL FROM:<a@b>\r\nRCPT TO:<b@c>\r\nDATA\r\ntext\r\n|.\r\n", "|EHLO again\r\n" };

	for (size_t i = 0; i < COUNT(texts); i++) {
		expect_cancel(texts[i], end_free);
		if (!strstr(texts[i], "|.") && !strstr(texts[i], "|BDAT"))
			expect_cancel(texts[i], end_shutdown);
	}
}
END_TEST

/* A message that is whole has its answer before the goodbye: else it would come again. */
START_TEST(answer_before_the_goodbye)
{
	static struct rig rig;
	static const char first[] =
	    "EHLO c\r\nMAIL FROM:<a@b>\r\nRCPT TO:<b@c>\r\nDATA\r\ntext\r\n";
	const void *out;

	rig_start(&rig);
	rig_connection(&rig);
	msv_conn_input(rig.conn, first, sizeof(first) - 1);
	msv_test_run(rig.test);
	rig.never = true;
	msv_conn_input(rig.conn, ".\r\nNOOP\r\n", 9);
	msv_test_run(rig.test);
	ck_assert_ptr_nonnull(rig.held.op);
	msv_conn_sent(rig.conn, msv_conn_output(rig.conn, &out));
	end_shutdown(&rig);
	msv_test_run(rig.test);
	ck_assert(!msv_op_canceled(rig.held.op));
	ck_assert_uint_eq(msv_conn_output(rig.conn, &out), 0);
	msv_reply(rig.held, 250, "2.0.0", "safe");
	rig.held.op = NULL; /* answered */
	msv_test_run(rig.test);
	size_t n = msv_conn_output(rig.conn, &out);
	ck_assert_int_eq(strncmp(out, "250 2.0.0 safe\r\n421 4.3.2 ", 26), 0);
	msv_conn_sent(rig.conn, n);
	ck_assert_uint_eq(msv_conn_want(rig.conn), MSV_WANT_CLOSE);
	rig_stop(&rig);
}
END_TEST

/* An op outlives its connection and its env. */
START_TEST(answer_after_the_env)
{
	static struct rig rig;
	struct msv_env *env;
	struct msv_conn *conn;

	memset(&rig, 0, sizeof(rig));
	rig.never = true;
	struct msv_smtp_handler handler = {
		.size = sizeof(handler), .connect = rig_connect, .done = rig_done
	};
	struct msv_smtp_config config = {
		.size = sizeof(config), .handler = &handler, .user = &rig
	};
	ck_assert_int_eq(msv_env_new(NULL, &env), 0);
	ck_assert_int_eq(msv_smtp_server_new(env, &config, NULL, &conn), 0);
	msv_conn_tick(conn);
	ck_assert_ptr_nonnull(rig.held.op);
	msv_conn_free(conn);
	msv_env_free(env);
	msv_reply(rig.held, 250, NULL, "too late");
}
END_TEST

/* The peer is gone while an answer is awaited: it is written to nobody. */
START_TEST(gone_meanwhile)
{
	static struct rig rig;

	for (int error = 0; error >= MSV_ERR_IO; error += MSV_ERR_IO) {
		rig_start(&rig);
		rig_connection(&rig);
		msv_conn_input(rig.conn, "EHLO c\r\n", 8);
		msv_test_take_output(rig.test, rig.conn);
		rig.never = true;
		msv_conn_input(rig.conn, "MAIL FROM:<a@b>\r\n", 17);
		msv_test_run(rig.test);
		msv_conn_eof(rig.conn, error);
		msv_test_run(rig.test);
		msv_reply_ok(rig.held);
		rig.held.op = NULL;
		struct msv_span out = msv_test_take_output(rig.test, rig.conn);
		ck_assert_str_eq(out.n ? out.p : "", error ? "" : "250 2.1.0 sender ok\r\n");
		ck_assert_uint_eq(msv_conn_want(rig.conn), MSV_WANT_CLOSE);
		rig_stop(&rig);
	}
}
END_TEST

/* A thousand answers given at once do not grow the stack: they are looped. */
START_TEST(many_at_once)
{
	static struct rig rig;
	static char text[200000];
	size_t n = (size_t)snprintf(text, sizeof(text), "EHLO c\r\nMAIL FROM:<a@b>\r\n");

	rig_start(&rig);
	rig.handler.rcpt = NULL;
	rig_connection(&rig);
	for (int i = 0; i < 1000; i++)
		n += (size_t)snprintf(text + n, sizeof(text) - n, "RCPT TO:<u%d@c>\r\n", i);
	msv_conn_input(rig.conn, text, n);
	struct msv_span out = msv_test_take_output(rig.test, rig.conn);
	size_t answers = 0;
	for (const char *p = out.p; (p = strstr(p, "250 2.1.5")); p++)
		answers++;
	ck_assert_uint_eq(answers, 1000);
	rig_stop(&rig);
}
END_TEST

/* Bytes handed over inside a callback come behind those that are there. */
static void feeding_mail(
    void *user, struct msv_conn *conn, const struct msv_smtp_mail *mail, struct msv_reply_op op)
{
	rig_mail(user, conn, mail, op);
	msv_conn_input(conn, "RCPT TO:<inside@c>\r\n", 20);
	msv_conn_tick(conn);
	ck_assert_uint_eq(msv_conn_output(conn, &(const void *){ NULL }) > 0, true);
}

START_TEST(fed_in_callbacks)
{
	static struct rig rig;

	rig_start(&rig);
	rig.handler.mail = feeding_mail;
	rig_connection(&rig);
	msv_conn_tick(rig.conn);
	static const char text[] = "EHLO c\r\nMAIL FROM:<a@b>\r\nNOOP\r\nRCPT TO:<outside@c>\r\n";
	msv_conn_input(rig.conn, text, sizeof(text) - 1);
	msv_test_run(rig.test);
	ck_assert_ptr_nonnull(strstr(rig.story, "rcpt 0 <outside@c> outside at c\n"
	                                        "rcpt 1 <inside@c> inside at c\n"));
	rig_stop(&rig);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("smtp/late");

	check_case(s, "callbacks", freed_in_callbacks, shut_down_in_callbacks, fed_in_callbacks);
	check_case(s, "answers", commands_wait, answers_after_the_end, answer_before_the_goodbye,
	    answer_after_the_env, gone_meanwhile, many_at_once);
	return check_main(s);
}
