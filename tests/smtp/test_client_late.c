/* What happens in the middle of things: messages given up, connections freed in
 * callbacks, shutdown, STARTTLS that goes wrong, memory that runs out. */
#include "smtp/client_rig.h"

#include <mailserv/tls.h>

static void two(struct rig_client *rig)
{
	rig_compose(rig, BODY, TO("a@x.example"));
	rig_compose(rig, BODY, TO("b@x.example"));
	rig->quit_at_once = true;
}

#define ENVELOPE(who) \
	"C: MAIL FROM:<ann@client.example>\nS: 250 ok\nC: RCPT TO:<" who "@x.example>\nS: 250 " \
	"ok\n"
#define SENT  "C: DATA\nS: 354 go\nC: Subject: hi\nC: \nC: text\nC: .\nS: 250 ok\n"
#define LEAVE "C: QUIT\nS: 221 bye\nX:\n"

static struct rig_client rig;

static void begin(const char *script)
{
	const char *difference;

	rig_start(&rig);
	two(&rig);
	rig_connect(&rig);
	rig_send_all(&rig);
	ck_assert_msg(
	    msv_test_client_dialogue(rig.test, rig.conn, MSV_SPLIT_LINES, script, &difference) == 0,
	    "%s", difference);
}

static void cancel(size_t i)
{
	struct msv_op *op = rig.messages[i].op;

	rig.messages[i].op = NULL;
	rig.messages[i].answered = true;
	msv_op_cancel(op);
}

/* -- Messages given up --------------------------------------------------------------- */

START_TEST(waiting_message)
{
	begin(BARE_HELLO "C: MAIL FROM:<ann@client.example>\n");
	cancel(1);
	ck_assert_int_eq(msv_test_client_dialogue(rig.test, rig.conn, MSV_SPLIT_LINES,
	                     "S: 250 ok\nC: RCPT TO:<a@x.example>\nS: 250 ok\n" SENT LEAVE, NULL),
	    0);
	ck_assert_str_eq(rig.story, "a@x.example: end 250 ok\ncompleted\nover\n");
	rig_stop(&rig);
}
END_TEST

START_TEST(message_under_way)
{
	static const char *const scripts[] = {
		BARE_HELLO "C: MAIL FROM:<ann@client.example>\n",
		BARE_HELLO ENVELOPE("a") "C: DATA\n",
		BARE_HELLO ENVELOPE("a") "C: DATA\nS: 354 go\nC~\nC: .\n",
		HELLO("S: 250-x\nS: 250-CHUNKING\n") ENVELOPE("a") "C: BDAT 21 LAST\nC~\n",
	};

	for (size_t i = 0; i < sizeof(scripts) / sizeof(scripts[0]); i++) {
		begin(scripts[i]);
		cancel(0);
		msv_test_run(rig.test);
		ck_assert_uint_eq(msv_conn_want(rig.conn), MSV_WANT_CLOSE);
		ck_assert_ptr_nonnull(strstr(rig.story, "b@x.example: "));
		ck_assert_ptr_nonnull(strstr(rig.story,
		    " 451 4.3.2 the message under way was given up by us (we) (untried)\nno more\n"
		    "over\n"));
		rig_stop(&rig);
	}
}
END_TEST

START_TEST(before_it_is_given)
{
	struct msv_op *op;

	rig_start(&rig);
	two(&rig);
	rig_connect(&rig);
	op = msv_op_new(rig.env, rig_answered, &rig.messages[0]);
	msv_op_cancel(op);
	msv_smtp_client_send(rig.conn, &rig.messages[0].message, (struct msv_smtp_send_op){ op });
	rig_stop(&rig);
}
END_TEST

/* -- Connections freed, or shut down ------------------------------------------------------ */

START_TEST(freed_in_callbacks)
{
	static const char *const calls[] = { "read", "ready", "over", "trace" };

	for (size_t i = 0; i < sizeof(calls) / sizeof(calls[0]); i++) {
		for (int chunking = 0; chunking < 2; chunking++) {
			rig_start(&rig);
			two(&rig);
			rig.free_in = calls[i];
			rig_connect(&rig);
			rig_send_all(&rig);
			struct msv_conn *conn = rig.conn;
			const char *said[] = { "220 x\r\n",
				chunking ? "250-x\r\n250 CHUNKING\r\n" : "250 x\r\n", "250 ok\r\n",
				"250 ok\r\n", "354 go\r\n", "250 ok\r\n", "421 no\r\n" };
			for (size_t k = 0; k < sizeof(said) / sizeof(said[0]) && rig.conn; k++)
				msv_conn_input(conn, said[k], strlen(said[k]));
			msv_test_run(rig.test);
			ck_assert_ptr_null(rig.conn);
			ck_assert(rig.messages[0].answered && rig.messages[1].answered);
			rig_stop(&rig);
		}
	}
}
END_TEST

