/*
 * Bringing a folder up to date with the disk.
 *
 * One look at the time stamps tells whether anything changed.  If so, new/ and
 * cur/ are read.  Changed flags are all there is?  Done.  But only under the
 * lock of the uidlist do new files get their UIDs, and only a second reading
 * under it, the directories being the same before and after, makes a message
 * that is missed gone: a file that is renamed while a directory is read may be
 * seen under neither name.
 */
#include "store/maildir_sync.h"

#include <stdlib.h>
#include <string.h>

/* A reading that proved nothing, because a directory was just changing, is
 * repeated so often where it matters, with pauses between. */
enum { MAX_TRIES = 25, PAUSE = 120 /* ms */ };

static void step_evaluate(struct msv_sync *sync);

/* -- Beginning, jobs, end ------------------------------------------------------------------ */

/* Half of what was read would be worse than nothing: the list is read anew. */
static void forget_absent(struct msv_folder *folder)
{
	struct msv_mails *mails = &folder->mails;

	for (size_t i = mails->n; i-- > 0 && mails->absent;) {
		if (mails->mail[i].state & MSV_MAIL_ABSENT)
			msv_mails_expunge(mails, &mails->mail[i]);
	}
}

void msv_sync_end(struct msv_sync *sync, int error)
{
	struct msv_folder *folder = sync->folder;
	void (*done)(void *user, int error) = sync->done;
	void *user = sync->user;

	forget_absent(folder);
	if (error) {
		folder->list = (struct msv_stamp){ 0 };
		if (!folder->loaded)
			msv_mails_fini(&folder->mails);
	}
	msv_mails_compact(&folder->mails);
	msv_sync_disk_fini(&sync->disk);
	msv_lock_wait_fini(&sync->disk.wait);
	msv_timer_free(sync->pause);
	msv_place_unref(sync->disk.place);
	msv_free(sync->env, sync->disk.buf);
	msv_free(sync->env, sync->newcomer);
	msv_arena_fini(&sync->names);
	msv_buf_fini(&sync->text);
	int *early = sync->early;
	msv_free(sync->env, sync);
	if (early)
		*early = error;
	else
		done(user, error);
}

void msv_sync_fail(struct msv_sync *sync, int error)
{
	if (sync->disk.error == error && error != MSV_ERR_NOTFOUND)
		msv_folder_complain(sync->disk.place, sync->disk.what, error);
	msv_sync_end(sync, error);
}

static void job_work(void *data)
{
	struct msv_sync *sync = data;

	sync->work(&sync->disk);
}

static void job_done(void *data)
{
	struct msv_sync *sync = data;

	sync->next(sync);
}

/* Runs a job, then next. */
void msv_sync_run(struct msv_sync *sync, void (*work)(struct msv_sync_disk *disk),
    void (*next)(struct msv_sync *sync))
{
	sync->work = work;
	sync->next = next;
	sync->disk.error = 0;
	if (msv_env_offload(sync->env, MSV_LANE_DISK, job_work, job_done, sync) != 0)
		msv_sync_end(sync, MSV_ERR_NOMEM);
}

/* The same for jobs that need the buffer. */
void msv_sync_run_with_buffer(struct msv_sync *sync, void (*work)(struct msv_sync_disk *disk),
    void (*next)(struct msv_sync *sync))
{
	if (!sync->disk.buf)
		sync->disk.buf = msv_alloc(sync->env, MSV_SYNC_BUFFER);
	if (sync->disk.buf)
		msv_sync_run(sync, work, next);
	else
		msv_sync_end(sync, MSV_ERR_NOMEM);
}

/* The folder is not what it was. */
void msv_sync_gone(struct msv_sync *sync)
{
	if (!sync->folder->loaded) {
		msv_sync_fail(sync, MSV_ERR_NOTFOUND);
		return;
	}
	msv_folder_go_stale(sync->folder);
	msv_sync_end(sync, 0);
}

/* -- Directories ------------------------------------------------------------------------------ */

static int add_newcomer(struct msv_sync *sync, const char *name, bool in_new)
{
	int error =
	    msv_grow(sync->env, &sync->newcomer, &sync->cap, sync->n + 1, sizeof(*sync->newcomer));
	const char *copy = error ? NULL : msv_arena_strndup(&sync->names, name, strlen(name));

	if (!copy)
		return MSV_ERR_NOMEM;
	sync->newcomer[sync->n++] = (struct msv_newcomer){ copy, in_new };
	return 0;
}

/* A file that was seen, of a message that is known. */
int msv_sync_see(
    struct msv_sync *sync, struct msv_mail *mail, const struct msv_filename *name, bool in_new)
{
	int changed;

