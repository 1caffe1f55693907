/*
 * Answers of the DNS to who asks where mail for a domain goes.  Whatever they
 * are, there is one result: hosts in order that are not ourselves and lead
 * somewhere, or a reply; and every line of it can be shown.
 *
 * The input is a list of answers, one for each question: a byte - a failure, or
 * how many records - then for each record its length and its bytes.
 */
#include <mailserv/testing.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "mta/mx.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

/* Unlike assert(), there in every build. */
#define MUST(what) \
	do { \
		if (!(what)) { \
			fprintf(stderr, "%s:%d: not so: %s\n", __FILE__, __LINE__, #what); \
			abort(); \
		} \
	} while (0)

enum { RECORDS = 40, HOSTS = 4, ADDRESSES = 3 };

static const char own_name[] = "us.example.org", own_address[] = "192.0.2.1";

static struct msv_span rest; /* of the input */
static unsigned results;

static uint8_t take_byte(void)
{
	uint8_t c = rest.n ? (uint8_t)*rest.p : 0;

	rest.p += rest.n != 0;
	rest.n -= rest.n != 0;
	return c;
}

static struct msv_span take_bytes(size_t n)
{
	struct msv_span taken = { rest.p, n < rest.n ? n : rest.n };

	rest.p += taken.n;
	rest.n -= taken.n;
	return taken;
}

static void query(void *self, const char *name, enum msv_dns_type type, struct msv_dns_op op)
{
	struct msv_dns_record records[RECORDS] = { { 0 } };
	struct msv_dns_answer answer = { .size = sizeof(answer), .records = records };
	uint8_t first = take_byte();

	(void)self;
	MUST(*name && strlen(name) < 256);
	answer.secure = first & 0x80;
	first &= 0x7f;
	if (first >= 120) {
		msv_op_answer(op.op, first < 124 ? MSV_ERR_TIMEOUT : MSV_ERR_IO);
		return;
	}
	answer.nrecords = first % RECORDS;
	answer.status = answer.nrecords ? MSV_DNS_FOUND : first ? MSV_DNS_NO_DATA : MSV_DNS_NO_NAME;
	for (size_t i = 0; i < answer.nrecords; i++)
		records[i].rdata = take_bytes(take_byte());
	msv_dns_answer(op, type, &answer);
}

static void check_text(const char *text)
{
	for (; *text; text++)
		MUST(*text >= ' ' && *text < 0x7f);
}

static void check_host(const struct mta_mx_host *host)
{
	check_text(host->name);
	MUST(strcmp(host->name, own_name) != 0);
	MUST(host->naddresses && host->naddresses <= ADDRESSES);
	for (size_t i = 0; i < host->naddresses; i++) {
		struct mta_ip ip;

		MUST(msv_mta_ip_parse(host->addresses[i].text, &ip));
		MUST(!msv_mta_ip_nowhere(&ip));
		MUST(strcmp(host->addresses[i].text, own_address) != 0);
	}
}

static void take(void *user, int error, const void *result)
{
	const struct mta_mx_result *r = result;

	(void)user;
	results++;
	MUST(error == 0);
	MUST(!r->code == (r->nhosts > 0) && r->nhosts <= HOSTS);
	MUST(!r->code || r->code / 100 == 4 || r->code / 100 == 5);
	MUST(!r->code == !*r->text && !r->code == !*r->enhanced);
	check_text(r->text);
	for (size_t i = 0; i < r->nlines; i++)
		check_text(r->lines[i]);
	for (size_t i = 0; i < r->nhosts; i++) {
		check_host(&r->hosts[i]);
		MUST(!i || r->hosts[i - 1].preference <= r->hosts[i].preference);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	static const char *const names[] = { own_name }, *const addresses[] = { own_address };
	static const struct msv_dns dns = { .size = sizeof(dns), .query = query };
	struct mta_mx_options options = { .own_names = names,
		.nown_names = 1,
		.own_addresses = addresses,
		.nown_addresses = 1,
		.max_hosts = HOSTS,
		.max_addresses = ADDRESSES };
	struct msv_test_env *test;
	struct msv_op *op;

	rest = (struct msv_span){ (const char *)data, n };
	results = 0;
	MUST(msv_test_env_new(1, &test) == 0);
	op = msv_op_new(msv_test_env(test), take, NULL);
	MUST(op);
	msv_mx_resolve(msv_test_env(test), &dns, "example.org", &options, (struct mta_mx_op){ op });
	msv_test_run(test);
	MUST(results == 1);
	MUST(msv_test_env_free(test) == 0);
	return 0;
}
