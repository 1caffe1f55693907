/* mailservctl explain, trace, pause and resume: what the mta does and would do. */
#include <stdlib.h>
#include <string.h>

#include "server.h"

/* -- explain ----------------------------------------------------------------------------- */

struct explanation {
	struct reply *reply;
	struct msv_op *op;
};

static int on_step(void *user, const void *data)
{
	const struct explanation *e = user;
	const struct msv_mta_step *step = data;
	reply_row(e->reply, json_pack("{s:i, s:s, s:s}", "depth", (int)step->depth, "what",
	                        step->what, "text", step->text));
	return 0;
}

static void on_explained(void *user, int error, const void *result)
{
	struct explanation *e = user;
	(void)result;
	reply_on_change(e->reply, NULL, NULL);
	reply_end(e->reply, error ? msv_strerror(error) : NULL);
	free(e);
}

static void on_explain_change(void *user)
{
	struct explanation *e = user;
	if (!reply_gone(e->reply))
		return;
	msv_op_cancel(e->op);
	reply_end(e->reply, NULL);
	free(e);
}

/* explain FROM TO PEER ACCOUNT, the last two may be "". */
void server_explain(
    struct server *server, size_t argc, const char *const *argv, struct reply *reply)
{
	if (argc != 5) {
		reply_end(reply, "say explain FROM TO PEER ACCOUNT");
		return;
	}
	struct explanation *e = calloc(1, sizeof *e);
	if (e)
		e->op = msv_op_new(server->env, on_explained, e);
	if (!e || !e->op) {
		free(e);
		reply_end(reply, "out of memory");
		return;
	}
	struct msv_mta_question question = { .size = sizeof question,
		.from = argv[1],
		.to = argv[2],
		.peer = *argv[3] ? argv[3] : NULL,
		.account = *argv[4] ? argv[4] : NULL };
	e->reply = reply;
	msv_op_set_row(e->op, on_step);
	reply_on_change(reply, on_explain_change, e);
	msv_mta_explain(server->mta, &question, (struct msv_mta_explain_op){ e->op });
}

/* -- trace --------------------------------------------------------------------------------- */

static void on_line(void *user, const char *line)
{
	struct server *server = user;
	/* A reader that falls behind misses lines; mail does not wait for it. */
	for (size_t i = 0; i < server->ntracers; i++)
		if (!reply_full(server->tracers[i]))
			reply_text(server->tracers[i], line);
}

static void on_trace_change(void *user)
{
	struct server *server = user;
	for (size_t i = 0; i < server->ntracers; i++)
		if (reply_gone(server->tracers[i])) {
			struct reply *reply = server->tracers[i];
			server->tracers[i--] = server->tracers[--server->ntracers];
			reply_end(reply, NULL);
		}
	if (server->ntracers == 0 && server->mta)
		msv_mta_set_trace(server->mta, NULL, NULL);
}

void server_trace(struct server *server, size_t argc, const char *const *argv, struct reply *reply)
{
	(void)argc, (void)argv;
	if (server->ntracers == TRACERS_MAX) {
		reply_end(reply, "too many watch already");
		return;
	}
	server->tracers[server->ntracers++] = reply;
	reply_on_change(reply, on_trace_change, server);
	msv_mta_set_trace(server->mta, on_line, server);
	reply_text(reply, "watching connections to other hosts");
}

/* -- pause and resume --------------------------------------------------------------------------- */

void server_pause(struct server *server, size_t argc, const char *const *argv, struct reply *reply)
{
	bool pause = strcmp(argv[0], "pause") == 0;
	bool in = argc == 2 && strcmp(argv[1], "in") == 0;
	if (!in && (argc != 2 || strcmp(argv[1], "out") != 0)) {
		reply_end(reply, "say in or out");
		return;
	}
	msv_mta_pause(server->mta, in ? MSV_MTA_IN : MSV_MTA_OUT, pause);
	log_printf(MSV_LOG_INFO, "%s mail is %s", in ? "incoming" : "outgoing",
	    pause ? "paused" : "resumed");
	reply_text(reply, pause ? in ? "paused: new mail gets 421 until resume in"
	                             : "paused: nothing is sent until resume out"
	                        : "resumed");
	reply_end(reply, NULL);
}
