/* watch(): what this process does is told at once, what others do is found by a
 * poll - one timer and one job at a time for all that is watched. */
#include "store/maildir_store.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* So many mailboxes are looked at by a job. */
enum { POLLED = 256 };

/* -- Telling ----------------------------------------------------------------------------------- */

static struct msv_store_watch *watch_of(struct msv_task *task)
{
	return (struct msv_store_watch *)((char *)task - offsetof(struct msv_store_watch, task));
}

/* Calls look() once; it may unwatch. */
static void look_mailbox(struct msv_task *task)
{
	struct msv_store_watch *watch = watch_of(task);

	watch->look(watch->user, NULL);
}

/* Calls look() for one thing of an account that is due, and comes back for the
 * next. */
static void look_account(struct msv_task *task)
{
	struct msv_store_watch *watch = watch_of(task);
	struct msv_buf mailbox;
	const char *folder;
	size_t n;

	if (watch->list_due || !msv_buf_len(&watch->names)) {
		watch->list_due = false;
		if (msv_buf_len(&watch->names))
			msv_env_defer(watch->maildir->env, &watch->task);
		watch->look(watch->user, NULL);
		return;
	}
	folder = msv_buf_data(&watch->names);
	n = strlen(folder) + 1;
	msv_buf_init(&mailbox, watch->maildir->env);
	int error = msv_layout_mailbox(&watch->maildir->layout, folder, &mailbox);
	msv_buf_consume(&watch->names, n);
	if (msv_buf_len(&watch->names))
		msv_env_defer(watch->maildir->env, &watch->task);
	/* Without memory for the name everything may have changed. */
	if (!error || error == MSV_ERR_NOMEM)
		watch->look(watch->user, error ? NULL : msv_buf_data(&mailbox));
	msv_buf_fini(&mailbox);
}

static bool same_account(const struct msv_place *a, const struct msv_place *b)
{
	return strcmp(a->base, b->base) == 0 && strcmp(a->account, b->account) == 0;
}

/* True when a folder waits to be told of already. */
static bool is_due(const struct msv_buf *names, const char *folder)
{
	const char *p = msv_buf_data(names), *end = p + msv_buf_len(names);

	while (p < end && strcmp(p, folder) != 0)
		p += strlen(p) + 1;
	return p < end;
}

static void account_due(struct msv_store_watch *watch, const char *folder)
{
	if (!folder)
		watch->list_due = true;
	else if (!is_due(&watch->names, folder) &&
	         msv_buf_put(&watch->names, folder, strlen(folder) + 1) != 0) {
		msv_buf_fini(&watch->names);
		watch->list_due = true;
	}
	msv_env_defer(watch->maildir->env, &watch->task);
}

void msv_account_tell(
    struct msv_maildir *maildir, const struct msv_place *place, const char *folder)
{
	for (struct msv_store_watch *watch = maildir->watches; watch; watch = watch->next) {
		if (watch->account && same_account(watch->account, place))
			account_due(watch, folder);
	}
}

void msv_folder_tell(struct msv_folder *folder)
{
	for (struct msv_store_watch *watch = folder->watchers ? folder->maildir->watches : NULL;
	     watch; watch = watch->next) {
		if (watch->folder == folder)
			msv_env_defer(folder->env, &watch->task);
	}
	msv_account_tell(folder->maildir, folder->place, folder->place->folder);
}

/* -- Polling ------------------------------------------------------------------------------------ */

/* One mailbox to look at. */
struct polled {
	struct msv_folder *folder; /* not touched by the job */
	struct msv_place *place;
	struct msv_stamp new, cur, list;
	uint64_t dir_ino;
	int error;
};

struct msv_poll {
	struct msv_env *env;
	struct msv_maildir *maildir;
	struct polled *polled;
	size_t n, cap;
	size_t at; /* where the piece of the job begins */
	struct msv_listing listing;
	uint64_t watch; /* the id of the one it is for */
};

static void look_at(struct polled *polled)
{
	struct msv_stamp self;
	int dir = msv_place_open(polled->place);

	polled->error = dir < 0 ? dir : 0;
	if (dir < 0)
		return;
	msv_stamp_fd(dir, &self);
	polled->dir_ino = self.ino;
	msv_stamp_at(dir, "new", &polled->new);
	msv_stamp_at(dir, "cur", &polled->cur);
	msv_stamp_at(dir, MSV_UIDLIST, &polled->list);
	close(dir);
}

static size_t piece_end(const struct msv_poll *poll)
{
	return poll->n - poll->at > POLLED ? poll->at + POLLED : poll->n;
}

