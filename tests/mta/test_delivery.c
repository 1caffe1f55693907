/* Recipients, trace fields and the two phases of a delivery. */
#include "rig.h"

static char text[65536];

static void on_plain(void *user, int error, const void *result)
{
	(void)result;
	*(int *)user = error;
}

static void create(struct rig *rig, const char *name)
{
	struct msv_actor actor = { .size = sizeof actor, .user = "anna@example.org" };
	int error = 1;
	rig->store.create(rig->store.self, &actor, name, 0, msv_op_new(rig->env, on_plain, &error));
	msv_test_advance(rig->test, 1000);
	ck_assert_int_eq(error, 0);
}

START_TEST(mx_delivers)
{
	struct rig rig;
	rig_open(&rig, _i);
	rig_play(&rig, MSV_SMTP_MX,
	    "S* 220 *\nC: EHLO client.example\nS~\nS* 250 *\n"
	    "C: MAIL FROM:<carl@example.net>\nS* 250 2.1.0 *\n"
	    "C: RCPT TO:<anna@EXAMPLE.org>\nS* 250 2.1.5 *\n"
	    "C: DATA\nS* 354 *\n"
	    "C: Subject: x\nC:\nC: ..dot\nC: .\nS* 250 2.0.0 *\n"
	    "C: QUIT\nS* 221 *\nX:\n");
	ck_assert_int_eq(rig_count(&rig, "anna@example.org", "INBOX", 1, text), 1);
	ck_assert_ptr_eq(
	    strstr(text, "Return-Path: <carl@example.net>\r\nDelivered-To: anna@"), text);
	ck_assert_ptr_nonnull(
	    strstr(text, "\r\nReceived: from client.example ([192.0.2.7])\r\n\tby "
	                 "mx.example.org with ESMTP\r\n\tid "));
	ck_assert_ptr_nonnull(strstr(text, " for <anna@"));
	ck_assert_ptr_nonnull(strstr(text, ">;\r\n\t"));
	ck_assert_ptr_nonnull(strstr(text, " +0000\r\nSubject: x\r\n\r\n.dot\r\n"));
	const char *log =
	    strstr(msv_test_log(rig.test), "mta delivered session=s1 peer=192.0.2.7 id=");
	ck_assert_ptr_nonnull(log);
	ck_assert_ptr_nonnull(strstr(log,
	    " from=carl@example.net to=anna@example.org account=anna@example.org mailbox=INBOX "
	    "uid=1 size=20 result=250\n"));
	rig_close(&rig);
}
END_TEST

START_TEST(recipients)
{
	struct rig rig;
	rig_open(&rig, _i);
	create(&rig, "lists");
	rig_play(&rig, MSV_SMTP_MX,
	    "S* 220 *\nC: EHLO client.example\nS~\nS* 250 *\n"
	    "C: MAIL FROM:<>\nS* 250 *\n"
	    "C: RCPT TO:<nobody@example.org>\nS* 550 5.1.1 *\n"
	    "C: RCPT TO:<scanner@example.org>\nS* 550 5.1.1 *\n"
	    "C: RCPT TO:<carl@example.net>\nS* 550 5.7.1 Relaying denied*\n"
	    "C: RCPT TO:<anna@example.com>\nS* 550 5.1.1 *\n"
	    "C: RCPT TO:<anna+lists@example.org>\nS* 250 2.1.5 *\n"
	    "C: RCPT TO:<anna+other@example.org>\nS* 250 2.1.5 *\n"
	    "C: RCPT TO:<anna@example.org>\nS* 250 2.1.5 *\n"
	    "C: RCPT TO:<plus+sign@example.org>\nS* 250 2.1.5 *\n"
	    "C: RCPT TO:<postmaster>\nS* 250 2.1.5 *\n"
	    "C: RCPT TO:<Postmaster@example.com>\nS* 250 2.1.5 *\n"
	    "C: RCPT TO:<\"anna+../x\"@example.org>\nS* 250 2.1.5 *\n"
	    "C: DATA\nS* 354 *\nC: Subject: x\nC:\nC: .\nS* 250 2.0.0 *\n"
	    "C: QUIT\nS* 221 *\nX:\n");
	ck_assert_int_eq(rig_count(&rig, "anna@example.org", "lists", 1, text), 1);
	/* Blind copies stay blind, and one mailbox gets one copy. */
	ck_assert_ptr_null(strstr(text, " for <"));
	ck_assert_int_eq(rig_count(&rig, "anna@example.org", "INBOX", 0, NULL), 1);
	ck_assert_int_eq(rig_count(&rig, "plus+sign@example.org", "INBOX", 0, NULL), 1);
	ck_assert_int_eq(rig_count(&rig, "bert@example.org", "INBOX", 0, NULL), 1);
	rig_close(&rig);
}
END_TEST

