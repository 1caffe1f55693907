/* The throttle under a clock that the test moves. */
#include "auth_test.h"

static struct msv_test_env *t;
static struct msv_env *env;
static struct msv_throttle *throttle;
static const struct msv_auth *inner, *auth;

static void setup(void)
{
	static const char *const users[] = { "ann", "pw", "bob", "pw", NULL };

	ck_assert_int_eq(msv_test_env_new(0, &t), 0);
	env = msv_test_env(t);
	inner = msv_test_auth(t, users);
	throttle = NULL;
}

static void teardown(void)
{
	msv_throttle_free(throttle);
	ck_assert_uint_eq(msv_test_env_free(t), 0);
}

static void start(const struct msv_throttle_options *options)
{
	msv_throttle_free(throttle);
	ck_assert_int_eq(msv_throttle_new(env, inner, options, &throttle), 0);
	auth = msv_throttle_auth(throttle);
}

/* Asks without waiting. */
static struct msv_op *begin(
    struct answer *a, const char *address, const char *user, const char *password)
{
	struct msv_auth_question q = question(user, password);
	struct msv_op *op;

	*a = (struct answer){ 0 };
	op = msv_op_new(env, on_account, a);
	q.peer_address = address;
	auth->verify(auth->self, &q, (struct msv_auth_op){ op });
	msv_test_run(t);
	return op;
}

/* How many milliseconds a login takes; its error must be as expected. */
static unsigned takes(const char *address, const char *user, const char *password, int error)
{
	struct answer a;
	unsigned ms = 0;

	begin(&a, address, user, password);
	for (; a.calls == 0; ms += 100) {
		ck_assert_uint_lt(ms, 100000);
		msv_test_advance(t, 100);
	}
	ck_assert_int_eq(a.error, error);
	return ms;
}

#define HOME "192.0.2.1"
#define AWAY "198.51.100.1"

START_TEST(right_password)
{
	start(NULL);
	for (int i = 0; i < 50; i++)
		ck_assert_uint_eq(takes(HOME, "ann", "pw", 0), 0);
	ck_assert_uint_eq(auth->mechanisms(auth->self), inner->mechanisms(inner->self));
	ck_assert_int_eq(lookup(t, auth, "ann").error, 0);
	ck_assert_int_eq(scram_login(t, auth, "n,,", "ann", "pw").error, 0);
	struct answer a;
	begin(&a, HOME, "ann", "pw");
	ck_assert_str_eq(a.account, "ann");
}
END_TEST

/* 2 s for a failure; held back 2, 4, 8, 15, 15 s before the next guess. */
START_TEST(delays_of_an_address)
{
	static const unsigned expected[] = { 2000, 4000, 6000, 10000, 17000, 17000 };
	char guess[16];

	start(NULL);
	for (int i = 0; i < 6; i++) {
		snprintf(guess, sizeof(guess), "guess%d", i);
		ck_assert_uint_eq(takes(HOME, "ann", guess, MSV_ERR_AUTH), expected[i]);
	}
	ck_assert_uint_eq(takes(AWAY, "ann", "guess", MSV_ERR_AUTH), 2000);
	/* The right password waits too, and is then forgiven: all were ann's. */
	ck_assert_uint_eq(takes(HOME, "ann", "pw", 0), 15000);
	ck_assert_uint_eq(takes(HOME, "ann", "pw", 0), 0);
}
END_TEST

START_TEST(unknown_users_alike)
{
	start(NULL);
	ck_assert_uint_eq(takes(HOME, "nobody", "x", MSV_ERR_AUTH), 2000);
	ck_assert_uint_eq(takes(HOME, "nobody", "y", MSV_ERR_AUTH), 4000);
	ck_assert_uint_eq(takes(HOME, "ann", "z", MSV_ERR_AUTH), 6000);
}
END_TEST

