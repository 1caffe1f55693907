/* The append transaction: messages are in memory while they are small, and in
 * tmp/ as soon as they are not; commit delivers them. */
#include "store/maildir_store.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* So much of a message, and so much of all of a store's, is kept in memory. */
#define MESSAGE_MEMORY (256u << 10)
#define ALL_MEMORY     (64u << 20)
/* What is usually put on top of a message. */
#define FIELDS         1024

struct append_message {
	struct msv_buf text; /* not in the file yet */
	struct msv_to_lf lf;
	uint64_t size;     /* bytes of the file, when all is written */
	int64_t date;      /* seconds since the epoch */
	uint32_t replaces; /* a UID, or 0 */
	bool ended;
	bool counted; /* text counts in the store's memory */
	int fd;       /* of the file in tmp/, -1 when it is not open */
	bool made;    /* there is such a file */
};

struct msv_append {
	struct msv_env *env;
	struct msv_maildir *maildir;
	struct msv_folder *folder;
	struct msv_op *op; /* that is under way */
	bool running;      /* a job or the delivery has it */
	bool aborted;      /* it goes away when they are through */
	bool committing;
	bool prepared;
	bool uids_later;                /* nobody has a use for any of the UIDs */
	int failed;                     /* what add or write ended with */
	struct append_message *message; /* one for each parcel */
	size_t n, cap;
	struct msv_delivery delivery;
	int error; /* of the job */
};

/* -- Memory and end --------------------------------------------------------------------------- */

static size_t held(const struct append_message *message)
{
	return message->counted ? msv_buf_len(&message->text) : 0;
}

/* The text of a message is changed between these two. */
static void uncount(struct msv_append *append, struct append_message *message)
{
	append->maildir->append_memory -= held(message);
	message->counted = false;
}

static void count(struct msv_append *append, struct append_message *message)
{
	message->counted = true;
	append->maildir->append_memory += held(message);
}

/* Frees it all; files left in tmp/ are removed. */
static void append_free(struct msv_append *append)
{
	struct msv_env *env = append->env;
	struct msv_maildir *maildir = append->maildir;
	struct msv_buf temps;

	msv_buf_init(&temps, env);
	for (size_t i = 0; i < append->n; i++) {
		struct append_message *message = &append->message[i];
		const char *temp = append->delivery.parcel[i].temp;
		if (message->made && msv_buf_put(&temps, temp, strlen(temp) + 1) != 0)
			msv_discard_temp(append->folder->place, temp);
		uncount(append, message);
		msv_buf_fini(&message->text);
		if (message->fd >= 0)
			close(message->fd);
	}
	if (append->folder)
		msv_discard_temps(append->folder->place, &temps);
	msv_buf_fini(&temps);
	msv_delivery_fini(&append->delivery);
	msv_folder_unref(append->folder);
	msv_free(env, append->message);
	msv_free(env, append);
	msv_maildir_unref(maildir);
}

/* A job is through: answers the op, or goes away. */
static void answer(struct msv_append *append, int error)
{
	struct msv_op *op = append->op;

	append->op = NULL;
	append->running = false;
	if (error && !append->failed)
		append->failed = error;
	if (append->aborted)
		append_free(append);
	msv_op_answer(op, error);
}

static int run(struct msv_append *append, struct msv_op *op, void (*work)(void *data),
    void (*done)(void *data))
{
	int error = msv_env_offload(append->env, MSV_LANE_DISK, work, done, append);

	append->op = op;
	append->running = !error;
	return error;
}

/* -- Begin ---------------------------------------------------------------------------------------- */

static void begin_work(void *data)
{
	struct msv_append *append = data;
	int dir = msv_place_open(append->folder->place);

	append->error = dir < 0 ? dir : 0;
	if (dir >= 0)
		close(dir);
}

static void begun(void *data)
{
	struct msv_append *append = data;
	struct msv_op *op = append->op;
	int error = append->error;

	append->running = false;
	append->op = NULL;
	if (error) {
		append_free(append);
		msv_op_answer(op, error);
		return;
	}
	msv_append_answer((struct msv_append_op){ op }, &append->maildir->store, append);
}

