/* The words of a program.  There is no shell: what would mean something to one
 * must stand in quotes. */
#include <string.h>

#include "mta/aliases.h"

static bool is_blank(char c)
{
	return c == ' ' || c == '\t' || c == '\n';
}

/* Text being split; words are gathered in `room`, which is as large as the text. */
struct splitter {
	const char *p, *end;
	char *room;
	const char *words[MSV_ALIAS_WORDS_MAX + 1];
	size_t nwords;
	const char *mistake;
};

/* '...' takes everything as it is, "..." knows backslashes. */
static void take_quoted(struct splitter *s)
{
	char quote = *s->p++;

	while (s->p < s->end && *s->p != quote) {
		if (*s->p == '\\' && quote == '"' && s->end - s->p > 1)
			s->p++;
		*s->room++ = *s->p++;
	}
	if (s->p == s->end)
		s->mistake = "a quote inside the program's words is not closed";
	else
		s->p++;
}

static void take_word(struct splitter *s)
{
	s->words[s->nwords++] = s->room;
	while (s->p < s->end && !is_blank(*s->p) && !s->mistake) {
		if (*s->p == '\'' || *s->p == '"') {
			take_quoted(s);
			continue;
		}
		if (*s->p == '\\' && s->end - s->p > 1)
			s->p++;
		else if (strchr("|&;<>()$`*?", *s->p))
			s->mistake = "programs are run without a shell: put |&;<>()$`*? in quotes "
			             "when they are meant, or the whole line into a script";
		*s->room++ = *s->p++;
	}
	*s->room++ = '\0';
}

static void split(struct splitter *s)
{
	for (;;) {
		while (s->p < s->end && is_blank(*s->p))
			s->p++;
		if (s->p == s->end || s->mistake)
			return;
		if (s->nwords == MSV_ALIAS_WORDS_MAX)
			s->mistake = "a program has more than 64 words; put them into a script";
		else
			take_word(s);
	}
}

int msv_alias_words(
    struct msv_arena *arena, struct msv_span text, const char *const **out, const char **mistake)
{
	char room[MSV_ALIAS_PROGRAM_MAX + MSV_ALIAS_WORDS_MAX + 1];
	struct splitter s = { .p = text.p, .end = text.p + text.n, .room = room };

	if (text.n > MSV_ALIAS_PROGRAM_MAX)
		s.mistake = "a program has more than 4096 octets; put it into a script";
	else
		split(&s);
	if (!s.mistake && (!s.nwords || s.words[0][0] != '/'))
		s.mistake = "a program is named by its whole path: \"|/path/program word\"";
	*mistake = s.mistake;
	if (s.mistake)
		return MSV_ERR_FORMAT;
	const char **words = msv_arena_alloc(arena, (s.nwords + 1) * sizeof *words);
	if (!words)
		return MSV_ERR_NOMEM;
	for (size_t i = 0; i < s.nwords; i++)
		if (!(words[i] = msv_arena_strndup(arena, s.words[i], strlen(s.words[i]))))
			return MSV_ERR_NOMEM;
	*out = words;
	return 0;
}
