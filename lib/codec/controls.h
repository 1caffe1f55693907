/* Text is mostly not control characters: finding the next one, many bytes at a time. */
#ifndef MSV_CODEC_CONTROLS_H
#define MSV_CODEC_CONTROLS_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

/* How many bytes of p[0..n) come before the first that is below 14: NUL, CR, LF,
 * and those nobody asks for but must look at again. */
static inline size_t msv_until_control(const char *p, size_t n)
{
	const uint64_t ones = UINT64_C(0x0101010101010101);
	size_t i = 0;

	/* A byte is below 14 when taking 14 from it borrows into its high bit; the
	 * lowest such byte is the first, what is above it may be a carry's doing. */
	for (uint64_t word; i + sizeof(word) <= n; i += sizeof(word)) {
		memcpy(&word, p + i, sizeof(word));
		if ((word - ones * 14) & ~word & ones * 128)
			break;
	}
	while (i < n && (unsigned char)p[i] >= 14)
		i++;
	return i;
}

#endif
