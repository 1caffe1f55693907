/* What `mailservctl status` and `who` print. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "server.h"

struct census {
	unsigned imap, smtp, submission, lmtp, other;
	answer_fn answer;
	void *user;
	uint64_t now;
};

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

static void answer_line(answer_fn answer, void *user, const char *format, ...) MSV_PRINTF(3, 4);

static void answer_line(answer_fn answer, void *user, const char *format, ...)
{
	char line[1024];
	va_list args;
	va_start(args, format);
	vsnprintf(line, sizeof line, format, args);
	va_end(args);
	answer(user, line);
}

void server_status(struct server *server, answer_fn answer, void *user)
{
	struct census census = { 0 };
	uint64_t up = (uv_now(&server->loop) - server->started) / 1000;
	msv_uv_each(server->uv, count_one, &census);
	answer_line(answer, user, "version      %s", msv_version());
	answer_line(answer, user, "process      %ld", (long)getpid());
	answer_line(answer, user, "running      %" PRIu64 " s", up);
	answer_line(answer, user, "accounts     %zu", msv_passwd_count(server->passwd));
	answer_line(answer, user, "connections  %u imap, %u smtp, %u submission, %u lmtp",
	    census.imap, census.smtp, census.submission, census.lmtp);
	answer_line(answer, user, "accepted     %" PRIu64, server->accepted);
	answer_line(answer, user, "imap logins  %" PRIu64 ", %" PRIu64 " failed", server->logins,
	    server->login_failures);
	if (server->tls && msv_tls_expires(server->tls)) {
		int64_t now = (int64_t)(msv_env_realtime(server->env) / 1000000);
		answer_line(answer, user, "certificate  expires in %" PRId64 " days",
		    (msv_tls_expires(server->tls) - now) / 86400);
	}
	answer(user, NULL);
}

static int tell_one(void *user, struct msv_conn *conn)
{
	struct census *census = user;
	struct msv_conn_info info = { .size = sizeof info };
	msv_conn_info(conn, &info);
	answer_line(census->answer, census->user,
	    "%-11s %-12s %-24s %-20s %-10s %-8s %-12s %" PRIu64 "s", info.protocol, info.session_id,
	    *info.user ? info.user : "-", *info.peer_address ? info.peer_address : "local",
	    *info.state ? info.state : "-", *info.tls ? info.tls : "-",
	    *info.mailbox ? info.mailbox : "-", (census->now - info.started) / 1000);
	return 0;
}

void server_who(struct server *server, answer_fn answer, void *user)
{
	struct census census = { .answer = answer, .user = user, .now = msv_env_now(server->env) };
	answer_line(answer, user, "%-11s %-12s %-24s %-20s %-10s %-8s %-12s %s", "PROTOCOL",
	    "SESSION", "USER", "FROM", "STATE", "TLS", "MAILBOX", "SINCE");
	msv_uv_each(server->uv, tell_one, &census);
	answer(user, NULL);
}
