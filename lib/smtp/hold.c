/* FUTURERELEASE (RFC 4865): mail that is submitted now to be sent later. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "codec/date.h"
#include "smtp/smtp.h"

#define SECOND UINT64_C(1000000) /* in microseconds */

static uint64_t now_s(const struct msv_smtp *s)
{
	return msv_env_realtime(s->conn.env) / SECOND;
}

bool msv_smtp_offers_hold(const struct msv_smtp *s)
{
	return s->config.role == MSV_SMTP_SUBMISSION && s->config.future_release_max_s > 0;
}

void msv_smtp_put_hold(const struct msv_smtp *s, struct msv_buf *out)
{
	char until[MSV_DATE_SIZE];

	msv_timestamp_write((int64_t)(now_s(s) + s->config.future_release_max_s), until);
	msv_buf_printf(out, " %" PRIu32 " %s", s->config.future_release_max_s, until);
}

/* Keeps what was asked for; one of the two may be (RFC 4865 4.2). */
static const struct msv_smtp_say *keep(
    const char *kind, struct msv_span value, uint64_t until, struct msv_smtp_params *out)
{
	static const struct msv_smtp_say both = { 501, "5.5.4",
		"HOLDFOR and HOLDUNTIL do not go together" };

	if (out->hold[0])
		return &both;
	if (strlen(kind) + value.n >= sizeof(out->hold))
		return &msv_smtp_bad_value;
	snprintf(out->hold, sizeof(out->hold), "%s%.*s", kind, (int)value.n, value.p);
	out->hold_until = until;
	return NULL;
}

static const struct msv_smtp_say too_late = { 501, "5.5.4", "mail is not held for so long" };

/* future-release-integer = %x31-39 *8DIGIT */
const struct msv_smtp_say *msv_smtp_read_holdfor(
    const struct msv_smtp *s, struct msv_span value, struct msv_smtp_params *out)
{
	uint64_t seconds = 0;

	if (!value.n || value.n > 9 || *value.p == '0')
		return &msv_smtp_bad_value;
	for (size_t i = 0; i < value.n; i++) {
		unsigned digit = (unsigned char)value.p[i] - '0';
		if (digit > 9)
			return &msv_smtp_bad_value;
		seconds = seconds * 10 + digit;
	}
	if (seconds > s->config.future_release_max_s)
		return &too_late;
	return keep("for;", value, msv_env_realtime(s->conn.env) + seconds * SECOND, out);
}

const struct msv_smtp_say *msv_smtp_read_holduntil(
    const struct msv_smtp *s, struct msv_span value, struct msv_smtp_params *out)
{
	static const struct msv_smtp_say past = { 501, "5.5.4", "that time is over" };
	int64_t until;

	if (!value.n || msv_timestamp_parse(value.p, value.n, &until))
		return &msv_smtp_bad_value;
	if (until < 0 || (uint64_t)until < now_s(s))
		return &past;
	if ((uint64_t)until > now_s(s) + s->config.future_release_max_s)
		return &too_late;
	return keep("until;", value, (uint64_t)until * SECOND, out);
}
