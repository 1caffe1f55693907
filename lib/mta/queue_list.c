/* Listing: a page at a time, from where the last one ended. */
#include "mta/queue_inside.h"

#define PAGE     64
#define ROOM     (32 * QUEUE_TEXT_SIZE)
#define ONE_MORE (7 * QUEUE_TEXT_SIZE) /* strings of one entry */

struct list {
	struct queue_stream stream; /* first */
	struct queue_work work;
	struct queue_filter filter;
	char *room;
	struct msv_queue_entry entries[PAGE];
	size_t n, given;
	uint64_t counted, count; /* recipients of the message counted last */
	bool begun, over;
	int error;
};

static struct list *list_of(struct queue_work *work)
{
	return (struct list *)((char *)work - offsetof(struct list, work));
}

/* -- In the job ------------------------------------------------------------------------------ */

static int count_recipients(struct queue_desk *desk, struct list *list, uint64_t message)
{
	sqlite3_stmt *statement;
	int more;

	if (list->counted == message)
		return 0;
	statement = msv_queue_sql(&desk->db, QUEUE_SQL_COUNT_RECIPIENTS);
	msv_queue_bind(statement, 1, QUEUE_FIRST_ROW(message));
	msv_queue_bind(statement, 2, QUEUE_LAST_ROW(message));
	more = msv_queue_step(&desk->db, statement);
	if (more < 0)
		return more;
	list->count = msv_queue_column(statement, 0);
	list->counted = message;
	sqlite3_reset(statement);
	return 0;
}

static uint32_t narrow(uint64_t n)
{
	return n < UINT32_MAX ? (uint32_t)n : UINT32_MAX;
}

static void read_entry(struct queue_desk *desk, struct list *list, sqlite3_stmt *row,
    struct queue_room *room, struct msv_queue_entry *entry)
{
	uint64_t kind = msv_queue_column(row, 7);

	*entry = (struct msv_queue_entry){ .size = sizeof(*entry) };
	entry->busy = msv_queue_busy_has(&desk->db.busy, msv_queue_column(row, 0));
	entry->id = msv_queue_keep(room, row, 1);
	entry->from = msv_queue_keep(room, row, 2);
	entry->account = msv_queue_keep(room, row, 3);
	entry->arrived = msv_queue_column(row, 4);
	entry->octets = msv_queue_column(row, 5);
	entry->held = msv_queue_column(row, 6) != 0;
	entry->recipients = narrow(list->count);
	entry->kind = kind < MSV_QUEUE_KIND_COUNT ? (enum msv_queue_kind)kind : MSV_QUEUE_REMOTE;
	entry->to = msv_queue_keep(room, row, 8);
	entry->destination = msv_queue_keep(room, row, 9);
	entry->attempts = narrow(msv_queue_column(row, 10));
	entry->next = msv_queue_column(row, 11);
	entry->expires = msv_queue_column(row, 12);
	entry->host = msv_queue_keep(room, row, 13);
	entry->code = sqlite3_column_int(row, 14);
	entry->text = msv_queue_keep(room, row, 15);
}

static int read_page(struct queue_desk *desk, struct list *list)
{
	sqlite3_stmt *row = msv_queue_sql(&desk->db, QUEUE_SQL_LIST);
	struct queue_room room = { list->room, ROOM, 0 };
	int error = 0, more = 0;

	list->n = list->given = 0;
	list->counted = 0;
	msv_queue_filter_bind(row, &list->filter);
	while (!error && list->n < PAGE && room.n - room.used >= ONE_MORE &&
	       (more = msv_queue_step(&desk->db, row)) > 0) {
		uint64_t at = msv_queue_column(row, 0);
		error = count_recipients(desk, list, QUEUE_MESSAGE_OF(at));
		read_entry(desk, list, row, &room, &list->entries[list->n++]);
		list->filter.first = at + 1;
	}
	sqlite3_reset(row);
	list->over = more <= 0;
	return error ? error : more < 0 ? more : 0;
}

static void list_read(struct queue_desk *desk, struct queue_work *work)
{
	struct list *list = list_of(work);

	list->error = list->begun ? 0 : msv_queue_filter_rows(desk, &list->filter);
	list->begun = true;
	if (!list->error)
		list->error = read_page(desk, list);
}

/* -- On the loop -------------------------------------------------------------------------------- */

static void list_free(struct queue_stream *stream)
{
	struct list *list = (struct list *)stream;
	struct msv_queue *queue = stream->queue;

	msv_queue_filter_fini(queue, &list->filter);
	msv_free(queue->env, list->room);
	msv_free(queue->env, list);
}

static void list_go_on(struct queue_stream *stream)
{
	struct list *list = (struct list *)stream;

	while (list->given < list->n && !msv_op_canceled(stream->op)) {
		if (!msv_queue_stream_row(stream, &list->entries[list->given++]))
			return;
	}
	if (list->over || msv_op_canceled(stream->op))
		msv_queue_stream_end(stream, 0);
	else
		msv_queue_submit(&list->work);
}

static void list_done(struct queue_work *work)
{
	struct list *list = list_of(work);
	int error = work->error ? work->error : list->error;

	if (error == MSV_ERR_NOTFOUND)
		error = 0, list->over = true;
	if (error)
		msv_queue_stream_end(&list->stream, error);
	else
		list_go_on(&list->stream);
}

void msv_queue_list(
    struct msv_queue *queue, const struct msv_queue_filter *filter, struct msv_queue_list_op op)
{
	struct list *list = msv_alloc(queue->env, sizeof(*list));

	if (!list || msv_queue_filter_init(queue, &list->filter, filter) != 0) {
		msv_free(queue->env, list);
		msv_op_answer(op.op, MSV_ERR_NOMEM);
		return;
	}
	list->work = (struct queue_work){ .queue = queue, .read = list_read, .done = list_done };
	list->stream.go_on = list_go_on;
	list->stream.free = list_free;
	msv_queue_stream_init(&list->stream, queue, op.op);
	list->room = msv_env_realloc(queue->env, NULL, ROOM);
	if (list->room)
		msv_queue_submit(&list->work);
	else
		msv_queue_stream_end(&list->stream, MSV_ERR_NOMEM);
}
