/* What the tests of lib/auth share: an env, and somewhere for answers to go. */
#ifndef TESTS_AUTH_AUTH_TEST_H
#define TESTS_AUTH_AUTH_TEST_H

#include <mailserv/testing.h>

#include <stdio.h>
#include <string.h>

#include "auth/auth.h"
#include "check_main.h"

/* The main of a program whose tests all have the same setup and teardown:
 * auth_main("sasl", setup, teardown, test_a, test_b). */
#define auth_main(name, setup, teardown, ...) \
	auth_main_run((name), (setup), (teardown), (const TTest *[]){ __VA_ARGS__, NULL })

static inline int auth_main_run(
    const char *name, void (*setup)(void), void (*teardown)(void), const TTest **tests)
{
	Suite *s = suite_create(name);
	TCase *tc = tcase_create(name);

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_set_timeout(tc, 100);
	for (; *tests; tests++)
		tcase_add_test(tc, *tests);
	suite_add_tcase(s, tc);
	return check_main(s);
}

/* What an op was answered. */
struct answer {
	int calls, error;
	bool has_challenge, has_account;
	char challenge[2048]; /* decoded */
	char account[300], home[300];
	bool receives;
	uint64_t quota_storage, quota_messages;
	char extra[1024]; /* "key=value;" each */
	struct msv_scram_value keys;
};

static inline void take_account(struct answer *a, const struct msv_account *account)
{
	a->has_account = true;
	snprintf(a->account, sizeof(a->account), "%s", account->name);
	snprintf(a->home, sizeof(a->home), "%s", account->home);
	a->receives = account->receives;
	a->quota_storage = account->quota_storage;
	a->quota_messages = account->quota_messages;
	a->extra[0] = '\0';
	for (size_t i = 0; i < account->nextra; i++) {
		size_t n = strlen(a->extra);
		snprintf(a->extra + n, sizeof(a->extra) - n, "%s=%s;", account->extra[i].key,
		    account->extra[i].value);
	}
}

static inline void on_account(void *user, int error, const void *result)
{
	struct answer *a = user;

	a->calls++;
	a->error = error;
	if (!error)
		take_account(a, result);
}

static inline void on_keys(void *user, int error, const void *result)
{
	const struct msv_scram_keys *keys = result;
	struct answer *a = user;

	a->calls++;
	a->error = error;
	if (error)
		return;
	ck_assert_uint_le(keys->salt_len, MSV_SCRAM_SALT_MAX);
	a->keys.iterations = keys->iterations;
	a->keys.salt_len = keys->salt_len;
	memcpy(a->keys.salt, keys->salt, keys->salt_len);
	memcpy(a->keys.stored_key, keys->stored_key, MSV_SHA256_SIZE);
	memcpy(a->keys.server_key, keys->server_key, MSV_SHA256_SIZE);
}

static inline void on_sasl(void *user, int error, const void *result)
{
	const struct msv_sasl_result *r = result;
	struct answer *a = user;
	size_t n;

	a->calls++;
	a->error = error;
	a->has_challenge = a->has_account = false;
	if (error)
		return;
	if (r->challenge) {
		a->has_challenge = true;
		ck_assert_uint_lt(
		    MSV_BASE64_DECODED_SIZE(strlen(r->challenge)), sizeof(a->challenge));
		ck_assert_int_eq(msv_base64_decode(r->challenge, strlen(r->challenge),
		                     (uint8_t *)a->challenge, &n),
		    0);
		a->challenge[n] = '\0';
		ck_assert_ptr_null(r->account);
	} else {
		ck_assert_ptr_nonnull(r->account);
		take_account(a, r->account);
	}
}

/* -- Questions ----------------------------------------------------------------- */

static inline struct msv_auth_question question(const char *user, const char *password)
{
	return (struct msv_auth_question){ .size = sizeof(struct msv_auth_question),
		.user = user,
		.password = password,
		.mechanism = "PLAIN",
		.service = "imap",
		.peer_address = "192.0.2.1",
		.session_id = "s1",
		.tls = true };
}

/* Asks, and runs the env until the answer. */
static inline struct answer ask(
    struct msv_test_env *t, const struct msv_auth *auth, const struct msv_auth_question *q)
{
	struct answer a = { 0 };
	struct msv_op *op = msv_op_new(msv_test_env(t), on_account, &a);

	ck_assert_ptr_nonnull(op);
	auth->verify(auth->self, q, (struct msv_auth_op){ op });
	ck_assert_int_eq(a.calls, 0);
	msv_test_run(t);
	ck_assert_int_eq(a.calls, 1);
	return a;
}

static inline struct answer login(
    struct msv_test_env *t, const struct msv_auth *auth, const char *user, const char *password)
{
	struct msv_auth_question q = question(user, password);

	return ask(t, auth, &q);
}

static inline struct answer lookup(
    struct msv_test_env *t, const struct msv_auth *auth, const char *name)
{
	struct answer a = { 0 };
	struct msv_op *op = msv_op_new(msv_test_env(t), on_account, &a);

	ck_assert_ptr_nonnull(op);
	auth->lookup(auth->self, name, (struct msv_auth_op){ op });
	msv_test_run(t);
	ck_assert_int_eq(a.calls, 1);
	return a;
}

static inline struct answer scram_keys(
    struct msv_test_env *t, const struct msv_auth *auth, const char *user)
{
	struct msv_auth_question q = question(user, NULL);
	struct answer a = { 0 };
	struct msv_op *op = msv_op_new(msv_test_env(t), on_keys, &a);

