/* Parameters of MIME fields: "; name=value" lists (RFC 2045 5.1) and what RFC
 * 2231 made of them (continuations, charsets). */
#ifndef MSV_CODEC_PARAM_H
#define MSV_CODEC_PARAM_H

#include "base/buf.h"
#include "codec/arena.h"

struct msv_param {
	const char *name;  /* as written; "title*" has a value with charset and percents */
	const char *value; /* quotes undone, nothing else */
};

struct msv_params {
	const struct msv_param *v;
	size_t n;
};

/* No more parameters of one field than this are kept. */
#define MSV_PARAMS_MAX 1000

/*
 * Reads "; a=b; c=d" (the leading ";" may be missing), tolerantly: blanks and
 * comments anywhere, empty pieces, values with bytes a token may not hold.
 * Continuations (a*0=, a*1*= ...) become one parameter up to the first gap: a,
 * or a* when there is an extended one among them.  The result is in the arena.
 * 0 or MSV_ERR_NOMEM.
 */
int msv_params_parse(struct msv_arena *arena, const char *p, size_t n, struct msv_params *out);
/* The first parameter of exactly that name (any case), or NULL. */
const char *msv_params_get(const struct msv_params *params, const char *name);
/* Appends the value of a parameter in UTF-8: of name*=charset'lang'value (RFC
 * 2231 4), else of name= with encoded words decoded (RFC 2047 forbids them
 * there; mailers write them).  0; MSV_ERR_NOTFOUND; MSV_ERR_NOMEM. */
int msv_params_decode(const struct msv_params *params, const char *name, struct msv_buf *out);

#endif
