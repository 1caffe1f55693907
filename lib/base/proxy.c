#include <arpa/inet.h>
#include <string.h>

#include <mailserv/conn.h>

enum {
	V1_LONGEST = 107,
	V2_FIXED = 16,
	LONGEST = 536,
};

static const char v1_magic[] = "PROXY ";
static const unsigned char v2_magic[12] = "\r\n\r\n\0\r\nQUIT\n";

/* -- Version 1: one line of text ------------------------------------------- */

/* The next word of a line of words parted by single spaces, into word[size];
 * false when there is none or it is too long. */
static bool next_word(const char **p, const char *end, char *word, size_t size)
{
	size_t n = 0;

	while (*p + n < end && (*p)[n] != ' ')
		n++;
	if (!n || n >= size)
		return false;
	memcpy(word, *p, n);
	word[n] = '\0';
	*p += n;
	if (*p < end)
		++*p;
	return true;
}

/* A decimal number up to 65535 without leading zeros. */
static bool parse_port(const char *s, uint16_t *port)
{
	unsigned value = 0;

	if (!*s || (s[0] == '0' && s[1]))
		return false;
	for (; *s; s++) {
		if (*s < '0' || *s > '9')
			return false;
		value = value * 10 + (unsigned)(*s - '0');
		if (value > 65535)
			return false;
	}
	*port = (uint16_t)value;
	return true;
}

/* An address in the one way it is written here; false when it is none. */
static bool parse_address(const char *s, int family, char *out, size_t size)
{
	unsigned char raw[16];

	return inet_pton(family, s, raw) == 1 && inet_ntop(family, raw, out, (socklen_t)size);
}

static bool parse_v1_line(const char *p, const char *end, struct msv_proxy_header *out)
{
	char family[8], from[46], to[46], port[6], local_port[6];

	p += sizeof(v1_magic) - 1;
	if (!next_word(&p, end, family, sizeof(family)))
		return false;
	if (!strcmp(family, "UNKNOWN"))
		return true;
	int af = !strcmp(family, "TCP4") ? AF_INET : !strcmp(family, "TCP6") ? AF_INET6 : -1;
	return af >= 0 && end[-1] != ' ' && next_word(&p, end, from, sizeof(from)) &&
	       next_word(&p, end, to, sizeof(to)) && next_word(&p, end, port, sizeof(port)) &&
	       next_word(&p, end, local_port, sizeof(local_port)) && p == end &&
	       parse_address(from, af, out->address, sizeof(out->address)) &&
	       parse_address(to, af, out->local_address, sizeof(out->local_address)) &&
	       parse_port(port, &out->port) && parse_port(local_port, &out->local_port);
}

static int parse_v1(const char *p, size_t n, struct msv_proxy_header *out)
{
	size_t most = n < V1_LONGEST ? n : V1_LONGEST;
	const char *cr = memchr(p, '\r', most);

	if (!cr || cr + 1 == p + most)
		return most == V1_LONGEST ? MSV_ERR_FORMAT : 0;
	if (cr[1] != '\n' || !parse_v1_line(p, cr, out))
		return MSV_ERR_FORMAT;
	return (int)(cr + 2 - p);
}

/* -- Version 2: binary ----------------------------------------------------- */

static uint16_t get16(const unsigned char *p)
{
	return (uint16_t)(p[0] << 8 | p[1]);
}

/* Addresses of `width` bytes each, then the ports. */
static bool take_addresses(
    const unsigned char *p, size_t n, int family, size_t width, struct msv_proxy_header *out)
{
	if (n < 2 * width + 4)
		return false;
	out->port = get16(p + 2 * width);
	out->local_port = get16(p + 2 * width + 2);
	return inet_ntop(family, p, out->address, sizeof(out->address)) &&
	       inet_ntop(family, p + width, out->local_address, sizeof(out->local_address));
}

static int parse_v2(const unsigned char *p, size_t n, struct msv_proxy_header *out)
{
	enum { LOCAL = 0x20, PROXY = 0x21, TCP4 = 0x11, TCP6 = 0x21 };

	if (n > 12 && p[12] != LOCAL && p[12] != PROXY)
		return MSV_ERR_FORMAT;
	if (n < V2_FIXED)
		return 0;
	size_t length = get16(p + 14);
	if (length > LONGEST - V2_FIXED)
		return MSV_ERR_FORMAT;
	if (n - V2_FIXED < length)
		return 0;
	/* Families other than TCP over IP stay unknown. */
	if (p[12] == PROXY && p[13] == TCP4 &&
	    !take_addresses(p + V2_FIXED, length, AF_INET, 4, out))
		return MSV_ERR_FORMAT;
	if (p[12] == PROXY && p[13] == TCP6 &&
	    !take_addresses(p + V2_FIXED, length, AF_INET6, 16, out))
		return MSV_ERR_FORMAT;
	return (int)(V2_FIXED + length);
}

/* True when the n bytes start with the magic, as far as there are any. */
static bool starts(const void *p, size_t n, const void *magic, size_t length)
{
	return !memcmp(p, magic, n < length ? n : length);
}

int msv_proxy_parse(const void *p, size_t n, struct msv_proxy_header *out)
{
	struct msv_proxy_header header = { 0 };
	int length = MSV_ERR_FORMAT;

	if (!n)
		return 0;
	if (starts(p, n, v1_magic, sizeof(v1_magic) - 1))
		length = n < sizeof(v1_magic) ? 0 : parse_v1(p, n, &header);
	else if (starts(p, n, v2_magic, sizeof(v2_magic)))
		length = parse_v2(p, n, &header);
	if (length > 0)
		*out = header;
	return length;
}
