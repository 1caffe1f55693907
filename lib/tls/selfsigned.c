#include <errno.h>
#include <fcntl.h>
#include <openssl/ec.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tls/tls.h"

/* -- The certificate ------------------------------------------------------------ */

/* Letters, digits, hyphen, dot, and "*" as the first label. */
static bool is_hostname(const char *name)
{
	size_t n = strlen(name);

	if (!n || n > 253)
		return false;
	if (strncmp(name, "*.", 2) == 0)
		name += 2;
	return *name && !name[strspn(name,
	                    "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-.")];
}

static int add_name(GENERAL_NAMES *names, const char *name)
{
	ASN1_OCTET_STRING *ip = a2i_IPADDRESS(name);
	GENERAL_NAME *general;
	ASN1_IA5STRING *dns;

	ERR_clear_error();
	if (!ip && !is_hostname(name))
		return MSV_ERR_INVAL;
	general = GENERAL_NAME_new();
	dns = ip ? ip : ASN1_IA5STRING_new();
	if (!general || !dns || (!ip && !ASN1_STRING_set(dns, name, (int)strlen(name)))) {
		GENERAL_NAME_free(general);
		ASN1_STRING_free(dns);
		return MSV_ERR_NOMEM;
	}
	GENERAL_NAME_set0_value(general, ip ? GEN_IPADD : GEN_DNS, dns);
	if (sk_GENERAL_NAME_push(names, general))
		return 0;
	GENERAL_NAME_free(general);
	return MSV_ERR_NOMEM;
}

static int set_names(X509 *x, const char *const *names, size_t n)
{
	GENERAL_NAMES *list = sk_GENERAL_NAME_new_null();
	int error = list ? 0 : MSV_ERR_NOMEM;

	for (size_t i = 0; !error && i < n; i++)
		error = add_name(list, names[i]);
	if (!error && X509_add1_ext_i2d(x, NID_subject_alt_name, list, 0, 0) != 1)
		error = MSV_ERR_NOMEM;
	GENERAL_NAMES_free(list);
	return error;
}

static bool add_extension(X509 *x, int nid, const char *value)
{
	X509_EXTENSION *ext = X509V3_EXT_conf_nid(NULL, NULL, nid, value);
	bool ok = ext && X509_add_ext(x, ext, -1) == 1;

	X509_EXTENSION_free(ext);
	return ok;
}

/* The common name: for people; 64 bytes at most (RFC 5280 A.1). */
static bool set_subject(X509 *x, const char *name)
{
	X509_NAME *subject = X509_get_subject_name(x);
	size_t n = strlen(name);

	return X509_NAME_add_entry_by_NID(subject, NID_commonName, MBSTRING_ASC,
	           (const unsigned char *)name, (int)(n > 64 ? 64 : n), -1, 0) == 1 &&
	       X509_set_issuer_name(x, subject) == 1;
}

/* RFC 5280 4.1.2.2: positive, at most 20 bytes. */
static bool set_serial(X509 *x, struct msv_env *env)
{
	unsigned char bytes[16];
	BIGNUM *bn = NULL;
	bool ok = false;

	if (msv_env_random(env, bytes, sizeof(bytes)) == 0) {
		bytes[0] = (unsigned char)((bytes[0] & 0x7f) | 0x40);
		bn = BN_bin2bn(bytes, sizeof(bytes), NULL);
		ok = bn && BN_to_ASN1_INTEGER(bn, X509_get_serialNumber(x));
	}
	BN_free(bn);
	return ok;
}

static bool set_dates(X509 *x, struct msv_env *env, unsigned days)
{
	time_t now = (time_t)(msv_env_realtime(env) / 1000000);

	/* Clocks differ: good since an hour ago. */
	return X509_time_adj_ex(X509_getm_notBefore(x), 0, -3600, &now) &&
	       X509_time_adj_ex(X509_getm_notAfter(x), (int)days, 0, &now);
}

static int fill(X509 *x, struct msv_env *env, EVP_PKEY *key, const char *const *names,
    size_t nnames, unsigned days)
{
	int error = set_names(x, names, nnames);

	if (error)
		return error;
	if (X509_set_version(x, 2) != 1 || !set_serial(x, env) || !set_dates(x, env, days) ||
	    !set_subject(x, names[0]) || X509_set_pubkey(x, key) != 1 ||
	    !add_extension(x, NID_basic_constraints, "critical,CA:FALSE") ||
	    !add_extension(x, NID_key_usage, "critical,digitalSignature") ||
	    !add_extension(x, NID_ext_key_usage, "serverAuth"))
		return MSV_ERR_TLS;
	return X509_sign(x, key, EVP_sha256()) > 0 ? 0 : MSV_ERR_TLS;
}

/* -- The files ------------------------------------------------------------------ */

static int write_full(int fd, const char *p, size_t n)
{
	while (n) {
		ssize_t r = write(fd, p, n);

		if (r < 0 && errno == EINTR)
			continue;
		if (r <= 0)
			return MSV_ERR_IO;
		p += r;
		n -= (size_t)r;
	}
	return 0;
}

/* Writes a file that is not there yet, durably; nothing stays on an error. */
static int write_new(const char *file, BIO *mem, mode_t mode)
{
	char *p;
	long n = BIO_get_mem_data(mem, &p);
	int fd = open(file, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, mode);
	int error;

	if (fd < 0)
		return errno == EEXIST ? MSV_ERR_EXISTS : MSV_ERR_IO;
	error = write_full(fd, p, (size_t)n);
	if (!error && fsync(fd) < 0)
		error = MSV_ERR_IO;
	if (close(fd) < 0 && !error)
		error = MSV_ERR_IO;
	if (error)
		unlink(file);
	return error;
}

static int write_pair(X509 *x, EVP_PKEY *key, const char *cert_file, const char *key_file)
{
	BIO *cert_mem = BIO_new(BIO_s_mem());
	BIO *key_mem = BIO_new(BIO_s_secmem());
	int error = MSV_ERR_NOMEM;

	if (!cert_mem || !key_mem || PEM_write_bio_X509(cert_mem, x) != 1 ||
	    PEM_write_bio_PKCS8PrivateKey(key_mem, key, NULL, NULL, 0, NULL, NULL) != 1)
		goto done;
	error = write_new(key_file, key_mem, 0600);
	if (error)
		goto done;
	error = write_new(cert_file, cert_mem, 0644);
	if (error)
		unlink(key_file);
done:
	BIO_free(cert_mem);
	BIO_free(key_mem);
	return error;
}

int msv_tls_self_signed(struct msv_env *env, const char *const *names, size_t nnames, unsigned days,
    const char *cert_file, const char *key_file)
{
	EVP_PKEY *key;
	X509 *x;
	int error;

	if (!nnames || !days || days > 36500)
		return MSV_ERR_INVAL;
	key = EVP_EC_gen("P-256");
	x = X509_new();
	error = key && x ? fill(x, env, key, names, nnames, days) : MSV_ERR_TLS;
	if (!error)
		error = write_pair(x, key, cert_file, key_file);
	X509_free(x);
	EVP_PKEY_free(key);
	ERR_clear_error();
	return error;
}
