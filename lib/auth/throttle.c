/*
 * The throttle: an auth source around another.
 *
 * A login passes three stations: it is held back while its address or account
 * is under penalty; the inner source is asked; a failure is counted and told
 * late.  A client that gives up early saves nothing: its guess is either not
 * asked for or counted.
 */
#include "auth/auth.h"

#include <arpa/inet.h>
#include <string.h>

#include "base/env.h"

enum station { HELD, ASKED, FAILED };

/* A login under way. */
struct login {
	struct msv_throttle *throttle;
	struct login *next, *prev;
	enum station station;
	bool scram, proof_ok; /* scram_result, not verify */
	bool waits;           /* counts among throttle->waiting */
	struct msv_auth_question *question;
	struct msv_penalty_id address, account, tag;
	bool has_address, has_tag;
	struct msv_op *op;    /* to answer */
	struct msv_op *inner; /* asked */
	struct msv_timer *timer;
};

struct msv_throttle {
	struct msv_env *env;
	struct msv_auth auth;
	const struct msv_auth *inner;
	struct msv_throttle_options options;
	uint8_t key[32];
	struct msv_penalties *addresses, *accounts;
	struct login *logins;
	uint32_t waiting;
};

/* -- Who it is --------------------------------------------------------------------------- */

static struct msv_penalty_id make_id(const struct msv_throttle *t, const char *p, size_t n)
{
	uint8_t digest[MSV_SHA256_SIZE] = { 0 };
	struct msv_penalty_id id;

	(void)msv_hmac(MSV_SHA256, t->key, sizeof(t->key), p, n, digest);
	memcpy(id.b, digest, sizeof(id.b));
	return id;
}

/* An IPv4 address, mapped ones too, or the /64 of an IPv6 address. */
static bool address_id(const struct msv_throttle *t, const char *address, struct msv_penalty_id *id)
{
	static const uint8_t mapped[12] = { [10] = 0xff, [11] = 0xff };
	uint8_t b[16];

	if (!address)
		return false;
	if (inet_pton(AF_INET, address, b) == 1) {
		*id = make_id(t, (char *)b, 4);
	} else if (inet_pton(AF_INET6, address, b) == 1) {
		bool v4 = memcmp(b, mapped, sizeof(mapped)) == 0;
		*id = v4 ? make_id(t, (char *)b + 12, 4) : make_id(t, (char *)b, 8);
	} else {
		*id = make_id(t, address, strlen(address));
	}
	return true;
}

static struct msv_penalty_id account_id(const struct msv_throttle *t, const char *name)
{
	char folded[MSV_ACCOUNT_NAME_MAX + 1];

	msv_account_name_fold(name, folded, sizeof(folded));
	return make_id(t, folded, strlen(folded));
}

/* The guess, so that a client repeating an outdated password counts once. */
static struct msv_penalty_id guess_id(
    const struct msv_throttle *t, const struct msv_penalty_id *account, const char *password)
{
	struct msv_penalty_id guess = make_id(t, password, strlen(password));
	char both[sizeof(guess.b) + sizeof(account->b)];

	memcpy(both, guess.b, sizeof(guess.b));
	memcpy(both + sizeof(guess.b), account->b, sizeof(account->b));
	return make_id(t, both, sizeof(both));
}

/* -- How long ---------------------------------------------------------------------------- */

/* The first failure costs address_delay_ms, each further one twice as much. */
static uint64_t doubled(const struct msv_throttle *t, uint32_t failures)
{
	uint64_t delay = t->options.address_delay_ms, max = t->options.address_delay_max_ms;

	for (; failures > 1 && delay < max; failures--)
		delay *= 2;
	return delay < max ? delay : max;
}

/* For how many milliseconds this login is held back. */
static uint64_t penalty(struct msv_throttle *t, const struct login *l)
{
	uint64_t now = msv_env_now(t->env), delay = 0;
	struct msv_penalty *e;

	if (l->has_address && (e = msv_penalties_find(t->addresses, &l->address, now)))
		delay = doubled(t, e->failures);
	if ((e = msv_penalties_find(t->accounts, &l->account, now)) &&
	    e->failures > t->options.account_failures) {
		uint64_t slow = doubled(t, e->failures - t->options.account_failures);
		delay = slow > delay ? slow : delay;
	}
	return delay;
}

