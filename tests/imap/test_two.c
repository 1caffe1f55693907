/* Two sessions in one mailbox: what each is told, and when (RFC 3501 5.2, 5.5, 7.4,
 * RFC 2180). */
#include "imap/rig.h"

/* Two connections on INBOX with some messages. */
static void meet(struct rig *rig, bool late, size_t messages)
{
	rig_init(rig, late);
	rig_create(rig, "other");
	rig_append(
	    rig, "INBOX", &(struct rig_message){ .text = "Subject: x\r\n\r\nbody\r\n" }, messages);
	for (size_t i = 0; i < 2; i++) {
		rig_connect(rig, i);
		rig_say(rig, i, RIG_HELLO RIG_SELECT("INBOX"));
	}
}

START_TEST(flags)
{
	struct rig rig;

	meet(&rig, _i, 3);
	rig_say(&rig, 0,
	    "C: a STORE 2 +FLAGS (\\Flagged)\n"
	    "S: * 2 FETCH (FLAGS (\\Flagged \\Recent))\n"
	    "S: a OK STORE completed\n");
	rig_say(&rig, 1,
	    "C: b NOOP\n"
	    "S: * 2 FETCH (FLAGS (\\Flagged))\n"
	    "S: b OK NOOP completed\n"
	    "C: b STORE 2 +FLAGS.SILENT (\\Seen)\n"
	    "S: b OK STORE completed\n"
	    "C: b NOOP\n"
	    "S: b OK NOOP completed\n");
	rig_say(&rig, 0,
	    "C: a UID STORE 3 +FLAGS (Work)\n"
	    "S~\n"
	    "S: * 3 FETCH (UID 3 FLAGS (\\Recent Work))\n"
	    "S: * 2 FETCH (UID 2 FLAGS (\\Flagged \\Seen \\Recent))\n"
	    "S: a OK UID STORE completed\n");
	/* The keyword is named first; SEARCH may tell flags too. */
	rig_say(&rig, 1,
	    "C: b SEARCH KEYWORD work\n"
	    "S: * SEARCH\n"
	    "S* ? FLAGS (* Work)\n"
	    "S* ? OK ?PERMANENTFLAGS (* Work *)? *\n"
	    "S: * 3 FETCH (FLAGS (Work))\n"
	    "S: b OK SEARCH completed\n"
	    "C: b SEARCH KEYWORD work\n"
	    "S: * SEARCH 3\n"
	    "S: b OK SEARCH completed\n");
	rig_fini(&rig);
}
END_TEST

/* A silent STORE of what somebody else changed as well tells what came of it. */
START_TEST(store_race)
{
	struct rig rig;

	meet(&rig, _i, 1);
	rig_say(&rig, 0,
	    "C: a STORE 1 +FLAGS.SILENT (\\Flagged)\n"
	    "S: a OK STORE completed\n");
	rig_say(&rig, 1,
	    "C: b STORE 1 +FLAGS.SILENT (\\Seen)\n"
	    "S: * 1 FETCH (FLAGS (\\Flagged \\Seen))\n"
	    "S: b OK STORE completed\n"
	    "C: b STORE 1 FLAGS.SILENT (\\Draft)\n"
	    "S: b OK STORE completed\n");
	rig_say(&rig, 0,
	    "C: a NOOP\n"
	    "S: * 1 FETCH (FLAGS (\\Draft \\Recent))\n"
	    "S: a OK NOOP completed\n");
	rig_fini(&rig);
}
END_TEST

START_TEST(new_mail)
{
	struct rig rig;

	meet(&rig, _i, 1);
	rig_deliver(&rig, "INBOX", "Subject: new\r\n\r\n");
	/* The watch said so: any command tells. */
	rig_say(&rig, 0,
	    "C: a FETCH 1:* UID\n"
	    "S: * 1 FETCH (UID 1)\n"
	    "S: * 2 EXISTS\n"
	    "S: * 2 RECENT\n"
	    "S: a OK FETCH completed\n"
	    "C: a FETCH 2 FLAGS\n"
	    "S: * 2 FETCH (FLAGS (\\Recent))\n"
	    "S: a OK FETCH completed\n");
	rig_say(&rig, 1,
	    "C: b NOOP\n"
	    "S: * 2 EXISTS\n"
	    "S: b OK NOOP completed\n");
	/* Came and went before it was told. */
	rig_append(&rig, "INBOX",
	    &(struct rig_message){ .flags = MSV_FLAG_DELETED, .text = "Subject: y\r\n\r\n" }, 1);
	rig_say(&rig, 0,
	    "C: a EXPUNGE\n"
	    "S: * 3 EXISTS\n"
	    "S: * 3 RECENT\n"
	    "S: a OK EXPUNGE completed\n"
	    "C: a EXPUNGE\n"
	    "S: * 3 EXPUNGE\n"
	    "S: * 2 RECENT\n"
	    "S: a OK EXPUNGE completed\n");
	rig_say(&rig, 1,
	    "C: b NOOP\n"
	    "S: b OK NOOP completed\n");
	rig_fini(&rig);
}
END_TEST

