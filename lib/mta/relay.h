/*
 * Relaying: what is due in the queue goes out - to other hosts, into mailboxes
 * that could not take it at once, to programs - or comes back as a bounce.
 *
 * The scheduler takes deliveries (queue.h) while there is room: connections in
 * all, for one destination, to one address.  Sessions stay with their
 * destination and take its next delivery when they are done with one.  A
 * destination that cannot be reached is left alone for a growing time.
 *
 * It knows nothing of the mta around it: it has the options, the aliases it is
 * given, and a hook for whom a notification goes to.
 */
#ifndef MSV_MTA_RELAY_H
#define MSV_MTA_RELAY_H

#include <mailserv/mta.h>

#include "mta/aliases.h"
#include "mta/queue.h"

struct msv_relay;
struct mta_mx_options;

/* -- Whom a notification goes to ------------------------------------------------------ */

/* Recipients to be queued; valid during the completion.  None: nobody wants it
 * (an alias for /dev/null, say). */
struct relay_recipients {
	const struct queue_recipient *recipients;
	size_t n;
};
/* Result of the completion: const struct relay_recipients *.  MSV_ERR_NOTFOUND:
 * there is no such address; any other error: try again later. */
struct relay_recipients_op {
	struct msv_op *op;
};

struct relay_hooks {
	void *user;
	/* Routes an address, ours or not, as RCPT would route it from a trusted
	 * client: aliases, accounts, tags, domains elsewhere.  NULL: to its domain,
	 * as all others. */
	void (*recipients)(void *user, const char *address, struct relay_recipients_op op);
};

/* -- The whole -------------------------------------------------------------------------- */

/*
 * Copies what it needs of the options (of their routes: all) and of the hooks (may
 * be NULL).  Without a queue nothing is sent, and the routes can still be asked.
 * Sending begins with the next tick: reading a queue's destinations anew
 * (msv_queue_rename_destinations()) is part of this call and blocks.
 *
 * MSV_ERR_INVAL: a queue without transport or dns; a route without its domain,
 * host or path; TLS asked for without a TLS client; a password without TLS to
 * send it through (but to loopback).  MSV_ERR_FORMAT: a domain that is none.
 * MSV_ERR_NOMEM, MSV_ERR_IO.  What is wrong with a route is logged.
 */
int msv_relay_new(struct msv_env *env, const struct msv_mta_options *options,
    const struct relay_hooks *hooks, struct msv_relay **out);
/* Connections are closed at once; deliveries under way stay with the queue, which
 * hands them out again when it is opened anew.  NULL is allowed. */
void msv_relay_free(struct msv_relay *relay);

/* The aliases whose programs are run: looked up by name when it is time.  Takes a
 * reference; NULL: none. */
void msv_relay_set_aliases(struct msv_relay *relay, struct msv_aliases *aliases);
/* No new delivery is begun; those under way are ended. */
void msv_relay_pause(struct msv_relay *relay, bool pause);
bool msv_relay_paused(const struct msv_relay *relay);
/* Lines of the outgoing sessions; NULL: no more (mta.h). */
void msv_relay_set_trace(
    struct msv_relay *relay, void (*line)(void *user, const char *line), void *user);

/* -- Routes -------------------------------------------------------------------------------- */

/* A route as it is used: defaults are filled in, domain in ASCII and lower case. */
struct relay_route {
	char *domain; /* "example.org", ".example.org", "*" */
	enum msv_route_kind kind;
	char *host;    /* SMARTHOST, LMTP; in ASCII; NULL with a path */
	char *path;    /* LMTP */
	uint16_t port; /* 0 with a path */
	enum msv_smtp_tls_mode tls;
	bool implicit_tls;
	char *tls_name; /* NULL: the host's */
	struct msv_tls_client *client_tls;
	char *user, *password, *source, *helo; /* user, source: may be NULL */
	bool accept;
	char *destination; /* SMARTHOST, LMTP: what all its mail is tried together by */
};

/* The route for a domain (in any form, or a literal "[192.0.2.1]"), the most
 * specific one; never NULL: without any rule mail goes directly. */
const struct relay_route *msv_relay_route(const struct msv_relay *relay, const char *domain);

/* Room for the longest destination, with its NUL. */
#define RELAY_DESTINATION_SIZE 1024
/*
 * What queue_recipient.destination is for a REMOTE recipient of that domain: the
 * domain in ASCII when its mail goes directly; "host:port", "lmtp:host:port",
 * "lmtp:/path" by another route.  MSV_ERR_FORMAT: no domain; MSV_ERR_LIMIT.
 */
int msv_relay_destination(
    const struct msv_relay *relay, const char *domain, char out[RELAY_DESTINATION_SIZE]);
/* ... and of the others.  A PROGRAM recipient has the alias's name in `account`
 * and, when it is not the first program behind that name, its index in `mailbox`
 * in decimal. */
#define RELAY_LOCAL   "local"
#define RELAY_PROGRAM "program"

/* How msv_mx_resolve() is asked on behalf of a route; points into both. */
void msv_relay_mx_options(
    const struct msv_relay *relay, const struct relay_route *route, struct mta_mx_options *out);

#endif