#ifdef HAVE_IDN2
/* A domain beyond ASCII is the same in every spelling. */
START_TEST(other_spellings)
{
	struct rig rig;
	rig_open(&rig, _i);
	rig_play(&rig, MSV_SMTP_MX,
	    "S* 220 *\nC: EHLO client.example\nS~\nS* 250 *\n"
	    "C: MAIL FROM:<> SMTPUTF8\nS* 250 *\n"
	    "C: RCPT TO:<carl@XN--BCHER-KVA.example>\nS* 250 2.1.5 *\n"
	    "C= RCPT TO:<carl@B\\xc3\\x9cCHER.example>\\r\\n\nS* 250 2.1.5 *\n"
	    "C= RCPT TO:<carl@b\\xc3\\xa4cher.example>\\r\\n\nS* 550 5.7.1 *\n"
	    "C: DATA\nS* 354 *\nC: Subject: x\nC:\nC: .\nS* 250 *\n"
	    "C: QUIT\nS* 221 *\nX:\n");
	ck_assert_int_eq(rig_count(&rig,
	                     "carl@b\xc3\xbc"
	                     "cher.example",
	                     "INBOX", 1, text),
	    1);
	ck_assert_ptr_nonnull(strstr(text, "with UTF8SMTP\r\n"));
	rig_close(&rig);
}
END_TEST
#endif

/* RFC 5321 4.5.1: mail for the postmaster is taken when there is any. */
START_TEST(postmasters)
{
	static const char *const with[] = { "postmaster@example.org", "p", NULL };
	static const char *const without[] = { "anna@example.org", "a", NULL };
	static const char *const domains[] = { "example.org", "a.example", "b.example" };
	for (int i = 0; i < 2; i++) {
		struct rig rig;
		rig_open(&rig, _i);
		msv_mta_free(rig.mta);
		struct msv_mta_options options = { .size = sizeof options,
			.domains = domains,
			.ndomains = 3,
			.auth = msv_test_auth(rig.test, i ? without : with),
			.store = &rig.store };
		ck_assert_int_eq(msv_mta_new(rig.env, &options, &rig.mta), 0);
		rig.config.handler = msv_mta_handler(rig.mta);
		rig.config.user = rig.mta;
		char script[1024];
		snprintf(script, sizeof script,
		    "S* 220 *\nC: EHLO client.example\nS~\nS* 250 *\n"
		    "C: MAIL FROM:<>\nS* 250 *\n"
		    "C: RCPT TO:<Postmaster>\nS* %s *\n"
		    "C: RCPT TO:<postmaster@b.example>\nS* %s *\n"
		    "C: RCPT TO:<POSTMASTER@example.org>\nS* %s *\n"
		    "C: RCPT TO:<postmaster@elsewhere.example>\nS* 550 5.7.1 *\n",
		    i ? "550 5.1.1" : "250 2.1.5", i ? "550 5.1.1" : "250 2.1.5",
		    i ? "550 5.1.1" : "250 2.1.5");
		rig_play(&rig, MSV_SMTP_MX, script);
		rig_close(&rig);
	}
}
END_TEST

