/* What MAIL, RCPT and DATA say for each extension, and what is made of the
 * answers: PIPELINING, SIZE, SMTPUTF8, DSN, CHUNKING, LIMITS, REQUIRETLS, LMTP. */
#include "smtp/client_rig.h"

#include "config.h"

#define LEAVE "C: QUIT\nS: 221 bye\nX:\n"

static void three_recipients(struct rig_client *rig)
{
	rig_compose(rig, "text\r\n", TO("a@x.example", "b@x.example", "c@x.example"));
	rig->quit_at_once = true;
}

/* -- PIPELINING (RFC 2920) ------------------------------------------------------------ */

#define PIPELINING HELLO("S: 250-mx\nS: 250-PIPELINING\n")
#define GROUP \
	"C: MAIL FROM:<ann@client.example>\n" \
	"C: RCPT TO:<a@x.example>\nC: RCPT TO:<b@x.example>\nC: RCPT TO:<c@x.example>\n" \
	"C: DATA\n"

START_TEST(pipelined)
{
	rig_play(three_recipients,
	    PIPELINING GROUP "S: 250 ok\nS: 250 ok\nS: 550-5.1.1 who\nS: 550 5.1.1 is b?\n"
	                     "S: 452 4.2.2 full\nS: 354 go\nC: text\nC: .\nS: 250 2.0.0 ok\n" LEAVE,
	    "a@x.example: end 250 2.0.0 ok\n"
	    "b@x.example: rcpt 550 5.1.1 who is b? (permanent)\n"
	    "c@x.example: rcpt 452 4.2.2 full\ncompleted\nover\n");
}
END_TEST

/* Nobody is accepted: DATA is refused, or an empty message goes to nobody. */
START_TEST(pipelined_for_nobody)
{
	static const char story[] = "a@x.example: rcpt 550 a (permanent)\n"
	                            "b@x.example: rcpt 550 b (permanent)\n"
	                            "c@x.example: rcpt 450 c\n";
	static char with_body[512];

	snprintf(with_body, sizeof(with_body), "%sover\n", story);
	rig_play(three_recipients,
	    PIPELINING GROUP "S: 250 ok\nS: 550 a\nS: 550 b\nS: 450 c\nS: 503 nobody\n" LEAVE,
	    with_body);
	snprintf(with_body, sizeof(with_body), "%scompleted\nover\n", story);
	rig_play(three_recipients,
	    PIPELINING GROUP "S: 250 ok\nS: 550 a\nS: 550 b\nS: 450 c\nS: 354 go\n"
	                     "C: .\nS: 554 no recipients\n" LEAVE,
	    with_body);
}
END_TEST

START_TEST(pipelined_sender_refused)
{
	rig_play(three_recipients,
	    PIPELINING GROUP "S: 550 5.7.1 not you\nS: 503 a\nS: 503 b\nS: 503 c\nS: 503 d\n" LEAVE,
	    "a@x.example: mail 550 5.7.1 not you (permanent)\n"
	    "b@x.example: mail 550 5.7.1 not you (permanent)\n"
	    "c@x.example: mail 550 5.7.1 not you (permanent)\nover\n");
}
END_TEST

static void not_pipelined(struct rig_client *rig)
{
	three_recipients(rig);
	rig->config.no_pipelining = true;
}

START_TEST(without_pipelining)
{
	rig_play(not_pipelined,
	    PIPELINING "C: MAIL FROM:<ann@client.example>\nS: 250 ok\n"
	               "C: RCPT TO:<a@x.example>\nS: 250 ok\nC: RCPT TO:<b@x.example>\nS: 250 ok\n"
	               "C: RCPT TO:<c@x.example>\nS: 251 forwarded\nC: DATA\nS: 554 no\n" LEAVE,
	    "a@x.example: data 554 no (permanent)\nb@x.example: data 554 no (permanent)\n"
	    "c@x.example: data 554 no (permanent)\nover\n");
}
END_TEST

/* RFC 5321 4.5.3.1.10. */
START_TEST(too_many_recipients)
{
	rig_play(three_recipients,
	    PIPELINING GROUP "S: 250 ok\nS: 250 ok\nS: 452 4.5.3 many\nS: 552 5.5.3 many\n"
	                     "S: 354 go\nC: text\nC: .\nS: 250 2.0.0 ok\n" LEAVE,
	    "a@x.example: end 250 2.0.0 ok\nb@x.example: rcpt 452 4.5.3 many\n"
	    "c@x.example: rcpt 452 many\ncompleted\nover\n");
}
END_TEST

