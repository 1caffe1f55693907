/* The auth source with a fixed list of users. */
#include <mailserv/testing.h>
#include <stdio.h>
#include <string.h>

#include "check_main.h"
#include "codec/crypto.h"

static struct msv_test_env *test;
static const struct msv_auth *auth;

static void setup(void)
{
	char name[] = "ann@example.org";
	const char *const users[] = { name, "secret", "bob", "hidden", NULL };

	ck_assert_int_eq(msv_test_env_new(1, &test), 0);
	auth = msv_test_auth(test, users);
	ck_assert_ptr_nonnull(auth);
	memset(name, 'x', sizeof(name) - 1); /* it was copied */
}

static void teardown(void)
{
	ck_assert_uint_eq(msv_test_env_free(test), 0);
}

/* -- Asking ---------------------------------------------------------------------------- */

struct answer {
	bool done;
	int error;
	char name[50];
	bool receives;
};

static void take_account(void *user, int error, const void *result)
{
	struct answer *answer = user;
	const struct msv_account *account = result;

	answer->done = true;
	answer->error = error;
	if (error)
		return;
	snprintf(answer->name, sizeof(answer->name), "%s", account->name);
	answer->receives = account->receives;
}

static struct answer ask(const char *user, const char *authzid, const char *password)
{
	struct msv_auth_question question = {
		.size = sizeof(question),
		.user = user,
		.authzid = authzid,
		.password = password,
	};
	struct answer answer = { 0 };

	auth->verify(auth->self, &question,
	    (struct msv_auth_op){ msv_op_new(msv_test_env(test), take_account, &answer) });
	msv_test_run(test);
	ck_assert(answer.done);
	return answer;
}

START_TEST(passwords_are_checked)
{
	struct answer ann = ask("ann@example.org", NULL, "secret");

	ck_assert_int_eq(ann.error, 0);
	ck_assert_str_eq(ann.name, "ann@example.org");
	ck_assert(ann.receives);
	ck_assert_int_eq(ask("ann@example.org", NULL, "hidden").error, MSV_ERR_AUTH);
	ck_assert_int_eq(ask("ann@example.org", NULL, "").error, MSV_ERR_AUTH);
	ck_assert_int_eq(ask("ann@example.org", NULL, NULL).error, MSV_ERR_AUTH);
	ck_assert_int_eq(ask("nobody", NULL, "secret").error, MSV_ERR_AUTH);
	ck_assert_int_eq(ask(NULL, NULL, "secret").error, MSV_ERR_AUTH);
	struct answer bob = ask("bob", NULL, "hidden");
	ck_assert_int_eq(bob.error, 0);
	ck_assert(!bob.receives);
}
END_TEST

START_TEST(nobody_is_somebody_else)
{
	ck_assert_int_eq(ask("bob", "bob", "hidden").error, 0);
	ck_assert_int_eq(ask("bob", "ann@example.org", "hidden").error, MSV_ERR_DENIED);
	ck_assert_int_eq(ask("bob", "ann@example.org", "wrong").error, MSV_ERR_AUTH);
}
END_TEST

static int look_up(const char *name)
{
	struct answer answer = { 0 };

	auth->lookup(auth->self, name,
	    (struct msv_auth_op){ msv_op_new(msv_test_env(test), take_account, &answer) });
	msv_test_run(test);
	return answer.error;
}

START_TEST(accounts_are_looked_up)
{
	ck_assert_int_eq(look_up("bob"), 0);
	ck_assert_int_eq(look_up("alice"), MSV_ERR_NOTFOUND);
}
END_TEST

/* -- SCRAM --------------------------------------------------------------------------------- */

struct keys {
	uint32_t iterations;
	uint8_t salt[MSV_SHA256_SIZE], stored[MSV_SHA256_SIZE];
};

static void take_keys(void *user, int error, const void *result)
{
	struct keys *keys = user;
	const struct msv_scram_keys *scram = result;

	ck_assert_int_eq(error, 0);
	keys->iterations = scram->iterations;
	ck_assert_uint_eq(scram->salt_len, sizeof(keys->salt));
	memcpy(keys->salt, scram->salt, sizeof(keys->salt));
	memcpy(keys->stored, scram->stored_key, sizeof(keys->stored));
}

static struct keys keys_of(const char *user)
{
	struct msv_auth_question question = { .size = sizeof(question), .user = user };
	struct keys keys = { 0 };

	auth->scram_keys(auth->self, &question,
	    (struct msv_scram_op){ msv_op_new(msv_test_env(test), take_keys, &keys) });
	msv_test_run(test);
	return keys;
}

START_TEST(scram_keys_fit_the_password)
{
	struct keys keys = keys_of("bob");
	uint8_t salted[32], client[32], stored[32];

	ck_assert_uint_ge(keys.iterations, 4096);
	ck_assert_int_eq(msv_pbkdf2(MSV_SHA256, "hidden", 6, keys.salt, sizeof(keys.salt),
	                     keys.iterations, salted, sizeof(salted)),
	    0);
	ck_assert_int_eq(msv_hmac(MSV_SHA256, salted, 32, "Client Key", 10, client), 0);
	ck_assert_int_eq(msv_sha256(client, 32, stored), 0);
	ck_assert_mem_eq(stored, keys.stored, 32);
}
END_TEST

START_TEST(strangers_have_the_same_keys_each_time)
{
	struct keys one = keys_of("stranger"), two = keys_of("stranger"), other = keys_of("other");

	ck_assert_mem_eq(&one, &two, sizeof(one));
	ck_assert_mem_ne(one.salt, other.salt, sizeof(one.salt));
}
END_TEST

START_TEST(a_proof_decides)
{
	struct msv_auth_question question = { .size = sizeof(question), .user = "bob" };
	static const struct {
		const char *user;
		bool ok;
		int error;
	} cases[] = { { "bob", true, 0 }, { "bob", false, MSV_ERR_AUTH },
		{ "stranger", true, MSV_ERR_AUTH } };

	for (size_t i = 0; i < 3; i++) {
		struct answer answer = { 0 };

		question.user = cases[i].user;
		auth->scram_result(auth->self, &question, cases[i].ok,
		    (struct msv_auth_op){ msv_op_new(msv_test_env(test), take_account, &answer) });
		msv_test_run(test);
		ck_assert_int_eq(answer.error, cases[i].error);
	}
}
END_TEST

START_TEST(all_mechanisms_are_offered)
{
	char list[100];

	msv_sasl_list(auth, list, sizeof(list));
	ck_assert_str_eq(list, "SCRAM-SHA-256 PLAIN LOGIN");
}
END_TEST

int main(void)
{
	Suite *s = suite_create("test auth");

	check_fixture_case(s, "passwords", setup, teardown, passwords_are_checked,
	    nobody_is_somebody_else, accounts_are_looked_up);
	check_fixture_case(s, "scram", setup, teardown, scram_keys_fit_the_password,
	    strangers_have_the_same_keys_each_time, a_proof_decides, all_mechanisms_are_offered);
	return check_main(s);
}
