/*
 * A section of a message on its way out, window by window.  Its size is told first,
 * so header fields are picked out once for the size and, when they are too many to
 * keep, once more for the octets.
 */
#include "imap/imap.h"

#include <inttypes.h>
#include <string.h>

#include "message/section.h"

enum { FIELDS_KEPT = 32768, PIECE_MIN = 2048 };

enum { LOCATE, COUNT, ANNOUNCE, WRITE, OVER };

void msv_imap_section_start(
    struct imap_session *s, struct imap_section_out *out, const struct imap_section *section)
{
	memset(out, 0, sizeof(*out));
	out->section = section;
	msv_buf_init(&out->fields, s->conn.env);
}

void msv_imap_section_fini(struct imap_section_out *out)
{
	if (out->section)
		msv_buf_fini(&out->fields);
	out->section = NULL;
}

static bool picks_fields(const struct imap_section *section)
{
	return section->part == IMAP_SECTION_FIELDS || section->part == IMAP_SECTION_FIELDS_NOT;
}

/* -- Where it lies ----------------------------------------------------------------------- */

static int locate_part(
    const struct msv_mime *mime, const struct imap_section *section, struct msv_range *range)
{
	static const enum msv_section_kind kinds[] = {
		[IMAP_SECTION_ALL] = MSV_SECTION_ALL,
		[IMAP_SECTION_HEADER] = MSV_SECTION_HEADER,
		[IMAP_SECTION_FIELDS] = MSV_SECTION_HEADER,
		[IMAP_SECTION_FIELDS_NOT] = MSV_SECTION_HEADER,
		[IMAP_SECTION_TEXT] = MSV_SECTION_TEXT,
		[IMAP_SECTION_MIME] = MSV_SECTION_MIME,
	};

	return msv_section_find(mime, section->path, section->npath, kinds[section->part], range);
}

/* Sets pos and end.  False: there is no such section. */
static bool locate(const struct imap_content *c, struct imap_section_out *out)
{
	const struct imap_section *section = out->section;
	struct msv_range range;

	out->pos = 0;
	out->end = c->octets;
	if (section->npath) {
		if (locate_part(c->mime, section, &range))
			return false;
		out->pos = range.start;
		out->end = range.start + range.len;
	} else if (section->part == IMAP_SECTION_HEADER) {
		out->end = c->mime->root->header.len;
	} else if (section->part == IMAP_SECTION_TEXT) {
		out->pos = c->mime->root->header.len;
	}
	return true;
}

/* -- Header fields ------------------------------------------------------------------------- */

static void begin_picking(const struct imap_session *s, struct imap_section_out *out)
{
	const struct imap_section *section = out->section;

	locate(&s->content, out);
	out->filter_ended = false;
	msv_header_filter_init(&out->filter, section->sorted, section->nnames,
	    section->part == IMAP_SECTION_FIELDS_NOT);
}

/* Picks the fields out of a piece of the message into out->fields. */
static int pick(struct imap_section_out *out, const struct msv_span *piece)
{
	size_t used;
	int verdict = msv_header_filter_push(&out->filter, piece->p, piece->n, &used, &out->fields);

	if (verdict < 0)
		return verdict;
	out->filter_ended = verdict == 1;
	out->pos += piece->n;
	if (!out->filter_ended && out->pos == out->end) {
		out->filter_ended = true;
		return msv_header_filter_end(&out->filter, &out->fields);
	}
	return 0;
}

/* A header of no octets still ends in an empty line. */
static int pick_nothing(struct imap_section_out *out)
{
	out->filter_ended = true;
	return msv_header_filter_end(&out->filter, &out->fields);
}

/* Adds what was picked to the size; keeps it while it is little. */
static void counted(struct imap_section_out *out)
{
	out->size += msv_buf_len(&out->fields) - out->counted;
	out->counted = msv_buf_len(&out->fields);
	if (out->counted > FIELDS_KEPT)
		out->spilled = true;
	if (out->spilled) {
		msv_buf_clear(&out->fields);
		out->counted = 0;
	}
}

/* -- Writing --------------------------------------------------------------------------------- */

/* Octets of a literal.  A NUL cannot stand there (RFC 3501 9: CHAR8), so it becomes
 * 0x80: the count stays true. */
static void put_octets(struct msv_buf *out, const char *p, size_t n)
{
	while (n) {
		const char *nul = memchr(p, '\0', n);
		size_t piece = nul ? (size_t)(nul - p) : n;
		msv_buf_put(out, p, piece);
		p += piece;
		n -= piece;
		if (nul) {
			msv_buf_putc(out, '\x80');
			p++;
			n--;
		}
	}
}

