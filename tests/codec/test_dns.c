/* Answers of the DNS from the bytes of their records. */
#include <mailserv/testing.h>
#include <string.h>

#include "check_main.h"

static struct msv_test_env *test;
static struct msv_dns_answer answer;
static struct {
	unsigned count;
	int error;
	enum msv_dns_status status;
	char text[1100], canonical[100];
	size_t text_len, nrecords, rdata;
	unsigned preference;
	bool secure;
	uint32_t ttl;
} got;

static void setup(void)
{
	ck_assert_int_eq(msv_test_env_new(1, &test), 0);
}

static void teardown(void)
{
	ck_assert_uint_eq(msv_test_env_free(test), 0);
}

static void take(void *user, int error, const void *result)
{
	const struct msv_dns_answer *a = result;

	(void)user;
	got.count++;
	got.error = error;
	if (error)
		return;
	got.status = a->status;
	got.secure = a->secure;
	got.ttl = a->ttl;
	got.nrecords = a->nrecords;
	strcpy(got.canonical, a->canonical);
	if (!a->nrecords)
		return;
	ck_assert_uint_lt(a->records->text_len, sizeof(got.text));
	memcpy(got.text, a->records->text, a->records->text_len + 1);
	got.text_len = a->records->text_len;
	got.preference = a->records->preference;
	got.rdata = a->records->rdata.n;
}

static void give(enum msv_dns_type type)
{
	struct msv_op *op = msv_op_new(msv_test_env(test), take, NULL);

	memset(&got, 0, sizeof(got));
	answer.size = sizeof(answer);
	ck_assert_ptr_nonnull(op);
	msv_dns_answer((struct msv_dns_op){ op }, type, &answer);
	msv_test_run(test);
	ck_assert_uint_eq(got.count, 1);
}

static void give_rdata(enum msv_dns_type type, const void *p, size_t n)
{
	struct msv_dns_record record = { .rdata = { p, n } };

	answer =
	    (struct msv_dns_answer){ .status = MSV_DNS_FOUND, .records = &record, .nrecords = 1 };
	give(type);
}

/* A string literal with its NUL as the root. */
#define name_of(literal)  (literal), sizeof(literal)
#define bytes_of(literal) (literal), sizeof(literal) - 1

START_TEST(test_texts)
{
	static const struct {
		enum msv_dns_type type;
		const char *p;
		size_t n;
		const char *text;
		unsigned preference;
	} cases[] = {
		{ MSV_DNS_A, bytes_of("\300\0\2\1"), "192.0.2.1", 0 },
		{ MSV_DNS_AAAA, bytes_of("\x20\1\xd\xb8\0\0\0\0\0\0\0\0\0\0\0\1"), "2001:db8::1",
		    0 },
		{ MSV_DNS_MX, name_of("\0\12\2MX\7Example\3ORG"), "mx.example.org", 10 },
		{ MSV_DNS_MX, name_of("\xff\xff"), "", 65535 },
		{ MSV_DNS_PTR, name_of("\4mail\3org"), "mail.org", 0 },
		{ MSV_DNS_CNAME, name_of("\3a_b\1-"), "a_b.-", 0 },
		{ MSV_DNS_PTR, name_of("\4a.b \2\r\n"), "a\\046b\\032.\\013\\010", 0 },
		{ MSV_DNS_PTR, name_of("\2\xc3\xa4"), "\\195\\164", 0 },
		{ MSV_DNS_TXT, bytes_of("\2ab\0\3cde"), "abcde", 0 },
		{ MSV_DNS_TXT, bytes_of("\0"), "", 0 },
		{ MSV_DNS_TLSA, bytes_of("\3\1\1xyz"), "", 0 },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		give_rdata(cases[i].type, cases[i].p, cases[i].n);
		ck_assert_int_eq(got.error, 0);
		ck_assert_str_eq(got.text, cases[i].text);
		ck_assert_uint_eq(got.text_len, strlen(cases[i].text));
		ck_assert_uint_eq(got.preference, cases[i].preference);
		ck_assert_uint_eq(got.rdata, cases[i].n);
	}
	give_rdata(MSV_DNS_TXT, bytes_of("\3a\0b"));
	ck_assert_uint_eq(got.text_len, 3);
}
END_TEST

