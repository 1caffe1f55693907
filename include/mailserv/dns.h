/*
 * What the library asks of the DNS, and how it is answered.  libmailserv-uv
 * answers by libunbound (msv_uv_dns_new()); an embedder with a resolver of
 * their own fills a `struct msv_dns`.
 */
#ifndef MAILSERV_DNS_H
#define MAILSERV_DNS_H

#include <mailserv/base.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Types of records, by their numbers (RFC 1035 3.2.2, 3596 2.1, 6698 7.1). */
enum msv_dns_type {
	MSV_DNS_A = 1,
	MSV_DNS_CNAME = 5,
	MSV_DNS_PTR = 12,
	MSV_DNS_MX = 15,
	MSV_DNS_TXT = 16,
	MSV_DNS_AAAA = 28,
	MSV_DNS_TLSA = 52,
};

/* What there is at a name. */
enum msv_dns_status {
	MSV_DNS_FOUND,   /* records of the type asked for */
	MSV_DNS_NO_DATA, /* the name exists and has none of that type */
	MSV_DNS_NO_NAME, /* the name does not exist (NXDOMAIN) */
};

/*
 * One record.  Whoever answers gives rdata, and msv_dns_answer() makes the
 * rest of it; or gives text, text_len and preference alone.
 */
struct msv_dns_record {
	/* A, AAAA: the address ("192.0.2.1", "2001:db8::1").  MX, CNAME, PTR: the
	 * host, in lower case, without a dot at its end ("" is the root), bytes that
	 * are neither letter, digit, '-' nor '_' as \DDD (RFC 1035 5.1), '.' within a
	 * label too.  TXT: its strings joined.  Any other type: NULL for whoever
	 * answers, "" for the asker.  Behind it stands a NUL that is not counted. */
	const char *text;
	size_t text_len;
	uint16_t preference; /* MX: lower is better */
	/* As on the wire, names in it not compressed (RFC 1035 3.3). */
	struct msv_span rdata;
};

struct msv_dns_answer {
	size_t size;
	enum msv_dns_status status;
	bool secure;           /* validated by DNSSEC, the status too (RFC 4033 5) */
	uint32_t ttl;          /* seconds it may be kept */
	const char *canonical; /* the name at the end of aliases; NULL or "": no alias */
	const struct msv_dns_record *records;
	size_t nrecords; /* at least 1 for MSV_DNS_FOUND, else 0 */
};

/*
 * Answered by msv_dns_answer(), or fails, always for now and never for good:
 * MSV_ERR_TIMEOUT (no answer in time), MSV_ERR_IO (the servers fail or refuse:
 * SERVFAIL), MSV_ERR_FORMAT (the answer is garbled or does not stand DNSSEC
 * validation), MSV_ERR_NOMEM.  MSV_ERR_INVAL: what was asked about is no domain
 * name.
 * Result of the completion: const struct msv_dns_answer *.
 */
struct msv_dns_op {
	struct msv_op *op;
};
/* The answer is copied; type is the one that was asked for.  Records whose rdata
 * is not what their type says make it MSV_ERR_FORMAT. */
MSV_API void msv_dns_answer(
    struct msv_dns_op op, enum msv_dns_type type, const struct msv_dns_answer *answer);

/* A way to ask the DNS. */
struct msv_dns {
	size_t size;
	void *self; /* handed to the function */

	/* Which records of class IN are at that name?  name is in ASCII ("xn--..."),
	 * with or without a dot at its end, always taken from the root (no search
	 * list), and valid during the call.  Aliases (CNAME) are followed, with a
	 * bound, unless they are what is asked for.  Answers within a time limit of
	 * its own. */
	void (*query)(void *self, const char *name, enum msv_dns_type type, struct msv_dns_op op);
};

#ifdef __cplusplus
}
#endif

#endif
