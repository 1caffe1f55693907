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
	int status = submit(config->submit, &s, stderr);
	_exit(status < 0 ? EX_TEMPFAIL : status);
}

/* True when the file is done with: taken, or refused for good. */
static bool take_file(const struct config *config, int directory, const char *name)
{
	struct stat st;
	int status = 0;
	int file = openat(directory, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	if (file < 0)
		return false;
	bool good = fstat(file, &st) == 0 && S_ISREG(st.st_mode) && st.st_nlink == 1;
	pid_t pid = good ? fork() : -1;
	if (pid == 0)
		hand_over(config, file, &st);
	close(file);
	if (pid < 0 || waitpid(pid, &status, 0) != pid || !WIFEXITED(status)) {
		if (!good)
			log_printf(MSV_LOG_WARN, "%s/%s is no file of sendmail's: take it away",
			    config->drop, name);
		return false;
	}
	int code = WEXITSTATUS(status);
	if (code == EX_OK)
		log_printf(MSV_LOG_INFO, "drop: %s of uid %u was taken", name, (unsigned)st.st_uid);
	else if (code != EX_TEMPFAIL && code != EX_OSERR)
		log_printf(MSV_LOG_ERROR,
		    "drop: %s of uid %u was refused for good, and is kept as refused.%s", name,
		    (unsigned)st.st_uid, name);
	if (code != EX_OK && code != EX_TEMPFAIL && code != EX_OSERR) {
		char refused[300];
		snprintf(refused, sizeof refused, "refused.%s", name);
		renameat(directory, name, directory, refused);
		return false;
	}
	return code == EX_OK;
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

void drop_take(const struct config *config, int directory)
{
	int copy = directory >= 0 ? openat(directory, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1;
	DIR *list = copy >= 0 ? fdopendir(copy) : NULL;
	const struct dirent *entry;
	while (list && (entry = readdir(list)))
		if (strncmp(entry->d_name, "mail.", 5) == 0 && strlen(entry->d_name) < 200 &&
		    take_file(config, directory, entry->d_name))
			unlinkat(directory, entry->d_name, 0);
	if (list)
		closedir(list);
	else if (copy >= 0)
		close(copy);
}
