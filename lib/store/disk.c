#include "store/disk.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

static const struct {
	int err, error;
} meanings[] = {
	{ ENOENT, MSV_ERR_NOTFOUND },
	{ ENOTDIR, MSV_ERR_NOTFOUND },
	{ EEXIST, MSV_ERR_EXISTS },
	{ ENOTEMPTY, MSV_ERR_EXISTS },
	{ EACCES, MSV_ERR_DENIED },
	{ EPERM, MSV_ERR_DENIED },
	{ EROFS, MSV_ERR_DENIED },
	{ ELOOP, MSV_ERR_DENIED },
	{ EXDEV, MSV_ERR_DENIED },
	{ ENOSPC, MSV_ERR_NOSPACE },
	{ EFBIG, MSV_ERR_NOSPACE },
	{ EDQUOT, MSV_ERR_QUOTA },
	{ ENAMETOOLONG, MSV_ERR_LIMIT },
	{ ENOMEM, MSV_ERR_NOMEM },
};

int msv_disk_error(int err)
{
	for (size_t i = 0; i < sizeof(meanings) / sizeof(meanings[0]); i++) {
		if (meanings[i].err == err)
			return meanings[i].error;
	}
	return MSV_ERR_IO;
}

/* -- Stamps --------------------------------------------------------------------------- */

struct msv_stamp msv_stamp_of(const struct stat *st)
{
	return (struct msv_stamp){
		.ino = (uint64_t)st->st_ino,
		.mtime = (int64_t)st->st_mtim.tv_sec * 1000000000 + st->st_mtim.tv_nsec,
		.size = (uint64_t)st->st_size,
	};
}

int msv_stamp_at(int dir, const char *name, struct msv_stamp *stamp)
{
	struct stat st;

	*stamp = (struct msv_stamp){ 0 };
	if (!*name)
		return msv_stamp_fd(dir, stamp);
	if (fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) != 0)
		return msv_disk_error(errno);
	*stamp = msv_stamp_of(&st);
	return 0;
}

int msv_stamp_fd(int fd, struct msv_stamp *stamp)
{
	struct stat st;

	*stamp = (struct msv_stamp){ 0 };
	if (fstat(fd, &st) != 0)
		return msv_disk_error(errno);
	*stamp = msv_stamp_of(&st);
	return 0;
}

bool msv_stamp_same(const struct msv_stamp *a, const struct msv_stamp *b)
{
	return a->ino == b->ino && a->mtime == b->mtime && a->size == b->size;
}

int64_t msv_stamp_grain(const struct msv_stamp *stamp)
{
	return stamp->mtime % 1000000 ? 100000000 : 2000000000;
}

/* -- Files ----------------------------------------------------------------------------- */

int msv_disk_dir(int dir, const char *name)
{
	int fd = openat(dir, *name ? name : ".", O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

	return fd < 0 ? msv_disk_error(errno) : fd;
}

int msv_disk_write(int fd, const void *p, size_t n)
{
	const char *from = p;

	while (n) {
		ssize_t wrote = write(fd, from, n);
		if (wrote < 0 && errno == EINTR)
			continue;
		if (wrote < 0)
			return msv_disk_error(errno);
		from += wrote;
		n -= (size_t)wrote;
	}
	return 0;
}

int msv_disk_read(int fd, uint64_t offset, void *p, size_t n, size_t *got)
{
	char *to = p;

	*got = 0;
	while (*got < n) {
		ssize_t r = pread(fd, to + *got, n - *got, (off_t)(offset + *got));
		if (r < 0 && errno == EINTR)
			continue;
		if (r < 0)
			return msv_disk_error(errno);
		if (r == 0)
			break;
		*got += (size_t)r;
	}
	return 0;
}

int msv_disk_sync(int fd)
{
	return fsync(fd) == 0 ? 0 : msv_disk_error(errno);
}

int msv_disk_sync_dir(int fd)
{
	/* Some file systems have nothing to sync for a directory and say so. */
	if (fsync(fd) == 0 || errno == EINVAL)
		return 0;
	return msv_disk_error(errno);
}

int msv_disk_replace(int dir, const char *temp, const char *name, const void *p, size_t n)
{
	int error, fd;

	unlinkat(dir, temp, 0);
	fd = openat(dir, temp, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (fd < 0)
		return msv_disk_error(errno);
	error = msv_disk_write(fd, p, n);
	if (!error)
		error = msv_disk_sync(fd);
	close(fd);
	if (!error && renameat(dir, temp, dir, name) != 0)
		error = msv_disk_error(errno);
	if (error)
		unlinkat(dir, temp, 0);
	return error ? error : msv_disk_sync_dir(dir);
}
