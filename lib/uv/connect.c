/* Outgoing connections: a link that is being connected, then one like any other. */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/un.h>

#include "loop.h"

enum { TIMEOUT_MS = 30000 };

/* Lives as long as its link. */
struct msv_uv_attempt {
	struct msv_uv_link *link;
	uv_connect_t req;
	struct msv_connect_op op; /* NULL: answered */
	struct msv_conn *(*make)(void *user, const struct msv_peer *peer);
	void (*closed)(void *user);
	void *user;
	char address[46]; /* "": a unix socket */
	uint16_t port;
	bool made; /* `closed` is to be called */
};

/* -- Words ------------------------------------------------------------------------------ */

static const struct reason {
	int status;
	int error;
	const char *text;
} reasons[] = {
	{ UV_ECONNREFUSED, MSV_ERR_IO, "connection refused" },
	{ UV_ETIMEDOUT, MSV_ERR_TIMEOUT, "connection timed out" },
	{ UV_EHOSTUNREACH, MSV_ERR_IO, "no route to host" },
	{ UV_ENETUNREACH, MSV_ERR_IO, "network is unreachable" },
	{ UV_ECONNRESET, MSV_ERR_IO, "connection reset by peer" },
	{ UV_EADDRNOTAVAIL, MSV_ERR_NOTFOUND, "the source address is none of this machine" },
	{ UV_ENOENT, MSV_ERR_NOTFOUND, "no such socket" },
	{ UV_EACCES, MSV_ERR_DENIED, "permission denied" },
	{ UV_EPERM, MSV_ERR_DENIED, "not permitted here" },
	{ UV_EMFILE, MSV_ERR_LIMIT, "no more open files allowed" },
	{ UV_ENFILE, MSV_ERR_LIMIT, "no more open files in the system" },
	{ UV_EAFNOSUPPORT, MSV_ERR_UNSUPPORTED, "this machine lacks that kind of address" },
	{ UV_EINVAL, MSV_ERR_INVAL, "not an address to connect to" },
	{ UV_ENAMETOOLONG, MSV_ERR_INVAL, "the path is too long" },
	{ UV_ENOMEM, MSV_ERR_NOMEM, NULL },
	{ UV_ECANCELED, MSV_ERR_CANCELED, NULL },
};

static void answer(struct msv_uv_attempt *attempt, int status)
{
	struct msv_connect_op op = attempt->op;
	const char *text = status ? uv_strerror(status) : NULL;
	int error = status ? MSV_ERR_IO : 0;

	attempt->op.op = NULL;
	if (!op.op)
		return;
	for (size_t i = 0; i < sizeof(reasons) / sizeof(reasons[0]); i++) {
		if (reasons[i].status != status)
			continue;
		error = reasons[i].error;
		text = reasons[i].text;
	}
	msv_op_on_cancel(op.op, NULL, NULL);
	msv_connect_answer(op, error, text);
}

/* -- The end ------------------------------------------------------------------------------- */

static void on_closed(void *user, uv_stream_t *stream)
{
	struct msv_uv_attempt *attempt = user;
	struct msv_uv *uv = attempt->link->uv;

	(void)stream;
	msv_uv_release(uv, attempt);
}

/* What the conn was made for must not use it any more. */
static void on_gone(void *user)
{
	struct msv_uv_attempt *attempt = user;

	if (attempt->made && attempt->closed)
		attempt->closed(attempt->user);
	attempt->made = false;
}

void msv_uv_attempt_over(struct msv_uv_attempt *attempt)
{
	answer(attempt, UV_ECANCELED);
}

static void fail(struct msv_uv_attempt *attempt, int status)
{
	answer(attempt, status);
	msv_uv_link_close(attempt->link);
}

static void on_cancel(void *user)
{
	fail(user, UV_ECANCELED);
}

static void on_timeout(uv_timer_t *timer)
{
	fail(((struct msv_uv_link *)timer->data)->attempt, UV_ETIMEDOUT);
}

/* -- Connected -------------------------------------------------------------------------------- */

static struct msv_conn *make_conn(struct msv_uv_attempt *attempt)
{
	struct msv_uv_link *link = attempt->link;
	char local_address[46];
	struct msv_peer peer = { .size = sizeof(peer), .port = attempt->port };
	struct msv_conn *conn;

	msv_uv_address_local(link->stream, local_address, &peer.local_port);
	peer.address = attempt->address[0] ? attempt->address : NULL;
	peer.local_address = local_address[0] ? local_address : NULL;
	/* The callback may cancel the op, or close everything. */
	msv_op_on_cancel(attempt->op.op, NULL, NULL);
	conn = attempt->make(attempt->user, &peer);
	if (conn && link->closing) {
		msv_conn_free(conn);
		return NULL;
	}
	return conn;
}

/* There is no conn for it: the op itself fails. */
static void refuse(struct msv_uv_attempt *attempt)
{
	struct msv_op *op = attempt->op.op;

	attempt->op.op = NULL;
	if (op)
		msv_op_answer(op, MSV_ERR_NOMEM);
	msv_uv_link_close(attempt->link);
}

