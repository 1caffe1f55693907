/* A server's and a client's filter, wire to wire, without a connection. */
#ifndef TESTS_TLS_RIG_H
#define TESTS_TLS_RIG_H

#include <mailserv/tls.h>

#include "certs.h"
#include "tls/tls.h"

/* A sink that keeps what it gets, and can be told to be out of memory. */
struct bin {
	struct msv_filter_sink sink;
	char *p;
	size_t n, cap;
	bool full;
};

static inline int bin_put(struct msv_filter_sink *sink, const void *p, size_t n)
{
	struct bin *bin = (struct bin *)sink;

	if (bin->full)
		return MSV_ERR_NOMEM;
	if (bin->n + n > bin->cap) {
		bin->cap = (bin->n + n) * 2;
		bin->p = realloc(bin->p, bin->cap);
	}
	if (n)
		memcpy(bin->p + bin->n, p, n);
	bin->n += n;
	return 0;
}

static inline void bin_take(struct bin *bin, size_t n)
{
	memmove(bin->p, bin->p + n, bin->n - n);
	bin->n -= n;
}

/* One end: its filter, what it wants to send, what it was told. */
struct end {
	struct msv_filter *filter;
	struct bin wire, plain;
	int result; /* of the last decode */
};

static inline void end_init(struct end *end, struct msv_filter *filter)
{
	memset(end, 0, sizeof(*end));
	end->filter = filter;
	end->wire.sink.put = bin_put;
	end->plain.sink.put = bin_put;
}

static inline void end_free(struct end *end)
{
	if (end->filter)
		end->filter->ops->free(end->filter);
	free(end->wire.p);
	free(end->plain.p);
	memset(end, 0, sizeof(*end));
}

static inline int end_decode(struct end *end, const void *p, size_t n)
{
	/* A copy of exactly this length, so that the sanitizer sees every excess. */
	char *copy = calloc(1, n ? n : 1);

	if (n)
		memcpy(copy, p, n);
	end->result =
	    end->filter->ops->decode(end->filter, copy, n, &end->plain.sink, &end->wire.sink);
	free(copy);
	return end->result;
}

static inline int end_eof(struct end *end, int error)
{
	return end->result = end->filter->ops->eof(end->filter, error);
}

static inline const char *end_why(const struct end *end)
{
	const char *why = end->filter->ops->failure(end->filter);

	return why ? why : "";
}

static inline SSL *end_ssl(struct end *end)
{
	return ((struct msv_tls_filter *)end->filter)->ssl;
}

static inline bool end_ready(const struct end *end)
{
	return end->filter->ops->ready(end->filter);
}

/* Carries what `from` wants to send to `to`, in pieces of n bytes. */
static inline void carry(struct end *from, struct end *to, size_t n)
{
	while (from->wire.n && to->result >= 0) {
		size_t take = from->wire.n < n ? from->wire.n : n;

		end_decode(to, from->wire.p, take);
		bin_take(&from->wire, take);
	}
}

/* Both directions until nothing moves any more. */
static inline void pump(struct end *client, struct end *server, size_t n)
{
	do {
		carry(client, server, n);
		carry(server, client, n);
	} while (
	    (client->wire.n && server->result >= 0) || (server->wire.n && client->result >= 0));
}

static inline void end_send(struct end *end, const void *p, size_t n)
{
	ck_assert_int_eq(end->filter->ops->encode(end->filter, p, n, &end->wire.sink), 0);
}

/* Text across, checked on the other side, which is emptied. */
static inline void expect_across(struct end *from, struct end *to, const char *text)
{
	end_send(from, text, strlen(text));
	carry(from, to, SIZE_MAX);
	ck_assert_uint_eq(to->plain.n, strlen(text));
	ck_assert_mem_eq(to->plain.p, text, to->plain.n);
	bin_take(&to->plain, to->plain.n);
}

/* -- The filters ------------------------------------------------ */

static inline struct msv_filter *server_filter(struct msv_tls *tls)
{
	struct msv_filter *filter;

	ck_assert_int_eq(msv_tls_server_filter(tls, &filter), 0);
	return filter;
}

static inline struct msv_filter *client_filter(
    struct msv_env *env, const char *hostname, const char *ca_file)
{
	struct msv_tls_client_options options = { .size = sizeof(options),
		.hostname = hostname,
		.ca_file = ca_file,
		.verify = ca_file != NULL };
	struct msv_filter *filter;

	ck_assert_int_eq(msv_tls_client_filter(env, &options, &filter), 0);
	return filter;
}

/* The common name of the certificate the client was shown. */
static inline const char *shown_name(struct end *client, char *buf, size_t n)
{
	X509 *x = SSL_get1_peer_certificate(end_ssl(client));

	buf[0] = '\0';
	X509_NAME_get_text_by_NID(X509_get_subject_name(x), NID_commonName, buf, (int)n);
	X509_free(x);
	return buf;
}

#endif
