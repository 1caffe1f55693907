/*
 * mailservd: two processes.  The parent keeps what needs root - ports,
 * certificate keys, the passwd-file - and hands descriptors and contents over
 * a socketpair; the child meets the network and the mail and has no root.
 */
#ifndef MAILSERVD_H
#define MAILSERVD_H

#include <jansson.h>
#include <mailserv/mailserv.h>
#include <uv.h>

#include "config.h"

/* -- files.c: what the parent read for the child -------------------------------- */

/* A file's contents. */
struct contents {
	char *p;
	size_t n;
};

/* What the parent reads for the child, in memory. */
struct secrets {
	struct contents *certs, *keys; /* as many as config->ncertificates */
	struct contents passwd;
	struct contents aliases, logins; /* empty when the configuration names none */
};

/* Takes a line about a file that cannot be read. */
typedef void (*problem_fn)(void *user, const char *line);

/* Reads all; says what it cannot read.  0, or how many files failed (their
 * contents are empty then). */
unsigned secrets_read(
    const struct config *config, struct secrets *secrets, problem_fn problem, void *user);
/* Reads one file alone, `what` it is called.  0 or -1. */
int secrets_read_one(
    const char *path, const char *what, struct contents *out, problem_fn problem, void *user);
/* Wipes and frees. */
void secrets_wipe(const struct config *config, struct secrets *secrets);
void contents_wipe(struct contents *contents);

/* -- ports.c: listening sockets --------------------------------------------------- */

struct port {
	const struct listener *listener;
	int fd;
};

/* Binds every listener of the file.  Says what fails, with the remedy.  NULL
 * then; else *n ports. */
struct port *ports_open(const struct config *config, size_t *n);
/* Binds the control socket, mode 0600, replacing a stale one.  -1: said why. */
int control_open(const struct config *config);

/* -- drop.c: mail left while no daemon ran -------------------------------------------- */

/* Opens the directory, making it when missing.  -1: there is none; a line said so. */
int drop_open(const struct config *config);
/* Is there something? */
bool drop_waits(int directory);
/* Hands over what is there; blocks: for a process of its own.  True: some of it waits. */
bool drop_take(const struct config *config, int directory);

/* -- pipe.c: messages between the two processes ------------------------------------- */

enum message_type {
	MESSAGE_PASSWD = 'P',  /* to the child: contents of the passwd-file */
	MESSAGE_ALIASES = 'A', /* to the child: contents of the aliases file */
	MESSAGE_CERTS = 'C',   /* to the child: all pairs, packed by pack_certs() */
	MESSAGE_PROBLEM = 'E', /* to the child: a line about a file that cannot be read */
	MESSAGE_DONE = 'D',    /* to the child: that was all of a reload */
	MESSAGE_RELOAD = 'R',  /* to the parent: somebody asked for a reload */
};

#define MESSAGE_MAX ((size_t)64 << 20)

/* Writes one message, waiting as long as it takes.  0 or -1. */
int message_send(int fd, enum message_type type, const void *p, size_t n);
/* Reads one message, waiting for its whole.  1, 0 at the end, -1 on error; the
 * contents are the caller's to wipe. */
int message_receive(int fd, enum message_type *type, struct contents *out);
/* All pairs in one piece, and back: pairs point into `p`. */
int pack_certs(const struct config *config, const struct secrets *secrets, struct contents *out);
int unpack_certs(
    const struct config *config, const struct contents *packed, struct msv_tls_pair *pairs);

/* -- log.c ----------------------------------------------------------------------------- */

/* Opens the log the configuration names; foreground: standard error instead of
 * syslog.  0, or -1 and said why. */
int log_open(const struct config *config, bool foreground);
/* One line; also the log function of the env (user is not used). */
void log_line(void *user, enum msv_log_level level, const char *line);
void log_printf(enum msv_log_level level, const char *format, ...) MSV_PRINTF(2, 3);

/* -- privilege.c ------------------------------------------------------------------------- */

/* Finds the mail user.  0, or -1 and said why. */
int mail_user(const struct config *config, uid_t *uid, gid_t *gid);
/* Becomes the mail user for good, in the mail directory.  0, or -1 and said why. */
int privileges_drop(const struct config *config, uid_t uid, gid_t gid);

/* -- parent.c, child.c ---------------------------------------------------------------------- */

struct daemon {
	const struct config *config;
	struct port *ports;
	size_t nports;
	int control; /* listening control socket */
	struct secrets secrets;
	bool foreground;
	int ready; /* descriptor to tell when all runs, -1 none */
};

/* Forks the child and serves it until told to stop.  The exit status. */
int parent_run(struct daemon *daemon);
/* The child: serves until told to stop.  The exit status. */
int child_run(struct daemon *daemon, int parent);

/* What the child exits with when trying again makes no sense. */
#define EXIT_CANNOT_START 78

/* -- server.c: everything the child serves with ----------------------------------------------- */

struct server;

/* An answer on the control socket (control.c). */
struct reply;

/* Commands of the control socket: argv[0] is the word.  Each ends its reply, now or
 * later. */
typedef void server_command_fn(
    struct server *server, size_t argc, const char *const *argv, struct reply *reply);
server_command_fn server_status, server_who;                  /* status.c */
server_command_fn server_reload;                              /* reload.c */
server_command_fn server_queue;                               /* queue.c */
server_command_fn server_explain, server_trace, server_pause; /* transfer.c */

/* -- control.c: the control socket -------------------------------------------------------------- */

struct control;
/* Serves requests on the listening socket fd (taken).  NULL: no memory. */
struct control *control_new(struct server *server, uv_loop_t *loop, int fd);
void control_free(struct control *control);

/* A row of the answer; the reference is taken, NULL is none. */
void reply_row(struct reply *reply, json_t *row);
/* {"text": line} */
void reply_text(struct reply *reply, const char *line);
/* The end: error is NULL when all is well. */
void reply_end(struct reply *reply, const char *error);
/* Much waits to be read: pause, on_change tells when to go on. */
bool reply_full(const struct reply *reply);
/* Nobody reads any more; rows are dropped, end it soon. */
bool reply_gone(const struct reply *reply);
/* Calls fn when there is room again, and when the reader is gone. */
void reply_on_change(struct reply *reply, void (*fn)(void *user), void *user);

#endif
