/* What mailserv.conf says of sending: routes, the queue, senders, local programs. */
#include <arpa/inet.h>
#include <stdlib.h>
#include <string.h>

#include "values.h"

static const struct word tls_words[] = { { "opportunistic", ROUTE_TLS_OPPORTUNISTIC },
	{ "required", ROUTE_TLS_REQUIRED }, { "verified", ROUTE_TLS_VERIFIED },
	{ "none", ROUTE_TLS_NONE }, { NULL, 0 } };

static int parse_route_tls(cfg_t *cfg, cfg_opt_t *opt, const char *value, void *result)
{
	return parse_word(cfg, opt, value, result, tls_words);
}

cfg_opt_t config_route_options[] = {
	CFG_STR("host", NULL, CFGF_NODEFAULT),
	CFG_STR("lmtp", NULL, CFGF_NODEFAULT),
	CFG_INT("port", 0, CFGF_NODEFAULT),
	CFG_INT_CB("tls", ROUTE_TLS_DEFAULT, CFGF_NONE, parse_route_tls),
	CFG_BOOL("implicit_tls", cfg_false, CFGF_NONE),
	CFG_STR("tls_name", NULL, CFGF_NODEFAULT),
	CFG_STR("ca", NULL, CFGF_NODEFAULT),
	CFG_STR("login", NULL, CFGF_NODEFAULT),
	CFG_STR("source", NULL, CFGF_NODEFAULT),
	CFG_STR("helo", NULL, CFGF_NODEFAULT),
	CFG_BOOL("accept", cfg_false, CFGF_NONE),
	CFG_END(),
};

cfg_opt_t config_queue_options[] = {
	CFG_STR("directory", NULL, CFGF_NODEFAULT),
	CFG_INT_CB("lifetime", 4 * 86400, CFGF_NONE, parse_seconds),
	CFG_INT_CB("warn", 4 * 3600, CFGF_NONE, parse_seconds),
	CFG_INT_CB("retry_first", 300, CFGF_NONE, parse_seconds),
	CFG_INT_CB("retry_longest", 4 * 3600, CFGF_NONE, parse_seconds),
	CFG_INT_CB("connections", 100, CFGF_NONE, parse_count),
	CFG_INT_CB("host_connections", 10, CFGF_NONE, parse_count),
	CFG_INT_CB("destination_connections", 20, CFGF_NONE, parse_count),
	CFG_INT_CB("connection_messages", 100, CFGF_NONE, parse_count),
	CFG_INT_CB("transaction_recipients", 100, CFGF_NONE, parse_count),
	CFG_END(),
};

cfg_opt_t config_sender_options[] = {
	CFG_STR_LIST("as", "{}", CFGF_NONE),
	CFG_END(),
};

static bool is_address(const char *text)
{
	unsigned char octets[16];
	return inet_pton(AF_INET, text, octets) == 1 || inet_pton(AF_INET6, text, octets) == 1;
}

int check_masquerade(cfg_t *cfg, cfg_opt_t *opt)
{
	const char *value = cfg_opt_getnstr(opt, cfg_opt_size(opt) - 1);
	const char *space = value ? strchr(value, ' ') : NULL;
	const char *at = space ? strchr(space, '@') : NULL;
	if (at && strchr(value, '@') < space && at[1] && (value[0] == '@') == (space[1] == '@'))
		return 0;
	cfg_error(cfg,
	    "'%s' is not a value for masquerade: write \"@host.example.org @example.org\" or two "
	    "addresses",
	    value ? value : "");
	return -1;
}

int check_dns(cfg_t *cfg, cfg_opt_t *opt)
{
	char address[64];
	const char *value = cfg_opt_getnstr(opt, 0);
	size_t n = value ? strcspn(value, "@") : 0;
	const char *port = value && value[n] ? value + n + 1 : "53";
	if (n > 0 && n < sizeof address && strspn(port, "0123456789") == strlen(port) &&
	    atoi(port) > 0 && atoi(port) < 65536) {
		memcpy(address, value, n);
		address[n] = '\0';
		if (is_address(address))
			return 0;
	}
	cfg_error(cfg,
	    "'%s' is not a value for dns: write an address like \"192.0.2.53\" or "
	    "\"127.0.0.1@5353\"",
	    value ? value : "");
	return -1;
}

/* "host", "host:port", "[2001:db8::1]:port" or a path. */
static void take_lmtp(struct config *config, struct route *route, cfg_t *section)
{
	const char *value = cfg_getstr(section, "lmtp");
	if (strchr(value, '/')) {
		route->path = config_path(config, value);
		return;
	}
	const char *colon = strrchr(value, ':');
	if (colon && (value[0] == '[' ? colon[-1] == ']' : strchr(value, ':') == colon)) {
		route->port = (uint16_t)atoi(colon + 1);
		if (route->port == 0)
			config_missing(
			    section, "lmtp '%s': write it like \"host:24\" or \"/path\"", value);
		route->host = config_need(strndup(value, (size_t)(colon - value)));
	} else {
		route->host = config_copy(value);
	}
}