/* Who guesses at others and owns an account is not forgiven by logging in. */
START_TEST(no_reset_by_own_account)
{
	start(NULL);
	ck_assert_uint_eq(takes(HOME, "ann", "1", MSV_ERR_AUTH), 2000);
	ck_assert_uint_eq(takes(HOME, "bob", "pw", 0), 2000);
	ck_assert_uint_eq(takes(HOME, "ann", "2", MSV_ERR_AUTH), 4000);
	ck_assert_uint_eq(takes(HOME, "bob", "typo", MSV_ERR_AUTH), 6000);
	ck_assert_uint_eq(takes(HOME, "bob", "pw", 0), 8000);
	ck_assert_uint_eq(takes(HOME, "ann", "3", MSV_ERR_AUTH), 10000);
}
END_TEST

/* A device with an outdated password is one failure, not a thousand. */
START_TEST(same_guess_again)
{
	start(NULL);
	ck_assert_uint_eq(takes(HOME, "ann", "old", MSV_ERR_AUTH), 2000);
	for (int i = 0; i < 30; i++)
		ck_assert_uint_eq(takes(HOME, "ann", "old", MSV_ERR_AUTH), 4000);
	ck_assert_uint_eq(takes(AWAY, "ann", "new", MSV_ERR_AUTH), 2000);
	/* The same word for another account is another guess. */
	ck_assert_uint_eq(takes(HOME, "bob", "old", MSV_ERR_AUTH), 4000);
	ck_assert_uint_eq(takes(HOME, "ann", "x", MSV_ERR_AUTH), 6000);
}
END_TEST

START_TEST(forgotten)
{
	start(NULL);
	ck_assert_uint_eq(takes(HOME, "ann", "1", MSV_ERR_AUTH), 2000);
	ck_assert_uint_eq(takes(HOME, "ann", "2", MSV_ERR_AUTH), 4000);
	msv_test_advance(t, 897000);
	ck_assert_uint_eq(takes(HOME, "ann", "3", MSV_ERR_AUTH), 6000);
	msv_test_advance(t, 900000);
	ck_assert_uint_eq(takes(HOME, "ann", "4", MSV_ERR_AUTH), 2000);
}
END_TEST

START_TEST(addresses)
{
	start(NULL);
	/* A /64 is one place; so are an IPv4 address and its mapped form. */
	ck_assert_uint_eq(takes("2001:db8:1:2::1", "ann", "1", MSV_ERR_AUTH), 2000);
	ck_assert_uint_eq(takes("2001:db8:1:2:ffff::2", "ann", "2", MSV_ERR_AUTH), 4000);
	ck_assert_uint_eq(takes("2001:db8:1:3::1", "ann", "3", MSV_ERR_AUTH), 2000);
	ck_assert_uint_eq(takes("192.0.2.9", "ann", "4", MSV_ERR_AUTH), 2000);
	ck_assert_uint_eq(takes("::ffff:192.0.2.9", "ann", "5", MSV_ERR_AUTH), 4000);
	ck_assert_uint_eq(takes("192.0.2.10", "ann", "6", MSV_ERR_AUTH), 2000);
	/* A local socket has no address: only the account counts. */
	ck_assert_uint_eq(takes(NULL, "ann", "7", MSV_ERR_AUTH), 2000);
	ck_assert_uint_eq(takes(NULL, "ann", "8", MSV_ERR_AUTH), 2000);
	ck_assert_uint_eq(takes("something", "ann", "9", MSV_ERR_AUTH), 2000);
	ck_assert_uint_eq(takes("something", "ann", "10", MSV_ERR_AUTH), 4000);
}
END_TEST

/* Guessed at from everywhere, an account is slowed for all. */
START_TEST(account_from_everywhere)
{
	struct msv_throttle_options options = { .size = sizeof(options), .account_failures = 5 };
	char address[32], guess[16];

	start(&options);
	for (int i = 0; i < 6; i++) {
		snprintf(address, sizeof(address), "10.0.0.%d", i);
		snprintf(guess, sizeof(guess), "guess%d", i);
		ck_assert_uint_eq(takes(address, i % 2 ? "ANN" : "ann", guess, MSV_ERR_AUTH), 2000);
	}
	ck_assert_uint_eq(takes(HOME, "ann", "pw", 0), 2000);
	ck_assert_uint_eq(takes("10.1.0.1", "ann", "x", MSV_ERR_AUTH), 4000);
	ck_assert_uint_eq(takes(HOME, "ann", "pw", 0), 4000); /* the right password does not help */
	ck_assert_uint_eq(takes(HOME, "bob", "pw", 0), 0);
}
END_TEST

