/* Promises about keywords and their numbers. */
#include <stdio.h>
#include <string.h>

#include "testing/kit.h"

/* INBOX with so many messages, opened and known; false when it cannot have
 * keywords, or the promise is broken. */
static bool open_filled(struct msv_kit *k, struct msv_kit_view *view, unsigned n)
{
	int error = msv_kit_open_filled(k, view, n);

	if (error)
		msv_kit_break(k, "INBOX: %s", msv_strerror(error));
	return !error && view->opened.can_create_keywords;
}

static bool has(struct msv_kit *k, struct msv_kit_view *view, size_t i, const char *keyword)
{
	return i < view->n && msv_kit_has_keyword(k, view, &view->messages[i].is, keyword);
}

static void keywords_are_kept(struct msv_kit *k)
{
	struct msv_kit_view view;

	if (!open_filled(k, &view, 2))
		return;
	uint32_t uid = view.messages[0].is.uid;
	SUCCEEDS(k, msv_kit_flags(k, &view, UIDS(uid, uid), MSV_FLAGS_ADD, 0, "$Label1"));
	SUCCEEDS(k, msv_kit_flags(k, &view, UIDS(uid, uid), MSV_FLAGS_ADD, MSV_FLAG_SEEN, "later"));
	SUCCEEDS(k, msv_kit_sync(k, &view));
	PROMISE(k, has(k, &view, 0, "$Label1"), "$Label1 is not there");
	PROMISE(k, has(k, &view, 0, "later"), "later is not there");
	PROMISE(k, view.messages[1].is.keywords == 0, "another message has keywords");
	msv_kit_close(k, &view);
	SUCCEEDS(k, msv_kit_open(k, &view, "INBOX", true));
	SUCCEEDS(k, msv_kit_sync(k, &view));
	PROMISE(k, has(k, &view, 0, "$Label1"), "$Label1 is gone when opened again");
	PROMISE(k, has(k, &view, 0, "later"), "later is gone when opened again");
}

static void keywords_are_removed_and_replaced(struct msv_kit *k)
{
	struct msv_kit_view view;

	if (!open_filled(k, &view, 1))
		return;
	SUCCEEDS(k, msv_kit_flags(k, &view, ALL_UIDS, MSV_FLAGS_ADD, 0, "a"));
	SUCCEEDS(k, msv_kit_flags(k, &view, ALL_UIDS, MSV_FLAGS_ADD, 0, "b"));
	SUCCEEDS(k, msv_kit_flags(k, &view, ALL_UIDS, MSV_FLAGS_REMOVE, 0, "a"));
	SUCCEEDS(k, msv_kit_sync(k, &view));
	PROMISE(k, !has(k, &view, 0, "a") && has(k, &view, 0, "b"), "remove took another keyword");
	SUCCEEDS(k, msv_kit_flags(k, &view, ALL_UIDS, MSV_FLAGS_REMOVE, 0, "unknown"));
	SUCCEEDS(k, msv_kit_flags(k, &view, ALL_UIDS, MSV_FLAGS_REPLACE, MSV_FLAG_SEEN, "c"));
	SUCCEEDS(k, msv_kit_sync(k, &view));
	PROMISE(k, !has(k, &view, 0, "b") && has(k, &view, 0, "c"), "replace left other keywords");
	SUCCEEDS(k, msv_kit_flags(k, &view, ALL_UIDS, MSV_FLAGS_REPLACE, 0, NULL));
	SUCCEEDS(k, msv_kit_sync(k, &view));
	PROMISE(k, view.messages[0].is.keywords == 0, "replace by nothing left keywords");
}

static void keywords_come_with_append(struct msv_kit *k)
{
	static const char *const keywords[] = { "$Junk", "todo" };
	struct msv_append_message message = {
		.size = sizeof(message),
		.keywords = keywords,
		.nkeywords = 2,
	};
	struct msv_kit_view view;

	if (!open_filled(k, &view, 0))
		return;
	SUCCEEDS(k, msv_kit_append_with(k, "INBOX", &message, "\r\nx\r\n", NULL));
	SUCCEEDS(k, msv_kit_sync(k, &view));
	PROMISE(k, has(k, &view, 0, "$Junk") && has(k, &view, 0, "todo"),
	    "an appended message lacks its keywords");
}

