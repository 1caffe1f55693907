/* Our client and our server, wire to wire in one process: roles, TLS, AUTH,
 * chunks, conversion; and memory that runs out anywhere. */
#include <mailserv/smtp_client.h>
#include <mailserv/smtp_server.h>
#include <mailserv/testing.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "check_main.h"
#include "message/mime.h"

static char dir[64], cert[96], key[96];

static struct pair {
	struct msv_test_env *test;
	struct msv_env *env;
	struct msv_smtp_config server_config;
	struct msv_smtp_handler handler;
	struct msv_smtp_client_config config;
	struct msv_tls *tls;
	struct msv_tls_client *tls_client;
	struct msv_auth auth;
	unsigned mechanisms;
	struct msv_conn *server, *client;
	size_t piece;   /* octets that go over the wire at once, 0: all */
	bool seven_bit; /* somebody between takes 8BITMIME out of EHLO */

	/* What the server got. */
	char story[8192];
	char body[300000];
	size_t nbody, bodies;

	/* What the client is told. */
	char outcome[4096];
	bool answered, uncertain, permanent;
	size_t accepted;
	char user[64], mechanism[64];
	char trace[65536];
} pair;

static void put(char *text, size_t size, const char *fmt, ...)
{
	size_t n = strlen(text);
	va_list args;

	va_start(args, fmt);
	vsnprintf(text + n, size - n, fmt, args);
	va_end(args);
}

/* -- The server ---------------------------------------------------------------------- */

static void on_mail(
    void *user, struct msv_conn *conn, const struct msv_smtp_mail *mail, struct msv_reply_op op)
{
	struct msv_smtp_session_info info = { .size = sizeof(info) };

	(void)user;
	msv_smtp_session_info(conn, &info);
	put(pair.story, sizeof(pair.story), "%s <%s>%s%s%s%s\n", info.with, mail->from.address,
	    mail->body_8bit ? " 8bit" : "", mail->smtputf8 ? " utf8" : "",
	    mail->envid ? " envid=" : "", mail->envid ? mail->envid : "");
	put(pair.story, sizeof(pair.story), "%s", mail->requiretls ? "requiretls\n" : "");
	snprintf(pair.user, sizeof(pair.user), "%s", info.account ? info.account->name : "");
	pair.nbody = 0;
	msv_reply_ok(op);
}

static void on_rcpt(
    void *user, struct msv_conn *conn, const struct msv_smtp_rcpt *rcpt, struct msv_reply_op op)
{
	(void)user;
	(void)conn;
	put(pair.story, sizeof(pair.story), "to <%s>%s%s\n", rcpt->to.address,
	    rcpt->orcpt ? " " : "", rcpt->orcpt ? rcpt->orcpt : "");
	if (strcmp(rcpt->to.local, "nobody") == 0)
		msv_reply(op, 550, "5.1.1", "no such user");
	else
		msv_reply_ok(op);
}

static int on_body(void *user, struct msv_conn *conn, const void *p, size_t n)
{
	(void)user;
	(void)conn;
	ck_assert_uint_le(n, sizeof(pair.body) - pair.nbody);
	memcpy(pair.body + pair.nbody, p, n);
	pair.nbody += n;
	return 0;
}

static void on_done(void *user, struct msv_conn *conn, struct msv_reply_op op)
{
	(void)user;
	(void)conn;
	pair.bodies++;
	if (pair.server_config.role == MSV_SMTP_LMTP)
		msv_reply_recipient(op, 1, 452, "4.2.2", "full");
	msv_reply(op, 250, "2.0.0", "taken");
}

/* -- The client ----------------------------------------------------------------------- */

struct text {
	const char *p;
	size_t n, piece;
};

static int on_read(void *user, struct msv_conn *conn, uint64_t offset, const void **p, size_t *n)
{
	struct text *text = user;

	(void)conn;
	*p = text->p + offset;
	*n = text->n - (size_t)offset;
	if (text->piece && *n > text->piece)
		*n = text->piece;
	return 0;
}

static void on_outcome(void *user, int error, const void *result)
{
	const struct msv_smtp_outcome *o = result;

	(void)user;
	pair.answered = true;
	if (error) {
		put(pair.outcome, sizeof(pair.outcome), "error %d\n", error);
		return;
	}
	for (size_t i = 0; i < o->nrecipients; i++) {
		const struct msv_smtp_verdict *v = &o->recipients[i];
		put(pair.outcome, sizeof(pair.outcome), "%d %s %s\n", v->code, v->enhanced,
		    v->text);
		pair.permanent = pair.permanent || v->permanent;
	}
	if (o->tls_failed)
		put(pair.outcome, sizeof(pair.outcome), "tls failed\n");
	pair.uncertain = pair.uncertain || o->uncertain;
	pair.accepted += o->accepted;
}

