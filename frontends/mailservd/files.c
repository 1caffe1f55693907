/* Certificates, keys, passwd-file, aliases and secrets: read by the parent, which may. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "mailservd.h"

/* A passwd-file or certificate beyond this is a mistake. */
#define FILE_MAX ((size_t)16 << 20)

void contents_wipe(struct contents *contents)
{
	if (contents->p)
		explicit_bzero(contents->p, contents->n);
	free(contents->p);
	*contents = (struct contents){ 0 };
}

/* Reads a whole file.  0, or -1 with errno. */
static int read_file(const char *path, struct contents *out)
{
	struct stat st;
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	*out = (struct contents){ 0 };
	if (fd < 0)
		return -1;
	if (fstat(fd, &st) != 0)
		goto fail;
	if (!S_ISREG(st.st_mode) || (size_t)st.st_size > FILE_MAX) {
		errno = S_ISREG(st.st_mode) ? EFBIG : EINVAL;
		goto fail;
	}
	out->p = malloc((size_t)st.st_size + 1);
	if (!out->p)
		goto fail;
	while (out->n < (size_t)st.st_size) {
		ssize_t got = read(fd, out->p + out->n, (size_t)st.st_size - out->n);
		if (got < 0)
			goto fail;
		if (got == 0)
			break;
		out->n += (size_t)got;
	}
	out->p[out->n] = '\0';
	close(fd);
	return 0;
fail:
	close(fd);
	contents_wipe(out);
	return -1;
}

struct reader {
	problem_fn problem;
	void *user;
};

static unsigned read_one(
    const struct reader *reader, const char *path, const char *what, struct contents *out)
{
	char line[1024];
	if (read_file(path, out) == 0)
		return 0;
	snprintf(line, sizeof line,
	    "%s: %s cannot be read: %s; check the path and that %s may read it", path, what,
	    strerror(errno), geteuid() == 0 ? "root" : "this user");
	reader->problem(reader->user, line);
	return 1;
}

int secrets_read_one(
    const char *path, const char *what, struct contents *out, problem_fn problem, void *user)
{
	struct reader reader = { problem, user };
	return read_one(&reader, path, what, out) ? -1 : 0;
}

unsigned secrets_read(
    const struct config *config, struct secrets *secrets, problem_fn problem, void *user)
{
	struct reader reader = { problem, user };
	unsigned failed = 0;
	size_t n = config->ncertificates;
	secrets->certs = calloc(n + 1, sizeof *secrets->certs);
	secrets->keys = calloc(n + 1, sizeof *secrets->keys);
	if (!secrets->certs || !secrets->keys)
		return 1;
	for (size_t i = 0; i < n; i++) {
		const struct certificate *c = &config->certificates[i];
		failed += read_one(&reader, c->cert_file, "the certificate", &secrets->certs[i]);
		failed += read_one(&reader, c->key_file, "the key", &secrets->keys[i]);
	}
	if (config->aliases)
		failed += read_one(&reader, config->aliases, "the aliases file", &secrets->aliases);
	if (config->secrets)
		failed += read_one(&reader, config->secrets, "the secrets file", &secrets->logins);
	return failed + read_one(&reader, config->passwd, "the passwd file", &secrets->passwd);
}

void secrets_wipe(const struct config *config, struct secrets *secrets)
{
	for (size_t i = 0; i < config->ncertificates; i++) {
		if (secrets->certs)
			contents_wipe(&secrets->certs[i]);
		if (secrets->keys)
			contents_wipe(&secrets->keys[i]);
	}
	free(secrets->certs);
	free(secrets->keys);
	secrets->certs = secrets->keys = NULL;
	contents_wipe(&secrets->passwd);
	contents_wipe(&secrets->aliases);
	contents_wipe(&secrets->logins);
}
