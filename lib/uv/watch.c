/* Path watches by the system.  One that cannot go on - its file was replaced
 * or its directory is gone - looks by a timer until the path is there again. */
#include <stdlib.h>
#include <string.h>

#include "loop.h"

enum { RETRY_MS = 1000 };

/* Not from the env's memory: its owner may stop it while the env goes. */
struct watch {
	struct msv_uv_node node;
	struct msv_uv *uv;
	struct msv_watch *watch; /* whom to tell; NULL: it was stopped */
	uv_fs_event_t event;
	uv_timer_t timer;
	char *path;
	unsigned open_handles;
	bool closing;
};

/* Freed when its handles are closed and its owner has stopped it. */
static void free_watch(struct watch *watch)
{
	if (watch->open_handles || watch->watch)
		return;
	msv_uv_ring_remove(&watch->node);
	free(watch->path);
	free(watch);
}

static void on_closed(uv_handle_t *handle)
{
	struct watch *watch = handle->data;
	struct msv_uv *uv = watch->uv;

	if (--watch->open_handles)
		return;
	free_watch(watch);
	msv_uv_unref(uv);
}

static void close_watch(struct watch *watch)
{
	if (watch->closing)
		return;
	watch->closing = true;
	uv_close((uv_handle_t *)&watch->event, on_closed);
	uv_close((uv_handle_t *)&watch->timer, on_closed);
}

static void on_event(uv_fs_event_t *event, const char *name, int events, int status);

static void on_timer(uv_timer_t *timer)
{
	struct watch *watch = timer->data;

	if (uv_fs_event_start(&watch->event, on_event, watch->path, 0) == 0)
		uv_timer_stop(timer);
	msv_watch_fire(watch->watch);
}

/* The path may lead to another file now. */
static void watch_anew(struct watch *watch)
{
	uv_fs_event_stop(&watch->event);
	if (uv_fs_event_start(&watch->event, on_event, watch->path, 0))
		uv_timer_start(&watch->timer, on_timer, RETRY_MS, RETRY_MS);
}

/* True when the event is about the watched thing itself, not about a file in
 * it: libuv then gives its own name. */
static bool is_self(const struct watch *watch, const char *name)
{
	const char *slash = strrchr(watch->path, '/');

	return name && strcmp(name, slash ? slash + 1 : watch->path) == 0;
}

static void on_event(uv_fs_event_t *event, const char *name, int events, int status)
{
	struct watch *watch = event->data;

	(void)events;
	if (watch->closing)
		return;
	if (status < 0 || is_self(watch, name))
		watch_anew(watch);
	msv_watch_fire(watch->watch);
}

int msv_uv_watch_start(void *user, const char *path, struct msv_watch *told, void **handle)
{
	struct msv_uv *uv = user;
	struct watch *watch;
	int error;

	if (uv->freed)
		return MSV_ERR_CANCELED;
	watch = calloc(1, sizeof(*watch));
	if (!watch)
		return MSV_ERR_NOMEM;
	watch->path = strdup(path);
	if (!watch->path) {
		free(watch);
		return MSV_ERR_NOMEM;
	}
	watch->uv = uv;
	watch->watch = told;
	msv_uv_ring_add(&uv->watches, &watch->node);
	uv_fs_event_init(uv->loop, &watch->event);
	uv_timer_init(uv->loop, &watch->timer);
	watch->event.data = watch->timer.data = watch;
	watch->open_handles = 2;
	msv_uv_ref(uv);
	error = uv_fs_event_start(&watch->event, on_event, path, 0);
	if (error) {
		msv_uv_watch_stop(uv, watch);
		return MSV_ERR_IO;
	}
	/* A watch alone is no reason to go on. */
	uv_unref((uv_handle_t *)&watch->event);
	uv_unref((uv_handle_t *)&watch->timer);
	*handle = watch;
	return 0;
}

void msv_uv_watch_stop(void *user, void *handle)
{
	struct watch *watch = handle;

	(void)user;
	watch->watch = NULL;
	if (watch->closing)
		free_watch(watch);
	else
		close_watch(watch);
}

void msv_uv_watches_close(struct msv_uv *uv)
{
	for (struct msv_uv_node *node = uv->watches.next; node != &uv->watches; node = node->next)
		close_watch(msv_uv_owner(node, struct watch, node));
}

void msv_uv_watches_free(struct msv_uv *uv)
{
	while (!msv_uv_ring_empty(&uv->watches)) {
		struct watch *watch = msv_uv_owner(uv->watches.next, struct watch, node);

		watch->watch = NULL;
		free_watch(watch);
	}
}
