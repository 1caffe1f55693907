/* Without memory no mail is lost. */
#include "relay_rig.h"

#define ZONE \
	"one.example MX 10 mx1.one.example\n" \
	"one.example MX 20 mx2.one.example\n" \
	"mx1.one.example A 192.0.2.1\n" \
	"mx2.one.example A 192.0.2.2\n" \
	"two.example A 192.0.2.3\n" \
	"sender.example A 192.0.2.200\n"

static struct host *mx1, *mx2, *two, *home;

static void setup(void)
{
	rig_new(ZONE);
	mx1 = rig_host("192.0.2.1");
	mx2 = rig_host("192.0.2.2");
	two = rig_host("192.0.2.3");
	home = rig_host("192.0.2.200");
}

/* Something of everything: a dead host, a refusal with its bounce, a success told,
 * mailboxes. */
static int add_all(void)
{
	struct queue_recipient remote[] = { { .address = "bob@one.example" },
		{ .address = "bad@one.example" },
		{ .address = "eve@two.example", .notify = MSV_NOTIFY_SUCCESS } };
	struct queue_recipient local = { .kind = MSV_QUEUE_LOCAL,
		.address = "anna@example.org",
		.destination = RELAY_LOCAL,
		.account = "anna@example.org",
		.mailbox = "INBOX" };
	struct queue_message first = { 0 }, second = { 0 };
	mx1->error = MSV_ERR_IO;
	mx2->rcpts[0].part = "bad@";
	mx2->rcpts[0].reply = "550 5.1.1 no\r\n";
	int error = rig_try_add(&first, remote, 3);
	return error ? error : rig_try_add(&second, &local, 1);
}

static void check_end(void)
{
	struct msv_queue_stats stats = rig_stats();
	ck_assert_uint_eq(stats.messages, 0);
	ck_assert_uint_eq(stats.busy, 0);
}

/* The n-th allocation fails, whichever it is: all ends as it would have. */
START_TEST(every_allocation_fails_in_turn)
{
	uint64_t first = (uint64_t)_i * 40;
	for (uint64_t n = first; n < first + 40; n++) {
		unsigned before = mx2->messages, bounced = home->messages;
		rig_start();
		msv_relay_pause(rig.relay, true);
		ck_assert_int_eq(add_all(), 0);
		msv_relay_pause(rig.relay, false);
		msv_test_fail_alloc(rig.test, n, false);
		msv_test_advance(rig.test, 1000);
		msv_test_fail_alloc(rig.test, UINT64_MAX, false);
		msv_test_advance(rig.test, 2 * HOUR);
		check_end();
		/* At least once; a connection that broke at its end may have been twice. */
		ck_assert_uint_ge(mx2->messages, before + 1);
		ck_assert_uint_ge(home->messages, bounced + 1);
		rig_stop();
	}
}
END_TEST

START_TEST(no_memory_at_all_for_a_while)
{
	rig_start();
	msv_relay_pause(rig.relay, true);
	ck_assert_int_eq(add_all(), 0);
	msv_relay_pause(rig.relay, false);
	msv_test_fail_alloc(rig.test, (uint64_t)_i * 7, true);
	msv_test_advance(rig.test, 10 * MINUTE);
	msv_test_fail_alloc(rig.test, UINT64_MAX, false);
	msv_test_advance(rig.test, 3 * HOUR);
	check_end();
}
END_TEST

START_TEST(starting_without_memory)
{
	static const struct msv_mta_route routes[] = {
		{ .size = sizeof *routes,
		    .domain = "a.example",
		    .kind = MSV_ROUTE_SMARTHOST,
		    .host = "hub.example",
		    .source = "192.0.2.9",
		    .helo = "h" },
		{ .size = sizeof *routes,
		    .domain = "b.example",
		    .kind = MSV_ROUTE_LMTP,
		    .path = "/x" },
	};
	static const char *const own[] = { "192.0.2.7", "192.0.2.8" };
	int error = MSV_ERR_NOMEM;
	rig.options.routes = routes;
	rig.options.nroutes = 2;
	rig.options.own_addresses = own;
	rig.options.nown_addresses = 2;
	struct msv_queue_options queue = { .size = sizeof queue, .directory = rig.directory };
	ck_assert_int_eq(msv_queue_open(rig.env, &queue, &rig.queue), 0);
	rig.options.queue = rig.queue;
	for (uint64_t n = 0; error; n++) {
		msv_test_fail_alloc(rig.test, n, false);
		error = msv_relay_new(rig.env, &rig.options, NULL, &rig.relay);
		ck_assert(error == 0 || error == MSV_ERR_NOMEM);
		ck_assert_uint_lt(n, 1000);
	}
	msv_test_fail_alloc(rig.test, UINT64_MAX, false);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("relay_nomem");
	TCase *tcase = tcase_create("nomem");
	tcase_add_checked_fixture(tcase, setup, rig_close);
	tcase_add_loop_test(tcase, every_allocation_fails_in_turn, 0, 19);
	tcase_add_loop_test(tcase, no_memory_at_all_for_a_while, 0, 20);
	tcase_add_test(tcase, starting_without_memory);
	tcase_set_timeout(tcase, 120);
	suite_add_tcase(suite, tcase);
	return check_main(suite);
}
