/* FUTURERELEASE (RFC 4865): mail that is submitted now to be sent later.  The test
 * clock begins at 2026-01-01T00:00:00Z. */
#include "smtp/rig.h"

#define OK   "S: 250 2.1.0 sender ok\n"
#define NO   "S: 501 5.5.4 that parameter has no such value\n"
#define LONG "S: 501 5.5.4 mail is not held for so long\n"
#define RSET \
	"C: RSET\n" \
	"S: 250 2.0.0 ok\n"
#define MAIL(params) "C: MAIL FROM:<a@b>" params "\n"
#define TOMORROW     "2026-01-02T00:00:00Z"
#define EXPECTED     "FUTURERELEASE 86400 " TOMORROW "\r\n"
#define UNKNOWN      "S: 555 5.5.4 that parameter is not known here\n"

static void submission(struct rig *rig)
{
	rig->config.role = MSV_SMTP_SUBMISSION;
	rig->config.no_auth_needed = true;
	rig->config.future_release_max_s = 86400;
	rig->config.errors_max = rig->config.errors_soft = 1000;
}

static void mx(struct rig *rig)
{
	submission(rig);
	rig->config.role = MSV_SMTP_MX;
}

static void lmtp(struct rig *rig)
{
	submission(rig);
	rig->config.role = MSV_SMTP_LMTP;
}

/* What EHLO says of it. */
static const char *offer(struct rig *rig, const char *hello)
{
	rig_connection(rig);
	msv_conn_input(rig->conn, hello, strlen(hello));
	return strstr(msv_test_take_output(rig->test, rig->conn).p, "FUTURERELEASE");
}

START_TEST(offered_for_submission_alone)
{
	static struct rig rig;

	rig_start(&rig);
	submission(&rig);
	const char *line = offer(&rig, "EHLO c\r\n");
	ck_assert_ptr_nonnull(line);
	ck_assert_int_eq(strncmp(line, EXPECTED, sizeof(EXPECTED) - 1), 0);
	rig_stop(&rig);
	rig_start(&rig);
	mx(&rig);
	ck_assert_ptr_null(offer(&rig, "EHLO c\r\n"));
	rig_stop(&rig);
	rig_start(&rig);
	lmtp(&rig);
	ck_assert_ptr_null(offer(&rig, "LHLO c\r\n"));
	rig_stop(&rig);
}
END_TEST

START_TEST(elsewhere)
{
	rig_play(mx, HELLO MAIL(" HOLDFOR=60") UNKNOWN, NULL);
	rig_play(NULL, HELLO MAIL(" HOLDUNTIL=" TOMORROW) UNKNOWN, NULL);
}
END_TEST

static void after_hold(struct rig *rig)
{
	rig_expect_story(rig, "connect\n"
	                      "helo client.example\n"
	                      "mail <a@b> hold=for;1=1767225601000000\n"
	                      "reset command\n"
	                      "mail <a@b> hold=for;86400=1767312000000000\n"
	                      "reset command\n"
	                      "mail <a@b> hold=until;2026-01-02T00:00:00Z=1767312000000000\n"
	                      "reset command\n"
	                      "mail <a@b> hold=until;2026-01-01t00:00:00.5z=1767225600000000\n"
	                      "reset command\n"
	                      "mail <a@b>\n");
}

START_TEST(forms)
{
	rig_play(submission,
	    HELLO MAIL(" HOLDFOR=1") OK RSET MAIL(" holdfor=86400")
	        OK RSET MAIL(" HOLDUNTIL=" TOMORROW)
	            OK RSET MAIL(" holduntil=2026-01-01t00:00:00.5z") OK RSET MAIL("") OK,
	    after_hold);
}
END_TEST

START_TEST(refused)
{
	rig_play(submission,
	    HELLO MAIL(" HOLDFOR=86401") LONG MAIL(" HOLDFOR=999999999") LONG MAIL(
	        " HOLDFOR=1000000000") NO MAIL(" HOLDFOR=0") NO MAIL(" HOLDFOR=01")
	        NO MAIL(" HOLDFOR=") NO MAIL(" HOLDFOR") NO MAIL(" HOLDFOR=-1") NO MAIL(
	            " HOLDFOR=1h") NO MAIL(" HOLDUNTIL=2026-01-02T00:00:01Z") LONG MAIL(" HOLDUNTIL"
	                                                                                "=9999-12-"
	                                                                                "31T23:59:"
	                                                                                "59Z") LONG
	            MAIL(" HOLDUNTIL=2025-12-31T23:59:59Z") "S: 501 5.5.4 that time is over\n" MAIL(
	                " HOLDUNTIL=0000-01-01T00:00:00Z") "S: 501 5.5.4 that time is over\n" MAIL(" HOLDUNTIL=2026-02-30T00:00:00Z")
	                NO MAIL(" HOLDUNTIL=2026-01-01T24:00:00Z")
	                    NO MAIL(" HOLDUNTIL=2026-01-01T00:00:00") NO MAIL(
	                        " HOLDUNTIL=2026-01-01T00:00:00+00:00")
	                        NO MAIL(" HOLDUNTIL=2026-01-01T00:00:00.Z") NO MAIL(
	                            " HOLDUNTIL=2026-1-1T00:00:00Z") NO MAIL(" HOLDUNTIL=")
	                            NO MAIL(" HOLDUNTIL") NO MAIL(" HOLDUNTIL=tomorrow") NO MAIL(
	                                " HOLDUNTIL=2026-01-01T00:00:00."
	                                "0000000000000000000000000000000000000000000000000000Z") NO,
	    NULL);
}
END_TEST

/* RFC 4865 4.2: one of the two, once. */
START_TEST(one_only)
{
	rig_play(submission,
	    HELLO MAIL(
	        " HOLDFOR=60 HOLDUNTIL=" TOMORROW) "S: 501 5.5.4 HOLDFOR and HOLDUNTIL do not go "
	                                           "together\n" MAIL(
	                                               " HOLDUNTIL=" TOMORROW
	                                               " HOLDFOR=60") "S: 501 5.5.4 "
	                                                              "HOLDFOR and "
	                                                              "HOLDUNTIL do "
	                                                              "not go "
	                                                              "together"
	                                                              "\n" MAIL(
	                                                                  " HOL"
	                                                                  "DFOR"
	                                                                  "=60 "
	                                                                  "HOLD"
	                                                                  "FOR="
	                                                                  "60") "S: 501 5.5.4 that "
	                                                                        "parameter was "
	                                                                        "given before\n",
	    NULL);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("smtp/hold");

	check_case(s, "offer", offered_for_submission_alone, elsewhere);
	check_case(s, "parameters", forms, refused, one_only);
	return check_main(s);
}
