/* Openings: open, close, keyword, and what changed since. */
#include "base/op.h"
#include "store/memory.h"

enum {
	PERMANENT_FLAGS = MSV_FLAG_SEEN | MSV_FLAG_ANSWERED | MSV_FLAG_FLAGGED | MSV_FLAG_DELETED |
	                  MSV_FLAG_DRAFT | MSV_FLAG_PASSED
};

/* Takes the \Recent that nobody has yet. */
static void claim_recent(const struct msv_mailbox *opening)
{
	const struct memory_box *box = opening->box;

	if (opening->readonly)
		return;
	for (size_t i = box->nmessages; i > 0 && box->messages[i - 1].recent_of == 0; i--)
		box->messages[i - 1].recent_of = opening->serial;
}

static void answer_open(struct msv_mailbox *opening, struct msv_open_op op)
{
	char id[32];
	struct msv_open_result result = {
		.size = sizeof(result),
		.mailbox = opening,
		.readonly = opening->readonly,
		.can_create_keywords = !opening->readonly,
		.permanent_flags = opening->readonly ? 0 : PERMANENT_FLAGS,
		.status = msv_memory_status(opening->box, opening, id),
	};

	msv_open_answer(op, msv_memory_store(opening->store), &result);
}

static void memory_open(void *self, const struct msv_actor *actor, const char *mailbox,
    bool readonly, struct msv_open_op op)
{
	struct msv_memory_store *store = self;
	struct memory_box *box;
	struct msv_mailbox *opening = NULL;
	int error = msv_memory_lookup(store, actor, mailbox, &box);

	if (!error && !(opening = msv_alloc(store->env, sizeof(*opening))))
		error = MSV_ERR_NOMEM;
	if (error) {
		msv_op_answer(op.op, error);
		return;
	}
	*opening = (struct msv_mailbox){ store, box, ++store->last_id, readonly };
	box->refs++;
	claim_recent(opening);
	answer_open(opening, op);
}

static void memory_close(void *self, struct msv_mailbox *mailbox)
{
	struct msv_memory_store *store = self;

	msv_memory_box_unref(mailbox->box);
	msv_free(store->env, mailbox);
}

static const char *memory_keyword(void *self, struct msv_mailbox *mailbox, unsigned i)
{
	(void)self;
	return i < MEMORY_KEYWORDS ? mailbox->box->keywords[i] : NULL;
}

/* -- changes ------------------------------------------------------------------------ */

/* What is to be told: messages first, then what is gone. */
struct changes_rows {
	struct memory_rows rows;
	struct msv_mailbox *opening;
	unsigned fields;
	uint64_t since, until;      /* modseqs: later changes are for the next question */
	struct msv_uidset wanted;   /* UIDs below uidnext, those asked for */
	uint32_t uidnext, next_uid; /* the next UID to look at */
	size_t next_gone;           /* and the next entry of the history, from its UID: */
	uint32_t next_gone_uid;
};

/* The first UIDs that are both wanted and in the range. */
static bool next_wanted(
    const struct msv_uidset *wanted, struct msv_uid_range range, struct msv_uid_range *out)
{
	size_t low = 0, high = wanted->n;

	while (low < high) {
		size_t mid = low + (high - low) / 2;

		if (wanted->r[mid].last < range.first)
			low = mid + 1;
		else
			high = mid;
	}
	if (low == wanted->n)
		return false;
	out->first = wanted->r[low].first > range.first ? wanted->r[low].first : range.first;
	out->last = wanted->r[low].last < range.last ? wanted->r[low].last : range.last;
	return out->first <= out->last;
}

/* The next message that is new or changed, or NULL.  Goes from one wanted range
 * to the next, so that a few UIDs of many cost little. */
static const struct memory_message *next_changed(struct changes_rows *changes)
{
	const struct memory_box *box = changes->opening->box;
	struct msv_uid_range range = { changes->next_uid, changes->uidnext - 1 };

	for (; next_wanted(&changes->wanted, range, &range); range.first = changes->next_uid) {
		size_t i = msv_memory_index(box, range.first);

		for (; i < box->nmessages && box->messages[i].uid <= range.last; i++) {
			if (box->messages[i].modseq <= changes->since)
				continue;
			changes->next_uid = box->messages[i].uid + 1;
			return &box->messages[i];
		}
		changes->next_uid = range.last + 1;
		range.last = changes->uidnext - 1;
	}
	return NULL;
}

/* The next UIDs that went away. */
static bool next_expunged(struct changes_rows *changes, struct msv_uid_range *out)
{
	const struct memory_box *box = changes->opening->box;

	if (changes->since == 0)
		return false;
	for (; changes->next_gone < box->ngone; changes->next_gone++, changes->next_gone_uid = 0) {
		struct memory_gone gone = box->gone[changes->next_gone];

		if (gone.uids.first < changes->next_gone_uid)
			gone.uids.first = changes->next_gone_uid;
		if (gone.modseq <= changes->since || gone.modseq > changes->until ||
		    !next_wanted(&changes->wanted, gone.uids, out))
			continue;
		changes->next_gone_uid = out->last + 1;
		return true;
	}
	return false;
}

static int next_change(struct memory_rows *rows)
{
	struct changes_rows *changes = (struct changes_rows *)rows;
	struct msv_changes_op op = { rows->op };
	const struct memory_message *message = next_changed(changes);
	struct msv_uid_range gone;
	char id[32];

	if (message) {
		struct msv_message row =
		    msv_memory_describe(changes->opening, message, changes->fields, id);
		return msv_changes_message(op, &row);
	}
	if (next_expunged(changes, &gone))
		return msv_changes_expunged(op, gone.first, gone.last);
	msv_changes_answer(op, &(struct msv_changes_result){
	                           .size = sizeof(struct msv_changes_result),
	                           .modseq = changes->until,
	                           .uidnext = changes->uidnext,
	                       });
	return MEMORY_ANSWERED;
}

static void memory_changes(void *self, struct msv_mailbox *mailbox, uint64_t since,
    const struct msv_uidset *uids, unsigned fields, struct msv_changes_op op)
{
	static const struct msv_uid_range any = { 1, UINT32_MAX };
	struct msv_uidset all = { &any, 1 };
	const struct memory_box *box = mailbox->box;
	struct changes_rows *changes = msv_op_alloc(op.op, sizeof(*changes));
	int error = changes ? 0 : MSV_ERR_NOMEM;

	/* The last thing told of a removed mailbox is that all is gone. */
	if (!error && box->removed && (since == 0 || since >= box->modseq))
		error = MSV_ERR_STALE;
	if (!error)
		error = msv_memory_keep_set(op.op, uids ? uids : &all, &changes->wanted);
	if (error) {
		msv_op_answer(op.op, error);
		return;
	}
	if (!uids)
		claim_recent(mailbox);
	changes->opening = mailbox;
	changes->fields = fields;
	changes->since = since;
	changes->until = box->modseq;
	changes->uidnext = box->uidnext;
	msv_memory_rows(&changes->rows, self, op.op, next_change);
}

void msv_memory_fill_opening(struct msv_store *table)
{
	table->open = memory_open;
	table->close = memory_close;
	table->keyword = memory_keyword;
	table->changes = memory_changes;
}
