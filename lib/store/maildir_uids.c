/* The uidlist as a look at the disk needs it: read, and written with the UIDs of
 * new files, under its lock. */
#include <stdlib.h>
#include <string.h>

#include "codec/crypto.h"
#include "store/maildir_sync.h"

/* -- New files ------------------------------------------------------------------------------- */

static bool comes_before(const struct msv_newcomer *a, const struct msv_newcomer *b)
{
	unsigned long long x = strtoull(a->name, NULL, 10), y = strtoull(b->name, NULL, 10);

	return x != y ? x < y : strcmp(a->name, b->name) < 0;
}

static int compare_newcomers(const void *a, const void *b)
{
	return comes_before(a, b) ? -1 : comes_before(b, a);
}

/* A message that was absent, and whose file the scan saw, is shown. */
static void show_present(struct msv_sync *sync)
{
	struct msv_mails *mails = &sync->folder->mails;
	struct msv_uidset fresh = { sync->folder->fresh.r, sync->folder->fresh.n };

	for (size_t i = msv_mails_from(mails, sync->known); i < mails->n; i++) {
		struct msv_mail *mail = &mails->mail[i];
		if (!(mail->state & MSV_MAIL_ABSENT) || !(mail->state & MSV_MAIL_SEEN))
			continue;
		/* What nobody has looked at yet is \Recent for the first who does. */
		if (mail->state & MSV_MAIL_NEW || msv_uidset_has(&fresh, mail->uid))
			mail->state |= MSV_MAIL_FRESH;
		msv_mails_show(mails, mail);
	}
	msv_uidset_builder_fini(&sync->folder->fresh);
}

/* Gives UIDs to the files that have none; their records go to text.  They are
 * shown when these are on disk. */
static int admit(struct msv_sync *sync)
{
	struct msv_mails *mails = &sync->folder->mails;

	if (sync->n)
		qsort(sync->newcomer, sync->n, sizeof(*sync->newcomer), compare_newcomers);
	for (size_t i = 0; i < sync->n; i++) {
		const struct msv_newcomer *file = &sync->newcomer[i];
		struct msv_filename name;
		char line[MSV_UIDLIST_LINE];
		struct msv_mail *mail;

		if (!msv_filename_parse(file->name, &name) || msv_mails_by_base(mails, name.base))
			continue;
		if (sync->uidnext == 0)
			return MSV_ERR_LIMIT;
		struct msv_uidlist_record record = { .uid = sync->uidnext, .base = name.base };
		mail = msv_mails_add(mails, sync->uidnext, name.base, record.keys);
		if (!mail || msv_mails_rename(mails, mail, &name, file->in_new) < 0)
			return MSV_ERR_NOMEM;
		mail->state |= MSV_MAIL_SEEN | MSV_MAIL_LISTED;
		msv_buf_put(
		    &sync->text, line, msv_uidlist_format_record(&record, line, sizeof(line)));
		sync->uidnext++;
		sync->folder->list_records++;
	}
	return msv_buf_failed(&sync->text) ? MSV_ERR_NOMEM : 0;
}

/* -- The list: reading -------------------------------------------------------------------------------- */

static int on_record(void *user, const struct msv_uidlist_record *record)
{
	struct msv_sync *sync = user;
	struct msv_mails *mails = &sync->folder->mails;
	struct msv_mail *old = msv_mails_by_base(mails, record->base), *mail;
	struct msv_filename name = { .info = "" };
	char info[MSV_INFO_SIZE];

	sync->folder->list_records++;
	if (old && old->uid >= record->uid) {
		old->state |= old->uid == record->uid ? MSV_MAIL_LISTED : 0;
		return 0;
	}
	if (record->uid < sync->known)
		return 0;
	mail = msv_mails_add(mails, record->uid, record->base, record->keys);
	if (!mail)
		return MSV_ERR_NOMEM;
	mail->state |= MSV_MAIL_LISTED;
	old = msv_mails_by_base(mails, record->base);
	if (old == mail)
		return 0;
	/* Somebody gave the file another UID: it is another message now. */
	name.flags = old->flags;
	name.letters = old->letters;
	name.info = msv_mail_info(old, info);
	mail->state |= old->state & (MSV_MAIL_SEEN | MSV_MAIL_FRESH);
	bool in_new = old->state & MSV_MAIL_NEW;
	msv_mails_expunge(mails, old);
	return msv_mails_rename(mails, mail, &name, in_new) < 0 ? MSV_ERR_NOMEM : 0;
}

/* A list for a mailbox that has none, or a broken one. */
static int new_list(struct msv_sync *sync)
{
	struct msv_uidlist_header *header = &sync->folder->header;
	unsigned char guid[(MSV_GUID_SIZE - 1) / 2];
	int error = msv_env_random(sync->env, guid, sizeof(guid));

	if (error)
		return error;
	msv_hex_encode(guid, sizeof(guid), header->guid);
	header->version = 3;
	header->uidvalidity = (uint32_t)(msv_env_realtime(sync->env) / 1000000);
	header->uidnext = sync->uidnext = 1;
	return 0;
}

