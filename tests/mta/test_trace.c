/* Trace fields (RFC 5321 4.4) and what submission adds (RFC 6409 8). */
#include <mailserv/testing.h>
#include <string.h>

#include "check_main.h"
#include "mta/mta.h"

static struct msv_test_env *test;
static struct msv_mta mta;
static struct mta_transaction t;
static struct mta_leaf r;
static struct mta_rcpt rcpt;
static struct msv_buf out;

static void setup(void)
{
	ck_assert_int_eq(msv_test_env_new(0, &test), 0);
	mta = (struct msv_mta){ .env = msv_test_env(test), .hostname = "mx.example.org" };
	r = (struct mta_leaf){ .address = "bob@example.org" };
	rcpt = (struct mta_rcpt){ .address = "bob@example.org" };
	t = (struct mta_transaction){ .mta = &mta,
		.origin = { .role = MSV_SMTP_MX,
		    .session_id = "s1",
		    .peer_address = "192.0.2.7",
		    .peer_name = "",
		    .helo = "client.example",
		    .with = "ESMTP",
		    .tls = "",
		    .account = "" },
		.from = "ann@client.example",
		.id = "0001",
		.rcpts = &rcpt,
		.nrcpts = 1 };
	msv_buf_init(&out, mta.env);
}

static void teardown(void)
{
	msv_buf_fini(&out);
	ck_assert_uint_eq(msv_test_env_free(test), 0);
}

static void expect(const char *text)
{
	msv_buf_clear(&out);
	ck_assert_int_eq(msv_mta_trace(&out, &t, &r), 0);
	ck_assert_str_eq(msv_buf_cstr(&out), text);
}

#define DATE "Thu, 1 Jan 2026 00:00:00 +0000"

START_TEST(plain)
{
	expect("Return-Path: <ann@client.example>\r\n"
	       "Delivered-To: bob@example.org\r\n"
	       "Received: from client.example ([192.0.2.7])\r\n"
	       "\tby mx.example.org with ESMTP\r\n"
	       "\tid 0001 for <bob@example.org>;\r\n"
	       "\t" DATE "\r\n");
	t.from = "";
	t.nrcpts = 2;
	expect("Return-Path: <>\r\n"
	       "Delivered-To: bob@example.org\r\n"
	       "Received: from client.example ([192.0.2.7])\r\n"
	       "\tby mx.example.org with ESMTP\r\n"
	       "\tid 0001;\r\n"
	       "\t" DATE "\r\n");
}
END_TEST

/* What aliases made of an address. */
START_TEST(forwarded)
{
	r = (struct mta_leaf){ .address = "bert@example.org", .forwarded = true };
	expect("Return-Path: <ann@client.example>\r\n"
	       "Delivered-To: bert@example.org\r\n"
	       "X-Original-To: bob@example.org\r\n"
	       "Received: from client.example ([192.0.2.7])\r\n"
	       "\tby mx.example.org with ESMTP\r\n"
	       "\tid 0001 for <bob@example.org>;\r\n"
	       "\t" DATE "\r\n");
	r.sender = "owner-bob@example.org";
	msv_buf_clear(&out);
	ck_assert_int_eq(msv_mta_trace(&out, &t, &r), 0);
	ck_assert_ptr_eq(strstr(msv_buf_cstr(&out), "Return-Path: <owner-bob@example.org>\r\n"),
	    msv_buf_cstr(&out));
}
END_TEST

START_TEST(peers)
{
	t.origin.peer_address = "2001:db8::1";
	t.origin.peer_name = "host.example";
	t.origin.with = "ESMTPS";
	t.origin.tls = "TLSv1.3";
	expect("Return-Path: <ann@client.example>\r\n"
	       "Delivered-To: bob@example.org\r\n"
	       "Received: from client.example (host.example [IPv6:2001:db8::1])\r\n"
	       "\tby mx.example.org with ESMTPS (TLSv1.3)\r\n"
	       "\tid 0001 for <bob@example.org>;\r\n"
	       "\t" DATE "\r\n");
	t.origin.peer_address = t.origin.peer_name = t.origin.helo = "";
	ck_assert_int_eq(msv_mta_trace(&out, &t, &r), 0);
	ck_assert_ptr_nonnull(strstr(msv_buf_cstr(&out), "Received: from unknown (local)\r\n"));
}
END_TEST

/* A peer's words do not make fields, comments or domains of their own. */
START_TEST(hostile_words)
{
	t.origin.helo = "a) by mx\r\nX-Evil: yes";
	t.origin.peer_name = "b[1]); <x>";
	ck_assert_int_eq(msv_mta_trace(&out, &t, &r), 0);
	const char *text = msv_buf_cstr(&out);
	ck_assert_ptr_nonnull(
	    strstr(text, "from a??by?mx??X-Evil:?yes (b[1]????x? [192.0.2.7])\r\n"));
	ck_assert_ptr_null(strstr(text, "\nX-Evil"));
}
END_TEST

START_TEST(submission)
{
	t.origin.role = MSV_SMTP_SUBMISSION;
	ck_assert_int_eq(msv_mta_trace(&out, &t, &r), 0);
	ck_assert_ptr_nonnull(strstr(
	    msv_buf_cstr(&out), "\r\nDate: " DATE "\r\nMessage-ID: <0001@mx.example.org>\r\n"));
	msv_buf_clear(&out);
	t.has_date = t.has_message_id = true;
	ck_assert_int_eq(msv_mta_trace(&out, &t, &r), 0);
	ck_assert_ptr_null(strstr(msv_buf_cstr(&out), "\r\nDate:"));
	ck_assert_ptr_null(strstr(msv_buf_cstr(&out), "Message-ID"));
}
END_TEST

START_TEST(no_memory)
{
	msv_test_fail_alloc(test, 0, true);
	ck_assert_int_eq(msv_mta_trace(&out, &t, &r), MSV_ERR_NOMEM);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("mta/trace");
	TCase *tc = tcase_create("trace");
	const TTest *tests[] = { plain, forwarded, peers, hostile_words, submission, no_memory };

	tcase_add_checked_fixture(tc, setup, teardown);
	for (size_t i = 0; i < sizeof(tests) / sizeof(tests[0]); i++)
		tcase_add_test(tc, tests[i]);
	suite_add_tcase(s, tc);
	return check_main(s);
}
