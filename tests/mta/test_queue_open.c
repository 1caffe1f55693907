/* What opening finds, and what it makes of it. */
#include <sys/wait.h>

#include <sqlite3.h>

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

static bool logged(const char *what)
{
	return strstr(msv_test_log(rig.test), what) != NULL;
}

START_TEST(test_arguments)
{
	struct msv_queue *queue;
	struct msv_queue_options none = { .size = sizeof none };
	struct msv_queue_options deep = { .size = sizeof deep, .directory = scratch_path("a/b") };

	ck_assert_int_eq(msv_queue_open(rig.env, NULL, &queue), MSV_ERR_INVAL);
	ck_assert_int_eq(msv_queue_open(rig.env, &none, &queue), MSV_ERR_INVAL);
	ck_assert_int_eq(msv_queue_open(rig.env, &deep, &queue), MSV_ERR_NOTFOUND);
	ck_assert(logged("cannot open"));
	msv_queue_free(NULL);
}
END_TEST

/* Nobody but the owner can read it. */
START_TEST(test_modes)
{
	static const char *const names[] = { "q", "q/queue.db", "q/queue.db-wal", "q/lock",
		"q/bodies", "q/bodies/00", "q/bodies/00/1" };
	struct stat st;

	fill(1);
	for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
		ck_assert_msg(stat(scratch_path(names[i]), &st) == 0, "%s", names[i]);
		ck_assert_msg((st.st_mode & 077) == 0, "%s %o", names[i], st.st_mode);
	}
}
END_TEST

START_TEST(test_busy)
{
	struct msv_queue *first = rig.queue;

	ck_assert_int_eq(rig_reopen(), MSV_ERR_BUSY);
	pid_t pid = fork();
	if (pid == 0)
		_exit(rig_reopen() == MSV_ERR_BUSY ? 0 : 1);
	int status = -1;
	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	ck_assert_int_eq(status, 0);
	rig.queue = first;
	ck_assert_int_eq(add(.id = "m", .to = { { "a@b", "b" } }), 0);
}
END_TEST

START_TEST(test_bodies_and_rows)
{
	fill(4);
	rig_shut();
	/* A body that was never acknowledged; one that is lost; a stranger's file. */
	scratch_puts("q/bodies/00/99", "half a mess");
	scratch_puts("q/bodies/01/99", "not its place");
	scratch_puts("q/bodies/00/note", "hello");
	ck_assert_int_eq(unlink(scratch_path("q/bodies/00/2")), 0);
	ck_assert_int_eq(rig_reopen(), 0);
	ck_assert(logged("id=m001: the message is gone"));
	ck_assert(!scratch_has("q/bodies/00/99"));
	ck_assert(scratch_has("q/bodies/01/99") && scratch_has("q/bodies/00/note"));
	ck_assert_uint_eq(stats().held, 1);
	ck_assert_uint_eq(stats().messages, 4);
	for (int i = 0; i < 3; i++) {
		struct queue_delivery *d = take(NULL, 10);
		ck_assert_str_ne(d->id, "m001");
		ck_assert_ptr_nonnull(body(d, 100));
	}
	ck_assert_ptr_null(take(NULL, 10));
	/* Released, who tries it is told. */
	ck_assert_int_eq(change(MSV_QUEUE_RELEASE, "m001", NULL, NULL), 0);
	struct queue_delivery *d = take(NULL, 10);
	ck_assert_str_eq(d->id, "m001");
	ck_assert_ptr_null(body(d, 100));
	ck_assert(logged("id=m001: cannot read the message"));
}
END_TEST

/* A body that became shorter is as good as gone. */
START_TEST(test_short_body)
{
	fill(1);
	ck_assert_int_eq(truncate(scratch_path("q/bodies/00/1"), 3), 0);
	ck_assert_ptr_null(body(take(NULL, 10), 2));
}
END_TEST

/* Numbers go on after a restart, so that no body takes another's name. */
START_TEST(test_numbers)
{
	fill(3);
	rig_shut();
	ck_assert_int_eq(rig_reopen(), 0);
	ck_assert_int_eq(add(.id = "more", .to = { { "a@b", "b" } }), 0);
	ck_assert(scratch_has("q/bodies/00/4"));
	ck_assert_uint_eq(stats().messages, 4);
}
END_TEST

/* -- Damage ------------------------------------------------------------------------------------ */

static void damage(off_t offset, size_t n)
{
	int fd = open(scratch_path("q/queue.db"), O_WRONLY);
	char junk[4096];

	memset(junk, 0xa5, sizeof junk);
	ck_assert_int_eq(pwrite(fd, junk, n, offset), (ssize_t)n);
	close(fd);
}

static void sql(const char *name, const char *text)
{
	sqlite3 *db;

	ck_assert_int_eq(sqlite3_open(scratch_path(name), &db), SQLITE_OK);
	ck_assert_msg(
	    sqlite3_exec(db, text, NULL, NULL, NULL) == SQLITE_OK, "%s", sqlite3_errmsg(db));
	sqlite3_close(db);
}

