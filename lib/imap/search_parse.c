/*
 * Search programs: the keys of a SEARCH in postfix order.  What is open - a
 * parenthesis, an OR - waits on a list, not on the C stack; NOT is no more than a
 * mark that is turned over.
 */
#include "imap/imap.h"

#include <string.h>

/* Something that is not closed yet. */
struct open {
	bool or ; /* of two; else a list up to ")" or the end */
	bool negated;
	uint32_t operands; /* so far */
};

struct parsing {
	struct imap_session *s;
	struct imap_search *q;
	struct open *open;
	size_t n, cap;
	bool negated; /* NOT stands before the key that comes */
};

static bool emit(struct parsing *p, const struct imap_search_key *key)
{
	struct imap_search *q = p->q;

	if (q->n == IMAP_SEARCH_KEYS_MAX) {
		p->s->cmd.args.code = "LIMIT";
		return msv_imap_arg_fail(&p->s->cmd.args, "Too many search keys");
	}
	if (msv_grow(p->s->conn.env, &q->keys, &q->cap, q->n + 1, sizeof(*q->keys)))
		return msv_imap_arg_nomem(&p->s->cmd.args);
	q->keys[q->n++] = *key;
	return true;
}

static bool push(struct parsing *p, bool or)
{
	if (p->n == IMAP_SEARCH_KEYS_MAX) {
		p->s->cmd.args.code = "LIMIT";
		return msv_imap_arg_fail(&p->s->cmd.args, "Search keys are nested too deeply");
	}
	if (msv_grow(p->s->conn.env, &p->open, &p->cap, p->n + 1, sizeof(*p->open)))
		return msv_imap_arg_nomem(&p->s->cmd.args);
	p->open[p->n++] = (struct open){ .or = or, .negated = p->negated };
	p->negated = false;
	return true;
}

/* Closes what is open last: one key stands for it now. */
static bool pop(struct parsing *p)
{
	struct open open = p->open[--p->n];
	struct imap_search_key key = {
		.negated = open.negated, .or = open.or, .count = open.operands
	};

	if (open.operands > 1)
		return emit(p, &key);
	if (open.negated)
		p->q->keys[p->q->n - 1].negated ^= true;
	return true;
}

/* A key is whole.  Sets *more when another must follow; false on an error. */
static bool reduce(struct parsing *p, bool *more)
{
	struct imap_args *a = &p->s->cmd.args;

	*more = true;
	for (;;) {
		struct open *last = &p->open[p->n - 1];
		last->operands++;
		if (last->or &&last->operands == 1)
			return msv_imap_arg_space(a);
		if (!last->or &&msv_imap_arg_if(a, ' '))
			return true;
		if (!last->or &&p->n == 1) {
			*more = false;
			return msv_imap_arg_end(a) && pop(p);
		}
		if (!last->or &&!msv_imap_arg_char(a, ')'))
			return false;
		if (!pop(p))
			return false;
	}
}

static bool take_leaf(struct parsing *p, const struct imap_search_def *def)
{
	struct imap_search_key key = { .def = def, .negated = p->negated };

	p->negated = false;
	/* Emitted first: what it holds is freed with the program, whatever comes. */
	if (!emit(p, &key))
		return false;
	if (def->depth > p->q->depth)
		p->q->depth = def->depth;
	p->q->rows.fields |= def->row;
	return !def->take || def->take(p->s, p->q, &p->q->keys[p->q->n - 1]);
}

/* A key, or the beginning of one.  Sets *whole when it is a key. */
static bool take_key(struct parsing *p, bool *whole)
{
	struct imap_args *a = &p->s->cmd.args;
	struct msv_span word;

	*whole = false;
	if (msv_imap_arg_if(a, '('))
		return push(p, false);
	if (msv_imap_arg_is_set(a)) {
		*whole = true;
		return take_leaf(p, &msv_imap_search_set);
	}
	if (!msv_imap_arg_atom(a, &word))
		return false;
	if (msv_imap_is(word, "NOT")) {
		p->negated = !p->negated;
		return msv_imap_arg_space(a);
	}
	if (msv_imap_is(word, "OR"))
		return push(p, true) && msv_imap_arg_space(a);
	const struct imap_search_def *def = msv_imap_search_def(word);
	*whole = true;
	return def ? take_leaf(p, def) : msv_imap_arg_fail(a, "Unknown search key");
}

static bool parse(struct parsing *p)
{
	bool whole, more = true;

	if (!push(p, false))
		return false;
	while (more) {
		if (!take_key(p, &whole) || (whole && !reduce(p, &more)))
			return false;
	}
	return true;
}

bool msv_imap_search_parse(struct imap_session *s, struct imap_search *q)
{
	struct parsing p = { .s = s, .q = q };
	bool ok = parse(&p);

	msv_free(s->conn.env, p.open);
	if (!ok)
		return false;
	q->truths = msv_arena_alloc(&s->cmd.arena, q->n);
	return q->truths || msv_imap_arg_nomem(&s->cmd.args);
}

/* -- Evaluating --------------------------------------------------------------------------- */

static enum imap_truth negate(enum imap_truth truth, bool negated)
{
	if (!negated || truth == IMAP_UNKNOWN)
		return truth;
	return truth == IMAP_TRUE ? IMAP_FALSE : IMAP_TRUE;
}

static enum imap_truth eval_leaf(const struct imap_search *q, const struct imap_search_key *key)
{
	if (key->found)
		return IMAP_TRUE;
	if (key->def->depth > q->known)
		return IMAP_UNKNOWN;
	return key->def->test && key->def->test(q, key) ? IMAP_TRUE : IMAP_FALSE;
}

/* AND is decided by one that is false, OR by one that is true. */
static enum imap_truth combine(const unsigned char *truths, size_t n, bool or)
{
	enum imap_truth decides = or ? IMAP_TRUE : IMAP_FALSE;
	enum imap_truth result = or ? IMAP_FALSE : IMAP_TRUE;

	for (size_t i = 0; i < n; i++) {
		if (truths[i] == decides)
			return decides;
		if (truths[i] == IMAP_UNKNOWN)
			result = IMAP_UNKNOWN;
	}
	return result;
}

enum imap_truth msv_imap_search_eval(struct imap_search *q)
{
	size_t n = 0;

	for (size_t i = 0; i < q->n; i++) {
		const struct imap_search_key *key = &q->keys[i];
		enum imap_truth truth;
		if (key->def) {
			truth = eval_leaf(q, key);
		} else {
			n -= key->count;
			truth = combine(q->truths + n, key->count, key->or);
		}
		q->truths[n++] = (unsigned char)negate(truth, key->negated);
	}
	return (enum imap_truth)q->truths[0];
}
