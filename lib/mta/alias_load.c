/* Reading the aliases file and the lists it includes into the table. */
#include <stdlib.h>
#include <string.h>

#include "mta/aliases.h"

/* What a name leads to that has nothing good behind it: mail waits. */
#define BROKEN_CODE     451
#define BROKEN_ENHANCED "4.3.5"
#define BROKEN_TEXT     "This address is not set up properly; its administrator can read why"
#define EMPTY_TEXT      "This list has no members"

struct loading {
	struct msv_aliases *aliases;
	const struct msv_aliases_options *options;
	struct msv_alias_reports reports;
	size_t octets;   /* read so far, lists too */
	size_t includes; /* lists read so far */
	bool busy;       /* a list is not at hand yet */

	/* Of the name under way: */
	struct msv_alias alias;
	bool catch_all; /* a name of all local parts */
	bool broken;    /* it got its 451 */
	size_t faults;  /* targets left out */
	const char **lists;
	size_t nlists, lists_cap;
};

/* -- Targets ---------------------------------------------------------------------- */

static int add_target(struct loading *l, const struct msv_alias_target *target)
{
	struct msv_aliases *a = l->aliases;

	if (msv_grow(a->env, &a->targets, &a->targets_cap, a->ntargets + 1, sizeof *a->targets))
		return MSV_ERR_NOMEM;
	a->targets[a->ntargets++] = *target;
	l->alias.ntargets++;
	return 0;
}

/* The name gets a 451: what is missing behind it must not be lost. */
static int add_broken(struct loading *l)
{
	struct msv_alias_target target = { .kind = MSV_TARGET_ERROR,
		.code = BROKEN_CODE,
		.local = BROKEN_ENHANCED,
		.text = BROKEN_TEXT };

	if (l->broken)
		return 0;
	l->broken = true;
	return add_target(l, &target);
}

static int add_list(struct loading *l, const char *path)
{
	for (size_t i = 0; i < l->nlists; i++)
		if (strcmp(l->lists[i], path) == 0)
			return 0;
	if (msv_grow(l->aliases->env, &l->lists, &l->lists_cap, l->nlists + 1, sizeof *l->lists))
		return MSV_ERR_NOMEM;
	l->lists[l->nlists++] = path;
	return 0;
}

/* Why a target cannot stand here, or NULL; list: in an included one. */
static const char *forbidden(
    const struct loading *l, const struct msv_alias_target *target, bool list)
{
	if (list && target->kind > MSV_TARGET_ADDRESS && target->kind != MSV_TARGET_INCLUDE)
		return "in an included list only names, addresses and :include: may stand";
	if (target->kind == MSV_TARGET_PROGRAM && !l->options->programs)
		return "programs are not allowed; set programs = true, or name an "
		       "address";
	if (target->kind == MSV_TARGET_DOMAIN && !l->catch_all)
		return "only a whole domain can lead to a whole domain; write @old.example: "
		       "@new.example, or name an address";
	return NULL;
}

/* Takes one item of a name or of a list in `file`. */
static int take_item(
    struct loading *l, const struct msv_alias_item *item, const char *file, bool list)
{
	struct msv_alias_target target;
	const char *mistake = item->mistake;
	int error = 0;

	if (l->alias.ntargets >= MSV_ALIAS_TARGETS_MAX) {
		if (!l->broken)
			msv_alias_report(&l->reports, MSV_LOG_ERROR, file, item->line,
			    "%s has more than %d targets; split it", l->alias.name,
			    MSV_ALIAS_TARGETS_MAX);
		return add_broken(l);
	}
	if (!mistake)
		error = msv_alias_target(&l->aliases->arena, item->raw, &target, &mistake);
	if (error == MSV_ERR_NOMEM)
		return error;
	if (!mistake)
		mistake = forbidden(l, &target, list);
	if (!mistake)
		return target.kind == MSV_TARGET_INCLUDE ? add_list(l, target.text)
		                                         : add_target(l, &target);
	l->faults++;
	msv_alias_report(
	    &l->reports, MSV_LOG_ERROR, file, item->line, "behind %s: %s", l->alias.name, mistake);
	return 0;
}

/* -- Included lists --------------------------------------------------------------- */

