/* Mail goes out: addresses one after the other, connections used again, answers taken
 * for what they are. */
#include "relay_rig.h"

#define ZONE \
	"one.example MX 10 mx1.one.example\n" \
	"one.example MX 20 mx2.one.example\n" \
	"mx1.one.example A 192.0.2.1\n" \
	"mx2.one.example A 192.0.2.2\n" \
	"two.example MX 10 mx.two.example\n" \
	"mx.two.example A 192.0.2.3\n" \
	"mx.two.example AAAA 2001:db8::3\n" \
	"null.example MX 0 .\n" \
	"host.example A 192.0.2.4\n" \
	"broken.example SERVFAIL\n" \
	"sender.example A 192.0.2.200\n"

static void setup(void)
{
	rig_new(ZONE);
}

static void run(void)
{
	msv_test_advance(rig.test, 1000);
}

START_TEST(sends)
{
	struct host *mx1 = rig_host("192.0.2.1");
	rig_start();
	rig_add("bob@one.example");
	run();
	ck_assert_uint_eq(mx1->messages, 1);
	ck_assert_has(mx1->said, "EHLO us.example.org\n");
	ck_assert_has(mx1->text, "MAIL FROM:<me@sender.example>");
	ck_assert_has(mx1->text, "RCPT TO:<bob@one.example>\n");
	ck_assert_has(mx1->text, "Subject: hello\n\nA line\n..dot\n");
	ck_assert_uint_eq(rig_stats().messages, 0);
	ck_assert_uint_eq(rig_stats().delivered, 1);
	const char *log = rig_log();
	ck_assert_has(log, "info: mta sent id=m00001 from=me@sender.example to=bob@one.example "
	                   "destination=one.example host=mx1.one.example[192.0.2.1] result=250 "
	                   "status=2.0.0 reason=yes delay=0");
}
END_TEST

START_TEST(tries_the_next_address)
{
	struct host *mx1 = rig_host("192.0.2.1"), *mx2 = rig_host("192.0.2.2");
	mx1->error = MSV_ERR_IO;
	rig_start();
	rig_add("bob@one.example");
	run();
	ck_assert_str_eq(rig.world.connects, "192.0.2.1 192.0.2.2 ");
	ck_assert_uint_eq(mx2->messages, 1);
	/* The one that is dead is left alone for a while. */
	msv_test_advance(rig.test, 10000);
	rig_add("bob@one.example");
	run();
	ck_assert_str_eq(rig.world.connects, "192.0.2.1 192.0.2.2 192.0.2.2 ");
	ck_assert_uint_eq(mx2->messages, 2);
	msv_test_advance(rig.test, 2 * MINUTE);
	mx1->error = 0;
	rig_add("bob@one.example");
	run();
	ck_assert_uint_eq(mx1->messages, 1);
}
END_TEST

START_TEST(a_greeting_that_says_no_is_no_end)
{
	static const char *const greetings[] = { "421 4.3.2 later\r\n", "451 4.0.0 no\r\n",
		"554 5.7.1 no\r\n", "garbage\r\n" };
	struct host *mx1 = rig_host("192.0.2.1"), *mx2 = rig_host("192.0.2.2");
	mx1->greeting = greetings[_i];
	rig_start();
	rig_add("bob@one.example");
	run();
	ck_assert_uint_eq(mx1->connects, 1);
	ck_assert_uint_eq(mx2->messages, 1);
	ck_assert_uint_eq(rig_stats().messages, 0);
}
END_TEST

START_TEST(both_families)
{
	struct host *v6 = rig_host("2001:db8::3"), *v4 = rig_host("192.0.2.3");
	v6->error = MSV_ERR_UNSUPPORTED;
	rig_start();
	rig_add("bob@two.example");
	run();
	ck_assert_uint_eq(v4->messages, 1);
	ck_assert_uint_eq(v6->connects, 1);
}
END_TEST

START_TEST(no_mx)
{
	struct host *host = rig_host("192.0.2.4");
	rig_start();
	rig_add("bob@host.example");
	run();
	ck_assert_uint_eq(host->messages, 1);
}
END_TEST

