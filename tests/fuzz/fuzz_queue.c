/*
 * The queue over a database somebody else wrote: whatever stands in its rows or its
 * pages, opening, listing, handing out, settling and changing do no harm, what comes
 * out has no control bytes, and nothing leaks.
 *
 * The first byte says whether rows (even) or pages (odd) are written.  For rows then
 * come triples: which column, which rows, and a value, of type and length given by a
 * byte.  For pages: offset (two bytes), length, bytes.
 */
#include <dirent.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <mailserv/testing.h>
#include <sqlite3.h>

#include "mta/queue.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

/* Unlike assert(), there in every build. */
#define MUST(what) \
	do { \
		if (!(what)) { \
			fprintf(stderr, "%s:%d: not so: %s\n", __FILE__, __LINE__, #what); \
			abort(); \
		} \
	} while (0)

#define MESSAGES 3

static char directory[128];
static char *template;
static size_t template_size;

static struct {
	struct msv_test_env *test;
	struct msv_env *env;
	struct msv_queue *queue;
	struct queue_delivery *delivery;
	char id[64];
	bool done;
} run;

/* -- The file system ------------------------------------------------------------------------ */

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	(void)st, (void)type, (void)ftw;
	return remove(path);
}

static void clean_up(void)
{
	nftw(directory, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

static const char *path(const char *name)
{
	static char out[256];

	snprintf(out, sizeof(out), "%s/q/%s", directory, name);
	return out;
}

static void put(const char *name, const void *p, size_t n)
{
	int fd = open(path(name), O_WRONLY | O_CREAT | O_TRUNC, 0600);

	MUST(fd >= 0 && write(fd, p, n) == (ssize_t)n);
	close(fd);
}

/* -- The queue's user ---------------------------------------------------------------------------- */

static void on_plain(void *user, int error, const void *result)
{
	(void)user, (void)error, (void)result;
	run.done = true;
}

static void on_taken(void *user, int error, const void *result)
{
	(void)user, (void)error;
	run.done = true;
	run.delivery = (struct queue_delivery *)(uintptr_t)result;
}

static void check_text(const char *text)
{
	for (; *text; text++)
		MUST((unsigned char)*text >= ' ' && *text != 127);
}

static int on_entry(void *user, const void *row)
{
	const struct msv_queue_entry *entry = row;

	(void)user;
	check_text(entry->id);
	check_text(entry->from);
	check_text(entry->to);
	check_text(entry->destination);
	check_text(entry->host);
	check_text(entry->text);
	MUST(entry->kind < MSV_QUEUE_KIND_COUNT);
	snprintf(run.id, sizeof(run.id), "%s", entry->id);
	return 0;
}

static int on_piece(void *user, const void *row)
{
	const struct msv_queue_piece *piece = row;

	(void)user;
	return piece->n ? 0 : 0;
}

static void wait_done(void)
{
	msv_test_run(run.test);
	MUST(run.done);
	run.done = false;
}

static struct msv_op *ask(msv_op_fn done, msv_row_fn row)
{
	struct msv_op *op = msv_op_new(run.env, done, NULL);

	MUST(op);
	msv_op_set_row(op, row);
	return op;
}

static int open_queue(void)
{
	char name[256];
	struct msv_queue_options options = { .size = sizeof(options), .directory = name };

	snprintf(name, sizeof(name), "%s/q", directory);
	return msv_queue_open(run.env, &options, &run.queue);
}

static void add(int i)
{
	char id[16];
	struct queue_recipient recipients[] = {
		{ .address = "b@x.example", .destination = "x.example", .orcpt = "rfc822;b@x" },
		{ .kind = MSV_QUEUE_LOCAL,
		    .address = "c@y.example",
		    .destination = "here",
		    .account = "c",
		    .sender = "d@z.example" },
	};
	struct queue_message message = { .id = id,
		.from = "a@a.example",
		.arrived = 1000000,
		.expires = UINT64_MAX,
		.recipients = recipients,
		.nrecipients = 2,
		.head = "body\r\n",
		.nhead = 6 };

	snprintf(id, sizeof(id), "m%d", i);
	msv_queue_add(run.queue, &message, (struct queue_add_op){ ask(on_plain, NULL) });
	wait_done();
}

static void look(void)
{
	struct msv_queue_filter filter = { .size = sizeof(filter), .domain = "x.example" };

	msv_queue_list(run.queue, NULL, (struct msv_queue_list_op){ ask(on_plain, on_entry) });
	wait_done();
	msv_queue_list(run.queue, &filter, (struct msv_queue_list_op){ ask(on_plain, on_entry) });
	wait_done();
	msv_queue_body(run.queue, run.id, (struct msv_queue_body_op){ ask(on_plain, on_piece) });
	wait_done();
}

static void deliver(enum queue_outcome outcome)
{
	struct queue_result results[8];

	for (int i = 0; i < 8; i++) {
		results[i] = (struct queue_result){ .outcome = outcome, .next = 5, .text = "x" };
		run.delivery = NULL;
		msv_queue_take(run.queue, NULL, 2, (struct queue_take_op){ ask(on_taken, NULL) });
		wait_done();
		if (!run.delivery)
			break;
		check_text(run.delivery->from);
		check_text(run.delivery->id);
		for (size_t j = 0; j < run.delivery->ntargets; j++)
			check_text(run.delivery->targets[j].address);
		msv_queue_read(run.delivery, 0, 100, (struct queue_read_op){ ask(on_plain, NULL) });
		wait_done();
		results[1] = results[0];
		msv_queue_settle(run.delivery, results, NULL, 0,
		    (struct queue_settle_op){ ask(on_plain, NULL) });
		msv_test_run(run.test);
		run.done = false;
	}
}

static void change(enum msv_queue_change what)
{
	msv_queue_change(
	    run.queue, what, NULL, (struct msv_queue_change_op){ ask(on_plain, NULL) });
	wait_done();
}

static int to_one(void *user, const char *domain, char *out, size_t room)
{
	(void)user, (void)domain;
	snprintf(out, room, "one");
	return 0;
}

static void use(void)
{
	msv_queue_rename_destinations(run.queue, to_one, NULL);
	look();
	deliver(QUEUE_RETRY);
	change(MSV_QUEUE_HOLD);
	change(MSV_QUEUE_RELEASE);
	change(MSV_QUEUE_RETRY);
	deliver(QUEUE_DONE);
	add(77);
	change(MSV_QUEUE_REMOVE);
	look();
}

/* -- Who wrote the database ---------------------------------------------------------------------------- */

static void prepare(void)
{
	struct stat st;
	int fd;

	snprintf(directory, sizeof(directory), "%s/msv-fuzz-XXXXXX",
	    access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp");
	MUST(mkdtemp(directory));
	atexit(clean_up);
	MUST(msv_test_env_new(1, &run.test) == 0);
	run.env = msv_test_env(run.test);
	MUST(open_queue() == 0);
	for (int i = 0; i < MESSAGES; i++)
		add(i);
	msv_queue_free(run.queue);
	MUST(msv_test_env_free(run.test) == 0);
	fd = open(path("queue.db"), O_RDONLY);
	MUST(fd >= 0 && fstat(fd, &st) == 0);
	template_size = (size_t)st.st_size;
	template = malloc(template_size);
	MUST(template && read(fd, template, template_size) == st.st_size);
	close(fd);
}

/* All as it was at first. */
static void restore(void)
{
	char name[32];

	unlink(path("queue.db-wal"));
	nftw(path("damaged"), remove_one, 16, FTW_DEPTH | FTW_PHYS);
	put("queue.db", template, template_size);
	mkdir(path("bodies"), 0700);
	mkdir(path("bodies/00"), 0700);
	for (int i = 1; i <= MESSAGES; i++) {
		snprintf(name, sizeof(name), "bodies/00/%d", i);
		put(name, "body\r\n", 6);
	}
}

static void bind(sqlite3_stmt *statement, uint8_t type, const uint8_t *p, size_t n)
{
	int64_t number = 0;

	memcpy(&number, p, n < sizeof(number) ? n : sizeof(number));
	switch (type % 4) {
	case 0:
		sqlite3_bind_int64(statement, 1, number);
		break;
	case 1:
		sqlite3_bind_text(statement, 1, (const char *)p, (int)n, SQLITE_TRANSIENT);
		break;
	case 2:
		sqlite3_bind_zeroblob(statement, 1, (int)n);
		break;
	default:
		sqlite3_bind_text(statement, 1, "x.example", -1, SQLITE_STATIC);
	}
}

static void write_rows(const uint8_t *p, size_t n)
{
	static const char *const columns[] = { "message SET row", "message SET id",
		"message SET sender", "message SET flags", "message SET arrived",
		"message SET expires", "message SET octets", "message SET held",
		"recipient SET row", "recipient SET kind", "recipient SET address",
		"recipient SET domain", "recipient SET destination", "recipient SET sender",
		"recipient SET orcpt", "recipient SET notify", "recipient SET attempts",
		"recipient SET next", "recipient SET due", "recipient SET warned",
		"recipient SET host", "recipient SET code", "recipient SET text" };
	sqlite3 *db;

	MUST(sqlite3_open(path("queue.db"), &db) == SQLITE_OK);
	for (size_t used; n >= 3; p += used, n -= used) {
		char sql[128];
		sqlite3_stmt *statement;
		size_t length = (size_t)p[2] / 4 < n - 3 ? (size_t)p[2] / 4 : n - 3;
		used = 3 + length;
		snprintf(sql, sizeof(sql),
		    "UPDATE OR IGNORE %s=? WHERE rowid%%4=%d OR rowid>>20=%d",
		    columns[p[0] % (sizeof(columns) / sizeof(columns[0]))], p[1] % 4, p[1] % 4);
		if (sqlite3_prepare_v2(db, sql, -1, &statement, NULL) != SQLITE_OK)
			continue;
		bind(statement, p[2], p + 3, length);
		sqlite3_step(statement);
		sqlite3_finalize(statement);
	}
	sqlite3_close(db);
}

static void write_pages(const uint8_t *p, size_t n)
{
	int fd = open(path("queue.db"), O_WRONLY);

	MUST(fd >= 0);
	for (size_t used; n >= 3; p += used, n -= used) {
		size_t length = p[2] < n - 3 ? p[2] : n - 3;
		off_t at = (off_t)(((size_t)p[0] << 8 | p[1]) % template_size);
		used = 3 + length;
		MUST(pwrite(fd, p + 3, length, at) == (ssize_t)length);
	}
	close(fd);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	if (!template)
		prepare();
	if (n < 1 || n > 4096)
		return 0;
	restore();
	if (data[0] % 2)
		write_pages(data + 1, n - 1);
	else
		write_rows(data + 1, n - 1);
	MUST(msv_test_env_new(1, &run.test) == 0);
	run.env = msv_test_env(run.test);
	run.done = false;
	if (open_queue() == 0) {
		use();
		msv_queue_free(run.queue);
	}
	MUST(msv_test_env_free(run.test) == 0);
	return 0;
}
