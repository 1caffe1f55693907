/* The commands, in dialogues: RFC 5321 appendix D and what else may be said. */
#include "smtp/rig.h"

/* -- RFC 5321 appendix D --------------------------------------------------------- */

static void after_typical(struct rig *rig)
{
	static const char message[] = "Blah blah blah...\r\n.etc. etc. etc.\r\n";

	rig_expect_story(rig, "connect\n"
	                      "helo bar.com\n"
	                      "mail <Smith@bar.com>\n"
	                      "rcpt 0 <Jones@foo.com> Jones at foo.com\n"
	                      "rcpt 1 <nobody@foo.com> nobody at foo.com\n"
	                      "rcpt 1 <Brown@foo.com> Brown at foo.com\n"
	                      "data\n"
	                      "done 36\n");
	ck_assert_uint_eq(rig->nbody, sizeof(message) - 1);
	ck_assert_mem_eq(rig->body, message, rig->nbody);
}

/* D.1: a typical scenario, one recipient refused. */
START_TEST(typical)
{
	rig_play(NULL,
	    GREETING "C: EHLO bar.com\n"
	             "S: 250-mx.example\n"
	             "S: 250-PIPELINING\n"
	             "S: 250-SIZE 36700160\n"
	             "S: 250-8BITMIME\n"
	             "S: 250-SMTPUTF8\n"
	             "S: 250-CHUNKING\n"
	             "S: 250-LIMITS MAILMAX=100 RCPTMAX=1000\n"
	             "S: 250 ENHANCEDSTATUSCODES\n"
	             "C: MAIL FROM:<Smith@bar.com>\n"
	             "S: 250 2.1.0 sender ok\n"
	             "C: RCPT TO:<Jones@foo.com>\n"
	             "S: 250 2.1.5 recipient ok\n"
	             "C: RCPT TO:<nobody@foo.com>\n"
	             "S: 550 5.1.1 no such user\n"
	             "C: RCPT TO:<Brown@foo.com>\n"
	             "S: 250 2.1.5 recipient ok\n"
	             "C: DATA\n"
	             "S: 354 end the message with a line that is a single dot\n"
	             "C: Blah blah blah...\n"
	             "C: ..etc. etc. etc.\n"
	             "C: .\n"
	             "S: 250 2.0.0 message accepted\n"
	             "C: QUIT\n"
	             "S: 221 2.0.0 bye\n"
	             "X:\n",
	    after_typical);
}
END_TEST

/* D.2: an aborted transaction. */
static void after_aborted(struct rig *rig)
{
	rig_expect_story(rig, "connect\n"
	                      "helo client.example\n"
	                      "mail <Smith@bar.com>\n"
	                      "rcpt 0 <Jones@foo.com> Jones at foo.com\n"
	                      "rcpt 1 <nobody@foo.com> nobody at foo.com\n"
	                      "reset command\n");
}

START_TEST(aborted)
{
	rig_play(NULL,
	    HELLO "C: MAIL FROM:<Smith@bar.com>\n"
	          "S: 250 2.1.0 sender ok\n"
	          "C: RCPT TO:<Jones@foo.com>\n"
	          "S: 250 2.1.5 recipient ok\n"
	          "C: RCPT TO:<nobody@foo.com>\n"
	          "S: 550 5.1.1 no such user\n"
	          "C: RSET\n"
	          "S: 250 2.0.0 ok\n"
	          "C: QUIT\n"
	          "S: 221 2.0.0 bye\n"
	          "X:\n",
	    after_aborted);
}
END_TEST

/* D.3, the relay's second leg: a source route is taken and dropped; the null
 * reverse-path of a bounce. */
static void after_relayed(struct rig *rig)
{
	rig_expect_story(rig, "connect\n"
	                      "helo foo.com\n"
	                      "mail <JQP@bar.com>\n"
	                      "rcpt 0 <Jones@xyz.com> Jones at xyz.com\n"
	                      "data\n"
	                      "done 35\n"
	                      "mail <>\n"
	                      "rcpt 0 <JQP@bar.com> JQP at bar.com\n"
	                      "data\n"
	                      "done 0\n");
}

