/* Small bodies stay in memory, so that each copy is written once with its
 * fields on top; large ones, or all beyond a budget, go to a file. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "mta/mta.h"

void msv_mta_spool_init(struct mta_spool *spool, struct msv_mta *mta)
{
	*spool = (struct mta_spool){ .mta = mta, .fd = -1 };
	msv_buf_init(&spool->memory, mta->env);
}

/* A file that is gone when its descriptor is. */
static int unnamed_file(struct msv_mta *mta)
{
#ifdef O_TMPFILE
	int tmp = open(mta->spool, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
	if (tmp >= 0)
		return tmp;
#endif
	char *name = msv_asprintf(mta->env, "%s/.body-XXXXXX", mta->spool);
	if (!name)
		return -1;
	int fd = mkostemp(name, O_CLOEXEC);
	if (fd >= 0)
		unlink(name);
	msv_free(mta->env, name);
	return fd;
}

static int write_file(struct mta_spool *spool, const char *p, size_t n)
{
	while (n > 0) {
		ssize_t wrote = write(spool->fd, p, n);
		if (wrote < 0 && errno == EINTR)
			continue;
		if (wrote < 0)
			return errno == ENOSPC || errno == EDQUOT ? MSV_ERR_NOSPACE : MSV_ERR_IO;
		p += wrote;
		n -= (size_t)wrote;
	}
	return 0;
}

/* The body has outgrown its share of memory. */
static int move_to_file(struct mta_spool *spool)
{
	size_t n = msv_buf_len(&spool->memory);
	spool->fd = unnamed_file(spool->mta);
	if (spool->fd < 0) {
		msv_env_log(spool->mta->env, MSV_LOG_ERROR, "mta spool=%s: %s; make it writable",
		    spool->mta->spool, strerror(errno));
		return errno == ENOSPC ? MSV_ERR_NOSPACE : MSV_ERR_IO;
	}
	int error = write_file(spool, msv_buf_data(&spool->memory), n);
	msv_buf_fini(&spool->memory);
	spool->mta->memory_used -= n;
	return error;
}

int msv_mta_spool_write(struct mta_spool *spool, const void *p, size_t n)
{
	struct msv_mta *mta = spool->mta;
	int error = 0;
	spool->size += n;
	if (spool->fd < 0 &&
	    (spool->size > mta->body_memory || mta->memory_used + n > mta->memory_budget))
		error = move_to_file(spool);
	if (error)
		return error;
	if (spool->fd >= 0)
		return write_file(spool, p, n);
	if (msv_buf_put(&spool->memory, p, n) != 0)
		return MSV_ERR_NOMEM;
	mta->memory_used += n;
	return 0;
}

int64_t msv_mta_spool_read(
    struct mta_spool *spool, uint64_t offset, void *room, size_t n, const void **p)
{
	if (spool->fd < 0) {
		size_t len = msv_buf_len(&spool->memory);
		if (offset >= len)
			return 0;
		*p = msv_buf_data(&spool->memory) + offset;
		return (int64_t)(len - offset < n ? len - offset : n);
	}
	ssize_t got;
	do
		got = pread(spool->fd, room, n, (off_t)offset);
	while (got < 0 && errno == EINTR);
	*p = room;
	return got < 0 ? MSV_ERR_IO : got;
}

void msv_mta_spool_detach(struct mta_spool *spool)
{
	if (spool->mta && spool->fd < 0)
		spool->mta->memory_used -= msv_buf_len(&spool->memory);
	spool->mta = NULL;
}

void msv_mta_spool_fini(struct mta_spool *spool)
{
	msv_mta_spool_detach(spool);
	if (spool->fd >= 0)
		close(spool->fd);
	spool->fd = -1;
	msv_buf_fini(&spool->memory);
}
