/* What opening finds: a damaged database, bodies without a row, rows without a
 * body.  Nothing is lost without a word. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "mta/queue_inside.h"
#include "store/disk.h"

/* -- Bodies and rows -------------------------------------------------------------------------- */

struct bodies {
	struct msv_env *env;
	uint64_t *number;
	size_t n, cap;
};

static int add_body(void *user, uint64_t message)
{
	struct bodies *bodies = user;
	int error = msv_grow(
	    bodies->env, &bodies->number, &bodies->cap, bodies->n + 1, sizeof(*bodies->number));

	if (!error)
		bodies->number[bodies->n++] = message;
	return error;
}

static int by_number(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return x < y ? -1 : x > y;
}

/* A row without its body: held, so that somebody looks. */
static int set_aside_row(struct msv_queue *queue, uint64_t message, const char *id)
{
	struct queue_db *db = &queue->desk.db;
	sqlite3_stmt *statement = msv_queue_sql(db, QUEUE_SQL_LOST_MESSAGE);
	int error;

	msv_env_log(queue->env, MSV_LOG_ERROR,
	    "queue directory=%s id=%s: the message is gone, its recipients are known; held: remove "
	    "it, or release it to tell the sender",
	    queue->directory, id);
	msv_queue_bind(statement, 1, message);
	error = msv_queue_run(db, statement);
	if (error)
		return error;
	statement = msv_queue_sql(db, QUEUE_SQL_LOST_RECIPIENTS);
	msv_queue_bind(statement, 1, message);
	return msv_queue_run(db, statement);
}

/* A body without its row: it goes, when there is time. */
static int give_up_body(struct msv_queue *queue, uint64_t message)
{
	struct queue_db *db = &queue->desk.db;
	sqlite3_stmt *statement = msv_queue_sql(db, QUEUE_SQL_GONE);

	queue->desk.gone = true;
	msv_queue_bind(statement, 1, message);
	return msv_queue_run(db, statement);
}

/* The rows in order, next to the bodies in order. */
static int compare(struct msv_queue *queue, const struct bodies *bodies)
{
	struct queue_db *db = &queue->desk.db;
	sqlite3_stmt *row = msv_queue_sql(db, QUEUE_SQL_ALL_MESSAGES);
	size_t i = 0, removed = 0;
	int more, error = 0;

	while (!error && (more = msv_queue_step(db, row)) > 0) {
		uint64_t message = msv_queue_column(row, 0);
		for (; !error && i < bodies->n && bodies->number[i] < message; i++, removed++)
			error = give_up_body(queue, bodies->number[i]);
		queue->next_message = message + 1;
		if (i < bodies->n && bodies->number[i] == message)
			i++;
		else if (!error)
			error = set_aside_row(
			    queue, message, (const char *)sqlite3_column_text(row, 1));
	}
	sqlite3_reset(row);
	if (!error)
		error = more;
	for (; !error && i < bodies->n; i++, removed++)
		error = give_up_body(queue, bodies->number[i]);
	if (bodies->n && queue->next_message <= bodies->number[bodies->n - 1])
		queue->next_message = bodies->number[bodies->n - 1] + 1;
	if (removed)
		msv_env_log(queue->env, MSV_LOG_INFO,
		    "queue directory=%s: %zu bodies are removed that were never acknowledged, or "
		    "done with",
		    queue->directory, removed);
	return error;
}

static int match_bodies(struct msv_queue *queue)
{
	struct bodies bodies = { .env = queue->env };
	int error = msv_queue_files_scan(&queue->desk.files, add_body, &bodies);

	if (!error && bodies.n)
		qsort(bodies.number, bodies.n, sizeof(*bodies.number), by_number);
	if (!error)
		error = msv_queue_db_exec(&queue->desk.db, "BEGIN IMMEDIATE");
	if (!error)
		error = compare(queue, &bodies);
	if (!error)
		error = msv_queue_db_exec(&queue->desk.db, "COMMIT");
	msv_free(queue->env, bodies.number);
	return error;
}

/* -- What is kept in memory ----------------------------------------------------------------------- */

int msv_queue_load_destinations(struct msv_queue *queue)
{
	struct queue_db *db = &queue->desk.db;
	sqlite3_stmt *row = msv_queue_sql(db, QUEUE_SQL_DESTINATIONS);
	int more;

	while ((more = msv_queue_step(db, row)) > 0) {
		const char *name = (const char *)sqlite3_column_text(row, 0);
		struct queue_dest *dest = msv_turns_pin(&queue->turns, name ? name : "");
		if (!dest) {
			sqlite3_reset(row);
			return MSV_ERR_NOMEM;
		}
		msv_turns_due(&queue->turns, dest,
		    sqlite3_column_type(row, 1) == SQLITE_NULL ? UINT64_MAX
		                                               : msv_queue_column(row, 1));
		msv_turns_unpin(&queue->turns, dest);
	}
	return more;
}

