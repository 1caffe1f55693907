/*
 * Mail left while no daemon runs: a file per message in a directory anybody may
 * write to and nobody may list (mode 1733).  The daemon hands each to itself as
 * the file's owner when it starts.
 *
 *	mailserv-drop 1
 *	F sender
 *	R recipient            (one or more)
 *	N notify ret envid     (when given)
 *	(empty line)
 *	message
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "sendmail.h"

#define MAGIC    "mailserv-drop 1\n"
#define READ_MAX ((off_t)512 << 20)

/* What would break the lines of the file. */
static bool plain(const char *s)
{
	for (; *s; s++)
		if ((unsigned char)*s < ' ')
			return false;
	return true;
}

static int write_all(FILE *out, const struct submission *s)
{
	fprintf(out, MAGIC "F%s\n", s->from);
	for (size_t i = 0; i < s->nrecipients; i++)
		fprintf(out, "R%s\n", s->recipients[i]);
	if (s->notify || s->ret || s->envid)
		fprintf(out, "N%u %u %s\n", s->notify, s->ret, s->envid ? s->envid : "");
	fprintf(out, "B%d%d\n\n", s->body_8bit, s->smtputf8);
	fwrite(s->body, 1, s->octets, out);
	return fflush(out) == 0 && !ferror(out) && fsync(fileno(out)) == 0 ? 0 : -1;
}

/* The new name is on disk too; a directory nobody may list cannot be opened for that,
 * then the file system's sync does it. */
static int sync_directory(const char *directory, int fd)
{
	int d = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	int error = d >= 0 ? fsync(d) : syncfs(fd);
	if (d >= 0)
		close(d);
	return error;
}

int drop_write(const char *directory, const struct submission *s, FILE *errors)
{
	char *temporary = NULL, *final = NULL;
	struct timespec now;
	clock_gettime(CLOCK_REALTIME, &now);
	bool good = plain(s->from) && (!s->envid || plain(s->envid));
	for (size_t i = 0; i < s->nrecipients; i++)
		good = good && plain(s->recipients[i]);
	if (!good) {
		fputs("sendmail: an address has a control character\n", errors);
		return EX_DATAERR;
	}
	if (asprintf(&temporary, "%s/new.%lld.%09ld.%ld", directory, (long long)now.tv_sec,
	        now.tv_nsec, (long)getpid()) < 0 ||
	    asprintf(&final, "%s/mail.%lld.%09ld.%ld", directory, (long long)now.tv_sec,
	        now.tv_nsec, (long)getpid()) < 0)
		return EX_OSERR;
	int fd = open(temporary, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	FILE *out = fd >= 0 ? fdopen(fd, "w") : NULL;
	int error = out ? write_all(out, s) : -1;
	if (!error && rename(temporary, final) != 0)
		error = -1;
	if (!error)
		error = sync_directory(directory, fd);
	if (error)
		fprintf(errors,
		    "sendmail: mailservd does not take the message now, and it cannot be left in "
		    "%s: %s\n",
		    directory, strerror(errno));
	if (out)
		fclose(out);
	if (error && fd >= 0)
		unlink(temporary);
	free(temporary);
	free(final);
	return error ? EX_CANTCREAT : EX_OK;
}

/* -- Reading ------------------------------------------------------------------------ */

static int take_line(struct submission *s, const char *line)
{
	switch (*line) {
	case 'F':
		free(s->from);
		return (s->from = strdup(line + 1)) ? 0 : -1;
	case 'R':
		return submission_add(s, line + 1);
	case 'N': {
		char *end;
		s->notify = (unsigned)strtoul(line + 1, &end, 10);
		s->ret = (unsigned)strtoul(end, &end, 10);
		free(s->envid);
		s->envid = *end == ' ' && end[1] ? strdup(end + 1) : NULL;
		return 0;
	}
	case 'B':
		s->body_8bit = line[1] == '1';
		s->smtputf8 = line[1] && line[2] == '1';
		return 0;
	default:
		return -1;
	}
}

int drop_read(int fd, struct submission *s)
{
	struct stat st;
	char *line = NULL;
	size_t cap = 0;
	ssize_t got;
	*s = (struct submission){ 0 };
	FILE *in = fdopen(fd, "r");
	int error = !in || fstat(fd, &st) != 0 || st.st_size > READ_MAX ? -1 : 0;
	if (!error && (getline(&line, &cap, in) < 0 || strcmp(line, MAGIC) != 0))
		error = -1;
	while (!error && (got = getline(&line, &cap, in)) > 1) {
		line[got - 1] = '\0';
		error = take_line(s, line);
	}
	if (!error &&
	    (!s->from || s->nrecipients == 0 || !(s->body = malloc((size_t)st.st_size + 1))))
		error = -1;
	if (!error) {
		s->octets = fread(s->body, 1, (size_t)st.st_size, in);
		s->body[s->octets] = '\0';
		error = ferror(in) ? -1 : 0;
	}
	free(line);
	if (in)
		fclose(in);
	else
		close(fd);
	if (error)
		submission_fini(s);
	return error;
}
