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
#include "store/beneath.h"
#include "store/maildir.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

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
	uint64_t from = size > MSV_DELIVERY_ROOM ? size - MSV_DELIVERY_ROOM : 0;
	const char *p = delivery->room, *end, *first;
	uint32_t last;
	size_t got;
	int error = msv_disk_read(desk->list, from, delivery->room, MSV_DELIVERY_ROOM, &got);

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

int msv_parcel_name(const struct msv_parcel *parcel, char out[MSV_FILENAME_SIZE])
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
	int error = msv_parcel_name(parcel, name), to = *parcel->info ? desk->cur : desk->fresh;

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
		if (msv_parcel_name(parcel, name) == 0)
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

void msv_delivery_work(void *data)
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

/* -- Without UIDs ------------------------------------------------------------------------------ */

/* Opens tmp or new by its path: one walk instead of one for each step. */
static int open_by_path(const struct msv_place *place, const char *name)
{
	char path[PATH_MAX];
	int n = snprintf(path, sizeof(path), "%s%s%s/%s", place->account, *place->folder ? "/" : "",
	    place->folder, name);
	int base, fd;

	if (n < 0 || (size_t)n >= sizeof(path))
		return MSV_ERR_LIMIT;
	base = msv_place_base(place);
	if (base < 0 && base != AT_FDCWD)
		return base;
	fd = msv_beneath_open(base, path, O_RDONLY | O_DIRECTORY, 0);
	if (fd < 0)
		fd = msv_disk_error(errno);
	if (base >= 0)
		close(base);
	return fd;
}

/* The mailbox may have to be made, or something of it be missing. */
static int open_part_anyway(const struct msv_place *place, const char *name)
{
	int fd = open_by_path(place, name), dir;

	if (fd != MSV_ERR_NOTFOUND)
		return fd;
	dir = msv_place_open(place);
	if (dir < 0)
		return dir;
	fd = msv_disk_dir(dir, name);
	if (fd == MSV_ERR_NOTFOUND && mkdirat(dir, name, 0700) == 0)
		fd = msv_disk_dir(dir, name);
	close(dir);
	return fd;
}

/* Moves the parcels into new/, durably, all or none. */
static int drop_all(struct msv_delivery *delivery, struct desk *desk)
{
	int error = place_all(delivery, desk);

	if (error)
		return error;
	error = failed(delivery, msv_disk_sync_dir(desk->fresh), "cannot sync");
	if (error)
		take_back(delivery, desk, delivery->n);
	return error;
}

void msv_delivery_drop(void *data)
{
	struct msv_delivery *delivery = data;
	const struct msv_place *place = delivery->folder->place;
	struct desk desk = { -1, -1, -1, -1, -1, { .fd = -1 }, false, false };
	int error = 0;

	delivery->what = NULL;
	desk.temp = open_part_anyway(place, "tmp");
	if (desk.temp < 0)
		error = failed(delivery, desk.temp, "cannot open the mailbox");
	if (!error && delivery->write)
		error = failed(
		    delivery, delivery->write(delivery, desk.temp), "cannot write a message");
	if (!error) {
		desk.fresh = open_part_anyway(place, "new");
		error = desk.fresh < 0 ? failed(delivery, desk.fresh, "cannot open the mailbox")
		                       : drop_all(delivery, &desk);
	}
	close_desk(&desk);
	delivery->error = error;
}
