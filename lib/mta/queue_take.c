/* Handing out what is due. */
#include "mta/queue_inside.h"

#define CANDIDATES 32                     /* destinations looked at in one job */
#define MOST       1000                   /* recipients of a delivery */
#define ROOM       (16 * QUEUE_TEXT_SIZE) /* for the strings of a delivery */
#define ONE_MORE   (4 * QUEUE_TEXT_SIZE)  /* ... of one recipient */
#define SMALL      ((size_t)8192)         /* a body that comes with its delivery */

struct take {
	struct queue_work work; /* first */
	struct msv_op *op;
	struct queue_taken *taken;
	struct queue_look looks[CANDIDATES];
	size_t nlooks, max;
	bool any;
	int error;
};

/* -- What is handed out -------------------------------------------------------------------- */

static struct queue_taken *new_taken(struct msv_queue *queue, size_t max)
{
	struct queue_taken *taken = msv_alloc(queue->env, sizeof(*taken));

	if (!taken)
		return NULL;
	taken->delivery.queue = taken->work.queue = queue;
	taken->delivery.targets = msv_alloc(queue->env, max * sizeof(*taken->delivery.targets));
	taken->room = msv_env_realloc(queue->env, NULL, ROOM + SMALL);
	taken->link = &queue->taken;
	taken->next = queue->taken;
	if (taken->next)
		taken->next->link = &taken->next;
	queue->taken = taken;
	if (taken->delivery.targets && taken->room)
		return taken;
	msv_queue_taken_free(taken);
	return NULL;
}

void msv_queue_taken_free(struct queue_taken *taken)
{
	if (!taken)
		return;
	struct msv_queue *queue = taken->delivery.queue;
	*taken->link = taken->next;
	if (taken->next)
		taken->next->link = taken->link;
	msv_turns_unpin(&queue->turns, taken->look.dest);
	for (size_t i = 0; i < taken->nnews; i++)
		msv_queue_new_fini(&taken->news[i]);
	msv_free(queue->env, taken->news);
	msv_free(queue->env, taken->delivery.targets);
	msv_free(queue->env, taken->room);
	msv_free(queue->env, taken->outcomes);
	msv_free(queue->env, taken);
}

/* -- Putting back ------------------------------------------------------------------------------ */

static void release_rows(struct queue_desk *desk, const struct queue_delivery *delivery)
{
	for (size_t i = 0; i < delivery->ntargets; i++)
		msv_queue_busy_remove(&desk->db.busy, delivery->targets[i].row);
}

static void put_back_read(struct queue_desk *desk, struct queue_work *work)
{
	struct queue_taken *taken =
	    (struct queue_taken *)((char *)work - offsetof(struct queue_taken, work));

	release_rows(desk, &taken->delivery);
	if (msv_queue_look(desk, &taken->look) != 0)
		taken->look =
		    (struct queue_look){ .dest = taken->look.dest, .looked = true, .exists = true };
}

static void put_back_done(struct queue_work *work)
{
	struct queue_taken *taken =
	    (struct queue_taken *)((char *)work - offsetof(struct queue_taken, work));

	if (work->error == MSV_ERR_NOMEM) { /* there was no job */
		release_rows(&work->queue->desk, &taken->delivery);
		msv_turns_due(&work->queue->turns, taken->look.dest, 0);
	}
	msv_queue_looked(work->queue, &taken->look);
	msv_queue_taken_free(taken);
}

void msv_queue_put_back(struct queue_taken *taken)
{
	struct msv_queue *queue = taken->delivery.queue;

	queue->stats.busy -= taken->delivery.ntargets;
	taken->work =
	    (struct queue_work){ .queue = queue, .read = put_back_read, .done = put_back_done };
	msv_queue_submit(&taken->work);
}

static void put_back_result(const void *result)
{
	msv_queue_put_back((struct queue_taken *)(uintptr_t)result);
}

/* -- In the job ------------------------------------------------------------------------------------ */

