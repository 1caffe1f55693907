/* Before and around login: greeting, CAPABILITY, ID, ENABLE, LOGIN, AUTHENTICATE,
 * LOGOUT, and the clocks (RFC 3501 6.1, 6.2, 5.4, RFC 2971, 4959, 5161, 5530). */
#include "imap/rig.h"

#define CLEAR_HELLO \
	"S: * OK [CAPABILITY IMAP4rev1 LITERAL+ SASL-IR ID ENABLE IDLE AUTH=SCRAM-SHA-256 " \
	"AUTH=PLAIN " \
	"AUTH=LOGIN] imap.example ready\n"
#define WELCOME(tag) "S: " tag " OK [CAPABILITY " RIG_CAPABILITIES "] Logged in\n"

/* What the observer was told. */
static char story[1024];

static void on_login(void *user, struct msv_conn *conn, const struct msv_account *account)
{
	struct rig *rig = user;

	ck_assert_ptr_eq(conn, rig->conns[0]);
	strcat(strcat(story, account->name), ";");
}

static void on_login_failed(void *user, struct msv_conn *conn, const char *name, int error)
{
	struct rig *rig = user;

	ck_assert_ptr_eq(conn, rig->conns[0]);
	snprintf(story + strlen(story), sizeof(story) - strlen(story), "!%s %d;", name, error);
}

static const struct msv_imap_observer observer = {
	.size = sizeof(observer),
	.login = on_login,
	.login_failed = on_login_failed,
};

/* The script on a session nobody logged in to, in each split. */
static void play(const char *script)
{
	for (int split = MSV_SPLIT_LINES; split <= MSV_SPLIT_PIPELINE; split++) {
		struct rig rig;
		rig_init(&rig, split == MSV_SPLIT_BYTES);
		rig.config.account = NULL;
		rig.config.observer = &observer;
		rig.config.user = &rig;
		story[0] = '\0';
		rig_connect(&rig, 0);
		rig_say_split(&rig, 0, (enum msv_dialogue_split)split, script);
		rig_fini(&rig);
	}
}

START_TEST(any_state)
{
	play(CLEAR_HELLO "C: a CAPABILITY\n"
	                 "S: * CAPABILITY IMAP4rev1 LITERAL+ SASL-IR ID ENABLE IDLE "
	                 "AUTH=SCRAM-SHA-256 AUTH=PLAIN AUTH=LOGIN\n"
	                 "S: a OK CAPABILITY completed\n"
	                 "C: b CAPABILITY x\n"
	                 "S: b BAD Too many arguments\n"
	                 "C: c ID NIL\n"
	                 "S* ? ID (\"name\" \"libmailserv\" \"version\" \"*\")\n"
	                 "S: c OK ID completed\n"
	                 "C: d ID (\"name\" \"sod\ried\" \"version\" NIL)\n"
	                 "S: d BAD The command holds a NUL or a lone CR\n"
	                 "C: d ID (\"name\" \"sodried\" \"version\" \"19.34\" \"vendor\" NIL)\n"
	                 "S* ? ID (\"name\" \"libmailserv\" \"version\" \"*\")\n"
	                 "S: d OK ID completed\n"
	                 "C: e ID ()\n"
	                 "S* ? ID (*)\n"
	                 "S: e OK ID completed\n"
	                 "C: f ID (\"name\")\n"
	                 "S: f BAD A space is missing\n"
	                 "C: f ID (\"name\" x)\n"
	                 "S: f BAD A string or NIL is missing\n"
	                 "C: f ID x\n"
	                 "S: f BAD A string or NIL is missing\n"
	                 "C: f ID\n"
	                 "S: f BAD Missing arguments\n"
	                 "C: f ID (\"123456789012345678901234567890x\" NIL)\n"
	                 "S: f BAD An ID field is too long\n"
	                 "C: g SELECT INBOX\n"
	                 "S: g BAD Log in first\n"
	                 "C: h NOOP\n"
	                 "S: h OK NOOP completed\n"
	                 "C: i STARTTLS\n"
	                 "S: i BAD There is no TLS here\n"
	                 "C: j LOGOUT x\n"
	                 "S: j BAD Too many arguments\n"
	                 "C: k LOGOUT\n"
	                 "S: * BYE Logging out\n"
	                 "S: k OK LOGOUT completed\n"
	                 "X:\n");
}
END_TEST

