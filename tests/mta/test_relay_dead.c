/* Hosts that cannot be reached: few connections are tried, all senders are told in
 * time, and all mail goes out when they are back. */
#include "relay_rig.h"

#define ZONE \
	"dead.example MX 10 mx1.dead.example\n" \
	"dead.example MX 20 mx2.dead.example\n" \
	"also.example MX 10 mx1.dead.example\n" \
	"mx1.dead.example A 192.0.2.1\n" \
	"mx2.dead.example A 192.0.2.2\n" \
	"good.example A 192.0.2.3\n" \
	"sender.example A 192.0.2.200\n"

static struct host *mx1, *mx2, *bounces;

static void setup(void)
{
	rig_new(ZONE);
	mx1 = rig_host("192.0.2.1");
	mx2 = rig_host("192.0.2.2");
	bounces = rig_host("192.0.2.200");
	mx1->error = mx2->error = MSV_ERR_IO;
}

static void fill(const char *to, int n)
{
	bool paused = msv_relay_paused(rig.relay);
	msv_relay_pause(rig.relay, true);
	for (int i = 0; i < n; i++)
		rig_add(to);
	msv_relay_pause(rig.relay, paused);
}

START_TEST(few_connections_to_a_dead_host)
{
	rig_start();
	fill("bob@dead.example", 1000);
	msv_test_advance(rig.test, 2 * HOUR);
	/* After 1, 2, 4, ... minutes, then each hour. */
	ck_assert_uint_le(mx1->connects, 10);
	ck_assert_uint_ge(mx1->connects, 6);
	ck_assert_uint_le(mx2->connects, 10);
	ck_assert_uint_eq(rig_stats().messages, 1000);
	ck_assert_uint_eq(rig_stats().failed, 0);
	/* They come back: the next try takes all the rest with it. */
	mx1->error = 0;
	msv_test_advance(rig.test, 2 * HOUR);
	ck_assert_uint_eq(mx1->messages, 1000);
	ck_assert_uint_eq(rig_stats().messages, 0);
}
END_TEST

static void on_changed(void *user, int error, const void *result)
{
	(void)user, (void)result;
	ck_assert_int_eq(error, 0);
}

START_TEST(an_administrator_need_not_wait)
{
	struct msv_queue_change_op op;
	rig_start();
	rig_add("bob@dead.example");
	msv_test_advance(rig.test, 3 * HOUR);
	mx1->error = 0;
	unsigned before = mx1->connects;
	msv_test_advance(rig.test, 1000);
	ck_assert_uint_eq(mx1->connects, before);
	op.op = msv_op_new(rig.env, on_changed, NULL);
	msv_queue_change(rig.queue, MSV_QUEUE_RETRY, NULL, op);
	msv_test_advance(rig.test, 1000);
	ck_assert_uint_eq(mx1->messages, 1);
}
END_TEST

START_TEST(others_are_not_held_up)
{
	struct host *good = rig_host("192.0.2.3");
	rig.options.connections = 3;
	rig_start();
	fill("bob@dead.example", 100);
	fill("bob@good.example", 100);
	msv_test_advance(rig.test, 5000);
	ck_assert_uint_eq(good->messages, 100);
}
END_TEST

START_TEST(a_time_out_takes_its_time)
{
	mx1->error = mx2->error = MSV_ERR_TIMEOUT;
	rig_start();
	fill("bob@dead.example", 100);
	msv_test_advance(rig.test, HOUR);
	ck_assert_uint_le(mx1->connects, 8);
	const char *log = rig_log();
	ck_assert_uint_le(count_of(log, "info: mta deferred"), 8);
	ck_assert_uint_ge(count_of(log, "info: mta deferred"), 3);
}
END_TEST

START_TEST(destinations_share_what_is_known_of_a_host)
{
	rig_start();
	rig_add("bob@also.example");
	msv_test_advance(rig.test, 1000);
	ck_assert_uint_eq(mx1->connects, 1);
	rig_add("bob@dead.example");
	msv_test_advance(rig.test, 1000);
	ck_assert_uint_eq(mx1->connects, 1);
	ck_assert_uint_eq(mx2->connects, 1);
	mx1->error = mx2->error = 0;
	msv_test_advance(rig.test, 20 * MINUTE);
	ck_assert_uint_eq(mx1->messages + mx2->messages, 2);
}
END_TEST

START_TEST(all_senders_are_warned_once)
{
	rig_start();
	fill("bob@dead.example", 50);
	msv_test_advance(rig.test, 3 * HOUR);
	ck_assert_uint_eq(bounces->messages, 0);
	msv_test_advance(rig.test, 2 * HOUR + 15 * MINUTE);
	ck_assert_uint_eq(bounces->messages, 50);
	ck_assert_has(bounces->text, "MAIL FROM:<>");
	ck_assert_has(bounces->text, "RCPT TO:<me@sender.example>");
	ck_assert_has(bounces->text, "Action: delayed");
	msv_test_advance(rig.test, 40 * HOUR);
	ck_assert_uint_eq(bounces->messages, 50);
	ck_assert_uint_eq(rig_stats().failed, 0);
}
END_TEST

