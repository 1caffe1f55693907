/*
 * The verbs only note what happened and queue the conn's task; the task runs
 * when the outermost verb of the env ends.  So a step never has the code of a
 * session or of an embedder below it on the stack, whatever callback a verb
 * was called in.
 */
#include "base/conn.h"

#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/layers.h"

enum {
	IN_LIMIT = 65536,
	OUT_WINDOW = 32768,
	DECODE_SLICE = 4096, /* bounds what a bomb of compressed bytes becomes at once */
	DRAIN_MS = 60000,    /* for the last output of an ended conn */
};

static void conn_task(struct msv_task *task);

static void yield_task(struct msv_task *task)
{
	struct msv_conn *conn =
	    (struct msv_conn *)((char *)task - offsetof(struct msv_conn, yield_task));

	msv_conn_kick(conn);
}

/* -- Beginning and end ------------------------------------------------------- */

/* Adds a copy of a peer's string at *end of the block; NULL stays NULL. */
static const char *keep_string(char **end, const char *s)
{
	if (!s)
		return NULL;
	size_t n = strlen(s) + 1;
	char *copy = memcpy(*end, s, n);
	*end += n;
	return copy;
}

static size_t string_size(const char *s)
{
	return s ? strlen(s) + 1 : 0;
}

/* Copies the peer, its strings into one block; makes a session id. */
static int keep_peer(struct msv_conn *conn, const struct msv_peer *given)
{
	struct msv_peer peer = { 0 };
	unsigned char random[6];
	char id[2 * sizeof(random) + 1];

	if (given)
		memcpy(&peer, given, given->size < sizeof(peer) ? given->size : sizeof(peer));
	if (!peer.session_id) {
		if (msv_env_random(conn->env, random, sizeof(random)))
			return MSV_ERR_IO;
		for (size_t i = 0; i < sizeof(random); i++)
			snprintf(id + 2 * i, 3, "%02x", random[i]);
		peer.session_id = id;
	}
	char *end = conn->strings =
	    msv_alloc(conn->env, string_size(peer.address) + string_size(peer.local_address) +
	                             string_size(peer.session_id) + string_size(peer.name));
	if (!end)
		return MSV_ERR_NOMEM;
	conn->peer = peer;
	conn->peer.size = sizeof(peer);
	conn->peer.address = keep_string(&end, peer.address);
	conn->peer.local_address = keep_string(&end, peer.local_address);
	conn->peer.session_id = keep_string(&end, peer.session_id);
	conn->peer.name = keep_string(&end, peer.name);
	return 0;
}

int msv_conn_init(struct msv_conn *conn, struct msv_env *env, const struct msv_proto *proto,
    const struct msv_peer *peer)
{
	conn->env = env;
	conn->proto = proto;
	int error = keep_peer(conn, peer);
	if (error)
		return error;
	msv_buf_init(&conn->in, env);
	msv_buf_init(&conn->out, env);
	msv_buf_init(&conn->raw, env);
	msv_buf_init(&conn->wire, env);
	conn->deadline = MSV_NEVER;
	conn->in_limit = IN_LIMIT;
	conn->out_window = OUT_WINDOW;
	conn->started = msv_env_now(env);
	conn->task.fn = conn_task;
	conn->yield_task.fn = yield_task;
	msv_env_ref(env);
	msv_conn_kick(conn);
	return 0;
}

static void destroy(struct msv_conn *conn)
{
	struct msv_env *env = conn->env;

	conn->proto->destroy(conn);
	msv_layers_free(conn);
	msv_buf_fini(&conn->in);
	msv_buf_fini(&conn->out);
	msv_buf_fini(&conn->raw);
	msv_buf_fini(&conn->wire);
	msv_free(env, conn->strings);
	msv_env_undefer(env, &conn->task);
	msv_env_undefer(env, &conn->yield_task);
	if (conn->here)
		*conn->here = false;
	msv_free(env, conn);
	msv_env_unref(env);
}

void msv_conn_free(struct msv_conn *conn)
{
	if (!conn || conn->freed)
		return;
	struct msv_env *env = conn->env;
	msv_env_enter(env);
	conn->freed = true;
	msv_env_defer_first(env, &conn->task);
	msv_env_leave(env);
}

/* -- What a session calls ---------------------------------------------------- */

