/* What `mailservctl status` and `who` print. */
#include <string.h>
#include <unistd.h>

#include "server.h"

struct census {
	int imap, smtp, submission, lmtp, other;
	struct reply *reply;
	uint64_t now;
};

/* What the queue holds. */
static void status_queue(const struct server *server, json_t *row)
{
	struct msv_queue_stats stats = { .size = sizeof stats };
	if (!server->queue)
		return;
	msv_queue_stats(server->queue, &stats);
	json_object_set_new(row, "queued",
	    json_pack("{s:I, s:I, s:I}", "messages", (json_int_t)stats.messages, "recipients",
	        (json_int_t)stats.recipients, "held", (json_int_t)stats.held));
	json_object_set_new(
	    row, "paused_in", json_boolean(msv_mta_paused(server->mta, MSV_MTA_IN)));
	json_object_set_new(
	    row, "paused_out", json_boolean(msv_mta_paused(server->mta, MSV_MTA_OUT)));
}

static int count_one(void *user, struct msv_conn *conn)
{
	struct census *census = user;
	struct msv_conn_info info = { .size = sizeof info };
	msv_conn_info(conn, &info);
	if (strcmp(info.protocol, "imap") == 0)
		census->imap++;
	else if (strcmp(info.protocol, "submission") == 0)
		census->submission++;
	else if (strcmp(info.protocol, "lmtp") == 0)
		census->lmtp++;
	else
		census->smtp++;
	return 0;
}

void server_status(struct server *server, size_t argc, const char *const *argv, struct reply *reply)
{
	struct census census = { 0 };
	uint64_t up = (uv_now(&server->loop) - server->started) / 1000;
	(void)argc, (void)argv;
	msv_uv_each(server->uv, count_one, &census);
	json_t *row = json_pack("{s:s, s:I, s:I, s:I, s:{s:i, s:i, s:i, s:i}, s:I, s:I, s:I}",
	    "version", msv_version(), "process", (json_int_t)getpid(), "running", (json_int_t)up,
	    "accounts", (json_int_t)msv_passwd_count(server->passwd), "connections", "imap",
	    census.imap, "smtp", census.smtp, "submission", census.submission, "lmtp", census.lmtp,
	    "accepted", (json_int_t)server->accepted, "logins", (json_int_t)server->logins,
	    "failed_logins", (json_int_t)server->login_failures);
	if (server->tls && msv_tls_expires(server->tls)) {
		int64_t now = (int64_t)(msv_env_realtime(server->env) / 1000000);
		json_object_set_new(row, "certificate_days",
		    json_integer((msv_tls_expires(server->tls) - now) / 86400));
	}
	status_queue(server, row);
	reply_row(reply, row);
	reply_end(reply, NULL);
}

static int tell_one(void *user, struct msv_conn *conn)
{
	const struct census *census = user;
	struct msv_conn_info info = { .size = sizeof info };
	msv_conn_info(conn, &info);
	reply_row(census->reply, json_pack("{s:s, s:s, s:s, s:s, s:s, s:s, s:s, s:I}", "protocol",
	                             info.protocol, "session", info.session_id, "user", info.user,
	                             "from", *info.peer_address ? info.peer_address : "local",
	                             "state", info.state, "tls", info.tls, "mailbox", info.mailbox,
	                             "seconds", (json_int_t)((census->now - info.started) / 1000)));
	return 0;
}

void server_who(struct server *server, size_t argc, const char *const *argv, struct reply *reply)
{
	struct census census = { .reply = reply, .now = msv_env_now(server->env) };
	(void)argc, (void)argv;
	msv_uv_each(server->uv, tell_one, &census);
	reply_end(reply, NULL);
}
