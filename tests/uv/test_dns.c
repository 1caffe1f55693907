/* Records by libunbound, from a name server in a process of its own
 * (tests/e2e/dnsserver.py). */
#include <fcntl.h>
#include <sys/wait.h>

#include "check_main.h"
#include "mta/mx.h"
#include "rig.h"

static const char zone[] = "example.org MX 10 MX1.example.org\n"
                           "example.org MX 20 mx2.example.org\n"
                           "example.org TXT \"two \" \"parts\"\n"
                           "mx1.example.org 77 A 192.0.2.1\n"
                           "mx1.example.org AAAA 2001:db8::1\n"
                           "alias.example.org CNAME other.example.org\n"
                           "other.example.org CNAME mx1.example.org\n"
                           "mx2.example.org A 192.0.2.2\n"
                           "implicit.org A 192.0.2.3\n"
                           "halfdead.org MX 5 silent.org\n"
                           "halfdead.org MX 10 mx2.example.org\n"
                           "null.org MX 0 .\n"
                           "_25._tcp.mx1.example.org TLSA 3 1 1 00ff7f\n"
                           "1.2.0.192.in-addr.arpa PTR mx1.example.org\n"
                           "empty.example.org NODATA\n"
                           "broken.org SERVFAIL\n"
                           "closed.org REFUSED\n"
                           "silent.org TIMEOUT\n"
                           "large.org TRUNCATE\n"
                           "large.org A 192.0.2.9\n"
                           "round.org CNAME square.org\n"
                           "square.org CNAME round.org\n"
                           "xn--bcher-kva.example A 192.0.2.7\n"
                           "safe.org SIGNED\n"
                           "safe.org MX 10 mx.safe.org\n"
                           "mx.safe.org A 192.0.2.10\n"
                           "out.safe.org CNAME mx1.example.org\n"
                           "bad.safe.org FORGED\n"
                           "bad.safe.org A 192.0.2.66\n"
                           "some.test A 192.0.2.8\n";

static pid_t server;
static int server_out; /* what it says */
static char zone_path[] = "/tmp/mailserv-zone-XXXXXX", anchor_path[sizeof(zone_path) + 7];
static struct msv_uv_resolver *resolver;
static const struct msv_dns *dns;

static struct {
	unsigned count, found;
	char text[1000];
} got;

/* -- The name server ------------------------------------------------------------------- */

static void write_zone(void)
{
	int fd;

	strcpy(zone_path, "/tmp/mailserv-zone-XXXXXX");
	fd = mkstemp(zone_path);
	snprintf(anchor_path, sizeof(anchor_path), "%s.anchor", zone_path);
	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(write(fd, zone, sizeof(zone) - 1), (ssize_t)sizeof(zone) - 1);
	for (int i = 0; i < 300; i++)
		ck_assert_int_gt(dprintf(fd, "n%d.many.org A 198.51.100.%d\n", i, i % 250 + 1), 0);
	close(fd);
}

/* Starts it on a port (0: any) of an address; returns the port. */
static unsigned start_server(const char *port_text, const char *address)
{
	const char *root = getenv("MSV_SOURCE_ROOT");
	char script[1024], line[100] = "";
	int out[2];
	unsigned port = 0;
	size_t n = 0;

	write_zone();
	snprintf(script, sizeof(script), "%s/tests/e2e/dnsserver.py", root ? root : ".");
	ck_assert_int_eq(pipe(out), 0);
	server = fork();
	if (server == 0) {
		dup2(out[1], 1);
		close(out[0]);
		close(out[1]);
		execl("/usr/bin/python3", "python3", script, port_text, zone_path, address,
		    (char *)NULL);
		_exit(127);
	}
	close(out[1]);
	server_out = out[0];
	while (!strchr(line, '\n')) {
		ck_assert_uint_lt(n, sizeof(line) - 1);
		ck_assert_int_eq(read(server_out, line + n, 1), 1);
		n++;
	}
	ck_assert_int_eq(sscanf(line, "serving on %*s port %u", &port), 1);
	return port;
}

static void make_resolver_with(unsigned port, struct msv_uv_resolver_options options)
{
	char forward[64];

	options.size = sizeof(options);
	options.forward = forward;
	snprintf(forward, sizeof(forward), "127.0.0.1@%u", port);
	ck_assert_int_eq(msv_uv_resolver_new(rig.uv, &options, &resolver), 0);
	dns = msv_uv_resolver_dns(resolver);
}

