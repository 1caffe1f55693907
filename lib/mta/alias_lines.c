/* Lines, items and names of the small files of mail routing: what aliases(5) has
 * always looked like. */
#include <string.h>

#include "codec/casefold.h"
#include "codec/idna.h"
#include "mta/aliases.h"

static bool is_blank(char c)
{
	return c == ' ' || c == '\t' || c == '\n';
}

static struct msv_span trim(struct msv_span s)
{
	while (s.n && is_blank(*s.p)) {
		s.p++;
		s.n--;
	}
	while (s.n && is_blank(s.p[s.n - 1]))
		s.n--;
	return s;
}

/* -- Lines ------------------------------------------------------------------------ */

void msv_alias_lines_init(
    struct msv_alias_lines *lines, struct msv_env *env, const char *p, size_t n, bool flat)
{
	bool mark = n >= 3 && memcmp(p, "\xef\xbb\xbf", 3) == 0;

	*lines = (struct msv_alias_lines){ .flat = flat, .next = 1 };
	lines->rest = mark ? (struct msv_span){ p + 3, n - 3 } : (struct msv_span){ p, n };
	msv_buf_init(&lines->joined, env);
}

void msv_alias_lines_fini(struct msv_alias_lines *lines)
{
	msv_buf_fini(&lines->joined);
}

/* Moves *at from an opening quote behind the closing one; false: there is none, *at
 * is at the end of the line. */
static bool skip_quoted(struct msv_span s, size_t *at)
{
	while (++*at < s.n && s.p[*at] != '\n') {
		if (s.p[*at] == '"') {
			++*at;
			return true;
		}
		if (s.p[*at] == '\\' && *at + 1 < s.n && s.p[*at + 1] != '\n')
			++*at;
	}
	return false;
}

/* The line without what stands behind a "#" at its beginning or behind a blank. */
static struct msv_span cut_comment(struct msv_span s)
{
	size_t at = 0;

	while (at < s.n) {
		if (s.p[at] == '#' && (at == 0 || is_blank(s.p[at - 1])))
			s.n = at;
		else if (s.p[at] == '"')
			skip_quoted(s, &at);
		else
			at++;
	}
	return s;
}

/* The line at `rest`, without its end and comment; *whole octets belong to it. */
static struct msv_span look(const struct msv_alias_lines *lines, size_t *whole)
{
	const char *end = memchr(lines->rest.p, '\n', lines->rest.n);
	struct msv_span line = lines->rest;

	if (end)
		line.n = (size_t)(end - line.p);
	*whole = line.n + (end != NULL);
	if (line.n && line.p[line.n - 1] == '\r')
		line.n--;
	return cut_comment(line);
}

static void pass(struct msv_alias_lines *lines, size_t whole)
{
	lines->rest.p += whole;
	lines->rest.n -= whole;
	lines->next++;
}

/* Passes lines that say nothing; false at the end of the text. */
static bool skip_empty(struct msv_alias_lines *lines)
{
	size_t whole;

	while (lines->rest.n) {
		if (trim(look(lines, &whole)).n)
			return true;
		pass(lines, whole);
	}
	return false;
}

/* Appends the line at `rest`, after an "\n" for each line since the last one. */
static void join(struct msv_alias_lines *lines, unsigned *counted)
{
	size_t whole;
	struct msv_span line = look(lines, &whole);

	for (; *counted < lines->next; ++*counted)
		msv_buf_putc(&lines->joined, '\n');
	msv_buf_put(&lines->joined, line.p, line.n);
	pass(lines, whole);
}

int msv_alias_lines_next(struct msv_alias_lines *lines)
{
	msv_buf_clear(&lines->joined);
	if (!skip_empty(lines))
		return 0;
	lines->line = lines->next;
	unsigned counted = lines->line;
	join(lines, &counted);
	while (!lines->flat && skip_empty(lines) && is_blank(*lines->rest.p))
		join(lines, &counted);
	if (msv_buf_failed(&lines->joined))
		return MSV_ERR_NOMEM;
	lines->text =
	    (struct msv_span){ msv_buf_data(&lines->joined), msv_buf_len(&lines->joined) };
	return 1;
}

/* -- Items ------------------------------------------------------------------------ */

/* Takes n octets of the text, counting lines. */
static struct msv_span take(struct msv_alias_lines *lines, size_t n)
{
	struct msv_span taken = { lines->text.p, n };

	for (size_t i = 0; i < n; i++)
		lines->line += lines->text.p[i] == '\n';
	lines->text.p += n;
	lines->text.n -= n;
	return taken;
}

