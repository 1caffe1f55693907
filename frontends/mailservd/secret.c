/* Secrets that outlast restarts, in the mail directory. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "server.h"

/* 0 when the file has a whole secret. */
static int read_secret(const char *file, uint8_t secret[SECRET_SIZE])
{
	int fd = open(file, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	if (fd < 0)
		return -1;
	ssize_t n = read(fd, secret, SECRET_SIZE);
	close(fd);
	return n == SECRET_SIZE ? 0 : -1;
}

/* Writes it under another name first: half a secret never has the name. */
static int write_secret(const char *file, const uint8_t secret[SECRET_SIZE])
{
	char name[64];
	snprintf(name, sizeof name, "%s.new", file);
	int fd = open(name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (fd < 0)
		return -1;
	bool good = write(fd, secret, SECRET_SIZE) == SECRET_SIZE && fsync(fd) == 0;
	close(fd);
	return good && rename(name, file) == 0 ? 0 : -1;
}

int server_secret(struct msv_env *env, const char *file, uint8_t secret[SECRET_SIZE])
{
	if (read_secret(file, secret) == 0)
		return 0;
	int error = msv_env_random(env, secret, SECRET_SIZE);
	if (!error && write_secret(file, secret) != 0)
		log_printf(MSV_LOG_WARN,
		    "%s cannot be written in the mail directory: %s; give it to the mail user",
		    file, strerror(errno));
	return error;
}
