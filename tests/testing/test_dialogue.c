/* Dialogues, played against a little protocol. */
#include <mailserv/testing.h>
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/conn.h"
#include "check_main.h"

/* -- The little protocol ----------------------------------------------------------------- */

/* ECHO x says x; LATE x says it 5 s later and reads nothing meanwhile; MANY n
 * says n lines; RAW says bytes that are no line; MUTE says nothing; QUIT ends;
 * so do the peer's end and a minute of silence. */
struct little {
	struct msv_conn conn;
	char late[64];
	unsigned many;
	bool greeted;
};

static void say(struct msv_conn *conn, const char *line)
{
	msv_buf_printf(&conn->out, "%s\r\n", line);
}

static void obey(struct msv_conn *conn, const char *line)
{
	struct little *little = (struct little *)conn;

	if (strncmp(line, "ECHO ", 5) == 0) {
		say(conn, line + 5);
	} else if (strncmp(line, "LATE ", 5) == 0) {
		snprintf(little->late, sizeof(little->late), "%.63s", line + 5);
		conn->hold_input = true;
		conn->deadline = msv_env_now(conn->env) + 5000;
	} else if (sscanf(line, "MANY %u", &little->many) == 1) {
		msv_conn_kick(conn);
	} else if (strcmp(line, "RAW") == 0) {
		msv_buf_put(&conn->out, "\0\xff\t", 3);
	} else if (strcmp(line, "QUIT") == 0) {
		say(conn, "bye");
		msv_conn_end(conn);
	} else if (strcmp(line, "MUTE") != 0) {
		say(conn, "what?");
	}
}

/* The next line into `line`; false when none is there. */
static bool take_line(struct msv_conn *conn, char line[256])
{
	const char *p = msv_buf_data(&conn->in);
	size_t n = msv_buf_len(&conn->in);
	const char *lf = n ? memchr(p, '\n', n) : NULL;

	if (!lf)
		return false;
	n = (size_t)(lf - p);
	snprintf(line, 256, "%.*s", (int)(n && p[n - 1] == '\r' ? n - 1 : n), p);
	msv_buf_consume(&conn->in, n + 1);
	return true;
}

static void step(struct msv_conn *conn)
{
	struct little *little = (struct little *)conn;
	char line[256];

	if (!little->greeted) {
		little->greeted = true;
		conn->deadline = msv_env_now(conn->env) + 60000;
		say(conn, "hello");
	}
	while (!msv_conn_ended(conn) && !conn->hold_input) {
		for (; little->many && msv_conn_room(conn) > 0; little->many--)
			msv_buf_printf(&conn->out, "line %u\r\n", little->many);
		if (little->many)
			return;
		if (!take_line(conn, line))
			break;
		obey(conn, line);
	}
	if (conn->eof && !conn->hold_input && !msv_conn_ended(conn)) {
		say(conn, "you left");
		msv_conn_end(conn);
	}
}

static void expire(struct msv_conn *conn)
{
	struct little *little = (struct little *)conn;

	if (!conn->hold_input) {
		say(conn, "too slow");
		msv_conn_end(conn);
		return;
	}
	conn->hold_input = false;
	conn->deadline = msv_env_now(conn->env) + 60000;
	say(conn, little->late);
	msv_conn_kick(conn);
}

static void no_shutdown(struct msv_conn *conn, enum msv_shutdown why)
{
	(void)conn;
	(void)why;
}

static void no_info(const struct msv_conn *conn, struct msv_conn_info *info)
{
	(void)conn;
	(void)info;
}

static void no_destroy(struct msv_conn *conn)
{
	(void)conn;
}

static const struct msv_proto little_proto = {
	.name = "little",
	.step = step,
	.expire = expire,
	.shutdown = no_shutdown,
	.info = no_info,
	.destroy = no_destroy,
};

/* -- Playing -------------------------------------------------------------------------------- */

static struct msv_test_env *test;
static struct msv_conn *conn;
static const char *difference;

static void setup(void)
{
	struct little *little;

	ck_assert_int_eq(msv_test_env_new(1, &test), 0);
	little = msv_alloc(msv_test_env(test), sizeof(*little));
	conn = &little->conn;
	ck_assert_int_eq(msv_conn_init(conn, msv_test_env(test), &little_proto, NULL), 0);
}

static void teardown(void)
{
	msv_conn_free(conn);
	ck_assert_uint_eq(msv_test_env_free(test), 0);
}

/* Plays the script in all splits, each with a new connection. */
static void plays(const char *script)
{
	for (int split = MSV_SPLIT_LINES; split <= MSV_SPLIT_PIPELINE; split++) {
		int error = msv_test_dialogue(
		    test, conn, (enum msv_dialogue_split)split, script, &difference);

		ck_assert_msg(error == 0, "%s", difference);
		ck_assert_ptr_null(difference);
		teardown();
		setup();
	}
}