START_TEST(null_mx)
{
	struct host *bounces = rig_host("192.0.2.200");
	rig_start();
	rig_add("bob@null.example");
	run();
	const char *log = rig_log();
	ck_assert_has(log, "mta failed id=m00001");
	ck_assert_has(log, "result=556 status=5.1.10");
	ck_assert_has(log, "mta notification");
	ck_assert_uint_eq(rig_stats().failed, 1);
	/* The only one asked is the sender's, for the bounce. */
	ck_assert_str_eq(rig.world.connects, "192.0.2.200 ");
	ck_assert_uint_eq(bounces->messages, 1);
}
END_TEST

START_TEST(dns_fails)
{
	rig_start();
	rig_add("bob@broken.example");
	run();
	ck_assert_has(rig_log(), "mta deferred id=m00001");
	ck_assert_uint_eq(rig_stats().messages, 1);
	struct host *mx = rig_host("192.0.2.9");
	ck_assert_int_eq(msv_test_dns_zone(rig.dns, "broken.example A 192.0.2.9\n"), 0);
	msv_test_advance(rig.test, 10 * MINUTE);
	ck_assert_uint_eq(mx->messages, 1);
}
END_TEST

START_TEST(each_recipient_has_an_answer)
{
	struct host *mx = rig_host("192.0.2.1");
	struct queue_recipient r[] = { { .address = "good@one.example" },
		{ .address = "grey@one.example" }, { .address = "bad@one.example" } };
	struct queue_message m = { 0 };
	mx->rcpts[0].part = "grey@";
	mx->rcpts[0].reply = "451 4.7.1 greylisted\r\n";
	mx->rcpts[1].part = "bad@";
	mx->rcpts[1].reply = "550 5.1.1 who is that\r\n";
	struct host *bounces = rig_host("192.0.2.200");
	rig_start();
	ck_assert_int_eq(rig_try_add(&m, r, 3), 0);
	run();
	ck_assert_uint_eq(mx->messages, 1);
	const char *log = rig_log();
	ck_assert_has(log, "mta sent id=m00001 from=me@sender.example to=good@one.example");
	ck_assert_has(log, "mta deferred id=m00001 from=me@sender.example to=grey@one.example");
	ck_assert_has(log, "result=451 status=4.7.1 reason=greylisted");
	ck_assert_has(log, "mta failed id=m00001 from=me@sender.example to=bad@one.example");
	ck_assert_uint_eq(bounces->messages, 1);
	ck_assert_uint_eq(rig_stats().delivered, 2);
	ck_assert_uint_eq(rig_stats().retried, 1);
	ck_assert_uint_eq(rig_stats().failed, 1);
	/* Who greylists takes it the next time. */
	mx->rcpts[0].reply = "250 2.1.5 ok\r\n";
	mx->rcpts[0].part = "nobody";
	msv_test_advance(rig.test, 6 * MINUTE);
	ck_assert_uint_eq(mx->messages, 2);
	ck_assert_has(mx->text, "grey@one.example");
	ck_assert_has_not(mx->text, "good@one.example");
}
END_TEST

START_TEST(a_connection_is_used_again)
{
	struct host *mx = rig_host("192.0.2.1");
	rig.options.connection_messages = 4;
	rig.options.destination_connections = 1;
	rig_start();
	msv_relay_pause(rig.relay, true);
	for (int i = 0; i < 10; i++)
		rig_add("bob@one.example");
	run();
	ck_assert_uint_eq(mx->connects, 0);
	ck_assert(msv_relay_paused(rig.relay));
	msv_relay_pause(rig.relay, false);
	run();
	ck_assert_uint_eq(mx->messages, 10);
	ck_assert_uint_eq(mx->connects, 3);
	/* What waits says QUIT after some seconds; until then it is used. */
	unsigned before = mx->connects;
	rig_add("bob@one.example");
	run();
	ck_assert_uint_eq(mx->messages, 11);
	ck_assert_uint_eq(mx->connects, before);
	msv_test_advance(rig.test, 10000);
	ck_assert_uint_eq(mx->open, 0);
	ck_assert_uint_eq(mx->quits, mx->connects);
}
END_TEST

