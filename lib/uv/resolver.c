/* Host names of peers by libunbound, which asks from a thread of its own and
 * tells by a descriptor. */
#include <stdio.h>
#include <string.h>
#include <unbound.h>

#include "loop.h"

enum {
	TIMEOUT_MS = 3000,
	CANDIDATES = 3, /* names of one address that are looked at */
	TYPE_A = 1,
	TYPE_PTR = 12,
	TYPE_AAAA = 28,
	CLASS_IN = 1,
};

struct msv_uv_resolver {
	struct msv_uv_node node;
	struct msv_uv *uv;
	struct ub_ctx *ctx;
	uv_poll_t poll;
	uint32_t timeout_ms;
	struct msv_uv_node lookups;
	bool closed;
};

struct msv_uv_lookup {
	struct msv_uv_node node;
	struct msv_uv *uv;
	struct msv_uv_resolver *resolver; /* until it is over */
	uv_timer_t timer;
	unsigned char bytes[16];
	size_t n;
	int id;      /* the question under way */
	bool asking; /* there is one */
	bool over;
	char names[CANDIDATES][256];
	unsigned nnames, at;
	void (*done)(void *user, const char *name);
	void *user;
};

/* -- Names -------------------------------------------------------------------------- */

/* 192.0.2.1 -> 1.2.0.192.in-addr.arpa; IPv6 by nibbles (RFC 1035 3.5, 3596 2.5). */
static void reverse_name(const unsigned char *bytes, size_t n, char out[80])
{
	static const char digits[] = "0123456789abcdef";
	char *p = out;

	if (n == 4) {
		snprintf(
		    out, 80, "%u.%u.%u.%u.in-addr.arpa.", bytes[3], bytes[2], bytes[1], bytes[0]);
		return;
	}
	for (size_t i = n; i-- > 0;) {
		*p++ = digits[bytes[i] & 15];
		*p++ = '.';
		*p++ = digits[bytes[i] >> 4];
		*p++ = '.';
	}
	memcpy(p, "ip6.arpa.", 10);
}

