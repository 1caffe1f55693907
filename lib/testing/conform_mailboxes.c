/* Promises about the list of mailboxes: list, status, create, remove,
 * subscribe. */
#include <string.h>

#include "testing/kit.h"

/* -- INBOX ---------------------------------------------------------------------------- */

static void inbox_is_listed(struct msv_kit *k)
{
	struct msv_kit_list list = { 0 };
	unsigned times;

	SUCCEEDS(k, msv_kit_list(k, &list));
	const struct msv_kit_entry *inbox = msv_kit_find_entry(k, &list, "INBOX", &times);
	PROMISE(k, times == 1, "a new account lists INBOX %u times", times);
	PROMISE(k, inbox->is.exists && inbox->is.selectable, "INBOX is listed as not selectable");
}

static void inbox_has_a_status(struct msv_kit *k)
{
	struct msv_mailbox_status status;

	SUCCEEDS(k, msv_kit_status(k, "INBOX", &status));
	PROMISE(k, status.messages == 0, "a new INBOX has %u messages", status.messages);
	PROMISE(k, status.uidvalidity > 0, "UIDVALIDITY is 0");
	PROMISE(k, status.uidnext > 0, "UIDNEXT is 0");
}

static void inbox_opens(struct msv_kit *k)
{
	struct msv_kit_view view;

	SUCCEEDS(k, msv_kit_open(k, &view, "INBOX", false));
}

static void inbox_takes_mail(struct msv_kit *k)
{
	SUCCEEDS(k, msv_kit_append(k, "INBOX", "\r\nHello\r\n", NULL));
}

static void inbox_cannot_be_removed(struct msv_kit *k)
{
	SUCCEEDS(k, msv_kit_append(k, "INBOX", "\r\nHello\r\n", NULL));
	RETURNS(k, MSV_ERR_DENIED, msv_kit_remove(k, "INBOX"));
	struct msv_mailbox_status status;
	SUCCEEDS(k, msv_kit_status(k, "INBOX", &status));
	PROMISE(k, status.messages == 1, "the messages of INBOX are gone");
}

/* -- create ------------------------------------------------------------------------------ */

static void create_makes_a_mailbox(struct msv_kit *k)
{
	struct msv_mailbox_status status;

	SUCCEEDS(k, msv_kit_create(k, "Work", 0));
	PROMISE(k, msv_kit_exists(k, "Work"), "a new mailbox is not in the list");
	SUCCEEDS(k, msv_kit_status(k, "Work", &status));
	PROMISE(k, status.messages == 0, "a new mailbox has %u messages", status.messages);
	PROMISE(k, status.uidvalidity > 0, "UIDVALIDITY is 0");
}

static void create_makes_parents(struct msv_kit *k)
{
	struct msv_mailbox_status status;

	SUCCEEDS(k, msv_kit_create(k, "A/B/C", 0));
	PROMISE(k, msv_kit_exists(k, "A/B/C"), "A/B/C is not in the list");
	PROMISE(k, msv_kit_exists(k, "A/B"), "A/B was not made with A/B/C");
	PROMISE(k, msv_kit_exists(k, "A"), "A was not made with A/B/C");
	SUCCEEDS(k, msv_kit_status(k, "A/B", &status));
}

static void create_refuses_what_exists(struct msv_kit *k)
{
	SUCCEEDS(k, msv_kit_create(k, "Work", 0));
	RETURNS(k, MSV_ERR_EXISTS, msv_kit_create(k, "Work", 0));
	RETURNS(k, MSV_ERR_EXISTS, msv_kit_create(k, "INBOX", 0));
}

static void create_below_inbox(struct msv_kit *k)
{
	int error = msv_kit_create(k, "INBOX/old", 0);

	if (error == MSV_ERR_FORMAT)
		return; /* a store may refuse names */
	PROMISE(k, error == 0, "a mailbox below INBOX: %s", msv_strerror(error));
	PROMISE(k, msv_kit_exists(k, "INBOX/old"), "INBOX/old is not in the list");
	SUCCEEDS(k, msv_kit_remove(k, "INBOX/old"));
	PROMISE(k, msv_kit_exists(k, "INBOX"), "INBOX went away with its child");
}

