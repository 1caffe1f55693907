/* A Maildir store in a scratch directory, asked in plain calls: each waits for
 * its answer and returns the error. */
#ifndef TESTS_STORE_WORLD_H
#define TESTS_STORE_WORLD_H

#include <mailserv/testing.h>
#include <stdarg.h>
#include <time.h>

#include "base/alloc.h"
#include "store/scratch.h"

static struct msv_test_env *test;
static struct msv_maildir *maildir;
static const struct msv_store *store;
static struct msv_maildir_options world_options;
static const struct msv_actor ann = { .size = sizeof(ann), .user = "ann" };

/* What came of the op that was asked last. */
static struct {
	bool done;
	int error;
	struct msv_open_result open;
	char id[64]; /* of the mailbox that was opened */
	struct msv_mailbox_status status;
	struct msv_changes_result changes;
	struct msv_message_content content;
	struct msv_span read;
	struct msv_append *append;
	uint32_t uidvalidity;
	char source[256], dest[256], modified[256]; /* sets */
	char rows[65536];
	size_t nrows;
	unsigned count;
	unsigned fields;                 /* that were asked for */
	struct msv_mailbox *keywords_of; /* whose keywords rows are about */
} got;

/* -- The world ------------------------------------------------------------------------- */

static inline void world_open(void)
{
	world_options.size = sizeof(world_options);
	world_options.location = "%n";
	world_options.root = scratch;
	ck_assert_int_eq(msv_maildir_new(msv_test_env(test), &world_options, &maildir), 0);
	store = msv_maildir_store(maildir);
}

static inline void world_setup(void)
{
	scratch_make();
	world_options = (struct msv_maildir_options){ 0 };
	ck_assert_int_eq(msv_test_env_new(7, &test), 0);
	world_open();
}

static inline void world_restart(void)
{
	msv_maildir_free(maildir);
	msv_test_run(test);
	world_open();
}

static inline void world_teardown(void)
{
	msv_maildir_free(maildir);
	ck_assert_uint_eq(msv_test_env_free(test), 0);
	scratch_remove();
}

/* The grain of directories' time stamps passes, for real and on the env's
 * clock. */
static inline void settle(void)
{
	struct timespec grain = { 0, 130 * 1000 * 1000 };

	nanosleep(&grain, NULL);
	msv_test_advance(test, 5000);
}

/* -- Completions ----------------------------------------------------------------------- */

static inline void row_printf(const char *fmt, ...) MSV_PRINTF(1, 2);
static inline void row_printf(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	got.nrows += (size_t)vsnprintf(got.rows + got.nrows, sizeof(got.rows) - got.nrows, fmt, ap);
	va_end(ap);
	ck_assert_uint_lt(got.nrows, sizeof(got.rows));
}

static inline void set_text(const struct msv_uidset *set, char out[256])
{
	size_t n = 0;

	out[0] = '\0';
	for (size_t i = 0; i < set->n && n < 200; i++)
		n += (size_t)snprintf(
		    out + n, 256 - n, "%s%u:%u", i ? "," : "", set->r[i].first, set->r[i].last);
}

static inline void on_plain(void *user, int error, const void *result)
{
	(void)user, (void)result;
	ck_assert(!got.done);
	got.done = true;
	got.error = error;
}

#define ON(name, member, type) \
	static inline void on_##name(void *user, int error, const void *result) \
	{ \
		on_plain(user, error, result); \
		if (!error) \
			got.member = *(const struct type *)result; \
	}

static inline void on_open(void *user, int error, const void *result)
{
	const char *id;

	on_plain(user, error, result);
	if (error)
		return;
	got.open = *(const struct msv_open_result *)result;
	id = got.open.status.mailbox_id;
	snprintf(got.id, sizeof(got.id), "%s", id ? id : "none");
}

ON(status, status, msv_mailbox_status)
ON(changes, changes, msv_changes_result)
ON(content, content, msv_message_content)
ON(read, read, msv_span)

static inline void on_append(void *user, int error, const void *result)
{
	on_plain(user, error, result);
	if (!error)
		got.append = ((const struct msv_append_handle *)result)->append;
}

