#include "message/header.h"

#include <stdlib.h>
#include <string.h>

#include "codec/casefold.h"
#include "codec/encword.h"
#include "codec/token.h"

/* -- Reading field by field ------------------------------------------------ */

enum { LINE_START, NAME, VALUE, JUNK };

void msv_header_reader_init(
    struct msv_header_reader *r, struct msv_env *env, size_t limit, msv_header_fn fn, void *user)
{
	memset(r, 0, sizeof *r);
	r->fn = fn;
	r->user = user;
	r->limit = limit ? limit : MSV_HEADER_FIELD_MAX;
	msv_buf_init(&r->name, env);
	msv_buf_init(&r->value, env);
}

void msv_header_reader_fini(struct msv_header_reader *r)
{
	msv_buf_fini(&r->name);
	msv_buf_fini(&r->value);
}

void msv_header_reader_reset(struct msv_header_reader *r)
{
	msv_buf_clear(&r->name);
	msv_buf_clear(&r->value);
	r->pos = r->line = r->start = 0;
	r->state = LINE_START;
	r->cr = r->cut = r->ended = r->field = false;
}

static struct msv_span trim(const char *p, size_t n)
{
	while (n > 0 && msv_is_blank(*p))
		p++, n--;
	while (n > 0 && msv_is_blank(p[n - 1]))
		n--;
	return (struct msv_span){ p, n };
}

/* What is left of CRs ended no line; nothing good comes of handing them on. */
static void blank_crs(struct msv_buf *value)
{
	size_t n = msv_buf_len(value);
	char *p = n > 0 ? value->p + value->start : NULL, *cr = p;

	while (p && (cr = memchr(cr, '\r', n - (size_t)(cr - p))))
		*cr = ' ';
}

/* Gives the field that is complete now, if there is one. */
static int give_field(struct msv_header_reader *r)
{
	struct msv_header_field field = { .cut = r->cut };

	if (!r->field)
		return 0;
	r->field = false;
	if (msv_buf_failed(&r->name) || msv_buf_failed(&r->value))
		return MSV_ERR_NOMEM;
	blank_crs(&r->value);
	field.name = trim(msv_buf_data(&r->name), msv_buf_len(&r->name));
	field.value = trim(msv_buf_data(&r->value), msv_buf_len(&r->value));
	field.start = r->start;
	field.len = r->line - r->start;
	return r->fn(r->user, &field);
}

/* The first byte of a line: the end, more of a field, or a new one.  How many
 * bytes were taken. */
static size_t line_start(struct msv_header_reader *r, char c, int *rc)
{
	if (c == '\r' && !r->cr) {
		r->cr = true;
		return 1;
	}
	if (c == '\n') {
		r->ended = true;
		*rc = give_field(r);
		return 1;
	}
	if (!r->cr && (c == ' ' || c == '\t')) {
		r->state = r->field ? VALUE : JUNK;
		return 0;
	}
	*rc = give_field(r);
	r->state = r->cr ? JUNK : NAME;
	r->cr = false;
	r->start = r->line;
	msv_buf_clear(&r->name);
	return 0;
}

/* RFC 5322 3.6.8, and blanks before the colon (4.5.8). */
static bool name_ok(const struct msv_buf *name)
{
	struct msv_span t = trim(msv_buf_data(name), msv_buf_len(name));

	for (size_t i = 0; i < t.n; i++)
		if (t.p[i] <= 32 || t.p[i] == 127)
			return false;
	return t.n > 0;
}

/* Up to the colon. */
static size_t read_name(struct msv_header_reader *r, const char *p, size_t n)
{
	size_t i = 0;

	while (i < n && p[i] != ':' && p[i] != '\n')
		i++;
	if (msv_buf_len(&r->name) + i > MSV_HEADER_NAME_MAX) {
		r->state = JUNK;
		return i;
	}
	msv_buf_put(&r->name, p, i);
	if (i == n || p[i] == '\n') {
		if (i < n)
			r->state = JUNK;
		return i;
	}
	r->field = name_ok(&r->name);
	r->state = r->field ? VALUE : JUNK;
	r->cut = false;
	msv_buf_clear(&r->value);
	return i + 1;
}

/* Keeps bytes of the value up to the limit, without NULs and the blanks in
 * front. */
static void keep(struct msv_header_reader *r, const char *p, size_t n)
{
	while (n > 0 && msv_buf_len(&r->value) == 0 && msv_is_blank(*p))
		p++, n--;
	while (n > 0 && !r->cut) {
		const char *nul = memchr(p, '\0', n);
		size_t run = nul ? (size_t)(nul - p) : n;
		size_t room = r->limit - msv_buf_len(&r->value);

		r->cut = run > room;
		msv_buf_put(&r->value, p, r->cut ? room : run);
		run += nul != NULL;
		p += run;
		n -= run;
	}
}

static void end_line(struct msv_header_reader *r)
{
	size_t n = msv_buf_len(&r->value);

	if (r->state == VALUE && n > 0 && msv_buf_data(&r->value)[n - 1] == '\r')
		msv_buf_truncate(&r->value, n - 1);
	r->state = LINE_START;
	r->cr = false;
}

/* The rest of a line. */
static size_t read_rest(struct msv_header_reader *r, const char *p, size_t n)
{
	const char *lf = memchr(p, '\n', n);
	size_t run = lf ? (size_t)(lf - p) : n;

	if (r->state == VALUE)
		keep(r, p, run);
	if (lf)
		end_line(r);
	return run + (lf != NULL);
}

