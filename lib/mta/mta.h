/* The inside of mail transfer: reception, from MAIL to the answer of a message.
 * Sending is behind relay.h, the queue behind queue.h, names behind aliases.h. */
#ifndef MSV_MTA_MTA_H
#define MSV_MTA_MTA_H

#include <mailserv/mta.h>

#include "base/alloc.h"
#include "base/buf.h"
#include "base/env.h"
#include "base/logline.h"
#include "message/header.h"
#include "mta/aliases.h"
#include "mta/queue.h"
#include "mta/relay.h"

struct mta_transaction;
struct mta_inward;
struct mta_notice;
struct mta_explain;

/* Of the options, with their defaults (mta.h). */
struct mta_limits {
	uint32_t lifetime_s, warn_s, retry_first_s, retry_longest_s;
	uint32_t host_connections, destination_connections, connections;
	uint32_t connection_messages, transaction_recipients;
};

struct msv_mta {
	struct msv_env *env;
	struct msv_smtp_handler handler;
	char *hostname;
	char **domains; /* as the options spell them, in lower case, in their order */
	size_t ndomains;
	char *postmaster;
	char tag_separator;
	const struct msv_auth *auth;
	const struct msv_store *store;
	char *spool;
	size_t body_memory, memory_budget;
	size_t memory_used; /* by all bodies in memory */
	struct mta_transaction *transactions;

	struct msv_queue *queue; /* NULL: nothing is sent; then relay is NULL too */
	struct msv_relay *relay;
	const struct msv_dns *dns;
	struct mta_limits limits;
	bool programs;  /* aliases may name some */
	bool paused_in; /* msv_mta_pause() */

	/* names.c: */
	struct msv_aliases *aliases; /* never NULL */
	struct msv_masquerade masquerade;
	bool masquerades; /* it holds something */
	struct msv_senders senders;
	bool check_senders; /* who logged in may not send as anybody */
	struct msv_srs srs; /* no secrets: none */
	char **srs_secrets; /* what its spans point to */
	char *srs_domain;

	struct mta_inward *inwards;   /* inward.c */
	struct mta_notice *notices;   /* notice.c */
	struct mta_explain *explains; /* explain.c */
};

/* -- names.c: aliases, masquerading, senders, SRS, as the options have them -------- */

int msv_mta_names_init(struct msv_mta *mta, const struct msv_mta_options *options);
void msv_mta_names_fini(struct msv_mta *mta);

/* -- spool.c: a body, in memory or in a file without a name ----------------------- */

struct mta_spool {
	struct msv_mta *mta;
	struct msv_buf memory;
	int fd; /* -1 while in memory */
	uint64_t size;
};

void msv_mta_spool_init(struct mta_spool *spool, struct msv_mta *mta);
/* Appends.  0, MSV_ERR_NOMEM, MSV_ERR_NOSPACE, MSV_ERR_IO. */
int msv_mta_spool_write(struct mta_spool *spool, const void *p, size_t n);
/* Bytes from offset: *p is set, into `room` of n bytes or into memory.  Returns
 * how many, 0 at the end, or MSV_ERR_IO as a negative number. */
int64_t msv_mta_spool_read(
    struct mta_spool *spool, uint64_t offset, void *room, size_t n, const void **p);
/* The mta goes: its memory is no longer counted.  It can be read as before. */
void msv_mta_spool_detach(struct mta_spool *spool);
void msv_mta_spool_fini(struct mta_spool *spool);

/* -- leaves.c: who gets the message, when all is expanded -------------------------------- */

enum mta_leaf_kind { MTA_LOCAL, MTA_REMOTE, MTA_PROGRAM, MTA_DISCARD };

/* What becomes of a leaf (delivery.c). */
enum mta_leaf_state {
	LEAF_IDLE,
	LEAF_BEGIN,
	LEAF_ADD,
	LEAF_TRACE,
	LEAF_BODY,
	LEAF_PREPARE,
	LEAF_PREPARED, /* durable, not visible */
	LEAF_COMMIT,
	LEAF_TO_QUEUE, /* waits for being queued */
	LEAF_DONE      /* error says how; queued: by the queue */
};

struct mta_leaf {
	enum mta_leaf_kind kind;
	/* LOCAL: whom it is for (Delivered-To); REMOTE: where to; PROGRAM: the alias. */
	char *address;
	char *account, *home, *mailbox; /* LOCAL */
	char *destination;              /* REMOTE: relay.h */
	size_t program;                 /* PROGRAM: which of the alias's */
	char *sender;                   /* the reverse-path for it; NULL: the message's */
	/* As in struct msv_leaf; list: sender is that of a list. */
	bool several, forwarded, list;
	size_t rcpt; /* of which accepted RCPT */
	/* -1, or the earlier leaf that is the same. */
	ptrdiff_t same_as;

