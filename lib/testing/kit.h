/* What the checks of the conformance kit are written with.  Each call asks the
 * store, lets the env run until the answer came, and returns its error. */
#ifndef MSV_TESTING_KIT_H
#define MSV_TESTING_KIT_H

#include <mailserv/testing.h>

#include "testing/testing.h"

enum {
	KIT_NAME = 1100,   /* bytes of a mailbox name with the store's prefix */
	KIT_ROWS = 100,    /* as many messages or list entries a check uses at most */
	KIT_HANDLES = 16,  /* openings, appends ... at once */
	KIT_CONTENT = 4096 /* bytes of a message that is compared at once */
};

struct msv_kit {
	const struct msv_store_conform_options *options;
	struct msv_test_env *test;
	const struct msv_store *store;
	struct msv_actor actor, other;
	struct msv_text broken; /* the first broken promise, "" when none */
	bool no_memory;         /* of the kit itself */
	/* What the check left open, closed behind it. */
	void *mailboxes[KIT_HANDLES], *messages[KIT_HANDLES], *appends[KIT_HANDLES],
	    *watches[KIT_HANDLES];
};

/* One check: a promise, and the function that finds out whether it is kept. */
struct msv_check {
	const char *name;
	void (*run)(struct msv_kit *k);
};
#define CHECK(function) \
	{ \
#function, function \
	}

/* The tables of checks, by theme; each ends with a name of NULL. */
extern const struct msv_check msv_checks_mailboxes[], msv_checks_rename[], msv_checks_open[],
    msv_checks_append[], msv_checks_lines[], msv_checks_content[], msv_checks_flags[],
    msv_checks_keywords[], msv_checks_changes[], msv_checks_expunge[], msv_checks_copy[],
    msv_checks_move[], msv_checks_watch[], msv_checks_rows[], msv_checks_cancel[],
    msv_checks_restart[];

/* -- Saying what is broken ------------------------------------------------------------ */

/* Notes what is wrong; the first one counts. */
void msv_kit_break(struct msv_kit *k, const char *fmt, ...) MSV_PRINTF(2, 3);

/* Ends the check unless it is so. */
#define PROMISE(k, so, ...) \
	do { \
		if (!(so)) { \
			msv_kit_break((k), __VA_ARGS__); \
			return; \
		} \
	} while (0)

