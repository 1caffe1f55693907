#include "mta/queue_db.h"

#include <stdio.h>
#include <string.h>

#define APPLICATION 0x6d737671 /* "msvq" */
#define VERSION     1
#define STRING(x)   #x
#define NUMBER(x)   STRING(x)

/*
 * recipient.due is `next`, or NULL while the message is held: then the index that
 * says what is due passes it over.
 */
static const char schema[] =
    "BEGIN;"
    "CREATE TABLE message(row INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, sender TEXT NOT NULL,"
    " account TEXT NOT NULL, envid TEXT NOT NULL, origin TEXT NOT NULL, ret INTEGER NOT NULL,"
    " flags INTEGER NOT NULL, arrived INTEGER NOT NULL, expires INTEGER NOT NULL,"
    " octets INTEGER NOT NULL, held INTEGER NOT NULL, hold TEXT NOT NULL) STRICT;"
    "CREATE TABLE recipient(row INTEGER PRIMARY KEY, kind INTEGER NOT NULL,"
    " address TEXT NOT NULL, domain TEXT NOT NULL, destination TEXT NOT NULL, sender TEXT,"
    " orcpt TEXT NOT NULL, account TEXT NOT NULL, mailbox TEXT NOT NULL,"
    " notify INTEGER NOT NULL, attempts INTEGER NOT NULL, next INTEGER NOT NULL, due INTEGER,"
    " warned INTEGER NOT NULL, host TEXT NOT NULL, code INTEGER NOT NULL,"
    " text TEXT NOT NULL) STRICT;"
    "CREATE INDEX recipient_due ON recipient(destination, due);"
    "PRAGMA application_id=" NUMBER(APPLICATION) ";"
                                                 "PRAGMA user_version=" NUMBER(VERSION) ";"
                                                                                        "COMMIT";

/* Exclusive locking: one process, and no memory shared with others.  FULL: each commit
 * syncs the log before it is told, so that it outlasts a loss of power. */
static const char setup[] = "PRAGMA locking_mode=EXCLUSIVE;"
                            "PRAGMA journal_mode=WAL;"
                            "PRAGMA synchronous=FULL;"
                            "PRAGMA temp_store=MEMORY;"
                            "PRAGMA cache_size=-8000;"
                            "PRAGMA journal_size_limit=16777216;"
                            "PRAGMA cell_size_check=ON;"
                            "PRAGMA trusted_schema=OFF;";

/* `gone`: messages whose last recipient was ended in this transaction.  `hit`: the
 * recipients a change is about. */
static const char temporary[] = "CREATE TEMP TABLE gone(message INTEGER PRIMARY KEY);"
                                "CREATE TEMP TABLE hit(row INTEGER PRIMARY KEY);";

#define MESSAGE_OF_HIT "(SELECT DISTINCT row >> 20 FROM temp.hit)"

