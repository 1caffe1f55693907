/* The content of messages: pinned when opened, read in windows. */
#include "store/maildir_store.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

/* So much of a file is read at once; on the wire it may be twice as much. */
enum { WINDOW = 32768 };

struct msv_open_message {
	struct msv_env *env;
	struct msv_folder *folder;
	struct msv_mailbox *mailbox; /* until it is open */
	struct msv_maildir *maildir;
	struct msv_act act;
	struct msv_op *op; /* that is under way, or NULL */
	size_t refs;
	uint32_t uid;
	bool retried;
	uint64_t read_offset;
	size_t read_n;

	/* The job's, while one is under way. */
	struct msv_place *place;
	char *path;
	int fd;
	int error;
	bool sized;      /* octets are known */
	uint64_t octets; /* on the wire */
	uint64_t size;   /* of the file */
	uint64_t target; /* the wire offset that is wanted */
	/* The window: what the file holds before `file` is `wire` bytes on the wire,
	 * of which the last `n` are in buf. */
	uint64_t wire, file;
	size_t n;
	bool cr;             /* the byte before `file` is a CR */
	uint64_t begin_file; /* the same for the window's begin */
	bool begin_cr;
	char *buf; /* 2 * WINDOW: the file's bytes are read into the upper half */
};

/* -- The job ---------------------------------------------------------------------------------- */

/* Reads the next window. */
static int next_window(struct msv_open_message *message)
{
	size_t got;
	int error = msv_disk_read(message->fd, message->file, message->buf + WINDOW, WINDOW, &got);

	if (error)
		return error;
	message->begin_file = message->file;
	message->begin_cr = message->cr;
	message->n = msv_to_crlf(message->buf + WINDOW, got, &message->cr, message->buf);
	message->file += got;
	message->wire += message->n;
	return 0;
}

static void rewind_window(struct msv_open_message *message)
{
	message->wire = message->file = 0;
	message->n = 0;
	message->cr = false;
}

/* Brings the window to where `target` is; at the end it is empty. */
static int seek_window(struct msv_open_message *message)
{
	int error = 0;

	if (message->target < message->wire - message->n)
		rewind_window(message);
	while (!error && message->target >= message->wire) {
		error = next_window(message);
		if (!message->n)
			break;
	}
	return error;
}

/* Counts what the file is on the wire; a small one is in the window then. */
static int measure(struct msv_open_message *message)
{
	uint64_t octets = 0;
	int error;

	do {
		error = next_window(message);
		octets += message->n;
	} while (!error && message->n && message->file < message->size);
	if (error)
		return error;
	message->octets = octets;
	message->sized = true;
	if (octets != message->n)
		rewind_window(message);
	return 0;
}