void msv_conn_kick(struct msv_conn *conn)
{
	conn->kicked = true;
	if (!conn->freed)
		msv_env_defer(conn->env, &conn->task);
}

void msv_conn_yield(struct msv_conn *conn)
{
	if (!conn->freed)
		msv_env_later(conn->env, &conn->yield_task);
}

size_t msv_conn_room(const struct msv_conn *conn)
{
	size_t queued = msv_layers_queued(conn);

	return queued < conn->out_window ? conn->out_window - queued : 0;
}

void msv_conn_end(struct msv_conn *conn)
{
	conn->ending = true;
	msv_conn_kick(conn);
}

void msv_conn_break(struct msv_conn *conn)
{
	conn->broken = true;
	msv_conn_kick(conn);
}

bool msv_conn_ended(const struct msv_conn *conn)
{
	return conn->ending || conn->broken || conn->freed || msv_buf_failed(&conn->in) ||
	       msv_buf_failed(&conn->out) || msv_buf_failed(&conn->raw) ||
	       msv_buf_failed(&conn->wire);
}

void msv_conn_log(struct msv_conn *conn, enum msv_log_level level, const char *fmt, ...)
{
	char text[1024];
	va_list args;

	va_start(args, fmt);
	vsnprintf(text, sizeof(text), fmt, args);
	va_end(args);
	msv_env_log(conn->env, level, "session=%s peer=%s %s: %s", conn->peer.session_id,
	    conn->peer.address ? conn->peer.address : "local", conn->proto->name, text);
}

/* -- The task ---------------------------------------------------------------- */

/* The session has ended, but what it said waits for a handshake to end. */
static bool last_words_wait(const struct msv_conn *conn)
{
	return conn->ending && !conn->finished && !conn->broken && !conn->freed &&
	       !conn->filter_failed && !conn->stream_ended && !conn->wire_eof &&
	       msv_buf_len(&conn->out) && !msv_layers_ready(conn);
}

/* True when bytes from the peer are still looked at. */
static bool listens(const struct msv_conn *conn)
{
	return !msv_conn_ended(conn) || last_words_wait(conn);
}

/* Decodes as much of the n bytes as the session wants now; returns how much. */
static size_t decode(struct msv_conn *conn, const char *p, size_t n)
{
	size_t done = 0;

	if (!conn->nlayers) {
		msv_buf_put(&conn->in, p, n);
		return n;
	}
	while (done < n && !conn->hold_input && msv_buf_len(&conn->in) < conn->in_limit &&
	       !conn->stream_ended && listens(conn)) {
		size_t slice = n - done < DECODE_SLICE ? n - done : DECODE_SLICE;
		msv_layers_receive(conn, p + done, slice);
		done += slice;
	}
	return conn->stream_ended ? n : done;
}

/* Decodes what waits.  A filter's callback may bring more meanwhile. */
static void decode_waiting(struct msv_conn *conn)
{
	struct msv_buf batch = conn->raw;

	if (!msv_buf_len(&batch))
		return;
	msv_buf_init(&conn->raw, conn->env);
	msv_buf_consume(&batch, decode(conn, msv_buf_data(&batch), msv_buf_len(&batch)));
	msv_buf_put(&batch, msv_buf_data(&conn->raw), msv_buf_len(&conn->raw));
	msv_buf_fini(&conn->raw);
	conn->raw = batch;
}

static void take_input(struct msv_conn *conn)
{
	decode_waiting(conn);
	if (conn->eof || !(conn->stream_ended || (conn->wire_eof && !msv_buf_len(&conn->raw))))
		return;
	conn->eof = true;
	if (!conn->stream_ended)
		msv_layers_eof(conn, 0);
}

/* Output towards the wire; a session that waits for room may go on when half
 * the window is free. */
static void flush(struct msv_conn *conn)
{
	if (!msv_conn_room(conn))
		conn->stalled = true;
	msv_layers_send(conn);
	if (conn->stalled && msv_conn_room(conn) >= (conn->out_window + 1) / 2) {
		conn->stalled = false;
		conn->kicked = true;
	}
}

static void expire(struct msv_conn *conn)
{
	conn->expired = false;
	if (msv_env_now(conn->env) < conn->deadline)
		return; /* the session moved it meanwhile */
	conn->deadline = MSV_NEVER;
	conn->proto->expire(conn);
}

