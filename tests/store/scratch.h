/* A directory for a test, gone afterwards. */
#ifndef TESTS_STORE_SCRATCH_H
#define TESTS_STORE_SCRATCH_H

#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <check.h>

static char scratch[256];

static inline void scratch_make(void)
{
	/* In memory, where there is such a place: the tests sync thousands of files. */
	const char *tmp = access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp";

	if (getenv("TMPDIR"))
		tmp = getenv("TMPDIR");
	snprintf(scratch, sizeof(scratch), "%s/msv-store-XXXXXX", tmp);
	ck_assert_ptr_nonnull(mkdtemp(scratch));
}

static inline int scratch_remove_one(
    const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	(void)st, (void)type, (void)ftw;
	return remove(path);
}

static inline void scratch_remove(void)
{
	nftw(scratch, scratch_remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

/* The path of a file in it; valid until the fourth call after. */
static inline const char *scratch_path(const char *name)
{
	static char paths[4][1024];
	static unsigned next;
	char *path = paths[next++ % 4];

	snprintf(path, sizeof(paths[0]), "%s/%s", scratch, name);
	return path;
}

static inline void scratch_write(const char *name, const void *p, size_t n)
{
	int fd = open(scratch_path(name), O_WRONLY | O_CREAT | O_TRUNC, 0600);

	ck_assert_msg(fd >= 0, "%s", name);
	ck_assert_int_eq(write(fd, p, n), (ssize_t)n);
	close(fd);
}

static inline void scratch_puts(const char *name, const char *text)
{
	scratch_write(name, text, strlen(text));
}

/* The contents of a file, ended by NUL; "" when there is none.  Valid until
 * the next call. */
static inline const char *scratch_read(const char *name)
{
	static char text[65536];
	int fd = open(scratch_path(name), O_RDONLY);
	ssize_t n = fd < 0 ? 0 : read(fd, text, sizeof(text) - 1);

	if (fd >= 0)
		close(fd);
	text[n < 0 ? 0 : n] = '\0';
	return text;
}

static inline void scratch_mkdir(const char *name)
{
	ck_assert_msg(mkdir(scratch_path(name), 0700) == 0, "%s", name);
}

static inline bool scratch_has(const char *name)
{
	struct stat st;

	return lstat(scratch_path(name), &st) == 0;
}

#endif
