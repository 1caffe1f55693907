/* Finding the folders of an account: one directory for Maildir++, all for an fs
 * layout, which are walked with a queue - the listing itself. */
#include "store/maildir.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "store/attributes.h"
#include "store/beneath.h"
#include "store/subscriptions.h"

enum { ROOM = 65536, PATH_LIMIT = 4096, MAX_DEPTH = 32 };

/* In front of each name that a job found. */
struct found {
	uint64_t mark;
	uint16_t n; /* bytes of the name */
	bool mailbox;
};

/* -- The job ------------------------------------------------------------------------------- */

/* A directory whose name can be a folder's. */
static bool may_be_folder(const struct msv_listing *listing, const struct dirent *entry)
{
	const char *name = entry->d_name;

	if (strcmp(name, ".") == 0 || strcmp(name, "..") == 0)
		return false;
#ifdef DT_DIR
	if (entry->d_type != DT_DIR && entry->d_type != DT_UNKNOWN)
		return false;
#endif
	if (!listing->fs)
		return name[0] == '.' && name[1] != '.';
	return name[0] != '.' && strcmp(name, "cur") != 0 && strcmp(name, "new") != 0 &&
	       strcmp(name, "tmp") != 0;
}

static uint64_t mix(uint64_t mark, const struct msv_stamp *stamp)
{
	const uint64_t words[] = { stamp->ino, (uint64_t)stamp->mtime, stamp->size };

	for (size_t i = 0; i < 3; i++)
		mark = (mark ^ words[i]) * UINT64_C(0x9e3779b97f4a7c15) + (mark >> 29);
	return mark;
}

/* What there is in a folder; false: it is no directory. */
static bool look_at(
    const struct msv_listing *listing, int dir, const char *name, struct found *found)
{
	int fd = msv_disk_dir(dir, name);
	struct msv_stamp stamp;

	if (fd < 0)
		return false;
	found->mailbox = msv_stamp_at(fd, "cur", &stamp) == 0;
	found->mark = listing->marks ? mix(0, &stamp) : 0;
	if (listing->marks && msv_stamp_at(fd, "new", &stamp) == 0)
		found->mark = mix(found->mark, &stamp);
	if (listing->marks && msv_stamp_at(fd, MSV_UIDLIST, &stamp) == 0)
		found->mark = mix(found->mark, &stamp);
	close(fd);
	return true;
}

static void put_found(struct msv_listing *listing, struct found *found, const char *name)
{
	found->n = (uint16_t)strlen(name);
	memcpy(listing->room + listing->used, found, sizeof(*found));
	memcpy(listing->room + listing->used + sizeof(*found), name, (size_t)found->n + 1);
	listing->used += sizeof(*found) + found->n + 1;
}

static void mark_account(struct msv_listing *listing, int root)
{
	struct found inbox = { 0 };
	struct msv_stamp stamp;

	look_at(listing, root, "", &inbox);
	listing->inbox_mark = inbox.mark;
	msv_stamp_at(root, MSV_SUBSCRIPTIONS, &stamp);
	listing->list_mark = mix(0, &stamp);
	msv_stamp_at(root, MSV_ATTRIBUTES, &stamp);
	listing->list_mark = mix(listing->list_mark, &stamp);
}

static DIR *open_folder(struct msv_listing *listing)
{
	int root = msv_place_root(listing->place, true), fd;
	DIR *dir = NULL;

	if (root < 0) {
		listing->error = root;
		return NULL;
	}
	if (listing->marks && !*listing->folder)
		mark_account(listing, root);
	fd = msv_beneath_open(root, listing->folder, O_RDONLY | O_DIRECTORY, 0);
	/* A folder that went away meanwhile is empty. */
	if (fd < 0 && errno != ENOENT)
		listing->error = msv_disk_error(errno);
	close(root);
	if (fd >= 0 && !(dir = fdopendir(fd))) {
		listing->error = MSV_ERR_NOMEM;
		close(fd);
	}
	return dir;
}

