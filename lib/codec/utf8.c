#include "codec/utf8.h"

#include <string.h>

bool msv_ascii_only(const char *p, size_t n)
{
	unsigned char all = 0;

	for (size_t i = 0; i < n; i++)
		all |= (unsigned char)p[i];
	return all < 0x80;
}

/* How many bytes follow the first byte, and the range of the second (RFC 3629
 * 4: it is the second byte that rules out overlong forms and surrogates). */
static int lead(unsigned char c, unsigned char *lo, unsigned char *hi)
{
	*lo = 0x80;
	*hi = 0xbf;
	if (c >= 0xc2 && c <= 0xdf)
		return 1;
	if (c >= 0xe0 && c <= 0xef) {
		if (c == 0xe0)
			*lo = 0xa0;
		if (c == 0xed)
			*hi = 0x9f;
		return 2;
	}
	if (c >= 0xf0 && c <= 0xf4) {
		if (c == 0xf0)
			*lo = 0x90;
		if (c == 0xf4)
			*hi = 0x8f;
		return 3;
	}
	return -1;
}

int msv_utf8_get(const char *p, size_t n, uint32_t *c)
{
	const unsigned char *u = (const unsigned char *)p;
	unsigned char lo, hi;
	int more;

	if (n == 0)
		return 0;
	if (u[0] < 0x80) {
		*c = u[0];
		return 1;
	}
	more = lead(u[0], &lo, &hi);
	if (more < 0)
		return -1;
	*c = u[0] & (0x3fu >> more);
	for (int i = 1; i <= more; i++) {
		if ((size_t)i == n)
			return 0;
		if (u[i] < lo || u[i] > hi)
			return -i;
		*c = *c << 6 | (u[i] & 0x3fu);
		lo = 0x80;
		hi = 0xbf;
	}
	return more + 1;
}

size_t msv_utf8_put(uint32_t c, char out[4])
{
	size_t n = c < 0x80 ? 1 : c < 0x800 ? 2 : c < 0x10000 ? 3 : 4;
	static const unsigned char leads[] = { 0, 0, 0xc0, 0xe0, 0xf0 };

	for (size_t i = n; i-- > 1; c >>= 6)
		out[i] = (char)(0x80 | (c & 0x3f));
	out[0] = (char)(leads[n] | c);
	return n;
}

bool msv_utf8_valid(const char *p, size_t n)
{
	uint32_t c;

	while (n > 0) {
		int len = msv_utf8_get(p, n, &c);

		if (len <= 0)
			return false;
		p += len;
		n -= (size_t)len;
	}
	return true;
}

/* Copies whole characters of p[0..n); returns how many bytes are left over: the
 * beginning of a character. */
static size_t clean_run(const char *p, size_t n, struct msv_buf *out)
{
	size_t good = 0; /* bytes at p that can be copied at once */
	uint32_t c;

	while (good < n) {
		int len = msv_utf8_get(p + good, n - good, &c);

		if (len > 0) {
			good += (size_t)len;
			continue;
		}
		if (len == 0)
			break;
		msv_buf_put(out, p, good);
		msv_buf_put(out, MSV_UTF8_REPLACEMENT, MSV_UTF8_REPLACEMENT_LEN);
		p += good + (size_t)-len;
		n -= good + (size_t)-len;
		good = 0;
	}
	msv_buf_put(out, p, good);
	return n - good;
}

/* Completes the character held back.  Returns how many bytes of p it took. */
static size_t clean_held(
    struct msv_utf8_cleaner *cleaner, const char *p, size_t n, struct msv_buf *out)
{
	size_t used = 0;
	uint32_t c;

	while (cleaner->nheld > 0 && used < n) {
		int len;

		cleaner->held[cleaner->nheld] = p[used];
		len = msv_utf8_get(cleaner->held, cleaner->nheld + 1u, &c);
		if (len < 0) {
			/* The bytes held are bad; the new one is looked at again. */
			msv_buf_put(out, MSV_UTF8_REPLACEMENT, MSV_UTF8_REPLACEMENT_LEN);
			cleaner->nheld = 0;
			break;
		}
		used++;
		cleaner->nheld++;
		if (len > 0) {
			msv_buf_put(out, cleaner->held, (size_t)len);
			cleaner->nheld = 0;
		}
	}
	return used;
}

int msv_utf8_clean(struct msv_utf8_cleaner *cleaner, const char *p, size_t n, struct msv_buf *out)
{
	size_t used = clean_held(cleaner, p, n, out);

	if (used < n) {
		size_t left = clean_run(p + used, n - used, out);

		memcpy(cleaner->held, p + n - left, left);
		cleaner->nheld = (uint8_t)left;
	}
	return msv_buf_failed(out) ? MSV_ERR_NOMEM : 0;
}

int msv_utf8_clean_end(struct msv_utf8_cleaner *cleaner, struct msv_buf *out)
{
	if (cleaner->nheld > 0)
		msv_buf_put(out, MSV_UTF8_REPLACEMENT, MSV_UTF8_REPLACEMENT_LEN);
	cleaner->nheld = 0;
	return msv_buf_failed(out) ? MSV_ERR_NOMEM : 0;
}
