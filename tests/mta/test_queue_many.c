/* Many messages, many recipients, and jobs on real threads. */
#include <pthread.h>

#include "mta/queue_rig.h"

#define MESSAGES   5000
#define RECIPIENTS 2000

/* -- Memory stays flat ------------------------------------------------------------------- */

/* A thousand at a time, as they come from many connections. */
static void add_many(int n)
{
	static struct answer answers[1000];
	static struct queue_recipient recipients[1000][8];
	static char ids[1000][16], addresses[1000][32];

	for (int i = 0; i < n; i += 1000) {
		memset(answers, 0, sizeof answers);
		for (int j = 0; j < 1000; j++) {
			/* Every second one to a single destination. */
			int to = j % 2 ? 0 : (i + j) % 500;
			snprintf(ids[j], sizeof ids[j], "m%06d", i + j);
			snprintf(addresses[j], sizeof addresses[j], "user@d%d.example", to);
			struct mail mail = { .id = ids[j],
				.to = { { addresses[j], addresses[j] + 5 } } };
			struct queue_message message = mail_message(&mail, recipients[j]);
			msv_queue_add(rig.queue, &message,
			    (struct queue_add_op){ msv_op_new(rig.env, on_plain, &answers[j]) });
		}
		msv_test_run(rig.test);
		for (int j = 0; j < 1000; j++)
			ck_assert(answers[j].done && !answers[j].error);
	}
}

START_TEST(test_many)
{
	size_t empty = msv_test_memory(rig.test);

	add_many(MESSAGES);
	ck_assert_uint_eq(stats().messages, MESSAGES);
	/* What is kept is about destinations, of which there are 250. */
	ck_assert_uint_lt(msv_test_memory(rig.test), empty + 100000);
	rig_shut();
	ck_assert_int_eq(rig_reopen(), 0);
	ck_assert_uint_lt(msv_test_memory(rig.test), empty + 100000);
	ck_assert_uint_eq(list(NULL, NULL)->rows, MESSAGES);
	/* 2,750 are for one destination: among the first 250 taken is each. */
	char seen[500] = "";
	for (int i = 0; i < 250; i++) {
		struct queue_delivery *d = take(NULL, 1);
		ck_assert_ptr_nonnull(d);
		int number = atoi(d->destination + 1);
		ck_assert_msg(!seen[number], "d%d twice after %d", number, i);
		seen[number] = 1;
		settle(d, .outcome = QUEUE_DONE);
	}
	ck_assert_uint_eq(stats().messages, MESSAGES - 250);
	msv_queue_block(rig.queue, "d0.example", UINT64_MAX);
	for (struct queue_delivery *d; (d = take(NULL, 1));) {
		ck_assert_str_ne(d->destination, "d0.example");
		settle(d, .outcome = QUEUE_DONE);
	}
	ck_assert_uint_eq(stats().messages, 2510 - 1);
	struct msv_queue_count count;
	ck_assert_int_eq(change(MSV_QUEUE_REMOVE, NULL, "d0.example", &count), 0);
	ck_assert_uint_eq(count.messages, 2510 - 1);
	ck_assert_int_eq(bodies(), 0);
	msv_queue_block(rig.queue, "d0.example", 0);
	ck_assert_ptr_null(take(NULL, 1));
	/* Nothing is known of destinations that have nothing. */
	ck_assert_uint_lt(msv_test_memory(rig.test), empty + 20000);
}
END_TEST

