/* The kit's questions about mailboxes: names, openings, changes, flags. */
#include <stdio.h>
#include <string.h>

#include "testing/kit.h"

/* -- Names --------------------------------------------------------------------------- */

const char *msv_kit_name(const struct msv_kit *k, const char *name, char buf[KIT_NAME])
{
	bool inbox = strcmp(name, "INBOX") == 0 || strncmp(name, "INBOX/", 6) == 0;
	const char *prefix = k->store->prefix && !inbox ? k->store->prefix : "";
	size_t n = strlen(prefix);

	snprintf(buf, KIT_NAME, "%s%s", prefix, name);
	for (char *p = buf + n; *p; p++)
		if (*p == '/')
			*p = k->store->separator;
	return buf;
}

static void take_entry(void *user, const void *row)
{
	struct msv_kit_list *list = user;
	const struct msv_list_entry *entry = row;

	if (list->n < KIT_ROWS) {
		list->entries[list->n].is = *entry;
		snprintf(list->entries[list->n].name, KIT_NAME, "%s", entry->name);
		list->n++;
	}
}

int msv_kit_list(struct msv_kit *k, struct msv_kit_list *list)
{
	struct msv_kit_answer a = { .row = take_entry, .user = list, .pauses = list->pauses };

	list->n = 0;
	if (!msv_kit_ask(k, &a))
		return MSV_ERR_NOMEM;
	k->store->list(k->store->self, &k->actor, (struct msv_list_op){ a.op });
	return msv_kit_wait(&a);
}

const struct msv_kit_entry *msv_kit_find_entry(
    const struct msv_kit *k, const struct msv_kit_list *list, const char *name, unsigned *times)
{
	const struct msv_kit_entry *found = NULL;
	char buf[KIT_NAME];
	unsigned n = 0;

	msv_kit_name(k, name, buf);
	for (size_t i = 0; i < list->n; i++) {
		if (strcmp(list->entries[i].name, buf) != 0)
			continue;
		found = &list->entries[i];
		n++;
	}
	if (times)
		*times = n;
	return found;
}

bool msv_kit_exists(struct msv_kit *k, const char *name)
{
	struct msv_kit_list list = { 0 };
	int error = msv_kit_list(k, &list);

	if (error)
		msv_kit_break(k, "list: %s", msv_strerror(error));
	const struct msv_kit_entry *entry = msv_kit_find_entry(k, &list, name, NULL);
	return entry && entry->is.exists && entry->is.selectable;
}

static void take_status(void *user, const void *result)
{
	struct msv_mailbox_status *status = user;

	*status = *(const struct msv_mailbox_status *)result;
	status->mailbox_id = NULL;
}

int msv_kit_status(struct msv_kit *k, const char *name, struct msv_mailbox_status *status)
{
	struct msv_kit_answer a = { .take = take_status, .user = status };
	char buf[KIT_NAME];

	if (!msv_kit_ask(k, &a))
		return MSV_ERR_NOMEM;
	k->store->status(
	    k->store->self, &k->actor, msv_kit_name(k, name, buf), (struct msv_status_op){ a.op });
	return msv_kit_wait(&a);
}

int msv_kit_create(struct msv_kit *k, const char *name, uint32_t special_use)
{
	struct msv_kit_answer a = { 0 };
	char buf[KIT_NAME];

	if (!msv_kit_ask(k, &a))
		return MSV_ERR_NOMEM;
	k->store->create(k->store->self, &k->actor, msv_kit_name(k, name, buf), special_use, a.op);
	return msv_kit_wait(&a);
}

int msv_kit_remove(struct msv_kit *k, const char *name)
{
	struct msv_kit_answer a = { 0 };
	char buf[KIT_NAME];

	if (!msv_kit_ask(k, &a))
		return MSV_ERR_NOMEM;
	k->store->remove(k->store->self, &k->actor, msv_kit_name(k, name, buf), a.op);
	return msv_kit_wait(&a);
}

int msv_kit_rename(struct msv_kit *k, const char *from, const char *to)
{
	struct msv_kit_answer a = { 0 };
	char buf[KIT_NAME], to_buf[KIT_NAME];

	if (!msv_kit_ask(k, &a))
		return MSV_ERR_NOMEM;
	k->store->rename(k->store->self, &k->actor, msv_kit_name(k, from, buf),
	    msv_kit_name(k, to, to_buf), a.op);
	return msv_kit_wait(&a);
}

int msv_kit_subscribe(struct msv_kit *k, const char *name, bool subscribed)
{
	struct msv_kit_answer a = { 0 };
	char buf[KIT_NAME];

	if (!msv_kit_ask(k, &a))
		return MSV_ERR_NOMEM;
	k->store->subscribe(
	    k->store->self, &k->actor, msv_kit_name(k, name, buf), subscribed, a.op);
	return msv_kit_wait(&a);
}

/* -- Openings ----------------------------------------------------------------------------- */

