/* The memory store: a life of a mailbox with memory running out at every
 * allocation, quota, and ops that are canceled. */
#include <mailserv/testing.h>
#include <stdio.h>
#include <string.h>

#include "check_main.h"

static const struct msv_actor alice = { .size = sizeof(alice), .user = "alice@example.org" };

/* -- Asking and waiting -------------------------------------------------------------- */

/* What came of an op. */
struct answer {
	struct msv_test_env *test;
	struct msv_op *op;
	bool done;
	int error;
	struct msv_mailbox *mailbox;
	struct msv_append *append;
	struct msv_open_message *message;
	unsigned rows;
};

static void on_plain(void *user, int error, const void *result)
{
	struct answer *a = user;

	(void)result;
	a->done = true;
	a->error = error;
}

static void on_open(void *user, int error, const void *result)
{
	struct answer *a = user;

	on_plain(user, error, result);
	if (!error)
		a->mailbox = ((const struct msv_open_result *)result)->mailbox;
}

static void on_append(void *user, int error, const void *result)
{
	struct answer *a = user;

	on_plain(user, error, result);
	if (!error)
		a->append = ((const struct msv_append_handle *)result)->append;
}

static void on_content(void *user, int error, const void *result)
{
	struct answer *a = user;

	on_plain(user, error, result);
	if (!error)
		a->message = ((const struct msv_message_content *)result)->message;
}

static int on_row(void *user, const void *row)
{
	(void)row;
	((struct answer *)user)->rows++;
	return 0;
}

/* A new op into a->op; false without memory. */
static bool ask(struct answer *a, msv_op_fn done)
{
	a->done = false;
	a->error = MSV_ERR_NOMEM;
	a->op = msv_op_new(msv_test_env(a->test), done, a);
	if (a->op)
		msv_op_set_row(a->op, on_row);
	return a->op != NULL;
}

static int answered(struct answer *a)
{
	msv_test_run(a->test);
	ck_assert(a->done);
	return a->error;
}

#define ASK(a, done, call) (ask((a), (done)) ? ((call), answered(a)) : MSV_ERR_NOMEM)

static int append_one(
    const struct msv_store *store, struct answer *a, const char *mailbox, const char *text)
{
	static const char *const keywords[] = { "$Junk", "later" };
	struct msv_append_message message = {
		.size = sizeof(message),
		.flags = MSV_FLAG_SEEN,
		.keywords = keywords,
		.nkeywords = 2,
	};
	int error = ASK(a, on_append,
	    store->append_begin(store->self, &alice, mailbox, (struct msv_append_op){ a->op }));
	struct msv_append *append = a->append;

	if (error)
		return error;
	error = ASK(a, on_plain, store->append_add(store->self, append, &message, a->op));
	if (!error)
		error = ASK(a, on_plain,
		    store->append_write(store->self, append, text, strlen(text), a->op));
	if (!error && !ask(a, on_plain))
		error = MSV_ERR_NOMEM;
	if (error) {
		store->append_abort(store->self, append);
		return error;
	}
	store->append_commit(store->self, append, (struct msv_copy_op){ a->op });
	return answered(a);
}

/* -- Memory runs out ------------------------------------------------------------------- */

static int read_one(const struct msv_store *store, struct answer *a, struct msv_mailbox *mailbox)
{
	int error = ASK(a, on_content,
	    store->msg_open(store->self, mailbox, 1, (struct msv_content_op){ a->op }));
	struct msv_open_message *message = a->message;

	if (error)
		return error;
	error = ASK(a, on_plain,
	    store->msg_read(store->self, message, 0, 10, (struct msv_read_op){ a->op }));
	store->msg_close(store->self, message);
	return error;
}

static int work_in_mailbox(
    const struct msv_store *store, struct answer *a, struct msv_mailbox *mailbox)
{
	static const struct msv_uid_range three[] = { { 1, 1 }, { 3, 4 } };
	static const char *const keywords[] = { "$Label1" };
	struct msv_uidset uids = { three, 2 };
	struct msv_flag_change change = {
		.size = sizeof(change),
		.flags = MSV_FLAG_DELETED,
		.keywords = keywords,
		.nkeywords = 1,
		.unchanged_since = 1000,
	};
	int error = ASK(a, on_plain,
	    store->changes(store->self, mailbox, 0, NULL, ~0u, (struct msv_changes_op){ a->op }));

	if (!error)
		error = read_one(store, a, mailbox);
	if (!error)
		error = ASK(a, on_plain,
		    store->flags(
		        store->self, mailbox, &uids, &change, (struct msv_flags_op){ a->op }));
	if (!error)
		error = ASK(a, on_plain,
		    store->copy(
		        store->self, mailbox, &uids, "Work/2026", (struct msv_copy_op){ a->op }));
	if (!error)
		error = ASK(a, on_plain,
		    store->move(
		        store->self, mailbox, &uids, "INBOX", (struct msv_copy_op){ a->op }));
	if (!error)
		error = ASK(a, on_plain, store->expunge(store->self, mailbox, NULL, a->op));
	if (!error)
		error = ASK(a, on_plain,
		    store->changes(
		        store->self, mailbox, 1, &uids, 0, (struct msv_changes_op){ a->op }));
	return error;
}

