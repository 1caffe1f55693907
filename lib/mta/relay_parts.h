/* The parts of relaying, for the files relay*.c and bounce*.c. */
#ifndef MSV_MTA_RELAY_PARTS_H
#define MSV_MTA_RELAY_PARTS_H

#include "base/alloc.h"
#include "base/buf.h"
#include "base/env.h"
#include "base/logline.h"
#include "mta/mx.h"
#include "mta/relay.h"

/* Microseconds. */
#define SECOND ((uint64_t)1000000)

/* -- relay_peers.c: what is remembered of destinations and addresses ----------------- */

/* A destination, or the address and port of a host. */
struct relay_peer {
	char *name;
	struct relay_peer *next;          /* of its bucket */
	struct relay_peer *older, *newer; /* by last use */
	unsigned sessions;                /* places taken now; of these */
	unsigned idle;                    /* wait for work, */
	unsigned up;                      /* are set up */
	unsigned limit;                   /* how many may be taken */
	unsigned good;                    /* messages since the limit was lowered, */
	bool crowded;                     /* because the host said so */
	unsigned failures;                /* in a row */
	uint64_t worked;                  /* last took a message; microseconds since the epoch */
	uint64_t blocked;                 /* left alone until then; microseconds since the epoch */
	char *reason;                     /* why; may be NULL */

	/* Destinations alone. */
	uint64_t told;      /* the queue: to give none before then */
	uint64_t attention; /* while blocked: when somebody must be told of it; 0 not known */
	bool draining;      /* a session looks at all that is due */
};

/* Bounded: those not used for longest are forgotten. */
struct relay_peers {
	struct msv_env *env;
	struct relay_peer **buckets;
	struct relay_peer *oldest, *newest;
	size_t n;
	uint32_t seed;  /* strangers choose the names */
	unsigned limit; /* of a new one */
};

int msv_relay_peers_init(struct relay_peers *peers, struct msv_env *env, unsigned limit);
void msv_relay_peers_fini(struct relay_peers *peers);
/* The one of that name, made when there is none; NULL: no memory. */
struct relay_peer *msv_relay_peer(struct relay_peers *peers, const char *name);
/* It could not be used: nothing until a time that grows with each failure in a
 * row.  One that is blocked already stays as it is. */
void msv_relay_peer_failed(struct relay_peers *peers, struct relay_peer *peer, const char *reason);
/* It works: `limit` places, unless it said that these are too many. */
void msv_relay_peer_works(struct relay_peers *peers, struct relay_peer *peer, unsigned limit);
/* It says that we are too many: fewer than now are enough. */
void msv_relay_peer_crowded(struct relay_peer *peer);
/* All are worth a try now. */
void msv_relay_peers_forgive(
    struct relay_peers *peers, void (*told)(void *user, struct relay_peer *peer), void *user);
bool msv_relay_peer_blocked(const struct relay_peers *peers, const struct relay_peer *peer);

/* -- relay_work.c: a delivery under way, and how it went ----------------------------------- */

enum relay_verdict {
	RELAY_BACK,    /* was not tried and may be, at `next`: no fault of anybody's */
	RELAY_BLOCKED, /* was not tried, as others have just failed there */
	RELAY_LATER,   /* tried, and to be tried again */
	RELAY_SENT,    /* DONE */
	RELAY_NEVER    /* FAILED */
};

/* Why; strings are copied. */
struct relay_reason {
	int code;             /* of the reply, 0 none */
	const char *enhanced; /* "4.4.1", "" none */
	const char *text;
	bool remote; /* the next hop's words */
};

/* How a target went. */
struct relay_outcome {
	enum relay_verdict verdict;
	bool told;    /* SENT: the next hop tells the sender of it, if anybody does */
	bool expired; /* NEVER: because there was no more time */
	bool warned;  /* LATER, BLOCKED: the sender is told of the delay */
	uint64_t next;
	char *text;        /* may be NULL */
	char *last;        /* expired: the reason before that; may be NULL */
	char enhanced[12]; /* "" none */
	int code;
	bool remote;
};

struct relay_work {
	struct msv_env *env;
	struct msv_relay *relay; /* NULL: it is gone, and this only waits for the queue */
	struct relay_work *next, **link;
	struct queue_delivery *delivery;
	size_t targets;
	struct relay_outcome *outcomes; /* one for each target */
	struct queue_result *results;   /* likewise, for the queue */
	struct msv_op *settled;         /* made at the start: its end cannot fail */
	uint64_t until;                 /* BACK, BLOCKED: not before; 0 at once */
	char *host;                     /* "mx1.example.org[192.0.2.1]", NULL nobody was asked */
	char tls[16];                   /* "TLSv1.3", "" in the clear */
	bool final;                     /* the next hop is where the mailboxes are */
	void (*done)(void *user);       /* it is settled, and gone */
	void *user;
	struct relay_notice *notices; /* bounce.c's */
};

