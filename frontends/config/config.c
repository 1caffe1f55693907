/* Reading mailserv.conf with libconfuse: a table of options, the values that
 * need more than a type, and the struct the daemon uses. */
#include <arpa/inet.h>
#include <confuse.h>
#include <ctype.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "config.h"

/* A time is counted in milliseconds of 31 bits. */
#define SECONDS_MAX (24 * 86400L)

/* libconfuse's error function has no room for a pointer of ours, and a
 * section does not know its file. */
static bool mistakes;
static const char *parsing;

/* Where the prefix stands: its separator may come later. */
static int prefix_line;

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

/* -- Values ------------------------------------------------------------------- */

/* A number with one of the suffixes, each worth its factor. */
static int suffixed(cfg_t *cfg, cfg_opt_t *opt, const char *value, long *result,
    const char *suffixes, const long *factors, const char *example)
{
	char *end;
	errno = 0;
	long n = strtol(value, &end, 10);
	long factor = 1;
	if (*end && !end[1]) {
		const char *s = strchr(suffixes, tolower((unsigned char)*end));
		factor = s ? factors[s - suffixes] : 0;
	} else if (*end) {
		factor = 0;
	}
	if (end == value || errno || n < 0 || factor == 0 || n > LONG_MAX / factor) {
		cfg_error(
		    cfg, "'%s' is not a value for %s: write %s", value, cfg_opt_name(opt), example);
		return -1;
	}
	*result = n * factor;
	return 0;
}

/* Refuses what lies outside: the library would put its default, or less, in its place. */
static int within(cfg_t *cfg, cfg_opt_t *opt, long value, long least, long most)
{
	if (value >= least && value <= most)
		return 0;
	cfg_error(cfg, "%s is out of range: write %ld to %ld", cfg_opt_name(opt), least, most);
	return -1;
}

static int octets(cfg_t *cfg, cfg_opt_t *opt, const char *value, long *n, long least, long most)
{
	static const long factors[] = { 1L << 10, 1L << 20, 1L << 30 };
	if (suffixed(cfg, opt, value, n, "kmg", factors, "octets, like 500K, 35M or 1G"))
		return -1;
	return within(cfg, opt, *n, least, most);
}

static int seconds(cfg_t *cfg, cfg_opt_t *opt, const char *value, long *n, long least, long most)
{
	static const long factors[] = { 1, 60, 3600, 86400 };
	if (suffixed(cfg, opt, value, n, "smhd", factors, "seconds, or like 5m, 1h, 2d"))
		return -1;
	return within(cfg, opt, *n, least, most);
}

static int parse_octets(cfg_t *cfg, cfg_opt_t *opt, const char *value, void *result)
{
	return octets(cfg, opt, value, result, 1, LONG_MAX);
}

static int parse_command_size(cfg_t *cfg, cfg_opt_t *opt, const char *value, void *result)
{
	return octets(cfg, opt, value, result, 1, INT_MAX);
}

/* What the library takes (RFC 5321 4.5.3.1.4 wants 512). */
static int parse_line_size(cfg_t *cfg, cfg_opt_t *opt, const char *value, void *result)
{
	return octets(cfg, opt, value, result, 512, 32768);
}

static int parse_seconds(cfg_t *cfg, cfg_opt_t *opt, const char *value, void *result)
{
	return seconds(cfg, opt, value, result, 1, SECONDS_MAX);
}

/* Clients wait five minutes for a greeting (RFC 5321 4.5.3.2.1). */
static int parse_greet_delay(cfg_t *cfg, cfg_opt_t *opt, const char *value, void *result)
{
	return seconds(cfg, opt, value, result, 0, 300);
}

static int parse_count(cfg_t *cfg, cfg_opt_t *opt, const char *value, void *result)
{
	if (suffixed(cfg, opt, value, result, "", NULL, "a whole number"))
		return -1;
	return within(cfg, opt, *(long *)result, 1, INT_MAX);
}

struct word {
	const char *word;
	long value;
};

/* One of a table of words. */
static int parse_word(
    cfg_t *cfg, cfg_opt_t *opt, const char *value, void *result, const struct word *words)
{
	char known[128] = "";
	for (; words->word; words++) {
		if (strcmp(words->word, value) == 0) {
			*(long *)result = words->value;
			return 0;
		}
		snprintf(known + strlen(known), sizeof known - strlen(known), "%s%s",
		    *known ? ", " : "", words->word);
	}
	cfg_error(
	    cfg, "'%s' is not a value for %s: write one of %s", value, cfg_opt_name(opt), known);
	return -1;
}

