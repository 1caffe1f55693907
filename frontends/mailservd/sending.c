/* The part of the server that sends: queue, DNS, routes with their secrets, aliases. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "server.h"

/* Beneath the mail directory, where the server stands. */
#define QUEUE_DIRECTORY ".mailserv-queue"
#define SRS_FILE        ".mailserv-srs"
#define INCLUDE_MAX     ((size_t)16 << 20)
#define SRS_SECRET_SIZE (2 * SECRET_SIZE + 1)

int sending_prepare(const struct config *config, uid_t uid, gid_t gid)
{
	const char *path = config->queue.directory;
	if (!path)
		return 0; /* made by the mail user */
	char *above = strdup(path);
	char *slash = above ? strrchr(above, '/') : NULL;
	if (slash && slash > above) {
		*slash = '\0';
		mkdir(above, 0755); /* if it may and must */
	}
	free(above);
	if (mkdir(path, 0700) == 0) {
		if (geteuid() != 0 || chown(path, uid, gid) == 0)
			return 0;
	} else if (errno == EEXIST) {
		return 0;
	}
	log_printf(MSV_LOG_ERROR,
	    "%s: the queue's directory: %s; make it and give it to the mail user", path,
	    strerror(errno));
	return -1;
}

/* -- Routes -------------------------------------------------------------------------------- */

static int fill_tls(
    struct server *server, const struct route *r, size_t i, struct msv_mta_route *route)
{
	static const enum msv_smtp_tls_mode modes[] = {
		[ROUTE_TLS_DEFAULT] = MSV_SMTP_TLS_OPPORTUNISTIC,
		[ROUTE_TLS_OPPORTUNISTIC] = MSV_SMTP_TLS_OPPORTUNISTIC,
		[ROUTE_TLS_REQUIRED] = MSV_SMTP_TLS_REQUIRED,
		[ROUTE_TLS_VERIFIED] = MSV_SMTP_TLS_VERIFIED,
		[ROUTE_TLS_NONE] = MSV_SMTP_TLS_OFF,
	};
	route->tls = modes[r->tls];
	if (r->tls == ROUTE_TLS_DEFAULT && r->login)
		route->tls = MSV_SMTP_TLS_VERIFIED; /* a password is not shown to strangers */
	route->implicit_tls = r->implicit_tls;
	route->tls_name = r->tls_name;
	if (!r->ca_file)
		return 0;
	struct msv_tls_client_config config = { .size = sizeof config, .ca_file = r->ca_file };
	int error = msv_tls_client_new(server->env, &config, &server->route_tls[i]);
	if (error)
		log_printf(MSV_LOG_ERROR,
		    "%s:%d: route %s: ca %s cannot be used: %s; name a PEM file the mail user may "
		    "read",
		    server->config->file, r->line, r->domain, r->ca_file, msv_strerror(error));
	route->client_tls = server->route_tls[i];
	return error;
}

static int fill_login(
    const struct server *server, const struct route *r, struct msv_mta_route *route)
{
	const struct contents *text = &server->daemon->secrets.logins;
	struct login login;
	if (!r->login)
		return 0;
	if (!text->p || config_find_login(text->p, text->n, r->login, &login) != 0) {
		log_printf(MSV_LOG_ERROR,
		    "%s:%d: route %s: no line '%s user:password' in %s; write it",
		    server->config->file, r->line, r->domain, r->login, server->config->secrets);
		return MSV_ERR_NOTFOUND;
	}
	route->user = login.user;
	route->password = login.password;
	return 0;
}

static int fill_route(struct server *server, size_t i, struct msv_mta_route *route)
{
	const struct route *r = &server->config->routes[i];
	*route = (struct msv_mta_route){ .size = sizeof *route,
		.domain = r->domain,
		.kind = r->is_lmtp ? MSV_ROUTE_LMTP
		        : r->host  ? MSV_ROUTE_SMARTHOST
		                   : MSV_ROUTE_DIRECT,
		.host = r->host,
		.port = r->port,
		.path = r->path,
		.source = r->source,
		.helo = r->helo,
		.accept = r->accept };
	int error = fill_tls(server, r, i, route);
	return error ? error : fill_login(server, r, route);
}

