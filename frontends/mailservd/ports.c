/* Listening sockets, bound while there is root to do it. */
#include <errno.h>
#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "mailservd.h"

#define BACKLOG 512

struct ports {
	struct port *p;
	size_t n, cap;
};

static int add(struct ports *ports, const struct listener *listener, int fd)
{
	if (ports->n == ports->cap) {
		size_t cap = ports->cap ? 2 * ports->cap : 8;
		struct port *p = realloc(ports->p, cap * sizeof *p);
		if (!p)
			return -1;
		ports->p = p;
		ports->cap = cap;
	}
	ports->p[ports->n++] = (struct port){ .listener = listener, .fd = fd };
	return 0;
}

/* What to do about a bind() that failed. */
static const char *remedy(int error)
{
	switch (error) {
	case EACCES:
		return "ports below 1024 need root: start as root, or choose another port";
	case EADDRINUSE:
		return "another program listens there: stop it, or choose another port";
	case EADDRNOTAVAIL:
		return "no interface of this machine has that address: correct address =";
	default:
		return "check address and port";
	}
}

static void say_failure(const struct config *config, const struct listener *l, const char *what)
{
	log_printf(MSV_LOG_ERROR, "%s: listen %s: %s port %u: %s; %s", config->file, l->name,
	    *what ? what : "all addresses", l->port, strerror(errno), remedy(errno));
}

static int bind_one(const struct addrinfo *ai)
{
	int on = 1;
	int fd =
	    socket(ai->ai_family, ai->ai_socktype | SOCK_CLOEXEC | SOCK_NONBLOCK, ai->ai_protocol);
	if (fd < 0)
		return -1;
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
	/* One socket per family, so that peers never look like ::ffff:192.0.2.1. */
	if (ai->ai_family == AF_INET6)
		setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof on);
	if (bind(fd, ai->ai_addr, ai->ai_addrlen) == 0 && listen(fd, BACKLOG) == 0)
		return fd;
	int error = errno;
	close(fd);
	errno = error;
	return -1;
}

static int open_tcp(const struct config *config, const struct listener *l, struct ports *ports)
{
	char service[8];
	struct addrinfo hints = { .ai_socktype = SOCK_STREAM, .ai_flags = AI_PASSIVE }, *all;
	size_t before = ports->n;
	snprintf(service, sizeof service, "%u", l->port);
	int error = getaddrinfo(*l->address ? l->address : NULL, service, &hints, &all);
	if (error) {
		log_printf(MSV_LOG_ERROR,
		    "%s: listen %s: address %s: %s; write an address of this machine", config->file,
		    l->name, l->address, gai_strerror(error));
		return -1;
	}
	for (struct addrinfo *ai = all; ai; ai = ai->ai_next) {
		int fd = bind_one(ai);
		if (fd >= 0 && add(ports, l, fd) == 0)
			continue;
		/* A machine without IPv6 is fine when all addresses are meant. */
		bool optional = !*l->address && ai->ai_family == AF_INET6 &&
		                (errno == EAFNOSUPPORT || errno == EADDRNOTAVAIL);
		if (optional)
			continue;
		say_failure(config, l, l->address);
		freeaddrinfo(all);
		return -1;
	}
	freeaddrinfo(all);
	if (ports->n > before)
		return 0;
	say_failure(config, l, l->address);
	return -1;
}

/* Binds a unix socket at path with a mode; a stale one is replaced. */
static int bind_unix(const char *path, mode_t mode)
{
	struct sockaddr_un sun = { .sun_family = AF_UNIX };
	if (strlen(path) >= sizeof sun.sun_path) {
		errno = ENAMETOOLONG;
		return -1;
	}
	memcpy(sun.sun_path, path, strlen(path));
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -1;
	if (connect(fd, (struct sockaddr *)&sun, sizeof sun) == 0) {
		close(fd);
		errno = EADDRINUSE;
		return -1;
	}
	if (errno == ECONNREFUSED)
		unlink(path);
	close(fd);
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	mode_t old = umask(0177);
	int bound = fd < 0 ? -1 : bind(fd, (struct sockaddr *)&sun, sizeof sun);
	umask(old);
	if (bound == 0 && chmod(path, mode) == 0 && listen(fd, BACKLOG) == 0)
		return fd;
	int error = errno;
	if (fd >= 0)
		close(fd);
	errno = error;
	return -1;
}

/* /run is empty after a restart of the machine. */
static void make_directory_of(const char *path)
{
	char *directory = strdup(path);
	char *slash = directory ? strrchr(directory, '/') : NULL;
	if (slash && slash > directory) {
		*slash = '\0';
		mkdir(directory, 0755);
	}
	free(directory);
}

static int open_unix(const struct config *config, const struct listener *l, struct ports *ports)
{
	/* Who may connect is decided by the directory the socket is in. */
	if (l->role == ROLE_LOCAL)
		make_directory_of(l->address);
	int fd = bind_unix(l->address, 0666);
	if (fd >= 0 && add(ports, l, fd) == 0)
		return 0;
	log_printf(MSV_LOG_ERROR,
	    "%s: listen %s: %s: %s; make its directory, or stop who listens there", config->file,
	    l->name, l->address, strerror(errno));
	return -1;
}

struct port *ports_open(const struct config *config, size_t *n)
{
	struct ports ports = { 0 };
	int error = 0;
	for (size_t i = 0; i < config->nlisteners; i++) {
		const struct listener *l = &config->listeners[i];
		error |= strchr(l->address, '/') ? open_unix(config, l, &ports)
		                                 : open_tcp(config, l, &ports);
	}
	*n = ports.n;
	if (!error)
		return ports.p;
	for (size_t i = 0; i < ports.n; i++)
		close(ports.p[i].fd);
	free(ports.p);
	return NULL;
}

int control_open(const struct config *config)
{
	make_directory_of(config->control);
	int fd = bind_unix(config->control, 0600);
	if (fd < 0)
		log_printf(MSV_LOG_ERROR, "%s: control socket %s: %s; %s", config->file,
		    config->control, strerror(errno),
		    errno == EADDRINUSE ? "a mailservd with this configuration runs already"
		                        : "make its directory, or say control = another path");
	return fd;
}
