/*
 * Fuzzes an SMTP session.  The first byte says what server it is, the second
 * how it is treated; the rest is what the peer sends.  Each input is played
 * twice: in one piece with every question answered at once, and in random
 * pieces with answers, pauses and resumes at random times.  Both must say and
 * do the same.
 */
#include <mailserv/smtp_server.h>
#include <mailserv/testing.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MESSAGE_MAX = 5000 };

/* Bits of the first byte. */
enum { ROLE = 3, AUTH = 4, NORMALIZE = 8, REQUIRE_TLS = 16, FEW_ERRORS = 32, DSN = 64 };

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
	struct text said, story; /* by the server; by the handler */
	bool random;             /* the second way of playing */
	uint32_t dice;
	char last; /* byte of the body */
	size_t body;
	int transactions;
	bool paused;
	struct msv_reply_op waiting[64]; /* not answered yet */
	int codes[64];
	size_t nwaiting;
};

static uint32_t roll(struct play *play, uint32_t sides)
{
	play->dice = play->dice * 1664525 + 1013904223;
	return (play->dice >> 16) % sides;
}

/* -- The handler ------------------------------------------------------------------ */

static void tell(struct play *play, const char *what, const char *detail)
{
	put(&play->story, what, strlen(what));
	put(&play->story, detail, strlen(detail));
	put(&play->story, "\n", 1);
}

static void give(struct msv_reply_op op, int code)
{
	msv_reply_recipient(op, 1, 452, NULL, "recipient 1");
	if (code)
		msv_reply(op, code, "5.1.1", "because\nof the name");
	else
		msv_reply_ok(op);
}

/* The first letter of a name decides. */
static void answer(struct play *play, struct msv_reply_op op, const char *name)
{
	int code = *name == 'n' ? 550 : *name == 't' ? 450 : *name == 'c' ? 421 : 0;

	if (!play->random || roll(play, 3) == 0 || play->nwaiting == 64) {
		give(op, code);
		return;
	}
	play->codes[play->nwaiting] = code;
	play->waiting[play->nwaiting++] = op;
}

static void on_connect(void *user, struct msv_conn *conn, struct msv_reply_op op)
{
	(void)conn;
	tell(user, "connect", "");
	answer(user, op, "");
}

static void on_helo(void *user, struct msv_conn *conn, const char *name, struct msv_reply_op op)
{
	(void)conn;
	tell(user, "helo ", name);
	answer(user, op, name);
}

/* An address as RFC 5321 knows it: no controls, and its parts make it. */
static void check_address(const struct msv_smtp_address *a)
{
	for (const char *p = a->address; *p; p++)
		MUST((unsigned char)*p >= 0x20 && *p != 0x7f);
	MUST(!strpbrk(a->domain, " <>@\""));
	MUST(strlen(a->address) >= strlen(a->domain));
	MUST(strcmp(a->address + strlen(a->address) - strlen(a->domain), a->domain) == 0);
}

/* What the sender says of himself has no controls in it: it goes into queue files,
 * other sessions and notifications. */
static void check_words(const char *words)
{
	for (const char *p = words; p && *p; p++)
		MUST((unsigned char)*p >= 0x20 && *p != 0x7f);
}

static void on_mail(
    void *user, struct msv_conn *conn, const struct msv_smtp_mail *mail, struct msv_reply_op op)
{
	struct play *play = user;

	MUST(!msv_smtp_transaction(conn) && play->transactions == 0);
	play->transactions++;
	play->body = 0;
	play->last = '\n';
	msv_smtp_set_transaction(conn, play);
	check_address(&mail->from);
	tell(play, "mail ", mail->from.address);
	tell(play, "auth ", mail->auth ? mail->auth : "");
	check_words(mail->envid);
	tell(play, "envid ", mail->envid ? mail->envid : "");
	answer(play, op, mail->from.local);
}

static void on_rcpt(
    void *user, struct msv_conn *conn, const struct msv_smtp_rcpt *rcpt, struct msv_reply_op op)
{
	MUST(msv_smtp_transaction(conn) == user);
	check_address(&rcpt->to);
	tell(user, "rcpt ", rcpt->to.address);
	check_words(rcpt->orcpt);
	MUST(!rcpt->orcpt || strchr(rcpt->orcpt, ';'));
	MUST(!(rcpt->notify & MSV_NOTIFY_NEVER) || rcpt->notify == MSV_NOTIFY_NEVER);
	tell(user, "orcpt ", rcpt->orcpt ? rcpt->orcpt : "");
	answer(user, op, rcpt->to.local);
}

static void on_data(void *user, struct msv_conn *conn, struct msv_reply_op op)
{
	MUST(msv_smtp_transaction(conn) == user);
	tell(user, "data", "");
	answer(user, op, "");
}

/* Lines end in CRLF, and there is no NUL. */
static int on_body(void *user, struct msv_conn *conn, const void *p, size_t n)
{
	struct play *play = user;

	MUST(n > 0 && !play->paused && msv_smtp_transaction(conn) == play);
	for (const char *c = p; c < (const char *)p + n; c++) {
		MUST(*c && (*c == '\n' ? play->last == '\r' : play->last != '\r'));
		play->last = *c;
	}
	play->body += n;
	MUST(play->body <= MESSAGE_MAX);
	put(&play->story, p, n);
	if (!play->random || roll(play, 4))
		return 0;
	if (roll(play, 2))
		msv_conn_resume(conn);
	else
		play->paused = true;
	return MSV_PAUSE;
}

