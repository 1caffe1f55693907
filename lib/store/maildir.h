/*
 * The inside of the Maildir store.
 *
 * What blocks is done by jobs (MSV_LANE_DISK), which touch nothing but the
 * struct they were given and memory that does not change meanwhile: paths.  A
 * job opens its directories anew by their names, beneath the account's, so that
 * nothing is held open while nothing happens and a mailbox that was moved away
 * is noticed.
 *
 * A mailbox that is in use is one struct msv_folder for all its openings.  What
 * changes it or looks at it anew is an act; the acts of a folder take turns.
 */
#ifndef MSV_STORE_MAILDIR_H
#define MSV_STORE_MAILDIR_H

#include "base/alloc.h"
#include "base/buf.h"
#include "base/env.h"
#include "codec/arena.h"
#include "codec/uidset.h"
#include "store/crlf.h"
#include "store/disk.h"
#include "store/dotlock.h"
#include "store/keywords.h"
#include "store/location.h"
#include "store/uidlist.h"

/* What jobs read files into. */
#define MSV_ROOM_SIZE 32768

/* -- Places: maildir_place.c --------------------------------------------------------- */

/* The directory of a mailbox; or, with no folder, of an account (its INBOX).
 * Never changes, so that jobs may read it. */
struct msv_place {
	size_t refs;
	struct msv_env *env;
	const char *base;    /* the administrator's directory */
	const char *account; /* beneath it; may be "" */
	const char *folder;  /* beneath that: ".A.B", "A/B", or "" */
	char text[];
};

/* The place of an actor's mailbox (NULL: the account).  0, MSV_ERR_NOTFOUND,
 * MSV_ERR_FORMAT, MSV_ERR_LIMIT, MSV_ERR_NOMEM. */
struct msv_maildir;
int msv_place_of(struct msv_maildir *maildir, const struct msv_actor *actor, const char *mailbox,
    struct msv_place **out);
/* The place of another folder of the same account; NULL: no memory. */
struct msv_place *msv_place_sibling(const struct msv_place *place, const char *folder);
struct msv_place *msv_place_ref(struct msv_place *place);
void msv_place_unref(struct msv_place *place);
bool msv_place_same(const struct msv_place *a, const struct msv_place *b);

/* For jobs.  Opens the administrator's directory.  A descriptor, AT_FDCWD when
 * it is where the process stands, or MSV_ERR_*. */
int msv_place_base(const struct msv_place *place);
/* For jobs.  Opens the account's directory; with `make`, makes it and its INBOX
 * when they are missing.  A descriptor or MSV_ERR_*. */
int msv_place_root(const struct msv_place *place, bool make);
/* For jobs.  Opens the mailbox's directory; an INBOX is made when missing.
 * MSV_ERR_NOTFOUND: there is no mailbox. */
int msv_place_open(const struct msv_place *place);
/* For jobs.  Makes of an open directory a mailbox: tmp, new and, last, cur.
 * MSV_ERR_EXISTS: it is one. */
int msv_place_make(int dir);

/* -- Messages in memory: maildir_mails.c ------------------------------------------------ */

/* States of a message. */
enum {
	MSV_MAIL_GONE = 1,    /* expunged: only here until the array is compacted */
	MSV_MAIL_ABSENT = 2,  /* in the uidlist, its file not seen: not shown */
	MSV_MAIL_LISTED = 4,  /* in the uidlist as it was read last */
	MSV_MAIL_NEW = 8,     /* its file is in new/ */
	MSV_MAIL_FRESH = 16,  /* \Recent, which no opening has taken */
	MSV_MAIL_INFO = 32,   /* the info of its name is kept: it is not the usual one */
	MSV_MAIL_SIZED = 64,  /* octets was counted */
	MSV_MAIL_DATED = 128, /* date is known */
	MSV_MAIL_SEEN = 256   /* by the scan under way */
};

