#include <mailserv/tls.h>
#include <sys/wait.h>

#include "certs.h"
#include "check_main.h"

static struct certs dir;
static struct msv_env *env;
static X509 *leaf;
static EVP_PKEY *key;

/* What was reported. */
static char lines[8][1024];
static enum msv_log_level levels[8];
static unsigned nlines;

static void take_line(void *user, enum msv_log_level level, const char *line)
{
	(void)user;
	ck_assert_uint_lt(nlines, 8);
	levels[nlines] = level;
	snprintf(lines[nlines++], sizeof(lines[0]), "%s", line);
}

static void setup(void)
{
	certs_begin(&dir);
	ck_assert_int_eq(msv_env_new(NULL, &env), 0);
	key = make_key();
	leaf = make_cert((struct cert_spec){ .key = key, .names = "DNS:mail.example.org" });
	nlines = 0;
}

static void teardown(void)
{
	X509_free(leaf);
	EVP_PKEY_free(key);
	msv_env_free(env);
	certs_end(&dir);
}

static int check_pairs(
    const struct msv_tls_pair *pairs, size_t n, const char *hostname, unsigned *warnings)
{
	struct msv_tls_options options = { .size = sizeof(options),
		.pairs = pairs,
		.npairs = n,
		.hostnames = &hostname,
		.nhostnames = hostname ? 1 : 0,
		.report = take_line };

	nlines = 0;
	return msv_tls_check(env, &options, warnings);
}

static int check_files(const char *cert_file, const char *key_file)
{
	struct msv_tls_pair pair = {
		.size = sizeof(pair), .cert_file = cert_file, .key_file = key_file
	};

	return check_pairs(&pair, 1, NULL, NULL);
}

/* One line at that level, with the file at its front, the words in it and a
 * remedy behind the semicolon. */
static void expect_line(unsigned i, enum msv_log_level level, const char *file, const char *words)
{
	ck_assert_uint_lt(i, nlines);
	ck_assert_int_eq(levels[i], level);
	ck_assert_msg(strncmp(lines[i], file, strlen(file)) == 0 && lines[i][strlen(file)] == ':',
	    "\"%s\" does not begin with %s", lines[i], file);
	ck_assert_msg(strstr(lines[i], words) != NULL, "\"%s\" lacks \"%s\"", lines[i], words);
	ck_assert_msg(strchr(lines[i], ';') != NULL, "\"%s\" names no remedy", lines[i]);
}

static void expect_error(int got, int error, const char *file, const char *words)
{
	ck_assert_int_eq(got, error);
	ck_assert_uint_eq(nlines, 1);
	expect_line(0, MSV_LOG_ERROR, file, words);
}

static void expect_warning(int got, unsigned warnings, const char *file, const char *words)
{
	ck_assert_int_eq(got, 0);
	ck_assert_uint_eq(warnings, 1);
	ck_assert_uint_eq(nlines, 1);
	expect_line(0, MSV_LOG_WARN, file, words);
}

/* Our good certificate and key in files. */
static const char *good_cert(void)
{
	return certs_write_cert(&dir, "good.crt", leaf);
}

static const char *good_key(void)
{
	return certs_write_key(&dir, "good.key", key, NULL);
}

/* -- Good ones ------------------------------------------------------------------ */

START_TEST(test_good_pair)
{
	struct msv_tls_pair pair = {
		.size = sizeof(pair), .cert_file = good_cert(), .key_file = good_key()
	};
	unsigned warnings = 7;

	ck_assert_int_eq(check_pairs(&pair, 1, "mail.example.org", &warnings), 0);
	ck_assert_uint_eq(warnings, 0);
	ck_assert_uint_eq(nlines, 0);
}
END_TEST

START_TEST(test_contents_instead_of_files)
{
	char cert_pem[8192], key_pem[4096];
	FILE *f = fopen(good_cert(), "r");
	size_t cert_len = fread(cert_pem, 1, sizeof(cert_pem), f), key_len;
	struct msv_tls_pair pair = { .size = sizeof(pair) };

	fclose(f);
	f = fopen(good_key(), "r");
	key_len = fread(key_pem, 1, sizeof(key_pem), f);
	fclose(f);
	pair.cert_pem = cert_pem;
	pair.cert_len = cert_len;
	pair.key_pem = key_pem;
	pair.key_len = key_len;
	/* The names are for messages alone. */
	pair.cert_file = "/nonexistent/live/cert.pem";
	pair.key_file = "/nonexistent/live/key.pem";
	ck_assert_int_eq(check_pairs(&pair, 1, NULL, NULL), 0);
	pair.key_len = key_len / 2;
	expect_error(check_pairs(&pair, 1, NULL, NULL), MSV_ERR_TLS, pair.key_file, "damaged");
}
END_TEST

