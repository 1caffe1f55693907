/* The env on a loop: ticks, jobs, watches, the end. */
#include <fcntl.h>
#include <stdatomic.h>
#include <sys/stat.h>

#include "check_main.h"
#include "rig.h"

/* -- Ticks -------------------------------------------------------------------------- */

static unsigned fired;

static void fire(void *user)
{
	(void)user;
	fired++;
}

static void answered(void *user, int error, const void *result)
{
	(void)user;
	(void)error;
	(void)result;
	fired++;
}

START_TEST(test_timer)
{
	struct msv_timer *timer;
	uint64_t start = msv_env_now(rig.env);

	fired = 0;
	ck_assert_int_eq(msv_timer_new(rig.env, fire, NULL, &timer), 0);
	msv_timer_start(timer, start + 50);
	uv_run(&rig.loop, UV_RUN_DEFAULT); /* ends by itself when nothing waits */
	ck_assert_uint_eq(fired, 1);
	ck_assert_uint_ge(msv_env_now(rig.env), start + 50);
	ck_assert_uint_lt(msv_env_now(rig.env), start + 2000);
	msv_timer_free(timer);
}
END_TEST

/* An earlier timer started while a later one is waited for. */
START_TEST(test_earlier_timer)
{
	struct msv_timer *late, *early;

	fired = 0;
	msv_timer_new(rig.env, fire, NULL, &late);
	msv_timer_new(rig.env, fire, NULL, &early);
	msv_timer_start(late, msv_env_now(rig.env) + 60000);
	rig_run(5);
	msv_timer_start(early, msv_env_now(rig.env) + 20);
	ck_assert(rig_until(fired == 1));
	msv_timer_free(late);
	msv_timer_free(early);
}
END_TEST

/* An answer outside of everything wakes the loop. */
START_TEST(test_wake)
{
	struct msv_op *op = msv_op_new(rig.env, answered, NULL);

	fired = 0;
	msv_op_answer(op, 0);
	ck_assert_uint_eq(fired, 0);
	uv_run(&rig.loop, UV_RUN_DEFAULT);
	ck_assert_uint_eq(fired, 1);
}
END_TEST

static unsigned turns;

static void count_turn(uv_prepare_t *prepare)
{
	(void)prepare;
	turns++;
}

/* An idle env does not keep the loop busy. */
START_TEST(test_idle)
{
	struct msv_timer *timer;
	static uv_prepare_t prepare;

	msv_timer_new(rig.env, fire, NULL, &timer);
	msv_timer_start(timer, msv_env_now(rig.env) + 300);
	uv_prepare_init(&rig.loop, &prepare);
	uv_prepare_start(&prepare, count_turn);
	uv_unref((uv_handle_t *)&prepare);
	turns = 0;
	uv_run(&rig.loop, UV_RUN_DEFAULT);
	ck_assert_uint_lt(turns, 20);
	uv_close((uv_handle_t *)&prepare, NULL);
	msv_timer_free(timer);
}
END_TEST

/* -- Jobs --------------------------------------------------------------------------- */

static atomic_uint running[MSV_LANE_COUNT], most[MSV_LANE_COUNT], worked;
static unsigned finished[MSV_LANE_COUNT];
static uv_thread_t loop_thread;

struct job {
	enum msv_lane lane;
	unsigned ms;
	unsigned number, *next; /* the order of the ends is checked if there is a next */
	bool on_loop;
};

static void job_work(void *data)
{
	struct job *job = data;
	unsigned n = atomic_fetch_add(&running[job->lane], 1) + 1;
	unsigned seen = atomic_load(&most[job->lane]);
	uv_thread_t self = uv_thread_self();

	while (n > seen && !atomic_compare_exchange_weak(&most[job->lane], &seen, n))
		;
	job->on_loop = uv_thread_equal(&self, &loop_thread);
	poll(NULL, 0, (int)job->ms);
	atomic_fetch_sub(&running[job->lane], 1);
	atomic_fetch_add(&worked, 1);
}

