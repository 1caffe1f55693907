/* The queue's inside: what its files share. */
#ifndef MSV_MTA_QUEUE_INSIDE_H
#define MSV_MTA_QUEUE_INSIDE_H

#include "base/alloc.h"
#include "base/op.h"
#include "mta/queue.h"
#include "mta/queue_db.h"
#include "mta/queue_files.h"
#include "mta/queue_turns.h"

/* -- The desk: what jobs on the database touch, one job at a time ----------------------- */

#define QUEUE_MAX_ORPHANS 256

struct queue_work;

struct queue_desk {
	struct queue_db db;
	struct queue_files files;
	struct queue_work *batch;
	uint64_t now;               /* microseconds since the epoch */
	bool dirs[QUEUE_BODY_DIRS]; /* to be synced before the commit */
	/* Bodies without a row, removed after the next commit that works: one that
	 * failed may still be found in SQLite's log after a loss of power. */
	uint64_t orphan[QUEUE_MAX_ORPHANS];
	size_t norphans;
	bool gone;       /* there are bodies to be removed */
	uint64_t oldest; /* arrival */
	int error;       /* of the transaction */
};

/*
 * Something to be done with the database.  All that waits goes into one job: first
 * each one's `write`, in one transaction, then each one's `read`, with `error` set
 * when its write did not come to be.
 */
struct queue_work {
	struct queue_work *next;
	struct msv_queue *queue;
	/* On the loop, before the job; false: it is dealt with and gone.  NULL: none. */
	bool (*prepare)(struct queue_work *work);
	int (*write)(struct queue_desk *desk, struct queue_work *work); /* in the job; NULL none */
	void (*read)(struct queue_desk *desk, struct queue_work *work); /* in the job; NULL none */
	void (*done)(struct queue_work *work); /* on the loop; MSV_ERR_CANCELED: queue freed */
	int error;
	bool lasting; /* done even when the queue is being freed */
};

/* -- The queue ---------------------------------------------------------------------------- */

struct queue_taken;
struct queue_stream;

#define QUEUE_SWEEP 256

/* Removes bodies (queue_sweep.c). */
struct queue_sweep {
	struct queue_work work;
	uint64_t message[QUEUE_SWEEP];
	size_t n;
	bool active;
};

struct msv_queue {
	struct msv_env *env;
	char *directory;
	struct queue_desk desk;
	bool running;  /* the desk is a job's */
	bool closed;   /* freed by its owner */
	unsigned jobs; /* under way, of any sort */
	struct queue_work *waiting, **waiting_end;
	struct msv_task dispatch;
	struct queue_turns turns;
	uint64_t next_message;
	struct queue_taken *taken;     /* handed out */
	struct queue_stream *streams;  /* lists and bodies being given */
	struct queue_taken *unsettled; /* to be written again */
	struct queue_sweep sweep;
	struct msv_timer *retry;
	uint32_t failures; /* of settling, in a row */
	struct msv_queue_stats stats;
	void (*on_due)(void *user);
	void *due_user;
	void (*on_retry)(void *user);
	void *retry_user;
	struct msv_task due_task;
	uint64_t due; /* what was said last */
};

/* -- queue_chain.c: one job at a time ----------------------------------------------------------- */

void msv_queue_chain_init(struct msv_queue *queue);
/* Hands work in; its done() comes from the loop, or at once when the queue is closed. */
void msv_queue_submit(struct queue_work *work);
/* A job that is not of the chain: counted, so that the queue stays.  0 or MSV_ERR_NOMEM. */
int msv_queue_job(
    struct msv_queue *queue, void (*work)(void *data), void (*done)(void *data), void *data);
/* First thing in its done(). */
void msv_queue_job_over(struct msv_queue *queue);
/* Last thing in whatever may have been the last: frees a closed queue. */
void msv_queue_rest(struct msv_queue *queue);
/* The body has no row.  In a job. */
void msv_queue_orphan(struct queue_desk *desk, uint64_t message);
/* Frees what is left; no job is under way.  (queue.c) */
void msv_queue_destroy(struct msv_queue *queue);

/* -- queue_sweep.c -------------------------------------------------------------------------- */

/* Has what is gone removed, if there is any.  The desk is nobody's. */
void msv_queue_sweep(struct msv_queue *queue);

/* -- queue_due.c: what is due, and who is told -------------------------------------------------- */

/* What somebody found out about a destination in a job. */
struct queue_look {
	struct queue_dest *dest; /* pinned */
	bool looked, exists;
	uint64_t due;
};
/* In a job.  0 or MSV_ERR_*. */
int msv_queue_look(struct queue_desk *desk, struct queue_look *look);
/* On the loop: believes it, and unpins. */
void msv_queue_looked(struct msv_queue *queue, struct queue_look *look);
/* Tells who waits when something is due earlier than was said. */
void msv_queue_announce(struct msv_queue *queue);

/* -- queue_new.c: messages on their way in ------------------------------------------------------- */

/* What stands in message.flags. */
enum {
	QUEUE_FLAG_8BIT = 1,
	QUEUE_FLAG_SMTPUTF8 = 2,
	QUEUE_FLAG_REQUIRETLS = 4,
	QUEUE_FLAG_SIGNED = 8,
	QUEUE_FLAG_BOUNCE = 16,
};

