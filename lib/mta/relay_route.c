/* Routes: the rules by which mail for a domain goes to its MX hosts, to a
 * smarthost or to an LMTP server, and how. */
#include <stdio.h>
#include <string.h>

#include "codec/idna.h"
#include "mta/relay_parts.h"

static int complain(struct msv_relay *relay, const struct msv_mta_route *rule, const char *what)
{
	msv_env_log(
	    relay->env, MSV_LOG_ERROR, "mta route=%s: %s", rule->domain ? rule->domain : "*", what);
	return MSV_ERR_INVAL;
}

static bool is_loopback(const char *host)
{
	return strncmp(host, "127.", 4) == 0 || strcmp(host, "::1") == 0 ||
	       strcmp(host, "localhost") == 0;
}

static int check_host(struct msv_relay *relay, const struct msv_mta_route *rule)
{
	if ((unsigned)rule->kind >= MSV_ROUTE_COUNT)
		return complain(relay, rule, "its kind is none");
	if (rule->kind == MSV_ROUTE_SMARTHOST && !rule->host)
		return complain(relay, rule, "a smarthost needs a host; name it");
	if (rule->kind == MSV_ROUTE_LMTP && !rule->host && !rule->path)
		return complain(relay, rule, "LMTP needs a host or the path of a socket; name one");
	if (rule->kind == MSV_ROUTE_DIRECT && (rule->host || rule->path))
		return complain(
		    relay, rule, "direct delivery asks the DNS for hosts; remove the host");
	return 0;
}

static int check_security(
    struct msv_relay *relay, const struct msv_mta_route *rule, const struct relay_route *route)
{
	bool wanted = route->tls == MSV_SMTP_TLS_REQUIRED || route->tls == MSV_SMTP_TLS_VERIFIED ||
	              route->implicit_tls;
	if (wanted && !route->client_tls)
		return complain(relay, rule, "it needs TLS, and there is none to use");
	if (!rule->user != !rule->password)
		return complain(relay, rule, "user and password belong together; give both");
	if (rule->password && !wanted && !(route->host && is_loopback(route->host)))
		return complain(relay, rule,
		    "a password is not sent in the clear; set TLS to required or verified");
	return 0;
}

/* A domain in ASCII, with the dot in front that some rules have. */
static int copy_domain(struct msv_env *env, const char *given, char **out)
{
	char ascii[MSV_DOMAIN_SIZE];
	bool below = *given == '.';
	int error = msv_domain_to_ascii(given + below, ascii);
	if (error)
		return error;
	*out = msv_asprintf(env, "%s%s", below ? "." : "", ascii);
	return *out ? 0 : MSV_ERR_NOMEM;
}

/* -- One rule ------------------------------------------------------------------------- */

static uint16_t default_port(const struct msv_mta_route *rule)
{
	static const uint16_t ports[MSV_ROUTE_COUNT] = {
		[MSV_ROUTE_DIRECT] = 25,
		[MSV_ROUTE_SMARTHOST] = 587,
		[MSV_ROUTE_LMTP] = 24,
	};
	if (rule->path)
		return 0;
	return rule->kind == MSV_ROUTE_SMARTHOST && rule->implicit_tls ? 465 : ports[rule->kind];
}

static enum msv_smtp_tls_mode tls_mode(const struct msv_mta_route *rule, bool any_client)
{
	if (rule->tls != MSV_SMTP_TLS_OPPORTUNISTIC)
		return rule->tls;
	if (rule->path)
		return MSV_SMTP_TLS_OFF;
	if (rule->password || rule->implicit_tls)
		return MSV_SMTP_TLS_REQUIRED;
	return any_client ? MSV_SMTP_TLS_OPPORTUNISTIC : MSV_SMTP_TLS_OFF;
}

static int copy(struct msv_env *env, const char *s, char **out)
{
	*out = msv_strdup(env, s);
	return s && !*out ? MSV_ERR_NOMEM : 0;
}

