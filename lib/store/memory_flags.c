/* Flags, keywords and expunge. */
#include "base/op.h"
#include "codec/uidset.h"
#include "store/memory.h"

/* A change of flags with its keywords as bits. */
struct flags_rows {
	struct memory_rows rows;
	struct msv_mailbox *opening;
	enum msv_flag_mode mode;
	uint32_t flags;
	uint64_t keywords, unchanged_since;
	struct msv_uidset uids, modified; /* asked for; those of them left alone */
	uint32_t next_uid, uidnext;
};

/* -- Changing ---------------------------------------------------------------------- */

/* True when unchanged_since keeps the message from being changed. */
static bool is_left_alone(const struct flags_rows *flags, const struct memory_message *message)
{
	return flags->unchanged_since && message->modseq > flags->unchanged_since;
}

/* Which of the UIDs are left alone, in the op's memory. */
static int find_modified(struct flags_rows *flags, struct msv_op *op)
{
	const struct memory_box *box = flags->opening->box;
	struct msv_uidset_builder builder;
	int error = 0;

	msv_uidset_builder_init(&builder, flags->opening->store->env);
	for (size_t i = 0; i < box->nmessages && !error; i++) {
		const struct memory_message *message = &box->messages[i];

		if (is_left_alone(flags, message) && msv_uidset_has(&flags->uids, message->uid))
			error = msv_uidset_add(&builder, message->uid, message->uid);
	}
	if (!error) {
		struct msv_uidset modified = msv_uidset_finish(&builder);
		error = msv_memory_keep_set(op, &modified, &flags->modified);
	}
	msv_uidset_builder_fini(&builder);
	return error;
}

/* Changes one message; true when it was not so already. */
static bool change_message(const struct flags_rows *flags, struct memory_message *message)
{
	uint32_t before = message->flags;
	uint64_t keywords_before = message->keywords;

	switch (flags->mode) {
	case MSV_FLAGS_ADD:
		message->flags |= flags->flags;
		message->keywords |= flags->keywords;
		break;
	case MSV_FLAGS_REMOVE:
		message->flags &= ~flags->flags;
		message->keywords &= ~flags->keywords;
		break;
	case MSV_FLAGS_REPLACE:
		message->flags = flags->flags;
		message->keywords = flags->keywords;
		break;
	}
	return message->flags != before || message->keywords != keywords_before;
}

static void change_messages(const struct flags_rows *flags)
{
	struct memory_box *box = flags->opening->box;
	uint64_t modseq = box->modseq + 1;

	for (size_t i = 0; i < box->nmessages; i++) {
		struct memory_message *message = &box->messages[i];

		if (!msv_uidset_has(&flags->uids, message->uid) || is_left_alone(flags, message) ||
		    !change_message(flags, message))
			continue;
		box->modseq = message->modseq = modseq;
	}
	if (box->modseq == modseq)
		msv_memory_touch(box);
}

/* -- The op ------------------------------------------------------------------------------ */

static int next_flags(struct memory_rows *rows)
{
	struct flags_rows *flags = (struct flags_rows *)rows;
	const struct memory_box *box = flags->opening->box;
	struct msv_flags_op op = { rows->op };

	for (size_t i = msv_memory_index(box, flags->next_uid); i < box->nmessages; i++) {
		const struct memory_message *message = &box->messages[i];
		char id[32];

		if (message->uid >= flags->uidnext)
			break;
		if (!msv_uidset_has(&flags->uids, message->uid) ||
		    msv_uidset_has(&flags->modified, message->uid))
			continue;
		flags->next_uid = message->uid + 1;
		struct msv_message row = msv_memory_describe(flags->opening, message, 0, id);
		return msv_flags_row(op, &row);
	}
	msv_flags_answer(op, &flags->modified);
	return MEMORY_ANSWERED;
}

/* Takes the arguments over and finds out that nothing stands against it. */
static int prepare(struct flags_rows *flags, struct msv_mailbox *opening,
    const struct msv_uidset *uids, const struct msv_flag_change *change, struct msv_op *op)
{
	struct memory_box *box = opening->box;
	int error;

	if (opening->readonly)
		return MSV_ERR_DENIED;
	if (box->removed)
		return MSV_ERR_STALE;
	flags->opening = opening;
	flags->mode = change->mode;
	flags->flags = change->flags & ~(uint32_t)MSV_FLAG_RECENT;
	flags->unchanged_since = change->unchanged_since;
	flags->uidnext = box->uidnext;
	error = msv_memory_keep_set(op, uids, &flags->uids);
	if (!error)
		error = find_modified(flags, op);
	if (!error)
		error = msv_memory_keywords(box, change->keywords, change->nkeywords,
		    change->mode == MSV_FLAGS_REMOVE, &flags->keywords);
	return error;
}

static void memory_flags(void *self, struct msv_mailbox *mailbox, const struct msv_uidset *uids,
    const struct msv_flag_change *change, struct msv_flags_op op)
{
	struct flags_rows *flags = msv_op_alloc(op.op, sizeof(*flags));
	int error = flags ? prepare(flags, mailbox, uids, change, op.op) : MSV_ERR_NOMEM;

	if (error) {
		msv_op_answer(op.op, error);
		return;
	}
	change_messages(flags);
	msv_memory_rows(&flags->rows, self, op.op, next_flags);
}

static void memory_expunge(
    void *self, struct msv_mailbox *mailbox, const struct msv_uidset *uids, struct msv_op *op)
{
	(void)self;
	if (mailbox->readonly)
		msv_op_answer(op, MSV_ERR_DENIED);
	else if (mailbox->box->removed)
		msv_op_answer(op, MSV_ERR_STALE);
	else
		msv_op_answer(op, msv_memory_expunge(mailbox->box, uids, MSV_FLAG_DELETED));
}

void msv_memory_fill_flags(struct msv_store *table)
{
	table->flags = memory_flags;
	table->expunge = memory_expunge;
}
