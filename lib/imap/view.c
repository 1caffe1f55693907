/*
 * The view of the selected mailbox: the messages as this client knows them.
 *
 * The array is what gives sequence numbers their meaning.  Changes of the store
 * only leave marks in it; nothing is taken out before the client is told, so a
 * sequence number means one message from one EXPUNGE to the next.
 */
#include "imap/imap.h"

#include <string.h>

/* -- Selecting ---------------------------------------------------------------------- */

/* The store says: look again. */
static void look(void *user, const char *mailbox)
{
	struct imap_session *s = user;

	(void)mailbox;
	s->view.look = true;
	if (s->idling)
		msv_conn_kick(&s->conn);
}

int msv_imap_view_open(
    struct imap_session *s, const struct msv_open_result *result, const char *name)
{
	struct imap_view *view = &s->view;

	memset(view, 0, sizeof(*view));
	view->mailbox = result->mailbox;
	view->readonly = result->readonly;
	view->can_create_keywords = result->can_create_keywords;
	view->permanent_flags = result->permanent_flags;
	view->uidvalidity = result->status.uidvalidity;
	view->uidnext = result->status.uidnext;
	view->name = msv_strdup(s->conn.env, name);
	s->state = IMAP_SELECTED;
	if (!view->name)
		return MSV_ERR_NOMEM;
	int error =
	    s->store->watch(s->store->self, &s->actor, view->mailbox, look, s, &view->watch);
	return error == MSV_ERR_NOMEM ? error : 0;
}

void msv_imap_view_close(struct imap_session *s)
{
	struct imap_view *view = &s->view;

	msv_imap_content_close(s);
	if (!view->mailbox)
		return;
	if (view->watch)
		s->store->unwatch(s->store->self, view->watch);
	s->store->close(s->store->self, view->mailbox);
	msv_free(s->conn.env, view->name);
	msv_free(s->conn.env, view->m);
	memset(view, 0, sizeof(*view));
	s->state = IMAP_AUTHENTICATED;
}

/* -- Finding ------------------------------------------------------------------------ */

size_t msv_imap_view_lower(const struct imap_view *view, uint32_t uid)
{
	size_t low = 0, high = view->n;

	while (low < high) {
		size_t middle = low + (high - low) / 2;
		if (view->m[middle].uid < uid)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

struct imap_message *msv_imap_view_find(const struct imap_view *view, uint32_t uid)
{
	size_t i = msv_imap_view_lower(view, uid);

	return i < view->n && view->m[i].uid == uid ? &view->m[i] : NULL;
}

struct imap_message *msv_imap_view_at(const struct imap_view *view, uint32_t seq)
{
	return &view->m[seq - 1];
}

uint32_t msv_imap_view_last_uid(const struct imap_view *view)
{
	return view->exists ? view->m[view->exists - 1].uid : 0;
}

/* -- Changing ----------------------------------------------------------------------- */

void msv_imap_view_mark(struct imap_view *view, struct imap_message *m, uint32_t mark)
{
	if (m->flags & mark)
		return;
	m->flags |= mark;
	*(mark == IMAP_GONE ? &view->gone : &view->changed) += 1;
}

void msv_imap_view_unmark(struct imap_view *view, struct imap_message *m, uint32_t mark)
{
	if (!(m->flags & mark))
		return;
	m->flags &= ~mark;
	*(mark == IMAP_GONE ? &view->gone : &view->changed) -= 1;
}

static int append(struct imap_session *s, const struct msv_message *message)
{
	struct imap_view *view = &s->view;

	if (msv_grow(s->conn.env, &view->m, &view->cap, view->n + 1, sizeof(*view->m)))
		return MSV_ERR_NOMEM;
	view->recent_now += (message->flags & MSV_FLAG_RECENT) != 0;
	view->m[view->n++] = (struct imap_message){
		.uid = message->uid,
		.flags = message->flags & IMAP_FLAGS,
		.keywords = message->keywords,
		.modseq = message->modseq,
	};
	return 0;
}

int msv_imap_view_take(struct imap_session *s, const struct msv_message *message)
{
	struct imap_view *view = &s->view;

	if (!view->n || message->uid > view->m[view->n - 1].uid)
		return append(s, message);
	struct imap_message *m = msv_imap_view_find(view, message->uid);
	if (!m)
		return 0;
	uint32_t flags = message->flags & IMAP_FLAGS;
	view->recent_now -= (m->flags & MSV_FLAG_RECENT) != 0;
	view->recent_now += (flags & MSV_FLAG_RECENT) != 0;
	bool same = (m->flags & IMAP_FLAGS) == flags && m->keywords == message->keywords;
	m->flags = (m->flags & ~IMAP_FLAGS) | flags;
	m->keywords = message->keywords;
	m->modseq = message->modseq;
	if (!same && m < view->m + view->exists)
		msv_imap_view_mark(view, m, IMAP_CHANGED);
	return 0;
}

void msv_imap_view_expunge(struct imap_view *view, const struct msv_uid_range *range)
{
	for (size_t i = msv_imap_view_lower(view, range->first);
	     i < view->n && view->m[i].uid <= range->last; i++)
		msv_imap_view_mark(view, &view->m[i], IMAP_GONE);
}
