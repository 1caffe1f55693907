/* Many small pieces of memory that are freed together. */
#ifndef MSV_CODEC_ARENA_H
#define MSV_CODEC_ARENA_H

#include "base/alloc.h"

struct msv_arena_chunk;

struct msv_arena {
	struct msv_env *env;
	struct msv_arena_chunk *chunks;
	size_t bytes; /* taken from the env so far */
};

void msv_arena_init(struct msv_arena *arena, struct msv_env *env);
/* Frees all of it; the arena may be used again. */
void msv_arena_fini(struct msv_arena *arena);
/* n zeroed bytes, aligned for anything, or NULL. */
void *msv_arena_alloc(struct msv_arena *arena, size_t n);
/* A copy of n bytes with a NUL behind them, or NULL. */
char *msv_arena_strndup(struct msv_arena *arena, const char *p, size_t n);

#endif
