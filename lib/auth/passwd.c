/*
 * A passwd-file as an auth source: reading, watching, and when new contents
 * replace the old.
 *
 * Programs write files in pieces.  Contents that end in the middle of a line,
 * or lack accounts that were there, are taken only when nothing newer came for
 * a while; contents without any account never are, unless they say so.
 */
#include "auth/auth.h"

#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "base/env.h"

enum {
	SETTLE_MS = 1000,
	/* Besides the watch, which misses what a symbolic link points to and
	 * changes made on another machine. */
	POLL_MS = 10000,
	SECRET_MIN = 16,
	/* A file changed so recently may change again within its timestamp. */
	RACY_US = 2000000,
};

struct msv_passwd {
	struct msv_passwd_source source; /* with the accounts of now */
	struct msv_auth auth;
	struct msv_env *env;
	char *path; /* NULL: contents are handed over */
	void (*report)(void *user, enum msv_log_level level, const char *line);
	void *user;
	uint32_t settle_ms;

	struct msv_passwd_table *pending; /* waits to be taken */
	struct msv_timer *settle;
	uint64_t settle_at;
	uint8_t digest[MSV_SHA256_SIZE]; /* of the contents looked at last */
	bool looked;

	struct msv_watch *watch;
	struct msv_timer *poll;
	struct stat seen; /* when it was read */
	bool sure;        /* `seen` tells all changes */
	int failed;       /* the error reported last */
};

/* -- Taking contents ----------------------------------------------------------------------------- */

static void report_to_log(void *user, enum msv_log_level level, const char *line)
{
	struct msv_passwd *p = user;

	msv_env_log(p->env, level, "%s", line);
}

static void emit_reports(struct msv_passwd *p, struct msv_passwd_table *table)
{
	if (p->report)
		msv_passwd_emit_reports(table, p->report, p->user);
	else
		msv_passwd_emit_reports(table, report_to_log, p);
}

static void drop_pending(struct msv_passwd *p)
{
	msv_timer_stop(p->settle);
	msv_passwd_table_unref(p->pending);
	p->pending = NULL;
}

static void take(struct msv_passwd *p, struct msv_passwd_table *table)
{
	drop_pending(p);
	msv_passwd_table_unref(p->source.table);
	p->source.table = table;
	emit_reports(p, table);
	msv_env_log(p->env, MSV_LOG_INFO, "%s: %zu accounts", table->name, table->n);
}

/* Refuses a table; it is ours. */
static int keep_old(struct msv_passwd *p, struct msv_passwd_table *table)
{
	emit_reports(p, table);
	msv_passwd_table_unref(table);
	return MSV_ERR_FORMAT;
}

/* Takes a table that will not change by itself, unless it is the rest of a
 * broken write that leaves nobody who can log in. */
static int take_settled(struct msv_passwd *p, struct msv_passwd_table *table)
{
	const struct msv_passwd_table *old = p->source.table;

	if (table->unfinished && table->able == 0 && old->able > 0) {
		msv_passwd_report(table, MSV_LOG_WARN, 0,
		    "ends in the middle of a line and lets nobody log in: the %zu accounts known "
		    "before stay; write it again, or end its last line",
		    old->n);
		return keep_old(p, table);
	}
	take(p, table);
	return 0;
}

/* Does the new table lack an account of the old one? */
static bool loses(const struct msv_passwd_table *old, const struct msv_passwd_table *new)
{
	for (size_t i = 0; i < old->n; i++) {
		if (!msv_passwd_table_find(new, old->entries[i].account.name))
			return true;
	}
	return false;
}

/* Takes the table, has it wait, or refuses it; it is ours. */
static int consider(struct msv_passwd *p, struct msv_passwd_table *table, bool at_once)
{
	const struct msv_passwd_table *old = p->source.table;

	if (table->n == 0 && old->n > 0 && !table->says_empty) {
		drop_pending(p);
		msv_passwd_report(table, MSV_LOG_WARN, 0,
		    "holds no account: the %zu known before stay; if that is meant, write a line "
		    "\"" MSV_PASSWD_EMPTY_LINE "\"",
		    old->n);
		return keep_old(p, table);
	}
	if (!at_once && old->n > 0 && (table->unfinished || loses(old, table))) {
		drop_pending(p);
		p->pending = table;
		p->settle_at = msv_env_now(p->env) + p->settle_ms;
		msv_timer_start(p->settle, p->settle_at);
		return 0;
	}
	drop_pending(p);
	return take_settled(p, table);
}

