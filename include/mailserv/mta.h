/*
 * Mail transfer: what stands between the SMTP server, the mailboxes and other
 * hosts.  It decides about recipients, expands aliases, adds trace fields,
 * delivers into a store, queues and relays, and sends bounces.
 *
 * Mail for a local domain goes, in this order: to what the aliases say of the
 * address, with its tag and without; to the account of that name, without its
 * tag if there is none with it (user+tag@), and then into the folder of the
 * tag's name if there is one, else into INBOX; to the domain's catch-all.  Mail
 * for other domains is taken from who logged in, and from anybody for a domain
 * whose route says so (backup MX), and queued.  Others are refused at RCPT with
 * the reason.  A message whose Delivered-To names the recipient is a loop.
 *
 * 250 means that all is on disk: copies for our mailboxes are written and made
 * durable, the rest is queued, then the copies are made visible.  A failure
 * before that is one for all recipients (451, 452; 552 for the only one's full
 * mailbox); a copy that fails later is queued and tried again.  LMTP answers
 * for each recipient.
 */
#ifndef MAILSERV_MTA_H
#define MAILSERV_MTA_H

#include <mailserv/auth.h>
#include <mailserv/base.h>
#include <mailserv/dns.h>
#include <mailserv/queue.h>
#include <mailserv/smtp_client.h>
#include <mailserv/smtp_server.h>
#include <mailserv/store.h>
#include <mailserv/tls.h>
#include <mailserv/transport.h>

