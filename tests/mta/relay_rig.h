/* A relay with a queue on disk, and a world of hosts in memory that do as they are
 * told. */
#ifndef TESTS_MTA_RELAY_RIG_H
#define TESTS_MTA_RELAY_RIG_H

#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include <mailserv/mailserv.h>

#include "base/conn.h"
#include "base/op.h"
#include "check_main.h"
#include "mta/relay_parts.h"

#define MINUTE ((uint64_t)60000)
#define HOUR   (60 * MINUTE)

/* -- Hosts ---------------------------------------------------------------------------- */

/* A host: what it says where it does not say yes.  Replies have their CRLF. */
struct host {
	const char *address; /* or the path of a socket */
	int error;           /* connecting fails */
	const char *greeting, *ehlo, *starttls, *auth, *mail, *data, *end;
	/* For RCPT: a reply for each address that has this in it. */
	struct {
		const char *part, *reply;
	} rcpts[4];
	const struct msv_smtp_config *server; /* a real one, instead of all of this */
	unsigned most;                        /* connections at once; the others get 421 */
	bool lmtp;
	bool silent_end;       /* takes the message, and the connection is gone */
	unsigned messages_max; /* then 421 to MAIL */

	/* What came of it. */
	unsigned turned_away, connects, open, open_most, mails, messages, recipients, quits,
	    starttlses;
	char text[8192]; /* of the last message, envelope lines on top */
	size_t ntext;
	char said[2048]; /* the commands of the last connection */
};

struct world {
	struct host hosts[8];
	size_t n;
	char connects[4096]; /* the addresses, in order: "192.0.2.1 " each */
	unsigned open, open_most;
};

struct talk {
	struct msv_conn conn;
	struct world *world;
	struct host *host;
	bool begun, data, refused;
	unsigned rcpts, messages;
};

static inline const char *or_ok(const char *reply)
{
	return reply ? reply : "250 2.0.0 yes\r\n";
}

static inline void host_note(char *to, size_t room, const char *p, size_t n)
{
	size_t have = strlen(to);
	if (have + n + 1 >= room)
		return;
	memcpy(to + have, p, n);
	memcpy(to + have + n, "\n", 2);
}

static inline const char *host_rcpt(struct talk *t, const char *line, size_t n)
{
	if (t->refused)
		return "503 5.5.1 MAIL first\r\n";
	for (size_t i = 0; i < 4 && t->host->rcpts[i].part; i++)
		if (memmem(line, n, t->host->rcpts[i].part, strlen(t->host->rcpts[i].part)))
			return t->host->rcpts[i].reply;
	t->rcpts++;
	t->host->recipients++;
	return or_ok(NULL);
}

static inline const char *host_mail(struct talk *t, const char *line, size_t n)
{
	struct host *host = t->host;
	t->rcpts = 0;
	if (host->messages_max && t->messages >= host->messages_max)
		return "421 4.3.2 enough for now\r\n";
	t->refused = host->mail && *host->mail != '2';
	host->mails++;
	host->text[0] = '\0';
	host->ntext = 0;
	host_note(host->text, sizeof host->text, line, n);
	return or_ok(host->mail);
}

static inline bool is_verb(const char *line, size_t n, const char *verb)
{
	return n >= strlen(verb) && strncasecmp(line, verb, strlen(verb)) == 0;
}

static inline const char *host_answer(struct talk *t, const char *line, size_t n)
{
	struct host *host = t->host;
	if (is_verb(line, n, "EHLO") || is_verb(line, n, "LHLO"))
		return host->ehlo ? host->ehlo : "250-mx\r\n250-PIPELINING\r\n250 8BITMIME\r\n";
	if (is_verb(line, n, "STARTTLS")) {
		host->starttlses++;
		return host->starttls ? host->starttls : "454 4.7.0 no\r\n";
	}
	if (is_verb(line, n, "AUTH"))
		return host->auth ? host->auth : "235 2.7.0 yes\r\n";
	if (is_verb(line, n, "MAIL"))
		return host_mail(t, line, n);
	if (is_verb(line, n, "RCPT")) {
		host_note(host->text, sizeof host->text, line, n);
		return host_rcpt(t, line, n);
	}
	if (is_verb(line, n, "DATA")) {
		t->data = t->rcpts > 0 && !host->data;
		return host->data ? host->data : t->data ? "354 go\r\n" : "554 5.5.1 none\r\n";
	}
	if (is_verb(line, n, "QUIT")) {
		host->quits++;
		return "221 2.0.0 bye\r\n";
	}
	return or_ok(NULL);
}

static inline void host_end(struct talk *t)
{
	struct host *host = t->host;
	t->data = false;
	t->messages++;
	if (host->silent_end) {
		msv_conn_break(&t->conn);
		return;
	}
	host->messages += !host->end || *host->end == '2';
	for (unsigned i = 0; i < (host->lmtp ? t->rcpts : 1); i++)
		msv_buf_puts(
		    &t->conn.out, host->lmtp && i == 1 ? "452 4.2.2 full\r\n" : or_ok(host->end));
}

