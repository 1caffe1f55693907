/* A delivery's body, piece by piece: the queue reads on another thread, who sends
 * waits for it. */
#include <string.h>

#include "mta/relay_parts.h"

#define PIECE ((size_t)32 << 10)

void msv_relay_body_init(struct relay_body *body, struct msv_env *env,
    struct queue_delivery *delivery, void (*ready)(void *user), void *user)
{
	*body =
	    (struct relay_body){ .env = env, .delivery = delivery, .ready = ready, .user = user };
}

void msv_relay_body_fini(struct relay_body *body)
{
	if (body->op)
		msv_op_cancel(body->op);
	msv_free(body->env, body->piece);
	body->op = NULL;
	body->piece = NULL;
	body->have = false;
}

static void on_piece(void *user, int error, const void *result)
{
	struct relay_body *body = user;
	const struct queue_piece *piece = result;
	body->op = NULL;
	body->have = true;
	body->error = error;
	body->n = error ? 0 : piece->n;
	msv_free(body->env, body->piece);
	body->piece = NULL;
	if (body->n > 0 && !(body->piece = msv_memdup(body->env, piece->p, piece->n)))
		body->error = MSV_ERR_NOMEM;
	body->ready(body->user);
}

int msv_relay_body_get(struct relay_body *body, uint64_t offset, const void **p, size_t *n)
{
	if (body->op)
		return MSV_PAUSE;
	bool inside = body->have && offset >= body->offset &&
	              (offset < body->offset + body->n || (body->n == 0 && offset == body->offset));
	if (inside && body->error)
		return body->error;
	if (inside) {
		*p = body->n ? body->piece + (offset - body->offset) : "";
		*n = body->n ? (size_t)(body->offset + body->n - offset) : 0;
		return 0;
	}
	struct queue_read_op op = { msv_op_new(body->env, on_piece, body) };
	if (!op.op)
		return MSV_ERR_NOMEM;
	body->op = op.op;
	body->offset = offset;
	body->have = false;
	msv_queue_read(body->delivery, offset, PIECE, op);
	return MSV_PAUSE;
}
