#include <openssl/err.h>

#include "check_main.h"
#include "rig.h"

static struct certs dir;
static struct msv_env *env;
static struct msv_tls *tls;
static struct end client, server;
static const char *ca_file;

static void load(struct cert_spec spec)
{
	struct msv_tls_pair pair = { .size = sizeof(pair) };
	struct msv_tls_options options = { .size = sizeof(options), .pairs = &pair, .npairs = 1 };

	certs_pair(&dir, "a", spec, &pair.cert_file, &pair.key_file);
	ca_file = pair.cert_file;
	msv_tls_free(tls);
	ck_assert_int_eq(msv_tls_new(env, &options, &tls), 0);
}

static void setup(void)
{
	certs_begin(&dir);
	tls = NULL;
	memset(&client, 0, sizeof(client));
	memset(&server, 0, sizeof(server));
	ck_assert_int_eq(msv_env_new(NULL, &env), 0);
	load((struct cert_spec){ .names = "DNS:mail.example.org" });
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

static void begin(const char *hostname, const char *trusted)
{
	end_free(&client);
	end_free(&server);
	end_init(&server, server_filter(tls));
	end_init(&client, client_filter(env, hostname, trusted));
	SSL_set_cipher_list(end_ssl(&client), "ALL:@SECLEVEL=0");
	SSL_set_min_proto_version(end_ssl(&client), 0);
}

static void run(void)
{
	end_decode(&client, NULL, 0);
	pump(&client, &server, SIZE_MAX);
}

/* Why the server failed: whole, and with nothing left to send but an alert. */
static void expect_server(const char *why)
{
	ck_assert_int_eq(server.result, MSV_ERR_TLS);
	ck_assert_str_eq(end_why(&server), why);
	ck_assert(!end_ready(&server));
	/* It stays failed. */
	ck_assert_int_eq(end_decode(&server, "more", 4), MSV_ERR_TLS);
	ck_assert_int_eq(
	    server.filter->ops->encode(server.filter, "x", 1, &server.wire.sink), MSV_ERR_TLS);
	ck_assert_int_eq(server.filter->ops->eof(server.filter, 0), MSV_ERR_TLS);
	ck_assert_str_eq(end_why(&server), why);
}

/* Why the client failed. */
static void expect_client(const char *words)
{
	ck_assert_int_eq(client.result, MSV_ERR_TLS);
	ck_assert_msg(strstr(end_why(&client), words) != NULL, "\"%s\" lacks \"%s\"",
	    end_why(&client), words);
}

/* -- Certificates the client does not like ------------------------------------------- */

START_TEST(test_unknown_ca)
{
	struct certs other;
	const char *cert_file, *key_file;

	certs_begin(&other);
	certs_pair(&other, "other", (struct cert_spec){ .names = "DNS:x" }, &cert_file, &key_file);
	begin("mail.example.org", cert_file);
	run();
	expect_server(
	    "handshake failed: client does not accept our certificate (unknown CA): "
	    "use a certificate of a public CA with its full chain, or install ours there");
	expect_client("does not verify");
	certs_end(&other);
}
END_TEST

START_TEST(test_expired)
{
	load((struct cert_spec){ .names = "DNS:mail.example.org", .from = -9 * DAY, .to = -DAY });
	begin("mail.example.org", ca_file);
	run();
	expect_server(
	    "handshake failed: client does not accept our certificate (expired): renew it "
	    "and reload, or set the clock there");
	expect_client("expired");
}
END_TEST

START_TEST(test_wrong_name)
{
	begin("imap.example.org", ca_file);
	run();
	expect_server("handshake failed: client does not accept our certificate (bad certificate): "
	              "it should connect to a name in the certificate; the chain must be complete");
	expect_client("ostname mismatch");
}
END_TEST

START_TEST(test_addresses_are_verified)
{
	load((struct cert_spec){ .names = "IP:192.0.2.1" });
	begin("192.0.2.1", ca_file);
	run();
	ck_assert(end_ready(&client) && end_ready(&server));
	begin("192.0.2.2", ca_file);
	run();
	expect_client("IP address mismatch");
}
END_TEST

/* RFC 9525 2: the common name counts for nothing. */
START_TEST(test_common_name_is_not_verified)
{
	load((struct cert_spec){ .subject = "mail.example.org" });
	begin("mail.example.org", ca_file);
	run();
	expect_client("ostname mismatch");
}
END_TEST

/* -- Nothing in common ------------------------------------------------------------------ */

START_TEST(test_old_versions)
{
	static const struct {
		int version;
		const char *name;
	} cases[] = { { TLS1_VERSION, "TLSv1.0" }, { TLS1_1_VERSION, "TLSv1.1" } };
	char why[200];

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		begin(NULL, NULL);
		SSL_set_max_proto_version(end_ssl(&client), cases[i].version);
		run();
		snprintf(why, sizeof(why),
		    "handshake failed: client offered only %s: update it: TLS 1.2 or 1.3 is "
		    "needed",
		    cases[i].name);
		expect_server(why);
		expect_client("server does not accept our TLS version");
	}
}
END_TEST

