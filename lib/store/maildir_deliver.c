/*
 * Making messages that lie in tmp/ appear, all or none, with their UIDs.
 *
 * Under the lock of the uidlist: files are renamed into new/ or cur/, these are
 * synced, the records are appended and synced.  In this order, because to a
 * reader that comes in between a file without a record is just new, but a record
 * without a file is an expunged message.  Only the begin and the end of the
 * uidlist are read: a full mailbox costs no more than an empty one, and need not
 * be in memory.
 */
#include "store/maildir.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* -- Filling it in -------------------------------------------------------------------------- */

static void run_again(void *user);

int msv_delivery_init(struct msv_delivery *delivery, struct msv_folder *folder)
{
	*delivery = (struct msv_delivery){ .folder = folder, .env = folder->env };
	delivery->room = msv_alloc(delivery->env, MSV_ROOM_SIZE);
	if (!delivery->room)
		return MSV_ERR_NOMEM;
	msv_folder_ref(folder);
	return msv_lock_wait_init(&delivery->wait, delivery->env, run_again, delivery);
}

void msv_delivery_fini(struct msv_delivery *delivery)
{
	struct msv_env *env = delivery->env;

	for (size_t i = 0; i < delivery->n; i++) {
		msv_free(env, delivery->parcel[i].temp);
		msv_free(env, delivery->parcel[i].base);
		msv_free(env, delivery->parcel[i].guid);
	}
	for (size_t i = 0; i < delivery->nwords; i++)
		msv_free(env, delivery->word[i]);
	msv_free(env, delivery->parcel);
	if (delivery->room)
		msv_folder_unref(delivery->folder);
	msv_free(env, delivery->room);
	msv_lock_wait_fini(&delivery->wait);
	*delivery = (struct msv_delivery){ .env = env };
}

struct msv_parcel *msv_delivery_add(struct msv_delivery *delivery)
{
	if (msv_grow(delivery->env, &delivery->parcel, &delivery->cap, delivery->n + 1,
	        sizeof(*delivery->parcel)) != 0)
		return NULL;
	delivery->parcel[delivery->n] = (struct msv_parcel){ 0 };
	return &delivery->parcel[delivery->n++];
}

int msv_delivery_keyword(struct msv_delivery *delivery, struct msv_parcel *parcel, const char *name)
{
	size_t i = 0;

	while (i < delivery->nwords && strcasecmp(delivery->word[i], name) != 0)
		i++;
	if (i == MSV_DELIVERY_WORDS)
		return MSV_ERR_LIMIT;
	if (i == delivery->nwords) {
		delivery->word[i] = msv_strdup(delivery->env, name);
		if (!delivery->word[i])
			return MSV_ERR_NOMEM;
		delivery->nwords++;
	}
	parcel->words |= UINT64_C(1) << i;
	return 0;
}

/* -- The job ----------------------------------------------------------------------------------- */

/* The directories it works in. */
struct desk {
	int dir, temp, fresh, cur, list;
	struct msv_dotlock lock;
	bool used_fresh, used_cur;
};

static int failed(struct msv_delivery *delivery, int error, const char *what)
{
	if (error && !delivery->what)
		delivery->what = what;
	return error;
}

static int open_desk(struct msv_delivery *delivery, struct desk *desk)
{
	int error;

	desk->dir = msv_place_open(delivery->folder->place);
	if (desk->dir < 0)
		return failed(delivery, desk->dir, "cannot open the mailbox");
	desk->temp = msv_disk_dir(desk->dir, "tmp");
	desk->fresh = msv_disk_dir(desk->dir, "new");
	desk->cur = msv_disk_dir(desk->dir, "cur");
	if (desk->temp < 0 || desk->fresh < 0 || desk->cur < 0) {
		delivery->needs_sync = true;
		return failed(delivery, MSV_ERR_IO, "tmp, new or cur cannot be opened");
	}
	error = msv_lock_wait_try(&delivery->wait, desk->dir, MSV_UIDLIST_LOCK, &desk->lock);
	return failed(delivery, error, MSV_UIDLIST_LOCK);
}