static void make_resolver(unsigned port, uint32_t timeout_ms)
{
	make_resolver_with(
	    port, (struct msv_uv_resolver_options){ .query_timeout_ms = timeout_ms });
}

static unsigned server_port;

static void setup(void)
{
	rig_begin();
	memset(&got, 0, sizeof(got));
	server_port = start_server("0", "127.0.0.1");
	make_resolver(server_port, 20000);
}

static void stop_server(void)
{
	kill(server, SIGKILL);
	waitpid(server, NULL, 0);
	close(server_out);
	unlink(zone_path);
	unlink(anchor_path);
}

static void teardown(void)
{
	rig_end();
	stop_server();
}

/* -- Questions ------------------------------------------------------------------------------ */

static void take(void *user, int error, const void *result)
{
	static const char *const status[] = { "found", "no data", "no name" };
	const struct msv_dns_answer *a = result;
	int n;

	(void)user;
	got.count++;
	if (error) {
		snprintf(got.text, sizeof(got.text), "%s", msv_strerror(error));
		return;
	}
	got.found += a->status == MSV_DNS_FOUND;
	n = snprintf(got.text, sizeof(got.text), "%s%s%s%s", status[a->status],
	    a->secure ? " secure" : "", *a->canonical ? " at " : "", a->canonical);
	for (size_t i = 0; i < a->nrecords; i++) {
		const struct msv_dns_record *r = &a->records[i];

		n += snprintf(
		    got.text + n, sizeof(got.text) - (size_t)n, " | %u %s", r->preference, r->text);
	}
	if (a->ttl == 77)
		snprintf(got.text + n, sizeof(got.text) - (size_t)n, " 77");
	if (a->nrecords)
		ck_assert_uint_gt(a->records->rdata.n, 0);
}

static struct msv_op *ask(enum msv_dns_type type, const char *name)
{
	struct msv_op *op = msv_op_new(rig.env, take, NULL);

	ck_assert_ptr_nonnull(op);
	dns->query(dns->self, name, type, (struct msv_dns_op){ op });
	return op;
}

START_TEST(test_records)
{
	static const struct {
		enum msv_dns_type type;
		const char *name, *expected;
	} cases[] = {
		{ MSV_DNS_A, "mx1.example.org", "found | 0 192.0.2.1 77" },
		{ MSV_DNS_A, "MX1.example.org.", "found | 0 192.0.2.1 77" },
		{ MSV_DNS_AAAA, "mx1.example.org", "found | 0 2001:db8::1" },
		{ MSV_DNS_TXT, "example.org", "found | 0 two parts" },
		{ MSV_DNS_PTR, "1.2.0.192.in-addr.arpa", "found | 0 mx1.example.org" },
		{ MSV_DNS_CNAME, "alias.example.org", "found | 0 other.example.org" },
		{ MSV_DNS_AAAA, "alias.example.org", "found at mx1.example.org | 0 2001:db8::1" },
		{ MSV_DNS_MX, "null.org", "found | 0 " },
		{ MSV_DNS_TLSA, "_25._tcp.mx1.example.org", "found | 0 " },
		{ MSV_DNS_A, "example.org", "no data" },
		{ MSV_DNS_A, "empty.example.org", "no data" },
		{ MSV_DNS_A, "no.example.org", "no name" },
		{ MSV_DNS_MX, "no.such.net", "no name" },
		{ MSV_DNS_MX, "broken.org", "input/output error" },
		{ MSV_DNS_MX, "closed.org", "input/output error" },
		{ MSV_DNS_A, "round.org", "input/output error" },
		{ MSV_DNS_A, "large.org", "found | 0 192.0.2.9" }, /* by TCP */
		{ MSV_DNS_A, "xn--bcher-kva.example", "found | 0 192.0.2.7" },
		{ MSV_DNS_A, "some.test", "found | 0 192.0.2.8" },
		{ MSV_DNS_A, "a..org", "invalid argument" },
		{ MSV_DNS_A, "a123456789012345678901234567890123456789012345678901234567890123.org",
		    "invalid argument" },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		got.count = 0;
		ask(cases[i].type, cases[i].name);
		ck_assert_uint_eq(got.count, 0);
		ck_assert_msg(rig_until(got.count == 1), "%s", cases[i].name);
		ck_assert_msg(strcmp(got.text, cases[i].expected) == 0, "%s: %s, not %s",
		    cases[i].name, got.text, cases[i].expected);
	}
}
END_TEST