	if (mail->state & MSV_MAIL_SEEN) {
		/* Renamed while the directory was read, or there are two of it: the
		 * next scan tells.  One in cur/ came out of new/. */
		sync->odd = true;
		if (in_new)
			return 0;
	} else {
		mail->state |= MSV_MAIL_SEEN;
		sync->seen += msv_mail_shown(mail);
	}
	changed = msv_mails_rename(&sync->folder->mails, mail, name, in_new);
	return changed < 0 ? changed : 0;
}

static int see_name(struct msv_sync *sync, const char *file, bool in_new)
{
	struct msv_filename name;
	struct msv_mail *mail;

	if (!msv_filename_parse(file, &name))
		return 0;
	mail = msv_mails_by_base(&sync->folder->mails, name.base);
	return mail ? msv_sync_see(sync, mail, &name, in_new) : add_newcomer(sync, file, in_new);
}

static void scanned(struct msv_sync *sync)
{
	struct msv_sync_disk *disk = &sync->disk;
	bool in_new = disk->which - disk->end == 0;
	int error = disk->error;

	for (size_t at = 0; !error && at < disk->used; at += strlen(disk->buf + at) + 1)
		error = see_name(sync, disk->buf + at, in_new);
	if (error)
		msv_sync_fail(sync, error);
	else if (disk->which < 2)
		msv_sync_run(sync, msv_sync_scan, scanned);
	else
		step_evaluate(sync);
}

static void scan(struct msv_sync *sync)
{
	struct msv_mails *mails = &sync->folder->mails;

	for (size_t i = 0; i < mails->n; i++)
		mails->mail[i].state &= (uint16_t)~MSV_MAIL_SEEN;
	sync->seen = sync->n = 0;
	sync->odd = false;
	msv_arena_fini(&sync->names);
	sync->disk.which = 0;
	sync->scan_began = msv_env_now(sync->env);
	msv_sync_run_with_buffer(sync, msv_sync_scan, scanned);
}

static void scan_again(void *user)
{
	scan(user);
}

void msv_sync_scan_locked(struct msv_sync *sync)
{
	if (!sync->pause && msv_timer_new(sync->env, scan_again, sync, &sync->pause) != 0)
		msv_sync_fail(sync, MSV_ERR_NOMEM);
	else
		scan(sync);
}

/* True when the directory was one and the same while it was read, and its
 * stamp is too old to hide a change. */
static bool dir_sure(const struct msv_sync_disk *disk, int which)
{
	const struct msv_stamp *before = &disk->before[which];

	return msv_stamp_same(before, &disk->after[which]) &&
	       disk->disk_time - before->mtime >= msv_stamp_grain(before);
}

/* Remembers what a scan saw of a directory, and how long that may be wrong. */
static void settle(struct msv_sync *sync, int which, struct msv_watched_dir *dir)
{
	const struct msv_stamp *before = &sync->disk.before[which];
	uint64_t grain = (uint64_t)msv_stamp_grain(before) / 1000000;
	bool same = msv_stamp_same(before, &dir->stamp);

	if (!msv_stamp_same(before, &sync->disk.after[which]))
		dir->recheck_at = sync->scan_began;
	else if (sync->sure || (same && dir->recheck_at <= sync->scan_began))
		dir->recheck_at = 0;
	else if (!same)
		dir->recheck_at = sync->scan_began + grain;
	dir->stamp = *before;
	if (sync->odd && !dir->recheck_at)
		dir->recheck_at = sync->scan_began + grain;
}

static void settle_both(struct msv_sync *sync)
{
	struct msv_folder *folder = sync->folder;

	settle(sync, 0, &folder->new);
	settle(sync, 1, &folder->cur);
	folder->scan_ms = msv_env_now(sync->env) - sync->scan_began;
}

/* -- What the scan tells -------------------------------------------------------------------------- */

/* Under the lock: who is new, who is gone. */
static void evaluate_locked(struct msv_sync *sync)
{
	struct msv_mails *mails = &sync->folder->mails;
	bool unseen_absent = false;

	sync->sure = dir_sure(&sync->disk, 0) && dir_sure(&sync->disk, 1);
	for (size_t i = 0; mails->absent && !unseen_absent && i < mails->n; i++)
		unseen_absent = mails->mail[i].state & MSV_MAIL_ABSENT &&
		                !(mails->mail[i].state & MSV_MAIL_SEEN);
	/* A file of the list that turned up later could not get back its UID
	 * without appearing in front of others. */
	if (unseen_absent && !sync->sure && !sync->no_lock && ++sync->tries < MAX_TRIES) {
		msv_timer_start(sync->pause, msv_env_now(sync->env) + PAUSE);
		return;
	}
	for (size_t i = 0; sync->sure && i < mails->n; i++) {
		if (!(mails->mail[i].state & MSV_MAIL_SEEN))
			msv_mails_expunge(mails, &mails->mail[i]);
	}
	sync->odd |= mails->alive > sync->seen;
	settle_both(sync);
	msv_sync_admit(sync);
}

