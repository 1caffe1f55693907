/* Where mail for a domain goes: the DNS part of routing. */
#ifndef MSV_MTA_MX_H
#define MSV_MTA_MX_H

#include <mailserv/dns.h>

/* What to look up and what to keep.  Strings are copied. */
struct mta_mx_options {
	/* The domain is a host that the administrator named (a smarthost, an LMTP
	 * server), or its address: only addresses are asked for, each may be used, and
	 * when there is none the fault is in the configuration: 451 4.4.4. */
	bool host;
	/* Our names, in any case, and our addresses: those where mail sent to the
	 * port of the route would come back to this server. */
	const char *const *own_names;
	size_t nown_names;
	const char *const *own_addresses;
	size_t nown_addresses;
	/* Addresses that never leave this machine or lead nowhere (127.0.0.0/8, ::1,
	 * 0.0.0.0/8, ::, multicast and so on) may be used.  Else they are left out of
	 * what the DNS and address literals say: a stranger's domain must not make us
	 * talk to ourselves. */
	bool allow_loopback;
	bool no_ipv4, no_ipv6;
	unsigned max_hosts;     /* looked at, best first [10] */
	unsigned max_addresses; /* of one host [6] */
	uint32_t timeout_ms;    /* for all of it [60000] */
};

struct mta_mx_address {
	char text[46];
	bool secure; /* the record was validated by DNSSEC */
};

/* A host to try, with at least one address, in the order to try them. */
struct mta_mx_host {
	/* As its MX record has it, in lower case; without MX the domain itself; an
	 * address literal's is the literal ("[192.0.2.1]"). */
	const char *name;
	const char *canonical; /* the end of its aliases; the name when it has none */
	uint16_t preference;
	bool secure; /* that it is an MX host was validated */
	const struct mta_mx_address *addresses;
	size_t naddresses;
};

/* Either hosts, or why there are none. */
struct mta_mx_result {
	/* 0: hosts; else the reply: 4xx try again later, 5xx never. */
	int code;
	const char *enhanced; /* "5.1.2"; "" with hosts */
	const char *text;     /* plain words naming the domain; "" with hosts */

	const struct mta_mx_host *hosts; /* best first */
	size_t nhosts;
	const char *domain; /* what was asked about, in ASCII and lower case */
	bool implicit;      /* there was no MX record: the domain is the host */
	bool secure;        /* the MX records, or that there are none, were validated */
	uint32_t ttl;       /* seconds all of it holds; 0 for failures of the DNS */

	/* What was asked, found and left out, in words, a line each:
	 * "MX 10 mx1.example.org", "AAAA mx1.example.org: none" ... */
	const char *const *lines;
	size_t nlines;
};

/* Answered once, now or later; fails only with MSV_ERR_NOMEM.
 * Result of the completion: const struct mta_mx_result *. */
struct mta_mx_op {
	struct msv_op *op;
};

/*
 * Asks where mail for a domain (in any form, or an address literal "[192.0.2.1]",
 * "[IPv6:2001:db8::1]") goes: RFC 5321 5.1, with null MX (RFC 7505) and without
 * ourselves.  MX hosts come by preference, equal ones in a random order; the
 * addresses of a host by turns IPv6 and IPv4.  dns outlives the op; canceling the
 * op cancels the questions.  options may be NULL.
 *
 *	550 5.1.2   no such domain, or it is none
 *	556 5.1.10  a null MX: the domain takes no mail
 *	550 5.4.4   neither MX nor address, or MX hosts without any address to use
 *	554 5.4.6   we are the best MX ourselves, or all that is left is us
 *	451 4.4.3   the DNS fails now
 */
void msv_mx_resolve(struct msv_env *env, const struct msv_dns *dns, const char *domain,
    const struct mta_mx_options *options, struct mta_mx_op op);

/* -- address.c: addresses of hosts ----------------------------------------------- */

struct mta_ip {
	unsigned char bytes[16];
	size_t n; /* 4 or 16 */
};

/* "192.0.2.1", "2001:db8::1"; false: it is none. */
bool msv_mta_ip_parse(const char *text, struct mta_ip *out);
bool msv_mta_ip_equal(const struct mta_ip *a, const struct mta_ip *b);
/* The address of an address literal without its brackets: "192.0.2.1",
 * "IPv6:2001:db8::1" (RFC 5321 4.1.3) into text; false: it is none. */
bool msv_mta_ip_literal(const char *p, size_t n, char text[46]);
/* True when nothing beyond this machine is reached there: loopback, unspecified,
 * link-local, multicast, IPv4 mapped into IPv6. */
bool msv_mta_ip_nowhere(const struct mta_ip *ip);

#endif
