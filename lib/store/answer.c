/* The typed answers and rows of the store's ops, and the validator of mailbox
 * names. */
#include <mailserv/store.h>

#include <string.h>

#include "base/op.h"
#include "codec/utf8.h"

enum { MAX_NAME = 1000, MAX_LEVELS = 32 };

/* -- Names ------------------------------------------------------------------- */

/* C0, DEL, C1, and the line and paragraph separators (RFC 5198 2). */
static bool is_control(uint32_t c)
{
	return c < 0x20 || (c >= 0x7f && c < 0xa0) || c == 0x2028 || c == 0x2029;
}

static bool has_control(const char *p, size_t n)
{
	while (n) {
		uint32_t c;
		int len = msv_utf8_get(p, n, &c);
		if (len <= 0 || is_control(c))
			return true;
		p += len;
		n -= (size_t)len;
	}
	return false;
}

static bool level_valid(const char *p, size_t n)
{
	return n && !(n == 1 && p[0] == '.') && !(n == 2 && p[0] == '.' && p[1] == '.');
}

bool msv_mailbox_name_valid(const char *name, char separator)
{
	size_t n = strnlen(name, MAX_NAME + 1);
	unsigned levels = 1;

	if (n > MAX_NAME || has_control(name, n))
		return false;
	for (const char *end; (end = strchr(name, separator)); name = end + 1) {
		if (!level_valid(name, (size_t)(end - name)) || ++levels > MAX_LEVELS)
			return false;
	}
	return level_valid(name, strlen(name));
}

/* -- Rows -------------------------------------------------------------------- */

int msv_list_row(struct msv_list_op op, const struct msv_list_entry *entry)
{
	return msv_op_row(op.op, entry);
}

int msv_changes_message(struct msv_changes_op op, const struct msv_message *message)
{
	return msv_op_row(op.op, &(struct msv_change){ .message = message });
}

int msv_changes_expunged(struct msv_changes_op op, uint32_t first, uint32_t last)
{
	struct msv_uid_range range = { first, last };

	return msv_op_row(op.op, &(struct msv_change){ .expunged = &range });
}

int msv_flags_row(struct msv_flags_op op, const struct msv_message *message)
{
	return msv_op_row(op.op, message);
}

int msv_cache_row(struct msv_cache_op op, const struct msv_cache_item *item)
{
	return msv_op_row(op.op, item);
}

int msv_search_row(struct msv_search_op op, uint32_t first, uint32_t last)
{
	return msv_op_row(op.op, &(struct msv_uid_range){ first, last });
}

int msv_metadata_row(struct msv_metadata_op op, const struct msv_metadata *metadata)
{
	return msv_op_row(op.op, metadata);
}

int msv_acl_row(struct msv_acl_op op, const struct msv_acl *acl)
{
	return msv_op_row(op.op, acl);
}

/* -- Results ----------------------------------------------------------------- */

/* A copy that lives as long as the op, or NULL. */
static void *keep(struct msv_op *op, const void *p, size_t n)
{
	void *copy = msv_op_alloc(op, n);

	if (copy)
		memcpy(copy, p, n);
	return copy;
}

/* Copies a struct that its maker knows as size bytes: what it lacks stays zero,
 * what it has beyond n is not known here. */
static void copy_sized(void *to, const void *from, size_t size, size_t n)
{
	memcpy(to, from, size < n ? size : n);
}

static void *keep_sized(struct msv_op *op, const void *p, size_t size, size_t n)
{
	void *copy = msv_op_alloc(op, n);

	if (copy)
		copy_sized(copy, p, size, n);
	return copy;
}

/* Answers with what keep() or the like gave. */
static void complete(struct msv_op *op, const void *result)
{
	msv_op_complete(op, result ? 0 : MSV_ERR_NOMEM, result);
}

/* Copies the strings of a status; 0 or MSV_ERR_NOMEM. */
static int keep_status(struct msv_op *op, struct msv_mailbox_status *status)
{
	if (!status->mailbox_id)
		return 0;
	status->mailbox_id = msv_op_strdup(op, status->mailbox_id);
	return status->mailbox_id ? 0 : MSV_ERR_NOMEM;
}

void msv_status_answer(struct msv_status_op op, const struct msv_mailbox_status *status)
{
	struct msv_mailbox_status *copy = keep_sized(op.op, status, status->size, sizeof(*status));

	complete(op.op, copy && keep_status(op.op, copy) == 0 ? copy : NULL);
}

