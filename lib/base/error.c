#include <mailserv/base.h>

#include "config.h"

const char *msv_version(void)
{
	return MSV_VERSION;
}

const char *msv_strerror(int error)
{
	static const char *const words[] = {
		[-MSV_OK] = "success",
		[-MSV_ERR_NOMEM] = "out of memory",
		[-MSV_ERR_INVAL] = "invalid argument",
		[-MSV_ERR_IO] = "input/output error",
		[-MSV_ERR_NOTFOUND] = "not found",
		[-MSV_ERR_EXISTS] = "already there",
		[-MSV_ERR_DENIED] = "permission denied",
		[-MSV_ERR_QUOTA] = "quota exceeded",
		[-MSV_ERR_LIMIT] = "limit reached",
		[-MSV_ERR_FORMAT] = "malformed",
		[-MSV_ERR_UNSUPPORTED] = "not supported",
		[-MSV_ERR_CANCELED] = "canceled",
		[-MSV_ERR_STALE] = "the mailbox was replaced",
		[-MSV_ERR_AUTH] = "wrong credentials",
		[-MSV_ERR_TLS] = "TLS failed",
		[-MSV_ERR_BUSY] = "busy, try again later",
		[-MSV_ERR_NOSPACE] = "no space left on disk",
		[-MSV_ERR_TIMEOUT] = "timed out",
	};
	const int count = sizeof(words) / sizeof(*words);

	return error <= 0 && error > -count ? words[-error] : "unknown error";
}