static void special_use_is_kept(struct msv_kit *k)
{
	struct msv_kit_list list = { 0 };

	if (!(k->store->abilities & MSV_STORE_SPECIAL_USE))
		return;
	SUCCEEDS(k, msv_kit_create(k, "Sent", MSV_USE_SENT));
	SUCCEEDS(k, msv_kit_create(k, "Plain", 0));
	SUCCEEDS(k, msv_kit_list(k, &list));
	const struct msv_kit_entry *sent = msv_kit_find_entry(k, &list, "Sent", NULL);
	const struct msv_kit_entry *plain = msv_kit_find_entry(k, &list, "Plain", NULL);
	PROMISE(k, sent && sent->is.special_use == MSV_USE_SENT, "the special use is not listed");
	PROMISE(k, plain && plain->is.special_use == 0, "a plain mailbox has a special use");
}

/* Names that people and programs use; a store may refuse a name, but not change
 * it. */
static void names_are_kept(struct msv_kit *k)
{
	static const char *const names[] = {
		"Entw\xc3\xbcrfe",
		"\xe6\x97\xa5\xe6\x9c\xac\xe8\xaa\x9e",
		"This & that",
		"&AOQ-",
		"100%",
		"a*b?c",
		"~tilde",
		" both sides ",
		"quote\"d",
		"back\\slash",
		"#news",
		"cur",
		"new",
		"tmp",
		"INBOXX",
		"lower/UPPER",
	};
	struct msv_mailbox_status status;

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		int error = msv_kit_create(k, names[i], 0);

		if (error == MSV_ERR_FORMAT)
			continue;
		PROMISE(k, error == 0, "create of \"%s\": %s", names[i], msv_strerror(error));
		PROMISE(k, msv_kit_exists(k, names[i]), "\"%s\" is not listed so", names[i]);
		SUCCEEDS(k, msv_kit_status(k, names[i], &status));
	}
}

static void names_differ_by_case(struct msv_kit *k)
{
	SUCCEEDS(k, msv_kit_create(k, "work", 0));
	SUCCEEDS(k, msv_kit_append(k, "work", "\r\nx\r\n", NULL));
	int error = msv_kit_create(k, "Work", 0);
	if (error)
		return; /* a store may fold */
	struct msv_mailbox_status status;
	SUCCEEDS(k, msv_kit_status(k, "Work", &status));
	PROMISE(k, status.messages == 0, "\"work\" and \"Work\" share their messages");
}

/* -- list ------------------------------------------------------------------------------------ */

static void list_names_each_once(struct msv_kit *k)
{
	static const char *const names[] = { "INBOX", "A", "A/B", "A/C", "Z", "Gone" };
	struct msv_kit_list list = { 0 };

	SUCCEEDS(k, msv_kit_create(k, "A/B", 0));
	SUCCEEDS(k, msv_kit_create(k, "A/C", 0));
	SUCCEEDS(k, msv_kit_create(k, "Z", 0));
	SUCCEEDS(k, msv_kit_subscribe(k, "A/B", true));
	SUCCEEDS(k, msv_kit_subscribe(k, "INBOX", true));
	SUCCEEDS(k, msv_kit_subscribe(k, "Gone", true));
	SUCCEEDS(k, msv_kit_list(k, &list));
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		unsigned times;

		msv_kit_find_entry(k, &list, names[i], &times);
		PROMISE(k, times == 1, "\"%s\" is listed %u times", names[i], times);
	}
}

static void accounts_are_apart(struct msv_kit *k)
{
	struct msv_actor actor = k->actor;
	struct msv_mailbox_status status;

	SUCCEEDS(k, msv_kit_create(k, "Mine", 0));
	SUCCEEDS(k, msv_kit_append(k, "INBOX", "\r\nmine\r\n", NULL));
	k->actor = k->other;
	bool seen = msv_kit_exists(k, "Mine");
	int error = msv_kit_status(k, "INBOX", &status);
	int removed = msv_kit_remove(k, "Mine");
	k->actor = actor;
	PROMISE(k, !seen, "another account lists the mailbox");
	PROMISE(k, error == 0, "INBOX of another account: %s", msv_strerror(error));
	PROMISE(k, status.messages == 0, "another account's INBOX has the message");
	PROMISE(
	    k, removed == MSV_ERR_NOTFOUND, "another account's remove: %s", msv_strerror(removed));
	PROMISE(k, msv_kit_exists(k, "Mine"), "another account removed the mailbox");
}

/* -- status --------------------------------------------------------------------------------------- */

