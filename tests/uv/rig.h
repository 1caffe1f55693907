/* A loop with an env, a small protocol, and clients that do not block it. */
#ifndef TESTS_UV_RIG_H
#define TESTS_UV_RIG_H

#include <arpa/inet.h>
#include <check.h>
#include <errno.h>
#include <mailserv/uv.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/conn.h"

struct rig {
	uv_loop_t loop;
	struct msv_uv *uv;
	struct msv_env *env;
	uv_timer_t keep; /* the loop runs for it, whatever else there is */
	char log[8192];
	unsigned conns; /* toys alive */
	unsigned begun; /* toys ever made */
};

static struct rig rig;

static inline void rig_log(void *user, enum msv_log_level level, const char *line)
{
	size_t have = strlen(rig.log);

	(void)user;
	(void)level;
	snprintf(rig.log + have, sizeof(rig.log) - have, "%s\n", line);
}

static inline void rig_begin_with(struct msv_uv_options options)
{
	memset(&rig, 0, sizeof(rig));
	signal(SIGPIPE, SIG_IGN);
	options.size = sizeof(options);
	options.log = rig_log;
	ck_assert_int_eq(uv_loop_init(&rig.loop), 0);
	ck_assert_int_eq(msv_uv_new(&rig.loop, &options, &rig.uv), 0);
	rig.env = msv_uv_env(rig.uv);
	uv_timer_init(&rig.loop, &rig.keep);
}

static inline void rig_begin(void)
{
	rig_begin_with((struct msv_uv_options){ 0 });
}

/* Everything closes, and nothing is left on the loop. */
static inline void rig_end(void)
{
	msv_uv_free(rig.uv);
	uv_close((uv_handle_t *)&rig.keep, NULL);
	uv_run(&rig.loop, UV_RUN_DEFAULT);
	ck_assert_int_eq(uv_loop_close(&rig.loop), 0);
	ck_assert_uint_eq(rig.conns, 0);
}

static inline void rig_nothing(uv_timer_t *timer)
{
	(void)timer;
}

/* Runs the loop once, waiting a millisecond at most. */
static inline void rig_turn(void)
{
	uv_timer_start(&rig.keep, rig_nothing, 1, 1);
	uv_run(&rig.loop, UV_RUN_ONCE);
	uv_timer_stop(&rig.keep);
}

/* Runs the loop for about so many milliseconds. */
static inline void rig_run(unsigned ms)
{
	uint64_t end = msv_env_now(rig.env) + ms;

	while (msv_env_now(rig.env) < end)
		rig_turn();
}

/* Runs the loop until the condition holds; false after half a minute. */
#define rig_until(condition) \
	({ \
		uint64_t rig_end_ = msv_env_now(rig.env) + 30000; \
		bool rig_holds_; \
		while (!(rig_holds_ = (condition)) && msv_env_now(rig.env) < rig_end_) \
			rig_turn(); \
		rig_holds_; \
	})

/* -- The protocol ------------------------------------------------------------------ */

/*
 * It greets by "hi", repeats lines, and knows:
 *	WHO         who the peer is
 *	BIG n       n bytes
 *	WAIT ms     ends the connection after that
 *	LATE ms     answers only then
 *	QUIT        ends
 */
struct toy {
	struct msv_conn conn;
	bool greeted;
	size_t big;
	struct msv_timer *late;
};

static inline void toy_late(void *user)
{
	struct toy *toy = user;

	msv_buf_puts(&toy->conn.out, "late\n");
	msv_conn_kick(&toy->conn);
}

static inline void toy_line(struct toy *toy, const char *line)
{
	struct msv_conn *conn = &toy->conn;
	const struct msv_peer *peer = &conn->peer;

	if (strcmp(line, "QUIT") == 0) {
		msv_buf_puts(&conn->out, "bye\n");
		msv_conn_end(conn);
	} else if (strcmp(line, "WHO") == 0) {
		msv_buf_printf(&conn->out, "%s %u %s %u %s\n", peer->address ? peer->address : "-",
		    peer->port, peer->local_address ? peer->local_address : "-", peer->local_port,
		    peer->name ? peer->name : "-");
	} else if (strncmp(line, "BIG ", 4) == 0) {
		toy->big = strtoul(line + 4, NULL, 10);
	} else if (strncmp(line, "WAIT ", 5) == 0) {
		conn->deadline = msv_env_now(conn->env) + strtoul(line + 5, NULL, 10);
	} else if (strncmp(line, "LATE ", 5) == 0) {
		msv_timer_start(toy->late, msv_env_now(conn->env) + strtoul(line + 5, NULL, 10));
	} else {
		msv_buf_puts(&conn->out, line);
		msv_buf_putc(&conn->out, '\n');
	}
}

