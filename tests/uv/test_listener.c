/* Listeners: who comes in, who is turned away, who it really is. */
#include <fcntl.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include "check_main.h"
#include "rig.h"

static struct msv_uv_listener *listener;
static struct client c, many[160];
static uint16_t port;

static struct msv_uv_listen_options on_loopback(void)
{
	return (struct msv_uv_listen_options){ .size = sizeof(struct msv_uv_listen_options),
		.address = "127.0.0.1",
		.accept = toy_accept };
}

static void listen_with(struct msv_uv_listen_options options)
{
	ck_assert_int_eq(msv_uv_listen(rig.uv, &options, &listener), 0);
	port = msv_uv_listener_port(listener);
}

static void say_who(struct client *client, char *line, size_t n)
{
	client_say(client, "WHO\n");
	ck_assert(rig_until((client_poll(client), strchr(client->got, '\n') != NULL)));
	snprintf(line, n, "%.*s", (int)n - 1, client->got);
	client->n = 0;
}

/* -- Coming in --------------------------------------------------------------------------- */

START_TEST(test_peer)
{
	char line[256], expected[256];
	struct sockaddr_in mine;
	socklen_t n = sizeof(mine);

	listen_with(on_loopback());
	ck_assert_uint_gt(port, 0);
	client_open(&c, port, "127.0.0.5");
	client_expect(&c, "hi\n");
	getsockname(c.fd, (struct sockaddr *)&mine, &n);
	say_who(&c, line, sizeof(line));
	snprintf(expected, sizeof(expected), "127.0.0.5 %u 127.0.0.1 %u -\n", ntohs(mine.sin_port),
	    port);
	ck_assert_str_eq(line, expected);
	client_close(&c);
}
END_TEST

START_TEST(test_all_addresses)
{
	struct msv_uv_listen_options options = on_loopback();
	char line[256];

	options.address = NULL;
	listen_with(options);
	client_open(&c, port, NULL);
	client_expect(&c, "hi\n");
	say_who(&c, line, sizeof(line));
	/* IPv4 is IPv4, through whatever socket it came. */
	ck_assert_int_eq(strncmp(line, "127.0.0.1 ", 10), 0);
	client_close(&c);
}
END_TEST

START_TEST(test_many)
{
	struct msv_uv_listen_options options = on_loopback();

	options.max_per_address = 1000;
	listen_with(options);
	for (int i = 0; i < 150; i++)
		client_open(&many[i], port, NULL);
	for (int i = 0; i < 150; i++)
		client_expect(&many[i], "hi\n");
	ck_assert_uint_eq(msv_uv_connections(rig.uv), 150);
	/* The listener goes, its connections stay. */
	msv_uv_listener_free(listener);
	for (int i = 0; i < 150; i++)
		client_say(&many[i], "hello\n");
	for (int i = 0; i < 150; i++) {
		client_expect(&many[i], "hello\n");
		client_close(&many[i]);
	}
	ck_assert(rig_until(msv_uv_connections(rig.uv) == 0));
}
END_TEST

/* The last reply arrives although the peer had said more that nobody read. */
START_TEST(test_last_reply_arrives)
{
	static char much[100000];

	listen_with(on_loopback());
	for (int i = 0; i < 20; i++) {
		client_open(&c, port, NULL);
		client_say(&c, "QUIT\n");
		send(c.fd, much, sizeof(much), MSG_DONTWAIT | MSG_NOSIGNAL);
		ck_assert(rig_until(client_gone(&c)));
		ck_assert_str_eq(c.got, "hi\nbye\n");
		ck_assert_int_eq(c.error, 0);
		client_close(&c);
	}
}
END_TEST

static struct msv_conn *refuse(void *user, const struct msv_peer *peer)
{
	(void)user;
	(void)peer;
	return NULL;
}

START_TEST(test_refused)
{
	struct msv_uv_listen_options options = on_loopback();

	options.accept = refuse;
	listen_with(options);
	client_open(&c, port, NULL);
	ck_assert(rig_until(client_gone(&c)));
	ck_assert_uint_eq(c.n, 0);
	client_close(&c);
}
END_TEST

static struct msv_conn *accept_and_free(void *user, const struct msv_peer *peer)
{
	(void)user;
	msv_uv_listener_free(listener);
	return toy_new(peer);
}

static struct msv_conn *accept_and_free_all(void *user, const struct msv_peer *peer)
{
	(void)user;
	msv_uv_free(rig.uv);
	return toy_new(peer);
}

