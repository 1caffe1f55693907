/* DATA: the end of a message and nothing else ends it; sizes, hops, pauses. */
#include "smtp/rig.h"

#define ACCEPTED "S: 250 2.0.0 message accepted\n"

static void after_refused(struct rig *rig)
{
	ck_assert_ptr_nonnull(strstr(rig->story, "data\nreset refused\n"));
	ck_assert_ptr_null(strstr(rig->story, "done"));
}

/* -- Lone CR, LF and NUL ----------------------------------------------------------- */

/* Ways to hide the end of a message in the middle of one; what follows must
 * never be taken for commands. */
static const char *const smuggled[] = {
	"\\n.\\n",
	"\\n.\\r\\n",
	"\\n.\\r",
	"\\r.\\r",
	"\\r.\\n",
	"\\r.\\r\\n",
	"\\r\\n.\\n",
	"\\r\\n.\\r",
	"\\r\\n\\x00.\\r\\n",
	"\\r\\n.\\x00\\r\\n",
	"\\x00\\r\\n.\\x00\\r\\n",
	"\\r\\n.\\r\\r\\n",
	"\\n\\r.\\r\\n",
	"\\n\\n.\\r\\n",
	"\\r\\r.\\r\\n",
	"\\r\\n\\r.\\r\\n",
	"\\n\\r\\n.\\r",
};

START_TEST(smuggling)
{
	char script[2048];

	for (size_t i = 0; i < sizeof(smuggled) / sizeof(smuggled[0]); i++) {
		bool nul = strstr(smuggled[i], "x00") && !strstr(smuggled[i], "\\r\\r");
		snprintf(script, sizeof(script),
		    "%sC: Subject: innocent\n"
		    "C:\n"
		    "C= text%sMAIL FROM:<evil@client.example>\\r\\n\n"
		    "C: RCPT TO:<evil@mx.example>\n"
		    "C: DATA\n"
		    "C: I am somebody else.\n"
		    "C: .\n"
		    "S* 550 5.6.0 the message has %s in it\n"
		    "C: NOOP\n"
		    "S: 250 2.0.0 ok\n"
		    "C: RCPT TO:<bob@mx.example>\n"
		    "S: 503 5.5.1 say MAIL first\n",
		    ENVELOPE DATA, smuggled[i], nul ? "a NUL" : "* without *");
		rig_play(NULL, script, after_refused);
	}
}
END_TEST

/* CR CRLF . CRLF is the end, byte by byte; but who sent it may have meant text.
 * Nothing behind it is looked at. */
START_TEST(doubtful_end)
{
	rig_play(NULL,
	    ENVELOPE DATA "C= text\\r\\r\\n.\\r\\nMAIL FROM:<evil@client.example>\\r\\n\n"
	                  "S: 550 5.6.0 the message has a CR without LF in it\n"
	                  "S: 421 4.7.0 the end of that message is in doubt\n"
	                  "X:\n",
	    after_refused);
}
END_TEST

static void normalizing(struct rig *rig)
{
	rig->config.normalize_lines = true;
}

static void after_normalized(struct rig *rig)
{
	static const char text[] = "a\r\nb\r\nc\r\n.\r\nd\r\n\r\n";

	ck_assert_uint_eq(rig->nbody, sizeof(text) - 1);
	ck_assert_mem_eq(rig->body, text, rig->nbody);
}

START_TEST(normalized)
{
	rig_play(normalizing, ENVELOPE DATA "C= a\\nb\\rc\\n.\\nd\\r\\r\\n.\\r\\n\n" ACCEPTED,
	    after_normalized);
	rig_play(normalizing,
	    ENVELOPE DATA "C= a\\x00\\r\\n.\\r\\n\n"
	                  "S: 550 5.6.0 the message has a NUL in it\n",
	    after_refused);
}
END_TEST

/* -- Size and hops ------------------------------------------------------------------- */

static void small(struct rig *rig)
{
	rig->config.message_octets_max = 20;
}

static void after_too_big(struct rig *rig)
{
	after_refused(rig);
	ck_assert_uint_le(rig->nbody, 20);
}

