/* changes(): what is new, changed or gone. */
#include "store/maildir_store.h"

/* So many files are measured by a job. */
enum { PROBES = 64 };

struct changes {
	struct msv_act act;
	struct msv_task task;
	struct msv_env *env;
	struct msv_mailbox *mailbox;
	struct msv_op *op;
	uint64_t since;
	struct msv_uidset uids;
	bool all; /* no uids: look at the disk first */
	unsigned fields;
	bool waiting;    /* for the asker, after MSV_PAUSE */
	uint64_t modseq; /* what is reported is this state, or a later one */
	uint32_t uidnext;
	struct msv_uidset_builder gone; /* UIDs to be reported as expunged */
	size_t gone_at;
	uint32_t uid; /* messages below were looked at */
	size_t range; /* of uids */
	struct msv_batch batch;
	uint32_t retried;               /* the UID whose file was missing when we looked anew */
	struct msv_uidset_builder lost; /* files that cannot be had */
};

static void step(struct changes *changes);

static void end(struct changes *changes, int error)
{
	struct msv_env *env = changes->env;
	struct msv_mailbox *mailbox = changes->mailbox;
	struct msv_changes_result result = {
		.size = sizeof(result),
		.modseq = changes->modseq,
		.uidnext = changes->uidnext,
	};

	msv_env_undefer(env, &changes->task);
	if (error)
		msv_op_answer(changes->op, error);
	else
		msv_changes_answer((struct msv_changes_op){ changes->op }, &result);
	msv_batch_fini(&changes->batch);
	msv_uidset_builder_fini(&changes->gone);
	msv_uidset_builder_fini(&changes->lost);
	msv_free(env, (void *)changes->uids.r);
	msv_free(env, changes);
	msv_mailbox_unref(mailbox);
}

/* -- The asker ------------------------------------------------------------------------------- */

static void run_step(struct msv_task *task)
{
	step((struct changes *)((char *)task - offsetof(struct changes, task)));
}

static void on_resume(void *user)
{
	struct changes *changes = user;

	changes->waiting = false;
	step(changes);
}

static void on_cancel(void *user)
{
	struct changes *changes = user;

	/* Otherwise a step is to come, and learns of it. */
	if (changes->waiting)
		msv_env_defer(changes->env, &changes->task);
	changes->waiting = false;
}

/* True when rows must stop here, for now or for good. */
static bool stopped(struct changes *changes, int verdict)
{
	if (verdict == MSV_PAUSE)
		changes->waiting = true;
	else if (verdict)
		end(changes, verdict);
	return verdict != 0;
}

/* -- Expunges -------------------------------------------------------------------------------- */

static int add_gone(struct changes *changes, uint32_t first, uint32_t last)
{
	if (last >= changes->uidnext)
		last = changes->uidnext - 1;
	return first <= last ? msv_uidset_add(&changes->gone, first, last) : 0;
}

/* Leaves of the expunges those that were asked for. */
static int keep_asked(struct changes *changes)
{
	const struct msv_uidset *uids = &changes->uids;
	struct msv_uidset_builder both;
	size_t i = 0, j = 0;
	int error = 0;

	msv_uidset_builder_init(&both, changes->env);
	while (!error && i < changes->gone.n && j < uids->n) {
		const struct msv_uid_range *a = &changes->gone.r[i], *b = &uids->r[j];
		uint32_t first = a->first > b->first ? a->first : b->first;
		uint32_t last = a->last < b->last ? a->last : b->last;
		if (first <= last)
			error = msv_uidset_add(&both, first, last);
		if (a->last < b->last)
			i++;
		else
			j++;
	}
	msv_uidset_builder_fini(&changes->gone);
	changes->gone = both;
	return error;
}

/* The history does not reach back so far: every UID that is absent. */
static int add_absent(struct changes *changes, const struct msv_mails *mails)
{
	uint32_t from = 1;
	int error = 0;

	for (size_t i = 0; !error && i < mails->n && mails->mail[i].uid < changes->uidnext; i++) {
		const struct msv_mail *mail = &mails->mail[i];
		if (!msv_mail_shown(mail))
			continue;
		if (mail->uid > from)
			error = add_gone(changes, from, mail->uid - 1);
		from = mail->uid + 1;
	}
	if (!error && from && from < changes->uidnext)
		error = add_gone(changes, from, changes->uidnext - 1);
	return error;
}

