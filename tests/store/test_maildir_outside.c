/* What other programs do to a Maildir while it is open, and before. */
#include "check_main.h"
#include "store/world.h"

/* -- A Maildir as Dovecot leaves it ------------------------------------------------------- */

static void make_dovecot(void)
{
	make_maildir("ann");
	scratch_puts("ann/dovecot-uidlist",
	    "3 V1795369192 N9 G38450e24e728036baa42000083ecc375\n"
	    "2 :1795369191.M604915P17066.vm,S=16,W=18\n"
	    "5 G1795369000.M1P1.vm,S=23,W=26 :1795369192.M1P2.vm,S=23,W=26\n"
	    "7 W26 :1795369193.M1P3.vm\n");
	scratch_puts("ann/dovecot-keywords", "0 $Forwarded\n1 Work\n");
	scratch_puts("ann/cur/1795369191.M604915P17066.vm,S=16,W=18:2,FSb", "Subject: y\n\nbody");
	scratch_puts("ann/cur/1795369192.M1P2.vm,S=23,W=26:2,a", "Subject: x\n\nhello\nworld");
	scratch_puts("ann/new/1795369193.M1P3.vm", "Subject: x\n\nhello\nworld");
	scratch_puts("ann/subscriptions", "V\t2\n\nA\tB&AOk-\nINBOX\n");
	make_maildir("ann/.A.B&AOk-");
	scratch_puts("ann/.A.B&AOk-/maildirfolder", "");
	scratch_puts("ann/.A.B&AOk-/dovecot-uidlist",
	    "3 V1795369048 N1 Gd80ad3215728036bc93c000083ecc375\n");
}

START_TEST(test_dovecot)
{
	make_dovecot();
	struct msv_mailbox *mailbox = opened("INBOX", false);
	ck_assert_uint_eq(got.open.status.uidvalidity, 1795369192);
	ck_assert_uint_eq(got.open.status.uidnext, 9);
	ck_assert_uint_eq(got.open.status.messages, 3);
	ck_assert_uint_eq(got.open.status.unseen, 2);
	ck_assert_uint_eq(got.open.status.recent, 1);
	ck_assert_str_eq(got.id, "F38450e24e728036baa42000083ecc375");
	ck_assert_int_eq(do_changes(mailbox, 0), 0);
	ck_assert_str_eq(got.rows, "2:FS+Work 5:+$Forwarded 7:r ");
	/* Nothing was written but the move out of new/. */
	ck_assert_str_eq(names_in("ann/new"), "");
	ck_assert(scratch_has("ann/cur/1795369193.M1P3.vm:2,"));
	ck_assert_str_eq(scratch_read("ann/dovecot-uidlist"),
	    "3 V1795369192 N9 G38450e24e728036baa42000083ecc375\n"
	    "2 :1795369191.M604915P17066.vm,S=16,W=18\n"
	    "5 G1795369000.M1P1.vm,S=23,W=26 :1795369192.M1P2.vm,S=23,W=26\n"
	    "7 W26 :1795369193.M1P3.vm\n");
	ck_assert_int_eq(do_list(), 0);
	ck_assert_str_eq(got.rows, "A!?|A.B\xc3\xa9*|INBOX*|");
	do_close(mailbox);
}
END_TEST

/* What we write is what Dovecot would. */
START_TEST(test_changed_for_dovecot)
{
	make_dovecot();
	struct msv_mailbox *mailbox = opened("INBOX", false);
	ck_assert_int_eq(do_flags(mailbox, 2, 5, MSV_FLAGS_ADD, MSV_FLAG_DELETED, "new"), 0);
	ck_assert_str_eq(got.rows, "2:FST+Work+new 5:T+$Forwarded+new ");
	ck_assert_int_eq(deliver("INBOX", "Subject: z\r\n\r\n", MSV_FLAG_SEEN, "Work"), 0);
	ck_assert_str_eq(got.dest, "9:9");
	ck_assert_int_eq(do_copy(mailbox, 5, 5, "A.B\xc3\xa9", false), 0);
	ck_assert_str_eq(got.dest, "1:1");
	ck_assert_uint_eq(got.uidvalidity, 1795369048);
	ck_assert_str_eq(scratch_read("ann/dovecot-keywords"), "0 $Forwarded\n1 Work\n2 new\n");
	ck_assert_str_eq(scratch_read("ann/.A.B&AOk-/dovecot-keywords"), "0 $Forwarded\n1 new\n");
	const char *list = scratch_read("ann/dovecot-uidlist");
	ck_assert_ptr_nonnull(strstr(list, "\n9 :1767225600.M000000R"));
	ck_assert_ptr_nonnull(strstr(list, ".localhost,S=12,W=14\n"));
	list = scratch_read("ann/.A.B&AOk-/dovecot-uidlist");
	ck_assert_ptr_nonnull(strstr(list, "\n1 G1795369000.M1P1.vm,S=23,W=26 :1767225600."));
	ck_assert_ptr_nonnull(strstr(names_in("ann/.A.B&AOk-/cur"), ",S=23,W=26:2,Tab\n"));
	ck_assert_ptr_nonnull(strstr(names_in("ann/cur"), ",S=12,W=14:2,Sb\n"));
	ck_assert(scratch_has("ann/cur/1795369191.M604915P17066.vm,S=16,W=18:2,FSTbc"));
	do_close(mailbox);
}
END_TEST

