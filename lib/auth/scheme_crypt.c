/* Password schemes of crypt(3), as libxcrypt has them: bcrypt, yescrypt,
 * scrypt, SHA-2 and the old ones. */
#include "auth/auth.h"

#include <string.h>

#include "base/buf.h"
#include "base/env.h"
#include "config.h"

#ifdef HAVE_CRYPT
#include <crypt.h>

#include <errno.h>

static bool valid(const struct msv_scheme *scheme, const char *data, size_t n)
{
	if (strlen(data) != n || crypt_checksalt(data) == CRYPT_SALT_INVALID)
		return false;
	return !scheme->prefix || strncmp(data, scheme->prefix, strlen(scheme->prefix)) == 0;
}

static int check(const struct msv_scheme *scheme, const char *data, size_t n, const char *password,
    const char *prepared, void *room)
{
	(void)prepared;
	errno = 0;
	const char *got = crypt_rn(password, data, room, (int)scheme->room_size);
	if (!got)
		return errno == ENOMEM ? MSV_ERR_NOMEM : MSV_ERR_AUTH;
	return strlen(got) == n && msv_secret_equal(got, data, n) ? 0 : MSV_ERR_AUTH;
}

/* Hashes with fresh salt.  MSV_ERR_UNSUPPORTED: crypt(3) lacks the method. */
static int crypt_with(
    const char *prefix, unsigned long cost, const char *password, struct msv_buf *out)
{
	char setting[CRYPT_GENSALT_OUTPUT_SIZE];
	char salt[32];
	int error = msv_env_random(out->env, salt, sizeof(salt));

	if (error)
		return error;
	if (!crypt_gensalt_rn(prefix, cost, salt, sizeof(salt), setting, sizeof(setting)))
		return MSV_ERR_UNSUPPORTED;
	struct crypt_data *room = msv_alloc(out->env, sizeof(*room));
	if (!room)
		return MSV_ERR_NOMEM;
	errno = 0;
	const char *got = crypt_rn(password, setting, room, sizeof(*room));
	if (got)
		error = msv_buf_puts(out, got);
	else
		error = errno == ERANGE   ? MSV_ERR_LIMIT
		        : errno == ENOMEM ? MSV_ERR_NOMEM
		                          : MSV_ERR_UNSUPPORTED;
	msv_free_secret(out->env, room, sizeof(*room));
	return error;
}

static int hash(const struct msv_scheme *scheme, const char *password, struct msv_buf *out)
{
	return crypt_with(scheme->method, scheme->cost, password, out);
}

/* With the best method there is. */
static int hash_best(const struct msv_scheme *scheme, const char *password, struct msv_buf *out)
{
	static const struct {
		const char *prefix;
		unsigned long cost;
	} best[] = { { "$y$", 0 }, { "$2b$", 10 }, { "$6$", 100000 }, { "$5$", 100000 } };
	int error = MSV_ERR_UNSUPPORTED;

	(void)scheme;
	for (size_t i = 0; i < sizeof(best) / sizeof(*best) && error == MSV_ERR_UNSUPPORTED; i++)
		error = crypt_with(best[i].prefix, best[i].cost, password, out);
	return error;
}

/* OpenSMTPD knows no {SCHEME}: hashes are written bare, for both to read. */
#define ROOM sizeof(struct crypt_data)
const struct msv_scheme msv_scheme_crypt[] = {
	{ .name = "CRYPT", .valid = valid, .check = check, .hash = hash_best, .room_size = ROOM },
	{ .name = "BLF-CRYPT",
	    .valid = valid,
	    .check = check,
	    .hash = hash,
	    .prefix = "$2",
	    .method = "$2b$",
	    .cost = 10,
	    .room_size = ROOM },
	{ .name = "SHA256-CRYPT",
	    .valid = valid,
	    .check = check,
	    .hash = hash,
	    .prefix = "$5$",
	    .method = "$5$",
	    .cost = 100000,
	    .room_size = ROOM },
	{ .name = "SHA512-CRYPT",
	    .valid = valid,
	    .check = check,
	    .hash = hash,
	    .prefix = "$6$",
	    .method = "$6$",
	    .cost = 100000,
	    .room_size = ROOM },
	{ .name = "MD5-CRYPT", .valid = valid, .check = check, .prefix = "$1$", .room_size = ROOM },
	{ .name = "DES-CRYPT", .valid = valid, .check = check, .room_size = ROOM },
};
const size_t msv_scheme_ncrypt = sizeof(msv_scheme_crypt) / sizeof(*msv_scheme_crypt);
#else
const struct msv_scheme msv_scheme_crypt[1];
const size_t msv_scheme_ncrypt = 0;
#endif
