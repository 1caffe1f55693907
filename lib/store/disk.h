/* Small pieces of work on files.  For jobs: touches no env, answers MSV_ERR_*. */
#ifndef MSV_STORE_DISK_H
#define MSV_STORE_DISK_H

#include <mailserv/base.h>

#include <sys/stat.h>

/* What an errno means; never 0. */
int msv_disk_error(int err);

/* What tells one state of a file or directory from another. */
struct msv_stamp {
	uint64_t ino;  /* 0: there is none */
	int64_t mtime; /* nanoseconds since the epoch */
	uint64_t size;
};
struct msv_stamp msv_stamp_of(const struct stat *st);
/* The stamp of name in dir (of dir itself for ""); MSV_ERR_NOTFOUND leaves it
 * zero. */
int msv_stamp_at(int dir, const char *name, struct msv_stamp *stamp);
int msv_stamp_fd(int fd, struct msv_stamp *stamp);
bool msv_stamp_same(const struct msv_stamp *a, const struct msv_stamp *b);
/* How many nanoseconds after its mtime a stamp can still hide a later change:
 * 2 s where the file system seems to keep no fractions of milliseconds, else
 * 0.1 s. */
int64_t msv_stamp_grain(const struct msv_stamp *stamp);

/* Opens a directory that is a component of dir ("": dir again).  A descriptor
 * or MSV_ERR_*. */
int msv_disk_dir(int dir, const char *name);

int msv_disk_write(int fd, const void *p, size_t n);
/* Reads up to n bytes from offset, fewer only at the end.  *got: how many. */
int msv_disk_read(int fd, uint64_t offset, void *p, size_t n, size_t *got);
int msv_disk_sync(int fd);
/* Syncs a directory. */
int msv_disk_sync_dir(int fd);

/* Replaces name in dir by n bytes, durably: writes `temp` (in dir too), syncs,
 * renames. */
int msv_disk_replace(int dir, const char *temp, const char *name, const void *p, size_t n);

#endif
