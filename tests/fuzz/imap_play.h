/*
 * Plays what a client sends to an IMAP session, twice: in one piece, with a store
 * that answers at once; and in random pieces, read in random pieces through a
 * small window, with a store that answers late.  Both must say the same, and what
 * they say must be made of whole responses.
 */
#ifndef TESTS_FUZZ_IMAP_PLAY_H
#define TESTS_FUZZ_IMAP_PLAY_H

#include <mailserv/imap_server.h>
#include <mailserv/testing.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* What the input says is so. */
#define MUST(condition) \
	do { \
		if (!(condition)) { \
			fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #condition); \
			abort(); \
		} \
	} while (0)

/* Bits of the first byte. */
enum { PLAY_LITERAL_MINUS = 1, PLAY_FEW_ERRORS = 2, PLAY_SMALL_LIMITS = 4, PLAY_DOTS = 8 };

struct text {
	char *p;
	size_t n, cap;
};

struct play {
	struct msv_test_env *test;
	struct msv_memory_store *memory;
	struct msv_conn *conn;
	struct text said;
	bool random;
	uint32_t dice;
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

static uint32_t roll(struct play *play, uint32_t sides)
{
	play->dice = play->dice * 1664525 + 1013904223;
	return (play->dice >> 16) % sides;
}

/* -- Mail in the store --------------------------------------------------------------- */

static const struct msv_account play_account = {
	.size = sizeof(play_account), .name = "user", .home = ""
};
static const struct msv_actor play_actor = { .size = sizeof(play_actor), .user = "user" };

static void play_answered(void *user, int error, const void *result)
{
	const struct msv_append_handle *handle = result;
	struct msv_append **append = user;

	MUST(!error);
	if (append)
		*append = handle->append;
}

static void play_deliver(
    struct play *play, const char *mailbox, uint32_t flags, const char *keyword, const char *text)
{
	const struct msv_store *store = msv_memory_store(play->memory);
	struct msv_env *env = msv_test_env(play->test);
	struct msv_append *append = NULL;
	struct msv_append_message message = {
		.size = sizeof(message),
		.flags = flags,
		.keywords = &keyword,
		.nkeywords = keyword != NULL,
		.internal_date = 1000000000,
		.verbatim = true,
	};

