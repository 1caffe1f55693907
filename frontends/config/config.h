/* The configuration file of mailservd: one file, read by the daemon and by
 * mailservctl.  See mailserv.conf(5). */
#ifndef MAILSERV_CONFIG_H
#define MAILSERV_CONFIG_H

#include <mailserv/mailserv.h>

enum listener_role { ROLE_MX, ROLE_SUBMISSION, ROLE_LMTP, ROLE_IMAP };
enum listener_tls { LISTENER_STARTTLS, LISTENER_IMPLICIT, LISTENER_CLEAR };

/* One address and port (or unix socket) that is listened on. */
struct listener {
	char *name;
	enum listener_role role;
	enum listener_tls tls;
	char *address; /* "" all addresses; a path for a unix socket */
	uint16_t port;
	char **proxy_from; /* networks whose PROXY header is believed */
	size_t nproxy_from;
	bool login_in_clear; /* for loopback tests */
};

/* A certificate and its key. */
struct certificate {
	char *cert_file, *key_file;
};

struct limits {
	uint64_t message_size;
	uint32_t recipients, hops, messages, errors;
	uint32_t connections, connections_per_address;
	uint32_t idle, total, login, greet_delay; /* seconds */
	uint32_t line_size;
	uint64_t command_size;
};

struct config {
	char *file; /* where it came from */
	char *hostname;
	char **domains;
	size_t ndomains;
	char *passwd;
	char *user; /* the mail user; NULL: who started it */
	char *location;
	char *mail_root;     /* the part of location before the first % */
	char *mail_template; /* the part behind */
	bool fs_layout;
	char separator;
	char *prefix;
	char *postmaster;
	char *control;
	char *spool; /* NULL: beneath mail_root */
	bool log_syslog;
	enum msv_log_level log_level;
	bool reverse_dns;
	bool literal_minus;
	struct certificate *certificates;
	size_t ncertificates;
	struct listener *listeners;
	size_t nlisteners;
	struct limits limits;
};

/* Where the file is when nobody says. */
#define CONFIG_DEFAULT "/etc/mailserv/mailserv.conf"

/* Reads the file.  Every mistake is told on standard error as "FILE:LINE: what,
 * remedy".  NULL when there was one. */
struct config *config_load(const char *file);
void config_free(struct config *config);

/* Looks at everything the file names - certificates, passwd-file, user,
 * directories - and tells each problem in one line on standard error.  Returns
 * how many keep the daemon from working; *warnings (may be NULL) counts the
 * others. */
unsigned config_check(const struct config *config, unsigned *warnings);

/* The TLS options the file describes; pairs has room for ncertificates. */
void config_tls_options(
    const struct config *config, struct msv_tls_pair *pairs, struct msv_tls_options *options);

#endif
