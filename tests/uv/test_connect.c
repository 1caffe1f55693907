/* Outgoing connections. */
#include "check_main.h"
#include "rig.h"

static const struct msv_transport *transport;
static struct msv_uv_listener *listener;
static uint16_t port; /* of a toy server */

static struct {
	unsigned made, closed, answered;
	int error, made_error;
	char text[100], who[200], heard[100];
	bool refuse, end_all;
	struct msv_conn *conn;
	struct msv_op *cancel; /* in make */
} got;

/* -- A client's conn: says "hi" back and forth ------------------------------------------ */

static void ear_step(struct msv_conn *conn)
{
	size_t n = msv_buf_len(&conn->in), have = strlen(got.heard);

	ck_assert_uint_lt(have + n, sizeof(got.heard));
	memcpy(got.heard + have, msv_buf_data(&conn->in), n);
	got.heard[have + n] = '\0';
	msv_buf_consume(&conn->in, n);
	if (conn->eof)
		msv_conn_end(conn);
}

static void ear_shutdown(struct msv_conn *conn, enum msv_shutdown why)
{
	(void)why;
	msv_buf_puts(&conn->out, "QUIT\n");
}

static void ear_destroy(struct msv_conn *conn)
{
	(void)conn;
	got.conn = NULL;
	rig.conns--;
}

static struct msv_conn *make(void *user, const struct msv_peer *peer)
{
	static const struct msv_proto proto = { .name = "ear",
		.step = ear_step,
		.expire = ear_step,
		.shutdown = ear_shutdown,
		.destroy = ear_destroy };
	struct msv_conn *conn;

	ck_assert_ptr_eq(user, &got);
	got.made++;
	snprintf(got.who, sizeof(got.who), "%s %u from %s %s", peer->address ? peer->address : "-",
	    peer->port, peer->local_address ? peer->local_address : "-",
	    peer->local_port ? "port" : "no port");
	msv_op_cancel(got.cancel);
	if (got.end_all)
		msv_uv_free(rig.uv);
	if (got.refuse)
		return NULL;
	conn = msv_alloc(rig.env, sizeof(*conn));
	ck_assert_int_eq(msv_conn_init(conn, rig.env, &proto, peer), 0);
	rig.conns++;
	return got.conn = conn;
}

static void on_closed(void *user)
{
	ck_assert_ptr_eq(user, &got);
	ck_assert(got.answered || got.cancel);
	got.closed++;
}

static void take(void *user, int error, const void *result)
{
	const struct msv_connect_result *r = result;

	(void)user;
	got.answered++;
	got.made_error = error;
	got.error = error ? error : r->error;
	if (error)
		return;
	snprintf(got.text, sizeof(got.text), "%s", r->text);
}

static struct msv_transport_target target_of(const char *address, uint16_t to)
{
	return (struct msv_transport_target){ .size = sizeof(struct msv_transport_target),
		.address = address,
		.port = to,
		.make = make,
		.closed = on_closed,
		.user = &got };
}

static struct msv_op *dial(struct msv_transport_target target)
{
	struct msv_op *op = msv_op_new(rig.env, take, NULL);

	ck_assert_ptr_nonnull(op);
	transport->connect(transport->self, &target, (struct msv_connect_op){ op });
	ck_assert_uint_eq(got.answered + got.made, 0);
	return op;
}

static void fails(struct msv_transport_target target, int error, const char *text)
{
	memset(&got, 0, sizeof(got));
	dial(target);
	ck_assert(rig_until(got.answered == 1));
	ck_assert_int_eq(got.error, error);
	ck_assert_str_eq(got.text, text);
	ck_assert_uint_eq(got.made + got.closed, 0);
	ck_assert(rig_until(msv_uv_connections(rig.uv) == 0));
}

static void listen_with(struct msv_uv_listen_options options)
{
	options.size = sizeof(options);
	options.accept = toy_accept;
	ck_assert_int_eq(msv_uv_listen(rig.uv, &options, &listener), 0);
	port = msv_uv_listener_port(listener);
}

static void setup(void)
{
	rig_begin();
	memset(&got, 0, sizeof(got));
	transport = msv_uv_transport(rig.uv);
	listen_with((struct msv_uv_listen_options){ .address = "127.0.0.1" });
}

static void teardown(void)
{
	rig_end();
}

/* -- Success ---------------------------------------------------------------------------------- */

START_TEST(test_tcp)
{
	struct msv_transport_target target = target_of("127.0.0.1", port);
	char who[100];

	snprintf(who, sizeof(who), "127.0.0.1 %u from 127.0.0.1 port", port);
	dial(target);
	ck_assert(rig_until(strcmp(got.heard, "hi\n") == 0));
	ck_assert_uint_eq(got.answered, 1);
	ck_assert_int_eq(got.error, 0);
	ck_assert_str_eq(got.text, "");
	ck_assert_str_eq(got.who, who);
	ck_assert_uint_eq(got.closed, 0);
	ck_assert_uint_eq(msv_uv_connections(rig.uv), 2);
	msv_conn_shutdown(got.conn, MSV_SHUTDOWN_SERVICE);
	ck_assert(rig_until(got.closed == 1));
	ck_assert(rig_until(msv_uv_connections(rig.uv) == 0));
}
END_TEST

START_TEST(test_source)
{
	struct msv_transport_target target = target_of("127.0.0.1", port);

	target.source = "127.0.0.77";
	dial(target);
	ck_assert(rig_until(got.answered == 1));
	ck_assert_int_eq(got.error, 0);
	ck_assert_ptr_nonnull(strstr(got.who, "from 127.0.0.77 port"));
}
END_TEST