static int take_list_text(struct loading *l, const char *path, const struct msv_buf *text)
{
	struct msv_alias_lines lines;
	struct msv_alias_item item;
	int error;

	msv_alias_lines_init(&lines, l->aliases->env, msv_buf_data(text), msv_buf_len(text), true);
	while ((error = msv_alias_lines_next(&lines)) > 0) {
		while (error >= 0 && msv_alias_item(&lines, &item))
			error = take_item(l, &item, path, true);
		if (error < 0)
			break;
	}
	msv_alias_lines_fini(&lines);
	return error;
}

/* Why a list cannot be read. */
static const char *why(int error)
{
	switch (error) {
	case MSV_ERR_NOTFOUND:
		return "there is no such file";
	case MSV_ERR_DENIED:
		return "permission denied";
	case MSV_ERR_FORMAT:
		return "it is no ordinary file";
	case MSV_ERR_UNSUPPORTED:
		return "lists cannot be included here";
	default:
		return msv_strerror(error);
	}
}

/* The contents of a list, within what all files may have together. */
static int read_list(struct loading *l, const char *path, struct msv_buf *text)
{
	if (!l->options->read_file)
		return MSV_ERR_UNSUPPORTED;
	if (l->includes++ == MSV_ALIAS_INCLUDES_MAX)
		return MSV_ERR_LIMIT;
	int error = l->options->read_file(l->options->user, path, text);
	if (!error && msv_buf_failed(text))
		error = MSV_ERR_NOMEM;
	if (!error && msv_buf_len(text) > MSV_ALIASES_SIZE_MAX - l->octets)
		error = MSV_ERR_LIMIT;
	if (!error)
		l->octets += msv_buf_len(text);
	return error;
}

static int take_list(struct loading *l, const char *path)
{
	struct msv_buf text;

	msv_buf_init(&text, l->aliases->env);
	int error = read_list(l, path, &text);
	if (!error) {
		error = take_list_text(l, path, &text);
	} else if (error == MSV_ERR_BUSY) {
		l->busy = true;
		error = 0;
	} else if (error != MSV_ERR_NOMEM) {
		msv_alias_report(&l->reports, MSV_LOG_ERROR, l->aliases->file, l->alias.line,
		    "behind %s: %s: %s; until it can be read mail to %s waits", l->alias.name, path,
		    why(error), l->alias.name);
		error = add_broken(l);
	}
	msv_buf_fini(&text);
	return error;
}

/* -- Names ------------------------------------------------------------------------ */

int msv_alias_key_fold(struct msv_span raw, struct msv_buf *out)
{
	struct msv_smtp_mailbox box;
	char address[MSV_SMTP_DOMAIN_MAX + 3] = "x";

	if (raw.n == 1 && *raw.p == '@')
		return msv_buf_putc(out, '@');
	if (raw.n && *raw.p == '@') {
		if (raw.n > MSV_SMTP_DOMAIN_MAX + 1)
			return MSV_ERR_FORMAT;
		memcpy(address + 1, raw.p, raw.n);
		return msv_smtp_mailbox_parse(address, raw.n + 1, &box) == 0
		           ? msv_alias_fold("", box.domain, out)
		           : MSV_ERR_FORMAT;
	}
	if (msv_alias_mailbox(raw, &box) != 0 || !box.local[0])
		return MSV_ERR_FORMAT;
	return msv_alias_fold(box.local, box.domain, out);
}

/* Keeps the name under way; 0, MSV_ERR_FORMAT, MSV_ERR_NOMEM. */
static int set_name(struct loading *l, const struct msv_alias_item *key)
{
	struct msv_buf folded;
	struct msv_arena *arena = &l->aliases->arena;

	l->alias = (struct msv_alias){ .line = key->line, .first = (uint32_t)l->aliases->ntargets };
	l->catch_all = key->raw.n && *key->raw.p == '@';
	l->broken = false;
	l->faults = l->nlists = 0;
	msv_buf_init(&folded, l->aliases->env);
	int error = msv_alias_key_fold(key->raw, &folded);
	if (!error) {
		l->alias.key =
		    msv_arena_strndup(arena, msv_buf_data(&folded), msv_buf_len(&folded));
		l->alias.name = msv_arena_strndup(arena, key->raw.p, key->raw.n);
		error = l->alias.key && l->alias.name ? 0 : MSV_ERR_NOMEM;
	}
	msv_buf_fini(&folded);
	return error;
}

