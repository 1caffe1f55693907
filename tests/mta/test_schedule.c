/* When to try again: a table of what is expected. */
#include "check_main.h"
#include "mta/queue.h"

#define S       ((uint64_t)1000000)
#define MIDDLE  0x80000000u /* no jitter */
#define FOREVER ((uint64_t)1 << 60)

static const struct queue_schedule usual = {
	.first_s = 300, .longest_s = 14400, .lifetime_s = 345600, .warn_s = 14400
};

START_TEST(test_grows)
{
	static const uint64_t waits[] = { 300, 450, 675, 1012, 1518, 2278, 3417, 5126, 7689, 11533,
		14400, 14400, 14400 };
	uint64_t now = 1767225600 * S;

	for (uint32_t i = 0; i < sizeof waits / sizeof *waits; i++) {
		uint64_t wait = msv_schedule_next(&usual, i + 1, now, FOREVER, MIDDLE) - now;
		ck_assert_msg(wait / S >= waits[i] - 10 && wait / S <= waits[i] + 10,
		    "attempt %u waits %llu", i + 1, (unsigned long long)(wait / S));
	}
}
END_TEST

START_TEST(test_jitter)
{
	static const struct {
		uint32_t random;
		uint64_t wait;
	} table[] = { { 0, 262500 }, { 0x40000000, 281250 }, { MIDDLE, 300000 },
		{ 0xc0000000, 318750 }, { UINT32_MAX, 337500 } };

	for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
		uint64_t wait =
		    msv_schedule_next(&usual, 1, 7 * S, FOREVER, table[i].random) - 7 * S;
		ck_assert_uint_ge(wait / 1000 + 100, table[i].wait);
		ck_assert_uint_le(wait / 1000, table[i].wait + 100);
	}
}
END_TEST

START_TEST(test_defaults)
{
	struct queue_schedule none = { 0 };

	ck_assert_uint_eq(msv_schedule_next(&none, 1, 0, FOREVER, MIDDLE),
	    msv_schedule_next(&usual, 1, 0, FOREVER, MIDDLE));
	ck_assert_uint_eq(msv_schedule_next(&none, 99, 0, FOREVER, 0),
	    msv_schedule_next(&usual, 99, 0, FOREVER, 0));
}
END_TEST

/* The last attempt is at the end. */
START_TEST(test_expiry)
{
	ck_assert_uint_eq(msv_schedule_next(&usual, 1, 1000 * S, 1100 * S, MIDDLE), 1100 * S);
	ck_assert_uint_eq(msv_schedule_next(&usual, 40, 1000 * S, 5000 * S, UINT32_MAX), 5000 * S);
	ck_assert_uint_eq(msv_schedule_next(&usual, 3, 1000 * S, 1000 * S, MIDDLE), 1000 * S);
	ck_assert_uint_eq(msv_schedule_next(&usual, 3, 1000 * S, 0, MIDDLE), 0);
}
END_TEST

/* Every attempt of a lifetime: each later than the one before, the last at the end. */
START_TEST(test_lifetime)
{
	for (uint32_t random = 0; random < 16; random++) {
		uint64_t start = 1767225600 * S, end = start + 345600 * S, now = start;
		uint32_t attempt = 0;
		while (now < end) {
			uint64_t next =
			    msv_schedule_next(&usual, ++attempt, now, end, random * 0x11111111u);
			ck_assert_uint_gt(next, now);
			ck_assert_uint_le(next, end);
			now = next;
		}
		ck_assert_uint_eq(now, end);
		ck_assert_uint_gt(attempt, 28);
		ck_assert_uint_lt(attempt, 45);
	}
}
END_TEST

/* Numbers that make no sense do no harm. */
START_TEST(test_extremes)
{
	static const uint64_t numbers[] = { 0, 1, 2, 300, UINT32_MAX, UINT64_MAX / 2, UINT64_MAX };
	const size_t n = sizeof numbers / sizeof *numbers;

	for (size_t i = 0; i < n * n * n * n; i++) {
		struct queue_schedule schedule = { .first_s = numbers[i % n],
			.longest_s = numbers[i / n % n] };
		uint64_t now = numbers[i / n / n % n], end = numbers[i / n / n / n % n];
		for (uint32_t attempt = 0; attempt < 4; attempt++) {
			uint64_t next = msv_schedule_next(
			    &schedule, attempt == 3 ? UINT32_MAX : attempt, now, end, UINT32_MAX);
			ck_assert_uint_le(next, end);
			ck_assert(next >= now || next == end);
		}
	}
}
END_TEST

int main(void)
{
	Suite *s = suite_create("schedule");

	check_case(s, "schedule", test_grows, test_jitter, test_defaults, test_expiry,
	    test_lifetime, test_extremes);
	return check_main(s);
}
