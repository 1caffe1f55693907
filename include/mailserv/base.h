/*
 * libmailserv: what everything else stands on - errors, strings, the
 * environment (allocator, clock, randomness, log, timers, path watches,
 * offload) and the op, by which every question is answered.
 *
 * Rules that hold for the whole library:
 *
 * - Nothing is global.  Every object belongs to one `struct msv_env`, and all
 *   objects of one env belong to one thread.
 * - Functions return 0 or a negative `MSV_ERR_*`.  What a peer does wrong is
 *   answered on the wire and never returned.
 * - Structs that the caller fills begin with `size_t size`, set to the
 *   sizeof of the struct; members that are NULL or 0 mean the default.
 * - Strings are UTF-8 and end in NUL unless a length stands beside them.
 *   Times are milliseconds of a monotonic clock, or seconds since the epoch
 *   where they say so.
 * - A function that frees an object accepts NULL.
 */
#ifndef MAILSERV_BASE_H
#define MAILSERV_BASE_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#if defined(__GNUC__)
#define MSV_API               __attribute__((visibility("default")))
#define MSV_PRINTF(fmt, args) __attribute__((format(printf, fmt, args)))
#else
#define MSV_API
#define MSV_PRINTF(fmt, args)
#endif

/* The version of these headers; msv_version() tells the library's. */
#define MSV_VERSION_MAJOR 0
#define MSV_VERSION_MINOR 1
#define MSV_VERSION_PATCH 0

/* The version of the library that is linked, as "0.1.0".  Static storage. */
MSV_API const char *msv_version(void);

/* -- Errors ---------------------------------------------------------------- */

enum msv_error {
	MSV_OK = 0,
	MSV_ERR_NOMEM = -1,        /* no memory: temporary */
	MSV_ERR_INVAL = -2,        /* an argument makes no sense: the caller's mistake */
	MSV_ERR_IO = -3,           /* the system failed (disk, descriptor): temporary */
	MSV_ERR_NOTFOUND = -4,     /* no such mailbox, message, account, file */
	MSV_ERR_EXISTS = -5,       /* it is there already */
	MSV_ERR_DENIED = -6,       /* the actor may not do this */
	MSV_ERR_QUOTA = -7,        /* the account or mailbox is full */
	MSV_ERR_LIMIT = -8,        /* a limit of the implementation was reached */
	MSV_ERR_FORMAT = -9,       /* bytes, a file or a name not in the form required */
	MSV_ERR_UNSUPPORTED = -10, /* this store, build or platform cannot do it */
	MSV_ERR_CANCELED = -11,    /* nobody waits for the answer any more */
	MSV_ERR_STALE = -12,       /* the mailbox was deleted or its UIDVALIDITY changed */
	MSV_ERR_AUTH = -13,        /* wrong credentials: user and password are not told apart */
	MSV_ERR_TLS = -14,         /* a TLS handshake, certificate or key failed */
	MSV_ERR_BUSY = -15,        /* a lock is held or a throttle is on: try again later */
	MSV_ERR_NOSPACE = -16,     /* the disk is full: temporary */
	MSV_ERR_TIMEOUT = -17,     /* no answer in time: temporary */
};

/* What `error` (an enum msv_error) means, in a few words of plain English.
 * Static storage; never NULL. */
MSV_API const char *msv_strerror(int error);

/* What a row or body function returns to say "stop here": the giver keeps its
 * place and goes on when it is resumed. */
#define MSV_PAUSE 1

/* A piece of memory somebody else owns; not ended by NUL. */
struct msv_span {
	const char *p;
	size_t n;
};

/* -- The environment ------------------------------------------------------- */

struct msv_env;
struct msv_job;
struct msv_watch;

enum msv_log_level { MSV_LOG_ERROR, MSV_LOG_WARN, MSV_LOG_INFO, MSV_LOG_DEBUG };

/* Where an offloaded job belongs.  A lane has a width of its own, so that a
 * flood of password hashing cannot hold up mail. */
enum msv_lane {
	MSV_LANE_DISK,  /* fsync, directory scans */
	MSV_LANE_HASH,  /* password verification */
	MSV_LANE_INDEX, /* text indexing and other background work */
	MSV_LANE_COUNT
};

/*
 * What a program gives the library.  Every member may be NULL or 0; then the
 * default in brackets is used.  `user` is handed to each function.  The
 * struct is copied; what `user` points to must live as long as the env.
 */
struct msv_env_options {
	size_t size;
	void *user;

	/* Allocator [malloc family]: realloc semantics, n == 0 frees and returns
	 * NULL, p == NULL allocates.  May return NULL at any time. */
	void *(*realloc)(void *user, void *p, size_t n);

