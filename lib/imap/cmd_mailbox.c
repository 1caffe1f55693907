/* Commands that change the list of mailboxes: CREATE, DELETE, RENAME, SUBSCRIBE,
 * UNSUBSCRIBE (RFC 3501 6.3), CREATE's USE (RFC 6154 3). */
#include "imap/imap.h"

#include <string.h>

#include "codec/casefold.h"

/* What the command is about, for after the answer. */
struct change {
	int error;
	const char *mailbox, *new_name;
};

static enum imap_run changed(struct imap_session *s)
{
	const struct change *change = s->cmd.data;

	if (change->error)
		return msv_imap_no_error(s, change->error, false);
	return msv_imap_ok(s, NULL);
}

static void change_answered(struct imap_session *s, int error, const void *result)
{
	(void)result;
	((struct change *)s->cmd.data)->error = error;
	s->cmd.run = changed;
}

/* Room for the answer and an op; NULL: no memory. */
static struct msv_op *begin_change(struct imap_session *s)
{
	if (!msv_imap_data(s, sizeof(struct change), NULL))
		return NULL;
	return msv_imap_ask(s, change_answered);
}

/* -- CREATE -------------------------------------------------------------------------- */

static bool take_use(struct imap_session *s, uint32_t *uses)
{
	struct imap_args *a = &s->cmd.args;
	struct msv_span name;

	if (!msv_imap_arg_flag(a, &name))
		return false;
	uint32_t use = msv_imap_special_use(name);
	if (!use || !(s->store->abilities & MSV_STORE_SPECIAL_USE)) {
		a->code = "USEATTR";
		return msv_imap_arg_fail(a, "That special use is not supported");
	}
	*uses |= use;
	return true;
}

/* " (USE (\Drafts \Sent))" */
static bool take_uses(struct imap_session *s, uint32_t *uses)
{
	struct imap_args *a = &s->cmd.args;
	struct msv_span word;

	if (msv_imap_arg_at_end(a))
		return true;
	if (!msv_imap_arg_space(a) || !msv_imap_arg_char(a, '(') || !msv_imap_arg_atom(a, &word))
		return false;
	if (!msv_imap_is(word, "USE"))
		return msv_imap_arg_fail(a, "Unknown CREATE parameter");
	if (!msv_imap_arg_space(a) || !msv_imap_arg_char(a, '('))
		return false;
	if (!msv_imap_arg_if(a, ')')) {
		do {
			if (!take_use(s, uses))
				return false;
		} while (msv_imap_arg_if(a, ' '));
		if (!msv_imap_arg_char(a, ')'))
			return false;
	}
	return msv_imap_arg_char(a, ')') && msv_imap_arg_end(a);
}

enum imap_run msv_imap_run_create(struct imap_session *s)
{
	struct imap_args *a = &s->cmd.args;
	const char *mailbox;
	uint32_t uses = 0;

	if (!msv_imap_arg_space(a) || !msv_imap_arg_new_mailbox(s, &mailbox) ||
	    !take_uses(s, &uses))
		return msv_imap_bad_args(s);
	if (strcmp(mailbox, "INBOX") == 0)
		return msv_imap_no(s, "[ALREADYEXISTS] INBOX is there already");
	struct msv_op *op = begin_change(s);
	if (op)
		s->store->create(s->store->self, &s->actor, mailbox, uses, op);
	return IMAP_WAIT;
}

/* -- DELETE, RENAME ------------------------------------------------------------------ */

/* The selected mailbox is the one that was deleted: nothing is selected now. */
static enum imap_run deleted(struct imap_session *s)
{
	const struct change *change = s->cmd.data;

	if (change->error)
		return msv_imap_no_error(s, change->error, false);
	if (s->view.mailbox && strcmp(s->view.name, change->mailbox) == 0) {
		msv_imap_view_close(s);
		msv_imap_untagged(s, "OK [CLOSED] The selected mailbox was deleted");
	}
	return msv_imap_ok(s, NULL);
}

static void delete_answered(struct imap_session *s, int error, const void *result)
{
	change_answered(s, error, result);
	s->cmd.run = deleted;
}

enum imap_run msv_imap_run_delete(struct imap_session *s)
{
	struct imap_args *a = &s->cmd.args;
	const char *mailbox;

	if (!msv_imap_arg_space(a) || !msv_imap_arg_mailbox(s, &mailbox) || !msv_imap_arg_end(a))
		return msv_imap_bad_args(s);
	if (strcmp(mailbox, "INBOX") == 0)
		return msv_imap_no(s, "[CANNOT] INBOX cannot be deleted");
	struct change *change = msv_imap_data(s, sizeof(*change), NULL);
	struct msv_op *op = change ? msv_imap_ask(s, delete_answered) : NULL;
	if (!op)
		return IMAP_WAIT;
	change->mailbox = mailbox;
	s->store->remove(s->store->self, &s->actor, mailbox, op);
	return IMAP_WAIT;
}

/* The selected mailbox goes by its new name when it, or one above it, was renamed;
 * of INBOX only the mail went. */
static enum imap_run renamed(struct imap_session *s)
{
	const struct change *change = s->cmd.data;
	size_t n = strlen(change->mailbox);
	char *name = s->view.name;

	if (change->error)
		return msv_imap_no_error(s, change->error, false);
	if (name && strncmp(name, change->mailbox, n) == 0 &&
	    (!name[n] || name[n] == s->store->separator) && strcmp(change->mailbox, "INBOX") != 0) {
		s->view.name = msv_asprintf(s->conn.env, "%s%s", change->new_name, name + n);
		msv_free(s->conn.env, name);
		if (!s->view.name)
			return msv_imap_nomem(s);
	}
	return msv_imap_ok(s, NULL);
}

static void rename_answered(struct imap_session *s, int error, const void *result)
{
	change_answered(s, error, result);
	s->cmd.run = renamed;
}

enum imap_run msv_imap_run_rename(struct imap_session *s)
{
	struct imap_args *a = &s->cmd.args;
	const char *from, *to;

	if (!msv_imap_arg_space(a) || !msv_imap_arg_mailbox(s, &from) || !msv_imap_arg_space(a) ||
	    !msv_imap_arg_new_mailbox(s, &to) || !msv_imap_arg_end(a))
		return msv_imap_bad_args(s);
	if (strcmp(to, "INBOX") == 0)
		return msv_imap_no(s, "[ALREADYEXISTS] INBOX is there already");
	struct change *change = msv_imap_data(s, sizeof(*change), NULL);
	struct msv_op *op = change ? msv_imap_ask(s, rename_answered) : NULL;
	if (!op)
		return IMAP_WAIT;
	change->mailbox = from;
	change->new_name = to;
	s->store->rename(s->store->self, &s->actor, from, to, op);
	return IMAP_WAIT;
}

/* -- SUBSCRIBE ----------------------------------------------------------------------- */

static enum imap_run subscribe(struct imap_session *s, bool subscribed)
{
	struct imap_args *a = &s->cmd.args;
	const char *mailbox;

	if (!msv_imap_arg_space(a) || !msv_imap_arg_mailbox(s, &mailbox) || !msv_imap_arg_end(a))
		return msv_imap_bad_args(s);
	struct msv_op *op = begin_change(s);
	if (op)
		s->store->subscribe(s->store->self, &s->actor, mailbox, subscribed, op);
	return IMAP_WAIT;
}

enum imap_run msv_imap_run_subscribe(struct imap_session *s)
{
	return subscribe(s, true);
}

enum imap_run msv_imap_run_unsubscribe(struct imap_session *s)
{
	return subscribe(s, false);
}
