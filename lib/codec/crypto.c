#include "codec/crypto.h"

#include <limits.h>
#include <string.h>

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>

/* OpenSSL counts in int: base64 goes by pieces that stand on their own. */
enum { ENCODE_PIECE = 3 << 20, DECODE_PIECE = 4 << 20 };

void msv_base64_encode(const void *p, size_t n, char *out)
{
	const unsigned char *from = p;
	unsigned char *to = (unsigned char *)out;

	do {
		size_t take = n < ENCODE_PIECE ? n : ENCODE_PIECE;
		to += EVP_EncodeBlock(to, from, (int)take);
		from += take;
		n -= take;
	} while (n);
}

/* The value of a base64 character, or -1. */
static int base64_value(char c)
{
	if (c >= 'A' && c <= 'Z')
		return c - 'A';
	if (c >= 'a' && c <= 'z')
		return c - 'a' + 26;
	if (c >= '0' && c <= '9')
		return c - '0' + 52;
	return c == '+' ? 62 : c == '/' ? 63 : -1;
}

/* The number of padding characters of n characters in proper form, or -1. */
static int base64_padding(const char *p, size_t n)
{
	int padding = 0;

	if (n % 4)
		return -1;
	while (padding < 2 && n && p[n - 1] == '=') {
		padding++;
		n--;
	}
	for (size_t i = 0; i < n; i++) {
		if (base64_value(p[i]) < 0)
			return -1;
	}
	/* Of the last character 4 or 2 bits belong to no byte. */
	if (padding && (base64_value(p[n - 1]) & (padding == 2 ? 15 : 3)))
		return -1;
	return padding;
}

int msv_base64_decode(const char *p, size_t n, uint8_t *out, size_t *outn)
{
	int padding = base64_padding(p, n);
	uint8_t *to = out;

	*outn = 0;
	if (padding < 0)
		return MSV_ERR_FORMAT;
	while (n) {
		size_t take = n < DECODE_PIECE ? n : DECODE_PIECE;
		int got = EVP_DecodeBlock(to, (const unsigned char *)p, (int)take);
		if (got < 0)
			return MSV_ERR_FORMAT;
		to += got;
		p += take;
		n -= take;
	}
	*outn = (size_t)(to - out) - (size_t)padding;
	return 0;
}

void msv_hex_encode(const void *p, size_t n, char *out)
{
	static const char digits[] = "0123456789abcdef";
	const uint8_t *from = p;

	for (size_t i = 0; i < n; i++) {
		*out++ = digits[from[i] >> 4];
		*out++ = digits[from[i] & 15];
	}
	*out = '\0';
}

static int hex_value(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	if (c >= 'A' && c <= 'F')
		return c - 'A' + 10;
	return -1;
}

int msv_hex_decode(const char *p, size_t n, uint8_t *out)
{
	if (n % 2)
		return MSV_ERR_FORMAT;
	for (size_t i = 0; i < n; i += 2) {
		int high = hex_value(p[i]), low = hex_value(p[i + 1]);
		if (high < 0 || low < 0)
			return MSV_ERR_FORMAT;
		*out++ = (uint8_t)(high << 4 | low);
	}
	return 0;
}

static const EVP_MD *digest_method(enum msv_digest digest)
{
	switch (digest) {
	case MSV_SHA1:
		return EVP_sha1();
	case MSV_SHA512:
		return EVP_sha512();
	case MSV_SHA256:
	default:
		return EVP_sha256();
	}
}

size_t msv_digest_size(enum msv_digest digest)
{
	return (size_t)EVP_MD_get_size(digest_method(digest));
}

int msv_hash(enum msv_digest digest, const struct msv_span *parts, size_t nparts, uint8_t *out)
{
	EVP_MD_CTX *ctx = EVP_MD_CTX_new();
	int ok = ctx && EVP_DigestInit_ex(ctx, digest_method(digest), NULL);

	for (size_t i = 0; ok && i < nparts; i++)
		ok = EVP_DigestUpdate(ctx, parts[i].p, parts[i].n);
	ok = ok && EVP_DigestFinal_ex(ctx, out, NULL);
	EVP_MD_CTX_free(ctx);
	return ok ? 0 : MSV_ERR_NOMEM;
}

int msv_sha256(const void *p, size_t n, uint8_t out[MSV_SHA256_SIZE])
{
	return msv_hash(MSV_SHA256, &(struct msv_span){ p, n }, 1, out);
}

int msv_hmac(
    enum msv_digest digest, const void *key, size_t nkey, const void *p, size_t n, uint8_t *out)
{
	if (nkey > INT_MAX)
		return MSV_ERR_INVAL;
	/* A NULL key means "the key of last time" to OpenSSL. */
	return HMAC(digest_method(digest), nkey ? key : "", (int)nkey, p, n, out, NULL)
	           ? 0
	           : MSV_ERR_NOMEM;
}

int msv_pbkdf2(enum msv_digest digest, const void *password, size_t npassword, const void *salt,
    size_t nsalt, unsigned rounds, uint8_t *out, size_t n)
{
	if (!rounds || rounds > INT_MAX || npassword > INT_MAX || nsalt > INT_MAX || n > INT_MAX)
		return MSV_ERR_INVAL;
	return PKCS5_PBKDF2_HMAC(npassword ? password : "", (int)npassword, nsalt ? salt : NULL,
	           (int)nsalt, (int)rounds, digest_method(digest), (int)n, out)
	           ? 0
	           : MSV_ERR_NOMEM;
}

bool msv_secret_equal(const void *a, const void *b, size_t n)
{
	return CRYPTO_memcmp(a, b, n) == 0;
}
