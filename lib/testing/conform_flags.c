/* Promises about system flags, modseqs and unchanged_since. */
#include <string.h>

#include "testing/kit.h"

/* The flags without \Recent, which comes and goes by itself. */
static uint32_t settled(const struct msv_kit_message *message)
{
	return message ? message->is.flags & ~(uint32_t)MSV_FLAG_RECENT : UINT32_MAX;
}

static void each_flag_is_kept(struct msv_kit *k)
{
	static const uint32_t flags[] = { MSV_FLAG_SEEN, MSV_FLAG_ANSWERED, MSV_FLAG_FLAGGED,
		MSV_FLAG_DELETED, MSV_FLAG_DRAFT, MSV_FLAG_PASSED };
	struct msv_kit_view view;

	SUCCEEDS(k, msv_kit_open_filled(k, &view, 6));
	for (size_t i = 0; i < view.n; i++) {
		uint32_t uid = view.messages[i].is.uid;

		SUCCEEDS(k, msv_kit_flags(k, &view, UIDS(uid, uid), MSV_FLAGS_ADD, flags[i], NULL));
	}
	msv_kit_close(k, &view);
	SUCCEEDS(k, msv_kit_open(k, &view, "INBOX", true));
	SUCCEEDS(k, msv_kit_sync(k, &view));
	for (size_t i = 0; i < view.n; i++)
		if (flags[i] & view.opened.permanent_flags || flags[i] != MSV_FLAG_PASSED)
			PROMISE(k, settled(&view.messages[i]) == flags[i],
			    "flags %#x were set and %#x are there", flags[i],
			    settled(&view.messages[i]));
}

static void flags_are_added_removed_replaced(struct msv_kit *k)
{
	static const struct {
		enum msv_flag_mode mode;
		uint32_t flags, result;
	} steps[] = {
		{ MSV_FLAGS_ADD, MSV_FLAG_SEEN, MSV_FLAG_SEEN },
		{ MSV_FLAGS_ADD, MSV_FLAG_DRAFT, MSV_FLAG_SEEN | MSV_FLAG_DRAFT },
		{ MSV_FLAGS_ADD, MSV_FLAG_SEEN, MSV_FLAG_SEEN | MSV_FLAG_DRAFT },
		{ MSV_FLAGS_REMOVE, MSV_FLAG_SEEN | MSV_FLAG_FLAGGED, MSV_FLAG_DRAFT },
		{ MSV_FLAGS_REPLACE, MSV_FLAG_FLAGGED | MSV_FLAG_SEEN,
		    MSV_FLAG_FLAGGED | MSV_FLAG_SEEN },
		{ MSV_FLAGS_REPLACE, MSV_FLAG_ANSWERED, MSV_FLAG_ANSWERED },
		{ MSV_FLAGS_REMOVE, MSV_FLAG_DELETED, MSV_FLAG_ANSWERED },
		{ MSV_FLAGS_REPLACE, 0, 0 },
	};
	struct msv_kit_view view;

	SUCCEEDS(k, msv_kit_open_filled(k, &view, 1));
	for (size_t i = 0; i < sizeof(steps) / sizeof(steps[0]); i++) {
		SUCCEEDS(k, msv_kit_flags(k, &view, ALL_UIDS, steps[i].mode, steps[i].flags, NULL));
		SUCCEEDS(k, msv_kit_sync(k, &view));
		PROMISE(k, settled(&view.messages[0]) == steps[i].result,
		    "step %zu leads to flags %#x instead of %#x", i, settled(&view.messages[0]),
		    steps[i].result);
	}
}

static void flags_tell_each_message(struct msv_kit *k)
{
	struct msv_kit_view view;

	SUCCEEDS(k, msv_kit_open_filled(k, &view, 4));
	uint32_t second = view.messages[1].is.uid, third = view.messages[2].is.uid;
	SUCCEEDS(
	    k, msv_kit_flags(k, &view, UIDS(second, second), MSV_FLAGS_ADD, MSV_FLAG_SEEN, NULL));
	SUCCEEDS(
	    k, msv_kit_flags(k, &view, UIDS(second, third), MSV_FLAGS_ADD, MSV_FLAG_SEEN, NULL));
	PROMISE(k, view.nrows == 2, "%zu rows for 2 messages", view.nrows);
	for (size_t i = 0; i < 2; i++) {
		PROMISE(k, view.rows[i].is.uid == view.messages[i + 1].is.uid,
		    "a row is about UID %u instead of %u", view.rows[i].is.uid,
		    view.messages[i + 1].is.uid);
		PROMISE(k, settled(&view.rows[i]) == MSV_FLAG_SEEN, "a row tells flags %#x",
		    settled(&view.rows[i]));
		PROMISE(k, view.rows[i].is.modseq > 0, "a row tells no modseq");
	}
	SUCCEEDS(k, msv_kit_sync(k, &view));
	PROMISE(k, settled(&view.messages[0]) == 0 && settled(&view.messages[3]) == 0,
	    "messages that were not meant have changed");
}

static void flags_leave_out_what_is_gone(struct msv_kit *k)
{
	struct msv_kit_view view;

	SUCCEEDS(k, msv_kit_open_filled(k, &view, 3));
	uint32_t gone = view.messages[1].is.uid;
	SUCCEEDS(
	    k, msv_kit_flags(k, &view, UIDS(gone, gone), MSV_FLAGS_ADD, MSV_FLAG_DELETED, NULL));
	SUCCEEDS(k, msv_kit_expunge(k, &view, NULL));
	SUCCEEDS(k, msv_kit_flags(k, &view, ALL_UIDS, MSV_FLAGS_ADD, MSV_FLAG_SEEN, NULL));
	PROMISE(k, view.nrows == 2, "%zu rows for 2 messages", view.nrows);
	SUCCEEDS(k, msv_kit_flags(k, &view, UIDS(gone, gone), MSV_FLAGS_ADD, MSV_FLAG_SEEN, NULL));
	PROMISE(k, view.nrows == 0, "a message that is gone has a row");
}

