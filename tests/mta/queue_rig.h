/* A queue in a scratch directory, and questions to it that are waited for. */
#ifndef TESTS_MTA_QUEUE_RIG_H
#define TESTS_MTA_QUEUE_RIG_H

#include <mailserv/testing.h>
#include <stdio.h>
#include <string.h>

#include "base/op.h"
#include "check_main.h"
#include "mta/queue.h"
#include "store/scratch.h"

#define SECOND ((uint64_t)1000000)

static struct {
	struct msv_test_env *test;
	struct msv_env *env;
	struct msv_queue *queue;
} rig;

static inline int rig_reopen(void)
{
	struct msv_queue_options options = { .size = sizeof options,
		.directory = scratch_path("q") };

	int error = msv_queue_open(rig.env, &options, &rig.queue);
	msv_test_run(rig.test);
	return error;
}

static inline void rig_shut(void)
{
	msv_queue_free(rig.queue);
	rig.queue = NULL;
	msv_test_run(rig.test);
}

static inline void rig_setup(void)
{
	scratch_make();
	ck_assert_int_eq(msv_test_env_new(1, &rig.test), 0);
	rig.env = msv_test_env(rig.test);
	ck_assert_int_eq(rig_reopen(), 0);
}

static inline void rig_teardown(void)
{
	rig_shut();
	ck_assert_uint_eq(msv_test_env_free(rig.test), 0);
	scratch_remove();
}

static inline uint64_t rig_now(void)
{
	return msv_env_realtime(rig.env);
}

/* -- Waiting for answers ------------------------------------------------------------------ */

struct answer {
	bool done;
	int error;
	struct queue_delivery *delivery;
	struct msv_queue_count count;
};

static inline void on_plain(void *user, int error, const void *result)
{
	struct answer *answer = user;

	(void)result;
	ck_assert(!answer->done);
	answer->done = true;
	answer->error = error;
}

static inline void on_taken(void *user, int error, const void *result)
{
	struct answer *answer = user;

	on_plain(user, error, NULL);
	answer->delivery = (struct queue_delivery *)(uintptr_t)result;
}

static inline void on_count(void *user, int error, const void *result)
{
	struct answer *answer = user;

	on_plain(user, error, NULL);
	if (!error)
		answer->count = *(const struct msv_queue_count *)result;
}

static inline int answered(struct answer *answer)
{
	msv_test_run(rig.test);
	ck_assert(answer->done);
	return answer->error;
}

/* -- Questions ------------------------------------------------------------------------------- */

/* A message from a@from.example to those "address destination" pairs. */
struct mail {
	const char *id, *from, *body;
	const char *to[8][2];
	uint64_t not_before, expires;
};

static inline struct queue_message mail_message(
    const struct mail *mail, struct queue_recipient recipients[8])
{
	struct queue_message message = { .id = mail->id,
		.from = mail->from ? mail->from : "a@from.example",
		.account = "anna",
		.envid = "e1",
		.hold = "for;60",
		.origin = "session 1",
		.arrived = rig_now(),
		.expires = mail->expires ? mail->expires : rig_now() + 400000 * SECOND,
		.not_before = mail->not_before,
		.recipients = recipients,
		.head = mail->body ? mail->body : "body\r\n" };

	message.nhead = strlen(message.head);
	memset(recipients, 0, 8 * sizeof *recipients);
	for (size_t i = 0; i < 8 && mail->to[i][0]; i++) {
		recipients[i].address = mail->to[i][0];
		recipients[i].destination = mail->to[i][1];
		message.nrecipients++;
	}
	return message;
}

static inline int add_mail(const struct mail *mail)
{
	struct queue_recipient recipients[8];
	struct queue_message message = mail_message(mail, recipients);
	struct answer answer = { 0 };
	struct queue_add_op op = { msv_op_new(rig.env, on_plain, &answer) };

	msv_queue_add(rig.queue, &message, op);
	return answered(&answer);
}

#define add(...) add_mail(&(struct mail){ __VA_ARGS__ })

/* NULL: there was none. */
static inline struct queue_delivery *take(const char *destination, size_t max)
{
	struct answer answer = { 0 };
	struct queue_take_op op = { msv_op_new(rig.env, on_taken, &answer) };

	msv_queue_take(rig.queue, destination, max, op);
	ck_assert_int_eq(answered(&answer), 0);
	return answer.delivery;
}