/* One message: 48 bytes, and its name.  Mailboxes of a million are meant. */
struct msv_mail {
	const char *name; /* base NUL keys NUL, and with MSV_MAIL_INFO: info NUL */
	uint64_t modseq;
	uint64_t octets; /* on the wire */
	int64_t date;    /* seconds since the epoch */
	uint32_t uid;
	uint32_t letters; /* keywords */
	uint32_t hash;    /* of the base */
	uint16_t state;   /* MSV_MAIL_* */
	uint8_t flags;    /* MSV_FLAG_* but RECENT */
};

/* UIDs that went away. */
struct msv_gone {
	uint64_t modseq;
	uint32_t first, last;
};

struct msv_mails {
	struct msv_env *env;
	struct msv_mail *mail; /* by rising UID */
	size_t n, cap;
	size_t alive;    /* neither gone nor absent */
	size_t fresh;    /* of these, with MSV_MAIL_FRESH */
	size_t absent;   /* with MSV_MAIL_ABSENT */
	uint32_t *slots; /* a hash table by base: index + 1, or 0 */
	size_t nslots;   /* a power of two */
	struct msv_arena names;
	size_t names_live;
	uint64_t modseq;  /* the highest given */
	uint64_t told;    /* the highest that anybody outside knows */
	uint64_t horizon; /* expunges at or before are forgotten */
	struct msv_gone *gone;
	size_t ngone, gone_cap;
};

void msv_mails_init(struct msv_mails *mails, struct msv_env *env, uint64_t modseq);
void msv_mails_fini(struct msv_mails *mails);
/* The message of a base, or NULL. */
struct msv_mail *msv_mails_by_base(const struct msv_mails *mails, struct msv_span base);
/* The message of a UID, shown or absent, or NULL. */
struct msv_mail *msv_mails_by_uid(const struct msv_mails *mails, uint32_t uid);
/* The index of the first message with that UID or one above. */
size_t msv_mails_from(const struct msv_mails *mails, uint32_t uid);
/* Adds a message above all UIDs, absent.  NULL: no memory. */
struct msv_mail *msv_mails_add(
    struct msv_mails *mails, uint32_t uid, struct msv_span base, struct msv_span keys);
/* An absent message is seen: it becomes one that is shown. */
void msv_mails_show(struct msv_mails *mails, struct msv_mail *mail);
/* What its file's name says now.  True when flags or keywords changed (then it
 * has a new modseq); MSV_ERR_NOMEM leaves it as it was. */
int msv_mails_rename(
    struct msv_mails *mails, struct msv_mail *mail, const struct msv_filename *name, bool in_new);
/* It is gone; one that was shown goes into the history. */
void msv_mails_expunge(struct msv_mails *mails, struct msv_mail *mail);
void msv_mails_clear_fresh(struct msv_mails *mails, struct msv_mail *mail);
/* A message's parts. */
const char *msv_mail_keys(const struct msv_mail *mail);
const char *msv_mail_info(const struct msv_mail *mail, char usual[MSV_INFO_SIZE]);
static inline bool msv_mail_shown(const struct msv_mail *mail)
{
	return !(mail->state & (MSV_MAIL_GONE | MSV_MAIL_ABSENT));
}
/* Gives back the memory of what is gone, when it is much.  Moves messages. */
void msv_mails_compact(struct msv_mails *mails);
/* About how many bytes they take. */
size_t msv_mails_memory(const struct msv_mails *mails);

/* -- Folders: maildir_folder.c ----------------------------------------------------------- */

/* How long a lock is waited for, longer than it takes to get stale. */
#define MSV_LOCK_PATIENCE 180000 /* ms */

/* new/ or cur/ as a scan found it. */
struct msv_watched_dir {
	struct msv_stamp stamp;
	uint64_t recheck_at; /* ms: its mtime may hide a change until then; 0: it cannot */
};

struct msv_act;

