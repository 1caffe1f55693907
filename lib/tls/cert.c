#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "tls/tls.h"

#define DAY 86400

int64_t msv_tls_time(const ASN1_TIME *t)
{
	struct tm tm;

	if (!t || ASN1_TIME_to_tm(t, &tm) != 1)
		return 0;
	return (int64_t)timegm(&tm);
}

/* "2026-01-31" into buf of 16 bytes. */
static const char *date(int64_t t, char *buf)
{
	time_t when = (time_t)t;
	struct tm tm;

	if (!gmtime_r(&when, &tm) || !strftime(buf, 16, "%Y-%m-%d", &tm))
		snprintf(buf, 16, "unknown");
	return buf;
}

/* OpenSSL would ask on the terminal for a pass phrase; instead note that it
 * wanted to. */
static int no_pass_phrase(char *buf, int size, int writing, void *user)
{
	bool *asked = user;

	(void)buf;
	(void)size;
	(void)writing;
	*asked = true;
	return -1;
}

/* -- What is in the file instead of what should be --------------------------- */

/* One line why `pem` does not hold a `what`. */
static int report_not_pem(
    const struct msv_pem *pem, struct msv_tls_report *report, const char *what, const char *form)
{
	if ((unsigned char)pem->p[0] == 0x30 && !msv_pem_has(pem, "-----BEGIN"))
		msv_tls_say(report, MSV_LOG_ERROR,
		    "%s: the %s is in DER form; convert it: openssl %s -inform der -in FILE -out "
		    "NEW",
		    pem->name, what, form);
	else if (!msv_pem_has(pem, "-----BEGIN"))
		msv_tls_say(report, MSV_LOG_ERROR,
		    "%s: holds no %s: no \"-----BEGIN\" line; a PEM file is needed, as an ACME "
		    "client "
		    "writes it",
		    pem->name, what);
	else
		msv_tls_say(report, MSV_LOG_ERROR,
		    "%s: the %s is damaged or cut short; copy it again or issue it anew", pem->name,
		    what);
	return MSV_ERR_TLS;
}

static int report_bad_cert(const struct msv_pem *pem, struct msv_tls_report *report, int number)
{
	if (number > 0) {
		msv_tls_say(report, MSV_LOG_ERROR,
		    "%s: certificate %d of the chain is damaged; copy the file again or issue it "
		    "anew",
		    pem->name, number + 1);
		return MSV_ERR_TLS;
	}
	if (msv_pem_has(pem, "CERTIFICATE REQUEST-----"))
		msv_tls_say(report, MSV_LOG_ERROR,
		    "%s: holds a certificate request, not a certificate; send it to a CA and name "
		    "the "
		    "answer here",
		    pem->name);
	else if (msv_pem_has(pem, "PRIVATE KEY-----") &&
	         !msv_pem_has(pem, "BEGIN CERTIFICATE-----"))
		msv_tls_say(report, MSV_LOG_ERROR,
		    "%s: holds a private key, not a certificate; certificate and key files are "
		    "probably "
		    "swapped",
		    pem->name);
	else
		return report_not_pem(pem, report, "certificate", "x509");
	return MSV_ERR_TLS;
}

static int report_bad_key(const struct msv_pem *pem, struct msv_tls_report *report, bool encrypted)
{
	if (encrypted)
		msv_tls_say(report, MSV_LOG_ERROR,
		    "%s: the key is encrypted with a pass phrase, and nobody is there to type it; "
		    "decrypt "
		    "it: openssl pkey -in FILE -out NEW",
		    pem->name);
	else if (msv_pem_has(pem, "BEGIN OPENSSH PRIVATE KEY-----"))
		msv_tls_say(report, MSV_LOG_ERROR,
		    "%s: holds an SSH key; name the key file that belongs to the certificate",
		    pem->name);
	else if (msv_pem_has(pem, "PUBLIC KEY-----"))
		msv_tls_say(report, MSV_LOG_ERROR,
		    "%s: holds a public key; name the file with the private key", pem->name);
	else if (msv_pem_has(pem, "BEGIN CERTIFICATE-----") &&
	         !msv_pem_has(pem, "PRIVATE KEY-----"))
		msv_tls_say(report, MSV_LOG_ERROR,
		    "%s: holds a certificate, not a key; certificate and key files are probably "
		    "swapped",
		    pem->name);
	else
		return report_not_pem(pem, report, "key", "pkey");
	return MSV_ERR_TLS;
}

/* -- Loading ------------------------------------------------------------------ */

/* The reading of PEM blocks ended: because there are no more? */
static bool end_of_pem(void)
{
	unsigned long e = ERR_peek_last_error();

	ERR_clear_error();
	return ERR_GET_LIB(e) == ERR_LIB_PEM && ERR_GET_REASON(e) == PEM_R_NO_START_LINE;
}

static int read_chain(
    struct msv_tls_cert *cert, BIO *bio, const struct msv_pem *pem, struct msv_tls_report *report)
{
	bool asked = false;
	X509 *x;

