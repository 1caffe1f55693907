/* Building UID sets (struct msv_uidset of <mailserv/base.h>). */
#ifndef MSV_CODEC_UIDSET_H
#define MSV_CODEC_UIDSET_H

#include <mailserv/base.h>

#include "base/alloc.h"

/* Takes ranges in any order; adding in rising order costs no sort and no more
 * memory than the result. */
struct msv_uidset_builder {
	struct msv_env *env;
	struct msv_uid_range *r;
	size_t n, cap;
	bool unsorted;
};

void msv_uidset_builder_init(struct msv_uidset_builder *b, struct msv_env *env);
void msv_uidset_builder_fini(struct msv_uidset_builder *b);
/* Adds first..last, both included; the two may be swapped.  0 or MSV_ERR_NOMEM. */
int msv_uidset_add(struct msv_uidset_builder *b, uint32_t first, uint32_t last);
/* Sorts and merges; the set belongs to the builder and is valid until the next
 * add or fini.  O(n log n), in place: never fails. */
struct msv_uidset msv_uidset_finish(struct msv_uidset_builder *b);
/* The same, the ranges handed over: the caller frees set.r with msv_free(). */
struct msv_uidset msv_uidset_take(struct msv_uidset_builder *b);

#endif