START_TEST(freed_anywhere)
{
	static const char *const scripts[] = {
		"S: 220 x\nC: EHLO client.example\n",
		BARE_HELLO ENVELOPE("a") "C: DATA\nS: 354 go\nC~\nC: .\n",
		BARE_HELLO ENVELOPE("a") SENT "C: MAIL FROM:<ann@client.example>\n",
	};

	for (size_t i = 0; i < sizeof(scripts) / sizeof(scripts[0]); i++) {
		begin(scripts[i]);
		msv_conn_free(rig.conn);
		rig.conn = NULL;
		msv_test_run(rig.test);
		ck_assert(rig.messages[0].answered && rig.messages[1].answered);
		ck_assert((strstr(rig.story, "uncertain") != NULL) == (i == 1));
		rig_stop(&rig);
	}
}
END_TEST

START_TEST(shut_down)
{
	begin(BARE_HELLO ENVELOPE("a") "C: DATA\nS: 354 go\nC~\nC: .\n");
	msv_conn_shutdown(rig.conn, MSV_SHUTDOWN_SERVICE);
	msv_test_run(rig.test);
	ck_assert_str_eq(rig.story,
	    "a@x.example: end 451 4.3.2 the connection was given up by us (we)\nuncertain\nno "
	    "more\n"
	    "b@x.example: end 451 4.3.2 the connection was given up by us (we) (untried)\nno more\n"
	    "over\n");
	ck_assert_uint_eq(msv_conn_want(rig.conn), MSV_WANT_CLOSE);
	rig_stop(&rig);
}
END_TEST

/* -- STARTTLS that goes wrong (RFC 3207) ----------------------------------------------------- */

static struct msv_tls_client *trust;

static void with_tls(struct rig_client *r)
{
	struct msv_tls_client_config config = { .size = sizeof(config) };

	two(r);
	ck_assert_int_eq(msv_tls_client_new(r->env, &config, &trust), 0);
	r->config.tls = trust;
	r->config.server_name = "mx.example";
}

/* Plays with TLS possible; the story begins with that. */
static void play_tls(enum msv_smtp_tls_mode mode, const char *script, const char *story)
{
	static const enum msv_dialogue_split splits[] = { MSV_SPLIT_LINES, MSV_SPLIT_BYTES,
		MSV_SPLIT_PIPELINE };
	const char *difference;

	for (size_t i = 0; i < sizeof(splits) / sizeof(splits[0]); i++) {
		rig_start(&rig);
		with_tls(&rig);
		rig.config.tls_mode = mode;
		rig_connect(&rig);
		rig_send_all(&rig);
		ck_assert_msg(msv_test_client_dialogue(
		                  rig.test, rig.conn, splits[i], script, &difference) == 0,
		    "%s", difference);
		ck_assert_msg(strncmp(rig.story, story, strlen(story)) == 0, "%s", rig.story);
		msv_conn_free(rig.conn);
		rig.conn = NULL;
		msv_tls_client_free(trust);
		rig_stop(&rig);
	}
}

#define OFFER HELLO("S: 250-mx.example\nS: 250-STARTTLS\n") "C: STARTTLS\n"

START_TEST(text_behind_the_answer)
{
	play_tls(MSV_SMTP_TLS_OPPORTUNISTIC, OFFER "S= 220 go\\r\\n250 injected\\r\\n\nC~\nX:\n",
	    "a@x.example: tls 454 4.7.");
	ck_assert_ptr_nonnull(strstr(rig.story, "tls failed\n"));
}
END_TEST

