#include "store/beneath.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdbool.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#if defined(__linux__) && defined(__has_include)
#if __has_include(<linux/openat2.h>)
#include <linux/openat2.h>
#include <sys/syscall.h>
#endif
#endif

/* Components are opened for the walk alone. */
#ifdef O_PATH
#define WALK_FLAGS (O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC)
#else
#define WALK_FLAGS (O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC)
#endif

#ifdef SYS_openat2
/* The kernel's own walk.  -1 with ENOSYS where it has none. */
static int open_by_kernel(int dir, const char *path, int flags, mode_t mode)
{
	struct open_how how = {
		.flags = (unsigned)(flags | O_CLOEXEC),
		.mode = flags & O_CREAT ? mode : 0,
		.resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS,
	};
	long fd;

	/* EAGAIN: something was renamed meanwhile and the walk is not sure. */
	for (int tries = 0; tries < 16; tries++) {
		fd = syscall(SYS_openat2, dir, path, &how, sizeof(how));
		if (fd >= 0 || errno != EAGAIN)
			break;
	}
	return (int)fd;
}
#else
static int open_by_kernel(int dir, const char *path, int flags, mode_t mode)
{
	(void)dir, (void)path, (void)flags, (void)mode;
	errno = ENOSYS;
	return -1;
}
#endif

/* Takes the next component of *path into name: 1; 0 at the end; -1 with errno
 * for one that leads elsewhere. */
static int next_component(const char **path, char name[NAME_MAX + 1])
{
	size_t n;

	*path += strspn(*path, "/");
	n = strcspn(*path, "/");
	if (!n)
		return 0;
	if (n > NAME_MAX) {
		errno = ENAMETOOLONG;
		return -1;
	}
	memcpy(name, *path, n);
	name[n] = '\0';
	*path += n;
	if (strcmp(name, "..") != 0)
		return 1;
	errno = EXDEV;
	return -1;
}

/* Closes the directory of a walk, keeping errno. */
static void leave(int walk, int dir)
{
	int saved = errno;

	if (walk != dir)
		close(walk);
	errno = saved;
}

/* The walk by hand, a component at a time. */
static int open_by_hand(int dir, const char *path, int flags, mode_t mode)
{
	char name[NAME_MAX + 1] = ".", next[NAME_MAX + 1];
	int walk = dir, fd = -1, more = next_component(&path, name);

	while (more > 0 && (more = next_component(&path, next)) > 0) {
		fd = openat(walk, name, WALK_FLAGS);
		leave(walk, dir);
		if (fd < 0)
			return -1;
		walk = fd;
		memcpy(name, next, sizeof(name));
	}
	fd = more < 0 ? -1 : openat(walk, name, flags | O_NOFOLLOW | O_CLOEXEC, mode);
	leave(walk, dir);
	return fd;
}

int msv_beneath_open(int dir, const char *path, int flags, mode_t mode)
{
	int fd;

	if (path[0] == '/') {
		errno = EXDEV;
		return -1;
	}
	fd = open_by_kernel(dir, path[0] ? path : ".", flags, mode);
	/* Sandboxes answer EPERM to what they do not know. */
	if (fd < 0 && (errno == ENOSYS || errno == EPERM))
		fd = open_by_hand(dir, path, flags, mode);
	return fd;
}

int msv_beneath_mkdirs(int dir, const char *path)
{
	char name[NAME_MAX + 1];
	int walk = dir, more;

	while ((more = next_component(&path, name)) > 0) {
		if (mkdirat(walk, name, 0700) != 0 && errno != EEXIST)
			break;
		int fd = openat(walk, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
		if (fd < 0)
			break;
		/* The new entry must outlast a crash as its contents do. */
		fsync(walk);
		leave(walk, dir);
		walk = fd;
	}
	leave(walk, dir);
	return more > 0 || more < 0 ? -1 : 0;
}
