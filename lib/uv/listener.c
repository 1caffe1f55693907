#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "loop.h"

enum {
	MAX_CONNECTIONS = 1000,
	MAX_PER_ADDRESS = 50,
	PROXY_TIMEOUT_MS = 5000,
	ACCEPTS = 64,   /* in one turn */
	PAUSE_MS = 250, /* without descriptors */
	SAY_MS = 60000, /* how often to complain of that */
	KEEPALIVE_S = 300,
};

/* -- Accepting --------------------------------------------------------------------- */

/* A socket for the loop in a link of the listener; NULL: it is closed. */
static struct msv_uv_link *take_socket(struct msv_uv_listener *listener, int fd, int family)
{
	struct msv_uv *uv = listener->uv;
	struct msv_uv_link *link = msv_uv_link_new(uv);
	int error;

	if (!link) {
		close(fd);
		return NULL;
	}
	if (family == AF_UNIX)
		uv_pipe_init(uv->loop, &link->own.pipe, 0);
	else
		uv_tcp_init(uv->loop, &link->own.tcp);
	msv_uv_link_open(link, (uv_stream_t *)&link->own);
	link->listener = listener;
	listener->refs++;
	listener->count++;
	if (family == AF_UNIX)
		error = uv_pipe_open(&link->own.pipe, fd);
	else
		error = uv_tcp_open(&link->own.tcp, fd);
	if (error) {
		close(fd);
		msv_uv_link_close(link);
		return NULL;
	}
	if (family != AF_UNIX) {
		uv_tcp_nodelay(&link->own.tcp, 1);
		uv_tcp_keepalive(&link->own.tcp, 1, KEEPALIVE_S);
	}
	return link;
}

/* -- No descriptors ------------------------------------------------------------------ */

static void on_ready(uv_poll_t *poll, int status, int events);

static void resume(struct msv_uv_listener *listener)
{
	listener->paused = false;
	listener->uv->starved = false;
	uv_timer_stop(&listener->timer);
	uv_poll_start(&listener->poll, UV_READABLE, on_ready);
}

static void on_pause_over(uv_timer_t *timer)
{
	resume(timer->data);
}

/* Clients wait in the backlog until a descriptor is free. */
static void pause_accepting(struct msv_uv_listener *listener, int err)
{
	struct msv_uv *uv = listener->uv;
	uint64_t now = msv_env_now(uv->env);

	if (!uv->starved_said || now - uv->starved_said > SAY_MS) {
		uv->starved_said = now;
		msv_env_log(uv->env, MSV_LOG_ERROR,
		    "port %u: cannot accept connections: %s; new ones wait; raise the limit of "
		    "open "
		    "files, or lower that of connections",
		    listener->port, strerror(err));
	}
	uv->starved = true;
	listener->paused = true;
	uv_poll_stop(&listener->poll);
	uv_timer_start(&listener->timer, on_pause_over, PAUSE_MS, 0);
}

static bool is_shortage(int err)
{
	return err == EMFILE || err == ENFILE || err == ENOBUFS || err == ENOMEM;
}

/* Errors that are the listening socket's own: it will never accept again. */
static bool is_fatal(int err)
{
	return err == EBADF || err == EINVAL || err == ENOTSOCK || err == EOPNOTSUPP;
}

static void accept_failed(struct msv_uv_listener *listener, int err)
{
	if (is_shortage(err)) {
		pause_accepting(listener, err);
	} else if (is_fatal(err)) {
		msv_env_log(listener->uv->env, MSV_LOG_ERROR,
		    "port %u: stopped accepting connections: %s", listener->port, strerror(err));
		uv_poll_stop(&listener->poll);
	}
	/* Anything else befell one connection. */
}

static void on_ready(uv_poll_t *poll, int status, int events)
{
	struct msv_uv_listener *listener = poll->data;

	(void)events;
	if (status < 0) {
		accept_failed(listener, EBADF);
		return;
	}
	for (int i = 0; i < ACCEPTS && !listener->closed && !listener->paused; i++) {
		struct sockaddr_storage sa = { 0 };
		socklen_t n = sizeof(sa);
		struct msv_uv_link *link;
		int fd =
		    accept4(listener->fd, (struct sockaddr *)&sa, &n, SOCK_NONBLOCK | SOCK_CLOEXEC);

		if (fd < 0 && (errno == EAGAIN || errno == EWOULDBLOCK))
			return;
		if (fd < 0) {
			accept_failed(listener, errno);
			continue;
		}
		listener->uv->starved = false;
		link = take_socket(listener, fd, sa.ss_family);
		if (link)
			msv_uv_enter(link, (struct sockaddr *)&sa);
	}
}

void msv_uv_listener_leave(struct msv_uv_listener *listener, struct msv_uv_link *link)
{
	struct msv_uv *uv = listener->uv;

	listener->count--;
	if (link->turned_away)
		listener->turned_away--;
	msv_uv_seat_leave(listener->seats, link->seat);
	link->seat = NULL;
	for (struct msv_uv_node *node = uv->listeners.next; node != &uv->listeners;
	     node = node->next) {
		struct msv_uv_listener *other = msv_uv_owner(node, struct msv_uv_listener, node);

		if (other->paused)
			resume(other);
	}
}

/* -- Life ----------------------------------------------------------------------------- */

void msv_uv_listener_unref(struct msv_uv_listener *listener)
{
	struct msv_uv *uv = listener->uv;

	if (--listener->refs)
		return;
	msv_uv_seats_free(listener->seats);
	msv_uv_release(uv, listener->proxies);
	msv_uv_release(uv, listener->path);
	msv_uv_release(uv, listener);
	msv_uv_unref(uv);
}

