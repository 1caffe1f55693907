/* The client's session: greeting, EHLO, messages in order, QUIT, the end. */
#include "smtp/client_rig.h"

static void one(struct rig_client *rig)
{
	rig_compose(rig, BODY, TO("bob@mx.example"));
	rig->quit_at_once = true;
}

#define SAY_ONE \
	"C: MAIL FROM:<ann@client.example>\n" \
	"S: 250 2.1.0 fine\n" \
	"C: RCPT TO:<bob@mx.example>\n" \
	"S: 250 2.1.5 fine\n" \
	"C: DATA\n" \
	"S: 354 go\n" \
	"C: Subject: hi\n" \
	"C: \n" \
	"C: text\n" \
	"C: .\n" \
	"S: 250 2.0.0 taken as 17\n"
#define LEAVE "C: QUIT\nS: 221 2.0.0 bye\nX:\n"
#define DONE  "bob@mx.example: end 250 2.0.0 taken as 17\ncompleted\n"

START_TEST(one_message)
{
	rig_play(one, BARE_HELLO SAY_ONE LEAVE, DONE "over\n");
}
END_TEST

START_TEST(greeting_of_many_lines)
{
	rig_play(one,
	    "S: 220-mx.example\nS: 220-and\nS: 220\n"
	    "C: EHLO client.example\nS: 250 mx.example\n" SAY_ONE LEAVE,
	    DONE "over\n");
}
END_TEST

/* RFC 5321 3.2. */
START_TEST(old_server)
{
	rig_play(one,
	    GREETING "C: EHLO client.example\nS: 500 what?\n"
	             "C: HELO client.example\nS: 250-mx.example\nS: 250 SIZE 1\n" SAY_ONE LEAVE,
	    DONE "over\n");
}
END_TEST

START_TEST(refused_at_the_door)
{
	rig_play(one, "S: 554 5.7.1 go away\nC: QUIT\nX:\n",
	    "bob@mx.example: connect 554 5.7.1 go away\nno more\nover\n");
	rig_play(one, "S: 421 4.3.2 later\nX:\n",
	    "bob@mx.example: connect 421 4.3.2 later\nno more\nover\n");
	rig_play(one, GREETING "C: EHLO client.example\nS: 450 later\nC: QUIT\nX:\n",
	    "bob@mx.example: hello 450 later\nno more\nover\n");
	rig_play(one,
	    GREETING "C: EHLO client.example\nS: 502 no\nC: HELO client.example\nS: 550 no\n"
	             "C: QUIT\nX:\n",
	    "bob@mx.example: hello 550 no\nno more\nover\n");
}
END_TEST

/* -- Several messages --------------------------------------------------------------- */

static void three(struct rig_client *rig)
{
	rig_compose(rig, "one\r\n", TO("a@mx.example"));
	rig_compose(rig, "two\r\n", TO("b@mx.example"));
	rig_compose(rig, "three\r\n", TO("c@mx.example"));
	for (size_t i = 0; i < 3; i++)
		rig->messages[i].message.from = NULL;
	rig->quit_at_once = true;
}

#define SAY(who, what) \
	"C: MAIL FROM:<>\nS: 250 ok\nC: RCPT TO:<" who "@mx.example>\nS: 250 ok\n" \
	"C: DATA\nS: 354 go\nC: " what "\nC: .\nS: 250 ok\n"

START_TEST(in_order)
{
	rig_play(three, BARE_HELLO SAY("a", "one") SAY("b", "two") SAY("c", "three") LEAVE,
	    "a@mx.example: end 250 ok\ncompleted\n"
	    "b@mx.example: end 250 ok\ncompleted\n"
	    "c@mx.example: end 250 ok\ncompleted\nover\n");
}
END_TEST

/* RSET only where a transaction was left open. */
START_TEST(reset_when_needed)
{
	rig_play(three,
	    BARE_HELLO "C: MAIL FROM:<>\nS: 450 4.3.0 not now\n"
	               "C: MAIL FROM:<>\nS: 250 ok\nC: RCPT TO:<b@mx.example>\nS: 550 5.1.1 who?\n"
	               "C: RSET\nS: 250 ok\n" SAY("c", "three") LEAVE,
	    "a@mx.example: mail 450 4.3.0 not now\n"
	    "b@mx.example: rcpt 550 5.1.1 who? (permanent)\n"
	    "c@mx.example: end 250 ok\ncompleted\nover\n");
}
END_TEST

START_TEST(closing_between)
{
	rig_play(three, BARE_HELLO SAY("a", "one") "C: MAIL FROM:<>\nS: 421 4.3.2 enough\nX:\n",
	    "a@mx.example: end 250 ok\ncompleted\n"
	    "b@mx.example: mail 421 4.3.2 enough (untried)\nno more\n"
	    "c@mx.example: mail 421 4.3.2 enough (untried)\nno more\nover\n");
}
END_TEST