static void on_done(void *user, struct msv_conn *conn, struct msv_reply_op op)
{
	struct play *play = user;

	MUST(msv_smtp_transaction(conn) == play && !play->paused && play->last != '\r');
	play->transactions--;
	tell(play, "done", "");
	answer(play, op, "");
}

static void on_reset(void *user, struct msv_conn *conn, enum msv_smtp_reset why)
{
	struct play *play = user;

	MUST(msv_smtp_transaction(conn) == play);
	play->transactions--;
	play->paused = false;
	tell(play, "reset", why == MSV_SMTP_RESET_GONE ? " gone" : "");
}

static const struct msv_smtp_handler handler = { sizeof(handler), on_connect, on_helo, on_mail,
	on_rcpt, on_data, on_body, on_done, on_reset, NULL };

/* -- Playing ---------------------------------------------------------------------- */

static void take_output(struct play *play)
{
	struct msv_span out = msv_test_take_output(play->test, play->conn);

	put(&play->said, out.p, out.n);
}

/* Everything that can happen without the peer has happened afterwards. */
static void settle(struct play *play)
{
	size_t before;

	do {
		before = play->said.n;
		take_output(play);
		while (play->nwaiting) {
			play->nwaiting--;
			give(play->waiting[play->nwaiting], play->codes[play->nwaiting]);
			take_output(play);
		}
		if (play->paused) {
			play->paused = false;
			before = SIZE_MAX;
			msv_conn_resume(play->conn);
		}
	} while (play->said.n != before || play->nwaiting || play->paused);
}

/* Answers that are held back come, too. */
static void wait_for_answers(struct play *play)
{
	settle(play);
	for (int i = 0; i < 20; i++) {
		size_t before = play->said.n;
		msv_test_advance(play->test, 1000);
		settle(play);
		if (play->said.n == before)
			break;
	}
}

static void feed(struct play *play, const char *p, size_t n)
{
	while (n) {
		size_t piece = play->random ? 1 + roll(play, roll(play, 2) ? 4 : 100) : n;
		if (piece > n)
			piece = n;
		msv_conn_input(play->conn, p, piece);
		p += piece;
		n -= piece;
		if (play->random && roll(play, 2))
			settle(play);
	}
	wait_for_answers(play);
	msv_conn_eof(play->conn, 0);
	wait_for_answers(play);
}

/* Every line begins with a code and is not too long (but for challenges). */
static void check_said(const struct play *play)
{
	const char *p = play->said.p, *end = p + play->said.n;

	while (p < end) {
		const char *lf = memchr(p, '\n', (size_t)(end - p));
		MUST(lf && lf - p >= 5 && lf[-1] == '\r');
		MUST(p[0] >= '2' && p[0] <= '5' && (p[3] == ' ' || p[3] == '-'));
		MUST(lf + 1 - p <= 512 || memcmp(p, "334 ", 4) == 0);
		p = lf + 1;
	}
}

static void play_once(struct play *play, const uint8_t *data, size_t size, bool random)
{
	static const char *const users[] = { "tim", "tanstaaftanstaaf", NULL };
	struct msv_peer peer = { .size = sizeof(peer), .session_id = "s" };
	enum msv_smtp_role roles[] = { MSV_SMTP_MX, MSV_SMTP_SUBMISSION, MSV_SMTP_LMTP,
		MSV_SMTP_MX };
	struct msv_smtp_config config = {
		.size = sizeof(config),
		.role = roles[data[0] & ROLE],
		.handler = &handler,
		.user = play,
		.auth_in_clear = true,
		.no_auth_needed = !(data[0] & AUTH),
		.normalize_lines = data[0] & NORMALIZE,
		.require_tls = data[0] & REQUIRE_TLS,
		.message_octets_max = MESSAGE_MAX,
		.recipients_max = 10,
		.hops_max = 3,
		.line_octets_max = 512,
		.errors_max = data[0] & FEW_ERRORS ? 5 : 1000,
		.errors_soft = data[0] & FEW_ERRORS ? 2 : 1000,
		.idle_s = 1000000,
		.total_s = 4000000,
		.offer_dsn = data[0] & DSN,
	};

	memset(play, 0, sizeof(*play));
	play->random = random;
	play->dice = data[1] + 256 * (uint32_t)size;
	MUST(msv_test_env_new(0, &play->test) == 0);
	play->env = msv_test_env(play->test);
	if (data[0] & AUTH)
		config.auth = msv_test_auth(play->test, users);
	MUST(msv_smtp_server_new(play->env, &config, &peer, &play->conn) == 0);
	feed(play, (const char *)data + 2, size - 2);
	MUST(msv_conn_want(play->conn) == MSV_WANT_CLOSE);
	msv_conn_free(play->conn);
	MUST(play->transactions == 0 && play->nwaiting == 0);
	MUST(msv_test_memory_peak(play->test) < size * 8 + 1000000);
	MUST(msv_test_env_free(play->test) == 0);
	check_said(play);
}

static void compare(const struct text *a, const struct text *b)
{
	if (a->n == b->n && (a->n == 0 || memcmp(a->p, b->p, a->n) == 0))
		return;
	fprintf(stderr, "-- in one piece:\n%.*s\n-- in random pieces:\n%.*s\n", (int)a->n, a->p,
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
	compare(&one.said, &two.said);
	compare(&one.story, &two.story);
	free(one.said.p);
	free(one.story.p);
	free(two.said.p);
	free(two.story.p);
	return 0;
}
