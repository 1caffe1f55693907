/*
 * The file subscriptions.  Version 2: a line "V\t2", an empty line, then a
 * mailbox a line, its levels in modified UTF-7 joined by tabs.  Version 1, read
 * only: a name a line, its levels joined by the separator of the layout.
 */
#ifndef MSV_STORE_SUBSCRIPTIONS_H
#define MSV_STORE_SUBSCRIPTIONS_H

#include "base/buf.h"

#define MSV_SUBSCRIPTIONS      "subscriptions"
#define MSV_SUBSCRIPTIONS_LOCK "subscriptions.lock"

/* A walk over the lines of a file that is in memory. */
struct msv_subscriptions {
	const char *p, *end;
	char separator; /* of version 1 lines; 0 in version 2 */
};

/* separator: '.' for Maildir++, '/' for fs. */
void msv_subscriptions_begin(
    struct msv_subscriptions *walk, const char *p, size_t n, char separator);
/* Puts the next line, as version 2 writes it, in *line: 1; 0 at the end;
 * MSV_ERR_NOMEM. */
int msv_subscriptions_next(struct msv_subscriptions *walk, struct msv_buf *line);

/* Writes to out the file p[0..n) with or without a line (as version 2 writes
 * it, n bytes); *changed says whether that differs.  0 or MSV_ERR_NOMEM. */
int msv_subscriptions_edit(struct msv_span file, char separator, struct msv_span line,
    bool subscribed, struct msv_buf *out, bool *changed);

#endif
