#include "codec/uidset.h"

#include <string.h>

void msv_uidset_builder_init(struct msv_uidset_builder *b, struct msv_env *env)
{
	memset(b, 0, sizeof *b);
	b->env = env;
}

void msv_uidset_builder_fini(struct msv_uidset_builder *b)
{
	msv_free(b->env, b->r);
	msv_uidset_builder_init(b, b->env);
}

/* Widens the last range when the new one begins inside it or right behind it. */
static bool extend_last(struct msv_uidset_builder *b, uint32_t first, uint32_t last)
{
	struct msv_uid_range *top;

	if (b->n == 0)
		return false;
	top = &b->r[b->n - 1];
	if (first < top->first || (first > top->last && first - top->last > 1))
		return false;
	if (last > top->last)
		top->last = last;
	return true;
}

int msv_uidset_add(struct msv_uidset_builder *b, uint32_t first, uint32_t last)
{
	int rc;

	if (first > last) {
		uint32_t swap = first;

		first = last;
		last = swap;
	}
	if (extend_last(b, first, last))
		return 0;
	rc = msv_grow(b->env, &b->r, &b->cap, b->n + 1, sizeof *b->r);
	if (rc < 0)
		return rc;
	if (b->n > 0 && first < b->r[b->n - 1].first)
		b->unsorted = true;
	b->r[b->n++] = (struct msv_uid_range){ first, last };
	return 0;
}

/* Lets r[i] sink to its place in a heap of n. */
static void sift(struct msv_uid_range *r, size_t i, size_t n)
{
	struct msv_uid_range v = r[i];

	for (size_t child; (child = 2 * i + 1) < n; i = child) {
		if (child + 1 < n && r[child + 1].first > r[child].first)
			child++;
		if (r[child].first <= v.first)
			break;
		r[i] = r[child];
	}
	r[i] = v;
}

/* Heapsort: n log n whatever the order, and no memory (qsort may take some). */
static void sort(struct msv_uid_range *r, size_t n)
{
	for (size_t i = n / 2; i-- > 0;)
		sift(r, i, n);
	for (size_t i = n; i-- > 1;) {
		struct msv_uid_range top = r[0];

		r[0] = r[i];
		r[i] = top;
		sift(r, 0, i);
	}
}

struct msv_uidset msv_uidset_finish(struct msv_uidset_builder *b)
{
	if (b->unsorted) {
		size_t n = b->n;

		sort(b->r, n);
		b->n = 0;
		for (size_t i = 0; i < n; i++)
			if (!extend_last(b, b->r[i].first, b->r[i].last))
				b->r[b->n++] = b->r[i];
		b->unsorted = false;
	}
	return (struct msv_uidset){ b->r, b->n };
}

struct msv_uidset msv_uidset_take(struct msv_uidset_builder *b)
{
	struct msv_uidset set = msv_uidset_finish(b);

	msv_uidset_builder_init(b, b->env);
	return set;
}
