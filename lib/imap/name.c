/* Mailbox names: modified UTF-7 on the wire (RFC 3501 5.1.3), UTF-8 within. */
#include "imap/imap.h"

#include <string.h>

#include "codec/casefold.h"
#include "codec/mutf7.h"

bool msv_imap_decode_name(struct imap_session *s, struct msv_span wire, struct msv_span *out)
{
	struct imap_args *a = &s->cmd.args;
	struct msv_buf name;

	msv_buf_init(&name, s->conn.env);
	int error = msv_mutf7_decode(wire.p, wire.n, &name);
	if (!error) {
		out->n = msv_buf_len(&name);
		out->p = msv_arena_strndup(&s->cmd.arena, msv_buf_data(&name), out->n);
		if (!out->p)
			error = MSV_ERR_NOMEM;
	}
	msv_buf_fini(&name);
	if (error == MSV_ERR_NOMEM)
		return msv_imap_arg_nomem(a);
	if (error)
		a->code = "CANNOT";
	return !error || msv_imap_arg_fail(a, "The mailbox name is not valid modified UTF-7");
}

/* INBOX is INBOX in any case (RFC 3501 5.1), also as the first level. */
static void capitalize_inbox(char *name, char separator)
{
	if (msv_ascii_equal(name, strnlen(name, 5), "INBOX", 5) &&
	    (!name[5] || name[5] == separator))
		memcpy(name, "INBOX", 5);
}

static bool take_mailbox(struct imap_session *s, bool creating, const char **out)
{
	struct imap_args *a = &s->cmd.args;
	struct msv_span wire, name;

	if (!msv_imap_arg_astring(a, &wire) || !msv_imap_decode_name(s, wire, &name))
		return false;
	char *text = msv_arena_strndup(&s->cmd.arena, name.p, name.n);
	if (!text)
		return msv_imap_arg_nomem(a);
	if (creating && name.n > 1 && text[name.n - 1] == s->store->separator)
		text[name.n - 1] = '\0';
	capitalize_inbox(text, s->store->separator);
	*out = text;
	if (msv_mailbox_name_valid(text, s->store->separator))
		return true;
	a->code = "CANNOT";
	return msv_imap_arg_fail(a, "No mailbox can have such a name");
}

bool msv_imap_arg_mailbox(struct imap_session *s, const char **out)
{
	return take_mailbox(s, false, out);
}

bool msv_imap_arg_new_mailbox(struct imap_session *s, const char **out)
{
	return take_mailbox(s, true, out);
}

void msv_imap_put_mailbox(struct msv_buf *out, const char *name)
{
	struct msv_buf wire;

	msv_buf_init(&wire, out->env);
	if (msv_mutf7_encode(name, strlen(name), &wire) == MSV_ERR_NOMEM)
		out->failed = true;
	msv_imap_put_astring(out, msv_buf_data(&wire), msv_buf_len(&wire));
	msv_buf_fini(&wire);
}
