/* rename(): a folder and those beneath it; or the messages of the INBOX. */
#include "store/maildir_store.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "store/attributes.h"
#include "store/beneath.h"

/* A folder and what it is to be called; offsets in the text. */
struct pair {
	size_t from, to;
};

struct renaming {
	struct msv_env *env;
	struct msv_maildir *maildir;
	struct msv_op *op;
	struct msv_place *from, *to;
	struct msv_listing listing;
	struct msv_buf from_line, to_line; /* in the attributes */

	/* The job's. */
	struct msv_place *account;
	struct msv_buf text;
	struct pair *pair;
	size_t n, cap;
	int error;
};

static void end(struct renaming *renaming, int error)
{
	struct msv_env *env = renaming->env;
	struct msv_op *op = renaming->op;

	msv_listing_fini(&renaming->listing);
	msv_buf_fini(&renaming->from_line);
	msv_buf_fini(&renaming->to_line);
	msv_buf_fini(&renaming->text);
	msv_free(env, renaming->pair);
	msv_place_unref(renaming->from);
	msv_place_unref(renaming->to);
	msv_place_unref(renaming->account);
	msv_maildir_unref(renaming->maildir);
	msv_free(env, renaming);
	msv_op_answer(op, error);
}

/* -- Names ------------------------------------------------------------------------------------ */

/* True when folder is `above` or beneath it; *rest is what is behind. */
static bool within(
    const struct renaming *renaming, const char *folder, const char *above, const char **rest)
{
	size_t n = strlen(above);
	char separator = msv_layout_disk_separator(&renaming->maildir->layout);

	*rest = folder + n;
	return strncmp(folder, above, n) == 0 && (!folder[n] || folder[n] == separator);
}

static int add_pair(struct renaming *renaming, const char *folder, const char *rest)
{
	struct msv_buf *text = &renaming->text;
	struct pair pair;
	int error =
	    msv_grow(renaming->env, &renaming->pair, &renaming->cap, renaming->n + 1, sizeof(pair));

	if (error)
		return error;
	pair.from = msv_buf_len(text);
	msv_buf_puts(text, folder);
	msv_buf_putc(text, '\0');
	pair.to = msv_buf_len(text);
	msv_buf_puts(text, renaming->to->folder);
	msv_buf_puts(text, rest);
	msv_buf_putc(text, '\0');
	if (msv_buf_failed(text))
		return MSV_ERR_NOMEM;
	if (!renaming->maildir->layout.fs && msv_buf_len(text) - pair.to > 256)
		return MSV_ERR_LIMIT;
	renaming->pair[renaming->n++] = pair;
	return 0;
}

/* Says which folders are renamed to what. */
static int find_pairs(struct renaming *renaming)
{
	const char *rest;
	int error = 0;

	for (size_t i = 0; !error && i < renaming->listing.n; i++) {
		const char *folder = msv_listing_folder(&renaming->listing, i);
		bool is_mailbox = renaming->listing.entry[i].mailbox;
		if (within(renaming, folder, renaming->to->folder, &rest) && (is_mailbox || !*rest))
			error = MSV_ERR_EXISTS;
		else if (within(renaming, folder, renaming->from->folder, &rest))
			error = add_pair(renaming, folder, rest);
	}
	return !error && !renaming->n ? MSV_ERR_NOTFOUND : error;
}

/* -- The job ------------------------------------------------------------------------------------- */

/* Opens the directory that holds a folder, and finds its name there. */
static int open_parent(int root, const char *folder, const char **name)
{
	const char *slash = strrchr(folder, '/');
	char parent[4200];
	int dir;

	*name = slash ? slash + 1 : folder;
	if (slash && (size_t)(slash - folder) >= sizeof(parent))
		return MSV_ERR_LIMIT;
	memcpy(parent, folder, slash ? (size_t)(slash - folder) : 0);
	parent[slash ? slash - folder : 0] = '\0';
	dir = msv_beneath_open(root, parent, O_RDONLY | O_DIRECTORY, 0);
	return dir < 0 ? msv_disk_error(errno) : dir;
}

static int rename_folder(int root, const char *from, const char *to)
{
	const char *from_name, *to_name;
	int from_dir = open_parent(root, from, &from_name), to_dir, error = 0;

	if (from_dir < 0)
		return from_dir;
	to_dir = open_parent(root, to, &to_name);
	if (to_dir < 0)
		error = to_dir;
	else if (renameat(from_dir, from_name, to_dir, to_name) != 0)
		error = msv_disk_error(errno);
	if (!error)
		error = msv_disk_sync_dir(from_dir);
	if (!error)
		error = msv_disk_sync_dir(to_dir);
	close(from_dir);
	if (to_dir >= 0)
		close(to_dir);
	return error;
}

/* In an fs layout what is beneath comes along. */
static size_t count(const struct renaming *renaming)
{
	return renaming->maildir->layout.fs ? 1 : renaming->n;
}

static void rename_work(void *data)
{
	struct renaming *renaming = data;
	const char *text = msv_buf_data(&renaming->text);
	int root = msv_place_root(renaming->account, false), error = root < 0 ? root : 0;
	size_t i = 0;

	for (; !error && i < count(renaming); i++)
		error =
		    rename_folder(root, text + renaming->pair[i].from, text + renaming->pair[i].to);
	/* All or none. */
	for (i -= error && i; error && i-- > 0;)
		rename_folder(root, text + renaming->pair[i].to, text + renaming->pair[i].from);
	if (root >= 0)
		close(root);
	renaming->error = error;
}

