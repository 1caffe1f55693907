/* BODY[section]<partial> (RFC 3501 6.4.5): its syntax. */
#include "imap/imap.h"

#include <inttypes.h>
#include <string.h>

static const struct {
	const char *name;
	enum imap_section_part part;
} parts[] = {
	{ "HEADER", IMAP_SECTION_HEADER },
	{ "HEADER.FIELDS", IMAP_SECTION_FIELDS },
	{ "HEADER.FIELDS.NOT", IMAP_SECTION_FIELDS_NOT },
	{ "TEXT", IMAP_SECTION_TEXT },
	{ "MIME", IMAP_SECTION_MIME },
};
enum { PARTS = sizeof(parts) / sizeof(*parts), NAMES_MAX = 1024 };

/* -- Reading --------------------------------------------------------------------------- */

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

/* "1.2", and the dot behind it when a word follows. */
static bool take_path(struct imap_session *s, struct imap_section *out)
{
	struct imap_args *a = &s->cmd.args;
	uint32_t path[IMAP_PATH_MAX];
	uint64_t number;

	while (is_digit(msv_imap_arg_peek(a))) {
		if (out->npath == IMAP_PATH_MAX)
			return msv_imap_arg_fail(a, "A part number is too long");
		if (!msv_imap_arg_number(a, UINT32_MAX, &number) || !number)
			return msv_imap_arg_fail(a, "Invalid part number");
		path[out->npath++] = (uint32_t)number;
		if (!msv_imap_arg_if(a, '.'))
			break;
		if (msv_imap_arg_peek(a) == ']')
			return msv_imap_arg_fail(a, "Invalid part number");
	}
	if (!out->npath)
		return true;
	out->path = msv_arena_alloc(&s->cmd.arena, out->npath * sizeof(*path));
	if (!out->path)
		return msv_imap_arg_nomem(a);
	memcpy(out->path, path, out->npath * sizeof(*path));
	return true;
}

static bool is_word(char c)
{
	return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || c == '.';
}

static bool take_part(struct imap_session *s, struct imap_section *out)
{
	struct imap_args *a = &s->cmd.args;
	const char *start = a->p;

	while (is_word(msv_imap_arg_peek(a)))
		a->p++;
	struct msv_span word = { start, (size_t)(a->p - start) };
	for (size_t i = 0; i < PARTS; i++) {
		if (!msv_imap_is(word, parts[i].name))
			continue;
		out->part = parts[i].part;
		if (out->part == IMAP_SECTION_MIME && !out->npath)
			return msv_imap_arg_fail(a, "MIME stands behind a part number");
		return true;
	}
	return msv_imap_arg_fail(a, "Unknown section");
}

/* Makes room for one more name: the array in the arena doubles. */
static bool grow_names(struct imap_session *s, struct imap_section *out)
{
	size_t n = out->nnames;

	if (n == NAMES_MAX)
		return msv_imap_arg_fail(&s->cmd.args, "Too many header fields");
	if (n & (n - 1) || n == 1)
		return true;
	struct msv_span *names = msv_arena_alloc(&s->cmd.arena, (n ? 2 * n : 2) * sizeof(*names));
	if (!names)
		return msv_imap_arg_nomem(&s->cmd.args);
	if (n)
		memcpy(names, out->names, n * sizeof(*names));
	out->names = names;
	return true;
}

/* The filter wants them sorted; the answer repeats them as they were asked for. */
static bool sort_names(struct imap_session *s, struct imap_section *out)
{
	out->sorted = msv_arena_alloc(&s->cmd.arena, out->nnames * sizeof(*out->sorted));
	if (!out->sorted)
		return msv_imap_arg_nomem(&s->cmd.args);
	memcpy(out->sorted, out->names, out->nnames * sizeof(*out->sorted));
	msv_header_names_sort(out->sorted, out->nnames);
	return true;
}

/* " (name name)" */
static bool take_names(struct imap_session *s, struct imap_section *out)
{
	struct imap_args *a = &s->cmd.args;

	if (!msv_imap_arg_space(a) || !msv_imap_arg_char(a, '('))
		return false;
	do {
		if (!grow_names(s, out) || !msv_imap_arg_astring(a, &out->names[out->nnames]))
			return false;
		out->nnames++;
	} while (msv_imap_arg_if(a, ' '));
	return msv_imap_arg_char(a, ')') && sort_names(s, out);
}

static bool take_partial(struct imap_args *a, struct imap_section *out)
{
	out->partial = msv_imap_arg_if(a, '<');
	if (!out->partial)
		return true;
	if (!msv_imap_arg_number(a, UINT32_MAX, &out->first) || !msv_imap_arg_char(a, '.') ||
	    !msv_imap_arg_number(a, UINT32_MAX, &out->count) || !msv_imap_arg_char(a, '>'))
		return false;
	return out->count || msv_imap_arg_fail(a, "A partial fetch of nothing");
}

static bool names_fields(const struct imap_section *section)
{
	return section->part == IMAP_SECTION_FIELDS || section->part == IMAP_SECTION_FIELDS_NOT;
}

bool msv_imap_arg_section(struct imap_session *s, struct imap_section *out)
{
	struct imap_args *a = &s->cmd.args;

	if (!take_path(s, out))
		return false;
	if (msv_imap_arg_peek(a) != ']' && !take_part(s, out))
		return false;
	if (names_fields(out) && !take_names(s, out))
		return false;
	return msv_imap_arg_char(a, ']') && take_partial(a, out);
}

/* -- Writing --------------------------------------------------------------------------- */

static void put_names(struct msv_buf *out, const struct imap_section *section)
{
	for (size_t i = 0; i < section->nnames; i++) {
		msv_buf_puts(out, i ? " " : " (");
		msv_imap_put_astring(out, section->names[i].p, section->names[i].n);
	}
	msv_buf_putc(out, ')');
}

void msv_imap_put_section(struct msv_buf *out, const struct imap_section *section)
{
	msv_buf_putc(out, '[');
	for (size_t i = 0; i < section->npath; i++)
		msv_buf_printf(out, "%s%u", i ? "." : "", section->path[i]);
	for (size_t i = 0; i < PARTS; i++) {
		if (parts[i].part == section->part)
			msv_buf_printf(out, "%s%s", section->npath ? "." : "", parts[i].name);
	}
	if (names_fields(section))
		put_names(out, section);
	msv_buf_putc(out, ']');
	if (section->partial)
		msv_buf_printf(out, "<%" PRIu64 ">", section->first);
}

unsigned msv_imap_section_needs(const struct imap_section *section)
{
	if (section->npath)
		return IMAP_NEEDS_CONTENT | IMAP_NEEDS_TREE;
	if (section->part == IMAP_SECTION_HEADER || section->part == IMAP_SECTION_TEXT)
		return IMAP_NEEDS_CONTENT | IMAP_NEEDS_HEADER;
	return IMAP_NEEDS_CONTENT;
}
