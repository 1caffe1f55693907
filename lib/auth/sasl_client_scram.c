/*
 * SCRAM-SHA-256 from the client's side (RFC 5802, RFC 7677), without channel
 * binding.  The rounds run in a job that has a copy of everything.
 */
#include <stdio.h>
#include <string.h>

#include "auth/auth.h"
#include "base/env.h"

/* No server needs more; an evil one would have us count for hours. */
enum { ITERATIONS_MAX = 1000000, MESSAGE_MAX = 8192 };

struct msv_scram_job {
	struct msv_env *env;
	struct msv_sasl_client *client; /* NULL: it went away */
	uint8_t salt[MSV_SCRAM_SALT_MAX];
	size_t salt_len;
	unsigned iterations;
	char *password;         /* prepared */
	struct msv_buf message; /* AuthMessage */
	size_t final;           /* where client-final-without-proof begins in it */
	uint8_t proof[MSV_SHA256_SIZE], signature[MSV_SHA256_SIZE];
	int error;
};

static void job_free(struct msv_scram_job *job)
{
	if (!job)
		return;
	msv_buf_fini(&job->message);
	msv_free_string_secret(job->env, job->password);
	msv_free_secret(job->env, job, sizeof(*job));
}

void msv_scram_job_leave(struct msv_scram_job *job)
{
	job->client = NULL;
}

/* -- client-first ------------------------------------------------------------------ */

/* "n=" saslname "," "r=" nonce */
static int write_first(struct msv_sasl_client *client)
{
	struct msv_buf *out = &client->first_bare;
	char *user = msv_saslprep(client->env, client->user);

	if (!user)
		return MSV_ERR_NOMEM;
	msv_buf_puts(out, "n=");
	for (const char *p = user; *p; p++) {
		if (*p == ',')
			msv_buf_puts(out, "=2C");
		else if (*p == '=')
			msv_buf_puts(out, "=3D");
		else
			msv_buf_putc(out, *p);
	}
	msv_buf_printf(out, ",r=%s", client->nonce);
	msv_free_string_secret(client->env, user);
	return msv_buf_failed(out) ? MSV_ERR_NOMEM : 0;
}

static void client_first(struct msv_sasl_client *client)
{
	struct msv_buf message;
	int error = write_first(client);

	msv_buf_init(&message, client->env);
	msv_buf_puts(&message, "n,,");
	msv_buf_put(&message, msv_buf_data(&client->first_bare), msv_buf_len(&client->first_bare));
	if (error || msv_buf_failed(&message))
		msv_sasl_client_fail(client, MSV_ERR_NOMEM);
	else
		msv_sasl_client_reply(client, msv_buf_data(&message), msv_buf_len(&message));
	msv_buf_fini(&message);
}

/* -- server-first ------------------------------------------------------------------- */

/* "name=value" up to a comma or the end; takes it. */
static bool take(struct msv_span *s, char name, struct msv_span *value)
{
	if (s->n < 2 || s->p[0] != name || s->p[1] != '=')
		return false;
	const char *comma = memchr(s->p, ',', s->n);
	size_t n = comma ? (size_t)(comma - s->p) : s->n;
	*value = (struct msv_span){ s->p + 2, n - 2 };
	n += comma != NULL;
	*s = (struct msv_span){ s->p + n, s->n - n };
	return true;
}

static int read_iterations(struct msv_span text, unsigned *out)
{
	unsigned n = 0;

	for (size_t i = 0; i < text.n; i++) {
		if (text.p[i] < '0' || text.p[i] > '9')
			return MSV_ERR_FORMAT;
		n = n * 10 + (unsigned)(text.p[i] - '0');
		if (n > ITERATIONS_MAX)
			return MSV_ERR_LIMIT;
	}
	*out = n;
	return n ? 0 : MSV_ERR_FORMAT;
}

static int read_salt(struct msv_span text, struct msv_scram_job *job)
{
	uint8_t bytes[MSV_BASE64_DECODED_SIZE(MSV_BASE64_SIZE(MSV_SCRAM_SALT_MAX))];

	if (MSV_BASE64_DECODED_SIZE(text.n) > sizeof(bytes) ||
	    msv_base64_decode(text.p, text.n, bytes, &job->salt_len) || !job->salt_len ||
	    job->salt_len > sizeof(job->salt))
		return MSV_ERR_FORMAT;
	memcpy(job->salt, bytes, job->salt_len);
	return 0;
}

/* The nonce is ours with something behind it. */
static bool nonce_ok(const struct msv_sasl_client *client, struct msv_span nonce)
{
	size_t n = strlen(client->nonce);

	return nonce.n > n && memcmp(nonce.p, client->nonce, n) == 0;
}

/* "r=" nonce "," "s=" salt "," "i=" iteration-count ["," extensions] */
static int read_server_first(
    struct msv_sasl_client *client, struct msv_span message, struct msv_scram_job *job)
{
	struct msv_span s = message, nonce, salt, iterations;
	int error;

