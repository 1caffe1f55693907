/* What is tried together, after a change of the routes. */
#include "mta/queue_inside.h"

#define ROOM 1024

struct naming {
	int (*name)(void *user, const char *domain, char *out, size_t room);
	void *user;
};

/* All domains with the name that is theirs now. */
static int fill_names(struct queue_db *db, const struct naming *naming)
{
	sqlite3_stmt *domain = NULL, *insert = NULL;
	char out[ROOM] = "";
	int more = 0, error = msv_queue_db_prepare(
	                  db, "SELECT DISTINCT domain FROM main.recipient WHERE kind=0", &domain);

	if (!error)
		error = msv_queue_db_prepare(db, "INSERT INTO temp.named VALUES(?,?)", &insert);
	while (!error && (more = msv_queue_step(db, domain)) > 0) {
		const char *text = (const char *)sqlite3_column_text(domain, 0);
		error = text ? naming->name(naming->user, text, out, sizeof(out)) : MSV_ERR_NOMEM;
		if (error)
			break;
		sqlite3_bind_value(insert, 1, sqlite3_column_value(domain, 0));
		msv_queue_bind_text(insert, 2, out);
		error = msv_queue_run(db, insert);
	}
	sqlite3_finalize(domain);
	sqlite3_finalize(insert);
	return error ? error : more;
}

static int rename_all(struct queue_db *db, const struct naming *naming)
{
	int error = msv_queue_db_exec(db,
	    "CREATE TEMP TABLE IF NOT EXISTS named(domain TEXT PRIMARY KEY, name TEXT);"
	    "DELETE FROM temp.named; BEGIN IMMEDIATE");

	if (error)
		return error;
	error = fill_names(db, naming);
	if (!error)
		error = msv_queue_db_exec(db,
		    "UPDATE main.recipient SET destination=n.name FROM temp.named n"
		    " WHERE n.domain=recipient.domain AND kind=0 AND destination<>n.name;"
		    "COMMIT; DROP TABLE temp.named");
	if (error && !sqlite3_get_autocommit(db->sqlite))
		msv_queue_db_exec(db, "ROLLBACK");
	return error;
}

int msv_queue_rename_destinations(struct msv_queue *queue,
    int (*name)(void *user, const char *domain, char *out, size_t room), void *user)
{
	const struct naming naming = { name, user };
	int error;

	if (queue->running || queue->taken)
		return MSV_ERR_BUSY;
	error = rename_all(&queue->desk.db, &naming);
	if (error)
		msv_env_log(queue->env, MSV_LOG_ERROR,
		    "queue directory=%s: cannot follow the change of routes: %s %s",
		    queue->directory, msv_strerror(error), queue->desk.db.problem);
	queue->desk.db.problem[0] = '\0';
	msv_turns_doubt(&queue->turns);
	if (!error)
		error = msv_queue_load_destinations(queue);
	msv_queue_announce(queue);
	return error;
}
