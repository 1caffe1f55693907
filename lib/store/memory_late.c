/* The table that answers late: each call is kept, with what it points to in
 * the memory of its op, and made from the loop, one a turn, in random order. */
#include <string.h>

#include "base/op.h"
#include "store/memory.h"

/* A call that waits, with the arguments of any. */
struct memory_call {
	struct memory_call *next, **link;
	struct msv_memory_store *store;
	struct msv_op *op;
	void (*make)(const struct msv_store *now, struct memory_call *call);

	struct msv_actor actor;
	const char *name, *to;
	bool flag;
	uint32_t number;
	struct msv_mailbox *mailbox;
	struct msv_open_message *message;
	struct msv_append *append;
	const struct msv_uidset *uids;
	struct msv_flag_change change;
	struct msv_append_message added;
	const void *p;
	size_t n;
	uint64_t offset;
};

/* -- The queue ----------------------------------------------------------------------- */

static void unlink_call(struct memory_call *call)
{
	*call->link = call->next;
	if (call->next)
		call->next->link = call->link;
	call->store->ncalls--;
}

/* One of those that wait, or NULL. */
static struct memory_call *pick(const struct msv_memory_store *store)
{
	struct memory_call *call = store->calls;
	uint32_t dice = 0;

	if (call && msv_env_random(store->env, &dice, sizeof(dice)) == 0)
		for (dice %= (uint32_t)store->ncalls; dice > 0; dice--)
			call = call->next;
	return call;
}

static void make_one(struct msv_task *task)
{
	struct msv_memory_store *store =
	    (struct msv_memory_store *)((char *)task -
	                                offsetof(struct msv_memory_store, call_task));
	struct memory_call *call = pick(store);

	if (!call)
		return;
	unlink_call(call);
	msv_op_on_cancel(call->op, NULL, NULL);
	if (store->calls)
		msv_env_later(store->env, task);
	call->make(&store->now, call);
}

static void make_commit(const struct msv_store *now, struct memory_call *call);

/* The call is not made.  A commit ends its append all the same. */
static void drop(struct memory_call *call, int error)
{
	if (call->make == make_commit)
		call->store->now.append_abort(call->store, call->append);
	msv_op_answer(call->op, error);
}

/* Nobody waits any more. */
static void canceled(void *user)
{
	struct memory_call *call = user;

	unlink_call(call);
	drop(call, MSV_ERR_CANCELED);
}

/* -- Arguments: NULL stays NULL, and without memory *error is set ---------------------- */

static const void *keep(struct memory_call *call, const void *p, size_t n, int *error)
{
	void *copy = p ? msv_op_alloc(call->op, n ? n : 1) : NULL;

	if (p && !copy)
		*error = MSV_ERR_NOMEM;
	else if (p)
		memcpy(copy, p, n);
	return copy;
}

static const char *keep_string(struct memory_call *call, const char *s, int *error)
{
	return keep(call, s, s ? strlen(s) + 1 : 0, error);
}

static const char *const *keep_strings(
    struct memory_call *call, const char *const *strings, size_t n, int *error)
{
	const char **copies = msv_op_alloc(call->op, (n + 1) * sizeof(*copies));

	if (!copies)
		*error = MSV_ERR_NOMEM;
	for (size_t i = 0; i < n && !*error; i++)
		copies[i] = keep_string(call, strings[i], error);
	return copies;
}

static const struct msv_uidset *keep_uids(
    struct memory_call *call, const struct msv_uidset *uids, int *error)
{
	struct msv_uidset *copy = uids ? msv_op_alloc(call->op, sizeof(*copy)) : NULL;

	if (uids && (!copy || msv_memory_keep_set(call->op, uids, copy)))
		*error = MSV_ERR_NOMEM;
	return copy;
}

/* Takes over everything the arguments point to. */
static int keep_arguments(struct memory_call *call)
{
	int error = 0;

	call->actor.user = keep_string(call, call->actor.user, &error);
	call->actor.owner = keep_string(call, call->actor.owner, &error);
	call->actor.home = call->actor.session_id = NULL; /* not looked at */
	call->actor.account = NULL;
	call->name = keep_string(call, call->name, &error);
	call->to = keep_string(call, call->to, &error);
	call->uids = keep_uids(call, call->uids, &error);
	call->p = keep(call, call->p, call->n, &error);
	call->change.keywords =
	    keep_strings(call, call->change.keywords, call->change.nkeywords, &error);
	call->added.keywords =
	    keep_strings(call, call->added.keywords, call->added.nkeywords, &error);
	return error;
}