static void close_desk(struct desk *desk)
{
	msv_dotlock_release(desk->dir, MSV_UIDLIST_LOCK, &desk->lock);
	const int fds[] = { desk->dir, desk->temp, desk->fresh, desk->cur, desk->list };
	for (size_t i = 0; i < sizeof(fds) / sizeof(fds[0]); i++) {
		if (fds[i] >= 0)
			close(fds[i]);
	}
}

/* Reads the header of the list. */
static int read_header(struct msv_delivery *delivery, const struct desk *desk)
{
	const char *newline;
	size_t got;
	int error = msv_disk_read(desk->list, 0, delivery->room, MSV_UIDLIST_LINE, &got);

	if (error)
		return error;
	newline = memchr(delivery->room, '\n', got);
	error = newline ? msv_uidlist_parse_header(
	                      delivery->room, (size_t)(newline - delivery->room), &delivery->header)
	                : MSV_ERR_FORMAT;
	return !error && delivery->header.version != 3 ? MSV_ERR_FORMAT : error;
}

/* Finds the next UID at the end of the list: records are in order. */
static int read_end(struct msv_delivery *delivery, const struct desk *desk)
{
	uint64_t size = delivery->list_before.size;
	uint64_t from = size > MSV_ROOM_SIZE ? size - MSV_ROOM_SIZE : 0;
	const char *p = delivery->room, *end, *first;
	uint32_t last;
	size_t got;
	int error = msv_disk_read(desk->list, from, delivery->room, MSV_ROOM_SIZE, &got);

	if (error)
		return error;
	end = p + got;
	/* The first line is the header or half a record. */
	first = memchr(p, '\n', got);
	if (!first || end[-1] != '\n')
		return MSV_ERR_FORMAT;
	p = first + 1;
	last = msv_uidlist_last_uid(3, p, (size_t)(end - p));
	if (!last && p < end)
		return MSV_ERR_FORMAT;
	if (last >= delivery->header.uidnext)
		delivery->header.uidnext = last + 1;
	if (!delivery->header.uidnext || UINT32_MAX - delivery->header.uidnext < delivery->n)
		return MSV_ERR_LIMIT;
	return 0;
}

static int open_list(struct msv_delivery *delivery, struct desk *desk)
{
	int error;

	desk->list = openat(desk->dir, MSV_UIDLIST, O_RDWR | O_APPEND | O_NOFOLLOW | O_CLOEXEC);
	if (desk->list < 0)
		error = errno == ENOENT ? MSV_ERR_FORMAT : msv_disk_error(errno);
	else
		error = msv_stamp_fd(desk->list, &delivery->list_before);
	if (!error)
		error = read_header(delivery, desk);
	if (!error)
		error = read_end(delivery, desk);
	delivery->needs_sync = error == MSV_ERR_FORMAT;
	return failed(delivery, error, MSV_UIDLIST);
}

static void make_info(const struct msv_delivery *delivery, struct msv_parcel *parcel)
{
	uint32_t letters = 0;

	for (size_t i = 0; i < delivery->nwords; i++) {
		if (parcel->words >> i & 1)
			letters |= 1u << msv_keywords_find(&delivery->letters, delivery->word[i]);
	}
	parcel->info[0] = '\0';
	if (parcel->flags || letters)
		msv_filename_info(parcel->flags, letters, parcel->info);
}

/* The name a parcel gets; 0 or MSV_ERR_LIMIT. */
static int final_name(const struct msv_parcel *parcel, char out[MSV_FILENAME_SIZE])
{
	int n = snprintf(out, MSV_FILENAME_SIZE, "%s%s", parcel->base, parcel->info);

	return n > 0 && n < MSV_FILENAME_SIZE ? 0 : MSV_ERR_LIMIT;
}

