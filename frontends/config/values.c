/* What may stand behind the = of a word: each checked while its line is known. */
#include <arpa/inet.h>
#include <ctype.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "values.h"

/* A time is counted in milliseconds of 31 bits. */
#define SECONDS_MAX (24 * 86400L)

int config_prefix_line;

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

int parse_octets(cfg_t *cfg, cfg_opt_t *opt, const char *value, void *result)
{
	return octets(cfg, opt, value, result, 1, LONG_MAX);
}

int parse_command_size(cfg_t *cfg, cfg_opt_t *opt, const char *value, void *result)
{
	return octets(cfg, opt, value, result, 1, INT_MAX);
}

/* What the library takes where DSN is offered (RFC 3461 5.4). */
int parse_line_size(cfg_t *cfg, cfg_opt_t *opt, const char *value, void *result)
{
	return octets(cfg, opt, value, result, 2048, 32768);
}

int parse_seconds(cfg_t *cfg, cfg_opt_t *opt, const char *value, void *result)
{
	return seconds(cfg, opt, value, result, 1, SECONDS_MAX);
}

/* 0 means none. */
int parse_lifetime(cfg_t *cfg, cfg_opt_t *opt, const char *value, void *result)
{
	return seconds(cfg, opt, value, result, 0, INT_MAX);
}

/* Clients wait five minutes for a greeting (RFC 5321 4.5.3.2.1). */
int parse_greet_delay(cfg_t *cfg, cfg_opt_t *opt, const char *value, void *result)
{
	return seconds(cfg, opt, value, result, 0, 300);
}

int parse_count(cfg_t *cfg, cfg_opt_t *opt, const char *value, void *result)
{
	if (suffixed(cfg, opt, value, result, "", NULL, "a whole number"))
		return -1;
	return within(cfg, opt, *(long *)result, 1, INT_MAX);
}

/* One of a table of words. */
int parse_word(
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

int parse_role(cfg_t *cfg, cfg_opt_t *opt, const char *value, void *result)
{
	static const struct word words[] = { { "mx", ROLE_MX }, { "submission", ROLE_SUBMISSION },
		{ "lmtp", ROLE_LMTP }, { "imap", ROLE_IMAP }, { NULL, 0 } };
	return parse_word(cfg, opt, value, result, words);
}

int parse_tls(cfg_t *cfg, cfg_opt_t *opt, const char *value, void *result)
{
	static const struct word words[] = { { "starttls", LISTENER_STARTTLS },
		{ "implicit", LISTENER_IMPLICIT }, { "none", LISTENER_CLEAR }, { NULL, 0 } };
	return parse_word(cfg, opt, value, result, words);
}

int parse_layout(cfg_t *cfg, cfg_opt_t *opt, const char *value, void *result)
{
	static const struct word words[] = { { "maildir++", 0 }, { "fs", 1 }, { NULL, 0 } };
	return parse_word(cfg, opt, value, result, words);
}

int parse_level(cfg_t *cfg, cfg_opt_t *opt, const char *value, void *result)
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

int check_domains(cfg_t *cfg, cfg_opt_t *opt)
{
	const char *value = cfg_opt_getnstr(opt, cfg_opt_size(opt) - 1);
	if (value && domain_valid(value))
		return 0;
	cfg_error(cfg, "'%s' is not a domain name for %s: write it like example.org",
	    value ? value : "", cfg_opt_name(opt));
	return -1;
}

int check_port(cfg_t *cfg, cfg_opt_t *opt)
{
	long port = cfg_opt_getnint(opt, cfg_opt_size(opt) - 1);
	if (port >= 1 && port <= 65535)
		return 0;
	cfg_error(cfg, "port %ld does not exist: write a number from 1 to 65535", port);
	return -1;
}

int check_log(cfg_t *cfg, cfg_opt_t *opt)
{
	const char *value = cfg_opt_getnstr(opt, cfg_opt_size(opt) - 1);
	if (value &&
	    (strcmp(value, "stderr") == 0 || strcmp(value, "syslog") == 0 || strchr(value, '/')))
		return 0;
	cfg_error(cfg, "'%s' is not a value for log: write syslog, stderr or the path of a file",
	    value ? value : "");
	return -1;
}

int check_separator(cfg_t *cfg, cfg_opt_t *opt)
{
	const char *value = cfg_opt_getnstr(opt, cfg_opt_size(opt) - 1);
	if (value && (strcmp(value, ".") == 0 || strcmp(value, "/") == 0))
		return 0;
	cfg_error(cfg, "separator must be \".\" or \"/\"");
	return -1;
}

/* Folders are told from the prefix by the separator at its end. */
int check_prefix(cfg_t *cfg, cfg_opt_t *opt)
{
	const char *value = cfg_opt_getnstr(opt, cfg_opt_size(opt) - 1);
	size_t n = value ? strlen(value) : 0;
	config_prefix_line = cfg->line;
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

int check_network(cfg_t *cfg, cfg_opt_t *opt)
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

int check_location(cfg_t *cfg, cfg_opt_t *opt)
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
