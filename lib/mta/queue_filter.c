/* Which entries somebody means. */
#include "mta/queue_inside.h"

int msv_queue_filter_init(
    struct msv_queue *queue, struct queue_filter *filter, const struct msv_queue_filter *given)
{
	char domain[QUEUE_TEXT_SIZE + 1] = "@";
	*filter = (struct queue_filter){ 0 };
	if (given && given->id && !(filter->id = msv_strdup(queue->env, given->id)))
		return MSV_ERR_NOMEM;
	if (!given || !given->domain)
		return 0;
	char *address = msv_asprintf(queue->env, "@%s", given->domain);
	if (address) {
		msv_queue_domain(address, domain);
		filter->domain = msv_strdup(queue->env, domain);
		msv_free(queue->env, address);
	}
	if (filter->domain)
		return 0;
	msv_queue_filter_fini(queue, filter);
	return MSV_ERR_NOMEM;
}

void msv_queue_filter_fini(struct msv_queue *queue, struct queue_filter *filter)
{
	msv_free(queue->env, filter->id);
	msv_free(queue->env, filter->domain);
	*filter = (struct queue_filter){ 0 };
}

int msv_queue_filter_rows(struct queue_desk *desk, struct queue_filter *filter)
{
	sqlite3_stmt *statement = msv_queue_sql(&desk->db, QUEUE_SQL_FIND_ID);
	uint64_t message;
	int more;

	filter->first = 0;
	filter->last = INT64_MAX;
	if (!filter->id)
		return 0;
	msv_queue_bind_text(statement, 1, filter->id);
	more = msv_queue_step(&desk->db, statement);
	if (more <= 0)
		return more < 0 ? more : MSV_ERR_NOTFOUND;
	message = msv_queue_column(statement, 0);
	sqlite3_reset(statement);
	filter->first = QUEUE_FIRST_ROW(message);
	filter->last = QUEUE_LAST_ROW(message);
	return 0;
}

void msv_queue_filter_bind(sqlite3_stmt *statement, const struct queue_filter *filter)
{
	msv_queue_bind(statement, 1, filter->first);
	msv_queue_bind(statement, 2, filter->last);
	if (filter->domain)
		msv_queue_bind_text(statement, 3, filter->domain);
}
