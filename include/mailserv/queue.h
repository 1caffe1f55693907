/*
 * The queue: messages on their way to other hosts, kept until every recipient
 * is served or given up.  Envelopes and schedule are in one SQLite file, each
 * body in a file beside it; both are durable before a message counts as taken.
 * Absent in a build without SQLite: msv_queue_open() says MSV_ERR_UNSUPPORTED.
 *
 * The mta (mta.h) fills and empties it.  What is here is for whoever looks
 * after it: listing, trying again, holding, removing.  One process opens a
 * queue at a time; a kill at any instant leaves it whole.
 */
#ifndef MAILSERV_QUEUE_H
#define MAILSERV_QUEUE_H

#include <mailserv/base.h>

#ifdef __cplusplus
extern "C" {
#endif

struct msv_queue;

struct msv_queue_options {
	size_t size;
	const char *directory; /* required; made, mode 0700, when missing */
};

/* Blocks while it looks at the files.  MSV_ERR_INVAL; MSV_ERR_BUSY: another process
 * has it open; MSV_ERR_FORMAT: not a queue, or damaged beyond repair (the log
 * says what and the remedy); MSV_ERR_IO, MSV_ERR_DENIED, MSV_ERR_NOSPACE,
 * MSV_ERR_NOMEM, MSV_ERR_UNSUPPORTED. */
MSV_API int msv_queue_open(
    struct msv_env *env, const struct msv_queue_options *options, struct msv_queue **out);
/* After the mta that uses it.  NULL is allowed. */
MSV_API void msv_queue_free(struct msv_queue *queue);

/* How a recipient is served. */
enum msv_queue_kind {
	MSV_QUEUE_REMOTE,  /* by another host: SMTP or LMTP */
	MSV_QUEUE_LOCAL,   /* into a mailbox of ours that could not take it at once */
	MSV_QUEUE_PROGRAM, /* by the program an alias names */
	MSV_QUEUE_KIND_COUNT
};

/* One recipient of a queued message; what is of the message stands in each of its
 * entries.  Strings are never NULL and valid during the call. */
struct msv_queue_entry {
	size_t size;
	const char *id;      /* of the message: the id in the log and in Received */
	const char *from;    /* reverse-path as accepted, "" the null one */
	const char *account; /* who submitted it, "" nobody */
	uint64_t arrived;    /* microseconds since the epoch */
	uint64_t octets;     /* of the body, CRLF line ends */
	uint32_t recipients; /* of the message, still to be served */
	bool held;           /* by the administrator: not tried until released */

	enum msv_queue_kind kind;
	const char *to;
	const char *destination; /* what is tried together: a domain or next hop */
	uint32_t attempts;       /* so far */
	uint64_t next;           /* not before; microseconds since the epoch */
	uint64_t expires;        /* given up after; microseconds since the epoch */
	bool busy;               /* being tried now */
	const char *host;        /* asked last, "" none */
	int code;                /* of its reply, 0 none */
	const char *text;        /* its reply or what went wrong, printable */
};

/* Which entries; a NULL member means any.  All members must fit. */
struct msv_queue_filter {
	size_t size;
	const char *id;
	const char *domain; /* of the recipient's address */
};

/* Answered with rows, struct msv_queue_entry, oldest message first; a row
 * function may return MSV_PAUSE (base.h). */
struct msv_queue_list_op {
	struct msv_op *op;
};
MSV_API void msv_queue_list(
    struct msv_queue *queue, const struct msv_queue_filter *filter, struct msv_queue_list_op op);

/* Answered with struct msv_queue_count; MSV_ERR_NOTFOUND: none fits. */
struct msv_queue_change_op {
	struct msv_op *op;
};
struct msv_queue_count {
	size_t size;
	uint64_t messages, recipients; /* changed */
};
enum msv_queue_change {
	MSV_QUEUE_RETRY,   /* due now */
	MSV_QUEUE_HOLD,    /* whole messages: not tried, nor given up */
	MSV_QUEUE_RELEASE, /* the end of HOLD */
	MSV_QUEUE_REMOVE   /* forgotten, without a bounce; not those being tried now */
};
MSV_API void msv_queue_change(struct msv_queue *queue, enum msv_queue_change change,
    const struct msv_queue_filter *filter, struct msv_queue_change_op op);

/* The message itself as it is queued: rows are struct msv_queue_piece, pieces in order. */
struct msv_queue_body_op {
	struct msv_op *op;
};
struct msv_queue_piece {
	size_t size;
	const void *p;
	size_t n;
};
MSV_API void msv_queue_body(struct msv_queue *queue, const char *id, struct msv_queue_body_op op);

/* Facts, at once and without looking at the disk. */
struct msv_queue_stats {
	size_t size;
	uint64_t messages, recipients; /* queued */
	uint64_t held;                 /* messages */
	uint64_t busy;                 /* recipients being tried now */
	uint64_t oldest;               /* arrival, microseconds since the epoch; 0: empty */
	uint64_t added, delivered, failed, retried; /* recipients, since it was opened */
};
MSV_API void msv_queue_stats(const struct msv_queue *queue, struct msv_queue_stats *stats);

#ifdef __cplusplus
}
#endif

#endif
