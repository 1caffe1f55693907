/* subscribe(): a line of the file subscriptions. */
#include "store/maildir_store.h"

#include "store/subscriptions.h"

struct subscribe {
	struct msv_env *env;
	struct msv_maildir *maildir;
	struct msv_place *place;
	struct msv_op *op;
	struct msv_buf line;
	bool subscribed;
};

static void end(struct subscribe *subscribe, int error)
{
	struct msv_env *env = subscribe->env;
	struct msv_op *op = subscribe->op;

	if (!error)
		msv_account_tell(subscribe->maildir, subscribe->place, NULL);
	msv_buf_fini(&subscribe->line);
	msv_place_unref(subscribe->place);
	msv_maildir_unref(subscribe->maildir);
	msv_free(env, subscribe);
	msv_op_answer(op, error);
}

static int edit(void *user, struct msv_span file, struct msv_buf *out)
{
	struct subscribe *subscribe = user;
	struct msv_span line = { msv_buf_data(&subscribe->line), msv_buf_len(&subscribe->line) };
	bool changed;
	int error =
	    msv_subscriptions_edit(file, msv_layout_disk_separator(&subscribe->maildir->layout),
	        line, subscribe->subscribed, out, &changed);

	return error ? error : changed;
}

static void edited(void *user, int error)
{
	end(user, error);
}

void msv_maildir_subscribe(void *self, const struct msv_actor *actor, const char *mailbox,
    bool subscribed, struct msv_op *op)
{
	struct msv_maildir *maildir = self;
	struct subscribe *subscribe = msv_alloc(maildir->env, sizeof(*subscribe));
	int error;

	if (!subscribe) {
		msv_op_answer(op, MSV_ERR_NOMEM);
		return;
	}
	subscribe->env = maildir->env;
	subscribe->maildir = msv_maildir_ref(maildir);
	subscribe->op = op;
	subscribe->subscribed = subscribed;
	msv_buf_init(&subscribe->line, maildir->env);
	error = msv_layout_line(&maildir->layout, mailbox, &subscribe->line);
	if (!error)
		error = msv_place_of(maildir, actor, NULL, &subscribe->place);
	if (!error)
		error = msv_file_edit(subscribe->place, MSV_SUBSCRIPTIONS, MSV_SUBSCRIPTIONS_LOCK,
		    edit, edited, subscribe);
	if (error) {
		msv_buf_fini(&subscribe->line);
		msv_place_unref(subscribe->place);
		msv_maildir_unref(maildir);
		msv_free(maildir->env, subscribe);
		msv_op_answer(op, error);
	}
}
