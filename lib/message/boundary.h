/* The boundaries of the multiparts that are open (RFC 2046 5.1.1). */
#ifndef MSV_MESSAGE_BOUNDARY_H
#define MSV_MESSAGE_BOUNDARY_H

#include "message/mime.h"

/* RFC 2046 allows 70; more than this of one is not compared. */
#define MSV_BOUNDARY_MAX  200
/* As much of a line tells whether it is a boundary: "--", it, "--". */
#define MSV_BOUNDARY_LINE (MSV_BOUNDARY_MAX + 4)

struct msv_boundary {
	struct msv_part *part; /* the multipart it divides */
	const char *text;
	size_t len;
};

struct msv_boundaries {
	struct msv_env *env;
	struct msv_boundary *v; /* the innermost last */
	size_t n, cap;
};

/* text must outlive the stack.  0 or MSV_ERR_NOMEM. */
int msv_boundaries_push(struct msv_boundaries *b, struct msv_part *part, const char *text);
/* The part is closed: its boundary, if on top, goes. */
void msv_boundaries_pop(struct msv_boundaries *b, const struct msv_part *part);
/* The boundary the line begins with, or NULL: the longest one, of those as long
 * the innermost.  *closing: it ends its multipart. */
const struct msv_boundary *msv_boundaries_find(
    const struct msv_boundaries *b, const char *line, size_t n, bool *closing);
void msv_boundaries_fini(struct msv_boundaries *b);

#endif
