/*
 * Preparing passwords for SCRAM: SASLprep (RFC 4013).
 *
 * ASCII stands for itself, and so does what SASLprep refuses: a client that
 * does not prepare must get in with the very bytes.  Of the rest, some
 * characters are mapped, then NFKC is applied when utf8proc is in the build.
 * NFKC is that of today's Unicode, not of 3.2, and the check of mixed writing
 * directions is left out: both concern only text hardly anybody can type.
 */
#include "auth/auth.h"

#include <limits.h>
#include <string.h>

#include "codec/utf8.h"
#include "config.h"

#ifdef HAVE_UTF8PROC
#include <utf8proc.h>
#endif

struct range {
	uint32_t first, last;
};

/* RFC 3454 C.1.2 */
static const struct range to_space[] = { { 0xa0, 0xa0 }, { 0x1680, 0x1680 }, { 0x2000, 0x200b },
	{ 0x202f, 0x202f }, { 0x205f, 0x205f }, { 0x3000, 0x3000 } };

/* RFC 3454 B.1, without U+200B, which becomes a space */
static const struct range to_nothing[] = { { 0xad, 0xad }, { 0x34f, 0x34f }, { 0x1806, 0x1806 },
	{ 0x180b, 0x180d }, { 0x200c, 0x200d }, { 0x2060, 0x2060 }, { 0xfe00, 0xfe0f },
	{ 0xfeff, 0xfeff } };

/* RFC 3454 C.2.2 to C.9, as far as the mappings leave any */
static const struct range prohibited[] = { { 0x80, 0x9f }, { 0x340, 0x341 }, { 0x6dd, 0x6dd },
	{ 0x70f, 0x70f }, { 0x180e, 0x180e }, { 0x200e, 0x200f }, { 0x2028, 0x202e },
	{ 0x2061, 0x2063 }, { 0x206a, 0x206f }, { 0x2ff0, 0x2ffb }, { 0xd800, 0xf8ff },
	{ 0xfdd0, 0xfdef }, { 0xfff9, 0xffff }, { 0x1d173, 0x1d17a }, { 0x1fffe, 0x1ffff },
	{ 0x2fffe, 0x2ffff }, { 0x3fffe, 0x3ffff }, { 0x4fffe, 0x4ffff }, { 0x5fffe, 0x5ffff },
	{ 0x6fffe, 0x6ffff }, { 0x7fffe, 0x7ffff }, { 0x8fffe, 0x8ffff }, { 0x9fffe, 0x9ffff },
	{ 0xafffe, 0xaffff }, { 0xbfffe, 0xbffff }, { 0xcfffe, 0xcffff }, { 0xdfffe, 0xdffff },
	{ 0xe0001, 0xe007f }, { 0xefffe, 0x10ffff } };

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

static bool in_ranges(const struct range *r, size_t n, uint32_t c)
{
	for (; n; r++, n--) {
		if (c >= r->first && c <= r->last)
			return true;
	}
	return false;
}

/* Maps text into out, which has room for as many bytes; false: refused. */
static bool map(const char *text, char *out)
{
	size_t n = strlen(text);

	while (n) {
		uint32_t c;
		int used = msv_utf8_get(text, n, &c);
		if (used <= 0 || c < 0x20 || c == 0x7f)
			return false;
		text += used;
		n -= (size_t)used;
		if (in_ranges(to_nothing, COUNT(to_nothing), c))
			continue;
		if (in_ranges(to_space, COUNT(to_space), c))
			c = ' ';
		if (in_ranges(prohibited, COUNT(prohibited), c))
			return false;
		out += msv_utf8_put(c, out);
	}
	*out = '\0';
	return true;
}

#ifdef HAVE_UTF8PROC
/* NFKC of text in new memory; *refused when utf8proc cannot. */
static char *normalize(struct msv_env *env, const char *text, bool *refused)
{
	const utf8proc_option_t options = UTF8PROC_COMPOSE | UTF8PROC_COMPAT | UTF8PROC_STABLE;
	utf8proc_ssize_t len = (utf8proc_ssize_t)strlen(text), n;
	const uint8_t *from = (const uint8_t *)text;
	char *out = NULL;

	*refused = false;
	n = utf8proc_decompose(from, len, NULL, 0, options);
	if (n < 0) {
		*refused = true;
		return NULL;
	}
	/* The result is written over the code points, each at most as long. */
	size_t size = ((size_t)n + 1) * sizeof(utf8proc_int32_t);
	utf8proc_int32_t *points = msv_alloc(env, size);
	if (!points)
		return NULL;
	if (utf8proc_decompose(from, len, points, n, options) == n &&
	    utf8proc_reencode(points, n, options) >= 0)
		out = msv_strdup(env, (const char *)points);
	else
		*refused = true;
	msv_free_secret(env, points, size);
	return out;
}
#else
static char *normalize(struct msv_env *env, const char *text, bool *refused)
{
	*refused = false;
	return msv_strdup(env, text);
}
#endif

char *msv_saslprep(struct msv_env *env, const char *text)
{
	char *mapped, *out = NULL;
	bool refused = true;

	if (msv_ascii_only(text, strlen(text)) || strlen(text) > INT_MAX / 32)
		return msv_strdup(env, text);
	if (!(mapped = msv_strdup(env, text)))
		return NULL;
	if (map(text, mapped) && *mapped)
		out = normalize(env, mapped, &refused);
	msv_free_secret(env, mapped, strlen(text) + 1);
	return refused ? msv_strdup(env, text) : out;
}

void msv_free_string_secret(struct msv_env *env, char *s)
{
	if (s)
		msv_free_secret(env, s, strlen(s) + 1);
}
