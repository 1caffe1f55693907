/*
 * Who is told what became of a message (RFC 3461, RFC 3464): failures, delays and,
 * when asked for, successes; one notification for all recipients of a delivery
 * that went the same way.  Nobody is told of a notification.
 *
 * A notification is a message in the queue like any other, and is written down
 * together with the end it tells of.
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "message/dsn.h"
#include "mta/relay_parts.h"

/* One for each action, at most. */
struct notice {
	enum msv_dsn_action action;
	struct msv_dsn_recipient *recipients;
	size_t n;
	struct msv_dsn dsn;
	struct msv_dsn_writer *writer;
	struct msv_buf head; /* the message */
	char id[24];
};

struct relay_notice {
	struct relay_work *work;
	struct msv_op *op; /* whom it goes to is asked */
	struct queue_recipient *recipients;
	size_t nrecipients;
	struct notice notices[MSV_DSN_UNKNOWN];
	size_t n, i; /* the i-th is being written */
	struct relay_body body;
	char *host; /* the next hop's name alone */
	struct queue_message messages[MSV_DSN_UNKNOWN];
};

/* -- What is to be told ----------------------------------------------------------------- */

/* MSV_DSN_UNKNOWN: nothing. */
static enum msv_dsn_action action_of(const struct relay_work *work, size_t i)
{
	const struct relay_outcome *o = &work->outcomes[i];
	unsigned notify = msv_relay_work_notify(work, i);
	if (o->verdict == RELAY_NEVER && notify & MSV_NOTIFY_FAILURE)
		return MSV_DSN_FAILED;
	if (o->warned)
		return MSV_DSN_DELAYED;
	if (o->verdict == RELAY_SENT && notify & MSV_NOTIFY_SUCCESS && !o->told)
		return work->final ? MSV_DSN_DELIVERED : MSV_DSN_RELAYED;
	return MSV_DSN_UNKNOWN;
}

/* The end of a message nobody can be told of, because it tells of another. */
static void log_double(const struct relay_work *work, size_t i)
{
	const struct queue_delivery *d = work->delivery;
	struct msv_logline l;
	if (work->outcomes[i].verdict != RELAY_NEVER || (*d->from && !d->is_bounce))
		return;
	msv_logline_begin(&l, work->env, MSV_LOG_WARN, "mta", "dropped");
	msv_logline_text(&l, "id", d->id);
	msv_logline_text(&l, "to", d->targets[i].address);
	msv_logline_text(&l, "reason",
	    d->is_bounce ? "a notification that cannot be delivered is answered by none"
	                 : "without a sender nobody can be told");
	msv_logline_end(&l);
}

static void log_notice(const struct relay_work *work, const struct notice *notice)
{
	static const char *const kinds[] = { "failed", "delayed", "delivered", "relayed",
		"expanded" };
	struct msv_logline l;
	msv_logline_begin(&l, work->env, MSV_LOG_INFO, "mta", "notification");
	msv_logline_text(&l, "id", notice->id);
	msv_logline_text(&l, "about", work->delivery->id);
	msv_logline_text(&l, "to", work->delivery->from);
	msv_logline_text(&l, "action", kinds[notice->action]);
	msv_logline_number(&l, "recipients", notice->n);
	msv_logline_end(&l);
}

static void log_untold(const struct relay_work *work, const char *why)
{
	struct msv_logline l;
	msv_logline_begin(&l, work->env, MSV_LOG_WARN, "mta", "untold");
	msv_logline_text(&l, "id", work->delivery->id);
	msv_logline_text(&l, "from", work->delivery->from);
	msv_logline_text(&l, "reason", why);
	msv_logline_end(&l);
}

/* -- Its life ------------------------------------------------------------------------------ */

