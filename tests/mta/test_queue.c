/* Messages in, deliveries out, results written down. */
#include "mta/queue_rig.h"

#define TO(address, destination) \
	{ \
		{ \
			address, destination \
		} \
	}

/* -- In and out -------------------------------------------------------------------------- */

START_TEST(test_round)
{
	ck_assert_int_eq(
	    add(.id = "m1", .to = TO("b@b.example", "b.example"), .body = "hello\r\n"), 0);
	ck_assert_uint_eq(msv_queue_next(rig.queue), 0);
	struct queue_delivery *d = take(NULL, 10);
	ck_assert_ptr_nonnull(d);
	ck_assert_str_eq(d->id, "m1");
	ck_assert_str_eq(d->from, "a@from.example");
	ck_assert_str_eq(d->sender, "a@from.example");
	ck_assert_str_eq(d->account, "anna");
	ck_assert_str_eq(d->envid, "e1");
	ck_assert_str_eq(d->hold, "for;60");
	ck_assert_str_eq(d->origin, "session 1");
	ck_assert_str_eq(d->destination, "b.example");
	ck_assert_uint_eq(d->octets, 7);
	ck_assert_uint_eq(d->ntargets, 1);
	ck_assert_str_eq(d->targets[0].address, "b@b.example");
	ck_assert_str_eq(body(d, 3), "hello\r\n");
	ck_assert_uint_eq(stats().busy, 1);
	/* It is out: there is no other. */
	ck_assert_ptr_null(take(NULL, 10));
	ck_assert_uint_eq(msv_queue_next(rig.queue), UINT64_MAX);
	ck_assert_int_eq(settle(d, .outcome = QUEUE_DONE), 0);
	ck_assert_ptr_null(take(NULL, 10));
	struct msv_queue_stats s = stats();
	ck_assert(!s.messages && !s.recipients && !s.busy && !s.oldest);
	ck_assert(s.added == 1 && s.delivered == 1);
	ck_assert_int_eq(bodies(), 0);
}
END_TEST

START_TEST(test_everything_kept)
{
	struct queue_recipient r[] = {
		{ .kind = MSV_QUEUE_LOCAL,
		    .address = "x@l.example",
		    .destination = "local",
		    .sender = "",
		    .orcpt = "rfc822;o@l",
		    .account = "x",
		    .mailbox = "In box",
		    .notify = 5 },
		{ .kind = MSV_QUEUE_LOCAL,
		    .address = "y@l.example",
		    .destination = "local",
		    .sender = "srs@l.example" },
	};
	struct queue_message m = { .id = "m",
		.from = "f@f",
		.ret = 2,
		.body_8bit = true,
		.requiretls = true,
		.is_bounce = true,
		.arrived = 5,
		.expires = UINT64_MAX,
		.recipients = r,
		.nrecipients = 2,
		.head = "x",
		.nhead = 1 };
	struct answer answer = { 0 };
	msv_queue_add(
	    rig.queue, &m, (struct queue_add_op){ msv_op_new(rig.env, on_plain, &answer) });
	ck_assert_int_eq(answered(&answer), 0);
	rig_shut();
	ck_assert_int_eq(rig_reopen(), 0);
	ck_assert_uint_eq(stats().oldest, 5);
	struct queue_delivery *d = take("local", 10), *e = take("local", 10);
	ck_assert(d && e);
	ck_assert_uint_eq(d->ntargets, 1);
	ck_assert_int_eq(d->kind, MSV_QUEUE_LOCAL);
	ck_assert_str_eq(d->from, "");
	ck_assert_str_eq(d->sender, "f@f");
	ck_assert_str_eq(d->account, "");
	ck_assert_int_eq(d->ret, 2);
	ck_assert(d->body_8bit && d->requiretls && d->is_bounce && !d->smtputf8 && !d->is_signed);
	ck_assert_uint_eq(d->arrived, 5);
	ck_assert_uint_eq(d->expires, INT64_MAX);
	ck_assert_str_eq(d->targets[0].orcpt, "rfc822;o@l");
	ck_assert_str_eq(d->targets[0].account, "x");
	ck_assert_str_eq(d->targets[0].mailbox, "In box");
	ck_assert_uint_eq(d->targets[0].notify, 5);
	ck_assert_str_eq(e->from, "srs@l.example");
	ck_assert_int_eq(settle(d, .outcome = QUEUE_DONE), 0);
	ck_assert_int_eq(bodies(), 1);
	ck_assert_int_eq(settle(e, .outcome = QUEUE_FAILED), 0);
	ck_assert_int_eq(bodies(), 0);
	ck_assert_uint_eq(stats().failed, 1);
}
END_TEST

