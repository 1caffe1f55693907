/* The parent: starts the child again when it dies, reads certificates and the
 * passwd-file again for it, passes signals on. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "mailservd.h"

/* How long a child has to finish when it is told to stop. */
#define STOP_SECONDS          10
/* A child that dies sooner than this is started again after a pause. */
#define RESTART_PAUSE_SECONDS 2

struct parent {
	struct daemon *daemon;
	pid_t child;
	int pipe;
	struct stat passwd; /* as last read */
	bool stopping;
	time_t kill_at; /* when a child that does not stop is killed */
	int status;     /* what the child exited with */
};

/* Signals arrive as bytes in a pipe. */
static int signal_pipe[2];

static void on_signal(int number)
{
	int saved = errno;
	unsigned char byte = (unsigned char)number;
	ssize_t ignored = write(signal_pipe[1], &byte, 1);
	(void)ignored;
	errno = saved;
}

static int signals_open(void)
{
	static const int numbers[] = { SIGTERM, SIGINT, SIGHUP, SIGCHLD };
	struct sigaction action = { .sa_handler = on_signal, .sa_flags = SA_RESTART };
	if (pipe2(signal_pipe, O_CLOEXEC | O_NONBLOCK) != 0)
		return -1;
	for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++)
		sigaction(numbers[i], &action, NULL);
	signal(SIGPIPE, SIG_IGN);
	return 0;
}

static void signals_default(void)
{
	static const int numbers[] = { SIGTERM, SIGINT, SIGHUP, SIGCHLD };
	for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++)
		signal(numbers[i], SIG_DFL);
	close(signal_pipe[0]);
	close(signal_pipe[1]);
}

/* Starts the child.  0 or -1. */
static int start_child(struct parent *parent)
{
	int pair[2];
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) != 0)
		return -1;
	parent->child = fork();
	if (parent->child == 0) {
		close(pair[0]);
		signals_default();
		_exit(child_run(parent->daemon, pair[1]));
	}
	close(pair[1]);
	if (parent->child < 0) {
		close(pair[0]);
		return -1;
	}
	parent->pipe = pair[0];
	return 0;
}

/* Has the passwd-file changed since it was read? */
static bool passwd_changed(struct parent *parent)
{
	struct stat now, *then = &parent->passwd;
	if (stat(parent->daemon->config->passwd, &now) != 0)
		return false;
	bool same = now.st_ino == then->st_ino && now.st_size == then->st_size &&
	            now.st_mtim.tv_sec == then->st_mtim.tv_sec &&
	            now.st_mtim.tv_nsec == then->st_mtim.tv_nsec;
	*then = now;
	return !same;
}

/* The child logs it, and tells who asked for the reload. */
static void on_problem(void *user, const char *line)
{
	const struct parent *parent = user;
	message_send(parent->pipe, MESSAGE_PROBLEM, line, strlen(line));
}

/* Reads the passwd-file again and hands it over. */
static void send_passwd(struct parent *parent)
{
	struct contents passwd;
	if (secrets_read_passwd(parent->daemon->config, &passwd, on_problem, parent) != 0)
		return;
	message_send(parent->pipe, MESSAGE_PASSWD, passwd.p, passwd.n);
	/* What a child started later begins with. */
	contents_wipe(&parent->daemon->secrets.passwd);
	parent->daemon->secrets.passwd = passwd;
}

/* Reads everything again and hands it over. */
static void reload(struct parent *parent)
{
	const struct config *config = parent->daemon->config;
	struct secrets fresh = { 0 };
	struct contents packed;
	if (secrets_read(config, &fresh, on_problem, parent) != 0) {
		secrets_wipe(config, &fresh);
	} else {
		message_send(parent->pipe, MESSAGE_PASSWD, fresh.passwd.p, fresh.passwd.n);
		if (pack_certs(config, &fresh, &packed) == 0) {
			message_send(parent->pipe, MESSAGE_CERTS, packed.p, packed.n);
			contents_wipe(&packed);
		}
		secrets_wipe(config, &parent->daemon->secrets);
		parent->daemon->secrets = fresh;
		passwd_changed(parent);
	}
	message_send(parent->pipe, MESSAGE_DONE, "", 0);
}

/* The child is gone: stop with it, or start another. */
static void on_child_exit(struct parent *parent, int status)
{
	close(parent->pipe);
	parent->pipe = -1;
	parent->child = -1;
	parent->status = WIFEXITED(status) ? WEXITSTATUS(status) : EXIT_FAILURE;
	/* A child that could not start says so by this status. */
	if (parent->stopping || parent->status == EXIT_CANNOT_START) {
		parent->stopping = true;
		return;
	}
	if (WIFSIGNALED(status))
		log_printf(MSV_LOG_ERROR,
		    "the server process died of signal %d (%s): starting it again",
		    WTERMSIG(status), strsignal(WTERMSIG(status)));
	else
		log_printf(MSV_LOG_ERROR, "the server process exited with %d: starting it again",
		    parent->status);
	sleep(RESTART_PAUSE_SECONDS);
	if (start_child(parent) != 0) {
		log_printf(MSV_LOG_ERROR, "cannot start the server process: %s", strerror(errno));
		parent->stopping = true;
		parent->status = EXIT_FAILURE;
	}
}

static void on_signals(struct parent *parent)
{
	unsigned char number;
	while (read(signal_pipe[0], &number, 1) == 1) {
		int status;
		switch (number) {
		case SIGTERM:
		case SIGINT:
			parent->stopping = true;
			if (parent->child > 0)
				kill(parent->child, SIGTERM);
			parent->kill_at = time(NULL) + STOP_SECONDS;
			break;
		case SIGHUP:
			if (parent->pipe >= 0)
				reload(parent);
			break;
		case SIGCHLD:
			if (parent->child > 0 &&
			    waitpid(parent->child, &status, WNOHANG) == parent->child)
				on_child_exit(parent, status);
			break;
		}
	}
}

/* The child asks for something. */
static void on_pipe(struct parent *parent)
{
	enum message_type type;
	struct contents contents;
	if (message_receive(parent->pipe, &type, &contents) == 1 && type == MESSAGE_RELOAD)
		reload(parent);
	contents_wipe(&contents);
}

int parent_run(struct daemon *daemon)
{
	struct parent parent = { .daemon = daemon, .child = -1, .pipe = -1 };
	passwd_changed(&parent);
	if (signals_open() != 0 || start_child(&parent) != 0) {
		log_printf(MSV_LOG_ERROR, "cannot start the server process: %s", strerror(errno));
		return EXIT_FAILURE;
	}
	while (parent.child > 0 || !parent.stopping) {
		struct pollfd fds[] = { { .fd = signal_pipe[0], .events = POLLIN },
			{ .fd = parent.pipe, .events = POLLIN } };
		poll(fds, 2, 1000);
		if (fds[1].revents & POLLIN)
			on_pipe(&parent);
		if (fds[0].revents & POLLIN)
			on_signals(&parent);
		if (parent.pipe >= 0 && !parent.stopping && passwd_changed(&parent))
			send_passwd(&parent);
		if (parent.stopping && parent.child > 0 && time(NULL) > parent.kill_at)
			kill(parent.child, SIGKILL);
	}
	unlink(daemon->config->control);
	return parent.status;
}
