#include <openssl/err.h>

#include "check_main.h"
#include "rig.h"

static struct certs dir;
static struct msv_env *env;
static struct msv_tls *tls;
static struct end client, server;
static const char *ca_file;

static void setup(void)
{
	struct msv_tls_pair pair = { .size = sizeof(pair) };
	struct msv_tls_options options = { .size = sizeof(options), .pairs = &pair, .npairs = 1 };

	certs_begin(&dir);
	ck_assert_int_eq(msv_env_new(NULL, &env), 0);
	certs_pair(&dir, "a", (struct cert_spec){ .names = "DNS:mail.example.org" },
	    &pair.cert_file, &pair.key_file);
	ca_file = pair.cert_file;
	ck_assert_int_eq(msv_tls_new(env, &options, &tls), 0);
	memset(&client, 0, sizeof(client));
	memset(&server, 0, sizeof(server));
}

static void teardown(void)
{
	end_free(&client);
	end_free(&server);
	msv_tls_free(tls);
	msv_env_free(env);
	certs_end(&dir);
	ck_assert_uint_eq(ERR_peek_error(), 0);
}

/* A new pair of ends that have not spoken yet. */
static void begin(void)
{
	end_free(&client);
	end_free(&server);
	end_init(&server, server_filter(tls));
	end_init(&client, client_filter(env, "mail.example.org", ca_file));
}

static void handshake(size_t piece)
{
	begin();
	ck_assert_int_eq(end_decode(&server, NULL, 0), 0);
	ck_assert_uint_eq(server.wire.n, 0);
	ck_assert_int_eq(end_decode(&client, NULL, 0), 0);
	ck_assert_uint_gt(client.wire.n, 0);
	pump(&client, &server, piece);
	ck_assert_msg(client.result == 0, "client: %s", end_why(&client));
	ck_assert_msg(server.result == 0, "server: %s", end_why(&server));
	ck_assert(end_ready(&client) && end_ready(&server));
}

static void set_version(int version)
{
	SSL *ssl = end_ssl(&client);

	SSL_set_cipher_list(ssl, "ALL:@SECLEVEL=0");
	ck_assert_int_eq(SSL_set_min_proto_version(ssl, version), 1);
	ck_assert_int_eq(SSL_set_max_proto_version(ssl, version), 1);
}

static void start(void)
{
	ck_assert_int_eq(end_decode(&client, NULL, 0), 0);
	pump(&client, &server, SIZE_MAX);
}

/* -- What works -------------------------------------------------------------------- */

START_TEST(test_handshake)
{
	handshake(SIZE_MAX);
	ck_assert_str_eq(client.filter->ops->describe(client.filter), "TLSv1.3");
	ck_assert_str_eq(server.filter->ops->describe(server.filter), "TLSv1.3");
	ck_assert_str_eq(server.filter->ops->name, "tls");
	ck_assert_ptr_null(server.filter->ops->failure(server.filter));
	expect_across(&client, &server, "EHLO a\r\n");
	expect_across(&server, &client, "250 b\r\n");
}
END_TEST

START_TEST(test_tls12)
{
	begin();
	set_version(TLS1_2_VERSION);
	start();
	ck_assert(end_ready(&client) && end_ready(&server));
	ck_assert_str_eq(server.filter->ops->describe(server.filter), "TLSv1.2");
	ck_assert_ptr_null(SSL_get_current_compression(end_ssl(&server)));
	expect_across(&client, &server, "EHLO a\r\n");
	expect_across(&server, &client, "250 b\r\n");
}
END_TEST

START_TEST(test_nothing_before_the_handshake)
{
	begin();
	ck_assert(!end_ready(&server));
	ck_assert_str_eq(server.filter->ops->describe(server.filter), "");
	ck_assert_int_eq(
	    server.filter->ops->encode(server.filter, "x", 1, &server.wire.sink), MSV_ERR_INVAL);
	server.filter->ops->finish(server.filter, &server.wire.sink);
	ck_assert_uint_eq(server.wire.n, 0);
}
END_TEST

/* The same conversation in pieces of every size up to a record's. */
START_TEST(test_pieces)
{
	for (size_t n = 1; n < 300; n = n < 8 ? n + 1 : n * 3 / 2) {
		handshake(n);
		end_send(&client, "DATA\r\n", 6);
		carry(&client, &server, n);
		ck_assert_uint_eq(server.plain.n, 6);
		end_send(&server, "354 go\r\n", 8);
		carry(&server, &client, n);
		ck_assert_uint_eq(client.plain.n, 8);
	}
}
END_TEST

