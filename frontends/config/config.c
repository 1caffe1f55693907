/* Reading mailserv.conf with libconfuse: a table of options, the values that
 * need more than a type, and the struct the daemon uses. */
#include <confuse.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "values.h"

/* libconfuse's error function has no room for a pointer of ours, and a
 * section does not know its file. */
static bool mistakes;
static const char *parsing;

/* What a parser's complaint most often means. */
static const char *hint(const char *format)
{
	if (strncmp(format, "no such option", 14) == 0)
		return "; see mailserv.conf(5) for the words that can stand here";
	if (strncmp(format, "found duplicate title", 21) == 0)
		return "; give each section a name of its own";
	if (strncmp(format, "invalid boolean", 15) == 0)
		return "; write true or false";
	if (strncmp(format, "invalid integer", 15) == 0)
		return "; write a whole number";
	if (strncmp(format, "unexpected token", 16) == 0 ||
	    strncmp(format, "unexpected end", 14) == 0 || strstr(format, "missing"))
		return "; is a quote, a brace or an = missing here or in the line before?";
	return "";
}

static void on_error(cfg_t *cfg, const char *format, va_list args) MSV_PRINTF(2, 0);

static void on_error(cfg_t *cfg, const char *format, va_list args)
{
	mistakes = true;
	if (!format)
		return;
	fprintf(stderr, "%s:%d: ", parsing, cfg ? cfg->line : 0);
	vfprintf(stderr, format, args);
	fprintf(stderr, "%s\n", hint(format));
}

/* -- The table ---------------------------------------------------------------------- */

static cfg_opt_t listen_options[] = {
	CFG_INT_CB("role", -1, CFGF_NODEFAULT, parse_role),
	CFG_INT_CB("tls", LISTENER_STARTTLS, CFGF_NONE, parse_tls),
	CFG_STR("address", "", CFGF_NONE),
	CFG_INT("port", 0, CFGF_NONE),
	CFG_STR_LIST("proxy_from", "{}", CFGF_NONE),
	CFG_BOOL("login_in_clear", cfg_false, CFGF_NONE),
	CFG_END(),
};

static cfg_opt_t tls_options[] = {
	CFG_STR("certificate", NULL, CFGF_NODEFAULT),
	CFG_STR("key", NULL, CFGF_NODEFAULT),
	CFG_END(),
};

static cfg_opt_t limits_options[] = {
	CFG_INT_CB("message_size", 35L << 20, CFGF_NONE, parse_octets),
	CFG_INT_CB("command_size", 64L << 10, CFGF_NONE, parse_command_size),
	CFG_INT_CB("line_size", 2048, CFGF_NONE, parse_line_size),
	CFG_INT_CB("recipients", 1000, CFGF_NONE, parse_count),
	CFG_INT_CB("hops", 100, CFGF_NONE, parse_count),
	CFG_INT_CB("messages", 100, CFGF_NONE, parse_count),
	CFG_INT_CB("errors", 20, CFGF_NONE, parse_count),
	CFG_INT_CB("connections", 1000, CFGF_NONE, parse_count),
	CFG_INT_CB("connections_per_address", 50, CFGF_NONE, parse_count),
	CFG_INT_CB("idle", 300, CFGF_NONE, parse_seconds),
	CFG_INT_CB("total", 3600, CFGF_NONE, parse_seconds),
	CFG_INT_CB("login", 180, CFGF_NONE, parse_seconds),
	CFG_INT_CB("greet_delay", 0, CFGF_NONE, parse_greet_delay),
	CFG_END(),
};