static void on_trace(void *user, struct msv_conn *conn, enum msv_smtp_trace what, const char *line)
{
	(void)user;
	(void)conn;
	put(pair.trace, sizeof(pair.trace), "%c %s\n", "><*"[what], line);
	if (what == MSV_SMTP_TRACE_SENT && strncmp(line, "AUTH ", 5) == 0)
		snprintf(pair.mechanism, sizeof(pair.mechanism), "%.*s",
		    (int)strcspn(line + 5, " "), line + 5);
}

static struct text text;
static struct msv_smtp_recipient to[3];
static struct msv_smtp_message message;

static void compose(const char *body, size_t n)
{
	text = (struct text){ body, n, 1000 };
	for (size_t i = 0; i < 3; i++)
		to[i] = (struct msv_smtp_recipient){ .size = sizeof(to[i]) };
	to[0].address = "bob@mx.example";
	to[0].orcpt = "rfc822;b+b@x";
	to[1].address = "nobody@mx.example";
	to[2].address = "tim@mx.example";
	message = (struct msv_smtp_message){
		.size = sizeof(message),
		.from = "ann@client.example",
		.recipients = to,
		.nrecipients = 3,
		.octets = n,
		.envid = "id 1",
		.read = on_read,
		.user = &text,
	};
}

static void give(void)
{
	struct msv_op *op = msv_op_new(pair.env, on_outcome, NULL);

	if (op)
		msv_smtp_client_send(pair.client, &message, (struct msv_smtp_send_op){ op });
	else
		pair.answered = true;
	if (pair.client)
		msv_smtp_client_quit(pair.client);
}

/* -- The wire ---------------------------------------------------------------------------- */

static void mangle(char *p, size_t n)
{
	char *at = pair.seven_bit && n > 8 ? memmem(p, n, "8BITMIME", 8) : NULL;

	if (at)
		*at = 'X';
}

/* Moves bytes one way; true when there were some. */
static bool carry(struct msv_conn *from, struct msv_conn *into)
{
	static char copy[300000];
	const void *p;
	size_t n = msv_conn_output(from, &p);

	if (n && pair.piece && n > pair.piece)
		n = pair.piece;
	if (n) {
		ck_assert_uint_le(n, sizeof(copy));
		memcpy(copy, p, n);
		msv_conn_sent(from, n);
		mangle(copy, n);
		if (!(msv_conn_want(into) & MSV_WANT_CLOSE))
			msv_conn_input(into, copy, n);
	}
	return n > 0;
}

static bool closed(struct msv_conn *conn)
{
	return (msv_conn_want(conn) & MSV_WANT_CLOSE) != 0;
}

/* Lets the two talk until neither has anything to say. */
static void talk(void)
{
	bool moved;

	do {
		moved = carry(pair.client, pair.server);
		moved = carry(pair.server, pair.client) || moved;
		uint64_t allocs = msv_test_allocs(pair.test);
		msv_test_run(pair.test);
		moved = moved || allocs != msv_test_allocs(pair.test);
		if (closed(pair.client))
			msv_conn_eof(pair.server, 0);
		if (closed(pair.server))
			msv_conn_eof(pair.client, 0);
	} while (moved);
}

static unsigned mechanisms(void *self)
{
	(void)self;
	return pair.mechanisms;
}

