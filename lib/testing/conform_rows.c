/* Promises about rows: they pause, go on, and end when nobody listens. */
#include <string.h>

#include "testing/kit.h"

static void paused_lists_are_whole(struct msv_kit *k)
{
	struct msv_kit_list list = { 0 }, paused = { .pauses = true };

	SUCCEEDS(k, msv_kit_create(k, "A/B", 0));
	SUCCEEDS(k, msv_kit_create(k, "C", 0));
	SUCCEEDS(k, msv_kit_subscribe(k, "Gone", true));
	SUCCEEDS(k, msv_kit_list(k, &list));
	SUCCEEDS(k, msv_kit_list(k, &paused));
	PROMISE(
	    k, list.n == paused.n, "%zu entries came with pauses instead of %zu", paused.n, list.n);
	for (size_t i = 0; i < list.n; i++) {
		unsigned times = 0;

		for (size_t j = 0; j < paused.n; j++)
			times += strcmp(list.entries[i].name, paused.entries[j].name) == 0;
		PROMISE(
		    k, times == 1, "\"%s\" came %u times with pauses", list.entries[i].name, times);
	}
}

static void paused_changes_are_whole(struct msv_kit *k)
{
	struct msv_changes_result result;
	struct msv_kit_view view;

	SUCCEEDS(k, msv_kit_open_filled(k, &view, 6));
	uint64_t since = view.modseq;
	SUCCEEDS(k, msv_kit_flag(k, &view, 1, MSV_FLAG_DELETED));
	SUCCEEDS(k, msv_kit_flag(k, &view, 4, MSV_FLAG_DELETED));
	SUCCEEDS(k, msv_kit_flag(k, &view, 5, MSV_FLAG_SEEN));
	SUCCEEDS(k, msv_kit_expunge(k, &view, NULL));
	view.pauses = true;
	SUCCEEDS(k, msv_kit_changes(k, &view, 0, NULL, &result));
	PROMISE(k, view.nrows == 4, "%zu rows came with pauses instead of 4", view.nrows);
	SUCCEEDS(k, msv_kit_changes(k, &view, since, NULL, &result));
	PROMISE(k, view.nrows == 1, "%zu rows came with pauses instead of 1", view.nrows);
	PROMISE(k,
	    msv_kit_expunged(&view, view.messages[1].is.uid) &&
	        msv_kit_expunged(&view, view.messages[4].is.uid),
	    "expunged UIDs were lost in pauses");
}

static void paused_flags_are_whole(struct msv_kit *k)
{
	struct msv_kit_view view;

	SUCCEEDS(k, msv_kit_open_filled(k, &view, 5));
	view.pauses = true;
	SUCCEEDS(k, msv_kit_flags(k, &view, ALL_UIDS, MSV_FLAGS_ADD, MSV_FLAG_SEEN, NULL));
	PROMISE(k, view.nrows == 5, "%zu rows came with pauses instead of 5", view.nrows);
	for (size_t i = 0; i < view.nrows; i++)
		PROMISE(k,
		    view.rows[i].is.uid == view.messages[i].is.uid &&
		        view.rows[i].is.flags & MSV_FLAG_SEEN,
		    "row %zu is not about the message and what it has become", i);
}

/* Asks for all messages; no rows are kept. */
static bool ask_all(struct msv_kit *k, struct msv_kit_view *view, struct msv_kit_answer *a)
{
	if (!msv_kit_ask(k, a))
		return false;
	k->store->changes(
	    k->store->self, view->mailbox, 0, NULL, 0, (struct msv_changes_op){ a->op });
	return true;
}

/* The asker is ready again before its row function has said that it pauses. */
static void a_pause_may_be_over_at_once(struct msv_kit *k)
{
	struct msv_kit_answer a = { .pauses = true, .hurries = true };
	struct msv_kit_view view;

	SUCCEEDS(k, msv_kit_open_filled(k, &view, 4));
	if (!ask_all(k, &view, &a))
		return;
	SUCCEEDS(k, msv_kit_wait(&a));
	PROMISE(k, a.rows == 4, "%u rows came instead of 4", a.rows);
}

/* Lets the env run until the rows pause. */
static void run_to_pause(struct msv_kit *k, const struct msv_kit_answer *a)
{
	for (int i = 0; i < 100 && !a->paused && !a->done; i++)
		msv_test_advance(k->test, 10);
}

static void a_mailbox_may_change_in_a_pause(struct msv_kit *k)
{
	struct msv_kit_answer a = { .pauses = true };
	struct msv_kit_view view, other;

	SUCCEEDS(k, msv_kit_open_filled(k, &view, 8));
	SUCCEEDS(k, msv_kit_open(k, &other, "INBOX", false));
	SUCCEEDS(k, msv_kit_sync(k, &other));
	if (!ask_all(k, &view, &a))
		return;
	run_to_pause(k, &a);
	PROMISE(k, a.paused, "no row came to pause at");
	for (size_t i = 0; i < 8; i += 2)
		SUCCEEDS(k, msv_kit_flag(k, &other, i, MSV_FLAG_DELETED));
	SUCCEEDS(k, msv_kit_expunge(k, &other, NULL));
	SUCCEEDS(k, msv_kit_append(k, "INBOX", "\r\nx\r\n", NULL));
	SUCCEEDS(k, msv_kit_wait(&a));
	SUCCEEDS(k, msv_kit_sync(k, &view));
	PROMISE(
	    k, view.n == 5, "after changes in a pause %zu messages are seen instead of 5", view.n);
}

static void rows_end_when_canceled(struct msv_kit *k)
{
	struct msv_kit_view view;

	SUCCEEDS(k, msv_kit_open_filled(k, &view, 5));
	for (unsigned resumes = 0; resumes < 4; resumes++) {
		struct msv_kit_answer a = { .pauses = true };

		if (!ask_all(k, &view, &a))
			return;
		run_to_pause(k, &a);
		for (unsigned i = 0; i < resumes && a.paused; i++) {
			a.paused = false;
			msv_op_resume(a.op);
			run_to_pause(k, &a);
		}
		unsigned rows = a.rows;
		msv_kit_cancel(&a);
		msv_test_advance(k->test, 100);
		PROMISE(k, a.rows == rows, "a row came after the op was canceled");
	}
	SUCCEEDS(k, msv_kit_sync(k, &view));
	PROMISE(k, view.n == 5, "%zu messages instead of 5", view.n);
}

static void cancel_row(void *user, const void *row)
{
	struct msv_kit_answer *a = user;

	(void)row;
	if (a->rows == 2)
		msv_op_cancel(a->op);
}

static void rows_end_when_canceled_by_a_row(struct msv_kit *k)
{
	struct msv_kit_answer a = { .row = cancel_row, .user = &a };
	struct msv_kit_view view;

	SUCCEEDS(k, msv_kit_open_filled(k, &view, 5));
	if (!ask_all(k, &view, &a))
		return;
	msv_test_advance(k->test, 1000);
	PROMISE(k, a.rows == 2, "%u rows came, the second canceled", a.rows);
	PROMISE(k, !a.done, "an answer came to a canceled op");
	SUCCEEDS(k, msv_kit_sync(k, &view));
}

const struct msv_check msv_checks_rows[] = {
	CHECK(paused_lists_are_whole),
	CHECK(paused_changes_are_whole),
	CHECK(paused_flags_are_whole),
	CHECK(a_pause_may_be_over_at_once),
	CHECK(a_mailbox_may_change_in_a_pause),
	CHECK(rows_end_when_canceled),
	CHECK(rows_end_when_canceled_by_a_row),
	{ NULL, NULL },
};
