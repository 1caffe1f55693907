/* Promises about watches: "look again" comes, within a second, from the loop. */
#include <stdio.h>
#include <string.h>

#include "testing/kit.h"

#define WITHIN 1000 /* ms */

/* What a watch was told. */
struct looks {
	struct msv_kit *kit;
	unsigned n;
	unsigned lists; /* of them without a name */
	char names[KIT_ROWS][KIT_NAME];
	bool asking; /* a call into the store is under way */
	struct msv_store_watch *unwatch;
};

static void look(void *user, const char *mailbox)
{
	struct looks *looks = user;

	if (looks->asking)
		msv_kit_break(looks->kit, "look was called inside a call of the store");
	snprintf(looks->names[looks->n % KIT_ROWS], KIT_NAME, "%s", mailbox ? mailbox : "");
	looks->n++;
	looks->lists += mailbox == NULL;
	if (looks->unwatch)
		msv_kit_unwatch(looks->kit, looks->unwatch);
	looks->unwatch = NULL;
}

/* Lets pass what an early look may still tell of. */
static void settle(struct msv_kit *k, struct looks *looks)
{
	msv_test_advance(k->test, 3 * WITHIN);
	looks->n = looks->lists = 0;
}

static bool was_named(struct msv_kit *k, const struct looks *looks, const char *name)
{
	char buf[KIT_NAME];

	msv_kit_name(k, name, buf);
	for (unsigned i = 0; i < looks->n && i < KIT_ROWS; i++)
		if (strcmp(looks->names[i], buf) == 0)
			return true;
	return false;
}

static void others_changes_are_watched(struct msv_kit *k)
{
	struct looks looks = { .kit = k };
	struct msv_store_watch *watch;
	struct msv_kit_view view, other;

	SUCCEEDS(k, msv_kit_open_filled(k, &view, 1));
	SUCCEEDS(k, msv_kit_open(k, &other, "INBOX", false));
	SUCCEEDS(k, msv_kit_sync(k, &other));
	SUCCEEDS(k, msv_kit_watch(k, &view, look, &looks, &watch));
	settle(k, &looks);
	SUCCEEDS(k, msv_kit_append(k, "INBOX", "\r\nx\r\n", NULL));
	msv_test_advance(k->test, WITHIN);
	PROMISE(k, looks.n > 0, "no look within a second of an append");
	SUCCEEDS(k, msv_kit_sync(k, &view));
	PROMISE(k, view.n == 2, "after the look %zu messages are seen", view.n);
	settle(k, &looks);
	SUCCEEDS(k, msv_kit_flag(k, &other, 0, MSV_FLAG_DELETED));
	msv_test_advance(k->test, WITHIN);
	PROMISE(k, looks.n > 0, "no look within a second of a change of flags");
	settle(k, &looks);
	SUCCEEDS(k, msv_kit_expunge(k, &other, NULL));
	msv_test_advance(k->test, WITHIN);
	PROMISE(k, looks.n > 0, "no look within a second of an expunge");
}

static void own_changes_are_watched(struct msv_kit *k)
{
	struct looks looks = { .kit = k };
	struct msv_store_watch *watch;
	struct msv_kit_view view;

	SUCCEEDS(k, msv_kit_open_filled(k, &view, 2));
	SUCCEEDS(k, msv_kit_watch(k, &view, look, &looks, &watch));
	settle(k, &looks);
	SUCCEEDS(k, msv_kit_flag(k, &view, 0, MSV_FLAG_SEEN));
	msv_test_advance(k->test, WITHIN);
	PROMISE(k, looks.n > 0, "no look within a second of a change of its own");
}

