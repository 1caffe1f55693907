/* Plays a script against a connection. */
#include <stdio.h>
#include <string.h>

#include "testing/script.h"

struct player {
	struct msv_test_env *test;
	struct msv_conn *conn;
	enum msv_dialogue_split split;
	struct msv_script script;
	struct msv_step step;
	struct msv_text in, out;    /* of the client; from the server */
	size_t in_start, out_start; /* what was handed over; what was accounted for */
	bool eof;                   /* comes after `in` */
	const char *who;            /* the connection: "the server" */
};

static int play_step(struct player *pl);

/* -- Bytes --------------------------------------------------------------------------- */

/* Takes the output; byte by byte the peer drains it so, too. */
static void take_output(struct player *pl)
{
	const void *p;
	size_t n;

	while ((n = msv_conn_output(pl->conn, &p)) > 0) {
		if (pl->split == MSV_SPLIT_BYTES)
			n = 1;
		msv_text_put(&pl->out, p, n);
		msv_conn_sent(pl->conn, n);
	}
}

/* Everything that can happen without the client has happened afterwards. */
static void settle(struct player *pl)
{
	size_t before;

	do {
		before = pl->out.n;
		msv_test_settle(pl->test, pl->conn);
		take_output(pl);
	} while (pl->out.n != before);
}

/* How many of the waiting bytes go in one input. */
static size_t next_chunk(const struct player *pl)
{
	const char *p = pl->in.p + pl->in_start;
	size_t n = pl->in.n - pl->in_start;
	const char *lf;

	if (pl->split == MSV_SPLIT_BYTES)
		return 1;
	lf = pl->split == MSV_SPLIT_LINES ? memchr(p, '\n', n) : NULL;
	return lf ? (size_t)(lf - p) + 1 : n;
}

/* Hands over what the client has sent: all of it, or while the server reads. */
static void hand_over(struct player *pl, bool all)
{
	settle(pl);
	while (pl->in_start < pl->in.n && (all || msv_conn_want(pl->conn) & MSV_WANT_READ)) {
		size_t n = next_chunk(pl);

		msv_conn_input(pl->conn, pl->in.p + pl->in_start, n);
		pl->in_start += n;
		settle(pl);
	}
	if (pl->in_start < pl->in.n)
		return;
	msv_text_clear(&pl->in);
	pl->in_start = 0;
	if (pl->eof) {
		pl->eof = false;
		msv_conn_eof(pl->conn, 0);
		settle(pl);
	}
}

/* -- What the server said ------------------------------------------------------------- */

static struct msv_span unread(const struct player *pl)
{
	return (
	    struct msv_span){ msv_text_cstr(&pl->out) + pl->out_start, pl->out.n - pl->out_start };
}

/* The next whole line, without its CRLF. */
static bool next_line(const struct player *pl, struct msv_span *line)
{
	struct msv_span rest = unread(pl);
	const char *crlf = rest.n ? memmem(rest.p, rest.n, "\r\n", 2) : NULL;

	if (!crlf)
		return false;
	*line = (struct msv_span){ rest.p, (size_t)(crlf - rest.p) };
	return true;
}

static void put_heard(struct msv_text *text, struct msv_span heard)
{
	enum { ENOUGH = 800 };

	msv_text_escape(text, heard.p, heard.n < ENOUGH ? heard.n : ENOUGH);
	if (heard.n > ENOUGH)
		msv_text_printf(text, " ... (%zu bytes more)", heard.n - ENOUGH);
}

/* Writes the difference: the step and what came instead. */
static int differ(struct player *pl, const char *instead)
{
	static const char *const splits[] = { "line by line", "byte by byte", "pipelined" };
	struct msv_text *text = &pl->test->difference;

	if (pl->step.kind == MSV_STEP_END)
		msv_text_printf(text, "the script is over");
	else
		msv_text_printf(text, "line %u: %.*s", pl->step.line, (int)pl->step.source.n,
		    pl->step.source.p);
	msv_text_printf(text, "\n  but (%s) %s", splits[pl->split], instead);
	if (pl->out_start < pl->out.n) {
		msv_text_printf(text, "%s said:\n  ", pl->who);
		put_heard(text, unread(pl));
	}
	msv_text_printf(text, "\n");
	return MSV_ERR_FORMAT;
}

static int differ_here(struct player *pl)
{
	char what[64];

	if (pl->out_start < pl->out.n)
		return differ(pl, "");
	snprintf(what, sizeof(what), "%s said nothing%s", pl->who,
	    msv_conn_want(pl->conn) & MSV_WANT_CLOSE ? " and closed" : "");
	return differ(pl, what);
}

/* -- Steps ------------------------------------------------------------------------------ */

static bool line_fits(const struct msv_step *step, struct msv_span line)
{
	struct msv_span text = { msv_text_cstr(&step->text), step->text.n };

	if (step->kind == MSV_STEP_MATCH)
		return msv_script_match(text, line);
	return line.n == text.n && (line.n == 0 || memcmp(line.p, text.p, line.n) == 0);
}

