/* The DNS in memory, and through it what an answer is made of. */
#include <mailserv/testing.h>
#include <stdio.h>
#include <string.h>

#include "check_main.h"

static const char zone[] = "; a comment\n"
                           "Example.ORG. MX 10 MX1.example.org.\n"
                           "example.org 60 MX 20 mx2.example.org ; behind a record\n"
                           "\n"
                           "mx1.example.org A 192.0.2.1\n"
                           "mx1.example.org A 192.0.2.2\r\n"
                           "mx1.example.org AAAA 2001:db8::1\n"
                           "a.example.org CNAME b.example.org\n"
                           "b.example.org CNAME mx1.example.org\n"
                           "round.example.org CNAME square.example.org\n"
                           "square.example.org CNAME round.example.org\n"
                           "nowhere.example.org CNAME no.example.net\n"
                           "txt.example.org TXT \"v=spf1 \" \"A -all\"\n"
                           "_25._tcp.mx1.example.org TLSA 3 1 1 00ff7f\n"
                           "1.2.0.192.in-addr.arpa PTR mx1.example.org\n"
                           "deep.below.empty.org A 192.0.2.3\n"
                           "none.example.org NODATA\n"
                           "broken.org SERVFAIL\n"
                           "half.org SERVFAIL AAAA\n"
                           "half.org A 192.0.2.4\n"
                           "forged.org BOGUS\n"
                           "silent.org TIMEOUT\n"
                           "safe.org SECURE\n"
                           "www.safe.org A 192.0.2.5\n"
                           "out.safe.org CNAME mx1.example.org\n";

static struct msv_test_env *test;
static const struct msv_dns *dns;

/* An answer in a line: "ok secure=0 ttl=300 canonical= | 10 mx1.example.org | ..." */
static struct {
	unsigned count;
	char text[1000];
} got;

static void setup(void)
{
	memset(&got, 0, sizeof(got));
	ck_assert_int_eq(msv_test_env_new(1, &test), 0);
	dns = msv_test_dns(test, zone);
	ck_assert_ptr_nonnull(dns);
}

static void teardown(void)
{
	ck_assert_uint_eq(msv_test_env_free(test), 0);
}

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
	n = snprintf(got.text, sizeof(got.text), "%s%s %u%s%s", status[a->status],
	    a->secure ? " secure" : "", a->ttl, *a->canonical ? " at " : "", a->canonical);
	for (size_t i = 0; i < a->nrecords; i++) {
		const struct msv_dns_record *r = &a->records[i];

		ck_assert_uint_eq(strlen(r->text), r->text_len);
		n += snprintf(
		    got.text + n, sizeof(got.text) - (size_t)n, " | %u %s", r->preference, r->text);
		for (size_t j = 0; j < r->rdata.n; j++)
			n += snprintf(got.text + n, sizeof(got.text) - (size_t)n, "%02x",
			    (unsigned char)r->rdata.p[j]);
	}
}

static struct msv_op *ask(enum msv_dns_type type, const char *name)
{
	struct msv_op *op = msv_op_new(msv_test_env(test), take, NULL);

	dns->query(dns->self, name, type, (struct msv_dns_op){ op });
	return op;
}

