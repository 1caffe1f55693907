/* Folders: the mailboxes that are in memory, and the acts that take turns at
 * each. */
#include "store/maildir.h"

#include <string.h>
#include <strings.h>

/* What nobody uses is kept up to so many bytes: a client that asks for the
 * STATUS of all its mailboxes asks again soon. */
#define IDLE_MEMORY (32u << 20)

#define NO_NUMBER 255

/* -- The table ------------------------------------------------------------------------- */

static uint32_t hash_text(uint32_t hash, const char *s)
{
	do {
		hash = (hash ^ (unsigned char)*s) * 16777619u;
	} while (*s++);
	return hash;
}

static uint32_t place_hash(const struct msv_place *place)
{
	return hash_text(
	    hash_text(hash_text(2166136261u, place->base), place->account), place->folder);
}

struct msv_folder *msv_folder_find(struct msv_maildir *maildir, const struct msv_place *place)
{
	uint32_t hash = place_hash(place);
	struct msv_folder *folder = maildir->ntable ? maildir->table[hash % maildir->ntable] : NULL;

	while (folder && (folder->hash != hash || !msv_place_same(folder->place, place)))
		folder = folder->hash_next;
	return folder;
}

/* Makes the table as big as what it holds.  Without memory it is just slower,
 * unless there is none yet. */
static int grow_table(struct msv_maildir *maildir)
{
	size_t n = maildir->ntable ? maildir->ntable * 2 : 64;
	struct msv_folder **table;

	if (maildir->nfolders < maildir->ntable)
		return 0;
	table = msv_alloc(maildir->env, n * sizeof(*table));
	if (!table)
		return maildir->ntable ? 0 : MSV_ERR_NOMEM;
	for (size_t i = 0; i < maildir->ntable; i++) {
		for (struct msv_folder *folder = maildir->table[i], *next; folder; folder = next) {
			next = folder->hash_next;
			folder->hash_next = table[folder->hash % n];
			table[folder->hash % n] = folder;
		}
	}
	msv_free(maildir->env, maildir->table);
	maildir->table = table;
	maildir->ntable = n;
	return 0;
}

static void table_remove(struct msv_folder *folder)
{
	struct msv_maildir *maildir = folder->maildir;
	struct msv_folder **at;

	if (!folder->known)
		return;
	at = &maildir->table[folder->hash % maildir->ntable];
	while (*at != folder)
		at = &(*at)->hash_next;
	*at = folder->hash_next;
	maildir->nfolders--;
	folder->known = false;
}

static void run_turn(struct msv_task *task)
{
	struct msv_folder *folder =
	    (struct msv_folder *)((char *)task - offsetof(struct msv_folder, turn));

	folder->acts->turn(folder->acts);
}

static struct msv_folder *folder_new(struct msv_maildir *maildir, struct msv_place *place)
{
	struct msv_folder *folder = msv_alloc(maildir->env, sizeof(*folder));

	if (!folder || grow_table(maildir) != 0) {
		msv_free(maildir->env, folder);
		return NULL;
	}
	folder->maildir = msv_maildir_ref(maildir);
	folder->env = maildir->env;
	folder->place = msv_place_ref(place);
	folder->hash = place_hash(place);
	folder->acts_end = &folder->acts;
	folder->turn.fn = run_turn;
	memset(folder->number, NO_NUMBER, sizeof(folder->number));
	msv_mails_init(&folder->mails, maildir->env, 0);
	msv_uidset_builder_init(&folder->fresh, maildir->env);
	folder->hash_next = maildir->table[folder->hash % maildir->ntable];
	maildir->table[folder->hash % maildir->ntable] = folder;
	maildir->nfolders++;
	folder->known = true;
	return folder;
}

/* -- References ---------------------------------------------------------------------------- */

static void idle_remove(struct msv_folder *folder)
{
	struct msv_maildir *maildir = folder->maildir;

	if (!folder->idle)
		return;
	*(folder->idle_prev ? &folder->idle_prev->idle_next : &maildir->idle_first) =
	    folder->idle_next;
	*(folder->idle_next ? &folder->idle_next->idle_prev : &maildir->idle_last) =
	    folder->idle_prev;
	folder->idle_next = folder->idle_prev = NULL;
	maildir->idle_memory -= folder->idle_memory;
	folder->idle = false;
}

