/* The child: everything a mail server is, as the mail user. */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#ifdef __linux__
#include <sys/prctl.h>
#endif
#ifdef __GLIBC__
#include <malloc.h>
#endif

#include "server.h"

/* How long connections may take to end when the daemon stops. */
#define GRACE_MS 5000

/* Threads: as many messages are written and synced at once, as many passwords
 * are checked, and so on; and the pool they all come from. */
static const unsigned threads[MSV_LANE_COUNT] = {
	[MSV_LANE_DISK] = 32,
	[MSV_LANE_HASH] = 2,
	[MSV_LANE_INDEX] = 1,
};
#define THREADS "36"

/* -- Starting --------------------------------------------------------------------------- */

static int start_accounts(struct server *server)
{
	uint8_t secret[SECRET_SIZE];
	struct msv_passwd_options options = {
		.size = sizeof options, .secret = secret, .secret_len = sizeof secret
	};
	int error = server_secret(server->env, SECRET_FILE, secret);
	if (!error)
		error = msv_passwd_new(server->env, &options, &server->passwd);
	explicit_bzero(secret, sizeof secret);
	if (!error)
		error = msv_passwd_load(server->passwd, server->config->passwd,
		    server->daemon->secrets.passwd.p, server->daemon->secrets.passwd.n);
	if (!error)
		error = msv_throttle_new(
		    server->env, msv_passwd_auth(server->passwd), NULL, &server->throttle);
	return error;
}

static int start_mail(struct server *server)
{
	const struct config *config = server->config;
	/* The process stands in the mail directory: "." is beneath nothing that
	 * may be closed to it. */
	struct msv_maildir_options store = { .size = sizeof store,
		.location = config->mail_template,
		.root = ".",
		.fs_layout = config->fs_layout,
		.separator = config->separator,
		.prefix = config->prefix,
		.hostname = config->hostname };
	int error = msv_maildir_new(server->env, &store, &server->maildir);
	if (error) {
		log_printf(MSV_LOG_ERROR,
		    "%s: the mail directory cannot be used: %s; give it to the mail user",
		    config->mail_root, msv_strerror(error));
		return error;
	}
	struct msv_mta_options mta = { .size = sizeof mta,
		.hostname = config->hostname,
		.domains = (const char *const *)config->domains,
		.ndomains = config->ndomains,
		.postmaster = config->postmaster,
		.auth = msv_passwd_auth(server->passwd),
		.store = msv_maildir_store(server->maildir),
		.spool = config->spool                         ? config->spool
		         : strcmp(config->mail_root, "/") == 0 ? "/tmp"
		                                               : "." };
	return sending_start(server, &mta);
}

/* -- Loop --------------------------------------------------------------------------------------- */

static void finish(struct server *server)
{
	msv_mta_free(server->mta);
	server->mta = NULL;
	sending_finish(server);
	msv_maildir_free(server->maildir);
	msv_throttle_free(server->throttle);
	msv_passwd_free(server->passwd);
	msv_tls_free(server->tls);
	free(server->services);
	free(server->listeners);
}

static void on_drained(void *user)
{
	struct server *server = user;
	control_free(server->control);
	uv_close((uv_handle_t *)&server->parent_poll, NULL);
	uv_close((uv_handle_t *)&server->sigterm, NULL);
	uv_close((uv_handle_t *)&server->sigint, NULL);
	finish(server);
	msv_uv_free(server->uv);
}

static void stop(struct server *server)
{
	if (server->stopping)
		return;
	server->stopping = true;
	log_printf(MSV_LOG_INFO, "stopping");
	for (size_t i = 0; i < server->daemon->nports; i++)
		msv_uv_listener_free(server->listeners[i]);
	msv_uv_drain(server->uv, MSV_SHUTDOWN_SERVICE, GRACE_MS, on_drained, server);
}

static void on_signal(uv_signal_t *handle, int number)
{
	(void)number;
	stop(handle->data);
}

static void on_parent(uv_poll_t *handle, int status, int events)
{
	struct server *server = handle->data;
	enum message_type type;
	struct contents contents;
	(void)status, (void)events;
	if (message_receive(server->parent, &type, &contents) != 1) {
		uv_poll_stop(handle);
		stop(server); /* the parent is gone */
		return;
	}
	server_take_message(server, type, &contents);
	contents_wipe(&contents);
}

static int start(struct server *server)
{
	struct msv_uv_options options = { .size = sizeof options, .log = log_line };
	memcpy(options.width, threads, sizeof threads);
	struct contents packed = { 0 };
	uid_t uid;
	gid_t gid;
	if (mail_user(server->config, &uid, &gid) != 0 || uv_loop_init(&server->loop) != 0 ||
	    msv_uv_new(&server->loop, &options, &server->uv) != 0)
		return -1;
	server->env = msv_uv_env(server->uv);
	int error = pack_certs(server->config, &server->daemon->secrets, &packed);
	if (!error)
		error = server_take_certs(server, &packed);
	contents_wipe(&packed);
	if (error)
		return -1; /* the library's report has said why */
	if (sending_prepare(server->config, uid, gid) != 0 ||
	    privileges_drop(server->config, uid, gid) != 0 || start_accounts(server) != 0)
		return -1;
	if (server->config->programs && runner_start(&server->runner_fd) != 0) {
		log_printf(MSV_LOG_ERROR, "programs cannot be run: %s", strerror(errno));
		return -1;
	}
	if (start_mail(server) != 0)
		return -1;
	secrets_wipe(server->config, &server->daemon->secrets);
	server->control = control_new(server, &server->loop, server->daemon->control);
	return server->control ? services_start(server) : -1;
}

static void watch_handles(struct server *server)
{
	uv_signal_init(&server->loop, &server->sigterm);
	uv_signal_init(&server->loop, &server->sigint);
	uv_poll_init(&server->loop, &server->parent_poll, server->parent);
	server->sigterm.data = server->sigint.data = server->parent_poll.data = server;
	uv_signal_start(&server->sigterm, on_signal, SIGTERM);
	uv_signal_start(&server->sigint, on_signal, SIGINT);
	uv_poll_start(&server->parent_poll, UV_READABLE, on_parent);
}

/* Messages come and go: their memory is kept for the next ones instead of being
 * given back, and cleared and mapped again, for each. */
static void keep_memory(void)
{
#ifdef __GLIBC__
	mallopt(M_MMAP_THRESHOLD, 1 << 20);
	mallopt(M_TRIM_THRESHOLD, 16 << 20);
#endif
}

int child_run(struct daemon *daemon, int parent)
{
	struct server server = {
		.daemon = daemon, .config = daemon->config, .parent = parent, .runner_fd = -1
	};
	keep_memory();
	signal(SIGPIPE, SIG_IGN);
	setenv("UV_THREADPOOL_SIZE", THREADS, 0);
#ifdef PR_SET_DUMPABLE
	prctl(PR_SET_DUMPABLE, 0); /* a core file would hold keys and passwords */
#endif
	if (start(&server) != 0)
		return EXIT_CANNOT_START;
	watch_handles(&server);
	server.started = uv_now(&server.loop);
	log_printf(MSV_LOG_INFO,
	    "mailservd %s is ready: %zu listeners, %zu accounts, mail beneath %s", msv_version(),
	    daemon->nports, msv_passwd_count(server.passwd), daemon->config->mail_root);
	if (daemon->ready >= 0) {
		ssize_t ignored = write(daemon->ready, "", 1);
		(void)ignored;
		close(daemon->ready);
	}
	uv_run(&server.loop, UV_RUN_DEFAULT);
	uv_loop_close(&server.loop);
	return EXIT_SUCCESS;
}