START_TEST(test_garbled)
{
	static const struct {
		enum msv_dns_type type;
		const char *p;
		size_t n;
	} cases[] = {
		{ MSV_DNS_A, bytes_of("\300\0\2") },
		{ MSV_DNS_A, bytes_of("\300\0\2\1\1") },
		{ MSV_DNS_A, NULL, 0 },
		{ MSV_DNS_AAAA, bytes_of("\300\0\2\1") },
		{ MSV_DNS_MX, bytes_of("\0") },
		{ MSV_DNS_MX, bytes_of("\0\12") },
		{ MSV_DNS_MX, bytes_of("\0\12\2mx") },   /* no end */
		{ MSV_DNS_MX, bytes_of("\0\12\5mx\0") }, /* a label beyond it */
		{ MSV_DNS_PTR, bytes_of("\2mx\0\0") },   /* something behind it */
		{ MSV_DNS_PTR, bytes_of("\300\14") },    /* compressed */
		{ MSV_DNS_PTR, bytes_of("") },
		{ MSV_DNS_TXT, bytes_of("\5abc") },
		{ MSV_DNS_TXT, bytes_of("") },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		give_rdata(cases[i].type, cases[i].p, cases[i].n);
		ck_assert_msg(got.error == MSV_ERR_FORMAT, "case %zu: %d", i, got.error);
	}
}
END_TEST

START_TEST(test_long_name)
{
	char name[300];

	memset(name, 1, sizeof(name));
	for (size_t i = 1; i < sizeof(name); i += 2)
		name[i] = '\n';
	name[254] = '\0';
	give_rdata(MSV_DNS_PTR, name, 255);
	ck_assert_int_eq(got.error, 0);
	ck_assert_uint_eq(got.text_len, 127 * 5 - 1);
	name[254] = 1;
	name[256] = '\0';
	give_rdata(MSV_DNS_PTR, name, 257);
	ck_assert_int_eq(got.error, MSV_ERR_FORMAT);
}
END_TEST

START_TEST(test_given)
{
	struct msv_dns_record records[] = { { .text = "mx.example.org", .preference = 5 },
		{ .text = "b", .text_len = 1 } };

	answer = (struct msv_dns_answer){ .status = MSV_DNS_FOUND,
		.secure = true,
		.ttl = 77,
		.canonical = "real.example.org",
		.records = records,
		.nrecords = 2 };
	give(MSV_DNS_MX);
	ck_assert_str_eq(got.text, "mx.example.org");
	ck_assert_uint_eq(got.text_len, 14);
	ck_assert_uint_eq(got.preference, 5);
	ck_assert_uint_eq(got.nrecords, 2);
	ck_assert_uint_eq(got.ttl, 77);
	ck_assert(got.secure);
	ck_assert_str_eq(got.canonical, "real.example.org");
	answer.nrecords = 0; /* found, but nothing */
	give(MSV_DNS_MX);
	ck_assert_int_eq(got.error, MSV_ERR_FORMAT);
	answer.status = MSV_DNS_NO_NAME;
	answer.canonical = NULL;
	give(MSV_DNS_MX);
	ck_assert_int_eq(got.error, 0);
	ck_assert_int_eq(got.status, MSV_DNS_NO_NAME);
	ck_assert_str_eq(got.canonical, "");
}
END_TEST

START_TEST(test_no_memory)
{
	static const char rdata[] = "\0\12\2MX\7Example\3ORG";
	struct msv_dns_record record = { .rdata = { rdata, sizeof(rdata) } };
	uint64_t n;

	answer =
	    (struct msv_dns_answer){ .size = sizeof(answer), .records = &record, .nrecords = 1 };
	for (n = 0;; n++) {
		struct msv_op *op = msv_op_new(msv_test_env(test), take, NULL);

		msv_test_fail_alloc(test, n, false);
		msv_dns_answer((struct msv_dns_op){ op }, MSV_DNS_MX, &answer);
		msv_test_fail_alloc(test, UINT64_MAX, false);
		msv_test_run(test);
		if (!got.error)
			break;
		ck_assert_int_eq(got.error, MSV_ERR_NOMEM);
	}
	ck_assert_uint_gt(n, 3);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("codec/dns");

	check_fixture_case(s, "dns", setup, teardown, test_texts, test_garbled, test_long_name,
	    test_given, test_no_memory);
	return check_main(s);
}
