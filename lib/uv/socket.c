/* Sockets that listen. */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "loop.h"

enum { BACKLOG = 511 };

int msv_uv_socket_error(int err)
{
	switch (err) {
	case EADDRINUSE:
		return MSV_ERR_EXISTS;
	case EACCES:
	case EPERM:
	case EROFS:
		return MSV_ERR_DENIED;
	case EADDRNOTAVAIL:
	case ENOENT:
	case ENOTDIR:
		return MSV_ERR_NOTFOUND;
	case EAFNOSUPPORT:
		return MSV_ERR_UNSUPPORTED;
	case ENOMEM:
	case ENOBUFS:
		return MSV_ERR_NOMEM;
	default:
		return MSV_ERR_IO;
	}
}

/* Closes the socket over an error; the code for errno. */
static int give_up(int fd)
{
	int error = msv_uv_socket_error(errno);

	if (fd >= 0)
		close(fd);
	return error;
}

static int open_socket(int family)
{
	return socket(family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
}

/* -- TCP --------------------------------------------------------------------- */

static int listen_at(const struct sockaddr *sa, socklen_t n, bool both, int backlog, int *out)
{
	int on = 1, off = 0, fd = open_socket(sa->sa_family);

	if (fd < 0)
		return give_up(fd);
	if (setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) < 0)
		return give_up(fd);
	if (sa->sa_family == AF_INET6 &&
	    setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, both ? &off : &on, sizeof(on)) < 0)
		return give_up(fd);
	if (bind(fd, sa, n) < 0 || listen(fd, backlog) < 0)
		return give_up(fd);
	*out = fd;
	return 0;
}

static int listen_v4(struct in_addr address, uint16_t port, int backlog, int *out)
{
	struct sockaddr_in sa = { .sin_family = AF_INET, .sin_port = htons(port) };

	sa.sin_addr = address;
	return listen_at((struct sockaddr *)&sa, sizeof(sa), false, backlog, out);
}

static int listen_v6(struct in6_addr address, uint16_t port, bool both, int backlog, int *out)
{
	struct sockaddr_in6 sa = { .sin6_family = AF_INET6, .sin6_port = htons(port) };

	sa.sin6_addr = address;
	return listen_at((struct sockaddr *)&sa, sizeof(sa), both, backlog, out);
}

static int listen_tcp(const char *address, uint16_t port, int backlog, int *out)
{
	struct in_addr v4 = { .s_addr = htonl(INADDR_ANY) };
	struct in6_addr v6 = IN6ADDR_ANY_INIT;
	int error;

	if (!address) {
		error = listen_v6(v6, port, true, backlog, out);
		/* A machine may have no IPv6. */
		if (error == MSV_ERR_UNSUPPORTED || error == MSV_ERR_NOTFOUND)
			error = listen_v4(v4, port, backlog, out);
		return error;
	}
	if (inet_pton(AF_INET, address, &v4) == 1)
		return listen_v4(v4, port, backlog, out);
	if (inet_pton(AF_INET6, address, &v6) == 1)
		return listen_v6(v6, port, false, backlog, out);
	return MSV_ERR_INVAL;
}

/* -- Unix sockets ------------------------------------------------------------- */

bool msv_uv_socket_identity(const char *path, uint64_t *dev, uint64_t *ino)
{
	struct stat st;

	if (lstat(path, &st) < 0 || !S_ISSOCK(st.st_mode))
		return false;
	*dev = st.st_dev;
	*ino = st.st_ino;
	return true;
}

void msv_uv_socket_remove(const char *path, uint64_t dev, uint64_t ino)
{
	uint64_t there_dev, there_ino;

	/* Another process may have put its own there meanwhile. */
	if (msv_uv_socket_identity(path, &there_dev, &there_ino) && there_dev == dev &&
	    there_ino == ino)
		unlink(path);
}

/* Removes a socket nobody listens on any more. */
static void remove_stale(const struct sockaddr_un *sa)
{
	uint64_t dev, ino;
	int fd;

	if (!msv_uv_socket_identity(sa->sun_path, &dev, &ino))
		return;
	fd = open_socket(AF_UNIX);
	if (fd < 0)
		return;
	if (connect(fd, (const struct sockaddr *)sa, sizeof(*sa)) < 0 && errno == ECONNREFUSED)
		msv_uv_socket_remove(sa->sun_path, dev, ino);
	close(fd);
}

static int listen_unix(const char *path, unsigned mode, int backlog, int *out)
{
	struct sockaddr_un sa = { .sun_family = AF_UNIX };
	int fd;

	if (!*path || strlen(path) >= sizeof(sa.sun_path))
		return MSV_ERR_INVAL;
	memcpy(sa.sun_path, path, strlen(path) + 1);
	remove_stale(&sa);
	fd = open_socket(AF_UNIX);
	if (fd < 0)
		return give_up(fd);
	/* Nobody connects between bind and chmod: only listen lets them. */
	if (bind(fd, (struct sockaddr *)&sa, sizeof(sa)) < 0)
		return give_up(fd);
	if (chmod(path, mode) < 0 || listen(fd, backlog) < 0) {
		int error = give_up(fd);

		unlink(path);
		return error;
	}
	*out = fd;
	return 0;
}

int msv_uv_listen_fd(const struct msv_uv_listen_options *options, int *fd)
{
	struct msv_uv_listen_options o = { 0 };
	int backlog;

	*fd = -1;
	memcpy(&o, options, options->size < sizeof(o) ? options->size : sizeof(o));
	backlog = o.backlog > 0 ? o.backlog : BACKLOG;
	if (o.path)
		return listen_unix(o.path, o.path_mode ? o.path_mode : 0600, backlog, fd);
	return listen_tcp(o.address, o.port, backlog, fd);
}
