/* From MAIL to the last recipient: an mta with its queue, its relay and hosts. */
#include "relay_rig.h"

#define ZONE \
	"one.example A 192.0.2.1\n" \
	"sender.example A 192.0.2.200\n"
#define HELLO "S* 220 *\nC: EHLO client.example\nS~\nS* 250 *\n"
#define LOGIN HELLO "C: AUTH PLAIN AGFubmFAZXhhbXBsZS5vcmcAYQ==\nS* 235 *\n" /* anna */
#define DATA  "C: DATA\nS* 354 *\nC: Subject: hello\nC:\nC: body\nC: .\nS* 250 *\n"
#define QUIT  "C: QUIT\nS* 221 *\nX:\n"

static struct host *mx, *home;
static struct msv_mta *mta;
static struct msv_smtp_config config;

static void start(void)
{
	static const char aliases[] = "team: anna, carl@one.example\n";
	struct msv_queue_options queue = { .size = sizeof queue, .directory = rig.directory };
	struct msv_mta_aliases table = {
		.size = sizeof table, .file = "aliases", .text = aliases, .n = strlen(aliases)
	};
	ck_assert_int_eq(msv_queue_open(rig.env, &queue, &rig.queue), 0);
	rig.options.queue = rig.queue;
	ck_assert_int_eq(msv_mta_new(rig.env, &rig.options, &mta), 0);
	ck_assert_int_eq(msv_mta_set_aliases(mta, &table), 0);
	config = (struct msv_smtp_config){ .size = sizeof config,
		.hostname = "us.example.org",
		.handler = msv_mta_handler(mta),
		.user = mta,
		.auth = rig.options.auth,
		.auth_in_clear = true,
		.offer_dsn = true };
}

static void stop(void)
{
	msv_mta_free(mta);
	mta = NULL;
	msv_queue_free(rig.queue);
	rig.queue = NULL;
	msv_test_run(rig.test);
}

static void setup(void)
{
	static const char *const domains[] = { "example.org" };
	rig_new(ZONE);
	mx = rig_host("192.0.2.1");
	home = rig_host("192.0.2.200");
	rig.options.domains = domains;
	rig.options.ndomains = 1;
	start();
}

static void teardown(void)
{
	stop();
	rig_close();
}

static void play(enum msv_smtp_role role, const char *script)
{
	struct msv_peer peer = { .size = sizeof peer, .address = "192.0.2.7", .session_id = "s1" };
	struct msv_conn *conn;
	const char *difference = "";
	config.role = role;
	ck_assert_int_eq(msv_smtp_server_new(rig.env, &config, &peer, &conn), 0);
	int error = msv_test_dialogue(rig.test, conn, MSV_SPLIT_LINES, script, &difference);
	ck_assert_msg(error == 0, "%s", difference);
	msv_conn_free(conn);
	msv_test_advance(rig.test, 2000);
}

static void on_status(void *user, int error, const void *result)
{
	const struct msv_mailbox_status *status = result;
	*(int *)user = error ? 0 : (int)status->messages;
}

/* How much mail anna has. */
static int anna(void)
{
	const struct msv_store *store = rig.options.store;
	struct msv_actor actor = { .size = sizeof actor, .user = "anna@example.org" };
	int n = -1;
	struct msv_status_op op = { msv_op_new(rig.env, on_status, &n) };
	store->status(store->self, &actor, "INBOX", op);
	msv_test_run(rig.test);
	return n;
}

/* The id behind a word of the log. */
static const char *id_after(const char *log, const char *word)
{
	static char ids[4][32];
	static unsigned next;
	char *id = ids[next++ % 4];
	const char *at = strstr(log, word);
	ck_assert_msg(at != NULL, "no '%s' in: %s", word, log);
	at = strstr(at, " id=");
	ck_assert_ptr_nonnull(at);
	ck_assert_int_eq(sscanf(at, " id=%31[0-9a-zA-Z]", id), 1);
	return id;
}

