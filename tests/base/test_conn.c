#include "echo.h"

static struct msv_test_env *test;
static struct msv_env *env;
static struct echo_host host;

static void setup(void)
{
	ck_assert_int_eq(msv_test_env_new(1, &test), 0);
	env = msv_test_env(test);
	host = (struct echo_host){ 0 };
	ck_assert_ptr_nonnull(echo_new(env, &host, NULL));
}

static void teardown(void)
{
	msv_conn_free(host.conn);
	ck_assert_uint_eq(host.destroyed, 1);
	ck_assert_uint_eq(msv_test_env_free(test), 0);
}

static unsigned want(void)
{
	return msv_conn_want(host.conn);
}

/* -- The verbs ------------------------------------------------------------------ */

START_TEST(hello_echo_bye)
{
	ck_assert_uint_eq(want(), MSV_WANT_READ | MSV_WANT_WRITE);
	echo_expect(&host, "hello\n");
	ck_assert_uint_eq(want(), MSV_WANT_READ);
	echo_send(&host, "one\ntwo\nthr");
	echo_expect(&host, "one\ntwo\n");
	echo_send(&host, "ee\nbye\nnot looked at\n");
	ck_assert_uint_eq(want(), MSV_WANT_WRITE);
	echo_expect(&host, "three\nbye\n");
	ck_assert_uint_eq(want(), MSV_WANT_CLOSE);
	echo_send(&host, "too late\n");
	echo_expect(&host, "");
	ck_assert_uint_eq(want(), MSV_WANT_CLOSE);
}
END_TEST

/* The greeting needs no verb: a tick of the env makes it, and wakes. */
START_TEST(the_first_step_by_a_tick)
{
	msv_env_tick(env);
	ck_assert_uint_eq(host.wakes, 1);
	echo_expect(&host, "hello\n");
}
END_TEST

static const char script[] = "alpha\nask\nbeta\nlater\n\nbig 100\nask\ngamma\nbye\nmore";

/* Plays the script cut at `cut`, then in pieces of `piece`; what comes out. */
static void play(size_t cut, size_t piece, char *text, size_t size)
{
	struct echo_host h = { .asked = NULL };
	size_t n = strlen(script), sent = 0, used = 0;

	ck_assert_ptr_nonnull(echo_new(env, &h, NULL));
	while (sent < n || h.op) {
		size_t take = sent < cut ? cut - sent : piece;
		take = take < n - sent ? take : n - sent;
		msv_conn_input(h.conn, script + sent, take);
		sent += take;
		msv_env_tick(env);
		echo_receive(&h, piece, text + used, size - used);
		used += strlen(text + used);
		if (h.op)
			msv_op_answer(h.op, 0);
	}
	msv_env_tick(env);
	echo_receive(&h, piece, text + used, size - used);
	ck_assert_uint_eq(msv_conn_want(h.conn), MSV_WANT_CLOSE);
	msv_conn_free(h.conn);
	ck_assert_uint_eq(h.destroyed, 1);
}

/* However the bytes are cut, on both ways, the dialogue is the same. */
START_TEST(every_split)
{
	char whole[1024], text[1024];

	play(0, SIZE_MAX, whole, sizeof(whole));
	ck_assert_ptr_nonnull(strstr(whole, "hello\nalpha\nanswered 0\nbeta\nlater\n\nbbb"));
	ck_assert_ptr_nonnull(strstr(whole, "banswered 0\ngamma\nbye\n"));
	for (size_t cut = 0; cut <= strlen(script); cut++) {
		play(cut, SIZE_MAX, text, sizeof(text));
		ck_assert_str_eq(text, whole);
	}
	for (size_t piece = 1; piece < 10; piece++) {
		play(0, piece, text, sizeof(text));
		ck_assert_str_eq(text, whole);
	}
}
END_TEST

