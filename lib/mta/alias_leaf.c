/* The leaves of an expansion, and what is tried when one has no account. */
#include <string.h>

#include "codec/casefold.h"
#include "mta/aliases.h"

/* -- What was seen ---------------------------------------------------------------- */

static uint64_t hash(uint64_t seed, const char *text)
{
	uint64_t h = seed ^ 0xcbf29ce484222325u;

	for (; *text; text++)
		h = (h ^ (unsigned char)*text) * 0x100000001b3u;
	return h ^ h >> 32;
}

/* The slot of the text, or the free one it belongs in. */
static size_t slot_of(const struct msv_expansion_state *state, const char *text)
{
	size_t mask = state->seen_cap - 1, at = (size_t)hash(state->seed, text) & mask;

	while (state->seen[at] && strcmp(state->seen[at], text) != 0)
		at = (at + 1) & mask;
	return at;
}

/* Makes room for one more: the set is never more than half full. */
static int make_room(struct msv_expansion_state *state)
{
	const char **old = state->seen;
	size_t n = state->seen_cap;

	if (2 * (state->nseen + 1) <= n)
		return 0;
	const char **seen = msv_alloc(state->env, (n ? 2 * n : 16) * sizeof *seen);
	if (!seen)
		return MSV_ERR_NOMEM;
	state->seen = seen;
	state->seen_cap = n ? 2 * n : 16;
	for (size_t i = 0; i < n; i++)
		if (old[i])
			seen[slot_of(state, old[i])] = old[i];
	msv_free(state->env, old);
	return 0;
}

int msv_expand_first(struct msv_expansion *x, char letter, const char *text)
{
	struct msv_expansion_state *state = x->state;
	size_t n = strlen(text);
	char *key = msv_arena_alloc(&state->arena, n + 2);

	if (!key || make_room(state) != 0)
		return MSV_ERR_NOMEM;
	key[0] = letter;
	memcpy(key + 1, text, n + 1);
	size_t slot = slot_of(state, key);
	if (state->seen[slot])
		return 0;
	state->seen[slot] = key;
	state->nseen++;
	return 1;
}

/* -- Adding ----------------------------------------------------------------------- */

int msv_expand_add(
    struct msv_expansion *x, const struct msv_alias_node *node, const struct msv_leaf *leaf)
{
	static const struct msv_leaf too_many = { .kind = MSV_LEAF_ERROR,
		.code = 451,
		.enhanced = "4.3.5",
		.text = "This address leads to too many others" };
	struct msv_expansion_state *state = x->state;

	if (state->full)
		return 0;
	if (msv_grow(
	        state->env, &x->leaves, &state->leaves_cap, x->nleaves + 1, sizeof *x->leaves) != 0)
		return MSV_ERR_NOMEM;
	state->full = x->nleaves >= MSV_ALIAS_LEAVES_MAX;
	struct msv_leaf *added = &x->leaves[x->nleaves++];
	*added = state->full ? too_many : *leaf;
	added->sender = node ? node->sender : NULL;
	added->several = node && node->several;
	added->forwarded = node != NULL;
	return 0;
}

int msv_expand_add_error(struct msv_expansion *x, const struct msv_alias_node *node, int code,
    const char *enhanced, const char *text)
{
	struct msv_leaf leaf = { .kind = MSV_LEAF_ERROR,
		.address = node ? node->alias->name : NULL,
		.code = code,
		.enhanced = enhanced,
		.text = text };

	msv_expand_step(x, "%s: refused: %d %s %s", node ? node->alias->name : "the address", code,
	    enhanced, text);
	return msv_expand_add(x, node, &leaf);
}

/* The account to look for: n octets of the local part in the domain tried now, the
 * rest is the tag. */
static int set_account(struct msv_expansion *x, struct msv_leaf *leaf, size_t n)
{
	const struct msv_leaf_state *state = leaf->state;
	struct msv_arena *arena = &x->state->arena;
	size_t ndomain = strlen(state->now);
	char *address = msv_arena_alloc(arena, n + 1 + ndomain + 1);

	leaf->local = msv_arena_strndup(arena, state->local, n);
	if (!address || !leaf->local)
		return MSV_ERR_NOMEM;
	memcpy(address, state->local, n);
	address[n] = '@';
	memcpy(address + n + 1, state->now, ndomain + 1);
	leaf->address = address;
	leaf->domain = state->now;
	leaf->tag = state->local[n] ? state->local + n + 1 : NULL;
	return 0;
}

int msv_expand_add_local(struct msv_expansion *x, const struct msv_leaf_state *given)
{
	struct msv_leaf leaf = { .kind = MSV_LEAF_LOCAL };
	struct msv_leaf_state *state = msv_arena_alloc(&x->state->arena, sizeof *state);
	struct msv_buf key;

	if (!state)
		return MSV_ERR_NOMEM;
	*state = *given;
	leaf.state = state;
	msv_buf_init(&key, x->state->env);
	int error = msv_alias_fold(state->local, state->domain, &key);
	const char *folded = error ? NULL : msv_buf_cstr(&key);
	int first = folded ? msv_expand_first(x, state->bare ? 'b' : 'l', folded) : MSV_ERR_NOMEM;
	msv_buf_fini(&key);
	if (first <= 0)
		return first;
	error = set_account(x, &leaf, strlen(state->local));
	return error ? error : msv_expand_add(x, state->node, &leaf);
}

/* -- No account ------------------------------------------------------------------- */

