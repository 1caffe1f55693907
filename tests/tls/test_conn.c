/* TLS in connections: STARTTLS in the middle of a stream, the log, the end. */
#include <mailserv/testing.h>

#include "base/conn.h"
#include "check_main.h"
#include "rig.h"

static struct certs dir;
static struct msv_test_env *test;
static struct msv_env *env;
static struct msv_tls *tls;
static const char *ca_file;

/* -- Two small protocols ------------------------------------------------------------ */

/* The server repeats each line; STARTTLS it answers and does; QUIT ends. */
struct toy {
	struct msv_conn conn;
	bool client;
	bool peer_left;
	char heard[256]; /* the client: all that came */
	int error;       /* of msv_tls_accept() or msv_tls_connect() */
};

static void take_line(struct toy *toy, const char *line, size_t n)
{
	struct msv_conn *conn = &toy->conn;

	if (n == 8 && memcmp(line, "STARTTLS", 8) == 0) {
		msv_buf_puts(&conn->out, "go\n");
		toy->error = msv_tls_accept(tls, conn);
	} else if (n == 4 && memcmp(line, "QUIT", 4) == 0) {
		msv_buf_puts(&conn->out, "bye\n");
		msv_conn_end(conn);
	} else {
		msv_buf_put(&conn->out, line, n);
		msv_buf_putc(&conn->out, '\n');
	}
}

static void server_step(struct msv_conn *conn)
{
	struct toy *toy = (struct toy *)conn;
	const char *p, *end;

	while (!msv_conn_ended(conn)) {
		p = msv_buf_data(&conn->in);
		end = msv_buf_len(&conn->in) ? memchr(p, '\n', msv_buf_len(&conn->in)) : NULL;
		if (!end)
			break;
		char line[64];
		size_t n = (size_t)(end - p);

		ck_assert_uint_lt(n, sizeof(line));
		memcpy(line, p, n);
		msv_buf_consume(&conn->in, n + 1);
		take_line(toy, line, n);
	}
	if (conn->eof && !msv_conn_ended(conn))
		msv_conn_end(conn);
}

static void client_step(struct msv_conn *conn)
{
	struct toy *toy = (struct toy *)conn;
	size_t n = msv_buf_len(&conn->in), have = strlen(toy->heard);

	ck_assert_uint_lt(have + n, sizeof(toy->heard));
	memcpy(toy->heard + have, msv_buf_data(&conn->in), n);
	msv_buf_consume(&conn->in, n);
	if (!msv_conn_filter(conn, "tls") && strstr(toy->heard, "go\n")) {
		struct msv_tls_client_options options = { .size = sizeof(options),
			.hostname = "mail.example.org",
			.ca_file = ca_file,
			.verify = true };

		toy->error = msv_tls_connect(conn, &options);
	}
	toy->peer_left = conn->eof;
}

static void nothing(struct msv_conn *conn)
{
	(void)conn;
}

static void no_farewell(struct msv_conn *conn, enum msv_shutdown why)
{
	(void)conn;
	(void)why;
}

static void no_info(const struct msv_conn *conn, struct msv_conn_info *info)
{
	(void)conn;
	(void)info;
}

static const struct msv_proto server_proto = { "toy", server_step, nothing, no_farewell, no_info,
	nothing, NULL };
static const struct msv_proto client_proto = { "toyc", client_step, nothing, no_farewell, no_info,
	nothing, NULL };

static struct toy *toy_new(bool client)
{
	struct msv_peer peer = {
		.size = sizeof(peer), .address = "192.0.2.7", .session_id = client ? "c1" : "s1"
	};
	struct toy *toy = msv_alloc(env, sizeof(*toy));

	if (!toy)
		return NULL;
	toy->client = client;
	if (msv_conn_init(&toy->conn, env, client ? &client_proto : &server_proto, &peer)) {
		msv_free(env, toy);
		return NULL;
	}
	return toy;
}

static void say(struct toy *toy, const char *text)
{
	msv_buf_puts(&toy->conn.out, text);
	msv_conn_kick(&toy->conn);
}

