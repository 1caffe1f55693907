#include "loop.h"

#include <stdlib.h>
#include <string.h>

/* -- Memory ----------------------------------------------------------------- */

void *msv_uv_alloc(struct msv_uv *uv, size_t n)
{
	void *p = msv_env_realloc(uv->env, NULL, n);

	return p ? memset(p, 0, n) : NULL;
}

void msv_uv_release(struct msv_uv *uv, void *p)
{
	if (p)
		msv_env_realloc(uv->env, p, 0);
}

char *msv_uv_strdup(struct msv_uv *uv, const char *s)
{
	size_t n = strlen(s) + 1;
	char *p = msv_env_realloc(uv->env, NULL, n);

	return p ? memcpy(p, s, n) : NULL;
}

/* -- Turns -------------------------------------------------------------------- */

static void nothing(uv_idle_t *idle)
{
	(void)idle;
}

void msv_uv_hurry(struct msv_uv *uv)
{
	if (!uv->closing)
		uv_idle_start(&uv->idle, nothing);
}

static void on_timer(uv_timer_t *timer)
{
	((struct msv_uv *)timer->data)->tick = true; /* the turn comes right after */
}

/* Runs the env, and asks to be told when it wants that again. */
static void tick(struct msv_uv *uv)
{
	uv->tick = false;
	uint64_t next = msv_env_tick(uv->env), now = msv_env_now(uv->env);

	if (next == MSV_NEVER)
		uv_timer_stop(&uv->timer);
	else if (next <= now)
		uv->tick = true;
	else
		uv_timer_start(&uv->timer, on_timer, next - now, 0);
}

/* Every link that was touched gets its share; one touched meanwhile waits for
 * the next turn, so that sockets are looked at in between. */
static void settle_links(struct msv_uv *uv)
{
	struct msv_uv_node batch;

	msv_uv_ring_init(&batch);
	while (!msv_uv_ring_empty(&uv->dirty)) {
		struct msv_uv_node *node = uv->dirty.next;
		msv_uv_ring_remove(node);
		msv_uv_ring_add(&batch, node);
	}
	while (!msv_uv_ring_empty(&batch)) {
		struct msv_uv_node *node = batch.next;
		msv_uv_ring_remove(node);
		msv_uv_link_settle(msv_uv_owner(node, struct msv_uv_link, dirty));
	}
}

static void end_drain(struct msv_uv *uv)
{
	if (!uv->draining || uv->nlinks)
		return;
	uv->draining = false;
	uv_timer_stop(&uv->drain_timer);
	if (uv->drained)
		uv->drained(uv->drained_user);
}

static void close_handles(struct msv_uv *uv);

static void take_turn(struct msv_uv *uv)
{
	if (uv->closing)
		return;
	if (uv->tick)
		tick(uv);
	settle_links(uv);
	end_drain(uv);
	if (uv->tick || !msv_uv_ring_empty(&uv->dirty))
		msv_uv_hurry(uv);
	else if (uv->freed && !uv->refs)
		close_handles(uv);
	else
		uv_idle_stop(&uv->idle);
}

static void on_prepare(uv_prepare_t *prepare)
{
	take_turn(prepare->data);
}

static void on_check(uv_check_t *check)
{
	take_turn(check->data);
}

/* -- The env's functions -------------------------------------------------------- */

static void wake(void *user)
{
	struct msv_uv *uv = user;

	uv->tick = true;
	msv_uv_hurry(uv);
}

static void log_line(void *user, enum msv_log_level level, const char *line)
{
	struct msv_uv *uv = user;

	if (uv->log)
		uv->log(uv->log_user, level, line);
}

static int make_env(struct msv_uv *uv)
{
	struct msv_env_options options = {
		.size = sizeof(options),
		.user = uv,
		.log = log_line,
		.wake = wake,
		.offload = msv_uv_offload,
		.watch_start = msv_uv_watch_start,
		.watch_stop = msv_uv_watch_stop,
	};

	return msv_env_new(&options, &uv->env);
}

/* -- Life -------------------------------------------------------------------------- */

static void init_handles(struct msv_uv *uv)
{
	uv_loop_t *loop = uv->loop;

	/* None of these fails. */
	uv_prepare_init(loop, &uv->prepare);
	uv_check_init(loop, &uv->check);
	uv_idle_init(loop, &uv->idle);
	uv_timer_init(loop, &uv->timer);
	uv_timer_init(loop, &uv->drain_timer);
	uv->prepare.data = uv->check.data = uv->idle.data = uv->timer.data = uv->drain_timer.data =
	    uv;
	uv_prepare_start(&uv->prepare, on_prepare);
	uv_check_start(&uv->check, on_check);
	/* A turn alone is no reason to go on. */
	uv_unref((uv_handle_t *)&uv->prepare);
	uv_unref((uv_handle_t *)&uv->check);
}

