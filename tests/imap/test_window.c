/* A mailbox of 100,000 messages: what a client that does not read costs, and how
 * much is done at a time. */
#include "imap/rig.h"

enum { MESSAGES = 100000, MOST = 512 * 1024 };

static const char text[] = "From: a@example.org\r\nTo: b@example.org\r\nSubject: one of many\r\n"
                           "Date: Fri, 21 Nov 1997 09:55:06 -0600\r\n\r\nNot much.\r\n";

static struct rig rig;

static void setup(void)
{
	rig_init(&rig, false);
	rig_append(&rig, "INBOX", &(struct rig_message){ .text = text }, MESSAGES);
	rig_connect(&rig, 0);
	rig_say(&rig, 0,
	    RIG_HELLO "C: a EXAMINE INBOX\n"
	              "S~\n"
	              "S: a OK [READ-ONLY] EXAMINE completed\n");
}

static void teardown(void)
{
	rig_fini(&rig);
}

static void ask(const char *commands)
{
	msv_conn_input(rig.conns[0], commands, strlen(commands));
}

/* Reads everything as a socket would; returns how many lines came.  *octets may be
 * NULL. */
static size_t read_all(size_t i, size_t *octets)
{
	struct msv_conn *conn = rig.conns[i];
	size_t lines = 0, all = 0, n;
	const void *p;

	msv_test_run(rig.test);
	while ((n = msv_conn_output(conn, &p))) {
		/* Never more than the window and one response. */
		ck_assert_uint_lt(n, 80000);
		for (const char *end = p;
		     (end = memchr(end, '\n', n - (size_t)(end - (const char *)p))); end++)
			lines++;
		all += n;
		msv_conn_sent(conn, n);
		msv_test_run(rig.test);
	}
	if (octets)
		*octets = all;
	return lines;
}

START_TEST(never_read)
{
	size_t before = msv_test_memory(rig.test);

	ck_assert_uint_lt(msv_test_memory_peak(rig.test) - before, 64 * 1024 * 1024);
	for (int i = 0; i < 20; i++) {
		ask("b FETCH 1:* (UID FLAGS RFC822.SIZE INTERNALDATE ENVELOPE BODYSTRUCTURE)\r\n"
		    "c FETCH 1:* BODY.PEEK[]\r\n"
		    "d UID SEARCH RETURN (ALL COUNT) TEXT much\r\n"
		    "e FETCH 1:* BODY.PEEK[HEADER.FIELDS (Subject)]\r\n"
		    "f SEARCH ALL\r\n");
		for (int turns = 0; turns < 10; turns++) {
			msv_test_run(rig.test);
			ck_assert_uint_lt(msv_test_memory(rig.test) - before, MOST);
		}
	}
	/* It wants no more either: the window is what it costs. */
	ask("g NOOP\r\n");
	ck_assert_uint_lt(msv_test_memory(rig.test) - before, MOST);
	ck_assert_uint_gt(msv_conn_want(rig.conns[0]) & MSV_WANT_WRITE, 0);
}
END_TEST

START_TEST(read_in_the_end)
{
	size_t octets;

	ask("b FETCH 1:* BODY.PEEK[]\r\nc NOOP\r\n");
	/* "* n FETCH (BODY[] {n}", 6 lines of message, ")" */
	ck_assert_uint_eq(read_all(0, &octets), MESSAGES * 8 + 2);
	ask("b FETCH 1:* (FLAGS RFC822.SIZE)\r\n");
	ck_assert_uint_eq(read_all(0, &octets), MESSAGES + 1);
	ask("b SEARCH ALL\r\n");
	ck_assert_uint_eq(read_all(0, &octets), 2);
	ck_assert_uint_gt(octets, MESSAGES * 5);
	ask("b SEARCH SUBJECT \"one of\" NOT BODY \"very much\"\r\n");
	ck_assert_uint_eq(read_all(0, &octets), 2);
	ck_assert_uint_gt(octets, MESSAGES * 5);
}
END_TEST

/* The loop gets its turn: a search of all is not done within one call. */
START_TEST(turns)
{
	unsigned ticks = 0;
	const void *p;

	ask("b SEARCH RETURN (COUNT) BODY nothing\r\n");
	while (!msv_conn_output(rig.conns[0], &p) ||
	       !memmem(p, msv_conn_output(rig.conns[0], &p), "b OK", 4)) {
		msv_env_tick(rig.env);
		ticks++;
		ck_assert_uint_lt(ticks, 10000);
	}
	ck_assert_uint_gt(ticks, 50);
	ask("c SEARCH RETURN (COUNT) SEEN\r\n");
	ticks = 0;
	while (!memmem(p, msv_conn_output(rig.conns[0], &p), "c OK", 4)) {
		msv_env_tick(rig.env);
		ticks++;
		ck_assert_uint_lt(ticks, 10000);
	}
	ck_assert_uint_gt(ticks, 3);
}
END_TEST

/* Many EXPUNGEs and flags go out by the window too. */
START_TEST(many_changes)
{
	rig_connect(&rig, 1);
	rig_say(&rig, 1,
	    RIG_HELLO RIG_SELECT("INBOX") "C: a STORE 1:* +FLAGS.SILENT (\\Deleted)\n"
	                                  "S: a OK STORE completed\n");
	ask("b NOOP\r\n");
	ck_assert_uint_eq(read_all(0, NULL), MESSAGES + 2); /* and RECENT: they are the other's */
	size_t before = msv_test_memory(rig.test);
	msv_conn_input(rig.conns[1], "c EXPUNGE\r\n", 11);
	ask("d NOOP\r\n");
	msv_test_run(rig.test);
	ck_assert_uint_lt(msv_test_memory(rig.test), before + 2 * (size_t)MOST);
	ck_assert_uint_eq(read_all(0, NULL), MESSAGES + 1);
	ck_assert_uint_eq(read_all(1, NULL), MESSAGES + 2);
	ask("e NOOP\r\n");
	ck_assert_uint_eq(read_all(0, NULL), 1);
}
END_TEST

/* STORE's responses wait for the reader. */
START_TEST(store_rows)
{
	rig_connect(&rig, 1);
	rig_say(&rig, 1, RIG_HELLO RIG_SELECT("INBOX"));
	size_t before = msv_test_memory(rig.test);
	msv_conn_input(rig.conns[1], "a STORE 1:* +FLAGS (\\Seen)\r\n", 28);
	msv_test_run(rig.test);
	ck_assert_uint_lt(msv_test_memory(rig.test), before + MOST);
	ck_assert_uint_eq(read_all(1, NULL), MESSAGES + 1);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("imap/window");
	TCase *tc = tcase_create("window");

	tcase_set_timeout(tc, 110);
	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, never_read);
	tcase_add_test(tc, read_in_the_end);
	tcase_add_test(tc, turns);
	tcase_add_test(tc, many_changes);
	tcase_add_test(tc, store_rows);
	suite_add_tcase(s, tc);
	return check_main(s);
}
