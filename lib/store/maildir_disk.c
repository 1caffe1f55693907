/* The jobs of a look at the disk.  They touch struct msv_sync_disk alone. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "store/maildir_sync.h"

static const char temp_name[] = "dovecot-uidlist.tmp";

static void fail(struct msv_sync_disk *disk, int error, const char *what)
{
	if (disk->error)
		return;
	disk->error = error;
	disk->what = what;
}

/* Opens the mailbox; -1 with disk->error. */
static int enter(struct msv_sync_disk *disk)
{
	int dir = msv_place_open(disk->place);

	disk->error = 0;
	if (dir >= 0)
		return dir;
	fail(disk, dir, "cannot open the mailbox");
	return -1;
}

/* -- Looking ------------------------------------------------------------------------------ */

/* The stamp of a directory that is made when it is missing. */
static void stamp_dir(
    struct msv_sync_disk *disk, int dir, const char *name, struct msv_stamp *stamp)
{
	int error = msv_stamp_at(dir, name, stamp);

	if (error == MSV_ERR_NOTFOUND) {
		mkdirat(dir, name, 0700);
		error = msv_stamp_at(dir, name, stamp);
	}
	if (error)
		fail(disk, error, name);
}

/* The stamp of a file that may be missing. */
static void stamp_file(
    struct msv_sync_disk *disk, int dir, const char *name, struct msv_stamp *stamp)
{
	int error = msv_stamp_at(dir, name, stamp);

	if (error && error != MSV_ERR_NOTFOUND)
		fail(disk, error, name);
}

void msv_sync_look(struct msv_sync_disk *disk)
{
	struct msv_stamp self, tmp;
	int dir = enter(disk);

	if (dir < 0)
		return;
	stamp_file(disk, dir, "", &self);
	disk->dir_ino = self.ino;
	stamp_dir(disk, dir, "tmp", &tmp);
	stamp_dir(disk, dir, "new", &disk->new);
	stamp_dir(disk, dir, "cur", &disk->cur);
	stamp_file(disk, dir, MSV_UIDLIST, &disk->list);
	stamp_file(disk, dir, MSV_KEYWORDS, &disk->keywords);
	close(dir);
}