START_TEST(sizes)
{
	/* Dots that were stuffed do not count (RFC 1870 3). */
	rig_play(small,
	    ENVELOPE DATA "C: 0123456789\n"
	                  "C: ..23456\n"
	                  "C: .\n" ACCEPTED,
	    NULL);
	rig_play(small,
	    ENVELOPE DATA "C: 0123456789\n"
	                  "C: 01234567\n"
	                  "C: and some more, with a lone LF:\n"
	                  "C= x\\nx\\r\\n\n"
	                  "C: .\n"
	                  "S: 552 5.3.4 the message is larger than this server takes\n"
	                  "C: MAIL FROM:<a@b> SIZE=21\n"
	                  "S: 552 5.3.4 the message is larger than this server takes\n"
	                  "C: MAIL FROM:<a@b> SIZE=99999999999999999999\n"
	                  "S: 552 5.3.4 the message is larger than this server takes\n"
	                  "C: MAIL FROM:<a@b> SIZE=20\n"
	                  "S: 250 2.1.0 sender ok\n",
	    after_too_big);
}
END_TEST

static void few_hops(struct rig *rig)
{
	rig->config.hops_max = 2;
}

START_TEST(hops)
{
	rig_play(few_hops,
	    ENVELOPE DATA "C: Received: 1\n"
	                  "C: received : 2\n"
	                  "C: X-Received: no\n"
	                  "C:\n"
	                  "C: Received: in the body\n"
	                  "C: .\n" ACCEPTED,
	    NULL);
	rig_play(few_hops,
	    ENVELOPE DATA "C: Received: 1\n"
	                  "C: Received: 2\n"
	                  "C: RECEIVED: 3\n"
	                  "C:\n"
	                  "C: .\n"
	                  "S: 554 5.4.6 too many Received fields: the message goes in circles\n",
	    after_refused);
}
END_TEST

/* -- What the handler says ------------------------------------------------------------- */

static void no_data(void *user, struct msv_conn *conn, struct msv_reply_op op)
{
	(void)conn;
	rig_tell(user, "data\n");
	rig_answer(user, op, 451, NULL, "not now");
}

static void refusing_data(struct rig *rig)
{
	rig->handler.data = no_data;
}

START_TEST(data_refused)
{
	rig_play(refusing_data,
	    ENVELOPE "C: DATA\n"
	             "S: 451 4.3.0 not now\n"
	             "C: MAIL FROM:<a@b>\n"
	             "S: 250 2.1.0 sender ok\n",
	    after_refused);
}
END_TEST

static void full(struct rig *rig)
{
	rig->body_error = MSV_ERR_QUOTA;
}

static void no_space(struct rig *rig)
{
	rig->body_error = MSV_ERR_NOSPACE;
}

static void broken(struct rig *rig)
{
	rig->body_error = MSV_ERR_IO;
}

static void no_done(void *user, struct msv_conn *conn, struct msv_reply_op op)
{
	(void)conn;
	rig_tell(user, "done\n");
	((struct rig *)user)->transactions--;
	rig_answer(user, op, 550, "5.7.1", "spam");
}

static void refusing_done(struct rig *rig)
{
	rig->handler.done = no_done;
}

START_TEST(body_refused)
{
	rig_play(full,
	    ENVELOPE DATA "C: x\n"
	                  "C: .\n"
	                  "S: 552 5.2.2 the mailbox is full\n",
	    after_refused);
	rig_play(no_space,
	    ENVELOPE DATA "C: x\n"
	                  "C: .\n"
	                  "S: 452 4.3.1 the disk is full, try again later\n",
	    after_refused);
	rig_play(broken,
	    ENVELOPE DATA "C: x\n"
	                  "C: .\n"
	                  "S: 451 4.3.0 temporary failure, try again later\n"
	                  "C: QUIT\n"
	                  "S: 221 2.0.0 bye\n",
	    after_refused);
	rig_play(refusing_done,
	    ENVELOPE DATA "C: x\n"
	                  "C: .\n"
	                  "S: 550 5.7.1 spam\n"
	                  "C: MAIL FROM:<a@b>\n"
	                  "S: 250 2.1.0 sender ok\n",
	    NULL);
}
END_TEST