static void job_done(void *data)
{
	struct job *job = data;
	uv_thread_t self = uv_thread_self();

	ck_assert(uv_thread_equal(&self, &loop_thread));
	ck_assert(!job->on_loop);
	finished[job->lane]++;
	if (job->next)
		ck_assert_uint_eq(job->number, (*job->next)++);
	free(job);
}

static void give_job(enum msv_lane lane, unsigned ms, unsigned number, unsigned *next)
{
	struct job *job = malloc(sizeof(*job));

	*job = (struct job){ .lane = lane, .ms = ms, .number = number, .next = next };
	ck_assert_int_eq(msv_env_offload(rig.env, lane, job_work, job_done, job), 0);
}

static void jobs_begin(void)
{
	rig_begin();
	loop_thread = uv_thread_self();
	for (int i = 0; i < MSV_LANE_COUNT; i++) {
		running[i] = most[i] = 0;
		finished[i] = 0;
	}
	worked = 0;
}

START_TEST(test_lanes)
{
	unsigned next = 0;

	for (int i = 0; i < 20; i++)
		give_job(MSV_LANE_HASH, 20, 0, NULL);
	for (unsigned i = 0; i < 5; i++)
		give_job(MSV_LANE_INDEX, 5, i, &next);
	/* A flood of hashing does not hold up the disk. */
	for (int i = 0; i < 4; i++)
		give_job(MSV_LANE_DISK, 1, 0, NULL);
	ck_assert(rig_until(finished[MSV_LANE_DISK] == 4));
	ck_assert_uint_lt(finished[MSV_LANE_HASH], 18);
	ck_assert(rig_until(finished[MSV_LANE_HASH] == 20 && finished[MSV_LANE_INDEX] == 5));
	ck_assert_uint_eq(most[MSV_LANE_HASH], 2);
	ck_assert_uint_eq(most[MSV_LANE_INDEX], 1);
	ck_assert_uint_eq(next, 5);
}
END_TEST

START_TEST(test_widths)
{
	rig_end();
	rig_begin_with((struct msv_uv_options){ .width = { [MSV_LANE_DISK] = 1 } });
	for (int i = 0; i < 6; i++)
		give_job(MSV_LANE_DISK, 5, 0, NULL);
	ck_assert(rig_until(finished[MSV_LANE_DISK] == 6));
	ck_assert_uint_eq(most[MSV_LANE_DISK], 1);
}
END_TEST

/* Jobs that are over at once share a thread; a slow one among them holds up none of
 * the others for long. */
START_TEST(test_quick_lane)
{
	for (int i = 0; i < 200; i++)
		give_job(MSV_LANE_DISK, 0, 0, NULL);
	ck_assert(rig_until(finished[MSV_LANE_DISK] == 200));
	give_job(MSV_LANE_DISK, 3000, 0, NULL);
	for (int i = 0; i < 100; i++)
		give_job(MSV_LANE_DISK, 0, 0, NULL);
	ck_assert(rig_until(finished[MSV_LANE_DISK] == 300));
	ck_assert_uint_eq(running[MSV_LANE_DISK], 1);
	ck_assert(rig_until(finished[MSV_LANE_DISK] == 301));
}
END_TEST

/* Let go of with jobs running and waiting: all of them are done first. */
START_TEST(test_free_waits_for_jobs)
{
	for (int i = 0; i < 5; i++)
		give_job(MSV_LANE_INDEX, 10, 0, NULL);
	rig_run(5);
	rig_end();
	ck_assert_uint_eq(worked, 5);
	ck_assert_uint_eq(finished[MSV_LANE_INDEX], 5);
	rig_begin();
}
END_TEST

/* -- Watches ------------------------------------------------------------------------- */

static char dir[64], path[96], other[96];

static void files_begin(void)
{
	rig_begin();
	strcpy(dir, "/tmp/msv-uv-XXXXXX");
	ck_assert_ptr_nonnull(mkdtemp(dir));
	snprintf(path, sizeof(path), "%s/file", dir);
	snprintf(other, sizeof(other), "%s/other", dir);
	fired = 0;
}

static void files_end(void)
{
	unlink(path);
	unlink(other);
	rmdir(dir);
	rig_end();
}

static void write_file(const char *name, const char *text)
{
	FILE *f = fopen(name, "w");

	ck_assert_ptr_nonnull(f);
	fputs(text, f);
	fclose(f);
}

