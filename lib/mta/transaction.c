/* One message on its way through the SMTP server: the handler's functions. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "mta/mta.h"

static void origin_fini(struct msv_env *env, struct mta_origin *origin)
{
	char *strings[] = { origin->session_id, origin->peer_address, origin->peer_name,
		origin->helo, origin->with, origin->tls, origin->account };
	for (size_t i = 0; i < sizeof strings / sizeof *strings; i++)
		msv_free(env, strings[i]);
}

static int origin_init(
    struct msv_env *env, struct mta_origin *origin, const struct msv_smtp_session_info *info)
{
	origin->role = info->role;
	origin->session_id = msv_strdup(env, info->session_id);
	origin->peer_address = msv_strdup(env, info->peer_address);
	origin->peer_name = msv_strdup(env, info->peer_name);
	origin->helo = msv_strdup(env, info->helo);
	origin->with = msv_strdup(env, info->with);
	origin->tls = msv_strdup(env, info->tls);
	origin->account = msv_strdup(env, info->account ? info->account->name : "");
	return origin->session_id && origin->peer_address && origin->peer_name && origin->helo &&
	               origin->with && origin->tls && origin->account
	           ? 0
	           : MSV_ERR_NOMEM;
}

/* What only the sender waits for. */
static void answer_for_now(struct mta_transaction *t)
{
	struct msv_reply_op reply = t->reply;
	t->reply.op = NULL;
	if (!reply.op)
		return;
	msv_op_on_cancel(reply.op, NULL, NULL);
	msv_reply(reply, 451, "4.3.0", NULL);
}

static void unlink_from_mta(struct mta_transaction *t)
{
	if (!t->mta)
		return;
	*t->link = t->next;
	if (t->next)
		t->next->link = t->link;
	t->mta = NULL;
}

void msv_mta_transaction_free(struct mta_transaction *t)
{
	if (!t)
		return;
	struct msv_env *env = t->env;
	msv_mta_delivery_cancel(t);
	msv_mta_login_fini(&t->login);
	msv_mta_question_fini(&t->question);
	msv_mta_rcpt_fini(env, &t->asked);
	answer_for_now(t);
	for (size_t i = 0; i < t->nleaves; i++)
		msv_mta_leaf_fini(env, &t->leaves[i]);
	for (size_t i = 0; i < t->nrcpts; i++)
		msv_mta_rcpt_fini(env, &t->rcpts[i]);
	t->nleaves = t->nrcpts = 0;
	unlink_from_mta(t);
	if (t->queueing) { /* the queue reads: the rest stays until it has answered */
		msv_mta_spool_detach(&t->spool);
		return;
	}
	msv_free(env, t->leaves);
	msv_free(env, t->rcpts);
	msv_free(env, t->order);
	msv_mta_intake_fini(t);
	msv_mta_spool_fini(&t->spool);
	msv_buf_fini(&t->head);
	origin_fini(env, &t->origin);
	msv_free(env, t->from);
	msv_free(env, t->envid);
	msv_free(env, t->message_id);
	msv_free(env, t->hold);
	msv_free(env, t);
}

/* Time and chance: unique, and sorted by age. */
static int make_id(struct mta_transaction *t)
{
	uint8_t random[4];
	int error = msv_env_random(t->env, random, sizeof random);
	snprintf(t->id, sizeof t->id, "%011" PRIx64 "%02x%02x%02x%02x",
	    msv_env_realtime(t->env) / 1000, random[0], random[1], random[2], random[3]);
	return error;
}

/* The sender, as others are to see it. */
static char *sender_of(struct mta_transaction *t, const struct msv_smtp_address *from)
{
	struct msv_smtp_mailbox other;
	if (t->masquerade && *from->address &&
	    msv_masquerade_address(&t->mta->masquerade, from, &other) == 1)
		return msv_strdup(t->env, other.address);
	return msv_strdup(t->env, from->address);
}

