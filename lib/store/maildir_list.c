/* list(): the folders, the subscriptions, and the special uses. */
#include "store/maildir_store.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "store/attributes.h"
#include "store/subscriptions.h"

/* What is known of a name. */
struct name {
	size_t at; /* in the text */
	const char *text;
	bool exists, selectable, subscribed;
	uint32_t use;
};

struct list {
	struct msv_env *env;
	struct msv_maildir *maildir;
	struct msv_place *place;
	struct msv_op *op;
	struct msv_task task;
	bool waiting; /* for the asker, after MSV_PAUSE */
	struct msv_listing listing;
	struct msv_buf text; /* names of mailboxes, each ended by NUL */
	struct name *name;
	size_t n, cap;
	uint32_t used; /* special uses that the attributes give to somebody */
	size_t next;   /* row */

	/* The job's: both files. */
	char *subscriptions, *attributes;
	size_t nsubscriptions, nattributes;
	size_t subscriptions_cap, attributes_cap;
	int error;
};

/* Names that say what a mailbox is for, unless the attributes say otherwise. */
static const struct {
	const char *name;
	uint32_t use;
} usual[] = {
	{ "Drafts", MSV_USE_DRAFTS },
	{ "Sent", MSV_USE_SENT },
	{ "Trash", MSV_USE_TRASH },
	{ "Junk", MSV_USE_JUNK },
	{ "Archive", MSV_USE_ARCHIVE },
};

static void end(struct list *list, int error)
{
	struct msv_env *env = list->env;
	struct msv_op *op = list->op;

	msv_env_undefer(env, &list->task);
	if (!error && list->listing.trash)
		msv_trash_empty(list->place);
	msv_listing_fini(&list->listing);
	msv_buf_fini(&list->text);
	msv_free(env, list->name);
	msv_free(env, list->subscriptions);
	msv_free(env, list->attributes);
	msv_place_unref(list->place);
	msv_maildir_unref(list->maildir);
	msv_free(env, list);
	msv_op_answer(op, error);
}

/* -- Rows ------------------------------------------------------------------------------------ */

static void step(struct list *list)
{
	while (list->next < list->n) {
		const struct name *name = &list->name[list->next++];
		struct msv_list_entry entry = {
			.size = sizeof(entry),
			.name = name->text,
			.exists = name->exists,
			.selectable = name->selectable,
			.subscribed = name->subscribed,
			.special_use = name->selectable ? name->use : 0,
		};
		int verdict = msv_list_row((struct msv_list_op){ list->op }, &entry);
		if (verdict == MSV_PAUSE) {
			list->waiting = true;
			return;
		}
		if (verdict) {
			end(list, verdict);
			return;
		}
	}
	end(list, 0);
}

static void run_step(struct msv_task *task)
{
	step((struct list *)((char *)task - offsetof(struct list, task)));
}

static void on_resume(void *user)
{
	struct list *list = user;

	list->waiting = false;
	step(list);
}

static void on_cancel(void *user)
{
	struct list *list = user;

	if (list->waiting)
		msv_env_defer(list->env, &list->task);
	list->waiting = false;
}

/* -- Names --------------------------------------------------------------------------------------- */

/* Adds what is known of the name that begins at `at` in the text and is its
 * last. */
static int add_name(struct list *list, struct name name)
{
	int error = msv_grow(list->env, &list->name, &list->cap, list->n + 1, sizeof(name));

	if (!error)
		list->name[list->n++] = name;
	return error;
}

/* Adds the parents of the last name: it is known of them that they are. */
static int add_parents(struct list *list, size_t at)
{
	const char separator = list->maildir->layout.separator;
	size_t n = strlen(msv_buf_data(&list->text) + at);
	int error = 0;

	for (size_t i = n; !error && i-- > 1;) {
		if (msv_buf_data(&list->text)[at + i] != separator)
			continue;
		struct name parent = { .at = msv_buf_len(&list->text) };
		char *to = msv_buf_reserve(&list->text, i + 1);
		if (!to)
			return MSV_ERR_NOMEM;
		memcpy(to, msv_buf_data(&list->text) + at, i);
		to[i] = '\0';
		msv_buf_commit(&list->text, i + 1);
		error = add_name(list, parent);
	}
	return error;
}

/* Keeps the name just appended to the text, unless that failed: what is no
 * mailbox of ours is left out. */
static int take_name(struct list *list, struct name name, int error)
{
	if (error == MSV_ERR_NOMEM)
		return error;
	if (error) {
		msv_buf_truncate(&list->text, name.at);
		return 0;
	}
	error = add_name(list, name);
	return error || !name.exists ? error : add_parents(list, name.at);
}

static int add_folders(struct list *list)
{
	const struct msv_layout *layout = &list->maildir->layout;
	struct name inbox = { .at = 0, .exists = true, .selectable = true };
	int error = take_name(list, inbox, msv_layout_mailbox(layout, "", &list->text));

	for (size_t i = 0; !error && i < list->listing.n; i++) {
		const struct msv_listed *listed = &list->listing.entry[i];
		struct name name = {
			.at = msv_buf_len(&list->text),
			.exists = listed->mailbox,
			.selectable = listed->mailbox,
		};
		error = take_name(list, name,
		    msv_layout_mailbox(layout, msv_listing_folder(&list->listing, i), &list->text));
	}
	return error;
}

static int add_subscriptions(struct list *list)
{
	const struct msv_layout *layout = &list->maildir->layout;
	struct msv_subscriptions walk;
	struct msv_buf line;
	int error = 0, more;

	msv_buf_init(&line, list->env);
	msv_subscriptions_begin(
	    &walk, list->subscriptions, list->nsubscriptions, msv_layout_disk_separator(layout));
	while (!error && (more = msv_subscriptions_next(&walk, &line)) != 0) {
		struct name name = { .at = msv_buf_len(&list->text), .subscribed = true };
		error = more < 0 ? more
		                 : take_name(list, name,
		                       msv_layout_mailbox_of_line(layout, msv_buf_data(&line),
		                           msv_buf_len(&line), &list->text));
	}
	msv_buf_fini(&line);
	return error;
}

