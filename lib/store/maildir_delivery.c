/*
 * Deliveries, on the loop: filled in, given their turn at the folder - with all
 * that wait for the same - and answered once the folder in memory knows.  What
 * is done on disk is in maildir_deliver.c.
 */
#include "store/maildir.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* Deliveries that are made together. */
#define SHARE_MAX 64

/* -- Filling it in -------------------------------------------------------------------------- */

static void run_again(void *user);

int msv_delivery_init(struct msv_delivery *delivery, struct msv_folder *folder)
{
	*delivery = (struct msv_delivery){
		.folder = folder, .env = folder->env, .room_size = MSV_DELIVERY_ROOM
	};
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
		if (msv_parcel_name(parcel, text) != 0 || !msv_filename_parse(text, &name))
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
	if (msv_env_offload(delivery->env, MSV_LANE_DISK, msv_delivery_work, worked, delivery) != 0)
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

/* -- Without UIDs ------------------------------------------------------------------------------ */

/* A folder in memory had better know at once what comes; letters need the lock. */
bool msv_delivery_can_drop(const struct msv_delivery *delivery)
{
	if (delivery->folder->loaded || delivery->folder->stale || delivery->nwords)
		return false;
	for (size_t i = 0; i < delivery->n; i++) {
		if (delivery->parcel[i].flags)
			return false;
	}
	return true;
}

static void dropped(void *data)
{
	struct msv_delivery *delivery = data;
	struct msv_folder *folder = msv_folder_ref(delivery->folder);

	if (!delivery->error)
		msv_folder_tell(folder);
	answer(delivery, delivery->error);
	msv_folder_unref(folder);
}

int msv_delivery_start_drop(
    struct msv_delivery *delivery, void (*done)(struct msv_delivery *delivery, int error))
{
	delivery->done = done;
	return msv_env_offload(delivery->env, MSV_LANE_DISK, msv_delivery_drop, dropped, delivery);
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
