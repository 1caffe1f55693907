/* COPY (RFC 3501 6.4.7) and MOVE (RFC 6851), with UIDPLUS's COPYUID (RFC 4315 3). */
#include "imap/imap.h"

/* A COPYUID of more ranges is left out: it may be (RFC 4315 3), and a response is
 * not to grow with the mailbox. */
enum { COPYUID_RANGES_MAX = 4096 };

struct copy {
	struct imap_set set;
	const char *mailbox;
	bool move;
	struct msv_buf code; /* "[COPYUID ...] " or empty */
	int error;
};

static void fini(struct imap_session *s, void *data)
{
	(void)s;
	msv_buf_fini(&((struct copy *)data)->code);
}

static void put_uids(struct msv_buf *out, const struct msv_uidset *set)
{
	for (size_t i = 0; i < set->n; i++) {
		msv_buf_printf(out, "%s%u", i ? "," : " ", set->r[i].first);
		if (set->r[i].last > set->r[i].first)
			msv_buf_printf(out, ":%u", set->r[i].last);
	}
}

static enum imap_run finish(struct imap_session *s)
{
	struct copy *copy = s->cmd.data;

	if (copy->error)
		return msv_imap_no_error(s, copy->error, true);
	const char *code = msv_buf_cstr(&copy->code);
	if (!code || msv_buf_failed(&copy->code))
		return msv_imap_nomem(s);
	if (!copy->move)
		return msv_imap_ok(
		    s, "%s%s", code, s->cmd.uid ? "UID COPY completed" : "COPY completed");
	/* Before the EXPUNGEs that follow (RFC 6851 4.3). */
	if (*code)
		msv_imap_untagged(s, "OK %sMoved", code);
	return msv_imap_ok(s, NULL);
}

static void answered(struct imap_session *s, int error, const void *result)
{
	const struct msv_copy_result *r = result;
	struct copy *copy = s->cmd.data;

	copy->error = error;
	s->cmd.run = finish;
	if (error || !r->source.n || r->source.n > COPYUID_RANGES_MAX)
		return;
	msv_buf_printf(&copy->code, "[COPYUID %u", r->uidvalidity);
	put_uids(&copy->code, &r->source);
	put_uids(&copy->code, &r->dest);
	msv_buf_puts(&copy->code, "] ");
}

/* A message of the set is known to be gone. */
static bool any_gone(struct imap_session *s, const struct imap_set *set)
{
	struct imap_walk walk = { .set = set };
	uint32_t seq;

	if (!s->view.gone)
		return false;
	for (; (seq = msv_imap_walk_peek(&walk)); msv_imap_walk_step(&walk)) {
		if (msv_imap_view_at(&s->view, seq)->flags & IMAP_GONE)
			return true;
	}
	return false;
}

static void ask(struct imap_session *s, struct copy *copy)
{
	struct msv_uidset uids;

	if (msv_imap_set_uids(s, &copy->set, &uids)) {
		msv_imap_nomem(s);
		return;
	}
	struct msv_op *op = msv_imap_ask(s, answered);
	if (!op)
		return;
	(copy->move ? s->store->move : s->store->copy)(
	    s->store->self, s->view.mailbox, &uids, copy->mailbox, (struct msv_copy_op){ op });
}

static enum imap_run run(struct imap_session *s, bool move)
{
	struct imap_args *a = &s->cmd.args;
	struct copy *copy = msv_imap_data(s, sizeof(*copy), fini);

	if (!copy)
		return IMAP_WAIT;
	copy->move = move;
	msv_buf_init(&copy->code, s->conn.env);
	if (!msv_imap_arg_space(a) || !msv_imap_arg_set(s, s->cmd.uid, &copy->set) ||
	    !msv_imap_arg_space(a) || !msv_imap_arg_mailbox(s, &copy->mailbox) ||
	    !msv_imap_arg_end(a))
		return msv_imap_bad_args(s);
	if (move && s->view.readonly)
		return msv_imap_no(s, "[READ-ONLY] The mailbox is read-only");
	if (!copy->set.n)
		return msv_imap_ok(s, NULL);
	if (!s->cmd.uid && any_gone(s, &copy->set))
		return msv_imap_no(s, "[EXPUNGEISSUED] Some of the messages no longer exist");
	ask(s, copy);
	return IMAP_WAIT;
}

enum imap_run msv_imap_run_copy(struct imap_session *s)
{
	return run(s, false);
}

enum imap_run msv_imap_run_move(struct imap_session *s)
{
	return run(s, true);
}
