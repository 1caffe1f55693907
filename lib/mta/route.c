/* RCPT decides where mail goes: a mailbox of ours, or nowhere. */
#include <stdlib.h>
#include <string.h>

#include "codec/casefold.h"
#include "codec/idna.h"
#include "mta/mta.h"

static int by_name(const void *key, const void *item)
{
	return strcmp(key, ((const struct mta_domain *)item)->ascii);
}

/* The name of one of our domains, however it was spelled; NULL: not ours. */
static const char *local_domain(const struct msv_mta *mta, const char *domain)
{
	char ascii[MSV_DOMAIN_SIZE];
	if (!mta->ndomains || msv_domain_to_ascii(domain, ascii))
		return NULL;
	const struct mta_domain *found =
	    bsearch(ascii, mta->domains, mta->ndomains, sizeof *mta->domains, by_name);
	return found ? found->name : NULL;
}

static bool is_word(const char *s, const char *word)
{
	return msv_ascii_equals(s, strlen(s), word);
}

void msv_mta_recipient_fini(struct msv_env *env, struct mta_recipient *recipient)
{
	msv_free(env, recipient->address);
	msv_free(env, recipient->account);
	msv_free(env, recipient->home);
	msv_free(env, recipient->mailbox);
	recipient->address = recipient->account = recipient->home = recipient->mailbox = NULL;
}

/* The RCPT is over. */
static void question_clear(struct mta_question *q)
{
	struct msv_env *env = q->transaction->mta->env;
	msv_free(env, q->local);
	msv_free(env, q->domain);
	msv_free(env, q->tag);
	msv_mta_recipient_fini(env, &q->found);
	*q = (struct mta_question){ .transaction = q->transaction };
}

void msv_mta_route_cancel(struct mta_question *q)
{
	if (q->op)
		msv_op_cancel(q->op);
	q->op = NULL;
	/* The session that is gone canceled the reply; it is still owed. */
	if (q->reply.op)
		msv_reply(q->reply, 451, "4.3.0", NULL);
	question_clear(q);
}

static void finish(struct mta_question *q, int code, const char *enhanced, const char *text)
{
	struct msv_reply_op reply = q->reply;
	q->reply.op = NULL;
	question_clear(q);
	msv_reply(reply, code, enhanced, text);
}

/* -- The recipient is known ------------------------------------------------------- */

/* The earlier recipient with the same mailbox, or -1: one copy is enough. */
static ptrdiff_t same_mailbox(const struct mta_transaction *t, const struct mta_recipient *r)
{
	for (size_t i = 0; i < t->nrecipients; i++) {
		const struct mta_recipient *other = &t->recipients[i];
		if (other->same_as < 0 && strcmp(other->account, r->account) == 0 &&
		    strcmp(other->mailbox, r->mailbox) == 0)
			return (ptrdiff_t)i;
	}
	return -1;
}

static void accept_recipient(struct mta_question *q)
{
	struct mta_transaction *t = q->transaction;
	if (msv_grow(t->mta->env, &t->recipients, &t->cap, t->nrecipients + 1,
	        sizeof *t->recipients) != 0) {
		finish(q, 451, "4.3.0", "Out of memory, try again later");
		return;
	}
	q->found.same_as = same_mailbox(t, &q->found);
	t->recipients[t->nrecipients++] = q->found;
	q->found = (struct mta_recipient){ 0 };
	finish(q, 250, "2.1.5", NULL);
}

static void accept_in(struct mta_question *q, const char *mailbox)
{
	q->found.mailbox = msv_strdup(q->transaction->mta->env, mailbox);
	if (q->found.mailbox)
		accept_recipient(q);
	else
		finish(q, 451, "4.3.0", "Out of memory, try again later");
}

static void on_folder(void *user, int error, const void *result)
{
	struct mta_question *q = user;
	(void)result;
	q->op = NULL;
	if (error == 0)
		accept_recipient(q);
	else {
		msv_free(q->transaction->mta->env, q->found.mailbox);
		q->found.mailbox = NULL;
		accept_in(q, "INBOX");
	}
}

/* Is there a folder of the tag's name?  Then mail goes there. */
static void look_for_folder(struct mta_question *q)
{
	struct msv_mta *mta = q->transaction->mta;
	const struct msv_store *store = mta->store;
	struct msv_actor actor = { .size = sizeof actor,
		.user = q->found.account,
		.home = q->found.home,
		.session_id = q->transaction->origin.session_id };
	if (!q->tag || strchr(q->tag, store->separator) || is_word(q->tag, "INBOX")) {
		accept_in(q, "INBOX");
		return;
	}
	q->found.mailbox =
	    msv_asprintf(mta->env, "%s%s", store->prefix ? store->prefix : "", q->tag);
	if (q->found.mailbox && !msv_mailbox_name_valid(q->found.mailbox, store->separator)) {
		msv_free(mta->env, q->found.mailbox);
		accept_in(q, "INBOX");
		return;
	}
	struct msv_status_op op = { q->found.mailbox ? msv_op_new(mta->env, on_folder, q) : NULL };
	if (!op.op) {
		finish(q, 451, "4.3.0", "Out of memory, try again later");
		return;
	}
	q->op = op.op;
	store->status(store->self, &actor, q->found.mailbox, op);
}

