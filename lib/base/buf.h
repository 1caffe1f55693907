/* A byte queue: written at the end, consumed at the front.  Failure to get
 * memory is sticky: write freely, ask msv_buf_failed() once. */
#ifndef MSV_BASE_BUF_H
#define MSV_BASE_BUF_H

#include <mailserv/base.h>

struct msv_buf {
	struct msv_env *env;
	char *p;      /* the allocation */
	size_t start; /* the first byte not consumed */
	size_t end;   /* behind the last byte */
	size_t cap;
	bool failed;
};

void msv_buf_init(struct msv_buf *buf, struct msv_env *env);
/* Frees the memory; the buf may be used again. */
void msv_buf_fini(struct msv_buf *buf);
size_t msv_buf_len(const struct msv_buf *buf);
/* The bytes; valid until the next change.  Not ended by NUL. */
const char *msv_buf_data(const struct msv_buf *buf);
bool msv_buf_failed(const struct msv_buf *buf);
/* 0 or MSV_ERR_NOMEM. */
int msv_buf_put(struct msv_buf *buf, const void *p, size_t n);
int msv_buf_puts(struct msv_buf *buf, const char *s);
int msv_buf_putc(struct msv_buf *buf, char c);
int msv_buf_printf(struct msv_buf *buf, const char *fmt, ...) MSV_PRINTF(2, 3);
/* Room for n more bytes, or NULL; then say how many were written. */
char *msv_buf_reserve(struct msv_buf *buf, size_t n);
void msv_buf_commit(struct msv_buf *buf, size_t n);
/* Drops n bytes at the front; the last one gives the memory back when the
 * buffer had grown beyond 4 KiB. */
void msv_buf_consume(struct msv_buf *buf, size_t n);
/* Empties it, keeping the memory. */
void msv_buf_clear(struct msv_buf *buf);
/* Drops bytes at the end so that n remain. */
void msv_buf_truncate(struct msv_buf *buf, size_t n);
/* The bytes as a string ended by NUL (not counted), or NULL on no memory. */
const char *msv_buf_cstr(struct msv_buf *buf);

#endif