START_TEST(pausing_ends_what_is_idle)
{
	struct host *mx = rig_host("192.0.2.1");
	rig_start();
	rig_add("bob@one.example");
	run();
	ck_assert_uint_eq(mx->open, 1);
	msv_relay_pause(rig.relay, true);
	run();
	ck_assert_uint_eq(mx->open, 0);
	rig_add("bob@one.example");
	msv_test_advance(rig.test, HOUR);
	ck_assert_uint_eq(mx->messages, 1);
	msv_relay_pause(rig.relay, false);
	run();
	ck_assert_uint_eq(mx->messages, 2);
}
END_TEST

START_TEST(limits)
{
	struct host *a = rig_host("192.0.2.1"), *b = rig_host("192.0.2.3");
	rig_host("2001:db8::3")->error = MSV_ERR_UNSUPPORTED;
	rig.options.connections = 4;
	rig.options.destination_connections = 3;
	rig.options.host_connections = 2;
	rig.options.connection_messages = 5;
	rig_start();
	msv_test_transport_late(rig.transport, 50);
	msv_relay_pause(rig.relay, true);
	for (int i = 0; i < 60; i++)
		rig_add(i % 2 ? "bob@one.example" : "bob@two.example");
	msv_relay_pause(rig.relay, false);
	msv_test_advance(rig.test, 10 * MINUTE);
	ck_assert_uint_eq(a->messages + b->messages + rig_host("192.0.2.2")->messages, 60);
	ck_assert_uint_eq(a->open_most, 2);
	ck_assert_uint_eq(b->open_most, 2);
	ck_assert_uint_le(rig.world.open_most, 4);
	ck_assert_uint_eq(rig_stats().messages, 0);
}
END_TEST

/* Whom no place at the host is left for goes over the connections there are, at once. */
START_TEST(more_places_than_the_host_has)
{
	struct host *mx = rig_host("192.0.2.4");
	rig.options.destination_connections = 6;
	rig.options.host_connections = 2;
	rig_start();
	rig_add("bob@host.example");
	msv_test_advance(rig.test, 1000);
	msv_test_transport_late(rig.transport, 5);
	msv_relay_pause(rig.relay, true);
	for (int i = 0; i < 100; i++)
		rig_add("bob@host.example");
	msv_relay_pause(rig.relay, false);
	msv_test_advance(rig.test, 1500);
	ck_assert_uint_eq(mx->messages, 101);
	ck_assert_uint_eq(mx->open_most, 2);
}
END_TEST

START_TEST(too_many_connections_are_respected)
{
	struct host *mx = rig_host("192.0.2.4");
	mx->most = 2;
	rig.options.connection_messages = 10;
	rig_start();
	msv_test_transport_late(rig.transport, 50);
	msv_relay_pause(rig.relay, true);
	for (int i = 0; i < 200; i++)
		rig_add("bob@host.example");
	msv_relay_pause(rig.relay, false);
	msv_test_advance(rig.test, 30 * MINUTE);
	ck_assert_uint_eq(mx->messages, 200);

	/* Turned away now and then, not each time. */
	ck_assert_uint_le(mx->turned_away, 25);
	ck_assert_uint_eq(count_of(rig_log(), "mta deferred"), 0);
}
END_TEST

START_TEST(a_host_ends_the_session_early)
{
	struct host *mx = rig_host("192.0.2.4");
	mx->messages_max = 3;
	rig_start();
	msv_relay_pause(rig.relay, true);
	for (int i = 0; i < 20; i++)
		rig_add("bob@host.example");
	msv_relay_pause(rig.relay, false);
	msv_test_advance(rig.test, 30 * MINUTE);
	ck_assert_uint_eq(mx->messages, 20);
	ck_assert_uint_eq(rig_stats().messages, 0);
}
END_TEST

