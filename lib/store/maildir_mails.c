/* The messages of a folder in memory: an array by UID, a hash table by the base
 * of the file's name, and the history of what went away. */
#include "store/maildir.h"

#include <string.h>

/* So many ranges of UIDs that went away are remembered. */
enum { MAX_HISTORY = 16384 };

void msv_mails_init(struct msv_mails *mails, struct msv_env *env, uint64_t modseq)
{
	*mails = (struct msv_mails){ .env = env, .modseq = modseq, .horizon = modseq };
	msv_arena_init(&mails->names, env);
}

void msv_mails_fini(struct msv_mails *mails)
{
	msv_free(mails->env, mails->mail);
	msv_free(mails->env, mails->slots);
	msv_free(mails->env, mails->gone);
	msv_arena_fini(&mails->names);
	msv_mails_init(mails, mails->env, mails->modseq);
}

size_t msv_mails_memory(const struct msv_mails *mails)
{
	return mails->cap * sizeof(*mails->mail) + mails->nslots * sizeof(*mails->slots) +
	       mails->gone_cap * sizeof(*mails->gone) + mails->names.bytes;
}

/* -- Names -------------------------------------------------------------------------------- */

/* FNV-1a. */
static uint32_t hash_of(struct msv_span base)
{
	uint32_t hash = 2166136261u;

	for (size_t i = 0; i < base.n; i++)
		hash = (hash ^ (unsigned char)base.p[i]) * 16777619u;
	return hash;
}

/* Base, keys and (may be NULL) info behind one another. */
static char *name_new(
    struct msv_arena *names, struct msv_span base, struct msv_span keys, const char *info)
{
	size_t ninfo = info ? strlen(info) + 1 : 0, n = base.n + keys.n + 2 + ninfo;
	char text[MSV_UIDLIST_LINE + MSV_FILENAME_SIZE] = { 0 };

	if (n > sizeof(text))
		return NULL;
	memcpy(text, base.p, base.n);
	if (keys.n)
		memcpy(text + base.n + 1, keys.p, keys.n);
	if (ninfo)
		memcpy(text + base.n + keys.n + 2, info, ninfo);
	return msv_arena_strndup(names, text, n - 1);
}

const char *msv_mail_keys(const struct msv_mail *mail)
{
	return mail->name + strlen(mail->name) + 1;
}

/* The info that is kept with the name, or NULL. */
static const char *kept_info(const struct msv_mail *mail)
{
	const char *keys;

	if (!(mail->state & MSV_MAIL_INFO))
		return NULL;
	keys = msv_mail_keys(mail);
	return keys + strlen(keys) + 1;
}

/* The info that needs not be kept: plain, and none in new/ without flags. */
static void usual_info(bool in_new, uint32_t flags, uint32_t letters, char info[MSV_INFO_SIZE])
{
	info[0] = '\0';
	if (!in_new || flags || letters)
		msv_filename_info(flags, letters, info);
}

const char *msv_mail_info(const struct msv_mail *mail, char usual[MSV_INFO_SIZE])
{
	const char *info = kept_info(mail);

	if (info)
		return info;
	usual_info(mail->state & MSV_MAIL_NEW, mail->flags, mail->letters, usual);
	return usual;
}

static size_t name_size(const struct msv_mail *mail)
{
	const char *info = kept_info(mail), *keys = msv_mail_keys(mail);

	return (size_t)(keys - mail->name) + strlen(keys) + 1 + (info ? strlen(info) + 1 : 0);
}

/* Gives a message's name another info; NULL: the usual one. */
static int set_info(struct msv_mails *mails, struct msv_mail *mail, const char *info)
{
	const char *old = kept_info(mail), *keys = msv_mail_keys(mail);
	size_t before = name_size(mail);

	if (info ? old && strcmp(old, info) == 0 : !old)
		return 0;
	if (info) {
		char *name =
		    name_new(&mails->names, (struct msv_span){ mail->name, strlen(mail->name) },
		        (struct msv_span){ keys, strlen(keys) }, info);
		if (!name)
			return MSV_ERR_NOMEM;
		mail->name = name;
		mail->state |= MSV_MAIL_INFO;
	} else {
		mail->state &= (uint16_t)~MSV_MAIL_INFO;
	}
	mails->names_live += name_size(mail);
	mails->names_live -= before;
	return 0;
}