static void take_route(struct config *config, struct route *route, cfg_t *section)
{
	const char *host = cfg_getstr(section, "host"), *ca = cfg_getstr(section, "ca");
	route->domain = config_copy(cfg_title(section));
	route->line = section->line;
	if (cfg_size(section, "port"))
		route->port = (uint16_t)cfg_getint(section, "port");
	route->tls = (enum route_tls)cfg_getint(section, "tls");
	route->implicit_tls = cfg_getbool(section, "implicit_tls");
	route->accept = cfg_getbool(section, "accept");
	route->tls_name = config_copy(cfg_getstr(section, "tls_name"));
	route->ca_file = config_path(config, ca);
	route->login = config_copy(cfg_getstr(section, "login"));
	route->source = config_copy(cfg_getstr(section, "source"));
	route->helo = config_copy(cfg_getstr(section, "helo"));
	if (host && cfg_getstr(section, "lmtp"))
		config_missing(section, "route %s: say host or lmtp, not both", route->domain);
	else if (host)
		route->host = config_copy(host);
	else if (cfg_getstr(section, "lmtp"))
		take_lmtp(config, route, section);
	route->is_lmtp = cfg_getstr(section, "lmtp") != NULL;
	if (!host && !route->is_lmtp && (route->login || route->implicit_tls))
		config_missing(section, "route %s: login and implicit_tls need host = a smarthost",
		    route->domain);
	if (route->source && !is_address(route->source))
		config_missing(section,
		    "route %s: source = \"%s\" is no IP address: write one of this machine",
		    route->domain, route->source);
	if (route->login && !config->secrets)
		config_missing(section,
		    "route %s: login = \"%s\" is looked up in a file: say secrets = \"secrets\" "
		    "and "
		    "write there: %s user:password",
		    route->domain, route->login, route->login);
	if (route->login && route->tls == ROUTE_TLS_NONE)
		config_missing(section,
		    "route %s: a password never goes out in the clear: take tls = none or login "
		    "away",
		    route->domain);
}

/* "*", "@domain" or an address. */
static char *take_sender(cfg_t *section, const char *value)
{
	const char *at = strrchr(value, '@');
	if (strcmp(value, "*") != 0 && (!at || !at[1]))
		config_missing(section,
		    "sender %s: '%s' is no sender: write \"user@example.org\", \"@example.org\" "
		    "or \"*\"",
		    cfg_title(section), value);
	return config_copy(value);
}

static void take_pairs(struct config *config, cfg_t *cfg)
{
	config->nmasquerade = cfg_size(cfg, "masquerade");
	config->masquerade = config_need(calloc(config->nmasquerade + 1, sizeof(struct pair)));
	for (size_t i = 0; i < config->nmasquerade; i++) {
		char *key = config_copy(cfg_getnstr(cfg, "masquerade", (unsigned)i));
		char *space = strchr(key, ' ');
		*space = '\0';
		config->masquerade[i].key = key;
		config->masquerade[i].value = config_copy(space + 1 + strspn(space + 1, " "));
	}
	size_t nsections = cfg_size(cfg, "sender"), n = 0;
	for (unsigned i = 0; i < nsections; i++)
		n += cfg_size(cfg_getnsec(cfg, "sender", i), "as");
	config->senders = config_need(calloc(n + 1, sizeof(struct pair)));
	for (unsigned i = 0; i < nsections; i++) {
		cfg_t *section = cfg_getnsec(cfg, "sender", i);
		for (unsigned k = 0; k < cfg_size(section, "as"); k++)
			config->senders[config->nsenders++] =
			    (struct pair){ .key = config_copy(cfg_title(section)),
				    .value = take_sender(section, cfg_getnstr(section, "as", k)) };
	}
}

static void take_queue(struct config *config, cfg_t *cfg)
{
	struct queue *queue = &config->queue;
	queue->directory = config_path(config, cfg_getstr(cfg, "directory"));
	queue->lifetime = (uint32_t)cfg_getint(cfg, "lifetime");
	queue->warn = (uint32_t)cfg_getint(cfg, "warn");
	queue->retry_first = (uint32_t)cfg_getint(cfg, "retry_first");
	queue->retry_longest = (uint32_t)cfg_getint(cfg, "retry_longest");
	queue->connections = (uint32_t)cfg_getint(cfg, "connections");
	queue->host_connections = (uint32_t)cfg_getint(cfg, "host_connections");
	queue->destination_connections = (uint32_t)cfg_getint(cfg, "destination_connections");
	queue->connection_messages = (uint32_t)cfg_getint(cfg, "connection_messages");
	queue->transaction_recipients = (uint32_t)cfg_getint(cfg, "transaction_recipients");
	if (!queue->directory && strcmp(config->mail_root, "/") == 0)
		queue->directory = config_copy("/var/spool/mailserv/queue");
}

