/*
 * The connection: one type for SMTP, LMTP, IMAP and every later protocol,
 * server or client.  It never touches a socket: an event loop gives it the
 * bytes that came and takes the bytes to send.
 *
 *	loop:  if want & READ   read(fd)  -> msv_conn_input(), or msv_conn_eof()
 *	       if want & WRITE  msv_conn_output() -> write(fd) -> msv_conn_sent()
 *	       if want & CLOSE  msv_conn_free(), close(fd)
 *	       at the deadline  msv_conn_tick()
 *
 * Every verb may be called inside a callback of the library, msv_conn_free()
 * included: what the verb would do is then done when the outer call ends.
 */
#ifndef MAILSERV_CONN_H
#define MAILSERV_CONN_H

#include <mailserv/base.h>

#ifdef __cplusplus
extern "C" {
#endif

struct msv_conn;

/* What msv_conn_want() returns, or-ed together. */
enum {
	MSV_WANT_READ = 1,  /* give it bytes when there are some */
	MSV_WANT_WRITE = 2, /* msv_conn_output() has bytes */
	MSV_WANT_CLOSE = 4, /* all output is gone: close the socket now, free the conn */
};

/* Who is at the other end.  Constructors copy it. */
struct msv_peer {
	size_t size;
	const char *address;       /* "192.0.2.1", "2001:db8::1", NULL for a local socket */
	uint16_t port;             /* the peer's port, 0 unknown */
	const char *local_address; /* the address it connected to, NULL unknown */
	uint16_t local_port;
	const char *session_id; /* for the log; NULL: the library makes one */
	const char *name;       /* the peer's verified host name, NULL unknown */
	/* Who is at the other end of a local socket, as the system says. */
	bool has_uid;
	uint32_t uid;
};

/*
 * Wire bytes came in: takes all n of them and never blocks.  Calls back into
 * the embedder.  A loop that reads only under MSV_WANT_READ keeps memory
 * bounded.  Bytes after MSV_WANT_CLOSE are dropped.
 */
MSV_API void msv_conn_input(struct msv_conn *conn, const void *p, size_t n);

/* The peer is gone: error 0 when it closed its side (what was sent before is
 * still answered), negative when the connection broke (nothing is sent any
 * more). */
MSV_API void msv_conn_eof(struct msv_conn *conn, int error);

/*
 * Peeks at wire bytes to send: *p points to the returned number of bytes,
 * valid until the next verb on this conn.  0: nothing to send now.
 */
MSV_API size_t msv_conn_output(struct msv_conn *conn, const void **p);

/* n bytes of what msv_conn_output() showed went out. */
MSV_API void msv_conn_sent(struct msv_conn *conn, size_t n);

/* What the connection waits for: MSV_WANT_*. */
MSV_API unsigned msv_conn_want(struct msv_conn *conn);

/*
 * Runs the timers that are due and anything that waits.  Returns the
 * monotonic millisecond (msv_env_now()) of the next deadline, or MSV_NEVER.
 */
MSV_API uint64_t msv_conn_tick(struct msv_conn *conn);

/* Tells when something changed that the loop did not do - an answer came late,
 * or somebody called msv_conn_resume() or msv_conn_shutdown(): look at want and
 * the deadline (msv_conn_tick()) again.  wake only
 * schedules; it must not call into the library.  Called once until the next
 * verb. */
MSV_API void msv_conn_set_wake(struct msv_conn *conn, void (*wake)(void *user), void *user);

/* A body function returned MSV_PAUSE: the embedder takes bytes again. */
MSV_API void msv_conn_resume(struct msv_conn *conn);

/* Why a connection is ended from this side. */
enum msv_shutdown {
	MSV_SHUTDOWN_SERVICE, /* the server stops: SMTP 421, IMAP BYE */
	MSV_SHUTDOWN_KICK,    /* this session is not wanted any more */
	MSV_SHUTDOWN_OVERLOAD /* too many connections */
};

/* Says goodbye in the protocol's words, drains the output, then wants
 * MSV_WANT_CLOSE.  Work under way that is not acknowledged yet is dropped. */
MSV_API void msv_conn_shutdown(struct msv_conn *conn, enum msv_shutdown why);

/* Frees the conn; unanswered ops are canceled.  Allowed inside any callback. */
MSV_API void msv_conn_free(struct msv_conn *conn);

/* Facts for status pages and logs.  Strings live as long as the conn or until
 * the next verb, and are never NULL ("" when unknown). */
struct msv_conn_info {
	size_t size;
	const char *protocol; /* "smtp", "submission", "lmtp", "imap" */
	const char *session_id;
	const char *peer_address;
	uint16_t peer_port;
	const char *user;    /* the logged-in account */
	const char *state;   /* what it is doing, one word: "mail", "idle", ... */
	const char *mailbox; /* IMAP: the selected mailbox */
	const char *tls;     /* "TLSv1.3", "" in the clear */
	uint64_t started;    /* monotonic ms */
	uint64_t bytes_in, bytes_out;
	size_t memory; /* bytes held in buffers of this conn, about */
};
MSV_API void msv_conn_info(const struct msv_conn *conn, struct msv_conn_info *info);

/* The env and the embedder's pointer of a connection. */
MSV_API struct msv_env *msv_conn_env(const struct msv_conn *conn);

/* -- The filter stack ------------------------------------------------------ */

/*
 * Between wire and protocol stand filters: TLS, compression.  An embedder may
 * write one (a TLS library other than OpenSSL).  A filter turns bytes from
 * one side into bytes for the other and keeps what it cannot turn yet.
 *
 * A sink takes bytes; it may refuse with MSV_ERR_NOMEM, which ends the
 * connection.
 */
struct msv_filter_sink {
	int (*put)(struct msv_filter_sink *sink, const void *p, size_t n);
};

struct msv_filter {
	const struct msv_filter_ops *ops;
};

struct msv_filter_ops {
	size_t size;
	const char *name; /* "tls", "deflate" */

	/* Bytes from the peer: what they say goes to `plain`, what must be sent
	 * because of them (a handshake) to `wire`.  0; 1: the peer ended its
	 * stream in order (close_notify); negative: the connection ends after
	 * `wire` is sent.  Called once with n == 0 right after the push, so that
	 * a client can speak first. */
	int (*decode)(struct msv_filter *filter, const void *p, size_t n,
	    struct msv_filter_sink *plain, struct msv_filter_sink *wire);
	/* The peer's stream ended without that order (error as for
	 * msv_conn_eof()).  0; negative: too early, and failure() says why.  May be
	 * NULL. */
	int (*eof)(struct msv_filter *filter, int error);
	/* Bytes to the peer; called only when ready.  Always takes all. */
	int (*encode)(
	    struct msv_filter *filter, const void *p, size_t n, struct msv_filter_sink *wire);
	/* True when plain bytes may be sent (the handshake is over).  NULL: always. */
	bool (*ready)(const struct msv_filter *filter);
	/* The conversation is over: write a farewell to `wire`.  May be NULL. */
	void (*finish)(struct msv_filter *filter, struct msv_filter_sink *wire);
	/* One word for info and log, "TLSv1.3".  May be NULL. */
	const char *(*describe)(const struct msv_filter *filter);
	/* One line why decode or eof failed: the conn logs it with session id and
	 * peer.  May be NULL. */
	const char *(*failure)(const struct msv_filter *filter);
	/* Channel binding bytes (RFC 5929, 9266) of `type` ("tls-exporter",
	 * "tls-server-end-point") into buf of *n bytes; sets *n.  May be NULL. */
	int (*binding)(struct msv_filter *filter, const char *type, void *buf, size_t *n);
	void (*free)(struct msv_filter *filter);
};

/* Puts a filter next to the protocol (above those already there); the conn
 * owns it from then on, also on error.  Output queued before stays in front
 * of it.  Bytes that came in and were not read by the protocol yet are what
 * the protocol decides: STARTTLS closes the connection over them. */
MSV_API int msv_conn_push_filter(struct msv_conn *conn, struct msv_filter *filter);

/* -- PROXY protocol -------------------------------------------------------- */

/*
 * Reads a PROXY protocol header, version 1 or 2 (haproxy's
 * proxy-protocol.txt), from the first bytes of a connection.  Returns the
 * length of the header; 0 when more bytes are needed (at most 536 in all);
 * MSV_ERR_FORMAT when this is no header.  On success fills address (and
 * port) of the client and of the server, "" for LOCAL or unknown.
 */
struct msv_proxy_header {
	char address[46], local_address[46];
	uint16_t port, local_port;
};
MSV_API int msv_proxy_parse(const void *p, size_t n, struct msv_proxy_header *out);

#ifdef __cplusplus
}
#endif

#endif
