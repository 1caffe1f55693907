/* Connections in memory. */
#include <mailserv/testing.h>

#include "base/echo.h"

/* A client that says what it is told and keeps what it hears. */
struct talker {
	struct msv_conn conn;
	const char *say;
	size_t big; /* then so many bytes of something */
	bool mute;  /* reads nothing */
};

static struct msv_test_env *test;
static struct msv_env *env;
static const struct msv_transport *transport;
static struct echo_host host; /* of the server's end */
static struct {
	const char *say;
	size_t big;
	bool mute, refuses_make;
	struct msv_conn *conn; /* the client's end */
	char heard[4096], who[100];
	unsigned made, closed, answered;
	int error;
	char text[100];
} client;
static struct {
	int error;
	char where[100];
	unsigned asked;
	struct msv_op *cancel; /* in accept */
} server;

static void talker_step(struct msv_conn *conn)
{
	struct talker *t = (struct talker *)conn;
	size_t n = msv_buf_len(&conn->in), have = strlen(client.heard);

	if (t->say)
		msv_buf_puts(&conn->out, t->say);
	t->say = NULL;
	for (; t->big && msv_conn_room(conn); t->big--)
		msv_buf_putc(&conn->out, t->big == 1 ? '\n' : 'x');
	conn->hold_input = t->mute;
	if (have + n < sizeof(client.heard))
		memcpy(client.heard + have, msv_buf_data(&conn->in), n);
	msv_buf_consume(&conn->in, n);
	if (conn->eof)
		msv_conn_end(conn);
}

static void talker_expire(struct msv_conn *conn)
{
	msv_conn_end(conn);
}

static void talker_shutdown(struct msv_conn *conn, enum msv_shutdown why)
{
	(void)why;
	msv_buf_puts(&conn->out, "bye\n");
}

static void talker_destroy(struct msv_conn *conn)
{
	(void)conn;
	client.conn = NULL;
}

static struct msv_conn *make(void *user, const struct msv_peer *peer)
{
	static const struct msv_proto proto = { .name = "talker",
		.step = talker_step,
		.expire = talker_expire,
		.shutdown = talker_shutdown,
		.destroy = talker_destroy };
	struct talker *t;

	ck_assert_ptr_eq(user, &client);
	client.made++;
	snprintf(client.who, sizeof(client.who), "%s %u from %s", peer->address, peer->port,
	    peer->local_address ? peer->local_address : "-");
	t = client.refuses_make ? NULL : msv_alloc(env, sizeof(*t));
	if (!t)
		return NULL;
	ck_assert_int_eq(msv_conn_init(&t->conn, env, &proto, peer), 0);
	t->say = client.say;
	t->big = client.big;
	t->mute = client.mute;
	return client.conn = &t->conn;
}

static void on_closed(void *user)
{
	ck_assert_ptr_eq(user, &client);
	ck_assert_uint_eq(client.answered, 1);
	client.closed++;
}

static void take(void *user, int error, const void *result)
{
	const struct msv_connect_result *r = result;

	(void)user;
	client.answered++;
	client.error = error ? error : r->error;
	if (error)
		return;
	snprintf(client.text, sizeof(client.text), "%s", r->text);
}

static struct msv_conn *accept_it(void *user, const struct msv_transport_target *target, int *error)
{
	ck_assert_ptr_eq(user, &server);
	server.asked++;
	snprintf(server.where, sizeof(server.where), "%s",
	    target->path ? target->path : target->address);
	msv_op_cancel(server.cancel);
	*error = server.error;
	return server.error ? NULL : echo_new(env, &host, NULL);
}

static void setup(void)
{
	memset(&client, 0, sizeof(client));
	memset(&server, 0, sizeof(server));
	memset(&host, 0, sizeof(host));
	ck_assert_int_eq(msv_test_env_new(1, &test), 0);
	env = msv_test_env(test);
	transport = msv_test_transport(test, accept_it, &server);
	ck_assert_ptr_nonnull(transport);
}

static void teardown(void)
{
	ck_assert_uint_eq(msv_test_env_free(test), 0);
	ck_assert_ptr_null(client.conn);
	ck_assert_ptr_null(host.conn);
}

static struct msv_op *dial(void)
{
	struct msv_op *op = msv_op_new(env, take, NULL);
	struct msv_transport_target target = { .size = sizeof(target),
		.address = "192.0.2.1",
		.port = 25,
		.source = "192.0.2.9",
		.timeout_ms = 5000,
		.make = make,
		.closed = on_closed,
		.user = &client };

	transport->connect(transport->self, &target, (struct msv_connect_op){ op });
	ck_assert_uint_eq(client.made, 0);
	return op;
}

START_TEST(test_talk)
{
	client.say = "one\ntwo\nbye\n";
	dial();
	msv_test_run(test);
	ck_assert_str_eq(client.heard, "hello\none\ntwo\nbye\n");
	ck_assert_str_eq(client.who, "192.0.2.1 25 from 192.0.2.9");
	ck_assert_str_eq(server.where, "192.0.2.1");
	ck_assert_uint_eq(client.answered, 1);
	ck_assert_int_eq(client.error, 0);
	ck_assert_str_eq(client.text, "");
	ck_assert_uint_eq(client.closed, 1);
	ck_assert_uint_eq(host.destroyed, 1);
	ck_assert_uint_eq(msv_test_transport_open(transport), 0);
}
END_TEST