START_TEST(test_no_database_at_all)
{
	fill(5);
	rig_shut();
	damage(0, 4096);
	ck_assert_int_eq(rig_reopen(), 0);
	ck_assert(logged("queue.db is damaged"));
	ck_assert_uint_eq(stats().messages, 0);
	ck_assert(scratch_has("q/damaged/1/queue.db") && scratch_has("q/damaged/1/bodies/00/5"));
	/* Service goes on. */
	fill(2);
	ck_assert_ptr_nonnull(body(take(NULL, 9), 9));
	rig_shut();
	damage(0, 4096);
	ck_assert_int_eq(rig_reopen(), 0);
	ck_assert(scratch_has("q/damaged/2/bodies/00/2"));
}
END_TEST

/* A page in the middle is damaged: what is before and behind is taken over. */
START_TEST(test_salvage)
{
	struct stat st;

	fill(300);
	rig_shut();
	ck_assert_int_eq(stat(scratch_path("q/queue.db"), &st), 0);
	uint64_t best = 0;
	for (off_t page = 1; page < st.st_size / 4096; page += 3) {
		char saved[4096];
		int fd = open(scratch_path("q/queue.db"), O_RDWR);
		ck_assert_int_eq(pread(fd, saved, 4096, page * 4096), 4096);
		damage(page * 4096, 4096);
		ck_assert_int_eq(rig_reopen(), 0);
		struct msv_queue_stats s = stats();
		if (s.messages > best)
			best = s.messages;
		/* Whole messages only. */
		ck_assert_uint_eq(s.recipients, 2 * s.messages);
		ck_assert_uint_eq(list(NULL, NULL)->rows, s.recipients);
		struct queue_delivery *d = take(NULL, 9);
		ck_assert(!s.messages || (d && body(d, 100)));
		rig_shut();
		/* The damaged one back, whole again, for the next page. */
		ck_assert_int_eq(pwrite(fd, saved, 4096, page * 4096), 4096);
		close(fd);
		char command[3000];
		snprintf(command, sizeof command,
		    "cd %s && rm -rf queue.db* bodies && mv damaged/*/* . && rm -rf damaged",
		    scratch_path("q"));
		ck_assert_int_eq(system(command), 0);
	}
	ck_assert_uint_ge(best, 250);
	ck_assert_int_eq(rig_reopen(), 0);
	ck_assert_uint_eq(stats().messages, 300);
}
END_TEST

/* Tables that are not ours, or of a version to come, are left alone. */
START_TEST(test_not_ours)
{
	rig_shut();
	sql("q/queue.db", "PRAGMA user_version=9");
	ck_assert_int_eq(rig_reopen(), MSV_ERR_FORMAT);
	ck_assert(logged("later version"));
	sql("q/queue.db", "PRAGMA user_version=1; PRAGMA application_id=1");
	ck_assert_int_eq(rig_reopen(), MSV_ERR_FORMAT);
	ck_assert(logged("another program"));
	ck_assert(!scratch_has("q/damaged"));
	sql("q/queue.db", "PRAGMA application_id=1836283505; DROP INDEX recipient_due;"
	                  "DROP TABLE recipient; CREATE TABLE recipient(row, x)");
	ck_assert_int_eq(rig_reopen(), 0);
	ck_assert(scratch_has("q/damaged/1"));
}
END_TEST

/* Rows that contradict each other. */
START_TEST(test_stray_rows)
{
	fill(2);
	rig_shut();
	sql("q/queue.db",
	    "INSERT INTO recipient SELECT 77<<20, kind, address, domain, destination, sender, "
	    "orcpt,"
	    " account, mailbox, notify, attempts, next, due, warned, host, code, text"
	    " FROM recipient LIMIT 1; DELETE FROM recipient WHERE row>>20=1;"
	    "UPDATE recipient SET kind=-5, attempts=-1, notify=1<<40, next=-9, code=1<<40");
	ck_assert_int_eq(rig_reopen(), 0);
	ck_assert_uint_eq(stats().messages, 1);
	ck_assert_uint_eq(stats().recipients, 2);
	ck_assert_int_eq(bodies(), 1);
	struct queue_delivery *d = take(NULL, 9);
	ck_assert_uint_eq(d->ntargets, 2);
	ck_assert_int_eq(d->kind, MSV_QUEUE_REMOTE);
	ck_assert_uint_eq(d->targets[0].attempts, 0);
	settle(d, .outcome = QUEUE_DONE);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("queue_open");

	check_fixture_case(s, "queue_open", rig_setup, rig_teardown, test_arguments, test_modes,
	    test_busy, test_bodies_and_rows, test_short_body, test_numbers, test_no_database_at_all,
	    test_salvage, test_not_ours, test_stray_rows);
	return check_main(s);
}