START_TEST(submission)
{
	struct rig rig;
	rig_open(&rig, _i);
	/* \0anna@example.org\0a */
	rig_play(&rig, MSV_SMTP_SUBMISSION,
	    "S* 220 *\nC: EHLO client.example\nS~\nS* 250 *\n"
	    "C: AUTH PLAIN AGFubmFAZXhhbXBsZS5vcmcAYQ==\nS* 235 *\n"
	    "C: MAIL FROM:<anna@example.org>\nS* 250 *\n"
	    "C: RCPT TO:<carl@example.net>\nS* 554 5.3.2 *\n"
	    "C: RCPT TO:<bert@example.org>\nS* 250 *\n"
	    "C: DATA\nS* 354 *\nC: Subject: no date\nC:\nC: .\nS* 250 *\n"
	    "C: MAIL FROM:<anna@example.org>\nS* 250 *\n"
	    "C: RCPT TO:<bert@example.org>\nS* 250 *\n"
	    "C: DATA\nS* 354 *\nC: Date: today\nC: Message-ID: <x@y>\nC:\nC: .\nS* 250 *\n"
	    "C: QUIT\nS* 221 *\nX:\n");
	ck_assert_int_eq(rig_count(&rig, "bert@example.org", "INBOX", 1, text), 2);
	ck_assert_ptr_nonnull(strstr(text, "with ESMTPA\r\n"));
	ck_assert_ptr_nonnull(strstr(text, "\r\nDate: "));
	ck_assert_ptr_nonnull(strstr(text, "@mx.example.org>\r\nSubject: no date"));
	rig_count(&rig, "bert@example.org", "INBOX", 2, text);
	ck_assert_ptr_null(strstr(strstr(text, "Date: today"), "\nDate: "));
	ck_assert_ptr_null(strstr(text, "@mx.example.org>\r\n"));
	rig_close(&rig);
}
END_TEST

START_TEST(loop_is_refused)
{
	struct rig rig;
	rig_open(&rig, false);
	rig_play(&rig, MSV_SMTP_MX,
	    "S* 220 *\nC: EHLO client.example\nS~\nS* 250 *\n"
	    "C: MAIL FROM:<>\nS* 250 *\nC: RCPT TO:<anna@example.org>\nS* 250 *\n"
	    "C: DATA\nS* 354 *\nC: delivered-to:  ANNA@example.org\nC:\nC: .\nS* 554 5.4.6 *\n"
	    "C: QUIT\nS* 221 *\nX:\n");
	ck_assert_int_le(rig_count(&rig, "anna@example.org", "INBOX", 0, NULL), 0);
	rig_close(&rig);
}
END_TEST

/* -- Failures ------------------------------------------------------------------------ */

static unsigned fail_at, calls;
static void (*real_prepare)(void *self, struct msv_append *append, struct msv_op *op);
static void (*real_abort)(void *self, struct msv_append *append);
static void (*real_commit)(void *self, struct msv_append *append, struct msv_copy_op op);

static void failing_prepare(void *self, struct msv_append *append, struct msv_op *op)
{
	if (calls++ == fail_at)
		msv_op_answer(op, MSV_ERR_NOSPACE);
	else
		real_prepare(self, append, op);
}

static void failing_commit(void *self, struct msv_append *append, struct msv_copy_op op)
{
	if (calls++ == fail_at) {
		/* The transaction is gone whatever the answer. */
		real_abort(self, append);
		msv_op_answer(op.op, MSV_ERR_IO);
	} else {
		real_commit(self, append, op);
	}
}

static const char two_recipients[] =
    "S* 220 *\nC: EHLO client.example\nS~\nS* 250 *\n"
    "C: MAIL FROM:<>\nS* 250 *\n"
    "C: RCPT TO:<anna@example.org>\nS* 250 *\nC: RCPT TO:<bert@example.org>\nS* 250 *\n"
    "C: DATA\nS* 354 *\nC: Subject: x\nC:\nC: .\nS* %s *\n"
    "C: QUIT\nS* 221 *\nX:\n";

START_TEST(failure_before_the_first_is_visible)
{
	struct rig rig;
	char script[1024];
	for (fail_at = 0; fail_at < 2; fail_at++) {
		rig_open(&rig, _i);
		real_prepare = rig.store.append_prepare;
		rig.store.append_prepare = failing_prepare;
		calls = 0;
		snprintf(script, sizeof script, two_recipients, "452 4.3.1");
		rig_play(&rig, MSV_SMTP_MX, script);
		ck_assert_int_le(rig_count(&rig, "anna@example.org", "INBOX", 0, NULL), 0);
		ck_assert_int_le(rig_count(&rig, "bert@example.org", "INBOX", 0, NULL), 0);
		rig_close(&rig);
	}
}
END_TEST

