/* An SMTP server under test: its env, a handler that writes down what it is
 * told and does as the addresses say, and dialogues played in every split. */
#ifndef TESTS_SMTP_RIG_H
#define TESTS_SMTP_RIG_H

#include <mailserv/smtp_server.h>
#include <mailserv/testing.h>
#include <stdio.h>
#include <string.h>

#include "check_main.h"

struct rig {
	struct msv_test_env *test;
	struct msv_env *env;
	struct msv_smtp_config config;
	struct msv_smtp_handler handler;
	struct msv_conn *conn;

	/* What the handler was told: one line a call; and the body it got. */
	char story[16384];
	char body[262144];
	size_t nbody, story_len, body_calls;

	/* What it does. */
	bool late;                /* answers from the loop, not at once */
	bool never;               /* does not answer at all */
	unsigned pause_every;     /* body() pauses at every n-th call */
	int body_error;           /* what body() returns */
	const char *free_in;      /* the call in which it frees the connection */
	const char *shutdown_in;  /* ... shuts it down */
	const char *resume_in;    /* "body": resumes before it says MSV_PAUSE */
	struct msv_reply_op held; /* the op of `never` */
	int transactions;         /* begun, not ended */
};

/* -- The story --------------------------------------------------------------- */

static inline void rig_tell(struct rig *rig, const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	int n =
	    vsnprintf(rig->story + rig->story_len, sizeof(rig->story) - rig->story_len, fmt, args);
	va_end(args);
	ck_assert(n >= 0 && (size_t)n < sizeof(rig->story) - rig->story_len);
	rig->story_len += (size_t)n;
}

/* The connection goes away in the call of that name, if that was asked for. */
static inline void rig_interfere(struct rig *rig, struct msv_conn *conn, const char *call)
{
	if (rig->free_in && strcmp(rig->free_in, call) == 0) {
		rig->free_in = NULL;
		rig->conn = NULL;
		msv_conn_free(conn);
	}
	if (rig->shutdown_in && strcmp(rig->shutdown_in, call) == 0) {
		rig->shutdown_in = NULL;
		msv_conn_shutdown(conn, MSV_SHUTDOWN_KICK);
	}
}

/* -- Answers, at once or late -------------------------------------------------- */

struct rig_answer {
	struct msv_reply_op op;
	struct msv_timer *timer;
	int code;
	const char *enhanced, *text;
	bool each; /* LMTP: the second recipient is refused */
};

static inline void rig_give(void *user)
{
	struct rig_answer *a = user;
	struct msv_timer *timer = a->timer;

	if (a->each) {
		msv_reply_recipient(a->op, 1, 452, "4.2.2", "second mailbox is full");
		msv_reply_recipient(a->op, 7777, 550, NULL, NULL);
	}
	if (a->code)
		msv_reply(a->op, a->code, a->enhanced, a->text);
	else
		msv_reply_ok(a->op);
	msv_timer_free(timer);
	free(a);
}

static inline void rig_answer(
    struct rig *rig, struct msv_reply_op op, int code, const char *enhanced, const char *text)
{
	struct rig_answer *a = calloc(1, sizeof(*a));

	*a = (struct rig_answer){ .op = op, .code = code, .enhanced = enhanced, .text = text };
	if (rig->never) {
		rig->held = op;
		free(a);
	} else if (rig->late && msv_timer_new(rig->env, rig_give, a, &a->timer) == 0) {
		msv_timer_start(a->timer, msv_env_now(rig->env));
	} else {
		rig_give(a);
	}
}

/* -- The handler ----------------------------------------------------------------- */

/* The answer a local part asks for. */
static inline void rig_answer_for(struct rig *rig, struct msv_reply_op op, const char *local)
{
	int code = 0;

	if (strcmp(local, "nobody") == 0)
		rig_answer(rig, op, 550, "5.1.1", "no such user");
	else if (strcmp(local, "busy") == 0)
		rig_answer(rig, op, 450, NULL, NULL);
	else if (strcmp(local, "closing") == 0)
		rig_answer(rig, op, 421, NULL, NULL);
	else if (strcmp(local, "long") == 0)
		rig_answer(rig, op, 550, "5.7.1", "first\nsecond \x01\xc3\xa9 line");
	else if (sscanf(local, "code%d", &code) == 1)
		rig_answer(rig, op, code, "9.9.9", NULL);
	else if (strcmp(local, "error") == 0)
		msv_op_answer(op.op, MSV_ERR_IO);
	else
		rig_answer(rig, op, 0, NULL, NULL);
}

