/* Ways to break a store, each one promise of it: functions that stand in the
 * table `broken` in place of those of the memory store. */
#ifndef TESTS_STORE_BREAKAGES_H
#define TESTS_STORE_BREAKAGES_H

#include <stdio.h>
#include <string.h>

#include "store/memory.h"

static struct msv_env *env;
static struct msv_memory_store *memory;
static struct msv_store good;   /* the memory store's table */
static struct msv_store broken; /* the same but for what a breakage put there */

/* -- Standing between asker and store ------------------------------------------------------ */

/* Somebody's op, and the op that the good store is asked with in its place. */
struct between {
	struct msv_op *outer, *inner;
	int (*row)(struct between *b, const void *row);
	void (*done)(struct between *b, const void *result);
	unsigned expunges; /* told so far */
	char dest[64];
};

static void inner_done(void *user, int error, const void *result)
{
	struct between *b = user;

	msv_op_on_cancel(b->outer, NULL, NULL);
	msv_op_on_resume(b->outer, NULL, NULL);
	if (error)
		msv_op_answer(b->outer, error);
	else
		b->done(b, result);
	msv_free(env, b);
}

static int inner_row(void *user, const void *row)
{
	struct between *b = user;

	return b->row(b, row) == MSV_PAUSE ? MSV_PAUSE : 0;
}

static void outer_resumed(void *user)
{
	msv_op_resume(((struct between *)user)->inner);
}

static void outer_canceled(void *user)
{
	struct between *b = user;

	msv_op_cancel(b->inner);
	msv_op_answer(b->outer, MSV_ERR_CANCELED);
	msv_free(env, b);
}

static struct between *stand_between(struct msv_op *outer,
    int (*row)(struct between *b, const void *row),
    void (*done)(struct between *b, const void *result))
{
	struct between *b = msv_alloc(env, sizeof(*b));

	b->outer = outer;
	b->row = row;
	b->done = done;
	b->inner = msv_op_new(env, inner_done, b);
	if (row)
		msv_op_set_row(b->inner, inner_row);
	msv_op_on_cancel(outer, outer_canceled, b);
	msv_op_on_resume(outer, outer_resumed, b);
	return b;
}

/* -- Mailboxes ---------------------------------------------------------------------------- */

static struct memory_box *find_box(const struct msv_actor *actor, const char *name)
{
	struct memory_box *box = NULL;

	return msv_memory_lookup(memory, actor, name, &box) ? NULL : box;
}

static void subscribe_to_what_exists(void *self, const struct msv_actor *actor, const char *mailbox,
    bool subscribed, struct msv_op *op)
{
	if (find_box(actor, mailbox))
		good.subscribe(self, actor, mailbox, subscribed, op);
	else
		msv_op_answer(op, 0);
}

static void loses_subscriptions(void)
{
	broken.subscribe = subscribe_to_what_exists;
}

static void remove_children_too(
    void *self, const struct msv_actor *actor, const char *mailbox, struct msv_op *op)
{
	struct memory_box *box = find_box(actor, mailbox);
	size_t n = strlen(mailbox);

	for (size_t i = 0; box && i < box->account->nboxes; i++) {
		const char *name = box->account->boxes[i]->name;

		if (strncmp(name, mailbox, n) != 0 || name[n] != '/')
			continue;
		good.remove(self, actor, name, msv_op_new(env, NULL, NULL));
		i = (size_t)-1;
	}
	good.remove(self, actor, mailbox, op);
}

static void removes_children(void)
{
	broken.remove = remove_children_too;
}

static void create_with_one_uidvalidity(void *self, const struct msv_actor *actor,
    const char *mailbox, uint32_t special_use, struct msv_op *op)
{
	good.create(self, actor, mailbox, special_use, op);
	struct memory_box *box = find_box(actor, mailbox);
	if (box)
		box->uidvalidity = 7;
}

static void repeats_uidvalidity(void)
{
	broken.create = create_with_one_uidvalidity;
}

static int list_on(struct between *b, const void *row)
{
	msv_list_row((struct msv_list_op){ b->outer }, row);
	return 0;
}

static void list_done(struct between *b, const void *result)
{
	(void)result;
	msv_op_answer(b->outer, 0);
}

static void list_without_rest(void *self, const struct msv_actor *actor, struct msv_list_op op)
{
	struct between *b = stand_between(op.op, list_on, list_done);

	good.list(self, actor, (struct msv_list_op){ b->inner });
}

static void does_not_pause(void)
{
	broken.list = list_without_rest;
}

