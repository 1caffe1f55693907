/* Looking at the disk: what maildir_sync.c and maildir_uids.c decide and maildir_disk.c
 * does. */
#ifndef MSV_STORE_MAILDIR_SYNC_H
#define MSV_STORE_MAILDIR_SYNC_H

#include <dirent.h>

#include "store/maildir.h"

/* So many bytes of names, or of a uidlist, go through a job at once. */
#define MSV_SYNC_BUFFER 131072

/* What jobs touch. */
struct msv_sync_disk {
	struct msv_place *place;
	int error;
	const char *what; /* failed */

	char *buf; /* MSV_SYNC_BUFFER */
	size_t used;
	bool end; /* nothing comes behind */

	/* What there is. */
	uint64_t dir_ino;
	struct msv_stamp new, cur, list, keywords;

	/* The lock. */
	struct msv_dotlock lock;
	struct msv_lock_wait wait;

	/* A scan: the directory that is read, 0 new and 1 cur. */
	DIR *open;
	int which;
	struct msv_stamp before[2], after[2];
	int64_t disk_time; /* the file system's time when the scan began, 0 without lock */

	/* The uidlist: where to read or write. */
	uint64_t offset;
	struct msv_stamp known; /* the list as it was read last */
	bool restarted;         /* it is another: reading began anew */
	const char *text;       /* to be written */
	size_t ntext;
	int temp; /* the new list being written */
};

/* The jobs. */
void msv_sync_look(struct msv_sync_disk *disk);
/* Reads dovecot-keywords into buf. */
void msv_sync_read_keywords(struct msv_sync_disk *disk);
/* Takes the lock of the uidlist, or MSV_ERR_BUSY. */
void msv_sync_lock(struct msv_sync_disk *disk);
/* Puts names of one directory, each ended by NUL, into buf, until its `end`, when
 * `which` goes on to the next. */
void msv_sync_scan(struct msv_sync_disk *disk);
/* Reads on in the uidlist: into buf, until `end`. */
void msv_sync_read_list(struct msv_sync_disk *disk);
/* Appends text to the uidlist, durably. */
void msv_sync_append_list(struct msv_sync_disk *disk);
/* Writes text to the new uidlist, which is begun when none is. */
void msv_sync_write_list(struct msv_sync_disk *disk);
/* Puts the new uidlist in the place of the old one, durably. */
void msv_sync_replace_list(struct msv_sync_disk *disk);
void msv_sync_unlock(struct msv_sync_disk *disk);
/* Lets go of all that is open; the lock too. */
void msv_sync_disk_fini(struct msv_sync_disk *disk);

/* -- The state, and steps that one file leaves to the other ----------------------------------- */

/* A file that has no UID yet. */
struct msv_newcomer {
	const char *name;
	bool in_new;
};

struct msv_sync {
	struct msv_sync_disk disk;
	struct msv_folder *folder;
	struct msv_env *env;
	void (*done)(void *user, int error);
	void *user;
	void (*work)(struct msv_sync_disk *disk);
	void (*next)(struct msv_sync *sync);
	int *early; /* an error before anything began goes here */

	bool thoroughly; /* read it all, under the lock, whatever the stamps say */
	bool locked;     /* this scan is under the lock, or there can be none */
	bool must_scan;  /* under the lock again */
	bool no_lock;    /* the disk is read-only for us */
	bool odd;        /* two files of one base were seen */
	bool sure;       /* what the scan did not see is not there */
	unsigned tries;
	struct msv_timer *pause;

	uint64_t scan_began;
	size_t seen; /* shown messages that the scan saw */
	struct msv_newcomer *newcomer;
	size_t n, cap;
	struct msv_arena names;

	struct msv_uidlist_reader reader;
	bool reading;     /* the reader has begun */
	bool anew;        /* ... at the list's begin */
	uint32_t uidnext; /* the list's, as it will be */
	uint32_t known;   /* UIDs below belonged to messages known before, or to none */
	bool rewrite;
	struct msv_buf text; /* for the list */
	size_t written;      /* messages in the new list */
};

/* maildir_sync.c: jobs, and the end. */
void msv_sync_run(struct msv_sync *sync, void (*work)(struct msv_sync_disk *disk),
    void (*next)(struct msv_sync *sync));
/* The same for jobs that need the buffer. */
void msv_sync_run_with_buffer(struct msv_sync *sync, void (*work)(struct msv_sync_disk *disk),
    void (*next)(struct msv_sync *sync));
void msv_sync_end(struct msv_sync *sync, int error);
/* Ends with an error, which it logs when it is the disk's. */
void msv_sync_fail(struct msv_sync *sync, int error);
/* Ends because the folder is not what it was. */
void msv_sync_gone(struct msv_sync *sync);
/* A file that was seen, of a message that is known.  0 or MSV_ERR_NOMEM. */
int msv_sync_see(
    struct msv_sync *sync, struct msv_mail *mail, const struct msv_filename *name, bool in_new);
/* Scans new/ and cur/ under the lock. */
void msv_sync_scan_locked(struct msv_sync *sync);

/* maildir_uids.c: takes the lock and reads the uidlist. */
void msv_sync_take_lock(struct msv_sync *sync);
/* Gives UIDs to the newcomers, writes the uidlist, shows what there is, unlocks
 * and ends. */
void msv_sync_admit(struct msv_sync *sync);

#endif