static int parse_role(cfg_t *cfg, cfg_opt_t *opt, const char *value, void *result)
{
	static const struct word words[] = { { "mx", ROLE_MX }, { "submission", ROLE_SUBMISSION },
		{ "lmtp", ROLE_LMTP }, { "imap", ROLE_IMAP }, { NULL, 0 } };
	return parse_word(cfg, opt, value, result, words);
}

static int parse_tls(cfg_t *cfg, cfg_opt_t *opt, const char *value, void *result)
{
	static const struct word words[] = { { "starttls", LISTENER_STARTTLS },
		{ "implicit", LISTENER_IMPLICIT }, { "none", LISTENER_CLEAR }, { NULL, 0 } };
	return parse_word(cfg, opt, value, result, words);
}

static int parse_layout(cfg_t *cfg, cfg_opt_t *opt, const char *value, void *result)
{
	static const struct word words[] = { { "maildir++", 0 }, { "fs", 1 }, { NULL, 0 } };
	return parse_word(cfg, opt, value, result, words);
}

static int parse_log(cfg_t *cfg, cfg_opt_t *opt, const char *value, void *result)
{
	static const struct word words[] = { { "stderr", 0 }, { "syslog", 1 }, { NULL, 0 } };
	return parse_word(cfg, opt, value, result, words);
}

static int parse_level(cfg_t *cfg, cfg_opt_t *opt, const char *value, void *result)
{
	static const struct word words[] = { { "error", MSV_LOG_ERROR },
		{ "warning", MSV_LOG_WARN }, { "info", MSV_LOG_INFO }, { "debug", MSV_LOG_DEBUG },
		{ NULL, 0 } };
	return parse_word(cfg, opt, value, result, words);
}

/* -- Checks while the line is known ---------------------------------------------- */

/* A host name in letters, digits, dots and hyphens (RFC 5321 2.3.5). */
static bool domain_valid(const char *s)
{
	size_t n = strlen(s);
	if (n == 0 || n > 253 || s[0] == '.' || s[n - 1] == '.')
		return false;
	for (const char *p = s; *p; p++) {
		bool utf8 = (unsigned char)*p >= 0x80;
		if (!utf8 && !isalnum((unsigned char)*p) && *p != '-' && *p != '.')
			return false;
		if (*p == '.' && p[1] == '.')
			return false;
	}
	return true;
}

static int check_domains(cfg_t *cfg, cfg_opt_t *opt)
{
	const char *value = cfg_opt_getnstr(opt, cfg_opt_size(opt) - 1);
	if (value && domain_valid(value))
		return 0;
	cfg_error(cfg, "'%s' is not a domain name for %s: write it like example.org",
	    value ? value : "", cfg_opt_name(opt));
	return -1;
}

static int check_port(cfg_t *cfg, cfg_opt_t *opt)
{
	long port = cfg_opt_getnint(opt, cfg_opt_size(opt) - 1);
	if (port >= 1 && port <= 65535)
		return 0;
	cfg_error(cfg, "port %ld does not exist: write a number from 1 to 65535", port);
	return -1;
}

static int check_separator(cfg_t *cfg, cfg_opt_t *opt)
{
	const char *value = cfg_opt_getnstr(opt, cfg_opt_size(opt) - 1);
	if (value && (strcmp(value, ".") == 0 || strcmp(value, "/") == 0))
		return 0;
	cfg_error(cfg, "separator must be \".\" or \"/\"");
	return -1;
}

/* Folders are told from the prefix by the separator at its end. */
static int check_prefix(cfg_t *cfg, cfg_opt_t *opt)
{
	const char *value = cfg_opt_getnstr(opt, cfg_opt_size(opt) - 1);
	size_t n = value ? strlen(value) : 0;
	prefix_line = cfg->line;
	if (n == 0 || (n > 1 && strchr("./", value[n - 1]) && !strpbrk(value, "*%")))
		return 0;
	cfg_error(cfg, "prefix '%s' must end with the separator, like \"INBOX.\"", value);
	return -1;
}

/* Bits of a network, at most max. */
static bool bits_valid(const char *s, int max)
{
	size_t n = strspn(s, "0123456789");
	return n > 0 && n <= 3 && !s[n] && atoi(s) <= max;
}

