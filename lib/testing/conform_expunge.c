/* Promises about expunge, and that UIDs are never used again. */
#include <string.h>

#include "testing/kit.h"

/* INBOX with so many messages, of which those of the bits are \Deleted. */
static int open_deleted(struct msv_kit *k, struct msv_kit_view *view, unsigned n, unsigned bits)
{
	int error = msv_kit_open_filled(k, view, n);

	for (unsigned i = 0; i < n && !error; i++)
		if (bits >> i & 1)
			error = msv_kit_flag(k, view, i, MSV_FLAG_DELETED);
	return error;
}

static void expunge_takes_the_deleted(struct msv_kit *k)
{
	struct msv_kit_view view;

	SUCCEEDS(k, open_deleted(k, &view, 5, 0x0a));
	uint32_t kept = view.messages[2].is.uid, gone = view.messages[1].is.uid;
	SUCCEEDS(k, msv_kit_expunge(k, &view, NULL));
	SUCCEEDS(k, msv_kit_sync(k, &view));
	PROMISE(k, view.n == 3, "%zu messages are left of 3", view.n);
	PROMISE(k, msv_kit_message(&view, kept), "UID %u was not \\Deleted and is gone", kept);
	PROMISE(k, !msv_kit_message(&view, gone), "UID %u was \\Deleted and is there", gone);
	struct msv_mailbox_status status;
	SUCCEEDS(k, msv_kit_status(k, "INBOX", &status));
	PROMISE(k, status.messages == 3 && status.deleted == 0,
	    "status tells %u messages, %u deleted", status.messages, status.deleted);
}

/* UID EXPUNGE (RFC 4315 2.1) */
static void expunge_heeds_uids(struct msv_kit *k)
{
	struct msv_kit_view view;

	SUCCEEDS(k, open_deleted(k, &view, 4, 0x07));
	uint32_t second = view.messages[1].is.uid, last = view.messages[3].is.uid;
	SUCCEEDS(k, msv_kit_expunge(k, &view, UIDS(second, last)));
	SUCCEEDS(k, msv_kit_sync(k, &view));
	PROMISE(k, view.n == 2, "%zu messages are left of 2", view.n);
	PROMISE(k, msv_kit_message(&view, last), "a message that is not \\Deleted is gone");
	PROMISE(k, view.messages[0].is.uid < second, "a message whose UID was not given is gone");
	SUCCEEDS(k, msv_kit_expunge(k, &view, UIDS(second, second)));
}

static void expunges_are_told(struct msv_kit *k)
{
	struct msv_kit_view one, two;

	SUCCEEDS(k, open_deleted(k, &one, 6, 0x2c));
	SUCCEEDS(k, msv_kit_open(k, &two, "INBOX", true));
	SUCCEEDS(k, msv_kit_sync(k, &two));
	SUCCEEDS(k, msv_kit_expunge(k, &one, NULL));
	SUCCEEDS(k, msv_kit_sync(k, &two));
	PROMISE(k, two.n == 3, "another opening has %zu messages instead of 3", two.n);
	SUCCEEDS(k, msv_kit_sync(k, &one));
	PROMISE(k, one.n == 3, "the opening itself has %zu messages instead of 3", one.n);
	SUCCEEDS(k, msv_kit_sync(k, &one));
	PROMISE(k, one.nexpunged == 0, "expunged UIDs are told again");
}