START_TEST(test_recipients)
{
	static struct queue_recipient recipients[RECIPIENTS];
	static char addresses[RECIPIENTS][32];
	static char seen[RECIPIENTS];
	struct queue_message message = { .id = "big",
		.from = "a@a",
		.recipients = recipients,
		.nrecipients = RECIPIENTS,
		.head = "x\r\n",
		.nhead = 3 };
	struct answer answer = { 0 };
	int deliveries = 0;

	memset(seen, 0, sizeof seen);
	for (int i = 0; i < RECIPIENTS; i++) {
		snprintf(addresses[i], sizeof addresses[i], "%d@d.example", i);
		recipients[i] =
		    (struct queue_recipient){ .address = addresses[i], .destination = "d.example" };
	}
	msv_queue_add(
	    rig.queue, &message, (struct queue_add_op){ msv_op_new(rig.env, on_plain, &answer) });
	ck_assert_int_eq(answered(&answer), 0);
	ck_assert_int_eq(bodies(), 1);
	for (struct queue_delivery *d; (d = take(NULL, 100)); deliveries++) {
		ck_assert_uint_eq(d->ntargets, 100);
		for (size_t i = 0; i < d->ntargets; i++) {
			int number = atoi(d->targets[i].address);
			ck_assert_msg(!seen[number], "%d twice", number);
			seen[number] = 1;
		}
		/* Half of them stay out until the end. */
		if (deliveries % 2)
			settle(d, .outcome = QUEUE_DONE);
	}
	ck_assert_int_eq(deliveries, RECIPIENTS / 100);
	ck_assert_uint_eq(stats().recipients, RECIPIENTS / 2);
	ck_assert_uint_eq(stats().busy, RECIPIENTS / 2);
	ck_assert_int_eq(bodies(), 1);
}
END_TEST

/* -- Real threads --------------------------------------------------------------------------------- */

#define THREADS 4

static struct {
	pthread_mutex_t lock;
	pthread_cond_t work, done;
	struct msv_job *waiting[4096], *finished[4096];
	size_t nwaiting, nfinished, running;
	bool stop;
} pool = { .lock = PTHREAD_MUTEX_INITIALIZER,
	.work = PTHREAD_COND_INITIALIZER,
	.done = PTHREAD_COND_INITIALIZER };

static void *thread(void *unused)
{
	(void)unused;
	pthread_mutex_lock(&pool.lock);
	while (!pool.stop || pool.nwaiting) {
		if (!pool.nwaiting) {
			pthread_cond_wait(&pool.work, &pool.lock);
			continue;
		}
		struct msv_job *job = pool.waiting[--pool.nwaiting];
		pthread_mutex_unlock(&pool.lock);
		msv_job_run(job);
		pthread_mutex_lock(&pool.lock);
		pool.finished[pool.nfinished++] = job;
		pthread_cond_signal(&pool.done);
	}
	pthread_mutex_unlock(&pool.lock);
	return NULL;
}

static int offload(void *user, enum msv_lane lane, struct msv_job *job)
{
	int error = MSV_ERR_BUSY;

	(void)user, (void)lane;
	pthread_mutex_lock(&pool.lock);
	if (pool.nwaiting + pool.nfinished + pool.running < 4000) {
		pool.waiting[pool.nwaiting++] = job;
		pool.running++;
		pthread_cond_signal(&pool.work);
		error = 0;
	}
	pthread_mutex_unlock(&pool.lock);
	return error;
}

/* One turn of the loop: false when nothing is under way. */
static bool turn(struct msv_env *env)
{
	msv_env_tick(env);
	pthread_mutex_lock(&pool.lock);
	while (pool.running && !pool.nfinished)
		pthread_cond_wait(&pool.done, &pool.lock);
	struct msv_job *job = pool.nfinished ? pool.finished[--pool.nfinished] : NULL;
	pool.running -= job != NULL;
	pthread_mutex_unlock(&pool.lock);
	if (job)
		msv_job_done(job);
	return job || msv_env_tick(env) == 0;
}

static struct crowd {
	struct msv_env *env;
	struct msv_queue *queue;
	int to_add, added, to_deliver, taking;
	char text[64];
} crowd;

static void add_next(void);
static void take_next(void);

static void crowd_added(void *user, int error, const void *result)
{
	(void)user, (void)result;
	ck_assert_int_eq(error, 0);
	crowd.added++;
	add_next();
	take_next();
}

static void add_next(void)
{
	char id[16], to[32];
	struct queue_recipient recipient = { .address = to, .destination = to + 2 };
	struct queue_message message = { .id = id,
		.from = "a@a",
		.recipients = &recipient,
		.nrecipients = 1,
		.head = crowd.text,
		.nhead = sizeof crowd.text };

	if (crowd.to_add == 0)
		return;
	snprintf(id, sizeof id, "m%d", crowd.to_add--);
	snprintf(to, sizeof to, "b@d%d", crowd.to_add % 7);
	msv_queue_add(crowd.queue, &message,
	    (struct queue_add_op){ msv_op_new(crowd.env, crowd_added, NULL) });
}

