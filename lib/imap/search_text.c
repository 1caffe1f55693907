/*
 * Looking into messages for SEARCH: header fields decoded (RFC 2047), text parts
 * with their transfer encoding and charset undone, all folded, read once whatever
 * the number of texts looked for.
 */
#include "imap/imap.h"

#include <string.h>

#include "codec/casefold.h"
#include "codec/date.h"

/* What is being read: the message's own header; the header of a part; its text. */
enum { OWN_HEADER, PART_HEADER, PART_TEXT };

static void end_reading(struct imap_search *q)
{
	if (q->header_open)
		msv_header_reader_fini(&q->header);
	q->header_open = false;
	msv_part_reader_free(q->body);
	q->body = NULL;
}

void msv_imap_search_begin(struct imap_search *q)
{
	end_reading(q); /* the last message may have been decided midway */
	for (size_t i = 0; i < q->n; i++)
		q->keys[i].found = false;
	q->known = q->rows.fields ? IMAP_SEARCH_ROW : IMAP_SEARCH_VIEW;
	q->has_date = false;
	q->stage = OWN_HEADER;
	q->part = NULL;
	q->error = 0;
}

void msv_imap_search_fini(struct imap_search *q)
{
	end_reading(q);
	for (size_t i = 0; i < q->n; i++) {
		if (q->keys[i].matcher)
			msv_matcher_fini(q->keys[i].matcher);
		msv_free(q->s->conn.env, q->keys[i].matcher);
	}
	msv_free(q->s->conn.env, q->keys);
	msv_buf_fini(&q->text);
}

/* -- Header fields ----------------------------------------------------------------------- */

/* Is the key looked for in this field? */
static bool concerns(const struct imap_search *q, const struct imap_search_key *key,
    const struct msv_header_field *field)
{
	if (!key->matcher || key->found)
		return false;
	if (key->field.p)
		return q->stage == OWN_HEADER &&
		       msv_ascii_equal(key->field.p, key->field.n, field->name.p, field->name.n);
	return q->stage != OWN_HEADER || key->def->flag == IMAP_SEARCH_ANY_FIELD;
}

static void note_date(struct imap_search *q, const struct msv_header_field *field)
{
	struct msv_date date;

	if (q->has_date || !msv_header_is(field, "Date") ||
	    msv_date_parse(field->value.p, field->value.n, &date))
		return;
	q->has_date = true;
	q->date = msv_date_day(&date);
}

/* "Name: text" of the field, decoded; the text alone begins at *value. */
static int decode_field(struct imap_search *q, const struct msv_header_field *field, size_t *value)
{
	msv_buf_clear(&q->text);
	msv_buf_put(&q->text, field->name.p, field->name.n);
	msv_buf_puts(&q->text, ": ");
	*value = msv_buf_len(&q->text);
	return msv_header_text(field, &q->text);
}

static int look_into_field(void *user, const struct msv_header_field *field)
{
	struct imap_search *q = user;
	size_t value = 0;

	if (q->stage == OWN_HEADER)
		note_date(q, field);
	for (size_t i = 0; i < q->n; i++) {
		struct imap_search_key *key = &q->keys[i];
		if (!concerns(q, key, field))
			continue;
		if (!value && decode_field(q, field, &value))
			return MSV_ERR_NOMEM;
		size_t skip = key->field.p ? value : 0;
		int verdict = msv_matcher_text(
		    key->matcher, msv_buf_data(&q->text) + skip, msv_buf_len(&q->text) - skip);
		if (verdict < 0)
			return verdict;
		key->found = verdict > 0;
	}
	return 0;
}

/* -- Reading a stretch of the message ------------------------------------------------------ */

static int look_into_text(void *user, const char *p, size_t n)
{
	struct imap_search *q = user;

	for (size_t i = 0; i < q->n; i++) {
		struct imap_search_key *key = &q->keys[i];
		if (!key->matcher || key->field.p || key->found)
			continue;
		int verdict = msv_matcher_push(key->matcher, p, n);
		if (verdict < 0)
			return verdict;
		key->found = verdict > 0;
	}
	return 0;
}