/* Writes what of n octets of the section is wanted. */
static void put_wanted(
    struct imap_session *s, struct imap_section_out *out, const char *p, size_t n)
{
	size_t skip = out->skip < n ? (size_t)out->skip : n;

	out->skip -= skip;
	p += skip;
	n -= skip;
	if (n > out->left)
		n = (size_t)out->left;
	put_octets(&s->conn.out, p, n);
	out->left -= n;
}

/* What part of the section goes out, and the literal's head. */
static void announce(struct imap_session *s, struct imap_section_out *out)
{
	const struct imap_section *section = out->section;

	out->skip = section->partial && section->first < out->size ? section->first : 0;
	out->left = out->size - out->skip;
	if (section->partial && section->first >= out->size)
		out->left = 0;
	if (section->partial && section->count < out->left)
		out->left = section->count;
	if (out->left)
		msv_buf_printf(&s->conn.out, "{%" PRIu64 "}\r\n", out->left);
	else
		msv_buf_puts(&s->conn.out, "\"\"");
}

static struct imap_section_out *current(struct imap_session *s)
{
	return &((struct imap_fetch *)s->cmd.data)->out;
}

static void failed(struct imap_session *s, struct imap_section_out *out, int error)
{
	if (error == MSV_ERR_NOMEM)
		msv_imap_nomem(s);
	out->error = error;
}

/* A piece for the size, or for the octets. */
static void piece_came(struct imap_session *s, int error, const void *result)
{
	struct imap_section_out *out = current(s);
	const struct msv_span *piece = result;

	if (!error && !piece->n)
		error = MSV_ERR_IO;
	if (!error && picks_fields(out->section))
		error = pick(out, piece);
	if (error) {
		failed(s, out, error);
	} else if (out->stage == COUNT) {
		counted(out);
	} else if (picks_fields(out->section)) {
		put_wanted(s, out, msv_buf_data(&out->fields), msv_buf_len(&out->fields));
		msv_buf_clear(&out->fields);
	} else {
		put_wanted(s, out, piece->p, piece->n);
		out->pos += piece->n;
	}
}

/* Asks for the next piece; 0: wait. */
static int read_piece(struct imap_session *s, struct imap_section_out *out, uint64_t most)
{
	uint64_t n = out->end - out->pos;

	if (n > most)
		n = most;
	if (n > IMAP_READ)
		n = IMAP_READ;
	if (!msv_imap_turn_over(s, (size_t)n))
		msv_imap_content_read(s, out->pos, (size_t)n, piece_came);
	return 0;
}

static int count(struct imap_session *s, struct imap_section_out *out)
{
	if (out->pos < out->end && !out->filter_ended)
		return read_piece(s, out, IMAP_READ);
	if (!out->filter_ended) {
		int error = pick_nothing(out);
		if (error)
			return error;
		counted(out);
	}
	out->stage = ANNOUNCE;
	return 1;
}

static int write(struct imap_session *s, struct imap_section_out *out)
{
	uint64_t most = msv_conn_room(&s->conn);

	if (!most)
		return 0;
	if (most < PIECE_MIN)
		most = PIECE_MIN;
	if (!picks_fields(out->section)) {
		out->pos += out->skip;
		out->skip = 0;
		return read_piece(s, out, most < out->left ? most : out->left);
	}
	return read_piece(s, out, most);
}

/* The size is known: says it, and sets out for the octets. */
static void set_out(struct imap_session *s, struct imap_section_out *out)
{
	if (!picks_fields(out->section))
		out->size = out->end - out->pos;
	announce(s, out);
	out->stage = WRITE;
	if (!picks_fields(out->section))
		return;
	if (out->spilled)
		begin_picking(s, out);
	else
		put_wanted(s, out, msv_buf_data(&out->fields), msv_buf_len(&out->fields));
}

int msv_imap_section_write(struct imap_session *s, struct imap_section_out *out)
{
	if (out->error)
		return out->error;
	if (out->stage == LOCATE) {
		if (!locate(&s->content, out)) {
			msv_buf_puts(&s->conn.out, "NIL");
			return 1;
		}
		out->stage = picks_fields(out->section) ? COUNT : ANNOUNCE;
		if (out->stage == COUNT)
			begin_picking(s, out);
	}
	if (out->stage == COUNT) {
		int verdict = count(s, out);
		if (verdict <= 0)
			return verdict;
	}
	if (out->stage == ANNOUNCE)
		set_out(s, out);
	return out->left ? write(s, out) : 1;
}
