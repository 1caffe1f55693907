/* Promises about the append transaction. */
#include <stdio.h>
#include <string.h>

#include "testing/kit.h"

/* Breaks the promise unless the mailbox has so many messages, by status and to
 * a new opening. */
static bool has_messages(struct msv_kit *k, const char *name, unsigned n)
{
	struct msv_mailbox_status status = { 0 };
	struct msv_kit_view view;
	int error = msv_kit_status(k, name, &status);

	if (!error)
		error = msv_kit_open(k, &view, name, true);
	if (!error)
		error = msv_kit_sync(k, &view);
	if (error)
		msv_kit_break(k, "\"%s\": %s", name, msv_strerror(error));
	else if (status.messages != n || view.n != n)
		msv_kit_break(k,
		    "\"%s\" has %u messages by status and %zu by changes instead of %u", name,
		    status.messages, view.n, n);
	else
		msv_kit_close(k, &view);
	return k->broken.n == 0;
}

/* -- What was given comes back --------------------------------------------------------- */

static void append_is_read_back(struct msv_kit *k)
{
	static const char text[] =
	    "From: a@example.org\r\nSubject: x\r\n\r\n.\r\n..\r\nFrom here\r\n\tend\r\n";
	struct msv_append_message message = {
		.size = sizeof(message),
		.flags = MSV_FLAG_FLAGGED | MSV_FLAG_ANSWERED,
		.internal_date = 1234567890,
		.octets = sizeof(text) - 1,
	};
	struct msv_kit_view view;
	uint32_t uid;

	SUCCEEDS(k, msv_kit_append_with(k, "INBOX", &message, text, &uid));
	SUCCEEDS(k, msv_kit_open(k, &view, "INBOX", false));
	SUCCEEDS(k, msv_kit_sync(k, &view));
	PROMISE(k, view.n == 1, "%zu messages instead of 1", view.n);
	const struct msv_message *is = &view.messages[0].is;
	PROMISE(k, is->uid == uid, "UID %u, but commit said %u", is->uid, uid);
	PROMISE(k, (is->flags & ~(uint32_t)MSV_FLAG_RECENT) == message.flags,
	    "flags %#x instead of %#x", is->flags, message.flags);
	PROMISE(k, is->internal_date == 1234567890, "internal date %lld instead of 1234567890",
	    (long long)is->internal_date);
	PROMISE(k, is->octets == strlen(text), "%llu octets instead of %zu",
	    (unsigned long long)is->octets, strlen(text));
	msv_kit_message_is(k, &view, uid, text);
}

static void append_dates_are_kept(struct msv_kit *k)
{
	static const int64_t dates[] = { 1, 86400, 1234567890, INT64_C(4102444800) };
	struct msv_append_message message = { .size = sizeof(message) };
	struct msv_kit_view view;

	for (size_t i = 0; i < sizeof(dates) / sizeof(dates[0]); i++) {
		message.internal_date = dates[i];
		SUCCEEDS(k, msv_kit_append_with(k, "INBOX", &message, "\r\nx\r\n", NULL));
	}
	SUCCEEDS(k, msv_kit_open(k, &view, "INBOX", false));
	SUCCEEDS(k, msv_kit_sync(k, &view));
	for (size_t i = 0; i < sizeof(dates) / sizeof(dates[0]) && i < view.n; i++)
		PROMISE(k, view.messages[i].is.internal_date == dates[i],
		    "internal date %lld instead of %lld",
		    (long long)view.messages[i].is.internal_date, (long long)dates[i]);
}

static bool is_now(const struct msv_kit *k, int64_t date)
{
	int64_t now = (int64_t)(msv_env_realtime(msv_test_env(k->test)) / 1000000);

	return date >= now - 60 && date <= now + 60;
}

static void append_is_dated_now(struct msv_kit *k)
{
	struct msv_kit_view view;

	SUCCEEDS(k, msv_kit_append(k, "INBOX", "\r\nx\r\n", NULL));
	SUCCEEDS(k, msv_kit_open(k, &view, "INBOX", false));
	SUCCEEDS(k, msv_kit_sync(k, &view));
	const struct msv_message *is = &view.messages[0].is;
	PROMISE(k, is_now(k, is->internal_date), "internal date %lld is not now",
	    (long long)is->internal_date);
	PROMISE(k, !(k->store->abilities & MSV_STORE_SAVEDATE) || is_now(k, is->save_date),
	    "save date %lld is not now", (long long)is->save_date);
}

