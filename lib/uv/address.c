#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

#include "loop.h"

void msv_uv_address_text(const struct sockaddr *sa, char text[46], uint16_t *port)
{
	const struct sockaddr_in *v4 = (const struct sockaddr_in *)sa;
	const struct sockaddr_in6 *v6 = (const struct sockaddr_in6 *)sa;

	text[0] = '\0';
	*port = 0;
	if (sa->sa_family == AF_INET) {
		inet_ntop(AF_INET, &v4->sin_addr, text, 46);
		*port = ntohs(v4->sin_port);
	} else if (sa->sa_family == AF_INET6) {
		if (IN6_IS_ADDR_V4MAPPED(&v6->sin6_addr))
			inet_ntop(AF_INET, &v6->sin6_addr.s6_addr[12], text, 46);
		else
			inet_ntop(AF_INET6, &v6->sin6_addr, text, 46);
		*port = ntohs(v6->sin6_port);
	}
}

void msv_uv_address_local(uv_stream_t *stream, char text[46], uint16_t *port)
{
	struct sockaddr_storage sa = { 0 };
	socklen_t n = sizeof(sa);
	uv_os_fd_t fd;

	if (uv_fileno((uv_handle_t *)stream, &fd) == 0)
		getsockname(fd, (struct sockaddr *)&sa, &n);
	msv_uv_address_text((struct sockaddr *)&sa, text, port);
}

void msv_uv_address_unmap(char text[46])
{
	struct in6_addr v6;

	if (inet_pton(AF_INET6, text, &v6) == 1 && IN6_IS_ADDR_V4MAPPED(&v6))
		inet_ntop(AF_INET, &v6.s6_addr[12], text, 46);
}

size_t msv_uv_address_bytes(const char *text, unsigned char bytes[16])
{
	if (inet_pton(AF_INET, text, bytes) == 1)
		return 4;
	return inet_pton(AF_INET6, text, bytes) == 1 ? 16 : 0;
}

/* "24": at most `most`; -1 when it is no such number. */
static int parse_bits(const char *text, size_t most)
{
	unsigned n = 0;

	if (!*text || strlen(text) > 3)
		return -1;
	for (; *text; text++) {
		if (*text < '0' || *text > '9')
			return -1;
		n = n * 10 + (unsigned)(*text - '0');
	}
	return n <= most ? (int)n : -1;
}

int msv_uv_network_parse(const char *text, struct msv_uv_network *out)
{
	const char *slash = strchr(text, '/');
	char address[64];
	size_t n = slash ? (size_t)(slash - text) : strlen(text);
	int bits;

	memset(out, 0, sizeof(*out));
	if (strcmp(text, "unix") == 0)
		return 0;
	if (n >= sizeof(address))
		return MSV_ERR_INVAL;
	memcpy(address, text, n);
	address[n] = '\0';
	out->n = msv_uv_address_bytes(address, out->bytes);
	if (!out->n)
		return MSV_ERR_INVAL;
	bits = slash ? parse_bits(slash + 1, out->n * 8) : (int)out->n * 8;
	if (bits < 0)
		return MSV_ERR_INVAL;
	out->bits = (unsigned)bits;
	return 0;
}

bool msv_uv_network_has(const struct msv_uv_network *network, const char *address)
{
	unsigned char bytes[16];
	size_t whole = network->bits / 8;
	unsigned rest = network->bits % 8;

	if (!address[0] || !network->n)
		return !address[0] && !network->n;
	if (msv_uv_address_bytes(address, bytes) != network->n ||
	    memcmp(bytes, network->bytes, whole) != 0)
		return false;
	return !rest || (bytes[whole] ^ network->bytes[whole]) >> (8 - rest) == 0;
}
