/* Promises about changes(): what is new, changed or gone since a modseq. */
#include <string.h>

#include "testing/kit.h"

static void changes_tell_all_at_first(struct msv_kit *k)
{
	struct msv_changes_result result;
	struct msv_kit_view view;

	SUCCEEDS(k, msv_kit_open_filled(k, &view, 5));
	SUCCEEDS(k, msv_kit_flag(k, &view, 0, MSV_FLAG_DELETED));
	SUCCEEDS(k, msv_kit_expunge(k, &view, NULL));
	SUCCEEDS(k, msv_kit_changes(k, &view, 0, NULL, &result));
	PROMISE(k, view.nrows == 4, "%zu rows for 4 messages", view.nrows);
	PROMISE(k, view.nexpunged == 0, "expunged UIDs are told since 0");
	for (size_t i = 0; i < view.nrows; i++) {
		const struct msv_message *is = &view.rows[i].is;

		PROMISE(k, is->uid > 0 && is->uid < result.uidnext, "UID %u with UIDNEXT %u",
		    is->uid, result.uidnext);
		PROMISE(k, is->modseq > 0 && is->modseq <= result.modseq,
		    "modseq %llu, but the highest is %llu", (unsigned long long)is->modseq,
		    (unsigned long long)result.modseq);
	}
}

/* Breaks the promise unless the rows of the last question ascend. */
static void must_ascend(struct msv_kit *k, const struct msv_kit_view *view)
{
	for (size_t i = 1; i < view->nrows; i++)
		if (view->rows[i - 1].is.uid >= view->rows[i].is.uid)
			msv_kit_break(k, "UID %u comes before %u", view->rows[i - 1].is.uid,
			    view->rows[i].is.uid);
}

static void changes_come_by_ascending_uid(struct msv_kit *k)
{
	struct msv_changes_result result;
	struct msv_kit_view view;

	SUCCEEDS(k, msv_kit_open_filled(k, &view, 10));
	SUCCEEDS(k, msv_kit_flag(k, &view, 7, MSV_FLAG_SEEN));
	SUCCEEDS(k, msv_kit_flag(k, &view, 2, MSV_FLAG_SEEN));
	SUCCEEDS(k, msv_kit_changes(k, &view, 0, NULL, &result));
	must_ascend(k, &view);
	SUCCEEDS(k, msv_kit_changes(k, &view, view.modseq, NULL, &result));
	must_ascend(k, &view);
}

static void changes_tell_news_only(struct msv_kit *k)
{
	struct msv_kit_view view;

	SUCCEEDS(k, msv_kit_open_filled(k, &view, 5));
	SUCCEEDS(k, msv_kit_sync(k, &view));
	PROMISE(k, view.nrows == 0, "%zu rows though nothing has changed", view.nrows);
	PROMISE(k, view.nexpunged == 0, "expunged UIDs though nothing has changed");
	SUCCEEDS(k, msv_kit_flag(k, &view, 2, MSV_FLAG_SEEN));
	SUCCEEDS(k, msv_kit_sync(k, &view));
	PROMISE(k, view.nrows == 1, "%zu rows for 1 change", view.nrows);
	PROMISE(k, view.rows[0].is.uid == view.messages[2].is.uid, "UID %u is told instead of %u",
	    view.rows[0].is.uid, view.messages[2].is.uid);
	uint32_t uid;
	SUCCEEDS(k, msv_kit_append(k, "INBOX", "\r\nnew\r\n", &uid));
	SUCCEEDS(k, msv_kit_sync(k, &view));
	PROMISE(k, view.nrows == 1 && view.rows[0].is.uid == uid,
	    "of a new message UID %u, %zu rows are told", uid, view.nrows);
}

