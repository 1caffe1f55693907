/*
 * Making messages that lie in tmp/ appear, all or none, with their UIDs.
 *
 * Under the lock of the uidlist: files are renamed into new/ or cur/, then the
 * records are appended, because to a reader that comes in between a file without
 * a record is just new, but a record without a file is an expunged message.  Then
 * the list and the directories are synced: one right after the other, for most
 * file systems make all of it durable at once.  Should a crash leave the record
 * alone, nobody was told of the message, and its UID is not used again.
 *
 * Deliveries to one folder that wait while another is under way are then made
 * together, for one lock and one sync.  Of the uidlist only the begin and the end
 * are read, or nothing when it is as the last delivery left it: a full mailbox
 * costs no more than an empty one, and need not be in memory.
 */
#include "store/maildir.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* For the header and the last records of a list, and for new ones. */
#define SMALL_ROOM ((size_t)4 * MSV_UIDLIST_LINE)
/* Deliveries that are made together. */
#define SHARE_MAX  64

/* -- Filling it in -------------------------------------------------------------------------- */

static void run_again(void *user);

int msv_delivery_init(struct msv_delivery *delivery, struct msv_folder *folder)
{
	*delivery =
	    (struct msv_delivery){ .folder = folder, .env = folder->env, .room_size = SMALL_ROOM };
	delivery->room = msv_alloc(delivery->env, delivery->room_size);
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
	msv_free(env, delivery->letters);
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

/* What is needed for the first word. */
static int prepare_words(struct msv_delivery *delivery)
{
	char *room;

	if (delivery->letters)
		return 0;
	room = msv_alloc(delivery->env, MSV_ROOM_SIZE);
	if (!room)
		return MSV_ERR_NOMEM;
	msv_free(delivery->env, delivery->room);
	delivery->room = room;
	delivery->room_size = MSV_ROOM_SIZE;
	delivery->letters = msv_alloc(delivery->env, sizeof(*delivery->letters));
	return delivery->letters ? 0 : MSV_ERR_NOMEM;
}

int msv_delivery_keyword(struct msv_delivery *delivery, struct msv_parcel *parcel, const char *name)
{
	size_t i = 0;

	while (i < delivery->nwords && strcasecmp(delivery->word[i], name) != 0)
		i++;
	if (i == MSV_DELIVERY_WORDS)
		return MSV_ERR_LIMIT;
	if (i == delivery->nwords) {
		int error = prepare_words(delivery);
		if (error)
			return error;
		delivery->word[i] = msv_strdup(delivery->env, name);
		if (!delivery->word[i])
			return MSV_ERR_NOMEM;
		delivery->nwords++;
	}
	parcel->words |= UINT64_C(1) << i;
	return 0;
}

/* -- The job ----------------------------------------------------------------------------------- */

/* The directories it works in, -1 while they are not open. */
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

/* Opens tmp, new or cur, once. */
static int open_part(
    struct msv_delivery *delivery, const struct desk *desk, int *fd, const char *name)
{
	if (*fd >= 0)
		return 0;
	*fd = msv_disk_dir(desk->dir, name);
	if (*fd >= 0)
		return 0;
	delivery->needs_sync = true;
	return failed(delivery, MSV_ERR_IO, "tmp, new or cur cannot be opened");
}

static int open_desk(struct msv_delivery *delivery, struct desk *desk)
{
	int error;

	desk->dir = msv_place_open(delivery->folder->place);
	if (desk->dir < 0)
		return failed(delivery, desk->dir, "cannot open the mailbox");
	error = open_part(delivery, desk, &desk->temp, "tmp");
	if (!error && delivery->write) {
		error = failed(
		    delivery, delivery->write(delivery, desk->temp), "cannot write a message");
		delivery->write = NULL;
	}
	if (error)
		return error;
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
	uint64_t from = size > SMALL_ROOM ? size - SMALL_ROOM : 0;
	const char *p = delivery->room, *end, *first;
	uint32_t last;
	size_t got;
	int error = msv_disk_read(desk->list, from, delivery->room, SMALL_ROOM, &got);

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
	return delivery->header.uidnext ? 0 : MSV_ERR_LIMIT;
}

/* The header as it is, but for uidnext, which is found where it is true. */
static int read_list(struct msv_delivery *delivery, const struct desk *desk)
{
	int error;

	if (msv_stamp_same(&delivery->list_before, &delivery->tail)) {
		delivery->header = delivery->tail_header;
		return 0;
	}
	error = read_header(delivery, desk);
	return error ? error : read_end(delivery, desk);
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
		error = read_list(delivery, desk);
	delivery->needs_sync = error == MSV_ERR_FORMAT;
	return failed(delivery, error, MSV_UIDLIST);
}

static void make_info(const struct msv_delivery *delivery, struct msv_parcel *parcel)
{
	uint32_t letters = 0;

	for (size_t i = 0; i < delivery->nwords; i++) {
		if (parcel->words >> i & 1)
			letters |= 1u << msv_keywords_find(delivery->letters, delivery->word[i]);
	}
	parcel->info[0] = '\0';
	if (parcel->flags || letters)
		msv_filename_info(parcel->flags, letters, parcel->info);
}

/* The name a parcel gets; 0 or MSV_ERR_LIMIT. */
static int final_name(const struct msv_parcel *parcel, char out[MSV_FILENAME_SIZE])
{
	size_t base = strlen(parcel->base), info = strlen(parcel->info);

	if (base + info >= MSV_FILENAME_SIZE)
		return MSV_ERR_LIMIT;
	memcpy(out, parcel->base, base);
	memcpy(out + base, parcel->info, info + 1);
	return 0;
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

/* new/ and cur/, as far as they are needed. */
static int open_targets(struct msv_delivery *delivery, struct desk *desk)
{
	bool fresh = delivery->watched, cur = delivery->watched;
	int error = 0;

	for (const struct msv_delivery *d = delivery; d; d = d->share) {
		for (size_t i = 0; i < d->n; i++)
			*(*d->parcel[i].info ? &cur : &fresh) = true;
	}
	if (fresh)
		error = open_part(delivery, desk, &desk->fresh, "new");
	if (!error && cur)
		error = open_part(delivery, desk, &desk->cur, "cur");
	return error;
}

/* Moves all parcels of one delivery out of tmp/, or none. */
static int place_all(struct msv_delivery *delivery, struct desk *desk)
{
	size_t placed = 0;
	int error = 0;

	for (; !error && placed < delivery->n; placed++) {
		error = place_parcel(desk, &delivery->parcel[placed]);
		if (placed % 1024 == 1023)
			msv_dotlock_touch(&desk->lock);
	}
	if (error)
		take_back(delivery, desk, placed - 1);
	return failed(delivery, error, "cannot move messages out of tmp");
}

/* Writes out the records that wait. */
static int flush_records(struct msv_delivery *first, const struct desk *desk)
{
	int error = msv_disk_write(desk->list, first->room, first->used);

	first->used = 0;
	return error;
}

/* One more record into the room of the first delivery. */
static int put_record(struct msv_delivery *first, const struct desk *desk,
    const struct msv_parcel *parcel, uint32_t uid)
{
	char keys[MSV_FILENAME_SIZE + 1] = "";
	struct msv_uidlist_record record = {
		.uid = uid,
		.base = { parcel->base, strlen(parcel->base) },
	};
	size_t n;

	if (parcel->guid && strlen(parcel->guid) < MSV_FILENAME_SIZE)
		snprintf(keys, sizeof(keys), "G%s", parcel->guid);
	record.keys = (struct msv_span){ keys, strlen(keys) };
	if (first->used + MSV_UIDLIST_LINE > first->room_size) {
		int error = flush_records(first, desk);
		if (error)
			return error;
	}
	n = msv_uidlist_format_record(
	    &record, first->room + first->used, first->room_size - first->used);
	first->used += n;
	return n ? 0 : MSV_ERR_LIMIT;
}

/* The records of all that was placed. */
static int put_records(struct msv_delivery *first, const struct desk *desk)
{
	int error = 0;

	first->used = 0;
	for (const struct msv_delivery *d = first; d; d = d->share) {
		for (size_t i = 0; !error && !d->error && i < d->n; i++)
			error = put_record(first, desk, &d->parcel[i], d->first + (uint32_t)i);
	}
	if (!error)
		error = flush_records(first, desk);
	return failed(first, error, MSV_UIDLIST);
}

static int sync_all(struct msv_delivery *first, const struct desk *desk)
{
	int error = msv_disk_sync(desk->list);

	if (!error && desk->used_fresh)
		error = msv_disk_sync_dir(desk->fresh);
	if (!error && desk->used_cur)
		error = msv_disk_sync_dir(desk->cur);
	if (!error)
		error = msv_stamp_fd(desk->list, &first->list_after);
	return failed(first, error, "cannot sync");
}

/* The stamps of new/ and cur/, if anybody wants them. */
static void stamp_targets(const struct desk *desk, struct msv_stamp *fresh, struct msv_stamp *cur)
{
	if (desk->fresh >= 0)
		msv_stamp_fd(desk->fresh, fresh);
	if (desk->cur >= 0)
		msv_stamp_fd(desk->cur, cur);
}

/* Gives every delivery its UIDs and places its parcels; one that fails fails
 * alone.  The error of the last when none was placed. */
static int place_each(struct msv_delivery *first, struct desk *desk)
{
	uint32_t next = first->header.uidnext;
	int error = MSV_ERR_LIMIT;
	bool any = false;

	for (struct msv_delivery *d = first; d; d = d->share) {
		d->first = next;
		d->error = UINT32_MAX - next < d->n ? MSV_ERR_LIMIT : place_all(d, desk);
		if (d->error) {
			error = d->error;
			continue;
		}
		next += (uint32_t)d->n;
		any = true;
	}
	first->header.uidnext = next;
	return any ? 0 : error;
}

/* Nothing has happened. */
static void undo_all(struct msv_delivery *first, const struct desk *desk)
{
	if (ftruncate(desk->list, (off_t)first->list_before.size) != 0)
		first->what = "cannot take back records of the uidlist";
	for (const struct msv_delivery *d = first; d; d = d->share) {
		if (!d->error)
			take_back(d, desk, d->n);
	}
}

static int deliver_all(struct msv_delivery *first, struct desk *desk)
{
	int error = open_targets(first, desk);

	if (error)
		return error;
	if (first->watched)
		stamp_targets(desk, &first->new_before, &first->cur_before);
	error = place_each(first, desk);
	if (error)
		return error;
	error = put_records(first, desk);
	if (!error)
		error = sync_all(first, desk);
	if (error)
		undo_all(first, desk);
	else if (first->watched)
		stamp_targets(desk, &first->new_after, &first->cur_after);
	return error;
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
		        delivery->letters, &delivery->keywords_after),
		    MSV_KEYWORDS);
	if (!error) {
		for (struct msv_delivery *d = delivery; d; d = d->share) {
			for (size_t i = 0; i < d->n; i++)
				make_info(d, &d->parcel[i]);
		}
		error = deliver_all(delivery, &desk);
	}
	close_desk(&desk);
	for (struct msv_delivery *d = delivery; error && d; d = d->share)
		d->error = error;
}

