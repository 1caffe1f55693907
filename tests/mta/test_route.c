/* RCPT and MAIL: who may send what to whom, and where it goes. */
#include "outbox.h"

#define HELLO  "S* 220 *\nC: EHLO client.example\nS~\nS* 250 *\n"
#define LOGIN  HELLO "C: AUTH PLAIN AGFubmFAZXhhbXBsZS5vcmcAYQ==\nS* 235 *\n" /* anna */
#define DATA   "C: DATA\nS* 354 *\nC: Subject: x\nC:\nC: body\nC: .\n"
#define QUIT   "C: QUIT\nS* 221 *\nX:\n"
#define TAKEN  DATA "S* 250 2.0.0 Delivered, id *\n"
#define QUEUED DATA "S* 250 2.0.0 Queued, id *\n"

static char text[65536];
static struct rig rig;

/* -- Other hosts --------------------------------------------------------------------- */

START_TEST(who_logged_in_sends_to_the_world)
{
	outbox_open(&rig, _i, NULL, NULL);
	rig_play(&rig, MSV_SMTP_SUBMISSION,
	    LOGIN "C: MAIL FROM:<anna@example.org> RET=HDRS ENVID=e1\nS* 250 *\n"
	          "C: RCPT TO:<carl@else.example> NOTIFY=DELAY ORCPT=rfc822;c@d\nS* 250 2.1.5 *\n"
	          "C: RCPT TO:<dora@else.example>\nS* 250 *\n"
	          "C: RCPT TO:<carl@else.example>\nS* 250 *\n" QUEUED QUIT);
	outbox_expect(&rig,
	    "remote carl@else.example via else.example from <anna@example.org> notify 8 orcpt "
	    "rfc822;c@d envid e1 ret 2\n"
	    "remote dora@else.example via else.example from <anna@example.org> envid e1 ret 2\n");
	ck_assert_ptr_eq(strstr(outbox.body, "Received: from client.example "), outbox.body);
	ck_assert_ptr_nonnull(strstr(outbox.body, "\r\nDate: "));
	ck_assert_ptr_nonnull(strstr(outbox.body, "\r\nMessage-ID: <"));
	ck_assert_ptr_nonnull(strstr(outbox.body, "\r\nSubject: x\r\n\r\nbody\r\n"));
	ck_assert_ptr_null(strstr(outbox.body, "Return-Path"));
	const char *log = msv_test_log(rig.test);
	ck_assert_ptr_nonnull(strstr(log, "mta accepted session=s1 peer=192.0.2.7 "
	                                  "user=anna@example.org id="));
	ck_assert_ptr_nonnull(strstr(log, "mta queued session=s1 "));
	ck_assert_ptr_nonnull(strstr(log, " to=dora@else.example via=else.example "));
	outbox_close(&rig);
}
END_TEST

START_TEST(strangers_do_not)
{
	outbox_open(&rig, _i, NULL, NULL);
	rig_play(&rig, MSV_SMTP_MX,
	    HELLO "C: MAIL FROM:<x@y.example>\nS* 250 *\n"
	          "C: RCPT TO:<carl@else.example>\nS* 550 5.7.1 Relaying denied*\n"
	          "C: RCPT TO:<anna@example.org>\nS* 250 *\n" TAKEN QUIT);
	rig_play(&rig, MSV_SMTP_LMTP,
	    "S* 220 *\nC: LHLO client.example\nS~\nS* 250 *\n"
	    "C: MAIL FROM:<x@y.example>\nS* 250 *\n"
	    "C: RCPT TO:<carl@else.example>\nS* 550 5.1.2 *\n" QUIT);
	outbox_expect(&rig, "");
	outbox_close(&rig);
}
END_TEST

static void with_routes(struct msv_mta_options *options)
{
	static const struct msv_mta_route routes[] = {
		{ .size = sizeof *routes, .domain = "backup.example", .accept = true },
		{ .size = sizeof *routes,
		    .domain = ".lists.example",
		    .kind = MSV_ROUTE_LMTP,
		    .path = "/run/lists",
		    .accept = true },
		{ .size = sizeof *routes,
		    .kind = MSV_ROUTE_SMARTHOST,
		    .host = "smart.example",
		    .tls = MSV_SMTP_TLS_OFF },
	};
	options->routes = routes;
	options->nroutes = 3;
}

