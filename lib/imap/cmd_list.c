/* What mailboxes there are: LIST, LSUB (RFC 3501 6.3.8, 6.3.9) with the options of
 * RFC 6154, NAMESPACE (RFC 2342), STATUS (RFC 3501 6.3.10). */
#include "imap/imap.h"

#include <string.h>

/* -- LIST, LSUB ------------------------------------------------------------------------ */

struct list {
	bool lsub;
	bool only_special;
	struct imap_pattern pattern;
	struct imap_listing listing;
	size_t next; /* to be written */
	int error;
};

static void list_fini(struct imap_session *s, void *data)
{
	struct list *list = data;

	(void)s;
	msv_imap_listing_fini(&list->listing);
}

static void put_attributes(struct imap_session *s, const struct imap_listed *m, bool lsub)
{
	struct msv_buf *out = &s->conn.out;

	if (lsub) {
		if (m->implied)
			msv_buf_puts(out, "\\Noselect");
		return;
	}
	if (m->no_inferiors)
		msv_buf_puts(out, "\\Noinferiors");
	else
		msv_buf_puts(out, m->has_children ? "\\HasChildren" : "\\HasNoChildren");
	if (m->implied || !m->selectable)
		msv_buf_puts(out, " \\Noselect");
	msv_imap_put_special_uses(out, m->special_use);
}

static void put_separator(struct imap_session *s)
{
	msv_buf_putc(&s->conn.out, ' ');
	msv_imap_put_quoted(&s->conn.out, &s->store->separator, 1);
	msv_buf_putc(&s->conn.out, ' ');
}

static void put_listed(struct imap_session *s, const struct imap_listed *m, bool lsub)
{
	msv_buf_puts(&s->conn.out, lsub ? "* LSUB (" : "* LIST (");
	put_attributes(s, m, lsub);
	msv_buf_putc(&s->conn.out, ')');
	put_separator(s);
	msv_imap_put_mailbox(&s->conn.out, m->name);
	msv_buf_puts(&s->conn.out, "\r\n");
}

static bool wanted(struct list *list, const struct imap_listed *m)
{
	if (list->only_special && !m->special_use)
		return false;
	/* A parent nobody subscribed to is told where "%" hides its children. */
	if (list->lsub && m->implied &&
	    (!list->pattern.n || list->pattern.p[list->pattern.n - 1] != '%'))
		return false;
	return msv_imap_pattern_match(&list->pattern, m->name);
}

static enum imap_run write_list(struct imap_session *s)
{
	struct list *list = s->cmd.data;
	struct imap_listing *l = &list->listing;

	if (list->error)
		return msv_imap_no_error(s, list->error, false);
	for (; list->next < l->n; list->next++) {
		const struct imap_listed *m = &l->v[list->next];
		if (!msv_imap_room(s) ||
		    msv_imap_turn_over(s, (list->pattern.n + 1) * strlen(m->name)))
			return IMAP_WAIT;
		if (wanted(list, m))
			put_listed(s, m, list->lsub);
	}
	return msv_imap_ok(s, NULL);
}

static int list_row(struct imap_session *s, const void *row)
{
	const struct msv_list_entry *entry = row;
	struct list *list = s->cmd.data;

	if (list->lsub ? !entry->subscribed : !entry->exists)
		return 0;
	if (msv_imap_listing_add(&list->listing, entry))
		msv_imap_nomem(s);
	return 0;
}

static void listed(struct imap_session *s, int error, const void *result)
{
	struct list *list = s->cmd.data;

	(void)result;
	list->error = error;
	s->cmd.run = write_list;
	if (!error && msv_imap_listing_finish(&list->listing))
		msv_imap_nomem(s);
}

/* LIST "" "": the separator, and the root of the reference. */
static enum imap_run write_root(struct imap_session *s)
{
	msv_buf_puts(&s->conn.out, "* LIST (\\Noselect)");
	put_separator(s);
	msv_buf_puts(&s->conn.out, "\"\"\r\n");
	return msv_imap_ok(s, NULL);
}