/* -- What comes of it ------------------------------------------------------------------------- */

/* The folder in memory learns of the messages: 0, or MSV_ERR_NOMEM half way. */
static int merge(const struct msv_delivery *delivery)
{
	struct msv_folder *folder = delivery->folder;
	struct msv_mails *mails = &folder->mails;

	if (delivery->nwords) {
		int error = msv_folder_set_letters(folder, delivery->letters);
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
static void note_fresh(const struct msv_delivery *first)
{
	struct msv_uidset_builder *fresh = &first->folder->fresh;

	for (const struct msv_delivery *d = first; d; d = d->share) {
		if (!d->error && d->n)
			msv_uidset_add(fresh, d->first, d->first + (uint32_t)d->n - 1);
	}
	msv_uidset_finish(fresh);
}

/* Nobody was there since the folder looked. */
static bool is_current(const struct msv_delivery *first)
{
	const struct msv_folder *folder = first->folder;

	return folder->loaded && !folder->stale && first->watched &&
	       msv_stamp_same(&folder->list, &first->list_before) &&
	       folder->list_end == first->list_before.size &&
	       folder->header.uidnext == first->first;
}

/* Tells the folder in memory, unless others were there too since it looked:
 * then the next look finds it all. */
static void tell_folder(const struct msv_delivery *first)
{
	struct msv_folder *folder = first->folder;
	struct msv_mails *mails = &folder->mails;
	size_t before = mails->n, at = before;
	int error = is_current(first) ? 0 : MSV_ERR_STALE;

	for (const struct msv_delivery *d = first; d && !error; d = d->share)
		error = d->error ? 0 : merge(d);
	if (error) {
		if (error != MSV_ERR_STALE)
			folder->list = (struct msv_stamp){ 0 };
		for (; at < mails->n; at++)
			msv_mails_expunge(mails, &mails->mail[at]);
		note_fresh(first);
		return;
	}
	for (; at < mails->n; at++)
		msv_mails_show(mails, &mails->mail[at]);
	folder->list = first->list_after;
	folder->list_end = first->list_after.size;
	folder->list_records += mails->n - before;
	folder->header.uidnext = first->header.uidnext;
	msv_folder_own_change(folder, &folder->new, &first->new_before, &first->new_after);
	msv_folder_own_change(folder, &folder->cur, &first->cur_before, &first->cur_after);
}

/* The next delivery finds the list as this one left it. */
static void keep_tail(struct msv_delivery *first)
{
	struct msv_folder *folder = first->folder;

	folder->tail = first->list_after;
	folder->tail_header = first->header;
}

static void answer(struct msv_delivery *delivery, int error)
{
	if (error && error != MSV_ERR_NOTFOUND && error != MSV_ERR_NOMEM)
		msv_folder_complain(
		    delivery->folder->place, delivery->what ? delivery->what : "delivery", error);
	delivery->done(delivery, error);
}

/* All that share the turn are through; error: none of them came about. */
static void finish(struct msv_delivery *first, int error)
{
	struct msv_folder *folder = msv_folder_ref(first->folder);
	uint32_t uidvalidity = first->header.uidvalidity;

	if (!error) {
		keep_tail(first);
		tell_folder(first);
		msv_folder_tell(folder);
	}
	msv_act_end(folder);
	for (struct msv_delivery *d = first, *next; d; d = next) {
		next = d->share;
		d->uidvalidity = uidvalidity;
		answer(d, error ? error : d->error);
		if (next)
			msv_folder_unref(folder); /* for the act that shared the turn */
	}
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

/* What one that fails alone failed with is its own. */
static bool any_placed(const struct msv_delivery *first)
{
	while (first && first->error)
		first = first->share;
	return first != NULL;
}

static void worked(void *data)
{
	struct msv_delivery *delivery = data;
	int error = any_placed(delivery) ? 0 : delivery->error;

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
	const struct msv_folder *folder = delivery->folder;

	delivery->tail = folder->tail;
	delivery->tail_header = folder->tail_header;
	delivery->watched = folder->loaded;
	msv_lock_wait_prepare(&delivery->wait);
	if (msv_env_offload(delivery->env, MSV_LANE_DISK, work, worked, delivery) != 0)
		finish(delivery, MSV_ERR_NOMEM);
}

static void run_again(void *user)
{
	start(user);
}

static void turn(struct msv_act *act);

/* Those that wait for the same come along.  One with words has enough to do. */
static void gather(struct msv_delivery *first)
{
	struct msv_delivery **end = &first->share, *next;

	for (unsigned n = 1; n < SHARE_MAX && !first->nwords; n++) {
		next = (struct msv_delivery *)first->act.next;
		if (!next || next->act.turn != turn || next->nwords)
			break;
		msv_act_share(first->folder);
		*end = next;
		end = &next->share;
	}
}

static void turn(struct msv_act *act)
{
	struct msv_delivery *delivery = (struct msv_delivery *)act;

	gather(delivery);
	if (delivery->folder->stale)
		finish(delivery, MSV_ERR_NOTFOUND);
	else
		start(delivery);
}

void msv_delivery_run(
    struct msv_delivery *delivery, void (*done)(struct msv_delivery *delivery, int error))
{
	delivery->done = done;
	delivery->share = NULL;
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
