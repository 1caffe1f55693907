/* One message on its way through the SMTP server: the handler's functions. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "codec/casefold.h"
#include "mta/mta.h"

/* What is kept of a header field: enough for any address. */
#define FIELD_MAX ((size_t)1024)

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

void msv_mta_transaction_free(struct mta_transaction *t)
{
	if (!t)
		return;
	struct msv_env *env = t->mta->env;
	msv_mta_delivery_cancel(t);
	msv_mta_route_cancel(&t->question);
	for (size_t i = 0; i < t->nrecipients; i++)
		msv_mta_recipient_fini(env, &t->recipients[i]);
	msv_free(env, t->recipients);
	msv_header_reader_fini(&t->header);
	msv_mta_spool_fini(&t->spool);
	origin_fini(env, &t->origin);
	msv_free(env, t->from);
	*t->link = t->next;
	if (t->next)
		t->next->link = t->link;
	msv_free(env, t);
}

/* Does this Delivered-To name recipients?  Then the message was delivered to
 * them before. */
static void look_for_loop(struct mta_transaction *t, const struct msv_span *value)
{
	for (size_t i = 0; i < t->nrecipients; i++)
		if (msv_ascii_equals(value->p, value->n, t->recipients[i].address))
			t->recipients[i].loops = true;
}

static int on_field(void *user, const struct msv_header_field *field)
{
	struct mta_transaction *t = user;
	if (msv_header_is(field, "Delivered-To"))
		look_for_loop(t, &field->value);
	else if (msv_header_is(field, "Date"))
		t->has_date = true;
	else if (msv_header_is(field, "Message-ID"))
		t->has_message_id = true;
	return 0;
}

/* Time and chance: unique, and sorted by age. */
static int make_id(struct mta_transaction *t)
{
	uint8_t random[4];
	int error = msv_env_random(t->mta->env, random, sizeof random);
	snprintf(t->id, sizeof t->id, "%011" PRIx64 "%02x%02x%02x%02x",
	    msv_env_realtime(t->mta->env) / 1000, random[0], random[1], random[2], random[3]);
	return error;
}

static struct mta_transaction *transaction_new(
    struct msv_mta *mta, struct msv_conn *conn, const char *from)
{
	struct msv_smtp_session_info info = { .size = sizeof info };
	struct mta_transaction *t = msv_alloc(mta->env, sizeof *t);
	if (!t)
		return NULL;
	t->mta = mta;
	t->next = mta->transactions;
	t->link = &mta->transactions;
	if (t->next)
		t->next->link = &t->next;
	mta->transactions = t;
	t->question.transaction = t;
	msv_mta_spool_init(&t->spool, mta);
	msv_header_reader_init(&t->header, mta->env, FIELD_MAX, on_field, t);
	msv_smtp_session_info(conn, &info);
	t->from = msv_strdup(mta->env, from);
	if (t->from && origin_init(mta->env, &t->origin, &info) == 0 && make_id(t) == 0)
		return t;
	msv_mta_transaction_free(t);
	return NULL;
}

/* -- The handler ------------------------------------------------------------------- */

static void on_mail(
    void *user, struct msv_conn *conn, const struct msv_smtp_mail *mail, struct msv_reply_op op)
{
	struct mta_transaction *t = transaction_new(user, conn, mail->from.address);
	if (!t) {
		msv_reply(op, 451, "4.3.0", "Out of memory, try again later");
		return;
	}
	msv_smtp_set_transaction(conn, t);
	msv_reply_ok(op);
}

static void on_rcpt(
    void *user, struct msv_conn *conn, const struct msv_smtp_rcpt *rcpt, struct msv_reply_op op)
{
	struct msv_smtp_session_info info = { .size = sizeof info };
	(void)user;
	msv_smtp_session_info(conn, &info);
	msv_mta_route(msv_smtp_transaction(conn), rcpt, info.account, op);
}

static int on_body(void *user, struct msv_conn *conn, const void *p, size_t n)
{
	struct mta_transaction *t = msv_smtp_transaction(conn);
	(void)user;
	if (!t->header_over) {
		int got = msv_header_reader_push(&t->header, p, n, NULL);
		if (got < 0)
			return got;
		t->header_over = got == 1;
	}
	return msv_mta_spool_write(&t->spool, p, n);
}

static void on_done(void *user, struct msv_conn *conn, struct msv_reply_op op)
{
	struct mta_transaction *t = msv_smtp_transaction(conn);
	(void)user;
	msv_smtp_set_transaction(conn, NULL);
	if (!t->header_over && msv_header_reader_end(&t->header) < 0) {
		msv_reply(op, 451, "4.3.0", "Out of memory, try again later");
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