/* -- Messages -------------------------------------------------------------------------------- */

static void expunge_and_lower_uidnext(
    void *self, struct msv_mailbox *mailbox, const struct msv_uidset *uids, struct msv_op *op)
{
	struct memory_box *box = mailbox->box;

	good.expunge(self, mailbox, uids, op);
	box->uidnext = box->nmessages ? box->messages[box->nmessages - 1].uid + 1 : 1;
}

static void reuses_uids(void)
{
	broken.expunge = expunge_and_lower_uidnext;
}

static void expunge_all_deleted(
    void *self, struct msv_mailbox *mailbox, const struct msv_uidset *uids, struct msv_op *op)
{
	(void)uids;
	good.expunge(self, mailbox, NULL, op);
}

static void ignores_uids_of_expunge(void)
{
	broken.expunge = expunge_all_deleted;
}

static void expunge_the_bytes(
    void *self, struct msv_mailbox *mailbox, const struct msv_uidset *uids, struct msv_op *op)
{
	for (size_t i = 0; i < mailbox->box->nmessages; i++)
		if (mailbox->box->messages[i].flags & MSV_FLAG_DELETED)
			msv_buf_clear(&mailbox->box->messages[i].content->bytes);
	good.expunge(self, mailbox, uids, op);
}

static void takes_content_away(void)
{
	broken.expunge = expunge_the_bytes;
}

static int change_with_wrong_size(struct between *b, const void *row)
{
	const struct msv_change *change = row;
	struct msv_changes_op op = { b->outer };

	if (change->expunged)
		return msv_changes_expunged(op, change->expunged->first, change->expunged->last);
	struct msv_message message = *change->message;
	message.octets++;
	return msv_changes_message(op, &message);
}

static int change_with_one_expunge(struct between *b, const void *row)
{
	const struct msv_change *change = row;
	struct msv_changes_op op = { b->outer };

	if (change->message)
		return msv_changes_message(op, change->message);
	if (b->expunges++ > 0)
		return 0;
	return msv_changes_expunged(op, change->expunged->first, change->expunged->last);
}

static void changes_done(struct between *b, const void *result)
{
	msv_changes_answer((struct msv_changes_op){ b->outer }, result);
}

static void changes_with_wrong_size(void *self, struct msv_mailbox *mailbox, uint64_t since,
    const struct msv_uidset *uids, unsigned fields, struct msv_changes_op op)
{
	struct between *b = stand_between(op.op, change_with_wrong_size, changes_done);

	good.changes(self, mailbox, since, uids, fields, (struct msv_changes_op){ b->inner });
}

static void announces_wrong_sizes(void)
{
	broken.changes = changes_with_wrong_size;
}

static void changes_with_one_expunge(void *self, struct msv_mailbox *mailbox, uint64_t since,
    const struct msv_uidset *uids, unsigned fields, struct msv_changes_op op)
{
	struct between *b = stand_between(op.op, change_with_one_expunge, changes_done);

	good.changes(self, mailbox, since, uids, fields, (struct msv_changes_op){ b->inner });
}

static void misses_expunges(void)
{
	broken.changes = changes_with_one_expunge;
}

static void open_for_all(void *self, const struct msv_actor *actor, const char *mailbox,
    bool readonly, struct msv_open_op op)
{
	struct memory_box *box = find_box(actor, mailbox);

	for (size_t i = 0; box && i < box->nmessages; i++)
		box->messages[i].recent_of = 0;
	good.open(self, actor, mailbox, readonly, op);
}

static void gives_recent_to_all(void)
{
	broken.open = open_for_all;
}

/* -- Flags ------------------------------------------------------------------------------------- */

static void flags_but_draft(void *self, struct msv_mailbox *mailbox, const struct msv_uidset *uids,
    const struct msv_flag_change *change, struct msv_flags_op op)
{
	struct msv_flag_change less = *change;

	less.flags &= ~(uint32_t)MSV_FLAG_DRAFT;
	good.flags(self, mailbox, uids, &less, op);
}

static void forgets_a_flag(void)
{
	broken.flags = flags_but_draft;
}

static void flags_unconditionally(void *self, struct msv_mailbox *mailbox,
    const struct msv_uidset *uids, const struct msv_flag_change *change, struct msv_flags_op op)
{
	struct msv_flag_change always = *change;

	always.unchanged_since = 0;
	good.flags(self, mailbox, uids, &always, op);
}

static void ignores_unchanged_since(void)
{
	broken.flags = flags_unconditionally;
}

