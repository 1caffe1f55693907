/* Mailboxes: CREATE, DELETE, RENAME, SUBSCRIBE, LIST, LSUB, NAMESPACE, STATUS (RFC
 * 3501 6.3, RFC 2342, 3348, 6154). */
#include "imap/rig.h"

START_TEST(create)
{
	rig_play(NULL, RIG_HELLO "C: a CREATE owatagusiam/\n"
	                         "S: a OK CREATE completed\n"
	                         "C: b CREATE owatagusiam/blurdybloop\n"
	                         "S: b OK CREATE completed\n"
	                         "C: c CREATE owatagusiam\n"
	                         "S: c NO [ALREADYEXISTS] A mailbox of that name is there already\n"
	                         "C: d CREATE inbox\n"
	                         "S: d NO [ALREADYEXISTS] INBOX is there already\n"
	                         "C: e CREATE inbox/sub\n"
	                         "S: e OK CREATE completed\n"
	                         "C: f CREATE \"\"\n"
	                         "S: f NO [CANNOT] No mailbox can have such a name\n"
	                         "C: f CREATE /\n"
	                         "S: f NO [CANNOT] No mailbox can have such a name\n"
	                         "C: f CREATE a//b\n"
	                         "S: f NO [CANNOT] No mailbox can have such a name\n"
	                         "C: f CREATE ../b\n"
	                         "S: f NO [CANNOT] No mailbox can have such a name\n"
	                         "C: f CREATE /etc\n"
	                         "S: f NO [CANNOT] No mailbox can have such a name\n"
	                         "C: f CREATE a*b\n"
	                         "S: f BAD A space is missing\n"
	                         "C: f CREATE &AGE-\n"
	                         "S: f NO [CANNOT] The mailbox name is not valid modified UTF-7\n"
	                         "C= f CREATE \"\\xc3\\xa4\"\\r\\n\n"
	                         "S: f NO [CANNOT] The mailbox name is not valid modified UTF-7\n"
	                         "C: f CREATE\n"
	                         "S: f BAD Missing arguments\n"
	                         "C: g CREATE &AOQ-&-\n"
	                         "S: g OK CREATE completed\n"
	                         "C: h CREATE \"two words\"\n"
	                         "S: h OK CREATE completed\n"
	                         "C: h CREATE \"]\"\n"
	                         "S: h OK CREATE completed\n"
	                         "C: i LIST \"\" *\n"
	                         "S: * LIST (\\HasChildren) \"/\" INBOX\n"
	                         "S: * LIST (\\HasNoChildren) \"/\" INBOX/sub\n"
	                         "S: * LIST (\\HasNoChildren) \"/\" \"]\"\n"
	                         "S: * LIST (\\HasChildren) \"/\" owatagusiam\n"
	                         "S: * LIST (\\HasNoChildren) \"/\" owatagusiam/blurdybloop\n"
	                         "S: * LIST (\\HasNoChildren) \"/\" \"two words\"\n"
	                         "S: * LIST (\\HasNoChildren) \"/\" &AOQ-&-\n"
	                         "S: i OK LIST completed\n"
	                         "C: j STATUS &AOQ-&- (MESSAGES)\n"
	                         "S: * STATUS &AOQ-&- (MESSAGES 0)\n"
	                         "S: j OK STATUS completed\n");
}
END_TEST

/* RFC 3501 6.3.4 */
static void prepare_delete(struct rig *rig)
{
	rig_create(rig, "blurdybloop");
	rig_create(rig, "foo");
	rig_create(rig, "foo/bar");
}

START_TEST(delete)
{
	rig_play(prepare_delete, RIG_HELLO "C: A682 LIST \"\" *\n"
	                                   "S: * LIST (\\HasNoChildren) \"/\" INBOX\n"
	                                   "S: * LIST (\\HasNoChildren) \"/\" blurdybloop\n"
	                                   "S: * LIST (\\HasChildren) \"/\" foo\n"
	                                   "S: * LIST (\\HasNoChildren) \"/\" foo/bar\n"
	                                   "S: A682 OK LIST completed\n"
	                                   "C: A683 DELETE blurdybloop\n"
	                                   "S: A683 OK DELETE completed\n"
	                                   "C: A685 DELETE foo\n"
	                                   "S: A685 OK DELETE completed\n"
	                                   "C: A686 LIST \"\" *\n"
	                                   "S: * LIST (\\HasNoChildren) \"/\" INBOX\n"
	                                   "S: * LIST (\\HasChildren \\Noselect) \"/\" foo\n"
	                                   "S: * LIST (\\HasNoChildren) \"/\" foo/bar\n"
	                                   "S: A686 OK LIST completed\n"
	                                   "C: A687 LIST \"\" %\n"
	                                   "S: * LIST (\\HasNoChildren) \"/\" INBOX\n"
	                                   "S: * LIST (\\HasChildren \\Noselect) \"/\" foo\n"
	                                   "S: A687 OK LIST completed\n"
	                                   "C: b DELETE foo/bar\n"
	                                   "S: b OK DELETE completed\n"
	                                   "C: b DELETE foo/bar\n"
	                                   "S: b NO [NONEXISTENT] There is no such mailbox\n"
	                                   "C: b DELETE Inbox\n"
	                                   "S: b NO [CANNOT] INBOX cannot be deleted\n"
	                                   "C: b DELETE\n"
	                                   "S: b BAD Missing arguments\n"
	                                   "C: b DELETE a b\n"
	                                   "S: b BAD Too many arguments\n");
}
END_TEST

