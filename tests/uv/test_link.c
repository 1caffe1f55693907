/* One connection: reading, writing, deadlines, the end. */
#include <fcntl.h>
#include <sys/socket.h>

#include "check_main.h"
#include "loop.h"
#include "rig.h"

static struct client c;
static uv_pipe_t pipe_handle;
static struct msv_conn *conn;
static unsigned closed;

static void on_closed(void *user, uv_stream_t *stream)
{
	ck_assert_ptr_eq(user, &closed);
	ck_assert_ptr_eq(stream, (uv_stream_t *)&pipe_handle);
	closed++;
}

/* A toy at one end of a pair of sockets, the client at the other. */
static void setup(void)
{
	int fds[2];

	rig_begin();
	memset(&c, 0, sizeof(c));
	closed = 0;
	ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
	c.fd = fds[0];
	ck_assert_int_eq(uv_pipe_init(&rig.loop, &pipe_handle, 0), 0);
	ck_assert_int_eq(uv_pipe_open(&pipe_handle, fds[1]), 0);
	conn = toy_new(NULL);
	ck_assert_int_eq(
	    msv_uv_attach(rig.uv, (uv_stream_t *)&pipe_handle, conn, on_closed, &closed), 0);
}

static void teardown(void)
{
	if (c.fd >= 0)
		client_close(&c);
	rig_end();
	ck_assert_uint_eq(closed, 1);
}

START_TEST(test_echo)
{
	client_expect(&c, "hi\n");
	ck_assert_uint_eq(msv_uv_connections(rig.uv), 1);
	client_say(&c, "hel");
	rig_run(5);
	client_say(&c, "lo\nworld\n");
	client_expect(&c, "hello\nworld\n");
	client_say(&c, "QUIT\n");
	client_expect(&c, "bye\n");
	ck_assert(rig_until(client_gone(&c)));
	ck_assert_int_eq(c.error, 0);
	client_close(&c);
	ck_assert(rig_until(closed == 1));
	ck_assert_uint_eq(msv_uv_connections(rig.uv), 0);
}
END_TEST

/* The answers to a burst of commands go out in one write: packets keep writes
 * apart. */
START_TEST(test_one_write)
{
	static uv_pipe_t packets;
	int fds[2];
	char got[64];

	ck_assert_int_eq(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, fds), 0);
	ck_assert_int_eq(uv_pipe_init(&rig.loop, &packets, 0), 0);
	ck_assert_int_eq(uv_pipe_open(&packets, fds[1]), 0);
	ck_assert_int_eq(
	    msv_uv_attach(rig.uv, (uv_stream_t *)&packets, toy_new(NULL), NULL, NULL), 0);
	ck_assert(rig_until(recv(fds[0], got, sizeof(got), MSG_DONTWAIT) == 3));
	ck_assert_int_eq(send(fds[0], "a\nb\nc\nd\n", 8, 0), 8);
	ck_assert(rig_until(recv(fds[0], got, sizeof(got), MSG_DONTWAIT) == 8));
	close(fds[0]);
}
END_TEST

/* What an idle connection costs beside its conn and the socket. */
START_TEST(test_idle_size)
{
	ck_assert_uint_lt(sizeof(struct msv_uv_link), 1024);
}
END_TEST

/* The peer half-closes: what it asked before is answered, then it is over. */
START_TEST(test_half_close)
{
	client_say(&c, "hello\nBIG 50000\nworld\n");
	ck_assert_int_eq(shutdown(c.fd, SHUT_WR), 0);
	ck_assert(rig_until(client_gone(&c)));
	ck_assert_int_eq(c.error, 0);
	ck_assert_uint_eq(c.n, 3 + 6 + 50000 + 6);
	ck_assert_str_eq(c.got + c.n - 6, "world\n");
	ck_assert(rig_until(closed == 1));
}
END_TEST

START_TEST(test_deadline)
{
	client_say(&c, "WAIT 30\n");
	ck_assert(rig_until(client_gone(&c)));
	ck_assert_str_eq(c.got, "hi\ntoo late\n");
}
END_TEST

/* A deadline that is moved. */
START_TEST(test_later_deadline)
{
	client_say(&c, "WAIT 60000\n");
	rig_run(10);
	client_say(&c, "WAIT 20\n");
	rig_run(5);
	client_say(&c, "WAIT 60000\n");
	rig_run(60);
	client_say(&c, "still here\n");
	client_expect(&c, "hi\nstill here\n");
}
END_TEST

/* An answer that comes from elsewhere wakes the connection. */
START_TEST(test_late_answer)
{
	client_say(&c, "LATE 20\n");
	client_expect(&c, "hi\nlate\n");
}
END_TEST

static void keep_small(int fd)
{
	int n = 4096;

	setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &n, sizeof(n));
	setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &n, sizeof(n));
}

/* A peer that does not read costs its window and no more; when it reads at
 * last it gets everything. */
START_TEST(test_slow_reader)
{
	static char sink[1 << 16];
	struct msv_conn_info info = { .size = sizeof(info) };
	uv_os_fd_t fd;
	size_t total = 0, want = 3 + 3000000 + 5;

	uv_fileno((uv_handle_t *)&pipe_handle, &fd);
	keep_small(fd);
	keep_small(c.fd);
	client_say(&c, "BIG 3000000\ndone\n");
	rig_run(100);
	msv_conn_info(conn, &info);
	ck_assert_uint_lt(info.memory, 100000);
	ck_assert_uint_lt(info.bytes_out, 500000);
	while (total < want) {
		ssize_t n = recv(c.fd, sink, sizeof(sink), MSG_DONTWAIT);

		if (n > 0)
			total += (size_t)n;
		else
			ck_assert_int_eq(errno, EAGAIN);
		rig_turn();
	}
	ck_assert_uint_eq(total, want);
}
END_TEST

