/* Who is told what became of a message, and by what. */
#include "relay_rig.h"

#define ZONE \
	"one.example A 192.0.2.1\n" \
	"sender.example A 192.0.2.200\n"

static struct host *mx, *home;

static void setup(void)
{
	rig_new(ZONE);
	mx = rig_host("192.0.2.1");
	home = rig_host("192.0.2.200");
}

static void run(void)
{
	msv_test_advance(rig.test, 1000);
}

static void refuse(const char *part)
{
	mx->rcpts[0].part = part;
	mx->rcpts[0].reply = "550 5.1.1 who is that\r\n";
}

static void send(struct queue_message m, struct queue_recipient r)
{
	if (!rig.relay)
		rig_start();
	ck_assert_int_eq(rig_try_add(&m, &r, 1), 0);
	run();
}

START_TEST(says_what_happened)
{
	struct queue_recipient r[] = { { .address = "bad@one.example",
		                           .orcpt = "rfc822;old@else.example" },
		{ .address = "good@one.example" }, { .address = "badder@one.example" } };
	struct queue_message m = { .envid = "an-id", .id = "theid" };
	refuse("bad");
	rig_start();
	ck_assert_int_eq(rig_try_add(&m, r, 3), 0);
	run();
	ck_assert_uint_eq(home->messages, 1);
	const char *text = home->text;
	ck_assert_has(text, "MAIL FROM:<>");
	ck_assert_has(text, "RCPT TO:<me@sender.example>");
	ck_assert_has(text, "Content-Type: multipart/report; report-type=delivery-status");
	ck_assert_has(text, "Reporting-MTA: dns; us.example.org");
	ck_assert_has(text, "Original-Envelope-Id: an-id");
	ck_assert_has(text, "Original-Recipient: rfc822;old@else.example");
	ck_assert_has(text, "Final-Recipient: rfc822;bad@one.example");
	ck_assert_has(text, "Final-Recipient: rfc822;badder@one.example");
	ck_assert_has_not(text, "good@one.example");
	ck_assert_has(text, "Action: failed\nStatus: 5.1.1\nRemote-MTA: dns; one.example\n"
	                    "Diagnostic-Code: smtp; 550 5.1.1 who is that\n");
	ck_assert_has(text, "Subject: hello\n\nA line\n");
	ck_assert_uint_eq(count_of(text, "Action: failed"), 2);
	const char *log = rig_log();
	ck_assert_has(log, "about=theid to=me@sender.example action=failed recipients=2");
	ck_assert_uint_eq(rig_stats().messages, 0);
}
END_TEST

START_TEST(the_header_alone)
{
	refuse("bad");
	send((struct queue_message){ .ret = MSV_RET_HDRS },
	    (struct queue_recipient){ .address = "bad@one.example" });
	ck_assert_has(home->text, "Subject: hello\n");
	ck_assert_has_not(home->text, "A line");
	send((struct queue_message){ .ret = MSV_RET_FULL },
	    (struct queue_recipient){ .address = "bad@one.example" });
	ck_assert_uint_eq(home->messages, 2);
	ck_assert_has(home->text, "A line");
}
END_TEST

START_TEST(nobody_is_told_of_notifications)
{
	refuse("bad");
	send((struct queue_message){ .from = "" },
	    (struct queue_recipient){ .address = "bad@one.example" });
	ck_assert_has(
	    rig_log(), "mta dropped id=m00001 to=bad@one.example reason=\"without a sender");
	/* A bounce that bounces. */
	home->rcpts[0].part = "me@";
	home->rcpts[0].reply = "550 5.1.1 I am gone\r\n";
	send((struct queue_message){ 0 }, (struct queue_recipient){ .address = "bad@one.example" });
	ck_assert_has(
	    rig_log(), "reason=\"a notification that cannot be delivered is answered by none\"");
	ck_assert_uint_eq(home->messages, 0);
	ck_assert_uint_eq(rig_stats().messages, 0);
}
END_TEST

START_TEST(who_wants_nothing_hears_nothing)
{
	static const unsigned notify[] = { MSV_NOTIFY_NEVER, MSV_NOTIFY_SUCCESS, MSV_NOTIFY_DELAY };
	refuse("bad");
	send((struct queue_message){ 0 },
	    (struct queue_recipient){ .address = "bad@one.example", .notify = notify[_i] });
	ck_assert_uint_eq(home->messages, 0);
	ck_assert_uint_eq(rig_stats().messages, 0);
}
END_TEST

