/* The body on its way out: dots, lines, BDAT, faults, late pieces. */
#include "smtp/client_rig.h"

#include "smtp/client.h"

#define ENVELOPE \
	"C: MAIL FROM:<ann@client.example>\nS: 250 ok\nC: RCPT TO:<bob@x.example>\nS: 250 ok\n"
#define LEAVE "C: QUIT\nS: 221 bye\nX:\n"
#define DONE  "bob@x.example: end 250 ok\ncompleted\nover\n"

static const char *body;
static size_t body_len;

static void send_body(struct rig_client *rig)
{
	struct rig_message *m = rig_compose(rig, "", TO("bob@x.example"));

	m->body = body;
	m->nbody = body_len;
	m->message.octets = 0;
	rig->quit_at_once = true;
}

static void play(const char *text, size_t n, const char *script, const char *story)
{
	body = text;
	body_len = n;
	rig_play(send_body, script, story);
}

#define PLAY(text, script, story) play(text, sizeof(text) - 1, script, story)

/* -- DATA ---------------------------------------------------------------------------- */

START_TEST(dots)
{
	PLAY(".\r\n..\r\n.a\r\na.\r\n\r\n.",
	    BARE_HELLO ENVELOPE
	    "C: DATA\nS: 354 go\nC: ..\nC: ...\nC: ..a\nC: a.\nC: \nC: ..\nC: .\n"
	    "S: 250 ok\n" LEAVE,
	    DONE);
}
END_TEST

START_TEST(empty)
{
	PLAY("", BARE_HELLO ENVELOPE "C: DATA\nS: 354 go\nC: .\nS: 250 ok\n" LEAVE, DONE);
}
END_TEST

START_TEST(last_line_without_end)
{
	PLAY("text", BARE_HELLO ENVELOPE "C: DATA\nS: 354 go\nC: text\nC: .\nS: 250 ok\n" LEAVE,
	    DONE);
}
END_TEST

/* -- What never leaves us (RFC 5321 2.3.8) ------------------------------------------------- */

static void never(const char *text, size_t n)
{
	static struct rig_client rig;

	for (size_t piece = 0; piece < 3; piece++) {
		for (int chunking = 0; chunking < 2; chunking++) {
			rig_start(&rig);
			body = text;
			body_len = n;
			send_body(&rig);
			rig.messages[0].piece = piece;
			rig_connect(&rig);
			rig_send_all(&rig);
			int error = msv_test_client_dialogue(rig.test, rig.conn, MSV_SPLIT_LINES,
			    chunking ? HELLO("S: 250-mx\nS: 250-CHUNKING\n") ENVELOPE
			        "C: QUIT\nS: 221 bye\nX:\n"
			             : BARE_HELLO ENVELOPE "C: DATA\nS: 354 go\n",
			    NULL);
			/* With DATA, what was fine went out; never the fault, never the end. */
			struct msv_span out = msv_test_take_output(rig.test, rig.conn);
			ck_assert(chunking ? !error : error == 0 || error == MSV_ERR_FORMAT);
			ck_assert_ptr_null(strstr(out.p, "."));
			msv_test_run(rig.test);
			ck_assert_str_eq(
			    rig.story, chunking ? "bob@x.example: data 554 5.6.0 the message "
			                          "has a CR or LF that stands alone, or a NUL "
			                          "(we) (permanent)\nover\n"
			                        : "bob@x.example: data 554 5.6.0 the message "
			                          "has a CR or LF that stands alone, or a NUL "
			                          "(we) (permanent)\nno more\nover\n");
			ck_assert_uint_eq(msv_conn_want(rig.conn), MSV_WANT_CLOSE);
			rig_stop(&rig);
		}
	}
}

