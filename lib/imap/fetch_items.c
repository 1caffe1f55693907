/* The items of FETCH (RFC 3501 6.4.5): one table. */
#include "imap/imap.h"

#include <inttypes.h>
#include <string.h>

#include "codec/date.h"
#include "message/bodystructure.h"
#include "message/envelope.h"

/* -- Writing: name and value --------------------------------------------------------- */

static int write_flags(
    struct imap_session *s, struct imap_fetch *f, const struct imap_fetch_item *item)
{
	struct imap_message *m = msv_imap_view_at(&s->view, f->seq);

	(void)item;
	msv_buf_puts(&s->conn.out, "FLAGS ");
	msv_imap_put_flags(s, m->flags, m->keywords);
	msv_imap_view_unmark(&s->view, m, IMAP_CHANGED);
	return 1;
}

static int write_uid(
    struct imap_session *s, struct imap_fetch *f, const struct imap_fetch_item *item)
{
	(void)item;
	msv_buf_printf(&s->conn.out, "UID %u", f->uid);
	return 1;
}

static int write_size(
    struct imap_session *s, struct imap_fetch *f, const struct imap_fetch_item *item)
{
	(void)item;
	msv_buf_printf(&s->conn.out, "RFC822.SIZE %" PRIu64, f->row->octets);
	return 1;
}

static int write_date(
    struct imap_session *s, struct imap_fetch *f, const struct imap_fetch_item *item)
{
	struct msv_date date = { .time = f->row->internal_date };
	char text[MSV_DATE_SIZE];

	(void)item;
	msv_imap_datetime_write(&date, text);
	msv_buf_printf(&s->conn.out, "INTERNALDATE \"%s\"", text);
	return 1;
}

static int write_envelope(
    struct imap_session *s, struct imap_fetch *f, const struct imap_fetch_item *item)
{
	(void)f;
	(void)item;
	msv_buf_puts(&s->conn.out, "ENVELOPE ");
	return msv_envelope_write(s->content.mime->root->envelope, &s->conn.out) ? -1 : 1;
}

static int write_structure(
    struct imap_session *s, struct imap_fetch *f, const struct imap_fetch_item *item)
{
	bool extended = item->def->name[4] != '\0'; /* BODYSTRUCTURE, not BODY */

	(void)f;
	msv_buf_printf(&s->conn.out, "%s ", item->def->name);
	return msv_bodystructure_write(s->content.mime, extended, &s->conn.out) ? -1 : 1;
}

/* BODY[...] and the RFC822 names: the name, then the section as it can be read. */
static int write_section(
    struct imap_session *s, struct imap_fetch *f, const struct imap_fetch_item *item)
{
	if (!f->began) {
		f->began = true;
		if (item->def->name[0] == 'B') {
			msv_buf_puts(&s->conn.out, "BODY");
			msv_imap_put_section(&s->conn.out, &item->section);
		} else {
			msv_buf_puts(&s->conn.out, item->def->name);
		}
		msv_buf_putc(&s->conn.out, ' ');
		msv_imap_section_start(s, &f->out, &item->section);
	}
	int verdict = msv_imap_section_write(s, &f->out);
	if (verdict)
		msv_imap_section_fini(&f->out);
	return verdict;
}

/* -- The table ------------------------------------------------------------------------- */

static const struct imap_fetch_def items[] = {
	{ "FLAGS", IMAP_SHOWS_FLAGS, write_flags, IMAP_SECTION_NONE },
	{ "UID", 0, write_uid, IMAP_SECTION_NONE },
	{ "INTERNALDATE", IMAP_NEEDS_DATES, write_date, IMAP_SECTION_NONE },
	{ "RFC822.SIZE", IMAP_NEEDS_OCTETS, write_size, IMAP_SECTION_NONE },
	{ "ENVELOPE", IMAP_NEEDS_HEADER, write_envelope, IMAP_SECTION_NONE },
	{ "BODYSTRUCTURE", IMAP_NEEDS_TREE, write_structure, IMAP_SECTION_NONE },
	{ "BODY", IMAP_NEEDS_TREE, write_structure, IMAP_SECTION_NONE },
	{ "BODY[", IMAP_SETS_SEEN, write_section, IMAP_SECTION_GIVEN },
	{ "BODY.PEEK[", 0, write_section, IMAP_SECTION_GIVEN },
	{ "RFC822", IMAP_SETS_SEEN, write_section, IMAP_SECTION_ALL },
	{ "RFC822.HEADER", 0, write_section, IMAP_SECTION_HEADER },
	{ "RFC822.TEXT", IMAP_SETS_SEEN, write_section, IMAP_SECTION_TEXT },
};