	if (message.n > MESSAGE_MAX || !take(&s, 'r', &nonce) || !take(&s, 's', &salt) ||
	    !take(&s, 'i', &iterations) || !nonce_ok(client, nonce))
		return MSV_ERR_FORMAT;
	if ((error = read_salt(salt, job)) ||
	    (error = read_iterations(iterations, &job->iterations)))
		return error;
	msv_buf_put(
	    &job->message, msv_buf_data(&client->first_bare), msv_buf_len(&client->first_bare));
	msv_buf_putc(&job->message, ',');
	msv_buf_put(&job->message, message.p, message.n);
	msv_buf_putc(&job->message, ',');
	job->final = msv_buf_len(&job->message);
	msv_buf_puts(&job->message, "c=biws,r="); /* base64 of "n,," */
	msv_buf_put(&job->message, nonce.p, nonce.n);
	return msv_buf_failed(&job->message) ? MSV_ERR_NOMEM : 0;
}

/* -- The job --------------------------------------------------------------------------- */

/* RFC 5802 3. */
static int derive(struct msv_scram_job *job)
{
	const char *message = msv_buf_data(&job->message);
	size_t n = msv_buf_len(&job->message);
	uint8_t salted[MSV_SHA256_SIZE], key[MSV_SHA256_SIZE], stored[MSV_SHA256_SIZE],
	    server[MSV_SHA256_SIZE], signature[MSV_SHA256_SIZE];
	int error;

	if ((error = msv_pbkdf2(MSV_SHA256, job->password, strlen(job->password), job->salt,
	         job->salt_len, job->iterations, salted, sizeof(salted))) == 0 &&
	    (error = msv_hmac(MSV_SHA256, salted, sizeof(salted), "Client Key", 10, key)) == 0 &&
	    (error = msv_sha256(key, sizeof(key), stored)) == 0 &&
	    (error = msv_hmac(MSV_SHA256, stored, sizeof(stored), message, n, signature)) == 0 &&
	    (error = msv_hmac(MSV_SHA256, salted, sizeof(salted), "Server Key", 10, server)) == 0)
		error = msv_hmac(MSV_SHA256, server, sizeof(server), message, n, job->signature);
	for (size_t i = 0; !error && i < sizeof(key); i++)
		job->proof[i] = key[i] ^ signature[i];
	explicit_bzero(salted, sizeof(salted));
	explicit_bzero(key, sizeof(key));
	explicit_bzero(server, sizeof(server));
	return error;
}

static void work(void *data)
{
	struct msv_scram_job *job = data;

	job->error = derive(job);
}

static void client_final(struct msv_sasl_client *client, const struct msv_scram_job *job)
{
	char proof[MSV_BASE64_SIZE(MSV_SHA256_SIZE)];
	struct msv_buf text;

	msv_base64_encode(job->proof, sizeof(job->proof), proof);
	memcpy(client->signature, job->signature, sizeof(client->signature));
	msv_buf_init(&text, client->env);
	msv_buf_put(&text, msv_buf_data(&job->message) + job->final,
	    msv_buf_len(&job->message) - job->final);
	msv_buf_printf(&text, ",p=%s", proof);
	if (msv_buf_failed(&text))
		msv_sasl_client_fail(client, MSV_ERR_NOMEM);
	else
		msv_sasl_client_reply(client, msv_buf_data(&text), msv_buf_len(&text));
	msv_buf_fini(&text);
}

static void done(void *data)
{
	struct msv_scram_job *job = data;
	struct msv_sasl_client *client = job->client;

	if (client) {
		client->job = NULL;
		if (job->error)
			msv_sasl_client_fail(client, job->error);
		else
			client_final(client, job);
	}
	job_free(job);
}

static void server_first(struct msv_sasl_client *client, struct msv_span message)
{
	struct msv_scram_job *job = msv_alloc(client->env, sizeof(*job));
	int error = MSV_ERR_NOMEM;

	if (!job)
		goto fail;
	job->env = client->env;
	job->client = client;
	msv_buf_init(&job->message, client->env);
	job->password = msv_saslprep(client->env, client->password);
	if (!job->password || (error = read_server_first(client, message, job)))
		goto fail;
	error = msv_env_offload(client->env, MSV_LANE_HASH, work, done, job);
	if (error)
		goto fail;
	client->job = job;
	return;

fail:
	job_free(job);
	msv_sasl_client_fail(client, error);
}

/* -- server-final ----------------------------------------------------------------------- */

/* "v=" base64 of the signature that only who has the keys can make, or "e=". */
static void server_final(struct msv_sasl_client *client, struct msv_span message)
{
	char wanted[2 + MSV_BASE64_SIZE(MSV_SHA256_SIZE)] = "v=";
	size_t n = sizeof(wanted) - 1;

	msv_base64_encode(client->signature, sizeof(client->signature), wanted + 2);
	client->proved = message.n >= n && msv_secret_equal(message.p, wanted, n) &&
	                 (message.n == n || message.p[n] == ',');
	if (client->proved)
		msv_sasl_client_reply(client, "", 0);
	else
		msv_sasl_client_fail(client, MSV_ERR_AUTH);
}

static void step(struct msv_sasl_client *client, const char *p, size_t n)
{
	struct msv_span message = { p, n };

	/* A server that asks for an initial response sends an empty challenge. */
	if (!msv_buf_len(&client->first_bare) && !n)
		client_first(client);
	else if (client->steps == 2 && n)
		server_first(client, message);
	else if (client->steps == 3)
		server_final(client, message);
	else
		msv_sasl_client_fail(client, MSV_ERR_FORMAT);
}

const struct msv_sasl_client_mechanism msv_sasl_client_scram = { "SCRAM-SHA-256", step, true };
