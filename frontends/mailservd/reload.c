/* New certificates and accounts, without a connection dropped. */
#include <stdio.h>
#include <stdlib.h>

#include "server.h"

/* Everybody who waits for the reload, and the log, hears it. */
void server_tell(struct server *server, enum msv_log_level level, const char *line)
{
	log_line(NULL, level, line);
	for (size_t i = 0; i < server->nwaiters; i++)
		reply_text(server->waiters[i], line);
}

static void on_tls_report(void *user, enum msv_log_level level, const char *line)
{
	server_tell(user, level, line);
}

int server_take_certs(struct server *server, const struct contents *packed)
{
	const struct config *config = server->config;
	struct msv_tls_options options;
	if (config->ncertificates == 0)
		return 0;
	struct msv_tls_pair *pairs = calloc(config->ncertificates, sizeof *pairs);
	if (!pairs)
		return MSV_ERR_NOMEM;
	config_tls_options(config, pairs, &options);
	options.report = on_tls_report;
	options.user = server;
	int error = unpack_certs(config, packed, pairs) ? MSV_ERR_FORMAT
	            : server->tls                       ? msv_tls_reload(server->tls, &options)
	                          : msv_tls_new(server->env, &options, &server->tls);
	free(pairs);
	return error;
}

static void take_certs(struct server *server, const struct contents *packed)
{
	if (server_take_certs(server, packed) != 0)
		server->reload_failed = true; /* the library's report has said why */
}

static void take_passwd(struct server *server, const struct contents *passwd)
{
	int error = msv_passwd_load(server->passwd, server->config->passwd, passwd->p, passwd->n);
	if (error == 0)
		return;
	server->reload_failed = true;
	server_tell(server, MSV_LOG_ERROR,
	    "the new passwd file cannot be used (see the log): the old accounts stay");
}

static void take_aliases(struct server *server, const struct contents *text)
{
	if (server_take_aliases(server, text) == 0)
		return;
	server->reload_failed = true;
	server_tell(server, MSV_LOG_ERROR,
	    "the new aliases cannot be used (see the log): the old ones stay");
}

static void finish_reload(struct server *server)
{
	char line[256];
	if (server->reload_failed)
		snprintf(line, sizeof line, "not reloaded: what could not be read stays as it was");
	else
		snprintf(line, sizeof line, "reloaded: %zu certificate%s, %zu account%s",
		    server->config->ncertificates, server->config->ncertificates == 1 ? "" : "s",
		    msv_passwd_count(server->passwd),
		    msv_passwd_count(server->passwd) == 1 ? "" : "s");
	if (server->reload_failed)
		log_line(NULL, MSV_LOG_ERROR, line);
	else
		server_tell(server, MSV_LOG_INFO, line);
	for (size_t i = 0; i < server->nwaiters; i++)
		reply_end(server->waiters[i], server->reload_failed ? line : NULL);
	server->nwaiters = 0;
	server->reload_failed = false;
}

void server_reload(struct server *server, size_t argc, const char *const *argv, struct reply *reply)
{
	(void)argc, (void)argv;
	if (server->nwaiters == WAITERS_MAX ||
	    message_send(server->parent, MESSAGE_RELOAD, "", 0) != 0)
		reply_end(reply, "reload: the parent process does not answer");
	else
		server->waiters[server->nwaiters++] = reply;
}

void server_take_message(
    struct server *server, enum message_type type, const struct contents *contents)
{
	switch (type) {
	case MESSAGE_PASSWD:
		take_passwd(server, contents);
		break;
	case MESSAGE_ALIASES:
		take_aliases(server, contents);
		break;
	case MESSAGE_CERTS:
		take_certs(server, contents);
		break;
	case MESSAGE_PROBLEM:
		server->reload_failed = true;
		server_tell(server, MSV_LOG_ERROR, contents->p);
		break;
	case MESSAGE_DONE:
		finish_reload(server);
		break;
	case MESSAGE_RELOAD:
		break; /* goes the other way */
	}
}