static void recipients_free(struct relay_notice *all)
{
	struct msv_env *env = all->work->env;
	for (size_t i = 0; i < all->nrecipients; i++) {
		const struct queue_recipient *r = &all->recipients[i];
		const char *const strings[] = { r->address, r->destination, r->sender, r->orcpt,
			r->account, r->mailbox };
		for (size_t j = 0; j < sizeof strings / sizeof *strings; j++)
			msv_free(env, (void *)(uintptr_t)strings[j]);
	}
	msv_free(env, all->recipients);
}

static void notice_fini(struct msv_env *env, struct notice *notice)
{
	msv_dsn_writer_free(notice->writer);
	msv_buf_fini(&notice->head);
	msv_free(env, notice->recipients);
}

void msv_relay_notices_free(struct relay_work *work)
{
	struct relay_notice *all = work->notices;
	if (!all)
		return;
	if (all->op)
		msv_op_cancel(all->op);
	msv_relay_body_fini(&all->body);
	for (size_t i = 0; i < all->n; i++)
		notice_fini(work->env, &all->notices[i]);
	recipients_free(all);
	msv_free(work->env, all->host);
	msv_free(work->env, all);
	work->notices = NULL;
}

/* Nobody can be told now.  Who failed is tried again soon, and who is late is told
 * next time; a success nobody is told of is one all the same. */
static void give_up(struct relay_work *work, const char *why)
{
	log_untold(work, why);
	for (size_t i = 0; i < work->targets; i++) {
		if (action_of(work, i) == MSV_DSN_FAILED)
			msv_relay_work_back(work, i);
		work->outcomes[i].warned = false;
	}
	msv_relay_notices_free(work);
	msv_relay_work_settle(work, NULL, 0);
}

/* There is nobody to tell. */
static void tell_nobody(struct relay_work *work, const char *why)
{
	log_untold(work, why);
	msv_relay_notices_free(work);
	msv_relay_work_settle(work, NULL, 0);
}

/* -- Writing it ------------------------------------------------------------------------------- */

static void write_on(struct relay_notice *all);

static void on_piece(void *user)
{
	write_on(user);
}

static int on_read(void *user, uint64_t offset, struct msv_span *piece)
{
	struct relay_notice *all = user;
	const void *p = NULL;
	size_t n = 0;
	int rc = msv_relay_body_get(&all->body, offset, &p, &n);
	if (rc == 0)
		*piece = (struct msv_span){ p, n };
	return rc;
}

/* 0 when it is whole, MSV_PAUSE, or an error. */
static int write_notice(struct relay_notice *all, struct notice *notice)
{
	struct msv_span piece;
	int rc = 0;
	if (!notice->writer)
		rc = msv_dsn_writer_new(all->work->env, &notice->dsn, &notice->writer);
	while (!rc && (rc = msv_dsn_next(notice->writer, &piece)) == 0 && piece.n > 0)
		rc = msv_buf_put(&notice->head, piece.p, piece.n);
	if (rc >= 0 || rc == MSV_ERR_NOMEM || !notice->dsn.read)
		return rc;
	/* The message cannot be read: without it, then. */
	msv_dsn_writer_free(notice->writer);
	notice->writer = NULL;
	notice->dsn.read = NULL;
	msv_buf_clear(&notice->head);
	return write_notice(all, notice);
}

static void fill_message(struct relay_notice *all, size_t i)
{
	const struct notice *notice = &all->notices[i];
	struct msv_relay *relay = all->work->relay;
	uint64_t now = msv_relay_now(relay);
	all->messages[i] = (struct queue_message){ .id = notice->id,
		.from = "",
		.origin = "notification",
		.body_8bit = msv_dsn_is_8bit(notice->writer),
		.smtputf8 = msv_dsn_is_smtputf8(notice->writer),
		.requiretls = all->work->delivery->requiretls,
		.is_bounce = true,
		.arrived = now,
		.expires = now + relay->schedule.lifetime_s * SECOND,
		.recipients = all->recipients,
		.nrecipients = all->nrecipients,
		.head = msv_buf_data(&notice->head),
		.nhead = msv_buf_len(&notice->head) };
}

