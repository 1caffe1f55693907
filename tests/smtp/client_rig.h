/* An SMTP client under test: its env, messages that are given to it, what became
 * of them as text, and dialogues played in every split. */
#ifndef TESTS_SMTP_CLIENT_RIG_H
#define TESTS_SMTP_CLIENT_RIG_H

#include <mailserv/smtp_client.h>
#include <mailserv/testing.h>
#include <stdio.h>
#include <string.h>

#include "check_main.h"

enum { RIG_MESSAGES = 4 };

struct rig_client;

/* A message whose body is text in memory. */
struct rig_message {
	struct rig_client *rig;
	struct msv_smtp_message message;
	struct msv_smtp_recipient recipients[8];
	const char *body;
	size_t nbody, piece; /* octets given at once, 0: all */
	unsigned pause_every, reads;
	int error; /* what read() fails with behind the body */
	struct msv_op *op;
	bool answered;
};

struct rig_client {
	struct msv_test_env *test;
	struct msv_env *env;
	struct msv_smtp_client_config config;
	struct msv_conn *conn;
	struct rig_message messages[RIG_MESSAGES];
	size_t nmessages;

	char story[16384]; /* what became of the messages, and of the session */
	char trace[65536];
	size_t nstory, ntrace;
	bool late;           /* read() pauses before each piece */
	const char *free_in; /* the call in which it frees the connection */
	bool quit_at_once;   /* after the messages */
	struct msv_timer *timer;
};

static inline void rig_tell(struct rig_client *rig, const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	int n = vsnprintf(rig->story + rig->nstory, sizeof(rig->story) - rig->nstory, fmt, args);
	va_end(args);
	ck_assert(n >= 0 && (size_t)n < sizeof(rig->story) - rig->nstory);
	rig->nstory += (size_t)n;
}

/* The connection goes away in the call of that name, if that was asked for. */
static inline void rig_interfere(struct rig_client *rig, struct msv_conn *conn, const char *call)
{
	if (rig->free_in && strcmp(rig->free_in, call) == 0) {
		rig->free_in = NULL;
		rig->conn = NULL;
		msv_conn_free(conn);
	}
}

/* -- Callbacks -------------------------------------------------------------------- */

static inline void rig_resume(void *user)
{
	struct rig_client *rig = user;

	if (rig->conn)
		msv_conn_resume(rig->conn);
}

static inline int rig_read(
    void *user, struct msv_conn *conn, uint64_t offset, const void **p, size_t *n)
{
	struct rig_message *m = user;
	struct rig_client *rig = m->rig;

	ck_assert(!m->answered);
	rig_interfere(rig, conn, "read");
	if ((rig->late || (m->pause_every && m->reads % m->pause_every == 0)) &&
	    m->reads++ % 2 == 0) {
		msv_timer_start(rig->timer, msv_env_now(rig->env));
		return MSV_PAUSE;
	}
	ck_assert_uint_le(offset, m->nbody);
	size_t left = m->nbody - (size_t)offset;
	if (!left && m->error)
		return m->error;
	*n = m->piece && m->piece < left ? m->piece : left;
	*p = m->body + offset;
	return 0;
}

static inline void rig_ready(void *user, struct msv_conn *conn)
{
	rig_interfere(user, conn, "ready");
}

static inline void rig_over(void *user, struct msv_conn *conn)
{
	struct rig_client *rig = user;

	rig_tell(rig, "over\n");
	rig_interfere(rig, conn, "over");
}

static inline void rig_trace(
    void *user, struct msv_conn *conn, enum msv_smtp_trace what, const char *line)
{
	struct rig_client *rig = user;
	size_t room = sizeof(rig->trace) - rig->ntrace;

	for (const char *p = line; *p; p++)
		ck_assert(*p >= 0x20 && *p < 0x7f);
	rig_interfere(rig, conn, "trace");
	int n = snprintf(rig->trace + rig->ntrace, room, "%c %s\n", "><*"[what], line);
	if ((size_t)n < room)
		rig->ntrace += (size_t)n;
}

static inline void rig_verdict(
    struct rig_client *rig, const char *address, const struct msv_smtp_verdict *v)
{
	static const char *const stages[] = { "connect", "hello", "tls", "auth", "mail", "rcpt",
		"data", "end" };

	ck_assert_int_ge(v->code, 200);
	ck_assert_int_le(v->code, 599);
	ck_assert(!v->permanent || v->code >= 500);
	ck_assert_uint_le(strlen(v->text), 512);
	rig_tell(rig, "%s: %s %d %s%s%s%s%s%s\n", address, stages[v->stage], v->code, v->enhanced,
	    *v->enhanced ? " " : "", v->text, v->remote ? "" : " (we)",
	    v->permanent ? " (permanent)" : "", v->untried ? " (untried)" : "");
}

static inline void rig_answered(void *user, int error, const void *result)
{
	struct rig_message *m = user;
	const struct msv_smtp_outcome *o = result;

	m->answered = true;
	m->op = NULL;
	if (error) {
		rig_tell(m->rig, "error %d\n", error);
		return;
	}
	ck_assert_uint_eq(o->nrecipients, m->message.nrecipients);
	size_t accepted = 0;
	for (size_t i = 0; i < o->nrecipients; i++) {
		rig_verdict(m->rig, m->recipients[i].address, &o->recipients[i]);
		accepted += o->recipients[i].code / 100 == 2;
	}
	ck_assert_uint_eq(o->accepted, accepted);
	rig_tell(m->rig, "%s%s%s%s", o->completed ? "completed\n" : "",
	    o->uncertain ? "uncertain\n" : "", o->over ? "no more\n" : "",
	    o->tls_failed ? "tls failed\n" : "");
}