/* What MAIL says, and who says it. */
static int fill_in(struct mta_transaction *t, const struct msv_smtp_mail *mail,
    const struct msv_smtp_session_info *info)
{
	t->trusted = info->account || info->role == MSV_SMTP_SUBMISSION;
	t->masquerade = t->trusted && t->mta->masquerades;
	t->from = sender_of(t, &mail->from);
	t->envid = msv_strdup(t->env, mail->envid);
	t->hold = msv_strdup(t->env, mail->hold);
	t->ret = (int)mail->ret;
	t->body_8bit = mail->body_8bit;
	t->smtputf8 = mail->smtputf8;
	t->requiretls = mail->requiretls;
	t->hold_until = mail->hold_until;
	if (!t->from || (mail->envid && !t->envid) || (mail->hold && !t->hold))
		return MSV_ERR_NOMEM;
	int error = origin_init(t->env, &t->origin, info);
	return error ? error : make_id(t);
}

static struct mta_transaction *transaction_new(
    struct msv_mta *mta, const struct msv_smtp_mail *mail, const struct msv_smtp_session_info *info)
{
	struct mta_transaction *t = msv_alloc(mta->env, sizeof *t);
	if (!t)
		return NULL;
	t->mta = mta;
	t->env = mta->env;
	t->next = mta->transactions;
	t->link = &mta->transactions;
	if (t->next)
		t->next->link = &t->next;
	mta->transactions = t;
	msv_buf_init(&t->head, t->env);
	msv_mta_intake_init(t);
	if (fill_in(t, mail, info) == 0)
		return t;
	msv_mta_transaction_free(t);
	return NULL;
}

/* -- MAIL --------------------------------------------------------------------------- */

static struct msv_reply_op take_reply(struct mta_transaction *t)
{
	struct msv_reply_op reply = t->reply;
	t->reply.op = NULL;
	return reply;
}

static void on_login(void *user, int error, const char *why)
{
	struct mta_transaction *t = user;
	struct msv_reply_op reply = take_reply(t);
	if (!error)
		msv_reply_ok(reply);
	else if (error == MSV_ERR_DENIED)
		msv_reply(reply, 553, "5.7.1", why);
	else
		msv_reply(reply, 451, "4.3.0", "Senders cannot be looked up now, try again later");
	msv_mta_login_fini(&t->login);
}

static void check_login(struct mta_transaction *t, const struct msv_smtp_address *given)
{
	struct msv_smtp_mailbox room;
	struct msv_smtp_address from = *given;
	/* What is seen elsewhere counts, not what is masqueraded. */
	if (msv_smtp_mailbox_parse(t->from, strlen(t->from), &room) == 0)
		from = msv_smtp_address_of(&room);
	t->login = (struct mta_login){ .mta = t->mta, .done = on_login, .user = t };
	msv_mta_login(&t->login, t->origin.account, &from);
}

static void on_mail(
    void *user, struct msv_conn *conn, const struct msv_smtp_mail *mail, struct msv_reply_op op)
{
	struct msv_smtp_session_info info = { .size = sizeof info };
	struct msv_mta *mta = user;
	if (mta->paused_in) {
		msv_reply(op, 421, "4.3.2", "This server takes no mail now, try again later");
		return;
	}
	msv_smtp_session_info(conn, &info);
	struct mta_transaction *t = transaction_new(mta, mail, &info);
	if (!t) {
		msv_reply(op, 451, "4.3.0", "Out of memory, try again later");
		return;
	}
	msv_smtp_set_transaction(conn, t);
	t->reply = op;
	if (info.account && !info.account->any_sender && mta->check_senders)
		check_login(t, &mail->from);
	else
		msv_reply_ok(take_reply(t));
}

/* -- RCPT --------------------------------------------------------------------------- */

