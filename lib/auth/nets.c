/* allow_nets: a list of addresses and networks, as Dovecot writes it:
 * "127.0.0.0/8,192.0.2.1,2001:db8::/32,local". */
#include "auth/auth.h"

#include <arpa/inet.h>
#include <string.h>

#include "codec/casefold.h"

/* An address as 16 bytes, IPv4 mapped. */
struct address {
	uint8_t b[16];
	bool v4;
};

static bool parse_address(const char *text, struct address *out)
{
	static const uint8_t mapped[12] = { [10] = 0xff, [11] = 0xff };

	memcpy(out->b, mapped, sizeof(mapped));
	out->v4 = inet_pton(AF_INET, text, out->b + 12) == 1;
	return out->v4 || inet_pton(AF_INET6, text, out->b) == 1;
}

/* A decimal number of at most three digits, no more than max; -1. */
static int parse_bits(const char *text, int max)
{
	int n = 0;
	size_t len = strlen(text);

	if (len == 0 || len > 3)
		return -1;
	for (; *text; text++) {
		if (*text < '0' || *text > '9')
			return -1;
		n = n * 10 + (*text - '0');
	}
	return n <= max ? n : -1;
}

/* "address" or "address/bits"; bits count from the front of the 16 bytes. */
static bool parse_net(char *item, struct address *out, int *bits)
{
	char *slash = strchr(item, '/');

	if (slash)
		*slash = '\0';
	if (!parse_address(item, out))
		return false;
	*bits = slash ? parse_bits(slash + 1, out->v4 ? 32 : 128) : out->v4 ? 32 : 128;
	if (*bits < 0)
		return false;
	if (out->v4)
		*bits += 96;
	return true;
}

static bool covers(const struct address *net, int bits, const struct address *a)
{
	int bytes = bits / 8, rest = bits % 8;

	if (memcmp(net->b, a->b, (size_t)bytes) != 0)
		return false;
	return rest == 0 || (net->b[bytes] ^ a->b[bytes]) >> (8 - rest) == 0;
}

/* Copies the next item into out; 0 none, -1 too long. */
static int next_item(const char **nets, char out[64])
{
	const char *p = *nets + strspn(*nets, ", ");
	size_t n = strcspn(p, ", ");

	*nets = p + n;
	if (n >= 64)
		return -1;
	memcpy(out, p, n);
	out[n] = '\0';
	return n > 0;
}

static bool is_local(const char *item)
{
	return msv_ascii_equals(item, strlen(item), "local");
}

bool msv_nets_valid(const char *nets)
{
	struct address net;
	char item[64];
	int got, bits;

	while ((got = next_item(&nets, item)) > 0) {
		if (!is_local(item) && !parse_net(item, &net, &bits))
			return false;
	}
	return got == 0;
}

bool msv_nets_match(const char *nets, const char *address)
{
	struct address a, net;
	char item[64];
	int got, bits;

	if (address && !parse_address(address, &a))
		return false;
	while ((got = next_item(&nets, item)) != 0) {
		if (got < 0)
			continue;
		if (!address && is_local(item))
			return true;
		if (address && parse_net(item, &net, &bits) && covers(&net, bits, &a))
			return true;
	}
	return false;
}