/* Moves n bytes at most from one to the other; false when there are none. */
static bool move(struct toy *from, struct toy *to, size_t most)
{
	const void *p;
	size_t n = msv_conn_output(&from->conn, &p);
	char piece[4096];

	if (!n || !(msv_conn_want(&to->conn) & MSV_WANT_READ))
		return false;
	if (n > most)
		n = most;
	if (n > sizeof(piece))
		n = sizeof(piece);
	memcpy(piece, p, n);
	msv_conn_sent(&from->conn, n);
	msv_conn_input(&to->conn, piece, n);
	return true;
}

static void talk(struct toy *client, struct toy *server, size_t most)
{
	bool a, b;

	do {
		msv_test_run(test);
		a = move(client, server, most);
		b = move(server, client, most);
	} while (a || b);
}

static void setup(void)
{
	struct msv_tls_pair pair = { .size = sizeof(pair) };
	struct msv_tls_options options = { .size = sizeof(options), .pairs = &pair, .npairs = 1 };

	certs_begin(&dir);
	ck_assert_int_eq(msv_test_env_new(0, &test), 0);
	env = msv_test_env(test);
	certs_pair(&dir, "a", (struct cert_spec){ .names = "DNS:mail.example.org" },
	    &pair.cert_file, &pair.key_file);
	ca_file = pair.cert_file;
	ck_assert_int_eq(msv_tls_new(env, &options, &tls), 0);
	msv_test_log(test);
}

static void teardown(void)
{
	msv_tls_free(tls);
	ck_assert_uint_eq(msv_test_env_free(test), 0);
	certs_end(&dir);
}

/* -- Tests ----------------------------------------------------------------------------- */

START_TEST(test_starttls)
{
	for (size_t most = 1; most < 5000; most = most * 3 + 1) {
		struct toy *client = toy_new(true), *server = toy_new(false);
		struct msv_conn_info info = { .size = sizeof(info) };

		say(client, "hello\nSTARTTLS\n");
		talk(client, server, most);
		ck_assert_int_eq(server->error, 0);
		ck_assert_int_eq(client->error, 0);
		ck_assert_str_eq(client->heard, "hello\ngo\n");
		msv_conn_info(&server->conn, &info);
		ck_assert_str_eq(info.tls, "TLSv1.3");
		say(client, "secret\nQUIT\n");
		talk(client, server, most);
		ck_assert_str_eq(client->heard, "hello\ngo\nsecret\nbye\n");
		/* close_notify is an end in order. */
		ck_assert(client->peer_left);
		ck_assert_uint_eq(msv_conn_want(&server->conn), MSV_WANT_CLOSE);
		msv_conn_free(&client->conn);
		msv_conn_free(&server->conn);
	}
	ck_assert_str_eq(msv_test_log(test), "");
}
END_TEST

START_TEST(test_implicit)
{
	struct toy *client = toy_new(true), *server = toy_new(false);
	struct msv_tls_client_options options = { .size = sizeof(options) };

	ck_assert_int_eq(msv_tls_accept(tls, &server->conn), 0);
	ck_assert_int_eq(msv_tls_connect(&client->conn, &options), 0);
	/* Both want to speak at once: it waits for the handshake. */
	say(server, "greeting\n");
	say(client, "hello\n");
	talk(client, server, 100);
	ck_assert_str_eq(client->heard, "greeting\nhello\n");
	msv_conn_eof(&server->conn, 0);
	ck_assert_uint_ne(msv_conn_want(&server->conn) & (MSV_WANT_CLOSE | MSV_WANT_WRITE), 0);
	msv_conn_free(&client->conn);
	msv_conn_free(&server->conn);
	ck_assert_str_eq(msv_test_log(test), "");
}
END_TEST

/* The one line about a failed handshake: who, why, what to do. */
static void expect_log(const char *why)
{
	const char *log = msv_test_log(test);

	ck_assert_msg(strstr(log, "session=s1 peer=192.0.2.7 toy: tls: ") != NULL, "%s", log);
	ck_assert_msg(strstr(log, why) != NULL, "%s", log);
	ck_assert_ptr_eq(strchr(log, '\n'), log + strlen(log) - 1);
}

