/* A hash table of destinations; a heap of those that wait for a time; a ring of
 * those that are ready, which take turns. */
#include "mta/queue_turns.h"

#include <string.h>

#include "base/alloc.h"

/* -- The table, under a keyed hash (SipHash-2-4) ---------------------------------------- */

static uint64_t rotate(uint64_t x, unsigned bits)
{
	return x << bits | x >> (64 - bits);
}

static void sip_rounds(uint64_t v[4], int n)
{
	while (n--) {
		v[0] += v[1];
		v[2] += v[3];
		v[1] = rotate(v[1], 13) ^ v[0];
		v[3] = rotate(v[3], 16) ^ v[2];
		v[0] = rotate(v[0], 32);
		v[2] += v[1];
		v[0] += v[3];
		v[1] = rotate(v[1], 17) ^ v[2];
		v[3] = rotate(v[3], 21) ^ v[0];
		v[2] = rotate(v[2], 32);
	}
}

static uint64_t hash(const struct queue_turns *turns, const char *name)
{
	uint64_t v[4] = { turns->key[0] ^ 0x736f6d6570736575, turns->key[1] ^ 0x646f72616e646f6d,
		turns->key[0] ^ 0x6c7967656e657261, turns->key[1] ^ 0x7465646279746573 };
	size_t n = strlen(name), left = n;
	uint64_t word;

	for (;; name += 8, left -= 8) {
		word = left < 8 ? (uint64_t)n << 56 : 0;
		for (size_t i = 0; i < left && i < 8; i++)
			word |= (uint64_t)(unsigned char)name[i] << 8 * i;
		v[3] ^= word;
		sip_rounds(v, 2);
		v[0] ^= word;
		if (left < 8)
			break;
	}
	v[2] ^= 0xff;
	sip_rounds(v, 4);
	return v[0] ^ v[1] ^ v[2] ^ v[3];
}

static struct queue_dest **bucket_of(const struct queue_turns *turns, const char *name)
{
	return &turns->bucket[hash(turns, name) & (turns->nbuckets - 1)];
}

/* Twice the buckets; without memory the chains get longer. */
static void widen(struct queue_turns *turns)
{
	struct queue_turns wide = *turns;

	wide.nbuckets *= 2;
	wide.bucket = msv_alloc(turns->env, wide.nbuckets * sizeof(struct queue_dest *));
	if (!wide.bucket)
		return;
	for (size_t i = 0; i < turns->nbuckets; i++) {
		while (turns->bucket[i]) {
			struct queue_dest *dest = turns->bucket[i];
			struct queue_dest **to = bucket_of(&wide, dest->name);
			turns->bucket[i] = dest->chain;
			dest->chain = *to;
			*to = dest;
		}
	}
	msv_free(turns->env, turns->bucket);
	*turns = wide;
}

int msv_turns_init(struct queue_turns *turns, struct msv_env *env)
{
	*turns = (struct queue_turns){ .env = env, .nbuckets = 64 };
	turns->bucket = msv_alloc(env, turns->nbuckets * sizeof(struct queue_dest *));
	if (!turns->bucket)
		return MSV_ERR_NOMEM;
	return msv_env_random(env, turns->key, sizeof(turns->key));
}

void msv_turns_fini(struct queue_turns *turns)
{
	for (size_t i = 0; turns->bucket && i < turns->nbuckets; i++) {
		while (turns->bucket[i]) {
			struct queue_dest *dest = turns->bucket[i];
			turns->bucket[i] = dest->chain;
			msv_free(turns->env, dest);
		}
	}
	msv_free(turns->env, turns->bucket);
	msv_free(turns->env, turns->heap);
	*turns = (struct queue_turns){ 0 };
}

struct queue_dest *msv_turns_find(const struct queue_turns *turns, const char *name)
{
	struct queue_dest *dest = *bucket_of(turns, name);

	while (dest && strcmp(dest->name, name) != 0)
		dest = dest->chain;
	return dest;
}

struct queue_dest *msv_turns_pin(struct queue_turns *turns, const char *name)
{
	struct queue_dest *dest = msv_turns_find(turns, name), **bucket;
	size_t n = strlen(name) + 1;

	if (dest) {
		dest->pins++;
		return dest;
	}
	/* Room in the heap now, so that waiting cannot fail. */
	if (msv_grow(
	        turns->env, &turns->heap, &turns->heap_cap, turns->n + 2, sizeof(*turns->heap)))
		return NULL;
	dest = msv_alloc(turns->env, sizeof(*dest) + n);
	if (!dest)
		return NULL;
	if (turns->n >= turns->nbuckets)
		widen(turns);
	memcpy(dest->name, name, n);
	dest->due = UINT64_MAX;
	dest->pins = 1;
	bucket = bucket_of(turns, name);
	dest->chain = *bucket;
	*bucket = dest;
	turns->n++;
	return dest;
}

/* -- The heap ------------------------------------------------------------------------------ */

static uint64_t ready_at(const struct queue_dest *dest)
{
	return dest->due > dest->blocked ? dest->due : dest->blocked;
}

static void put_at(struct queue_turns *turns, struct queue_dest *dest, size_t at)
{
	turns->heap[at] = dest;
	dest->at = at;
}

static void heap_up(struct queue_turns *turns, struct queue_dest *dest, size_t at)
{
	for (; at > 1 && ready_at(dest) < ready_at(turns->heap[at / 2]); at /= 2)
		put_at(turns, turns->heap[at / 2], at);
	put_at(turns, dest, at);
}

