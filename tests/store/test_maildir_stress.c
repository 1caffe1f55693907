/* Several sessions at once, jobs finished in any order, ops canceled and openings
 * closed at any time, other programs in between: no UID ever means two messages,
 * and no message is lost. */
#include <mailserv/testing.h>

#include "check_main.h"
#include "store/scratch.h"

enum { SESSIONS = 4, OPS = 3, STEPS = 6000, MESSAGES = 2000, UIDS = 8192 };

/* -- An env whose jobs wait ------------------------------------------------------------------ */

static struct msv_env *env;
static struct msv_job *jobs[256];
static size_t njobs;
static uint64_t now, seed;

static uint32_t dice(uint32_t n)
{
	seed = seed * UINT64_C(6364136223846793005) + 1442695040888963407;
	return (uint32_t)(seed >> 33) % n;
}

static uint64_t monotonic(void *user)
{
	(void)user;
	return now;
}

static int offload(void *user, enum msv_lane lane, struct msv_job *job)
{
	(void)user, (void)lane;
	if (njobs == sizeof(jobs) / sizeof(jobs[0]))
		return MSV_ERR_LIMIT;
	jobs[njobs++] = job;
	return 0;
}

/* Finishes one job, whichever. */
static void finish_one(void)
{
	size_t i = dice((uint32_t)njobs);
	struct msv_job *job = jobs[i];

	jobs[i] = jobs[--njobs];
	msv_job_run(job);
	msv_job_done(job);
	msv_env_tick(env);
}

/* -- What must be true ------------------------------------------------------------------------- */

static const char *const mailboxes[2] = { "INBOX", "A" };

/* What a UID of a mailbox was seen to be: a message's number, 0 not seen. */
static unsigned meaning[2][UIDS];
/* Messages that were promised to be kept, and not removed by anybody since. */
static bool kept[MESSAGES];
static unsigned next_message = 1, nread;

static void uid_means(unsigned box, uint32_t uid, unsigned message)
{
	ck_assert_uint_lt(uid, UIDS);
	ck_assert_msg(!meaning[box][uid] || meaning[box][uid] == message,
	    "UID %u was message %u and is %u", uid, meaning[box][uid], message);
	meaning[box][uid] = message;
}

/* -- Sessions ------------------------------------------------------------------------------------ */

static struct msv_maildir *maildir;
static const struct msv_store *store;
static const struct msv_actor ann = { .size = sizeof(ann), .user = "ann" };

struct session {
	struct msv_mailbox *mailbox;
	struct msv_op *opening;
	unsigned box;
	uint64_t since;
	uint32_t last; /* the highest UID seen */
	bool stale;
	struct op {
		struct session *session;
		struct msv_op *op; /* NULL: none is under way */
		unsigned box;
		unsigned message; /* that is appended, or read */
		uint32_t uid, high;
		struct msv_append *append;
		struct msv_open_message *content;
	} op[OPS];
} sessions[SESSIONS];

static void done_plain(void *user, int error, const void *result)
{
	struct op *op = user;

	(void)result;
	op->op = NULL;
	ck_assert_msg(!error || error == MSV_ERR_NOTFOUND, "%d", error);
}

static struct msv_op *ask(struct op *op, msv_op_fn done)
{
	op->op = msv_op_new(env, done, op);
	return op->op;
}

static void done_open(void *user, int error, const void *result)
{
	struct session *session = user;

	ck_assert_int_eq(error, 0);
	session->opening = NULL;
	session->mailbox = ((const struct msv_open_result *)result)->mailbox;
	session->since = 0;
	session->last = 0;
}

static void open_mailbox(struct session *session)
{
	session->box = dice(2);
	session->opening = msv_op_new(env, done_open, session);
	store->open(store->self, &ann, mailboxes[session->box], dice(4) == 0,
	    (struct msv_open_op){ session->opening });
}

static void close_mailbox(struct session *session)
{
	for (size_t i = 0; i < OPS; i++) {
		struct op *op = &session->op[i];
		msv_op_cancel(op->op);
		op->op = NULL;
		if (op->content)
			store->msg_close(store->self, op->content);
		op->content = NULL;
		if (op->append)
			store->append_abort(store->self, op->append);
		op->append = NULL;
	}
	if (session->mailbox)
		store->close(store->self, session->mailbox);
	session->mailbox = NULL;
	msv_op_cancel(session->opening);
	session->opening = NULL;
}

/* -- Ops ---------------------------------------------------------------------------------------------- */

static void done_changes(void *user, int error, const void *result)
{
	const struct msv_changes_result *changes = result;
	struct op *op = user;

	done_plain(user, error, NULL);
	if (changes->modseq > op->session->since)
		op->session->since = changes->modseq;
	if (changes->uidnext > op->session->last + 1)
		op->session->last = changes->uidnext - 1;
}