static inline void on_copy(void *user, int error, const void *result)
{
	const struct msv_copy_result *copy = result;

	on_plain(user, error, result);
	if (error)
		return;
	got.uidvalidity = copy->uidvalidity;
	set_text(&copy->source, got.source);
	set_text(&copy->dest, got.dest);
}

static inline void on_flags(void *user, int error, const void *result)
{
	on_plain(user, error, result);
	if (!error)
		set_text(result, got.modified);
}

/* -- Rows: "uid:rDFPRST+keyword " --------------------------------------------------------- */

static inline void message_row(const struct msv_message *m)
{
	static const struct {
		uint32_t flag;
		char letter;
	} letters[] = { { MSV_FLAG_RECENT, 'r' }, { MSV_FLAG_DRAFT, 'D' },
		{ MSV_FLAG_FLAGGED, 'F' }, { MSV_FLAG_PASSED, 'P' }, { MSV_FLAG_ANSWERED, 'R' },
		{ MSV_FLAG_SEEN, 'S' }, { MSV_FLAG_DELETED, 'T' } };

	got.count++;
	if (got.count > 200)
		return;
	row_printf("%u:", m->uid);
	for (size_t i = 0; i < 7; i++) {
		if (m->flags & letters[i].flag)
			row_printf("%c", letters[i].letter);
	}
	for (unsigned i = 0; i < 64; i++) {
		if (m->keywords >> i & 1)
			row_printf("+%s", store->keyword(store->self, got.keywords_of, i));
	}
	if (got.fields & MSV_FIELD_OCTETS)
		row_printf("(%llu)", (unsigned long long)m->octets);
	if (got.fields & MSV_FIELD_DATES)
		row_printf("@%lld", (long long)m->internal_date);
	if (got.fields & MSV_FIELD_IDS)
		row_printf("#%s", m->email_id);
	row_printf(" ");
}

static inline int on_message(void *user, const void *row)
{
	(void)user;
	message_row(row);
	return 0;
}

static inline int on_change(void *user, const void *row)
{
	const struct msv_change *change = row;

	(void)user;
	if (change->message)
		message_row(change->message);
	else
		row_printf("-%u:%u ", change->expunged->first, change->expunged->last);
	return 0;
}

static inline int on_entry(void *user, const void *row)
{
	const struct msv_list_entry *entry = row;

	(void)user;
	row_printf("%s%s%s%s", entry->name, entry->selectable ? "" : "!", entry->exists ? "" : "?",
	    entry->subscribed ? "*" : "");
	if (entry->special_use)
		row_printf("=%u", entry->special_use);
	row_printf("|");
	return 0;
}

/* -- Asking --------------------------------------------------------------------------------- */

/* A new op, or NULL. */
static inline struct msv_op *ask(msv_op_fn done, msv_row_fn row)
{
	struct msv_op *op = msv_op_new(msv_test_env(test), done, NULL);

	got.done = false;
	got.error = MSV_ERR_NOMEM;
	got.nrows = 0;
	got.rows[0] = '\0';
	got.count = 0;
	got.fields = 0;
	if (op && row)
		msv_op_set_row(op, row);
	return op;
}

/* Waits for the answer. */
static inline int answered(void)
{
	msv_test_run(test);
	for (unsigned i = 0; !got.done && i < 4000; i++)
		msv_test_advance(test, 50);
	ck_assert(got.done);
	return got.error;
}

#define ASK(done, row, call) \
	do { \
		struct msv_op *op = ask((done), (row)); \
		if (!op) \
			return MSV_ERR_NOMEM; \
		call; \
		return answered(); \
	} while (0)

static inline int do_open(const char *name, bool readonly)
{
	ASK(on_open, NULL,
	    store->open(store->self, &ann, name, readonly, (struct msv_open_op){ op }));
}

/* The mailbox, which must be there. */
static inline struct msv_mailbox *opened(const char *name, bool readonly)
{
	ck_assert_int_eq(do_open(name, readonly), 0);
	got.keywords_of = got.open.mailbox;
	return got.open.mailbox;
}

static inline void do_close(struct msv_mailbox *mailbox)
{
	store->close(store->self, mailbox);
}

