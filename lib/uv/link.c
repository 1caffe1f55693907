/* One connection: between a stream of the loop and a conn. */
#include <string.h>

#include "loop.h"

enum {
	ROUNDS = 16,      /* of output in one turn, then others have theirs */
	COPY = 16384,     /* what is kept while the socket takes no more */
	LINGER_MS = 3000, /* for the peer to take the end of the output and close */
	LINGER_BYTES = 1 << 18,
	LAST_WRITE_MS = 30000,
};

/* Output the socket did not take at once. */
struct msv_uv_write {
	uv_write_t req;
	struct msv_uv_link *link;
	char data[];
};

/* -- Life ----------------------------------------------------------------------- */

struct msv_uv_link *msv_uv_link_new(struct msv_uv *uv)
{
	struct msv_uv_link *link;

	if (uv->freed)
		return NULL;
	link = msv_uv_alloc(uv, sizeof(*link));
	if (!link)
		return NULL;
	link->uv = uv;
	link->deadline = MSV_NEVER;
	msv_uv_ring_init(&link->dirty);
	return link;
}

void msv_uv_link_open(struct msv_uv_link *link, uv_stream_t *stream)
{
	struct msv_uv *uv = link->uv;

	link->stream = stream;
	stream->data = link;
	uv_timer_init(uv->loop, &link->timer);
	link->timer.data = link;
	link->open_handles = 2;
	msv_uv_ring_add(&uv->links, &link->all);
	uv->nlinks++;
	msv_uv_ref(uv);
}

/* Both handles are closed. */
static void free_link(struct msv_uv_link *link)
{
	struct msv_uv *uv = link->uv;

	msv_uv_ring_remove(&link->all);
	msv_uv_ring_remove(&link->dirty);
	if (link->closed)
		link->closed(link->user, link->stream);
	if (link->listener)
		msv_uv_listener_unref(link->listener);
	msv_uv_release(uv, link);
	if (--uv->nlinks == 0)
		msv_uv_hurry(uv); /* somebody may wait for that */
	msv_uv_unref(uv);
}

static void on_closed(uv_handle_t *handle)
{
	struct msv_uv_link *link = handle->data;

	if (--link->open_handles == 0)
		free_link(link);
}

/* Frees the conn; whoever knows it learns so before. */
static void let_go(struct msv_uv_link *link)
{
	struct msv_conn *conn = link->conn;

	if (!conn)
		return;
	link->conn = NULL;
	if (link->gone)
		link->gone(link->user);
	msv_conn_free(conn);
}

void msv_uv_link_close(struct msv_uv_link *link)
{
	if (link->closing)
		return;
	link->closing = true;
	msv_uv_ring_remove(&link->dirty);
	let_go(link);
	msv_uv_entrance_free(link->entrance);
	link->entrance = NULL;
	if (link->attempt)
		msv_uv_attempt_over(link->attempt);
	link->attempt = NULL;
	uv_close((uv_handle_t *)link->stream, on_closed);
	uv_close((uv_handle_t *)&link->timer, on_closed);
	if (link->listener)
		msv_uv_listener_leave(link->listener, link);
}

/* -- The end of a conn -------------------------------------------------------------- */

static void give_buffer(uv_handle_t *handle, size_t suggested, uv_buf_t *buf)
{
	struct msv_uv *uv = ((struct msv_uv_link *)handle->data)->uv;

	(void)suggested;
	*buf = uv_buf_init(uv->buffer, sizeof(uv->buffer));
}

static void on_linger_read(uv_stream_t *stream, ssize_t n, const uv_buf_t *buf)
{
	struct msv_uv_link *link = stream->data;

	(void)buf;
	if (n > 0)
		link->discarded += (size_t)n;
	if (n < 0 || link->discarded > LINGER_BYTES)
		msv_uv_link_close(link);
}

static void on_linger_over(uv_timer_t *timer)
{
	msv_uv_link_close(timer->data);
}

static void on_shutdown(uv_shutdown_t *req, int status)
{
	struct msv_uv_link *link = req->data;

	if (status < 0)
		msv_uv_link_close(link);
	else if (!link->closing)
		uv_timer_start(&link->timer, on_linger_over, LINGER_MS, 0);
}

/*
 * The conn is done.  Closing a socket with unread input would reset the
 * connection and take the last reply away from the peer; so say that nothing
 * more comes, and throw away what the peer still says for a moment.
 */
static void linger(struct msv_uv_link *link)
{
	link->lingering = true;
	let_go(link);
	if (link->closing)
		return;
	link->shutdown.data = link;
	uv_read_stop(link->stream);
	if (uv_shutdown(&link->shutdown, link->stream, on_shutdown) ||
	    uv_read_start(link->stream, give_buffer, on_linger_read) ||
	    uv_timer_start(&link->timer, on_linger_over, LAST_WRITE_MS, 0))
		msv_uv_link_close(link);
}

static void end(struct msv_uv_link *link)
{
	if (link->peer_done || link->uv->freed || link->uv->starved)
		msv_uv_link_close(link);
	else
		linger(link);
}

/* -- Output ------------------------------------------------------------------------- */

static void break_conn(struct msv_uv_link *link)
{
	link->peer_done = true;
	if (link->conn)
		msv_conn_eof(link->conn, MSV_ERR_IO);
}