START_TEST(test_refused)
{
	char big[4096];

	memset(big, 'x', sizeof big - 1);
	big[sizeof big - 1] = '\0';
	ck_assert_int_eq(add(.id = "../../m", .to = TO("b@b", "b")), MSV_ERR_INVAL);
	ck_assert_int_eq(add(.id = "", .to = TO("b@b", "b")), MSV_ERR_INVAL);
	ck_assert_int_eq(add(.id = "m"), MSV_ERR_INVAL);
	ck_assert_int_eq(add(.id = "m", .to = TO(big, "b")), MSV_ERR_LIMIT);
	ck_assert_int_eq(add(.id = "m", .to = TO("b@b", "b")), 0);
	ck_assert_int_eq(add(.id = "m", .to = TO("b@b", "b")), MSV_ERR_EXISTS);
	ck_assert_uint_eq(stats().messages, 1);
	ck_assert_int_eq(bodies(), 1);
}
END_TEST

/* Bodies around the size up to which they come with the delivery. */
START_TEST(test_body_sizes)
{
	static const size_t sizes[] = { 0, 1, 8191, 8192, 8193, 65536, 65537 };
	static char text[65538];
	char id[16];

	for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
		memset(text, 0, sizeof text);
		memset(text, 'a' + (int)i, sizes[i]);
		snprintf(id, sizeof id, "m%zu", i);
		ck_assert_int_eq(add(.id = id, .to = TO("b@b", "b"), .body = text), 0);
		struct queue_delivery *d = take("b", 1);
		ck_assert_uint_eq(d->octets, sizes[i]);
		ck_assert_str_eq(body(d, 1000 + 65000 * (i % 2)), text);
		settle(d, .outcome = QUEUE_DONE);
	}
}
END_TEST

/* What a peer said stays data: no control byte comes out again. */
START_TEST(test_control_bytes)
{
	ck_assert_int_eq(add(.id = "m", .from = "a\r\nRCPT TO:<x>", .to = TO("b\n@b", "b")), 0);
	struct queue_delivery *d = take(NULL, 1);
	ck_assert_str_eq(d->from, "a??RCPT TO:<x>");
	ck_assert_str_eq(d->targets[0].address, "b?@b");
	settle(d, .outcome = QUEUE_RETRY, .next = 1, .text = "450 no\r\nFrom: x", .host = "h\n");
	ck_assert_str_eq(list(NULL, NULL)->text, "m b?@b b 0/1 0 450 no??From: x\n");
}
END_TEST

/* -- Together and apart ------------------------------------------------------------------------ */

START_TEST(test_grouping)
{
	ck_assert_int_eq(add(.id = "m", .to = { { "1@x", "x" }, { "1@y", "y" }, { "2@x", "x" },
	                                    { "3@x", "x" }, { "4@x", "x" } }),
	    0);
	struct queue_delivery *a = take("x", 3), *b = take("x", 3), *c = take("y", 3);
	ck_assert(a && b && c);
	ck_assert_uint_eq(a->ntargets, 3);
	ck_assert_str_eq(a->targets[1].address, "2@x");
	ck_assert_uint_eq(b->ntargets, 1);
	ck_assert_str_eq(b->targets[0].address, "4@x");
	ck_assert_uint_eq(c->ntargets, 1);
	ck_assert_ptr_null(take("x", 3));
	ck_assert_ptr_null(take("nowhere", 3));
	ck_assert_str_eq(list("m", NULL)->text,
	    "m 1@x x 0/5 busy 0 \nm 1@y y 0/5 busy 0 \nm 2@x x 0/5 busy 0 \n"
	    "m 3@x x 0/5 busy 0 \nm 4@x x 0/5 busy 0 \n");
	settle(a, .outcome = QUEUE_DONE);
	settle(b, .outcome = QUEUE_DONE);
	ck_assert_uint_eq(stats().messages, 1);
	settle(c, .outcome = QUEUE_DONE);
	ck_assert_uint_eq(stats().messages, 0);
}
END_TEST

