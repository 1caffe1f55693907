/* The arithmetic of SCRAM (RFC 5802 section 3, RFC 7677) and its keys as text. */
#include "auth/auth.h"

#include <stdio.h>
#include <string.h>

int msv_scram_derive(enum msv_digest digest, const char *password, struct msv_scram_value *value)
{
	uint8_t salted[MSV_DIGEST_SIZE], client_key[MSV_DIGEST_SIZE];
	size_t n = msv_digest_size(digest);
	int error;

	if ((error = msv_pbkdf2(digest, password, strlen(password), value->salt, value->salt_len,
	         value->iterations, salted, n)) == 0 &&
	    (error = msv_hmac(digest, salted, n, "Client Key", 10, client_key)) == 0 &&
	    (error = msv_hash(
	         digest, &(struct msv_span){ (char *)client_key, n }, 1, value->stored_key)) == 0)
		error = msv_hmac(digest, salted, n, "Server Key", 10, value->server_key);
	explicit_bzero(salted, sizeof(salted));
	explicit_bzero(client_key, sizeof(client_key));
	return error;
}

bool msv_scram_proof_ok(const struct msv_scram_keys *keys, const char *auth_message, size_t n,
    const uint8_t proof[MSV_SHA256_SIZE])
{
	uint8_t client_key[MSV_SHA256_SIZE], stored_key[MSV_SHA256_SIZE];

	if (msv_hmac(MSV_SHA256, keys->stored_key, MSV_SHA256_SIZE, auth_message, n, client_key) !=
	    0)
		return false;
	for (size_t i = 0; i < MSV_SHA256_SIZE; i++)
		client_key[i] ^= proof[i];
	bool ok = msv_sha256(client_key, MSV_SHA256_SIZE, stored_key) == 0 &&
	          msv_secret_equal(stored_key, keys->stored_key, MSV_SHA256_SIZE);
	explicit_bzero(client_key, sizeof(client_key));
	return ok;
}

/* -- As text ---------------------------------------------------------------------- */

/* The number up to the first comma. */
static const char *parse_iterations(const char *text, uint32_t *out)
{
	uint32_t n = 0;

	for (; *text >= '0' && *text <= '9' && n <= MSV_SCRAM_ITERATIONS_MAX; text++)
		n = n * 10 + (uint32_t)(*text - '0');
	*out = n;
	return *text == ',' && n > 0 && n <= MSV_SCRAM_ITERATIONS_MAX ? text + 1 : NULL;
}

/* Base64 up to the byte `end`, at most max bytes of it. */
static const char *parse_base64(const char *text, char end, uint8_t *out, size_t max, size_t *n)
{
	uint8_t bytes[MSV_BASE64_DECODED_SIZE(MSV_BASE64_SIZE(MSV_SCRAM_SALT_MAX))];
	size_t len = strcspn(text, (const char[]){ end, '\0' });
	const char *stop = text + len;

	if (*stop != end || MSV_BASE64_DECODED_SIZE(len) > sizeof(bytes) ||
	    msv_base64_decode(text, len, bytes, n) != 0 || *n > max)
		return NULL;
	memcpy(out, bytes, *n);
	explicit_bzero(bytes, sizeof(bytes));
	return end ? stop + 1 : stop;
}

int msv_scram_parse(enum msv_digest digest, const char *text, struct msv_scram_value *value)
{
	size_t size = msv_digest_size(digest), nstored, nserver;

	if ((text = parse_iterations(text, &value->iterations)) &&
	    (text = parse_base64(text, ',', value->salt, MSV_SCRAM_SALT_MAX, &value->salt_len)) &&
	    (text = parse_base64(text, ',', value->stored_key, size, &nstored)) &&
	    parse_base64(text, '\0', value->server_key, size, &nserver) && value->salt_len > 0 &&
	    nstored == size && nserver == size)
		return 0;
	return MSV_ERR_FORMAT;
}

void msv_scram_format(
    enum msv_digest digest, const struct msv_scram_value *value, char out[MSV_SCRAM_TEXT_SIZE])
{
	size_t size = msv_digest_size(digest);
	char *p = out + snprintf(out, 16, "%lu,", (unsigned long)value->iterations);

	msv_base64_encode(value->salt, value->salt_len, p);
	p += strlen(p);
	*p++ = ',';
	msv_base64_encode(value->stored_key, size, p);
	p += strlen(p);
	*p++ = ',';
	msv_base64_encode(value->server_key, size, p);
}
