/* LOGIN, as old clients still speak it (draft-murchison-sasl-login-00): two
 * prompts, the user name may come as the initial response. */
#include "auth/auth.h"

#include <string.h>

static int step(struct msv_sasl *sasl, const char *p, size_t n)
{
	if (!sasl->user) {
		int error =
		    msv_sasl_identify(sasl, (struct msv_span){ p, n }, (struct msv_span){ 0 });
		if (!error)
			msv_sasl_challenge(sasl, "Password:", 9);
		return error;
	}
	if (n == 0 || memchr(p, '\0', n))
		return MSV_ERR_FORMAT;
	return msv_sasl_verify(sasl, p);
}

const struct msv_sasl_mechanism msv_sasl_login = {
	.name = "LOGIN",
	.bit = MSV_SASL_LOGIN,
	.prompt = "Username:",
	.step = step,
};