	/* delivery.c: */
	struct mta_transaction *transaction;
	struct msv_append *append;
	struct msv_op *op;
	uint64_t offset; /* of the body, written so far */
	uint32_t uid;
	enum mta_leaf_state state;
	uint8_t retries;
	bool loops; /* its address is in a Delivered-To of the message */
	bool queued;
	bool wanted; /* LMTP: by a recipient that is not refused */
	int error;
};

void msv_mta_leaf_fini(struct msv_env *env, struct mta_leaf *leaf);

/* All leaves of all recipients together; more are refused with 452. */
#define MTA_LEAVES_MAX ((size_t)10000)

/* An accepted RCPT. */
struct mta_rcpt {
	char *address; /* as the sender wrote it */
	char *orcpt;   /* may be NULL */
	unsigned notify;
	bool loops; /* it is in a Delivered-To of the message */
	size_t first, nleaves;
};

void msv_mta_rcpt_fini(struct msv_env *env, struct mta_rcpt *rcpt);
/* Adds an accepted RCPT with its leaves and takes over what they hold.  A leaf that
 * is there already gets one copy.  MSV_ERR_LIMIT, MSV_ERR_NOMEM: nothing was added
 * or taken. */
int msv_mta_leaves_add(
    struct mta_transaction *t, struct mta_rcpt *rcpt, struct mta_leaf *leaves, size_t n);

/* -- route.c: where mail for an address goes ------------------------------------------ */

/* A reply. */
struct mta_words {
	int code;
	const char *enhanced, *text;
};

/* An address being looked into.  Zeroed and filled in by the asker. */
struct mta_question {
	struct msv_mta *mta;
	bool trusted; /* who asks may send elsewhere */
	bool lmtp;
	const char *session_id; /* for the store; must live as long */
	/* Told each step in words; may be NULL. */
	void (*step)(void *user, const char *what, const char *text);
	/* Told the reply; on 250 leaves[0..nleaves) may be taken (and nleaves zeroed).
	 * Called once, perhaps inside msv_mta_route(). */
	void (*done)(void *user, const struct mta_words *words);
	void *user;

	/* route.c: */
	struct msv_op *op; /* what is asked of auth or store now, NULL nothing */
	struct msv_expansion expansion;
	size_t i;  /* the leaf of it that is looked at */
	bool back; /* it was an SRS address */
	struct mta_leaf found, *leaves;
	size_t nleaves, cap;
};

/* Reads what RCPT takes between < and >: a mailbox, or postmaster alone. */
int msv_mta_read_rcpt(const char *text, struct msv_smtp_mailbox *out);
void msv_mta_route(struct mta_question *q, const struct msv_smtp_address *to);
/* Forgets the question, answered or not; done() is not called any more. */
void msv_mta_question_fini(struct mta_question *q);

/* -- forward.c: the sender of what goes on ----------------------------------------------- */

/* Sets leaf->sender where forwarded mail must not keep that of the message.  0 or
 * MSV_ERR_NOMEM. */
int msv_mta_forward_sender(struct msv_mta *mta, const char *from, struct mta_leaf *leaf);
/* Whom an SRS address of ours stands for: 0, *to points into `room`; MSV_ERR_NOTFOUND:
 * it is none; any other: *words is the reply. */
int msv_mta_forward_back(struct msv_mta *mta, const struct msv_smtp_address *given,
    struct msv_smtp_mailbox *room, struct mta_words *words);

/* -- login.c: may who logged in send as that address? ----------------------------------- */

struct mta_login {
	struct msv_mta *mta;
	struct msv_sender_check check;
	struct msv_buf why;
	struct msv_op *op;
	/* 0, MSV_ERR_DENIED, or a temporary error.  Perhaps called inside
	 * msv_mta_login(). */
	void (*done)(void *user, int error, const char *why);
	void *user;
};

/* mta, done and user are set, the rest is zeroed. */
void msv_mta_login(struct mta_login *l, const char *account, const struct msv_smtp_address *from);
/* Forgets the question, answered or not. */
void msv_mta_login_fini(struct mta_login *l);

/* -- transaction.c: one message ---------------------------------------------------------- */

/* Facts of the session, kept because delivery may outlive it. */
struct mta_origin {
	enum msv_smtp_role role;
	char *session_id, *peer_address, *peer_name, *helo, *with, *tls, *account;
};

struct mta_transaction {
	struct msv_mta *mta; /* NULL: it is gone, and only the queue still reads */
	struct msv_env *env;
	struct mta_transaction *next, **link;
	struct mta_origin origin;
	bool trusted; /* may send to other hosts */
	char *from;
	char id[24];

