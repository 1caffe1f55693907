/* Locks that are files, as Dovecot takes them.  For jobs: touches no env. */
#ifndef MSV_STORE_DOTLOCK_H
#define MSV_STORE_DOTLOCK_H

#include <stdbool.h>
#include <stdint.h>

/* A lock that nobody touched for so long is nobody's. */
#define MSV_LOCK_STALE 120 /* seconds */

/* A lock that is held; the zero value but for fd -1 is none. */
struct msv_dotlock {
	int fd;
	uint64_t ino;
};

/* What a waiter saw of a lock in its way. */
struct msv_lock_seen {
	uint64_t ino;
	int64_t mtime; /* nanoseconds since the epoch */
	bool empty;    /* its holder has only begun to make it */
};

/*
 * Takes the lock file `name` in dir.  0; MSV_ERR_BUSY: somebody holds it, and
 * *seen says which; MSV_ERR_* as msv_disk_error().  A lock whose mtime is
 * MSV_LOCK_STALE seconds before `now` (seconds since the epoch), or that is
 * still the one in *stale (may be NULL), or whose holder of this library has
 * died, is taken over.
 */
int msv_dotlock_try(int dir, const char *name, int64_t now, const struct msv_lock_seen *stale,
    struct msv_dotlock *lock, struct msv_lock_seen *seen);
/* Shows others that the holder is alive; tells the file system's time, in
 * nanoseconds since the epoch. */
int64_t msv_dotlock_touch(struct msv_dotlock *lock);
/* Removes the lock if it is still ours; a lock that is none is fine. */
void msv_dotlock_release(int dir, const char *name, struct msv_dotlock *lock);
/* The lock file was renamed over the file it guards: lets go of it. */
void msv_dotlock_forget(struct msv_dotlock *lock);

#endif
