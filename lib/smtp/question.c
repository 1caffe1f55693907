/*
 * Questions to the handler and their answers.  The completion of an op only
 * keeps the answer; a step goes on with it, so that a handler is called from
 * steps alone.
 */
#include <string.h>

#include "smtp/smtp.h"

/* A row of a reply op: the answer for one recipient. */
struct recipient_row {
	size_t index;
	struct msv_smtp_say say;
};

/* -- The session's side -------------------------------------------------------- */

static void set_answer(struct msv_smtp *s, struct msv_smtp_answer *answer, int code,
    const char *enhanced, const char *text)
{
	msv_smtp_answer_fini(s, answer);
	answer->code = code;
	if (enhanced && strlen(enhanced) < sizeof(answer->enhanced))
		memcpy(answer->enhanced, enhanced, strlen(enhanced) + 1);
	answer->text = msv_strdup(s->conn.env, text);
}

void msv_smtp_keep(struct msv_smtp *s, const struct msv_smtp_say *say)
{
	set_answer(s, &s->answer, say->code, say->enhanced, say->text);
	s->answered = true;
	msv_conn_kick(&s->conn);
}

static void on_answer(void *user, int error, const void *result)
{
	static const struct msv_smtp_say yes = { 0 };
	struct msv_smtp *s = user;

	s->op = NULL;
	msv_smtp_keep(s, error ? msv_smtp_say_error(error) : result ? result : &yes);
}

static int on_recipient(void *user, const void *row)
{
	struct msv_smtp *s = user;
	const struct recipient_row *r = row;

	if (s->config.role == MSV_SMTP_LMTP && r->index < s->recipients)
		set_answer(s, &s->answers[r->index], r->say.code, r->say.enhanced, r->say.text);
	return 0;
}

struct msv_reply_op msv_smtp_ask(struct msv_smtp *s, msv_smtp_then then)
{
	s->then = then;
	s->op = msv_op_new(s->conn.env, on_answer, s);
	if (s->op)
		msv_op_set_row(s->op, on_recipient);
	else
		msv_smtp_keep(s, msv_smtp_say_error(MSV_ERR_NOMEM));
	return (struct msv_reply_op){ s->op };
}

void msv_smtp_assume(struct msv_smtp *s, msv_smtp_then then)
{
	static const struct msv_smtp_say yes = { 0 };

	s->then = then;
	msv_smtp_keep(s, &yes);
}

void msv_smtp_cancel(struct msv_smtp *s)
{
	struct msv_op *op = s->op;

	s->op = NULL;
	s->answered = false;
	if (op)
		msv_op_cancel(op);
}

void msv_smtp_answer_fini(struct msv_smtp *s, struct msv_smtp_answer *answer)
{
	msv_free(s->conn.env, answer->text);
	*answer = (struct msv_smtp_answer){ 0 };
}

/* -- The handler's side -------------------------------------------------------- */

/* What is said when there is no memory for what was to be said: yes stays yes,
 * no stays no. */
static const struct msv_smtp_say *bare(int code)
{
	static const struct msv_smtp_say yes = { 0 }, later = { 451, NULL, NULL },
	                                 closing = { 421, NULL, NULL }, no = { 550, NULL, NULL };

	if (code == 421)
		return &closing;
	return msv_smtp_yes(code) ? &yes : code < 500 ? &later : &no;
}

static int valid_code(int code)
{
	return code >= 200 && code <= 599 ? code : 451;
}

void msv_reply(struct msv_reply_op op, int code, const char *enhanced, const char *text)
{
	struct msv_smtp_say *say = msv_op_alloc(op.op, sizeof(*say));

	code = valid_code(code);
	if (say) {
		say->code = code;
		say->enhanced = enhanced ? msv_op_strdup(op.op, enhanced) : NULL;
		say->text = text ? msv_op_strdup(op.op, text) : NULL;
	}
	msv_op_complete(op.op, 0, say ? say : bare(code));
}

void msv_reply_ok(struct msv_reply_op op)
{
	msv_op_complete(op.op, 0, NULL);
}

void msv_reply_recipient(
    struct msv_reply_op op, size_t index, int code, const char *enhanced, const char *text)
{
	struct recipient_row row = { index, { valid_code(code), enhanced, text } };

	msv_op_row(op.op, &row);
}