	/* Milliseconds of a clock that never goes back [CLOCK_MONOTONIC]. */
	uint64_t (*monotonic)(void *user);
	/* Microseconds since the epoch [CLOCK_REALTIME]. */
	uint64_t (*realtime)(void *user);
	/* Fill n bytes with randomness fit for keys [getentropy].  0 or MSV_ERR_IO. */
	int (*random)(void *user, void *p, size_t n);

	/* One finished line for people, without a newline, every byte from a peer
	 * escaped [dropped].  The line is valid during the call. */
	void (*log)(void *user, enum msv_log_level level, const char *line);

	/* "msv_env_tick() wants to be called soon": from anywhere on the env's
	 * thread; only schedules, never calls back into the library [none: the
	 * program calls msv_env_tick() by itself]. */
	void (*wake)(void *user);

	/* Run a blocking job elsewhere: call msv_job_run() on any thread, then
	 * msv_job_done() on the env's thread from the loop - never inside this
	 * call.  At most as many jobs of a lane at once as the program likes, in
	 * order of arrival.  0, or an error (then the library runs the job by
	 * itself, inline) [jobs run inline from msv_env_tick()]. */
	int (*offload)(void *user, enum msv_lane lane, struct msv_job *job);

	/* Watch a directory or file for changes: call msv_watch_fire() from the
	 * loop after each change, many changes together allowed.  On success puts
	 * a handle for watch_stop in *handle.  Both or none [none: who watches
	 * looks by a timer, once a second]. */
	int (*watch_start)(void *user, const char *path, struct msv_watch *watch, void **handle);
	void (*watch_stop)(void *user, void *handle);
};

/* A new env in *out.  options may be NULL.  MSV_ERR_NOMEM, MSV_ERR_INVAL. */
MSV_API int msv_env_new(const struct msv_env_options *options, struct msv_env **out);

/* Lets go of the env: what is queued runs now, and nobody ticks any more.  Its
 * memory goes away with the last object, op or job that still belongs to it, so
 * ops may be answered later than this; their completions then run at the end of
 * the answering call.  Timers do not fire any more, and of the options'
 * functions only allocator, clock and randomness are called. */
MSV_API void msv_env_free(struct msv_env *env);

/* Never a deadline: what msv_env_tick() and msv_conn_tick() return when no
 * timer runs. */
#define MSV_NEVER UINT64_MAX

/*
 * Runs what waits: answers given since (their completions), inline jobs and
 * timers that are due.  Returns the monotonic millisecond at which it wants to
 * be called again, 0 for at once, or MSV_NEVER.  Call it from the loop, never
 * inside a callback (there it does nothing and returns 0).
 */
MSV_API uint64_t msv_env_tick(struct msv_env *env);

/* The options' clock: monotonic milliseconds, and microseconds since the epoch. */
MSV_API uint64_t msv_env_now(const struct msv_env *env);
MSV_API uint64_t msv_env_realtime(const struct msv_env *env);

/* Fills n bytes with randomness.  0 or MSV_ERR_IO. */
MSV_API int msv_env_random(struct msv_env *env, void *p, size_t n);

/* The env's allocator, for embedders who want to be counted with it.
 * realloc semantics as in the options. */
MSV_API void *msv_env_realloc(struct msv_env *env, void *p, size_t n);

/* Writes one line to the log; printf format.  Control bytes, and bytes that
 * are not UTF-8, come out as \xNN. */
MSV_API void msv_env_log(struct msv_env *env, enum msv_log_level level, const char *fmt, ...)
    MSV_PRINTF(3, 4);

/* A timer of the env: calls fn once, from msv_env_tick(). */
struct msv_timer;

/* A new timer, not running, in *out. */
MSV_API int msv_timer_new(
    struct msv_env *env, void (*fn)(void *user), void *user, struct msv_timer **out);
/* Starts (or restarts) it for the monotonic millisecond `at`; never fails. */
MSV_API void msv_timer_start(struct msv_timer *timer, uint64_t at);
MSV_API void msv_timer_stop(struct msv_timer *timer);
/* Allowed inside the timer's own function. */
MSV_API void msv_timer_free(struct msv_timer *timer);

/* -- Jobs ------------------------------------------------------------------ */

/*
 * Gives a job away: work(data) runs on some thread and may touch only data;
 * then done(data) runs on the env's thread from the loop, never inside this
 * call - also when the program offloads nothing.  The env stays in memory
 * until then.  MSV_ERR_NOMEM: neither function is called.
 */
MSV_API int msv_env_offload(struct msv_env *env, enum msv_lane lane, void (*work)(void *data),
    void (*done)(void *data), void *data);

/* For the offload function of the options: does the blocking work; any
 * thread; once. */
