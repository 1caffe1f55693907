/* The inside of mail transfer. */
#ifndef MSV_MTA_MTA_H
#define MSV_MTA_MTA_H

#include <mailserv/mta.h>

#include "base/alloc.h"
#include "base/buf.h"
#include "base/env.h"
#include "base/logline.h"
#include "message/header.h"

struct mta_transaction;

/* A domain whose mail is delivered here. */
struct mta_domain {
	char *ascii; /* what it is compared by (codec/idna.h) */
	char *name;  /* as the options spell it, in lower case: accounts are named so */
};

struct msv_mta {
	struct msv_env *env;
	struct msv_smtp_handler handler;
	char *hostname;
	struct mta_domain *domains; /* sorted by their ASCII form */
	size_t ndomains;
	char *postmaster;
	char tag_separator;
	const struct msv_auth *auth;
	const struct msv_store *store;
	char *spool;
	size_t body_memory, memory_budget;
	size_t memory_used; /* by all bodies in memory */
	struct mta_transaction *transactions;
};

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
void msv_mta_spool_fini(struct mta_spool *spool);

/* -- route.c: where a recipient's mail goes ------------------------------------------ */

/* Somebody who gets the message. */
struct mta_recipient {
	char *address; /* as the sender wrote it */
	char *account, *home;
	char *mailbox;
	/* -1, or the earlier recipient that is the same mailbox. */
	ptrdiff_t same_as;

	/* delivery.c: */
	struct mta_transaction *transaction;
	struct msv_append *append;
	struct msv_op *op;
	uint64_t offset; /* of the body, written so far */
	uint32_t uid;
	uint8_t state, retries;
	bool loops; /* its address is in a Delivered-To of the message */
	int error;
};

/* The RCPT under way of a transaction. */
struct mta_question {
	struct mta_transaction *transaction;
	struct msv_reply_op reply;
	struct msv_op *op; /* what is asked of auth or store now, NULL nothing */
	char *local;       /* without tag once `tag` is set */
	char *domain;
	char *tag;
	bool tried_postmaster; /* the account of that option */
	size_t tried_domains;  /* whose postmaster was looked up */
	struct mta_recipient found;
};

/* Answers a RCPT; an accepted recipient is added to the transaction. */
void msv_mta_route(struct mta_transaction *t, const struct msv_smtp_rcpt *rcpt,
    const struct msv_account *sender, struct msv_reply_op reply);
/* Forgets the RCPT under way, if any. */
void msv_mta_route_cancel(struct mta_question *question);
void msv_mta_recipient_fini(struct msv_env *env, struct mta_recipient *recipient);

/* -- transaction.c: one message ---------------------------------------------------------- */

/* Facts of the session, kept because delivery may outlive it. */
struct mta_origin {
	enum msv_smtp_role role;
	char *session_id, *peer_address, *peer_name, *helo, *with, *tls, *account;
};

struct mta_transaction {
	struct msv_mta *mta;
	struct mta_transaction *next, **link;
	struct mta_origin origin;
	char *from;
	char id[24];
	struct mta_question question;
	struct mta_recipient *recipients;
	size_t nrecipients, cap;
	struct mta_spool spool;
	struct msv_header_reader header;
	bool header_over, has_date, has_message_id;

	/* delivery.c: */
	struct msv_reply_op reply;
	struct msv_task task;
	size_t started, busy;
	bool committing, canceled;
};

/* Frees it; whatever is under way is canceled, nothing of it stays in a
 * mailbox but what is committed. */
void msv_mta_transaction_free(struct mta_transaction *t);
/* Fills the handler's members. */
void msv_mta_handler_init(struct msv_smtp_handler *handler);

/* -- trace.c: fields on top ------------------------------------------------------------------- */

/* Appends Return-Path, Delivered-To and Received (RFC 5321 4.4), and for
 * submission Date and Message-ID when they are missing (RFC 6409 8). */
int msv_mta_trace(
    struct msv_buf *out, const struct mta_transaction *t, const struct mta_recipient *recipient);

/* -- delivery.c ---------------------------------------------------------------------------------- */

/* Delivers to all recipients, answers the reply op, frees the transaction. */
void msv_mta_deliver(struct mta_transaction *t, struct msv_reply_op reply);
/* Ends what is under way. */
void msv_mta_delivery_cancel(struct mta_transaction *t);

#endif