static void status_counts(struct msv_kit *k)
{
	static const uint32_t flags[] = { 0, MSV_FLAG_SEEN, MSV_FLAG_SEEN | MSV_FLAG_DELETED,
		MSV_FLAG_FLAGGED };
	struct msv_mailbox_status status;
	uint32_t uid = 0;

	SUCCEEDS(k, msv_kit_create(k, "Work", 0));
	for (size_t i = 0; i < 4; i++)
		SUCCEEDS(k, msv_kit_append_with(k, "Work",
		                &(struct msv_append_message){
		                    .size = sizeof(struct msv_append_message), .flags = flags[i] },
		                "\r\nx\r\n", &uid));
	SUCCEEDS(k, msv_kit_status(k, "Work", &status));
	PROMISE(k, status.messages == 4, "%u messages instead of 4", status.messages);
	PROMISE(k, status.unseen == 2, "%u unseen instead of 2", status.unseen);
	PROMISE(k, status.deleted == 1, "%u deleted instead of 1", status.deleted);
	PROMISE(k, status.recent == 4, "%u recent instead of 4", status.recent);
	PROMISE(k, status.uidnext > uid, "UIDNEXT %u is not above %u", status.uidnext, uid);
}

static void status_leaves_recent(struct msv_kit *k)
{
	struct msv_mailbox_status status;
	struct msv_kit_view view;

	SUCCEEDS(k, msv_kit_fill(k, "INBOX", 2));
	SUCCEEDS(k, msv_kit_status(k, "INBOX", &status));
	SUCCEEDS(k, msv_kit_status(k, "INBOX", &status));
	PROMISE(k, status.recent == 2, "a second status finds %u recent", status.recent);
	SUCCEEDS(k, msv_kit_open(k, &view, "INBOX", false));
	PROMISE(k, view.opened.status.recent == 2, "open after status finds %u recent",
	    view.opened.status.recent);
}

static void missing_is_not_found(struct msv_kit *k)
{
	struct msv_mailbox_status status;
	struct msv_kit_view view;
	struct msv_append *append;

	RETURNS(k, MSV_ERR_NOTFOUND, msv_kit_status(k, "Nowhere", &status));
	RETURNS(k, MSV_ERR_NOTFOUND, msv_kit_open(k, &view, "Nowhere", false));
	RETURNS(k, MSV_ERR_NOTFOUND, msv_kit_open(k, &view, "Nowhere", true));
	RETURNS(k, MSV_ERR_NOTFOUND, msv_kit_append_begin(k, "Nowhere", &append));
	RETURNS(k, MSV_ERR_NOTFOUND, msv_kit_remove(k, "Nowhere"));
	PROMISE(k, !msv_kit_exists(k, "Nowhere"), "asking for a mailbox made it");
}

/* -- remove ---------------------------------------------------------------------------------------- */

static void remove_takes_it_away(struct msv_kit *k)
{
	struct msv_mailbox_status status;

	SUCCEEDS(k, msv_kit_create(k, "Work", 0));
	SUCCEEDS(k, msv_kit_fill(k, "Work", 2));
	SUCCEEDS(k, msv_kit_remove(k, "Work"));
	PROMISE(k, !msv_kit_exists(k, "Work"), "a removed mailbox is in the list");
	RETURNS(k, MSV_ERR_NOTFOUND, msv_kit_status(k, "Work", &status));
	RETURNS(k, MSV_ERR_NOTFOUND, msv_kit_remove(k, "Work"));
}

static void remove_leaves_children(struct msv_kit *k)
{
	struct msv_mailbox_status status;

	SUCCEEDS(k, msv_kit_create(k, "Work/2026", 0));
	SUCCEEDS(k, msv_kit_fill(k, "Work/2026", 2));
	SUCCEEDS(k, msv_kit_remove(k, "Work"));
	PROMISE(k, !msv_kit_exists(k, "Work"), "the parent is still there");
	PROMISE(k, msv_kit_exists(k, "Work/2026"), "the child went with its parent");
	SUCCEEDS(k, msv_kit_status(k, "Work/2026", &status));
	PROMISE(k, status.messages == 2, "%u of 2 messages are left in the child", status.messages);
}

/* A mailbox of an old name must not look like the old one to a client's cache. */
static void a_new_life_has_another_uidvalidity(struct msv_kit *k)
{
	struct msv_mailbox_status before, after;

	SUCCEEDS(k, msv_kit_create(k, "Work", 0));
	SUCCEEDS(k, msv_kit_fill(k, "Work", 1));
	SUCCEEDS(k, msv_kit_status(k, "Work", &before));
	SUCCEEDS(k, msv_kit_remove(k, "Work"));
	SUCCEEDS(k, msv_kit_create(k, "Work", 0));
	SUCCEEDS(k, msv_kit_status(k, "Work", &after));
	PROMISE(k, after.messages == 0, "the messages came back with the mailbox");
	PROMISE(k, after.uidvalidity != before.uidvalidity, "UIDVALIDITY %u is the old one",
	    after.uidvalidity);
}