START_TEST(sending_more_than_there_is)
{
	msv_conn_sent(host.conn, 100);
	echo_expect(&host, "hello\n");
	msv_conn_sent(host.conn, 100);
	echo_send(&host, "x\n");
	echo_expect(&host, "x\n");
}
END_TEST

/* -- Input: limits and ends -------------------------------------------------------- */

START_TEST(no_read_beyond_the_limit)
{
	char much[66000];

	memset(much, 'x', sizeof(much));
	echo_expect(&host, "hello\n");
	msv_conn_input(host.conn, much, 65535);
	ck_assert(want() & MSV_WANT_READ);
	msv_conn_input(host.conn, much, 1);
	ck_assert(!(want() & MSV_WANT_READ));
}
END_TEST

START_TEST(held_and_resumed)
{
	echo_expect(&host, "hello\n");
	echo_send(&host, "hold\nafter\n");
	ck_assert_uint_eq(want(), 0);
	echo_expect(&host, "");
	host.conn->hold_input = false;
	msv_conn_resume(host.conn);
	echo_expect(&host, "after\n");
	ck_assert_uint_eq(want(), MSV_WANT_READ);
}
END_TEST

/* The peer closed its side: what it sent before is answered, now and later. */
START_TEST(half_closed)
{
	echo_expect(&host, "hello\n");
	echo_send(&host, "one\nask\ntwo\nrest");
	msv_conn_eof(host.conn, 0);
	ck_assert_uint_eq(want(), MSV_WANT_WRITE);
	echo_expect(&host, "one\n");
	ck_assert_uint_eq(want(), 0);
	echo_send(&host, "not heard\n");
	msv_op_answer(host.op, 0);
	msv_env_tick(env);
	echo_expect(&host, "answered 0\ntwo\neof\n");
	ck_assert_uint_eq(want(), MSV_WANT_CLOSE);
}
END_TEST

START_TEST(broken)
{
	echo_send(&host, "ask\none\n");
	unsigned steps = host.steps;
	msv_conn_eof(host.conn, MSV_ERR_IO);
	ck_assert_uint_eq(want(), MSV_WANT_CLOSE);
	echo_expect(&host, "");
	msv_op_answer(host.op, 0);
	msv_env_tick(env);
	echo_expect(&host, "");
	ck_assert_uint_eq(want(), MSV_WANT_CLOSE);
	ck_assert_uint_eq(host.steps, steps);
	msv_conn_eof(host.conn, MSV_ERR_IO);
}
END_TEST

/* -- Output: the window -------------------------------------------------------------- */

/* A peer that does not read costs its window and no more; each time half of it
 * is free the rest goes on. */
START_TEST(backpressure)
{
	size_t before = msv_test_memory(test), total = 0, n;
	const void *p;

	echo_expect(&host, "hello\n");
	echo_send(&host, "big 1000000\nafter\n");
	unsigned steps = host.steps;
	for (int i = 0; i < 100; i++)
		msv_conn_resume(host.conn);
	ck_assert_uint_eq(msv_conn_room(host.conn), 0);
	ck_assert_uint_eq(msv_conn_output(host.conn, &p), 32768);
	ck_assert_uint_lt(msv_test_memory(test), before + 70000);
	steps = host.steps;
	/* Not for each byte a step. */
	for (total = 0; total < 16383; total++)
		msv_conn_sent(host.conn, 1);
	ck_assert_uint_eq(host.steps, steps);
	msv_conn_sent(host.conn, 1);
	total++;
	ck_assert_uint_eq(host.steps, steps + 1);
	while ((n = msv_conn_output(host.conn, &p))) {
		ck_assert_uint_le(n, 32768);
		if (total + n > 1000000) {
			ck_assert_uint_eq(total + n, 1000000 + 6);
			ck_assert_mem_eq((const char *)p + n - 6, "after\n", 6);
		}
		total += n;
		msv_conn_sent(host.conn, n);
	}
	ck_assert_uint_eq(total, 1000006);
}
END_TEST

/* -- Time ---------------------------------------------------------------------------- */