/* More recipients than are ever without an answer at once. */
START_TEST(very_many_recipients)
{
	enum { MANY = 1000 };
	static struct rig_client rig;
	static struct msv_smtp_recipient recipients[MANY];
	static char names[MANY][32];
	struct rig_message *m;
	size_t asked = 0;

	rig_start(&rig);
	m = rig_compose(&rig, "text\r\n", TO("a@x.example"));
	for (size_t i = 0; i < MANY; i++) {
		snprintf(names[i], sizeof(names[i]), "r%zu@x.example", i);
		recipients[i].size = sizeof(recipients[i]);
		recipients[i].address = names[i];
	}
	m->message.recipients = recipients;
	m->message.nrecipients = MANY;
	rig_connect(&rig);
	struct msv_op *op = msv_op_new(rig.env, NULL, NULL);
	msv_smtp_client_send(rig.conn, &m->message, (struct msv_smtp_send_op){ op });
	static const char hello[] = "220 x\r\n250-x\r\n250 PIPELINING\r\n250 ok\r\n";
	msv_conn_input(rig.conn, hello, sizeof(hello) - 1);
	for (int rounds = 0; rounds < 2 * MANY && !strstr(rig.trace, "> DATA"); rounds++) {
		msv_test_take_output(rig.test, rig.conn);
		msv_conn_input(rig.conn, "250 ok\r\n", 8);
		asked++;
	}
	ck_assert_uint_le(asked, MANY);
	ck_assert_ptr_nonnull(strstr(rig.trace, "> RCPT TO:<r999@x.example>\n"));
	rig_stop(&rig);
}
END_TEST

/* -- SIZE (RFC 1870) ---------------------------------------------------------------------- */

static void sized(struct rig_client *rig)
{
	rig_compose(rig, "text\r\n", TO("a@x.example"))->message.octets = 1001;
	rig_compose(rig, "text\r\n", TO("b@x.example"))->message.octets = 1000;
	rig_compose(rig, "text\r\n", TO("c@x.example"))->message.octets = 0;
	rig->quit_at_once = true;
}

#define BODY_OK "C: DATA\nS: 354 go\nC: text\nC: .\nS: 250 ok\n"

START_TEST(size_is_declared)
{
	rig_play(sized,
	    HELLO("S: 250-mx\nS: 250-SIZE 1000\n") "C: MAIL FROM:<ann@client.example> SIZE=1000\n"
	                                           "S: 250 ok\nC: RCPT TO:<b@x.example>\nS: 250 "
	                                           "ok\n" BODY_OK
	                                           "C: MAIL FROM:<ann@client.example>\nS: 250 "
	                                           "ok\nC: RCPT TO:<c@x.example>\n"
	                                           "S: 250 ok\n" BODY_OK LEAVE,
	    "a@x.example: mail 552 5.3.4 the message is larger than the next hop takes (we) "
	    "(permanent)\n"
	    "b@x.example: end 250 ok\ncompleted\nc@x.example: end 250 ok\ncompleted\nover\n");
}
END_TEST

/* -- Addresses (RFC 5321, RFC 6531) ----------------------------------------------------------- */

static void strange(struct rig_client *rig)
{
	struct rig_message *m = rig_compose(rig, "text\r\n",
	    TO("Postmaster", "\"o'brien b\"@x.example", "a@b@c", "x@y.example>\r\nRSET",
	        "<a@x.example>", "", "j@[192.0.2.1]"));
	m->message.from = "\"quoted\"@client.example";
	rig->quit_at_once = true;
}

START_TEST(strange_addresses)
{
	rig_play(strange,
	    BARE_HELLO "C: MAIL FROM:<quoted@client.example>\nS: 250 ok\n"
	               "C: RCPT TO:<Postmaster>\nS: 250 ok\n"
	               "C: RCPT TO:<\"o'brien b\"@x.example>\nS: 250 ok\n"
	               "C: RCPT TO:<j@[192.0.2.1]>\nS: 250 ok\n" BODY_OK LEAVE,
	    "Postmaster: end 250 ok\n"
	    "\"o'brien b\"@x.example: end 250 ok\n"
	    "a@b@c: rcpt 553 5.1.3 the recipient is no address (we) (permanent)\n"
	    "x@y.example>\r\nRSET: rcpt 553 5.1.3 the recipient is no address (we) (permanent)\n"
	    "<a@x.example>: rcpt 553 5.1.3 the recipient is no address (we) (permanent)\n"
	    ": rcpt 553 5.1.3 the recipient is no address (we) (permanent)\n"
	    "j@[192.0.2.1]: end 250 ok\ncompleted\nover\n");
}
END_TEST

