/* STARTTLS (RFC 3207) and TLS from the first byte (RFC 8314), against a client
 * that is the library's own filter. */
#include "smtp/rig.h"

#include <mailserv/tls.h>
#include <unistd.h>

#define PLAIN_OK "AHRpbQB0YW5zdGFhZnRhbnN0YWFm"

static char dir[64], cert[96], key[96];
static struct rig rig;
static struct msv_tls *tls;

/* -- The client ------------------------------------------------------------------- */

struct bin {
	struct msv_filter_sink sink;
	char p[65536];
	size_t n;
};

static struct msv_filter *client; /* NULL in the clear */
static struct bin heard, wire;    /* what the server said; what is on its way to it */

static int put(struct msv_filter_sink *sink, const void *p, size_t n)
{
	struct bin *bin = (struct bin *)sink;

	ck_assert_uint_lt(n, sizeof(bin->p) - bin->n);
	memcpy(bin->p + bin->n, p, n);
	bin->n += n;
	bin->p[bin->n] = '\0';
	return 0;
}

static void to_server(void)
{
	size_t n = wire.n;

	wire.n = 0;
	if (n)
		msv_conn_input(rig.conn, wire.p, n);
}

static void from_server(struct msv_span out)
{
	if (!client)
		put(&heard.sink, out.p, out.n);
	else
		client->ops->decode(client, out.p, out.n, &heard.sink, &wire.sink);
}

/* Bytes go to and fro until nobody has anything to say. */
static void settle(void)
{
	struct msv_span out;

	do {
		to_server();
		out = msv_test_take_output(rig.test, rig.conn);
		from_server(out);
	} while (out.n || wire.n);
}

/* Says something and returns what the server answered. */
static const char *say(const char *text)
{
	heard.n = 0;
	heard.p[0] = '\0';
	if (client)
		client->ops->encode(client, text, strlen(text), &wire.sink);
	else
		put(&wire.sink, text, strlen(text));
	settle();
	return heard.p;
}

static void start_client(void)
{
	struct msv_tls_client_options options = { .size = sizeof(options),
		.hostname = "mx.example" };

	ck_assert_int_eq(msv_tls_client_filter(rig.env, &options, &client), 0);
	client->ops->decode(client, "", 0, &heard.sink, &wire.sink);
	settle();
	ck_assert(client->ops->ready(client));
}

/* -- The server ------------------------------------------------------------------- */

static void setup(void)
{
	static const char *const users[] = { "tim", "tanstaaftanstaaf", NULL };
	const char *name = "mx.example";

	snprintf(dir, sizeof(dir), "/tmp/msv-smtp-XXXXXX");
	ck_assert_ptr_nonnull(mkdtemp(dir));
	snprintf(cert, sizeof(cert), "%s/cert.pem", dir);
	snprintf(key, sizeof(key), "%s/key.pem", dir);
	rig_start(&rig);
	ck_assert_int_eq(msv_tls_self_signed(rig.env, &name, 1, 30, cert, key), 0);
	struct msv_tls_pair pair = { .size = sizeof(pair), .cert_file = cert, .key_file = key };
	struct msv_tls_options options = { .size = sizeof(options), .pairs = &pair, .npairs = 1 };
	ck_assert_int_eq(msv_tls_new(rig.env, &options, &tls), 0);
	rig.config.role = MSV_SMTP_SUBMISSION;
	rig.config.tls = tls;
	rig.config.auth = msv_test_auth(rig.test, users);
	heard.sink.put = wire.sink.put = put;
	heard.n = wire.n = 0;
}

static void teardown(void)
{
	if (client)
		client->ops->free(client);
	client = NULL;
	msv_conn_free(rig.conn);
	rig.conn = NULL;
	msv_tls_free(tls);
	rig_stop(&rig);
	unlink(cert);
	unlink(key);
	ck_assert_int_eq(rmdir(dir), 0);
}

static void greeted(void)
{
	rig_connection(&rig);
	ck_assert_str_eq(say(""), "220 mx.example ESMTP ready\r\n");
}

static void expect_tls_session(const char *with)
{
	struct msv_smtp_session_info info = { .size = sizeof(info) };

	msv_smtp_session_info(rig.conn, &info);
	ck_assert_str_eq(info.tls, "TLSv1.3");
	ck_assert_str_eq(info.with, with);
}

/* -- Tests -------------------------------------------------------------------------- */

