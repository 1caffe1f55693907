/* Promises about what outlasts the process. */
#include <string.h>

#include "testing/kit.h"

static void restart_keeps_mailboxes(struct msv_kit *k)
{
	struct msv_kit_list before = { 0 }, after = { 0 };

	SUCCEEDS(k, msv_kit_create(k, "Work/2026", 0));
	SUCCEEDS(k, msv_kit_create(k, "Entw\xc3\xbcrfe",
	                k->store->abilities & MSV_STORE_SPECIAL_USE ? MSV_USE_DRAFTS : 0));
	SUCCEEDS(k, msv_kit_create(k, "Short", 0));
	SUCCEEDS(k, msv_kit_remove(k, "Short"));
	SUCCEEDS(k, msv_kit_subscribe(k, "Work/2026", true));
	SUCCEEDS(k, msv_kit_subscribe(k, "Never/was", true));
	SUCCEEDS(k, msv_kit_list(k, &before));
	SUCCEEDS(k, msv_kit_restart(k));
	SUCCEEDS(k, msv_kit_list(k, &after));
	PROMISE(k, before.n == after.n, "%zu entries are listed after %zu", after.n, before.n);
	for (size_t i = 0; i < before.n; i++) {
		const struct msv_kit_entry *was = &before.entries[i], *is = NULL;

		for (size_t j = 0; j < after.n; j++)
			if (strcmp(after.entries[j].name, was->name) == 0)
				is = &after.entries[j];
		PROMISE(k, is, "\"%s\" is gone", was->name);
		PROMISE(k,
		    is->is.exists == was->is.exists && is->is.selectable == was->is.selectable &&
		        is->is.subscribed == was->is.subscribed &&
		        is->is.special_use == was->is.special_use,
		    "\"%s\" is listed differently", was->name);
	}
}

static void restart_keeps_messages(struct msv_kit *k)
{
	static const char *const keywords[] = { "$Label1", "todo" };
	struct msv_append_message message = {
		.size = sizeof(message),
		.flags = MSV_FLAG_ANSWERED,
		.keywords = keywords,
		.nkeywords = 2,
		.internal_date = 1234567890,
	};
	struct msv_kit_view before, after;
	char text[200];

	SUCCEEDS(k, msv_kit_fill(k, "INBOX", 3));
	SUCCEEDS(k, msv_kit_open(k, &before, "INBOX", false));
	if (!before.opened.can_create_keywords)
		message.nkeywords = 0;
	SUCCEEDS(k, msv_kit_append_with(k, "INBOX", &message, "\r\nfourth\r\n", NULL));
	SUCCEEDS(k, msv_kit_sync(k, &before));
	SUCCEEDS(k, msv_kit_flag(k, &before, 0, MSV_FLAG_SEEN));
	SUCCEEDS(k, msv_kit_flag(k, &before, 1, MSV_FLAG_DELETED));
	SUCCEEDS(k, msv_kit_expunge(k, &before, NULL));
	SUCCEEDS(k, msv_kit_sync(k, &before));
	SUCCEEDS(k, msv_kit_restart(k));
	SUCCEEDS(k, msv_kit_open(k, &after, "INBOX", false));
	SUCCEEDS(k, msv_kit_sync(k, &after));
	PROMISE(k, after.opened.status.uidvalidity == before.opened.status.uidvalidity,
	    "UIDVALIDITY went from %u to %u", before.opened.status.uidvalidity,
	    after.opened.status.uidvalidity);
	PROMISE(k, after.n == 3, "%zu of 3 messages are left", after.n);
	for (size_t i = 0; i < 3; i++) {
		const struct msv_message *was = &before.messages[i].is, *is = &after.messages[i].is;

		PROMISE(k, was->uid == is->uid, "UID %u became %u", was->uid, is->uid);
		PROMISE(k, (was->flags | MSV_FLAG_RECENT) == (is->flags | MSV_FLAG_RECENT),
		    "the flags of UID %u went from %#x to %#x", was->uid, was->flags, is->flags);
		PROMISE(k, was->octets == is->octets, "UID %u: %llu octets became %llu", was->uid,
		    (unsigned long long)was->octets, (unsigned long long)is->octets);
		PROMISE(k, was->internal_date == is->internal_date,
		    "the internal date of UID %u went from %lld to %lld", was->uid,
		    (long long)was->internal_date, (long long)is->internal_date);
		PROMISE(k, strcmp(before.messages[i].email_id, after.messages[i].email_id) == 0,
		    "UID %u has another email id", was->uid);
	}
	for (size_t i = 0; i < message.nkeywords; i++)
		PROMISE(k, msv_kit_has_keyword(k, &after, &after.messages[2].is, keywords[i]),
		    "%s is gone", keywords[i]);
	if (msv_kit_message_is(k, &after, after.messages[1].is.uid, msv_kit_text(3, text)))
		msv_kit_message_is(k, &after, after.messages[2].is.uid, "\r\nfourth\r\n");
}