START_TEST(test_zone)
{
	static const struct {
		enum msv_dns_type type;
		const char *name, *expected;
	} cases[] = {
		{ MSV_DNS_MX, "example.org", "found 60 | 10 mx1.example.org | 20 mx2.example.org" },
		{ MSV_DNS_MX, "EXAMPLE.org.",
		    "found 60 | 10 mx1.example.org | 20 mx2.example.org" },
		{ MSV_DNS_A, "example.org", "no data 300" },
		{ MSV_DNS_A, "mx1.example.org", "found 300 | 0 192.0.2.1 | 0 192.0.2.2" },
		{ MSV_DNS_AAAA, "a.example.org", "found 300 at mx1.example.org | 0 2001:db8::1" },
		{ MSV_DNS_CNAME, "a.example.org", "found 300 | 0 b.example.org" },
		{ MSV_DNS_A, "round.example.org", "input/output error" },
		{ MSV_DNS_A, "nowhere.example.org", "no name 300 at no.example.net" },
		{ MSV_DNS_TXT, "txt.example.org", "found 300 | 0 v=spf1 A -all" },
		{ MSV_DNS_TLSA, "_25._tcp.mx1.example.org", "found 300 | 0 03010100ff7f" },
		{ MSV_DNS_PTR, "1.2.0.192.in-addr.arpa", "found 300 | 0 mx1.example.org" },
		{ MSV_DNS_A, "below.empty.org", "no data 300" },
		{ MSV_DNS_A, "low.empty.org", "no name 300" },
		{ MSV_DNS_A, "none.example.org", "no data 300" },
		{ MSV_DNS_MX, "example.net", "no name 300" },
		{ MSV_DNS_MX, "broken.org", "input/output error" },
		{ MSV_DNS_AAAA, "half.org", "input/output error" },
		{ MSV_DNS_A, "half.org", "found 300 | 0 192.0.2.4" },
		{ MSV_DNS_A, "forged.org", "malformed" },
		{ MSV_DNS_A, "www.safe.org", "found secure 300 | 0 192.0.2.5" },
		{ MSV_DNS_A, "no.safe.org", "no name secure 300" },
		{ MSV_DNS_A, "unsafe.org", "no name 300" },
		{ MSV_DNS_AAAA, "out.safe.org", "found 300 at mx1.example.org | 0 2001:db8::1" },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		got.count = 0;
		ask(cases[i].type, cases[i].name);
		ck_assert_uint_eq(got.count, 0); /* never inside the question */
		msv_test_run(test);
		ck_assert_uint_eq(got.count, 1);
		ck_assert_msg(strcmp(got.text, cases[i].expected) == 0, "%s: %s, not %s",
		    cases[i].name, got.text, cases[i].expected);
	}
}
END_TEST

START_TEST(test_time)
{
	ask(MSV_DNS_A, "silent.org");
	msv_test_advance(test, 9999);
	ck_assert_uint_eq(got.count, 0);
	msv_test_advance(test, 1);
	ck_assert_str_eq(got.text, "timed out");
	msv_test_dns_late(dns, 500);
	ask(MSV_DNS_A, "half.org");
	msv_test_advance(test, 499);
	ck_assert_uint_eq(got.count, 1);
	msv_test_advance(test, 1);
	ck_assert_str_eq(got.text, "found 300 | 0 192.0.2.4");
	msv_op_cancel(ask(MSV_DNS_A, "half.org"));
	msv_test_advance(test, 1000);
	ck_assert_uint_eq(got.count, 2);
	ck_assert_str_eq(msv_test_dns_asked(dns), "A silent.org\nA half.org\nA half.org\n");
	ck_assert_str_eq(msv_test_dns_asked(dns), "");
}
END_TEST

START_TEST(test_zones)
{
	static const char *const broken[] = { "example.org", "example.org FROB x",
		"example.org MX mx.example.org", "example.org MX 10", "example.org A",
		"example.org A 192.0.2.1 192.0.2.2", "example.org SERVFAIL FROB",
		"example.org TLSA 3 1 1 0", "example.org TLSA 3 1", "example.org TXT" };

	for (size_t i = 0; i < sizeof(broken) / sizeof(broken[0]); i++) {
		ck_assert_msg(!msv_test_dns(test, broken[i]), "%s", broken[i]);
		ck_assert_int_eq(msv_test_dns_zone(dns, broken[i]), MSV_ERR_FORMAT);
	}
	ask(MSV_DNS_A, "half.org");
	msv_test_run(test);
	ck_assert_str_eq(got.text, "found 300 | 0 192.0.2.4");
	ck_assert_int_eq(msv_test_dns_zone(dns, "half.org A 192.0.2.9"), 0);
	ask(MSV_DNS_A, "half.org");
	msv_test_run(test);
	ck_assert_str_eq(got.text, "found 300 | 0 192.0.2.9");
}
END_TEST

int main(void)
{
	Suite *s = suite_create("testing/dns");

	check_fixture_case(s, "dns", setup, teardown, test_zone, test_time, test_zones);
	return check_main(s);
}
