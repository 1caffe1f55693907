/* Rows over pauses: given one at a time, so that the mailbox may change in
 * between. */
#include <string.h>

#include "base/op.h"
#include "store/memory.h"

/* A late store lets others in between its rows now and then. */
static bool wants_rest(const struct msv_memory_store *store)
{
	unsigned char dice = 0;

	return store->is_late && msv_env_random(store->env, &dice, 1) == 0 && dice % 4 == 0;
}

static void give(void *user)
{
	struct memory_rows *rows = user;
	int said;

	do {
		if (wants_rest(rows->store)) {
			msv_env_later(rows->store->env, &rows->task);
			return;
		}
		said = rows->next(rows);
	} while (said == 0);
	if (said == MSV_ERR_CANCELED)
		msv_op_answer(rows->op, MSV_ERR_CANCELED);
}

static void rest_is_over(struct msv_task *task)
{
	give(task);
}

static void cancel(void *user)
{
	struct memory_rows *rows = user;

	msv_env_undefer(rows->store->env, &rows->task);
	msv_op_answer(rows->op, MSV_ERR_CANCELED);
}

void msv_memory_rows(struct memory_rows *rows, struct msv_memory_store *store, struct msv_op *op,
    int (*next)(struct memory_rows *rows))
{
	*rows = (struct memory_rows){ { .fn = rest_is_over }, store, op, next };
	msv_op_on_resume(op, give, rows);
	msv_op_on_cancel(op, cancel, rows);
	if (msv_op_canceled(op))
		msv_op_answer(op, MSV_ERR_CANCELED);
	else
		give(rows);
}

int msv_memory_keep_set(struct msv_op *op, const struct msv_uidset *set, struct msv_uidset *copy)
{
	struct msv_uid_range *r = msv_op_alloc(op, (set->n + 1) * sizeof(*r));

	if (!r)
		return MSV_ERR_NOMEM;
	if (set->n)
		memcpy(r, set->r, set->n * sizeof(*r));
	*copy = (struct msv_uidset){ r, set->n };
	return 0;
}