/* A connection kept open may end just when it is used again. */
START_TEST(lost_between)
{
	rig_play(three, BARE_HELLO SAY("a", "one") "C: MAIL FROM:<>\nE:\nX:\n",
	    "a@mx.example: end 250 ok\ncompleted\n"
	    "b@mx.example: mail 451 4.4.2 the connection was lost (we) (untried)\nno more\n"
	    "c@mx.example: mail 451 4.4.2 the connection was lost (we) (untried)\nno more\n"
	    "over\n");
}
END_TEST

/* RFC 9422 4. */
START_TEST(most_messages)
{
	rig_play(three,
	    HELLO("S: 250-mx.example\nS: 250-limits RCPTMAX=7 mailmax=2 NEW=1\n") SAY("a", "one")
	        SAY("b", "two") LEAVE,
	    "a@mx.example: end 250 ok\ncompleted\n"
	    "b@mx.example: end 250 ok\ncompleted\nno more\n"
	    "c@mx.example: connect 421 4.3.2 the connection takes no more messages (we) (untried)\n"
	    "no more\nover\n");
}
END_TEST

/* -- Late ends -------------------------------------------------------------------------- */

START_TEST(lost_in_the_body)
{
	rig_play(one,
	    BARE_HELLO "C: MAIL FROM:<ann@client.example>\nS: 250 ok\n"
	               "C: RCPT TO:<bob@mx.example>\nS: 250 ok\nC: DATA\nE:\nX:\n",
	    "bob@mx.example: data 451 4.4.2 the connection was lost (we)\nno more\nover\n");
	rig_play(one,
	    BARE_HELLO "C: MAIL FROM:<ann@client.example>\nS: 250 ok\n"
	               "C: RCPT TO:<bob@mx.example>\nS: 250 ok\nC: DATA\nS: 354 go\n"
	               "C: Subject: hi\nC: \nC: text\nC: .\nE:\nX:\n",
	    "bob@mx.example: end 451 4.4.2 the connection was lost (we)\nuncertain\nno more\n"
	    "over\n");
	rig_play(one,
	    BARE_HELLO "C: MAIL FROM:<ann@client.example>\nS: 250 ok\n"
	               "C: RCPT TO:<bob@mx.example>\nS: 250 ok\nC: DATA\nS: 354 go\n"
	               "C: Subject: hi\nC: \nC: text\nC: .\nS: 421 4.3.0 disk\nX:\n",
	    "bob@mx.example: end 421 4.3.0 disk\ncompleted\nno more\nover\n");
}
END_TEST

/* -- Time ----------------------------------------------------------------------------------- */

START_TEST(patience)
{
	rig_play(one, "T: 299999\nT: 2\nX:\n",
	    "bob@mx.example: connect 451 4.4.1 timeout: nothing was heard for too long (we)\n"
	    "no more\nover\n");
	rig_play(one, GREETING "C: EHLO client.example\nT: 300001\nX:\n",
	    "bob@mx.example: hello 451 4.4.1 timeout: nothing was heard for too long (we)\n"
	    "no more\nover\n");
	rig_play(one,
	    BARE_HELLO "C: MAIL FROM:<ann@client.example>\nS: 250 ok\n"
	               "C: RCPT TO:<bob@mx.example>\nS: 250 ok\nC: DATA\nT: 119999\nT: 2\nX:\n",
	    "bob@mx.example: data 451 4.4.2 timeout: nothing was heard for too long (we)\n"
	    "no more\nover\n");
	rig_play(one,
	    BARE_HELLO "C: MAIL FROM:<ann@client.example>\nS: 250 ok\n"
	               "C: RCPT TO:<bob@mx.example>\nS: 250 ok\nC: DATA\nS: 354 go\n"
	               "C: Subject: hi\nC: \nC: text\nC: .\nT: 599999\nT: 2\nX:\n",
	    "bob@mx.example: end 451 4.4.2 timeout: nothing was heard for too long (we)\n"
	    "uncertain\nno more\nover\n");
	rig_play(one, BARE_HELLO SAY_ONE "C: QUIT\nT: 5001\nX:\n", DONE "over\n");
}
END_TEST

static void one_without_quit(struct rig_client *rig)
{
	rig_compose(rig, BODY, TO("bob@mx.example"));
}

START_TEST(idle)
{
	rig_play(one_without_quit, BARE_HELLO SAY_ONE "T: 59999\nT: 2\n" LEAVE, DONE "over\n");
	rig_play(one_without_quit, BARE_HELLO SAY_ONE "S: 421 4.4.2 idle\nX:\n", DONE "over\n");
	rig_play(one_without_quit, BARE_HELLO SAY_ONE "E:\nX:\n", DONE "over\n");
}
END_TEST

