/* The memory store's inside. */
#ifndef MSV_STORE_MEMORY_H
#define MSV_STORE_MEMORY_H

#include <mailserv/store.h>

#include "base/buf.h"
#include "base/env.h"

enum {
	MEMORY_KEYWORDS = 64,
	MEMORY_NAME_SIZE = 1001 /* of a mailbox: what msv_mailbox_name_valid() allows */
};

/* The bytes of a message.  Copies of the message share them. */
struct memory_content {
	unsigned refs;
	uint64_t id; /* makes the EMAILID */
	struct msv_buf bytes;
};

struct memory_message {
	uint32_t uid, flags;
	uint64_t keywords, modseq;
	int64_t internal_date, save_date;
	uint64_t recent_of; /* serial of the opening that has its \Recent; 0: nobody yet */
	struct memory_content *content;
};

/* UIDs that went away together. */
struct memory_gone {
	struct msv_uid_range uids;
	uint64_t modseq;
};

/* A mailbox.  Openings and appends keep it in memory after it was removed. */
struct memory_box {
	unsigned refs;
	bool removed;
	struct memory_account *account;
	char *name;
	uint64_t id; /* makes the MAILBOXID */
	uint32_t special_use, uidvalidity, uidnext;
	uint64_t modseq;                 /* the highest given out */
	uint64_t touched;                /* the account's clock at the last change: for watches */
	struct memory_message *messages; /* by UID */
	size_t nmessages, messages_cap;
	struct memory_gone *gone; /* by modseq */
	size_t ngone, gone_cap;
	char *keywords[MEMORY_KEYWORDS];
};

struct memory_account {
	struct memory_account *next;
	struct msv_memory_store *store;
	char *name;
	uint64_t octets;              /* of all messages: for the quota */
	uint64_t clock, list_touched; /* count changes: for watches */
	struct memory_box **boxes;
	size_t nboxes, boxes_cap;
	char **subscriptions;
	size_t nsubscriptions, subscriptions_cap;
	struct msv_store_watch *watches;
};

struct memory_call; /* memory_late.c */

struct msv_memory_store {
	struct msv_store now;  /* the table that answers at once */
	struct msv_store late; /* the table that lets `now` answer later */
	bool is_late;
	struct msv_env *env;
	uint32_t quota;
	uint32_t born;        /* when, for ids that no other life of the process gives */
	uint32_t uidvalidity; /* the last one given out */
	uint64_t last_id;     /* of contents, mailboxes and openings */
	struct memory_account *accounts;
	struct memory_call *calls; /* that wait to be made */
	size_t ncalls;
	struct msv_task call_task;
};

/* One opening. */
struct msv_mailbox {
	struct msv_memory_store *store;
	struct memory_box *box;
	uint64_t serial;
	bool readonly;
};

/* -- Accounts and mailboxes (memory.c, memory_box.c) -------------------------- */

/* The account whose mailboxes are meant, made with its INBOX when it is new.
 * 0, MSV_ERR_DENIED or MSV_ERR_NOMEM. */
int msv_memory_account(
    struct msv_memory_store *store, const struct msv_actor *actor, struct memory_account **out);
/* A mailbox of the account, or NULL. */
struct memory_box *msv_memory_find(const struct memory_account *account, const char *name);
/* Both; MSV_ERR_NOTFOUND too. */
int msv_memory_lookup(struct msv_memory_store *store, const struct msv_actor *actor,
    const char *name, struct memory_box **out);
/* Makes an empty mailbox.  0 or MSV_ERR_NOMEM. */
int msv_memory_box_new(struct memory_account *account, const char *name, uint32_t special_use,
    struct memory_box **out);
void msv_memory_box_unref(struct memory_box *box);
/* The mailbox's state; recent: as this opening sees it (NULL: not opened).
 * Strings are in id. */
struct msv_mailbox_status msv_memory_status(
    const struct memory_box *box, const struct msv_mailbox *opening, char id[32]);

/* Index of the first message with that UID or a higher one. */
size_t msv_memory_index(const struct memory_box *box, uint32_t uid);
/* The message of that UID, or NULL. */
struct memory_message *msv_memory_message(const struct memory_box *box, uint32_t uid);
/* A message as this opening sees it, with the MSV_FIELD_* asked for and no
 * others, so that who forgets to ask finds out.  Strings are in id. */
struct msv_message msv_memory_describe(const struct msv_mailbox *opening,
    const struct memory_message *message, unsigned fields, char id[32]);

/* The bits of the keywords; names the mailbox has not yet get a number, or,
 * with `known`, no bit.  0, MSV_ERR_LIMIT or MSV_ERR_NOMEM. */
int msv_memory_keywords(
    struct memory_box *box, const char *const *names, size_t n, bool known, uint64_t *bits);

/* Room for so many more messages, within the UIDs and the account's quota.
 * 0, MSV_ERR_NOMEM, MSV_ERR_LIMIT or MSV_ERR_QUOTA. */
int msv_memory_reserve(struct memory_box *box, size_t n, uint64_t octets);
/* Adds a message with the next UID, to room reserved before; refs its content. */
void msv_memory_add(struct memory_box *box, const struct memory_message *message);
/* Removes the messages of uids (NULL: all) that have all these flags.  0 or
 * MSV_ERR_NOMEM: then none is removed. */
int msv_memory_expunge(struct memory_box *box, const struct msv_uidset *uids, uint32_t flags);

void msv_memory_content_ref(struct memory_content *content);
void msv_memory_content_unref(struct memory_content *content);

/* -- Rows (memory_rows.c) ------------------------------------------------------- */

/* Gives rows over pauses.  Embedded at the front of a struct in the op's
 * memory, so that it goes away with the op. */
struct memory_rows {
	struct msv_task task;
	struct msv_memory_store *store;
	struct msv_op *op;
	/* Gives one row and returns what the row said; MEMORY_ANSWERED when there
	 * was none left and the op is answered. */
	int (*next)(struct memory_rows *rows);
};

enum { MEMORY_ANSWERED = 2 };

void msv_memory_rows(struct memory_rows *rows, struct msv_memory_store *store, struct msv_op *op,
    int (*next)(struct memory_rows *rows));

/* A copy of the set in the op's memory.  0 or MSV_ERR_NOMEM. */
int msv_memory_keep_set(struct msv_op *op, const struct msv_uidset *set, struct msv_uidset *copy);

/* -- Watches (memory_watch.c) ------------------------------------------------------ */

/* The mailbox changed. */
void msv_memory_touch(struct memory_box *box);
/* The list of mailboxes changed. */
void msv_memory_touch_list(struct memory_account *account);

/* -- The table's members, by file ----------------------------------------------------- */

void msv_memory_fill_list(struct msv_store *table);    /* memory_list.c */
void msv_memory_fill_opening(struct msv_store *table); /* memory_opening.c */
void msv_memory_fill_flags(struct msv_store *table);   /* memory_flags.c */
void msv_memory_fill_content(struct msv_store *table); /* memory_content.c */
void msv_memory_fill_copy(struct msv_store *table);    /* memory_copy.c */
void msv_memory_fill_append(struct msv_store *table);  /* memory_append.c */
void msv_memory_fill_watch(struct msv_store *table);   /* memory_watch.c */
void msv_memory_fill_late(struct msv_store *table);    /* memory_late.c */

#endif