static void idle_add(struct msv_folder *folder)
{
	struct msv_maildir *maildir = folder->maildir;

	folder->idle_memory = sizeof(*folder) + msv_mails_memory(&folder->mails);
	folder->idle_next = maildir->idle_first;
	*(maildir->idle_first ? &maildir->idle_first->idle_prev : &maildir->idle_last) = folder;
	maildir->idle_first = folder;
	maildir->idle_memory += folder->idle_memory;
	folder->idle = true;
}

static void destroy(struct msv_folder *folder)
{
	struct msv_env *env = folder->env;
	struct msv_maildir *maildir = folder->maildir;

	idle_remove(folder);
	table_remove(folder);
	msv_env_undefer(env, &folder->turn);
	msv_mails_fini(&folder->mails);
	msv_uidset_builder_fini(&folder->fresh);
	for (size_t i = 0; i < 64; i++)
		msv_free(env, folder->keyword[i]);
	msv_free(env, folder->letters);
	msv_place_unref(folder->place);
	msv_free(env, folder);
	msv_maildir_unref(maildir);
}

struct msv_folder *msv_folder_get(struct msv_maildir *maildir, struct msv_place *place)
{
	struct msv_folder *folder = msv_folder_find(maildir, place);

	if (!folder)
		folder = folder_new(maildir, place);
	return folder ? msv_folder_ref(folder) : NULL;
}

struct msv_folder *msv_folder_ref(struct msv_folder *folder)
{
	idle_remove(folder);
	folder->refs++;
	return folder;
}

void msv_folder_unref(struct msv_folder *folder)
{
	struct msv_maildir *maildir;

	if (!folder || --folder->refs > 0)
		return;
	maildir = folder->maildir;
	if ((!folder->loaded && !folder->fresh.n) || !folder->known || maildir->freed) {
		destroy(folder);
		return;
	}
	idle_add(folder);
	msv_folder_trim(maildir, IDLE_MEMORY);
}

void msv_folder_trim(struct msv_maildir *maildir, size_t memory)
{
	/* Each folder holds a reference on the maildir, the last one too. */
	msv_maildir_ref(maildir);
	while (maildir->idle_last && maildir->idle_memory > memory)
		destroy(maildir->idle_last);
	msv_maildir_unref(maildir);
}

void msv_folder_go_stale(struct msv_folder *folder)
{
	table_remove(folder);
	if (folder->stale)
		return;
	folder->stale = true;
	for (size_t i = 0; i < folder->mails.n; i++)
		msv_mails_expunge(&folder->mails, &folder->mails.mail[i]);
	msv_folder_tell(folder);
	if (folder->idle)
		destroy(folder);
}

/* -- Acts ------------------------------------------------------------------------------------ */

void msv_act_begin(struct msv_folder *folder, struct msv_act *act)
{
	msv_folder_ref(folder);
	act->next = NULL;
	*folder->acts_end = act;
	folder->acts_end = &act->next;
	if (folder->acts == act)
		msv_env_defer(folder->env, &folder->turn);
}

void msv_act_end(struct msv_folder *folder)
{
	folder->acts = folder->acts->next;
	if (folder->acts)
		msv_env_defer(folder->env, &folder->turn);
	else
		folder->acts_end = &folder->acts;
	msv_folder_unref(folder);
}

void msv_act_share(struct msv_folder *folder)
{
	struct msv_act *first = folder->acts;

	first->next = first->next->next;
	if (!first->next)
		folder->acts_end = &first->next;
}

/* -- Keywords ----------------------------------------------------------------------------------- */

/* The number of a name: the one it has, or a free one, of the letter's own if
 * that is free.  NO_NUMBER: there is none. */
static uint8_t number_for(struct msv_folder *folder, const char *name, unsigned letter)
{
	uint8_t free_number = NO_NUMBER;

	for (uint8_t i = 0; i < 64; i++) {
		if (folder->keyword[i] && strcasecmp(folder->keyword[i], name) == 0)
			return i;
		if (!folder->keyword[i] && (free_number == NO_NUMBER || i == letter))
			free_number = i;
	}
	return free_number;
}

/* Messages with the letter have another keyword now. */
static void touch_letter(struct msv_folder *folder, unsigned letter)
{
	for (size_t i = 0; i < folder->mails.n; i++) {
		struct msv_mail *mail = &folder->mails.mail[i];
		if (msv_mail_shown(mail) && mail->letters >> letter & 1)
			mail->modseq = ++folder->mails.modseq;
	}
}

