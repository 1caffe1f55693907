/* STORE, COPY, MOVE, EXPUNGE (RFC 3501 6.4, RFC 4315, RFC 6851). */
#include "imap/rig.h"

static void prepare(struct rig *rig)
{
	rig_create(rig, "MEETING");
	rig_append(rig, "INBOX", &(struct rig_message){ .text = "Subject: x\r\n\r\n" }, 5);
}

START_TEST(store)
{
	rig_play(prepare,
	    RIG_HELLO RIG_SELECT("INBOX") //
	    "C: A003 STORE 2:4 +FLAGS (\\Deleted)\n"
	    "S: * 2 FETCH (FLAGS (\\Deleted \\Recent))\n"
	    "S: * 3 FETCH (FLAGS (\\Deleted \\Recent))\n"
	    "S: * 4 FETCH (FLAGS (\\Deleted \\Recent))\n"
	    "S: A003 OK STORE completed\n"
	    "C: a STORE 2 -flags \\Deleted\n"
	    "S: * 2 FETCH (FLAGS (\\Recent))\n"
	    "S: a OK STORE completed\n"
	    "C: a STORE 2 FLAGS \\Seen \\Draft\n"
	    "S: * 2 FETCH (FLAGS (\\Seen \\Draft \\Recent))\n"
	    "S: a OK STORE completed\n"
	    "C: a STORE 2 FLAGS ()\n"
	    "S: * 2 FETCH (FLAGS (\\Recent))\n"
	    "S: a OK STORE completed\n"
	    "C: a STORE 1:* +FLAGS.SILENT (\\Answered $Forwarded)\n"
	    "S: a OK STORE completed\n"
	    "C: a FETCH 1,4 FLAGS\n"
	    "S: * 1 FETCH (FLAGS (\\Answered \\Recent $Forwarded))\n"
	    "S: * 4 FETCH (FLAGS (\\Answered \\Deleted \\Recent $Forwarded))\n"
	    "S: a OK FETCH completed\n"
	    "# a keyword that is new is named before it is used\n"
	    "C: b UID STORE 1 +FLAGS (Work)\n"
	    "S: * FLAGS (\\Answered \\Flagged \\Deleted \\Seen \\Draft $Forwarded Work)\n"
	    "S: * OK [PERMANENTFLAGS (\\Answered \\Flagged \\Deleted \\Seen \\Draft $Forwarded "
	    "Work "
	    "\\*)] These flags are kept\n"
	    "S: * 1 FETCH (UID 1 FLAGS (\\Answered \\Recent $Forwarded Work))\n"
	    "S: b OK UID STORE completed\n"
	    "C: b UID STORE 1 -FLAGS (WORK)\n"
	    "S: * 1 FETCH (UID 1 FLAGS (\\Answered \\Recent $Forwarded))\n"
	    "S: b OK UID STORE completed\n"
	    "C: b UID STORE 9 +FLAGS (\\Seen)\n"
	    "S: b OK UID STORE completed\n"
	    "# mistakes\n"
	    "C: c STORE 1 +FLAGS (\\Recent)\n"
	    "S: c BAD There is no such flag to set\n"
	    "C: c STORE 1 +FLAGS (\\Frob)\n"
	    "S: c BAD There is no such flag to set\n"
	    "C: c STORE 1 +FLAGS (\\*)\n"
	    "S: c BAD Invalid flag\n"
	    "C: c STORE 1 FLAG (\\Seen)\n"
	    "S: c BAD Unknown STORE item\n"
	    "C: c STORE 1 +FLAGS\n"
	    "S: c BAD Missing arguments\n"
	    "C: c STORE 6 +FLAGS ()\n"
	    "S: c BAD There is no message with that number\n"
	    "C: c STORE 1 +FLAGS (a b\n"
	    "S: c BAD Invalid arguments\n");
}
END_TEST

START_TEST(too_many_keywords)
{
	struct rig rig;
	char command[1000] = "a STORE 1 +FLAGS (";

	rig_init(&rig, false);
	prepare(&rig);
	rig_connect(&rig, 0);
	rig_say(&rig, 0, RIG_HELLO RIG_SELECT("INBOX"));
	for (int i = 0; i < 65; i++)
		sprintf(command + strlen(command), "%sk%d", i ? " " : "", i);
	strcat(command, ")\r\n");
	msv_conn_input(rig.conns[0], command, strlen(command));
	rig_say(&rig, 0, "S: a NO [LIMIT] Too many keywords\n");
	command[0] = '\0';
	for (int i = 0; i < 65; i++)
		sprintf(command + strlen(command), "k%d ", i % 64);
	char line[1100];
	snprintf(line, sizeof(line), "b STORE 1 +FLAGS.SILENT (%s\\Seen)\r\n", command);
	msv_conn_input(rig.conns[0], line, strlen(line));
	rig_say(&rig, 0,
	    "S: b OK STORE completed\n"
	    "C: c STORE 2 +FLAGS (k1)\n"
	    "S~\n"
	    "S: c OK STORE completed\n"
	    "C: d STORE 2 +FLAGS (another)\n"
	    "S: d NO [LIMIT] A limit of this server is reached\n");
	rig_fini(&rig);
}
END_TEST