START_TEST(test_freed_in_accept)
{
	struct msv_uv_listen_options options = on_loopback();

	options.accept = accept_and_free;
	listen_with(options);
	client_open(&c, port, NULL);
	client_open(&many[0], port, NULL);
	client_expect(&c, "hi\n");
	ck_assert(rig_until(client_gone(&many[0])));
	client_close(&c);
	client_close(&many[0]);
	options.accept = accept_and_free_all;
	listen_with(options);
	client_open(&c, port, NULL);
	ck_assert(rig_until(client_gone(&c)));
	client_close(&c);
	ck_assert_int_eq(msv_uv_listen(rig.uv, &options, &listener), MSV_ERR_CANCELED);
}
END_TEST

/* -- Limits ---------------------------------------------------------------------------------- */

START_TEST(test_per_address)
{
	struct msv_uv_listen_options options = on_loopback();

	options.max_per_address = 2;
	listen_with(options);
	for (int i = 0; i < 2; i++) {
		client_open(&many[i], port, NULL);
		client_expect(&many[i], "hi\n");
	}
	client_open(&c, port, NULL);
	ck_assert(rig_until(client_gone(&c)));
	ck_assert_str_eq(c.got, "too many\n");
	client_close(&c);
	ck_assert_ptr_nonnull(strstr(rig.log, "more than 2 connections from 127.0.0.1"));
	/* Another address has seats of its own. */
	client_open(&c, port, "127.0.0.9");
	client_expect(&c, "hi\n");
	client_close(&c);
	/* A seat that is left is free. */
	client_close(&many[0]);
	ck_assert(rig_until(msv_uv_connections(rig.uv) == 1));
	client_open(&c, port, NULL);
	client_expect(&c, "hi\n");
	client_close(&c);
	client_close(&many[1]);
}
END_TEST

START_TEST(test_in_all)
{
	struct msv_uv_listen_options options = on_loopback();
	unsigned goodbyes = 0, silent = 0;

	options.max_connections = 3;
	listen_with(options);
	for (int i = 0; i < 3; i++) {
		client_open(&many[i], port, NULL);
		client_expect(&many[i], "hi\n");
	}
	/* Only so many at once get a goodbye. */
	for (int i = 3; i < 103; i++)
		client_open(&many[i], port, NULL);
	for (int i = 3; i < 103; i++) {
		ck_assert(rig_until(client_gone(&many[i])));
		goodbyes += strcmp(many[i].got, "too many\n") == 0;
		silent += many[i].n == 0;
	}
	ck_assert_uint_eq(goodbyes, 64);
	ck_assert_uint_eq(silent, 36);
	ck_assert_ptr_nonnull(strstr(rig.log, "more than 3 connections: "));
	/* Said once, not a hundred times. */
	ck_assert_ptr_eq(strchr(rig.log, '\n'), rig.log + strlen(rig.log) - 1);
	for (int i = 0; i < 103; i++)
		client_close(&many[i]);
	ck_assert(rig_until(msv_uv_connections(rig.uv) == 0));
	client_open(&c, port, NULL);
	client_expect(&c, "hi\n");
	client_close(&c);
}
END_TEST

static unsigned turns;

static void count_turn(uv_prepare_t *prepare)
{
	(void)prepare;
	turns++;
}

static void stop_loop(uv_timer_t *timer)
{
	uv_stop(timer->loop);
}

/* Without descriptors new clients wait; nothing spins, and all goes on when
 * there are some again. */
START_TEST(test_no_descriptors)
{
	struct rlimit old, low = { 0 };
	static uv_prepare_t prepare;
	static uv_timer_t end;
	int fillers[200], n = 0;

	listen_with(on_loopback());
	client_open(&many[0], port, NULL);
	client_expect(&many[0], "hi\n");
	for (int i = 1; i < 5; i++)
		client_open(&many[i], port, NULL);
	getrlimit(RLIMIT_NOFILE, &old);
	low.rlim_max = old.rlim_max;
	low.rlim_cur = 150;
	ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &low), 0);
	while (n < 200 && (fillers[n] = dup(0)) >= 0)
		n++;
	ck_assert_int_eq(errno, EMFILE);

	turns = 0;
	uv_prepare_init(&rig.loop, &prepare);
	uv_prepare_start(&prepare, count_turn);
	uv_timer_init(&rig.loop, &end);
	uv_timer_start(&end, stop_loop, 600, 0);
	uv_run(&rig.loop, UV_RUN_DEFAULT);
	ck_assert_uint_lt(turns, 30);
	uv_close((uv_handle_t *)&prepare, NULL);
	uv_close((uv_handle_t *)&end, NULL);
	ck_assert_uint_eq(msv_uv_connections(rig.uv), 1);
	ck_assert_ptr_nonnull(strstr(rig.log, "cannot accept connections: Too many open files"));
	ck_assert_ptr_eq(strchr(rig.log, '\n'), rig.log + strlen(rig.log) - 1);
	/* Who is in is served on. */
	client_say(&many[0], "hello\n");
	client_expect(&many[0], "hello\n");

	while (n)
		close(fillers[--n]);
	setrlimit(RLIMIT_NOFILE, &old);
	for (int i = 1; i < 5; i++)
		client_expect(&many[i], "hi\n");
	for (int i = 0; i < 5; i++)
		client_close(&many[i]);
}
END_TEST

