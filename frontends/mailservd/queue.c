/* mailservctl queue: what is in the queue, and what to do about it. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "server.h"

/* A request under way. */
struct inquiry {
	struct reply *reply;
	struct msv_op *op;
	bool paused;
	bool all; /* of none, too */
};

/* -- Rows ------------------------------------------------------------------------------ */

static json_t *seconds(uint64_t microseconds)
{
	return json_integer((json_int_t)(microseconds / 1000000));
}

static int on_entry(void *user, const void *data)
{
	static const char *const kinds[MSV_QUEUE_KIND_COUNT] = { [MSV_QUEUE_REMOTE] = "remote",
		[MSV_QUEUE_LOCAL] = "local",
		[MSV_QUEUE_PROGRAM] = "program" };
	struct inquiry *q = user;
	const struct msv_queue_entry *e = data;
	json_t *row =
	    json_pack("{s:s, s:s, s:s, s:o, s:I, s:i, s:b, s:s, s:s, s:s, s:i, s:o, s:o, s:b}",
	        "id", e->id, "from", e->from, "account", e->account, "arrived", seconds(e->arrived),
	        "size", (json_int_t)e->octets, "recipients", (int)e->recipients, "held", e->held,
	        "kind", kinds[e->kind], "to", e->to, "destination", e->destination, "attempts",
	        (int)e->attempts, "next", seconds(e->next), "expires", seconds(e->expires), "busy",
	        e->busy);
	/* What another host said may be no UTF-8: then it is left out. */
	json_object_set_new(row, "host", json_string(e->host));
	json_object_set_new(row, "code", json_integer(e->code));
	json_object_set_new(row, "text", json_string(e->text));
	reply_row(q->reply, row);
	if (!reply_full(q->reply))
		return 0;
	q->paused = true;
	return MSV_PAUSE;
}

/* The reader took some, or is gone. */
static void on_change(void *user)
{
	struct inquiry *q = user;
	if (reply_gone(q->reply)) {
		if (q->op)
			msv_op_cancel(q->op);
		reply_end(q->reply, NULL);
		free(q);
	} else if (q->paused) {
		q->paused = false;
		msv_op_resume(q->op);
	}
}

static void finish(struct inquiry *q, int error)
{
	static const char none[] = "nothing in the queue fits";
	reply_on_change(q->reply, NULL, NULL);
	reply_end(q->reply, error == 0                  ? NULL
	                    : error == MSV_ERR_NOTFOUND ? none
	                                                : msv_strerror(error));
	free(q);
}

static void on_listed(void *user, int error, const void *result)
{
	(void)result;
	finish(user, error);
}

static void on_changed(void *user, int error, const void *result)
{
	struct inquiry *q = user;
	static const struct msv_queue_count none = { .size = sizeof none };
	const struct msv_queue_count *count = result;
	if (error == MSV_ERR_NOTFOUND && q->all) {
		count = &none;
		error = 0;
	}
	if (error == 0)
		reply_row(q->reply, json_pack("{s:I, s:I}", "messages", (json_int_t)count->messages,
		                        "recipients", (json_int_t)count->recipients));
	finish(q, error);
}

/* The message itself: lines as text rows would lose octets, so pieces are base64-free
 * UTF-8 with what is none replaced. */
static int on_piece(void *user, const void *data)
{
	struct inquiry *q = user;
	const struct msv_queue_piece *piece = data;
	char *text = malloc(piece->n + 1);
	if (!text)
		return 0;
	for (size_t i = 0; i < piece->n; i++) {
		char c = ((const char *)piece->p)[i];
		text[i] = (c >= ' ' && c < 127) || c == '\n' || c == '\t' ? c
		          : c == '\r'                                     ? '\r'
		                                                          : '?';
	}
	reply_row(q->reply, json_pack("{s:s#}", "piece", text, (int)piece->n));
	free(text);
	if (!reply_full(q->reply))
		return 0;
	q->paused = true;
	return MSV_PAUSE;
}

/* -- Commands ------------------------------------------------------------------------------ */

