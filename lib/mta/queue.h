/* What the mta asks of the queue: taking messages in, handing out what is due,
 * and writing down how it went.  Everything in it is data: nothing of it is
 * ever run, and no name in it becomes a path. */
#ifndef MSV_MTA_QUEUE_H
#define MSV_MTA_QUEUE_H

#include <mailserv/queue.h>

#include "base/env.h"

/* -- Taking a message in ------------------------------------------------------------ */

struct mta_spool;

/* A recipient to be queued.  Strings may be NULL for "". */
struct queue_recipient {
	enum msv_queue_kind kind;
	const char *address;     /* where to, without source route */
	const char *destination; /* what is tried together; compared octet by octet */
	const char *sender;      /* reverse-path for this one; NULL: the message's */
	const char *orcpt;       /* as RFC 3461 4.2 has it, decoded: "rfc822;a@b" */
	const char *account;     /* LOCAL: the account's name; PROGRAM: the alias's */
	const char *mailbox;     /* LOCAL */
	unsigned notify;         /* MSV_NOTIFY_*, 0 not said */
};

struct queue_message {
	const char *id;      /* unique; letters and digits */
	const char *from;    /* "" the null reverse-path */
	const char *account; /* who submitted it */
	const char *envid;   /* decoded; "" none (RFC 3461 4.4) */
	const char *hold;    /* FUTURERELEASE as asked for, "for;60"; "" none (RFC 4865 5.1.2) */
	const char *origin;  /* one line for the log and listings: session and peer */
	int ret;             /* MSV_RET_* */
	bool body_8bit, smtputf8, requiretls, is_signed; /* is_signed: has a DKIM-Signature */
	bool is_bounce;                                  /* made here, never answered by another */
	uint64_t arrived;                                /* microseconds since the epoch */
	uint64_t not_before;                             /* FUTURERELEASE (RFC 4865); 0 at once */
	uint64_t expires;                                /* given up after */
	const struct queue_recipient *recipients;
	size_t nrecipients;
	/* The body: `head` (trace fields), then the spool.  Both stay as they are
	 * until the op is answered, even when it is canceled. */
	const void *head;
	size_t nhead;
	struct mta_spool *spool; /* may be NULL: head alone */
};

struct queue_add_op {
	struct msv_op *op;
};
/*
 * Takes a message in.  Answered with 0 once body, directory entry and envelope
 * are durable; one commit serves all that wait.  Strings are copied.
 * MSV_ERR_NOSPACE, MSV_ERR_IO, MSV_ERR_NOMEM, MSV_ERR_EXISTS (the id), MSV_ERR_INVAL
 * (no id or recipient), MSV_ERR_LIMIT (a string of 2,048 octets or more, a million
 * recipients): nothing is kept.  Cancel is honoured until the commit; after that the
 * message is in.  Control octets in strings come out as '?'.
 */
void msv_queue_add(
    struct msv_queue *queue, const struct queue_message *message, struct queue_add_op op);

/* -- Handing out what is due --------------------------------------------------------------- */

/* One recipient of a delivery. */
struct queue_target {
	uint64_t row; /* the queue's */
	const char *address, *orcpt, *account, *mailbox;
	unsigned notify;
	uint32_t attempts; /* before this one */
	bool warned;       /* the delay warning went out */
};

/* Recipients of one message, kind, sender and destination: what goes in one transaction. */
struct queue_delivery {
	struct msv_queue *queue;
	enum msv_queue_kind kind;
	const char *id, *from /* for this delivery */, *sender /* the message's */;
	const char *account, *envid, *hold, *origin, *destination;
	int ret;
	bool body_8bit, smtputf8, requiretls, is_signed, is_bounce;
	uint64_t arrived, expires;
	uint64_t octets; /* of the body */
	struct queue_target *targets;
	size_t ntargets;
};

struct queue_take_op {
	struct msv_op *op;
};
/*
 * Hands out one due delivery of at most `max` recipients: the longest due one
 * of that destination, or (NULL) of any destination that is not blocked.
 * Answered with struct queue_delivery *, the asker's until settled, or NULL
 * result when there is none.  What is handed out is not handed out again until
 * it is settled, or the queue is opened anew.  In no order of messages, but
 * destinations take turns.  After an error ask again after a while.
 */