struct msv_folder {
	struct msv_maildir *maildir;
	struct msv_env *env;
	struct msv_place *place;
	struct msv_folder *hash_next;
	struct msv_folder *idle_next, *idle_prev;
	size_t idle_memory;
	uint32_t hash;
	size_t refs;
	bool known; /* in the maildir's table: else it was removed, or failed to load */
	bool idle;
	bool loaded;
	bool stale; /* removed, renamed, or its UIDVALIDITY changed */
	/* Messages this process put into cur/ that are \Recent when it is loaded: a
	 * file in cur/ does not tell. */
	struct msv_uidset_builder fresh;
	/* The uidlist as the last delivery left it, uidnext included: while its
	 * stamp is that, it need not be read. */
	struct msv_stamp tail;
	struct msv_uidlist_header tail_header;

	struct msv_mails mails;
	struct msv_uidlist_header header; /* uidnext is kept up to date */
	struct msv_stamp list;            /* of the uidlist as it was read last */
	uint64_t list_end;                /* how far it was read; what is behind is half a line */
	size_t list_records, list_bad;    /* lines of it */
	uint64_t dir_ino;
	struct msv_watched_dir new, cur;
	uint64_t scan_ms; /* how long the last scan took */

	struct msv_stamp keywords_stamp;
	struct msv_keywords *letters;       /* NULL: no keywords */
	char mailbox_id[MSV_GUID_SIZE + 1]; /* "" when there is none */
	char *keyword[64];                  /* names by the number told to others */
	uint8_t number[MSV_MAX_LETTERS];

	struct msv_act *acts, **acts_end; /* the first has its turn */
	struct msv_task turn;
	size_t watchers;
	bool polling; /* a poll has it */
	/* Where messages were read lately: positions on the wire and in the file. */
	struct msv_reading {
		uint32_t uid;
		bool cr;
		uint64_t wire, file;
	} readings[8];
	unsigned next_reading;
};

/* The folder of a place, with a reference; NULL: no memory. */
struct msv_folder *msv_folder_get(struct msv_maildir *maildir, struct msv_place *place);
struct msv_folder *msv_folder_ref(struct msv_folder *folder);
void msv_folder_unref(struct msv_folder *folder);
/* Finds one that is in memory; NULL: none.  No reference. */
struct msv_folder *msv_folder_find(struct msv_maildir *maildir, const struct msv_place *place);
/* It was removed, renamed or replaced: all messages are gone and no more come. */
void msv_folder_go_stale(struct msv_folder *folder);
/* Forgets folders that nobody uses, until they take no more than that. */
void msv_folder_trim(struct msv_maildir *maildir, size_t memory);
/* Tells those who watch it. */
void msv_folder_tell(struct msv_folder *folder);

/* Something that has its turn at a folder: part of a bigger struct. */
struct msv_act {
	struct msv_act *next;
	void (*turn)(struct msv_act *act);
};
/* Calls act->turn once it is its turn, from the loop.  Holds a reference. */
void msv_act_begin(struct msv_folder *folder, struct msv_act *act);
/* The turn of the first act is over; the act is not touched any more. */
void msv_act_end(struct msv_folder *folder);
/* The act behind the first (there is one) shares the first's turn and does not
 * come up by itself.  Its reference is the caller's now. */
void msv_act_share(struct msv_folder *folder);

/* The uidlist's header was read: makes the mailbox id. */
void msv_folder_set_id(struct msv_folder *folder);
/* The letters' file was read. */
int msv_folder_set_letters(struct msv_folder *folder, const struct msv_keywords *letters);
/* The numbers of letters, as others know them. */
uint64_t msv_folder_numbers(const struct msv_folder *folder, uint32_t letters);

/* A rename or the like of our own took new/ or cur/ from one stamp to another:
 * if nothing else had changed it before, the next look need not read it all. */
void msv_folder_own_change(struct msv_folder *folder, struct msv_watched_dir *dir,
    const struct msv_stamp *before, const struct msv_stamp *after);
/* "cur/" or "new/" and the file name of a message. */
int msv_folder_path(const struct msv_mail *mail, struct msv_buf *out);
/* What is logged when the disk does not do as it should. */
void msv_folder_complain(const struct msv_place *place, const char *what, int error);
struct msv_mailbox_status msv_folder_status(const struct msv_folder *folder);

