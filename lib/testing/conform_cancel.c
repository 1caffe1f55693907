/* Promises about ops that nobody waits for any more: whatever is canceled, and
 * whenever, the store goes on and answers the next question. */
#include <string.h>

#include "testing/kit.h"

#define MOMENTS 4 /* after so many turns of the loop an op is canceled */

/* What canceled ops are asked about. */
struct scene {
	struct msv_kit_view view;
	struct msv_append *append; /* with a message that is being written */
	char work[KIT_NAME], play[KIT_NAME];
};

static int set_scene(struct msv_kit *k, struct scene *scene)
{
	int error = msv_kit_create(k, "Work", 0);

	msv_kit_name(k, "Work", scene->work);
	msv_kit_name(k, "Play", scene->play);
	return error ? error : msv_kit_open_filled(k, &scene->view, 3);
}

/* -- The questions ------------------------------------------------------------------------ */

static void ask_list(struct msv_kit *k, struct scene *scene, struct msv_op *op)
{
	(void)scene;
	k->store->list(k->store->self, &k->actor, (struct msv_list_op){ op });
}

static void ask_status(struct msv_kit *k, struct scene *scene, struct msv_op *op)
{
	k->store->status(k->store->self, &k->actor, scene->work, (struct msv_status_op){ op });
}

static void ask_create(struct msv_kit *k, struct scene *scene, struct msv_op *op)
{
	k->store->create(k->store->self, &k->actor, scene->play, 0, op);
}

static void ask_subscribe(struct msv_kit *k, struct scene *scene, struct msv_op *op)
{
	k->store->subscribe(k->store->self, &k->actor, scene->play, true, op);
}

static void ask_rename(struct msv_kit *k, struct scene *scene, struct msv_op *op)
{
	k->store->rename(k->store->self, &k->actor, scene->play, scene->work, op);
}

static void ask_remove(struct msv_kit *k, struct scene *scene, struct msv_op *op)
{
	k->store->remove(k->store->self, &k->actor, scene->play, op);
}

static void ask_open(struct msv_kit *k, struct scene *scene, struct msv_op *op)
{
	k->store->open(k->store->self, &k->actor, scene->work, false, (struct msv_open_op){ op });
}

static void ask_changes(struct msv_kit *k, struct scene *scene, struct msv_op *op)
{
	k->store->changes(
	    k->store->self, scene->view.mailbox, 0, NULL, 0, (struct msv_changes_op){ op });
}

static void ask_msg_open(struct msv_kit *k, struct scene *scene, struct msv_op *op)
{
	k->store->msg_open(k->store->self, scene->view.mailbox, scene->view.messages[0].is.uid,
	    (struct msv_content_op){ op });
}

static void ask_flags(struct msv_kit *k, struct scene *scene, struct msv_op *op)
{
	k->store->flags(k->store->self, scene->view.mailbox, ALL_UIDS,
	    &(struct msv_flag_change){
	        .size = sizeof(struct msv_flag_change), .flags = MSV_FLAG_SEEN },
	    (struct msv_flags_op){ op });
}

static void ask_copy(struct msv_kit *k, struct scene *scene, struct msv_op *op)
{
	k->store->copy(
	    k->store->self, scene->view.mailbox, ALL_UIDS, scene->work, (struct msv_copy_op){ op });
}

static void ask_expunge(struct msv_kit *k, struct scene *scene, struct msv_op *op)
{
	k->store->expunge(k->store->self, scene->view.mailbox, NULL, op);
}

static void ask_append_begin(struct msv_kit *k, struct scene *scene, struct msv_op *op)
{
	k->store->append_begin(
	    k->store->self, &k->actor, scene->work, (struct msv_append_op){ op });
}

static void ask_append_add(struct msv_kit *k, struct scene *scene, struct msv_op *op)
{
	k->store->append_add(k->store->self, scene->append,
	    &(struct msv_append_message){ .size = sizeof(struct msv_append_message) }, op);
}

static void ask_append_write(struct msv_kit *k, struct scene *scene, struct msv_op *op)
{
	k->store->append_write(k->store->self, scene->append, "\r\nx\r\n", 5, op);
}

/* An opening or the like that comes as the answer is the asker's. */
static void take_opening(void *user, const void *result)
{
	struct msv_kit *k = user;

	k->store->close(k->store->self, ((const struct msv_open_result *)result)->mailbox);
}

static void take_content(void *user, const void *result)
{
	struct msv_kit *k = user;

	k->store->msg_close(k->store->self, ((const struct msv_message_content *)result)->message);
}

static void take_append(void *user, const void *result)
{
	struct msv_kit *k = user;

	k->store->append_abort(k->store->self, ((const struct msv_append_handle *)result)->append);
}

static const struct question {
	const char *name;
	void (*ask)(struct msv_kit *k, struct scene *scene, struct msv_op *op);
	void (*take)(void *user, const void *result);
	bool in_append; /* leaves only abort */
} questions[] = {
	{ "list", ask_list, NULL, false },
	{ "status", ask_status, NULL, false },
	{ "create", ask_create, NULL, false },
	{ "subscribe", ask_subscribe, NULL, false },
	{ "rename", ask_rename, NULL, false },
	{ "remove", ask_remove, NULL, false },
	{ "open", ask_open, take_opening, false },
	{ "changes", ask_changes, NULL, false },
	{ "msg_open", ask_msg_open, take_content, false },
	{ "flags", ask_flags, NULL, false },
	{ "copy", ask_copy, NULL, false },
	{ "expunge", ask_expunge, NULL, false },
	{ "append_begin", ask_append_begin, take_append, false },
	{ "append_add", ask_append_add, NULL, true },
	{ "append_write", ask_append_write, NULL, true },
};
enum { QUESTIONS = sizeof(questions) / sizeof(questions[0]) };

