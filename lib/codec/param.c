#include "codec/param.h"

#include <stdlib.h>
#include <string.h>

#include "codec/casefold.h"
#include "codec/charset.h"
#include "codec/encword.h"
#include "codec/token.h"
#include "codec/utf8.h"

/* -- Reading --------------------------------------------------------------- */

struct list {
	struct msv_arena *arena;
	struct msv_param *v;
	size_t n, cap;
};

static int list_add(struct list *list, const char *name, const char *value)
{
	if (!name || !value)
		return MSV_ERR_NOMEM;
	if (list->n == list->cap) {
		size_t cap = list->cap ? list->cap * 2 : 4;
		struct msv_param *v = msv_arena_alloc(list->arena, cap * sizeof *v);

		if (!v)
			return MSV_ERR_NOMEM;
		if (list->n > 0)
			memcpy(v, list->v, list->n * sizeof *v);
		list->v = v;
		list->cap = cap;
	}
	list->v[list->n++] = (struct msv_param){ name, value };
	return 0;
}

static char *keep_buf(struct msv_arena *arena, const struct msv_buf *buf)
{
	if (msv_buf_failed(buf))
		return NULL;
	return msv_arena_strndup(arena, msv_buf_data(buf), msv_buf_len(buf));
}

static bool in_name(char c)
{
	return !msv_is_blank(c) && !strchr("=;(\"", c);
}

static bool in_value(char c)
{
	return !msv_is_blank(c) && c != ';' && c != '(';
}

static struct msv_span run(struct msv_scan *s, bool (*is)(char c))
{
	struct msv_span span = { s->p, 0 };

	while (s->p < s->end && is(*s->p))
		s->p++;
	span.n = (size_t)(s->p - span.p);
	return span;
}

/* `=value` at the place.  0 or MSV_ERR_NOMEM. */
static int read_value(struct msv_scan *s, struct msv_buf *value)
{
	struct msv_span token;

	msv_buf_clear(value);
	s->p++;
	msv_scan_cfws(s);
	if (s->p < s->end && *s->p == '"')
		return msv_scan_quoted(s, value);
	token = run(s, in_value);
	return msv_buf_put(value, token.p, token.n);
}

/* One parameter.  0 or MSV_ERR_NOMEM. */
static int read_param(struct msv_scan *s, struct list *list, struct msv_buf *value)
{
	struct msv_span name = run(s, in_name);
	int rc;

	msv_scan_cfws(s);
	if (name.n == 0 || s->p == s->end || *s->p != '=') {
		if (s->p < s->end && *s->p != ';')
			s->p++;
		return 0;
	}
	rc = read_value(s, value);
	if (rc == 0)
		rc = list_add(list, msv_arena_strndup(list->arena, name.p, name.n),
		    keep_buf(list->arena, value));
	return rc;
}

static int parse(struct list *list, struct msv_scan *s, struct msv_buf *value)
{
	int rc = 0;

	while (rc == 0 && list->n < MSV_PARAMS_MAX) {
		msv_scan_cfws(s);
		if (s->p == s->end)
			break;
		if (*s->p == ';')
			s->p++;
		else
			rc = read_param(s, list, value);
	}
	return rc;
}

/* -- Continuations (RFC 2231 3) -------------------------------------------- */

/* One parameter that may be a piece of another: name*3 or name*3*. */
struct piece {
	struct msv_span name;
	size_t number;
	size_t order; /* among all parameters */
	const char *value;
	bool extended;
	bool joined;
};

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

/* False when the name is not of that form. */
static bool piece_of(const struct msv_param *param, struct piece *piece)
{
	const char *star = strchr(param->name, '*'), *p;

	if (!star || !is_digit(star[1]))
		return false;
	p = star + 1;
	piece->name = (struct msv_span){ param->name, (size_t)(star - param->name) };
	piece->number = 0;
	for (; is_digit(*p) && piece->number < MSV_PARAMS_MAX; p++)
		piece->number = piece->number * 10 + (size_t)(*p - '0');
	piece->extended = *p == '*';
	piece->value = param->value;
	return p[piece->extended] == '\0' && piece->number < MSV_PARAMS_MAX;
}