/* -- The hash table ------------------------------------------------------------------------ */

static void put_slot(struct msv_mails *mails, size_t index)
{
	size_t at = mails->mail[index].hash & (mails->nslots - 1);

	while (mails->slots[at])
		at = (at + 1) & (mails->nslots - 1);
	mails->slots[at] = (uint32_t)index + 1;
}

/* Makes a table that n messages fit in.  0 or MSV_ERR_NOMEM. */
static int rebuild_slots(struct msv_mails *mails, size_t n)
{
	size_t nslots = 16;
	uint32_t *slots;

	while (nslots < n * 2)
		nslots *= 2;
	slots = msv_alloc(mails->env, nslots * sizeof(*slots));
	if (!slots)
		return MSV_ERR_NOMEM;
	msv_free(mails->env, mails->slots);
	mails->slots = slots;
	mails->nslots = nslots;
	for (size_t i = 0; i < mails->n; i++) {
		if (!(mails->mail[i].state & MSV_MAIL_GONE))
			put_slot(mails, i);
	}
	return 0;
}

struct msv_mail *msv_mails_by_base(const struct msv_mails *mails, struct msv_span base)
{
	uint32_t hash = hash_of(base);

	if (!mails->nslots)
		return NULL;
	for (size_t at = hash & (mails->nslots - 1); mails->slots[at];
	     at = (at + 1) & (mails->nslots - 1)) {
		struct msv_mail *mail = &mails->mail[mails->slots[at] - 1];
		if (mail->hash == hash && !(mail->state & MSV_MAIL_GONE) &&
		    strlen(mail->name) == base.n && memcmp(mail->name, base.p, base.n) == 0)
			return mail;
	}
	return NULL;
}

/* -- The array ------------------------------------------------------------------------------- */