static void take_opening(void *user, const void *result)
{
	struct msv_kit_view *view = user;

	view->opened = *(const struct msv_open_result *)result;
	view->opened.status.mailbox_id = NULL;
	view->mailbox = view->opened.mailbox;
}

int msv_kit_open(struct msv_kit *k, struct msv_kit_view *view, const char *name, bool readonly)
{
	struct msv_kit_answer a = { .take = take_opening, .user = view };
	char buf[KIT_NAME];
	int error;

	memset(view, 0, sizeof(*view));
	if (!msv_kit_ask(k, &a))
		return MSV_ERR_NOMEM;
	k->store->open(k->store->self, &k->actor, msv_kit_name(k, name, buf), readonly,
	    (struct msv_open_op){ a.op });
	error = msv_kit_wait(&a);
	if (!error)
		msv_kit_hold(k, k->mailboxes, view->mailbox);
	return error;
}

void msv_kit_close(struct msv_kit *k, struct msv_kit_view *view)
{
	msv_kit_drop(k->mailboxes, view->mailbox);
	k->store->close(k->store->self, view->mailbox);
	view->mailbox = NULL;
}

/* -- Changes -------------------------------------------------------------------------------- */

static void keep_message(struct msv_kit_message *to, const struct msv_message *message)
{
	to->is = *message;
	snprintf(
	    to->email_id, sizeof(to->email_id), "%s", message->email_id ? message->email_id : "");
	snprintf(to->thread_id, sizeof(to->thread_id), "%s",
	    message->thread_id ? message->thread_id : "");
	to->is.email_id = to->is.thread_id = NULL;
}

static void take_message(void *user, const void *row)
{
	struct msv_kit_view *view = user;

	if (view->nrows < KIT_ROWS)
		keep_message(&view->rows[view->nrows++], row);
}

static void take_change(void *user, const void *row)
{
	struct msv_kit_view *view = user;
	const struct msv_change *change = row;

	if (change->message)
		take_message(user, change->message);
	if (change->expunged && view->nexpunged < KIT_ROWS)
		view->expunged[view->nexpunged++] = *change->expunged;
}

static void take_changes_result(void *user, const void *result)
{
	struct msv_kit_view *view = user;
	const struct msv_changes_result *changes = result;

	view->modseq = changes->modseq;
	view->uidnext = changes->uidnext;
}

int msv_kit_changes(struct msv_kit *k, struct msv_kit_view *view, uint64_t since,
    const struct msv_uidset *uids, struct msv_changes_result *result)
{
	struct msv_kit_answer a = {
		.take = take_changes_result,
		.row = take_change,
		.user = view,
		.pauses = view->pauses,
	};
	uint64_t modseq = view->modseq;
	uint32_t uidnext = view->uidnext;
	int error;

	view->nrows = view->nexpunged = 0;
	if (!msv_kit_ask(k, &a))
		return MSV_ERR_NOMEM;
	k->store->changes(k->store->self, view->mailbox, since, uids,
	    MSV_FIELD_OCTETS | MSV_FIELD_DATES | MSV_FIELD_IDS, (struct msv_changes_op){ a.op });
	error = msv_kit_wait(&a);
	if (result) {
		*result =
		    (struct msv_changes_result){ sizeof(*result), view->modseq, view->uidnext };
		view->modseq = modseq;
		view->uidnext = uidnext;
	}
	return error;
}

bool msv_kit_expunged(const struct msv_kit_view *view, uint32_t uid)
{
	for (size_t i = 0; i < view->nexpunged; i++)
		if (view->expunged[i].first <= uid && uid <= view->expunged[i].last)
			return true;
	return false;
}

struct msv_kit_message *msv_kit_message(struct msv_kit_view *view, uint32_t uid)
{
	for (size_t i = 0; i < view->n; i++)
		if (view->messages[i].is.uid == uid)
			return &view->messages[i];
	return NULL;
}

/* Works one row into the messages. */
static void learn(struct msv_kit_view *view, const struct msv_kit_message *row)
{
	struct msv_kit_message *known = msv_kit_message(view, row->is.uid);
	size_t i = 0;

	if (known) {
		*known = *row;
		return;
	}
	if (view->n == KIT_ROWS)
		return;
	while (i < view->n && view->messages[i].is.uid < row->is.uid)
		i++;
	memmove(
	    &view->messages[i + 1], &view->messages[i], (view->n - i) * sizeof(view->messages[0]));
	view->messages[i] = *row;
	view->n++;
}

int msv_kit_sync(struct msv_kit *k, struct msv_kit_view *view)
{
	int error = msv_kit_changes(k, view, view->modseq, NULL, NULL);
	size_t kept = 0;

	if (error)
		return error;
	for (size_t i = 0; i < view->nrows; i++)
		learn(view, &view->rows[i]);
	for (size_t i = 0; i < view->n; i++)
		if (!msv_kit_expunged(view, view->messages[i].is.uid))
			view->messages[kept++] = view->messages[i];
	view->n = kept;
	return 0;
}

