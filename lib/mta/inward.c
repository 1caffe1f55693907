/* Routing for what is sent from here (relay.h): notifications go the way of any
 * other mail, through aliases and accounts. */
#include <string.h>

#include "base/op.h"
#include "mta/mta.h"

struct mta_inward {
	struct msv_mta *mta;
	struct mta_inward *next, **link;
	struct mta_question question;
	struct mta_rcpt rcpt;
	struct msv_smtp_mailbox to;
	struct relay_recipients_op op;
};

/* Answers and goes. */
static void finish(struct mta_inward *inward, int error, const struct relay_recipients *result)
{
	struct relay_recipients_op op = inward->op;
	struct msv_env *env = inward->mta->env;
	*inward->link = inward->next;
	if (inward->next)
		inward->next->link = inward->link;
	msv_mta_question_fini(&inward->question);
	msv_mta_rcpt_fini(env, &inward->rcpt);
	msv_free(env, inward);
	msv_op_complete(op.op, error, error ? NULL : result);
}

/* A recipient whose strings live as long as the op; MSV_ERR_NOMEM. */
static int copy(struct mta_inward *inward, const struct mta_leaf *leaf, struct queue_recipient *out)
{
	struct mta_enqueue_room room;
	struct queue_recipient r = msv_mta_queue_recipient(&inward->rcpt, leaf, &room);
	const char **strings[] = { &r.address, &r.destination, &r.account, &r.mailbox };
	/* Notifications have no sender and ask for no others. */
	r.sender = r.orcpt = NULL;
	r.notify = MSV_NOTIFY_NEVER;
	for (size_t i = 0; i < sizeof strings / sizeof *strings; i++) {
		if (*strings[i] && !(*strings[i] = msv_op_strdup(inward->op.op, *strings[i])))
			return MSV_ERR_NOMEM;
	}
	*out = r;
	return 0;
}

static void answer(struct mta_inward *inward)
{
	struct mta_question *q = &inward->question;
	struct msv_op *op = inward->op.op;
	struct relay_recipients *result = msv_op_alloc(op, sizeof *result);
	struct queue_recipient *list = msv_op_alloc(op, (q->nleaves + 1) * sizeof *list);
	if (!result || !list) {
		finish(inward, MSV_ERR_NOMEM, NULL);
		return;
	}
	result->recipients = list;
	for (size_t i = 0; i < q->nleaves; i++) {
		if (q->leaves[i].kind == MTA_DISCARD)
			continue;
		if (copy(inward, &q->leaves[i], &list[result->n++]) != 0) {
			finish(inward, MSV_ERR_NOMEM, NULL);
			return;
		}
	}
	finish(inward, 0, result);
}

static void on_routed(void *user, const struct mta_words *words)
{
	struct mta_inward *inward = user;
	if (words->code == 250)
		answer(inward);
	else
		finish(inward, words->code >= 500 ? MSV_ERR_NOTFOUND : MSV_ERR_IO, NULL);
}

void msv_mta_inward(void *user, const char *address, struct relay_recipients_op op)
{
	struct msv_mta *mta = user;
	struct mta_inward *inward = msv_alloc(mta->env, sizeof *inward);
	if (!inward) {
		msv_op_answer(op.op, MSV_ERR_NOMEM);
		return;
	}
	inward->mta = mta;
	inward->op = op;
	inward->next = mta->inwards;
	inward->link = &mta->inwards;
	if (inward->next)
		inward->next->link = &inward->next;
	mta->inwards = inward;
	if (msv_mta_read_rcpt(address, &inward->to) != 0) {
		finish(inward, MSV_ERR_NOTFOUND, NULL);
		return;
	}
	inward->rcpt.address = msv_strdup(mta->env, address);
	if (!inward->rcpt.address) {
		finish(inward, MSV_ERR_NOMEM, NULL);
		return;
	}
	struct msv_smtp_address to = msv_smtp_address_of(&inward->to);
	inward->question = (struct mta_question){ .mta = mta,
		.trusted = true,
		.session_id = "notification",
		.done = on_routed,
		.user = inward };
	msv_mta_route(&inward->question, &to);
}

void msv_mta_inwards_free(struct msv_mta *mta)
{
	while (mta->inwards)
		finish(mta->inwards, MSV_ERR_CANCELED, NULL);
}
