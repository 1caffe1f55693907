/* Small tables of names and items, read from files in the form of aliases. */
#include <stdlib.h>
#include <string.h>

#include "mta/aliases.h"

void msv_table_init(struct msv_table *table, struct msv_env *env)
{
	*table = (struct msv_table){ 0 };
	msv_arena_init(&table->arena, env);
}

void msv_table_fini(struct msv_table *table)
{
	msv_free(table->arena.env, table->rows);
	msv_arena_fini(&table->arena);
	*table = (struct msv_table){ .arena = table->arena };
}

int msv_table_add(struct msv_table *table, const char *key, const char *value, unsigned line)
{
	struct msv_table_row row = { .key = msv_arena_strndup(&table->arena, key, strlen(key)),
		.value = msv_arena_strndup(&table->arena, value, strlen(value)),
		.line = line,
		.order = table->n };

	if (!row.key || !row.value ||
	    msv_grow(table->arena.env, &table->rows, &table->cap, table->n + 1, sizeof row) != 0)
		return MSV_ERR_NOMEM;
	table->rows[table->n++] = row;
	table->sorted = false;
	return 0;
}

static int by_key_and_order(const void *a, const void *b)
{
	const struct msv_table_row *x = a, *y = b;
	int order = strcmp(x->key, y->key);

	return order ? order : (x->order > y->order) - (x->order < y->order);
}

const struct msv_table_row *msv_table_find(struct msv_table *table, const char *key, size_t *n)
{
	size_t low = 0, high = table->n;

	if (!table->sorted && table->n)
		qsort(table->rows, table->n, sizeof *table->rows, by_key_and_order);
	table->sorted = true;
	while (low < high) {
		size_t middle = low + (high - low) / 2;
		if (strcmp(table->rows[middle].key, key) < 0)
			low = middle + 1;
		else
			high = middle;
	}
	for (*n = 0; low + *n < table->n && strcmp(table->rows[low + *n].key, key) == 0; ++*n)
		;
	return *n ? &table->rows[low] : NULL;
}

/* -- Reading ---------------------------------------------------------------------- */

struct reading {
	const struct msv_table_options *options;
	struct msv_alias_reports reports;
	msv_table_add_fn add;
	void *self;
	struct msv_buf name, item;
};

/* The item as a string, without quotes around the whole of it; NULL: no memory. */
static const char *text_of(struct msv_span raw, struct msv_buf *out)
{
	msv_buf_clear(out);
	/* Quotes around a local part alone belong to the address. */
	if (!memchr(raw.p, '@', raw.n) || !msv_alias_unquote(raw, out))
		msv_buf_put(out, raw.p, raw.n);
	return msv_buf_cstr(out);
}

static const char *file_of(const struct reading *r)
{
	return r->options->name ? r->options->name : "table";
}

static int take_item(struct reading *r, const char *name, const struct msv_alias_item *item)
{
	const char *text = text_of(item->raw, &r->item), *mistake = item->mistake;
	int error = text ? 0 : MSV_ERR_NOMEM;

	if (!error && !mistake && memchr(item->raw.p, '\0', item->raw.n))
		mistake = "there is a NUL octet";
	if (!error && !mistake)
		error = r->add(r->self, name, text, item->line, &mistake);
	if (mistake)
		msv_alias_report(&r->reports, MSV_LOG_ERROR, file_of(r), item->line, "%s", mistake);
	return error == MSV_ERR_NOMEM ? error : 0;
}

static int take_line(struct reading *r, struct msv_alias_lines *lines)
{
	struct msv_alias_item key, item;
	int error = 0;

	msv_alias_key(lines, &key);
	if (key.mistake || memchr(key.raw.p, '\0', key.raw.n)) {
		msv_alias_report(&r->reports, MSV_LOG_ERROR, file_of(r), key.line, "%s",
		    key.mistake ? key.mistake : "there is a NUL octet");
		return 0;
	}
	const char *name = text_of(key.raw, &r->name);
	if (!name)
		return MSV_ERR_NOMEM;
	while (!error && msv_alias_item(lines, &item))
		error = take_item(r, name, &item);
	return error;
}

int msv_table_read(struct msv_table *table, const struct msv_table_options *options,
    const char *text, size_t n, msv_table_add_fn add, void *self)
{
	struct msv_env *env = table->arena.env;
	struct reading r = { .options = options, .add = add, .self = self };
	struct msv_alias_lines lines;
	int error;

	if (n > MSV_TABLE_SIZE_MAX)
		return MSV_ERR_LIMIT;
	msv_buf_init(&r.reports.lines, env);
	msv_buf_init(&r.name, env);
	msv_buf_init(&r.item, env);
	table->file = msv_arena_strndup(&table->arena, file_of(&r), strlen(file_of(&r)));
	msv_alias_lines_init(&lines, env, text, n, false);
	error = table->file ? 1 : MSV_ERR_NOMEM;
	while (error > 0 && (error = msv_alias_lines_next(&lines)) > 0)
		if ((error = take_line(&r, &lines)) == 0)
			error = 1;
	if (!error && msv_buf_failed(&r.reports.lines))
		error = MSV_ERR_NOMEM;
	msv_alias_lines_fini(&lines);
	msv_buf_fini(&r.name);
	msv_buf_fini(&r.item);
	msv_alias_reports_tell(&r.reports, error ? NULL : options->report, options->user);
	return error;
}
