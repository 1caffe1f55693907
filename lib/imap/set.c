/* Sets of messages: the sequence-set of RFC 3501 9, resolved at once to ranges of
 * sequence numbers, so that a set costs what its text is long, whatever it names. */
#include "imap/imap.h"

/* A sequence-set being read. */
struct reading {
	struct imap_session *s;
	bool uid;
	uint32_t star; /* what * means: 0 in an empty mailbox */
	struct msv_uidset_builder set;
};

static bool take_number(struct imap_args *a, uint32_t star, uint32_t *out, bool *is_star)
{
	uint64_t n;

	*is_star = msv_imap_arg_if(a, '*');
	*out = star;
	if (*is_star)
		return true;
	if (!msv_imap_arg_number(a, UINT32_MAX, &n))
		return false;
	*out = (uint32_t)n;
	return n > 0 || msv_imap_arg_fail(a, "There is no message 0");
}

/* first..last as UIDs: the messages between them, if any. */
static int add_uids(struct reading *r, uint32_t first, uint32_t last)
{
	const struct imap_view *view = &r->s->view;
	size_t from = msv_imap_view_lower(view, first);
	size_t to = last == UINT32_MAX ? view->exists : msv_imap_view_lower(view, last + 1);

	if (to > view->exists)
		to = view->exists;
	return from < to ? msv_uidset_add(&r->set, (uint32_t)from + 1, (uint32_t)to) : 0;
}

static bool add_range(struct reading *r, uint32_t first, uint32_t last, bool has_star)
{
	struct imap_args *a = &r->s->cmd.args;
	int error = 0;

	if (first > last) {
		uint32_t swap = first;
		first = last;
		last = swap;
	}
	if (has_star && !r->star)
		return true;
	if (r->uid)
		error = add_uids(r, first, last);
	else if (last > r->s->view.exists)
		return msv_imap_arg_fail(a, "There is no message with that number");
	else
		error = msv_uidset_add(&r->set, first, last);
	return !error || msv_imap_arg_nomem(a);
}

static bool take_range(struct reading *r)
{
	struct imap_args *a = &r->s->cmd.args;
	uint32_t first, last;
	bool star, last_star;

	if (!take_number(a, r->star, &first, &star))
		return false;
	last = first;
	if (msv_imap_arg_if(a, ':')) {
		if (!take_number(a, r->star, &last, &last_star))
			return false;
		star |= last_star;
	}
	return add_range(r, first, last, star);
}

/* Hands the ranges over to the arena of the command. */
static bool keep(struct reading *r, struct imap_set *out)
{
	struct msv_uidset set = msv_uidset_finish(&r->set);

	out->n = set.n;
	out->r = msv_arena_alloc(&r->s->cmd.arena, set.n * sizeof(*out->r) + 1);
	if (!out->r)
		return msv_imap_arg_nomem(&r->s->cmd.args);
	for (size_t i = 0; i < set.n; i++)
		out->r[i] = set.r[i];
	return true;
}

bool msv_imap_arg_set(struct imap_session *s, bool uid, struct imap_set *out)
{
	struct reading r = {
		.s = s,
		.uid = uid,
		.star = uid ? msv_imap_view_last_uid(&s->view) : s->view.exists,
	};
	bool ok;

	msv_uidset_builder_init(&r.set, s->conn.env);
	do
		ok = take_range(&r);
	while (ok && msv_imap_arg_if(&s->cmd.args, ','));
	ok = ok && keep(&r, out);
	msv_uidset_builder_fini(&r.set);
	return ok;
}

bool msv_imap_arg_is_set(const struct imap_args *a)
{
	char c = msv_imap_arg_peek(a);

	return c == '*' || (c >= '0' && c <= '9');
}

bool msv_imap_set_has(const struct imap_set *set, uint32_t seq)
{
	struct msv_uidset ranges = { set->r, set->n };

	return msv_uidset_has(&ranges, seq);
}

uint32_t msv_imap_walk_peek(const struct imap_walk *walk)
{
	if (walk->range == walk->set->n)
		return 0;
	return walk->next ? walk->next : walk->set->r[walk->range].first;
}

void msv_imap_walk_step(struct imap_walk *walk)
{
	uint32_t seq = msv_imap_walk_peek(walk);

	if (seq < walk->set->r[walk->range].last) {
		walk->next = seq + 1;
	} else {
		walk->range++;
		walk->next = 0;
	}
}

int msv_imap_set_uids(struct imap_session *s, const struct imap_set *set, struct msv_uidset *out)
{
	struct msv_uid_range *r = msv_arena_alloc(&s->cmd.arena, set->n * sizeof(*r) + 1);

	if (!r)
		return MSV_ERR_NOMEM;
	for (size_t i = 0; i < set->n; i++) {
		r[i].first = msv_imap_view_at(&s->view, set->r[i].first)->uid;
		r[i].last = msv_imap_view_at(&s->view, set->r[i].last)->uid;
	}
	*out = (struct msv_uidset){ r, set->n };
	return 0;
}
