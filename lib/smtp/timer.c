/* Time: how long a peer may take. */
#include <stdio.h>

#include "smtp/smtp.h"

enum { RATE_GRACE_MS = 60000 }; /* before a body must have its rate */

/* When the body that is coming is too slow, if nothing more comes. */
static uint64_t rate_limit(const struct msv_smtp *s)
{
	uint64_t earned = s->body.clock_octets / s->config.data_rate_min;

	return s->body.clock + RATE_GRACE_MS + (earned < UINT32_MAX ? earned : UINT32_MAX) * 1000 +
	       1000;
}

static uint64_t earlier(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

static uint64_t total_limit(const struct msv_smtp *s)
{
	return s->conn.started + (uint64_t)s->config.total_s * 1000;
}

/* When the peer has taken too long over what it is to do now. */
static uint64_t turn_limit(const struct msv_smtp *s)
{
	uint64_t at = s->heard + (uint64_t)s->config.idle_s * 1000;

	return s->body.coming ? earlier(at, rate_limit(s)) : at;
}

void msv_smtp_set_deadline(struct msv_smtp *s)
{
	uint64_t at = MSV_NEVER;

	if (msv_conn_ended(&s->conn))
		return;
	if (s->op) /* it is not the peer that takes its time */
		at = MSV_NEVER;
	else if (s->paused)
		at = total_limit(s);
	else
		at = earlier(total_limit(s), turn_limit(s));
	at = earlier(at, s->greet_at);
	s->conn.deadline = earlier(at, s->held_for);
}

void msv_smtp_expire(struct msv_conn *conn)
{
	struct msv_smtp *s = (struct msv_smtp *)conn;
	uint64_t now = msv_env_now(conn->env);

	if (s->held_for <= now)
		msv_smtp_release(s);
	if (s->op)
		return;
	if (total_limit(s) <= now)
		msv_smtp_hang_up(s, "4.4.2", "this connection has lasted long enough");
	else if (!s->paused && turn_limit(s) <= now)
		msv_smtp_hang_up(s, "4.4.2",
		    s->body.coming ? "timeout: the message comes too slowly"
		                   : "timeout: nothing was heard for too long");
}
