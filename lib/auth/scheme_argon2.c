/* Argon2 passwords, by libargon2. */
#include "auth/auth.h"

#include <string.h>

#include "base/buf.h"
#include "base/env.h"
#include "config.h"

#ifdef HAVE_ARGON2
#include <argon2.h>

/* What libsodium calls interactive, three passes: 64 MiB. */
enum { PASSES = 3, KIBIBYTES = 65536, LANES = 1, SALT_SIZE = 16, HASH_SIZE = 32 };

static bool valid(const struct msv_scheme *scheme, const char *data, size_t n)
{
	return strlen(data) == n && strncmp(data, scheme->prefix, strlen(scheme->prefix)) == 0;
}

static argon2_type type_of(const struct msv_scheme *scheme)
{
	return strcmp(scheme->name, "ARGON2I") == 0 ? Argon2_i : Argon2_id;
}

static int check(const struct msv_scheme *scheme, const char *data, size_t n, const char *password,
    const char *prepared, void *room)
{
	(void)n;
	(void)prepared;
	(void)room;
	switch (argon2_verify(data, password, strlen(password), type_of(scheme))) {
	case ARGON2_OK:
		return 0;
	case ARGON2_MEMORY_ALLOCATION_ERROR:
		return MSV_ERR_NOMEM;
	default:
		return MSV_ERR_AUTH;
	}
}

static int hash(const struct msv_scheme *scheme, const char *password, struct msv_buf *out)
{
	uint8_t salt[SALT_SIZE];
	char text[256];
	int error = msv_env_random(out->env, salt, sizeof(salt));

	if (error)
		return error;
	switch (argon2id_hash_encoded(PASSES, KIBIBYTES, LANES, password, strlen(password), salt,
	    sizeof(salt), HASH_SIZE, text, sizeof(text))) {
	case ARGON2_OK:
		return msv_buf_printf(out, "{%s}%s", scheme->name, text);
	case ARGON2_MEMORY_ALLOCATION_ERROR:
		return MSV_ERR_NOMEM;
	default:
		return MSV_ERR_UNSUPPORTED;
	}
}

const struct msv_scheme msv_scheme_argon2[] = {
	{ .name = "ARGON2ID",
	    .valid = valid,
	    .check = check,
	    .hash = hash,
	    .prefix = "$argon2id$" },
	{ .name = "ARGON2I", .valid = valid, .check = check, .prefix = "$argon2i$" },
};
const size_t msv_scheme_nargon2 = sizeof(msv_scheme_argon2) / sizeof(*msv_scheme_argon2);
#else
const struct msv_scheme msv_scheme_argon2[1];
const size_t msv_scheme_nargon2 = 0;
#endif
