#include "base/layers.h"

#include <string.h>

#include "base/alloc.h"

/* More than any protocol stacks (TLS and compression make two). */
enum { MOST_LAYERS = 8 };

/* Where a filter puts bytes: to the layer at `level`, from below or above. */
struct layer_sink {
	struct msv_filter_sink sink; /* first: the sink is the layer_sink */
	struct msv_conn *conn;
	size_t level;
};

static int receive_at(struct msv_conn *conn, size_t level, const void *p, size_t n);
static int send_below(struct msv_conn *conn, size_t level, const void *p, size_t n);

static int put_plain(struct msv_filter_sink *sink, const void *p, size_t n)
{
	struct layer_sink *s = (struct layer_sink *)sink;

	return receive_at(s->conn, s->level, p, n);
}

static int put_wire(struct msv_filter_sink *sink, const void *p, size_t n)
{
	struct layer_sink *s = (struct layer_sink *)sink;

	return send_below(s->conn, s->level, p, n);
}

static bool ready(const struct msv_conn_layer *layer)
{
	const struct msv_filter_ops *ops = layer->filter->ops;

	return !ops->ready || ops->ready(layer->filter);
}

/* A filter cannot go on: what it wrote still goes out, nothing else. */
static void fail(struct msv_conn *conn, struct msv_filter *filter)
{
	const char *why = filter->ops->failure ? filter->ops->failure(filter) : NULL;

	if (conn->filter_failed)
		return;
	conn->filter_failed = true;
	msv_conn_log(conn, MSV_LOG_WARN, "%s: %s", filter->ops->name, why ? why : "failed");
	msv_conn_end(conn);
}

static void encode(struct msv_conn *conn, size_t level, const void *p, size_t n)
{
	struct layer_sink wire = { { put_wire }, conn, level };
	struct msv_filter *filter = conn->layers[level].filter;

	if (n && filter->ops->encode(filter, p, n, &wire.sink) < 0)
		conn->broken = true;
}

/* Bytes to the peer, for all layers below `level`. */
static int send_below(struct msv_conn *conn, size_t level, const void *p, size_t n)
{
	if (!level)
		return msv_buf_put(&conn->wire, p, n);
	struct msv_conn_layer *layer = &conn->layers[level - 1];
	if (!ready(layer) || msv_buf_len(&layer->held))
		return msv_buf_put(&layer->held, p, n);
	encode(conn, level - 1, p, n);
	return conn->broken ? MSV_ERR_NOMEM : 0;
}

/* What waited for a layer that got ready goes on. */
static void release_held(struct msv_conn *conn, size_t level)
{
	struct msv_conn_layer *layer = &conn->layers[level];

	if (msv_buf_failed(&layer->held))
		conn->broken = true;
	if (!msv_buf_len(&layer->held) || !ready(layer))
		return;
	encode(conn, level, msv_buf_data(&layer->held), msv_buf_len(&layer->held));
	msv_buf_fini(&layer->held);
}

/* Bytes from the peer, for the layer at `level` and those above. */
static int receive_at(struct msv_conn *conn, size_t level, const void *p, size_t n)
{
	if (level == conn->nlayers)
		return msv_buf_put(&conn->in, p, n);
	struct msv_conn_layer *layer = &conn->layers[level];
	if (layer->ended || conn->filter_failed)
		return 0;
	struct layer_sink plain = { { put_plain }, conn, level + 1 };
	struct layer_sink wire = { { put_wire }, conn, level };
	int verdict = layer->filter->ops->decode(layer->filter, p, n, &plain.sink, &wire.sink);
	if (verdict < 0)
		fail(conn, layer->filter);
	else if (verdict > 0)
		layer->ended = conn->stream_ended = true;
	release_held(conn, level);
	return msv_buf_failed(&conn->in) ? MSV_ERR_NOMEM : 0;
}

void msv_layers_receive(struct msv_conn *conn, const void *p, size_t n)
{
	receive_at(conn, 0, p, n);
}

bool msv_layers_ready(const struct msv_conn *conn)
{
	for (size_t i = 0; i < conn->nlayers; i++) {
		if (!ready(&conn->layers[i]) || msv_buf_len(&conn->layers[i].held))
			return false;
	}
	return true;
}

