/* The control socket: a request comes in as a JSON array of words on a line, rows go
 * out as JSON objects, a line each, and the last says how it ended. */
#include <jansson.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "server.h"

#define REQUEST_MAX 4096
#define WORDS_MAX   16
/* Who comes beyond these is told so; beyond twice as many, not even that. */
#define CLIENTS_MAX 16
/* Beyond this the command that fills it pauses. */
#define ROOM        ((size_t)64 << 10)

struct control {
	struct server *server;
	uv_pipe_t listener;
	unsigned nclients;
	struct reply *clients;
	bool closing;
};

/* One who asks, and the answer on its way. */
struct reply {
	uv_pipe_t pipe;
	struct control *control;
	struct reply *next, **link;
	char request[REQUEST_MAX];
	size_t have;
	char *text;    /* rows that wait */
	char *writing; /* what the system has */
	size_t ntext, cap;
	bool asked, ended; /* a command has it; has given it back */
	bool closed;
	void (*on_change)(void *user);
	void *user;
	uv_write_t write;
};

static void maybe_free(struct control *control)
{
	if (control->closing && control->nclients == 0 && !control->listener.data)
		free(control);
}

/* Once the socket is closed and the command has ended. */
static void reply_free(struct reply *reply)
{
	struct control *control = reply->control;
	if (!reply->closed || (reply->asked && !reply->ended))
		return;
	free(reply->text);
	free(reply->writing);
	free(reply);
	control->nclients--;
	maybe_free(control);
}

static void on_reply_closed(uv_handle_t *handle)
{
	struct reply *reply = handle->data;
	reply->closed = true;
	reply_free(reply);
}

static void close_reply(struct reply *reply)
{
	if (uv_is_closing((uv_handle_t *)&reply->pipe))
		return;
	*reply->link = reply->next;
	if (reply->next)
		reply->next->link = reply->link;
	uv_close((uv_handle_t *)&reply->pipe, on_reply_closed);
	if (reply->on_change && !reply->ended)
		reply->on_change(reply->user);
}

/* -- Rows ----------------------------------------------------------------------------- */

static void flush(struct reply *reply);

static void on_written(uv_write_t *write, int status)
{
	struct reply *reply = write->data;
	free(reply->writing);
	reply->writing = NULL;
	if (status != 0) {
		close_reply(reply);
		return;
	}
	flush(reply);
	if (reply->on_change && !reply->ended && !reply_full(reply))
		reply->on_change(reply->user);
}

static void flush(struct reply *reply)
{
	if (reply->writing || uv_is_closing((uv_handle_t *)&reply->pipe))
		return;
	if (reply->ntext == 0) {
		if (reply->ended)
			close_reply(reply);
		return;
	}
	uv_buf_t buf = uv_buf_init(reply->text, (unsigned)reply->ntext);
	reply->writing = reply->text;
	reply->text = NULL;
	reply->ntext = reply->cap = 0;
	reply->write.data = reply;
	if (uv_write(&reply->write, (uv_stream_t *)&reply->pipe, &buf, 1, on_written) != 0)
		close_reply(reply);
}

static int append(const char *p, size_t n, void *user)
{
	struct reply *reply = user;
	if (reply->ntext + n > reply->cap) {
		size_t cap = 2 * (reply->ntext + n);
		char *text = realloc(reply->text, cap);
		if (!text)
			return -1;
		reply->text = text;
		reply->cap = cap;
	}
	memcpy(reply->text + reply->ntext, p, n);
	reply->ntext += n;
	return 0;
}

void reply_row(struct reply *reply, json_t *row)
{
	size_t before = reply->ntext;
	/* A row that finds no memory is left out whole. */
	if (row && !reply_gone(reply) &&
	    (json_dump_callback(row, append, reply, JSON_COMPACT) != 0 ||
	        append("\n", 1, reply) != 0))
		reply->ntext = before;
	json_decref(row);
	flush(reply);
}

void reply_text(struct reply *reply, const char *line)
{
	reply_row(reply, json_pack("{s:s}", "text", line));
}

bool reply_full(const struct reply *reply)
{
	return reply->ntext >= ROOM;
}

bool reply_gone(const struct reply *reply)
{
	return uv_is_closing((const uv_handle_t *)&reply->pipe);
}

void reply_on_change(struct reply *reply, void (*fn)(void *user), void *user)
{
	reply->on_change = fn;
	reply->user = user;
}