static inline void rig_connect(void *user, struct msv_conn *conn, struct msv_reply_op op)
{
	struct rig *rig = user;

	rig_tell(rig, "connect\n");
	rig_interfere(rig, conn, "connect");
	rig_answer(rig, op, 0, NULL, NULL);
}

static inline void rig_helo(
    void *user, struct msv_conn *conn, const char *name, struct msv_reply_op op)
{
	struct rig *rig = user;

	rig_tell(rig, "helo %s\n", name);
	rig_interfere(rig, conn, "helo");
	rig_answer_for(rig, op, name);
}

static inline void rig_mail(
    void *user, struct msv_conn *conn, const struct msv_smtp_mail *mail, struct msv_reply_op op)
{
	struct rig *rig = user;

	ck_assert_ptr_null(msv_smtp_transaction(conn));
	msv_smtp_set_transaction(conn, rig);
	rig->transactions++;
	rig->nbody = 0;
	rig_tell(rig, "mail <%s>", mail->from.address);
	if (mail->declared_octets)
		rig_tell(rig, " size=%llu", (unsigned long long)mail->declared_octets);
	rig_tell(rig, "%s%s", mail->body_8bit ? " 8bit" : "", mail->smtputf8 ? " utf8" : "");
	if (mail->auth)
		rig_tell(rig, " auth=%s", mail->auth);
	if (mail->ret)
		rig_tell(rig, " ret=%s", mail->ret == MSV_RET_FULL ? "full" : "hdrs");
	if (mail->envid)
		rig_tell(rig, " envid='%s'", mail->envid);
	if (mail->requiretls)
		rig_tell(rig, " requiretls");
	if (mail->hold)
		rig_tell(rig, " hold=%s=%llu", mail->hold, (unsigned long long)mail->hold_until);
	rig_tell(rig, "\n");
	rig_interfere(rig, conn, "mail");
	rig_answer_for(rig, op, mail->from.local);
}

static inline void rig_rcpt(
    void *user, struct msv_conn *conn, const struct msv_smtp_rcpt *rcpt, struct msv_reply_op op)
{
	struct rig *rig = user;

	ck_assert_ptr_eq(msv_smtp_transaction(conn), rig);
	rig_tell(rig, "rcpt %zu <%s> %s at %s", rcpt->index, rcpt->to.address, rcpt->to.local,
	    rcpt->to.domain);
	if (rcpt->notify)
		rig_tell(rig, " notify=%x", rcpt->notify);
	if (rcpt->orcpt)
		rig_tell(rig, " orcpt='%s'", rcpt->orcpt);
	rig_tell(rig, "\n");
	rig_interfere(rig, conn, "rcpt");
	rig_answer_for(rig, op, rcpt->to.local);
}

static inline void rig_data(void *user, struct msv_conn *conn, struct msv_reply_op op)
{
	struct rig *rig = user;

	rig_tell(rig, "data\n");
	rig_interfere(rig, conn, "data");
	rig_answer(rig, op, 0, NULL, NULL);
}

static inline int rig_body(void *user, struct msv_conn *conn, const void *p, size_t n)
{
	struct rig *rig = user;

	ck_assert(n > 0 && n <= sizeof(rig->body) - rig->nbody);
	memcpy(rig->body + rig->nbody, p, n);
	rig->nbody += n;
	rig_interfere(rig, conn, "body");
	if (rig->resume_in)
		msv_conn_resume(conn);
	rig->body_calls++;
	if (rig->pause_every && rig->body_calls % rig->pause_every == 0)
		return MSV_PAUSE;
	return rig->body_error;
}

static inline void rig_done(void *user, struct msv_conn *conn, struct msv_reply_op op)
{
	struct rig *rig = user;
	struct rig_answer *a;

	ck_assert_ptr_eq(msv_smtp_transaction(conn), rig);
	rig->transactions--;
	rig_tell(rig, "done %zu\n", rig->nbody);
	rig_interfere(rig, conn, "done");
	if (rig->config.role == MSV_SMTP_LMTP && !rig->never) {
		a = calloc(1, sizeof(*a));
		*a = (struct rig_answer){ .op = op, .each = true };
		if (!rig->late || msv_timer_new(rig->env, rig_give, a, &a->timer))
			rig_give(a);
		else
			msv_timer_start(a->timer, msv_env_now(rig->env));
		return;
	}
	rig_answer(rig, op, 0, NULL, NULL);
}