static int place_parcel(struct desk *desk, const struct msv_parcel *parcel)
{
	char name[MSV_FILENAME_SIZE];
	int error = final_name(parcel, name), to = *parcel->info ? desk->cur : desk->fresh;

	if (error)
		return error;
	*(*parcel->info ? &desk->used_cur : &desk->used_fresh) = true;
	return renameat(desk->temp, parcel->temp, to, name) == 0 ? 0 : msv_disk_error(errno);
}

/* Puts the first n back into tmp/. */
static void take_back(const struct msv_delivery *delivery, const struct desk *desk, size_t n)
{
	char name[MSV_FILENAME_SIZE];

	while (n-- > 0) {
		const struct msv_parcel *parcel = &delivery->parcel[n];
		if (final_name(parcel, name) == 0)
			renameat(*parcel->info ? desk->cur : desk->fresh, name, desk->temp,
			    parcel->temp);
	}
}

static int place_all(struct msv_delivery *delivery, struct desk *desk)
{
	size_t placed = 0;
	int error = 0;

	msv_stamp_fd(desk->fresh, &delivery->new_before);
	msv_stamp_fd(desk->cur, &delivery->cur_before);
	for (; !error && placed < delivery->n; placed++) {
		error = place_parcel(desk, &delivery->parcel[placed]);
		if (placed % 1024 == 1023)
			msv_dotlock_touch(&desk->lock);
	}
	if (error)
		placed--;
	if (!error && desk->used_fresh)
		error = msv_disk_sync_dir(desk->fresh);
	if (!error && desk->used_cur)
		error = msv_disk_sync_dir(desk->cur);
	if (error)
		take_back(delivery, desk, placed);
	msv_stamp_fd(desk->fresh, &delivery->new_after);
	msv_stamp_fd(desk->cur, &delivery->cur_after);
	return failed(delivery, error, "cannot move messages out of tmp");
}

/* Writes out the records that wait. */
static int flush_records(struct msv_delivery *delivery, const struct desk *desk)
{
	int error = msv_disk_write(desk->list, delivery->room, delivery->used);

	delivery->used = 0;
	return error;
}

static int put_record(struct msv_delivery *delivery, const struct desk *desk, size_t i)
{
	const struct msv_parcel *parcel = &delivery->parcel[i];
	char keys[MSV_FILENAME_SIZE + 1] = "";
	struct msv_uidlist_record record = {
		.uid = delivery->header.uidnext + (uint32_t)i,
		.base = { parcel->base, strlen(parcel->base) },
	};
	size_t n;

	if (parcel->guid && strlen(parcel->guid) < MSV_FILENAME_SIZE)
		snprintf(keys, sizeof(keys), "G%s", parcel->guid);
	record.keys = (struct msv_span){ keys, strlen(keys) };
	if (delivery->used + MSV_UIDLIST_LINE > MSV_ROOM_SIZE) {
		int error = flush_records(delivery, desk);
		if (error)
			return error;
	}
	n = msv_uidlist_format_record(
	    &record, delivery->room + delivery->used, MSV_ROOM_SIZE - delivery->used);
	delivery->used += n;
	return n ? 0 : MSV_ERR_LIMIT;
}

static int put_records(struct msv_delivery *delivery, struct desk *desk)
{
	int error = 0;

	delivery->used = 0;
	for (size_t i = 0; !error && i < delivery->n; i++)
		error = put_record(delivery, desk, i);
	if (!error)
		error = flush_records(delivery, desk);
	if (!error)
		error = msv_disk_sync(desk->list);
	if (!error)
		error = msv_stamp_fd(desk->list, &delivery->list_after);
	if (error && ftruncate(desk->list, (off_t)delivery->list_before.size) != 0)
		delivery->what = "cannot take back records of the uidlist";
	if (error)
		take_back(delivery, desk, delivery->n);
	return failed(delivery, error, MSV_UIDLIST);
}