static void setup(void)
{
	static const char *const users[] = { "tim", "tanstaaf,=tanstaaf", NULL };
	const char *name = "mx.example";

	memset(&pair, 0, sizeof(pair));
	ck_assert_int_eq(msv_test_env_new(0, &pair.test), 0);
	pair.env = msv_test_env(pair.test);
	snprintf(dir, sizeof(dir), "/tmp/msv-pair-XXXXXX");
	ck_assert_ptr_nonnull(mkdtemp(dir));
	snprintf(cert, sizeof(cert), "%s/cert.pem", dir);
	snprintf(key, sizeof(key), "%s/key.pem", dir);
	ck_assert_int_eq(msv_tls_self_signed(pair.env, &name, 1, 36500, cert, key), 0);
	struct msv_tls_pair files = { .size = sizeof(files), .cert_file = cert, .key_file = key };
	struct msv_tls_options options = { .size = sizeof(options), .pairs = &files, .npairs = 1 };
	ck_assert_int_eq(msv_tls_new(pair.env, &options, &pair.tls), 0);
	struct msv_tls_client_config trust = { .size = sizeof(trust), .ca_file = cert };
	ck_assert_int_eq(msv_tls_client_new(pair.env, &trust, &pair.tls_client), 0);
	pair.mechanisms = MSV_SASL_SCRAM_SHA_256 | MSV_SASL_PLAIN | MSV_SASL_LOGIN;
	pair.auth = *msv_test_auth(pair.test, users);
	pair.auth.mechanisms = mechanisms;
	pair.handler = (struct msv_smtp_handler){
		.size = sizeof(pair.handler),
		.mail = on_mail,
		.rcpt = on_rcpt,
		.body = on_body,
		.done = on_done,
	};
	pair.server_config = (struct msv_smtp_config){
		.size = sizeof(pair.server_config),
		.hostname = "mx.example",
		.handler = &pair.handler,
		.offer_dsn = true,
		.offer_requiretls = true,
	};
	pair.config = (struct msv_smtp_client_config){
		.size = sizeof(pair.config),
		.hostname = "client.example",
		.server_name = "mx.example",
		.trace = on_trace,
	};
	compose("Subject: x\r\n\r\n.text\r\n", 21);
}

static void teardown(void)
{
	msv_tls_client_free(pair.tls_client);
	msv_tls_free(pair.tls);
	ck_assert_uint_eq(msv_test_env_free(pair.test), 0);
	unlink(cert);
	unlink(key);
	ck_assert_int_eq(rmdir(dir), 0);
}

static void forget(void)
{
	pair.story[0] = pair.outcome[0] = pair.trace[0] = pair.user[0] = pair.mechanism[0] = '\0';
	pair.answered = pair.uncertain = pair.permanent = false;
	pair.nbody = pair.bodies = pair.accepted = 0;
}

/* A whole session; false when there was no memory for it. */
static bool play(void)
{
	struct msv_peer peer = { .size = sizeof(peer), .address = "192.0.2.1", .session_id = "s" };

	forget();
	pair.client = pair.server = NULL;
	if (msv_smtp_server_new(pair.env, &pair.server_config, &peer, &pair.server) == 0 &&
	    msv_smtp_client_new(pair.env, &pair.config, &peer, &pair.client) == 0) {
		give();
		talk();
	}
	bool both = pair.client && pair.server;
	msv_conn_free(pair.client);
	msv_conn_free(pair.server);
	msv_test_run(pair.test);
	ck_assert(pair.answered || !both);
	return both;
}

static void play_in_pieces(void)
{
	static const size_t pieces[] = { 0, 1, 1000 };

	for (size_t i = 0; i < sizeof(pieces) / sizeof(pieces[0]); i++) {
		pair.piece = pieces[i];
		ck_assert(play());
	}
}

#define ENVELOPE \
	" <ann@client.example> envid=id 1\n" \
	"to <bob@mx.example> rfc822;b+b@x\nto <nobody@mx.example>\nto <tim@mx.example>\n"
#define OUTCOME "250 2.0.0 taken\n550 5.1.1 no such user\n250 2.0.0 taken\n"

static void expect_taken(const char *with)
{
	char story[512];

	snprintf(story, sizeof(story), "%s" ENVELOPE, with);
	ck_assert_str_eq(pair.story, story);
	ck_assert_str_eq(pair.outcome, OUTCOME);
	ck_assert_uint_eq(pair.nbody, text.n);
	ck_assert_mem_eq(pair.body, text.p, text.n);
}

/* -- Roles ---------------------------------------------------------------------------------- */

START_TEST(in_the_clear)
{
	play_in_pieces();
	expect_taken("ESMTP");
	pair.server_config.no_chunking = true;
	play_in_pieces();
	expect_taken("ESMTP");
	pair.server_config.no_pipelining = true;
	play_in_pieces();
	expect_taken("ESMTP");
}
END_TEST

START_TEST(lmtp)
{
	pair.server_config.role = MSV_SMTP_LMTP;
	pair.config.lmtp = true;
	for (int chunking = 0; chunking < 2; chunking++) {
		pair.server_config.no_chunking = !chunking;
		play_in_pieces();
		ck_assert_str_eq(
		    pair.outcome, "250 2.0.0 taken\n550 5.1.1 no such user\n452 4.2.2 full\n");
	}
}
END_TEST