/* A question since any earlier modseq tells of all that went since. */
static void expunges_are_remembered(struct msv_kit *k)
{
	struct msv_changes_result result;
	struct msv_kit_view view;

	SUCCEEDS(k, open_deleted(k, &view, 6, 0));
	uint64_t since = view.modseq;
	for (size_t i = 1; i < 4; i++) {
		SUCCEEDS(k, msv_kit_flag(k, &view, i, MSV_FLAG_DELETED));
		SUCCEEDS(k, msv_kit_expunge(k, &view, NULL));
		SUCCEEDS(k, msv_kit_changes(k, &view, view.modseq, NULL, &result));
	}
	SUCCEEDS(k, msv_kit_changes(k, &view, since, NULL, &result));
	for (size_t i = 0; i < view.nexpunged; i++)
		for (size_t j = 0; j < i; j++)
			PROMISE(k,
			    view.expunged[j].last < view.expunged[i].first ||
			        view.expunged[i].last < view.expunged[j].first,
			    "UID %u is told as expunged twice", view.expunged[i].first);
	for (size_t i = 0; i < 6; i++) {
		uint32_t uid = view.messages[i].is.uid;
		bool gone = i >= 1 && i < 4;

		PROMISE(k, msv_kit_expunged(&view, uid) == gone, "UID %u is told as %s", uid,
		    gone ? "there" : "expunged");
	}
	uint32_t second = view.messages[2].is.uid;
	SUCCEEDS(k, msv_kit_changes(k, &view, since, UIDS(second, second), &result));
	PROMISE(k,
	    view.nexpunged == 1 && view.expunged[0].first == second &&
	        view.expunged[0].last == second,
	    "asked about one UID that is gone, others are told");
}

static void uids_are_never_used_again(struct msv_kit *k)
{
	struct msv_mailbox_status before, after;
	struct msv_kit_view view;
	uint32_t uid;

	SUCCEEDS(k, open_deleted(k, &view, 3, 0x7));
	uint32_t last = view.messages[2].is.uid;
	SUCCEEDS(k, msv_kit_status(k, "INBOX", &before));
	SUCCEEDS(k, msv_kit_expunge(k, &view, NULL));
	SUCCEEDS(k, msv_kit_status(k, "INBOX", &after));
	PROMISE(k, after.uidnext >= before.uidnext, "UIDNEXT fell from %u to %u", before.uidnext,
	    after.uidnext);
	PROMISE(k, after.uidvalidity == before.uidvalidity, "UIDVALIDITY went from %u to %u",
	    before.uidvalidity, after.uidvalidity);
	SUCCEEDS(k, msv_kit_append(k, "INBOX", "\r\nx\r\n", &uid));
	PROMISE(k, uid > last, "UID %u was used again", uid);
	SUCCEEDS(k, msv_kit_sync(k, &view));
	msv_kit_close(k, &view);
	SUCCEEDS(k, msv_kit_open(k, &view, "INBOX", false));
	SUCCEEDS(k, msv_kit_sync(k, &view));
	PROMISE(k, view.n == 1 && view.messages[0].is.uid == uid,
	    "opened again, the message has UID %u instead of %u", view.messages[0].is.uid, uid);
}

static void uids_ascend(struct msv_kit *k)
{
	struct msv_kit_copied copied;
	struct msv_kit_view view;
	uint32_t last = 0, uid;

	SUCCEEDS(k, open_deleted(k, &view, 1, 0));
	for (int i = 0; i < 6; i++) {
		if (i % 2) {
			SUCCEEDS(k, msv_kit_copy(k, &view, ALL_UIDS, "INBOX", &copied));
			uid = msv_kit_nth(&copied.dest_set, 0);
		} else {
			SUCCEEDS(k, msv_kit_append(k, "INBOX", "\r\nx\r\n", &uid));
		}
		PROMISE(k, uid > last, "UID %u came after %u", uid, last);
		SUCCEEDS(k, msv_kit_sync(k, &view));
		last = view.messages[view.n - 1].is.uid;
		PROMISE(k, last >= uid, "UID %u is not seen", uid);
	}
}

const struct msv_check msv_checks_expunge[] = {
	CHECK(expunge_takes_the_deleted),
	CHECK(expunge_heeds_uids),
	CHECK(expunges_are_told),
	CHECK(expunges_are_remembered),
	CHECK(uids_are_never_used_again),
	CHECK(uids_ascend),
	{ NULL, NULL },
};