START_TEST(relayed)
{
	rig_play(NULL,
	    GREETING "C: HELO foo.com\n"
	             "S: 250 mx.example\n"
	             "C: MAIL FROM:<@foo.com:JQP@bar.com>\n"
	             "S: 250 2.1.0 sender ok\n"
	             "C: RCPT TO:<@foo.com,@xyz.com:Jones@XYZ.COM>\n"
	             "S: 250 2.1.5 recipient ok\n" DATA "C: Date: Thu, 21 May 1998 05:33:29\n"
	             "C:\n"
	             "C: .\n"
	             "S: 250 2.0.0 message accepted\n"
	             "C: MAIL FROM:<>\n"
	             "S: 250 2.1.0 sender ok\n"
	             "C: RCPT TO: <JQP@bar.com>\n"
	             "S: 250 2.1.5 recipient ok\n" DATA "C: .\n"
	             "S: 250 2.0.0 message accepted\n"
	             "C: QUIT\n"
	             "S: 221 2.0.0 bye\n"
	             "X:\n",
	    after_relayed);
}
END_TEST

/* D.4: verifying and sending. */
static void vrfy(void *user, struct msv_conn *conn, const char *what, struct msv_reply_op op)
{
	(void)conn;
	rig_tell(user, "vrfy %s\n", what);
	if (strcmp(what, "Crispin") == 0)
		rig_answer(user, op, 250, NULL, "Mark Crispin <Admin.MRC@foo.com>");
	else
		rig_answer_for(user, op, what);
}

static void with_vrfy(struct rig *rig)
{
	rig->handler.vrfy = vrfy;
}

START_TEST(verifying)
{
	rig_play(with_vrfy,
	    GREETING "C: EHLO bar.com\n"
	             "S~\n"
	             "S: 250 ENHANCEDSTATUSCODES\n"
	             "C: VRFY Crispin\n"
	             "S: 250 2.0.0 Mark Crispin <Admin.MRC@foo.com>\n"
	             "C: VRFY nobody SMTPUTF8\n"
	             "S: 550 5.1.1 no such user\n"
	             "C: VRFY anybody else\n"
	             "S: 252 2.1.5 cannot verify, but will take mail for it\n"
	             "C: VRFY\n"
	             "S: 501 5.5.4 an argument is missing\n"
	             "C: MAIL FROM:<EAK@bar.com>\n"
	             "S: 250 2.1.0 sender ok\n"
	             "C: RCPT TO:<Admin.MRC@foo.com>\n"
	             "S: 250 2.1.5 recipient ok\n" DATA "C: Blah blah blah...\n"
	             "C: .\n"
	             "S: 250 2.0.0 message accepted\n"
	             "C: QUIT\n"
	             "S: 221 2.0.0 bye\n",
	    NULL);
}
END_TEST

/* -- Order ------------------------------------------------------------------------- */

START_TEST(out_of_order)
{
	rig_play(NULL,
	    GREETING "C: MAIL FROM:<a@b>\n"
	             "S: 503 5.5.1 say EHLO first\n"
	             "C: RCPT TO:<a@b>\n"
	             "S: 503 5.5.1 say EHLO first\n"
	             "C: STARTTLS\n"
	             "S: 503 5.5.1 say EHLO first\n"
	             "C: EHLO client.example\n"
	             "S~\n"
	             "S: 250 ENHANCEDSTATUSCODES\n"
	             "C: RCPT TO:<a@b>\n"
	             "S: 503 5.5.1 say MAIL first\n"
	             "C: DATA\n"
	             "S: 503 5.5.1 say MAIL first\n"
	             "C: MAIL FROM:<a@b>\n"
	             "S: 250 2.1.0 sender ok\n"
	             "C: MAIL FROM:<c@d>\n"
	             "S: 503 5.5.1 not within a transaction\n"
	             "C: DATA\n"
	             "S: 503 5.5.1 no valid recipients\n"
	             "C: RCPT TO:<nobody@b>\n"
	             "S: 550 5.1.1 no such user\n"
	             "C: DATA\n"
	             "S: 503 5.5.1 no valid recipients\n"
	             "C: EHLO again.example\n"
	             "S~\n"
	             "S: 250 ENHANCEDSTATUSCODES\n"
	             "C: RCPT TO:<a@b>\n"
	             "S: 503 5.5.1 say MAIL first\n"
	             "E:\n"
	             "X:\n",
	    NULL);
}
END_TEST

