/* When is a message safe?  Every moment at which the store or the queue may fail,
 * and what the sender and the recipients then have. */
#include "mta/mta.h"

#include "outbox.h"

#define HELLO "S* 220 *\nC: EHLO client.example\nS~\nS* 250 *\n"
#define LOGIN HELLO "C: AUTH PLAIN AGFubmFAZXhhbXBsZS5vcmcAYQ==\nS* 235 *\n" /* anna */
#define QUIT  "C: QUIT\nS* 221 *\nX:\n"

static char text[65536];
static struct rig rig;

/* From a stranger to the team: anna, bert, and carl elsewhere. */
static const char team[] = "team: anna, bert, carl@else.example\n"
                           "pair: anna, bert\n";

static void play_to(enum msv_smtp_role role, const char *to, const char *answer)
{
	char script[2048];
	snprintf(script, sizeof script,
	    "S* 220 *\nC: %s client.example\nS~\nS* 250 *\nC: MAIL FROM:<x@y.example>\nS* 250 *\n"
	    "C: RCPT TO:<%s@example.org>\nS* 250 *\n"
	    "C: DATA\nS* 354 *\nC: Subject: x\nC:\nC: body\nC: .\nS* %s *\n" QUIT,
	    role == MSV_SMTP_LMTP ? "LHLO" : "EHLO", to, answer);
	rig_play(&rig, role, script);
}

static int anna(void)
{
	int n = rig_count(&rig, "anna@example.org", "INBOX", 0, NULL);
	return n < 0 ? 0 : n;
}

static int bert(void)
{
	int n = rig_count(&rig, "bert@example.org", "INBOX", 0, NULL);
	return n < 0 ? 0 : n;
}

/* -- The queue fails ------------------------------------------------------------------- */

/* Nothing is taken, nothing is visible; then it works again. */
START_TEST(queue_that_cannot_write)
{
	outbox_open(&rig, _i, team, NULL);
	outbox_break(true);
	play_to(MSV_SMTP_MX, "team", "451 4.3.0");
	outbox_break(false);
	ck_assert_int_eq(anna() + bert(), 0);
	ck_assert_ptr_null(strstr(msv_test_log(rig.test), "mta accepted"));
	outbox_expect(&rig, "");
	play_to(MSV_SMTP_MX, "team", "250 2.0.0 Queued,");
	ck_assert_int_eq(anna(), 1);
	ck_assert_int_eq(bert(), 1);
	ck_assert_int_eq(outbox_empty(&rig), 1);
	outbox_close(&rig);
}
END_TEST

/* LMTP: only those who need the queue are refused. */
START_TEST(queue_that_cannot_write_lmtp)
{
	outbox_open(&rig, _i, team, NULL);
	outbox_break(true);
	rig_play(&rig, MSV_SMTP_LMTP,
	    "S* 220 *\nC: LHLO client.example\nS~\nS* 250 *\nC: MAIL FROM:<x@y.example>\nS* 250 *\n"
	    "C: RCPT TO:<team@example.org>\nS* 250 *\n"
	    "C: RCPT TO:<bert@example.org>\nS* 250 *\n"
	    "C: DATA\nS* 354 *\nC: Subject: x\nC:\nC: .\nS* 451 4.3.0 *\nS* 250 2.1.5 *\n" QUIT);
	outbox_break(false);
	ck_assert_int_eq(anna(), 0);
	ck_assert_int_eq(bert(), 1);
	outbox_expect(&rig, "");
	outbox_close(&rig);
}
END_TEST

/* -- The store fails --------------------------------------------------------------------- */

static void (*real_begin)(
    void *self, const struct msv_actor *actor, const char *mailbox, struct msv_append_op op);
static void (*real_prepare)(void *self, struct msv_append *append, struct msv_op *op);
static void (*real_abort)(void *self, struct msv_append *append);
static void (*real_commit)(void *self, struct msv_append *append, struct msv_copy_op op);
static unsigned fail_at, calls;
static int fail_with;

