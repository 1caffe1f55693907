/* Sizes and dates of messages, asked for some messages at a time: what FETCH and
 * SEARCH need beyond the view. */
#include "imap/imap.h"

#include <stdlib.h>

static int take(struct imap_session *s, const void *row)
{
	const struct msv_change *change = row;
	const struct msv_message *m = change->message;
	struct imap_rows *rows = s->rows;

	if (m && rows->n < IMAP_ROWS)
		rows->v[rows->n++] = (struct imap_row){
			.uid = m->uid,
			.octets = m->octets,
			.internal_date = m->internal_date,
		};
	return 0;
}

static void answered(struct imap_session *s, int error, const void *result)
{
	(void)result;
	s->rows->error = error;
}

/* The UIDs of the messages from the walk on; sets rows->upto. */
static int collect(struct imap_session *s, struct imap_rows *rows, struct imap_walk walk,
    struct msv_uidset_builder *uids)
{
	uint32_t seq;

	for (size_t i = 0; i < IMAP_ROWS && (seq = msv_imap_walk_peek(&walk)); i++) {
		const struct imap_message *m = msv_imap_view_at(&s->view, seq);
		if (!(m->flags & IMAP_GONE) && msv_uidset_add(uids, m->uid, m->uid))
			return MSV_ERR_NOMEM;
		rows->upto = seq;
		msv_imap_walk_step(&walk);
	}
	return 0;
}

static void ask(struct imap_session *s, struct imap_rows *rows, const struct imap_walk *walk)
{
	struct msv_uidset_builder uids;

	rows->n = 0;
	s->rows = rows;
	msv_uidset_builder_init(&uids, s->conn.env);
	if (collect(s, rows, *walk, &uids)) {
		msv_imap_nomem(s);
	} else {
		struct msv_uidset set = msv_uidset_finish(&uids);
		struct msv_op *op = msv_imap_ask_rows(s, answered, take);
		if (op)
			s->store->changes(s->store->self, s->view.mailbox, 0, &set, rows->fields,
			    (struct msv_changes_op){ op });
	}
	msv_uidset_builder_fini(&uids);
}

static int compare(const void *key, const void *element)
{
	uint32_t uid = *(const uint32_t *)key;
	const struct imap_row *row = element;

	return (uid > row->uid) - (uid < row->uid);
}

int msv_imap_rows_get(struct imap_session *s, struct imap_rows *rows, const struct imap_walk *walk,
    const struct imap_row **out)
{
	uint32_t seq = msv_imap_walk_peek(walk);

	if (rows->error)
		return rows->error;
	if (seq > rows->upto) {
		ask(s, rows, walk);
		return 0;
	}
	*out = bsearch(
	    &msv_imap_view_at(&s->view, seq)->uid, rows->v, rows->n, sizeof(*rows->v), compare);
	return 1;
}