START_TEST(delays_are_told_to_who_wants_that)
{
	static const struct {
		unsigned notify, told;
	} cases[] = { { 0, 1 }, { MSV_NOTIFY_DELAY, 1 }, { MSV_NOTIFY_FAILURE, 0 },
		{ MSV_NOTIFY_NEVER, 0 } };
	mx->mail = "451 4.3.0 not now\r\n";
	send((struct queue_message){ 0 },
	    (struct queue_recipient){ .address = "bob@one.example", .notify = cases[_i].notify });
	msv_test_advance(rig.test, 24 * HOUR);
	ck_assert_uint_eq(home->messages, cases[_i].told);
	if (cases[_i].told) {
		ck_assert_has(home->text, "Action: delayed\nStatus: 4.3.0\n");
		ck_assert_has(home->text, "Will-Retry-Until: ");
		/* Not the message itself. */
		ck_assert_has_not(home->text, "A line");
	}
	mx->mail = NULL;
	msv_test_advance(rig.test, 5 * HOUR);
	ck_assert_uint_eq(mx->messages, 1);
}
END_TEST

START_TEST(success_is_told_where_the_next_hop_does_not)
{
	send((struct queue_message){ 0 },
	    (struct queue_recipient){ .address = "bob@one.example", .notify = MSV_NOTIFY_SUCCESS });
	ck_assert_uint_eq(mx->messages, 1);
	ck_assert_uint_eq(home->messages, 1);
	ck_assert_has(home->text, "Action: relayed\nStatus: 2.");
	/* One that knows DSN is given the parameters, and tells by itself. */
	mx->ehlo = "250-mx\r\n250 DSN\r\n";
	msv_test_advance(rig.test, 20000);
	send((struct queue_message){ .envid = "e+1", .ret = MSV_RET_HDRS },
	    (struct queue_recipient){ .address = "bob@one.example",
	        .notify = MSV_NOTIFY_SUCCESS | MSV_NOTIFY_FAILURE,
	        .orcpt = "rfc822;bob@one.example" });
	ck_assert_uint_eq(mx->messages, 2);
	ck_assert_uint_eq(home->messages, 1);
	ck_assert_has(mx->text, "RET=HDRS");
	ck_assert_has(mx->text, "ENVID=e+2B1");
	ck_assert_has(mx->text, "NOTIFY=SUCCESS,FAILURE");
	ck_assert_has(mx->text, "ORCPT=rfc822;bob@one.example");
}
END_TEST

START_TEST(lmtp_delivers)
{
	struct msv_mta_route route = { .size = sizeof route,
		.domain = "one.example",
		.kind = MSV_ROUTE_LMTP,
		.host = "192.0.2.1" };
	rig.options.routes = &route;
	rig.options.nroutes = 1;
	mx->lmtp = true;
	send((struct queue_message){ 0 },
	    (struct queue_recipient){ .address = "bob@one.example", .notify = MSV_NOTIFY_SUCCESS });
	ck_assert_has(home->text, "Action: delivered\n");
}
END_TEST

/* -- Senders of ours ------------------------------------------------------------------------- */

static int route_error;
static size_t routed;
static char asked[100];

static void route(void *user, const char *address, struct relay_recipients_op op)
{
	static const struct queue_recipient recipients[] = {
		{ .kind = MSV_QUEUE_LOCAL,
		    .address = "anna@example.org",
		    .destination = RELAY_LOCAL,
		    .account = "anna@example.org",
		    .mailbox = "INBOX" },
		{ .kind = MSV_QUEUE_REMOTE,
		    .address = "me@sender.example",
		    .destination = "sender.example" },
	};
	static struct relay_recipients answer;
	ck_assert_ptr_eq(user, &rig);
	snprintf(asked, sizeof asked, "%s", address);
	answer = (struct relay_recipients){ recipients, routed };
	if (route_error)
		msv_op_answer(op.op, route_error);
	else
		msv_op_complete(op.op, 0, &answer);
}

static void hook(int error, size_t n)
{
	route_error = error;
	routed = n;
	rig.hooks = (struct relay_hooks){ .user = &rig, .recipients = route };
	refuse("bad");
}

