/*
 * A toy protocol for the tests of the connection.  It says "hello", then
 * answers line by line:
 *
 *	ask		asks an op, and says "answered" when it is
 *	big N		N bytes, as the window allows
 *	later		"later", after the loop had a turn
 *	hold		takes no input until msv_conn_resume()
 *	starttls	"go", and then a toy filter
 *	bye		"bye" and the end
 *	anything else	the same back, after a call to the embedder
 *
 * It times out after a second without a line.
 */
#ifndef TESTS_BASE_ECHO_H
#define TESTS_BASE_ECHO_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <mailserv/testing.h>

#include "base/conn.h"
#include "base/op.h"
#include "check_main.h"

struct echo;

/* What the embedder of the echo protocol gives, and what came of it. */
struct echo_host {
	void (*line)(struct echo_host *host, const char *line); /* may call any verb */
	void (*asked)(struct echo_host *host, struct msv_op *op);
	struct msv_filter *(*filter)(struct echo_host *host);
	struct msv_conn *conn; /* NULL when it was freed */
	struct msv_op *op;     /* asked and not answered */
	unsigned steps, destroyed, canceled, wakes;
};

struct echo {
	struct msv_conn conn;
	struct echo_host *host;
	struct msv_op *op;
	size_t big;
	bool greeted, later, in_step;
};

static void echo_answered(void *user, int error, const void *result)
{
	struct echo *echo = user;

	(void)result;
	echo->op = NULL;
	echo->host->op = NULL;
	msv_buf_printf(&echo->conn.out, "answered %d\n", error);
	if (echo->host->line)
		echo->host->line(echo->host, "(answered)");
	msv_conn_kick(&echo->conn);
}

static void echo_canceled(void *user)
{
	struct echo_host *host = user;
	struct msv_op *op = host->op;

	host->canceled++;
	host->op = NULL;
	msv_op_answer(op, MSV_ERR_CANCELED);
}

static void echo_ask(struct echo *echo)
{
	struct echo_host *host = echo->host;

	echo->op = msv_op_new(echo->conn.env, echo_answered, echo);
	if (!echo->op) {
		msv_conn_break(&echo->conn);
		return;
	}
	host->op = echo->op;
	msv_op_on_cancel(echo->op, echo_canceled, host);
	if (host->asked)
		host->asked(host, echo->op);
}

static void echo_line(struct echo *echo, const char *line)
{
	struct msv_conn *conn = &echo->conn;

	if (!strcmp(line, "ask")) {
		echo_ask(echo);
	} else if (!strncmp(line, "big ", 4)) {
		echo->big = strtoul(line + 4, NULL, 10);
	} else if (!strcmp(line, "later")) {
		echo->later = true;
		msv_conn_yield(conn);
	} else if (!strcmp(line, "hold")) {
		conn->hold_input = true;
	} else if (!strcmp(line, "starttls")) {
		msv_buf_puts(&conn->out, "go\n");
		msv_conn_push_filter(conn, echo->host->filter(echo->host));
	} else if (!strcmp(line, "bye")) {
		msv_buf_puts(&conn->out, "bye\n");
		msv_conn_end(conn);
	} else {
		if (echo->host->line)
			echo->host->line(echo->host, line);
		msv_buf_printf(&conn->out, "%s\n", line);
	}
}

/* Takes one line; false when there is none. */
static bool echo_take_line(struct echo *echo)
{
	struct msv_buf *in = &echo->conn.in;
	const char *data = msv_buf_data(in);
	const char *lf = memchr(data, '\n', msv_buf_len(in));
	char line[256];

	if (!lf)
		return false;
	size_t n = (size_t)(lf - data);
	ck_assert_uint_lt(n, sizeof(line));
	/* The line is looked at in place while the embedder is called: a nested
	 * verb must not move it. */
	memcpy(line, data, n);
	line[n] = '\0';
	echo_line(echo, line);
	ck_assert(!memcmp(data, line, n));
	msv_buf_consume(in, n + 1);
	return true;
}

