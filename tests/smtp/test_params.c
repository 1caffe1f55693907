/* MAIL and RCPT: their form, their addresses in passing, their parameters. */
#include "smtp/rig.h"

#define OK "S: 250 2.1.0 sender ok\n"
#define RSET \
	"C: RSET\n" \
	"S: 250 2.0.0 ok\n"

static void patient(struct rig *rig)
{
	rig->config.errors_max = rig->config.errors_soft = 1000;
}

START_TEST(forms)
{
	rig_play(patient,
	    HELLO "C: mail from:<a@b>\n" OK RSET "C: MAIL FROM: <a@b>\n" OK RSET
	          "C: MAIL FROM:<a@b> \t \n" OK RSET "C: MAIL <a@b>\n"
	          "S: 501 5.5.4 say MAIL FROM:<address>, RCPT TO:<address>\n"
	          "C: MAIL TO:<a@b>\n"
	          "S: 501 5.5.4 say MAIL FROM:<address>, RCPT TO:<address>\n"
	          "C: MAIL FROM\n"
	          "S: 501 5.5.4 say MAIL FROM:<address>, RCPT TO:<address>\n"
	          "C: MAIL\n"
	          "S: 501 5.5.4 an argument is missing\n"
	          "C: MAIL FROM:a@b\n"
	          "S: 501 5.1.7 that is no sender's address\n"
	          "C: MAIL FROM:<a@b\n"
	          "S: 501 5.1.7 that is no sender's address\n"
	          "C: MAIL FROM:<a@b>SIZE=1\n"
	          "S: 501 5.5.4 a space is expected behind the address\n"
	          "C: MAIL FROM:<postmaster>\n"
	          "S: 501 5.1.7 that is no sender's address\n"
	          "C: MAIL FROM:<>\n" OK "C: RCPT TO:<>\n"
	          "S: 501 5.1.3 that is no recipient's address\n"
	          "C: RCPT TO:<unqualified>\n"
	          "S: 501 5.1.3 that is no recipient's address\n"
	          "C: RCPT FROM:<a@b>\n"
	          "S: 501 5.5.4 say MAIL FROM:<address>, RCPT TO:<address>\n"
	          "C: RCPT TO:<Postmaster>\n"
	          "S: 250 2.1.5 recipient ok\n"
	          "C: RCPT TO:<\"quoted \\\"part\"@[192.0.2.7]>\n"
	          "S: 250 2.1.5 recipient ok\n",
	    NULL);
}
END_TEST

static void after_params(struct rig *rig)
{
	rig_expect_story(rig, "connect\n"
	                      "helo client.example\n"
	                      "mail <a@b> size=1000 8bit utf8\n"
	                      "reset command\n"
	                      "mail <a@b>\n"
	                      "reset command\n"
	                      "mail <a@b> size=36700160 8bit\n");
}

START_TEST(parameters)
{
	rig_play(patient,
	    HELLO "C: MAIL FROM:<a@b> SIZE=1000 BODY=8BITMIME SMTPUTF8\n" OK RSET
	          "C: MAIL FROM:<a@b> BODY=7bit\n" OK RSET "C: MAIL FROM:<a@b> SIZE=\n"
	          "S: 501 5.5.4 that parameter has no such value\n"
	          "C: MAIL FROM:<a@b> SIZE\n"
	          "S: 501 5.5.4 that parameter has no such value\n"
	          "C: MAIL FROM:<a@b> SIZE=-1\n"
	          "S: 501 5.5.4 that parameter has no such value\n"
	          "C: MAIL FROM:<a@b> SIZE=100000000000000000000\n"
	          "S: 501 5.5.4 that parameter has no such value\n"
	          "C: MAIL FROM:<a@b> SIZE=36700161\n"
	          "S: 552 5.3.4 the message is larger than this server takes\n"
	          "C: MAIL FROM:<a@b> SIZE=18446744073709551616\n"
	          "S: 552 5.3.4 the message is larger than this server takes\n"
	          "C: MAIL FROM:<a@b> BODY=BINARYMIME\n"
	          "S: 501 5.5.4 that parameter has no such value\n"
	          "C: MAIL FROM:<a@b> BODY\n"
	          "S: 501 5.5.4 that parameter has no such value\n"
	          "C: MAIL FROM:<a@b> SMTPUTF8=\n"
	          "S: 501 5.5.4 that parameter has no such value\n"
	          "C: MAIL FROM:<a@b> SIZE=1 SIZE=2\n"
	          "S: 501 5.5.4 that parameter was given before\n"
	          "C: MAIL FROM:<a@b> RET=HDRS\n"
	          "S: 555 5.5.4 that parameter is not known here\n"
	          "C: MAIL FROM:<a@b> AUTH=<>\n"
	          "S: 555 5.5.4 that parameter is not known here\n"
	          "C: MAIL FROM:<a@b> =\n"
	          "S: 555 5.5.4 that parameter is not known here\n"
	          "C: MAIL FROM:<a@b>  size=36700160  body=8bitmime\n" OK
	          "C: RCPT TO:<a@b> NOTIFY=NEVER\n"
	          "S: 555 5.5.4 that parameter is not known here\n"
	          "C: RCPT TO:<a@b> SIZE=1\n"
	          "S: 555 5.5.4 that parameter is not known here\n",
	    after_params);
}
END_TEST

START_TEST(helo_has_none)
{
	rig_play(NULL,
	    GREETING "C: HELO client.example\n"
	             "S: 250 mx.example\n"
	             "C: MAIL FROM:<a@b> SIZE=1\n"
	             "S: 555 5.5.4 parameters need EHLO\n"
	             "C: MAIL FROM:<a@b>\n" OK,
	    NULL);
}
END_TEST