/* -- Backpressure ------------------------------------------------------------------------ */

static void pausing(struct rig *rig)
{
	rig->pause_every = 1;
	rig->resume_in = "body";
}

START_TEST(resumed_at_once)
{
	rig_play(pausing,
	    ENVELOPE DATA "C: a\n"
	                  "C: ..b\n"
	                  "C= c\\r\n"
	                  "C= \\nd\\r\\n.\\r\\n\n" ACCEPTED,
	    NULL);
}
END_TEST

static void feed(struct rig *rig, const char *text)
{
	msv_conn_input(rig->conn, text, strlen(text));
	msv_test_run(rig->test);
}

static void begin_body(struct rig *rig)
{
	rig_start(rig);
	rig_connection(rig);
	feed(rig, "EHLO c\r\nMAIL FROM:<a@b>\r\nRCPT TO:<b@c>\r\nDATA\r\n");
	msv_test_take_output(rig->test, rig->conn);
}

/* While the handler takes nothing nothing is read, and memory stays small. */
START_TEST(paused)
{
	static struct rig rig;
	char block[4096];
	size_t given = 0;

	begin_body(&rig);
	rig.pause_every = 1;
	memset(block, 'x', sizeof(block));
	while (msv_conn_want(rig.conn) & MSV_WANT_READ) {
		msv_conn_input(rig.conn, block, sizeof(block));
		given += sizeof(block);
	}
	ck_assert_uint_eq(rig.body_calls, 1);
	ck_assert_uint_le(given, 2 * sizeof(block));
	ck_assert_uint_le(msv_test_memory(rig.test), 64 * 1024);
	/* Time that the handler takes is not the peer's. */
	msv_test_advance(rig.test, 1800 * 1000);
	ck_assert_uint_eq(msv_conn_output(rig.conn, &(const void *){ NULL }), 0);
	rig.pause_every = 0;
	msv_conn_resume(rig.conn);
	ck_assert(msv_conn_want(rig.conn) & MSV_WANT_READ);
	feed(&rig, "\r\n.\r\n");
	struct msv_span out = msv_test_take_output(rig.test, rig.conn);
	ck_assert_str_eq(out.p, "250 2.0.0 message accepted\r\n");
	ck_assert_uint_eq(rig.nbody, given + 2);
	rig_stop(&rig);
}
END_TEST

/* A pause at the last piece holds back done(). */
START_TEST(paused_at_the_end)
{
	static struct rig rig;

	begin_body(&rig);
	rig.pause_every = 1;
	feed(&rig, "x\r\n.\r\nNOOP\r\n");
	msv_conn_eof(rig.conn, 0);
	msv_test_run(rig.test);
	ck_assert_ptr_null(strstr(rig.story, "done"));
	msv_conn_resume(rig.conn);
	struct msv_span out = msv_test_take_output(rig.test, rig.conn);
	ck_assert_str_eq(out.p, "250 2.0.0 message accepted\r\n250 2.0.0 ok\r\n");
	ck_assert_uint_eq(msv_conn_want(rig.conn), MSV_WANT_CLOSE);
	rig_stop(&rig);
}
END_TEST

/* A long message passes through a small memory. */
START_TEST(streamed)
{
	static struct rig rig;
	static const char line[] = "..The quick brown fox jumps over the lazy dog.\r\n";
	size_t sent = 0, before;

	begin_body(&rig);
	before = msv_test_memory(rig.test);
	for (int i = 0; i < 5000; i++, sent += sizeof(line) - 2)
		feed(&rig, line);
	ck_assert_uint_le(msv_test_memory_peak(rig.test), before + 32 * 1024);
	feed(&rig, ".\r\n");
	ck_assert_uint_eq(rig.nbody, sent);
	rig_stop(&rig);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("smtp/body");

	check_case(s, "end", smuggling, doubtful_end, normalized);
	check_case(s, "limits", sizes, hops);
	check_case(s, "handler", data_refused, body_refused);
	check_case(s, "backpressure", resumed_at_once, paused, paused_at_the_end, streamed);
	return check_main(s);
}