/* A backup MX, and a gateway in front of another host. */
START_TEST(routes_that_accept)
{
	outbox_open(&rig, _i, NULL, with_routes);
	rig_play(&rig, MSV_SMTP_MX,
	    HELLO "C: MAIL FROM:<x@y.example>\nS* 250 *\n"
	          "C: RCPT TO:<carl@Backup.example>\nS* 250 *\n"
	          "C: RCPT TO:<dev@a.lists.example>\nS* 250 *\n"
	          "C: RCPT TO:<carl@else.example>\nS* 550 5.7.1 *\n" QUEUED QUIT);
	outbox_empty(&rig);
	ck_assert_ptr_nonnull(strstr(outbox.text, "remote carl@backup.example via backup.example "
	                                          "from <x@y.example>\n"));
	ck_assert_ptr_nonnull(
	    strstr(outbox.text, "remote dev@a.lists.example via lmtp:/run/lists from <x@y."));
	rig_play(&rig, MSV_SMTP_SUBMISSION,
	    LOGIN "C: MAIL FROM:<anna@example.org>\nS* 250 *\n"
	          "C: RCPT TO:<carl@else.example>\nS* 250 *\n" QUEUED QUIT);
	outbox_expect(
	    &rig, "remote carl@else.example via smart.example:587 from <anna@example.org>\n");
	outbox_close(&rig);
}
END_TEST

/* -- Aliases -------------------------------------------------------------------------- */

START_TEST(aliases_lead_on)
{
	outbox_open(&rig, _i,
	    "team: anna, bert, carl@else.example\n"
	    "bert@example.com: anna\n"
	    "nobody: /dev/null\n"
	    "ghost: missing\n"
	    "partly: missing, anna\n"
	    "@example.com: @example.org\n",
	    NULL);
	rig_play(&rig, MSV_SMTP_MX,
	    HELLO "C: MAIL FROM:<x@y.example>\nS* 250 *\n"
	          "C: RCPT TO:<team@example.org>\nS* 250 *\n"
	          "C: RCPT TO:<bert@example.com>\nS* 250 *\n"
	          "C: RCPT TO:<anna@example.com>\nS* 250 *\n"
	          "C: RCPT TO:<ghost@example.org>\nS* 550 5.1.1 *\n"
	          "C: RCPT TO:<partly@example.org>\nS* 250 *\n"
	          "C: RCPT TO:<none@example.com>\nS* 550 5.1.1 *\n"
	          "C: RCPT TO:<nobody@example.org>\nS* 250 *\n" QUEUED QUIT);
	/* However many ways lead there, one copy arrives. */
	ck_assert_int_eq(rig_count(&rig, "anna@example.org", "INBOX", 1, text), 1);
	ck_assert_ptr_nonnull(strstr(text, "\r\nDelivered-To: anna@example.org\r\n"
	                                   "X-Original-To: team@example.org\r\n"));
	ck_assert_int_eq(rig_count(&rig, "bert@example.org", "INBOX", 0, NULL), 1);
	outbox_expect(&rig, "remote carl@else.example via else.example from <x@y.example> orcpt "
	                    "rfc822;team@example.org\n");
	/* Two recipients and more: none is named. */
	ck_assert_ptr_null(strstr(outbox.body, "team@"));
	ck_assert_ptr_nonnull(strstr(msv_test_log(rig.test), "mta alias: a target gets no mail"));
	outbox_close(&rig);
}
END_TEST

START_TEST(what_is_dropped_needs_nobody)
{
	outbox_open(&rig, _i, "nobody: /dev/null\n", NULL);
	rig_play(&rig, MSV_SMTP_MX,
	    HELLO "C: MAIL FROM:<x@y.example>\nS* 250 *\n"
	          "C: RCPT TO:<nobody@example.org>\nS* 250 *\n" TAKEN QUIT);
	ck_assert_ptr_nonnull(strstr(msv_test_log(rig.test), "mta discarded "));
	outbox_expect(&rig, "");
	outbox_close(&rig);
}
END_TEST

