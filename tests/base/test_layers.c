#include "echo.h"

/*
 * A toy filter: every byte xored with the key.  It is ready when the peer sent
 * 'H', to which it says 'h'.  From the peer, after xor: 0x01 ends the stream in
 * order, 0x02 is an error (it says '!'), 0x03 becomes 5000 times 'z'.  When the
 * conversation is over it says 'F'.
 */
/* No byte of a text is a key. */
enum { TLS_KEY = 0x0b, DEFLATE_KEY = 0x15 };

struct toy {
	struct msv_filter filter; /* first: the filter is the toy */
	const char *name;
	struct msv_filter_ops ops;
	char key;
	bool handshake, done, freed;
	int at_eof; /* what eof() answers */
	unsigned eofs, pushes;
};

static int toy_one(
    struct toy *toy, char c, struct msv_filter_sink *plain, struct msv_filter_sink *wire)
{
	char bomb[5000];

	if (toy->handshake) {
		toy->handshake = c != 'H';
		return wire->put(wire, "h", 1);
	}
	c ^= toy->key;
	if (c == 1)
		return 1;
	if (c == 2) {
		wire->put(wire, "!", 1);
		return MSV_ERR_TLS;
	}
	if (c != 3)
		return plain->put(plain, &c, 1);
	memset(bomb, 'z', sizeof(bomb));
	return plain->put(plain, bomb, sizeof(bomb));
}

static int toy_decode(struct msv_filter *filter, const void *p, size_t n,
    struct msv_filter_sink *plain, struct msv_filter_sink *wire)
{
	struct toy *toy = (struct toy *)filter;
	int verdict = 0;

	toy->pushes += !n;
	for (size_t i = 0; i < n && !verdict; i++)
		verdict = toy_one(toy, ((const char *)p)[i], plain, wire);
	return verdict;
}

static int toy_encode(
    struct msv_filter *filter, const void *p, size_t n, struct msv_filter_sink *wire)
{
	struct toy *toy = (struct toy *)filter;
	int error = 0;

	ck_assert(!toy->handshake);
	for (size_t i = 0; i < n && !error; i++) {
		char c = (char)(((const char *)p)[i] ^ toy->key);
		error = wire->put(wire, &c, 1);
	}
	return error;
}

static bool toy_ready(const struct msv_filter *filter)
{
	return !((const struct toy *)filter)->handshake;
}

static void toy_finish(struct msv_filter *filter, struct msv_filter_sink *wire)
{
	struct toy *toy = (struct toy *)filter;

	ck_assert(!toy->done);
	toy->done = true;
	wire->put(wire, "F", 1);
}

static int toy_eof(struct msv_filter *filter, int error)
{
	struct toy *toy = (struct toy *)filter;

	(void)error;
	toy->eofs++;
	return toy->at_eof;
}

static const char *toy_describe(const struct msv_filter *filter)
{
	return toy_ready(filter) ? "XORv1" : "";
}

static const char *toy_failure(const struct msv_filter *filter)
{
	(void)filter;
	return "the peer\r\ndoes not xor";
}

static void toy_free(struct msv_filter *filter)
{
	((struct toy *)filter)->freed = true;
}

/* A filter the test owns, whatever the conn does with it. */
static struct toy toy_make(const char *name, char key, bool handshake)
{
	return (struct toy){
		.ops = { sizeof(struct msv_filter_ops), name, toy_decode, toy_eof, toy_encode,
		    toy_ready, toy_finish, toy_describe, toy_failure, NULL, toy_free },
		.key = key,
		.handshake = handshake,
	};
}

static struct msv_filter *toy_filter(struct toy *toy)
{
	toy->filter.ops = &toy->ops;
	return &toy->filter;
}

static struct msv_test_env *test;
static struct msv_env *env;
static struct echo_host host;
static struct toy tls, deflate;

static void setup(void)
{
	struct msv_peer peer = { .size = sizeof(peer), .address = "192.0.2.1", .session_id = "s" };

	ck_assert_int_eq(msv_test_env_new(1, &test), 0);
	env = msv_test_env(test);
	host = (struct echo_host){ .line = NULL };
	tls = toy_make("tls", TLS_KEY, true);
	deflate = toy_make("deflate", DEFLATE_KEY, false);
	ck_assert_ptr_nonnull(echo_new(env, &host, &peer));
}

