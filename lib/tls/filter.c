#include <limits.h>
#include <openssl/err.h>
#include <openssl/x509.h>
#include <string.h>

#include "tls/tls.h"

/* -- The BIO: no buffers of our own --------------------------------------------- */

static int wire_read(BIO *bio, char *p, int n)
{
	struct msv_tls_filter *filter = BIO_get_data(bio);
	size_t take = (size_t)n;

	BIO_clear_retry_flags(bio);
	if (n <= 0)
		return 0;
	if (!filter->in_len) {
		BIO_set_retry_read(bio);
		return -1;
	}
	if (take > filter->in_len)
		take = filter->in_len;
	memcpy(p, filter->in, take);
	filter->in += take;
	filter->in_len -= take;
	return (int)take;
}

static int wire_write(BIO *bio, const char *p, int n)
{
	struct msv_tls_filter *filter = BIO_get_data(bio);

	BIO_clear_retry_flags(bio);
	if (n <= 0)
		return 0;
	if (!filter->wire_error && filter->wire)
		filter->wire_error = filter->wire->put(filter->wire, p, (size_t)n);
	return filter->wire_error || !filter->wire ? -1 : n;
}

static long wire_ctrl(BIO *bio, int cmd, long n, void *p)
{
	(void)bio;
	(void)n;
	(void)p;
	return cmd == BIO_CTRL_FLUSH;
}

BIO_METHOD *msv_tls_wire_method(void)
{
	BIO_METHOD *method = BIO_meth_new(BIO_TYPE_SOURCE_SINK, "msv_tls");

	if (!method)
		return NULL;
	if (!BIO_meth_set_read(method, wire_read) || !BIO_meth_set_write(method, wire_write) ||
	    !BIO_meth_set_ctrl(method, wire_ctrl)) {
		BIO_meth_free(method);
		return NULL;
	}
	return method;
}

/* -- Input ---------------------------------------------------------------------- */

static struct msv_tls_filter *from_base(struct msv_filter *filter)
{
	return (struct msv_tls_filter *)filter;
}

/* Keeps the peer's first bytes, to tell plain text from TLS afterwards. */
static void keep_first(struct msv_tls_filter *filter, const char *p, size_t n)
{
	size_t room = sizeof(filter->first) - filter->nfirst;

	if (n > room)
		n = room;
	if (n)
		memcpy(filter->first + filter->nfirst, p, n);
	filter->nfirst += n;
}

/* What an OpenSSL call that did not succeed means: 0 (it wants more bytes), 1
 * (close_notify), or the error that ends the connection. */
static int judge(struct msv_tls_filter *filter, int result)
{
	int e = SSL_get_error(filter->ssl, result);

	if (e == SSL_ERROR_WANT_READ)
		return 0;
	if (e == SSL_ERROR_ZERO_RETURN && filter->up) {
		filter->closed = true;
		return 1;
	}
	filter->failed = filter->wire_error ? filter->wire_error : MSV_ERR_TLS;
	msv_tls_explain(filter);
	ERR_clear_error();
	return filter->failed;
}

/* Gives all plain bytes there are to the sink. */
static int read_plain(struct msv_tls_filter *filter, struct msv_filter_sink *plain)
{
	char buf[4096];
	size_t n;
	int result, error = 0;

	while ((result = SSL_read_ex(filter->ssl, buf, sizeof(buf), &n)) == 1) {
		error = plain->put(plain, buf, n);
		if (error)
			break;
	}
	OPENSSL_cleanse(buf, sizeof(buf));
	if (error) {
		filter->failed = error;
		return error;
	}
	return judge(filter, result);
}

static int progress(struct msv_tls_filter *filter, struct msv_filter_sink *plain)
{
	int result;

	if (filter->failed)
		return filter->failed;
	if (filter->closed)
		return 1;
	ERR_clear_error();
	if (!filter->up) {
		result = SSL_do_handshake(filter->ssl);
		if (result != 1)
			return judge(filter, result);
		filter->up = true;
	}
	return read_plain(filter, plain);
}

static int decode(struct msv_filter *base, const void *p, size_t n, struct msv_filter_sink *plain,
    struct msv_filter_sink *wire)
{
	struct msv_tls_filter *filter = from_base(base);
	int result;

	keep_first(filter, p, n);
	filter->in = p;
	filter->in_len = n;
	filter->wire = wire;
	result = progress(filter, plain);
	filter->wire = NULL;
	filter->in = NULL;
	filter->in_len = 0;
	return result;
}

/* A stream that ends after the handshake without close_notify is an end as
 * any other: SMTP and IMAP know by themselves whether something was cut. */
static int stream_ended(struct msv_filter *base, int error)
{
	struct msv_tls_filter *filter = from_base(base);

	if (filter->failed)
		return filter->failed;
	if (filter->up)
		return 0;
	filter->failed = MSV_ERR_TLS;
	msv_tls_explain_eof(filter, error);
	return filter->failed;
}

/* -- Output --------------------------------------------------------------------- */

static int encode(struct msv_filter *base, const void *p, size_t n, struct msv_filter_sink *wire)
{
	struct msv_tls_filter *filter = from_base(base);
	size_t written;
	int result;

	if (filter->failed)
		return filter->failed;
	if (!filter->up)
		return MSV_ERR_INVAL;
	if (!n)
		return 0;
	ERR_clear_error();
	filter->wire = wire;
	result = SSL_write_ex(filter->ssl, p, n, &written);
	if (result != 1) {
		filter->failed = filter->wire_error ? filter->wire_error : MSV_ERR_TLS;
		msv_tls_explain(filter);
	}
	filter->wire = NULL;
	ERR_clear_error();
	return filter->failed;
}

