#include <openssl/err.h>
#include <openssl/x509v3.h>
#include <string.h>

#include "base/conn.h"
#include "tls/tls.h"

struct msv_tls {
	struct msv_env *env;
	struct msv_tls_set *set; /* what new connections get */
};

/* Forward secrecy and authenticated encryption only (TLS 1.2; TLS 1.3 has
 * nothing else).  No finite-field DH, hence no parameters. */
static const char ciphers[] = "ECDHE+AESGCM:ECDHE+CHACHA20";

SSL_CTX *msv_tls_context_new(const SSL_METHOD *method, bool tls13_only)
{
	SSL_CTX *ctx = SSL_CTX_new(method);

	if (!ctx)
		return NULL;
	if (!SSL_CTX_set_min_proto_version(ctx, tls13_only ? TLS1_3_VERSION : TLS1_2_VERSION) ||
	    !SSL_CTX_set_max_proto_version(ctx, 0) || !SSL_CTX_set_cipher_list(ctx, ciphers)) {
		SSL_CTX_free(ctx);
		return NULL;
	}
	SSL_CTX_set_options(ctx, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION);
	/* Idle connections keep no record buffers.  The chain is the file's: none
	 * is looked for in the system's store. */
	SSL_CTX_set_mode(ctx, SSL_MODE_RELEASE_BUFFERS | SSL_MODE_NO_AUTO_CHAIN);
	SSL_CTX_set_read_ahead(ctx, 0);
	/* Tickets resume a session without memory here. */
	SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_OFF);
	return ctx;
}

/* -- Generations --------------------------------------------------------------- */

struct msv_tls_set *msv_tls_set_new(struct msv_env *env, size_t n)
{
	struct msv_tls_set *set = msv_alloc(env, sizeof(*set));

	if (!set)
		return NULL;
	set->env = env;
	set->refs = 1;
	msv_env_ref(env);
	set->ctx = msv_alloc(env, n * sizeof(*set->ctx));
	set->wire = msv_tls_wire_method();
	if (!set->ctx || !set->wire) {
		msv_tls_set_unref(set);
		return NULL;
	}
	return set;
}

void msv_tls_set_ref(struct msv_tls_set *set)
{
	set->refs++;
}

void msv_tls_set_unref(struct msv_tls_set *set)
{
	struct msv_env *env;

	if (!set || --set->refs)
		return;
	env = set->env;
	for (size_t i = 0; i < set->nctx; i++)
		SSL_CTX_free(set->ctx[i]);
	BIO_meth_free(set->wire);
	msv_free(env, set->ctx);
	msv_free(env, set);
	msv_env_unref(env);
}

/* -- The name the client asks for (SNI) ----------------------------------------- */

/* The context whose certificate is for that name; NULL: none. */
static SSL_CTX *find_context(const struct msv_tls_set *set, const char *name, unsigned flags)
{
	size_t n = strlen(name);

	if (n && name[n - 1] == '.')
		n--;
	for (size_t i = 0; n && i < set->nctx; i++)
		if (X509_check_host(SSL_CTX_get0_certificate(set->ctx[i]), name, n, flags, NULL) ==
		    1)
			return set->ctx[i];
	return NULL;
}