int msv_uv_new(uv_loop_t *loop, const struct msv_uv_options *options, struct msv_uv **out)
{
	struct msv_uv_options o = { 0 };
	struct msv_uv *uv;

	*out = NULL;
	if (options)
		memcpy(&o, options, options->size < sizeof(o) ? options->size : sizeof(o));
	/* Not from the env: this goes after it. */
	uv = calloc(1, sizeof(*uv));
	if (!uv)
		return MSV_ERR_NOMEM;
	uv->loop = loop;
	uv->log = o.log;
	uv->log_user = o.user;
	msv_uv_ring_init(&uv->watches);
	msv_uv_ring_init(&uv->listeners);
	msv_uv_ring_init(&uv->resolvers);
	msv_uv_ring_init(&uv->links);
	msv_uv_ring_init(&uv->dirty);
	msv_uv_transport_init(uv);
	int error = msv_uv_jobs_init(uv, o.width);
	if (error)
		goto fail;
	error = make_env(uv);
	if (!error)
		error = msv_uv_jobs_open(uv);
	if (error)
		goto fail_jobs;
	init_handles(uv);
	*out = uv;
	return 0;

fail_jobs:
	msv_env_free(uv->env);
	msv_uv_jobs_fini(uv);
fail:
	free(uv);
	return error;
}

struct msv_env *msv_uv_env(const struct msv_uv *uv)
{
	return uv->env;
}

uv_loop_t *msv_uv_loop(const struct msv_uv *uv)
{
	return uv->loop;
}

void msv_uv_ref(struct msv_uv *uv)
{
	uv->refs++;
}

void msv_uv_unref(struct msv_uv *uv)
{
	if (--uv->refs == 0 && uv->freed)
		msv_uv_hurry(uv);
}

static void on_closed(uv_handle_t *handle)
{
	struct msv_uv *uv = handle->data;

	if (--uv->own_handles)
		return;
	msv_env_free(uv->env);
	msv_uv_watches_free(uv);
	msv_uv_jobs_fini(uv);
	free(uv);
}

static void close_handles(struct msv_uv *uv)
{
	uv_handle_t *handles[] = { (uv_handle_t *)&uv->prepare, (uv_handle_t *)&uv->check,
		(uv_handle_t *)&uv->idle, (uv_handle_t *)&uv->timer,
		(uv_handle_t *)&uv->drain_timer, (uv_handle_t *)&uv->jobs_async,
		(uv_handle_t *)&uv->jobs_timer };

	uv->closing = true;
	for (size_t i = 0; i < sizeof(handles) / sizeof(handles[0]); i++) {
		uv->own_handles++;
		uv_close(handles[i], on_closed);
	}
}

static void close_links(struct msv_uv *uv)
{
	for (struct msv_uv_node *node = uv->links.next; node != &uv->links; node = node->next)
		msv_uv_link_close(msv_uv_owner(node, struct msv_uv_link, all));
}

void msv_uv_free(struct msv_uv *uv)
{
	if (!uv || uv->freed)
		return;
	uv->freed = true;
	while (!msv_uv_ring_empty(&uv->listeners))
		msv_uv_listener_free(
		    msv_uv_owner(uv->listeners.next, struct msv_uv_listener, node));
	close_links(uv);
	while (!msv_uv_ring_empty(&uv->resolvers))
		msv_uv_resolver_close(uv->resolvers.next);
	msv_uv_watches_close(uv);
	msv_uv_hurry(uv);
}

/* -- All connections ------------------------------------------------------------------ */

int msv_uv_each(struct msv_uv *uv, int (*fn)(void *user, struct msv_conn *conn), void *user)
{
	for (struct msv_uv_node *node = uv->links.next; node != &uv->links; node = node->next) {
		struct msv_uv_link *link = msv_uv_owner(node, struct msv_uv_link, all);
		int result = link->conn ? fn(user, link->conn) : 0;

		if (result)
			return result;
	}
	return 0;
}

size_t msv_uv_connections(const struct msv_uv *uv)
{
	return uv->nlinks;
}

static void on_drain_timer(uv_timer_t *timer)
{
	close_links(timer->data);
}

void msv_uv_drain(
    struct msv_uv *uv, enum msv_shutdown why, uint32_t ms, void (*drained)(void *user), void *user)
{
	uv->draining = true;
	uv->drained = drained;
	uv->drained_user = user;
	uv_timer_start(&uv->drain_timer, on_drain_timer, ms, 0);
	for (struct msv_uv_node *node = uv->links.next; node != &uv->links; node = node->next) {
		struct msv_uv_link *link = msv_uv_owner(node, struct msv_uv_link, all);

		if (link->conn)
			msv_conn_shutdown(link->conn, why);
		else if (link->entrance || link->attempt)
			msv_uv_link_close(link);
	}
	msv_uv_hurry(uv);
}
