#include <openssl/crypto.h>

#include "check_main.h"
#include "rig.h"

static struct certs dir;
static struct msv_env *env;
static struct msv_tls *tls;
static struct end client, server;
static struct msv_tls_pair pairs[3];
static char last_line[1024];

static void take_line(void *user, enum msv_log_level level, const char *line)
{
	(void)user;
	(void)level;
	snprintf(last_line, sizeof(last_line), "%s", line);
}

static struct msv_tls_options options_of(size_t n)
{
	return (struct msv_tls_options){ .size = sizeof(struct msv_tls_options),
		.pairs = pairs,
		.npairs = n,
		.report = take_line };
}

static void make_pair(unsigned i, const char *subject, const char *names)
{
	pairs[i].size = sizeof(pairs[i]);
	certs_pair(&dir, subject, (struct cert_spec){ .subject = subject, .names = names },
	    &pairs[i].cert_file, &pairs[i].key_file);
}

static void setup(void)
{
	struct msv_tls_options options;

	memset(pairs, 0, sizeof(pairs));
	memset(&client, 0, sizeof(client));
	memset(&server, 0, sizeof(server));
	certs_begin(&dir);
	ck_assert_int_eq(msv_env_new(NULL, &env), 0);
	make_pair(0, "default", "DNS:mail.example.org,DNS:example.org");
	make_pair(1, "wild", "DNS:*.example.org,DNS:*.example.net");
	make_pair(2, "other", "DNS:imap.example.net,DNS:example.com");
	options = options_of(3);
	ck_assert_int_eq(msv_tls_new(env, &options, &tls), 0);
}

static void teardown(void)
{
	end_free(&client);
	end_free(&server);
	msv_tls_free(tls);
	msv_env_free(env);
	certs_end(&dir);
}

/* Connects by that name (NULL: no SNI); the name shown. */
static const char *connect_to(const char *hostname)
{
	static char shown[64];

	end_free(&client);
	end_free(&server);
	end_init(&server, server_filter(tls));
	end_init(&client, client_filter(env, hostname, NULL));
	end_decode(&client, NULL, 0);
	pump(&client, &server, SIZE_MAX);
	ck_assert(end_ready(&client) && end_ready(&server));
	return shown_name(&client, shown, sizeof(shown));
}

/* -- SNI --------------------------------------------------------------------------- */