static int read_message(struct queue_desk *desk, struct queue_taken *taken, struct queue_room *room)
{
	sqlite3_stmt *row = msv_queue_sql(&desk->db, QUEUE_SQL_MESSAGE);
	struct queue_delivery *delivery = &taken->delivery;
	uint64_t flags;
	int more;

	msv_queue_bind(row, 1, taken->message);
	more = msv_queue_step(&desk->db, row);
	if (more <= 0)
		return more < 0 ? more : MSV_ERR_FORMAT;
	delivery->id = msv_queue_keep(room, row, 0);
	delivery->sender = msv_queue_keep(room, row, 1);
	delivery->account = msv_queue_keep(room, row, 2);
	delivery->envid = msv_queue_keep(room, row, 3);
	delivery->origin = msv_queue_keep(room, row, 4);
	delivery->ret = sqlite3_column_int(row, 5);
	flags = msv_queue_column(row, 6);
	delivery->body_8bit = flags & QUEUE_FLAG_8BIT;
	delivery->smtputf8 = flags & QUEUE_FLAG_SMTPUTF8;
	delivery->requiretls = flags & QUEUE_FLAG_REQUIRETLS;
	delivery->is_signed = flags & QUEUE_FLAG_SIGNED;
	delivery->is_bounce = flags & QUEUE_FLAG_BOUNCE;
	delivery->arrived = msv_queue_column(row, 7);
	delivery->expires = msv_queue_column(row, 8);
	delivery->octets = msv_queue_column(row, 9);
	delivery->hold = msv_queue_keep(room, row, 10);
	sqlite3_reset(row);
	return 0;
}

static void read_target(struct queue_target *target, sqlite3_stmt *row, struct queue_room *room)
{
	uint64_t attempts = msv_queue_column(row, 6);

	target->row = msv_queue_column(row, 0);
	target->address = msv_queue_keep(room, row, 1);
	target->orcpt = msv_queue_keep(room, row, 2);
	target->account = msv_queue_keep(room, row, 3);
	target->mailbox = msv_queue_keep(room, row, 4);
	target->notify = (unsigned)(msv_queue_column(row, 5) & UINT32_MAX);
	target->attempts = attempts < UINT32_MAX ? (uint32_t)attempts : UINT32_MAX;
	target->warned = msv_queue_column(row, 7) != 0;
}

/* Those that go in one transaction with the recipient that `first` is at. */
static int read_targets(struct queue_desk *desk, struct take *take, const struct queue_look *look,
    sqlite3_stmt *first, struct queue_room *room)
{
	sqlite3_stmt *row = msv_queue_sql(&desk->db, QUEUE_SQL_TOGETHER);
	struct queue_delivery *delivery = &take->taken->delivery;
	int more = 1;

	msv_queue_bind(row, 1, QUEUE_FIRST_ROW(take->taken->message));
	msv_queue_bind(row, 2, QUEUE_LAST_ROW(take->taken->message));
	sqlite3_bind_value(row, 3, sqlite3_column_value(first, 0));
	sqlite3_bind_value(row, 4, sqlite3_column_value(first, 1));
	msv_queue_bind_text(row, 5, look->dest->name);
	msv_queue_bind(row, 6, desk->now);
	while (delivery->ntargets < take->max && room->n - room->used >= ONE_MORE &&
	       (more = msv_queue_step(&desk->db, row)) > 0) {
		if (!msv_queue_busy_has(&desk->db.busy, msv_queue_column(row, 0)))
			read_target(&delivery->targets[delivery->ntargets++], row, room);
	}
	sqlite3_reset(row);
	return more < 0 ? more : delivery->ntargets ? 0 : MSV_ERR_FORMAT;
}

/* Saves who takes it a question.  What cannot be read is told when it is asked for. */
static void read_small_body(struct queue_desk *desk, struct queue_taken *taken)
{
	size_t got = 0;

	if (taken->delivery.octets > SMALL)
		return;
	taken->body = taken->room + ROOM;
	if (msv_queue_file_read(&desk->files, taken->message, 0, taken->body, SMALL, &got) != 0 ||
	    got < taken->delivery.octets)
		taken->body = NULL;
}