/* -- While it is open ------------------------------------------------------------------------ */

static uint64_t since;

/* What changed since the last call. */
static const char *news(struct msv_mailbox *mailbox)
{
	ck_assert_int_eq(do_changes(mailbox, since), 0);
	since = got.changes.modseq;
	return got.rows;
}

static void rename_file(const char *from, const char *to)
{
	ck_assert_int_eq(rename(scratch_path(from), scratch_path(to)), 0);
}

START_TEST(test_dropped_in)
{
	make_maildir("ann");
	struct msv_mailbox *mailbox = opened("INBOX", false), *reader = opened("INBOX", true);
	since = 0;
	ck_assert_str_eq(news(mailbox), "");
	scratch_puts("ann/new/2.b.host", "two\n");
	scratch_puts("ann/new/10.a.host", "ten\n");
	scratch_puts("ann/cur/1.c.host:2,S", "one\n");
	/* In order of their times; what is in new/ is recent, to who may take it. */
	ck_assert_int_eq(do_changes(reader, 1), 0);
	ck_assert_str_eq(got.rows, "1:S 2:r 3:r ");
	ck_assert_str_eq(news(mailbox), "1:S 2:r 3:r ");
	ck_assert_int_eq(do_changes(reader, 0), 0);
	ck_assert_str_eq(got.rows, "1:S 2: 3: ");
	ck_assert_str_eq(names_in("ann/cur"), "1.c.host:2,S\n10.a.host:2,\n2.b.host:2,\n");
	ck_assert_ptr_nonnull(strstr(
	    scratch_read("ann/dovecot-uidlist"), "\n1 :1.c.host\n2 :2.b.host\n3 :10.a.host\n"));
	ck_assert_str_eq(news(mailbox), "");
	do_close(mailbox);
	do_close(reader);
}
END_TEST

START_TEST(test_renamed)
{
	make_dovecot();
	struct msv_mailbox *mailbox = opened("INBOX", false);
	since = 0;
	news(mailbox);
	rename_file("ann/cur/1795369192.M1P2.vm,S=23,W=26:2,a",
	    "ann/cur/1795369192.M1P2.vm,S=23,W=26:2,RS");
	ck_assert_str_eq(news(mailbox), "5:RS ");
	/* A keyword that is new to the file of keywords. */
	scratch_puts("ann/dovecot-keywords.x", "0 $Forwarded\n1 Work\n2 Later\n");
	rename_file("ann/dovecot-keywords.x", "ann/dovecot-keywords");
	rename_file("ann/cur/1795369192.M1P2.vm,S=23,W=26:2,RS",
	    "ann/cur/1795369192.M1P2.vm,S=23,W=26:2,RSc");
	ck_assert_str_eq(news(mailbox), "5:RS+Later ");
	/* Letters that mean nothing here stay when we rename. */
	rename_file("ann/cur/1795369192.M1P2.vm,S=23,W=26:2,RSc",
	    "ann/cur/1795369192.M1P2.vm,S=23,W=26:2,XSR,y");
	ck_assert_str_eq(news(mailbox), "5:RS ");
	ck_assert_int_eq(do_flags(mailbox, 5, 5, MSV_FLAGS_REMOVE, MSV_FLAG_SEEN, NULL), 0);
	ck_assert(scratch_has("ann/cur/1795369192.M1P2.vm,S=23,W=26:2,RX,y"));
	do_close(mailbox);
}
END_TEST

/* $Forwarded is Dovecot's keyword; the letter P, which Dovecot keeps, is shown as
 * the same and goes with it. */
