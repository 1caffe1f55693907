/* Next hops that do not keep to the protocol: the end is a temporary failure, and
 * memory stays bounded. */
#include "smtp/client_rig.h"

static void one(struct rig_client *rig)
{
	rig_compose(rig, BODY, TO("bob@mx.example"));
	rig->quit_at_once = true;
}

#define WE(stage, enhanced, text) \
	"bob@mx.example: " stage " 451 " enhanced " " text " (we)\nno more\nover\n"

START_TEST(garbage)
{
	static const char *const lines[] = { "SSH-2.0-OpenSSH", "22", "2200 x", "220_x", "020 x",
		"120 x", "620 x", "2x0 y", "220\tx", "", "\x80\xff", "- 220 x" };
	char script[256];

	for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++) {
		snprintf(script, sizeof(script), "S: %s\nX:\n", lines[i]);
		rig_play(one, script, WE("connect", "4.5.0", "what it said is no reply of SMTP"));
	}
}
END_TEST

START_TEST(nul)
{
	rig_play(
	    one, "S= 220 x\\x00y\\r\\n\nX:\n", WE("connect", "4.5.0", "its reply has a NUL in it"));
}
END_TEST

START_TEST(codes_that_change)
{
	rig_play(one, "S: 220-mx\nS: 250 mx\nX:\n",
	    WE("connect", "4.5.0", "the lines of its reply have different codes"));
}
END_TEST

START_TEST(early_ends)
{
	rig_play(one, "E:\nX:\n", WE("connect", "4.4.2", "the connection was lost"));
	rig_play(one, "S, 220 mx\nE:\nX:\n", WE("connect", "4.4.2", "the connection was lost"));
	rig_play(one, "S: 220-mx\nE:\nX:\n", WE("connect", "4.4.2", "the connection was lost"));
	rig_play(one, "S: 220 mx\nC: EHLO client.example\nE:\nX:\n",
	    WE("hello", "4.4.2", "the connection was lost"));
}
END_TEST

/* Replies to nothing. */
START_TEST(unasked)
{
	rig_play(one,
	    BARE_HELLO "C: MAIL FROM:<ann@client.example>\nS: 250 ok\n"
	               "C: RCPT TO:<bob@mx.example>\nS: 250 ok\nC: DATA\nS: 354 go\n"
	               "C~\nC: .\nS: 250 ok\nC: QUIT\nS: 221 bye\nS: 250 more\nX:\n",
	    NULL);
}
END_TEST

static void idle_one(struct rig_client *rig)
{
	(void)rig;
}

START_TEST(unasked_when_idle)
{
	rig_play(idle_one, BARE_HELLO "S: 250 surprise\nX:\n", "over\n");
}
END_TEST

/* What it says reaches nobody unescaped. */
START_TEST(unclean_text)
{
	rig_play(one, "S= 554 5.7.1 a\\x1b[31m\\xc3\\xa9\\tb\\rc\\x7f\\r\\n\nC: QUIT\nX:\n",
	    "bob@mx.example: connect 554 5.7.1 a?[31m?? b?c?\nno more\nover\n");
	rig_play(one, "S= 554 5.7.1\\r\\n\nC: QUIT\nX:\n",
	    "bob@mx.example: connect 554 5.7.1 \nno more\nover\n");
	/* Status codes of another class, or that are none. */
	rig_play(one, "S: 554 4.7.1 a\nC: QUIT\nX:\n",
	    "bob@mx.example: connect 554 4.7.1 a\nno more\nover\n");
	rig_play(one, "S: 554 5.7777.1 a\nC: QUIT\nX:\n",
	    "bob@mx.example: connect 554 5.7777.1 a\nno more\nover\n");
	rig_play(one, "S: 554-5.7.1 one\nS: 554-5.7.1 two\nS: 554 5.7.2 three\nC: QUIT\nX:\n",
	    "bob@mx.example: connect 554 5.7.1 one two three\nno more\nover\n");
}
END_TEST