static void work(void *data)
{
	struct msv_delivery *delivery = data;
	struct desk desk = { -1, -1, -1, -1, -1, { .fd = -1 }, false, false };
	int error;

	delivery->what = NULL;
	delivery->needs_sync = false;
	error = open_desk(delivery, &desk);
	if (!error)
		error = open_list(delivery, &desk);
	if (!error && delivery->nwords)
		error = failed(delivery,
		    msv_letters_add(desk.dir, delivery->word, delivery->nwords, delivery->room,
		        &delivery->letters, &delivery->keywords_after),
		    MSV_KEYWORDS);
	for (size_t i = 0; !error && i < delivery->n; i++)
		make_info(delivery, &delivery->parcel[i]);
	if (!error)
		error = place_all(delivery, &desk);
	if (!error)
		error = put_records(delivery, &desk);
	close_desk(&desk);
	delivery->error = error;
}

/* -- What comes of it ------------------------------------------------------------------------- */

/* The folder in memory learns of the messages: 0, or MSV_ERR_NOMEM half way. */
static int merge(struct msv_delivery *delivery)
{
	struct msv_folder *folder = delivery->folder;
	struct msv_mails *mails = &folder->mails;

	if (delivery->nwords) {
		int error = msv_folder_set_letters(folder, &delivery->letters);
		if (error)
			return error;
		folder->keywords_stamp = delivery->keywords_after;
	}
	for (size_t i = 0; i < delivery->n; i++) {
		const struct msv_parcel *parcel = &delivery->parcel[i];
		char text[MSV_FILENAME_SIZE], keys[MSV_FILENAME_SIZE + 1] = "";
		struct msv_filename name;
		struct msv_mail *mail;

		if (parcel->guid)
			snprintf(keys, sizeof(keys), "G%s", parcel->guid);
		if (final_name(parcel, text) != 0 || !msv_filename_parse(text, &name))
			return MSV_ERR_FORMAT;
		mail = msv_mails_add(mails, delivery->first + (uint32_t)i, name.base,
		    (struct msv_span){ keys, strlen(keys) });
		if (!mail || msv_mails_rename(mails, mail, &name, !*parcel->info) < 0)
			return MSV_ERR_NOMEM;
		mail->state |= MSV_MAIL_LISTED | MSV_MAIL_FRESH;
	}
	return 0;
}

/* A folder that is not up to date learns later who is \Recent.  Without memory
 * they are not. */
static void note_fresh(struct msv_delivery *delivery)
{
	struct msv_uidset_builder *fresh = &delivery->folder->fresh;

	msv_uidset_add(fresh, delivery->first, delivery->first + (uint32_t)delivery->n - 1);
	msv_uidset_finish(fresh);
}

/* Tells the folder in memory, unless others were there too since it looked:
 * then the next look finds it all. */
static void tell_folder(struct msv_delivery *delivery)
{
	struct msv_folder *folder = delivery->folder;
	struct msv_mails *mails = &folder->mails;
	size_t at = mails->n;

	if (!folder->loaded || folder->stale ||
	    !msv_stamp_same(&folder->list, &delivery->list_before) ||
	    folder->list_end != delivery->list_before.size ||
	    folder->header.uidnext != delivery->first) {
		note_fresh(delivery);
		return;
	}
	if (merge(delivery) != 0) {
		for (; at < mails->n; at++)
			msv_mails_expunge(mails, &mails->mail[at]);
		folder->list = (struct msv_stamp){ 0 };
		note_fresh(delivery);
		return;
	}
	for (; at < mails->n; at++)
		msv_mails_show(mails, &mails->mail[at]);
	folder->list = delivery->list_after;
	folder->list_end = delivery->list_after.size;
	folder->list_records += delivery->n;
	folder->header.uidnext = delivery->first + (uint32_t)delivery->n;
	msv_folder_own_change(folder, &folder->new, &delivery->new_before, &delivery->new_after);
	msv_folder_own_change(folder, &folder->cur, &delivery->cur_before, &delivery->cur_after);
}