/* One round of a session: what happened to it, then its step. */
static void advance(struct msv_conn *conn)
{
	conn->kicked = false;
	if (conn->expired)
		expire(conn);
	if (conn->farewell && !conn->farewell_waits && !msv_conn_ended(conn)) {
		conn->proto->shutdown(conn, (enum msv_shutdown)(conn->farewell - 1));
		if (!conn->farewell_waits)
			msv_conn_end(conn);
	}
	if (!msv_conn_ended(conn))
		take_input(conn);
	if (!msv_conn_ended(conn))
		conn->proto->step(conn);
	if (!conn->broken && !conn->freed)
		flush(conn);
	/* Step may have made room for input that waits. */
	if (msv_buf_len(&conn->raw) && !conn->hold_input && msv_buf_len(&conn->in) < conn->in_limit)
		conn->kicked = true;
}

static void give_back(struct msv_buf *buf)
{
	if (!msv_buf_len(buf) && !msv_buf_failed(buf))
		msv_buf_fini(buf);
}

/* The session said its last word: lets the filters say farewell. */
static void finish(struct msv_conn *conn)
{
	flush(conn);
	if (last_words_wait(conn))
		return;
	conn->finished = true;
	msv_layers_finish(conn);
	msv_buf_fini(&conn->out);
	msv_buf_fini(&conn->raw);
}

/* The session is over: drops what is useless. */
static void wind_up(struct msv_conn *conn)
{
	if (!conn->ending || msv_buf_failed(&conn->out))
		conn->broken = true; /* no memory */
	if (last_words_wait(conn)) {
		conn->hold_input = false;
		decode_waiting(conn);
	}
	msv_buf_fini(&conn->in);
	if (!conn->broken && !conn->finished)
		finish(conn);
	if (msv_buf_failed(&conn->wire) || msv_buf_failed(&conn->raw))
		conn->broken = true;
	if (conn->broken) {
		conn->deadline = MSV_NEVER;
		msv_buf_fini(&conn->wire);
		msv_buf_fini(&conn->raw);
		msv_buf_fini(&conn->out);
	} else if (!conn->draining || conn->deadline == MSV_NEVER) {
		conn->draining = true;
		conn->deadline = msv_env_now(conn->env) + DRAIN_MS;
	}
}

static void tell_over(struct msv_conn *conn)
{
	if (conn->told)
		return;
	conn->told = true;
	if (conn->proto->over)
		conn->proto->over(conn);
}

static void conn_task(struct msv_task *task)
{
	struct msv_conn *conn = (struct msv_conn *)((char *)task - offsetof(struct msv_conn, task));

	while (conn->kicked && !msv_conn_ended(conn))
		advance(conn);
	if (conn->freed) {
		destroy(conn);
		return;
	}
	conn->kicked = false;
	if (msv_conn_ended(conn)) {
		tell_over(conn);
		if (conn->freed) {
			destroy(conn);
			return;
		}
		wind_up(conn);
	}
	/* An idle connection holds no empty buffers. */
	give_back(&conn->in);
	give_back(&conn->out);
	give_back(&conn->raw);
	give_back(&conn->wire);
	if (conn->here || conn->woken || !conn->wake)
		return;
	conn->woken = true;
	conn->wake(conn->wake_user);
}

/* -- The verbs --------------------------------------------------------------- */

static void enter(struct msv_conn *conn)
{
	msv_env_enter(conn->env);
	conn->woken = false;
}

/* Ends a verb; false when the conn went away with it. */
static bool leave(struct msv_conn *conn)
{
	bool here = true, *outer = conn->here;

	conn->here = &here;
	msv_env_leave(conn->env);
	if (here)
		conn->here = outer;
	return here;
}

void msv_conn_input(struct msv_conn *conn, const void *p, size_t n)
{
	enter(conn);
	if (n && !conn->wire_eof && listens(conn)) {
		size_t done = 0;
		conn->bytes_in += n;
		/* In a callback the session may be looking at conn->in. */
		if (msv_env_outermost(conn->env) && !msv_buf_len(&conn->raw))
			done = decode(conn, p, n);
		msv_buf_put(&conn->raw, (const char *)p + done, n - done);
		msv_conn_kick(conn);
	}
	leave(conn);
}

void msv_conn_eof(struct msv_conn *conn, int error)
{
	enter(conn);
	if (error && !conn->broken) {
		msv_layers_eof(conn, error);
		msv_conn_break(conn);
	}
	conn->wire_eof = true;
	msv_conn_kick(conn);
	leave(conn);
}

