/* Promises about rename. */
#include <string.h>

#include "testing/kit.h"

/* Breaks the promise unless the mailbox holds the messages 1 to n. */
static bool holds(struct msv_kit *k, const char *name, unsigned n)
{
	struct msv_kit_view view;
	char text[200];
	int error = msv_kit_open(k, &view, name, true);

	if (!error)
		error = msv_kit_sync(k, &view);
	if (error) {
		msv_kit_break(k, "\"%s\": %s", name, msv_strerror(error));
		return false;
	}
	if (view.n != n)
		msv_kit_break(k, "\"%s\" has %zu messages instead of %u", name, view.n, n);
	for (unsigned i = 0; i < view.n && k->broken.n == 0; i++)
		msv_kit_message_is(k, &view, view.messages[i].is.uid, msv_kit_text(i + 1, text));
	msv_kit_close(k, &view);
	return k->broken.n == 0;
}

static void rename_takes_messages_along(struct msv_kit *k)
{
	struct msv_mailbox_status status;

	SUCCEEDS(k, msv_kit_create(k, "Old", 0));
	SUCCEEDS(k, msv_kit_fill(k, "Old", 3));
	SUCCEEDS(k, msv_kit_rename(k, "Old", "New"));
	PROMISE(k, !msv_kit_exists(k, "Old"), "the old name is in the list");
	RETURNS(k, MSV_ERR_NOTFOUND, msv_kit_status(k, "Old", &status));
	PROMISE(k, msv_kit_exists(k, "New"), "the new name is not in the list");
	holds(k, "New", 3);
}

static void rename_takes_children_along(struct msv_kit *k)
{
	SUCCEEDS(k, msv_kit_create(k, "Old/a/b", 0));
	SUCCEEDS(k, msv_kit_create(k, "Older", 0));
	SUCCEEDS(k, msv_kit_fill(k, "Old/a/b", 2));
	SUCCEEDS(k, msv_kit_rename(k, "Old", "New"));
	PROMISE(k, !msv_kit_exists(k, "Old/a"), "a child is still at the old name");
	PROMISE(k, msv_kit_exists(k, "New/a"), "a child did not follow");
	PROMISE(k, msv_kit_exists(k, "Older"), "a mailbox that only begins alike is gone");
	holds(k, "New/a/b", 2);
}

static void rename_makes_parents(struct msv_kit *k)
{
	SUCCEEDS(k, msv_kit_create(k, "Old", 0));
	SUCCEEDS(k, msv_kit_fill(k, "Old", 1));
	SUCCEEDS(k, msv_kit_rename(k, "Old", "X/Y/New"));
	PROMISE(k, msv_kit_exists(k, "X"), "X was not made with X/Y/New");
	PROMISE(k, msv_kit_exists(k, "X/Y"), "X/Y was not made with X/Y/New");
	holds(k, "X/Y/New", 1);
}

/* Clients cache by name, UIDVALIDITY and UID: the three must not come to mean
 * another message. */
static void rename_keeps_or_renews_uids(struct msv_kit *k)
{
	struct msv_kit_view view;
	char text[200];

	SUCCEEDS(k, msv_kit_create(k, "A", 0));
	SUCCEEDS(k, msv_kit_fill(k, "A", 2));
	SUCCEEDS(k, msv_kit_create(k, "B", 0));
	SUCCEEDS(k, msv_kit_open(k, &view, "A", true));
	SUCCEEDS(k, msv_kit_sync(k, &view));
	uint32_t uidvalidity = view.opened.status.uidvalidity, uid = view.messages[1].is.uid;
	msv_kit_close(k, &view);
	SUCCEEDS(k, msv_kit_rename(k, "A", "C"));
	SUCCEEDS(k, msv_kit_rename(k, "B", "A"));
	SUCCEEDS(k, msv_kit_open(k, &view, "A", true));
	PROMISE(k, view.opened.status.uidvalidity != uidvalidity,
	    "another mailbox came to an old name and has its UIDVALIDITY %u", uidvalidity);
	msv_kit_close(k, &view);
	SUCCEEDS(k, msv_kit_open(k, &view, "C", true));
	if (view.opened.status.uidvalidity == uidvalidity)
		msv_kit_message_is(k, &view, uid, msv_kit_text(2, text));
}

static void rename_refuses(struct msv_kit *k)
{
	SUCCEEDS(k, msv_kit_create(k, "A", 0));
	SUCCEEDS(k, msv_kit_fill(k, "A", 1));
	SUCCEEDS(k, msv_kit_create(k, "B", 0));
	SUCCEEDS(k, msv_kit_fill(k, "B", 2));
	RETURNS(k, MSV_ERR_NOTFOUND, msv_kit_rename(k, "Nowhere", "C"));
	RETURNS(k, MSV_ERR_EXISTS, msv_kit_rename(k, "A", "B"));
	RETURNS(k, MSV_ERR_EXISTS, msv_kit_rename(k, "A", "INBOX"));
	RETURNS(k, MSV_ERR_EXISTS, msv_kit_rename(k, "INBOX", "B"));
	RETURNS(k, MSV_ERR_FORMAT, msv_kit_rename(k, "A", "A/B"));
	PROMISE(k, !msv_kit_exists(k, "C"), "a rename that failed made a mailbox");
	PROMISE(k, !msv_kit_exists(k, "A/B"), "a rename that failed made a mailbox");
	if (holds(k, "A", 1))
		holds(k, "B", 2);
}

/* RFC 3501 6.3.5 */
static void rename_of_inbox(struct msv_kit *k)
{
	struct msv_kit_view inbox;
	int child = msv_kit_create(k, "INBOX/child", 0);

	SUCCEEDS(k, msv_kit_fill(k, "INBOX", 3));
	SUCCEEDS(k, msv_kit_open(k, &inbox, "INBOX", false));
	SUCCEEDS(k, msv_kit_sync(k, &inbox));
	uint32_t last = inbox.messages[2].is.uid, uid;
	SUCCEEDS(k, msv_kit_rename(k, "INBOX", "Old mail"));
	PROMISE(k, msv_kit_exists(k, "INBOX"), "INBOX went away");
	SUCCEEDS(k, msv_kit_sync(k, &inbox));
	PROMISE(k, inbox.n == 0, "%zu messages stayed in INBOX", inbox.n);
	if (!holds(k, "Old mail", 3))
		return;
	PROMISE(k, child || msv_kit_exists(k, "INBOX/child"), "a child of INBOX is gone");
	PROMISE(k, child || !msv_kit_exists(k, "Old mail/child"), "a child of INBOX followed");
	SUCCEEDS(k, msv_kit_append(k, "INBOX", "\r\nnew\r\n", &uid));
	PROMISE(k, uid > last, "INBOX gives out UID %u again", uid);
}

const struct msv_check msv_checks_rename[] = {
	CHECK(rename_takes_messages_along),
	CHECK(rename_takes_children_along),
	CHECK(rename_makes_parents),
	CHECK(rename_keeps_or_renews_uids),
	CHECK(rename_refuses),
	CHECK(rename_of_inbox),
	{ NULL, NULL },
};