static int copy_strings(struct msv_env *env, const struct msv_mta_route *rule,
    const struct msv_mta_options *options, struct relay_route *route)
{
	const char *hostname = options->hostname ? options->hostname : "localhost";
	int error = copy_domain(env, rule->domain ? rule->domain : "*", &route->domain);
	if (!error && rule->host && !rule->path)
		error = copy_domain(env, rule->host, &route->host);
	if (error)
		return error;
	return copy(env, rule->path, &route->path) || copy(env, rule->tls_name, &route->tls_name) ||
	               copy(env, rule->user, &route->user) ||
	               copy(env, rule->password, &route->password) ||
	               copy(env, rule->source, &route->source) ||
	               copy(env, rule->helo ? rule->helo : hostname, &route->helo)
	           ? MSV_ERR_NOMEM
	           : 0;
}

static bool same(const char *a, const char *b)
{
	return a && b ? strcmp(a, b) == 0 : a == b;
}

/* Mail by two such routes may share a connection. */
static bool same_hop(const struct relay_route *a, const struct relay_route *b)
{
	return a->kind == b->kind && same(a->host, b->host) && same(a->path, b->path) &&
	       a->port == b->port && a->tls == b->tls && a->implicit_tls == b->implicit_tls &&
	       same(a->tls_name, b->tls_name) && a->client_tls == b->client_tls &&
	       same(a->user, b->user) && same(a->password, b->password) &&
	       same(a->source, b->source) && same(a->helo, b->helo);
}

/* Names the next hop; one that is reached in another way has another name. */
static int name_hop(struct msv_relay *relay, size_t i)
{
	struct relay_route *route = &relay->routes[i];
	const char *kind = route->kind == MSV_ROUTE_LMTP ? "lmtp:" : "";
	unsigned twin = 1;
	if (route->kind == MSV_ROUTE_DIRECT)
		return 0;
	for (size_t j = 0; j < i; j++) {
		const struct relay_route *other = &relay->routes[j];
		if (same_hop(other, route))
			return copy(relay->env, other->destination, &route->destination);
		twin += other->kind == route->kind && same(other->host, route->host) &&
		        same(other->path, route->path) && other->port == route->port;
	}
	struct msv_buf name;
	msv_buf_init(&name, relay->env);
	msv_buf_puts(&name, kind);
	if (route->path)
		msv_buf_puts(&name, route->path);
	else
		msv_buf_printf(&name, strchr(route->host, ':') ? "[%s]:%u" : "%s:%u", route->host,
		    (unsigned)route->port);
	if (twin > 1)
		msv_buf_printf(&name, "#%u", twin);
	const char *text = msv_buf_cstr(&name);
	int error = text ? copy(relay->env, text, &route->destination) : MSV_ERR_NOMEM;
	msv_buf_fini(&name);
	return !error && strlen(route->destination) >= RELAY_DESTINATION_SIZE ? MSV_ERR_INVAL
	                                                                      : error;
}

static int copy_route(struct msv_relay *relay, const struct msv_mta_options *options,
    const struct msv_mta_route *rule, size_t i)
{
	struct relay_route *route = &relay->routes[i];
	int error = check_host(relay, rule);
	if (error)
		return error;
	route->kind = rule->kind;
	route->implicit_tls = rule->implicit_tls;
	route->accept = rule->accept;
	route->port = rule->port && !rule->path ? rule->port : default_port(rule);
	route->client_tls = rule->client_tls ? rule->client_tls : options->client_tls;
	route->tls = tls_mode(rule, route->client_tls != NULL);
	error = copy_strings(relay->env, rule, options, route);
	if (!error)
		error = check_security(relay, rule, route);
	return error ? error : name_hop(relay, i);
}