START_TEST(small_commands)
{
	rig_play(NULL,
	    GREETING "C: noop\n"
	             "S: 250 2.0.0 ok\n"
	             "C: NOOP with words\n"
	             "S: 250 2.0.0 ok\n"
	             "C: RSET \t \n"
	             "S: 250 2.0.0 ok\n"
	             "C: RSET x\n"
	             "S: 501 5.5.4 no argument is expected\n"
	             "C: HELP MAIL\n"
	             "S: 214 2.0.0 EHLO tells what this server can do; see RFC 5321 and RFC 2033\n"
	             "C: EXPN staff\n"
	             "S: 502 5.5.1 lists are not shown\n"
	             "C: VRFY ann\n"
	             "S: 252 2.1.5 cannot verify, but will take mail for it\n"
	             "C: LHLO x\n"
	             "S: 500 5.5.1 no such command\n"
	             "C: TURN\n"
	             "S: 500 5.5.1 no such command\n"
	             "C:\n"
	             "S: 500 5.5.1 no such command\n"
	             "C:  NOOP\n"
	             "S: 500 5.5.1 no such command\n"
	             "C: AUTH PLAIN\n"
	             "S: 503 5.5.1 say EHLO first\n"
	             "C: EHLO\n"
	             "S: 501 5.5.4 an argument is missing\n"
	             "C: EHLO two words\n"
	             "S: 501 5.5.4 that is no host name\n"
	             "C: HELO (comment)\n"
	             "S: 501 5.5.4 that is no host name\n"
	             "T: 1000\n"
	             "C: QUIT now\n"
	             "S: 221 2.0.0 bye\n"
	             "X:\n",
	    NULL);
}
END_TEST

/* What follows QUIT is not looked at. */
START_TEST(behind_quit)
{
	rig_play(NULL,
	    ENVELOPE "C= QUIT\\r\\nDATA\\r\\n\n"
	             "S: 221 2.0.0 bye\n"
	             "X:\n",
	    NULL);
}
END_TEST

START_TEST(no_web_server)
{
	rig_play(NULL,
	    GREETING "C: POST / HTTP/1.1\n"
	             "S: 421 4.7.0 this is no web server\n"
	             "X:\n",
	    NULL);
}
END_TEST

/* -- Lines -------------------------------------------------------------------------- */

START_TEST(lines)
{
	rig_play(NULL,
	    GREETING "C= NOOP\\n\n"
	             "S: 500 5.5.2 lines must end in CRLF, not in LF alone\n"
	             "C= NOOP\\n\\r\\n\n"
	             "S: 500 5.5.2 lines must end in CRLF, not in LF alone\n"
	             "S: 500 5.5.1 no such command\n"
	             "C= NO\\rOP\\r\\n\n"
	             "S: 500 5.5.2 control characters are not allowed\n"
	             "C= NOOP\\r\\r\\n\n"
	             "S: 500 5.5.2 control characters are not allowed\n"
	             "C= NOOP\\x00\\r\\n\n"
	             "S: 500 5.5.2 control characters are not allowed\n"
	             "C= NOOP\\xff\\r\\n\n"
	             "S: 500 5.5.1 no such command\n"
	             "C: NOOP\n"
	             "S: 250 2.0.0 ok\n",
	    NULL);
}
END_TEST

/* A line too long is passed over, however long, and the next one is heard. */
START_TEST(long_lines)
{
	static char script[300000];
	static const size_t lengths[] = { 2046, 2047, 5000, 70000 };
	size_t n = (size_t)snprintf(script, sizeof(script), GREETING);

	for (size_t i = 0; i < sizeof(lengths) / sizeof(lengths[0]); i++) {
		n += (size_t)snprintf(script + n, sizeof(script) - n, "C: NOOP ");
		memset(script + n, 'x', lengths[i] - 5);
		n += lengths[i] - 5;
		n += (size_t)snprintf(script + n, sizeof(script) - n,
		    "\nS: %s\nC: NOOP\nS: 250 2.0.0 ok\n",
		    lengths[i] > 2046 ? "500 5.5.2 that line is too long" : "250 2.0.0 ok");
	}
	rig_play(NULL, script, NULL);
}
END_TEST