/* Lets a step run that waits for a verb.  False when the conn went away. */
static bool catch_up(struct msv_conn *conn)
{
	conn->woken = false;
	if (!conn->kicked)
		return true;
	enter(conn);
	msv_conn_kick(conn);
	return leave(conn);
}

size_t msv_conn_output(struct msv_conn *conn, const void **p)
{
	*p = "";
	if (!catch_up(conn))
		return 0;
	*p = msv_buf_data(&conn->wire);
	return msv_buf_len(&conn->wire);
}

void msv_conn_sent(struct msv_conn *conn, size_t n)
{
	enter(conn);
	if (n > msv_buf_len(&conn->wire))
		n = msv_buf_len(&conn->wire);
	conn->bytes_out += n;
	if (!msv_conn_room(conn))
		conn->stalled = true;
	msv_buf_consume(&conn->wire, n);
	if (conn->stalled && msv_conn_room(conn) >= (conn->out_window + 1) / 2)
		msv_conn_kick(conn);
	else
		msv_env_defer(conn->env, &conn->task);
	leave(conn);
}

unsigned msv_conn_want(struct msv_conn *conn)
{
	if (!catch_up(conn))
		return 0;
	if (conn->broken)
		return MSV_WANT_CLOSE;
	unsigned want = msv_buf_len(&conn->wire) ? MSV_WANT_WRITE : 0;
	if (conn->finished)
		return want ? want : MSV_WANT_CLOSE;
	if (listens(conn) && !conn->eof && !conn->wire_eof && !conn->hold_input &&
	    !msv_buf_len(&conn->raw) && msv_buf_len(&conn->in) < conn->in_limit)
		want |= MSV_WANT_READ;
	return want;
}

uint64_t msv_conn_tick(struct msv_conn *conn)
{
	enter(conn);
	if (conn->deadline != MSV_NEVER && msv_env_now(conn->env) >= conn->deadline) {
		if (conn->ending)
			conn->broken = true; /* it does not take its last words */
		conn->expired = true;
		msv_conn_kick(conn);
	} else if (conn->kicked) {
		msv_conn_kick(conn);
	}
	return leave(conn) ? conn->deadline : MSV_NEVER;
}

void msv_conn_set_wake(struct msv_conn *conn, void (*wake)(void *user), void *user)
{
	conn->wake = wake;
	conn->wake_user = user;
}

/* The two verbs that the loop is not the one to call: it has to be woken. */

void msv_conn_resume(struct msv_conn *conn)
{
	struct msv_env *env = conn->env;

	msv_env_enter(env);
	conn->resumed = true;
	msv_conn_kick(conn);
	msv_env_leave(env);
}

void msv_conn_shutdown(struct msv_conn *conn, enum msv_shutdown why)
{
	struct msv_env *env = conn->env;

	msv_env_enter(env);
	if (!conn->farewell)
		conn->farewell = (unsigned char)(why + 1);
	msv_conn_kick(conn);
	msv_env_leave(env);
}

/* -- Facts ------------------------------------------------------------------- */

static const char *or_empty(const char *s)
{
	return s ? s : "";
}

void msv_conn_info(const struct msv_conn *conn, struct msv_conn_info *info)
{
	const struct msv_filter *tls = msv_conn_filter(conn, "tls");
	size_t size = info->size;
	struct msv_conn_info all = {
		.size = size,
		.protocol = conn->proto->name,
		.session_id = conn->peer.session_id,
		.peer_address = or_empty(conn->peer.address),
		.peer_port = conn->peer.port,
		.user = "",
		.state = "",
		.mailbox = "",
		.tls = "",
		.started = conn->started,
		.bytes_in = conn->bytes_in,
		.bytes_out = conn->bytes_out,
		.memory = sizeof(*conn) + conn->in.cap + conn->out.cap + conn->raw.cap +
		          conn->wire.cap + msv_layers_memory(conn),
	};

	if (tls && tls->ops->describe)
		all.tls = or_empty(tls->ops->describe(tls));
	if (conn->proto->info)
		conn->proto->info(conn, &all);
	memcpy(info, &all, size < sizeof(all) ? size : sizeof(all));
}

struct msv_env *msv_conn_env(const struct msv_conn *conn)
{
	return conn->env;
}
