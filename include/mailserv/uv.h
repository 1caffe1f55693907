/*
 * libmailserv-uv: an env and connections on a libuv loop - the part of a mail
 * server that touches sockets and threads.  A program with a loop of its own
 * needs none of it.
 *
 *	uv_loop_init(&loop);
 *	msv_uv_new(&loop, &options, &uv);
 *	msv_uv_listen(uv, &listen_options, &listener);
 *	uv_run(&loop, UV_RUN_DEFAULT);
 *	msv_uv_free(uv);
 *	uv_run(&loop, UV_RUN_DEFAULT); // the closings, and jobs under way
 *	uv_loop_close(&loop);
 *
 * Everything here is called on the loop's thread, also inside its callbacks.  The
 * program must ignore SIGPIPE, as with libuv anyway.
 */
#ifndef MAILSERV_UV_H
#define MAILSERV_UV_H

#include <mailserv/base.h>
#include <mailserv/conn.h>
#include <mailserv/dns.h>
#include <mailserv/transport.h>
#include <uv.h>

#ifdef __cplusplus
extern "C" {
#endif

/* -- The env ----------------------------------------------------------------- */

/* What ties an env and its connections to a loop. */
struct msv_uv;

struct msv_uv_options {
	size_t size;
	/* As in struct msv_env_options [dropped]. */
	void (*log)(void *user, enum msv_log_level level, const char *line);
	void *user;
	/* How many jobs of each lane run at once in libuv's threads (there are 4
	 * unless UV_THREADPOOL_SIZE says otherwise) [DISK 4, HASH 2, INDEX 1].
	 * What is beyond waits its turn within its lane. */
	unsigned width[MSV_LANE_COUNT];
};

/* An env on that loop: it ticks by itself, jobs run in libuv's thread pool,
 * paths are watched by the system.  options may be NULL.  MSV_ERR_NOMEM,
 * MSV_ERR_IO. */
MSV_API int msv_uv_new(uv_loop_t *loop, const struct msv_uv_options *options, struct msv_uv **out);

/* The env, for making everything else with.  Belongs to uv. */
MSV_API struct msv_env *msv_uv_env(const struct msv_uv *uv);
MSV_API uv_loop_t *msv_uv_loop(const struct msv_uv *uv);

/*
 * Ends it: listeners and resolvers made with it are gone, connections are
 * closed at once, jobs under way are waited for - by the loop, which has to
 * run on; uv_run(loop, UV_RUN_DEFAULT) returns when all is closed.  Last of
 * all the env is let go as by msv_env_free().
 */
MSV_API void msv_uv_free(struct msv_uv *uv);

/* -- Connections --------------------------------------------------------------- */

/*
 * Lets a conn talk over a stream: an open uv_tcp_t or uv_pipe_t of the loop.
 * It reads only when the conn wants bytes, writes what the conn has once a
 * turn of the loop, keeps its deadlines, and closes the stream when the conn
 * is done.  From now on the conn (of this env) and the stream's `data` belong
 * to libmailserv-uv: end it by msv_conn_shutdown(), never by msv_conn_free().
 *
 * closed (may be NULL) is called once the conn is freed and the stream is
 * closed: its memory is the caller's again.  MSV_ERR_NOMEM: nothing was taken.
 */
MSV_API int msv_uv_attach(struct msv_uv *uv, uv_stream_t *stream, struct msv_conn *conn,
    void (*closed)(void *user, uv_stream_t *stream), void *user);

/* Calls fn for each connection that has a conn, oldest first, until fn returns
 * other than 0; returns that, or 0.  fn may shut conns down. */
MSV_API int msv_uv_each(
    struct msv_uv *uv, int (*fn)(void *user, struct msv_conn *conn), void *user);

/* How many sockets of connections are open. */
MSV_API size_t msv_uv_connections(const struct msv_uv *uv);

/*
 * Says goodbye to all connections and calls drained (may be NULL) when the
 * last is closed, from the loop; those still open after `ms` milliseconds are
 * cut off.  Stop the listeners first.
 */
MSV_API void msv_uv_drain(
    struct msv_uv *uv, enum msv_shutdown why, uint32_t ms, void (*drained)(void *user), void *user);

/* -- Outgoing connections --------------------------------------------------------- */

/*
 * Connects over the loop, for mail transfer (msv_mta_options) and for everybody
 * else: what <mailserv/transport.h> says, where `make` gets the addresses of both
 * ends.  Its conns count among the connections above.  Lives as long as uv, and
 * after msv_uv_free() connects nothing (MSV_ERR_CANCELED).
 */
MSV_API const struct msv_transport *msv_uv_transport(struct msv_uv *uv);

/* The same as its connect(). */
MSV_API void msv_uv_connect(
    struct msv_uv *uv, const struct msv_transport_target *target, struct msv_connect_op op);

/* -- The DNS -------------------------------------------------------------------------- */

/* Asks the DNS through libunbound, from a thread of libunbound's own, and keeps
 * answers for as long as they say.  One is enough for a program. */
struct msv_uv_resolver;
struct msv_uv_lookup;

struct msv_uv_resolver_options {
	size_t size;
	uint32_t timeout_ms;       /* for one host name, all its questions together [3000] */
	const char *resolv_conf;   /* where the servers to ask are [/etc/resolv.conf] */
	const char *forward;       /* ask this server instead: "192.0.2.53" or "192.0.2.53@5353" */
	uint32_t query_timeout_ms; /* for one question of msv_uv_resolver_dns() [15000] */
	/* A file with DS or DNSKEY records from where DNSSEC validates, such as
	 * /usr/share/dns/root.key [nothing is validated, no answer is `secure`]. */
	const char *trust_anchor;
	size_t cache_bytes; /* for answers that are kept, about [4 MiB] */
};

/* options may be NULL.  MSV_ERR_NOMEM, MSV_ERR_INVAL, MSV_ERR_IO; MSV_ERR_FORMAT: the
 * trust anchor cannot be read. */
MSV_API int msv_uv_resolver_new(
    struct msv_uv *uv, const struct msv_uv_resolver_options *options, struct msv_uv_resolver **out);
/* Lookups under way end now, without a name, and questions fail with
 * MSV_ERR_CANCELED.  Listeners that use it do without from then on. */
MSV_API void msv_uv_resolver_free(struct msv_uv_resolver *resolver);

/* The resolver for whoever asks for records; lives as long as it. */
MSV_API const struct msv_dns *msv_uv_resolver_dns(struct msv_uv_resolver *resolver);

/*
 * Looks up the verified host name of an address: a name its PTR record gives
 * (RFC 1035 3.5, RFC 3596 2.5) whose own A or AAAA records have the address.
 * done is called once, from the loop: name is lower case, without a dot at its
 * end, letters, digits, hyphens, underscores and dots only, and valid during the call;
 * NULL when there is none or it took too long.  *out (may be NULL) is for
 * canceling, until done is called.  MSV_ERR_NOMEM, MSV_ERR_INVAL.
 */
MSV_API int msv_uv_lookup_name(struct msv_uv_resolver *resolver, const char *address,
    void (*done)(void *user, const char *name), void *user, struct msv_uv_lookup **out);
/* Nobody waits any more: done is not called. */
MSV_API void msv_uv_lookup_cancel(struct msv_uv_lookup *lookup);

/* -- Listeners -------------------------------------------------------------------- */

struct msv_uv_listener;

struct msv_uv_listen_options {
	size_t size;

	/* Where: an address and a port (0: any free one); or the path of a unix
	 * socket; or, with have_fd, a listening socket that somebody else made and
	 * that is taken over. */
	const char *address; /* "192.0.2.1", "::1" [all of IPv4 and IPv6] */
	uint16_t port;
	const char *path;
	unsigned path_mode; /* permissions of the unix socket [0600] */
	bool have_fd;
	int fd;
	int backlog; /* [511] */

	/* How many connections at once, in all and from one address (IPv6: one
	 * /64; a unix socket has no address).  Those beyond are turned away in the
	 * protocol's words (MSV_SHUTDOWN_OVERLOAD) or, when there are too many
	 * even for that, closed. */
	unsigned max_connections; /* [1000] */
	unsigned max_per_address; /* [50] */

	/* Peers that speak for others: from these addresses or networks
	 * ("192.0.2.1", "2001:db8::/32"; "unix": local sockets) a PROXY protocol
	 * header must come first, and its addresses count.  Others are clients
	 * themselves. */
	const char *const *proxies;
	size_t nproxies;
	uint32_t proxy_timeout_ms; /* for the header [5000] */

	/* Fills msv_peer.name before the session begins, which waits for it [no
	 * names].  The resolver's time limit bounds the wait. */
	struct msv_uv_resolver *resolver;

	/* Somebody came: returns a new conn of the env, or NULL (the socket is
	 * closed).  peer is valid during the call. */
	struct msv_conn *(*accept)(void *user, const struct msv_peer *peer);
	void *user;
};

/*
 * Opens a socket and listens, without a loop: for a privileged process that
 * hands descriptors (close-on-exec, not blocking) to another, which passes
 * them as options.fd.  A stale unix socket is replaced.  Uses address, port,
 * path, path_mode, backlog.  MSV_ERR_EXISTS: in use; MSV_ERR_DENIED;
 * MSV_ERR_NOTFOUND: not an address of this machine, or no such directory;
 * MSV_ERR_INVAL: no address at all; MSV_ERR_IO.
 */
MSV_API int msv_uv_listen_fd(const struct msv_uv_listen_options *options, int *fd);

/* Listens and accepts from now on.  When descriptors run out it pauses and goes
 * on by itself.  Errors as of msv_uv_listen_fd(), and MSV_ERR_NOMEM. */
MSV_API int msv_uv_listen(
    struct msv_uv *uv, const struct msv_uv_listen_options *options, struct msv_uv_listener **out);

/* The port it listens on; 0 for a unix socket. */
MSV_API uint16_t msv_uv_listener_port(const struct msv_uv_listener *listener);

/* Stops listening; connections it accepted go on.  Removes the unix socket it
 * made. */
MSV_API void msv_uv_listener_free(struct msv_uv_listener *listener);

#ifdef __cplusplus
}
#endif

#endif