static void failing_begin(
    void *self, const struct msv_actor *actor, const char *mailbox, struct msv_append_op op)
{
	if (calls++ == fail_at)
		msv_op_answer(op.op, fail_with);
	else
		real_begin(self, actor, mailbox, op);
}

static void failing_prepare(void *self, struct msv_append *append, struct msv_op *op)
{
	if (calls++ == fail_at)
		msv_op_answer(op, fail_with);
	else
		real_prepare(self, append, op);
}

/* Fails from the fail_at-th on, or that one alone. */
static bool fail_on, break_queue;

static void failing_commit(void *self, struct msv_append *append, struct msv_copy_op op)
{
	unsigned call = calls++;
	if (call == fail_at || (fail_on && call > fail_at)) {
		outbox_break(break_queue);
		real_abort(self, append);
		msv_op_answer(op.op, fail_with);
	} else {
		real_commit(self, append, op);
	}
}

static void open_failing(int late, unsigned at, int error)
{
	outbox_open(&rig, late, team, NULL);
	real_begin = rig.store.append_begin;
	real_prepare = rig.store.append_prepare;
	real_abort = rig.store.append_abort;
	real_commit = rig.store.append_commit;
	fail_at = at;
	fail_with = error;
	fail_on = break_queue = false;
	calls = 0;
}

START_TEST(store_that_fails_before)
{
	for (unsigned at = 0; at < 2; at++)
		for (int how = 0; how < 2; how++) {
			open_failing(_i, at, MSV_ERR_NOSPACE);
			if (how)
				rig.store.append_begin = failing_begin;
			else
				rig.store.append_prepare = failing_prepare;
			play_to(MSV_SMTP_MX, "team", "452 4.3.1");
			ck_assert_int_eq(anna() + bert(), 0);
			outbox_expect(&rig, "");
			outbox_close(&rig);
		}
}
END_TEST

/* A copy that cannot be made visible after others are waits in the queue. */
START_TEST(commit_that_fails)
{
	for (unsigned at = 0; at < 2; at++) {
		open_failing(_i, at, MSV_ERR_IO);
		rig.store.append_commit = failing_commit;
		play_to(MSV_SMTP_MX, "pair", "250 2.0.0 Queued,");
		ck_assert_int_eq(anna() + bert(), 1);
		ck_assert_int_eq(outbox_empty(&rig), 1);
		ck_assert_ptr_eq(strstr(outbox.text, "local "), outbox.text);
		ck_assert_ptr_nonnull(
		    strstr(outbox.text, "@example.org via local from <x@y.example> "
		                        "account "));
		ck_assert_ptr_nonnull(strstr(outbox.text, " mailbox INBOX"));
		ck_assert_ptr_nonnull(strstr(outbox.body, "Subject: x\r\n\r\nbody\r\n"));
		outbox_close(&rig);
	}
}
END_TEST

/* What is queued cannot be taken back: all copies may fail. */
START_TEST(every_commit_fails)
{
	open_failing(_i, 0, MSV_ERR_IO);
	fail_on = true;
	rig.store.append_commit = failing_commit;
	play_to(MSV_SMTP_MX, "team", "250 2.0.0 Queued,");
	ck_assert_int_eq(anna() + bert(), 0);
	ck_assert_int_eq(outbox_empty(&rig), 3);
	outbox_close(&rig);
	/* Nothing has gone through: nothing is queued, and the sender tries again. */
	open_failing(_i, 0, MSV_ERR_IO);
	fail_on = true;
	rig.store.append_commit = failing_commit;
	play_to(MSV_SMTP_MX, "pair", "451 4.3.0");
	ck_assert_int_eq(anna() + bert(), 0);
	outbox_expect(&rig, "");
	play_to(MSV_SMTP_MX, "anna", "451 4.3.0");
	outbox_expect(&rig, "");
	outbox_close(&rig);
}
END_TEST

/* Neither mailbox nor queue: never 250. */
START_TEST(commit_and_queue_fail)
{
	open_failing(_i, 1, MSV_ERR_IO);
	break_queue = true;
	rig.store.append_commit = failing_commit;
	play_to(MSV_SMTP_MX, "pair", "451 4.3.0");
	outbox_break(false);
	ck_assert_int_eq(anna() + bert(), 1);
	outbox_expect(&rig, "");
	outbox_close(&rig);
}
END_TEST

