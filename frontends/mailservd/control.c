/* The control socket: a line comes in, lines go out, the connection ends. */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "mailservd.h"

#define REQUEST_MAX 256
#define CLIENTS_MAX 16

struct client;

struct control {
	struct server *server;
	uv_pipe_t listener;
	unsigned nclients;
	struct client *clients;
	bool closing;
};

/* One who asks. */
struct client {
	uv_pipe_t pipe;
	struct control *control;
	struct client *next, **link;
	char request[REQUEST_MAX];
	size_t have;
	char *answer;
	size_t nanswer;
	bool answered; /* the answer is complete */
	bool gone;
	uv_write_t write;
};

static void maybe_free(struct control *control)
{
	if (control->closing && control->nclients == 0 && !control->listener.data)
		free(control);
}

static void on_client_closed(uv_handle_t *handle)
{
	struct client *client = handle->data;
	struct control *control = client->control;
	client->gone = true;
	/* Somebody may still bring the answer; then it is freed there. */
	if (!client->answered)
		return;
	free(client->answer);
	free(client);
	control->nclients--;
	maybe_free(control);
}

static void close_client(struct client *client)
{
	if (uv_is_closing((uv_handle_t *)&client->pipe))
		return;
	*client->link = client->next;
	if (client->next)
		client->next->link = client->link;
	uv_close((uv_handle_t *)&client->pipe, on_client_closed);
}

static void on_written(uv_write_t *write, int status)
{
	(void)status;
	close_client(write->data);
}

/* A line of the answer; NULL: that was all. */
static void on_answer(void *user, const char *line)
{
	struct client *client = user;
	if (line) {
		size_t n = strlen(line);
		char *grown = realloc(client->answer, client->nanswer + n + 1);
		if (grown) {
			memcpy(grown + client->nanswer, line, n);
			grown[client->nanswer + n] = '\n';
			client->answer = grown;
			client->nanswer += n + 1;
		}
		return;
	}
	client->answered = true;
	if (client->gone) {
		on_client_closed((uv_handle_t *)&client->pipe);
		return;
	}
	if (uv_is_closing((uv_handle_t *)&client->pipe))
		return;
	uv_buf_t buf = uv_buf_init(client->answer, (unsigned)client->nanswer);
	client->write.data = client;
	if (uv_write(&client->write, (uv_stream_t *)&client->pipe, &buf, 1, on_written) != 0)
		close_client(client);
}

static void request(struct client *client)
{
	static const struct {
		const char *word;
		void (*fn)(struct server *server, answer_fn answer, void *user);
	} requests[] = {
		{ "status", server_status },
		{ "who", server_who },
		{ "reload", server_reload },
	};
	for (size_t i = 0; i < sizeof requests / sizeof *requests; i++)
		if (strcmp(client->request, requests[i].word) == 0) {
			requests[i].fn(client->control->server, on_answer, client);
			return;
		}
	on_answer(client, "unknown request");
	on_answer(client, NULL);
}

static void on_alloc(uv_handle_t *handle, size_t suggested, uv_buf_t *buf)
{
	struct client *client = handle->data;
	(void)suggested;
	*buf = uv_buf_init(
	    client->request + client->have, (unsigned)(sizeof client->request - 1 - client->have));
}

static void on_read(uv_stream_t *stream, ssize_t n, const uv_buf_t *buf)
{
	struct client *client = stream->data;
	(void)buf;
	if (n < 0) {
		client->answered = true;
		close_client(client);
		return;
	}
	client->have += (size_t)n;
	client->request[client->have] = '\0';
	char *newline = strchr(client->request, '\n');
	if (!newline)
		return;
	*newline = '\0';
	uv_read_stop(stream);
	request(client);
}

static void on_connection(uv_stream_t *stream, int status)
{
	struct control *control = stream->data;
	struct client *client = status == 0 && !control->closing ? calloc(1, sizeof *client) : NULL;
	if (!client)
		return;
	client->control = control;
	client->next = control->clients;
	client->link = &control->clients;
	if (client->next)
		client->next->link = &client->next;
	control->clients = client;
	control->nclients++;
	uv_pipe_init(stream->loop, &client->pipe, 0);
	client->pipe.data = client;
	if (uv_accept(stream, (uv_stream_t *)&client->pipe) != 0 ||
	    control->nclients > CLIENTS_MAX ||
	    uv_read_start((uv_stream_t *)&client->pipe, on_alloc, on_read) != 0) {
		client->answered = true;
		close_client(client);
	}
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
	for (struct client *client = control->clients, *next; client; client = next) {
		next = client->next;
		client->answered = true;
		close_client(client);
	}
	uv_close((uv_handle_t *)&control->listener, on_listener_closed);
}
