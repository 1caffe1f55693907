#include "message/boundary.h"

#include <string.h>

#include "base/alloc.h"

int msv_boundaries_push(struct msv_boundaries *b, struct msv_part *part, const char *text)
{
	size_t len = strlen(text);
	int rc = msv_grow(b->env, &b->v, &b->cap, b->n + 1, sizeof *b->v);

	if (rc < 0)
		return rc;
	if (len > MSV_BOUNDARY_MAX)
		len = MSV_BOUNDARY_MAX;
	b->v[b->n++] = (struct msv_boundary){ part, text, len };
	return 0;
}

void msv_boundaries_pop(struct msv_boundaries *b, const struct msv_part *part)
{
	if (b->n > 0 && b->v[b->n - 1].part == part)
		b->n--;
}

const struct msv_boundary *msv_boundaries_find(
    const struct msv_boundaries *b, const char *line, size_t n, bool *closing)
{
	const struct msv_boundary *best = NULL;

	if (n < 2 || line[0] != '-' || line[1] != '-')
		return NULL;
	for (size_t i = b->n; i-- > 0;) {
		const struct msv_boundary *v = &b->v[i];

		if (v->len <= n - 2 && (!best || v->len > best->len) &&
		    memcmp(line + 2, v->text, v->len) == 0)
			best = v;
	}
	if (best) {
		const char *rest = line + 2 + best->len;

		*closing = n - 2 - best->len >= 2 && rest[0] == '-' && rest[1] == '-';
	}
	return best;
}

void msv_boundaries_fini(struct msv_boundaries *b)
{
	msv_free(b->env, b->v);
	b->v = NULL;
	b->n = b->cap = 0;
}
