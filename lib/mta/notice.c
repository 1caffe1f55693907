/* The sender asked to be told of success (RFC 3461 5.2.2, 5.2.7): so he is, of what
 * was delivered here and of what aliases made of his message.  What is queued is
 * told of by whoever sends it. */
#include <string.h>

#include "message/dsn.h"
#include "mta/mta.h"

struct mta_notice {
	struct msv_mta *mta; /* NULL: it is gone, and only the queue still reads */
	struct msv_env *env;
	struct mta_notice *next, **link;
	struct mta_spool spool; /* the notification */
	struct msv_op *op;      /* of routing or queueing */
	bool queueing, body_8bit, smtputf8;
	char *id, *to;
};

static void notice_free(struct mta_notice *n)
{
	if (n->mta) {
		*n->link = n->next;
		if (n->next)
			n->next->link = n->link;
	}
	msv_mta_spool_fini(&n->spool);
	msv_free(n->env, n->id);
	msv_free(n->env, n->to);
	msv_free(n->env, n);
}

static void failed(struct mta_notice *n, int error)
{
	msv_env_log(n->env, MSV_LOG_WARN, "mta notice id=%s to=%s: not sent: %s", n->id, n->to,
	    msv_strerror(error));
	notice_free(n);
}

/* -- Where it goes ------------------------------------------------------------------- */

static void on_queued(void *user, int error, const void *result)
{
	struct mta_notice *n = user;
	(void)result;
	n->op = NULL;
	if (error) {
		failed(n, error);
		return;
	}
	msv_env_log(n->env, MSV_LOG_INFO, "mta notice id=%s to=%s: success", n->id, n->to);
	notice_free(n);
}

static void enqueue(struct mta_notice *n, const struct relay_recipients *to)
{
	uint64_t now = msv_env_realtime(n->env);
	struct queue_message message = { .id = n->id,
		.from = "",
		.origin = "notification",
		.body_8bit = n->body_8bit,
		.smtputf8 = n->smtputf8,
		.is_bounce = true,
		.arrived = now,
		.expires = now + (uint64_t)n->mta->limits.lifetime_s * 1000000,
		.recipients = to->recipients,
		.nrecipients = to->n,
		.spool = &n->spool };
	struct queue_add_op op = { msv_op_new(n->env, on_queued, n) };
	if (!op.op) {
		failed(n, MSV_ERR_NOMEM);
		return;
	}
	n->op = op.op;
	n->queueing = true;
	msv_queue_add(n->mta->queue, &message, op);
}

static void on_recipients(void *user, int error, const void *result)
{
	struct mta_notice *n = user;
	const struct relay_recipients *to = result;
	n->op = NULL;
	if (error)
		failed(n, error);
	else if (to->n == 0)
		notice_free(n);
	else
		enqueue(n, to);
}

/* -- What it says -------------------------------------------------------------------- */

/* The original, for its header. */
struct original {
	const struct mta_transaction *t;
	struct msv_buf head;
	char room[4096];
};

static int read_original(void *user, uint64_t offset, struct msv_span *piece)
{
	struct original *o = user;
	const void *p;
	if (offset < msv_buf_len(&o->head)) {
		*piece = (struct msv_span){ msv_buf_data(&o->head) + offset,
			msv_buf_len(&o->head) - (size_t)offset };
		return 0;
	}
	/* Reading changes nothing. */
	int64_t n = msv_mta_spool_read((struct mta_spool *)&o->t->spool,
	    offset - msv_buf_len(&o->head), o->room, sizeof o->room, &p);
	if (n < 0)
		return (int)n;
	*piece = (struct msv_span){ p, (size_t)n };
	return 0;
}

/* What is told of a recipient; false: nothing. */
static bool tell_of(
    const struct mta_transaction *t, const struct mta_rcpt *rcpt, struct msv_dsn_recipient *out)
{
	const struct mta_leaf *leaf = &t->leaves[rcpt->first];
	if (!(rcpt->notify & MSV_NOTIFY_SUCCESS) ||
	    msv_mta_rcpt_error(t, (size_t)(rcpt - t->rcpts)) != 0)
		return false;
	if (leaf->same_as >= 0)
		leaf = &t->leaves[leaf->same_as];
	*out = (struct msv_dsn_recipient){ .action = MSV_DSN_DELIVERED,
		.address = rcpt->address,
		.orcpt = rcpt->orcpt,
		.code = 250,
		.status = "2.1.5",
		.last_attempt = (int64_t)(msv_env_realtime(t->env) / 1000000) };
	if (leaf->list) /* redistributed: delivered, as far as the sender goes */
		return true;
	if (leaf->several)
		out->action = MSV_DSN_EXPANDED;
	return leaf->several || !leaf->queued;
}