/* A name in a domain that is not ours is never looked for. */
static void check_domain(struct loading *l)
{
	const char *domain = strrchr(l->alias.key, '@') + 1;

	if (*domain && l->aliases->ndomains && !msv_aliases_domain(l->aliases, domain))
		msv_alias_report(&l->reports, MSV_LOG_WARN, l->aliases->file, l->alias.line,
		    "%s: %s is no domain of this server, so its mail does not come here; add it to "
		    "the domains",
		    l->alias.name, domain);
}

/* The name under way has all its targets. */
static int end_name(struct loading *l)
{
	struct msv_aliases *a = l->aliases;
	struct msv_alias_target empty = {
		.kind = MSV_TARGET_ERROR, .code = 550, .local = "5.2.4", .text = EMPTY_TEXT
	};
	int error = 0;

	for (size_t i = 0; i < l->nlists && !error; i++)
		error = take_list(l, l->lists[i]);
	if (!error && !l->alias.ntargets)
		error = l->faults ? add_broken(l) : add_target(l, &empty);
	if (error)
		return error;
	check_domain(l);
	if (msv_grow(a->env, &a->aliases, &a->aliases_cap, a->naliases + 1, sizeof *a->aliases))
		return MSV_ERR_NOMEM;
	a->aliases[a->naliases++] = l->alias;
	return 0;
}

/* One logical line.  0 or MSV_ERR_NOMEM. */
static int take_line(struct loading *l, struct msv_alias_lines *lines)
{
	struct msv_alias_item key, item;
	const char *file = l->aliases->file;
	int error;

	msv_alias_key(lines, &key);
	error = key.mistake ? MSV_ERR_FORMAT : set_name(l, &key);
	if (error == MSV_ERR_FORMAT) {
		msv_alias_report(&l->reports, MSV_LOG_ERROR, file, key.line, "%s",
		    key.mistake ? key.mistake
		                : "this is no name; write name:, user@example.org: or "
		                  "@example.org:");
		return 0;
	}
	while (!error && msv_alias_item(lines, &item))
		error = take_item(l, &item, file, false);
	return error ? error : end_name(l);
}

static int take_lines(struct loading *l, const char *text, size_t n)
{
	struct msv_alias_lines lines;
	int error;

	l->octets = n;
	msv_alias_lines_init(&lines, l->aliases->env, text, n, false);
	while ((error = msv_alias_lines_next(&lines)) > 0)
		if ((error = take_line(l, &lines)) != 0)
			break;
	msv_alias_lines_fini(&lines);
	return error;
}

/* -- Sorting ---------------------------------------------------------------------- */

static int by_key_and_line(const void *a, const void *b)
{
	const struct msv_alias *x = a, *y = b;
	int order = strcmp(x->key, y->key);

	return order ? order : (x->line > y->line) - (x->line < y->line);
}

/* Sorts the names; of two that are the same the first one holds. */
static void sort(struct loading *l)
{
	struct msv_aliases *a = l->aliases;
	size_t kept = 0;

	if (a->naliases)
		qsort(a->aliases, a->naliases, sizeof *a->aliases, by_key_and_line);
	for (size_t i = 0; i < a->naliases; i++) {
		const struct msv_alias *alias = &a->aliases[i];
		if (kept && strcmp(a->aliases[kept - 1].key, alias->key) == 0)
			msv_alias_report(&l->reports, MSV_LOG_ERROR, a->file, alias->line,
			    "%s stands in line %u already, which holds; put all targets there",
			    alias->name, (unsigned)a->aliases[kept - 1].line);
		else
			a->aliases[kept++] = *alias;
	}
	a->naliases = kept;
}

int msv_aliases_load(struct msv_aliases *aliases, const struct msv_aliases_options *options,
    const char *text, size_t n)
{
	struct loading l = { .aliases = aliases, .options = options };

	msv_buf_init(&l.reports.lines, aliases->env);
	int error = n ? take_lines(&l, text, n) : 0;
	if (!error)
		sort(&l);
	if (!error && l.busy)
		error = MSV_ERR_BUSY;
	if (!error && msv_buf_failed(&l.reports.lines))
		error = MSV_ERR_NOMEM;
	msv_alias_reports_tell(&l.reports, error ? NULL : options->report, options->user);
	msv_free(aliases->env, l.lists);
	return error;
}