START_TEST(tls_fails)
{
	struct msv_tls_client *tls;
	struct host *mx = rig_host("192.0.2.4");
	mx->ehlo = "250-mx\r\n250 STARTTLS\r\n";
	mx->starttls = "220 2.0.0 go\r\nno TLS at all\r\n";
	ck_assert_int_eq(msv_tls_client_new(rig.env, NULL, &tls), 0);
	rig.options.client_tls = tls;
	struct msv_mta_route route = { .size = sizeof route, .tls = MSV_SMTP_TLS_REQUIRED };
	rig.options.routes = &route;
	rig.options.nroutes = (size_t)_i;
	rig_start();
	rig_add("bob@host.example");
	run();
	if (_i == 0) { /* opportunistic: the same host, in the clear */
		ck_assert_uint_eq(mx->connects, 2);
		ck_assert_uint_eq(mx->starttlses, 1);
		ck_assert_uint_eq(mx->messages, 1);
	} else {
		ck_assert_uint_eq(mx->messages, 0);
		ck_assert_has(rig_log(), "mta deferred");
		msv_test_advance(rig.test, HOUR);
		ck_assert_uint_eq(mx->messages, 0);
		ck_assert_uint_eq(rig_stats().messages, 1);
	}
	rig_stop();
	msv_tls_client_free(tls);
}
END_TEST

START_TEST(requiretls)
{
	struct host *mx = rig_host("192.0.2.1"), *mx2 = rig_host("192.0.2.2");
	struct host *bounces = rig_host("192.0.2.200");
	struct queue_message m = {
		.requiretls = true, .ret = MSV_RET_FULL, .envid = "e 1", .hold = "for;60"
	};
	struct queue_recipient r = { .address = "bob@one.example" };
	rig_start();
	ck_assert_int_eq(rig_try_add(&m, &r, 1), 0);
	run();
	ck_assert_uint_eq(mx->connects, 1);
	ck_assert_uint_eq(mx2->connects, 1);
	ck_assert_uint_eq(mx->messages + mx2->messages, 0);
	ck_assert_has(rig_log(), "status=5.7.");
	ck_assert_uint_eq(rig_stats().failed, 1);
	/* The notification asks for the same, but goes where it is not to be had; and
	 * the message itself does not go with it (RFC 8689 5). */
	ck_assert_uint_eq(bounces->messages, 1);
	ck_assert_has_not(bounces->said, "REQUIRETLS");
	ck_assert_has(bounces->text, "Original-Envelope-Id: e 1\n");
	ck_assert_has(bounces->text, "Future-Release-Request: for;60\n");
	ck_assert_has(bounces->text, "Status: 5.7.");
	ck_assert_has(bounces->text, "Subject: hello");
	ck_assert_has_not(bounces->text, "A line");
}
END_TEST

START_TEST(what_the_next_hop_cannot_carry)
{
	struct host *mx = rig_host("192.0.2.4");
	struct queue_message m = { .smtputf8 = true };
	struct queue_recipient r = { .address = "b\xc3\xb6@host.example" };
	rig_start();
	ck_assert_int_eq(rig_try_add(&m, &r, 1), 0);
	run();
	ck_assert_uint_eq(mx->messages, 0);
	ck_assert_has(rig_log(), "status=5.6.7");
	/* 8-bit, signed, and a host without 8BITMIME. */
	struct queue_message signed_8bit = { .body_8bit = true,
		.is_signed = true,
		.head = "Subject: x\r\nDKIM-Signature: x\r\n\r\n\xc3\xb6\r\n" };
	struct queue_recipient plain = { .address = "bo@host.example" };
	mx->ehlo = "250 mx\r\n";
	msv_test_advance(rig.test, 10000);
	ck_assert_int_eq(rig_try_add(&signed_8bit, &plain, 1), 0);
	run();
	ck_assert_uint_eq(mx->messages, 0);
	ck_assert_has(rig_log(), "status=5.6.3");
}
END_TEST

START_TEST(uncertain_ends_are_tried_again)
{
	struct host *mx = rig_host("192.0.2.4");
	mx->silent_end = true;
	rig_start();
	rig_add("bob@host.example");
	run();
	ck_assert_uint_eq(rig_stats().messages, 1);
	ck_assert_has(rig_log(), "mta deferred");
	mx->silent_end = false;
	msv_test_advance(rig.test, 10 * MINUTE);
	ck_assert_uint_eq(mx->messages, 1);
	ck_assert_uint_eq(rig_stats().messages, 0);
}
END_TEST

