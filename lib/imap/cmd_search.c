/*
 * SEARCH (RFC 3501 6.4.4) and its RETURN (RFC 4731).  Each message is looked into
 * no further than needed; results are written as they are found.
 */
#include "imap/imap.h"

#include <string.h>

#include "codec/charset.h"

static enum imap_run next_message(struct imap_session *s);

static void fini(struct imap_session *s, void *data)
{
	msv_imap_search_fini(data);
	s->partial = false;
}

/* -- Results ------------------------------------------------------------------------------- */

static void put_range(struct imap_session *s, struct imap_search *q)
{
	if (!q->first)
		return;
	msv_buf_printf(&s->conn.out, "%s%u", q->any_range ? "," : " ALL ", q->first);
	if (q->last > q->first)
		msv_buf_printf(&s->conn.out, ":%u", q->last);
	q->any_range = true;
	q->first = 0;
}

/* The message at hand matches. */
static void put_match(struct imap_session *s, struct imap_search *q)
{
	uint32_t id = s->cmd.uid ? q->message->uid : q->seq;

	q->found++;
	if (!q->lowest)
		q->lowest = id;
	q->highest = id;
	if (!q->extended) {
		msv_buf_printf(&s->conn.out, " %u", id);
	} else if (q->all && q->first && q->last + 1 == id) {
		q->last = id;
	} else if (q->all) {
		put_range(s, q);
		q->first = q->last = id;
	}
}

static void put_head(struct imap_session *s, const struct imap_search *q)
{
	s->partial = true;
	if (!q->extended) {
		msv_buf_puts(&s->conn.out, "* SEARCH");
		return;
	}
	msv_buf_puts(&s->conn.out, "* ESEARCH (TAG ");
	msv_imap_put_quoted(&s->conn.out, s->cmd.tag, strlen(s->cmd.tag));
	msv_buf_puts(&s->conn.out, s->cmd.uid ? ") UID" : ")");
}

static enum imap_run finish(struct imap_session *s)
{
	struct imap_search *q = s->cmd.data;
	struct msv_buf *out = &s->conn.out;

	put_range(s, q);
	if (q->min && q->found)
		msv_buf_printf(out, " MIN %u", q->lowest);
	if (q->max && q->found)
		msv_buf_printf(out, " MAX %u", q->highest);
	if (q->count)
		msv_buf_printf(out, " COUNT %u", q->found);
	msv_buf_puts(out, "\r\n");
	s->partial = false;
	if (q->failed)
		return msv_imap_no_error(s, q->failed, false);
	return msv_imap_ok(s, NULL);
}

/* -- Looking ------------------------------------------------------------------------------- */

/* Goes deeper into the message: 1 when more is known, 0 wait, negative. */
static int look_deeper(struct imap_search *q)
{
	return q->known < IMAP_SEARCH_HEADER ? msv_imap_search_header(q) : msv_imap_search_body(q);
}

/* With the message at hand through, to the next; MIN alone needs no more than one. */
static enum imap_run move_on(struct imap_session *s, struct imap_search *q)
{
	bool enough = q->extended && q->found && !q->max && !q->all && !q->count;

	msv_imap_walk_step(&q->walk);
	s->cmd.run = enough ? finish : next_message;
	return IMAP_AGAIN;
}

static enum imap_run look(struct imap_session *s)
{
	struct imap_search *q = s->cmd.data;

	switch (msv_imap_search_eval(q)) {
	case IMAP_TRUE:
		put_match(s, q);
		return move_on(s, q);
	case IMAP_FALSE:
		return move_on(s, q);
	case IMAP_UNKNOWN:
		break;
	}
	int verdict = look_deeper(q);
	if (!verdict)
		return IMAP_WAIT;
	if (verdict > 0)
		return IMAP_AGAIN;
	if (verdict != MSV_ERR_NOTFOUND)
		q->failed = verdict;
	return move_on(s, q);
}

static enum imap_run next_message(struct imap_session *s)
{
	struct imap_search *q = s->cmd.data;
	int verdict = 1;

