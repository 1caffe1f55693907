/*
 * TLS by OpenSSL, as a filter of the connection: certificates that can be
 * swapped while connections run, and words for people when they are wrong.
 */
#ifndef MAILSERV_TLS_H
#define MAILSERV_TLS_H

#include <mailserv/base.h>
#include <mailserv/conn.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Certificates and settings of a server; shared by many connections. */
struct msv_tls;

/* A full-chain certificate and its key, PEM, as an ACME client leaves them.
 * Files, or their contents where the program read them already (the names are
 * then for messages).  All borrowed during the call. */
struct msv_tls_pair {
	size_t size;
	const char *cert_file, *key_file; /* no key at all: it is in cert_file too */
	const void *cert_pem, *key_pem;   /* NULL: read the files */
	size_t cert_len, key_len;
};

struct msv_tls_options {
	size_t size;
	/* The first pair is the default; others are chosen by the name the client
	 * asks for (SNI, RFC 6066 3), wildcards included. */
	const struct msv_tls_pair *pairs;
	size_t npairs;
	/* Names the first pair should be good for: checked, warned about. */
	const char *const *hostnames;
	size_t nhostnames;
	/* One line for people: "FILE: what is wrong; remedy" [the env's log].
	 * Valid during the call. */
	void (*report)(void *user, enum msv_log_level level, const char *line);
	void *user;
	bool tls13_only; /* refuse TLS 1.2 [TLS 1.2 and 1.3] */
};

/* Loads the pairs.  Unreadable, encrypted, mismatched, too weak or malformed
 * pairs are errors (MSV_ERR_TLS, MSV_ERR_NOTFOUND, MSV_ERR_DENIED, MSV_ERR_IO),
 * each reported in a line; expired, soon expiring, not-yet-valid and wrong-name
 * certificates, incomplete chains and keys everybody can read are warned about
 * and used.  Also MSV_ERR_NOMEM, and MSV_ERR_INVAL when there is no pair. */
MSV_API int msv_tls_new(
    struct msv_env *env, const struct msv_tls_options *options, struct msv_tls **out);

/* Swaps certificates: running connections keep theirs, new ones get the new.
 * On any error the old ones stay, and a line says so. */
MSV_API int msv_tls_reload(struct msv_tls *tls, const struct msv_tls_options *options);

/* Lets go; connections that use it keep it alive. */
MSV_API void msv_tls_free(struct msv_tls *tls);

/* Only reports what msv_tls_new() would say.  Returns 0 when nothing, or only
 * warnings, were found; *warnings (may be NULL) counts them. */
MSV_API int msv_tls_check(
    struct msv_env *env, const struct msv_tls_options *options, unsigned *warnings);

/* Starts the server's side of TLS on a conn: everything from now on is inside
 * it.  A failed handshake is logged with session id, peer, reason and remedy.
 * MSV_ERR_NOMEM; then the connection is over, as nothing may be said in the
 * clear any more. */
MSV_API int msv_tls_accept(struct msv_tls *tls, struct msv_conn *conn);

/* As msv_tls_accept(), but only the filter: for programs with their own loop
 * around it.  The caller frees it through filter->ops->free. */
MSV_API int msv_tls_server_filter(struct msv_tls *tls, struct msv_filter **out);

/* Seconds since the epoch at which the first of the certificates expires; 0
 * unknown. */
MSV_API int64_t msv_tls_expires(const struct msv_tls *tls);

/* -- The client's side, for tests, relays and tools ------------------------- */

struct msv_tls_client_options {
	size_t size;
	const char *hostname; /* sent as SNI, and verified when verify is set */
	const char *ca_file;  /* PEM of trusted roots [the system's] */
	bool verify;          /* refuse a certificate that does not verify (RFC 9525) */
};
/* Starts the client's side of TLS on a conn.  MSV_ERR_NOMEM; MSV_ERR_INVAL:
 * verify without a hostname, or one that is no name; MSV_ERR_TLS: the roots
 * cannot be read.  On an error the connection is over. */
MSV_API int msv_tls_connect(struct msv_conn *conn, const struct msv_tls_client_options *options);

/* As msv_tls_connect(), but only the filter: for programs with their own loop
 * around it.  The caller frees it through filter->ops->free. */
MSV_API int msv_tls_client_filter(
    struct msv_env *env, const struct msv_tls_client_options *options, struct msv_filter **out);

/* What a client trusts; made once, shared by many connections. */
struct msv_tls_client;

struct msv_tls_client_config {
	size_t size;
	const char *ca_file; /* PEM of trusted roots [the system's] */
	const void *ca_pem;  /* the same as contents: then no file is read */
	size_t ca_len;
	bool tls13_only; /* refuse TLS 1.2 [TLS 1.2 and 1.3] */
};

/* A new one; config may be NULL.  MSV_ERR_NOMEM; MSV_ERR_TLS: the roots cannot be
 * read. */
MSV_API int msv_tls_client_new(
    struct msv_env *env, const struct msv_tls_client_config *config, struct msv_tls_client **out);
/* Lets go; connections that use it keep it alive. */
MSV_API void msv_tls_client_free(struct msv_tls_client *client);

/* Who is expected at the other end of one connection. */
struct msv_tls_expect {
	size_t size;
	const char *hostname; /* sent as SNI, and looked for in the certificate; NULL: any */
	/* A certificate that does not verify for hostname ends the handshake.
	 * Without this it is only remembered: msv_tls_verified(). */
	bool verify;
};

/* Starts the client's side of TLS on a conn.  Errors as msv_tls_connect(); then
 * the connection is over. */
MSV_API int msv_tls_client_start(
    struct msv_tls_client *client, struct msv_conn *conn, const struct msv_tls_expect *expect);

/* Whether the certificate of the server at the other end verified, for the name
 * that was expected.  If not, *why (may be NULL) says why, or why the handshake
 * failed; valid until the next verb. */
MSV_API bool msv_tls_verified(const struct msv_conn *conn, const char **why);

/* Writes a new self-signed certificate (ECDSA P-256, `days` days, names as
 * subject alternative names) and its key to two files that must not exist
 * (key mode 0600).  MSV_ERR_EXISTS, MSV_ERR_IO, MSV_ERR_TLS. */
MSV_API int msv_tls_self_signed(struct msv_env *env, const char *const *names, size_t nnames,
    unsigned days, const char *cert_file, const char *key_file);

#ifdef __cplusplus
}
#endif

#endif