START_TEST(test_retry)
{
	uint64_t later = rig_now() + 300 * SECOND;

	ck_assert_int_eq(add(.id = "m", .to = TO("b@b", "b")), 0);
	struct queue_delivery *d = take(NULL, 9);
	settle(d, .outcome = QUEUE_RETRY, .next = later, .attempted = true, .code = 450,
	    .text = "later", .host = "mx.b");
	ck_assert_ptr_null(take(NULL, 9));
	ck_assert_uint_eq(msv_queue_next(rig.queue), later);
	ck_assert_str_eq(list(NULL, NULL)->text, "m b@b b 1/1 450 later\n");
	msv_test_advance(rig.test, 299000);
	ck_assert_ptr_null(take(NULL, 9));
	msv_test_advance(rig.test, 1000);
	ck_assert_uint_eq(msv_queue_next(rig.queue), 0);
	d = take(NULL, 9);
	ck_assert_ptr_nonnull(d);
	ck_assert_uint_eq(d->targets[0].attempts, 1);
	ck_assert(!d->targets[0].warned);
	/* Given back without an attempt, and with a warning: what is known stays. */
	settle(d, .outcome = QUEUE_RETRY, .next = rig_now(), .warned = true);
	ck_assert_str_eq(list(NULL, NULL)->text, "m b@b b 1/1 450 later\n");
	rig_shut();
	ck_assert_int_eq(rig_reopen(), 0);
	d = take(NULL, 9);
	ck_assert(d && d->targets[0].warned && d->targets[0].attempts == 1);
	settle(d, .outcome = QUEUE_DONE);
}
END_TEST

START_TEST(test_not_before)
{
	ck_assert_int_eq(
	    add(.id = "m", .to = TO("b@b", "b"), .not_before = rig_now() + 3600 * SECOND), 0);
	ck_assert_ptr_null(take(NULL, 9));
	ck_assert_uint_eq(msv_queue_next(rig.queue), rig_now() + 3600 * SECOND);
	msv_test_advance(rig.test, 3600000);
	ck_assert_ptr_nonnull(take(NULL, 9));
}
END_TEST

/* Who is out when the queue is closed is due when it is opened. */
START_TEST(test_in_flight)
{
	ck_assert_int_eq(add(.id = "m", .to = TO("b@b", "b")), 0);
	ck_assert_ptr_nonnull(take(NULL, 9));
	rig_shut();
	ck_assert_int_eq(rig_reopen(), 0);
	ck_assert_uint_eq(msv_queue_next(rig.queue), 0);
	ck_assert_ptr_nonnull(take(NULL, 9));
}
END_TEST

/* -- Turns ------------------------------------------------------------------------------------------ */

START_TEST(test_turns)
{
	char id[32];

	for (int i = 0; i < 30; i++) {
		snprintf(id, sizeof id, "dead%d", i);
		ck_assert_int_eq(add(.id = id, .to = TO("b@dead", "dead")), 0);
	}
	ck_assert_int_eq(add(.id = "x", .to = TO("b@x", "x")), 0);
	ck_assert_int_eq(add(.id = "y", .to = TO("b@y", "y")), 0);
	/* Three destinations: among the first three is each. */
	char seen[64] = "";
	for (int i = 0; i < 3; i++)
		strcat(seen, take(NULL, 1)->destination);
	ck_assert_msg(strstr(seen, "x") && strstr(seen, "y") && strstr(seen, "dead"), "%s", seen);
	/* Many at once go on with what is left. */
	for (int i = 0; i < 29; i++)
		ck_assert_str_eq(take(NULL, 1)->destination, "dead");
	ck_assert_ptr_null(take(NULL, 1));
}
END_TEST

