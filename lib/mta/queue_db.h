/* The queue's SQLite database: a connection with its statements.  For jobs, one at a
 * time: touches no env.  SQLite has an allocator of its own. */
#ifndef MSV_MTA_QUEUE_DB_H
#define MSV_MTA_QUEUE_DB_H

#include <mailserv/base.h>

#include <sqlite3.h>

#include "mta/queue_busy.h"

/* A recipient's row number is its message's, shifted, and its place in the message:
 * so they stand together. */
#define QUEUE_ROW_BITS       20
#define QUEUE_MAX_RECIPIENTS (1u << QUEUE_ROW_BITS)
#define QUEUE_FIRST_ROW(m)   ((uint64_t)(m) << QUEUE_ROW_BITS)
#define QUEUE_LAST_ROW(m)    (QUEUE_FIRST_ROW(m) | (QUEUE_MAX_RECIPIENTS - 1))
#define QUEUE_MESSAGE_OF(r)  ((uint64_t)(r) >> QUEUE_ROW_BITS)
#define QUEUE_MAX_MESSAGE    (INT64_MAX >> QUEUE_ROW_BITS)

/* The longest string in the queue, with its NUL. */
#define QUEUE_TEXT_SIZE 2048

enum queue_sql {
	QUEUE_SQL_BEGIN,
	QUEUE_SQL_COMMIT,
	QUEUE_SQL_ROLLBACK,
	QUEUE_SQL_SAVEPOINT,
	QUEUE_SQL_UNDO,
	QUEUE_SQL_RELEASE,
	QUEUE_SQL_ADD_MESSAGE,
	QUEUE_SQL_ADD_RECIPIENT,
	QUEUE_SQL_DUE,
	QUEUE_SQL_ANY_OF_DESTINATION,
	QUEUE_SQL_RECIPIENT,
	QUEUE_SQL_TOGETHER,
	QUEUE_SQL_MESSAGE,
	QUEUE_SQL_RETRY_LATER,
	QUEUE_SQL_END_RECIPIENT,
	QUEUE_SQL_END_MESSAGE,
	QUEUE_SQL_GONE,
	QUEUE_SQL_ALL_GONE,
	QUEUE_SQL_FORGET_GONE,
	QUEUE_SQL_OLDEST,
	QUEUE_SQL_FIND_ID,
	QUEUE_SQL_LIST,
	QUEUE_SQL_COUNT_RECIPIENTS,
	QUEUE_SQL_HIT,
	QUEUE_SQL_HIT_WHOLE,
	QUEUE_SQL_HIT_NOT_HELD,
	QUEUE_SQL_COUNT_HIT,
	QUEUE_SQL_CLEAR_HIT,
	QUEUE_SQL_RETRY_HIT,
	QUEUE_SQL_HOLD_HIT,
	QUEUE_SQL_HOLD_MESSAGES,
	QUEUE_SQL_RELEASE_HIT,
	QUEUE_SQL_REMOVE_HIT,
	QUEUE_SQL_GONE_HIT,
	QUEUE_SQL_HELD_GONE,
	QUEUE_SQL_REMOVE_GONE,
	QUEUE_SQL_TIDY_RECIPIENTS,
	QUEUE_SQL_TIDY_MESSAGES,
	QUEUE_SQL_ALL_MESSAGES,
	QUEUE_SQL_LOST_MESSAGE,
	QUEUE_SQL_LOST_RECIPIENTS,
	QUEUE_SQL_DESTINATIONS,
	QUEUE_SQL_COUNTS,
	QUEUE_SQL_COUNT
};

struct queue_db {
	sqlite3 *sqlite;
	sqlite3_stmt *statement[QUEUE_SQL_COUNT];
	sqlite3_vfs vfs;
	char vfs_name[40];
	char problem[200];      /* what SQLite said last */
	struct queue_busy busy; /* what the function busy(row) asks */
};

/* Opens or makes the database; db is zero but for `busy`.  MSV_ERR_FORMAT: damaged; MSV_ERR_UNSUPPORTED: not
 * ours, or of a later version; MSV_ERR_BUSY and others. */
int msv_queue_db_open(struct queue_db *db, const char *path);
void msv_queue_db_close(struct queue_db *db);

/* What a result of SQLite means, as MSV_ERR_*; keeps its text in `problem`. */
int msv_queue_db_error(struct queue_db *db, int rc);
/* Runs statements given as text. */
int msv_queue_db_exec(struct queue_db *db, const char *sql);
/* Prepares a statement that is not of the table above; sqlite3_finalize() it. */
int msv_queue_db_prepare(struct queue_db *db, const char *sql, sqlite3_stmt **out);

/* The statement, ready to be bound anew. */
sqlite3_stmt *msv_queue_sql(struct queue_db *db, enum queue_sql which);
/* 1 a row, 0 the end, or MSV_ERR_*; not after a row it is reset. */
int msv_queue_step(struct queue_db *db, sqlite3_stmt *statement);
/* Steps to the end: 0 or MSV_ERR_*. */
int msv_queue_run(struct queue_db *db, sqlite3_stmt *statement);

/* Numbers are kept within 0 and INT64_MAX. */
void msv_queue_bind(sqlite3_stmt *statement, int at, uint64_t value);
/* NULL is ""; not copied. */
void msv_queue_bind_text(sqlite3_stmt *statement, int at, const char *text);
uint64_t msv_queue_column(sqlite3_stmt *statement, int at);

/* Room for strings of rows. */
struct queue_room {
	char *p;
	size_t n, used;
};
/* Copies a column's text, without control bytes, shortened to QUEUE_TEXT_SIZE or to
 * what room there is.  Never NULL. */
const char *msv_queue_keep(struct queue_room *room, sqlite3_stmt *statement, int at);

#endif
