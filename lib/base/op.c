#include "base/op.h"

#include <string.h>

#include "base/env_struct.h"

/* One piece of result memory. */
struct chunk {
	struct chunk *next;
	max_align_t data[];
};

struct msv_op {
	struct msv_task done_task;   /* runs the completion */
	struct msv_task resume_task; /* tells who is asked to go on */
	struct msv_env *env;
	msv_op_fn done;
	msv_row_fn row;
	void *user;
	void (*on_cancel)(void *user);
	void *cancel_user;
	void (*on_resume)(void *user);
	void *resume_user;
	const void *result;
	void (*drop)(const void *result); /* for a result that owns something */
	struct chunk *chunks;
	int error;
	bool answered, canceled, completing;
	bool in_row;  /* the row function is running */
	bool paused;  /* a row call returned MSV_PAUSE */
	bool resumed; /* the asker is ready, and on_resume not told yet */
};

static struct msv_op *op_of_resume(struct msv_task *task)
{
	return (struct msv_op *)((char *)task - offsetof(struct msv_op, resume_task));
}

static void destroy(struct msv_op *op)
{
	struct msv_env *env = op->env;

	msv_env_undefer(env, &op->done_task);
	msv_env_undefer(env, &op->resume_task);
	while (op->chunks) {
		struct chunk *chunk = op->chunks;
		op->chunks = chunk->next;
		msv_free(env, chunk);
	}
	msv_free(env, op);
	msv_env_unref(env);
}

/* The answer is never looked at: gives up what the result owns. */
static void discard(struct msv_op *op)
{
	struct msv_env *env = op->env;

	msv_env_enter(env);
	if (op->drop)
		op->drop(op->result);
	destroy(op);
	msv_env_leave_quietly(env);
}

static void complete(struct msv_task *task)
{
	struct msv_op *op = (struct msv_op *)task;

	op->completing = true;
	if (op->done)
		op->done(op->user, op->error, op->error ? NULL : op->result);
	destroy(op);
}

static void tell_resumed(struct msv_task *task)
{
	struct msv_op *op = op_of_resume(task);

	if (!op->on_resume)
		return; /* msv_op_on_resume() will see `resumed` */
	op->resumed = false;
	op->on_resume(op->resume_user);
}

struct msv_op *msv_op_new(struct msv_env *env, msv_op_fn done, void *user)
{
	struct msv_op *op = msv_alloc(env, sizeof(*op));

	if (!op)
		return NULL;
	op->env = env;
	op->done = done;
	op->user = user;
	op->done_task.fn = complete;
	op->resume_task.fn = tell_resumed;
	msv_env_ref(env);
	return op;
}

struct msv_env *msv_op_env(const struct msv_op *op)
{
	return op->env;
}

/* -- For the asker --------------------------------------------------------- */

void msv_op_set_row(struct msv_op *op, msv_row_fn row)
{
	op->row = row;
}

void msv_op_cancel(struct msv_op *op)
{
	struct msv_env *env;

	if (!op || op->completing || op->canceled)
		return;
	env = op->env;
	op->canceled = true;
	if (op->answered) {
		discard(op);
		return;
	}
	msv_env_undefer(env, &op->resume_task);
	/* Inside a row call the row's return value tells. */
	if (!op->on_cancel || op->in_row)
		return;
	msv_env_enter(env);
	op->on_cancel(op->cancel_user); /* may answer: the op may be gone */
	msv_env_leave_quietly(env);
}

/* The asker is ready for rows and no row call is under way. */
static void go_on(struct msv_op *op)
{
	op->paused = false;
	op->resumed = true;
	msv_env_defer(op->env, &op->resume_task);
}

void msv_op_resume(struct msv_op *op)
{
	if (op->answered || op->canceled)
		return;
	if (op->in_row)
		op->resumed = true; /* before the row function said MSV_PAUSE */
	else if (op->paused)
		go_on(op);
}

/* -- For whoever is asked -------------------------------------------------- */

/* Takes the answer; the completion comes from the queue. */
static void answer(
    struct msv_op *op, int error, const void *result, void (*drop)(const void *result))
{
	struct msv_env *env = op->env;

	if (op->answered)
		return;
	op->answered = true;
	op->error = error;
	op->result = result;
	op->drop = drop;
	msv_env_undefer(env, &op->resume_task);
	if (op->canceled) {
		discard(op);
		return;
	}
	msv_env_enter(env);
	msv_env_defer(env, &op->done_task);
	msv_env_leave_quietly(env);
}

void msv_op_complete(struct msv_op *op, int error, const void *result)
{
	answer(op, error, result, NULL);
}

void msv_op_complete_owned(struct msv_op *op, const void *result, void (*drop)(const void *result))
{
	answer(op, 0, result, drop);
}

void msv_op_answer(struct msv_op *op, int error)
{
	msv_op_complete(op, error, NULL);
}

void msv_op_on_cancel(struct msv_op *op, void (*on_cancel)(void *user), void *user)
{
	op->on_cancel = on_cancel;
	op->cancel_user = user;
}

bool msv_op_canceled(const struct msv_op *op)
{
	return op->canceled;
}

void msv_op_on_resume(struct msv_op *op, void (*on_resume)(void *user), void *user)
{
	op->on_resume = on_resume;
	op->resume_user = user;
	if (op->resumed && !op->in_row)
		msv_env_defer(op->env, &op->resume_task);
}

int msv_op_row(struct msv_op *op, const void *row)
{
	struct msv_env *env = op->env;
	int verdict = 0;

	if (op->canceled)
		return MSV_ERR_CANCELED;
	op->resumed = false;
	op->in_row = true;
	msv_env_enter(env);
	if (op->row)
		verdict = op->row(op->user, row);
	op->in_row = false;
	if (op->canceled) {
		verdict = MSV_ERR_CANCELED;
	} else if (verdict == MSV_PAUSE) {
		op->paused = true;
		if (op->resumed)
			go_on(op);
	} else {
		op->resumed = false;
		verdict = 0;
	}
	msv_env_leave_quietly(env);
	return verdict;
}

void *msv_op_alloc(struct msv_op *op, size_t n)
{
	if (n > SIZE_MAX - sizeof(struct chunk))
		return NULL;
	struct chunk *chunk = msv_alloc(op->env, sizeof(*chunk) + n);
	if (!chunk)
		return NULL;
	chunk->next = op->chunks;
	op->chunks = chunk;
	return chunk->data;
}

char *msv_op_strdup(struct msv_op *op, const char *s)
{
	size_t n = strlen(s) + 1;
	char *copy = msv_op_alloc(op, n);

	return copy ? memcpy(copy, s, n) : NULL;
}