static void crowd_settled(void *user, int error, const void *result)
{
	(void)user, (void)result;
	ck_assert_int_eq(error, 0);
	crowd.to_deliver--;
	take_next();
}

static void crowd_read(void *user, int error, const void *result)
{
	static const struct queue_result done = { .outcome = QUEUE_DONE };
	const struct queue_piece *piece = result;

	ck_assert_int_eq(error, 0);
	ck_assert_uint_eq(piece->n, sizeof crowd.text);
	msv_queue_settle(user, &done, NULL, 0,
	    (struct queue_settle_op){ msv_op_new(crowd.env, crowd_settled, NULL) });
}

static void crowd_taken(void *user, int error, const void *result)
{
	struct queue_delivery *d = (struct queue_delivery *)(uintptr_t)result;

	(void)user;
	ck_assert_int_eq(error, 0);
	crowd.taking--;
	if (d)
		msv_queue_read(
		    d, 0, 1000, (struct queue_read_op){ msv_op_new(crowd.env, crowd_read, d) });
}

static void take_next(void)
{
	crowd.taking++;
	msv_queue_take(crowd.queue, NULL, 10,
	    (struct queue_take_op){ msv_op_new(crowd.env, crowd_taken, NULL) });
}

START_TEST(test_threads)
{
	struct msv_env_options options = { .size = sizeof options, .offload = offload };
	struct msv_queue_options queue = { .size = sizeof queue, .directory = scratch_path("t") };
	struct msv_queue_stats last = { .size = sizeof last };
	pthread_t threads[THREADS];

	pool.stop = false;
	ck_assert_int_eq(msv_env_new(&options, &crowd.env), 0);
	for (int i = 0; i < THREADS; i++)
		ck_assert_int_eq(pthread_create(&threads[i], NULL, thread, NULL), 0);
	ck_assert_int_eq(msv_queue_open(crowd.env, &queue, &crowd.queue), 0);
	crowd.to_add = crowd.to_deliver = 2000;
	for (int i = 0; i < 16; i++)
		add_next();
	/* The last one to settle finds nothing more. */
	while (turn(crowd.env) || crowd.to_deliver > 0) {
		if (crowd.to_deliver > 0 && !crowd.taking)
			take_next();
	}
	msv_queue_stats(crowd.queue, &last);
	ck_assert_int_eq(crowd.added, 2000);
	ck_assert(last.messages == 0 && last.busy == 0 && last.delivered == 2000);
	msv_queue_free(crowd.queue);
	while (turn(crowd.env))
		;
	msv_env_free(crowd.env);
	pthread_mutex_lock(&pool.lock);
	pool.stop = true;
	pthread_cond_broadcast(&pool.work);
	pthread_mutex_unlock(&pool.lock);
	for (int i = 0; i < THREADS; i++)
		pthread_join(threads[i], NULL);
}
END_TEST

/* A program that offloads nothing: all jobs run in msv_env_tick(). */
START_TEST(test_inline)
{
	struct msv_queue_options queue = { .size = sizeof queue, .directory = scratch_path("i") };
	struct msv_queue_stats last = { .size = sizeof last };

	memset(&crowd, 0, sizeof crowd);
	ck_assert_int_eq(msv_env_new(NULL, &crowd.env), 0);
	ck_assert_int_eq(msv_queue_open(crowd.env, &queue, &crowd.queue), 0);
	crowd.to_add = crowd.to_deliver = 50;
	add_next();
	while (crowd.to_deliver > 0)
		msv_env_tick(crowd.env);
	msv_queue_stats(crowd.queue, &last);
	ck_assert(last.messages == 0 && last.delivered == 50);
	msv_queue_free(crowd.queue);
	msv_env_free(crowd.env);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("queue_many");

	check_fixture_case(s, "queue_many", rig_setup, rig_teardown, test_many, test_recipients,
	    test_threads, test_inline);
	return check_main(s);
}
