/*
 * Programs that aliases name, run by a process of its own: forked while the
 * server may still fork, as the mail user.  A request is one datagram - id, time
 * limit, words, environment - with the message's descriptor; for each a keeper is
 * forked, which starts the program, waits for it and sends one datagram back.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "server.h"

#define REQUEST_MAX ((size_t)32 << 10)
#define TEXT_MAX    256
#define WORDS_MAX   128
/* Programs at once; the others wait in the queue. */
#define RUNNING_MAX 16

struct request {
	uint64_t id;
	uint32_t timeout_ms;
	uint32_t nwords, nenvironment; /* strings that follow, each with its NUL */
};

struct answer {
	uint64_t id;
	int status;
	char text[TEXT_MAX];
};

/* -- The process that runs them ------------------------------------------------------------ */

/* Pointers to n strings in p; NULL: they are not there. */
static char **strings(char **p, char *end, uint32_t n)
{
	char **out = n < WORDS_MAX ? calloc(n + 1, sizeof *out) : NULL;
	for (uint32_t i = 0; out && i < n; i++) {
		char *nul = memchr(*p, '\0', (size_t)(end - *p));
		if (!nul) {
			free(out);
			return NULL;
		}
		out[i] = *p;
		*p = nul + 1;
	}
	return out;
}

static void start_program(char **argv, char **environment, int message, int errors)
{
	int null = open("/dev/null", O_WRONLY);
	setsid();
	signal(SIGPIPE, SIG_DFL);
	signal(SIGCHLD, SIG_DFL);
	if (dup2(message, 0) < 0 || dup2(null, 1) < 0 || dup2(errors, 2) < 0 || chdir("/") != 0)
		_exit(71); /* EX_OSERR */
	for (int fd = 3; fd < 256; fd++)
		close(fd);
	execve(argv[0], argv, environment);
	dprintf(2, "%s: %s\n", argv[0], strerror(errno));
	_exit(errno == ENOENT || errno == EACCES ? 78 : 71); /* EX_CONFIG, EX_OSERR */
}

static long long now_ms(void)
{
	struct timespec ts;
	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * 1000LL + ts.tv_nsec / 1000000;
}

/* How often a program is looked at that says nothing. */
#define LOOK_MS   50
/* Reads of what a program that has ended left in the pipe. */
#define READS_MAX 256

/* A program under way. */
struct program {
	pid_t pid;
	int status;
	bool ended;
	long long deadline;
	char text[TEXT_MAX]; /* first line of what it says on standard error */
	size_t n;
	bool line; /* it is whole */
};

static bool has_ended(struct program *program)
{
	if (!program->ended)
		program->ended =
		    program->pid <= 0 || waitpid(program->pid, &program->status, WNOHANG) != 0;
	return program->ended;
}

static void take_text(struct program *program, const char *p, size_t n)
{
	for (size_t i = 0; i < n && !program->line; i++) {
		char c = p[i];
		program->line = c == '\n' || program->n == TEXT_MAX - 1;
		if (!program->line)
			program->text[program->n++] = c >= ' ' && c < 127 ? c : '?';
	}
}

/* Reads what it says until the pipe, the program or the time is at its end: what it
 * left running in the background may keep the pipe open. */
static void listen_to(struct program *program, int fd)
{
	for (unsigned after = 0; after < READS_MAX;) {
		char piece[512];
		struct pollfd p = { .fd = fd, .events = POLLIN };
		long long left = program->deadline - now_ms();
		after += has_ended(program);
		if (left <= 0 || poll(&p, 1,
		                     program->ended   ? 0
		                     : left < LOOK_MS ? (int)left
		                                      : LOOK_MS) < 0)
			break;
		if (p.revents == 0 && !program->ended)
			continue;
		ssize_t got = p.revents ? read(fd, piece, sizeof piece) : 0;
		if (got <= 0)
			break;
		take_text(program, piece, (size_t)got);
	}
	program->text[program->n] = '\0';
}

