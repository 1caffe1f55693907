#include "codec/mutf7.h"

#include <string.h>

#include "codec/utf8.h"

static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+,";

/* What stands for itself: printable ASCII ("&" is written "&-"). */
static bool direct(uint32_t c)
{
	return c >= 0x20 && c <= 0x7e;
}

/* -- Writing --------------------------------------------------------------- */

struct writer {
	struct msv_buf *out;
	uint32_t bits;
	int nbits;
	bool shifted;
};

static void write_unit(struct writer *w, uint32_t unit)
{
	w->bits = w->bits << 16 | unit;
	for (w->nbits += 16; w->nbits >= 6; w->nbits -= 6)
		msv_buf_putc(w->out, digits[w->bits >> (w->nbits - 6) & 63]);
}

static void write_encoded(struct writer *w, uint32_t c)
{
	if (!w->shifted)
		msv_buf_putc(w->out, '&');
	w->shifted = true;
	if (c >= 0x10000) {
		write_unit(w, 0xd800 + ((c - 0x10000) >> 10));
		c = 0xdc00 + ((c - 0x10000) & 0x3ff);
	}
	write_unit(w, c);
}

static void write_shift_end(struct writer *w)
{
	if (!w->shifted)
		return;
	if (w->nbits > 0)
		msv_buf_putc(w->out, digits[w->bits << (6 - w->nbits) & 63]);
	msv_buf_putc(w->out, '-');
	w->bits = 0;
	w->nbits = 0;
	w->shifted = false;
}

static void write_direct(struct writer *w, char c)
{
	write_shift_end(w);
	msv_buf_putc(w->out, c);
	if (c == '&')
		msv_buf_putc(w->out, '-');
}

/* Undoes what was appended when it failed. */
static int settle(struct msv_buf *out, size_t before, int rc)
{
	if (rc == 0 && msv_buf_failed(out))
		rc = MSV_ERR_NOMEM;
	if (rc < 0)
		msv_buf_truncate(out, before);
	return rc;
}

int msv_mutf7_encode(const char *p, size_t n, struct msv_buf *out)
{
	struct writer w = { .out = out };
	size_t before = msv_buf_len(out);

	while (n > 0) {
		uint32_t c;
		int len = msv_utf8_get(p, n, &c);

		if (len <= 0 || c == 0)
			return settle(out, before, MSV_ERR_FORMAT);
		if (direct(c))
			write_direct(&w, (char)c);
		else
			write_encoded(&w, c);
		p += len;
		n -= (size_t)len;
	}
	write_shift_end(&w);
	return settle(out, before, 0);
}

/* -- Reading --------------------------------------------------------------- */

/* Takes UTF-16 code units; false for what write_encoded() never writes.  *high
 * is the first half of a surrogate pair, or 0. */
static bool read_unit(uint32_t unit, uint32_t *high, struct msv_buf *out)
{
	char utf8[4];
	uint32_t c = unit;

	if (*high) {
		if (unit < 0xdc00 || unit > 0xdfff)
			return false;
		c = 0x10000 + ((*high - 0xd800) << 10) + (unit - 0xdc00);
		*high = 0;
	} else if (unit >= 0xd800 && unit <= 0xdbff) {
		*high = unit;
		return true;
	} else if (unit == 0 || direct(unit) || (unit >= 0xdc00 && unit <= 0xdfff)) {
		return false;
	}
	msv_buf_put(out, utf8, msv_utf8_put(c, utf8));
	return true;
}

/* The base64 between "&" and "-"; returns its length, or 0 when it is not
 * canonical. */
static size_t read_shift(const char *p, size_t n, struct msv_buf *out)
{
	uint32_t bits = 0, high = 0;
	int nbits = 0;
	size_t i;

	for (i = 0; i < n && p[i] != '-'; i++) {
		const char *digit = p[i] ? strchr(digits, p[i]) : NULL;

		if (!digit)
			return 0;
		bits = (bits << 6 | (uint32_t)(digit - digits)) & 0x3fffff;
		nbits += 6;
		if (nbits < 16)
			continue;
		nbits -= 16;
		if (!read_unit(bits >> nbits & 0xffff, &high, out))
			return 0;
	}
	if (i == n || high || nbits >= 6 || (bits & ((1u << nbits) - 1)))
		return 0;
	return i;
}

int msv_mutf7_decode(const char *p, size_t n, struct msv_buf *out)
{
	size_t before = msv_buf_len(out);
	bool shift_before = false; /* a shift ended right here */

	for (size_t i = 0; i < n;) {
		size_t len;

		if (!direct((unsigned char)p[i]))
			return settle(out, before, MSV_ERR_FORMAT);
		if (p[i] != '&' || (i + 1 < n && p[i + 1] == '-')) {
			msv_buf_putc(out, p[i]);
			i += p[i] == '&' ? 2 : 1;
			shift_before = false;
			continue;
		}
		len = shift_before ? 0 : read_shift(p + i + 1, n - i - 1, out);
		if (len == 0)
			return settle(out, before, MSV_ERR_FORMAT);
		i += len + 2;
		shift_before = true;
	}
	return settle(out, before, 0);
}