START_TEST(out_and_a_bounce_back)
{
	mx->rcpts[0].part = "bad@";
	mx->rcpts[0].reply = "550 5.1.1 who is that\r\n";
	play(MSV_SMTP_SUBMISSION, LOGIN
	    "C: MAIL FROM:<anna@example.org> RET=HDRS ENVID=e1\nS* 250 *\n"
	    "C: RCPT TO:<bob@one.example>\nS* 250 *\n"
	    "C: RCPT TO:<bad@one.example> ORCPT=rfc822;bad@else.example\nS* 250 *\n" DATA QUIT);
	ck_assert_uint_eq(mx->messages, 1);
	ck_assert_has(mx->text, "\nReceived: from ");
	ck_assert_has(mx->text, "\nbody\n");
	ck_assert_int_eq(anna(), 1);
	const char *log = rig_log();
	const char *id = id_after(log, "mta sent");
	ck_assert_str_eq(id_after(log, "mta failed"), id);
	char about[64];
	snprintf(about, sizeof about, "about=%s", id);
	ck_assert_has(log, about);
	ck_assert_uint_eq(rig_stats().messages, 0);
}
END_TEST

START_TEST(an_alias_forwards)
{
	play(MSV_SMTP_MX, HELLO "C: MAIL FROM:<x@sender.example>\nS* 250 *\n"
	                        "C: RCPT TO:<team@example.org>\nS* 250 *\n" DATA QUIT);
	ck_assert_int_eq(anna(), 1);
	ck_assert_uint_eq(mx->messages, 1);
	ck_assert_has(mx->text, "RCPT TO:<carl@one.example>");
	/* Who it is forwarded to does not want it: the sender hears of it. */
	mx->rcpts[0].part = "carl@";
	mx->rcpts[0].reply = "550 5.7.1 no\r\n";
	play(MSV_SMTP_MX, HELLO "C: MAIL FROM:<x@sender.example>\nS* 250 *\n"
	                        "C: RCPT TO:<team@example.org>\nS* 250 *\n" DATA QUIT);
	ck_assert_uint_eq(home->messages, 1);
	ck_assert_has(home->text, "RCPT TO:<x@sender.example>");
}
END_TEST

START_TEST(a_restart_in_between)
{
	mx->error = MSV_ERR_IO;
	play(MSV_SMTP_SUBMISSION, LOGIN "C: MAIL FROM:<anna@example.org>\nS* 250 *\n"
	                                "C: RCPT TO:<bob@one.example>\nS* 250 *\n" DATA QUIT);
	stop();
	mx->error = 0;
	start();
	msv_test_advance(rig.test, 10 * MINUTE);
	ck_assert_uint_eq(mx->messages, 1);
}
END_TEST

START_TEST(paused)
{
	msv_mta_pause(mta, MSV_MTA_OUT, true);
	play(MSV_SMTP_SUBMISSION, LOGIN "C: MAIL FROM:<anna@example.org>\nS* 250 *\n"
	                                "C: RCPT TO:<bob@one.example>\nS* 250 *\n" DATA QUIT);
	msv_test_advance(rig.test, HOUR);
	ck_assert_uint_eq(mx->connects, 0);
	ck_assert(msv_mta_paused(mta, MSV_MTA_OUT));
	msv_mta_pause(mta, MSV_MTA_OUT, false);
	msv_test_advance(rig.test, 1000);
	ck_assert_uint_eq(mx->messages, 1);
}
END_TEST

START_TEST(the_sender_is_gone)
{
	/* Nobody by that name: told in the log, and to nobody else. */
	mx->rcpts[0].part = "carl@";
	mx->rcpts[0].reply = "550 5.7.1 no\r\n";
	play(MSV_SMTP_MX, HELLO "C: MAIL FROM:<nobody@example.org>\nS* 250 *\n"
	                        "C: RCPT TO:<team@example.org>\nS* 250 *\n" DATA QUIT);
	ck_assert_has(rig_log(), "mta untold");
	ck_assert_uint_eq(rig_stats().messages, 0);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("relay_mta");
	check_fixture_case(suite, "mta", setup, teardown, out_and_a_bounce_back, an_alias_forwards,
	    a_restart_in_between, paused, the_sender_is_gone);
	return check_main(suite);
}