START_TEST(test_both_in_one_file)
{
	BIO *bio = BIO_new(BIO_s_mem());
	const char *file;
	char *p;
	long n;

	PEM_write_bio_PKCS8PrivateKey(bio, key, NULL, NULL, 0, NULL, NULL);
	PEM_write_bio_X509(bio, leaf);
	n = BIO_get_mem_data(bio, &p);
	file = certs_write(&dir, "both.pem", p, (size_t)n);
	BIO_free(bio);
	ck_assert_int_eq(check_files(file, file), 0);
	ck_assert_int_eq(check_files(file, NULL), 0);
}
END_TEST

/* `openssl ecparam -genkey` writes the parameters in front of the key. */
START_TEST(test_traditional_ec_key)
{
	BIO *bio = BIO_new(BIO_s_mem());
	const char *file;
	char *p;
	long n;

	BIO_puts(bio, "-----BEGIN EC PARAMETERS-----\nBggqhkjOPQMBBw==\n"
	              "-----END EC PARAMETERS-----\n");
	PEM_write_bio_PrivateKey_traditional(bio, key, NULL, NULL, 0, NULL, NULL);
	n = BIO_get_mem_data(bio, &p);
	file = certs_write(&dir, "ec.key", p, (size_t)n);
	BIO_free(bio);
	ck_assert_int_eq(check_files(good_cert(), file), 0);
}
END_TEST

START_TEST(test_expires)
{
	struct msv_tls_pair pairs[2] = { { .size = sizeof(pairs[0]) },
		{ .size = sizeof(pairs[0]) } };
	struct msv_tls_options options = { .size = sizeof(options), .pairs = pairs, .npairs = 2 };
	struct msv_tls *tls;
	int64_t now = time(NULL);

	certs_pair(&dir, "a", (struct cert_spec){ .names = "DNS:a", .from = -DAY, .to = 90 * DAY },
	    &pairs[0].cert_file, &pairs[0].key_file);
	certs_pair(&dir, "b", (struct cert_spec){ .names = "DNS:b", .from = -DAY, .to = 60 * DAY },
	    &pairs[1].cert_file, &pairs[1].key_file);
	ck_assert_int_eq(msv_tls_new(env, &options, &tls), 0);
	ck_assert_int_ge(msv_tls_expires(tls), now + 60 * DAY - 5);
	ck_assert_int_le(msv_tls_expires(tls), now + 60 * DAY + 5);
	msv_tls_free(tls);
	msv_tls_free(NULL);
}
END_TEST

/* -- Files that cannot be read --------------------------------------------------- */

START_TEST(test_missing)
{
	char path[128];

	snprintf(path, sizeof(path), "%s/none.pem", dir.dir);
	expect_error(check_files(path, good_key()), MSV_ERR_NOTFOUND, path, "no such certificate");
	expect_error(check_files(good_cert(), path), MSV_ERR_NOTFOUND, path, "no such key");
}
END_TEST

START_TEST(test_dangling_link)
{
	const char *path = certs_path(&dir, "link.pem");

	ck_assert_int_eq(symlink("nowhere.pem", path), 0);
	expect_error(check_files(path, good_key()), MSV_ERR_NOTFOUND, path, "link");
}
END_TEST

/* In a process of its own, as it gives up root for good. */
START_TEST(test_no_permission)
{
	const char *cert_file = good_cert(), *key_file = good_key();
	int status;
	pid_t pid;

	ck_assert_int_eq(chmod(dir.dir, 0755), 0);
	ck_assert_int_eq(chmod(cert_file, 0644), 0);
	ck_assert_int_eq(chmod(key_file, 0), 0);
	pid = fork();
	if (pid == 0) {
		if (geteuid() == 0 && setuid(65534) < 0)
			_exit(1);
		if (check_files(cert_file, key_file) != MSV_ERR_DENIED || nlines != 1)
			_exit(2);
		_exit(strncmp(lines[0], key_file, strlen(key_file)) ||
		              !strstr(lines[0], "no permission to read the key")
		          ? 3
		          : 0);
	}
	ck_assert_int_gt(pid, 0);
	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	ck_assert_int_eq(status, 0);
}
END_TEST