START_TEST(the_deadline)
{
	ck_assert_uint_eq(msv_conn_tick(host.conn), MSV_NEVER);
	uint64_t start = msv_env_now(env);
	echo_send(&host, "x\n");
	ck_assert_uint_eq(msv_conn_tick(host.conn), start + 1000);
	msv_test_advance(test, 999);
	ck_assert_uint_eq(msv_conn_tick(host.conn), start + 1000);
	echo_expect(&host, "hello\nx\n");
	msv_test_advance(test, 1);
	msv_conn_tick(host.conn);
	echo_expect(&host, "timeout\n");
	ck_assert_uint_eq(want(), MSV_WANT_CLOSE);
}
END_TEST

/* Who does not take the last words is cut off a minute later. */
START_TEST(last_words_not_taken)
{
	echo_send(&host, "bye\n");
	uint64_t end = msv_conn_tick(host.conn);
	ck_assert_uint_eq(end, msv_env_now(env) + 60000);
	msv_test_advance(test, 59999);
	msv_conn_tick(host.conn);
	ck_assert_uint_eq(want(), MSV_WANT_WRITE);
	msv_test_advance(test, 1);
	ck_assert_uint_eq(msv_conn_tick(host.conn), MSV_NEVER);
	ck_assert_uint_eq(want(), MSV_WANT_CLOSE);
}
END_TEST

START_TEST(a_turn_for_the_loop)
{
	echo_send(&host, "later\nnext\n");
	echo_expect(&host, "hello\n");
	ck_assert_uint_eq(host.wakes, 0);
	msv_env_tick(env);
	ck_assert_uint_eq(host.wakes, 1);
	echo_expect(&host, "later\nnext\n");
}
END_TEST

/* -- Wake ---------------------------------------------------------------------------- */

static void answer_at_once(struct echo_host *h, struct msv_op *op)
{
	(void)h;
	msv_op_answer(op, 0);
}

/* What changes in a verb of the connection itself is no news to the loop. */
START_TEST(no_wake_in_its_own_verb)
{
	host.asked = answer_at_once;
	echo_send(&host, "ask\nx\n");
	echo_expect(&host, "hello\nanswered 0\nx\n");
	ck_assert_uint_eq(host.wakes, 0);
}
END_TEST

START_TEST(one_wake_until_the_next_verb)
{
	echo_send(&host, "ask\nask\nask\n");
	for (int i = 0; i < 2; i++) {
		msv_op_answer(host.op, 0);
		msv_env_tick(env);
		ck_assert_uint_eq(host.wakes, 1);
	}
	msv_conn_tick(host.conn);
	msv_op_answer(host.op, 0);
	ck_assert_uint_eq(host.wakes, 1);
	msv_env_tick(env);
	ck_assert_uint_eq(host.wakes, 2);
	want();
	msv_conn_set_wake(host.conn, NULL, NULL);
	echo_send(&host, "ask\n");
	msv_op_answer(host.op, 0);
	msv_env_tick(env);
	ck_assert_uint_eq(host.wakes, 2);
}
END_TEST

/* The embedder's own verbs are news to the loop. */
START_TEST(wake_from_the_embedders_verbs)
{
	echo_expect(&host, "hello\n");
	host.wakes = 0;
	msv_conn_resume(host.conn);
	ck_assert_uint_eq(host.wakes, 1);
	msv_conn_shutdown(host.conn, MSV_SHUTDOWN_SERVICE);
	ck_assert_uint_eq(host.wakes, 1);
	ck_assert_uint_ne(want(), 0);
}
END_TEST

static struct msv_op *others_op;

static void answer_other(struct echo_host *h, const char *line)
{
	(void)h, (void)line;
	msv_op_answer(others_op, 0);
}

