/* Giving keywords their letters in dovecot-keywords. */
#include "store/maildir.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

int msv_letters_add(int dir, char *const *word, size_t n, char *room, struct msv_keywords *table,
    struct msv_stamp *stamp)
{
	int fd = openat(dir, MSV_KEYWORDS, O_RDONLY | O_NOFOLLOW | O_CLOEXEC), error = 0;
	struct msv_keywords before;
	size_t got = 0;

	if (fd < 0 && errno != ENOENT)
		return msv_disk_error(errno);
	if (fd >= 0) {
		error = msv_disk_read(fd, 0, room, MSV_ROOM_SIZE, &got);
		close(fd);
	}
	if (error)
		return error;
	msv_keywords_parse(room, got, table);
	before = *table;
	for (size_t i = 0; i < n; i++) {
		int letter = msv_keywords_add(table, word[i]);
		if (letter < 0)
			return letter;
	}
	if (memcmp(&before, table, sizeof(before)) != 0)
		error = msv_disk_replace(
		    dir, MSV_KEYWORDS ".tmp", MSV_KEYWORDS, room, msv_keywords_format(table, room));
	return error ? error : msv_stamp_at(dir, MSV_KEYWORDS, stamp);
}

int msv_letters_add_locked(struct msv_lock_wait *wait, const struct msv_place *place,
    char *const *word, size_t n, char *room, struct msv_keywords *table, struct msv_stamp *stamp)
{
	struct msv_dotlock lock = { .fd = -1 };
	int dir = msv_place_open(place), error;

	if (dir < 0)
		return dir;
	error = msv_lock_wait_try(wait, dir, MSV_UIDLIST_LOCK, &lock);
	if (!error)
		error = msv_letters_add(dir, word, n, room, table, stamp);
	msv_dotlock_release(dir, MSV_UIDLIST_LOCK, &lock);
	close(dir);
	return error;
}