static void write_on(struct relay_notice *all)
{
	struct relay_work *work = all->work;
	for (; all->i < all->n; all->i++) {
		int rc = write_notice(all, &all->notices[all->i]);
		if (rc == MSV_PAUSE)
			return;
		if (rc) {
			give_up(work, msv_strerror(rc));
			return;
		}
	}
	for (size_t i = 0; i < all->n; i++) {
		fill_message(all, i);
		log_notice(work, &all->notices[i]);
	}
	msv_relay_body_fini(&all->body);
	msv_relay_work_settle(work, all->messages, all->n);
}

/* -- Whom it goes to ------------------------------------------------------------------------------ */

/* A copy, NULL for NULL; *failed is set when there is no memory. */
static const char *keep(struct msv_env *env, const char *s, bool *failed)
{
	const char *copy = msv_strdup(env, s);
	*failed |= s && !copy;
	return copy;
}

static int keep_recipients(struct relay_notice *all, const struct relay_recipients *given)
{
	struct msv_env *env = all->work->env;
	bool failed = false;
	all->recipients = msv_alloc(env, given->n * sizeof *all->recipients);
	if (!all->recipients)
		return MSV_ERR_NOMEM;
	all->nrecipients = given->n;
	for (size_t i = 0; i < given->n; i++) {
		const struct queue_recipient *r = &given->recipients[i];
		all->recipients[i] = (struct queue_recipient){ .kind = r->kind,
			.address = keep(env, r->address, &failed),
			.destination = keep(env, r->destination, &failed),
			.sender = keep(env, r->sender, &failed),
			.orcpt = keep(env, r->orcpt, &failed),
			.account = keep(env, r->account, &failed),
			.mailbox = keep(env, r->mailbox, &failed),
			.notify = r->notify };
	}
	return failed ? MSV_ERR_NOMEM : 0;
}

static void take_recipients(struct relay_notice *all, const struct relay_recipients *given)
{
	if (given->n == 0)
		tell_nobody(all->work, "mail to the sender is thrown away");
	else if (keep_recipients(all, given) != 0)
		give_up(all->work, msv_strerror(MSV_ERR_NOMEM));
	else
		write_on(all);
}

static void on_recipients(void *user, int error, const void *result)
{
	struct relay_notice *all = user;
	all->op = NULL;
	if (error == MSV_ERR_NOTFOUND)
		tell_nobody(all->work, "there is no such sender");
	else if (error)
		give_up(all->work, msv_strerror(error));
	else
		take_recipients(all, result);
}

/* Without anybody to ask: by its domain. */
static void send_to_domain(struct relay_notice *all, const char *address)
{
	char destination[RELAY_DESTINATION_SIZE];
	const char *at = strrchr(address, '@');
	struct queue_recipient recipient = { .kind = MSV_QUEUE_REMOTE,
		.address = address,
		.destination = destination,
		.notify = MSV_NOTIFY_NEVER };
	if (!at || msv_relay_destination(all->work->relay, at + 1, destination) != 0)
		tell_nobody(all->work, "the sender has no domain");
	else
		take_recipients(all, &(struct relay_recipients){ &recipient, 1 });
}

static void ask_recipients(struct relay_notice *all)
{
	const struct relay_hooks *hooks = &all->work->relay->hooks;
	const char *address = all->work->delivery->from;
	struct relay_recipients_op op = { NULL };
	if (!hooks->recipients) {
		send_to_domain(all, address);
		return;
	}
	op.op = msv_op_new(all->work->env, on_recipients, all);
	if (!op.op) {
		give_up(all->work, msv_strerror(MSV_ERR_NOMEM));
		return;
	}
	all->op = op.op;
	hooks->recipients(hooks->user, address, op);
}

/* -- What it says ------------------------------------------------------------------------------------ */

/* Time and chance, as all ids are made. */
static int make_id(const struct msv_relay *relay, char id[24])
{
	uint8_t random[4];
	int error = msv_env_random(relay->env, random, sizeof random);
	snprintf(id, 24, "%011" PRIx64 "%02x%02x%02x%02x", msv_relay_now(relay) / 1000, random[0],
	    random[1], random[2], random[3]);
	return error;
}