static void look(void *user, const char *mailbox)
{
	(void)mailbox;
	++*(unsigned *)user;
}

static int work_with_names(const struct msv_store *store, struct answer *a)
{
	int error =
	    ASK(a, on_plain, store->rename(store->self, &alice, "INBOX", "Work/old", a->op));

	if (!error)
		error = ASK(a, on_plain, store->rename(store->self, &alice, "Work", "Play", a->op));
	if (!error)
		error =
		    ASK(a, on_plain, store->subscribe(store->self, &alice, "Gone", true, a->op));
	if (!error)
		error = ASK(
		    a, on_plain, store->list(store->self, &alice, (struct msv_list_op){ a->op }));
	if (!error)
		error = ASK(a, on_plain,
		    store->status(store->self, &alice, "Play", (struct msv_status_op){ a->op }));
	if (!error)
		error = ASK(a, on_plain, store->remove(store->self, &alice, "Play", a->op));
	return error;
}

/* A life of a mailbox; ends with the first error. */
static int live(const struct msv_store *store, struct answer *a)
{
	struct msv_store_watch *watch;
	unsigned looks = 0;
	int error = ASK(
	    a, on_plain, store->create(store->self, &alice, "Work/2026", MSV_USE_ARCHIVE, a->op));

	if (!error)
		error = store->watch(store->self, &alice, NULL, look, &looks, &watch);
	if (error)
		return error;
	for (int i = 0; i < 5 && !error; i++)
		error = append_one(store, a, "INBOX", "Subject: x\n\nbody\n");
	struct msv_mailbox *mailbox = NULL;
	if (!error)
		error = ASK(a, on_open,
		    store->open(
		        store->self, &alice, "INBOX", false, (struct msv_open_op){ a->op }));
	if (!error) {
		mailbox = a->mailbox;
		error = work_in_mailbox(store, a, mailbox);
	}
	if (!error)
		error = work_with_names(store, a);
	if (mailbox)
		store->close(store->self, mailbox);
	store->unwatch(store->self, watch);
	ck_assert(error || looks > 0);
	return error;
}

/* One life in which the n-th allocation fails; false when there is no n-th. */
static bool live_until(uint64_t n, bool late, bool forever)
{
	struct msv_memory_options options = { .size = sizeof(options), .late = late };
	struct msv_memory_store *memory;
	struct answer a = { 0 };

	ck_assert_int_eq(msv_test_env_new(n, &a.test), 0);
	uint64_t begun = msv_test_allocs(a.test);
	msv_test_fail_alloc(a.test, n, forever);
	int error = msv_memory_store_new(msv_test_env(a.test), &options, &memory);
	if (!error) {
		error = live(msv_memory_store(memory), &a);
		msv_memory_store_free(memory);
	}
	ck_assert(error == 0 || error == MSV_ERR_NOMEM);
	bool failed = msv_test_allocs(a.test) > begun + n;
	ck_assert_uint_eq(msv_test_env_free(a.test), 0);
	return failed;
}

static void fail_each(bool late, bool forever)
{
	uint64_t n = 0;

	while (live_until(n, late, forever))
		ck_assert_uint_lt(++n, 2000);
	ck_assert_uint_gt(n, 100);
}

START_TEST(test_memory_runs_out)
{
	fail_each(_i & 1, _i & 2);
}
END_TEST

/* -- Quota, owners, order ----------------------------------------------------------------- */

/* A store of its own for one test. */
struct stage {
	struct msv_memory_store *memory;
	const struct msv_store *store;
	struct answer a;
};

static void set_stage(struct stage *stage, uint64_t seed, struct msv_memory_options options)
{
	*stage = (struct stage){ 0 };
	ck_assert_int_eq(msv_test_env_new(seed, &stage->a.test), 0);
	ck_assert_int_eq(
	    msv_memory_store_new(msv_test_env(stage->a.test), &options, &stage->memory), 0);
	stage->store = msv_memory_store(stage->memory);
}

static void clear_stage(struct stage *stage)
{
	msv_memory_store_free(stage->memory);
	ck_assert_uint_eq(msv_test_env_free(stage->a.test), 0);
}