/* The contents again that were looked at last: nothing to do, but what waits
 * may be wanted at once. */
static int same_again(struct msv_passwd *p, bool at_once)
{
	struct msv_passwd_table *table = p->pending;

	if (!table || !at_once)
		return 0;
	p->pending = NULL;
	return take_settled(p, table);
}

static int take_contents(
    struct msv_passwd *p, const char *name, const char *text, size_t n, bool at_once)
{
	uint8_t digest[MSV_SHA256_SIZE];
	struct msv_passwd_table *table;
	int error = msv_sha256(text, n, digest);

	if (error)
		return error;
	bool same = p->looked && memcmp(digest, p->digest, sizeof(digest)) == 0;
	if (same && (p->pending || !at_once))
		return same_again(p, at_once);
	if ((error = msv_passwd_table_new(p->env, name, text, n, &table)))
		return error;
	memcpy(p->digest, digest, sizeof(digest));
	p->looked = true;
	return consider(p, table, at_once);
}

/* -- The file --------------------------------------------------------------------------------------- */

static void report_unreadable(struct msv_passwd *p, int error)
{
	static const char absent[] = "; correct the path, or make it by adding an account",
	                  closed[] = "; correct the path or its permissions";
	char line[512];

	if (p->failed == error)
		return;
	p->failed = error;
	snprintf(line, sizeof(line), "%s: cannot be read: %s%s", p->path, msv_passwd_why(error),
	    p->source.table->n          ? "; the accounts known before stay"
	    : error == MSV_ERR_NOTFOUND ? absent
	                                : closed);
	if (p->report)
		p->report(p->user, MSV_LOG_ERROR, line);
	else
		msv_env_log(p->env, MSV_LOG_ERROR, "%s", line);
}

static bool same_time(const struct timespec *a, const struct timespec *b)
{
	return a->tv_sec == b->tv_sec && a->tv_nsec == b->tv_nsec;
}

static bool same_file(const struct stat *a, const struct stat *b)
{
	return a->st_dev == b->st_dev && a->st_ino == b->st_ino && a->st_size == b->st_size &&
	       same_time(&a->st_mtim, &b->st_mtim) && same_time(&a->st_ctim, &b->st_ctim);
}

/* Was the file quiet for long enough that a further change shows? */
static bool quiet(struct msv_env *env, const struct stat *st)
{
	uint64_t now = msv_env_realtime(env);
	uint64_t changed =
	    (uint64_t)st->st_mtim.tv_sec * 1000000 + (uint64_t)st->st_mtim.tv_nsec / 1000;

	return changed + RACY_US < now;
}

static int read_file(struct msv_passwd *p, bool at_once)
{
	struct stat st;
	struct msv_passwd_text text;
	int error = msv_passwd_read(p->env, p->path, &text, &st);

	if (error) {
		report_unreadable(p, error);
		return error;
	}
	p->failed = 0;
	error = take_contents(p, p->path, text.p, text.n, at_once);
	msv_passwd_text_free(p->env, &text);
	p->seen = st;
	p->sure = error != MSV_ERR_NOMEM && quiet(p->env, &st);
	return error;
}

/* The file may have changed. */
static void look(void *user)
{
	struct msv_passwd *p = user;
	struct stat st;

	if (p->sure && stat(p->path, &st) == 0 && same_file(&st, &p->seen))
		return;
	(void)read_file(p, false);
}

static void on_poll(void *user)
{
	struct msv_passwd *p = user;

	msv_timer_start(p->poll, msv_env_now(p->env) + POLL_MS);
	look(p);
}