/* A forwarded message that comes back is known again. */
START_TEST(loops)
{
	outbox_open(&rig, _i, "away: carl@else.example\nboth: anna, bert\n", NULL);
	rig_play(&rig, MSV_SMTP_MX,
	    HELLO "C: MAIL FROM:<x@y.example>\nS* 250 *\n"
	          "C: RCPT TO:<away@example.org>\nS* 250 *\n" QUEUED QUIT);
	ck_assert_int_eq(outbox_empty(&rig), 1);
	ck_assert_ptr_eq(strstr(outbox.body, "Delivered-To: away@example.org\r\n"), outbox.body);
	rig_play(&rig, MSV_SMTP_MX,
	    HELLO "C: MAIL FROM:<x@y.example>\nS* 250 *\n"
	          "C: RCPT TO:<away@example.org>\nS* 250 *\n"
	          "C: DATA\nS* 354 *\nC: Delivered-To: Away@example.org\nC:\nC: .\n"
	          "S* 554 5.4.6 *\n" QUIT);
	outbox_expect(&rig, "");
	/* One of two had it before: the other gets it. */
	rig_play(&rig, MSV_SMTP_MX,
	    HELLO "C: MAIL FROM:<x@y.example>\nS* 250 *\n"
	          "C: RCPT TO:<both@example.org>\nS* 250 *\n"
	          "C: DATA\nS* 354 *\nC: Delivered-To: anna@example.org\nC:\nC: .\nS* 250 *\n"
	          "C: MAIL FROM:<x@y.example>\nS* 250 *\n"
	          "C: RCPT TO:<both@example.org>\nS* 250 *\n"
	          "C: DATA\nS* 354 *\nC: Delivered-To: anna@example.org\n"
	          "C: Delivered-To: bert@example.org\nC:\nC: .\nS* 554 5.4.6 *\n" QUIT);
	ck_assert_int_le(rig_count(&rig, "anna@example.org", "INBOX", 0, NULL), 0);
	ck_assert_int_eq(rig_count(&rig, "bert@example.org", "INBOX", 0, NULL), 1);
	outbox_close(&rig);
}
END_TEST

static void run_nothing(void *self, const char *const *argv, const char *const *environment, int fd,
    uint32_t timeout_ms, struct msv_program_op op)
{
	(void)self, (void)argv, (void)environment, (void)timeout_ms;
	close(fd);
	msv_program_answer(op, &(struct msv_program_result){ .size = sizeof op, .status = 0 });
}

static void with_programs(struct msv_mta_options *options)
{
	static const struct msv_program_runner runner = { .size = sizeof runner,
		.run = run_nothing };
	options->programs = &runner;
}

START_TEST(programs)
{
	static const char file[] = "robot: \"|/bin/a b\", \"|/bin/c\", anna\n";
	outbox_open(&rig, _i, file, with_programs);
	rig_play(&rig, MSV_SMTP_MX,
	    HELLO "C: MAIL FROM:<x@y.example>\nS* 250 *\n"
	          "C: RCPT TO:<robot@example.org>\nS* 250 *\n" QUEUED QUIT);
	outbox_expect(&rig,
	    "program robot@example.org via program from <x@y.example> account robot orcpt "
	    "rfc822;robot@example.org\n"
	    "program robot@example.org via program from <x@y.example> account robot mailbox 1 "
	    "orcpt "
	    "rfc822;robot@example.org\n");
	ck_assert_int_eq(rig_count(&rig, "anna@example.org", "INBOX", 0, NULL), 1);
	outbox_close(&rig);
	/* Nobody runs them: the mail waits where it is. */
	outbox_open(&rig, _i, "robot: \"|/bin/a b\"\n", NULL);
	rig_play(&rig, MSV_SMTP_MX,
	    HELLO "C: MAIL FROM:<x@y.example>\nS* 250 *\n"
	          "C: RCPT TO:<robot@example.org>\nS* 451 *\n" QUIT);
	outbox_close(&rig);
}
END_TEST

