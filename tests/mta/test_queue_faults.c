/* Memory that runs out, disks that are full or broken: what was said to be in is
 * in, what was not is not, and nothing leaks. */
#include <sys/resource.h>

#include <signal.h>
#include <sqlite3.h>

#include "mta/mta.h"
#include "mta/queue_rig.h"

/* -- A file system for SQLite that fails when it is told to ------------------------------ */

static struct {
	sqlite3_vfs vfs, *real;
	sqlite3_io_methods mine[2], theirs[2]; /* of the database, and of its log */
	long countdown;                        /* of writes and syncs; below 0: none fails */
	bool forever;
	int error;
} fault;

static int fails(void)
{
	if (fault.countdown < 0)
		return 0;
	if (fault.countdown > 0) {
		fault.countdown--;
		return 0;
	}
	if (!fault.forever)
		fault.countdown = -1;
	return fault.error;
}

static int faulty_write(sqlite3_file *file, const void *p, int n, sqlite3_int64 at)
{
	int error = fails();

	return error ? error
	             : fault.theirs[file->pMethods == &fault.mine[1]].xWrite(file, p, n, at);
}

static int faulty_sync(sqlite3_file *file, int flags)
{
	int error = fails();

	return error ? error : fault.theirs[file->pMethods == &fault.mine[1]].xSync(file, flags);
}

static int faulty_open(sqlite3_vfs *vfs, const char *name, sqlite3_file *file, int flags, int *out)
{
	int rc = fault.real->xOpen(vfs, name, file, flags, out);

	if (rc == SQLITE_OK && file->pMethods) {
		int i = (flags & SQLITE_OPEN_MAIN_DB) == 0;
		fault.theirs[i] = *file->pMethods;
		fault.mine[i] = fault.theirs[i];
		fault.mine[i].xWrite = faulty_write;
		fault.mine[i].xSync = faulty_sync;
		file->pMethods = &fault.mine[i];
	}
	return rc;
}

static void setup(void)
{
	sqlite3_initialize();
	fault.real = sqlite3_vfs_find("unix");
	fault.vfs = *fault.real;
	fault.vfs.zName = "faulty";
	fault.vfs.xOpen = faulty_open;
	fault.countdown = -1;
	sqlite3_vfs_register(&fault.vfs, 1);
	rig_setup();
}

static void teardown(void)
{
	rig_teardown();
	sqlite3_vfs_unregister(&fault.vfs);
}

#define TO(address, destination) \
	{ \
		{ \
			address, destination \
		} \
	}

/* -- The disk ------------------------------------------------------------------------------------- */

/* Each write and sync of some commits fails once. */
static void each_write_fails(int error, int expected)
{
	char id[32];
	uint64_t acknowledged = 0;
	int failures = 0;

	fault.error = error;
	for (int i = 0; i < 60; i++) {
		snprintf(id, sizeof id, "m%d", i);
		fault.countdown = i % 6;
		int got = add(.id = id, .to = TO("b@x", "x"));
		ck_assert_msg(got == 0 || got == expected, "%s", msv_strerror(got));
		acknowledged += got == 0;
		failures += got != 0;
		fault.countdown = -1;
		if (got)
			ck_assert_int_eq(add(.id = id, .to = TO("b@x", "x")), 0);
		acknowledged += got != 0;
		ck_assert_uint_eq(stats().messages, acknowledged);
	}
	ck_assert_int_ge(failures, 20);
	ck_assert_uint_eq(list(NULL, NULL)->rows, 60);
	ck_assert_int_eq(bodies(), 60);
	rig_shut();
	ck_assert_int_eq(rig_reopen(), 0);
	ck_assert_uint_eq(stats().messages, 60);
	ck_assert_int_eq(bodies(), 60);
}

START_TEST(test_full)
{
	each_write_fails(SQLITE_FULL, MSV_ERR_NOSPACE);
}
END_TEST

START_TEST(test_sync_fails)
{
	each_write_fails(SQLITE_IOERR_FSYNC, MSV_ERR_IO);
}
END_TEST