/* Something was noticed since the last call; then it is quiet again. */
static void expect_fired(void)
{
	ck_assert(rig_until(fired > 0));
	rig_run(20);
	fired = 0;
}

START_TEST(test_watch_directory)
{
	struct msv_watch *watch;

	ck_assert_int_eq(msv_watch_new(rig.env, dir, fire, NULL, &watch), 0);
	rig_run(20);
	ck_assert_uint_eq(fired, 0);
	write_file(path, "a");
	expect_fired();
	ck_assert_int_eq(rename(path, other), 0);
	expect_fired();
	ck_assert_int_eq(unlink(other), 0);
	expect_fired();
	msv_watch_free(watch);
	write_file(path, "b");
	rig_run(50);
	ck_assert_uint_eq(fired, 0);
}
END_TEST

/* A file that is written to, replaced by rename, replaced again, taken away
 * and made anew. */
START_TEST(test_watch_file)
{
	struct msv_watch *watch;

	write_file(path, "a");
	ck_assert_int_eq(msv_watch_new(rig.env, path, fire, NULL, &watch), 0);
	write_file(path, "b");
	expect_fired();
	for (int i = 0; i < 3; i++) {
		write_file(other, "c");
		ck_assert_int_eq(rename(other, path), 0);
		expect_fired();
	}
	write_file(path, "d");
	expect_fired();
	ck_assert_int_eq(unlink(path), 0);
	expect_fired();
	write_file(path, "e");
	ck_assert(rig_until(fired > 0));
	rig_run(1200);
	fired = 0;
	write_file(path, "f");
	expect_fired();
	msv_watch_free(watch);
}
END_TEST

/* What is not there yet is looked for by the clock. */
START_TEST(test_watch_missing)
{
	struct msv_watch *watch;

	ck_assert_int_eq(msv_watch_new(rig.env, path, fire, NULL, &watch), 0);
	ck_assert(rig_until(fired > 0));
	msv_watch_free(watch);
}
END_TEST

static struct msv_watch *self;

static void stop_self(void *user)
{
	(void)user;
	fired++;
	msv_watch_free(self);
}

START_TEST(test_watch_stopped_inside)
{
	ck_assert_int_eq(msv_watch_new(rig.env, dir, stop_self, NULL, &self), 0);
	write_file(path, "a");
	ck_assert(rig_until(fired == 1));
}
END_TEST

/* A watch alone does not keep the loop running; and it may outlive the uv. */
START_TEST(test_watch_outlives)
{
	struct msv_watch *watch;

	ck_assert_int_eq(msv_watch_new(rig.env, dir, fire, NULL, &watch), 0);
	uv_run(&rig.loop, UV_RUN_DEFAULT);
	rig_end();
	msv_watch_free(watch);
	rig_begin();
}
END_TEST

/* -- The end --------------------------------------------------------------------------- */

/* Whoever is asked may answer after everything else is gone. */
START_TEST(test_answer_after_the_end)
{
	struct msv_op *op = msv_op_new(rig.env, answered, NULL);

	fired = 0;
	rig_end();
	msv_op_answer(op, 0);
	ck_assert_uint_eq(fired, 1);
	rig_begin();
}
END_TEST

START_TEST(test_log)
{
	msv_env_log(rig.env, MSV_LOG_INFO, "hello\n%d", 7);
	ck_assert_str_eq(rig.log, "hello\\x0a7\n");
	msv_uv_free(NULL);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("uv/loop");

	check_fixture_case(
	    s, "tick", rig_begin, rig_end, test_timer, test_earlier_timer, test_wake, test_idle);
	check_fixture_case(s, "jobs", jobs_begin, rig_end, test_lanes, test_widths, test_quick_lane,
	    test_free_waits_for_jobs);
	check_fixture_case(s, "watch", files_begin, files_end, test_watch_directory,
	    test_watch_file, test_watch_missing, test_watch_stopped_inside, test_watch_outlives);
	check_fixture_case(s, "end", rig_begin, rig_end, test_answer_after_the_end, test_log);
	return check_main(s);
}
