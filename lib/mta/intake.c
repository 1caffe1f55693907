/* The message as it comes: its header is looked at, and rewritten where own
 * addresses are to be others; all of it goes to the spool. */
#include "codec/casefold.h"
#include "mta/mta.h"

/* What is kept of a header field: enough for any address. */
#define FIELD_MAX         ((size_t)1024)
/* A header to be rewritten is held until it ends. */
#define HEADER_MAX        ((size_t)1 << 20)
/* More Delivered-To fields are not looked at: so many hops are a loop anyway. */
#define DELIVERED_TOS_MAX 100

/* Does this Delivered-To name recipients?  Then the message was delivered to
 * them before. */
static void look_for_loop(struct mta_transaction *t, const struct msv_span *value)
{
	if (t->delivered_tos++ >= DELIVERED_TOS_MAX)
		return;
	for (size_t i = 0; i < t->nrcpts; i++)
		if (msv_ascii_equals(value->p, value->n, t->rcpts[i].address))
			t->rcpts[i].loops = true;
	for (size_t i = 0; i < t->nleaves; i++)
		if (t->leaves[i].kind == MTA_LOCAL && t->leaves[i].forwarded &&
		    msv_ascii_equals(value->p, value->n, t->leaves[i].address))
			t->leaves[i].loops = true;
}

static void take_message_id(struct mta_transaction *t, const struct msv_span *value)
{
	t->has_message_id = true;
	if (!t->message_id)
		t->message_id = msv_strndup(t->env, value->p, value->n);
}

static int on_field(void *user, const struct msv_header_field *field)
{
	struct mta_transaction *t = user;
	if (msv_header_is(field, "Delivered-To"))
		look_for_loop(t, &field->value);
	else if (msv_header_is(field, "Date"))
		t->has_date = true;
	else if (msv_header_is(field, "Message-ID"))
		take_message_id(t, &field->value);
	else if (msv_header_is(field, "DKIM-Signature"))
		t->is_signed = true;
	return 0;
}

void msv_mta_intake_init(struct mta_transaction *t)
{
	msv_mta_spool_init(&t->spool, t->mta);
	msv_header_reader_init(&t->header, t->env, FIELD_MAX, on_field, t);
	msv_buf_init(&t->held, t->env);
}

/* Is there an octet beyond 127? */
static bool has_8bit(const unsigned char *p, size_t n)
{
	unsigned char all = 0;
	for (size_t i = 0; i < n; i++)
		all |= p[i];
	return all > 127;
}

static int keep(struct mta_transaction *t, const void *p, size_t n)
{
	if (t->leaves_remote && !t->body_8bit)
		t->body_8bit = has_8bit(p, n);
	return n ? msv_mta_spool_write(&t->spool, p, n) : 0;
}

/* The header is whole: with other addresses, or as it was. */
static int masquerade(struct mta_transaction *t)
{
	const struct msv_buf *held = &t->held;
	struct msv_buf out;
	msv_buf_init(&out, t->env);
	int rc =
	    msv_masquerade_header(&t->mta->masquerade, msv_buf_data(held), msv_buf_len(held), &out);
	if (rc == 1)
		rc = keep(t, msv_buf_data(&out), msv_buf_len(&out));
	else if (rc == 0)
		rc = keep(t, msv_buf_data(held), msv_buf_len(held));
	msv_buf_fini(&out);
	msv_buf_fini(&t->held);
	return rc;
}

/* n octets of a header to be rewritten, the last ones when it is over. */
static int hold(struct mta_transaction *t, const char *p, size_t n)
{
	if (msv_buf_len(&t->held) + n > HEADER_MAX) {
		msv_env_log(t->env, MSV_LOG_WARN,
		    "mta session=%s: refused, a header of more than 1 MiB is not masqueraded",
		    t->origin.session_id);
		return MSV_ERR_DENIED;
	}
	if (msv_buf_put(&t->held, p, n) != 0)
		return MSV_ERR_NOMEM;
	return t->header_over ? masquerade(t) : 0;
}

int msv_mta_intake(struct mta_transaction *t, const void *p, size_t n)
{
	size_t used = n;
	if (t->header_over)
		return keep(t, p, n);
	int got = msv_header_reader_push(&t->header, p, n, &used);
	if (got < 0)
		return got;
	t->header_over = got == 1;
	if (!t->masquerade)
		return keep(t, p, n);
	got = hold(t, p, used);
	return got ? got : keep(t, (const char *)p + used, n - used);
}

int msv_mta_intake_end(struct mta_transaction *t)
{
	if (t->header_over)
		return 0;
	if (msv_header_reader_end(&t->header) < 0)
		return MSV_ERR_NOMEM;
	t->header_over = true;
	return t->masquerade ? masquerade(t) : 0;
}

void msv_mta_intake_fini(struct mta_transaction *t)
{
	msv_header_reader_fini(&t->header);
	msv_buf_fini(&t->held);
}