/* The header of a list that was read from its begin. */
static int take_header(struct msv_sync *sync, bool readable)
{
	struct msv_folder *folder = sync->folder;

	if (!readable) {
		if (sync->no_lock)
			return MSV_ERR_DENIED;
		sync->rewrite = true;
		if (sync->disk.list.size)
			msv_folder_complain(
			    sync->disk.place, "the uidlist is broken", MSV_ERR_FORMAT);
		return folder->loaded ? 0 : new_list(sync);
	}
	if (folder->loaded && sync->reader.header.uidvalidity != folder->header.uidvalidity)
		return MSV_ERR_STALE;
	sync->rewrite |= sync->reader.header.version != 3;
	uint32_t uidnext = folder->header.uidnext;
	folder->header = sync->reader.header;
	if (folder->loaded && uidnext > folder->header.uidnext)
		folder->header.uidnext = uidnext;
	return 0;
}

/* The list was read to its end. */
static int list_read(struct msv_sync *sync, bool readable)
{
	struct msv_folder *folder = sync->folder;
	int error = sync->anew ? take_header(sync, readable) : 0;

	if (error)
		return error;
	if (sync->uidnext < folder->header.uidnext)
		sync->uidnext = folder->header.uidnext;
	if (sync->reader.last >= sync->uidnext)
		sync->uidnext = sync->reader.last + 1;
	folder->list = sync->disk.list;
	folder->list_end = sync->reader.offset;
	folder->list_bad += sync->reader.bad;
	for (size_t i = 0; sync->anew && i < folder->mails.n; i++) {
		const struct msv_mail *mail = &folder->mails.mail[i];
		sync->rewrite |= msv_mail_shown(mail) && !(mail->state & MSV_MAIL_LISTED);
	}
	return 0;
}

/* Files that had no UID when they were seen, and have one now. */
static int resolve_newcomers(struct msv_sync *sync)
{
	size_t kept = 0;

	for (size_t i = 0; i < sync->n; i++) {
		const struct msv_newcomer *file = &sync->newcomer[i];
		struct msv_filename name;
		struct msv_mail *mail = NULL;
		if (msv_filename_parse(file->name, &name))
			mail = msv_mails_by_base(&sync->folder->mails, name.base);
		if (!mail)
			sync->newcomer[kept++] = *file;
		else if (msv_sync_see(sync, mail, &name, file->in_new) != 0)
			return MSV_ERR_NOMEM;
	}
	sync->n = kept;
	return 0;
}

/* The list is known: is what was scanned enough? */
static void list_known(struct msv_sync *sync)
{
	struct msv_mails *mails = &sync->folder->mails;
	int error = resolve_newcomers(sync);

	for (size_t i = 0; mails->absent && i < mails->n; i++)
		sync->must_scan |= mails->mail[i].state & MSV_MAIL_ABSENT &&
		                   !(mails->mail[i].state & MSV_MAIL_SEEN);
	if (error) {
		msv_sync_fail(sync, error);
	} else if (sync->must_scan) {
		msv_sync_scan_locked(sync);
	} else {
		msv_sync_admit(sync);
	}
}

static void begin_reader(struct msv_sync *sync)
{
	struct msv_folder *folder = sync->folder;

	sync->reading = true;
	sync->anew = sync->disk.restarted;
	if (!sync->anew) {
		sync->reader.header = folder->header;
		sync->reader.has_header = true;
		sync->reader.offset = folder->list_end;
		return;
	}
	folder->list_records = folder->list_bad = 0;
	for (size_t i = 0; i < folder->mails.n; i++)
		folder->mails.mail[i].state &= (uint16_t)~MSV_MAIL_LISTED;
}

static void got_list(struct msv_sync *sync)
{
	struct msv_sync_disk *disk = &sync->disk;
	bool readable = disk->list.ino != 0 && disk->list.size > 0;
	int error = disk->error;

	if (!error && !sync->reading)
		begin_reader(sync);
	if (!error && sync->anew != disk->restarted)
		error = MSV_ERR_BUSY; /* replaced in spite of the lock */
	if (!error && disk->used) {
		error = msv_uidlist_read(&sync->reader, disk->buf, disk->used, on_record, sync);
		if (error == MSV_ERR_FORMAT) {
			readable = false;
			disk->end = true;
			error = 0;
		}
	}
	readable &= sync->reader.has_header;
	if (!error && !disk->end) {
		msv_sync_run(sync, msv_sync_read_list, got_list);
		return;
	}
	if (!error)
		error = list_read(sync, readable);
	if (error == MSV_ERR_STALE)
		msv_sync_gone(sync);
	else if (error)
		msv_sync_fail(sync, error);
	else
		list_known(sync);
}

/* -- The lock ---------------------------------------------------------------------------------------- */

static void lock_again(void *user);

static void step_read_list(struct msv_sync *sync)
{
	sync->disk.known = sync->folder->list;
	sync->disk.offset = sync->folder->list_end;
	sync->disk.restarted = !sync->disk.known.ino;
	msv_sync_run_with_buffer(sync, msv_sync_read_list, got_list);
}