/* A verb of one connection changes another: that one wakes, not the first. */
START_TEST(wake_from_another_conns_verb)
{
	struct echo_host second = { .line = answer_other };

	echo_new(env, &second, NULL);
	echo_expect(&second, "hello\n");
	echo_send(&host, "ask\n");
	echo_expect(&host, "hello\n");
	others_op = host.op;
	host.wakes = second.wakes = 0;
	echo_send(&second, "x\n");
	ck_assert_uint_eq(host.wakes, 1);
	ck_assert_uint_eq(second.wakes, 0);
	echo_expect(&host, "answered 0\n");
	msv_conn_free(second.conn);
}
END_TEST

/* -- Inside a callback ---------------------------------------------------------------- */

static void every_verb(struct echo_host *h, const char *line)
{
	const void *p;
	unsigned steps = h->steps;

	if (strcmp(line, "x"))
		return;
	echo_send(h, "inner\n");
	/* So much that conn->in would have to move. */
	for (int i = 0; i < 1000; i++)
		echo_send(h, "more\n");
	msv_conn_resume(h->conn);
	msv_conn_output(h->conn, &p);
	msv_conn_sent(h->conn, 1);
	msv_conn_want(h->conn);
	msv_conn_tick(h->conn);
	msv_conn_eof(h->conn, 0);
	msv_env_tick(h->conn->env);
	ck_assert_uint_eq(h->steps, steps);
}

START_TEST(every_verb_in_a_callback)
{
	static char text[8192], expected[8192];

	echo_expect(&host, "hello\n");
	host.line = every_verb;
	echo_send(&host, "x\ny\n");
	echo_receive(&host, SIZE_MAX, text, sizeof(text));
	strcpy(expected, "x\ny\ninner\n");
	for (int i = 0; i < 1000; i++)
		strcat(expected, "more\n");
	strcat(expected, "eof\n");
	ck_assert_str_eq(text, expected);
	ck_assert_uint_eq(want(), MSV_WANT_CLOSE);
	ck_assert_uint_eq(host.wakes, 0);
}
END_TEST

static void shut_down(struct echo_host *h, const char *line)
{
	(void)line;
	msv_conn_shutdown(h->conn, MSV_SHUTDOWN_KICK);
}

START_TEST(shutdown_in_a_callback)
{
	host.line = shut_down;
	echo_send(&host, "x\n");
	echo_expect(&host, "hello\nx\nshutdown 1\n");
	ck_assert_uint_eq(want(), MSV_WANT_CLOSE);
}
END_TEST

static void break_it(struct echo_host *h, const char *line)
{
	(void)line;
	msv_conn_eof(h->conn, MSV_ERR_IO);
	ck_assert(msv_conn_ended(h->conn));
}

START_TEST(broken_in_a_callback)
{
	host.line = break_it;
	echo_send(&host, "x\ny\n");
	ck_assert_uint_eq(want(), MSV_WANT_CLOSE);
	echo_expect(&host, "");
}
END_TEST

/* -- Free inside a callback -------------------------------------------------------------- */

static void free_it(struct echo_host *h, const char *line)
{
	(void)line;
	struct msv_conn *conn = h->conn;
	msv_conn_free(conn);
	msv_conn_free(conn);
	/* The session is further up the stack: it is still there, and ended. */
	ck_assert_uint_eq(h->destroyed, 0);
	ck_assert(msv_conn_ended(conn));
	msv_conn_input(conn, "y\n", 2);
	msv_conn_resume(conn);
	msv_conn_tick(conn);
}

START_TEST(freed_in_a_callback)
{
	host.line = free_it;
	echo_send(&host, "x\nnot\n");
	ck_assert_uint_eq(host.destroyed, 1);
}
END_TEST

static void nothing(struct echo_host *h, const char *line)
{
	(void)h, (void)line;
}

