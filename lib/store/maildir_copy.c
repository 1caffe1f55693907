/* copy() and move(): links in the destination's tmp/, delivered like mail; the
 * originals of a move are removed when the copies are on disk. */
#include "store/maildir_store.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct copy {
	struct msv_act act;
	struct msv_env *env;
	struct msv_folder *from, *to;
	struct msv_uidset uids;
	bool all, move, retrying;
	void (*done)(void *user, int error, const struct msv_copy_result *result);
	void *user;
	size_t range; /* of uids: where the way through is */
	uint32_t uid;
	struct msv_uidset_builder missing; /* the file had another name */
	struct msv_batch batch;
	size_t batch_first; /* the batch's parcels begin here */
	struct msv_delivery delivery;
	struct msv_uidset_builder source;
	struct msv_uid_range dest;
};

/* Removes what lies in the destination's tmp/. */
static void discard(struct copy *copy)
{
	struct msv_buf temps;

	msv_buf_init(&temps, copy->env);
	for (size_t i = 0; i < copy->delivery.n; i++) {
		const char *temp = copy->delivery.parcel[i].temp;
		if (temp && msv_buf_put(&temps, temp, strlen(temp) + 1) != 0)
			msv_discard_temp(copy->to->place, temp);
	}
	msv_discard_temps(copy->to->place, &temps);
	msv_buf_fini(&temps);
}

static void copy_free(struct copy *copy)
{
	struct msv_env *env = copy->env;

	msv_batch_fini(&copy->batch);
	msv_delivery_fini(&copy->delivery);
	msv_uidset_builder_fini(&copy->missing);
	msv_uidset_builder_fini(&copy->source);
	msv_free(env, (void *)copy->uids.r);
	msv_folder_unref(copy->from);
	msv_folder_unref(copy->to);
	msv_free(env, copy);
}

static void end(struct copy *copy, int error)
{
	struct msv_copy_result result = {
		.size = sizeof(result),
		.uidvalidity = copy->delivery.uidvalidity,
		.source = { copy->source.r, copy->source.n },
		.dest = { &copy->dest, copy->source.n > 0 },
	};

	copy->done(copy->user, error, error ? NULL : &result);
	copy_free(copy);
}

/* Ends in the turn of the source, before anything was delivered. */
static void give_up(struct copy *copy, int error)
{
	msv_act_end(copy->from);
	discard(copy);
	end(copy, error);
}

/* -- Delivering ---------------------------------------------------------------------------------- */

static void removed(void *user, int error)
{
	struct copy *copy = user;

	/* The copies are there, so nothing is lost; the originals may be too. */
	end(copy, error);
}

static void delivered(struct msv_delivery *delivery, int error)
{
	struct copy *copy = (struct copy *)((char *)delivery - offsetof(struct copy, delivery));
	struct msv_uidset uids = { copy->source.r, copy->source.n }, copied;

	if (error) {
		discard(copy);
		end(copy, error);
		return;
	}
	copy->dest =
	    (struct msv_uid_range){ delivery->first, delivery->first + (uint32_t)delivery->n - 1 };
	if (copy->move) {
		error = msv_uids_copy(copy->env, &uids, &copied);
		if (!error)
			error =
			    msv_folder_expunge(copy->from, &copied, false, false, removed, copy);
		msv_free(copy->env, (void *)copied.r);
	}
	if (error || !copy->move)
		end(copy, error);
}

static int compare_parcels(const void *a, const void *b)
{
	const struct msv_parcel *x = a, *y = b;

	return x->source < y->source ? -1 : x->source > y->source;
}

/* All links that can be had are there. */
static void deliver(struct copy *copy)
{
	struct msv_delivery *delivery = &copy->delivery;
	size_t kept = 0;
	int error = 0;

	for (size_t i = 0; i < delivery->n; i++) {
		if (delivery->parcel[i].temp)
			delivery->parcel[kept++] = delivery->parcel[i];
	}
	delivery->n = kept;
	if (kept)
		qsort(delivery->parcel, kept, sizeof(*delivery->parcel), compare_parcels);
	for (size_t i = 0; !error && i < kept; i++) {
		uint32_t uid = delivery->parcel[i].source;
		error = msv_uidset_add(&copy->source, uid, uid);
	}
	msv_uidset_finish(&copy->source);
	if (error) {
		give_up(copy, error);
		return;
	}
	msv_act_end(copy->from);
	if (kept)
		msv_delivery_run(delivery, delivered);
	else
		end(copy, 0);
}

/* -- Linking --------------------------------------------------------------------------------------- */

static void step(struct copy *copy);

