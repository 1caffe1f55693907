/* An auth source with a fixed list of users. */
#include <string.h>

#include "codec/crypto.h"
#include "testing/testing.h"

#define SCRAM_ROUNDS 4096 /* RFC 7677 4 */

struct user {
	const char *name, *password;
};

struct users {
	struct msv_auth auth;
	size_t n;
	struct user users[];
};

static const struct user *find(const struct users *list, const char *name)
{
	for (size_t i = 0; name && i < list->n; i++)
		if (strcmp(list->users[i].name, name) == 0)
			return &list->users[i];
	return NULL;
}

static void answer(struct msv_auth_op op, const struct user *user)
{
	msv_auth_answer(op, &(struct msv_account){
	                        .size = sizeof(struct msv_account),
	                        .name = user->name,
	                        .home = "",
	                        .receives = strchr(user->name, '@') != NULL,
	                    });
}

/* The credentials were right or not: answers what follows. */
static void decide(const struct users *list, const struct msv_auth_question *question, bool right,
    struct msv_auth_op op)
{
	const struct user *user = find(list, question->user);

	if (!user || !right)
		msv_op_answer(op.op, MSV_ERR_AUTH);
	else if (question->authzid && strcmp(question->authzid, user->name) != 0)
		msv_op_answer(op.op, MSV_ERR_DENIED);
	else
		answer(op, user);
}

static unsigned users_mechanisms(void *self)
{
	(void)self;
	return MSV_SASL_PLAIN | MSV_SASL_LOGIN | MSV_SASL_SCRAM_SHA_256;
}

static void users_verify(
    void *self, const struct msv_auth_question *question, struct msv_auth_op op)
{
	const struct user *user = find(self, question->user);

	decide(self, question,
	    user && question->password && strcmp(question->password, user->password) == 0, op);
}

/* RFC 5802 3, with a salt that is always the same for a name. */
static int make_keys(const char *name, const char *password, uint8_t salt[MSV_SHA256_SIZE],
    uint8_t stored[MSV_SHA256_SIZE], uint8_t server[MSV_SHA256_SIZE])
{
	uint8_t salted[MSV_SHA256_SIZE], client[MSV_SHA256_SIZE];

	if (msv_sha256(name, strlen(name), salt) ||
	    msv_pbkdf2(MSV_SHA256, password, strlen(password), salt, MSV_SHA256_SIZE, SCRAM_ROUNDS,
	        salted, sizeof(salted)) ||
	    msv_hmac(MSV_SHA256, salted, sizeof(salted), "Client Key", 10, client) ||
	    msv_hmac(MSV_SHA256, salted, sizeof(salted), "Server Key", 10, server))
		return MSV_ERR_NOMEM;
	return msv_sha256(client, sizeof(client), stored);
}

static void users_scram_keys(
    void *self, const struct msv_auth_question *question, struct msv_scram_op op)
{
	const struct user *user = find(self, question->user);
	const char *name = question->user ? question->user : "";
	uint8_t salt[MSV_SHA256_SIZE], stored[MSV_SHA256_SIZE], server[MSV_SHA256_SIZE];
	int error = make_keys(name, user ? user->password : name, salt, stored, server);

	if (error) {
		msv_op_answer(op.op, error);
		return;
	}
	msv_scram_answer(op, &(struct msv_scram_keys){
	                         .size = sizeof(struct msv_scram_keys),
	                         .iterations = SCRAM_ROUNDS,
	                         .salt = salt,
	                         .salt_len = sizeof(salt),
	                         .stored_key = stored,
	                         .server_key = server,
	                     });
}

static void users_scram_result(
    void *self, const struct msv_auth_question *question, bool proof_ok, struct msv_auth_op op)
{
	decide(self, question, proof_ok, op);
}

static void users_lookup(void *self, const char *name, struct msv_auth_op op)
{
	const struct user *user = find(self, name);

	if (user)
		answer(op, user);
	else
		msv_op_answer(op.op, MSV_ERR_NOTFOUND);
}

/* A copy that lives as long as the env, or NULL. */
static const char *keep_string(struct msv_test_env *test, const char *s)
{
	size_t n = strlen(s) + 1;
	char *copy = msv_test_keep(test, n);

	return copy ? memcpy(copy, s, n) : NULL;
}

const struct msv_auth *msv_test_auth(
    struct msv_test_env *test, const char *const *users_and_passwords)
{
	const char *const *pair = users_and_passwords;
	size_t n = 0;

	while (pair[2 * n])
		n++;
	struct users *list = msv_test_keep(test, sizeof(*list) + n * sizeof(struct user));
	if (!list)
		return NULL;
	for (; list->n < n; list->n++, pair += 2) {
		struct user *user = &list->users[list->n];

		user->name = keep_string(test, pair[0]);
		user->password = keep_string(test, pair[1]);
		if (!user->name || !user->password)
			return NULL;
	}
	list->auth = (struct msv_auth){
		.size = sizeof(struct msv_auth),
		.self = list,
		.mechanisms = users_mechanisms,
		.verify = users_verify,
		.scram_keys = users_scram_keys,
		.scram_result = users_scram_result,
		.lookup = users_lookup,
	};
	return &list->auth;
}