/* -- Sockets ------------------------------------------------------------------------------------ */

START_TEST(test_errors)
{
	struct msv_uv_listen_options options = on_loopback();
	struct msv_uv_listener *other;
	int fds[2];

	listen_with(options);
	options.port = port;
	ck_assert_int_eq(msv_uv_listen(rig.uv, &options, &other), MSV_ERR_EXISTS);
	options.address = "192.0.2.1";
	ck_assert_int_eq(msv_uv_listen(rig.uv, &options, &other), MSV_ERR_NOTFOUND);
	options.address = "mail.example.org";
	ck_assert_int_eq(msv_uv_listen(rig.uv, &options, &other), MSV_ERR_INVAL);
	options = on_loopback();
	options.accept = NULL;
	ck_assert_int_eq(msv_uv_listen(rig.uv, &options, &other), MSV_ERR_INVAL);
	options = on_loopback();
	options.proxies = (const char *const[]){ "10.0.0.0/8", "nonsense" };
	options.nproxies = 2;
	ck_assert_int_eq(msv_uv_listen(rig.uv, &options, &other), MSV_ERR_INVAL);
	options = on_loopback();
	options.path = "/nonexistent/socket";
	ck_assert_int_eq(msv_uv_listen(rig.uv, &options, &other), MSV_ERR_NOTFOUND);
	ck_assert_ptr_null(other);
	/* A descriptor that is no socket: refused, and still the caller's. */
	ck_assert_int_eq(pipe(fds), 0);
	options = on_loopback();
	options.have_fd = true;
	options.fd = fds[0];
	ck_assert_int_eq(msv_uv_listen(rig.uv, &options, &other), MSV_ERR_INVAL);
	ck_assert_int_eq(close(fds[0]), 0);
	ck_assert_int_eq(close(fds[1]), 0);
	msv_uv_listener_free(NULL);
}
END_TEST

START_TEST(test_inherited)
{
	struct msv_uv_listen_options options = on_loopback();
	int fd;

	ck_assert_int_eq(msv_uv_listen_fd(&options, &fd), 0);
	ck_assert_int_eq(fcntl(fd, F_GETFD) & FD_CLOEXEC, FD_CLOEXEC);
	options.have_fd = true;
	options.fd = fd;
	listen_with(options);
	client_open(&c, port, NULL);
	client_expect(&c, "hi\n");
	client_close(&c);
	msv_uv_listener_free(listener);
	rig_run(5);
	ck_assert_int_eq(fcntl(fd, F_GETFD), -1); /* it was taken over */
}
END_TEST

START_TEST(test_unix)
{
	struct msv_uv_listen_options options = on_loopback();
	struct msv_uv_listener *other;
	char dir[] = "/tmp/msv-uv-XXXXXX", path[64], line[256];
	struct stat st;

	ck_assert_ptr_nonnull(mkdtemp(dir));
	snprintf(path, sizeof(path), "%s/socket", dir);
	options.path = path;
	options.path_mode = 0660;
	listen_with(options);
	ck_assert_uint_eq(port, 0);
	ck_assert_int_eq(stat(path, &st), 0);
	ck_assert_uint_eq(st.st_mode & 0777, 0660);
	client_open_unix(&c, path);
	client_expect(&c, "hi\n");
	say_who(&c, line, sizeof(line));
	ck_assert_str_eq(line, "- 0 - 0 -\n");
	client_close(&c);
	/* One that is in use stays. */
	ck_assert_int_eq(msv_uv_listen(rig.uv, &options, &other), MSV_ERR_EXISTS);
	msv_uv_listener_free(listener);
	ck_assert_int_ne(access(path, F_OK), 0);

	/* A stale one is replaced; a file is not. */
	int fd;
	ck_assert_int_eq(msv_uv_listen_fd(&options, &fd), 0);
	close(fd);
	ck_assert_int_eq(access(path, F_OK), 0);
	listen_with(options);
	client_open_unix(&c, path);
	client_expect(&c, "hi\n");
	client_close(&c);
	msv_uv_listener_free(listener);
	close(open(path, O_CREAT | O_WRONLY, 0600));
	ck_assert_int_eq(msv_uv_listen(rig.uv, &options, &other), MSV_ERR_EXISTS);
	ck_assert_int_eq(unlink(path), 0);
	ck_assert_int_eq(rmdir(dir), 0);
}
END_TEST