START_TEST(options_are_taken)
{
	struct msv_throttle_options options = { .size = sizeof(options),
		.failure_delay_ms = 100,
		.address_delay_ms = 300,
		.address_delay_max_ms = 1000,
		.forget_s = 60 };

	start(&options);
	ck_assert_uint_eq(takes(HOME, "ann", "1", MSV_ERR_AUTH), 100);
	ck_assert_uint_eq(takes(HOME, "ann", "2", MSV_ERR_AUTH), 400);
	ck_assert_uint_eq(takes(HOME, "ann", "3", MSV_ERR_AUTH), 700);
	ck_assert_uint_eq(takes(HOME, "ann", "4", MSV_ERR_AUTH), 1100);
	ck_assert_uint_eq(takes(HOME, "ann", "5", MSV_ERR_AUTH), 1100);
	msv_test_advance(t, 60000);
	ck_assert_uint_eq(takes(HOME, "ann", "6", MSV_ERR_AUTH), 100);
}
END_TEST

/* While a login is held back the source is not asked. */
static int asked;
static void counting_verify(void *self, const struct msv_auth_question *q, struct msv_auth_op op)
{
	const struct msv_auth *source = self;

	asked++;
	source->verify(source->self, q, op);
}

START_TEST(held_before_asking)
{
	struct msv_auth counting = { .size = sizeof(counting), .self = (void *)inner };
	struct answer a, b;

	counting.verify = counting_verify;
	msv_throttle_free(throttle);
	ck_assert_int_eq(msv_throttle_new(env, &counting, NULL, &throttle), 0);
	auth = msv_throttle_auth(throttle);
	ck_assert_ptr_null(auth->scram_keys);
	ck_assert_ptr_null(auth->lookup);
	ck_assert_ptr_null(auth->mechanisms);
	takes(HOME, "ann", "1", MSV_ERR_AUTH);
	asked = 0;
	begin(&a, HOME, "ann", "2");
	msv_test_advance(t, 1900);
	ck_assert_int_eq(asked, 0);
	/* Hanging up while held costs nothing and asks nothing. */
	msv_op_cancel(begin(&b, HOME, "ann", "3"));
	msv_test_advance(t, 100);
	ck_assert_int_eq(asked, 1);
	ck_assert_int_eq(a.calls, 0);
	msv_test_advance(t, 2000);
	ck_assert_int_eq(a.calls, 1);
	msv_test_advance(t, 60000);
	ck_assert_int_eq(asked, 1);
	ck_assert_int_eq(b.calls, 0);
	msv_throttle_free(throttle);
	throttle = NULL;
}
END_TEST

/* Hanging up before the late answer does not undo the failure. */
START_TEST(counted_when_hung_up)
{
	struct answer a;

	start(NULL);
	struct msv_op *op = begin(&a, HOME, "ann", "1");
	msv_test_advance(t, 500);
	msv_op_cancel(op);
	msv_test_run(t);
	ck_assert_int_eq(a.calls, 0);
	ck_assert_uint_eq(takes(HOME, "ann", "2", MSV_ERR_AUTH), 4000);
}
END_TEST

START_TEST(waiting_is_bounded)
{
	struct msv_throttle_options options = { .size = sizeof(options), .waiting_max = 3 };
	struct answer a[3], b;

	start(&options);
	begin(&a[0], HOME, "ann", "a");
	begin(&a[1], "192.0.2.2", "ann", "b");
	begin(&a[2], "192.0.2.3", "ann", "c");
	begin(&b, AWAY, "ann", "x");
	ck_assert_int_eq(b.calls, 1);
	ck_assert_int_eq(b.error, MSV_ERR_BUSY);
	/* Who is right and under no penalty needs no place. */
	ck_assert_uint_eq(takes("203.0.113.1", "ann", "pw", 0), 0);
	begin(&b, HOME, "ann", "pw");
	ck_assert_int_eq(b.error, MSV_ERR_BUSY);
	msv_test_advance(t, 2000);
	for (int i = 0; i < 3; i++)
		ck_assert_int_eq(a[i].error, MSV_ERR_AUTH);
	begin(&b, HOME, "bob", "pw");
	ck_assert_int_eq(b.calls, 0);
	msv_test_advance(t, 15000);
	ck_assert_int_eq(b.error, 0);
	/* What was refused for want of a place was counted all the same. */
	ck_assert_uint_eq(takes(AWAY, "ann", "y", MSV_ERR_AUTH), 4000);
}
END_TEST

