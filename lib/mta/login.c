/* May who logged in send as that address?  Accounts are looked up as the check
 * asks for them. */
#include "mta/mta.h"

static void go_on(struct mta_login *l, int result);

void msv_mta_login_fini(struct mta_login *l)
{
	if (!l->mta)
		return;
	if (l->op)
		msv_op_cancel(l->op);
	msv_sender_check_fini(&l->check);
	msv_buf_fini(&l->why);
	*l = (struct mta_login){ 0 };
}

static void finish(struct mta_login *l, int error)
{
	const char *why = msv_buf_cstr(&l->why);
	l->done(l->user, error, why ? why : "");
}

static void on_account(void *user, int error, const void *result)
{
	struct mta_login *l = user;
	const struct msv_account *account = result;
	l->op = NULL;
	if (error && error != MSV_ERR_NOTFOUND && error != MSV_ERR_AUTH)
		finish(l, error);
	else
		go_on(l, msv_sender_answer(&l->check, !error && account->receives, &l->why));
}

static void go_on(struct mta_login *l, int result)
{
	const struct msv_auth *auth = l->mta->auth;
	if (result != MSV_ERR_BUSY) {
		finish(l, result);
		return;
	}
	struct msv_auth_op op = { msv_op_new(l->mta->env, on_account, l) };
	l->op = op.op;
	if (op.op)
		auth->lookup(auth->self, l->check.ask, op);
	else
		finish(l, MSV_ERR_NOMEM);
}

void msv_mta_login(struct mta_login *l, const char *account, const struct msv_smtp_address *from)
{
	struct msv_sender_question question = { .aliases = l->mta->aliases,
		.senders = &l->mta->senders,
		.account = account,
		.from = from };
	msv_buf_init(&l->why, l->mta->env);
	go_on(l, msv_sender_check(l->mta->env, &question, &l->check, &l->why));
}
