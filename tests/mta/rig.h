/* An mta over the memory store, with SMTP sessions in front of it. */
#ifndef TESTS_MTA_RIG_H
#define TESTS_MTA_RIG_H

#include <mailserv/mailserv.h>
#include <stdio.h>
#include <string.h>

#include "check_main.h"
#include "config.h"

/* A domain beyond ASCII. */
#define IDN_DOMAIN "b\xc3\xbc\x63her.example"

struct rig {
	struct msv_test_env *test;
	struct msv_env *env;
	struct msv_memory_store *memory;
	struct msv_store store; /* the memory store's, for tests to change */
	struct msv_mta *mta;
	struct msv_smtp_config config;
	void (*tweak)(struct rig *rig, struct msv_mta_options *options); /* may be NULL */
	struct msv_queue *queue;                                         /* outbox.h's */
};

/* A new one; late: the store answers later.  An allocation failure leaves it
 * half made: rig_close() takes that too. */
static inline int rig_try(struct rig *rig, bool late, const char *spool, size_t body_memory)
{
	static const char *const users[] = { "anna@example.org", "a", "bert@example.org", "b",
		"plus+sign@example.org", "p", "scanner", "s", "carl@" IDN_DOMAIN, "c", NULL };
	static const char *const domains[] = {
		"Example.org",
		"example.com",
#ifdef HAVE_IDN2
		IDN_DOMAIN,
#endif
	};
	struct msv_memory_options memory = { .size = sizeof memory, .late = late };
	int error = msv_memory_store_new(rig->env, &memory, &rig->memory);
	const struct msv_auth *auth = error ? NULL : msv_test_auth(rig->test, users);
	if (!auth)
		return MSV_ERR_NOMEM;
	rig->store = *msv_memory_store(rig->memory);
	struct msv_mta_options options = { .size = sizeof options,
		.hostname = "mx.example.org",
		.domains = domains,
		.ndomains = sizeof domains / sizeof *domains,
		.postmaster = "bert@example.org",
		.auth = auth,
		.store = &rig->store,
		.spool = spool,
		.body_memory = body_memory };
	if (rig->tweak)
		rig->tweak(rig, &options);
	error = msv_mta_new(rig->env, &options, &rig->mta);
	if (error)
		return error;
	rig->config = (struct msv_smtp_config){ .size = sizeof rig->config,
		.hostname = "mx.example.org",
		.handler = msv_mta_handler(rig->mta),
		.user = rig->mta,
		.auth = auth,
		.auth_in_clear = true };
	return 0;
}

static inline void rig_open(struct rig *rig, bool late)
{
	memset(rig, 0, sizeof *rig);
	ck_assert_int_eq(msv_test_env_new(1, &rig->test), 0);
	rig->env = msv_test_env(rig->test);
	ck_assert_int_eq(rig_try(rig, late, NULL, 0), 0);
}

/* Frees all; nothing may be left. */
static inline void rig_close(struct rig *rig)
{
	msv_mta_free(rig->mta);
	msv_queue_free(rig->queue);
	if (rig->memory) {
		msv_test_run(rig->test);
		msv_memory_store_free(rig->memory);
	}
	ck_assert_uint_eq(msv_test_env_free(rig->test), 0);
}

/* Plays a script against a new session of that role. */
static inline void rig_play(struct rig *rig, enum msv_smtp_role role, const char *script)
{
	struct msv_peer peer = { .size = sizeof peer, .address = "192.0.2.7", .session_id = "s1" };
	struct msv_conn *conn;
	const char *difference = "";
	rig->config.role = role;
	ck_assert_int_eq(msv_smtp_server_new(rig->env, &rig->config, &peer, &conn), 0);
	int error = msv_test_dialogue(rig->test, conn, MSV_SPLIT_LINES, script, &difference);
	ck_assert_msg(error == 0, "%s", difference);
	msv_conn_free(conn);
	msv_test_run(rig->test);
}

/* -- Looking into mailboxes ------------------------------------------------------- */

struct rig_look {
	int error;
	uint32_t messages;
	struct msv_mailbox *mailbox;
	struct msv_open_message *message;
	uint64_t octets;
	char text[65536];
	size_t n;
	bool done;
};

static inline void rig_on_open(void *user, int error, const void *result)
{
	struct rig_look *look = user;
	const struct msv_open_result *open = result;
	look->error = error;
	look->done = true;
	if (!error) {
		look->mailbox = open->mailbox;
		look->messages = open->status.messages;
	}
}

static inline void rig_on_content(void *user, int error, const void *result)
{
	struct rig_look *look = user;
	const struct msv_message_content *content = result;
	look->error = error;
	look->done = true;
	if (!error) {
		look->message = content->message;
		look->octets = content->octets;
	}
}

static inline void rig_on_read(void *user, int error, const void *result)
{
	struct rig_look *look = user;
	const struct msv_span *span = result;
	look->error = error;
	look->done = true;
	if (error || span->n == 0 || look->n + span->n >= sizeof look->text) {
		look->octets = 0;
		return;
	}
	memcpy(look->text + look->n, span->p, span->n);
	look->n += span->n;
}

/* Lets things happen until the op is answered. */
static inline void rig_wait(struct rig *rig, struct rig_look *look)
{
	for (int i = 0; i < 100 && !look->done; i++) {
		msv_test_run(rig->test);
		if (!look->done)
			msv_test_advance(rig->test, 10);
	}
	ck_assert(look->done);
	look->done = false;
}

/* How many messages a mailbox has; -1: no such mailbox.  The text (up to 64
 * KiB) of the message with that UID, if not 0, in `text`. */
static inline int rig_count(
    struct rig *rig, const char *user, const char *mailbox, uint32_t uid, char *text)
{
	static struct rig_look look;
	const struct msv_store *store = msv_memory_store(rig->memory);
	struct msv_actor actor = { .size = sizeof actor, .user = user };
	memset(&look, 0, sizeof look);
	struct msv_open_op open = { msv_op_new(rig->env, rig_on_open, &look) };
	store->open(store->self, &actor, mailbox, true, open);
	rig_wait(rig, &look);
	if (look.error)
		return -1;
	if (uid) {
		struct msv_content_op content = { msv_op_new(rig->env, rig_on_content, &look) };
		store->msg_open(store->self, look.mailbox, uid, content);
		rig_wait(rig, &look);
		ck_assert_int_eq(look.error, 0);
		while (look.n < look.octets) {
			struct msv_read_op op = { msv_op_new(rig->env, rig_on_read, &look) };
			store->msg_read(store->self, look.message, look.n, 4096, op);
			rig_wait(rig, &look);
			ck_assert_int_eq(look.error, 0);
		}
		memcpy(text, look.text, look.n);
		text[look.n] = '\0';
		store->msg_close(store->self, look.message);
	}
	store->close(store->self, look.mailbox);
	msv_test_run(rig->test);
	return (int)look.messages;
}

#endif
