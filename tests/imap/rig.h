/* An IMAP server under test over the memory store: its env, its mail, several
 * connections, and dialogues played in every split, with a store that answers at
 * once and one that answers late. */
#ifndef TESTS_IMAP_RIG_H
#define TESTS_IMAP_RIG_H

#include <mailserv/imap_server.h>
#include <mailserv/testing.h>
#include <stdio.h>
#include <string.h>

#include "check_main.h"

enum { RIG_CONNS = 4 };

struct rig {
	struct msv_test_env *test;
	struct msv_env *env;
	struct msv_memory_store *memory;
	const struct msv_store *store;
	struct msv_imap_config config;
	struct msv_conn *conns[RIG_CONNS];
};

static const struct msv_account rig_user = { .size = sizeof(rig_user), .name = "user", .home = "" };
static const struct msv_actor rig_actor = { .size = sizeof(rig_actor), .user = "user" };

/* -- Beginning and end ----------------------------------------------------------- */

static inline void rig_init(struct rig *rig, bool late)
{
	static const char *const users[] = { "user", "secret", "smith@example.org", "sesame",
		NULL };
	struct msv_memory_options options = { .size = sizeof(options), .late = late };

	memset(rig, 0, sizeof(*rig));
	ck_assert_int_eq(msv_test_env_new(7, &rig->test), 0);
	rig->env = msv_test_env(rig->test);
	ck_assert_int_eq(msv_memory_store_new(rig->env, &options, &rig->memory), 0);
	rig->store = msv_memory_store(rig->memory);
	rig->config = (struct msv_imap_config){
		.size = sizeof(rig->config),
		.hostname = "imap.example",
		.store = rig->store,
		.auth = msv_test_auth(rig->test, users),
		.account = &rig_user,
		.login_in_clear = true,
	};
}

static inline struct msv_conn *rig_connect(struct rig *rig, size_t i)
{
	ck_assert_int_eq(msv_imap_server_new(rig->env, &rig->config, NULL, &rig->conns[i]), 0);
	return rig->conns[i];
}

static inline void rig_hang_up(struct rig *rig, size_t i)
{
	msv_conn_free(rig->conns[i]);
	rig->conns[i] = NULL;
	msv_test_run(rig->test);
}

static inline void rig_fini(struct rig *rig)
{
	for (size_t i = 0; i < RIG_CONNS; i++)
		msv_conn_free(rig->conns[i]);
	msv_test_run(rig->test);
	msv_memory_store_free(rig->memory);
	ck_assert_uint_eq(msv_test_env_free(rig->test), 0);
}

/* -- Mail put into the store --------------------------------------------------------- */

struct rig_answer {
	bool done;
	int error;
	struct msv_append *append;
};

static inline void rig_answered(void *user, int error, const void *result)
{
	struct rig_answer *a = user;

	(void)result;
	a->done = true;
	a->error = error;
}

static inline void rig_append_begun(void *user, int error, const void *result)
{
	rig_answered(user, error, result);
	if (!error)
		((struct rig_answer *)user)->append =
		    ((const struct msv_append_handle *)result)->append;
}

/* Waits for an answer, which must be a success. */
static inline void rig_wait(struct rig *rig, struct rig_answer *a)
{
	for (int i = 0; i < 1000 && !a->done; i++)
		msv_test_run(rig->test);
	ck_assert(a->done);
	ck_assert_int_eq(a->error, 0);
	a->done = false;
}

static inline void rig_create(struct rig *rig, const char *mailbox)
{
	struct rig_answer a = { 0 };

	rig->store->create(
	    rig->store->self, &rig_actor, mailbox, 0, msv_op_new(rig->env, rig_answered, &a));
	rig_wait(rig, &a);
}

/* A message; keyword may be NULL; date 0 is now. */
struct rig_message {
	uint32_t flags;
	const char *keyword;
	int64_t date;
	const char *text;
	size_t n; /* 0: strlen(text) */
};

/* Appends the same message `times` times, in one transaction. */
static inline void rig_append(
    struct rig *rig, const char *mailbox, const struct rig_message *m, size_t times)
{
	const struct msv_store *store = rig->store;
	struct rig_answer a = { 0 };
	struct msv_append_message message = {
		.size = sizeof(message),
		.flags = m->flags,
		.keywords = &m->keyword,
		.nkeywords = m->keyword != NULL,
		.internal_date = m->date,
		.verbatim = true,
	};

	store->append_begin(store->self, &rig_actor, mailbox,
	    (struct msv_append_op){ msv_op_new(rig->env, rig_append_begun, &a) });
	rig_wait(rig, &a);
	for (size_t i = 0; i < times; i++) {
		store->append_add(
		    store->self, a.append, &message, msv_op_new(rig->env, rig_answered, &a));
		rig_wait(rig, &a);
		store->append_write(store->self, a.append, m->text, m->n ? m->n : strlen(m->text),
		    msv_op_new(rig->env, rig_answered, &a));
		rig_wait(rig, &a);
	}
	store->append_commit(
	    store->self, a.append, (struct msv_copy_op){ msv_op_new(rig->env, rig_answered, &a) });
	rig_wait(rig, &a);
}

/* A plain message. */
static inline void rig_deliver(struct rig *rig, const char *mailbox, const char *text)
{
	rig_append(rig, mailbox, &(struct rig_message){ .text = text }, 1);
}

/* -- Dialogues ------------------------------------------------------------------------- */

#define RIG_HELLO "S: * PREAUTH [CAPABILITY " RIG_CAPABILITIES "] imap.example ready\n"
#define RIG_CAPABILITIES \
	"IMAP4rev1 LITERAL+ SASL-IR ID ENABLE IDLE NAMESPACE UNSELECT UIDPLUS MOVE CHILDREN " \
	"SPECIAL-USE CREATE-SPECIAL-USE ESEARCH"
/* SELECTs a mailbox whatever it says. */
#define RIG_SELECT(mailbox) "C: s SELECT " mailbox "\nS~\nS: s OK [READ-WRITE] SELECT completed\n"

static inline void rig_say_split(
    struct rig *rig, size_t i, enum msv_dialogue_split split, const char *script)
{
	const char *difference = "";
	int error = msv_test_dialogue(rig->test, rig->conns[i], split, script, &difference);

	ck_assert_msg(!error, "split %d: %s", (int)split, difference);
}

/* The script on one of the connections, a line at a time. */
static inline void rig_say(struct rig *rig, size_t i, const char *script)
{
	rig_say_split(rig, i, MSV_SPLIT_LINES, script);
}

/* The script on a new connection, logged in, with what prepare put into the store;
 * in each split, with each store. */
static inline void rig_play(void (*prepare)(struct rig *rig), const char *script)
{
	for (int late = 0; late < 2; late++) {
		for (int split = MSV_SPLIT_LINES; split <= MSV_SPLIT_PIPELINE; split++) {
			struct rig rig;
			rig_init(&rig, late);
			if (prepare)
				prepare(&rig);
			rig_connect(&rig, 0);
			rig_say_split(&rig, 0, (enum msv_dialogue_split)split, script);
			rig_fini(&rig);
		}
	}
}

#endif
