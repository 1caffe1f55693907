/* The body of a message on its way to the handler. */
#include "smtp/smtp.h"

static const struct msv_smtp_say too_big = { 552, "5.3.4",
	"the message is larger than this server takes" };
static const struct msv_smtp_say too_many_hops = { 554, "5.4.6",
	"too many Received fields: the message goes in circles" };
static const struct msv_smtp_say bad_octets[] = {
	[MSV_OCTETS_LONE_CR] = { 550, "5.6.0", "the message has a CR without LF in it" },
	[MSV_OCTETS_LONE_LF] = { 550, "5.6.0", "the message has an LF without CR in it" },
	[MSV_OCTETS_NUL] = { 550, "5.6.0", "the message has a NUL in it" },
};

void msv_smtp_body_start(struct msv_smtp *s, bool stuffed)
{
	s->body = (struct msv_smtp_body){ .clock = msv_env_now(s->conn.env), .coming = true };
	msv_octets_init(&s->body.octets, stuffed, s->config.normalize_lines);
}

void msv_smtp_body_refuse(struct msv_smtp *s, const struct msv_smtp_say *say)
{
	if (s->body.fault)
		return;
	s->body.fault = say;
	msv_smtp_reset(s, MSV_SMTP_RESET_REFUSED);
}

/* Hands a piece to the handler, which may resume before it says MSV_PAUSE. */
static void give(struct msv_smtp *s, struct msv_span piece)
{
	int verdict = 0;

	s->conn.resumed = false;
	if (s->handler.body)
		verdict = s->handler.body(s->config.user, &s->conn, piece.p, piece.n);
	if (verdict < 0)
		msv_smtp_body_refuse(s, msv_smtp_say_error(verdict));
	else
		s->paused = verdict == MSV_PAUSE && !s->conn.resumed;
	if (!s->paused)
		return;
	s->conn.hold_input = true;
	s->paused_at = msv_env_now(s->conn.env);
}

static void put(struct msv_smtp *s, struct msv_span piece)
{
	struct msv_smtp_body *b = &s->body;

	if (b->octets.fault)
		msv_smtp_body_refuse(s, &bad_octets[b->octets.fault]);
	if (b->fault || !piece.n)
		return;
	b->size += piece.n;
	msv_hops_count(&b->hops, piece.p, piece.n);
	if (b->size > s->config.message_octets_max)
		msv_smtp_body_refuse(s, &too_big);
	else if (b->hops.count > s->config.hops_max)
		msv_smtp_body_refuse(s, &too_many_hops);
	else
		give(s, piece);
}

size_t msv_smtp_body_take(struct msv_smtp *s, size_t n)
{
	const char *p = msv_buf_data(&s->conn.in);
	size_t len = msv_buf_len(&s->conn.in), done = 0;

	if (n > len)
		n = len;
	while (done < n && !s->body.octets.ended && !s->paused && !msv_conn_ended(&s->conn)) {
		struct msv_span piece;
		done += msv_octets_next(&s->body.octets, p + done, n - done, &piece);
		put(s, piece);
	}
	msv_buf_consume(&s->conn.in, done);
	s->body.clock_octets += done;
	return done;
}

/* -- The end ------------------------------------------------------------------- */

static void log_message(struct msv_smtp *s, const struct msv_smtp_say *say)
{
	struct msv_logline l;

	msv_smtp_log_begin(&l, s, MSV_LOG_INFO, "message");
	msv_logline_text(&l, "from", s->from);
	msv_logline_number(&l, "recipients", s->recipients);
	msv_logline_number(&l, "size", s->body.size);
	msv_logline_number(&l, "result", (uint64_t)say->code);
	msv_logline_text(&l, "status", say->enhanced);
	msv_logline_text(&l, "reason", say->text);
	msv_logline_end(&l);
}

/* Says the same for each recipient on LMTP (RFC 2033 4.2), else once. */
static void refuse(struct msv_smtp *s, const struct msv_smtp_say *say)
{
	size_t more = s->config.role == MSV_SMTP_LMTP ? s->recipients : 1;

	log_message(s, say);
	while (--more)
		msv_smtp_write(s, say->code, say->enhanced, say->text);
	msv_smtp_reply_say(s, say);
	/* Where others would not have seen the end, what follows may be text
	 * that was written to look like commands. */
	if (s->body.octets.doubtful)
		msv_smtp_hang_up(s, "4.7.0", "the end of that message is in doubt");
}

/* The handler's answer for each recipient, `last` for those that have none of
 * their own; true when one is yes. */
static bool answer_each(struct msv_smtp *s, const struct msv_smtp_answer *last)
{
	bool any = false;

	for (size_t i = 0; i < s->recipients; i++) {
		const struct msv_smtp_answer *one = s->answers[i].code ? &s->answers[i] : last;
		struct msv_smtp_say say = msv_smtp_resolve(one, &s->command->usual);
		msv_smtp_write(s, say.code, say.enhanced, say.text);
		any |= msv_smtp_yes(say.code);
	}
	return any;
}

static void done_answered(struct msv_smtp *s, const struct msv_smtp_answer *answer)
{
	struct msv_smtp_say say = msv_smtp_resolve(answer, &s->command->usual);
	bool yes = msv_smtp_yes(say.code);

	/* There was no memory to ask: done() was not called. */
	msv_smtp_reset(s, MSV_SMTP_RESET_REFUSED);
	log_message(s, &say);
	if (s->config.role == MSV_SMTP_LMTP)
		yes = answer_each(s, answer);
	else
		msv_smtp_reply_say(s, &say);
	if (yes) {
		s->messages++;
		s->errors = 0;
	}
	msv_smtp_forget(s);
	s->delivering = false;
	if (s->goodbye)
		msv_smtp_hang_up(s, s->goodbye->enhanced, s->goodbye->text);
}

void msv_smtp_body_done(struct msv_smtp *s)
{
	if (s->body.octets.fault)
		msv_smtp_body_refuse(s, &bad_octets[s->body.octets.fault]);
	if (s->body.fault) {
		refuse(s, s->body.fault);
		msv_smtp_forget(s);
		return;
	}
	struct msv_reply_op op = msv_smtp_ask(s, done_answered);
	if (!op.op)
		return;
	s->open = false;
	s->delivering = true;
	s->handler.done(s->config.user, &s->conn, op);
}