static inline void host_line(struct talk *t, const char *line, size_t n)
{
	struct host *host = t->host;
	if (t->data && n == 1 && *line == '.') {
		host_end(t);
		return;
	}
	if (t->data) {
		host_note(host->text, sizeof host->text, line, n);
		return;
	}
	host_note(host->said, sizeof host->said, line, n);
	const char *answer = host_answer(t, line, n);
	msv_buf_puts(&t->conn.out, answer);
	if (is_verb(line, n, "QUIT") || strncmp(answer, "421", 3) == 0 ||
	    strncmp(answer, "521", 3) == 0)
		msv_conn_end(&t->conn);
}

static inline void talk_step(struct msv_conn *conn)
{
	struct talk *t = (struct talk *)conn;
	if (!t->begun) {
		const char *greeting = t->host->greeting ? t->host->greeting : "220 mx ESMTP\r\n";
		if (t->host->most && t->host->open > t->host->most)
			greeting = "421 4.7.0 too many connections from you\r\n";
		t->host->turned_away += *greeting == '4';
		t->begun = true;
		msv_buf_puts(&conn->out, greeting);
		if (*greeting == '4')
			msv_conn_end(conn);
	}
	while (!msv_conn_ended(conn)) {
		const char *p = msv_buf_data(&conn->in);
		const char *end = memmem(p, msv_buf_len(&conn->in), "\r\n", 2);
		if (!end)
			break;
		size_t n = (size_t)(end - p);
		host_line(t, p, n);
		msv_buf_consume(&conn->in, n + 2);
	}
	if (conn->eof)
		msv_conn_end(conn);
}

static inline void talk_expire(struct msv_conn *conn)
{
	(void)conn;
}

static inline void talk_shutdown(struct msv_conn *conn, enum msv_shutdown why)
{
	(void)conn, (void)why;
}

static inline void talk_destroy(struct msv_conn *conn)
{
	struct talk *t = (struct talk *)conn;
	t->host->open--;
	t->world->open--;
}

static inline struct host *world_host(struct world *world, const char *address)
{
	for (size_t i = 0; i < world->n; i++)
		if (strcmp(world->hosts[i].address, address) == 0)
			return &world->hosts[i];
	return NULL;
}

static inline struct msv_conn *world_accept(
    void *user, const struct msv_transport_target *target, int *error);

/* -- The rig ------------------------------------------------------------------------------ */

struct rig {
	struct msv_test_env *test;
	struct msv_env *env;
	struct world world;
	struct msv_queue *queue;
	struct msv_relay *relay;
	const struct msv_dns *dns;
	const struct msv_transport *transport;
	struct msv_mta_options options;
	struct relay_hooks hooks;
	struct msv_memory_store *memory;
	unsigned next_id;
	char directory[64];
	char log[1 << 18];
};

static struct rig rig;

static inline struct msv_conn *world_accept(
    void *user, const struct msv_transport_target *target, int *error)
{
	static const struct msv_proto proto = { "host", talk_step, talk_expire, talk_shutdown, NULL,
		talk_destroy, NULL };
	struct world *world = user;
	const char *address = target->path ? target->path : target->address;
	struct host *host = world_host(world, address);
	struct msv_peer peer = { .size = sizeof peer, .address = "203.0.113.1", .session_id = "t" };
	size_t have = strlen(world->connects);
	snprintf(world->connects + have, sizeof world->connects - have, "%s ", address);
	if (host)
		host->connects++;
	if (!host || host->error) {
		*error = host ? host->error : MSV_ERR_IO;
		return NULL;
	}
	if (host->server) {
		struct msv_conn *conn = NULL;
		*error = msv_smtp_server_new(rig.env, host->server, &peer, &conn);
		return *error ? NULL : conn;
	}
	struct talk *t = msv_alloc(rig.env, sizeof *t);
	*error = MSV_ERR_NOMEM;
	if (!t)
		return NULL;
	t->world = world;
	t->host = host;
	if (msv_conn_init(&t->conn, rig.env, &proto, &peer) != 0) {
		msv_free(rig.env, t);
		return NULL;
	}
	host->said[0] = '\0';
	host->open++;
	if (host->open > host->open_most)
		host->open_most = host->open;
	if (++world->open > world->open_most)
		world->open_most = world->open;
	return &t->conn;
}

static inline struct host *rig_host(const char *address)
{
	struct host *host = world_host(&rig.world, address);
	if (host)
		return host;
	host = &rig.world.hosts[rig.world.n++];
	ck_assert_uint_le(rig.world.n, 8);
	host->address = address;
	return host;
}

