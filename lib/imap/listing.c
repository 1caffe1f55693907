/* The mailboxes of a LIST as a tree: in order, with the parents that only names of
 * others imply, and with CHILDREN's attributes (RFC 3348). */
#include "imap/imap.h"

#include <stdlib.h>
#include <string.h>

void msv_imap_listing_init(struct imap_listing *l, struct imap_session *s)
{
	memset(l, 0, sizeof(*l));
	l->s = s;
	msv_arena_init(&l->arena, s->conn.env);
}

void msv_imap_listing_fini(struct imap_listing *l)
{
	msv_free(l->s->conn.env, l->v);
	msv_arena_fini(&l->arena);
}

static int put(struct imap_listing *l, const struct imap_listed *listed)
{
	if (msv_grow(l->s->conn.env, &l->v, &l->cap, l->n + 1, sizeof(*l->v)))
		return MSV_ERR_NOMEM;
	l->v[l->n++] = *listed;
	return 0;
}

/* True when name is the first n bytes of parent, or beneath them. */
static bool beneath(const char *name, const char *parent, size_t n, char separator)
{
	return strncmp(name, parent, n) == 0 && (!name[n] || name[n] == separator);
}

int msv_imap_listing_add(struct imap_listing *l, const struct msv_list_entry *entry)
{
	struct imap_listed listed = {
		.name = msv_arena_strndup(&l->arena, entry->name, strlen(entry->name)),
		.special_use = entry->special_use,
		.separator = l->s->store->separator,
		.is_inbox = beneath(entry->name, "INBOX", 5, l->s->store->separator),
		.selectable = entry->selectable,
		.no_inferiors = entry->no_inferiors,
	};

	return listed.name ? put(l, &listed) : MSV_ERR_NOMEM;
}

/* -- The tree ------------------------------------------------------------------------ */

/* The separator sorts before all else, so that children follow their parent at
 * once; INBOX comes first. */
static int compare(const void *a, const void *b)
{
	const struct imap_listed *x = a, *y = b;
	const char *p = x->name, *q = y->name;

	if (x->is_inbox != y->is_inbox)
		return x->is_inbox ? -1 : 1;
	while (*p && *p == *q)
		p++, q++;
	if (!*p || !*q)
		return (*p != 0) - (*q != 0);
	if (*p == x->separator || *q == x->separator)
		return *p == x->separator ? -1 : 1;
	return (unsigned char)*p < (unsigned char)*q ? -1 : 1;
}

/* Adds the parents of `child` that were not seen: all that are, stand on the way
 * from the root to `before`. */
static int add_parents(struct imap_listing *l, const char *before, const char *child)
{
	char separator = l->s->store->separator;

	for (const char *p = child; (p = strchr(p, separator)); p++) {
		size_t n = (size_t)(p - child);
		struct imap_listed parent = { .implied = true };

		if (before && beneath(before, child, n, separator))
			continue;
		parent.name = msv_arena_strndup(&l->arena, child, n);
		if (!parent.name || put(l, &parent))
			return MSV_ERR_NOMEM;
	}
	return 0;
}

static void find_children(struct imap_listing *l)
{
	char separator = l->s->store->separator;

	for (size_t i = 0; i + 1 < l->n; i++) {
		const char *name = l->v[i].name, *next = l->v[i + 1].name;
		size_t n = strlen(name);
		l->v[i].has_children = strncmp(next, name, n) == 0 && next[n] == separator;
	}
}

int msv_imap_listing_finish(struct imap_listing *l)
{
	struct imap_listed *given = l->v;
	size_t n = l->n;
	int error = 0;

	if (n)
		qsort(given, n, sizeof(*given), compare);
	l->v = NULL;
	l->n = l->cap = 0;
	for (size_t i = 0; i < n && !error; i++) {
		error = add_parents(l, i ? given[i - 1].name : NULL, given[i].name);
		if (!error)
			error = put(l, &given[i]);
	}
	msv_free(l->s->conn.env, given);
	find_children(l);
	return error;
}

/* -- Special uses (RFC 6154) --------------------------------------------------------- */

static const struct {
	const char *name;
	uint32_t use;
} uses[] = {
	{ "\\All", MSV_USE_ALL }, { "\\Archive", MSV_USE_ARCHIVE }, { "\\Drafts", MSV_USE_DRAFTS },
	{ "\\Flagged", MSV_USE_FLAGGED }, { "\\Junk", MSV_USE_JUNK }, { "\\Sent", MSV_USE_SENT },
	{ "\\Trash", MSV_USE_TRASH }, { "\\Important", MSV_USE_IMPORTANT }, /* RFC 8457 */
};

uint32_t msv_imap_special_use(struct msv_span name)
{
	for (size_t i = 0; i < sizeof(uses) / sizeof(*uses); i++) {
		if (msv_imap_is(name, uses[i].name))
			return uses[i].use;
	}
	return 0;
}

void msv_imap_put_special_uses(struct msv_buf *out, uint32_t special_use)
{
	for (size_t i = 0; i < sizeof(uses) / sizeof(*uses); i++) {
		if (special_use & uses[i].use)
			msv_buf_printf(out, " %s", uses[i].name);
	}
}
