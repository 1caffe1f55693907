/* Memory runs out, and connections are freed, at every point of whole sessions:
 * nothing is lost, nothing is touched afterwards. */
#include "imap/rig.h"

static const char message[] =
    "From: a@example.org\r\nSubject: =?utf-8?q?parts?=\r\n"
    "Content-Type: multipart/mixed; boundary=x\r\n\r\n--x\r\n\r\ntext one\r\n"
    "--x\r\nContent-Type: message/rfc822\r\n\r\nSubject: inner\r\n\r\ninner\r\n--x--\r\n";

/* All commands, pipelined. */
static const char *const session[] = {
	"a LOGIN user \"sec\\ret\"\r\na LOGIN user wrong\r\n",
	"a AUTHENTICATE PLAIN\r\n*\r\n",
	"a LOGIN user {6+}\r\nsecret\r\n",
	"a CAPABILITY\r\na ID (\"name\" \"x\")\r\na ENABLE X\r\na NAMESPACE\r\n",
	"a CREATE &AOQ-/b/c\r\na CREATE x (USE (\\Junk))\r\na SUBSCRIBE x\r\n",
	"a LIST \"\" *\r\na LSUB \"\" %\r\na STATUS INBOX (MESSAGES UIDNEXT)\r\n",
	"a RENAME x y\r\na SELECT y\r\na RENAME y z\r\na DELETE z\r\na NOOP\r\n",
	"a SELECT INBOX\r\n",
	"a APPEND INBOX (\\Seen Work) \"17-Jul-1996 02:44:25 -0700\" {4+}\r\nA:\r\n\r\n",
	"a APPEND nowhere {4+}\r\nA:\r\n\r\n",
	"a FETCH 1:* FULL\r\na UID FETCH 1:* (BODYSTRUCTURE BODY[1] BODY[2.HEADER])\r\n",
	"a FETCH 1 (RFC822.HEADER BODY[HEADER.FIELDS (\"From\" Subject x)] BODY[]<1.5>)\r\n",
	"a STORE 1 +FLAGS ($Forwarded Job)\r\na UID STORE 2 FLAGS.SILENT \\Deleted\r\n",
	"a SEARCH OR (SUBJECT parts) NOT TEXT inner\r\n",
	"a UID SEARCH RETURN (ALL MIN MAX COUNT) CHARSET iso-8859-1 BODY one KEYWORD Job\r\n",
	"a COPY 1 &AOQ-\r\na UID MOVE 1 &AOQ-/b/c\r\na EXPUNGE\r\na UID EXPUNGE 1:*\r\n",
	"a IDLE\r\nDONE\r\na CHECK\r\na UNSELECT\r\na EXAMINE INBOX\r\na CLOSE\r\n",
	"a SELECT nowhere\r\na FROB {3+}\r\nabc\r\na LOGOUT\r\n",
};
enum { LINES = sizeof(session) / sizeof(*session) };

/* Plays lines of the session until it ends; true when it said goodbye. */
static bool play(struct rig *rig)
{
	char all[65536];
	size_t n = 0;
	struct msv_span out;

	for (size_t i = 0; i < LINES && rig->conns[0]; i++) {
		msv_conn_input(rig->conns[0], session[i], strlen(session[i]));
		msv_test_run(rig->test);
		if (!rig->conns[0])
			return false;
		out = msv_test_take_output(rig->test, rig->conns[0]);
		ck_assert_uint_lt(n + out.n, sizeof(all));
		memcpy(all + n, out.p, out.n);
		n += out.n;
	}
	all[n] = '\0';
	return strstr(all, "* BYE Logging out") != NULL;
}

static void begin(struct rig *rig, bool late)
{
	rig_init(rig, late);
	rig->config.account = NULL;
	rig_deliver(rig, "INBOX", message);
}

static void without_memory(bool late, bool forever)
{
	uint64_t ended = 0, survived = 0;
	bool failed = true;

	for (uint64_t i = 0; failed; i++) {
		struct rig rig;
		begin(&rig, late);
		msv_test_fail_alloc(rig.test, i, forever);
		uint64_t before = msv_test_allocs(rig.test);
		if (msv_imap_server_new(rig.env, &rig.config, NULL, &rig.conns[0]) == 0)
			*(play(&rig) ? &survived : &ended) += 1;
		else
			rig.conns[0] = NULL;
		failed = msv_test_allocs(rig.test) - before > i;
		msv_test_fail_alloc(rig.test, UINT64_MAX, false);
		rig_fini(&rig);
	}
	ck_assert_uint_gt(ended, 100);
	ck_assert_uint_gt(survived, 0);
}

START_TEST(no_memory)
{
	without_memory(_i & 1, _i & 2);
}
END_TEST

/* -- Freed --------------------------------------------------------------------------------- */

static void free_it(struct rig *rig)
{
	struct msv_conn *conn = rig->conns[0];

	rig->conns[0] = NULL;
	msv_conn_free(conn);
}

static void on_login(void *user, struct msv_conn *conn, const struct msv_account *account)
{
	(void)conn;
	(void)account;
	free_it(user);
}

static void on_login_failed(void *user, struct msv_conn *conn, const char *name, int error)
{
	(void)conn;
	(void)name;
	(void)error;
	free_it(user);
}

static void on_appended(
    void *user, struct msv_conn *conn, const char *mailbox, uint32_t uid, uint64_t octets)
{
	(void)conn;
	(void)mailbox;
	(void)uid;
	(void)octets;
	free_it(user);
}

