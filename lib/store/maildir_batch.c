/* Many files at once: renames, removals, measuring, links - a few hundred a
 * job. */
#include "store/maildir.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* -- Filling it in ---------------------------------------------------------------------- */

void msv_batch_init(struct msv_batch *batch, struct msv_env *env, enum msv_batch_kind kind,
    struct msv_place *place, struct msv_place *dest)
{
	*batch = (struct msv_batch){ .env = env, .kind = kind };
	batch->place = msv_place_ref(place);
	batch->dest = dest ? msv_place_ref(dest) : NULL;
	msv_buf_init(&batch->text, env);
}

void msv_batch_fini(struct msv_batch *batch)
{
	msv_place_unref(batch->place);
	msv_place_unref(batch->dest);
	msv_free(batch->env, batch->item);
	msv_free(batch->env, batch->room);
	msv_buf_fini(&batch->text);
	*batch = (struct msv_batch){ 0 };
}

void msv_batch_clear(struct msv_batch *batch)
{
	batch->n = 0;
	msv_buf_clear(&batch->text);
}

int msv_batch_add(struct msv_batch *batch, const struct msv_mail *mail, const char *to, bool count)
{
	struct msv_batch_item *item;
	int error =
	    msv_grow(batch->env, &batch->item, &batch->cap, batch->n + 1, sizeof(*batch->item));

	if (error)
		return error;
	item = &batch->item[batch->n];
	*item = (struct msv_batch_item){ .uid = mail->uid, .count = count };
	item->from = msv_buf_len(&batch->text);
	msv_folder_path(mail, &batch->text);
	item->to = msv_buf_len(&batch->text);
	if (to)
		msv_buf_put(&batch->text, to, strlen(to) + 1);
	if (msv_buf_failed(&batch->text))
		return MSV_ERR_NOMEM;
	batch->n++;
	return 0;
}

/* -- The job ------------------------------------------------------------------------------- */

/* The directories a job works in. */
struct dirs {
	int fresh, cur; /* new/ and cur/ */
	int dest_temp;  /* tmp/ of the other mailbox */
};

/* Splits "cur/name": the directory, and the name behind the slash. */
static int dir_of(const struct dirs *dirs, const char **path)
{
	int dir = strncmp(*path, "new/", 4) == 0 ? dirs->fresh : dirs->cur;

	*path += 4;
	return dir;
}

int msv_file_measure(int fd, char *room, size_t n, uint64_t *octets)
{
	uint64_t offset = 0;
	bool cr = false;
	size_t got;

	*octets = 0;
	do {
		int error = msv_disk_read(fd, offset, room, n, &got);
		if (error)
			return error;
		*octets += got + msv_bare_lf(room, got, &cr);
		offset += got;
	} while (got == n);
	return 0;
}

static int probe(struct msv_batch *batch, const struct dirs *dirs, struct msv_batch_item *item,
    const char *from, const char *to)
{
	int dir = dir_of(dirs, &from);
	int fd = openat(dir, from, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC), error = 0;
	struct stat st;

	(void)to;
	if (fd < 0)
		return msv_disk_error(errno);
	if (fstat(fd, &st) != 0)
		error = msv_disk_error(errno);
	else if (!S_ISREG(st.st_mode))
		error = MSV_ERR_FORMAT;
	else if (item->count)
		error = msv_file_measure(fd, batch->room, MSV_ROOM_SIZE, &item->octets);
	item->date = (int64_t)st.st_mtim.tv_sec;
	close(fd);
	return error;
}

static int move_file(struct msv_batch *batch, const struct dirs *dirs, struct msv_batch_item *item,
    const char *from, const char *to)
{
	int from_dir = dir_of(dirs, &from), to_dir = dir_of(dirs, &to);

	(void)batch, (void)item;
	return renameat(from_dir, from, to_dir, to) == 0 ? 0 : msv_disk_error(errno);
}

static int unlink_file(struct msv_batch *batch, const struct dirs *dirs,
    struct msv_batch_item *item, const char *from, const char *to)
{
	int dir = dir_of(dirs, &from);

	(void)batch, (void)item, (void)to;
	return unlinkat(dir, from, 0) == 0 ? 0 : msv_disk_error(errno);
}

/* Copies an open file, its date too, and syncs it. */
static int copy_contents(struct msv_batch *batch, int from, int to)
{
	uint64_t offset = 0;
	struct stat st;
	size_t got;
	int error;

	do {
		error = msv_disk_read(from, offset, batch->room, MSV_ROOM_SIZE, &got);
		if (!error)
			error = msv_disk_write(to, batch->room, got);
		offset += got;
	} while (!error && got == MSV_ROOM_SIZE);
	if (!error && fstat(from, &st) != 0)
		error = msv_disk_error(errno);
	if (!error) {
		struct timespec times[2] = { st.st_atim, st.st_mtim };
		futimens(to, times);
		error = msv_disk_sync(to);
	}
	return error;
}