static void heap_down(struct queue_turns *turns, struct queue_dest *dest, size_t at)
{
	size_t child;

	while ((child = at * 2) <= turns->nheap) {
		if (child < turns->nheap &&
		    ready_at(turns->heap[child + 1]) < ready_at(turns->heap[child]))
			child++;
		if (ready_at(dest) <= ready_at(turns->heap[child]))
			break;
		put_at(turns, turns->heap[child], at);
		at = child;
	}
	put_at(turns, dest, at);
}

static void heap_remove(struct queue_turns *turns, struct queue_dest *dest)
{
	size_t at = dest->at;
	struct queue_dest *last = turns->heap[turns->nheap--];

	dest->at = 0;
	if (last == dest)
		return;
	if (at > 1 && ready_at(last) < ready_at(turns->heap[at / 2]))
		heap_up(turns, last, at);
	else
		heap_down(turns, last, at);
}

/* -- The ring ------------------------------------------------------------------------------ */

static void ring_append(struct queue_turns *turns, struct queue_dest *dest)
{
	if (!turns->ring) {
		turns->ring = dest->next = dest->prev = dest;
		return;
	}
	dest->next = turns->ring;
	dest->prev = turns->ring->prev;
	dest->prev->next = dest->next->prev = dest;
}

static void ring_remove(struct queue_turns *turns, struct queue_dest *dest)
{
	if (turns->ring == dest)
		turns->ring = dest->next == dest ? NULL : dest->next;
	dest->next->prev = dest->prev;
	dest->prev->next = dest->next;
	dest->next = dest->prev = NULL;
}

/* -- Both ------------------------------------------------------------------------------------ */

/* Puts it where it belongs after a change.  What is ready keeps its turn. */
static void refile(struct queue_turns *turns, struct queue_dest *dest, uint64_t now)
{
	if (dest->next && ready_at(dest) <= now)
		return;
	if (dest->next)
		ring_remove(turns, dest);
	if (dest->at)
		heap_remove(turns, dest);
	if (ready_at(dest) != UINT64_MAX)
		heap_up(turns, dest, ++turns->nheap);
}

/* Forgets it when there is nothing to know. */
static void drop_unknown(struct queue_turns *turns, struct queue_dest *dest)
{
	struct queue_dest **link;

	if (dest->pins || dest->exists || dest->blocked)
		return;
	if (dest->next)
		ring_remove(turns, dest);
	if (dest->at)
		heap_remove(turns, dest);
	for (link = bucket_of(turns, dest->name); *link != dest; link = &(*link)->chain)
		;
	*link = dest->chain;
	turns->n--;
	msv_free(turns->env, dest);
}

void msv_turns_unpin(struct queue_turns *turns, struct queue_dest *dest)
{
	if (dest && --dest->pins == 0)
		drop_unknown(turns, dest);
}

void msv_turns_due(struct queue_turns *turns, struct queue_dest *dest, uint64_t due)
{
	dest->exists = true;
	if (due >= dest->due)
		return;
	dest->due = due;
	if (!dest->next)
		refile(turns, dest, 0);
}

void msv_turns_looked(
    struct queue_turns *turns, struct queue_dest *dest, bool exists, uint64_t due, uint64_t now)
{
	dest->exists = exists;
	dest->due = exists ? due : UINT64_MAX;
	if (dest->blocked <= now)
		dest->blocked = 0;
	else if (!exists)
		dest->due = 0; /* looked at once more, and forgotten, after the block */
	refile(turns, dest, now);
	drop_unknown(turns, dest);
}

void msv_turns_doubt(struct queue_turns *turns)
{
	for (size_t i = 0; i < turns->nbuckets; i++) {
		for (struct queue_dest *dest = turns->bucket[i]; dest; dest = dest->chain)
			msv_turns_due(turns, dest, 0);
	}
}

void msv_turns_block(struct queue_turns *turns, const char *name, uint64_t until)
{
	struct queue_dest *dest = msv_turns_find(turns, name);

	if (!dest && until == 0)
		return;
	/* Without memory it is not blocked; who asked will find out again. */
	dest = msv_turns_pin(turns, name);
	if (!dest)
		return;
	dest->blocked = until;
	if (!dest->exists && dest->pins == 1)
		dest->due = 0;
	if (!dest->next || until > 0) {
		if (dest->next)
			ring_remove(turns, dest);
		refile(turns, dest, 0);
	}
	msv_turns_unpin(turns, dest);
}

size_t msv_turns_pick(struct queue_turns *turns, uint64_t now, struct queue_dest **out, size_t max)
{
	size_t n = 0;

	while (turns->nheap && ready_at(turns->heap[1]) <= now) {
		struct queue_dest *dest = turns->heap[1];
		heap_remove(turns, dest);
		ring_append(turns, dest);
	}
	if (!turns->ring || !max)
		return 0;
	for (struct queue_dest *dest = turns->ring; n < max; dest = dest->next) {
		dest->pins++;
		out[n++] = dest;
		if (dest->next == turns->ring)
			break;
	}
	turns->ring = turns->ring->next;
	return n;
}

uint64_t msv_turns_next(const struct queue_turns *turns)
{
	if (turns->ring)
		return 0;
	return turns->nheap ? ready_at(turns->heap[1]) : UINT64_MAX;
}
