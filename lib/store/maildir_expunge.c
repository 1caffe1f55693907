/* Removing messages.  Their records stay in the uidlist until it is rewritten:
 * what has no file is no message. */
#include "store/maildir_store.h"

struct removal {
	struct msv_act act;
	struct msv_env *env;
	struct msv_folder *folder;
	struct msv_uidset uids;
	bool all, deleted;
	bool retrying;
	void (*done)(void *user, int error);
	void *user;
	size_t range; /* of uids: where the way through is */
	uint32_t uid;
	size_t removed;
	struct msv_uidset_builder missing; /* the file had another name */
	struct msv_batch batch;
};

static void end(struct removal *removal, int error)
{
	struct msv_folder *folder = removal->folder;
	struct msv_env *env = removal->env;
	void (*done)(void *user, int error) = removal->done;
	void *user = removal->user;

	if (removal->removed) {
		msv_mails_compact(&folder->mails);
		msv_folder_tell(folder);
	}
	msv_act_end(folder);
	msv_batch_fini(&removal->batch);
	msv_uidset_builder_fini(&removal->missing);
	msv_free(env, (void *)removal->uids.r);
	msv_free(env, removal);
	done(user, error);
	msv_folder_unref(folder);
}

static void step(struct removal *removal);

static int unlinked(struct removal *removal, const struct msv_batch_item *item)
{
	struct msv_mails *mails = &removal->folder->mails;
	struct msv_mail *mail = msv_mails_by_uid(mails, item->uid);

	if (item->error == MSV_ERR_NOTFOUND)
		return removal->retrying ? 0
		                         : msv_uidset_add(&removal->missing, item->uid, item->uid);
	if (item->error || !mail)
		return item->error;
	msv_mails_expunge(mails, mail);
	removal->removed++;
	return 0;
}

static void batch_done(void *user)
{
	struct removal *removal = user;
	int error = removal->batch.error;

	if (!error)
		msv_batch_tell(&removal->batch, removal->folder);
	for (size_t i = 0; !removal->batch.error && i < removal->batch.n; i++) {
		int result = unlinked(removal, &removal->batch.item[i]);
		if (!error)
			error = result;
	}
	if (error == MSV_ERR_NOTFOUND)
		error = MSV_ERR_STALE; /* the mailbox itself */
	if (error) {
		msv_folder_complain(removal->batch.place, "cannot remove messages", error);
		end(removal, error);
	} else {
		step(removal);
	}
}

static void resynced(void *user, int error)
{
	struct removal *removal = user;

	removal->range = 0;
	removal->uid = 0;
	if (error || removal->folder->stale)
		end(removal, error ? error : MSV_ERR_STALE);
	else
		step(removal);
}

/* All batches are through: files that had other names get a second chance. */
static void batches_done(struct removal *removal)
{
	int error;

	if (removal->retrying || !removal->missing.n) {
		end(removal, 0);
		return;
	}
	removal->retrying = true;
	removal->all = false;
	msv_free(removal->env, (void *)removal->uids.r);
	msv_uidset_finish(&removal->missing);
	removal->uids = msv_uidset_take(&removal->missing);
	error = msv_folder_sync(removal->folder, true, resynced, removal);
	if (error)
		end(removal, error);
}

static bool is_wanted(const struct removal *removal, const struct msv_mail *mail)
{
	return msv_mail_shown(mail) && (!removal->deleted || mail->flags & MSV_FLAG_DELETED);
}

/* Adds those of first..last from removal->uid on, while there is room. */
static int add_range(struct removal *removal, uint32_t first, uint32_t last)
{
	const struct msv_mails *mails = &removal->folder->mails;
	int error = 0;

	if (removal->uid < first)
		removal->uid = first;
	for (size_t i = msv_mails_from(mails, removal->uid);
	     !error && i < mails->n && mails->mail[i].uid <= last &&
	     removal->batch.n < MSV_BATCH_MAX;
	     i++) {
		if (is_wanted(removal, &mails->mail[i]))
			error = msv_batch_add(&removal->batch, &mails->mail[i], NULL, false);
		removal->uid = mails->mail[i].uid + 1;
	}
	return error;
}

static void step(struct removal *removal)
{
	int error = 0;

	msv_batch_clear(&removal->batch);
	if (removal->all)
		error = add_range(removal, 1, UINT32_MAX);
	for (; !error && removal->range < removal->uids.n; removal->range++) {
		const struct msv_uid_range *r = &removal->uids.r[removal->range];
		error = add_range(removal, r->first, r->last);
		if (removal->batch.n == MSV_BATCH_MAX)
			break;
	}
	if (!error && !removal->batch.n) {
		batches_done(removal);
		return;
	}
	if (!error)
		error = msv_batch_run(&removal->batch, batch_done, removal);
	if (error)
		end(removal, error);
}

static void turn(struct msv_act *act)
{
	struct removal *removal = (struct removal *)act;
	int error = removal->folder->stale
	                ? MSV_ERR_STALE
	                : msv_folder_sync(removal->folder, false, resynced, removal);

	if (error)
		end(removal, error);
}

int msv_folder_expunge(struct msv_folder *folder, struct msv_uidset *uids, bool all, bool deleted,
    void (*done)(void *user, int error), void *user)
{
	struct removal *removal = msv_alloc(folder->env, sizeof(*removal));

	if (!removal)
		return MSV_ERR_NOMEM;
	removal->env = folder->env;
	removal->folder = msv_folder_ref(folder);
	if (uids)
		removal->uids = *uids;
	if (uids)
		*uids = (struct msv_uidset){ 0 };
	removal->all = all;
	removal->deleted = deleted;
	removal->done = done;
	removal->user = user;
	removal->act.turn = turn;
	msv_uidset_builder_init(&removal->missing, folder->env);
	msv_batch_init(&removal->batch, folder->env, MSV_BATCH_UNLINK, folder->place, NULL);
	msv_act_begin(folder, &removal->act);
	return 0;
}

/* -- The store's expunge() ------------------------------------------------------------------------ */

static void expunged(void *user, int error)
{
	msv_op_answer(user, error);
}

void msv_maildir_expunge(
    void *self, struct msv_mailbox *mailbox, const struct msv_uidset *uids, struct msv_op *op)
{
	struct msv_env *env = ((struct msv_maildir *)self)->env;
	struct msv_uidset copy;
	int error = mailbox->readonly ? MSV_ERR_DENIED : msv_uids_copy(env, uids, &copy);

	if (!error) {
		error = msv_folder_expunge(mailbox->folder, &copy, !uids, true, expunged, op);
		msv_free(env, (void *)copy.r);
	}
	if (error)
		msv_op_answer(op, error);
}