/* There is no file for a parcel. */
static void drop_parcel(struct copy *copy, struct msv_parcel *parcel)
{
	msv_free(copy->env, parcel->temp);
	msv_free(copy->env, parcel->base);
	msv_free(copy->env, parcel->guid);
	*parcel = (struct msv_parcel){ 0 };
}

static void batch_done(void *user)
{
	struct copy *copy = user;
	int error = copy->batch.error;

	for (size_t i = 0; i < copy->batch.n; i++) {
		const struct msv_batch_item *item = &copy->batch.item[i];
		int result = copy->batch.error ? copy->batch.error : item->error;
		if (!result)
			continue;
		drop_parcel(copy, &copy->delivery.parcel[copy->batch_first + i]);
		if (result == MSV_ERR_NOTFOUND && !copy->batch.error)
			result = copy->retrying
			             ? 0
			             : msv_uidset_add(&copy->missing, item->uid, item->uid);
		if (!error)
			error = result;
	}
	if (error == MSV_ERR_NOTFOUND && !copy->batch.no_dest)
		error = MSV_ERR_STALE; /* the mailbox copied from */
	if (error && error != MSV_ERR_NOTFOUND)
		msv_folder_complain(copy->from->place, "cannot copy messages", error);
	if (error)
		give_up(copy, error);
	else
		step(copy);
}

/* The name of a copy: with the sizes that are known to be right, or were not
 * found to be wrong. */
static char *make_base(struct copy *copy, const struct msv_mail *mail, const char *unique)
{
	uint64_t size, wire;
	size_t n = strlen(mail->name);

	if (!msv_filename_size(mail->name, n, 'S', &size) ||
	    !msv_filename_size(mail->name, n, 'W', &wire) ||
	    (mail->state & MSV_MAIL_SIZED && mail->octets != wire))
		return msv_strdup(copy->env, unique);
	return msv_asprintf(copy->env, "%s,S=%llu,W=%llu", unique, (unsigned long long)size,
	    (unsigned long long)wire);
}

/* Fills in a parcel; what fails is freed with the delivery. */
static int fill_parcel(struct copy *copy, struct msv_parcel *parcel, const struct msv_mail *mail)
{
	const struct msv_keywords *letters = copy->from->letters;
	char guid[MSV_FILENAME_SIZE];
	int error = 0;

	msv_mail_guid(mail, guid);
	parcel->source = mail->uid;
	parcel->flags = mail->flags;
	parcel->temp = msv_maildir_unique(copy->from->maildir);
	parcel->guid = msv_strdup(copy->env, guid);
	parcel->base = parcel->temp ? make_base(copy, mail, parcel->temp) : NULL;
	for (unsigned i = 0; letters && !error && i < MSV_MAX_LETTERS; i++) {
		if (mail->letters >> i & 1 && letters->name[i][0])
			error = msv_delivery_keyword(&copy->delivery, parcel, letters->name[i]);
	}
	return parcel->base && parcel->guid ? error : MSV_ERR_NOMEM;
}

static int add_mail(struct copy *copy, const struct msv_mail *mail)
{
	struct msv_parcel *parcel;
	int error;

	if (!msv_mail_shown(mail))
		return 0;
	parcel = msv_delivery_add(&copy->delivery);
	if (!parcel)
		return MSV_ERR_NOMEM;
	error = fill_parcel(copy, parcel, mail);
	return error ? error : msv_batch_add(&copy->batch, mail, parcel->temp, false);
}

/* Adds those of first..last from copy->uid on, while there is room. */
static int add_range(struct copy *copy, uint32_t first, uint32_t last)
{
	const struct msv_mails *mails = &copy->from->mails;
	int error = 0;

	if (copy->uid < first)
		copy->uid = first;
	for (size_t i = msv_mails_from(mails, copy->uid);
	     !error && i < mails->n && mails->mail[i].uid <= last && copy->batch.n < MSV_BATCH_MAX;
	     i++) {
		error = add_mail(copy, &mails->mail[i]);
		copy->uid = mails->mail[i].uid + 1;
	}
	return error;
}

static void resynced(void *user, int error)
{
	struct copy *copy = user;

	copy->range = 0;
	copy->uid = 0;
	if (error || copy->from->stale)
		give_up(copy, error ? error : MSV_ERR_STALE);
	else
		step(copy);
}

/* All batches are through: files that had other names get a second chance. */
static void batches_done(struct copy *copy)
{
	int error;

	if (copy->retrying || !copy->missing.n) {
		deliver(copy);
		return;
	}
	copy->retrying = true;
	copy->all = false;
	msv_free(copy->env, (void *)copy->uids.r);
	msv_uidset_finish(&copy->missing);
	copy->uids = msv_uidset_take(&copy->missing);
	error = msv_folder_sync(copy->from, true, resynced, copy);
	if (error)
		give_up(copy, error);
}

