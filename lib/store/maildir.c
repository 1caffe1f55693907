/* The Maildir store itself: options in, a table out. */
#include <string.h>

#include "codec/crypto.h"
#include "store/maildir_store.h"

enum { POLL_MS = 500 };

/* -- Unique names ---------------------------------------------------------------------------- */

char *msv_maildir_unique(struct msv_maildir *maildir)
{
	uint64_t now = msv_env_realtime(maildir->env);
	unsigned char random[8];
	char hex[2 * sizeof(random) + 1];

	if (msv_env_random(maildir->env, random, sizeof(random)) != 0)
		memset(random, 0, sizeof(random));
	msv_hex_encode(random, sizeof(random), hex);
	return msv_asprintf(maildir->env, "%llu.M%06lluR%sQ%llu.%s",
	    (unsigned long long)(now / 1000000), (unsigned long long)(now % 1000000), hex,
	    (unsigned long long)++maildir->counter, maildir->host);
}

/* -- A life -------------------------------------------------------------------------------------- */

struct msv_maildir *msv_maildir_ref(struct msv_maildir *maildir)
{
	maildir->refs++;
	return maildir;
}

void msv_maildir_unref(struct msv_maildir *maildir)
{
	struct msv_env *env;

	if (!maildir || --maildir->refs > 0)
		return;
	env = maildir->env;
	msv_timer_free(maildir->poll_timer);
	msv_free(env, maildir->table);
	msv_free(env, maildir->location);
	msv_free(env, maildir->root);
	msv_free(env, maildir->prefix);
	msv_free(env, maildir);
	msv_env_unref(env);
}

static const struct msv_store table = {
	.size = sizeof(struct msv_store),
	.abilities = MSV_STORE_OBJECTID | MSV_STORE_SPECIAL_USE,
	.list = msv_maildir_list,
	.status = msv_maildir_status,
	.create = msv_maildir_create,
	.remove = msv_maildir_remove,
	.rename = msv_maildir_rename,
	.subscribe = msv_maildir_subscribe,
	.open = msv_maildir_open,
	.close = msv_maildir_close,
	.keyword = msv_maildir_keyword,
	.changes = msv_maildir_changes,
	.msg_open = msv_maildir_msg_open,
	.msg_read = msv_maildir_msg_read,
	.msg_close = msv_maildir_msg_close,
	.flags = msv_maildir_flags,
	.copy = msv_maildir_copy,
	.move = msv_maildir_move,
	.expunge = msv_maildir_expunge,
	.append_begin = msv_maildir_append_begin,
	.append_add = msv_maildir_append_add,
	.append_write = msv_maildir_append_write,
	.append_prepare = msv_maildir_append_prepare,
	.append_commit = msv_maildir_append_commit,
	.append_abort = msv_maildir_append_abort,
	.watch = msv_maildir_watch,
	.unwatch = msv_maildir_unwatch,
};

/* An option, or its default. */
static const char *or_else(const char *value, const char *otherwise)
{
	return value && *value ? value : otherwise;
}

static bool options_valid(const struct msv_maildir_options *options)
{
	const char *prefix = options->prefix ? options->prefix : "";
	char separator = options->separator;

	if (separator && separator != '.' && separator != '/')
		return false;
	/* A prefix is whole levels: they end in the separator. */
	if (*prefix && prefix[strlen(prefix) - 1] != (separator               ? separator
	                                                 : options->fs_layout ? '/'
	                                                                      : '.'))
		return false;
	return msv_location_valid(or_else(options->location, "%d/%n"));
}

static int copy_options(struct msv_maildir *maildir, const struct msv_maildir_options *options)
{
	struct msv_env *env = maildir->env;

	maildir->location = msv_strdup(env, or_else(options->location, "%d/%n"));
	maildir->root = msv_strdup(env, or_else(options->root, "."));
	maildir->prefix = msv_strdup(env, or_else(options->prefix, ""));
	if (!maildir->location || !maildir->root || !maildir->prefix)
		return MSV_ERR_NOMEM;
	msv_filename_host(or_else(options->hostname, "localhost"), maildir->host);
	maildir->poll_ms = options->poll_ms ? options->poll_ms : POLL_MS;
	maildir->layout.fs = options->fs_layout;
	maildir->layout.separator = options->separator   ? options->separator
	                            : options->fs_layout ? '/'
	                                                 : '.';
	maildir->layout.prefix = maildir->prefix;
	return msv_watches_init(maildir);
}

int msv_maildir_new(
    struct msv_env *env, const struct msv_maildir_options *options, struct msv_maildir **out)
{
	struct msv_maildir_options given = { 0 };
	struct msv_maildir *maildir;
	int error;

	*out = NULL;
	if (options)
		memcpy(
		    &given, options, options->size < sizeof(given) ? options->size : sizeof(given));
	if (!options_valid(&given))
		return MSV_ERR_INVAL;
	maildir = msv_alloc(env, sizeof(*maildir));
	if (!maildir)
		return MSV_ERR_NOMEM;
	msv_env_ref(env);
	maildir->env = env;
	maildir->refs = 1;
	error = copy_options(maildir, &given);
	if (error) {
		msv_maildir_unref(maildir);
		return error;
	}
	maildir->store = table;
	maildir->store.self = maildir;
	maildir->store.separator = maildir->layout.separator;
	maildir->store.prefix = maildir->prefix;
	*out = maildir;
	return 0;
}

const struct msv_store *msv_maildir_store(struct msv_maildir *maildir)
{
	return &maildir->store;
}

void msv_maildir_free(struct msv_maildir *maildir)
{
	if (!maildir)
		return;
	maildir->freed = true;
	msv_folder_trim(maildir, 0);
	msv_maildir_unref(maildir);
}