START_TEST(quota_is_kept)
{
	static const char text[] = "Subject: forty bytes\r\n\r\n123456789012345\r\n";
	static const struct msv_uid_range one = { 1, 1 };
	struct msv_uidset uids = { &one, 1 };
	struct stage stage;
	struct answer *a = &stage.a;

	set_stage(&stage, 0,
	    (struct msv_memory_options){
	        .size = sizeof(struct msv_memory_options), .quota_bytes = 100 });
	const struct msv_store *store = stage.store;
	ck_assert_int_eq(append_one(store, a, "INBOX", text), 0);
	ck_assert_int_eq(append_one(store, a, "INBOX", text), 0);
	ck_assert_int_eq(append_one(store, a, "INBOX", text), MSV_ERR_QUOTA);
	ck_assert_int_eq(
	    ASK(a, on_open,
	        store->open(store->self, &alice, "INBOX", false, (struct msv_open_op){ a->op })),
	    0);
	struct msv_mailbox *mailbox = a->mailbox;
	ck_assert_int_eq(
	    ASK(a, on_plain,
	        store->copy(store->self, mailbox, &uids, "INBOX", (struct msv_copy_op){ a->op })),
	    MSV_ERR_QUOTA);
	/* A move needs no more room than there is. */
	ck_assert_int_eq(
	    ASK(a, on_plain,
	        store->move(store->self, mailbox, &uids, "INBOX", (struct msv_copy_op){ a->op })),
	    0);
	struct msv_flag_change deleted = { .size = sizeof(deleted), .flags = MSV_FLAG_DELETED };
	struct msv_uidset all = { &(struct msv_uid_range){ 1, UINT32_MAX }, 1 };
	ck_assert_int_eq(
	    ASK(a, on_plain,
	        store->flags(store->self, mailbox, &all, &deleted, (struct msv_flags_op){ a->op })),
	    0);
	ck_assert_int_eq(ASK(a, on_plain, store->expunge(store->self, mailbox, NULL, a->op)), 0);
	store->close(store->self, mailbox);
	ck_assert_int_eq(append_one(store, a, "INBOX", text), 0);
	clear_stage(&stage);
}
END_TEST

START_TEST(owners_are_alone)
{
	static const struct msv_actor intruder = {
		.size = sizeof(intruder), .user = "bob@example.org", .owner = "alice@example.org"
	};
	static const struct msv_actor herself = {
		.size = sizeof(herself), .user = "alice@example.org", .owner = "alice@example.org"
	};
	struct stage stage;
	struct answer *a = &stage.a;

	set_stage(
	    &stage, 0, (struct msv_memory_options){ .size = sizeof(struct msv_memory_options) });
	const struct msv_store *store = stage.store;
	ck_assert_int_eq(
	    ASK(a, on_plain,
	        store->status(store->self, &intruder, "INBOX", (struct msv_status_op){ a->op })),
	    MSV_ERR_DENIED);
	ck_assert_int_eq(ASK(a, on_plain, store->create(store->self, &intruder, "Mine", 0, a->op)),
	    MSV_ERR_DENIED);
	ck_assert_int_eq(
	    ASK(a, on_plain,
	        store->status(store->self, &herself, "INBOX", (struct msv_status_op){ a->op })),
	    0);
	clear_stage(&stage);
}
END_TEST

/* Who was answered when. */
struct turn {
	char *order;
	char letter;
};

static void on_turn(void *user, int error, const void *result)
{
	struct turn *turn = user;

	(void)result;
	ck_assert_int_eq(error, 0);
	turn->order[strlen(turn->order)] = turn->letter;
}

START_TEST(late_answers_come_in_any_order)
{
	bool orders_differ = false;

	for (uint64_t seed = 0; seed < 10; seed++) {
		char order[8] = "";
		struct turn turns[4];
		struct stage stage;

		set_stage(&stage, seed,
		    (struct msv_memory_options){
		        .size = sizeof(struct msv_memory_options), .late = true });
		for (int i = 0; i < 4; i++) {
			turns[i] = (struct turn){ order, (char)('a' + i) };
			stage.store->status(stage.store->self, &alice, "INBOX",
			    (struct msv_status_op){
			        msv_op_new(msv_test_env(stage.a.test), on_turn, &turns[i]) });
		}
		ck_assert_str_eq(order, "");
		msv_test_run(stage.a.test);
		ck_assert_uint_eq(strlen(order), 4);
		orders_differ = orders_differ || strcmp(order, "abcd") != 0;
		clear_stage(&stage);
	}
	ck_assert(orders_differ);
}
END_TEST

/* -- Watches that act --------------------------------------------------------------------- */

/* A watch that does away with what it is told of. */
struct busy_watch {
	struct msv_env *env;
	const struct msv_store *store;
	struct msv_store_watch *watch;
	unsigned looks;
	bool ends;
};