struct queue_new_recipient {
	struct queue_recipient given; /* strings are copies */
	const char *domain;
	struct queue_dest *dest; /* pinned */
};

struct queue_new {
	struct msv_queue *queue;
	struct queue_message given; /* strings are copies */
	struct queue_new_recipient *recipients;
	uint64_t row;
	char *text; /* all strings */
	void *copied_head;
	/* The job that writes the body. */
	void *room;
	void (*done)(void *user);
	void *user;
	int error;
	bool written; /* the body is on disk */
	bool refused; /* by the database, for good */
};

/* Copies a message.  copy_head: the head as well.  MSV_ERR_INVAL, MSV_ERR_LIMIT,
 * MSV_ERR_NOMEM. */
int msv_queue_new_init(struct msv_queue *queue, struct queue_new *new,
    const struct queue_message *message, bool copy_head);
void msv_queue_new_fini(struct queue_new *new);
/* Writes the body; done(user) comes from the loop, with `error`.  MSV_ERR_NOMEM: it
 * does not. */
int msv_queue_new_write(struct queue_new *new, void (*done)(void *user), void *user);
/* In a job: the rows. */
int msv_queue_new_insert(struct queue_desk *desk, struct queue_new *new);
/* On the loop: the rows are committed. */
void msv_queue_new_in(struct queue_new *new);
/* The domain of an address as it is compared, "" none; up to QUEUE_TEXT_SIZE. */
void msv_queue_domain(const char *address, char *out);

/* -- queue_take.c: handed out --------------------------------------------------------------------- */

/* How it went with a recipient, until that is written down. */
struct queue_outcome_copy {
	struct queue_result given;
	char host[256], text[513];
};

/* A delivery that is out.  All that settling without new messages needs is here
 * before it is handed out, so that it cannot fail for want of memory. */
struct queue_taken {
	struct queue_delivery delivery; /* first */
	struct queue_taken *next, **link;
	struct queue_work work; /* to write it down, or to put it back */
	struct queue_look look; /* at its destination, which it pins */
	uint64_t message;       /* its row */
	char *room;             /* of the strings */
	char *body;             /* in `room`, all of it, if it is small; else NULL */
	struct queue_outcome_copy *outcomes;

	/* queue_settle.c: */
	struct msv_op *op; /* or NULL */
	struct queue_new *news;
	size_t nnews;
	size_t writing;  /* bodies */
	bool gone, held; /* the message went with it, which was held */
	uint64_t delivered, failed, retried;
	struct queue_taken *again; /* the next that is to be written again */
};

void msv_queue_taken_free(struct queue_taken *taken);
/* Gives it back untouched. */
void msv_queue_put_back(struct queue_taken *taken);

/* -- queue_settle.c ----------------------------------------------------------------------------------- */

/* Tries again what could not be written; the user is the queue. */
void msv_queue_settle_again(void *user);

/* -- queue_stream.c: rows for an asker who may pause ------------------------------------------------ */

struct queue_stream {
	struct queue_stream *next, **link;
	struct msv_queue *queue;
	struct msv_op *op;
	bool waiting; /* for the asker, not for a job */
	/* Gives what there is, asks for more, or ends. */
	void (*go_on)(struct queue_stream *stream);
	void (*free)(struct queue_stream *stream);
};

void msv_queue_stream_init(struct queue_stream *stream, struct msv_queue *queue, struct msv_op *op);
/* Gives a row: true when the next may follow at once; else the stream is waiting. */
bool msv_queue_stream_row(struct queue_stream *stream, const void *row);
/* Answers and frees it. */
void msv_queue_stream_end(struct queue_stream *stream, int error);

/* -- queue_filter.c ------------------------------------------------------------------------------------- */

struct queue_filter {
	char *id, *domain;    /* NULL any */
	uint64_t first, last; /* rows, once looked up */
};
int msv_queue_filter_init(
    struct msv_queue *queue, struct queue_filter *filter, const struct msv_queue_filter *given);
void msv_queue_filter_fini(struct msv_queue *queue, struct queue_filter *filter);
/* In a job: fills in the rows.  MSV_ERR_NOTFOUND: no message of that id. */
int msv_queue_filter_rows(struct queue_desk *desk, struct queue_filter *filter);
/* Binds first, last and domain as ?1 ?2 ?3. */
void msv_queue_filter_bind(sqlite3_stmt *statement, const struct queue_filter *filter);

/* -- queue_open.c: what opening finds ------------------------------------------------------------------- */

/* Opens the desk, repairs, and fills in what is kept in memory. */
int msv_queue_open_desk(struct msv_queue *queue);

/* Learns what destinations there are; those known and gone are found out later. */
int msv_queue_load_destinations(struct msv_queue *queue);

/* -- queue_salvage.c ------------------------------------------------------------------------------------ */

/* Takes over what can be read of the damaged queue in that directory.  An error is
 * one of the new queue. */
int msv_queue_salvage(struct msv_queue *queue, const char *name);

#endif