/* -- Waiting for a lock: maildir_wait.c ---------------------------------------------------- */

struct msv_lock_wait {
	struct msv_env *env;
	struct msv_timer *timer;
	uint64_t since, seen_since, pause;
	struct msv_lock_seen seen; /* where the job puts what it saw */
	struct msv_lock_seen last;
	/* For the job. */
	int64_t now; /* seconds since the epoch */
	bool stale;  /* seen is the same for so long that it is nobody's */
};

/* again(user) is to start the job that takes the lock once more. */
int msv_lock_wait_init(
    struct msv_lock_wait *wait, struct msv_env *env, void (*again)(void *user), void *user);
void msv_lock_wait_fini(struct msv_lock_wait *wait);
/* To be called before each start of the job. */
void msv_lock_wait_prepare(struct msv_lock_wait *wait);
/* The job answered MSV_ERR_BUSY: calls again later.  MSV_ERR_BUSY: no more. */
int msv_lock_wait_more(struct msv_lock_wait *wait);
/* For the job: msv_dotlock_try() with what the wait knows. */
int msv_lock_wait_try(
    struct msv_lock_wait *wait, int dir, const char *name, struct msv_dotlock *lock);

/* -- Keywords on disk: maildir_letters.c ---------------------------------------------------- */

/* For jobs, with the uidlist's lock held: gives n words their letters.  room:
 * MSV_ROOM_SIZE bytes.  *table and *stamp are the file's afterwards.  0,
 * MSV_ERR_LIMIT (nothing is changed), ... */
int msv_letters_add(int dir, char *const *word, size_t n, char *room, struct msv_keywords *table,
    struct msv_stamp *stamp);
/* For jobs: the same, taking the lock for it.  MSV_ERR_BUSY too. */
int msv_letters_add_locked(struct msv_lock_wait *wait, const struct msv_place *place,
    char *const *word, size_t n, char *room, struct msv_keywords *table, struct msv_stamp *stamp);

/* -- Looking at the disk: maildir_sync.c ------------------------------------------------------ */

/* Brings a folder up to date, in an act's turn; loads it first when it is not.
 * thoroughly: reads it all, and mends what must be.  done(user, error) comes from
 * the loop; an error returned means that it does not.  A folder that is gone becomes stale,
 * which is no error once it was loaded. */
int msv_folder_sync(
    struct msv_folder *folder, bool thoroughly, void (*done)(void *user, int error), void *user);

/* -- Many files at once: maildir_batch.c ------------------------------------------------------ */

enum msv_batch_kind {
	MSV_BATCH_RENAME, /* from -> to, in the same mailbox */
	MSV_BATCH_UNLINK, /* from */
	MSV_BATCH_PROBE,  /* date and, with `count`, octets of from */
	MSV_BATCH_LINK    /* from -> to in another mailbox; a copy where no link can be */
};

struct msv_batch_item {
	uint32_t uid;
	size_t from, to; /* in text */
	bool count;
	int error; /* 0, MSV_ERR_NOTFOUND, ... */
	int64_t date;
	uint64_t octets;
};

/* At most so many files a job, so that others get their turn. */
#define MSV_BATCH_MAX 256

struct msv_batch {
	struct msv_env *env;
	enum msv_batch_kind kind;
	struct msv_place *place, *dest;
	struct msv_batch_item *item;
	size_t n, cap;
	struct msv_buf text; /* paths, each ended by NUL */
	char *room;          /* for reading */
	void (*done)(void *user);
	void *user;
	/* What came of it. */
	int error;    /* none of the items was touched */
	bool no_dest; /* because there is no destination */
	struct msv_stamp new_before, cur_before, new_after, cur_after;
};

void msv_batch_init(struct msv_batch *batch, struct msv_env *env, enum msv_batch_kind kind,
    struct msv_place *place, struct msv_place *dest);