START_TEST(login)
{
	play(CLEAR_HELLO "C: a LOGIN user\n"
	                 "S: a BAD Missing arguments\n"
	                 "C: a LOGIN user secret x\n"
	                 "S: a BAD Too many arguments\n"
	                 "C= a LOGIN user {2}\\r\\n\n"
	                 "S: + OK\n"
	                 "C= \\xff\\xfe\\r\\n\n"
	                 "S: a BAD Name and password must be UTF-8\n"
	                 "C: b LOGIN user wrong\n"
	                 "S: b NO [AUTHENTICATIONFAILED] Wrong name or password\n"
	                 "C: c LOGIN nobody secret\n"
	                 "S: c NO [AUTHENTICATIONFAILED] Wrong name or password\n"
	                 "C: d LOGIN {17}\n"
	                 "S: + OK\n"
	                 "C:  smith@example.org \"sesame\"\n"
	                 "S: d BAD A space is missing\n"
	                 "C: e login {17+}\n"
	                 "C: smith@example.org \"sesame\"\n" WELCOME(
	                     "e") "C: f LOGIN user secret\n"
	                          "S: f BAD Already logged in\n"
	                          "C: g CAPABILITY\n"
	                          "S: * CAPABILITY " RIG_CAPABILITIES "\n"
	                          "S: g OK CAPABILITY completed\n");
	ck_assert_str_eq(story, "!user -13;!nobody -13;smith@example.org;");
}
END_TEST

START_TEST(escaped_password)
{
	static const char *const users[] = { "a\"b", "c\\d e", NULL };

	for (int split = MSV_SPLIT_LINES; split <= MSV_SPLIT_PIPELINE; split++) {
		struct rig rig;
		rig_init(&rig, true);
		rig.config.account = NULL;
		rig.config.auth = msv_test_auth(rig.test, users);
		rig_connect(&rig, 0);
		rig_say_split(&rig, 0, (enum msv_dialogue_split)split,
		    "S* *ready\n"
		    "C: a LOGIN \"a\\\"b\" \"c\\\\d e\"\n" WELCOME("a"));
		rig_fini(&rig);
	}
}
END_TEST

START_TEST(authenticate)
{
	play(CLEAR_HELLO "C: a AUTHENTICATE FROB\n"
	                 "S: a NO [CANNOT] No such mechanism is offered\n"
	                 "C: a AUTHENTICATE\n"
	                 "S: a BAD Missing arguments\n"
	                 "C: b AUTHENTICATE PLAIN\n"
	                 "S: + \n"
	                 "C: *\n"
	                 "S: b BAD Authentication canceled\n"
	                 "C: c AUTHENTICATE PLAIN\n"
	                 "S: + \n"
	                 "C: !!!\n"
	                 "S: c BAD Not what the mechanism requires\n"
	                 "C: d AUTHENTICATE PLAIN AHVzZXIAd3Jvbmc=\n"
	                 "S: d NO [AUTHENTICATIONFAILED] Wrong name or password\n"
	                 "C: e AUTHENTICATE PLAIN c21pdGgAdXNlcgBzZWNyZXQ=\n"
	                 "S: e NO [AUTHORIZATIONFAILED] Access is not allowed\n"
	                 "C: f AUTHENTICATE PLAIN =\n"
	                 "S: f BAD Not what the mechanism requires\n"
	                 "C: g AUTHENTICATE LOGIN\n"
	                 "S: + VXNlcm5hbWU6\n"
	                 "C: dXNlcg==\n"
	                 "S: + UGFzc3dvcmQ6\n"
	                 "C: c2VjcmV0\n" WELCOME("g"));
	play(CLEAR_HELLO "C: a authenticate plain AHVzZXIAc2VjcmV0\n" WELCOME("a"));
	play(CLEAR_HELLO "C: a AUTHENTICATE PLAIN\n"
	                 "S: + \n"
	                 "C: AHVzZXIAc2VjcmV0\n" WELCOME("a"));
	ck_assert_str_eq(story, "user;");
	play(CLEAR_HELLO "C: a AUTHENTICATE PLAIN\n"
	                 "S: + \n"
	                 "E:\n"
	                 "X:\n");
}
END_TEST