/* It may have closed its standard error and go on. */
static void wait_for(struct program *program, const struct request *request)
{
	while (!has_ended(program)) {
		if (now_ms() >= program->deadline) {
			kill(-program->pid, SIGKILL);
			kill(program->pid, SIGKILL);
			waitpid(program->pid, &program->status, 0);
			snprintf(program->text, sizeof program->text,
			    "ended: it took longer than %u s", request->timeout_ms / 1000);
			return;
		}
		poll(NULL, 0, 10);
	}
}

/* Starts the program, waits for it, tells how it ended. */
static void keep(
    int socket, const struct request *request, char **argv, char **environment, int message)
{
	struct answer answer = { .id = request->id, .status = 71 };
	struct program program = { .deadline = now_ms() + request->timeout_ms };
	int errors[2];
	signal(SIGCHLD, SIG_DFL);
	if (pipe2(errors, O_CLOEXEC) == 0) {
		program.pid = fork();
		if (program.pid == 0)
			start_program(argv, environment, message, errors[1]);
		close(errors[1]);
		listen_to(&program, errors[0]);
		wait_for(&program, request);
		memcpy(answer.text, program.text, sizeof answer.text);
		if (program.pid > 0)
			answer.status = WIFEXITED(program.status) ? WEXITSTATUS(program.status)
			                                          : 256 + WTERMSIG(program.status);
	}
	ssize_t ignored = send(socket, &answer, sizeof answer, 0);
	(void)ignored;
	_exit(0);
}

/* One request.  False: the server is gone. */
static bool serve(int socket)
{
	static char data[REQUEST_MAX];
	union {
		struct cmsghdr header;
		char room[CMSG_SPACE(sizeof(int))];
	} control;
	struct iovec piece = { data, sizeof data };
	struct msghdr message = { .msg_iov = &piece,
		.msg_iovlen = 1,
		.msg_control = &control,
		.msg_controllen = sizeof control };
	ssize_t n = recvmsg(socket, &message, MSG_CMSG_CLOEXEC);
	if (n < 0)
		return errno == EINTR;
	struct request request;
	const struct cmsghdr *header = CMSG_FIRSTHDR(&message);
	int fd = -1;
	if (header && header->cmsg_type == SCM_RIGHTS)
		memcpy(&fd, CMSG_DATA(header), sizeof fd);
	if ((size_t)n < sizeof request || fd < 0)
		return n > 0;
	memcpy(&request, data, sizeof request);
	char *p = data + sizeof request, *end = data + n;
	char **argv = strings(&p, end, request.nwords);
	char **environment = argv ? strings(&p, end, request.nenvironment) : NULL;
	pid_t pid = environment && request.nwords > 0 ? fork() : -1;
	if (pid == 0)
		keep(socket, &request, argv, environment, fd);
	if (pid < 0) {
		struct answer answer = { .id = request.id, .status = 71, .text = "cannot fork" };
		ssize_t ignored = send(socket, &answer, sizeof answer, 0);
		(void)ignored;
	}
	free(argv);
	free(environment);
	close(fd);
	return true;
}

int runner_start(int *fd)
{
	int pair[2];
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) != 0)
		return -1;
	pid_t pid = fork();
	if (pid == 0) {
		close(pair[0]);
		signal(SIGCHLD, SIG_IGN); /* keepers are not waited for */
		signal(SIGTERM, SIG_IGN); /* ends with the server */
		signal(SIGINT, SIG_IGN);
		while (serve(pair[1]))
			;
		_exit(0);
	}
	close(pair[1]);
	if (pid < 0) {
		close(pair[0]);
		return -1;
	}
	*fd = pair[0];
	return 0;
}

/* -- The server's side --------------------------------------------------------------------------- */

struct running {
	uint64_t id; /* 0: free */
	struct msv_program_op op;
};

struct runner {
	struct msv_program_runner interface;
	struct server *server;
	int fd;
	uv_poll_t poll;
	uint64_t last;
	struct running running[RUNNING_MAX];
};

static struct running *find(struct runner *runner, uint64_t id)
{
	for (size_t i = 0; i < RUNNING_MAX; i++)
		if (runner->running[i].id == id)
			return &runner->running[i];
	return NULL;
}

/* Whoever waits for an answer that does not come any more gets this one. */
static void answer_all(struct runner *runner, int error)
{
	for (size_t i = 0; i < RUNNING_MAX; i++)
		if (runner->running[i].id) {
			runner->running[i].id = 0;
			msv_op_answer(runner->running[i].op.op, error);
		}
}

