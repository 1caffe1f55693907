/* Base64, hex and the digests, by OpenSSL. */
#ifndef MSV_CODEC_CRYPTO_H
#define MSV_CODEC_CRYPTO_H

#include <mailserv/base.h>

/* -- Base64 (RFC 4648 section 4) ------------------------------------------- */

/* What msv_base64_encode() writes for n bytes, the NUL included. */
#define MSV_BASE64_SIZE(n)         (((n) + 2) / 3 * 4 + 1)
/* At most as many bytes come out of n characters. */
#define MSV_BASE64_DECODED_SIZE(n) ((n) / 4 * 3)

/* Writes MSV_BASE64_SIZE(n) characters, one line, ended by NUL. */
void msv_base64_encode(const void *p, size_t n, char *out);

/* The n characters at p as bytes into out, which holds
 * MSV_BASE64_DECODED_SIZE(n); their number into *outn.  Strict: no white
 * space, no missing or misplaced padding, no bits set behind the last byte.
 * 0 or MSV_ERR_FORMAT. */
int msv_base64_decode(const char *p, size_t n, uint8_t *out, size_t *outn);

/* -- Hex ------------------------------------------------------------------- */

/* 2n lower-case digits and a NUL. */
void msv_hex_encode(const void *p, size_t n, char *out);
/* n digits, of either case, as n / 2 bytes.  0 or MSV_ERR_FORMAT. */
int msv_hex_decode(const char *p, size_t n, uint8_t *out);

/* -- Digests --------------------------------------------------------------- */

enum msv_digest { MSV_SHA1, MSV_SHA256, MSV_SHA512 };

#define MSV_SHA1_SIZE   20
#define MSV_SHA256_SIZE 32
#define MSV_SHA512_SIZE 64
/* Room for any of them. */
#define MSV_DIGEST_SIZE 64

/* How many bytes the digest has. */
size_t msv_digest_size(enum msv_digest digest);

/* The digest of the parts one after another.  0 or MSV_ERR_NOMEM. */
int msv_hash(enum msv_digest digest, const struct msv_span *parts, size_t nparts, uint8_t *out);
int msv_sha256(const void *p, size_t n, uint8_t out[MSV_SHA256_SIZE]);

/* RFC 2104.  0 or MSV_ERR_NOMEM; MSV_ERR_INVAL for a key of more than 2^31 bytes. */
int msv_hmac(
    enum msv_digest digest, const void *key, size_t nkey, const void *p, size_t n, uint8_t *out);

/* RFC 8018 section 5.2 with HMAC: fills the n bytes of out.  Blocks for as
 * long as the rounds take.  0, MSV_ERR_INVAL (no rounds) or MSV_ERR_NOMEM. */
int msv_pbkdf2(enum msv_digest digest, const void *password, size_t npassword, const void *salt,
    size_t nsalt, unsigned rounds, uint8_t *out, size_t n);

/* True when the n bytes are the same; takes the same time in any case. */
bool msv_secret_equal(const void *a, const void *b, size_t n);

#endif