/* Writes the notification into n->spool. */
static int write_notice(struct mta_notice *n, const struct msv_dsn *dsn)
{
	struct msv_dsn_writer *writer;
	struct msv_span piece;
	int error = msv_dsn_writer_new(n->env, dsn, &writer);
	if (error)
		return error;
	while ((error = msv_dsn_next(writer, &piece)) == 0 && piece.n) {
		error = msv_mta_spool_write(&n->spool, piece.p, piece.n);
		if (error)
			break;
	}
	n->body_8bit = msv_dsn_is_8bit(writer);
	n->smtputf8 = msv_dsn_is_smtputf8(writer);
	msv_dsn_writer_free(writer);
	return error;
}

static int compose(struct mta_notice *n, const struct mta_transaction *t,
    const struct msv_dsn_recipient *recipients, size_t nrecipients)
{
	struct original *original = msv_alloc(n->env, sizeof *original);
	int64_t now = (int64_t)(msv_env_realtime(n->env) / 1000000);
	if (!original)
		return MSV_ERR_NOMEM;
	original->t = t;
	msv_buf_init(&original->head, n->env);
	struct msv_dsn dsn = { .host = t->mta->hostname,
		.postmaster = t->mta->postmaster,
		.to = t->from,
		.arrival = now,
		.envid = t->envid,
		.hold = t->hold,
		.recipients = recipients,
		.nrecipients = nrecipients,
		.requiretls = t->requiretls,
		.read = read_original,
		.user = original };
	int error = msv_mta_trace_message(&original->head, t);
	if (!error)
		error = write_notice(n, &dsn);
	msv_buf_fini(&original->head);
	msv_free(n->env, original);
	return error;
}

/* -- All -------------------------------------------------------------------------------- */

static struct mta_notice *notice_new(const struct mta_transaction *t)
{
	struct mta_notice *n = msv_alloc(t->env, sizeof *n);
	if (!n)
		return NULL;
	n->mta = t->mta;
	n->env = t->env;
	n->next = n->mta->notices;
	n->link = &n->mta->notices;
	if (n->next)
		n->next->link = &n->next;
	n->mta->notices = n;
	msv_mta_spool_init(&n->spool, n->mta);
	n->id = msv_asprintf(n->env, "%sn", t->id);
	n->to = msv_strdup(n->env, t->from);
	if (n->id && n->to)
		return n;
	notice_free(n);
	return NULL;
}

static void send_notice(struct mta_notice *n)
{
	struct relay_recipients_op op = { msv_op_new(n->env, on_recipients, n) };
	n->op = op.op;
	if (op.op)
		msv_mta_inward(n->mta, n->to, op);
	else
		failed(n, MSV_ERR_NOMEM);
}

void msv_mta_notice(const struct mta_transaction *t)
{
	struct msv_dsn_recipient *recipients;
	struct mta_notice *n;
	unsigned asked = 0;
	size_t told = 0;
	for (size_t i = 0; i < t->nrcpts; i++)
		asked |= t->rcpts[i].notify;
	if (!(asked & MSV_NOTIFY_SUCCESS) || !*t->from || !t->mta->queue)
		return;
	recipients = msv_alloc(t->env, t->nrcpts * sizeof *recipients);
	for (size_t i = 0; recipients && i < t->nrcpts; i++)
		told += tell_of(t, &t->rcpts[i], &recipients[told]);
	n = recipients && told ? notice_new(t) : NULL;
	if (n) {
		int error = compose(n, t, recipients, told);
		if (error)
			failed(n, error);
		else
			send_notice(n);
	} else if (!recipients || told) {
		msv_env_log(t->env, MSV_LOG_WARN, "mta notice id=%s: out of memory", t->id);
	}
	msv_free(t->env, recipients);
}

void msv_mta_notices_free(struct msv_mta *mta)
{
	while (mta->notices) {
		struct mta_notice *n = mta->notices;
		if (!n->queueing) {
			if (n->op)
				msv_op_cancel(n->op);
			notice_free(n);
			continue;
		}
		mta->notices = n->next;
		if (n->next)
			n->next->link = &mta->notices;
		msv_mta_spool_detach(&n->spool);
		n->mta = NULL;
	}
}