static void look_comes_from_the_loop(struct msv_kit *k)
{
	struct looks looks = { .kit = k };
	struct msv_kit_answer a = { 0 };
	struct msv_store_watch *watch;
	struct msv_kit_view view;

	SUCCEEDS(k, msv_kit_open_filled(k, &view, 1));
	SUCCEEDS(k, msv_kit_watch(k, &view, look, &looks, &watch));
	if (!msv_kit_ask(k, &a))
		return;
	looks.asking = true;
	k->store->flags(k->store->self, view.mailbox, ALL_UIDS,
	    &(struct msv_flag_change){
	        .size = sizeof(struct msv_flag_change), .flags = MSV_FLAG_SEEN },
	    (struct msv_flags_op){ a.op });
	looks.asking = false;
	SUCCEEDS(k, msv_kit_wait(&a));
	msv_test_advance(k->test, WITHIN);
}

static void unwatch_is_the_end(struct msv_kit *k)
{
	struct looks looks = { .kit = k }, inside = { .kit = k };
	struct msv_store_watch *watch;
	struct msv_kit_view view;

	SUCCEEDS(k, msv_kit_open_filled(k, &view, 1));
	SUCCEEDS(k, msv_kit_watch(k, &view, look, &looks, &watch));
	SUCCEEDS(k, msv_kit_watch(k, &view, look, &inside, &inside.unwatch));
	settle(k, &looks);
	SUCCEEDS(k, msv_kit_flag(k, &view, 0, MSV_FLAG_SEEN));
	msv_kit_unwatch(k, watch);
	looks.n = 0;
	msv_test_advance(k->test, 3 * WITHIN);
	PROMISE(k, looks.n == 0, "a look came after unwatch");
	unsigned n = inside.n;
	PROMISE(k, n > 0, "no look within a second of a change");
	SUCCEEDS(k, msv_kit_flag(k, &view, 0, MSV_FLAG_DRAFT));
	msv_test_advance(k->test, 3 * WITHIN);
	PROMISE(k, inside.n == n, "a look came after unwatch inside a look");
}

/* A watch of the account names the mailbox. */
static void account_watch_names_mailboxes(struct msv_kit *k)
{
	struct looks looks = { .kit = k };
	struct msv_store_watch *watch;

	SUCCEEDS(k, msv_kit_create(k, "Work", 0));
	SUCCEEDS(k, msv_kit_create(k, "Play", 0));
	SUCCEEDS(k, msv_kit_watch(k, NULL, look, &looks, &watch));
	settle(k, &looks);
	SUCCEEDS(k, msv_kit_append(k, "Work", "\r\nx\r\n", NULL));
	SUCCEEDS(k, msv_kit_append(k, "INBOX", "\r\nx\r\n", NULL));
	msv_test_advance(k->test, WITHIN);
	PROMISE(k, was_named(k, &looks, "Work"), "Work is not named within a second of an append");
	PROMISE(
	    k, was_named(k, &looks, "INBOX"), "INBOX is not named within a second of an append");
}

static void account_watch_tells_of_the_list(struct msv_kit *k)
{
	struct looks looks = { .kit = k };
	struct msv_store_watch *watch;

	SUCCEEDS(k, msv_kit_create(k, "Work", 0));
	SUCCEEDS(k, msv_kit_watch(k, NULL, look, &looks, &watch));
	for (int step = 0; step < 3; step++) {
		settle(k, &looks);
		switch (step) {
		case 0:
			SUCCEEDS(k, msv_kit_create(k, "Play", 0));
			break;
		case 1:
			SUCCEEDS(k, msv_kit_rename(k, "Play", "Game"));
			break;
		default:
			SUCCEEDS(k, msv_kit_remove(k, "Game"));
			break;
		}
		msv_test_advance(k->test, WITHIN);
		PROMISE(k, looks.lists > 0, "no look at the list within a second of %s",
		    step == 0   ? "create"
		    : step == 1 ? "rename"
		                : "remove");
	}
}

const struct msv_check msv_checks_watch[] = {
	CHECK(others_changes_are_watched),
	CHECK(own_changes_are_watched),
	CHECK(look_comes_from_the_loop),
	CHECK(unwatch_is_the_end),
	CHECK(account_watch_names_mailboxes),
	CHECK(account_watch_tells_of_the_list),
	{ NULL, NULL },
};
