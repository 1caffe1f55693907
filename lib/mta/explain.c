/* What would become of a message, without sending it: the same questions are asked
 * as at MAIL and RCPT, and each answer is kept as a row. */
#include "mta/explain.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/op.h"
#include "codec/casefold.h"

/* -- Rows ---------------------------------------------------------------------------- */

void msv_explain_say(struct mta_explain *e, unsigned depth, const char *what, const char *fmt, ...)
{
	struct msv_mta_step *row;
	char text[2048];
	va_list args;
	va_start(args, fmt);
	vsnprintf(text, sizeof text, fmt, args);
	va_end(args);
	if (e->failed || e->nrows == EXPLAIN_ROWS_MAX)
		return;
	if (msv_grow(e->env, &e->rows, &e->cap, e->nrows + 1, sizeof *e->rows) != 0) {
		e->failed = true;
		return;
	}
	row = &e->rows[e->nrows];
	*row = (struct msv_mta_step){ .size = sizeof *row,
		.depth = depth,
		.what = what,
		.text = msv_arena_strndup(&e->arena, text, strlen(text)) };
	if (row->text)
		e->nrows++;
	else
		e->failed = true;
}

static void explain_free(struct mta_explain *e)
{
	struct msv_env *env = e->env;
	if (e->mta) {
		*e->link = e->next;
		if (e->next)
			e->next->link = e->link;
	}
	if (e->resolving)
		msv_op_cancel(e->resolving);
	msv_mta_login_fini(&e->login);
	msv_mta_question_fini(&e->question);
	msv_arena_fini(&e->arena);
	msv_free(env, e->rows);
	msv_free(env, e->account);
	msv_free(env, e->peer);
	msv_free(env, e);
	msv_env_unref(env);
}

/* Gives rows until it is told to wait. */
static void give_rows(void *user)
{
	struct mta_explain *e = user;
	struct msv_op *op = e->op;
	int error = e->failed ? MSV_ERR_NOMEM : 0;
	while (!error && e->given < e->nrows) {
		int rc = msv_op_row(op, &e->rows[e->given++]);
		if (rc == MSV_PAUSE)
			return;
		if (rc < 0)
			error = rc;
	}
	msv_op_on_resume(op, NULL, NULL);
	explain_free(e);
	msv_op_answer(op, error);
}

void msv_explain_end(struct mta_explain *e)
{
	msv_op_on_resume(e->op, give_rows, e);
	give_rows(e);
}

static void refused(struct mta_explain *e, const struct mta_words *words)
{
	msv_explain_say(e, 0, "refused", "%d %s %s", words->code,
	    words->enhanced ? words->enhanced : "", words->text ? words->text : "");
	msv_explain_end(e);
}

/* -- RCPT ------------------------------------------------------------------------------ */

static void on_step(void *user, const char *what, const char *text)
{
	msv_explain_say(user, 1, what, "%s", text);
}

static void on_routed(void *user, const struct mta_words *words)
{
	struct mta_explain *e = user;
	if (words->code == 250)
		msv_explain_leaves(e);
	else
		refused(e, words);
}

static void explain_rcpt(struct mta_explain *e)
{
	struct msv_smtp_address to = msv_smtp_address_of(&e->to);
	msv_explain_say(e, 0, "recipient", "<%s>", e->to.address);
	e->question = (struct mta_question){ .mta = e->mta,
		.trusted = e->account != NULL,
		.session_id = "explain",
		.step = on_step,
		.done = on_routed,
		.user = e };
	msv_mta_route(&e->question, &to);
}

/* -- MAIL ------------------------------------------------------------------------------ */

static void on_login(void *user, int error, const char *why)
{
	struct mta_explain *e = user;
	if (error == MSV_ERR_DENIED) {
		refused(e, &(struct mta_words){ 553, "5.7.1", why });
	} else if (error) {
		refused(e, &(struct mta_words){ 451, "4.3.0", msv_strerror(error) });
	} else {
		msv_explain_say(e, 1, "login", "%s", why);
		explain_rcpt(e);
	}
}

