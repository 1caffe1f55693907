/*
 * Editing a passwd-file: under a lock a new file is written beside it, brought
 * to the disk, and renamed over it.  A reader sees the old file or the new.
 */
#include "auth/auth.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/env.h"

enum { LOCK_TRIES = 10 };

/* A file under edit. */
struct editor {
	struct msv_env *env;
	char path[PATH_MAX]; /* no symbolic link in it */
	const char *name;    /* in its directory */
	char lock_name[NAME_MAX + 1], new_name[NAME_MAX + 1];
	int dir, lock;
	bool exists;
	struct stat st;
	struct msv_passwd_text old;
	struct msv_buf contents; /* to be written */
};

/* -- Finding and locking ------------------------------------------------------------------- */

/* Resolves the path; of a file that is not there yet its directory. */
static int resolve(struct editor *e, const char *path)
{
	char copy[PATH_MAX];
	size_t n = strlen(path);

	if (realpath(path, e->path))
		return 0;
	if (errno != ENOENT || n == 0 || n >= sizeof(copy) || path[n - 1] == '/')
		return msv_passwd_error(errno);
	memcpy(copy, path, n + 1);
	char *slash = strrchr(copy, '/');
	const char *name = slash ? slash + 1 : path;
	if (slash)
		*slash = '\0';
	if (!realpath(!slash ? "." : *copy ? copy : "/", e->path))
		return msv_passwd_error(errno);
	size_t len = strlen(e->path);
	int more = snprintf(e->path + len, sizeof(e->path) - len, "/%s", name);
	return more > 0 && (size_t)more < sizeof(e->path) - len ? 0 : MSV_ERR_IO;
}

