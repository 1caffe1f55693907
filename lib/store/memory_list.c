/* The mailboxes of an account: list, status, create, remove, rename,
 * subscribe. */
#include <string.h>

#include "base/op.h"
#include "store/memory.h"

/* -- Names ------------------------------------------------------------------------- */

static size_t subscription_index(const struct memory_account *account, const char *name)
{
	size_t i = 0;

	while (i < account->nsubscriptions && strcmp(account->subscriptions[i], name) != 0)
		i++;
	return i;
}

static bool is_subscribed(const struct memory_account *account, const char *name)
{
	return subscription_index(account, name) < account->nsubscriptions;
}

/* True when name is a level or more below parent. */
static bool is_below(const struct msv_memory_store *store, const char *name, const char *parent)
{
	size_t n = strlen(parent);

	return strncmp(name, parent, n) == 0 && name[n] == store->now.separator;
}

/* -- list ----------------------------------------------------------------------------- */

/* The entries as they were when the question came. */
struct list_rows {
	struct memory_rows rows;
	struct msv_list_entry *entries;
	size_t n, at;
};

static int next_entry(struct memory_rows *rows)
{
	struct list_rows *list = (struct list_rows *)rows;

	if (list->at < list->n)
		return msv_list_row((struct msv_list_op){ rows->op }, &list->entries[list->at++]);
	msv_op_answer(rows->op, 0);
	return MEMORY_ANSWERED;
}

/* Takes a mailbox (NULL: a name that is only subscribed) into the list. */
static int add_entry(struct list_rows *list, struct msv_op *op, const char *name,
    const struct memory_box *box, bool subscribed)
{
	struct msv_list_entry *entry = &list->entries[list->n++];

	*entry = (struct msv_list_entry){
		.size = sizeof(*entry),
		.name = msv_op_strdup(op, name),
		.exists = box != NULL,
		.selectable = box != NULL,
		.subscribed = subscribed,
		.special_use = box ? box->special_use : 0,
	};
	return entry->name ? 0 : MSV_ERR_NOMEM;
}

static int collect_entries(
    struct list_rows *list, struct msv_op *op, const struct memory_account *account)
{
	size_t most = account->nboxes + account->nsubscriptions;
	int error = 0;

	list->entries = msv_op_alloc(op, most * sizeof(*list->entries));
	if (!list->entries)
		return MSV_ERR_NOMEM;
	for (size_t i = 0; i < account->nboxes && !error; i++) {
		const struct memory_box *box = account->boxes[i];

		error = add_entry(list, op, box->name, box, is_subscribed(account, box->name));
	}
	for (size_t i = 0; i < account->nsubscriptions && !error; i++) {
		const char *name = account->subscriptions[i];

		if (!msv_memory_find(account, name))
			error = add_entry(list, op, name, NULL, true);
	}
	return error;
}

static void memory_list(void *self, const struct msv_actor *actor, struct msv_list_op op)
{
	struct list_rows *list = msv_op_alloc(op.op, sizeof(*list));
	struct memory_account *account;
	int error = list ? msv_memory_account(self, actor, &account) : MSV_ERR_NOMEM;

	if (!error)
		error = collect_entries(list, op.op, account);
	if (error)
		msv_op_answer(op.op, error);
	else
		msv_memory_rows(&list->rows, self, op.op, next_entry);
}

/* -- status ------------------------------------------------------------------------------ */

static void memory_status(
    void *self, const struct msv_actor *actor, const char *mailbox, struct msv_status_op op)
{
	struct memory_box *box;
	int error = msv_memory_lookup(self, actor, mailbox, &box);
	char id[32];

	if (error) {
		msv_op_answer(op.op, error);
		return;
	}
	struct msv_mailbox_status status = msv_memory_status(box, NULL, id);
	msv_status_answer(op, &status);
}

/* -- create --------------------------------------------------------------------------------- */

