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

/* Somebody waits for the end of a reload. */
struct waiter {
	answer_fn answer;
	void *user;
};

#define WAITERS_MAX 16

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
	struct msv_mta *mta;
	struct service *services;           /* one per listener of the configuration */
	struct msv_uv_listener **listeners; /* one per port */
	struct control *control;
	int parent;
	uv_poll_t parent_poll;
	uv_signal_t sigterm, sigint;
	bool stopping, reload_failed;
	struct waiter waiters[WAITERS_MAX];
	size_t nwaiters;
	uint64_t accepted, logins, login_failures;
	uint64_t started; /* ms of the loop */
};

#define SECRET_SIZE 32
/* secret.c: the secret of this installation, made when there is none; in the
 * mail directory, which must be the working directory.  0 or MSV_ERR_IO. */
int server_secret(struct msv_env *env, uint8_t secret[SECRET_SIZE]);

/* services.c: sessions for listeners.  0 or an error that was told. */
int services_start(struct server *server);

/* reload.c: takes certificates (at the start: for the first time).  0 or an
 * error that was told. */
int server_take_certs(struct server *server, const struct contents *packed);
/* A message from the parent. */
void server_take_message(
    struct server *server, enum message_type type, const struct contents *contents);

#endif
