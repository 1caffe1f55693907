/* What is due next, and who is told. */
#include "mta/queue_inside.h"

int msv_queue_look(struct queue_desk *desk, struct queue_look *look)
{
	sqlite3_stmt *statement = msv_queue_sql(&desk->db, QUEUE_SQL_DUE);
	int more;

	look->due = UINT64_MAX;
	msv_queue_bind_text(statement, 1, look->dest->name);
	while ((more = msv_queue_step(&desk->db, statement)) > 0) {
		if (msv_queue_busy_has(&desk->db.busy, msv_queue_column(statement, 0)))
			continue;
		look->due = msv_queue_column(statement, 1);
		break;
	}
	sqlite3_reset(statement);
	look->exists = more > 0;
	if (more == 0) {
		statement = msv_queue_sql(&desk->db, QUEUE_SQL_ANY_OF_DESTINATION);
		msv_queue_bind_text(statement, 1, look->dest->name);
		more = msv_queue_step(&desk->db, statement);
		look->exists = more > 0;
		sqlite3_reset(statement);
	}
	look->looked = more >= 0;
	return more < 0 ? more : 0;
}

void msv_queue_looked(struct msv_queue *queue, struct queue_look *look)
{
	if (!look->dest)
		return;
	if (look->looked)
		msv_turns_looked(
		    &queue->turns, look->dest, look->exists, look->due, queue->desk.now);
	msv_turns_unpin(&queue->turns, look->dest);
	*look = (struct queue_look){ 0 };
}

void msv_queue_announce(struct msv_queue *queue)
{
	uint64_t due = msv_turns_next(&queue->turns);

	if (due < queue->due && queue->on_due && !queue->closed)
		msv_env_defer(queue->env, &queue->due_task);
	queue->due = due;
}

uint64_t msv_queue_next(const struct msv_queue *queue)
{
	uint64_t due = msv_turns_next(&queue->turns);

	return due <= msv_env_realtime(queue->env) ? 0 : due;
}

void msv_queue_on_due(struct msv_queue *queue, void (*on_due)(void *user), void *user)
{
	queue->on_due = on_due;
	queue->due_user = user;
}

void msv_queue_on_retry(struct msv_queue *queue, void (*on_retry)(void *user), void *user)
{
	queue->on_retry = on_retry;
	queue->retry_user = user;
}

void msv_queue_block(struct msv_queue *queue, const char *destination, uint64_t until)
{
	msv_turns_block(&queue->turns, destination, until);
	msv_queue_announce(queue);
}