START_TEST(test_takes_at_once)
{
	struct answer answers[12] = { 0 };
	char id[32];
	int got = 0;

	for (int i = 0; i < 10; i++) {
		snprintf(id, sizeof id, "m%d", i);
		ck_assert_int_eq(add(.id = id, .to = TO("b@x", "x")), 0);
	}
	for (int i = 0; i < 12; i++)
		msv_queue_take(rig.queue, NULL, 100,
		    (struct queue_take_op){ msv_op_new(rig.env, on_taken, &answers[i]) });
	for (int i = 0; i < 12; i++) {
		ck_assert_int_eq(answered(&answers[i]), 0);
		got += answers[i].delivery != NULL;
	}
	ck_assert_int_eq(got, 10);
	ck_assert_uint_eq(stats().busy, 10);
}
END_TEST

START_TEST(test_block)
{
	ck_assert_int_eq(add(.id = "m", .to = TO("b@x", "x")), 0);
	msv_queue_block(rig.queue, "x", rig_now() + 60 * SECOND);
	ck_assert_uint_eq(msv_queue_next(rig.queue), rig_now() + 60 * SECOND);
	ck_assert_ptr_null(take(NULL, 1));
	/* Asked by name it comes all the same. */
	struct queue_delivery *d = take("x", 1);
	ck_assert_ptr_nonnull(d);
	settle(d, .outcome = QUEUE_RETRY, .next = rig_now());
	ck_assert_ptr_null(take(NULL, 1));
	msv_test_advance(rig.test, 60000);
	d = take(NULL, 1);
	ck_assert_ptr_nonnull(d);
	msv_queue_block(rig.queue, "x", UINT64_MAX);
	settle(d, .outcome = QUEUE_RETRY, .next = rig_now());
	ck_assert_uint_eq(msv_queue_next(rig.queue), UINT64_MAX);
	msv_queue_block(rig.queue, "x", 0);
	ck_assert_uint_eq(msv_queue_next(rig.queue), 0);
	ck_assert_ptr_nonnull(take(NULL, 1));
	/* Of what nobody ever heard. */
	msv_queue_block(rig.queue, "z", 0);
	msv_queue_block(rig.queue, "z", rig_now() + SECOND);
	msv_test_advance(rig.test, 2000);
	ck_assert_ptr_null(take(NULL, 1));
	ck_assert_uint_eq(msv_queue_next(rig.queue), UINT64_MAX);
}
END_TEST

static int due_calls;
static void on_due(void *user)
{
	(void)user;
	due_calls++;
}

START_TEST(test_on_due)
{
	due_calls = 0;
	msv_queue_on_due(rig.queue, on_due, NULL);
	ck_assert_int_eq(
	    add(.id = "m1", .to = TO("b@x", "x"), .not_before = rig_now() + 60 * SECOND), 0);
	ck_assert_int_eq(due_calls, 1);
	ck_assert_int_eq(
	    add(.id = "m2", .to = TO("b@y", "y"), .not_before = rig_now() + 90 * SECOND), 0);
	ck_assert_int_eq(due_calls, 1);
	ck_assert_int_eq(add(.id = "m3", .to = TO("b@z", "z")), 0);
	ck_assert_int_eq(due_calls, 2);
	ck_assert_ptr_nonnull(take(NULL, 1));
	ck_assert_ptr_null(take(NULL, 1));
	ck_assert_int_eq(change(MSV_QUEUE_RETRY, "m2", NULL, NULL), 0);
	ck_assert_int_eq(due_calls, 3);
	ck_assert_str_eq(take(NULL, 1)->id, "m2");
}
END_TEST

/* -- What comes of it --------------------------------------------------------------------------------- */