/* Many share a commit that fails: all are told, none is in. */
START_TEST(test_batch_fails)
{
	struct queue_recipient recipients[10][8];
	struct answer answers[10] = { 0 };
	char ids[10][8];

	fault.error = SQLITE_IOERR_WRITE;
	fault.countdown = 0;
	fault.forever = true;
	for (int i = 0; i < 10; i++) {
		snprintf(ids[i], sizeof ids[i], "m%d", i);
		struct mail mail = { .id = ids[i], .to = TO("b@x", "x") };
		struct queue_message message = mail_message(&mail, recipients[i]);
		msv_queue_add(rig.queue, &message,
		    (struct queue_add_op){ msv_op_new(rig.env, on_plain, &answers[i]) });
	}
	for (int i = 0; i < 10; i++)
		ck_assert_int_eq(answered(&answers[i]), MSV_ERR_IO);
	ck_assert_ptr_nonnull(strstr(msv_test_log(rig.test), "cannot write"));
	fault.forever = false;
	fault.countdown = -1;
	ck_assert_uint_eq(list(NULL, NULL)->rows, 0);
	ck_assert_int_eq(add(.id = "m", .to = TO("b@x", "x")), 0);
	/* The next commit that works takes the others' bodies away. */
	ck_assert_int_eq(bodies(), 1);
}
END_TEST

/* What became of a delivery is written as soon as that works, bounce and all. */
START_TEST(test_settle_waits)
{
	struct mail mail = { .id = "b1", .from = "", .to = TO("a@y", "y") };
	struct queue_recipient recipients[8];
	struct queue_message bounce = mail_message(&mail, recipients);
	struct queue_result failed = { .outcome = QUEUE_FAILED };
	struct answer answer = { 0 };

	ck_assert_int_eq(add(.id = "m", .to = TO("b@x", "x")), 0);
	struct queue_delivery *d = take(NULL, 1);
	fault.error = SQLITE_FULL;
	fault.countdown = 0;
	fault.forever = true;
	msv_queue_settle(d, &failed, &bounce, 1,
	    (struct queue_settle_op){ msv_op_new(rig.env, on_plain, &answer) });
	msv_test_run(rig.test);
	for (int i = 0; i < 10; i++) {
		msv_test_advance(rig.test, 60000);
		ck_assert(!answer.done);
		ck_assert_ptr_null(take(NULL, 1));
	}
	fault.forever = false;
	fault.countdown = -1;
	msv_test_advance(rig.test, 300000);
	ck_assert_int_eq(answered(&answer), 0);
	ck_assert_str_eq(list(NULL, NULL)->text, "b1 a@y y 0/1 0 \n");
	ck_assert_int_eq(bodies(), 1);
}
END_TEST

/* The queue is freed while it cannot write: the delivery is due when it is back. */
START_TEST(test_settle_lost)
{
	struct queue_result done = { .outcome = QUEUE_DONE };
	struct answer answer = { 0 };

	ck_assert_int_eq(add(.id = "m", .to = TO("b@x", "x")), 0);
	struct queue_delivery *d = take(NULL, 1);
	fault.error = SQLITE_FULL;
	fault.countdown = 0;
	fault.forever = true;
	msv_queue_settle(
	    d, &done, NULL, 0, (struct queue_settle_op){ msv_op_new(rig.env, on_plain, &answer) });
	msv_test_run(rig.test);
	ck_assert(!answer.done);
	rig_shut();
	ck_assert_int_eq(answered(&answer), MSV_ERR_NOSPACE);
	fault.forever = false;
	fault.countdown = -1;
	ck_assert_int_eq(rig_reopen(), 0);
	ck_assert_ptr_nonnull(take(NULL, 1));
}
END_TEST