/* The script fails with this difference, which names no split, in all splits. */
static void differs(const char *script, int expected, const char *text)
{
	for (int split = MSV_SPLIT_LINES; split <= MSV_SPLIT_PIPELINE; split++) {
		int error = msv_test_dialogue(
		    test, conn, (enum msv_dialogue_split)split, script, &difference);

		ck_assert_int_eq(error, expected);
		char told[2000];
		snprintf(told, sizeof(told), "%s", difference);
		char *from = strstr(told, " (");
		if (from && expected == MSV_ERR_FORMAT)
			memmove(from, strchr(from, ')') + 1, strlen(strchr(from, ')') + 1) + 1);
		ck_assert_str_eq(told, text);
		teardown();
		setup();
	}
}

START_TEST(lines_are_compared)
{
	plays("S: hello\n"
	      "C: ECHO one\n"
	      "C: ECHO two\n"
	      "S: one\n"
	      "S: two\n"
	      "\n"
	      "	# a comment\n"
	      "	C: ECHO \n"
	      "	S:\n"
	      "C: QUIT\n"
	      "S: bye\n"
	      "X:\n");
}
END_TEST

START_TEST(patterns_match)
{
	plays("S* h?llo\n"
	      "C: ECHO * 3 EXISTS [of many]\n"
	      "S* * ? EXISTS*\n"
	      "C: ECHO aXbXbc\n"
	      "S* a*b?\n"
	      "C: ECHO x\n"
	      "S* *x**\n");
}
END_TEST

START_TEST(lines_are_skipped)
{
	plays("S: hello\n"
	      "C: MANY 100\n"
	      "S~\n"
	      "S: line 50\n"
	      "S~\n"
	      "S* line ?\n"
	      "S: line 8\n"
	      "S~\n"
	      "C: ECHO x\n"
	      "S: x\n"
	      "C: MANY 3\n"
	      "S~\n");
}
END_TEST

START_TEST(bytes_are_escaped)
{
	plays("S: hello\n"
	      "C, EC\n"
	      "C= HO \\x41\\\\\\t\\r\\n\n"
	      "S: A\\\t\n"
	      "C: RAW\n"
	      "S= \\x00\\xff\\t\n"
	      "C: ECHO a\n"
	      "S= a\\r\\n\n");
}
END_TEST

START_TEST(time_passes)
{
	plays("S: hello\n"
	      "C: LATE now\n"
	      "C: ECHO then\n"
	      "T: 4999\n"
	      "T: 1\n"
	      "S: now\n"
	      "S: then\n"
	      "T: 59999\n"
	      "C: MUTE\n"
	      "T: 1\n"
	      "S: too slow\n"
	      "X:\n");
}
END_TEST

START_TEST(the_client_leaves)
{
	plays("S: hello\n"
	      "C: LATE x\n"
	      "C: ECHO y\n"
	      "E:\n"
	      "T: 5000\n"
	      "S: x\n"
	      "S: y\n"
	      "S: you left\n"
	      "X:\n");
}
END_TEST

START_TEST(a_long_answer_comes_whole)
{
	plays("S: hello\n"
	      "C: MANY 20000\n"
	      "S: line 20000\n"
	      "S~\n"
	      "S: line 1\n"
	      "C: QUIT\n"
	      "S: bye\n"
	      "X:\n");
}
END_TEST

/* -- Differences ------------------------------------------------------------------------------- */

START_TEST(another_line)
{
	differs("S: hello\n"
	        "# twice\n"
	        "	C: ECHO one\n"
	        "	S: two\n"
	        "C: QUIT\n"
	        "S: bye\n",
	    MSV_ERR_FORMAT, "line 4: S: two\n  but the server said:\n  one\\r\\n\n");
}
END_TEST

START_TEST(a_pattern_fails)
{
	differs("S* h?lo\n", MSV_ERR_FORMAT,
	    "line 1: S* h?lo\n  but the server said:\n  hello\\r\\n\n");
}
END_TEST

START_TEST(nothing_came)
{
	differs("S: hello\nC: MUTE\nS: ok\n", MSV_ERR_FORMAT,
	    "line 3: S: ok\n  but the server said nothing\n");
	differs("S: hello\nC: QUIT\nS: bye\nS: bye\n", MSV_ERR_FORMAT,
	    "line 4: S: bye\n  but the server said nothing and closed\n");
}
END_TEST

START_TEST(half_a_line_came)
{
	differs("S: hello\nC: RAW\nS: ok\n", MSV_ERR_FORMAT,
	    "line 3: S: ok\n  but the server said:\n  \\x00\\xFF\\t\n");
}
END_TEST

START_TEST(a_skip_finds_nothing)
{
	differs("S: hello\nC: MANY 3\nS~\nS: line 4\n", MSV_ERR_FORMAT,
	    "line 4: S: line 4\n  but the server said:\n"
	    "  line 3\\r\\nline 2\\r\\nline 1\\r\\n\n");
}
END_TEST

