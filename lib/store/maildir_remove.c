/* create() and remove().  A mailbox that is removed is first renamed out of the
 * way, at one go, and then emptied at leisure. */
#include "store/maildir_store.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "store/attributes.h"
#include "store/beneath.h"

/* -- create() --------------------------------------------------------------------------------- */

static void created(void *user, int error)
{
	msv_op_answer(user, error);
}

void msv_maildir_create(void *self, const struct msv_actor *actor, const char *mailbox,
    uint32_t special_use, struct msv_op *op)
{
	struct msv_maildir *maildir = self;
	struct msv_place *place, *account = NULL;
	int error = msv_place_of(maildir, actor, mailbox, &place);

	/* Outside the prefix nothing can be made. */
	if (error == MSV_ERR_NOTFOUND)
		error = MSV_ERR_FORMAT;
	if (!error && !*place->folder)
		error = MSV_ERR_EXISTS;
	if (!error)
		account = msv_place_sibling(place, "");
	if (!error && !account)
		error = MSV_ERR_NOMEM;
	if (!error)
		error = msv_folders_make(
		    maildir, account, place->folder, false, special_use, created, op);
	msv_place_unref(account);
	msv_place_unref(place);
	if (error)
		msv_op_answer(op, error);
}

/* -- remove() ---------------------------------------------------------------------------------- */

struct removing {
	struct msv_env *env;
	struct msv_maildir *maildir;
	struct msv_op *op;
	struct msv_buf line;

	/* The job's. */
	struct msv_place *place, *account;
	bool fs;
	char *trash;
	int error;
};

static void end(struct removing *removing, int error)
{
	struct msv_env *env = removing->env;
	struct msv_op *op = removing->op;

	msv_buf_fini(&removing->line);
	msv_place_unref(removing->place);
	msv_place_unref(removing->account);
	msv_maildir_unref(removing->maildir);
	msv_free(env, removing->trash);
	msv_free(env, removing);
	msv_op_answer(op, error);
}

/* What belongs to a mailbox, in an fs layout: not the mailboxes beneath. */
static bool belongs(int dir, const char *name)
{
	struct stat st;

	if (strcmp(name, ".") == 0 || strcmp(name, "..") == 0)
		return false;
	if (strcmp(name, "cur") == 0 || strcmp(name, "new") == 0 || strcmp(name, "tmp") == 0)
		return true;
	return fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) == 0 && !S_ISDIR(st.st_mode);
}

/* Moves what belongs to the mailbox in dir to another directory. */
static int move_out(int dir, int trash)
{
	int copy = openat(dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC), error = 0;
	DIR *entries = copy < 0 ? NULL : fdopendir(copy);
	struct dirent *entry;

	if (!entries) {
		if (copy >= 0)
			close(copy);
		return MSV_ERR_NOMEM;
	}
	/* Without cur/ it is none any more. */
	if (renameat(dir, "cur", trash, "cur") != 0)
		error = msv_disk_error(errno);
	while (!error && (entry = readdir(entries))) {
		if (belongs(dir, entry->d_name) &&
		    renameat(dir, entry->d_name, trash, entry->d_name) != 0 && errno != ENOENT)
			error = msv_disk_error(errno);
	}
	closedir(entries);
	return error ? error : msv_disk_sync_dir(dir);
}

/* Removes the directory of a folder that has no others in it. */
static void remove_empty(int root, const char *folder)
{
	const char *slash = strrchr(folder, '/');
	char parent[4096];
	int dir;

	if (!slash) {
		unlinkat(root, folder, AT_REMOVEDIR);
		return;
	}
	if ((size_t)(slash - folder) >= sizeof(parent))
		return;
	memcpy(parent, folder, (size_t)(slash - folder));
	parent[slash - folder] = '\0';
	dir = msv_beneath_open(root, parent, O_RDONLY | O_DIRECTORY, 0);
	if (dir < 0)
		return;
	unlinkat(dir, slash + 1, AT_REMOVEDIR);
	close(dir);
}

static int remove_fs(struct removing *removing, int root, int dir)
{
	int trash, error;

	if (mkdirat(root, removing->trash, 0700) != 0)
		return msv_disk_error(errno);
	trash = msv_disk_dir(root, removing->trash);
	error = trash < 0 ? trash : move_out(dir, trash);
	if (trash >= 0)
		close(trash);
	if (!error)
		remove_empty(root, removing->place->folder);
	return error;
}

static void remove_work(void *data)
{
	struct removing *removing = data;
	int dir = msv_place_open(removing->place), root = -1, error = dir < 0 ? dir : 0;

	if (!error) {
		root = msv_place_root(removing->place, false);
		error = root < 0 ? root : 0;
	}
	if (!error && removing->fs)
		error = remove_fs(removing, root, dir);
	else if (!error && renameat(root, removing->place->folder, root, removing->trash) != 0)
		error = msv_disk_error(errno);
	if (!error)
		error = msv_disk_sync_dir(root);
	if (dir >= 0)
		close(dir);
	if (root >= 0)
		close(root);
	removing->error = error;
}