/* A body that does not fit leaves nothing. */
START_TEST(test_body_too_big)
{
	static char big[300000];
	struct rlimit before, small;

	memset(big, 'x', sizeof big - 1);
	signal(SIGXFSZ, SIG_IGN);
	ck_assert_int_eq(getrlimit(RLIMIT_FSIZE, &before), 0);
	small = before;
	small.rlim_cur = 200000;
	ck_assert_int_eq(setrlimit(RLIMIT_FSIZE, &small), 0);
	int error = add(.id = "m", .body = big, .to = TO("b@x", "x"));
	ck_assert_int_eq(setrlimit(RLIMIT_FSIZE, &before), 0);
	ck_assert_int_eq(error, MSV_ERR_NOSPACE);
	ck_assert_int_eq(bodies(), 0);
	ck_assert_ptr_nonnull(strstr(msv_test_log(rig.test), "id=m: cannot write the message"));
	ck_assert_int_eq(add(.id = "m", .body = big, .to = TO("b@x", "x")), 0);
}
END_TEST

/* -- Memory ------------------------------------------------------------------------------------------ */

static struct {
	struct answer added[3], taken, settled, listed, changed, read;
	struct listing listing;
} life;

static bool gone_wrong(int error)
{
	ck_assert_msg(error == 0 || error == MSV_ERR_NOMEM || error == MSV_ERR_NOTFOUND, "%s",
	    msv_strerror(error));
	return error != 0;
}

/* A new op while memory may be gone. */
#define ASK(answer, on_done, on_row, wrapper, function, ...) \
	do { \
		struct msv_op *asked = msv_op_new(rig.env, on_done, answer); \
		if (asked) { \
			msv_op_set_row(asked, on_row); \
			function(__VA_ARGS__, (struct wrapper){ asked }); \
			msv_test_run(rig.test); \
			ck_assert((answer)->done); \
		} else { \
			(answer)->error = MSV_ERR_NOMEM; \
		} \
	} while (0)

static void add_spooled(struct msv_mta *mta, struct answer *answer)
{
	struct mail mail = { .id = "m2", .to = { { "b@x", "x" }, { "c@y", "y" } } };
	struct queue_recipient recipients[8];
	struct queue_message message = mail_message(&mail, recipients);
	struct mta_spool spool;

	msv_mta_spool_init(&spool, mta);
	if (msv_mta_spool_write(&spool, "spooled\r\n", 9) == 0) {
		message.spool = &spool;
		ASK(answer, on_plain, NULL, queue_add_op, msv_queue_add, rig.queue, &message);
	} else {
		answer->error = MSV_ERR_NOMEM;
	}
	msv_mta_spool_fini(&spool);
}

/* One delivery with a bounce; the rest is put back. */
static void deliver(void)
{
	struct mail mail = { .id = "b1", .from = "", .to = TO("a@z", "z") };
	struct queue_recipient recipients[8];
	struct queue_message bounce = mail_message(&mail, recipients);
	struct queue_result failed[2] = { { .outcome = QUEUE_FAILED }, { .outcome = QUEUE_DONE } };
	struct queue_delivery *d;

	ASK(&life.taken, on_taken, NULL, queue_take_op, msv_queue_take, rig.queue, NULL, 2);
	if (life.taken.error || !(d = life.taken.delivery))
		return;
	ASK(&life.read, on_plain, NULL, queue_read_op, msv_queue_read, d, 0, 100);
	struct msv_op *op = msv_op_new(rig.env, on_plain, &life.settled);
	msv_queue_settle(d, failed, &bounce, 1, (struct queue_settle_op){ op });
	msv_test_run(rig.test);
}

/* All there is to ask; true when nothing failed. */
static bool live(struct msv_mta *mta)
{
	struct mail mail = { .id = "m1", .to = TO("b@x", "x") };
	struct queue_recipient recipients[8];
	struct queue_message message = mail_message(&mail, recipients);
	struct msv_queue_filter filter = { .size = sizeof filter, .domain = "x" };

	memset(&life, 0, sizeof life);
	if (rig_reopen() != 0) {
		rig.queue = NULL;
		return false;
	}
	ASK(&life.added[0], on_plain, NULL, queue_add_op, msv_queue_add, rig.queue, &message);
	add_spooled(mta, &life.added[1]);
	deliver();
	ASK(&life.listing.answer, on_plain, on_entry, msv_queue_list_op, msv_queue_list, rig.queue,
	    &filter);
	ASK(&life.changed, on_count, NULL, msv_queue_change_op, msv_queue_change, rig.queue,
	    MSV_QUEUE_RETRY, &filter);
	bool wrong = false;
	wrong |= gone_wrong(life.added[0].error);
	wrong |= gone_wrong(life.added[1].error);
	wrong |= gone_wrong(life.taken.error);
	wrong |= gone_wrong(life.read.error);
	wrong |= gone_wrong(life.settled.error);
	wrong |= gone_wrong(life.listing.answer.error);
	wrong |= gone_wrong(life.changed.error);
	return !wrong;
}