static void email_ids_differ(struct msv_kit *k)
{
	struct msv_kit_view view;

	if (!(k->store->abilities & MSV_STORE_OBJECTID))
		return;
	SUCCEEDS(k, msv_kit_fill(k, "INBOX", 2));
	SUCCEEDS(k, msv_kit_open(k, &view, "INBOX", false));
	SUCCEEDS(k, msv_kit_sync(k, &view));
	PROMISE(k, view.messages[0].email_id[0] != '\0', "a message has no email id");
	PROMISE(k, strcmp(view.messages[0].email_id, view.messages[1].email_id) != 0,
	    "two messages have the email id %s", view.messages[0].email_id);
}

static void append_octets_are_a_hint(struct msv_kit *k)
{
	static const uint64_t hints[] = { 0, 1, 100000 };
	struct msv_append_message message = { .size = sizeof(message) };
	struct msv_kit_view view;

	for (size_t i = 0; i < 3; i++) {
		message.octets = hints[i];
		SUCCEEDS(k, msv_kit_append_with(k, "INBOX", &message, "\r\nhello\r\n", NULL));
	}
	SUCCEEDS(k, msv_kit_open(k, &view, "INBOX", false));
	SUCCEEDS(k, msv_kit_sync(k, &view));
	PROMISE(k, view.n == 3, "%zu messages instead of 3", view.n);
	for (size_t i = 0; i < 3; i++)
		if (!msv_kit_message_is(k, &view, view.messages[i].is.uid, "\r\nhello\r\n"))
			return;
}

static void append_may_be_empty(struct msv_kit *k)
{
	struct msv_kit_view view;
	uint32_t uid;

	SUCCEEDS(k, msv_kit_append(k, "INBOX", "", &uid));
	SUCCEEDS(k, msv_kit_open(k, &view, "INBOX", false));
	msv_kit_message_is(k, &view, uid, "");
}

/* -- UIDs ---------------------------------------------------------------------------------- */

static void append_tells_uids(struct msv_kit *k)
{
	struct msv_mailbox_status status;
	struct msv_kit_copied copied = { 0 };
	struct msv_append *append;

	SUCCEEDS(k, msv_kit_create(k, "Work", 0));
	SUCCEEDS(k, msv_kit_status(k, "Work", &status));
	SUCCEEDS(k, msv_kit_append_begin(k, "Work", &append));
	for (int i = 0; i < 3; i++) {
		SUCCEEDS(k, msv_kit_append_add(k, append, NULL));
		SUCCEEDS(k, msv_kit_append_write(k, append, "\r\nx\r\n", 5));
	}
	SUCCEEDS(k, msv_kit_append_commit(k, append, &copied));
	PROMISE(k, copied.uidvalidity == status.uidvalidity, "UIDVALIDITY %u instead of %u",
	    copied.uidvalidity, status.uidvalidity);
	PROMISE(k, copied.source_set.n == 0, "an append has source UIDs");
	PROMISE(k, msv_uidset_count(&copied.dest_set) == 3, "%llu UIDs for 3 messages",
	    (unsigned long long)msv_uidset_count(&copied.dest_set));
	PROMISE(k, msv_kit_nth(&copied.dest_set, 0) >= status.uidnext,
	    "UID %u is below the UIDNEXT announced before", msv_kit_nth(&copied.dest_set, 0));
}

static void append_keeps_the_order(struct msv_kit *k)
{
	struct msv_kit_copied copied = { 0 };
	struct msv_append *append;
	struct msv_kit_view view;
	char text[200];

	SUCCEEDS(k, msv_kit_append_begin(k, "INBOX", &append));
	for (unsigned i = 1; i <= 5; i++) {
		msv_kit_text(i, text);
		SUCCEEDS(k, msv_kit_append_add(k, append, NULL));
		SUCCEEDS(k, msv_kit_append_write(k, append, text, strlen(text)));
	}
	SUCCEEDS(k, msv_kit_append_commit(k, append, &copied));
	SUCCEEDS(k, msv_kit_open(k, &view, "INBOX", false));
	for (unsigned i = 1; i <= 5; i++)
		if (!msv_kit_message_is(
		        k, &view, msv_kit_nth(&copied.dest_set, i - 1), msv_kit_text(i, text)))
			return;
}

