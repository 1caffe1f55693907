/* Small files of an account - subscriptions, attributes - changed under their
 * locks. */
#include "store/maildir.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

/* A file bigger than this is not one of these. */
#define LARGEST (16u << 20)

struct edit {
	struct msv_env *env;
	int (*edit)(void *user, struct msv_span file, struct msv_buf *out);
	void (*done)(void *user, int error);
	void *user;

	/* The job's. */
	struct msv_place *place;
	const char *name, *lock_name;
	struct msv_lock_wait wait;
	struct msv_dotlock lock;
	char *room;
	size_t cap, used;
	struct msv_buf out;
	int error;
};

int msv_file_read(int dir, const char *name, char *room, size_t *n)
{
	int fd = openat(dir, name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC), error;
	struct msv_stamp stamp;
	size_t cap = *n;

	*n = 0;
	if (fd < 0)
		return errno == ENOENT ? 0 : msv_disk_error(errno);
	error = msv_stamp_fd(fd, &stamp);
	if (!error && stamp.size > cap) {
		*n = stamp.size > LARGEST ? LARGEST + 1 : (size_t)stamp.size;
		error = MSV_ERR_LIMIT;
	}
	if (!error)
		error = msv_disk_read(fd, 0, room, cap, n);
	close(fd);
	return error;
}

static void read_work(void *data)
{
	struct edit *edit = data;
	int root = msv_place_root(edit->place, true);

	edit->error = root < 0 ? root : 0;
	if (root < 0)
		return;
	if (edit->lock.fd < 0)
		edit->error = msv_lock_wait_try(&edit->wait, root, edit->lock_name, &edit->lock);
	edit->used = edit->cap;
	if (!edit->error)
		edit->error = msv_file_read(root, edit->name, edit->room, &edit->used);
	close(root);
}

static void unlock(struct edit *edit, int root)
{
	if (root >= 0)
		msv_dotlock_release(root, edit->lock_name, &edit->lock);
	msv_dotlock_forget(&edit->lock);
}

static void write_work(void *data)
{
	struct edit *edit = data;
	int root = msv_place_root(edit->place, false);
	char temp[64];

	edit->error = root < 0 ? root : 0;
	snprintf(temp, sizeof(temp), "%s.tmp", edit->name);
	if (!edit->error && msv_buf_len(&edit->out))
		edit->error = msv_disk_replace(
		    root, temp, edit->name, msv_buf_data(&edit->out), msv_buf_len(&edit->out));
	unlock(edit, root);
	if (root >= 0)
		close(root);
}

static void end(struct edit *edit, int error)
{
	struct msv_env *env = edit->env;
	void (*done)(void *user, int error) = edit->done;
	void *user = edit->user;

	if (edit->lock.fd >= 0) {
		int root = msv_place_root(edit->place, false);
		unlock(edit, root);
		if (root >= 0)
			close(root);
	}
	if (error && error != MSV_ERR_NOMEM)
		msv_folder_complain(edit->place, edit->name, error);
	msv_place_unref(edit->place);
	msv_lock_wait_fini(&edit->wait);
	msv_buf_fini(&edit->out);
	msv_free(env, edit->room);
	msv_free(env, edit);
	done(user, error);
}

static void written(void *data)
{
	struct edit *edit = data;

	end(edit, edit->error);
}

static void start_read(struct edit *edit);

/* Makes the room as big as the file. */
static int grow_room(struct edit *edit)
{
	char *room = edit->used > LARGEST ? NULL : msv_alloc(edit->env, edit->used + 1024);

	if (!room)
		return edit->used > LARGEST ? MSV_ERR_FORMAT : MSV_ERR_NOMEM;
	msv_free(edit->env, edit->room);
	edit->room = room;
	edit->cap = edit->used + 1024;
	return 0;
}

static void was_read(void *data)
{
	struct edit *edit = data;
	int error = edit->error, verdict = 0;

	if (error == MSV_ERR_BUSY && (error = msv_lock_wait_more(&edit->wait)) == 0)
		return;
	if (error == MSV_ERR_LIMIT && (error = grow_room(edit)) == 0) {
		start_read(edit);
		return;
	}
	if (!error) {
		verdict =
		    edit->edit(edit->user, (struct msv_span){ edit->room, edit->used }, &edit->out);
		error = verdict < 0 ? verdict : 0;
	}
	if (!error && !verdict)
		msv_buf_clear(&edit->out);
	if (!error)
		error = msv_env_offload(edit->env, MSV_LANE_DISK, write_work, written, edit);
	if (error)
		end(edit, error);
}

static void start_read(struct edit *edit)
{
	msv_lock_wait_prepare(&edit->wait);
	if (msv_env_offload(edit->env, MSV_LANE_DISK, read_work, was_read, edit) != 0)
		end(edit, MSV_ERR_NOMEM);
}

static void read_again(void *user)
{
	start_read(user);
}

int msv_file_edit(struct msv_place *place, const char *name, const char *lock,
    int (*fn)(void *user, struct msv_span file, struct msv_buf *out),
    void (*done)(void *user, int error), void *user)
{
	struct msv_env *env = place->env;
	struct edit *edit = msv_alloc(env, sizeof(*edit));
	int error = edit ? msv_lock_wait_init(&edit->wait, env, read_again, edit) : MSV_ERR_NOMEM;

	if (!error) {
		edit->env = env;
		edit->edit = fn;
		edit->done = done;
		edit->user = user;
		edit->place = place;
		edit->name = name;
		edit->lock_name = lock;
		edit->lock.fd = -1;
		edit->cap = 1024;
		edit->room = msv_alloc(env, edit->cap);
		msv_buf_init(&edit->out, env);
		msv_lock_wait_prepare(&edit->wait);
		error = edit->room ? msv_env_offload(env, MSV_LANE_DISK, read_work, was_read, edit)
		                   : MSV_ERR_NOMEM;
	}
	if (error) {
		if (edit)
			msv_lock_wait_fini(&edit->wait);
		msv_free(env, edit ? edit->room : NULL);
		msv_free(env, edit);
		return error;
	}
	msv_place_ref(place);
	return 0;
}