START_TEST(test_not_a_file)
{
	const char *path = certs_path(&dir, "fifo");

	expect_error(check_files(dir.dir, good_key()), MSV_ERR_TLS, dir.dir, "is a directory");
	ck_assert_int_eq(mkfifo(path, 0600), 0);
	expect_error(check_files(good_cert(), path), MSV_ERR_TLS, path, "not a regular file");
	path = certs_write(&dir, "large", "x", 1);
	ck_assert_int_eq(truncate(path, 5 << 20), 0);
	expect_error(check_files(path, good_key()), MSV_ERR_TLS, path, "too large");
	path = certs_write(&dir, "empty", "", 0);
	expect_error(check_files(path, good_key()), MSV_ERR_TLS, path, "empty");
}
END_TEST

/* -- Files with something else inside --------------------------------------------- */

START_TEST(test_swapped)
{
	ck_assert_int_eq(check_files(good_key(), good_cert()), MSV_ERR_TLS);
	ck_assert_uint_eq(nlines, 2);
	expect_line(0, MSV_LOG_ERROR, good_key(), "swapped");
	expect_line(1, MSV_LOG_ERROR, good_cert(), "swapped");
}
END_TEST

START_TEST(test_encrypted_key)
{
	const char *file = certs_write_key(&dir, "enc.key", key, "secret");

	expect_error(check_files(good_cert(), file), MSV_ERR_TLS, file, "encrypted");
	ck_assert_ptr_nonnull(strstr(lines[0], "openssl pkey -in"));
}
END_TEST

/* The old form, with a Proc-Type header. */
START_TEST(test_encrypted_traditional_key)
{
	BIO *bio = BIO_new(BIO_s_mem());
	const char *file;
	char *p;
	long n;

	PEM_write_bio_PrivateKey_traditional(
	    bio, key, EVP_aes_128_cbc(), (unsigned char *)"secret", 6, NULL, NULL);
	n = BIO_get_mem_data(bio, &p);
	file = certs_write(&dir, "old.key", p, (size_t)n);
	BIO_free(bio);
	expect_error(check_files(good_cert(), file), MSV_ERR_TLS, file, "encrypted");
}
END_TEST

START_TEST(test_other_contents)
{
	static const struct {
		const char *text, *as_cert, *as_key;
	} cases[] = {
		{ "hello\n", "no \"-----BEGIN\" line", "no \"-----BEGIN\" line" },
		{ "-----BEGIN OPENSSH PRIVATE KEY-----\nAAAA\n-----END OPENSSH PRIVATE KEY-----\n",
		    "private key, not a certificate", "an SSH key" },
		{ "-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n", "damaged",
		    "a public key" },
		{ "-----BEGIN CERTIFICATE REQUEST-----\nAAAA\n-----END CERTIFICATE REQUEST-----\n",
		    "certificate request", "damaged" },
		{ "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n", "damaged",
		    "a certificate, not a key" },
		{ "-----BEGIN CERTIFICATE-----\nMIIB", "damaged", "a certificate, not a key" },
		{ "0\202\001\002", "DER", "DER" },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		const char *file = certs_write(&dir, "other", cases[i].text, strlen(cases[i].text));

		expect_error(check_files(file, good_key()), MSV_ERR_TLS, file, cases[i].as_cert);
		expect_error(check_files(good_cert(), file), MSV_ERR_TLS, file, cases[i].as_key);
	}
}
END_TEST

START_TEST(test_mismatched)
{
	EVP_PKEY *other = make_key();
	const char *file = certs_write_key(&dir, "other.key", other, NULL);

	expect_error(check_files(good_cert(), file), MSV_ERR_TLS, file, "does not belong to");
	ck_assert_ptr_nonnull(strstr(lines[0], good_cert()));
	EVP_PKEY_free(other);
}
END_TEST

START_TEST(test_weak_key)
{
	EVP_PKEY *weak = EVP_RSA_gen(1024);
	X509 *x = make_cert((struct cert_spec){ .key = weak, .names = "DNS:a" });
	const char *file = certs_write_cert(&dir, "weak.crt", x);

	expect_error(check_files(file, certs_write_key(&dir, "weak.key", weak, NULL)), MSV_ERR_TLS,
	    file, "weak");
	X509_free(x);
	EVP_PKEY_free(weak);
}
END_TEST

START_TEST(test_readable_key)
{
	struct msv_tls_pair pair = {
		.size = sizeof(pair), .cert_file = good_cert(), .key_file = good_key()
	};
	unsigned warnings;

	chmod(pair.key_file, 0644);
	int error = check_pairs(&pair, 1, NULL, &warnings);
	expect_warning(error, warnings, pair.key_file, "everybody on this machine");
}
END_TEST

/* -- Dates and names --------------------------------------------------------------- */

