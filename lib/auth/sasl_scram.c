/*
 * SCRAM-SHA-256 (RFC 5802, RFC 7677).  Channel binding is not offered: a client
 * that says "p=" fails, "y" is right as there is no -PLUS.
 */
#include "auth/auth.h"

#include <string.h>

#include "base/buf.h"
#include "base/env.h"

enum { NONCE_SIZE = 30, CLIENT_NONCE_MAX = 512 };

enum stage { CLIENT_FIRST, CLIENT_FINAL, CLIENT_DONE };

struct state {
	enum stage stage;
	char nonce[NONCE_SIZE];
	size_t bare; /* where client-first-bare begins in `first`, behind the gs2 header */
	size_t client_nonce, client_nonce_len; /* where in `first` */
	struct msv_buf first;                  /* client-first */
	struct msv_buf server_first; /* server-first, which begins "r=" and the whole nonce */
	uint8_t stored_key[MSV_SHA256_SIZE], server_key[MSV_SHA256_SIZE];
	uint8_t signature[MSV_SHA256_SIZE];
};

/* -- Reading messages ------------------------------------------------------------------ */

static struct msv_span rest_of(struct msv_span s, size_t from)
{
	return (struct msv_span){ s.p + from, s.n - from };
}

/* "name=value", up to a comma (which is taken too) or the end. */
static bool take_attribute(struct msv_span *s, char name, struct msv_span *value)
{
	if (s->n < 2 || s->p[0] != name || s->p[1] != '=')
		return false;
	const char *comma = memchr(s->p, ',', s->n);
	size_t len = comma ? (size_t)(comma - s->p) : s->n;
	*value = (struct msv_span){ s->p + 2, len - 2 };
	*s = rest_of(*s, comma ? len + 1 : len);
	return true;
}

/* RFC 5802 7: printable = %x21-2B / %x2D-7E */
static bool nonce_valid(struct msv_span s)
{
	for (size_t i = 0; i < s.n; i++) {
		if (s.p[i] < 0x21 || s.p[i] > 0x7e)
			return false;
	}
	return s.n > 0 && s.n <= CLIENT_NONCE_MAX;
}

/* Undoes =2C and =3D into out, which holds s.n bytes; -1 for any other "=". */
static long decode_name(struct msv_span s, char *out)
{
	long n = 0;

	for (size_t i = 0; i < s.n; i++) {
		char c = s.p[i];
		if (c == '=') {
			if (s.n - i < 3)
				return -1;
			if (memcmp(s.p + i, "=2C", 3) == 0)
				c = ',';
			else if (memcmp(s.p + i, "=3D", 3) != 0)
				return -1;
			i += 2;
		}
		out[n++] = c;
	}
	return n;
}

/* gs2-header = ("n" / "y") "," ["a=" saslname] ",": takes it. */
static bool take_gs2(struct msv_span *s, struct msv_span *authzid)
{
	*authzid = (struct msv_span){ 0 };
	if (s->n < 3 || (s->p[0] != 'n' && s->p[0] != 'y') || s->p[1] != ',')
		return false;
	*s = rest_of(*s, 2);
	if (s->p[0] == ',') {
		*s = rest_of(*s, 1);
		return true;
	}
	return take_attribute(s, 'a', authzid) && authzid->n > 0;
}

static int identify(struct msv_sasl *sasl, struct msv_span user, struct msv_span authzid)
{
	char *names = msv_alloc(sasl->env, user.n + authzid.n + 1);

	if (!names)
		return MSV_ERR_NOMEM;
	long nuser = decode_name(user, names), nauthzid = decode_name(authzid, names + user.n);
	int error = MSV_ERR_FORMAT;
	if (nuser >= 0 && nauthzid >= 0)
		error = msv_sasl_identify(sasl, (struct msv_span){ names, (size_t)nuser },
		    (struct msv_span){ names + user.n, (size_t)nauthzid });
	msv_free(sasl->env, names);
	return error;
}

/* -- client-first and its answer --------------------------------------------------------- */

/* server-first-message = "r=" nonce "," "s=" salt "," "i=" iteration-count */
static int write_server_first(struct state *st, const struct msv_scram_keys *keys)
{
	struct msv_buf *out = &st->server_first;

	msv_buf_puts(out, "r=");
	msv_buf_put(out, msv_buf_data(&st->first) + st->client_nonce, st->client_nonce_len);
	msv_buf_put(out, st->nonce, sizeof(st->nonce));
	msv_buf_puts(out, ",s=");
	char *salt = msv_buf_reserve(out, MSV_BASE64_SIZE(keys->salt_len));
	if (salt) {
		msv_base64_encode(keys->salt, keys->salt_len, salt);
		msv_buf_commit(out, MSV_BASE64_SIZE(keys->salt_len) - 1);
	}
	msv_buf_printf(out, ",i=%lu", (unsigned long)keys->iterations);
	return msv_buf_failed(out) ? MSV_ERR_NOMEM : 0;
}