static cfg_opt_t options[] = {
	CFG_STR("hostname", NULL, CFGF_NODEFAULT),
	CFG_STR_LIST("domains", "{}", CFGF_NONE),
	CFG_STR("passwd", "/etc/mailserv/passwd", CFGF_NONE),
	CFG_STR("user", NULL, CFGF_NODEFAULT),
	CFG_STR("location", "/var/vmail/%d/%n", CFGF_NONE),
	CFG_INT_CB("layout", 0, CFGF_NONE, parse_layout),
	CFG_STR("separator", NULL, CFGF_NODEFAULT),
	CFG_STR("prefix", "", CFGF_NONE),
	CFG_STR("certificate", NULL, CFGF_NODEFAULT),
	CFG_STR("key", NULL, CFGF_NODEFAULT),
	CFG_STR("postmaster", NULL, CFGF_NODEFAULT),
	CFG_STR("control", "/run/mailserv/control", CFGF_NONE),
	CFG_STR("spool", NULL, CFGF_NODEFAULT),
	CFG_STR("log", "syslog", CFGF_NONE),
	CFG_INT_CB("log_level", MSV_LOG_INFO, CFGF_NONE, parse_level),
	CFG_BOOL("reverse_dns", cfg_false, CFGF_NONE),
	CFG_BOOL("literal_minus", cfg_false, CFGF_NONE),
	CFG_SEC("tls", tls_options, CFGF_MULTI | CFGF_TITLE | CFGF_NO_TITLE_DUPES),
	CFG_SEC("listen", listen_options, CFGF_MULTI | CFGF_TITLE | CFGF_NO_TITLE_DUPES),
	CFG_SEC("limits", limits_options, CFGF_NONE),
	CFG_STR("aliases", NULL, CFGF_NODEFAULT),
	CFG_STR("secrets", NULL, CFGF_NODEFAULT),
	CFG_BOOL("programs", cfg_false, CFGF_NONE),
	CFG_BOOL("any_sender", cfg_false, CFGF_NONE),
	CFG_BOOL("srs", cfg_true, CFGF_NONE),
	CFG_STR("srs_domain", NULL, CFGF_NODEFAULT),
	CFG_STR_LIST("masquerade", "{}", CFGF_NONE),
	CFG_STR("dns", NULL, CFGF_NODEFAULT),
	CFG_INT_CB("future_release", 30 * 86400, CFGF_NONE, parse_lifetime),
	CFG_STR("submit", NULL, CFGF_NODEFAULT),
	CFG_STR("drop", "/var/spool/mailserv/drop", CFGF_NONE),
	CFG_SEC("route", config_route_options, CFGF_MULTI | CFGF_TITLE | CFGF_NO_TITLE_DUPES),
	CFG_SEC("queue", config_queue_options, CFGF_NONE),
	CFG_SEC("sender", config_sender_options, CFGF_MULTI | CFGF_TITLE | CFGF_NO_TITLE_DUPES),
	CFG_END(),
};

/* What is listened on when the file does not say. */
static const struct listener default_listeners[] = {
	{ .name = "smtp", .role = ROLE_MX, .tls = LISTENER_STARTTLS, .port = 25 },
	{ .name = "submission", .role = ROLE_SUBMISSION, .tls = LISTENER_STARTTLS, .port = 587 },
	{ .name = "submissions", .role = ROLE_SUBMISSION, .tls = LISTENER_IMPLICIT, .port = 465 },
	{ .name = "imap", .role = ROLE_IMAP, .tls = LISTENER_STARTTLS, .port = 143 },
	{ .name = "imaps", .role = ROLE_IMAP, .tls = LISTENER_IMPLICIT, .port = 993 },
};

/* -- From libconfuse to the struct ------------------------------------------------------ */

void *config_need(void *p)
{
	if (!p) {
		fputs("mailserv: out of memory\n", stderr);
		exit(EXIT_FAILURE);
	}
	return p;
}

char *config_copy(const char *s)
{
	return s ? config_need(strdup(s)) : NULL;
}

/* A path that is not absolute is beneath the directory of the file. */
char *config_path(const struct config *config, const char *s)
{
	char *out;
	const char *slash = strrchr(config->file, '/');
	if (!s || s[0] == '/' || s[0] == '%' || !slash)
		return config_copy(s);
	if (asprintf(&out, "%.*s/%s", (int)(slash - config->file), config->file, s) < 0)
		config_need(NULL);
	return out;
}

static char **list(cfg_t *cfg, const char *name, size_t *n)
{
	*n = cfg_size(cfg, name);
	char **out = config_need(calloc(*n + 1, sizeof *out));
	for (unsigned i = 0; i < *n; i++)
		out[i] = config_copy(cfg_getnstr(cfg, name, i));
	return out;
}

/* Something is missing; cfg is the section, or NULL for the whole file. */
void config_missing(const cfg_t *cfg, const char *format, ...)
{
	va_list args;
	mistakes = true;
	if (cfg)
		fprintf(stderr, "%s:%d: ", parsing, cfg->line);
	else
		fprintf(stderr, "%s: ", parsing);
	va_start(args, format);
	vfprintf(stderr, format, args);
	va_end(args);
	fputc('\n', stderr);
}

