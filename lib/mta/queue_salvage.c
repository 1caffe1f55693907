/* What can still be read of a damaged database is taken over: message by message,
 * from the front up to the damage, then from the back down to it. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "mta/queue_inside.h"
#include "store/disk.h"

struct salvage {
	struct msv_queue *queue;
	int bodies; /* of the damaged queue */
	uint64_t taken_over;
};

static int run_for(struct queue_db *db, const char *sql, uint64_t message)
{
	sqlite3_stmt *statement;
	int error = msv_queue_db_prepare(db, sql, &statement);

	if (error)
		return error;
	msv_queue_bind(statement, 1, message);
	error = msv_queue_run(db, statement);
	sqlite3_finalize(statement);
	return error;
}

/* One message with its recipients and its body, or nothing of it. */
static int take_over(struct salvage *salvage, uint64_t message)
{
	struct queue_desk *desk = &salvage->queue->desk;
	int error = msv_queue_file_link(&desk->files, salvage->bodies, message);

	if (!error)
		error = msv_queue_db_exec(&desk->db, "SAVEPOINT salvage");
	if (!error)
		error = run_for(&desk->db,
		    "INSERT INTO main.message SELECT * FROM old.message WHERE row=?", message);
	if (!error)
		error = run_for(&desk->db,
		    "INSERT INTO main.recipient SELECT * FROM old.recipient NOT INDEXED"
		    " WHERE row BETWEEN ?1<<20 AND ?1<<20|1048575",
		    message);
	if (error)
		msv_queue_db_exec(&desk->db, "ROLLBACK TO salvage");
	else
		salvage->taken_over++;
	int end = msv_queue_db_exec(&desk->db, "RELEASE salvage");
	return error ? error : end;
}

/* Goes through the messages, up (or down) to the first that cannot be read or is in
 * no order: pages that lead back to others would never end. */
static uint64_t walk(struct salvage *salvage, bool down, uint64_t last)
{
	struct queue_db *db = &salvage->queue->desk.db;
	sqlite3_stmt *row;
	uint64_t end = last;

	if (msv_queue_db_prepare(db,
	        down ? "SELECT row FROM old.message NOT INDEXED ORDER BY row DESC"
	             : "SELECT row FROM old.message NOT INDEXED ORDER BY row",
	        &row) != 0)
		return end;
	for (bool first = true; msv_queue_step(db, row) > 0; first = false) {
		uint64_t message = msv_queue_column(row, 0);
		if (down ? message <= last || (!first && message >= end) : message <= end)
			break;
		end = message;
		take_over(salvage, message);
	}
	sqlite3_finalize(row);
	return end;
}

static int attach(struct salvage *salvage, const char *name)
{
	struct msv_queue *queue = salvage->queue;
	struct queue_db *db = &queue->desk.db;
	char *path = msv_asprintf(queue->env, "%s/%s/queue.db", queue->directory, name);
	sqlite3_stmt *statement;
	int error;

	if (!path)
		return MSV_ERR_NOMEM;
	error = msv_queue_db_prepare(db, "ATTACH ? AS old", &statement);
	if (!error) {
		msv_queue_bind_text(statement, 1, path);
		error = msv_queue_run(db, statement);
		sqlite3_finalize(statement);
	}
	msv_free(queue->env, path);
	return error;
}

int msv_queue_salvage(struct msv_queue *queue, const char *name)
{
	struct queue_db *db = &queue->desk.db;
	struct salvage salvage = { .queue = queue };
	int dir = msv_disk_dir(queue->desk.files.dir, name), error;

	if (dir < 0)
		return dir;
	salvage.bodies = msv_disk_dir(dir, "bodies");
	close(dir);
	error = salvage.bodies < 0 ? salvage.bodies : attach(&salvage, name);
	if (!error) {
		error = msv_queue_db_exec(db, "BEGIN");
		walk(&salvage, true, walk(&salvage, false, 0));
		if (!error)
			error = msv_queue_files_sync(&queue->desk.files);
		if (!error)
			error = msv_queue_db_exec(db, "COMMIT");
		msv_queue_db_exec(db, "DETACH old");
	}
	if (salvage.bodies >= 0)
		close(salvage.bodies);
	msv_env_log(queue->env, MSV_LOG_WARN,
	    "queue directory=%s: %llu messages taken over from %s", queue->directory,
	    (unsigned long long)salvage.taken_over, name);
	/* A file that is no database at all has nothing to give. */
	db->problem[0] = '\0';
	return 0;
}
