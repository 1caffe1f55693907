/* STARTTLS (RFC 3207). */
#include "smtp/smtp.h"

/* The answer goes out in the clear, everything after it inside TLS.  Whatever
 * the peer said before counts no more (RFC 3207 4.2). */
static void start(struct msv_smtp *s)
{
	msv_smtp_line_done(s);
	msv_smtp_reply_say(s, &s->command->usual);
	msv_smtp_start_again(s);
	int error = msv_tls_accept(s->config.tls, &s->conn);
	if (error) {
		msv_smtp_log(s, MSV_LOG_ERROR, "starttls", msv_strerror(error));
		msv_conn_end(&s->conn);
	}
}

void msv_smtp_starttls(struct msv_smtp *s, struct msv_span arg)
{
	static const struct msv_smtp_say not_here = { 502, "5.5.1", "TLS is not available" },
	                                 again = { 503, "5.5.1", "TLS is on already" };

	(void)arg;
	if (msv_smtp_tls(s)) {
		msv_smtp_reply_say(s, &again);
	} else if (!s->config.tls) {
		msv_smtp_reply_say(s, &not_here);
	} else if (msv_buf_len(&s->conn.in) > s->line_size) {
		/* Somebody in the middle wants it to be taken for encrypted. */
		msv_smtp_hang_up(s, "4.7.0", "nothing may follow STARTTLS before the handshake");
	} else {
		start(s);
	}
}