START_TEST(test_exchanges)
{
	ask(MSV_DNS_MX, "example.org");
	ck_assert(rig_until(got.count == 1));
	/* In any order. */
	ck_assert_ptr_nonnull(strstr(got.text, "| 10 mx1.example.org"));
	ck_assert_ptr_nonnull(strstr(got.text, "| 20 mx2.example.org"));
}
END_TEST

/* -- Where mail goes, by all of it -------------------------------------------------------------- */

static void take_hosts(void *user, int error, const void *result)
{
	const struct mta_mx_result *r = result;
	size_t n = 0;

	(void)user;
	got.count++;
	ck_assert_int_eq(error, 0);
	if (r->code)
		n = (size_t)snprintf(got.text, sizeof(got.text), "%d %s", r->code, r->enhanced);
	for (size_t i = 0; i < r->nhosts; i++) {
		n += (size_t)snprintf(
		    got.text + n, sizeof(got.text) - n, "%s%s", i ? "; " : "", r->hosts[i].name);
		for (size_t j = 0; j < r->hosts[i].naddresses; j++)
			n += (size_t)snprintf(got.text + n, sizeof(got.text) - n, " %s",
			    r->hosts[i].addresses[j].text);
	}
}

START_TEST(test_mail)
{
	static const struct {
		const char *domain, *expected;
	} cases[] = {
		{ "example.org",
		    "mx1.example.org 2001:db8::1 192.0.2.1; mx2.example.org 192.0.2.2" },
		{ "implicit.org", "implicit.org 192.0.2.3" },
		{ "null.org", "556 5.1.10" },
		{ "no.such.net", "550 5.1.2" },
		{ "broken.org", "451 4.4.3" },
		{ "halfdead.org", "mx2.example.org 192.0.2.2" },
	};

	msv_uv_resolver_free(resolver);
	make_resolver(server_port, 5000); /* which halfdead.org waits for */
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct msv_op *op = msv_op_new(rig.env, take_hosts, NULL);

		got.count = 0;
		msv_mx_resolve(rig.env, dns, cases[i].domain, NULL, (struct mta_mx_op){ op });
		ck_assert_msg(rig_until(got.count == 1), "%s", cases[i].domain);
		ck_assert_msg(strcmp(got.text, cases[i].expected) == 0, "%s: %s, not %s",
		    cases[i].domain, got.text, cases[i].expected);
	}
}
END_TEST

START_TEST(test_many_at_once)
{
	char name[50];

	for (int i = 0; i < 300; i++) {
		snprintf(name, sizeof(name), "n%d.many.org", i);
		ask(MSV_DNS_A, name);
	}
	ck_assert(rig_until(got.count == 300));
	ck_assert_uint_eq(got.found, 300);
}
END_TEST

START_TEST(test_time_limit)
{
	uint64_t begin;

	msv_uv_resolver_free(resolver);
	make_resolver(server_port, 300);
	begin = msv_env_now(rig.env);
	ask(MSV_DNS_A, "silent.org");
	ck_assert(rig_until(got.count == 1));
	ck_assert_str_eq(got.text, "timed out");
	ck_assert_uint_ge(msv_env_now(rig.env) - begin, 290);
}
END_TEST

START_TEST(test_kept)
{
	ask(MSV_DNS_A, "mx1.example.org");
	ck_assert(rig_until(got.count == 1));
	kill(server, SIGKILL);
	waitpid(server, NULL, 0);
	ask(MSV_DNS_A, "mx1.example.org");
	ck_assert(rig_until(got.count == 2));
	ck_assert_int_eq(strncmp(got.text, "found | 0 192.0.2.1", 19), 0);
	server = fork();
	if (server == 0) {
		pause();
		_exit(0);
	}
}
END_TEST

START_TEST(test_cancel)
{
	msv_op_cancel(ask(MSV_DNS_A, "silent.org"));
	msv_op_cancel(ask(MSV_DNS_A, "mx1.example.org"));
	rig_run(50);
	ck_assert_uint_eq(got.count, 0);
}
END_TEST

