#include <openssl/err.h>
#include <openssl/x509.h>
#include <stdio.h>
#include <string.h>

#include "tls/tls.h"

/* What OpenSSL saw, with the peer ("client", "server") as the subject of the
 * sentence, and what people can do. */
struct explanation {
	int reason; /* SSL_R_* */
	const char *what, *remedy;
};

static const struct explanation explanations[] = {
	{ SSL_R_TLSV1_ALERT_UNKNOWN_CA, "does not accept our certificate (unknown CA)",
	    "use a certificate of a public CA with its full chain, or install ours there" },
	{ SSL_R_SSLV3_ALERT_CERTIFICATE_UNKNOWN,
	    "does not accept our certificate (no reason given)",
	    "it should connect to a name in the certificate; the chain must be complete" },
	{ SSL_R_SSLV3_ALERT_BAD_CERTIFICATE, "does not accept our certificate (bad certificate)",
	    "it should connect to a name in the certificate; the chain must be complete" },
	{ SSL_R_SSLV3_ALERT_CERTIFICATE_EXPIRED, "does not accept our certificate (expired)",
	    "renew it and reload, or set the clock there" },
	{ SSL_R_SSLV3_ALERT_CERTIFICATE_REVOKED, "does not accept our certificate (revoked)",
	    "issue a new one and reload" },
	{ SSL_R_SSLV3_ALERT_UNSUPPORTED_CERTIFICATE,
	    "does not accept our certificate (unsupported kind)",
	    "use one with an ECDSA P-256 or RSA key" },
	{ SSL_R_TLSV1_UNRECOGNIZED_NAME, "does not know the name we asked for",
	    "correct the host name" },
	{ SSL_R_TLSV1_ALERT_ACCESS_DENIED, "refused access (access_denied)", NULL },
	{ SSL_R_SSLV3_ALERT_HANDSHAKE_FAILURE,
	    "found nothing in common with us (handshake_failure)",
	    "TLS 1.2 or 1.3 with an AEAD cipher is needed" },
	{ SSL_R_TLSV1_ALERT_PROTOCOL_VERSION, "does not accept our TLS version (protocol_version)",
	    "TLS 1.2 or 1.3 is needed" },
	{ SSL_R_TLSV1_ALERT_INSUFFICIENT_SECURITY, "wants stronger ciphers (insufficient_security)",
	    NULL },
	{ SSL_R_TLSV1_ALERT_INTERNAL_ERROR, "reports an error of its own (internal_error)",
	    "look into its log" },
	{ SSL_R_TLSV1_ALERT_USER_CANCELLED, "canceled the handshake", NULL },
	{ SSL_R_TLSV1_ALERT_DECRYPT_ERROR, "could not verify our handshake (decrypt_error)",
	    "something between may change bytes" },
	{ SSL_R_TLSV1_ALERT_DECODE_ERROR, "could not read our handshake (decode_error)",
	    "something between may change bytes" },
	{ SSL_R_SSLV3_ALERT_ILLEGAL_PARAMETER, "dislikes our handshake (illegal_parameter)", NULL },
	{ SSL_R_SSLV3_ALERT_UNEXPECTED_MESSAGE, "dislikes our handshake (unexpected_message)",
	    NULL },
	{ SSL_R_TLSV1_ALERT_NO_RENEGOTIATION, "refuses to negotiate again", NULL },
	{ SSL_R_NO_SHARED_CIPHER, "shares no cipher with us",
	    "it needs TLS 1.3, or TLS 1.2 with ECDHE and AES-GCM or ChaCha20; update it" },
	{ SSL_R_NO_SUITABLE_KEY_SHARE, "shares no key exchange group with us",
	    "it needs X25519 or P-256; update it" },
	{ SSL_R_NO_SUITABLE_GROUPS, "shares no key exchange group with us",
	    "it needs X25519 or P-256; update it" },
	{ SSL_R_NO_SUITABLE_SIGNATURE_ALGORITHM, "cannot verify the kind of our certificate's key",
	    "use a certificate with an RSA key" },
	{ SSL_R_NO_SHARED_SIGNATURE_ALGORITHMS, "cannot verify the kind of our certificate's key",
	    "use a certificate with an RSA key" },
	{ SSL_R_INAPPROPRIATE_FALLBACK, "came back with a lower TLS version than it can do",
	    "its first attempt failed: look for that" },
	{ SSL_R_DECRYPTION_FAILED_OR_BAD_RECORD_MAC, "sent a damaged record",
	    "something between may change bytes" },
	{ SSL_R_HTTP_REQUEST, "speaks HTTP, not TLS", "this is no web server" },
	{ SSL_R_HTTPS_PROXY_REQUEST, "speaks HTTP, not TLS", "this is no web server" },
	{ SSL_R_DH_KEY_TOO_SMALL, "has too weak a key", "it needs a stronger one" },
	{ SSL_R_EE_KEY_TOO_SMALL, "has too weak a key", "it needs a stronger one" },
};

static const struct explanation *find(int reason)
{
	for (size_t i = 0; i < sizeof(explanations) / sizeof(explanations[0]); i++)
		if (explanations[i].reason == reason)
			return &explanations[i];
	return NULL;
}