/* -- Floods ------------------------------------------------------------------------------ */

/* Feeds `line` until the client has enough; returns what it told. */
static const char *flood(struct rig_client *rig, const char *line, size_t most)
{
	size_t n = strlen(line), fed = 0;

	rig_start(rig);
	one(rig);
	rig_connect(rig);
	rig_send_all(rig);
	while (fed < most && !(msv_conn_want(rig->conn) & MSV_WANT_CLOSE)) {
		msv_conn_input(rig->conn, line, n);
		fed += n;
	}
	ck_assert_uint_eq(msv_conn_want(rig->conn), MSV_WANT_CLOSE);
	ck_assert_uint_lt(msv_test_memory_peak(rig->test), 150000);
	msv_test_run(rig->test);
	return rig->story;
}

START_TEST(floods)
{
	static struct rig_client rig;
	static char megabyte[1 << 20];

	memset(megabyte, 'x', sizeof(megabyte) - 1);
	ck_assert_str_eq(flood(&rig, "220-and so on, for ever\r\n", 1 << 20),
	    WE("connect", "4.5.0", "its reply does not end"));
	rig_stop(&rig);
	ck_assert_str_eq(flood(&rig, "220 a very long line ", 1 << 20),
	    WE("connect", "4.5.0", "its reply has a line that is too long"));
	rig_stop(&rig);

	/* In one piece it has to be held while it is looked at, and no longer. */
	rig_start(&rig);
	one(&rig);
	rig_connect(&rig);
	rig_send_all(&rig);
	msv_conn_input(rig.conn, megabyte, sizeof(megabyte) - 1);
	ck_assert_uint_eq(msv_conn_want(rig.conn), MSV_WANT_CLOSE);
	msv_test_run(rig.test);
	ck_assert_str_eq(
	    rig.story, WE("connect", "4.5.0", "its reply has a line that is too long"));
	ck_assert_uint_lt(msv_test_memory(rig.test), 20000);
	rig_stop(&rig);
}
END_TEST

/* A drop now and then does not keep the session alive. */
START_TEST(drops)
{
	static struct rig_client rig;
	int minutes = 0;

	rig_start(&rig);
	one(&rig);
	rig_connect(&rig);
	rig_send_all(&rig);
	while (!(msv_conn_want(rig.conn) & MSV_WANT_CLOSE)) {
		msv_conn_input(rig.conn, "220-\r\n", 6);
		msv_test_advance(rig.test, 60000);
		msv_conn_tick(rig.conn);
		ck_assert_int_lt(minutes++, 10);
	}
	rig_stop(&rig);
}
END_TEST

/* EHLO with all it can hold. */
START_TEST(many_extensions)
{
	static struct rig_client rig;
	char line[200];

	rig_start(&rig);
	rig_connect(&rig);
	msv_conn_input(rig.conn, "220 x\r\n", 7);
	for (int i = 0; i < 300; i++) {
		int n = snprintf(line, sizeof(line),
		    "250-AUTH A%d PLAIN LOGIN AND-A-VERY-LONG-MECHANISM-THAT-NOBODY-KNOWS\r\n", i);
		msv_conn_input(rig.conn, line, (size_t)n);
	}
	msv_conn_input(rig.conn, "250 SIZE 99999999999999999999999999\r\n", 37);
	struct msv_smtp_client_info info = { .size = sizeof(info) };
	msv_smtp_client_info(rig.conn, &info);
	ck_assert_int_eq(info.state, MSV_SMTP_CLIENT_IDLE);
	ck_assert_uint_eq(info.size_limit, 0);
	rig_stop(&rig);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("smtp/client_hostile");

	check_case(s, "hostile", garbage, nul, codes_that_change, early_ends, unasked,
	    unasked_when_idle, unclean_text, floods, drops, many_extensions);
	return check_main(s);
}