START_TEST(large)
{
	static char body[250000];

	for (size_t i = 0; i < sizeof(body); i++)
		body[i] = i % 70 == 68 ? '\r' : i % 70 == 69 ? '\n' : i % 70 == 0 ? '.' : 'x';
	size_t n = sizeof(body) / 70 * 70;
	for (int chunking = 0; chunking < 2; chunking++) {
		pair.server_config.no_chunking = !chunking;
		pair.piece = 3000;
		compose(body, n);
		ck_assert(play());
		expect_taken("ESMTP");
	}
}
END_TEST

/* -- TLS -------------------------------------------------------------------------------------- */

static void with_tls(enum msv_smtp_tls_mode mode)
{
	pair.server_config.tls = pair.tls;
	pair.config.tls = pair.tls_client;
	pair.config.tls_mode = mode;
}

START_TEST(starttls)
{
	static const enum msv_smtp_tls_mode modes[] = { MSV_SMTP_TLS_OPPORTUNISTIC,
		MSV_SMTP_TLS_REQUIRED, MSV_SMTP_TLS_VERIFIED };

	for (size_t i = 0; i < sizeof(modes) / sizeof(modes[0]); i++) {
		with_tls(modes[i]);
		play_in_pieces();
		expect_taken("ESMTPS");
		ck_assert_ptr_nonnull(strstr(pair.trace, "* TLSv1.3, certificate verified\n"));
	}
	with_tls(MSV_SMTP_TLS_OFF);
	ck_assert(play());
	expect_taken("ESMTP");
}
END_TEST

START_TEST(implicit)
{
	with_tls(MSV_SMTP_TLS_VERIFIED);
	pair.server_config.implicit_tls = pair.config.implicit_tls = true;
	play_in_pieces();
	expect_taken("ESMTPS");
}
END_TEST

/* A name that is not in the certificate, or a CA nobody trusts. */
START_TEST(wrong_name)
{
	with_tls(MSV_SMTP_TLS_OPPORTUNISTIC);
	pair.config.server_name = "other.example";
	play_in_pieces();
	expect_taken("ESMTPS");
	ck_assert_ptr_nonnull(strstr(pair.trace, "certificate not verified: hostname mismatch\n"));
	with_tls(MSV_SMTP_TLS_VERIFIED);
	play_in_pieces();
	ck_assert_str_eq(pair.story, "");
	ck_assert_ptr_nonnull(
	    strstr(pair.outcome, "454 4.7.5 handshake failed: server has a certificate "
	                         "that does not verify (hostname mismatch)"));
	ck_assert_ptr_nonnull(strstr(pair.outcome, "tls failed\n"));
	ck_assert(!pair.permanent);
}
END_TEST

START_TEST(unknown_ca)
{
	struct msv_tls_client_config trust = { .size = sizeof(trust) };
	struct msv_tls_client *client;
	static char other_cert[128], other_key[128];
	const char *name = "mx.example";

	snprintf(other_cert, sizeof(other_cert), "%s/other.pem", dir);
	snprintf(other_key, sizeof(other_key), "%s/other.key", dir);
	ck_assert_int_eq(msv_tls_self_signed(pair.env, &name, 1, 36500, other_cert, other_key), 0);
	trust.ca_file = other_cert;
	ck_assert_int_eq(msv_tls_client_new(pair.env, &trust, &client), 0);
	with_tls(MSV_SMTP_TLS_VERIFIED);
	pair.config.tls = client;
	ck_assert(play());
	ck_assert_ptr_nonnull(strstr(pair.outcome, "does not verify"));
	ck_assert_str_eq(pair.story, "");
	msv_tls_client_free(client);
	static char pem[8192];
	FILE *f = fopen(cert, "r");
	ck_assert_ptr_nonnull(f);
	trust.ca_pem = pem;
	trust.ca_len = fread(pem, 1, sizeof(pem), f);
	fclose(f);
	ck_assert_int_eq(msv_tls_client_new(pair.env, &trust, &client), 0);
	pair.config.tls = client;
	ck_assert(play());
	expect_taken("ESMTPS");
	msv_tls_client_free(client);
	trust.ca_pem = NULL;
	trust.ca_file = "/nonexistent";
	ck_assert_int_eq(msv_tls_client_new(pair.env, &trust, &client), MSV_ERR_TLS);
	trust.ca_file = NULL;
	trust.ca_pem = "nothing";
	trust.ca_len = 7;
	ck_assert_int_eq(msv_tls_client_new(pair.env, &trust, &client), MSV_ERR_TLS);
	unlink(other_cert);
	unlink(other_key);
}
END_TEST

