#include "base/buf.h"

#include <stdio.h>
#include <string.h>

#include "base/alloc.h"

enum {
	FIRST_SIZE = 256, /* of a buffer that gets its first byte */
	KEEP_SIZE = 4096, /* an empty buffer keeps no more */
};

void msv_buf_init(struct msv_buf *buf, struct msv_env *env)
{
	*buf = (struct msv_buf){ .env = env };
}

void msv_buf_fini(struct msv_buf *buf)
{
	if (buf->env)
		msv_free(buf->env, buf->p);
	msv_buf_init(buf, buf->env);
}

size_t msv_buf_len(const struct msv_buf *buf)
{
	return buf->end - buf->start;
}

const char *msv_buf_data(const struct msv_buf *buf)
{
	return buf->p ? buf->p + buf->start : "";
}

bool msv_buf_failed(const struct msv_buf *buf)
{
	return buf->failed;
}

/* Moves the bytes to the front of the allocation. */
static void close_up(struct msv_buf *buf)
{
	size_t len = msv_buf_len(buf);

	if (buf->start && len)
		memmove(buf->p, buf->p + buf->start, len);
	buf->start = 0;
	buf->end = len;
}

/* An allocation that holds n bytes more, at least twice as large. */
static int enlarge(struct msv_buf *buf, size_t n)
{
	size_t need = msv_buf_len(buf) + n;
	size_t cap = buf->cap > SIZE_MAX / 2 ? need : buf->cap * 2;

	if (need < n)
		return MSV_ERR_NOMEM;
	if (cap < FIRST_SIZE)
		cap = FIRST_SIZE;
	if (cap < need)
		cap = need;
	close_up(buf);
	char *p = msv_env_realloc(buf->env, buf->p, cap);
	if (!p)
		return MSV_ERR_NOMEM;
	buf->p = p;
	buf->cap = cap;
	return 0;
}

char *msv_buf_reserve(struct msv_buf *buf, size_t n)
{
	if (buf->failed)
		return NULL;
	if (!buf->p || buf->cap - buf->end < n) {
		/* Moving pays when more was consumed than is moved: so appending
		 * stays linear however slowly the front is eaten. */
		if (buf->p && buf->start >= msv_buf_len(buf) && buf->cap - msv_buf_len(buf) >= n)
			close_up(buf);
		else if (enlarge(buf, n)) {
			buf->failed = true;
			return NULL;
		}
	}
	return buf->p + buf->end;
}

void msv_buf_commit(struct msv_buf *buf, size_t n)
{
	buf->end += n;
}

int msv_buf_put(struct msv_buf *buf, const void *p, size_t n)
{
	if (!n)
		return buf->failed ? MSV_ERR_NOMEM : 0;
	char *room = msv_buf_reserve(buf, n);
	if (!room)
		return MSV_ERR_NOMEM;
	memcpy(room, p, n);
	buf->end += n;
	return 0;
}

int msv_buf_puts(struct msv_buf *buf, const char *s)
{
	return msv_buf_put(buf, s, strlen(s));
}

int msv_buf_putc(struct msv_buf *buf, char c)
{
	return msv_buf_put(buf, &c, 1);
}

int msv_buf_printf(struct msv_buf *buf, const char *fmt, ...)
{
	va_list args, again;
	char *room = NULL;

	va_start(args, fmt);
	va_copy(again, args);
	int n = vsnprintf(NULL, 0, fmt, args);
	if (n >= 0)
		room = msv_buf_reserve(buf, (size_t)n + 1);
	if (room) {
		vsnprintf(room, (size_t)n + 1, fmt, again);
		msv_buf_commit(buf, (size_t)n);
	}
	va_end(again);
	va_end(args);
	return room ? 0 : MSV_ERR_NOMEM;
}

void msv_buf_consume(struct msv_buf *buf, size_t n)
{
	size_t len = msv_buf_len(buf);

	buf->start += n < len ? n : len;
	if (buf->start != buf->end)
		return;
	msv_buf_clear(buf);
	if (buf->cap > KEEP_SIZE) {
		msv_free(buf->env, buf->p);
		buf->p = NULL;
		buf->cap = 0;
	}
}

void msv_buf_clear(struct msv_buf *buf)
{
	buf->start = buf->end = 0;
}

void msv_buf_truncate(struct msv_buf *buf, size_t n)
{
	if (n < msv_buf_len(buf))
		buf->end = buf->start + n;
}

const char *msv_buf_cstr(struct msv_buf *buf)
{
	char *end = msv_buf_reserve(buf, 1);

	if (!end)
		return NULL;
	*end = '\0';
	return msv_buf_data(buf);
}
