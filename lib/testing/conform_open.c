/* Promises about openings and \Recent. */
#include <string.h>

#include "testing/kit.h"

static void open_tells_the_status(struct msv_kit *k)
{
	struct msv_mailbox_status status;
	struct msv_kit_view view;

	SUCCEEDS(k, msv_kit_fill(k, "INBOX", 3));
	SUCCEEDS(k, msv_kit_status(k, "INBOX", &status));
	SUCCEEDS(k, msv_kit_open(k, &view, "INBOX", false));
	const struct msv_mailbox_status *opened = &view.opened.status;
	PROMISE(k, opened->uidvalidity == status.uidvalidity, "UIDVALIDITY %u, and %u by status",
	    opened->uidvalidity, status.uidvalidity);
	PROMISE(k, opened->uidnext == status.uidnext, "UIDNEXT %u, and %u by status",
	    opened->uidnext, status.uidnext);
	PROMISE(k, opened->messages == 3, "%u messages instead of 3", opened->messages);
	PROMISE(k, opened->unseen == 3, "%u unseen instead of 3", opened->unseen);
}

static void open_says_what_can_be_kept(struct msv_kit *k)
{
	static const uint32_t system = MSV_FLAG_SEEN | MSV_FLAG_ANSWERED | MSV_FLAG_FLAGGED |
	                               MSV_FLAG_DELETED | MSV_FLAG_DRAFT;
	struct msv_kit_view view;

	SUCCEEDS(k, msv_kit_open(k, &view, "INBOX", false));
	PROMISE(k, !view.opened.readonly, "INBOX opens read-only");
	PROMISE(k, (view.opened.permanent_flags & system) == system,
	    "of the system flags only %#x can be kept", view.opened.permanent_flags);
	PROMISE(k, !(view.opened.permanent_flags & MSV_FLAG_RECENT), "\\Recent can be kept");
	SUCCEEDS(k, msv_kit_open(k, &view, "INBOX", true));
	PROMISE(k, view.opened.readonly, "a read-only opening does not say so");
}

static void readonly_refuses_changes(struct msv_kit *k)
{
	struct msv_kit_view view;
	struct msv_kit_copied copied;

	SUCCEEDS(k, msv_kit_create(k, "Dest", 0));
	SUCCEEDS(k, msv_kit_append_with(k, "INBOX",
	                &(struct msv_append_message){
	                    .size = sizeof(struct msv_append_message), .flags = MSV_FLAG_DELETED },
	                "\r\nx\r\n", NULL));
	SUCCEEDS(k, msv_kit_open(k, &view, "INBOX", true));
	SUCCEEDS(k, msv_kit_sync(k, &view));
	RETURNS(k, MSV_ERR_DENIED,
	    msv_kit_flags(k, &view, ALL_UIDS, MSV_FLAGS_ADD, MSV_FLAG_SEEN, NULL));
	RETURNS(k, MSV_ERR_DENIED, msv_kit_expunge(k, &view, NULL));
	RETURNS(k, MSV_ERR_DENIED, msv_kit_move(k, &view, ALL_UIDS, "Dest", &copied));
	SUCCEEDS(k, msv_kit_copy(k, &view, ALL_UIDS, "Dest", &copied));
	SUCCEEDS(k, msv_kit_sync(k, &view));
	PROMISE(k, view.n == 1 && !(view.messages[0].is.flags & MSV_FLAG_SEEN),
	    "a read-only opening changed the message");
}

/* -- \Recent --------------------------------------------------------------------------- */

static unsigned count_recent(const struct msv_kit_view *view)
{
	unsigned n = 0;

	for (size_t i = 0; i < view->n; i++)
		n += (view->messages[i].is.flags & MSV_FLAG_RECENT) != 0;
	return n;
}

static void recent_goes_to_one(struct msv_kit *k)
{
	struct msv_kit_view first, second;

	SUCCEEDS(k, msv_kit_fill(k, "INBOX", 2));
	SUCCEEDS(k, msv_kit_open(k, &first, "INBOX", false));
	SUCCEEDS(k, msv_kit_open(k, &second, "INBOX", false));
	SUCCEEDS(k, msv_kit_sync(k, &second));
	SUCCEEDS(k, msv_kit_sync(k, &first));
	PROMISE(k, first.opened.status.recent == 2, "the first opening is told of %u recent",
	    first.opened.status.recent);
	PROMISE(k, count_recent(&first) == 2, "to the first opening %u are \\Recent",
	    count_recent(&first));
	PROMISE(k, count_recent(&second) == 0, "to the second opening %u are \\Recent, too",
	    count_recent(&second));
}

static void recent_of_new_mail_goes_to_one(struct msv_kit *k)
{
	struct msv_kit_view first, second;

	SUCCEEDS(k, msv_kit_open(k, &first, "INBOX", false));
	SUCCEEDS(k, msv_kit_open(k, &second, "INBOX", false));
	SUCCEEDS(k, msv_kit_fill(k, "INBOX", 3));
	SUCCEEDS(k, msv_kit_sync(k, &first));
	SUCCEEDS(k, msv_kit_sync(k, &second));
	unsigned n = count_recent(&first) + count_recent(&second);
	PROMISE(k, n == 3, "two openings have %u \\Recent of 3 new messages", n);
}

static void recent_stays_when_read_only(struct msv_kit *k)
{
	struct msv_kit_view looking, taking;

	SUCCEEDS(k, msv_kit_fill(k, "INBOX", 2));
	SUCCEEDS(k, msv_kit_open(k, &looking, "INBOX", true));
	SUCCEEDS(k, msv_kit_sync(k, &looking));
	PROMISE(k, count_recent(&looking) == 2, "read-only %u of 2 are \\Recent",
	    count_recent(&looking));
	SUCCEEDS(k, msv_kit_open(k, &taking, "INBOX", false));
	SUCCEEDS(k, msv_kit_sync(k, &taking));
	PROMISE(k, count_recent(&taking) == 2, "a read-only opening took \\Recent");
}

static void recent_is_not_set_by_callers(struct msv_kit *k)
{
	struct msv_kit_view view;

	SUCCEEDS(k, msv_kit_fill(k, "INBOX", 2));
	SUCCEEDS(k, msv_kit_open(k, &view, "INBOX", false));
	SUCCEEDS(k, msv_kit_sync(k, &view));
	SUCCEEDS(k, msv_kit_flags(k, &view, ALL_UIDS, MSV_FLAGS_REPLACE, MSV_FLAG_SEEN, NULL));
	SUCCEEDS(k, msv_kit_sync(k, &view));
	PROMISE(k, count_recent(&view) == 2, "replaced flags took \\Recent away");
}

const struct msv_check msv_checks_open[] = {
	CHECK(open_tells_the_status),
	CHECK(open_says_what_can_be_kept),
	CHECK(readonly_refuses_changes),
	CHECK(recent_goes_to_one),
	CHECK(recent_of_new_mail_goes_to_one),
	CHECK(recent_stays_when_read_only),
	CHECK(recent_is_not_set_by_callers),
	{ NULL, NULL },
};
