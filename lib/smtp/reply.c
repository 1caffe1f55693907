/* Replies (RFC 5321 4.2) with enhanced status codes (RFC 2034, 3463). */
#include <stdio.h>
#include <string.h>

#include "smtp/smtp.h"

enum { LINE_MAX_OCTETS = 512 - 2 }; /* RFC 5321 4.5.3.1.5, less CRLF */

/* What fits a code when nothing else was given. */
static const struct msv_smtp_say usual_words[] = {
	{ 220, "2.0.0", "ready" },
	{ 221, "2.0.0", "bye" },
	{ 250, "2.0.0", "ok" },
	{ 251, "2.1.5", "not here, will forward" },
	{ 252, "2.1.5", "cannot verify, but will take mail for it" },
	{ 421, "4.3.2", "the service is not available now" },
	{ 450, "4.2.0", "the mailbox is not available now, try again later" },
	{ 451, "4.3.0", "temporary failure, try again later" },
	{ 452, "4.3.1", "not enough room now, try again later" },
	{ 454, "4.7.0", "not possible now, try again later" },
	{ 500, "5.5.1", "no such command" },
	{ 501, "5.5.4", "that argument makes no sense" },
	{ 502, "5.5.1", "that command is not available" },
	{ 503, "5.5.1", "not now" },
	{ 530, "5.7.0", "log in first" },
	{ 535, "5.7.8", "wrong user name or password" },
	{ 550, "5.7.1", "refused" },
	{ 551, "5.1.6", "not here" },
	{ 552, "5.2.2", "the mailbox is full" },
	{ 553, "5.1.3", "that is no mailbox name" },
	{ 554, "5.7.1", "refused" },
	{ 555, "5.5.4", "that parameter is not known" },
};

static const struct msv_smtp_say *words_for(int code)
{
	static const struct msv_smtp_say yes = { 250, "2.0.0", "ok" },
	                                 later = { 451, "4.0.0", "try again later" },
	                                 no = { 554, "5.0.0", "refused" };

	for (size_t i = 0; i < sizeof(usual_words) / sizeof(usual_words[0]); i++)
		if (usual_words[i].code == code)
			return &usual_words[i];
	return msv_smtp_yes(code) ? &yes : code < 500 ? &later : &no;
}

const struct msv_smtp_say *msv_smtp_say_error(int error)
{
	static const struct {
		int error;
		struct msv_smtp_say say;
	} words[] = {
		{ MSV_ERR_NOMEM, { 451, "4.3.0", "out of memory, try again later" } },
		{ MSV_ERR_NOTFOUND, { 550, "5.1.1", "no such mailbox" } },
		{ MSV_ERR_DENIED, { 550, "5.7.1", "not allowed" } },
		{ MSV_ERR_QUOTA, { 552, "5.2.2", "the mailbox is full" } },
		{ MSV_ERR_NOSPACE, { 452, "4.3.1", "the disk is full, try again later" } },
	};
	static const struct msv_smtp_say other = { 451, "4.3.0",
		"temporary failure, try again later" };

	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
		if (words[i].error == error)
			return &words[i].say;
	return &other;
}

/* -- Lines --------------------------------------------------------------------- */

/* Writes one line; only printable ASCII gets through (RFC 6531 3.7.4.2). */
static void write_line(
    struct msv_buf *out, int code, char mark, const char *enhanced, const char *p, size_t n)
{
	char line[LINE_MAX_OCTETS + 3];
	size_t at = (size_t)snprintf(line, sizeof(line), "%03d%c%s%s", code, mark,
	    enhanced ? enhanced : "", enhanced && n ? " " : "");

	for (size_t i = 0; i < n && at < LINE_MAX_OCTETS; i++)
		line[at++] = p[i] >= 0x20 && p[i] < 0x7f ? p[i] : '?';
	line[at++] = '\r';
	line[at++] = '\n';
	msv_buf_put(out, line, at);
}

void msv_smtp_write(struct msv_smtp *s, int code, const char *enhanced, const char *text)
{
	struct msv_buf *out = s->held_for == MSV_NEVER ? &s->conn.out : &s->held;
	const char *newline;

	while ((newline = strchr(text, '\n')) != NULL) {
		write_line(out, code, '-', enhanced, text, (size_t)(newline - text));
		text = newline + 1;
	}
	write_line(out, code, ' ', enhanced, text, strlen(text));
	if (msv_buf_failed(out))
		msv_conn_break(&s->conn);
}