/* -- What handlers answer ------------------------------------------------------------ */

START_TEST(answers)
{
	rig_play(NULL,
	    GREETING "C: EHLO nobody\n"
	             "S: 550 5.1.1 no such user\n"
	             "C: MAIL FROM:<a@b>\n"
	             "S: 503 5.5.1 say EHLO first\n"
	             "C: EHLO client.example\n"
	             "S~\n"
	             "S: 250 ENHANCEDSTATUSCODES\n"
	             "C: MAIL FROM:<nobody@b>\n"
	             "S: 550 5.1.1 no such user\n"
	             "C: MAIL FROM:<a@b>\n"
	             "S: 250 2.1.0 sender ok\n"
	             "C: RCPT TO:<busy@b>\n"
	             "S: 450 4.2.0 the mailbox is not available now, try again later\n"
	             "C: RCPT TO:<long@b>\n"
	             "S: 550-5.7.1 first\n"
	             "S: 550 5.7.1 second ??? line\n"
	             "C: RCPT TO:<code551@b>\n"
	             "S: 551 5.1.6 not here\n"
	             "C: RCPT TO:<code251@b>\n"
	             "S: 251 2.1.5 not here, will forward\n"
	             "C: RCPT TO:<code599@b>\n"
	             "S: 599 5.0.0 refused\n"
	             "C: RCPT TO:<code499@b>\n"
	             "S: 499 4.0.0 try again later\n"
	             "C: RCPT TO:<code17@b>\n"
	             "S: 451 4.3.0 temporary failure, try again later\n"
	             "C: RCPT TO:<error@b>\n"
	             "S: 451 4.3.0 temporary failure, try again later\n"
	             "C: RCPT TO:<closing@b>\n"
	             "S: 421 4.3.2 the service is not available now\n"
	             "X:\n",
	    NULL);
}
END_TEST

static void refuse_connect(void *user, struct msv_conn *conn, struct msv_reply_op op)
{
	(void)conn;
	rig_answer(user, op, 554, NULL, "go away");
}

static void refusing(struct rig *rig)
{
	rig->handler.connect = refuse_connect;
}

/* RFC 5321 3.1: after 554 everything but QUIT is 503. */
START_TEST(turned_away)
{
	rig_play(refusing,
	    "S: 554 go away\n"
	    "C: EHLO client.example\n"
	    "S: 503 5.5.1 no mail is taken from you\n"
	    "C: MAIL FROM:<a@b>\n"
	    "S: 503 5.5.1 no mail is taken from you\n"
	    "C: QUIT\n"
	    "S: 221 2.0.0 bye\n"
	    "X:\n",
	    NULL);
}
END_TEST

static void close_connect(void *user, struct msv_conn *conn, struct msv_reply_op op)
{
	(void)conn;
	rig_answer(user, op, 421, NULL, "later");
}

static void closing(struct rig *rig)
{
	rig->handler.connect = close_connect;
}

START_TEST(closed_at_once)
{
	rig_play(closing,
	    "S: 421 4.3.2 later\n"
	    "X:\n",
	    NULL);
}
END_TEST

static void minimal(struct rig *rig)
{
	struct msv_smtp_handler all = rig->handler;

	rig->handler = (struct msv_smtp_handler){ .size = sizeof(rig->handler), .done = all.done };
	rig->handler.mail = all.mail; /* counts the transaction */
}

/* Members that are NULL say yes. */
START_TEST(minimal_handler)
{
	rig_play(minimal,
	    ENVELOPE DATA "C: hello\n"
	                  "C: .\n"
	                  "S: 250 2.0.0 message accepted\n"
	                  "C: QUIT\n"
	                  "S: 221 2.0.0 bye\n"
	                  "X:\n",
	    NULL);
}
END_TEST