/* Takes a delivery on; NULL: no memory, and the queue has it back. */
struct relay_work *msv_relay_work_new(struct msv_relay *relay, struct queue_delivery *delivery);
/* Says how one target, or each of them, went; the last word counts. */
void msv_relay_work_say(struct relay_work *work, size_t i, enum relay_verdict verdict,
    const struct relay_reason *reason);
void msv_relay_work_say_all(
    struct relay_work *work, enum relay_verdict verdict, const struct relay_reason *reason);
/* Who was asked: NULL, nobody. */
void msv_relay_work_asked(struct relay_work *work, const char *host, const char *tls);
/* Everything is said: bounces, logs, writes it down, then calls done(user). */
void msv_relay_work_finish(struct relay_work *work, void (*done)(void *user), void *user);
/* The same after nothing was done, for want of memory say: it is due again soon. */
void msv_relay_work_put_back(struct relay_work *work);
/* A recipient is tried again soon after all, as nobody could be told of its end. */
void msv_relay_work_back(struct relay_work *work, size_t i);
/* ... with these notifications; for bounce.c. */
void msv_relay_work_settle(struct relay_work *work, const struct queue_message *messages, size_t n);
/* Lets go without writing anything down: the relay ends.  One that is being written
 * down goes on by itself. */
void msv_relay_work_drop(struct relay_work *work);
/* When somebody must be told of it, next time, if it is not sent before; UINT64_MAX
 * never. */
uint64_t msv_relay_work_attention(const struct relay_work *work);
/* The bits of what a sender wants to be told of a target, defaults filled in; 0: there
 * is nobody to be told. */
unsigned msv_relay_work_notify(const struct relay_work *work, size_t i);

/* -- relay_body.c: a delivery's body, piece by piece -------------------------------------------- */

struct relay_body {
	struct msv_env *env;
	struct queue_delivery *delivery;
	struct msv_op *op;
	char *piece;
	uint64_t offset; /* of the piece */
	size_t n;
	int error;
	bool have; /* a piece; with n 0 it is the end */
	void (*ready)(void *user);
	void *user;
};

/* ready() is called when a piece that was not there has come. */
void msv_relay_body_init(struct relay_body *body, struct msv_env *env,
    struct queue_delivery *delivery, void (*ready)(void *user), void *user);
/* *p and *n as of msv_smtp_message.read; MSV_PAUSE: not there yet. */
int msv_relay_body_get(struct relay_body *body, uint64_t offset, const void **p, size_t *n);
void msv_relay_body_fini(struct relay_body *body);

/* -- relay_session.c: a connection to a next hop --------------------------------------------------- */

/* An address to try. */
struct relay_hop {
	char *name;    /* the host's, for TLS and the log */
	char *address; /* or the path of a socket */
};

enum relay_session_state {
	RELAY_RESOLVING,
	RELAY_CONNECTING,
	RELAY_SENDING,
	RELAY_SETTLING, /* the queue writes down what came of it */
	RELAY_TAKING,   /* it asks for the next delivery */
	RELAY_IDLE,
	RELAY_DRAINING, /* it tells those whose time is over that nobody was reached */
	RELAY_QUITTING
};

struct relay_session {
	struct msv_relay *relay;
	struct relay_session *next, **link;
	enum relay_session_state state;
	struct relay_peer *destination, *host; /* places taken; host may be NULL */
	const struct relay_route *route;
	struct relay_work *work;
	struct msv_op *op; /* what is under way, NULL nothing */
	struct msv_conn *conn;
	struct relay_body body;
	struct relay_hop *hops;
	size_t nhops, at;
	uint64_t began;      /* the connection, or the try for one */
	uint64_t soonest;    /* of the addresses that are left alone, when the first is not */
	uint64_t attention;  /* of the deliveries it had; UINT64_MAX none */
	bool tried;          /* some address */
	bool crowded;        /* an address has no free place */
	bool clear;          /* TLS failed: once without */
	bool over;           /* the connection takes no more */
	bool up;             /* it is set up, and counted as such; then: */
	char tls[16];        /* "" in the clear */
	unsigned extensions; /* MSV_SMTP_EXT_* */
	uint32_t rcpt_max;   /* 0 not told */
	bool doubt;          /* an address may do another time */
	bool unmakable;      /* the client could not be configured */
	unsigned messages;   /* that came through over this connection */
	unsigned restarts;   /* in a row, of connections that ended too early */
	struct relay_reason reason; /* of the last failure; its strings are these: */
	char *reason_text;
	char reason_enhanced[12];
	bool reason_permanent;
};

/* Begins a session for a delivery of a REMOTE destination.  Takes the work in any
 * case. */
void msv_relay_session_start(
    struct msv_relay *relay, struct relay_peer *destination, struct relay_work *work);
/* Gives one that is idle another delivery. */
void msv_relay_session_use(struct relay_session *session, struct relay_work *work);
/* The idle one of a destination (NULL: of any, the longest there), or NULL. */
struct relay_session *msv_relay_session_idle(
    struct msv_relay *relay, const struct relay_peer *destination);