static void on_answer(uv_poll_t *handle, int status, int events)
{
	struct runner *runner = handle->data;
	struct answer answer;
	(void)status, (void)events;
	ssize_t n = recv(runner->fd, &answer, sizeof answer, MSG_DONTWAIT);
	if (n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR)) {
		log_printf(MSV_LOG_ERROR,
		    "the process that runs programs is gone: mail to programs waits; start "
		    "mailservd anew");
		uv_poll_stop(handle);
		answer_all(runner, MSV_ERR_IO);
	}
	struct running *r = n == sizeof answer && answer.id ? find(runner, answer.id) : NULL;
	if (!r)
		return;
	struct msv_program_result result = {
		.size = sizeof result, .status = answer.status, .text = answer.text
	};
	r->id = 0;
	msv_program_answer(r->op, &result);
}

/* Appends strings; false: there is no room. */
static bool put(char **p, const char *end, const char *const *from, uint32_t *count)
{
	for (*count = 0; from[*count]; (*count)++) {
		size_t n = strlen(from[*count]) + 1;
		if ((size_t)(end - *p) < n)
			return false;
		memcpy(*p, from[*count], n);
		*p += n;
	}
	return true;
}

static int send_request(struct runner *runner, const char *data, size_t n, int fd)
{
	union {
		struct cmsghdr header;
		char room[CMSG_SPACE(sizeof(int))];
	} control = { .room = { 0 } };
	struct iovec piece = { (void *)(uintptr_t)data, n };
	struct msghdr message = { .msg_iov = &piece,
		.msg_iovlen = 1,
		.msg_control = &control,
		.msg_controllen = sizeof control };
	control.header.cmsg_level = SOL_SOCKET;
	control.header.cmsg_type = SCM_RIGHTS;
	control.header.cmsg_len = CMSG_LEN(sizeof fd);
	memcpy(CMSG_DATA(&control.header), &fd, sizeof fd);
	return sendmsg(runner->fd, &message, MSG_DONTWAIT | MSG_NOSIGNAL) < 0 ? MSV_ERR_BUSY : 0;
}

static void run(void *self, const char *const *argv, const char *const *environment, int fd,
    uint32_t timeout_ms, struct msv_program_op op)
{
	struct runner *runner = self;
	struct running *r = find(runner, 0);
	struct request request = { .id = runner->last + 1, .timeout_ms = timeout_ms };
	char *data = r ? malloc(REQUEST_MAX) : NULL;
	char *p = data ? data + sizeof request : NULL;
	int error = data ? 0 : MSV_ERR_BUSY;
	if (!error && (!put(&p, data + REQUEST_MAX, argv, &request.nwords) ||
	                  !put(&p, data + REQUEST_MAX, environment, &request.nenvironment)))
		error = MSV_ERR_LIMIT;
	if (!error) {
		memcpy(data, &request, sizeof request);
		error = send_request(runner, data, (size_t)(p - data), fd);
	}
	free(data);
	close(fd);
	if (error) {
		msv_op_answer(op.op, error);
		return;
	}
	r->id = runner->last = request.id;
	r->op = op;
}

struct runner *runner_new(struct server *server, int fd)
{
	struct runner *runner = calloc(1, sizeof *runner);
	if (!runner)
		return NULL;
	runner->server = server;
	runner->fd = fd;
	runner->interface = (struct msv_program_runner){
		.size = sizeof runner->interface, .self = runner, .run = run
	};
	uv_poll_init(&server->loop, &runner->poll, fd);
	runner->poll.data = runner;
	uv_poll_start(&runner->poll, UV_READABLE, on_answer);
	return runner;
}

const struct msv_program_runner *runner_interface(const struct runner *runner)
{
	return runner ? &runner->interface : NULL;
}

static void on_closed(uv_handle_t *handle)
{
	struct runner *runner = handle->data;
	close(runner->fd);
	free(runner);
}

void runner_free(struct runner *runner)
{
	if (!runner)
		return;
	answer_all(runner, MSV_ERR_CANCELED);
	uv_close((uv_handle_t *)&runner->poll, on_closed);
}