/* What waited is taken, unless the file has changed meanwhile. */
static void on_settle(void *user)
{
	struct msv_passwd *p = user;
	struct msv_passwd_table *table;

	if (p->path && read_file(p, false) != 0) {
		drop_pending(p);
		p->looked = false;
	}
	if (!p->pending || p->settle_at > msv_env_now(p->env))
		return;
	table = p->pending;
	p->pending = NULL;
	(void)take_settled(p, table);
}

/* The directory is watched: most programs replace the file. */
static int watch(struct msv_passwd *p)
{
	const char *slash = strrchr(p->path, '/');
	size_t n = slash == p->path ? 1 : slash ? (size_t)(slash - p->path) : 0;
	char *directory = n ? msv_strndup(p->env, p->path, n) : msv_strdup(p->env, ".");
	int error =
	    directory ? msv_watch_new(p->env, directory, look, p, &p->watch) : MSV_ERR_NOMEM;

	msv_free(p->env, directory);
	if (!error && !(error = msv_timer_new(p->env, on_poll, p, &p->poll)))
		msv_timer_start(p->poll, msv_env_now(p->env) + POLL_MS);
	return error;
}

/* -- Making and freeing ------------------------------------------------------------------------------- */

/* The key is made of the secret, or random. */
static int make_key(struct msv_passwd *p, const struct msv_passwd_options *o)
{
	if (!o->secret)
		return msv_env_random(p->env, p->source.key, sizeof(p->source.key));
	if (o->secret_len < SECRET_MIN)
		return MSV_ERR_INVAL;
	return msv_sha256(o->secret, o->secret_len, p->source.key);
}

static int start(struct msv_passwd *p, const struct msv_passwd_options *o)
{
	int error = make_key(p, o);

	if (error ||
	    (error = msv_passwd_table_new(
	         p->env, o->path ? o->path : "passwd", NULL, 0, &p->source.table)) ||
	    (error = msv_timer_new(p->env, on_settle, p, &p->settle)))
		return error;
	if (!o->path)
		return 0;
	if (!(p->path = msv_strdup(p->env, o->path)))
		return MSV_ERR_NOMEM;
	if ((error = read_file(p, true)))
		return error;
	return watch(p);
}

int msv_passwd_new(
    struct msv_env *env, const struct msv_passwd_options *options, struct msv_passwd **out)
{
	struct msv_passwd_options o = { 0 };
	struct msv_passwd *p = msv_alloc(env, sizeof(*p));

	*out = NULL;
	if (!p)
		return MSV_ERR_NOMEM;
	if (options)
		memcpy(&o, options,
		    options->size && options->size < sizeof(o) ? options->size : sizeof(o));
	p->env = env;
	msv_env_ref(env);
	p->report = o.report;
	p->user = o.user;
	p->settle_ms = o.settle_ms ? o.settle_ms : SETTLE_MS;
	p->source.env = env;
	p->auth = msv_passwd_functions(&p->source);
	int error = start(p, &o);
	if (error) {
		msv_passwd_free(p);
		return error;
	}
	*out = p;
	return 0;
}

const struct msv_auth *msv_passwd_auth(struct msv_passwd *passwd)
{
	return &passwd->auth;
}

int msv_passwd_reload(struct msv_passwd *passwd)
{
	return passwd->path ? read_file(passwd, true) : MSV_ERR_INVAL;
}

int msv_passwd_load(struct msv_passwd *passwd, const char *name, const char *p, size_t n)
{
	return n > MSV_PASSWD_SIZE_MAX ? MSV_ERR_LIMIT : take_contents(passwd, name, p, n, false);
}

size_t msv_passwd_count(const struct msv_passwd *passwd)
{
	return passwd->source.table->n;
}

void msv_passwd_free(struct msv_passwd *passwd)
{
	if (!passwd)
		return;
	struct msv_env *env = passwd->env;
	msv_watch_free(passwd->watch);
	msv_timer_free(passwd->poll);
	msv_timer_free(passwd->settle);
	msv_passwd_table_unref(passwd->pending);
	msv_passwd_table_unref(passwd->source.table);
	msv_free(env, passwd->path);
	msv_free_secret(env, passwd, sizeof(*passwd));
	msv_env_unref(env);
}
