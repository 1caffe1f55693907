/* Small tables: names, and what each of them gives. */
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

int msv_table_add(struct msv_table *table, const char *key, const char *value)
{
	struct msv_table_row row = { .key = msv_arena_strndup(&table->arena, key, strlen(key)),
		.value = msv_arena_strndup(&table->arena, value, strlen(value)),
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