static void act(void *user, const char *mailbox)
{
	struct busy_watch *busy = user;
	const struct msv_store *store = busy->store;

	busy->looks++;
	ck_assert_uint_lt(busy->looks, 100);
	if (mailbox && strcmp(mailbox, "INBOX") != 0) {
		char name[32];

		snprintf(name, sizeof(name), "%s", mailbox);
		store->rename(
		    store->self, &alice, mailbox, "Elsewhere", msv_op_new(busy->env, NULL, NULL));
		ck_assert_str_eq(mailbox, name);
		store->remove(store->self, &alice, "Elsewhere", msv_op_new(busy->env, NULL, NULL));
	}
	if (busy->ends)
		store->unwatch(store->self, busy->watch);
}

START_TEST(look_may_do_anything)
{
	struct stage stage;
	struct answer *a = &stage.a;

	set_stage(
	    &stage, 0, (struct msv_memory_options){ .size = sizeof(struct msv_memory_options) });
	const struct msv_store *store = stage.store;
	struct busy_watch busy = { msv_test_env(a->test), store, NULL, 0, _i };
	ck_assert_int_eq(store->watch(store->self, &alice, NULL, act, &busy, &busy.watch), 0);
	for (int i = 0; i < 3; i++) {
		char name[8] = { (char)('A' + i), '\0' };

		ck_assert_int_eq(
		    ASK(a, on_plain, store->create(store->self, &alice, name, 0, a->op)), 0);
		ck_assert_int_eq(append_one(store, a, name, "\r\n"), 0);
		int error = ASK(a, on_plain,
		    store->status(store->self, &alice, name, (struct msv_status_op){ a->op }));
		ck_assert_int_eq(error, _i ? 0 : MSV_ERR_NOTFOUND);
	}
	if (_i)
		ck_assert_uint_eq(busy.looks, 1);
	else
		ck_assert_uint_ge(busy.looks, 6);
	if (!_i)
		store->unwatch(store->self, busy.watch);
	clear_stage(&stage);
}
END_TEST

/* -- The conformance kit --------------------------------------------------------------------- */

struct subject {
	struct msv_test_env *test;
	struct msv_memory_options options;
	struct msv_memory_store *memory;
	unsigned checks;
	char broken[4000];
};

static int subject_setup(void *user, const struct msv_store **out)
{
	struct subject *subject = user;
	int error =
	    msv_memory_store_new(msv_test_env(subject->test), &subject->options, &subject->memory);

	if (!error)
		*out = msv_memory_store(subject->memory);
	return error;
}

static void subject_teardown(void *user)
{
	msv_memory_store_free(((struct subject *)user)->memory);
}

static void subject_report(void *user, const char *check, const char *broken)
{
	struct subject *subject = user;
	size_t n = strlen(subject->broken);

	subject->checks++;
	if (broken)
		snprintf(
		    subject->broken + n, sizeof(subject->broken) - n, "%s: %s\n", check, broken);
}

static void conform(uint64_t seed, struct msv_memory_options options)
{
	struct subject subject = { .options = options };

	ck_assert_int_eq(msv_test_env_new(seed, &subject.test), 0);
	int failed = msv_store_conform(&(struct msv_store_conform_options){
	    .size = sizeof(struct msv_store_conform_options),
	    .test = subject.test,
	    .setup = subject_setup,
	    .teardown = subject_teardown,
	    .user = &subject,
	    .report = subject_report,
	});
	ck_assert_msg(failed == 0, "%d checks failed:\n%s", failed, subject.broken);
	ck_assert_uint_gt(subject.checks, 100);
	ck_assert_uint_eq(msv_test_env_free(subject.test), 0);
}

START_TEST(it_conforms_at_once)
{
	conform(0, (struct msv_memory_options){ .size = sizeof(struct msv_memory_options) });
	conform(0, (struct msv_memory_options){
	               .size = sizeof(struct msv_memory_options), .separator = '.' });
}
END_TEST

START_TEST(it_conforms_late)
{
	conform((uint64_t)_i,
	    (struct msv_memory_options){ .size = sizeof(struct msv_memory_options), .late = true });
}
END_TEST

int main(void)
{
	Suite *s = suite_create("memory");
	TCase *tc = tcase_create("memory runs out");

	tcase_set_timeout(tc, 60);
	tcase_add_loop_test(tc, test_memory_runs_out, 0, 4);
	suite_add_tcase(s, tc);
	check_case(s, "rules", quota_is_kept, owners_are_alone, late_answers_come_in_any_order);
	tc = tcase_create("watch");
	tcase_add_loop_test(tc, look_may_do_anything, 0, 2);
	suite_add_tcase(s, tc);
	check_case(s, "at once", it_conforms_at_once);
	tc = tcase_create("late");
	tcase_set_timeout(tc, 60);
	tcase_add_loop_test(tc, it_conforms_late, 0, 10);
	suite_add_tcase(s, tc);
	return check_main(s);
}
