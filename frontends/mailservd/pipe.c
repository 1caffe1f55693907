/* Messages between parent and child: a byte of type, four of length, contents. */
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "mailservd.h"

#define HEADER 5

static int wait_for(int fd, short events)
{
	struct pollfd p = { .fd = fd, .events = events };
	int n;
	do
		n = poll(&p, 1, -1);
	while (n < 0 && errno == EINTR);
	return n < 0 ? -1 : 0;
}

static int write_all(int fd, const char *p, size_t n)
{
	while (n > 0) {
		ssize_t wrote = write(fd, p, n);
		if (wrote < 0 && errno == EAGAIN) {
			if (wait_for(fd, POLLOUT) != 0)
				return -1;
		} else if (wrote < 0 && errno != EINTR) {
			return -1;
		} else if (wrote > 0) {
			p += wrote;
			n -= (size_t)wrote;
		}
	}
	return 0;
}

/* 1, 0 at the end before the first byte, -1. */
static int read_all(int fd, char *p, size_t n)
{
	for (size_t have = 0; have < n;) {
		ssize_t got = read(fd, p + have, n - have);
		if (got < 0 && errno == EAGAIN) {
			if (wait_for(fd, POLLIN) != 0)
				return -1;
		} else if (got < 0 && errno != EINTR) {
			return -1;
		} else if (got == 0) {
			return have == 0 ? 0 : -1;
		} else if (got > 0) {
			have += (size_t)got;
		}
	}
	return 1;
}

static void put32(char *p, size_t n)
{
	for (int i = 0; i < 4; i++)
		p[i] = (char)(n >> (24 - 8 * i));
}

static size_t get32(const char *p)
{
	size_t n = 0;
	for (int i = 0; i < 4; i++)
		n = n << 8 | (unsigned char)p[i];
	return n;
}

int message_send(int fd, enum message_type type, const void *p, size_t n)
{
	char header[HEADER];
	if (n > MESSAGE_MAX)
		return -1;
	header[0] = (char)type;
	put32(header + 1, n);
	return write_all(fd, header, sizeof header) || write_all(fd, p, n) ? -1 : 0;
}

int message_receive(int fd, enum message_type *type, struct contents *out)
{
	char header[HEADER];
	*out = (struct contents){ 0 };
	int result = read_all(fd, header, sizeof header);
	if (result <= 0)
		return result;
	*type = (enum message_type)header[0];
	out->n = get32(header + 1);
	if (out->n > MESSAGE_MAX || !(out->p = malloc(out->n + 1))) {
		out->n = 0;
		return -1;
	}
	out->p[out->n] = '\0';
	if (out->n > 0 && read_all(fd, out->p, out->n) != 1) {
		contents_wipe(out);
		return -1;
	}
	return 1;
}

/* Pairs are length, certificate, length, key; one after the other. */
int pack_certs(const struct config *config, const struct secrets *secrets, struct contents *out)
{
	size_t total = 0;
	for (size_t i = 0; i < config->ncertificates; i++)
		total += 8 + secrets->certs[i].n + secrets->keys[i].n;
	*out = (struct contents){ .p = malloc(total + 1), .n = total };
	if (!out->p)
		return -1;
	char *p = out->p;
	for (size_t i = 0; i < config->ncertificates; i++) {
		const struct contents *parts[] = { &secrets->certs[i], &secrets->keys[i] };
		for (size_t k = 0; k < 2; k++) {
			put32(p, parts[k]->n);
			if (parts[k]->n)
				memcpy(p + 4, parts[k]->p, parts[k]->n);
			p += 4 + parts[k]->n;
		}
	}
	return 0;
}

int unpack_certs(
    const struct config *config, const struct contents *packed, struct msv_tls_pair *pairs)
{
	const char *p = packed->p, *end = packed->p + packed->n;
	for (size_t i = 0; i < config->ncertificates; i++) {
		struct msv_span parts[2];
		for (size_t k = 0; k < 2; k++) {
			if (end - p < 4 || (size_t)(end - p - 4) < get32(p))
				return -1;
			parts[k] = (struct msv_span){ .p = p + 4, .n = get32(p) };
			p += 4 + parts[k].n;
		}
		pairs[i] = (struct msv_tls_pair){ .size = sizeof *pairs,
			.cert_file = config->certificates[i].cert_file,
			.key_file = config->certificates[i].key_file,
			.cert_pem = parts[0].p,
			.cert_len = parts[0].n,
			.key_pem = parts[1].p,
			.key_len = parts[1].n };
	}
	return p == end ? 0 : -1;
}