static void on_keys(void *user, int error, const void *result)
{
	struct msv_sasl *sasl = user;
	struct state *st = sasl->state;
	const struct msv_scram_keys *keys = result;

	msv_sasl_asked_done(sasl);
	if (!error)
		error = write_server_first(st, keys);
	if (error) {
		msv_sasl_fail(sasl, error);
		return;
	}
	memcpy(st->stored_key, keys->stored_key, sizeof(st->stored_key));
	memcpy(st->server_key, keys->server_key, sizeof(st->server_key));
	st->stage = CLIENT_FINAL;
	msv_sasl_challenge(sasl, msv_buf_data(&st->server_first), msv_buf_len(&st->server_first));
}

static int ask_keys(struct msv_sasl *sasl)
{
	struct msv_auth_question question = msv_sasl_question(sasl);
	struct msv_op *op = msv_sasl_ask(sasl, on_keys);

	if (!op)
		return MSV_ERR_NOMEM;
	sasl->auth->scram_keys(sasl->auth->self, &question, (struct msv_scram_op){ op });
	return 0;
}

/* client-first-message = gs2-header "n=" saslname "," "r=" nonce ["," extensions];
 * "m=" before the name makes it fail, as it is no "n=". */
static int client_first(struct msv_sasl *sasl, struct msv_span message)
{
	struct state *st = sasl->state;
	struct msv_span s = message, authzid, name, nonce;

	if (!take_gs2(&s, &authzid))
		return MSV_ERR_FORMAT;
	st->bare = message.n - s.n;
	if (!take_attribute(&s, 'n', &name) || !take_attribute(&s, 'r', &nonce) ||
	    !nonce_valid(nonce))
		return MSV_ERR_FORMAT;
	st->client_nonce = (size_t)(nonce.p - message.p);
	st->client_nonce_len = nonce.n;
	if (msv_buf_put(&st->first, message.p, message.n) != 0)
		return MSV_ERR_NOMEM;
	int error = identify(sasl, name, authzid);
	return error ? error : ask_keys(sasl);
}

/* -- client-final and its answer --------------------------------------------------------- */

struct client_final {
	struct msv_span binding, nonce;
	struct msv_span unproved; /* client-final-message-without-proof */
	uint8_t proof[MSV_SHA256_SIZE];
};

static int decode_proof(struct msv_span text, uint8_t proof[MSV_SHA256_SIZE])
{
	uint8_t bytes[MSV_BASE64_DECODED_SIZE(MSV_BASE64_SIZE(MSV_SHA256_SIZE))];
	size_t n;

	if (text.n != MSV_BASE64_SIZE(MSV_SHA256_SIZE) - 1 ||
	    msv_base64_decode(text.p, text.n, bytes, &n) != 0 || n != MSV_SHA256_SIZE)
		return MSV_ERR_FORMAT;
	memcpy(proof, bytes, n);
	return 0;
}

/* "c=" base64 "," "r=" nonce ["," extensions] "," "p=" base64 */
static int parse_final(struct msv_span message, struct client_final *out)
{
	struct msv_span s = message, value;

	if (!take_attribute(&s, 'c', &out->binding) || !take_attribute(&s, 'r', &out->nonce))
		return MSV_ERR_FORMAT;
	while (s.n && s.p[0] != 'p') {
		if (s.p[0] == 'm' || !take_attribute(&s, s.p[0], &value))
			return MSV_ERR_FORMAT;
	}
	out->unproved = (struct msv_span){ message.p, message.n - s.n - 1 };
	if (!take_attribute(&s, 'p', &value) || value.p + value.n != message.p + message.n)
		return MSV_ERR_FORMAT;
	return decode_proof(value, out->proof);
}

/* The gs2 header again, as there are no channel-binding data. */
static bool binding_ok(const struct state *st, struct msv_span binding)
{
	uint8_t bytes[MSV_BASE64_DECODED_SIZE(1024)];
	size_t n;

	return binding.n <= 1024 && msv_base64_decode(binding.p, binding.n, bytes, &n) == 0 &&
	       n == st->bare && memcmp(bytes, msv_buf_data(&st->first), n) == 0;
}

static bool nonce_ok(const struct state *st, struct msv_span nonce)
{
	return nonce.n == st->client_nonce_len + sizeof(st->nonce) &&
	       msv_secret_equal(nonce.p, msv_buf_data(&st->server_first) + 2, nonce.n);
}