void msv_queue_take(
    struct msv_queue *queue, const char *destination, size_t max, struct queue_take_op op);

/* When take(NULL) has something to give, as far as is known now: microseconds since
 * the epoch, 0 now, UINT64_MAX never.  `on_due` (one, NULL none) is called from the
 * loop when that got earlier. */
uint64_t msv_queue_next(const struct msv_queue *queue);
void msv_queue_on_due(struct msv_queue *queue, void (*on_due)(void *user), void *user);
/* Whoever looks after the queue wants something tried now (MSV_QUEUE_RETRY): a
 * destination blocked for its failures is worth a try.  `on_retry` (one, NULL none)
 * is called from the loop. */
void msv_queue_on_retry(struct msv_queue *queue, void (*on_retry)(void *user), void *user);

/* No delivery of that destination to take(NULL) before then (0: from now on again).
 * UINT64_MAX: until further notice, e.g. all its connections are busy.  Not kept
 * over a restart. */
void msv_queue_block(struct msv_queue *queue, const char *destination, uint64_t until);

/* Recomputes what is tried together: `name` gives the destination of an address of kind
 * REMOTE into out (1,024 bytes) after a change of the routes.  Once, at the start; blocks.
 * Asked once per domain. */
int msv_queue_rename_destinations(struct msv_queue *queue,
    int (*name)(void *user, const char *domain, char *out, size_t room), void *user);

/* A piece of a delivery's body, read by a job: answered with struct queue_piece.  At the
 * end n is 0.  MSV_ERR_IO, MSV_ERR_NOTFOUND (the file is gone; logged). */
struct queue_read_op {
	struct msv_op *op;
};
struct queue_piece {
	const void *p; /* valid during the completion */
	size_t n;
};
void msv_queue_read(
    struct queue_delivery *delivery, uint64_t offset, size_t n, struct queue_read_op op);

/* -- Writing down how it went ----------------------------------------------------------------- */

enum queue_outcome { QUEUE_RETRY, QUEUE_DONE, QUEUE_FAILED };

struct queue_result {
	enum queue_outcome outcome; /* DONE and FAILED end the recipient */
	uint64_t next;              /* RETRY: not before */
	bool attempted;             /* counts as an attempt */
	bool warned;                /* a delay warning goes out with this */
	const char *host;           /* who was asked, "" or NULL none */
	int code;                   /* 0 none */
	const char *text;           /* cleaned; kept up to 512 octets */
};

struct queue_settle_op {
	struct msv_op *op;
};
/*
 * One result per target, in order, and messages that come of it (bounces), all
 * in one commit: an end that is written down has its bounce queued.  The last
 * recipient's end removes the body.  The delivery is the queue's again, whatever
 * the answer.  When writing fails it is tried again after a while, until it
 * works or the queue is freed: the op (its op may be NULL: nobody waits) is
 * answered only then.  Heads of new messages are copied; a spool must stay until the
 * answer, so with a spool somebody must wait.  Only with new messages: MSV_ERR_NOMEM,
 * nothing is written and the delivery is due again.  RETRY without host and text
 * leaves those written before.
 */
void msv_queue_settle(struct queue_delivery *delivery, const struct queue_result *results,
    const struct queue_message *new_messages, size_t n, struct queue_settle_op op);

/* -- schedule.c: when to try again ---------------------------------------------------------------- */

struct queue_schedule {
	uint64_t first_s;   /* wait after the first attempt [300]; greylisting hosts want minutes */
	uint64_t longest_s; /* wait at most [14400] */
	uint64_t lifetime_s; /* give up after [345600, 4 days] */
	uint64_t warn_s; /* tell the sender of the delay after [14400, 4 hours]; UINT64_MAX never */
};
/*
 * When a recipient is tried again: a pure function.  `attempt` counts from 1,
 * `random` is any number: it moves the time by up to an eighth.  Grows by half
 * each time.  Never after `expires` without having been tried there: the last
 * attempt is at the end of the lifetime.
 */
uint64_t msv_schedule_next(const struct queue_schedule *schedule, uint32_t attempt, uint64_t now,
    uint64_t expires, uint32_t random);

#endif