START_TEST(test_forwarded)
{
	make_dovecot();
	scratch_puts("ann/cur/1795369192.M1P4.vm:2,PS", "x\n");
	struct msv_mailbox *mailbox = opened("INBOX", false);
	ck_assert_uint_eq(got.open.permanent_flags & MSV_FLAG_PASSED, 0);
	ck_assert_int_eq(do_flags(mailbox, 9, 9, MSV_FLAGS_ADD, 0, NULL), 0);
	ck_assert_str_eq(got.rows, "9:PS ");
	ck_assert_int_eq(do_flags(mailbox, 9, 9, MSV_FLAGS_ADD, MSV_FLAG_PASSED, NULL), 0);
	ck_assert_str_eq(got.rows, "9:S+$Forwarded ");
	ck_assert(scratch_has("ann/cur/1795369192.M1P4.vm:2,PSa"));
	ck_assert_int_eq(do_flags(mailbox, 9, 9, MSV_FLAGS_REMOVE, 0, "$forwarded"), 0);
	ck_assert_str_eq(got.rows, "9:S ");
	ck_assert(scratch_has("ann/cur/1795369192.M1P4.vm:2,S"));
	do_close(mailbox);
}
END_TEST

/* An op that meets a name that is not true any more finds the file. */
START_TEST(test_renamed_behind_our_back)
{
	static const char *const names[] = { "ann/cur/1795369192.M1P2.vm,S=23,W=26:2,a",
		"ann/cur/1795369192.M1P2.vm,S=23,W=26:2,Fa",
		"ann/cur/1795369192.M1P2.vm,S=23,W=26:2,FRa" };
	char text[64];

	make_dovecot();
	struct timespec date[2] = { { 1577836800, 0 }, { 1577836800, 0 } };
	utimensat(AT_FDCWD, scratch_path(names[0]), date, 0);
	struct msv_mailbox *mailbox = opened("INBOX", false);
	rename_file(names[0], names[1]);
	ck_assert_int_eq(do_flags(mailbox, 5, 5, MSV_FLAGS_ADD, MSV_FLAG_ANSWERED, NULL), 0);
	ck_assert_str_eq(got.rows, "5:FR+$Forwarded ");
	rename_file(names[2], names[0]);
	ck_assert_uint_eq(read_all(mailbox, 5, text, sizeof(text), 64), 26);
	rename_file(names[0], names[1]);
	ck_assert_int_eq(do_fetch(mailbox, 5, 5, MSV_FIELD_DATES), 0);
	ck_assert_str_eq(got.rows, "5:F+$Forwarded@1577836800 ");
	rename_file(names[1], names[0]);
	ck_assert_int_eq(do_copy(mailbox, 2, 5, "A.B\xc3\xa9", false), 0);
	ck_assert_str_eq(got.source, "2:2,5:5");
	ck_assert_str_eq(got.dest, "1:2");
	rename_file(names[0], "ann/cur/1795369192.M1P2.vm,S=23,W=26:2,T");
	ck_assert_int_eq(do_expunge(mailbox), 0);
	ck_assert_int_eq(do_fetch(mailbox, 1, 9, 0), 0);
	ck_assert_str_eq(got.rows, "2:FS+Work 7:r ");
	do_close(mailbox);
}
END_TEST

/* \Deleted that somebody took away meanwhile saves the message. */
START_TEST(test_undeleted_behind_our_back)
{
	make_dovecot();
	struct msv_mailbox *mailbox = opened("INBOX", false);
	ck_assert_int_eq(do_flags(mailbox, 2, 2, MSV_FLAGS_REPLACE, MSV_FLAG_DELETED, NULL), 0);
	rename_file("ann/cur/1795369191.M604915P17066.vm,S=16,W=18:2,T",
	    "ann/cur/1795369191.M604915P17066.vm,S=16,W=18:2,");
	ck_assert_int_eq(do_expunge(mailbox), 0);
	ck_assert_int_eq(do_fetch(mailbox, 1, 9, 0), 0);
	ck_assert_str_eq(got.rows, "2: 5:+$Forwarded 7:r ");
	do_close(mailbox);
}
END_TEST