/* Pieces of one parameter together, by their numbers. */
static int compare_pieces(const void *a, const void *b)
{
	const struct piece *x = a, *y = b;
	size_t n = x->name.n < y->name.n ? x->name.n : y->name.n;

	for (size_t i = 0; i < n; i++) {
		int d = msv_ascii_lower(x->name.p[i]) - msv_ascii_lower(y->name.p[i]);

		if (d != 0)
			return d;
	}
	if (x->name.n != y->name.n)
		return x->name.n < y->name.n ? -1 : 1;
	if (x->number != y->number)
		return x->number < y->number ? -1 : 1;
	return x->order < y->order ? -1 : x->order > y->order;
}

static bool same_name(const struct piece *a, const struct piece *b)
{
	return msv_ascii_equal(a->name.p, a->name.n, b->name.p, b->name.n);
}

/* A plain value inside an extended one: what is no attribute-char becomes %XX. */
static void put_percent_encoded(const char *p, struct msv_buf *out)
{
	for (; *p; p++) {
		if (msv_is_token(*p) && !strchr("*'%", *p) && !((unsigned char)*p & 0x80))
			msv_buf_putc(out, *p);
		else
			msv_buf_printf(out, "%%%02X", (unsigned char)*p);
	}
}

/* Marks which of n pieces of one name go together: numbers 0, 1, 2 ... up to a
 * gap, each once.  How many; *extended: one of them is. */
static size_t mark_joined(struct piece *v, size_t n, bool *extended)
{
	size_t run = 0;

	*extended = false;
	for (size_t i = 0; i < n; i++) {
		v[i].joined = v[i].number == run;
		run += v[i].joined;
		*extended |= v[i].joined && v[i].extended;
	}
	return run;
}

static void put_piece(const struct piece *piece, bool extended, struct msv_buf *value)
{
	if (extended && !piece->extended)
		put_percent_encoded(piece->value, value);
	else
		msv_buf_puts(value, piece->value);
}

/* The n pieces of one name as one parameter; those that do not fit together
 * stay as they stand in `all`. */
static int join(struct list *list, struct piece *v, size_t n, const struct msv_param *all,
    struct msv_buf *value)
{
	struct msv_buf name;
	bool extended;
	size_t run = mark_joined(v, n, &extended);
	int rc = 0;

	msv_buf_init(&name, list->arena->env);
	msv_buf_put(&name, v[0].name.p, v[0].name.n);
	if (extended)
		msv_buf_putc(&name, '*');
	msv_buf_clear(value);
	if (extended && !v[0].extended)
		msv_buf_puts(value, "''");
	for (size_t i = 0; i < n && rc == 0; i++) {
		if (v[i].joined)
			put_piece(&v[i], extended, value);
		else
			rc = list_add(list, all[v[i].order].name, all[v[i].order].value);
	}
	if (rc == 0 && run > 0)
		rc = list_add(list, keep_buf(list->arena, &name), keep_buf(list->arena, value));
	msv_buf_fini(&name);
	return rc;
}

/* How many of n sorted pieces are of the first one's name. */
static size_t group_length(const struct piece *v, size_t n)
{
	size_t i = 0;

	while (i < n && same_name(&v[i], &v[0]))
		i++;
	return i;
}

static int join_all(struct list *list, struct piece *v, size_t n, const struct msv_param *all,
    struct msv_buf *value)
{
	int rc = 0;

	qsort(v, n, sizeof *v, compare_pieces);
	for (size_t group; n > 0 && rc == 0; v += group, n -= group) {
		group = group_length(v, n);
		rc = join(list, v, group, all, value);
	}
	return rc;
}

/* Takes the pieces out of `all` and puts what they make into `list`. */
static int continuations(struct list *list, const struct list *all, struct msv_buf *value)
{
	struct piece *v = msv_alloc(list->arena->env, (all->n + 1) * sizeof *v);
	size_t n = 0;
	int rc = v ? 0 : MSV_ERR_NOMEM;

	for (size_t i = 0; i < all->n && rc == 0; i++) {
		v[n].order = i;
		if (piece_of(&all->v[i], &v[n]))
			n++;
		else
			rc = list_add(list, all->v[i].name, all->v[i].value);
	}
	if (rc == 0)
		rc = join_all(list, v, n, all->v, value);
	msv_free(list->arena->env, v);
	return rc;
}

static bool any_pieces(const struct list *list)
{
	struct piece piece;

	for (size_t i = 0; i < list->n; i++)
		if (piece_of(&list->v[i], &piece))
			return true;
	return false;
}