static void masquerade(struct mta_explain *e)
{
	struct msv_smtp_address from = msv_smtp_address_of(&e->from);
	struct msv_smtp_mailbox other;
	if (!e->account || !*e->from.address || !e->mta->masquerades)
		return;
	if (msv_masquerade_address(&e->mta->masquerade, &from, &other) != 1)
		return;
	msv_explain_say(e, 1, "masquerade", "<%s> -> <%s>", e->from.address, other.address);
	e->from = other;
}

static void explain_mail(struct mta_explain *e)
{
	msv_explain_say(e, 0, "client", "%s, %s%s", e->peer ? e->peer : "any address",
	    e->account ? "logged in as " : "not logged in", e->account ? e->account : "");
	if (e->mta->paused_in) {
		refused(e, &(struct mta_words){ 421, "4.3.2", "This server takes no mail now" });
		return;
	}
	msv_explain_say(e, 0, "sender", "<%s>", e->from.address);
	masquerade(e);
	if (!e->account || !e->mta->check_senders) {
		if (e->account)
			msv_explain_say(e, 1, "login", "accounts may send as any address");
		explain_rcpt(e);
		return;
	}
	struct msv_smtp_address from = msv_smtp_address_of(&e->from);
	e->login = (struct mta_login){ .mta = e->mta, .done = on_login, .user = e };
	msv_mta_login(&e->login, e->account, &from);
}

/* -- The question ------------------------------------------------------------------------ */

/* As between < and >: "" is the null sender. */
static int read_sender(const char *text, struct msv_smtp_mailbox *out)
{
	*out = (struct msv_smtp_mailbox){ 0 };
	return text && *text ? msv_smtp_mailbox_parse(text, strlen(text), out) : 0;
}

static void begin(struct mta_explain *e, const struct msv_mta_question *q)
{
	if (read_sender(q->from, &e->from) != 0) {
		msv_explain_say(e, 0, "sender", "%s", q->from);
		refused(e, &(struct mta_words){ 501, "5.1.7", "Not an address" });
	} else if (msv_mta_read_rcpt(q->to ? q->to : "", &e->to) != 0) {
		msv_explain_say(e, 0, "recipient", "%s", q->to ? q->to : "");
		refused(e, &(struct mta_words){ 501, "5.1.3", "Not an address" });
	} else {
		explain_mail(e);
	}
}

void msv_mta_explain(
    struct msv_mta *mta, const struct msv_mta_question *given, struct msv_mta_explain_op op)
{
	struct msv_mta_question q = { 0 };
	struct mta_explain *e = msv_alloc(mta->env, sizeof *e);
	if (!e) {
		msv_op_answer(op.op, MSV_ERR_NOMEM);
		return;
	}
	memcpy(&q, given, given->size < sizeof q ? given->size : sizeof q);
	e->env = mta->env;
	msv_env_ref(e->env);
	msv_arena_init(&e->arena, e->env);
	e->op = op.op;
	e->mta = mta;
	e->next = mta->explains;
	e->link = &mta->explains;
	if (e->next)
		e->next->link = &e->next;
	mta->explains = e;
	e->account = msv_strdup(e->env, q.account);
	e->peer = msv_strdup(e->env, q.peer);
	if ((q.account && !e->account) || (q.peer && !e->peer)) {
		e->failed = true;
		msv_explain_end(e);
		return;
	}
	begin(e, &q);
}

void msv_mta_explains_free(struct msv_mta *mta)
{
	while (mta->explains) {
		struct mta_explain *e = mta->explains;
		struct msv_op *op = e->op;
		msv_op_on_resume(op, NULL, NULL);
		explain_free(e);
		msv_op_answer(op, MSV_ERR_CANCELED);
	}
}