	while ((x = PEM_read_bio_X509(bio, NULL, no_pass_phrase, &asked))) {
		if (!cert->leaf) {
			cert->leaf = x;
		} else if (!sk_X509_push(cert->chain, x)) {
			X509_free(x);
			return MSV_ERR_NOMEM;
		}
	}
	if (end_of_pem() && cert->leaf)
		return 0;
	return report_bad_cert(pem, report, cert->leaf ? sk_X509_num(cert->chain) + 1 : 0);
}

static int load_chain(
    struct msv_tls_cert *cert, const struct msv_pem *pem, struct msv_tls_report *report)
{
	BIO *bio = BIO_new_mem_buf(pem->p, (int)pem->n);
	int error;

	cert->chain = sk_X509_new_null();
	if (bio && cert->chain)
		error = read_chain(cert, bio, pem, report);
	else
		error = MSV_ERR_NOMEM;
	BIO_free(bio);
	return error;
}

static int load_key(
    struct msv_tls_cert *cert, const struct msv_pem *pem, struct msv_tls_report *report)
{
	BIO *bio = BIO_new_mem_buf(pem->p, (int)pem->n);
	bool asked = false;

	if (!bio)
		return MSV_ERR_NOMEM;
	cert->key = PEM_read_bio_PrivateKey(bio, NULL, no_pass_phrase, &asked);
	BIO_free(bio);
	ERR_clear_error();
	if (!cert->key)
		return report_bad_key(pem, report, asked);
	if (pem->mode & 04)
		msv_tls_say(report, MSV_LOG_WARN,
		    "%s: everybody on this machine can read the key (mode %04o); run: chmod o-rwx "
		    "FILE",
		    pem->name, pem->mode);
	return 0;
}

/* -- Judging ------------------------------------------------------------------ */

static int check_match(const struct msv_tls_cert *cert, struct msv_tls_report *report)
{
	bool match = X509_check_private_key(cert->leaf, cert->key) == 1;

	ERR_clear_error();
	if (match)
		return 0;
	for (int i = 0; i < sk_X509_num(cert->chain); i++) {
		match = X509_check_private_key(sk_X509_value(cert->chain, i), cert->key) == 1;
		ERR_clear_error();
		if (!match)
			continue;
		msv_tls_say(report, MSV_LOG_ERROR,
		    "%s: the chain is in the wrong order: certificate %d belongs to the key; put "
		    "it first",
		    cert->cert_name, i + 2);
		return MSV_ERR_TLS;
	}
	msv_tls_say(report, MSV_LOG_ERROR,
	    "%s: this key does not belong to the certificate in %s; name the key it was issued "
	    "for, or "
	    "issue it again",
	    cert->key_name, cert->cert_name);
	return MSV_ERR_TLS;
}

static void check_expiry(const struct msv_tls_cert *cert, struct msv_tls_report *report,
    int64_t now, int64_t from, int64_t to)
{
	char buf[16];

	if (now > to)
		msv_tls_say(report, MSV_LOG_WARN,
		    "%s: the certificate expired on %s (%lld days ago) and clients refuse it; "
		    "renew it, "
		    "then reload",
		    cert->cert_name, date(to, buf), (long long)((now - to) / DAY));
	else if (to - now < (to - from) / 6)
		/* ACME clients renew when a third of the life is left. */
		msv_tls_say(report, MSV_LOG_WARN,
		    "%s: the certificate expires on %s (in %lld days); find out why it was not "
		    "renewed",
		    cert->cert_name, date(to, buf), (long long)((to - now) / DAY));
}

static void check_dates(const struct msv_tls_cert *cert, struct msv_tls_report *report)
{
	int64_t now = (int64_t)(msv_env_realtime(report->env) / 1000000);
	int64_t from = msv_tls_time(X509_get0_notBefore(cert->leaf));
	int64_t to = msv_tls_time(X509_get0_notAfter(cert->leaf));
	char buf[16], today[16];

	if (from > now)
		msv_tls_say(report, MSV_LOG_WARN,
		    "%s: the certificate is not valid before %s and clients refuse it until then; "
		    "check "
		    "this machine's clock, which says %s",
		    cert->cert_name, date(from, buf), date(now, today));
	else
		check_expiry(cert, report, now, from, to);
	for (int i = 0; i < sk_X509_num(cert->chain); i++) {
		to = msv_tls_time(X509_get0_notAfter(sk_X509_value(cert->chain, i)));
		if (now > to)
			msv_tls_say(report, MSV_LOG_WARN,
			    "%s: certificate %d of the chain expired on %s; renew it, so that the "
			    "file holds "
			    "the CA's present chain",
			    cert->cert_name, i + 2, date(to, buf));
	}
}

/* True when the certificate says where its issuer's is to be found: a public
 * CA's intermediate, then. */
