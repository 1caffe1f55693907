/* The leaves of a transaction: one copy for each, however many recipients led
 * there. */
#include <string.h>

#include "mta/mta.h"

void msv_mta_leaf_fini(struct msv_env *env, struct mta_leaf *leaf)
{
	char *strings[] = { leaf->address, leaf->account, leaf->home, leaf->mailbox,
		leaf->destination, leaf->sender };
	for (size_t i = 0; i < sizeof strings / sizeof *strings; i++)
		msv_free(env, strings[i]);
	*leaf = (struct mta_leaf){ 0 };
}

void msv_mta_rcpt_fini(struct msv_env *env, struct mta_rcpt *rcpt)
{
	msv_free(env, rcpt->address);
	msv_free(env, rcpt->orcpt);
	*rcpt = (struct mta_rcpt){ 0 };
}

/* The order of leaves; 0: they are the same. */
static int compare(const struct mta_leaf *a, const struct mta_leaf *b)
{
	int order = (int)a->kind - (int)b->kind;
	if (order || a->kind == MTA_DISCARD)
		return order;
	if (a->kind == MTA_LOCAL) {
		order = strcmp(a->account, b->account);
		return order ? order : strcmp(a->mailbox, b->mailbox);
	}
	order = strcmp(a->address, b->address);
	return order ? order : (a->program > b->program) - (a->program < b->program);
}

/* Where in t->order the leaf is (*found) or would be. */
static size_t place_of(const struct mta_transaction *t, const struct mta_leaf *leaf, bool *found)
{
	size_t low = 0, high = t->norder;
	while (low < high) {
		size_t middle = (low + high) / 2;
		int order = compare(leaf, &t->leaves[t->order[middle]]);
		if (order == 0) {
			*found = true;
			return middle;
		}
		if (order < 0)
			high = middle;
		else
			low = middle + 1;
	}
	*found = false;
	return low;
}

/* There is room. */
static void add(struct mta_transaction *t, struct mta_leaf *given)
{
	bool found;
	size_t place = place_of(t, given, &found);
	given->rcpt = t->nrcpts;
	given->same_as = found ? (ptrdiff_t)t->order[place] : -1;
	if (!found) {
		memmove(
		    &t->order[place + 1], &t->order[place], (t->norder - place) * sizeof *t->order);
		t->order[place] = (uint32_t)t->nleaves;
		t->norder++;
	}
	if (given->kind == MTA_REMOTE || given->kind == MTA_PROGRAM)
		t->leaves_remote = true;
	t->leaves[t->nleaves++] = *given;
	*given = (struct mta_leaf){ 0 };
}

int msv_mta_leaves_add(
    struct mta_transaction *t, struct mta_rcpt *rcpt, struct mta_leaf *leaves, size_t n)
{
	struct msv_env *env = t->env;
	if (n > MTA_LEAVES_MAX - t->nleaves)
		return MSV_ERR_LIMIT;
	if (msv_grow(env, &t->leaves, &t->leaves_cap, t->nleaves + n, sizeof *t->leaves) != 0 ||
	    msv_grow(env, &t->order, &t->order_cap, t->nleaves + n, sizeof *t->order) != 0 ||
	    msv_grow(env, &t->rcpts, &t->rcpts_cap, t->nrcpts + 1, sizeof *t->rcpts) != 0)
		return MSV_ERR_NOMEM;
	rcpt->first = t->nleaves;
	rcpt->nleaves = n;
	for (size_t i = 0; i < n; i++)
		add(t, &leaves[i]);
	t->rcpts[t->nrcpts++] = *rcpt;
	*rcpt = (struct mta_rcpt){ 0 };
	return 0;
}