static const char *const texts[QUEUE_SQL_COUNT] = {
	[QUEUE_SQL_BEGIN] = "BEGIN IMMEDIATE",
	[QUEUE_SQL_COMMIT] = "COMMIT",
	[QUEUE_SQL_ROLLBACK] = "ROLLBACK",
	[QUEUE_SQL_SAVEPOINT] = "SAVEPOINT work",
	[QUEUE_SQL_UNDO] = "ROLLBACK TO work",
	[QUEUE_SQL_RELEASE] = "RELEASE work",
	[QUEUE_SQL_ADD_MESSAGE] = "INSERT INTO message VALUES(?,?,?,?,?,?,?,?,?,?,?,0,?)",
	[QUEUE_SQL_ADD_RECIPIENT] =
	    "INSERT INTO recipient VALUES(?1,?2,?3,?4,?5,?6,?7,?8,?9,?10,0,?11,?11,0,'',0,'')",
	[QUEUE_SQL_DUE] = "SELECT row, due FROM recipient"
	                  " WHERE destination=? AND due>=0 ORDER BY due, row",
	[QUEUE_SQL_ANY_OF_DESTINATION] = "SELECT 1 FROM recipient WHERE destination=? LIMIT 1",
	[QUEUE_SQL_RECIPIENT] = "SELECT kind, sender FROM recipient WHERE row=?",
	[QUEUE_SQL_TOGETHER] =
	    "SELECT row, address, orcpt, account, mailbox, notify, attempts, warned FROM recipient"
	    " WHERE row BETWEEN ? AND ? AND kind=? AND sender IS ? AND destination=? AND due<=?"
	    " ORDER BY row",
	[QUEUE_SQL_MESSAGE] = "SELECT id, sender, account, envid, origin, ret, flags, arrived,"
	                      " expires, octets, hold FROM message WHERE row=?",
	[QUEUE_SQL_RETRY_LATER] =
	    "UPDATE recipient SET next=?2, due=iif(due IS NULL, NULL, ?2), attempts=attempts+?3,"
	    " warned=warned|?4, host=coalesce(?5, host), code=coalesce(?6, code),"
	    " text=coalesce(?7, text) WHERE row=?1",
	[QUEUE_SQL_END_RECIPIENT] = "DELETE FROM recipient WHERE row=?",
	[QUEUE_SQL_END_MESSAGE] =
	    "DELETE FROM message WHERE row=?1 AND NOT EXISTS(SELECT 1 FROM recipient"
	    " WHERE row BETWEEN ?1<<20 AND ?1<<20|1048575) RETURNING held",
	[QUEUE_SQL_GONE] = "INSERT OR IGNORE INTO temp.gone VALUES(?)",
	[QUEUE_SQL_ALL_GONE] = "SELECT message FROM temp.gone ORDER BY message",
	[QUEUE_SQL_FORGET_GONE] = "DELETE FROM temp.gone WHERE message<=?",
	[QUEUE_SQL_OLDEST] = "SELECT arrived FROM message ORDER BY row LIMIT 1",
	[QUEUE_SQL_FIND_ID] = "SELECT row, octets FROM message WHERE id=?",
	[QUEUE_SQL_LIST] =
	    "SELECT r.row, m.id, m.sender, m.account, m.arrived, m.octets, m.held, r.kind,"
	    " r.address, r.destination, r.attempts, r.next, m.expires, r.host, r.code, r.text"
	    " FROM recipient r CROSS JOIN message m ON m.row=r.row>>20"
	    " WHERE r.row>=?1 AND r.row<=?2 AND (?3 IS NULL OR r.domain=?3) ORDER BY r.row",
	[QUEUE_SQL_COUNT_RECIPIENTS] = "SELECT count(*) FROM recipient WHERE row BETWEEN ? AND ?",
	[QUEUE_SQL_HIT] =
	    "INSERT INTO temp.hit SELECT row FROM recipient WHERE row BETWEEN ?1 AND ?2"
	    " AND (?3 IS NULL OR domain=?3) AND NOT (?4 AND busy(row))",
	[QUEUE_SQL_HIT_WHOLE] =
	    "INSERT OR IGNORE INTO temp.hit SELECT r.row FROM (SELECT DISTINCT row>>20 AS m"
	    " FROM temp.hit) CROSS JOIN recipient r WHERE r.row BETWEEN m<<20 AND m<<20|1048575",
	[QUEUE_SQL_HIT_NOT_HELD] = "DELETE FROM temp.hit WHERE"
	                           " (SELECT held FROM message m WHERE m.row=hit.row>>20) IS ?",
	[QUEUE_SQL_COUNT_HIT] = "SELECT count(DISTINCT row>>20), count(*) FROM temp.hit",
	[QUEUE_SQL_CLEAR_HIT] = "DELETE FROM temp.hit",
	[QUEUE_SQL_RETRY_HIT] = "UPDATE recipient SET next=?1, due=iif(due IS NULL, NULL, ?1)"
	                        " WHERE row IN (SELECT row FROM temp.hit)",
	[QUEUE_SQL_HOLD_HIT] =
	    "UPDATE recipient SET due=NULL WHERE row IN (SELECT row FROM temp.hit)",
	[QUEUE_SQL_HOLD_MESSAGES] = "UPDATE message SET held=? WHERE row IN " MESSAGE_OF_HIT,
	[QUEUE_SQL_RELEASE_HIT] =
	    "UPDATE recipient SET due=next WHERE row IN (SELECT row FROM temp.hit)",
	[QUEUE_SQL_REMOVE_HIT] = "DELETE FROM recipient WHERE row IN (SELECT row FROM temp.hit)",
	[QUEUE_SQL_GONE_HIT] =
	    "INSERT OR IGNORE INTO temp.gone SELECT m FROM (SELECT DISTINCT row>>20 AS m"
	    " FROM temp.hit) WHERE NOT EXISTS(SELECT 1 FROM recipient r"
	    " WHERE r.row BETWEEN m<<20 AND m<<20|1048575)",
	[QUEUE_SQL_HELD_GONE] =
	    "SELECT count(*) FROM message WHERE held AND row IN (SELECT message FROM temp.gone)",
	[QUEUE_SQL_REMOVE_GONE] =
	    "DELETE FROM message WHERE row IN (SELECT message FROM temp.gone)",
	[QUEUE_SQL_TIDY_RECIPIENTS] = "DELETE FROM recipient WHERE NOT EXISTS"
	                              "(SELECT 1 FROM message m WHERE m.row=recipient.row>>20"
	                              " AND m.row BETWEEN 1 AND 8796093022207)",
	[QUEUE_SQL_TIDY_MESSAGES] = "DELETE FROM message WHERE NOT EXISTS(SELECT 1 FROM recipient r"
	                            " WHERE r.row BETWEEN message.row<<20"
	                            " AND message.row<<20|1048575)",
	[QUEUE_SQL_ALL_MESSAGES] = "SELECT row, id FROM message ORDER BY row",
	[QUEUE_SQL_LOST_MESSAGE] = "UPDATE message SET held=1 WHERE row=?",
	[QUEUE_SQL_LOST_RECIPIENTS] =
	    "UPDATE recipient SET due=NULL WHERE row BETWEEN ?1<<20 AND ?1<<20|1048575",
	[QUEUE_SQL_DESTINATIONS] =
	    "SELECT destination, min(due) FROM recipient GROUP BY destination",
	[QUEUE_SQL_COUNTS] = "SELECT count(*), coalesce(sum(held!=0), 0),"
	                     " (SELECT count(*) FROM recipient), coalesce((SELECT arrived"
	                     " FROM message ORDER BY row LIMIT 1), 0) FROM message",
};