static inline void toy_step(struct msv_conn *conn)
{
	struct toy *toy = (struct toy *)conn;
	static const char filler[4096];

	if (!toy->greeted)
		msv_buf_puts(&conn->out, "hi\n");
	toy->greeted = true;
	while (!msv_conn_ended(conn)) {
		char line[256];
		const char *p, *nl;
		size_t n;

		while (toy->big && msv_conn_room(conn)) {
			n = toy->big < sizeof(filler) ? toy->big : sizeof(filler);
			if (n > msv_conn_room(conn))
				n = msv_conn_room(conn);
			msv_buf_put(&conn->out, filler, n);
			toy->big -= n;
		}
		p = msv_buf_data(&conn->in);
		nl = msv_buf_len(&conn->in) ? memchr(p, '\n', msv_buf_len(&conn->in)) : NULL;
		if (toy->big || !nl)
			break;
		n = (size_t)(nl - p);
		ck_assert_uint_lt(n, sizeof(line));
		memcpy(line, p, n);
		line[n] = '\0';
		msv_buf_consume(&conn->in, n + 1);
		toy_line(toy, line);
	}
	if (conn->eof && !toy->big && !msv_conn_ended(conn))
		msv_conn_end(conn);
}

static inline void toy_expire(struct msv_conn *conn)
{
	msv_buf_puts(&conn->out, "too late\n");
	msv_conn_end(conn);
}

static inline void toy_shutdown(struct msv_conn *conn, enum msv_shutdown why)
{
	struct toy *toy = (struct toy *)conn;

	toy->big = 0;
	msv_buf_puts(&conn->out, why == MSV_SHUTDOWN_OVERLOAD ? "too many\n" : "going down\n");
}

static inline void toy_info(const struct msv_conn *conn, struct msv_conn_info *info)
{
	(void)conn;
	info->state = "toy";
}

static inline void toy_destroy(struct msv_conn *conn)
{
	msv_timer_free(((struct toy *)conn)->late);
	rig.conns--;
}

static inline struct msv_conn *toy_new(const struct msv_peer *peer)
{
	static const struct msv_proto proto = { "toy", toy_step, toy_expire, toy_shutdown, toy_info,
		toy_destroy, NULL };
	struct toy *toy = msv_alloc(rig.env, sizeof(*toy));

	if (!toy)
		return NULL;
	if (msv_timer_new(rig.env, toy_late, toy, &toy->late) ||
	    msv_conn_init(&toy->conn, rig.env, &proto, peer)) {
		msv_timer_free(toy->late);
		msv_free(rig.env, toy);
		return NULL;
	}
	rig.conns++;
	rig.begun++;
	return &toy->conn;
}

static inline struct msv_conn *toy_accept(void *user, const struct msv_peer *peer)
{
	(void)user;
	return toy_new(peer);
}

/* -- Clients --------------------------------------------------------------------------- */

struct client {
	int fd;
	char got[70000];
	size_t n;
	bool closed; /* the server closed in order */
	int error;   /* or errno */
};

/* A connection to a port of 127.0.0.1, from another of its addresses if named. */
static inline void client_open(struct client *c, uint16_t port, const char *from)
{
	struct sockaddr_in sa = { .sin_family = AF_INET, .sin_port = htons(port) };
	struct sockaddr_in mine = { .sin_family = AF_INET };

	memset(c, 0, sizeof(*c));
	sa.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	c->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	ck_assert_int_ge(c->fd, 0);
	if (from) {
		inet_pton(AF_INET, from, &mine.sin_addr);
		ck_assert_int_eq(bind(c->fd, (struct sockaddr *)&mine, sizeof(mine)), 0);
	}
	ck_assert_int_eq(connect(c->fd, (struct sockaddr *)&sa, sizeof(sa)), 0);
}

static inline void client_open_unix(struct client *c, const char *path)
{
	struct sockaddr_un sa = { .sun_family = AF_UNIX };

	memset(c, 0, sizeof(*c));
	snprintf(sa.sun_path, sizeof(sa.sun_path), "%s", path);
	c->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	ck_assert_int_eq(connect(c->fd, (struct sockaddr *)&sa, sizeof(sa)), 0);
}

static inline void client_say(struct client *c, const char *text)
{
	ck_assert_int_eq(send(c->fd, text, strlen(text), MSG_NOSIGNAL), (ssize_t)strlen(text));
}

/* Takes what is there now. */
static inline void client_poll(struct client *c)
{
	ssize_t n = recv(c->fd, c->got + c->n, sizeof(c->got) - 1 - c->n, MSG_DONTWAIT);

	if (n > 0)
		c->n += (size_t)n;
	else if (n == 0 && c->n < sizeof(c->got) - 1)
		c->closed = true;
	else if (n < 0 && errno != EAGAIN)
		c->error = errno;
	c->got[c->n] = '\0';
}

static inline bool client_has(struct client *c, const char *text)
{
	client_poll(c);
	return strcmp(c->got, text) == 0;
}

static inline bool client_gone(struct client *c)
{
	client_poll(c);
	return c->closed || c->error;
}

/* The server has said exactly this since the last time. */
#define client_expect(c, text) \
	do { \
		ck_assert_msg(rig_until(client_has((c), (text))), "expected \"%s\", got \"%s\"", \
		    (text), (c)->got); \
		(c)->n = 0; \
	} while (0)

static inline void client_close(struct client *c)
{
	close(c->fd);
	c->fd = -1;
}

#endif