static void removed_while_open(struct msv_kit *k)
{
	struct msv_kit_view view;
	int error;

	SUCCEEDS(k, msv_kit_create(k, "Work", 0));
	SUCCEEDS(k, msv_kit_fill(k, "Work", 3));
	SUCCEEDS(k, msv_kit_open(k, &view, "Work", false));
	SUCCEEDS(k, msv_kit_sync(k, &view));
	SUCCEEDS(k, msv_kit_remove(k, "Work"));
	SUCCEEDS(k, msv_kit_sync(k, &view));
	PROMISE(k, view.n == 0, "%zu messages of a removed mailbox are not expunged", view.n);
	RETURNS(k, MSV_ERR_STALE, msv_kit_sync(k, &view));
	error = msv_kit_flags(k, &view, UIDS(1, 3), MSV_FLAGS_ADD, MSV_FLAG_SEEN, NULL);
	PROMISE(k, error == MSV_ERR_STALE, "flags in a removed mailbox: %s", msv_strerror(error));
	error = msv_kit_expunge(k, &view, NULL);
	PROMISE(k, error == MSV_ERR_STALE, "expunge in a removed mailbox: %s", msv_strerror(error));
}

/* -- subscribe -------------------------------------------------------------------------------------- */

/* Breaks the promise unless the name is listed with this subscription. */
static bool is_subscribed(struct msv_kit *k, const char *name, bool subscribed, bool exists)
{
	struct msv_kit_list list = { 0 };
	int error = msv_kit_list(k, &list);
	const struct msv_kit_entry *entry = msv_kit_find_entry(k, &list, name, NULL);

	if (error)
		msv_kit_break(k, "list: %s", msv_strerror(error));
	else if (!entry && (subscribed || exists))
		msv_kit_break(k, "\"%s\" is not listed", name);
	else if (entry && (entry->is.subscribed != subscribed || entry->is.exists != exists))
		msv_kit_break(k, "\"%s\" is listed as%s subscribed and%s existing", name,
		    entry->is.subscribed ? "" : " not", entry->is.exists ? "" : " not");
	return k->broken.n == 0;
}

static void subscriptions_are_listed(struct msv_kit *k)
{
	SUCCEEDS(k, msv_kit_create(k, "Work", 0));
	if (!is_subscribed(k, "Work", false, true))
		return;
	SUCCEEDS(k, msv_kit_subscribe(k, "Work", true));
	SUCCEEDS(k, msv_kit_subscribe(k, "Work", true));
	if (!is_subscribed(k, "Work", true, true))
		return;
	SUCCEEDS(k, msv_kit_subscribe(k, "Work", false));
	SUCCEEDS(k, msv_kit_subscribe(k, "Work", false));
	is_subscribed(k, "Work", false, true);
}

static void subscriptions_need_no_mailbox(struct msv_kit *k)
{
	SUCCEEDS(k, msv_kit_subscribe(k, "Never/was", true));
	if (!is_subscribed(k, "Never/was", true, false))
		return;
	SUCCEEDS(k, msv_kit_create(k, "Never/was", 0));
	if (!is_subscribed(k, "Never/was", true, true))
		return;
	SUCCEEDS(k, msv_kit_remove(k, "Never/was"));
	if (!is_subscribed(k, "Never/was", true, false))
		return;
	SUCCEEDS(k, msv_kit_subscribe(k, "Never/was", false));
	is_subscribed(k, "Never/was", false, false);
}

const struct msv_check msv_checks_mailboxes[] = {
	CHECK(inbox_is_listed),
	CHECK(inbox_has_a_status),
	CHECK(inbox_opens),
	CHECK(inbox_takes_mail),
	CHECK(inbox_cannot_be_removed),
	CHECK(create_makes_a_mailbox),
	CHECK(create_makes_parents),
	CHECK(create_refuses_what_exists),
	CHECK(create_below_inbox),
	CHECK(special_use_is_kept),
	CHECK(names_are_kept),
	CHECK(names_differ_by_case),
	CHECK(list_names_each_once),
	CHECK(accounts_are_apart),
	CHECK(status_counts),
	CHECK(status_leaves_recent),
	CHECK(missing_is_not_found),
	CHECK(remove_takes_it_away),
	CHECK(remove_leaves_children),
	CHECK(a_new_life_has_another_uidvalidity),
	CHECK(removed_while_open),
	CHECK(subscriptions_are_listed),
	CHECK(subscriptions_need_no_mailbox),
	{ NULL, NULL },
};