/* Every verb that lets a callback free the connection notices that. */
START_TEST(freed_under_each_verb)
{
	for (int verb = 0; verb < 6; verb++) {
		struct echo_host h = { .line = nothing };
		const void *p;
		echo_new(env, &h, NULL);
		echo_send(&h, "hold\nx\n");
		h.conn->hold_input = false;
		h.line = free_it;
		msv_conn_kick(h.conn);
		ck_assert_uint_eq(h.destroyed, 0);
		if (verb == 0)
			ck_assert_uint_eq(msv_conn_want(h.conn), 0);
		else if (verb == 1)
			ck_assert_uint_eq(msv_conn_output(h.conn, &p), 0);
		else if (verb == 2)
			ck_assert_uint_eq(msv_conn_tick(h.conn), MSV_NEVER);
		else if (verb == 3)
			msv_conn_sent(h.conn, 1);
		else if (verb == 4)
			msv_conn_eof(h.conn, 0);
		else
			msv_conn_resume(h.conn);
		ck_assert_uint_eq(h.destroyed, 1);
	}
}
END_TEST

/* In a completion, which no verb of the connection is around. */
START_TEST(freed_in_a_completion)
{
	echo_send(&host, "ask\n");
	host.line = free_it;
	msv_op_answer(host.op, 0);
	msv_env_tick(env);
	ck_assert_uint_eq(host.destroyed, 1);
}
END_TEST

static void free_with_an_answered_op(struct echo_host *h, const char *line)
{
	((struct echo *)h->conn)->op = others_op;
	free_it(h, line);
}

/* Both ops are answered; the first completion frees: the second never runs. */
START_TEST(freed_before_another_completion)
{
	struct echo_host second = { .line = free_with_an_answered_op };

	echo_new(env, &second, NULL);
	echo_send(&second, "ask\n");
	others_op = msv_op_new(env, echo_answered, second.conn);
	msv_op_answer(second.op, 0);
	msv_op_answer(others_op, 0);
	msv_env_tick(env);
	ck_assert_uint_eq(second.destroyed, 1);
}
END_TEST

static struct echo_host *victim;

static void free_victim(struct echo_host *h, const char *line)
{
	(void)h, (void)line;
	msv_conn_free(victim->conn);
	ck_assert_uint_eq(victim->destroyed, 0);
}

START_TEST(freed_in_another_conns_callback)
{
	struct echo_host second = { 0 };

	echo_new(env, &second, NULL);
	echo_send(&second, "ask\nlater\n");
	victim = &second;
	host.line = free_victim;
	echo_send(&host, "x\n");
	ck_assert_uint_eq(second.destroyed, 1);
	ck_assert_uint_eq(second.canceled, 1);
	echo_expect(&host, "hello\nx\n");
}
END_TEST

static void free_on_ask(struct echo_host *h, struct msv_op *op)
{
	msv_conn_free(h->conn);
	ck_assert(!msv_op_canceled(op));
}

START_TEST(freed_while_it_asks)
{
	host.asked = free_on_ask;
	echo_send(&host, "ask\n");
	ck_assert_uint_eq(host.destroyed, 1);
	ck_assert_uint_eq(host.canceled, 1);
}
END_TEST

/* Answers after free, and after the env went too, are dropped. */
START_TEST(answered_after_free)
{
	struct msv_test_env *own;
	struct echo_host h = { 0 };

	ck_assert_int_eq(msv_test_env_new(1, &own), 0);
	echo_new(msv_test_env(own), &h, NULL);
	echo_send(&h, "ask\n");
	struct msv_op *op = h.op;
	msv_op_on_cancel(op, NULL, NULL);
	msv_conn_free(h.conn);
	ck_assert(msv_op_canceled(op));
	msv_op_answer(op, 0);
	ck_assert_uint_eq(msv_test_env_free(own), 0);
}
END_TEST