/* Makes the mailboxes above name that are missing. */
static int make_parents(struct memory_account *account, const char *name)
{
	struct msv_memory_store *store = account->store;
	struct memory_box *box;
	int error = 0;

	for (const char *p = name; !error && (p = strchr(p, store->now.separator)); p++) {
		char *parent = msv_strndup(store->env, name, (size_t)(p - name));

		if (!parent)
			return MSV_ERR_NOMEM;
		if (!msv_memory_find(account, parent))
			error = msv_memory_box_new(account, parent, 0, &box);
		msv_free(store->env, parent);
	}
	return error;
}

static int create(
    struct memory_account *account, const char *name, uint32_t special_use, struct memory_box **out)
{
	int error;

	if (!msv_mailbox_name_valid(name, account->store->now.separator))
		return MSV_ERR_FORMAT;
	if (msv_memory_find(account, name))
		return MSV_ERR_EXISTS;
	error = make_parents(account, name);
	if (!error)
		error = msv_memory_box_new(account, name, special_use, out);
	msv_memory_touch_list(account);
	return error;
}

static void memory_create(void *self, const struct msv_actor *actor, const char *mailbox,
    uint32_t special_use, struct msv_op *op)
{
	struct memory_account *account;
	struct memory_box *box;
	int error = msv_memory_account(self, actor, &account);

	if (!error)
		error = create(account, mailbox, special_use, &box);
	msv_op_answer(op, error);
}

/* -- remove ---------------------------------------------------------------------------------- */

/* Takes the mailbox off the list; gone when nobody has it open. */
static void detach(struct memory_box *box)
{
	struct memory_account *account = box->account;
	size_t i = 0;

	while (account->boxes[i] != box)
		i++;
	account->boxes[i] = account->boxes[--account->nboxes];
	box->removed = true;
	msv_memory_touch(box);
	msv_memory_touch_list(account);
	msv_memory_box_unref(box);
}

static void memory_remove(
    void *self, const struct msv_actor *actor, const char *mailbox, struct msv_op *op)
{
	struct memory_box *box;
	int error = msv_memory_lookup(self, actor, mailbox, &box);

	if (!error && strcmp(mailbox, "INBOX") == 0)
		error = MSV_ERR_DENIED;
	if (!error)
		error = msv_memory_expunge(box, NULL, 0);
	if (!error)
		detach(box);
	msv_op_answer(op, error);
}

/* -- rename ------------------------------------------------------------------------------------- */

/* INBOX stays, empty, and its messages go into a new mailbox. */
static int rename_inbox(struct memory_box *inbox, const char *to)
{
	struct memory_box *box;
	int error = create(inbox->account, to, 0, &box);
	uint64_t bits;

	if (error)
		return error;
	/* The same names get the same numbers. */
	for (int i = 0; i < MEMORY_KEYWORDS && inbox->keywords[i] && !error; i++)
		error = msv_memory_keywords(
		    box, (const char *const *)&inbox->keywords[i], 1, false, &bits);
	if (!error)
		error = msv_memory_reserve(box, inbox->nmessages, 0);
	for (size_t i = 0; i < inbox->nmessages && !error; i++)
		msv_memory_add(box, &inbox->messages[i]);
	if (!error)
		error = msv_memory_expunge(inbox, NULL, 0);
	if (error)
		detach(box);
	return error;
}

/* The name with `to` in place of `from` at its front. */
static char *renamed(
    struct msv_memory_store *store, const char *name, const char *from, const char *to)
{
	return msv_asprintf(store->env, "%s%s", to, name + strlen(from));
}

/* MSV_ERR_EXISTS when a child would come where another mailbox is. */
static int check_children(struct memory_account *account, const char *from, const char *to)
{
	for (size_t i = 0; i < account->nboxes; i++) {
		const char *name = account->boxes[i]->name;

		if (!is_below(account->store, name, from))
			continue;
		char *new_name = renamed(account->store, name, from, to);
		if (!new_name)
			return MSV_ERR_NOMEM;
		bool taken = msv_memory_find(account, new_name) != NULL;
		bool valid = msv_mailbox_name_valid(new_name, account->store->now.separator);
		msv_free(account->store->env, new_name);
		if (taken || !valid)
			return taken ? MSV_ERR_EXISTS : MSV_ERR_FORMAT;
	}
	return 0;
}