void msv_batch_fini(struct msv_batch *batch);
/* Empties it for the next files. */
void msv_batch_clear(struct msv_batch *batch);
/* Adds a message's file; `to` NULL: none.  0 or MSV_ERR_NOMEM. */
int msv_batch_add(struct msv_batch *batch, const struct msv_mail *mail, const char *to, bool count);
/* Starts it; done(user) comes from the loop.  0 or MSV_ERR_NOMEM. */
int msv_batch_run(struct msv_batch *batch, void (*done)(void *user), void *user);
/* Tells a folder about the renames or unlinks of a batch. */
void msv_batch_tell(const struct msv_batch *batch, struct msv_folder *folder);
/* For jobs: the wire octets of an open file, read with n bytes of room. */
int msv_file_measure(int fd, char *room, size_t n, uint64_t *octets);

/* -- Delivering: maildir_delivery.c ---------------------------------------------------------- */

/* A message that lies in tmp/ of a mailbox and is to appear in it. */
struct msv_parcel {
	char *temp;      /* its name in tmp/ */
	char *base;      /* its name afterwards, without info */
	char *guid;      /* NULL: the base is its GUID */
	uint32_t source; /* the UID it is a copy of */
	uint32_t flags;
	uint64_t words;           /* its keywords: bit i is the delivery's word i */
	char info[MSV_INFO_SIZE]; /* made by the job; "": it goes to new/ */
};

enum { MSV_DELIVERY_WORDS = 64 };
/* For the header and the last records of a uidlist, and for new ones. */
#define MSV_DELIVERY_ROOM ((size_t)4 * MSV_UIDLIST_LINE)

/* Deliveries that wait for the same folder are run as one: `share` leads from
 * the first to the others. */
struct msv_delivery {
	struct msv_act act;
	struct msv_delivery *share;
	struct msv_folder *folder;
	struct msv_env *env;
	struct msv_parcel *parcel;
	size_t n, cap;
	char *word[MSV_DELIVERY_WORDS];
	size_t nwords;
	void (*done)(struct msv_delivery *delivery, int error);
	/* May be NULL.  For the job, once: puts the files into tmp/, which is open,
	 * before they are moved out of it. */
	int (*write)(struct msv_delivery *delivery, int temp);
	bool synced; /* the folder was brought up to date for it */
	/* What came of it: the n messages have the UIDs from first on. */
	uint32_t uidvalidity, first;

	/* The job's. */
	struct msv_lock_wait wait;
	char *room; /* for the uidlist's end, for new records, for the letters' file */
	size_t room_size, used;
	int error;
	const char *what; /* failed */
	bool needs_sync;  /* the uidlist must be made or mended first */
	bool watched;     /* the folder is in memory and is told what changed in new and cur */
	struct msv_stamp tail;
	struct msv_uidlist_header header, tail_header;
	struct msv_keywords *letters; /* as they are now, if there are words */
	struct msv_stamp list_before, list_after, keywords_after;
	struct msv_stamp new_before, cur_before, new_after, cur_after;
};

int msv_delivery_init(struct msv_delivery *delivery, struct msv_folder *folder);
void msv_delivery_fini(struct msv_delivery *delivery);
/* Adds a parcel; its strings, which it shall own, are to be filled in.  NULL: no
 * memory. */
struct msv_parcel *msv_delivery_add(struct msv_delivery *delivery);
/* Gives a parcel a keyword.  MSV_ERR_LIMIT, MSV_ERR_NOMEM. */
int msv_delivery_keyword(
    struct msv_delivery *delivery, struct msv_parcel *parcel, const char *name);
/* Makes all appear, or none.  done comes from the loop; on error the files are
 * still in tmp/. */
void msv_delivery_run(
    struct msv_delivery *delivery, void (*done)(struct msv_delivery *delivery, int error));

/* Makes all appear, or none, without UIDs: these come when somebody looks.  No
 * lock is taken and no turn waited for.  0: done comes from the loop; or
 * MSV_ERR_NOMEM. */
int msv_delivery_start_drop(
    struct msv_delivery *delivery, void (*done)(struct msv_delivery *delivery, int error));
/* False: somebody looks already, or it has flags or keywords. */
bool msv_delivery_can_drop(const struct msv_delivery *delivery);

