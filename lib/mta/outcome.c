/* What became of a message: the sender's answer, and the log. */
#include <stdio.h>

#include "mta/mta.h"

/* What a sender is told of a failure. */
static const struct mta_words *words_for(const struct mta_transaction *t, int error)
{
	static const struct mta_words full = { 552, "5.2.2", "The mailbox is full" };
	static const struct {
		int error;
		struct mta_words words;
	} table[] = {
		{ MSV_ERR_QUOTA, { 452, "4.2.2", "A mailbox is full, try again later" } },
		{ MSV_ERR_EXISTS,
		    { 554, "5.4.6",
		        "Mail loop: this message was delivered to its recipient before" } },
		{ MSV_ERR_NOSPACE, { 452, "4.3.1", "Out of disk space, try again later" } },
		{ MSV_ERR_NOMEM, { 451, "4.3.0", "Out of memory, try again later" } },
		{ MSV_ERR_FORMAT, { 550, "5.6.0", "The message holds bytes that cannot be kept" } },
		{ 0, { 451, "4.3.0", "The message cannot be stored now, try again later" } },
	};
	size_t i = 0;
	/* One full mailbox among several must not turn away the others' mail. */
	if (error == MSV_ERR_QUOTA && t->norder == 1 && t->origin.role != MSV_SMTP_LMTP)
		return &full;
	while (table[i].error && table[i].error != error)
		i++;
	return &table[i].words;
}

static const struct mta_leaf *original(const struct mta_transaction *t, size_t i)
{
	ptrdiff_t same = t->leaves[i].same_as;
	return &t->leaves[same >= 0 ? (size_t)same : i];
}

/* Those given up for another's sake are not the reason. */
static int worse(int a, int b)
{
	return !a || a == MSV_ERR_CANCELED ? (b ? b : a) : a;
}

int msv_mta_rcpt_error(const struct mta_transaction *t, size_t rcpt)
{
	const struct mta_rcpt *r = &t->rcpts[rcpt];
	int error = r->loops ? MSV_ERR_EXISTS : 0;
	for (size_t i = r->first; i < r->first + r->nleaves; i++)
		error = worse(error, original(t, i)->error);
	return error;
}

/* -- The log -------------------------------------------------------------------------- */

static void begin_line(struct msv_logline *l, const struct mta_transaction *t,
    enum msv_log_level level, const char *event)
{
	msv_logline_begin(l, t->env, level, "mta", event);
	msv_logline_text(l, "session", t->origin.session_id);
	msv_logline_text(l, "peer", *t->origin.peer_address ? t->origin.peer_address : "local");
	msv_logline_text(l, "user", *t->origin.account ? t->origin.account : NULL);
	msv_logline_text(l, "id", t->id);
	msv_logline_text(l, "from", t->from);
}

/* One line for the message, when it is taken. */
static void log_message(const struct mta_transaction *t)
{
	struct msv_logline l;
	begin_line(&l, t, MSV_LOG_INFO, "accepted");
	msv_logline_number(&l, "size", t->spool.size);
	msv_logline_number(&l, "nrcpt", t->nrcpts);
	msv_logline_text(&l, "message-id", t->message_id);
	msv_logline_text(&l, "envid", t->envid);
	if (t->hold_until)
		msv_logline_number(&l, "hold", t->hold_until / 1000000);
	msv_logline_end(&l);
}

static const char *event_of(const struct mta_leaf *leaf)
{
	if (leaf->error)
		return "failed";
	if (leaf->loops)
		return "loop";
	if (leaf->queued)
		return "queued";
	return leaf->kind == MTA_DISCARD ? "discarded" : "delivered";
}

static void log_leaf(const struct mta_transaction *t, const struct mta_leaf *leaf)
{
	struct msv_logline l;
	const char *rcpt = t->rcpts[leaf->rcpt].address;

	begin_line(&l, t, leaf->error ? MSV_LOG_ERROR : MSV_LOG_INFO, event_of(leaf));
	msv_logline_text(&l, "to", leaf->kind == MTA_REMOTE ? leaf->address : rcpt);
	if (leaf->kind == MTA_REMOTE && leaf->forwarded)
		msv_logline_text(&l, "for", rcpt);
	msv_logline_text(&l, "account", leaf->account);
	msv_logline_text(&l, "mailbox", leaf->mailbox);
	msv_logline_text(&l, "via", leaf->destination);
	msv_logline_text(&l, "program", leaf->kind == MTA_PROGRAM ? leaf->address : NULL);
	msv_logline_text(&l, "sender", leaf->sender);
	if (leaf->uid)
		msv_logline_number(&l, "uid", leaf->uid);
	msv_logline_number(&l, "size", t->spool.size);
	msv_logline_number(
	    &l, "result", leaf->error ? (uint64_t)words_for(t, leaf->error)->code : 250);
	if (leaf->error)
		msv_logline_text(&l, "reason",
		    leaf->error == MSV_ERR_CANCELED ? "another copy failed"
		                                    : msv_strerror(leaf->error));
	msv_logline_end(&l);
}

/* -- The answer ----------------------------------------------------------------------- */

/* LMTP: a recipient's own answer (RFC 2033 4.2). */
static void answer_rcpt(struct mta_transaction *t, size_t i, int error)
{
	const struct mta_words *w = words_for(t, error);
	if (error)
		msv_reply_recipient(t->reply, i, w->code, w->enhanced, w->text);
	else
		msv_reply_recipient(t->reply, i, 250, "2.1.5", "Delivered");
}

void msv_mta_outcome(struct mta_transaction *t)
{
	int first_error = 0;
	bool queued = false, taken = false;
	for (size_t i = 0; i < t->nrcpts; i++) {
		int error = msv_mta_rcpt_error(t, i);
		taken |= !error;
		first_error = worse(first_error, error);
		if (t->origin.role == MSV_SMTP_LMTP)
			answer_rcpt(t, i, error);
	}
	if (t->origin.role == MSV_SMTP_LMTP ? taken : !first_error) {
		log_message(t);
		msv_mta_notice(t);
	}
	for (size_t i = 0; i < t->nleaves; i++) {
		const struct mta_leaf *leaf = &t->leaves[i];
		queued |= leaf->queued;
		if (leaf->same_as < 0)
			log_leaf(t, leaf);
	}
	struct msv_reply_op reply = t->reply;
	char text[64];
	t->reply.op = NULL;
	snprintf(text, sizeof text, "%s, id %s", queued ? "Queued" : "Delivered", t->id);
	const struct mta_words *w = words_for(t, first_error);
	msv_op_on_cancel(reply.op, NULL, NULL);
	msv_mta_transaction_free(t);
	if (first_error)
		msv_reply(reply, w->code, w->enhanced, w->text);
	else
		msv_reply(reply, 250, "2.0.0", text);
}
