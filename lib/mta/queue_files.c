/* A body has its name from the first byte on: what makes it count is the row that
 * is committed after it was synced. */
#include "mta/queue_files.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#include "mta/mta.h"
#include "store/disk.h"

/* -- Names --------------------------------------------------------------------------------- */

unsigned msv_queue_file_dir(uint64_t message)
{
	/* Those that come together are in one directory, so that one sync does. */
	return (unsigned)(message >> 8) % QUEUE_BODY_DIRS;
}

static void name_of(uint64_t message, char out[QUEUE_NAME_SIZE])
{
	snprintf(out, QUEUE_NAME_SIZE, "%02x/%" PRIu64, msv_queue_file_dir(message), message);
}

/* The message a file is the body of; 0: it is none. */
static uint64_t message_of(unsigned dir, const char *name)
{
	char expected[QUEUE_NAME_SIZE];
	uint64_t message;

	if (strspn(name, "0123456789") != strlen(name) || strlen(name) > 19)
		return 0;
	message = strtoull(name, NULL, 10);
	name_of(message, expected);
	if (msv_queue_file_dir(message) != dir || strcmp(strchr(expected, '/') + 1, name) != 0)
		return 0;
	return message;
}

/* -- Opening ----------------------------------------------------------------------------------- */

/* A directory in dir, made when missing.  A descriptor or MSV_ERR_*. */
static int make_dir(int dir, const char *name)
{
	if (mkdirat(dir, name, 0700) != 0 && errno != EEXIST)
		return msv_disk_error(errno);
	return msv_disk_dir(dir, name);
}