/* For jobs: maildir_deliver.c. */
void msv_delivery_work(void *delivery);
void msv_delivery_drop(void *delivery);
/* The name of the file a parcel becomes.  0 or MSV_ERR_LIMIT. */
int msv_parcel_name(const struct msv_parcel *parcel, char out[MSV_FILENAME_SIZE]);

/* Removes files from tmp/ of a place, in its own time: names, each ended by NUL,
 * which are taken out of the buffer. */
void msv_discard_temps(struct msv_place *place, struct msv_buf *names);
/* The same for one file at once, for when there is no memory. */
void msv_discard_temp(struct msv_place *place, const char *name);

/* A new base, unique in the world: time, random, counter and host name.  NULL:
 * no memory. */
char *msv_maildir_unique(struct msv_maildir *maildir);

/* -- Removing: maildir_expunge.c ---------------------------------------------------------------- */

/* Removes messages of a folder: of uids, which it takes (`all`: whatever the
 * UID), those with \Deleted (`deleted`) or any.  done comes from the loop; an
 * error returned means that it does not. */
int msv_folder_expunge(struct msv_folder *folder, struct msv_uidset *uids, bool all, bool deleted,
    void (*done)(void *user, int error), void *user);

/* -- Copying: maildir_copy.c ---------------------------------------------------------------------- */

/* Copies, or moves, messages of a folder (uids, which it takes, or `all`) to
 * another place.  done comes from the loop, with a result when error is 0; an
 * error returned means that it does not. */
int msv_folder_copy(struct msv_folder *from, struct msv_uidset *uids, bool all,
    struct msv_place *dest, bool move,
    void (*done)(void *user, int error, const struct msv_copy_result *result), void *user);

/* -- Openings: maildir_opening.c --------------------------------------------------------------- */

struct msv_mailbox {
	struct msv_folder *folder;
	size_t refs;
	bool readonly, closed;
	/* Whose \Recent it took. */
	struct msv_uidset_builder recent;
};

void msv_mailbox_ref(struct msv_mailbox *mailbox);
void msv_mailbox_unref(struct msv_mailbox *mailbox);
/* Takes the \Recent of fresh messages, in an act's turn.  True: their files are
 * being moved from new/ to cur/, and done comes from the loop. */
bool msv_mailbox_take_recent(struct msv_mailbox *mailbox, void (*done)(void *user), void *user);
/* A message as rows tell it; email_id is room for that. */
#define MSV_EMAIL_ID_SIZE 40
struct msv_message msv_mailbox_message(const struct msv_mailbox *mailbox,
    const struct msv_mail *mail, unsigned fields, char email_id[MSV_EMAIL_ID_SIZE]);
/* The GUID of a message: what the uidlist has, or its base. */
void msv_mail_guid(const struct msv_mail *mail, char guid[MSV_FILENAME_SIZE]);

/* A set of UIDs kept beyond the call. */
int msv_uids_copy(struct msv_env *env, const struct msv_uidset *from, struct msv_uidset *to);

/* -- Files of an account: maildir_files.c ---------------------------------------------------------- */

/*
 * Reads a small file of an account under its lock, lets edit() say what becomes
 * of it, writes that durably.  edit puts the new contents into out and returns
 * 1; 0: it stays as it is; or an error.  done comes from the loop; an error
 * returned means that it does not.
 */
int msv_file_edit(struct msv_place *place, const char *name, const char *lock,
    int (*edit)(void *user, struct msv_span file, struct msv_buf *out),
    void (*done)(void *user, int error), void *user);
/* For jobs.  Reads the file, if there is one, into room of *n bytes and sets *n;
 * MSV_ERR_LIMIT: *n is what it takes. */
int msv_file_read(int dir, const char *name, char *room, size_t *n);

/* -- All folders of an account: maildir_listing.c --------------------------------------------------- */

struct msv_listed {
	size_t folder; /* in the listing's text */
	bool mailbox;  /* else a directory with nothing but mailboxes in it */
	uint64_t mark; /* differs when the mailbox was changed: of its time stamps */
};

