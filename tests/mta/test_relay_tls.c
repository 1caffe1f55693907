/* TLS to next hops: what each mode takes, and what must not go in the clear. */
#include "relay_rig.h"

#define ZONE \
	"one.example MX 10 mx.one.example\n" \
	"mx.one.example A 192.0.2.1\n" \
	"other.example MX 10 mx.other.example\n" \
	"mx.other.example A 192.0.2.1\n" \
	"two.example MX 10 mx.two.example\n" \
	"two.example MX 20 mx.one.example\n" \
	"mx.two.example A 192.0.2.2\n" \
	"sender.example A 192.0.2.200\n"

static struct msv_tls *server_tls;
static struct msv_tls_client *client_tls;
static struct msv_smtp_config server;
static char cert[100], key[100];
static unsigned taken, in_tls, asked_for_tls, logins;

static void on_mail(
    void *user, struct msv_conn *conn, const struct msv_smtp_mail *mail, struct msv_reply_op op)
{
	(void)user, (void)conn;
	asked_for_tls += mail->requiretls;
	msv_reply_ok(op);
}

static void on_done(void *user, struct msv_conn *conn, struct msv_reply_op op)
{
	struct msv_smtp_session_info info = { .size = sizeof info };
	(void)user;
	msv_smtp_session_info(conn, &info);
	taken++;
	in_tls += *info.tls != '\0';
	logins += info.account != NULL;
	msv_reply_ok(op);
}

static const struct msv_smtp_handler handler = {
	.size = sizeof handler, .mail = on_mail, .done = on_done
};

static void setup(void)
{
	static const char *const names[] = { "mx.one.example" };
	rig_new(ZONE);
	taken = in_tls = asked_for_tls = logins = 0;
	snprintf(cert, sizeof cert, "%s/cert", rig.directory);
	snprintf(key, sizeof key, "%s/key", rig.directory);
	/* Certificates are looked at by the clock of the wall. */
	struct msv_env *real;
	ck_assert_int_eq(msv_env_new(NULL, &real), 0);
	ck_assert_int_eq(msv_tls_self_signed(real, names, 1, 30, cert, key), 0);
	msv_env_free(real);
	struct msv_tls_pair pair = { .size = sizeof pair, .cert_file = cert, .key_file = key };
	struct msv_tls_options options = { .size = sizeof options, .pairs = &pair, .npairs = 1 };
	ck_assert_int_eq(msv_tls_new(rig.env, &options, &server_tls), 0);
	struct msv_tls_client_config trust = { .size = sizeof trust, .ca_file = cert };
	ck_assert_int_eq(msv_tls_client_new(rig.env, &trust, &client_tls), 0);
	server = (struct msv_smtp_config){ .size = sizeof server,
		.handler = &handler,
		.hostname = "mx",
		.tls = server_tls,
		.offer_requiretls = true };
	rig_host("192.0.2.1")->server = &server;
	rig.options.client_tls = client_tls;
}

static void teardown(void)
{
	rig_stop();
	msv_tls_free(server_tls);
	msv_tls_client_free(client_tls);
	rig_close();
}

static void send(const struct msv_mta_route *route, const char *to, bool requiretls)
{
	struct queue_message m = { .requiretls = requiretls };
	struct queue_recipient r = { .address = to };
	rig.options.routes = route;
	rig.options.nroutes = route != NULL;
	rig_start();
	ck_assert_int_eq(rig_try_add(&m, &r, 1), 0);
	msv_test_advance(rig.test, 1000);
}

START_TEST(opportunistic)
{
	send(NULL, _i ? "bob@other.example" : "bob@one.example", false);
	ck_assert_uint_eq(taken, 1);
	ck_assert_uint_eq(in_tls, 1);
	ck_assert_has(rig_log(), "tls=TLSv1.3 result=250");
}
END_TEST

START_TEST(off)
{
	struct msv_mta_route route = { .size = sizeof route, .tls = MSV_SMTP_TLS_OFF };
	send(&route, "bob@one.example", false);
	ck_assert_uint_eq(taken, 1);
	ck_assert_uint_eq(in_tls, 0);
}
END_TEST

START_TEST(required)
{
	struct msv_mta_route route = { .size = sizeof route, .tls = MSV_SMTP_TLS_REQUIRED };
	send(&route, "bob@other.example", false);
	ck_assert_uint_eq(in_tls, 1);
}
END_TEST

