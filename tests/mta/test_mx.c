/* Where mail for a domain goes. */
#include <mailserv/testing.h>
#include <stdio.h>
#include <string.h>

#include "check_main.h"
#include "mta/mx.h"

static const char zone[] = "example.org MX 20 mx2.example.org\n"
                           "example.org MX 10 mx1.example.org\n"
                           "mx1.example.org A 192.0.2.1\n"
                           "mx1.example.org AAAA 2001:db8::1\n"
                           "mx2.example.org A 192.0.2.2\n"
                           "implicit.org A 192.0.2.3\n"
                           "implicit.org TXT \"no MX\"\n"
                           "v6.org AAAA 2001:db8::6\n"
                           "null.org MX 0 .\n"
                           "halfnull.org MX 0 .\n"
                           "halfnull.org MX 10 mx1.example.org\n"
                           "nothing.org TXT \"neither\"\n"
                           "broken.org SERVFAIL\n"
                           "silent.org TIMEOUT\n"
                           "forged.org BOGUS\n"
                           "alias.org CNAME example.org\n"
                           "aliasmx.org MX 10 alias-mx.org\n"
                           "alias-mx.org CNAME mx1.example.org\n"
                           "gone.org MX 5 gone.example.net\n"
                           "gone.org MX 10 mx1.example.org\n"
                           "allgone.org MX 5 gone.example.net\n"
                           "allgone.org MX 5 nothing.org\n"
                           "brokenmx.org MX 5 broken.org\n"
                           "brokenmx.org MX 10 mx1.example.org\n"
                           "allbroken.org MX 5 broken.org\n"
                           "allbroken.org MX 6 gone.example.net\n"
                           "halfbroken.org MX 5 half.org\n"
                           "half.org SERVFAIL AAAA\n"
                           "half.org A 192.0.2.9\n"
                           "backed.org MX 10 mx1.example.org\n"
                           "backed.org MX 20 us.example.net\n"
                           "backed.org MX 20 mx2.example.org\n"
                           "backed.org MX 30 implicit.org\n"
                           "ours.org MX 10 Us.Example.Net\n"
                           "ours.org MX 20 mx1.example.org\n"
                           "us.example.net A 192.0.2.100\n"
                           "hidden.org MX 10 mx1.example.org\n"
                           "hidden.org MX 20 alias-of-us.org\n"
                           "hidden.org MX 30 mx2.example.org\n"
                           "alias-of-us.org A 192.0.2.100\n"
                           "oursbyip.org A 192.0.2.100\n"
                           "local.org MX 10 localhost.org\n"
                           "local.org MX 20 mx2.example.org\n"
                           "localhost.org A 127.0.0.1\n"
                           "localhost.org AAAA ::1\n"
                           "onlylocal.org MX 10 localhost.org\n"
                           "address.org MX 10 192.0.2.1\n"
                           "address.org MX 20 mx2.example.org\n"
                           "xn--bcher-kva.example MX 10 mx1.example.org\n"
                           "short.org 60 MX 10 short.mx.org\n"
                           "short.mx.org 30 A 192.0.2.7\n"
                           "twice.org MX 10 mx1.example.org\n"
                           "twice.org MX 20 mx1.example.org\n"
                           "safe.org SECURE\n"
                           "safe.org MX 10 mx.safe.org\n"
                           "safe.org MX 20 mx1.example.org\n"
                           "mx.safe.org A 192.0.2.8\n";

static struct msv_test_env *test;
static const struct msv_dns *dns;
static struct mta_mx_options options;

static struct {
	unsigned count;
	int error;
	char text[4000];  /* the result in a line */
	char lines[4000]; /* what explains it */
	uint32_t ttl;
} got;

static const char *const own_names[] = { "US.example.net" };
static const char *const own_addresses[] = { "192.0.2.100", "2001:DB8:0::100" };

static void setup(void)
{
	memset(&got, 0, sizeof(got));
	options = (struct mta_mx_options){ .own_names = own_names,
		.nown_names = 1,
		.own_addresses = own_addresses,
		.nown_addresses = 2 };
	ck_assert_int_eq(msv_test_env_new(1, &test), 0);
	dns = msv_test_dns(test, zone);
	ck_assert_ptr_nonnull(dns);
}