/* An address, or a network like 192.0.2.0/24. */
static bool network_valid(const char *s)
{
	char host[INET6_ADDRSTRLEN];
	unsigned char address[sizeof(struct in6_addr)];
	size_t n = strcspn(s, "/");
	if (n >= sizeof host)
		return false;
	memcpy(host, s, n);
	host[n] = '\0';
	if (inet_pton(AF_INET, host, address) == 1)
		return !s[n] || bits_valid(s + n + 1, 32);
	return inet_pton(AF_INET6, host, address) == 1 && (!s[n] || bits_valid(s + n + 1, 128));
}

static int check_network(cfg_t *cfg, cfg_opt_t *opt)
{
	const char *value = cfg_opt_getnstr(opt, cfg_opt_size(opt) - 1);
	if (value && network_valid(value))
		return 0;
	cfg_error(cfg, "'%s' is not a network for %s: write it like 192.0.2.0/24 or 2001:db8::1",
	    value ? value : "", cfg_opt_name(opt));
	return -1;
}

/* True when every % of a location is one that is known and one names the
 * account. */
static bool location_valid(const char *s)
{
	bool names_account = false;
	while ((s = strchr(s, '%'))) {
		size_t n = strncmp(s, "%{home}", 7) == 0 ? 7 : 2;
		if (!s[1] || (n == 2 && !strchr("und%", s[1])))
			return false;
		if (s[1] != '%' && s[1] != 'd')
			names_account = true;
		s += n;
	}
	return names_account;
}

static int check_location(cfg_t *cfg, cfg_opt_t *opt)
{
	const char *value = cfg_opt_getnstr(opt, cfg_opt_size(opt) - 1);
	if (value && location_valid(value))
		return 0;
	cfg_error(cfg,
	    "location '%s' must name each account's directory with %%u (its name), %%n and %%d "
	    "(the "
	    "parts before and behind the @) or %%{home}, like \"/var/vmail/%%d/%%n\"",
	    value ? value : "");
	return -1;
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
	CFG_INT_CB("log", 1, CFGF_NONE, parse_log),
	CFG_INT_CB("log_level", MSV_LOG_INFO, CFGF_NONE, parse_level),
	CFG_BOOL("reverse_dns", cfg_false, CFGF_NONE),
	CFG_BOOL("literal_minus", cfg_false, CFGF_NONE),
	CFG_SEC("tls", tls_options, CFGF_MULTI | CFGF_TITLE | CFGF_NO_TITLE_DUPES),
	CFG_SEC("listen", listen_options, CFGF_MULTI | CFGF_TITLE | CFGF_NO_TITLE_DUPES),
	CFG_SEC("limits", limits_options, CFGF_NONE),
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

static void *need(void *p)
{
	if (!p) {
		fputs("mailserv: out of memory\n", stderr);
		exit(EXIT_FAILURE);
	}
	return p;
}

static char *copy(const char *s)
{
	return s ? need(strdup(s)) : NULL;
}

/* A path that is not absolute is beneath the directory of the file. */
static char *path(const struct config *config, const char *s)
{
	char *out;
	const char *slash = strrchr(config->file, '/');
	if (!s || s[0] == '/' || s[0] == '%' || !slash)
		return copy(s);
	if (asprintf(&out, "%.*s/%s", (int)(slash - config->file), config->file, s) < 0)
		need(NULL);
	return out;
}

static char **list(cfg_t *cfg, const char *name, size_t *n)
{
	*n = cfg_size(cfg, name);
	char **out = need(calloc(*n + 1, sizeof *out));
	for (unsigned i = 0; i < *n; i++)
		out[i] = copy(cfg_getnstr(cfg, name, i));
	return out;
}

/* Something is missing; cfg is the section, or NULL for the whole file. */
static void missing(const cfg_t *cfg, const char *format, ...) MSV_PRINTF(2, 3);

static void missing(const cfg_t *cfg, const char *format, ...)
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
	config->listeners = need(calloc(config->nlisteners, sizeof *config->listeners));
	for (size_t i = 0; i < config->nlisteners; i++) {
		struct listener *l = &config->listeners[i];
		if (n == 0) {
			*l = default_listeners[i];
			l->name = copy(l->name);
			l->address = copy("");
			l->proxy_from = need(calloc(1, sizeof(char *)));
			continue;
		}
		cfg_t *section = cfg_getnsec(cfg, "listen", (unsigned)i);
		l->name = copy(cfg_title(section));
		l->tls = (enum listener_tls)cfg_getint(section, "tls");
		l->port = (uint16_t)cfg_getint(section, "port");
		const char *address = cfg_getstr(section, "address");
		l->address = strchr(address, '/') ? path(config, address) : copy(address);
		l->proxy_from = list(section, "proxy_from", &l->nproxy_from);
		l->login_in_clear = cfg_getbool(section, "login_in_clear");
		long role = cfg_size(section, "role") ? cfg_getint(section, "role") : -1;
		if (role < 0)
			missing(
			    section, "listen %s: say role = mx, submission, lmtp or imap", l->name);
		else
			l->role = (enum listener_role)role;
		if (!l->port && !strchr(l->address, '/'))
			missing(section, "listen %s: say port = a number, or address = a path",
			    l->name);
	}
}