static struct inquiry *inquire(
    struct server *server, struct reply *reply, msv_op_fn done, msv_row_fn row)
{
	struct inquiry *q = calloc(1, sizeof *q);
	if (q)
		q->op = msv_op_new(server->env, done, q);
	if (!q || !q->op) {
		free(q);
		reply_end(reply, "out of memory");
		return NULL;
	}
	q->reply = reply;
	if (row)
		msv_op_set_row(q->op, row);
	reply_on_change(reply, on_change, q);
	return q;
}

static void list(struct server *server, const struct msv_queue_filter *filter, struct reply *reply)
{
	struct inquiry *q = inquire(server, reply, on_listed, on_entry);
	if (q)
		msv_queue_list(server->queue, filter, (struct msv_queue_list_op){ q->op });
}

static void body(struct server *server, const char *id, struct reply *reply)
{
	struct inquiry *q = inquire(server, reply, on_listed, on_piece);
	if (q)
		msv_queue_body(server->queue, id, (struct msv_queue_body_op){ q->op });
}

static void change(struct server *server, enum msv_queue_change what,
    const struct msv_queue_filter *filter, struct reply *reply)
{
	struct inquiry *q = inquire(server, reply, on_changed, NULL);
	if (!q)
		return;
	q->all = !filter->id && !filter->domain;
	msv_queue_change(server->queue, what, filter, (struct msv_queue_change_op){ q->op });
}

static void stats(struct server *server, struct reply *reply)
{
	struct msv_queue_stats s = { .size = sizeof s };
	msv_queue_stats(server->queue, &s);
	reply_row(
	    reply, json_pack("{s:I, s:I, s:I, s:I, s:o, s:I, s:I, s:I, s:I}", "messages",
	               (json_int_t)s.messages, "recipients", (json_int_t)s.recipients, "held",
	               (json_int_t)s.held, "busy", (json_int_t)s.busy, "oldest", seconds(s.oldest),
	               "added", (json_int_t)s.added, "delivered", (json_int_t)s.delivered, "failed",
	               (json_int_t)s.failed, "retried", (json_int_t)s.retried));
	reply_end(reply, NULL);
}

/* WHAT is "all", "domain D" or an id.  False: none of these. */
static bool filter_of(size_t argc, const char *const *argv, struct msv_queue_filter *filter)
{
	*filter = (struct msv_queue_filter){ .size = sizeof *filter };
	if (argc == 1 && strcmp(argv[0], "all") == 0)
		return true;
	if (argc == 2 && strcmp(argv[0], "domain") == 0)
		filter->domain = argv[1];
	else if (argc == 1)
		filter->id = argv[0];
	return filter->id || filter->domain;
}

static void change_some(
    struct server *server, size_t argc, const char *const *argv, struct reply *reply)
{
	static const struct {
		const char *word;
		enum msv_queue_change change;
	} words[] = { { "retry", MSV_QUEUE_RETRY }, { "hold", MSV_QUEUE_HOLD },
		{ "release", MSV_QUEUE_RELEASE }, { "remove", MSV_QUEUE_REMOVE } };
	struct msv_queue_filter filter;
	for (size_t i = 0; i < sizeof words / sizeof *words; i++)
		if (strcmp(argv[0], words[i].word) == 0 && filter_of(argc - 1, argv + 1, &filter)) {
			change(server, words[i].change, &filter, reply);
			return;
		}
	reply_end(reply, "say queue retry, hold, release or remove, and an ID, all, or domain D");
}

void server_queue(struct server *server, size_t argc, const char *const *argv, struct reply *reply)
{
	const char *word = argc > 1 ? argv[1] : "list";
	struct msv_queue_filter filter = { .size = sizeof filter };
	if (!server->queue)
		reply_end(reply, "this mailservd has no queue");
	else if (strcmp(word, "stats") == 0)
		stats(server, reply);
	else if (strcmp(word, "body") == 0 && argc == 3)
		body(server, argv[2], reply);
	else if (strcmp(word, "list") == 0 && (argc <= 2 || filter_of(argc - 2, argv + 2, &filter)))
		list(server, &filter, reply);
	else if (argc > 2)
		change_some(server, argc - 1, argv + 1, reply);
	else
		reply_end(reply, "say queue list, show, retry, hold, release, remove or stats");
}
