/*
 * Fuzzes the SMTP client: the input is what a hostile server says.  The first
 * byte says what client it is, the second how it is treated.  Each input is
 * played twice: in one piece, with bodies given at once, and in random pieces,
 * with bodies that come late.  Both must come to the same outcomes, and say the
 * same as far as it was heard.  Whatever the server says, each message is
 * answered once, and no line end stands alone in what goes out.
 */
#include <mailserv/smtp_client.h>
#include <mailserv/testing.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Bits of the first byte. */
enum { LMTP = 1, NO_PIPELINING = 2, NO_CHUNKING = 4, LOGIN = 8, BAD_BODY = 16, UTF8 = 32 };

enum { MESSAGES = 3 };

struct text {
	char *p;
	size_t n, cap;
};

static void put(struct text *text, const void *p, size_t n)
{
	if (text->n + n > text->cap) {
		text->cap = 2 * (text->n + n);
		text->p = realloc(text->p, text->cap);
	}
	if (n)
		memcpy(text->p + text->n, p, n);
	text->n += n;
}

/* What the input says is so. */
#define MUST(condition) \
	do { \
		if (!(condition)) { \
			fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #condition); \
			abort(); \
		} \
	} while (0)

struct play {
	struct msv_test_env *test;
	struct msv_env *env;
	struct msv_conn *conn;
	struct text said, story;
	bool random; /* the second way of playing */
	uint32_t dice;
	bool paused;
	unsigned answered, over;
};

struct body {
	struct play *play;
	const char *p;
	size_t n;
	bool done;
};

static uint32_t roll(struct play *play, uint32_t sides)
{
	play->dice = play->dice * 1664525 + 1013904223;
	return (play->dice >> 16) % sides;
}

/* -- Callbacks ----------------------------------------------------------------------- */

static int on_read(void *user, struct msv_conn *conn, uint64_t offset, const void **p, size_t *n)
{
	struct body *body = user;
	struct play *play = body->play;

	(void)conn;
	MUST(!body->done && !play->paused && offset <= body->n);
	if (play->random && roll(play, 3) == 0) {
		play->paused = true;
		return MSV_PAUSE;
	}
	*n = body->n - (size_t)offset;
	if (*n > 1 && play->random)
		*n = 1 + roll(play, (uint32_t)*n);
	*p = body->p + offset;
	return 0;
}

static void on_outcome(void *user, int error, const void *result)
{
	struct body *body = user;
	struct play *play = body->play;
	const struct msv_smtp_outcome *o = result;
	char line[1024];

	MUST(!body->done && error == 0);
	body->done = true;
	play->answered++;
	for (size_t i = 0; i < o->nrecipients; i++) {
		const struct msv_smtp_verdict *v = &o->recipients[i];
		MUST(v->code >= 200 && v->code <= 599 && (!v->permanent || v->code >= 500));
		MUST(strlen(v->text) <= 512 &&
		     (!*v->enhanced || *v->enhanced == '0' + v->code / 100));
		for (const char *p = v->text; *p; p++)
			MUST(*p >= 0x20 && *p < 0x7f);
		MUST(v->code / 100 != 2 || o->completed || o->uncertain);
		int n = snprintf(line, sizeof(line), "%d %d %s %s%s%s\n", v->stage, v->code,
		    v->enhanced, v->text, v->permanent ? " permanent" : "",
		    v->untried ? " untried" : "");
		put(&play->story, line, (size_t)n);
	}
	int n = snprintf(line, sizeof(line), "accepted %zu%s%s%s\n", o->accepted,
	    o->completed ? " completed" : "", o->uncertain ? " uncertain" : "",
	    o->over ? " over" : "");
	put(&play->story, line, (size_t)n);
}

static void on_over(void *user, struct msv_conn *conn)
{
	struct play *play = user;

	(void)conn;
	MUST(play->answered == MESSAGES);
	play->over++;
}

/* -- Messages ---------------------------------------------------------------------------- */

static const char plain[] = "Subject: x\r\n\r\n.dots\r\n..\r\nno end";
static const char eight_bit[] =
    "Content-Type: multipart/mixed; boundary=b\r\nContent-Transfer-Encoding: 8bit\r\n\r\n--b\r\n"
    "Content-Type: text/plain\r\n\r\ncaf\xc3\xa9 \r\n--b\r\nContent-Type: "
    "x/y\r\n\r\n\xff\r\n--b--\r\n";
static const char bad[] = "text\r\n.\r\nlone\n.\r\n";

static void give(
    struct play *play, struct body *body, const char *text, size_t n, unsigned i, uint8_t bits)
{
	const struct msv_smtp_recipient to[] = {
		{ .size = sizeof(to[0]),
		    .address = "a@x.example",
		    .notify = 6,
		    .orcpt = "rfc822;a+b" },
		{ .size = sizeof(to[0]),
		    .address = bits & UTF8 ? "\xc3\xa4@x.example" : "b@x.example" },
		{ .size = sizeof(to[0]), .address = "c@y.example" },
	};
	const struct msv_smtp_message message = {
		.size = sizeof(message),
		.from = i ? "ann@client.example" : "",
		.recipients = to,
		.nrecipients = 3,
		.octets = n,
		.body_8bit = text == eight_bit,
		.envid = "e",
		.ret = MSV_RET_HDRS,
		.auth = "<>",
		.read = on_read,
		.user = body,
	};