static int change_row(void *user, const void *row)
{
	const struct msv_change *change = row;
	struct op *op = user;

	if (change->message) {
		/* Rising, and not what was below uidnext the last time and unseen. */
		ck_assert_uint_gt(change->message->uid, op->high);
		op->high = change->message->uid;
	}
	return dice(20) == 0 ? MSV_PAUSE : 0;
}

static void start_changes(struct op *op)
{
	struct session *session = op->session;

	op->high = 0;
	msv_op_set_row(ask(op, done_changes), change_row);
	store->changes(store->self, session->mailbox, session->since, NULL, dice(8),
	    (struct msv_changes_op){ op->op });
}

static void done_flags(void *user, int error, const void *result)
{
	(void)result;
	ck_assert(!error || error == MSV_ERR_DENIED);
	done_plain(user, 0, NULL);
}

static void start_flags(struct op *op)
{
	static const char *const words[] = { "a", "b", "c" };
	struct msv_uid_range range = { 1 + dice(op->session->last + 1), 0 };
	struct msv_flag_change change = {
		.size = sizeof(change),
		.mode = (enum msv_flag_mode)dice(3),
		.flags = dice(2) ? MSV_FLAG_SEEN : MSV_FLAG_FLAGGED,
		.keywords = words + dice(3),
		.nkeywords = dice(2),
	};

	range.last = range.first + dice(4);
	ask(op, done_flags);
	store->flags(store->self, op->session->mailbox, &(struct msv_uidset){ &range, 1 }, &change,
	    (struct msv_flags_op){ op->op });
}

static void done_copy(void *user, int error, const void *result)
{
	const struct msv_copy_result *copy = result;
	struct op *op = user;

	ck_assert_msg(!error || error == MSV_ERR_DENIED, "%d", error);
	done_plain(user, 0, NULL);
	if (error)
		return;
	ck_assert_uint_eq(msv_uidset_count(&copy->source), msv_uidset_count(&copy->dest));
	if (copy->source.n != 1)
		return;
	unsigned from = op->session->box, to = op->box;
	for (uint32_t i = 0; i <= copy->source.r[0].last - copy->source.r[0].first; i++) {
		unsigned message = meaning[from][copy->source.r[0].first + i];
		if (message)
			uid_means(to, copy->dest.r[0].first + i, message);
	}
}

static void start_copy(struct op *op)
{
	struct msv_uid_range range = { 1 + dice(op->session->last + 1), 0 };

	range.last = range.first + dice(3);
	op->box = dice(2);
	ask(op, done_copy);
	(dice(2) ? store->copy : store->move)(store->self, op->session->mailbox,
	    &(struct msv_uidset){ &range, 1 }, mailboxes[op->box], (struct msv_copy_op){ op->op });
}

static void done_commit(void *user, int error, const void *result)
{
	const struct msv_copy_result *copy = result;
	struct op *op = user;

	done_plain(user, error, NULL);
	ck_assert_int_eq(error, 0);
	kept[op->message] = true;
	uid_means(op->box, copy->dest.r[0].first, op->message);
}

static void done_write(void *user, int error, const void *result)
{
	struct op *op = user;
	struct msv_append *append = op->append;

	done_plain(user, error, result);
	op->append = NULL;
	store->append_commit(store->self, append, (struct msv_copy_op){ ask(op, done_commit) });
}

static void done_add(void *user, int error, const void *result)
{
	struct op *op = user;
	char text[64];

	done_plain(user, error, result);
	int n = snprintf(text, sizeof(text), "message %u\r\n", op->message);
	store->append_write(store->self, op->append, text, (size_t)n, ask(op, done_write));
}

static void done_begin(void *user, int error, const void *result)
{
	struct msv_append_message message = { .size = sizeof(message), .flags = dice(2) };
	struct op *op = user;

	done_plain(user, error, NULL);
	ck_assert_int_eq(error, 0);
	op->append = ((const struct msv_append_handle *)result)->append;
	store->append_add(store->self, op->append, &message, ask(op, done_add));
}

static void start_append(struct op *op)
{
	if (next_message == MESSAGES)
		return;
	op->message = next_message++;
	op->box = dice(2);
	store->append_begin(
	    store->self, &ann, mailboxes[op->box], (struct msv_append_op){ ask(op, done_begin) });
}

static void done_read(void *user, int error, const void *result)
{
	const struct msv_span *span = result;
	struct op *op = user;
	unsigned message = 0;

	done_plain(user, error, NULL);
	ck_assert_int_eq(error, 0);
	for (size_t i = strlen("message "); i < span->n && span->p[i] >= '0'; i++)
		message = message * 10 + (unsigned)(span->p[i] - '0');
	uid_means(op->session->box, op->uid, message);
	nread++;
	store->msg_close(store->self, op->content);
	op->content = NULL;
}

static void done_content(void *user, int error, const void *result)
{
	struct op *op = user;

	done_plain(user, error, NULL);
	if (error)
		return;
	op->content = ((const struct msv_message_content *)result)->message;
	store->msg_read(
	    store->self, op->content, 0, 100, (struct msv_read_op){ ask(op, done_read) });
}