/* Names that mean several items. */
static const struct {
	const char *name;
	const char *items[6];
} macros[] = {
	{ "FAST", { "FLAGS", "INTERNALDATE", "RFC822.SIZE" } },
	{ "ALL", { "FLAGS", "INTERNALDATE", "RFC822.SIZE", "ENVELOPE" } },
	{ "FULL", { "FLAGS", "INTERNALDATE", "RFC822.SIZE", "ENVELOPE", "BODY" } },
};

static const struct imap_fetch_def *find(struct msv_span name)
{
	for (size_t i = 0; i < sizeof(items) / sizeof(*items); i++) {
		if (msv_imap_is(name, items[i].name))
			return &items[i];
	}
	return NULL;
}

/* -- Reading ------------------------------------------------------------------------------ */

static bool is_there(const struct imap_fetch *f, const struct imap_fetch_def *def)
{
	for (size_t i = 0; i < f->nitems; i++) {
		if (f->items[i].def == def)
			return true;
	}
	return false;
}

/* Adds an item; one without a section once only. */
static bool add(struct imap_session *s, struct imap_fetch *f, const struct imap_fetch_item *item)
{
	if (item->def->part == IMAP_SECTION_NONE && is_there(f, item->def))
		return true;
	if (f->nitems == IMAP_FETCH_ITEMS_MAX)
		return msv_imap_arg_fail(&s->cmd.args, "Too many FETCH items");
	if (msv_grow(s->conn.env, &f->items, &f->cap, f->nitems + 1, sizeof(*f->items)))
		return msv_imap_arg_nomem(&s->cmd.args);
	f->items[f->nitems++] = *item;
	f->needs |= item->def->needs;
	if (item->def->part != IMAP_SECTION_NONE)
		f->needs |= msv_imap_section_needs(&item->section);
	return true;
}

bool msv_imap_fetch_add(struct imap_session *s, struct imap_fetch *f, const char *name)
{
	struct imap_fetch_item item = { .def = find((struct msv_span){ name, strlen(name) }) };

	return add(s, f, &item);
}

/* A name, up to a "[" that belongs to it. */
static struct msv_span take_name(struct imap_args *a)
{
	const char *start = a->p;

	while (a->p < a->end && *a->p != ' ' && *a->p != ')' && *a->p != '[')
		a->p++;
	msv_imap_arg_if(a, '[');
	return (struct msv_span){ start, (size_t)(a->p - start) };
}

static bool take_item(struct imap_session *s, struct imap_fetch *f)
{
	struct imap_fetch_item item = { .def = find(take_name(&s->cmd.args)) };

	if (!item.def)
		return msv_imap_arg_fail(&s->cmd.args, "Unknown FETCH item");
	if (item.def->part != IMAP_SECTION_GIVEN && item.def->part != IMAP_SECTION_NONE)
		item.section.part = item.def->part;
	if (item.def->part == IMAP_SECTION_GIVEN && !msv_imap_arg_section(s, &item.section))
		return false;
	return add(s, f, &item);
}

/* A macro stands alone; 1: it was one, 0: it was none, -1: no memory. */
static int take_macro(struct imap_session *s, struct imap_fetch *f)
{
	struct imap_args *a = &s->cmd.args;
	const char *start = a->p;
	struct msv_span name = take_name(a);

	for (size_t i = 0; i < sizeof(macros) / sizeof(*macros); i++) {
		if (!msv_imap_is(name, macros[i].name))
			continue;
		for (const char *const *item = macros[i].items; *item; item++) {
			if (!msv_imap_fetch_add(s, f, *item))
				return -1;
		}
		return 1;
	}
	a->p = start;
	return 0;
}

bool msv_imap_arg_fetch_items(struct imap_session *s, struct imap_fetch *f)
{
	struct imap_args *a = &s->cmd.args;

	if (!msv_imap_arg_if(a, '(')) {
		int macro = take_macro(s, f);
		return macro > 0 || (!macro && take_item(s, f));
	}
	do {
		if (!take_item(s, f))
			return false;
	} while (msv_imap_arg_if(a, ' '));
	return msv_imap_arg_char(a, ')');
}