/* Input is not read while the conn does not want it. */
START_TEST(test_flood)
{
	static char much[1 << 16];
	struct msv_conn_info info = { .size = sizeof(info) };
	uv_os_fd_t fd;

	memset(much, 'x', sizeof(much));
	for (size_t i = 99; i < sizeof(much); i += 100)
		much[i] = '\n';
	uv_fileno((uv_handle_t *)&pipe_handle, &fd);
	keep_small(fd);
	keep_small(c.fd);
	client_say(&c, "BIG 100000000\n");
	for (int i = 0; i < 200; i++) {
		send(c.fd, much, sizeof(much), MSG_DONTWAIT | MSG_NOSIGNAL);
		rig_turn();
	}
	msv_conn_info(conn, &info);
	ck_assert_uint_lt(info.bytes_in, 300000);
	ck_assert_uint_lt(info.memory, 400000);
}
END_TEST

START_TEST(test_peer_breaks)
{
	client_say(&c, "BIG 10000000\n");
	rig_run(10);
	client_close(&c);
	ck_assert(rig_until(closed == 1));
}
END_TEST

START_TEST(test_shutdown)
{
	client_expect(&c, "hi\n");
	msv_conn_shutdown(conn, MSV_SHUTDOWN_SERVICE);
	client_expect(&c, "going down\n");
	ck_assert(rig_until(client_gone(&c)));
}
END_TEST

/* -- All of them ------------------------------------------------------------------------ */

static unsigned drained;

static void on_drained(void *user)
{
	ck_assert_ptr_eq(user, &drained);
	drained++;
}

static int see(void *user, struct msv_conn *seen)
{
	struct msv_conn_info info = { .size = sizeof(info) };

	msv_conn_info(seen, &info);
	ck_assert_str_eq(info.state, "toy");
	++*(int *)user;
	return *(int *)user == 2 ? 7 : 0;
}

START_TEST(test_each)
{
	int n = 0;

	ck_assert_int_eq(msv_uv_each(rig.uv, see, &n), 0);
	ck_assert_int_eq(n, 1);
	ck_assert_int_eq(msv_uv_each(rig.uv, see, &n), 7);
}
END_TEST

START_TEST(test_drain)
{
	drained = 0;
	client_expect(&c, "hi\n");
	msv_uv_drain(rig.uv, MSV_SHUTDOWN_SERVICE, 60000, on_drained, &drained);
	ck_assert_uint_eq(drained, 0);
	client_expect(&c, "going down\n");
	client_close(&c);
	ck_assert(rig_until(drained == 1));
	ck_assert_uint_eq(closed, 1);
	/* With none there it is over at once, but from the loop. */
	msv_uv_drain(rig.uv, MSV_SHUTDOWN_SERVICE, 60000, on_drained, &drained);
	ck_assert_uint_eq(drained, 1);
	ck_assert(rig_until(drained == 2));
}
END_TEST

/* Who does not take its goodbye is cut off. */
START_TEST(test_drain_deadline)
{
	uv_os_fd_t fd;

	drained = 0;
	uv_fileno((uv_handle_t *)&pipe_handle, &fd);
	keep_small(fd);
	client_say(&c, "BIG 10000000\n");
	rig_run(20);
	msv_uv_drain(rig.uv, MSV_SHUTDOWN_SERVICE, 50, on_drained, &drained);
	rig_run(20);
	ck_assert_uint_eq(closed, 0);
	ck_assert(rig_until(drained == 1));
	ck_assert_uint_eq(closed, 1);
}
END_TEST

/* A client that keeps quiet after the goodbye does not hold the socket for
 * ever. */
START_TEST(test_linger_ends)
{
	client_say(&c, "QUIT\n");
	ck_assert(rig_until(client_gone(&c)));
	ck_assert_uint_eq(closed, 0);
	ck_assert_uint_eq(rig.conns, 0);
	ck_assert(rig_until(closed == 1));
}
END_TEST

/* Nor does one that never stops talking. */
START_TEST(test_linger_bounded)
{
	static char much[1 << 16];

	client_say(&c, "QUIT\n");
	for (int i = 0; i < 100 && !closed; i++) {
		send(c.fd, much, sizeof(much), MSG_DONTWAIT | MSG_NOSIGNAL);
		rig_turn();
	}
	ck_assert_uint_eq(closed, 1);
}
END_TEST

static void free_all(void *user)
{
	msv_uv_free(user);
}

/* Everything is freed from inside a callback of the env. */
START_TEST(test_freed_inside)
{
	struct msv_timer *timer;

	client_say(&c, "BIG 10000000\n");
	ck_assert_int_eq(msv_timer_new(rig.env, free_all, rig.uv, &timer), 0);
	msv_timer_start(timer, msv_env_now(rig.env) + 10);
	ck_assert(rig_until(closed == 1));
	msv_timer_free(timer);
	ck_assert_int_eq(
	    msv_uv_attach(rig.uv, (uv_stream_t *)&pipe_handle, conn, NULL, NULL), MSV_ERR_CANCELED);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("uv/link");

	check_fixture_case(s, "link", setup, teardown, test_echo, test_one_write, test_idle_size,
	    test_half_close, test_deadline, test_later_deadline, test_late_answer, test_slow_reader,
	    test_flood, test_peer_breaks, test_shutdown);
	check_fixture_case(s, "end", setup, teardown, test_each, test_drain, test_drain_deadline,
	    test_linger_ends, test_linger_bounded, test_freed_inside);
	return check_main(s);
}