static void teardown(void)
{
	ck_assert_uint_eq(msv_test_env_free(test), 0);
}

MSV_PRINTF(2, 3) static void add(char text[4000], const char *fmt, ...)
{
	size_t n = strlen(text);
	va_list args;

	va_start(args, fmt);
	vsnprintf(text + n, 4000 - n, fmt, args);
	va_end(args);
}

/* "10 mx1.example.org 2001:db8::1 192.0.2.1; 20 ..." or "550 5.1.2 text". */
static void take(void *user, int error, const void *result)
{
	const struct mta_mx_result *r = result;

	(void)user;
	got.count++;
	got.error = error;
	got.text[0] = got.lines[0] = '\0';
	if (error)
		return;
	got.ttl = r->ttl;
	for (size_t i = 0; i < r->nlines; i++)
		add(got.lines, "%s\n", r->lines[i]);
	if (r->code) {
		ck_assert_uint_eq(r->nhosts, 0);
		add(got.text, "%d %s %s", r->code, r->enhanced, r->text);
		return;
	}
	ck_assert_uint_gt(r->nhosts, 0);
	ck_assert_str_eq(r->enhanced, "");
	for (size_t i = 0; i < r->nhosts; i++) {
		const struct mta_mx_host *host = &r->hosts[i];

		add(got.text, "%s%u %s", i ? "; " : "", host->preference, host->name);
		if (strcmp(host->name, host->canonical) != 0)
			add(got.text, "=%s", host->canonical);
		if (host->secure)
			add(got.text, "!");
		ck_assert_uint_gt(host->naddresses, 0);
		for (size_t j = 0; j < host->naddresses; j++)
			add(got.text, " %s%s", host->addresses[j].text,
			    host->addresses[j].secure ? "!" : "");
	}
}

static struct msv_op *ask(const char *domain)
{
	struct msv_op *op = msv_op_new(msv_test_env(test), take, NULL);

	got.count = 0;
	ck_assert_ptr_nonnull(op);
	msv_mx_resolve(msv_test_env(test), dns, domain, &options, (struct mta_mx_op){ op });
	ck_assert_uint_eq(got.count, 0);
	return op;
}

static const char *resolve(const char *domain)
{
	ask(domain);
	msv_test_advance(test, 10000);
	ck_assert_uint_eq(got.count, 1);
	ck_assert_int_eq(got.error, 0);
	return got.text;
}

struct expected {
	const char *domain, *result;
};

static void check_all(const struct expected *cases, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		const char *result = resolve(cases[i].domain);

		ck_assert_msg(strcmp(result, cases[i].result) == 0, "%s: %s, not %s\n%s",
		    cases[i].domain, result, cases[i].result, got.lines);
	}
}

#define check_cases(cases) check_all((cases), sizeof(cases) / sizeof((cases)[0]))

START_TEST(test_hosts)
{
	static const struct expected cases[] = {
		{ "example.org",
		    "10 mx1.example.org 2001:db8::1 192.0.2.1; 20 mx2.example.org 192.0.2.2" },
		{ "EXAMPLE.org.",
		    "10 mx1.example.org 2001:db8::1 192.0.2.1; 20 mx2.example.org 192.0.2.2" },
		{ "implicit.org", "0 implicit.org 192.0.2.3" },
		{ "v6.org", "0 v6.org 2001:db8::6" },
		{ "halfnull.org", "10 mx1.example.org 2001:db8::1 192.0.2.1" },
		{ "alias.org",
		    "10 mx1.example.org 2001:db8::1 192.0.2.1; 20 mx2.example.org 192.0.2.2" },
		{ "aliasmx.org", "10 alias-mx.org=mx1.example.org 2001:db8::1 192.0.2.1" },
		{ "gone.org", "10 mx1.example.org 2001:db8::1 192.0.2.1" },
		{ "brokenmx.org", "10 mx1.example.org 2001:db8::1 192.0.2.1" },
		{ "halfbroken.org", "5 half.org 192.0.2.9" },
		{ "local.org", "20 mx2.example.org 192.0.2.2" },
		{ "address.org", "20 mx2.example.org 192.0.2.2" },
		{ "twice.org", "10 mx1.example.org 2001:db8::1 192.0.2.1" },
		{ "safe.org",
		    "10 mx.safe.org! 192.0.2.8!; 20 mx1.example.org! 2001:db8::1 192.0.2.1" },
	};

	check_cases(cases);
}
END_TEST

