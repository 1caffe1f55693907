/* Connections in memory: pairs of conns, and what goes between them. */
#include <stdlib.h>
#include <string.h>

#include "testing/testing.h"

enum {
	CONNECT_MS = 30000,
	FIRST_PORT = 40000, /* of clients */
	PIECE = 16384,      /* of bytes that go over at once */
};

struct transport {
	struct msv_transport table;
	struct msv_test_env *test;
	msv_test_accept_fn accept;
	void *user;
	uint64_t late;
	uint16_t port; /* of the last client */
};

/* A connection, from the attempt on. */
struct msv_test_pipe {
	struct msv_test_pipe *next;
	struct transport *transport;
	struct msv_conn *ends[2]; /* client, server; NULL: gone */
	bool told[2];             /* that the other end is gone */
	bool open;                /* `closed` is to be called */

	/* While it is being made. */
	struct msv_connect_op op;
	struct msv_timer *timer;
	uint64_t began;

	struct msv_transport_target target; /* its strings are copies */
	char *address, *path, *source;
};

static void free_pipe(struct msv_test_pipe *pipe)
{
	msv_timer_free(pipe->timer);
	free(pipe->address);
	free(pipe->path);
	free(pipe->source);
	free(pipe);
}

/* -- Moving bytes ------------------------------------------------------------------ */

/* What one end has to say goes to the other as far as it wants it.  True when
 * something happened. */
static bool carry(struct msv_test_pipe *pipe, int from)
{
	struct msv_conn *conn = pipe->ends[from], *other = pipe->ends[!from];
	char piece[PIECE];
	const void *p;
	size_t n = msv_conn_output(conn, &p);

	if (!n || (other && !(msv_conn_want(other) & MSV_WANT_READ)))
		return false;
	n = n < PIECE ? n : PIECE;
	memcpy(piece, p, n);
	msv_conn_sent(conn, n);
	if (pipe->ends[!from]) /* a callback may have dropped it */
		msv_conn_input(pipe->ends[!from], piece, n);
	return true;
}

/* The other end is gone, and all it said was taken. */
static bool tell_end(struct msv_test_pipe *pipe, int end)
{
	if (pipe->told[end] || pipe->ends[!end])
		return false;
	pipe->told[end] = true;
	msv_conn_eof(pipe->ends[end], 0);
	return true;
}

static bool close_end(struct msv_test_pipe *pipe, int end)
{
	struct msv_conn *conn = pipe->ends[end];

	if (!(msv_conn_want(conn) & MSV_WANT_CLOSE))
		return false;
	pipe->ends[end] = NULL;
	if (end == 0 && pipe->open && pipe->target.closed)
		pipe->target.closed(pipe->target.user);
	msv_conn_free(conn);
	return true;
}

/* Gives one end its turn; *next becomes its deadline when that is earlier. */
static bool serve_end(struct msv_test_pipe *pipe, int end, uint64_t *next)
{
	uint64_t deadline;
	bool moved;

	if (!pipe->ends[end])
		return false;
	deadline = msv_conn_tick(pipe->ends[end]);
	if (deadline < *next)
		*next = deadline;
	moved = pipe->ends[end] && carry(pipe, end);
	moved |= pipe->ends[end] && tell_end(pipe, end);
	moved |= pipe->ends[end] && close_end(pipe, end);
	return moved;
}

/* Frees those that are over.  Callbacks add to the list meanwhile at its front. */
static void sweep(struct msv_test_env *test)
{
	struct msv_test_pipe **link = &test->pipes;

	while (*link) {
		struct msv_test_pipe *pipe = *link;

		if (pipe->op.op || pipe->ends[0] || pipe->ends[1]) {
			link = &pipe->next;
		} else {
			*link = pipe->next;
			free_pipe(pipe);
		}
	}
}

uint64_t msv_test_pump(struct msv_test_env *test)
{
	uint64_t next = MSV_NEVER;
	bool moved = false;

	for (struct msv_test_pipe *pipe = test->pipes; pipe; pipe = pipe->next) {
		moved |= serve_end(pipe, 0, &next);
		moved |= serve_end(pipe, 1, &next);
	}
	sweep(test);
	return moved ? test->now : next;
}

void msv_test_pipes_free(struct msv_test_env *test)
{
	for (struct msv_test_pipe *pipe = test->pipes; pipe; pipe = pipe->next) {
		for (int end = 0; end < 2; end++) {
			struct msv_conn *conn = pipe->ends[end];

			pipe->ends[end] = NULL;
			msv_conn_free(conn);
		}
		if (pipe->op.op) {
			msv_op_on_cancel(pipe->op.op, NULL, NULL);
			msv_op_answer(pipe->op.op, MSV_ERR_CANCELED);
			pipe->op.op = NULL;
		}
	}
	sweep(test);
}

/* -- Connecting ------------------------------------------------------------------------ */

static void finish(struct msv_test_pipe *pipe, int error)
{
	struct msv_connect_op op = pipe->op;

	pipe->op.op = NULL;
	msv_op_on_cancel(op.op, NULL, NULL);
	msv_connect_answer(op, error, error == MSV_ERR_IO ? "connection refused" : NULL);
}