int msv_params_parse(struct msv_arena *arena, const char *p, size_t n, struct msv_params *out)
{
	struct msv_scan s = { p, p + n };
	struct list all = { .arena = arena }, joined = { .arena = arena };
	struct msv_buf value;
	int rc;

	msv_buf_init(&value, arena->env);
	rc = parse(&all, &s, &value);
	if (rc == 0 && any_pieces(&all)) {
		rc = continuations(&joined, &all, &value);
		all = joined;
	}
	msv_buf_fini(&value);
	*out = (struct msv_params){ all.v, all.n };
	return rc;
}

const char *msv_params_get(const struct msv_params *params, const char *name)
{
	for (size_t i = 0; i < params->n; i++)
		if (msv_ascii_equals(params->v[i].name, strlen(params->v[i].name), name))
			return params->v[i].value;
	return NULL;
}

/* -- Extended values (RFC 2231 4) ------------------------------------------ */

/* The value of name*, or NULL. */
static const char *get_extended(const struct msv_params *params, const char *name)
{
	size_t n = strlen(name);

	for (size_t i = 0; i < params->n; i++) {
		const char *given = params->v[i].name;

		if (strlen(given) == n + 1 && given[n] == '*' && msv_ascii_equal(given, n, name, n))
			return params->v[i].value;
	}
	return NULL;
}

static int hex_value(char c)
{
	const char *digits = "0123456789abcdef", *at = strchr(digits, msv_ascii_lower(c));

	return c && at ? (int)(at - digits) : -1;
}

static void put_percent_decoded(const char *p, struct msv_buf *out)
{
	for (; *p; p++) {
		if (*p == '%' && hex_value(p[1]) >= 0 && hex_value(p[2]) >= 0) {
			msv_buf_putc(out, (char)(hex_value(p[1]) << 4 | hex_value(p[2])));
			p += 2;
		} else {
			msv_buf_putc(out, *p);
		}
	}
}

/* Cuts charset'language' off. */
static struct msv_span cut_charset(const char **value)
{
	struct msv_span charset = { *value, 0 };
	const char *quote = strchr(*value, '\'');
	const char *second = quote ? strchr(quote + 1, '\'') : NULL;

	if (second) {
		charset.n = (size_t)(quote - *value);
		*value = second + 1;
	}
	return charset;
}

/* Controls become spaces: no line end comes out of a parameter. */
static void put_printable(const struct msv_buf *text, struct msv_buf *out)
{
	const char *p = msv_buf_data(text);

	for (size_t i = 0; i < msv_buf_len(text); i++)
		msv_buf_putc(out, (p[i] >= 0 && p[i] < 32 && p[i] != '\t') ? ' ' : p[i]);
}

/* Bytes of a charset (unknown: taken for UTF-8) to UTF-8. */
static int to_utf8(struct msv_span charset, const struct msv_buf *bytes, struct msv_buf *out)
{
	struct msv_charset *cs;
	int rc = msv_charset_open(out->env, charset.p, charset.n, &cs);

	if (rc == MSV_ERR_UNSUPPORTED)
		rc = msv_charset_open(out->env, "utf-8", 5, &cs);
	if (rc < 0)
		return rc;
	rc = msv_charset_push(cs, msv_buf_data(bytes), msv_buf_len(bytes), out);
	if (rc == 0)
		rc = msv_charset_end(cs, out);
	msv_charset_free(cs);
	return rc;
}

static int decode_extended(const char *value, struct msv_buf *out)
{
	struct msv_span charset = cut_charset(&value);
	struct msv_buf bytes, text;
	int rc = MSV_ERR_NOMEM;

	msv_buf_init(&bytes, out->env);
	msv_buf_init(&text, out->env);
	put_percent_decoded(value, &bytes);
	if (!msv_buf_failed(&bytes))
		rc = to_utf8(charset, &bytes, &text);
	if (rc == 0)
		put_printable(&text, out);
	msv_buf_fini(&bytes);
	msv_buf_fini(&text);
	return rc < 0 || msv_buf_failed(out) ? MSV_ERR_NOMEM : 0;
}

int msv_params_decode(const struct msv_params *params, const char *name, struct msv_buf *out)
{
	const char *value = get_extended(params, name);

	if (value)
		return decode_extended(value, out);
	value = msv_params_get(params, name);
	if (!value)
		return MSV_ERR_NOTFOUND;
	return msv_encword_decode(value, strlen(value), out);
}
