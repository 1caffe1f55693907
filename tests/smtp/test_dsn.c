/* DSN on the server's side (RFC 3461 4): who is told what, and that nothing else gets
 * in by these parameters. */
#include "smtp/rig.h"

#define MAIL_OK "S: 250 2.1.0 sender ok\n"
#define RCPT_OK "S: 250 2.1.5 recipient ok\n"
#define NO      "S: 501 5.5.4 that parameter has no such value\n"
#define TWICE   "S: 501 5.5.4 that parameter was given before\n"
#define UNKNOWN "S: 555 5.5.4 that parameter is not known here\n"
#define RSET \
	"C: RSET\n" \
	"S: 250 2.0.0 ok\n"
#define MAIL(params) "C: MAIL FROM:<a@b>" params "\n"
#define RCPT(params) "C: RCPT TO:<c@d>" params "\n"

static void with_dsn(struct rig *rig)
{
	rig->config.offer_dsn = true;
	rig->config.errors_max = rig->config.errors_soft = 1000;
}

/* -- It is offered where it is meant ---------------------------------------------- */

static void only_dsn(struct rig *rig)
{
	with_dsn(rig);
	rig->config.no_smtputf8 = true;
	rig->config.no_pipelining = true;
}

START_TEST(offered)
{
	rig_play(only_dsn,
	    GREETING "C: EHLO client.example\n"
	             "S: 250-mx.example\n"
	             "S: 250-SIZE 36700160\n"
	             "S: 250-8BITMIME\n"
	             "S: 250-CHUNKING\n"
	             "S: 250-DSN\n"
	             "S: 250-LIMITS MAILMAX=100 RCPTMAX=1000\n"
	             "S: 250 ENHANCEDSTATUSCODES\n",
	    NULL);
}
END_TEST

START_TEST(not_offered)
{
	rig_play(NULL,
	    HELLO MAIL(" RET=FULL") UNKNOWN MAIL(" ENVID=x") UNKNOWN MAIL(" REQUIRETLS")
	        UNKNOWN MAIL("") MAIL_OK RCPT(" NOTIFY=NEVER") UNKNOWN RCPT(" ORCPT=rfc822;a@b")
	            UNKNOWN,
	    NULL);
}
END_TEST

/* A parameter of the other command is no parameter. */
START_TEST(each_in_its_place)
{
	rig_play(with_dsn,
	    HELLO MAIL(" NOTIFY=NEVER") UNKNOWN MAIL(" ORCPT=rfc822;a@b") UNKNOWN MAIL("")
	        MAIL_OK RCPT(" RET=FULL") UNKNOWN RCPT(" ENVID=x") UNKNOWN,
	    NULL);
}
END_TEST

/* -- RET and ENVID ------------------------------------------------------------------- */

static void after_mail(struct rig *rig)
{
	rig_expect_story(rig, "connect\n"
	                      "helo client.example\n"
	                      "mail <a@b> ret=full envid='QQ314159'\n"
	                      "reset command\n"
	                      "mail <a@b> ret=hdrs envid='a+b=c d'\n"
	                      "reset command\n"
	                      "mail <a@b>\n");
}

START_TEST(ret_and_envid)
{
	rig_play(with_dsn,
	    HELLO MAIL(" RET=FULL ENVID=QQ314159") MAIL_OK RSET MAIL(
	        " envid=a+2Bb+3Dc+20d ret=hdrs") MAIL_OK RSET MAIL(" RET=") NO MAIL(" RET")
	        NO MAIL(" RET=ALL") NO MAIL(" RET=FULL,HDRS") NO MAIL(" RET=FULL RET=FULL")
	            TWICE MAIL(" ENVID=") NO MAIL(" ENVID") NO MAIL(" ENVID=a ENVID=b")
	                TWICE MAIL(" ENVID=a=b") NO MAIL(" ENVID=a+b") NO MAIL(" ENVID=a+")
	                    NO MAIL(" ENVID=a+2") NO MAIL(" ENVID=a+2b") NO MAIL("") MAIL_OK,
	    after_mail);
}
END_TEST

/* -- NOTIFY ----------------------------------------------------------------------------- */

static void after_notify(struct rig *rig)
{
	rig_expect_story(rig, "connect\n"
	                      "helo client.example\n"
	                      "mail <a@b>\n"
	                      "rcpt 0 <c@d> c at d notify=1\n"
	                      "rcpt 1 <c@d> c at d notify=e\n"
	                      "rcpt 2 <c@d> c at d notify=8\n"
	                      "rcpt 3 <c@d> c at d\n");
}