START_TEST(test_no_shared_cipher)
{
	begin(NULL, NULL);
	SSL_set_max_proto_version(end_ssl(&client), TLS1_2_VERSION);
	SSL_set_cipher_list(end_ssl(&client), "AES128-SHA:@SECLEVEL=0");
	run();
	expect_server("handshake failed: client shares no cipher with us: it needs TLS 1.3, or TLS "
	              "1.2 with ECDHE and AES-GCM or ChaCha20; update it");
	expect_client("found nothing in common");
}
END_TEST

START_TEST(test_no_shared_group)
{
	begin(NULL, NULL);
	SSL_set1_groups_list(end_ssl(&client), "P-521");
	SSL_set1_groups_list(end_ssl(&server), "X25519:P-256");
	run();
	expect_server("handshake failed: client shares no key exchange group with us: it needs "
	              "X25519 or P-256; update it");
	expect_client("found nothing in common");
}
END_TEST

START_TEST(test_no_shared_signature)
{
	begin(NULL, NULL);
	SSL_set1_sigalgs_list(end_ssl(&client), "rsa_pss_rsae_sha256");
	run();
	expect_server("handshake failed: client cannot verify the kind of our certificate's key: "
	              "use a certificate with an RSA key");
}
END_TEST

/* -- No TLS at all ------------------------------------------------------------------------ */

START_TEST(test_plain_text)
{
	static const struct {
		const char *said, *why;
	} cases[] = {
		{ "EHLO client.example\r\n",
		    "handshake failed: client speaks plain text (\"EHLO cli\") where TLS is "
		    "expected: "
		    "set it to SSL/TLS for this port, or to STARTTLS on a port for that" },
		{ "a LOGIN u p\r\n",
		    "handshake failed: client speaks plain text (\"a LOGIN \") where TLS is "
		    "expected: "
		    "set it to SSL/TLS for this port, or to STARTTLS on a port for that" },
		{ "GET / HTTP/1.1\r\n\r\n",
		    "handshake failed: client speaks plain text (\"GET / HT\") where TLS is "
		    "expected: "
		    "set it to SSL/TLS for this port, or to STARTTLS on a port for that" },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		for (size_t piece = 1; piece < 9; piece += 7) {
			size_t n = strlen(cases[i].said);

			begin(NULL, NULL);
			for (size_t at = 0; at < n && server.result == 0; at += piece)
				end_decode(
				    &server, cases[i].said + at, n - at < piece ? n - at : piece);
			ck_assert_int_eq(server.result, MSV_ERR_TLS);
			/* As many bytes as had come when it was clear. */
			if (piece > 1)
				expect_server(cases[i].why);
			else
				ck_assert_ptr_nonnull(
				    strstr(end_why(&server), "speaks plain text (\""));
		}
	}
}
END_TEST

START_TEST(test_plain_server)
{
	begin(NULL, NULL);
	end_decode(&client, NULL, 0);
	end_decode(&client, "220 mail.example.org ESMTP\r\n", 28);
	expect_client("server speaks plain text (\"220 mail\") where TLS is expected");
}
END_TEST

