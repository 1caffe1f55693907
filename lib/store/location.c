#include "store/location.h"

#include <mailserv/auth.h>

#include <string.h>

#include "codec/mutf7.h"

/* -- The template ------------------------------------------------------------------ */

/* An account's name and its parts, for one expansion. */
struct expansion {
	const char *user, *home;
	const char *name; /* before the @ */
	size_t name_len;
	const char *domain;
	struct msv_buf out;
	size_t split; /* where the base ends in out */
	bool fixed;   /* ... for good */
};

static void put_user(struct expansion *e)
{
	msv_buf_puts(&e->out, e->user);
}

static void put_name(struct expansion *e)
{
	msv_buf_put(&e->out, e->name, e->name_len);
}

static void put_domain(struct expansion *e)
{
	msv_buf_puts(&e->out, e->domain);
}

static void put_home(struct expansion *e)
{
	msv_buf_puts(&e->out, e->home);
}

static void put_percent(struct expansion *e)
{
	msv_buf_putc(&e->out, '%');
}

static const struct variable {
	const char *text;
	void (*put)(struct expansion *e);
	bool fixes; /* what comes behind is not the administrator's */
} variables[] = {
	{ "%u", put_user, true },
	{ "%n", put_name, true },
	{ "%d", put_domain, true },
	{ "%{home}", put_home, true },
	{ "%%", put_percent, false },
};

/* The variable that begins at p, or NULL. */
static const struct variable *variable_at(const char *p)
{
	for (size_t i = 0; i < sizeof(variables) / sizeof(variables[0]); i++) {
		if (strncmp(p, variables[i].text, strlen(variables[i].text)) == 0)
			return &variables[i];
	}
	return NULL;
}

bool msv_location_valid(const char *location)
{
	while ((location = strchr(location, '%'))) {
		const struct variable *variable = variable_at(location);
		if (!variable)
			return false;
		location += strlen(variable->text);
	}
	return true;
}

/* Expands location behind what out holds.  The base ends before the component
 * that the account's name has a part in, or behind the home directory. */
static int expand(struct expansion *e, const char *location)
{
	while (*location) {
		const struct variable *variable = *location == '%' ? variable_at(location) : NULL;
		if (*location == '%' && !variable)
			return MSV_ERR_INVAL;
		if (!variable) {
			if (*location == '/' && !e->fixed)
				e->split = msv_buf_len(&e->out) + 1;
			msv_buf_putc(&e->out, *location++);
			continue;
		}
		variable->put(e);
		location += strlen(variable->text);
		if (variable->put == put_home && !e->fixed)
			e->split = msv_buf_len(&e->out);
		e->fixed |= variable->fixes;
	}
	return 0;
}

static int set_account(struct expansion *e, const struct msv_actor *actor)
{
	const char *user = actor->owner ? actor->owner : actor->user;
	const char *at;

	if (!user || !msv_account_name_valid(user))
		return MSV_ERR_FORMAT;
	at = strchr(user, '@');
	e->user = user;
	e->name = user;
	e->name_len = at ? (size_t)(at - user) : strlen(user);
	/* No domain is called so: a bare name's directory is nobody else's. */
	e->domain = at ? at + 1 : "-";
	e->home = actor->home ? actor->home : "";
	return 0;
}

/* Puts the root in front of what is not absolute. */
static void put_root(struct expansion *e, const char *location, const char *root)
{
	if (location[0] == '/' || strncmp(location, "%{home}", 7) == 0)
		return;
	msv_buf_puts(&e->out, root);
	msv_buf_putc(&e->out, '/');
	e->split = msv_buf_len(&e->out);
}

int msv_location_expand(struct msv_env *env, const char *location, const char *root,
    const struct msv_actor *actor, char **base, char **account)
{
	struct expansion e = { 0 };
	const char *text;
	int error;

	msv_buf_init(&e.out, env);
	*base = *account = NULL;
	error = set_account(&e, actor);
	if (error)
		goto fail;
	if (strstr(location, "%{home}") && e.home[0] != '/') {
		error = MSV_ERR_NOTFOUND;
		goto fail;
	}
	put_root(&e, location, root);
	error = expand(&e, location);
	if (error)
		goto fail;
	error = MSV_ERR_NOMEM;
	text = msv_buf_cstr(&e.out);
	if (!text || msv_buf_failed(&e.out))
		goto fail;
	*base = msv_strndup(env, text, e.split);
	*account = msv_strdup(env, text + e.split + strspn(text + e.split, "/"));
	if (*base && *account)
		error = 0;
fail:
	if (error) {
		msv_free(env, *base);
		msv_free(env, *account);
		*base = *account = NULL;
	}
	msv_buf_fini(&e.out);
	return error;
}

/* -- Folders ------------------------------------------------------------------------- */

/* A file name has at most as many bytes. */
enum { MAX_COMPONENT = 255 };

char msv_layout_disk_separator(const struct msv_layout *layout)
{
	return layout->fs ? '/' : '.';
}

/* Names of files that stand beside the folders of an fs layout. */
static bool is_reserved(const char *p, size_t n)
{
	static const char *const names[] = { "cur", "new", "tmp", "subscriptions", "maildirsize",
		"maildirfolder" };
	static const char *const prefixes[] = { ".", "dovecot", "mailserv-" };

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		if (strlen(names[i]) == n && memcmp(names[i], p, n) == 0)
			return true;
	}
	for (size_t i = 0; i < sizeof(prefixes) / sizeof(prefixes[0]); i++) {
		if (strlen(prefixes[i]) <= n && memcmp(prefixes[i], p, strlen(prefixes[i])) == 0)
			return true;
	}
	return false;
}

