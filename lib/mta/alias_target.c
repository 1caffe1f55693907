/* What stands behind a name: addresses, names, programs, lists, refusals. */
#include <string.h>

#include "base/utf8.h"
#include "codec/casefold.h"
#include "mta/aliases.h"

#define ERROR_TEXT_MAX 400

/* An item being read. */
struct reading {
	struct msv_arena *arena;
	struct msv_alias_target *out;
	const char *mistake;
};

static int wrong(struct reading *r, const char *mistake)
{
	r->mistake = mistake;
	return MSV_ERR_FORMAT;
}

static int keep(struct reading *r, const char **member, const char *p, size_t n)
{
	*member = msv_arena_strndup(r->arena, p, n);
	return *member ? 0 : MSV_ERR_NOMEM;
}

static struct msv_span skip(struct msv_span s, size_t n)
{
	return (struct msv_span){ s.p + n, s.n - n };
}

static struct msv_span trim(struct msv_span s)
{
	while (s.n && strchr(" \t\n", *s.p))
		s = skip(s, 1);
	while (s.n && strchr(" \t\n", s.p[s.n - 1]))
		s.n--;
	return s;
}

/* True when the text is UTF-8 without control characters but tab and line end. */
static bool is_text(struct msv_span s)
{
	while (s.n) {
		uint32_t c;
		size_t n = msv_utf8_char(s.p, s.n, &c);
		if (!n || (c < 0x20 && c != '\t' && c != '\n') || (c >= 0x7f && c < 0xa0))
			return false;
		s = skip(s, n);
	}
	return true;
}

/* -- The forms -------------------------------------------------------------------- */

static int read_program(struct reading *r, struct msv_span text)
{
	struct msv_buf inner;

	msv_buf_init(&inner, r->arena->env);
	/* Both "|/path word" and |"/path word". */
	if (msv_alias_unquote(text, &inner))
		text = (struct msv_span){ msv_buf_data(&inner), msv_buf_len(&inner) };
	int error = msv_buf_failed(&inner)
	                ? MSV_ERR_NOMEM
	                : msv_alias_words(r->arena, text, &r->out->words, &r->mistake);
	r->out->kind = MSV_TARGET_PROGRAM;
	if (!error)
		error = keep(r, &r->out->text, r->out->words[0], strlen(r->out->words[0]));
	msv_buf_fini(&inner);
	return error;
}

static int read_file(struct reading *r, struct msv_span text)
{
	r->out->kind = MSV_TARGET_DISCARD;
	if (text.n == 9 && memcmp(text.p, "/dev/null", 9) == 0)
		return 0;
	return wrong(r, "mail is not written into files; name an account, or a program: "
	                "\"|/path/program word\"");
}

static int read_include(struct reading *r, struct msv_span text)
{
	struct msv_buf inner;
	int error;

	msv_buf_init(&inner, r->arena->env);
	text = trim(text);
	if (msv_alias_unquote(text, &inner))
		text = (struct msv_span){ msv_buf_data(&inner), msv_buf_len(&inner) };
	r->out->kind = MSV_TARGET_INCLUDE;
	if (msv_buf_failed(&inner))
		error = MSV_ERR_NOMEM;
	else if (!text.n || *text.p != '/' || memchr(text.p, '\n', text.n))
		error = wrong(r, "a list is named by its whole path: :include:/path/list");
	else
		error = keep(r, &r->out->text, text.p, text.n);
	msv_buf_fini(&inner);
	return error;
}

static int read_discard(struct reading *r, struct msv_span text)
{
	r->out->kind = MSV_TARGET_DISCARD;
	return text.n ? wrong(r, "nothing can stand behind :blackhole:") : 0;
}

/* The octets of "5.1.1" at the front that go with the code (RFC 3463 2); 0: none. */
static size_t enhanced_length(struct msv_span text, int code)
{
	size_t n = 0, dots = 0;

	while (n < text.n && (text.p[n] == '.' || (text.p[n] >= '0' && text.p[n] <= '9')))
		dots += text.p[n++] == '.';
	bool ends = n == text.n || strchr(" \t\n", text.p[n]);
	return n >= 5 && n <= 9 && dots == 2 && ends && text.p[0] - '0' == code / 100 &&
	               text.p[1] == '.' && text.p[2] != '.' && text.p[n - 1] != '.'
	           ? n
	           : 0;
}

/* The words, on one line. */
static int refuse(struct reading *r, int code, struct msv_span text)
{
	struct msv_alias_target *out = r->out;
	size_t n = enhanced_length(text, code);
	const char *enhanced = code < 500 ? "4.2.1" : "5.1.1";

	out->kind = MSV_TARGET_ERROR;
	out->code = (uint16_t)code;
	if (keep(r, &out->local, n ? text.p : enhanced, n ? n : strlen(enhanced)) != 0)
		return MSV_ERR_NOMEM;
	text = trim(skip(text, n));
	if (!text.n)
		text = (struct msv_span){ "No mail is taken here", 21 };
	if (text.n > ERROR_TEXT_MAX)
		return wrong(r, "the words of a refusal are longer than 400 octets");
	char *kept = msv_arena_strndup(r->arena, text.p, text.n);
	if (!kept)
		return MSV_ERR_NOMEM;
	for (char *p = kept; *p; p++)
		if (*p == '\n' || *p == '\t')
			*p = ' ';
	out->text = kept;
	return 0;
}

