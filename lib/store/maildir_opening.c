/* Openings of mailboxes, and what they tell of a message. */
#include "store/maildir_store.h"

#include <stdio.h>
#include <string.h>

#include "codec/crypto.h"

/* -- The opening --------------------------------------------------------------------------- */

static struct msv_mailbox *mailbox_new(struct msv_folder *folder, bool readonly)
{
	struct msv_mailbox *mailbox = msv_alloc(folder->env, sizeof(*mailbox));

	if (!mailbox)
		return NULL;
	mailbox->folder = msv_folder_ref(folder);
	mailbox->refs = 1;
	mailbox->readonly = readonly;
	msv_uidset_builder_init(&mailbox->recent, folder->env);
	return mailbox;
}

void msv_mailbox_ref(struct msv_mailbox *mailbox)
{
	mailbox->refs++;
}

void msv_mailbox_unref(struct msv_mailbox *mailbox)
{
	struct msv_folder *folder;

	if (!mailbox || --mailbox->refs > 0)
		return;
	folder = mailbox->folder;
	msv_uidset_builder_fini(&mailbox->recent);
	msv_free(folder->env, mailbox);
	msv_folder_unref(folder);
}

void msv_maildir_close(void *self, struct msv_mailbox *mailbox)
{
	(void)self;
	msv_mailbox_unref(mailbox);
}

const char *msv_maildir_keyword(void *self, struct msv_mailbox *mailbox, unsigned i)
{
	(void)self;
	return i < 64 ? mailbox->folder->keyword[i] : NULL;
}

/* -- A message as others see it ---------------------------------------------------------------- */

void msv_mail_guid(const struct msv_mail *mail, char guid[MSV_FILENAME_SIZE])
{
	const char *keys = msv_mail_keys(mail);
	struct msv_span value, span = { keys, strlen(keys) };

	if (!msv_uidlist_key(&span, 'G', &value) || !value.n || value.n >= MSV_FILENAME_SIZE)
		value = (struct msv_span){ mail->name, strlen(mail->name) };
	/* In the uidlist it must be one word. */
	for (size_t i = 0; i < value.n; i++)
		guid[i] = value.p[i] == ' ' ? '_' : value.p[i];
	guid[value.n] = '\0';
}

/* RFC 8474 4: letters, digits, '_' and '-'. */
static bool make_email_id(const struct msv_mail *mail, char id[MSV_EMAIL_ID_SIZE])
{
	char guid[MSV_FILENAME_SIZE];
	uint8_t digest[MSV_SHA256_SIZE];

	msv_mail_guid(mail, guid);
	if (msv_sha256(guid, strlen(guid), digest) != 0)
		return false;
	id[0] = 'M';
	msv_hex_encode(digest, 16, id + 1);
	return true;
}

/* True when a message has the keyword that says the same as the letter P. */
static bool has_passed(const struct msv_folder *folder, uint32_t letters)
{
	int letter = folder->letters ? msv_keywords_find(folder->letters, MSV_KEYWORD_PASSED) : -1;

	return letter >= 0 && letters >> letter & 1;
}

static bool is_recent(const struct msv_mailbox *mailbox, const struct msv_mail *mail)
{
	struct msv_uidset taken = { mailbox->recent.r, mailbox->recent.n };

	return (mailbox->readonly && mail->state & MSV_MAIL_FRESH) ||
	       msv_uidset_has(&taken, mail->uid);
}

struct msv_message msv_mailbox_message(const struct msv_mailbox *mailbox,
    const struct msv_mail *mail, unsigned fields, char email_id[MSV_EMAIL_ID_SIZE])
{
	struct msv_message message = {
		.size = sizeof(message),
		.uid = mail->uid,
		.flags = mail->flags,
		.keywords = msv_folder_numbers(mailbox->folder, mail->letters),
		.modseq = mail->modseq,
		.octets = mail->octets,
		.internal_date = mail->date,
	};

	if (is_recent(mailbox, mail))
		message.flags |= MSV_FLAG_RECENT;
	if (message.flags & MSV_FLAG_PASSED && has_passed(mailbox->folder, mail->letters))
		message.flags &= ~(uint32_t)MSV_FLAG_PASSED;
	if (fields & MSV_FIELD_IDS && make_email_id(mail, email_id))
		message.email_id = email_id;
	return message;
}