static void skip_blanks(struct msv_alias_lines *lines)
{
	size_t n = 0;

	while (n < lines->text.n && is_blank(lines->text.p[n]))
		n++;
	take(lines, n);
}

/* Takes up to the next `stop` outside quotes, and that too; *found tells if there
 * was one.  A quote that is not closed ends with its line. */
static struct msv_span take_until(
    struct msv_alias_lines *lines, char stop, bool *found, const char **mistake)
{
	struct msv_span text = lines->text;
	size_t at = 0;

	while (at < text.n && text.p[at] != stop && !*mistake) {
		if (text.p[at] != '"')
			at++;
		else if (!skip_quoted(text, &at))
			*mistake = "a quote is not closed; write \"...\" on one line";
	}
	*found = at < text.n && text.p[at] == stop;
	struct msv_span taken = take(lines, at);
	if (*found)
		take(lines, 1);
	return trim(taken);
}

void msv_alias_key(struct msv_alias_lines *lines, struct msv_alias_item *out)
{
	bool found;

	skip_blanks(lines);
	*out = (struct msv_alias_item){ .line = lines->line };
	out->raw = take_until(lines, ':', &found, &out->mistake);
	if (!found && !out->mistake)
		out->mistake = "there is no colon; write \"name: target, target\"";
}

/* Forms whose words go on to the end, commas included. */
static bool takes_all(struct msv_span text)
{
	static const char *const words[] = { "error:", ":fail:", ":defer:" };

	for (size_t i = 0; i < sizeof words / sizeof *words; i++) {
		size_t n = strlen(words[i]);
		if (text.n >= n && msv_ascii_equal(text.p, n, words[i], n))
			return true;
	}
	return false;
}

bool msv_alias_item(struct msv_alias_lines *lines, struct msv_alias_item *out)
{
	bool found = true;

	do {
		skip_blanks(lines);
		if (!lines->text.n)
			return false;
		*out = (struct msv_alias_item){ .line = lines->line };
		out->raw = takes_all(lines->text) ? trim(take(lines, lines->text.n))
		                                  : take_until(lines, ',', &found, &out->mistake);
	} while (!out->raw.n);
	return true;
}

bool msv_alias_unquote(struct msv_span raw, struct msv_buf *out)
{
	size_t end = 0;

	if (!raw.n || raw.p[0] != '"' || !skip_quoted(raw, &end) || end != raw.n)
		return false;
	for (size_t i = 1; i + 1 < raw.n; i++) {
		if (raw.p[i] == '\\')
			i++;
		msv_buf_putc(out, raw.p[i]);
	}
	return true;
}

/* -- Names ------------------------------------------------------------------------ */

int msv_alias_mailbox(struct msv_span raw, struct msv_smtp_mailbox *out)
{
	char text[MSV_SMTP_ADDRESS_MAX + 2];

	if (msv_smtp_mailbox_parse(raw.p, raw.n, out) == 0)
		return 0;
	if (raw.n > MSV_SMTP_ADDRESS_MAX)
		return MSV_ERR_FORMAT;
	memcpy(text, raw.p, raw.n);
	memcpy(text + raw.n, "@x", 2);
	if (msv_smtp_mailbox_parse(text, raw.n + 2, out) != 0)
		return MSV_ERR_FORMAT;
	out->address[strlen(out->address) - 2] = '\0';
	out->domain[0] = '\0';
	return 0;
}

int msv_alias_compose(const char *local, const char *domain, struct msv_smtp_mailbox *out)
{
	char text[MSV_SMTP_ADDRESS_MAX];
	size_t n = 0, ndomain = strlen(domain);

	if (strlen(local) > MSV_SMTP_LOCAL_MAX || ndomain > MSV_SMTP_DOMAIN_MAX)
		return MSV_ERR_LIMIT;
	text[n++] = '"';
	for (const char *p = local; *p; p++) {
		if (*p == '"' || *p == '\\')
			text[n++] = '\\';
		text[n++] = *p;
	}
	text[n++] = '"';
	text[n++] = '@';
	memcpy(text + n, domain, ndomain);
	return msv_smtp_mailbox_parse(text, n + ndomain, out);
}

int msv_alias_fold(const char *local, const char *domain, struct msv_buf *out)
{
	char ascii[MSV_DOMAIN_SIZE];

	msv_casefold(local, strlen(local), out);
	msv_buf_putc(out, '@');
	/* What is no domain is compared as it stands. */
	msv_buf_puts(out, msv_domain_to_ascii(domain, ascii) == 0 ? ascii : domain);
	return msv_buf_failed(out) ? MSV_ERR_NOMEM : 0;
}