/* With memory again: all that was acknowledged is there, and can be handed out. */
static void check_life(void)
{
	struct answer *added = life.added;
	uint64_t before = stats().messages;

	msv_test_advance(rig.test, 600000);
	change(MSV_QUEUE_RETRY, NULL, NULL, NULL);
	/* The delivery was of m1 or of m2; then there is a bounce. */
	bool settled = life.taken.delivery && life.settled.done && !life.settled.error;
	const char *text = list(NULL, NULL)->text;
	int m1 = strstr(text, "m1 b@x") != NULL, m2 = strstr(text, "m2 b@x") != NULL,
	    m3 = strstr(text, "m2 c@y") != NULL, b1 = strstr(text, "b1 ") != NULL;
	int expected = (added[0].done && !added[0].error) + 2 * (added[1].done && !added[1].error);
	if (settled || b1)
		ck_assert_msg(m1 + m2 + m3 == expected - 1 && b1, "%s", text);
	else
		ck_assert_msg(m1 + m2 + m3 == expected, "%d: %s", expected, text);
	ck_assert_uint_le(before, 4);
	size_t rows = list(NULL, NULL)->rows, out = 0;
	for (struct queue_delivery *d; (d = take(NULL, 10));) {
		ck_assert_ptr_nonnull(body(d, 4));
		out += d->ntargets;
		settle(d, .outcome = QUEUE_DONE);
	}
	ck_assert_uint_eq(out, rows);
}

static void each_allocation_fails(bool forever)
{
	static const char *const domains[] = { "x" };
	static const char *const users[] = { "a@x", "a", NULL };
	struct msv_memory_store *memory;
	struct msv_memory_options memory_options = { .size = sizeof memory_options };
	struct msv_mta *mta;
	bool well = false;

	ck_assert_int_eq(msv_memory_store_new(rig.env, &memory_options, &memory), 0);
	struct msv_mta_options options = { .size = sizeof options,
		.domains = domains,
		.ndomains = 1,
		.auth = msv_test_auth(rig.test, users),
		.store = msv_memory_store(memory),
		.spool = scratch,
		.body_memory = 4 };
	ck_assert_int_eq(msv_mta_new(rig.env, &options, &mta), 0);
	rig_shut();
	for (uint64_t n = 0; !well; n++) {
		ck_assert_uint_lt(n, 1000);
		msv_test_fail_alloc(rig.test, n, forever);
		well = live(mta);
		msv_test_fail_alloc(rig.test, UINT64_MAX, false);
		if (!rig.queue)
			ck_assert_int_eq(rig_reopen(), 0);
		check_life();
		rig_shut();
		ck_assert_int_eq(rig_reopen(), 0);
		ck_assert_uint_eq(stats().recipients, 0);
		ck_assert_int_eq(bodies(), 0);
		rig_shut();
	}
	msv_mta_free(mta);
	msv_memory_store_free(memory);
}

START_TEST(test_allocations)
{
	each_allocation_fails(false);
}
END_TEST

START_TEST(test_allocations_forever)
{
	each_allocation_fails(true);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("queue_faults");

	check_fixture_case(s, "disk", setup, teardown, test_full, test_sync_fails, test_batch_fails,
	    test_settle_waits, test_settle_lost, test_body_too_big);
	check_fixture_case(
	    s, "memory", rig_setup, rig_teardown, test_allocations, test_allocations_forever);
	return check_main(s);
}
