/* Promises about move (RFC 6851). */
#include <string.h>

#include "testing/kit.h"

static int prepare(struct msv_kit *k, struct msv_kit_view *view, unsigned n)
{
	int error = msv_kit_create(k, "Dest", 0);

	return error ? error : msv_kit_open_filled(k, view, n);
}

static void move_takes_the_originals(struct msv_kit *k)
{
	struct msv_kit_copied copied;
	struct msv_kit_view view, dest;
	char text[200];

	SUCCEEDS(k, prepare(k, &view, 4));
	uint32_t second = view.messages[1].is.uid, third = view.messages[2].is.uid;
	SUCCEEDS(k, msv_kit_flag(k, &view, 1, MSV_FLAG_ANSWERED));
	SUCCEEDS(k, msv_kit_move(k, &view, UIDS(second, third), "Dest", &copied));
	SUCCEEDS(k, msv_kit_sync(k, &view));
	PROMISE(k, view.n == 2, "%zu messages are left of 2", view.n);
	PROMISE(k, !msv_kit_message(&view, second) && !msv_kit_message(&view, third),
	    "an original is still there");
	PROMISE(k,
	    msv_kit_nth(&copied.source_set, 0) == second &&
	        msv_kit_nth(&copied.source_set, 1) == third,
	    "other source UIDs are told");
	SUCCEEDS(k, msv_kit_open(k, &dest, "Dest", false));
	SUCCEEDS(k, msv_kit_sync(k, &dest));
	PROMISE(k, dest.n == 2, "%zu messages came of 2", dest.n);
	PROMISE(k, dest.messages[0].is.flags & MSV_FLAG_ANSWERED, "the flags were lost");
	for (unsigned i = 0; i < 2; i++)
		if (!msv_kit_message_is(
		        k, &dest, msv_kit_nth(&copied.dest_set, i), msv_kit_text(i + 2, text)))
			return;
}

static void moves_are_seen_by_openings(struct msv_kit *k)
{
	struct msv_kit_copied copied;
	struct msv_kit_view view, other, dest;

	SUCCEEDS(k, prepare(k, &view, 3));
	SUCCEEDS(k, msv_kit_open(k, &other, "INBOX", true));
	SUCCEEDS(k, msv_kit_sync(k, &other));
	SUCCEEDS(k, msv_kit_open(k, &dest, "Dest", true));
	SUCCEEDS(k, msv_kit_sync(k, &dest));
	SUCCEEDS(k, msv_kit_move(k, &view, ALL_UIDS, "Dest", &copied));
	SUCCEEDS(k, msv_kit_sync(k, &other));
	PROMISE(k, other.n == 0, "another opening still sees %zu messages", other.n);
	SUCCEEDS(k, msv_kit_sync(k, &dest));
	PROMISE(k, dest.n == 3, "an opening of the destination sees %zu of 3", dest.n);
}

static void move_within_a_mailbox(struct msv_kit *k)
{
	struct msv_kit_copied copied;
	struct msv_kit_view view;
	char text[200];

	SUCCEEDS(k, prepare(k, &view, 2));
	uint32_t first = view.messages[0].is.uid, last = view.messages[1].is.uid;
	SUCCEEDS(k, msv_kit_move(k, &view, UIDS(first, first), "INBOX", &copied));
	SUCCEEDS(k, msv_kit_sync(k, &view));
	PROMISE(k, view.n == 2, "%zu messages instead of 2", view.n);
	PROMISE(k, !msv_kit_message(&view, first), "the old UID is still there");
	PROMISE(k, view.messages[1].is.uid > last, "the moved message is not the last");
	msv_kit_message_is(k, &view, view.messages[1].is.uid, msv_kit_text(1, text));
}

static void move_to_nowhere_loses_nothing(struct msv_kit *k)
{
	struct msv_kit_copied copied;
	struct msv_kit_view view;

	SUCCEEDS(k, prepare(k, &view, 3));
	RETURNS(k, MSV_ERR_NOTFOUND, msv_kit_move(k, &view, ALL_UIDS, "Nowhere", &copied));
	SUCCEEDS(k, msv_kit_sync(k, &view));
	PROMISE(k, view.n == 3, "%zu of 3 messages are left", view.n);
}

static void move_leaves_out_what_is_gone(struct msv_kit *k)
{
	struct msv_kit_copied copied;
	struct msv_kit_view view;

	SUCCEEDS(k, prepare(k, &view, 2));
	uint32_t first = view.messages[0].is.uid;
	SUCCEEDS(k, msv_kit_move(k, &view, UIDS(first, first), "Dest", &copied));
	SUCCEEDS(k, msv_kit_move(k, &view, UIDS(first, first), "Dest", &copied));
	PROMISE(k, copied.source_set.n == 0 && copied.dest_set.n == 0,
	    "a message that is gone was moved");
}

static void move_canceled_loses_nothing(struct msv_kit *k)
{
	struct msv_kit_view view;
	char dest[KIT_NAME];

	SUCCEEDS(k, prepare(k, &view, 0));
	for (unsigned ticks = 0; ticks < 6; ticks++) {
		struct msv_mailbox_status before, here, there;
		struct msv_kit_answer a = { 0 };

		SUCCEEDS(k, msv_kit_fill(k, "INBOX", 3));
		SUCCEEDS(k, msv_kit_sync(k, &view));
		size_t n = view.n;
		SUCCEEDS(k, msv_kit_status(k, "Dest", &before));
		if (!msv_kit_ask(k, &a))
			return;
		k->store->move(k->store->self, view.mailbox, ALL_UIDS,
		    msv_kit_name(k, "Dest", dest), (struct msv_copy_op){ a.op });
		for (unsigned i = 0; i < ticks && !a.done; i++)
			msv_env_tick(msv_test_env(k->test));
		msv_kit_cancel(&a);
		msv_test_advance(k->test, 1000);
		SUCCEEDS(k, msv_kit_status(k, "INBOX", &here));
		SUCCEEDS(k, msv_kit_status(k, "Dest", &there));
		PROMISE(k, here.messages + there.messages - before.messages >= n,
		    "of %zu messages %u are here and %u there after a canceled move", n,
		    here.messages, there.messages - before.messages);
		SUCCEEDS(k, msv_kit_sync(k, &view));
	}
}

const struct msv_check msv_checks_move[] = {
	CHECK(move_takes_the_originals),
	CHECK(moves_are_seen_by_openings),
	CHECK(move_within_a_mailbox),
	CHECK(move_to_nowhere_loses_nothing),
	CHECK(move_leaves_out_what_is_gone),
	CHECK(move_canceled_loses_nothing),
	{ NULL, NULL },
};
