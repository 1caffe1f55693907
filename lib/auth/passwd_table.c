/* The accounts of a passwd-file: made once from its contents, then only read. */
#include "auth/auth.h"

#include <stdio.h>
#include <string.h>

#include "base/env.h"
#include "codec/casefold.h"

/* Of a file that is broken altogether, so many lines are told. */
enum { REPORTS_MAX = 50 };

/* -- Reports --------------------------------------------------------------------------- */

void msv_passwd_report(
    struct msv_passwd_table *table, enum msv_log_level level, uint32_t line, const char *fmt, ...)
{
	struct msv_buf *out = &table->reports;
	char text[512];
	va_list args;

	if (line && ++table->nreports > REPORTS_MAX)
		return;
	va_start(args, fmt);
	vsnprintf(text, sizeof(text), fmt, args);
	va_end(args);
	msv_buf_putc(out, (char)('0' + level));
	if (line)
		msv_buf_printf(out, "%s:%lu: %s", table->name, (unsigned long)line, text);
	else
		msv_buf_printf(out, "%s: %s", table->name, text);
	msv_buf_putc(out, '\0');
}

void msv_passwd_emit_reports(struct msv_passwd_table *table,
    void (*report)(void *user, enum msv_log_level level, const char *line), void *user)
{
	/* Without memory for the reports there are none. */
	if (msv_buf_failed(&table->reports))
		msv_buf_fini(&table->reports);
	if (table->nreports > REPORTS_MAX) {
		size_t more = table->nreports - REPORTS_MAX;
		table->nreports = 0;
		msv_passwd_report(table, MSV_LOG_WARN, 0, "%zu more like this", more);
	}
	while (msv_buf_len(&table->reports)) {
		const char *p = msv_buf_data(&table->reports);
		report(user, (enum msv_log_level)(*p - '0'), p + 1);
		msv_buf_consume(&table->reports, strlen(p) + 1);
	}
}

/* -- One line ---------------------------------------------------------------------------- */

/* A field of the table's own text as a string. */
static char *cut(struct msv_span field)
{
	char *p = (char *)(uintptr_t)field.p;

	p[field.n] = '\0';
	return p;
}

static bool is_root(const char *uid)
{
	return strcmp(uid, "root") == 0 || (*uid && uid[strspn(uid, "0")] == '\0');
}

/* Why the line cannot be an account, or NULL. */
static const char *broken(const struct msv_passwd_line *line, const char *name)
{
	if (line->nfields < 2)
		return "no colon; a line is user:hash:uid:gid:gecos:home:shell:extra";
	if (!*name)
		return "the user name is empty";
	if (!msv_account_name_valid(name) || *name == ' ' || name[strlen(name) - 1] == ' ')
		return "not a user name: it has at most one @, no /, no control characters, no "
		       "blanks around it and no dot in front";
	return NULL;
}

/* Decides by which password somebody gets in. */
static int take_hash(
    struct msv_passwd_table *t, struct msv_passwd_entry *e, const char *name, const char *hash)
{
	if (!*hash && e->scram) {
		e->field = msv_field_scram(e->scram);
		return 0;
	}
	if (msv_field_locked(hash)) {
		e->scram = NULL;
		return 0;
	}
	int error = msv_field_parse(hash, &e->field);
	if (!error)
		error = msv_field_valid(t->env, &e->field);
	if (!error)
		return 0;
	e->field = (struct msv_field){ 0 };
	e->scram = NULL;
	if (error == MSV_ERR_NOMEM)
		return error;
	msv_passwd_report(t, MSV_LOG_WARN, e->line,
	    error == MSV_ERR_UNSUPPORTED
	        ? "%s cannot log in: this build does not know the scheme of the password; make a "
	          "new hash with `mailservctl encrypt`"
	        : "%s cannot log in: the second field is no password hash; make one with "
	          "`mailservctl encrypt`",
	    name);
	return 0;
}

/* nopassword lets anybody in who comes from the right place; without such a
 * place it would be anybody at all. */
static void settle_any_password(
    struct msv_passwd_table *t, struct msv_passwd_entry *e, const char *hash)
{
	if (!e->any_password)
		return;
	e->any_password = !*hash && !e->scram && e->nets;
	if (!e->any_password)
		msv_passwd_report(t, MSV_LOG_WARN, e->line,
		    "nopassword is ignored: it wants an empty second field and allow_nets");
}

static int take_extras(
    struct msv_passwd_table *t, struct msv_passwd_entry *e, struct msv_span extra)
{
	struct msv_span word, next;
	bool more = msv_passwd_next_word(&extra, &next);
	int error = 0;

