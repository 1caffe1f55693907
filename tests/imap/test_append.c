/* APPEND (RFC 3501 6.3.11, RFC 4315 3, RFC 7888): messages that come in pieces, and
 * those that are not taken. */
#include "imap/rig.h"

static char story[512];

static void on_appended(
    void *user, struct msv_conn *conn, const char *mailbox, uint32_t uid, uint64_t octets)
{
	(void)user;
	(void)conn;
	snprintf(story + strlen(story), sizeof(story) - strlen(story), "%s %u %u;", mailbox, uid,
	    (unsigned)octets);
}

static const struct msv_imap_observer observer = {
	.size = sizeof(observer),
	.appended = on_appended,
};

static void observe(struct rig *rig)
{
	rig_create(rig, "saved-messages");
	rig->config.observer = &observer;
	story[0] = '\0';
}

START_TEST(taken)
{
	rig_play(observe,
	    RIG_HELLO "C: A003 APPEND saved-messages (\\Seen) {37}\n"
	              "S: + OK\n"
	              "C: Subject: afternoon meeting\n"
	              "C: \n"
	              "C: 3 pm?\n"
	              "C: \n"
	              "S* A003 OK ?APPENDUID * 1? APPEND completed\n"
	              "C: b APPEND saved-messages {4+}\n"
	              "C= A:\\r\\n\\r\\n\n"
	              "S* b OK ?APPENDUID * 2? APPEND completed\n"
	              "C: c APPEND {14}\n"
	              "S: + OK\n"
	              "C: saved-messages () \"17-Jul-1996 02:44:25 -0700\" {4+}\n"
	              "C= A:\\r\\n\\r\\n\n"
	              "S* c OK ?APPENDUID * 3? APPEND completed\n"
	              "C: d APPEND saved-messages (\\Flagged $Junk $forwarded \\DELETED) {6}\n"
	              "S: + OK\n"
	              "C= A:\\n\\nx\\n\\r\\n\n"
	              "S* d OK ?APPENDUID * 4? APPEND completed\n" //
	    RIG_SELECT("saved-messages")                           //
	    "C: e FETCH 1:4 (FLAGS RFC822.SIZE)\n"
	    "S: * 1 FETCH (FLAGS (\\Seen \\Recent) RFC822.SIZE 37)\n"
	    "S: * 2 FETCH (FLAGS (\\Recent) RFC822.SIZE 4)\n"
	    "S: * 3 FETCH (FLAGS (\\Recent) RFC822.SIZE 4)\n"
	    "S: * 4 FETCH (FLAGS (\\Flagged \\Deleted \\Recent $Forwarded $Junk) RFC822.SIZE 9)\n"
	    "S: e OK FETCH completed\n"
	    "C: f FETCH 3 INTERNALDATE\n"
	    "S: * 3 FETCH (INTERNALDATE \"17-Jul-1996 09:44:25 +0000\")\n"
	    "S: f OK FETCH completed\n"
	    "C: g APPEND saved-messages {4+}\n"
	    "C= A:\\r\\n\\r\\n\n"
	    "S: * 5 EXISTS\n"
	    "S: * 5 RECENT\n"
	    "S* g OK ?APPENDUID * 5? APPEND completed\n");
	ck_assert_str_eq(story, "saved-messages 1 37;saved-messages 2 4;saved-messages 3 4;"
	                        "saved-messages 4 6;saved-messages 5 4;");
}
END_TEST

START_TEST(not_taken)
{
	rig_play(observe,
	    RIG_HELLO "# a client that waits is told at once; another's literal is dropped\n"
	              "C: a APPEND nowhere {10}\n"
	              "S: a NO [TRYCREATE] There is no such mailbox\n"
	              "C: b APPEND nowhere {8+}\n"
	              "C= x NOOP\\r\\n\\r\\n\n"
	              "S: b NO [TRYCREATE] There is no such mailbox\n"
	              "C: c APPEND INBOX {67108865}\n"
	              "S: c NO [TOOBIG] The message is too large\n"
	              "C: c APPEND INBOX {0}\n"
	              "S: c NO [CANNOT] The message is empty\n"
	              "C: c APPEND INBOX {0+}\n"
	              "C: \n"
	              "S: c NO [CANNOT] The message is empty\n"
	              "C: d APPEND INBOX {8+}\n"
	              "C= A:\\r\\rx\\r\\n\\x20\\r\\n\n"
	              "S: d NO [CANNOT] The message holds a NUL or a lone CR\n"
	              "C: d APPEND INBOX {6}\n"
	              "S: + OK\n"
	              "C= A:\\r\\n\\x00x\\r\\n\n"
	              "S: d NO [CANNOT] The message holds a NUL or a lone CR\n"
	              "# arguments\n"
	              "C: e APPEND INBOX\n"
	              "S: e BAD A message is missing\n"
	              "C: e APPEND\n"
	              "S: e BAD A message is missing\n"
	              "C: e APPEND INBOX x {3}\n"
	              "S: e BAD Invalid arguments\n"
	              "C: e APPEND INBOX x {3+}\n"
	              "C: abc\n"
	              "S: e BAD Invalid arguments\n"
	              "C: e APPEND INBOX (\\Recent) {3}\n"
	              "S: e BAD There is no such flag to set\n"
	              "C: e APPEND INBOX \"yesterday\" {3}\n"
	              "S: e BAD Invalid date\n"
	              "C: e APPEND \"a//b\" {3}\n"
	              "S: e NO [CANNOT] No mailbox can have such a name\n"
	              "C: e APPEND {4+}\n"
	              "C: a//b {3+}\n"
	              "C: xyz\n"
	              "S: e NO [CANNOT] No mailbox can have such a name\n"
	              "C: f APPEND INBOX {4+}\n"
	              "C, abcd\n"
	              "C:  more\n"
	              "S: f BAD Too many arguments\n"
	              "C: f APPEND INBOX {4+}\n"
	              "C, abcd\n"
	              "C:  {4+}\n"
	              "C: abcd\n"
	              "S: f BAD One message at a time\n"
	              "C: g STATUS INBOX (MESSAGES)\n"
	              "S: * STATUS INBOX (MESSAGES 0)\n"
	              "S: g OK STATUS completed\n");
	ck_assert_str_eq(story, "");
}
END_TEST