/* -- Refusals ------------------------------------------------------------------ */

static void log_refusal(struct msv_smtp *s, int code, const char *enhanced, const char *text)
{
	struct msv_logline l;
	bool rcpt = s->command && s->command->run == msv_smtp_rcpt;

	msv_smtp_log_begin(&l, s, MSV_LOG_INFO, "refused");
	msv_logline_text(&l, "command", s->command ? s->command->name : NULL);
	if (s->sasl && *msv_sasl_user(s->sasl))
		msv_logline_text(&l, "user", msv_sasl_user(s->sasl));
	msv_logline_text(&l, "from", s->from);
	msv_logline_text(&l, "to", rcpt && s->path.address[0] ? s->path.address : NULL);
	msv_logline_number(&l, "result", (uint64_t)code);
	msv_logline_text(&l, "status", enhanced);
	msv_logline_text(&l, "reason", text);
	msv_logline_end(&l);
}

/* A peer that makes many mistakes is answered slowly. */
static void count_error(struct msv_smtp *s)
{
	if (++s->errors > s->config.errors_soft && s->held_for == MSV_NEVER)
		s->held_for = msv_env_now(s->conn.env) + s->config.error_delay_ms;
}

/* True for the form "5.7.1" that suits the code. */
static bool enhanced_fits(int code, const char *enhanced)
{
	return enhanced && enhanced[0] == '0' + code / 100 && enhanced[1] == '.' &&
	       strspn(enhanced, "0123456789.") == strlen(enhanced);
}

void msv_smtp_reply(struct msv_smtp *s, int code, const char *enhanced, const char *text)
{
	const struct msv_smtp_say *words = words_for(code);

	if (!enhanced_fits(code, enhanced))
		enhanced = words->enhanced;
	if (!text)
		text = words->text;
	if (code == 421) {
		msv_smtp_hang_up(s, enhanced, text);
		return;
	}
	if (!msv_smtp_yes(code))
		log_refusal(s, code, enhanced, text);
	if (code >= 500)
		count_error(s);
	msv_smtp_write(s, code, enhanced, text);
	if (code >= 500 && s->errors >= s->config.errors_max)
		msv_smtp_hang_up(s, "4.7.0", "too many errors");
}

void msv_smtp_reply_say(struct msv_smtp *s, const struct msv_smtp_say *say)
{
	msv_smtp_reply(s, say->code, say->enhanced, say->text);
}

struct msv_smtp_say msv_smtp_resolve(
    const struct msv_smtp_answer *answer, const struct msv_smtp_say *usual)
{
	int code = answer->code ? answer->code : usual->code;
	const struct msv_smtp_say *words = code == usual->code ? usual : words_for(code);

	return (struct msv_smtp_say){
		code,
		enhanced_fits(code, answer->enhanced) ? answer->enhanced : words->enhanced,
		answer->text ? answer->text : words->text,
	};
}

void msv_smtp_reply_answer(
    struct msv_smtp *s, const struct msv_smtp_answer *answer, const struct msv_smtp_say *usual)
{
	struct msv_smtp_say say = msv_smtp_resolve(answer, usual);

	msv_smtp_reply_say(s, &say);
}

void msv_smtp_release(struct msv_smtp *s)
{
	if (s->held_for == MSV_NEVER)
		return;
	s->held_for = MSV_NEVER;
	msv_buf_put(&s->conn.out, msv_buf_data(&s->held), msv_buf_len(&s->held));
	msv_buf_fini(&s->held);
}

void msv_smtp_hang_up(struct msv_smtp *s, const char *enhanced, const char *text)
{
	if (msv_conn_ended(&s->conn))
		return;
	msv_smtp_log(s, MSV_LOG_INFO, "closing", text);
	msv_smtp_release(s);
	msv_smtp_write(s, 421, enhanced, text);
	msv_smtp_cancel(s);
	msv_smtp_reset(s, MSV_SMTP_RESET_GONE);
	msv_conn_end(&s->conn);
}