START_TEST(expunge)
{
	rig_play(prepare,
	    RIG_HELLO RIG_SELECT("INBOX") "C: a EXPUNGE\n"
	                                  "S: a OK EXPUNGE completed\n"
	                                  "C: a STORE 1:2,4 +FLAGS.SILENT (\\Deleted)\n"
	                                  "S: a OK STORE completed\n"
	                                  "C: a EXPUNGE x\n"
	                                  "S: a BAD Too many arguments\n"
	                                  "C: b UID EXPUNGE 3:9\n"
	                                  "S: * 4 EXPUNGE\n"
	                                  "S: * 4 RECENT\n"
	                                  "S: b OK UID EXPUNGE completed\n"
	                                  "C: b UID EXPUNGE\n"
	                                  "S: b BAD Missing arguments\n"
	                                  "C: b UID EXPUNGE 77\n"
	                                  "S: b OK UID EXPUNGE completed\n"
	                                  "C: c EXPUNGE\n"
	                                  "S: * 1 EXPUNGE\n"
	                                  "S: * 1 EXPUNGE\n"
	                                  "S: * 2 RECENT\n"
	                                  "S: c OK EXPUNGE completed\n"
	                                  "C: d UID FETCH 1:* FLAGS\n"
	                                  "S: * 1 FETCH (UID 3 FLAGS (\\Recent))\n"
	                                  "S: * 2 FETCH (UID 5 FLAGS (\\Recent))\n"
	                                  "S: d OK UID FETCH completed\n");
}
END_TEST

START_TEST(copy)
{
	rig_play(prepare,
	    RIG_HELLO RIG_SELECT("INBOX") "C: A003 COPY 2:4 MEETING\n"
	                                  "S* A003 OK ?COPYUID * 2:4 1:3? COPY completed\n"
	                                  "C: a UID COPY 5,1 MEETING\n"
	                                  "S* a OK ?COPYUID * 1,5 4:5? UID COPY completed\n"
	                                  "C: b COPY 1 nowhere\n"
	                                  "S: b NO [TRYCREATE] There is no such mailbox\n"
	                                  "C: b COPY 6 MEETING\n"
	                                  "S: b BAD There is no message with that number\n"
	                                  "C: b COPY 1\n"
	                                  "S: b BAD Missing arguments\n"
	                                  "C: b COPY 1 a b\n"
	                                  "S: b BAD Too many arguments\n"
	                                  "C: c UID COPY 77:99 MEETING\n"
	                                  "S: c OK UID COPY completed\n"
	                                  "# into itself\n"
	                                  "C: d COPY 5 INBOX\n"
	                                  "S: * 6 EXISTS\n"
	                                  "S: * 6 RECENT\n"
	                                  "S* d OK ?COPYUID * 5 6? COPY completed\n");
}
END_TEST

START_TEST(move)
{
	rig_play(prepare,
	    RIG_HELLO RIG_SELECT("INBOX") "C: a UID MOVE 2:3,5 MEETING\n"
	                                  "S* ? OK ?COPYUID * 2:3,5 1:3? Moved\n"
	                                  "S: * 2 EXPUNGE\n"
	                                  "S: * 2 EXPUNGE\n"
	                                  "S: * 3 EXPUNGE\n"
	                                  "S: * 2 RECENT\n"
	                                  "S: a OK UID MOVE completed\n"
	                                  "C: b MOVE 1 nowhere\n"
	                                  "S: b NO [TRYCREATE] There is no such mailbox\n"
	                                  "C: b MOVE 2 MEETING\n"
	                                  "S* ? OK ?COPYUID * 4 4? Moved\n"
	                                  "S: * 2 EXPUNGE\n"
	                                  "S: * 1 RECENT\n"
	                                  "S: b OK MOVE completed\n"
	                                  "C: b UID MOVE 77 MEETING\n"
	                                  "S: b OK UID MOVE completed\n"
	                                  "C: c STATUS MEETING (MESSAGES)\n"
	                                  "S: * STATUS MEETING (MESSAGES 4)\n"
	                                  "S: c OK STATUS completed\n");
}
END_TEST

int main(void)
{
	Suite *s = suite_create("imap/store");

	check_case(s, "store", store, too_many_keywords, expunge, copy, move);
	return check_main(s);
}
