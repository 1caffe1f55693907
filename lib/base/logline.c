#include "base/logline.h"

#include <inttypes.h>
#include <string.h>

void msv_logline_begin(struct msv_logline *l, struct msv_env *env, enum msv_log_level level,
    const char *protocol, const char *event)
{
	l->env = env;
	l->level = level;
	msv_buf_init(&l->buf, env);
	msv_buf_printf(&l->buf, "%s %s", protocol, event);
}

void msv_logline_text(struct msv_logline *l, const char *key, const char *value)
{
	if (!value)
		return;
	bool plain = *value && !strpbrk(value, " \"\\=");
	msv_buf_printf(&l->buf, plain ? " %s=" : " %s=\"", key);
	for (const char *p = value; *p; p++) {
		if (*p == '"' || *p == '\\')
			msv_buf_putc(&l->buf, '\\');
		msv_buf_putc(&l->buf, *p);
	}
	if (!plain)
		msv_buf_putc(&l->buf, '"');
}

void msv_logline_number(struct msv_logline *l, const char *key, uint64_t value)
{
	msv_buf_printf(&l->buf, " %s=%" PRIu64, key, value);
}

void msv_logline_end(struct msv_logline *l)
{
	const char *line = msv_buf_cstr(&l->buf);

	if (line)
		msv_env_log(l->env, l->level, "%s", line);
	else
		msv_env_log(l->env, l->level, "%.*s (no memory for the rest of this line)",
		    (int)msv_buf_len(&l->buf), msv_buf_data(&l->buf));
	msv_buf_fini(&l->buf);
}