/* -- The steps --------------------------------------------------------------------------------------- */

static int edit(void *user, struct msv_span file, struct msv_buf *out)
{
	struct renaming *renaming = user;
	struct msv_buf *from = &renaming->from_line, *to = &renaming->to_line;
	struct msv_attributes_edit change = {
		.from = { msv_buf_data(from), msv_buf_len(from) },
		.to = { msv_buf_data(to), msv_buf_len(to) },
	};
	int error = msv_attributes_edit(file, &change, out);

	if (error)
		return error;
	return msv_buf_len(out) != file.n || memcmp(msv_buf_data(out), file.p, file.n) != 0;
}

static void edited(void *user, int error)
{
	/* The mailboxes have their new names: a special use may be lost. */
	(void)error;
	end(user, 0);
}

/* Those who have the mailboxes open under the old names are told. */
static void go_stale(struct renaming *renaming)
{
	const char *text = msv_buf_data(&renaming->text);

	for (size_t i = 0; i < renaming->n; i++) {
		/* Without memory they find out when they look. */
		struct msv_place *place =
		    msv_place_sibling(renaming->from, text + renaming->pair[i].from);
		struct msv_folder *folder =
		    place ? msv_folder_find(renaming->maildir, place) : NULL;
		if (folder)
			msv_folder_go_stale(folder);
		msv_place_unref(place);
	}
}

static void renamed(void *data)
{
	struct renaming *renaming = data;
	int error = renaming->error;

	if (error) {
		if (error != MSV_ERR_NOTFOUND && error != MSV_ERR_EXISTS)
			msv_folder_complain(renaming->from, "cannot rename the mailbox", error);
		end(renaming, error);
		return;
	}
	go_stale(renaming);
	msv_account_tell(renaming->maildir, renaming->account, NULL);
	if (msv_file_edit(renaming->account, MSV_ATTRIBUTES, MSV_ATTRIBUTES_LOCK, edit, edited,
	        renaming) != 0)
		end(renaming, 0);
}

static void parents_made(void *user, int error)
{
	struct renaming *renaming = user;

	if (!error)
		error =
		    msv_env_offload(renaming->env, MSV_LANE_DISK, rename_work, renamed, renaming);
	if (error)
		end(renaming, error);
}

static void listed(struct msv_listing *listing, int error)
{
	struct renaming *renaming =
	    (struct renaming *)((char *)listing - offsetof(struct renaming, listing));

	if (!error)
		error = find_pairs(renaming);
	if (!error)
		error = msv_folders_make(renaming->maildir, renaming->account, renaming->to->folder,
		    true, 0, parents_made, renaming);
	if (error)
		end(renaming, error);
}

/* -- The INBOX ------------------------------------------------------------------------------------------ */

static void moved(void *user, int error, const struct msv_copy_result *result)
{
	(void)result;
	end(user, error);
}

static void inbox_made(void *user, int error)
{
	struct renaming *renaming = user;
	struct msv_folder *inbox;

	if (!error) {
		inbox = msv_folder_get(renaming->maildir, renaming->from);
		error =
		    inbox ? msv_folder_copy(inbox, NULL, true, renaming->to, true, moved, renaming)
		          : MSV_ERR_NOMEM;
		msv_folder_unref(inbox);
	}
	if (error)
		end(renaming, error);
}

/* -- Asking ---------------------------------------------------------------------------------------------- */

static int begin(
    struct renaming *renaming, const struct msv_actor *actor, const char *from, const char *to)
{
	struct msv_maildir *maildir = renaming->maildir;
	const char *rest;
	int error = msv_place_of(maildir, actor, from, &renaming->from);

	if (error)
		return error == MSV_ERR_NOMEM ? error : MSV_ERR_NOTFOUND;
	error = msv_place_of(maildir, actor, to, &renaming->to);
	if (error)
		return error == MSV_ERR_NOTFOUND ? MSV_ERR_FORMAT : error;
	if (!*renaming->to->folder || strcmp(renaming->from->folder, renaming->to->folder) == 0)
		return MSV_ERR_EXISTS;
	renaming->account = msv_place_sibling(renaming->from, "");
	if (!renaming->account)
		return MSV_ERR_NOMEM;
	if (!*renaming->from->folder)
		return msv_folders_make(maildir, renaming->account, renaming->to->folder, false, 0,
		    inbox_made, renaming);
	if (within(renaming, renaming->to->folder, renaming->from->folder, &rest))
		return MSV_ERR_FORMAT;
	error = msv_folder_line(maildir, renaming->from->folder, &renaming->from_line);
	if (!error)
		error = msv_folder_line(maildir, renaming->to->folder, &renaming->to_line);
	return error ? error
	             : msv_listing_begin(
	                   &renaming->listing, maildir, renaming->account, false, listed);
}

void msv_maildir_rename(
    void *self, const struct msv_actor *actor, const char *from, const char *to, struct msv_op *op)
{
	struct msv_maildir *maildir = self;
	struct renaming *renaming = msv_alloc(maildir->env, sizeof(*renaming));
	int error;

	if (!renaming) {
		msv_op_answer(op, MSV_ERR_NOMEM);
		return;
	}
	renaming->env = maildir->env;
	renaming->maildir = msv_maildir_ref(maildir);
	renaming->op = op;
	msv_buf_init(&renaming->text, maildir->env);
	msv_buf_init(&renaming->from_line, maildir->env);
	msv_buf_init(&renaming->to_line, maildir->env);
	error = begin(renaming, actor, from, to);
	if (error)
		end(renaming, error);
}