/* Its own selected mailbox. */
START_TEST(delete_selected)
{
	rig_play(prepare_delete,
	    RIG_HELLO RIG_SELECT("foo") "C: a DELETE foo\n"
	                                "S: * OK [CLOSED] The selected mailbox "
	                                "was deleted\n"
	                                "S: a OK DELETE completed\n"
	                                "C: b CHECK\n"
	                                "S: b BAD No mailbox is selected\n");
}
END_TEST

static void prepare_rename(struct rig *rig)
{
	prepare_delete(rig);
	rig_deliver(rig, "INBOX", "Subject: one\r\n\r\n");
	rig_create(rig, "INBOX/sub");
}

/* RFC 3501 6.3.5 */
START_TEST(rename_mailbox)
{
	rig_play(prepare_rename,
	    RIG_HELLO "C: a RENAME blurdybloop sarasoop/deep\n"
	              "S: a OK RENAME completed\n"
	              "C: b RENAME foo zowie/\n"
	              "S: b OK RENAME completed\n"
	              "C: c LIST \"\" *\n"
	              "S: * LIST (\\HasChildren) \"/\" INBOX\n"
	              "S: * LIST (\\HasNoChildren) \"/\" INBOX/sub\n"
	              "S: * LIST (\\HasChildren) \"/\" sarasoop\n"
	              "S: * LIST (\\HasNoChildren) \"/\" sarasoop/deep\n"
	              "S: * LIST (\\HasChildren) \"/\" zowie\n"
	              "S: * LIST (\\HasNoChildren) \"/\" zowie/bar\n"
	              "S: c OK LIST completed\n"
	              "C: d RENAME nobody zowie\n"
	              "S: d NO [NONEXISTENT] There is no such mailbox\n"
	              "C: d RENAME sarasoop zowie\n"
	              "S: d NO [ALREADYEXISTS] A mailbox of that name is there "
	              "already\n"
	              "C: d RENAME zowie zowie/in/itself\n"
	              "S: d NO [CANNOT] No mailbox can have such a name\n"
	              "C: d RENAME zowie inbox\n"
	              "S: d NO [ALREADYEXISTS] INBOX is there already\n"
	              "C: d RENAME zowie\n"
	              "S: d BAD Missing arguments\n"
	              "C: d RENAME a b c\n"
	              "S: d BAD Too many arguments\n"
	              "# the mail of INBOX moves, INBOX stays\n"
	              "C: e RENAME inbox old-mail\n"
	              "S: e OK RENAME completed\n"
	              "C: f STATUS old-mail (MESSAGES)\n"
	              "S: * STATUS old-mail (MESSAGES 1)\n"
	              "S: f OK STATUS completed\n"
	              "C: f STATUS INBOX (MESSAGES)\n"
	              "S: * STATUS INBOX (MESSAGES 0)\n"
	              "S: f OK STATUS completed\n"
	              "C: g LIST inbox *\n"
	              "S: * LIST (\\HasChildren) \"/\" INBOX\n"
	              "S: * LIST (\\HasNoChildren) \"/\" INBOX/sub\n"
	              "S: g OK LIST completed\n");
}
END_TEST