static void free_route(struct msv_env *env, struct relay_route *route)
{
	char *strings[] = { route->domain, route->host, route->path, route->tls_name, route->user,
		route->source, route->helo, route->destination };
	for (size_t i = 0; i < sizeof strings / sizeof *strings; i++)
		msv_free(env, strings[i]);
	if (route->password)
		msv_free_secret(env, route->password, strlen(route->password));
}

/* -- All rules --------------------------------------------------------------------------- */

int msv_relay_routes_init(struct msv_relay *relay, const struct msv_mta_options *options)
{
	/* What counts when no rule fits stands behind the others. */
	static const struct msv_mta_route direct = { .size = sizeof direct };
	size_t n = options->nroutes;
	relay->routes = msv_alloc(relay->env, (n + 1) * sizeof *relay->routes);
	if (!relay->routes)
		return MSV_ERR_NOMEM;
	for (; relay->nroutes <= n; relay->nroutes++) {
		size_t i = relay->nroutes;
		int error = copy_route(relay, options, i < n ? &options->routes[i] : &direct, i);
		if (error) {
			relay->nroutes++;
			return error;
		}
	}
	return 0;
}

void msv_relay_routes_fini(struct msv_relay *relay)
{
	for (size_t i = 0; i < relay->nroutes; i++)
		free_route(relay->env, &relay->routes[i]);
	msv_free(relay->env, relay->routes);
	relay->routes = NULL;
	relay->nroutes = 0;
}

/* How specific a rule is for a domain; 0: it does not fit. */
static size_t fit(const struct relay_route *route, const char *domain)
{
	size_t rule = strlen(route->domain), n = strlen(domain);
	if (strcmp(route->domain, "*") == 0)
		return 1;
	if (*route->domain == '.')
		return n > rule && strcmp(domain + n - rule, route->domain) == 0 ? 1 + rule : 0;
	return strcmp(domain, route->domain) == 0 ? SIZE_MAX : 0;
}

const struct relay_route *msv_relay_route(const struct msv_relay *relay, const char *domain)
{
	char ascii[MSV_DOMAIN_SIZE];
	const struct relay_route *best = &relay->routes[relay->nroutes - 1];
	size_t most = 0;
	if (msv_domain_to_ascii(domain, ascii) != 0)
		return best;
	for (size_t i = 0; i < relay->nroutes; i++) {
		size_t specific = fit(&relay->routes[i], ascii);
		if (specific > most) {
			most = specific;
			best = &relay->routes[i];
		}
	}
	return best;
}

int msv_relay_destination(
    const struct msv_relay *relay, const char *domain, char out[RELAY_DESTINATION_SIZE])
{
	char ascii[MSV_DOMAIN_SIZE];
	int error = msv_domain_to_ascii(domain, ascii);
	if (error)
		return error;
	const struct relay_route *route = msv_relay_route(relay, domain);
	snprintf(
	    out, RELAY_DESTINATION_SIZE, "%s", route->destination ? route->destination : ascii);
	return 0;
}

const struct relay_route *msv_relay_route_of(const struct msv_relay *relay, const char *destination)
{
	for (size_t i = 0; i < relay->nroutes; i++)
		if (relay->routes[i].destination &&
		    strcmp(relay->routes[i].destination, destination) == 0)
			return &relay->routes[i];
	return msv_relay_route(relay, destination);
}

void msv_relay_mx_options(
    const struct msv_relay *relay, const struct relay_route *route, struct mta_mx_options *out)
{
	bool v6 = route->source && strchr(route->source, ':');
	*out = (struct mta_mx_options){
		.host = route->kind != MSV_ROUTE_DIRECT,
		.own_names = (const char *const *)&relay->hostname,
		.nown_names = 1,
		.own_addresses = (const char *const *)relay->own_addresses,
		.nown_addresses = relay->nown_addresses,
		/* Another port than 25 leads to no server of a stranger's choice. */
		.allow_loopback = route->kind != MSV_ROUTE_DIRECT || route->port != 25,
		.no_ipv4 = v6,
		.no_ipv6 = route->source && !v6,
	};
}