	store->append_begin(store->self, &play_actor, mailbox,
	    (struct msv_append_op){ msv_op_new(env, play_answered, &append) });
	msv_test_run(play->test);
	store->append_add(store->self, append, &message, msv_op_new(env, play_answered, NULL));
	msv_test_run(play->test);
	store->append_write(
	    store->self, append, text, strlen(text), msv_op_new(env, play_answered, NULL));
	msv_test_run(play->test);
	store->append_commit(
	    store->self, append, (struct msv_copy_op){ msv_op_new(env, play_answered, NULL) });
	msv_test_run(play->test);
}

static void play_create(struct play *play, const char *mailbox)
{
	const struct msv_store *store = msv_memory_store(play->memory);

	store->create(store->self, &play_actor, mailbox, 0,
	    msv_op_new(msv_test_env(play->test), play_answered, NULL));
	msv_test_run(play->test);
}

static void play_fill(struct play *play, char separator)
{
	char name[] = "box/child";

	name[3] = separator;
	play_create(play, "box");
	play_create(play, name);
	play_deliver(play, "INBOX", MSV_FLAG_SEEN, NULL,
	    "From: A <a@example.org>\r\nSubject: =?utf-8?q?gr=C3=BC=C3=9Fe?=\r\n"
	    "Date: Fri, 21 Nov 1997 09:55:06 -0600\r\n\r\nHello there\r\n");
	play_deliver(play, "INBOX", MSV_FLAG_DELETED, "Work",
	    "Subject: parts\r\nContent-Type: multipart/mixed; boundary=x\r\n\r\n"
	    "--x\r\nContent-Type: text/html; charset=koi8-r\r\n"
	    "Content-Transfer-Encoding: quoted-printable\r\n\r\n=D0=D2=C9=\r\n=D7=C5=D4\r\n"
	    "--x\r\nContent-Type: message/rfc822\r\n\r\nSubject: inner\r\n\r\ninner "
	    "text\r\n--x--\r\n");
	play_deliver(play, "INBOX", MSV_FLAG_FLAGGED | MSV_FLAG_PASSED, NULL, "no header");
	play_deliver(play, "box", 0, NULL, "Subject: in a box\r\n\r\nboxed\r\n");
}

/* -- Playing ---------------------------------------------------------------------------- */

/* Takes output as it comes, in pieces of any size. */
static void play_settle(struct play *play)
{
	const void *p;
	size_t n;

	msv_test_run(play->test);
	while ((n = msv_conn_output(play->conn, &p))) {
		if (play->random && n > 1)
			n = 1 + roll(play, (uint32_t)n);
		put(&play->said, p, n);
		msv_conn_sent(play->conn, n);
		if (!play->random || roll(play, 2))
			msv_test_run(play->test);
	}
	msv_test_run(play->test);
}

static void play_feed(struct play *play, const char *p, size_t n)
{
	while (n) {
		size_t piece = play->random ? 1 + roll(play, roll(play, 2) ? 4 : 100) : n;
		if (piece > n)
			piece = n;
		msv_conn_input(play->conn, p, piece);
		p += piece;
		n -= piece;
		if (play->random && roll(play, 2))
			play_settle(play);
	}
	msv_conn_eof(play->conn, 0);
	for (int i = 0; i < 100000 && msv_conn_want(play->conn) != MSV_WANT_CLOSE; i++)
		play_settle(play);
}

/* One line, over the literals in it; returns what is behind. */
static const char *play_check_line(const char *p, const char *end)
{
	int depth = 0;
	bool quoted = false;

	for (;; p++) {
		const char *number = p + 1;
		MUST(p < end);
		if (quoted && *p == '\\') {
			p++;
		} else if (*p == '"') {
			quoted = !quoted;
		} else if (!quoted && (*p == '(' || *p == ')')) {
			depth += *p == '(' ? 1 : -1;
			MUST(depth >= 0);
		} else if (!quoted && *p == '{') {
			char *stop;
			size_t n = strtoul(number, &stop, 10);
			if (stop == number || memcmp(stop, "}\r\n", 3) != 0)
				continue; /* a tag may hold one */
			MUST((size_t)(end - stop) > n + 3);
			MUST(!memchr(stop + 3, '\0', n));
			p = stop + 2 + n;
		} else if (*p == '\r') {
			MUST(!quoted && depth == 0 && p[1] == '\n');
			return p + 2;
		} else {
			MUST(*p != '\n' && *p != '\0');
		}
	}
}

static void play_once(
    struct play *play, const uint8_t *data, size_t size, bool selected, bool random)
{
	static const char *const users[] = { "user", "secret", NULL };
	struct msv_peer peer = { .size = sizeof(peer), .session_id = "s" };
	struct msv_memory_options options = { .size = sizeof(options), .late = random && selected };
	struct msv_imap_config config = {
		.size = sizeof(config),
		.login_in_clear = true,
		.account = selected ? &play_account : NULL,
		.literal_minus = data[0] & PLAY_LITERAL_MINUS,
		.errors_max = data[0] & PLAY_FEW_ERRORS ? 3 : 1000,
		.auth_failures_max = 1000,
		.command_max = data[0] & PLAY_SMALL_LIMITS ? 200 : 0,
		.preauth_line_max = data[0] & PLAY_SMALL_LIMITS ? 100 : 0,
		.append_max = 1000,
		.output_window = random ? 1 : 0,
	};

	memset(play, 0, sizeof(*play));
	play->random = random;
	play->dice = data[1] + 256 * (uint32_t)size;
	options.separator = data[0] & PLAY_DOTS ? '.' : '/';
	MUST(msv_test_env_new(0, &play->test) == 0);
	MUST(msv_memory_store_new(msv_test_env(play->test), &options, &play->memory) == 0);
	if (selected)
		play_fill(play, options.separator);
	config.store = msv_memory_store(play->memory);
	config.auth = msv_test_auth(play->test, users);
	MUST(msv_imap_server_new(msv_test_env(play->test), &config, &peer, &play->conn) == 0);
	if (selected)
		msv_conn_input(play->conn, "s SELECT INBOX\r\n", 16);
	play_feed(play, (const char *)data + 2, size - 2);
	MUST(msv_conn_want(play->conn) == MSV_WANT_CLOSE);
	msv_conn_free(play->conn);
	msv_test_run(play->test);
	msv_memory_store_free(play->memory);
	MUST(msv_test_memory_peak(play->test) < size * 40 + 2000000);
	MUST(msv_test_env_free(play->test) == 0);
	MUST(play->said.n > 0);
	for (const char *p = play->said.p, *end = p + play->said.n; p < end;)
		p = play_check_line(p, end);
}

static void play_both(const uint8_t *data, size_t size, bool selected)
{
	static struct play one, two;

	if (size < 2)
		return;
	play_once(&one, data, size, selected, false);
	play_once(&two, data, size, selected, true);
	if (one.said.n != two.said.n || memcmp(one.said.p, two.said.p, one.said.n) != 0) {
		fprintf(stderr, "-- in one piece:\n%.*s\n-- in random pieces:\n%.*s\n",
		    (int)one.said.n, one.said.p, (int)two.said.n, two.said.p);
		abort();
	}
	free(one.said.p);
	free(two.said.p);
}

#endif