/* -- Errors ------------------------------------------------------------------------------ */

static const struct {
	int rc, error;
} meanings[] = {
	{ SQLITE_NOMEM, MSV_ERR_NOMEM },
	{ SQLITE_FULL, MSV_ERR_NOSPACE },
	{ SQLITE_BUSY, MSV_ERR_BUSY },
	{ SQLITE_LOCKED, MSV_ERR_BUSY },
	{ SQLITE_CONSTRAINT, MSV_ERR_EXISTS },
	{ SQLITE_TOOBIG, MSV_ERR_LIMIT },
	{ SQLITE_CORRUPT, MSV_ERR_FORMAT },
	{ SQLITE_NOTADB, MSV_ERR_FORMAT },
	{ SQLITE_ERROR, MSV_ERR_FORMAT }, /* the tables are not what they were */
	{ SQLITE_SCHEMA, MSV_ERR_FORMAT },
	{ SQLITE_MISMATCH, MSV_ERR_FORMAT },
	{ SQLITE_PERM, MSV_ERR_DENIED },
	{ SQLITE_READONLY, MSV_ERR_DENIED },
	{ SQLITE_AUTH, MSV_ERR_DENIED },
};

int msv_queue_db_error(struct queue_db *db, int rc)
{
	if (rc == SQLITE_OK || rc == SQLITE_DONE || rc == SQLITE_ROW)
		return 0;
	snprintf(db->problem, sizeof(db->problem), "%s",
	    db->sqlite ? sqlite3_errmsg(db->sqlite) : sqlite3_errstr(rc));
	if (rc == SQLITE_IOERR_NOMEM)
		return MSV_ERR_NOMEM;
	for (size_t i = 0; i < sizeof(meanings) / sizeof(meanings[0]); i++) {
		if (meanings[i].rc == (rc & 0xff))
			return meanings[i].error;
	}
	return MSV_ERR_IO;
}