/* A list of words, each of which `take` knows. */
static bool take_options(struct imap_session *s, bool (*take)(struct list *list, struct msv_span))
{
	struct imap_args *a = &s->cmd.args;
	struct msv_span word;

	if (!msv_imap_arg_char(a, '('))
		return false;
	if (msv_imap_arg_if(a, ')'))
		return true;
	do {
		if (!msv_imap_arg_atom(a, &word))
			return false;
		if (!take(s->cmd.data, word))
			return msv_imap_arg_fail(a, "Unknown LIST option");
	} while (msv_imap_arg_if(a, ' '));
	return msv_imap_arg_char(a, ')');
}

static bool take_selection(struct list *list, struct msv_span word)
{
	if (!msv_imap_is(word, "SPECIAL-USE"))
		return false;
	list->only_special = true;
	return true;
}

/* Both are in every answer. */
static bool take_return(struct list *list, struct msv_span word)
{
	(void)list;
	return msv_imap_is(word, "SPECIAL-USE") || msv_imap_is(word, "CHILDREN");
}

/* " RETURN (...)" */
static bool take_returns(struct imap_session *s, bool lsub)
{
	struct imap_args *a = &s->cmd.args;
	struct msv_span word;

	if (msv_imap_arg_at_end(a) || lsub)
		return msv_imap_arg_end(a);
	if (!msv_imap_arg_space(a) || !msv_imap_arg_atom(a, &word))
		return false;
	if (!msv_imap_is(word, "RETURN"))
		return msv_imap_arg_fail(a, "Unknown LIST option");
	return msv_imap_arg_space(a) && take_options(s, take_return) && msv_imap_arg_end(a);
}

/* Reference and pattern, put one behind the other. */
static bool take_pattern(struct imap_session *s, struct list *list, bool *root)
{
	struct imap_args *a = &s->cmd.args;
	struct msv_span reference, pattern;

	if (!msv_imap_arg_space(a))
		return false;
	if (!list->lsub && msv_imap_arg_peek(a) == '(' &&
	    (!take_options(s, take_selection) || !msv_imap_arg_space(a)))
		return false;
	if (!msv_imap_arg_astring(a, &reference) ||
	    !msv_imap_decode_name(s, reference, &reference) || !msv_imap_arg_space(a) ||
	    !msv_imap_arg_list_mailbox(a, &pattern) || !msv_imap_decode_name(s, pattern, &pattern))
		return false;
	*root = !pattern.n && !list->lsub;
	char *whole = msv_arena_alloc(&s->cmd.arena, reference.n + pattern.n + 1);
	if (!whole)
		return msv_imap_arg_nomem(a);
	memcpy(whole, reference.p, reference.n);
	memcpy(whole + reference.n, pattern.p, pattern.n);
	return !msv_imap_pattern_init(s, &list->pattern, whole, reference.n + pattern.n) ||
	       msv_imap_arg_nomem(a);
}

static enum imap_run run_list(struct imap_session *s, bool lsub)
{
	struct list *list = msv_imap_data(s, sizeof(*list), list_fini);
	bool root;

	if (!list)
		return IMAP_WAIT;
	list->lsub = lsub;
	msv_imap_listing_init(&list->listing, s);
	if (!take_pattern(s, list, &root) || !take_returns(s, lsub))
		return msv_imap_bad_args(s);
	if (root)
		return write_root(s);
	struct msv_op *op = msv_imap_ask_rows(s, listed, list_row);
	if (op)
		s->store->list(s->store->self, &s->actor, (struct msv_list_op){ op });
	return IMAP_WAIT;
}

enum imap_run msv_imap_run_list(struct imap_session *s)
{
	return run_list(s, false);
}

enum imap_run msv_imap_run_lsub(struct imap_session *s)
{
	return run_list(s, true);
}

/* -- NAMESPACE --------------------------------------------------------------------------- */

enum imap_run msv_imap_run_namespace(struct imap_session *s)
{
	const char *prefix = s->store->prefix ? s->store->prefix : "";