START_TEST(other_bytes)
{
	differs("S: hello\nC: RAW\nS= \\x00\\xfe\n", MSV_ERR_FORMAT,
	    "line 3: S= \\x00\\xfe\n  but the server said:\n  \\x00\\xFF\\t\n");
}
END_TEST

START_TEST(something_is_left_unsaid)
{
	differs("S: hello\nC: ECHO x\n", MSV_ERR_FORMAT,
	    "the script is over\n  but the server said:\n  x\\r\\n\n");
	differs("S: hello\nC: QUIT\nX:\n", MSV_ERR_FORMAT,
	    "line 3: X:\n  but the server said:\n  bye\\r\\n\n");
}
END_TEST

START_TEST(it_has_not_closed)
{
	differs("S: hello\nX:\n", MSV_ERR_FORMAT, "line 2: X:\n  but the server has not closed\n");
}
END_TEST

START_TEST(time_is_short)
{
	differs("S: hello\nC: LATE x\nT: 4999\nS: x\n", MSV_ERR_FORMAT,
	    "line 4: S: x\n  but the server said nothing\n");
}
END_TEST

START_TEST(a_script_is_wrong)
{
	static const char *const wrong[] = { "S hello", "S:hello", "Q: x", "T: soon",
		"T: ", "C= \\x4", "C= \\", "S= \\q", "X: y", "hello" };

	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		char script[100], text[200];

		snprintf(script, sizeof(script), "S: hello\n\n %s\n", wrong[i]);
		snprintf(text, sizeof(text), "line 3 is none of a script: %s\n", wrong[i]);
		differs(script, MSV_ERR_INVAL, text);
	}
}
END_TEST

START_TEST(dialogues_follow_each_other)
{
	ck_assert_int_eq(msv_test_dialogue(test, conn, MSV_SPLIT_LINES, "S: hello\n", NULL), 0);
	ck_assert_int_eq(
	    msv_test_dialogue(test, conn, MSV_SPLIT_BYTES, "C: ECHO a\nS: a\n", NULL), 0);
	/* What is not read yet is handed over at the end all the same. */
	ck_assert_int_eq(
	    msv_test_dialogue(test, conn, MSV_SPLIT_LINES, "C: LATE b\nC: ECHO c\n", NULL), 0);
	ck_assert_int_eq(
	    msv_test_dialogue(test, conn, MSV_SPLIT_LINES, "T: 5000\nS: b\nS: c\n", NULL), 0);
}
END_TEST

START_TEST(output_is_taken)
{
	struct msv_span output = msv_test_take_output(test, conn);

	ck_assert_uint_eq(output.n, 7);
	ck_assert_str_eq(output.p, "hello\r\n");
	ck_assert_uint_eq(msv_test_take_output(test, conn).n, 0);
	msv_conn_input(conn, "MANY 9999\r\n", 11);
	output = msv_test_take_output(test, conn);
	ck_assert_uint_gt(output.n, 90000);
	ck_assert_str_eq(output.p + output.n - 8, "line 1\r\n");
}
END_TEST

/* With a client under test C: and S: change places. */
START_TEST(a_client_is_tested)
{
	static const char script[] = "C: hello\nS: ECHO hi\nC: hi\nS, ECHO a\nS= b\\r\\n\nC* a?\n"
	                             "S: MANY 3\nC~\nS: QUIT\nC= bye\\r\\n\nX:\n";

	for (int split = MSV_SPLIT_LINES; split <= MSV_SPLIT_PIPELINE; split++) {
		int error = msv_test_client_dialogue(
		    test, conn, (enum msv_dialogue_split)split, script, &difference);
		ck_assert_msg(error == 0, "%s", difference);
		teardown();
		setup();
	}
	ck_assert_int_eq(msv_test_client_dialogue(test, conn, MSV_SPLIT_LINES,
	                     "C: hello\nS: MUTE\nC: hi\n", &difference),
	    MSV_ERR_FORMAT);
	ck_assert_ptr_nonnull(strstr(difference, "the client said nothing"));
	ck_assert_int_eq(
	    msv_test_client_dialogue(test, conn, MSV_SPLIT_LINES, "C, hi\n", &difference),
	    MSV_ERR_INVAL);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("dialogue");

	check_fixture_case(s, "steps", setup, teardown, lines_are_compared, patterns_match,
	    lines_are_skipped, bytes_are_escaped, time_passes, the_client_leaves,
	    a_long_answer_comes_whole);
	check_fixture_case(s, "differences", setup, teardown, another_line, a_pattern_fails,
	    nothing_came, half_a_line_came, a_skip_finds_nothing, other_bytes,
	    something_is_left_unsaid, it_has_not_closed, time_is_short, a_script_is_wrong);
	check_fixture_case(s, "around", setup, teardown, dialogues_follow_each_other,
	    output_is_taken, a_client_is_tested);
	return check_main(s);
}
