#include "codec/param.h"

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

static int list_add(struct list *list, struct msv_span name, const struct msv_buf *value)
{
	struct msv_param *param;

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
	param = &list->v[list->n];
	param->name = msv_arena_strndup(list->arena, name.p, name.n);
	param->value = msv_arena_strndup(list->arena, msv_buf_data(value), msv_buf_len(value));
	if (!param->name || !param->value)
		return MSV_ERR_NOMEM;
	list->n++;
	return 0;
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
		rc = list_add(list, name, value);
	return rc;
}

int msv_params_parse(struct msv_arena *arena, const char *p, size_t n, struct msv_params *out)
{
	struct msv_scan s = { p, p + n };
	struct list list = { .arena = arena };
	struct msv_buf value;
	int rc = 0;

	msv_buf_init(&value, arena->env);
	while (rc == 0 && list.n < MSV_PARAMS_MAX) {
		msv_scan_cfws(&s);
		if (s.p == s.end)
			break;
		if (*s.p == ';')
			s.p++;
		else
			rc = read_param(&s, &list, &value);
	}
	msv_buf_fini(&value);
	out->v = list.v;
	out->n = list.n;
	return rc;
}

const char *msv_params_get(const struct msv_params *params, const char *name)
{
	for (size_t i = 0; i < params->n; i++)
		if (msv_ascii_equals(params->v[i].name, strlen(params->v[i].name), name))
			return params->v[i].value;
	return NULL;
}

/* -- RFC 2231 -------------------------------------------------------------- */

struct piece {
	const char *value;
	bool extended;
};

/* What a parameter's name says behind `name`: "" plain (false), "*" is piece 0
 * extended, "*3" is piece 3, "*3*" piece 3 extended. */
static bool piece_of(const char *param, const char *name, size_t *index, bool *extended)
{
	size_t n = strlen(name);
	const char *p;

	if (strlen(param) <= n || !msv_ascii_equal(param, n, name, n) || param[n] != '*')
		return false;
	p = param + n + 1;
	*index = 0;
	*extended = true;
	if (*p == '\0')
		return true;
	for (; *p >= '0' && *p <= '9' && *index < MSV_PARAMS_MAX; p++)
		*index = *index * 10 + (size_t)(*p - '0');
	*extended = *p == '*';
	return p[-1] != '*' && p[*extended] == '\0' && *index < MSV_PARAMS_MAX;
}

/* Finds the pieces; how many there are before the first gap. */
static size_t find_pieces(const struct msv_params *params, const char *name, struct piece *pieces)
{
	size_t n = 0;

	for (size_t i = 0; i < params->n; i++) {
		size_t index;
		bool extended;

		if (piece_of(params->v[i].name, name, &index, &extended) && !pieces[index].value)
			pieces[index] = (struct piece){ params->v[i].value, extended };
	}
	while (n < MSV_PARAMS_MAX && pieces[n].value)
		n++;
	return n;
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

/* Cuts charset'language' off the first piece. */
static struct msv_span cut_charset(struct piece *first)
{
	struct msv_span charset = { first->value, 0 };
	const char *quote = first->extended ? strchr(first->value, '\'') : NULL;
	const char *second = quote ? strchr(quote + 1, '\'') : NULL;

	if (second) {
		charset.n = (size_t)(quote - first->value);
		first->value = second + 1;
	}
	return charset;
}

/* Bytes of a charset (unknown: taken for UTF-8) to UTF-8, controls to spaces. */
static int put_text(struct msv_span charset, const struct msv_buf *bytes, struct msv_buf *out)
{
	struct msv_charset *cs;
	size_t before = msv_buf_len(out);
	int rc = msv_charset_open(out->env, charset.p, charset.n, &cs);

	if (rc == MSV_ERR_UNSUPPORTED)
		rc = msv_charset_open(out->env, "utf-8", 5, &cs);
	if (rc < 0)
		return rc;
	msv_charset_push(cs, msv_buf_data(bytes), msv_buf_len(bytes), out);
	rc = msv_charset_end(cs, out);
	msv_charset_free(cs);
	if (rc == 0) {
		char *p = out->p + out->start;

		for (size_t i = before; i < msv_buf_len(out); i++)
			if (p[i] >= 0 && p[i] < 32 && p[i] != '\t')
				p[i] = ' ';
	}
	return rc;
}

static int join(struct piece *pieces, size_t n, struct msv_buf *out)
{
	struct msv_span charset = cut_charset(&pieces[0]);
	struct msv_buf bytes;
	int rc;

	msv_buf_init(&bytes, out->env);
	for (size_t i = 0; i < n; i++) {
		if (pieces[i].extended)
			put_percent_decoded(pieces[i].value, &bytes);
		else
			msv_buf_puts(&bytes, pieces[i].value);
	}
	rc = msv_buf_failed(&bytes) ? MSV_ERR_NOMEM : put_text(charset, &bytes, out);
	msv_buf_fini(&bytes);
	return rc;
}

int msv_params_decode(const struct msv_params *params, const char *name, struct msv_buf *out)
{
	struct piece pieces[MSV_PARAMS_MAX] = { { NULL, false } };
	size_t n = find_pieces(params, name, pieces);
	const char *plain;

	if (n > 0)
		return join(pieces, n, out);
	plain = msv_params_get(params, name);
	if (!plain)
		return MSV_ERR_NOTFOUND;
	return msv_encword_decode(plain, strlen(plain), out);
}