/* RFC 3461 5.2.7: what is asked of aliases and lists. */
START_TEST(notify_of_aliases)
{
	outbox_open(&rig, _i,
	    "one: carl@else.example\nsome: c1@else.example, c2@else.example\n"
	    "list: l1@else.example\nowner-list: anna\n",
	    NULL);
	rig_play(&rig, MSV_SMTP_MX,
	    HELLO "C: MAIL FROM:<x@y.example> ENVID=e\nS* 250 *\n"
	          "C: RCPT TO:<one@example.org> NOTIFY=SUCCESS ORCPT=rfc822;a@b\nS* 250 *\n" QUEUED
	          "C: MAIL FROM:<x@y.example>\nS* 250 *\n"
	          "C: RCPT TO:<some@example.org> NOTIFY=SUCCESS,FAILURE\nS* 250 *\n" QUEUED QUIT);
	outbox_empty(&rig);
	ck_assert_ptr_nonnull(
	    strstr(outbox.text, "remote carl@else.example via else.example from <x@y.example> "
	                        "notify 2 orcpt rfc822;a@b envid e\n"));
	ck_assert_ptr_nonnull(strstr(outbox.text, "remote c1@else.example via else.example from "
	                                          "<x@y.example> notify 4 orcpt "
	                                          "rfc822;some@example.org\n"));
	/* The sender is told what the address was made of. */
	ck_assert_ptr_nonnull(strstr(outbox.text, "remote x@y.example via y.example from <> "
	                                          "notify 1 bounce\n"));
	rig_play(&rig, MSV_SMTP_MX,
	    HELLO "C: MAIL FROM:<x@y.example> ENVID=e\nS* 250 *\n"
	          "C: RCPT TO:<list@example.org> NOTIFY=NEVER ORCPT=rfc822;a@b\nS* 250 *\n" QUEUED
	          "C: MAIL FROM:<>\nS* 250 *\n"
	          "C: RCPT TO:<list@example.org>\nS* 250 *\n" QUEUED QUIT);
	outbox_expect(&rig,
	    "remote l1@else.example via else.example from <owner-list@example.org>\n"
	    "remote l1@else.example via else.example from <>\n");
	outbox_close(&rig);
}
END_TEST

START_TEST(success_is_told)
{
	outbox_open(&rig, _i, NULL, NULL);
	rig_play(&rig, MSV_SMTP_MX,
	    HELLO "C: MAIL FROM:<x@y.example>\nS* 250 *\n"
	          "C: RCPT TO:<anna@example.org> NOTIFY=SUCCESS\nS* 250 *\n"
	          "C: RCPT TO:<bert@example.org>\nS* 250 *\n" TAKEN QUIT);
	outbox_expect(&rig, "remote x@y.example via y.example from <> notify 1 bounce\n");
	ck_assert_ptr_nonnull(strstr(outbox.body, "Action: delivered\r\n"));
	ck_assert_ptr_nonnull(strstr(outbox.body, "anna@example.org"));
	ck_assert_ptr_null(strstr(outbox.body, "Final-Recipient: rfc822; bert@"));
	ck_assert_ptr_nonnull(strstr(outbox.body, "Subject: x\r\n"));
	/* Never to nobody, and to our own as any mail. */
	rig_play(&rig, MSV_SMTP_MX,
	    HELLO "C: MAIL FROM:<>\nS* 250 *\n"
	          "C: RCPT TO:<anna@example.org> NOTIFY=SUCCESS\nS* 250 *\n" TAKEN
	          "C: MAIL FROM:<bert@example.org>\nS* 250 *\n"
	          "C: RCPT TO:<anna@example.org> NOTIFY=SUCCESS\nS* 250 *\n" TAKEN QUIT);
	outbox_expect(&rig,
	    "local bert@example.org via local from <> account bert@example.org mailbox INBOX "
	    "notify 1 bounce\n");
	outbox_close(&rig);
}
END_TEST

/* -- Senders --------------------------------------------------------------------------- */

static void with_senders(struct msv_mta_options *options)
{
	static const struct msv_mta_pair senders[] = { { "anna@example.org", "@shop.example" } };
	options->senders = senders;
	options->nsenders = 1;
}

