/* Deliveries on this machine, target by target: for relay_local.c, relay_mailbox.c
 * and relay_program.c. */
#ifndef MSV_MTA_RELAY_LOCAL_H
#define MSV_MTA_RELAY_LOCAL_H

#include "mta/relay_parts.h"

struct relay_local {
	struct msv_relay *relay;
	struct relay_local *next, **link;
	struct relay_peer *place;
	struct relay_work *work;
	size_t i; /* the target under way */
	struct msv_op *op;
	struct relay_body body;
	uint64_t offset;
	/* Into a mailbox: */
	struct msv_account *account;
	struct msv_append *append;
	bool inbox; /* its folder is gone: into the INBOX */
	/* To a program: */
	int fd;  /* -1 none */
	bool cr; /* the last octet of the piece before, and not written */
};

static inline const struct queue_target *relay_local_target(const struct relay_local *l)
{
	return &l->work->delivery->targets[l->i];
}

/* relay_local.c: the target is done with; the next one follows. */
void msv_relay_local_said(
    struct relay_local *l, enum relay_verdict verdict, const struct relay_reason *reason);
/* ... of an error of ours. */
void msv_relay_local_failed(struct relay_local *l, int error);
/* Return-Path and Delivered-To (RFC 5321 4.4), lines ending in `end`. */
int msv_relay_local_trace(const struct relay_local *l, const char *end, struct msv_buf *out);
/* Puts an op in place; NULL: no memory, and that was said. */
struct msv_op *msv_relay_local_ask(struct relay_local *l, msv_op_fn done);

/* Begin the target; give up what is under way; a piece of the body came. */
void msv_relay_mailbox_begin(struct relay_local *l);
void msv_relay_mailbox_drop(struct relay_local *l);
void msv_relay_mailbox_body(struct relay_local *l);
void msv_relay_program_begin(struct relay_local *l);
void msv_relay_program_drop(struct relay_local *l);
void msv_relay_program_body(struct relay_local *l);

#endif
