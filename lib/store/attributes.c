#include "store/attributes.h"

#include <mailserv/store.h>

#include <string.h>

static const char header[] = "mailserv-attributes 1\n";
static const char uidvalidity_key[] = "uidvalidity ";
static const char use_key[] = "use ";

static const struct {
	const char *name;
	uint32_t use;
} uses[] = {
	{ "\\All", MSV_USE_ALL },
	{ "\\Archive", MSV_USE_ARCHIVE },
	{ "\\Drafts", MSV_USE_DRAFTS },
	{ "\\Flagged", MSV_USE_FLAGGED },
	{ "\\Junk", MSV_USE_JUNK },
	{ "\\Sent", MSV_USE_SENT },
	{ "\\Trash", MSV_USE_TRASH },
	{ "\\Important", MSV_USE_IMPORTANT },
};

enum { NUSES = sizeof(uses) / sizeof(uses[0]) };

/* -- Reading ------------------------------------------------------------------------- */

/* Takes the next line, without its newline, from *file; false at the end. */
static bool next_line(struct msv_span *file, struct msv_span *line)
{
	const char *newline;

	if (!file->n)
		return false;
	newline = memchr(file->p, '\n', file->n);
	*line = (struct msv_span){ file->p, newline ? (size_t)(newline - file->p) : file->n };
	file->p += line->n + (newline != NULL);
	file->n -= line->n + (newline != NULL);
	return true;
}

/* Takes a word off the begin of *line; false: it begins otherwise. */
static bool take_key(struct msv_span *line, const char *key)
{
	size_t n = strlen(key);

	if (line->n < n || memcmp(line->p, key, n) != 0)
		return false;
	line->p += n;
	line->n -= n;
	return true;
}

uint32_t msv_attributes_uidvalidity(const char *p, size_t n)
{
	struct msv_span file = { p, n }, line;
	uint64_t number = 0;

	while (next_line(&file, &line)) {
		if (!take_key(&line, uidvalidity_key))
			continue;
		number = 0;
		for (size_t i = 0; i < line.n && line.p[i] >= '0' && line.p[i] <= '9'; i++) {
			number = number * 10 + (uint64_t)(line.p[i] - '0');
			if (number > UINT32_MAX)
				return 0;
		}
	}
	return (uint32_t)number;
}

/* The uses named, with commas between them, in a word. */
static uint32_t read_uses(const char *p, size_t n)
{
	uint32_t use = 0;

	while (n) {
		const char *comma = memchr(p, ',', n);
		size_t len = comma ? (size_t)(comma - p) : n;
		for (size_t i = 0; i < NUSES; i++) {
			if (strlen(uses[i].name) == len && memcmp(uses[i].name, p, len) == 0)
				use |= uses[i].use;
		}
		p += len + (comma != NULL);
		n -= len + (comma != NULL);
	}
	return use;
}

/* Reads a line's use; false: it is none. */
static bool read_use(struct msv_span line, struct msv_span *mailbox, uint32_t *use)
{
	const char *space;

	if (!take_key(&line, use_key) || !(space = memchr(line.p, ' ', line.n)))
		return false;
	*use = read_uses(line.p, (size_t)(space - line.p));
	*mailbox = (struct msv_span){ space + 1, line.n - (size_t)(space + 1 - line.p) };
	return mailbox->n > 0;
}

bool msv_attributes_next_use(struct msv_span *file, struct msv_span *mailbox, uint32_t *use)
{
	struct msv_span line;

	while (next_line(file, &line)) {
		if (read_use(line, mailbox, use))
			return true;
	}
	return false;
}

/* -- Writing -------------------------------------------------------------------------- */

static bool same(struct msv_span a, struct msv_span b)
{
	return a.n == b.n && memcmp(a.p, b.p, a.n) == 0;
}

/* True when a mailbox is `parent` or beneath it. */
static bool within(struct msv_span mailbox, struct msv_span parent)
{
	if (!parent.n || mailbox.n < parent.n || memcmp(mailbox.p, parent.p, parent.n) != 0)
		return false;
	return mailbox.n == parent.n || mailbox.p[parent.n] == '\t';
}

static void put_use(struct msv_buf *out, uint32_t use)
{
	const char *comma = "";

	msv_buf_puts(out, use_key);
	for (size_t i = 0; i < NUSES; i++) {
		if (use & uses[i].use) {
			msv_buf_puts(out, comma);
			msv_buf_puts(out, uses[i].name);
			comma = ",";
		}
	}
	msv_buf_putc(out, ' ');
}

/* A line that had a use, as the edit leaves it. */
static void edit_use(const struct msv_attributes_edit *edit, struct msv_span mailbox, uint32_t use,
    struct msv_buf *out)
{
	if (edit->set.p && same(mailbox, edit->set))
		return;
	put_use(out, use);
	if (within(mailbox, edit->from)) {
		msv_buf_put(out, edit->to.p, edit->to.n);
		mailbox.p += edit->from.n;
		mailbox.n -= edit->from.n;
	}
	msv_buf_put(out, mailbox.p, mailbox.n);
	msv_buf_putc(out, '\n');
}

int msv_attributes_edit(
    struct msv_span file, const struct msv_attributes_edit *edit, struct msv_buf *out)
{
	uint32_t last = msv_attributes_uidvalidity(file.p, file.n), use;
	struct msv_span line, mailbox;
	bool first = true;

	if (edit->uidvalidity)
		last = edit->uidvalidity;
	msv_buf_puts(out, header);
	if (last)
		msv_buf_printf(out, "%s%lu\n", uidvalidity_key, (unsigned long)last);
	for (; next_line(&file, &line); first = false) {
		struct msv_span rest = line;
		if (read_use(line, &mailbox, &use)) {
			edit_use(edit, mailbox, use, out);
		} else if (line.n && !take_key(&rest, uidvalidity_key) &&
		           !(first && take_key(&rest, "mailserv-attributes "))) {
			msv_buf_put(out, line.p, line.n);
			msv_buf_putc(out, '\n');
		}
	}
	if (edit->set.p && edit->use) {
		put_use(out, edit->use);
		msv_buf_put(out, edit->set.p, edit->set.n);
		msv_buf_putc(out, '\n');
	}
	return msv_buf_failed(out) ? MSV_ERR_NOMEM : 0;
}