static void changes_of_some_uids(struct msv_kit *k)
{
	struct msv_uid_range ranges[2];
	struct msv_uidset some = { ranges, 2 };
	struct msv_changes_result result;
	struct msv_kit_view view;

	SUCCEEDS(k, msv_kit_open_filled(k, &view, 6));
	uint64_t since = view.modseq;
	SUCCEEDS(k, msv_kit_flag(k, &view, 1, MSV_FLAG_SEEN));
	SUCCEEDS(k, msv_kit_flag(k, &view, 3, MSV_FLAG_SEEN));
	SUCCEEDS(k, msv_kit_flag(k, &view, 4, MSV_FLAG_SEEN));
	SUCCEEDS(k, msv_kit_sync(k, &view));
	ranges[0].first = ranges[0].last = view.messages[0].is.uid;
	ranges[1].first = view.messages[3].is.uid;
	ranges[1].last = view.messages[4].is.uid;
	SUCCEEDS(k, msv_kit_changes(k, &view, 0, &some, &result));
	PROMISE(k, view.nrows == 3, "%zu rows for 3 UIDs", view.nrows);
	for (size_t i = 0; i < 3; i++)
		PROMISE(k, msv_uidset_has(&some, view.rows[i].is.uid), "UID %u was not asked for",
		    view.rows[i].is.uid);
	SUCCEEDS(k, msv_kit_changes(k, &view, since, &some, &result));
	PROMISE(k, view.nrows == 2, "%zu rows for the 2 of 3 UIDs that changed", view.nrows);
	SUCCEEDS(k, msv_kit_changes(k, &view, 0, &(struct msv_uidset){ 0 }, &result));
	PROMISE(k, view.nrows == 0, "%zu rows for no UIDs", view.nrows);
}

static void modseqs_only_grow(struct msv_kit *k)
{
	struct msv_kit_view view;

	SUCCEEDS(k, msv_kit_open_filled(k, &view, 4));
	for (int round = 0; round < 5; round++) {
		uint64_t known = view.modseq;
		size_t n = view.n;

		switch (round) {
		case 0:
			SUCCEEDS(k, msv_kit_flag(k, &view, 0, MSV_FLAG_SEEN));
			break;
		case 1:
			SUCCEEDS(k, msv_kit_append(k, "INBOX", "\r\nx\r\n", NULL));
			n++;
			break;
		case 2:
			SUCCEEDS(k, msv_kit_flag(k, &view, 1, MSV_FLAG_DELETED));
			break;
		case 3:
			SUCCEEDS(k, msv_kit_expunge(k, &view, NULL));
			n--;
			break;
		default:
			break;
		}
		SUCCEEDS(k, msv_kit_sync(k, &view));
		PROMISE(
		    k, view.n == n, "%zu messages instead of %zu in round %d", view.n, n, round);
		PROMISE(k, view.modseq > known || (round == 4 && view.modseq == known),
		    "modseq %llu came after %llu in round %d", (unsigned long long)view.modseq,
		    (unsigned long long)known, round);
		for (size_t i = 0; i < view.nrows; i++)
			PROMISE(k, view.rows[i].is.modseq > known,
			    "a change since %llu has modseq %llu", (unsigned long long)known,
			    (unsigned long long)view.rows[i].is.modseq);
	}
}

static void changes_tell_sizes_and_dates(struct msv_kit *k)
{
	struct msv_kit_content content;
	struct msv_kit_view view;

	SUCCEEDS(k, msv_kit_open_filled(k, &view, 3));
	for (size_t i = 0; i < view.n; i++) {
		const struct msv_message *is = &view.messages[i].is;

		PROMISE(k, is->internal_date > 0, "UID %u has no internal date", is->uid);
		SUCCEEDS(k, msv_kit_msg_open(k, &view, is->uid, &content));
		PROMISE(k, is->octets == content.octets,
		    "UID %u: %llu octets by changes, %llu by msg_open", is->uid,
		    (unsigned long long)is->octets, (unsigned long long)content.octets);
		msv_kit_msg_close(k, &content);
	}
}

static void appends_are_seen_by_openings(struct msv_kit *k)
{
	struct msv_kit_view one, two;
	uint32_t uid;

	SUCCEEDS(k, msv_kit_open_filled(k, &one, 1));
	SUCCEEDS(k, msv_kit_open(k, &two, "INBOX", true));
	SUCCEEDS(k, msv_kit_sync(k, &two));
	SUCCEEDS(k, msv_kit_append(k, "INBOX", "\r\nnews\r\n", &uid));
	SUCCEEDS(k, msv_kit_sync(k, &one));
	SUCCEEDS(k, msv_kit_sync(k, &two));
	PROMISE(k, msv_kit_message(&one, uid) && one.n == 2, "an opening does not see UID %u", uid);
	PROMISE(k, msv_kit_message(&two, uid) && two.n == 2,
	    "a read-only opening does not see UID %u", uid);
	msv_kit_message_is(k, &two, uid, "\r\nnews\r\n");
}

const struct msv_check msv_checks_changes[] = {
	CHECK(changes_tell_all_at_first),
	CHECK(changes_come_by_ascending_uid),
	CHECK(changes_tell_news_only),
	CHECK(changes_of_some_uids),
	CHECK(modseqs_only_grow),
	CHECK(changes_tell_sizes_and_dates),
	CHECK(appends_are_seen_by_openings),
	{ NULL, NULL },
};
