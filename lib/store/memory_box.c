/* A mailbox in memory: its messages, its keywords, what is gone. */
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "store/memory.h"

/* Letter, start of the process and number: never the same twice. */
static void put_id(char id[32], char kind, const struct msv_memory_store *store, uint64_t number)
{
	snprintf(id, 32, "%c%08x%08llx", kind, store->born, (unsigned long long)number);
}

/* -- Contents --------------------------------------------------------------------- */

void msv_memory_content_ref(struct memory_content *content)
{
	content->refs++;
}

void msv_memory_content_unref(struct memory_content *content)
{
	if (!content || --content->refs > 0)
		return;
	struct msv_env *env = content->bytes.env;
	msv_buf_fini(&content->bytes);
	msv_free(env, content);
}

/* -- Mailboxes ---------------------------------------------------------------------- */

int msv_memory_box_new(
    struct memory_account *account, const char *name, uint32_t special_use, struct memory_box **out)
{
	struct msv_memory_store *store = account->store;
	struct memory_box *box = msv_alloc(store->env, sizeof(*box));

	if (!box)
		return MSV_ERR_NOMEM;
	box->account = account;
	box->refs = 1;
	box->name = msv_strdup(store->env, name);
	if (!box->name || msv_grow(store->env, &account->boxes, &account->boxes_cap,
	                      account->nboxes + 1, sizeof(struct memory_box *))) {
		msv_memory_box_unref(box);
		return MSV_ERR_NOMEM;
	}
	box->id = ++store->last_id;
	box->special_use = special_use;
	box->uidvalidity = ++store->uidvalidity;
	box->uidnext = 1;
	box->modseq = 1;
	account->boxes[account->nboxes++] = box;
	*out = box;
	return 0;
}

static void drop_message(struct memory_box *box, struct memory_message *message)
{
	box->account->octets -= msv_buf_len(&message->content->bytes);
	msv_memory_content_unref(message->content);
}

void msv_memory_box_unref(struct memory_box *box)
{
	if (--box->refs > 0)
		return;
	struct msv_env *env = box->account->store->env;
	for (size_t i = 0; i < box->nmessages; i++)
		drop_message(box, &box->messages[i]);
	for (size_t i = 0; i < MEMORY_KEYWORDS; i++)
		msv_free(env, box->keywords[i]);
	msv_free(env, box->messages);
	msv_free(env, box->gone);
	msv_free(env, box->name);
	msv_free(env, box);
}

/* True when the message is \Recent to the opening (NULL: to the next one). */
static bool is_recent(const struct memory_message *message, const struct msv_mailbox *opening)
{
	bool unclaimed = !opening || opening->readonly;

	return message->recent_of == (unclaimed ? 0 : opening->serial);
}

struct msv_mailbox_status msv_memory_status(
    const struct memory_box *box, const struct msv_mailbox *opening, char id[32])
{
	struct msv_mailbox_status status = {
		.size = sizeof(status),
		.uidvalidity = box->uidvalidity,
		.uidnext = box->uidnext,
		.messages = (uint32_t)box->nmessages,
		.highestmodseq = box->modseq,
		.mailbox_id = id,
	};

	put_id(id, 'F', box->account->store, box->id);
	for (size_t i = 0; i < box->nmessages; i++) {
		const struct memory_message *message = &box->messages[i];

		status.recent += is_recent(message, opening);
		status.unseen += !(message->flags & MSV_FLAG_SEEN);
		status.deleted += (message->flags & MSV_FLAG_DELETED) != 0;
		status.octets += msv_buf_len(&message->content->bytes);
	}
	return status;
}

/* -- Messages ------------------------------------------------------------------------- */

size_t msv_memory_index(const struct memory_box *box, uint32_t uid)
{
	size_t low = 0, high = box->nmessages;

	while (low < high) {
		size_t mid = low + (high - low) / 2;

		if (box->messages[mid].uid < uid)
			low = mid + 1;
		else
			high = mid;
	}
	return low;
}

struct memory_message *msv_memory_message(const struct memory_box *box, uint32_t uid)
{
	size_t i = msv_memory_index(box, uid);

	return i < box->nmessages && box->messages[i].uid == uid ? &box->messages[i] : NULL;
}

