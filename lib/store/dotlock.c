#include "store/dotlock.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "store/disk.h"

/* What is in our own lock files.  Dovecot finds no process id there and goes
 * by the time alone.  The holder keeps an flock() on the file too, so that
 * those who come after a crash need not wait for the time to pass. */
static const char mark[] = "mailserv\n";

/* True when the name still leads to the open file. */
static bool is_still(int dir, const char *name, int fd)
{
	struct msv_stamp at, of;

	return msv_stamp_at(dir, name, &at) == 0 && msv_stamp_fd(fd, &of) == 0 && at.ino == of.ino;
}

static int hold(int fd, struct msv_dotlock *lock)
{
	struct msv_stamp stamp;
	int error = msv_stamp_fd(fd, &stamp);

	*lock = (struct msv_dotlock){ fd, stamp.ino };
	return error;
}

static int make(int dir, const char *name, struct msv_dotlock *lock)
{
	int fd = openat(dir, name, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	int error;

	if (fd < 0)
		return msv_disk_error(errno);
	flock(fd, LOCK_EX | LOCK_NB);
	error = msv_disk_write(fd, mark, sizeof(mark) - 1);
	if (!error)
		error = hold(fd, lock);
	if (error) {
		unlinkat(dir, name, 0);
		close(fd);
		lock->fd = -1;
	}
	return error;
}

/* Takes over the lock of a holder of our own that is no more. */
static int inherit(int dir, const char *name, struct msv_dotlock *lock)
{
	int fd = openat(dir, name, O_RDWR | O_NOFOLLOW | O_CLOEXEC);
	char text[sizeof(mark)];
	size_t n;

	if (fd < 0)
		return msv_disk_error(errno);
	if (flock(fd, LOCK_EX | LOCK_NB) == 0 &&
	    msv_disk_read(fd, 0, text, sizeof(text), &n) == 0 && n == sizeof(mark) - 1 &&
	    memcmp(text, mark, n) == 0 && is_still(dir, name, fd) && hold(fd, lock) == 0) {
		msv_dotlock_touch(lock);
		return 0;
	}
	close(fd);
	lock->fd = -1;
	return MSV_ERR_BUSY;
}

/* Removes the lock that was seen, and no other that came in its place. */
static void break_lock(int dir, const char *name, const struct msv_lock_seen *seen)
{
	char aside[64];
	struct msv_stamp stamp;
	size_t n = strlen(name);

	if (n + 7 > sizeof(aside))
		return;
	memcpy(aside, name, n);
	memcpy(aside + n, ".stale", 7);
	if (renameat(dir, name, dir, aside) != 0)
		return;
	if (msv_stamp_at(dir, aside, &stamp) == 0 && stamp.ino != seen->ino)
		linkat(dir, aside, dir, name, 0);
	unlinkat(dir, aside, 0);
}

static bool is_stale(
    const struct msv_lock_seen *seen, int64_t now, const struct msv_lock_seen *stale)
{
	if (stale && stale->ino == seen->ino && stale->mtime == seen->mtime)
		return true;
	return seen->mtime / 1000000000 + MSV_LOCK_STALE < now;
}

int msv_dotlock_try(int dir, const char *name, int64_t now, const struct msv_lock_seen *stale,
    struct msv_dotlock *lock, struct msv_lock_seen *seen)
{
	struct msv_stamp stamp;
	int error = make(dir, name, lock);

	if (error != MSV_ERR_EXISTS)
		return error;
	if (inherit(dir, name, lock) == 0)
		return 0;
	*seen = (struct msv_lock_seen){ 0 };
	if (msv_stamp_at(dir, name, &stamp) == 0) {
		*seen = (struct msv_lock_seen){ stamp.ino, stamp.mtime, !stamp.size };
		if (!is_stale(seen, now, stale))
			return MSV_ERR_BUSY;
		break_lock(dir, name, seen);
	}
	error = make(dir, name, lock);
	return error == MSV_ERR_EXISTS ? MSV_ERR_BUSY : error;
}

int64_t msv_dotlock_touch(struct msv_dotlock *lock)
{
	struct msv_stamp stamp = { 0 };

	futimens(lock->fd, NULL);
	msv_stamp_fd(lock->fd, &stamp);
	return stamp.mtime;
}

void msv_dotlock_release(int dir, const char *name, struct msv_dotlock *lock)
{
	struct msv_stamp stamp;

	if (lock->fd < 0)
		return;
	/* Its number cannot be another file's while ours is open. */
	if (msv_stamp_at(dir, name, &stamp) == 0 && stamp.ino == lock->ino)
		unlinkat(dir, name, 0);
	msv_dotlock_forget(lock);
}

void msv_dotlock_forget(struct msv_dotlock *lock)
{
	if (lock->fd >= 0)
		close(lock->fd);
	lock->fd = -1;
}