static int check_spec(
    struct cert_spec spec, const char *hostname, unsigned *warnings, const char **cert_file)
{
	struct msv_tls_pair pair = { .size = sizeof(pair) };

	certs_pair(&dir, "spec", spec, &pair.cert_file, &pair.key_file);
	*cert_file = pair.cert_file;
	return check_pairs(&pair, 1, hostname, warnings);
}

START_TEST(test_expired)
{
	const char *file;
	unsigned warnings;
	int error = check_spec(
	    (struct cert_spec){ .from = -100 * DAY, .to = -10 * DAY - 60 }, NULL, &warnings, &file);

	expect_warning(error, warnings, file, "(10 days ago)");
}
END_TEST

START_TEST(test_expires_soon)
{
	const char *file;
	unsigned warnings;
	int error = check_spec(
	    (struct cert_spec){ .from = -86 * DAY, .to = 4 * DAY + 60 }, NULL, &warnings, &file);

	expect_warning(error, warnings, file, "(in 4 days)");
}
END_TEST

START_TEST(test_not_yet_valid)
{
	const char *file;
	unsigned warnings;
	int error = check_spec(
	    (struct cert_spec){ .from = 3 * DAY, .to = 90 * DAY }, NULL, &warnings, &file);

	expect_warning(error, warnings, file, "not valid before");
	ck_assert_ptr_nonnull(strstr(lines[0], "clock"));
}
END_TEST

START_TEST(test_hostname)
{
	static const struct {
		const char *names, *hostname;
		bool good;
	} cases[] = {
		{ "DNS:mail.example.org", "mail.example.org", true },
		{ "DNS:mail.example.org", "MAIL.Example.ORG", true },
		{ "DNS:a.example,DNS:b.example", "b.example", true },
		{ "DNS:*.example.org", "mail.example.org", true },
		{ "IP:192.0.2.1", "192.0.2.1", true }, { "IP:2001:db8::1", "2001:db8::1", true },
		{ "DNS:example.org", "mail.example.org", false },
		{ "DNS:*.example.org", "example.org", false },
		{ "DNS:*.example.org", "a.b.example.org", false },
		{ "DNS:m*.example.org", "mail.example.org", false },
		{ "IP:192.0.2.1", "192.0.2.2", false },
		{ NULL, "test", false }, /* the common name alone */
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		const char *file;
		unsigned warnings;
		int error = check_spec((struct cert_spec){ .names = cases[i].names },
		    cases[i].hostname, &warnings, &file);

		if (!cases[i].good) {
			expect_warning(error, warnings, file, "is not for");
			continue;
		}
		ck_assert_int_eq(error, 0);
		ck_assert_uint_eq(warnings, 0);
	}
}
END_TEST

/* A name in a certificate is anybody's text: the report stays one line, of
 * bounded length. */
START_TEST(test_hostile_names)
{
	char names[4096] = "DNS:a";
	const char *file;
	unsigned warnings;
	int error;

	for (int i = 0; i < 200; i++)
		strcat(names, ",DNS:a.example");
	error = check_spec((struct cert_spec){ .names = names }, "x\r\ny", &warnings, &file);
	expect_warning(error, warnings, file, "is not for");
	ck_assert_ptr_null(strpbrk(lines[0], "\r\n"));
}
END_TEST

/* -- Chains -------------------------------------------------------------------------- */

static EVP_PKEY *ca_key;
static X509 *ca, *issued;

static void make_chain(long ca_to, const char *aia)
{
	ca_key = make_key();
	ca = make_cert((struct cert_spec){
	    .subject = "ca", .key = ca_key, .ca = true, .from = -100 * DAY, .to = ca_to });
	issued = make_cert((struct cert_spec){
	    .names = "DNS:a", .key = key, .issuer = ca, .issuer_key = ca_key, .aia = aia });
}

static void free_chain(void)
{
	X509_free(issued);
	X509_free(ca);
	EVP_PKEY_free(ca_key);
}

static int check_chain(X509 *const *chain, unsigned *warnings, const char **file)
{
	struct msv_tls_pair pair = { .size = sizeof(pair), .key_file = good_key() };

	pair.cert_file = *file = certs_write_chain(&dir, "chain.crt", chain);
	return check_pairs(&pair, 1, NULL, warnings);
}

START_TEST(test_full_chain)
{
	const char *file;
	unsigned warnings;

	make_chain(900 * DAY, "caIssuers;URI:http://ca.example/ca.crt");
	ck_assert_int_eq(check_chain((X509 *const[]){ issued, ca, NULL }, &warnings, &file), 0);
	ck_assert_uint_eq(warnings, 0);
	free_chain();
}
END_TEST