static int edit(void *user, struct msv_span file, struct msv_buf *out)
{
	struct removing *removing = user;
	struct msv_attributes_edit change = {
		.set = { msv_buf_data(&removing->line), msv_buf_len(&removing->line) },
	};
	int error = msv_attributes_edit(file, &change, out);

	if (error)
		return error;
	return msv_buf_len(out) != file.n || memcmp(msv_buf_data(out), file.p, file.n) != 0;
}

static void edited(void *user, int error)
{
	/* The mailbox is gone; that its special use is still noted harms nobody. */
	(void)error;
	end(user, 0);
}

static void removed(void *data)
{
	struct removing *removing = data;
	struct msv_folder *folder = msv_folder_find(removing->maildir, removing->place);
	int error = removing->error;

	if (error) {
		if (error != MSV_ERR_NOTFOUND)
			msv_folder_complain(removing->place, "cannot remove the mailbox", error);
		end(removing, error);
		return;
	}
	if (folder)
		msv_folder_go_stale(folder);
	msv_account_tell(removing->maildir, removing->account, NULL);
	msv_trash_empty(removing->account);
	if (msv_file_edit(removing->account, MSV_ATTRIBUTES, MSV_ATTRIBUTES_LOCK, edit, edited,
	        removing) != 0)
		end(removing, 0);
}

static int begin(struct removing *removing, const struct msv_actor *actor, const char *mailbox)
{
	struct msv_maildir *maildir = removing->maildir;
	int error = msv_place_of(maildir, actor, mailbox, &removing->place);

	if (error)
		return error == MSV_ERR_NOMEM ? error : MSV_ERR_NOTFOUND;
	if (!*removing->place->folder)
		return MSV_ERR_DENIED;
	removing->account = msv_place_sibling(removing->place, "");
	char *unique = msv_maildir_unique(maildir);
	if (unique)
		removing->trash = msv_asprintf(maildir->env, "%s%s", MSV_TRASH, unique);
	msv_free(maildir->env, unique);
	if (!removing->account || !removing->trash)
		return MSV_ERR_NOMEM;
	error = msv_folder_line(maildir, removing->place->folder, &removing->line);
	return error ? error
	             : msv_env_offload(maildir->env, MSV_LANE_DISK, remove_work, removed, removing);
}

void msv_maildir_remove(
    void *self, const struct msv_actor *actor, const char *mailbox, struct msv_op *op)
{
	struct msv_maildir *maildir = self;
	struct removing *removing = msv_alloc(maildir->env, sizeof(*removing));
	int error;

	if (!removing) {
		msv_op_answer(op, MSV_ERR_NOMEM);
		return;
	}
	removing->env = maildir->env;
	removing->maildir = msv_maildir_ref(maildir);
	removing->op = op;
	removing->fs = maildir->layout.fs;
	msv_buf_init(&removing->line, maildir->env);
	error = begin(removing, actor, mailbox);
	if (error)
		end(removing, error);
}

/* -- The trash ------------------------------------------------------------------------------------ */

/* So many files a job. */
enum { TRASH_PIECE = 2000 };

struct trash {
	struct msv_env *env;
	struct msv_place *place;
	size_t left; /* of the piece */
	bool more;
};

/* Removes files, and the directories of one more level, while there is left of
 * the piece. */
static void empty_dir(struct trash *trash, int parent, const char *name, int levels)
{
	int fd = msv_disk_dir(parent, name);
	DIR *dir = fd < 0 ? NULL : fdopendir(fd);
	struct dirent *entry;

	if (!dir && fd >= 0)
		close(fd);
	while (dir && trash->left && (entry = readdir(dir))) {
		if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0)
			continue;
		trash->left--;
		if (unlinkat(dirfd(dir), entry->d_name, 0) != 0 && levels > 0)
			empty_dir(trash, dirfd(dir), entry->d_name, levels - 1);
	}
	trash->more |= !trash->left;
	if (dir)
		closedir(dir);
	unlinkat(parent, name, AT_REMOVEDIR);
}

static void trash_work(void *data)
{
	struct trash *trash = data;
	int root = msv_place_root(trash->place, false);
	DIR *dir = root < 0 ? NULL : fdopendir(root);
	struct dirent *entry;

	trash->left = TRASH_PIECE;
	trash->more = false;
	if (!dir && root >= 0)
		close(root);
	while (dir && trash->left && (entry = readdir(dir))) {
		if (strncmp(entry->d_name, MSV_TRASH, strlen(MSV_TRASH)) == 0)
			empty_dir(trash, dirfd(dir), entry->d_name, 1);
	}
	if (dir)
		closedir(dir);
}

static void trash_done(void *data)
{
	struct trash *trash = data;

	if (trash->more &&
	    msv_env_offload(trash->env, MSV_LANE_DISK, trash_work, trash_done, trash) == 0)
		return;
	msv_place_unref(trash->place);
	msv_free(trash->env, trash);
}

void msv_trash_empty(struct msv_place *place)
{
	struct trash *trash = msv_alloc(place->env, sizeof(*trash));

	/* What is not removed now is by the next list(). */
	if (!trash)
		return;
	trash->env = place->env;
	trash->place = msv_place_ref(place);
	if (msv_env_offload(place->env, MSV_LANE_DISK, trash_work, trash_done, trash) == 0)
		return;
	msv_place_unref(trash->place);
	msv_free(trash->env, trash);
}