START_TEST(test_bounce)
{
	struct mail bounce = { .id = "b1",
		.from = "",
		.body = "sorry\r\n",
		.to = TO("a@from.example", "from.example") };
	struct queue_recipient recipients[8];
	struct queue_message news[2];

	ck_assert_int_eq(add(.id = "m", .to = TO("b@x", "x")), 0);
	struct queue_delivery *d = take(NULL, 1);
	news[0] = mail_message(&bounce, recipients);
	news[1] = news[0]; /* the id is taken by then: left out */
	ck_assert_int_eq(
	    settle_news(d, (struct queue_result){ .outcome = QUEUE_FAILED }, news, 2), 0);
	ck_assert_ptr_nonnull(strstr(msv_test_log(rig.test), "there is a message of that id"));
	ck_assert_str_eq(list(NULL, NULL)->text, "b1 a@from.example from.example 0/1 0 \n");
	d = take(NULL, 1);
	ck_assert_str_eq(d->from, "");
	ck_assert_str_eq(body(d, 100), "sorry\r\n");
	settle(d, .outcome = QUEUE_DONE);
	ck_assert_int_eq(bodies(), 0);
}
END_TEST

START_TEST(test_cancel)
{
	struct queue_recipient recipients[8];
	struct mail mail = { .id = "m", .to = TO("b@x", "x") };
	struct queue_message message = mail_message(&mail, recipients);
	struct msv_op *op = msv_op_new(rig.env, on_plain, NULL);

	/* Before the commit: it never was. */
	msv_queue_add(rig.queue, &message, (struct queue_add_op){ op });
	msv_op_cancel(op);
	msv_test_run(rig.test);
	ck_assert_int_eq(bodies(), 0);
	ck_assert_uint_eq(stats().messages, 0);
	/* A delivery nobody waits for is due again. */
	ck_assert_int_eq(add_mail(&mail), 0);
	op = msv_op_new(rig.env, on_taken, NULL);
	msv_queue_take(rig.queue, NULL, 1, (struct queue_take_op){ op });
	msv_env_tick(rig.env); /* the job is given away */
	msv_op_cancel(op);
	msv_test_run(rig.test);
	ck_assert_uint_eq(stats().busy, 0);
	ck_assert_ptr_nonnull(take(NULL, 1));
}
END_TEST

/* Freed in the midst of everything: each question is answered once. */
START_TEST(test_free_midway)
{
	for (int steps = 0; steps < 4; steps++) {
		struct queue_recipient recipients[8];
		char id[8];
		snprintf(id, sizeof id, "m%d", steps);
		struct mail mail = { .id = id, .to = TO("b@x", "x") };
		struct queue_message message = mail_message(&mail, recipients);
		struct answer in = { 0 }, out = { 0 }, changed = { 0 };
		struct queue_delivery *d = steps ? take(NULL, 1) : NULL;
		struct queue_result done = { .outcome = QUEUE_DONE };

		msv_queue_add(rig.queue, &message,
		    (struct queue_add_op){ msv_op_new(rig.env, on_plain, &in) });
		msv_queue_take(rig.queue, "x", 1,
		    (struct queue_take_op){ msv_op_new(rig.env, on_taken, &out) });
		msv_queue_change(rig.queue, MSV_QUEUE_HOLD, NULL,
		    (struct msv_queue_change_op){ msv_op_new(rig.env, on_count, &changed) });
		if (d) /* written down before the end */
			msv_queue_settle(d, &done, NULL, 0, (struct queue_settle_op){ NULL });
		for (int i = 0; i < steps; i++)
			msv_env_tick(rig.env);
		rig_shut();
		ck_assert(in.done && out.done && changed.done);
		ck_assert(in.error == 0 || in.error == MSV_ERR_CANCELED);
		ck_assert_int_eq(rig_reopen(), 0);
		ck_assert_uint_eq(stats().messages, in.error == 0);
		change(MSV_QUEUE_RELEASE, NULL, NULL, NULL);
		if (in.error)
			ck_assert_int_eq(add_mail(&mail), 0);
	}
}
END_TEST

int main(void)
{
	Suite *s = suite_create("queue");

	check_fixture_case(s, "queue", rig_setup, rig_teardown, test_round, test_everything_kept,
	    test_refused, test_control_bytes, test_body_sizes, test_grouping, test_retry,
	    test_not_before, test_in_flight, test_turns, test_takes_at_once, test_block,
	    test_on_due, test_bounce, test_cancel, test_free_midway);
	return check_main(s);
}