START_TEST(test_failure_is_logged)
{
	struct toy *server = toy_new(false);
	const void *p;

	ck_assert_int_eq(msv_tls_accept(tls, &server->conn), 0);
	say(server, "greeting\n");
	msv_conn_input(&server->conn, "EHLO \x1b[2J\n", 10);
	msv_test_run(test);
	expect_log("handshake failed: client speaks plain text (\"EHLO \\x1b[2\")");
	msv_conn_sent(&server->conn, msv_conn_output(&server->conn, &p));
	ck_assert_uint_eq(msv_conn_want(&server->conn), MSV_WANT_CLOSE);
	msv_conn_free(&server->conn);

	server = toy_new(false);
	ck_assert_int_eq(msv_tls_accept(tls, &server->conn), 0);
	msv_conn_eof(&server->conn, 0);
	msv_test_run(test);
	expect_log("closed the connection without a word");
	msv_conn_free(&server->conn);
}
END_TEST

/* Freed in the middle of a handshake: nothing to log, nothing lost. */
START_TEST(test_freed_during_handshake)
{
	struct toy *client = toy_new(true), *server = toy_new(false);

	say(client, "STARTTLS\n");
	for (int i = 0; i < 4; i++) {
		msv_test_run(test);
		move(client, server, 100);
		move(server, client, 100);
	}
	msv_conn_free(&server->conn);
	msv_conn_free(&client->conn);
	ck_assert_str_eq(msv_test_log(test), "");
}
END_TEST

/* -- Every allocation of ours fails once ------------------------------------------------- */

static int load(struct msv_tls **out)
{
	char key_file[128];
	struct msv_tls_pair pair = {
		.size = sizeof(pair), .cert_file = ca_file, .key_file = key_file
	};
	struct msv_tls_options options = { .size = sizeof(options), .pairs = &pair, .npairs = 1 };

	snprintf(key_file, sizeof(key_file), "%s/a.key", dir.dir);
	return msv_tls_new(env, &options, out);
}

START_TEST(test_no_memory_loading)
{
	struct msv_tls *other;
	int error = MSV_ERR_NOMEM;

	for (uint64_t i = 0; error; i++) {
		size_t held = msv_test_memory(test);

		msv_test_fail_alloc(test, i, false);
		error = load(&other);
		msv_test_fail_alloc(test, UINT64_MAX, false);
		ck_assert(error == 0 || error == MSV_ERR_NOMEM);
		if (error)
			ck_assert_uint_eq(msv_test_memory(test), held);
		else
			msv_tls_free(other);
		ck_assert_uint_lt(i, 100);
	}
}
END_TEST

/* A whole conversation with one allocation failing: it ends well or it ends. */
static void conversation(uint64_t fail_at)
{
	struct toy *client = toy_new(true), *server = toy_new(false);

	msv_test_fail_alloc(test, fail_at, false);
	say(client, "STARTTLS\n");
	talk(client, server, SIZE_MAX);
	say(client, "QUIT\n");
	talk(client, server, SIZE_MAX);
	msv_test_fail_alloc(test, UINT64_MAX, false);
	ck_assert_uint_lt(strlen(client->heard), 8);
	ck_assert_int_eq(strncmp(client->heard, "go\nbye\n", strlen(client->heard)), 0);
	msv_conn_free(&client->conn);
	msv_conn_free(&server->conn);
	msv_test_run(test);
}

START_TEST(test_no_memory_talking)
{
	size_t held = msv_test_memory(test);
	uint64_t allocs = msv_test_allocs(test);

	conversation(UINT64_MAX);
	allocs = msv_test_allocs(test) - allocs;
	for (uint64_t i = 0; i < allocs; i++) {
		conversation(i);
		msv_test_log(test);
		ck_assert_uint_eq(msv_test_memory(test), held);
	}
	ck_assert_uint_gt(allocs, 10);
}
END_TEST

static Suite *suite(void)
{
	Suite *s = suite_create("tls/conn");
	TCase *tc = tcase_create("conn");

	tcase_set_timeout(tc, 60);
	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, test_starttls);
	tcase_add_test(tc, test_implicit);
	tcase_add_test(tc, test_failure_is_logged);
	tcase_add_test(tc, test_freed_during_handshake);
	tcase_add_test(tc, test_no_memory_loading);
	tcase_add_test(tc, test_no_memory_talking);
	suite_add_tcase(s, tc);
	return s;
}

int main(void)
{
	return check_main(suite());
}