static int open_file(struct msv_open_message *message)
{
	int dir = msv_place_open(message->place);
	struct stat st;

	if (dir < 0)
		return dir;
	const char *name = message->path + 4;
	message->path[3] = '\0';
	int sub = msv_disk_dir(dir, message->path);
	message->path[3] = '/';
	close(dir);
	if (sub < 0)
		return sub;
	message->fd = openat(sub, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	close(sub);
	if (message->fd < 0)
		return msv_disk_error(errno);
	if (fstat(message->fd, &st) != 0)
		return msv_disk_error(errno);
	message->size = (uint64_t)st.st_size;
	return S_ISREG(st.st_mode) ? 0 : MSV_ERR_FORMAT;
}

static void close_file(struct msv_open_message *message)
{
	if (message->fd >= 0)
		close(message->fd);
	message->fd = -1;
}

static void open_work(void *data)
{
	struct msv_open_message *message = data;
	bool sized = message->sized;
	uint64_t octets = message->octets;

	message->error = open_file(message);
	/* A file that is not as long as the last time is measured anew. */
	if (!message->error && (!sized || octets < message->size || octets > 2 * message->size ||
	                           message->size <= WINDOW))
		message->error = measure(message);
	/* A small message is all in memory now. */
	if (message->error || message->n == message->octets)
		close_file(message);
}

static void read_work(void *data)
{
	struct msv_open_message *message = data;

	message->error = seek_window(message);
}

/* -- Opening ------------------------------------------------------------------------------------ */

static void unref(struct msv_open_message *message)
{
	struct msv_env *env = message->env;

	if (--message->refs > 0)
		return;
	close_file(message);
	msv_free(env, message->buf);
	msv_free(env, message->path);
	msv_place_unref(message->place);
	msv_mailbox_unref(message->mailbox);
	msv_folder_unref(message->folder);
	msv_maildir_unref(message->maildir);
	msv_free(env, message);
}

static void open_failed(struct msv_open_message *message, int error)
{
	struct msv_op *op = message->op;

	if (error != MSV_ERR_NOTFOUND && error != MSV_ERR_NOMEM)
		msv_folder_complain(
		    message->place, message->path ? message->path : "message", error);
	message->op = NULL;
	unref(message);
	msv_op_answer(op, error);
}

static void start_open(struct msv_open_message *message);

static void resynced(void *user, int error)
{
	struct msv_open_message *message = user;

	msv_act_end(message->folder);
	if (error)
		open_failed(message, error);
	else
		start_open(message);
}

static void resync_turn(struct msv_act *act)
{
	struct msv_open_message *message =
	    (struct msv_open_message *)((char *)act - offsetof(struct msv_open_message, act));
	int error = message->folder->stale
	                ? MSV_ERR_NOTFOUND
	                : msv_folder_sync(message->folder, true, resynced, message);

	if (error)
		resynced(message, error);
}

/* The last reading of this message, if it is remembered. */
static struct msv_reading *reading_of(struct msv_folder *folder, uint32_t uid)
{
	for (size_t i = 0; i < sizeof(folder->readings) / sizeof(folder->readings[0]); i++) {
		if (folder->readings[i].uid == uid)
			return &folder->readings[i];
	}
	return NULL;
}

static void opened(void *data)
{
	struct msv_open_message *message = data;
	struct msv_mail *mail = msv_mails_by_uid(&message->folder->mails, message->uid);
	struct msv_message_content content = {
		.size = sizeof(content),
		.message = message,
		.octets = message->octets,
	};
	struct msv_op *op = message->op;

	if (message->error == MSV_ERR_NOTFOUND && !message->retried) {
		/* It has another name now, or is gone. */
		message->retried = true;
		message->act.turn = resync_turn;
		msv_act_begin(message->folder, &message->act);
		return;
	}
	if (message->error) {
		open_failed(message, message->error);
		return;
	}
	if (mail) {
		mail->octets = message->octets;
		mail->state |= MSV_MAIL_SIZED;
	}
	message->op = NULL;
	msv_mailbox_unref(message->mailbox);
	message->mailbox = NULL;
	msv_content_answer((struct msv_content_op){ op }, &message->maildir->store, &content);
}

/* Finds the file's name and starts the job. */
static void start_open(struct msv_open_message *message)
{
	const struct msv_mails *mails = &message->folder->mails;
	const struct msv_mail *mail = msv_mails_by_uid(mails, message->uid);
	struct msv_buf path;
	int error = MSV_ERR_NOMEM;

	if (!mail || !msv_mail_shown(mail)) {
		open_failed(message, MSV_ERR_NOTFOUND);
		return;
	}
	msv_buf_init(&path, message->env);
	msv_free(message->env, message->path);
	message->path = NULL;
	if (msv_folder_path(mail, &path) == 0)
		message->path = msv_strdup(message->env, msv_buf_data(&path));
	msv_buf_fini(&path);
	message->sized = mail->state & MSV_MAIL_SIZED;
	message->octets = mail->octets;
	rewind_window(message);
	if (message->path)
		error = msv_env_offload(message->env, MSV_LANE_DISK, open_work, opened, message);
	if (error)
		open_failed(message, error);
}

void msv_maildir_msg_open(
    void *self, struct msv_mailbox *mailbox, uint32_t uid, struct msv_content_op op)
{
	struct msv_maildir *maildir = self;
	struct msv_open_message *message = msv_alloc(maildir->env, sizeof(*message));
	char *buf = msv_alloc(maildir->env, 2 * WINDOW);

	if (!message || !buf) {
		msv_free(maildir->env, message);
		msv_free(maildir->env, buf);
		msv_op_answer(op.op, MSV_ERR_NOMEM);
		return;
	}
	message->env = maildir->env;
	message->maildir = msv_maildir_ref(maildir);
	message->folder = msv_folder_ref(mailbox->folder);
	message->mailbox = mailbox;
	msv_mailbox_ref(mailbox);
	message->place = msv_place_ref(mailbox->folder->place);
	message->op = op.op;
	message->refs = 1;
	message->uid = uid;
	message->fd = -1;
	message->buf = buf;
	start_open(message);
}

/* -- Reading -------------------------------------------------------------------------------------- */

/* Gives what the window holds from read_offset on. */
static void answer_read(struct msv_open_message *message)
{
	struct msv_op *op = message->op;
	uint64_t begin = message->wire - message->n;
	uint64_t left = message->octets - message->read_offset;
	size_t skip = (size_t)(message->read_offset - begin);
	size_t n = skip < message->n ? message->n - skip : 0;

	if (n > message->read_n)
		n = message->read_n;
	if (n > left)
		n = (size_t)left;
	message->op = NULL;
	/* The file is shorter than it was: what was announced cannot be had. */
	if (!n && left && message->read_n)
		msv_op_answer(op, MSV_ERR_IO);
	else
		msv_read_answer((struct msv_read_op){ op }, message->buf + skip, n);
}

static bool in_window(const struct msv_open_message *message, uint64_t offset)
{
	return offset < message->wire && offset >= message->wire - message->n;
}

static void read_done(void *data)
{
	struct msv_open_message *message = data;
	struct msv_op *op = message->op;

	if (message->error || !in_window(message, message->read_offset)) {
		message->op = NULL;
		msv_op_answer(op, message->error ? message->error : MSV_ERR_IO);
	} else {
		answer_read(message);
	}
	unref(message);
}

/* Goes on where the last reading of the message was, if that is nearer. */
static void use_reading(struct msv_open_message *message)
{
	const struct msv_reading *reading = reading_of(message->folder, message->uid);
	uint64_t begin = message->wire - message->n;

	if (!reading || reading->wire > message->target ||
	    (reading->wire <= message->wire && message->target >= begin))
		return;
	message->wire = reading->wire;
	message->file = reading->file;
	message->cr = reading->cr;
	message->n = 0;
}

void msv_maildir_msg_read(
    void *self, struct msv_open_message *message, uint64_t offset, size_t n, struct msv_read_op op)
{
	(void)self;
	if (message->op) {
		msv_op_answer(op.op, MSV_ERR_INVAL);
		return;
	}
	if (offset >= message->octets || !n) {
		msv_read_answer(op, message->buf, 0);
		return;
	}
	message->op = op.op;
	message->read_offset = offset;
	message->read_n = n;
	if (in_window(message, offset)) {
		answer_read(message);
		return;
	}
	message->target = offset;
	use_reading(message);
	message->refs++;
	if (msv_env_offload(message->env, MSV_LANE_DISK, read_work, read_done, message) != 0) {
		message->refs--;
		message->op = NULL;
		msv_op_answer(op.op, MSV_ERR_NOMEM);
	}
}

/* Remembers where a reading of a big message was: clients fetch such by
 * pieces, each opening it anew. */
static void remember(struct msv_open_message *message)
{
	struct msv_folder *folder = message->folder;
	struct msv_reading *reading = reading_of(folder, message->uid);

	if (!message->n || message->fd < 0)
		return;
	if (!reading) {
		reading = &folder->readings[folder->next_reading++ % 8];
		reading->uid = message->uid;
	}
	reading->wire = message->wire - message->n;
	reading->file = message->begin_file;
	reading->cr = message->begin_cr;
}

void msv_maildir_msg_close(void *self, struct msv_open_message *message)
{
	(void)self;
	/* A job that is under way still has the window. */
	if (message->refs == 1)
		remember(message);
	unref(message);
}
