#include <openssl/err.h>
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

/* What to verify the server's certificate with; 0 or MSV_ERR_TLS. */
static int set_trust(SSL_CTX *ctx, const struct msv_tls_client_options *options)
{
	int ok;

	if (!options->verify)
		return 0;
	if (options->ca_file)
		ok = SSL_CTX_load_verify_file(ctx, options->ca_file);
	else
		ok = SSL_CTX_set_default_verify_paths(ctx);
	SSL_CTX_set_verify(ctx, SSL_VERIFY_PEER, NULL);
	return ok == 1 ? 0 : MSV_ERR_TLS;
}

/* The name to ask for and to find in the certificate (RFC 9525 6). */
static int set_name(SSL *ssl, const struct msv_tls_client_options *options)
{
	X509_VERIFY_PARAM *param = SSL_get0_param(ssl);
	bool address;

	if (!options->hostname)
		return options->verify ? MSV_ERR_INVAL : 0;
	address = is_address(options->hostname);
	/* RFC 6066 3: SNI holds no addresses. */
	if (!address && SSL_set_tlsext_host_name(ssl, options->hostname) != 1)
		return MSV_ERR_INVAL;
	if (!options->verify)
		return 0;
	X509_VERIFY_PARAM_set_hostflags(
	    param, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS | X509_CHECK_FLAG_NEVER_CHECK_SUBJECT);
	if (address)
		return X509_VERIFY_PARAM_set1_ip_asc(param, options->hostname) == 1 ? 0
		                                                                    : MSV_ERR_NOMEM;
	return X509_VERIFY_PARAM_set1_host(param, options->hostname, 0) == 1 ? 0 : MSV_ERR_NOMEM;
}

/* A set of one context, for one connection. */
static int client_set(
    struct msv_env *env, const struct msv_tls_client_options *options, struct msv_tls_set **out)
{
	struct msv_tls_set *set = msv_tls_set_new(env, 1);
	int error;

	if (!set)
		return MSV_ERR_NOMEM;
	set->ctx[0] = msv_tls_context_new(TLS_client_method(), false);
	if (!set->ctx[0]) {
		msv_tls_set_unref(set);
		return MSV_ERR_NOMEM;
	}
	set->nctx = 1;
	error = set_trust(set->ctx[0], options);
	if (error) {
		msv_tls_set_unref(set);
		return error;
	}
	*out = set;
	return 0;
}

int msv_tls_client_filter(
    struct msv_env *env, const struct msv_tls_client_options *given, struct msv_filter **out)
{
	struct msv_tls_client_options options = { 0 };
	struct msv_tls_set *set;
	struct msv_filter *filter;
	int error;

	memcpy(&options, given, given->size < sizeof(options) ? given->size : sizeof(options));
	error = client_set(env, &options, &set);
	ERR_clear_error();
	if (error)
		return error;
	error = msv_tls_filter_new(set, false, &filter);
	msv_tls_set_unref(set);
	if (error)
		return error;
	error = set_name(((struct msv_tls_filter *)filter)->ssl, &options);
	ERR_clear_error();
	if (error) {
		filter->ops->free(filter);
		return error;
	}
	*out = filter;
	return 0;
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