static void on_closed(uv_handle_t *handle)
{
	struct msv_uv_listener *listener = handle->data;

	if (--listener->open_handles)
		return;
	close(listener->fd);
	msv_uv_listener_unref(listener);
}

/* Those it accepted whose session has not begun: nobody can begin it now. */
static void close_entrances(struct msv_uv_listener *listener)
{
	struct msv_uv *uv = listener->uv;

	for (struct msv_uv_node *node = uv->links.next; node != &uv->links; node = node->next) {
		struct msv_uv_link *link = msv_uv_owner(node, struct msv_uv_link, all);

		if (link->listener == listener && link->entrance)
			msv_uv_link_close(link);
	}
}

void msv_uv_listener_free(struct msv_uv_listener *listener)
{
	if (!listener || listener->closed)
		return;
	listener->closed = true;
	if (listener->paused)
		listener->uv->starved = false;
	msv_uv_ring_remove(&listener->node);
	close_entrances(listener);
	if (listener->path)
		msv_uv_socket_remove(listener->path, listener->path_dev, listener->path_ino);
	uv_close((uv_handle_t *)&listener->poll, on_closed);
	uv_close((uv_handle_t *)&listener->timer, on_closed);
}

static int copy_proxies(struct msv_uv_listener *listener, const struct msv_uv_listen_options *o)
{
	if (!o->nproxies)
		return 0;
	listener->proxies = msv_uv_alloc(listener->uv, o->nproxies * sizeof(*listener->proxies));
	if (!listener->proxies)
		return MSV_ERR_NOMEM;
	listener->nproxies = o->nproxies;
	for (size_t i = 0; i < o->nproxies; i++)
		if (msv_uv_network_parse(o->proxies[i], &listener->proxies[i]))
			return MSV_ERR_INVAL;
	return 0;
}

static int copy_options(struct msv_uv_listener *listener, const struct msv_uv_listen_options *o)
{
	if (!o->accept)
		return MSV_ERR_INVAL;
	listener->accept = o->accept;
	listener->user = o->user;
	listener->resolver = o->resolver;
	listener->max_connections = o->max_connections ? o->max_connections : MAX_CONNECTIONS;
	listener->max_per_address = o->max_per_address ? o->max_per_address : MAX_PER_ADDRESS;
	listener->proxy_timeout_ms = o->proxy_timeout_ms ? o->proxy_timeout_ms : PROXY_TIMEOUT_MS;
	listener->seats = msv_uv_seats_new(listener->uv);
	return listener->seats ? copy_proxies(listener, o) : MSV_ERR_NOMEM;
}

/* The socket given, or a new one. */
static int open_socket(struct msv_uv_listener *listener, const struct msv_uv_listen_options *o)
{
	struct sockaddr_storage sa = { 0 };
	socklen_t n = sizeof(sa);
	char text[46];
	int error;

	listener->fd = o->fd;
	error = o->have_fd ? 0 : msv_uv_listen_fd(o, &listener->fd);
	if (error)
		return error;
	if (getsockname(listener->fd, (struct sockaddr *)&sa, &n) < 0)
		return MSV_ERR_INVAL; /* a descriptor that is no socket */
	msv_uv_address_text((struct sockaddr *)&sa, text, &listener->port);
	if (o->have_fd || !o->path)
		return 0;
	listener->path = msv_uv_strdup(listener->uv, o->path);
	if (!listener->path)
		return MSV_ERR_NOMEM;
	msv_uv_socket_identity(o->path, &listener->path_dev, &listener->path_ino);
	return 0;
}

/* Nothing of it is on the loop yet; a socket that was given stays open. */
static void discard(struct msv_uv_listener *listener, bool have_fd)
{
	if (!have_fd && listener->fd >= 0)
		close(listener->fd);
	if (listener->path)
		msv_uv_socket_remove(listener->path, listener->path_dev, listener->path_ino);
	msv_uv_listener_unref(listener);
}

int msv_uv_listen(
    struct msv_uv *uv, const struct msv_uv_listen_options *options, struct msv_uv_listener **out)
{
	struct msv_uv_listen_options o = { 0 };
	struct msv_uv_listener *listener;
	int error;

	*out = NULL;
	if (uv->freed)
		return MSV_ERR_CANCELED;
	memcpy(&o, options, options->size < sizeof(o) ? options->size : sizeof(o));
	o.size = sizeof(o);
	listener = msv_uv_alloc(uv, sizeof(*listener));
	if (!listener)
		return MSV_ERR_NOMEM;
	msv_uv_ref(uv);
	listener->uv = uv;
	listener->refs = 1;
	listener->fd = -1;
	msv_uv_ring_init(&listener->node);
	error = copy_options(listener, &o);
	if (!error)
		error = open_socket(listener, &o);
	if (!error && uv_poll_init(uv->loop, &listener->poll, listener->fd))
		error = MSV_ERR_INVAL;
	if (error) {
		discard(listener, o.have_fd);
		return error;
	}
	uv_timer_init(uv->loop, &listener->timer);
	listener->poll.data = listener->timer.data = listener;
	listener->open_handles = 2;
	msv_uv_ring_add(&uv->listeners, &listener->node);
	uv_poll_start(&listener->poll, UV_READABLE, on_ready);
	*out = listener;
	return 0;
}

uint16_t msv_uv_listener_port(const struct msv_uv_listener *listener)
{
	return listener->port;
}