/* Options are the test's until rig_start(). */
static inline void rig_new(const char *zone)
{
	static const char *const users[] = { "anna@example.org", "a", NULL };
	struct msv_memory_options memory = { .size = sizeof memory };
	const char *tmp = access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp";
	memset(&rig, 0, sizeof rig);
	snprintf(rig.directory, sizeof rig.directory, "%s/msv-relay-XXXXXX", tmp);
	ck_assert_ptr_nonnull(mkdtemp(rig.directory));
	ck_assert_int_eq(msv_test_env_new(1, &rig.test), 0);
	rig.env = msv_test_env(rig.test);
	rig.dns = msv_test_dns(rig.test, zone);
	ck_assert_ptr_nonnull(rig.dns);
	rig.transport = msv_test_transport(rig.test, world_accept, &rig.world);
	ck_assert_int_eq(msv_memory_store_new(rig.env, &memory, &rig.memory), 0);
	rig.options = (struct msv_mta_options){ .size = sizeof rig.options,
		.hostname = "us.example.org",
		.auth = msv_test_auth(rig.test, users),
		.store = msv_memory_store(rig.memory),
		.transport = rig.transport,
		.spool = rig.directory,
		.dns = rig.dns };
}

static inline int rig_try_start(void)
{
	struct msv_queue_options queue = { .size = sizeof queue, .directory = rig.directory };
	int error = msv_queue_open(rig.env, &queue, &rig.queue);
	rig.options.queue = rig.queue;
	return error ? error : msv_relay_new(rig.env, &rig.options, &rig.hooks, &rig.relay);
}

static inline void rig_start(void)
{
	ck_assert_int_eq(rig_try_start(), 0);
}

static inline void rig_stop(void)
{
	msv_relay_free(rig.relay);
	rig.relay = NULL;
	msv_queue_free(rig.queue);
	rig.queue = NULL;
	msv_test_run(rig.test);
}

static inline int rig_remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	(void)st, (void)type, (void)ftw;
	return remove(path);
}

static inline void rig_close(void)
{
	rig_stop();
	msv_memory_store_free(rig.memory);
	msv_test_run(rig.test);
	ck_assert_uint_eq(msv_test_env_free(rig.test), 0);
	nftw(rig.directory, rig_remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

/* -- Messages ------------------------------------------------------------------------------- */

#define BODY "Subject: hello\r\n\r\nA line\r\n.dot\r\n"

static inline void rig_on_added(void *user, int error, const void *result)
{
	(void)result;
	*(int *)user = error;
}

/* Queues a message; members that are 0 are filled in. */
static inline int rig_try_add(struct queue_message *m, struct queue_recipient *recipients, size_t n)
{
	static char ids[4096][16];
	static char destinations[64][RELAY_DESTINATION_SIZE];
	char *id = ids[rig.next_id++ % 4096];
	int error = 1;
	snprintf(id, 16, "m%05u", rig.next_id);
	for (size_t i = 0; i < n && i < 64; i++) {
		const char *at = recipients[i].address ? strrchr(recipients[i].address, '@') : NULL;
		if (recipients[i].destination || !at)
			continue;
		ck_assert_int_eq(msv_relay_destination(rig.relay, at + 1, destinations[i]), 0);
		recipients[i].destination = destinations[i];
	}
	m->id = m->id ? m->id : id;
	m->from = m->from ? m->from : "me@sender.example";
	m->arrived = m->arrived ? m->arrived : msv_env_realtime(rig.env);
	m->expires = m->expires ? m->expires : m->arrived + 345600 * SECOND;
	m->recipients = recipients;
	m->nrecipients = n;
	m->head = m->head ? m->head : BODY;
	m->nhead = m->nhead ? m->nhead : strlen(m->head);
	struct queue_add_op op = { msv_op_new(rig.env, rig_on_added, &error) };
	if (!op.op)
		return MSV_ERR_NOMEM;
	msv_queue_add(rig.queue, m, op);
	/* Its answer, and nothing of what it sets off beyond this moment. */
	for (int i = 0; error == 1 && i < 1000; i++)
		msv_test_run(rig.test);
	return error;
}

static inline void rig_add(const char *to)
{
	struct queue_message m = { 0 };
	struct queue_recipient r = { .address = to };
	ck_assert_int_eq(rig_try_add(&m, &r, 1), 0);
}

static inline struct msv_queue_stats rig_stats(void)
{
	struct msv_queue_stats stats = { .size = sizeof stats };
	msv_queue_stats(rig.queue, &stats);
	return stats;
}

/* The log since the last call. */
static inline const char *rig_log(void)
{
	snprintf(rig.log, sizeof rig.log, "%s", msv_test_log(rig.test));
	return rig.log;
}

/* How often `part` stands in the text. */
static inline unsigned count_of(const char *text, const char *part)
{
	unsigned n = 0;
	for (const char *p = text; (p = strstr(p, part)); p += strlen(part))
		n++;
	return n;
}

#define ck_assert_has(text, part) \
	do { \
		const char *has_text = (text), *has_part = (part); \
		ck_assert_msg( \
		    strstr(has_text, has_part) != NULL, "no '%s' in: %s", has_part, has_text); \
	} while (0)
#define ck_assert_has_not(text, part) \
	do { \
		const char *has_text = (text), *has_part = (part); \
		ck_assert_msg( \
		    strstr(has_text, has_part) == NULL, "'%s' in: %s", has_part, has_text); \
	} while (0)

#endif
