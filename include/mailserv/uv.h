/*
 * libmailserv-uv: the library on a libuv loop - an env whose timers, watches
 * and jobs run on the loop, listeners, and connections over sockets.
 *
 * One loop, one thread.  An embedder with another loop needs none of this.
 */
#ifndef MAILSERV_UV_H
#define MAILSERV_UV_H

#include <mailserv/base.h>
#include <mailserv/conn.h>

#include <uv.h>

#ifdef __cplusplus
extern "C" {
#endif

/* -- The env ------------------------------------------------------------------ */

/* The libuv side of an env. */
struct msv_uv;

struct msv_uv_options {
	size_t size;
	/* The log function of the env, as in msv_env_options [dropped]. */
	void (*log)(void *user, enum msv_log_level level, const char *line);
	void *user;
	/* Jobs of a lane that run at once, by enum msv_lane
	 * [DISK 4, HASH 2, INDEX 1]. */
	unsigned lane_width[MSV_LANE_COUNT];
};

/* A new env on the loop.  options may be NULL.  MSV_ERR_NOMEM, MSV_ERR_IO. */
MSV_API int msv_uv_new(uv_loop_t *loop, const struct msv_uv_options *options, struct msv_uv **out);
/* Its env; do not free it, msv_uv_free() does. */
MSV_API struct msv_env *msv_uv_env(const struct msv_uv *uv);
/* Frees listeners, connections and the env.  Handles close while the loop
 * runs on: run it until it ends (jobs under way are waited for so). */
MSV_API void msv_uv_free(struct msv_uv *uv);

/* -- Connections ---------------------------------------------------------------- */

/*
 * Drives conn over a connected stream socket fd until it ends; then calls
 * closed(user, conn) (may be NULL), frees the conn and closes fd.  On error
 * the caller keeps both.  Reads only under MSV_WANT_READ, gathers the output
 * of one loop turn into one write, sets TCP_NODELAY.
 */
MSV_API int msv_uv_attach(struct msv_uv *uv, int fd, struct msv_conn *conn,
    void (*closed)(void *user, struct msv_conn *conn), void *user);

/* Calls fn for each connection; fn must not attach or free any, but may call
 * msv_conn_info() and msv_conn_shutdown(). */
MSV_API void msv_uv_each(
    struct msv_uv *uv, void (*fn)(void *user, struct msv_conn *conn), void *user);

/* -- Listeners -------------------------------------------------------------------- */

struct msv_uv_listener;

struct msv_uv_listen_options {
	size_t size;
	/* A socket that listens already (it is closed with the listener), or -1:
	 * bind one to address and port here. */
	int fd;
	const char *address; /* "127.0.0.1", "::1", "/path/of/unix-socket" */
	uint16_t port;       /* 0: any free one, see msv_uv_listener_port() */

	/* A peer connected: makes the connection for it, NULL to close at once.
	 * peer is valid during the call. */
	struct msv_conn *(*accept)(void *user, const struct msv_peer *peer);
	/* The connection ended; the conn is freed after the call.  May be NULL. */
	void (*closed)(void *user, struct msv_conn *conn);
	void *user;

	/* Limits over all listeners of this msv_uv that have the same numbers; a
	 * peer beyond them is told so by msv_conn_shutdown(OVERLOAD).  IPv6 peers
	 * count per /64. */
	unsigned connections_max;             /* [1000] */
	unsigned connections_per_address_max; /* [50] */

	/* Networks ("192.0.2.0/24", "2001:db8::1") whose connections begin with a
	 * PROXY header; one that does not come within 5 s, or is none, ends the
	 * connection. */
	const char *const *proxy_from;
	size_t nproxy_from;

	/* Look up the peer's verified host name for msv_peer.name first, for at
	 * most 3 s. */
	bool reverse_dns;
};

/* Starts to listen.  Everything in options is copied.  When descriptors run
 * out accepting pauses and goes on by itself.  MSV_ERR_INVAL, MSV_ERR_IO (the
 * env's log says why), MSV_ERR_DENIED, MSV_ERR_EXISTS (address in use),
 * MSV_ERR_NOMEM. */
MSV_API int msv_uv_listen(
    struct msv_uv *uv, const struct msv_uv_listen_options *options, struct msv_uv_listener **out);
/* The port it is bound to, 0 for a unix socket. */
MSV_API uint16_t msv_uv_listener_port(const struct msv_uv_listener *listener);
/* Stops listening; its connections go on. */
MSV_API void msv_uv_listener_free(struct msv_uv_listener *listener);

/*
 * Ends in order: stops all listeners, tells every connection
 * msv_conn_shutdown(SERVICE), and closes what is left after grace_ms.  done
 * (may be NULL) is called when no connection is left.
 */
MSV_API void msv_uv_drain(
    struct msv_uv *uv, unsigned grace_ms, void (*done)(void *user), void *user);

/* -- Names ---------------------------------------------------------------------------- */

/* Asks (by libunbound) for the host name of an address: its PTR name, when
 * that name leads back to the address.  Calls done once from the loop with
 * the name, or NULL when there is none or timeout_ms are over; not inside
 * this call.  MSV_ERR_FORMAT (no address), MSV_ERR_NOMEM, MSV_ERR_UNSUPPORTED:
 * done is not called. */
MSV_API int msv_uv_reverse_name(struct msv_uv *uv, const char *address, unsigned timeout_ms,
    void (*done)(void *user, const char *name), void *user);

#ifdef __cplusplus
}
#endif

#endif