START_TEST(no_handshake)
{
	play_tls(MSV_SMTP_TLS_OPPORTUNISTIC,
	    OFFER "S: 220 go\nC= \\x16\\x03\\x01\nC~\nS: this is no TLS\nC~\nX:\n",
	    "a@x.example: tls 454 4.7.5 handshake failed: server speaks plain text");
	ck_assert_ptr_nonnull(strstr(rig.story, "tls failed\n"));
	play_tls(MSV_SMTP_TLS_OPPORTUNISTIC, OFFER "S: 220 go\nC= \\x16\\x03\\x01\nC~\nE:\nX:\n",
	    "a@x.example: tls 454 4.7.5 handshake failed: server closed the connection");
	play_tls(MSV_SMTP_TLS_OPPORTUNISTIC,
	    OFFER "S: 220 go\nC= \\x16\\x03\\x01\nC~\nT: 60001\nX:\n",
	    "a@x.example: tls 454 4.7.5 timeout: the TLS handshake did not end");
}
END_TEST

/* Refused, it goes on in the clear where that is allowed. */
START_TEST(starttls_refused)
{
	play_tls(MSV_SMTP_TLS_OPPORTUNISTIC,
	    OFFER "S: 454 4.7.0 not now\n" ENVELOPE("a") SENT ENVELOPE("b") SENT LEAVE,
	    "a@x.example: end 250 ok\ncompleted\nb@x.example: end 250 ok\ncompleted\nover\n");
	play_tls(MSV_SMTP_TLS_REQUIRED, OFFER "S: 454 4.7.0 not now\nC: QUIT\nX:\n",
	    "a@x.example: tls 454 4.7.0 not now\nno more\n");
	play_tls(MSV_SMTP_TLS_VERIFIED, BARE_HELLO "X:\n",
	    "a@x.example: tls 454 4.7.4 TLS is required and not offered (we)\nno more\n");
}
END_TEST

/* -- AUTH that goes wrong (RFC 4954, RFC 5802) ------------------------------------------------ */

static void play_auth(const char *script, const char *story)
{
	static const enum msv_dialogue_split splits[] = { MSV_SPLIT_LINES, MSV_SPLIT_BYTES };
	const char *difference;

	for (size_t i = 0; i < sizeof(splits) / sizeof(splits[0]); i++) {
		rig_start(&rig);
		rig_compose(&rig, BODY, TO("a@x.example"));
		rig.config.username = "tim";
		rig.config.password = "secret";
		rig.config.auth_in_clear = true;
		rig_connect(&rig);
		rig_send_all(&rig);
		ck_assert_msg(msv_test_client_dialogue(
		                  rig.test, rig.conn, splits[i], script, &difference) == 0,
		    "%s", difference);
		ck_assert_str_eq(rig.story, story);
		ck_assert_ptr_null(strstr(rig.trace, "c2VjcmV0"));
		rig_stop(&rig);
	}
}

#define AUTH(mechanisms)   HELLO("S: 250-mx\nS: 250-AUTH " mechanisms "\n")
#define WE(enhanced, text) "a@x.example: auth 454 " enhanced " " text " (we)\nno more\nover\n"

START_TEST(login_refused)
{
	play_auth(BARE_HELLO "X:\n", WE("4.7.0", "the server offers no login"));
	play_auth(AUTH("NTLM") "X:\n",
	    WE("4.7.0", "a login is asked of us, but none of its mechanisms is known here"));
	play_auth(AUTH("PLAIN") "C: AUTH PLAIN AHRpbQBzZWNyZXQ=\nS: 535 5.7.8 no\nC: QUIT\nX:\n",
	    "a@x.example: auth 535 5.7.8 no\nno more\nover\n");
	play_auth(AUTH("PLAIN") "C: AUTH PLAIN AHRpbQBzZWNyZXQ=\nS: 250 2.0.0 what\nC: QUIT\nX:\n",
	    "a@x.example: auth 451 what\nno more\nover\n");
	play_auth(AUTH("PLAIN") "C: AUTH PLAIN AHRpbQBzZWNyZXQ=\nS: 334 more\nX:\n",
	    WE("4.7.0", "the server does not keep to the mechanism of the login"));
	play_auth(AUTH("LOGIN") "C: AUTH LOGIN\nS: 334 VXNlcm5hbWU6\nC: dGlt\n"
	                        "S: 334 anything\nC: c2VjcmV0\nS: 334 again\nX:\n",
	    WE("4.7.0", "the server does not keep to the mechanism of the login"));
}
END_TEST

/* A server that lets us in without having shown that it knows the password. */
START_TEST(scram_without_proof)
{
	play_auth(
	    AUTH("SCRAM-SHA-256 PLAIN") "C* AUTH SCRAM-SHA-256 biwsbj10aW0scj*\nS: 235 in\nX:\n",
	    WE("4.7.0", "the server could not show that it knows the password"));
	play_auth(AUTH("SCRAM-SHA-256") "C* AUTH SCRAM-SHA-256 *\nS: 334 cj14LHM9eCxpPTE=\nX:\n",
	    WE("4.7.0", "the server does not keep to the mechanism of the login"));
}
END_TEST

