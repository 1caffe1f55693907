#include "store/subscriptions.h"

#include <string.h>

static const char header[] = "V\t2\n\n";

void msv_subscriptions_begin(
    struct msv_subscriptions *walk, const char *p, size_t n, char separator)
{
	*walk = (struct msv_subscriptions){ p, p + n, separator };
	if (n >= 2 && p[0] == 'V' && p[1] == '\t') {
		const char *newline = memchr(p, '\n', n);
		walk->p = newline ? newline + 1 : walk->end;
		walk->separator = 0;
	}
}

int msv_subscriptions_next(struct msv_subscriptions *walk, struct msv_buf *line)
{
	msv_buf_clear(line);
	while (walk->p < walk->end) {
		const char *p = walk->p;
		const char *newline = memchr(p, '\n', (size_t)(walk->end - p));
		size_t n = (size_t)((newline ? newline : walk->end) - p);

		walk->p = newline ? newline + 1 : walk->end;
		if (!n)
			continue;
		char *to = msv_buf_reserve(line, n);
		if (!to)
			return MSV_ERR_NOMEM;
		for (size_t i = 0; i < n; i++)
			to[i] = walk->separator && p[i] == walk->separator ? '\t' : p[i];
		msv_buf_commit(line, n);
		return 1;
	}
	return 0;
}

static void put_line(struct msv_buf *out, struct msv_span line)
{
	msv_buf_put(out, line.p, line.n);
	msv_buf_putc(out, '\n');
}

int msv_subscriptions_edit(struct msv_span file, char separator, struct msv_span line,
    bool subscribed, struct msv_buf *out, bool *changed)
{
	struct msv_subscriptions walk;
	struct msv_buf old;
	bool found = false;
	int more;

	msv_buf_init(&old, out->env);
	msv_buf_puts(out, header);
	msv_subscriptions_begin(&walk, file.p, file.n, separator);
	while ((more = msv_subscriptions_next(&walk, &old)) > 0) {
		struct msv_span kept = { msv_buf_data(&old), msv_buf_len(&old) };
		if (kept.n == line.n && memcmp(kept.p, line.p, kept.n) == 0) {
			if (found || !subscribed)
				continue;
			found = true;
		}
		put_line(out, kept);
	}
	if (subscribed && !found)
		put_line(out, line);
	msv_buf_fini(&old);
	if (more < 0 || msv_buf_failed(out))
		return MSV_ERR_NOMEM;
	*changed = msv_buf_len(out) != file.n || memcmp(msv_buf_data(out), file.p, file.n) != 0;
	return 0;
}
