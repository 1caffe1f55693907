/* Reading a passwd-file, and listing it. */
#include "auth/auth.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/env.h"

int msv_passwd_error(int number)
{
	switch (number) {
	case ENOENT:
	case ENOTDIR:
		return MSV_ERR_NOTFOUND;
	case EACCES:
	case EPERM:
	case EROFS:
		return MSV_ERR_DENIED;
	case ENOSPC:
	case EDQUOT:
		return MSV_ERR_NOSPACE;
	case ENOMEM:
		return MSV_ERR_NOMEM;
	default:
		return MSV_ERR_IO;
	}
}

const char *msv_passwd_why(int error)
{
	switch (error) {
	case MSV_ERR_NOTFOUND:
		return "there is no such file";
	case MSV_ERR_DENIED:
		return "permission denied";
	case MSV_ERR_LIMIT:
		return "it is larger than 64 MiB";
	case MSV_ERR_NOMEM:
		return "no memory";
	default:
		return "it is no ordinary file, or the disk has failed";
	}
}

/* Reads up to `size` bytes; what was added since is not looked at. */
static int read_all(int fd, char *p, size_t size, size_t *n)
{
	*n = 0;
	while (*n < size) {
		ssize_t got = read(fd, p + *n, size - *n);
		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0)
			return msv_passwd_error(errno);
		if (got == 0)
			return 0;
		*n += (size_t)got;
	}
	return 0;
}

int msv_passwd_read_fd(struct msv_env *env, int fd, struct msv_passwd_text *out, struct stat *st)
{
	*out = (struct msv_passwd_text){ 0 };
	if (fstat(fd, st) != 0)
		return msv_passwd_error(errno);
	if (!S_ISREG(st->st_mode))
		return MSV_ERR_IO;
	if (st->st_size > MSV_PASSWD_SIZE_MAX)
		return MSV_ERR_LIMIT;
	out->size = (size_t)st->st_size + 1;
	if (!(out->p = msv_alloc(env, out->size)))
		return MSV_ERR_NOMEM;
	int error = read_all(fd, out->p, (size_t)st->st_size, &out->n);
	if (error)
		msv_passwd_text_free(env, out);
	return error;
}

int msv_passwd_read(
    struct msv_env *env, const char *path, struct msv_passwd_text *out, struct stat *st)
{
	/* A FIFO must not keep us waiting. */
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);

	if (fd < 0)
		return msv_passwd_error(errno);
	int error = msv_passwd_read_fd(env, fd, out, st);
	close(fd);
	return error;
}

void msv_passwd_text_free(struct msv_env *env, struct msv_passwd_text *text)
{
	msv_free_secret(env, text->p, text->size);
	*text = (struct msv_passwd_text){ 0 };
}

static void report_to_log(void *user, enum msv_log_level level, const char *line)
{
	msv_env_log(user, level, "%s", line);
}

int msv_passwd_list(struct msv_env *env, const char *path,
    void (*row)(void *user, const struct msv_account *account, const char *scheme), void *user)
{
	struct msv_passwd_table *table;
	struct msv_passwd_text text;
	struct stat st;
	int error = msv_passwd_read(env, path, &text, &st);

	if (error)
		return error;
	error = msv_passwd_table_new(env, path, text.p, text.n, &table);
	msv_passwd_text_free(env, &text);
	if (error)
		return error;
	msv_passwd_emit_reports(table, report_to_log, env);
	for (size_t i = 0; i < table->n; i++) {
		const struct msv_passwd_entry *e = &table->entries[i];
		row(user, &e->account, e->field.scheme ? e->field.scheme->name : "");
	}
	msv_passwd_table_unref(table);
	return 0;
}