static int push(struct imap_search *q, const struct msv_span *piece)
{
	if (q->body)
		return msv_part_reader_push(q->body, piece->p, piece->n);
	int verdict = msv_header_reader_push(&q->header, piece->p, piece->n, NULL);
	if (verdict > 0)
		q->pos = q->end; /* the header ended */
	return verdict < 0 ? verdict : 0;
}

static void piece_came(struct imap_session *s, int error, const void *result)
{
	struct imap_search *q = s->cmd.data;
	const struct msv_span *piece = result;

	if (!error && !piece->n)
		error = MSV_ERR_IO;
	if (!error) {
		q->pos += piece->n;
		error = push(q, piece);
	}
	if (error == MSV_ERR_NOMEM)
		msv_imap_nomem(s);
	q->error = error;
}

/* Reads on: 1 when the stretch is through, 0 wait, negative. */
static int read_on(struct imap_search *q)
{
	struct imap_session *s = q->s;

	if (q->error)
		return q->error;
	if (q->pos == q->end)
		return 1;
	uint64_t left = q->end - q->pos;
	size_t n = left < IMAP_READ ? (size_t)left : IMAP_READ;
	if (!msv_imap_turn_over(s, n * (q->n / 16 + 1)))
		msv_imap_content_read(s, q->pos, n, piece_came);
	return 0;
}

static void begin_header(struct imap_search *q, uint64_t start, uint64_t len)
{
	end_reading(q);
	msv_header_reader_init(&q->header, q->s->conn.env, 0, look_into_field, q);
	q->header_open = true;
	q->pos = start;
	q->end = start + len;
}

static int end_stretch(struct imap_search *q)
{
	int error = q->body ? msv_part_reader_finish(q->body) : msv_header_reader_end(&q->header);

	end_reading(q);
	if (error)
		msv_imap_nomem(q->s);
	return error ? 0 : 1;
}

int msv_imap_search_header(struct imap_search *q)
{
	int verdict = msv_imap_content_open(q->s, q->message->uid);

	if (verdict <= 0)
		return verdict;
	if (!q->header_open && !q->error)
		begin_header(q, 0, q->s->content.octets);
	verdict = read_on(q);
	if (verdict > 0)
		verdict = end_stretch(q);
	else if (verdict < 0)
		end_reading(q);
	if (verdict > 0)
		q->known = IMAP_SEARCH_HEADER;
	return verdict;
}

/* -- The body ------------------------------------------------------------------------------ */

static int begin_text(struct imap_search *q)
{
	const struct msv_range *body = &q->part->body;

	for (size_t i = 0; i < q->n; i++) {
		if (q->keys[i].matcher && !q->keys[i].field.p)
			msv_matcher_reset(q->keys[i].matcher);
	}
	q->pos = body->start;
	q->end = body->start + body->len;
	return msv_part_reader_new(q->part, false, look_into_text, q, &q->body);
}

/* The part is through: the next one's header is to be read, if it may still matter. */
static void next_part(struct imap_search *q)
{
	q->part = msv_part_next(q->part);
	q->stage = PART_HEADER;
	if (!q->part)
		q->known = IMAP_SEARCH_BODY;
	else if (msv_imap_search_eval(q) == IMAP_UNKNOWN)
		begin_header(q, q->part->header.start, q->part->header.len);
	else
		q->part = NULL;
}

/* A header is through: the part's text, when it has one. */
static int after_header(struct imap_search *q)
{
	q->stage = PART_TEXT;
	if (q->part->kind == MSV_PART_LEAF && msv_part_is(q->part, "text", NULL))
		return begin_text(q);
	next_part(q);
	return 0;
}

int msv_imap_search_body(struct imap_search *q)
{
	int verdict = msv_imap_content_open(q->s, q->message->uid);

	if (verdict > 0)
		verdict = msv_imap_content_tree(q->s);
	if (verdict <= 0)
		return verdict;
	if (q->stage == OWN_HEADER) {
		q->part = q->s->content.mime->root;
		if (after_header(q))
			return msv_imap_nomem(q->s), 0;
	}
	while (q->part) {
		verdict = read_on(q);
		if (verdict < 0)
			end_reading(q);
		if (verdict > 0)
			verdict = end_stretch(q);
		if (verdict <= 0)
			return verdict;
		if (q->stage == PART_TEXT)
			next_part(q);
		else if (after_header(q))
			return msv_imap_nomem(q->s), 0;
	}
	return 1;
}