int msv_uids_copy(struct msv_env *env, const struct msv_uidset *from, struct msv_uidset *to)
{
	*to = (struct msv_uidset){ 0 };
	if (!from || !from->n)
		return 0;
	to->r = msv_memdup(env, from->r, from->n * sizeof(*from->r));
	to->n = to->r ? from->n : 0;
	return to->r ? 0 : MSV_ERR_NOMEM;
}

/* -- \Recent --------------------------------------------------------------------------------------- */

/* Files on their way from new/ to cur/. */
struct take {
	struct msv_mailbox *mailbox;
	struct msv_batch batch;
	uint32_t uid; /* those before have been looked at */
	void (*done)(void *user);
	void *user;
};

static void take_end(struct take *take)
{
	struct msv_mailbox *mailbox = take->mailbox;
	struct msv_env *env = mailbox->folder->env;
	void (*done)(void *user) = take->done;
	void *user = take->user;

	msv_batch_fini(&take->batch);
	msv_free(env, take);
	done(user);
	msv_mailbox_unref(mailbox);
}

/* A file that was moved. */
static void take_moved(struct take *take, const struct msv_batch_item *item)
{
	struct msv_mails *mails = &take->mailbox->folder->mails;
	struct msv_mail *mail = msv_mails_by_uid(mails, item->uid);
	const char *to = msv_buf_data(&take->batch.text) + item->to;
	struct msv_filename name;

	if (mail && !item->error && msv_filename_parse(to + strlen("cur/"), &name))
		msv_mails_rename(mails, mail, &name, false);
}

static bool take_some(struct take *take);

static void take_done(void *user)
{
	struct take *take = user;

	if (!take->batch.error) {
		msv_batch_tell(&take->batch, take->mailbox->folder);
		for (size_t i = 0; i < take->batch.n; i++)
			take_moved(take, &take->batch.item[i]);
	}
	if (take->batch.error || !take_some(take))
		take_end(take);
}

static int take_add(struct take *take, const struct msv_mail *mail)
{
	char to[MSV_FILENAME_SIZE + 8], usual[MSV_INFO_SIZE];
	const char *info = msv_mail_info(mail, usual);
	int n = snprintf(to, sizeof(to), "cur/%s%s", mail->name, *info ? info : ":2,");

	if (n < 0 || (size_t)n >= sizeof(to))
		return 0;
	return msv_batch_add(&take->batch, mail, to, false);
}

/* Takes the \Recent of the next messages and moves their files; false: there is
 * nothing more to move.  A file that cannot be moved stays where it is. */
static bool take_some(struct take *take)
{
	struct msv_folder *folder = take->mailbox->folder;
	struct msv_mails *mails = &folder->mails;

	msv_batch_clear(&take->batch);
	for (size_t i = msv_mails_from(mails, take->uid);
	     mails->fresh && i < mails->n && take->batch.n < MSV_BATCH_MAX; i++) {
		struct msv_mail *mail = &mails->mail[i];
		take->uid = mail->uid + 1;
		if (!(mail->state & MSV_MAIL_FRESH) || !msv_mail_shown(mail))
			continue;
		if (msv_uidset_add(&take->mailbox->recent, mail->uid, mail->uid) != 0)
			break;
		msv_mails_clear_fresh(mails, mail);
		if (mail->state & MSV_MAIL_NEW && take_add(take, mail) != 0)
			break;
	}
	msv_uidset_finish(&take->mailbox->recent);
	return take->batch.n && msv_batch_run(&take->batch, take_done, take) == 0;
}

bool msv_mailbox_take_recent(struct msv_mailbox *mailbox, void (*done)(void *user), void *user)
{
	struct msv_folder *folder = mailbox->folder;
	struct take *take;

	if (mailbox->readonly || !folder->mails.fresh)
		return false;
	/* Without memory they stay fresh for the next look. */
	take = msv_alloc(folder->env, sizeof(*take));
	if (!take)
		return false;
	take->mailbox = mailbox;
	take->done = done;
	take->user = user;
	msv_batch_init(&take->batch, folder->env, MSV_BATCH_RENAME, folder->place, NULL);
	if (take_some(take)) {
		msv_mailbox_ref(mailbox);
		return true;
	}
	msv_batch_fini(&take->batch);
	msv_free(folder->env, take);
	return false;
}