START_TEST(who_may_send_as_whom)
{
	outbox_open(&rig, _i, "info: anna\nsales: bert\n", with_senders);
	rig_play(&rig, MSV_SMTP_SUBMISSION,
	    LOGIN "C: MAIL FROM:<bert@example.org>\nS* 553 5.7.1 *anna@example.org*\n"
	          "C: MAIL FROM:<x@y.example>\nS* 553 5.7.1 *\n"
	          "C: MAIL FROM:<sales@example.org>\nS* 553 5.7.1 *\n"
	          "C: MAIL FROM:<anna+x@example.org>\nS* 250 *\nC: RSET\nS* 250 *\n"
	          "C: MAIL FROM:<info@example.org>\nS* 250 *\nC: RSET\nS* 250 *\n"
	          "C: MAIL FROM:<a@shop.example>\nS* 250 *\nC: RSET\nS* 250 *\n"
	          "C: MAIL FROM:<>\nS* 250 *\n" QUIT);
	/* Strangers are not asked who they are. */
	rig_play(&rig, MSV_SMTP_MX, HELLO "C: MAIL FROM:<bert@example.org>\nS* 250 *\n" QUIT);
	outbox_close(&rig);
}
END_TEST

static void any_sender(struct msv_mta_options *options)
{
	options->any_sender = true;
}

START_TEST(any_sender_may)
{
	outbox_open(&rig, _i, NULL, any_sender);
	rig_play(&rig, MSV_SMTP_SUBMISSION, LOGIN "C: MAIL FROM:<x@y.example>\nS* 250 *\n" QUIT);
	outbox_close(&rig);
}
END_TEST

static void with_masquerade(struct msv_mta_options *options)
{
	static const struct msv_mta_pair pairs[] = { { "@in.example.org", "@example.org" } };
	options->masquerade = pairs;
	options->nmasquerade = 1;
}

START_TEST(masquerading)
{
	outbox_open(&rig, _i, NULL, with_masquerade);
	rig_play(&rig, MSV_SMTP_SUBMISSION,
	    LOGIN "C: MAIL FROM:<anna@in.example.org>\nS* 250 *\n"
	          "C: RCPT TO:<carl@else.example>\nS* 250 *\n"
	          "C: DATA\nS* 354 *\nC: From: Anna <anna@in.example.org>\nC: Subject: y\nC:\n"
	          "C: From: anna@in.example.org\nC: .\nS* 250 *\n"
	          "C: MAIL FROM:<anna@in.example.org>\nS* 250 *\n"
	          "C: RCPT TO:<carl@else.example>\nS* 250 *\n"
	          "C: DATA\nS* 354 *\nC: From: Anna <anna@in.example.org>\nC: .\nS* 250 *\n" QUIT);
	ck_assert_int_eq(outbox_empty(&rig), 2);
	ck_assert_str_eq(outbox.text,
	    "remote carl@else.example via else.example from <anna@example.org>\n"
	    "remote carl@else.example via else.example from <anna@example.org>\n");
	ck_assert_ptr_nonnull(strstr(outbox.body, "\r\nFrom: Anna <anna@example.org>\r\n"));
	/* Others' mail stays as it is. */
	rig_play(&rig, MSV_SMTP_MX,
	    HELLO "C: MAIL FROM:<x@in.example.org>\nS* 250 *\n"
	          "C: RCPT TO:<anna@example.org>\nS* 250 *\n"
	          "C: DATA\nS* 354 *\nC: From: x@in.example.org\nC:\nC: .\nS* 250 *\n" QUIT);
	rig_count(&rig, "anna@example.org", "INBOX", 1, text);
	ck_assert_ptr_nonnull(strstr(text, "From: x@in.example.org\r\n"));
	outbox_close(&rig);
}
END_TEST

/* -- SRS -------------------------------------------------------------------------------- */

static void with_srs(struct msv_mta_options *options)
{
	static const char *const secrets[] = { "a secret of ours" };
	options->srs_secrets = secrets;
	options->nsrs_secrets = 1;
}