/* A SASL response that never ends. */
START_TEST(long_response)
{
	struct rig rig;
	char piece[1000];

	rig_init(&rig, false);
	rig.config.account = NULL;
	rig_connect(&rig, 0);
	rig_say(&rig, 0,
	    CLEAR_HELLO "C: a AUTHENTICATE PLAIN\n"
	                "S: + \n");
	memset(piece, 'A', sizeof(piece));
	for (int i = 0; i < 9; i++)
		msv_conn_input(rig.conns[0], piece, sizeof(piece));
	rig_say(&rig, 0,
	    "S: * BYE The line is too long\n"
	    "X:\n");
	rig_fini(&rig);
}
END_TEST

START_TEST(failures)
{
	play(CLEAR_HELLO "C: a LOGIN user a\n"
	                 "S: a NO [AUTHENTICATIONFAILED] Wrong name or password\n"
	                 "C: a LOGIN user b\n"
	                 "S: a NO [AUTHENTICATIONFAILED] Wrong name or password\n"
	                 "C: a LOGIN user c\n"
	                 "S: a NO [AUTHENTICATIONFAILED] Wrong name or password\n"
	                 "C: a LOGIN user d\n"
	                 "S: a NO [AUTHENTICATIONFAILED] Wrong name or password\n"
	                 "C: a LOGIN user e\n"
	                 "S: a NO [AUTHENTICATIONFAILED] Wrong name or password\n"
	                 "S: * BYE Too many failed logins\n"
	                 "X:\n");
}
END_TEST

/* Without TLS no credentials are asked for, not even by a literal. */
START_TEST(in_the_clear)
{
	struct rig rig;

	rig_init(&rig, false);
	rig.config.account = NULL;
	rig.config.login_in_clear = false;
	rig_connect(&rig, 0);
	rig_say(&rig, 0,
	    "S: * OK [CAPABILITY IMAP4rev1 LITERAL+ SASL-IR ID ENABLE IDLE LOGINDISABLED] "
	    "imap.example ready\n"
	    "C: a LOGIN user secret\n"
	    "S: a NO [PRIVACYREQUIRED] Use STARTTLS first\n"
	    "C: b LOGIN {4}\n"
	    "S: b NO [PRIVACYREQUIRED] Use STARTTLS first\n"
	    "C: c AUTHENTICATE PLAIN\n"
	    "S: c NO [PRIVACYREQUIRED] Use STARTTLS first\n");
	rig_fini(&rig);
}
END_TEST

/* Before login literals are small, and one too large to be followed is the end. */
START_TEST(literals_before_login)
{
	play(CLEAR_HELLO "C: a LOGIN {9000}\n"
	                 "S: a BAD [TOOBIG] The literal is too long\n"
	                 "C: b LOGIN {9000+}\n"
	                 "S: b BAD [TOOBIG] The literal is too long\n"
	                 "S: * BYE Cannot tell where the next command begins\n"
	                 "X:\n");
}
END_TEST

START_TEST(hidden)
{
	struct rig rig;

	rig_init(&rig, false);
	rig.config.hide = "IDLE  move ESEARCH";
	rig.config.id_name = "A \"name\"";
	rig_connect(&rig, 0);
	rig_say(&rig, 0,
	    "S: * PREAUTH [CAPABILITY IMAP4rev1 LITERAL+ SASL-IR ID ENABLE NAMESPACE "
	    "UNSELECT UIDPLUS CHILDREN SPECIAL-USE CREATE-SPECIAL-USE] imap.example ready\n"
	    "C: a ID NIL\n"
	    "S: * ID (\"name\" \"A \\\"name\\\"\")\n"
	    "S: a OK ID completed\n"
	    "C: b ENABLE CONDSTORE X-GOOD-IDEA\n"
	    "S: * ENABLED\n"
	    "S: b OK ENABLE completed\n"
	    "C: b ENABLE\n"
	    "S: b BAD Missing arguments\n"
	    "C: b ENABLE a  b\n"
	    "S: b BAD A word is missing\n");
	rig_fini(&rig);
}
END_TEST

