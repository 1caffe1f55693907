/* Reading bodies: of a delivery, a piece for each question; for people, in rows. */
#include <string.h>

#include "mta/queue_inside.h"

#define MOST ((size_t)1 << 20) /* of a piece */

/* -- What a job reads ------------------------------------------------------------------------ */

struct piece {
	struct msv_queue *queue;
	uint64_t message, octets, offset;
	char *room;
	size_t n, got;
	int error;
	char id[64];
};

static void read_piece(void *data)
{
	struct piece *piece = data;
	uint64_t left = piece->octets > piece->offset ? piece->octets - piece->offset : 0;

	piece->n = piece->n < left ? piece->n : (size_t)left;
	piece->error = msv_queue_file_read(&piece->queue->desk.files, piece->message, piece->offset,
	    piece->room, piece->n, &piece->got);
	/* Shorter than it was: what is gone does not come back by trying again. */
	if (!piece->error && piece->got < piece->n)
		piece->error = MSV_ERR_NOTFOUND;
}

static void report(const struct piece *piece)
{
	if (piece->error)
		msv_env_log(piece->queue->env, MSV_LOG_ERROR,
		    "queue directory=%s id=%s: cannot read the message: %s",
		    piece->queue->directory, piece->id, msv_strerror(piece->error));
}

static void set_id(struct piece *piece, const char *id)
{
	size_t n = strnlen(id, sizeof(piece->id) - 1);

	memcpy(piece->id, id, n);
	piece->id[n] = '\0';
}

/* -- Of a delivery ------------------------------------------------------------------------------- */

/* All of it is the op's memory. */
struct reading {
	struct piece piece; /* first */
	struct msv_op *op;
	struct queue_piece result;
};

static void reading_done(void *data)
{
	struct reading *reading = data;
	struct msv_queue *queue = reading->piece.queue;

	report(&reading->piece);
	reading->result = (struct queue_piece){ reading->piece.room, reading->piece.got };
	msv_queue_job_over(queue);
	msv_op_complete(reading->op, reading->piece.error, &reading->result);
	msv_queue_rest(queue);
}

/* Of a body that is in memory. */
static void answer_at_once(struct reading *reading, const char *body)
{
	struct piece *piece = &reading->piece;

	memcpy(piece->room, body + piece->offset, piece->n);
	reading->result = (struct queue_piece){ piece->room, piece->n };
	msv_op_complete(reading->op, 0, &reading->result);
}

void msv_queue_read(
    struct queue_delivery *delivery, uint64_t offset, size_t n, struct queue_read_op op)
{
	struct queue_taken *taken = (struct queue_taken *)delivery;
	struct reading *reading = msv_op_alloc(op.op, sizeof(*reading));

	offset = offset < delivery->octets ? offset : delivery->octets;
	n = n < MOST ? n : MOST;
	n = n < delivery->octets - offset ? n : (size_t)(delivery->octets - offset);
	char *room = reading ? msv_op_alloc(op.op, n ? n : 1) : NULL;
	if (!room) {
		msv_op_answer(op.op, MSV_ERR_NOMEM);
		return;
	}
	*reading = (struct reading){ .op = op.op };
	reading->piece = (struct piece){ .queue = delivery->queue,
		.message = taken->message,
		.octets = delivery->octets,
		.offset = offset,
		.room = room,
		.n = n };
	set_id(&reading->piece, delivery->id);
	if (taken->body)
		answer_at_once(reading, taken->body);
	else if (msv_queue_job(delivery->queue, read_piece, reading_done, reading) != 0)
		msv_op_answer(op.op, MSV_ERR_NOMEM);
}

/* -- For people -------------------------------------------------------------------------------------- */

struct body {
	struct queue_stream stream; /* first */
	struct queue_work work;     /* finds the message */
	struct piece piece;
};

static struct body *body_of(struct queue_work *work)
{
	return (struct body *)((char *)work - offsetof(struct body, work));
}

static void body_free(struct queue_stream *stream)
{
	struct body *body = (struct body *)stream;
	struct msv_queue *queue = stream->queue;

	msv_free(queue->env, body->piece.room);
	msv_free(queue->env, body);
}

static void read_body(void *data)
{
	read_piece(&((struct body *)data)->piece);
}

static void body_done(void *data)
{
	struct body *body = data;
	struct msv_queue *queue = body->stream.queue;
	struct msv_queue_piece row = {
		.size = sizeof(row), .p = body->piece.room, .n = body->piece.got
	};

	msv_queue_job_over(queue);
	report(&body->piece);
	body->piece.offset += body->piece.got;
	if (body->piece.error || !body->piece.got || queue->closed)
		msv_queue_stream_end(&body->stream, body->piece.error);
	else if (msv_queue_stream_row(&body->stream, &row))
		body->stream.go_on(&body->stream);
	msv_queue_rest(queue);
}

static void body_go_on(struct queue_stream *stream)
{
	struct body *body = (struct body *)stream;
	int error = MSV_ERR_CANCELED;

	body->piece.n = QUEUE_PIECE;
	if (!msv_op_canceled(stream->op))
		error = msv_queue_job(stream->queue, read_body, body_done, body);
	if (error)
		msv_queue_stream_end(stream, error);
}

static void find_read(struct queue_desk *desk, struct queue_work *work)
{
	struct piece *piece = &body_of(work)->piece;
	sqlite3_stmt *statement = msv_queue_sql(&desk->db, QUEUE_SQL_FIND_ID);
	int more;

	msv_queue_bind_text(statement, 1, piece->id);
	more = msv_queue_step(&desk->db, statement);
	piece->error = more > 0 ? 0 : more < 0 ? more : MSV_ERR_NOTFOUND;
	if (more <= 0)
		return;
	piece->message = msv_queue_column(statement, 0);
	piece->octets = msv_queue_column(statement, 1);
	sqlite3_reset(statement);
}

static void find_done(struct queue_work *work)
{
	struct body *body = body_of(work);
	int error = work->error ? work->error : body->piece.error;

	if (error)
		msv_queue_stream_end(&body->stream, error);
	else
		body_go_on(&body->stream);
}

void msv_queue_body(struct msv_queue *queue, const char *id, struct msv_queue_body_op op)
{
	struct body *body = msv_alloc(queue->env, sizeof(*body));

	if (!body) {
		msv_op_answer(op.op, MSV_ERR_NOMEM);
		return;
	}
	body->work = (struct queue_work){ .queue = queue, .read = find_read, .done = find_done };
	body->stream.go_on = body_go_on;
	body->stream.free = body_free;
	body->piece.queue = queue;
	set_id(&body->piece, id);
	msv_queue_stream_init(&body->stream, queue, op.op);
	body->piece.room = msv_env_realloc(queue->env, NULL, QUEUE_PIECE);
	if (body->piece.room)
		msv_queue_submit(&body->work);
	else
		msv_queue_stream_end(&body->stream, MSV_ERR_NOMEM);
}
