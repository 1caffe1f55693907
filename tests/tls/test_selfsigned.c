#include "check_main.h"
#include "rig.h"

static struct certs dir;
static struct msv_env *env;
static const char *cert_file, *key_file;

static void setup(void)
{
	certs_begin(&dir);
	cert_file = certs_path(&dir, "cert.pem");
	key_file = certs_path(&dir, "key.pem");
	ck_assert_int_eq(msv_env_new(NULL, &env), 0);
}

static void teardown(void)
{
	msv_env_free(env);
	certs_end(&dir);
}

static int make(const char *const *names, size_t n, unsigned days)
{
	return msv_tls_self_signed(env, names, n, days, cert_file, key_file);
}

START_TEST(test_usable)
{
	static const char *const names[] = { "localhost", "127.0.0.1", "::1", "mail.example.org" };
	struct msv_tls_pair pair = {
		.size = sizeof(pair), .cert_file = cert_file, .key_file = key_file
	};
	struct msv_tls_options options = { .size = sizeof(options),
		.pairs = &pair,
		.npairs = 1,
		.hostnames = names,
		.nhostnames = 4 };
	struct msv_tls *tls;
	struct stat st;
	unsigned warnings;

	ck_assert_int_eq(make(names, 4, 365), 0);
	ck_assert_int_eq(stat(key_file, &st), 0);
	ck_assert_uint_eq(st.st_mode & 0777, 0600);
	ck_assert_int_eq(msv_tls_check(env, &options, &warnings), 0);
	ck_assert_uint_eq(warnings, 0);
	ck_assert_int_eq(msv_tls_new(env, &options, &tls), 0);
	ck_assert_int_gt(msv_tls_expires(tls), time(NULL) + 364 * DAY);
	/* A client that trusts it verifies each of its names. */
	for (size_t i = 0; i < 4; i++) {
		struct end client, server;

		end_init(&server, server_filter(tls));
		end_init(&client, client_filter(env, names[i], cert_file));
		end_decode(&client, NULL, 0);
		pump(&client, &server, SIZE_MAX);
		ck_assert_msg(end_ready(&client), "%s: %s", names[i], end_why(&client));
		end_free(&client);
		end_free(&server);
	}
	msv_tls_free(tls);
}
END_TEST

START_TEST(test_existing_files_stay)
{
	static const char *const names[] = { "localhost" };

	certs_write(&dir, "cert.pem", "mine", 4);
	ck_assert_int_eq(make(names, 1, 365), MSV_ERR_EXISTS);
	/* And no key is left behind. */
	ck_assert_int_ne(access(key_file, F_OK), 0);
	ck_assert_int_eq(unlink(cert_file), 0);
	certs_write(&dir, "key.pem", "mine", 4);
	ck_assert_int_eq(make(names, 1, 365), MSV_ERR_EXISTS);
	ck_assert_int_ne(access(cert_file, F_OK), 0);
}
END_TEST

START_TEST(test_no_directory)
{
	static const char *const names[] = { "localhost" };

	ck_assert_int_eq(
	    msv_tls_self_signed(env, names, 1, 365, "/nonexistent/cert.pem", key_file), MSV_ERR_IO);
	ck_assert_int_ne(access(key_file, F_OK), 0);
}
END_TEST

START_TEST(test_refused_arguments)
{
	static const char *const bad[] = { "", "a b", "a,DNS:b", "a\n", "a*b", "*.", "b\xc3\xbc" };
	static const char *const names[] = { "*.example.org" };

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		ck_assert_int_eq(make(&bad[i], 1, 365), MSV_ERR_INVAL);
	ck_assert_int_eq(make(names, 0, 365), MSV_ERR_INVAL);
	ck_assert_int_eq(make(names, 1, 0), MSV_ERR_INVAL);
	ck_assert_int_eq(make(names, 1, 365), 0);
}
END_TEST

static Suite *suite(void)
{
	Suite *s = suite_create("tls/selfsigned");
	TCase *tc = tcase_create("selfsigned");

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, test_usable);
	tcase_add_test(tc, test_existing_files_stay);
	tcase_add_test(tc, test_no_directory);
	tcase_add_test(tc, test_refused_arguments);
	suite_add_tcase(s, tc);
	return s;
}

int main(void)
{
	return check_main(suite());
}