bool msv_kit_has_keyword(struct msv_kit *k, struct msv_kit_view *view,
    const struct msv_message *message, const char *name)
{
	for (unsigned i = 0; i < 64; i++) {
		if (!(message->keywords >> i & 1))
			continue;
		const char *known = k->store->keyword(k->store->self, view->mailbox, i);
		if (known && strcmp(known, name) == 0)
			return true;
	}
	return false;
}

/* -- Changing ------------------------------------------------------------------------------ */

static void take_modified(void *user, const void *result)
{
	*(uint64_t *)user = msv_uidset_count(result);
}

/* flags() has rows for the view and a result for *modified. */
struct flags_asker {
	struct msv_kit_view *view;
	uint64_t modified;
};

static void take_flags_row(void *user, const void *row)
{
	take_message(((struct flags_asker *)user)->view, row);
}

static void take_flags_result(void *user, const void *result)
{
	take_modified(&((struct flags_asker *)user)->modified, result);
}

int msv_kit_change_flags(struct msv_kit *k, struct msv_kit_view *view,
    const struct msv_uidset *uids, const struct msv_flag_change *change, uint64_t *modified)
{
	struct flags_asker asker = { view, 0 };
	struct msv_kit_answer a = {
		.take = take_flags_result,
		.row = take_flags_row,
		.user = &asker,
		.pauses = view->pauses,
	};
	int error;

	view->nrows = 0;
	if (!msv_kit_ask(k, &a))
		return MSV_ERR_NOMEM;
	k->store->flags(k->store->self, view->mailbox, uids, change, (struct msv_flags_op){ a.op });
	error = msv_kit_wait(&a);
	if (modified)
		*modified = asker.modified;
	return error;
}

int msv_kit_flags(struct msv_kit *k, struct msv_kit_view *view, const struct msv_uidset *uids,
    enum msv_flag_mode mode, uint32_t flags, const char *keyword)
{
	struct msv_flag_change change = {
		.size = sizeof(change),
		.mode = mode,
		.flags = flags,
		.keywords = &keyword,
		.nkeywords = keyword != NULL,
	};

	return msv_kit_change_flags(k, view, uids, &change, NULL);
}

int msv_kit_expunge(struct msv_kit *k, struct msv_kit_view *view, const struct msv_uidset *uids)
{
	struct msv_kit_answer a = { 0 };

	if (!msv_kit_ask(k, &a))
		return MSV_ERR_NOMEM;
	k->store->expunge(k->store->self, view->mailbox, uids, a.op);
	return msv_kit_wait(&a);
}

/* -- Copies ------------------------------------------------------------------------------------ */

static struct msv_uidset keep_ranges(struct msv_uid_range to[KIT_ROWS], struct msv_uidset set)
{
	size_t n = set.n < KIT_ROWS ? set.n : KIT_ROWS;

	if (n)
		memcpy(to, set.r, n * sizeof(*to));
	return (struct msv_uidset){ to, n };
}

void msv_kit_take_copied(void *user, const void *result)
{
	struct msv_kit_copied *copied = user;
	const struct msv_copy_result *copy = result;

	copied->uidvalidity = copy->uidvalidity;
	copied->source_set = keep_ranges(copied->source, copy->source);
	copied->dest_set = keep_ranges(copied->dest, copy->dest);
}

uint32_t msv_kit_nth(const struct msv_uidset *set, uint64_t n)
{
	for (size_t i = 0; i < set->n; i++) {
		uint64_t count = (uint64_t)set->r[i].last - set->r[i].first + 1;

		if (n < count)
			return set->r[i].first + (uint32_t)n;
		n -= count;
	}
	return 0;
}

int msv_kit_copy(struct msv_kit *k, struct msv_kit_view *view, const struct msv_uidset *uids,
    const char *dest, struct msv_kit_copied *copied)
{
	struct msv_kit_answer a = { .take = msv_kit_take_copied, .user = copied };
	char buf[KIT_NAME];

	memset(copied, 0, sizeof(*copied));
	if (!msv_kit_ask(k, &a))
		return MSV_ERR_NOMEM;
	k->store->copy(k->store->self, view->mailbox, uids, msv_kit_name(k, dest, buf),
	    (struct msv_copy_op){ a.op });
	return msv_kit_wait(&a);
}

int msv_kit_move(struct msv_kit *k, struct msv_kit_view *view, const struct msv_uidset *uids,
    const char *dest, struct msv_kit_copied *copied)
{
	struct msv_kit_answer a = { .take = msv_kit_take_copied, .user = copied };
	char buf[KIT_NAME];

	memset(copied, 0, sizeof(*copied));
	if (!msv_kit_ask(k, &a))
		return MSV_ERR_NOMEM;
	k->store->move(k->store->self, view->mailbox, uids, msv_kit_name(k, dest, buf),
	    (struct msv_copy_op){ a.op });
	return msv_kit_wait(&a);
}
