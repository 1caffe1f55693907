/*
 * Outgoing connections: how mail transfer asks whoever has sockets to connect
 * it somewhere.  libmailserv-uv does it on a libuv loop (msv_uv_transport());
 * an embedder with a loop of their own fills a `struct msv_transport`.
 */
#ifndef MAILSERV_TRANSPORT_H
#define MAILSERV_TRANSPORT_H

#include <mailserv/base.h>
#include <mailserv/conn.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Where to connect to, and what then.  Its strings are valid during the call of
 * connect(). */
struct msv_transport_target {
	size_t size;
	/* An address in text and a port; or the path of a unix socket. */
	const char *address;
	uint16_t port;
	const char *path;
	const char *source;  /* the address of ours to connect from [the system's choice] */
	uint32_t timeout_ms; /* for the connection to be made [30000] */

	/* It is connected: returns a new conn of the env, or NULL (the connection is
	 * closed; the op fails with MSV_ERR_NOMEM).  peer is valid during the call:
	 * the address and port connected to, local_address and local_port those
	 * connected from.  Called before the op is answered, and not at all when it
	 * fails or is canceled before.  From then on the conn is driven and freed by
	 * the transport: end it by msv_conn_shutdown() or drop(), never by
	 * msv_conn_free(). */
	struct msv_conn *(*make)(void *user, const struct msv_peer *peer);
	/* The conn that was made is over: it is freed when this returns, and must not be
	 * used any more; its ops that are unanswered are answered after that, and the
	 * socket closes by itself.  After the op's completion.  May be NULL. */
	void (*closed)(void *user);
	void *user;
};

/* How it ended. */
struct msv_connect_result {
	size_t size;
	/* 0: connected.  MSV_ERR_TIMEOUT; MSV_ERR_IO (refused, no route, reset);
	 * MSV_ERR_NOTFOUND (no such unix socket, or the source is no address of this
	 * machine); MSV_ERR_DENIED; MSV_ERR_LIMIT (no descriptors are left);
	 * MSV_ERR_UNSUPPORTED (no IPv6 here); MSV_ERR_INVAL; MSV_ERR_NOMEM. */
	int error;
	/* Why not, in plain words ("connection refused"); "" when connected. */
	const char *text;
};

/*
 * Answered by msv_connect_answer(); or fails by msv_op_answer() (MSV_ERR_NOMEM: no
 * memory, or `make` gave no conn).
 * Result of the completion: const struct msv_connect_result *, also when no
 * connection was made: the completion's own error is 0 then.  Canceled, a
 * connection not yet made is given up; one that was made goes on.
 */
struct msv_connect_op {
	struct msv_op *op;
};
/* error 0 or MSV_ERR_*; text is copied (NULL: what the error means). */
MSV_API void msv_connect_answer(struct msv_connect_op op, int error, const char *text);

/* A way to make connections. */
struct msv_transport {
	size_t size;
	void *self; /* handed to each function */

	/* Connects, TCP without delay of small segments (TCP_NODELAY).  make is
	 * never called inside this call. */
	void (*connect)(
	    void *self, const struct msv_transport_target *target, struct msv_connect_op op);
	/* Ends a conn it drives at once: it is freed as by msv_conn_free(), the
	 * socket is closed, and `closed` is not called.  Allowed inside any callback. */
	void (*drop)(void *self, struct msv_conn *conn);
};

#ifdef __cplusplus
}
#endif

#endif
