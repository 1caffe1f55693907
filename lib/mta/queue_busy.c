/* Open addressing; at most half of the slots are taken. */
#include "mta/queue_busy.h"

#include "base/alloc.h"

static size_t home(const struct queue_busy *busy, uint64_t row)
{
	return (size_t)(row * 0x9e3779b97f4a7c15 >> 32) & (busy->cap - 1);
}

/* The slot of the row, or the free one where it would be. */
static size_t find(const struct queue_busy *busy, uint64_t row)
{
	size_t i = home(busy, row);

	while (busy->slot[i] && busy->slot[i] != row)
		i = (i + 1) & (busy->cap - 1);
	return i;
}

void msv_queue_busy_fini(struct queue_busy *busy)
{
	msv_free(busy->env, busy->slot);
	*busy = (struct queue_busy){ .env = busy->env };
}

int msv_queue_busy_reserve(struct queue_busy *busy, size_t more)
{
	struct queue_busy grown = { .env = busy->env, .cap = busy->cap ? busy->cap : 64 };

	grown.reserved = busy->reserved + more;
	while (grown.cap / 2 < busy->n + grown.reserved)
		grown.cap *= 2;
	if (grown.cap == busy->cap) {
		busy->reserved = grown.reserved;
		return 0;
	}
	grown.slot = msv_alloc(busy->env, grown.cap * sizeof(*grown.slot));
	if (!grown.slot)
		return MSV_ERR_NOMEM;
	for (size_t i = 0; i < busy->cap; i++) {
		if (busy->slot[i])
			msv_queue_busy_add(&grown, busy->slot[i]);
	}
	msv_queue_busy_fini(busy);
	*busy = grown;
	return 0;
}

bool msv_queue_busy_has(const struct queue_busy *busy, uint64_t row)
{
	return busy->cap && busy->slot[find(busy, row)] == row;
}

void msv_queue_busy_add(struct queue_busy *busy, uint64_t row)
{
	size_t i = find(busy, row);

	busy->n += busy->slot[i] == 0;
	busy->slot[i] = row;
}

void msv_queue_busy_remove(struct queue_busy *busy, uint64_t row)
{
	size_t mask = busy->cap - 1, hole, i;

	if (!msv_queue_busy_has(busy, row))
		return;
	/* What stands behind the hole moves up where it would no longer be found. */
	hole = find(busy, row);
	for (i = (hole + 1) & mask; busy->slot[i]; i = (i + 1) & mask) {
		size_t wanted = home(busy, busy->slot[i]);
		if (((i - wanted) & mask) >= ((i - hole) & mask)) {
			busy->slot[hole] = busy->slot[i];
			hole = i;
		}
	}
	busy->slot[hole] = 0;
	busy->n--;
}
