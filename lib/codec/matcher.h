/* Looks for a text in a stream of UTF-8, both folded, in linear time whatever
 * the pieces (Knuth-Morris-Pratt). */
#ifndef MSV_CODEC_MATCHER_H
#define MSV_CODEC_MATCHER_H

#include "base/buf.h"

/* A needle longer than this (folded) is refused. */
#define MSV_MATCHER_MAX 65536

struct msv_matcher {
	struct msv_env *env;
	char *needle; /* folded */
	uint32_t *next;
	size_t n;
	size_t state; /* bytes of the needle matched */
	bool found;
	char held[4]; /* the beginning of a character */
	uint8_t nheld;
	struct msv_buf folded;
};

/* Looks for n bytes of UTF-8.  An empty needle is found at once.  MSV_ERR_NOMEM;
 * MSV_ERR_FORMAT: not UTF-8; MSV_ERR_LIMIT: too long. */
int msv_matcher_init(struct msv_matcher *m, struct msv_env *env, const char *p, size_t n);
void msv_matcher_fini(struct msv_matcher *m);
/* Forgets what was pushed; the next push begins a new text. */
void msv_matcher_reset(struct msv_matcher *m);
/* Looks at n more bytes.  1: found (now or before), 0: not yet, MSV_ERR_NOMEM. */
int msv_matcher_push(struct msv_matcher *m, const char *p, size_t n);
/* True when the whole text p[0..n) holds the needle; resets first.  1, 0 or
 * MSV_ERR_NOMEM. */
int msv_matcher_text(struct msv_matcher *m, const char *p, size_t n);

#endif
