/* Everything the child serves with. */
#ifndef SERVER_H
#define SERVER_H

#include <mailserv/mta.h>
#include <mailserv/uv.h>

#include "mailservd.h"

/* A listener at work: what its connections are made of. */
struct service {
	struct server *server;
	const struct listener *listener;
	struct msv_smtp_config smtp;
	struct msv_imap_config imap;
};

#define WAITERS_MAX 16
#define TRACERS_MAX 8

struct server {
	struct daemon *daemon;
	const struct config *config;
	uv_loop_t loop;
	struct msv_uv *uv;
	struct msv_uv_resolver *resolver;
	struct msv_env *env;
	struct msv_tls *tls;
	struct msv_passwd *passwd;
	struct msv_throttle *throttle;
	struct msv_maildir *maildir;
	struct msv_queue *queue;
	struct msv_mta *mta;
	struct msv_tls_client *client_tls; /* trusts the system's roots */
	struct msv_tls_client **route_tls; /* one per route with a CA of its own */
	struct runner *runner;
	int runner_fd;
	struct service *services;           /* one per listener of the configuration */
	struct msv_uv_listener **listeners; /* one per port */
	struct control *control;
	int parent;
	uv_poll_t parent_poll;
	uv_signal_t sigterm, sigint;
	bool stopping, reload_failed;
	struct reply *waiters[WAITERS_MAX]; /* for the end of a reload */
	size_t nwaiters;
	struct reply *tracers[TRACERS_MAX]; /* who watch outgoing sessions */
	size_t ntracers;
	uint64_t accepted, logins, login_failures;
	uint64_t started; /* ms of the loop */
};

#define SECRET_SIZE 32
/* What the salts invented for unknown users come from: they must not change, or
 * they would tell who is unknown. */
#define SECRET_FILE ".mailserv-secret"
/* secret.c: a secret of this installation, made when there is none; in the mail
 * directory, which must be the working directory.  0 or MSV_ERR_IO. */
int server_secret(struct msv_env *env, const char *file, uint8_t secret[SECRET_SIZE]);

/* services.c: sessions for listeners.  0 or an error that was told. */
int services_start(struct server *server);

/* reload.c: the log, and everybody who waits for the reload, hears the line. */
void server_tell(struct server *server, enum msv_log_level level, const char *line);
/* reload.c: takes certificates (at the start: for the first time).  0 or an
 * error that was told. */
int server_take_certs(struct server *server, const struct contents *packed);
/* A message from the parent. */
void server_take_message(
    struct server *server, enum message_type type, const struct contents *contents);

/* -- runner.c: programs that aliases name ------------------------------------------ */

/* Forks the process that runs them, as who calls.  *fd talks to it.  0 or -1. */
int runner_start(int *fd);
struct runner;
/* The server's side of it; takes fd.  NULL: no memory. */
struct runner *runner_new(struct server *server, int fd);
const struct msv_program_runner *runner_interface(const struct runner *runner);
void runner_free(struct runner *runner);

/* -- sending.c: the queue, routes, aliases -------------------------------------------- */

/* Makes the queue's directory while there is root, for the mail user.  0 or -1 and said
 * why. */
int sending_prepare(const struct config *config, uid_t uid, gid_t gid);
/* Queue, DNS, connections and the mta.  0 or an error that was told. */
int sending_start(struct server *server, struct msv_mta_options *options);
/* Takes the text of the aliases file. */
int server_take_aliases(struct server *server, const struct contents *text);
/* After the mta. */
void sending_finish(struct server *server);

#endif