/* No EXPUNGE during FETCH, STORE, SEARCH; numbers mean what they meant. */
START_TEST(expunge)
{
	struct rig rig;

	meet(&rig, _i, 5);
	rig_say(&rig, 0,
	    "C: a STORE 2,4 +FLAGS.SILENT (\\Deleted)\n"
	    "S: a OK STORE completed\n"
	    "C: a EXPUNGE\n"
	    "S: * 2 EXPUNGE\n"
	    "S: * 3 EXPUNGE\n"
	    "S: * 3 RECENT\n"
	    "S: a OK EXPUNGE completed\n");
	rig_say(&rig, 1,
	    "C: b FETCH 3:5 UID\n"
	    "S: * 3 FETCH (UID 3)\n"
	    "S: * 4 FETCH (UID 4)\n"
	    "S: * 5 FETCH (UID 5)\n"
	    "S: b OK FETCH completed\n"
	    "C: b SEARCH UID 3:5\n"
	    "S: * SEARCH 3 5\n"
	    "S: b OK SEARCH completed\n"
	    "C: c FETCH 4:5 (UID BODY.PEEK[TEXT])\n"
	    "S: * 5 FETCH (UID 5 BODY[TEXT] {6}\n"
	    "S: body\n"
	    "S: )\n"
	    "S: c NO [EXPUNGEISSUED] Some of the messages no longer exist\n"
	    "C: d STORE 4:5 +FLAGS (\\Seen)\n"
	    "S: * 5 FETCH (FLAGS (\\Seen))\n"
	    "S: d NO [EXPUNGEISSUED] Some of the messages no longer exist\n"
	    "C: d STORE 4:5 -FLAGS.SILENT (\\Seen)\n"
	    "S: d OK STORE completed\n"
	    "C: e FETCH 4 (UID RFC822.SIZE)\n"
	    "S: e NO [EXPUNGEISSUED] Some of the messages no longer exist\n"
	    "# COPY may tell (RFC 2180 4.4), and copies nothing\n"
	    "C: f COPY 3:4 other\n"
	    "S: * 2 EXPUNGE\n"
	    "S: * 3 EXPUNGE\n"
	    "S: f NO [EXPUNGEISSUED] Some of the messages no longer exist\n"
	    "C: g FETCH 1:* UID\n"
	    "S: * 1 FETCH (UID 1)\n"
	    "S: * 2 FETCH (UID 3)\n"
	    "S: * 3 FETCH (UID 5)\n"
	    "S: g OK FETCH completed\n"
	    "C: h STATUS other (MESSAGES)\n"
	    "S: * STATUS other (MESSAGES 0)\n"
	    "S: h OK STATUS completed\n");
	rig_fini(&rig);
}
END_TEST

/* A command by UIDs may tell at its end; messages that are gone are no error. */
START_TEST(expunge_by_uid)
{
	struct rig rig;

	meet(&rig, _i, 3);
	rig_say(&rig, 0,
	    "C: a UID MOVE 2 other\n"
	    "S* ? OK ?COPYUID * 2 1? Moved\n"
	    "S: * 2 EXPUNGE\n"
	    "S: * 2 RECENT\n"
	    "S: a OK UID MOVE completed\n");
	rig_say(&rig, 1,
	    "C: b FETCH 1 UID\n"
	    "S: * 1 FETCH (UID 1)\n"
	    "S: b OK FETCH completed\n"
	    "C: c UID FETCH 1:* FLAGS\n"
	    "S: * 1 FETCH (UID 1 FLAGS ())\n"
	    "S: * 3 FETCH (UID 3 FLAGS ())\n"
	    "S: * 2 EXPUNGE\n"
	    "S: c OK UID FETCH completed\n"
	    "C: d UID COPY 2 other\n"
	    "S: d OK UID COPY completed\n");
	rig_fini(&rig);
}
END_TEST