/* The connection outlives the program's hold on the env, and still works. */
START_TEST(the_env_freed_first)
{
	struct msv_env *own;
	struct echo_host h = { 0 };

	ck_assert_int_eq(msv_env_new(NULL, &own), 0);
	echo_new(own, &h, NULL);
	msv_env_free(own);
	ck_assert_ptr_eq(msv_conn_env(h.conn), own);
	echo_send(&h, "later\nask\n");
	echo_expect(&h, "hello\nlater\n");
	msv_op_answer(h.op, 0);
	echo_expect(&h, "answered 0\n");
	msv_conn_free(h.conn);
	ck_assert_uint_eq(h.destroyed, 1);
}
END_TEST

/* -- Shutdown --------------------------------------------------------------------------- */

START_TEST(shutdown_drains)
{
	echo_send(&host, "ask\n");
	msv_conn_shutdown(host.conn, MSV_SHUTDOWN_SERVICE);
	msv_conn_shutdown(host.conn, MSV_SHUTDOWN_KICK);
	ck_assert_uint_eq(want(), MSV_WANT_WRITE);
	echo_expect(&host, "hello\nshutdown 0\n");
	ck_assert_uint_eq(want(), MSV_WANT_CLOSE);
	msv_op_answer(host.op, 0);
	msv_env_tick(env);
	ck_assert_uint_eq(want(), MSV_WANT_CLOSE);
}
END_TEST

START_TEST(shutdown_after_the_end)
{
	echo_send(&host, "bye\n");
	msv_conn_shutdown(host.conn, MSV_SHUTDOWN_SERVICE);
	echo_expect(&host, "hello\nbye\n");
}
END_TEST

/* -- Memory ------------------------------------------------------------------------------- */

/* An idle connection holds its struct and its peer, a few hundred bytes. */
START_TEST(idle_is_small)
{
	echo_expect(&host, "hello\n");
	size_t before = msv_test_memory(test);
	struct echo_host h = { 0 };
	struct msv_conn_info info = { .size = sizeof(info) };

	struct msv_peer peer = { .size = sizeof(peer), .address = "2001:db8::1" };
	echo_new(env, &h, &peer);
	echo_send(&h, "one\ntwo\nbig 100000\nthree\n");
	char *text = malloc(200000);
	echo_receive(&h, SIZE_MAX, text, 200000);
	free(text);
	ck_assert_uint_le(msv_test_memory(test) - before, 1024);
	msv_conn_info(h.conn, &info);
	ck_assert_uint_le(info.memory, 1024);
	msv_conn_free(h.conn);
	ck_assert_uint_eq(msv_test_memory(test), before);
}
END_TEST

static void answer_and_nest(struct echo_host *h, const char *line)
{
	if (!strcmp(line, "gamma"))
		echo_send(h, "nested\n");
}

/* The whole script with the n-th allocation failing, for every n: all that may
 * happen is that the connection ends. */
START_TEST(every_allocation_fails)
{
	bool through = false;

	for (uint64_t n = 0; !through; n++) {
		struct echo_host h = { .line = answer_and_nest, .asked = answer_at_once };
		char text[1024];
		msv_test_fail_alloc(test, n, n % 2);
		uint64_t limit = msv_test_allocs(test) + n;
		if (echo_new(env, &h, NULL)) {
			for (size_t i = 0; i < strlen(script); i++)
				msv_conn_input(h.conn, script + i, 1);
			msv_env_tick(env);
			echo_receive(&h, SIZE_MAX, text, sizeof(text));
			msv_env_tick(env);
			echo_receive(&h, SIZE_MAX, text, sizeof(text));
			ck_assert_uint_eq(msv_conn_want(h.conn), MSV_WANT_CLOSE);
			msv_conn_free(h.conn);
			ck_assert_uint_eq(h.destroyed, 1);
		}
		through = msv_test_allocs(test) <= limit;
	}
	msv_test_fail_alloc(test, UINT64_MAX, false);
}
END_TEST

/* -- Facts ------------------------------------------------------------------------------- */