static void describe(const struct relay_notice *all, size_t i, struct msv_dsn_recipient *out)
{
	const struct relay_work *work = all->work;
	const struct queue_target *target = &work->delivery->targets[i];
	const struct relay_outcome *o = &work->outcomes[i];
	*out = (struct msv_dsn_recipient){ .action = action_of(work, i),
		.address = target->address,
		.orcpt = target->orcpt && *target->orcpt ? target->orcpt : NULL,
		.code = o->code,
		.status = *o->enhanced ? o->enhanced : NULL,
		.text = o->last ? o->last : o->text,
		.remote = o->remote,
		.host = all->host,
		.last_attempt = (int64_t)(msv_relay_now(work->relay) / SECOND),
		.will_retry_until = (int64_t)(work->delivery->expires / SECOND) };
}

/* Collects those that went that way; 0 also when there are none. */
static int add_notice(struct relay_notice *all, enum msv_dsn_action action)
{
	const struct relay_work *work = all->work;
	const struct queue_delivery *d = work->delivery;
	struct notice *notice = &all->notices[all->n];
	size_t n = 0;
	for (size_t i = 0; i < work->targets; i++)
		n += action_of(work, i) == action;
	if (n == 0)
		return 0;
	all->n++;
	notice->action = action;
	msv_buf_init(&notice->head, work->env);
	notice->recipients = msv_alloc(work->env, n * sizeof *notice->recipients);
	if (!notice->recipients || make_id(work->relay, notice->id) != 0)
		return MSV_ERR_NOMEM;
	for (size_t i = 0; i < work->targets; i++)
		if (action_of(work, i) == action)
			describe(all, i, &notice->recipients[notice->n++]);
	notice->dsn = (struct msv_dsn){ .host = work->relay->hostname,
		.to = d->from,
		.arrival = (int64_t)(d->arrived / SECOND),
		.envid = d->envid && *d->envid ? d->envid : NULL,
		.hold = d->hold && *d->hold ? d->hold : NULL,
		.recipients = notice->recipients,
		.nrecipients = notice->n,
		.read = on_read,
		.user = all,
		.full = d->ret != MSV_RET_HDRS,
		.requiretls = d->requiretls };
	return 0;
}

/* "mx.example.org" of "mx.example.org[192.0.2.1]". */
static char *host_name(const struct relay_work *work)
{
	const char *end = work->host ? strchr(work->host + 1, '[') : NULL;
	return end ? msv_strndup(work->env, work->host, (size_t)(end - work->host))
	           : msv_strdup(work->env, work->host);
}

static struct relay_notice *collect(struct relay_work *work)
{
	static const enum msv_dsn_action actions[] = { MSV_DSN_FAILED, MSV_DSN_DELAYED,
		MSV_DSN_DELIVERED, MSV_DSN_RELAYED };
	struct relay_notice *all = msv_alloc(work->env, sizeof *all);
	int error = 0;
	if (!all)
		return NULL;
	work->notices = all;
	all->work = work;
	msv_relay_body_init(&all->body, work->env, work->delivery, on_piece, all);
	all->host = host_name(work);
	for (size_t i = 0; !error && i < sizeof actions / sizeof *actions; i++)
		error = add_notice(all, actions[i]);
	if (!error)
		return all;
	msv_relay_notices_free(work);
	return NULL;
}

void msv_relay_notify(struct relay_work *work)
{
	bool any = false;
	for (size_t i = 0; i < work->targets; i++) {
		any |= action_of(work, i) != MSV_DSN_UNKNOWN;
		log_double(work, i);
	}
	if (!any) {
		msv_relay_work_settle(work, NULL, 0);
		return;
	}
	struct relay_notice *all = collect(work);
	if (all)
		ask_recipients(all);
	else
		give_up(work, msv_strerror(MSV_ERR_NOMEM));
}