/* Forgets the first keyword and moves the others up. */
static void renumber(struct memory_box *box)
{
	msv_free(env, box->keywords[0]);
	memmove(box->keywords, box->keywords + 1, (MEMORY_KEYWORDS - 1) * sizeof(char *));
	box->keywords[MEMORY_KEYWORDS - 1] = NULL;
	for (size_t i = 0; i < box->nmessages; i++)
		box->messages[i].keywords >>= 1;
}

static void flags_then_tidy(void *self, struct msv_mailbox *mailbox, const struct msv_uidset *uids,
    const struct msv_flag_change *change, struct msv_flags_op op)
{
	struct memory_box *box = mailbox->box;
	uint64_t used = 0;

	good.flags(self, mailbox, uids, change, op);
	for (size_t i = 0; i < box->nmessages; i++)
		used |= box->messages[i].keywords;
	if (box->keywords[0] && !(used & 1))
		renumber(box);
}

static void renumbers_keywords(void)
{
	broken.flags = flags_then_tidy;
}

/* -- Copy ---------------------------------------------------------------------------------------- */

/* The UIDs that are to be copied one after another. */
struct slow_copy {
	void *self;
	struct msv_mailbox *mailbox;
	struct msv_op *outer, *inner;
	char dest[64];
	struct msv_uid_range source[16], made[16];
	size_t n, at;
	uint32_t uidvalidity;
};

static void copy_next(struct slow_copy *copy);

static void one_copied(void *user, int error, const void *result)
{
	struct slow_copy *copy = user;

	if (error) {
		msv_op_on_cancel(copy->outer, NULL, NULL);
		msv_op_answer(copy->outer, error);
		msv_free(env, copy);
		return;
	}
	const struct msv_copy_result *one = result;
	copy->uidvalidity = one->uidvalidity;
	copy->made[copy->at++] = one->dest.r[0];
	copy_next(copy);
}

static void all_copied(struct slow_copy *copy)
{
	msv_op_on_cancel(copy->outer, NULL, NULL);
	msv_copy_answer(
	    (struct msv_copy_op){ copy->outer }, &(struct msv_copy_result){
	                                             .size = sizeof(struct msv_copy_result),
	                                             .uidvalidity = copy->uidvalidity,
	                                             .source = { copy->source, copy->n },
	                                             .dest = { copy->made, copy->n },
	                                         });
	msv_free(env, copy);
}

static void copy_next(struct slow_copy *copy)
{
	if (copy->at == copy->n) {
		all_copied(copy);
		return;
	}
	struct msv_uidset one = { &copy->source[copy->at], 1 };
	copy->inner = msv_op_new(env, one_copied, copy);
	good.copy(copy->self, copy->mailbox, &one, copy->dest, (struct msv_copy_op){ copy->inner });
}

static void slow_copy_canceled(void *user)
{
	struct slow_copy *copy = user;

	msv_op_cancel(copy->inner);
	msv_op_answer(copy->outer, MSV_ERR_CANCELED);
	msv_free(env, copy);
}

static void copy_one_by_one(void *self, struct msv_mailbox *mailbox, const struct msv_uidset *uids,
    const char *dest, struct msv_copy_op op)
{
	const struct memory_box *box = mailbox->box;
	struct slow_copy *copy;

	if (!msv_memory_find(box->account, dest)) {
		msv_op_answer(op.op, MSV_ERR_NOTFOUND);
		return;
	}
	copy = msv_alloc(env, sizeof(*copy));
	copy->self = self;
	copy->mailbox = mailbox;
	copy->outer = op.op;
	snprintf(copy->dest, sizeof(copy->dest), "%s", dest);
	for (size_t i = 0; i < box->nmessages && copy->n < 16; i++) {
		uint32_t uid = box->messages[i].uid;

		if (msv_uidset_has(uids, uid))
			copy->source[copy->n++] = (struct msv_uid_range){ uid, uid };
	}
	msv_op_on_cancel(op.op, slow_copy_canceled, copy);
	copy_next(copy);
}

static void copies_by_halves(void)
{
	broken.copy = copy_one_by_one;
}

/* The copies get each other's UIDs. */
static void copied_backwards(struct between *b, const void *result)
{
	static const struct msv_actor kit = { .size = sizeof(kit), .user = "kit@example.org" };
	const struct msv_copy_result *copied = result;
	struct memory_box *box = find_box(&kit, b->dest);
	size_t n = (size_t)msv_uidset_count(&copied->dest);

	for (size_t i = 0; i < n / 2; i++) {
		struct memory_message *one = &box->messages[box->nmessages - n + i];
		struct memory_message *two = &box->messages[box->nmessages - 1 - i];
		struct memory_content *content = one->content;

		one->content = two->content;
		two->content = content;
	}
	msv_copy_answer((struct msv_copy_op){ b->outer }, copied);
}