static int collect_gone(struct changes *changes)
{
	const struct msv_mails *mails = &changes->mailbox->folder->mails;
	int error = 0;

	if (!changes->since)
		return 0;
	if (changes->since < mails->horizon)
		error = add_absent(changes, mails);
	for (size_t i = mails->ngone; !error && i-- > 0;) {
		if (mails->gone[i].modseq <= changes->since)
			break;
		error = add_gone(changes, mails->gone[i].first, mails->gone[i].last);
	}
	msv_uidset_finish(&changes->gone);
	return error || changes->all ? error : keep_asked(changes);
}

/* -- Messages ---------------------------------------------------------------------------------- */

/* The next message to report at or behind *i, which it moves; false: no more. */
static bool next_mail(struct changes *changes, size_t *i)
{
	const struct msv_mails *mails = &changes->mailbox->folder->mails;
	const struct msv_uidset *uids = &changes->uids;

	for (; *i < mails->n && mails->mail[*i].uid < changes->uidnext; ++*i) {
		const struct msv_mail *mail = &mails->mail[*i];
		if (!changes->all) {
			while (changes->range < uids->n && uids->r[changes->range].last < mail->uid)
				changes->range++;
			if (changes->range == uids->n)
				return false;
			if (mail->uid < uids->r[changes->range].first) {
				*i = msv_mails_from(mails, uids->r[changes->range].first) - 1;
				continue;
			}
		}
		if (msv_mail_shown(mail) && (!changes->since || mail->modseq > changes->since))
			return true;
	}
	return false;
}

static bool is_lost(const struct changes *changes, uint32_t uid)
{
	return msv_uidset_has(&(struct msv_uidset){ changes->lost.r, changes->lost.n }, uid);
}

static bool lacks_fields(const struct changes *changes, const struct msv_mail *mail)
{
	return (changes->fields & MSV_FIELD_OCTETS && !(mail->state & MSV_MAIL_SIZED)) ||
	       (changes->fields & MSV_FIELD_DATES && !(mail->state & MSV_MAIL_DATED));
}

static void resynced(void *user, int error)
{
	struct changes *changes = user;

	msv_act_end(changes->mailbox->folder);
	if (error)
		end(changes, error);
	else
		step(changes);
}

static void resync_turn(struct msv_act *act)
{
	struct changes *changes = (struct changes *)act;
	int error = msv_folder_sync(changes->mailbox->folder, true, resynced, changes);

	if (error)
		resynced(changes, error);
}

/* A file could not be read: it has another name now, or is lost. */
static int file_missing(struct changes *changes, const struct msv_batch_item *item, bool *resync)
{
	if (item->error == MSV_ERR_NOTFOUND && changes->retried != item->uid &&
	    !changes->mailbox->folder->stale) {
		changes->retried = item->uid;
		*resync = true;
		return 0;
	}
	if (item->error != MSV_ERR_NOTFOUND)
		msv_folder_complain(changes->batch.place,
		    msv_buf_data(&changes->batch.text) + item->from, item->error);
	int error = msv_uidset_add(&changes->lost, item->uid, item->uid);
	msv_uidset_finish(&changes->lost);
	return error;
}

static void measured(struct msv_mail *mail, const struct msv_batch_item *item)
{
	mail->date = item->date;
	mail->state |= MSV_MAIL_DATED;
	if (!item->count)
		return;
	mail->octets = item->octets;
	mail->state |= MSV_MAIL_SIZED;
}

static void probed(void *user)
{
	struct changes *changes = user;
	struct msv_mails *mails = &changes->mailbox->folder->mails;
	int error = changes->batch.error == MSV_ERR_NOTFOUND ? 0 : changes->batch.error;
	bool resync = changes->batch.error == MSV_ERR_NOTFOUND;

	for (size_t i = 0; !error && !resync && i < changes->batch.n; i++) {
		const struct msv_batch_item *item = &changes->batch.item[i];
		struct msv_mail *mail = msv_mails_by_uid(mails, item->uid);
		if (!mail)
			continue;
		if (item->error)
			error = file_missing(changes, item, &resync);
		else
			measured(mail, item);
	}
	if (error) {
		end(changes, error);
	} else if (resync) {
		changes->act.turn = resync_turn;
		msv_act_begin(changes->mailbox->folder, &changes->act);
	} else {
		step(changes);
	}
}

/* Measures the files of the next messages from i on. */
static void probe(struct changes *changes, size_t i)
{
	const struct msv_mails *mails = &changes->mailbox->folder->mails;
	size_t range = changes->range;
	int error = 0;

	msv_batch_clear(&changes->batch);
	for (; !error && changes->batch.n < PROBES && next_mail(changes, &i); i++) {
		const struct msv_mail *mail = &mails->mail[i];
		if (lacks_fields(changes, mail) && !is_lost(changes, mail->uid))
			error = msv_batch_add(&changes->batch, mail, NULL,
			    changes->fields & MSV_FIELD_OCTETS && !(mail->state & MSV_MAIL_SIZED));
	}
	changes->range = range;
	if (!error)
		error = msv_batch_run(&changes->batch, probed, changes);
	if (error)
		end(changes, error);
}

