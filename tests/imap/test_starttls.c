/* TLS around a session: STARTTLS (RFC 3501 6.2.1), implicit TLS (RFC 8314), and
 * plain text that came behind STARTTLS. */
#include <mailserv/tls.h>
#include <stdlib.h>
#include <unistd.h>

#include "imap/rig.h"

static char dir[] = "/tmp/msv-imap-XXXXXX", cert[64], key[64];
static struct rig rig;
static struct msv_tls *tls;

/* The client's side: a filter, and what came out of it. */
static struct msv_filter *client;
static char plain[4096];
static size_t nplain;

static int put_plain(struct msv_filter_sink *sink, const void *p, size_t n)
{
	(void)sink;
	ck_assert_uint_lt(nplain + n, sizeof(plain));
	if (n)
		memcpy(plain + nplain, p, n);
	nplain += n;
	plain[nplain] = '\0';
	return 0;
}

static int put_wire(struct msv_filter_sink *sink, const void *p, size_t n)
{
	(void)sink;
	msv_conn_input(rig.conns[0], p, n);
	return 0;
}

static struct msv_filter_sink plain_sink = { put_plain }, wire_sink = { put_wire };

/* Carries the server's bytes to the client until it has no more. */
static void listen_to_server(void)
{
	struct msv_span out;
	char copy[16384];

	while ((out = msv_test_take_output(rig.test, rig.conns[0])).n) {
		ck_assert_uint_le(out.n, sizeof(copy));
		memcpy(copy, out.p, out.n);
		client->ops->decode(client, copy, out.n, &plain_sink, &wire_sink);
	}
}

static void shake_hands(void)
{
	struct msv_tls_client_options options = { .size = sizeof(options) };

	ck_assert_int_eq(msv_tls_client_filter(rig.env, &options, &client), 0);
	client->ops->decode(client, "", 0, &plain_sink, &wire_sink);
	listen_to_server();
	ck_assert(client->ops->ready(client));
}

/* The client says lines; what the server answers must be this. */
static void expect(const char *say, const char *want)
{
	nplain = 0;
	plain[0] = '\0';
	client->ops->encode(client, say, strlen(say), &wire_sink);
	listen_to_server();
	ck_assert_str_eq(plain, want);
}

static void setup(void)
{
	static const char *const names[] = { "localhost" };
	struct msv_tls_pair pair = { .size = sizeof(pair), .cert_file = cert, .key_file = key };
	struct msv_tls_options options = { .size = sizeof(options), .pairs = &pair, .npairs = 1 };

	strcpy(dir, "/tmp/msv-imap-XXXXXX");
	ck_assert_ptr_nonnull(mkdtemp(dir));
	snprintf(cert, sizeof(cert), "%s/cert.pem", dir);
	snprintf(key, sizeof(key), "%s/key.pem", dir);
	rig_init(&rig, false);
	ck_assert_int_eq(msv_tls_self_signed(rig.env, names, 1, 1, cert, key), 0);
	ck_assert_int_eq(msv_tls_new(rig.env, &options, &tls), 0);
	rig.config.account = NULL;
	rig.config.login_in_clear = false;
	rig.config.tls = tls;
	client = NULL;
	nplain = 0;
}

static void teardown(void)
{
	if (client)
		client->ops->free(client);
	rig_hang_up(&rig, 0);
	msv_tls_free(tls);
	rig_fini(&rig);
	unlink(cert);
	unlink(key);
	rmdir(dir);
}

#define HELLO \
	"S: * OK [CAPABILITY IMAP4rev1 LITERAL+ SASL-IR ID ENABLE IDLE STARTTLS LOGINDISABLED] " \
	"imap.example ready\n"
#define INSIDE \
	"CAPABILITY IMAP4rev1 LITERAL+ SASL-IR ID ENABLE IDLE AUTH=SCRAM-SHA-256 AUTH=PLAIN " \
	"AUTH=LOGIN"

START_TEST(starttls)
{
	rig_connect(&rig, 0);
	rig_say(&rig, 0,
	    HELLO "C: a LOGIN user secret\n"
	          "S: a NO [PRIVACYREQUIRED] Use STARTTLS first\n"
	          "C: b STARTTLS x\n"
	          "S: b BAD Too many arguments\n"
	          "C: c STARTTLS\n"
	          "S: c OK Begin TLS now\n");
	shake_hands();
	expect("d CAPABILITY\r\n", "* " INSIDE "\r\nd OK CAPABILITY completed\r\n");
	expect("e STARTTLS\r\n", "e BAD TLS is active already\r\n");
	expect("f LOGIN user secret\r\n", "f OK [CAPABILITY " RIG_CAPABILITIES "] Logged in\r\n");
	expect("g LOGOUT\r\n", "* BYE Logging out\r\ng OK LOGOUT completed\r\n");
}
END_TEST

START_TEST(implicit)
{
	rig.config.implicit_tls = true;
	rig_connect(&rig, 0);
	shake_hands();
	ck_assert_str_eq(plain, "* OK [" INSIDE "] imap.example ready\r\n");
	expect("a AUTHENTICATE PLAIN AHVzZXIAc2VjcmV0\r\n",
	    "a OK [CAPABILITY " RIG_CAPABILITIES "] Logged in\r\n");
}
END_TEST

/* What came in the same piece as STARTTLS is neither done nor answered. */
START_TEST(injected)
{
	static const char *const pieces[] = {
		"a STARTTLS\r\nb NOOP\r\n",
		"a STARTTLS\r\n\r\n",
		"a STARTTLS\r\nb",
	};

	rig_connect(&rig, 0);
	rig_say(&rig, 0, HELLO);
	msv_conn_input(rig.conns[0], pieces[_i], strlen(pieces[_i]));
	rig_say(&rig, 0,
	    "S: * BYE Plain text behind STARTTLS\n"
	    "X:\n");
	ck_assert_ptr_nonnull(strstr(msv_test_log(rig.test), "plain text behind STARTTLS"));
}
END_TEST

int main(void)
{
	Suite *s = suite_create("imap/starttls");
	TCase *tc = tcase_create("starttls");

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, starttls);
	tcase_add_test(tc, implicit);
	tcase_add_loop_test(tc, injected, 0, 3);
	suite_add_tcase(s, tc);
	return check_main(s);
}