	*body = (struct body){ play, text, n, false };
	struct msv_op *op = msv_op_new(play->env, on_outcome, body);
	MUST(op);
	msv_smtp_client_send(play->conn, &message, (struct msv_smtp_send_op){ op });
}

/* -- Playing -------------------------------------------------------------------------------- */

static void take_output(struct play *play)
{
	const void *p;
	size_t n;

	while ((n = msv_conn_output(play->conn, &p)) > 0) {
		if (play->random)
			n = 1 + roll(play, (uint32_t)n);
		put(&play->said, p, n);
		msv_conn_sent(play->conn, n);
	}
}

/* Lets happen what can happen: bodies come, keys are computed. */
static void settle(struct play *play)
{
	do {
		msv_test_run(play->test);
		if (play->paused) {
			play->paused = false;
			msv_conn_resume(play->conn);
		}
		take_output(play);
	} while (play->paused);
	msv_test_run(play->test);
	take_output(play);
}

static void feed(struct play *play, const char *p, size_t n)
{
	size_t piece;

	for (size_t at = 0; at < n; at += piece) {
		settle(play);
		piece = play->random ? 1 + roll(play, 40) : n;
		if (piece > n - at)
			piece = n - at;
		msv_conn_input(play->conn, p + at, piece);
	}
	settle(play);
	msv_conn_eof(play->conn, 0);
	for (int i = 0; i < 20 && !(msv_conn_want(play->conn) & MSV_WANT_CLOSE); i++) {
		settle(play);
		msv_test_advance(play->test, 700000);
		msv_conn_tick(play->conn);
	}
	settle(play);
}

static bool mentions(const uint8_t *data, size_t size, const char *word)
{
	size_t n = strlen(word);

	for (size_t i = 0; i + n <= size; i++)
		if (strncasecmp((const char *)data + i, word, n) == 0)
			return true;
	return false;
}

/* Lines end in CRLF, there is no NUL, and 8 bits only where they were offered. */
static void check_said(const struct text *said, bool seven_bit)
{
	for (size_t i = 0; i < said->n; i++) {
		char c = said->p[i];
		MUST(c);
		MUST((c == '\n') == (i > 0 && said->p[i - 1] == '\r'));
		MUST(!seven_bit || !(c & 0x80));
	}
}

static void play_once(struct play *play, const uint8_t *data, size_t size, bool random)
{
	struct msv_peer peer = { .size = sizeof(peer), .address = "192.0.2.1", .session_id = "s" };
	struct body bodies[MESSAGES];
	uint8_t bits = data[0];
	struct msv_smtp_client_config config = {
		.size = sizeof(config),
		.hostname = "client.example",
		.lmtp = bits & LMTP,
		.no_pipelining = bits & NO_PIPELINING,
		.no_chunking = bits & NO_CHUNKING,
		.username = bits & LOGIN ? "tim" : NULL,
		.password = "secret",
		.auth_in_clear = true,
		.reply_octets_max = 10000,
		.over = on_over,
		.user = play,
	};

	memset(play, 0, sizeof(*play));
	play->random = random;
	play->dice = data[1] + 256 * (uint32_t)size;
	MUST(msv_test_env_new(0, &play->test) == 0);
	play->env = msv_test_env(play->test);
	MUST(msv_smtp_client_new(play->env, &config, &peer, &play->conn) == 0);
	give(play, &bodies[0], plain, sizeof(plain) - 1, 0, bits);
	give(play, &bodies[1], eight_bit, sizeof(eight_bit) - 1, 1, bits);
	if (bits & BAD_BODY)
		give(play, &bodies[2], bad, sizeof(bad) - 1, 2, bits);
	else
		give(play, &bodies[2], plain, sizeof(plain) - 1, 2, bits);
	feed(play, (const char *)data + 2, size - 2);
	MUST(msv_conn_want(play->conn) & MSV_WANT_CLOSE);
	MUST(play->answered == MESSAGES && play->over == 1);
	msv_conn_free(play->conn);
	MUST(msv_test_memory_peak(play->test) < size * 4 + 400000);
	MUST(msv_test_env_free(play->test) == 0);
	check_said(&play->said,
	    !mentions(data + 2, size - 2, "8BITMIME") && !mentions(data + 2, size - 2, "SMTPUTF8"));
}

/* What was said first may have been cut off before it was heard. */
static void compare(const struct play *one, const struct play *two)
{
	const struct text *a = &one->story, *b = &two->story;

	if (a->n == b->n && memcmp(a->p, b->p, a->n) == 0 && one->said.n <= two->said.n &&
	    (!one->said.n || memcmp(one->said.p, two->said.p, one->said.n) == 0))
		return;
	fprintf(stderr, "-- in one piece:\n%.*s%.*s\n-- in random pieces:\n%.*s%.*s\n",
	    (int)one->said.n, one->said.p, (int)a->n, a->p, (int)two->said.n, two->said.p,
	    (int)b->n, b->p);
	abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct play one, two;

	if (size < 2)
		return 0;
	play_once(&one, data, size, false);
	play_once(&two, data, size, true);
	compare(&one, &two);
	free(one.said.p);
	free(one.story.p);
	free(two.said.p);
	free(two.story.p);
	return 0;
}
