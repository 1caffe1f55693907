/*
 * Where mail is kept: the interface between the protocols and a storage, and
 * the two storages of the library (Maildir, memory).
 *
 * A store speaks UIDs and knows nothing of IMAP: sequence numbers, FETCH,
 * SEARCH, ENVELOPE, IDLE live above it, once, for every store.  SMTP delivery
 * and IMAP APPEND go through the same append transaction.
 *
 * Promises every store keeps are checked by msv_store_conform() (testing.h).
 */
#ifndef MAILSERV_STORE_H
#define MAILSERV_STORE_H

#include <mailserv/base.h>

#ifdef __cplusplus
extern "C" {
#endif

/* -- What stores talk about ------------------------------------------------- */

/* Who acts, on whose mailboxes.  Copied by the store where it keeps it. */
struct msv_actor {
	size_t size;
	const char *user;                  /* the account that acts: canonical name */
	const char *owner;                 /* whose mailboxes; NULL: the user's own */
	const char *home;                  /* the owner's home directory, NULL or "" when none */
	const struct msv_account *account; /* what auth knows, or NULL (auth.h) */
	const char *session_id;            /* for the log */
};

/* Mailbox names are UTF-8, with the store's separator and prefix in them;
 * "INBOX" is written so.  The protocol layer has checked them with
 * msv_mailbox_name_valid(); a store may refuse more (MSV_ERR_FORMAT). */

/* True when name is a well-formed mailbox name: UTF-8 without control
 * characters (RFC 5198), at most 1,000 bytes, at most 32 levels, no empty level,
 * no level "." or "..".  The one validator for mailbox names. */
MSV_API bool msv_mailbox_name_valid(const char *name, char separator);

/* System flags of a message (RFC 3501 2.3.2). */
enum {
	MSV_FLAG_SEEN = 1,
	MSV_FLAG_ANSWERED = 2,
	MSV_FLAG_FLAGGED = 4,
	MSV_FLAG_DELETED = 8,
	MSV_FLAG_DRAFT = 16,
	MSV_FLAG_RECENT = 32, /* given by the store to one opening; never set by callers */
	/* Maildir's P; shown as keyword $Forwarded, and kept as such where
	 * permanent_flags lack it. */
	MSV_FLAG_PASSED = 64,
};

/* Special uses of a mailbox (RFC 6154). */
enum {
	MSV_USE_ALL = 1,
	MSV_USE_ARCHIVE = 2,
	MSV_USE_DRAFTS = 4,
	MSV_USE_FLAGGED = 8,
	MSV_USE_JUNK = 16,
	MSV_USE_SENT = 32,
	MSV_USE_TRASH = 64,
	MSV_USE_IMPORTANT = 128,
};

/* A mailbox in a list. */
struct msv_list_entry {
	size_t size;
	const char *name;
	bool exists;     /* false: only subscribed, or only a parent of others */
	bool selectable; /* it can be opened */
	bool no_inferiors;
	bool subscribed;
	uint32_t special_use; /* MSV_USE_* */
};

/* What STATUS tells; also the state of an opened mailbox. */
struct msv_mailbox_status {
	size_t size;
	uint32_t uidvalidity, uidnext;
	uint32_t messages, recent, unseen, deleted;
	uint64_t highestmodseq; /* 0: the store keeps none that lasts */
	uint64_t octets;        /* the sum of all message sizes, as far as known unread */
	const char *mailbox_id; /* RFC 8474, NULL when none */
};

/* A message.  In rows; strings are valid during the row call. */
struct msv_message {
	size_t size;
	uint32_t uid;
	uint32_t flags;    /* MSV_FLAG_* */
	uint64_t keywords; /* bit i: the mailbox's keyword number i, see keyword() */
	uint64_t modseq;   /* above 0; grows with every change */
	/* From here 0 or NULL unless asked for by MSV_FIELD_*. */
	uint64_t octets;       /* the exact size on the wire (CRLF) */
	int64_t internal_date; /* seconds since the epoch */
	int64_t save_date;     /* seconds since the epoch, 0 unknown */
	const char *email_id;  /* RFC 8474, NULL when none */
	const char *thread_id; /* RFC 8474, NULL when none */
};

/* What changes() is to find out about each message beside its uid, flags,
 * keywords and modseq.  A store may have to look at every file for it, so ask
 * for what is needed; a store to which it costs nothing may fill in more. */
enum {
	MSV_FIELD_OCTETS = 1,
	MSV_FIELD_DATES = 2, /* internal_date, save_date */
	MSV_FIELD_IDS = 4,   /* email_id, thread_id */
};

struct msv_store; /* the table, below */

/* The store's own types: a store casts them to what it has. */
struct msv_mailbox;      /* one opening of a mailbox */
struct msv_open_message; /* a message whose content is pinned */
struct msv_append;       /* an append transaction */
struct msv_store_watch;  /* one watch */

/* -- Typed ops --------------------------------------------------------------- */

/*
 * Three answers hand something over: an opening, an open message, an append.
 * Who asked may have stopped waiting by then, or stop before the answer gets
 * there, or there may be no memory for the answer: then the answer function
 * gives the thing back by the store's close(), msg_close() or append_abort() -
 * at once, within the answer, or when the op is canceled.  So a store calls
 * these answers as the last thing it does.
 */

/* Rows: const struct msv_list_entry *.  No result. */
struct msv_list_op {
	struct msv_op *op;
};
/* Gives a row: 0, MSV_PAUSE or MSV_ERR_CANCELED. */
MSV_API int msv_list_row(struct msv_list_op op, const struct msv_list_entry *entry);

/* Result: const struct msv_mailbox_status *. */
struct msv_status_op {
	struct msv_op *op;
};
/* The status is copied. */
MSV_API void msv_status_answer(struct msv_status_op op, const struct msv_mailbox_status *status);

/* Result: const struct msv_open_result *. */
struct msv_open_result {
	size_t size;
	struct msv_mailbox *mailbox; /* until close() */
	bool readonly;               /* opened so, asked for or not */
	bool can_create_keywords;    /* \* in PERMANENTFLAGS */
	uint32_t permanent_flags;    /* MSV_FLAG_* that can be kept */
	struct msv_mailbox_status status;
};
struct msv_open_op {
	struct msv_op *op;
};
/* The result is copied.  Nobody takes it: store->close(). */
MSV_API void msv_open_answer(
    struct msv_open_op op, const struct msv_store *store, const struct msv_open_result *result);

/*
 * Rows: const struct msv_change *, in no particular order of kinds, messages
 * by ascending UID.  Result: const struct msv_changes_result *.
 */
struct msv_change {
	const struct msv_message *message;    /* a message that is new or changed, or NULL */
	const struct msv_uid_range *expunged; /* UIDs that are gone, or NULL */
};
struct msv_changes_result {
	size_t size;
	uint64_t modseq;  /* ask next time for what came since this */
	uint32_t uidnext; /* no UID at or above was reported */
};
struct msv_changes_op {
	struct msv_op *op;
};
/* Give a row: 0, MSV_PAUSE or MSV_ERR_CANCELED. */
MSV_API int msv_changes_message(struct msv_changes_op op, const struct msv_message *message);
MSV_API int msv_changes_expunged(struct msv_changes_op op, uint32_t first, uint32_t last);
/* The result is copied. */
MSV_API void msv_changes_answer(struct msv_changes_op op, const struct msv_changes_result *result);

/* Result: const struct msv_message_content *. */
struct msv_message_content {
	size_t size;
	struct msv_open_message *message; /* until msg_close() */
	uint64_t octets;                  /* exactly as many bytes can be read */
};
struct msv_content_op {
	struct msv_op *op;
};
/* The content is copied.  Nobody takes it: store->msg_close(). */
MSV_API void msv_content_answer(struct msv_content_op op, const struct msv_store *store,
    const struct msv_message_content *content);

/* Result: const struct msv_span *: bytes read; n 0 only at the end.  They are
 * valid until the next msg_read() or msg_close() of the message. */
struct msv_read_op {
	struct msv_op *op;
};
/* The span is copied, the bytes are not. */
MSV_API void msv_read_answer(struct msv_read_op op, const void *p, size_t n);

/* Rows: const struct msv_message *: the new state of each message that the
 * change touched (changed or not).  Result: const struct msv_uidset *: those
 * left alone because of unchanged_since (RFC 7162 3.1.3). */
struct msv_flags_op {
	struct msv_op *op;
};
/* Gives a row: 0, MSV_PAUSE or MSV_ERR_CANCELED. */
MSV_API int msv_flags_row(struct msv_flags_op op, const struct msv_message *message);
/* The set is copied; NULL: none. */
MSV_API void msv_flags_answer(struct msv_flags_op op, const struct msv_uidset *modified);

/* Result: const struct msv_copy_result *, for copy, move and append.  source
 * and dest have the same count: the n-th of one became the n-th of the other
 * (RFC 4315 3; for append source is empty). */
struct msv_copy_result {
	size_t size;
	uint32_t uidvalidity; /* the destination's */
	struct msv_uidset source, dest;
};
struct msv_copy_op {
	struct msv_op *op;
};
/* The sets are copied. */
MSV_API void msv_copy_answer(struct msv_copy_op op, const struct msv_copy_result *result);

/* Result: const struct msv_append_handle *. */
struct msv_append_handle {
	size_t size;
	struct msv_append *append; /* until commit is answered, or abort() */
};
struct msv_append_op {
	struct msv_op *op;
};
/* Nobody takes it: store->append_abort(). */
MSV_API void msv_append_answer(
    struct msv_append_op op, const struct msv_store *store, struct msv_append *append);

/* -- Arguments ---------------------------------------------------------------- */

/* A change of flags. */
enum msv_flag_mode { MSV_FLAGS_ADD, MSV_FLAGS_REMOVE, MSV_FLAGS_REPLACE };
struct msv_flag_change {
	size_t size;
	enum msv_flag_mode mode;
	uint32_t flags; /* MSV_FLAG_* but RECENT */
	const char *const *keywords;
	size_t nkeywords;
	uint64_t unchanged_since; /* leave alone what changed after; 0: no condition */
};

/* A message to append. */
struct msv_append_message {
	size_t size;
	uint32_t flags;
	const char *const *keywords;
	size_t nkeywords;
	int64_t internal_date; /* seconds since the epoch; 0: now */
	uint64_t octets;       /* how many will be written, if known; a hint */
	uint32_t replaces;     /* UID in the same mailbox that goes away with the commit, 0 none */
	/* Keep lone CR and NUL as they are (and lone LF, unless the store keeps
	 * lines without CR); else a lone LF becomes CRLF, and a lone CR or a NUL
	 * fails the write with MSV_ERR_FORMAT - a CR at the very end the next add,
	 * prepare or commit. */
	bool verbatim;
	/* The caller has no use for the UID: the store may give it later, when
	 * somebody looks at the mailbox, and then the result of the commit has
	 * none. */
	bool uid_later;
};

/* -- Optional members' types ----------------------------------------------------- */

/* What the protocol layer derived from a message and wants kept. */
struct msv_cache_item {
	uint32_t uid;
	uint32_t kind; /* which datum; numbers belong to the protocol layer */
	const void *p;
	size_t n;
};
struct msv_cache_op { /* rows: const struct msv_cache_item * */
	struct msv_op *op;
};
MSV_API int msv_cache_row(struct msv_cache_op op, const struct msv_cache_item *item);

/* A search for text that the store can answer from an index. */
struct msv_search_query {
	size_t size;
	const char *field; /* a header field's name, "TEXT" or "BODY" */
	const char *text;  /* UTF-8, decoded */
};
struct msv_search_op { /* rows: const struct msv_uid_range *; candidates in order */
	struct msv_op *op;
};
MSV_API int msv_search_row(struct msv_search_op op, uint32_t first, uint32_t last);

struct msv_quota {
	size_t size;
	uint64_t storage, storage_limit;   /* bytes; limit 0: none */
	uint64_t messages, messages_limit; /* limit 0: none */
};
struct msv_quota_op { /* result: const struct msv_quota * */
	struct msv_op *op;
};
/* The quota is copied. */
MSV_API void msv_quota_answer(struct msv_quota_op op, const struct msv_quota *quota);

struct msv_metadata { /* RFC 5464; value NULL removes */
	const char *entry;
	const void *value;
	size_t n;
};
struct msv_metadata_op { /* rows: const struct msv_metadata * */
	struct msv_op *op;
};
MSV_API int msv_metadata_row(struct msv_metadata_op op, const struct msv_metadata *metadata);

struct msv_acl { /* RFC 4314; rights as letters */
	const char *identifier;
	const char *rights;
};
struct msv_acl_op { /* rows: const struct msv_acl * */
	struct msv_op *op;
};
MSV_API int msv_acl_row(struct msv_acl_op op, const struct msv_acl *acl);

/* -- The table --------------------------------------------------------------------- */

/* What a store can do. */
enum {
	MSV_STORE_MODSEQ = 1,      /* modseqs and expunges outlast the opening: CONDSTORE */
	MSV_STORE_OBJECTID = 2,    /* email_id is always there */
	MSV_STORE_SPECIAL_USE = 4, /* create() keeps a special use */
	MSV_STORE_SAVEDATE = 8,    /* save_date is always there */
};

/*
 * A store.  `self` is handed to each function.  All members down to unwatch
 * are required unless marked; the rest may be NULL and is then done by the
 * protocol layer or not offered.
 *
 * Calls on one opening may overlap; the store answers each when it can, and two
 * that are under way at once may take effect in either order.  An op may be
 * answered before its call returns.  Arguments are valid during the call only.
 * A canceled op has taken effect or has not, but not by half.  After close()
 * nothing of that opening is called but what belongs to messages still open,
 * which stay readable.
 */
struct msv_store {
	size_t size;
	void *self;
	uint32_t abilities; /* MSV_STORE_* */
	char separator;     /* between the levels of a mailbox name: '/' or '.' */
	const char *prefix; /* of the personal namespace: "" or "INBOX." */

	/* All mailboxes, and all subscribed names, each once, in any order.  The
	 * first question about an account makes its INBOX. */
	void (*list)(void *self, const struct msv_actor *actor, struct msv_list_op op);
	/* Without opening; does not make messages lose \Recent.  MSV_ERR_NOTFOUND. */
	void (*status)(void *self, const struct msv_actor *actor, const char *mailbox,
	    struct msv_status_op op);
	/* special_use: MSV_USE_*, 0 none.  Parents that are missing are made too.
	 * MSV_ERR_EXISTS, MSV_ERR_FORMAT, MSV_ERR_LIMIT, MSV_ERR_DENIED. */
	void (*create)(void *self, const struct msv_actor *actor, const char *mailbox,
	    uint32_t special_use, struct msv_op *op);
	/* Children and the subscription stay.  Open messages stay readable; openings
	 * see everything expunged and then fail with MSV_ERR_STALE.  A mailbox made
	 * later with the same name has another UIDVALIDITY.  MSV_ERR_NOTFOUND;
	 * MSV_ERR_DENIED for INBOX. */
	void (*remove)(
	    void *self, const struct msv_actor *actor, const char *mailbox, struct msv_op *op);
	/* Children follow; parents of `to` that are missing are made.  Renaming
	 * INBOX moves its messages into a new mailbox and leaves INBOX and its
	 * children (RFC 3501 6.3.5).  MSV_ERR_NOTFOUND, MSV_ERR_EXISTS (then nothing
	 * is changed), MSV_ERR_FORMAT (also: `to` is below `from`). */
	void (*rename)(void *self, const struct msv_actor *actor, const char *from, const char *to,
	    struct msv_op *op);
	/* The name need not exist (RFC 3501 6.3.6).  What is so already is no error. */
	void (*subscribe)(void *self, const struct msv_actor *actor, const char *mailbox,
	    bool subscribed, struct msv_op *op);

	/* Opens for one session.  Not read-only: takes the \Recent of new messages
	 * to itself, now and whenever changes() looks anew; read-only it sees them
	 * \Recent and leaves them so.  MSV_ERR_NOTFOUND. */
	void (*open)(void *self, const struct msv_actor *actor, const char *mailbox, bool readonly,
	    struct msv_open_op op);
	/* Ends an opening.  Its ops under way are canceled first by the caller. */
	void (*close)(void *self, struct msv_mailbox *mailbox);

	/* The name of the mailbox's keyword number i (0..63), NULL when there is
	 * none.  A number keeps its name while anybody has the mailbox open.  Names
	 * that differ in case alone are one keyword, spelled as it came first. */
	const char *(*keyword)(void *self, struct msv_mailbox *mailbox, unsigned i);

	/*
	 * What is new, changed or gone since modseq `since` (0: all messages, no
	 * expunges), among the UIDs of `uids` (NULL: all).  Looks at the storage
	 * anew, so that what other programs did is seen - except with `uids`,
	 * which reports the state last seen.  UIDs are reported as expunged once
	 * per answer; unknown history (since too old) reports every absent UID
	 * below uidnext.  fields: MSV_FIELD_*; a message whose fields cannot be had
	 * because it is just going away has no row.
	 */
	void (*changes)(void *self, struct msv_mailbox *mailbox, uint64_t since,
	    const struct msv_uidset *uids, unsigned fields, struct msv_changes_op op);

	/* Pins the content of a message as it goes on the wire.  MSV_ERR_NOTFOUND
	 * when it was expunged. */
	void (*msg_open)(
	    void *self, struct msv_mailbox *mailbox, uint32_t uid, struct msv_content_op op);
	/* Reads up to n bytes from offset.  Cheap when offset is where the last
	 * read ended.  One read at a time per message. */
	void (*msg_read)(void *self, struct msv_open_message *message, uint64_t offset, size_t n,
	    struct msv_read_op op);
	/* The caller cancels a read under way first. */
	void (*msg_close)(void *self, struct msv_open_message *message);

	/* UIDs that are gone are left out.  A message that is so already keeps its
	 * modseq.  MSV_ERR_DENIED on a read-only opening; MSV_ERR_LIMIT: too many
	 * keywords (nothing is changed then). */
	void (*flags)(void *self, struct msv_mailbox *mailbox, const struct msv_uidset *uids,
	    const struct msv_flag_change *change, struct msv_flags_op op);
	/* All or none, with flags, keywords, internal date and email id; the copies
	 * get new UIDs in the order of the old ones, also within one mailbox.  UIDs
	 * that are gone are left out; none at all is a success with an empty result.
	 * MSV_ERR_NOTFOUND: no such destination (TRYCREATE).  MSV_ERR_LIMIT may mean
	 * that it has no room for the keywords. */
	void (*copy)(void *self, struct msv_mailbox *mailbox, const struct msv_uidset *uids,
	    const char *dest, struct msv_copy_op op);
	/* As copy; the originals go away with it (RFC 6851).  On failure midway
	 * nothing is lost.  MSV_ERR_DENIED on a read-only opening. */
	void (*move)(void *self, struct msv_mailbox *mailbox, const struct msv_uidset *uids,
	    const char *dest, struct msv_copy_op op);
	/* Removes those of uids (NULL: all) that have MSV_FLAG_DELETED now.
	 * MSV_ERR_DENIED on a read-only opening. */
	void (*expunge)(void *self, struct msv_mailbox *mailbox, const struct msv_uidset *uids,
	    struct msv_op *op);

	/*
	 * The append transaction: begin; for each message add, write...; commit.
	 * Nothing is visible before commit, then all is, on disk.  One op at a
	 * time per transaction.  An error of add or write, or its cancellation,
	 * leaves only abort.  MSV_ERR_NOTFOUND: no such mailbox.
	 */
	void (*append_begin)(void *self, const struct msv_actor *actor, const char *mailbox,
	    struct msv_append_op op);
	void (*append_add)(void *self, struct msv_append *append,
	    const struct msv_append_message *message, struct msv_op *op);
	/* Bytes of the message added last, in pieces; taken before the call
	 * returns. */
	void (*append_write)(
	    void *self, struct msv_append *append, const void *p, size_t n, struct msv_op *op);
	/* Makes all messages durable but not visible, so that commit hardly fails:
	 * for deliveries to several mailboxes.  May be NULL; need not be called. */
	void (*append_prepare)(void *self, struct msv_append *append, struct msv_op *op);
	/* The transaction is gone when this is answered, whatever the answer: no
	 * abort after commit.  MSV_ERR_NOTFOUND when the mailbox was removed
	 * meanwhile. */
	void (*append_commit)(void *self, struct msv_append *append, struct msv_copy_op op);
	/* Forgets it.  An op under way is canceled first by the caller. */
	void (*append_abort)(void *self, struct msv_append *append);

	/*
	 * Calls look(user, mailbox) from the loop when the opened mailbox may have
	 * changed - or, with mailbox NULL, when any mailbox of the actor's may
	 * have, naming it (NULL: the list of mailboxes itself).  It only says "look
	 * again": within a second of a change by anybody, at least once after the
	 * last change, spurious calls allowed.  Also for the watcher's own changes.
	 */
	int (*watch)(void *self, const struct msv_actor *actor, struct msv_mailbox *mailbox,
	    void (*look)(void *user, const char *mailbox), void *user,
	    struct msv_store_watch **out);
	/* Before close(); allowed inside look. */
	void (*unwatch)(void *self, struct msv_store_watch *watch);

	/* Optional from here. */
	void (*cache_get)(void *self, struct msv_mailbox *mailbox, const struct msv_uidset *uids,
	    uint32_t kind, struct msv_cache_op op);
	void (*cache_put)(void *self, struct msv_mailbox *mailbox,
	    const struct msv_cache_item *items, size_t n, struct msv_op *op);
	void (*search)(void *self, struct msv_mailbox *mailbox, const struct msv_uidset *uids,
	    const struct msv_search_query *query, struct msv_search_op op);
	void (*sort)(void *self, struct msv_mailbox *mailbox, const struct msv_uidset *uids,
	    const char *criteria, struct msv_search_op op);
	void (*quota_get)(void *self, const struct msv_actor *actor, struct msv_quota_op op);
	void (*quota_set)(void *self, const struct msv_actor *actor, const struct msv_quota *quota,
	    struct msv_op *op);
	/* mailbox NULL: of the server. */
	void (*metadata_get)(void *self, const struct msv_actor *actor, const char *mailbox,
	    const char *entry, struct msv_metadata_op op);
	void (*metadata_set)(void *self, const struct msv_actor *actor, const char *mailbox,
	    const struct msv_metadata *metadata, size_t n, struct msv_op *op);
	void (*acl_get)(
	    void *self, const struct msv_actor *actor, const char *mailbox, struct msv_acl_op op);
	void (*acl_set)(void *self, const struct msv_actor *actor, const char *mailbox,
	    const struct msv_acl *acl, struct msv_op *op);
	/* One row: what the actor may do, as letters. */
	void (*rights)(
	    void *self, const struct msv_actor *actor, const char *mailbox, struct msv_acl_op op);
};

/* -- Maildir -------------------------------------------------------------------------- */

struct msv_maildir;

struct msv_maildir_options {
	size_t size;
	/*
	 * Where an account's mail is: %u the account's name, %n the part before
	 * the @, %d the domain, %{home} the home directory, %% a percent sign.  A
	 * relative result is beneath `root`.  Names are checked
	 * (msv_account_name_valid()), so no account reaches another's directory.
	 * ["%d/%n"]
	 */
	const char *location;
	const char *root;     /* all mail is beneath [the working directory] */
	bool fs_layout;       /* folders are directories within directories [Maildir++: .A.B] */
	char separator;       /* ['.' for Maildir++, '/' for fs] */
	const char *prefix;   /* of the personal namespace [""] */
	const char *hostname; /* in file names [localhost] */
	uint32_t poll_ms;     /* how often a watched mailbox is looked at [500] */
};

/* Makes a store over Maildirs.  Creates no directory before an account needs
 * one. */
MSV_API int msv_maildir_new(
    struct msv_env *env, const struct msv_maildir_options *options, struct msv_maildir **out);
/* The table to give to sessions; lives as long as the maildir. */
MSV_API const struct msv_store *msv_maildir_store(struct msv_maildir *maildir);
MSV_API void msv_maildir_free(struct msv_maildir *maildir);

/* -- Memory ------------------------------------------------------------------------------ */

/* A store in memory, for examples and tests: gone with the process. */
struct msv_memory_store;

struct msv_memory_options {
	size_t size;
	bool
	    late; /* answer every op later, from the loop, in a random order that keeps the rules */
	char separator;       /* ['/'] */
	uint32_t quota_bytes; /* per account, 0: none; beyond, appends fail with MSV_ERR_QUOTA */
};

MSV_API int msv_memory_store_new(
    struct msv_env *env, const struct msv_memory_options *options, struct msv_memory_store **out);
MSV_API const struct msv_store *msv_memory_store(struct msv_memory_store *memory);
MSV_API void msv_memory_store_free(struct msv_memory_store *memory);

#ifdef __cplusplus
}
#endif

#endif