static void echo_step(struct msv_conn *conn)
{
	struct echo *echo = (struct echo *)conn;

	ck_assert(!echo->in_step);
	ck_assert(!msv_conn_ended(conn));
	echo->in_step = true;
	echo->host->steps++;
	if (!echo->greeted)
		msv_buf_puts(&conn->out, "hello\n");
	echo->greeted = true;
	if (echo->later && !conn->yield_task.queued) {
		echo->later = false;
		msv_buf_puts(&conn->out, "later\n");
	}
	while (!msv_conn_ended(conn) && !echo->op && !echo->later && !conn->hold_input) {
		size_t room = msv_conn_room(conn);
		if (echo->big && !room)
			break;
		if (echo->big) {
			size_t take = echo->big < room ? echo->big : room;
			char *p = msv_buf_reserve(&conn->out, take);
			if (!p)
				break;
			memset(p, 'b', take);
			msv_buf_commit(&conn->out, take);
			echo->big -= take;
			continue;
		}
		if (!echo_take_line(echo)) {
			if (conn->eof) {
				msv_buf_puts(&conn->out, "eof\n");
				msv_conn_end(conn);
			}
			break;
		}
		conn->deadline = msv_env_now(conn->env) + 1000;
	}
	echo->in_step = false;
}

static void echo_expire(struct msv_conn *conn)
{
	ck_assert_uint_eq(conn->deadline, MSV_NEVER);
	msv_buf_puts(&conn->out, "timeout\n");
	msv_conn_end(conn);
}

static void echo_shutdown(struct msv_conn *conn, enum msv_shutdown why)
{
	ck_assert(!((struct echo *)conn)->in_step);
	msv_buf_printf(&conn->out, "shutdown %d\n", (int)why);
}

static void echo_info(const struct msv_conn *conn, struct msv_conn_info *info)
{
	info->state = ((const struct echo *)conn)->op ? "asking" : "idle";
}

static void echo_destroy(struct msv_conn *conn)
{
	struct echo *echo = (struct echo *)conn;

	ck_assert(!echo->in_step);
	echo->host->destroyed++;
	echo->host->conn = NULL;
	msv_op_cancel(echo->op);
}

static const struct msv_proto echo_proto = { "echo", echo_step, echo_expire, echo_shutdown,
	echo_info, echo_destroy, NULL };

static inline void echo_wake(void *user)
{
	((struct echo_host *)user)->wakes++;
}

/* A connection in host->conn; NULL when there is no memory. */
static inline struct msv_conn *echo_new(
    struct msv_env *env, struct echo_host *host, const struct msv_peer *peer)
{
	struct echo *echo = msv_alloc(env, sizeof(*echo));

	if (!echo)
		return NULL;
	if (msv_conn_init(&echo->conn, env, &echo_proto, peer)) {
		msv_free(env, echo);
		return NULL;
	}
	echo->host = host;
	host->conn = &echo->conn;
	msv_conn_set_wake(host->conn, echo_wake, host);
	return host->conn;
}

static inline void echo_send(struct echo_host *host, const char *text)
{
	msv_conn_input(host->conn, text, strlen(text));
}

/* Takes all output there is now, `at_once` bytes each time, into text[size]. */
static inline void echo_receive(struct echo_host *host, size_t at_once, char *text, size_t size)
{
	const void *p;
	size_t n, used = 0;

	while (host->conn && (n = msv_conn_output(host->conn, &p))) {
		ck_assert(msv_conn_want(host->conn) & MSV_WANT_WRITE);
		n = n < at_once ? n : at_once;
		ck_assert_uint_lt(used + n, size);
		memcpy(text + used, p, n);
		used += n;
		msv_conn_sent(host->conn, n);
	}
	text[used] = '\0';
}

static inline void echo_expect(struct echo_host *host, const char *text)
{
	char got[4096];

	echo_receive(host, SIZE_MAX, got, sizeof(got));
	ck_assert_str_eq(got, text);
}

#endif