static void finish(struct msv_delivery *delivery, int error)
{
	struct msv_folder *folder = msv_folder_ref(delivery->folder);

	if (error && error != MSV_ERR_NOTFOUND && error != MSV_ERR_NOMEM)
		msv_folder_complain(
		    folder->place, delivery->what ? delivery->what : "delivery", error);
	if (!error) {
		delivery->uidvalidity = delivery->header.uidvalidity;
		delivery->first = delivery->header.uidnext;
		tell_folder(delivery);
		msv_folder_tell(folder);
	}
	msv_act_end(folder);
	delivery->done(delivery, error);
	msv_folder_unref(folder);
}

static void start(struct msv_delivery *delivery);

static void synced(void *user, int error)
{
	struct msv_delivery *delivery = user;

	if (!error && delivery->folder->stale)
		error = MSV_ERR_NOTFOUND;
	if (error)
		finish(delivery, error);
	else
		start(delivery);
}

static void worked(void *data)
{
	struct msv_delivery *delivery = data;
	int error = delivery->error;

	if (error == MSV_ERR_BUSY)
		error = msv_lock_wait_more(&delivery->wait);
	else if (error && delivery->needs_sync && !delivery->synced) {
		delivery->synced = true;
		error = msv_folder_sync(delivery->folder, true, synced, delivery);
	} else {
		finish(delivery, error);
		return;
	}
	if (error)
		finish(delivery, error);
}

static void start(struct msv_delivery *delivery)
{
	msv_lock_wait_prepare(&delivery->wait);
	if (msv_env_offload(delivery->env, MSV_LANE_DISK, work, worked, delivery) != 0)
		finish(delivery, MSV_ERR_NOMEM);
}

static void run_again(void *user)
{
	start(user);
}

static void turn(struct msv_act *act)
{
	struct msv_delivery *delivery = (struct msv_delivery *)act;

	if (delivery->folder->stale)
		finish(delivery, MSV_ERR_NOTFOUND);
	else
		start(delivery);
}

void msv_delivery_run(
    struct msv_delivery *delivery, void (*done)(struct msv_delivery *delivery, int error))
{
	delivery->done = done;
	delivery->act.turn = turn;
	msv_act_begin(delivery->folder, &delivery->act);
}

/* -- What is not wanted any more --------------------------------------------------------------- */

struct discard {
	struct msv_place *place;
	struct msv_env *env;
	struct msv_buf names;
};

static void discard_work(void *data)
{
	const struct discard *discard = data;
	const char *p = msv_buf_data(&discard->names), *end = p + msv_buf_len(&discard->names);
	int dir = msv_place_open(discard->place), temp;

	if (dir < 0)
		return;
	temp = msv_disk_dir(dir, "tmp");
	close(dir);
	if (temp < 0)
		return;
	for (; p < end; p += strlen(p) + 1)
		unlinkat(temp, p, 0);
	close(temp);
}

static void discard_done(void *data)
{
	struct discard *discard = data;

	msv_buf_fini(&discard->names);
	msv_place_unref(discard->place);
	msv_free(discard->env, discard);
}

void msv_discard_temp(struct msv_place *place, const char *name)
{
	int dir = msv_place_open(place), temp = dir < 0 ? dir : msv_disk_dir(dir, "tmp");

	if (temp >= 0) {
		unlinkat(temp, name, 0);
		close(temp);
	}
	if (dir >= 0)
		close(dir);
}

void msv_discard_temps(struct msv_place *place, struct msv_buf *names)
{
	struct discard here = { place, place->env, *names };
	struct discard *discard =
	    msv_buf_len(names) ? msv_alloc(place->env, sizeof(*discard)) : NULL;

	if (discard) {
		*discard = here;
		msv_place_ref(place);
		msv_buf_init(names, place->env);
		if (msv_env_offload(
		        place->env, MSV_LANE_DISK, discard_work, discard_done, discard) == 0)
			return;
		discard_work(discard);
		discard_done(discard);
	} else if (msv_buf_len(names)) {
		discard_work(&here);
	}
	msv_buf_fini(names);
}