	e->first_extra = t->nextra;
	while (more && !error) {
		word = next;
		/* Cutting a word destroys the blank behind it. */
		more = msv_passwd_next_word(&extra, &next);
		error = msv_passwd_take_extra(t, e, cut(word));
	}
	return error;
}

static void lower(char *name)
{
	for (; *name; name++)
		*name = msv_ascii_lower(*name);
}

static int take_account(
    struct msv_passwd_table *t, const struct msv_passwd_line *line, uint32_t number)
{
	const struct msv_span *f = line->field;
	char *name = cut(f[MSV_PASSWD_USER]), *hash = cut(f[MSV_PASSWD_HASH]);
	char *uid = cut(f[MSV_PASSWD_UID]);
	const char *wrong = broken(line, name);

	if (!wrong && is_root(uid))
		wrong = "uid 0 is refused: give root's mail to an account of its own";
	if (wrong) {
		msv_passwd_report(t, MSV_LOG_WARN, number, "%s; the line is skipped", wrong);
		return 0;
	}
	if (msv_grow(t->env, &t->entries, &t->cap, t->n + 1, sizeof(*t->entries)) != 0)
		return MSV_ERR_NOMEM;
	struct msv_passwd_entry *e = &t->entries[t->n];
	*e = (struct msv_passwd_entry){ .line = number };
	lower(name);
	e->account = (struct msv_account){ .size = sizeof(e->account),
		.name = name,
		.home = cut(f[MSV_PASSWD_HOME]),
		.uid = uid,
		.gid = cut(f[MSV_PASSWD_GID]),
		.receives = strchr(name, '@') != NULL };
	int error = take_extras(t, e, f[MSV_PASSWD_EXTRA]);
	if (error || (error = take_hash(t, e, name, hash)))
		return error;
	settle_any_password(t, e, hash);
	t->n++;
	return 0;
}

static int take_line(
    struct msv_passwd_table *t, const struct msv_passwd_line *line, uint32_t number)
{
	const char *begin = line->field[0].p;

	t->unfinished = !line->finished;
	t->says_empty = t->says_empty || line->says_empty;
	if (line->blank)
		return 0;
	if (memchr(begin, '\0', (size_t)(line->end.p - begin))) {
		msv_passwd_report(
		    t, MSV_LOG_WARN, number, "a NUL byte; the line is skipped, write it again");
		return 0;
	}
	if (line->end.p - begin > 65536) {
		msv_passwd_report(t, MSV_LOG_WARN, number,
		    "longer than 65536 bytes; the line is skipped, shorten it");
		return 0;
	}
	return take_account(t, line, number);
}

static int take_lines(struct msv_passwd_table *t, struct msv_span text)
{
	struct msv_passwd_line line;

	for (uint32_t number = 1; text.n; number++) {
		msv_passwd_next_line(&text, &line);
		int error = take_line(t, &line, number);
		if (error)
			return error;
	}
	return 0;
}

/* -- The index ------------------------------------------------------------------------------ */

/* FNV-1a over a name already in lower case. */
static uint64_t hash_name(const char *name)
{
	uint64_t h = 0xcbf29ce484222325;

	for (; *name; name++)
		h = (h ^ (uint8_t)*name) * 0x100000001b3;
	return h ^ h >> 32;
}

/* The slot of a name: its entry's, or the empty one where it belongs. */
static uint32_t *find_slot(const struct msv_passwd_table *t, const char *name)
{
	size_t i = hash_name(name) & t->mask;

	while (t->slots[i] && strcmp(t->entries[t->slots[i] - 1].account.name, name) != 0)
		i = (i + 1) & t->mask;
	return &t->slots[i];
}

/* Files names; the second entry of a name goes. */
static int make_index(struct msv_passwd_table *t)
{
	size_t nslots = 8, kept = 0;

	while (nslots < t->n * 2)
		nslots *= 2;
	if (!(t->slots = msv_alloc(t->env, nslots * sizeof(*t->slots))))
		return MSV_ERR_NOMEM;
	t->mask = nslots - 1;
	for (size_t i = 0; i < t->n; i++) {
		struct msv_passwd_entry *e = &t->entries[i];
		uint32_t *slot = find_slot(t, e->account.name);
		if (*slot) {
			msv_passwd_report(t, MSV_LOG_WARN, e->line,
			    "%s is in line %lu already; this line is skipped", e->account.name,
			    (unsigned long)t->entries[*slot - 1].line);
			continue;
		}
		t->entries[kept] = *e;
		*slot = (uint32_t)++kept;
	}
	t->n = kept;
	return 0;
}

