/* The connection's inside: what a protocol session is built on.  A session
 * struct begins with `struct msv_conn`. */
#ifndef MSV_BASE_CONN_H
#define MSV_BASE_CONN_H

#include <mailserv/conn.h>

#include "base/buf.h"
#include "base/env.h"

struct msv_proto {
	const char *name;
	/* Makes the progress that can be made now: reads and consumes conn->in,
	 * writes conn->out, asks ops - then returns.  Called when input came,
	 * output drained, the peer's stream ended, msv_conn_resume() or
	 * msv_conn_kick() was called.  Never nested.  A session that is waiting
	 * for an op, or has no room for output, just returns. */
	void (*step)(struct msv_conn *conn);
	/* conn->deadline is reached (it was set to MSV_NEVER before the call). */
	void (*expire)(struct msv_conn *conn);
	/* Say goodbye; the conn ends the connection afterwards. */
	void (*shutdown)(struct msv_conn *conn, enum msv_shutdown why);
	/* Adds what only the session knows. */
	void (*info)(const struct msv_conn *conn, struct msv_conn_info *info);
	/* Cancels ops and frees the session's own members.  The conn frees the
	 * buffers and the struct.  Never called inside step. */
	void (*destroy)(struct msv_conn *conn);
	/* The session is over, whoever ended it, and step is called no more: called
	 * once, unless the conn is freed before.  May be NULL. */
	void (*over)(struct msv_conn *conn);
};

/* One filter of the stack and the conn it serves. */
struct msv_conn_layer;

struct msv_conn {
	const struct msv_proto *proto;
	struct msv_env *env;
	/* The peer, copied. */
	struct msv_peer peer;
	struct msv_buf in;  /* plain bytes from the peer, not consumed */
	struct msv_buf out; /* plain bytes for the peer; filters empty it */
	uint64_t deadline;  /* monotonic ms; the session sets it freely */
	size_t in_limit;    /* no MSV_WANT_READ while `in` holds as much [64 KiB] */
	size_t out_window;  /* msv_conn_room() is 0 beyond this much output [32 KiB] */
	bool eof;           /* the peer sends no more; `in` may still hold bytes */
	bool hold_input;    /* the session wants no more input for now */
	bool resumed;       /* msv_conn_resume() was called; the session clears it */

	/* base/conn.c and base/layers.c alone: */
	struct msv_buf raw;            /* wire bytes that came and wait to be decoded */
	struct msv_buf wire;           /* wire bytes for the peer, behind the filters */
	struct msv_conn_layer *layers; /* the first is next to the wire */
	size_t nlayers, layers_cap;
	char *strings; /* of the peer */
	struct msv_task task, yield_task;
	void (*wake)(void *user);
	void *wake_user;
	bool *here; /* a verb is ending: set to false when the conn goes away */
	uint64_t started, bytes_in, bytes_out;
	unsigned char farewell; /* enum msv_shutdown + 1: what is to be said */
	bool farewell_waits;    /* set by shutdown(): the protocol ends it a little later */
	bool kicked;            /* step wants to run */
	bool stalled;           /* the output window was full: step when it has drained */
	bool expired;           /* a tick saw the deadline pass */
	bool wire_eof;          /* the socket gives no more */
	bool stream_ended;      /* a filter gives no more */
	bool filter_failed;     /* what a filter wrote goes out, the session's output not */
	bool ending, finished;  /* the session is done; and the filters too */
	bool draining;          /* the deadline is that of the last output */
	bool told;              /* that it is over */
	bool broken, freed, woken;
};

/* Starts a session: copies the peer (makes a session id when it has none) and
 * refs the env; the first step comes with the first verb or tick, so that a
 * filter can be pushed before.  The struct must be zeroed, from msv_alloc().
 * On error the caller frees it with msv_free(); later with msv_conn_free(),
 * which calls destroy. */
int msv_conn_init(struct msv_conn *conn, struct msv_env *env, const struct msv_proto *proto,
    const struct msv_peer *peer);

/* Something changed: step will run before the outermost verb ends.  Whoever
 * writes conn->out, reads conn->in or sets the deadline outside step, expire
 * and shutdown - a completion, a row function - kicks afterwards. */
void msv_conn_kick(struct msv_conn *conn);
/* As kick, but lets the event loop have a turn first: for long work. */
void msv_conn_yield(struct msv_conn *conn);

/* How many bytes of output may be produced now: the window less what is
 * queued, plain and wire.  A long answer stops at 0 and goes on in the step
 * that comes when the peer has drained half the window. */
size_t msv_conn_room(const struct msv_conn *conn);

/* No more input is looked at; what is written drains, then MSV_WANT_CLOSE. */
void msv_conn_end(struct msv_conn *conn);
/* Ends at once: nothing more is sent.  For a session that ran out of memory. */
void msv_conn_break(struct msv_conn *conn);
/* True after msv_conn_end(), msv_conn_free(), a broken connection or no memory:
 * step stops.  To be asked after every call into the embedder; the struct
 * itself stays until the outermost verb ends. */
bool msv_conn_ended(const struct msv_conn *conn);

/* The filter of that name in the stack, or NULL. */
struct msv_filter *msv_conn_filter(const struct msv_conn *conn, const char *name);

/* A line of the log about this session: its protocol, id and peer come first. */
void msv_conn_log(struct msv_conn *conn, enum msv_log_level level, const char *fmt, ...)
    MSV_PRINTF(3, 4);

#endif