static int load_counts(struct msv_queue *queue)
{
	struct queue_db *db = &queue->desk.db;
	sqlite3_stmt *row = msv_queue_sql(db, QUEUE_SQL_COUNTS);
	int more = msv_queue_step(db, row);

	if (more <= 0)
		return more < 0 ? more : MSV_ERR_FORMAT;
	queue->stats.messages = msv_queue_column(row, 0);
	queue->stats.held = msv_queue_column(row, 1);
	queue->stats.recipients = msv_queue_column(row, 2);
	queue->stats.oldest = queue->desk.oldest = msv_queue_column(row, 3);
	sqlite3_reset(row);
	return 0;
}

/* -- A damaged database ------------------------------------------------------------------------------ */

/* Makes damaged/N: its name in out, its descriptor or MSV_ERR_*. */
static int make_damaged(const struct queue_files *files, char *out, size_t room)
{
	if (mkdirat(files->dir, "damaged", 0700) != 0 && errno != EEXIST)
		return msv_disk_error(errno);
	for (unsigned i = 1; i < 100000; i++) {
		snprintf(out, room, "damaged/%u", i);
		if (mkdirat(files->dir, out, 0700) == 0)
			return msv_disk_dir(files->dir, out);
		if (errno != EEXIST)
			return msv_disk_error(errno);
	}
	return MSV_ERR_LIMIT;
}

static int set_aside(struct msv_queue *queue, char *name, size_t room)
{
	static const char *const parts[] = { "bodies", "queue.db-wal", "queue.db" };
	const struct queue_files *files = &queue->desk.files;
	int dir = make_damaged(files, name, room), error = 0;

	if (dir < 0)
		return dir;
	for (size_t i = 0; !error && i < sizeof(parts) / sizeof(parts[0]); i++) {
		if (renameat(files->dir, parts[i], dir, parts[i]) != 0 && errno != ENOENT)
			error = msv_disk_error(errno);
	}
	if (!error)
		error = msv_disk_sync_dir(dir);
	close(dir);
	return error ? error : msv_disk_sync_dir(files->dir);
}

static int open_db(struct msv_queue *queue)
{
	struct queue_desk *desk = &queue->desk;
	/* SQLite makes what it opens for more than the owner. */
	int fd =
	    openat(desk->files.dir, "queue.db", O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);

	if (fd < 0)
		return msv_disk_error(errno);
	close(fd);
	char *path = msv_asprintf(queue->env, "%s/queue.db", queue->directory);
	if (!path)
		return MSV_ERR_NOMEM;
	int error = msv_queue_db_open(&desk->db, path);
	msv_free(queue->env, path);
	return error;
}

static int open_or_set_aside(struct msv_queue *queue)
{
	char name[32], problem[sizeof(queue->desk.db.problem)];
	int error = open_db(queue);

	if (error != MSV_ERR_FORMAT)
		return error;
	memcpy(problem, queue->desk.db.problem, sizeof(problem));
	error = set_aside(queue, name, sizeof(name));
	if (error)
		return error;
	msv_env_log(queue->env, MSV_LOG_ERROR,
	    "queue directory=%s: queue.db is damaged (%s); set aside in %s, with the messages in "
	    "%s/bodies",
	    queue->directory, problem, name, name);
	error = open_db(queue);
	if (!error)
		error = msv_queue_files_bodies(&queue->desk.files);
	return error ? error : msv_queue_salvage(queue, name);
}

/* -- All of it ------------------------------------------------------------------------------------------ */

static int open_all(struct msv_queue *queue)
{
	struct queue_desk *desk = &queue->desk;
	int error = msv_queue_files_open(&desk->files, queue->directory);

	if (!error)
		error = open_or_set_aside(queue);
	if (!error && desk->files.bodies < 0)
		error = msv_queue_files_bodies(&desk->files);
	queue->next_message = 1;
	if (!error)
		error =
		    msv_queue_run(&desk->db, msv_queue_sql(&desk->db, QUEUE_SQL_TIDY_RECIPIENTS));
	if (!error)
		error = msv_queue_run(&desk->db, msv_queue_sql(&desk->db, QUEUE_SQL_TIDY_MESSAGES));
	if (!error)
		error = match_bodies(queue);
	if (!error)
		error = msv_queue_load_destinations(queue);
	return error ? error : load_counts(queue);
}

int msv_queue_open_desk(struct msv_queue *queue)
{
	int error = open_all(queue);

	if (error)
		msv_env_log(queue->env, MSV_LOG_ERROR, "queue directory=%s: cannot open: %s%s%s",
		    queue->directory, msv_strerror(error), queue->desk.db.problem[0] ? ": " : "",
		    queue->desk.db.problem);
	queue->desk.db.problem[0] = '\0';
	return error == MSV_ERR_UNSUPPORTED ? MSV_ERR_FORMAT : error;
}