/* -- open() and status() --------------------------------------------------------------------------------- */

struct opening {
	struct msv_act act;
	struct msv_maildir *maildir;
	struct msv_folder *folder;
	struct msv_mailbox *mailbox; /* NULL for status() */
	struct msv_op *op;
};

static void answer_open(struct opening *opening)
{
	struct msv_mailbox *mailbox = opening->mailbox;
	struct msv_open_result result = {
		.size = sizeof(result),
		.mailbox = mailbox,
		.readonly = mailbox->readonly,
		.can_create_keywords = !mailbox->readonly,
		.permanent_flags = MSV_FLAG_SEEN | MSV_FLAG_ANSWERED | MSV_FLAG_FLAGGED |
		                   MSV_FLAG_DELETED | MSV_FLAG_DRAFT,
		.status = msv_folder_status(mailbox->folder),
	};

	if (mailbox->readonly)
		result.permanent_flags = 0;
	else
		result.status.recent = (uint32_t)msv_uidset_count(
		    &(struct msv_uidset){ mailbox->recent.r, mailbox->recent.n });
	opening->mailbox = NULL;
	msv_open_answer((struct msv_open_op){ opening->op }, &opening->maildir->store, &result);
}

static void answer_status(struct opening *opening)
{
	struct msv_mailbox_status status = msv_folder_status(opening->folder);

	msv_status_answer((struct msv_status_op){ opening->op }, &status);
}

static void opening_end(struct opening *opening, int error)
{
	struct msv_maildir *maildir = opening->maildir;
	struct msv_env *env = maildir->env;

	opening->folder->mails.told = opening->folder->mails.modseq;
	msv_act_end(opening->folder);
	if (error)
		msv_op_answer(opening->op, error);
	else if (opening->mailbox)
		answer_open(opening);
	else
		answer_status(opening);
	msv_mailbox_unref(opening->mailbox);
	msv_folder_unref(opening->folder);
	msv_free(env, opening);
	msv_maildir_unref(maildir);
}

static void opening_taken(void *user)
{
	opening_end(user, 0);
}

static void opening_synced(void *user, int error)
{
	struct opening *opening = user;

	if (!error && opening->folder->stale)
		error = MSV_ERR_NOTFOUND;
	if (error || !opening->mailbox ||
	    !msv_mailbox_take_recent(opening->mailbox, opening_taken, opening))
		opening_end(opening, error);
}

static void opening_turn(struct msv_act *act)
{
	struct opening *opening = (struct opening *)act;
	int error = opening->folder->stale
	                ? MSV_ERR_NOTFOUND
	                : msv_folder_sync(opening->folder, false, opening_synced, opening);

	if (error)
		opening_end(opening, error);
}

/* Begins to open, or to look at, a mailbox. */
static int begin(struct msv_maildir *maildir, const struct msv_actor *actor, const char *name,
    bool open, bool readonly, struct msv_op *op)
{
	struct msv_place *place;
	struct msv_folder *folder;
	struct opening *opening;
	int error = msv_place_of(maildir, actor, name, &place);

	if (error)
		return error == MSV_ERR_NOMEM ? error : MSV_ERR_NOTFOUND;
	folder = msv_folder_get(maildir, place);
	msv_place_unref(place);
	opening = folder ? msv_alloc(maildir->env, sizeof(*opening)) : NULL;
	if (opening && open)
		opening->mailbox = mailbox_new(folder, readonly);
	if (!opening || (open && !opening->mailbox)) {
		msv_free(maildir->env, opening);
		msv_folder_unref(folder);
		return MSV_ERR_NOMEM;
	}
	opening->act.turn = opening_turn;
	opening->maildir = msv_maildir_ref(maildir);
	opening->folder = folder;
	opening->op = op;
	msv_act_begin(folder, &opening->act);
	return 0;
}

void msv_maildir_open(void *self, const struct msv_actor *actor, const char *mailbox, bool readonly,
    struct msv_open_op op)
{
	int error = begin(self, actor, mailbox, true, readonly, op.op);

	if (error)
		msv_op_answer(op.op, error);
}

void msv_maildir_status(
    void *self, const struct msv_actor *actor, const char *mailbox, struct msv_status_op op)
{
	int error = begin(self, actor, mailbox, false, false, op.op);

	if (error)
		msv_op_answer(op.op, error);
}
