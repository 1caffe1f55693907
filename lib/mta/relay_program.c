/* A queued delivery to a program: the alias as it is now, the message in a file
 * without a name with LF line ends, and what its exit status means. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include "mta/relay_local.h"

/* A program that takes longer is ended. */
#define TIMEOUT_MS 600000

/* -- What its end means --------------------------------------------------------------- */

struct meaning {
	int status;
	enum relay_verdict verdict;
	const char *enhanced, *text;
};

/* As <sysexits.h> has them and sendmail took them. */
static const struct meaning meanings[] = {
	{ EX_OK, RELAY_SENT, "2.1.5", NULL },
	{ EX_USAGE, RELAY_NEVER, "5.5.4", "it was called wrongly" },
	{ EX_DATAERR, RELAY_NEVER, "5.6.0", "it does not like what the message holds" },
	{ EX_NOINPUT, RELAY_NEVER, "5.3.0", "it misses a file" },
	{ EX_NOUSER, RELAY_NEVER, "5.1.1", "it knows no such user" },
	{ EX_NOHOST, RELAY_NEVER, "5.1.2", "it knows no such host" },
	{ EX_UNAVAILABLE, RELAY_NEVER, "5.3.0", "it does not take the message" },
	{ EX_SOFTWARE, RELAY_NEVER, "5.3.0", "it has a fault" },
	{ EX_OSERR, RELAY_LATER, "4.3.0", "the system failed it" },
	{ EX_OSFILE, RELAY_NEVER, "5.3.5", "it misses a file of the system" },
	{ EX_CANTCREAT, RELAY_NEVER, "5.3.0", "it cannot make a file" },
	{ EX_IOERR, RELAY_LATER, "4.3.0", "it could not read or write" },
	{ EX_TEMPFAIL, RELAY_LATER, "4.3.0", "it asks to be called again later" },
	{ EX_PROTOCOL, RELAY_NEVER, "5.5.0", "it was told what it does not understand" },
	{ EX_NOPERM, RELAY_NEVER, "5.7.0", "it does not permit this" },
	{ EX_CONFIG, RELAY_NEVER, "5.3.5", "it is not configured well" },
	/* Those of a shell, or of who runs it: it can be put right. */
	{ 126, RELAY_LATER, "4.3.5", "it cannot be run" },
	{ 127, RELAY_LATER, "4.3.5", "it is not there" },
};

static const struct meaning *meaning_of(int status)
{
	static const struct meaning killed = { 0, RELAY_LATER, "4.3.0", "it was ended" };
	static const struct meaning other = { 0, RELAY_NEVER, "5.3.0", "it failed" };
	if (status > 255 || status < 0)
		return &killed;
	for (size_t i = 0; i < sizeof meanings / sizeof *meanings; i++)
		if (meanings[i].status == status)
			return &meanings[i];
	return &other;
}

static const char *const *argv_of(const struct relay_local *l)
{
	const struct queue_target *target = relay_local_target(l);
	size_t index = target->mailbox ? strtoul(target->mailbox, NULL, 10) : 0;
	return l->relay->aliases ? msv_aliases_program(l->relay->aliases, target->account, index)
	                         : NULL;
}

/* The last part of its path: the rest is nobody's business. */
static const char *name_of(const struct relay_local *l)
{
	const char *const *argv = argv_of(l);
	const char *slash = argv ? strrchr(argv[0], '/') : NULL;
	return slash ? slash + 1 : argv ? argv[0] : "?";
}

static void on_ended(void *user, int error, const void *answer)
{
	struct relay_local *l = user;
	const struct msv_program_result *result = answer;
	l->op = NULL;
	if (error) {
		msv_relay_local_failed(l, error);
		return;
	}
	const struct meaning *meaning = meaning_of(result->status);
	const char *said = result->text && *result->text ? result->text : meaning->text;
	char *text = meaning->verdict == RELAY_SENT
	                 ? NULL
	                 : msv_asprintf(l->relay->env, "the program %s (status %d): %s", name_of(l),
	                       result->status, said);
	msv_relay_local_said(l, meaning->verdict,
	    &(struct relay_reason){ .enhanced = meaning->enhanced, .text = text });
	msv_free(l->relay->env, text);
}

/* -- Its input --------------------------------------------------------------------------- */

void msv_relay_program_drop(struct relay_local *l)
{
	if (l->fd >= 0)
		close(l->fd);
	l->fd = -1;
	l->cr = false;
}