START_TEST(a_sender_of_ours_gets_it_by_the_same_routes)
{
	hook(0, 2);
	send((struct queue_message){ .from = "list@example.org" },
	    (struct queue_recipient){ .address = "bad@one.example" });
	ck_assert_str_eq(asked, "list@example.org");
	ck_assert_uint_eq(home->messages, 1);
	ck_assert_has(home->text, "RCPT TO:<me@sender.example>");
	ck_assert_has(rig_log(), "from=\"\" to=anna@example.org destination=local result=250");
	ck_assert_uint_eq(rig_stats().messages, 0);
}
END_TEST

START_TEST(a_recipient_with_a_sender_of_its_own)
{
	hook(0, 1);
	send((struct queue_message){ .from = "me@sender.example" },
	    (struct queue_recipient){
	        .address = "bad@one.example", .sender = "owner-list@example.org" });
	ck_assert_str_eq(asked, "owner-list@example.org");
	ck_assert_has(mx->text, "MAIL FROM:<owner-list@example.org>");
}
END_TEST

START_TEST(a_sender_who_is_not_there)
{
	hook(_i == 0 ? MSV_ERR_NOTFOUND : 0, 0);
	send((struct queue_message){ 0 }, (struct queue_recipient){ .address = "bad@one.example" });
	ck_assert_has(rig_log(), "mta untold id=m00001");
	ck_assert_uint_eq(rig_stats().messages, 0);
	ck_assert_uint_eq(rig_stats().failed, 1);
}
END_TEST

START_TEST(a_sender_who_cannot_be_looked_up_now)
{
	hook(MSV_ERR_IO, 1);
	send((struct queue_message){ 0 }, (struct queue_recipient){ .address = "bad@one.example" });
	ck_assert_has(rig_log(), "mta untold id=m00001");
	/* Its end is not written down before somebody can be told. */
	ck_assert_uint_eq(rig_stats().messages, 1);
	ck_assert_uint_eq(rig_stats().failed, 0);
	route_error = 0;
	msv_test_advance(rig.test, 2 * MINUTE);
	ck_assert_uint_eq(rig_stats().failed, 1);
	ck_assert_uint_eq(rig_stats().messages, 0);
	ck_assert_has(rig_log(), "action=failed");
}
END_TEST

START_TEST(hostile_words_stay_words)
{
	mx->rcpts[0].part = "bad";
	mx->rcpts[0].reply =
	    "550-5.1.1 a\r\n550-5.1.1 \x01\xff \"quoted\"\r\n550 5.1.1 --=_boundary\r\n";
	send((struct queue_message){ 0 }, (struct queue_recipient){ .address = "bad@one.example" });
	ck_assert_uint_eq(home->messages, 1);
	ck_assert_ptr_null(strchr(home->text, '\x01'));
	ck_assert_has_not(home->text, "\n--=_boundary");
}
END_TEST

START_TEST(a_large_message_is_not_returned)
{
	size_t n = (size_t)1 << 20;
	char *big = malloc(n);
	memset(big, 'x', n);
	for (size_t i = 80; i < n; i += 80)
		memcpy(big + i - 2, "\r\n", 2);
	memcpy(big, "Subject: big\r\n\r\n", 16);
	memcpy(big + n - 2, "\r\n", 2);
	refuse("bad");
	send((struct queue_message){ .head = big, .nhead = n, .ret = MSV_RET_FULL },
	    (struct queue_recipient){ .address = "bad@one.example" });
	ck_assert_has(home->text, "Subject: big\n");
	ck_assert_has_not(home->text, "\nxxxx");
	free(big);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("bounce");
	TCase *loops = tcase_create("loops");
	check_fixture_case(suite, "bounce", setup, rig_close, says_what_happened, the_header_alone,
	    nobody_is_told_of_notifications, success_is_told_where_the_next_hop_does_not,
	    lmtp_delivers, a_sender_of_ours_gets_it_by_the_same_routes,
	    a_recipient_with_a_sender_of_its_own, a_sender_who_cannot_be_looked_up_now,
	    hostile_words_stay_words, a_large_message_is_not_returned);
	tcase_add_checked_fixture(loops, setup, rig_close);
	tcase_add_loop_test(loops, who_wants_nothing_hears_nothing, 0, 3);
	tcase_add_loop_test(loops, delays_are_told_to_who_wants_that, 0, 4);
	tcase_add_loop_test(loops, a_sender_who_is_not_there, 0, 2);
	tcase_set_timeout(loops, 60);
	suite_add_tcase(suite, loops);
	return check_main(suite);
}