static void teardown(void)
{
	msv_conn_free(host.conn);
	ck_assert_uint_eq(host.destroyed, 1);
	ck_assert_uint_eq(msv_test_env_free(test), 0);
}

static int push(struct toy *toy)
{
	return msv_conn_push_filter(host.conn, toy_filter(toy));
}

static const char *xored(const char *text, char key)
{
	static char out[256];
	size_t n = strlen(text);

	for (size_t i = 0; i <= n; i++)
		out[i] = (char)(i < n ? text[i] ^ key : 0);
	return out;
}

static void send_xored(const char *text, char key)
{
	echo_send(&host, xored(text, key));
}

/* -- The handshake ------------------------------------------------------------------ */

/* TLS from the first byte: the greeting waits for the handshake. */
START_TEST(from_the_first_byte)
{
	ck_assert_int_eq(push(&tls), 0);
	ck_assert_uint_eq(tls.pushes, 1);
	ck_assert_uint_eq(msv_conn_want(host.conn), MSV_WANT_READ);
	ck_assert_ptr_eq(msv_conn_filter(host.conn, "tls"), &tls.filter);
	ck_assert_ptr_null(msv_conn_filter(host.conn, "deflate"));
	echo_send(&host, "H");
	char expected[32] = "h";
	strcat(expected, xored("hello\n", TLS_KEY));
	echo_expect(&host, expected);
	send_xored("one\n", TLS_KEY);
	echo_expect(&host, xored("one\n", TLS_KEY));
}
END_TEST

static struct msv_filter *make_tls(struct echo_host *h)
{
	(void)h;
	return toy_filter(&tls);
}

/* STARTTLS: what was said before goes out in the clear, in front. */
START_TEST(in_the_middle)
{
	struct msv_conn_info info = { .size = sizeof(info) };

	host.filter = make_tls;
	echo_send(&host, "one\nstarttls\n");
	echo_expect(&host, "hello\none\ngo\n");
	msv_conn_info(host.conn, &info);
	ck_assert_str_eq(info.tls, "");
	echo_send(&host, "H");
	echo_expect(&host, "h");
	msv_conn_info(host.conn, &info);
	ck_assert_str_eq(info.tls, "XORv1");
	send_xored("bye\n", TLS_KEY);
	char expected[32];
	strcpy(expected, xored("bye\n", TLS_KEY));
	echo_expect(&host, strcat(expected, "F"));
	ck_assert_uint_eq(msv_conn_want(host.conn), MSV_WANT_CLOSE);
	ck_assert(!tls.freed);
	msv_conn_free(host.conn);
	ck_assert(tls.freed);
}
END_TEST

/* Two, the upper pushed before the lower is ready: each byte in its order. */
START_TEST(two_at_once)
{
	char expected[32] = "h";

	ck_assert_int_eq(push(&tls), 0);
	msv_conn_want(host.conn); /* the greeting is for the lower one alone */
	ck_assert_int_eq(push(&deflate), 0);
	echo_send(&host, "H");
	strcat(expected, xored("hello\n", TLS_KEY));
	echo_expect(&host, expected);
	send_xored("bye\n", (TLS_KEY ^ DEFLATE_KEY));
	strcpy(expected, xored("bye\n", (TLS_KEY ^ DEFLATE_KEY)));
	strcat(expected, xored("F", TLS_KEY));
	echo_expect(&host, strcat(expected, "F"));
}
END_TEST

/* The upper one speaks while the lower one gets ready in the same piece: what
 * waited for the lower one still goes first. */
START_TEST(two_handshakes_in_one_piece)
{
	static struct toy upper;
	char text[64] = "H", expected[64] = "h";

	upper = toy_make("upper", DEFLATE_KEY, true);
	push(&tls);
	msv_conn_want(host.conn);
	push(&upper);
	echo_send(&host, strcat(text, xored("H", TLS_KEY)));
	strcat(expected, xored("hello\n", TLS_KEY));
	echo_expect(&host, strcat(expected, xored("h", TLS_KEY)));
	msv_conn_free(host.conn);
}
END_TEST

