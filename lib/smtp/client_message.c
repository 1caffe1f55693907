/* Messages that wait and the one under way: what is kept of them, and how they
 * are answered. */
#include <string.h>

#include "base/op.h"
#include "smtp/client.h"

/* -- Verdicts ------------------------------------------------------------------- */

struct msv_smtp_verdict msv_verdict_of(
    enum msv_smtp_stage stage, const struct msv_smtp_reply *reply)
{
	bool success = reply->code / 100 == 2 && stage == MSV_SMTP_AT_END;
	/* Any other yes is no answer to what was asked. */
	bool senseless = reply->code < 400 && !success;

	return (struct msv_smtp_verdict){
		.stage = stage,
		.code = senseless ? 451 : reply->code,
		.enhanced = senseless ? "" : reply->enhanced,
		.text = reply->text,
		.remote = true,
		.permanent = reply->code >= 500 && stage >= MSV_SMTP_AT_MAIL,
	};
}

/* A verdict whose strings live as long as the op: one copy for many recipients. */
static struct msv_smtp_verdict copy_of(
    const struct msv_smtp_sending *s, const struct msv_smtp_verdict *verdict)
{
	struct msv_smtp_verdict copy = *verdict;
	const char *enhanced = msv_op_strdup(s->op, verdict->enhanced);
	const char *text = msv_op_strdup(s->op, verdict->text);

	copy.enhanced = enhanced ? enhanced : "";
	copy.text = text ? text : "";
	return copy;
}

static void settle(struct msv_smtp_sending *s, size_t index, const struct msv_smtp_verdict *verdict)
{
	s->verdicts[index] = *verdict;
	s->targets[index].settled = true;
	s->targets[index].accepted = false;
}

void msv_sending_settle(
    struct msv_smtp_sending *s, size_t index, const struct msv_smtp_verdict *verdict)
{
	struct msv_smtp_verdict copy;

	if (s->canceled)
		return;
	copy = copy_of(s, verdict);
	settle(s, index, &copy);
}

static void settle_many(
    struct msv_smtp_sending *s, bool accepted, const struct msv_smtp_verdict *verdict)
{
	struct msv_smtp_verdict copy;

	if (s->canceled)
		return;
	copy = copy_of(s, verdict);
	for (size_t i = 0; i < s->message.nrecipients; i++)
		if (!s->targets[i].settled && (!accepted || s->targets[i].accepted))
			settle(s, i, &copy);
}

void msv_sending_settle_rest(struct msv_smtp_sending *s, const struct msv_smtp_verdict *verdict)
{
	settle_many(s, false, verdict);
}

void msv_sending_settle_accepted(struct msv_smtp_sending *s, const struct msv_smtp_verdict *verdict)
{
	settle_many(s, true, verdict);
}

/* -- Answers ----------------------------------------------------------------------- */

static void free_sending(struct msv_smtp_sending *s)
{
	struct msv_env *env = s->client->conn.env;

	msv_arena_fini(&s->arena);
	msv_free(env, s);
}

/* Takes a message out of the queue. */
static void unlink_sending(struct msv_smtp_client *c, struct msv_smtp_sending *s)
{
	struct msv_smtp_sending **link = &c->first, *before = NULL;

	while (*link != s) {
		before = *link;
		link = &before->next;
	}
	*link = s->next;
	if (c->last == s)
		c->last = before;
	c->waiting--;
}

static void answer(struct msv_smtp_client *c, struct msv_smtp_sending *s)
{
	if (s->canceled)
		return; /* answered then; what was the op's is gone */
	s->outcome->over = c->end.code || (c->hop.mail_max && c->mails >= c->hop.mail_max);
	s->outcome->tls_failed = c->tls_failed;
	s->outcome->uncertain = c->uncertain;
	s->outcome->completed = c->completed;
	s->outcome->extensions = c->hop.extensions;
	for (size_t i = 0; i < s->message.nrecipients; i++)
		s->outcome->accepted += s->verdicts[i].code / 100 == 2;
	msv_op_complete(s->op, 0, s->outcome);
}

void msv_smtp_answer_first(struct msv_smtp_client *c)
{
	struct msv_smtp_sending *s = c->first;

	unlink_sending(c, s);
	answer(c, s);
	free_sending(s);
	c->turn = MSV_TURN_NONE;
	msv_smtp_body_fini(c);
}

/* The connection ended while the first message was under way.  What was asked is
 * answered by that; what was not asked may be asked elsewhere at once. */
static void answer_under_way(struct msv_smtp_client *c, const struct msv_smtp_verdict *end)
{
	struct msv_smtp_sending *s = c->first;
	struct msv_smtp_verdict verdict = *end, untried = *end;
	bool answered = c->end_remote && c->end_stage == MSV_SMTP_AT_END;
	/* A connection kept open may be closed just when it is used again. */
	bool unlucky = c->mails > 1 && !c->mail_answered && !c->end_remote;

	/* Not so for the first message: what ends each connection at its beginning
	 * must not be tried again without a pause. */
	untried.untried = c->mails > 1;
	c->uncertain = c->end_sent && !answered;
	c->completed = c->end_sent && answered;
	for (size_t i = 0; i < s->message.nrecipients; i++)
		if (!s->targets[i].settled && (!s->targets[i].asked || unlucky))
			msv_sending_settle(s, i, &untried);
	msv_sending_settle_rest(s, &verdict);
	msv_smtp_answer_first(c);
}

