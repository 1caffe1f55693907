/* Reading a file that an alias includes. */
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "mta/aliases.h"

#define PIECE 65536

static int error_of(int number)
{
	switch (number) {
	case ENOENT:
	case ENOTDIR:
		return MSV_ERR_NOTFOUND;
	case EACCES:
	case EPERM:
		return MSV_ERR_DENIED;
	default:
		return MSV_ERR_IO;
	}
}

/* Reads to the end; the file may grow meanwhile, but not beyond the limit. */
static int read_all(int fd, struct msv_buf *out)
{
	size_t n = 0;

	for (;;) {
		char *room = msv_buf_reserve(out, PIECE);
		if (!room)
			return MSV_ERR_NOMEM;
		ssize_t got = read(fd, room, PIECE);
		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0)
			return error_of(errno);
		if (got == 0)
			return 0;
		msv_buf_commit(out, (size_t)got);
		n += (size_t)got;
		if (n > MSV_ALIASES_SIZE_MAX)
			return MSV_ERR_LIMIT;
	}
}

int msv_alias_read_file(void *user, const char *path, struct msv_buf *out)
{
	struct stat st;
	/* A FIFO must not make us wait. */
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);

	(void)user;
	if (fd < 0)
		return error_of(errno);
	int error = fstat(fd, &st) != 0    ? error_of(errno)
	            : !S_ISREG(st.st_mode) ? MSV_ERR_FORMAT
	                                   : read_all(fd, out);
	close(fd);
	return error;
}
