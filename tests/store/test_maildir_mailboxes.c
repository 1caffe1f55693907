/* Mailboxes as directories: made, listed, renamed, removed, in each layout. */
#include "check_main.h"
#include "store/world.h"

/* Starts anew with other options. */
static void with(struct msv_maildir_options options)
{
	msv_maildir_free(maildir);
	msv_test_run(test);
	world_options = options;
	world_open();
}

static const char *list(void)
{
	ck_assert_int_eq(do_list(), 0);
	return got.rows;
}

static uint32_t uidvalidity(const char *name)
{
	ck_assert_int_eq(do_status(name), 0);
	return got.status.uidvalidity;
}

START_TEST(test_first_question)
{
	ck_assert(!scratch_has("ann"));
	ck_assert_str_eq(list(), "INBOX|");
	ck_assert_str_eq(names_in("ann"), "cur\nnew\ntmp\n");
}
END_TEST

START_TEST(test_plus)
{
	ck_assert_int_eq(do_create("A.B\xc3\xa9", 0), 0);
	ck_assert_int_eq(do_create("Sent", 0), 0);
	ck_assert_str_eq(
	    names_in("ann"), ".A\n.A.B&AOk-\n.Sent\ncur\nmailserv-attributes\nnew\ntmp\n");
	ck_assert_str_eq(
	    names_in("ann/.A.B&AOk-"), "cur\ndovecot-uidlist\nmaildirfolder\nnew\ntmp\n");
	ck_assert_str_eq(list(), "A|A.B\xc3\xa9|INBOX|Sent=32|");
	ck_assert_int_eq(do_create("A", 0), MSV_ERR_EXISTS);
	ck_assert_int_eq(do_create("INBOX", 0), MSV_ERR_EXISTS);
	ck_assert_int_eq(do_create("a/b", 0), MSV_ERR_FORMAT);
	ck_assert_int_eq(do_create("..", 0), MSV_ERR_FORMAT);
	/* Its child stays, and it is only that then. */
	ck_assert_int_eq(do_remove("A"), 0);
	ck_assert_int_eq(do_remove("A"), MSV_ERR_NOTFOUND);
	ck_assert_int_eq(do_remove("INBOX"), MSV_ERR_DENIED);
	ck_assert_str_eq(list(), "A!?|A.B\xc3\xa9|INBOX|Sent=32|");
	ck_assert_str_eq(names_in("ann"), ".A.B&AOk-\n.Sent\ncur\nmailserv-attributes\nnew\ntmp\n");
}
END_TEST

START_TEST(test_prefix)
{
	with((struct msv_maildir_options){ .prefix = "INBOX." });
	ck_assert_int_eq(do_create("A", 0), MSV_ERR_FORMAT);
	ck_assert_int_eq(do_create("INBOX.A.B", 0), 0);
	ck_assert_int_eq(do_create("INBOX.Trash", 0), 0);
	ck_assert_int_eq(do_subscribe("INBOX.A.B", true), 0);
	ck_assert_int_eq(do_subscribe("INBOX", true), 0);
	ck_assert_str_eq(scratch_read("ann/subscriptions"), "V\t2\n\nA\tB\nINBOX\n");
	ck_assert_str_eq(names_in("ann"),
	    ".A\n.A.B\n.Trash\ncur\nmailserv-attributes\nnew\nsubscriptions\ntmp\n");
	ck_assert_str_eq(list(), "INBOX*|INBOX.A|INBOX.A.B*|INBOX.Trash=64|");
	ck_assert_int_eq(do_rename("INBOX.A", "INBOX.C.D"), 0);
	ck_assert_str_eq(
	    list(), "INBOX*|INBOX.A.B!?*|INBOX.C|INBOX.C.D|INBOX.C.D.B|INBOX.Trash=64|");
}
END_TEST