/* -- The rig ------------------------------------------------------------------------ */

static inline void rig_start(struct rig_client *rig)
{
	memset(rig, 0, sizeof(*rig));
	ck_assert_int_eq(msv_test_env_new(0, &rig->test), 0);
	rig->env = msv_test_env(rig->test);
	ck_assert_int_eq(msv_timer_new(rig->env, rig_resume, rig, &rig->timer), 0);
	rig->config = (struct msv_smtp_client_config){
		.size = sizeof(rig->config),
		.hostname = "client.example",
		.ready = rig_ready,
		.over = rig_over,
		.trace = rig_trace,
		.user = rig,
	};
}

/* A connection as the config says; NULL when there was no memory for it. */
static inline struct msv_conn *rig_connect(struct rig_client *rig)
{
	struct msv_peer peer = {
		.size = sizeof(peer), .address = "192.0.2.25", .port = 25, .session_id = "c1"
	};

	rig->conn = NULL;
	int error = msv_smtp_client_new(rig->env, &rig->config, &peer, &rig->conn);
	ck_assert(error == 0 || error == MSV_ERR_NOMEM);
	return rig->conn;
}

/* A message with that body to the recipients, a list ended by NULL. */
static inline struct rig_message *rig_compose(
    struct rig_client *rig, const char *body, const char *const *recipients)
{
	ck_assert_uint_lt(rig->nmessages, RIG_MESSAGES);
	struct rig_message *m = &rig->messages[rig->nmessages++];
	*m = (struct rig_message){ .rig = rig, .body = body, .nbody = strlen(body) };
	m->message = (struct msv_smtp_message){
		.size = sizeof(m->message),
		.from = "ann@client.example",
		.recipients = m->recipients,
		.octets = m->nbody,
		.read = rig_read,
		.user = m,
	};
	for (size_t i = 0; recipients[i]; i++) {
		ck_assert_uint_lt(i, 8);
		m->recipients[i] = (struct msv_smtp_recipient){ .size = sizeof(m->recipients[i]),
			.address = recipients[i] };
		m->message.nrecipients++;
	}
	return m;
}

#define TO(...) ((const char *const[]){ __VA_ARGS__, NULL })

static inline void rig_send(struct rig_message *m)
{
	struct msv_op *op = msv_op_new(m->rig->env, rig_answered, m);

	if (!op)
		return;
	m->op = op;
	msv_smtp_client_send(m->rig->conn, &m->message, (struct msv_smtp_send_op){ op });
}

static inline void rig_send_all(struct rig_client *rig)
{
	for (size_t i = 0; i < rig->nmessages && rig->conn; i++)
		rig_send(&rig->messages[i]);
	if (rig->quit_at_once && rig->conn)
		msv_smtp_client_quit(rig->conn);
}

/* Everything is gone: every message was answered, no memory lost. */
static inline void rig_stop(struct rig_client *rig)
{
	msv_conn_free(rig->conn);
	rig->conn = NULL;
	msv_test_run(rig->test);
	for (size_t i = 0; i < rig->nmessages; i++)
		ck_assert(!rig->messages[i].op);
	msv_timer_free(rig->timer);
	ck_assert_uint_eq(msv_test_env_free(rig->test), 0);
}

/* One way to play a script: how the server's bytes are cut, how bodies come. */
struct rig_way {
	enum msv_dialogue_split split;
	bool late;
	size_t piece;
};

static const struct rig_way rig_ways[] = {
	{ MSV_SPLIT_LINES, false, 0 },
	{ MSV_SPLIT_BYTES, false, 1 },
	{ MSV_SPLIT_PIPELINE, false, 0 },
	{ MSV_SPLIT_LINES, true, 3 },
	{ MSV_SPLIT_BYTES, true, 0 },
};

/* Plays the script in every way, each against a new client that `setup` has given
 * its messages; what became of them must be `story`. */
static inline void rig_play(
    void (*setup)(struct rig_client *rig), const char *script, const char *story)
{
	static struct rig_client rig;

	for (size_t i = 0; i < sizeof(rig_ways) / sizeof(rig_ways[0]); i++) {
		const char *difference = NULL;

		rig_start(&rig);
		rig.late = rig_ways[i].late;
		setup(&rig);
		for (size_t k = 0; k < rig.nmessages; k++)
			if (!rig.messages[k].piece)
				rig.messages[k].piece = rig_ways[i].piece;
		ck_assert_ptr_nonnull(rig_connect(&rig));
		rig_send_all(&rig);
		int error = msv_test_client_dialogue(
		    rig.test, rig.conn, rig_ways[i].split, script, &difference);
		ck_assert_msg(!error, "way %zu: %s", i, difference);
		if (story)
			ck_assert_str_eq(rig.story, story);
		rig_stop(&rig);
	}
}

#define GREETING "S: 220 mx.example ESMTP\n"
/* Up to the end of EHLO with these extensions, a line each. */
#define HELLO(extensions) \
	GREETING "C: EHLO client.example\n" extensions "S: 250 ENHANCEDSTATUSCODES\n"
#define BARE_HELLO HELLO("S: 250-mx.example hello\n")
#define BODY       "Subject: hi\r\n\r\ntext\r\n"

#endif
