/* EXPUNGE (RFC 3501 6.4.3) and UID EXPUNGE (RFC 4315 2.1). */
#include "imap/imap.h"

static enum imap_run expunged(struct imap_session *s)
{
	return msv_imap_ok(s, NULL);
}

static enum imap_run failed(struct imap_session *s)
{
	return msv_imap_no_error(s, s->sync.error, false);
}

static void answered(struct imap_session *s, int error, const void *result)
{
	(void)result;
	s->sync.error = error;
	s->cmd.run = error ? failed : expunged;
}

/* What may go: the UIDs given, else all messages the client knows of.  Those it
 * has not been told about stay. */
static bool take_uids(struct imap_session *s, struct msv_uid_range *all, struct msv_uidset *out)
{
	struct imap_args *a = &s->cmd.args;
	struct imap_set set;

	if (s->cmd.uid) {
		if (!msv_imap_arg_space(a) || !msv_imap_arg_set(s, true, &set) ||
		    !msv_imap_arg_end(a))
			return false;
		return !msv_imap_set_uids(s, &set, out) || msv_imap_arg_nomem(a);
	}
	*all = (struct msv_uid_range){ 1, msv_imap_view_last_uid(&s->view) };
	*out = (struct msv_uidset){ all, all->last > 0 };
	return msv_imap_arg_end(a);
}

enum imap_run msv_imap_run_expunge(struct imap_session *s)
{
	struct msv_uid_range all;
	struct msv_uidset uids;

	if (!take_uids(s, &all, &uids))
		return msv_imap_bad_args(s);
	if (s->view.readonly)
		return msv_imap_no(s, "[READ-ONLY] The mailbox is read-only");
	if (!uids.n)
		return msv_imap_ok(s, NULL);
	struct msv_op *op = msv_imap_ask(s, answered);
	if (op)
		s->store->expunge(s->store->self, s->view.mailbox, &uids, op);
	return IMAP_WAIT;
}