static void count_failure(struct msv_throttle *t, struct login *l)
{
	const struct msv_penalty_id *tag = l->has_tag ? &l->tag : NULL;
	uint64_t now = msv_env_now(t->env);

	if (l->has_address)
		msv_penalties_count(t->addresses, &l->address, &l->account, tag, now);
	msv_penalties_count(t->accounts, &l->account, &l->account, tag, now);
}

/* The failures of a user who then remembers the password are forgiven; those
 * of a guesser who has an account as well are not.  The count of the account
 * stays: others may be guessing at it. */
static void forgive(struct msv_throttle *t, struct login *l)
{
	if (l->has_address)
		msv_penalties_forgive(t->addresses, &l->address, &l->account);
}

/* -- A login's way through ------------------------------------------------------------------ */

static void login_free(struct login *l)
{
	struct msv_throttle *t = l->throttle;

	*(l->prev ? &l->prev->next : &t->logins) = l->next;
	if (l->next)
		l->next->prev = l->prev;
	if (l->waits)
		t->waiting--;
	msv_timer_free(l->timer);
	msv_question_free(t->env, l->question);
	msv_free(t->env, l);
}

static void login_fail(struct login *l, int error)
{
	struct msv_op *op = l->op;

	login_free(l);
	msv_op_answer(op, error);
}

/* Stays at a station for so long; false: too many wait already. */
static bool login_wait(struct login *l, enum station station, uint64_t delay)
{
	struct msv_throttle *t = l->throttle;

	if (!l->waits) {
		if (t->waiting >= t->options.waiting_max)
			return false;
		t->waiting++;
		l->waits = true;
	}
	l->station = station;
	msv_timer_start(l->timer, msv_env_now(t->env) + delay);
	return true;
}

static void on_inner(void *user, int error, const void *result)
{
	struct login *l = user;
	struct msv_throttle *t = l->throttle;

	l->inner = NULL;
	if (error == MSV_ERR_AUTH) {
		count_failure(t, l);
		if (!login_wait(l, FAILED, t->options.failure_delay_ms))
			login_fail(l, MSV_ERR_BUSY);
		return;
	}
	if (error) {
		login_fail(l, error);
		return;
	}
	struct msv_auth_op op = { l->op };
	forgive(t, l);
	login_free(l);
	msv_auth_answer(op, result);
}

static void login_ask(struct login *l)
{
	struct msv_throttle *t = l->throttle;
	const struct msv_auth *inner = t->inner;
	struct msv_auth_op op = { msv_op_new(t->env, on_inner, l) };

	if (!op.op) {
		login_fail(l, MSV_ERR_NOMEM);
		return;
	}
	if (l->waits) {
		t->waiting--;
		l->waits = false;
	}
	l->station = ASKED;
	l->inner = op.op;
	if (l->scram)
		inner->scram_result(inner->self, l->question, l->proof_ok, op);
	else
		inner->verify(inner->self, l->question, op);
}

static void on_timer(void *user)
{
	struct login *l = user;

	if (l->station == HELD)
		login_ask(l);
	else
		login_fail(l, MSV_ERR_AUTH);
}

static void on_cancel(void *user)
{
	struct login *l = user;

	if (l->inner)
		msv_op_cancel(l->inner);
	login_fail(l, MSV_ERR_CANCELED);
}

static struct login *login_new(
    struct msv_throttle *t, const struct msv_auth_question *question, struct msv_auth_op op)
{
	struct login *l = msv_alloc(t->env, sizeof(*l));

	if (!l)
		return NULL;
	l->throttle = t;
	l->op = op.op;
	if ((l->next = t->logins))
		l->next->prev = l;
	t->logins = l;
	if (!(l->question = msv_question_copy(t->env, question)) ||
	    msv_timer_new(t->env, on_timer, l, &l->timer) != 0) {
		login_free(l);
		return NULL;
	}
	l->has_address = address_id(t, l->question->peer_address, &l->address);
	l->account = account_id(t, l->question->user ? l->question->user : "");
	if (l->question->password) {
		l->tag = guess_id(t, &l->account, l->question->password);
		l->has_tag = true;
	}
	return l;
}

static void login_begin(struct login *l)
{
	uint64_t delay = penalty(l->throttle, l);

	msv_op_on_cancel(l->op, on_cancel, l);
	if (delay == 0)
		login_ask(l);
	else if (!login_wait(l, HELD, delay))
		login_fail(l, MSV_ERR_BUSY);
}