/* What aliases did not change goes by the address the sender wrote. */
static int name_leaf(struct mta_transaction *t, struct mta_leaf *leaf)
{
	if (leaf->kind == MTA_LOCAL && !leaf->forwarded) {
		char *address = msv_strdup(t->env, t->asked.address);
		if (!address)
			return MSV_ERR_NOMEM;
		msv_free(t->env, leaf->address);
		leaf->address = address;
	}
	return msv_mta_forward_sender(t->mta, t->from, leaf);
}

/* Takes over what was found. */
static int accept_rcpt(struct mta_transaction *t)
{
	struct mta_question *q = &t->question;
	for (size_t i = 0; i < q->nleaves; i++) {
		int error = name_leaf(t, &q->leaves[i]);
		if (error)
			return error;
	}
	return msv_mta_leaves_add(t, &t->asked, q->leaves, q->nleaves);
}

static void refuse_more(struct msv_reply_op reply)
{
	msv_reply(reply, 452, "4.5.3",
	    "Too many recipients for one message, send it to the rest in another");
}

static void on_routed(void *user, const struct mta_words *words)
{
	struct mta_transaction *t = user;
	struct msv_reply_op reply = take_reply(t);
	int error = words->code == 250 ? accept_rcpt(t) : 0;
	t->full |= error == MSV_ERR_LIMIT;
	if (error == MSV_ERR_LIMIT)
		refuse_more(reply);
	else if (error)
		msv_reply(reply, 451, "4.3.0", "Out of memory, try again later");
	else
		msv_reply(reply, words->code, words->enhanced, words->text);
	msv_mta_question_fini(&t->question);
	msv_mta_rcpt_fini(t->env, &t->asked);
}

static void on_rcpt(
    void *user, struct msv_conn *conn, const struct msv_smtp_rcpt *rcpt, struct msv_reply_op op)
{
	struct mta_transaction *t = msv_smtp_transaction(conn);
	if (t->full) {
		refuse_more(op);
		return;
	}
	t->asked = (struct mta_rcpt){ .address = msv_strdup(t->env, rcpt->to.address),
		.orcpt = msv_strdup(t->env, rcpt->orcpt),
		.notify = rcpt->notify };
	if (!t->asked.address || (rcpt->orcpt && !t->asked.orcpt)) {
		msv_mta_rcpt_fini(t->env, &t->asked);
		msv_reply(op, 451, "4.3.0", "Out of memory, try again later");
		return;
	}
	t->reply = op;
	t->question = (struct mta_question){ .mta = user,
		.trusted = t->trusted,
		.lmtp = t->origin.role == MSV_SMTP_LMTP,
		.session_id = t->origin.session_id,
		.done = on_routed,
		.user = t };
	msv_mta_route(&t->question, &rcpt->to);
}

/* -- The message --------------------------------------------------------------------- */

static int on_body(void *user, struct msv_conn *conn, const void *p, size_t n)
{
	(void)user;
	return msv_mta_intake(msv_smtp_transaction(conn), p, n);
}

static void on_done(void *user, struct msv_conn *conn, struct msv_reply_op op)
{
	struct mta_transaction *t = msv_smtp_transaction(conn);
	(void)user;
	msv_smtp_set_transaction(conn, NULL);
	int error = msv_mta_intake_end(t);
	if (error) {
		msv_op_answer(op.op, error);
		msv_mta_transaction_free(t);
		return;
	}
	msv_mta_deliver(t, op);
}

static void on_reset(void *user, struct msv_conn *conn, enum msv_smtp_reset why)
{
	(void)user, (void)why;
	msv_mta_transaction_free(msv_smtp_transaction(conn));
	msv_smtp_set_transaction(conn, NULL);
}

void msv_mta_handler_init(struct msv_smtp_handler *handler)
{
	*handler = (struct msv_smtp_handler){ .size = sizeof *handler,
		.mail = on_mail,
		.rcpt = on_rcpt,
		.body = on_body,
		.done = on_done,
		.reset = on_reset };
}