/* -- The checks ------------------------------------------------------------------------------- */

/* The store still knows its messages. */
static bool goes_on(struct msv_kit *k, struct msv_kit_view *view, const char *after)
{
	char text[200];
	int error = msv_kit_sync(k, view);

	if (error || view->n != 3)
		msv_kit_break(k, "after a canceled %s: %s, %zu messages of 3", after,
		    msv_strerror(error), view->n);
	else
		msv_kit_message_is(k, view, view->messages[1].is.uid, msv_kit_text(2, text));
	return k->broken.n == 0;
}

/* Asks, and stops waiting after so many turns of the loop. */
static void ask_and_cancel(
    struct msv_kit *k, struct scene *scene, const struct question *question, unsigned moment)
{
	struct msv_kit_answer a = { .take = question->take, .user = k };

	if (!msv_kit_ask(k, &a))
		return;
	question->ask(k, scene, a.op);
	for (unsigned i = 0; i < moment && !a.done; i++)
		msv_env_tick(msv_test_env(k->test));
	msv_kit_cancel(&a);
}

static int begin_append(struct msv_kit *k, struct scene *scene)
{
	int error = msv_kit_append_begin(k, "INBOX", &scene->append);

	return error ? error : msv_kit_append_add(k, scene->append, NULL);
}

static void any_op_may_be_canceled(struct msv_kit *k)
{
	struct scene scene;

	SUCCEEDS(k, set_scene(k, &scene));
	for (unsigned moment = 0; moment < MOMENTS; moment++) {
		for (size_t i = 0; i < QUESTIONS; i++) {
			const struct question *question = &questions[i];

			if (question->in_append)
				SUCCEEDS(k, begin_append(k, &scene));
			ask_and_cancel(k, &scene, question, moment);
			if (question->in_append)
				msv_kit_append_abort(k, scene.append);
			msv_test_advance(k->test, 100);
			if (!goes_on(k, &scene.view, question->name))
				return;
		}
	}
}

static void many_ops_may_be_under_way(struct msv_kit *k)
{
	struct msv_kit_answer answers[QUESTIONS];
	struct scene scene;

	SUCCEEDS(k, set_scene(k, &scene));
	for (unsigned skip = 0; skip < 3; skip++) {
		memset(answers, 0, sizeof(answers));
		for (size_t i = 0; i < QUESTIONS && !questions[i].in_append; i++) {
			answers[i].take = questions[i].take;
			answers[i].user = k;
			if (!msv_kit_ask(k, &answers[i]))
				return;
			questions[i].ask(k, &scene, answers[i].op);
		}
		for (size_t i = 0; i < QUESTIONS && !questions[i].in_append; i++) {
			if (i % 3 == skip)
				msv_kit_cancel(&answers[i]);
			else
				msv_kit_wait(
				    &answers[i]); /* some fail: two may be in either order */
		}
		msv_test_advance(k->test, 1000);
		if (!goes_on(k, &scene.view, "crowd of ops"))
			return;
	}
}

static void close_with_ops_canceled(struct msv_kit *k)
{
	static void (*const asks[])(struct msv_kit *, struct scene *,
	    struct msv_op *) = { ask_changes, ask_msg_open, ask_flags, ask_copy, ask_expunge };
	enum { N = sizeof(asks) / sizeof(asks[0]) };
	struct msv_kit_answer answers[N];
	struct scene scene;

	SUCCEEDS(k, set_scene(k, &scene));
	for (unsigned moment = 0; moment < MOMENTS; moment++) {
		memset(answers, 0, sizeof(answers));
		for (size_t i = 0; i < N; i++) {
			answers[i].take = asks[i] == ask_msg_open ? take_content : NULL;
			answers[i].user = k;
			if (!msv_kit_ask(k, &answers[i]))
				return;
			asks[i](k, &scene, answers[i].op);
		}
		for (unsigned i = 0; i < moment; i++)
			msv_env_tick(msv_test_env(k->test));
		for (size_t i = 0; i < N; i++)
			msv_kit_cancel(&answers[i]);
		msv_kit_close(k, &scene.view);
		msv_test_advance(k->test, 100);
		SUCCEEDS(k, msv_kit_open(k, &scene.view, "INBOX", false));
		if (!goes_on(k, &scene.view, "opening's ops"))
			return;
	}
}

static void append_may_be_aborted_midway(struct msv_kit *k)
{
	struct scene scene;

	SUCCEEDS(k, set_scene(k, &scene));
	for (unsigned moment = 0; moment < MOMENTS; moment++) {
		struct msv_kit_answer a = { 0 };

		SUCCEEDS(k, begin_append(k, &scene));
		SUCCEEDS(k, msv_kit_append_write(k, scene.append, "\r\nhalf", 6));
		if (!msv_kit_ask(k, &a))
			return;
		ask_append_write(k, &scene, a.op);
		for (unsigned i = 0; i < moment && !a.done; i++)
			msv_env_tick(msv_test_env(k->test));
		msv_kit_cancel(&a);
		msv_kit_append_abort(k, scene.append);
		msv_test_advance(k->test, 100);
		if (!goes_on(k, &scene.view, "append_write"))
			return;
	}
}

const struct msv_check msv_checks_cancel[] = {
	CHECK(any_op_may_be_canceled),
	CHECK(many_ops_may_be_under_way),
	CHECK(close_with_ops_canceled),
	CHECK(append_may_be_aborted_midway),
	{ NULL, NULL },
};