static void appends_at_once_have_uids_of_their_own(struct msv_kit *k)
{
	struct msv_kit_copied one = { 0 }, two = { 0 };
	struct msv_append *first, *second;
	struct msv_kit_view view;

	SUCCEEDS(k, msv_kit_append_begin(k, "INBOX", &first));
	SUCCEEDS(k, msv_kit_append_begin(k, "INBOX", &second));
	SUCCEEDS(k, msv_kit_append_add(k, first, NULL));
	SUCCEEDS(k, msv_kit_append_add(k, second, NULL));
	SUCCEEDS(k, msv_kit_append_write(k, first, "\r\nfirst\r\n", 9));
	SUCCEEDS(k, msv_kit_append_write(k, second, "\r\nsecond\r\n", 10));
	SUCCEEDS(k, msv_kit_append_commit(k, second, &two));
	SUCCEEDS(k, msv_kit_append_commit(k, first, &one));
	uint32_t uid_one = msv_kit_nth(&one.dest_set, 0), uid_two = msv_kit_nth(&two.dest_set, 0);
	PROMISE(k, uid_one > uid_two, "UID %u was given after %u", uid_one, uid_two);
	SUCCEEDS(k, msv_kit_open(k, &view, "INBOX", false));
	if (msv_kit_message_is(k, &view, uid_one, "\r\nfirst\r\n"))
		msv_kit_message_is(k, &view, uid_two, "\r\nsecond\r\n");
}

/* -- All or none ------------------------------------------------------------------------------ */

static void append_shows_nothing_before_commit(struct msv_kit *k)
{
	struct msv_append *append;
	struct msv_kit_view watching;

	SUCCEEDS(k, msv_kit_open(k, &watching, "INBOX", false));
	SUCCEEDS(k, msv_kit_append_begin(k, "INBOX", &append));
	for (int i = 0; i < 2; i++) {
		SUCCEEDS(k, msv_kit_append_add(k, append, NULL));
		SUCCEEDS(k, msv_kit_append_write(k, append, "\r\nx\r\n", 5));
		if (!has_messages(k, "INBOX", 0))
			return;
	}
	SUCCEEDS(k, msv_kit_append_prepare(k, append));
	if (!has_messages(k, "INBOX", 0))
		return;
	SUCCEEDS(k, msv_kit_sync(k, &watching));
	PROMISE(k, watching.n == 0, "an opening sees a message before its commit");
	SUCCEEDS(k, msv_kit_append_commit(k, append, NULL));
	SUCCEEDS(k, msv_kit_sync(k, &watching));
	PROMISE(k, watching.n == 2, "after the commit an opening sees %zu messages", watching.n);
	has_messages(k, "INBOX", 2);
}

static void append_abort_leaves_nothing(struct msv_kit *k)
{
	struct msv_append *append;

	for (int steps = 0; steps < 4; steps++) {
		SUCCEEDS(k, msv_kit_append_begin(k, "INBOX", &append));
		if (steps > 0)
			SUCCEEDS(k, msv_kit_append_add(k, append, NULL));
		if (steps > 1)
			SUCCEEDS(k, msv_kit_append_write(k, append, "\r\nx\r\n", 5));
		if (steps > 2)
			SUCCEEDS(k, msv_kit_append_prepare(k, append));
		msv_kit_append_abort(k, append);
		if (!has_messages(k, "INBOX", 0))
			return;
	}
}

static void append_is_all_or_none(struct msv_kit *k)
{
	struct msv_append *append;

	SUCCEEDS(k, msv_kit_append_begin(k, "INBOX", &append));
	SUCCEEDS(k, msv_kit_append_add(k, append, NULL));
	SUCCEEDS(k, msv_kit_append_write(k, append, "\r\ngood\r\n", 8));
	SUCCEEDS(k, msv_kit_append_add(k, append, NULL));
	SUCCEEDS(k, msv_kit_append_write(k, append, "\r\nends in CR\r", 13));
	RETURNS(k, MSV_ERR_FORMAT, msv_kit_append_commit(k, append, NULL));
	has_messages(k, "INBOX", 0);
}

/* A canceled commit has happened or it has not. */
static void append_canceled_is_all_or_none(struct msv_kit *k)
{
	for (unsigned ticks = 0; ticks < 6; ticks++) {
		struct msv_kit_answer a = { 0 };
		struct msv_mailbox_status before, after;
		struct msv_append *append;

		SUCCEEDS(k, msv_kit_status(k, "INBOX", &before));
		SUCCEEDS(k, msv_kit_append_begin(k, "INBOX", &append));
		for (int i = 0; i < 3; i++) {
			SUCCEEDS(k, msv_kit_append_add(k, append, NULL));
			SUCCEEDS(k, msv_kit_append_write(k, append, "\r\nx\r\n", 5));
		}
		if (!msv_kit_ask(k, &a))
			return;
		msv_kit_drop(k->appends, append);
		k->store->append_commit(k->store->self, append, (struct msv_copy_op){ a.op });
		for (unsigned i = 0; i < ticks && !a.done; i++)
			msv_env_tick(msv_test_env(k->test));
		msv_kit_cancel(&a);
		msv_test_advance(k->test, 1000);
		SUCCEEDS(k, msv_kit_status(k, "INBOX", &after));
		unsigned n = after.messages - before.messages;
		PROMISE(k, n == 0 || n == 3, "%u of 3 messages came of a canceled commit", n);
		PROMISE(k, n == 3 || !a.done, "an answered commit was taken back");
	}
}