/* -- SMTPUTF8 (RFC 6531 3.3, 3.4) ------------------------------------------------ */

static void after_utf8(struct rig *rig)
{
	rig_expect_story(rig, "connect\n"
	                      "helo client.example\n"
	                      "mail <jos\xc3\xa9@b> utf8\n"
	                      "rcpt 0 <\xc3\xbc@\xc3\xa4.example> \xc3\xbc at \xc3\xa4.example\n"
	                      "reset command\n"
	                      "mail <a@b>\n");
}

START_TEST(utf8)
{
	rig_play(NULL,
	    HELLO "C= MAIL FROM:<jos\\xc3\\xa9@b>\\r\\n\n"
	          "S: 553 5.6.7 addresses beyond ASCII need SMTPUTF8\n"
	          "C= MAIL FROM:<jos\\xc3@b> SMTPUTF8\\r\\n\n"
	          "S: 501 5.1.7 that is no sender's address\n"
	          "C= MAIL FROM:<jos\\xc3\\xa9@b> SMTPUTF8\\r\\n\n" OK
	          "C= RCPT TO:<\\xc3\\xbc@\\xc3\\xa4.EXAMPLE>\\r\\n\n"
	          "S: 250 2.1.5 recipient ok\n" RSET "C: MAIL FROM:<a@b>\n" OK
	          "C= RCPT TO:<\\xc3\\xbc@x>\\r\\n\n"
	          "S: 553 5.6.7 addresses beyond ASCII need SMTPUTF8\n",
	    after_utf8);
}
END_TEST

static void ascii_only(struct rig *rig)
{
	rig->config.no_smtputf8 = true;
	rig->config.no_pipelining = true;
}

START_TEST(utf8_not_offered)
{
	rig_play(ascii_only,
	    GREETING "C: EHLO client.example\n"
	             "S: 250-mx.example\n"
	             "S: 250-SIZE 36700160\n"
	             "S: 250-8BITMIME\n"
	             "S: 250-CHUNKING\n"
	             "S: 250-LIMITS MAILMAX=100 RCPTMAX=1000\n"
	             "S: 250 ENHANCEDSTATUSCODES\n"
	             "C: MAIL FROM:<a@b> SMTPUTF8\n"
	             "S: 555 5.5.4 that parameter is not known here\n"
	             "C= MAIL FROM:<jos\\xc3\\xa9@b>\\r\\n\n"
	             "S: 553 5.6.7 addresses beyond ASCII need SMTPUTF8\n",
	    NULL);
}
END_TEST

/* -- AUTH= (RFC 4954 5) ------------------------------------------------------------ */

static void with_auth(struct rig *rig)
{
	static const char *const users[] = { "tim", "tanstaaftanstaaf", NULL };

	patient(rig);
	rig->config.auth = msv_test_auth(rig->test, users);
	rig->config.auth_in_clear = true;
}

static void after_auth(struct rig *rig)
{
	rig_expect_story(rig, "connect\n"
	                      "helo client.example\n"
	                      "mail <a@b> auth=<>\n"
	                      "reset command\n"
	                      "mail <a@b> auth=<>\n"
	                      "reset command\n"
	                      "mail <a@b> auth=e+m=c@example.com\n");
}

START_TEST(auth)
{
	rig_play(with_auth,
	    HELLO "C: MAIL FROM:<a@b> AUTH=<>\n" OK RSET
	          /* Who has not logged in is not believed. */
	          "C: MAIL FROM:<a@b> AUTH=e+2Bmc2@example.com\n" OK RSET
	          "C: AUTH PLAIN AHRpbQB0YW5zdGFhZnRhbnN0YWFm\n"
	          "S: 235 2.7.0 logged in\n"
	          "C: MAIL FROM:<a@b> AUTH=\n"
	          "S: 501 5.5.4 that parameter has no such value\n"
	          "C: MAIL FROM:<a@b> AUTH\n"
	          "S: 501 5.5.4 that parameter has no such value\n"
	          "C: MAIL FROM:<a@b> AUTH=e+2bmc@example.com\n"
	          "S: 501 5.5.4 that parameter has no such value\n"
	          "C: MAIL FROM:<a@b> AUTH=e+2\n"
	          "S: 501 5.5.4 that parameter has no such value\n"
	          "C: MAIL FROM:<a@b> AUTH=e+\n"
	          "S: 501 5.5.4 that parameter has no such value\n"
	          "C: MAIL FROM:<a@b> AUTH=e=m@example.com\n"
	          "S: 501 5.5.4 that parameter has no such value\n"
	          /* A line end does not get in by this way. */
	          "C: MAIL FROM:<a@b> AUTH=e+0D+0Am@example.com\n"
	          "S: 501 5.5.4 that parameter has no such value\n"
	          "C: MAIL FROM:<a@b> AUTH=\"e+0A\"@example.com\n"
	          "S: 501 5.5.4 that parameter has no such value\n"
	          "C: MAIL FROM:<a@b> AUTH=\"e+00\"@example.com\n"
	          "S: 501 5.5.4 that parameter has no such value\n"
	          "C: MAIL FROM:<a@b> AUTH=unqualified\n"
	          "S: 501 5.5.4 that parameter has no such value\n"
	          "C: MAIL FROM:<a@b> AUTH=e+2Bm+3Dc@example.com\n" OK,
	    after_auth);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("smtp/params");

	check_case(s, "parameters", forms, parameters, helo_has_none);
	check_case(s, "utf8", utf8, utf8_not_offered);
	check_case(s, "auth", auth);
	return check_main(s);
}
