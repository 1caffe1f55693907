/* TLS by OpenSSL: what the files of this layer share. */
#ifndef MSV_TLS_TLS_H
#define MSV_TLS_TLS_H

#include <mailserv/tls.h>
#include <openssl/bio.h>
#include <openssl/ssl.h>

#include "base/alloc.h"
#include "base/env.h"

/* -- report.c: lines for people --------------------------------------------- */

/* Where the lines about certificates go, and how many warnings there were. */
struct msv_tls_report {
	struct msv_env *env;
	void (*line)(void *user, enum msv_log_level level, const char *line);
	void *user;
	unsigned warnings;
};

void msv_tls_report_init(
    struct msv_tls_report *report, struct msv_env *env, const struct msv_tls_options *options);
/* One line at that level; peers' and files' bytes in it come out escaped. */
void msv_tls_say(struct msv_tls_report *report, enum msv_log_level level, const char *fmt, ...)
    MSV_PRINTF(3, 4);

/* -- pem.c: files with certificates and keys --------------------------------- */

/* The contents of a PEM file, and its name for messages. */
struct msv_pem {
	struct msv_env *env;
	const char *name; /* borrowed */
	char *data;       /* ends in NUL; NULL: borrowed from the pair */
	const char *p;
	size_t n;
	unsigned mode; /* permission bits of the file, 0 when it was handed in */
};

/* Reads `file`, or takes the contents handed in.  `what` is "certificate" or
 * "key".  Failure is reported: MSV_ERR_NOTFOUND, _DENIED, _TLS, _NOMEM. */
int msv_pem_open(struct msv_pem *pem, struct msv_tls_report *report, const char *what,
    const char *file, const void *data, size_t n);
/* Wipes and frees. */
void msv_pem_close(struct msv_pem *pem);
/* True when `text` is somewhere in it. */
bool msv_pem_has(const struct msv_pem *pem, const char *text);

/* -- cert.c: one pair --------------------------------------------------------- */

/* A certificate, the ones above it, and its key. */
struct msv_tls_cert {
	X509 *leaf;
	STACK_OF(X509) * chain;
	EVP_PKEY *key;
	const char *cert_name, *key_name; /* borrowed from the pair, for messages */
};

/* Loads a pair, reports everything that is wrong with it. */
int msv_tls_cert_load(
    struct msv_tls_cert *cert, struct msv_tls_report *report, const struct msv_tls_pair *pair);
void msv_tls_cert_free(struct msv_tls_cert *cert);
/* Warns when the certificate is not for hostname. */
void msv_tls_cert_check_name(
    const struct msv_tls_cert *cert, struct msv_tls_report *report, const char *hostname);
/* Seconds since the epoch; 0 when it cannot be read. */
int64_t msv_tls_time(const ASN1_TIME *t);

/* -- context.c: the certificates in use ------------------------------------- */

/* One generation of certificates: a reload makes a new one, connections keep
 * theirs. */
struct msv_tls_set {
	struct msv_env *env;
	unsigned refs;
	BIO_METHOD *wire; /* filter.c's BIO */
	SSL_CTX **ctx;    /* the first is the default */
	size_t nctx;
	int64_t expires;
};

/* An empty set of one reference, with room for n contexts; NULL: no memory. */
struct msv_tls_set *msv_tls_set_new(struct msv_env *env, size_t n);
void msv_tls_set_ref(struct msv_tls_set *set);
void msv_tls_set_unref(struct msv_tls_set *set);
/* A context with what client and server have in common: versions, ciphers,
 * little memory. */
SSL_CTX *msv_tls_context_new(const SSL_METHOD *method, bool tls13_only);

/* -- filter.c: records -------------------------------------------------------- */

struct msv_tls_filter {
	struct msv_filter base;
	struct msv_env *env;
	struct msv_tls_set *set;
	SSL *ssl;
	const char *in; /* wire bytes given to decode and not yet read by OpenSSL */
	size_t in_len;
	struct msv_filter_sink *wire; /* during a call */
	int wire_error;               /* what the sink said */
	bool server;
	bool named;             /* a client that expects a name in the certificate */
	bool up;                /* the handshake is over */
	bool closed;            /* close_notify came */
	int failed;             /* MSV_ERR_*: nothing goes through any more */
	unsigned char first[8]; /* the peer's first bytes, to tell plain text from TLS */
	size_t nfirst;
	char *why; /* after a failure; NULL: no memory for it */
};

/* The BIO by which OpenSSL reads filter->in and writes to filter->wire. */
BIO_METHOD *msv_tls_wire_method(void);
/* The filter as one of this layer's; NULL when it is none. */
const struct msv_tls_filter *msv_tls_filter_of(const struct msv_filter *filter);
/* A filter over the set's first context. */
int msv_tls_filter_new(struct msv_tls_set *set, bool server, struct msv_filter **out);

/* -- failure.c: why a handshake failed ---------------------------------------- */

/* Puts the reason for the failure just seen, from OpenSSL's error queue and
 * what the filter knows, into filter->why, with a remedy where there is one. */
void msv_tls_explain(struct msv_tls_filter *filter);
/* The same for a stream that ended during the handshake. */
void msv_tls_explain_eof(struct msv_tls_filter *filter, int error);

#endif
