/* Mail that sendmail left while no daemon ran: each file is handed to the server
 * by a process that is its owner, over the socket everybody uses. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "mailservd.h"
#include "sendmail.h"

int drop_open(const struct config *config)
{
	mode_t old = umask(0);
	char *above = strdup(config->drop);
	char *slash = above ? strrchr(above, '/') : NULL;
	if (slash && slash > above) {
		*slash = '\0';
		mkdir(above, 0755);
	}
	free(above);
	/* Anybody may leave mail here, nobody may see whose. */
	if (mkdir(config->drop, geteuid() == 0 ? 01733 : 0700) != 0 && errno != EEXIST)
		log_printf(MSV_LOG_WARN,
		    "%s: %s: sendmail cannot leave mail while mailservd is down; make it, mode "
		    "1733, or say "
		    "drop = another directory",
		    config->drop, strerror(errno));
	umask(old);
	return open(config->drop, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
}

/* In a process of its own: becomes the owner and hands the message over. */
static void hand_over(const struct config *config, int file, const struct stat *st)
{
	struct submission s;
	if (geteuid() == 0 &&
	    (setgroups(0, NULL) != 0 || setgid(st->st_gid) != 0 || setuid(st->st_uid) != 0))
		_exit(EX_OSERR);
	if (drop_read(file, &s) != 0)
		_exit(EX_DATAERR);
	size_t all = s.nrecipients;
	int status = submit(config->submit, &s, stderr);
	if (status < 0 || (s.nrecipients > 0 && s.nrecipients == all))
		_exit(EX_TEMPFAIL);
	/* Who has it does not get it again with the rest. */
	if (s.nrecipients > 0 && drop_write(config->drop, &s, stderr) != EX_OK)
		_exit(EX_TEMPFAIL);
	_exit(status == EX_TEMPFAIL ? EX_OK : status);
}

/* What becomes of a file. */
enum fate { TAKEN, WAITS, REFUSED };

static enum fate fate_of(const struct config *config, const struct stat *st, int code)
{
	if (code == EX_OK)
		return TAKEN;
	if (code != EX_TEMPFAIL && code != EX_OSERR)
		return REFUSED;
	return time(NULL) - st->st_mtime > (time_t)config->queue.lifetime ? REFUSED : WAITS;
}

/* A file that nobody takes is kept, under a name that is not looked for. */
static void keep_refused(
    const struct config *config, int directory, const char *name, const struct stat *st)
{
	char refused[300];
	snprintf(refused, sizeof refused, "refused.%s", name);
	log_printf(MSV_LOG_ERROR, "drop: %s/%s of uid %u is refused for good, and is kept as %s",
	    config->drop, name, (unsigned)st->st_uid, refused);
	renameat(directory, name, directory, refused);
}

/* True: there is more to do about the file. */
static bool take_file(const struct config *config, int directory, const char *name)
{
	struct stat st;
	int status = 0;
	int file = openat(directory, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	bool good = file >= 0 && fstat(file, &st) == 0 && S_ISREG(st.st_mode) && st.st_nlink == 1;
	pid_t pid = good ? fork() : -1;
	if (pid == 0)
		hand_over(config, file, &st);
	if (!good && (file >= 0 || errno == ELOOP))
		log_printf(MSV_LOG_WARN, "%s/%s is no file of sendmail's: take it away",
		    config->drop, name);
	if (file >= 0)
		close(file);
	if (pid < 0 || waitpid(pid, &status, 0) != pid || !WIFEXITED(status))
		return true;
	switch (fate_of(config, &st, WEXITSTATUS(status))) {
	case TAKEN:
		log_printf(MSV_LOG_INFO, "drop: %s of uid %u was taken", name, (unsigned)st.st_uid);
		unlinkat(directory, name, 0);
		return false;
	case REFUSED:
		keep_refused(config, directory, name, &st);
		return false;
	default:
		return true;
	}
}

bool drop_waits(int directory)
{
	int copy = directory >= 0 ? openat(directory, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1;
	DIR *list = copy >= 0 ? fdopendir(copy) : NULL;
	const struct dirent *entry;
	bool found = false;
	while (list && !found && (entry = readdir(list)))
		found = strncmp(entry->d_name, "mail.", 5) == 0;
	if (list)
		closedir(list);
	else if (copy >= 0)
		close(copy);
	return found;
}

bool drop_take(const struct config *config, int directory)
{
	int copy = directory >= 0 ? openat(directory, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1;
	DIR *list = copy >= 0 ? fdopendir(copy) : NULL;
	const struct dirent *entry;
	bool left = false;
	while (list && (entry = readdir(list)))
		if (strncmp(entry->d_name, "mail.", 5) == 0 && strlen(entry->d_name) < 200)
			left |= take_file(config, directory, entry->d_name);
	if (list)
		closedir(list);
	else if (copy >= 0)
		close(copy);
	return left;
}