static int begin(struct msv_maildir *maildir, struct msv_place *place, struct msv_op *op)
{
	struct msv_append *append = msv_alloc(maildir->env, sizeof(*append));
	int error = MSV_ERR_NOMEM;

	if (!append)
		return MSV_ERR_NOMEM;
	append->env = maildir->env;
	append->maildir = msv_maildir_ref(maildir);
	append->delivery.env = maildir->env;
	append->folder = msv_folder_get(maildir, place);
	if (append->folder)
		error = msv_delivery_init(&append->delivery, append->folder);
	/* An INBOX is made when it is missing: nothing to look for. */
	if (!error && !*place->folder)
		msv_append_answer((struct msv_append_op){ op }, &maildir->store, append);
	else if (!error)
		error = run(append, op, begin_work, begun);
	if (error)
		append_free(append);
	return error;
}

void msv_maildir_append_begin(
    void *self, const struct msv_actor *actor, const char *mailbox, struct msv_append_op op)
{
	struct msv_place *place;
	int error = msv_place_of(self, actor, mailbox, &place);

	if (!error)
		error = begin(self, place, op.op);
	else if (error != MSV_ERR_NOMEM)
		error = MSV_ERR_NOTFOUND;
	msv_place_unref(place);
	if (error)
		msv_op_answer(op.op, error);
}

/* -- Add ---------------------------------------------------------------------------------------------- */

/* The last message has all its bytes. */
static int end_message(struct msv_append *append)
{
	struct append_message *message = append->n ? &append->message[append->n - 1] : NULL;
	struct msv_parcel *parcel = message ? &append->delivery.parcel[append->n - 1] : NULL;
	size_t n;
	char *to;
	int error;

	if (!message || message->ended)
		return 0;
	uncount(append, message);
	to = msv_buf_reserve(&message->text, 1);
	if (!to)
		return MSV_ERR_NOMEM;
	error = msv_to_lf_end(&message->lf, to, &n);
	if (error)
		return error;
	msv_buf_commit(&message->text, n);
	count(append, message);
	message->size += n;
	parcel->base = msv_asprintf(append->env, "%s,S=%llu,W=%llu", parcel->temp,
	    (unsigned long long)message->size,
	    (unsigned long long)(message->size + message->lf.lines));
	message->ended = parcel->base != NULL;
	return parcel->base ? 0 : MSV_ERR_NOMEM;
}

/* A parcel for a new message, and the message. */
static int add_message(struct msv_append *append, const struct msv_append_message *how)
{
	struct msv_parcel *parcel;
	struct append_message *message;
	int64_t now = (int64_t)(msv_env_realtime(append->env) / 1000000);
	int error = msv_grow(
	    append->env, &append->message, &append->cap, append->n + 1, sizeof(*append->message));

	if (error)
		return error;
	parcel = msv_delivery_add(&append->delivery);
	if (!parcel)
		return MSV_ERR_NOMEM;
	message = &append->message[append->n++];
	*message = (struct append_message){ .fd = -1, .replaces = how->replaces };
	message->date = how->internal_date ? how->internal_date : now;
	message->lf.verbatim = how->verbatim;
	append->uids_later =
	    how->uid_later && !how->replaces && (append->n == 1 || append->uids_later);
	msv_buf_init(&message->text, append->env);
	/* A hint: room for it, with some fields on top, saves making more. */
	if (how->octets && how->octets < MESSAGE_MEMORY)
		msv_buf_reserve(&message->text, (size_t)how->octets + FIELDS);
	parcel->flags = how->flags & ~(uint32_t)(MSV_FLAG_RECENT | MSV_FLAG_PASSED);
	parcel->temp = msv_maildir_unique(append->maildir);
	error = parcel->temp ? 0 : MSV_ERR_NOMEM;
	for (size_t i = 0; !error && i < how->nkeywords; i++)
		error = msv_keyword_valid(how->keywords[i])
		            ? msv_delivery_keyword(&append->delivery, parcel, how->keywords[i])
		            : MSV_ERR_LIMIT;
	if (!error && how->flags & MSV_FLAG_PASSED)
		error = msv_delivery_keyword(&append->delivery, parcel, MSV_KEYWORD_PASSED);
	return error;
}

void msv_maildir_append_add(void *self, struct msv_append *append,
    const struct msv_append_message *message, struct msv_op *op)
{
	(void)self;
	if (append->failed || append->prepared || append->running)
		append->failed = append->failed ? append->failed : MSV_ERR_INVAL;
	else
		append->failed = end_message(append);
	if (!append->failed)
		append->failed = add_message(append, message);
	msv_op_answer(op, append->failed);
}