START_TEST(test_slash)
{
	with((struct msv_maildir_options){ .separator = '/' });
	ck_assert_int_eq(do_create("A.B", 0), MSV_ERR_FORMAT);
	ck_assert_int_eq(do_create("A/B", 0), 0);
	ck_assert_str_eq(list(), "A|A/B|INBOX|");
	ck_assert(scratch_has("ann/.A.B/cur"));
}
END_TEST

START_TEST(test_fs)
{
	with((struct msv_maildir_options){ .fs_layout = true });
	ck_assert_int_eq(do_create("A/B.c/D", 0), 0);
	ck_assert_int_eq(do_create("A/cur", 0), MSV_ERR_FORMAT);
	ck_assert_int_eq(do_create("subscriptions", 0), MSV_ERR_FORMAT);
	ck_assert_str_eq(names_in("ann"), "A\ncur\nmailserv-attributes\nnew\ntmp\n");
	ck_assert_str_eq(names_in("ann/A/B.c"), "D\ncur\ndovecot-uidlist\nnew\ntmp\n");
	ck_assert_str_eq(list(), "A|A/B.c|A/B.c/D|INBOX|");
	ck_assert_int_eq(do_remove("A/B.c"), 0);
	ck_assert_str_eq(names_in("ann/A/B.c"), "D\n");
	ck_assert_str_eq(list(), "A|A/B.c!?|A/B.c/D|INBOX|");
	ck_assert_int_eq(do_open("A/B.c", true), MSV_ERR_NOTFOUND);
	/* It can be made again, around its child. */
	uint32_t child = uidvalidity("A/B.c/D");
	ck_assert_int_eq(do_create("A/B.c", 0), 0);
	ck_assert_uint_gt(uidvalidity("A/B.c"), child);
	ck_assert_uint_eq(uidvalidity("A/B.c/D"), child);
	ck_assert_int_eq(do_rename("A", "X/Y"), 0);
	ck_assert_str_eq(list(), "INBOX|X|X/Y|X/Y/B.c|X/Y/B.c/D|");
	ck_assert_int_eq(do_remove("X/Y/B.c/D"), 0);
	ck_assert_int_eq(do_remove("X/Y/B.c"), 0);
	ck_assert_str_eq(names_in("ann/X/Y"), "cur\ndovecot-uidlist\nnew\ntmp\n");
}
END_TEST

/* The location says where, and no name leads elsewhere. */
START_TEST(test_location)
{
	char root[300];
	struct msv_actor bob = { .size = sizeof(bob), .user = "bob@example.org" };
	struct msv_op *op;

	snprintf(root, sizeof(root), "%s/%%d/%%n/Maildir", scratch);
	msv_maildir_free(maildir);
	world_options.location = root;
	world_options.root = NULL;
	ck_assert_int_eq(msv_maildir_new(msv_test_env(test), &world_options, &maildir), 0);
	store = msv_maildir_store(maildir);
	op = ask(on_plain, on_entry);
	store->list(store->self, &bob, (struct msv_list_op){ op });
	ck_assert_int_eq(answered(), 0);
	ck_assert(scratch_has("example.org/bob/Maildir/cur"));
	static const char *const bad[] = { "../bob@example.org", "bob@../example.org", "", "@" };
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		bob.user = bad[i];
		op = ask(on_plain, on_entry);
		store->list(store->self, &bob, (struct msv_list_op){ op });
		ck_assert_int_eq(answered(), MSV_ERR_FORMAT);
	}
}
END_TEST

START_TEST(test_options)
{
	static const struct msv_maildir_options bad[] = {
		{ .size = sizeof(bad[0]), .location = "%x" },
		{ .size = sizeof(bad[0]), .separator = '\\' },
		{ .size = sizeof(bad[0]), .prefix = "INBOX" },
		{ .size = sizeof(bad[0]), .prefix = "INBOX/" },
		{ .size = sizeof(bad[0]), .prefix = "INBOX.", .fs_layout = true },
	};
	struct msv_maildir *none;

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		ck_assert_int_eq(
		    msv_maildir_new(msv_test_env(test), &bad[i], &none), MSV_ERR_INVAL);
	ck_assert_int_eq(msv_maildir_new(msv_test_env(test), NULL, &none), 0);
	msv_maildir_free(none);
	msv_maildir_free(NULL);
}
END_TEST

