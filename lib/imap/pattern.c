/* LIST patterns: all the places of the pattern that a name may have reached are
 * followed at once, so no pattern makes it try again. */
#include "imap/imap.h"

#include <string.h>

#include "codec/casefold.h"

static bool is_wildcard(char c)
{
	return c == '*' || c == '%';
}

int msv_imap_pattern_init(
    struct imap_session *s, struct imap_pattern *pattern, const char *p, size_t n)
{
	pattern->p = msv_arena_alloc(&s->cmd.arena, n + 1);
	pattern->states = msv_arena_alloc(&s->cmd.arena, n + 1);
	pattern->separator = s->store->separator;
	pattern->n = 0;
	if (!pattern->p || !pattern->states)
		return MSV_ERR_NOMEM;
	for (size_t i = 0; i < n; i++) {
		char *last = pattern->n ? &pattern->p[pattern->n - 1] : NULL;
		if (last && is_wildcard(*last) && is_wildcard(p[i])) {
			if (p[i] == '*')
				*last = '*';
		} else {
			pattern->p[pattern->n++] = p[i];
		}
	}
	return 0;
}

/* A wildcard may stand for nothing: the place behind it is reached with it. */
static void close_over(struct imap_pattern *pattern)
{
	for (size_t i = 0; i < pattern->n; i++) {
		if (pattern->states[i] && is_wildcard(pattern->p[i]))
			pattern->states[i + 1] = 1;
	}
}

/* The name goes on by c.  From the end to the beginning, so that each place is read
 * before it is written. */
static void advance(struct imap_pattern *pattern, char c, bool any_case)
{
	unsigned char *states = pattern->states;

	states[pattern->n] = 0;
	for (size_t i = pattern->n; i-- > 0;) {
		char want = pattern->p[i];
		if (!states[i])
			continue;
		if (want == '*' || (want == '%' && c != pattern->separator))
			continue;
		states[i] = 0;
		if (!is_wildcard(want) &&
		    (want == c || (any_case && msv_ascii_lower(want) == msv_ascii_lower(c))))
			states[i + 1] = 1;
	}
	close_over(pattern);
}

/* How much of the name is INBOX, which is the same in any case. */
static size_t inbox_prefix(const char *name, char separator)
{
	return strncmp(name, "INBOX", 5) == 0 && (!name[5] || name[5] == separator) ? 5 : 0;
}

bool msv_imap_pattern_match(struct imap_pattern *pattern, const char *name)
{
	size_t inbox = inbox_prefix(name, pattern->separator);

	memset(pattern->states, 0, pattern->n + 1);
	pattern->states[0] = 1;
	close_over(pattern);
	for (size_t i = 0; name[i]; i++)
		advance(pattern, name[i], i < inbox);
	return pattern->states[pattern->n];
}