static void start_read(struct op *op)
{
	op->uid = 1 + dice(op->session->last + 1);
	store->msg_open(store->self, op->session->mailbox, op->uid,
	    (struct msv_content_op){ ask(op, done_content) });
}

static void (*const starts[])(struct op *op) = { start_changes, start_changes, start_flags,
	start_copy, start_append, start_read, start_read };

/* -- Other programs --------------------------------------------------------------------------------------- */

/* Renames or adds a file. */
static void interfere(void)
{
	static const char *const dirs[] = { "ann/cur", "ann/.A/cur" };
	char command[700];

	if (dice(3) && next_message < MESSAGES) {
		unsigned message = next_message++;
		snprintf(
		    command, sizeof(command), "ann/%snew/%u.other", dice(2) ? "" : ".A/", message);
		char text[64];
		snprintf(text, sizeof(text), "message %u\n", message);
		scratch_puts(command, text);
		kept[message] = true;
		return;
	}
	/* One more flag on the first file that has none. */
	snprintf(command, sizeof(command),
	    "cd '%s' && for f in *:2,; do mv -- \"$f\" \"${f}R\" 2>/dev/null; break; done",
	    scratch_path(dirs[dice(2)]));
	ck_assert_int_ne(system(command), -1);
}

/* -- All of it --------------------------------------------------------------------------------------------- */

static void one_step(void)
{
	struct session *session = &sessions[dice(SESSIONS)];
	struct op *op = &session->op[dice(OPS)];

	now += dice(100);
	if (dice(3) && njobs) {
		finish_one();
	} else if (dice(150) == 0) {
		interfere();
	} else if (!session->mailbox && !session->opening) {
		open_mailbox(session);
	} else if (dice(100) == 0) {
		close_mailbox(session);
	} else if (op->op) {
		msv_op_resume(op->op);
	} else if (session->mailbox && !op->append && !op->content) {
		starts[dice(sizeof(starts) / sizeof(starts[0]))](op);
	}
	msv_env_tick(env);
}

static void drain(void)
{
	for (unsigned i = 0; i < 100000 && (njobs || i < 100); i++) {
		now += 10;
		msv_env_tick(env);
		if (njobs)
			finish_one();
	}
	ck_assert_uint_eq(njobs, 0);
}

static unsigned found[MESSAGES];

/* Counts what each file holds. */
static void count_files(const char *dir)
{
	char command[700];
	FILE *pipe;
	unsigned message;

	snprintf(command, sizeof(command), "cat '%s'/* 2>/dev/null", scratch_path(dir));
	pipe = popen(command, "r");
	while (fscanf(pipe, "message %u\n", &message) == 1)
		found[message]++;
	pclose(pipe);
}

static void done_create(void *user, int error, const void *result)
{
	(void)user, (void)result;
	ck_assert_int_eq(error, 0);
}

static void run(uint64_t with)
{
	struct msv_maildir_options options = { .size = sizeof(options), .location = "%u" };
	struct msv_env_options o = {
		.size = sizeof(o), .monotonic = monotonic, .offload = offload
	};

	seed = with;
	now = 1;
	njobs = 0;
	next_message = 1;
	nread = 0;
	memset(meaning, 0, sizeof(meaning));
	memset(kept, 0, sizeof(kept));
	memset(found, 0, sizeof(found));
	memset(sessions, 0, sizeof(sessions));
	for (size_t i = 0; i < SESSIONS * OPS; i++)
		sessions[i / OPS].op[i % OPS].session = &sessions[i / OPS];
	scratch_make();
	options.root = scratch;
	ck_assert_int_eq(msv_env_new(&o, &env), 0);
	ck_assert_int_eq(msv_maildir_new(env, &options, &maildir), 0);
	store = msv_maildir_store(maildir);
	store->create(store->self, &ann, "A", 0, msv_op_new(env, done_create, NULL));
	drain();
	for (unsigned i = 0; i < STEPS; i++)
		one_step();
	for (size_t i = 0; i < SESSIONS; i++)
		close_mailbox(&sessions[i]);
	msv_maildir_free(maildir);
	drain();
	count_files("ann/new");
	count_files("ann/cur");
	count_files("ann/.A/new");
	count_files("ann/.A/cur");
	for (unsigned i = 1; i < next_message; i++)
		ck_assert_msg(!kept[i] || found[i], "message %u is lost", i);
	msv_env_free(env);
	scratch_remove();
	/* It was a full life. */
	ck_assert_uint_gt(next_message, 50);
	ck_assert_uint_gt(nread, 50);
}

START_TEST(test_stress)
{
	const char *given = getenv("MSV_SEED");

	if (given) {
		run(strtoull(given, NULL, 10));
		return;
	}
	for (uint64_t i = 1; i <= 12; i++)
		run(i);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("store/maildir_stress");

	check_case(s, "stress", test_stress);
	return check_main(s);
}
