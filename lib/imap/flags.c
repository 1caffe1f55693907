/* Flags and keywords (RFC 3501 2.3.2): their names on the wire. */
#include "imap/imap.h"

#include <string.h>

#include "codec/casefold.h"

static const struct {
	const char *name;
	uint32_t flag;
} system_flags[] = {
	{ "\\Answered", MSV_FLAG_ANSWERED },
	{ "\\Flagged", MSV_FLAG_FLAGGED },
	{ "\\Deleted", MSV_FLAG_DELETED },
	{ "\\Seen", MSV_FLAG_SEEN },
	{ "\\Draft", MSV_FLAG_DRAFT },
};
enum { SYSTEM_FLAGS = sizeof(system_flags) / sizeof(*system_flags) };

/* RFC 5788; Maildir has a letter of its own for it. */
const char msv_imap_passed[] = "$Forwarded";

bool msv_imap_is_passed(struct msv_span name)
{
	return msv_imap_is(name, msv_imap_passed);
}

/* -- Reading ----------------------------------------------------------------------- */

static bool take_keyword(struct imap_session *s, struct msv_span name, struct imap_flags *out)
{
	if (msv_imap_is_passed(name)) {
		out->flags |= MSV_FLAG_PASSED;
		return true;
	}
	for (size_t i = 0; i < out->nkeywords; i++) {
		if (msv_imap_is(name, out->keywords[i]))
			return true;
	}
	if (out->nkeywords == IMAP_KEYWORDS_MAX) {
		s->cmd.args.code = "LIMIT";
		return msv_imap_arg_fail(&s->cmd.args, "Too many keywords");
	}
	char *keyword = msv_arena_strndup(&s->cmd.arena, name.p, name.n);
	if (!keyword)
		return msv_imap_arg_nomem(&s->cmd.args);
	out->keywords[out->nkeywords++] = keyword;
	return true;
}

static bool take_flag(struct imap_session *s, struct imap_flags *out)
{
	struct imap_args *a = &s->cmd.args;
	struct msv_span name;

	if (!msv_imap_arg_flag(a, &name))
		return false;
	if (name.p[0] != '\\')
		return take_keyword(s, name, out);
	for (size_t i = 0; i < SYSTEM_FLAGS; i++) {
		if (msv_imap_is(name, system_flags[i].name)) {
			out->flags |= system_flags[i].flag;
			return true;
		}
	}
	return msv_imap_arg_fail(a, "There is no such flag to set");
}

bool msv_imap_arg_flags(struct imap_session *s, bool bare, struct imap_flags *out)
{
	struct imap_args *a = &s->cmd.args;
	bool list = !bare || msv_imap_arg_peek(a) == '(';

	memset(out, 0, sizeof(*out));
	if (list && (!msv_imap_arg_char(a, '(') || msv_imap_arg_if(a, ')')))
		return !a->error;
	do {
		if (!take_flag(s, out))
			return false;
	} while (msv_imap_arg_if(a, ' '));
	return !list || msv_imap_arg_char(a, ')');
}

uint64_t msv_imap_keyword_bit(struct imap_session *s, struct msv_span name)
{
	for (unsigned i = 0; i < 64; i++) {
		const char *keyword = s->store->keyword(s->store->self, s->view.mailbox, i);
		if (keyword && msv_imap_is(name, keyword))
			return UINT64_C(1) << i;
	}
	return 0;
}

/* -- Writing ----------------------------------------------------------------------- */

/* Names one after another, a space between. */
struct names {
	struct msv_buf *out;
	bool any;
};

static void put_name(struct names *names, const char *name)
{
	if (names->any)
		msv_buf_putc(names->out, ' ');
	names->any = true;
	msv_buf_puts(names->out, name);
}

static void put_system_flags(struct names *names, uint32_t flags)
{
	for (size_t i = 0; i < SYSTEM_FLAGS; i++) {
		if (flags & system_flags[i].flag)
			put_name(names, system_flags[i].name);
	}
	if (flags & MSV_FLAG_RECENT)
		put_name(names, "\\Recent");
	if (flags & MSV_FLAG_PASSED)
		put_name(names, msv_imap_passed);
}

static void put_keywords(struct imap_session *s, struct names *names, uint64_t keywords)
{
	for (unsigned i = 0; keywords >> i; i++) {
		const char *name = NULL;
		if (keywords >> i & 1)
			name = s->store->keyword(s->store->self, s->view.mailbox, i);
		if (name)
			put_name(names, name);
		if (i == 63)
			break;
	}
}

void msv_imap_put_flags(struct imap_session *s, uint32_t flags, uint64_t keywords)
{
	struct names names = { .out = &s->conn.out };

	msv_buf_putc(names.out, '(');
	put_system_flags(&names, flags);
	put_keywords(s, &names, keywords);
	msv_buf_putc(names.out, ')');
}

static uint64_t named_keywords(struct imap_session *s)
{
	uint64_t all = 0;

	for (unsigned i = 0; i < 64; i++) {
		if (s->store->keyword(s->store->self, s->view.mailbox, i))
			all |= UINT64_C(1) << i;
	}
	return all;
}

void msv_imap_put_mailbox_flags(struct imap_session *s)
{
	const uint32_t system = MSV_FLAG_SEEN | MSV_FLAG_ANSWERED | MSV_FLAG_FLAGGED |
	                        MSV_FLAG_DELETED | MSV_FLAG_DRAFT;
	struct imap_view *view = &s->view;
	uint32_t permanent = view->readonly ? 0 : view->permanent_flags;
	struct names names = { .out = &s->conn.out };

	view->keywords = named_keywords(s);
	msv_buf_puts(names.out, "* FLAGS ");
	msv_imap_put_flags(s, system | (view->permanent_flags & MSV_FLAG_PASSED), view->keywords);
	msv_buf_puts(names.out, "\r\n* OK [PERMANENTFLAGS (");
	put_system_flags(&names, permanent & ~(uint32_t)MSV_FLAG_RECENT);
	if (!view->readonly)
		put_keywords(s, &names, view->keywords);
	if (!view->readonly && view->can_create_keywords)
		put_name(&names, "\\*");
	msv_buf_puts(
	    names.out, view->readonly ? ")] Read-only mailbox\r\n" : ")] These flags are kept\r\n");
}