START_TEST(lmtp_answers_each)
{
	struct rig rig;
	rig_open(&rig, false);
	real_prepare = rig.store.append_prepare;
	rig.store.append_prepare = failing_prepare;
	calls = 0;
	fail_at = 0;
	rig_play(&rig, MSV_SMTP_LMTP,
	    "S* 220 *\nC: LHLO client.example\nS~\nS* 250 *\n"
	    "C: MAIL FROM:<>\nS* 250 *\n"
	    "C: RCPT TO:<anna@example.org>\nS* 250 *\nC: RCPT TO:<carl@example.net>\nS* 550 5.1.2 "
	    "*\n"
	    "C: RCPT TO:<anna+a@example.org>\nS* 250 *\nC: RCPT TO:<bert@example.org>\nS* 250 *\n"
	    "C: DATA\nS* 354 *\nC: Subject: x\nC:\nC: .\n"
	    "S* 452 4.3.1 *\nS* 452 4.3.1 *\nS* 250 2.1.5 *\n"
	    "C: QUIT\nS* 221 *\nX:\n");
	ck_assert_int_le(rig_count(&rig, "anna@example.org", "INBOX", 0, NULL), 0);
	ck_assert_int_eq(rig_count(&rig, "bert@example.org", "INBOX", 0, NULL), 1);
	rig_close(&rig);
}
END_TEST

/* A copy that fails when others are visible is tried again, a few times. */
START_TEST(a_commit_that_fails_is_tried_again)
{
	struct rig rig;
	char script[1024];
	for (fail_at = 0; fail_at < 3; fail_at++) {
		rig_open(&rig, _i);
		real_abort = rig.store.append_abort;
		real_commit = rig.store.append_commit;
		rig.store.append_commit = failing_commit;
		calls = 0;
		snprintf(script, sizeof script, two_recipients, "250 2.0.0");
		rig_play(&rig, MSV_SMTP_MX, script);
		ck_assert_uint_eq(calls, fail_at < 2 ? 3 : 2);
		ck_assert_int_eq(rig_count(&rig, "anna@example.org", "INBOX", 0, NULL), 1);
		ck_assert_int_eq(rig_count(&rig, "bert@example.org", "INBOX", 0, NULL), 1);
		rig_close(&rig);
	}
}
END_TEST

static void broken_commit(void *self, struct msv_append *append, struct msv_copy_op op)
{
	if (calls++ > 0) {
		real_abort(self, append);
		msv_op_answer(op.op, MSV_ERR_IO);
	} else {
		real_commit(self, append, op);
	}
}

/* But when it stays so the sender is not told that all is well. */
START_TEST(a_commit_that_stays_broken_is_never_250)
{
	struct rig rig;
	char script[1024];
	rig_open(&rig, _i);
	real_abort = rig.store.append_abort;
	real_commit = rig.store.append_commit;
	rig.store.append_commit = broken_commit;
	calls = 0;
	snprintf(script, sizeof script, two_recipients, "451 4.3.0");
	rig_play(&rig, MSV_SMTP_MX, script);
	ck_assert_uint_eq(calls, 5);
	const char *log = msv_test_log(rig.test);
	ck_assert_ptr_nonnull(strstr(log, "mta delivered "));
	ck_assert_ptr_nonnull(strstr(log, "mta failed "));
	rig_close(&rig);
}
END_TEST

/* A full mailbox: refused for good when it is the only one. */
static void full_begin(
    void *self, const struct msv_actor *actor, const char *mailbox, struct msv_append_op op)
{
	(void)self;
	(void)actor;
	(void)mailbox;
	msv_op_answer(op.op, MSV_ERR_QUOTA);
}

START_TEST(full_mailboxes)
{
	struct rig rig;
	char script[1024];
	rig_open(&rig, _i);
	rig.store.append_begin = full_begin;
	snprintf(script, sizeof script, two_recipients, "452 4.2.2");
	rig_play(&rig, MSV_SMTP_MX, script);
	rig_play(&rig, MSV_SMTP_MX,
	    "S* 220 *\nC: EHLO client.example\nS~\nS* 250 *\n"
	    "C: MAIL FROM:<>\nS* 250 *\nC: RCPT TO:<anna@example.org>\nS* 250 *\n"
	    "C: DATA\nS* 354 *\nC: Subject: x\nC:\nC: .\nS* 552 5.2.2 *\n"
	    "C: QUIT\nS* 221 *\nX:\n");
	rig_play(&rig, MSV_SMTP_LMTP,
	    "S* 220 *\nC: LHLO client.example\nS~\nS* 250 *\n"
	    "C: MAIL FROM:<>\nS* 250 *\nC: RCPT TO:<anna@example.org>\nS* 250 *\n"
	    "C: DATA\nS* 354 *\nC: Subject: x\nC:\nC: .\nS* 452 4.2.2 *\n"
	    "C: QUIT\nS* 221 *\nX:\n");
	rig_close(&rig);
}
END_TEST

