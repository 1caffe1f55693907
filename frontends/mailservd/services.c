/* Listeners and the sessions behind them. */
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>

#include "server.h"

static void on_imap_login(void *user, struct msv_conn *conn, const struct msv_account *account)
{
	(void)conn, (void)account;
	((struct service *)user)->server->logins++;
}

static void on_imap_login_failed(void *user, struct msv_conn *conn, const char *name, int error)
{
	(void)conn, (void)name, (void)error;
	((struct service *)user)->server->login_failures++;
}

static const struct msv_imap_observer observer = {
	.size = sizeof observer,
	.login = on_imap_login,
	.login_failed = on_imap_login_failed,
};

static void configure_smtp(struct service *service)
{
	const struct server *server = service->server;
	const struct limits *limits = &server->config->limits;
	const struct listener *l = service->listener;
	static const enum msv_smtp_role roles[] = { [ROLE_MX] = MSV_SMTP_MX,
		[ROLE_SUBMISSION] = MSV_SMTP_SUBMISSION,
		[ROLE_LMTP] = MSV_SMTP_LMTP,
		[ROLE_LOCAL] = MSV_SMTP_SUBMISSION };
	service->smtp = (struct msv_smtp_config){ .size = sizeof service->smtp,
		.role = roles[l->role],
		.hostname = server->config->hostname,
		.handler = msv_mta_handler(server->mta),
		.user = server->mta,
		.tls = l->tls == LISTENER_CLEAR ? NULL : server->tls,
		.implicit_tls = l->tls == LISTENER_IMPLICIT,
		.auth = l->role == ROLE_LMTP || l->role == ROLE_LOCAL
		            ? NULL
		            : msv_throttle_auth(server->throttle),
		.auth_in_clear = l->login_in_clear,
		.message_octets_max = limits->message_size,
		.recipients_max = limits->recipients,
		.hops_max = limits->hops,
		.messages_max = limits->messages,
		.line_octets_max = limits->line_size,
		.greet_delay_ms = l->role == ROLE_MX ? limits->greet_delay * 1000 : 0,
		.errors_max = limits->errors,
		.idle_s = limits->idle,
		.total_s = limits->total,
		.normalize_lines = l->role == ROLE_LOCAL,
		.offer_dsn = true,
		.offer_requiretls = true,
		.future_release_max_s =
		    roles[l->role] == MSV_SMTP_SUBMISSION ? server->config->future_release : 0 };
}

/* A program of this machine: known by its user, and trusted with any sender, as
 * sendmail always was. */
static int local_session(
    const struct service *service, const struct msv_peer *peer, struct msv_conn **conn)
{
	struct msv_smtp_config smtp = service->smtp;
	const struct passwd *user = peer->has_uid ? getpwuid(peer->uid) : NULL;
	char number[16];
	snprintf(number, sizeof number, "uid-%u", (unsigned)peer->uid);
	struct msv_account account = {
		.size = sizeof account, .name = user ? user->pw_name : number, .any_sender = true
	};
	if (peer->has_uid)
		smtp.account = &account;
	return msv_smtp_server_new(service->server->env, &smtp, peer, conn);
}

static int session(
    const struct service *service, const struct msv_peer *peer, struct msv_conn **conn)
{
	struct msv_env *env = service->server->env;
	switch (service->listener->role) {
	case ROLE_IMAP:
		return msv_imap_server_new(env, &service->imap, peer, conn);
	case ROLE_LOCAL:
		return local_session(service, peer, conn);
	default:
		return msv_smtp_server_new(env, &service->smtp, peer, conn);
	}
}

static void configure_imap(struct service *service)
{
	const struct server *server = service->server;
	const struct limits *limits = &server->config->limits;
	const struct listener *l = service->listener;
	service->imap = (struct msv_imap_config){ .size = sizeof service->imap,
		.hostname = server->config->hostname,
		.store = msv_maildir_store(server->maildir),
		.auth = msv_throttle_auth(server->throttle),
		.observer = &observer,
		.user = service,
		.tls = l->tls == LISTENER_CLEAR ? NULL : server->tls,
		.implicit_tls = l->tls == LISTENER_IMPLICIT,
		.login_in_clear = l->login_in_clear,
		.literal_minus = server->config->literal_minus,
		.command_max = (uint32_t)limits->command_size,
		.append_max = limits->message_size,
		.errors_max = limits->errors,
		.login_s = limits->login };
}

static struct msv_conn *on_accept(void *user, const struct msv_peer *peer)
{
	struct service *service = user;
	struct msv_env *env = service->server->env;
	struct msv_conn *conn = NULL;
	int error = session(service, peer, &conn);
	if (error)
		msv_env_log(env, MSV_LOG_ERROR, "connection from %s: %s",
		    peer->address ? peer->address : "local", msv_strerror(error));
	else
		service->server->accepted++;
	return conn;
}

int services_start(struct server *server)
{
	const struct config *config = server->config;
	struct daemon *daemon = server->daemon;
	server->services = calloc(config->nlisteners, sizeof *server->services);
	server->listeners = calloc(daemon->nports, sizeof *server->listeners);
	if (!server->services || !server->listeners)
		return MSV_ERR_NOMEM;
	for (size_t i = 0; i < config->nlisteners; i++) {
		server->services[i].server = server;
		server->services[i].listener = &config->listeners[i];
		if (config->listeners[i].role == ROLE_IMAP)
			configure_imap(&server->services[i]);
		else
			configure_smtp(&server->services[i]);
	}
	for (size_t i = 0; i < daemon->nports; i++) {
		const struct listener *l = daemon->ports[i].listener;
		struct msv_uv_listen_options options = { .size = sizeof options,
			.have_fd = true,
			.fd = daemon->ports[i].fd,
			.accept = on_accept,
			.user = &server->services[l - config->listeners],
			.max_connections = config->limits.connections,
			.max_per_address = config->limits.connections_per_address,
			.proxies = (const char *const *)l->proxy_from,
			.nproxies = l->nproxy_from,

			.resolver =
			    config->reverse_dns && l->role == ROLE_MX ? server->resolver : NULL };
		int error = msv_uv_listen(server->uv, &options, &server->listeners[i]);
		if (error) {
			log_printf(MSV_LOG_ERROR, "%s: listen %s: %s", config->file, l->name,
			    msv_strerror(error));
			return error;
		}
	}
	return 0;
}