/* Denied, busy and broken are neither counted nor delayed. */
static int inner_error;
static void failing_verify(void *self, const struct msv_auth_question *q, struct msv_auth_op op)
{
	(void)self;
	(void)q;
	msv_op_answer(op.op, inner_error);
}

START_TEST(other_errors)
{
	struct msv_auth failing = { .size = sizeof(failing), .verify = failing_verify };
	static const int errors[] = { MSV_ERR_DENIED, MSV_ERR_BUSY, MSV_ERR_IO, MSV_ERR_NOMEM };

	ck_assert_int_eq(msv_throttle_new(env, &failing, NULL, &throttle), 0);
	auth = msv_throttle_auth(throttle);
	for (size_t i = 0; i < 4; i++) {
		inner_error = errors[i];
		ck_assert_uint_eq(takes(HOME, "ann", "pw", errors[i]), 0);
	}
	inner_error = MSV_ERR_AUTH;
	ck_assert_uint_eq(takes(HOME, "ann", "pw", MSV_ERR_AUTH), 2000);
	msv_throttle_free(throttle);
	throttle = NULL;
}
END_TEST

START_TEST(scram_is_throttled)
{
	struct msv_auth_question q = question("ann", NULL);
	struct answer a = { 0 };

	start(NULL);
	ck_assert_int_eq(scram_keys(t, auth, "ann").error, 0);
	auth->scram_result(
	    auth->self, &q, false, (struct msv_auth_op){ msv_op_new(env, on_account, &a) });
	msv_test_advance(t, 1900);
	ck_assert_int_eq(a.calls, 0);
	msv_test_advance(t, 100);
	ck_assert_int_eq(a.error, MSV_ERR_AUTH);
	a = (struct answer){ 0 };
	auth->scram_result(
	    auth->self, &q, true, (struct msv_auth_op){ msv_op_new(env, on_account, &a) });
	msv_test_advance(t, 1900);
	ck_assert_int_eq(a.calls, 0);
	msv_test_advance(t, 100);
	ck_assert_int_eq(a.error, 0);
	ck_assert_str_eq(a.account, "ann");
}
END_TEST

START_TEST(freed_with_logins)
{
	struct answer held, late;

	start(NULL);
	takes(HOME, "ann", "1", MSV_ERR_AUTH);
	begin(&held, HOME, "ann", "2");
	begin(&late, AWAY, "ann", "3");
	msv_throttle_free(throttle);
	throttle = NULL;
	msv_test_run(t);
	ck_assert_int_eq(held.calls, 1);
	ck_assert_int_eq(held.error, MSV_ERR_BUSY);
	ck_assert_int_eq(late.error, MSV_ERR_BUSY);
}
END_TEST

/* Freed while the source has not answered. */
static struct msv_auth_op kept;
static void late_verify(void *self, const struct msv_auth_question *q, struct msv_auth_op op)
{
	(void)self;
	(void)q;
	kept = op;
}