START_TEST(lone_ends_and_nul)
{
	static const struct msv_span bodies[] = {
		{ "a\rb\r\n", 5 },
		{ "a\nb\r\n", 5 },
		{ "a\r", 2 },
		{ "\n", 1 },
		{ "\r\r\n", 3 },
		{ "a\0b\r\n", 5 },
		{ "a\r\n\0", 4 },
		{ "a\r\0\n", 4 },
		{ "a\r\n.\n", 5 },
		{ "a\n.\r\n", 5 },
	};

	for (size_t i = 0; i < sizeof(bodies) / sizeof(bodies[0]); i++)
		never(bodies[i].p, bodies[i].n);
}
END_TEST

/* All short texts over the octets that matter, in all ways to cut them in two. */
START_TEST(lines_exhaustively)
{
	static const char alphabet[] = { '\r', '\n', '.', 'a', '\0' };
	enum { LENGTH = 6 };
	struct msv_test_env *test;
	size_t count = 1;

	ck_assert_int_eq(msv_test_env_new(0, &test), 0);
	for (int i = 0; i < LENGTH; i++)
		count *= sizeof(alphabet);
	for (size_t k = 0; k < count; k++) {
		char text[LENGTH], wanted[2 * LENGTH + 2];
		size_t n = 0;
		bool fine = true;
		for (size_t i = 0, rest = k; i < LENGTH; i++, rest /= sizeof(alphabet))
			text[i] = alphabet[rest % sizeof(alphabet)];
		for (size_t i = 0; i < LENGTH; i++) {
			bool crlf = text[i] == '\r' && i + 1 < LENGTH && text[i + 1] == '\n';
			if (text[i] == '.' && (i == 0 || text[i - 1] == '\n'))
				wanted[n++] = '.';
			if ((text[i] == '\r' && !crlf) || text[i] == '\0' ||
			    (text[i] == '\n' && (i == 0 || text[i - 1] != '\r')))
				fine = false;
			wanted[n++] = text[i];
		}
		if (text[LENGTH - 1] != '\n') {
			wanted[n++] = '\r';
			wanted[n++] = '\n';
		}
		for (size_t cut = 0; cut <= LENGTH; cut++) {
			struct msv_lines lines = { .stuff = true };
			struct msv_buf out;
			msv_buf_init(&out, msv_test_env(test));
			int error = msv_lines_push(&lines, text, cut, &out);
			if (!error)
				error = msv_lines_push(&lines, text + cut, LENGTH - cut, &out);
			if (!error)
				error = msv_lines_end(&lines, &out);
			ck_assert_int_eq(error, fine ? 0 : MSV_ERR_FORMAT);
			if (fine) {
				ck_assert_uint_eq(msv_buf_len(&out), n);
				ck_assert_mem_eq(msv_buf_data(&out), wanted, n);
			}
			msv_buf_fini(&out);
		}
	}
	ck_assert_uint_eq(msv_test_env_free(test), 0);
}
END_TEST

/* -- CHUNKING (RFC 3030) ---------------------------------------------------------------------- */

#define CHUNKING HELLO("S: 250-mx\nS: 250-CHUNKING\n")

START_TEST(chunk)
{
	PLAY(".\r\ntext\r\n",
	    CHUNKING ENVELOPE "C: BDAT 9 LAST\nC= .\\r\\ntext\\r\\n\nS: 250 ok\n" LEAVE, DONE);
	PLAY("text", CHUNKING ENVELOPE "C: BDAT 6 LAST\nC= text\\r\\n\nS: 250 ok\n" LEAVE, DONE);
	PLAY("", CHUNKING ENVELOPE "C: BDAT 0 LAST\nS: 250 ok\n" LEAVE, DONE);
	PLAY("text", CHUNKING ENVELOPE "C: BDAT 6 LAST\nC= text\\r\\n\nS: 552 5.2.2 full\n" LEAVE,
	    "bob@x.example: end 552 5.2.2 full (permanent)\ncompleted\nover\n");
}
END_TEST

static char large[200000];

static void fill_large(void)
{
	for (size_t i = 0; i < sizeof(large); i++)
		large[i] = i % 50 == 48 ? '\r' : i % 50 == 49 ? '\n' : (char)('a' + i % 26);
}