/* -- PROXY ---------------------------------------------------------------------------------------- */

static struct msv_uv_listen_options behind_proxy(void)
{
	static const char *const proxies[] = { "10.0.0.0/8", "127.0.0.1" };
	struct msv_uv_listen_options options = on_loopback();

	options.proxies = proxies;
	options.nproxies = 2;
	return options;
}

static const char header[] = "PROXY TCP4 203.0.113.7 192.0.2.25 50000 25\r\n";

START_TEST(test_proxy)
{
	char line[256];

	listen_with(behind_proxy());
	client_open(&c, port, NULL);
	rig_run(20);
	ck_assert_uint_eq(rig.begun, 0); /* no session before the header */
	client_say(&c, header);
	client_expect(&c, "hi\n");
	say_who(&c, line, sizeof(line));
	ck_assert_str_eq(line, "203.0.113.7 50000 192.0.2.25 25 -\n");
	client_close(&c);
	/* Anybody else is a client. */
	client_open(&c, port, "127.0.0.2");
	client_expect(&c, "hi\n");
	client_say(&c, "PROXY\n");
	client_expect(&c, "PROXY\n");
	client_close(&c);
}
END_TEST

/* The header in two pieces, cut everywhere; the second with a command behind. */
START_TEST(test_proxy_pieces)
{
	char rest[128];

	listen_with(behind_proxy());
	for (size_t cut = 1; cut < strlen(header); cut++) {
		client_open(&c, port, NULL);
		ck_assert_int_eq(send(c.fd, header, cut, 0), (ssize_t)cut);
		rig_run(2);
		snprintf(rest, sizeof(rest), "%shello\n", header + cut);
		client_say(&c, rest);
		client_expect(&c, "hi\nhello\n");
		client_close(&c);
	}
}
END_TEST

START_TEST(test_proxy_v2)
{
	static const char v2[] =
	    "\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c\xcb\0\x71\x08\xc0\0\2\x19\xc3\x50\0\x19";
	static const char local[] = "\r\n\r\n\0\r\nQUIT\n\x20\0\0\0";
	char line[256];

	listen_with(behind_proxy());
	client_open(&c, port, NULL);
	ck_assert_int_eq(send(c.fd, v2, sizeof(v2) - 1, 0), sizeof(v2) - 1);
	client_expect(&c, "hi\n");
	say_who(&c, line, sizeof(line));
	ck_assert_str_eq(line, "203.0.113.8 50000 192.0.2.25 25 -\n");
	client_close(&c);
	/* The proxy looks whether we are there. */
	client_open(&c, port, NULL);
	ck_assert_int_eq(send(c.fd, local, sizeof(local) - 1, 0), sizeof(local) - 1);
	client_expect(&c, "hi\n");
	say_who(&c, line, sizeof(line));
	ck_assert_int_eq(strncmp(line, "127.0.0.1 ", 10), 0);
	client_close(&c);
}
END_TEST

/* IPv4 in IPv6 clothes is IPv4: such clients are not all one /64. */
START_TEST(test_proxy_mapped)
{
	struct msv_uv_listen_options options = behind_proxy();
	char line[256];

	options.max_per_address = 1;
	listen_with(options);
	for (int i = 0; i < 2; i++) {
		char text[128];

		snprintf(text, sizeof(text),
		    "PROXY TCP6 ::ffff:203.0.113.%d ::ffff:192.0.2.25 5000 25\r\n", i);
		client_open(&many[i], port, NULL);
		client_say(&many[i], text);
		client_expect(&many[i], "hi\n");
	}
	say_who(&many[1], line, sizeof(line));
	ck_assert_str_eq(line, "203.0.113.1 5000 192.0.2.25 25 -\n");
	client_close(&many[0]);
	client_close(&many[1]);
}
END_TEST