static inline int do_status(const char *name)
{
	ASK(on_status, NULL, store->status(store->self, &ann, name, (struct msv_status_op){ op }));
}

static inline int do_list(void)
{
	ASK(on_plain, on_entry, store->list(store->self, &ann, (struct msv_list_op){ op }));
}

static inline int do_create(const char *name, uint32_t use)
{
	ASK(on_plain, NULL, store->create(store->self, &ann, name, use, op));
}

static inline int do_remove(const char *name)
{
	ASK(on_plain, NULL, store->remove(store->self, &ann, name, op));
}

static inline int do_rename(const char *from, const char *to)
{
	ASK(on_plain, NULL, store->rename(store->self, &ann, from, to, op));
}

static inline int do_subscribe(const char *name, bool on)
{
	ASK(on_plain, NULL, store->subscribe(store->self, &ann, name, on, op));
}

static inline int do_changes(struct msv_mailbox *mailbox, uint64_t since)
{
	got.keywords_of = mailbox;
	ASK(on_changes, on_change,
	    store->changes(store->self, mailbox, since, NULL, 0, (struct msv_changes_op){ op }));
}

static inline int do_fetch(
    struct msv_mailbox *mailbox, uint32_t first, uint32_t last, unsigned fields)
{
	struct msv_uid_range range = { first, last };
	struct msv_uidset uids = { &range, 1 };

	got.keywords_of = mailbox;
	ASK(on_changes, on_change, got.fields = fields;
	    store->changes(store->self, mailbox, 0, &uids, fields, (struct msv_changes_op){ op }));
}

/* keywords: one or NULL. */
static inline int do_flags(struct msv_mailbox *mailbox, uint32_t first, uint32_t last,
    enum msv_flag_mode mode, uint32_t flags, const char *keyword)
{
	struct msv_uid_range range = { first, last };
	struct msv_uidset uids = { &range, 1 };
	struct msv_flag_change change = {
		.size = sizeof(change),
		.mode = mode,
		.flags = flags,
		.keywords = &keyword,
		.nkeywords = keyword != NULL,
	};

	got.keywords_of = mailbox;
	ASK(on_flags, on_message,
	    store->flags(store->self, mailbox, &uids, &change, (struct msv_flags_op){ op }));
}

static inline int do_copy(
    struct msv_mailbox *mailbox, uint32_t first, uint32_t last, const char *dest, bool move)
{
	struct msv_uid_range range = { first, last };
	struct msv_uidset uids = { &range, 1 };

	ASK(on_copy, NULL,
	    (move ? store->move : store->copy)(
	        store->self, mailbox, &uids, dest, (struct msv_copy_op){ op }));
}

static inline int do_expunge(struct msv_mailbox *mailbox)
{
	ASK(on_plain, NULL, store->expunge(store->self, mailbox, NULL, op));
}

static inline int do_begin(const char *name)
{
	ASK(on_append, NULL,
	    store->append_begin(store->self, &ann, name, (struct msv_append_op){ op }));
}

static inline int do_add(struct msv_append *append, const struct msv_append_message *message)
{
	ASK(on_plain, NULL, store->append_add(store->self, append, message, op));
}

static inline int do_write(struct msv_append *append, const void *p, size_t n)
{
	ASK(on_plain, NULL, store->append_write(store->self, append, p, n, op));
}

static inline int do_prepare(struct msv_append *append)
{
	ASK(on_plain, NULL, store->append_prepare(store->self, append, op));
}

static inline int do_commit(struct msv_append *append)
{
	struct msv_op *op = ask(on_copy, NULL);

	if (!op) {
		store->append_abort(store->self, append);
		return MSV_ERR_NOMEM;
	}
	store->append_commit(store->self, append, (struct msv_copy_op){ op });
	return answered();
}

/* Appends one message; any error leaves nothing. */
static inline int deliver(const char *name, const char *text, uint32_t flags, const char *keyword)
{
	struct msv_append_message message = {
		.size = sizeof(message),
		.flags = flags,
		.keywords = &keyword,
		.nkeywords = keyword != NULL,
	};
	int error = do_begin(name);

	if (error)
		return error;
	error = do_add(got.append, &message);
	if (!error)
		error = do_write(got.append, text, strlen(text));
	if (!error)
		return do_commit(got.append);
	store->append_abort(store->self, got.append);
	return error;
}

