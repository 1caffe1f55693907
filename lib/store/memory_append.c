/* The append transaction. */
#include <string.h>

#include "codec/uidset.h"
#include "store/memory.h"

struct msv_append {
	struct msv_memory_store *store;
	struct memory_box *box;
	struct memory_message *messages; /* their UIDs come with the commit */
	size_t n, cap;
	uint64_t octets;                    /* of all messages */
	struct msv_uidset_builder replaces; /* UIDs that go away with the commit */
	bool verbatim;                      /* of the message added last: */
	bool cr;                            /* a CR waits for its LF */
	int error;                          /* the first one: only abort is left */
};

static void free_append(struct msv_append *append)
{
	struct msv_env *env = append->store->env;

	for (size_t i = 0; i < append->n; i++)
		msv_memory_content_unref(append->messages[i].content);
	msv_uidset_builder_fini(&append->replaces);
	msv_memory_box_unref(append->box);
	msv_free(env, append->messages);
	msv_free(env, append);
}

static void memory_append_begin(
    void *self, const struct msv_actor *actor, const char *mailbox, struct msv_append_op op)
{
	struct msv_memory_store *store = self;
	struct msv_append *append = NULL;
	struct memory_box *box;
	int error = msv_memory_lookup(store, actor, mailbox, &box);

	if (!error && !(append = msv_alloc(store->env, sizeof(*append))))
		error = MSV_ERR_NOMEM;
	if (error) {
		msv_op_answer(op.op, error);
		return;
	}
	append->store = store;
	append->box = box;
	msv_uidset_builder_init(&append->replaces, store->env);
	box->refs++;
	msv_append_answer(op, msv_memory_store(store), append);
}

/* -- Adding ------------------------------------------------------------------------- */

/* The message added last is whole: it must not end in a lone CR. */
static int finish_message(struct msv_append *append)
{
	if (!append->error && append->cr)
		append->error = MSV_ERR_FORMAT;
	return append->error;
}

static int check_quota(const struct msv_append *append, uint64_t more)
{
	uint64_t quota = append->store->quota;

	return quota && append->box->account->octets + append->octets + more > quota ? MSV_ERR_QUOTA
	                                                                             : 0;
}

static struct memory_content *new_content(struct msv_memory_store *store)
{
	struct memory_content *content = msv_alloc(store->env, sizeof(*content));

	if (!content)
		return NULL;
	content->refs = 1;
	content->id = ++store->last_id;
	msv_buf_init(&content->bytes, store->env);
	return content;
}

static int add(struct msv_append *append, const struct msv_append_message *message)
{
	struct msv_env *env = append->store->env;
	struct memory_message added = {
		.flags = message->flags & ~(uint32_t)MSV_FLAG_RECENT,
		.internal_date = message->internal_date,
	};
	int error = check_quota(append, message->octets);

	if (!error)
		error = msv_memory_keywords(
		    append->box, message->keywords, message->nkeywords, false, &added.keywords);
	if (!error && message->replaces)
		error = msv_uidset_add(&append->replaces, message->replaces, message->replaces);
	if (!error)
		error =
		    msv_grow(env, &append->messages, &append->cap, append->n + 1, sizeof(added));
	if (!error && !(added.content = new_content(append->store)))
		error = MSV_ERR_NOMEM;
	if (error)
		return error;
	if (added.internal_date == 0)
		added.internal_date = (int64_t)(msv_env_realtime(env) / 1000000);
	append->messages[append->n++] = added;
	append->verbatim = message->verbatim;
	return 0;
}

static void memory_append_add(void *self, struct msv_append *append,
    const struct msv_append_message *message, struct msv_op *op)
{
	(void)self;
	if (finish_message(append) == 0)
		append->error = add(append, message);
	msv_op_answer(op, append->error);
}

/* -- Writing ------------------------------------------------------------------------- */

/* Puts the bytes with every lone LF as CRLF. */
static int put_lines(struct msv_append *append, struct msv_buf *to, const char *p, size_t n)
{
	for (const char *end = p + n; p < end;) {
		size_t run = 0;

		while (p + run < end && !memchr("\r\n", p[run], 3))
			run++;
		if (append->cr && (run > 0 || *p != '\n'))
			return MSV_ERR_FORMAT;
		msv_buf_put(to, p, run);
		p += run;
		if (p == end)
			break;
		if (*p == '\0')
			return MSV_ERR_FORMAT;
		if (*p == '\n' && !append->cr)
			msv_buf_putc(to, '\r');
		append->cr = *p == '\r';
		msv_buf_putc(to, *p++);
	}
	return 0;
}

static int put(struct msv_append *append, const char *p, size_t n)
{
	if (append->n == 0)
		return MSV_ERR_INVAL;
	struct msv_buf *to = &append->messages[append->n - 1].content->bytes;
	size_t before = msv_buf_len(to);
	int error = append->verbatim ? msv_buf_put(to, p, n) : put_lines(append, to, p, n);
	if (!error && msv_buf_failed(to))
		error = MSV_ERR_NOMEM;
	append->octets += msv_buf_len(to) - before;
	return error ? error : check_quota(append, 0);
}

static void memory_append_write(
    void *self, struct msv_append *append, const void *p, size_t n, struct msv_op *op)
{
	(void)self;
	if (!append->error)
		append->error = put(append, p, n);
	msv_op_answer(op, append->error);
}

static void memory_append_prepare(void *self, struct msv_append *append, struct msv_op *op)
{
	(void)self;
	msv_op_answer(op, finish_message(append));
}

/* -- The end ---------------------------------------------------------------------------- */

/* Makes the messages visible: all, or none and an error. */
static int commit(struct msv_append *append, struct msv_uid_range *added)
{
	struct memory_box *box = append->box;
	struct msv_uidset replaces = msv_uidset_finish(&append->replaces);
	int error = finish_message(append);

	if (!error && box->removed)
		error = MSV_ERR_NOTFOUND;
	if (!error)
		error = msv_memory_reserve(box, append->n, append->octets);
	if (!error)
		error = msv_memory_expunge(box, &replaces, 0);
	if (error)
		return error;
	added->first = box->uidnext;
	for (size_t i = 0; i < append->n; i++)
		msv_memory_add(box, &append->messages[i]);
	added->last = box->uidnext - 1;
	return 0;
}

static void memory_append_commit(void *self, struct msv_append *append, struct msv_copy_op op)
{
	struct msv_uid_range added;
	int error = commit(append, &added);

	(void)self;
	if (error)
		msv_op_answer(op.op, error);
	else
		msv_copy_answer(op, &(struct msv_copy_result){
		                        .size = sizeof(struct msv_copy_result),
		                        .uidvalidity = append->box->uidvalidity,
		                        .dest = { &added, append->n > 0 },
		                    });
	free_append(append);
}

static void memory_append_abort(void *self, struct msv_append *append)
{
	(void)self;
	free_append(append);
}

void msv_memory_fill_append(struct msv_store *table)
{
	table->append_begin = memory_append_begin;
	table->append_add = memory_append_add;
	table->append_write = memory_append_write;
	table->append_prepare = memory_append_prepare;
	table->append_commit = memory_append_commit;
	table->append_abort = memory_append_abort;
}