START_TEST(more_recipients_than_a_transaction_takes)
{
	struct host *mx = rig_host("192.0.2.4");
	struct queue_recipient r[25];
	char names[25][32];
	struct queue_message m = { 0 };
	rig.options.transaction_recipients = 10;
	for (int i = 0; i < 25; i++) {
		snprintf(names[i], sizeof names[i], "u%d@host.example", i);
		r[i] = (struct queue_recipient){ .address = names[i] };
	}
	rig_start();
	ck_assert_int_eq(rig_try_add(&m, r, 25), 0);
	run();
	ck_assert_uint_eq(mx->recipients, 25);
	ck_assert_uint_eq(mx->messages, 3);
	ck_assert_uint_eq(rig_stats().messages, 0);
}
END_TEST

START_TEST(host_limits_recipients)
{
	struct host *mx = rig_host("192.0.2.4");
	struct queue_recipient r[5];
	char names[5][32];
	struct queue_message m = { 0 };
	mx->ehlo = "250-mx\r\n250 LIMITS RCPTMAX=2\r\n";
	rig.options.destination_connections = 1;
	for (int i = 0; i < 5; i++) {
		snprintf(names[i], sizeof names[i], "u%d@host.example", i);
		r[i] = (struct queue_recipient){ .address = names[i] };
	}
	rig_start();
	ck_assert_int_eq(rig_try_add(&m, r, 5), 0);
	run();
	ck_assert_uint_eq(mx->recipients, 5);
	ck_assert_uint_eq(mx->messages, 3);
	ck_assert_uint_eq(rig_stats().messages, 0);
	ck_assert_uint_eq(mx->connects, 1);
}
END_TEST

START_TEST(smarthost)
{
	struct host *hub = rig_host("192.0.2.1");
	struct msv_mta_route routes[] = {
		{ .size = sizeof *routes,
		    .kind = MSV_ROUTE_SMARTHOST,
		    .host = "mx1.one.example",
		    .helo = "helo.example",
		    .source = "192.0.2.99" },
		{ .size = sizeof *routes, .domain = "two.example" },
	};
	rig.options.routes = routes;
	rig.options.nroutes = 2;
	rig_host("2001:db8::3");
	rig_start();
	rig_add("bob@anything.example");
	rig_add("bob@another.example");
	run();
	ck_assert_uint_eq(hub->messages, 2);
	ck_assert_uint_eq(hub->connects, 1);
	ck_assert_has(hub->said, "EHLO helo.example\n");
	rig_add("bob@two.example");
	run();
	ck_assert_uint_eq(rig_host("2001:db8::3")->messages, 1);
}
END_TEST

START_TEST(a_refused_login)
{
	struct host *hub = rig_host("127.0.0.1");
	struct msv_mta_route route = { .size = sizeof route,
		.kind = MSV_ROUTE_SMARTHOST,
		.host = "127.0.0.1",
		.tls = MSV_SMTP_TLS_OFF,
		.user = "me",
		.password = "secret" };
	rig.options.routes = &route;
	rig.options.nroutes = 1;
	hub->ehlo = "250-mx\r\n250 AUTH PLAIN LOGIN\r\n";
	hub->auth = "535 5.7.8 no such user\r\n";
	rig_start();
	rig_add("bob@anything.example");
	run();
	const char *log = rig_log();
	ck_assert_has(log, "error: mta route=*: 127.0.0.1 does not let me log in: 535");
	ck_assert_has(log, "correct user and password");
	ck_assert_has_not(log, "secret");
	ck_assert_uint_eq(rig_stats().messages, 1);
	hub->auth = NULL;
	msv_test_advance(rig.test, 10 * MINUTE);
	ck_assert_uint_eq(hub->messages, 1);
}
END_TEST

