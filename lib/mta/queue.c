/* The queue's life. */
#include <string.h>

#include "mta/queue_inside.h"

static void tell_due(struct msv_task *task)
{
	struct msv_queue *queue =
	    (struct msv_queue *)((char *)task - offsetof(struct msv_queue, due_task));

	if (queue->on_due && !queue->closed)
		queue->on_due(queue->due_user);
}

static int init(struct msv_queue *queue, const struct msv_queue_options *options)
{
	int error;

	queue->desk.files = (struct queue_files){ -1, -1, -1 };
	queue->desk.db.busy.env = queue->env;
	queue->stats.size = sizeof(queue->stats);
	queue->due = UINT64_MAX;
	queue->due_task.fn = tell_due;
	msv_queue_chain_init(queue);
	queue->directory = msv_strdup(queue->env, options->directory);
	if (!queue->directory)
		return MSV_ERR_NOMEM;
	error = msv_turns_init(&queue->turns, queue->env);
	if (!error)
		error = msv_timer_new(queue->env, msv_queue_settle_again, queue, &queue->retry);
	return error ? error : msv_queue_open_desk(queue);
}

int msv_queue_open(
    struct msv_env *env, const struct msv_queue_options *options, struct msv_queue **out)
{
	struct msv_queue *queue;
	int error;

	if (!options || !options->directory || !*options->directory)
		return MSV_ERR_INVAL;
	queue = msv_alloc(env, sizeof(*queue));
	if (!queue)
		return MSV_ERR_NOMEM;
	queue->env = env;
	msv_env_ref(env);
	error = init(queue, options);
	if (error) {
		msv_queue_db_close(&queue->desk.db);
		msv_queue_files_close(&queue->desk.files);
		msv_queue_destroy(queue);
		return error;
	}
	queue->due = msv_turns_next(&queue->turns);
	msv_queue_sweep(queue);
	*out = queue;
	return 0;
}

/* Ends what waits and is in no job; settling goes on to its last attempt. */
static void end_waiting(struct msv_queue *queue)
{
	struct queue_work *work = queue->waiting;
	struct queue_stream *stream, *next_stream;

	queue->waiting = NULL;
	queue->waiting_end = &queue->waiting;
	for (struct queue_work *next; work; work = next) {
		next = work->next;
		msv_queue_submit(work); /* says no when it is not lasting */
	}
	for (stream = queue->streams; stream; stream = next_stream) {
		next_stream = stream->next;
		if (stream->waiting)
			msv_queue_stream_end(stream, MSV_ERR_CANCELED);
	}
	msv_queue_settle_again(queue);
}

void msv_queue_free(struct msv_queue *queue)
{
	if (!queue)
		return;
	struct msv_env *env = queue->env;
	msv_env_enter(env);
	queue->closed = true;
	queue->on_due = NULL;
	msv_env_undefer(env, &queue->due_task);
	msv_timer_free(queue->retry);
	queue->retry = NULL;
	end_waiting(queue);
	msv_queue_rest(queue);
	msv_env_leave_quietly(env);
}

void msv_queue_destroy(struct msv_queue *queue)
{
	struct msv_env *env = queue->env;

	msv_env_undefer(env, &queue->dispatch);
	msv_env_undefer(env, &queue->due_task);
	while (queue->taken)
		msv_queue_taken_free(queue->taken);
	if (queue->turns.bucket)
		msv_turns_fini(&queue->turns);
	msv_queue_busy_fini(&queue->desk.db.busy);
	msv_timer_free(queue->retry);
	msv_free(env, queue->directory);
	msv_free(env, queue);
	msv_env_unref(env);
}

void msv_queue_stats(const struct msv_queue *queue, struct msv_queue_stats *stats)
{
	size_t size = stats->size < sizeof(*stats) ? stats->size : sizeof(*stats);

	memcpy(stats, &queue->stats, size);
	stats->size = size;
}
