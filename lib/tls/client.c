#include <limits.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <string.h>

#include "base/conn.h"
#include "tls/tls.h"

static bool is_address(const char *hostname)
{
	ASN1_OCTET_STRING *ip = a2i_IPADDRESS(hostname);
	bool is = ip != NULL;

	ASN1_OCTET_STRING_free(ip);
	ERR_clear_error();
	return is;
}

/* -- What is trusted --------------------------------------------------------------- */

struct msv_tls_client {
	struct msv_env *env;
	struct msv_tls_set *set; /* of one context */
};

/* Adds the certificates of a PEM text, at least one. */
static int add_roots(SSL_CTX *ctx, const void *pem, size_t n)
{
	BIO *bio = n <= INT_MAX ? BIO_new_mem_buf(pem, (int)n) : NULL;
	int added = 0, ok = 1;
	X509 *x;

	if (!bio)
		return 0;
	while (ok == 1 && (x = PEM_read_bio_X509(bio, NULL, NULL, NULL))) {
		ok = X509_STORE_add_cert(SSL_CTX_get_cert_store(ctx), x);
		X509_free(x);
		added++;
	}
	BIO_free(bio);
	return ok == 1 && added;
}

/* What to verify servers' certificates with; 0 or MSV_ERR_TLS. */
static int set_roots(SSL_CTX *ctx, const struct msv_tls_client_config *config)
{
	int ok;

	if (config->ca_pem)
		ok = add_roots(ctx, config->ca_pem, config->ca_len);
	else if (config->ca_file)
		ok = SSL_CTX_load_verify_file(ctx, config->ca_file);
	else
		ok = SSL_CTX_set_default_verify_paths(ctx);
	return ok == 1 ? 0 : MSV_ERR_TLS;
}

/* A set of one context; roots are read only where somebody looks at them. */
static int client_set(struct msv_env *env, const struct msv_tls_client_config *config, bool roots,
    struct msv_tls_set **out)
{
	struct msv_tls_set *set = msv_tls_set_new(env, 1);
	int error = MSV_ERR_NOMEM;

	if (!set)
		return error;
	set->ctx[0] = msv_tls_context_new(TLS_client_method(), config->tls13_only);
	if (set->ctx[0]) {
		set->nctx = 1;
		error = roots ? set_roots(set->ctx[0], config) : 0;
	}
	ERR_clear_error();
	if (error) {
		msv_tls_set_unref(set);
		return error;
	}
	*out = set;
	return 0;
}

int msv_tls_client_new(
    struct msv_env *env, const struct msv_tls_client_config *given, struct msv_tls_client **out)
{
	struct msv_tls_client_config config = { 0 };
	struct msv_tls_client *client = msv_alloc(env, sizeof(*client));
	int error;

	if (given)
		memcpy(&config, given, given->size < sizeof(config) ? given->size : sizeof(config));
	if (!client)
		return MSV_ERR_NOMEM;
	error = client_set(env, &config, true, &client->set);
	if (error) {
		msv_free(env, client);
		return error;
	}
	client->env = env;
	*out = client;
	return 0;
}

void msv_tls_client_free(struct msv_tls_client *client)
{
	struct msv_tls_set *set;

	if (!client)
		return;
	set = client->set;
	msv_free(client->env, client);
	msv_tls_set_unref(set);
}

/* -- Who is expected ----------------------------------------------------------------- */

/* The name to ask for and to find in the certificate (RFC 9525 6). */
static int set_name(struct msv_tls_filter *filter, const struct msv_tls_expect *expect)
{
	X509_VERIFY_PARAM *param = SSL_get0_param(filter->ssl);
	int ok;

	if (!expect->hostname)
		return expect->verify ? MSV_ERR_INVAL : 0;
	filter->named = true;
	X509_VERIFY_PARAM_set_hostflags(
	    param, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS | X509_CHECK_FLAG_NEVER_CHECK_SUBJECT);
	if (is_address(expect->hostname)) { /* RFC 6066 3: SNI holds no addresses */
		ok = X509_VERIFY_PARAM_set1_ip_asc(param, expect->hostname);
	} else {
		if (SSL_set_tlsext_host_name(filter->ssl, expect->hostname) != 1)
			return MSV_ERR_INVAL;
		ok = X509_VERIFY_PARAM_set1_host(param, expect->hostname, 0);
	}
	return ok == 1 ? 0 : MSV_ERR_NOMEM;
}

static int client_filter(
    struct msv_tls_set *set, const struct msv_tls_expect *expect, struct msv_filter **out)
{
	struct msv_filter *base;
	int error = msv_tls_filter_new(set, false, &base);

	if (error)
		return error;
	struct msv_tls_filter *filter = (struct msv_tls_filter *)base;
	if (expect->verify)
		SSL_set_verify(filter->ssl, SSL_VERIFY_PEER, NULL);
	error = set_name(filter, expect);
	ERR_clear_error();
	if (error) {
		base->ops->free(base);
		return error;
	}
	*out = base;
	return 0;
}

int msv_tls_client_start(
    struct msv_tls_client *client, struct msv_conn *conn, const struct msv_tls_expect *given)
{
	struct msv_tls_expect expect = { 0 };
	struct msv_filter *filter;
	int error;

	memcpy(&expect, given, given->size < sizeof(expect) ? given->size : sizeof(expect));
	error = client_filter(client->set, &expect, &filter);
	if (!error)
		return msv_conn_push_filter(conn, filter);
	msv_conn_break(conn); /* nothing may be said in the clear now */
	return error;
}

bool msv_tls_verified(const struct msv_conn *conn, const char **why)
{
	const struct msv_tls_filter *filter = msv_tls_filter_of(msv_conn_filter(conn, "tls"));
	const char *reason = NULL;

	if (!filter)
		reason = "the connection is not encrypted";
	else if (filter->failed)
		reason = filter->why ? filter->why : msv_strerror(filter->failed);
	else if (!filter->up)
		reason = "the handshake is not over";
	else if (filter->server || !filter->named)
		reason = "no name was expected";
	else if (SSL_get_verify_result(filter->ssl) != X509_V_OK)
		reason = X509_verify_cert_error_string(SSL_get_verify_result(filter->ssl));
	else if (!SSL_get0_peer_certificate(filter->ssl))
		reason = "the server has no certificate";
	if (why)
		*why = reason;
	return !reason;
}

/* -- One connection's own trust ---------------------------------------------------- */

int msv_tls_client_filter(
    struct msv_env *env, const struct msv_tls_client_options *given, struct msv_filter **out)
{
	struct msv_tls_client_options options = { 0 };
	struct msv_tls_set *set;
	int error;

	memcpy(&options, given, given->size < sizeof(options) ? given->size : sizeof(options));
	struct msv_tls_client_config config = { .ca_file = options.ca_file };
	struct msv_tls_expect expect = { sizeof(expect), options.hostname, options.verify };
	error = client_set(env, &config, options.verify, &set);
	if (error)
		return error;
	error = client_filter(set, &expect, out);
	msv_tls_set_unref(set);
	return error;
}

int msv_tls_connect(struct msv_conn *conn, const struct msv_tls_client_options *options)
{
	struct msv_filter *filter;
	int error = msv_tls_client_filter(msv_conn_env(conn), options, &filter);

	if (!error)
		return msv_conn_push_filter(conn, filter);
	msv_conn_break(conn); /* nothing may be said in the clear now */
	return error;
}