static void got_lock(struct msv_sync *sync)
{
	int error = sync->disk.error;

	if (error == MSV_ERR_BUSY && (error = msv_lock_wait_more(&sync->disk.wait)) == 0)
		return;
	/* A mailbox that may only be read has no new UIDs, but those it has. */
	sync->no_lock = error == MSV_ERR_DENIED;
	if (error && !sync->no_lock) {
		msv_sync_fail(sync, error);
		return;
	}
	sync->locked = true;
	step_read_list(sync);
}

void msv_sync_take_lock(struct msv_sync *sync)
{
	int error = 0;

	if (!sync->disk.wait.timer)
		error = msv_lock_wait_init(&sync->disk.wait, sync->env, lock_again, sync);
	if (error) {
		msv_sync_fail(sync, error);
		return;
	}
	msv_lock_wait_prepare(&sync->disk.wait);
	msv_sync_run(sync, msv_sync_lock, got_lock);
}

static void lock_again(void *user)
{
	msv_sync_take_lock(user);
}

/* -- The list: writing ---------------------------------------------------------------------------------- */

static void step_end(struct msv_sync *sync)
{
	msv_sync_end(sync, 0);
}

/* All that is to be shown is on disk. */
static void admitted(struct msv_sync *sync)
{
	struct msv_folder *folder = sync->folder;

	show_present(sync);
	folder->header.uidnext = sync->uidnext;
	folder->loaded = true;
	msv_folder_set_id(folder);
	msv_sync_run(sync, msv_sync_unlock, step_end);
}

static void written(struct msv_sync *sync)
{
	struct msv_folder *folder = sync->folder;

	if (sync->disk.error) {
		msv_sync_fail(sync, sync->disk.error);
		return;
	}
	folder->list = sync->disk.list;
	folder->list_end = sync->disk.list.size;
	admitted(sync);
}

static void rewrite_some(struct msv_sync *sync);

static void rewritten_some(struct msv_sync *sync)
{
	msv_buf_clear(&sync->text);
	if (sync->disk.error)
		msv_sync_fail(sync, sync->disk.error);
	else
		rewrite_some(sync);
}

/* Writes the next messages into the new list. */
static void rewrite_some(struct msv_sync *sync)
{
	struct msv_mails *mails = &sync->folder->mails;
	char line[MSV_UIDLIST_LINE];

	if (!msv_buf_failed(&sync->text) && sync->written == mails->n &&
	    !msv_buf_len(&sync->text)) {
		msv_sync_run(sync, msv_sync_replace_list, written);
		return;
	}
	for (; sync->written < mails->n && msv_buf_len(&sync->text) < MSV_SYNC_BUFFER;
	     sync->written++) {
		struct msv_mail *mail = &mails->mail[sync->written];
		if (mail->state & MSV_MAIL_GONE)
			continue;
		const char *keys = msv_mail_keys(mail);
		struct msv_uidlist_record record = { mail->uid, { keys, strlen(keys) },
			{ mail->name, strlen(mail->name) } };
		mail->state |= MSV_MAIL_LISTED;
		msv_buf_put(
		    &sync->text, line, msv_uidlist_format_record(&record, line, sizeof(line)));
		sync->folder->list_records++;
	}
	if (msv_buf_failed(&sync->text)) {
		msv_sync_fail(sync, MSV_ERR_NOMEM);
		return;
	}
	sync->disk.text = msv_buf_data(&sync->text);
	sync->disk.ntext = msv_buf_len(&sync->text);
	msv_sync_run(sync, msv_sync_write_list, rewritten_some);
}

static void step_rewrite(struct msv_sync *sync)
{
	struct msv_folder *folder = sync->folder;
	char header[MSV_UIDLIST_HEADER_SIZE];

	folder->header.version = 3;
	folder->header.uidnext = sync->uidnext;
	folder->list_records = folder->list_bad = sync->written = 0;
	msv_buf_clear(&sync->text);
	msv_buf_put(&sync->text, header, msv_uidlist_format_header(&folder->header, header));
	rewrite_some(sync);
}

/* Writes the records of new messages, or the whole list when too much of it is
 * of no use. */
static void step_write(struct msv_sync *sync)
{
	struct msv_folder *folder = sync->folder;
	size_t kept = folder->mails.alive + folder->mails.absent;

	sync->rewrite |= folder->list.size > folder->list_end || folder->list_bad > 0 ||
	                 folder->list_records > 64 + kept + kept / 4;
	if (sync->no_lock) {
		admitted(sync);
	} else if (sync->rewrite) {
		step_rewrite(sync);
	} else if (msv_buf_len(&sync->text)) {
		sync->disk.text = msv_buf_data(&sync->text);
		sync->disk.ntext = msv_buf_len(&sync->text);
		sync->disk.offset = folder->list_end;
		sync->disk.list = folder->list;
		msv_sync_run(sync, msv_sync_append_list, written);
	} else {
		admitted(sync);
	}
}

void msv_sync_admit(struct msv_sync *sync)
{
	int error = sync->no_lock ? 0 : admit(sync);

	if (error)
		msv_sync_fail(sync, error);
	else
		step_write(sync);
}