START_TEST(test_choice)
{
	static const struct {
		const char *asked, *shown;
	} cases[] = {
		{ NULL, "default" },
		{ "mail.example.org", "default" },
		{ "MAIL.EXAMPLE.ORG", "default" },
		{ "example.org", "default" },
		{ "smtp.example.org", "wild" },
		{ "a.b.example.org", "default" }, /* a wildcard stands for one label */
		{ "smtp.example.net", "wild" },
		{ "imap.example.net", "other" }, /* the very name before a wildcard */
		{ "example.com", "other" },
		{ "example.com.", "other" },
		{ "unknown.example", "default" },
		{ "192.0.2.1", "default" },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		ck_assert_str_eq(connect_to(cases[i].asked), cases[i].shown);
}
END_TEST

/* The channel binding is that of the certificate shown, not of the default. */
START_TEST(test_choice_binding)
{
	unsigned char a[64], b[64];
	size_t an = sizeof(a), bn = sizeof(b);

	connect_to("example.com");
	ck_assert_int_eq(
	    client.filter->ops->binding(client.filter, "tls-server-end-point", a, &an), 0);
	ck_assert_int_eq(
	    server.filter->ops->binding(server.filter, "tls-server-end-point", b, &bn), 0);
	ck_assert_uint_eq(an, bn);
	ck_assert_mem_eq(a, b, an);
}
END_TEST

/* -- Reload ------------------------------------------------------------------------- */

START_TEST(test_reload)
{
	struct msv_tls_options options = options_of(1);

	connect_to("mail.example.org");
	make_pair(0, "renewed", "DNS:mail.example.org");
	ck_assert_int_eq(msv_tls_reload(tls, &options), 0);
	/* The running connection goes on, a new one gets the new. */
	expect_across(&client, &server, "NOOP\r\n");
	expect_across(&server, &client, "250 ok\r\n");
	ck_assert_str_eq(connect_to("mail.example.org"), "renewed");
	ck_assert_str_eq(connect_to("example.com"), "renewed");
}
END_TEST

/* A handshake that began before the reload ends with the certificates it
 * began with, also when the whole server has let go of them. */
START_TEST(test_reload_during_handshake)
{
	struct msv_tls_options options = options_of(1);
	char shown[64];

	end_init(&server, server_filter(tls));
	end_init(&client, client_filter(env, "example.com", NULL));
	end_decode(&server, NULL, 0);
	end_decode(&client, NULL, 0);
	end_decode(&server, client.wire.p, 20);
	bin_take(&client.wire, 20);
	make_pair(0, "renewed", "DNS:mail.example.org");
	ck_assert_int_eq(msv_tls_reload(tls, &options), 0);
	msv_tls_free(tls);
	tls = NULL;
	pump(&client, &server, SIZE_MAX);
	ck_assert(end_ready(&client) && end_ready(&server));
	ck_assert_str_eq(shown_name(&client, shown, sizeof(shown)), "other");
}
END_TEST

START_TEST(test_reload_keeps_the_old)
{
	struct msv_tls_options options = options_of(3);
	const char *good = pairs[0].key_file;
	int64_t expires = msv_tls_expires(tls);

	pairs[0].key_file = pairs[1].key_file; /* mismatched */
	ck_assert_int_eq(msv_tls_reload(tls, &options), MSV_ERR_TLS);
	ck_assert_ptr_nonnull(strstr(last_line, "those loaded before stay in use"));
	pairs[0].key_file = good;
	pairs[2].cert_file = "/nonexistent/cert.pem"; /* a later one is missing */
	ck_assert_int_eq(msv_tls_reload(tls, &options), MSV_ERR_NOTFOUND);
	options.npairs = 0;
	ck_assert_int_eq(msv_tls_reload(tls, &options), MSV_ERR_INVAL);
	ck_assert_str_eq(connect_to("example.com"), "other");
	ck_assert_str_eq(connect_to(NULL), "default");
	ck_assert_int_eq(msv_tls_expires(tls), expires);
}
END_TEST

/* A program built against shorter structs: what it does not have is not read. */
START_TEST(test_shorter_structs)
{
	struct msv_tls_options options = options_of(2);
	struct {
		size_t size;
		const char *cert_file, *key_file;
	} shorter[2];

	for (int i = 0; i < 2; i++) {
		shorter[i].size = sizeof(shorter[0]);
		shorter[i].cert_file = pairs[i + 1].cert_file;
		shorter[i].key_file = pairs[i + 1].key_file;
	}
	options.pairs = (const struct msv_tls_pair *)(const void *)shorter;
	options.size = offsetof(struct msv_tls_options, tls13_only);
	options.tls13_only = true;
	ck_assert_int_eq(msv_tls_reload(tls, &options), 0);
	ck_assert_str_eq(connect_to("smtp.example.org"), "wild");
	ck_assert_str_eq(connect_to("example.com"), "other");
	SSL_CTX *ctx = SSL_get_SSL_CTX(end_ssl(&server));
	ck_assert_int_eq(SSL_CTX_get_min_proto_version(ctx), TLS1_2_VERSION);
}
END_TEST

START_TEST(test_tls13_only)
{
	struct msv_tls_options options = options_of(1);

	options.tls13_only = true;
	ck_assert_int_eq(msv_tls_reload(tls, &options), 0);
	end_init(&server, server_filter(tls));
	end_init(&client, client_filter(env, NULL, NULL));
	SSL_set_max_proto_version(end_ssl(&client), TLS1_2_VERSION);
	end_decode(&client, NULL, 0);
	pump(&client, &server, SIZE_MAX);
	ck_assert_int_eq(server.result, MSV_ERR_TLS);
	ck_assert_ptr_nonnull(strstr(end_why(&server), "offered only TLSv1.2"));
}
END_TEST

/* -- Memory ---------------------------------------------------------------------------- */

static size_t held; /* bytes in use by OpenSSL */

struct counted {
	size_t n;
	max_align_t data[];
};

static void *count_malloc(size_t n, const char *file, int line)
{
	struct counted *c = malloc(sizeof(*c) + n);

	(void)file;
	(void)line;
	if (!c)
		return NULL;
	held += c->n = n;
	return c->data;
}

static void count_free(void *p, const char *file, int line)
{
	struct counted *c;

	(void)file;
	(void)line;
	if (!p)
		return;
	c = (struct counted *)((char *)p - offsetof(struct counted, data));
	held -= c->n;
	free(c);
}

static void *count_realloc(void *p, size_t n, const char *file, int line)
{
	struct counted *c;
	void *q;

	if (!n) {
		count_free(p, file, line);
		return NULL;
	}
	q = count_malloc(n, file, line);
	if (!p || !q)
		return q;
	c = (struct counted *)((char *)p - offsetof(struct counted, data));
	memcpy(q, p, c->n < n ? c->n : n);
	count_free(p, file, line);
	return q;
}

/* What the server's end of an idle connection holds that moved
 * much data both ways. */
static size_t idle_bytes(int version)
{
	static char much[100000];
	size_t before;

	end_free(&client);
	end_free(&server);
	end_init(&server, server_filter(tls));
	end_init(&client, client_filter(env, "example.com", NULL));
	SSL_set_max_proto_version(end_ssl(&client), version);
	end_decode(&client, NULL, 0);
	pump(&client, &server, SIZE_MAX);
	end_send(&client, much, sizeof(much));
	carry(&client, &server, SIZE_MAX);
	end_send(&server, much, sizeof(much));
	carry(&server, &client, SIZE_MAX);
	ck_assert_uint_eq(client.plain.n, sizeof(much));
	ck_assert_uint_eq(server.plain.n, sizeof(much));
	before = held;
	end_free(&server);
	return before - held + sizeof(struct msv_tls_filter);
}

START_TEST(test_idle_memory)
{
	for (int version = TLS1_2_VERSION; version <= TLS1_3_VERSION; version++) {
		size_t bytes = idle_bytes(version);

		ck_assert_uint_gt(bytes, 1 << 10); /* the counting works */
		ck_assert_uint_lt(bytes, 40 << 10);
	}
}
END_TEST

static Suite *suite(void)
{
	Suite *s = suite_create("tls/context");
	TCase *tc = tcase_create("context");

	tcase_set_timeout(tc, 60);
	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, test_choice);
	tcase_add_test(tc, test_choice_binding);
	tcase_add_test(tc, test_reload);
	tcase_add_test(tc, test_reload_during_handshake);
	tcase_add_test(tc, test_reload_keeps_the_old);
	tcase_add_test(tc, test_shorter_structs);
	tcase_add_test(tc, test_tls13_only);
	tcase_add_test(tc, test_idle_memory);
	suite_add_tcase(s, tc);
	return s;
}

int main(void)
{
	if (!CRYPTO_set_mem_functions(count_malloc, count_realloc, count_free))
		return EXIT_FAILURE;
	return check_main(suite());
}
