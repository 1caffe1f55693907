/* The message a notification is about: what is known of it, and the way it goes
 * back. */
#include <string.h>

#include "base/alloc.h"
#include "codec/utf8.h"
#include "message/dsn_parts.h"

enum {
	FIELD_MAX = 2000,     /* kept of a field's value */
	MESSAGE_ID_MAX = 250, /* one that is longer helps nobody */
	SUBJECT_MAX = 200,
};

/* -- Looking at it ---------------------------------------------------------------- */

/* "<left@right>" of printable ASCII (RFC 5322 3.6.4): it is written in a header. */
static bool is_message_id(struct msv_span id)
{
	if (id.n < 3 || id.n > MESSAGE_ID_MAX || id.p[0] != '<' || id.p[id.n - 1] != '>')
		return false;
	for (size_t i = 1; i < id.n - 1; i++)
		if (id.p[i] <= 32 || id.p[i] > 126 || id.p[i] == '<' || id.p[i] == '>')
			return false;
	return true;
}

static int keep_subject(struct msv_dsn_original *o, const struct msv_header_field *field)
{
	struct msv_buf decoded, clean;

	msv_buf_init(&decoded, o->env);
	msv_buf_init(&clean, o->env);
	int rc = msv_header_text(field, &decoded);
	if (rc == 0)
		rc = msv_dsn_clean(msv_buf_data(&decoded), msv_buf_len(&decoded), SUBJECT_MAX,
		    MSV_DSN_UTF8, &clean);
	if (rc == 0 && msv_buf_len(&clean) > 0) {
		o->subject = msv_strndup(o->env, msv_buf_data(&clean), msv_buf_len(&clean));
		rc = o->subject ? 0 : MSV_ERR_NOMEM;
	}
	msv_buf_fini(&decoded);
	msv_buf_fini(&clean);
	return rc;
}

static int on_field(void *user, const struct msv_header_field *field)
{
	struct msv_dsn_original *o = user;

	o->header_octets = field->start + field->len;
	if (!o->subject && msv_header_is(field, "Subject"))
		return keep_subject(o, field);
	if (!o->message_id && msv_header_is(field, "Message-ID") && is_message_id(field->value)) {
		o->message_id = msv_strndup(o->env, field->value.p, field->value.n);
		return o->message_id ? 0 : MSV_ERR_NOMEM;
	}
	return 0;
}

void msv_dsn_original_init(struct msv_dsn_original *o, struct msv_env *env)
{
	memset(o, 0, sizeof(*o));
	o->env = env;
	msv_header_reader_init(&o->reader, env, FIELD_MAX, on_field, o);
}

void msv_dsn_original_fini(struct msv_dsn_original *o)
{
	msv_header_reader_fini(&o->reader);
	msv_free(o->env, o->message_id);
	msv_free(o->env, o->subject);
}

/* Is the header UTF-8?  Characters may come in pieces. */
static void look_at_header(struct msv_dsn_original *o, const char *p, size_t n)
{
	uint32_t c;

	for (size_t i = 0; i < n; i++) {
		if (!(p[i] & 0x80) && !o->nheld)
			continue;
		o->header_8bit = true;
		o->held[o->nheld++] = p[i];
		int len = msv_utf8_get(o->held, o->nheld, &c);
		o->header_broken = o->header_broken || len < 0;
		if (len)
			o->nheld = 0;
	}
}

int msv_dsn_original_push(struct msv_dsn_original *o, const char *p, size_t n)
{
	size_t used = 0;

	o->octets += n;
	if (!o->header_over) {
		int rc = msv_header_reader_push(&o->reader, p, n, &used);
		if (rc < 0)
			return rc;
		o->header_over = rc == 1;
		look_at_header(o, p, used);
	}
	if (!o->body_8bit)
		o->body_8bit = !msv_ascii_only(p + used, n - used);
	return 0;
}

int msv_dsn_original_end(struct msv_dsn_original *o)
{
	if (o->header_over)
		return 0;
	o->header_over = true;
	o->header_broken = o->header_broken || o->nheld;
	return msv_header_reader_end(&o->reader);
}

/* -- Copying it ----------------------------------------------------------------------- */

void msv_dsn_copy_init(struct msv_dsn_copy *c, struct msv_env *env, bool qp)
{
	memset(c, 0, sizeof(*c));
	c->qp = qp;
	msv_buf_init(&c->lines, env);
}

void msv_dsn_copy_fini(struct msv_dsn_copy *c)
{
	msv_buf_fini(&c->lines);
}

/* Ends a line: what ends one in the message, and a CR that stands alone. */
static void end_line(struct msv_dsn_copy *c, struct msv_buf *out)
{
	msv_buf_put(out, "\r\n", 2);
	c->midline = c->cr = false;
}

/* Octets without a special one among them. */
static size_t plain_run(const char *p, size_t n)
{
	size_t i = 0;

	while (i < n && p[i] != '\r' && p[i] != '\n' && p[i] != '\0')
		i++;
	return i;
}

static void copy_lines(struct msv_dsn_copy *c, const char *p, size_t n, struct msv_buf *out)
{
	for (size_t i = 0; i < n; i++) {
		size_t run = plain_run(p + i, n - i);
		if (c->cr && (run || p[i] != '\n'))
			end_line(c, out);
		if (run) {
			msv_buf_put(out, p + i, run);
			c->midline = true;
			i += run;
		}
		if (i == n)
			break;
		if (p[i] == '\n')
			end_line(c, out);
		c->cr = p[i] == '\r';
	}
}

/* Hands on lines that are in order. */
static int put_lines(struct msv_dsn_copy *c, struct msv_buf *out)
{
	int rc = msv_buf_failed(&c->lines) ? MSV_ERR_NOMEM
	                                   : msv_qp_push(&c->encoder, msv_buf_data(&c->lines),
	                                         msv_buf_len(&c->lines), out);

	msv_buf_clear(&c->lines);
	return rc;
}

int msv_dsn_copy_push(struct msv_dsn_copy *c, const char *p, size_t n, struct msv_buf *out)
{
	copy_lines(c, p, n, c->qp ? &c->lines : out);
	if (c->qp)
		return put_lines(c, out);
	return msv_buf_failed(out) ? MSV_ERR_NOMEM : 0;
}

int msv_dsn_copy_end(struct msv_dsn_copy *c, struct msv_buf *out)
{
	struct msv_buf *to = c->qp ? &c->lines : out;

	if (c->midline || c->cr)
		end_line(c, to);
	if (c->qp)
		return put_lines(c, out);
	return msv_buf_failed(out) ? MSV_ERR_NOMEM : 0;
}
