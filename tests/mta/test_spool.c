/* Bodies in memory, and in files beyond a size or a budget. */
#include <mailserv/testing.h>
#include <stdio.h>
#include <string.h>

#include "check_main.h"
#include "mta/mta.h"

static struct msv_test_env *test;
static struct msv_mta mta;
static char tmp[] = "/tmp", nowhere[] = "/nonexistent";

static void setup(void)
{
	ck_assert_int_eq(msv_test_env_new(0, &test), 0);
	mta = (struct msv_mta){
		.env = msv_test_env(test), .spool = tmp, .body_memory = 1000, .memory_budget = 2500
	};
}

static void teardown(void)
{
	ck_assert_uint_eq(mta.memory_used, 0);
	ck_assert_uint_eq(msv_test_env_free(test), 0);
}

/* Pieces of ten bytes that count. */
static void fill(struct mta_spool *spool, unsigned first, unsigned n)
{
	char piece[16];

	for (unsigned i = first; i < first + n; i++) {
		snprintf(piece, sizeof(piece), "%08u\r\n", i);
		ck_assert_int_eq(msv_mta_spool_write(spool, piece, 10), 0);
	}
}

/* What was written comes out, in pieces of `step` bytes. */
static void expect(struct mta_spool *spool, unsigned n, size_t step)
{
	char room[100], piece[16];
	static char text[100000];
	uint64_t at = 0;
	const void *p;
	int64_t got;

	while ((got = msv_mta_spool_read(spool, at, room, step, &p)) > 0) {
		memcpy(text + at, p, (size_t)got);
		at += (uint64_t)got;
	}
	ck_assert_int_eq(got, 0);
	ck_assert_uint_eq(at, 10 * n);
	ck_assert_uint_eq(spool->size, at);
	for (unsigned i = 0; i < n; i++) {
		snprintf(piece, sizeof(piece), "%08u\r\n", i);
		ck_assert_mem_eq(text + 10 * i, piece, 10);
	}
}

START_TEST(small_in_memory)
{
	struct mta_spool spool;

	msv_mta_spool_init(&spool, &mta);
	fill(&spool, 0, 100);
	ck_assert_int_lt(spool.fd, 0);
	ck_assert_uint_eq(mta.memory_used, 1000);
	expect(&spool, 100, 37);
	msv_mta_spool_fini(&spool);
}
END_TEST

START_TEST(large_in_a_file)
{
	struct mta_spool spool;

	msv_mta_spool_init(&spool, &mta);
	fill(&spool, 0, 101);
	ck_assert_int_ge(spool.fd, 0);
	ck_assert_uint_eq(mta.memory_used, 0);
	fill(&spool, 101, 4000);
	expect(&spool, 4101, 99);
	msv_mta_spool_fini(&spool);
}
END_TEST

/* All bodies together have a budget. */
START_TEST(budget)
{
	struct mta_spool spools[4];

	for (int i = 0; i < 4; i++) {
		msv_mta_spool_init(&spools[i], &mta);
		fill(&spools[i], 0, 80);
		ck_assert_uint_le(mta.memory_used, 2500);
	}
	for (int i = 0; i < 4; i++) {
		ck_assert_int_eq(spools[i].fd >= 0, i == 3);
		expect(&spools[i], 80, 50);
	}
	/* What one gives back another may have. */
	msv_mta_spool_fini(&spools[0]);
	msv_mta_spool_init(&spools[0], &mta);
	fill(&spools[0], 0, 80);
	ck_assert_int_lt(spools[0].fd, 0);
	for (int i = 0; i < 4; i++)
		msv_mta_spool_fini(&spools[i]);
}
END_TEST

START_TEST(failures)
{
	struct mta_spool spool;
	char piece[600] = { 0 };

	mta.spool = nowhere;
	msv_mta_spool_init(&spool, &mta);
	ck_assert_int_eq(msv_mta_spool_write(&spool, piece, sizeof(piece)), 0);
	ck_assert_int_eq(msv_mta_spool_write(&spool, piece, sizeof(piece)), MSV_ERR_IO);
	ck_assert_ptr_nonnull(strstr(msv_test_log(test), "/nonexistent"));
	msv_mta_spool_fini(&spool);
	msv_mta_spool_init(&spool, &mta);
	msv_test_fail_alloc(test, 0, true);
	ck_assert_int_eq(msv_mta_spool_write(&spool, piece, sizeof(piece)), MSV_ERR_NOMEM);
	msv_mta_spool_fini(&spool);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("mta/spool");
	TCase *tc = tcase_create("spool");
	const TTest *tests[] = { small_in_memory, large_in_a_file, budget, failures };

	tcase_add_checked_fixture(tc, setup, teardown);
	for (size_t i = 0; i < sizeof(tests) / sizeof(tests[0]); i++)
		tcase_add_test(tc, tests[i]);
	suite_add_tcase(s, tc);
	return check_main(s);
}
