/* Reports read back: what we write, what others write, and what nobody should. */
#include "dsn_sample.h"
#include "message/parsing.h"

/* Writes down what the reader tells, one line a recipient. */
static int tell_result(void *user, const struct msv_dsn_result *r)
{
	struct msv_buf *to = user;
	char status[MSV_STATUS_SIZE];

	msv_status_write(&r->status, status);
	msv_buf_printf(to,
	    "mta=%s envid=%s arrival=%lld %d %s <%s> (%s) host=%s %s: %s %lld %lld\n",
	    r->reporting_mta, r->envid, (long long)r->arrival, (int)r->action, status, r->address,
	    r->orcpt, r->host, r->diagnostic_type, r->diagnostic, (long long)r->last_attempt,
	    (long long)r->will_retry_until);
	return msv_buf_failed(to) ? MSV_ERR_NOMEM : 0;
}

static int read_pieces(const char *p, size_t n, size_t piece)
{
	struct msv_dsn_reader *reader;
	int rc = msv_dsn_reader_new(env, tell_result, &out, &reader);

	for (size_t at = 0; at < n && rc == 0; at += piece)
		rc = msv_dsn_reader_push(reader, p + at, piece < n - at ? piece : n - at);
	if (rc == 0)
		rc = msv_dsn_reader_finish(reader);
	msv_dsn_reader_free(reader);
	return rc;
}

/* What is told of a text, the same in all pieces. */
static const char *told(const char *text)
{
	static char first[16384];
	size_t n = strlen(text);

	for (size_t piece = n + 1; piece > 0; piece = piece > 40 ? 40 : piece - 1) {
		ck_assert_int_eq(read_pieces(text, n, piece), 0);
		const char *again = taken();
		if (piece == n + 1)
			snprintf(first, sizeof first, "%s", again);
		ck_assert_str_eq(again, first);
	}
	return first;
}

/* -- What others write ------------------------------------------------------------ */

/* RFC 3464 appendix, with LF and CRLF. */
START_TEST(examples)
{
	ck_assert_str_eq(told("Reporting-MTA: dns; cs.utk.edu\n"
	                      "\n"
	                      "Original-Recipient: rfc822;louisl@larry.slip.umd.edu\n"
	                      "Final-Recipient: rfc822;louisl@larry.slip.umd.edu\n"
	                      "Action: failed\n"
	                      "Status: 4.0.0\n"
	                      "Diagnostic-Code: smtp; 426 connection timed out\n"
	                      "Last-Attempt-Date: Thu, 7 Jul 1994 17:15:49 -0400\n"),
	    "mta=cs.utk.edu envid= arrival=0 0 4.0.0 <louisl@larry.slip.umd.edu> "
	    "(rfc822;louisl@larry.slip.umd.edu) host= smtp: 426 connection timed out 773615749 "
	    "0\n");
	ck_assert_str_eq(told("Reporting-MTA: dns;mail.example\r\n"
	                      "Original-Envelope-ID: 0123\r\n"
	                      "Arrival-Date: Sun, 22 Nov 2026 20:00:00 +0000\r\n"
	                      "\r\n"
	                      "\r\n"
	                      "Final-Recipient: RFC822; arathib@vnet.ibm.com\r\n"
	                      "Action: Failed (permanently)\r\n"
	                      "Status: 5.1.1 (bad destination)\r\n"
	                      "Diagnostic-Code: smtp;\r\n"
	                      " 550 'arathib@vnet.IBM.COM' is not a\r\n"
	                      "\tregistered gateway user\r\n"
	                      "Remote-MTA: dns; vnet.ibm.com\r\n"
	                      "\r\n"
	                      "Final-Recipient: rfc822;johnh@hpnjld.njd.hp.com\r\n"
	                      "Action: delayed\r\n"
	                      "Status: 4.0.0\r\n"
	                      "Will-Retry-Until: Sun, 22 Nov 2026 20:00:01 +0000\r\n"),
	    "mta=mail.example envid=0123 arrival=1795377600 0 5.1.1 <arathib@vnet.ibm.com> () "
	    "host=vnet.ibm.com smtp: 550 'arathib@vnet.IBM.COM' is not a registered gateway user "
	    "0 0\n"
	    "mta=mail.example envid=0123 arrival=1795377600 1 4.0.0 <johnh@hpnjld.njd.hp.com> () "
	    "host= :  0 1795377601\n");
}
END_TEST