static bool ready(const struct msv_filter *base)
{
	const struct msv_tls_filter *filter = (const struct msv_tls_filter *)base;

	return filter->up && !filter->failed;
}

static void finish(struct msv_filter *base, struct msv_filter_sink *wire)
{
	struct msv_tls_filter *filter = from_base(base);

	if (!ready(base))
		return;
	filter->wire = wire;
	SSL_shutdown(filter->ssl); /* close_notify; the peer's is not waited for */
	filter->wire = NULL;
	ERR_clear_error();
}

/* -- Facts ---------------------------------------------------------------------- */

static const char *describe(const struct msv_filter *base)
{
	const struct msv_tls_filter *filter = (const struct msv_tls_filter *)base;

	return filter->up ? SSL_get_version(filter->ssl) : "";
}

static const char *failure(const struct msv_filter *base)
{
	const struct msv_tls_filter *filter = (const struct msv_tls_filter *)base;

	if (!filter->failed)
		return NULL;
	return filter->why ? filter->why : msv_strerror(filter->failed);
}

/* RFC 9266. */
static int binding_exporter(struct msv_tls_filter *filter, unsigned char *buf, size_t *n)
{
	static const char label[] = "EXPORTER-Channel-Binding";

	if (*n < 32)
		return MSV_ERR_LIMIT;
	/* 4.2: TLS 1.2 without the extended master secret is not unique. */
	if (SSL_version(filter->ssl) < TLS1_3_VERSION && SSL_get_extms_support(filter->ssl) != 1)
		return MSV_ERR_UNSUPPORTED;
	if (SSL_export_keying_material(filter->ssl, buf, 32, label, sizeof(label) - 1,
	        (const unsigned char *)"", 0, 1) != 1)
		return MSV_ERR_TLS;
	*n = 32;
	return 0;
}

/* The digest of RFC 5929 4.1 for a server's certificate; NULL: undefined. */
static const EVP_MD *end_point_digest(X509 *x)
{
	int nid;

	if (X509_get_signature_info(x, &nid, NULL, NULL, NULL) != 1 || nid == NID_undef)
		return NULL;
	if (nid == NID_md5 || nid == NID_sha1)
		nid = NID_sha256;
	return EVP_get_digestbynid(nid);
}

/* RFC 5929 4. */
static int binding_end_point(struct msv_tls_filter *filter, unsigned char *buf, size_t *n)
{
	X509 *x = filter->server ? SSL_get_certificate(filter->ssl)
	                         : SSL_get0_peer_certificate(filter->ssl);
	const EVP_MD *md = x ? end_point_digest(x) : NULL;
	unsigned len;

	if (!md)
		return MSV_ERR_UNSUPPORTED;
	if (*n < (size_t)EVP_MD_get_size(md))
		return MSV_ERR_LIMIT;
	if (X509_digest(x, md, buf, &len) != 1)
		return MSV_ERR_TLS;
	*n = len;
	return 0;
}

static int binding(struct msv_filter *base, const char *type, void *buf, size_t *n)
{
	struct msv_tls_filter *filter = from_base(base);
	int error = MSV_ERR_UNSUPPORTED;

	if (!ready(base))
		return MSV_ERR_INVAL;
	if (strcmp(type, "tls-exporter") == 0)
		error = binding_exporter(filter, buf, n);
	else if (strcmp(type, "tls-server-end-point") == 0)
		error = binding_end_point(filter, buf, n);
	ERR_clear_error();
	return error;
}

/* -- Life ------------------------------------------------------------------------ */

static void free_filter(struct msv_filter *base)
{
	struct msv_tls_filter *filter = from_base(base);
	struct msv_tls_set *set;
	struct msv_env *env;

	if (!filter)
		return;
	env = filter->env;
	set = filter->set;
	SSL_free(filter->ssl);
	msv_free(env, filter->why);
	msv_free(env, filter);
	msv_tls_set_unref(set);
}

static const struct msv_filter_ops filter_ops = {
	.size = sizeof(filter_ops),
	.name = "tls",
	.decode = decode,
	.eof = stream_ended,
	.encode = encode,
	.ready = ready,
	.finish = finish,
	.describe = describe,
	.failure = failure,
	.binding = binding,
	.free = free_filter,
};

const struct msv_tls_filter *msv_tls_filter_of(const struct msv_filter *filter)
{
	return filter && filter->ops == &filter_ops ? (const struct msv_tls_filter *)filter : NULL;
}

int msv_tls_filter_new(struct msv_tls_set *set, bool server, struct msv_filter **out)
{
	struct msv_tls_filter *filter = msv_alloc(set->env, sizeof(*filter));
	BIO *bio = NULL;

	if (!filter)
		return MSV_ERR_NOMEM;
	msv_tls_set_ref(set);
	filter->base.ops = &filter_ops;
	filter->env = set->env;
	filter->set = set;
	filter->server = server;
	filter->ssl = SSL_new(set->ctx[0]);
	if (filter->ssl)
		bio = BIO_new(set->wire);
	if (!bio) {
		ERR_clear_error();
		free_filter(&filter->base);
		return MSV_ERR_NOMEM;
	}
	BIO_set_data(bio, filter);
	BIO_set_init(bio, 1);
	SSL_set_bio(filter->ssl, bio, bio);
	if (server)
		SSL_set_accept_state(filter->ssl);
	else
		SSL_set_connect_state(filter->ssl);
	*out = &filter->base;
	return 0;
}