void msv_layers_send(struct msv_conn *conn)
{
	struct msv_buf *out = &conn->out;

	if (conn->filter_failed || !msv_buf_len(out) || !msv_layers_ready(conn))
		return;
	if (!conn->nlayers && !msv_buf_len(&conn->wire) && !msv_buf_failed(&conn->wire)) {
		struct msv_buf empty = conn->wire;
		conn->wire = *out;
		*out = empty;
		return;
	}
	send_below(conn, conn->nlayers, msv_buf_data(out), msv_buf_len(out));
	msv_buf_consume(out, msv_buf_len(out));
}

void msv_layers_eof(struct msv_conn *conn, int error)
{
	for (size_t i = 0; i < conn->nlayers && !conn->filter_failed; i++) {
		struct msv_conn_layer *layer = &conn->layers[i];
		if (!layer->ended && layer->filter->ops->eof &&
		    layer->filter->ops->eof(layer->filter, error) < 0)
			fail(conn, layer->filter);
	}
}

void msv_layers_finish(struct msv_conn *conn)
{
	if (conn->filter_failed)
		return;
	for (size_t i = conn->nlayers; i-- > 0;) {
		struct msv_filter *filter = conn->layers[i].filter;
		struct layer_sink wire = { { put_wire }, conn, i };
		if (filter->ops->finish)
			filter->ops->finish(filter, &wire.sink);
	}
}

size_t msv_layers_queued(const struct msv_conn *conn)
{
	size_t n = msv_buf_len(&conn->out) + msv_buf_len(&conn->wire);

	for (size_t i = 0; i < conn->nlayers; i++)
		n += msv_buf_len(&conn->layers[i].held);
	return n;
}

size_t msv_layers_memory(const struct msv_conn *conn)
{
	size_t n = conn->layers_cap * sizeof(*conn->layers);

	for (size_t i = 0; i < conn->nlayers; i++)
		n += conn->layers[i].held.cap;
	return n;
}

void msv_layers_free(struct msv_conn *conn)
{
	while (conn->nlayers) {
		struct msv_conn_layer *layer = &conn->layers[--conn->nlayers];
		layer->filter->ops->free(layer->filter);
		msv_buf_fini(&layer->held);
	}
	msv_free(conn->env, conn->layers);
	conn->layers = NULL;
}

struct msv_filter *msv_conn_filter(const struct msv_conn *conn, const char *name)
{
	for (size_t i = 0; i < conn->nlayers; i++) {
		struct msv_filter *filter = conn->layers[i].filter;
		if (!strcmp(filter->ops->name, name))
			return filter;
	}
	return NULL;
}

/* Adds the filter on top, or an error. */
static int stack(struct msv_conn *conn, struct msv_filter *filter)
{
	if (msv_conn_ended(conn))
		return MSV_ERR_CANCELED;
	if (conn->nlayers == MOST_LAYERS)
		return MSV_ERR_LIMIT;
	if (msv_grow(conn->env, &conn->layers, &conn->layers_cap, conn->nlayers + 1,
	        sizeof(*conn->layers)))
		return MSV_ERR_NOMEM;
	/* Earlier output is not for the new filter. */
	if (msv_buf_len(&conn->out))
		send_below(conn, conn->nlayers, msv_buf_data(&conn->out), msv_buf_len(&conn->out));
	msv_buf_fini(&conn->out);
	struct msv_conn_layer *layer = &conn->layers[conn->nlayers++];
	layer->filter = filter;
	layer->ended = false;
	msv_buf_init(&layer->held, conn->env);
	return 0;
}

int msv_conn_push_filter(struct msv_conn *conn, struct msv_filter *filter)
{
	struct msv_env *env = conn->env;

	msv_env_enter(env);
	int error = stack(conn, filter);
	if (error) {
		filter->ops->free(filter);
		msv_conn_break(conn);
	} else {
		receive_at(conn, conn->nlayers - 1, NULL, 0); /* it may speak first */
	}
	msv_conn_kick(conn);
	msv_env_leave(env);
	return error;
}
