/* libunbound, which asks from a thread of its own and tells by a descriptor. */
#include <stdio.h>
#include <string.h>
#include <unbound.h>

#include "loop.h"

enum {
	TIMEOUT_MS = 3000,
	QUERY_TIMEOUT_MS = 15000,
	CACHE_BYTES = 4 << 20,
	CLASS_IN = 1,
};

/* -- Asking ----------------------------------------------------------------------------- */

static void on_ask_closed(uv_handle_t *handle)
{
	struct msv_uv_ask *ask = handle->data;
	struct msv_uv *uv = ask->uv;

	msv_uv_release(uv, ask);
	msv_uv_unref(uv);
}

void msv_uv_ask_end(struct msv_uv_ask *ask)
{
	if (ask->over)
		return;
	ask->over = true;
	msv_uv_ring_remove(&ask->node);
	if (ask->asking)
		ub_cancel(ask->resolver->ctx, ask->id);
	uv_close((uv_handle_t *)&ask->timer, on_ask_closed);
}

static void on_timeout(uv_timer_t *timer)
{
	struct msv_uv_ask *ask = timer->data;

	ask->failed(ask, MSV_ERR_TIMEOUT);
}

/* What an error of libunbound means. */
static int error_of(int error)
{
	switch (error) {
	case UB_NOERROR:
		return 0;
	case UB_SYNTAX:
		return MSV_ERR_INVAL;
	case UB_NOMEM:
		return MSV_ERR_NOMEM;
	default:
		return MSV_ERR_IO;
	}
}

static void on_answer(void *user, int error, struct ub_result *result)
{
	struct msv_uv_ask *ask = user;

	ask->asking = false;
	ask->answered(ask, error_of(error), error ? NULL : result);
	ub_resolve_free(result);
}

int msv_uv_ask(struct msv_uv_ask *ask, const char *name, int type)
{
	ask->asking = ub_resolve_async(
	                  ask->resolver->ctx, name, type, CLASS_IN, ask, on_answer, &ask->id) == 0;
	return ask->asking ? 0 : MSV_ERR_NOMEM;
}

void *msv_uv_ask_new(struct msv_uv_resolver *resolver, size_t n, uint32_t timeout_ms)
{
	struct msv_uv *uv = resolver->uv;
	struct msv_uv_ask *ask = resolver->closed ? NULL : msv_uv_alloc(uv, n);

	if (!ask)
		return NULL;
	ask->uv = uv;
	ask->resolver = resolver;
	msv_uv_ref(uv);
	msv_uv_ring_add(&resolver->asks, &ask->node);
	uv_timer_init(uv->loop, &ask->timer);
	ask->timer.data = ask;
	uv_update_time(uv->loop); /* the limit counts from now, however long this turn took */
	uv_timer_start(&ask->timer, on_timeout, timeout_ms, 0);
	return ask;
}

/* -- The resolver --------------------------------------------------------------------------- */

static void on_readable(uv_poll_t *poll, int status, int events)
{
	struct msv_uv_resolver *resolver = poll->data;

	(void)status;
	(void)events;
	ub_process(resolver->ctx);
}

/* Sets an option to a number. */
static int set_number(struct ub_ctx *ctx, const char *option, size_t number)
{
	char text[24];

	snprintf(text, sizeof(text), "%zu", number);
	return ub_ctx_set_option(ctx, option, text);
}

/* libunbound by itself is made for programs that ask little. */
static int set_sizes(struct ub_ctx *ctx, const struct msv_uv_resolver_options *o)
{
	size_t bytes = o->cache_bytes ? o->cache_bytes : CACHE_BYTES;

	return set_number(ctx, "rrset-cache-size:", bytes / 2) ||
	               set_number(ctx, "msg-cache-size:", bytes / 4) ||
	               set_number(ctx, "key-cache-size:", bytes / 4) ||
	               set_number(ctx, "outgoing-range:", 128) ||
	               set_number(ctx, "num-queries-per-thread:", 1024) ||
	               set_number(ctx, "outgoing-num-tcp:", 16)
	           ? MSV_ERR_IO
	           : 0;
}

static int find_servers(struct ub_ctx *ctx, const struct msv_uv_resolver_options *o)
{
	if (o->forward) {
		if (ub_ctx_set_fwd(ctx, o->forward))
			return MSV_ERR_INVAL;
	} else if (ub_ctx_resolvconf(ctx, o->resolv_conf)) {
		return 0; /* no such file: the root servers are asked */
	}
	/* What the administrator names may be a server of this machine. */
	return ub_ctx_set_option(ctx, "do-not-query-localhost:", "no") ? MSV_ERR_IO : 0;
}

