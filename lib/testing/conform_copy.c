/* Promises about copy. */
#include <stdio.h>
#include <string.h>

#include "testing/kit.h"

/* Dest made, and INBOX with so many messages opened and known. */
static int prepare(struct msv_kit *k, struct msv_kit_view *view, unsigned n)
{
	int error = msv_kit_create(k, "Dest", 0);

	return error ? error : msv_kit_open_filled(k, view, n);
}

static int open_dest(struct msv_kit *k, struct msv_kit_view *dest)
{
	int error = msv_kit_open(k, dest, "Dest", false);

	return error ? error : msv_kit_sync(k, dest);
}

static void copies_are_the_same(struct msv_kit *k)
{
	static const char *const keywords[] = { "$Label1" };
	struct msv_append_message message = {
		.size = sizeof(message),
		.flags = MSV_FLAG_SEEN | MSV_FLAG_FLAGGED,
		.keywords = keywords,
		.nkeywords = 1,
		.internal_date = 1234567890,
	};
	struct msv_kit_copied copied;
	struct msv_kit_view view, dest;

	SUCCEEDS(k, prepare(k, &view, 0));
	if (!view.opened.can_create_keywords)
		message.nkeywords = 0;
	SUCCEEDS(k, msv_kit_append_with(k, "INBOX", &message, "\r\ncopy me\r\n", NULL));
	SUCCEEDS(k, msv_kit_sync(k, &view));
	SUCCEEDS(k, msv_kit_copy(k, &view, ALL_UIDS, "Dest", &copied));
	SUCCEEDS(k, open_dest(k, &dest));
	PROMISE(k, dest.n == 1, "%zu copies of 1 message", dest.n);
	const struct msv_message *is = &dest.messages[0].is;
	PROMISE(k, (is->flags & ~(uint32_t)MSV_FLAG_RECENT) == message.flags,
	    "the copy has flags %#x instead of %#x", is->flags, message.flags);
	PROMISE(k, !message.nkeywords || msv_kit_has_keyword(k, &dest, is, "$Label1"),
	    "the copy lacks the keyword");
	PROMISE(k, is->internal_date == 1234567890, "the copy has internal date %lld",
	    (long long)is->internal_date);
	PROMISE(k,
	    !(k->store->abilities & MSV_STORE_OBJECTID) ||
	        strcmp(view.messages[0].email_id, dest.messages[0].email_id) == 0,
	    "the copy has another email id");
	if (!msv_kit_message_is(k, &dest, is->uid, "\r\ncopy me\r\n"))
		return;
	SUCCEEDS(k, msv_kit_sync(k, &view));
	PROMISE(k, view.n == 1, "the original is gone");
}

/* RFC 4315 3 */
static void copy_tells_uids_in_order(struct msv_kit *k)
{
	struct msv_uid_range odd[3];
	struct msv_kit_copied copied;
	struct msv_kit_view view, dest;
	char text[200];

	SUCCEEDS(k, prepare(k, &view, 6));
	SUCCEEDS(k, msv_kit_append(k, "Dest", "\r\nhere before\r\n", NULL));
	for (int i = 0; i < 3; i++)
		odd[i].first = odd[i].last = view.messages[2 * i].is.uid;
	SUCCEEDS(k, msv_kit_copy(k, &view, &(struct msv_uidset){ odd, 3 }, "Dest", &copied));
	PROMISE(k,
	    msv_uidset_count(&copied.source_set) == 3 && msv_uidset_count(&copied.dest_set) == 3,
	    "3 messages are told as %llu that became %llu",
	    (unsigned long long)msv_uidset_count(&copied.source_set),
	    (unsigned long long)msv_uidset_count(&copied.dest_set));
	SUCCEEDS(k, open_dest(k, &dest));
	PROMISE(k, copied.uidvalidity == dest.opened.status.uidvalidity,
	    "UIDVALIDITY %u instead of %u", copied.uidvalidity, dest.opened.status.uidvalidity);
	for (unsigned i = 0; i < 3; i++) {
		PROMISE(k, msv_kit_nth(&copied.source_set, i) == odd[i].first,
		    "source UID %u instead of %u", msv_kit_nth(&copied.source_set, i),
		    odd[i].first);
		if (!msv_kit_message_is(
		        k, &dest, msv_kit_nth(&copied.dest_set, i), msv_kit_text(2 * i + 1, text)))
			return;
	}
}

static void copy_leaves_out_what_is_gone(struct msv_kit *k)
{
	struct msv_kit_copied copied;
	struct msv_kit_view view;

	SUCCEEDS(k, prepare(k, &view, 4));
	uint32_t gone = view.messages[1].is.uid;
	SUCCEEDS(k, msv_kit_flag(k, &view, 1, MSV_FLAG_DELETED));
	SUCCEEDS(k, msv_kit_expunge(k, &view, NULL));
	SUCCEEDS(k, msv_kit_copy(k, &view, ALL_UIDS, "Dest", &copied));
	PROMISE(k, msv_uidset_count(&copied.source_set) == 3, "%llu of 3 messages were copied",
	    (unsigned long long)msv_uidset_count(&copied.source_set));
	PROMISE(
	    k, !msv_uidset_has(&copied.source_set, gone), "UID %u is gone and was copied", gone);
	SUCCEEDS(k, msv_kit_copy(k, &view, UIDS(gone, gone), "Dest", &copied));
	PROMISE(k, copied.source_set.n == 0 && copied.dest_set.n == 0,
	    "nothing was copied as something");
}