static void bad_sender(struct rig_client *rig)
{
	rig_compose(rig, "text\r\n", TO("a@x.example"))->message.from = "a@b\r\nRCPT TO:<c@d>";
	rig->quit_at_once = true;
}

START_TEST(bad_sender_never_said)
{
	rig_play(bad_sender, BARE_HELLO LEAVE,
	    "a@x.example: mail 553 5.1.7 the sender is no address (we) (permanent)\nover\n");
}
END_TEST

#define BUECHER \
	"bob@b\xc3\xbc" \
	"cher.example"

static void international(struct rig_client *rig)
{
	struct rig_message *m = rig_compose(rig, "text\r\n",
	    TO("bob@b\xc3\xbc"
	       "cher.example",
	        "j\xc3\xb6rg@x.example", "tim@x.example"));
	m->message.from = "ann@caf\xc3\xa9.example";
	m = rig_compose(rig, "text\r\n", TO("tim@x.example"));
	m->message.smtputf8 = true;
	m = rig_compose(rig, "text\r\n", TO("tim@x.example"));
	m->message.from = "j\xc3\xb6rg@client.example";
	rig->quit_at_once = true;
}

#define NO_UTF8(who, what) \
	who "@x.example: mail 553 5.6.7 the next hop takes no " what " (we) (permanent)\n"
#define NO_UTF8_HEADER NO_UTF8("tim", "message with UTF-8 in its header")
#define NO_UTF8_SENDER NO_UTF8("tim", "sender beyond ASCII")

START_TEST(without_smtputf8)
{
#ifdef HAVE_IDN2
	rig_play(international,
	    BARE_HELLO "C: MAIL FROM:<ann@xn--caf-dma.example>\nS: 250 ok\n"
	               "C: RCPT TO:<bob@xn--bcher-kva.example>\nS: 250 ok\n"
	               "C: RCPT TO:<tim@x.example>\nS: 250 ok\n" BODY_OK LEAVE,
	    BUECHER ": end 250 ok\n"
	            "j\xc3\xb6rg@x.example: rcpt 553 5.6.7 the next hop takes no recipient beyond "
	            "ASCII (we) (permanent)\n"
	            "tim@x.example: end 250 ok\ncompleted\n" NO_UTF8_HEADER NO_UTF8_SENDER
	            "over\n");
#else
	rig_play(international, BARE_HELLO LEAVE,
	    BUECHER
	    ": mail 553 5.6.7 the next hop takes no sender beyond ASCII (we) (permanent)\n" NO_UTF8(
	        "j\xc3\xb6rg", "sender beyond ASCII") NO_UTF8_SENDER NO_UTF8_HEADER NO_UTF8_SENDER
	    "over\n");
#endif
}
END_TEST

START_TEST(with_smtputf8)
{
	rig_play(international,
	    HELLO("S: 250-mx\nS: 250-SMTPUTF8\nS: 250-8BITMIME\n") "C: MAIL "
	                                                           "FROM:<ann@caf\xc3\xa9.example> "
	                                                           "SMTPUTF8\nS: 250 ok\n"
	                                                           "C: RCPT TO:<bob@b\xc3\xbc"
	                                                           "cher.example>\nS: 250 ok\n"
	                                                           "C: RCPT "
	                                                           "TO:<j\xc3\xb6rg@x.example>\nS: "
	                                                           "250 ok\n"
	                                                           "C: RCPT TO:<tim@x.example>\nS: "
	                                                           "250 ok\n" BODY_OK "C: MAIL "
	                                                           "FROM:<ann@client.example> "
	                                                           "SMTPUTF8\nS: 250 ok\n"
	                                                           "C: RCPT TO:<tim@x.example>\nS: "
	                                                           "250 ok\n" BODY_OK "C: MAIL "
	                                                           "FROM:<j\xc3\xb6rg@client."
	                                                           "example> SMTPUTF8\nS: 250 ok\n"
	                                                           "C: RCPT TO:<tim@x.example>\nS: "
	                                                           "250 ok\n" BODY_OK LEAVE,
	    NULL);
}
END_TEST

/* -- DSN (RFC 3461), AUTH= (RFC 4954), 8BITMIME -------------------------------------------------- */