static int play_send(struct player *pl)
{
	msv_text_put(&pl->in, msv_text_cstr(&pl->step.text), pl->step.text.n);
	if (pl->split != MSV_SPLIT_PIPELINE)
		hand_over(pl, false);
	return 0;
}

static int play_line(struct player *pl)
{
	struct msv_span line;

	hand_over(pl, false);
	if (!next_line(pl, &line) || !line_fits(&pl->step, line))
		return differ_here(pl);
	pl->out_start += line.n + 2;
	return 0;
}

static int play_bytes(struct player *pl)
{
	size_t n = pl->step.text.n;

	hand_over(pl, false);
	struct msv_span rest = unread(pl);
	if (rest.n < n || (n && memcmp(rest.p, pl->step.text.p, n) != 0))
		return differ_here(pl);
	pl->out_start += n;
	return 0;
}

/* Drops lines until one fits the step that follows; any at all before a step
 * that names none. */
static int play_skip(struct player *pl)
{
	struct msv_span line;
	size_t start = pl->out_start;

	hand_over(pl, false);
	if (msv_script_next(&pl->script, &pl->step))
		return MSV_ERR_INVAL;
	bool named = pl->step.kind == MSV_STEP_LINE || pl->step.kind == MSV_STEP_MATCH;
	if (!named)
		pl->out_start = pl->out.n;
	while (next_line(pl, &line) && !line_fits(&pl->step, line))
		pl->out_start += line.n + 2;
	if (named && !next_line(pl, &line)) {
		pl->out_start = start;
		return differ_here(pl);
	}
	return play_step(pl);
}

static int play_time(struct player *pl)
{
	uint64_t end = pl->test->now + pl->step.ms, next;

	hand_over(pl, false);
	while ((next = msv_test_settle(pl->test, pl->conn)) <= end) {
		pl->test->now = next;
		hand_over(pl, false);
	}
	pl->test->now = end;
	hand_over(pl, false);
	return 0;
}

static int play_eof(struct player *pl)
{
	pl->eof = true;
	hand_over(pl, false);
	return 0;
}

static int play_closed(struct player *pl)
{
	hand_over(pl, false);
	if (pl->out_start < pl->out.n)
		return differ_here(pl);
	if (msv_conn_want(pl->conn) & MSV_WANT_CLOSE)
		return 0;
	char what[64];
	snprintf(what, sizeof(what), "%s has not closed", pl->who);
	return differ(pl, what);
}

/* The script is over: everything is handed over, nothing may be left unsaid. */
static int play_end(struct player *pl)
{
	hand_over(pl, !(msv_conn_want(pl->conn) & MSV_WANT_CLOSE));
	return pl->out_start < pl->out.n ? differ_here(pl) : 0;
}

static int play_step(struct player *pl)
{
	static int (*const plays[])(struct player * pl) = {
		[MSV_STEP_SEND] = play_send,
		[MSV_STEP_LINE] = play_line,
		[MSV_STEP_MATCH] = play_line,
		[MSV_STEP_BYTES] = play_bytes,
		[MSV_STEP_SKIP] = play_skip,
		[MSV_STEP_TIME] = play_time,
		[MSV_STEP_EOF] = play_eof,
		[MSV_STEP_CLOSED] = play_closed,
		[MSV_STEP_END] = play_end,
	};

	return plays[pl->step.kind](pl);
}

static int play_script(struct player *pl)
{
	int error;

	do {
		error = msv_script_next(&pl->script, &pl->step) ? MSV_ERR_INVAL : play_step(pl);
	} while (!error && pl->step.kind != MSV_STEP_END);
	if (error == MSV_ERR_INVAL)
		msv_text_printf(&pl->test->difference, "line %u is none of a script: %.*s\n",
		    pl->step.line, (int)pl->step.source.n, pl->step.source.p);
	return error;
}

static int play(struct msv_test_env *test, struct msv_conn *conn, bool client,
    enum msv_dialogue_split split, const char *script, const char **difference)
{
	struct player pl = { test, conn, split, .script = { script, 0, client },
		.who = client ? "the client" : "the server" };

	msv_text_clear(&test->difference);
	int error = play_script(&pl);
	msv_text_fini(&pl.in);
	msv_text_fini(&pl.out);
	msv_text_fini(&pl.step.text);
	if (difference)
		*difference = error ? msv_text_cstr(&test->difference) : NULL;
	return error;
}

int msv_test_dialogue(struct msv_test_env *test, struct msv_conn *conn,
    enum msv_dialogue_split split, const char *script, const char **difference)
{
	return play(test, conn, false, split, script, difference);
}

int msv_test_client_dialogue(struct msv_test_env *test, struct msv_conn *conn,
    enum msv_dialogue_split split, const char *script, const char **difference)
{
	return play(test, conn, true, split, script, difference);
}

struct msv_span msv_test_take_output(struct msv_test_env *test, struct msv_conn *conn)
{
	struct player pl = { test, conn, MSV_SPLIT_LINES, .out = test->output };

	msv_text_clear(&pl.out);
	settle(&pl);
	test->output = pl.out;
	return (struct msv_span){ msv_text_cstr(&test->output), test->output.n };
}
