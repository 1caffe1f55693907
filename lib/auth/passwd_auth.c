/*
 * The questions sessions ask of a passwd-file.
 *
 * A name that is not in the file is answered like one that is: its password is
 * checked against another's entry, its SCRAM keys are invented.  A keyed hash
 * of the name chooses, so that the same name always looks the same.
 */
#include "auth/auth.h"

#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

#include "base/env.h"

/* -- Choosing for a name ------------------------------------------------------------------ */

/* A keyed hash of a purpose and the name, which may be anything. */
static void name_hash(const struct msv_passwd_source *s, const char *purpose, const char *name,
    uint8_t out[MSV_SHA256_SIZE])
{
	char text[MSV_KIND_SIZE + MSV_ACCOUNT_NAME_MAX + 2];
	size_t n = (size_t)snprintf(text, sizeof(text), "%.*s:", MSV_KIND_SIZE, purpose);

	msv_account_name_fold(name, text + n, sizeof(text) - n);
	if (msv_hmac(MSV_SHA256, s->key, sizeof(s->key), text, strlen(text), out) != 0)
		memset(out, 0, MSV_SHA256_SIZE);
}

/* One of the kinds, the same for a name as long as that kind is there: the one
 * with the greatest hash.  NULL when there is none. */
static const struct msv_kind *choose(
    const struct msv_passwd_source *s, const struct msv_kinds *kinds, const char *name)
{
	uint8_t best[MSV_SHA256_SIZE], hash[MSV_SHA256_SIZE];
	const struct msv_kind *chosen = NULL;

	for (size_t i = 0; i < kinds->n; i++) {
		name_hash(s, kinds->kind[i].name, name, hash);
		if (!chosen || memcmp(hash, best, sizeof(hash)) > 0) {
			chosen = &kinds->kind[i];
			memcpy(best, hash, sizeof(best));
		}
	}
	return chosen;
}

/* -- The verdict ------------------------------------------------------------------------------ */

/* What does not depend on the password: may this one come in from there, as
 * that one?  Asked before the check, answered after it. */
struct terms {
	bool from_here;     /* allow_nets has the address */
	bool as_themselves; /* no authzid but their own */
};

static struct terms terms_of(
    const struct msv_passwd_entry *entry, const struct msv_auth_question *q)
{
	struct terms terms = { 0 };

	if (!entry)
		return terms;
	terms.from_here = !entry->nets || msv_nets_match(entry->nets, q->peer_address);
	terms.as_themselves =
	    !q->authzid || !*q->authzid || msv_account_name_same(q->authzid, entry->account.name);
	return terms;
}

/* A wrong place is answered like a wrong password: a guesser learns nothing. */
static void conclude(struct msv_env *env, const struct msv_passwd_entry *entry, struct terms terms,
    bool right, struct msv_auth_op op)
{
	if (!entry || !right) {
		msv_op_answer(op.op, MSV_ERR_AUTH);
	} else if (!terms.from_here) {
		if (!entry->any_password)
			msv_env_log(env, MSV_LOG_INFO,
			    "auth: user=%s refused: right password from an address not in "
			    "allow_nets",
			    entry->account.name);
		msv_op_answer(op.op, MSV_ERR_AUTH);
	} else if (entry->nologin || !terms.as_themselves) {
		msv_op_answer(op.op, MSV_ERR_DENIED);
	} else {
		msv_auth_answer(op, &entry->account);
	}
}

/* -- verify -------------------------------------------------------------------------------------- */

/* A check under way.  The work touches `check`, `result` and `canceled` alone. */
struct verify {
	struct msv_env *env;
	struct msv_passwd_table *table;
	const struct msv_passwd_entry *entry; /* NULL: unknown, or no password is right */
	struct terms terms;
	struct msv_auth_op op;
	struct msv_check *check; /* NULL: the file has no password at all */
	int result;
	atomic_bool canceled;
};

static void verify_free(struct verify *v)
{
	struct msv_env *env = v->env;

	msv_check_free(env, v->check);
	msv_passwd_table_unref(v->table);
	msv_free(env, v);
}