/* What the client says up to its first command, cut at every byte. */
START_TEST(test_every_split)
{
	size_t total = 1;

	for (size_t cut = 1; cut <= total; cut++) {
		size_t sent = 0;

		begin();
		end_decode(&client, NULL, 0);
		for (int flight = 0; flight < 3; flight++) {
			size_t n = client.wire.n;

			if (cut > sent && cut - sent < n) {
				ck_assert_int_ge(end_decode(&server, client.wire.p, cut - sent), 0);
				bin_take(&client.wire, cut - sent);
			}
			carry(&client, &server, SIZE_MAX);
			carry(&server, &client, SIZE_MAX);
			sent += n;
			if (end_ready(&client) && flight < 2)
				end_send(&client, "NOOP\r\n", 6);
		}
		total = sent;
		ck_assert_uint_eq(server.plain.n % 6, 0);
		ck_assert_uint_ge(server.plain.n, 6);
		ck_assert_mem_eq(server.plain.p, "NOOP\r\n", 6);
	}
	ck_assert_uint_gt(total, 300);
}
END_TEST

START_TEST(test_much)
{
	size_t total = 3 << 20;
	char *p = malloc(total);
	unsigned x = 1;

	for (size_t i = 0; i < total; i++)
		p[i] = (char)((x = x * 1103515245 + 12345) >> 16);
	handshake(SIZE_MAX);
	end_send(&client, p, total);
	end_send(&client, p, 0);
	for (size_t i = 0; client.wire.n > i;) {
		size_t n = 1 + (x = x * 1103515245 + 12345) % 40000;

		if (n > client.wire.n - i)
			n = client.wire.n - i;
		ck_assert_int_eq(end_decode(&server, client.wire.p + i, n), 0);
		i += n;
	}
	ck_assert_uint_eq(server.plain.n, total);
	ck_assert_mem_eq(server.plain.p, p, total);
	free(p);
}
END_TEST

START_TEST(test_close_notify)
{
	handshake(SIZE_MAX);
	end_send(&server, "221 bye\r\n", 9);
	server.filter->ops->finish(server.filter, &server.wire.sink);
	end_decode(&client, server.wire.p, server.wire.n);
	ck_assert_int_eq(client.result, 1);
	ck_assert_uint_eq(client.plain.n, 9);
	/* Anything behind it is nobody's. */
	ck_assert_int_eq(end_decode(&client, "rubbish", 7), 1);
	ck_assert_uint_eq(client.plain.n, 9);
	/* This side may still speak. */
	expect_across(&client, &server, "QUIT\r\n");
}
END_TEST

START_TEST(test_end_without_close_notify)
{
	handshake(SIZE_MAX);
	end_send(&client, "NOOP\r\nNOOP", 10);
	end_send(&client, "cut short", 9);
	/* All but the last byte of the last record. */
	end_decode(&server, client.wire.p, client.wire.n - 1);
	ck_assert_int_eq(server.filter->ops->eof(server.filter, 0), 0);
	ck_assert_uint_eq(server.plain.n, 10);
	ck_assert_ptr_null(server.filter->ops->failure(server.filter));
	ck_assert_int_eq(server.filter->ops->eof(server.filter, MSV_ERR_IO), 0);
	end_send(&server, "250 ok\r\n", 8);
}
END_TEST

START_TEST(test_renegotiation_refused)
{
	begin();
	set_version(TLS1_2_VERSION);
	start();
	SSL_set_options(end_ssl(&client), SSL_OP_LEGACY_SERVER_CONNECT);
	SSL_renegotiate(end_ssl(&client));
	end_decode(&client, NULL, 0);
	SSL_do_handshake(end_ssl(&client));
	client.filter->ops->encode(client.filter, "x", 1, &client.wire.sink);
	pump(&client, &server, SIZE_MAX);
	/* Refused by a warning alert: the server goes on as before. */
	ck_assert_int_eq(server.result, 0);
	ck_assert_int_eq(SSL_total_renegotiations(end_ssl(&server)), 0);
	ck_assert_int_eq(SSL_renegotiate_pending(end_ssl(&server)), 0);
	end_send(&server, "250 ok\r\n", 8);
}
END_TEST

START_TEST(test_key_update)
{
	handshake(SIZE_MAX);
	ck_assert_int_eq(SSL_key_update(end_ssl(&client), SSL_KEY_UPDATE_REQUESTED), 1);
	expect_across(&client, &server, "NOOP\r\n");
	expect_across(&server, &client, "250 ok\r\n");
	expect_across(&client, &server, "NOOP\r\n");
}
END_TEST

/* A ticket resumes the session, without memory at the server. */
START_TEST(test_ticket)
{
	for (int version = TLS1_2_VERSION; version <= TLS1_3_VERSION; version++) {
		SSL_SESSION *session;

		begin();
		set_version(version);
		start();
		session = SSL_get1_session(end_ssl(&client));
		client.filter->ops->finish(client.filter, &client.wire.sink);
		begin();
		set_version(version);
		SSL_set_session(end_ssl(&client), session);
		start();
		ck_assert(end_ready(&client) && end_ready(&server));
		ck_assert_int_eq(SSL_session_reused(end_ssl(&server)), 1);
		ck_assert_int_eq(SSL_CTX_sess_number(SSL_get_SSL_CTX(end_ssl(&server))), 0);
		expect_across(&client, &server, "NOOP\r\n");
		SSL_SESSION_free(session);
	}
}
END_TEST

/* -- Channel bindings ---------------------------------------------------------------- */

