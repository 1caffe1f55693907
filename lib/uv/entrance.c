/* What comes before a session: is there room, who is it really (PROXY), what
 * is its name; then the listener's accept. */
#include <string.h>

#include "loop.h"

enum {
	PROXY_HEADER = 536, /* the longest there is */
	GOODBYES = 64,      /* of a listener at once; beyond that it just closes */
	SAY_MS = 60000,
};

struct msv_uv_entrance {
	struct msv_uv_link *link;
	char address[46], local_address[46];
	uint16_t port, local_port;
	bool has_uid;
	uint32_t uid;
	struct msv_uv_lookup *lookup;
	unsigned char bytes[PROXY_HEADER]; /* the header, then what came with it */
	size_t have;
	size_t used; /* how long the header is */
};

void msv_uv_entrance_free(struct msv_uv_entrance *entrance)
{
	if (!entrance)
		return;
	if (entrance->lookup)
		msv_uv_lookup_cancel(entrance->lookup);
	msv_uv_release(entrance->link->uv, entrance);
}

/* -- The session ------------------------------------------------------------------- */

/* Asks the embedder for a conn; NULL: the link is closed. */
static struct msv_conn *ask_for_conn(struct msv_uv_entrance *entrance, const char *name)
{
	struct msv_uv_link *link = entrance->link;
	struct msv_uv_listener *listener = link->listener;
	struct msv_peer peer = {
		.size = sizeof(peer),
		.address = entrance->address[0] ? entrance->address : NULL,
		.port = entrance->port,
		.local_address = entrance->local_address[0] ? entrance->local_address : NULL,
		.local_port = entrance->local_port,
		.name = name,
		.has_uid = entrance->has_uid && !entrance->address[0],
		.uid = entrance->uid,
	};
	struct msv_conn *conn;

	/* Out of the link, as the callback may close everything. */
	link->entrance = NULL;
	entrance->lookup = NULL;
	conn = listener->accept(listener->user, &peer);
	if (conn && link->closing) {
		msv_conn_free(conn);
		conn = NULL;
	}
	if (!conn)
		msv_uv_link_close(link);
	return conn;
}

static void begin(struct msv_uv_entrance *entrance, const char *name)
{
	struct msv_uv_link *link = entrance->link;
	struct msv_uv *uv = link->uv;
	struct msv_conn *conn = ask_for_conn(entrance, name);

	if (conn) {
		msv_uv_link_start(link, conn);
		if (link->turned_away)
			msv_conn_shutdown(conn, MSV_SHUTDOWN_OVERLOAD);
		else
			msv_uv_link_settle(link); /* a greeting comes before the peer's bytes */
	}
	if (link->conn && entrance->have > entrance->used)
		msv_conn_input(
		    link->conn, entrance->bytes + entrance->used, entrance->have - entrance->used);
	msv_uv_release(uv, entrance);
}

/* -- Its name ------------------------------------------------------------------------ */

static void on_name(void *user, const char *name)
{
	begin(user, name);
}

static void look_up_name(struct msv_uv_entrance *entrance)
{
	struct msv_uv_link *link = entrance->link;
	struct msv_uv_resolver *resolver = link->listener->resolver;

	if (link->turned_away || !resolver || !entrance->address[0] ||
	    msv_uv_lookup_name(resolver, entrance->address, on_name, entrance, &entrance->lookup))
		begin(entrance, NULL);
}

/* -- Room ------------------------------------------------------------------------------- */

static void say_crowded(struct msv_uv_listener *listener, const char *address)
{
	struct msv_env *env = listener->uv->env;
	uint64_t now = msv_env_now(env);

	if (listener->crowded_said && now - listener->crowded_said < SAY_MS)
		return;
	listener->crowded_said = now;
	if (listener->count > listener->max_connections)
		msv_env_log(env, MSV_LOG_WARN,
		    "port %u: more than %u connections: new ones are turned away", listener->port,
		    listener->max_connections);
	else
		msv_env_log(env, MSV_LOG_WARN,
		    "port %u: more than %u connections from %s: new ones are turned away",
		    listener->port, listener->max_per_address, address);
}

/* There is no room: only a goodbye, or not even that.  False: closed. */
static bool turn_away(struct msv_uv_entrance *entrance)
{
	struct msv_uv_link *link = entrance->link;
	struct msv_uv_listener *listener = link->listener;

	say_crowded(listener, entrance->address);
	if (listener->turned_away >= GOODBYES) {
		msv_uv_link_close(link);
		return false;
	}
	listener->turned_away++;
	link->turned_away = true;
	return true;
}

/* The address is known: one more from there?  False: closed. */
static bool take_seat(struct msv_uv_entrance *entrance)
{
	struct msv_uv_link *link = entrance->link;
	struct msv_uv_listener *listener = link->listener;
	unsigned count;

	if (link->turned_away || !entrance->address[0])
		return true;
	link->seat = msv_uv_seat_take(listener->seats, entrance->address, &count);
	if (!link->seat) {
		msv_uv_link_close(link);
		return false;
	}
	return count <= listener->max_per_address || turn_away(entrance);
}