static int choose_by_name(SSL *ssl, int *alert, void *user)
{
	const struct msv_tls_set *set = user;
	const char *name = SSL_get_servername(ssl, TLSEXT_NAMETYPE_host_name);
	SSL_CTX *ctx = NULL;

	(void)alert;
	if (name) {
		/* A certificate for the very name goes before a wildcard. */
		ctx = find_context(set, name, X509_CHECK_FLAG_NO_WILDCARDS);
		if (!ctx)
			ctx = find_context(set, name, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
	}
	ERR_clear_error();
	if (!ctx)
		return SSL_TLSEXT_ERR_NOACK;
	return SSL_set_SSL_CTX(ssl, ctx) ? SSL_TLSEXT_ERR_OK : SSL_TLSEXT_ERR_ALERT_FATAL;
}

/* -- Loading -------------------------------------------------------------------- */

/* OpenSSL will not use this certificate or key: one line. */
static int report_refused(const struct msv_tls_cert *cert, struct msv_tls_report *report)
{
	unsigned long e = ERR_peek_last_error();
	const char *why = ERR_reason_error_string(e);
	int reason = ERR_GET_REASON(e);

	if (ERR_GET_LIB(e) == ERR_LIB_SSL &&
	    (reason == SSL_R_EE_KEY_TOO_SMALL || reason == SSL_R_CA_KEY_TOO_SMALL ||
	        reason == SSL_R_CA_MD_TOO_WEAK))
		msv_tls_say(report, MSV_LOG_ERROR,
		    "%s: too weak to be used (%s); issue one with an ECDSA P-256 key, or RSA of "
		    "2048 bits or "
		    "more, signed with SHA-256",
		    cert->cert_name, why);
	else
		msv_tls_say(report, MSV_LOG_ERROR,
		    "%s: cannot be used for TLS (%s); issue one with an ECDSA P-256 or RSA key",
		    cert->cert_name, why ? why : "unknown kind of key");
	ERR_clear_error();
	return MSV_ERR_TLS;
}

/* A server's context with that certificate, to the end of the set. */
static int add_context(struct msv_tls_set *set, const struct msv_tls_cert *cert,
    struct msv_tls_report *report, bool tls13_only)
{
	SSL_CTX *ctx = msv_tls_context_new(TLS_server_method(), tls13_only);
	int64_t expires = msv_tls_time(X509_get0_notAfter(cert->leaf));

	if (!ctx)
		return MSV_ERR_NOMEM;
	set->ctx[set->nctx++] = ctx;
	ERR_clear_error();
	if (SSL_CTX_use_certificate(ctx, cert->leaf) != 1 ||
	    SSL_CTX_set1_chain(ctx, cert->chain) != 1 ||
	    SSL_CTX_use_PrivateKey(ctx, cert->key) != 1)
		return report_refused(cert, report);
	SSL_CTX_set_tlsext_servername_callback(ctx, choose_by_name);
	SSL_CTX_set_tlsext_servername_arg(ctx, set);
	if (!set->expires || expires < set->expires)
		set->expires = expires;
	return 0;
}

/* The i-th pair, of whatever version of the struct. */
static struct msv_tls_pair pair_at(const struct msv_tls_options *options, size_t i)
{
	struct msv_tls_pair pair = { 0 };
	size_t size = options->pairs[0].size;

	memcpy(&pair, (const char *)options->pairs + i * size,
	    size < sizeof(pair) ? size : sizeof(pair));
	return pair;
}

static int load_pair(struct msv_tls_set *set, const struct msv_tls_options *options, size_t i,
    struct msv_tls_report *report)
{
	struct msv_tls_pair pair = pair_at(options, i);
	struct msv_tls_cert cert;
	int error = msv_tls_cert_load(&cert, report, &pair);

	if (error)
		return error;
	for (size_t k = 0; i == 0 && k < options->nhostnames; k++)
		msv_tls_cert_check_name(&cert, report, options->hostnames[k]);
	error = add_context(set, &cert, report, options->tls13_only);
	msv_tls_cert_free(&cert);
	return error;
}

/* Loads all pairs; every one is looked at, also after a bad one. */
static int load_set(struct msv_env *env, const struct msv_tls_options *options,
    struct msv_tls_report *report, struct msv_tls_set **out)
{
	struct msv_tls_set *set;
	int first = 0;

	if (!options->pairs || !options->npairs || !options->pairs[0].size)
		return MSV_ERR_INVAL;
	set = msv_tls_set_new(env, options->npairs);
	if (!set)
		return MSV_ERR_NOMEM;
	for (size_t i = 0; i < options->npairs; i++) {
		int error = load_pair(set, options, i, report);

		if (error && !first)
			first = error;
	}
	if (first) {
		msv_tls_set_unref(set);
		return first;
	}
	*out = set;
	return 0;
}

static struct msv_tls_options take_options(const struct msv_tls_options *given)
{
	struct msv_tls_options options = { 0 };

	memcpy(&options, given, given->size < sizeof(options) ? given->size : sizeof(options));
	return options;
}

int msv_tls_new(struct msv_env *env, const struct msv_tls_options *given, struct msv_tls **out)
{
	struct msv_tls_options options = take_options(given);
	struct msv_tls_report report;
	struct msv_tls *tls = msv_alloc(env, sizeof(*tls));
	int error;

	if (!tls)
		return MSV_ERR_NOMEM;
	msv_tls_report_init(&report, env, &options);
	error = load_set(env, &options, &report, &tls->set);
	if (error) {
		msv_free(env, tls);
		return error;
	}
	tls->env = env;
	msv_env_ref(env);
	*out = tls;
	return 0;
}

int msv_tls_reload(struct msv_tls *tls, const struct msv_tls_options *given)
{
	struct msv_tls_options options = take_options(given);
	struct msv_tls_report report;
	struct msv_tls_set *set;
	int error;

	msv_tls_report_init(&report, tls->env, &options);
	error = load_set(tls->env, &options, &report, &set);
	if (error) {
		msv_tls_say(&report, MSV_LOG_ERROR,
		    "certificates not changed (%s): those loaded before stay in use; mend the "
		    "above and "
		    "reload again",
		    msv_strerror(error));
		return error;
	}
	msv_tls_set_unref(tls->set);
	tls->set = set;
	return 0;
}

void msv_tls_free(struct msv_tls *tls)
{
	struct msv_env *env;

	if (!tls)
		return;
	env = tls->env;
	msv_tls_set_unref(tls->set);
	msv_free(env, tls);
	msv_env_unref(env);
}

int msv_tls_check(struct msv_env *env, const struct msv_tls_options *given, unsigned *warnings)
{
	struct msv_tls_options options = take_options(given);
	struct msv_tls_report report;
	struct msv_tls_set *set;
	int error;

	msv_tls_report_init(&report, env, &options);
	error = load_set(env, &options, &report, &set);
	if (!error)
		msv_tls_set_unref(set);
	if (warnings)
		*warnings = report.warnings;
	return error;
}

int64_t msv_tls_expires(const struct msv_tls *tls)
{
	return tls->set->expires;
}

int msv_tls_server_filter(struct msv_tls *tls, struct msv_filter **out)
{
	return msv_tls_filter_new(tls->set, true, out);
}

int msv_tls_accept(struct msv_tls *tls, struct msv_conn *conn)
{
	struct msv_filter *filter;
	int error = msv_tls_server_filter(tls, &filter);

	if (!error)
		return msv_conn_push_filter(conn, filter);
	msv_conn_break(conn); /* nothing may be said in the clear now */
	return error;
}