static bool issuer_is_elsewhere(X509 *x)
{
	AUTHORITY_INFO_ACCESS *info = X509_get_ext_d2i(x, NID_info_access, NULL, NULL);
	bool found = false;

	for (int i = 0; i < sk_ACCESS_DESCRIPTION_num(info); i++)
		if (OBJ_obj2nid(sk_ACCESS_DESCRIPTION_value(info, i)->method) == NID_ad_ca_issuers)
			found = true;
	AUTHORITY_INFO_ACCESS_free(info);
	return found;
}

static void check_chain(const struct msv_tls_cert *cert, struct msv_tls_report *report)
{
	X509 *below = cert->leaf;

	if (sk_X509_num(cert->chain) == 0 && issuer_is_elsewhere(cert->leaf))
		msv_tls_say(report, MSV_LOG_WARN,
		    "%s: holds the server's certificate alone, without its CA's chain, and clients "
		    "will "
		    "not trust it; name the full chain (fullchain.pem)",
		    cert->cert_name);
	for (int i = 0; i < sk_X509_num(cert->chain); i++) {
		X509 *above = sk_X509_value(cert->chain, i);

		if (X509_NAME_cmp(X509_get_issuer_name(below), X509_get_subject_name(above)) != 0) {
			msv_tls_say(report, MSV_LOG_WARN,
			    "%s: certificate %d does not certify the one before it; put the chain "
			    "in order, "
			    "the server's own first",
			    cert->cert_name, i + 2);
			return;
		}
		below = above;
	}
}

int msv_tls_cert_load(
    struct msv_tls_cert *cert, struct msv_tls_report *report, const struct msv_tls_pair *pair)
{
	const char *key_file = pair->key_file;
	const void *key_pem = pair->key_pem;
	size_t key_len = pair->key_len;
	struct msv_pem pem;
	int error, key_error;

	if (!key_file && !key_pem) { /* both in one file */
		key_file = pair->cert_file;
		key_pem = pair->cert_pem;
		key_len = pair->cert_len;
	}
	*cert =
	    (struct msv_tls_cert){ .cert_name = pair->cert_file ? pair->cert_file : "certificate",
		    .key_name = key_file ? key_file : "key" };
	error = msv_pem_open(
	    &pem, report, "certificate", pair->cert_file, pair->cert_pem, pair->cert_len);
	if (!error)
		error = load_chain(cert, &pem, report);
	msv_pem_close(&pem);
	/* Both are looked at, so that nobody mends one to hear of the other. */
	key_error = msv_pem_open(&pem, report, "key", key_file, key_pem, key_len);
	if (!key_error)
		key_error = load_key(cert, &pem, report);
	msv_pem_close(&pem);
	if (!error)
		error = key_error;
	if (!error)
		error = check_match(cert, report);
	if (!error) {
		check_dates(cert, report);
		check_chain(cert, report);
	} else {
		msv_tls_cert_free(cert);
	}
	return error;
}

void msv_tls_cert_free(struct msv_tls_cert *cert)
{
	X509_free(cert->leaf);
	sk_X509_pop_free(cert->chain, X509_free);
	EVP_PKEY_free(cert->key);
	*cert = (struct msv_tls_cert){ 0 };
}

/* -- Names -------------------------------------------------------------------- */

/* Appends one name to the list in buf of n bytes. */
static void add_name(char *buf, size_t n, const char *name, size_t len)
{
	size_t have = strlen(buf);

	snprintf(buf + have, n - have, "%s%.*s", have ? ", " : "", (int)len, name);
}

/* The DNS names of a certificate, for a message. */
static void list_names(X509 *leaf, char *buf, size_t n)
{
	GENERAL_NAMES *names = X509_get_ext_d2i(leaf, NID_subject_alt_name, NULL, NULL);

	buf[0] = '\0';
	for (int i = 0; i < sk_GENERAL_NAME_num(names); i++) {
		int type;
		const ASN1_STRING *s =
		    GENERAL_NAME_get0_value(sk_GENERAL_NAME_value(names, i), &type);

		if (type == GEN_DNS)
			add_name(buf, n, (const char *)ASN1_STRING_get0_data(s),
			    (size_t)ASN1_STRING_length(s));
	}
	GENERAL_NAMES_free(names);
	if (!buf[0])
		snprintf(buf, n, "no name at all");
}

void msv_tls_cert_check_name(
    const struct msv_tls_cert *cert, struct msv_tls_report *report, const char *hostname)
{
	/* RFC 9525 2: the subject's common name is not looked at any more. */
	unsigned flags = X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS | X509_CHECK_FLAG_NEVER_CHECK_SUBJECT;
	char names[200];
	bool good;

	good = X509_check_host(cert->leaf, hostname, 0, flags, NULL) == 1 ||
	       X509_check_ip_asc(cert->leaf, hostname, 0) == 1;
	ERR_clear_error();
	if (good)
		return;
	list_names(cert->leaf, names, sizeof(names));
	msv_tls_say(report, MSV_LOG_WARN,
	    "%s: the certificate is not for \"%s\" but for %s, and clients refuse it; issue one "
	    "for that "
	    "name, or change the host name",
	    cert->cert_name, hostname, names);
}
