/* What an address comes to: aliases are opened one in another, never by recursion,
 * and their targets become leaves. */
#include <stdio.h>
#include <string.h>

#include "base/env.h"
#include "codec/casefold.h"
#include "mta/aliases.h"

/* A step shows so many targets. */
#define SHOWN_TARGETS 20
/* In front of a list's name: who gets its bounces. */
#define OWNER         "owner-"

/* -- Steps ------------------------------------------------------------------------ */

void msv_expand_step(struct msv_expansion *x, const char *fmt, ...)
{
	char line[4096];
	va_list ap;

	if (!x->state->step)
		return;
	va_start(ap, fmt);
	vsnprintf(line, sizeof line, fmt, ap);
	va_end(ap);
	x->state->step(x->state->user, line);
}

static void show_target(const struct msv_alias_target *target, struct msv_buf *out)
{
	switch (target->kind) {
	case MSV_TARGET_NAME:
	case MSV_TARGET_ADDRESS:
		msv_buf_printf(out, "%s%s", target->account ? "\\" : "", target->text);
		break;
	case MSV_TARGET_DOMAIN:
		msv_buf_printf(out, "@%s", target->text);
		break;
	case MSV_TARGET_PROGRAM:
		msv_buf_printf(out, "|%s", target->text);
		break;
	case MSV_TARGET_ERROR:
		msv_buf_printf(
		    out, "error:%d %s %s", (int)target->code, target->local, target->text);
		break;
	default:
		msv_buf_puts(out, "/dev/null");
		break;
	}
}

/* "root -> admin, someone@else.org (aliases:3)" */
static int tell_opening(struct msv_expansion *x, const struct msv_alias *alias)
{
	const struct msv_aliases *aliases = x->state->aliases;
	struct msv_buf list;
	size_t n = alias->ntargets;

	if (!x->state->step)
		return 0;
	msv_buf_init(&list, x->state->env);
	for (size_t i = 0; i < n && i < SHOWN_TARGETS; i++) {
		msv_buf_puts(&list, i ? ", " : "");
		show_target(&aliases->targets[alias->first + i], &list);
	}
	if (n > SHOWN_TARGETS)
		msv_buf_printf(&list, " and %zu more", n - SHOWN_TARGETS);
	const char *shown = msv_buf_cstr(&list);
	if (shown)
		msv_expand_step(x, "%s -> %s (%s:%u)", alias->name, shown, aliases->file,
		    (unsigned)alias->line);
	msv_buf_fini(&list);
	return shown ? 0 : MSV_ERR_NOMEM;
}

/* -- Looking for aliases ---------------------------------------------------------- */

/* The alias of n octets of a local part in a domain ("": bare).  0 or MSV_ERR_NOMEM. */
static int find(const struct msv_expansion *x, const char *local, size_t n, const char *domain,
    const struct msv_alias **out)
{
	struct msv_buf key;
	char part[MSV_SMTP_LOCAL_MAX + 1];

	*out = NULL;
	if (n >= sizeof part)
		return 0;
	memcpy(part, local, n);
	part[n] = '\0';
	msv_buf_init(&key, x->state->env);
	int error = msv_alias_fold(part, domain, &key);
	const char *folded = error ? NULL : msv_buf_cstr(&key);
	if (folded)
		*out = msv_aliases_find(x->state->aliases, folded);
	msv_buf_fini(&key);
	return folded ? 0 : MSV_ERR_NOMEM;
}

/* The alias local+tag@domain, local@domain, local+tag or local, in this order. */
static int find_name(const struct msv_expansion *x, const char *local, const char *domain,
    const struct msv_alias **out)
{
	const char *mark = strchr(local, x->state->aliases->tag_separator);
	size_t whole = strlen(local), base = mark && mark > local ? (size_t)(mark - local) : whole;
	const char *const domains[] = { domain, "" };
	int error = 0;

	*out = NULL;
	for (size_t i = 0; i < 2 && !error && !*out; i++) {
		error = find(x, local, whole, domains[i], out);
		if (!error && !*out && base < whole)
			error = find(x, local, base, domains[i], out);
	}
	return error;
}