START_TEST(srs_there_and_back)
{
	char address[300], script[2048];
	outbox_open(&rig, _i, "away: carl@else.example\n", with_srs);
	rig_play(&rig, MSV_SMTP_MX,
	    HELLO "C: MAIL FROM:<x@y.example>\nS* 250 *\n"
	          "C: RCPT TO:<away@example.org>\nS* 250 *\n" QUEUED QUIT);
	ck_assert_int_eq(outbox_empty(&rig), 1);
	const char *from = strstr(outbox.text, "from <SRS0=");
	ck_assert_ptr_nonnull(from);
	ck_assert_int_eq(sscanf(from, "from <%299[^>]>", address), 1);
	ck_assert_ptr_nonnull(strstr(address, "=y.example=x@example.org"));
	/* A bounce finds its way, others' inventions do not. */
	snprintf(script, sizeof script,
	    HELLO "C: MAIL FROM:<>\nS* 250 *\n"
	          "C: RCPT TO:<%s>\nS* 250 *\n"
	          "C: RCPT TO:<SRS0=AAAA=BB=y.example=z@example.org>\nS* 550 5.7.1 *\n"
	          "C: RCPT TO:<SRS0=AAAA@example.org>\nS* 550 5.1.1 *\n"
	          "C: RCPT TO:<SRS0=AAAA=BB=y.example=z@example.com>\nS* 550 5.1.1 *\n" QUEUED QUIT,
	    address);
	rig_play(&rig, MSV_SMTP_MX, script);
	outbox_empty(&rig);
	ck_assert_ptr_eq(
	    strstr(outbox.text, "remote x@y.example via y.example from <>"), outbox.text);
	/* Senders of our own domains and nobody stay. */
	rig_play(&rig, MSV_SMTP_MX,
	    HELLO "C: MAIL FROM:<anna@example.com>\nS* 250 *\n"
	          "C: RCPT TO:<away@example.org>\nS* 250 *\n" QUEUED "C: MAIL FROM:<>\nS* 250 *\n"
	          "C: RCPT TO:<away@example.org>\nS* 250 *\n" QUEUED QUIT);
	outbox_empty(&rig);
	ck_assert_ptr_nonnull(strstr(outbox.text, "from <anna@example.com>"));
	ck_assert_ptr_nonnull(strstr(outbox.text, "from <>"));
	/* And too late is too late. */
	for (int day = 0; day < 40; day++)
		msv_test_advance(rig.test, 24 * 3600 * 1000);
	snprintf(script, sizeof script,
	    HELLO "C: MAIL FROM:<>\nS* 250 *\nC: RCPT TO:<%s>\nS* 550 5.7.1 *expired*\n" QUIT,
	    address);
	rig_play(&rig, MSV_SMTP_MX, script);
	outbox_close(&rig);
}
END_TEST

/* -- The rest ---------------------------------------------------------------------------- */

START_TEST(paused)
{
	outbox_open(&rig, _i, NULL, NULL);
	msv_mta_pause(rig.mta, MSV_MTA_IN, true);
	ck_assert(msv_mta_paused(rig.mta, MSV_MTA_IN));
	ck_assert(msv_mta_paused(rig.mta, MSV_MTA_OUT));
	rig_play(&rig, MSV_SMTP_MX, HELLO "C: MAIL FROM:<>\nS* 421 4.3.2 *\nX:\n");
	msv_mta_pause(rig.mta, MSV_MTA_IN, false);
	rig_play(&rig, MSV_SMTP_MX, HELLO "C: MAIL FROM:<>\nS* 250 *\n" QUIT);
	outbox_close(&rig);
}
END_TEST

/* So many leaves and no more. */
START_TEST(too_many_recipients)
{
	static char file[300000];
	size_t n = (size_t)sprintf(file, "a: ");
	for (int i = 0; i < 6000; i++)
		n += (size_t)sprintf(file + n, "a%d@else.example, ", i);
	n += (size_t)sprintf(file + n, "anna\nb: ");
	for (int i = 0; i < 6000; i++)
		n += (size_t)sprintf(file + n, "b%d@else.example, ", i);
	sprintf(file + n, "anna\n");
	outbox_open(&rig, false, file, NULL);
	rig_play(&rig, MSV_SMTP_MX,
	    HELLO "C: MAIL FROM:<x@y.example>\nS* 250 *\n"
	          "C: RCPT TO:<a@example.org>\nS* 250 *\n"
	          "C: RCPT TO:<b@example.org>\nS* 452 4.5.3 *\n"
	          "C: RCPT TO:<bert@example.org>\nS* 452 4.5.3 *\n" QUEUED QUIT);
	ck_assert_int_eq(rig_count(&rig, "anna@example.org", "INBOX", 0, NULL), 1);
	struct msv_queue_stats stats = { .size = sizeof stats };
	msv_queue_stats(rig.queue, &stats);
	ck_assert_uint_eq(stats.recipients, 6000);
	ck_assert_uint_eq(stats.messages, 1);
	outbox_close(&rig);
}
END_TEST

