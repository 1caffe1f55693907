/*
 * passwd-files: whatever the bytes, every account found has a proper name and
 * is found by it, and an edit touches nobody but the account it is about.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "auth/auth.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

/* Unlike assert(), there in every build. */
#define MUST(what) \
	do { \
		if (!(what)) { \
			fprintf(stderr, "%s:%d: not so: %s\n", __FILE__, __LINE__, #what); \
			abort(); \
		} \
	} while (0)

static const char me[] = "fuzz@example.org";

static void ignore(void *user, enum msv_log_level level, const char *line)
{
	(void)user;
	MUST(level <= MSV_LOG_DEBUG && *line);
}

static struct msv_passwd_table *parse(struct msv_env *env, const char *p, size_t n)
{
	struct msv_passwd_table *table;

	MUST(msv_passwd_table_new(env, "passwd", p, n, &table) == 0);
	msv_passwd_emit_reports(table, ignore, NULL);
	return table;
}

static void entry_is_sound(const struct msv_passwd_table *table, const struct msv_passwd_entry *e)
{
	const char *name = e->account.name;
	struct msv_scram_value keys;
	char folded[MSV_ACCOUNT_NAME_MAX + 1], kind[MSV_KIND_SIZE];

	MUST(msv_account_name_valid(name));
	MUST(msv_account_name_fold(name, folded, sizeof(folded)) && strcmp(name, folded) == 0);
	MUST(msv_passwd_table_find(table, name) == e);
	MUST(e->account.receives == (strchr(name, '@') != NULL));
	MUST(!e->field.scheme || msv_field_valid(table->env, &e->field) == 0);
	if (e->field.scheme)
		msv_field_kind(&e->field, kind);
	MUST(!e->scram || msv_scram_parse(MSV_SHA256, e->scram, &keys) == 0);
	for (size_t i = 0; i < e->account.nextra; i++) {
		MUST(*e->account.extra[i].key);
		MUST(strcmp(e->account.extra[i].key, MSV_PASSWD_SCRAM_KEY) != 0 ||
		     strcmp(e->account.extra[i].value, "yes") == 0);
	}
	if (e->nets) {
		(void)msv_nets_valid(e->nets);
		(void)msv_nets_match(e->nets, "192.0.2.1");
		(void)msv_nets_match(e->nets, NULL);
	}
}

static bool same_string(const char *a, const char *b)
{
	return !a == !b && (!a || strcmp(a, b) == 0);
}

/* Everybody but `me` is in both, and the same. */
static void others_stay(const struct msv_passwd_table *a, const struct msv_passwd_table *b)
{
	for (size_t i = 0; i < a->n; i++) {
		const struct msv_passwd_entry *e = &a->entries[i], *f;
		if (strcmp(e->account.name, me) == 0)
			continue;
		f = msv_passwd_table_find(b, e->account.name);
		MUST(f);
		MUST(same_string(e->account.home, f->account.home));
		MUST(same_string(e->account.uid, f->account.uid));
		MUST(same_string(e->scram, f->scram));
		MUST(same_string(e->nets, f->nets));
		MUST(e->field.scheme == f->field.scheme);
		MUST(!e->field.scheme || same_string(e->field.data, f->field.data));
		MUST(e->account.nextra == f->account.nextra);
	}
}

/* The contents after an edit, or NULL when it was refused. */
static struct msv_passwd_table *edit(struct msv_env *env, enum msv_passwd_change_kind kind,
    const char *p, size_t n, struct msv_buf *out)
{
	struct msv_passwd_edit e = { kind, me, "{PLAIN}word", NULL, "/home/fuzz" };

	msv_buf_init(out, env);
	int error = msv_passwd_rewrite(&e, (struct msv_span){ p, n }, out);
	MUST(error == 0 || error == (kind == MSV_PASSWD_ADD ? MSV_ERR_EXISTS : MSV_ERR_NOTFOUND));
	return error ? NULL : parse(env, msv_buf_data(out), msv_buf_len(out));
}

static void edits(
    struct msv_env *env, const struct msv_passwd_table *before, const char *p, size_t n)
{
	struct msv_passwd_table *after;
	struct msv_buf added, removed, changed;
	bool was = msv_passwd_table_find(before, me) != NULL;

	after = edit(env, MSV_PASSWD_ADD, p, n, &added);
	MUST(!after || !was);
	if (after) {
		const struct msv_passwd_entry *e = msv_passwd_table_find(after, me);
		MUST(e && strcmp(e->field.data, "word") == 0);
		others_stay(before, after);
		others_stay(after, before);
	}
	msv_passwd_table_unref(after);
	after = edit(env, MSV_PASSWD_CHANGE, p, n, &changed);
	MUST(after || !was);
	if (after) {
		const struct msv_passwd_entry *e = msv_passwd_table_find(after, me);
		MUST(!was || (e && strcmp(e->field.data, "word") == 0));
		others_stay(before, after);
		others_stay(after, before);
	}
	msv_passwd_table_unref(after);
	after = edit(env, MSV_PASSWD_REMOVE, p, n, &removed);
	MUST(after || !was);
	if (after) {
		MUST(!msv_passwd_table_find(after, me));
		others_stay(before, after);
		others_stay(after, before);
		MUST(after->n > 0 || after->says_empty);
	}
	msv_passwd_table_unref(after);
	msv_buf_fini(&added);
	msv_buf_fini(&changed);
	msv_buf_fini(&removed);
}

/* As a running server would take them, over accounts it has. */
static void load(struct msv_env *env, const char *p, size_t n)
{
	const char *known = "ann@example.org:{PLAIN}x\n";
	struct msv_passwd *passwd;

	MUST(msv_passwd_new(env, NULL, &passwd) == 0);
	MUST(msv_passwd_load(passwd, "passwd", known, strlen(known)) == 0);
	int error = msv_passwd_load(passwd, "passwd", p, n);
	MUST(error == 0 || error == MSV_ERR_FORMAT);
	MUST(msv_passwd_count(passwd) > 0 || !error);
	const struct msv_auth *auth = msv_passwd_auth(passwd);
	MUST(auth->mechanisms(auth->self) & MSV_SASL_PLAIN);
	msv_passwd_free(passwd);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	const char *p = n > 0 ? (const char *)data : "";
	struct msv_passwd_table *table;
	struct msv_env *env;

	MUST(msv_env_new(NULL, &env) == 0);
	table = parse(env, p, n);
	for (size_t i = 0; i < table->n; i++)
		entry_is_sound(table, &table->entries[i]);
	edits(env, table, p, n);
	load(env, p, n);
	msv_passwd_table_unref(table);
	msv_env_free(env);
	return 0;
}