START_TEST(commit_that_fails_lmtp)
{
	open_failing(_i, 1, MSV_ERR_IO);
	rig.store.append_commit = failing_commit;
	/* Each recipient has an answer of its own. */
	rig_play(&rig, MSV_SMTP_LMTP,
	    "S* 220 *\nC: LHLO client.example\nS~\nS* 250 *\nC: MAIL FROM:<x@y.example>\nS* 250 *\n"
	    "C: RCPT TO:<anna@example.org>\nS* 250 *\n"
	    "C: RCPT TO:<bert@example.org>\nS* 250 *\n"
	    "C: DATA\nS* 354 *\nC: Subject: x\nC:\nC: .\nS* 250 2.1.5 *\nS* 451 4.3.0 *\n" QUIT);
	ck_assert_int_eq(anna(), 1);
	ck_assert_int_eq(bert(), 0);
	outbox_expect(&rig, "");
	calls = 0;
	play_to(MSV_SMTP_LMTP, "pair", "250 2.1.5");
	ck_assert_int_eq(anna() + bert(), 2);
	ck_assert_int_eq(outbox_empty(&rig), 1);
	outbox_close(&rig);
}
END_TEST

/* -- Full mailboxes ---------------------------------------------------------------------- */

static void full_for_anna(
    void *self, const struct msv_actor *actor, const char *mailbox, struct msv_append_op op)
{
	if (strncmp(actor->user, "anna", 4) == 0)
		msv_op_answer(op.op, MSV_ERR_QUOTA);
	else
		real_begin(self, actor, mailbox, op);
}

START_TEST(full_mailbox)
{
	open_failing(_i, 0, 0);
	rig.store.append_begin = full_for_anna;
	/* The only one: the sender hears of it. */
	play_to(MSV_SMTP_MX, "anna", "552 5.2.2");
	play_to(MSV_SMTP_LMTP, "anna", "452 4.2.2");
	outbox_expect(&rig, "");
	/* One of several: it waits, and holds up nobody. */
	play_to(MSV_SMTP_MX, "pair", "250 2.0.0 Queued,");
	outbox_expect(&rig, "local anna@example.org via local from <x@y.example> account "
	                    "anna@example.org mailbox INBOX orcpt rfc822;pair@example.org\n");
	ck_assert_int_eq(bert(), 1);
	play_to(MSV_SMTP_LMTP, "pair", "250 2.1.5");
	ck_assert_int_eq(outbox_empty(&rig), 1);
	ck_assert_int_eq(bert(), 2);
	rig_play(&rig, MSV_SMTP_LMTP,
	    "S* 220 *\nC: LHLO client.example\nS~\nS* 250 *\nC: MAIL FROM:<x@y.example>\nS* 250 *\n"
	    "C: RCPT TO:<anna@example.org>\nS* 250 *\n"
	    "C: RCPT TO:<bert@example.org>\nS* 250 *\n"
	    "C: DATA\nS* 354 *\nC: Subject: x\nC:\nC: .\nS* 452 4.2.2 *\nS* 250 2.1.5 *\n" QUIT);
	outbox_expect(&rig, "");
	ck_assert_int_eq(bert(), 3);
	outbox_close(&rig);
}
END_TEST

/* -- Later ------------------------------------------------------------------------------- */

