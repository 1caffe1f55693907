/* No mail is lost: ended at any moment, and among hosts that do whatever comes to their
 * mind. */
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

/* -- An end at any moment ------------------------------------------------------------------ */

START_TEST(an_end_at_any_moment)
{
	msv_test_transport_late(rig.transport, 7);
	msv_test_dns_late(rig.dns, 5);
	for (int round = 0; round < 12; round++) {
		rig_start();
		if (round == 0)
			ck_assert_int_eq(add_all(), 0);
		msv_test_advance(rig.test, (uint64_t)(_i * 3 + round));
		/* In the middle of things: no job has been run for a while. */
		msv_relay_free(rig.relay);
		rig.relay = NULL;
		rig_stop();
	}
	rig_start();
	msv_test_advance(rig.test, 5 * HOUR);
	check_end();
	ck_assert_uint_ge(mx2->messages, 1);
	ck_assert_uint_ge(home->messages, 1);
}
END_TEST

/* Steps of a few jobs and no more, then the end. */
START_TEST(an_end_after_so_many_steps)
{
	rig_start();
	msv_relay_pause(rig.relay, true);
	ck_assert_int_eq(add_all(), 0);
	msv_relay_pause(rig.relay, false);
	for (int i = 0; i < _i; i++)
		msv_env_tick(rig.env);
	rig_stop();
	rig_start();
	msv_test_advance(rig.test, 5 * HOUR);
	check_end();
}
END_TEST

/* -- Hosts that do as they please ---------------------------------------------------------------- */

static uint32_t state;

static unsigned chance(unsigned n)
{
	state = state * 1664525u + 1013904223u;
	return (state >> 16) % n;
}

static const char *pick(const char *const *words, size_t n)
{
	return chance(2) ? NULL : words[chance((unsigned)n)];
}

static void change_mind(struct host *host)
{
	static const char *const greetings[] = { "220 x\r\n", "421 4.3.2 no\r\n", "554 no\r\n",
		"250 what\r\n", "\r\n", "220-a\r\n220 b\r\n" };
	static const char *const ehlos[] = { "250 x\r\n", "502 no\r\n",
		"250-x\r\n250 PIPELINING\r\n", "421 no\r\n", "250-x\r\n250-DSN\r\n250 SIZE 5\r\n" };
	static const char *const answers[] = { "250 ok\r\n", "451 4.7.1 grey\r\n",
		"421 4.3.2 bye\r\n", "450 x\r\n", "452 4.5.3 too many recipients\r\n",
		"999 x\r\n" };
	static const char *const ends[] = { "250 ok\r\n", "451 later\r\n", "421 bye\r\n" };
	static const int errors[] = { 0, 0, 0, MSV_ERR_IO, MSV_ERR_TIMEOUT, MSV_ERR_UNSUPPORTED };
	host->error = errors[chance(6)];
	host->greeting = pick(greetings, 6);
	host->ehlo = pick(ehlos, 5);
	host->mail = pick(answers, 6);
	host->rcpts[0].part = chance(2) ? "1@" : "@";
	host->rcpts[0].reply = answers[chance(6)];
	host->data = chance(4) ? NULL : answers[1 + chance(4)];
	host->end = pick(ends, 3);
	host->silent_end = chance(6) == 0;
	host->most = chance(3);
	host->messages_max = chance(4);
}

static void calm_down(struct host *host)
{
	host->error = 0;
	host->greeting = host->ehlo = host->mail = host->data = host->end = NULL;
	host->rcpts[0].part = NULL;
	host->silent_end = false;
	host->most = host->messages_max = 0;
}

static void add_any(void)
{
	static const char *const domains[] = { "one.example", "two.example", "nowhere.example" };
	char names[4][40];
	struct queue_recipient r[4];
	struct queue_message m = { 0 };
	size_t n = 1 + chance(4);
	for (size_t i = 0; i < n; i++) {
		snprintf(names[i], sizeof names[i], "u%zu@%s", i, domains[chance(3)]);
		r[i] = (struct queue_recipient){ .address = names[i], .notify = chance(16) & 14 };
	}
	ck_assert_int_eq(rig_try_add(&m, r, n), 0);
}

START_TEST(any_hosts)
{
	struct host *hosts[] = { mx1, mx2, two, home };
	state = (uint32_t)_i * 2654435761u + 1;
	rig.options.connections = 1 + chance(6);
	rig.options.destination_connections = 1 + chance(4);
	rig.options.host_connections = 1 + chance(3);
	rig.options.connection_messages = 1 + chance(5);
	rig.options.transaction_recipients = 1 + chance(5);
	rig_start();
	msv_test_transport_late(rig.transport, chance(200));
	for (int round = 0; round < 30; round++) {
		change_mind(hosts[chance(4)]);
		if (chance(2))
			add_any();
		if (chance(12) == 0)
			msv_test_transport_cut(rig.transport);
		if (chance(12) == 0) {
			rig_stop();
			rig_start();
		}
		msv_relay_pause(rig.relay, chance(8) == 0);
		msv_test_advance(rig.test, chance(2) ? chance(3000) : chance(1000) * 1000);
		ck_assert_uint_le(rig.world.open_most, rig.options.connections);
	}
	for (size_t i = 0; i < 4; i++)
		calm_down(hosts[i]);
	msv_relay_pause(rig.relay, false);
	msv_test_advance(rig.test, 12 * HOUR);
	check_end();
	ck_assert_uint_eq(rig.world.open, 0);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("relay_any");
	TCase *tcase = tcase_create("any");
	tcase_add_checked_fixture(tcase, setup, rig_close);
	tcase_add_loop_test(tcase, an_end_at_any_moment, 0, 10);
	tcase_add_loop_test(tcase, an_end_after_so_many_steps, 0, 30);
	tcase_add_loop_test(tcase, any_hosts, 0, 100);
	tcase_set_timeout(tcase, 120);
	suite_add_tcase(suite, tcase);
	return check_main(suite);
}
