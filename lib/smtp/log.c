/* Lines of the log: "smtp event session=... peer=... key=value ...". */
#include <inttypes.h>
#include <string.h>

#include "smtp/smtp.h"

void msv_smtp_log_text(struct msv_smtp_line_log *l, const char *key, const char *value)
{
	if (!value)
		return;
	bool plain = *value && !strpbrk(value, " \"\\=");
	msv_buf_printf(&l->buf, plain ? " %s=" : " %s=\"", key);
	for (const char *p = value; *p; p++) {
		if (*p == '"' || *p == '\\')
			msv_buf_putc(&l->buf, '\\');
		msv_buf_putc(&l->buf, *p);
	}
	if (!plain)
		msv_buf_putc(&l->buf, '"');
}

void msv_smtp_log_number(struct msv_smtp_line_log *l, const char *key, uint64_t value)
{
	msv_buf_printf(&l->buf, " %s=%" PRIu64, key, value);
}

void msv_smtp_log_begin(
    struct msv_smtp_line_log *l, struct msv_smtp *s, enum msv_log_level level, const char *event)
{
	*l = (struct msv_smtp_line_log){ .s = s, .level = level };
	msv_buf_init(&l->buf, s->conn.env);
	msv_buf_printf(&l->buf, "%s %s", msv_smtp_protocol(s), event);
	msv_smtp_log_text(l, "session", s->conn.peer.session_id);
	msv_smtp_log_text(l, "peer", s->conn.peer.address ? s->conn.peer.address : "local");
	if (s->account)
		msv_smtp_log_text(l, "user", s->account->name);
}

void msv_smtp_log_end(struct msv_smtp_line_log *l)
{
	const char *line = msv_buf_cstr(&l->buf);

	if (line)
		msv_env_log(l->s->conn.env, l->level, "%s", line);
	else
		msv_env_log(l->s->conn.env, l->level, "%s session=%s: no memory for this line",
		    msv_smtp_protocol(l->s), l->s->conn.peer.session_id);
	msv_buf_fini(&l->buf);
}

void msv_smtp_log(
    struct msv_smtp *s, enum msv_log_level level, const char *event, const char *reason)
{
	struct msv_smtp_line_log l;

	msv_smtp_log_begin(&l, s, level, event);
	msv_smtp_log_text(&l, "reason", reason);
	msv_smtp_log_end(&l);
}