static void keywords_ignore_case(struct msv_kit *k)
{
	struct msv_kit_view view;

	if (!open_filled(k, &view, 2))
		return;
	uint32_t one = view.messages[0].is.uid, two = view.messages[1].is.uid;
	SUCCEEDS(k, msv_kit_flags(k, &view, UIDS(one, one), MSV_FLAGS_ADD, 0, "$Label"));
	SUCCEEDS(k, msv_kit_flags(k, &view, UIDS(two, two), MSV_FLAGS_ADD, 0, "$LABEL"));
	SUCCEEDS(k, msv_kit_sync(k, &view));
	PROMISE(k, has(k, &view, 0, "$Label") && has(k, &view, 1, "$Label"),
	    "$Label and $LABEL are two keywords");
	SUCCEEDS(k, msv_kit_flags(k, &view, UIDS(one, one), MSV_FLAGS_REMOVE, 0, "$label"));
	SUCCEEDS(k, msv_kit_sync(k, &view));
	PROMISE(k, !has(k, &view, 0, "$Label"), "$label does not remove $Label");
}

/* -- Numbers -------------------------------------------------------------------------------- */

/* The name of each number, "" when there is none. */
static void read_names(struct msv_kit *k, struct msv_kit_view *view, char names[64][32])
{
	for (unsigned i = 0; i < 64; i++) {
		const char *name = k->store->keyword(k->store->self, view->mailbox, i);

		snprintf(names[i], 32, "%s", name ? name : "");
	}
}

static void keyword_numbers_stay(struct msv_kit *k)
{
	struct msv_kit_view view, other;
	char before[64][32], after[64][32];

	if (!open_filled(k, &view, 2))
		return;
	SUCCEEDS(k, msv_kit_flags(k, &view, ALL_UIDS, MSV_FLAGS_ADD, 0, "zebra"));
	SUCCEEDS(k, msv_kit_flags(k, &view, ALL_UIDS, MSV_FLAGS_ADD, 0, "monkey"));
	SUCCEEDS(k, msv_kit_sync(k, &view));
	read_names(k, &view, before);
	SUCCEEDS(k, msv_kit_open(k, &other, "INBOX", false));
	SUCCEEDS(k, msv_kit_flags(k, &other, ALL_UIDS, MSV_FLAGS_ADD, 0, "ant"));
	SUCCEEDS(k, msv_kit_flags(k, &other, ALL_UIDS, MSV_FLAGS_REMOVE, 0, "zebra"));
	SUCCEEDS(k, msv_kit_flags(k, &other, ALL_UIDS, MSV_FLAGS_ADD, 0, "bee"));
	SUCCEEDS(k, msv_kit_sync(k, &view));
	read_names(k, &view, after);
	for (unsigned i = 0; i < 64; i++)
		PROMISE(k, before[i][0] == '\0' || strcmp(before[i], after[i]) == 0,
		    "number %u went from \"%s\" to \"%s\"", i, before[i], after[i]);
	for (size_t i = 0; i < 2; i++) {
		PROMISE(k, has(k, &view, i, "monkey"), "monkey is not there any more");
		PROMISE(k, has(k, &view, i, "ant") && has(k, &view, i, "bee"),
		    "keywords of another opening are not there");
		PROMISE(k, !has(k, &view, i, "zebra"), "zebra is still there");
	}
}

static void too_many_keywords_change_nothing(struct msv_kit *k)
{
	struct msv_kit_view view;
	char name[16];
	int error = 0;

	if (!open_filled(k, &view, 1))
		return;
	for (int i = 0; i < 70 && !error; i++) {
		snprintf(name, sizeof(name), "key%d", i);
		error = msv_kit_flags(k, &view, ALL_UIDS, MSV_FLAGS_ADD, 0, name);
	}
	PROMISE(k, error == MSV_ERR_LIMIT, "70 keywords give \"%s\"", msv_strerror(error));
	SUCCEEDS(k, msv_kit_sync(k, &view));
	uint64_t keywords = view.messages[0].is.keywords;
	RETURNS(k, MSV_ERR_LIMIT,
	    msv_kit_flags(k, &view, ALL_UIDS, MSV_FLAGS_REPLACE, MSV_FLAG_SEEN, "more"));
	SUCCEEDS(k, msv_kit_sync(k, &view));
	PROMISE(k, !(view.messages[0].is.flags & MSV_FLAG_SEEN),
	    "a change that was refused has set \\Seen");
	PROMISE(k, view.messages[0].is.keywords == keywords,
	    "a change that was refused has changed keywords");
	SUCCEEDS(k, msv_kit_flags(k, &view, ALL_UIDS, MSV_FLAGS_ADD, MSV_FLAG_SEEN, "key0"));
}

const struct msv_check msv_checks_keywords[] = {
	CHECK(keywords_are_kept),
	CHECK(keywords_are_removed_and_replaced),
	CHECK(keywords_come_with_append),
	CHECK(keywords_ignore_case),
	CHECK(keyword_numbers_stay),
	CHECK(too_many_keywords_change_nothing),
	{ NULL, NULL },
};
