/* Taking a message in: its body by a job of its own, its rows by one that many share. */
#include "mta/queue_inside.h"

struct add {
	struct queue_work work; /* first */
	struct queue_new new;
	struct msv_op *op;
	bool dropped; /* what is left of it is to be removed */
};

static void finish(struct add *add, int error)
{
	struct msv_env *env = add->work.queue->env;

	msv_op_answer(add->op, error);
	msv_queue_new_fini(&add->new);
	msv_free(env, add);
}

static int insert(struct queue_desk *desk, struct queue_work *work)
{
	struct add *add = (struct add *)work;

	return add->dropped ? MSV_ERR_CANCELED : msv_queue_new_insert(desk, &add->new);
}

static void clean_up(struct queue_desk *desk, struct queue_work *work)
{
	if (work->error)
		msv_queue_orphan(desk, ((struct add *)work)->new.row);
}

static bool prepare(struct queue_work *work)
{
	struct add *add = (struct add *)work;

	add->dropped = msv_op_canceled(add->op);
	return true;
}

static void inserted(struct queue_work *work)
{
	struct add *add = (struct add *)work;

	if (!work->error)
		msv_queue_new_in(&add->new);
	else if (work->error == MSV_ERR_NOMEM)
		msv_queue_orphan(&work->queue->desk, add->new.row); /* there was no job */
	finish(add, work->error);
}

static void body_done(void *user)
{
	struct add *add = user;

	if (add->new.error) {
		msv_env_log(add->work.queue->env, MSV_LOG_ERROR,
		    "queue directory=%s id=%s: cannot write the message: %s",
		    add->work.queue->directory, add->new.given.id, msv_strerror(add->new.error));
		finish(add, add->new.error);
	} else {
		msv_queue_submit(&add->work);
	}
}

void msv_queue_add(
    struct msv_queue *queue, const struct queue_message *message, struct queue_add_op op)
{
	struct add *add = msv_alloc(queue->env, sizeof(*add));
	int error;

	if (!add) {
		msv_op_answer(op.op, MSV_ERR_NOMEM);
		return;
	}
	add->op = op.op;
	add->work = (struct queue_work){ .queue = queue,
		.prepare = prepare,
		.write = insert,
		.read = clean_up,
		.done = inserted };
	error = msv_queue_new_init(queue, &add->new, message, false);
	if (!error)
		error = msv_queue_new_write(&add->new, body_done, add);
	if (error)
		finish(add, error);
}