static int read_fail(struct reading *r, struct msv_span text)
{
	return refuse(r, 550, trim(text));
}

static int read_defer(struct reading *r, struct msv_span text)
{
	return refuse(r, 451, trim(text));
}

static int read_error(struct reading *r, struct msv_span text)
{
	int code = 0;
	size_t n = 0;

	text = trim(text);
	for (; n < text.n && n < 4 && text.p[n] >= '0' && text.p[n] <= '9'; n++)
		code = 10 * code + (text.p[n] - '0');
	if (n != 3 || code < 400 || code > 599)
		return wrong(
		    r, "error: wants a code from 400 to 599 and words: \"error:550 5.1.1 Gone\"");
	return refuse(r, code, trim(skip(text, n)));
}

static int read_domain(struct reading *r, struct msv_span text)
{
	struct msv_smtp_mailbox box;
	char address[MSV_SMTP_DOMAIN_MAX + 3] = "x@";

	r->out->kind = MSV_TARGET_DOMAIN;
	if (text.n <= MSV_SMTP_DOMAIN_MAX)
		memcpy(address + 2, text.p, text.n);
	if (text.n > MSV_SMTP_DOMAIN_MAX || msv_smtp_mailbox_parse(address, text.n + 2, &box) != 0)
		return wrong(r, "this is no domain; write @example.org");
	return keep(r, &r->out->text, box.domain, strlen(box.domain));
}

/* The forms a target may have, told by their beginning, in any case. */
static const struct {
	const char *beginning;
	int (*read)(struct reading *r, struct msv_span text);
	bool whole; /* the function wants the beginning too */
} forms[] = {
	{ "|", read_program, false },
	{ "/", read_file, true },
	{ ":include:", read_include, false },
	{ ":blackhole:", read_discard, false },
	{ ":fail:", read_fail, false },
	{ ":defer:", read_defer, false },
	{ "error:", read_error, false },
	{ "@", read_domain, false },
};

/* -- Addresses -------------------------------------------------------------------- */

/* What is between the angles of "Somebody <a@b>", or all of it. */
static struct msv_span inside_angles(struct msv_span s)
{
	size_t at = s.n;

	if (!s.n || s.p[s.n - 1] != '>')
		return s;
	while (at && s.p[at - 1] != '<')
		at--;
	return at ? trim((struct msv_span){ s.p + at, s.n - at - 1 }) : s;
}

static int read_address(struct reading *r, struct msv_span raw)
{
	struct msv_smtp_mailbox box;
	struct msv_alias_target *out = r->out;

	if (raw.n && *raw.p == '\\') {
		out->account = true;
		raw = skip(raw, 1);
	}
	raw = inside_angles(raw);
	if (msv_alias_mailbox(raw, &box) != 0 || !box.local[0])
		return wrong(r, "this is no name and no address; several are separated by commas");
	out->kind = box.domain[0] ? MSV_TARGET_ADDRESS : MSV_TARGET_NAME;
	int error = keep(r, &out->text, box.address, strlen(box.address));
	return error ? error : keep(r, &out->local, box.local, strlen(box.local));
}

/* `text` is raw without quotes around the whole of it. */
static int read_target(struct reading *r, struct msv_span text, struct msv_span raw)
{
	for (size_t i = 0; i < sizeof forms / sizeof *forms; i++) {
		size_t n = strlen(forms[i].beginning);
		if (text.n >= n && msv_ascii_equal(text.p, n, forms[i].beginning, n))
			return forms[i].read(r, forms[i].whole ? text : skip(text, n));
	}
	return read_address(r, text.n && *text.p == '\\' ? text : raw);
}

int msv_alias_target(struct msv_arena *arena, struct msv_span raw, struct msv_alias_target *out,
    const char **mistake)
{
	struct reading r = { .arena = arena, .out = out };
	struct msv_buf inner;
	int error;

	*out = (struct msv_alias_target){ 0 };
	msv_buf_init(&inner, arena->env);
	struct msv_span text = msv_alias_unquote(raw, &inner)
	                           ? (struct msv_span){ msv_buf_data(&inner), msv_buf_len(&inner) }
	                           : raw;
	if (msv_buf_failed(&inner))
		error = MSV_ERR_NOMEM;
	else if (!is_text(text))
		error = wrong(&r, "there are octets that are no UTF-8 text");
	else
		error = read_target(&r, text, raw);
	msv_buf_fini(&inner);
	*mistake = r.mistake;
	return error;
}