START_TEST(tls_not_offered)
{
	with_tls(MSV_SMTP_TLS_OPPORTUNISTIC);
	pair.server_config.tls = NULL;
	ck_assert(play());
	expect_taken("ESMTP");
	with_tls(MSV_SMTP_TLS_REQUIRED);
	pair.server_config.tls = NULL;
	ck_assert(play());
	ck_assert_str_eq(pair.story, "");
	ck_assert_ptr_nonnull(strstr(pair.outcome, "454 4.7.4 TLS is required and not offered\n"));
	ck_assert(!pair.permanent);
}
END_TEST

START_TEST(requiretls)
{
	message.requiretls = true;
	with_tls(MSV_SMTP_TLS_OPPORTUNISTIC);
	ck_assert(play());
	ck_assert_ptr_nonnull(strstr(pair.story, "requiretls\n"));
	ck_assert_str_eq(pair.outcome, OUTCOME);
	pair.config.server_name = "other.example";
	ck_assert(play());
	ck_assert_str_eq(pair.story, "");
	ck_assert_ptr_nonnull(strstr(pair.outcome, "550 5.7.10 "));
	pair.config.server_name = "mx.example";
	pair.server_config.offer_requiretls = false;
	ck_assert(play());
	ck_assert_ptr_nonnull(strstr(pair.outcome, "550 5.7.30 "));
}
END_TEST

/* -- AUTH ---------------------------------------------------------------------------------------- */

static void with_login(const char *password)
{
	with_tls(MSV_SMTP_TLS_REQUIRED);
	pair.server_config.role = MSV_SMTP_SUBMISSION;
	pair.server_config.auth = &pair.auth;
	pair.config.username = "tim";
	pair.config.password = password;
}

START_TEST(logins)
{
	static const struct {
		unsigned offered;
		const char *chosen;
	} cases[] = {
		{ MSV_SASL_SCRAM_SHA_256 | MSV_SASL_PLAIN | MSV_SASL_LOGIN, "SCRAM-SHA-256" },
		{ MSV_SASL_PLAIN | MSV_SASL_LOGIN, "PLAIN" },
		{ MSV_SASL_LOGIN, "LOGIN" },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		with_login("tanstaaf,=tanstaaf");
		pair.mechanisms = cases[i].offered;
		play_in_pieces();
		expect_taken("ESMTPSA");
		ck_assert_str_eq(pair.mechanism, cases[i].chosen);
		ck_assert_str_eq(pair.user, "tim");
		ck_assert_ptr_null(strstr(pair.trace, "dGFuc3Rh")); /* base64 of the password */
		ck_assert_ptr_nonnull(strstr(pair.trace, "***"));

		with_login("wrong");
		ck_assert(play());
		ck_assert_str_eq(pair.story, "");
		ck_assert_ptr_nonnull(strstr(pair.outcome, "535 5.7.8 "));
		ck_assert(!pair.permanent);
	}
}
END_TEST

/* No password leaves us in the clear, whatever the server offers. */
START_TEST(login_in_the_clear)
{
	with_login("tanstaaf,=tanstaaf");
	pair.server_config.tls = NULL;
	pair.server_config.auth_in_clear = true;
	pair.config.tls_mode = MSV_SMTP_TLS_OFF;
	ck_assert(play());
	ck_assert_str_eq(pair.mechanism, "");
	ck_assert_ptr_nonnull(strstr(pair.outcome, "454 4.7.11 no password is sent in the clear"));
	pair.config.auth_in_clear = true;
	ck_assert(play());
	expect_taken("ESMTPA");
}
END_TEST

/* -- Conversion ------------------------------------------------------------------------------------ */

static const char eight_bit[] =
    "MIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=b\r\n"
    "Content-Transfer-Encoding: 8bit\r\n\r\n--b\r\n"
    "Content-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\n\r\n"
    ".caf\xc3\xa9 = good \r\nA long line, a long line, a long line, a long line, a long "
    "line, a long line \xc3\xa4.\r\n--b\r\n"
    "Content-Type: application/x-y\r\nContent-Transfer-Encoding: 8bit\r\n\r\n"
    "\xff\xfe\xfd is not text\r\n\r\n--b--\r\n";

