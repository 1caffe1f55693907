/* DATA (RFC 5321 4.1.1.4). */
#include "smtp/smtp.h"

static bool read_data(struct msv_smtp *s)
{
	if (!s->body.octets.ended)
		return msv_smtp_body_take(s, SIZE_MAX) > 0;
	s->read = msv_smtp_read_command;
	s->body.coming = false;
	msv_smtp_body_done(s);
	return true;
}

static void data_answered(struct msv_smtp *s, const struct msv_smtp_answer *answer)
{
	if (!msv_smtp_yes(answer->code)) {
		msv_smtp_reset(s, MSV_SMTP_RESET_REFUSED);
		msv_smtp_reply_answer(s, answer, &s->command->usual);
		msv_smtp_forget(s);
		return;
	}
	msv_smtp_write(s, 354, NULL, "end the message with a line that is a single dot");
	msv_smtp_body_start(s, true);
	s->read = read_data;
}

void msv_smtp_data(struct msv_smtp *s, struct msv_span arg)
{
	(void)arg;
	if (!s->handler.data) {
		msv_smtp_assume(s, data_answered);
		return;
	}
	struct msv_reply_op op = msv_smtp_ask(s, data_answered);
	if (op.op)
		s->handler.data(s->config.user, &s->conn, op);
}