/* -- Write ------------------------------------------------------------------------------------------- */

/* Opens the file of a message, which must not be there yet. */
static int make_file(const struct msv_append *append, struct append_message *message, int temp)
{
	const char *name = append->delivery.parcel[message - append->message].temp;

	message->fd =
	    openat(temp, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (message->fd < 0)
		return msv_disk_error(errno);
	message->made = true;
	return 0;
}

static int write_text(struct append_message *message)
{
	return msv_disk_write(
	    message->fd, msv_buf_data(&message->text), msv_buf_len(&message->text));
}

/* tmp/ of the mailbox, or MSV_ERR_*. */
static int open_temp(const struct msv_append *append)
{
	int dir = msv_place_open(append->folder->place), temp;

	if (dir < 0)
		return dir;
	temp = msv_disk_dir(dir, "tmp");
	if (temp == MSV_ERR_NOTFOUND && mkdirat(dir, "tmp", 0700) == 0)
		temp = msv_disk_dir(dir, "tmp");
	close(dir);
	return temp;
}

static void spill_work(void *data)
{
	struct msv_append *append = data;
	struct append_message *message = &append->message[append->n - 1];
	int temp = -1, error = 0;

	if (message->fd < 0) {
		temp = open_temp(append);
		error = temp < 0 ? temp : make_file(append, message, temp);
	}
	if (!error)
		error = write_text(message);
	if (temp >= 0)
		close(temp);
	append->error = error;
}

static void spilled(void *data)
{
	struct msv_append *append = data;
	struct append_message *message = &append->message[append->n - 1];

	uncount(append, message);
	msv_buf_consume(&message->text, msv_buf_len(&message->text));
	if (append->error)
		msv_folder_complain(append->folder->place, "cannot write a message", append->error);
	answer(append, append->error);
}

static int take_bytes(
    struct msv_append *append, struct append_message *message, const void *p, size_t n)
{
	size_t wrote;
	char *to;
	int error;

	uncount(append, message);
	to = msv_buf_reserve(&message->text, n + 2);
	if (!to)
		return MSV_ERR_NOMEM;
	error = msv_to_lf(&message->lf, p, n, to, &wrote);
	if (error)
		return error;
	msv_buf_commit(&message->text, wrote);
	count(append, message);
	message->size += wrote;
	return 0;
}

void msv_maildir_append_write(
    void *self, struct msv_append *append, const void *p, size_t n, struct msv_op *op)
{
	struct append_message *message = append->n ? &append->message[append->n - 1] : NULL;

	(void)self;
	if (!append->failed && (!message || message->ended || append->running))
		append->failed = MSV_ERR_INVAL;
	if (!append->failed)
		append->failed = take_bytes(append, message, p, n);
	if (!append->failed && (msv_buf_len(&message->text) >= MESSAGE_MEMORY ||
	                           append->maildir->append_memory > ALL_MEMORY)) {
		append->failed = run(append, op, spill_work, spilled);
		if (!append->failed)
			return;
	}
	msv_op_answer(op, append->failed);
}

/* -- Prepare ------------------------------------------------------------------------------------------ */

static int finish_file(const struct msv_append *append, struct append_message *message, int temp)
{
	struct timespec times[2] = { { .tv_sec = (time_t)message->date },
		{ .tv_sec = (time_t)message->date } };
	int error = message->fd < 0 ? make_file(append, message, temp) : 0;

	if (error)
		return error;
	error = write_text(message);
	if (!error && futimens(message->fd, times) != 0)
		error = msv_disk_error(errno);
	if (!error)
		error = msv_disk_sync(message->fd);
	close(message->fd);
	message->fd = -1;
	return error;
}

static int finish_files(struct msv_append *append, int temp)
{
	int error = 0;

	for (size_t i = 0; !error && i < append->n; i++)
		error = finish_file(append, &append->message[i], temp);
	return error;
}

static void prepare_work(void *data)
{
	struct msv_append *append = data;
	int temp = open_temp(append);

	append->error = temp < 0 ? temp : finish_files(append, temp);
	if (temp >= 0)
		close(temp);
}

/* The files are written: their texts are not needed any more. */
static void take_prepared(struct msv_append *append)
{
	for (size_t i = 0; i < append->n; i++) {
		uncount(append, &append->message[i]);
		msv_buf_fini(&append->message[i].text);
	}
	append->prepared = !append->error;
	if (append->error && append->error != MSV_ERR_NOTFOUND)
		msv_folder_complain(append->folder->place, "cannot write a message", append->error);
}

static void prepared(void *data)
{
	struct msv_append *append = data;

	take_prepared(append);
	answer(append, append->error);
}

void msv_maildir_append_prepare(void *self, struct msv_append *append, struct msv_op *op)
{
	(void)self;
	if (!append->failed)
		append->failed = append->running ? MSV_ERR_INVAL : end_message(append);
	if (!append->failed && !append->prepared) {
		append->failed = run(append, op, prepare_work, prepared);
		if (!append->failed)
			return;
	}
	msv_op_answer(op, append->failed);
}

/* -- Commit ---------------------------------------------------------------------------------------------- */

static void answer_commit(struct msv_append *append, int error)
{
	struct msv_uid_range range = { append->delivery.first,
		append->delivery.first + (uint32_t)append->n - 1 };
	struct msv_copy_result result = {
		.size = sizeof(result),
		.uidvalidity = append->delivery.uidvalidity,
		.dest = { &range, append->delivery.first > 0 },
	};
	struct msv_op *op = append->op;

	append_free(append);
	if (error)
		msv_op_answer(op, error);
	else
		msv_copy_answer((struct msv_copy_op){ op }, &result);
}

/* What was replaced is gone; if it could not be removed, both are there. */
static void replaced(void *user, int error)
{
	struct msv_append *append = user;

	if (error)
		msv_folder_complain(
		    append->folder->place, "cannot remove what was replaced", error);
	answer_commit(append, 0);
}

/* Removes what the new messages replace; false: nothing. */
static bool remove_replaced(struct msv_append *append)
{
	struct msv_uidset_builder builder;
	struct msv_uidset uids;
	int error = 0;

	msv_uidset_builder_init(&builder, append->env);
	for (size_t i = 0; i < append->n; i++) {
		uint32_t uid = append->message[i].replaces;
		if (uid && !error)
			error = msv_uidset_add(&builder, uid, uid);
	}
	msv_uidset_finish(&builder);
	uids = msv_uidset_take(&builder);
	if (!error && uids.n)
		error = msv_folder_expunge(append->folder, &uids, false, false, replaced, append);
	else
		error = MSV_ERR_NOTFOUND;
	msv_free(append->env, (void *)uids.r);
	return !error;
}

static void delivered(struct msv_delivery *delivery, int error)
{
	struct msv_append *append =
	    (struct msv_append *)((char *)delivery - offsetof(struct msv_append, delivery));

	for (size_t i = 0; !error && i < append->n; i++)
		append->message[i].made = false; /* nothing in tmp/ to remove */
	if (error || !remove_replaced(append))
		answer_commit(append, error);
}

/* As a part of the delivery's own job. */
static int write_files(struct msv_delivery *delivery, int temp)
{
	return finish_files(
	    (struct msv_append *)((char *)delivery - offsetof(struct msv_append, delivery)), temp);
}

static void commit_prepared(void *data)
{
	struct msv_append *append = data;

	take_prepared(append);
	if (append->error)
		answer_commit(append, append->error);
	else
		msv_delivery_run(&append->delivery, delivered);
}

static int deliver(struct msv_append *append)
{
	struct msv_delivery *delivery = &append->delivery;

	delivery->write = append->prepared ? NULL : write_files;
	if (append->uids_later && msv_delivery_can_drop(delivery))
		return msv_delivery_start_drop(delivery, delivered);
	/* While others have the folder, the files can be written already. */
	if (!append->prepared && append->folder->acts) {
		delivery->write = NULL;
		return run(append, append->op, prepare_work, commit_prepared);
	}
	msv_delivery_run(delivery, delivered);
	return 0;
}

void msv_maildir_append_commit(void *self, struct msv_append *append, struct msv_copy_op op)
{
	(void)self;
	append->op = op.op;
	if (!append->failed)
		append->failed = end_message(append);
	if (!append->failed && append->n)
		append->failed = deliver(append);
	if (append->failed || !append->n)
		answer_commit(append, append->failed);
}

void msv_maildir_append_abort(void *self, struct msv_append *append)
{
	(void)self;
	if (append->running)
		append->aborted = true;
	else
		append_free(append);
}