START_TEST(notify)
{
	rig_play(with_dsn,
	    HELLO MAIL("") MAIL_OK RCPT(" NOTIFY=never")
	        RCPT_OK RCPT(" notify=SUCCESS,Failure,DELAY") RCPT_OK RCPT(" NOTIFY=DELAY")
	            RCPT_OK RCPT(" NOTIFY=") NO RCPT(" NOTIFY") NO RCPT(" NOTIFY=,") NO RCPT(
	                " NOTIFY=DELAY,") NO RCPT(" NOTIFY=,DELAY") NO RCPT(" NOTIFY=NEVER,DELAY")
	                NO RCPT(" NOTIFY=DELAY,NEVER") NO RCPT(" NOTIFY=NEVER,NEVER")
	                    NO RCPT(" NOTIFY=DELAY,DELAY") NO RCPT(" NOTIFY=ALWAYS")
	                        NO RCPT(" NOTIFY=DELAY NOTIFY=NEVER") TWICE RCPT("") RCPT_OK,
	    after_notify);
}
END_TEST

/* -- ORCPT -------------------------------------------------------------------------------- */

static void after_orcpt(struct rig *rig)
{
	rig_expect_story(rig, "connect\n"
	                      "helo client.example\n"
	                      "mail <a@b>\n"
	                      "rcpt 0 <c@d> c at d orcpt='rfc822;Bob+tag@Example.org'\n"
	                      "rcpt 1 <c@d> c at d notify=4 orcpt='x400;/C=no; ADMD=x/'\n"
	                      "rcpt 2 <c@d> c at d orcpt='rfc822;\"two words\"@e'\n"
	                      "rcpt 3 <c@d> c at d orcpt='rfc822;\\x{41}@e'\n");
}

START_TEST(orcpt)
{
	rig_play(with_dsn,
	    HELLO MAIL("") MAIL_OK RCPT(" ORCPT=rfc822;Bob+2Btag@Example.org")
	        RCPT_OK RCPT(" orcpt=x400;/C+3Dno;+20ADMD+3Dx/ NOTIFY=FAILURE")
	            RCPT_OK RCPT(" ORCPT=rfc822;\"two+20words\"@e") RCPT_OK
	                /* Only the utf-8 type knows this escape. */
	                RCPT(" ORCPT=rfc822;\\x{41}@e") RCPT_OK RCPT(" ORCPT=") NO RCPT(" ORCPT")
	                    NO RCPT(" ORCPT=bob@example.org") NO RCPT(" ORCPT=;bob@example.org")
	                        NO RCPT(" ORCPT=rfc822;") NO RCPT(" ORCPT=rfc<822;bob@e")
	                            NO RCPT(" ORCPT=rfc+20822;bob@e") NO RCPT(" ORCPT=rfc822;a=b@e")
	                                NO RCPT(" ORCPT=rfc822;a@b ORCPT=rfc822;a@b") TWICE,
	    after_orcpt);
}
END_TEST

/* Line ends, NULs and all other control characters (CVE-2020-28021 and its kin came
 * in this way). */
START_TEST(nothing_gets_in)
{
	static const char *const values[] = { "ENVID=%s", "ORCPT=rfc822;%s", "ORCPT=%s;a@b",
		"ORCPT=utf-8;%s" };
	static const char *const smuggled[] = { "a+0Ab", "a+0Db", "a+0D+0Ab", "a+00b", "a+7Fb",
		"a+1Bb", "a+09b", "a+80b", "a+C3+A9b", "a+FFb", "+0A" };
	static struct rig rig;

	rig_start(&rig);
	with_dsn(&rig);
	rig_connection(&rig);
	msv_conn_input(rig.conn, "EHLO c\r\n", 8);
	for (size_t i = 0; i < sizeof(values) / sizeof(*values); i++) {
		const char *command = i == 0 ? "MAIL FROM:<a@b>" : "RCPT TO:<c@d>";
		if (i == 1)
			msv_conn_input(rig.conn, "MAIL FROM:<a@b>\r\n", 17);
		for (size_t j = 0; j < sizeof(smuggled) / sizeof(*smuggled); j++) {
			char value[64], line[128];
			snprintf(value, sizeof(value), values[i], smuggled[j]);
			/* That one is UTF-8, which this type is for. */
			if (i == 3 && strcmp(smuggled[j], "a+C3+A9b") == 0)
				continue;
			int n = snprintf(line, sizeof(line), "%s %s\r\n", command, value);
			msv_test_take_output(rig.test, rig.conn);
			msv_conn_input(rig.conn, line, (size_t)n);
			ck_assert_msg(
			    memcmp(msv_test_take_output(rig.test, rig.conn).p, "501 ", 4) == 0,
			    "%s", line);
		}
	}
	ck_assert_ptr_null(strstr(rig.story, "envid"));
	ck_assert_ptr_null(strstr(rig.story, "rcpt"));
	rig_stop(&rig);
}
END_TEST

/* -- Addresses beyond ASCII (RFC 6533 3) ------------------------------------------------------ */