/* Names that the servers may know though the public DNS does not.  This ends the
 * configuration: libunbound now reads the trust anchor. */
static int open_zones(struct ub_ctx *ctx)
{
	return ub_ctx_zone_add(ctx, "home.arpa.", "nodefault") ||
	               ub_ctx_zone_add(ctx, "test.", "nodefault")
	           ? MSV_ERR_FORMAT
	           : 0;
}

static int configure(struct ub_ctx *ctx, const struct msv_uv_resolver_options *o)
{
	int error;

	ub_ctx_debugout(ctx, NULL); /* else it writes to stderr */
	/* In a thread, not a process. */
	if (ub_ctx_async(ctx, 1))
		return MSV_ERR_IO;
	/* Peers of the local network have names too. */
	if (ub_ctx_set_option(ctx, "unblock-lan-zones:", "yes") ||
	    ub_ctx_set_option(ctx, "insecure-lan-zones:", "yes"))
		return MSV_ERR_IO;
	error = set_sizes(ctx, o);
	if (!error)
		error = find_servers(ctx, o);
	if (!error && o->trust_anchor && ub_ctx_add_ta_file(ctx, o->trust_anchor))
		error = MSV_ERR_FORMAT;
	return error ? error : open_zones(ctx);
}

static void on_resolver_closed(uv_handle_t *handle)
{
	struct msv_uv_resolver *resolver = handle->data;
	struct msv_uv *uv = resolver->uv;

	ub_ctx_delete(resolver->ctx);
	msv_uv_release(uv, resolver);
	msv_uv_unref(uv);
}

int msv_uv_resolver_new(
    struct msv_uv *uv, const struct msv_uv_resolver_options *options, struct msv_uv_resolver **out)
{
	struct msv_uv_resolver_options o = { 0 };
	struct msv_uv_resolver *resolver;
	int error = MSV_ERR_NOMEM;

	*out = NULL;
	if (uv->freed)
		return MSV_ERR_CANCELED;
	if (options)
		memcpy(&o, options, options->size < sizeof(o) ? options->size : sizeof(o));
	resolver = msv_uv_alloc(uv, sizeof(*resolver));
	if (!resolver)
		return MSV_ERR_NOMEM;
	resolver->uv = uv;
	resolver->timeout_ms = o.timeout_ms ? o.timeout_ms : TIMEOUT_MS;
	resolver->query_timeout_ms = o.query_timeout_ms ? o.query_timeout_ms : QUERY_TIMEOUT_MS;
	msv_uv_ring_init(&resolver->asks);
	msv_uv_dns_init(resolver);
	resolver->ctx = ub_ctx_create();
	if (resolver->ctx)
		error = configure(resolver->ctx, &o);
	if (!error && uv_poll_init(uv->loop, &resolver->poll, ub_fd(resolver->ctx)))
		error = MSV_ERR_IO;
	if (error) {
		ub_ctx_delete(resolver->ctx);
		msv_uv_release(uv, resolver);
		return error;
	}
	resolver->poll.data = resolver;
	uv_poll_start(&resolver->poll, UV_READABLE, on_readable);
	uv_unref((uv_handle_t *)&resolver->poll); /* an ask's timer keeps the loop */
	msv_uv_ring_init(&resolver->node);
	msv_uv_ring_add(&uv->resolvers, &resolver->node);
	msv_uv_ref(uv);
	*out = resolver;
	return 0;
}

static void forget_resolver(struct msv_uv *uv, const struct msv_uv_resolver *resolver)
{
	for (struct msv_uv_node *node = uv->listeners.next; node != &uv->listeners;
	     node = node->next) {
		struct msv_uv_listener *listener = msv_uv_owner(node, struct msv_uv_listener, node);

		if (listener->resolver == resolver)
			listener->resolver = NULL;
	}
}

void msv_uv_resolver_free(struct msv_uv_resolver *resolver)
{
	if (!resolver || resolver->closed)
		return;
	resolver->closed = true;
	msv_uv_ring_remove(&resolver->node);
	forget_resolver(resolver->uv, resolver);
	while (!msv_uv_ring_empty(&resolver->asks)) {
		struct msv_uv_ask *ask = msv_uv_owner(resolver->asks.next, struct msv_uv_ask, node);

		ask->failed(ask, MSV_ERR_CANCELED);
	}
	uv_close((uv_handle_t *)&resolver->poll, on_resolver_closed);
}

void msv_uv_resolver_close(struct msv_uv_node *node)
{
	msv_uv_resolver_free(msv_uv_owner(node, struct msv_uv_resolver, node));
}
