/*
 * FETCH (RFC 3501 6.4.5): one message after another, each prepared first - row,
 * content, structure, \Seen - and then written.  What cannot be had is found out
 * before a response has begun.
 */
#include "imap/imap.h"

static enum imap_run next_message(struct imap_session *s);

static void fini(struct imap_session *s, void *data)
{
	struct imap_fetch *f = data;

	msv_imap_section_fini(&f->out);
	msv_free(s->conn.env, f->items);
	s->partial = false;
}

/* -- Writing --------------------------------------------------------------------------- */

static enum imap_run end_message(struct imap_session *s)
{
	struct imap_fetch *f = s->cmd.data;

	if (f->seen_now && !(f->needs & IMAP_SHOWS_FLAGS)) {
		struct imap_message *m = msv_imap_view_at(&s->view, f->seq);
		msv_buf_puts(&s->conn.out, " FLAGS ");
		msv_imap_put_flags(s, m->flags, m->keywords);
		msv_imap_view_unmark(&s->view, m, IMAP_CHANGED);
	}
	msv_buf_puts(&s->conn.out, ")\r\n");
	s->partial = false;
	msv_imap_walk_step(&f->walk);
	s->cmd.run = next_message;
	return IMAP_AGAIN;
}

static enum imap_run write_items(struct imap_session *s)
{
	struct imap_fetch *f = s->cmd.data;

	while (f->item < f->nitems) {
		const struct imap_fetch_item *item = &f->items[f->item];
		if (!msv_imap_room(s))
			return IMAP_WAIT;
		if (f->item && !f->began)
			msv_buf_putc(&s->conn.out, ' ');
		int verdict = item->def->write(s, f, item);
		if (!verdict)
			return IMAP_WAIT;
		if (verdict < 0) {
			/* A literal cannot be taken back. */
			msv_conn_log(&s->conn, MSV_LOG_ERROR, "message %u of %s cannot be read",
			    f->uid, s->view.name);
			msv_conn_end(&s->conn);
			return IMAP_WAIT;
		}
		f->began = false;
		f->item++;
	}
	return end_message(s);
}

static enum imap_run begin_message(struct imap_session *s)
{
	struct imap_fetch *f = s->cmd.data;
	const struct imap_message *m = msv_imap_view_at(&s->view, f->seq);

	if (m->keywords & ~s->view.keywords)
		msv_imap_put_mailbox_flags(s);
	msv_buf_printf(&s->conn.out, "* %u FETCH (", f->seq);
	s->partial = true;
	f->item = 0;
	f->began = false;
	s->cmd.run = write_items;
	return IMAP_AGAIN;
}

/* -- Preparing --------------------------------------------------------------------------- */

static int seen_row(struct imap_session *s, const void *row)
{
	if (msv_imap_view_take(s, row))
		msv_imap_nomem(s);
	return 0;
}

static void seen(struct imap_session *s, int error, const void *result)
{
	struct imap_fetch *f = s->cmd.data;

	(void)result;
	f->seen_now = !error;
	s->cmd.run = begin_message;
}

/* Reading sets \Seen, and the response shows it. */
static enum imap_run mark_seen(struct imap_session *s)
{
	struct imap_fetch *f = s->cmd.data;
	struct msv_uid_range one = { f->uid, f->uid };
	struct msv_uidset uids = { &one, 1 };
	struct msv_flag_change change = {
		.size = sizeof(change),
		.mode = MSV_FLAGS_ADD,
		.flags = MSV_FLAG_SEEN,
	};

	f->seen_now = false;
	if (!(f->needs & IMAP_SETS_SEEN) || s->view.readonly ||
	    msv_imap_view_at(&s->view, f->seq)->flags & MSV_FLAG_SEEN)
		return begin_message(s);
	struct msv_op *op = msv_imap_ask_rows(s, seen, seen_row);
	if (op)
		s->store->flags(
		    s->store->self, s->view.mailbox, &uids, &change, (struct msv_flags_op){ op });
	return IMAP_WAIT;
}

/* The message is left out. */
static enum imap_run skip(struct imap_session *s, int error)
{
	struct imap_fetch *f = s->cmd.data;

	if (!error || error == MSV_ERR_NOTFOUND)
		f->missing = true;
	else
		f->error = error;
	msv_imap_walk_step(&f->walk);
	s->cmd.run = next_message;
	return IMAP_AGAIN;
}

/* Asks for what is still missing: 1 when nothing is, 0 wait, else why it cannot be
 * had. */
static int gather(struct imap_session *s, struct imap_fetch *f)
{
	const unsigned content = IMAP_NEEDS_CONTENT | IMAP_NEEDS_HEADER | IMAP_NEEDS_TREE;
	int verdict = 1;

	if (f->needs & IMAP_NEEDS_ROW) {
		verdict = msv_imap_rows_get(s, &f->rows, &f->walk, &f->row);
		if (verdict > 0 && !f->row)
			verdict = MSV_ERR_NOTFOUND;
	}
	if (verdict > 0 && f->needs & content)
		verdict = msv_imap_content_open(s, f->uid);
	if (verdict > 0 && f->needs & IMAP_NEEDS_TREE)
		return msv_imap_content_tree(s);
	if (verdict > 0 && f->needs & IMAP_NEEDS_HEADER)
		return msv_imap_content_header(s);
	return verdict;
}

static enum imap_run prepare(struct imap_session *s)
{
	int verdict = gather(s, s->cmd.data);

	if (!verdict)
		return IMAP_WAIT;
	if (verdict < 0)
		return skip(s, verdict);
	s->cmd.run = mark_seen;
	return IMAP_AGAIN;
}

static enum imap_run finish(struct imap_session *s)
{
	const struct imap_fetch *f = s->cmd.data;

	if (f->error)
		return msv_imap_no_error(s, f->error, false);
	if (f->missing && !s->cmd.uid)
		return msv_imap_no(s, "[EXPUNGEISSUED] Some of the messages no longer exist");
	return msv_imap_ok(s, NULL);
}

static enum imap_run next_message(struct imap_session *s)
{
	struct imap_fetch *f = s->cmd.data;

	f->seq = msv_imap_walk_peek(&f->walk);
	if (!f->seq)
		return finish(s);
	if (!msv_imap_room(s) || msv_imap_turn_over(s, f->nitems * 64))
		return IMAP_WAIT;
	const struct imap_message *m = msv_imap_view_at(&s->view, f->seq);
	if (m->flags & IMAP_GONE)
		return skip(s, 0);
	f->uid = m->uid;
	s->cmd.run = prepare;
	return IMAP_AGAIN;
}

enum imap_run msv_imap_run_fetch(struct imap_session *s)
{
	struct imap_args *a = &s->cmd.args;
	struct imap_fetch *f = msv_imap_data(s, sizeof(*f), fini);

	if (!f)
		return IMAP_WAIT;
	f->walk.set = &f->set;
	if (!msv_imap_arg_space(a) || !msv_imap_arg_set(s, s->cmd.uid, &f->set) ||
	    !msv_imap_arg_space(a) || (s->cmd.uid && !msv_imap_fetch_add(s, f, "UID")) ||
	    !msv_imap_arg_fetch_items(s, f) || !msv_imap_arg_end(a))
		return msv_imap_bad_args(s);
	f->rows.fields = f->needs & IMAP_NEEDS_ROW;
	s->cmd.run = next_message;
	return IMAP_AGAIN;
}