/* RFC 4865: nobody gets it before its time, our own neither. */
START_TEST(held_for_later)
{
	outbox_open(&rig, _i, NULL, NULL);
	rig_play(&rig, MSV_SMTP_SUBMISSION,
	    LOGIN "C: MAIL FROM:<anna@example.org> HOLDFOR=3600\nS* 250 *\n"
	          "C: RCPT TO:<bert@example.org>\nS* 250 *\n"
	          "C: RCPT TO:<carl@else.example>\nS* 250 *\n"
	          "C: DATA\nS* 354 *\nC: Subject: x\nC:\nC: .\nS* 250 2.0.0 Queued,*\n" QUIT);
	ck_assert_int_eq(bert(), 0);
	outbox_expect(&rig, "");
	ck_assert_ptr_nonnull(strstr(msv_test_log(rig.test), " hold="));
	msv_test_advance(rig.test, 3601 * 1000);
	ck_assert_int_eq(outbox_empty(&rig), 2);
	ck_assert_ptr_nonnull(strstr(outbox.text, "local bert@example.org via local from "
	                                          "<anna@example.org> account bert@example.org "
	                                          "mailbox INBOX\n"));
	outbox_close(&rig);
}
END_TEST

/* What the next hop must know of the body. */
START_TEST(bodies)
{
	outbox_open(&rig, _i, NULL, NULL);
	rig_play(&rig, MSV_SMTP_SUBMISSION,
	    LOGIN
	    "C: MAIL FROM:<anna@example.org>\nS* 250 *\n"
	    "C: RCPT TO:<carl@else.example>\nS* 250 *\n"
	    "C: DATA\nS* 354 *\nC: DKIM-Signature: v=1\nC:\nC= \\xc3\\xa4\\r\\n\nC: .\nS* 250 *\n"
	    "C: MAIL FROM:<anna@example.org> SMTPUTF8 BODY=8BITMIME\nS* 250 *\n"
	    "C: RCPT TO:<carl@else.example>\nS* 250 *\n"
	    "C: DATA\nS* 354 *\nC: Subject: x\nC:\nC: .\nS* 250 *\n" QUIT);
	outbox_expect(&rig,
	    "remote carl@else.example via else.example from <anna@example.org> 8bit signed\n"
	    "remote carl@else.example via else.example from <anna@example.org> 8bit utf8\n");
	outbox_close(&rig);
}
END_TEST

/* -- Ends --------------------------------------------------------------------------------- */

/* The peer leaves, or the mta goes, at any moment: what was not answered is either
 * whole or not there. */
START_TEST(anybody_leaves)
{
	struct msv_peer peer = { .size = sizeof peer, .address = "192.0.2.7" };
	static const char all[] =
	    "EHLO c\r\nMAIL FROM:<x@y.example>\r\nRCPT TO:<team@example.org>\r\n"
	    "DATA\r\nSubject: x\r\n\r\nbody\r\n.\r\n";
	for (int turns = 0; turns < 30; turns++) {
		struct msv_conn *conn;
		outbox_open(&rig, _i & 1, team, NULL);
		rig.config.role = MSV_SMTP_MX;
		ck_assert_int_eq(msv_smtp_server_new(rig.env, &rig.config, &peer, &conn), 0);
		msv_conn_input(conn, all, sizeof all - 1);
		for (int i = 0; i < turns; i++)
			msv_env_tick(rig.env);
		msv_conn_free(conn);
		if (_i & 2) {
			msv_mta_free(rig.mta);
			rig.mta = NULL;
		}
		msv_test_run(rig.test);
		int queued = outbox_empty(&rig), local = anna() + bert();
		ck_assert_int_le(queued, 1);
		ck_assert_int_le(local, 2);
		/* Copies become visible only once the rest is queued. */
		ck_assert(queued == 1 || local == 0);
		outbox_close(&rig);
	}
}
END_TEST

static void everything(struct msv_mta_options *options)
{
	static const char *const secrets[] = { "secret" };
	static const struct msv_mta_pair masks[] = { { "@in.example.org", "@example.org" } };
	options->srs_secrets = secrets;
	options->nsrs_secrets = 1;
	options->masquerade = masks;
	options->nmasquerade = 1;
}

/* Sessions in which every allocation fails in turn, and how many copies and queued
 * recipients there are at least when all of it was accepted. */