static const char *peer_word(const struct msv_tls_filter *filter)
{
	return filter->server ? "client" : "server";
}

static void set_why(struct msv_tls_filter *filter, const char *what, const char *remedy)
{
	msv_free(filter->env, filter->why);
	filter->why = msv_asprintf(filter->env, "%s%s %s%s%s",
	    filter->up ? "" : "handshake failed: ", peer_word(filter), what, remedy ? ": " : "",
	    remedy ? remedy : "");
}

/* -- Special cases ---------------------------------------------------------------- */

/* True when the peer's first bytes are no TLS record (RFC 8446 5.1: content
 * types 20 to 23) and no SSLv2 hello. */
static bool spoke_plain(const struct msv_tls_filter *filter)
{
	unsigned char c = filter->first[0];

	return filter->nfirst && !(c >= 20 && c <= 23) && !(c & 0x80);
}

static void explain_plain(struct msv_tls_filter *filter)
{
	char what[64];

	snprintf(what, sizeof(what), "speaks plain text (\"%.*s\") where TLS is expected",
	    (int)strnlen((const char *)filter->first, filter->nfirst), (const char *)filter->first);
	set_why(filter, what,
	    filter->server ? "set it to SSL/TLS for this port, or to STARTTLS on a port for that"
	                   : "its port may be one for STARTTLS");
}

static void explain_version(struct msv_tls_filter *filter)
{
	int version = SSL_client_version(filter->ssl);
	char what[64];

	if (!filter->server) {
		set_why(filter, "chose a TLS version older than 1.2", "update it");
		return;
	}
	snprintf(what, sizeof(what), "offered only %s",
	    version == TLS1_2_VERSION   ? "TLSv1.2"
	    : version == TLS1_1_VERSION ? "TLSv1.1"
	    : version == TLS1_VERSION   ? "TLSv1.0"
	    : version == SSL3_VERSION   ? "SSLv3"
	                                : "an unknown TLS version");
	set_why(filter, what,
	    version == TLS1_2_VERSION ? "this server is set to TLS 1.3 alone; update the client"
	                              : "update it: TLS 1.2 or 1.3 is needed");
}

static void explain_certificate(struct msv_tls_filter *filter)
{
	char what[160];

	snprintf(what, sizeof(what), "has a certificate that does not verify (%s)",
	    X509_verify_cert_error_string(SSL_get_verify_result(filter->ssl)));
	set_why(filter, what, "the host name must be in it, and its CA trusted here");
}

static bool explain_special(struct msv_tls_filter *filter, int reason)
{
	switch (reason) {
	case SSL_R_UNSUPPORTED_PROTOCOL:
	case SSL_R_UNKNOWN_PROTOCOL:
	case SSL_R_VERSION_TOO_LOW:
		explain_version(filter);
		return true;
	case SSL_R_CERTIFICATE_VERIFY_FAILED:
		explain_certificate(filter);
		return true;
	case SSL_R_WRONG_VERSION_NUMBER:
		if (filter->up)
			return false;
		set_why(filter, "sent something that is not TLS", NULL);
		return true;
	default:
		return false;
	}
}

/* -- The reason -------------------------------------------------------------------- */

/* The first error that says something to us, else the last of all. */
static unsigned long pick_error(void)
{
	unsigned long e, last = 0;

	while ((e = ERR_get_error())) {
		int reason = ERR_GET_REASON(e);

		last = e;
		if (ERR_GET_LIB(e) == ERR_LIB_SSL &&
		    (find(reason) || reason == SSL_R_UNSUPPORTED_PROTOCOL ||
		        reason == SSL_R_CERTIFICATE_VERIFY_FAILED))
			break;
	}
	return last;
}

void msv_tls_explain(struct msv_tls_filter *filter)
{
	unsigned long e = pick_error();
	int reason = ERR_GET_LIB(e) == ERR_LIB_SSL ? ERR_GET_REASON(e) : 0;
	const struct explanation *known = find(reason);
	const char *text = ERR_reason_error_string(e);
	char what[160];

	if (filter->wire_error) {
		msv_free(filter->env, filter->why);
		filter->why = NULL; /* the error's own words */
	} else if (!filter->up && spoke_plain(filter)) {
		explain_plain(filter);
	} else if (known) {
		set_why(filter, known->what, known->remedy);
	} else if (!explain_special(filter, reason)) {
		snprintf(
		    what, sizeof(what), "broke the protocol (%s)", text ? text : "no reason given");
		set_why(filter, what, NULL);
	}
}

void msv_tls_explain_eof(struct msv_tls_filter *filter, int error)
{
	const char *verb = error ? "broke the connection" : "closed the connection";
	char what[96];

	if (!filter->nfirst) {
		snprintf(what, sizeof(what), "%s without a word", verb);
		set_why(filter, what, "a port scan, or it waited for a greeting in plain text");
		return;
	}
	snprintf(what, sizeof(what), "%s during the handshake", verb);
	set_why(filter, what,
	    filter->server ? "it may not accept our certificate: look into its log"
	                   : "it may not serve TLS on this port: look into its log");
}
