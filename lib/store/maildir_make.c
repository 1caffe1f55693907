/* Making mailboxes, with those above them.  Each gets its UIDVALIDITY at once:
 * above any that was given to a mailbox of the account before, which the
 * attributes remember. */
#include "store/maildir.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "codec/crypto.h"
#include "store/attributes.h"
#include "store/beneath.h"

enum { MAX_LEVELS = 32 };

struct making {
	struct msv_env *env;
	struct msv_maildir *maildir;
	struct msv_buf line;
	uint32_t use;
	uint32_t now; /* seconds since the epoch */
	void (*done)(void *user, int error);
	void *user;

	/* The job's. */
	struct msv_place *account;
	bool fs;
	char *folder;
	size_t nlevels;
	struct level {
		size_t n; /* of the folder's bytes */
		bool missing;
		struct msv_uidlist_header header;
	} level[MAX_LEVELS];
	size_t nmissing;
	int error;
};

int msv_folder_line(const struct msv_maildir *maildir, const char *folder, struct msv_buf *out)
{
	struct msv_buf name;
	int error;

	msv_buf_init(&name, maildir->env);
	error = msv_layout_mailbox(&maildir->layout, folder, &name);
	if (!error)
		error = msv_layout_line(&maildir->layout, msv_buf_data(&name), out);
	msv_buf_fini(&name);
	return error;
}

static void end(struct making *making, int error)
{
	struct msv_env *env = making->env;
	void (*done)(void *user, int error) = making->done;
	void *user = making->user;

	if (!error && making->nmissing)
		msv_account_tell(making->maildir, making->account, NULL);
	msv_place_unref(making->account);
	msv_buf_fini(&making->line);
	msv_free(env, making->folder);
	msv_maildir_unref(making->maildir);
	msv_free(env, making);
	done(user, error);
}

/* -- The jobs ----------------------------------------------------------------------------------- */

/* Opens a level's directory, which `make` makes.  A descriptor or MSV_ERR_*. */
static int open_level(struct making *making, int root, const struct level *level, bool make)
{
	char *end = making->folder + level->n, saved = *end;
	int fd, error = 0;

	*end = '\0';
	if (make && msv_beneath_mkdirs(root, making->folder) != 0)
		error = msv_disk_error(errno);
	fd = error ? -1 : msv_beneath_open(root, making->folder, O_RDONLY | O_DIRECTORY, 0);
	if (!error && fd < 0)
		error = msv_disk_error(errno);
	*end = saved;
	return error ? error : fd;
}

static void check_work(void *data)
{
	struct making *making = data;
	int root = msv_place_root(making->account, true);

	making->error = root < 0 ? root : 0;
	making->nmissing = 0;
	for (size_t i = 0; !making->error && i < making->nlevels; i++) {
		struct level *level = &making->level[i];
		struct msv_stamp stamp;
		int dir = open_level(making, root, level, false);
		if (dir < 0 && dir != MSV_ERR_NOTFOUND)
			making->error = dir;
		level->missing = dir < 0 || msv_stamp_at(dir, "cur", &stamp) != 0;
		making->nmissing += level->missing;
		if (dir >= 0)
			close(dir);
	}
	if (root >= 0)
		close(root);
}

/* Writes the list of no messages, if there is no list. */
static int make_list(int dir, const struct msv_uidlist_header *header)
{
	char text[MSV_UIDLIST_HEADER_SIZE];
	size_t n = msv_uidlist_format_header(header, text);
	struct msv_stamp stamp;

	if (msv_stamp_at(dir, MSV_UIDLIST, &stamp) == 0)
		return 0;
	return msv_disk_replace(dir, MSV_UIDLIST ".tmp", MSV_UIDLIST, text, n);
}

static int make_level(struct making *making, int root, const struct level *level)
{
	int dir = open_level(making, root, level, true), error, fd;

	if (dir < 0)
		return dir;
	error = make_list(dir, &level->header);
	if (!error && !making->fs) {
		/* It says that this is a folder of the Maildir above. */
		fd =
		    openat(dir, "maildirfolder", O_WRONLY | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);
		error = fd < 0 ? msv_disk_error(errno) : 0;
		if (fd >= 0)
			close(fd);
	}
	if (!error)
		error = msv_place_make(dir);
	close(dir);
	return error;
}