START_TEST(bad_configs)
{
	static struct rig rig;
	struct msv_conn *conn;

	rig_start(&rig);
	rig.config.handler = NULL;
	ck_assert_int_eq(msv_smtp_server_new(rig.env, &rig.config, NULL, &conn), MSV_ERR_INVAL);
	rig.config.handler = &rig.handler;
	rig.handler.done = NULL;
	ck_assert_int_eq(msv_smtp_server_new(rig.env, &rig.config, NULL, &conn), MSV_ERR_INVAL);
	rig.handler.done = rig_done;
	rig.config.implicit_tls = true;
	ck_assert_int_eq(msv_smtp_server_new(rig.env, &rig.config, NULL, &conn), MSV_ERR_INVAL);
	ck_assert_ptr_null(conn);
	rig_stop(&rig);
}
END_TEST

/* -- Facts --------------------------------------------------------------------------- */

static void look(struct rig *rig)
{
	struct msv_smtp_session_info info = { .size = sizeof(info) };
	struct msv_conn_info conn = { .size = sizeof(conn) };

	msv_smtp_session_info(rig->conn, &info);
	ck_assert_int_eq(info.role, MSV_SMTP_MX);
	ck_assert_str_eq(info.session_id, "s1");
	ck_assert_str_eq(info.peer_address, "192.0.2.1");
	ck_assert_str_eq(info.peer_name, "");
	ck_assert_str_eq(info.helo, "client.example");
	ck_assert(info.esmtp);
	ck_assert_str_eq(info.tls, "");
	ck_assert_ptr_null(info.account);
	ck_assert_str_eq(info.with, "UTF8SMTP");
	ck_assert_uint_eq(info.messages, 1);
	msv_conn_info(rig->conn, &conn);
	ck_assert_str_eq(conn.protocol, "smtp");
	ck_assert_str_eq(conn.state, "mail");
	ck_assert_str_eq(conn.user, "");
	const char *log = msv_test_log(rig->test);
	ck_assert_ptr_nonnull(
	    strstr(log, "smtp message session=s1 peer=192.0.2.1 from=ann@client.example "
	                "recipients=1 size=4 result=250 status=2.0.0 "
	                "reason=\"message accepted\"\n"));
	ck_assert_ptr_nonnull(
	    strstr(log, "smtp refused session=s1 peer=192.0.2.1 command=RCPT "
	                "from=ann@client.example to=nobody@mx.example result=550 status=5.1.1 "
	                "reason=\"no such user\"\n"));
}

START_TEST(facts)
{
	rig_play(NULL,
	    ENVELOPE "C: RCPT TO:<nobody@mx.example>\n"
	             "S: 550 5.1.1 no such user\n" DATA "C: hi\n"
	             "C: .\n"
	             "S: 250 2.0.0 message accepted\n"
	             "C: MAIL FROM:<ann@client.example> SMTPUTF8\n"
	             "S: 250 2.1.0 sender ok\n",
	    look);
}
END_TEST

/* A client that closes its side is still answered. */
START_TEST(half_closed)
{
	rig_play(NULL,
	    HELLO "C: NOOP\n"
	          "C: QUI\n"
	          "C, HALF A LI\n"
	          "E:\n"
	          "S: 250 2.0.0 ok\n"
	          "S: 500 5.5.1 no such command\n"
	          "X:\n",
	    NULL);
}
END_TEST

static void after_gone(struct rig *rig)
{
	ck_assert_str_eq(rig->story + rig->story_len - 11, "reset gone\n");
}

START_TEST(gone_midway)
{
	rig_play(NULL,
	    ENVELOPE DATA "C: half a mess\n"
	                  "E:\n"
	                  "X:\n",
	    after_gone);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("smtp/session");

	check_case(s, "appendix D", typical, aborted, relayed, verifying);
	check_case(s, "commands", out_of_order, small_commands, behind_quit, no_web_server);
	check_case(s, "lines", lines, long_lines);
	check_case(
	    s, "handler", answers, turned_away, closed_at_once, minimal_handler, bad_configs);
	check_case(s, "facts", facts, half_closed, gone_midway);
	return check_main(s);
}