/* Limits count the clients' addresses, not the proxy's. */
START_TEST(test_proxy_limits)
{
	struct msv_uv_listen_options options = behind_proxy();

	options.max_per_address = 1;
	listen_with(options);
	for (int i = 0; i < 4; i++) {
		char text[128];

		snprintf(text, sizeof(text), "PROXY TCP4 203.0.113.%d 192.0.2.25 5000 25\r\n", i);
		client_open(&many[i], port, NULL);
		client_say(&many[i], text);
		client_expect(&many[i], "hi\n");
	}
	client_open(&c, port, NULL);
	client_say(&c, "PROXY TCP4 203.0.113.3 192.0.2.25 5001 25\r\n");
	ck_assert(rig_until(client_gone(&c)));
	ck_assert_str_eq(c.got, "too many\n");
	client_close(&c);
	for (int i = 0; i < 4; i++)
		client_close(&many[i]);
}
END_TEST

START_TEST(test_proxy_missing)
{
	static char long_line[600];
	static const char *const bad[] = { "EHLO client.example\r\n", "PROXY TCP4 x y 1 2\r\n",
		"PROXY TCP4 203.0.113.7\r\n", long_line };
	struct msv_uv_listen_options options = behind_proxy();

	memset(long_line, ' ', sizeof(long_line) - 1);
	memcpy(long_line, "PROXY ", 6);
	options.proxy_timeout_ms = 50;
	listen_with(options);
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		rig.log[0] = '\0';
		client_open(&c, port, NULL);
		client_say(&c, bad[i]);
		ck_assert(rig_until(client_gone(&c)));
		ck_assert_uint_eq(c.n, 0);
		ck_assert_ptr_nonnull(
		    strstr(rig.log, "peer=127.0.0.1: sent something other than a PROXY header"));
		client_close(&c);
	}
	client_open(&c, port, NULL);
	client_say(&c, "PROXY TCP4 ");
	ck_assert(rig_until(client_gone(&c)));
	ck_assert_ptr_nonnull(strstr(rig.log, "sent no PROXY header in time"));
	client_close(&c);
	/* Who just looks whether the port is open is no news. */
	rig.log[0] = '\0';
	client_open(&c, port, NULL);
	client_close(&c);
	ck_assert(rig_until(msv_uv_connections(rig.uv) == 0));
	ck_assert_str_eq(rig.log, "");
	ck_assert_uint_eq(rig.begun, 0);
}
END_TEST

START_TEST(test_proxy_unix)
{
	static const char *const proxies[] = { "unix" };
	struct msv_uv_listen_options options = on_loopback();
	char dir[] = "/tmp/msv-uv-XXXXXX", path[64], line[256];

	ck_assert_ptr_nonnull(mkdtemp(dir));
	snprintf(path, sizeof(path), "%s/socket", dir);
	options.path = path;
	options.proxies = proxies;
	options.nproxies = 1;
	listen_with(options);
	client_open_unix(&c, path);
	client_say(&c, header);
	client_expect(&c, "hi\n");
	say_who(&c, line, sizeof(line));
	ck_assert_str_eq(line, "203.0.113.7 50000 192.0.2.25 25 -\n");
	client_close(&c);
	msv_uv_listener_free(listener);
	ck_assert_int_eq(rmdir(dir), 0);
}
END_TEST

static unsigned drained;

static void on_drained(void *user)
{
	(void)user;
	drained++;
}

/* Those whose session has not begun have nothing to be told. */
START_TEST(test_proxy_pending_at_the_end)
{
	drained = 0;
	listen_with(behind_proxy());
	client_open(&c, port, NULL);
	client_open(&many[0], port, NULL);
	ck_assert(rig_until(msv_uv_connections(rig.uv) == 2));
	msv_uv_drain(rig.uv, MSV_SHUTDOWN_SERVICE, 60000, on_drained, NULL);
	ck_assert(rig_until(drained == 1));
	ck_assert(rig_until(client_gone(&c) && client_gone(&many[0])));
	client_close(&c);
	client_close(&many[0]);
	client_open(&c, port, NULL);
	ck_assert(rig_until(msv_uv_connections(rig.uv) == 1));
	msv_uv_listener_free(listener);
	ck_assert(rig_until(msv_uv_connections(rig.uv) == 0));
	client_close(&c);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("uv/listener");

	check_fixture_case(s, "in", rig_begin, rig_end, test_peer, test_all_addresses, test_many,
	    test_last_reply_arrives, test_refused, test_freed_in_accept);
	check_fixture_case(
	    s, "limits", rig_begin, rig_end, test_per_address, test_in_all, test_no_descriptors);
	check_fixture_case(
	    s, "sockets", rig_begin, rig_end, test_errors, test_inherited, test_unix);
	check_fixture_case(s, "proxy", rig_begin, rig_end, test_proxy, test_proxy_pieces,
	    test_proxy_v2, test_proxy_mapped, test_proxy_limits, test_proxy_missing,
	    test_proxy_unix, test_proxy_pending_at_the_end);
	return check_main(s);
}