static void after_utf8(struct rig *rig)
{
	rig_expect_story(rig, "connect\n"
	                      "helo client.example\n"
	                      "mail <a@b> utf8\n"
	                      "rcpt 0 <c@d> c at d orcpt='utf-8;jos\xc3\xa9@\xc3\xa4.example'\n"
	                      "rcpt 1 <c@d> c at d orcpt='UTF-8;jos\xc3\xa9@x'\n"
	                      "rcpt 2 <c@d> c at d orcpt='utf-8;a+b=c \xf0\x9f\x98\x80@x'\n"
	                      "reset command\n"
	                      "mail <a@b>\n"
	                      "rcpt 0 <c@d> c at d orcpt='utf-8;jos\xc3\xa9@x'\n");
}

START_TEST(utf8)
{
	rig_play(with_dsn,
	    HELLO MAIL(" SMTPUTF8") MAIL_OK
	    "C= RCPT TO:<c@d> ORCPT=utf-8;jos\\xc3\\xa9@\\xc3\\xa4.example\\r\\n\n" RCPT_OK RCPT(
	        " ORCPT=UTF-8;jos\\x{E9}@x")
	        RCPT_OK RCPT(" ORCPT=utf-8;a\\x{2B}b\\x{3D}c\\x{20}\\x{1F600}@x") RCPT_OK
	    /* Half a character, a control one, a surrogate, too large, no end. */
	    "C= RCPT TO:<c@d> ORCPT=utf-8;a\\xc3@x\\r\\n\n" NO
	    "C= RCPT TO:<c@d> ORCPT=rfc822;a\\xc3\\xa9@x\\r\\n\n" NO RCPT(" ORCPT=utf-8;a\\x{0A}@x")
	        NO RCPT(" ORCPT=utf-8;a\\x{85}@x") NO RCPT(" ORCPT=utf-8;a\\x{2028}@x")
	            NO RCPT(" ORCPT=utf-8;a\\x{D800}@x") NO RCPT(" ORCPT=utf-8;a\\x{110000}@x")
	                NO RCPT(" ORCPT=utf-8;a\\x{E9@x") NO RCPT(" ORCPT=utf-8;a\\x{}@x") NO RCPT(
	                    " ORCPT=utf-8;a\\E9@x") NO RCPT(" ORCPT=utf-8;a\\x{e9}@x") NO RSET
	                    /* As it is only where MAIL said SMTPUTF8; escaped always. */
	                    MAIL("") MAIL_OK
	    "C= RCPT TO:<c@d> ORCPT=utf-8;jos\\xc3\\xa9@x\\r\\n\n" NO RCPT(
	        " ORCPT=utf-8;jos\\x{E9}@x") RCPT_OK,
	    after_utf8);
}
END_TEST

/* -- Limits (RFC 3461 4.2, 4.4, 5.4) ----------------------------------------------------------------- */

/* The code of the answer to a command with n letters in the middle. */
static int say(struct rig *rig, const char *before, size_t n, const char *after)
{
	static char line[4096];
	int at = snprintf(line, sizeof(line), "%s", before);

	memset(line + at, 'x', n);
	int rest = snprintf(line + at + n, sizeof(line) - (size_t)at - n, "%s\r\n", after);
	msv_test_take_output(rig->test, rig->conn);
	msv_conn_input(rig->conn, line, (size_t)(at + rest) + n);
	return atoi(msv_test_take_output(rig->test, rig->conn).p);
}

START_TEST(lengths)
{
	static struct rig rig;

	rig_start(&rig);
	with_dsn(&rig);
	rig.config.line_octets_max = 512; /* becomes what the parameters need */
	rig_connection(&rig);
	msv_conn_input(rig.conn, "EHLO c\r\n", 8);
	ck_assert_int_eq(say(&rig, "MAIL FROM:<a@b> ENVID=", 101, ""), 501);
	ck_assert_int_eq(say(&rig, "MAIL FROM:<a@b> ENVID=", 100, ""), 250);
	ck_assert_int_eq(say(&rig, "RCPT TO:<c@d> ORCPT=rfc822;", 494, ""), 501);
	ck_assert_int_eq(say(&rig, "RCPT TO:<c@d> ORCPT=rfc822;", 493, ""), 250);
	ck_assert_int_eq(say(&rig, "RCPT TO:<c@d> NOTIFY=SUCCESS,FAILURE,DELAY ORCPT=rfc822;", 493,
	                     "                                "
	                     "                                "),
	    250);
	rig_stop(&rig);
}
END_TEST

/* -- REQUIRETLS in the clear (RFC 8689 2) -------------------------------------------------------------- */

static void promises_tls(struct rig *rig)
{
	with_dsn(rig);
	rig->config.offer_requiretls = true;
}

/* Without TLS at hand it is not known at all. */
START_TEST(requiretls_without_tls)
{
	rig_play(promises_tls, HELLO MAIL(" REQUIRETLS") UNKNOWN, NULL);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("smtp/dsn");

	check_case(s, "offer", offered, not_offered, each_in_its_place, requiretls_without_tls);
	check_case(s, "parameters", ret_and_envid, notify, orcpt, utf8);
	check_case(s, "hostile", nothing_gets_in, lengths);
	return check_main(s);
}