static void make_work(void *data)
{
	struct making *making = data;
	int root = msv_place_root(making->account, false);

	making->error = root < 0 ? root : 0;
	for (size_t i = 0; !making->error && i < making->nlevels; i++) {
		if (!making->level[i].missing)
			continue;
		making->error = make_level(making, root, &making->level[i]);
		/* Others may make what is above at the same time. */
		if (making->error == MSV_ERR_EXISTS && i + 1 < making->nlevels)
			making->error = 0;
	}
	if (root >= 0)
		close(root);
}

/* -- The steps ------------------------------------------------------------------------------------ */

static void made(void *data)
{
	struct making *making = data;

	if (making->error && making->error != MSV_ERR_EXISTS)
		msv_folder_complain(making->account, "cannot make a mailbox", making->error);
	end(making, making->error);
}

static void numbered(void *user, int error)
{
	struct making *making = user;

	if (!error)
		error = msv_env_offload(making->env, MSV_LANE_DISK, make_work, made, making);
	if (error)
		end(making, error);
}

/* Gives out UIDVALIDITYs, and notes the special use. */
static int edit(void *user, struct msv_span file, struct msv_buf *out)
{
	struct making *making = user;
	uint32_t next = msv_attributes_uidvalidity(file.p, file.n) + 1;
	struct msv_attributes_edit change = { .use = making->use };

	if (next < making->now)
		next = making->now;
	if (UINT32_MAX - next < MAX_LEVELS)
		return MSV_ERR_LIMIT;
	for (size_t i = 0; i < making->nlevels; i++) {
		struct msv_uidlist_header *header = &making->level[i].header;
		unsigned char guid[(MSV_GUID_SIZE - 1) / 2];
		int error = msv_env_random(making->env, guid, sizeof(guid));
		if (error)
			return error;
		msv_hex_encode(guid, sizeof(guid), header->guid);
		header->uidvalidity = next;
		header->uidnext = 1;
		next += making->level[i].missing;
	}
	change.uidvalidity = next - 1;
	if (msv_buf_len(&making->line))
		change.set =
		    (struct msv_span){ msv_buf_data(&making->line), msv_buf_len(&making->line) };
	int error = msv_attributes_edit(file, &change, out);
	return error ? error : 1;
}

static void checked(void *data)
{
	struct making *making = data;
	int error = making->error;

	/* Only who wants the folder itself has a line for it. */
	if (!error && msv_buf_len(&making->line) && !making->level[making->nlevels - 1].missing)
		error = MSV_ERR_EXISTS;
	else if (!error && making->nmissing)
		error = msv_file_edit(
		    making->account, MSV_ATTRIBUTES, MSV_ATTRIBUTES_LOCK, edit, numbered, making);
	if (error || !making->nmissing)
		end(making, error);
}

/* Finds where the levels of the folder end; without the last with `parents`. */
static int find_levels(struct making *making, bool parents)
{
	char separator = msv_layout_disk_separator(&making->maildir->layout);
	size_t n = strlen(making->folder);

	for (size_t i = 1; i <= n; i++) {
		if (making->folder[i] != separator && i < n)
			continue;
		if (parents && i == n)
			break;
		if (making->nlevels == MAX_LEVELS)
			return MSV_ERR_LIMIT;
		making->level[making->nlevels++].n = i;
	}
	return 0;
}

int msv_folders_make(struct msv_maildir *maildir, struct msv_place *account, const char *folder,
    bool parents, uint32_t use, void (*done)(void *user, int error), void *user)
{
	struct making *making = msv_alloc(maildir->env, sizeof(*making));
	int error;

	if (!making)
		return MSV_ERR_NOMEM;
	making->env = maildir->env;
	making->maildir = maildir;
	making->use = use;
	making->now = (uint32_t)(msv_env_realtime(maildir->env) / 1000000);
	making->done = done;
	making->user = user;
	making->fs = maildir->layout.fs;
	making->folder = msv_strdup(maildir->env, folder);
	making->account = account;
	msv_buf_init(&making->line, maildir->env);
	error = making->folder ? find_levels(making, parents) : MSV_ERR_NOMEM;
	if (!error && !parents)
		error = msv_folder_line(maildir, folder, &making->line);
	if (!error)
		error = msv_env_offload(maildir->env, MSV_LANE_DISK, check_work, checked, making);
	if (error) {
		msv_buf_fini(&making->line);
		msv_free(maildir->env, making->folder);
		msv_free(maildir->env, making);
		return error;
	}
	msv_place_ref(account);
	msv_maildir_ref(maildir);
	return 0;
}
