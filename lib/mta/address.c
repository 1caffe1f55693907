/* Addresses of hosts: what they are, and whether mail can go there. */
#include <arpa/inet.h>
#include <string.h>

#include "codec/casefold.h"
#include "mta/mx.h"

bool msv_mta_ip_parse(const char *text, struct mta_ip *out)
{
	memset(out, 0, sizeof(*out));
	if (inet_pton(AF_INET, text, out->bytes) == 1)
		out->n = 4;
	else if (inet_pton(AF_INET6, text, out->bytes) == 1)
		out->n = 16;
	return out->n != 0;
}

bool msv_mta_ip_equal(const struct mta_ip *a, const struct mta_ip *b)
{
	return a->n == b->n && memcmp(a->bytes, b->bytes, a->n) == 0;
}

bool msv_mta_ip_literal(const char *p, size_t n, char text[46])
{
	bool v6 = n > 5 && msv_ascii_equals(p, 5, "IPv6:");
	struct mta_ip ip;

	if (v6) {
		p += 5;
		n -= 5;
	}
	if (!n || n >= 46 || memchr(p, '\0', n))
		return false;
	memcpy(text, p, n);
	text[n] = '\0';
	return msv_mta_ip_parse(text, &ip) && (ip.n == 16) == v6;
}

bool msv_mta_ip_nowhere(const struct mta_ip *ip)
{
	static const unsigned char zeros[15], mapped[12] = { [10] = 0xff, [11] = 0xff };
	const unsigned char *b = ip->bytes;

	if (ip->n == 4)
		return b[0] == 0 || b[0] == 127 || (b[0] == 169 && b[1] == 254) || b[0] >= 224;
	return (memcmp(b, zeros, 15) == 0 && b[15] <= 1) || b[0] == 0xff ||
	       (b[0] == 0xfe && (b[1] & 0xc0) == 0x80) || memcmp(b, mapped, 12) == 0;
}
