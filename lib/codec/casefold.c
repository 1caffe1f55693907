#include "codec/casefold.h"

#include <string.h>

#include "codec/utf8.h"
#include "config.h"

#ifdef HAVE_UTF8PROC
#include <utf8proc.h>
#endif

char msv_ascii_lower(char c)
{
	return c >= 'A' && c <= 'Z' ? (char)(c + ('a' - 'A')) : c;
}

bool msv_ascii_equal(const char *a, size_t an, const char *b, size_t bn)
{
	if (an != bn)
		return false;
	for (size_t i = 0; i < an; i++)
		if (msv_ascii_lower(a[i]) != msv_ascii_lower(b[i]))
			return false;
	return true;
}

bool msv_ascii_equals(const char *a, size_t an, const char *literal)
{
	return msv_ascii_equal(a, an, literal, strlen(literal));
}

/* Folds the run of ASCII at p; its length. */
static size_t fold_ascii(const char *p, size_t n, struct msv_buf *out)
{
	char folded[256];
	size_t i;

	for (i = 0; i < n && i < sizeof folded && !((unsigned char)p[i] & 0x80); i++)
		folded[i] = msv_ascii_lower(p[i]);
	msv_buf_put(out, folded, i);
	return i;
}

#ifdef HAVE_UTF8PROC
/* One character's folded, decomposed form.  Without UTF8PROC_COMPOSE nothing
 * depends on its neighbours, so text can be folded in pieces. */
static void fold_character(uint32_t c, const char *p, size_t n, struct msv_buf *out)
{
	utf8proc_int32_t folded[32];
	int boundary = 0;
	utf8proc_ssize_t count = utf8proc_decompose_char((utf8proc_int32_t)c, folded, 32,
	    UTF8PROC_CASEFOLD | UTF8PROC_COMPAT | UTF8PROC_DECOMPOSE, &boundary);

	if (count < 0 || count > 32) {
		msv_buf_put(out, p, n);
		return;
	}
	for (utf8proc_ssize_t i = 0; i < count; i++) {
		char utf8[4];

		msv_buf_put(out, utf8, msv_utf8_put((uint32_t)folded[i], utf8));
	}
}
#else
static void fold_character(uint32_t c, const char *p, size_t n, struct msv_buf *out)
{
	(void)c;
	msv_buf_put(out, p, n);
}
#endif

int msv_casefold(const char *p, size_t n, struct msv_buf *out)
{
	while (n > 0) {
		size_t used = fold_ascii(p, n, out);

		if (used == 0) {
			uint32_t c;
			int len = msv_utf8_get(p, n, &c);

			used = len == 0 ? n : (size_t)(len < 0 ? -len : len);
			if (len > 0)
				fold_character(c, p, used, out);
			else
				msv_buf_put(out, p, used);
		}
		p += used;
		n -= used;
	}
	return msv_buf_failed(out) ? MSV_ERR_NOMEM : 0;
}
