/* Lines of a passwd-file: user:hash:uid:gid:gecos:home:shell:extra. */
#include "auth/auth.h"

#include <string.h>

static bool is_space(char c)
{
	return c == ' ' || c == '\t';
}

static bool is_blank(struct msv_span s)
{
	while (s.n && is_space(*s.p)) {
		s.p++;
		s.n--;
	}
	return s.n == 0 || *s.p == '#';
}

static void split(struct msv_span line, struct msv_passwd_line *out)
{
	const char *p = line.p, *end = line.p + line.n;

	for (unsigned i = 0; i < MSV_PASSWD_FIELDS; i++) {
		const char *colon = i < MSV_PASSWD_EXTRA ? memchr(p, ':', (size_t)(end - p)) : NULL;
		out->field[i] = (struct msv_span){ p, (size_t)((colon ? colon : end) - p) };
		out->nfields = i + 1;
		if (!colon)
			break;
		p = colon + 1;
	}
	for (unsigned i = out->nfields; i < MSV_PASSWD_FIELDS; i++)
		out->field[i] = (struct msv_span){ end, 0 };
}

/* A byte order mark; files put together have them in the middle, too. */
static size_t mark_length(struct msv_span line)
{
	return line.n >= 3 && memcmp(line.p, "\xef\xbb\xbf", 3) == 0 ? 3 : 0;
}

void msv_passwd_next_line(struct msv_span *text, struct msv_passwd_line *out)
{
	const char *nl = memchr(text->p, '\n', text->n);
	size_t n = nl ? (size_t)(nl - text->p) : text->n, whole = n + (nl != NULL);
	size_t mark = mark_length(*text);
	struct msv_span line = { text->p + mark, n - mark };

	if (line.n && line.p[line.n - 1] == '\r')
		line.n--;
	*out = (struct msv_passwd_line){ .mark = { text->p, mark },
		.end = { line.p + line.n, whole - mark - line.n } };
	out->finished = nl != NULL;
	out->blank = is_blank(line);
	out->says_empty = line.n == strlen(MSV_PASSWD_EMPTY_LINE) &&
	                  memcmp(line.p, MSV_PASSWD_EMPTY_LINE, line.n) == 0;
	split(line, out);
	text->p += whole;
	text->n -= whole;
}

bool msv_passwd_next_word(struct msv_span *extra, struct msv_span *word)
{
	while (extra->n && is_space(*extra->p)) {
		extra->p++;
		extra->n--;
	}
	*word = (struct msv_span){ extra->p, 0 };
	while (extra->n && !is_space(*extra->p)) {
		extra->p++;
		extra->n--;
		word->n++;
	}
	return word->n > 0;
}

bool msv_passwd_word_is(struct msv_span word, const char *key)
{
	size_t n = strlen(key);

	return word.n >= n && memcmp(word.p, key, n) == 0 && (word.n == n || word.p[n] == '=');
}