/* Takes what goes together with that recipient. */
static int take_row(
    struct queue_desk *desk, struct take *take, const struct queue_look *look, uint64_t row)
{
	sqlite3_stmt *first = msv_queue_sql(&desk->db, QUEUE_SQL_RECIPIENT);
	struct queue_delivery *delivery = &take->taken->delivery;
	struct queue_room room = { take->taken->room, ROOM, 0 };
	uint64_t kind;
	int error;

	take->taken->message = QUEUE_MESSAGE_OF(row);
	error = read_message(desk, take->taken, &room);
	if (error)
		return error;
	msv_queue_bind(first, 1, row);
	error = msv_queue_step(&desk->db, first);
	if (error <= 0)
		return error < 0 ? error : MSV_ERR_FORMAT;
	kind = msv_queue_column(first, 0);
	delivery->kind = kind < MSV_QUEUE_KIND_COUNT ? (enum msv_queue_kind)kind : MSV_QUEUE_REMOTE;
	delivery->from = sqlite3_column_type(first, 1) == SQLITE_NULL
	                     ? delivery->sender
	                     : msv_queue_keep(&room, first, 1);
	delivery->destination = look->dest->name;
	error = read_targets(desk, take, look, first, &room);
	sqlite3_reset(first);
	for (size_t i = 0; !error && i < delivery->ntargets; i++)
		msv_queue_busy_add(&desk->db.busy, delivery->targets[i].row);
	if (error)
		delivery->ntargets = 0;
	else
		read_small_body(desk, take->taken);
	return error;
}

/* The longest due row that is not being tried; 0 none, and `look` says more. */
static int find_row(struct queue_desk *desk, struct queue_look *look, uint64_t *out)
{
	sqlite3_stmt *due = msv_queue_sql(&desk->db, QUEUE_SQL_DUE);
	int more;

	*out = 0;
	msv_queue_bind_text(due, 1, look->dest->name);
	while ((more = msv_queue_step(&desk->db, due)) > 0) {
		uint64_t row = msv_queue_column(due, 0);
		if (msv_queue_busy_has(&desk->db.busy, row))
			continue;
		if (msv_queue_column(due, 1) <= desk->now)
			*out = row;
		break;
	}
	sqlite3_reset(due);
	return more < 0 ? more : 0;
}

static void take_read(struct queue_desk *desk, struct queue_work *work)
{
	struct take *take = (struct take *)work;
	uint64_t row = 0;

	for (size_t i = 0; !take->error && !row && i < take->nlooks; i++) {
		struct queue_look *look = &take->looks[i];
		take->error = find_row(desk, look, &row);
		if (!take->error && row) {
			take->error = take_row(desk, take, look, row);
			take->taken->look.dest = look->dest; /* pinned once there is no error */
		}
		if (!take->error)
			take->error = msv_queue_look(desk, look);
	}
}

/* -- On the loop ----------------------------------------------------------------------------------- */

/* Frees it; what was taken is no longer its own. */
static void take_free(struct take *take)
{
	struct msv_queue *queue = take->work.queue;

	for (size_t i = 0; i < take->nlooks; i++)
		msv_queue_looked(queue, &take->looks[i]);
	if (take->taken && !take->taken->delivery.ntargets) {
		take->taken->look.dest = NULL;
		msv_queue_taken_free(take->taken);
	}
	msv_free(queue->env, take);
}

static void take_fail(struct take *take, int error)
{
	msv_op_answer(take->op, error);
	take_free(take);
}