#ifdef __cplusplus
extern "C" {
#endif

struct msv_mta;

/* -- Where mail for other domains goes ------------------------------------------ */

enum msv_route_kind {
	MSV_ROUTE_DIRECT,    /* to the domain's MX hosts */
	MSV_ROUTE_SMARTHOST, /* all of it to one host */
	MSV_ROUTE_LMTP,      /* to an LMTP server (RFC 2033) */
	MSV_ROUTE_COUNT
};

/* A rule.  The most specific domain counts: the domain itself, then the longest
 * ".example.org" (all below it), then "*". */
struct msv_mta_route {
	size_t size;
	const char *domain; /* "example.org", ".example.org", "*" [*] */
	enum msv_route_kind kind;
	const char *host; /* SMARTHOST, LMTP: a name (A and AAAA are asked) or an address */
	uint16_t port;    /* [DIRECT 25, SMARTHOST 587, 465 with implicit_tls, LMTP 24] */
	const char *path; /* LMTP: a unix socket instead of host */
	/* [opportunistic; required when there is a password; off for a unix socket] */
	enum msv_smtp_tls_mode tls;
	bool implicit_tls;                 /* SMARTHOST: TLS from the first byte (RFC 8314) */
	const char *tls_name;              /* the name its certificate must have [host] */
	struct msv_tls_client *client_tls; /* whom to trust [the options'] */
	const char *user, *password;       /* to log in with */
	const char *source;                /* address to connect from, of IPv4 or IPv6 */
	const char *helo;                  /* [hostname] */
	/* Mail for this domain is taken from anybody, as its backup MX or as the
	 * gateway in front of its host. */
	bool accept;
};

/* -- Programs ---------------------------------------------------------------------- */

/* Runs what an alias names ("|/path/program arg"), without a shell. */
struct msv_program_op {
	struct msv_op *op; /* answered with struct msv_program_result */
};
struct msv_program_result {
	size_t size;
	int status;       /* exit status as of <sysexits.h>; 256 + the signal that ended it */
	const char *text; /* the first line it wrote on standard error, printable; "" none */
};
/* Answers that it ran; when it could not be started: msv_op_answer() with an
 * error.  Copied. */
MSV_API void msv_program_answer(struct msv_program_op op, const struct msv_program_result *result);
struct msv_program_runner {
	size_t size;
	void *self;
	/* argv ends in NULL; environment likewise ("SENDER=...").  fd is a file with
	 * the message, LF line ends, at its beginning: the callee's to close.  The
	 * answer comes when the program has ended; it is ended after timeout_ms. */
	void (*run)(void *self, const char *const *argv, const char *const *environment, int fd,
	    uint32_t timeout_ms, struct msv_program_op op);
};

/* -- Aliases ------------------------------------------------------------------------ */

/* Text of the aliases file (mailserv-aliases(5)).  Each mistake is told by
 * `problem` as "FILE:LINE: what; remedy" and costs its own line alone. */
struct msv_mta_aliases {
	size_t size;
	const char *file; /* its name, for messages */
	const void *text;
	size_t n;
	/* Contents of an :include: file: 0, *p and *n, given back by done(), which may
	 * be NULL.  MSV_ERR_BUSY: not at hand yet; it is asked for the others too, then
	 * msv_mta_set_aliases() fails with MSV_ERR_BUSY and the former aliases stay:
	 * call it again when all are there.  Any other error is told as a mistake.
	 * NULL: none may be included. */
	int (*read)(void *user, const char *path, const char **p, size_t *n);
	void (*done)(void *user, const char *p, size_t n);
	void (*problem)(void *user, const char *line);
	void *user;
};

/* A pair of a table. */
struct msv_mta_pair {
	const char *key, *value;
};

/* -- The mta ------------------------------------------------------------------------ */

/* Strings and tables are copied; what else is pointed to must outlive the mta. */
struct msv_mta_options {
	size_t size;
	const char *hostname; /* in Received fields, HELO, bounces [localhost] */
	/* The domains whose mail is delivered here, lower case or not, beyond ASCII
	 * in either form; accounts are looked up as they are spelled here. */
	const char *const *domains;
	size_t ndomains;
	/* The account that gets mail for postmaster@ any domain and postmaster
	 * alone (RFC 5321 4.5.1), where there is no account of that name [the
	 * first account "postmaster@..." of a domain, if there is one] */
	const char *postmaster;
	char tag_separator;            /* user+tag@ ['+'] */
	const struct msv_auth *auth;   /* required: lookup() says who has an account */
	const struct msv_store *store; /* required */
	/* Where bodies beyond body_memory go, as files without a name [/tmp]. */
	const char *spool;
	size_t body_memory;   /* a body up to this stays in memory [256 KiB] */
	size_t memory_budget; /* all bodies in memory together [64 MiB] */

	/* -- Sending; without queue, transport and dns nothing is sent. */
	struct msv_queue *queue;
	const struct msv_transport *transport;
	const struct msv_dns *dns;
	struct msv_tls_client *client_tls;  /* whom to trust; NULL: mail goes in the clear */
	const struct msv_mta_route *routes; /* [one: direct, all domains] */
	size_t nroutes;
	/* Own addresses: an MX there is this host. */
	const char *const *own_addresses;
	size_t nown_addresses;
	uint32_t lifetime_s;       /* given up after [4 days] */
	uint32_t warn_s;           /* tell the sender of a delay [4 hours]; UINT32_MAX never */
	uint32_t retry_first_s;    /* [300] */
	uint32_t retry_longest_s;  /* [4 hours] */
	uint32_t host_connections; /* to one address at once [10] */
	uint32_t destination_connections; /* for one domain or next hop [20] */
	uint32_t connections;             /* in all [100] */
	uint32_t connection_messages;     /* over one connection [100] */
	/* [100]; fewer where the host says so (RFC 9422) */
	uint32_t transaction_recipients;

	/* -- Addresses. */
	const struct msv_program_runner *programs; /* NULL: aliases must not name any */
	/* Forwarded mail leaves with a sender of this domain, as SRS has it [the
	 * first domain when there is a secret]; the first secret signs, all are taken
	 * back. */
	const char *srs_domain;
	const char *const *srs_secrets; /* none: the sender stays as it is */
	size_t nsrs_secrets;
	const struct msv_mta_pair *masquerade; /* "@inner.example.org" -> "@example.org" */
	size_t nmasquerade;
	/* Who may send as which address beside their own and the aliases that lead
	 * to them: account -> "address", "@domain" or "*". */
	const struct msv_mta_pair *senders;
	size_t nsenders;
	/* Accounts may send as any address; so they may with neither queue nor senders. */
	bool any_sender;
};

/* MSV_ERR_INVAL (no auth, auth->lookup or store; a route without its host;
 * queue without transport or dns), MSV_ERR_FORMAT (a domain that is none, or
 * beyond ASCII in a build without libidn2), MSV_ERR_NOMEM. */
MSV_API int msv_mta_new(
    struct msv_env *env, const struct msv_mta_options *options, struct msv_mta **out);

/* Takes the aliases, at the start or anew.  MSV_ERR_NOMEM, MSV_ERR_LIMIT (larger
 * than 64 MiB), MSV_ERR_BUSY (see read()): the former stay. */
MSV_API int msv_mta_set_aliases(struct msv_mta *mta, const struct msv_mta_aliases *aliases);

/* The handler for msv_smtp_config, of any role; its `user` is the mta.  Lives
 * as long as the mta. */
MSV_API const struct msv_smtp_handler *msv_mta_handler(struct msv_mta *mta);

/* Stops and resumes: taking new mail in (421 4.3.2 to MAIL) and sending. */
enum msv_mta_direction { MSV_MTA_IN, MSV_MTA_OUT };
MSV_API void msv_mta_pause(struct msv_mta *mta, enum msv_mta_direction direction, bool pause);
MSV_API bool msv_mta_paused(const struct msv_mta *mta, enum msv_mta_direction direction);

/* What would become of a message, without sending it: each decision on the way
 * is a row, struct msv_mta_step - rules, expansion, sender rewriting, routes,
 * DNS answers, limits. */
struct msv_mta_question {
	size_t size;
	const char *from, *to;
	const char *peer;    /* address of the client, NULL any */
	const char *account; /* logged in as, NULL nobody */
};
struct msv_mta_step {
	size_t size;
	unsigned depth;   /* steps below another's */
	const char *what; /* "alias", "account", "route", "mx", "refused" ... */
	const char *text; /* one line */
};
struct msv_mta_explain_op {
	struct msv_op *op;
};
MSV_API void msv_mta_explain(
    struct msv_mta *mta, const struct msv_mta_question *question, struct msv_mta_explain_op op);

/* Lines of the outgoing protocol as they come and go, passwords left out; NULL:
 * no more. */
MSV_API void msv_mta_set_trace(
    struct msv_mta *mta, void (*line)(void *user, const char *line), void *user);

/* After all connections that use it.  Outgoing connections are closed at once;
 * what was under way is tried again when the queue is opened anew. */
MSV_API void msv_mta_free(struct msv_mta *mta);

#ifdef __cplusplus
}
#endif

#endif
