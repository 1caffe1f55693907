/* An mta with a queue from which nothing goes out, so that what is in it can be
 * looked at. */
#ifndef TESTS_MTA_OUTBOX_H
#define TESTS_MTA_OUTBOX_H

#include <stdarg.h>
#include <sys/resource.h>

#include "mta/queue.h"
#include "rig.h"
#include "store/scratch.h"

/* What tests change of the options; cleared by outbox_open(). */
static void (*outbox_tweak)(struct msv_mta_options *options);
static const char *outbox_aliases;

static inline void outbox_options(struct rig *rig, struct msv_mta_options *options)
{
	options->queue = rig->queue;
	options->dns = msv_test_dns(rig->test, "else.example MX 10 mx.else.example\n"
	                                       "mx.else.example A 198.51.100.1\n"
	                                       "null.example MX 0 .\n");
	options->transport = msv_test_transport(rig->test, NULL, NULL);
	if (outbox_tweak)
		outbox_tweak(options);
}

static inline int outbox_try(struct rig *rig, bool late)
{
	struct msv_queue_options options = { .size = sizeof options,
		.directory = scratch_path("q") };
	struct msv_mta_aliases aliases = { .size = sizeof aliases,
		.file = "aliases",
		.text = outbox_aliases,
		.n = outbox_aliases ? strlen(outbox_aliases) : 0 };
	int error = msv_queue_open(rig->env, &options, &rig->queue);
	rig->tweak = outbox_options;
	if (!error)
		error = rig_try(rig, late, NULL, 0);
	if (error)
		return error;
	msv_mta_pause(rig->mta, MSV_MTA_OUT, true);
	rig->config.offer_dsn = true;
	rig->config.future_release_max_s = 86400;
	return msv_mta_set_aliases(rig->mta, &aliases);
}

static inline void outbox_open(
    struct rig *rig, bool late, const char *aliases, void (*tweak)(struct msv_mta_options *))
{
	scratch_make();
	memset(rig, 0, sizeof *rig);
	outbox_tweak = tweak;
	outbox_aliases = aliases;
	ck_assert_int_eq(msv_test_env_new(1, &rig->test), 0);
	rig->env = msv_test_env(rig->test);
	ck_assert_int_eq(outbox_try(rig, late), 0);
}

static inline void outbox_close(struct rig *rig)
{
	rig_close(rig);
	scratch_remove();
}

/* -- Looking into it ---------------------------------------------------------------- */

static struct {
	bool done;
	int error;
	struct queue_delivery *delivery;
	char text[8192]; /* a line a recipient */
	char body[65536];
	size_t nbody;
	struct msv_op *op;
} outbox;

static inline void outbox_on_plain(void *user, int error, const void *result)
{
	(void)user, (void)result;
	outbox.done = true;
	outbox.error = error;
}

static inline void outbox_on_taken(void *user, int error, const void *result)
{
	outbox_on_plain(user, error, NULL);
	outbox.delivery = (struct queue_delivery *)(uintptr_t)result;
}

static inline void outbox_on_piece(void *user, int error, const void *result)
{
	const struct queue_piece *piece = result;
	outbox_on_plain(user, error, NULL);
	ck_assert_int_eq(error, 0);
	ck_assert_uint_lt(outbox.nbody + piece->n, sizeof outbox.body);
	memcpy(outbox.body + outbox.nbody, piece->p, piece->n);
	outbox.nbody += piece->n;
	if (piece->n == 0)
		outbox.delivery = NULL;
}

static inline void outbox_wait(struct rig *rig)
{
	for (int i = 0; i < 100 && !outbox.done; i++)
		msv_test_run(rig->test);
	ck_assert(outbox.done);
	outbox.done = false;
}

static inline void outbox_print(const char *fmt, ...) MSV_PRINTF(1, 2);
static inline void outbox_print(const char *fmt, ...)
{
	size_t n = strlen(outbox.text);
	va_list args;
	va_start(args, fmt);
	vsnprintf(outbox.text + n, sizeof outbox.text - n, fmt, args);
	va_end(args);
}

/* "remote carl@else.example via else.example from <anna@example.org> notify 4\n" */
static inline void outbox_tell(const struct queue_delivery *d)
{
	static const char *const kinds[] = { "remote", "local", "program" };
	for (size_t i = 0; i < d->ntargets; i++) {
		const struct queue_target *to = &d->targets[i];
		outbox_print(
		    "%s %s via %s from <%s>", kinds[d->kind], to->address, d->destination, d->from);
		if (*to->account)
			outbox_print(" account %s", to->account);
		if (*to->mailbox)
			outbox_print(" mailbox %s", to->mailbox);
		if (to->notify)
			outbox_print(" notify %u", to->notify);
		if (*to->orcpt)
			outbox_print(" orcpt %s", to->orcpt);
		if (*d->envid)
			outbox_print(" envid %s", d->envid);
		if (d->ret)
			outbox_print(" ret %d", d->ret);
		outbox_print("%s%s%s%s%s\n", d->body_8bit ? " 8bit" : "",
		    d->smtputf8 ? " utf8" : "", d->requiretls ? " requiretls" : "",
		    d->is_signed ? " signed" : "", d->is_bounce ? " bounce" : "");
	}
}

static inline void outbox_read(struct rig *rig, struct queue_delivery *d)
{
	outbox.nbody = 0;
	outbox.delivery = d;
	while (outbox.delivery) {
		struct queue_read_op op = { msv_op_new(rig->env, outbox_on_piece, NULL) };
		msv_queue_read(d, outbox.nbody, 4096, op);
		outbox_wait(rig);
	}
	outbox.body[outbox.nbody] = '\0';
}

/* All that is due, a line each in outbox.text, the last body in outbox.body; the
 * queue does not have it any more.  Returns how many recipients. */
static inline int outbox_empty(struct rig *rig)
{
	int n = 0;
	outbox.text[0] = '\0';
	for (;;) {
		struct queue_result results[100];
		struct queue_take_op take = { msv_op_new(rig->env, outbox_on_taken, NULL) };
		msv_queue_take(rig->queue, NULL, 100, take);
		outbox_wait(rig);
		struct queue_delivery *d = outbox.delivery;
		if (!d)
			return n;
		outbox_tell(d);
		n += (int)d->ntargets;
		outbox_read(rig, d);
		for (size_t i = 0; i < d->ntargets; i++)
			results[i] = (struct queue_result){ .outcome = QUEUE_DONE };
		struct queue_settle_op settle = { msv_op_new(rig->env, outbox_on_plain, NULL) };
		msv_queue_settle(d, results, NULL, 0, settle);
		outbox_wait(rig);
	}
}

/* All the queue has is exactly that. */
#define outbox_expect(rig, lines) \
	do { \
		outbox_empty(rig); \
		ck_assert_str_eq(outbox.text, lines); \
	} while (0)

/* -- A disk that fails ----------------------------------------------------------------- */

/* No file can be opened, or they can again. */
static inline void outbox_break(bool broken)
{
	struct rlimit limit;
	static rlim_t whole;
	getrlimit(RLIMIT_NOFILE, &limit);
	if (!whole)
		whole = limit.rlim_cur;
	limit.rlim_cur = broken ? 0 : whole;
	ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &limit), 0);
}

#endif