START_TEST(test_failures)
{
	static const struct expected cases[] = {
		{ "no.example.org", "550 5.1.2 the domain no.example.org does not exist" },
		{ "null.org", "556 5.1.10 the domain null.org takes no mail" },
		{ "nothing.org", "550 5.4.4 nothing.org has neither MX record nor address" },
		{ "allgone.org", "550 5.4.4 the mail servers of allgone.org have no address" },
		{ "onlylocal.org",
		    "550 5.4.4 the addresses of onlylocal.org lead nowhere from this host" },
		{ "broken.org", "451 4.4.3 the mail servers of broken.org cannot be found now: the "
		                "name servers fail" },
		{ "silent.org", "451 4.4.3 the mail servers of silent.org cannot be found now: no "
		                "answer in time" },
		{ "forged.org", "451 4.4.3 the mail servers of forged.org cannot be found now: the "
		                "answer is garbled or forged" },
		{ "allbroken.org", "451 4.4.3 the addresses of allbroken.org cannot be found now: "
		                   "the name servers fail" },
		{ "", "550 5.1.2 the domain is no domain name" },
		{ ".", "550 5.1.2 the domain is no domain name" },
		{ "a..org", "550 5.1.2 the domain is no domain name" },
		{ "a b.org", "550 5.1.2 the domain is no domain name" },
		{ "192.0.2.1", "550 5.1.2 the domain is no domain name" },
		{ "a123456789012345678901234567890123456789012345678901234567890123.org",
		    "550 5.1.2 the domain is no domain name" },
	};

	check_cases(cases);
	/* A domain that does not take mail is remembered, a failure is not. */
	resolve("null.org");
	ck_assert_uint_eq(got.ttl, 300);
	resolve("broken.org");
	ck_assert_uint_eq(got.ttl, 0);
}
END_TEST

START_TEST(test_ourselves)
{
	static const struct expected cases[] = {
		{ "backed.org", "10 mx1.example.org 2001:db8::1 192.0.2.1" },
		{ "hidden.org", "10 mx1.example.org 2001:db8::1 192.0.2.1" },
		{ "ours.org", "554 5.4.6 mail for ours.org loops back to this host: it is its best "
		              "MX, but does not take it" },
		{ "oursbyip.org", "554 5.4.6 mail for oursbyip.org loops back to this host: it is "
		                  "its best MX, but does not take it" },
		{ "[192.0.2.100]",
		    "554 5.4.6 mail for [192.0.2.100] loops back to this host: it is "
		    "its best MX, but does not take it" },
		{ "[IPv6:2001:db8::100]", "554 5.4.6 mail for [ipv6:2001:db8::100] loops back to "
		                          "this host: it is its best MX, but does not take it" },
	};

	check_cases(cases);
	options.nown_names = options.nown_addresses = 0;
	ck_assert_str_eq(resolve("oursbyip.org"), "0 oursbyip.org 192.0.2.100");
}
END_TEST

