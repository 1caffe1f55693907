/* The kit's questions about messages: content and append. */
#include <stdio.h>
#include <string.h>

#include "testing/kit.h"

/* -- Content -------------------------------------------------------------------------- */

static void take_content(void *user, const void *result)
{
	struct msv_kit_content *content = user;
	const struct msv_message_content *opened = result;

	content->message = opened->message;
	content->octets = opened->octets;
}

int msv_kit_msg_open(
    struct msv_kit *k, struct msv_kit_view *view, uint32_t uid, struct msv_kit_content *content)
{
	struct msv_kit_answer a = { .take = take_content, .user = content };
	int error;

	if (!msv_kit_ask(k, &a))
		return MSV_ERR_NOMEM;
	k->store->msg_open(k->store->self, view->mailbox, uid, (struct msv_content_op){ a.op });
	error = msv_kit_wait(&a);
	if (!error)
		msv_kit_hold(k, k->messages, content->message);
	return error;
}

static void take_span(void *user, const void *result)
{
	*(struct msv_span *)user = *(const struct msv_span *)result;
}

int msv_kit_read(struct msv_kit *k, const struct msv_kit_content *content, uint64_t offset,
    size_t n, struct msv_span *got)
{
	struct msv_kit_answer a = { .take = take_span, .user = got };

	*got = (struct msv_span){ 0 };
	if (!msv_kit_ask(k, &a))
		return MSV_ERR_NOMEM;
	k->store->msg_read(
	    k->store->self, content->message, offset, n, (struct msv_read_op){ a.op });
	return msv_kit_wait(&a);
}

void msv_kit_msg_close(struct msv_kit *k, struct msv_kit_content *content)
{
	msv_kit_drop(k->messages, content->message);
	k->store->msg_close(k->store->self, content->message);
	content->message = NULL;
}

bool msv_kit_reads(
    struct msv_kit *k, const struct msv_kit_content *content, const char *bytes, size_t n)
{
	struct msv_span got;
	size_t at = 0;

	do {
		int error = msv_kit_read(k, content, at, KIT_CONTENT, &got);

		if (error || got.n > KIT_CONTENT || got.n > n - at ||
		    (got.n && memcmp(got.p, bytes + at, got.n) != 0)) {
			msv_kit_break(k, "byte %zu and on of a message of %zu: %s", at, n,
			    error ? msv_strerror(error) : "other bytes were read");
			return false;
		}
		at += got.n;
	} while (got.n > 0);
	if (at < n)
		msv_kit_break(k, "a message of %zu bytes ended at %zu", n, at);
	return at == n;
}

bool msv_kit_message_is(
    struct msv_kit *k, struct msv_kit_view *view, uint32_t uid, const char *text)
{
	struct msv_kit_content content;
	size_t n = strlen(text);
	int error = msv_kit_msg_open(k, view, uid, &content);

	if (error) {
		msv_kit_break(k, "msg_open of UID %u: %s", uid, msv_strerror(error));
		return false;
	}
	if (content.octets != n)
		msv_kit_break(k, "%llu octets were announced of a message of %zu",
		    (unsigned long long)content.octets, n);
	bool same = content.octets == n && msv_kit_reads(k, &content, text, n);
	msv_kit_msg_close(k, &content);
	return same;
}

/* -- Append -------------------------------------------------------------------------------- */

static void take_append(void *user, const void *result)
{
	*(struct msv_append **)user = ((const struct msv_append_handle *)result)->append;
}

int msv_kit_append_begin(struct msv_kit *k, const char *name, struct msv_append **append)
{
	struct msv_kit_answer a = { .take = take_append, .user = append };
	char buf[KIT_NAME];
	int error;

	if (!msv_kit_ask(k, &a))
		return MSV_ERR_NOMEM;
	k->store->append_begin(
	    k->store->self, &k->actor, msv_kit_name(k, name, buf), (struct msv_append_op){ a.op });
	error = msv_kit_wait(&a);
	if (!error)
		msv_kit_hold(k, k->appends, *append);
	return error;
}

