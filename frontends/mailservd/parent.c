/* The parent: starts the child again when it dies, reads files again
 * for it, passes signals on. */
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
/* How often mail that was left is looked for. */
#define DROP_SECONDS          5
/* How seldom at the most while some of it is not taken. */
#define DROP_SECONDS_MAX      300

struct parent {
	struct daemon *daemon;
	pid_t child;
	int pipe;
	struct stat passwd, aliases; /* as last read */
	bool stopping;
	time_t kill_at; /* when a child that does not stop is killed */
	int status;     /* what the child exited with */
	int drop;       /* directory, -1 none */
	pid_t dropper;  /* hands over what is in it, 0 none */
	time_t drop_next, drop_pause;
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

/* Has the file changed since it was read? */
static bool changed(const char *path, struct stat *then)
{
	struct stat now;
	if (!path || stat(path, &now) != 0)
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

/* Reads a file again and hands it over; kept for a child started later. */
static void send_file(struct parent *parent, enum message_type type, const char *path,
    const char *what, struct contents *kept)
{
	struct contents fresh;
	if (secrets_read_one(path, what, &fresh, on_problem, parent) != 0)
		return;
	message_send(parent->pipe, type, fresh.p, fresh.n);
	contents_wipe(kept);
	*kept = fresh;
}

/* Hands over what has changed of the files that change often. */
static void send_changed(struct parent *parent)
{
	const struct config *config = parent->daemon->config;
	struct secrets *secrets = &parent->daemon->secrets;
	if (changed(config->passwd, &parent->passwd))
		send_file(
		    parent, MESSAGE_PASSWD, config->passwd, "the passwd file", &secrets->passwd);
	if (changed(config->aliases, &parent->aliases))
		send_file(parent, MESSAGE_ALIASES, config->aliases, "the aliases file",
		    &secrets->aliases);
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
		message_send(parent->pipe, MESSAGE_ALIASES, fresh.aliases.p, fresh.aliases.n);
		if (pack_certs(config, &fresh, &packed) == 0) {
			message_send(parent->pipe, MESSAGE_CERTS, packed.p, packed.n);
			contents_wipe(&packed);
		}
		secrets_wipe(config, &parent->daemon->secrets);
		parent->daemon->secrets = fresh;
		changed(config->passwd, &parent->passwd);
		changed(config->aliases, &parent->aliases);
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

/* What is not taken at once is not offered again at once. */
static void on_dropper_exit(struct parent *parent, int status)
{
	parent->dropper = 0;
	parent->drop_pause = status == 0                                 ? DROP_SECONDS
	                     : parent->drop_pause < DROP_SECONDS_MAX / 2 ? 2 * parent->drop_pause
	                                                                 : DROP_SECONDS_MAX;
	parent->drop_next = time(NULL) + parent->drop_pause;
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
			if (parent->dropper > 0 &&
			    waitpid(parent->dropper, &status, WNOHANG) == parent->dropper)
				on_dropper_exit(parent, status);
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

/* Mail that was left while nobody listened is taken in, now and then. */
static void look_at_drop(struct parent *parent)
{
	time_t now = time(NULL);
	if (parent->dropper > 0 || now < parent->drop_next || !drop_waits(parent->drop))
		return;
	parent->drop_next = now + parent->drop_pause;
	parent->dropper = fork();
	if (parent->dropper == 0) {
		signals_default();
		close(parent->pipe);
		/* Else they would stay open, and nobody answer, when the server ends. */
		for (size_t k = 0; k < parent->daemon->nports; k++)
			close(parent->daemon->ports[k].fd);
		close(parent->daemon->control);
		_exit(
		    drop_take(parent->daemon->config, parent->drop) ? EXIT_FAILURE : EXIT_SUCCESS);
	}
}

int parent_run(struct daemon *daemon)
{
	struct parent parent = {
		.daemon = daemon, .child = -1, .pipe = -1, .drop = -1, .drop_pause = DROP_SECONDS
	};
	if (*daemon->config->submit)
		parent.drop = drop_open(daemon->config);
	changed(daemon->config->passwd, &parent.passwd);
	changed(daemon->config->aliases, &parent.aliases);
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
		if (parent.pipe >= 0 && !parent.stopping)
			send_changed(&parent);
		if (!parent.stopping)
			look_at_drop(&parent);
		if (parent.stopping && parent.child > 0 && time(NULL) > parent.kill_at)
			kill(parent.child, SIGKILL);
	}
	if (parent.dropper > 0)
		kill(parent.dropper, SIGTERM);
	unlink(daemon->config->control);
	if (*daemon->config->submit)
		unlink(daemon->config->submit);
	return parent.status;
}