static const struct {
	enum msv_smtp_role role;
	const char *input;
	const char *accepted;
	int copies;
} sessions[] = {
	{ MSV_SMTP_MX,
	    "EHLO c\r\nMAIL FROM:<x@y.example>\r\nRCPT TO:<pair@example.org>\r\n"
	    "RCPT TO:<team@example.org>\r\nDATA\r\nSubject: x\r\n\r\nbody\r\n.\r\nQUIT\r\n",
	    "250 2.0.0 Queued", 3 },
	{ MSV_SMTP_LMTP,
	    "LHLO c\r\nMAIL FROM:<x@y.example>\r\nRCPT TO:<pair@example.org>\r\n"
	    "RCPT TO:<team@example.org>\r\nDATA\r\nSubject: x\r\n\r\nbody\r\n.\r\nQUIT\r\n",
	    "250 2.1.5 Delivered\r\n250 2.1.5 Delivered", 3 },
	{ MSV_SMTP_SUBMISSION,
	    "EHLO c\r\nAUTH PLAIN AGFubmFAZXhhbXBsZS5vcmcAYQ==\r\n"
	    "MAIL FROM:<info@in.example.org>\r\nRCPT TO:<bert@example.org> NOTIFY=SUCCESS\r\n"
	    "RCPT TO:<dora@else.example>\r\nDATA\r\nFrom: info@in.example.org\r\n\r\nbody\r\n"
	    ".\r\nQUIT\r\n",
	    "250 2.0.0 Queued", 2 },
};

/* Plays one, with the n-th allocation failing.  True: that was beyond the last. */
static bool play_failing(size_t which, uint64_t n, bool forever, bool *accepted)
{
	struct msv_peer peer = { .size = sizeof peer, .address = "192.0.2.7" };
	struct msv_conn *conn;
	const char *answer = NULL;
	rig.config.role = sessions[which].role;
	uint64_t before = msv_test_allocs(rig.test);
	msv_test_fail_alloc(rig.test, n, forever);
	int error = msv_smtp_server_new(rig.env, &rig.config, &peer, &conn);
	if (!error) {
		msv_conn_input(conn, sessions[which].input, strlen(sessions[which].input));
		for (int i = 0; i < 20; i++)
			msv_test_advance(rig.test, 10);
		answer = msv_test_take_output(rig.test, conn).p;
	}
	snprintf(text, sizeof text, "%s", answer ? answer : "");
	bool beyond = msv_test_allocs(rig.test) - before <= n;
	msv_test_fail_alloc(rig.test, UINT64_MAX, false);
	if (!error)
		msv_conn_free(conn);
	msv_test_run(rig.test);
	*accepted = strstr(text, sessions[which].accepted) != NULL;
	return beyond;
}

/* With each allocation failing in turn a message is either refused for now, or all
 * of it is delivered and queued. */
START_TEST(every_allocation_fails)
{
	size_t which = (size_t)_i / 2;
	bool accepted, beyond = false;
	for (uint64_t n = 0; !beyond; n++) {
		outbox_open(&rig, false,
		    "team: anna, bert, carl@else.example\npair: anna, bert\ninfo: anna\n",
		    everything);
		beyond = play_failing(which, n, _i % 2, &accepted);
		int queued = outbox_empty(&rig), local = anna() + bert();
		/* When some recipients were refused, the others may have it. */
		bool all = !strstr(text, "451 ") && !strstr(text, "452 ");
		ck_assert_msg(!accepted || !all || local + queued >= sessions[which].copies,
		    "%d: %d %d %s", (int)n, local, queued, text);
		ck_assert_msg(!beyond || (accepted && all), "%s", text);
		outbox_close(&rig);
	}
}
END_TEST

/* -- Chance ------------------------------------------------------------------------------- */

static uint32_t dice;

static uint32_t roll(uint32_t sides)
{
	dice = dice * 1664525 + 1013904223;
	return (dice >> 8) % sides;
}

static uint32_t odds; /* that something fails, of 100 */

static bool unlucky(void)
{
	return roll(100) < odds;
}

static void chance_begin(
    void *self, const struct msv_actor *actor, const char *mailbox, struct msv_append_op op)
{
	if (unlucky())
		msv_op_answer(op.op, roll(2) ? MSV_ERR_QUOTA : MSV_ERR_IO);
	else
		real_begin(self, actor, mailbox, op);
}