int msv_kit_append_add(
    struct msv_kit *k, struct msv_append *append, const struct msv_append_message *message)
{
	static const struct msv_append_message plain = { .size = sizeof(plain) };
	struct msv_kit_answer a = { 0 };

	if (!msv_kit_ask(k, &a))
		return MSV_ERR_NOMEM;
	k->store->append_add(k->store->self, append, message ? message : &plain, a.op);
	return msv_kit_wait(&a);
}

int msv_kit_append_write(struct msv_kit *k, struct msv_append *append, const void *p, size_t n)
{
	struct msv_kit_answer a = { 0 };

	if (!msv_kit_ask(k, &a))
		return MSV_ERR_NOMEM;
	k->store->append_write(k->store->self, append, p, n, a.op);
	return msv_kit_wait(&a);
}

int msv_kit_append_prepare(struct msv_kit *k, struct msv_append *append)
{
	struct msv_kit_answer a = { 0 };

	if (!k->store->append_prepare)
		return 0;
	if (!msv_kit_ask(k, &a))
		return MSV_ERR_NOMEM;
	k->store->append_prepare(k->store->self, append, a.op);
	return msv_kit_wait(&a);
}

int msv_kit_append_commit(
    struct msv_kit *k, struct msv_append *append, struct msv_kit_copied *copied)
{
	struct msv_kit_answer a = { .take = copied ? msv_kit_take_copied : NULL, .user = copied };

	if (!msv_kit_ask(k, &a))
		return MSV_ERR_NOMEM;
	msv_kit_drop(k->appends, append);
	k->store->append_commit(k->store->self, append, (struct msv_copy_op){ a.op });
	return msv_kit_wait(&a);
}

void msv_kit_append_abort(struct msv_kit *k, struct msv_append *append)
{
	msv_kit_drop(k->appends, append);
	k->store->append_abort(k->store->self, append);
}

int msv_kit_append_with(struct msv_kit *k, const char *name,
    const struct msv_append_message *message, const char *text, uint32_t *uid)
{
	struct msv_kit_copied copied = { 0 };
	struct msv_append *append;
	int error = msv_kit_append_begin(k, name, &append);

	if (error)
		return error;
	error = msv_kit_append_add(k, append, message);
	if (!error)
		error = msv_kit_append_write(k, append, text, strlen(text));
	if (error) {
		msv_kit_append_abort(k, append);
		return error;
	}
	error = msv_kit_append_commit(k, append, &copied);
	if (uid)
		*uid = msv_kit_nth(&copied.dest_set, 0);
	return error;
}

int msv_kit_append(struct msv_kit *k, const char *name, const char *text, uint32_t *uid)
{
	return msv_kit_append_with(k, name, NULL, text, uid);
}

const char *msv_kit_text(unsigned n, char buf[200])
{
	snprintf(buf, 200,
	    "From: kit@example.org\r\nSubject: message %u\r\n\r\nThis is number %u.\r\n", n, n);
	return buf;
}

int msv_kit_fill(struct msv_kit *k, const char *name, unsigned n)
{
	char text[200];
	int error = 0;

	for (unsigned i = 1; i <= n && !error; i++)
		error = msv_kit_append(k, name, msv_kit_text(i, text), NULL);
	return error;
}

int msv_kit_open_filled(struct msv_kit *k, struct msv_kit_view *view, unsigned n)
{
	int error = msv_kit_fill(k, "INBOX", n);

	if (!error)
		error = msv_kit_open(k, view, "INBOX", false);
	if (!error)
		error = msv_kit_sync(k, view);
	if (!error && view->n != n) {
		msv_kit_break(k, "%zu messages instead of %u", view->n, n);
		error = MSV_ERR_INVAL;
	}
	return error;
}

int msv_kit_flag(struct msv_kit *k, struct msv_kit_view *view, size_t i, uint32_t flags)
{
	uint32_t uid = view->messages[i].is.uid;

	return msv_kit_flags(k, view, UIDS(uid, uid), MSV_FLAGS_ADD, flags, NULL);
}