/* True when a level, in modified UTF-7, can be a folder of the layout. */
static bool level_fits(const struct msv_layout *layout, const char *p, size_t n)
{
	if (!n || memchr(p, '/', n) || memchr(p, '\0', n))
		return false;
	return layout->fs ? !is_reserved(p, n) : !memchr(p, '.', n);
}

/* Appends levels of UTF-8, split at the layout's separator, as modified UTF-7
 * with `join` between them. */
static int put_levels(
    const struct msv_layout *layout, const char *name, char join, struct msv_buf *out)
{
	for (;;) {
		size_t n = strcspn(name, (char[]){ layout->separator, '\0' });
		size_t before = msv_buf_len(out);
		int error = msv_mutf7_encode(name, n, out);
		if (error)
			return error;
		size_t len = msv_buf_len(out) - before;
		if (!level_fits(layout, msv_buf_data(out) + before, len))
			return MSV_ERR_FORMAT;
		if (len > MAX_COMPONENT)
			return MSV_ERR_LIMIT;
		if (!name[n])
			return 0;
		msv_buf_putc(out, join);
		name += n + 1;
	}
}

/* The levels of a mailbox's name behind the prefix; "" for INBOX; NULL: the
 * name is outside the prefix. */
static const char *levels_of(const struct msv_layout *layout, const char *mailbox)
{
	size_t n = strlen(layout->prefix);

	if (strcmp(mailbox, "INBOX") == 0)
		return "";
	return strncmp(mailbox, layout->prefix, n) == 0 && mailbox[n] ? mailbox + n : NULL;
}

/* Finds the levels of a name that is well-formed and fits. */
static int check_name(const struct msv_layout *layout, const char *mailbox, const char **levels)
{
	if (!msv_mailbox_name_valid(mailbox, layout->separator))
		return MSV_ERR_FORMAT;
	*levels = levels_of(layout, mailbox);
	if (!*levels)
		return MSV_ERR_NOTFOUND;
	/* Behind an empty prefix it could not be told from the INBOX. */
	return **levels && strcmp(*levels, "INBOX") == 0 ? MSV_ERR_FORMAT : 0;
}

int msv_layout_folder(const struct msv_layout *layout, const char *mailbox, struct msv_buf *out)
{
	size_t before = msv_buf_len(out);
	const char *levels;
	int error = check_name(layout, mailbox, &levels);

	if (error || !*levels)
		return error;
	if (!layout->fs)
		msv_buf_putc(out, '.');
	error = put_levels(layout, levels, msv_layout_disk_separator(layout), out);
	if (error)
		return error;
	if (!layout->fs && msv_buf_len(out) - before > MAX_COMPONENT)
		return MSV_ERR_LIMIT;
	return msv_buf_failed(out) ? MSV_ERR_NOMEM : 0;
}

int msv_layout_line(const struct msv_layout *layout, const char *mailbox, struct msv_buf *out)
{
	const char *levels;
	int error = check_name(layout, mailbox, &levels);

	if (error)
		return error;
	if (!*levels)
		return msv_buf_puts(out, "INBOX");
	return put_levels(layout, levels, '\t', out);
}

/* Appends the mailbox whose levels, in modified UTF-7, are joined by `join`. */
static int put_mailbox(
    const struct msv_layout *layout, const char *p, size_t n, char join, struct msv_buf *out)
{
	size_t before = msv_buf_len(out);
	const char *end = p + n, *name;

	msv_buf_puts(out, layout->prefix);
	for (;;) {
		const char *next = memchr(p, join, (size_t)(end - p));
		size_t len = (size_t)((next ? next : end) - p), at = msv_buf_len(out);
		if (!level_fits(layout, p, len) || len > MAX_COMPONENT)
			return MSV_ERR_FORMAT;
		int error = msv_mutf7_decode(p, len, out);
		if (error)
			return error;
		if (memchr(msv_buf_data(out) + at, layout->separator, msv_buf_len(out) - at))
			return MSV_ERR_FORMAT;
		if (!next)
			break;
		msv_buf_putc(out, layout->separator);
		p = next + 1;
	}
	msv_buf_putc(out, '\0');
	if (msv_buf_failed(out))
		return MSV_ERR_NOMEM;
	name = msv_buf_data(out) + before;
	int error = check_name(layout, name, &name);
	/* A folder of the INBOX's name is another mailbox, which has none. */
	return error || *name ? error : MSV_ERR_FORMAT;
}

int msv_layout_mailbox(const struct msv_layout *layout, const char *folder, struct msv_buf *out)
{
	if (!*folder) {
		msv_buf_put(out, "INBOX", sizeof("INBOX"));
		return msv_buf_failed(out) ? MSV_ERR_NOMEM : 0;
	}
	if (!layout->fs && *folder++ != '.')
		return MSV_ERR_FORMAT;
	return put_mailbox(layout, folder, strlen(folder), msv_layout_disk_separator(layout), out);
}

int msv_layout_mailbox_of_line(
    const struct msv_layout *layout, const char *line, size_t n, struct msv_buf *out)
{
	if (n == 5 && memcmp(line, "INBOX", 5) == 0)
		return msv_layout_mailbox(layout, "", out);
	return put_mailbox(layout, line, n, '\t', out);
}
