/* A secret that outlasts restarts, in the mail directory: the salts invented for
 * unknown users come from it and must not change, or they would tell who is
 * unknown. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "server.h"

#define SECRET_FILE ".mailserv-secret"

/* 0 when the file has a whole secret. */
static int read_secret(uint8_t secret[SECRET_SIZE])
{
	int fd = open(SECRET_FILE, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	if (fd < 0)
		return -1;
	ssize_t n = read(fd, secret, SECRET_SIZE);
	close(fd);
	return n == SECRET_SIZE ? 0 : -1;
}

/* Writes it under another name first: half a secret never has the name. */
static int write_secret(const uint8_t secret[SECRET_SIZE])
{
	int fd =
	    open(SECRET_FILE ".new", O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (fd < 0)
		return -1;
	bool good = write(fd, secret, SECRET_SIZE) == SECRET_SIZE && fsync(fd) == 0;
	close(fd);
	return good && rename(SECRET_FILE ".new", SECRET_FILE) == 0 ? 0 : -1;
}

int server_secret(struct msv_env *env, uint8_t secret[SECRET_SIZE])
{
	if (read_secret(secret) == 0)
		return 0;
	int error = msv_env_random(env, secret, SECRET_SIZE);
	if (!error && write_secret(secret) != 0)
		log_printf(MSV_LOG_WARN,
		    "%s cannot be written in the mail directory: %s; give it to the mail user",
		    SECRET_FILE, strerror(errno));
	return error;
}
