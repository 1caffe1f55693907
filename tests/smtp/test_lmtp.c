/* LMTP (RFC 2033): one answer for each recipient. */
#include "smtp/rig.h"

static void lmtp(struct rig *rig)
{
	rig->config.role = MSV_SMTP_LMTP;
	rig->config.banner = "LMTP ready";
}

#define LHLO \
	"S: 220 mx.example LMTP ready\n" \
	"C: LHLO foo.edu\n" \
	"S~\n" \
	"S: 250 ENHANCEDSTATUSCODES\n"

static void after_example(struct rig *rig)
{
	rig_expect_story(rig, "connect\n"
	                      "helo foo.edu\n"
	                      "mail <chris@bar.com>\n"
	                      "rcpt 0 <pat@foo.edu> pat at foo.edu\n"
	                      "rcpt 1 <nobody@foo.edu> nobody at foo.edu\n"
	                      "rcpt 1 <green@foo.edu> green at foo.edu\n"
	                      "rcpt 2 <green@foo.edu> green at foo.edu\n"
	                      "data\n"
	                      "done 25\n");
	ck_assert_ptr_nonnull(strstr(msv_test_log(rig->test),
	    "lmtp message session=s1 peer=192.0.2.1 from=chris@bar.com recipients=3 size=25 "));
}

/* RFC 2033 4.2: the same address twice has two answers; the refused one none. */
START_TEST(example)
{
	rig_play(lmtp,
	    LHLO "C: MAIL FROM:<chris@bar.com>\n"
	         "S: 250 2.1.0 sender ok\n"
	         "C: RCPT TO:<pat@foo.edu>\n"
	         "S: 250 2.1.5 recipient ok\n"
	         "C: RCPT TO:<nobody@foo.edu>\n"
	         "S: 550 5.1.1 no such user\n"
	         "C: RCPT TO:<green@foo.edu>\n"
	         "S: 250 2.1.5 recipient ok\n"
	         "C: RCPT TO:<green@foo.edu>\n"
	         "S: 250 2.1.5 recipient ok\n" DATA "C: Blah blah blah...\n"
	         "C: etc.\n"
	         "C: .\n"
	         "S: 250 2.0.0 message accepted\n"
	         "S: 452 4.2.2 second mailbox is full\n"
	         "S: 250 2.0.0 message accepted\n"
	         "C: QUIT\n"
	         "S: 221 2.0.0 bye\n"
	         "X:\n",
	    after_example);
}
END_TEST

START_TEST(commands)
{
	rig_play(lmtp,
	    "S: 220 mx.example LMTP ready\n"
	    "C: EHLO foo.edu\n"
	    "S: 500 5.5.1 no such command\n"
	    "C: HELO foo.edu\n"
	    "S: 500 5.5.1 no such command\n"
	    "C: LHLO foo.edu\n"
	    "S: 250-mx.example\n"
	    "S: 250-PIPELINING\n"
	    "S: 250-SIZE 36700160\n"
	    "S: 250-8BITMIME\n"
	    "S: 250-SMTPUTF8\n"
	    "S: 250-CHUNKING\n"
	    "S: 250-LIMITS MAILMAX=100 RCPTMAX=1000\n"
	    "S: 250 ENHANCEDSTATUSCODES\n"
	    "C: MAIL FROM:<chris@bar.com>\n"
	    "S: 250 2.1.0 sender ok\n"
	    "C: RCPT TO:<nobody@foo.edu>\n"
	    "S: 550 5.1.1 no such user\n"
	    "C: DATA\n"
	    "S: 503 5.5.1 no valid recipients\n",
	    NULL);
}
END_TEST

#define TWO \
	LHLO "C: MAIL FROM:<>\n" \
	     "S: 250 2.1.0 sender ok\n" \
	     "C: RCPT TO:<a@b>\n" \
	     "S: 250 2.1.5 recipient ok\n" \
	     "C: RCPT TO:<c@d>\n" \
	     "S: 250 2.1.5 recipient ok\n"

/* A body that is refused is refused for each. */
START_TEST(refused_bodies)
{
	rig_play(lmtp,
	    TWO DATA "C= a\\nb\\r\\n.\\r\\n\n"
	             "S: 550 5.6.0 the message has an LF without CR in it\n"
	             "S: 550 5.6.0 the message has an LF without CR in it\n"
	             "C: NOOP\n"
	             "S: 250 2.0.0 ok\n",
	    NULL);
	rig_play(lmtp,
	    TWO "C: BDAT 3\n"
	        "C= a\\r\\n\n"
	        "S: 250 2.0.0 3 octets taken\n"
	        "C: BDAT 2 LAST\n"
	        "C= a\\n\n"
	        "S: 550 5.6.0 the message has an LF without CR in it\n"
	        "S: 550 5.6.0 the message has an LF without CR in it\n",
	    NULL);
	rig_play(lmtp,
	    TWO "C: BDAT 2\n"
	        "C= a\\n\n"
	        "S: 550 5.6.0 the message has an LF without CR in it\n"
	        "C: BDAT 0 LAST\n"
	        "S: 503 5.5.1 say MAIL first\n",
	    NULL);
}
END_TEST

START_TEST(chunks)
{
	rig_play(lmtp,
	    TWO "C: BDAT 3 LAST\n"
	        "C= a\\r\\n\n"
	        "S: 250 2.0.0 message accepted\n"
	        "S: 452 4.2.2 second mailbox is full\n",
	    NULL);
}
END_TEST

static void refuse_all(void *user, struct msv_conn *conn, struct msv_reply_op op)
{
	(void)conn;
	((struct rig *)user)->transactions--;
	msv_reply(op, 550, "5.7.1", "no");
}

static void many_errors(struct rig *rig)
{
	lmtp(rig);
	rig->handler.done = refuse_all;
	rig->config.errors_max = 2;
}

/* However many are refused, each gets its answer. */
START_TEST(all_refused)
{
	rig_play(many_errors,
	    TWO "C: RCPT TO:<e@f>\n"
	        "S: 250 2.1.5 recipient ok\n" DATA "C: .\n"
	        "S: 550 5.7.1 no\n"
	        "S: 550 5.7.1 no\n"
	        "S: 550 5.7.1 no\n"
	        "C: NOOP\n"
	        "S: 250 2.0.0 ok\n",
	    NULL);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("smtp/lmtp");

	check_case(s, "lmtp", example, commands, refused_bodies, chunks, all_refused);
	return check_main(s);
}