START_TEST(test_closed)
{
	begin(NULL, NULL);
	ck_assert_int_eq(end_eof(&server, 0), MSV_ERR_TLS);
	expect_server("handshake failed: client closed the connection without a word: a port scan, "
	              "or it waited for a greeting in plain text");

	begin(NULL, NULL);
	end_decode(&client, NULL, 0);
	end_decode(&server, client.wire.p, client.wire.n);
	ck_assert_int_eq(end_eof(&server, 0), MSV_ERR_TLS);
	expect_server("handshake failed: client closed the connection during the handshake: it may "
	              "not accept our certificate: look into its log");

	begin(NULL, NULL);
	end_decode(&client, NULL, 0);
	end_decode(&server, client.wire.p, client.wire.n);
	ck_assert_int_eq(end_eof(&server, MSV_ERR_IO), MSV_ERR_TLS);
	ck_assert_ptr_nonnull(
	    strstr(end_why(&server), "broke the connection during the handshake"));
}
END_TEST

/* -- Rubbish --------------------------------------------------------------------------------- */

static unsigned char next(unsigned *x)
{
	return (unsigned char)((*x = *x * 1103515245 + 12345) >> 16);
}

/* Whatever comes, the server ends with a reason or waits for more. */
static void expect_sane(void)
{
	if (server.result == 0 || server.result == 1)
		return;
	ck_assert_int_eq(server.result, MSV_ERR_TLS);
	ck_assert_msg(strstr(end_why(&server), "client ") != NULL && strlen(end_why(&server)) < 300,
	    "\"%s\"", end_why(&server));
}

START_TEST(test_rubbish)
{
	unsigned x = 7;

	for (int i = 0; i < 2000; i++) {
		unsigned char p[600];
		size_t n = 1 + 2 * (size_t)next(&x);

		for (size_t k = 0; k < n; k++)
			p[k] = next(&x);
		/* Half of them look like a handshake record. */
		if (n > 5 && i % 2)
			memcpy(p, "\x16\x03\x01\x00\x50", 5);
		begin(NULL, NULL);
		end_decode(&server, p, n);
		expect_sane();
	}
}
END_TEST

/* The client's messages with each byte turned over in turn. */
START_TEST(test_flipped_bytes)
{
	size_t total = 1;

	for (size_t at = 0; at < total; at++) {
		size_t sent = 0;

		begin("mail.example.org", NULL);
		end_decode(&client, NULL, 0);
		for (int flight = 0; flight < 3 && server.result >= 0 && client.result >= 0;
		     flight++) {
			size_t n = client.wire.n;

			if (at >= sent && at - sent < n)
				client.wire.p[at - sent] ^= 0x55;
			carry(&client, &server, SIZE_MAX);
			carry(&server, &client, SIZE_MAX);
			sent += n;
			if (sent > total)
				total = sent;
			if (end_ready(&client) && client.result == 0 && flight < 2)
				end_send(&client, "NOOP\r\n", 6);
		}
		expect_sane();
		/* A changed byte never becomes plain text. */
		for (size_t i = 0; i < server.plain.n; i++)
			ck_assert_int_eq(server.plain.p[i], "NOOP\r\n"[i % 6]);
	}
	ck_assert_uint_gt(total, 300);
}
END_TEST

/* After the handshake, too: a damaged record ends the connection. */
START_TEST(test_damaged_record)
{
	begin(NULL, NULL);
	run();
	end_send(&client, "NOOP\r\n", 6);
	client.wire.p[client.wire.n - 1] ^= 1;
	end_decode(&server, client.wire.p, client.wire.n);
	expect_server("client sent a damaged record: something between may change bytes");
	ck_assert_uint_eq(server.plain.n, 0);
}
END_TEST

static Suite *suite(void)
{
	Suite *s = suite_create("tls/failure");
	TCase *tc = tcase_create("failure");

	tcase_set_timeout(tc, 100);
	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, test_unknown_ca);
	tcase_add_test(tc, test_expired);
	tcase_add_test(tc, test_wrong_name);
	tcase_add_test(tc, test_addresses_are_verified);
	tcase_add_test(tc, test_common_name_is_not_verified);
	tcase_add_test(tc, test_old_versions);
	tcase_add_test(tc, test_no_shared_cipher);
	tcase_add_test(tc, test_no_shared_group);
	tcase_add_test(tc, test_no_shared_signature);
	tcase_add_test(tc, test_plain_text);
	tcase_add_test(tc, test_plain_server);
	tcase_add_test(tc, test_closed);
	tcase_add_test(tc, test_rubbish);
	tcase_add_test(tc, test_flipped_bytes);
	tcase_add_test(tc, test_damaged_record);
	suite_add_tcase(s, tc);
	return s;
}

int main(void)
{
	return check_main(suite());
}