START_TEST(test_unix)
{
	char path[] = "/tmp/mailserv-connect-XXXXXX", socket_path[100];
	struct msv_transport_target target = target_of(NULL, 0);

	ck_assert_ptr_nonnull(mkdtemp(path));
	snprintf(socket_path, sizeof(socket_path), "%s/socket", path);
	listen_with((struct msv_uv_listen_options){ .path = socket_path });
	target.path = socket_path;
	dial(target);
	ck_assert(rig_until(strcmp(got.heard, "hi\n") == 0));
	ck_assert_str_eq(got.who, "- 0 from - no port");
	msv_uv_listener_free(listener);
	rmdir(path);
}
END_TEST

/* The server ends it. */
START_TEST(test_closed)
{
	dial(target_of("127.0.0.1", port));
	ck_assert(rig_until(strcmp(got.heard, "hi\n") == 0));
	msv_uv_drain(rig.uv, MSV_SHUTDOWN_SERVICE, 5000, NULL, NULL);
	ck_assert(rig_until(got.closed == 1));
}
END_TEST

START_TEST(test_drop)
{
	dial(target_of("127.0.0.1", port));
	ck_assert(rig_until(strcmp(got.heard, "hi\n") == 0));
	transport->drop(transport->self, got.conn);
	ck_assert_ptr_null(got.conn);
	ck_assert(rig_until(msv_uv_connections(rig.uv) == 0));
	ck_assert_uint_eq(got.closed, 0);
}
END_TEST

/* -- Failure ------------------------------------------------------------------------------------- */

START_TEST(test_failures)
{
	struct msv_transport_target target = target_of("127.0.0.1", port);

	msv_uv_listener_free(listener);
	rig_run(5);
	fails(target, MSV_ERR_IO, "connection refused");
	target.source = "192.0.2.1";
	fails(target, MSV_ERR_NOTFOUND, "the source address is none of this machine");
	target.source = "::1";
	fails(target, MSV_ERR_NOTFOUND, "the source address is none of this machine");
	target.source = NULL;
	target.address = "localhost";
	fails(target, MSV_ERR_INVAL, "not an address to connect to");
	target.address = "127.0.0.1";
	target.port = 0;
	fails(target, MSV_ERR_INVAL, "not an address to connect to");
	target.address = NULL;
	fails(target, MSV_ERR_INVAL, "invalid argument");
	target.path = "/nonexistent/socket";
	fails(target, MSV_ERR_NOTFOUND, "no such socket");
	target.path = "";
	fails(target, MSV_ERR_INVAL, "the path is too long");
}
END_TEST

/* A socket whose queue is full, so that the next connection hangs. */
START_TEST(test_timeout)
{
	struct sockaddr_in sa = { .sin_family = AF_INET };
	socklen_t n = sizeof(sa);
	int fd = socket(AF_INET, SOCK_STREAM, 0), others[3];
	struct msv_transport_target target;
	uint64_t begin;

	sa.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	ck_assert_int_eq(bind(fd, (struct sockaddr *)&sa, sizeof(sa)), 0);
	ck_assert_int_eq(listen(fd, 0), 0);
	getsockname(fd, (struct sockaddr *)&sa, &n);
	for (int i = 0; i < 3; i++) {
		others[i] = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
		connect(others[i], (struct sockaddr *)&sa, sizeof(sa));
	}
	rig_run(20);
	target = target_of("127.0.0.1", ntohs(sa.sin_port));
	target.timeout_ms = 200;
	begin = msv_env_now(rig.env);
	fails(target, MSV_ERR_TIMEOUT, "connection timed out");
	ck_assert_uint_ge(msv_env_now(rig.env) - begin, 190);
	/* Canceled while it hangs. */
	got.answered = 0;
	msv_op_cancel(dial(target));
	ck_assert(rig_until(msv_uv_connections(rig.uv) == 0));
	/* Ended with the drain, and with the loop. */
	target.timeout_ms = 60000;
	dial(target);
	msv_uv_drain(rig.uv, MSV_SHUTDOWN_SERVICE, 60000, NULL, NULL);
	ck_assert(rig_until(got.answered == 1));
	ck_assert_int_eq(got.error, MSV_ERR_CANCELED);
	got.answered = 0;
	dial(target);
	for (int i = 0; i < 3; i++)
		close(others[i]);
	close(fd);
}
END_TEST

START_TEST(test_cancel)
{
	msv_op_cancel(dial(target_of("127.0.0.1", port)));
	ck_assert(rig_until(msv_uv_connections(rig.uv) == 0));
	ck_assert_uint_eq(got.made + got.answered + got.closed, 0);
	/* Inside make the connection is there already. */
	got.cancel = dial(target_of("127.0.0.1", port));
	ck_assert(rig_until(strcmp(got.heard, "hi\n") == 0));
	ck_assert_uint_eq(got.answered, 0);
}
END_TEST

START_TEST(test_no_conn)
{
	got.refuse = true;
	dial(target_of("127.0.0.1", port));
	ck_assert(rig_until(got.answered == 1));
	ck_assert_int_eq(got.made_error, MSV_ERR_NOMEM); /* the op's own */
	ck_assert_uint_eq(got.closed, 0);
}
END_TEST

/* Everything ends inside make; and after that nothing begins. */
START_TEST(test_end)
{
	got.end_all = true;
	dial(target_of("127.0.0.1", port));
	ck_assert(rig_until(got.made == 1));
	got.end_all = false;
	got.made = 0;
	got.answered = 0;
	dial(target_of("127.0.0.1", port));
}
END_TEST

int main(void)
{
	Suite *s = suite_create("uv/connect");

	check_fixture_case(s, "connect", setup, teardown, test_tcp, test_source, test_unix,
	    test_closed, test_drop, test_failures, test_timeout, test_cancel, test_no_conn,
	    test_end);
	return check_main(s);
}