/* Takes commands and chunks as a server would, until it is answered or something
 * else is said; returns the octets it got. */
static size_t take_chunks(struct rig_client *rig, bool refuse)
{
	size_t got = 0, left = 0, n = 0;
	char command[64] = "";

	while (!rig->messages[0].answered) {
		struct msv_span out = msv_test_take_output(rig->test, rig->conn);
		char copy[300000];
		ck_assert_uint_gt(out.n, 0);
		ck_assert_uint_lt(out.n, sizeof(copy));
		memcpy(copy, out.p, out.n);
		for (size_t i = 0; i < out.n; i++) {
			if (left) {
				got++;
				left--;
			} else {
				ck_assert_uint_lt(n, sizeof(command) - 1);
				command[n++] = copy[i];
				if (copy[i] != '\n')
					continue;
				command[n] = '\0';
				n = 0;
				ck_assert_int_eq(sscanf(command, "BDAT %zu", &left), 1);
			}
			if (!left)
				msv_conn_input(rig->conn, refuse ? "452 disk\r\n" : "250 ok\r\n",
				    refuse ? 10 : 8);
		}
	}
	return got;
}

START_TEST(chunks)
{
	static struct rig_client rig;

	fill_large();
	for (int pipelining = 0; pipelining < 2; pipelining++) {
		for (int refuse = 0; refuse < 2; refuse++) {
			rig_start(&rig);
			body = large;
			body_len = sizeof(large);
			send_body(&rig);
			rig.messages[0].piece = 10000;
			rig.quit_at_once = false;
			rig_connect(&rig);
			rig_send_all(&rig);
			const char *hello =
			    pipelining ? HELLO("S: 250-mx\nS: 250-CHUNKING\nS: "
			                       "250-PIPELINING\n") "C: MAIL "
			                                           "FROM:<ann@client."
			                                           "example>\nC: RCPT "
			                                           "TO:<bob@x.example>\n"
			                                           "S: 250 ok\n"
			               : CHUNKING "C: MAIL FROM:<ann@client.example>\nS: 250 ok\n"
			                          "C: RCPT TO:<bob@x.example>\n";
			const char *difference;
			ck_assert_msg(msv_test_client_dialogue(rig.test, rig.conn, MSV_SPLIT_LINES,
			                  hello, &difference) == 0,
			    "%s", difference);
			msv_conn_input(rig.conn, "250 ok\r\n", 8);
			size_t got = take_chunks(&rig, refuse);
			msv_test_run(rig.test);
			if (!refuse) {
				ck_assert_uint_eq(got, sizeof(large));
				ck_assert_str_eq(
				    rig.story, "bob@x.example: end 250 ok\ncompleted\n");
			} else {
				ck_assert(pipelining || got < sizeof(large));
				ck_assert_str_eq(rig.story, "bob@x.example: data 452 disk\n");
			}
			ck_assert_uint_lt(msv_test_memory_peak(rig.test), 600000);
			rig_stop(&rig);
		}
	}
}
END_TEST

/* -- Reading ------------------------------------------------------------------------------------ */

static void unreadable(struct rig_client *rig)
{
	send_body(rig);
	rig->messages[0].error = MSV_ERR_IO;
}

START_TEST(read_fails)
{
	body = "text\r\n";
	body_len = 6;
	rig_play(unreadable, CHUNKING ENVELOPE LEAVE,
	    "bob@x.example: data 451 4.3.0 the message cannot be read here (we)\nover\n");
	static struct rig_client rig;
	rig_start(&rig);
	unreadable(&rig);
	rig_connect(&rig);
	rig_send_all(&rig);
	msv_test_client_dialogue(rig.test, rig.conn, MSV_SPLIT_LINES,
	    BARE_HELLO ENVELOPE "C: DATA\nS: 354 go\nX:\n", NULL);
	ck_assert_uint_eq(msv_conn_want(rig.conn), MSV_WANT_CLOSE);
	ck_assert_str_eq(rig.story,
	    "bob@x.example: data 451 4.3.0 the message cannot be read here (we)\nno more\nover\n");
	rig_stop(&rig);
}
END_TEST