/* -- The way through ------------------------------------------------------------------------------ */

static int row(struct changes *changes, const struct msv_mail *mail)
{
	char email_id[MSV_EMAIL_ID_SIZE];
	struct msv_message message =
	    msv_mailbox_message(changes->mailbox, mail, changes->fields, email_id);

	return msv_changes_message((struct msv_changes_op){ changes->op }, &message);
}

static void step_messages(struct changes *changes)
{
	struct msv_mails *mails = &changes->mailbox->folder->mails;
	size_t i = msv_mails_from(mails, changes->uid);

	/* A row may be answered by anything: nothing is kept over it. */
	for (; next_mail(changes, &i); i = msv_mails_from(mails, changes->uid)) {
		const struct msv_mail *mail = &mails->mail[i];
		if (is_lost(changes, mail->uid)) {
			changes->uid = mail->uid + 1;
			continue;
		}
		if (lacks_fields(changes, mail)) {
			probe(changes, i);
			return;
		}
		changes->uid = mail->uid + 1;
		mails->told = mails->modseq;
		if (stopped(changes, row(changes, mail)))
			return;
	}
	end(changes, 0);
}

static void step(struct changes *changes)
{
	struct msv_changes_op op = { changes->op };

	while (changes->gone_at < changes->gone.n) {
		struct msv_uid_range r = changes->gone.r[changes->gone_at++];
		if (stopped(changes, msv_changes_expunged(op, r.first, r.last)))
			return;
	}
	step_messages(changes);
}

/* The state is what it is: reports it. */
static void begin_rows(struct changes *changes)
{
	struct msv_folder *folder = changes->mailbox->folder;
	int error = 0;

	changes->modseq = folder->mails.told = folder->mails.modseq;
	changes->uidnext = folder->header.uidnext;
	/* Once the expunges were reported there is nothing more to say. */
	if (folder->stale && (!changes->since || changes->since >= changes->modseq))
		error = MSV_ERR_STALE;
	if (!error)
		error = collect_gone(changes);
	if (error)
		end(changes, error);
	else
		step(changes);
}

static void begin_task(struct msv_task *task)
{
	struct changes *changes = (struct changes *)((char *)task - offsetof(struct changes, task));

	changes->task.fn = run_step;
	begin_rows(changes);
}

static void taken(void *user)
{
	struct changes *changes = user;

	msv_act_end(changes->mailbox->folder);
	begin_rows(changes);
}

static void synced(void *user, int error)
{
	struct changes *changes = user;

	if (!error && msv_mailbox_take_recent(changes->mailbox, taken, changes))
		return;
	if (!error) {
		taken(changes);
		return;
	}
	msv_act_end(changes->mailbox->folder);
	end(changes, error);
}

static void turn(struct msv_act *act)
{
	struct changes *changes = (struct changes *)act;
	struct msv_folder *folder = changes->mailbox->folder;
	int error = folder->stale ? 0 : msv_folder_sync(folder, false, synced, changes);

	if (error || folder->stale)
		synced(changes, error);
}

void msv_maildir_changes(void *self, struct msv_mailbox *mailbox, uint64_t since,
    const struct msv_uidset *uids, unsigned fields, struct msv_changes_op op)
{
	struct msv_env *env = ((struct msv_maildir *)self)->env;
	struct changes *changes = msv_alloc(env, sizeof(*changes));

	if (!changes || msv_uids_copy(env, uids, &changes->uids) != 0) {
		msv_free(env, changes);
		msv_op_answer(op.op, MSV_ERR_NOMEM);
		return;
	}
	changes->env = env;
	changes->mailbox = mailbox;
	changes->op = op.op;
	changes->since = since;
	changes->all = !uids;
	changes->fields = fields;
	changes->uid = 1;
	msv_mailbox_ref(mailbox);
	msv_uidset_builder_init(&changes->gone, env);
	msv_uidset_builder_init(&changes->lost, env);
	msv_batch_init(&changes->batch, env, MSV_BATCH_PROBE, mailbox->folder->place, NULL);
	msv_op_on_cancel(op.op, on_cancel, changes);
	msv_op_on_resume(op.op, on_resume, changes);
	changes->act.turn = turn;
	changes->task.fn = begin_task;
	if (changes->all)
		msv_act_begin(mailbox->folder, &changes->act);
	else
		msv_env_defer(env, &changes->task);
}