static void poll_work(void *data)
{
	struct msv_poll *poll = data;

	for (size_t i = poll->at; i < piece_end(poll); i++)
		look_at(&poll->polled[i]);
}

static bool is_changed(
    const struct msv_env *env, const struct msv_stamp *now, const struct msv_watched_dir *dir)
{
	return !msv_stamp_same(now, &dir->stamp) ||
	       (dir->recheck_at && dir->recheck_at <= msv_env_now(env));
}

/* True when a look at the folder would find something, or might. */
static bool has_changed(const struct polled *polled)
{
	const struct msv_folder *folder = polled->folder;

	/* In an act's turn its stamps are about to change; it tells by itself. */
	if (folder->stale || folder->acts)
		return false;
	return polled->error || polled->dir_ino != folder->dir_ino ||
	       !msv_stamp_same(&polled->list, &folder->list) ||
	       is_changed(folder->env, &polled->new, &folder->new) ||
	       is_changed(folder->env, &polled->cur, &folder->cur);
}

static void poll_accounts(struct msv_poll *poll);

static void poll_end(struct msv_poll *poll)
{
	struct msv_maildir *maildir = poll->maildir;

	for (size_t i = 0; i < poll->n; i++) {
		poll->polled[i].folder->polling = false;
		msv_folder_unref(poll->polled[i].folder);
	}
	msv_listing_fini(&poll->listing);
	msv_free(poll->env, poll->polled);
	msv_free(poll->env, poll);
	maildir->poll = NULL;
	if (maildir->watches)
		msv_timer_start(maildir->poll_timer, msv_env_now(maildir->env) + maildir->poll_ms);
	msv_maildir_unref(maildir);
}

static void poll_piece(struct msv_poll *poll);

static void polled_piece(void *data)
{
	struct msv_poll *poll = data;
	size_t stop = piece_end(poll);

	for (; poll->at < stop; poll->at++) {
		const struct polled *polled = &poll->polled[poll->at];
		if (has_changed(polled))
			msv_folder_tell(polled->folder);
	}
	poll_piece(poll);
}

static void poll_piece(struct msv_poll *poll)
{
	if (poll->at == poll->n)
		poll_accounts(poll);
	else if (msv_env_offload(poll->env, MSV_LANE_DISK, poll_work, polled_piece, poll) != 0)
		poll_end(poll);
}

static int add_polled(struct msv_poll *poll, struct msv_folder *folder)
{
	int error;

	if (folder->polling || folder->stale)
		return 0;
	error = msv_grow(poll->env, &poll->polled, &poll->cap, poll->n + 1, sizeof(*poll->polled));
	if (error)
		return error;
	folder->polling = true;
	poll->polled[poll->n++] = (struct polled){
		.folder = msv_folder_ref(folder),
		.place = folder->place,
	};
	return 0;
}

/* -- Polling accounts -------------------------------------------------------------------------- */

static uint64_t hash_of(const char *s)
{
	uint64_t hash = UINT64_C(14695981039346656037);

	for (; *s; s++)
		hash = (hash ^ (unsigned char)*s) * UINT64_C(1099511628211);
	return hash;
}

static int compare_marks(const void *a, const void *b)
{
	const struct msv_mark *x = a, *y = b;

	return x->name < y->name ? -1 : x->name > y->name;
}

/* The folders of a listing by their hashes; NULL: no memory. */
static struct msv_mark *marks_of(const struct msv_listing *listing)
{
	struct msv_mark *mark = msv_alloc(listing->env, (listing->n + 1) * sizeof(*mark));

	if (!mark)
		return NULL;
	for (size_t i = 0; i < listing->n; i++)
		mark[i] = (struct msv_mark){ hash_of(msv_listing_folder(listing, i)),
			listing->entry[i].mark, i };
	qsort(mark, listing->n, sizeof(*mark), compare_marks);
	return mark;
}

/* Tells what differs between two polls. */
static void compare(
    struct msv_store_watch *watch, const struct msv_listing *listing, const struct msv_mark *now)
{
	size_t i = 0, j = 0;

	if (watch->list_mark != listing->list_mark)
		account_due(watch, NULL);
	if (watch->inbox_mark != listing->inbox_mark)
		account_due(watch, "");
	while (i < watch->nmarks && j < listing->n) {
		const struct msv_mark *old = &watch->mark[i], *new = &now[j];
		if (old->name != new->name)
			account_due(watch, NULL);
		else if (old->mark != new->mark)
			account_due(watch, msv_listing_folder(listing, new->index));
		i += old->name <= new->name;
		j += new->name <= old->name;
	}
	if (i < watch->nmarks || j < listing->n)
		account_due(watch, NULL);
}

