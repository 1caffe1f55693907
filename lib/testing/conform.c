/* Runs the checks of the conformance kit. */
#include <string.h>

#include "testing/kit.h"

static const struct msv_check *const themes[] = {
	msv_checks_mailboxes,
	msv_checks_rename,
	msv_checks_open,
	msv_checks_append,
	msv_checks_lines,
	msv_checks_content,
	msv_checks_flags,
	msv_checks_keywords,
	msv_checks_changes,
	msv_checks_expunge,
	msv_checks_copy,
	msv_checks_move,
	msv_checks_watch,
	msv_checks_rows,
	msv_checks_cancel,
	msv_checks_restart,
};
enum { THEMES = sizeof(themes) / sizeof(themes[0]) };

static struct msv_actor actor_of(const char *account, const char *home)
{
	return (struct msv_actor){
		.size = sizeof(struct msv_actor),
		.user = account,
		.home = home,
		.session_id = "conform",
	};
}

/* Runs one check on a new store.  1 when it failed, 0, or a negative error when
 * it could not be run. */
static int run_check(struct msv_kit *k, const struct msv_check *check)
{
	const struct msv_store_conform_options *options = k->options;
	int error = options->setup(options->user, &k->store);

	if (error)
		return error < 0 ? error : MSV_ERR_INVAL;
	msv_text_clear(&k->broken);
	check->run(k);
	msv_kit_close_all(k);
	if (options->teardown)
		options->teardown(options->user);
	if (k->no_memory)
		return MSV_ERR_NOMEM;
	bool broken = k->broken.n > 0;
	if (options->report)
		options->report(
		    options->user, check->name, broken ? msv_text_cstr(&k->broken) : NULL);
	return broken;
}

static bool is_wanted(const struct msv_kit *k, const struct msv_check *check)
{
	return !k->options->only || strcmp(k->options->only, check->name) == 0;
}

static int run_checks(struct msv_kit *k)
{
	int failed = 0, ran = 0;

	for (size_t i = 0; i < THEMES; i++) {
		if (themes[i] == msv_checks_restart && !k->options->restart)
			continue;
		for (const struct msv_check *check = themes[i]; check->name; check++) {
			if (!is_wanted(k, check))
				continue;
			int result = run_check(k, check);
			if (result < 0)
				return result;
			failed += result;
			ran++;
		}
	}
	return ran ? failed : MSV_ERR_NOTFOUND;
}

int msv_store_conform(const struct msv_store_conform_options *options)
{
	struct msv_store_conform_options o = { 0 };

	if (!options || !options->test || !options->setup)
		return MSV_ERR_INVAL;
	memcpy(&o, options, options->size < sizeof(o) ? options->size : sizeof(o));
	if (!o.account)
		o.account = "kit@example.org";
	if (!o.other_account)
		o.other_account = "other@example.net";
	struct msv_kit k = {
		.options = &o,
		.test = o.test,
		.actor = actor_of(o.account, o.home),
		.other = actor_of(o.other_account, o.other_home),
	};
	int result = run_checks(&k);
	msv_text_fini(&k.broken);
	return result;
}