/* A message is expunged while its body is on the wire: it is finished intact. */
START_TEST(expunge_while_fetching)
{
	enum { SIZE = 1000000 };
	static char text[SIZE + 1], got[SIZE + 2000];
	struct rig rig;
	size_t n = 0;
	const void *p;

	rig_init(&rig, _i);
	for (size_t i = 0; i < SIZE; i++)
		text[i] = i % 64 == 62 ? '\r' : i % 64 == 63 ? '\n' : (char)('a' + i / 64 % 26);
	memcpy(text, "Subject: large\r\n\r\n", 18);
	rig_append(&rig, "INBOX", &(struct rig_message){ .text = text, .n = SIZE }, 1);
	for (size_t i = 0; i < 2; i++) {
		rig_connect(&rig, i);
		rig_say(&rig, i, RIG_HELLO RIG_SELECT("INBOX"));
	}
	msv_conn_input(rig.conns[1], "b UID FETCH 1 BODY.PEEK[]\r\n", 27);
	msv_test_run(rig.test);
	ck_assert_uint_gt(msv_conn_output(rig.conns[1], &p), 0);
	rig_say(&rig, 0,
	    "C: a STORE 1 +FLAGS.SILENT (\\Deleted)\n"
	    "S: a OK STORE completed\n"
	    "C: a EXPUNGE\n"
	    "S: * 1 EXPUNGE\n"
	    "S: * 0 RECENT\n"
	    "S: a OK EXPUNGE completed\n"
	    "C: a DELETE other\n"
	    "S: a NO [NONEXISTENT] There is no such mailbox\n");
	for (struct msv_span out; (out = msv_test_take_output(rig.test, rig.conns[1])).n;) {
		ck_assert_uint_lt(n + out.n, sizeof(got));
		memcpy(got + n, out.p, out.n);
		n += out.n;
	}
	const char *head = "* 1 FETCH (UID 1 BODY[] {1000000}\r\n";
	const char *tail = ")\r\n* 1 EXPUNGE\r\nb OK UID FETCH completed\r\n";
	ck_assert_uint_eq(n, strlen(head) + SIZE + strlen(tail));
	ck_assert_mem_eq(got, head, strlen(head));
	ck_assert_mem_eq(got + strlen(head), text, SIZE);
	ck_assert_mem_eq(got + strlen(head) + SIZE, tail, strlen(tail));
	rig_fini(&rig);
}
END_TEST

/* The selected mailbox goes away under a session. */
START_TEST(delete_selected)
{
	struct rig rig;

	rig_init(&rig, _i);
	rig_create(&rig, "box");
	rig_deliver(&rig, "box", "Subject: x\r\n\r\n");
	for (size_t i = 0; i < 2; i++) {
		rig_connect(&rig, i);
		rig_say(&rig, i, RIG_HELLO RIG_SELECT("box"));
	}
	rig_connect(&rig, 2);
	rig_say(&rig, 2,
	    RIG_HELLO RIG_SELECT("box") "C: a IDLE\n"
	                                "S: + idling\n");
	rig_say(&rig, 0,
	    "C: a DELETE box\n"
	    "S: * OK [CLOSED] The selected mailbox was deleted\n"
	    "S: a OK DELETE completed\n"
	    "C: a NOOP\n"
	    "S: a OK NOOP completed\n");
	rig_say(&rig, 1,
	    "C: b NOOP\n"
	    "S~\n"
	    "S: * BYE The selected mailbox is gone\n"
	    "X:\n");
	rig_say(&rig, 2,
	    "S~\n"
	    "S: * BYE The selected mailbox is gone\n"
	    "X:\n");
	rig_fini(&rig);
}
END_TEST

START_TEST(rename_selected)
{
	struct rig rig;

	rig_init(&rig, _i);
	rig_create(&rig, "box");
	rig_deliver(&rig, "box", "Subject: x\r\n\r\n");
	for (size_t i = 0; i < 2; i++) {
		rig_connect(&rig, i);
		rig_say(&rig, i, RIG_HELLO RIG_SELECT("box"));
	}
	rig_say(&rig, 0,
	    "C: a RENAME box crate\n"
	    "S: a OK RENAME completed\n"
	    "C: a FETCH 1 UID\n"
	    "S: * 1 FETCH (UID 1)\n"
	    "S: a OK FETCH completed\n");
	rig_say(&rig, 1,
	    "C: b STORE 1 +FLAGS (\\Seen)\n"
	    "S: * 1 FETCH (FLAGS (\\Seen))\n"
	    "S: b OK STORE completed\n");
	/* Its new name is the one it is deleted by. */
	rig_say(&rig, 0,
	    "C: a DELETE crate\n"
	    "S: * OK [CLOSED] The selected mailbox was deleted\n"
	    "S: a OK DELETE completed\n");
	rig_fini(&rig);
}
END_TEST

/* -- At random ------------------------------------------------------------------------------ */

/* What a client knows of the mailbox: the UID of each number, 0 not known yet. */
struct client {
	uint32_t uids[2000];
	size_t n;
	bool keeps; /* no EXPUNGE may come */
};