const struct msv_passwd_entry *msv_passwd_table_find(
    const struct msv_passwd_table *table, const char *name)
{
	char folded[MSV_ACCOUNT_NAME_MAX + 1];

	if (!msv_account_name_valid(name))
		return NULL;
	msv_account_name_fold(name, folded, sizeof(folded));
	uint32_t slot = *find_slot(table, folded);
	return slot ? &table->entries[slot - 1] : NULL;
}

/* -- What there is ---------------------------------------------------------------------------- */

bool msv_passwd_may_log_in(const struct msv_passwd_entry *entry)
{
	return entry->field.scheme || entry->any_password;
}

bool msv_passwd_has_scram(const struct msv_passwd_entry *entry)
{
	return entry->field.scheme && (entry->scram || msv_field_is_plain(&entry->field));
}

static void add_kind(
    struct msv_kinds *kinds, const char *name, const struct msv_passwd_entry *entry)
{
	for (size_t i = 0; i < kinds->n; i++) {
		if (strcmp(kinds->kind[i].name, name) == 0)
			return;
	}
	if (kinds->n == MSV_KINDS_MAX)
		return;
	struct msv_kind *k = &kinds->kind[kinds->n++];
	snprintf(k->name, sizeof(k->name), "%s", name);
	k->entry = entry;
}

/* Keys as a client sees them: rounds and length of the salt. */
static void scram_kind(const struct msv_passwd_entry *e, char out[MSV_KIND_SIZE])
{
	struct msv_scram_value keys;

	if (e->scram && msv_scram_parse(MSV_SHA256, e->scram, &keys) == 0) {
		snprintf(
		    out, MSV_KIND_SIZE, "%lu,%zu", (unsigned long)keys.iterations, keys.salt_len);
		explicit_bzero(&keys, sizeof(keys));
	} else {
		snprintf(out, MSV_KIND_SIZE, "derived");
	}
}

static void survey(struct msv_passwd_table *t)
{
	char name[MSV_KIND_SIZE];
	size_t scram = 0;

	for (size_t i = 0; i < t->n; i++) {
		const struct msv_passwd_entry *e = &t->entries[i];
		if (e->field.scheme) {
			msv_field_kind(&e->field, name);
			add_kind(&t->checks, name, e);
		}
		if (msv_passwd_has_scram(e)) {
			scram_kind(e, name);
			add_kind(&t->scrams, name, e);
		}
		if (msv_passwd_may_log_in(e) && !e->nologin) {
			t->able++;
			scram += msv_passwd_has_scram(e);
		}
	}
	t->scram_for_all = t->able > 0 && t->able == scram;
}

/* -- Making and freeing ------------------------------------------------------------------------ */

/* The keys of a {SCRAM-SHA-256} field serve SCRAM too. */
static void share_keys(struct msv_passwd_table *t)
{
	for (size_t i = 0; i < t->n; i++) {
		struct msv_passwd_entry *e = &t->entries[i];
		e->account.extra = t->extra ? t->extra + e->first_extra : NULL;
		if (e->field.scheme && e->field.encoding == MSV_ENCODING_PLAIN &&
		    strcmp(e->field.scheme->name, "SCRAM-SHA-256") == 0)
			e->scram = e->field.data;
	}
}

int msv_passwd_table_new(
    struct msv_env *env, const char *name, const char *p, size_t n, struct msv_passwd_table **out)
{
	struct msv_passwd_table *t = msv_alloc(env, sizeof(*t));

	*out = NULL;
	if (!t)
		return MSV_ERR_NOMEM;
	t->env = env;
	t->refs = 1;
	msv_env_ref(env);
	msv_buf_init(&t->reports, env);
	t->text_size = n + 1;
	t->name = msv_strdup(env, name);
	t->text = msv_alloc(env, t->text_size);
	if (!t->name || !t->text)
		goto fail;
	if (n)
		memcpy(t->text, p, n);
	if (take_lines(t, (struct msv_span){ t->text, n }) != 0 || make_index(t) != 0)
		goto fail;
	share_keys(t);
	survey(t);
	*out = t;
	return 0;
fail:
	msv_passwd_table_unref(t);
	return MSV_ERR_NOMEM;
}

void msv_passwd_table_ref(struct msv_passwd_table *table)
{
	table->refs++;
}

void msv_passwd_table_unref(struct msv_passwd_table *table)
{
	if (!table || --table->refs)
		return;
	struct msv_env *env = table->env;
	if (table->text)
		msv_free_secret(env, table->text, table->text_size);
	msv_buf_fini(&table->reports);
	msv_free(env, table->name);
	msv_free(env, table->entries);
	msv_free(env, table->extra);
	msv_free(env, table->slots);
	msv_free(env, table);
	msv_env_unref(env);
}
