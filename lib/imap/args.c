/* The arguments of a command (RFC 3501 9), read from its text.  Line ends stand
 * there only behind the "{n}" of a literal. */
#include "imap/imap.h"

#include <string.h>

#include "codec/casefold.h"

/* -- Characters ------------------------------------------------------------------ */

static bool is_text(char c)
{
	return c > 0x1f && c < 0x7f;
}

/* ATOM-CHAR */
static bool is_atom(char c)
{
	return is_text(c) && !strchr("(){ %*\"\\]", c);
}

/* ASTRING-CHAR */
static bool is_astring(char c)
{
	return is_atom(c) || c == ']';
}

/* list-char */
static bool is_list(char c)
{
	return is_astring(c) || c == '%' || c == '*';
}

static bool is_tag(char c)
{
	return is_astring(c) && c != '+';
}

/* -- Pieces ---------------------------------------------------------------------- */

bool msv_imap_arg_fail(struct imap_args *a, const char *error)
{
	if (!a->error)
		a->error = error;
	return false;
}

bool msv_imap_arg_nomem(struct imap_args *a)
{
	a->nomem = true;
	return msv_imap_arg_fail(a, "Out of memory");
}

bool msv_imap_is(struct msv_span span, const char *word)
{
	return msv_ascii_equals(span.p, span.n, word);
}

char msv_imap_arg_peek(const struct imap_args *a)
{
	return a->p < a->end ? *a->p : '\0';
}

bool msv_imap_arg_at_end(const struct imap_args *a)
{
	return a->p == a->end;
}

bool msv_imap_arg_if(struct imap_args *a, char c)
{
	if (msv_imap_arg_peek(a) != c)
		return false;
	a->p++;
	return true;
}

bool msv_imap_arg_char(struct imap_args *a, char c)
{
	return msv_imap_arg_if(a, c) || msv_imap_arg_fail(a, "Invalid arguments");
}

bool msv_imap_arg_space(struct imap_args *a)
{
	if (msv_imap_arg_if(a, ' '))
		return true;
	return msv_imap_arg_fail(
	    a, msv_imap_arg_at_end(a) ? "Missing arguments" : "A space is missing");
}

bool msv_imap_arg_end(struct imap_args *a)
{
	return msv_imap_arg_at_end(a) || msv_imap_arg_fail(a, "Too many arguments");
}

/* A run of such characters; false when there is none. */
static bool take_run(struct imap_args *a, bool (*is)(char c), struct msv_span *out)
{
	const char *start = a->p;

	while (a->p < a->end && is(*a->p))
		a->p++;
	*out = (struct msv_span){ start, (size_t)(a->p - start) };
	return out->n > 0;
}

bool msv_imap_arg_tag(struct imap_args *a, struct msv_span *out)
{
	return take_run(a, is_tag, out);
}

bool msv_imap_arg_atom(struct imap_args *a, struct msv_span *out)
{
	return take_run(a, is_atom, out) || msv_imap_arg_fail(a, "A word is missing");
}

bool msv_imap_arg_number(struct imap_args *a, uint64_t max, uint64_t *out)
{
	const char *start = a->p;

	*out = 0;
	for (; a->p < a->end && *a->p >= '0' && *a->p <= '9'; a->p++) {
		uint64_t digit = (uint64_t)(*a->p - '0');
		if (*out > (max - digit) / 10)
			return msv_imap_arg_fail(a, "A number is too large");
		*out = *out * 10 + digit;
	}
	return a->p > start || msv_imap_arg_fail(a, "A number is missing");
}

/* -- Strings --------------------------------------------------------------------- */

/* The quoted text p[0..n) with its backslashes undone, in the arena. */
static bool unescape(struct imap_args *a, const char *p, size_t n, struct msv_span *out)
{
	char *copy = msv_arena_alloc(a->arena, n + 1);
	size_t len = 0;

	if (!copy)
		return msv_imap_arg_nomem(a);
	for (size_t i = 0; i < n; i++) {
		if (p[i] == '\\')
			i++;
		copy[len++] = p[i];
	}
	*out = (struct msv_span){ copy, len };
	return true;
}

/* Behind the opening quote.  Only quote and backslash may be escaped. */
static bool take_quoted(struct imap_args *a, struct msv_span *out)
{
	const char *start = a->p;
	bool escapes = false;

	while (a->p < a->end && *a->p != '"') {
		if (*a->p == '\\') {
			a->p++;
			escapes = true;
			if (a->p == a->end || (*a->p != '"' && *a->p != '\\'))
				return msv_imap_arg_fail(a, "Invalid escape in a quoted string");
		}
		a->p++;
	}
	if (a->p >= a->end)
		return msv_imap_arg_fail(a, "A quoted string does not end");
	*out = (struct msv_span){ start, (size_t)(a->p++ - start) };
	return !escapes || unescape(a, out->p, out->n, out);
}

/* Behind "{". */
static bool take_literal(struct imap_args *a, struct msv_span *out)
{
	uint64_t n;

	if (!msv_imap_arg_number(a, UINT32_MAX, &n))
		return false;
	msv_imap_arg_if(a, '+');
	if (a->end - a->p < 3 || memcmp(a->p, "}\r\n", 3) != 0)
		return msv_imap_arg_fail(a, "Invalid literal");
	a->p += 3;
	if (n > (size_t)(a->end - a->p))
		return msv_imap_arg_fail(a, "Invalid literal");
	if (memchr(a->p, '\0', (size_t)n))
		return msv_imap_arg_fail(a, "A literal holds a NUL");
	*out = (struct msv_span){ a->p, (size_t)n };
	a->p += n;
	return true;
}

/* A quoted string or a literal; else a run of those characters. */
static bool take_string_or(
    struct imap_args *a, bool (*is)(char c), const char *missing, struct msv_span *out)
{
	if (msv_imap_arg_if(a, '"'))
		return take_quoted(a, out);
	if (msv_imap_arg_if(a, '{'))
		return take_literal(a, out);
	return (is && take_run(a, is, out)) || msv_imap_arg_fail(a, missing);
}

bool msv_imap_arg_string(struct imap_args *a, struct msv_span *out)
{
	return take_string_or(a, NULL, "A string is missing", out);
}

bool msv_imap_arg_astring(struct imap_args *a, struct msv_span *out)
{
	return take_string_or(a, is_astring, "An argument is missing", out);
}

bool msv_imap_arg_list_mailbox(struct imap_args *a, struct msv_span *out)
{
	return take_string_or(a, is_list, "A mailbox name is missing", out);
}

bool msv_imap_arg_nstring(struct imap_args *a, struct msv_span *out)
{
	char c = msv_imap_arg_peek(a);

	if (c == '"' || c == '{')
		return msv_imap_arg_string(a, out);
	if (!msv_imap_arg_atom(a, out) || !msv_imap_is(*out, "NIL"))
		return msv_imap_arg_fail(a, "A string or NIL is missing");
	*out = (struct msv_span){ NULL, 0 };
	return true;
}

bool msv_imap_arg_flag(struct imap_args *a, struct msv_span *out)
{
	const char *start = a->p;

	msv_imap_arg_if(a, '\\');
	if (!take_run(a, is_atom, out))
		return msv_imap_arg_fail(a, "Invalid flag");
	*out = (struct msv_span){ start, (size_t)(a->p - start) };
	return true;
}