static void step(struct copy *copy)
{
	int error = 0;

	msv_batch_clear(&copy->batch);
	copy->batch_first = copy->delivery.n;
	if (copy->all)
		error = add_range(copy, 1, UINT32_MAX);
	for (; !error && copy->range < copy->uids.n; copy->range++) {
		const struct msv_uid_range *r = &copy->uids.r[copy->range];
		error = add_range(copy, r->first, r->last);
		if (copy->batch.n == MSV_BATCH_MAX)
			break;
	}
	if (!error && !copy->batch.n) {
		batches_done(copy);
		return;
	}
	if (!error)
		error = msv_batch_run(&copy->batch, batch_done, copy);
	if (error)
		give_up(copy, error);
}

static void turn(struct msv_act *act)
{
	struct copy *copy = (struct copy *)act;
	int error = 0;

	if (copy->from->stale)
		give_up(copy, MSV_ERR_STALE);
	else if (copy->from->loaded)
		step(copy);
	else
		error = msv_folder_sync(copy->from, false, resynced, copy);
	if (error)
		give_up(copy, error);
}

int msv_folder_copy(struct msv_folder *from, struct msv_uidset *uids, bool all,
    struct msv_place *dest, bool move,
    void (*done)(void *user, int error, const struct msv_copy_result *result), void *user)
{
	struct msv_env *env = from->env;
	struct copy *copy = msv_alloc(env, sizeof(*copy));
	struct msv_folder *to = copy ? msv_folder_get(from->maildir, dest) : NULL;

	if (!to) {
		msv_free(env, copy);
		return MSV_ERR_NOMEM;
	}
	copy->env = env;
	copy->from = msv_folder_ref(from);
	copy->to = to;
	copy->all = all;
	copy->move = move;
	copy->done = done;
	copy->user = user;
	copy->act.turn = turn;
	msv_uidset_builder_init(&copy->missing, env);
	msv_uidset_builder_init(&copy->source, env);
	msv_batch_init(&copy->batch, env, MSV_BATCH_LINK, from->place, dest);
	if (msv_delivery_init(&copy->delivery, to) != 0) {
		copy_free(copy);
		return MSV_ERR_NOMEM;
	}
	if (uids) {
		copy->uids = *uids;
		*uids = (struct msv_uidset){ 0 };
	}
	msv_act_begin(from, &copy->act);
	return 0;
}

/* -- The store's copy() and move() -------------------------------------------------------------------- */

static void copied(void *user, int error, const struct msv_copy_result *result)
{
	struct msv_copy_op op = { user };

	if (error)
		msv_op_answer(op.op, error);
	else
		msv_copy_answer(op, result);
}

/* The place of another mailbox of the same account. */
static int place_of_dest(const struct msv_folder *from, const char *name, struct msv_place **out)
{
	struct msv_buf folder;
	const char *text;
	int error;

	msv_buf_init(&folder, from->env);
	error = msv_layout_folder(&from->maildir->layout, name, &folder);
	text = error ? NULL : msv_buf_cstr(&folder);
	*out = text ? msv_place_sibling(from->place, text) : NULL;
	msv_buf_fini(&folder);
	if (*out)
		return 0;
	return error && error != MSV_ERR_NOMEM ? MSV_ERR_NOTFOUND : MSV_ERR_NOMEM;
}

static int begin(struct msv_mailbox *mailbox, const struct msv_uidset *uids, const char *name,
    bool move, struct msv_op *op)
{
	struct msv_folder *from = mailbox->folder;
	struct msv_uidset set = { 0 };
	struct msv_place *dest;
	int error = place_of_dest(from, name, &dest);

	if (!error)
		error = msv_uids_copy(from->env, uids, &set);
	if (!error)
		error = msv_folder_copy(from, &set, !uids, dest, move, copied, op);
	msv_free(from->env, (void *)set.r);
	msv_place_unref(dest);
	return error;
}

void msv_maildir_copy(void *self, struct msv_mailbox *mailbox, const struct msv_uidset *uids,
    const char *dest, struct msv_copy_op op)
{
	int error = begin(mailbox, uids, dest, false, op.op);

	(void)self;
	if (error)
		msv_op_answer(op.op, error);
}

void msv_maildir_move(void *self, struct msv_mailbox *mailbox, const struct msv_uidset *uids,
    const char *dest, struct msv_copy_op op)
{
	int error = mailbox->readonly ? MSV_ERR_DENIED : begin(mailbox, uids, dest, true, op.op);

	(void)self;
	if (error)
		msv_op_answer(op.op, error);
}
