#include "codec/matcher.h"

#include <string.h>

#include "base/alloc.h"
#include "codec/casefold.h"
#include "codec/utf8.h"

/* Text is folded in pieces of this size. */
#define PIECE 4096

/* next[i]: how much of the needle still matches when needle[0..i) did and the
 * byte behind it did not. */
static void build_next(struct msv_matcher *m)
{
	uint32_t k = 0;

	m->next[0] = 0;
	for (size_t i = 1; i < m->n; i++) {
		while (k > 0 && m->needle[i] != m->needle[k])
			k = m->next[k - 1];
		if (m->needle[i] == m->needle[k])
			k++;
		m->next[i] = k;
	}
}

/* Keeps the folded needle.  0 or an error. */
static int keep_needle(struct msv_matcher *m)
{
	m->n = msv_buf_len(&m->folded);
	if (m->n > MSV_MATCHER_MAX)
		return MSV_ERR_LIMIT;
	if (m->n == 0)
		return 0;
	m->needle = msv_memdup(m->env, msv_buf_data(&m->folded), m->n);
	m->next = msv_alloc(m->env, m->n * sizeof *m->next);
	if (!m->needle || !m->next)
		return MSV_ERR_NOMEM;
	build_next(m);
	return 0;
}

int msv_matcher_init(struct msv_matcher *m, struct msv_env *env, const char *p, size_t n)
{
	int rc;

	memset(m, 0, sizeof *m);
	m->env = env;
	msv_buf_init(&m->folded, env);
	if (n > MSV_MATCHER_MAX)
		return MSV_ERR_LIMIT;
	if (!msv_utf8_valid(p, n))
		return MSV_ERR_FORMAT;
	rc = msv_casefold(p, n, &m->folded);
	if (rc == 0)
		rc = keep_needle(m);
	msv_buf_clear(&m->folded);
	msv_matcher_reset(m);
	if (rc < 0)
		msv_matcher_fini(m);
	return rc;
}

void msv_matcher_fini(struct msv_matcher *m)
{
	msv_free(m->env, m->needle);
	msv_free(m->env, m->next);
	msv_buf_fini(&m->folded);
	m->needle = NULL;
	m->next = NULL;
}

void msv_matcher_reset(struct msv_matcher *m)
{
	m->state = 0;
	m->nheld = 0;
	m->found = m->n == 0;
}

static void match(struct msv_matcher *m, const char *p, size_t n)
{
	for (size_t i = 0; i < n && !m->found; i++) {
		while (m->state > 0 && p[i] != m->needle[m->state])
			m->state = m->next[m->state - 1];
		if (p[i] == m->needle[m->state])
			m->state++;
		m->found = m->state == m->n;
	}
}

/* Folds whole characters and looks at them. */
static int match_text(struct msv_matcher *m, const char *p, size_t n)
{
	int rc = msv_casefold(p, n, &m->folded);

	if (rc == 0)
		match(m, msv_buf_data(&m->folded), msv_buf_len(&m->folded));
	msv_buf_clear(&m->folded);
	return rc;
}

/* How many of the n bytes make whole characters (or no characters at all). */
static size_t whole(const char *p, size_t n)
{
	uint32_t c;

	for (size_t back = 1; back <= 3 && back <= n; back++)
		if (((unsigned char)p[n - back] & 0xc0) == 0xc0)
			return msv_utf8_get(p + n - back, back, &c) == 0 ? n - back : n;
	return n;
}

/* Adds a byte to the character held back and looks at it once it is whole or
 * cannot become so.  How many bytes were taken, 0 or 1. */
static size_t push_held(struct msv_matcher *m, char c, int *rc)
{
	uint32_t code;
	int len;

	m->held[m->nheld] = c;
	len = msv_utf8_get(m->held, m->nheld + 1u, &code);
	if (len == 0) {
		m->nheld++;
		return 1;
	}
	*rc = match_text(m, m->held, len > 0 ? m->nheld + 1u : m->nheld);
	m->nheld = 0;
	return len > 0;
}

int msv_matcher_push(struct msv_matcher *m, const char *p, size_t n)
{
	int rc = 0;

	while (n > 0 && !m->found && rc == 0) {
		size_t piece = n < PIECE ? n : PIECE, used;

		if (m->nheld > 0) {
			used = push_held(m, *p, &rc);
		} else if ((used = whole(p, piece)) > 0) {
			rc = match_text(m, p, used);
		} else {
			memcpy(m->held, p, piece);
			m->nheld = (uint8_t)piece;
			used = piece;
		}
		p += used;
		n -= used;
	}
	return rc < 0 ? rc : m->found;
}

int msv_matcher_text(struct msv_matcher *m, const char *p, size_t n)
{
	msv_matcher_reset(m);
	return msv_matcher_push(m, p, n);
}