/* Options that cannot be. */
START_TEST(options_that_are_wrong)
{
	static const struct msv_mta_pair broken[] = { { "a@b\nc: d", "x@y" } };
	static const char *const secrets[] = { "s" };
	struct rig r;
	struct msv_mta *mta = NULL;
	rig_open(&r, false);
	struct msv_mta_options options = { .size = sizeof options,
		.auth = msv_test_auth(r.test, (const char *const[]){ NULL }),
		.store = &r.store,
		.srs_secrets = secrets,
		.nsrs_secrets = 1 };
	ck_assert_int_eq(msv_mta_new(r.env, &options, &mta), MSV_ERR_INVAL);
	options.nsrs_secrets = 0;
	options.senders = broken;
	options.nsenders = 1;
	ck_assert_int_eq(msv_mta_new(r.env, &options, &mta), MSV_ERR_FORMAT);
	options.auth = NULL;
	ck_assert_int_eq(msv_mta_new(r.env, &options, &mta), MSV_ERR_INVAL);
	rig_close(&r);
}
END_TEST

/* Included files come from the embedder. */
static int read_some(void *user, const char *path, const char **p, size_t *n)
{
	ck_assert_str_eq(path, "/lists/some");
	if (*(int *)user)
		return *(int *)user;
	*p = "bert\n";
	*n = 5;
	return 0;
}

static void on_problem(void *user, const char *line)
{
	(void)user;
	strncat(text, line, 1000);
}

START_TEST(included_files)
{
	int error = MSV_ERR_BUSY;
	struct msv_mta_aliases aliases = { .size = sizeof aliases,
		.file = "aliases",
		.text = "some: :include:/lists/some\nbroken\n",
		.n = 34,
		.read = read_some,
		.problem = on_problem,
		.user = &error };
	outbox_open(&rig, _i, "some: anna\n", NULL);
	text[0] = '\0';
	ck_assert_int_eq(msv_mta_set_aliases(rig.mta, &aliases), MSV_ERR_BUSY);
	ck_assert_str_eq(text, "");
	rig_play(&rig, MSV_SMTP_MX,
	    HELLO
	    "C: MAIL FROM:<>\nS* 250 *\nC: RCPT TO:<some@example.org>\nS* 250 *\n" TAKEN QUIT);
	ck_assert_int_eq(rig_count(&rig, "anna@example.org", "INBOX", 0, NULL), 1);
	error = 0;
	ck_assert_int_eq(msv_mta_set_aliases(rig.mta, &aliases), 0);
	ck_assert_ptr_eq(strstr(text, "aliases:2: "), text);
	rig_play(&rig, MSV_SMTP_MX,
	    HELLO
	    "C: MAIL FROM:<>\nS* 250 *\nC: RCPT TO:<some@example.org>\nS* 250 *\n" TAKEN QUIT);
	ck_assert_int_eq(rig_count(&rig, "bert@example.org", "INBOX", 0, NULL), 1);
	outbox_close(&rig);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("mta/route");
	TCase *tc = tcase_create("route");
	const TTest *tests[] = { who_logged_in_sends_to_the_world, strangers_do_not,
		routes_that_accept, aliases_lead_on, what_is_dropped_needs_nobody, loops, programs,
		notify_of_aliases, success_is_told, who_may_send_as_whom, any_sender_may,
		masquerading, srs_there_and_back, paused, included_files };
	tcase_set_timeout(tc, 60);
	for (size_t i = 0; i < sizeof tests / sizeof *tests; i++)
		tcase_add_loop_test(tc, tests[i], 0, 2);
	tcase_add_test(tc, too_many_recipients);
	tcase_add_test(tc, options_that_are_wrong);
	suite_add_tcase(s, tc);
	return check_main(s);
}