static void add_certificate(struct config *config, cfg_t *cfg, const char *what)
{
	const char *cert = cfg_getstr(cfg, "certificate"), *key = cfg_getstr(cfg, "key");
	if (!cert && !key)
		return;
	if (!cert || !key) {
		missing(cfg, "%s: certificate and key belong together: say both", what);
		return;
	}
	struct certificate *c = &config->certificates[config->ncertificates++];
	c->cert_file = path(config, cert);
	c->key_file = path(config, key);
}

static void take_certificates(struct config *config, cfg_t *cfg)
{
	size_t n = cfg_size(cfg, "tls");
	config->certificates = need(calloc(n + 1, sizeof *config->certificates));
	add_certificate(config, cfg, "certificate");
	for (unsigned i = 0; i < n; i++)
		add_certificate(config, cfg_getnsec(cfg, "tls", i), "tls");
	if (config->ncertificates)
		return;
	for (size_t i = 0; i < config->nlisteners; i++)
		if (config->listeners[i].tls != LISTENER_CLEAR) {
			missing(NULL,
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
	config->location = path(config, cfg_getstr(cfg, "location"));
	const char *percent = strchr(config->location, '%');
	const char *slash = percent;
	while (slash && slash > config->location && slash[-1] != '/')
		slash--;
	size_t n = slash ? (size_t)(slash - config->location) : 0;
	config->mail_template = copy(config->location + n);
	while (n > 1 && config->location[n - 1] == '/')
		n--;
	config->mail_root = n ? need(strndup(config->location, n)) : copy("/");
	config->fs_layout = cfg_getint(cfg, "layout") == 1;
	const char *separator = cfg_getstr(cfg, "separator");
	config->separator = separator ? separator[0] : config->fs_layout ? '/' : '.';
	config->prefix = copy(cfg_getstr(cfg, "prefix"));
	n = strlen(config->prefix);
	if (n && config->prefix[n - 1] != config->separator) {
		cfg->line = prefix_line;
		missing(cfg, "prefix '%s' must end with the separator, \"%c\"", config->prefix,
		    config->separator);
	}
}

static void take(struct config *config, cfg_t *cfg)
{
	char host[256] = "localhost";
	if (!cfg_getstr(cfg, "hostname") && gethostname(host, sizeof host - 1) != 0)
		strcpy(host, "localhost");
	config->hostname = copy(cfg_getstr(cfg, "hostname") ? cfg_getstr(cfg, "hostname") : host);
	config->domains = list(cfg, "domains", &config->ndomains);
	if (config->ndomains == 0)
		missing(NULL, "no domains: say domains = {\"example.org\"}");
	config->passwd = path(config, cfg_getstr(cfg, "passwd"));
	config->user = copy(cfg_getstr(cfg, "user"));
	config->postmaster = copy(cfg_getstr(cfg, "postmaster"));
	config->control = path(config, cfg_getstr(cfg, "control"));
	config->spool = path(config, cfg_getstr(cfg, "spool"));
	config->log_syslog = cfg_getint(cfg, "log") == 1;
	config->log_level = (enum msv_log_level)cfg_getint(cfg, "log_level");
	config->reverse_dns = cfg_getbool(cfg, "reverse_dns");
	config->literal_minus = cfg_getbool(cfg, "literal_minus");
	take_location(config, cfg);
	take_listeners(config, cfg);
	take_certificates(config, cfg);
	take_limits(&config->limits, cfg_getsec(cfg, "limits"));
}

struct config *config_load(const char *file)
{
	cfg_t *cfg = need(cfg_init(options, CFGF_NONE));
	struct config *config = need(calloc(1, sizeof *config));
	char *absolute = realpath(file, NULL);
	config->file = absolute ? absolute : copy(file);
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
	char *strings[] = { config->file, config->hostname, config->passwd, config->user,
		config->location, config->mail_root, config->mail_template, config->prefix,
		config->postmaster, config->control, config->spool };
	for (size_t i = 0; i < sizeof strings / sizeof *strings; i++)
		free(strings[i]);
	free(config);
}