void msv_sync_read_keywords(struct msv_sync_disk *disk)
{
	int dir = enter(disk), fd;

	disk->used = 0;
	if (dir < 0)
		return;
	fd = openat(dir, MSV_KEYWORDS, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
	if (fd >= 0) {
		fail(disk, msv_disk_read(fd, 0, disk->buf, MSV_SYNC_BUFFER, &disk->used),
		    MSV_KEYWORDS);
		close(fd);
	} else if (errno != ENOENT) {
		fail(disk, msv_disk_error(errno), MSV_KEYWORDS);
	}
	close(dir);
}

/* -- The lock --------------------------------------------------------------------------------- */

void msv_sync_lock(struct msv_sync_disk *disk)
{
	int dir = enter(disk);

	if (dir < 0)
		return;
	fail(disk, msv_lock_wait_try(&disk->wait, dir, MSV_UIDLIST_LOCK, &disk->lock),
	    MSV_UIDLIST_LOCK);
	close(dir);
}

void msv_sync_unlock(struct msv_sync_disk *disk)
{
	int dir;

	if (disk->lock.fd < 0)
		return;
	dir = msv_place_open(disk->place);
	if (dir >= 0) {
		msv_dotlock_release(dir, MSV_UIDLIST_LOCK, &disk->lock);
		close(dir);
	}
	msv_dotlock_forget(&disk->lock);
}

void msv_sync_disk_fini(struct msv_sync_disk *disk)
{
	if (disk->open)
		closedir(disk->open);
	disk->open = NULL;
	if (disk->temp >= 0)
		close(disk->temp);
	disk->temp = -1;
	msv_sync_unlock(disk);
}

/* -- Directories ---------------------------------------------------------------------------------- */

static void open_dir(struct msv_sync_disk *disk)
{
	int dir = enter(disk), fd;

	if (dir < 0)
		return;
	/* The lock's own time is the file system's: no two clocks to compare. */
	if (disk->which == 0)
		disk->disk_time = disk->lock.fd >= 0 ? msv_dotlock_touch(&disk->lock) : 0;
	fd = msv_disk_dir(dir, disk->which ? "cur" : "new");
	close(dir);
	if (fd < 0) {
		fail(disk, fd, "cannot open new or cur");
		return;
	}
	fail(disk, msv_stamp_fd(fd, &disk->before[disk->which]), "cannot look at new or cur");
	disk->open = disk->error ? NULL : fdopendir(fd);
	if (!disk->open) {
		fail(disk, MSV_ERR_NOMEM, "cannot read new or cur");
		close(fd);
	}
}

static void close_dir(struct msv_sync_disk *disk)
{
	fail(disk, msv_stamp_fd(dirfd(disk->open), &disk->after[disk->which]),
	    "cannot look at new or cur");
	closedir(disk->open);
	disk->open = NULL;
	disk->which++;
}

/* What is no file cannot be a message. */
static bool may_be_file(const struct dirent *entry)
{
#ifdef DT_REG
	return entry->d_type == DT_REG || entry->d_type == DT_UNKNOWN;
#else
	return true;
#endif
}

/* Reads names while there is room; true at the directory's end. */
static bool read_names(struct msv_sync_disk *disk)
{
	struct dirent *entry;

	while (disk->used + MSV_FILENAME_SIZE + 1 <= MSV_SYNC_BUFFER) {
		errno = 0;
		entry = readdir(disk->open);
		if (!entry) {
			if (errno)
				fail(disk, msv_disk_error(errno), "cannot read new or cur");
			return true;
		}
		size_t n = strlen(entry->d_name) + 1;
		if (entry->d_name[0] == '.' || n > MSV_FILENAME_SIZE || !may_be_file(entry))
			continue;
		memcpy(disk->buf + disk->used, entry->d_name, n);
		disk->used += n;
	}
	return false;
}

void msv_sync_scan(struct msv_sync_disk *disk)
{
	disk->error = 0;
	disk->used = 0;
	if (!disk->open)
		open_dir(disk);
	/* One directory a job, so that it is clear where names belong. */
	disk->end = false;
	if (!disk->error && read_names(disk)) {
		close_dir(disk);
		disk->end = true;
	}
}

/* -- The uidlist ----------------------------------------------------------------------------------- */

void msv_sync_read_list(struct msv_sync_disk *disk)
{
	struct msv_stamp now = { 0 };
	int dir = enter(disk), fd;

	disk->used = 0;
	disk->end = true;
	if (dir < 0)
		return;
	fd = openat(dir, MSV_UIDLIST, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
	close(dir);
	if (fd < 0 && errno != ENOENT)
		fail(disk, msv_disk_error(errno), MSV_UIDLIST);
	if (fd >= 0)
		fail(disk, msv_stamp_fd(fd, &now), MSV_UIDLIST);
	if (now.ino != disk->known.ino || now.size < disk->offset) {
		disk->restarted = true;
		disk->offset = 0;
	}
	disk->known = disk->list = now;
	if (fd < 0)
		return;
	fail(disk, msv_disk_read(fd, disk->offset, disk->buf, MSV_SYNC_BUFFER, &disk->used),
	    MSV_UIDLIST);
	close(fd);
	disk->offset += disk->used;
	disk->end = disk->used < MSV_SYNC_BUFFER;
}

/* Appends to the open list, which must be what was read. */
static void append(struct msv_sync_disk *disk, int fd)
{
	struct msv_stamp now;

	fail(disk, msv_stamp_fd(fd, &now), MSV_UIDLIST);
	if (!disk->error && (now.ino != disk->list.ino || now.size != disk->list.size))
		fail(disk, MSV_ERR_BUSY, "somebody changed the uidlist in spite of the lock");
	if (disk->error)
		return;
	/* Half a line that a crash left behind would spoil what follows. */
	if (now.size > disk->offset && ftruncate(fd, (off_t)disk->offset) != 0)
		fail(disk, msv_disk_error(errno), MSV_UIDLIST);
	if (!disk->error)
		fail(disk, msv_disk_write(fd, disk->text, disk->ntext), MSV_UIDLIST);
	if (!disk->error)
		fail(disk, msv_disk_sync(fd), MSV_UIDLIST);
	if (disk->error && ftruncate(fd, (off_t)disk->offset) != 0)
		disk->what = "cannot take back half a record";
	if (!disk->error)
		fail(disk, msv_stamp_fd(fd, &disk->list), MSV_UIDLIST);
	disk->offset += disk->ntext;
}

void msv_sync_append_list(struct msv_sync_disk *disk)
{
	int dir = enter(disk), fd;

	if (dir < 0)
		return;
	fd = openat(dir, MSV_UIDLIST, O_WRONLY | O_APPEND | O_NOFOLLOW | O_CLOEXEC);
	close(dir);
	if (fd < 0) {
		fail(disk, msv_disk_error(errno), MSV_UIDLIST);
		return;
	}
	append(disk, fd);
	close(fd);
}

void msv_sync_write_list(struct msv_sync_disk *disk)
{
	int dir;

	disk->error = 0;
	if (disk->temp < 0) {
		dir = enter(disk);
		if (dir < 0)
			return;
		unlinkat(dir, temp_name, 0);
		disk->temp = openat(
		    dir, temp_name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
		if (disk->temp < 0)
			fail(disk, msv_disk_error(errno), temp_name);
		close(dir);
	}
	if (!disk->error)
		fail(disk, msv_disk_write(disk->temp, disk->text, disk->ntext), temp_name);
	if (disk->lock.fd >= 0)
		msv_dotlock_touch(&disk->lock);
}

void msv_sync_replace_list(struct msv_sync_disk *disk)
{
	int dir = enter(disk);

	if (dir < 0)
		return;
	fail(disk, msv_disk_sync(disk->temp), temp_name);
	close(disk->temp);
	disk->temp = -1;
	if (!disk->error && renameat(dir, temp_name, dir, MSV_UIDLIST) != 0)
		fail(disk, msv_disk_error(errno), MSV_UIDLIST);
	if (!disk->error)
		fail(disk, msv_disk_sync_dir(dir), MSV_UIDLIST);
	if (!disk->error)
		fail(disk, msv_stamp_at(dir, MSV_UIDLIST, &disk->list), MSV_UIDLIST);
	close(dir);
}