/* A message is gone once that is sure, and its UID with it. */
START_TEST(test_removed)
{
	make_dovecot();
	struct msv_mailbox *mailbox = opened("INBOX", false);
	since = 0;
	news(mailbox);
	settle();
	ck_assert_int_eq(unlink(scratch_path("ann/cur/1795369193.M1P3.vm:2,")), 0);
	ck_assert_str_eq(news(mailbox), "");
	ck_assert_int_eq(do_msg_open(mailbox, 7), MSV_ERR_NOTFOUND);
	ck_assert_int_eq(do_fetch(mailbox, 1, 9, MSV_FIELD_OCTETS), 0);
	ck_assert_str_eq(got.rows, "2:FS+Work(18) 5:+$Forwarded(26) ");
	settle();
	ck_assert_str_eq(news(mailbox), "-7:7 ");
	scratch_puts("ann/new/1795369193.M1P3.vm", "back\n");
	ck_assert_str_eq(news(mailbox), "9:r ");
	do_close(mailbox);
	world_restart();
	mailbox = opened("INBOX", true);
	ck_assert_int_eq(do_changes(mailbox, 0), 0);
	ck_assert_str_eq(got.rows, "2:FS+Work 5:+$Forwarded 9: ");
	do_close(mailbox);
}
END_TEST

/* Dovecot gave a new message its UID: no other is given. */
START_TEST(test_uid_by_others)
{
	make_dovecot();
	struct msv_mailbox *mailbox = opened("INBOX", false);
	since = 0;
	news(mailbox);
	scratch_puts("ann/new/1795369999.x.vm", "x\n");
	int fd = open(scratch_path("ann/dovecot-uidlist"), O_WRONLY | O_APPEND);
	ck_assert_int_eq(write(fd, "12 :1795369999.x.vm\n", 20), 20);
	close(fd);
	ck_assert_str_eq(news(mailbox), "12:r ");
	ck_assert_uint_eq(got.changes.uidnext, 13);
	/* It rewrote the list, without what is gone. */
	scratch_puts("ann/dovecot-uidlist.x",
	    "3 V1795369192 N13 G38450e24e728036baa42000083ecc375\n"
	    "2 :1795369191.M604915P17066.vm,S=16,W=18\n"
	    "5 :1795369192.M1P2.vm,S=23,W=26\n"
	    "7 W26 :1795369193.M1P3.vm\n"
	    "12 :1795369999.x.vm\n");
	rename_file("ann/dovecot-uidlist.x", "ann/dovecot-uidlist");
	scratch_puts("ann/new/1795370000.x.vm", "x\n");
	ck_assert_str_eq(news(mailbox), "13:r ");
	ck_assert_ptr_nonnull(strstr(
	    scratch_read("ann/dovecot-uidlist"), "12 :1795369999.x.vm\n13 :1795370000.x.vm\n"));
	/* It gave a file another UID. */
	fd = open(scratch_path("ann/dovecot-uidlist"), O_WRONLY | O_APPEND);
	ck_assert_int_eq(write(fd, "14 :1795370000.x.vm\n", 20), 20);
	close(fd);
	ck_assert_str_eq(news(mailbox), "-13:13 14: ");
	do_close(mailbox);
}
END_TEST

/* The lock of another program is waited for. */
START_TEST(test_locked_by_others)
{
	make_dovecot();
	struct msv_mailbox *mailbox = opened("INBOX", false);
	scratch_puts("ann/dovecot-uidlist.lock", "1:vm");
	scratch_puts("ann/new/1795369999.x.vm", "x\n");
	struct msv_op *op = ask(on_changes, on_change);
	store->changes(store->self, mailbox, 0, NULL, 0, (struct msv_changes_op){ op });
	msv_test_advance(test, 60000);
	ck_assert(!got.done);
	unlink(scratch_path("ann/dovecot-uidlist.lock"));
	msv_test_advance(test, 1000);
	ck_assert(got.done);
	ck_assert_int_eq(got.error, 0);
	ck_assert_str_eq(got.rows, "2:FS+Work 5:+$Forwarded 7:r 9:r ");
	/* One that nobody touches is nobody's after two minutes. */
	scratch_puts("ann/dovecot-uidlist.lock", "1:vm");
	op = ask(on_append, NULL);
	store->append_begin(store->self, &ann, "INBOX", (struct msv_append_op){ op });
	ck_assert_int_eq(answered(), 0);
	struct msv_append *append = got.append;
	struct msv_append_message message = { .size = sizeof(message) };
	ck_assert_int_eq(do_add(append, &message), 0);
	op = ask(on_copy, NULL);
	store->append_commit(store->self, append, (struct msv_copy_op){ op });
	msv_test_advance(test, 115000);
	ck_assert(!got.done);
	msv_test_advance(test, 10000);
	ck_assert(got.done);
	ck_assert_int_eq(got.error, 0);
	ck_assert(!scratch_has("ann/dovecot-uidlist.lock"));
	do_close(mailbox);
}
END_TEST