static void chance_prepare(void *self, struct msv_append *append, struct msv_op *op)
{
	if (unlucky())
		msv_op_answer(op, MSV_ERR_NOSPACE);
	else
		real_prepare(self, append, op);
}

static void chance_commit(void *self, struct msv_append *append, struct msv_copy_op op)
{
	if (unlucky()) {
		real_abort(self, append);
		msv_op_answer(op.op, MSV_ERR_IO);
	} else {
		real_commit(self, append, op);
	}
}

/* Whom each recipient stands for: anna 1, bert 2, carl elsewhere 4. */
static const struct {
	const char *name;
	unsigned leaves;
} people[] = { { "anna", 1 }, { "bert", 2 }, { "team", 7 }, { "pair", 3 }, { "away", 4 },
	{ "trash", 0 } };
enum { PEOPLE = sizeof people / sizeof *people };

/* Sends to some of them; what was said of each (LMTP), or of all. */
static void send_somewhere(enum msv_smtp_role role, const size_t *to, size_t n)
{
	struct msv_peer peer = { .size = sizeof peer, .address = "192.0.2.7" };
	struct msv_conn *conn;
	char input[1024];
	rig.config.role = role;
	int at = snprintf(input, sizeof input, "%s c\r\nMAIL FROM:<x@y.example>\r\n",
	    role == MSV_SMTP_LMTP ? "LHLO" : "EHLO");
	for (size_t i = 0; i < n; i++)
		at += snprintf(input + at, sizeof input - (size_t)at,
		    "RCPT TO:<%s@example.org>\r\n", people[to[i]].name);
	snprintf(input + at, sizeof input - (size_t)at, "DATA\r\nSubject: x\r\n\r\nbody\r\n.\r\n");
	ck_assert_int_eq(msv_smtp_server_new(rig.env, &rig.config, &peer, &conn), 0);
	msv_conn_input(conn, input, strlen(input));
	for (int i = 0; i < 60; i++)
		msv_test_advance(rig.test, 10);
	struct msv_span out = msv_test_take_output(rig.test, conn);
	const char *data = out.p ? strstr(out.p, "\r\n354 ") : NULL;
	ck_assert_ptr_nonnull(data);
	data = strstr(data + 2, "\r\n") + 2;
	snprintf(text, sizeof text, "%s", data);
	msv_conn_free(conn);
	msv_test_run(rig.test);
}

/* The code of the i-th line. */
static int line_code(size_t i)
{
	const char *p = text;
	for (; i > 0 && p; i--)
		p = strstr(p, "\r\n") ? strstr(p, "\r\n") + 2 : NULL;
	return p ? atoi(p) : 0;
}

/* Who was to have it by what was said, and who has it: once, or where something was
 * refused perhaps. */
static void check_luck(enum msv_smtp_role role, const size_t *to, size_t n, const int had[2],
    bool broken, const char *what)
{
	unsigned promised = 0, refused = 0;
	for (size_t i = 0; i < n; i++) {
		bool yes = line_code(role == MSV_SMTP_LMTP ? i : 0) == 250;
		*(yes ? &promised : &refused) |= people[to[i]].leaves;
	}
	outbox_empty(&rig);
	int got[3] = { anna() - had[0], bert() - had[1], 0 };
	got[0] += strstr(outbox.text, "local anna@") != NULL;
	got[1] += strstr(outbox.text, "local bert@") != NULL;
	got[2] += strstr(outbox.text, "remote carl@") != NULL;
	for (unsigned i = 0; i < 3; i++) {
		/* A refusal leaves nothing behind, but where mailboxes and queue fail. */
		bool due = promised & 1U << i;
		bool may = (refused & 1U << i) && (role == MSV_SMTP_LMTP || broken);
		ck_assert_msg(got[i] == due || (may && !due && got[i] == 1),
		    "%s: %u: %d of %d\n%s%s", what, i, got[i], due, text, outbox.text);
	}
}

/* Whatever fails, who was promised the message has it, once, and nobody else but
 * those whose sender was told to try again. */
