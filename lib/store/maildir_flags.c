/* flags(): a file's flags are in its name, so each change is a rename. */
#include "store/maildir_store.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

struct change {
	struct msv_act act;
	struct msv_task task;
	struct msv_env *env;
	struct msv_mailbox *mailbox;
	struct msv_op *op;
	struct msv_uidset uids;
	enum msv_flag_mode mode;
	uint32_t flags;
	uint64_t unchanged_since;
	char **word; /* keywords */
	size_t nwords;
	uint32_t letters; /* of them */
	size_t range;     /* of uids: where the way through is */
	uint32_t uid;
	bool waiting; /* for the asker, after MSV_PAUSE */
	bool retrying;
	struct msv_uidset_builder modified; /* left alone: changed meanwhile */
	struct msv_uidset_builder missing;  /* the file had another name */
	struct msv_uidset_builder touched;  /* to be reported */
	struct msv_batch batch;
	struct msv_lock_wait wait;

	/* The keywords' job. */
	struct msv_place *place;
	struct msv_keywords table;
	struct msv_stamp table_stamp;
	char *room;
	int error;
};

static const uint32_t settable =
    MSV_FLAG_SEEN | MSV_FLAG_ANSWERED | MSV_FLAG_FLAGGED | MSV_FLAG_DELETED | MSV_FLAG_DRAFT;

static void change_free(struct change *change)
{
	struct msv_env *env = change->env;

	msv_env_undefer(env, &change->task);
	for (size_t i = 0; i < change->nwords; i++)
		msv_free(env, change->word[i]);
	msv_free(env, change->word);
	msv_free(env, (void *)change->uids.r);
	msv_free(env, change->room);
	msv_uidset_builder_fini(&change->modified);
	msv_uidset_builder_fini(&change->missing);
	msv_uidset_builder_fini(&change->touched);
	msv_batch_fini(&change->batch);
	msv_lock_wait_fini(&change->wait);
	msv_mailbox_unref(change->mailbox);
	msv_free(env, change);
}

static void answer(struct change *change, int error)
{
	struct msv_uidset modified = { change->modified.r, change->modified.n };

	if (error)
		msv_op_answer(change->op, error);
	else
		msv_flags_answer((struct msv_flags_op){ change->op }, &modified);
	change_free(change);
}

/* -- Rows: after the act's turn ----------------------------------------------------------- */

static void step_rows(struct change *change)
{
	struct msv_mails *mails = &change->mailbox->folder->mails;
	struct msv_flags_op op = { change->op };

	for (; change->range < change->touched.n; change->range++) {
		const struct msv_uid_range *r = &change->touched.r[change->range];
		if (change->uid < r->first)
			change->uid = r->first;
		for (size_t i = msv_mails_from(mails, change->uid);
		     i < mails->n && mails->mail[i].uid <= r->last;
		     i = msv_mails_from(mails, change->uid)) {
			struct msv_message message =
			    msv_mailbox_message(change->mailbox, &mails->mail[i], 0, NULL);
			bool shown = msv_mail_shown(&mails->mail[i]);
			change->uid = message.uid + 1;
			mails->told = mails->modseq;
			int verdict = shown ? msv_flags_row(op, &message) : 0;
			if (verdict == MSV_PAUSE) {
				change->waiting = true;
				return;
			}
			if (verdict) {
				answer(change, verdict);
				return;
			}
		}
	}
	answer(change, 0);
}

static void run_rows(struct msv_task *task)
{
	step_rows((struct change *)((char *)task - offsetof(struct change, task)));
}

static void on_resume(void *user)
{
	struct change *change = user;

	change->waiting = false;
	step_rows(change);
}

static void on_cancel(void *user)
{
	struct change *change = user;

	if (change->waiting)
		msv_env_defer(change->env, &change->task);
	change->waiting = false;
}

/* The turn is over. */
static void turn_end(struct change *change, int error)
{
	struct msv_folder *folder = change->mailbox->folder;

	if (change->touched.n)
		msv_folder_tell(folder);
	msv_act_end(folder);
	if (error) {
		answer(change, error);
		return;
	}
	msv_uidset_finish(&change->touched);
	msv_uidset_finish(&change->modified);
	change->range = 0;
	change->uid = 0;
	step_rows(change);
}

/* -- Renames ----------------------------------------------------------------------------------- */

static void wanted(
    const struct change *change, const struct msv_mail *mail, uint32_t *flags, uint32_t *letters)
{
	switch (change->mode) {
	case MSV_FLAGS_ADD:
		*flags = mail->flags | change->flags;
		*letters = mail->letters | change->letters;
		break;
	case MSV_FLAGS_REMOVE:
		*flags = mail->flags & ~change->flags;
		*letters = mail->letters & ~change->letters;
		break;
	case MSV_FLAGS_REPLACE:
	default:
		*flags = change->flags;
		*letters = change->letters;
		break;
	}
}

