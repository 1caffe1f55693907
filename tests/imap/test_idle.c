/* IDLE (RFC 2177). */
#include "imap/rig.h"

START_TEST(alone)
{
	rig_play(NULL, RIG_HELLO "C: a IDLE x\n"
	                         "S: a BAD Too many arguments\n"
	                         "C: a IDLE\n"
	                         "S: + idling\n"
	                         "C: done\n"
	                         "S: a OK IDLE completed\n"
	                         "C: b IDLE\n"
	                         "S: + idling\n"
	                         "C: NOOP\n"
	                         "S: b BAD DONE ends IDLE\n" //
	    RIG_SELECT("INBOX") "C: c IDLE\n"
	                        "S: + idling\n"
	                        "C: DONE\n"
	                        "S: c OK IDLE completed\n"
	                        "C: d IDLE\n"
	                        "S: + idling\n"
	                        "E:\n"
	                        "X:\n");
}
END_TEST

START_TEST(changes)
{
	struct rig rig;

	rig_init(&rig, _i);
	rig_append(&rig, "INBOX", &(struct rig_message){ .text = "A: b\r\n\r\n" }, 3);
	for (size_t i = 0; i < 2; i++) {
		rig_connect(&rig, i);
		rig_say(&rig, i, RIG_HELLO RIG_SELECT("INBOX"));
	}
	/* What came before it is told at once. */
	rig_say(&rig, 0,
	    "C: a STORE 1 +FLAGS.SILENT (\\Seen)\n"
	    "S: a OK STORE completed\n");
	rig_say(&rig, 1,
	    "C: b IDLE\n"
	    "S: + idling\n"
	    "S: * 1 FETCH (FLAGS (\\Seen))\n");
	/* Many changes are told together. */
	rig_say_split(&rig, 0, MSV_SPLIT_PIPELINE,
	    "C: a STORE 1 -FLAGS.SILENT (\\Seen)\n"
	    "C: a STORE 1 +FLAGS.SILENT (\\Draft)\n"
	    "C: a STORE 2 +FLAGS.SILENT (\\Deleted)\n"
	    "C: a EXPUNGE\n"
	    "C: a APPEND INBOX {4+}\n"
	    "C= A:\\r\\n\\r\\n\n"
	    "S~\n"
	    "S* a OK *APPEND completed\n");
	rig_say(&rig, 1,
	    "S~\n"
	    "S: * 3 EXISTS\n"
	    "C: DONE\n"
	    "S: b OK IDLE completed\n"
	    "C: c FETCH 1:* (UID FLAGS)\n"
	    "S: * 1 FETCH (UID 1 FLAGS (\\Draft))\n"
	    "S: * 2 FETCH (UID 3 FLAGS ())\n"
	    "S: * 3 FETCH (UID 4 FLAGS ())\n"
	    "S: c OK FETCH completed\n");
	rig_fini(&rig);
}
END_TEST

/* Signs of life for what is in between, and autologout all the same. */
START_TEST(time)
{
	struct rig rig;

	rig_init(&rig, false);
	rig.config.keepalive_s = 600;
	rig_connect(&rig, 0);
	rig_say(&rig, 0,
	    RIG_HELLO "C: a IDLE\n"
	              "S: + idling\n"
	              "T: 599999\n"
	              "T: 1\n"
	              "S: * OK Still here\n"
	              "T: 600000\n"
	              "S: * OK Still here\n"
	              "C: DONE\n"
	              "S: a OK IDLE completed\n"
	              "T: 1200000\n"
	              "C: b IDLE\n"
	              "S: + idling\n"
	              "T: 600000\n"
	              "S: * OK Still here\n"
	              "T: 600000\n"
	              "S: * OK Still here\n"
	              "T: 600000\n"
	              "S: * OK Still here\n"
	              "T: 59999\n"
	              "T: 1\n"
	              "S: * BYE Autologout: too long without a command\n"
	              "X:\n");
	rig_fini(&rig);
}
END_TEST

START_TEST(long_line)
{
	struct rig rig;
	char piece[1000];

	rig_init(&rig, false);
	rig_connect(&rig, 0);
	rig_say(&rig, 0,
	    RIG_HELLO "C: a IDLE\n"
	              "S: + idling\n");
	memset(piece, 'x', sizeof(piece));
	for (int i = 0; i < 9; i++)
		msv_conn_input(rig.conns[0], piece, sizeof(piece));
	rig_say(&rig, 0,
	    "S: * BYE The line is too long\n"
	    "X:\n");
	rig_fini(&rig);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("imap/idle");
	TCase *tc = tcase_create("changes");

	check_case(s, "idle", alone, time, long_line);
	tcase_add_loop_test(tc, changes, 0, 2);
	suite_add_tcase(s, tc);
	return check_main(s);
}
