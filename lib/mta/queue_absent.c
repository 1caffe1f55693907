/* A build without SQLite has no queue: none can be opened. */
#include "mta/queue.h"

int msv_queue_open(
    struct msv_env *env, const struct msv_queue_options *options, struct msv_queue **out)
{
	(void)options, (void)out;
	msv_env_log(env, MSV_LOG_ERROR, "queue: this build has no SQLite, which keeps the queue");
	return MSV_ERR_UNSUPPORTED;
}

void msv_queue_free(struct msv_queue *queue)
{
	(void)queue;
}

void msv_queue_list(
    struct msv_queue *queue, const struct msv_queue_filter *filter, struct msv_queue_list_op op)
{
	(void)queue, (void)filter;
	msv_op_answer(op.op, MSV_ERR_UNSUPPORTED);
}

void msv_queue_change(struct msv_queue *queue, enum msv_queue_change change,
    const struct msv_queue_filter *filter, struct msv_queue_change_op op)
{
	(void)queue, (void)change, (void)filter;
	msv_op_answer(op.op, MSV_ERR_UNSUPPORTED);
}

void msv_queue_body(struct msv_queue *queue, const char *id, struct msv_queue_body_op op)
{
	(void)queue, (void)id;
	msv_op_answer(op.op, MSV_ERR_UNSUPPORTED);
}

void msv_queue_stats(const struct msv_queue *queue, struct msv_queue_stats *stats)
{
	(void)queue;
	*stats = (struct msv_queue_stats){ .size = stats->size };
}

void msv_queue_add(
    struct msv_queue *queue, const struct queue_message *message, struct queue_add_op op)
{
	(void)queue, (void)message;
	msv_op_answer(op.op, MSV_ERR_UNSUPPORTED);
}

void msv_queue_take(
    struct msv_queue *queue, const char *destination, size_t max, struct queue_take_op op)
{
	(void)queue, (void)destination, (void)max;
	msv_op_answer(op.op, MSV_ERR_UNSUPPORTED);
}

uint64_t msv_queue_next(const struct msv_queue *queue)
{
	(void)queue;
	return UINT64_MAX;
}

void msv_queue_on_due(struct msv_queue *queue, void (*on_due)(void *user), void *user)
{
	(void)queue, (void)on_due, (void)user;
}

void msv_queue_on_retry(struct msv_queue *queue, void (*on_retry)(void *user), void *user)
{
	(void)queue, (void)on_retry, (void)user;
}

void msv_queue_block(struct msv_queue *queue, const char *destination, uint64_t until)
{
	(void)queue, (void)destination, (void)until;
}

int msv_queue_rename_destinations(struct msv_queue *queue,
    int (*name)(void *user, const char *domain, char *out, size_t room), void *user)
{
	(void)queue, (void)name, (void)user;
	return MSV_ERR_UNSUPPORTED;
}

void msv_queue_read(
    struct queue_delivery *delivery, uint64_t offset, size_t n, struct queue_read_op op)
{
	(void)delivery, (void)offset, (void)n;
	msv_op_answer(op.op, MSV_ERR_UNSUPPORTED);
}

void msv_queue_settle(struct queue_delivery *delivery, const struct queue_result *results,
    const struct queue_message *new_messages, size_t n, struct queue_settle_op op)
{
	(void)delivery, (void)results, (void)new_messages, (void)n;
	if (op.op)
		msv_op_answer(op.op, MSV_ERR_UNSUPPORTED);
}