START_TEST(test_literals)
{
	static const struct expected cases[] = {
		{ "[192.0.2.1]", "0 [192.0.2.1] 192.0.2.1" },
		{ "[IPv6:2001:db8::1]", "0 [ipv6:2001:db8::1] 2001:db8::1" },
		{ "[2001:db8::1]", "550 5.1.2 the domain is no domain name" },
		{ "[IPv6:192.0.2.1]", "550 5.1.2 the domain is no domain name" },
		{ "[]", "550 5.1.2 the domain is no domain name" },
		{ "[IPv6:]", "550 5.1.2 the domain is no domain name" },
		{ "[tag:content]", "550 5.1.2 the domain is no domain name" },
		{ "[127.0.0.1]",
		    "550 5.4.4 the addresses of [127.0.0.1] lead nowhere from this host" },
	};

	check_cases(cases);
	ck_assert_str_eq(msv_test_dns_asked(dns), "");
	options.allow_loopback = true;
	ck_assert_str_eq(resolve("[127.0.0.1]"), "0 [127.0.0.1] 127.0.0.1");
	options.no_ipv4 = true;
	ck_assert_str_eq(
	    resolve("[192.0.2.1]"), "550 5.4.4 the mail servers of [192.0.2.1] have no address");
}
END_TEST

START_TEST(test_idn)
{
	const char *result = resolve("B\xc3\xbc"
	                             "cher.example");

	/* A build without libidn2 knows only the other form. */
	if (strncmp(result, "550", 3) != 0)
		ck_assert_str_eq(result, "10 mx1.example.org 2001:db8::1 192.0.2.1");
	ck_assert_str_eq(
	    resolve("xn--bcher-kva.example"), "10 mx1.example.org 2001:db8::1 192.0.2.1");
}
END_TEST

START_TEST(test_host)
{
	options.host = true;
	ck_assert_str_eq(resolve("mx1.example.org"), "0 mx1.example.org 2001:db8::1 192.0.2.1");
	ck_assert_str_eq(msv_test_dns_asked(dns), "AAAA mx1.example.org\nA mx1.example.org\n");
	ck_assert_str_eq(resolve("192.0.2.100"), "0 192.0.2.100 192.0.2.100");
	ck_assert_str_eq(resolve("::1"), "0 ::1 ::1");
	ck_assert_str_eq(resolve("us.example.net"), "0 us.example.net 192.0.2.100");
	ck_assert_str_eq(resolve("localhost.org"), "0 localhost.org ::1 127.0.0.1");
	/* The administrator's mistake: mail waits for its remedy. */
	ck_assert_str_eq(resolve("gone.example.net"), "451 4.4.4 gone.example.net has no address");
	ck_assert_str_eq(resolve("broken.org"),
	    "451 4.4.3 the addresses of broken.org cannot be found now: the name servers fail");
}
END_TEST

START_TEST(test_families)
{
	options.no_ipv6 = true;
	ck_assert_str_eq(
	    resolve("example.org"), "10 mx1.example.org 192.0.2.1; 20 mx2.example.org 192.0.2.2");
	ck_assert_str_eq(
	    msv_test_dns_asked(dns), "MX example.org\nA mx1.example.org\nA mx2.example.org\n");
	options.no_ipv6 = false;
	options.no_ipv4 = true;
	ck_assert_str_eq(resolve("example.org"), "10 mx1.example.org 2001:db8::1");
	options.no_ipv6 = true;
	ck_assert_str_eq(
	    resolve("example.org"), "550 5.4.4 the mail servers of example.org have no address");
}
END_TEST

/* Equal preferences come in any order, others in theirs. */
START_TEST(test_shuffle)
{
	unsigned first[3] = { 0 };

	ck_assert_int_eq(msv_test_dns_zone(dns, "many.org MX 10 a.org\nmany.org MX 10 b.org\n"
	                                        "many.org MX 10 c.org\nmany.org MX 5 best.org\n"
	                                        "a.org A 192.0.2.1\nb.org A 192.0.2.2\n"
	                                        "c.org A 192.0.2.3\nbest.org A 192.0.2.4\n"),
	    0);
	for (int i = 0; i < 300; i++) {
		const char *result = resolve("many.org"), *best = "5 best.org 192.0.2.4; 10 ";

		ck_assert_int_eq(strncmp(result, best, strlen(best)), 0);
		first[result[strlen(best)] - 'a']++;
	}
	for (int i = 0; i < 3; i++) {
		ck_assert_uint_gt(first[i], 60);
		ck_assert_uint_lt(first[i], 140);
	}
}
END_TEST