static void copy_backwards(void *self, struct msv_mailbox *mailbox, const struct msv_uidset *uids,
    const char *dest, struct msv_copy_op op)
{
	struct between *b = stand_between(op.op, NULL, copied_backwards);

	snprintf(b->dest, sizeof(b->dest), "%s", dest);
	good.copy(self, mailbox, uids, dest, (struct msv_copy_op){ b->inner });
}

static void mixes_up_copied_uids(void)
{
	broken.copy = copy_backwards;
}

/* -- Append ---------------------------------------------------------------------------------------- */

enum { PLACEHOLDER = 1 << 20 };

/* What is being written lies in the mailbox already, still empty. */
static void begin_in_the_mailbox(
    void *self, const struct msv_actor *actor, const char *mailbox, struct msv_append_op op)
{
	struct memory_box *box = find_box(actor, mailbox);

	if (box && msv_memory_reserve(box, 1, 0) == 0) {
		struct memory_content *content = msv_alloc(env, sizeof(*content));

		content->refs = 1;
		msv_buf_init(&content->bytes, env);
		msv_memory_add(
		    box, &(struct memory_message){ .flags = PLACEHOLDER, .content = content });
		msv_memory_content_unref(content);
	}
	good.append_begin(self, actor, mailbox, op);
}

static void drop_placeholders(void)
{
	for (struct memory_account *account = memory->accounts; account; account = account->next)
		for (size_t i = 0; i < account->nboxes; i++)
			msv_memory_expunge(account->boxes[i], NULL, PLACEHOLDER);
}

static void commit_in_the_mailbox(void *self, struct msv_append *append, struct msv_copy_op op)
{
	drop_placeholders();
	good.append_commit(self, append, op);
}

static void abort_in_the_mailbox(void *self, struct msv_append *append)
{
	drop_placeholders();
	good.append_abort(self, append);
}

static void shows_appends_early(void)
{
	broken.append_begin = begin_in_the_mailbox;
	broken.append_commit = commit_in_the_mailbox;
	broken.append_abort = abort_in_the_mailbox;
}

static void add_as_it_is(void *self, struct msv_append *append,
    const struct msv_append_message *message, struct msv_op *op)
{
	struct msv_append_message verbatim = *message;

	verbatim.verbatim = true;
	good.append_add(self, append, &verbatim, op);
}

static void takes_any_line_end(void)
{
	broken.append_add = add_as_it_is;
}

/* Bytes that are looked at too late. */
struct late_write {
	struct msv_task task;
	void *self;
	struct msv_append *append;
	const void *p;
	size_t n;
	struct msv_op *op;
};

static void late_write_runs(struct msv_task *task)
{
	struct late_write *late = (struct late_write *)task;

	msv_op_on_cancel(late->op, NULL, NULL);
	good.append_write(late->self, late->append, late->p, late->n, late->op);
	msv_free(env, late);
}

static void late_write_canceled(void *user)
{
	struct late_write *late = user;

	msv_env_undefer(env, &late->task);
	msv_op_answer(late->op, MSV_ERR_CANCELED);
	msv_free(env, late);
}

static void write_later(
    void *self, struct msv_append *append, const void *p, size_t n, struct msv_op *op)
{
	struct late_write *late = msv_alloc(env, sizeof(*late));

	*late = (struct late_write){ { .fn = late_write_runs }, self, append, p, n, op };
	msv_op_on_cancel(op, late_write_canceled, late);
	msv_env_later(env, &late->task);
}

static void holds_on_to_bytes(void)
{
	broken.append_write = write_later;
}

/* -- Watch -------------------------------------------------------------------------------------------- */

static int watch_nothing(void *self, const struct msv_actor *actor, struct msv_mailbox *mailbox,
    void (*look)(void *user, const char *mailbox), void *user, struct msv_store_watch **out)
{
	(void)self;
	(void)actor;
	(void)mailbox;
	(void)look;
	(void)user;
	*out = (struct msv_store_watch *)&broken;
	return 0;
}

static void unwatch_nothing(void *self, struct msv_store_watch *watch)
{
	(void)self;
	(void)watch;
}

static void never_looks(void)
{
	broken.watch = watch_nothing;
	broken.unwatch = unwatch_nothing;
}

#endif
