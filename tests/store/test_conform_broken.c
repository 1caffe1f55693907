/* The conformance kit finds what is broken: stores that break one promise each,
 * made from the memory store, fail the checks of that promise and no others. */
#include <mailserv/testing.h>
#include <stdio.h>
#include <string.h>

#include "breakages.h"
#include "check_main.h"

static struct msv_test_env *test;

/* -- The kit finds them out ---------------------------------------------------------------------------- */

static void nothing(void)
{
}

static const struct breakage {
	void (*make)(void);
	const char *checks; /* that fail, in the kit's order, each followed by a space */
} breakages[] = {
	{ nothing, "" },
	{ loses_subscriptions, "list_names_each_once "
	                       "subscriptions_need_no_mailbox " },
	{ removes_children, "remove_leaves_children " },
	{ repeats_uidvalidity, "a_new_life_has_another_uidvalidity "
	                       "rename_keeps_or_renews_uids " },
	{ does_not_pause, "paused_lists_are_whole " },
	{ reuses_uids, "uids_are_never_used_again "
	               "restart_uses_no_uid_again " },
	{ ignores_uids_of_expunge, "expunge_heeds_uids " },
	{ takes_content_away, "content_outlasts_expunge " },
	{ announces_wrong_sizes, "append_is_read_back "
	                         "changes_tell_sizes_and_dates " },
	{ misses_expunges, "expunge_takes_the_deleted "
	                   "expunges_are_told "
	                   "expunges_are_remembered "
	                   "paused_changes_are_whole "
	                   "a_mailbox_may_change_in_a_pause " },
	{ gives_recent_to_all, "recent_goes_to_one " },
	{ forgets_a_flag, "each_flag_is_kept "
	                  "flags_are_added_removed_replaced " },
	{ ignores_unchanged_since, "unchanged_since_is_heeded " },
	{ renumbers_keywords, "keyword_numbers_stay " },
	{ copies_by_halves, "copy_canceled_is_all_or_none "
	                    "copy_without_room_is_all_or_none " },
	{ mixes_up_copied_uids, "copy_tells_uids_in_order "
	                        "copy_within_a_mailbox " },
	{ shows_appends_early, "append_shows_nothing_before_commit " },
	{ takes_any_line_end, "append_is_all_or_none "
	                      "lone_lf_becomes_crlf "
	                      "lone_cr_is_refused "
	                      "nul_is_refused " },
	{ holds_on_to_bytes, "append_write_takes_bytes_at_once " },
	{ never_looks, "others_changes_are_watched "
	               "own_changes_are_watched "
	               "unwatch_is_the_end "
	               "account_watch_names_mailboxes "
	               "account_watch_tells_of_the_list " },
};
enum { BREAKAGES = sizeof(breakages) / sizeof(breakages[0]) };

/* What the kit reported. */
struct findings {
	const struct breakage *breakage;
	char checks[2000], words[4000];
};

static int set_up(void *user, const struct msv_store **out)
{
	struct findings *findings = user;
	int error = msv_memory_store_new(env, NULL, &memory);

	if (error)
		return error;
	good = broken = *msv_memory_store(memory);
	findings->breakage->make();
	*out = &broken;
	return 0;
}

static void tear_down(void *user)
{
	(void)user;
	msv_memory_store_free(memory);
}

/* A storage that loses nothing. */
static int keep_all(void *user, const struct msv_store **out)
{
	(void)user;
	*out = &broken;
	return 0;
}

/* One that loses everything. */
static int keep_nothing(void *user, const struct msv_store **out)
{
	tear_down(user);
	return set_up(user, out);
}

static void put(char *to, size_t size, const char *fmt, const char *a, const char *b)
{
	size_t n = strlen(to);

	snprintf(to + n, size - n, fmt, a, b);
}

static void report(void *user, const char *check, const char *words)
{
	struct findings *findings = user;

	if (!words)
		return;
	put(findings->checks, sizeof(findings->checks), "%s%s ", "", check);
	put(findings->words, sizeof(findings->words), "  %s: %s\n", check, words);
}

static void find(const struct breakage *breakage, const char *checks,
    int (*restart)(void *user, const struct msv_store **out))
{
	struct findings findings = { .breakage = breakage };

	ck_assert_int_eq(msv_test_env_new(1, &test), 0);
	env = msv_test_env(test);
	int failed = msv_store_conform(&(struct msv_store_conform_options){
	    .size = sizeof(struct msv_store_conform_options),
	    .test = test,
	    .setup = set_up,
	    .teardown = tear_down,
	    .restart = restart,
	    .user = &findings,
	    .report = report,
	});
	ck_assert_int_ge(failed, 0);
	ck_assert_msg(strcmp(findings.checks, checks) == 0, "expected \"%s\",\nfound \"%s\":\n%s",
	    checks, findings.checks, findings.words);
	ck_assert_uint_eq(msv_test_env_free(test), 0);
}

START_TEST(a_breakage_is_found)
{
	find(&breakages[_i], breakages[_i].checks, keep_all);
}
END_TEST

START_TEST(a_loss_at_restart_is_found)
{
	find(&breakages[0],
	    "restart_keeps_mailboxes "
	    "restart_keeps_messages "
	    "restart_uses_no_uid_again "
	    "restart_keeps_modseqs ",
	    keep_nothing);
}
END_TEST

/* -- The kit itself --------------------------------------------------------------------------------------- */

static int cannot_set_up(void *user, const struct msv_store **out)
{
	(void)user;
	(void)out;
	return MSV_ERR_IO;
}

START_TEST(the_kit_says_why_it_cannot_run)
{
	struct findings findings = { .breakage = &breakages[0] };
	struct msv_store_conform_options options = { .size = sizeof(options), .user = &findings };

	ck_assert_int_eq(msv_test_env_new(1, &test), 0);
	env = msv_test_env(test);
	ck_assert_int_eq(msv_store_conform(&options), MSV_ERR_INVAL);
	options.test = test;
	ck_assert_int_eq(msv_store_conform(&options), MSV_ERR_INVAL);
	options.setup = cannot_set_up;
	ck_assert_int_eq(msv_store_conform(&options), MSV_ERR_IO);
	options.setup = set_up;
	options.teardown = tear_down;
	options.only = "no_such_check";
	ck_assert_int_eq(msv_store_conform(&options), MSV_ERR_NOTFOUND);
	options.only = "create_makes_parents";
	ck_assert_int_eq(msv_store_conform(&options), 0);
	ck_assert_uint_eq(msv_test_env_free(test), 0);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("broken stores");
	TCase *tc = tcase_create("each is found");

	tcase_set_timeout(tc, 60);
	tcase_add_loop_test(tc, a_breakage_is_found, 0, BREAKAGES);
	suite_add_tcase(s, tc);
	check_case(s, "the kit", a_loss_at_restart_is_found, the_kit_says_why_it_cannot_run);
	return check_main(s);
}