static int open_directory(struct editor *e)
{
	char *slash = strrchr(e->path, '/');

	e->name = slash + 1;
	if (strlen(e->name) + strlen(".lock") > NAME_MAX)
		return MSV_ERR_IO;
	snprintf(e->lock_name, sizeof(e->lock_name), "%s.lock", e->name);
	snprintf(e->new_name, sizeof(e->new_name), "%s.new", e->name);
	*slash = '\0';
	e->dir = open(slash == e->path ? "/" : e->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	*slash = '/';
	return e->dir < 0 ? msv_passwd_error(errno) : 0;
}

/* Is the lock file still the one in the directory? */
static bool lock_is_current(const struct editor *e)
{
	struct stat held, there;

	return fstat(e->lock, &held) == 0 &&
	       fstatat(e->dir, e->lock_name, &there, AT_SYMLINK_NOFOLLOW) == 0 &&
	       held.st_dev == there.st_dev && held.st_ino == there.st_ino;
}

/* The lock goes with its holder: a crash leaves a file that locks nobody out. */
static int take_lock(struct editor *e)
{
	for (int i = 0; i < LOCK_TRIES; i++) {
		e->lock = openat(e->dir, e->lock_name,
		    O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK, 0600);
		if (e->lock < 0)
			return msv_passwd_error(errno);
		if (flock(e->lock, LOCK_EX | LOCK_NB) != 0)
			return errno == EWOULDBLOCK ? MSV_ERR_BUSY : msv_passwd_error(errno);
		if (lock_is_current(e))
			return 0;
		/* Its last holder removed it after we opened it. */
		close(e->lock);
		e->lock = -1;
	}
	return MSV_ERR_BUSY;
}

static int read_old(struct editor *e, bool create)
{
	int fd = openat(e->dir, e->name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);

	if (fd < 0)
		return errno == ENOENT && create ? 0 : msv_passwd_error(errno);
	int error = msv_passwd_read_fd(e->env, fd, &e->old, &e->st);
	e->exists = !error;
	close(fd);
	return error;
}

/* -- Writing --------------------------------------------------------------------------------- */

static int write_all(int fd, const char *p, size_t n)
{
	while (n) {
		ssize_t done = write(fd, p, n);
		if (done < 0 && errno == EINTR)
			continue;
		if (done < 0)
			return msv_passwd_error(errno);
		p += done;
		n -= (size_t)done;
	}
	return 0;
}

/* Owner and mode of the old file; who may not give it away must not edit. */
static int keep_owner(const struct editor *e, int fd)
{
	struct stat st;

	if (!e->exists)
		return 0;
	if (fstat(fd, &st) != 0)
		return msv_passwd_error(errno);
	if ((st.st_uid != e->st.st_uid || st.st_gid != e->st.st_gid) &&
	    fchown(fd, e->st.st_uid, e->st.st_gid) != 0)
		return msv_passwd_error(errno);
	return fchmod(fd, e->st.st_mode & 07777) == 0 ? 0 : msv_passwd_error(errno);
}

static int write_new(const struct editor *e)
{
	/* Left by a crash; the lock is ours. */
	if (unlinkat(e->dir, e->new_name, 0) != 0 && errno != ENOENT)
		return msv_passwd_error(errno);
	int fd =
	    openat(e->dir, e->new_name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (fd < 0)
		return msv_passwd_error(errno);
	int error = write_all(fd, msv_buf_data(&e->contents), msv_buf_len(&e->contents));
	if (!error)
		error = keep_owner(e, fd);
	if (!error && fsync(fd) != 0)
		error = msv_passwd_error(errno);
	if (close(fd) != 0 && !error)
		error = msv_passwd_error(errno);
	return error;
}

static int replace(const struct editor *e)
{
	int error = write_new(e);

	if (!error && renameat(e->dir, e->new_name, e->dir, e->name) != 0)
		error = msv_passwd_error(errno);
	if (error)
		(void)unlinkat(e->dir, e->new_name, 0);
	else if (fsync(e->dir) != 0)
		error = msv_passwd_error(errno);
	return error;
}

/* -- An edit from begin to end ------------------------------------------------------------------ */

static int begin(struct editor *e, const char *path, bool create)
{
	int error;

	if ((error = resolve(e, path)) || (error = open_directory(e)) || (error = take_lock(e)))
		return error;
	return read_old(e, create);
}

static void end(struct editor *e)
{
	/* Only who holds the lock removes it, also if it was busy before. */
	if (e->lock >= 0 && lock_is_current(e) && flock(e->lock, LOCK_EX | LOCK_NB) == 0)
		(void)unlinkat(e->dir, e->lock_name, 0);
	if (e->lock >= 0)
		close(e->lock);
	if (e->dir >= 0)
		close(e->dir);
	if (e->contents.p)
		explicit_bzero(e->contents.p, e->contents.cap);
	msv_buf_fini(&e->contents);
	msv_passwd_text_free(e->env, &e->old);
	msv_free(e->env, e);
}

/* The new contents; room for all from the start, as growing leaves copies. */
static int rewrite(struct editor *e, const struct msv_passwd_edit *edit)
{
	size_t room = e->old.n + strlen(edit->user) + (edit->hash ? strlen(edit->hash) : 0) +
	              (edit->scram ? strlen(edit->scram) : 0) +
	              (edit->home ? strlen(edit->home) : 0) + 128;

	if (!msv_buf_reserve(&e->contents, room))
		return MSV_ERR_NOMEM;
	return msv_passwd_rewrite(
	    edit, (struct msv_span){ e->old.p ? e->old.p : "", e->old.n }, &e->contents);
}

static int edit_file(struct msv_env *env, const char *path, const struct msv_passwd_edit *edit)
{
	int error = msv_passwd_edit_valid(edit);
	struct editor *e;

	if (error)
		return error;
	if (!(e = msv_alloc(env, sizeof(*e))))
		return MSV_ERR_NOMEM;
	e->env = env;
	e->dir = e->lock = -1;
	msv_buf_init(&e->contents, env);
	error = begin(e, path, edit->kind == MSV_PASSWD_ADD);
	if (!error && !(error = rewrite(e, edit)))
		error = replace(e);
	end(e);
	return error;
}

int msv_passwd_add(struct msv_env *env, const char *path, const char *user, const char *hash,
    const char *scram, const char *home)
{
	return edit_file(
	    env, path, &(struct msv_passwd_edit){ MSV_PASSWD_ADD, user, hash, scram, home });
}

int msv_passwd_change(
    struct msv_env *env, const char *path, const char *user, const char *hash, const char *scram)
{
	return edit_file(
	    env, path, &(struct msv_passwd_edit){ MSV_PASSWD_CHANGE, user, hash, scram, NULL });
}

int msv_passwd_remove(struct msv_env *env, const char *path, const char *user)
{
	return edit_file(
	    env, path, &(struct msv_passwd_edit){ MSV_PASSWD_REMOVE, user, NULL, NULL, NULL });
}
