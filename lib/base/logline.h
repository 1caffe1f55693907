/* Lines of the log that people and grep can read:
 * "smtp message session=... peer=... from=... size=... reason="..."". */
#ifndef MSV_BASE_LOGLINE_H
#define MSV_BASE_LOGLINE_H

#include "base/buf.h"

struct msv_logline {
	struct msv_env *env;
	enum msv_log_level level;
	struct msv_buf buf;
};

/* Begins a line about an event of a protocol. */
void msv_logline_begin(struct msv_logline *l, struct msv_env *env, enum msv_log_level level,
    const char *protocol, const char *event);
/* key=value, the value quoted where it must be; NULL leaves it out. */
void msv_logline_text(struct msv_logline *l, const char *key, const char *value);
void msv_logline_number(struct msv_logline *l, const char *key, uint64_t value);
/* Writes it.  With no memory what there is room for says so. */
void msv_logline_end(struct msv_logline *l);

#endif
