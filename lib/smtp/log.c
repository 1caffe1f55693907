/* What is logged of a session: who, and what happened. */
#include "smtp/smtp.h"

void msv_smtp_log_begin(
    struct msv_logline *l, struct msv_smtp *s, enum msv_log_level level, const char *event)
{
	msv_logline_begin(l, s->conn.env, level, msv_smtp_protocol(s), event);
	msv_logline_text(l, "session", s->conn.peer.session_id);
	msv_logline_text(l, "peer", s->conn.peer.address ? s->conn.peer.address : "local");
	if (s->account)
		msv_logline_text(l, "user", s->account->name);
}

void msv_smtp_log(
    struct msv_smtp *s, enum msv_log_level level, const char *event, const char *reason)
{
	struct msv_logline l;

	msv_smtp_log_begin(&l, s, level, event);
	msv_logline_text(&l, "reason", reason);
	msv_logline_end(&l);
}