/* The server took it: now the client's end. */
static void make_client(struct msv_test_pipe *pipe)
{
	struct transport *transport = pipe->transport;
	struct msv_peer peer = {
		.size = sizeof(peer),
		.address = pipe->address,
		.port = pipe->target.port,
		.local_address = pipe->source,
		.local_port = pipe->address ? (uint16_t)(FIRST_PORT + transport->port++) : 0,
	};

	pipe->ends[0] = pipe->target.make(pipe->target.user, &peer);
	pipe->open = pipe->ends[0] != NULL;
	if (pipe->open) {
		finish(pipe, 0);
	} else {
		msv_op_answer(pipe->op.op, MSV_ERR_NOMEM);
		pipe->op.op = NULL;
	}
}

static void on_cancel(void *user)
{
	struct msv_test_pipe *pipe = user;

	msv_timer_stop(pipe->timer);
	finish(pipe, MSV_ERR_CANCELED);
}

/* Asks for the server's end; 0 when it is there. */
static int find_server(struct msv_test_pipe *pipe)
{
	struct transport *transport = pipe->transport;
	int error = MSV_ERR_IO;

	pipe->ends[1] = transport->accept(transport->user, &pipe->target, &error);
	return pipe->ends[1] ? 0 : error;
}

static void on_time(void *user)
{
	struct msv_test_pipe *pipe = user;
	uint64_t limit = pipe->began + pipe->target.timeout_ms;
	int error = MSV_ERR_TIMEOUT;

	msv_op_on_cancel(pipe->op.op, NULL, NULL); /* a callback below may cancel */
	if (pipe->transport->test->now < limit)
		error = find_server(pipe);
	if (msv_op_canceled(pipe->op.op)) {
		finish(pipe, MSV_ERR_CANCELED);
	} else if (error == MSV_ERR_TIMEOUT && pipe->transport->test->now < limit) {
		msv_timer_start(pipe->timer, limit);
		msv_op_on_cancel(pipe->op.op, on_cancel, pipe);
	} else if (error) {
		finish(pipe, error);
	} else {
		make_client(pipe);
	}
}

static bool copy_string(const char *s, char **out)
{
	*out = s ? strdup(s) : NULL;
	return !s || *out;
}

static int copy_target(struct msv_test_pipe *pipe, const struct msv_transport_target *given)
{
	struct msv_transport_target *target = &pipe->target;

	memcpy(target, given, given->size < sizeof(*target) ? given->size : sizeof(*target));
	target->size = sizeof(*target);
	if (!target->timeout_ms)
		target->timeout_ms = CONNECT_MS;
	if (!copy_string(target->address, &pipe->address) ||
	    !copy_string(target->path, &pipe->path) || !copy_string(target->source, &pipe->source))
		return MSV_ERR_NOMEM;
	target->address = pipe->address;
	target->path = pipe->path;
	target->source = pipe->source;
	return target->make && (target->address || target->path) ? 0 : MSV_ERR_INVAL;
}

static void connect_to(
    void *self, const struct msv_transport_target *target, struct msv_connect_op op)
{
	struct transport *transport = self;
	struct msv_test_env *test = transport->test;
	struct msv_test_pipe *pipe = calloc(1, sizeof(*pipe));
	uint64_t late = transport->late;
	int error = pipe ? copy_target(pipe, target) : MSV_ERR_NOMEM;

	if (!error)
		error = msv_timer_new(test->env, on_time, pipe, &pipe->timer);
	if (error) {
		if (pipe)
			free_pipe(pipe);
		msv_connect_answer(op, error, NULL);
		return;
	}
	pipe->transport = transport;
	pipe->op = op;
	pipe->began = test->now;
	pipe->next = test->pipes;
	test->pipes = pipe;
	msv_op_on_cancel(op.op, on_cancel, pipe);
	if (late > pipe->target.timeout_ms)
		late = pipe->target.timeout_ms;
	msv_timer_start(pipe->timer, test->now + late);
}

static void drop(void *self, struct msv_conn *conn)
{
	struct transport *transport = self;

	for (struct msv_test_pipe *pipe = transport->test->pipes; pipe; pipe = pipe->next) {
		for (int end = 0; end < 2; end++) {
			if (pipe->ends[end] != conn)
				continue;
			pipe->ends[end] = NULL;
			pipe->open &= end != 0;
			msv_conn_free(conn);
			return;
		}
	}
}

/* -- The whole ----------------------------------------------------------------------------- */

const struct msv_transport *msv_test_transport(
    struct msv_test_env *test, msv_test_accept_fn accept, void *user)
{
	struct transport *transport = msv_test_keep(test, sizeof(*transport));

	if (!transport)
		return NULL;
	transport->table = (struct msv_transport){
		.size = sizeof(transport->table),
		.self = transport,
		.connect = connect_to,
		.drop = drop,
	};
	transport->test = test;
	transport->accept = accept;
	transport->user = user;
	return &transport->table;
}

void msv_test_transport_late(const struct msv_transport *transport, uint64_t ms)
{
	((struct transport *)transport->self)->late = ms;
}

size_t msv_test_transport_open(const struct msv_transport *transport)
{
	struct transport *self = transport->self;
	size_t n = 0;

	for (struct msv_test_pipe *pipe = self->test->pipes; pipe; pipe = pipe->next)
		n += pipe->transport == self && (pipe->ends[0] || pipe->ends[1]);
	return n;
}

void msv_test_transport_cut(const struct msv_transport *transport)
{
	struct transport *self = transport->self;

	for (struct msv_test_pipe *pipe = self->test->pipes; pipe; pipe = pipe->next)
		for (int end = 0; pipe->transport == self && end < 2; end++)
			if (pipe->ends[end])
				msv_conn_eof(pipe->ends[end], MSV_ERR_IO);
}