static void take_listeners(struct config *config, cfg_t *cfg)
{
	size_t n = cfg_size(cfg, "listen");
	size_t ndefault = sizeof default_listeners / sizeof *default_listeners;
	config->nlisteners = n ? n : ndefault;
	config->listeners = config_need(calloc(config->nlisteners, sizeof *config->listeners));
	for (size_t i = 0; i < config->nlisteners; i++) {
		struct listener *l = &config->listeners[i];
		if (n == 0) {
			*l = default_listeners[i];
			l->name = config_copy(l->name);
			l->address = config_copy("");
			l->proxy_from = config_need(calloc(1, sizeof(char *)));
			continue;
		}
		cfg_t *section = cfg_getnsec(cfg, "listen", (unsigned)i);
		l->name = config_copy(cfg_title(section));
		l->tls = (enum listener_tls)cfg_getint(section, "tls");
		l->port = (uint16_t)cfg_getint(section, "port");
		const char *address = cfg_getstr(section, "address");
		l->address =
		    strchr(address, '/') ? config_path(config, address) : config_copy(address);
		l->proxy_from = list(section, "proxy_from", &l->nproxy_from);
		l->login_in_clear = cfg_getbool(section, "login_in_clear");
		long role = cfg_size(section, "role") ? cfg_getint(section, "role") : -1;
		if (role < 0)
			config_missing(
			    section, "listen %s: say role = mx, submission, lmtp or imap", l->name);
		else
			l->role = (enum listener_role)role;
		if (!l->port && !strchr(l->address, '/'))
			config_missing(section,
			    "listen %s: say port = a number, or address = a path", l->name);
	}
}

static void add_certificate(struct config *config, cfg_t *cfg, const char *what)
{
	const char *cert = cfg_getstr(cfg, "certificate"), *key = cfg_getstr(cfg, "key");
	if (!cert && !key)
		return;
	if (!cert || !key) {
		config_missing(cfg, "%s: certificate and key belong together: say both", what);
		return;
	}
	struct certificate *c = &config->certificates[config->ncertificates++];
	c->cert_file = config_path(config, cert);
	c->key_file = config_path(config, key);
}

static void take_certificates(struct config *config, cfg_t *cfg)
{
	size_t n = cfg_size(cfg, "tls");
	config->certificates = config_need(calloc(n + 1, sizeof *config->certificates));
	add_certificate(config, cfg, "certificate");
	for (unsigned i = 0; i < n; i++)
		add_certificate(config, cfg_getnsec(cfg, "tls", i), "tls");
	if (config->ncertificates)
		return;
	for (size_t i = 0; i < config->nlisteners; i++)
		if (config->listeners[i].tls != LISTENER_CLEAR) {
			config_missing(NULL,
			    "no certificate: say certificate = and key = (or tls = none in listen "
			    "%s)",
			    config->listeners[i].name);
			return;
		}
}

static void take_limits(struct limits *limits, cfg_t *cfg)
{
	limits->message_size = (uint64_t)cfg_getint(cfg, "message_size");
	limits->command_size = (uint64_t)cfg_getint(cfg, "command_size");
	limits->recipients = (uint32_t)cfg_getint(cfg, "recipients");
	limits->hops = (uint32_t)cfg_getint(cfg, "hops");
	limits->messages = (uint32_t)cfg_getint(cfg, "messages");
	limits->errors = (uint32_t)cfg_getint(cfg, "errors");
	limits->connections = (uint32_t)cfg_getint(cfg, "connections");
	limits->connections_per_address = (uint32_t)cfg_getint(cfg, "connections_per_address");
	limits->idle = (uint32_t)cfg_getint(cfg, "idle");
	limits->total = (uint32_t)cfg_getint(cfg, "total");
	limits->login = (uint32_t)cfg_getint(cfg, "login");
	limits->line_size = (uint32_t)cfg_getint(cfg, "line_size");
	limits->greet_delay = (uint32_t)cfg_getint(cfg, "greet_delay");
}

/* Splits location before the component with the first %. */
static void take_location(struct config *config, cfg_t *cfg)
{
	config->location = config_path(config, cfg_getstr(cfg, "location"));
	const char *percent = strchr(config->location, '%');
	const char *slash = percent;
	while (slash && slash > config->location && slash[-1] != '/')
		slash--;
	size_t n = slash ? (size_t)(slash - config->location) : 0;
	config->mail_template = config_copy(config->location + n);
	while (n > 1 && config->location[n - 1] == '/')
		n--;
	config->mail_root = n ? config_need(strndup(config->location, n)) : config_copy("/");
	config->fs_layout = cfg_getint(cfg, "layout") == 1;
	const char *separator = cfg_getstr(cfg, "separator");
	config->separator = separator ? separator[0] : config->fs_layout ? '/' : '.';
	config->prefix = config_copy(cfg_getstr(cfg, "prefix"));
	n = strlen(config->prefix);
	if (n && config->prefix[n - 1] != config->separator) {
		cfg->line = config_prefix_line;
		config_missing(cfg, "prefix '%s' must end with the separator, \"%c\"",
		    config->prefix, config->separator);
	}
}