static void on_connect(uv_connect_t *req, int status)
{
	struct msv_uv_attempt *attempt = req->data;
	struct msv_uv_link *link = attempt->link;
	struct msv_conn *conn;

	if (link->closing)
		return;
	if (status < 0) {
		fail(attempt, status);
		return;
	}
	uv_timer_stop(&link->timer);
	if (attempt->address[0])
		uv_tcp_nodelay(&link->own.tcp, 1);
	conn = make_conn(attempt);
	if (!conn) {
		refuse(attempt);
		return;
	}
	link->attempt = NULL;
	answer(attempt, 0);
	attempt->made = true;
	msv_uv_link_start(link, conn);
}

/* -- Connecting -------------------------------------------------------------------------------- */

static bool read_address(const char *text, uint16_t port, struct sockaddr_storage *out)
{
	struct sockaddr_in *v4 = (struct sockaddr_in *)out;
	struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)out;

	memset(out, 0, sizeof(*out));
	if (inet_pton(AF_INET, text, &v4->sin_addr) == 1) {
		v4->sin_family = AF_INET;
		v4->sin_port = htons(port);
	} else if (inet_pton(AF_INET6, text, &v6->sin6_addr) == 1) {
		v6->sin6_family = AF_INET6;
		v6->sin6_port = htons(port);
	} else {
		return false;
	}
	return true;
}

static int connect_tcp(struct msv_uv_attempt *attempt, const struct msv_transport_target *target)
{
	uv_tcp_t *tcp = &attempt->link->own.tcp;
	struct sockaddr_storage to, from;
	int status = 0;

	if (!read_address(target->address, target->port, &to) || !target->port)
		return UV_EINVAL;
	msv_uv_address_text((struct sockaddr *)&to, attempt->address, &attempt->port);
	if (target->source) {
		if (!read_address(target->source, 0, &from) || from.ss_family != to.ss_family)
			return UV_EADDRNOTAVAIL;
		status = uv_tcp_bind(tcp, (struct sockaddr *)&from, 0);
	}
	if (status == 0)
		status = uv_tcp_connect(&attempt->req, tcp, (struct sockaddr *)&to, on_connect);
	return status;
}

static int connect_unix(struct msv_uv_attempt *attempt, const char *path)
{
	if (!*path || strlen(path) >= sizeof(((struct sockaddr_un *)NULL)->sun_path))
		return UV_ENAMETOOLONG;
	uv_pipe_connect(&attempt->req, &attempt->link->own.pipe, path, on_connect);
	return 0;
}

/* A link for the attempt, its handles on the loop; NULL: no memory. */
static struct msv_uv_attempt *begin(struct msv_uv *uv, const struct msv_transport_target *target)
{
	struct msv_uv_attempt *attempt = msv_uv_alloc(uv, sizeof(*attempt));
	struct msv_uv_link *link = attempt ? msv_uv_link_new(uv) : NULL;

	if (!link) {
		msv_uv_release(uv, attempt);
		return NULL;
	}
	if (target->path)
		uv_pipe_init(uv->loop, &link->own.pipe, 0);
	else
		uv_tcp_init(uv->loop, &link->own.tcp);
	msv_uv_link_open(link, (uv_stream_t *)&link->own);
	link->attempt = attempt;
	link->closed = on_closed;
	link->gone = on_gone;
	link->user = attempt;
	attempt->link = link;
	attempt->req.data = attempt;
	attempt->make = target->make;
	attempt->closed = target->closed;
	attempt->user = target->user;
	return attempt;
}

void msv_uv_connect(
    struct msv_uv *uv, const struct msv_transport_target *target, struct msv_connect_op op)
{
	struct msv_transport_target t = { 0 };
	struct msv_uv_attempt *attempt;
	int status;

	memcpy(&t, target, target->size < sizeof(t) ? target->size : sizeof(t));
	if (!t.make || (!t.path && !t.address)) {
		msv_connect_answer(op, MSV_ERR_INVAL, NULL);
		return;
	}
	attempt = begin(uv, &t);
	if (!attempt) {
		msv_connect_answer(op, uv->freed ? MSV_ERR_CANCELED : MSV_ERR_NOMEM, NULL);
		return;
	}
	attempt->op = op;
	msv_op_on_cancel(op.op, on_cancel, attempt);
	status = t.path ? connect_unix(attempt, t.path) : connect_tcp(attempt, &t);
	if (status < 0)
		fail(attempt, status);
	else
		uv_timer_start(
		    &attempt->link->timer, on_timeout, t.timeout_ms ? t.timeout_ms : TIMEOUT_MS, 0);
}

/* -- The transport -------------------------------------------------------------------------------- */

static void connect_to(
    void *self, const struct msv_transport_target *target, struct msv_connect_op op)
{
	msv_uv_connect(self, target, op);
}

static void drop(void *self, struct msv_conn *conn)
{
	struct msv_uv *uv = self;

	for (struct msv_uv_node *node = uv->links.next; node != &uv->links; node = node->next) {
		struct msv_uv_link *link = msv_uv_owner(node, struct msv_uv_link, all);

		if (link->conn != conn || link->closed != on_closed)
			continue;
		((struct msv_uv_attempt *)link->user)->made = false;
		msv_uv_link_close(link);
		return;
	}
}

void msv_uv_transport_init(struct msv_uv *uv)
{
	uv->transport = (struct msv_transport){
		.size = sizeof(uv->transport),
		.self = uv,
		.connect = connect_to,
		.drop = drop,
	};
}

const struct msv_transport *msv_uv_transport(struct msv_uv *uv)
{
	return &uv->transport;
}
