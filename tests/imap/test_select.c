/* SELECT, EXAMINE, CHECK, CLOSE, UNSELECT (RFC 3501 6.3.1, 6.3.2, 6.4.1, 6.4.2, RFC
 * 3691). */
#include "imap/rig.h"

#define FLAGS          "\\Answered \\Flagged \\Deleted \\Seen \\Draft $Forwarded"
#define KEPT(keywords) "S: * OK [PERMANENTFLAGS (" FLAGS keywords " \\*)] These flags are kept\n"
#define NOT_KEPT       "S: * OK [PERMANENTFLAGS ()] Read-only mailbox\n"
#define UIDS(next) \
	"S* ? OK ?UIDVALIDITY *? UIDs are valid\nS: * OK [UIDNEXT " next "] The next UID\n"

static void prepare(struct rig *rig)
{
	rig_create(rig, "other");
	rig_append(rig, "INBOX",
	    &(struct rig_message){
	        .flags = MSV_FLAG_SEEN, .keyword = "$Junk", .text = "A: b\r\n\r\n" },
	    2);
	rig_append(rig, "INBOX",
	    &(struct rig_message){ .flags = MSV_FLAG_DELETED, .text = "A: b\r\n\r\n" }, 1);
}

START_TEST(select_mailbox)
{
	rig_play(prepare,
	    RIG_HELLO "C: a SELECT inbox\n"
	              "S: * FLAGS (" FLAGS " $Junk)\n" KEPT(" $Junk") //
	    "S: * 3 EXISTS\n"
	    "S: * 3 RECENT\n"
	    "S: * OK [UNSEEN 3] The first unseen message\n" UIDS("4") //
	    "S: a OK [READ-WRITE] SELECT completed\n"
	    "C: b SELECT INBOX\n"
	    "S: * FLAGS (" FLAGS " $Junk)\n" KEPT(" $Junk") //
	    "S: * 3 EXISTS\n"
	    "S: * 0 RECENT\n"
	    "S: * OK [UNSEEN 3] The first unseen message\n" UIDS("4") //
	    "S: b OK [READ-WRITE] SELECT completed\n"
	    "C: c SELECT other\n"
	    "S: * FLAGS (" FLAGS ")\n" KEPT("") //
	    "S: * 0 EXISTS\n"
	    "S: * 0 RECENT\n" UIDS("1") //
	    "S: c OK [READ-WRITE] SELECT completed\n"
	    "C: d SELECT\n"
	    "S: d BAD Missing arguments\n"
	    "C: d CHECK\n"
	    "S: d OK CHECK completed\n"
	    "# a SELECT that fails leaves nothing selected\n"
	    "C: e SELECT nowhere\n"
	    "S: e NO [NONEXISTENT] There is no such mailbox\n"
	    "C: e CHECK\n"
	    "S: e BAD No mailbox is selected\n"
	    "C: f SELECT \"a//b\"\n"
	    "S: f NO [CANNOT] No mailbox can have such a name\n");
}
END_TEST

START_TEST(examine)
{
	rig_play(prepare,
	    RIG_HELLO
	    "C: a EXAMINE INBOX\n"
	    "S: * FLAGS (\\Answered \\Flagged \\Deleted \\Seen \\Draft $Junk)\n" NOT_KEPT //
	    "S: * 3 EXISTS\n"
	    "S: * 3 RECENT\n"
	    "S: * OK [UNSEEN 3] The first unseen message\n" UIDS("4") //
	    "S: a OK [READ-ONLY] EXAMINE completed\n"
	    "C: b STORE 1 +FLAGS (\\Seen)\n"
	    "S: b NO [READ-ONLY] The mailbox is read-only\n"
	    "C: b EXPUNGE\n"
	    "S: b NO [READ-ONLY] The mailbox is read-only\n"
	    "C: b MOVE 1 other\n"
	    "S: b NO [READ-ONLY] The mailbox is read-only\n"
	    "C: b COPY 1 other\n"
	    "S* b OK ?COPYUID * 1 1? COPY completed\n"
	    "# nothing was expunged, and \\Recent stays\n"
	    "C: c CLOSE\n"
	    "S: c OK CLOSE completed\n"
	    "C: d STATUS INBOX (MESSAGES RECENT)\n"
	    "S: * STATUS INBOX (MESSAGES 3 RECENT 3)\n"
	    "S: d OK STATUS completed\n");
}
END_TEST

START_TEST(close_mailbox)
{
	rig_play(prepare, RIG_HELLO RIG_SELECT("INBOX") "C: a UNSELECT x\n"
	                                                "S: a BAD Too many arguments\n"
	                                                "C: a UNSELECT\n"
	                                                "S: a OK UNSELECT completed\n"
	                                                "C: a UNSELECT\n"
	                                                "S: a BAD No mailbox is selected\n"
	                                                "C: b STATUS INBOX (MESSAGES)\n"
	                                                "S: * STATUS INBOX (MESSAGES 3)\n"
	                                                "S: b OK STATUS completed\n" //
	    RIG_SELECT("INBOX") "C: c CLOSE x\n"
	                        "S: c BAD Too many arguments\n"
	                        "C: c CLOSE\n"
	                        "S: c OK CLOSE completed\n"
	                        "C: d STATUS INBOX (MESSAGES)\n"
	                        "S: * STATUS INBOX (MESSAGES 2)\n"
	                        "S: d OK STATUS completed\n" //
	    RIG_SELECT("other") "C: e CLOSE\n"
	                        "S: e OK CLOSE completed\n");
}
END_TEST

int main(void)
{
	Suite *s = suite_create("imap/select");

	check_case(s, "select", select_mailbox, examine, close_mailbox);
	return check_main(s);
}