static void notified(struct rig_client *rig)
{
	struct rig_message *m = rig_compose(
	    rig, "text\r\n", TO("a@x.example", "b@x.example", "c@x.example", "d@x.example"));
	m->message.ret = MSV_RET_HDRS;
	m->message.envid = "a+b=c \x01 d";
	m->message.auth = "e+mc2@x.example";
	m->message.body_8bit = true;
	m->recipients[0].notify = MSV_NOTIFY_SUCCESS | MSV_NOTIFY_DELAY;
	m->recipients[0].orcpt = "rfc822;A b+c@x.example";
	m->recipients[1].notify = MSV_NOTIFY_NEVER;
	m->recipients[1].orcpt = "utf-8;j\xc3\xb6rg@x.example";
	m->recipients[2].notify = MSV_NOTIFY_FAILURE;
	m->recipients[2].orcpt = "bad type;x";
	m->recipients[3].orcpt = "nothing";
	rig->quit_at_once = true;
}

START_TEST(dsn)
{
	rig_play(notified,
	    HELLO(
	        "S: 250-mx\nS: 250-DSN\nS: 250-AUTH PLAIN\nS: 250-8BITMIME\n") "C: MAIL "
	                                                                       "FROM:<ann@client."
	                                                                       "example> "
	                                                                       "BODY=8BITMIME "
	                                                                       "RET=HDRS "
	                                                                       "ENVID=a+2Bb+3Dc+20+"
	                                                                       "01+20d "
	                                                                       "AUTH=e+2Bmc2@x."
	                                                                       "example\nS: 250 "
	                                                                       "ok\n"
	                                                                       "C: RCPT "
	                                                                       "TO:<a@x.example> "
	                                                                       "NOTIFY=SUCCESS,"
	                                                                       "DELAY "
	                                                                       "ORCPT=rfc822;A+20b+"
	                                                                       "2Bc@x.example\n"
	                                                                       "S: 250 ok\n"
	                                                                       "C: RCPT "
	                                                                       "TO:<b@x.example> "
	                                                                       "NOTIFY=NEVER "
	                                                                       "ORCPT=utf-8;j\\x{"
	                                                                       "F6}rg@x.example\n"
	                                                                       "S: 250 ok\nC: RCPT "
	                                                                       "TO:<c@x.example> "
	                                                                       "NOTIFY=FAILURE\nS: "
	                                                                       "250 ok\n"
	                                                                       "C: RCPT "
	                                                                       "TO:<d@x.example>"
	                                                                       "\nS: 250 "
	                                                                       "ok\n" BODY_OK LEAVE,
	    NULL);
}
END_TEST

static void notified_old(struct rig_client *rig)
{
	notified(rig);
	rig->messages[0].message.body_8bit = false;
}

START_TEST(without_dsn)
{
	rig_play(notified_old,
	    BARE_HELLO "C: MAIL FROM:<ann@client.example>\nS: 250 ok\n"
	               "C: RCPT TO:<a@x.example>\nS: 250 ok\nC: RCPT TO:<b@x.example>\nS: 250 ok\n"
	               "C: RCPT TO:<c@x.example>\nS: 250 ok\nC: RCPT TO:<d@x.example>\n"
	               "S: 250 ok\n" BODY_OK LEAVE,
	    NULL);
}
END_TEST

/* -- LIMITS (RFC 9422), REQUIRETLS (RFC 8689) ------------------------------------------------------ */

START_TEST(most_recipients)
{
	rig_play(three_recipients,
	    HELLO(
	        "S: 250-mx\nS: 250-LIMITS RCPTMAX=2\n") "C: MAIL FROM:<ann@client.example>\nS: 250 "
	                                                "ok\nC: RCPT TO:<a@x.example>\nS: 250 ok\n"
	                                                "C: RCPT TO:<b@x.example>\nS: 250 "
	                                                "ok\n" BODY_OK LEAVE,
	    "a@x.example: end 250 ok\nb@x.example: end 250 ok\n"
	    "c@x.example: rcpt 452 4.5.3 the next hop takes no more recipients a message (we) "
	    "(untried)\ncompleted\nover\n");
}
END_TEST

static void two_domains(struct rig_client *rig)
{
	rig_compose(rig, "text\r\n", TO("a@x.example", "b@y.example", "c@X.EXAMPLE"));
	rig->quit_at_once = true;
}