/* What a session says and ends before the handshake is over still arrives. */
START_TEST(last_words_wait_for_the_handshake)
{
	char expected[64] = "h";

	push(&tls);
	msv_conn_shutdown(host.conn, MSV_SHUTDOWN_OVERLOAD);
	ck_assert_uint_eq(msv_conn_want(host.conn), MSV_WANT_READ);
	ck_assert_uint_eq(msv_conn_tick(host.conn), msv_env_now(env) + 60000);
	echo_send(&host, "H");
	strcat(expected, xored("hello\nshutdown 2\n", TLS_KEY));
	echo_expect(&host, strcat(expected, "F"));
	ck_assert_uint_eq(msv_conn_want(host.conn), MSV_WANT_CLOSE);
}
END_TEST

START_TEST(last_words_wait_in_vain)
{
	push(&tls);
	msv_conn_want(host.conn);
	msv_conn_shutdown(host.conn, MSV_SHUTDOWN_OVERLOAD);
	ck_assert_uint_eq(msv_conn_want(host.conn), MSV_WANT_READ);
	msv_test_advance(test, 60000);
	msv_conn_tick(host.conn);
	ck_assert_uint_eq(msv_conn_want(host.conn), MSV_WANT_CLOSE);
	echo_expect(&host, "");
}
END_TEST

START_TEST(gone_before_the_handshake)
{
	push(&tls);
	msv_conn_want(host.conn);
	tls.at_eof = MSV_ERR_TLS;
	msv_conn_eof(host.conn, 0);
	ck_assert_uint_eq(tls.eofs, 1);
	ck_assert_str_eq(msv_test_log(test),
	    "warn: session=s peer=192.0.2.1 echo: tls: the peer\\x0d\\x0adoes not xor\n");
	ck_assert_uint_eq(msv_conn_want(host.conn), MSV_WANT_CLOSE);
}
END_TEST

/* -- Ends ----------------------------------------------------------------------------- */

/* The filter cannot go on: what it says goes out, what the session says not. */
START_TEST(decode_fails)
{
	push(&tls);
	push(&deflate);
	echo_send(&host, "H");
	char junk[64];
	echo_receive(&host, SIZE_MAX, junk, sizeof(junk));
	send_xored("ask\n\2one\n", (TLS_KEY ^ DEFLATE_KEY));
	ck_assert_str_eq(msv_test_log(test),
	    "warn: session=s peer=192.0.2.1 echo: deflate: the peer\\x0d\\x0adoes not xor\n");
	echo_expect(&host, xored("!", TLS_KEY));
	ck_assert_uint_eq(msv_conn_want(host.conn), MSV_WANT_CLOSE);
	ck_assert(!tls.done);
	send_xored("x\n", (TLS_KEY ^ DEFLATE_KEY));
	echo_expect(&host, "");
}
END_TEST

/* close_notify: the session answers what came, and nothing after it counts. */
START_TEST(stream_ended_in_order)
{
	char expected[64];

	push(&deflate);
	send_xored("one\ntwo\1three\n", DEFLATE_KEY);
	strcpy(expected, xored("hello\none\neof\n", DEFLATE_KEY));
	echo_expect(&host, strcat(expected, "F"));
	ck_assert_uint_eq(msv_conn_want(host.conn), MSV_WANT_CLOSE);
	msv_conn_eof(host.conn, 0);
	ck_assert_uint_eq(deflate.eofs, 0);
}
END_TEST

START_TEST(stream_cut)
{
	push(&deflate);
	send_xored("one\n", DEFLATE_KEY);
	msv_conn_eof(host.conn, 0);
	ck_assert_uint_eq(deflate.eofs, 1);
	char expected[64];
	strcpy(expected, xored("hello\none\neof\n", DEFLATE_KEY));
	echo_expect(&host, strcat(expected, "F"));
}
END_TEST

/* -- Bounds ---------------------------------------------------------------------------- */

/* A bomb: 60,000 bytes that stand for 300 million are decoded as the session
 * takes them, a slice at a time. */
START_TEST(a_bomb_is_bounded)
{
	char *bomb = malloc(60000);
	size_t before = msv_test_memory(test);

	memset(bomb, 3 ^ DEFLATE_KEY, 60000);
	push(&deflate);
	send_xored("hold\n", DEFLATE_KEY);
	host.conn->in_limit = 65536;
	msv_conn_input(host.conn, bomb, 60000);
	ck_assert_uint_eq(msv_buf_len(&host.conn->in), 0);
	ck_assert_uint_ge(msv_buf_len(&host.conn->raw), 60000);
	ck_assert(!(msv_conn_want(host.conn) & MSV_WANT_READ));
	host.conn->hold_input = false;
	msv_conn_resume(host.conn);
	/* The line never ends: one slice made more than the limit, so no second. */
	ck_assert_uint_eq(msv_buf_len(&host.conn->in), 4096 * 5000);
	ck_assert_uint_lt(msv_test_memory(test) - before, 50 << 20);
	ck_assert(!(msv_conn_want(host.conn) & MSV_WANT_READ));
	free(bomb);
}
END_TEST

