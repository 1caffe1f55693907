/* The client's side of SASL: which mechanism, and the two simple ones. */
#include <string.h>

#include "auth/auth.h"
#include "base/op.h"
#include "codec/casefold.h"

/* -- Answers -------------------------------------------------------------------- */

static struct msv_op *take_op(struct msv_sasl_client *client)
{
	struct msv_op *op = client->op;

	client->op = NULL;
	return op;
}

void msv_sasl_client_fail(struct msv_sasl_client *client, int error)
{
	msv_op_answer(take_op(client), error);
}

void msv_sasl_client_reply(struct msv_sasl_client *client, const char *p, size_t n)
{
	struct msv_op *op = take_op(client);
	struct msv_sasl_reply *reply = msv_op_alloc(op, sizeof(*reply));
	char *text = p ? msv_op_alloc(op, MSV_BASE64_SIZE(n)) : NULL;

	if (!reply || (p && !text)) {
		msv_op_answer(op, MSV_ERR_NOMEM);
		return;
	}
	if (p)
		msv_base64_encode(p, n, text);
	reply->size = sizeof(*reply);
	reply->text = text;
	msv_op_complete(op, 0, reply);
}

/* -- PLAIN (RFC 4616) and LOGIN --------------------------------------------------- */

/* authzid NUL authcid NUL passwd */
static void plain(struct msv_sasl_client *client, const char *p, size_t n)
{
	size_t user = strlen(client->user) + 1, password = strlen(client->password);
	char *text;

	(void)p;
	if (n || client->steps > 1) {
		msv_sasl_client_fail(client, MSV_ERR_FORMAT);
		return;
	}
	text = msv_alloc(client->env, 1 + user + password + 1);
	if (!text) {
		msv_sasl_client_fail(client, MSV_ERR_NOMEM);
		return;
	}
	memcpy(text + 1, client->user, user);
	memcpy(text + 1 + user, client->password, password);
	msv_sasl_client_reply(client, text, 1 + user + password);
	msv_free_secret(client->env, text, 1 + user + password + 1);
}

/* The questions are in words nobody agrees on: first the name, then the password. */
static void login(struct msv_sasl_client *client, const char *p, size_t n)
{
	const char *answers[] = { client->user, client->password };

	(void)n;
	if (!p) {
		client->steps--; /* the server asks first */
		msv_sasl_client_reply(client, NULL, 0);
	} else if (client->steps <= 2) {
		const char *answer = answers[client->steps - 1];
		msv_sasl_client_reply(client, answer, strlen(answer));
	} else {
		msv_sasl_client_fail(client, MSV_ERR_FORMAT);
	}
}

/* -- Mechanisms --------------------------------------------------------------------- */

static const struct msv_sasl_client_mechanism plain_mechanism = { "PLAIN", plain, false },
                                              login_mechanism = { "LOGIN", login, false };

/* The strongest first. */
static const struct msv_sasl_client_mechanism *const mechanisms[] = { &msv_sasl_client_scram,
	&plain_mechanism, &login_mechanism };

static bool offered(const char *list, const char *name)
{
	while (*list) {
		size_t n = strcspn(list, " ");
		if (msv_ascii_equals(list, n, name))
			return true;
		list += n + (list[n] == ' ');
	}
	return false;
}

static const struct msv_sasl_client_mechanism *choose(const char *list)
{
	for (size_t i = 0; i < sizeof(mechanisms) / sizeof(mechanisms[0]); i++)
		if (offered(list, mechanisms[i]->name))
			return mechanisms[i];
	return NULL;
}

static int make_nonce(struct msv_sasl_client *client)
{
	uint8_t random[MSV_BASE64_DECODED_SIZE(sizeof(client->nonce) - 1)];
	int error = msv_env_random(client->env, random, sizeof(random));

	if (!error)
		msv_base64_encode(random, sizeof(random), client->nonce);
	return error;
}

int msv_sasl_client_new(struct msv_env *env, const char *list, const char *user,
    const char *password, struct msv_sasl_client **out)
{
	const struct msv_sasl_client_mechanism *mechanism = choose(list);
	struct msv_sasl_client *client;
	int error;

	if (!mechanism)
		return MSV_ERR_UNSUPPORTED;
	client = msv_alloc(env, sizeof(*client));
	if (!client)
		return MSV_ERR_NOMEM;
	client->env = env;
	client->mechanism = mechanism;
	msv_buf_init(&client->first_bare, env);
	client->user = msv_strdup(env, user);
	client->password = msv_strdup(env, password);
	error = client->user && client->password ? make_nonce(client) : MSV_ERR_NOMEM;
	if (error) {
		msv_sasl_client_free(client);
		return error;
	}
	*out = client;
	return 0;
}

const char *msv_sasl_client_mechanism(const struct msv_sasl_client *client)
{
	return client->mechanism->name;
}

static void step_decoded(struct msv_sasl_client *client, const char *text, size_t n)
{
	size_t size = MSV_BASE64_DECODED_SIZE(n) + 1;
	char *bytes = msv_alloc(client->env, size);

	if (!bytes)
		msv_sasl_client_fail(client, MSV_ERR_NOMEM);
	else if (msv_base64_decode(text, n, (uint8_t *)bytes, &n))
		msv_sasl_client_fail(client, MSV_ERR_FORMAT);
	else
		client->mechanism->step(client, bytes, n);
	msv_free_secret(client->env, bytes, size);
}

void msv_sasl_client_step(
    struct msv_sasl_client *client, const char *text, size_t n, struct msv_sasl_client_op op)
{
	if (client->op) {
		msv_op_answer(op.op, MSV_ERR_INVAL);
		return;
	}
	client->op = op.op;
	client->steps++;
	if (!text)
		client->mechanism->step(client, NULL, 0);
	else if (client->mechanism == &login_mechanism)
		login(client, text, n);
	else
		step_decoded(client, text, n);
}

int msv_sasl_client_finish(const struct msv_sasl_client *client)
{
	return client->mechanism->proves && !client->proved ? MSV_ERR_AUTH : 0;
}

void msv_sasl_client_free(struct msv_sasl_client *client)
{
	struct msv_env *env;

	if (!client)
		return;
	env = client->env;
	if (client->job)
		msv_scram_job_leave(client->job);
	if (client->op)
		msv_sasl_client_fail(client, MSV_ERR_CANCELED);
	msv_buf_fini(&client->first_bare);
	msv_free(env, client->user);
	msv_free_string_secret(env, client->password);
	explicit_bzero(client->signature, sizeof(client->signature));
	msv_free(env, client);
}