static void verify_work(void *data)
{
	struct verify *v = data;

	if (!atomic_load(&v->canceled))
		v->result = v->check ? msv_check_run(v->check) : MSV_ERR_AUTH;
}

static void verify_done(void *data)
{
	struct verify *v = data;
	bool anything = v->entry && v->entry->any_password;

	if (v->result == MSV_ERR_NOMEM)
		msv_op_answer(v->op.op, MSV_ERR_NOMEM);
	else
		conclude(v->env, v->entry, v->terms, v->result == 0 || anything, v->op);
	verify_free(v);
}

static void verify_cancel(void *user)
{
	atomic_store(&((struct verify *)user)->canceled, true);
}

const struct msv_passwd_entry *msv_passwd_checked_entry(
    const struct msv_passwd_source *source, const char *name)
{
	const struct msv_passwd_entry *entry = msv_passwd_table_find(source->table, name);
	/* Chosen for everybody: the choice takes time too. */
	const struct msv_kind *other = choose(source, &source->table->checks, name);

	if (entry && entry->field.scheme)
		return entry;
	return other ? other->entry : NULL;
}

static int verify_prepare(
    struct verify *v, const struct msv_passwd_source *s, const struct msv_auth_question *q)
{
	const char *name = q->user ? q->user : "", *password = q->password ? q->password : "";
	const struct msv_passwd_entry *entry = msv_passwd_table_find(s->table, name);
	const struct msv_passwd_entry *checked = msv_passwd_checked_entry(s, name);

	v->entry = entry && msv_passwd_may_log_in(entry) ? entry : NULL;
	v->terms = terms_of(v->entry, q);
	return checked ? msv_check_new(v->env, &checked->field, password, &v->check) : 0;
}

static void passwd_verify(
    void *self, const struct msv_auth_question *question, struct msv_auth_op op)
{
	struct msv_passwd_source *s = self;
	struct verify *v = msv_alloc(s->env, sizeof(*v));

	if (!v) {
		msv_op_answer(op.op, MSV_ERR_NOMEM);
		return;
	}
	v->env = s->env;
	v->op = op;
	v->result = MSV_ERR_AUTH;
	v->table = s->table;
	msv_passwd_table_ref(v->table);
	int error = verify_prepare(v, s, question);
	if (!error)
		error = msv_env_offload(s->env, MSV_LANE_HASH, verify_work, verify_done, v);
	if (error) {
		verify_free(v);
		msv_op_answer(op.op, error);
		return;
	}
	msv_op_on_cancel(op.op, verify_cancel, v);
}

/* -- scram_keys ------------------------------------------------------------------------------------ */

/* Keys under way: derived from a password, or there from the start. */
struct keys {
	struct msv_env *env;
	struct msv_scram_op op;
	struct msv_scram_value value;
	char *password; /* prepared; NULL: nothing to derive */
	int result;
	atomic_bool canceled;
};

static void keys_free(struct keys *k)
{
	msv_free_string_secret(k->env, k->password);
	msv_free_secret(k->env, k, sizeof(*k));
}

static void keys_work(void *data)
{
	struct keys *k = data;

	if (k->password && !atomic_load(&k->canceled))
		k->result = msv_scram_derive(MSV_SHA256, k->password, &k->value);
}

static void keys_done(void *data)
{
	struct keys *k = data;

	if (k->result)
		msv_op_answer(k->op.op, k->result);
	else
		msv_scram_answer(k->op, &(struct msv_scram_keys){
		                            .size = sizeof(struct msv_scram_keys),
		                            .iterations = k->value.iterations,
		                            .salt = k->value.salt,
		                            .salt_len = k->value.salt_len,
		                            .stored_key = k->value.stored_key,
		                            .server_key = k->value.server_key,
		                        });
	keys_free(k);
}

static void keys_cancel(void *user)
{
	atomic_store(&((struct keys *)user)->canceled, true);
}

/* A salt for a name, and keys that no password fits. */
static void invent(
    const struct msv_passwd_source *s, const char *name, struct msv_scram_value *value)
{
	name_hash(s, "salt", name, value->salt);
	name_hash(s, "more salt", name, value->salt + MSV_SHA256_SIZE);
	name_hash(s, "stored key", name, value->stored_key);
	name_hash(s, "server key", name, value->server_key);
}