/* Input that waited undecoded goes on by itself when there is room. */
START_TEST(waiting_input_goes_on)
{
	char line[100], *many = malloc(200000);
	size_t n = 0;

	push(&deflate);
	host.conn->in_limit = 1000;
	memset(line, 'l' ^ DEFLATE_KEY, sizeof(line));
	line[99] = '\n' ^ DEFLATE_KEY;
	for (int i = 0; i < 2000; i++, n += sizeof(line))
		memcpy(many + n, line, sizeof(line));
	msv_conn_input(host.conn, many, n);
	char *text = malloc(300000);
	echo_receive(&host, SIZE_MAX, text, 300000);
	ck_assert_uint_eq(strlen(text), 6 + 2000 * 100);
	msv_conn_eof(host.conn, 0);
	echo_receive(&host, SIZE_MAX, text, 300000);
	ck_assert_uint_eq(strlen(text), 5);
	free(text);
	free(many);
}
END_TEST

/* Stalled by the window alone, not by what the filter made of it. */
START_TEST(window_with_a_filter)
{
	char *text = malloc(300000);

	push(&tls);
	echo_send(&host, "H");
	send_xored("big 200000\nx\n", TLS_KEY);
	const void *p;
	ck_assert_uint_le(msv_conn_output(host.conn, &p), 32768 + 1);
	echo_receive(&host, 5000, text, 300000);
	ck_assert_uint_eq(strlen(text), 1 + 6 + 200000 + 2);
	free(text);
}
END_TEST

/* Refused or without memory, the filter is freed and the connection over. */
START_TEST(push_refused)
{
	static struct toy many[9];

	for (int i = 0; i < 9; i++) {
		many[i] = toy_make("toy", 0, false);
		ck_assert_int_eq(push(&many[i]), i < 8 ? 0 : MSV_ERR_LIMIT);
	}
	ck_assert(many[8].freed && !many[7].freed);
	ck_assert_uint_eq(msv_conn_want(host.conn), MSV_WANT_CLOSE);
	ck_assert_int_eq(push(&tls), MSV_ERR_CANCELED);
	ck_assert(tls.freed);
	msv_conn_free(host.conn);
	ck_assert(many[0].freed);
}
END_TEST

START_TEST(every_allocation_fails)
{
	bool through = false;

	for (uint64_t n = 0; !through; n++) {
		struct echo_host h = { .filter = make_tls };
		char text[1024];
		tls = toy_make("tls", TLS_KEY, true);
		deflate = toy_make("deflate", 0, false);
		msv_test_fail_alloc(test, n, n % 2);
		uint64_t limit = msv_test_allocs(test) + n;
		if (echo_new(env, &h, NULL)) {
			msv_conn_push_filter(h.conn, toy_filter(&deflate));
			echo_send(&h, "one\nstarttls\n");
			echo_receive(&h, SIZE_MAX, text, sizeof(text));
			echo_send(&h, "H");
			msv_conn_input(h.conn, xored("two\nbig 100\nbye\n", TLS_KEY), 16);
			echo_receive(&h, SIZE_MAX, text, sizeof(text));
			ck_assert_uint_eq(msv_conn_want(h.conn), MSV_WANT_CLOSE);
			msv_conn_free(h.conn);
			ck_assert(deflate.freed);
		}
		through = msv_test_allocs(test) <= limit;
	}
	msv_test_fail_alloc(test, UINT64_MAX, false);
	ck_assert(tls.freed);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("layers");

	check_fixture_case(s, "handshake", setup, teardown, from_the_first_byte, in_the_middle,
	    two_at_once, two_handshakes_in_one_piece, last_words_wait_for_the_handshake,
	    last_words_wait_in_vain, gone_before_the_handshake);
	check_fixture_case(
	    s, "ends", setup, teardown, decode_fails, stream_ended_in_order, stream_cut);
	check_fixture_case(s, "bounds", setup, teardown, a_bomb_is_bounded, waiting_input_goes_on,
	    window_with_a_filter, push_refused, every_allocation_fails);
	return check_main(s);
}