	/* Parameters of MAIL. */
	char *envid, *hold; /* may be NULL */
	int ret;
	bool body_8bit, smtputf8, requiretls;
	uint64_t hold_until;

	struct msv_reply_op reply; /* of MAIL, RCPT or the message */
	struct mta_login login;
	struct mta_question question;
	struct mta_rcpt asked; /* the RCPT under way */

	struct mta_rcpt *rcpts;
	size_t nrcpts, rcpts_cap;
	struct mta_leaf *leaves;
	size_t nleaves, leaves_cap;
	uint32_t *order; /* the leaves that are not the same as others, sorted */
	size_t norder, order_cap;
	bool leaves_remote; /* one of them is */
	bool full;          /* there were too many: no more RCPT is looked into */

	/* intake.c: */
	struct mta_spool spool;
	struct msv_header_reader header;
	struct msv_buf held; /* the header while it is to be masqueraded */
	bool masquerade;
	bool header_over, has_date, has_message_id, is_signed;
	char *message_id;       /* for the log; NULL none, or no memory for it */
	unsigned delivered_tos; /* seen */

	/* delivery.c, enqueue.c: */
	struct msv_task task;
	uint8_t phase;
	size_t started, busy;
	bool canceled;
	struct msv_buf head; /* of what is queued */
	struct msv_op *queueing;
	void (*queued)(struct mta_transaction *t, int error);
};

/* Frees it; whatever is under way is canceled, nothing of it stays in a
 * mailbox but what is committed. */
void msv_mta_transaction_free(struct mta_transaction *t);
/* Fills the handler's members. */
void msv_mta_handler_init(struct msv_smtp_handler *handler);

/* -- intake.c: the message as it comes ------------------------------------------------------ */

void msv_mta_intake_init(struct mta_transaction *t);
/* 0 or MSV_ERR_*. */
int msv_mta_intake(struct mta_transaction *t, const void *p, size_t n);
/* The message is whole. */
int msv_mta_intake_end(struct mta_transaction *t);
void msv_mta_intake_fini(struct mta_transaction *t);

/* -- trace.c: fields on top ------------------------------------------------------------------- */

/* Appends Received (RFC 5321 4.4), and for submission Date and Message-ID when they
 * are missing (RFC 6409 8). */
int msv_mta_trace_message(struct msv_buf *out, const struct mta_transaction *t);
/* The same below the Return-Path and Delivered-To of a leaf, and X-Original-To when
 * an alias led there. */
int msv_mta_trace(
    struct msv_buf *out, const struct mta_transaction *t, const struct mta_leaf *leaf);

/* -- enqueue.c: what the queue gets ------------------------------------------------------------- */

/* Queues the leaves in state LEAF_TO_QUEUE as one message, id and mark together
 * its id.  0: done() will be called, with 0 or why not; or MSV_ERR_NOMEM. */
int msv_mta_enqueue(struct mta_transaction *t, const char *mark,
    void (*done)(struct mta_transaction *t, int error));
/* What the queue is told of a leaf; the strings are those of the leaf and rcpt, or
 * in *room. */
struct mta_enqueue_room {
	char program[24];
	char orcpt[600];
};
struct queue_recipient msv_mta_queue_recipient(
    const struct mta_rcpt *rcpt, const struct mta_leaf *leaf, struct mta_enqueue_room *room);

/* -- inward.c: routing for relay.h -------------------------------------------------------------- */

void msv_mta_inward(void *mta, const char *address, struct relay_recipients_op op);
void msv_mta_inwards_free(struct msv_mta *mta);

/* -- notice.c: success ---------------------------------------------------------------------------- */

/* Tells the sender what became of the message, where he asked for it: once it is all
 * delivered or queued. */
void msv_mta_notice(const struct mta_transaction *t);
void msv_mta_notices_free(struct msv_mta *mta);

/* -- delivery.c ---------------------------------------------------------------------------------- */

/* Delivers and queues, answers the reply op, frees the transaction. */
void msv_mta_deliver(struct mta_transaction *t, struct msv_reply_op reply);
/* Ends what is under way. */
void msv_mta_delivery_cancel(struct mta_transaction *t);

/* -- outcome.c: what the sender and the log are told ------------------------------------------------ */

/* Logs, answers, and frees the transaction. */
void msv_mta_outcome(struct mta_transaction *t);
/* The error of an accepted RCPT: its leaves' first. */
int msv_mta_rcpt_error(const struct mta_transaction *t, size_t rcpt);

/* -- explain.c ------------------------------------------------------------------------------------ */

void msv_mta_explains_free(struct msv_mta *mta);

#endif