static int open_file(struct relay_local *l)
{
#ifdef O_TMPFILE
	l->fd = open(l->relay->spool, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
	if (l->fd >= 0)
		return 0;
#endif
	char *name = msv_asprintf(l->relay->env, "%s/.program-XXXXXX", l->relay->spool);
	if (!name)
		return MSV_ERR_NOMEM;
	l->fd = mkostemp(name, O_CLOEXEC);
	if (l->fd >= 0)
		unlink(name);
	msv_free(l->relay->env, name);
	if (l->fd >= 0)
		return 0;
	msv_env_log(l->relay->env, MSV_LOG_ERROR, "mta spool=%s: %s; make it writable",
	    l->relay->spool, strerror(errno));
	return errno == ENOSPC ? MSV_ERR_NOSPACE : MSV_ERR_IO;
}

static int write_all(int fd, const char *p, size_t n)
{
	while (n > 0) {
		ssize_t wrote = write(fd, p, n);
		if (wrote < 0 && errno == EINTR)
			continue;
		if (wrote < 0)
			return errno == ENOSPC || errno == EDQUOT ? MSV_ERR_NOSPACE : MSV_ERR_IO;
		p += wrote;
		n -= (size_t)wrote;
	}
	return 0;
}

/* Without the CR of each CRLF; one at the end of the piece waits for the next. */
static int write_lines(struct relay_local *l, const char *p, size_t n)
{
	int error = l->cr && *p != '\n' ? write_all(l->fd, "\r", 1) : 0;
	l->cr = false;
	while (!error && n > 0) {
		const char *cr = memchr(p, '\r', n);
		size_t plain = cr ? (size_t)(cr - p) : n;
		error = write_all(l->fd, p, plain);
		p += plain;
		n -= plain;
		if (n == 0 || error)
			break;
		p++;
		n--;
		if (n == 0)
			l->cr = true;
		else if (*p != '\n')
			error = write_all(l->fd, "\r", 1);
	}
	return error;
}

static int write_trace(struct relay_local *l)
{
	struct msv_buf trace;
	msv_buf_init(&trace, l->relay->env);
	int error = msv_relay_local_trace(l, "\n", &trace);
	if (!error)
		error = write_all(l->fd, msv_buf_data(&trace), msv_buf_len(&trace));
	msv_buf_fini(&trace);
	return error;
}

/* -- Its run ------------------------------------------------------------------------------- */

static void run_with(struct relay_local *l, const char *const *argv, const char *const *environment)
{
	const struct msv_program_runner *runner = l->relay->programs;
	struct msv_program_op op = { NULL };
	int fd = l->fd;
	if (lseek(fd, 0, SEEK_SET) < 0) {
		msv_relay_local_failed(l, MSV_ERR_IO);
		return;
	}
	op.op = msv_relay_local_ask(l, on_ended);
	if (!op.op)
		return;
	l->fd = -1; /* the runner's */
	runner->run(runner->self, argv, environment, fd, TIMEOUT_MS, op);
}

static void run(struct relay_local *l)
{
	struct msv_env *env = l->relay->env;
	const struct queue_target *target = relay_local_target(l);
	const char *const *argv = argv_of(l);
	char *sender = msv_asprintf(env, "SENDER=%s", l->work->delivery->from);
	char *recipient = msv_asprintf(env, "RECIPIENT=%s", target->address);
	char *id = msv_asprintf(env, "QUEUE_ID=%s", l->work->delivery->id);
	const char *environment[] = { sender, recipient, id, NULL };
	if (sender && recipient && id && argv)
		run_with(l, argv, environment);
	else
		msv_relay_local_failed(l, MSV_ERR_NOMEM);
	msv_free(env, sender);
	msv_free(env, recipient);
	msv_free(env, id);
}

void msv_relay_program_body(struct relay_local *l)
{
	const void *p;
	size_t n;
	int rc;
	while ((rc = msv_relay_body_get(&l->body, l->offset, &p, &n)) == 0 && n > 0) {
		l->offset += n;
		rc = write_lines(l, p, n);
		if (rc)
			break;
	}
	if (rc < 0)
		msv_relay_local_failed(l, rc);
	else if (rc == 0)
		run(l);
}

void msv_relay_program_begin(struct relay_local *l)
{
	static const struct relay_reason no_runner = { .enhanced = "4.3.5",
		.text = "programs are not run here now" };
	static const struct relay_reason gone = { .enhanced = "5.1.1",
		.text = "the alias names no program any more" };
	if (!l->relay->programs) {
		msv_relay_local_said(l, RELAY_LATER, &no_runner);
		return;
	}
	if (!argv_of(l)) {
		msv_relay_local_said(l, RELAY_NEVER, &gone);
		return;
	}
	int error = open_file(l);
	if (!error)
		error = write_trace(l);
	if (error)
		msv_relay_local_failed(l, error);
	else
		msv_relay_program_body(l);
}
