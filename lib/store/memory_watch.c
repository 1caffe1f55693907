/* Watches.  Each remembers up to where of the account's clock it has told. */
#include <stdio.h>

#include "store/memory.h"

struct msv_store_watch {
	struct msv_task task; /* queued while there is something to tell */
	struct msv_store_watch *next;
	struct memory_account *account;
	struct memory_box *box; /* NULL: all of the account's */
	void (*look)(void *user, const char *mailbox);
	void *user;
	uint64_t told;
	bool *gone; /* set by unwatch() while look is called */
};

static void wake(struct memory_account *account)
{
	for (struct msv_store_watch *watch = account->watches; watch; watch = watch->next)
		msv_env_later(account->store->env, &watch->task);
}

void msv_memory_touch(struct memory_box *box)
{
	box->touched = ++box->account->clock;
	wake(box->account);
}

void msv_memory_touch_list(struct memory_account *account)
{
	account->list_touched = ++account->clock;
	wake(account);
}

/* Calls look, which may rename the mailbox; true when the watch is still
 * there. */
static bool tell(struct msv_store_watch *watch, const struct memory_box *box)
{
	char name[MEMORY_NAME_SIZE];
	bool gone = false;

	if (box)
		snprintf(name, sizeof(name), "%s", box->name);
	watch->gone = &gone;
	watch->look(watch->user, box ? name : NULL);
	if (!gone)
		watch->gone = NULL;
	return !gone;
}

/* The mailbox touched first since `told`, or NULL. */
static struct memory_box *next_touched(const struct memory_account *account, uint64_t told)
{
	struct memory_box *found = NULL;

	for (size_t i = 0; i < account->nboxes; i++) {
		struct memory_box *box = account->boxes[i];

		if (box->touched > told && (!found || box->touched < found->touched))
			found = box;
	}
	return found;
}

/* Names each mailbox that changed before `until`; look may do anything. */
static void tell_account(struct msv_store_watch *watch)
{
	struct memory_account *account = watch->account;
	uint64_t told = watch->told, until = account->clock;
	struct memory_box *box;
	bool there = true;

	watch->told = until;
	if (account->list_touched > told)
		there = tell(watch, NULL);
	while (there && (box = next_touched(account, told)) && box->touched <= until) {
		told = box->touched;
		there = tell(watch, box);
	}
}

static void run(struct msv_task *task)
{
	struct msv_store_watch *watch = (struct msv_store_watch *)task;

	if (!watch->box) {
		tell_account(watch);
	} else if (watch->box->touched > watch->told) {
		watch->told = watch->box->touched;
		tell(watch, NULL);
	}
}

static int memory_watch(void *self, const struct msv_actor *actor, struct msv_mailbox *mailbox,
    void (*look)(void *user, const char *mailbox), void *user, struct msv_store_watch **out)
{
	struct msv_memory_store *store = self;
	struct memory_account *account;
	int error = msv_memory_account(store, actor, &account);
	struct msv_store_watch *watch = error ? NULL : msv_alloc(store->env, sizeof(*watch));

	if (!watch)
		return error ? error : MSV_ERR_NOMEM;
	watch->task.fn = run;
	watch->account = account;
	watch->box = mailbox ? mailbox->box : NULL;
	watch->look = look;
	watch->user = user;
	watch->told = account->clock;
	watch->next = account->watches;
	account->watches = watch;
	*out = watch;
	return 0;
}

static void memory_unwatch(void *self, struct msv_store_watch *watch)
{
	struct msv_memory_store *store = self;
	struct msv_store_watch **link = &watch->account->watches;

	while (*link != watch)
		link = &(*link)->next;
	*link = watch->next;
	if (watch->gone)
		*watch->gone = true;
	msv_env_undefer(store->env, &watch->task);
	msv_free(store->env, watch);
}

void msv_memory_fill_watch(struct msv_store *table)
{
	table->watch = memory_watch;
	table->unwatch = memory_unwatch;
}
