/* Answers (RFC 3501 7): untagged ones at once, the tagged one after the changes of
 * the mailbox that came to light meanwhile. */
#include "imap/imap.h"

#include <stdio.h>
#include <string.h>

/* printf at the end of a buf. */
static void vput(struct msv_buf *out, const char *fmt, va_list args)
{
	va_list again;

	va_copy(again, args);
	int n = vsnprintf(NULL, 0, fmt, again);
	va_end(again);
	char *room = n < 0 ? NULL : msv_buf_reserve(out, (size_t)n + 1);
	if (!room)
		return;
	vsnprintf(room, (size_t)n + 1, fmt, args);
	msv_buf_commit(out, (size_t)n);
}

void msv_imap_untagged(struct imap_session *s, const char *fmt, ...)
{
	va_list args;

	msv_buf_puts(&s->conn.out, "* ");
	va_start(args, fmt);
	vput(&s->conn.out, fmt, args);
	va_end(args);
	msv_buf_puts(&s->conn.out, "\r\n");
}

void msv_imap_go_on(struct imap_session *s, const char *text)
{
	msv_buf_printf(&s->conn.out, "+ %s\r\n", text);
}

void msv_imap_bye(struct imap_session *s, const char *text)
{
	msv_imap_log(s, "closing", text);
	if (!s->partial)
		msv_imap_untagged(s, "BYE %s", text);
	msv_conn_end(&s->conn);
}

/* -- The tagged answer ------------------------------------------------------------- */

/* Announces what changed, then writes the answer. */
static enum imap_run finish(struct imap_session *s)
{
	enum imap_run run = msv_imap_sync(s);

	if (run != IMAP_DONE)
		return run;
	if (msv_buf_failed(&s->cmd.reply))
		return msv_imap_nomem(s);
	msv_buf_put(&s->conn.out, msv_buf_data(&s->cmd.reply), msv_buf_len(&s->cmd.reply));
	return IMAP_DONE;
}

/* Sets the answer; changes are told when the command may. */
static enum imap_run answer(
    struct imap_session *s, const char *status, bool sync, const char *fmt, va_list args)
{
	struct imap_command *cmd = &s->cmd;
	unsigned flags = cmd->def ? cmd->def->flags : IMAP_CMD_NO_SYNC;

	msv_buf_clear(&cmd->reply);
	msv_buf_printf(&cmd->reply, "%s %s ", cmd->tag, status);
	if (fmt)
		vput(&cmd->reply, fmt, args);
	else
		msv_buf_printf(
		    &cmd->reply, "%s%s completed", cmd->uid ? "UID " : "", cmd->def->name);
	msv_buf_puts(&cmd->reply, "\r\n");
	if (sync && !(flags & IMAP_CMD_NO_SYNC))
		msv_imap_sync_start(
		    s, flags & IMAP_CMD_LOOK, cmd->uid || !(flags & IMAP_CMD_KEEPS_SEQS));
	cmd->run = finish;
	return IMAP_AGAIN;
}

enum imap_run msv_imap_ok(struct imap_session *s, const char *fmt, ...)
{
	va_list args;

	s->errors = 0;
	va_start(args, fmt);
	enum imap_run run = answer(s, "OK", true, fmt, args);
	va_end(args);
	return run;
}

enum imap_run msv_imap_no(struct imap_session *s, const char *fmt, ...)
{
	va_list args;

	s->errors = 0;
	va_start(args, fmt);
	enum imap_run run = answer(s, "NO", true, fmt, args);
	va_end(args);
	return run;
}

enum imap_run msv_imap_bad(struct imap_session *s, const char *fmt, ...)
{
	va_list args;

	s->errors++;
	va_start(args, fmt);
	enum imap_run run = answer(s, "BAD", false, fmt, args);
	va_end(args);
	return run;
}

enum imap_run msv_imap_bad_args(struct imap_session *s)
{
	const struct imap_args *a = &s->cmd.args;

	if (a->nomem)
		return msv_imap_nomem(s);
	if (a->code)
		return msv_imap_no(s, "[%s] %s", a->code, a->error);
	return msv_imap_bad(s, "%s", a->error ? a->error : "Invalid arguments");
}

enum imap_run msv_imap_no_error(struct imap_session *s, int error, bool trycreate)
{
	static const struct {
		int error;
		const char *code, *text;
	} reasons[] = {
		{ MSV_ERR_NOTFOUND, "NONEXISTENT", "There is no such mailbox" },
		{ MSV_ERR_EXISTS, "ALREADYEXISTS", "A mailbox of that name is there already" },
		{ MSV_ERR_DENIED, "NOPERM", "That is not allowed" },
		{ MSV_ERR_QUOTA, "OVERQUOTA", "The account is full" },
		{ MSV_ERR_LIMIT, "LIMIT", "A limit of this server is reached" },
		{ MSV_ERR_FORMAT, "CANNOT", "No mailbox can have such a name" },
		{ MSV_ERR_UNSUPPORTED, "CANNOT", "This server cannot do that" },
		{ MSV_ERR_STALE, "NONEXISTENT", "The mailbox is gone" },
		{ MSV_ERR_BUSY, "INUSE", "In use: try again later" },
		{ MSV_ERR_NOSPACE, "UNAVAILABLE", "The disk is full" },
	};

	if (error == MSV_ERR_STALE)
		s->view.stale = true;
	if (error == MSV_ERR_NOTFOUND && trycreate)
		return msv_imap_no(s, "[TRYCREATE] There is no such mailbox");
	for (size_t i = 0; i < sizeof(reasons) / sizeof(*reasons); i++) {
		if (reasons[i].error == error)
			return msv_imap_no(s, "[%s] %s", reasons[i].code, reasons[i].text);
	}
	return msv_imap_no(s, "[UNAVAILABLE] Temporary failure: try again later");
}

/* -- Strings ----------------------------------------------------------------------- */

static bool atom_safe(const char *p, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		if (p[i] <= 0x20 || p[i] >= 0x7f || strchr("(){%*\"\\]", p[i]))
			return false;
	}
	return n && !(n == 3 && msv_imap_is((struct msv_span){ p, n }, "NIL"));
}

static bool quotable(const char *p, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		if (p[i] <= 0x1f || p[i] >= 0x7f)
			return false;
	}
	return true;
}

void msv_imap_put_quoted(struct msv_buf *out, const char *p, size_t n)
{
	msv_buf_putc(out, '"');
	for (size_t i = 0; i < n; i++) {
		if (p[i] == '"' || p[i] == '\\')
			msv_buf_putc(out, '\\');
		msv_buf_putc(out, p[i]);
	}
	msv_buf_putc(out, '"');
}

void msv_imap_put_astring(struct msv_buf *out, const char *p, size_t n)
{
	if (atom_safe(p, n)) {
		msv_buf_put(out, p, n);
	} else if (quotable(p, n)) {
		msv_imap_put_quoted(out, p, n);
	} else {
		msv_buf_printf(out, "{%zu}\r\n", n);
		msv_buf_put(out, p, n);
	}
}