/* Puts a call with these arguments into the queue. */
static void later(struct msv_memory_store *store, struct msv_op *op, struct memory_call *arguments)
{
	struct memory_call *call = msv_op_alloc(op, sizeof(*call));

	arguments->store = store;
	arguments->op = op;
	if (!call) {
		drop(arguments, MSV_ERR_NOMEM);
		return;
	}
	*call = *arguments;
	if (keep_arguments(call)) {
		drop(call, MSV_ERR_NOMEM);
		return;
	}
	call->next = store->calls;
	call->link = &store->calls;
	if (call->next)
		call->next->link = &call->next;
	store->calls = call;
	store->ncalls++;
	store->call_task.fn = make_one;
	msv_env_later(store->env, &store->call_task);
	msv_op_on_cancel(op, canceled, call);
}

/* -- The table: each function keeps its arguments for the one above it ------------------- */

static void make_list(const struct msv_store *now, struct memory_call *call)
{
	now->list(now->self, &call->actor, (struct msv_list_op){ call->op });
}

static void late_list(void *self, const struct msv_actor *actor, struct msv_list_op op)
{
	later(self, op.op, &(struct memory_call){ .make = make_list, .actor = *actor });
}

static void make_status(const struct msv_store *now, struct memory_call *call)
{
	now->status(now->self, &call->actor, call->name, (struct msv_status_op){ call->op });
}

static void late_status(
    void *self, const struct msv_actor *actor, const char *mailbox, struct msv_status_op op)
{
	later(self, op.op,
	    &(struct memory_call){ .make = make_status, .actor = *actor, .name = mailbox });
}

static void make_create(const struct msv_store *now, struct memory_call *call)
{
	now->create(now->self, &call->actor, call->name, call->number, call->op);
}

static void late_create(void *self, const struct msv_actor *actor, const char *mailbox,
    uint32_t special_use, struct msv_op *op)
{
	later(self, op,
	    &(struct memory_call){
	        .make = make_create, .actor = *actor, .name = mailbox, .number = special_use });
}

static void make_remove(const struct msv_store *now, struct memory_call *call)
{
	now->remove(now->self, &call->actor, call->name, call->op);
}

static void late_remove(
    void *self, const struct msv_actor *actor, const char *mailbox, struct msv_op *op)
{
	later(self, op,
	    &(struct memory_call){ .make = make_remove, .actor = *actor, .name = mailbox });
}

static void make_rename(const struct msv_store *now, struct memory_call *call)
{
	now->rename(now->self, &call->actor, call->name, call->to, call->op);
}

static void late_rename(
    void *self, const struct msv_actor *actor, const char *from, const char *to, struct msv_op *op)
{
	later(self, op,
	    &(struct memory_call){ .make = make_rename, .actor = *actor, .name = from, .to = to });
}

static void make_subscribe(const struct msv_store *now, struct memory_call *call)
{
	now->subscribe(now->self, &call->actor, call->name, call->flag, call->op);
}

static void late_subscribe(void *self, const struct msv_actor *actor, const char *mailbox,
    bool subscribed, struct msv_op *op)
{
	later(self, op,
	    &(struct memory_call){
	        .make = make_subscribe, .actor = *actor, .name = mailbox, .flag = subscribed });
}

static void make_open(const struct msv_store *now, struct memory_call *call)
{
	now->open(
	    now->self, &call->actor, call->name, call->flag, (struct msv_open_op){ call->op });
}

static void late_open(void *self, const struct msv_actor *actor, const char *mailbox, bool readonly,
    struct msv_open_op op)
{
	later(self, op.op,
	    &(struct memory_call){
	        .make = make_open, .actor = *actor, .name = mailbox, .flag = readonly });
}

static void make_changes(const struct msv_store *now, struct memory_call *call)
{
	now->changes(now->self, call->mailbox, call->offset, call->uids, call->number,
	    (struct msv_changes_op){ call->op });
}

static void late_changes(void *self, struct msv_mailbox *mailbox, uint64_t since,
    const struct msv_uidset *uids, unsigned fields, struct msv_changes_op op)
{
	later(self, op.op,
	    &(struct memory_call){ .make = make_changes,
	        .mailbox = mailbox,
	        .offset = since,
	        .uids = uids,
	        .number = fields });
}

static void make_msg_open(const struct msv_store *now, struct memory_call *call)
{
	now->msg_open(now->self, call->mailbox, call->number, (struct msv_content_op){ call->op });
}

static void late_msg_open(
    void *self, struct msv_mailbox *mailbox, uint32_t uid, struct msv_content_op op)
{
	later(self, op.op,
	    &(struct memory_call){ .make = make_msg_open, .mailbox = mailbox, .number = uid });
}

static void make_msg_read(const struct msv_store *now, struct memory_call *call)
{
	now->msg_read(
	    now->self, call->message, call->offset, call->n, (struct msv_read_op){ call->op });
}