/* As real mailers have it: one group for all, no type, unknown words, junk. */
START_TEST(untidy)
{
	ck_assert_str_eq(told("Reporting-MTA: dns; a;b\n"
	                      "Final-Recipient: bob@example.org\n"
	                      "Action: bounced\n"
	                      "Status: oops\n"
	                      "no field at all\n"
	                      "Action: failed\n"
	                      "\n"
	                      "X-Other: nothing of interest\n"
	                      "\n"
	                      "\n"
	                      "Action: relayed"),
	    "mta=a;b envid= arrival=0 5 0.0.0 <bob@example.org> () host= :  0 0\n"
	    "mta=a;b envid= arrival=0 3 0.0.0 <> () host= :  0 0\n");
	ck_assert_str_eq(told(""), "");
	ck_assert_str_eq(told("\n\n\n"), "");
	ck_assert_str_eq(told("Reporting-MTA: dns; x\n"), "");
}
END_TEST

/* RFC 6533 3: all three forms are one. */
START_TEST(utf8_addresses)
{
	static const char *const forms[] = { "j\\x{F6}rg@x", "j\xc3\xb6rg@x" };

	for (size_t i = 0; i < 2; i++) {
		char text[200];
		snprintf(text, sizeof text,
		    "Final-Recipient: utf-8; %s\nOriginal-Recipient: UTF-8;%s\n", forms[i],
		    forms[i]);
		ck_assert_str_eq(told(text), "mta= envid= arrival=0 5 0.0.0 <j\xc3\xb6rg@x> "
		                             "(utf-8;j\xc3\xb6rg@x) host= :  0 "
		                             "0\n");
	}
	/* What is no such form stays as it is. */
	ck_assert_str_eq(told("Final-Recipient: utf-8;a\\x{0A}b\n"),
	    "mta= envid= arrival=0 5 0.0.0 <a\\x{0A}b> () host= :  0 0\n");
}
END_TEST

/* -- What we write ------------------------------------------------------------------ */

/* Finds the part of that type in a notification and reads it, decoded. */
static int read_part(void *user, const char *p, size_t n)
{
	return msv_dsn_reader_push(user, p, n);
}

static void read_back(const struct msv_dsn *dsn, const char *subtype)
{
	struct msv_buf text;
	struct msv_dsn_reader *reader;
	struct msv_part_reader *decoder;

	msv_buf_init(&text, env);
	ck_assert_int_eq(sample_write(env, dsn, &text, NULL, NULL), 0);
	struct msv_mime *mime = parse_bytes(msv_buf_data(&text), msv_buf_len(&text));
	const struct msv_part *root = msv_mime_root(mime), *part = msv_mime_part(mime, "2");
	struct msv_part_info info = { .size = sizeof info };
	ck_assert_int_eq(msv_part_info(root, &info), 0);
	ck_assert_str_eq(info.subtype, "report");
	ck_assert_str_eq(msv_part_param(root, "report-type"), "delivery-status");
	ck_assert_ptr_nonnull(msv_mime_part(mime, "3"));
	ck_assert_ptr_null(msv_mime_part(mime, "4"));
	ck_assert_int_eq(msv_part_info(part, &info), 0);
	ck_assert_str_eq(info.type, "message");
	ck_assert_str_eq(info.subtype, subtype);
	ck_assert_int_eq(msv_dsn_reader_new(env, tell_result, &out, &reader), 0);
	ck_assert_int_eq(msv_part_reader_new(part, true, read_part, reader, &decoder), 0);
	msv_part_reader_push(decoder, msv_buf_data(&text) + info.body.start, info.body.len);
	msv_part_reader_finish(decoder);
	ck_assert_int_eq(msv_dsn_reader_finish(reader), 0);
	msv_part_reader_free(decoder);
	msv_dsn_reader_free(reader);
	msv_mime_free(mime);
	msv_buf_fini(&text);
}

START_TEST(there_and_back)
{
	struct sample_message message = { .p = sample_text, .n = sizeof sample_text - 1 };
	struct msv_dsn dsn = sample_dsn(&message);

	read_back(&dsn, "delivery-status");
#define MTA "mta=mx.example.org envid=QQ314159 x arrival=1795377600 "
	ck_assert_str_eq(taken(), MTA
	    "0 5.1.1 <bob@example.com> (rfc822;Bob+x@Example.com) host=mx1.example.com smtp: 550 "
	    "5.1.1 <bob@example.com>: Recipient address rejected: User unknown in virtual "
	    "mailbox table 1795377700 0\n" MTA
	    "0 4.4.1 <carol@dead.example> () host=mail.dead.example x-libmailserv: 451 4.4.1 "
	    "Connection timed out 1795723200 0\n" MTA
	    "1 4.3.1 <dave@example.net> () host=mx.example.net smtp: 452 the mailbox is full "
	    "1795392000 1795723200\n" MTA "2 2.1.5 <eve@example.org> () host= :  0 0\n");
}
END_TEST