START_TEST(whatever_fails)
{
	enum msv_smtp_role role = _i & 2 ? MSV_SMTP_LMTP : MSV_SMTP_MX;
	open_failing(_i & 1, 0, 0);
	struct msv_mta_aliases aliases = { .size = sizeof aliases,
		.text = "team: anna, bert, carl@else.example\npair: anna, bert\n"
		        "away: carl@else.example\ntrash: /dev/null\n" };
	aliases.n = strlen(aliases.text);
	ck_assert_int_eq(msv_mta_set_aliases(rig.mta, &aliases), 0);
	rig.store.append_begin = chance_begin;
	rig.store.append_prepare = chance_prepare;
	rig.store.append_commit = chance_commit;
	dice = (uint32_t)_i;
	for (int round = 0; round < 200; round++) {
		size_t to[4], n = 1 + roll(4);
		int had[2] = { anna(), bert() };
		char what[64];
		for (size_t i = 0; i < n; i++)
			to[i] = roll(PEOPLE);
		odds = round < 100 ? 10 : 40;
		bool broken = roll(100) < odds / 2;
		outbox_break(broken);
		send_somewhere(role, to, n);
		outbox_break(false);
		snprintf(what, sizeof what, "round %d", round);
		check_luck(role, to, n, had, broken, what);
	}
	odds = 0;
	outbox_close(&rig);
}
END_TEST

/* -- Routing for notifications ------------------------------------------------------------- */

struct inward {
	int error;
	bool done;
	char text[1000];
};

static void on_recipients(void *user, int error, const void *result)
{
	struct inward *in = user;
	const struct relay_recipients *list = result;
	in->done = true;
	in->error = error;
	in->text[0] = '\0';
	for (size_t i = 0; !error && i < list->n; i++) {
		const struct queue_recipient *r = &list->recipients[i];
		size_t at = strlen(in->text);
		snprintf(in->text + at, sizeof in->text - at, "%d %s %s;", r->kind, r->address,
		    r->destination);
	}
}

static const char *inward(const char *address, int *error)
{
	static struct inward in;
	in.done = false;
	struct relay_recipients_op op = { msv_op_new(rig.env, on_recipients, &in) };
	msv_mta_inward(rig.mta, address, op);
	for (int i = 0; i < 100 && !in.done; i++)
		msv_test_advance(rig.test, 10);
	ck_assert(in.done);
	*error = in.error;
	return in.text;
}

START_TEST(notifications_find_their_way)
{
	int error;
	outbox_open(&rig, _i, "team: anna, bert, carl@else.example\nnone: /dev/null\n", NULL);
	ck_assert_str_eq(inward("x@else.example", &error), "0 x@else.example else.example;");
	ck_assert_str_eq(inward("team@example.org", &error),
	    "1 anna@example.org local;1 bert@example.org local;0 carl@else.example else.example;");
	ck_assert_str_eq(inward("postmaster", &error), "1 bert@example.org local;");
	ck_assert_str_eq(inward("none@example.org", &error), "");
	ck_assert_int_eq(error, 0);
	inward("gone@example.org", &error);
	ck_assert_int_eq(error, MSV_ERR_NOTFOUND);
	inward("not an address", &error);
	ck_assert_int_eq(error, MSV_ERR_NOTFOUND);
	outbox_close(&rig);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("mta/queueing");
	TCase *tc = tcase_create("queueing");
	const TTest *tests[] = { queue_that_cannot_write, queue_that_cannot_write_lmtp,
		store_that_fails_before, commit_that_fails, every_commit_fails,
		commit_and_queue_fail, commit_that_fails_lmtp, full_mailbox, held_for_later, bodies,
		notifications_find_their_way };
	tcase_set_timeout(tc, 240);
	for (size_t i = 0; i < sizeof tests / sizeof *tests; i++)
		tcase_add_loop_test(tc, tests[i], 0, 2);
	tcase_add_loop_test(tc, anybody_leaves, 0, 4);
	tcase_add_loop_test(tc, every_allocation_fails, 0, 6);
	tcase_add_loop_test(tc, whatever_fails, 0, 4);
	suite_add_tcase(s, tc);
	return check_main(s);
}
