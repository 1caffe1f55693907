/* Routes: which rule counts, what is filled in, what is refused, and by what name a
 * next hop's mail is tried together. */
#include "relay_rig.h"

static struct msv_tls_client *tls;

static void setup(void)
{
	rig_new("example.org A 192.0.2.1\n");
	ck_assert_int_eq(msv_tls_client_new(rig.env, NULL, &tls), 0);
	rig.options.client_tls = tls;
}

static void teardown(void)
{
	msv_relay_free(rig.relay);
	rig.relay = NULL;
	msv_tls_client_free(tls);
	rig_close();
}

static int try_routes(const struct msv_mta_route *routes, size_t n)
{
	msv_relay_free(rig.relay);
	rig.relay = NULL;
	rig.options.routes = routes;
	rig.options.nroutes = n;
	return msv_relay_new(rig.env, &rig.options, NULL, &rig.relay);
}

static const char *destination(const char *domain)
{
	static char name[RELAY_DESTINATION_SIZE];
	ck_assert_int_eq(msv_relay_destination(rig.relay, domain, name), 0);
	return name;
}

START_TEST(the_most_specific_counts)
{
	static const struct msv_mta_route routes[] = {
		{ .size = sizeof *routes, .kind = MSV_ROUTE_SMARTHOST, .host = "any", .port = 1 },
		{ .size = sizeof *routes,
		    .domain = ".org",
		    .kind = MSV_ROUTE_SMARTHOST,
		    .host = "org",
		    .port = 2 },
		{ .size = sizeof *routes,
		    .domain = ".Example.org",
		    .kind = MSV_ROUTE_SMARTHOST,
		    .host = "below",
		    .port = 3 },
		{ .size = sizeof *routes,
		    .domain = "example.ORG",
		    .kind = MSV_ROUTE_SMARTHOST,
		    .host = "self",
		    .port = 4 },
		{ .size = sizeof *routes, .domain = "direct.example.org" },
	};
	ck_assert_int_eq(try_routes(routes, 5), 0);
	ck_assert_str_eq(destination("else.net"), "any:1");
	ck_assert_str_eq(destination("a.org"), "org:2");
	ck_assert_str_eq(destination("A.B.example.org"), "below:3");
	ck_assert_str_eq(destination("EXAMPLE.org"), "self:4");
	ck_assert_str_eq(destination("Direct.example.org"), "direct.example.org");
	ck_assert_str_eq(destination("notexample.org"), "org:2");
	ck_assert_str_eq(destination("[192.0.2.1]"), "any:1");
	ck_assert_str_eq(msv_relay_route_of(rig.relay, "below:3")->host, "below");
	ck_assert_int_eq(
	    msv_relay_route_of(rig.relay, "direct.example.org")->kind, MSV_ROUTE_DIRECT);
}
END_TEST

START_TEST(without_any_rule)
{
	ck_assert_int_eq(try_routes(NULL, 0), 0);
	const struct relay_route *route = msv_relay_route(rig.relay, "example.org");
	ck_assert_int_eq(route->kind, MSV_ROUTE_DIRECT);
	ck_assert_uint_eq(route->port, 25);
	ck_assert_int_eq(route->tls, MSV_SMTP_TLS_OPPORTUNISTIC);
	ck_assert_str_eq(route->helo, "us.example.org");
	ck_assert(!route->accept);
	ck_assert_str_eq(destination("Example.org"), "example.org");
#ifdef HAVE_IDN2
	ck_assert_str_eq(destination("b\xc3\xbc\x63her.example"), "xn--bcher-kva.example");
#endif
}
END_TEST

START_TEST(defaults)
{
	static const struct msv_mta_route routes[] = {
		{ .size = sizeof *routes,
		    .domain = "a",
		    .kind = MSV_ROUTE_SMARTHOST,
		    .host = "Hub.Example" },
		{ .size = sizeof *routes,
		    .domain = "b",
		    .kind = MSV_ROUTE_SMARTHOST,
		    .host = "hub",
		    .implicit_tls = true },
		{ .size = sizeof *routes, .domain = "c", .kind = MSV_ROUTE_LMTP, .host = "hub" },
		{ .size = sizeof *routes, .domain = "d", .kind = MSV_ROUTE_LMTP, .path = "/run/x" },
		{ .size = sizeof *routes,
		    .domain = "e",
		    .kind = MSV_ROUTE_SMARTHOST,
		    .host = "hub",
		    .user = "u",
		    .password = "p",
		    .accept = true },
	};
	ck_assert_int_eq(try_routes(routes, 5), 0);
	ck_assert_str_eq(destination("a"), "hub.example:587");
	ck_assert_str_eq(destination("b"), "hub:465");
	ck_assert_int_eq(msv_relay_route(rig.relay, "b")->tls, MSV_SMTP_TLS_REQUIRED);
	ck_assert_str_eq(destination("c"), "lmtp:hub:24");
	ck_assert_str_eq(destination("d"), "lmtp:/run/x");
	ck_assert_int_eq(msv_relay_route(rig.relay, "d")->tls, MSV_SMTP_TLS_OFF);
	ck_assert_int_eq(msv_relay_route(rig.relay, "e")->tls, MSV_SMTP_TLS_REQUIRED);
	ck_assert(msv_relay_route(rig.relay, "e")->accept);
}
END_TEST