static int add_uses(struct list *list)
{
	struct msv_span file = { list->attributes, list->nattributes }, mailbox;
	uint32_t use;
	int error = 0;

	while (!error && msv_attributes_next_use(&file, &mailbox, &use)) {
		struct name name = { .at = msv_buf_len(&list->text), .use = use };
		list->used |= use;
		error = take_name(list, name,
		    msv_layout_mailbox_of_line(
		        &list->maildir->layout, mailbox.p, mailbox.n, &list->text));
	}
	return error;
}

/* -- All together ---------------------------------------------------------------------------------- */

static int compare_names(const void *a, const void *b)
{
	const struct name *x = a, *y = b;

	return strcmp(x->text, y->text);
}

/* Makes one of the entries of each name.  A special use alone is no name. */
static void merge(struct list *list)
{
	size_t kept = 0;

	/* The text grows no more. */
	for (size_t i = 0; i < list->n; i++)
		list->name[i].text = msv_buf_data(&list->text) + list->name[i].at;
	qsort(list->name, list->n, sizeof(*list->name), compare_names);
	for (size_t i = 0; i < list->n;) {
		struct name all = list->name[i];
		bool only_use = true;
		for (; i < list->n && strcmp(list->name[i].text, all.text) == 0; i++) {
			const struct name *name = &list->name[i];
			all.exists |= name->exists;
			all.selectable |= name->selectable;
			all.subscribed |= name->subscribed;
			all.use |= name->use;
			only_use &= name->use != 0;
		}
		if (!only_use)
			list->name[kept++] = all;
	}
	list->n = kept;
}

static void give_usual_uses(struct list *list)
{
	const char *prefix = list->maildir->layout.prefix;

	for (size_t i = 0; i < list->n; i++) {
		struct name *name = &list->name[i];
		const char *text = name->text;
		if (strncmp(text, prefix, strlen(prefix)) != 0)
			continue;
		text += strlen(prefix);
		for (size_t j = 0; j < sizeof(usual) / sizeof(usual[0]); j++) {
			if (strcmp(text, usual[j].name) == 0 && !(list->used & usual[j].use))
				name->use |= usual[j].use;
		}
	}
}

static void put_together(struct list *list)
{
	int error = add_folders(list);

	if (!error)
		error = add_subscriptions(list);
	if (!error)
		error = add_uses(list);
	if (error) {
		end(list, error);
		return;
	}
	merge(list);
	give_usual_uses(list);
	step(list);
}

/* -- The files --------------------------------------------------------------------------------------- */

static void read_work(void *data)
{
	struct list *list = data;
	int root = msv_place_root(list->place, true);

	list->error = root < 0 ? root : 0;
	if (root < 0)
		return;
	list->nsubscriptions = list->subscriptions_cap;
	list->nattributes = list->attributes_cap;
	list->error =
	    msv_file_read(root, MSV_SUBSCRIPTIONS, list->subscriptions, &list->nsubscriptions);
	if (!list->error)
		list->error =
		    msv_file_read(root, MSV_ATTRIBUTES, list->attributes, &list->nattributes);
	close(root);
}

/* Makes room for n bytes.  0 or MSV_ERR_NOMEM. */
static int make_room(struct list *list, char **room, size_t *cap, size_t n)
{
	char *more = n > *cap || !*room ? msv_alloc(list->env, n + 1024) : *room;

	if (!more)
		return MSV_ERR_NOMEM;
	if (more != *room) {
		msv_free(list->env, *room);
		*room = more;
		*cap = n + 1024;
	}
	return 0;
}

static void was_read(void *data);

static int start_read(struct list *list)
{
	int error =
	    make_room(list, &list->subscriptions, &list->subscriptions_cap, list->nsubscriptions);

	if (!error)
		error =
		    make_room(list, &list->attributes, &list->attributes_cap, list->nattributes);
	return error ? error : msv_env_offload(list->env, MSV_LANE_DISK, read_work, was_read, list);
}

static void was_read(void *data)
{
	struct list *list = data;
	int error = list->error;

	if (error == MSV_ERR_LIMIT) {
		error = start_read(list);
		if (!error)
			return;
	}
	if (error)
		end(list, error);
	else
		put_together(list);
}

static void listed(struct msv_listing *listing, int error)
{
	struct list *list = (struct list *)((char *)listing - offsetof(struct list, listing));

	if (error && error != MSV_ERR_NOMEM)
		msv_folder_complain(list->place, "cannot list mailboxes", error);
	if (!error)
		error = start_read(list);
	if (error)
		end(list, error);
}

void msv_maildir_list(void *self, const struct msv_actor *actor, struct msv_list_op op)
{
	struct msv_maildir *maildir = self;
	struct list *list = msv_alloc(maildir->env, sizeof(*list));
	int error;

	if (!list) {
		msv_op_answer(op.op, MSV_ERR_NOMEM);
		return;
	}
	list->env = maildir->env;
	list->maildir = msv_maildir_ref(maildir);
	list->op = op.op;
	list->task.fn = run_step;
	msv_buf_init(&list->text, maildir->env);
	error = msv_place_of(maildir, actor, NULL, &list->place);
	if (!error)
		error = msv_listing_begin(&list->listing, maildir, list->place, false, listed);
	if (error) {
		end(list, error);
		return;
	}
	msv_op_on_cancel(op.op, on_cancel, list);
	msv_op_on_resume(op.op, on_resume, list);
}