static inline void rig_reset(void *user, struct msv_conn *conn, enum msv_smtp_reset why)
{
	static const char *const words[] = { "command", "refused", "gone" };
	struct rig *rig = user;

	ck_assert_ptr_eq(msv_smtp_transaction(conn), rig);
	rig->transactions--;
	rig_tell(rig, "reset %s\n", words[why]);
	rig_interfere(rig, conn, "reset");
}

/* -- The rig ---------------------------------------------------------------------- */

static inline void rig_start(struct rig *rig)
{
	memset(rig, 0, sizeof(*rig));
	ck_assert_int_eq(msv_test_env_new(0, &rig->test), 0);
	rig->env = msv_test_env(rig->test);
	rig->handler = (struct msv_smtp_handler){
		.size = sizeof(rig->handler),
		.connect = rig_connect,
		.helo = rig_helo,
		.mail = rig_mail,
		.rcpt = rig_rcpt,
		.data = rig_data,
		.body = rig_body,
		.done = rig_done,
		.reset = rig_reset,
	};
	rig->config = (struct msv_smtp_config){
		.size = sizeof(rig->config),
		.hostname = "mx.example",
		.handler = &rig->handler,
		.user = rig,
	};
}

/* A connection as the config says; NULL when there was no memory for it. */
static inline struct msv_conn *rig_connection(struct rig *rig)
{
	struct msv_peer peer = {
		.size = sizeof(peer),
		.address = "192.0.2.1",
		.port = 1025,
		.session_id = "s1",
	};

	rig->conn = NULL;
	int error = msv_smtp_server_new(rig->env, &rig->config, &peer, &rig->conn);
	ck_assert(error == 0 || error == MSV_ERR_NOMEM);
	return rig->conn;
}

/* Everything is gone: no transaction was forgotten, no memory lost. */
static inline void rig_stop(struct rig *rig)
{
	msv_conn_free(rig->conn);
	if (rig->held.op)
		msv_reply_ok(rig->held);
	msv_test_run(rig->test);
	ck_assert_int_eq(rig->transactions, 0);
	ck_assert_uint_eq(msv_test_env_free(rig->test), 0);
}

static inline void rig_expect_story(struct rig *rig, const char *story)
{
	ck_assert_str_eq(rig->story, story);
}

/* One way to play a script: how the bytes are cut, how answers come. */
struct rig_way {
	enum msv_dialogue_split split;
	bool late;
};

static const struct rig_way rig_ways[] = {
	{ MSV_SPLIT_LINES, false },
	{ MSV_SPLIT_BYTES, false },
	{ MSV_SPLIT_PIPELINE, false },
	{ MSV_SPLIT_LINES, true },
	{ MSV_SPLIT_BYTES, true },
	{ MSV_SPLIT_PIPELINE, true },
};

/* Plays the script in every way, each against a new server that `setup` (may be
 * NULL) has prepared; `after` (may be NULL) looks at what came of it. */
static inline void rig_play(
    void (*setup)(struct rig *rig), const char *script, void (*after)(struct rig *rig))
{
	static struct rig rig;

	for (size_t i = 0; i < sizeof(rig_ways) / sizeof(rig_ways[0]); i++) {
		const char *difference = NULL;

		rig_start(&rig);
		rig.late = rig_ways[i].late;
		if (setup)
			setup(&rig);
		ck_assert_ptr_nonnull(rig_connection(&rig));
		int error =
		    msv_test_dialogue(rig.test, rig.conn, rig_ways[i].split, script, &difference);
		ck_assert_msg(!error, "%s%s", rig.late ? "(late) " : "", difference);
		if (after)
			after(&rig);
		rig_stop(&rig);
	}
}

#define GREETING "S: 220 mx.example ESMTP ready\n"
#define HELLO \
	GREETING "C: EHLO client.example\n" \
	         "S~\n" \
	         "S: 250 ENHANCEDSTATUSCODES\n"
/* Up to the first recipient. */
#define ENVELOPE \
	HELLO "C: MAIL FROM:<ann@client.example>\n" \
	      "S: 250 2.1.0 sender ok\n" \
	      "C: RCPT TO:<bob@mx.example>\n" \
	      "S: 250 2.1.5 recipient ok\n"
#define DATA \
	"C: DATA\n" \
	"S: 354 end the message with a line that is a single dot\n"

#endif