/* -- PROXY -------------------------------------------------------------------------------- */

static bool speaks_proxy(const struct msv_uv_entrance *entrance)
{
	const struct msv_uv_listener *listener = entrance->link->listener;

	for (size_t i = 0; i < listener->nproxies; i++)
		if (msv_uv_network_has(&listener->proxies[i], entrance->address))
			return true;
	return false;
}

static void proxy_failed(struct msv_uv_entrance *entrance, const char *why)
{
	msv_env_log(entrance->link->uv->env, MSV_LOG_WARN,
	    "port %u: peer=%s: %s; its PROXY protocol (send-proxy) is off, or it should not be "
	    "among the proxies",
	    entrance->link->listener->port, entrance->address[0] ? entrance->address : "local",
	    why);
	msv_uv_link_close(entrance->link);
}

static void on_proxy_timer(uv_timer_t *timer)
{
	proxy_failed(((struct msv_uv_link *)timer->data)->entrance, "sent no PROXY header in time");
}

static void give_header_buffer(uv_handle_t *handle, size_t suggested, uv_buf_t *buf)
{
	struct msv_uv_entrance *entrance = ((struct msv_uv_link *)handle->data)->entrance;

	(void)suggested;
	*buf = uv_buf_init((char *)entrance->bytes + entrance->have,
	    (unsigned)(sizeof(entrance->bytes) - entrance->have));
}

/* "" (LOCAL, unknown) leaves what the socket says: the proxy speaks for itself. */
static void use_header(struct msv_uv_entrance *entrance, const struct msv_proxy_header *header)
{
	if (!header->address[0])
		return;
	memcpy(entrance->address, header->address, sizeof(entrance->address));
	memcpy(entrance->local_address, header->local_address, sizeof(entrance->local_address));
	msv_uv_address_unmap(entrance->address);
	msv_uv_address_unmap(entrance->local_address);
	entrance->port = header->port;
	entrance->local_port = header->local_port;
}

static void on_header(uv_stream_t *stream, ssize_t n, const uv_buf_t *buf)
{
	struct msv_uv_link *link = stream->data;
	struct msv_uv_entrance *entrance = link->entrance;
	struct msv_proxy_header header;
	int used;

	(void)buf;
	if (n == 0 || link->closing)
		return;
	if (n < 0) { /* a check whether the port is open */
		msv_uv_link_close(link);
		return;
	}
	entrance->have += (size_t)n;
	used = msv_proxy_parse(entrance->bytes, entrance->have, &header);
	if (used < 0 || (!used && entrance->have == sizeof(entrance->bytes))) {
		proxy_failed(entrance, "sent something other than a PROXY header");
		return;
	}
	if (!used)
		return;
	uv_read_stop(stream);
	uv_timer_stop(&link->timer);
	entrance->used = (size_t)used;
	use_header(entrance, &header);
	if (take_seat(entrance))
		look_up_name(entrance);
}

static void read_header(struct msv_uv_entrance *entrance)
{
	struct msv_uv_link *link = entrance->link;

	uv_timer_start(&link->timer, on_proxy_timer, link->listener->proxy_timeout_ms, 0);
	if (uv_read_start(link->stream, give_header_buffer, on_header))
		msv_uv_link_close(link);
}

/* -- The door --------------------------------------------------------------------------------- */

/* Who connected to a unix socket. */
static void find_uid(struct msv_uv_entrance *entrance)
{
#ifdef SO_PEERCRED
	struct ucred who;
	socklen_t n = sizeof(who);
	uv_os_fd_t fd;

	if (!entrance->address[0] &&
	    uv_fileno((const uv_handle_t *)entrance->link->stream, &fd) == 0 &&
	    getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &who, &n) == 0 && who.uid != (uid_t)-1) {
		entrance->has_uid = true;
		entrance->uid = who.uid;
	}
#else
	(void)entrance;
#endif
}

void msv_uv_enter(struct msv_uv_link *link, const struct sockaddr *peer)
{
	struct msv_uv_listener *listener = link->listener;
	struct msv_uv_entrance *entrance = msv_uv_alloc(link->uv, sizeof(*entrance));

	if (!entrance) {
		msv_uv_link_close(link);
		return;
	}
	link->entrance = entrance;
	entrance->link = link;
	msv_uv_address_text(peer, entrance->address, &entrance->port);
	msv_uv_address_local(link->stream, entrance->local_address, &entrance->local_port);
	find_uid(entrance);
	if (listener->count > listener->max_connections) {
		if (turn_away(entrance))
			begin(entrance, NULL);
	} else if (speaks_proxy(entrance)) {
		read_header(entrance);
	} else if (take_seat(entrance)) {
		look_up_name(entrance);
	}
}
