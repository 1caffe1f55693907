/* Commands of any state: CAPABILITY, NOOP, LOGOUT (RFC 3501 6.1), ID (RFC 2971). */
#include "imap/imap.h"

#include <string.h>

enum imap_run msv_imap_run_capability(struct imap_session *s)
{
	if (!msv_imap_arg_end(&s->cmd.args))
		return msv_imap_bad_args(s);
	msv_buf_puts(&s->conn.out, "* ");
	msv_imap_put_capability(s, &s->conn.out);
	msv_buf_puts(&s->conn.out, "\r\n");
	return msv_imap_ok(s, NULL);
}

enum imap_run msv_imap_run_noop(struct imap_session *s)
{
	if (!msv_imap_arg_end(&s->cmd.args))
		return msv_imap_bad_args(s);
	return msv_imap_ok(s, NULL);
}

enum imap_run msv_imap_run_logout(struct imap_session *s)
{
	if (!msv_imap_arg_end(&s->cmd.args))
		return msv_imap_bad_args(s);
	msv_imap_untagged(s, "BYE Logging out");
	msv_buf_printf(&s->conn.out, "%s OK LOGOUT completed\r\n", s->cmd.tag);
	msv_conn_end(&s->conn);
	return IMAP_WAIT;
}

/* -- ID ------------------------------------------------------------------------------ */

enum { ID_FIELDS_MAX = 30, ID_NAME_MAX = 30, ID_VALUE_MAX = 1024 };

/* One "name" value pair; name and version are noted for the log. */
static bool take_id_pair(struct imap_session *s, struct msv_span *name, struct msv_span *version)
{
	struct imap_args *a = &s->cmd.args;
	struct msv_span field, value;

	if (!msv_imap_arg_string(a, &field) || !msv_imap_arg_space(a) ||
	    !msv_imap_arg_nstring(a, &value))
		return false;
	if (field.n > ID_NAME_MAX || value.n > ID_VALUE_MAX)
		return msv_imap_arg_fail(a, "An ID field is too long");
	if (msv_imap_is(field, "name"))
		*name = value;
	else if (msv_imap_is(field, "version"))
		*version = value;
	return true;
}

static bool take_id(struct imap_session *s, struct msv_span *name, struct msv_span *version)
{
	struct imap_args *a = &s->cmd.args;
	struct msv_span nil;
	unsigned fields = 0;

	if (!msv_imap_arg_if(a, '('))
		return msv_imap_arg_nstring(a, &nil) && !nil.p;
	if (msv_imap_arg_if(a, ')'))
		return true;
	do {
		if (++fields > ID_FIELDS_MAX)
			return msv_imap_arg_fail(a, "Too many ID fields");
		if (!take_id_pair(s, name, version))
			return false;
	} while (msv_imap_arg_if(a, ' '));
	return msv_imap_arg_char(a, ')');
}

static void put_id(struct imap_session *s)
{
	const struct msv_imap_config *c = &s->config;
	struct msv_buf *out = &s->conn.out;

	msv_buf_puts(out, "* ID (\"name\" ");
	msv_imap_put_quoted(out, c->id_name, strlen(c->id_name));
	if (c->id_version) {
		msv_buf_puts(out, " \"version\" ");
		msv_imap_put_quoted(out, c->id_version, strlen(c->id_version));
	}
	msv_buf_puts(out, ")\r\n");
}

enum imap_run msv_imap_run_id(struct imap_session *s)
{
	struct imap_args *a = &s->cmd.args;
	struct msv_span name = { "", 0 }, version = { "", 0 };

	if (!msv_imap_arg_space(a) || !take_id(s, &name, &version) || !msv_imap_arg_end(a))
		return msv_imap_bad_args(s);
	if (name.n)
		msv_conn_log(&s->conn, MSV_LOG_DEBUG, "client %.*s %.*s", (int)name.n, name.p,
		    (int)version.n, version.p ? version.p : "");
	put_id(s);
	return msv_imap_ok(s, NULL);
}