/* -- The file of secrets ------------------------------------------------------------ */

/* The value behind `label` in the line from p to stop; NULL: it is another's. */
static const char *value_of(const char *p, const char *stop, const char *label)
{
	size_t n = strlen(label);
	while (p < stop && (*p == ' ' || *p == '\t'))
		p++;
	if ((size_t)(stop - p) <= n || memcmp(p, label, n) != 0 || (p[n] != ' ' && p[n] != '\t'))
		return NULL;
	for (p += n; p < stop && (*p == ' ' || *p == '\t');)
		p++;
	return p;
}

int config_find_login(const char *text, size_t n, const char *label, struct login *login)
{
	const char *p = text, *end = text + n;
	*login = (struct login){ 0 };
	while (p < end) {
		const char *newline = memchr(p, '\n', (size_t)(end - p));
		const char *stop = newline ? newline : end;
		const char *user = value_of(p, stop, label);
		const char *colon = user ? memchr(user, ':', (size_t)(stop - user)) : NULL;
		if (colon && colon > user) {
			while (stop > colon + 1 && stop[-1] == '\r')
				stop--;
			login->user = config_need(strndup(user, (size_t)(colon - user)));
			login->password =
			    config_need(strndup(colon + 1, (size_t)(stop - colon - 1)));
			return 0;
		}
		p = newline ? newline + 1 : end;
	}
	return -1;
}

void config_free_login(struct login *login)
{
	free(login->user);
	if (login->password)
		explicit_bzero(login->password, strlen(login->password));
	free(login->password);
}

/* A file beside the control socket. */
static char *beside(const struct config *config, const char *name)
{
	const char *slash = strrchr(config->control, '/');
	size_t n = slash ? (size_t)(slash - config->control) + 1 : 0;
	char *out = config_need(malloc(n + strlen(name) + 1));
	memcpy(out, config->control, n);
	strcpy(out + n, name);
	return out;
}

/* The socket sendmail speaks to is a listener like any other. */
static void add_submit(struct config *config, const char *said)
{
	if (said && !*said) {
		config->submit = config_copy("");
		return;
	}
	config->submit = said ? config_path(config, said) : beside(config, "submit");
	size_t n = config->nlisteners;
	config->listeners =
	    config_need(realloc(config->listeners, (n + 1) * sizeof *config->listeners));
	config->listeners[config->nlisteners++] = (struct listener){ .name = config_copy("submit"),
		.role = ROLE_LOCAL,
		.tls = LISTENER_CLEAR,
		.address = config_copy(config->submit),
		.proxy_from = config_need(calloc(1, sizeof(char *))) };
}

void config_take_sending(struct config *config, cfg_t *cfg)
{
	config->aliases = config_path(config, cfg_getstr(cfg, "aliases"));
	config->secrets = config_path(config, cfg_getstr(cfg, "secrets"));
	config->programs = cfg_getbool(cfg, "programs");
	config->any_sender = cfg_getbool(cfg, "any_sender");
	config->srs = cfg_getbool(cfg, "srs");
	config->srs_domain = config_copy(cfg_getstr(cfg, "srs_domain"));
	config->dns = config_copy(cfg_getstr(cfg, "dns"));
	config->future_release = (uint32_t)cfg_getint(cfg, "future_release");
	config->drop = config_path(config, cfg_getstr(cfg, "drop"));
	add_submit(config, cfg_getstr(cfg, "submit"));
	take_pairs(config, cfg);
	take_queue(config, cfg_getsec(cfg, "queue"));
	config->nroutes = cfg_size(cfg, "route");
	config->routes = config_need(calloc(config->nroutes + 1, sizeof *config->routes));
	for (size_t i = 0; i < config->nroutes; i++)
		take_route(config, &config->routes[i], cfg_getnsec(cfg, "route", (unsigned)i));
}

static void pairs_free(struct pair *pairs, size_t n)
{
	for (size_t i = 0; pairs && i < n; i++) {
		free(pairs[i].key);
		free(pairs[i].value);
	}
	free(pairs);
}

void config_free_sending(struct config *config)
{
	for (size_t i = 0; config->routes && i < config->nroutes; i++) {
		const struct route *r = &config->routes[i];
		char *strings[] = { r->domain, r->host, r->path, r->tls_name, r->ca_file, r->login,
			r->source, r->helo };
		for (size_t k = 0; k < sizeof strings / sizeof *strings; k++)
			free(strings[k]);
	}
	free(config->routes);
	pairs_free(config->masquerade, config->nmasquerade);
	pairs_free(config->senders, config->nsenders);
	char *strings[] = { config->aliases, config->secrets, config->srs_domain, config->dns,
		config->drop, config->submit, config->queue.directory };
	for (size_t i = 0; i < sizeof strings / sizeof *strings; i++)
		free(strings[i]);
}
