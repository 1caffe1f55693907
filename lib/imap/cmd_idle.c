/* IDLE (RFC 2177): changes are told as they come, until the client says DONE. */
#include "imap/imap.h"

static enum imap_run wait(struct imap_session *s);

/* Many changes while one answer is awaited are told together by the next. */
static enum imap_run announce(struct imap_session *s)
{
	enum imap_run run = msv_imap_sync(s);

	if (run != IMAP_DONE)
		return run;
	if (s->view.stale) {
		msv_imap_bye(s, "The selected mailbox is gone");
		return IMAP_WAIT;
	}
	s->cmd.run = wait;
	return IMAP_AGAIN;
}

static enum imap_run end(struct imap_session *s, bool done)
{
	msv_imap_set_idling(s, false);
	return done ? msv_imap_ok(s, NULL) : msv_imap_bad(s, "DONE ends IDLE");
}

static enum imap_run wait(struct imap_session *s)
{
	struct msv_span line;
	size_t used;
	int got = msv_imap_read_line(s, &line, &used);

	if (got > 0) {
		bool done = msv_imap_is(line, "DONE");
		msv_buf_consume(&s->conn.in, used);
		return end(s, done);
	}
	if (got < 0) {
		msv_imap_bye(s, "The line is too long");
	} else if (s->conn.eof) {
		msv_conn_end(&s->conn);
	} else if (s->view.look) {
		msv_imap_sync_start(s, true, true);
		s->cmd.run = announce;
		return IMAP_AGAIN;
	}
	return IMAP_WAIT;
}

enum imap_run msv_imap_run_idle(struct imap_session *s)
{
	if (!msv_imap_arg_end(&s->cmd.args))
		return msv_imap_bad_args(s);
	msv_imap_content_close(s);
	msv_imap_go_on(s, "idling");
	msv_imap_set_idling(s, true);
	msv_imap_sync_start(s, true, true);
	s->cmd.run = announce;
	return IMAP_AGAIN;
}