/* On LMTP only the recipient that had it before refuses it. */
START_TEST(loop_of_one)
{
	struct rig rig;
	rig_open(&rig, _i);
	rig_play(&rig, MSV_SMTP_LMTP,
	    "S* 220 *\nC: LHLO client.example\nS~\nS* 250 *\n"
	    "C: MAIL FROM:<>\nS* 250 *\nC: RCPT TO:<anna@example.org>\nS* 250 *\n"
	    "C: RCPT TO:<bert@example.org>\nS* 250 *\n"
	    "C: DATA\nS* 354 *\nC: Delivered-To: anna@example.org\nC:\nC: .\n"
	    "S* 554 5.4.6 *\nS* 250 2.1.5 *\n"
	    "C: QUIT\nS* 221 *\nX:\n");
	ck_assert_int_le(rig_count(&rig, "anna@example.org", "INBOX", 0, NULL), 0);
	ck_assert_int_eq(rig_count(&rig, "bert@example.org", "INBOX", 0, NULL), 1);
	rig_close(&rig);
}
END_TEST

START_TEST(a_peer_that_leaves)
{
	struct rig rig;
	struct msv_peer peer = { .size = sizeof peer, .address = "192.0.2.7" };
	static const char all[] =
	    "EHLO c\r\nMAIL FROM:<>\r\nRCPT TO:<anna@example.org>\r\n"
	    "RCPT TO:<bert@example.org>\r\nDATA\r\nSubject: x\r\n\r\nbody\r\n.\r\n";
	/* After each number of bytes, and of turns of the loop. */
	for (size_t n = 1; n <= sizeof all - 1; n += 3)
		for (int turns = 0; turns < 6; turns++) {
			struct msv_conn *conn;
			rig_open(&rig, true);
			rig.config.role = MSV_SMTP_MX;
			ck_assert_int_eq(
			    msv_smtp_server_new(rig.env, &rig.config, &peer, &conn), 0);
			msv_conn_input(conn, all, n);
			for (int i = 0; i < turns; i++)
				msv_test_advance(rig.test, 1);
			msv_conn_free(conn);
			msv_test_run(rig.test);
			rig_close(&rig);
		}
}
END_TEST

/* A body that is too large for memory goes through a file and comes out whole. */
START_TEST(large_body)
{
	struct rig rig = { 0 };
	char *script = malloc(200000);
	size_t n;
	ck_assert_int_eq(msv_test_env_new(1, &rig.test), 0);
	rig.env = msv_test_env(rig.test);
	ck_assert_int_eq(rig_try(&rig, _i, "/tmp", 1000), 0);
	n = (size_t)sprintf(script, "S* 220 *\nC: EHLO c\nS~\nS* 250 *\nC: MAIL FROM:<>\nS* 250 *\n"
	                            "C: RCPT TO:<anna@example.org>\nS* 250 *\nC: DATA\nS* 354 *\n"
	                            "C: Subject: x\nC:\n");
	for (int i = 0; i < 1000; i++)
		n += (size_t)sprintf(script + n, "C: line %04d\n", i);
	sprintf(script + n, "C: .\nS* 250 *\nC: QUIT\nS* 221 *\nX:\n");
	rig_play(&rig, MSV_SMTP_MX, script);
	free(script);
	rig_count(&rig, "anna@example.org", "INBOX", 1, text);
	char *p = strstr(text, "\r\n\r\n") + 4;
	for (int i = 0; i < 1000; i++) {
		char line[32];
		sprintf(line, "line %04d\r\n", i);
		ck_assert_int_eq(strncmp(p, line, strlen(line)), 0);
		p += strlen(line);
	}
	ck_assert_str_eq(p, "");
	rig_close(&rig);
}
END_TEST