static void late_msg_read(
    void *self, struct msv_open_message *message, uint64_t offset, size_t n, struct msv_read_op op)
{
	later(self, op.op,
	    &(struct memory_call){
	        .make = make_msg_read, .message = message, .offset = offset, .n = n });
}

static void make_flags(const struct msv_store *now, struct memory_call *call)
{
	now->flags(
	    now->self, call->mailbox, call->uids, &call->change, (struct msv_flags_op){ call->op });
}

static void late_flags(void *self, struct msv_mailbox *mailbox, const struct msv_uidset *uids,
    const struct msv_flag_change *change, struct msv_flags_op op)
{
	later(self, op.op,
	    &(struct memory_call){
	        .make = make_flags, .mailbox = mailbox, .uids = uids, .change = *change });
}

static void make_copy(const struct msv_store *now, struct memory_call *call)
{
	now->copy(
	    now->self, call->mailbox, call->uids, call->name, (struct msv_copy_op){ call->op });
}

static void late_copy(void *self, struct msv_mailbox *mailbox, const struct msv_uidset *uids,
    const char *dest, struct msv_copy_op op)
{
	later(self, op.op,
	    &(struct memory_call){
	        .make = make_copy, .mailbox = mailbox, .uids = uids, .name = dest });
}

static void make_move(const struct msv_store *now, struct memory_call *call)
{
	now->move(
	    now->self, call->mailbox, call->uids, call->name, (struct msv_copy_op){ call->op });
}

static void late_move(void *self, struct msv_mailbox *mailbox, const struct msv_uidset *uids,
    const char *dest, struct msv_copy_op op)
{
	later(self, op.op,
	    &(struct memory_call){
	        .make = make_move, .mailbox = mailbox, .uids = uids, .name = dest });
}

static void make_expunge(const struct msv_store *now, struct memory_call *call)
{
	now->expunge(now->self, call->mailbox, call->uids, call->op);
}

static void late_expunge(
    void *self, struct msv_mailbox *mailbox, const struct msv_uidset *uids, struct msv_op *op)
{
	later(self, op,
	    &(struct memory_call){ .make = make_expunge, .mailbox = mailbox, .uids = uids });
}

static void make_append_begin(const struct msv_store *now, struct memory_call *call)
{
	now->append_begin(now->self, &call->actor, call->name, (struct msv_append_op){ call->op });
}

static void late_append_begin(
    void *self, const struct msv_actor *actor, const char *mailbox, struct msv_append_op op)
{
	later(self, op.op,
	    &(struct memory_call){ .make = make_append_begin, .actor = *actor, .name = mailbox });
}

static void make_append_add(const struct msv_store *now, struct memory_call *call)
{
	now->append_add(now->self, call->append, &call->added, call->op);
}

static void late_append_add(void *self, struct msv_append *append,
    const struct msv_append_message *message, struct msv_op *op)
{
	later(self, op,
	    &(struct memory_call){ .make = make_append_add, .append = append, .added = *message });
}

static void make_append_write(const struct msv_store *now, struct memory_call *call)
{
	now->append_write(now->self, call->append, call->p, call->n, call->op);
}

static void late_append_write(
    void *self, struct msv_append *append, const void *p, size_t n, struct msv_op *op)
{
	later(self, op,
	    &(struct memory_call){ .make = make_append_write, .append = append, .p = p, .n = n });
}

static void make_append_prepare(const struct msv_store *now, struct memory_call *call)
{
	now->append_prepare(now->self, call->append, call->op);
}

static void late_append_prepare(void *self, struct msv_append *append, struct msv_op *op)
{
	later(self, op, &(struct memory_call){ .make = make_append_prepare, .append = append });
}

static void make_commit(const struct msv_store *now, struct memory_call *call)
{
	now->append_commit(now->self, call->append, (struct msv_copy_op){ call->op });
}

static void late_append_commit(void *self, struct msv_append *append, struct msv_copy_op op)
{
	later(self, op.op, &(struct memory_call){ .make = make_commit, .append = append });
}

void msv_memory_fill_late(struct msv_store *table)
{
	table->list = late_list;
	table->status = late_status;
	table->create = late_create;
	table->remove = late_remove;
	table->rename = late_rename;
	table->subscribe = late_subscribe;
	table->open = late_open;
	table->changes = late_changes;
	table->msg_open = late_msg_open;
	table->msg_read = late_msg_read;
	table->flags = late_flags;
	table->copy = late_copy;
	table->move = late_move;
	table->expunge = late_expunge;
	table->append_begin = late_append_begin;
	table->append_add = late_append_add;
	table->append_write = late_append_write;
	table->append_prepare = late_append_prepare;
	table->append_commit = late_append_commit;
}
