/* Looking after the queue: listing, changing, reading. */
#include "mta/queue_rig.h"

static void fill(int n)
{
	char id[16], address[32];

	for (int i = 0; i < n; i++) {
		snprintf(id, sizeof id, "m%03d", i);
		snprintf(address, sizeof address, "b@d%d.example", i % 3);
		ck_assert_int_eq(
		    add(.id = id, .to = { { address, "hop" }, { "c@C.example", "hop" } }), 0);
	}
}

START_TEST(test_pages)
{
	fill(150);
	ck_assert_uint_eq(list(NULL, NULL)->rows, 300);
	/* In order of arrival. */
	char want[16], *at = list(NULL, NULL)->text;
	for (int i = 0; i < 150; i++) {
		snprintf(want, sizeof want, "m%03d b@", i);
		ck_assert_ptr_nonnull(at = strstr(at, want));
	}
	ck_assert_uint_eq(list("m007", NULL)->rows, 2);
	ck_assert_uint_eq(list("m7", NULL)->rows, 0);
	ck_assert_uint_eq(list(NULL, "d1.EXAMPLE")->rows, 50);
	ck_assert_uint_eq(list(NULL, "c.example")->rows, 150);
	ck_assert_uint_eq(list("m007", "d2.example")->rows, 0);
	ck_assert_str_eq(list("m007", "d1.example")->text, "m007 b@d1.example hop 0/2 0 \n");
}
END_TEST

/* Pauses at each row in turn near the ends of pages; then the asker goes away. */
START_TEST(test_pause)
{
	static struct listing listing;

	fill(70);
	for (size_t at = 60; at < 70; at++) {
		for (int cancel = 0; cancel < 2; cancel++) {
			memset(&listing, 0, sizeof listing);
			listing.pause_at = at;
			listing.op = msv_op_new(rig.env, on_plain, &listing);
			msv_op_set_row(listing.op, on_entry);
			msv_queue_list(rig.queue, NULL, (struct msv_queue_list_op){ listing.op });
			msv_test_run(rig.test);
			ck_assert_uint_eq(listing.rows, at);
			ck_assert(!listing.answer.done);
			if (cancel)
				msv_op_cancel(listing.op);
			else
				msv_op_resume(listing.op);
			msv_test_run(rig.test);
			ck_assert_uint_eq(listing.rows, cancel ? at : 140);
			ck_assert(listing.answer.done == !cancel);
		}
	}
}
END_TEST

/* The queue goes while somebody is at a row. */
START_TEST(test_pause_free)
{
	static struct listing listing;

	fill(2);
	memset(&listing, 0, sizeof listing);
	listing.pause_at = 1;
	listing.op = msv_op_new(rig.env, on_plain, &listing);
	msv_op_set_row(listing.op, on_entry);
	msv_queue_list(rig.queue, NULL, (struct msv_queue_list_op){ listing.op });
	msv_test_run(rig.test);
	rig_shut();
	ck_assert(listing.answer.done);
	ck_assert_int_eq(listing.answer.error, MSV_ERR_CANCELED);
}
END_TEST

START_TEST(test_hold)
{
	struct msv_queue_count count;

	fill(3);
	ck_assert_int_eq(change(MSV_QUEUE_HOLD, "m001", NULL, &count), 0);
	ck_assert(count.messages == 1 && count.recipients == 2);
	ck_assert_uint_eq(stats().held, 1);
	/* A whole message is held, and once. */
	ck_assert_int_eq(change(MSV_QUEUE_HOLD, NULL, "d1.example", &count), 0);
	ck_assert(count.messages == 0 && count.recipients == 0);
	ck_assert_int_eq(change(MSV_QUEUE_HOLD, NULL, "d2.example", &count), 0);
	ck_assert(count.messages == 1 && count.recipients == 2);
	ck_assert_uint_eq(list(NULL, NULL)->rows, 6);
	ck_assert_str_eq(list("m002", NULL)->text,
	    "m002 b@d2.example hop 0/2 held 0 \nm002 c@C.example hop 0/2 held 0 \n");
	struct queue_delivery *d = take(NULL, 10);
	ck_assert_str_eq(d->id, "m000");
	ck_assert_ptr_null(take(NULL, 10));
	/* RETRY does not release. */
	ck_assert_int_eq(change(MSV_QUEUE_RETRY, NULL, NULL, &count), 0);
	ck_assert(count.messages == 3 && count.recipients == 6);
	ck_assert_ptr_null(take(NULL, 10));
	/* Held while it is out: it is not tried again. */
	ck_assert_int_eq(change(MSV_QUEUE_HOLD, "m000", NULL, NULL), 0);
	settle(d, .outcome = QUEUE_RETRY, .next = rig_now());
	ck_assert_ptr_null(take(NULL, 10));
	rig_shut();
	ck_assert_int_eq(rig_reopen(), 0);
	ck_assert_uint_eq(stats().held, 3);
	ck_assert_ptr_null(take(NULL, 10));
	ck_assert_int_eq(change(MSV_QUEUE_RELEASE, NULL, NULL, &count), 0);
	ck_assert(count.messages == 3 && count.recipients == 6);
	for (int i = 0; i < 3; i++) {
		d = take(NULL, 10);
		ck_assert_ptr_nonnull(d);
		settle(d, .outcome = QUEUE_DONE);
	}
	ck_assert_uint_eq(stats().held, 0);
	ck_assert_int_eq(change(MSV_QUEUE_RELEASE, NULL, NULL, NULL), MSV_ERR_NOTFOUND);
}
END_TEST