static void hear_line(struct client *c, const char *line)
{
	unsigned number, uid;
	char word[16];

	if (sscanf(line, "* %u %15s", &number, word) != 2)
		return;
	if (strcmp(word, "EXISTS") == 0) {
		ck_assert_uint_ge(number, c->n);
		while (c->n < number)
			c->uids[c->n++] = 0;
	} else if (strcmp(word, "EXPUNGE") == 0) {
		ck_assert(!c->keeps);
		ck_assert(number > 0 && number <= c->n);
		memmove(&c->uids[number - 1], &c->uids[number], (c->n - number) * sizeof(*c->uids));
		c->n--;
	} else if (strcmp(word, "FETCH") == 0) {
		ck_assert(number > 0 && number <= c->n);
		if (sscanf(line, "* %*u FETCH (UID %u", &uid) != 1)
			return;
		if (c->uids[number - 1])
			ck_assert_uint_eq(c->uids[number - 1], uid);
		c->uids[number - 1] = uid;
	}
}

static void hear(struct rig *rig, size_t i, struct client *c)
{
	for (struct msv_span out; (out = msv_test_take_output(rig->test, rig->conns[i])).n;) {
		for (const char *p = out.p; *p; p = strchr(p, '\n') + 1)
			hear_line(c, p);
	}
}

static void say(struct rig *rig, size_t i, struct client *c, bool keeps, const char *fmt, ...)
    MSV_PRINTF(5, 6);
static void say(struct rig *rig, size_t i, struct client *c, bool keeps, const char *fmt, ...)
{
	char command[200];
	va_list args;

	va_start(args, fmt);
	vsnprintf(command, sizeof(command), fmt, args);
	va_end(args);
	c->keeps = keeps;
	msv_conn_input(rig->conns[i], command, strlen(command));
	hear(rig, i, c);
}

static unsigned pick(unsigned *seed, unsigned n)
{
	*seed = *seed * 1103515245 + 12345;
	return *seed / 65536 % n;
}

/* One random command of one client. */
static void act(struct rig *rig, size_t i, struct client *c, unsigned *seed)
{
	unsigned number = c->n ? pick(seed, (unsigned)c->n) + 1 : 0;

	switch (pick(seed, 10)) {
	case 0:
		say(rig, i, c, false, "a NOOP\r\n");
		break;
	case 1:
		rig_deliver(rig, "INBOX", "Subject: x\r\n\r\n");
		break;
	case 2:
		say(rig, i, c, false, "a EXPUNGE\r\n");
		break;
	case 3:
		say(rig, i, c, false, "a APPEND INBOX {4+}\r\nA:\r\n\r\n");
		break;
	default:
		if (!number)
			break;
		if (pick(seed, 3) == 0)
			say(rig, i, c, true, "a STORE %u +FLAGS (\\Deleted)\r\n", number);
		else if (pick(seed, 2))
			say(rig, i, c, true, "a FETCH %u:* (UID FLAGS)\r\n", number);
		else
			say(rig, i, c, false, "a UID FETCH 1:* (FLAGS)\r\n");
	}
}

START_TEST(at_random)
{
	struct rig rig;
	struct client clients[3] = { 0 };
	unsigned seed = (unsigned)_i * 7919 + 3;

	rig_init(&rig, _i % 2);
	for (size_t i = 0; i < 3; i++) {
		rig_connect(&rig, i);
		say(&rig, i, &clients[i], false, "s SELECT INBOX\r\n");
	}
	for (int round = 0; round < 600; round++) {
		size_t i = pick(&seed, 3);
		act(&rig, i, &clients[i], &seed);
	}
	for (size_t i = 0; i < 3; i++) {
		say(&rig, i, &clients[i], false, "b NOOP\r\n");
		say(&rig, i, &clients[i], true, "b FETCH 1:* UID\r\n");
	}
	/* All know the same in the end. */
	for (size_t i = 1; i < 3; i++) {
		ck_assert_uint_eq(clients[i].n, clients[0].n);
		ck_assert_mem_eq(clients[i].uids, clients[0].uids, clients[0].n * sizeof(uint32_t));
	}
	rig_fini(&rig);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("imap/two");
	TCase *tc = tcase_create("two");

	tcase_set_timeout(tc, 60);
	tcase_add_loop_test(tc, flags, 0, 2);
	tcase_add_loop_test(tc, store_race, 0, 2);
	tcase_add_loop_test(tc, new_mail, 0, 2);
	tcase_add_loop_test(tc, expunge, 0, 2);
	tcase_add_loop_test(tc, expunge_by_uid, 0, 2);
	tcase_add_loop_test(tc, expunge_while_fetching, 0, 2);
	tcase_add_loop_test(tc, delete_selected, 0, 2);
	tcase_add_loop_test(tc, rename_selected, 0, 2);
	tcase_add_loop_test(tc, at_random, 0, 20);
	suite_add_tcase(s, tc);
	return check_main(s);
}