struct msv_message msv_memory_describe(const struct msv_mailbox *opening,
    const struct memory_message *message, unsigned fields, char id[32])
{
	struct msv_message row = {
		.size = sizeof(row),
		.uid = message->uid,
		.flags = message->flags | (is_recent(message, opening) ? MSV_FLAG_RECENT : 0),
		.keywords = message->keywords,
		.modseq = message->modseq,
	};

	if (fields & MSV_FIELD_OCTETS)
		row.octets = msv_buf_len(&message->content->bytes);
	if (fields & MSV_FIELD_DATES) {
		row.internal_date = message->internal_date;
		row.save_date = message->save_date;
	}
	if (fields & MSV_FIELD_IDS) {
		put_id(id, 'M', opening->store, message->content->id);
		row.email_id = id;
	}
	return row;
}

int msv_memory_reserve(struct memory_box *box, size_t n, uint64_t octets)
{
	const struct memory_account *account = box->account;
	uint64_t quota = account->store->quota;

	if (n > UINT32_MAX - box->uidnext)
		return MSV_ERR_LIMIT;
	if (quota && octets > 0 && account->octets + octets > quota)
		return MSV_ERR_QUOTA;
	return msv_grow(account->store->env, &box->messages, &box->messages_cap, box->nmessages + n,
	    sizeof(*box->messages));
}

void msv_memory_add(struct memory_box *box, const struct memory_message *message)
{
	struct memory_message *added = &box->messages[box->nmessages++];

	*added = *message;
	added->uid = box->uidnext++;
	added->modseq = ++box->modseq;
	added->save_date = (int64_t)(msv_env_realtime(box->account->store->env) / 1000000);
	added->recent_of = 0;
	msv_memory_content_ref(added->content);
	box->account->octets += msv_buf_len(&added->content->bytes);
	msv_memory_touch(box);
}

/* Writes into the history, which has room, that the UID is gone. */
static void remember_gone(struct memory_box *box, uint32_t uid)
{
	struct memory_gone *last = box->ngone ? &box->gone[box->ngone - 1] : NULL;

	if (last && last->modseq == box->modseq && last->uids.last + 1 == uid)
		last->uids.last = uid;
	else
		box->gone[box->ngone++] = (struct memory_gone){ { uid, uid }, box->modseq };
}

static bool is_meant(
    const struct memory_message *message, const struct msv_uidset *uids, uint32_t flags)
{
	return (message->flags & flags) == flags && (!uids || msv_uidset_has(uids, message->uid));
}

int msv_memory_expunge(struct memory_box *box, const struct msv_uidset *uids, uint32_t flags)
{
	size_t n = 0, kept = 0;

	for (size_t i = 0; i < box->nmessages; i++)
		n += is_meant(&box->messages[i], uids, flags);
	if (n == 0)
		return 0;
	if (msv_grow(box->account->store->env, &box->gone, &box->gone_cap, box->ngone + n,
	        sizeof(*box->gone)))
		return MSV_ERR_NOMEM;
	box->modseq++;
	for (size_t i = 0; i < box->nmessages; i++) {
		struct memory_message *message = &box->messages[i];

		if (is_meant(message, uids, flags)) {
			remember_gone(box, message->uid);
			drop_message(box, message);
		} else {
			box->messages[kept++] = *message;
		}
	}
	box->nmessages = kept;
	msv_memory_touch(box);
	return 0;
}

/* -- Keywords -------------------------------------------------------------------------- */

/* The number of the keyword, or of the free place where it would go, or -1 when
 * all are taken. */
static int keyword_number(const struct memory_box *box, const char *name)
{
	for (int i = 0; i < MEMORY_KEYWORDS; i++)
		if (!box->keywords[i] || strcasecmp(box->keywords[i], name) == 0)
			return i;
	return -1;
}

/* Takes the keywords from that number on away again. */
static void forget_keywords(struct memory_box *box, int from)
{
	for (int i = from; i < MEMORY_KEYWORDS; i++) {
		msv_free(box->account->store->env, box->keywords[i]);
		box->keywords[i] = NULL;
	}
}

int msv_memory_keywords(
    struct memory_box *box, const char *const *names, size_t n, bool known, uint64_t *bits)
{
	int before = keyword_number(box, ""), error = 0;

	*bits = 0;
	for (size_t i = 0; i < n && !error; i++) {
		int number = keyword_number(box, names[i]);

		if (known && (number < 0 || !box->keywords[number]))
			continue;
		if (number < 0)
			error = MSV_ERR_LIMIT;
		else if (!box->keywords[number])
			box->keywords[number] = msv_strdup(box->account->store->env, names[i]);
		if (number >= 0 && !box->keywords[number])
			error = MSV_ERR_NOMEM;
		else if (!error)
			*bits |= UINT64_C(1) << number;
	}
	if (error && before >= 0)
		forget_keywords(box, before);
	return error;
}
