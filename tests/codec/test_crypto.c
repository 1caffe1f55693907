#include "codec/crypto.h"

#include <stdlib.h>
#include <string.h>

#include "check_main.h"

static void expect_encoded(const char *plain, const char *encoded)
{
	char out[64];
	uint8_t back[64];
	size_t n;

	msv_base64_encode(plain, strlen(plain), out);
	ck_assert_str_eq(out, encoded);
	ck_assert_uint_eq(MSV_BASE64_SIZE(strlen(plain)), strlen(encoded) + 1);
	ck_assert_int_eq(msv_base64_decode(encoded, strlen(encoded), back, &n), 0);
	ck_assert_uint_eq(n, strlen(plain));
	ck_assert_mem_eq(back, plain, n);
}

/* RFC 4648 section 10. */
START_TEST(base64_vectors)
{
	expect_encoded("", "");
	expect_encoded("f", "Zg==");
	expect_encoded("fo", "Zm8=");
	expect_encoded("foo", "Zm9v");
	expect_encoded("foob", "Zm9vYg==");
	expect_encoded("fooba", "Zm9vYmE=");
	expect_encoded("foobar", "Zm9vYmFy");
}
END_TEST

START_TEST(base64_refuses)
{
	static const char *const bad[] = { "Z", "Zg",
		"Zg=", "Zg===", "====", "=g==", "Z===", "Zg==Zg==", "Zm9v\n", " Zm9v", "Zm9v    ",
		"Zm 9v===", "Zm9-", "Zm9_", "Zh==", "Zm9=", "Zm9\xc3", "Zg=v" };

	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
		uint8_t out[64];
		size_t n = 7;
		ck_assert_msg(msv_base64_decode(bad[i], strlen(bad[i]), out, &n) == MSV_ERR_FORMAT,
		    "%s", bad[i]);
		ck_assert_uint_eq(n, 0);
	}
}
END_TEST

/* Longer than one piece of either direction; every byte comes back. */
START_TEST(base64_long)
{
	size_t n = (5 << 20) + 1, got = 0;
	char *encoded = malloc(MSV_BASE64_SIZE(n));
	uint8_t *plain = malloc(n), *back = malloc(MSV_BASE64_DECODED_SIZE(MSV_BASE64_SIZE(n)));

	for (size_t i = 0; i < n; i++)
		plain[i] = (uint8_t)(i * 31 + (i >> 8));
	msv_base64_encode(plain, n, encoded);
	ck_assert_uint_eq(strlen(encoded) + 1, MSV_BASE64_SIZE(n));
	ck_assert_int_eq(msv_base64_decode(encoded, strlen(encoded), back, &got), 0);
	ck_assert_uint_eq(got, n);
	ck_assert_mem_eq(plain, back, n);
	free(encoded);
	free(plain);
	free(back);
}
END_TEST

START_TEST(hex)
{
	uint8_t out[4];
	char text[9];

	ck_assert_int_eq(msv_hex_decode("00fFA57e", 8, out), 0);
	ck_assert_mem_eq(out, "\x00\xff\xa5\x7e", 4);
	msv_hex_encode(out, 4, text);
	ck_assert_str_eq(text, "00ffa57e");
	ck_assert_int_eq(msv_hex_decode("0", 1, out), MSV_ERR_FORMAT);
	ck_assert_int_eq(msv_hex_decode("0g", 2, out), MSV_ERR_FORMAT);
	ck_assert_int_eq(msv_hex_decode("", 0, out), 0);
}
END_TEST

static void expect_hex(const uint8_t *p, size_t n, const char *hex_text)
{
	char text[2 * MSV_DIGEST_SIZE + 1];

	msv_hex_encode(p, n, text);
	ck_assert_str_eq(text, hex_text);
}

/* FIPS 180-2: "abc". */
START_TEST(digests)
{
	struct msv_span abc[] = { { "a", 1 }, { "", 0 }, { "bc", 2 } };
	uint8_t out[MSV_DIGEST_SIZE];

	ck_assert_int_eq(msv_hash(MSV_SHA1, abc, 3, out), 0);
	expect_hex(out, MSV_SHA1_SIZE, "a9993e364706816aba3e25717850c26c9cd0d89d");
	ck_assert_int_eq(msv_sha256("abc", 3, out), 0);
	expect_hex(out, MSV_SHA256_SIZE,
	    "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
	ck_assert_int_eq(msv_hash(MSV_SHA512, abc, 3, out), 0);
	expect_hex(out, MSV_SHA512_SIZE,
	    "ddaf35a193617abacc417349ae20413112e6fa4e89a97ea20a9eeee64b55d39a"
	    "2192992a274fc1a836ba3c23a3feebbd454d4423643ce80e2a9ac94fa54ca49f");
	ck_assert_uint_eq(msv_digest_size(MSV_SHA1), MSV_SHA1_SIZE);
	ck_assert_uint_eq(msv_digest_size(MSV_SHA256), MSV_SHA256_SIZE);
	ck_assert_uint_eq(msv_digest_size(MSV_SHA512), MSV_SHA512_SIZE);
}
END_TEST

/* RFC 2202 and RFC 4231, test case 2. */
START_TEST(hmac)
{
	const char *text = "what do ya want for nothing?";
	uint8_t out[MSV_DIGEST_SIZE], again[MSV_DIGEST_SIZE];

	ck_assert_int_eq(msv_hmac(MSV_SHA1, "Jefe", 4, text, strlen(text), out), 0);
	expect_hex(out, MSV_SHA1_SIZE, "effcdf6ae5eb2fa2d27416d5f184df9c259a7c79");
	ck_assert_int_eq(msv_hmac(MSV_SHA256, "Jefe", 4, text, strlen(text), out), 0);
	expect_hex(out, MSV_SHA256_SIZE,
	    "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
	/* No key is the key of no bytes. */
	ck_assert_int_eq(msv_hmac(MSV_SHA256, NULL, 0, text, strlen(text), out), 0);
	ck_assert_int_eq(msv_hmac(MSV_SHA256, "", 0, text, strlen(text), again), 0);
	ck_assert_mem_eq(out, again, MSV_SHA256_SIZE);
}
END_TEST

/* RFC 6070, and RFC 7914 section 11. */
START_TEST(pbkdf2)
{
	uint8_t out[64];

	ck_assert_int_eq(msv_pbkdf2(MSV_SHA1, "password", 8, "salt", 4, 4096, out, 20), 0);
	expect_hex(out, 20, "4b007901b765489abead49d926f721d065a429c1");
	ck_assert_int_eq(msv_pbkdf2(MSV_SHA256, "passwd", 6, "salt", 4, 1, out, 64), 0);
	expect_hex(out, 64,
	    "55ac046e56e3089fec1691c22544b605f94185216dde0465e68b9d57c20dacbc"
	    "49ca9cccf179b645991664b39d77ef317c71b845b1e30bd509112041d3a19783");
	ck_assert_int_eq(msv_pbkdf2(MSV_SHA256, "p", 1, "s", 1, 0, out, 32), MSV_ERR_INVAL);
}
END_TEST

START_TEST(secret_equal)
{
	ck_assert(msv_secret_equal("abc", "abd", 2));
	ck_assert(!msv_secret_equal("abc", "abd", 3));
	ck_assert(msv_secret_equal("a", "b", 0));
}
END_TEST

int main(void)
{
	Suite *s = suite_create("crypto");

	check_case(s, "base64", base64_vectors, base64_refuses, base64_long);
	check_case(s, "hex", hex);
	check_case(s, "digests", digests, hmac, pbkdf2, secret_equal);
	return check_main(s);
}