/* A byte of a label in lower case; 0 when it may not stand in a host name. */
static char host_byte(unsigned char c)
{
	if (c >= 'A' && c <= 'Z')
		return (char)(c - 'A' + 'a');
	if ((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '_')
		return (char)c;
	return '\0';
}

/* A name as it stands in the answer (RFC 1035 3.1) in text; false when it is
 * no host name. */
static bool read_name(const unsigned char *p, size_t n, char out[256])
{
	size_t at = 0, used = 0;

	while (at < n && p[at]) {
		size_t label = p[at++];

		if (label > 63 || label > n - at || used + label + 2 > 255)
			return false;
		if (used)
			out[used++] = '.';
		while (label--) {
			char c = host_byte(p[at++]);

			if (!c)
				return false;
			out[used++] = c;
		}
	}
	out[used] = '\0';
	return used && at < n;
}

/* -- A lookup ----------------------------------------------------------------------------- */

static void on_lookup_closed(uv_handle_t *handle)
{
	struct msv_uv_lookup *lookup = handle->data;
	struct msv_uv *uv = lookup->uv;

	msv_uv_release(uv, lookup);
	msv_uv_unref(uv);
}

/* No question is under way any more, and done is not called. */
static void end_lookup(struct msv_uv_lookup *lookup)
{
	if (lookup->over)
		return;
	lookup->over = true;
	msv_uv_ring_remove(&lookup->node);
	if (lookup->asking)
		ub_cancel(lookup->resolver->ctx, lookup->id);
	uv_close((uv_handle_t *)&lookup->timer, on_lookup_closed);
}

static void finish(struct msv_uv_lookup *lookup, const char *name)
{
	void (*done)(void *user, const char *name) = lookup->done;
	void *user = lookup->user;

	end_lookup(lookup);
	done(user, name); /* the name is in the lookup, which goes after this turn */
}

static void on_timeout(uv_timer_t *timer)
{
	finish(timer->data, NULL);
}

static void on_answer(void *user, int error, struct ub_result *result);

/* True when the question is under way. */
static bool ask(struct msv_uv_lookup *lookup, const char *name, int type)
{
	lookup->asking = ub_resolve_async(lookup->resolver->ctx, name, type, CLASS_IN, lookup,
	                     on_answer, &lookup->id) == 0;
	return lookup->asking;
}

static void take_names(struct msv_uv_lookup *lookup, const struct ub_result *result)
{
	for (size_t i = 0; result->data[i] && lookup->nnames < CANDIDATES; i++)
		if (result->len[i] > 0 &&
		    read_name((const unsigned char *)result->data[i], (size_t)result->len[i],
		        lookup->names[lookup->nnames]))
			lookup->nnames++;
}

/* True when one of the addresses is the one asked about. */
static bool has_address(const struct msv_uv_lookup *lookup, const struct ub_result *result)
{
	for (size_t i = 0; result->data[i]; i++)
		if ((size_t)result->len[i] == lookup->n &&
		    memcmp(result->data[i], lookup->bytes, lookup->n) == 0)
			return true;
	return false;
}

/* Asks for the addresses of the next name there is. */
static void confirm_next(struct msv_uv_lookup *lookup)
{
	if (lookup->at == lookup->nnames ||
	    !ask(lookup, lookup->names[lookup->at], lookup->n == 4 ? TYPE_A : TYPE_AAAA))
		finish(lookup, NULL);
}

static void take_answer(struct msv_uv_lookup *lookup, const struct ub_result *result)
{
	bool good = result && result->havedata && !result->bogus;

	if (!lookup->nnames) {
		if (good)
			take_names(lookup, result);
		confirm_next(lookup);
	} else if (good && has_address(lookup, result)) {
		finish(lookup, lookup->names[lookup->at]);
	} else {
		lookup->at++;
		confirm_next(lookup);
	}
}

static void on_answer(void *user, int error, struct ub_result *result)
{
	struct msv_uv_lookup *lookup = user;

	lookup->asking = false;
	take_answer(lookup, error ? NULL : result);
	ub_resolve_free(result);
}

int msv_uv_lookup_name(struct msv_uv_resolver *resolver, const char *address,
    void (*done)(void *user, const char *name), void *user, struct msv_uv_lookup **out)
{
	struct msv_uv *uv = resolver->uv;
	struct msv_uv_lookup *lookup;
	unsigned char bytes[16];
	size_t n = msv_uv_address_bytes(address, bytes);
	char question[80];

	if (out)
		*out = NULL;
	if (!n || !done)
		return MSV_ERR_INVAL;
	lookup = msv_uv_alloc(uv, sizeof(*lookup));
	if (!lookup)
		return MSV_ERR_NOMEM;
	lookup->uv = uv;
	lookup->resolver = resolver;
	lookup->n = n;
	memcpy(lookup->bytes, bytes, n);
	lookup->done = done;
	lookup->user = user;
	reverse_name(bytes, n, question);
	if (!ask(lookup, question, TYPE_PTR)) {
		msv_uv_release(uv, lookup);
		return MSV_ERR_NOMEM;
	}
	msv_uv_ref(uv);
	msv_uv_ring_add(&resolver->lookups, &lookup->node);
	uv_timer_init(uv->loop, &lookup->timer);
	lookup->timer.data = lookup;
	uv_timer_start(&lookup->timer, on_timeout, resolver->timeout_ms, 0);
	if (out)
		*out = lookup;
	return 0;
}

void msv_uv_lookup_cancel(struct msv_uv_lookup *lookup)
{
	if (lookup)
		end_lookup(lookup);
}

/* -- The resolver --------------------------------------------------------------------------- */

static void on_readable(uv_poll_t *poll, int status, int events)
{
	struct msv_uv_resolver *resolver = poll->data;

	(void)status;
	(void)events;
	ub_process(resolver->ctx);
}

static int configure(struct ub_ctx *ctx, const struct msv_uv_resolver_options *o)
{
	const char *forward = o->forward;

	/* In a thread, not a process. */
	if (ub_ctx_async(ctx, 1))
		return MSV_ERR_IO;
	/* Peers of the local network have names too. */
	if (ub_ctx_set_option(ctx, "unblock-lan-zones:", "yes") ||
	    ub_ctx_set_option(ctx, "insecure-lan-zones:", "yes"))
		return MSV_ERR_IO;
	if (forward) {
		if (ub_ctx_set_option(ctx, "do-not-query-localhost:", "no"))
			return MSV_ERR_IO;
		return ub_ctx_set_fwd(ctx, forward) ? MSV_ERR_INVAL : 0;
	}
	/* Without such a file the root servers are asked. */
	ub_ctx_resolvconf(ctx, o->resolv_conf);
	return 0;
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
	msv_uv_ring_init(&resolver->lookups);
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
	uv_unref((uv_handle_t *)&resolver->poll); /* a lookup's timer keeps the loop */
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
	while (!msv_uv_ring_empty(&resolver->lookups))
		finish(msv_uv_owner(resolver->lookups.next, struct msv_uv_lookup, node), NULL);
	uv_close((uv_handle_t *)&resolver->poll, on_resolver_closed);
}

void msv_uv_resolver_close(struct msv_uv_node *node)
{
	msv_uv_resolver_free(msv_uv_owner(node, struct msv_uv_resolver, node));
}
