/* The recipients being tried now: a set of rows, in memory alone. */
#ifndef MSV_MTA_QUEUE_BUSY_H
#define MSV_MTA_QUEUE_BUSY_H

#include <mailserv/base.h>

struct queue_busy {
	struct msv_env *env;
	uint64_t *slot; /* 0: free */
	size_t cap;     /* a power of two, or 0 */
	size_t n;
	size_t reserved; /* for those to come */
};

void msv_queue_busy_fini(struct queue_busy *busy);
/* Makes room for so many more, beyond those reserved already.  MSV_ERR_NOMEM. */
int msv_queue_busy_reserve(struct queue_busy *busy, size_t more);
bool msv_queue_busy_has(const struct queue_busy *busy, uint64_t row);
/* These two touch no env.  There is room, and the row is not 0. */
void msv_queue_busy_add(struct queue_busy *busy, uint64_t row);
void msv_queue_busy_remove(struct queue_busy *busy, uint64_t row);

#endif
