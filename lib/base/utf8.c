#include "base/utf8.h"

/* What the first byte says: length, and the smallest number that needs it. */
static size_t lead(unsigned char c, uint32_t *bits, uint32_t *least)
{
	if (c < 0x80) {
		*bits = c;
		*least = 0;
		return 1;
	}
	if (c >= 0xc2 && c < 0xe0) {
		*bits = c & 0x1f;
		*least = 0x80;
		return 2;
	}
	if (c >= 0xe0 && c < 0xf0) {
		*bits = c & 0x0f;
		*least = 0x800;
		return 3;
	}
	if (c >= 0xf0 && c < 0xf5) {
		*bits = c & 0x07;
		*least = 0x10000;
		return 4;
	}
	return 0;
}

size_t msv_utf8_char(const char *p, size_t n, uint32_t *cp)
{
	uint32_t value = 0, least = 0;
	size_t length = n ? lead((unsigned char)*p, &value, &least) : 0;

	if (!length || length > n)
		return 0;
	for (size_t i = 1; i < length; i++) {
		unsigned char c = (unsigned char)p[i];
		if ((c & 0xc0) != 0x80)
			return 0;
		value = value << 6 | (c & 0x3f);
	}
	if (value < least || value > 0x10ffff || (value >= 0xd800 && value < 0xe000))
		return 0;
	if (cp)
		*cp = value;
	return length;
}
