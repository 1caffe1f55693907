/* The server's side of a SASL exchange (RFC 4422): base64, the mechanism
 * table, and the question to the auth source. */
#include "auth/auth.h"

#include <stdio.h>
#include <string.h>

#include "base/env.h"
#include "codec/casefold.h"
#include "codec/utf8.h"

/* Beyond what any mechanism needs; sessions bound their lines as well. */
enum { RESPONSE_MAX = 16384 };

/* -- Which mechanisms ------------------------------------------------------------------ */

/* Strongest first. */
static const struct msv_sasl_mechanism *const mechanisms[] = {
	&msv_sasl_scram_sha_256,
	&msv_sasl_plain,
	&msv_sasl_login,
};
#define NMECHANISMS (sizeof(mechanisms) / sizeof(*mechanisms))

/* The MSV_SASL_* bits that the source can serve. */
static unsigned offered(const struct msv_auth *auth)
{
	if (!auth)
		return 0;
	unsigned bits =
	    auth->mechanisms ? auth->mechanisms(auth->self) : MSV_SASL_PLAIN | MSV_SASL_LOGIN;
	if (!auth->verify)
		bits &= ~(unsigned)(MSV_SASL_PLAIN | MSV_SASL_LOGIN);
	if (!auth->scram_keys || !auth->scram_result)
		bits &= ~(unsigned)MSV_SASL_SCRAM_SHA_256;
	return bits;
}

void msv_sasl_list(const struct msv_auth *auth, char *buf, size_t n)
{
	unsigned bits = offered(auth);
	size_t used = 0;

	if (n)
		*buf = '\0';
	for (size_t i = 0; i < NMECHANISMS; i++) {
		size_t need = strlen(mechanisms[i]->name) + (used > 0);
		if (!(bits & mechanisms[i]->bit) || used + need >= n)
			continue;
		snprintf(buf + used, n - used, "%s%s", used ? " " : "", mechanisms[i]->name);
		used += need;
	}
}

static const struct msv_sasl_mechanism *find_mechanism(
    const struct msv_auth *auth, const char *name)
{
	unsigned bits = offered(auth);

	for (size_t i = 0; i < NMECHANISMS; i++) {
		if ((bits & mechanisms[i]->bit) &&
		    msv_ascii_equals(name, strlen(name), mechanisms[i]->name))
			return mechanisms[i];
	}
	return NULL;
}

/* -- Answering a step -------------------------------------------------------------------- */

/* The op of the step, which is then no longer ours. */
static struct msv_op *take_op(struct msv_sasl *sasl)
{
	struct msv_op *op = sasl->op;

	sasl->op = NULL;
	return op;
}

void msv_sasl_fail(struct msv_sasl *sasl, int error)
{
	sasl->over = true;
	msv_op_answer(take_op(sasl), error);
}

/* The result in the op's memory, for the answers that have one. */
static struct msv_sasl_result *new_result(struct msv_sasl *sasl)
{
	struct msv_sasl_result *result = msv_op_alloc(sasl->op, sizeof(*result));

	if (result)
		result->size = sizeof(*result);
	else
		msv_sasl_fail(sasl, MSV_ERR_NOMEM);
	return result;
}

void msv_sasl_challenge(struct msv_sasl *sasl, const char *p, size_t n)
{
	struct msv_sasl_result *result = new_result(sasl);

	if (!result)
		return;
	char *text = msv_op_alloc(sasl->op, MSV_BASE64_SIZE(n));
	if (!text) {
		msv_sasl_fail(sasl, MSV_ERR_NOMEM);
		return;
	}
	msv_base64_encode(p, n, text);
	result->challenge = text;
	msv_op_complete(take_op(sasl), 0, result);
}

void msv_sasl_succeed(struct msv_sasl *sasl)
{
	struct msv_sasl_result *result = new_result(sasl);

	if (!result)
		return;
	sasl->over = true;
	/* The account moves to the op: the exchange may be freed before the
	 * completion runs. */
	result->account = msv_account_copy_op(sasl->op, sasl->account);
	if (result->account)
		msv_op_complete(take_op(sasl), 0, result);
	else
		msv_sasl_fail(sasl, MSV_ERR_NOMEM);
}

/* -- Asking the auth source ---------------------------------------------------------------- */

static int copy_name(struct msv_sasl *sasl, struct msv_span name, char **out)
{
	if (memchr(name.p, '\0', name.n) || !msv_utf8_valid(name.p, name.n))
		return MSV_ERR_FORMAT;
	*out = msv_strndup(sasl->env, name.p, name.n);
	return *out ? 0 : MSV_ERR_NOMEM;
}

int msv_sasl_identify(struct msv_sasl *sasl, struct msv_span user, struct msv_span authzid)
{
	int error;

	if (user.n == 0)
		return MSV_ERR_FORMAT;
	if ((error = copy_name(sasl, user, &sasl->user)) || authzid.n == 0)
		return error;
	if ((error = copy_name(sasl, authzid, &sasl->authzid)))
		return error;
	if (strcmp(sasl->authzid, sasl->user) == 0) {
		msv_free(sasl->env, sasl->authzid);
		sasl->authzid = NULL;
	}
	return 0;
}

struct msv_auth_question msv_sasl_question(const struct msv_sasl *sasl)
{
	struct msv_auth_question question = *sasl->connection;