/* RFC 3501 6.3.9: what is subscribed, whether it is there or not. */
START_TEST(subscriptions)
{
	rig_play(prepare_delete, RIG_HELLO "C: a LSUB \"\" *\n"
	                                   "S: a OK LSUB completed\n"
	                                   "C: b SUBSCRIBE foo/bar\n"
	                                   "S: b OK SUBSCRIBE completed\n"
	                                   "C: b SUBSCRIBE #news.comp.mail.mime\n"
	                                   "S: b OK SUBSCRIBE completed\n"
	                                   "C: b SUBSCRIBE foo/bar\n"
	                                   "S: b OK SUBSCRIBE completed\n"
	                                   "C: c LSUB \"\" *\n"
	                                   "S: * LSUB () \"/\" #news.comp.mail.mime\n"
	                                   "S: * LSUB () \"/\" foo/bar\n"
	                                   "S: c OK LSUB completed\n"
	                                   "C: d LSUB \"\" %\n"
	                                   "S: * LSUB () \"/\" #news.comp.mail.mime\n"
	                                   "S: * LSUB (\\Noselect) \"/\" foo\n"
	                                   "S: d OK LSUB completed\n"
	                                   "C: d LSUB foo/ %\n"
	                                   "S: * LSUB () \"/\" foo/bar\n"
	                                   "S: d OK LSUB completed\n"
	                                   "# a name that is only subscribed is not listed\n"
	                                   "C: e LIST \"\" #*\n"
	                                   "S: e OK LIST completed\n"
	                                   "C: f UNSUBSCRIBE foo/bar\n"
	                                   "S: f OK UNSUBSCRIBE completed\n"
	                                   "C: f UNSUBSCRIBE foo/bar\n"
	                                   "S: f OK UNSUBSCRIBE completed\n"
	                                   "C: f UNSUBSCRIBE\n"
	                                   "S: f BAD Missing arguments\n"
	                                   "C: g LSUB \"\" foo*\n"
	                                   "S: g OK LSUB completed\n"
	                                   "C: g LSUB \"\" \"\"\n"
	                                   "S: g OK LSUB completed\n"
	                                   "C: h LSUB \"\" * RETURN (CHILDREN)\n"
	                                   "S: h BAD Too many arguments\n"
	                                   "C: h LSUB (SPECIAL-USE) \"\" *\n"
	                                   "S: h BAD An argument is missing\n");
}
END_TEST

START_TEST(list)
{
	rig_play(prepare_delete,
	    RIG_HELLO "C: a LIST \"\" \"\"\n"
	              "S: * LIST (\\Noselect) \"/\" \"\"\n"
	              "S: a OK LIST completed\n"
	              "C: a LIST foo/ \"\"\n"
	              "S: * LIST (\\Noselect) \"/\" \"\"\n"
	              "S: a OK LIST completed\n"
	              "C: b LIST foo/ b%\n"
	              "S: * LIST (\\HasNoChildren) \"/\" foo/bar\n"
	              "S: b OK LIST completed\n"
	              "C: c LIST \"\" {1}\n"
	              "S: + OK\n"
	              "C: %\n"
	              "S: * LIST (\\HasNoChildren) \"/\" INBOX\n"
	              "S: * LIST (\\HasNoChildren) \"/\" blurdybloop\n"
	              "S: * LIST (\\HasChildren) \"/\" foo\n"
	              "S: c OK LIST completed\n"
	              "C: d LIST \"\" inbo%\n"
	              "S: * LIST (\\HasNoChildren) \"/\" INBOX\n"
	              "S: d OK LIST completed\n"
	              "C: e LIST \"\"\n"
	              "S: e BAD Missing arguments\n"
	              "C: e LIST \"\" a b\n"
	              "S: e BAD Unknown LIST option\n"
	              "C: e LIST \"\" (a b)\n"
	              "S: e BAD A mailbox name is missing\n"
	              "C: e LIST (FROB) \"\" *\n"
	              "S: e BAD Unknown LIST option\n"
	              "C: e LIST \"\" * RETURN (FROB)\n"
	              "S: e BAD Unknown LIST option\n"
	              "C: e LIST \"\" &\n"
	              "S: e NO [CANNOT] The mailbox name is not valid modified "
	              "UTF-7\n"
	              "C: f LIST \"\" blurdybloop RETURN (CHILDREN SPECIAL-USE)\n"
	              "S: * LIST (\\HasNoChildren) \"/\" blurdybloop\n"
	              "S: f OK LIST completed\n"
	              "C: g NAMESPACE\n"
	              "S: * NAMESPACE ((\"\" \"/\")) NIL NIL\n"
	              "S: g OK NAMESPACE completed\n"
	              "C: g NAMESPACE x\n"
	              "S: g BAD Too many arguments\n");
}
END_TEST