static void append_into_a_removed_mailbox(struct msv_kit *k)
{
	struct msv_append *append;

	SUCCEEDS(k, msv_kit_create(k, "Work", 0));
	SUCCEEDS(k, msv_kit_append_begin(k, "Work", &append));
	SUCCEEDS(k, msv_kit_append_add(k, append, NULL));
	SUCCEEDS(k, msv_kit_append_write(k, append, "\r\nx\r\n", 5));
	SUCCEEDS(k, msv_kit_remove(k, "Work"));
	RETURNS(k, MSV_ERR_NOTFOUND, msv_kit_append_commit(k, append, NULL));
	PROMISE(k, !msv_kit_exists(k, "Work"), "the commit brought the mailbox back");
}

static void append_replaces(struct msv_kit *k)
{
	struct msv_append_message message = { .size = sizeof(message) };
	struct msv_append *append;
	struct msv_kit_view view;

	SUCCEEDS(k, msv_kit_fill(k, "INBOX", 3));
	SUCCEEDS(k, msv_kit_open(k, &view, "INBOX", false));
	SUCCEEDS(k, msv_kit_sync(k, &view));
	uint32_t old = message.replaces = view.messages[1].is.uid;
	SUCCEEDS(k, msv_kit_append_begin(k, "INBOX", &append));
	SUCCEEDS(k, msv_kit_append_add(k, append, &message));
	SUCCEEDS(k, msv_kit_append_write(k, append, "\r\nbetter\r\n", 10));
	SUCCEEDS(k, msv_kit_sync(k, &view));
	PROMISE(k, msv_kit_message(&view, old), "the old message went before the commit");
	SUCCEEDS(k, msv_kit_append_commit(k, append, NULL));
	SUCCEEDS(k, msv_kit_sync(k, &view));
	PROMISE(k, !msv_kit_message(&view, old), "the old message is still there");
	PROMISE(k, view.n == 3, "%zu messages instead of 3", view.n);
	msv_kit_message_is(k, &view, view.messages[2].is.uid, "\r\nbetter\r\n");
}

/* -- Writing ------------------------------------------------------------------------------------- */

static void append_write_takes_bytes_at_once(struct msv_kit *k)
{
	struct msv_kit_answer a = { 0 };
	struct msv_kit_copied copied = { 0 };
	struct msv_append *append;
	struct msv_kit_view view;
	char piece[] = "\r\ngood\r\n";

	SUCCEEDS(k, msv_kit_append_begin(k, "INBOX", &append));
	SUCCEEDS(k, msv_kit_append_add(k, append, NULL));
	if (!msv_kit_ask(k, &a))
		return;
	k->store->append_write(k->store->self, append, piece, 8, a.op);
	memset(piece, 'x', 8);
	SUCCEEDS(k, msv_kit_wait(&a));
	SUCCEEDS(k, msv_kit_append_commit(k, append, &copied));
	SUCCEEDS(k, msv_kit_open(k, &view, "INBOX", false));
	msv_kit_message_is(k, &view, msv_kit_nth(&copied.dest_set, 0), "\r\ngood\r\n");
}

const struct msv_check msv_checks_append[] = {
	CHECK(append_is_read_back),
	CHECK(append_dates_are_kept),
	CHECK(append_is_dated_now),
	CHECK(email_ids_differ),
	CHECK(append_octets_are_a_hint),
	CHECK(append_may_be_empty),
	CHECK(append_tells_uids),
	CHECK(append_keeps_the_order),
	CHECK(appends_at_once_have_uids_of_their_own),
	CHECK(append_shows_nothing_before_commit),
	CHECK(append_abort_leaves_nothing),
	CHECK(append_is_all_or_none),
	CHECK(append_canceled_is_all_or_none),
	CHECK(append_into_a_removed_mailbox),
	CHECK(append_replaces),
	CHECK(append_write_takes_bytes_at_once),
	{ NULL, NULL },
};