	question.user = sasl->user;
	question.authzid = sasl->authzid;
	question.mechanism = sasl->mechanism->name;
	return question;
}

struct msv_op *msv_sasl_ask(struct msv_sasl *sasl, msv_op_fn done)
{
	return sasl->asked = msv_op_new(sasl->env, done, sasl);
}

void msv_sasl_asked_done(struct msv_sasl *sasl)
{
	sasl->asked = NULL;
}

int msv_sasl_accept(struct msv_sasl *sasl, const struct msv_account *account)
{
	/* A source that minds no authzid must not give somebody else's mail. */
	if (sasl->authzid && !msv_account_name_same(account->name, sasl->authzid))
		return MSV_ERR_DENIED;
	sasl->account = msv_account_copy(sasl->env, account);
	return sasl->account ? 0 : MSV_ERR_NOMEM;
}

static void on_verified(void *user, int error, const void *result)
{
	struct msv_sasl *sasl = user;

	msv_sasl_asked_done(sasl);
	if (!error)
		error = msv_sasl_accept(sasl, result);
	if (error)
		msv_sasl_fail(sasl, error);
	else
		msv_sasl_succeed(sasl);
}

int msv_sasl_verify(struct msv_sasl *sasl, const char *password)
{
	struct msv_auth_question question = msv_sasl_question(sasl);
	struct msv_op *op = msv_sasl_ask(sasl, on_verified);

	if (!op)
		return MSV_ERR_NOMEM;
	question.password = password;
	sasl->auth->verify(sasl->auth->self, &question, (struct msv_auth_op){ op });
	return 0;
}

/* -- The exchange ---------------------------------------------------------------------------- */

int msv_sasl_new(struct msv_env *env, const struct msv_auth *auth, const char *mechanism,
    const struct msv_auth_question *question, struct msv_sasl **out)
{
	const struct msv_sasl_mechanism *m = find_mechanism(auth, mechanism);
	struct msv_sasl *sasl;
	int error = MSV_ERR_NOMEM;

	*out = NULL;
	if (!m)
		return MSV_ERR_UNSUPPORTED;
	if (!(sasl = msv_alloc(env, sizeof(*sasl))))
		return MSV_ERR_NOMEM;
	sasl->env = env;
	sasl->auth = auth;
	sasl->mechanism = m;
	msv_env_ref(env);
	if (!(sasl->connection = msv_question_copy(env, question)))
		goto fail;
	if (m->state_size && !(sasl->state = msv_alloc(env, m->state_size)))
		goto fail;
	if (m->start && (error = m->start(sasl)))
		goto fail;
	*out = sasl;
	return 0;
fail:
	msv_sasl_free(sasl);
	return error;
}

/* Nobody waits for the step. */
static void on_cancel(void *user)
{
	struct msv_sasl *sasl = user;

	msv_op_cancel(sasl->asked);
	sasl->asked = NULL;
	msv_sasl_fail(sasl, MSV_ERR_CANCELED);
}

/* Hands the decoded response to the mechanism. */
static int respond(struct msv_sasl *sasl, const char *text, size_t n)
{
	size_t size = MSV_BASE64_DECODED_SIZE(n) + 1, len;
	char *bytes;
	int error;

	if (n > RESPONSE_MAX)
		return MSV_ERR_FORMAT;
	if (!(bytes = msv_alloc(sasl->env, size)))
		return MSV_ERR_NOMEM;
	error = msv_base64_decode(text, n, (uint8_t *)bytes, &len);
	if (!error) {
		bytes[len] = '\0';
		error = sasl->mechanism->step(sasl, bytes, len);
	}
	msv_free_secret(sasl->env, bytes, size);
	return error;
}

void msv_sasl_step(struct msv_sasl *sasl, const char *text, size_t n, struct msv_sasl_op op)
{
	bool first = !sasl->started;
	int error;

	if (sasl->op || sasl->over) {
		msv_op_answer(op.op, MSV_ERR_INVAL);
		return;
	}
	sasl->started = true;
	sasl->op = op.op;
	msv_op_on_cancel(op.op, on_cancel, sasl);
	if (!text) {
		msv_sasl_challenge(sasl, sasl->mechanism->prompt, strlen(sasl->mechanism->prompt));
		return;
	}
	if (n == 1 && *text == '*')
		error = MSV_ERR_CANCELED;
	else if (n == 1 && *text == '=' && first)
		error = respond(sasl, "", 0);
	else
		error = respond(sasl, text, n);
	if (error)
		msv_sasl_fail(sasl, error);
}

const char *msv_sasl_user(const struct msv_sasl *sasl)
{
	return sasl->user ? sasl->user : "";
}

void msv_sasl_free(struct msv_sasl *sasl)
{
	if (!sasl)
		return;
	if (sasl->op)
		msv_op_cancel(sasl->op);
	struct msv_env *env = sasl->env;
	if (sasl->state && sasl->mechanism->finish)
		sasl->mechanism->finish(sasl);
	if (sasl->state)
		msv_free_secret(env, sasl->state, sasl->mechanism->state_size);
	msv_question_free(env, sasl->connection);
	msv_free(env, sasl->user);
	msv_free(env, sasl->authzid);
	msv_free(env, sasl->account);
	msv_free(env, sasl);
	msv_env_unref(env);
}
