/* The configuration file of mailservd: one file, read by the daemon and by
 * mailservctl.  See mailserv.conf(5). */
#ifndef MAILSERV_CONFIG_H
#define MAILSERV_CONFIG_H

#include <mailserv/mailserv.h>

enum listener_role { ROLE_MX, ROLE_SUBMISSION, ROLE_LMTP, ROLE_IMAP, ROLE_LOCAL };
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

/* Encryption on the way to a next hop. */
enum route_tls {
	ROUTE_TLS_DEFAULT,
	ROUTE_TLS_OPPORTUNISTIC,
	ROUTE_TLS_REQUIRED,
	ROUTE_TLS_VERIFIED,
	ROUTE_TLS_NONE
};

/* Where mail for a domain goes: `route DOMAIN { ... }`. */
struct route {
	char *domain;
	char *host; /* NULL, and no path: the domain's MX hosts */
	char *path; /* unix socket */
	bool is_lmtp;
	uint16_t port; /* 0 the usual one */
	enum route_tls tls;
	bool implicit_tls, accept;
	char *tls_name, *ca_file, *login, *source, *helo;
	int line;
};

struct pair {
	char *key, *value;
};

struct queue {
	char *directory;                                     /* NULL: in the mail directory */
	uint32_t lifetime, warn, retry_first, retry_longest; /* seconds */
	uint32_t connections, host_connections, destination_connections;
	uint32_t connection_messages, transaction_recipients;
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
	char *log_file; /* NULL: syslog or standard error */
	enum msv_log_level log_level;
	bool reverse_dns;
	bool literal_minus;
	struct certificate *certificates;
	size_t ncertificates;
	struct listener *listeners;
	size_t nlisteners;
	struct limits limits;

	/* sending.c */
	char *aliases, *secrets; /* files; NULL none */
	bool programs;           /* aliases may name them */
	struct route *routes;
	size_t nroutes;
	struct queue queue;
	struct pair *masquerade, *senders;
	size_t nmasquerade, nsenders;
	bool any_sender, srs;
	char *srs_domain;
	char *dns;               /* the server to ask, NULL as resolv.conf says */
	uint32_t future_release; /* seconds a submission may be put off, 0: not offered */
	char *submit;            /* unix socket for local programs, "" none */
	char *drop;              /* where sendmail leaves mail while the daemon is down */
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

/* A login of the secrets file: a line `label user:password`. */
struct login {
	char *user, *password;
};

/* Looks for the label in the text.  0 and strings for config_free_login(), or -1. */
int config_find_login(const char *text, size_t n, const char *label, struct login *login);
void config_free_login(struct login *login);

/* The TLS options the file describes; pairs has room for ncertificates. */
void config_tls_options(
    const struct config *config, struct msv_tls_pair *pairs, struct msv_tls_options *options);

#endif