START_TEST(test_limits)
{
	static char big[20000];
	unsigned seen = 0;

	for (int i = 0; i < 200; i++)
		snprintf(big + strlen(big), sizeof(big) - strlen(big),
		    "big.org MX %d h%d.org\nh%d.org A 192.0.2.%d\n", i, i, i, i + 1);
	for (int i = 0; i < 100; i++)
		snprintf(big + strlen(big), sizeof(big) - strlen(big),
		    "wide.org A 198.51.100.%d\nwide.org AAAA 2001:db8::%d\n", i, i);
	ck_assert_int_eq(msv_test_dns_zone(dns, big), 0);
	resolve("big.org");
	for (const char *p = got.text; (p = strstr(p, "192.0.2.")); p++)
		seen++;
	ck_assert_uint_eq(seen, 10);
	ck_assert_ptr_nonnull(strstr(got.lines, "MX: 190 more left out, beyond the limit of 10"));
	options.max_hosts = 2;
	ck_assert_str_eq(resolve("big.org"), "0 h0.org 192.0.2.1; 1 h1.org 192.0.2.2");
	options.max_addresses = 3;
	resolve("wide.org");
	seen = 0;
	for (const char *p = got.text; (p = strstr(p, "2001:db8::")); p++)
		seen++;
	ck_assert_uint_eq(seen, 2);
	seen = 0;
	for (const char *p = got.text; (p = strstr(p, "198.51.100.")); p++)
		seen++;
	ck_assert_uint_eq(seen, 1);
}
END_TEST

START_TEST(test_time)
{
	/* Slow in both rounds, but in time. */
	msv_test_dns_late(dns, 500);
	ask("example.org");
	msv_test_advance(test, 999);
	ck_assert_uint_eq(got.count, 0);
	msv_test_advance(test, 1);
	ck_assert_uint_eq(got.count, 1);
	/* The limit hits the first round, ... */
	options.timeout_ms = 400;
	ask("example.org");
	msv_test_advance(test, 400);
	ck_assert_str_eq(got.text,
	    "451 4.4.3 the mail servers of example.org cannot be found now: no answer in time");
	/* ... the second, ... */
	options.timeout_ms = 900;
	ask("example.org");
	msv_test_advance(test, 900);
	ck_assert_str_eq(got.text,
	    "451 4.4.3 the addresses of example.org cannot be found now: no answer in time");
	/* ... or a part of it. */
	msv_test_dns_late(dns, 0);
	ck_assert_int_eq(msv_test_dns_zone(dns, "slow.org MX 1 silent.org\nslow.org MX 2 fast.org\n"
	                                        "silent.org TIMEOUT\nfast.org A 192.0.2.1\n"),
	    0);
	ask("slow.org");
	msv_test_advance(test, 900);
	ck_assert_str_eq(got.text, "2 fast.org 192.0.2.1");
}
END_TEST

START_TEST(test_cancel)
{
	msv_op_cancel(ask("example.org"));
	msv_test_run(test);
	msv_test_dns_late(dns, 500);
	for (uint64_t ms = 0; ms < 1000; ms += 300) {
		struct msv_op *op = ask("example.org");

		msv_test_advance(test, ms);
		ck_assert_uint_eq(got.count, 0);
		msv_op_cancel(op);
		msv_test_advance(test, 2000);
		ck_assert_uint_eq(got.count, 0);
	}
}
END_TEST

