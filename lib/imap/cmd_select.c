/* Opening and closing a mailbox: SELECT, EXAMINE, CHECK, CLOSE (RFC 3501 6.3.1,
 * 6.3.2, 6.4.1, 6.4.2), UNSELECT (RFC 3691). */
#include "imap/imap.h"

#include <string.h>

/* -- SELECT ---------------------------------------------------------------------------- */

struct select {
	const char *mailbox;
	int error;
};

/* The first message that is not \Seen, 0 when there is none. */
static size_t first_unseen(const struct imap_view *view)
{
	for (size_t i = 0; i < view->n; i++) {
		if (!(view->m[i].flags & MSV_FLAG_SEEN))
			return i + 1;
	}
	return 0;
}

static enum imap_run selected(struct imap_session *s)
{
	struct imap_view *view = &s->view;

	if (s->sync.error) {
		msv_imap_view_close(s);
		return msv_imap_no_error(s, s->sync.error, false);
	}
	view->exists = (uint32_t)view->n;
	view->recent = view->recent_now;
	msv_imap_put_mailbox_flags(s);
	msv_imap_untagged(s, "%u EXISTS", view->exists);
	msv_imap_untagged(s, "%u RECENT", view->recent);
	size_t unseen = first_unseen(view);
	if (unseen)
		msv_imap_untagged(s, "OK [UNSEEN %zu] The first unseen message", unseen);
	msv_imap_untagged(s, "OK [UIDVALIDITY %u] UIDs are valid", view->uidvalidity);
	msv_imap_untagged(s, "OK [UIDNEXT %u] The next UID", view->uidnext);
	return msv_imap_ok(
	    s, "[%s] %s completed", view->readonly ? "READ-ONLY" : "READ-WRITE", s->cmd.def->name);
}

static enum imap_run not_opened(struct imap_session *s)
{
	return msv_imap_no_error(s, ((struct select *)s->cmd.data)->error, false);
}

static enum imap_run load(struct imap_session *s)
{
	s->cmd.run = selected;
	return msv_imap_pull(s);
}

static void opened(struct imap_session *s, int error, const void *result)
{
	struct select *select = s->cmd.data;

	if (!error)
		error = msv_imap_view_open(s, result, select->mailbox);
	if (error)
		msv_imap_view_close(s);
	select->error = error;
	s->cmd.run = error ? not_opened : load;
}

/* Whatever comes of it, the mailbox selected before is no longer - unless the
 * command made no sense. */
static enum imap_run open_mailbox(struct imap_session *s, bool readonly)
{
	struct imap_args *a = &s->cmd.args;
	const char *mailbox;

	bool ok = msv_imap_arg_space(a) && msv_imap_arg_mailbox(s, &mailbox) && msv_imap_arg_end(a);
	if (ok || a->code)
		msv_imap_view_close(s);
	if (!ok)
		return msv_imap_bad_args(s);
	struct select *select = msv_imap_data(s, sizeof(*select), NULL);
	struct msv_op *op = select ? msv_imap_ask(s, opened) : NULL;
	if (!op)
		return IMAP_WAIT;
	select->mailbox = mailbox;
	s->store->open(s->store->self, &s->actor, mailbox, readonly, (struct msv_open_op){ op });
	return IMAP_WAIT;
}

enum imap_run msv_imap_run_select(struct imap_session *s)
{
	return open_mailbox(s, false);
}

enum imap_run msv_imap_run_examine(struct imap_session *s)
{
	return open_mailbox(s, true);
}

/* -- CHECK, CLOSE, UNSELECT ------------------------------------------------------------ */

/* Everything is on disk before it is acknowledged, so a checkpoint is a NOOP. */
enum imap_run msv_imap_run_check(struct imap_session *s)
{
	return msv_imap_run_noop(s);
}

enum imap_run msv_imap_run_unselect(struct imap_session *s)
{
	if (!msv_imap_arg_end(&s->cmd.args))
		return msv_imap_bad_args(s);
	msv_imap_view_close(s);
	return msv_imap_ok(s, NULL);
}

static void closing_expunged(struct imap_session *s, int error, const void *result)
{
	(void)error;
	(void)result;
	s->cmd.run = msv_imap_run_unselect;
}

enum imap_run msv_imap_run_close(struct imap_session *s)
{
	struct msv_uid_range all = { 1, msv_imap_view_last_uid(&s->view) };
	struct msv_uidset known = { &all, 1 };

	if (!msv_imap_arg_end(&s->cmd.args))
		return msv_imap_bad_args(s);
	if (s->view.readonly || !all.last)
		return msv_imap_run_unselect(s);
	struct msv_op *op = msv_imap_ask(s, closing_expunged);
	if (op)
		s->store->expunge(s->store->self, s->view.mailbox, &known, op);
	return IMAP_WAIT;
}