static int set_letter(struct msv_folder *folder, unsigned letter, const char *name)
{
	uint8_t number = *name ? number_for(folder, name, letter) : NO_NUMBER;

	if (number != NO_NUMBER && !folder->keyword[number]) {
		folder->keyword[number] = msv_strdup(folder->env, name);
		if (!folder->keyword[number])
			return MSV_ERR_NOMEM;
	}
	if (folder->number[letter] != number) {
		folder->number[letter] = number;
		touch_letter(folder, letter);
	}
	return 0;
}

int msv_folder_set_letters(struct msv_folder *folder, const struct msv_keywords *letters)
{
	if (!folder->letters)
		folder->letters = msv_alloc(folder->env, sizeof(*folder->letters));
	if (!folder->letters)
		return MSV_ERR_NOMEM;
	for (unsigned i = 0; i < MSV_MAX_LETTERS; i++) {
		int error = set_letter(folder, i, letters->name[i]);
		if (error)
			return error;
		memcpy(folder->letters->name[i], letters->name[i], MSV_KEYWORD_SIZE);
	}
	return 0;
}

uint64_t msv_folder_numbers(const struct msv_folder *folder, uint32_t letters)
{
	uint64_t numbers = 0;

	for (unsigned i = 0; letters; i++, letters >>= 1) {
		if (letters & 1 && folder->number[i] != NO_NUMBER)
			numbers |= UINT64_C(1) << folder->number[i];
	}
	return numbers;
}

void msv_folder_set_id(struct msv_folder *folder)
{
	const char *guid = folder->header.guid;

	/* RFC 8474 4: letters, digits, '_' and '-'. */
	folder->mailbox_id[0] = '\0';
	if (!*guid || guid[strspn(guid, "0123456789abcdefABCDEF")])
		return;
	folder->mailbox_id[0] = 'F';
	memcpy(folder->mailbox_id + 1, guid, strlen(guid) + 1);
}

/* -- What others ask ------------------------------------------------------------------------------ */

void msv_folder_own_change(struct msv_folder *folder, struct msv_watched_dir *dir,
    const struct msv_stamp *before, const struct msv_stamp *after)
{
	uint64_t at = msv_env_now(folder->env) + 2000 + 10 * folder->scan_ms;

	if (!msv_stamp_same(&dir->stamp, before))
		return;
	/* What others did between the two looks, or within the grain of the time
	 * stamps, is found by the next scan, which need not come at once. */
	if (!msv_stamp_same(before, after) && (!dir->recheck_at || dir->recheck_at > at))
		dir->recheck_at = at;
	dir->stamp = *after;
}

int msv_folder_path(const struct msv_mail *mail, struct msv_buf *out)
{
	char usual[MSV_INFO_SIZE];

	msv_buf_puts(out, mail->state & MSV_MAIL_NEW ? "new/" : "cur/");
	msv_buf_puts(out, mail->name);
	msv_buf_puts(out, msv_mail_info(mail, usual));
	return msv_buf_putc(out, '\0');
}

void msv_folder_complain(const struct msv_place *place, const char *what, int error)
{
	msv_env_log(place->env, MSV_LOG_WARN, "maildir %s/%s/%s: %s: %s", place->base,
	    place->account, place->folder, what, msv_strerror(error));
}

struct msv_mailbox_status msv_folder_status(const struct msv_folder *folder)
{
	struct msv_mailbox_status status = {
		.size = sizeof(status),
		.uidvalidity = folder->header.uidvalidity,
		.uidnext = folder->header.uidnext,
		.messages = (uint32_t)folder->mails.alive,
		.recent = (uint32_t)folder->mails.fresh,
		.mailbox_id = *folder->mailbox_id ? folder->mailbox_id : NULL,
	};

	for (size_t i = 0; i < folder->mails.n; i++) {
		const struct msv_mail *mail = &folder->mails.mail[i];
		uint64_t octets;
		if (!msv_mail_shown(mail))
			continue;
		status.unseen += !(mail->flags & MSV_FLAG_SEEN);
		status.deleted += (mail->flags & MSV_FLAG_DELETED) != 0;
		if (mail->state & MSV_MAIL_SIZED ||
		    !msv_filename_size(mail->name, strlen(mail->name), 'W', &octets))
			octets = mail->octets;
		status.octets += octets;
	}
	return status;
}