/* -- Looking for the account -------------------------------------------------------- */

static void look_up(struct mta_question *q, const char *name);

/* Looks up a name made for the purpose, or NULL when there was no memory. */
static void look_up_made(struct mta_question *q, char *name)
{
	struct msv_env *env = q->transaction->mta->env;
	if (name)
		look_up(q, name);
	else
		finish(q, 451, "4.3.0", "Out of memory, try again later");
	msv_free(env, name);
}

static void try_without_tag(struct mta_question *q, char *mark)
{
	struct msv_env *env = q->transaction->mta->env;
	*mark = '\0';
	q->tag = msv_strdup(env, mark + 1);
	look_up_made(q, q->tag ? msv_asprintf(env, "%s@%s", q->local, q->domain) : NULL);
}

/* Somebody must read the postmaster's mail (RFC 5321 4.5.1): who the options
 * say, else any domain's postmaster. */
static void try_postmaster(struct mta_question *q)
{
	struct msv_mta *mta = q->transaction->mta;
	if (mta->postmaster && !q->tried_postmaster) {
		q->tried_postmaster = true;
		look_up(q, mta->postmaster);
	} else if (q->tried_domains < mta->ndomains) {
		const char *domain = mta->domains[q->tried_domains++].name;
		look_up_made(q, msv_asprintf(mta->env, "postmaster@%s", domain));
	} else {
		finish(q, 550, "5.1.1", "No such mailbox here");
	}
}

/* The name as it stands is nobody's: without its tag, or for the postmaster. */
static void try_next(struct mta_question *q)
{
	char *mark = q->tag ? NULL : strchr(q->local, q->transaction->mta->tag_separator);
	if (mark && mark > q->local)
		try_without_tag(q, mark);
	else if (is_word(q->local, "postmaster"))
		try_postmaster(q);
	else
		finish(q, 550, "5.1.1", "No such mailbox here");
}

static void on_account(void *user, int error, const void *result)
{
	struct mta_question *q = user;
	const struct msv_account *account = result;
	struct msv_env *env = q->transaction->mta->env;
	q->op = NULL;
	if (error == MSV_ERR_NOTFOUND || error == MSV_ERR_AUTH ||
	    (error == 0 && !account->receives)) {
		try_next(q);
		return;
	}
	if (error) {
		finish(q, 451, "4.3.0", "Accounts cannot be looked up now, try again later");
		return;
	}
	q->found.account = msv_strdup(env, account->name);
	q->found.home = msv_strdup(env, account->home ? account->home : "");
	if (q->found.account && q->found.home)
		look_for_folder(q);
	else
		finish(q, 451, "4.3.0", "Out of memory, try again later");
}

static void look_up(struct mta_question *q, const char *name)
{
	struct msv_mta *mta = q->transaction->mta;
	struct msv_auth_op op = { msv_op_new(mta->env, on_account, q) };
	if (!op.op) {
		finish(q, 451, "4.3.0", "Out of memory, try again later");
		return;
	}
	q->op = op.op;
	mta->auth->lookup(mta->auth->self, name, op);
}

/* Mail for another host. */
static void refuse_remote(struct mta_question *q, const struct msv_account *sender)
{
	if (sender)
		finish(q, 554, "5.3.2",
		    "This server delivers to its own domains only and does not send to other "
		    "hosts");
	else if (q->transaction->origin.role == MSV_SMTP_LMTP)
		finish(q, 550, "5.1.2", "Not a domain of this server");
	else
		finish(q, 550, "5.7.1",
		    "Relaying denied: not a domain of this server; to send to others log in first, "
		    "on the "
		    "submission port");
}

void msv_mta_route(struct mta_transaction *t, const struct msv_smtp_rcpt *rcpt,
    const struct msv_account *sender, struct msv_reply_op reply)
{
	struct mta_question *q = &t->question;
	struct msv_env *env = t->mta->env;
	/* "postmaster" alone is that of any domain (RFC 5321 4.5.1). */
	const char *domain = *rcpt->to.domain   ? local_domain(t->mta, rcpt->to.domain)
	                     : t->mta->ndomains ? t->mta->domains[0].name
	                                        : NULL;
	question_clear(q);
	q->reply = reply;
	if (!domain) {
		refuse_remote(q, sender);
		return;
	}
	q->local = msv_strdup(env, rcpt->to.local);
	q->domain = msv_strdup(env, domain);
	q->found.address = msv_strdup(env, rcpt->to.address);
	char *name = msv_asprintf(env, "%s@%s", rcpt->to.local, domain);
	if (!q->local || !q->domain || !q->found.address || !name)
		finish(q, 451, "4.3.0", "Out of memory, try again later");
	else
		look_up(q, name);
	msv_free(env, name);
}