void msv_changes_answer(struct msv_changes_op op, const struct msv_changes_result *result)
{
	complete(op.op, keep_sized(op.op, result, result->size, sizeof(*result)));
}

void msv_read_answer(struct msv_read_op op, const void *p, size_t n)
{
	complete(op.op, keep(op.op, &(struct msv_span){ p, n }, sizeof(struct msv_span)));
}

void msv_quota_answer(struct msv_quota_op op, const struct msv_quota *quota)
{
	complete(op.op, keep_sized(op.op, quota, quota->size, sizeof(*quota)));
}

/* Copies the ranges of a set; 0 or MSV_ERR_NOMEM. */
static int keep_set(struct msv_op *op, struct msv_uidset *set)
{
	if (!set->n)
		return 0;
	set->r = keep(op, set->r, set->n * sizeof(*set->r));
	return set->r ? 0 : MSV_ERR_NOMEM;
}

void msv_flags_answer(struct msv_flags_op op, const struct msv_uidset *modified)
{
	static const struct msv_uidset none;
	const struct msv_uidset *set = modified ? modified : &none;
	struct msv_uidset *copy = keep(op.op, set, sizeof(*set));

	complete(op.op, copy && keep_set(op.op, copy) == 0 ? copy : NULL);
}

void msv_copy_answer(struct msv_copy_op op, const struct msv_copy_result *result)
{
	struct msv_copy_result *copy = keep_sized(op.op, result, result->size, sizeof(*result));
	bool kept =
	    copy && keep_set(op.op, &copy->source) == 0 && keep_set(op.op, &copy->dest) == 0;

	complete(op.op, kept ? copy : NULL);
}

/* -- Results that own something -------------------------------------------------- */

/* What is kept with the op: the result, and the store that takes it back. */
struct owned_opening {
	struct msv_open_result result;
	const struct msv_store *store;
};

static void drop_opening(const void *result)
{
	const struct owned_opening *owned = result;

	owned->store->close(owned->store->self, owned->result.mailbox);
}

void msv_open_answer(
    struct msv_open_op op, const struct msv_store *store, const struct msv_open_result *result)
{
	struct owned_opening *owned = msv_op_alloc(op.op, sizeof(*owned));

	if (owned) {
		copy_sized(&owned->result, result, result->size, sizeof(owned->result));
		owned->store = store;
	}
	if (!owned || keep_status(op.op, &owned->result.status) != 0) {
		msv_op_complete(op.op, MSV_ERR_NOMEM, NULL);
		store->close(store->self, result->mailbox);
		return;
	}
	msv_op_complete_owned(op.op, owned, drop_opening);
}

struct owned_content {
	struct msv_message_content content;
	const struct msv_store *store;
};

static void drop_content(const void *result)
{
	const struct owned_content *owned = result;

	owned->store->msg_close(owned->store->self, owned->content.message);
}

void msv_content_answer(struct msv_content_op op, const struct msv_store *store,
    const struct msv_message_content *content)
{
	struct owned_content *owned = msv_op_alloc(op.op, sizeof(*owned));

	if (!owned) {
		msv_op_complete(op.op, MSV_ERR_NOMEM, NULL);
		store->msg_close(store->self, content->message);
		return;
	}
	copy_sized(&owned->content, content, content->size, sizeof(owned->content));
	owned->store = store;
	msv_op_complete_owned(op.op, owned, drop_content);
}

struct owned_append {
	struct msv_append_handle handle;
	const struct msv_store *store;
};

static void drop_append(const void *result)
{
	const struct owned_append *owned = result;

	owned->store->append_abort(owned->store->self, owned->handle.append);
}

void msv_append_answer(
    struct msv_append_op op, const struct msv_store *store, struct msv_append *append)
{
	struct owned_append *owned = msv_op_alloc(op.op, sizeof(*owned));

	if (!owned) {
		msv_op_complete(op.op, MSV_ERR_NOMEM, NULL);
		store->append_abort(store->self, append);
		return;
	}
	*owned = (struct owned_append){
		.handle = { .size = sizeof(owned->handle), .append = append },
		.store = store,
	};
	msv_op_complete_owned(op.op, owned, drop_append);
}
