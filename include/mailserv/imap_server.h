/*
 * The IMAP server (RFC 3501): sessions over any msv_store.
 *
 * An embedder gives it an auth source and a store and is asked nothing else.
 */
#ifndef MAILSERV_IMAP_SERVER_H
#define MAILSERV_IMAP_SERVER_H

#include <mailserv/auth.h>
#include <mailserv/base.h>
#include <mailserv/conn.h>
#include <mailserv/store.h>
#include <mailserv/tls.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Told what happens, for the log and counters.  Members may be NULL; strings
 * are valid during the call.  None may free the conn's store. */
struct msv_imap_observer {
	size_t size;
	void (*login)(void *user, struct msv_conn *conn, const struct msv_account *account);
	void (*login_failed)(void *user, struct msv_conn *conn, const char *name, int error);
	void (*appended)(
	    void *user, struct msv_conn *conn, const char *mailbox, uint32_t uid, uint64_t octets);
};

/* Copied by msv_imap_server_new(), but not what the pointers point to: that
 * must live as long as the connections. */
struct msv_imap_config {
	size_t size;
	const char *hostname;          /* in the greeting [localhost] */
	const struct msv_store *store; /* required */
	const struct msv_auth *auth;   /* required unless `account` is set */
	/* Start logged in (PREAUTH) as this account; copied. */
	const struct msv_account *account;
	const struct msv_imap_observer *observer;
	void *user;
	struct msv_tls *tls; /* NULL: no STARTTLS */
	bool implicit_tls;   /* TLS from the first byte (RFC 8314) */
	bool login_in_clear; /* LOGIN and AUTHENTICATE without TLS: loopback tests only */
	bool literal_minus;  /* LITERAL- (4,096 octets) instead of LITERAL+ (RFC 7888) */
	/* Name and version for ID (RFC 2971) [libmailserv and its version]. */
	const char *id_name, *id_version;
	/* Capabilities not to offer, separated by spaces. */
	const char *hide;

	/* Limits; 0: the default in brackets. */
	uint32_t preauth_line_max;  /* a command before login, literals included [8 KiB] */
	uint32_t command_max;       /* a command after login, literals included but APPEND's [64 KiB
	                              and 1,000 literals] */
	uint64_t append_max;        /* a message [64 MiB] NO [TOOBIG] (RFC 4469) */
	uint32_t errors_max;        /* BAD answers in a row until BYE [20] */
	uint32_t auth_failures_max; /* until BYE [5] */
	uint32_t login_s;           /* until logged in [180] */
	uint32_t idle_s;            /* without a command, at least 1800 (RFC 3501 5.4) [1860] */
	uint32_t keepalive_s;       /* IDLE: "* OK Still here" as often, for NATs [120] */
	uint32_t output_window;     /* octets produced ahead of the peer [32 KiB] */
};

/*
 * Starts a session; the greeting is its first output.  The connection belongs
 * to the caller.  MSV_ERR_INVAL, MSV_ERR_NOMEM, MSV_ERR_TLS.
 */
MSV_API int msv_imap_server_new(struct msv_env *env, const struct msv_imap_config *config,
    const struct msv_peer *peer, struct msv_conn **out);

#ifdef __cplusplus
}
#endif

#endif