/* -- Statements --------------------------------------------------------------------------- */

int msv_queue_db_exec(struct queue_db *db, const char *sql)
{
	return msv_queue_db_error(db, sqlite3_exec(db->sqlite, sql, NULL, NULL, NULL));
}

int msv_queue_db_prepare(struct queue_db *db, const char *sql, sqlite3_stmt **out)
{
	return msv_queue_db_error(db, sqlite3_prepare_v2(db->sqlite, sql, -1, out, NULL));
}

sqlite3_stmt *msv_queue_sql(struct queue_db *db, enum queue_sql which)
{
	sqlite3_stmt *statement = db->statement[which];

	sqlite3_reset(statement);
	sqlite3_clear_bindings(statement);
	return statement;
}

int msv_queue_step(struct queue_db *db, sqlite3_stmt *statement)
{
	int rc = sqlite3_step(statement), error;

	if (rc == SQLITE_ROW)
		return 1;
	error = msv_queue_db_error(db, rc);
	sqlite3_reset(statement);
	return error;
}

int msv_queue_run(struct queue_db *db, sqlite3_stmt *statement)
{
	int more;

	while ((more = msv_queue_step(db, statement)) > 0)
		;
	return more;
}

void msv_queue_bind(sqlite3_stmt *statement, int at, uint64_t value)
{
	sqlite3_bind_int64(statement, at, value < INT64_MAX ? (sqlite3_int64)value : INT64_MAX);
}

void msv_queue_bind_text(sqlite3_stmt *statement, int at, const char *text)
{
	sqlite3_bind_text(statement, at, text ? text : "", -1, SQLITE_STATIC);
}

uint64_t msv_queue_column(sqlite3_stmt *statement, int at)
{
	sqlite3_int64 value = sqlite3_column_int64(statement, at);

	return value < 0 ? 0 : (uint64_t)value;
}

const char *msv_queue_keep(struct queue_room *room, sqlite3_stmt *statement, int at)
{
	const char *text = (const char *)sqlite3_column_text(statement, at);
	size_t most = room->n - room->used, n;
	char *copy = room->p + room->used;

	most = most < QUEUE_TEXT_SIZE ? most : QUEUE_TEXT_SIZE;
	if (!text || !most)
		return "";
	n = strnlen(text, most - 1);
	for (size_t i = 0; i < n; i++)
		copy[i] = (unsigned char)text[i] < ' ' || text[i] == 127 ? '?' : text[i];
	copy[n] = '\0';
	room->used += n + 1;
	return copy;
}

/* -- Opening --------------------------------------------------------------------------------- */

/* The path as it is: the directories above may be closed to us by now. */
static int keep_path(sqlite3_vfs *vfs, const char *name, int room, char *out)
{
	(void)vfs;
	int n = snprintf(out, (size_t)room, "%s", name);
	return n >= 0 && n < room ? SQLITE_OK : SQLITE_CANTOPEN;
}

/* A file system of our own for SQLite: the default one but for the above. */
static int register_vfs(struct queue_db *db)
{
	const sqlite3_vfs *base = sqlite3_vfs_find(NULL);

	if (!base)
		return MSV_ERR_UNSUPPORTED;
	snprintf(db->vfs_name, sizeof(db->vfs_name), "msv-queue-%p", (void *)db);
	db->vfs = *base;
	db->vfs.pNext = NULL;
	db->vfs.zName = db->vfs_name;
	db->vfs.xFullPathname = keep_path;
	return msv_queue_db_error(db, sqlite3_vfs_register(&db->vfs, 0));
}

/* The number a PRAGMA or SELECT gives. */
static int number_of(struct queue_db *db, const char *sql, int64_t *out)
{
	sqlite3_stmt *statement;
	int error = msv_queue_db_prepare(db, sql, &statement);

	if (error)
		return error;
	error = msv_queue_step(db, statement);
	if (error > 0)
		*out = sqlite3_column_int64(statement, 0);
	sqlite3_finalize(statement);
	return error > 0 ? 0 : error ? error : MSV_ERR_FORMAT;
}