	if (!msv_imap_arg_end(&s->cmd.args))
		return msv_imap_bad_args(s);
	msv_buf_puts(&s->conn.out, "* NAMESPACE ((");
	msv_imap_put_quoted(&s->conn.out, prefix, strlen(prefix));
	msv_buf_putc(&s->conn.out, ' ');
	msv_imap_put_quoted(&s->conn.out, &s->store->separator, 1);
	msv_buf_puts(&s->conn.out, ")) NIL NIL\r\n");
	return msv_imap_ok(s, NULL);
}

/* -- STATUS ------------------------------------------------------------------------------ */

static const struct {
	const char *name;
	size_t offset;
} status_items[] = {
	{ "MESSAGES", offsetof(struct msv_mailbox_status, messages) },
	{ "RECENT", offsetof(struct msv_mailbox_status, recent) },
	{ "UIDNEXT", offsetof(struct msv_mailbox_status, uidnext) },
	{ "UIDVALIDITY", offsetof(struct msv_mailbox_status, uidvalidity) },
	{ "UNSEEN", offsetof(struct msv_mailbox_status, unseen) },
};
enum { STATUS_ITEMS = sizeof(status_items) / sizeof(*status_items), STATUS_ITEMS_MAX = 32 };

struct status {
	const char *mailbox;
	unsigned char items[STATUS_ITEMS_MAX];
	size_t n;
	struct msv_mailbox_status status;
	int error;
};

static enum imap_run write_status(struct imap_session *s)
{
	struct status *status = s->cmd.data;
	struct msv_buf *out = &s->conn.out;

	if (status->error)
		return msv_imap_no_error(s, status->error, false);
	msv_buf_puts(out, "* STATUS ");
	msv_imap_put_mailbox(out, status->mailbox);
	for (size_t i = 0; i < status->n; i++) {
		uint32_t value;
		size_t offset = status_items[status->items[i]].offset;
		memcpy(&value, (const char *)&status->status + offset, sizeof(value));
		msv_buf_printf(
		    out, "%s%s %u", i ? " " : " (", status_items[status->items[i]].name, value);
	}
	msv_buf_puts(out, ")\r\n");
	return msv_imap_ok(s, NULL);
}

static void status_answered(struct imap_session *s, int error, const void *result)
{
	struct status *status = s->cmd.data;

	status->error = error;
	if (!error)
		memcpy(&status->status, result, sizeof(status->status));
	s->cmd.run = write_status;
}

static bool take_status_item(struct imap_session *s, struct status *status)
{
	struct imap_args *a = &s->cmd.args;
	struct msv_span word;

	if (!msv_imap_arg_atom(a, &word))
		return false;
	if (status->n == STATUS_ITEMS_MAX)
		return msv_imap_arg_fail(a, "Too many STATUS items");
	for (size_t i = 0; i < STATUS_ITEMS; i++) {
		if (msv_imap_is(word, status_items[i].name)) {
			status->items[status->n++] = (unsigned char)i;
			return true;
		}
	}
	return msv_imap_arg_fail(a, "Unknown STATUS item");
}

static bool take_status(struct imap_session *s, struct status *status)
{
	struct imap_args *a = &s->cmd.args;

	if (!msv_imap_arg_space(a) || !msv_imap_arg_mailbox(s, &status->mailbox) ||
	    !msv_imap_arg_space(a) || !msv_imap_arg_char(a, '('))
		return false;
	do {
		if (!take_status_item(s, status))
			return false;
	} while (msv_imap_arg_if(a, ' '));
	return msv_imap_arg_char(a, ')') && msv_imap_arg_end(a);
}

enum imap_run msv_imap_run_status(struct imap_session *s)
{
	struct status *status = msv_imap_data(s, sizeof(*status), NULL);

	if (!status)
		return IMAP_WAIT;
	if (!take_status(s, status))
		return msv_imap_bad_args(s);
	struct msv_op *op = msv_imap_ask(s, status_answered);
	if (op)
		s->store->status(
		    s->store->self, &s->actor, status->mailbox, (struct msv_status_op){ op });
	return IMAP_WAIT;
}