static int add_rename(struct change *change, const struct msv_mail *mail)
{
	char to[MSV_FILENAME_SIZE + MSV_INFO_SIZE + 8], usual[MSV_INFO_SIZE];
	char info[MSV_FILENAME_SIZE];
	uint32_t flags, letters;

	wanted(change, mail, &flags, &letters);
	if (flags == mail->flags && letters == mail->letters)
		return msv_uidset_add(&change->touched, mail->uid, mail->uid);
	if (msv_filename_change_info(
	        msv_mail_info(mail, usual), flags, letters, info, sizeof(info)) != 0)
		return MSV_ERR_LIMIT;
	int n = snprintf(to, sizeof(to), "cur/%s%s", mail->name, info);
	if (n < 0 || (size_t)n >= sizeof(to))
		return MSV_ERR_LIMIT;
	return msv_batch_add(&change->batch, mail, to, false);
}

static int consider(struct change *change, const struct msv_mail *mail)
{
	if (!msv_mail_shown(mail))
		return 0;
	if (change->unchanged_since && mail->modseq > change->unchanged_since)
		return msv_uidset_add(&change->modified, mail->uid, mail->uid);
	return add_rename(change, mail);
}

static void step_renames(struct change *change);

static int renamed(struct change *change, const struct msv_batch_item *item)
{
	struct msv_mails *mails = &change->mailbox->folder->mails;
	struct msv_mail *mail = msv_mails_by_uid(mails, item->uid);
	const char *to = msv_buf_data(&change->batch.text) + item->to;
	struct msv_filename name;
	int changed;

	if (item->error == MSV_ERR_NOTFOUND && !change->retrying)
		return msv_uidset_add(&change->missing, item->uid, item->uid);
	if (item->error == MSV_ERR_NOTFOUND || !mail)
		return 0;
	if (item->error)
		return item->error;
	if (!msv_filename_parse(to + strlen("cur/"), &name))
		return MSV_ERR_FORMAT;
	changed = msv_mails_rename(mails, mail, &name, false);
	return changed < 0 ? changed : msv_uidset_add(&change->touched, item->uid, item->uid);
}

static void batch_done(void *user)
{
	struct change *change = user;
	int error = change->batch.error;

	if (!error)
		msv_batch_tell(&change->batch, change->mailbox->folder);
	/* All that was renamed is taken in, whatever happened to the rest. */
	for (size_t i = 0; !change->batch.error && i < change->batch.n; i++) {
		int result = renamed(change, &change->batch.item[i]);
		if (!error)
			error = result;
	}
	if (error == MSV_ERR_NOTFOUND)
		error = MSV_ERR_STALE; /* the mailbox itself */
	if (error) {
		msv_folder_complain(change->batch.place, "cannot change flags", error);
		turn_end(change, error);
	} else {
		step_renames(change);
	}
}

static void synced(void *user, int error);

/* All batches are through: files that had other names get a second chance. */
static void renames_done(struct change *change)
{
	int error;

	if (change->retrying || !change->missing.n) {
		turn_end(change, 0);
		return;
	}
	change->retrying = true;
	msv_free(change->env, (void *)change->uids.r);
	msv_uidset_finish(&change->missing);
	change->uids = msv_uidset_take(&change->missing);
	error = msv_folder_sync(change->mailbox->folder, true, synced, change);
	if (error)
		turn_end(change, error);
}

static void step_renames(struct change *change)
{
	const struct msv_mails *mails = &change->mailbox->folder->mails;
	int error = 0;

	msv_batch_clear(&change->batch);
	for (; change->range < change->uids.n; change->range++) {
		const struct msv_uid_range *r = &change->uids.r[change->range];
		if (change->uid < r->first)
			change->uid = r->first;
		size_t i = msv_mails_from(mails, change->uid);
		for (; !error && i < mails->n && mails->mail[i].uid <= r->last &&
		       change->batch.n < MSV_BATCH_MAX;
		     i++) {
			error = consider(change, &mails->mail[i]);
			change->uid = mails->mail[i].uid + 1;
		}
		if (error || change->batch.n == MSV_BATCH_MAX)
			break;
	}
	if (!error && !change->batch.n) {
		renames_done(change);
		return;
	}
	if (!error)
		error = msv_batch_run(&change->batch, batch_done, change);
	if (error)
		turn_end(change, error);
}

/* -- Keywords ------------------------------------------------------------------------------------ */

/* The letters of the words that have one; true when all have. */
static bool find_letters(struct change *change)
{
	const struct msv_keywords *table = change->mailbox->folder->letters;
	bool all = true;

	change->letters = 0;
	for (size_t i = 0; i < change->nwords; i++) {
		int letter = table ? msv_keywords_find(table, change->word[i]) : -1;
		if (letter >= 0)
			change->letters |= 1u << letter;
		all &= letter >= 0;
	}
	return all;
}

static void keywords_work(void *data)
{
	struct change *change = data;

	change->error = msv_letters_add_locked(&change->wait, change->place, change->word,
	    change->nwords, change->room, &change->table, &change->table_stamp);
}