START_TEST(one_domain)
{
	rig_play(two_domains,
	    HELLO("S: 250-mx\nS: 250-LIMITS RCPTDOMAINMAX=1\n") "C: MAIL "
	                                                        "FROM:<ann@client.example>\nS: 250 "
	                                                        "ok\nC: RCPT TO:<a@x.example>\nS: "
	                                                        "250 ok\n"
	                                                        "C: RCPT TO:<c@x.example>\nS: 250 "
	                                                        "ok\n" BODY_OK LEAVE,
	    "a@x.example: end 250 ok\n"
	    "b@y.example: rcpt 452 4.5.3 the next hop takes no more recipients a message (we) "
	    "(untried)\nc@X.EXAMPLE: end 250 ok\ncompleted\nover\n");
}
END_TEST

static void required(struct rig_client *rig)
{
	rig_compose(rig, "text\r\n", TO("a@x.example"))->message.requiretls = true;
	rig->quit_at_once = true;
}

START_TEST(requiretls_in_clear)
{
	rig_play(required, HELLO("S: 250-mx\nS: 250-REQUIRETLS\n") LEAVE,
	    "a@x.example: mail 550 5.7.10 REQUIRETLS: the next hop is not verified by TLS (we) "
	    "(permanent)\nover\n");
}
END_TEST

static void required_of_a_bounce(struct rig_client *rig)
{
	required(rig);
	rig->messages[0].message.from = "";
}

/* RFC 8689 5: a notification is not lost for want of it. */
START_TEST(requiretls_and_nobody)
{
	rig_play(required_of_a_bounce,
	    HELLO("S: 250-mx\nS: 250-REQUIRETLS\n") "C: MAIL FROM:<>\nS: 250 ok\n"
	                                            "C: RCPT TO:<a@x.example>\nS: 250 ok\n" BODY_OK
	                                                LEAVE,
	    "a@x.example: end 250 ok\ncompleted\nover\n");
}
END_TEST

/* -- LMTP (RFC 2033) ------------------------------------------------------------------------------- */

static void local(struct rig_client *rig)
{
	three_recipients(rig);
	rig->config.lmtp = true;
}

#define LHLO "S: 220 store\nC: LHLO client.example\nS: 250-store\nS: 250 PIPELINING\n"

START_TEST(lmtp)
{
	rig_play(local,
	    LHLO GROUP
	    "S: 250 ok\nS: 250 ok\nS: 550 5.1.1 b?\nS: 250 ok\nS: 354 go\nC: text\nC: .\n"
	    "S: 250 2.0.0 a\nS: 452 4.2.2 c\n" LEAVE,
	    "a@x.example: end 250 2.0.0 a\nb@x.example: rcpt 550 5.1.1 b? (permanent)\n"
	    "c@x.example: end 452 4.2.2 c\ncompleted\nover\n");
	rig_play(local,
	    LHLO GROUP "S: 250 ok\nS: 250 ok\nS: 250 ok\nS: 250 ok\nS: 354 go\nC: text\nC: .\n"
	               "S: 250 2.0.0 a\nE:\nX:\n",
	    "a@x.example: end 250 2.0.0 a\n"
	    "b@x.example: end 451 4.4.2 the connection was lost (we)\n"
	    "c@x.example: end 451 4.4.2 the connection was lost (we)\n"
	    "uncertain\nno more\nover\n");
	rig_play(local, "S: 220 store\nC: LHLO client.example\nS: 500 what?\nC: QUIT\nX:\n",
	    "a@x.example: hello 500 what?\nb@x.example: hello 500 what?\n"
	    "c@x.example: hello 500 what?\nno more\nover\n");
	rig_play(local,
	    LHLO GROUP "S: 250 ok\nS: 550 a\nS: 550 b\nS: 550 c\nS: 354 for nobody\nX:\n",
	    "a@x.example: rcpt 550 a (permanent)\nb@x.example: rcpt 550 b (permanent)\n"
	    "c@x.example: rcpt 550 c (permanent)\nno more\nover\n");
}
END_TEST

int main(void)
{
	Suite *s = suite_create("smtp/client_envelope");

	check_case(s, "envelope", pipelined, pipelined_for_nobody, pipelined_sender_refused,
	    without_pipelining, too_many_recipients, very_many_recipients, size_is_declared,
	    strange_addresses, bad_sender_never_said, without_smtputf8, with_smtputf8, dsn,
	    without_dsn, most_recipients, one_domain, requiretls_in_clear, requiretls_and_nobody,
	    lmtp);
	return check_main(s);
}