static void step_evaluate(struct msv_sync *sync)
{
	if (sync->locked) {
		evaluate_locked(sync);
	} else if (sync->n || sync->seen < sync->folder->mails.alive) {
		sync->must_scan = sync->seen < sync->folder->mails.alive;
		settle_both(sync);
		msv_sync_take_lock(sync);
	} else {
		settle_both(sync);
		msv_sync_end(sync, 0);
	}
}

/* -- The first look --------------------------------------------------------------------------------------- */

static bool dir_changed(
    const struct msv_sync *sync, const struct msv_stamp *now, const struct msv_watched_dir *dir)
{
	return !msv_stamp_same(now, &dir->stamp) ||
	       (dir->recheck_at && dir->recheck_at <= msv_env_now(sync->env));
}

/* The stamps and the keywords are known: is there more to read? */
static void decide(struct msv_sync *sync)
{
	struct msv_folder *folder = sync->folder;

	if (!folder->loaded || sync->thoroughly ||
	    !msv_stamp_same(&sync->disk.list, &folder->list)) {
		sync->must_scan = true;
		msv_sync_take_lock(sync);
	} else if (dir_changed(sync, &sync->disk.new, &folder->new) ||
	           dir_changed(sync, &sync->disk.cur, &folder->cur)) {
		scan(sync);
	} else {
		msv_sync_end(sync, 0);
	}
}

static void got_keywords(struct msv_sync *sync)
{
	struct msv_keywords letters;
	int error = sync->disk.error;

	if (!error) {
		msv_keywords_parse(sync->disk.buf, sync->disk.used, &letters);
		error = msv_folder_set_letters(sync->folder, &letters);
	}
	if (error) {
		msv_sync_fail(sync, error);
		return;
	}
	sync->folder->keywords_stamp = sync->disk.keywords;
	decide(sync);
}

/* A folder is about to be read for the first time. */
static void begin_load(struct msv_sync *sync)
{
	struct msv_folder *folder = sync->folder;
	uint64_t modseq = msv_env_realtime(sync->env);

	/* Above all that were given before, by the clock or, if that was put back,
	 * by the list's. */
	if (sync->disk.list.mtime > 0 && (uint64_t)sync->disk.list.mtime / 1000 > modseq)
		modseq = (uint64_t)sync->disk.list.mtime / 1000;
	msv_mails_init(&folder->mails, sync->env, modseq);
	folder->header = (struct msv_uidlist_header){ 0 };
	folder->list = (struct msv_stamp){ 0 };
	folder->list_end = 0;
	folder->dir_ino = sync->disk.dir_ino;
	folder->new = folder->cur = (struct msv_watched_dir){ 0 };
	sync->known = sync->uidnext = 0;
}

static void looked(struct msv_sync *sync)
{
	struct msv_folder *folder = sync->folder;
	struct msv_sync_disk *disk = &sync->disk;

	if (disk->error == MSV_ERR_NOTFOUND ||
	    (!disk->error && folder->loaded && disk->dir_ino != folder->dir_ino)) {
		msv_sync_gone(sync);
		return;
	}
	if (disk->error) {
		msv_sync_fail(sync, disk->error);
		return;
	}
	if (!folder->loaded)
		begin_load(sync);
	if (!msv_stamp_same(&disk->keywords, &folder->keywords_stamp))
		msv_sync_run_with_buffer(sync, msv_sync_read_keywords, got_keywords);
	else
		decide(sync);
}

int msv_folder_sync(
    struct msv_folder *folder, bool thoroughly, void (*done)(void *user, int error), void *user)
{
	struct msv_sync *sync = msv_alloc(folder->env, sizeof(*sync));
	int error = 0;

	if (!sync)
		return MSV_ERR_NOMEM;
	sync->folder = folder;
	sync->env = folder->env;
	sync->done = done;
	sync->user = user;
	sync->thoroughly = thoroughly;
	sync->known = sync->uidnext = folder->header.uidnext;
	sync->disk.place = msv_place_ref(folder->place);
	sync->disk.lock.fd = sync->disk.temp = -1;
	msv_arena_init(&sync->names, sync->env);
	msv_buf_init(&sync->text, sync->env);
	sync->early = &error;
	msv_sync_run(sync, msv_sync_look, looked);
	if (!error)
		sync->early = NULL;
	return error;
}