static void restart_uses_no_uid_again(struct msv_kit *k)
{
	struct msv_kit_view view;
	uint32_t uid;

	SUCCEEDS(k, msv_kit_open_filled(k, &view, 3));
	uint32_t last = view.messages[2].is.uid, uidvalidity = view.opened.status.uidvalidity;
	SUCCEEDS(k, msv_kit_flag(k, &view, 1, MSV_FLAG_DELETED));
	SUCCEEDS(k, msv_kit_flag(k, &view, 2, MSV_FLAG_DELETED));
	SUCCEEDS(k, msv_kit_expunge(k, &view, NULL));
	SUCCEEDS(k, msv_kit_restart(k));
	SUCCEEDS(k, msv_kit_append(k, "INBOX", "\r\nx\r\n", &uid));
	SUCCEEDS(k, msv_kit_open(k, &view, "INBOX", false));
	PROMISE(k, view.opened.status.uidvalidity == uidvalidity, "UIDVALIDITY went from %u to %u",
	    uidvalidity, view.opened.status.uidvalidity);
	PROMISE(k, uid > last, "UID %u was used again", uid);
}

static void restart_keeps_modseqs(struct msv_kit *k)
{
	struct msv_kit_view before, after;

	if (!(k->store->abilities & MSV_STORE_MODSEQ))
		return;
	SUCCEEDS(k, msv_kit_open_filled(k, &before, 4));
	uint64_t since = before.modseq;
	SUCCEEDS(k, msv_kit_flag(k, &before, 0, MSV_FLAG_SEEN));
	SUCCEEDS(k, msv_kit_flag(k, &before, 1, MSV_FLAG_DELETED));
	SUCCEEDS(k, msv_kit_expunge(k, &before, NULL));
	SUCCEEDS(k, msv_kit_sync(k, &before));
	uint64_t highest = before.modseq;
	SUCCEEDS(k, msv_kit_restart(k));
	SUCCEEDS(k, msv_kit_open(k, &after, "INBOX", false));
	SUCCEEDS(k, msv_kit_changes(k, &after, since, NULL, NULL));
	PROMISE(k, after.modseq >= highest, "the modseq fell from %llu to %llu",
	    (unsigned long long)highest, (unsigned long long)after.modseq);
	PROMISE(k, after.nrows == 1 && after.rows[0].is.flags & MSV_FLAG_SEEN,
	    "%zu rows for the 1 change before the restart", after.nrows);
	PROMISE(k, after.nexpunged == 1, "the expunge before the restart is forgotten");
}

static void restart_forgets_what_was_not_committed(struct msv_kit *k)
{
	struct msv_mailbox_status status;
	struct msv_append *append;
	struct msv_kit_view view;

	SUCCEEDS(k, msv_kit_append_begin(k, "INBOX", &append));
	SUCCEEDS(k, msv_kit_append_add(k, append, NULL));
	SUCCEEDS(k, msv_kit_append_write(k, append, "\r\nx\r\n", 5));
	SUCCEEDS(k, msv_kit_append_prepare(k, append));
	SUCCEEDS(k, msv_kit_restart(k));
	SUCCEEDS(k, msv_kit_status(k, "INBOX", &status));
	PROMISE(k, status.messages == 0, "a message that was never committed is there");
	SUCCEEDS(k, msv_kit_open_filled(k, &view, 1));
}

const struct msv_check msv_checks_restart[] = {
	CHECK(restart_keeps_mailboxes),
	CHECK(restart_keeps_messages),
	CHECK(restart_uses_no_uid_again),
	CHECK(restart_keeps_modseqs),
	CHECK(restart_forgets_what_was_not_committed),
	{ NULL, NULL },
};