START_TEST(test_refused)
{
	server.error = MSV_ERR_IO;
	dial();
	msv_test_run(test);
	ck_assert_int_eq(client.error, MSV_ERR_IO);
	ck_assert_str_eq(client.text, "connection refused");
	ck_assert_uint_eq(client.made + client.closed, 0);
}
END_TEST

START_TEST(test_silent)
{
	server.error = MSV_ERR_TIMEOUT;
	dial();
	msv_test_advance(test, 4999);
	ck_assert_uint_eq(client.answered, 0);
	msv_test_advance(test, 1);
	ck_assert_int_eq(client.error, MSV_ERR_TIMEOUT);
	ck_assert_uint_eq(server.asked, 1);
}
END_TEST

START_TEST(test_late)
{
	msv_test_transport_late(transport, 100);
	dial();
	msv_test_advance(test, 99);
	ck_assert_uint_eq(client.made, 0);
	msv_test_advance(test, 1);
	ck_assert_uint_eq(client.made, 1);
	ck_assert_uint_eq(msv_test_transport_open(transport), 1);
	/* Never in time. */
	client.answered = client.made = 0;
	msv_test_transport_late(transport, 6000);
	dial();
	msv_test_advance(test, 5000);
	ck_assert_int_eq(client.error, MSV_ERR_TIMEOUT);
	ck_assert_uint_eq(client.made, 0);
}
END_TEST

START_TEST(test_cancel)
{
	msv_op_cancel(dial());
	msv_test_run(test);
	server.cancel = dial(); /* inside accept */
	msv_test_run(test);
	ck_assert_uint_eq(server.asked, 1);
	ck_assert_uint_eq(client.made + client.answered + client.closed, 0);
	ck_assert_uint_eq(msv_test_transport_open(transport), 0);
	server.cancel = NULL;
	server.error = MSV_ERR_TIMEOUT;
	struct msv_op *op = dial();
	msv_test_run(test);
	msv_op_cancel(op);
	msv_test_advance(test, 10000);
	ck_assert_uint_eq(client.answered, 0);
}
END_TEST

START_TEST(test_make_fails)
{
	client.refuses_make = true;
	dial();
	msv_test_run(test);
	ck_assert_int_eq(client.error, MSV_ERR_NOMEM);
	ck_assert_uint_eq(client.closed, 0);
	ck_assert_uint_eq(host.destroyed, 1);
}
END_TEST

/* A peer that does not read stops the other, and both go on afterwards. */
START_TEST(test_backpressure)
{
	client.say = "big 1000000\n";
	client.mute = true;
	dial();
	msv_test_run(test);
	ck_assert_uint_lt(msv_test_memory(test), 400000);
	((struct talker *)client.conn)->mute = false;
	client.conn->hold_input = false;
	msv_conn_resume(client.conn);
	msv_test_run(test);
	ck_assert_uint_lt(msv_test_memory(test), 20000);
	msv_conn_shutdown(client.conn, MSV_SHUTDOWN_SERVICE);
	msv_test_run(test);
	ck_assert_uint_eq(client.closed, 1);
	ck_assert_ptr_null(host.conn);
}
END_TEST

START_TEST(test_deadlines)
{
	client.say = "x\n"; /* from then on the server waits for a second */
	dial();
	msv_test_advance(test, 999);
	ck_assert_uint_eq(client.closed, 0);
	msv_test_advance(test, 1);
	ck_assert_str_eq(client.heard, "hello\nx\ntimeout\n");
	ck_assert_uint_eq(client.closed, 1);
}
END_TEST

START_TEST(test_cut)
{
	dial();
	msv_test_run(test);
	ck_assert_uint_eq(msv_test_transport_open(transport), 1);
	msv_test_transport_cut(transport);
	msv_test_run(test);
	ck_assert_uint_eq(msv_test_transport_open(transport), 0);
	ck_assert_uint_eq(client.closed, 1);
	ck_assert_str_eq(client.heard, "hello\n");
}
END_TEST

static void drop_client(struct echo_host *h, const char *line)
{
	(void)h;
	(void)line;
	transport->drop(transport->self, client.conn);
}

START_TEST(test_drop)
{
	dial();
	msv_test_run(test);
	transport->drop(transport->self, client.conn);
	ck_assert_ptr_null(client.conn);
	msv_test_run(test);
	ck_assert_uint_eq(client.closed, 0);
	ck_assert_uint_eq(host.destroyed, 1);
	/* Inside a callback. */
	client.say = "drop me\n";
	client.made = 0;
	host.line = drop_client;
	dial();
	msv_test_run(test);
	ck_assert_ptr_null(client.conn);
	ck_assert_uint_eq(client.closed, 0);
}
END_TEST

/* Those that are left go with the env. */
START_TEST(test_left)
{
	dial();
	msv_test_run(test);
	server.error = MSV_ERR_TIMEOUT;
	client.made = 0;
	msv_op_cancel(dial());
	ck_assert_ptr_nonnull(client.conn);
}
END_TEST

START_TEST(test_arguments)
{
	struct msv_transport_target target = { .size = sizeof(target), .make = make };
	struct msv_op *op = msv_op_new(env, take, NULL);

	transport->connect(transport->self, &target, (struct msv_connect_op){ op });
	msv_test_run(test);
	ck_assert_int_eq(client.error, MSV_ERR_INVAL);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("testing/transport");

	check_fixture_case(s, "transport", setup, teardown, test_talk, test_refused, test_silent,
	    test_late, test_cancel, test_make_fails, test_backpressure, test_deadlines, test_cut,
	    test_drop, test_left, test_arguments);
	return check_main(s);
}