START_TEST(test_remove)
{
	struct msv_queue_count count;

	fill(3);
	ck_assert_int_eq(change(MSV_QUEUE_REMOVE, NULL, "nowhere.example", NULL), MSV_ERR_NOTFOUND);
	ck_assert_int_eq(change(MSV_QUEUE_REMOVE, "m9", NULL, NULL), MSV_ERR_NOTFOUND);
	ck_assert_int_eq(change(MSV_QUEUE_HOLD, "m002", NULL, NULL), 0);
	struct queue_delivery *d = take(NULL, 1);
	/* All but what is being tried. */
	ck_assert_int_eq(change(MSV_QUEUE_REMOVE, NULL, NULL, &count), 0);
	ck_assert(count.messages == 3 && count.recipients == 5);
	ck_assert_uint_eq(list(NULL, NULL)->rows, 1);
	struct msv_queue_stats s = stats();
	ck_assert(s.messages == 1 && s.recipients == 1 && s.held == 0 && s.busy == 1);
	ck_assert_int_eq(bodies(), 1);
	settle(d, .outcome = QUEUE_DONE);
	ck_assert_int_eq(bodies(), 0);
	ck_assert_uint_eq(stats().recipients, 0);
	/* What is gone is not found by what is kept in memory. */
	ck_assert_ptr_null(take(NULL, 1));
	ck_assert_uint_eq(msv_queue_next(rig.queue), UINT64_MAX);
}
END_TEST

static int to_hop(void *user, const char *domain, char *out, size_t room)
{
	++*(int *)user;
	snprintf(out, room, "%s", strcmp(domain, "c.example") == 0 ? "other" : domain);
	return 0;
}

START_TEST(test_rename)
{
	int asked = 0;
	char seen[256] = "";

	fill(6);
	ck_assert_int_eq(msv_queue_rename_destinations(rig.queue, to_hop, &asked), 0);
	ck_assert_int_eq(asked, 4);
	ck_assert_ptr_null(take("hop", 10));
	for (struct queue_delivery *d; (d = take(NULL, 10));) {
		strcat(strcat(seen, d->destination), " ");
		settle(d, .outcome = QUEUE_DONE);
	}
	ck_assert_uint_eq(stats().messages, 0);
	int others = 0;
	for (char *p = seen; (p = strstr(p, "other")); p++)
		others++;
	ck_assert_int_eq(others, 6);
	ck_assert_ptr_nonnull(strstr(seen, "d2.example"));
	ck_assert_int_eq(change(MSV_QUEUE_RETRY, (char[]){ "x" }, NULL, NULL), MSV_ERR_NOTFOUND);
	ck_assert_int_eq(change((enum msv_queue_change)77, NULL, NULL, NULL), MSV_ERR_INVAL);
}
END_TEST

static int on_body(void *user, const void *row)
{
	struct text *text = user;
	const struct msv_queue_piece *piece = row;

	ck_assert(text->n + piece->n < sizeof text->p);
	memcpy(text->p + text->n, piece->p, piece->n);
	text->n += piece->n;
	return MSV_PAUSE;
}

START_TEST(test_body)
{
	static struct text text;
	static char big[200001];
	struct msv_queue_body_op op;

	for (size_t i = 0; i < sizeof big - 1; i++)
		big[i] = (char)('a' + i % 23);
	ck_assert_int_eq(add(.id = "m", .to = { { "b@x", "x" } }, .body = big), 0);
	op.op = msv_op_new(rig.env, on_plain, &text);
	msv_op_set_row(op.op, on_body);
	msv_queue_body(rig.queue, "m", op);
	for (int i = 0; i < 10 && !text.answer.done; i++) {
		msv_test_run(rig.test);
		if (!text.answer.done)
			msv_op_resume(op.op);
	}
	ck_assert_int_eq(answered(&text.answer), 0);
	ck_assert_uint_eq(text.n, sizeof big - 1);
	ck_assert_int_eq(memcmp(text.p, big, text.n), 0);
	struct answer answer = { 0 };
	op.op = msv_op_new(rig.env, on_plain, &answer);
	msv_queue_body(rig.queue, "none", op);
	ck_assert_int_eq(answered(&answer), MSV_ERR_NOTFOUND);
	/* And as the relay reads it. */
	struct queue_delivery *d = take(NULL, 1);
	ck_assert_str_eq(body(d, 70000), big);
	ck_assert_uint_eq(d->octets, sizeof big - 1);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("queue_list");

	check_fixture_case(s, "queue_list", rig_setup, rig_teardown, test_pages, test_pause,
	    test_pause_free, test_hold, test_remove, test_rename, test_body);
	return check_main(s);
}