/* The mailbox itself goes away. */
START_TEST(test_mailbox_taken_away)
{
	make_dovecot();
	ck_assert_int_eq(deliver("A.B\xc3\xa9", "x\r\n", 0, NULL), 0);
	struct msv_mailbox *mailbox = opened("A.B\xc3\xa9", false);
	since = 0;
	news(mailbox);
	rename_file("ann/.A.B&AOk-", "ann/.C");
	ck_assert_str_eq(news(mailbox), "-1:1 ");
	ck_assert_int_eq(do_changes(mailbox, since), MSV_ERR_STALE);
	ck_assert_int_eq(
	    do_flags(mailbox, 1, 1, MSV_FLAGS_ADD, MSV_FLAG_SEEN, NULL), MSV_ERR_STALE);
	ck_assert_int_eq(do_msg_open(mailbox, 1), MSV_ERR_NOTFOUND);
	ck_assert_int_eq(do_open("A.B\xc3\xa9", false), MSV_ERR_NOTFOUND);
	do_close(mailbox);
	/* Another in its place has nothing to do with it. */
	mailbox = opened("C", false);
	since = 0;
	news(mailbox);
	rename_file("ann/.C", "ann/.D");
	make_maildir("ann/.C");
	ck_assert_str_eq(news(mailbox), "-1:1 ");
	do_close(mailbox);
	mailbox = opened("C", false);
	ck_assert_uint_eq(got.open.status.messages, 0);
	do_close(mailbox);
}
END_TEST

START_TEST(test_uidvalidity_changed)
{
	make_dovecot();
	struct msv_mailbox *mailbox = opened("INBOX", false);
	since = 0;
	news(mailbox);
	scratch_puts(
	    "ann/dovecot-uidlist.x", "3 V1795369193 N2 Gff\n1 :1795369192.M1P2.vm,S=23,W=26\n");
	rename_file("ann/dovecot-uidlist.x", "ann/dovecot-uidlist");
	ck_assert_str_eq(news(mailbox), "-2:2 -5:5 -7:7 ");
	ck_assert_int_eq(do_changes(mailbox, since), MSV_ERR_STALE);
	do_close(mailbox);
	mailbox = opened("INBOX", false);
	ck_assert_uint_eq(got.open.status.uidvalidity, 1795369193);
	ck_assert_int_eq(do_changes(mailbox, 0), 0);
	ck_assert_str_eq(got.rows, "1:+$Forwarded 2:FS+Work 3: ");
	do_close(mailbox);
}
END_TEST

/* -- Broken files --------------------------------------------------------------------------------- */

/* The list was lost while the mailbox is open: it comes back as it was. */
START_TEST(test_list_lost)
{
	make_dovecot();
	struct msv_mailbox *mailbox = opened("INBOX", false);
	since = 0;
	news(mailbox);
	unlink(scratch_path("ann/dovecot-uidlist"));
	scratch_puts("ann/new/1795369999.x.vm", "x\n");
	ck_assert_str_eq(news(mailbox), "9:r ");
	ck_assert_str_eq(scratch_read("ann/dovecot-uidlist"),
	    "3 V1795369192 N10 G38450e24e728036baa42000083ecc375\n"
	    "2 :1795369191.M604915P17066.vm,S=16,W=18\n"
	    "5 G1795369000.M1P1.vm,S=23,W=26 :1795369192.M1P2.vm,S=23,W=26\n"
	    "7 W26 :1795369193.M1P3.vm\n"
	    "9 :1795369999.x.vm\n");
	do_close(mailbox);
}
END_TEST

START_TEST(test_list_version_1)
{
	make_maildir("ann");
	scratch_puts("ann/cur/5.b:2,S", "x\n");
	scratch_puts("ann/cur/6.c:2,", "x\n");
	scratch_puts("ann/dovecot-uidlist", "1 77 12\n3 5.b:2,\n");
	struct msv_mailbox *mailbox = opened("INBOX", false);
	ck_assert_uint_eq(got.open.status.uidvalidity, 77);
	ck_assert_int_eq(do_changes(mailbox, 0), 0);
	ck_assert_str_eq(got.rows, "3:S 12: ");
	ck_assert_str_eq(scratch_read("ann/dovecot-uidlist"), "3 V77 N13\n3 :5.b\n12 :6.c\n");
	do_close(mailbox);
}
END_TEST

