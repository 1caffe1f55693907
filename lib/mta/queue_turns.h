/* Destinations that have something in the queue, in memory: when each may be
 * tried next, and whose turn it is. */
#ifndef MSV_MTA_QUEUE_TURNS_H
#define MSV_MTA_QUEUE_TURNS_H

#include <mailserv/base.h>

struct queue_dest {
	struct queue_dest *chain;       /* of its bucket */
	struct queue_dest *next, *prev; /* in the ring of those ready; NULL: not there */
	size_t at;                      /* its place in the heap, from 1; 0: not there */
	/* What is there is due no earlier; 0: somebody must look, UINT64_MAX: nothing
	 * that is not being tried. */
	uint64_t due;
	uint64_t blocked; /* until */
	unsigned pins;    /* who points here */
	bool exists;      /* has recipients, as far as is known */
	char name[];
};

struct queue_turns {
	struct msv_env *env;
	uint64_t key[2]; /* of the hash: names come from outside */
	struct queue_dest **bucket;
	size_t nbuckets, n;
	struct queue_dest **heap; /* from index 1; has room for all */
	size_t nheap, heap_cap;
	struct queue_dest *ring; /* whose turn it is, or NULL */
};

/* MSV_ERR_NOMEM, MSV_ERR_IO (no randomness). */
int msv_turns_init(struct queue_turns *turns, struct msv_env *env);
void msv_turns_fini(struct queue_turns *turns);

/* NULL: none of that name. */
struct queue_dest *msv_turns_find(const struct queue_turns *turns, const char *name);
/* Found or made, and pinned.  NULL: no memory. */
struct queue_dest *msv_turns_pin(struct queue_turns *turns, const char *name);
/* The destination goes away when nothing is known of it. */
void msv_turns_unpin(struct queue_turns *turns, struct queue_dest *dest);

/* Something of it is due then. */
void msv_turns_due(struct queue_turns *turns, struct queue_dest *dest, uint64_t due);
/* Somebody looked: whether it has recipients, and when the first that is not being
 * tried is due. */
void msv_turns_looked(
    struct queue_turns *turns, struct queue_dest *dest, bool exists, uint64_t due, uint64_t now);
/* All must be looked at. */
void msv_turns_doubt(struct queue_turns *turns);
void msv_turns_block(struct queue_turns *turns, const char *name, uint64_t until);

/* The next that are ready, at most max, each pinned.  The first one's turn is over. */
size_t msv_turns_pick(struct queue_turns *turns, uint64_t now, struct queue_dest **out, size_t max);
/* When there is something to pick: 0 now, UINT64_MAX never. */
uint64_t msv_turns_next(const struct queue_turns *turns);

#endif