/* Nothing is left. */
static int nobody(struct msv_expansion *x, size_t i)
{
	struct msv_leaf *leaf = &x->leaves[i];

	leaf->kind = MSV_LEAF_ERROR;
	leaf->code = leaf->state->loop ? 554 : 550;
	leaf->enhanced = leaf->state->loop ? "5.4.6" : "5.1.1";
	leaf->text = leaf->state->loop ? "The aliases of this address lead back to it"
	                               : "No such mailbox here";
	msv_expand_step(
	    x, "%s: refused: %d %s %s", leaf->address, leaf->code, leaf->enhanced, leaf->text);
	return 1;
}

/*
 * Each way to go on: 1 when it applies and the leaf is changed, 0 when it does not
 * or is used up, or MSV_ERR_NOMEM.
 */

static int without_tag(struct msv_expansion *x, size_t i)
{
	struct msv_leaf *leaf = &x->leaves[i];
	const char *mark = strchr(leaf->state->local, x->state->aliases->tag_separator);

	if (leaf->state->tried_tag || !mark || mark == leaf->state->local)
		return 0;
	leaf->state->tried_tag = true;
	int error = set_account(x, leaf, (size_t)(mark - leaf->state->local));
	return error ? error : 1;
}

/* A bare name from an alias may be of any domain. */
static int other_domain(struct msv_expansion *x, size_t i)
{
	const struct msv_aliases *aliases = x->state->aliases;
	struct msv_leaf *leaf = &x->leaves[i];
	struct msv_leaf_state *state = leaf->state;

	while (state->bare && state->next_domain < aliases->ndomains) {
		state->now = aliases->domains[state->next_domain++];
		if (strcmp(state->now, state->domain) == 0)
			continue;
		state->tried_tag = false;
		int error = set_account(x, leaf, strlen(state->local));
		return error ? error : 1;
	}
	return 0;
}

/* Is the local part, with a tag or without, that word? */
static bool is_role(const struct msv_expansion *x, const struct msv_leaf *leaf, const char *word)
{
	const char *local = leaf->state->local;
	const char *mark = strchr(local, x->state->aliases->tag_separator);

	return msv_ascii_equals(local, mark ? (size_t)(mark - local) : strlen(local), word);
}

/* Other leaves, just added, stand for this one.  When there are none, and none were
 * there before, it leads nowhere. */
static int replaced(struct msv_expansion *x, size_t i)
{
	if (x->state->gone + 1 == x->nleaves)
		return nobody(x, i);
	x->leaves[i].kind = MSV_LEAF_GONE;
	x->state->gone++;
	return 1;
}

/* Bounces come from mailer-daemon; who answers one reaches the postmaster. */
static int as_mailer_daemon(struct msv_expansion *x, size_t i)
{
	struct msv_leaf_state *state = x->leaves[i].state;

	if (state->tried_role || !is_role(x, &x->leaves[i], "mailer-daemon"))
		return 0;
	state->tried_role = true;
	msv_expand_step(x, "%s@%s -> postmaster", state->local, state->domain);
	int error = msv_expand_name(x, state->node, "postmaster", state->domain, false, false);
	if (!error)
		error = msv_expand_run(x);
	return error ? error : replaced(x, i);
}

/* Somebody must read the postmaster's mail (RFC 5321 4.5.1). */
static int as_postmaster(struct msv_expansion *x, size_t i)
{
	const struct msv_aliases *aliases = x->state->aliases;
	struct msv_leaf *leaf = &x->leaves[i];
	struct msv_leaf_state *state = leaf->state;
	const char *at;

	if (!is_role(x, leaf, "postmaster"))
		return 0;
	state->tried_tag = true;
	if (!state->tried_role && aliases->postmaster &&
	    (at = strrchr(aliases->postmaster, '@')) != NULL) {
		state->tried_role = true;
		leaf->address = aliases->postmaster;
		leaf->domain = at + 1;
		leaf->tag = NULL;
		leaf->local = msv_arena_strndup(
		    &x->state->arena, aliases->postmaster, (size_t)(at - aliases->postmaster));
		return leaf->local ? 1 : MSV_ERR_NOMEM;
	}
	if (state->next_postmaster == aliases->ndomains)
		return 0;
	state->now = aliases->domains[state->next_postmaster++];
	state->local = "postmaster"; /* however it was spelled */
	int error = set_account(x, leaf, strlen("postmaster"));
	leaf->tag = NULL;
	return error ? error : 1;
}

/* The domain alias or catch-all of its domain, else that of all domains. */
static int catch_all(struct msv_expansion *x, size_t i)
{
	const struct msv_leaf_state *state = x->leaves[i].state;
	const struct msv_alias *alias = NULL;
	struct msv_buf key;

	if (state->bare || state->account)
		return 0;
	msv_buf_init(&key, x->state->env);
	int error = msv_alias_fold("", state->domain, &key);
	const char *folded = error ? NULL : msv_buf_cstr(&key);
	if (folded && !(alias = msv_aliases_find(x->state->aliases, folded)))
		alias = msv_aliases_find(x->state->aliases, "@");
	msv_buf_fini(&key);
	if (!folded)
		return MSV_ERR_NOMEM;
	if (!alias || msv_expand_above(state->node, alias))
		return 0;
	error = msv_expand_open(x, state->node, alias, state->local, state->domain);
	if (!error)
		error = msv_expand_run(x);
	return error ? error : replaced(x, i);
}

int msv_expansion_no_account(struct msv_expansion *x, size_t i)
{
	static int (*const ways[])(struct msv_expansion *, size_t) = { without_tag, other_domain,
		as_mailer_daemon, as_postmaster, catch_all, nobody };
	int done = 0;

	if (i >= x->nleaves || x->leaves[i].kind != MSV_LEAF_LOCAL)
		return 0;
	msv_expand_step(x, "%s: no such account", x->leaves[i].address);
	for (size_t way = 0; way < sizeof ways / sizeof *ways && !done; way++)
		done = ways[way](x, i);
	return done < 0 ? done : 0;
}
