/* The conformance kit's way of asking a store. */
#include <stdio.h>
#include <string.h>

#include "testing/kit.h"

#define PATIENCE 60000 /* ms until an answer must be there */
#define STEP     10

/* -- Saying what is broken ------------------------------------------------------------ */

void msv_kit_break(struct msv_kit *k, const char *fmt, ...)
{
	char text[1000];
	va_list ap;

	if (k->broken.n > 0)
		return;
	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	msv_text_printf(&k->broken, "%s", text);
}

const char *msv_kit_call_name(const char *call)
{
	static const char prefix[] = "msv_kit_";

	return strncmp(call, prefix, sizeof(prefix) - 1) == 0 ? call + sizeof(prefix) - 1 : call;
}

/* -- Asking ------------------------------------------------------------------------------ */

static void answered(void *user, int error, const void *result)
{
	struct msv_kit_answer *answer = user;

	if (answer->done)
		msv_kit_break(answer->kit, "an op was answered twice");
	answer->done = true;
	answer->error = error;
	if (!error && answer->take)
		answer->take(answer->user, result);
}

static int take_row(void *user, const void *row)
{
	struct msv_kit_answer *answer = user;

	if (answer->paused)
		msv_kit_break(answer->kit, "a row came during a pause");
	if (answer->done)
		msv_kit_break(answer->kit, "a row came after the answer");
	answer->rows++;
	if (answer->row)
		answer->row(answer->user, row);
	if (!answer->pauses)
		return 0;
	if (answer->hurries)
		msv_op_resume(answer->op);
	answer->paused = !answer->hurries;
	return MSV_PAUSE;
}

struct msv_op *msv_kit_ask(struct msv_kit *k, struct msv_kit_answer *answer)
{
	answer->kit = k;
	answer->done = answer->paused = false;
	answer->error = MSV_ERR_NOMEM;
	answer->op = msv_op_new(msv_test_env(k->test), answered, answer);
	if (answer->op)
		msv_op_set_row(answer->op, take_row);
	else
		k->no_memory = true;
	return answer->op;
}

static void resume(struct msv_kit_answer *answer)
{
	answer->paused = false;
	msv_op_resume(answer->op);
}

int msv_kit_wait(struct msv_kit_answer *answer)
{
	struct msv_test_env *test = answer->kit->test;

	for (unsigned waited = 0; waited <= PATIENCE; waited += STEP) {
		msv_test_run(test);
		while (answer->paused && !answer->done) {
			resume(answer);
			msv_test_run(test);
		}
		if (answer->done)
			return answer->error;
		msv_test_advance(test, STEP);
	}
	msv_kit_break(answer->kit, "an op was not answered within a minute");
	msv_kit_cancel(answer);
	return MSV_ERR_CANCELED;
}

void msv_kit_cancel(struct msv_kit_answer *answer)
{
	if (!answer->done)
		msv_op_cancel(answer->op);
}

/* -- What is open ---------------------------------------------------------------------------- */

void msv_kit_hold(struct msv_kit *k, void *slots[KIT_HANDLES], void *handle)
{
	for (int i = 0; i < KIT_HANDLES; i++) {
		if (!slots[i]) {
			slots[i] = handle;
			return;
		}
	}
	msv_kit_break(k, "more than %d things open at once", KIT_HANDLES);
}

void msv_kit_drop(void *slots[KIT_HANDLES], const void *handle)
{
	for (int i = 0; i < KIT_HANDLES; i++)
		if (slots[i] == handle)
			slots[i] = NULL;
}

void msv_kit_close_all(struct msv_kit *k)
{
	const struct msv_store *store = k->store;

	for (int i = 0; i < KIT_HANDLES; i++) {
		if (k->messages[i])
			store->msg_close(store->self, k->messages[i]);
		if (k->watches[i])
			store->unwatch(store->self, k->watches[i]);
		if (k->appends[i])
			store->append_abort(store->self, k->appends[i]);
		k->messages[i] = k->watches[i] = k->appends[i] = NULL;
	}
	for (int i = 0; i < KIT_HANDLES; i++) {
		if (k->mailboxes[i])
			store->close(store->self, k->mailboxes[i]);
		k->mailboxes[i] = NULL;
	}
	msv_test_run(k->test);
}

int msv_kit_restart(struct msv_kit *k)
{
	msv_kit_close_all(k);
	return k->options->restart(k->options->user, &k->store);
}

/* -- Watches --------------------------------------------------------------------------------------- */

int msv_kit_watch(struct msv_kit *k, struct msv_kit_view *view,
    void (*look)(void *user, const char *mailbox), void *user, struct msv_store_watch **watch)
{
	int error = k->store->watch(
	    k->store->self, &k->actor, view ? view->mailbox : NULL, look, user, watch);

	if (!error)
		msv_kit_hold(k, k->watches, *watch);
	return error;
}

void msv_kit_unwatch(struct msv_kit *k, struct msv_store_watch *watch)
{
	msv_kit_drop(k->watches, watch);
	k->store->unwatch(k->store->self, watch);
}