static int take_lock(struct queue_files *files)
{
	files->lock = openat(files->dir, "lock", O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (files->lock < 0)
		return msv_disk_error(errno);
	if (flock(files->lock, LOCK_EX | LOCK_NB) == 0)
		return 0;
	return errno == EWOULDBLOCK ? MSV_ERR_BUSY : msv_disk_error(errno);
}

/* The new directory's entry, as far as we may look there. */
static void sync_above(int dir)
{
	int above = openat(dir, "..", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (above >= 0)
		fsync(above);
	if (above >= 0)
		close(above);
}

int msv_queue_files_open(struct queue_files *files, const char *directory)
{
	*files = (struct queue_files){ -1, -1, -1 };
	bool made = mkdir(directory, 0700) == 0;
	if (!made && errno != EEXIST)
		return msv_disk_error(errno);
	files->dir = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (files->dir < 0)
		return msv_disk_error(errno);
	if (made)
		sync_above(files->dir);
	return take_lock(files);
}

int msv_queue_files_bodies(struct queue_files *files)
{
	char name[8];
	int fd;

	files->bodies = make_dir(files->dir, "bodies");
	if (files->bodies < 0)
		return files->bodies;
	for (unsigned i = 0; i < QUEUE_BODY_DIRS; i++) {
		snprintf(name, sizeof(name), "%02x", i);
		fd = make_dir(files->bodies, name);
		if (fd < 0)
			return fd;
		close(fd);
	}
	int error = msv_disk_sync_dir(files->bodies);
	return error ? error : msv_disk_sync_dir(files->dir);
}

void msv_queue_files_close(struct queue_files *files)
{
	const int all[] = { files->bodies, files->dir, files->lock };

	for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++) {
		if (all[i] >= 0)
			close(all[i]);
	}
	*files = (struct queue_files){ -1, -1, -1 };
}

/* -- One body ------------------------------------------------------------------------------------ */

/* Makes the file; what a kill left under its name goes first. */
static int make_file(const struct queue_files *files, const char *name)
{
	const int flags = O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC;
	int fd = openat(files->bodies, name, flags, 0600);

	if (fd < 0 && errno == EEXIST && unlinkat(files->bodies, name, 0) == 0)
		fd = openat(files->bodies, name, flags, 0600);
	return fd < 0 ? msv_disk_error(errno) : fd;
}

static int copy_spool(int fd, struct mta_spool *spool, void *room)
{
	uint64_t offset = 0;
	const void *p;
	int64_t got;

	while ((got = msv_mta_spool_read(spool, offset, room, QUEUE_PIECE, &p)) > 0) {
		int error = msv_disk_write(fd, p, (size_t)got);
		if (error)
			return error;
		offset += (uint64_t)got;
	}
	if (got < 0)
		return (int)got;
	return offset == spool->size ? 0 : MSV_ERR_IO;
}

int msv_queue_file_write(const struct queue_files *files, uint64_t message, const void *head,
    size_t nhead, struct mta_spool *spool, void *room)
{
	char name[QUEUE_NAME_SIZE];
	int error, fd;

	name_of(message, name);
	fd = make_file(files, name);
	if (fd < 0)
		return fd;
	error = nhead ? msv_disk_write(fd, head, nhead) : 0;
	if (!error && spool)
		error = copy_spool(fd, spool, room);
	/* After a sync that failed nobody knows what is on the disk: it goes away. */
	if (!error)
		error = msv_disk_sync(fd);
	if (close(fd) != 0 && !error)
		error = msv_disk_error(errno);
	if (error)
		unlinkat(files->bodies, name, 0);
	return error == MSV_ERR_QUOTA ? MSV_ERR_NOSPACE : error;
}

void msv_queue_file_remove(const struct queue_files *files, uint64_t message)
{
	char name[QUEUE_NAME_SIZE];

	name_of(message, name);
	unlinkat(files->bodies, name, 0);
}

int msv_queue_file_read(const struct queue_files *files, uint64_t message, uint64_t offset, void *p,
    size_t n, size_t *got)
{
	char name[QUEUE_NAME_SIZE];
	int error, fd;

	*got = 0;
	name_of(message, name);
	fd = openat(files->bodies, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	if (fd < 0)
		return msv_disk_error(errno);
	error = msv_disk_read(fd, offset, p, n, got);
	close(fd);
	return error;
}

int msv_queue_file_link(const struct queue_files *files, int other, uint64_t message)
{
	char name[QUEUE_NAME_SIZE];

	name_of(message, name);
	if (linkat(other, name, files->bodies, name, 0) != 0 && errno != EEXIST)
		return msv_disk_error(errno);
	return 0;
}

/* -- All of them ----------------------------------------------------------------------------------- */

int msv_queue_dir_sync(const struct queue_files *files, unsigned dir)
{
	char name[8];
	int fd, error;

	snprintf(name, sizeof(name), "%02x", dir);
	fd = msv_disk_dir(files->bodies, name);
	if (fd < 0)
		return fd;
	error = msv_disk_sync_dir(fd);
	close(fd);
	return error;
}

int msv_queue_files_sync(const struct queue_files *files)
{
	int error = 0;

	for (unsigned i = 0; !error && i < QUEUE_BODY_DIRS; i++)
		error = msv_queue_dir_sync(files, i);
	return error;
}

static int scan_dir(DIR *list, unsigned dir, int (*found)(void *user, uint64_t message), void *user)
{
	struct dirent *entry;
	int verdict = 0;

	while (!verdict && (entry = readdir(list))) {
		uint64_t message = message_of(dir, entry->d_name);
		if (message)
			verdict = found(user, message);
	}
	return verdict;
}

int msv_queue_files_scan(
    const struct queue_files *files, int (*found)(void *user, uint64_t message), void *user)
{
	int verdict = 0;

	for (unsigned i = 0; !verdict && i < QUEUE_BODY_DIRS; i++) {
		char name[8];
		snprintf(name, sizeof(name), "%02x", i);
		int fd = msv_disk_dir(files->bodies, name);
		DIR *list = fd < 0 ? NULL : fdopendir(fd);
		if (!list) {
			if (fd >= 0)
				close(fd);
			return fd < 0 ? fd : MSV_ERR_NOMEM;
		}
		verdict = scan_dir(list, i, found, user);
		closedir(list);
	}
	return verdict;
}