static void work(void *data)
{
	struct msv_listing *listing = data;
	struct dirent *entry = NULL;
	DIR *dir;

	listing->error = 0;
	listing->used = 0;
	if (!listing->open)
		listing->open = open_folder(listing);
	dir = listing->open;
	while (dir && listing->used + sizeof(struct found) + 512 < ROOM && (entry = readdir(dir))) {
		struct found found = { 0 };
		listing->trash |= strncmp(entry->d_name, MSV_TRASH, strlen(MSV_TRASH)) == 0;
		if (may_be_folder(listing, entry) && strlen(entry->d_name) < 500 &&
		    look_at(listing, dirfd(dir), entry->d_name, &found))
			put_found(listing, &found, entry->d_name);
	}
	listing->end = !dir || !entry;
	if (dir && !entry) {
		closedir(dir);
		listing->open = NULL;
	}
}

/* -- What it found ----------------------------------------------------------------------------- */

/* The folder that is being read. */
static const char *parent_of(const struct msv_listing *listing)
{
	return listing->at == SIZE_MAX ? "" : msv_listing_folder(listing, listing->at);
}

/* "parent/name", or the name alone. */
static int put_path(struct msv_listing *listing, const char *name)
{
	struct msv_buf *text = &listing->text;
	size_t n = strlen(parent_of(listing));

	char *to = msv_buf_reserve(text, n + strlen(name) + 2);
	if (!to)
		return MSV_ERR_NOMEM;
	/* The parent is in the text itself, which may have moved. */
	memcpy(to, parent_of(listing), n);
	if (n)
		to[n++] = '/';
	memcpy(to + n, name, strlen(name) + 1);
	msv_buf_commit(text, n + strlen(name) + 1);
	return 0;
}

static int take(struct msv_listing *listing, const struct found *found, const char *name)
{
	struct msv_listed entry = {
		.folder = msv_buf_len(&listing->text),
		.mailbox = found->mailbox,
		.mark = found->mark,
	};
	int error;

	if (strlen(parent_of(listing)) + found->n > PATH_LIMIT)
		return 0;
	/* A Maildir++ folder without cur/ is nothing; in an fs layout it may hold
	 * others. */
	if (!listing->fs && !found->mailbox)
		return 0;
	error =
	    msv_grow(listing->env, &listing->entry, &listing->cap, listing->n + 1, sizeof(entry));
	if (!error)
		error = put_path(listing, name);
	if (!error)
		listing->entry[listing->n++] = entry;
	return error;
}

static int depth_of(const char *folder)
{
	int depth = 1;

	for (; *folder; folder++)
		depth += *folder == '/';
	return depth;
}

/* Goes on to the next directory to read; false: there is none. */
static bool next_folder(struct msv_listing *listing)
{
	if (!listing->fs)
		return false;
	do {
		listing->at++;
	} while (listing->at < listing->n &&
	         depth_of(msv_listing_folder(listing, listing->at)) >= MAX_DEPTH);
	return listing->at < listing->n;
}

static int start(struct msv_listing *listing);

static void worked(void *data)
{
	struct msv_listing *listing = data;
	int error = listing->error;

	for (size_t at = 0; !error && at < listing->used;) {
		struct found found;
		memcpy(&found, listing->room + at, sizeof(found));
		error = take(listing, &found, listing->room + at + sizeof(found));
		at += sizeof(found) + found.n + 1;
	}
	if (!error && listing->end && !next_folder(listing)) {
		listing->done(listing, 0);
		return;
	}
	if (!error)
		error = start(listing);
	if (error)
		listing->done(listing, error);
}

static int start(struct msv_listing *listing)
{
	listing->folder = parent_of(listing);
	return msv_env_offload(listing->env, MSV_LANE_DISK, work, worked, listing);
}

int msv_listing_begin(struct msv_listing *listing, struct msv_maildir *maildir,
    struct msv_place *place, bool marks, void (*done)(struct msv_listing *listing, int error))
{
	*listing = (struct msv_listing){
		.env = maildir->env,
		.done = done,
		.fs = maildir->layout.fs,
		.marks = marks,
		.at = SIZE_MAX,
	};
	listing->place = msv_place_ref(place);
	msv_buf_init(&listing->text, maildir->env);
	listing->room = msv_alloc(maildir->env, ROOM);
	return listing->room ? start(listing) : MSV_ERR_NOMEM;
}

void msv_listing_fini(struct msv_listing *listing)
{
	if (!listing->env)
		return;
	if (listing->open)
		closedir(listing->open);
	msv_place_unref(listing->place);
	msv_buf_fini(&listing->text);
	msv_free(listing->env, listing->entry);
	msv_free(listing->env, listing->room);
	*listing = (struct msv_listing){ 0 };
}