START_TEST(utf8_there_and_back)
{
	static const struct msv_dsn_recipient recipient = { .action = MSV_DSN_FAILED,
		.address = "j\xc3\xb6rg@\xc3\xa4.example",
		.orcpt = "utf-8;j\xc3\xb6+b=\\c@\xc3\xa4.example" };
	struct sample_message message = { .p = sample_text, .n = sizeof sample_text - 1 };
	struct msv_dsn dsn = sample_dsn(&message);

	dsn.recipients = &recipient;
	dsn.nrecipients = 1;
	dsn.envid = NULL;
	for (int utf8 = 0; utf8 < 2; utf8++) {
		dsn.to = utf8 ? "\xc3\xa4nn@x" : "ann@x";
		read_back(&dsn, utf8 ? "global-delivery-status" : "delivery-status");
		/* As it is, "\c" is no escape and stays. */
		ck_assert_str_eq(taken(),
		    "mta=mx.example.org envid= arrival=1795377600 0 5.0.0 "
		    "<j\xc3\xb6rg@\xc3\xa4.example> (utf-8;j\xc3\xb6+b=\\c@\xc3\xa4.example) "
		    "host= :  0 0\n");
	}
}
END_TEST

/* -- Bounds --------------------------------------------------------------------------- */

static int count_result(void *user, const struct msv_dsn_result *r)
{
	(void)r;
	++*(size_t *)user;
	return 0;
}

START_TEST(many_recipients)
{
	struct msv_dsn_reader *reader;
	size_t count = 0;

	ck_assert_int_eq(msv_dsn_reader_new(env, count_result, &count, &reader), 0);
	for (size_t i = 0; i < MSV_DSN_RECIPIENTS_MAX + 100; i++)
		ck_assert_int_eq(msv_dsn_reader_push(reader, "Action: failed\r\n\r\n", 18), 0);
	ck_assert_int_eq(msv_dsn_reader_finish(reader), 0);
	ck_assert_uint_eq(count, MSV_DSN_RECIPIENTS_MAX);
	msv_dsn_reader_free(reader);
}
END_TEST

/* A field without an end costs no memory. */
START_TEST(endless_field)
{
	static char piece[4096];
	struct msv_dsn_reader *reader;
	size_t count = 0;

	memset(piece, 'x', sizeof piece);
	ck_assert_int_eq(msv_dsn_reader_new(env, count_result, &count, &reader), 0);
	ck_assert_int_eq(msv_dsn_reader_push(reader, "Final-Recipient: rfc822;", 24), 0);
	for (int i = 0; i < 1000; i++)
		ck_assert_int_eq(msv_dsn_reader_push(reader, piece, sizeof piece), 0);
	ck_assert_int_eq(msv_dsn_reader_finish(reader), 0);
	ck_assert_uint_eq(count, 1);
	ck_assert_uint_lt(msv_test_memory_peak(test), 50000);
	msv_dsn_reader_free(reader);
}
END_TEST

static int stop(void *user, const struct msv_dsn_result *r)
{
	(void)user, (void)r;
	return 7;
}

START_TEST(stopped)
{
	struct msv_dsn_reader *reader;

	ck_assert_int_eq(msv_dsn_reader_new(env, stop, NULL, &reader), 0);
	ck_assert_int_eq(msv_dsn_reader_push(reader, "Action: failed\n\n", 16), 7);
	msv_dsn_reader_free(reader);
	ck_assert_int_eq(msv_dsn_reader_new(env, stop, NULL, &reader), 0);
	ck_assert_int_eq(msv_dsn_reader_push(reader, "Action: failed\n", 15), 0);
	ck_assert_int_eq(msv_dsn_reader_finish(reader), 7);
	msv_dsn_reader_free(reader);
}
END_TEST

static int read_something(void)
{
	static const char text[] = "Reporting-MTA: dns; x\n\nFinal-Recipient: utf-8;\\x{E9}@x\n"
	                           "Original-Recipient: rfc822;a@b\nDiagnostic-Code: smtp; 550\n"
	                           "Remote-MTA: dns; y\n\n";
	int rc = read_pieces(text, sizeof text - 1, 9);

	msv_buf_fini(&out);
	return rc;
}

START_TEST(no_memory)
{
	fail_each_alloc(read_something);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("message/dsn_reader");

	buf_case(s, "others", examples, untidy, utf8_addresses);
	buf_case(s, "ours", there_and_back, utf8_there_and_back);
	buf_case(s, "bounds", many_recipients, endless_field, stopped, no_memory);
	return check_main(s);
}