int msv_header_reader_push(struct msv_header_reader *r, const char *p, size_t n, size_t *used)
{
	size_t i = 0;
	int rc = 0;

	while (i < n && rc == 0 && !r->ended) {
		size_t took;

		if (r->state == LINE_START)
			took = line_start(r, p[i], &rc);
		else if (r->state == NAME)
			took = read_name(r, p + i, n - i);
		else
			took = read_rest(r, p + i, n - i);
		i += took;
		r->pos += took;
		if (r->state == LINE_START && !r->cr)
			r->line = r->pos;
	}
	if (used)
		*used = i;
	if (rc == 0 && (msv_buf_failed(&r->name) || msv_buf_failed(&r->value)))
		rc = MSV_ERR_NOMEM;
	return rc != 0 ? rc : r->ended;
}

int msv_header_reader_end(struct msv_header_reader *r)
{
	if (r->ended)
		return 0;
	r->ended = true;
	if (r->state != LINE_START) {
		end_line(r);
		r->line = r->pos;
	}
	return give_field(r);
}

bool msv_header_is(const struct msv_header_field *field, const char *name)
{
	return msv_ascii_equals(field->name.p, field->name.n, name);
}

int msv_header_text(const struct msv_header_field *field, struct msv_buf *out)
{
	return msv_encword_decode(field->value.p, field->value.n, out);
}

/* -- Some fields as they stand --------------------------------------------- */

enum { FILTER_LINE, FILTER_NAME, FILTER_REST };

/* Shorter names first, then by their letters. */
static int compare_names(const void *a, const void *b)
{
	const struct msv_span *x = a, *y = b;

	if (x->n != y->n)
		return x->n < y->n ? -1 : 1;
	for (size_t i = 0; i < x->n; i++) {
		int d = msv_ascii_lower(x->p[i]) - msv_ascii_lower(y->p[i]);

		if (d != 0)
			return d;
	}
	return 0;
}

void msv_header_names_sort(struct msv_span *names, size_t n)
{
	if (n > 1)
		qsort(names, n, sizeof *names, compare_names);
}

void msv_header_filter_init(
    struct msv_header_filter *f, const struct msv_span *names, size_t nnames, bool inverse)
{
	f->names = names;
	f->nnames = nnames;
	f->inverse = inverse;
	f->state = FILTER_LINE;
	f->cr = f->ended = f->show = false;
	f->nname = 0;
}

/* Writes bytes of one line, its end as CRLF. */
static void show(struct msv_header_filter *f, const char *p, size_t n, struct msv_buf *out)
{
	bool lf = n > 0 && p[n - 1] == '\n';

	if (!f->show || n == 0)
		return;
	if (lf && !(n > 1 ? p[n - 2] == '\r' : f->cr)) {
		msv_buf_put(out, p, n - 1);
		msv_buf_put(out, "\r\n", 2);
	} else {
		msv_buf_put(out, p, n);
	}
	f->cr = p[n - 1] == '\r';
}

/* The name is complete (or the line is no field): decides what becomes of it. */
static void decide(struct msv_header_filter *f, bool field, struct msv_buf *out)
{
	struct msv_span name = trim(f->name, f->nname);
	bool named = field && f->nnames > 0 &&
	             bsearch(&name, f->names, f->nnames, sizeof name, compare_names) != NULL;

	f->show = named != f->inverse;
	f->cr = false;
	show(f, f->name, f->nname, out);
	f->nname = 0;
	f->state = FILTER_REST;
}

static size_t filter_line(struct msv_header_filter *f, char c, struct msv_buf *out)
{
	if (c == '\r' && f->nname == 0) {
		f->name[f->nname++] = c;
		return 1;
	}
	if (c == '\n') {
		f->ended = true;
		msv_buf_put(out, "\r\n", 2);
		return 1;
	}
	if (f->nname == 0 && (c == ' ' || c == '\t')) {
		f->state = FILTER_REST;
		f->cr = false;
	} else {
		f->state = FILTER_NAME;
	}
	return 0;
}

static size_t filter_name(struct msv_header_filter *f, const char *p, size_t n, struct msv_buf *out)
{
	size_t i = 0;

	while (i < n && p[i] != ':' && p[i] != '\n' && f->nname < MSV_HEADER_NAME_MAX)
		f->name[f->nname++] = p[i++];
	if (i < n)
		decide(f, p[i] == ':', out);
	return i;
}

static size_t filter_rest(struct msv_header_filter *f, const char *p, size_t n, struct msv_buf *out)
{
	const char *lf = memchr(p, '\n', n);
	size_t run = lf ? (size_t)(lf - p) + 1 : n;

	show(f, p, run, out);
	if (lf)
		f->state = FILTER_LINE;
	return run;
}

int msv_header_filter_push(
    struct msv_header_filter *f, const char *p, size_t n, size_t *used, struct msv_buf *out)
{
	size_t i = 0;

	while (i < n && !f->ended) {
		if (f->state == FILTER_LINE)
			i += filter_line(f, p[i], out);
		else if (f->state == FILTER_NAME)
			i += filter_name(f, p + i, n - i, out);
		else
			i += filter_rest(f, p + i, n - i, out);
	}
	if (used)
		*used = i;
	return msv_buf_failed(out) ? MSV_ERR_NOMEM : f->ended;
}

int msv_header_filter_end(struct msv_header_filter *f, struct msv_buf *out)
{
	if (!f->ended && f->nname > 0)
		decide(f, false, out);
	f->ended = true;
	return msv_buf_failed(out) ? MSV_ERR_NOMEM : 0;
}