START_TEST(facts)
{
	struct msv_peer peer = { .size = sizeof(peer),
		.address = "192.0.2.1",
		.port = 1234,
		.local_address = "198.51.100.7",
		.local_port = 25,
		.session_id = "id-7",
		.name = "mx.example" };
	struct msv_conn_info info = { .size = sizeof(info) };
	struct echo_host h = { 0 };

	echo_new(env, &h, &peer);
	memset(&peer, 0, sizeof(peer));
	ck_assert_str_eq(h.conn->peer.local_address, "198.51.100.7");
	ck_assert_str_eq(h.conn->peer.name, "mx.example");
	echo_send(&h, "x\nask\n");
	echo_expect(&h, "hello\nx\n");
	msv_conn_info(h.conn, &info);
	ck_assert_str_eq(info.protocol, "echo");
	ck_assert_str_eq(info.session_id, "id-7");
	ck_assert_str_eq(info.peer_address, "192.0.2.1");
	ck_assert_uint_eq(info.peer_port, 1234);
	ck_assert_str_eq(info.user, "");
	ck_assert_str_eq(info.mailbox, "");
	ck_assert_str_eq(info.tls, "");
	ck_assert_str_eq(info.state, "asking");
	ck_assert_uint_eq(info.started, msv_env_now(env));
	ck_assert_uint_eq(info.bytes_in, 6);
	ck_assert_uint_eq(info.bytes_out, 8);
	ck_assert_ptr_eq(msv_conn_env(h.conn), env);
	msv_conn_log(h.conn, MSV_LOG_INFO, "said %s", "a\nb");
	ck_assert_str_eq(
	    msv_test_log(test), "info: session=id-7 peer=192.0.2.1 echo: said a\\x0ab\n");
	msv_conn_free(h.conn);
}
END_TEST

/* A local peer without a name still gets an id of its own. */
START_TEST(nobody_known)
{
	struct msv_conn_info info = { .size = sizeof(info) };
	struct echo_host h = { 0 };

	echo_new(env, &h, NULL);
	msv_conn_info(h.conn, &info);
	ck_assert_str_eq(info.peer_address, "");
	ck_assert_uint_eq(strlen(info.session_id), 12);
	ck_assert_str_ne(info.session_id, host.conn->peer.session_id);
	/* An older program's shorter struct is not written beyond its end. */
	struct msv_conn_info shorter = { .size = offsetof(struct msv_conn_info, user) };
	msv_conn_info(h.conn, &shorter);
	ck_assert_str_eq(shorter.protocol, "echo");
	ck_assert_ptr_null(shorter.user);
	msv_conn_free(h.conn);
	msv_conn_free(NULL);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("conn");

	check_fixture_case(s, "verbs", setup, teardown, hello_echo_bye, the_first_step_by_a_tick,
	    every_split, sending_more_than_there_is);
	check_fixture_case(s, "input", setup, teardown, no_read_beyond_the_limit, held_and_resumed,
	    half_closed, broken);
	check_fixture_case(s, "output", setup, teardown, backpressure);
	check_fixture_case(
	    s, "time", setup, teardown, the_deadline, last_words_not_taken, a_turn_for_the_loop);
	check_fixture_case(s, "wake", setup, teardown, no_wake_in_its_own_verb,
	    one_wake_until_the_next_verb, wake_from_the_embedders_verbs,
	    wake_from_another_conns_verb);
	check_fixture_case(s, "re-entry", setup, teardown, every_verb_in_a_callback,
	    shutdown_in_a_callback, broken_in_a_callback);
	check_fixture_case(s, "free", setup, teardown, freed_in_a_callback, freed_under_each_verb,
	    freed_in_a_completion, freed_before_another_completion, freed_in_another_conns_callback,
	    freed_while_it_asks, answered_after_free, the_env_freed_first);
	check_fixture_case(s, "shutdown", setup, teardown, shutdown_drains, shutdown_after_the_end);
	check_fixture_case(s, "memory", setup, teardown, idle_is_small, every_allocation_fails);
	check_fixture_case(s, "facts", setup, teardown, facts, nobody_known);
	return check_main(s);
}