static void expect_same_binding(const char *type, size_t length)
{
	unsigned char a[64], b[64];
	size_t an = sizeof(a), bn = sizeof(b), small = length - 1;

	ck_assert_int_eq(client.filter->ops->binding(client.filter, type, a, &an), 0);
	ck_assert_int_eq(server.filter->ops->binding(server.filter, type, b, &bn), 0);
	ck_assert_uint_eq(an, length);
	ck_assert_uint_eq(bn, length);
	ck_assert_mem_eq(a, b, length);
	ck_assert_int_eq(
	    server.filter->ops->binding(server.filter, type, b, &small), MSV_ERR_LIMIT);
}

START_TEST(test_bindings)
{
	unsigned char buf[64];
	size_t n = sizeof(buf);

	for (int version = TLS1_2_VERSION; version <= TLS1_3_VERSION; version++) {
		begin();
		ck_assert_int_eq(
		    server.filter->ops->binding(server.filter, "tls-exporter", buf, &n),
		    MSV_ERR_INVAL);
		set_version(version);
		start();
		expect_same_binding("tls-exporter", 32);
		expect_same_binding("tls-server-end-point", 32);
		ck_assert_int_eq(server.filter->ops->binding(server.filter, "tls-unique", buf, &n),
		    MSV_ERR_UNSUPPORTED);
	}
}
END_TEST

/* RFC 5929 4.1: the digest is that of the certificate's signature, computed
 * here from the file. */
START_TEST(test_end_point_digest)
{
	static const struct {
		const char *signature, *binding;
	} cases[] = { { "SHA384", "SHA384" }, { "SHA512", "SHA512" }, { "SHA256", "SHA256" } };

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct msv_tls_pair pair = { .size = sizeof(pair) };
		struct msv_tls_options options = {
			.size = sizeof(options), .pairs = &pair, .npairs = 1
		};
		unsigned char want[64], got[64];
		size_t n = sizeof(got);
		unsigned want_n;
		X509 *x;
		FILE *f;

		certs_pair(&dir, "d",
		    (struct cert_spec){ .names = "DNS:mail.example.org",
		        .md = EVP_get_digestbyname(cases[i].signature) },
		    &pair.cert_file, &pair.key_file);
		ck_assert_int_eq(msv_tls_reload(tls, &options), 0);
		ca_file = pair.cert_file;
		handshake(SIZE_MAX);
		f = fopen(pair.cert_file, "r");
		x = PEM_read_X509(f, NULL, NULL, NULL);
		fclose(f);
		ck_assert_int_eq(
		    X509_digest(x, EVP_get_digestbyname(cases[i].binding), want, &want_n), 1);
		X509_free(x);
		ck_assert_int_eq(
		    server.filter->ops->binding(server.filter, "tls-server-end-point", got, &n), 0);
		ck_assert_uint_eq(n, want_n);
		ck_assert_mem_eq(got, want, n);
	}
}
END_TEST

/* -- Out of memory --------------------------------------------------------------------- */

START_TEST(test_full_sinks)
{
	handshake(SIZE_MAX);
	end_send(&client, "NOOP\r\n", 6);
	server.plain.full = true;
	ck_assert_int_eq(end_decode(&server, client.wire.p, client.wire.n), MSV_ERR_NOMEM);
	ck_assert_int_eq(end_decode(&server, "x", 1), MSV_ERR_NOMEM);
	ck_assert_int_eq(
	    server.filter->ops->encode(server.filter, "x", 1, &server.wire.sink), MSV_ERR_NOMEM);

	handshake(SIZE_MAX);
	server.wire.full = true;
	ck_assert_int_eq(
	    server.filter->ops->encode(server.filter, "x", 1, &server.wire.sink), MSV_ERR_NOMEM);
	ck_assert(!end_ready(&server));
	ck_assert_str_eq(end_why(&server), msv_strerror(MSV_ERR_NOMEM));

	begin();
	end_decode(&client, NULL, 0);
	server.wire.full = true;
	ck_assert_int_eq(end_decode(&server, client.wire.p, client.wire.n), MSV_ERR_NOMEM);
}
END_TEST

static Suite *suite(void)
{
	Suite *s = suite_create("tls/filter");
	TCase *tc = tcase_create("filter");

	tcase_set_timeout(tc, 100);
	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, test_handshake);
	tcase_add_test(tc, test_tls12);
	tcase_add_test(tc, test_nothing_before_the_handshake);
	tcase_add_test(tc, test_pieces);
	tcase_add_test(tc, test_every_split);
	tcase_add_test(tc, test_much);
	tcase_add_test(tc, test_close_notify);
	tcase_add_test(tc, test_end_without_close_notify);
	tcase_add_test(tc, test_renegotiation_refused);
	tcase_add_test(tc, test_key_update);
	tcase_add_test(tc, test_ticket);
	tcase_add_test(tc, test_bindings);
	tcase_add_test(tc, test_end_point_digest);
	tcase_add_test(tc, test_full_sinks);
	suite_add_tcase(s, tc);
	return s;
}

int main(void)
{
	return check_main(suite());
}