/* -- UIDVALIDITY ---------------------------------------------------------------------------- */

/* On one clock tick, over a restart: never the same twice. */
START_TEST(test_uidvalidity)
{
	uint32_t last = 0;

	for (unsigned i = 0; i < 5; i++) {
		ck_assert_int_eq(do_create("A", 0), 0);
		ck_assert_uint_gt(uidvalidity("A"), last);
		last = uidvalidity("A");
		ck_assert_int_eq(do_remove("A"), 0);
		world_restart();
	}
	ck_assert_int_eq(do_create("A.B.C", 0), 0);
	ck_assert_uint_ne(uidvalidity("A"), uidvalidity("A.B"));
	ck_assert_uint_ne(uidvalidity("A.B"), uidvalidity("A.B.C"));
	/* A mailbox takes its own along. */
	uint32_t old = uidvalidity("A.B.C");
	ck_assert_int_eq(do_rename("A.B", "X"), 0);
	ck_assert_uint_eq(uidvalidity("X.C"), old);
}
END_TEST

/* -- Special uses ----------------------------------------------------------------------------- */

START_TEST(test_special_use)
{
	ck_assert_int_eq(do_create("Sent", 0), 0);
	ck_assert_int_eq(do_create("Drafts", 0), 0);
	ck_assert_int_eq(do_create("A.Drafts", 0), 0);
	ck_assert_str_eq(list(), "A|A.Drafts|Drafts=4|INBOX|Sent=32|");
	/* What was said outweighs what a name suggests. */
	ck_assert_int_eq(do_create("Gesendet", MSV_USE_SENT | MSV_USE_ARCHIVE), 0);
	ck_assert_str_eq(list(), "A|A.Drafts|Drafts=4|Gesendet=34|INBOX|Sent|");
	world_restart();
	ck_assert_int_eq(do_rename("Gesendet", "A.Out"), 0);
	ck_assert_str_eq(list(), "A|A.Drafts|A.Out=34|Drafts=4|INBOX|Sent|");
	ck_assert_int_eq(do_rename("A", "B"), 0);
	ck_assert_str_eq(list(), "B|B.Drafts|B.Out=34|Drafts=4|INBOX|Sent|");
	ck_assert_int_eq(do_remove("B.Out"), 0);
	ck_assert_int_eq(do_create("B.Out", 0), 0);
	ck_assert_str_eq(list(), "B|B.Drafts|B.Out|Drafts=4|INBOX|Sent=32|");
}
END_TEST

/* -- Renames ------------------------------------------------------------------------------------ */

START_TEST(test_rename)
{
	ck_assert_int_eq(do_create("A.B.C", 0), 0);
	ck_assert_int_eq(do_create("AB", 0), 0);
	ck_assert_int_eq(deliver("A.B", "x\r\n", MSV_FLAG_SEEN, "word"), 0);
	ck_assert_int_eq(do_rename("A", "AB"), MSV_ERR_EXISTS);
	ck_assert_int_eq(do_rename("A", "A.X"), MSV_ERR_FORMAT);
	ck_assert_int_eq(do_rename("A", "A"), MSV_ERR_EXISTS);
	ck_assert_int_eq(do_rename("A", "INBOX"), MSV_ERR_EXISTS);
	ck_assert_int_eq(do_rename("missing", "B"), MSV_ERR_NOTFOUND);
	ck_assert_int_eq(do_rename("A", "../B"), MSV_ERR_FORMAT);
	struct msv_mailbox *mailbox = opened("A.B", false);
	ck_assert_int_eq(do_rename("A", "N.M"), 0);
	ck_assert_str_eq(list(), "AB|INBOX|N|N.M|N.M.B|N.M.B.C|");
	ck_assert_int_eq(do_changes(mailbox, 1), 0);
	ck_assert_str_eq(got.rows, "-1:1 ");
	ck_assert_int_eq(do_changes(mailbox, got.changes.modseq), MSV_ERR_STALE);
	do_close(mailbox);
	mailbox = opened("N.M.B", true);
	ck_assert_int_eq(do_changes(mailbox, 0), 0);
	ck_assert_str_eq(got.rows, "1:S+word ");
	do_close(mailbox);
	/* A parent that is no mailbox can be renamed with its children. */
	ck_assert_int_eq(do_remove("N.M"), 0);
	ck_assert_int_eq(do_rename("N.M", "Z"), 0);
	ck_assert_str_eq(list(), "AB|INBOX|N|Z!?|Z.B|Z.B.C|");
}
END_TEST