/* A crash left half a record: it is cut off, nothing is lost. */
START_TEST(test_list_torn)
{
	make_maildir("ann");
	scratch_puts("ann/cur/5.b:2,", "x\n");
	scratch_puts("ann/cur/6.c:2,", "x\n");
	scratch_puts("ann/dovecot-uidlist", "3 V77 N1\n3 :5.b\n4 :6");
	ck_assert_int_eq(deliver("INBOX", "y\r\n", MSV_FLAG_SEEN, NULL), 0);
	ck_assert_str_eq(got.dest, "5:5");
	struct msv_mailbox *mailbox = opened("INBOX", false);
	ck_assert_int_eq(do_changes(mailbox, 0), 0);
	ck_assert_str_eq(got.rows, "3: 4: 5:rS ");
	do_close(mailbox);
}
END_TEST

START_TEST(test_list_nonsense)
{
	make_maildir("ann");
	scratch_puts("ann/cur/5.b:2,", "x\n");
	scratch_puts("ann/dovecot-uidlist", "nonsense\n");
	struct msv_mailbox *mailbox = opened("INBOX", false);
	ck_assert_uint_gt(got.open.status.uidvalidity, 0);
	ck_assert_int_eq(do_changes(mailbox, 0), 0);
	ck_assert_str_eq(got.rows, "1: ");
	ck_assert_ptr_nonnull(strstr(msv_test_log(test), "the uidlist is broken"));
	do_close(mailbox);
}
END_TEST

/* Files that are no messages are left alone. */
START_TEST(test_odd_files)
{
	make_maildir("ann");
	scratch_puts("ann/cur/.hidden", "x");
	scratch_puts("ann/cur/new\nline:2,", "x");
	scratch_mkdir("ann/cur/directory:2,");
	ck_assert_int_eq(symlink("/etc/passwd", scratch_path("ann/cur/link:2,")), 0);
	ck_assert_int_eq(symlink("/etc/passwd", scratch_path("ann/new/link")), 0);
	scratch_puts("ann/cur/1.a:2,S", "x\n");
	scratch_puts("ann/cur/1.a:2,", "x\n");
	struct msv_mailbox *mailbox = opened("INBOX", false);
	ck_assert_uint_eq(got.open.status.messages, 1);
	do_close(mailbox);
}
END_TEST

/* A link in the place of a mailbox is not followed. */
START_TEST(test_links)
{
	make_maildir("ann");
	make_maildir("other");
	scratch_puts("other/cur/1.secret:2,", "x\n");
	ck_assert_int_eq(symlink("../other", scratch_path("ann/.link")), 0);
	ck_assert_int_ne(do_open("link", false), 0);
	ck_assert_int_eq(rmdir(scratch_path("ann/cur")), 0);
	ck_assert_int_eq(symlink("../other/cur", scratch_path("ann/cur")), 0);
	ck_assert_int_ne(do_open("INBOX", false), 0);
}
END_TEST

/* A full mailbox that may only be read can be. */
START_TEST(test_readonly_disk)
{
	if (geteuid() == 0)
		return; /* nothing is read-only to root */
	make_dovecot();
	ck_assert_int_eq(chmod(scratch_path("ann"), 0500), 0);
	struct msv_mailbox *mailbox = opened("INBOX", true);
	ck_assert_uint_eq(got.open.status.messages, 3);
	do_close(mailbox);
	ck_assert_int_eq(chmod(scratch_path("ann"), 0700), 0);
}
END_TEST

static void add(TCase *tc, const TTest *const *tests)
{
	for (; *tests; tests++)
		tcase_add_test(tc, *tests);
}

int main(void)
{
	Suite *s = suite_create("store/maildir_outside");
	TCase *tc = tcase_create("outside");

	tcase_add_checked_fixture(tc, world_setup, world_teardown);
	tcase_set_timeout(tc, 60);
	add(tc, (const TTest *[]){ test_dovecot, test_changed_for_dovecot, test_dropped_in,
	            test_renamed, test_forwarded, test_renamed_behind_our_back,
	            test_undeleted_behind_our_back, test_removed, test_uid_by_others,
	            test_locked_by_others, test_mailbox_taken_away, test_uidvalidity_changed,
	            test_list_lost, test_list_version_1, test_list_torn, test_list_nonsense,
	            test_odd_files, test_links, test_readonly_disk, NULL });
	suite_add_tcase(s, tc);
	return check_main(s);
}
