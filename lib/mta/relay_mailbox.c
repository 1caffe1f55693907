/* A queued delivery into a mailbox of ours: the account as it is now, then an append
 * as for any other mail. */
#include <string.h>

#include "codec/casefold.h"
#include "mta/relay_local.h"

static void begin_append(struct relay_local *l);

static const struct msv_store *store_of(const struct relay_local *l)
{
	return l->relay->store;
}

void msv_relay_mailbox_drop(struct relay_local *l)
{
	if (l->append)
		store_of(l)->append_abort(store_of(l)->self, l->append);
	l->append = NULL;
	msv_free(l->relay->env, l->account);
	l->account = NULL;
	l->inbox = false;
}

static void on_committed(void *user, int error, const void *result)
{
	struct relay_local *l = user;
	(void)result;
	l->op = NULL;
	l->append = NULL;
	if (error) {
		msv_relay_local_failed(l, error);
		return;
	}
	msv_relay_local_said(l, RELAY_SENT,
	    &(struct relay_reason){ .code = 250, .enhanced = "2.1.5", .text = NULL });
}

static void commit(struct relay_local *l)
{
	struct msv_copy_op op = { msv_relay_local_ask(l, on_committed) };
	if (op.op)
		store_of(l)->append_commit(store_of(l)->self, l->append, op);
}

static void on_written(void *user, int error, const void *result)
{
	struct relay_local *l = user;
	(void)result;
	l->op = NULL;
	if (error)
		msv_relay_local_failed(l, error);
	else
		msv_relay_mailbox_body(l);
}

static void write_piece(struct relay_local *l, const void *p, size_t n)
{
	struct msv_op *op = msv_relay_local_ask(l, on_written);
	if (op)
		store_of(l)->append_write(store_of(l)->self, l->append, p, n, op);
}

void msv_relay_mailbox_body(struct relay_local *l)
{
	const void *p;
	size_t n;
	int rc = msv_relay_body_get(&l->body, l->offset, &p, &n);
	if (rc == MSV_PAUSE)
		return;
	if (rc < 0) {
		msv_relay_local_failed(l, rc);
	} else if (n == 0) {
		commit(l);
	} else {
		l->offset += n;
		write_piece(l, p, n);
	}
}

static void on_added(void *user, int error, const void *result)
{
	struct relay_local *l = user;
	struct msv_buf trace;
	(void)result;
	l->op = NULL;
	if (error) {
		msv_relay_local_failed(l, error);
		return;
	}
	msv_buf_init(&trace, l->relay->env);
	if (msv_relay_local_trace(l, "\r\n", &trace) != 0)
		msv_relay_local_failed(l, MSV_ERR_NOMEM);
	else
		write_piece(l, msv_buf_data(&trace), msv_buf_len(&trace));
	msv_buf_fini(&trace);
}

static void on_begun(void *user, int error, const void *result)
{
	struct relay_local *l = user;
	const struct msv_append_handle *handle = result;
	struct msv_append_message message = {
		.size = sizeof message, .verbatim = true, .uid_later = true
	};
	l->op = NULL;
	if (error == MSV_ERR_NOTFOUND && !l->inbox) {
		l->inbox = true; /* the folder was removed meanwhile */
		begin_append(l);
		return;
	}
	if (error) {
		msv_relay_local_failed(l, error);
		return;
	}
	l->append = handle->append;
	struct msv_op *op = msv_relay_local_ask(l, on_added);
	if (op)
		store_of(l)->append_add(store_of(l)->self, l->append, &message, op);
}

static void begin_append(struct relay_local *l)
{
	const char *mailbox = relay_local_target(l)->mailbox;
	struct msv_actor actor = { .size = sizeof actor,
		.user = l->account->name,
		.home = l->account->home,
		.session_id = l->work->delivery->id };
	struct msv_append_op op = { msv_relay_local_ask(l, on_begun) };
	if (op.op)
		store_of(l)->append_begin(store_of(l)->self, &actor,
		    l->inbox || !mailbox || !*mailbox ? "INBOX" : mailbox, op);
}

static void on_account(void *user, int error, const void *result)
{
	static const struct relay_reason gone = { .enhanced = "5.1.1",
		.text = "there is no such mailbox here any more" };
	struct relay_local *l = user;
	const struct msv_account *account = result;
	l->op = NULL;
	if (error == MSV_ERR_NOTFOUND || error == MSV_ERR_AUTH || (!error && !account->receives)) {
		msv_relay_local_said(l, RELAY_NEVER, &gone);
	} else if (error) {
		msv_relay_local_failed(l, error);
	} else if (!(l->account = msv_account_copy(l->relay->env, account))) {
		msv_relay_local_failed(l, MSV_ERR_NOMEM);
	} else {
		begin_append(l);
	}
}

void msv_relay_mailbox_begin(struct relay_local *l)
{
	const struct msv_auth *auth = l->relay->auth;
	struct msv_auth_op op = { msv_relay_local_ask(l, on_account) };
	if (op.op)
		auth->lookup(auth->self, relay_local_target(l)->account, op);
}