	ck_assert_ptr_nonnull(op);
	auth->scram_keys(auth->self, &q, (struct msv_scram_op){ op });
	msv_test_run(t);
	ck_assert_int_eq(a.calls, 1);
	return a;
}

static inline struct answer scram_result(
    struct msv_test_env *t, const struct msv_auth *auth, const char *user, bool ok)
{
	struct msv_auth_question q = question(user, NULL);
	struct answer a = { 0 };
	struct msv_op *op = msv_op_new(msv_test_env(t), on_account, &a);

	ck_assert_ptr_nonnull(op);
	auth->scram_result(auth->self, &q, ok, (struct msv_auth_op){ op });
	msv_test_run(t);
	ck_assert_int_eq(a.calls, 1);
	return a;
}

/* -- Exchanges ------------------------------------------------------------------- */

/* One step with the n bytes encoded. */
static inline struct answer step_bytes(
    struct msv_test_env *t, struct msv_sasl *sasl, const char *p, size_t n)
{
	char text[8192];
	struct answer a = { 0 };
	struct msv_op *op = msv_op_new(msv_test_env(t), on_sasl, &a);

	ck_assert_ptr_nonnull(op);
	ck_assert_uint_le(MSV_BASE64_SIZE(n), sizeof(text));
	msv_base64_encode(p, n, text);
	msv_sasl_step(sasl, text, strlen(text), (struct msv_sasl_op){ op });
	msv_test_run(t);
	ck_assert_int_eq(a.calls, 1);
	return a;
}

static inline struct answer step(struct msv_test_env *t, struct msv_sasl *sasl, const char *text)
{
	return step_bytes(t, sasl, text, strlen(text));
}

/* One step with the text as it is; NULL: no initial response. */
static inline struct answer step_raw(
    struct msv_test_env *t, struct msv_sasl *sasl, const char *text)
{
	struct answer a = { 0 };
	struct msv_op *op = msv_op_new(msv_test_env(t), on_sasl, &a);

	ck_assert_ptr_nonnull(op);
	msv_sasl_step(sasl, text, text ? strlen(text) : 0, (struct msv_sasl_op){ op });
	msv_test_run(t);
	ck_assert_int_eq(a.calls, 1);
	return a;
}

static inline int sasl_start(struct msv_test_env *t, const struct msv_auth *auth,
    const char *mechanism, struct msv_sasl **out)
{
	struct msv_auth_question q = question(NULL, NULL);

	return msv_sasl_new(msv_test_env(t), auth, mechanism, &q, out);
}

/* -- A SCRAM client ---------------------------------------------------------------- */

/* The client-final for a server-first; the signature to expect in v= too. */
static inline void scram_client_final(const char *gs2, const char *bare, const char *server_first,
    const char *password, char *out, size_t n, char *signature)
{
	struct msv_scram_value v = { 0 };
	uint8_t salted[32], client_key[32], stored[32], sig[32];
	char nonce[600], salt[128], unproved[1200], message[4096], b64[128], binding[512];
	unsigned long iterations;

	ck_assert_int_eq(
	    sscanf(server_first, "r=%599[^,],s=%127[^,],i=%lu", nonce, salt, &iterations), 3);
	v.iterations = (uint32_t)iterations;
	ck_assert_int_eq(msv_base64_decode(salt, strlen(salt), v.salt, &v.salt_len), 0);
	msv_base64_encode(gs2, strlen(gs2), binding);
	snprintf(unproved, sizeof(unproved), "c=%s,r=%s", binding, nonce);
	snprintf(message, sizeof(message), "%s,%s,%s", bare, server_first, unproved);
	msv_pbkdf2(
	    MSV_SHA256, password, strlen(password), v.salt, v.salt_len, v.iterations, salted, 32);
	msv_hmac(MSV_SHA256, salted, 32, "Client Key", 10, client_key);
	msv_sha256(client_key, 32, stored);
	msv_hmac(MSV_SHA256, stored, 32, message, strlen(message), sig);
	for (int i = 0; i < 32; i++)
		client_key[i] ^= sig[i];
	msv_base64_encode(client_key, 32, b64);
	snprintf(out, n, "%s,p=%s", unproved, b64);
	msv_hmac(MSV_SHA256, salted, 32, "Server Key", 10, stored);
	msv_hmac(MSV_SHA256, stored, 32, message, strlen(message), sig);
	strcpy(signature, "v=");
	msv_base64_encode(sig, 32, signature + 2);
}

/* A whole SCRAM login; the last answer. */
static inline struct answer scram_login(struct msv_test_env *t, const struct msv_auth *auth,
    const char *gs2, const char *user, const char *password)
{
	char bare[400], first[500], final[2048], signature[64];
	struct msv_sasl *sasl;

	ck_assert_int_eq(sasl_start(t, auth, "SCRAM-SHA-256", &sasl), 0);
	snprintf(bare, sizeof(bare), "n=%s,r=rOprNGfwEbeRWgbNEkqO", user);
	snprintf(first, sizeof(first), "%s%s", gs2, bare);
	struct answer a = step(t, sasl, first);
	if (!a.error) {
		ck_assert(a.has_challenge);
		scram_client_final(
		    gs2, bare, a.challenge, password, final, sizeof(final), signature);
		a = step(t, sasl, final);
	}
	if (!a.error) {
		ck_assert_str_eq(a.challenge, signature);
		a = step(t, sasl, "");
		ck_assert(a.error || a.has_account);
	}
	msv_sasl_free(sasl);
	return a;
}

#endif