START_TEST(lmtp)
{
	struct host *hub = rig_host("/run/lmtp");
	struct msv_mta_route route = { .size = sizeof route,
		.kind = MSV_ROUTE_LMTP,
		.path = "/run/lmtp",
		.domain = ".inner.example" };
	struct queue_recipient r[] = { { .address = "a@x.inner.example" },
		{ .address = "b@x.inner.example" }, { .address = "c@x.inner.example" } };
	struct queue_message m = { 0 };
	rig.options.routes = &route;
	rig.options.nroutes = 1;
	hub->lmtp = true;
	rig_start();
	ck_assert_int_eq(rig_try_add(&m, r, 3), 0);
	run();
	ck_assert_has(hub->said, "LHLO us.example.org\n");
	ck_assert_uint_eq(hub->mails, 1);
	const char *log = rig_log();
	ck_assert_has(log, "mta sent id=m00001 from=me@sender.example to=a@x.inner.example "
	                   "destination=lmtp:/run/lmtp host=/run/lmtp");
	ck_assert_has(log, "mta deferred id=m00001 from=me@sender.example to=b@x.inner.example");
	ck_assert_has(log, "mta sent id=m00001 from=me@sender.example to=c@x.inner.example");
	ck_assert_uint_eq(rig_stats().delivered, 2);
	msv_test_advance(rig.test, 10 * MINUTE);
	ck_assert_uint_eq(rig_stats().messages, 0);
}
END_TEST

static char traced[8192];

static void trace(void *user, const char *line)
{
	(void)user;
	host_note(traced, sizeof traced, line, strlen(line));
}

START_TEST(traces)
{
	rig_host("192.0.2.4");
	rig_start();
	traced[0] = '\0';
	msv_relay_set_trace(rig.relay, trace, NULL);
	rig_add("bob@host.example");
	run();
	ck_assert_has(traced, "host.example host.example[192.0.2.4] < 220 mx ESMTP\n");
	ck_assert_has(traced, "host.example host.example[192.0.2.4] > EHLO us.example.org\n");
	msv_relay_set_trace(rig.relay, NULL, NULL);
}
END_TEST

START_TEST(goes_on_after_a_restart)
{
	struct host *mx = rig_host("192.0.2.4");
	mx->error = MSV_ERR_IO;
	rig_start();
	rig_add("bob@host.example");
	run();
	rig_stop();
	mx->error = 0;
	rig_start();
	msv_test_advance(rig.test, 10 * MINUTE);
	ck_assert_uint_eq(mx->messages, 1);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("relay");
	TCase *tcase = tcase_create("relay");
	tcase_add_checked_fixture(tcase, setup, rig_close);
	tcase_add_test(tcase, sends);
	tcase_add_test(tcase, tries_the_next_address);
	tcase_add_loop_test(tcase, a_greeting_that_says_no_is_no_end, 0, 4);
	tcase_add_test(tcase, both_families);
	tcase_add_test(tcase, no_mx);
	tcase_add_test(tcase, null_mx);
	tcase_add_test(tcase, dns_fails);
	tcase_add_test(tcase, each_recipient_has_an_answer);
	tcase_add_test(tcase, a_connection_is_used_again);
	tcase_add_test(tcase, pausing_ends_what_is_idle);
	tcase_add_test(tcase, limits);
	tcase_add_test(tcase, more_places_than_the_host_has);
	tcase_add_test(tcase, too_many_connections_are_respected);
	tcase_add_test(tcase, a_host_ends_the_session_early);
	tcase_add_loop_test(tcase, tls_fails, 0, 2);
	tcase_add_test(tcase, requiretls);
	tcase_add_test(tcase, what_the_next_hop_cannot_carry);
	tcase_add_test(tcase, uncertain_ends_are_tried_again);
	tcase_add_test(tcase, more_recipients_than_a_transaction_takes);
	tcase_add_test(tcase, host_limits_recipients);
	tcase_add_test(tcase, smarthost);
	tcase_add_test(tcase, a_refused_login);
	tcase_add_test(tcase, lmtp);
	tcase_add_test(tcase, traces);
	tcase_add_test(tcase, goes_on_after_a_restart);
	tcase_set_timeout(tcase, 60);
	suite_add_tcase(suite, tcase);
	return check_main(suite);
}