START_TEST(all_are_given_up_in_the_end)
{
	rig.options.warn_s = UINT32_MAX;
	rig.options.lifetime_s = 86400;
	rig_start();
	msv_relay_pause(rig.relay, true);
	for (int i = 0; i < 50; i++) {
		struct queue_message m = { .expires = msv_env_realtime(rig.env) + 86400 * SECOND };
		struct queue_recipient r = { .address = "bob@dead.example" };
		ck_assert_int_eq(rig_try_add(&m, &r, 1), 0);
	}
	msv_relay_pause(rig.relay, false);
	msv_test_advance(rig.test, 23 * HOUR);
	ck_assert_uint_eq(rig_stats().failed, 0);
	ck_assert_uint_eq(bounces->messages, 0);
	rig_log();
	msv_test_advance(rig.test, 2 * HOUR + 15 * MINUTE);
	ck_assert_uint_eq(rig_stats().failed, 50);
	ck_assert_uint_eq(bounces->messages, 50);
	ck_assert_has(bounces->text, "Action: failed");
	ck_assert_has(bounces->text, ".4.7");
	ck_assert_has(rig_log(), "status=4.4.7 reason=\"Given up after 24 hours; last: ");
	ck_assert_uint_eq(rig_stats().messages, 0);
	/* Once an hour and a few times at the beginning and the end. */
	ck_assert_uint_le(mx1->connects, 40);
}
END_TEST

START_TEST(a_restart_forgets_no_warning)
{
	rig_start();
	fill("bob@dead.example", 5);
	msv_test_advance(rig.test, 3 * HOUR);
	rig_stop();
	rig_start();
	msv_test_advance(rig.test, 2 * HOUR + 15 * MINUTE);
	ck_assert_uint_eq(bounces->messages, 5);
	rig_stop();
	rig_start();
	msv_test_advance(rig.test, 10 * HOUR);
	ck_assert_uint_eq(bounces->messages, 5);
}
END_TEST

START_TEST(what_is_remembered_is_bounded)
{
	char name[64];
	struct relay_peers peers;
	ck_assert_int_eq(msv_relay_peers_init(&peers, rig.env, 7), 0);
	struct relay_peer *used = msv_relay_peer(&peers, "used.example");
	used->sessions = 1;
	size_t before = 0;
	for (int i = 0; i < 20000; i++) {
		snprintf(name, sizeof name, "n%d.example", i);
		struct relay_peer *peer = msv_relay_peer(&peers, name);
		ck_assert_uint_eq(peer->limit, 7);
		msv_relay_peer_failed(&peers, peer, "no");
		if (i == 9999)
			before = msv_test_memory(rig.test);
	}
	ck_assert_uint_le(msv_test_memory(rig.test), before + 65536);
	ck_assert_ptr_eq(msv_relay_peer(&peers, "used.example"), used);
	used->sessions = 0;
	msv_relay_peers_fini(&peers);
}
END_TEST

START_TEST(the_wait_grows_and_ends)
{
	struct relay_peers peers;
	uint64_t last = 0;
	ck_assert_int_eq(msv_relay_peers_init(&peers, rig.env, 1), 0);
	struct relay_peer *peer = msv_relay_peer(&peers, "x");
	for (int i = 0; i < 12; i++) {
		uint64_t now = msv_env_realtime(rig.env);
		msv_relay_peer_failed(&peers, peer, "no");
		uint64_t wait = peer->blocked - now;
		msv_relay_peer_failed(&peers, peer, "no"); /* together with the first */
		ck_assert_uint_eq(peer->blocked - now, wait);
		ck_assert_uint_ge(wait, 60 * SECOND);
		ck_assert_uint_le(wait, 4050 * SECOND);
		ck_assert(i == 0 || i > 6 || wait > last);
		last = wait;
		msv_test_advance(rig.test, wait / 1000 + 1);
	}
	msv_relay_peer_works(&peers, peer, 5);
	ck_assert_uint_eq(peer->limit, 5);
	uint64_t now = msv_env_realtime(rig.env);
	msv_relay_peer_failed(&peers, peer, "no");
	ck_assert_uint_le(peer->blocked - now, 68 * SECOND);
	msv_relay_peers_fini(&peers);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("relay_dead");
	check_fixture_case(suite, "dead", setup, rig_close, few_connections_to_a_dead_host,
	    an_administrator_need_not_wait, others_are_not_held_up, a_time_out_takes_its_time,
	    destinations_share_what_is_known_of_a_host, all_senders_are_warned_once,
	    all_are_given_up_in_the_end, a_restart_forgets_no_warning,
	    what_is_remembered_is_bounded, the_wait_grows_and_ends);
	return check_main(suite);
}
