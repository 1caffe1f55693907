/* Password schemes made of digests: salted ones, PBKDF2, SCRAM, and PLAIN,
 * which is compared by digest so that its length is not told by time. */
#include "auth/auth.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/env.h"

/* -- Digest, salt behind it -------------------------------------------------------- */

enum { SALT_SIZE = 16 };

static bool digest_valid(const struct msv_scheme *scheme, const char *data, size_t n)
{
	size_t size = msv_digest_size(scheme->digest);

	(void)data;
	return scheme->salted ? n >= size : n == size;
}

static int digest_check(const struct msv_scheme *scheme, const char *data, size_t n,
    const char *password, const char *prepared, void *room)
{
	size_t size = msv_digest_size(scheme->digest);
	uint8_t got[MSV_DIGEST_SIZE];

	(void)prepared;
	(void)room;
	struct msv_span parts[] = { { password, strlen(password) }, { data + size, n - size } };
	int error = msv_hash(scheme->digest, parts, 2, got);
	if (error)
		return error;
	return msv_secret_equal(got, data, size) ? 0 : MSV_ERR_AUTH;
}

static int digest_hash(const struct msv_scheme *scheme, const char *password, struct msv_buf *out)
{
	size_t size = msv_digest_size(scheme->digest);
	uint8_t bytes[MSV_DIGEST_SIZE + SALT_SIZE];
	char text[MSV_BASE64_SIZE(sizeof(bytes))];
	struct msv_span parts[] = { { password, strlen(password) },
		{ (const char *)bytes + size, SALT_SIZE } };
	int error = msv_env_random(out->env, bytes + size, SALT_SIZE);

	if (error || (error = msv_hash(scheme->digest, parts, 2, bytes)))
		return error;
	msv_base64_encode(bytes, size + SALT_SIZE, text);
	return msv_buf_printf(out, "{%s}%s", scheme->name, text);
}

/* -- PLAIN --------------------------------------------------------------------------- */

static bool text_valid(const struct msv_scheme *scheme, const char *data, size_t n)
{
	(void)scheme;
	return n > 0 && strlen(data) == n;
}

static int plain_check(const struct msv_scheme *scheme, const char *data, size_t n,
    const char *password, const char *prepared, void *room)
{
	uint8_t a[MSV_SHA256_SIZE], b[MSV_SHA256_SIZE];
	int error;

	(void)scheme;
	(void)prepared;
	(void)room;
	if ((error = msv_sha256(data, n, a)) || (error = msv_sha256(password, strlen(password), b)))
		return error;
	return msv_secret_equal(a, b, sizeof(a)) ? 0 : MSV_ERR_AUTH;
}

/* True when the password can stand in a field as it is. */
static bool plain_stands(const char *password)
{
	for (const char *p = password; *p; p++) {
		if ((unsigned char)*p < 0x20 || *p == 0x7f || *p == ':')
			return false;
	}
	return true;
}

static int plain_hash(const struct msv_scheme *scheme, const char *password, struct msv_buf *out)
{
	size_t n = strlen(password);

	if (plain_stands(password))
		return msv_buf_printf(out, "{%s}%s", scheme->name, password);
	msv_buf_printf(out, "{%s.b64}", scheme->name);
	char *text = msv_buf_reserve(out, MSV_BASE64_SIZE(n));
	if (!text)
		return MSV_ERR_NOMEM;
	msv_base64_encode(password, n, text);
	msv_buf_commit(out, MSV_BASE64_SIZE(n) - 1);
	return 0;
}

/* -- SCRAM keys, checked by making them again ---------------------------------------- */

static bool scram_valid(const struct msv_scheme *scheme, const char *data, size_t n)
{
	struct msv_scram_value value;

	bool ok = text_valid(scheme, data, n) && msv_scram_parse(scheme->digest, data, &value) == 0;
	explicit_bzero(&value, sizeof(value));
	return ok;
}

static int scram_check(const struct msv_scheme *scheme, const char *data, size_t n,
    const char *password, const char *prepared, void *room)
{
	struct msv_scram_value want, got;
	size_t size = msv_digest_size(scheme->digest);
	int error;

	(void)n;
	(void)room;
	if (msv_scram_parse(scheme->digest, data, &want) != 0)
		return MSV_ERR_AUTH;
	got = want;
	error = msv_scram_derive(scheme->digest, prepared, &got);
	if (!error && !msv_secret_equal(got.stored_key, want.stored_key, size))
		error = MSV_ERR_AUTH;
	/* Dovecot makes its keys without SASLprep. */
	if (error == MSV_ERR_AUTH && strcmp(password, prepared) != 0 &&
	    msv_scram_derive(scheme->digest, password, &got) == 0 &&
	    msv_secret_equal(got.stored_key, want.stored_key, size))
		error = 0;
	explicit_bzero(&want, sizeof(want));
	explicit_bzero(&got, sizeof(got));
	return error;
}

