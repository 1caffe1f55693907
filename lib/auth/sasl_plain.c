/* PLAIN (RFC 4616): [authzid] NUL authcid NUL password. */
#include "auth/auth.h"

#include <string.h>

static int step(struct msv_sasl *sasl, const char *p, size_t n)
{
	const char *end = p + n, *user = memchr(p, '\0', n);
	const char *password = user ? memchr(user + 1, '\0', (size_t)(end - user - 1)) : NULL;

	if (!password || password + 1 == end ||
	    memchr(password + 1, '\0', (size_t)(end - password - 1)))
		return MSV_ERR_FORMAT;
	struct msv_span authzid = { p, (size_t)(user - p) };
	struct msv_span authcid = { user + 1, (size_t)(password - user - 1) };
	int error = msv_sasl_identify(sasl, authcid, authzid);
	return error ? error : msv_sasl_verify(sasl, password + 1);
}

const struct msv_sasl_mechanism msv_sasl_plain = {
	.name = "PLAIN",
	.bit = MSV_SASL_PLAIN,
	.prompt = "",
	.step = step,
};