START_TEST(test_explained)
{
	resolve("hidden.org");
	ck_assert_str_eq(got.lines, "MX 10 mx1.example.org\n"
	                            "MX 20 alias-of-us.org\n"
	                            "MX 30 mx2.example.org\n"
	                            "AAAA mx1.example.org: 2001:db8::1\n"
	                            "A mx1.example.org: 192.0.2.1\n"
	                            "AAAA alias-of-us.org: none\n"
	                            "A alias-of-us.org: 192.0.2.100 is this host\n"
	                            "AAAA mx2.example.org: none\n"
	                            "A mx2.example.org: 192.0.2.2\n"
	                            "MX 20 and what is not better left out: it is this host\n");
	resolve("local.org");
	ck_assert_str_eq(got.lines, "MX 10 localhost.org\n"
	                            "MX 20 mx2.example.org\n"
	                            "AAAA localhost.org: 1 left out that lead nowhere from here\n"
	                            "A localhost.org: 1 left out that lead nowhere from here\n"
	                            "AAAA mx2.example.org: none\n"
	                            "A mx2.example.org: 192.0.2.2\n");
	resolve("halfnull.org");
	ck_assert_str_eq(got.lines, "MX 0 : left out, no host name\n"
	                            "MX 10 mx1.example.org\n"
	                            "AAAA mx1.example.org: 2001:db8::1\n"
	                            "A mx1.example.org: 192.0.2.1\n");
	resolve("aliasmx.org");
	ck_assert_str_eq(got.lines, "MX 10 alias-mx.org\n"
	                            "AAAA alias-mx.org: 2001:db8::1 of mx1.example.org\n"
	                            "A alias-mx.org: 192.0.2.1 of mx1.example.org\n");
	resolve("implicit.org");
	ck_assert_str_eq(got.lines, "MX implicit.org: none, so the domain's own address counts\n"
	                            "AAAA implicit.org: none\n"
	                            "A implicit.org: 192.0.2.3\n");
	resolve("backed.org");
	ck_assert_ptr_nonnull(
	    strstr(got.lines, "MX 20 us.example.net: this host; what is not better is left out\n"));
	resolve("silent.org");
	ck_assert_str_eq(got.lines, "MX silent.org: no answer in time\n");
	resolve("short.org");
	ck_assert_uint_eq(got.ttl, 30);
}
END_TEST

/* Without memory at any point there is an answer, and nothing is left. */
START_TEST(test_no_memory)
{
	static const char *const domains[] = { "example.org", "implicit.org", "null.org",
		"[192.0.2.1]", "hidden.org", "aliasmx.org" };

	for (size_t i = 0; i < sizeof(domains) / sizeof(domains[0]); i++) {
		unsigned failures = 0;

		for (uint64_t n = 0;; n++) {
			struct msv_op *op = msv_op_new(msv_test_env(test), take, NULL);

			got.count = 0;
			msv_test_fail_alloc(test, n, false);
			msv_mx_resolve(msv_test_env(test), dns, domains[i], &options,
			    (struct mta_mx_op){ op });
			msv_test_run(test);
			msv_test_fail_alloc(test, UINT64_MAX, false);
			ck_assert_uint_eq(got.count, 1);
			if (!got.error)
				break;
			ck_assert_int_eq(got.error, MSV_ERR_NOMEM);
			failures++;
		}
		ck_assert_uint_gt(failures, 5);
	}
}
END_TEST

START_TEST(test_nowhere)
{
	static const struct {
		const char *address;
		bool nowhere;
	} cases[] = {
		{ "127.0.0.1", true },
		{ "127.255.255.255", true },
		{ "0.0.0.0", true },
		{ "169.254.1.1", true },
		{ "224.0.0.1", true },
		{ "255.255.255.255", true },
		{ "::", true },
		{ "::1", true },
		{ "fe80::1", true },
		{ "ff02::1", true },
		{ "::ffff:192.0.2.1", true },
		{ "10.0.0.1", false },
		{ "192.0.2.1", false },
		{ "128.0.0.1", false },
		{ "223.255.255.255", false },
		{ "::2", false },
		{ "fd00::1", false },
		{ "2001:db8::1", false },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct mta_ip ip;

		ck_assert(msv_mta_ip_parse(cases[i].address, &ip));
		ck_assert_msg(msv_mta_ip_nowhere(&ip) == cases[i].nowhere, "%s", cases[i].address);
	}
}
END_TEST

int main(void)
{
	Suite *s = suite_create("mta/mx");

	check_fixture_case(s, "mx", setup, teardown, test_hosts, test_failures, test_ourselves,
	    test_literals, test_idn, test_host, test_families, test_shuffle, test_limits, test_time,
	    test_cancel, test_explained, test_no_memory, test_nowhere);
	return check_main(s);
}