START_TEST(offered_and_done)
{
	greeted();
	const char *answer = say("EHLO client.example\r\n");
	ck_assert_ptr_nonnull(strstr(answer, "250-STARTTLS\r\n"));
	ck_assert_ptr_null(strstr(answer, "AUTH"));
	ck_assert_str_eq(say("AUTH PLAIN " PLAIN_OK "\r\n"),
	    "538 5.7.11 say STARTTLS first: no passwords in the clear\r\n");
	ck_assert_str_eq(say("STARTTLS now\r\n"), "501 5.5.4 no argument is expected\r\n");
	ck_assert_str_eq(say("STARTTLS\r\n"), "220 2.0.0 ready for TLS\r\n");
	start_client();
	answer = say("EHLO client.example\r\n");
	ck_assert_ptr_null(strstr(answer, "STARTTLS"));
	ck_assert_ptr_nonnull(strstr(answer, "250-AUTH SCRAM-SHA-256 PLAIN LOGIN\r\n"));
	ck_assert_str_eq(say("STARTTLS\r\n"), "503 5.5.1 TLS is on already\r\n");
	expect_tls_session("ESMTPS");
	ck_assert_str_eq(say("AUTH PLAIN " PLAIN_OK "\r\n"), "235 2.7.0 logged in\r\n");
	expect_tls_session("ESMTPSA");
	ck_assert_str_eq(say("MAIL FROM:<a@b>\r\nRCPT TO:<c@d>\r\nDATA\r\n"),
	    "250 2.1.0 sender ok\r\n250 2.1.5 recipient ok\r\n"
	    "354 end the message with a line that is a single dot\r\n");
	ck_assert_str_eq(say("hello\r\n.\r\n"), "250 2.0.0 message accepted\r\n");
	ck_assert_str_eq(say("QUIT\r\n"), "221 2.0.0 bye\r\n");
	ck_assert_uint_eq(msv_conn_want(rig.conn), MSV_WANT_CLOSE);
}
END_TEST

/* RFC 3207 4.2: what was said in the clear is forgotten. */
START_TEST(forgotten)
{
	rig.config.role = MSV_SMTP_MX;
	rig.config.auth_in_clear = true;
	greeted();
	say("EHLO liar.example\r\n");
	ck_assert_str_eq(say("AUTH PLAIN " PLAIN_OK "\r\n"), "235 2.7.0 logged in\r\n");
	say("MAIL FROM:<a@b>\r\n");
	ck_assert_str_eq(say("STARTTLS\r\n"), "220 2.0.0 ready for TLS\r\n");
	ck_assert_ptr_nonnull(strstr(rig.story, "reset command\n"));
	start_client();
	struct msv_smtp_session_info info = { .size = sizeof(info) };
	msv_smtp_session_info(rig.conn, &info);
	ck_assert_str_eq(info.helo, "");
	ck_assert_ptr_null(info.account);
	ck_assert_str_eq(info.with, "SMTP");
	ck_assert_str_eq(say("RCPT TO:<c@d>\r\n"), "503 5.5.1 say EHLO first\r\n");
	ck_assert_str_eq(say("MAIL FROM:<a@b>\r\n"), "503 5.5.1 say EHLO first\r\n");
}
END_TEST

/* RFC 8689 2: who asks for TLS on all hops uses it on this one. */
START_TEST(requiretls)
{
	rig.config.role = MSV_SMTP_MX;
	rig.config.offer_requiretls = true;
	greeted();
	ck_assert_ptr_null(strstr(say("EHLO client.example\r\n"), "REQUIRETLS"));
	ck_assert_str_eq(say("MAIL FROM:<a@b> REQUIRETLS\r\n"),
	    "530 5.7.10 REQUIRETLS needs TLS: say STARTTLS first\r\n");
	say("STARTTLS\r\n");
	start_client();
	ck_assert_ptr_nonnull(strstr(say("EHLO client.example\r\n"), "250-REQUIRETLS\r\n"));
	ck_assert_str_eq(say("MAIL FROM:<a@b> REQUIRETLS=yes\r\n"),
	    "501 5.5.4 that parameter has no such value\r\n");
	ck_assert_str_eq(say("MAIL FROM:<a@b> REQUIRETLS REQUIRETLS\r\n"),
	    "501 5.5.4 that parameter was given before\r\n");
	ck_assert_str_eq(say("MAIL FROM:<a@b> REQUIRETLS\r\n"), "250 2.1.0 sender ok\r\n");
	ck_assert_ptr_nonnull(strstr(rig.story, "mail <a@b> requiretls\n"));
}
END_TEST

