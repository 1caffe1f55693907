#include "codec/arena.h"

#include <stdalign.h>
#include <string.h>

/* A chunk grows with the arena, from this up to the other. */
#define CHUNK_MIN 1024
#define CHUNK_MAX 65536

struct msv_arena_chunk {
	struct msv_arena_chunk *next;
	size_t used, cap;
	alignas(max_align_t) char data[];
};

void msv_arena_init(struct msv_arena *arena, struct msv_env *env)
{
	memset(arena, 0, sizeof *arena);
	arena->env = env;
}

void msv_arena_fini(struct msv_arena *arena)
{
	struct msv_arena_chunk *next;

	for (struct msv_arena_chunk *c = arena->chunks; c; c = next) {
		next = c->next;
		msv_free(arena->env, c);
	}
	arena->chunks = NULL;
	arena->bytes = 0;
}

static size_t chunk_size(const struct msv_arena *arena, size_t n)
{
	size_t size = arena->bytes;

	if (size < CHUNK_MIN)
		size = CHUNK_MIN;
	if (size > CHUNK_MAX)
		size = CHUNK_MAX;
	return size < n ? n : size;
}

/* A chunk with room for n bytes at the head of the list.  Large pieces go
 * behind the head, which still has room for small ones. */
static struct msv_arena_chunk *add_chunk(struct msv_arena *arena, size_t n)
{
	size_t size = chunk_size(arena, n);
	struct msv_arena_chunk *c = msv_alloc(arena->env, sizeof *c + size);

	if (!c)
		return NULL;
	c->cap = size;
	arena->bytes += size;
	if (arena->chunks && size == n) {
		c->next = arena->chunks->next;
		arena->chunks->next = c;
	} else {
		c->next = arena->chunks;
		arena->chunks = c;
	}
	return c;
}

/* n bytes at a multiple of align, zeroed as the chunk was. */
static void *take(struct msv_arena *arena, size_t n, size_t align)
{
	struct msv_arena_chunk *c = arena->chunks;
	size_t at = c ? (c->used + align - 1) & ~(align - 1) : 0;

	if (n > SIZE_MAX / 2)
		return NULL;
	if (!c || at > c->cap || c->cap - at < n) {
		c = add_chunk(arena, n);
		at = 0;
	}
	if (!c)
		return NULL;
	c->used = at + n;
	return c->data + at;
}

void *msv_arena_alloc(struct msv_arena *arena, size_t n)
{
	return take(arena, n, alignof(max_align_t));
}

char *msv_arena_strndup(struct msv_arena *arena, const char *p, size_t n)
{
	char *copy = n < SIZE_MAX ? take(arena, n + 1, 1) : NULL;

	if (copy && n)
		memcpy(copy, p, n);
	return copy;
}