	if (!msv_imap_room(s) || msv_imap_turn_over(s, q->n + 16))
		return IMAP_WAIT;
	q->seq = msv_imap_walk_peek(&q->walk);
	if (!q->seq)
		return finish(s);
	q->message = msv_imap_view_at(&s->view, q->seq);
	q->row = NULL;
	if (q->rows.fields)
		verdict = msv_imap_rows_get(s, &q->rows, &q->walk, &q->row);
	if (!verdict)
		return IMAP_WAIT;
	if (verdict < 0) {
		q->failed = verdict;
		return finish(s);
	}
	if (q->message->flags & IMAP_GONE || (q->rows.fields && !q->row))
		return move_on(s, q);
	msv_imap_search_begin(q);
	s->cmd.run = look;
	return IMAP_AGAIN;
}

/* -- Arguments ----------------------------------------------------------------------------- */

static bool take_result(struct imap_session *s, struct imap_search *q)
{
	struct imap_args *a = &s->cmd.args;
	struct msv_span word;

	if (!msv_imap_arg_atom(a, &word))
		return false;
	if (msv_imap_is(word, "MIN"))
		q->min = true;
	else if (msv_imap_is(word, "MAX"))
		q->max = true;
	else if (msv_imap_is(word, "ALL"))
		q->all = true;
	else if (msv_imap_is(word, "COUNT"))
		q->count = true;
	else
		return msv_imap_arg_fail(a, "Unknown RETURN option");
	return true;
}

/* "(MIN COUNT)"; nothing named is ALL. */
static bool take_results(struct imap_session *s, struct imap_search *q)
{
	struct imap_args *a = &s->cmd.args;

	q->extended = true;
	if (!msv_imap_arg_space(a) || !msv_imap_arg_char(a, '('))
		return false;
	if (msv_imap_arg_if(a, ')')) {
		q->all = true;
		return msv_imap_arg_space(a);
	}
	do {
		if (!take_result(s, q))
			return false;
	} while (msv_imap_arg_if(a, ' '));
	return msv_imap_arg_char(a, ')') && msv_imap_arg_space(a);
}

static bool take_charset(struct imap_session *s, struct imap_search *q)
{
	struct imap_args *a = &s->cmd.args;
	struct msv_span name;

	if (!msv_imap_arg_space(a) || !msv_imap_arg_astring(a, &name) || !msv_imap_arg_space(a))
		return false;
	if (!msv_charset_known(s->conn.env, name.p, name.n)) {
		a->code = "BADCHARSET (US-ASCII UTF-8 ISO-8859-1)";
		return msv_imap_arg_fail(a, "That charset is not known here");
	}
	q->charset = msv_arena_strndup(&s->cmd.arena, name.p, name.n);
	return q->charset || msv_imap_arg_nomem(a);
}

/* Takes a word with its arguments by `take` when it comes next. */
static bool take_option(struct imap_session *s, struct imap_search *q, const char *name,
    bool (*take)(struct imap_session *s, struct imap_search *q))
{
	struct imap_args *a = &s->cmd.args;
	size_t n = strlen(name);

	if ((size_t)(a->end - a->p) <= n || a->p[n] != ' ' ||
	    !msv_imap_is((struct msv_span){ a->p, n }, name))
		return true;
	a->p += n;
	return take(s, q);
}

enum imap_run msv_imap_run_search(struct imap_session *s)
{
	struct imap_search *q = msv_imap_data(s, sizeof(*q), fini);

	if (!q)
		return IMAP_WAIT;
	q->s = s;
	q->charset = "UTF-8";
	msv_buf_init(&q->text, s->conn.env);
	if (!msv_imap_arg_space(&s->cmd.args) || !take_option(s, q, "RETURN", take_results) ||
	    !take_option(s, q, "CHARSET", take_charset) || !msv_imap_search_parse(s, q))
		return msv_imap_bad_args(s);
	q->all_messages = (struct msv_uid_range){ 1, s->view.exists };
	q->everything = (struct imap_set){ &q->all_messages, s->view.exists > 0 };
	q->walk.set = &q->everything;
	put_head(s, q);
	s->cmd.run = next_message;
	return IMAP_AGAIN;
}