START_TEST(freed_while_asked)
{
	struct msv_auth late = { .size = sizeof(late), .verify = late_verify };
	struct answer a;

	for (int answered = 0; answered < 2; answered++) {
		ck_assert_int_eq(msv_throttle_new(env, &late, NULL, &throttle), 0);
		auth = msv_throttle_auth(throttle);
		begin(&a, HOME, "ann", "pw");
		if (answered)
			msv_op_answer(kept.op, MSV_ERR_AUTH);
		msv_throttle_free(throttle);
		throttle = NULL;
		if (!answered)
			msv_op_answer(kept.op, MSV_ERR_AUTH);
		msv_test_run(t);
		ck_assert_int_eq(a.calls, 1);
		ck_assert_int_eq(a.error, MSV_ERR_BUSY);
	}
	/* Canceled by the asker: the source hears of it. */
	ck_assert_int_eq(msv_throttle_new(env, &late, NULL, &throttle), 0);
	auth = msv_throttle_auth(throttle);
	msv_op_cancel(begin(&a, HOME, "ann", "pw"));
	ck_assert(msv_op_canceled(kept.op));
	msv_op_answer(kept.op, MSV_ERR_AUTH);
	msv_test_run(t);
	ck_assert_int_eq(a.calls, 0);
	msv_throttle_free(throttle);
	throttle = NULL;
}
END_TEST

/* One failed login; MSV_ERR_AUTH or MSV_ERR_NOMEM. */
static int fail_short_of_memory(void)
{
	struct msv_auth_question q = question("ann", "wrong");
	struct answer a = { 0 };
	int error = msv_throttle_new(env, inner, NULL, &throttle);

	if (error)
		return error;
	auth = msv_throttle_auth(throttle);
	struct msv_op *op = msv_op_new(env, on_account, &a);
	if (!op)
		return MSV_ERR_NOMEM;
	auth->verify(auth->self, &q, (struct msv_auth_op){ op });
	msv_test_advance(t, 2000);
	ck_assert_int_eq(a.calls, 1);
	return a.error;
}

START_TEST(no_memory)
{
	/* Far more than a login allocates; some failures it can do without. */
	for (uint64_t i = 0; i < 40; i++) {
		msv_test_fail_alloc(t, i, false);
		int error = fail_short_of_memory();
		msv_test_fail_alloc(t, UINT64_MAX, false);
		msv_throttle_free(throttle);
		throttle = NULL;
		ck_assert(error == MSV_ERR_AUTH || (error == MSV_ERR_NOMEM && i < 20));
	}
}
END_TEST

/* -- The memory of failures ------------------------------------------------------------ */

static struct msv_penalty_id id_of(uint32_t n)
{
	struct msv_penalty_id id = { { 0 } };

	memcpy(id.b, &n, sizeof(n));
	id.b[8] = (uint8_t)(n >> 3); /* chains of equal heads */
	return id;
}

START_TEST(entries_are_bounded)
{
	struct msv_penalties *table;
	struct msv_penalty_id id;

	ck_assert_int_eq(msv_penalties_new(env, 100, 1000, &table), 0);
	for (uint32_t i = 0; i < 100000; i++) {
		id = id_of(i);
		msv_penalties_count(table, &id, &id, NULL, 5);
		/* One that keeps failing is not pushed out. */
		id = id_of(UINT32_MAX);
		if (i % 50 == 0)
			msv_penalties_count(table, &id, &id, NULL, 5);
	}
	size_t known = 0;
	for (uint32_t i = 0; i < 100000; i++) {
		id = id_of(i);
		struct msv_penalty *e = msv_penalties_find(table, &id, 6);
		known += e != NULL;
		ck_assert(!e || i >= 99900);
		ck_assert(!e || e->failures == 1);
	}
	ck_assert_uint_eq(known, 99);
	id = id_of(UINT32_MAX);
	ck_assert_uint_eq(msv_penalties_find(table, &id, 6)->failures, 2000);
	ck_assert_ptr_null(msv_penalties_find(table, &id, 1005));
	ck_assert_uint_lt(msv_test_memory(t), 65536);
	msv_penalties_free(env, table);
	msv_penalties_free(env, NULL);
}
END_TEST

int main(void)
{
	return auth_main("throttle", setup, teardown, right_password, delays_of_an_address,
	    unknown_users_alike, no_reset_by_own_account, same_guess_again, forgotten, addresses,
	    account_from_everywhere, options_are_taken, held_before_asking, counted_when_hung_up,
	    waiting_is_bounded, other_errors, scram_is_throttled, freed_with_logins,
	    freed_while_asked, no_memory, entries_are_bounded);
}