void msv_smtp_answer_all(struct msv_smtp_client *c)
{
	struct msv_smtp_verdict end = msv_verdict_of(c->end_stage, &c->end);

	end.remote = c->end_remote;
	/* What ends a session is no word about a message - but a body may be refused
	 * while it comes. */
	end.permanent = c->end_permanent;
	if (c->turn != MSV_TURN_NONE && c->first)
		answer_under_way(c, &end);
	c->uncertain = c->completed = false;
	end.permanent = false;
	end.untried = c->ready;
	while (c->first) {
		msv_sending_settle_rest(c->first, &end);
		msv_smtp_answer_first(c);
	}
}

/* -- Giving up -------------------------------------------------------------------------- */

static void on_cancel(void *user)
{
	struct msv_smtp_sending *s = user;
	struct msv_smtp_client *c = s->client;

	s->canceled = true;
	msv_op_answer(s->op, MSV_ERR_CANCELED);
	if (s == c->first && c->turn != MSV_TURN_NONE) {
		c->canceled = true;
		msv_smtp_cut(c);
	} else {
		unlink_sending(c, s);
		free_sending(s);
	}
}

/* -- Taking a message in -------------------------------------------------------------------- */

/* Structs of a caller whose header may be older: what they lack is 0. */
static void take_message(struct msv_smtp_message *out, const struct msv_smtp_message *in)
{
	memset(out, 0, sizeof(*out));
	memcpy(out, in, in->size < sizeof(*out) ? in->size : sizeof(*out));
}

static struct msv_smtp_recipient take_recipient(const struct msv_smtp_message *message, size_t i)
{
	struct msv_smtp_recipient out = { 0 };
	size_t size = message->recipients->size;

	memcpy(&out, (const char *)message->recipients + i * size,
	    size < sizeof(out) ? size : sizeof(out));
	return out;
}

/* A copy in the arena; NULL stays NULL.  *error is set when there is no memory. */
static char *keep(struct msv_smtp_sending *s, const char *text, int *error)
{
	char *copy = text ? msv_arena_strndup(&s->arena, text, strlen(text)) : NULL;

	if (text && !copy)
		*error = MSV_ERR_NOMEM;
	return copy;
}

static int copy_message(struct msv_smtp_sending *s, const struct msv_smtp_message *given)
{
	size_t n = given->nrecipients;
	int error = 0;

	s->message = *given;
	s->message.from = keep(s, given->from ? given->from : "", &error);
	s->message.envid = keep(s, given->envid, &error);
	s->message.auth = keep(s, given->auth, &error);
	s->message.recipients = NULL;
	if (n > SIZE_MAX / sizeof(*s->targets) / 2 ||
	    !(s->targets = msv_arena_alloc(&s->arena, n * sizeof(*s->targets))))
		return MSV_ERR_NOMEM;
	for (size_t i = 0; i < n && !error; i++) {
		struct msv_smtp_recipient r = take_recipient(given, i);
		s->targets[i].address = keep(s, r.address ? r.address : "", &error);
		s->targets[i].orcpt = keep(s, r.orcpt, &error);
		s->targets[i].notify = r.notify;
	}
	return error;
}

/* What the answer needs is there before anything is sent. */
static int prepare_answer(struct msv_smtp_sending *s)
{
	size_t n = s->message.nrecipients;

	s->outcome = msv_op_alloc(s->op, sizeof(*s->outcome));
	s->verdicts = msv_op_alloc(s->op, n * sizeof(*s->verdicts));
	if (!s->outcome || !s->verdicts)
		return MSV_ERR_NOMEM;
	s->outcome->size = sizeof(*s->outcome);
	s->outcome->recipients = s->verdicts;
	s->outcome->nrecipients = n;
	return 0;
}

static int take_in(
    struct msv_smtp_client *c, const struct msv_smtp_message *given, struct msv_op *op)
{
	struct msv_smtp_message message;
	struct msv_smtp_sending *s;
	int error;

	take_message(&message, given);
	if (!message.recipients || !message.nrecipients || !message.read)
		return MSV_ERR_INVAL;
	s = msv_alloc(c->conn.env, sizeof(*s));
	if (!s)
		return MSV_ERR_NOMEM;
	s->client = c;
	s->op = op;
	msv_arena_init(&s->arena, c->conn.env);
	error = copy_message(s, &message);
	if (!error)
		error = prepare_answer(s);
	if (error) {
		free_sending(s);
		return error;
	}
	if (c->last)
		c->last->next = s;
	else
		c->first = s;
	c->last = s;
	c->waiting++;
	msv_op_on_cancel(op, on_cancel, s);
	return 0;
}

void msv_smtp_client_take(
    struct msv_smtp_client *c, const struct msv_smtp_message *message, struct msv_op *op)
{
	int error = msv_op_canceled(op) ? MSV_ERR_CANCELED : take_in(c, message, op);

	if (error)
		msv_op_answer(op, error);
	else if (c->over || c->quit_said)
		msv_smtp_answer_all(c);
	else
		msv_conn_kick(&c->conn);
}