struct msv_listing {
	struct msv_env *env;
	struct msv_buf text; /* names of folders, each ended by NUL */
	struct msv_listed *entry;
	size_t n, cap;
	uint64_t inbox_mark, list_mark; /* of the INBOX; of the files beside it */
	void (*done)(struct msv_listing *listing, int error);

	/* The job's. */
	struct msv_place *place;
	bool fs, marks;
	size_t at; /* the entry whose folder is read; SIZE_MAX: the account's */
	const char *folder;
	void *open; /* DIR */
	char *room;
	size_t used;
	bool end;
	bool trash; /* there are removed mailboxes that are not gone yet */
	int error;
};

/* Where a mailbox is while it is being removed: no mailbox's name. */
#define MSV_TRASH "..mailserv-removed."
/* Removes what is in the trash of an account, in its own time. */
void msv_trash_empty(struct msv_place *place);

/* Finds all folders (the INBOX is not among them); `marks`: with marks.  done
 * comes from the loop; an error returned means that it does not. */
int msv_listing_begin(struct msv_listing *listing, struct msv_maildir *maildir,
    struct msv_place *place, bool marks, void (*done)(struct msv_listing *listing, int error));
void msv_listing_fini(struct msv_listing *listing);
static inline const char *msv_listing_folder(const struct msv_listing *listing, size_t i)
{
	return msv_buf_data(&listing->text) + listing->entry[i].folder;
}

/* -- Making mailboxes: maildir_make.c ---------------------------------------------------------------- */

/* Makes a folder (unless `parents`) and those above it that are missing.  use:
 * what it is for, MSV_USE_*.  done comes from the loop; MSV_ERR_EXISTS.  An error
 * returned means that it does not. */
int msv_folders_make(struct msv_maildir *maildir, struct msv_place *account, const char *folder,
    bool parents, uint32_t use, void (*done)(void *user, int error), void *user);
/* Appends the line of the attributes and subscriptions for a folder. */
int msv_folder_line(const struct msv_maildir *maildir, const char *folder, struct msv_buf *out);

/* -- Watches: maildir_watch.c ------------------------------------------------------------------------- */

struct msv_store_watch {
	struct msv_maildir *maildir;
	struct msv_store_watch *next; /* of the maildir's */
	struct msv_folder *folder;    /* one mailbox ... */
	struct msv_place *account;    /* ... or all of an account */
	void (*look)(void *user, const char *mailbox);
	void *user;
	struct msv_task task;
	bool list_due;        /* of an account: for the list itself */
	struct msv_buf names; /* of an account: folders that are due */
	/* What the account's folders were when they were polled last. */
	struct msv_mark {
		uint64_t name, mark;
		size_t index; /* in the listing */
	} * mark;
	size_t nmarks;
	uint64_t inbox_mark, list_mark;
	bool marked; /* it was polled */
	bool polled; /* this time */
	uint64_t id;
};

int msv_watches_init(struct msv_maildir *maildir);

/* Something of an account changed: a folder, or (NULL) the list of them. */
void msv_account_tell(
    struct msv_maildir *maildir, const struct msv_place *place, const char *folder);

/* -- The store ---------------------------------------------------------------------------------- */

struct msv_maildir {
	struct msv_store store;
	struct msv_env *env;
	size_t refs;
	bool freed;
	char *location, *root, *prefix;
	char host[64];
	struct msv_layout layout;
	uint32_t poll_ms;
	uint64_t counter;     /* in unique names */
	size_t append_memory; /* bytes of messages being appended that are in memory */

	struct msv_folder **table; /* by place */
	size_t ntable, nfolders;
	struct msv_folder *idle_first, *idle_last; /* the one used last is first */
	size_t idle_memory;

	struct msv_store_watch *watches;
	struct msv_timer *poll_timer;
	struct msv_poll *poll; /* under way */
};

struct msv_maildir *msv_maildir_ref(struct msv_maildir *maildir);
void msv_maildir_unref(struct msv_maildir *maildir);

#endif