/* RFC 6154 */
START_TEST(special_use)
{
	rig_play(NULL, RIG_HELLO "C: a CREATE MySpecial (USE (\\Drafts \\Sent))\n"
	                         "S: a OK CREATE completed\n"
	                         "C: b CREATE Everything (USE (\\Frob))\n"
	                         "S: b NO [USEATTR] That special use is not supported\n"
	                         "C: c CREATE Plain (USE ())\n"
	                         "S: c OK CREATE completed\n"
	                         "C: d CREATE Plain2 (USED (\\Junk))\n"
	                         "S: d BAD Unknown CREATE parameter\n"
	                         "C: d CREATE Plain2 (USE (\\Junk)\n"
	                         "S: d BAD Invalid arguments\n"
	                         "C: d CREATE Plain2 (USE (\\Junk)) x\n"
	                         "S: d BAD Too many arguments\n"
	                         "C: d CREATE Plain2 x\n"
	                         "S: d BAD Invalid arguments\n"
	                         "C: e LIST \"\" *\n"
	                         "S: * LIST (\\HasNoChildren) \"/\" INBOX\n"
	                         "S: * LIST (\\HasNoChildren \\Drafts \\Sent) \"/\" MySpecial\n"
	                         "S: * LIST (\\HasNoChildren) \"/\" Plain\n"
	                         "S: e OK LIST completed\n"
	                         "C: f LIST (SPECIAL-USE) \"\" *\n"
	                         "S: * LIST (\\HasNoChildren \\Drafts \\Sent) \"/\" MySpecial\n"
	                         "S: f OK LIST completed\n"
	                         "C: g LIST () \"\" M* RETURN ()\n"
	                         "S: * LIST (\\HasNoChildren \\Drafts \\Sent) \"/\" MySpecial\n"
	                         "S: g OK LIST completed\n");
}
END_TEST

static void prepare_status(struct rig *rig)
{
	rig_create(rig, "blurdybloop");
	rig_deliver(rig, "blurdybloop", "Subject: one\r\n\r\n");
	rig_append(rig, "blurdybloop",
	    &(struct rig_message){ .flags = MSV_FLAG_SEEN, .text = "Subject: two\r\n\r\n" }, 2);
}

START_TEST(status)
{
	rig_play(prepare_status,
	    RIG_HELLO "C: a STATUS blurdybloop (UIDNEXT MESSAGES unseen RECENT)\n"
	              "S: * STATUS blurdybloop (UIDNEXT 4 MESSAGES 3 UNSEEN 1 RECENT 3)\n"
	              "S: a OK STATUS completed\n"
	              "C: b STATUS blurdybloop (UIDVALIDITY)\n"
	              "S* ? STATUS blurdybloop (UIDVALIDITY *)\n"
	              "S: b OK STATUS completed\n"
	              "C: c STATUS blurdybloop ()\n"
	              "S: c BAD A word is missing\n"
	              "C: c STATUS blurdybloop (FROB)\n"
	              "S: c BAD Unknown STATUS item\n"
	              "C: c STATUS blurdybloop MESSAGES\n"
	              "S: c BAD Invalid arguments\n"
	              "C: c STATUS blurdybloop (MESSAGES) x\n"
	              "S: c BAD Too many arguments\n"
	              "C: d STATUS nowhere (MESSAGES)\n"
	              "S: d NO [NONEXISTENT] There is no such mailbox\n"
	              "# the selected one too\n" RIG_SELECT(
	                  "blurdybloop") "C: e STATUS blurdybloop (MESSAGES)\n"
	                                 "S: * STATUS blurdybloop (MESSAGES "
	                                 "3)\n"
	                                 "S: e OK STATUS completed\n");
}
END_TEST

/* A store with a prefix and dots. */
START_TEST(prefix)
{
	struct msv_memory_options options = { .size = sizeof(options), .separator = '.' };
	struct msv_memory_store *memory;
	struct msv_store store;
	struct rig rig;

	rig_init(&rig, false);
	ck_assert_int_eq(msv_memory_store_new(rig.env, &options, &memory), 0);
	store = *msv_memory_store(memory);
	store.prefix = "INBOX.";
	rig.config.store = &store;
	rig_connect(&rig, 0);
	rig_say(&rig, 0,
	    RIG_HELLO "C: a NAMESPACE\n"
	              "S: * NAMESPACE ((\"INBOX.\" \".\")) NIL NIL\n"
	              "S: a OK NAMESPACE completed\n"
	              "C: b CREATE inbox.a.b\n"
	              "S: b OK CREATE completed\n"
	              "C: c LIST \"\" *\n"
	              "S: * LIST (\\HasChildren) \".\" INBOX\n"
	              "S: * LIST (\\HasChildren) \".\" INBOX.a\n"
	              "S: * LIST (\\HasNoChildren) \".\" INBOX.a.b\n"
	              "S: c OK LIST completed\n"
	              "C: d LIST inbox. %\n"
	              "S: * LIST (\\HasChildren) \".\" INBOX.a\n"
	              "S: d OK LIST completed\n");
	rig_hang_up(&rig, 0);
	msv_memory_store_free(memory);
	rig_fini(&rig);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("imap/mailbox");

	check_case(s, "mailbox", create, delete, delete_selected, rename_mailbox, subscriptions,
	    list, special_use, status, prefix);
	return check_main(s);
}