START_TEST(spool_that_cannot_be_written)
{
	struct rig rig = { 0 };
	ck_assert_int_eq(msv_test_env_new(1, &rig.test), 0);
	rig.env = msv_test_env(rig.test);
	ck_assert_int_eq(rig_try(&rig, false, "/nonexistent/spool", 10), 0);
	rig_play(&rig, MSV_SMTP_MX,
	    "S* 220 *\nC: EHLO c\nS~\nS* 250 *\nC: MAIL FROM:<>\nS* 250 *\n"
	    "C: RCPT TO:<anna@example.org>\nS* 250 *\nC: DATA\nS* 354 *\nC: Subject: longer than "
	    "ten\n"
	    "C:\nC: .\nS* 451 *\nC: QUIT\nS* 221 *\nX:\n");
	ck_assert_ptr_nonnull(strstr(msv_test_log(rig.test), "spool=/nonexistent/spool"));
	rig_close(&rig);
}
END_TEST

/* With each allocation failing in turn a message is either refused for now or
 * delivered whole - and nothing leaks. */
START_TEST(every_allocation_fails)
{
	static const char all[] = "EHLO c\r\nMAIL FROM:<>\r\nRCPT TO:<anna+x@example.org>\r\n"
	                          "DATA\r\nSubject: x\r\n\r\nbody\r\n.\r\nQUIT\r\n";
	struct msv_peer peer = { .size = sizeof peer, .address = "192.0.2.7" };
	for (uint64_t n = 0;; n++) {
		struct rig rig = { 0 };
		struct msv_conn *conn = NULL;
		ck_assert_int_eq(msv_test_env_new(1, &rig.test), 0);
		rig.env = msv_test_env(rig.test);
		uint64_t before = msv_test_allocs(rig.test);
		msv_test_fail_alloc(rig.test, n, _i);
		bool accepted = false;
		if (rig_try(&rig, false, NULL, 0) == 0) {
			rig.config.role = MSV_SMTP_MX;
			if (msv_smtp_server_new(rig.env, &rig.config, &peer, &conn) == 0) {
				msv_conn_input(conn, all, sizeof all - 1);
				for (int i = 0; i < 20; i++)
					msv_test_advance(rig.test, 10);
				struct msv_span out = msv_test_take_output(rig.test, conn);
				accepted = out.p &&
				           memmem(out.p, out.n, "250 2.0.0 ", 10) != NULL &&
				           memmem(out.p, out.n, "id ", 3) != NULL;
			}
		}
		bool all_done = msv_test_allocs(rig.test) - before <= n;
		msv_test_fail_alloc(rig.test, UINT64_MAX, false);
		msv_conn_free(conn);
		if (rig.memory)
			msv_test_run(rig.test);
		if (accepted)
			ck_assert_int_eq(rig_count(&rig, "anna@example.org", "INBOX", 0, NULL), 1);
		rig_close(&rig);
		if (all_done) {
			ck_assert(accepted);
			break;
		}
	}
}
END_TEST

int main(void)
{
	Suite *s = suite_create("delivery");
	TCase *tc = tcase_create("delivery");
	tcase_set_timeout(tc, 60);
	tcase_add_loop_test(tc, mx_delivers, 0, 2);
	tcase_add_loop_test(tc, recipients, 0, 2);
	tcase_add_loop_test(tc, postmasters, 0, 2);
	tcase_add_loop_test(tc, submission, 0, 2);
#ifdef HAVE_IDN2
	tcase_add_loop_test(tc, other_spellings, 0, 2);
#endif
	tcase_add_test(tc, loop_is_refused);
	tcase_add_loop_test(tc, failure_before_the_first_is_visible, 0, 2);
	tcase_add_test(tc, lmtp_answers_each);
	tcase_add_loop_test(tc, a_commit_that_fails_is_tried_again, 0, 2);
	tcase_add_loop_test(tc, a_commit_that_stays_broken_is_never_250, 0, 2);
	tcase_add_loop_test(tc, full_mailboxes, 0, 2);
	tcase_add_loop_test(tc, loop_of_one, 0, 2);
	tcase_add_test(tc, a_peer_that_leaves);
	tcase_add_loop_test(tc, large_body, 0, 2);
	tcase_add_test(tc, spool_that_cannot_be_written);
	tcase_add_loop_test(tc, every_allocation_fails, 0, 2);
	suite_add_tcase(s, tc);
	return check_main(s);
}