START_TEST(limit)
{
	struct rig rig;

	rig_init(&rig, true);
	rig.config.append_max = 10;
	rig_connect(&rig, 0);
	rig_say(&rig, 0,
	    RIG_HELLO "C: a APPEND INBOX {10+}\n"
	              "C= A:\\r\\n\\r\\nabcd\\r\\n\n"
	              "S* a OK *\n"
	              "C: a APPEND INBOX {11+}\n"
	              "C= A:\\r\\n\\r\\nabcde\\r\\n\n"
	              "S: a NO [TOOBIG] The message is too large\n"
	              "C: b NOOP\n"
	              "S: b OK NOOP completed\n");
	rig_fini(&rig);
}
END_TEST

/* A message of many pieces: none of it stays in the session. */
START_TEST(large)
{
	enum { PIECES = 300, PIECE = 10000 };
	static char piece[PIECE];
	struct msv_memory_options options = { .size = sizeof(options), .quota_bytes = 4000000 };
	struct msv_memory_store *memory;
	struct rig rig;
	struct msv_conn_info info = { .size = sizeof(info) };

	memset(piece, 'x', sizeof(piece));
	rig_init(&rig, false);
	ck_assert_int_eq(msv_memory_store_new(rig.env, &options, &memory), 0);
	rig.config.store = msv_memory_store(memory);
	rig_connect(&rig, 0);
	for (int round = 0; round < 2; round++) {
		rig_say(&rig, 0,
		    round ? "C: b APPEND INBOX {3000000+}\n"
		          : RIG_HELLO "C: a APPEND INBOX {3000000}\n"
		                      "S: + OK\n");
		for (int i = 0; i < PIECES; i++) {
			ck_assert_uint_ne(msv_conn_want(rig.conns[0]) & MSV_WANT_READ, 0);
			msv_conn_input(rig.conns[0], piece, PIECE);
			msv_test_run(rig.test);
			msv_conn_info(rig.conns[0], &info);
			ck_assert_uint_lt(info.memory, 200000);
		}
		rig_say(&rig, 0,
		    round ? "C: \n"
		            "S: b NO [OVERQUOTA] The account is full\n"
		          : "C: \n"
		            "S* a OK ?APPENDUID * 1? APPEND completed\n");
	}
	rig_hang_up(&rig, 0);
	msv_memory_store_free(memory);
	rig_fini(&rig);
}
END_TEST

/* Gone in the middle of a literal: nothing is stored. */
START_TEST(broken_off)
{
	rig_play(NULL, RIG_HELLO "C: a APPEND INBOX {100+}\n"
	                         "C: half\n"
	                         "E:\n"
	                         "X:\n");
	for (int late = 0; late < 2; late++) {
		struct rig rig;
		rig_init(&rig, late);
		rig_connect(&rig, 0);
		rig_say(&rig, 0,
		    RIG_HELLO "C: a APPEND INBOX {100+}\n"
		              "C: half\n");
		rig_hang_up(&rig, 0);
		rig_connect(&rig, 1);
		rig_say(&rig, 1,
		    RIG_HELLO "C: b STATUS INBOX (MESSAGES)\n"
		              "S: * STATUS INBOX (MESSAGES 0)\n"
		              "S: b OK STATUS completed\n");
		rig_fini(&rig);
	}
}
END_TEST

int main(void)
{
	Suite *s = suite_create("imap/append");

	check_case(s, "append", taken, not_taken, limit, large, broken_off);
	return check_main(s);
}