static void account_listed(struct msv_listing *listing, int error)
{
	struct msv_poll *poll =
	    (struct msv_poll *)((char *)listing - offsetof(struct msv_poll, listing));
	struct msv_store_watch *watch = poll->maildir->watches;
	struct msv_mark *marks = error ? NULL : marks_of(listing);

	while (watch && watch->id != poll->watch)
		watch = watch->next;
	if (watch && marks) {
		if (watch->marked)
			compare(watch, listing, marks);
		msv_free(poll->env, watch->mark);
		watch->mark = marks;
		watch->nmarks = listing->n;
		watch->inbox_mark = listing->inbox_mark;
		watch->list_mark = listing->list_mark;
		watch->marked = true;
		marks = NULL;
	}
	msv_free(poll->env, marks);
	msv_listing_fini(listing);
	poll_accounts(poll);
}

/* Lists the account of the next watch that was not polled this time. */
static void poll_accounts(struct msv_poll *poll)
{
	struct msv_store_watch *watch = poll->maildir->watches;

	while (watch && (!watch->account || watch->polled))
		watch = watch->next;
	if (!watch) {
		poll_end(poll);
		return;
	}
	watch->polled = true;
	poll->watch = watch->id;
	if (msv_listing_begin(
	        &poll->listing, poll->maildir, watch->account, true, account_listed) != 0)
		poll_end(poll);
}

/* -- The timer ------------------------------------------------------------------------------------- */

static void poll_now(void *user)
{
	struct msv_maildir *maildir = user;
	struct msv_poll *poll;

	if (maildir->poll || !maildir->watches)
		return;
	poll = msv_alloc(maildir->env, sizeof(*poll));
	/* Without memory the next time. */
	msv_timer_start(maildir->poll_timer, msv_env_now(maildir->env) + maildir->poll_ms);
	if (!poll)
		return;
	poll->env = maildir->env;
	poll->maildir = msv_maildir_ref(maildir);
	maildir->poll = poll;
	for (struct msv_store_watch *watch = maildir->watches; watch; watch = watch->next) {
		watch->polled = false;
		if (watch->folder && add_polled(poll, watch->folder) != 0)
			break;
	}
	poll_piece(poll);
}

int msv_watches_init(struct msv_maildir *maildir)
{
	return msv_timer_new(maildir->env, poll_now, maildir, &maildir->poll_timer);
}

/* -- The store's functions ---------------------------------------------------------------------------- */

int msv_maildir_watch(void *self, const struct msv_actor *actor, struct msv_mailbox *mailbox,
    void (*look)(void *user, const char *mailbox), void *user, struct msv_store_watch **out)
{
	struct msv_maildir *maildir = self;
	struct msv_store_watch *watch = msv_alloc(maildir->env, sizeof(*watch));
	int error = 0;

	*out = NULL;
	if (!watch)
		return MSV_ERR_NOMEM;
	if (!mailbox)
		error = msv_place_of(maildir, actor, NULL, &watch->account);
	if (error) {
		msv_free(maildir->env, watch);
		return error;
	}
	watch->maildir = msv_maildir_ref(maildir);
	watch->id = ++maildir->counter;
	watch->look = look;
	watch->user = user;
	watch->task.fn = mailbox ? look_mailbox : look_account;
	msv_buf_init(&watch->names, maildir->env);
	if (mailbox) {
		watch->folder = msv_folder_ref(mailbox->folder);
		watch->folder->watchers++;
	}
	if (!maildir->watches)
		msv_timer_start(maildir->poll_timer, msv_env_now(maildir->env) + maildir->poll_ms);
	watch->next = maildir->watches;
	maildir->watches = watch;
	*out = watch;
	return 0;
}

void msv_maildir_unwatch(void *self, struct msv_store_watch *watch)
{
	struct msv_maildir *maildir = self;
	struct msv_store_watch **at = &maildir->watches;

	if (!watch)
		return;
	while (*at != watch)
		at = &(*at)->next;
	*at = watch->next;
	msv_env_undefer(maildir->env, &watch->task);
	if (watch->folder)
		watch->folder->watchers--;
	msv_folder_unref(watch->folder);
	msv_place_unref(watch->account);
	msv_buf_fini(&watch->names);
	msv_free(maildir->env, watch->mark);
	msv_free(maildir->env, watch);
	if (!maildir->watches && !maildir->poll)
		msv_timer_stop(maildir->poll_timer);
	msv_maildir_unref(maildir);
}