/* Questions under way fail when the resolver goes. */
START_TEST(test_end)
{
	ask(MSV_DNS_A, "silent.org");
	msv_uv_resolver_free(resolver);
	ask(MSV_DNS_A, "mx1.example.org");
	ck_assert(rig_until(got.count == 2));
	ck_assert_str_eq(got.text, "canceled");
	make_resolver(server_port, 20000);
	ask(MSV_DNS_A, "silent.org"); /* and with the loop */
}
END_TEST

/* A server of this machine, as resolv.conf names it: without a port. */
START_TEST(test_resolv_conf)
{
	char path[] = "/tmp/mailserv-resolv-XXXXXX", address[50];
	struct msv_uv_resolver_options options = { .size = sizeof(options), .resolv_conf = path };
	unsigned pid = (unsigned)getpid();
	int fd;

	if (geteuid() != 0)
		return; /* port 53 is not for everybody */
	stop_server();
	snprintf(address, sizeof(address), "127.53.%u.%u", pid >> 8 & 255, pid & 255);
	ck_assert_uint_eq(start_server("53", address), 53);
	fd = mkstemp(path);
	dprintf(fd, "nameserver %s\n", address);
	close(fd);
	msv_uv_resolver_free(resolver);
	ck_assert_int_eq(msv_uv_resolver_new(rig.uv, &options, &resolver), 0);
	unlink(path);
	dns = msv_uv_resolver_dns(resolver);
	ask(MSV_DNS_A, "some.test");
	ck_assert(rig_until(got.count == 1));
	ck_assert_str_eq(got.text, "found | 0 192.0.2.8");
}
END_TEST

/* With a trust anchor what is signed is validated, and what is signed wrongly is no
 * answer. */
START_TEST(test_validated)
{
	static const struct {
		enum msv_dns_type type;
		const char *name, *expected;
	} cases[] = {
		{ MSV_DNS_MX, "safe.org", "found secure | 10 mx.safe.org" },
		{ MSV_DNS_A, "mx.safe.org", "found secure | 0 192.0.2.10" },
		{ MSV_DNS_AAAA, "mx.safe.org", "no data secure" },
		{ MSV_DNS_TLSA, "_25._tcp.mx.safe.org", "no data secure" },
		{ MSV_DNS_A, "mx2.example.org", "found | 0 192.0.2.2" },
		{ MSV_DNS_AAAA, "out.safe.org", "found at mx1.example.org | 0 2001:db8::1" },
		{ MSV_DNS_A, "bad.safe.org", "malformed" },
	};

	msv_uv_resolver_free(resolver);
	make_resolver_with(server_port, (struct msv_uv_resolver_options){ .query_timeout_ms = 20000,
	                                    .trust_anchor = anchor_path });
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		got.count = 0;
		ask(cases[i].type, cases[i].name);
		ck_assert_msg(rig_until(got.count == 1), "%s", cases[i].name);
		ck_assert_msg(strcmp(got.text, cases[i].expected) == 0, "%s: %s, not %s",
		    cases[i].name, got.text, cases[i].expected);
	}
}
END_TEST

START_TEST(test_options)
{
	struct msv_uv_resolver_options options = { .size = sizeof(options),
		.trust_anchor = "/nonexistent/root.key" };
	struct msv_uv_resolver *other;

	ck_assert_int_eq(msv_uv_resolver_new(rig.uv, &options, &other), MSV_ERR_FORMAT);
	ck_assert_ptr_null(other);
	options.trust_anchor = NULL;
	options.forward = "nobody";
	ck_assert_int_eq(msv_uv_resolver_new(rig.uv, &options, &other), MSV_ERR_INVAL);
}
END_TEST

int main(void)
{
	Suite *s;

	if (access("/usr/bin/python3", X_OK) || access("/usr/bin/openssl", X_OK)) {
		printf("skipped: there is no /usr/bin/python3 or no /usr/bin/openssl\n");
		return 77;
	}
	s = suite_create("uv/dns");
	check_fixture_case(s, "dns", setup, teardown, test_records, test_exchanges, test_mail,
	    test_many_at_once, test_time_limit, test_kept, test_cancel, test_end, test_resolv_conf,
	    test_validated, test_options);
	return check_main(s);
}