MSV_API void msv_job_run(struct msv_job *job);
/* For the offload function of the options: hands the finished job back, on
 * the env's thread, from the loop; the job is gone afterwards. */
MSV_API void msv_job_done(struct msv_job *job);

/* -- Path watches ---------------------------------------------------------- */

/* Calls fn(user) from msv_env_tick() after path (a directory or file) may
 * have changed; by the options' watch functions, else by looking at the
 * clock once a second.  Spurious calls are allowed.  The path is copied. */
MSV_API int msv_watch_new(struct msv_env *env, const char *path, void (*fn)(void *user), void *user,
    struct msv_watch **out);
/* Allowed inside the watch's own function. */
MSV_API void msv_watch_free(struct msv_watch *watch);
/* For the watch functions of the options: something changed. */
MSV_API void msv_watch_fire(struct msv_watch *watch);

/* -- The op ---------------------------------------------------------------- */

/*
 * Every question the library asks - and every question put to a store or an
 * auth source by anybody - carries an op.  Whoever is asked answers it exactly
 * once, now or a minute later, by the answer function of its type.  There is
 * no second path for late answers.
 *
 * The asker's completion never runs inside the answering call: it runs when
 * the outermost library call on this thread ends or in msv_env_tick().
 * Answers given at once therefore never grow the stack, and whoever answers
 * is never called back from the answer.
 *
 * When the asker no longer waits (its connection is gone, say) the op is
 * canceled: on_cancel is called once, and the op must still be answered; that
 * answer is dropped.  An op not yet answered stays valid for as long as that
 * takes, whatever became of the asker, even of the env.
 *
 * An op is one typed question: an op that carries a result is wrapped in a
 * struct of its own (`struct msv_open_op { struct msv_op *op; }`), so that the
 * compiler sees a wrong answer.  Plain `struct msv_op *` is for questions
 * answered by success or failure alone.
 */
struct msv_op;

/* What the asker gets: error is 0 or the MSV_ERR_* given; result is what the
 * op's type says (NULL on error or for plain ops), valid during the call. */
typedef void (*msv_op_fn)(void *user, int error, const void *result);

/* A new op for asking something: done(user, ...) is called once, unless the
 * op is canceled.  NULL when there is no memory. */
MSV_API struct msv_op *msv_op_new(struct msv_env *env, msv_op_fn done, void *user);

/* For ops that give rows: the function that takes each.  row points to what
 * the op's type says, valid during the call.  Returns 0 to go on, or
 * MSV_PAUSE (this row is taken; the next comes after msv_op_resume()). */
typedef int (*msv_row_fn)(void *user, const void *row);
MSV_API void msv_op_set_row(struct msv_op *op, msv_row_fn row);

/* The asker no longer waits: done and row are never called after this.  Calls
 * on_cancel if the op is not answered yet; inside the op's own row function the
 * result of that row call tells instead.  The asker must not touch the op
 * afterwards.  NULL is fine. */
MSV_API void msv_op_cancel(struct msv_op *op);

/* The asker is ready for more rows after MSV_PAUSE. */
MSV_API void msv_op_resume(struct msv_op *op);

/* Answers a plain op, or fails an op of any type: error 0 (plain ops, and
 * ops whose rows said everything) or negative. */
MSV_API void msv_op_answer(struct msv_op *op, int error);

/* For whoever is asked: told once when nobody waits any more.  If that is so
 * already, on_cancel is not called: ask msv_op_canceled(). */
MSV_API void msv_op_on_cancel(struct msv_op *op, void (*on_cancel)(void *user), void *user);
/* True when nobody waits for the answer. */
MSV_API bool msv_op_canceled(const struct msv_op *op);

/* For whoever is asked for rows: told each time the asker is ready for more
 * rows after a row call returned MSV_PAUSE.  Called from the loop. */
MSV_API void msv_op_on_resume(struct msv_op *op, void (*on_resume)(void *user), void *user);

/* The env an op belongs to. */
MSV_API struct msv_env *msv_op_env(const struct msv_op *op);

/* -- UID sets -------------------------------------------------------------- */

/* One range of UIDs (or sequence numbers), first <= last, both included. */
struct msv_uid_range {
	uint32_t first, last;
};

/* A set: sorted, disjoint, not adjacent ranges.  Whoever made it owns `r`. */
struct msv_uidset {
	const struct msv_uid_range *r;
	size_t n;
};

/* True when uid is in the set.  O(log n). */
MSV_API bool msv_uidset_has(const struct msv_uidset *set, uint32_t uid);
/* How many UIDs the set holds. */
MSV_API uint64_t msv_uidset_count(const struct msv_uidset *set);

#ifdef __cplusplus
}
#endif

#endif
