/*
 * Telling the client what changed in the selected mailbox, at the points where RFC
 * 3501 (5.2, 5.5, 7.4.1) lets a server do so: first flags, by the old sequence
 * numbers, then EXPUNGE, then EXISTS and RECENT.
 */
#include "imap/imap.h"

/* -- Pulling ------------------------------------------------------------------------ */

static int pulled_row(struct imap_session *s, const void *row)
{
	const struct msv_change *change = row;

	if (change->message && msv_imap_view_take(s, change->message))
		msv_imap_nomem(s);
	if (change->expunged)
		msv_imap_view_expunge(&s->view, change->expunged);
	return 0;
}

static void pulled(struct imap_session *s, int error, const void *result)
{
	const struct msv_changes_result *changes = result;
	struct imap_view *view = &s->view;

	s->sync.error = error;
	if (error == MSV_ERR_STALE)
		view->stale = true;
	if (error)
		return;
	view->modseq = changes->modseq;
	if (changes->uidnext > view->uidnext)
		view->uidnext = changes->uidnext;
}

enum imap_run msv_imap_pull(struct imap_session *s)
{
	struct imap_view *view = &s->view;
	struct msv_op *op = msv_imap_ask_rows(s, pulled, pulled_row);

	view->look = false;
	if (op)
		s->store->changes(s->store->self, view->mailbox, view->modseq, NULL, 0,
		    (struct msv_changes_op){ op });
	return IMAP_WAIT;
}

/* -- Telling ------------------------------------------------------------------------ */

void msv_imap_put_fetch_flags(struct imap_session *s, struct imap_message *m, bool uid)
{
	struct msv_buf *out = &s->conn.out;

	msv_imap_view_unmark(&s->view, m, IMAP_CHANGED);
	if (m->keywords & ~s->view.keywords)
		msv_imap_put_mailbox_flags(s);
	msv_buf_printf(out, "* %zu FETCH (", (size_t)(m - s->view.m) + 1);
	if (uid)
		msv_buf_printf(out, "UID %u ", m->uid);
	msv_buf_puts(out, "FLAGS ");
	msv_imap_put_flags(s, m->flags, m->keywords);
	msv_buf_puts(out, ")\r\n");
}

/* Each stage: true when it is through, false when there is no room. */
static bool tell_flags(struct imap_session *s)
{
	struct imap_view *view = &s->view;
	struct imap_sync *sync = &s->sync;

	for (; view->changed && sync->i < view->exists; sync->i++) {
		struct imap_message *m = &view->m[sync->i];
		if (!(m->flags & IMAP_CHANGED) || m->flags & IMAP_GONE)
			continue;
		if (!msv_imap_room(s))
			return false;
		msv_imap_put_fetch_flags(s, m, s->cmd.uid);
	}
	return true;
}

/* Takes out the messages that are gone from index `first` on: those announced with
 * an EXPUNGE each, in rising order, so each is told by its number at that time. */
static bool tell_gone(struct imap_session *s)
{
	struct imap_view *view = &s->view;
	struct imap_sync *sync = &s->sync;

	for (; sync->i < view->n; sync->i++) {
		struct imap_message *m = &view->m[sync->i];
		if (!(m->flags & IMAP_GONE)) {
			view->m[sync->kept++] = *m;
			continue;
		}
		if (sync->i < sync->announced) {
			if (!msv_imap_room(s))
				return false;
			msv_imap_untagged(s, "%zu EXPUNGE", sync->kept + 1);
			view->exists--;
		}
		if (m->uid == s->content.uid)
			msv_imap_content_close(s);
		msv_imap_view_unmark(view, m, IMAP_CHANGED);
		view->recent_now -= (m->flags & MSV_FLAG_RECENT) != 0;
		view->gone--;
	}
	view->n = sync->kept;
	return true;
}

static void begin_gone(struct imap_session *s)
{
	struct imap_view *view = &s->view;
	struct imap_sync *sync = &s->sync;

	sync->announced = view->exists;
	sync->i = sync->kept = !view->gone ? view->n : sync->expunge ? 0 : view->exists;
}

static bool tell_exists(struct imap_session *s)
{
	struct imap_view *view = &s->view;

	if (!msv_imap_room(s))
		return false;
	if (view->n != view->exists)
		msv_imap_untagged(s, "%zu EXISTS", view->n);
	view->exists = (uint32_t)view->n;
	if (view->recent != view->recent_now)
		msv_imap_untagged(s, "%u RECENT", view->recent_now);
	view->recent = view->recent_now;
	return true;
}

enum { OVER, START, PULL, PULL_AGAIN, FLAGS, GONE, EXISTS };

void msv_imap_sync_start(struct imap_session *s, bool look, bool expunge)
{
	struct imap_view *view = &s->view;

	s->sync = (struct imap_sync){ .expunge = expunge };
	if (!view->mailbox)
		s->sync.stage = OVER;
	else
		s->sync.stage = look || view->look || !view->watch ? START : FLAGS;
}

enum imap_run msv_imap_sync(struct imap_session *s)
{
	const struct imap_view *view = &s->view;
	struct imap_sync *sync = &s->sync;

	switch (sync->stage) {
	case START:
		sync->stage = PULL;
		return msv_imap_pull(s);
	case PULL:
		/* All is gone: is the mailbox too?  Only then it says so. */
		sync->stage = PULL_AGAIN;
		if (view->gone == view->n && !view->stale)
			return msv_imap_pull(s);
		/* fall through */
	case PULL_AGAIN:
		sync->stage = FLAGS;
		/* fall through */
	case FLAGS:
		if (!tell_flags(s))
			return IMAP_WAIT;
		begin_gone(s);
		sync->stage = GONE;
		/* fall through */
	case GONE:
		if (!tell_gone(s))
			return IMAP_WAIT;
		sync->stage = EXISTS;
		/* fall through */
	case EXISTS:
		if (!tell_exists(s))
			return IMAP_WAIT;
		sync->stage = OVER;
		break;
	}
	return IMAP_DONE;
}