/* One is ending: its place will be free. */
bool msv_relay_session_quitting(const struct msv_relay *relay);
/* Ends it: says QUIT when it can. */
void msv_relay_session_quit(struct relay_session *session);
/* Ends them all at once. */
void msv_relay_sessions_free(struct msv_relay *relay);

/* The work is settled, then the session goes on, if it can. */
void msv_relay_session_finish(struct relay_session *session);
/* Closes the connection at once, gives up what is under way. */
void msv_relay_session_drop(struct relay_session *session);
void msv_relay_session_state(struct relay_session *session, enum relay_session_state state);

/* -- relay_connect.c: addresses, one after the other ------------------------------------------------- */

/* Looks for a connection to carry the session's work. */
void msv_relay_connect(struct relay_session *session);
/* All of it again, as a connection ended too early. */
void msv_relay_session_again(struct relay_session *session);
/* To the address that is next; to the same one, without TLS. */
void msv_relay_session_next_hop(struct relay_session *session);
void msv_relay_session_in_the_clear(struct relay_session *session);
/* Why this address did not do. */
void msv_relay_session_remember(
    struct relay_session *session, const struct relay_reason *reason, bool permanent);
/* It is to blame, or too busy with us. */
void msv_relay_session_blame(struct relay_session *session);
/* The destination is left alone for a while, for the reason remembered. */
void msv_relay_session_back_off(struct relay_session *session);
void msv_relay_session_skip(struct relay_session *session);
/* Something of our own is missing, memory say: the queue has the work back. */
void msv_relay_own_trouble(struct relay_session *session);
void msv_relay_hops_clear(struct relay_session *session);

/* -- relay_drain.c: senders who wait for a destination that cannot be reached ------------------------- */

/* Ends the session, after looking at all that is due there if it is time. */
void msv_relay_drain(struct relay_session *session);

/* -- relay_send.c: a message over it ------------------------------------------------------------------ */

void msv_relay_send(struct relay_session *session);

/* -- relay_local.c, relay_program.c: deliveries on this machine ---------------------------------------- */

/* Delivers all targets, one after the other; says how it went and finishes. */
void msv_relay_local_start(
    struct msv_relay *relay, struct relay_peer *destination, struct relay_work *work);
void msv_relay_locals_free(struct msv_relay *relay);

/* -- bounce.c: who is told ------------------------------------------------------------------------------- */

/* Makes the notifications that the outcomes call for, then calls
 * msv_relay_work_settle() with them.  Failures that cannot be told of now become
 * RELAY_BACK. */
void msv_relay_notify(struct relay_work *work);
void msv_relay_notices_free(struct relay_work *work);

/* -- relay.c ----------------------------------------------------------------------------------------------- */

struct msv_relay {
	struct msv_env *env;
	char *hostname;
	const struct msv_auth *auth;
	const struct msv_store *store;
	struct msv_queue *queue;
	const struct msv_transport *transport;
	const struct msv_dns *dns;
	const struct msv_program_runner *programs;
	char *spool;                /* where programs' files are */
	struct relay_route *routes; /* the last is what counts without any rule */
	size_t nroutes;
	char **own_addresses;
	size_t nown_addresses;
	struct queue_schedule schedule;
	uint32_t host_connections, destination_connections, connections;
	uint32_t connection_messages, transaction_recipients;
	struct relay_hooks hooks;
	struct msv_aliases *aliases;
	void (*trace)(void *user, const char *line);
	void *trace_user;

	bool paused, dry;        /* dry: the queue had nothing when asked last */
	struct relay_work *held; /* waits for a place */
	struct msv_timer *timer;
	struct msv_task task;
	struct msv_op *taking;
	unsigned places; /* taken, of `connections` */
	struct relay_peers destinations, hosts;
	struct relay_work *works;
	struct relay_session *sessions;
	struct relay_local *locals;
	struct queue_result *spare; /* for deliveries there is no memory for */
};

/* Looks, soon, whether something can be begun. */
void msv_relay_look(struct msv_relay *relay);
uint64_t msv_relay_now(const struct msv_relay *relay);
/* A place of a destination is taken, is free, waits for work, has some again: the
 * queue is told when there is none or one again. */
void msv_relay_place_take(struct msv_relay *relay, struct relay_peer *destination);
void msv_relay_place_free(struct msv_relay *relay, struct relay_peer *destination);
void msv_relay_place_idle(struct msv_relay *relay, struct relay_peer *destination, bool idle);
/* Tells the queue until when a destination is to be left alone. */
void msv_relay_place_update(struct msv_relay *relay, struct relay_peer *destination);

/* -- relay_route.c --------------------------------------------------------------------------------------------- */

int msv_relay_routes_init(struct msv_relay *relay, const struct msv_mta_options *options);
void msv_relay_routes_fini(struct msv_relay *relay);
/* The route of a delivery's destination. */
const struct relay_route *msv_relay_route_of(
    const struct msv_relay *relay, const char *destination);

#endif