static void on_written(uv_write_t *req, int status)
{
	struct msv_uv_write *write = req->data;
	struct msv_uv_link *link = write->link;

	link->write = NULL;
	msv_uv_release(link->uv, write);
	if (link->closing)
		return;
	if (status < 0)
		break_conn(link);
	msv_uv_link_touch(link);
}

/* The socket is full: a part is copied and written when it can be; the conn
 * is told nothing more until then. */
static void write_later(struct msv_uv_link *link, const void *p, size_t n)
{
	struct msv_uv_write *write;
	uv_buf_t buf;

	if (n > COPY)
		n = COPY;
	write = msv_uv_alloc(link->uv, sizeof(*write) + n);
	if (!write) {
		break_conn(link);
		return;
	}
	memcpy(write->data, p, n);
	write->link = link;
	write->req.data = write;
	buf = uv_buf_init(write->data, (unsigned)n);
	if (uv_write(&write->req, link->stream, &buf, 1, on_written)) {
		msv_uv_release(link->uv, write);
		break_conn(link);
		return;
	}
	link->write = write;
	msv_conn_sent(link->conn, n);
}

/* Writes once.  True when the conn was told of something, so that more may be
 * to do. */
static bool write_some(struct msv_uv_link *link)
{
	const void *p;
	size_t n;
	uv_buf_t buf;
	int written;

	if (link->write || link->closing)
		return false;
	n = msv_conn_output(link->conn, &p);
	if (!n || link->closing)
		return false;
	buf = uv_buf_init((char *)p, n < INT32_MAX ? (unsigned)n : INT32_MAX);
	written = uv_try_write(link->stream, &buf, 1);
	if (written > 0)
		msv_conn_sent(link->conn, (size_t)written);
	else if (written == 0 || written == UV_EAGAIN)
		write_later(link, p, n);
	else
		break_conn(link);
	return true;
}

/* -- Input -------------------------------------------------------------------------- */

static void on_read(uv_stream_t *stream, ssize_t n, const uv_buf_t *buf);

static void read_or_not(struct msv_uv_link *link, bool wanted)
{
	if (wanted == link->reading)
		return;
	link->reading = wanted;
	if (!wanted)
		uv_read_stop(link->stream);
	else if (uv_read_start(link->stream, give_buffer, on_read))
		break_conn(link);
}

static void on_read(uv_stream_t *stream, ssize_t n, const uv_buf_t *buf)
{
	struct msv_uv_link *link = stream->data;

	if (n == 0 || link->closing || !link->conn)
		return;
	if (n > 0) {
		msv_conn_input(link->conn, buf->base, (size_t)n);
	} else {
		link->peer_done = true;
		read_or_not(link, false);
		msv_conn_eof(link->conn, n == UV_EOF ? 0 : MSV_ERR_IO);
	}
	if (link->closing)
		return;
	/* libuv would read on within this turn. */
	if (link->reading && !(msv_conn_want(link->conn) & MSV_WANT_READ))
		read_or_not(link, false);
	msv_uv_link_touch(link);
}

/* -- Attention ---------------------------------------------------------------------- */

void msv_uv_link_touch(struct msv_uv_link *link)
{
	if (link->closing || !msv_uv_ring_empty(&link->dirty))
		return;
	msv_uv_ring_add(&link->uv->dirty, &link->dirty);
	msv_uv_hurry(link->uv);
}

static void on_timer(uv_timer_t *timer)
{
	struct msv_uv_link *link = timer->data;

	link->deadline = MSV_NEVER;
	msv_uv_link_touch(link);
}

static void set_timer(struct msv_uv_link *link, uint64_t deadline)
{
	uint64_t now;

	if (deadline == link->deadline)
		return;
	link->deadline = deadline;
	if (deadline == MSV_NEVER) {
		uv_timer_stop(&link->timer);
		return;
	}
	now = msv_env_now(link->uv->env);
	uv_timer_start(&link->timer, on_timer, deadline > now ? deadline - now : 0, 0);
}

void msv_uv_link_settle(struct msv_uv_link *link)
{
	uint64_t deadline = MSV_NEVER;
	unsigned want;
	int rounds = 0;

	if (link->closing || !link->conn)
		return;
	do {
		deadline = msv_conn_tick(link->conn);
	} while (!link->closing && write_some(link) && ++rounds < ROUNDS);
	if (link->closing)
		return;
	want = msv_conn_want(link->conn);
	if (link->closing)
		return;
	if (want & MSV_WANT_CLOSE) {
		end(link);
		return;
	}
	if (rounds == ROUNDS)
		msv_uv_link_touch(link);
	read_or_not(link, want & MSV_WANT_READ);
	set_timer(link, deadline);
}

static void wake(void *user)
{
	msv_uv_link_touch(user);
}

void msv_uv_link_start(struct msv_uv_link *link, struct msv_conn *conn)
{
	link->conn = conn;
	uv_timer_stop(&link->timer);
	msv_conn_set_wake(conn, wake, link);
	msv_uv_link_touch(link);
}

int msv_uv_attach(struct msv_uv *uv, uv_stream_t *stream, struct msv_conn *conn,
    void (*closed)(void *user, uv_stream_t *stream), void *user)
{
	struct msv_uv_link *link = msv_uv_link_new(uv);

	if (!link)
		return uv->freed ? MSV_ERR_CANCELED : MSV_ERR_NOMEM;
	link->closed = closed;
	link->user = user;
	msv_uv_link_open(link, stream);
	msv_uv_link_start(link, conn);
	return 0;
}