/* The decoded bodies of all leaves, one after another. */
static void decode_leaves(const char *p, size_t n, struct msv_buf *out)
{
	struct msv_mime_parser *parser;
	struct msv_mime *mime;

	msv_buf_init(out, pair.env);
	ck_assert_int_eq(msv_mime_parser_new(pair.env, NULL, &parser), 0);
	ck_assert_int_eq(msv_mime_parser_push(parser, p, n), 0);
	ck_assert_int_eq(msv_mime_parser_finish(parser, &mime), 0);
	msv_mime_parser_free(parser);
	for (const struct msv_part *part = mime->root->first_child; part; part = part->next) {
		struct msv_transfer t;
		msv_transfer_init(&t, msv_part_encoding(part));
		msv_transfer_push(&t, p + part->body.start, (size_t)part->body.len, out);
		msv_transfer_end(&t, out);
		msv_buf_putc(out, '|');
	}
	msv_mime_free(mime);
}

START_TEST(seven_bits)
{
	struct msv_buf before, after;

	compose(eight_bit, sizeof(eight_bit) - 1);
	message.body_8bit = true;
	ck_assert(play());
	ck_assert_ptr_nonnull(strstr(pair.story, " 8bit"));
	ck_assert_uint_eq(pair.nbody, text.n);
	ck_assert_mem_eq(pair.body, text.p, text.n);
	pair.seven_bit = true;
	pair.piece = 0;
	for (text.piece = 1; text.piece < 40; text.piece += 19) {
		for (int chunking = 0; chunking < 2; chunking++) {
			pair.server_config.no_chunking = !chunking;
			ck_assert(play());
			ck_assert_str_eq(pair.outcome, OUTCOME);
			ck_assert_ptr_null(strstr(pair.story, "8bit"));
			for (size_t i = 0; i < pair.nbody; i++)
				ck_assert_int_gt(pair.body[i], 0);
			decode_leaves(text.p, text.n, &before);
			decode_leaves(pair.body, pair.nbody, &after);
			ck_assert_str_eq(msv_buf_cstr(&after), msv_buf_cstr(&before));
			msv_buf_fini(&before);
			msv_buf_fini(&after);
		}
	}
}
END_TEST

/* -- Memory -------------------------------------------------------------------------------------------- */

/* Every allocation fails in turn, once and for ever.  What the server took
 * counts as taken, or the outcome is uncertain; what it did not take is no success. */
static void fail_each(void)
{
	uint64_t before = msv_test_allocs(pair.test);

	ck_assert(play());
	ck_assert_str_eq(pair.outcome, OUTCOME);
	uint64_t asked = msv_test_allocs(pair.test) - before;
	for (uint64_t i = 0; i < asked; i++) {
		for (int forever = 0; forever < 2; forever++) {
			msv_test_fail_alloc(pair.test, i, forever);
			play();
			msv_test_fail_alloc(pair.test, UINT64_MAX, false);
			ck_assert(pair.accepted == 0 || pair.bodies == 1);
			ck_assert(pair.bodies == 0 || pair.accepted > 0 || pair.uncertain);
		}
	}
}

START_TEST(no_memory)
{
	fail_each();
	pair.server_config.no_chunking = true;
	fail_each();
}
END_TEST

START_TEST(no_memory_for_tls_and_login)
{
	with_login("tanstaaf,=tanstaaf");
	fail_each();
	pair.mechanisms = MSV_SASL_LOGIN;
	fail_each();
}
END_TEST

START_TEST(no_memory_for_conversion)
{
	compose(eight_bit, sizeof(eight_bit) - 1);
	message.body_8bit = true;
	pair.seven_bit = true;
	fail_each();
}
END_TEST

int main(void)
{
	Suite *s = suite_create("smtp/client_pair");

	check_fixture_case(s, "roles", setup, teardown, in_the_clear, lmtp, large);
	check_fixture_case(s, "tls", setup, teardown, starttls, implicit, wrong_name, unknown_ca,
	    tls_not_offered, requiretls);
	check_fixture_case(s, "auth", setup, teardown, logins, login_in_the_clear);
	check_fixture_case(s, "conversion", setup, teardown, seven_bits);
	check_fixture_case(s, "memory", setup, teardown, no_memory, no_memory_for_tls_and_login,
	    no_memory_for_conversion);
	return check_main(s);
}