START_TEST(required_and_not_offered)
{
	struct msv_mta_route route = { .size = sizeof route, .tls = MSV_SMTP_TLS_REQUIRED };
	server.tls = NULL;
	server.offer_requiretls = false;
	send(&route, "bob@one.example", false);
	ck_assert_uint_eq(taken, 0);
	ck_assert_has(rig_log(), "mta deferred");
	ck_assert_uint_eq(rig_stats().messages, 1);
	/* Mail by a route that asks for less is not held up by that. */
	rig_stop();
	send(NULL, "bob@other.example", false);
	ck_assert_uint_eq(taken, 1);
}
END_TEST

START_TEST(verified)
{
	struct msv_mta_route route = { .size = sizeof route, .tls = MSV_SMTP_TLS_VERIFIED };
	send(&route, _i ? "bob@other.example" : "bob@one.example", false);
	ck_assert_uint_eq(taken, !_i);
	if (_i)
		ck_assert_has(rig_log(), "mta deferred");
}
END_TEST

START_TEST(verified_by_another_name)
{
	struct msv_mta_route route = { .size = sizeof route,
		.tls = MSV_SMTP_TLS_VERIFIED,
		.kind = MSV_ROUTE_SMARTHOST,
		.host = "192.0.2.1",
		.tls_name = "mx.one.example" };
	send(&route, "bob@anywhere.example", false);
	ck_assert_uint_eq(in_tls, 1);
}
END_TEST

START_TEST(implicit_with_a_login)
{
	static const char *const users[] = { "us@example.org", "secret", NULL };
	struct msv_mta_route route = { .size = sizeof route,
		.kind = MSV_ROUTE_SMARTHOST,
		.host = "mx.one.example",
		.implicit_tls = true,
		.tls = MSV_SMTP_TLS_VERIFIED,
		.user = "us@example.org",
		.password = "secret" };
	server.implicit_tls = true;
	server.role = MSV_SMTP_SUBMISSION;
	server.offer_requiretls = false;
	server.auth = msv_test_auth(rig.test, users);
	send(&route, "bob@anywhere.example", false);
	ck_assert_uint_eq(in_tls, 1);
	ck_assert_uint_eq(logins, 1);
	ck_assert_has_not(rig_log(), "secret");
}
END_TEST

START_TEST(requiretls_is_passed_on)
{
	send(NULL, "bob@one.example", true);
	ck_assert_uint_eq(taken, 1);
	ck_assert_uint_eq(asked_for_tls, 1);
}
END_TEST

START_TEST(requiretls_and_the_wrong_name)
{
	send(NULL, "bob@other.example", true);
	ck_assert_uint_eq(taken, 0);
	ck_assert_uint_eq(rig_stats().failed, 1);
	ck_assert_has(rig_log(), "status=5.7.");
}
END_TEST

START_TEST(requiretls_by_another_host)
{
	/* The first host does not offer it; the second does. */
	rig_host("192.0.2.2");
	send(NULL, "bob@two.example", true);
	ck_assert_uint_eq(rig_host("192.0.2.2")->connects, 1);
	ck_assert_uint_eq(taken, 1);
	ck_assert_uint_eq(asked_for_tls, 1);
}
END_TEST

START_TEST(requiretls_waits_for_a_host_that_may)
{
	rig_host("192.0.2.2");
	rig_host("192.0.2.1")->error = MSV_ERR_IO;
	send(NULL, "bob@two.example", true);
	ck_assert_uint_eq(rig_stats().messages, 1);
	ck_assert_uint_eq(rig_stats().failed, 0);
	rig_host("192.0.2.1")->error = 0;
	msv_test_advance(rig.test, 20 * MINUTE);
	ck_assert_uint_eq(taken, 1);
	ck_assert_uint_eq(rig_host("192.0.2.2")->messages, 0);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("relay_tls");
	TCase *loops = tcase_create("loops");
	check_fixture_case(suite, "tls", setup, teardown, off, required, required_and_not_offered,
	    verified_by_another_name, implicit_with_a_login, requiretls_is_passed_on,
	    requiretls_and_the_wrong_name, requiretls_by_another_host,
	    requiretls_waits_for_a_host_that_may);
	tcase_add_checked_fixture(loops, setup, teardown);
	tcase_add_loop_test(loops, opportunistic, 0, 2);
	tcase_add_loop_test(loops, verified, 0, 2);
	suite_add_tcase(suite, loops);
	return check_main(suite);
}