/* -- Facts and misuse -------------------------------------------------------------------------- */

START_TEST(facts)
{
	static struct rig_client rig;
	struct msv_smtp_client_info info = { .size = sizeof(info) };

	rig_start(&rig);
	rig_connect(&rig);
	msv_smtp_client_info(rig.conn, &info);
	ck_assert_int_eq(info.state, MSV_SMTP_CLIENT_SETUP);
	ck_assert_str_eq(info.greeting_host, "");
	ck_assert_int_eq(msv_test_client_dialogue(rig.test, rig.conn, MSV_SPLIT_LINES,
	                     "S: 220 big.mx.example ESMTP ready\nC: EHLO client.example\n"
	                     "S: 250-other.example at your service\nS: 250-SIZE 1000\n"
	                     "S: 250-size\nS: 250-LIMITS RCPTMAX=20 RCPTDOMAINMAX=99999999999\n"
	                     "S: 250-AUTH PLAIN\nS: 250-AUTH=LOGIN\nS: 250-X-NEW\n"
	                     "S: 250-requiretls\nS: 250-\nS: 250 dsn\n",
	                     NULL),
	    0);
	msv_smtp_client_info(rig.conn, &info);
	ck_assert_int_eq(info.state, MSV_SMTP_CLIENT_IDLE);
	ck_assert_str_eq(info.greeting_host, "big.mx.example");
	ck_assert_str_eq(info.hello_host, "other.example");
	ck_assert(info.esmtp);
	const unsigned wanted = MSV_SMTP_EXT_SIZE | MSV_SMTP_EXT_LIMITS | MSV_SMTP_EXT_AUTH |
	                        MSV_SMTP_EXT_REQUIRETLS | MSV_SMTP_EXT_DSN;
	ck_assert_uint_eq(info.extensions, wanted);
	ck_assert_uint_eq(info.size_limit, 1000);
	ck_assert_uint_eq(info.rcpt_max, 20);
	ck_assert_uint_eq(info.rcpt_domain_max, UINT32_MAX);
	ck_assert_int_eq(info.end.code, 0);
	ck_assert_str_eq(info.tls, "");
	msv_conn_shutdown(rig.conn, MSV_SHUTDOWN_SERVICE);
	msv_smtp_client_info(rig.conn, &info);
	ck_assert_int_eq(info.state, MSV_SMTP_CLIENT_OVER);
	ck_assert_int_eq(info.end.code, 451);
	ck_assert_str_eq(msv_test_take_output(rig.test, rig.conn).p, "QUIT\r\n");
	ck_assert_uint_eq(msv_conn_want(rig.conn), MSV_WANT_CLOSE);
	rig_compose(&rig, BODY, TO("x@y.example"));
	rig_send_all(&rig);
	msv_test_run(rig.test);
	ck_assert_str_eq(rig.story,
	    "over\nx@y.example: connect 451 4.3.2 the connection was given up by us (we) "
	    "(untried)\nno more\n");
	rig_stop(&rig);
}
END_TEST

START_TEST(misuse)
{
	static struct rig_client rig;
	struct msv_conn *conn;

	rig_start(&rig);
	rig.config.hostname = "two words";
	ck_assert_int_eq(msv_smtp_client_new(rig.env, &rig.config, NULL, &conn), MSV_ERR_INVAL);
	rig.config.hostname = "a\r\nRSET";
	ck_assert_int_eq(msv_smtp_client_new(rig.env, &rig.config, NULL, &conn), MSV_ERR_INVAL);
	rig.config.hostname = NULL;
	rig.config.tls_mode = MSV_SMTP_TLS_REQUIRED;
	ck_assert_int_eq(msv_smtp_client_new(rig.env, &rig.config, NULL, &conn), MSV_ERR_INVAL);
	rig.config.tls_mode = MSV_SMTP_TLS_OPPORTUNISTIC;
	rig.config.username = "tim";
	ck_assert_int_eq(msv_smtp_client_new(rig.env, &rig.config, NULL, &conn), MSV_ERR_INVAL);
	rig.config.username = NULL;
	rig_connect(&rig);
	rig_compose(&rig, BODY, TO("x@y.example"))->message.read = NULL;
	rig_compose(&rig, BODY, TO("x@y.example"))->message.nrecipients = 0;
	rig_send_all(&rig);
	msv_test_run(rig.test);
	ck_assert_str_eq(rig.story, "error -2\nerror -2\n");
	rig_stop(&rig);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("smtp/client");

	check_case(s, "session", one_message, greeting_of_many_lines, old_server,
	    refused_at_the_door, in_order, reset_when_needed, closing_between, lost_between,
	    most_messages, lost_in_the_body, patience, idle, facts, misuse);
	return check_main(s);
}