void reply_end(struct reply *reply, const char *error)
{
	reply_row(
	    reply, error ? json_pack("{s:s}", "error", error) : json_pack("{s:b}", "done", 1));
	reply->ended = true;
	if (reply->closed)
		reply_free(reply);
	else
		flush(reply);
}

/* -- Requests --------------------------------------------------------------------------- */

static void dispatch(struct reply *reply, size_t argc, const char *const *argv)
{
	static const struct {
		const char *word;
		void (*fn)(struct server *server, size_t argc, const char *const *argv,
		    struct reply *reply);
	} requests[] = {
		{ "status", server_status },
		{ "who", server_who },
		{ "reload", server_reload },
		{ "queue", server_queue },
		{ "explain", server_explain },
		{ "trace", server_trace },
		{ "pause", server_pause },
		{ "resume", server_pause },
	};
	for (size_t i = 0; i < sizeof requests / sizeof *requests; i++)
		if (argc > 0 && strcmp(argv[0], requests[i].word) == 0) {
			requests[i].fn(reply->control->server, argc, argv, reply);
			return;
		}
	reply_end(reply, "unknown request");
}

static void request(struct reply *reply)
{
	const char *argv[WORDS_MAX + 1] = { NULL };
	size_t argc = 0;
	json_t *words = json_loads(reply->request, 0, NULL);
	bool good = json_is_array(words) && json_array_size(words) <= WORDS_MAX;
	for (; good && argc < json_array_size(words); argc++) {
		argv[argc] = json_string_value(json_array_get(words, argc));
		good = argv[argc] != NULL;
	}
	reply->asked = true;
	if (reply->control->nclients > CLIENTS_MAX)
		reply_end(reply, "too many ask at once; try again when some have ended");
	else if (good)
		dispatch(reply, argc, argv);
	else
		reply_end(reply, "a request is a JSON array of words");
	json_decref(words);
}

static void on_alloc(uv_handle_t *handle, size_t suggested, uv_buf_t *buf)
{
	struct reply *reply = handle->data;
	(void)suggested;
	/* What comes behind the request is of no use. */
	if (reply->asked)
		reply->have = 0;
	*buf = uv_buf_init(
	    reply->request + reply->have, (unsigned)(sizeof reply->request - 1 - reply->have));
}

static void on_read(uv_stream_t *stream, ssize_t n, const uv_buf_t *buf)
{
	struct reply *reply = stream->data;
	(void)buf;
	if (n < 0) {
		close_reply(reply);
		return;
	}
	if (reply->asked)
		return;
	reply->have += (size_t)n;
	reply->request[reply->have] = '\0';
	char *newline = memchr(reply->request, '\n', reply->have);
	if (!newline)
		return;
	*newline = '\0';
	request(reply);
}

static void on_connection(uv_stream_t *stream, int status)
{
	struct control *control = stream->data;
	struct reply *reply = status == 0 && !control->closing ? calloc(1, sizeof *reply) : NULL;
	if (!reply)
		return;
	reply->control = control;
	reply->next = control->clients;
	reply->link = &control->clients;
	if (reply->next)
		reply->next->link = &reply->next;
	control->clients = reply;
	control->nclients++;
	uv_pipe_init(stream->loop, &reply->pipe, 0);
	reply->pipe.data = reply;
	if (uv_accept(stream, (uv_stream_t *)&reply->pipe) != 0 ||
	    control->nclients > 2 * CLIENTS_MAX ||
	    uv_read_start((uv_stream_t *)&reply->pipe, on_alloc, on_read) != 0)
		close_reply(reply);
}

struct control *control_new(struct server *server, uv_loop_t *loop, int fd)
{
	struct control *control = calloc(1, sizeof *control);
	if (!control)
		return NULL;
	control->server = server;
	uv_pipe_init(loop, &control->listener, 0);
	control->listener.data = control;
	if (uv_pipe_open(&control->listener, fd) != 0 ||
	    uv_listen((uv_stream_t *)&control->listener, CLIENTS_MAX, on_connection) != 0) {
		control_free(control);
		return NULL;
	}
	return control;
}

static void on_listener_closed(uv_handle_t *handle)
{
	struct control *control = handle->data;
	handle->data = NULL;
	maybe_free(control);
}

void control_free(struct control *control)
{
	if (!control || control->closing)
		return;
	control->closing = true;
	for (struct reply *reply = control->clients, *next; reply; reply = next) {
		next = reply->next;
		close_reply(reply);
	}
	uv_close((uv_handle_t *)&control->listener, on_listener_closed);
}