static void routes_free(struct msv_mta_route *routes, size_t n)
{
	for (size_t i = 0; routes && i < n; i++) {
		struct login login = { (char *)(uintptr_t)routes[i].user,
			(char *)(uintptr_t)routes[i].password };
		config_free_login(&login);
	}
	free(routes);
}

/* -- Addresses of this machine ----------------------------------------------------------------- */

struct addresses {
	char text[64][64];
	const char *list[64];
	size_t n;
};

static void own_addresses(struct addresses *own)
{
	uv_interface_address_t *all;
	int n;
	own->n = 0;
	if (uv_interface_addresses(&all, &n) != 0)
		return;
	for (int i = 0; i < n && own->n < 64; i++) {
		char *text = own->text[own->n];
		int error = all[i].address.address4.sin_family == AF_INET
		                ? uv_ip4_name(&all[i].address.address4, text, sizeof *own->text)
		                : uv_ip6_name(&all[i].address.address6, text, sizeof *own->text);
		if (!error) {
			own->list[own->n] = text;
			own->n++;
		}
	}
	uv_free_interface_addresses(all, n);
}

/* -- Aliases ---------------------------------------------------------------------------------------- */

/* An :include: file, with the rights of the mail user. */
static int read_include(void *user, const char *path, const char **p, size_t *n)
{
	struct stat st;
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	char *text = NULL;
	(void)user;
	if (fd < 0)
		return errno == EACCES   ? MSV_ERR_DENIED
		       : errno == ENOENT ? MSV_ERR_NOTFOUND
		                         : MSV_ERR_IO;
	if (fstat(fd, &st) != 0 || !S_ISREG(st.st_mode) || (size_t)st.st_size > INCLUDE_MAX ||
	    !(text = malloc((size_t)st.st_size + 1))) {
		close(fd);
		return MSV_ERR_FORMAT;
	}
	ssize_t got = read(fd, text, (size_t)st.st_size);
	close(fd);
	*p = text;
	*n = got > 0 ? (size_t)got : 0;
	return 0;
}

static void include_done(void *user, const char *p, size_t n)
{
	(void)user, (void)n;
	free((void *)(uintptr_t)p);
}

static void on_alias_problem(void *user, const char *line)
{
	server_tell(user, MSV_LOG_WARN, line);
}

int server_take_aliases(struct server *server, const struct contents *text)
{
	struct msv_mta_aliases aliases = { .size = sizeof aliases,
		.file = server->config->aliases,
		.text = text->p,
		.n = text->n,
		.read = read_include,
		.done = include_done,
		.problem = on_alias_problem,
		.user = server };
	return server->config->aliases ? msv_mta_set_aliases(server->mta, &aliases) : 0;
}

/* -- Starting and ending ------------------------------------------------------------------------------- */

static int open_queue(struct server *server)
{
	const char *directory = server->config->queue.directory;
	struct msv_queue_options options = { .size = sizeof options,
		.directory = directory ? directory : QUEUE_DIRECTORY };
	int error = msv_queue_open(server->env, &options, &server->queue);
	if (error)
		log_printf(MSV_LOG_ERROR, "%s: the queue cannot be opened: %s; %s",
		    options.directory, msv_strerror(error),
		    error == MSV_ERR_BUSY ? "another mailservd uses it"
		                          : "see the lines before, and give it to the mail user");
	return error;
}

static int start_network(struct server *server)
{
	struct msv_uv_resolver_options dns = { .size = sizeof dns, .forward = server->config->dns };
	int error = msv_uv_resolver_new(server->uv, &dns, &server->resolver);
	if (!error)
		error = msv_tls_client_new(server->env, NULL, &server->client_tls);
	if (error)
		log_printf(MSV_LOG_ERROR, "sending cannot begin: %s", msv_strerror(error));
	if (!error && server->runner_fd >= 0 &&
	    !(server->runner = runner_new(server, server->runner_fd)))
		error = MSV_ERR_NOMEM;
	return error;
}