/* Who cannot keep the promise does not give it. */
START_TEST(requiretls_not_offered)
{
	greeted();
	say("EHLO client.example\r\n");
	say("STARTTLS\r\n");
	start_client();
	ck_assert_ptr_null(strstr(say("EHLO client.example\r\n"), "REQUIRETLS"));
	say("AUTH PLAIN " PLAIN_OK "\r\n");
	ck_assert_str_eq(say("MAIL FROM:<a@b> REQUIRETLS\r\n"),
	    "555 5.5.4 that parameter is not known here\r\n");
}
END_TEST

/* Commands hidden in the clear behind STARTTLS: the connection ends, and what
 * they were is in the log. */
START_TEST(injected)
{
	greeted();
	say("EHLO x\r\n");
	ck_assert_str_eq(say("STARTTLS\r\nEHLO y\r\n"),
	    "421 4.7.0 nothing may follow STARTTLS before the handshake\r\n");
	ck_assert_uint_eq(msv_conn_want(rig.conn), MSV_WANT_CLOSE);
	ck_assert_ptr_null(strstr(rig.story, "helo y"));
	ck_assert_ptr_nonnull(strstr(msv_test_log(rig.test), "nothing may follow STARTTLS"));
}
END_TEST

/* The same in a piece of its own: it is no handshake. */
START_TEST(injected_later)
{
	greeted();
	say("EHLO x\r\n");
	ck_assert_str_eq(say("STARTTLS\r\n"), "220 2.0.0 ready for TLS\r\n");
	say("EHLO y\r\nMAIL FROM:<a@b>\r\n");
	ck_assert_ptr_null(strstr(heard.p, "250"));
	ck_assert_ptr_null(strstr(rig.story, "helo y"));
	ck_assert_uint_eq(msv_conn_want(rig.conn), MSV_WANT_CLOSE);
}
END_TEST

/* RFC 3207 4: with TLS required nothing of value is said before. */
START_TEST(required)
{
	rig.config.role = MSV_SMTP_MX;
	rig.config.require_tls = true;
	greeted();
	say("EHLO x\r\n");
	ck_assert_str_eq(say("MAIL FROM:<a@b>\r\n"), "530 5.7.0 say STARTTLS first\r\n");
	ck_assert_str_eq(say("VRFY a\r\n"), "530 5.7.0 say STARTTLS first\r\n");
	ck_assert_str_eq(say("NOOP\r\n"), "250 2.0.0 ok\r\n");
	say("STARTTLS\r\n");
	start_client();
	say("EHLO x\r\n");
	ck_assert_str_eq(say("MAIL FROM:<a@b>\r\n"), "250 2.1.0 sender ok\r\n");
}
END_TEST

START_TEST(implicit)
{
	rig.config.implicit_tls = true;
	rig_connection(&rig);
	heard.n = 0;
	start_client();
	ck_assert_str_eq(heard.p, "220 mx.example ESMTP ready\r\n");
	const char *answer = say("EHLO client.example\r\n");
	ck_assert_ptr_null(strstr(answer, "STARTTLS"));
	ck_assert_ptr_nonnull(strstr(answer, "AUTH SCRAM-SHA-256 PLAIN LOGIN\r\n"));
	expect_tls_session("ESMTPS");
}
END_TEST

START_TEST(not_offered)
{
	rig.config.tls = NULL;
	rig.config.role = MSV_SMTP_MX;
	greeted();
	ck_assert_ptr_null(strstr(say("EHLO client.example\r\n"), "STARTTLS"));
	ck_assert_str_eq(say("STARTTLS\r\n"), "502 5.5.1 TLS is not available\r\n");
}
END_TEST

/* Memory runs out somewhere in STARTTLS and behind it. */
START_TEST(failing_memory)
{
	for (uint64_t i = 0; i < 200; i++) {
		greeted();
		say("EHLO x\r\n");
		msv_test_fail_alloc(rig.test, i, true);
		say("STARTTLS\r\n");
		ck_assert(strstr(heard.p, "220 2.0.0") || !*heard.p);
		msv_test_fail_alloc(rig.test, UINT64_MAX, false);
		msv_conn_free(rig.conn);
		rig.conn = NULL;
		rig.story_len = 0;
	}
}
END_TEST

int main(void)
{
	Suite *s = suite_create("smtp/starttls");
	TCase *tc = tcase_create("starttls");

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_set_timeout(tc, 60);
	const TTest *tests[] = { offered_and_done, requiretls, requiretls_not_offered, forgotten,
		injected, injected_later, required, implicit, not_offered, failing_memory };
	for (size_t i = 0; i < sizeof(tests) / sizeof(tests[0]); i++)
		tcase_add_test(tc, tests[i]);
	suite_add_tcase(s, tc);
	return check_main(s);
}