/* -- The auth source -------------------------------------------------------------------------- */

static unsigned throttle_mechanisms(void *self)
{
	struct msv_throttle *t = self;

	return t->inner->mechanisms(t->inner->self);
}

static void throttle_verify(
    void *self, const struct msv_auth_question *question, struct msv_auth_op op)
{
	struct login *l = login_new(self, question, op);

	if (l)
		login_begin(l);
	else
		msv_op_answer(op.op, MSV_ERR_NOMEM);
}

/* Keys are given to anybody: only the proof is a guess. */
static void throttle_scram_keys(
    void *self, const struct msv_auth_question *question, struct msv_scram_op op)
{
	struct msv_throttle *t = self;

	t->inner->scram_keys(t->inner->self, question, op);
}

static void throttle_scram_result(
    void *self, const struct msv_auth_question *question, bool proof_ok, struct msv_auth_op op)
{
	struct login *l = login_new(self, question, op);

	if (!l) {
		msv_op_answer(op.op, MSV_ERR_NOMEM);
		return;
	}
	l->scram = true;
	l->proof_ok = proof_ok;
	login_begin(l);
}

static void throttle_lookup(void *self, const char *name, struct msv_auth_op op)
{
	struct msv_throttle *t = self;

	t->inner->lookup(t->inner->self, name, op);
}

const struct msv_auth *msv_throttle_auth(struct msv_throttle *throttle)
{
	return &throttle->auth;
}

/* -- Making and freeing ------------------------------------------------------------------------ */

static void set_default(uint32_t *value, uint32_t standard)
{
	if (*value == 0)
		*value = standard;
}

static void take_options(struct msv_throttle *t, const struct msv_throttle_options *options)
{
	struct msv_throttle_options *o = &t->options;

	if (options)
		memcpy(o, options,
		    options->size && options->size < sizeof(*o) ? options->size : sizeof(*o));
	set_default(&o->failure_delay_ms, 2000);
	set_default(&o->address_delay_ms, 2000);
	set_default(&o->address_delay_max_ms, 15000);
	set_default(&o->account_failures, 20);
	set_default(&o->forget_s, 900);
	set_default(&o->waiting_max, 1000);
	set_default(&o->entries_max, 10000);
}

/* What the inner source lacks, this one lacks too. */
static void fill_auth(struct msv_throttle *t)
{
	t->auth = (struct msv_auth){
		.size = sizeof(t->auth),
		.self = t,
		.mechanisms = t->inner->mechanisms ? throttle_mechanisms : NULL,
		.verify = t->inner->verify ? throttle_verify : NULL,
		.scram_keys = t->inner->scram_keys ? throttle_scram_keys : NULL,
		.scram_result = t->inner->scram_result ? throttle_scram_result : NULL,
		.lookup = t->inner->lookup ? throttle_lookup : NULL,
	};
}

int msv_throttle_new(struct msv_env *env, const struct msv_auth *inner,
    const struct msv_throttle_options *options, struct msv_throttle **out)
{
	struct msv_throttle *t = msv_alloc(env, sizeof(*t));
	int error;

	*out = NULL;
	if (!t)
		return MSV_ERR_NOMEM;
	t->env = env;
	t->inner = inner;
	msv_env_ref(env);
	take_options(t, options);
	fill_auth(t);
	uint64_t forget = (uint64_t)t->options.forget_s * 1000;
	if ((error = msv_env_random(env, t->key, sizeof(t->key))) ||
	    (error = msv_penalties_new(env, t->options.entries_max, forget, &t->addresses)) ||
	    (error = msv_penalties_new(env, t->options.entries_max, forget, &t->accounts))) {
		msv_throttle_free(t);
		return error;
	}
	*out = t;
	return 0;
}

void msv_throttle_free(struct msv_throttle *throttle)
{
	if (!throttle)
		return;
	while (throttle->logins) {
		struct login *l = throttle->logins;
		if (l->inner)
			msv_op_cancel(l->inner);
		login_fail(l, MSV_ERR_BUSY);
	}
	struct msv_env *env = throttle->env;
	msv_penalties_free(env, throttle->addresses);
	msv_penalties_free(env, throttle->accounts);
	msv_free_secret(env, throttle, sizeof(*throttle));
	msv_env_unref(env);
}