START_TEST(freed_by_observer)
{
	static const struct msv_imap_observer observers[] = {
		{ .size = sizeof(*observers), .login = on_login },
		{ .size = sizeof(*observers), .login_failed = on_login_failed },
		{ .size = sizeof(*observers), .appended = on_appended },
	};
	struct rig rig;

	begin(&rig, _i % 2);
	rig.config.observer = &observers[_i / 2];
	rig.config.user = &rig;
	rig_connect(&rig, 0);
	ck_assert(!play(&rig));
	ck_assert_ptr_null(rig.conns[0]);
	rig_fini(&rig);
}
END_TEST

/* Freed, or told to end, after every one of the env's turns. */
static bool cut_short(unsigned turns, bool shut)
{
	struct rig rig;
	bool over;

	begin(&rig, true);
	rig_connect(&rig, 0);
	for (size_t i = 0; i < LINES; i++)
		msv_conn_input(rig.conns[0], session[i], strlen(session[i]));
	for (unsigned i = 0; i < turns; i++) {
		const void *p;
		size_t n = msv_conn_output(rig.conns[0], &p);
		msv_conn_sent(rig.conns[0], n);
		msv_env_tick(rig.env);
	}
	over = msv_conn_want(rig.conns[0]) & MSV_WANT_CLOSE;
	if (shut)
		msv_conn_shutdown(rig.conns[0], MSV_SHUTDOWN_SERVICE);
	else
		rig_hang_up(&rig, 0);
	rig_fini(&rig);
	return over;
}

START_TEST(freed_at_any_time)
{
	unsigned turns = 0;

	while (!cut_short(turns, _i))
		turns++;
	ck_assert_uint_gt(turns, 50);
}
END_TEST

/* -- A store that fails --------------------------------------------------------------------- */

/* The message can be opened, and not read to its end. */
static void broken_read(
    void *self, struct msv_open_message *open, uint64_t offset, size_t n, struct msv_read_op op)
{
	struct rig *rig = self;

	(void)open;
	(void)n;
	if (offset > 20)
		msv_op_answer(op.op, MSV_ERR_IO);
	else if (offset == 20)
		msv_read_answer(op, "", 0);
	else
		msv_read_answer(op, "0123456789", 10);
	(void)rig;
}

static struct msv_store broken;
static const struct msv_store *whole;

static void broken_open(
    void *self, struct msv_mailbox *mailbox, uint32_t uid, struct msv_content_op op)
{
	static char pinned;
	struct msv_message_content content = {
		.size = sizeof(content),
		.message = (struct msv_open_message *)&pinned,
		.octets = 100,
	};

	(void)self;
	(void)mailbox;
	(void)uid;
	msv_content_answer(op, &broken, &content);
}

static void broken_close(void *self, struct msv_open_message *open)
{
	(void)self;
	(void)open;
}

/* Half a literal cannot be taken back: the connection ends without another word. */
START_TEST(failing_read)
{
	struct rig rig;

	rig_init(&rig, false);
	rig_deliver(&rig, "INBOX", message);
	whole = rig.store;
	broken = *whole;
	broken.msg_open = broken_open;
	broken.msg_read = broken_read;
	broken.msg_close = broken_close;
	rig.config.store = &broken;
	rig_connect(&rig, 0);
	rig_connect(&rig, 1);
	rig_say(&rig, 0,
	    RIG_HELLO RIG_SELECT("INBOX") "C: a FETCH 1 BODY.PEEK[]\n"
	                                  "S: * 1 FETCH (BODY[] {100}\n"
	                                  "S= 01234567890123456789\n"
	                                  "X:\n");
	/* Found out in time it is a NO. */
	rig_say(&rig, 1,
	    RIG_HELLO RIG_SELECT("INBOX") "C: a FETCH 1 (FLAGS BODY[1])\n"
	                                  "S: a NO [UNAVAILABLE] Temporary failure: try "
	                                  "again later\n"
	                                  "C: b SEARCH TEXT x\n"
	                                  "S: * SEARCH\n"
	                                  "S: b NO [UNAVAILABLE] Temporary failure: try "
	                                  "again later\n"
	                                  "C: c FETCH 1 FLAGS\n"
	                                  "S: * 1 FETCH (FLAGS ())\n"
	                                  "S: c OK FETCH completed\n");
	rig_hang_up(&rig, 0);
	rig_hang_up(&rig, 1);
	ck_assert_ptr_nonnull(strstr(msv_test_log(rig.test), "message 1 of INBOX cannot be read"));
	rig_fini(&rig);
}
END_TEST

/* BYE is not written into a literal. */
START_TEST(shut_in_a_literal)
{
	static char text[200000];
	struct rig rig;
	const void *p;
	size_t n;

	rig_init(&rig, false);
	memset(text, 'x', sizeof(text) - 1);
	rig_deliver(&rig, "INBOX", text);
	rig_connect(&rig, 0);
	rig_say(&rig, 0, RIG_HELLO RIG_SELECT("INBOX"));
	msv_conn_input(rig.conns[0], "a FETCH 1 BODY[]\r\n", 18);
	msv_conn_shutdown(rig.conns[0], MSV_SHUTDOWN_SERVICE);
	while ((n = msv_conn_output(rig.conns[0], &p))) {
		ck_assert_ptr_null(memmem(p, n, "BYE", 3));
		msv_conn_sent(rig.conns[0], n);
	}
	ck_assert_uint_eq(msv_conn_want(rig.conns[0]), MSV_WANT_CLOSE);
	rig_fini(&rig);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("imap/nomem");
	TCase *tc = tcase_create("ends");

	tcase_set_timeout(tc, 100);
	tcase_add_loop_test(tc, no_memory, 0, 4);
	tcase_add_loop_test(tc, freed_by_observer, 0, 6);
	tcase_add_loop_test(tc, freed_at_any_time, 0, 2);
	suite_add_tcase(s, tc);
	check_case(s, "failing", failing_read, shut_in_a_literal);
	return check_main(s);
}