/* Appends one message whose UID may come later. */
static inline int deliver_later(const char *name, const char *text)
{
	struct msv_append_message message = { .size = sizeof(message), .uid_later = true };
	int error = do_begin(name);

	if (error)
		return error;
	error = do_add(got.append, &message);
	if (!error)
		error = do_write(got.append, text, strlen(text));
	if (!error)
		return do_commit(got.append);
	store->append_abort(store->self, got.append);
	return error;
}

/* Several appends that are committed while the first is under way. */
enum { TOGETHER_MAX = 8 };

static struct {
	bool done;
	int error;
	uint32_t uid; /* 0: none was told */
} together[TOGETHER_MAX];

static inline void on_together(void *user, int error, const void *result)
{
	const struct msv_copy_result *copy = result;
	unsigned i = (unsigned)(uintptr_t)user;

	ck_assert(!together[i].done);
	together[i].done = true;
	together[i].error = error;
	together[i].uid = !error && copy->dest.n ? copy->dest.r[0].first : 0;
}

static inline void commit_together(struct msv_append *const *append, unsigned n)
{
	memset(together, 0, sizeof(together));
	for (unsigned i = 0; i < n; i++) {
		struct msv_op *op =
		    msv_op_new(msv_test_env(test), on_together, (void *)(uintptr_t)i);
		if (op) {
			store->append_commit(store->self, append[i], (struct msv_copy_op){ op });
		} else {
			store->append_abort(store->self, append[i]);
			together[i].done = true;
			together[i].error = MSV_ERR_NOMEM;
		}
	}
	msv_test_run(test);
	for (unsigned i = 0; i < n; i++)
		ck_assert(together[i].done);
}

static inline int do_msg_open(struct msv_mailbox *mailbox, uint32_t uid)
{
	ASK(on_content, NULL,
	    store->msg_open(store->self, mailbox, uid, (struct msv_content_op){ op }));
}

static inline int do_read(struct msv_open_message *message, uint64_t offset, size_t n)
{
	ASK(on_read, NULL,
	    store->msg_read(store->self, message, offset, n, (struct msv_read_op){ op }));
}

/* Reads a whole message by pieces of n bytes; how many bytes, which must be
 * what was announced. */
static inline size_t read_all(
    struct msv_mailbox *mailbox, uint32_t uid, char *out, size_t cap, size_t n)
{
	size_t total = 0;

	ck_assert_int_eq(do_msg_open(mailbox, uid), 0);
	struct msv_open_message *message = got.content.message;
	for (;;) {
		ck_assert_int_eq(do_read(message, total, n), 0);
		if (!got.read.n)
			break;
		ck_assert_uint_le(got.read.n, n);
		ck_assert_uint_le(total + got.read.n, cap);
		memcpy(out + total, got.read.p, got.read.n);
		total += got.read.n;
	}
	ck_assert_uint_eq(total, got.content.octets);
	store->msg_close(store->self, message);
	return total;
}

/* A Maildir of the account `ann` as others make it. */
static inline void make_maildir(const char *path)
{
	static const char *const dirs[] = { "", "/tmp", "/new", "/cur" };
	char name[256];

	for (size_t i = 0; i < 4; i++) {
		snprintf(name, sizeof(name), "%s%s", path, dirs[i]);
		scratch_mkdir(name);
	}
}

/* The names in a directory, sorted, each ended by '\n'; valid until the next
 * call. */
static inline const char *names_in(const char *path)
{
	static char text[65536];
	FILE *pipe;
	char command[1200];
	size_t n;

	snprintf(command, sizeof(command), "LC_ALL=C ls -A '%s'", scratch_path(path));
	pipe = popen(command, "r");
	ck_assert_ptr_nonnull(pipe);
	n = fread(text, 1, sizeof(text) - 1, pipe);
	pclose(pipe);
	text[n] = '\0';
	return text;
}

#endif