/* Gives the mailbox and its children their new names: all or, without memory,
 * none. */
static int rename_tree(struct memory_account *account, const char *from, const char *to)
{
	struct msv_memory_store *store = account->store;
	char **names = msv_alloc(store->env, account->nboxes * sizeof(char *));
	int error = names ? 0 : MSV_ERR_NOMEM;

	for (size_t i = 0; i < account->nboxes && !error; i++) {
		const char *name = account->boxes[i]->name;

		if (strcmp(name, from) != 0 && !is_below(store, name, from))
			continue;
		names[i] = renamed(store, name, from, to);
		error = names[i] ? 0 : MSV_ERR_NOMEM;
	}
	for (size_t i = 0; names && i < account->nboxes; i++) {
		struct memory_box *box = account->boxes[i];
		char *name = names[i];

		if (!error && name) {
			names[i] = box->name;
			box->name = name;
		}
		msv_free(store->env, names[i]);
	}
	msv_free(store->env, names);
	return error;
}

static int rename_box(struct memory_account *account, const char *from, const char *to)
{
	struct msv_memory_store *store = account->store;
	struct memory_box *box = msv_memory_find(account, from);
	int error;

	if (!box)
		return MSV_ERR_NOTFOUND;
	if (strcmp(from, "INBOX") == 0)
		return rename_inbox(box, to);
	if (msv_memory_find(account, to))
		return MSV_ERR_EXISTS;
	if (!msv_mailbox_name_valid(to, store->now.separator) || is_below(store, to, from))
		return MSV_ERR_FORMAT;
	error = check_children(account, from, to);
	if (!error)
		error = make_parents(account, to);
	if (!error)
		error = rename_tree(account, from, to);
	msv_memory_touch_list(account);
	return error;
}

static void memory_rename(
    void *self, const struct msv_actor *actor, const char *from, const char *to, struct msv_op *op)
{
	struct memory_account *account;
	int error = msv_memory_account(self, actor, &account);

	if (!error)
		error = rename_box(account, from, to);
	msv_op_answer(op, error);
}

/* -- subscribe ------------------------------------------------------------------------------------ */

static int add_subscription(struct memory_account *account, const char *name)
{
	struct msv_env *env = account->store->env;
	char *copy;

	if (msv_grow(env, &account->subscriptions, &account->subscriptions_cap,
	        account->nsubscriptions + 1, sizeof(char *)))
		return MSV_ERR_NOMEM;
	copy = msv_strdup(env, name);
	if (!copy)
		return MSV_ERR_NOMEM;
	account->subscriptions[account->nsubscriptions++] = copy;
	return 0;
}

static void drop_subscription(struct memory_account *account, size_t i)
{
	msv_free(account->store->env, account->subscriptions[i]);
	account->subscriptions[i] = account->subscriptions[--account->nsubscriptions];
}

static void memory_subscribe(void *self, const struct msv_actor *actor, const char *mailbox,
    bool subscribed, struct msv_op *op)
{
	struct memory_account *account;
	int error = msv_memory_account(self, actor, &account);

	if (!error && is_subscribed(account, mailbox) != subscribed) {
		if (subscribed)
			error = add_subscription(account, mailbox);
		else
			drop_subscription(account, subscription_index(account, mailbox));
		msv_memory_touch_list(account);
	}
	msv_op_answer(op, error);
}

void msv_memory_fill_list(struct msv_store *table)
{
	table->list = memory_list;
	table->status = memory_status;
	table->create = memory_create;
	table->remove = memory_remove;
	table->rename = memory_rename;
	table->subscribe = memory_subscribe;
}