/* A long name does not fit the command line: it waits to be asked (RFC 4954 4). */
START_TEST(long_login)
{
	static char name[600];
	const char *difference;

	memset(name, 'x', sizeof(name) - 1);
	rig_start(&rig);
	rig_compose(&rig, BODY, TO("a@x.example"));
	rig.config.username = name;
	rig.config.password = "secret";
	rig.config.auth_in_clear = true;
	rig_connect(&rig);
	ck_assert_msg(
	    msv_test_client_dialogue(rig.test, rig.conn, MSV_SPLIT_LINES,
	        AUTH("PLAIN") "C: AUTH PLAIN\nS: 334\nC* AHh4eHh4*\nS: 235 in\n", &difference) == 0,
	    "%s", difference);
	struct msv_smtp_client_info info = { .size = sizeof(info) };
	msv_smtp_client_info(rig.conn, &info);
	ck_assert(info.authenticated);
	rig_stop(&rig);
}
END_TEST

/* -- Memory ------------------------------------------------------------------------------------ */

/* A session that uses every part of the client but TLS; the server's side, whole. */
static const char server_says[] =
    "220 mx.example\r\n"
    "250-mx.example\r\n250-PIPELINING\r\n250-DSN\r\n250 LIMITS MAILMAX=9\r\n"
    "250 ok\r\n250 ok\r\n550 5.1.1 no\r\n354 go\r\n250 ok\r\n"
    "250 ok\r\n550 no\r\n503 nobody\r\n250 reset\r\n250 ok\r\n"
    "250 ok\r\n354 go\r\n250 ok\r\n221 bye\r\n";

static uint64_t play_once(uint64_t fail_at, bool forever, size_t piece)
{
	rig_start(&rig);
	rig_compose(&rig, BODY, TO("a@x.example", "b@x.example"))->recipients[0].orcpt = "rfc822;x";
	rig_compose(&rig, BODY, TO("c@x.example"))->message.envid = "e";
	rig_compose(&rig, BODY, TO("d@x.example"))->pause_every = 2;
	rig.quit_at_once = true;
	uint64_t before = msv_test_allocs(rig.test);
	msv_test_fail_alloc(rig.test, fail_at, forever);
	if (rig_connect(&rig)) {
		rig_send_all(&rig);
		size_t n = sizeof(server_says) - 1;
		for (size_t at = 0; at < n && rig.conn; at += piece) {
			msv_test_take_output(rig.test, rig.conn);
			if (!(msv_conn_want(rig.conn) & MSV_WANT_CLOSE))
				msv_conn_input(
				    rig.conn, server_says + at, n - at < piece ? n - at : piece);
		}
		msv_test_take_output(rig.test, rig.conn);
	}
	msv_test_fail_alloc(rig.test, UINT64_MAX, false);
	uint64_t asked = msv_test_allocs(rig.test) - before;
	return asked;
}

START_TEST(no_memory)
{
	static const size_t pieces[] = { 1, 3 };

	for (size_t k = 0; k < sizeof(pieces) / sizeof(pieces[0]); k++) {
		uint64_t asked = play_once(UINT64_MAX, false, pieces[k]);
		ck_assert_str_eq(rig.story, "a@x.example: end 250 ok\nb@x.example: rcpt 550 5.1.1 "
		                            "no (permanent)\ncompleted\n"
		                            "c@x.example: rcpt 550 no (permanent)\n"
		                            "d@x.example: end 250 ok\ncompleted\nover\n");
		rig_stop(&rig);
		for (uint64_t i = 0; i < asked; i++) {
			play_once(i, false, pieces[k]);
			rig_stop(&rig);
			play_once(i, true, pieces[k]);
			rig_stop(&rig);
		}
	}
}
END_TEST

int main(void)
{
	Suite *s = suite_create("smtp/client_late");

	check_case(s, "given up", waiting_message, message_under_way, before_it_is_given);
	check_case(s, "freed", freed_in_callbacks, freed_anywhere, shut_down);
	check_case(s, "tls", text_behind_the_answer, no_handshake, starttls_refused);
	check_case(s, "auth", login_refused, scram_without_proof, long_login);
	check_case(s, "memory", no_memory);
	return check_main(s);
}
