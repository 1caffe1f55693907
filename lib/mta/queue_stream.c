/* Rows for an asker who may pause. */
#include "mta/queue_inside.h"

static void on_cancel(void *user)
{
	struct queue_stream *stream = user;

	if (stream->waiting)
		msv_queue_stream_end(stream, MSV_ERR_CANCELED);
}

static void on_resume(void *user)
{
	struct queue_stream *stream = user;

	stream->waiting = false;
	stream->go_on(stream);
}

void msv_queue_stream_init(struct queue_stream *stream, struct msv_queue *queue, struct msv_op *op)
{
	stream->queue = queue;
	stream->op = op;
	stream->link = &queue->streams;
	stream->next = queue->streams;
	if (stream->next)
		stream->next->link = &stream->next;
	queue->streams = stream;
	msv_op_on_cancel(op, on_cancel, stream);
	msv_op_on_resume(op, on_resume, stream);
}

bool msv_queue_stream_row(struct queue_stream *stream, const void *row)
{
	int verdict = msv_op_row(stream->op, row);

	stream->waiting = verdict == MSV_PAUSE;
	return verdict != MSV_PAUSE;
}

void msv_queue_stream_end(struct queue_stream *stream, int error)
{
	*stream->link = stream->next;
	if (stream->next)
		stream->next->link = stream->link;
	msv_op_on_cancel(stream->op, NULL, NULL);
	msv_op_on_resume(stream->op, NULL, NULL);
	msv_op_answer(stream->op, error);
	stream->free(stream);
}