static void start_keywords(struct change *change);

static void keywords_done(void *data)
{
	struct change *change = data;
	struct msv_folder *folder = change->mailbox->folder;
	int error = change->error;

	if (error == MSV_ERR_BUSY) {
		error = msv_lock_wait_more(&change->wait);
		if (!error)
			return;
	}
	if (!error)
		error = msv_folder_set_letters(folder, &change->table);
	if (error) {
		turn_end(change, error == MSV_ERR_NOTFOUND ? MSV_ERR_STALE : error);
		return;
	}
	folder->keywords_stamp = change->table_stamp;
	find_letters(change);
	step_renames(change);
}

static void keywords_again(void *user)
{
	start_keywords(user);
}

static void start_keywords(struct change *change)
{
	int error = 0;

	if (!change->wait.timer)
		error = msv_lock_wait_init(&change->wait, change->env, keywords_again, change);
	if (!error && !change->room) {
		change->room = msv_alloc(change->env, MSV_ROOM_SIZE);
		error = change->room ? 0 : MSV_ERR_NOMEM;
	}
	if (!error) {
		msv_lock_wait_prepare(&change->wait);
		error = msv_env_offload(
		    change->env, MSV_LANE_DISK, keywords_work, keywords_done, change);
	}
	if (error)
		turn_end(change, error);
}

/* -- The turn --------------------------------------------------------------------------------------- */

static void begin_change(struct change *change)
{
	change->range = 0;
	change->uid = 0;
	/* Nobody has a keyword that has no letter: nothing to take away then. */
	if (find_letters(change) || change->mode == MSV_FLAGS_REMOVE)
		step_renames(change);
	else
		start_keywords(change);
}

static void synced(void *user, int error)
{
	struct change *change = user;

	if (!error && change->mailbox->folder->stale)
		error = MSV_ERR_STALE;
	if (error)
		turn_end(change, error);
	else
		begin_change(change);
}

static void turn(struct msv_act *act)
{
	struct change *change = (struct change *)act;
	struct msv_folder *folder = change->mailbox->folder;
	int error = 0;

	if (folder->stale)
		turn_end(change, MSV_ERR_STALE);
	else if (!change->unchanged_since)
		begin_change(change);
	else
		error = msv_folder_sync(folder, false, synced, change);
	if (error)
		turn_end(change, error);
}

/* -- Asking -------------------------------------------------------------------------------------------- */

static int add_word(struct change *change, const char *keyword)
{
	if (!msv_keyword_valid(keyword))
		return MSV_ERR_LIMIT;
	/* The letter P, which others may have set, goes with its keyword. */
	if (change->mode == MSV_FLAGS_REMOVE && strcasecmp(keyword, MSV_KEYWORD_PASSED) == 0)
		change->flags |= MSV_FLAG_PASSED;
	change->word[change->nwords] = msv_strdup(change->env, keyword);
	if (!change->word[change->nwords])
		return MSV_ERR_NOMEM;
	change->nwords++;
	return 0;
}

static int copy_words(struct change *change, const struct msv_flag_change *how)
{
	size_t cap = 0;
	int error =
	    msv_grow(change->env, &change->word, &cap, how->nkeywords + 1, sizeof(*change->word));

	for (size_t i = 0; !error && i < how->nkeywords; i++)
		error = add_word(change, how->keywords[i]);
	if (!error && how->flags & MSV_FLAG_PASSED)
		error = add_word(change, MSV_KEYWORD_PASSED);
	return error;
}

void msv_maildir_flags(void *self, struct msv_mailbox *mailbox, const struct msv_uidset *uids,
    const struct msv_flag_change *how, struct msv_flags_op op)
{
	struct msv_env *env = ((struct msv_maildir *)self)->env;
	struct change *change = mailbox->readonly ? NULL : msv_alloc(env, sizeof(*change));
	int error;

	if (!change) {
		msv_op_answer(op.op, mailbox->readonly ? MSV_ERR_DENIED : MSV_ERR_NOMEM);
		return;
	}
	change->env = env;
	change->mailbox = mailbox;
	msv_mailbox_ref(mailbox);
	change->op = op.op;
	change->mode = how->mode;
	change->flags = how->flags & settable;
	change->unchanged_since = how->unchanged_since;
	change->place = mailbox->folder->place;
	change->task.fn = run_rows;
	change->act.turn = turn;
	msv_uidset_builder_init(&change->modified, env);
	msv_uidset_builder_init(&change->missing, env);
	msv_uidset_builder_init(&change->touched, env);
	msv_batch_init(&change->batch, env, MSV_BATCH_RENAME, change->place, NULL);
	error = msv_uids_copy(env, uids, &change->uids);
	if (!error)
		error = copy_words(change, how);
	if (error) {
		answer(change, error);
		return;
	}
	msv_op_on_cancel(op.op, on_cancel, change);
	msv_op_on_resume(op.op, on_resume, change);
	msv_act_begin(mailbox->folder, &change->act);
}
