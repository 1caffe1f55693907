/* Copy and move. */
#include "codec/uidset.h"
#include "store/memory.h"

/* What is to be copied. */
struct copy {
	struct msv_mailbox *opening;
	const struct msv_uidset *uids;
	struct memory_box *dest;
	size_t n;
	uint64_t octets;
	uint64_t keywords;                /* those the messages have, */
	uint64_t bits[MEMORY_KEYWORDS];   /* and the bit of each in dest */
	struct msv_uidset_builder source; /* the UIDs that are there */
};

static bool is_meant(const struct copy *copy, const struct memory_message *message)
{
	return msv_uidset_has(copy->uids, message->uid);
}

/* Finds the messages that are there. */
static int collect(struct copy *copy)
{
	const struct memory_box *box = copy->opening->box;
	int error = 0;

	for (size_t i = 0; i < box->nmessages && !error; i++) {
		const struct memory_message *message = &box->messages[i];

		if (!is_meant(copy, message))
			continue;
		copy->n++;
		copy->octets += msv_buf_len(&message->content->bytes);
		copy->keywords |= message->keywords;
		error = msv_uidset_add(&copy->source, message->uid, message->uid);
	}
	return error;
}

/* Gives the keywords numbers in the destination. */
static int number_keywords(struct copy *copy)
{
	char *const *names = copy->opening->box->keywords;
	int error = 0;

	for (unsigned i = 0; i < MEMORY_KEYWORDS && !error; i++)
		if (copy->keywords >> i & 1)
			error = msv_memory_keywords(
			    copy->dest, (const char *const *)&names[i], 1, false, &copy->bits[i]);
	return error;
}

static uint64_t translate(const struct copy *copy, uint64_t keywords)
{
	uint64_t bits = 0;

	for (unsigned i = 0; i < MEMORY_KEYWORDS; i++)
		if (keywords >> i & 1)
			bits |= copy->bits[i];
	return bits;
}

/* Everything that can fail; nothing is visible afterwards. */
static int prepare(struct copy *copy, struct msv_memory_store *store, const char *dest, bool moving)
{
	struct memory_box *box = copy->opening->box;
	int error;

	if (box->removed)
		return MSV_ERR_STALE;
	if (moving && copy->opening->readonly)
		return MSV_ERR_DENIED;
	copy->dest = msv_memory_find(box->account, dest);
	if (!copy->dest)
		return MSV_ERR_NOTFOUND;
	error = collect(copy);
	if (!error)
		error = msv_memory_reserve(copy->dest, copy->n, moving ? 0 : copy->octets);
	if (!error)
		error = number_keywords(copy);
	/* The source's history gets room before anything is added. */
	if (!error && moving)
		error = msv_grow(store->env, &box->gone, &box->gone_cap, box->ngone + copy->n,
		    sizeof(*box->gone));
	return error;
}

/* Adds the copies; returns their UIDs. */
static struct msv_uid_range add_copies(const struct copy *copy)
{
	const struct memory_box *box = copy->opening->box;
	size_t n = box->nmessages; /* dest may be the same mailbox */
	uint32_t first = copy->dest->uidnext;

	for (size_t i = 0; i < n; i++) {
		struct memory_message message = box->messages[i];

		if (!is_meant(copy, &message))
			continue;
		message.keywords = translate(copy, message.keywords);
		msv_memory_add(copy->dest, &message);
	}
	return (struct msv_uid_range){ first, copy->dest->uidnext - 1 };
}

static void copy_or_move(struct msv_memory_store *store, struct msv_mailbox *mailbox,
    const struct msv_uidset *uids, const char *dest, bool moving, struct msv_copy_op op)
{
	struct copy copy = { .opening = mailbox, .uids = uids };

	msv_uidset_builder_init(&copy.source, store->env);
	int error = prepare(&copy, store, dest, moving);
	if (!error) {
		struct msv_uid_range added = add_copies(&copy);
		struct msv_uidset source = msv_uidset_finish(&copy.source);

		if (moving)
			msv_memory_expunge(mailbox->box, &source, 0);
		msv_copy_answer(op, &(struct msv_copy_result){
		                        .size = sizeof(struct msv_copy_result),
		                        .uidvalidity = copy.dest->uidvalidity,
		                        .source = source,
		                        .dest = { &added, source.n > 0 },
		                    });
	} else {
		msv_op_answer(op.op, error);
	}
	msv_uidset_builder_fini(&copy.source);
}

static void memory_copy(void *self, struct msv_mailbox *mailbox, const struct msv_uidset *uids,
    const char *dest, struct msv_copy_op op)
{
	copy_or_move(self, mailbox, uids, dest, false, op);
}

static void memory_move(void *self, struct msv_mailbox *mailbox, const struct msv_uidset *uids,
    const char *dest, struct msv_copy_op op)
{
	copy_or_move(self, mailbox, uids, dest, true, op);
}

void msv_memory_fill_copy(struct msv_store *table)
{
	table->copy = memory_copy;
	table->move = memory_move;
}