START_TEST(test_chain_missing)
{
	const char *file;
	unsigned warnings;
	int error;

	make_chain(900 * DAY, "OCSP;URI:http://ca.example,caIssuers;URI:http://ca.example/ca.crt");
	error = check_chain((X509 *const[]){ issued, NULL }, &warnings, &file);
	expect_warning(error, warnings, file, "fullchain.pem");
	free_chain();
}
END_TEST

START_TEST(test_chain_order)
{
	const char *file;
	unsigned warnings;
	int error;

	make_chain(900 * DAY, NULL);
	error = check_chain((X509 *const[]){ ca, issued, NULL }, &warnings, &file);
	expect_error(error, MSV_ERR_TLS, file, "wrong order: certificate 2 belongs to the key");
	error = check_chain((X509 *const[]){ issued, leaf, ca, NULL }, &warnings, &file);
	expect_warning(error, warnings, file, "certificate 2 does not certify");
	free_chain();
}
END_TEST

START_TEST(test_chain_expired)
{
	const char *file;
	unsigned warnings;
	int error;

	make_chain(-DAY, NULL);
	error = check_chain((X509 *const[]){ issued, ca, NULL }, &warnings, &file);
	expect_warning(error, warnings, file, "certificate 2 of the chain expired");
	free_chain();
}
END_TEST

START_TEST(test_chain_damaged)
{
	BIO *bio = BIO_new(BIO_s_mem());
	const char *file;
	char *p;
	long n;

	PEM_write_bio_X509(bio, leaf);
	BIO_puts(bio, "-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n");
	n = BIO_get_mem_data(bio, &p);
	file = certs_write(&dir, "chain.crt", p, (size_t)n);
	BIO_free(bio);
	expect_error(
	    check_files(file, good_key()), MSV_ERR_TLS, file, "certificate 2 of the chain");
}
END_TEST

/* Every pair is looked at, whatever is wrong with the first. */
START_TEST(test_all_pairs)
{
	struct msv_tls_pair pairs[2] = { { .size = sizeof(pairs[0]) },
		{ .size = sizeof(pairs[0]) } };

	pairs[0].cert_file = "/nonexistent/a.crt";
	pairs[0].key_file = "/nonexistent/a.key";
	pairs[1].cert_file = good_cert();
	pairs[1].key_file = "/nonexistent/b.key";
	ck_assert_int_eq(check_pairs(pairs, 2, NULL, NULL), MSV_ERR_NOTFOUND);
	ck_assert_uint_eq(nlines, 3);
	expect_line(0, MSV_LOG_ERROR, pairs[0].cert_file, "no such");
	expect_line(1, MSV_LOG_ERROR, pairs[0].key_file, "no such");
	expect_line(2, MSV_LOG_ERROR, pairs[1].key_file, "no such");
	ck_assert_int_eq(check_pairs(NULL, 0, NULL, NULL), MSV_ERR_INVAL);
}
END_TEST

static Suite *suite(void)
{
	Suite *s = suite_create("tls/cert");
	TCase *tc = tcase_create("cert");

	tcase_set_timeout(tc, 60);
	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, test_good_pair);
	tcase_add_test(tc, test_contents_instead_of_files);
	tcase_add_test(tc, test_both_in_one_file);
	tcase_add_test(tc, test_traditional_ec_key);
	tcase_add_test(tc, test_expires);
	tcase_add_test(tc, test_missing);
	tcase_add_test(tc, test_dangling_link);
	tcase_add_test(tc, test_no_permission);
	tcase_add_test(tc, test_not_a_file);
	tcase_add_test(tc, test_swapped);
	tcase_add_test(tc, test_encrypted_key);
	tcase_add_test(tc, test_encrypted_traditional_key);
	tcase_add_test(tc, test_other_contents);
	tcase_add_test(tc, test_mismatched);
	tcase_add_test(tc, test_weak_key);
	tcase_add_test(tc, test_readable_key);
	tcase_add_test(tc, test_expired);
	tcase_add_test(tc, test_expires_soon);
	tcase_add_test(tc, test_not_yet_valid);
	tcase_add_test(tc, test_hostname);
	tcase_add_test(tc, test_hostile_names);
	tcase_add_test(tc, test_full_chain);
	tcase_add_test(tc, test_chain_missing);
	tcase_add_test(tc, test_chain_order);
	tcase_add_test(tc, test_chain_expired);
	tcase_add_test(tc, test_chain_damaged);
	tcase_add_test(tc, test_all_pairs);
	suite_add_tcase(s, tc);
	return s;
}

int main(void)
{
	return check_main(suite());
}