START_TEST(test_rename_inbox)
{
	ck_assert_int_eq(do_create("INBOX.child", 0), 0);
	ck_assert_int_eq(deliver("INBOX", "x\r\n", MSV_FLAG_SEEN, "word"), 0);
	ck_assert_int_eq(deliver("INBOX", "y\r\n", 0, NULL), 0);
	uint32_t old = uidvalidity("INBOX");
	ck_assert_int_eq(do_rename("INBOX", "Old.Mail"), 0);
	ck_assert_str_eq(list(), "INBOX|INBOX.child|Old|Old.Mail|");
	ck_assert_uint_eq(uidvalidity("INBOX"), old);
	ck_assert_uint_eq(got.status.messages, 0);
	ck_assert_uint_eq(got.status.uidnext, 3);
	struct msv_mailbox *mailbox = opened("Old.Mail", true);
	ck_assert_int_eq(do_changes(mailbox, 0), 0);
	ck_assert_str_eq(got.rows, "1:rS+word 2:r ");
	do_close(mailbox);
	ck_assert_int_eq(do_rename("INBOX", "Old"), MSV_ERR_EXISTS);
}
END_TEST

/* Version 1 is read, and written as version 2. */
START_TEST(test_subscriptions)
{
	make_maildir("ann");
	scratch_puts("ann/subscriptions", "A.B\nSent\n");
	ck_assert_str_eq(list(), "A.B!?*|INBOX|Sent!?*|");
	ck_assert_int_eq(do_subscribe("A.B", true), 0);
	ck_assert_str_eq(scratch_read("ann/subscriptions"), "V\t2\n\nA\tB\nSent\n");
	ck_assert_int_eq(do_subscribe("Sent", false), 0);
	ck_assert_int_eq(do_subscribe("never", false), 0);
	ck_assert_str_eq(scratch_read("ann/subscriptions"), "V\t2\n\nA\tB\n");
	/* Under Dovecot's lock. */
	scratch_puts("ann/subscriptions.lock", "V\t2\n");
	struct msv_op *op = ask(on_plain, NULL);
	store->subscribe(store->self, &ann, "C", true, op);
	msv_test_advance(test, 1000);
	ck_assert(!got.done);
	unlink(scratch_path("ann/subscriptions.lock"));
	ck_assert_int_eq(answered(), 0);
	ck_assert_str_eq(scratch_read("ann/subscriptions"), "V\t2\n\nA\tB\nC\n");
}
END_TEST

static void add(Suite *s, const char *name, const TTest *const *tests)
{
	TCase *tc = tcase_create(name);

	tcase_add_checked_fixture(tc, world_setup, world_teardown);
	tcase_set_timeout(tc, 60);
	for (; *tests; tests++)
		tcase_add_test(tc, *tests);
	suite_add_tcase(s, tc);
}

int main(void)
{
	Suite *s = suite_create("store/maildir_mailboxes");

	add(s, "layouts",
	    (const TTest *[]){ test_first_question, test_plus, test_prefix, test_slash, test_fs,
	        test_location, test_options, NULL });
	add(s, "names",
	    (const TTest *[]){ test_uidvalidity, test_special_use, test_rename, test_rename_inbox,
	        test_subscriptions, NULL });
	return check_main(s);
}
