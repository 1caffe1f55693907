/* The two halves of an explanation: what SMTP would say (explain.c), and what becomes
 * of each leaf (explain_leaf.c). */
#ifndef MSV_MTA_EXPLAIN_H
#define MSV_MTA_EXPLAIN_H

#include "codec/arena.h"
#include "mta/mta.h"

/* Rows beyond are left out. */
#define EXPLAIN_ROWS_MAX ((size_t)10000)

struct mta_explain {
	struct msv_env *env;
	struct msv_mta *mta;
	struct mta_explain *next, **link;
	struct msv_op *op; /* the asker's */
	char *account, *peer;
	struct msv_smtp_mailbox from, to;
	struct mta_login login;
	struct mta_question question;

	size_t leaf;    /* that is explained now */
	size_t lookups; /* in the DNS, so far */
	struct msv_op *resolving;

	struct msv_arena arena;
	struct msv_mta_step *rows;
	size_t nrows, cap, given;
	bool failed; /* no memory for a row */
};

/* Adds a row; `what` is static. */
void msv_explain_say(struct mta_explain *e, unsigned depth, const char *what, const char *fmt, ...)
    MSV_PRINTF(4, 5);
/* All is said: gives the rows, and frees it. */
void msv_explain_end(struct mta_explain *e);
/* explain_leaf.c: the leaves in e->question, then the end. */
void msv_explain_leaves(struct mta_explain *e);

#endif