static void flags_are_seen_by_others(struct msv_kit *k)
{
	struct msv_kit_view one, two;

	SUCCEEDS(k, msv_kit_open_filled(k, &one, 2));
	SUCCEEDS(k, msv_kit_open(k, &two, "INBOX", false));
	SUCCEEDS(k, msv_kit_sync(k, &two));
	uint32_t uid = one.messages[0].is.uid;
	SUCCEEDS(k, msv_kit_flags(k, &one, UIDS(uid, uid), MSV_FLAGS_ADD, MSV_FLAG_FLAGGED, NULL));
	SUCCEEDS(k, msv_kit_sync(k, &two));
	PROMISE(k, settled(&two.messages[0]) == MSV_FLAG_FLAGGED, "another opening sees flags %#x",
	    settled(&two.messages[0]));
	SUCCEEDS(k, msv_kit_flags(k, &two, UIDS(uid, uid), MSV_FLAGS_ADD, MSV_FLAG_SEEN, NULL));
	SUCCEEDS(k, msv_kit_sync(k, &one));
	PROMISE(k, settled(&one.messages[0]) == (MSV_FLAG_FLAGGED | MSV_FLAG_SEEN),
	    "the first opening sees flags %#x", settled(&one.messages[0]));
}

/* -- Modseqs ------------------------------------------------------------------------------ */

static void flags_raise_the_modseq(struct msv_kit *k)
{
	struct msv_kit_view view;

	SUCCEEDS(k, msv_kit_open_filled(k, &view, 3));
	for (int round = 0; round < 4; round++) {
		uint64_t known = view.modseq;
		uint32_t uid = view.messages[round % 3].is.uid;

		SUCCEEDS(k, msv_kit_flags(k, &view, UIDS(uid, uid),
		                round < 3 ? MSV_FLAGS_ADD : MSV_FLAGS_REMOVE, MSV_FLAG_SEEN, NULL));
		PROMISE(k, view.nrows == 1, "%zu rows for 1 message", view.nrows);
		PROMISE(k, view.rows[0].is.modseq > known,
		    "a change gave modseq %llu when %llu was known",
		    (unsigned long long)view.rows[0].is.modseq, (unsigned long long)known);
		SUCCEEDS(k, msv_kit_sync(k, &view));
	}
}

static void no_change_keeps_the_modseq(struct msv_kit *k)
{
	struct msv_kit_view view;

	SUCCEEDS(k, msv_kit_open_filled(k, &view, 1));
	SUCCEEDS(k, msv_kit_flags(k, &view, ALL_UIDS, MSV_FLAGS_ADD, MSV_FLAG_SEEN, NULL));
	SUCCEEDS(k, msv_kit_sync(k, &view));
	uint64_t modseq = view.messages[0].is.modseq;
	SUCCEEDS(k, msv_kit_flags(k, &view, ALL_UIDS, MSV_FLAGS_ADD, MSV_FLAG_SEEN, NULL));
	SUCCEEDS(k, msv_kit_flags(k, &view, ALL_UIDS, MSV_FLAGS_REMOVE, MSV_FLAG_DRAFT, NULL));
	SUCCEEDS(k, msv_kit_flags(k, &view, ALL_UIDS, MSV_FLAGS_REPLACE, MSV_FLAG_SEEN, NULL));
	SUCCEEDS(k, msv_kit_changes(k, &view, 0, NULL, NULL));
	PROMISE(k, view.nrows == 1 && view.rows[0].is.modseq == modseq,
	    "without a change the modseq went from %llu to %llu", (unsigned long long)modseq,
	    (unsigned long long)view.rows[0].is.modseq);
}

/* RFC 7162 3.1.3 */
static void unchanged_since_is_heeded(struct msv_kit *k)
{
	struct msv_flag_change change = {
		.size = sizeof(change),
		.flags = MSV_FLAG_FLAGGED,
	};
	struct msv_kit_view view;
	uint64_t modified;

	SUCCEEDS(k, msv_kit_open_filled(k, &view, 3));
	change.unchanged_since = view.modseq;
	uint32_t changed = view.messages[1].is.uid;
	SUCCEEDS(
	    k, msv_kit_flags(k, &view, UIDS(changed, changed), MSV_FLAGS_ADD, MSV_FLAG_SEEN, NULL));
	SUCCEEDS(k, msv_kit_change_flags(k, &view, ALL_UIDS, &change, &modified));
	PROMISE(k, modified == 1, "%llu messages are told as modified instead of 1",
	    (unsigned long long)modified);
	PROMISE(k, view.nrows == 2, "%zu rows for the 2 that were changed", view.nrows);
	SUCCEEDS(k, msv_kit_sync(k, &view));
	PROMISE(k, settled(&view.messages[1]) == MSV_FLAG_SEEN,
	    "the message that had changed has flags %#x", settled(&view.messages[1]));
	PROMISE(k, settled(&view.messages[0]) == MSV_FLAG_FLAGGED,
	    "a message that had not changed has flags %#x", settled(&view.messages[0]));
}

const struct msv_check msv_checks_flags[] = {
	CHECK(each_flag_is_kept),
	CHECK(flags_are_added_removed_replaced),
	CHECK(flags_tell_each_message),
	CHECK(flags_leave_out_what_is_gone),
	CHECK(flags_are_seen_by_others),
	CHECK(flags_raise_the_modseq),
	CHECK(no_change_keeps_the_modseq),
	CHECK(unchanged_since_is_heeded),
	{ NULL, NULL },
};
