/* Host names of peers, from the DNS. */
#include <stdio.h>
#include <string.h>
#include <unbound.h>

#include "loop.h"

enum {
	CANDIDATES = 3, /* names of one address that are looked at */
};

struct msv_uv_lookup {
	struct msv_uv_ask ask;
	unsigned char bytes[16];
	size_t n;
	char names[CANDIDATES][256];
	unsigned nnames, at;
	void (*done)(void *user, const char *name);
	void *user;
};

/* -- Names -------------------------------------------------------------------------- */

/* 192.0.2.1 -> 1.2.0.192.in-addr.arpa; IPv6 by nibbles (RFC 1035 3.5, 3596 2.5). */
static void reverse_name(const unsigned char *bytes, size_t n, char out[80])
{
	static const char digits[] = "0123456789abcdef";
	char *p = out;

	if (n == 4) {
		snprintf(
		    out, 80, "%u.%u.%u.%u.in-addr.arpa.", bytes[3], bytes[2], bytes[1], bytes[0]);
		return;
	}
	for (size_t i = n; i-- > 0;) {
		*p++ = digits[bytes[i] & 15];
		*p++ = '.';
		*p++ = digits[bytes[i] >> 4];
		*p++ = '.';
	}
	memcpy(p, "ip6.arpa.", 10);
}

/* A byte of a label in lower case; 0 when it may not stand in a host name. */
static char host_byte(unsigned char c)
{
	if (c >= 'A' && c <= 'Z')
		return (char)(c - 'A' + 'a');
	if ((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '_')
		return (char)c;
	return '\0';
}

/* A name as it stands in the answer (RFC 1035 3.1) in text; false when it is
 * no host name. */
static bool read_name(const unsigned char *p, size_t n, char out[256])
{
	size_t at = 0, used = 0;

	while (at < n && p[at]) {
		size_t label = p[at++];

		if (label > 63 || label > n - at || used + label + 2 > 255)
			return false;
		if (used)
			out[used++] = '.';
		while (label--) {
			char c = host_byte(p[at++]);

			if (!c)
				return false;
			out[used++] = c;
		}
	}
	out[used] = '\0';
	return used && at < n;
}

/* -- A lookup ----------------------------------------------------------------------------- */

static void finish(struct msv_uv_lookup *lookup, const char *name)
{
	void (*done)(void *user, const char *name) = lookup->done;
	void *user = lookup->user;

	msv_uv_ask_end(&lookup->ask);
	done(user, name); /* the name is in the lookup, which goes after this turn */
}

static void on_failed(struct msv_uv_ask *ask, int error)
{
	(void)error;
	finish((struct msv_uv_lookup *)ask, NULL);
}

static void take_names(struct msv_uv_lookup *lookup, const struct ub_result *result)
{
	for (size_t i = 0; result->data[i] && lookup->nnames < CANDIDATES; i++)
		if (result->len[i] > 0 &&
		    read_name((const unsigned char *)result->data[i], (size_t)result->len[i],
		        lookup->names[lookup->nnames]))
			lookup->nnames++;
}

/* True when one of the addresses is the one asked about. */
static bool has_address(const struct msv_uv_lookup *lookup, const struct ub_result *result)
{
	for (size_t i = 0; result->data[i]; i++)
		if ((size_t)result->len[i] == lookup->n &&
		    memcmp(result->data[i], lookup->bytes, lookup->n) == 0)
			return true;
	return false;
}

/* Asks for the addresses of the next name there is. */
static void confirm_next(struct msv_uv_lookup *lookup)
{
	if (lookup->at == lookup->nnames || msv_uv_ask(&lookup->ask, lookup->names[lookup->at],
	                                        lookup->n == 4 ? MSV_DNS_A : MSV_DNS_AAAA))
		finish(lookup, NULL);
}

static void on_answered(struct msv_uv_ask *ask, int error, const struct ub_result *result)
{
	struct msv_uv_lookup *lookup = (struct msv_uv_lookup *)ask;
	bool good = !error && result && result->havedata && !result->bogus;

	if (!lookup->nnames) {
		if (good)
			take_names(lookup, result);
		confirm_next(lookup);
	} else if (good && has_address(lookup, result)) {
		finish(lookup, lookup->names[lookup->at]);
	} else {
		lookup->at++;
		confirm_next(lookup);
	}
}

int msv_uv_lookup_name(struct msv_uv_resolver *resolver, const char *address,
    void (*done)(void *user, const char *name), void *user, struct msv_uv_lookup **out)
{
	struct msv_uv_lookup *lookup;
	unsigned char bytes[16];
	size_t n = msv_uv_address_bytes(address, bytes);
	char question[80];

	if (out)
		*out = NULL;
	if (!n || !done)
		return MSV_ERR_INVAL;
	lookup = msv_uv_ask_new(resolver, sizeof(*lookup), resolver->timeout_ms);
	if (!lookup)
		return MSV_ERR_NOMEM;
	lookup->ask.answered = on_answered;
	lookup->ask.failed = on_failed;
	lookup->n = n;
	memcpy(lookup->bytes, bytes, n);
	lookup->done = done;
	lookup->user = user;
	reverse_name(bytes, n, question);
	if (msv_uv_ask(&lookup->ask, question, MSV_DNS_PTR)) {
		msv_uv_ask_end(&lookup->ask);
		return MSV_ERR_NOMEM;
	}
	if (out)
		*out = lookup;
	return 0;
}

void msv_uv_lookup_cancel(struct msv_uv_lookup *lookup)
{
	if (lookup)
		msv_uv_ask_end(&lookup->ask);
}