static int copy_file(
    struct msv_batch *batch, int from_dir, const char *from, int to_dir, const char *to)
{
	int in = openat(from_dir, from, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC), out, error;

	if (in < 0)
		return msv_disk_error(errno);
	out = openat(to_dir, to, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	error = out < 0 ? msv_disk_error(errno) : copy_contents(batch, in, out);
	close(in);
	if (out >= 0)
		close(out);
	return error;
}

static int link_file(struct msv_batch *batch, const struct dirs *dirs, struct msv_batch_item *item,
    const char *from, const char *to)
{
	int dir = dir_of(dirs, &from);
	struct stat st;

	(void)item;
	if (linkat(dir, from, dirs->dest_temp, to, 0) == 0) {
		/* What stands there under the name of a message may be anything. */
		if (fstatat(dirs->dest_temp, to, &st, AT_SYMLINK_NOFOLLOW) == 0 &&
		    S_ISREG(st.st_mode))
			return 0;
		unlinkat(dirs->dest_temp, to, 0);
		return MSV_ERR_FORMAT;
	}
	if (errno == ENOENT || errno == ENOSPC || errno == EDQUOT || errno == EEXIST)
		return msv_disk_error(errno);
	return copy_file(batch, dir, from, dirs->dest_temp, to);
}

typedef int (*file_fn)(struct msv_batch *batch, const struct dirs *dirs,
    struct msv_batch_item *item, const char *from, const char *to);

static const file_fn file_fns[] = {
	[MSV_BATCH_RENAME] = move_file,
	[MSV_BATCH_UNLINK] = unlink_file,
	[MSV_BATCH_PROBE] = probe,
	[MSV_BATCH_LINK] = link_file,
};

static int open_dirs(struct msv_batch *batch, struct dirs *dirs)
{
	int dir = msv_place_open(batch->place), dest;

	if (dir < 0)
		return dir;
	dirs->fresh = msv_disk_dir(dir, "new");
	dirs->cur = msv_disk_dir(dir, "cur");
	close(dir);
	if (dirs->fresh < 0 || dirs->cur < 0)
		return dirs->cur < 0 ? dirs->cur : dirs->fresh;
	if (!batch->dest)
		return 0;
	dest = msv_place_open(batch->dest);
	batch->no_dest = dest < 0;
	if (dest < 0)
		return dest;
	dirs->dest_temp = msv_disk_dir(dest, "tmp");
	close(dest);
	return dirs->dest_temp < 0 ? dirs->dest_temp : 0;
}

static void close_dirs(const struct dirs *dirs)
{
	if (dirs->fresh >= 0)
		close(dirs->fresh);
	if (dirs->cur >= 0)
		close(dirs->cur);
	if (dirs->dest_temp >= 0)
		close(dirs->dest_temp);
}

static void work(void *data)
{
	struct msv_batch *batch = data;
	struct dirs dirs = { -1, -1, -1 };
	const char *text = msv_buf_data(&batch->text);

	batch->error = open_dirs(batch, &dirs);
	if (!batch->error) {
		msv_stamp_fd(dirs.fresh, &batch->new_before);
		msv_stamp_fd(dirs.cur, &batch->cur_before);
		for (size_t i = 0; i < batch->n; i++) {
			struct msv_batch_item *item = &batch->item[i];
			item->error = file_fns[batch->kind](
			    batch, &dirs, item, text + item->from, text + item->to);
		}
		msv_stamp_fd(dirs.fresh, &batch->new_after);
		msv_stamp_fd(dirs.cur, &batch->cur_after);
	}
	close_dirs(&dirs);
}

/* -- Running it ------------------------------------------------------------------------------- */

static void done(void *data)
{
	struct msv_batch *batch = data;

	batch->done(batch->user);
}

int msv_batch_run(struct msv_batch *batch, void (*on_done)(void *user), void *user)
{
	bool reads = batch->kind == MSV_BATCH_PROBE || batch->kind == MSV_BATCH_LINK;

	if (reads && !batch->room) {
		batch->room = msv_alloc(batch->env, MSV_ROOM_SIZE);
		if (!batch->room)
			return MSV_ERR_NOMEM;
	}
	batch->done = on_done;
	batch->user = user;
	return msv_env_offload(batch->env, MSV_LANE_DISK, work, done, batch);
}

void msv_batch_tell(const struct msv_batch *batch, struct msv_folder *folder)
{
	msv_folder_own_change(folder, &folder->new, &batch->new_before, &batch->new_after);
	msv_folder_own_change(folder, &folder->cur, &batch->cur_before, &batch->cur_after);
}