/* AuthMessage = client-first-bare "," server-first "," client-final-without-proof */
static int write_auth_message(const struct state *st, struct msv_span unproved, struct msv_buf *out)
{
	msv_buf_put(out, msv_buf_data(&st->first) + st->bare, msv_buf_len(&st->first) - st->bare);
	msv_buf_putc(out, ',');
	msv_buf_put(out, msv_buf_data(&st->server_first), msv_buf_len(&st->server_first));
	msv_buf_putc(out, ',');
	msv_buf_put(out, unproved.p, unproved.n);
	return msv_buf_failed(out) ? MSV_ERR_NOMEM : 0;
}

/* Is all as it must be?  And the signature for the answer. */
static int prove(struct msv_sasl *sasl, const struct client_final *f, bool *ok)
{
	struct state *st = sasl->state;
	struct msv_scram_keys keys = { .stored_key = st->stored_key, .server_key = st->server_key };
	struct msv_buf message;
	int error;

	msv_buf_init(&message, sasl->env);
	error = write_auth_message(st, f->unproved, &message);
	if (!error) {
		const char *p = msv_buf_data(&message);
		size_t n = msv_buf_len(&message);
		*ok = msv_scram_proof_ok(&keys, p, n, f->proof) && binding_ok(st, f->binding) &&
		      nonce_ok(st, f->nonce);
		error = msv_hmac(MSV_SHA256, st->server_key, MSV_SHA256_SIZE, p, n, st->signature);
	}
	msv_buf_fini(&message);
	return error;
}

/* server-final-message = "v=" base64 */
static void on_result(void *user, int error, const void *result)
{
	struct msv_sasl *sasl = user;
	struct state *st = sasl->state;
	char text[2 + MSV_BASE64_SIZE(MSV_SHA256_SIZE)] = "v=";

	msv_sasl_asked_done(sasl);
	if (!error)
		error = msv_sasl_accept(sasl, result);
	if (error) {
		msv_sasl_fail(sasl, error);
		return;
	}
	msv_base64_encode(st->signature, sizeof(st->signature), text + 2);
	st->stage = CLIENT_DONE;
	msv_sasl_challenge(sasl, text, strlen(text));
}

/* Bindings or nonces that differ are a wrong proof: somebody changed the
 * messages on their way. */
static int client_final(struct msv_sasl *sasl, struct msv_span message)
{
	struct client_final f;
	bool ok = false;
	int error = parse_final(message, &f);

	if (error || (error = prove(sasl, &f, &ok)))
		return error;
	struct msv_auth_question question = msv_sasl_question(sasl);
	struct msv_op *op = msv_sasl_ask(sasl, on_result);
	if (!op)
		return MSV_ERR_NOMEM;
	sasl->auth->scram_result(sasl->auth->self, &question, ok, (struct msv_auth_op){ op });
	return 0;
}

/* -- The mechanism ------------------------------------------------------------------------- */

/* Random printable characters without the comma. */
static int start(struct msv_sasl *sasl)
{
	struct state *st = sasl->state;
	uint8_t random[NONCE_SIZE];

	msv_buf_init(&st->first, sasl->env);
	msv_buf_init(&st->server_first, sasl->env);
	int error = msv_env_random(sasl->env, random, sizeof(random));
	for (size_t i = 0; !error && i < sizeof(random); i++) {
		char c = (char)(0x21 + random[i] % 93);
		st->nonce[i] = (char)(c + (c >= ','));
	}
	return error;
}

static int step(struct msv_sasl *sasl, const char *p, size_t n)
{
	struct state *st = sasl->state;

	switch (st->stage) {
	case CLIENT_FIRST:
		return client_first(sasl, (struct msv_span){ p, n });
	case CLIENT_FINAL:
		return client_final(sasl, (struct msv_span){ p, n });
	case CLIENT_DONE:
		break;
	}
	/* The client takes note of the signature with an empty response. */
	if (n)
		return MSV_ERR_FORMAT;
	msv_sasl_succeed(sasl);
	return 0;
}

static void finish(struct msv_sasl *sasl)
{
	struct state *st = sasl->state;

	msv_buf_fini(&st->first);
	msv_buf_fini(&st->server_first);
}

const struct msv_sasl_mechanism msv_sasl_scram_sha_256 = {
	.name = "SCRAM-SHA-256",
	.bit = MSV_SASL_SCRAM_SHA_256,
	.prompt = "",
	.state_size = sizeof(struct state),
	.start = start,
	.step = step,
	.finish = finish,
};