/* Ends the check unless the call returns this error. */
#define RETURNS(k, expected, call) \
	do { \
		int returned_ = (call); \
		PROMISE((k), returned_ == (expected), "%s gave \"%s\" instead of \"%s\"", \
		    msv_kit_call_name(#call), msv_strerror(returned_), msv_strerror(expected)); \
	} while (0)

#define SUCCEEDS(k, call) RETURNS(k, 0, call)

/* "msv_kit_create(k, ...)" without what is the same in all. */
const char *msv_kit_call_name(const char *call);

/* -- Asking ------------------------------------------------------------------------------ */

/* One question and what came of it. */
struct msv_kit_answer {
	void (*take)(void *user, const void *result); /* of a success, may be NULL */
	void (*row)(void *user, const void *row);
	void *user;
	bool pauses;  /* at each row */
	bool hurries; /* ... and goes on before it has said so */
	/* Filled in: */
	struct msv_kit *kit;
	struct msv_op *op;
	bool done, paused;
	int error;
	unsigned rows;
};

/* A new op whose answer goes there.  NULL: no memory, the kit cannot run. */
struct msv_op *msv_kit_ask(struct msv_kit *k, struct msv_kit_answer *answer);
/* Lets time pass until the answer came, at most a minute; resumes what pauses. */
int msv_kit_wait(struct msv_kit_answer *answer);
/* Nobody waits for the answer any more. */
void msv_kit_cancel(struct msv_kit_answer *answer);

/* -- Mailboxes.  Names have '/' between levels and no prefix ------------------------------- */

/* The name as the store wants it, in buf; returns buf. */
const char *msv_kit_name(const struct msv_kit *k, const char *name, char buf[KIT_NAME]);

struct msv_kit_entry {
	char name[KIT_NAME];
	struct msv_list_entry is;
};
struct msv_kit_list {
	struct msv_kit_entry entries[KIT_ROWS];
	size_t n;
	bool pauses; /* at each row */
};
/* The entry of that name, NULL when there is none; *times how often. */
const struct msv_kit_entry *msv_kit_find_entry(
    const struct msv_kit *k, const struct msv_kit_list *list, const char *name, unsigned *times);

int msv_kit_list(struct msv_kit *k, struct msv_kit_list *list);
int msv_kit_status(struct msv_kit *k, const char *name, struct msv_mailbox_status *status);
int msv_kit_create(struct msv_kit *k, const char *name, uint32_t special_use);
int msv_kit_remove(struct msv_kit *k, const char *name);
int msv_kit_rename(struct msv_kit *k, const char *from, const char *to);
int msv_kit_subscribe(struct msv_kit *k, const char *name, bool subscribed);
/* True when the list has the name and it can be opened. */
bool msv_kit_exists(struct msv_kit *k, const char *name);

/* -- Openings ---------------------------------------------------------------------------------- */

/* A message as rows told it. */
struct msv_kit_message {
	struct msv_message is; /* its strings are the ones below */
	char email_id[300], thread_id[300];
};

/* An opening, and what it knows of its messages: as an IMAP session does. */
struct msv_kit_view {
	struct msv_mailbox *mailbox;
	struct msv_open_result opened;
	struct msv_kit_message messages[KIT_ROWS]; /* by UID */
	size_t n;
	uint64_t modseq;
	uint32_t uidnext;
	/* Of the last question: */
	struct msv_kit_message rows[KIT_ROWS]; /* messages as they came */
	size_t nrows;
	struct msv_uid_range expunged[KIT_ROWS];
	size_t nexpunged;
	bool pauses; /* at each row */
};

int msv_kit_open(struct msv_kit *k, struct msv_kit_view *view, const char *name, bool readonly);
void msv_kit_close(struct msv_kit *k, struct msv_kit_view *view);
/* changes() since a modseq; rows and expunged are filled, messages are not
 * touched; *result may be NULL. */
int msv_kit_changes(struct msv_kit *k, struct msv_kit_view *view, uint64_t since,
    const struct msv_uidset *uids, struct msv_changes_result *result);
/* changes() since the last time, worked into messages. */
int msv_kit_sync(struct msv_kit *k, struct msv_kit_view *view);
/* The message of that UID, or NULL. */
struct msv_kit_message *msv_kit_message(struct msv_kit_view *view, uint32_t uid);
/* True when the last answer reported the UID as expunged. */
bool msv_kit_expunged(const struct msv_kit_view *view, uint32_t uid);
/* True when the message has the keyword (by the mailbox's names). */
bool msv_kit_has_keyword(struct msv_kit *k, struct msv_kit_view *view,
    const struct msv_message *message, const char *name);

/* -- Changing ------------------------------------------------------------------------------------ */

/* A set of one range. */
#define UIDS(first, last) (&(struct msv_uidset){ &(struct msv_uid_range){ (first), (last) }, 1 })

#define ALL_UIDS UIDS(1, UINT32_MAX)

/* A change of flags; keyword may be NULL.  Rows are in view->rows. */
int msv_kit_flags(struct msv_kit *k, struct msv_kit_view *view, const struct msv_uidset *uids,
    enum msv_flag_mode mode, uint32_t flags, const char *keyword);
/* The same with all there is; *modified how many UIDs were left alone. */
int msv_kit_change_flags(struct msv_kit *k, struct msv_kit_view *view,
    const struct msv_uidset *uids, const struct msv_flag_change *change, uint64_t *modified);
int msv_kit_expunge(struct msv_kit *k, struct msv_kit_view *view, const struct msv_uidset *uids);

struct msv_kit_copied {
	uint32_t uidvalidity;
	struct msv_uid_range source[KIT_ROWS], dest[KIT_ROWS];
	struct msv_uidset source_set, dest_set;
};
int msv_kit_copy(struct msv_kit *k, struct msv_kit_view *view, const struct msv_uidset *uids,
    const char *dest, struct msv_kit_copied *copied);
int msv_kit_move(struct msv_kit *k, struct msv_kit_view *view, const struct msv_uidset *uids,
    const char *dest, struct msv_kit_copied *copied);
/* For askers of their own. */
void msv_kit_take_copied(void *copied, const void *result);
/* The n-th UID of a set, from 0; 0 when there are fewer. */
uint32_t msv_kit_nth(const struct msv_uidset *set, uint64_t n);

/* -- Content --------------------------------------------------------------------------------------- */

struct msv_kit_content {
	struct msv_open_message *message;
	uint64_t octets;
};
int msv_kit_msg_open(
    struct msv_kit *k, struct msv_kit_view *view, uint32_t uid, struct msv_kit_content *content);
/* *got points to what was read, until the next read or close. */
int msv_kit_read(struct msv_kit *k, const struct msv_kit_content *content, uint64_t offset,
    size_t n, struct msv_span *got);
void msv_kit_msg_close(struct msv_kit *k, struct msv_kit_content *content);
/* Breaks the promise unless the open message reads as these bytes to its end. */
bool msv_kit_reads(
    struct msv_kit *k, const struct msv_kit_content *content, const char *bytes, size_t n);
/* Opens, compares, closes. */
bool msv_kit_message_is(
    struct msv_kit *k, struct msv_kit_view *view, uint32_t uid, const char *text);

/* -- Append ------------------------------------------------------------------------------------------ */

int msv_kit_append_begin(struct msv_kit *k, const char *name, struct msv_append **append);
int msv_kit_append_add(
    struct msv_kit *k, struct msv_append *append, const struct msv_append_message *message);
int msv_kit_append_write(struct msv_kit *k, struct msv_append *append, const void *p, size_t n);
int msv_kit_append_prepare(struct msv_kit *k, struct msv_append *append); /* 0 when it is NULL */
/* copied may be NULL. */
int msv_kit_append_commit(
    struct msv_kit *k, struct msv_append *append, struct msv_kit_copied *copied);
void msv_kit_append_abort(struct msv_kit *k, struct msv_append *append);
/* One message, whole (NULL: without flags and so on); *uid (may be NULL) what it
 * became. */
int msv_kit_append_with(struct msv_kit *k, const char *name,
    const struct msv_append_message *message, const char *text, uint32_t *uid);
/* One message without anything, whole; *uid (may be NULL) what it became. */
int msv_kit_append(struct msv_kit *k, const char *name, const char *text, uint32_t *uid);
/* So many messages, "Subject: message 1" and so on, one by one. */
int msv_kit_fill(struct msv_kit *k, const char *name, unsigned n);
/* INBOX with so many messages, opened and known. */
int msv_kit_open_filled(struct msv_kit *k, struct msv_kit_view *view, unsigned n);
/* Adds flags to the view's message number i. */
int msv_kit_flag(struct msv_kit *k, struct msv_kit_view *view, size_t i, uint32_t flags);
/* What the n-th message that msv_kit_fill() adds says. */
const char *msv_kit_text(unsigned n, char buf[200]);

/* -- Watches ------------------------------------------------------------------------------------------- */

int msv_kit_watch(struct msv_kit *k, struct msv_kit_view *view,
    void (*look)(void *user, const char *mailbox), void *user, struct msv_store_watch **watch);
void msv_kit_unwatch(struct msv_kit *k, struct msv_store_watch *watch);

/* -- What is open ---------------------------------------------------------------------------------------- */

/* Remembers and forgets a handle that the check has open. */
void msv_kit_hold(struct msv_kit *k, void *slots[KIT_HANDLES], void *handle);
void msv_kit_drop(void *slots[KIT_HANDLES], const void *handle);

/* -- The runner's part ------------------------------------------------------------------------------------ */

/* Forgets the storage's memory and opens it again; nothing may be open. */
int msv_kit_restart(struct msv_kit *k);
/* Closes all that is open. */
void msv_kit_close_all(struct msv_kit *k);

#endif