/* Nothing in it contradicts itself. */
static int check_pages(struct queue_db *db)
{
	sqlite3_stmt *statement;
	int error = msv_queue_db_prepare(db, "PRAGMA quick_check(1)", &statement);

	if (error)
		return error;
	error = msv_queue_step(db, statement);
	if (error > 0) {
		const char *text = (const char *)sqlite3_column_text(statement, 0);
		error = text && strcmp(text, "ok") == 0 ? 0 : MSV_ERR_FORMAT;
		if (error)
			snprintf(db->problem, sizeof(db->problem), "%s", text ? text : "");
	}
	sqlite3_finalize(statement);
	return error;
}

/* Makes the tables of a new database, or finds those of ours. */
static int check_schema(struct queue_db *db)
{
	int64_t application = 0, version = 0, tables = 0;
	int error = number_of(db, "PRAGMA application_id", &application);

	if (!error)
		error = number_of(db, "PRAGMA user_version", &version);
	if (!error)
		error = number_of(db, "SELECT count(*) FROM sqlite_schema", &tables);
	if (error)
		return error;
	if (application == 0 && version == 0 && tables == 0)
		return msv_queue_db_exec(db, schema);
	if (application != APPLICATION || version > VERSION) {
		snprintf(db->problem, sizeof(db->problem), "%s",
		    application != APPLICATION ? "it is another program's database"
		                               : "it was made by a later version");
		return MSV_ERR_UNSUPPORTED;
	}
	return check_pages(db);
}

static int prepare_all(struct queue_db *db)
{
	int error = 0;

	for (int i = 0; !error && i < QUEUE_SQL_COUNT; i++)
		error =
		    msv_queue_db_error(db, sqlite3_prepare_v3(db->sqlite, texts[i], -1,
		                               SQLITE_PREPARE_PERSISTENT, &db->statement[i], NULL));
	return error;
}

/* busy(row): is the recipient being tried now? */
static void is_busy(sqlite3_context *context, int n, sqlite3_value **values)
{
	const struct queue_busy *busy = sqlite3_user_data(context);

	(void)n;
	sqlite3_result_int(
	    context, msv_queue_busy_has(busy, (uint64_t)sqlite3_value_int64(values[0])));
}

int msv_queue_db_open(struct queue_db *db, const char *path)
{
	const int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX |
	                  SQLITE_OPEN_PRIVATECACHE;
	int error;

	error = sqlite3_threadsafe() ? register_vfs(db) : MSV_ERR_UNSUPPORTED;
	if (error)
		return error;
	error = msv_queue_db_error(db, sqlite3_open_v2(path, &db->sqlite, flags, db->vfs_name));
	if (!error) {
		sqlite3_extended_result_codes(db->sqlite, 1);
		sqlite3_db_config(db->sqlite, SQLITE_DBCONFIG_DEFENSIVE, 1, NULL);
		sqlite3_db_config(db->sqlite, SQLITE_DBCONFIG_ENABLE_TRIGGER, 0, NULL);
		sqlite3_db_config(db->sqlite, SQLITE_DBCONFIG_ENABLE_VIEW, 0, NULL);
		sqlite3_limit(db->sqlite, SQLITE_LIMIT_LENGTH, 1 << 20);
		error = msv_queue_db_error(db, sqlite3_create_function(db->sqlite, "busy", 1,
		                                   SQLITE_UTF8, &db->busy, is_busy, NULL, NULL));
	}
	if (!error)
		error = msv_queue_db_exec(db, setup);
	if (!error)
		error = check_schema(db);
	if (!error)
		error = msv_queue_db_exec(db, temporary);
	if (!error)
		error = prepare_all(db);
	if (error)
		msv_queue_db_close(db);
	return error;
}

void msv_queue_db_close(struct queue_db *db)
{
	for (int i = 0; i < QUEUE_SQL_COUNT; i++) {
		sqlite3_finalize(db->statement[i]);
		db->statement[i] = NULL;
	}
	sqlite3_close(db->sqlite);
	db->sqlite = NULL;
	if (db->vfs_name[0])
		sqlite3_vfs_unregister(&db->vfs);
	db->vfs_name[0] = '\0';
}