static inline int settle_news(struct queue_delivery *delivery, struct queue_result result,
    const struct queue_message *news, size_t n)
{
	struct queue_result results[1000];
	struct answer answer = { 0 };
	struct queue_settle_op op = { msv_op_new(rig.env, on_plain, &answer) };

	for (size_t i = 0; i < delivery->ntargets; i++)
		results[i] = result;
	msv_queue_settle(delivery, results, news, n, op);
	return answered(&answer);
}

#define settle(delivery, ...) settle_news((delivery), (struct queue_result){ __VA_ARGS__ }, NULL, 0)

static inline int change(
    enum msv_queue_change what, const char *id, const char *domain, struct msv_queue_count *count)
{
	struct msv_queue_filter filter = { .size = sizeof filter, .id = id, .domain = domain };
	struct answer answer = { 0 };
	struct msv_queue_change_op op = { msv_op_new(rig.env, on_count, &answer) };

	msv_queue_change(rig.queue, what, &filter, op);
	answered(&answer);
	if (count)
		*count = answer.count;
	return answer.error;
}

/* -- Rows -------------------------------------------------------------------------------------- */

/* What a list said, a line a row. */
struct listing {
	struct answer answer; /* first */
	char text[65536];
	size_t n, rows, pause_at;
	struct msv_op *op;
};

static inline int on_entry(void *user, const void *row)
{
	struct listing *listing = user;
	const struct msv_queue_entry *entry = row;

	listing->rows++;
	if (listing->n < sizeof listing->text - 1024)
		listing->n +=
		    (size_t)snprintf(listing->text + listing->n, sizeof listing->text - listing->n,
		        "%s %s %s %u/%u%s%s %d %s\n", entry->id, entry->to, entry->destination,
		        entry->attempts, entry->recipients, entry->held ? " held" : "",
		        entry->busy ? " busy" : "", entry->code, entry->text);
	return listing->pause_at == listing->rows ? MSV_PAUSE : 0;
}

/* Valid until the next call. */
static inline struct listing *list(const char *id, const char *domain)
{
	static struct listing listing;
	struct msv_queue_filter filter = { .size = sizeof filter, .id = id, .domain = domain };
	struct msv_queue_list_op op;

	memset(&listing, 0, sizeof listing);
	op.op = msv_op_new(rig.env, on_plain, &listing);
	msv_op_set_row(op.op, on_entry);
	msv_queue_list(rig.queue, &filter, op);
	ck_assert_int_eq(answered(&listing.answer), 0);
	return &listing;
}

struct text {
	struct answer answer; /* first */
	char p[1 << 20];
	size_t n;
};

static inline void on_piece(void *user, int error, const void *result)
{
	struct text *text = user;
	const struct queue_piece *piece = result;

	on_plain(user, error, NULL);
	if (error || text->n + piece->n >= sizeof text->p)
		return;
	memcpy(text->p + text->n, piece->p, piece->n);
	text->n += piece->n;
	text->p[text->n] = '\0';
	text->answer.done = piece->n == 0;
}

/* A delivery's body; NULL: cannot be read.  Valid until the next call. */
static inline const char *body(struct queue_delivery *delivery, size_t step)
{
	static struct text text;

	memset(&text, 0, sizeof text);
	while (!text.answer.done) {
		struct queue_read_op op = { msv_op_new(rig.env, on_piece, &text) };
		msv_queue_read(delivery, text.n, step, op);
		msv_test_run(rig.test);
	}
	return text.answer.error ? NULL : text.p;
}

static inline struct msv_queue_stats stats(void)
{
	struct msv_queue_stats stats = { .size = sizeof stats };

	msv_queue_stats(rig.queue, &stats);
	return stats;
}

/* How many bodies there are. */
static int rig_bodies;
static inline int rig_count_body(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	(void)path, (void)st, (void)ftw;
	rig_bodies += type == FTW_F;
	return 0;
}
static inline int bodies(void)
{
	rig_bodies = 0;
	nftw(scratch_path("q/bodies"), rig_count_body, 16, FTW_PHYS);
	return rig_bodies;
}

#endif
