/* Certificates made on the spot, and a directory for them. */
#ifndef TESTS_TLS_CERTS_H
#define TESTS_TLS_CERTS_H

#include <check.h>
#include <openssl/ec.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define DAY 86400L

/* The directory of one test; its files' paths live until certs_end(). */
struct certs {
	char dir[64];
	char paths[16][128];
	unsigned npaths;
};

static inline void certs_begin(struct certs *c)
{
	memset(c, 0, sizeof(*c));
	snprintf(c->dir, sizeof(c->dir), "/tmp/msv-tls-XXXXXX");
	ck_assert_ptr_nonnull(mkdtemp(c->dir));
}

static inline void certs_end(struct certs *c)
{
	for (unsigned i = 0; i < c->npaths; i++)
		if (unlink(c->paths[i]) < 0)
			rmdir(c->paths[i]);
	ck_assert_int_eq(rmdir(c->dir), 0);
}

/* The path of a file in the directory, removed at the end. */
static inline const char *certs_path(struct certs *c, const char *name)
{
	char path[128];

	snprintf(path, sizeof(path), "%s/%s", c->dir, name);
	for (unsigned i = 0; i < c->npaths; i++)
		if (strcmp(c->paths[i], path) == 0)
			return c->paths[i];
	ck_assert_uint_lt(c->npaths, 16);
	strcpy(c->paths[c->npaths], path);
	return c->paths[c->npaths++];
}

static inline const char *certs_write(struct certs *c, const char *name, const void *p, size_t n)
{
	const char *path = certs_path(c, name);
	FILE *f = fopen(path, "w");

	ck_assert_ptr_nonnull(f);
	ck_assert_uint_eq(fwrite(p, 1, n, f), n);
	ck_assert_int_eq(fchmod(fileno(f), 0600), 0);
	fclose(f);
	return path;
}

/* What a certificate is to be; members left 0 get something ordinary. */
struct cert_spec {
	const char *subject; /* the common name */
	const char *names;   /* "DNS:a.example,DNS:b.example" */
	long from, to;       /* seconds from now; both 0: a day ago, in 90 days */
	EVP_PKEY *key;       /* required */
	X509 *issuer;        /* NULL: self-signed */
	EVP_PKEY *issuer_key;
	bool ca;
	const char *aia; /* authorityInfoAccess */
	const EVP_MD *md;
};

static inline void spec_extension(X509 *x, int nid, const char *value)
{
	X509_EXTENSION *ext = X509V3_EXT_conf_nid(NULL, NULL, nid, value);

	ck_assert_ptr_nonnull(ext);
	ck_assert_int_eq(X509_add_ext(x, ext, -1), 1);
	X509_EXTENSION_free(ext);
}

static inline X509 *make_cert(struct cert_spec spec)
{
	static long serial;
	X509 *x = X509_new();
	X509_NAME *name = X509_get_subject_name(x);
	time_t now = time(NULL);

	X509_set_version(x, 2);
	ASN1_INTEGER_set(X509_get_serialNumber(x), ++serial);
	if (!spec.from && !spec.to) {
		spec.from = -DAY;
		spec.to = 90 * DAY;
	}
	X509_time_adj_ex(X509_getm_notBefore(x), 0, spec.from, &now);
	X509_time_adj_ex(X509_getm_notAfter(x), 0, spec.to, &now);
	X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC,
	    (const unsigned char *)(spec.subject ? spec.subject : "test"), -1, -1, 0);
	X509_set_issuer_name(x, spec.issuer ? X509_get_subject_name(spec.issuer) : name);
	X509_set_pubkey(x, spec.key);
	spec_extension(x, NID_basic_constraints, spec.ca ? "critical,CA:TRUE" : "CA:FALSE");
	if (spec.names)
		spec_extension(x, NID_subject_alt_name, spec.names);
	if (spec.aia)
		spec_extension(x, NID_info_access, spec.aia);
	ck_assert_int_gt(X509_sign(x, spec.issuer_key ? spec.issuer_key : spec.key,
	                     spec.md ? spec.md : EVP_sha256()),
	    0);
	return x;
}

static inline EVP_PKEY *make_key(void)
{
	EVP_PKEY *key = EVP_EC_gen("P-256");

	ck_assert_ptr_nonnull(key);
	return key;
}

/* PEM of certificates (up to a NULL) into a file. */
static inline const char *certs_write_chain(struct certs *c, const char *name, X509 *const *chain)
{
	BIO *bio = BIO_new(BIO_s_mem());
	const char *path;
	char *p;
	long n;

	for (; *chain; chain++)
		ck_assert_int_eq(PEM_write_bio_X509(bio, *chain), 1);
	n = BIO_get_mem_data(bio, &p);
	path = certs_write(c, name, p, (size_t)n);
	BIO_free(bio);
	return path;
}

static inline const char *certs_write_cert(struct certs *c, const char *name, X509 *x)
{
	return certs_write_chain(c, name, (X509 *const[]){ x, NULL });
}

/* PEM of a key; encrypted when there is a pass phrase. */
static inline const char *certs_write_key(
    struct certs *c, const char *name, EVP_PKEY *key, const char *pass)
{
	BIO *bio = BIO_new(BIO_s_mem());
	const char *path;
	char *p;
	long n;

	ck_assert_int_eq(PEM_write_bio_PKCS8PrivateKey(bio, key, pass ? EVP_aes_256_cbc() : NULL,
	                     pass, pass ? (int)strlen(pass) : 0, NULL, NULL),
	    1);
	n = BIO_get_mem_data(bio, &p);
	path = certs_write(c, name, p, (size_t)n);
	BIO_free(bio);
	return path;
}

/* A pair of files NAME.crt and NAME.key by that spec (its key is made). */
static inline void certs_pair(struct certs *c, const char *name, struct cert_spec spec,
    const char **cert_file, const char **key_file)
{
	char file[64];
	EVP_PKEY *key = make_key();
	X509 *x;

	spec.key = key;
	x = make_cert(spec);
	snprintf(file, sizeof(file), "%s.crt", name);
	*cert_file = certs_write_cert(c, file, x);
	snprintf(file, sizeof(file), "%s.key", name);
	*key_file = certs_write_key(c, file, key, NULL);
	X509_free(x);
	EVP_PKEY_free(key);
}

#endif