static void copy_to_nowhere_fails(struct msv_kit *k)
{
	struct msv_kit_copied copied;
	struct msv_kit_view view;

	SUCCEEDS(k, prepare(k, &view, 2));
	RETURNS(k, MSV_ERR_NOTFOUND, msv_kit_copy(k, &view, ALL_UIDS, "Nowhere", &copied));
	PROMISE(k, !msv_kit_exists(k, "Nowhere"), "a copy made its destination");
}

static void copy_within_a_mailbox(struct msv_kit *k)
{
	struct msv_kit_copied copied;
	struct msv_kit_view view;
	char text[200];

	SUCCEEDS(k, prepare(k, &view, 3));
	uint32_t last = view.messages[2].is.uid;
	SUCCEEDS(k, msv_kit_copy(k, &view, ALL_UIDS, "INBOX", &copied));
	SUCCEEDS(k, msv_kit_sync(k, &view));
	PROMISE(k, view.n == 6, "%zu messages instead of 6", view.n);
	for (unsigned i = 0; i < 3; i++) {
		uint32_t uid = msv_kit_nth(&copied.dest_set, i);

		PROMISE(k, uid > last, "a copy has UID %u", uid);
		if (!msv_kit_message_is(k, &view, uid, msv_kit_text(i + 1, text)))
			return;
	}
}

static void copies_are_seen_by_openings(struct msv_kit *k)
{
	struct msv_kit_copied copied;
	struct msv_kit_view view, dest;

	SUCCEEDS(k, prepare(k, &view, 2));
	SUCCEEDS(k, open_dest(k, &dest));
	SUCCEEDS(k, msv_kit_copy(k, &view, ALL_UIDS, "Dest", &copied));
	SUCCEEDS(k, msv_kit_sync(k, &dest));
	PROMISE(k, dest.n == 2, "an opening of the destination sees %zu of 2 copies", dest.n);
}

/* -- All or none ------------------------------------------------------------------------- */

static void copy_canceled_is_all_or_none(struct msv_kit *k)
{
	struct msv_kit_view view;
	char dest[KIT_NAME];

	SUCCEEDS(k, prepare(k, &view, 5));
	for (unsigned ticks = 0; ticks < 6; ticks++) {
		struct msv_kit_answer a = { 0 };
		struct msv_mailbox_status before, after;

		SUCCEEDS(k, msv_kit_status(k, "Dest", &before));
		if (!msv_kit_ask(k, &a))
			return;
		k->store->copy(k->store->self, view.mailbox, ALL_UIDS,
		    msv_kit_name(k, "Dest", dest), (struct msv_copy_op){ a.op });
		for (unsigned i = 0; i < ticks && !a.done; i++)
			msv_env_tick(msv_test_env(k->test));
		msv_kit_cancel(&a);
		msv_test_advance(k->test, 1000);
		SUCCEEDS(k, msv_kit_status(k, "Dest", &after));
		unsigned n = after.messages - before.messages;
		PROMISE(k, n == 0 || n == 5, "%u of 5 messages came of a canceled copy", n);
	}
}

/* The second of three messages has a keyword that does not fit any more. */
static void copy_without_room_is_all_or_none(struct msv_kit *k)
{
	static const char *const names[] = { "misfit" };
	struct msv_append_message message = {
		.size = sizeof(message),
		.keywords = names,
		.nkeywords = 1,
	};
	struct msv_mailbox_status before, after;
	struct msv_kit_copied copied;
	struct msv_kit_view view, dest;
	char name[16];
	int error = 0;

	SUCCEEDS(k, prepare(k, &view, 0));
	if (!view.opened.can_create_keywords)
		return;
	SUCCEEDS(k, msv_kit_append(k, "INBOX", "\r\nfirst\r\n", NULL));
	SUCCEEDS(k, msv_kit_append_with(k, "INBOX", &message, "\r\nsecond\r\n", NULL));
	SUCCEEDS(k, msv_kit_append(k, "INBOX", "\r\nthird\r\n", NULL));
	SUCCEEDS(k, msv_kit_append(k, "Dest", "\r\nfull\r\n", NULL));
	SUCCEEDS(k, open_dest(k, &dest));
	for (int i = 0; i < 70 && !error; i++) {
		snprintf(name, sizeof(name), "key%d", i);
		error = msv_kit_flags(k, &dest, ALL_UIDS, MSV_FLAGS_ADD, 0, name);
	}
	SUCCEEDS(k, msv_kit_status(k, "Dest", &before));
	error = msv_kit_copy(k, &view, ALL_UIDS, "Dest", &copied);
	SUCCEEDS(k, msv_kit_status(k, "Dest", &after));
	unsigned n = after.messages - before.messages;
	PROMISE(k, error == 0 || error == MSV_ERR_LIMIT, "copy gave \"%s\"", msv_strerror(error));
	PROMISE(k, n == (error ? 0 : 3), "%u of 3 messages were copied by a copy that gave \"%s\"",
	    n, msv_strerror(error));
}

const struct msv_check msv_checks_copy[] = {
	CHECK(copies_are_the_same),
	CHECK(copy_tells_uids_in_order),
	CHECK(copy_leaves_out_what_is_gone),
	CHECK(copy_to_nowhere_fails),
	CHECK(copy_within_a_mailbox),
	CHECK(copies_are_seen_by_openings),
	CHECK(copy_canceled_is_all_or_none),
	CHECK(copy_without_room_is_all_or_none),
	{ NULL, NULL },
};