bool msv_expand_above(const struct msv_alias_node *node, const struct msv_alias *alias)
{
	for (; node; node = node->parent)
		if (node->alias == alias)
			return true;
	return false;
}

/* -- Opening ---------------------------------------------------------------------- */

/* The envelope sender of a list: "owner-list", if there is such an alias. */
static int find_owner(struct msv_expansion *x, struct msv_alias_node *node)
{
	const char *key = node->alias->key, *at = strrchr(key, '@');
	const struct msv_alias *found = NULL;
	struct msv_smtp_mailbox box;
	char owner[MSV_SMTP_LOCAL_MAX + 1];
	size_t n = (size_t)(at - key);

	if (!n || n + sizeof OWNER > sizeof owner || strncmp(key, OWNER, strlen(OWNER)) == 0)
		return 0;
	memcpy(owner, OWNER, strlen(OWNER));
	memcpy(owner + strlen(OWNER), key, n);
	owner[n += strlen(OWNER)] = '\0';
	int error = find(x, owner, n, at + 1, &found);
	if (!error && !found && at[1])
		error = find(x, owner, n, "", &found);
	if (error || !found || msv_alias_compose(owner, node->domain, &box) != 0)
		return error;
	node->sender = msv_arena_strndup(&x->state->arena, box.address, strlen(box.address));
	if (!node->sender)
		return MSV_ERR_NOMEM;
	msv_expand_step(x, "%s: sent on as from %s", node->alias->name, node->sender);
	return 0;
}

int msv_expand_open(struct msv_expansion *x, struct msv_alias_node *parent,
    const struct msv_alias *alias, const char *local, const char *domain)
{
	struct msv_expansion_state *state = x->state;
	bool catch_all = *alias->key == '@';

	/* A catch-all may have other results for another local part. */
	int first = catch_all ? 1 : msv_expand_first(x, 'a', alias->key);
	if (first <= 0)
		return first;
	if (parent && parent->depth + 1 >= MSV_ALIAS_DEPTH_MAX)
		return msv_expand_add_error(
		    x, parent, 554, "5.4.6", "Too many aliases lead to one another");
	struct msv_alias_node *node = msv_arena_alloc(&state->arena, sizeof *node);
	if (!node)
		return MSV_ERR_NOMEM;
	*node = (struct msv_alias_node){ .parent = parent,
		.alias = alias,
		.domain = domain,
		.local = local,
		.sender = parent ? parent->sender : NULL,
		.several = (parent && parent->several) || alias->ntargets > 1,
		.depth = parent ? parent->depth + 1 : 0 };
	state->current = node;
	int error = tell_opening(x, alias);
	return error ? error : find_owner(x, node);
}

int msv_expand_name(struct msv_expansion *x, struct msv_alias_node *node, const char *local,
    const char *domain, bool bare, bool account)
{
	struct msv_leaf_state state = { .node = node,
		.local = local,
		.domain = domain,
		.now = domain,
		.bare = bare,
		.account = account };
	const struct msv_alias *alias = NULL;
	int error = account ? 0 : find_name(x, local, domain, &alias);

	if (error)
		return error;
	if (alias && !msv_expand_above(node, alias))
		return msv_expand_open(x, node, alias, local, domain);
	if (alias)
		state.account = true;
	state.loop = alias && alias != node->alias;
	return msv_expand_add_local(x, &state);
}

/* -- Targets ---------------------------------------------------------------------- */

/* An address that may be ours or not. */
static int take_address(struct msv_expansion *x, struct msv_alias_node *node, const char *address,
    const char *local, bool account)
{
	const char *domain = strrchr(address, '@') + 1;
	const char *ours = msv_aliases_domain(x->state->aliases, domain);
	struct msv_leaf leaf = {
		.kind = MSV_LEAF_REMOTE, .address = address, .local = local, .domain = domain
	};

	if (ours)
		return msv_expand_name(x, node, local, ours, false, account);
	int first = msv_expand_first(x, 'r', address);
	return first <= 0 ? first : msv_expand_add(x, node, &leaf);
}