size_t msv_mails_from(const struct msv_mails *mails, uint32_t uid)
{
	size_t low = 0, high = mails->n;

	while (low < high) {
		size_t middle = low + (high - low) / 2;
		if (mails->mail[middle].uid < uid)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

struct msv_mail *msv_mails_by_uid(const struct msv_mails *mails, uint32_t uid)
{
	size_t at = msv_mails_from(mails, uid);

	if (at == mails->n || mails->mail[at].uid != uid || mails->mail[at].state & MSV_MAIL_GONE)
		return NULL;
	return &mails->mail[at];
}

struct msv_mail *msv_mails_add(
    struct msv_mails *mails, uint32_t uid, struct msv_span base, struct msv_span keys)
{
	struct msv_mail *mail;
	char *name;

	if (msv_grow(mails->env, &mails->mail, &mails->cap, mails->n + 1, sizeof(*mail)) != 0)
		return NULL;
	if ((mails->n + 1) * 2 > mails->nslots && rebuild_slots(mails, mails->n + 1) != 0)
		return NULL;
	name = name_new(&mails->names, base, keys, NULL);
	if (!name)
		return NULL;
	mail = &mails->mail[mails->n];
	*mail = (struct msv_mail){
		.name = name,
		.uid = uid,
		.hash = hash_of(base),
		.state = MSV_MAIL_ABSENT,
	};
	put_slot(mails, mails->n++);
	mails->absent++;
	mails->names_live += name_size(mail);
	return mail;
}

void msv_mails_show(struct msv_mails *mails, struct msv_mail *mail)
{
	mail->state &= (uint16_t)~MSV_MAIL_ABSENT;
	mail->modseq = ++mails->modseq;
	mails->absent--;
	mails->alive++;
	mails->fresh += (mail->state & MSV_MAIL_FRESH) != 0;
}

int msv_mails_rename(
    struct msv_mails *mails, struct msv_mail *mail, const struct msv_filename *name, bool in_new)
{
	bool changed = mail->flags != (uint8_t)name->flags || mail->letters != name->letters;
	char usual[MSV_INFO_SIZE];
	int error;

	usual_info(in_new, name->flags, name->letters, usual);
	error = set_info(mails, mail, strcmp(name->info, usual) == 0 ? NULL : name->info);
	if (error)
		return error;
	mail->state &= (uint16_t)~MSV_MAIL_NEW;
	mail->state |= in_new ? MSV_MAIL_NEW : 0;
	if (!changed)
		return 0;
	mail->flags = (uint8_t)name->flags;
	mail->letters = name->letters;
	if (msv_mail_shown(mail))
		mail->modseq = ++mails->modseq;
	return 1;
}

void msv_mails_clear_fresh(struct msv_mails *mails, struct msv_mail *mail)
{
	if (!(mail->state & MSV_MAIL_FRESH))
		return;
	mail->state &= (uint16_t)~MSV_MAIL_FRESH;
	mails->fresh -= msv_mail_shown(mail);
}

/* -- What went away ---------------------------------------------------------------------------- */

/* Forgets the older half of the history. */
static void forget(struct msv_mails *mails)
{
	size_t half = mails->ngone / 2;

	mails->horizon = half ? mails->gone[half - 1].modseq : mails->modseq;
	memmove(mails->gone, mails->gone + half, (mails->ngone - half) * sizeof(*mails->gone));
	mails->ngone -= half;
}

static void remember(struct msv_mails *mails, uint32_t uid)
{
	struct msv_gone *last = mails->ngone ? &mails->gone[mails->ngone - 1] : NULL;

	mails->modseq++;
	if (last && last->last + 1 == uid && last->modseq > mails->told) {
		last->last = uid;
		last->modseq = mails->modseq;
		return;
	}
	if (mails->ngone == MAX_HISTORY)
		forget(mails);
	if (msv_grow(mails->env, &mails->gone, &mails->gone_cap, mails->ngone + 1,
	        sizeof(*mails->gone)) != 0) {
		/* Without memory for it the history begins anew. */
		mails->ngone = 0;
		mails->horizon = mails->modseq;
		return;
	}
	mails->gone[mails->ngone++] = (struct msv_gone){ mails->modseq, uid, uid };
}

void msv_mails_expunge(struct msv_mails *mails, struct msv_mail *mail)
{
	if (mail->state & MSV_MAIL_GONE)
		return;
	mails->names_live -= name_size(mail);
	if (mail->state & MSV_MAIL_ABSENT) {
		mails->absent--;
	} else {
		mails->alive--;
		mails->fresh -= (mail->state & MSV_MAIL_FRESH) != 0;
		remember(mails, mail->uid);
	}
	mail->state |= MSV_MAIL_GONE;
}

/* Moves the names that are in use together.  0 or MSV_ERR_NOMEM. */
static int compact_names(struct msv_mails *mails)
{
	struct msv_arena names;
	char **moved = NULL;
	size_t cap = 0;
	int error;

	msv_arena_init(&names, mails->env);
	error = msv_grow(mails->env, &moved, &cap, mails->n, sizeof(*moved));
	for (size_t i = 0; !error && i < mails->n; i++) {
		size_t n = name_size(&mails->mail[i]);
		moved[i] = msv_arena_alloc(&names, n);
		if (moved[i])
			memcpy(moved[i], mails->mail[i].name, n);
		else
			error = MSV_ERR_NOMEM;
	}
	for (size_t i = 0; !error && i < mails->n; i++)
		mails->mail[i].name = moved[i];
	msv_free(mails->env, moved);
	if (error) {
		msv_arena_fini(&names);
		return error;
	}
	msv_arena_fini(&mails->names);
	mails->names = names;
	return 0;
}

void msv_mails_compact(struct msv_mails *mails)
{
	size_t kept = mails->alive + mails->absent, to = 0;

	if (mails->n - kept > 64 + kept / 8) {
		uint32_t *slots = mails->slots;
		for (size_t i = 0; i < mails->n; i++) {
			if (!(mails->mail[i].state & MSV_MAIL_GONE))
				mails->mail[to++] = mails->mail[i];
		}
		mails->n = to;
		memset(slots, 0, mails->nslots * sizeof(*slots));
		for (size_t i = 0; i < mails->n; i++)
			put_slot(mails, i);
	}
	if (mails->names.bytes > 65536 && mails->names.bytes > 2 * mails->names_live)
		compact_names(mails);
}
