/* Failures by address and by account: a hash table of bounded size whose
 * entries are also in order of their last failure. */
#include "auth/auth.h"

#include <string.h>

struct msv_penalties {
	struct msv_env *env;
	struct msv_penalty *entries; /* the first `n` of `cap` were used at least once */
	size_t n, cap;
	uint32_t max;
	uint64_t forget;
	uint32_t *heads; /* of the chains; index + 1 */
	size_t mask;     /* of heads */
	uint32_t newest, oldest;
};

int msv_penalties_new(
    struct msv_env *env, uint32_t max, uint64_t forget, struct msv_penalties **out)
{
	struct msv_penalties *t = msv_alloc(env, sizeof(*t));
	size_t nheads = 64;

	if (!t)
		return MSV_ERR_NOMEM;
	while (nheads < max)
		nheads *= 2;
	t->env = env;
	t->max = max;
	t->forget = forget;
	t->mask = nheads - 1;
	if (!(t->heads = msv_alloc(env, nheads * sizeof(*t->heads)))) {
		msv_free(env, t);
		return MSV_ERR_NOMEM;
	}
	*out = t;
	return 0;
}

void msv_penalties_free(struct msv_env *env, struct msv_penalties *table)
{
	if (!table)
		return;
	msv_free(env, table->heads);
	msv_free(env, table->entries);
	msv_free(env, table);
}

/* -- Chains and order -------------------------------------------------------------- */

static bool same(const struct msv_penalty_id *a, const struct msv_penalty_id *b)
{
	return memcmp(a->b, b->b, sizeof(a->b)) == 0;
}

static struct msv_penalty *entry(struct msv_penalties *t, uint32_t ref)
{
	return &t->entries[ref - 1];
}

/* The ids are keyed hashes: any of their bytes will do. */
static uint32_t *head(struct msv_penalties *t, const struct msv_penalty_id *id)
{
	uint64_t h;

	memcpy(&h, id->b, sizeof(h));
	return &t->heads[h & t->mask];
}

/* The link that holds the reference to id, or the 0 at the end of its chain. */
static uint32_t *find_link(struct msv_penalties *t, const struct msv_penalty_id *id)
{
	uint32_t *link = head(t, id);

	while (*link && !same(&entry(t, *link)->id, id))
		link = &entry(t, *link)->next;
	return link;
}

static void order_remove(struct msv_penalties *t, uint32_t ref)
{
	struct msv_penalty *e = entry(t, ref);

	*(e->newer ? &entry(t, e->newer)->older : &t->newest) = e->older;
	*(e->older ? &entry(t, e->older)->newer : &t->oldest) = e->newer;
	e->newer = e->older = 0;
}

static void order_add(struct msv_penalties *t, uint32_t ref)
{
	struct msv_penalty *e = entry(t, ref);

	e->older = t->newest;
	*(e->older ? &entry(t, e->older)->newer : &t->oldest) = ref;
	t->newest = ref;
}

/* A place for a new entry: a fresh one, or that of the oldest.  0: no memory. */
static uint32_t place(struct msv_penalties *t)
{
	if (t->n < t->max &&
	    msv_grow(t->env, &t->entries, &t->cap, t->n + 1, sizeof(*t->entries)) == 0)
		return (uint32_t)++t->n;
	uint32_t ref = t->oldest;
	if (ref) {
		uint32_t *link = find_link(t, &entry(t, ref)->id);
		*link = entry(t, ref)->next;
		order_remove(t, ref);
	}
	return ref;
}

/* -- Counting ------------------------------------------------------------------------ */

struct msv_penalty *msv_penalties_find(
    struct msv_penalties *table, const struct msv_penalty_id *id, uint64_t now)
{
	uint32_t ref = *find_link(table, id);
	struct msv_penalty *e = ref ? entry(table, ref) : NULL;

	return e && e->failures && now - e->at < table->forget ? e : NULL;
}

/* The entry of id, made or brought up to date; NULL: no memory. */
static struct msv_penalty *renew(
    struct msv_penalties *t, const struct msv_penalty_id *id, uint64_t now)
{
	uint32_t ref = *find_link(t, id);
	struct msv_penalty *e;

	if (ref) {
		e = entry(t, ref);
		order_remove(t, ref);
		if (now - e->at >= t->forget)
			e->failures = 0;
	} else {
		if (!(ref = place(t)))
			return NULL;
		e = entry(t, ref);
		*e = (struct msv_penalty){ .id = *id, .next = *head(t, id) };
		*head(t, id) = ref;
	}
	order_add(t, ref);
	e->at = now;
	return e;
}

void msv_penalties_count(struct msv_penalties *table, const struct msv_penalty_id *id,
    const struct msv_penalty_id *who, const struct msv_penalty_id *tag, uint64_t now)
{
	struct msv_penalty *e = renew(table, id, now);

	if (!e)
		return;
	bool first = e->failures == 0, known = tag && same(&e->tag, tag);
	e->mixed = !first && (e->mixed || !same(&e->who, who));
	e->who = *who;
	if (first || (!known && e->failures < UINT32_MAX))
		e->failures++;
	if (tag)
		e->tag = *tag;
}

void msv_penalties_forgive(
    struct msv_penalties *table, const struct msv_penalty_id *id, const struct msv_penalty_id *who)
{
	uint32_t ref = *find_link(table, id);

	if (ref && !entry(table, ref)->mixed && same(&entry(table, ref)->who, who))
		entry(table, ref)->failures = 0;
}