static int scram_hash(const struct msv_scheme *scheme, const char *password, struct msv_buf *out)
{
	char *text;
	int error = msv_password_scram(out->env, password, &text);

	if (error)
		return error;
	error = msv_buf_printf(out, "{%s}%s", scheme->name, text);
	msv_free_string_secret(out->env, text);
	return error;
}

/* -- PBKDF2 as Dovecot writes it: $1$salt$rounds$hex ----------------------------------- */

struct pbkdf2 {
	struct msv_span salt;
	unsigned rounds;
	uint8_t key[MSV_SHA1_SIZE];
};

static bool pbkdf2_parse(const char *text, size_t n, struct pbkdf2 *out)
{
	const char *rounds, *hex;

	if (strlen(text) != n || strncmp(text, "$1$", 3) != 0 ||
	    !(rounds = strchr(text + 3, '$')) || !(hex = strchr(rounds + 1, '$')) ||
	    strlen(hex + 1) != 2 * MSV_SHA1_SIZE ||
	    msv_hex_decode(hex + 1, 2 * MSV_SHA1_SIZE, out->key) != 0)
		return false;
	unsigned long count = strtoul(rounds + 1, NULL, 10);
	out->salt = (struct msv_span){ text + 3, (size_t)(rounds - text - 3) };
	out->rounds = (unsigned)count;
	return count > 0 && count <= INT_MAX;
}

static bool pbkdf2_valid(const struct msv_scheme *scheme, const char *data, size_t n)
{
	struct pbkdf2 parsed;

	(void)scheme;
	return pbkdf2_parse(data, n, &parsed);
}

static int pbkdf2_check(const struct msv_scheme *scheme, const char *data, size_t n,
    const char *password, const char *prepared, void *room)
{
	struct pbkdf2 want;
	uint8_t got[MSV_SHA1_SIZE];

	(void)prepared;
	(void)room;
	if (!pbkdf2_parse(data, n, &want))
		return MSV_ERR_AUTH;
	int error = msv_pbkdf2(scheme->digest, password, strlen(password), want.salt.p, want.salt.n,
	    want.rounds, got, sizeof(got));
	if (error)
		return error;
	return msv_secret_equal(got, want.key, sizeof(got)) ? 0 : MSV_ERR_AUTH;
}

const struct msv_scheme msv_scheme_digest[] = {
	{ .name = "PLAIN", .valid = text_valid, .check = plain_check, .hash = plain_hash },
	{ .name = "SCRAM-SHA-256",
	    .valid = scram_valid,
	    .check = scram_check,
	    .hash = scram_hash,
	    .digest = MSV_SHA256,
	    .prepares = true },
	{ .name = "SCRAM-SHA-1",
	    .valid = scram_valid,
	    .check = scram_check,
	    .digest = MSV_SHA1,
	    .prepares = true },
	{ .name = "SSHA512",
	    .valid = digest_valid,
	    .check = digest_check,
	    .hash = digest_hash,
	    .digest = MSV_SHA512,
	    .binary = true,
	    .salted = true },
	{ .name = "SSHA256",
	    .valid = digest_valid,
	    .check = digest_check,
	    .hash = digest_hash,
	    .digest = MSV_SHA256,
	    .binary = true,
	    .salted = true },
	{ .name = "SSHA",
	    .valid = digest_valid,
	    .check = digest_check,
	    .digest = MSV_SHA1,
	    .binary = true,
	    .salted = true },
	{ .name = "SHA512",
	    .valid = digest_valid,
	    .check = digest_check,
	    .digest = MSV_SHA512,
	    .binary = true },
	{ .name = "SHA256",
	    .valid = digest_valid,
	    .check = digest_check,
	    .digest = MSV_SHA256,
	    .binary = true },
	{ .name = "SHA",
	    .valid = digest_valid,
	    .check = digest_check,
	    .digest = MSV_SHA1,
	    .binary = true },
	{ .name = "SHA1",
	    .valid = digest_valid,
	    .check = digest_check,
	    .digest = MSV_SHA1,
	    .binary = true },
	{ .name = "PBKDF2", .valid = pbkdf2_valid, .check = pbkdf2_check, .digest = MSV_SHA1 },
};
const size_t msv_scheme_ndigest = sizeof(msv_scheme_digest) / sizeof(*msv_scheme_digest);