static void take(struct config *config, cfg_t *cfg)
{
	char host[256] = "localhost";
	if (!cfg_getstr(cfg, "hostname") && gethostname(host, sizeof host - 1) != 0)
		strcpy(host, "localhost");
	config->hostname =
	    config_copy(cfg_getstr(cfg, "hostname") ? cfg_getstr(cfg, "hostname") : host);
	config->domains = list(cfg, "domains", &config->ndomains);
	if (config->ndomains == 0)
		config_missing(NULL, "no domains: say domains = {\"example.org\"}");
	config->passwd = config_path(config, cfg_getstr(cfg, "passwd"));
	config->user = config_copy(cfg_getstr(cfg, "user"));
	config->postmaster = config_copy(cfg_getstr(cfg, "postmaster"));
	config->control = config_path(config, cfg_getstr(cfg, "control"));
	config->spool = config_path(config, cfg_getstr(cfg, "spool"));
	const char *log = cfg_getstr(cfg, "log");
	config->log_syslog = strcmp(log, "syslog") == 0;
	config->log_file = strchr(log, '/') ? config_path(config, log) : NULL;
	config->log_level = (enum msv_log_level)cfg_getint(cfg, "log_level");
	config->reverse_dns = cfg_getbool(cfg, "reverse_dns");
	config->literal_minus = cfg_getbool(cfg, "literal_minus");
	take_location(config, cfg);
	take_listeners(config, cfg);
	take_certificates(config, cfg);
	take_limits(&config->limits, cfg_getsec(cfg, "limits"));
	config_take_sending(config, cfg);
}

struct config *config_load(const char *file)
{
	cfg_t *cfg = config_need(cfg_init(options, CFGF_NONE));
	struct config *config = config_need(calloc(1, sizeof *config));
	char *absolute = realpath(file, NULL);
	config->file = absolute ? absolute : config_copy(file);
	mistakes = false;
	parsing = file;
	cfg_set_error_function(cfg, on_error);
	cfg_set_validate_func(cfg, "domains", check_domains);
	cfg_set_validate_func(cfg, "hostname", check_domains);
	cfg_set_validate_func(cfg, "location", check_location);
	cfg_set_validate_func(cfg, "separator", check_separator);
	cfg_set_validate_func(cfg, "prefix", check_prefix);
	cfg_set_validate_func(cfg, "listen|port", check_port);
	cfg_set_validate_func(cfg, "listen|proxy_from", check_network);
	cfg_set_validate_func(cfg, "log", check_log);
	cfg_set_validate_func(cfg, "route|port", check_port);
	cfg_set_validate_func(cfg, "masquerade", check_masquerade);
	cfg_set_validate_func(cfg, "dns", check_dns);
	cfg_set_validate_func(cfg, "srs_domain", check_domains);
	cfg_set_validate_func(cfg, "route|helo", check_domains);
	/* The scanner would end the process over a directory. */
	struct stat st;
	int result = stat(file, &st) != 0 ? CFG_FILE_ERROR : CFG_SUCCESS;
	if (result == CFG_SUCCESS && S_ISDIR(st.st_mode)) {
		errno = EISDIR;
		result = CFG_FILE_ERROR;
	}
	if (result == CFG_SUCCESS)
		result = cfg_parse(cfg, file);
	if (result == CFG_FILE_ERROR)
		fprintf(stderr, "%s: cannot be read: %s; name the file with -c\n", file,
		    strerror(errno));
	else if (result == CFG_SUCCESS)
		take(config, cfg);
	cfg_free(cfg);
	if (result == CFG_SUCCESS && !mistakes)
		return config;
	config_free(config);
	return NULL;
}

static void list_free(char **items, size_t n)
{
	for (size_t i = 0; items && i < n; i++)
		free(items[i]);
	free(items);
}

void config_free(struct config *config)
{
	if (!config)
		return;
	for (size_t i = 0; config->listeners && i < config->nlisteners; i++) {
		free(config->listeners[i].name);
		free(config->listeners[i].address);
		list_free(config->listeners[i].proxy_from, config->listeners[i].nproxy_from);
	}
	free(config->listeners);
	for (size_t i = 0; i < config->ncertificates; i++) {
		free(config->certificates[i].cert_file);
		free(config->certificates[i].key_file);
	}
	free(config->certificates);
	list_free(config->domains, config->ndomains);
	config_free_sending(config);
	char *strings[] = { config->file, config->hostname, config->passwd, config->user,
		config->location, config->mail_root, config->mail_template, config->prefix,
		config->postmaster, config->control, config->spool, config->log_file };
	for (size_t i = 0; i < sizeof strings / sizeof *strings; i++)
		free(strings[i]);
	free(config);
}
