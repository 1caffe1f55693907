/* The memory store: its accounts, and the table it fills.  Everything is a
 * plain struct in memory.h; each group of the table's functions has a file. */
#include <string.h>

#include "store/memory.h"

static struct memory_account *find_account(const struct msv_memory_store *store, const char *name)
{
	struct memory_account *account = store->accounts;

	while (account && strcmp(account->name, name) != 0)
		account = account->next;
	return account;
}

static void free_account(struct memory_account *account)
{
	struct msv_env *env = account->store->env;

	for (size_t i = 0; i < account->nboxes; i++)
		msv_memory_box_unref(account->boxes[i]);
	for (size_t i = 0; i < account->nsubscriptions; i++)
		msv_free(env, account->subscriptions[i]);
	msv_free(env, account->boxes);
	msv_free(env, account->subscriptions);
	msv_free(env, account->name);
	msv_free(env, account);
}

static int add_account(
    struct msv_memory_store *store, const char *name, struct memory_account **out)
{
	struct memory_account *account = msv_alloc(store->env, sizeof(*account));
	struct memory_box *inbox;

	if (!account)
		return MSV_ERR_NOMEM;
	account->store = store;
	account->name = msv_strdup(store->env, name);
	if (!account->name || msv_memory_box_new(account, "INBOX", 0, &inbox)) {
		free_account(account);
		return MSV_ERR_NOMEM;
	}
	account->next = store->accounts;
	store->accounts = account;
	*out = account;
	return 0;
}

int msv_memory_account(
    struct msv_memory_store *store, const struct msv_actor *actor, struct memory_account **out)
{
	if (actor->owner && strcmp(actor->owner, actor->user) != 0)
		return MSV_ERR_DENIED;
	*out = find_account(store, actor->user);
	return *out ? 0 : add_account(store, actor->user, out);
}

struct memory_box *msv_memory_find(const struct memory_account *account, const char *name)
{
	for (size_t i = 0; i < account->nboxes; i++)
		if (strcmp(account->boxes[i]->name, name) == 0)
			return account->boxes[i];
	return NULL;
}

int msv_memory_lookup(struct msv_memory_store *store, const struct msv_actor *actor,
    const char *name, struct memory_box **out)
{
	struct memory_account *account;
	int error = msv_memory_account(store, actor, &account);

	if (error)
		return error;
	*out = msv_memory_find(account, name);
	return *out ? 0 : MSV_ERR_NOTFOUND;
}

static void fill_table(struct msv_memory_store *store, char separator)
{
	struct msv_store *table = &store->now;

	table->size = sizeof(*table);
	table->self = store;
	table->abilities =
	    MSV_STORE_MODSEQ | MSV_STORE_OBJECTID | MSV_STORE_SPECIAL_USE | MSV_STORE_SAVEDATE;
	table->separator = separator ? separator : '/';
	table->prefix = "";
	msv_memory_fill_list(table);
	msv_memory_fill_opening(table);
	msv_memory_fill_flags(table);
	msv_memory_fill_content(table);
	msv_memory_fill_copy(table);
	msv_memory_fill_append(table);
	msv_memory_fill_watch(table);
	store->late = *table;
	msv_memory_fill_late(&store->late);
}

int msv_memory_store_new(
    struct msv_env *env, const struct msv_memory_options *options, struct msv_memory_store **out)
{
	struct msv_memory_options o = { 0 };
	struct msv_memory_store *store = msv_alloc(env, sizeof(*store));

	if (!store)
		return MSV_ERR_NOMEM;
	if (options)
		memcpy(&o, options, options->size < sizeof(o) ? options->size : sizeof(o));
	store->env = env;
	store->is_late = o.late;
	store->quota = o.quota_bytes;
	store->born = store->uidvalidity = (uint32_t)(msv_env_realtime(env) / 1000000);
	fill_table(store, o.separator);
	msv_env_ref(env);
	*out = store;
	return 0;
}

const struct msv_store *msv_memory_store(struct msv_memory_store *memory)
{
	return memory->is_late ? &memory->late : &memory->now;
}

void msv_memory_store_free(struct msv_memory_store *memory)
{
	if (!memory)
		return;
	struct msv_env *env = memory->env;
	while (memory->accounts) {
		struct memory_account *account = memory->accounts;

		memory->accounts = account->next;
		free_account(account);
	}
	msv_free(env, memory);
	msv_env_unref(env);
}