/* The local part stays, the domain is another. */
static int take_domain(struct msv_expansion *x, struct msv_alias_node *node, const char *domain)
{
	struct msv_smtp_mailbox box;

	if (msv_alias_compose(node->local, domain, &box) != 0)
		return msv_expand_add_error(x, node, 550, "5.1.1", "No such mailbox here");
	const char *address = msv_arena_strndup(&x->state->arena, box.address, strlen(box.address));
	return address ? take_address(x, node, address, node->local, false) : MSV_ERR_NOMEM;
}

static int take_program(struct msv_expansion *x, struct msv_alias_node *node)
{
	struct msv_leaf leaf = {
		.kind = MSV_LEAF_PROGRAM, .name = node->alias->name, .index = node->programs++
	};

	return msv_expand_add(x, node, &leaf);
}

static int take_discard(struct msv_expansion *x, struct msv_alias_node *node)
{
	struct msv_leaf leaf = { .kind = MSV_LEAF_DISCARD };
	int first = msv_expand_first(x, 'd', "");

	return first <= 0 ? first : msv_expand_add(x, node, &leaf);
}

static int take_target(struct msv_expansion *x, struct msv_alias_node *node)
{
	const struct msv_alias_target *target =
	    &x->state->aliases->targets[node->alias->first + node->next++];

	switch (target->kind) {
	case MSV_TARGET_NAME:
		return msv_expand_name(x, node, target->local, node->domain, true, target->account);
	case MSV_TARGET_ADDRESS:
		return take_address(x, node, target->text, target->local, target->account);
	case MSV_TARGET_DOMAIN:
		return take_domain(x, node, target->text);
	case MSV_TARGET_PROGRAM:
		return take_program(x, node);
	case MSV_TARGET_ERROR:
		return msv_expand_add_error(x, node, target->code, target->local, target->text);
	default:
		return take_discard(x, node);
	}
}

int msv_expand_run(struct msv_expansion *x)
{
	struct msv_expansion_state *state = x->state;
	int error = 0;

	while (state->current && !state->full && !error) {
		if (state->current->next < state->current->alias->ntargets)
			error = take_target(x, state->current);
		else
			state->current = state->current->parent;
	}
	return error;
}

/* -- Beginning and end ------------------------------------------------------------ */

static int begin(struct msv_expansion *x, const struct msv_smtp_address *to)
{
	struct msv_expansion_state *state = x->state;
	const struct msv_aliases *aliases = state->aliases;
	const char *local = msv_arena_strndup(&state->arena, to->local, strlen(to->local));
	const char *address = msv_arena_strndup(&state->arena, to->address, strlen(to->address));
	const char *domain = aliases->ndomains ? aliases->domains[0] : NULL;

	if (!local || !address)
		return MSV_ERR_NOMEM;
	if (!*to->domain && !domain)
		return msv_expand_add_error(x, NULL, 550, "5.1.1", "No such mailbox here");
	int error = *to->domain ? take_address(x, NULL, address, local, false)
	                        : msv_expand_name(x, NULL, local, domain, false, false);
	return error ? error : msv_expand_run(x);
}

int msv_expand(struct msv_aliases *aliases, const struct msv_smtp_address *to,
    msv_expand_step_fn step, void *user, struct msv_expansion *out)
{
	*out = (struct msv_expansion){ .state = msv_alloc(aliases->env, sizeof *out->state) };
	if (!out->state)
		return MSV_ERR_NOMEM;
	msv_aliases_ref(aliases);
	out->state->aliases = aliases;
	out->state->env = aliases->env;
	out->state->step = step;
	out->state->user = user;
	msv_arena_init(&out->state->arena, aliases->env);
	/* Without randomness only the set is less even. */
	(void)msv_env_random(aliases->env, &out->state->seed, sizeof out->state->seed);
	int error = begin(out, to);
	if (error)
		msv_expansion_fini(out);
	return error;
}

void msv_expansion_fini(struct msv_expansion *x)
{
	struct msv_expansion_state *state = x->state;

	if (!state)
		return;
	struct msv_env *env = state->env;
	struct msv_aliases *aliases = state->aliases;
	msv_arena_fini(&state->arena);
	msv_free(env, x->leaves);
	msv_free(env, state->seen);
	msv_free(env, state);
	*x = (struct msv_expansion){ 0 };
	msv_aliases_unref(aliases);
}