START_TEST(ways_that_differ_have_names_that_differ)
{
	static const struct msv_mta_route routes[] = {
		{ .size = sizeof *routes,
		    .domain = "a",
		    .kind = MSV_ROUTE_SMARTHOST,
		    .host = "hub" },
		{ .size = sizeof *routes,
		    .domain = "b",
		    .kind = MSV_ROUTE_SMARTHOST,
		    .host = "hub",
		    .user = "u",
		    .password = "p" },
		{ .size = sizeof *routes,
		    .domain = "c",
		    .kind = MSV_ROUTE_SMARTHOST,
		    .host = "hub" },
		{ .size = sizeof *routes,
		    .domain = "d",
		    .kind = MSV_ROUTE_SMARTHOST,
		    .host = "2001:db8::1" },
	};
	ck_assert_int_eq(try_routes(routes, 4), 0);
	ck_assert_str_eq(destination("a"), "hub:587");
	ck_assert_str_eq(destination("b"), "hub:587#2");
	ck_assert_str_eq(destination("c"), "hub:587");
	ck_assert_str_eq(destination("d"), "[2001:db8::1]:587");
	ck_assert_str_eq(msv_relay_route_of(rig.relay, "hub:587#2")->user, "u");
}
END_TEST

START_TEST(what_makes_no_sense)
{
	static const struct {
		struct msv_mta_route route;
		bool tls;
		int error;
	} cases[] = {
		{ { .kind = MSV_ROUTE_SMARTHOST }, true, MSV_ERR_INVAL },
		{ { .kind = MSV_ROUTE_LMTP }, true, MSV_ERR_INVAL },
		{ { .host = "hub" }, true, MSV_ERR_INVAL },
		{ { .kind = MSV_ROUTE_COUNT }, true, MSV_ERR_INVAL },
		{ { .tls = MSV_SMTP_TLS_REQUIRED }, false, MSV_ERR_INVAL },
		{ { .kind = MSV_ROUTE_SMARTHOST, .host = "hub", .user = "u" }, true,
		    MSV_ERR_INVAL },
		{ { .kind = MSV_ROUTE_SMARTHOST, .host = "hub", .user = "u", .password = "p" },
		    false, MSV_ERR_INVAL },
		{ { .kind = MSV_ROUTE_SMARTHOST,
		      .host = "hub",
		      .user = "u",
		      .password = "p",
		      .tls = MSV_SMTP_TLS_OFF },
		    true, MSV_ERR_INVAL },
		{ { .domain = "\xff\xff" }, true, MSV_ERR_FORMAT },
	};
	rig.options.client_tls = cases[_i].tls ? tls : NULL;
	ck_assert_int_eq(try_routes(&cases[_i].route, 1), cases[_i].error);
	ck_assert_ptr_null(rig.relay);
	if (cases[_i].error == MSV_ERR_INVAL)
		ck_assert_has(rig_log(), "error: mta route=*: ");
}
END_TEST

START_TEST(how_the_dns_is_asked)
{
	static const struct msv_mta_route routes[] = {
		{ .size = sizeof *routes },
		{ .size = sizeof *routes, .domain = "a", .port = 2525, .source = "192.0.2.9" },
		{ .size = sizeof *routes,
		    .domain = "b",
		    .kind = MSV_ROUTE_SMARTHOST,
		    .host = "hub",
		    .source = "2001:db8::9" },
	};
	static const char *const own[] = { "192.0.2.7" };
	struct mta_mx_options options;
	rig.options.own_addresses = own;
	rig.options.nown_addresses = 1;
	ck_assert_int_eq(try_routes(routes, 3), 0);
	msv_relay_mx_options(rig.relay, msv_relay_route(rig.relay, "x"), &options);
	ck_assert(!options.host && !options.allow_loopback && !options.no_ipv4 && !options.no_ipv6);
	ck_assert_str_eq(options.own_names[0], "us.example.org");
	ck_assert_str_eq(options.own_addresses[0], "192.0.2.7");
	msv_relay_mx_options(rig.relay, msv_relay_route(rig.relay, "a"), &options);
	ck_assert(!options.host && options.allow_loopback && !options.no_ipv4 && options.no_ipv6);
	msv_relay_mx_options(rig.relay, msv_relay_route(rig.relay, "b"), &options);
	ck_assert(options.host && options.allow_loopback && options.no_ipv4 && !options.no_ipv6);
}
END_TEST

START_TEST(a_route_that_changed_takes_the_queue_with_it)
{
	struct host *hub = rig_host("192.0.2.1");
	static const struct msv_mta_route route = {
		.size = sizeof route, .kind = MSV_ROUTE_SMARTHOST, .host = "192.0.2.1"
	};
	rig_start();
	msv_relay_pause(rig.relay, true);
	rig_add("bob@nowhere.example");
	rig_stop();
	ck_assert_uint_eq(hub->messages, 0);
	rig.options.routes = &route;
	rig.options.nroutes = 1;
	rig_start();
	msv_test_advance(rig.test, 1000);
	ck_assert_uint_eq(hub->messages, 1);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("relay_route");
	TCase *loops = tcase_create("loops");
	check_fixture_case(suite, "route", setup, teardown, the_most_specific_counts,
	    without_any_rule, defaults, ways_that_differ_have_names_that_differ,
	    how_the_dns_is_asked, a_route_that_changed_takes_the_queue_with_it);
	tcase_add_checked_fixture(loops, setup, teardown);
	tcase_add_loop_test(loops, what_makes_no_sense, 0, 9);
	suite_add_tcase(suite, loops);
	return check_main(suite);
}