static void hex(const uint8_t secret[SECRET_SIZE], char out[SRS_SECRET_SIZE])
{
	for (size_t i = 0; i < SECRET_SIZE; i++)
		snprintf(out + 2 * i, 3, "%02x", secret[i]);
}

/* What needs memory of its own while the mta is made. */
struct tables {
	struct msv_mta_route *routes;
	struct addresses own;
	char srs[SRS_SECRET_SIZE];
	const char *srs_list[1];
};

static int fill_options(
    struct server *server, struct msv_mta_options *options, struct tables *tables)
{
	const struct config *config = server->config;
	const struct queue *q = &config->queue;
	uint8_t secret[SECRET_SIZE];
	own_addresses(&tables->own);
	if (config->srs && server_secret(server->env, SRS_FILE, secret) == 0) {
		hex(secret, tables->srs);
		tables->srs_list[0] = tables->srs;
		options->srs_secrets = tables->srs_list;
		options->nsrs_secrets = 1;
		options->srs_domain = config->srs_domain;
	}
	options->queue = server->queue;
	options->transport = msv_uv_transport(server->uv);
	options->dns = msv_uv_resolver_dns(server->resolver);
	options->client_tls = server->client_tls;
	options->routes = tables->routes;
	options->nroutes = config->nroutes;
	options->own_addresses = tables->own.list;
	options->nown_addresses = tables->own.n;
	options->lifetime_s = q->lifetime;
	options->warn_s = q->warn;
	options->retry_first_s = q->retry_first;
	options->retry_longest_s = q->retry_longest;
	options->host_connections = q->host_connections;
	options->destination_connections = q->destination_connections;
	options->connections = q->connections;
	options->connection_messages = q->connection_messages;
	options->transaction_recipients = q->transaction_recipients;
	options->programs = runner_interface(server->runner);
	options->masquerade = (const struct msv_mta_pair *)(const void *)config->masquerade;
	options->nmasquerade = config->nmasquerade;
	options->senders = (const struct msv_mta_pair *)(const void *)config->senders;
	options->nsenders = config->nsenders;
	options->any_sender = config->any_sender;
	int error = 0;
	for (size_t i = 0; i < config->nroutes && !error; i++)
		error = fill_route(server, i, &tables->routes[i]);
	return error;
}

int sending_start(struct server *server, struct msv_mta_options *options)
{
	const struct config *config = server->config;
	struct tables tables = { .routes = calloc(config->nroutes + 1, sizeof *tables.routes) };
	server->route_tls = calloc(config->nroutes + 1, sizeof(struct msv_tls_client *));
	int error = tables.routes && server->route_tls ? open_queue(server) : MSV_ERR_NOMEM;
	if (!error)
		error = start_network(server);
	if (!error)
		error = fill_options(server, options, &tables);
	if (!error && (error = msv_mta_new(server->env, options, &server->mta)) != 0)
		log_printf(MSV_LOG_ERROR, "%s: mail transfer cannot begin: %s", config->file,
		    msv_strerror(error));
	if (tables.routes)
		routes_free(tables.routes, config->nroutes);
	explicit_bzero(tables.srs, sizeof tables.srs);
	if (!error)
		error = server_take_aliases(server, &server->daemon->secrets.aliases);
	return error;
}

void sending_finish(struct server *server)
{
	msv_queue_free(server->queue);
	runner_free(server->runner);
	for (size_t i = 0; server->route_tls && i < server->config->nroutes; i++)
		msv_tls_client_free(server->route_tls[i]);
	free(server->route_tls);
	msv_tls_client_free(server->client_tls);
	msv_uv_resolver_free(server->resolver);
}
