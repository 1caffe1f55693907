/* STORE (RFC 3501 6.4.6): one question to the store for all messages, whose rows
 * become the responses. */
#include "imap/imap.h"

#include <string.h>

struct store {
	struct imap_set set;
	struct imap_flags flags;
	struct msv_flag_change change;
	bool silent;
	bool resolved;     /* `keywords` is known */
	uint64_t keywords; /* those named, as bits of the mailbox */
	uint64_t rows;
	int error;
};

/* The bits of the keywords named; those that were new have one by now. */
static uint64_t keyword_bits(struct imap_session *s, struct store *store)
{
	if (store->resolved)
		return store->keywords;
	store->resolved = true;
	for (size_t i = 0; i < store->change.nkeywords; i++) {
		const char *name = store->change.keywords[i];
		store->keywords |= msv_imap_keyword_bit(s, (struct msv_span){ name, strlen(name) });
	}
	return store->keywords;
}

/* What the client thinks the message has now. */
static struct imap_message expect(
    struct imap_session *s, struct store *store, const struct imap_message *m)
{
	struct imap_message e = *m;
	uint64_t keywords = keyword_bits(s, store);
	uint32_t flags = store->change.flags;

	switch (store->change.mode) {
	case MSV_FLAGS_ADD:
		e.flags |= flags;
		e.keywords |= keywords;
		break;
	case MSV_FLAGS_REMOVE:
		e.flags &= ~flags;
		e.keywords &= ~keywords;
		break;
	case MSV_FLAGS_REPLACE:
		e.flags = flags | (m->flags & MSV_FLAG_RECENT);
		e.keywords = keywords;
	}
	return e;
}

static int store_row(struct imap_session *s, const void *row)
{
	struct store *store = s->cmd.data;
	const struct msv_message *message = row;
	struct imap_message *m = msv_imap_view_find(&s->view, message->uid);

	store->rows++;
	if (!m || m >= s->view.m + s->view.exists)
		return 0;
	bool known = !(m->flags & IMAP_CHANGED);
	struct imap_message expected = expect(s, store, m);
	if (msv_imap_view_take(s, message))
		msv_imap_nomem(s);
	if (!store->silent)
		msv_imap_put_fetch_flags(s, m, s->cmd.uid);
	else if (known && (expected.flags & IMAP_FLAGS) == (m->flags & IMAP_FLAGS) &&
	         expected.keywords == m->keywords)
		msv_imap_view_unmark(&s->view, m, IMAP_CHANGED);
	return msv_imap_room(s) ? 0 : MSV_PAUSE;
}

static enum imap_run finish(struct imap_session *s)
{
	const struct store *store = s->cmd.data;
	struct msv_uidset set = { store->set.r, store->set.n };

	if (store->error)
		return msv_imap_no_error(s, store->error, false);
	if (!s->cmd.uid && !store->silent && store->rows < msv_uidset_count(&set))
		return msv_imap_no(s, "[EXPUNGEISSUED] Some of the messages no longer exist");
	return msv_imap_ok(s, NULL);
}

static void answered(struct imap_session *s, int error, const void *result)
{
	(void)result;
	((struct store *)s->cmd.data)->error = error;
	s->cmd.run = finish;
}

/* "+FLAGS.SILENT" */
static bool take_item(struct imap_session *s, struct store *store)
{
	struct imap_args *a = &s->cmd.args;
	struct msv_span word;

	store->change.mode = msv_imap_arg_if(a, '+')   ? MSV_FLAGS_ADD
	                     : msv_imap_arg_if(a, '-') ? MSV_FLAGS_REMOVE
	                                               : MSV_FLAGS_REPLACE;
	if (!msv_imap_arg_atom(a, &word))
		return false;
	store->silent = msv_imap_is(word, "FLAGS.SILENT");
	return store->silent || msv_imap_is(word, "FLAGS") ||
	       msv_imap_arg_fail(a, "Unknown STORE item");
}

/* A mailbox without MSV_FLAG_PASSED may still have the keyword. */
static bool fit_flags(struct imap_session *s, struct store *store)
{
	struct imap_flags *flags = &store->flags;

	if (flags->flags & MSV_FLAG_PASSED && !(s->view.permanent_flags & MSV_FLAG_PASSED)) {
		if (flags->nkeywords == IMAP_KEYWORDS_MAX)
			return msv_imap_arg_fail(&s->cmd.args, "Too many keywords");
		flags->flags &= ~(uint32_t)MSV_FLAG_PASSED;
		flags->keywords[flags->nkeywords++] = msv_imap_passed;
	}
	store->change.flags = flags->flags;
	store->change.keywords = flags->keywords;
	store->change.nkeywords = flags->nkeywords;
	return true;
}

static bool take_store(struct imap_session *s, struct store *store)
{
	struct imap_args *a = &s->cmd.args;

	return msv_imap_arg_space(a) && msv_imap_arg_set(s, s->cmd.uid, &store->set) &&
	       msv_imap_arg_space(a) && take_item(s, store) && msv_imap_arg_space(a) &&
	       msv_imap_arg_flags(s, true, &store->flags) && msv_imap_arg_end(a) &&
	       fit_flags(s, store);
}

enum imap_run msv_imap_run_store(struct imap_session *s)
{
	struct store *store = msv_imap_data(s, sizeof(*store), NULL);
	struct msv_uidset uids;

	if (!store)
		return IMAP_WAIT;
	store->change.size = sizeof(store->change);
	if (!take_store(s, store))
		return msv_imap_bad_args(s);
	if (s->view.readonly)
		return msv_imap_no(s, "[READ-ONLY] The mailbox is read-only");
	if (!store->set.n)
		return msv_imap_ok(s, NULL);
	if (msv_imap_set_uids(s, &store->set, &uids))
		return msv_imap_nomem(s);
	struct msv_op *op = msv_imap_ask_rows(s, answered, store_row);
	if (op)
		s->store->flags(s->store->self, s->view.mailbox, &uids, &store->change,
		    (struct msv_flags_op){ op });
	return IMAP_WAIT;
}
