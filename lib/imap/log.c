/* What is logged of a session: who, and what happened. */
#include "base/logline.h"
#include "imap/imap.h"

static void begin(struct msv_logline *l, struct imap_session *s, const char *event)
{
	msv_logline_begin(l, s->conn.env, MSV_LOG_INFO, "imap", event);
	msv_logline_text(l, "session", s->conn.peer.session_id);
	msv_logline_text(l, "peer", s->conn.peer.address ? s->conn.peer.address : "local");
	if (s->account)
		msv_logline_text(l, "user", s->account->name);
}

void msv_imap_log(struct imap_session *s, const char *event, const char *reason)
{
	struct msv_logline l;

	begin(&l, s, event);
	msv_logline_text(&l, "reason", reason);
	msv_logline_end(&l);
}

void msv_imap_log_refused_login(struct imap_session *s, const char *user, const char *reason)
{
	struct msv_logline l;

	begin(&l, s, "refused");
	msv_logline_text(&l, "command", s->cmd.def->name);
	msv_logline_text(&l, "user", user);
	msv_logline_text(&l, "reason", reason);
	msv_logline_end(&l);
}

void msv_imap_log_append(struct imap_session *s, const char *mailbox, uint32_t uid, uint64_t octets)
{
	struct msv_logline l;

	begin(&l, s, "append");
	msv_logline_text(&l, "mailbox", mailbox);
	if (uid)
		msv_logline_number(&l, "uid", uid);
	msv_logline_number(&l, "size", octets);
	msv_logline_end(&l);
}

void msv_imap_log_end(struct imap_session *s)
{
	struct msv_logline l;

	begin(&l, s, "disconnect");
	msv_logline_number(&l, "in", s->conn.bytes_in);
	msv_logline_number(&l, "out", s->conn.bytes_out);
	msv_logline_end(&l);
}