/* A body larger than any window goes through in bounded memory. */
START_TEST(large_body)
{
	static struct rig_client rig;
	size_t got = 0;

	fill_large();
	rig_start(&rig);
	body = large;
	body_len = sizeof(large);
	send_body(&rig);
	rig.messages[0].piece = 4096;
	rig_connect(&rig);
	rig_send_all(&rig);
	ck_assert_int_eq(msv_test_client_dialogue(rig.test, rig.conn, MSV_SPLIT_LINES,
	                     BARE_HELLO ENVELOPE "C: DATA\n", NULL),
	    0);
	msv_conn_input(rig.conn, "354 go\r\n", 8);
	for (;;) {
		const void *p;
		size_t n = msv_conn_output(rig.conn, &p);
		if (!n)
			break;
		msv_conn_sent(rig.conn, n < 1000 ? n : 1000);
		got += n < 1000 ? n : 1000;
	}
	ck_assert_uint_eq(got, sizeof(large) + 3);
	ck_assert_uint_lt(msv_test_memory_peak(rig.test), 200000);
	rig_stop(&rig);
}
END_TEST

/* The next hop takes nothing of the body for too long. */
START_TEST(stalled_body)
{
	static struct rig_client rig;

	fill_large();
	rig_start(&rig);
	body = large;
	body_len = sizeof(large);
	send_body(&rig);
	rig_connect(&rig);
	rig_send_all(&rig);
	ck_assert_int_eq(msv_test_client_dialogue(rig.test, rig.conn, MSV_SPLIT_LINES,
	                     BARE_HELLO ENVELOPE "C: DATA\n", NULL),
	    0);
	rig.messages[0].piece = 30000;
	msv_conn_input(rig.conn, "354 go\r\n", 8);
	for (int minute = 0; minute < 4; minute++) {
		msv_test_advance(rig.test, 60000);
		msv_conn_tick(rig.conn);
	}
	msv_test_run(rig.test);
	ck_assert_str_eq(rig.story,
	    "bob@x.example: data 451 4.4.1 timeout: nothing was heard for too "
	    "long (we)\nno more\nover\n");
	ck_assert_uint_eq(msv_conn_want(rig.conn), MSV_WANT_CLOSE);
	rig_stop(&rig);
}
END_TEST

/* Some refuse while the body comes. */
START_TEST(refused_meanwhile)
{
	static struct rig_client rig;

	fill_large();
	for (int permanent = 0; permanent < 2; permanent++) {
		rig_start(&rig);
		body = large;
		body_len = sizeof(large);
		send_body(&rig);
		rig.messages[0].piece = 30000;
		rig_connect(&rig);
		rig_send_all(&rig);
		ck_assert_int_eq(msv_test_client_dialogue(rig.test, rig.conn, MSV_SPLIT_LINES,
		                     BARE_HELLO ENVELOPE "C: DATA\n", NULL),
		    0);
		msv_conn_input(rig.conn, "354 go\r\n", 8);
		msv_conn_input(rig.conn, permanent ? "552 5.3.4 big\r\n" : "452 4.3.1 disk\r\n",
		    permanent ? 15 : 16);
		msv_test_run(rig.test);
		ck_assert_str_eq(rig.story,
		    permanent ? "bob@x.example: data 552 5.3.4 big (permanent)\nno more\nover\n"
		              : "bob@x.example: data 452 4.3.1 disk\nno more\nover\n");
		ck_assert_uint_eq(msv_conn_want(rig.conn), MSV_WANT_CLOSE);
		rig_stop(&rig);
	}
}
END_TEST

int main(void)
{
	Suite *s = suite_create("smtp/client_body");

	check_case(s, "body", dots, empty, last_line_without_end, lone_ends_and_nul,
	    lines_exhaustively, chunk, chunks, read_fails, large_body, stalled_body,
	    refused_meanwhile);
	return check_main(s);
}