/* -- Time ------------------------------------------------------------------------------ */

START_TEST(login_time)
{
	struct rig rig;

	rig_init(&rig, false);
	rig.config.account = NULL;
	rig_connect(&rig, 0);
	rig_say(&rig, 0,
	    CLEAR_HELLO "T: 100000\n"
	                "C: a NOOP\n"
	                "S: a OK NOOP completed\n"
	                "T: 79999\n"
	                "T: 1\n"
	                "S: * BYE Too long without a login\n"
	                "X:\n");
	rig_fini(&rig);
}
END_TEST

START_TEST(idle_time)
{
	struct rig rig;

	rig_init(&rig, false);
	rig.config.idle_s = 5; /* less than RFC 3501 allows: 30 minutes */
	rig_connect(&rig, 0);
	rig_say(&rig, 0,
	    RIG_HELLO "T: 1799999\n"
	              "C: a NOOP\n"
	              "S: a OK NOOP completed\n"
	              "T: 1799999\n"
	              "C, half a com\n"
	              "T: 1\n"
	              "S: * BYE Autologout: too long without a command\n"
	              "X:\n");
	rig_fini(&rig);
}
END_TEST

START_TEST(shutdown)
{
	static const char *const words[] = {
		"[UNAVAILABLE] The server stops",
		"The session was ended",
		"[UNAVAILABLE] Too many connections",
	};

	for (int why = MSV_SHUTDOWN_SERVICE; why <= MSV_SHUTDOWN_OVERLOAD; why++) {
		struct rig rig;
		char script[200];
		rig_init(&rig, false);
		rig_connect(&rig, 0);
		rig_say(&rig, 0, RIG_HELLO);
		msv_conn_shutdown(rig.conns[0], (enum msv_shutdown)why);
		snprintf(script, sizeof(script), "S: * BYE %s\nX:\n", words[why]);
		rig_say(&rig, 0, script);
		rig_fini(&rig);
	}
}
END_TEST

/* -- The constructor --------------------------------------------------------------------- */

START_TEST(bad_config)
{
	struct rig rig;
	struct msv_conn *conn;

	rig_init(&rig, false);
	struct msv_imap_config good = rig.config;
	rig.config.store = NULL;
	ck_assert_int_eq(msv_imap_server_new(rig.env, &rig.config, NULL, &conn), MSV_ERR_INVAL);
	rig.config = good;
	rig.config.auth = NULL;
	rig.config.account = NULL;
	ck_assert_int_eq(msv_imap_server_new(rig.env, &rig.config, NULL, &conn), MSV_ERR_INVAL);
	rig.config = good;
	rig.config.implicit_tls = true;
	ck_assert_int_eq(msv_imap_server_new(rig.env, &rig.config, NULL, &conn), MSV_ERR_INVAL);
	rig_fini(&rig);
}
END_TEST

START_TEST(conn_info)
{
	struct rig rig;
	struct msv_conn_info info = { .size = sizeof(info) };

	rig_init(&rig, false);
	rig.config.account = NULL;
	rig_connect(&rig, 0);
	rig_say(&rig, 0, CLEAR_HELLO);
	msv_conn_info(rig.conns[0], &info);
	ck_assert_str_eq(info.protocol, "imap");
	ck_assert_str_eq(info.state, "login");
	ck_assert_str_eq(info.user, "");
	rig_say(&rig, 0,
	    "C: a LOGIN user secret\n" WELCOME("a") RIG_SELECT("INBOX") "C: b IDLE\n"
	                                                                "S: + idling\n");
	msv_conn_info(rig.conns[0], &info);
	ck_assert_str_eq(info.user, "user");
	ck_assert_str_eq(info.mailbox, "INBOX");
	ck_assert_str_eq(info.state, "IDLE");
	rig_fini(&rig);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("imap/login");

	check_case(s, "login", any_state, login, escaped_password, authenticate, long_response,
	    failures, in_the_clear, literals_before_login, hidden);
	check_case(s, "time", login_time, idle_time, shutdown);
	check_case(s, "constructor", bad_config, conn_info);
	return check_main(s);
}