/* The password of a PLAIN field, prepared for SCRAM. */
static int plain_password(struct keys *k, const struct msv_passwd_entry *entry)
{
	char *text;
	size_t n;
	int error = msv_field_decode(k->env, &entry->field, &text, &n);

	if (error)
		return error;
	k->password = msv_saslprep(k->env, text);
	msv_free_secret(k->env, text, n);
	return k->password ? 0 : MSV_ERR_NOMEM;
}

/* Keys like those of `like`, who is the user unless they are unknown.  Should
 * a proof fit an unknown user's keys, scram_result still says no. */
static int keys_prepare(struct keys *k, const struct msv_passwd_source *s,
    const struct msv_passwd_entry *like, bool known, const char *name)
{
	struct msv_scram_value stored;

	k->value.iterations = MSV_SCRAM_ITERATIONS_DERIVED;
	k->value.salt_len = 16;
	invent(s, name, &k->value);
	if (!like->scram)
		return plain_password(k, like);
	if (msv_scram_parse(MSV_SHA256, like->scram, &stored) != 0)
		return MSV_ERR_AUTH;
	k->value.iterations = stored.iterations;
	k->value.salt_len = stored.salt_len;
	if (known)
		k->value = stored;
	explicit_bzero(&stored, sizeof(stored));
	return 0;
}

static void passwd_scram_keys(
    void *self, const struct msv_auth_question *question, struct msv_scram_op op)
{
	struct msv_passwd_source *s = self;
	const char *name = question->user ? question->user : "";
	const struct msv_passwd_entry *entry = msv_passwd_table_find(s->table, name);
	const struct msv_kind *other = choose(s, &s->table->scrams, name);
	bool known = entry && msv_passwd_has_scram(entry);
	struct keys *k;
	int error;

	if (!other) {
		msv_op_answer(op.op, MSV_ERR_AUTH);
		return;
	}
	if (!(k = msv_alloc(s->env, sizeof(*k)))) {
		msv_op_answer(op.op, MSV_ERR_NOMEM);
		return;
	}
	k->env = s->env;
	k->op = op;
	error = keys_prepare(k, s, known ? entry : other->entry, known, name);
	if (!error)
		error = msv_env_offload(s->env, MSV_LANE_HASH, keys_work, keys_done, k);
	if (error) {
		keys_free(k);
		msv_op_answer(op.op, error);
		return;
	}
	msv_op_on_cancel(op.op, keys_cancel, k);
}

/* -- scram_result, lookup, mechanisms ---------------------------------------------------------------- */

static void passwd_scram_result(
    void *self, const struct msv_auth_question *question, bool proof_ok, struct msv_auth_op op)
{
	struct msv_passwd_source *s = self;
	const struct msv_passwd_entry *entry = msv_passwd_table_find(s->table, question->user);

	if (entry && !msv_passwd_has_scram(entry))
		entry = NULL;
	conclude(s->env, entry, terms_of(entry, question), proof_ok, op);
}

static void passwd_lookup(void *self, const char *name, struct msv_auth_op op)
{
	struct msv_passwd_source *s = self;
	const struct msv_passwd_entry *entry = msv_passwd_table_find(s->table, name);

	if (entry)
		msv_auth_answer(op, &entry->account);
	else
		msv_op_answer(op.op, MSV_ERR_NOTFOUND);
}

static unsigned passwd_mechanisms(void *self)
{
	struct msv_passwd_source *s = self;
	unsigned bits = MSV_SASL_PLAIN | MSV_SASL_LOGIN;

	return s->table->scram_for_all ? bits | MSV_SASL_SCRAM_SHA_256 : bits;
}

struct msv_auth msv_passwd_functions(struct msv_passwd_source *source)
{
	return (struct msv_auth){
		.size = sizeof(struct msv_auth),
		.self = source,
		.mechanisms = passwd_mechanisms,
		.verify = passwd_verify,
		.scram_keys = passwd_scram_keys,
		.scram_result = passwd_scram_result,
		.lookup = passwd_lookup,
	};
}