static bool take_prepare(struct queue_work *work)
{
	struct take *take = (struct take *)work;
	struct msv_queue *queue = work->queue;
	struct queue_dest *dests[CANDIDATES];

	if (msv_op_canceled(take->op)) {
		take_fail(take, MSV_ERR_CANCELED);
		return false;
	}
	if (msv_queue_busy_reserve(&queue->desk.db.busy, take->max) != 0) {
		take_fail(take, MSV_ERR_NOMEM);
		return false;
	}
	if (!take->any) {
		/* Nothing of it is due any earlier. */
		if (take->looks[0].dest->due <= msv_env_realtime(queue->env))
			return true;
		take_fail(take, 0);
		return false;
	}
	take->nlooks =
	    msv_turns_pick(&queue->turns, msv_env_realtime(queue->env), dests, CANDIDATES);
	for (size_t i = 0; i < take->nlooks; i++)
		take->looks[i] = (struct queue_look){ .dest = dests[i] };
	if (take->nlooks)
		return true;
	take_fail(take, 0);
	return false;
}

/* None of those looked at had anything: on to others, if there are. */
static void look_further(struct take *take)
{
	struct msv_queue *queue = take->work.queue;

	if (!take->any || msv_turns_next(&queue->turns) > msv_env_realtime(queue->env)) {
		take_fail(take, 0);
		return;
	}
	take->nlooks = 0;
	if (!take->taken)
		take->taken = new_taken(queue, take->max);
	if (take->taken)
		msv_queue_submit(&take->work);
	else
		take_fail(take, MSV_ERR_NOMEM);
}

/* Blocked, while the job ran: this one does not go now. */
static void take_back(struct take *take)
{
	struct queue_taken *taken = take->taken;

	take->taken = NULL;
	msv_queue_put_back(taken);
	look_further(take);
}

static void hand_out(struct take *take)
{
	struct queue_taken *taken = take->taken;
	struct msv_queue *queue = take->work.queue;

	take->taken = NULL;
	taken->outcomes =
	    msv_alloc(queue->env, taken->delivery.ntargets * sizeof(*taken->outcomes));
	if (!taken->outcomes) {
		msv_queue_put_back(taken);
		take_fail(take, MSV_ERR_NOMEM);
		return;
	}
	msv_op_complete_owned(take->op, &taken->delivery, put_back_result);
	take_free(take);
}

static void take_done(struct queue_work *work)
{
	struct take *take = (struct take *)work;
	struct msv_queue *queue = work->queue;
	struct queue_taken *taken = take->taken;
	int error = work->error ? work->error : take->error;
	bool got = taken->delivery.ntargets > 0;

	if (got) {
		taken->look.dest->pins++;
		queue->stats.busy += taken->delivery.ntargets;
	}
	for (size_t i = 0; i < take->nlooks; i++)
		msv_queue_looked(queue, &take->looks[i]);
	if (error) {
		take->taken = got ? NULL : taken;
		if (got)
			msv_queue_put_back(taken);
		take_fail(take, error);
	} else if (!got) {
		look_further(take);
	} else if (take->any && taken->look.dest->blocked > queue->desk.now) {
		take_back(take);
	} else {
		hand_out(take);
	}
}

void msv_queue_take(
    struct msv_queue *queue, const char *destination, size_t max, struct queue_take_op op)
{
	struct take *take = msv_alloc(queue->env, sizeof(*take));

	if (!take) {
		msv_op_answer(op.op, MSV_ERR_NOMEM);
		return;
	}
	take->work = (struct queue_work){
		.queue = queue, .prepare = take_prepare, .read = take_read, .done = take_done
	};
	take->op = op.op;
	take->any = destination == NULL;
	take->max = max < 1 ? 1 : max < MOST ? max : MOST;
	take->taken = new_taken(queue, take->max);
	if (!take->taken) {
		take_fail(take, MSV_ERR_NOMEM);
	} else if (take->any) {
		msv_queue_submit(&take->work);
	} else if ((take->looks[0].dest = msv_turns_find(&queue->turns, destination))) {
		take->looks[0].dest->pins++;
		take->nlooks = 1;
		msv_queue_submit(&take->work);
	} else {
		take_fail(take, 0);
	}
}
