/* BDAT (RFC 3030): the body in chunks of announced size.  The bytes of a chunk
 * are always read as such, also when the chunk is refused. */
#include <inttypes.h>
#include <stdio.h>

#include "codec/casefold.h"
#include "smtp/smtp.h"

/* bdat-cmd = "BDAT" SP chunk-size [ SP "LAST" ] */
static int parse_chunk(struct msv_span arg, uint64_t *octets, bool *last)
{
	const char *p = arg.p, *end = arg.p + arg.n;

	*octets = 0;
	for (; p < end && *p >= '0' && *p <= '9'; p++) {
		unsigned digit = (unsigned)(*p - '0');
		if (*octets > (UINT64_MAX - digit) / 10)
			return MSV_ERR_LIMIT;
		*octets = *octets * 10 + digit;
	}
	if (p == arg.p)
		return MSV_ERR_FORMAT;
	*last = p < end;
	if (p < end && *p != ' ')
		return MSV_ERR_FORMAT;
	while (p < end && *p == ' ')
		p++;
	return !*last || msv_ascii_equals(p, (size_t)(end - p), "LAST") ? 0 : MSV_ERR_FORMAT;
}

/* -- The end of a chunk -------------------------------------------------------- */

static void refuse_chunk(struct msv_smtp *s)
{
	struct msv_smtp_answer answer = s->chunk_answer;

	s->chunk_answer = (struct msv_smtp_answer){ 0 };
	if (s->chunk_refusal)
		msv_smtp_reply_say(s, s->chunk_refusal);
	else
		msv_smtp_reply_answer(s, &answer, &s->command->usual);
	msv_smtp_answer_fini(s, &answer);
}

static void accept_chunk(struct msv_smtp *s)
{
	char text[64];

	snprintf(text, sizeof(text), "%" PRIu64 " octets taken", s->chunk_size);
	msv_smtp_reply(s, 250, "2.0.0", text);
}

static void end_chunk(struct msv_smtp *s)
{
	if (s->chunk_drop) {
		refuse_chunk(s);
	} else if (s->chunk_last) {
		msv_octets_finish(&s->body.octets);
		msv_smtp_body_done(s);
	} else if (s->body.fault) {
		msv_smtp_reply_say(s, s->body.fault);
		msv_smtp_forget(s);
	} else {
		accept_chunk(s);
	}
}

static bool read_chunk(struct msv_smtp *s)
{
	size_t used, most = s->chunk < SIZE_MAX ? (size_t)s->chunk : SIZE_MAX;

	if (!s->chunk) {
		s->read = msv_smtp_read_command;
		s->body.coming = false;
		end_chunk(s);
		return true;
	}
	if (s->chunk_drop) {
		used = msv_buf_len(&s->conn.in);
		used = used < most ? used : most;
		msv_buf_consume(&s->conn.in, used);
		s->body.clock_octets += used;
	} else {
		used = msv_smtp_body_take(s, most);
	}
	s->chunk -= used;
	return used > 0;
}

/* -- The command --------------------------------------------------------------- */

static void data_answered(struct msv_smtp *s, const struct msv_smtp_answer *answer)
{
	if (msv_smtp_yes(answer->code)) {
		msv_smtp_body_start(s, false);
		s->phase = MSV_PHASE_BDAT;
		return;
	}
	msv_smtp_reset(s, MSV_SMTP_RESET_REFUSED);
	msv_smtp_forget(s);
	s->chunk_drop = true;
	s->chunk_answer = *answer;
	s->chunk_answer.text = msv_strdup(s->conn.env, answer->text);
}

static void ask_data(struct msv_smtp *s)
{
	if (!s->handler.data) {
		msv_smtp_assume(s, data_answered);
		return;
	}
	struct msv_reply_op op = msv_smtp_ask(s, data_answered);
	if (op.op)
		s->handler.data(s->config.user, &s->conn, op);
}

void msv_smtp_bdat(struct msv_smtp *s, struct msv_span arg)
{
	if (parse_chunk(arg, &s->chunk, &s->chunk_last)) {
		/* Where the chunk ends, and commands go on, cannot be known. */
		msv_smtp_reply(s, 501, "5.5.4", "BDAT needs the size of the chunk");
		msv_smtp_hang_up(s, "4.7.0", "what follows cannot be told from commands");
		return;
	}
	s->chunk_size = s->chunk;
	s->read = read_chunk;
	s->body.coming = true;
	s->body.clock = msv_env_now(s->conn.env);
	s->body.clock_octets = 0;
	s->chunk_drop = s->chunk_refusal != NULL;
	if (!s->chunk_drop && s->phase == MSV_PHASE_RCPT)
		ask_data(s);
}
