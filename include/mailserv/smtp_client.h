/*
 * The SMTP and LMTP client (RFC 5321, RFC 2033): hands messages to a next hop.
 *
 * A client is a connection like any other (conn.h): the event loop connects a
 * socket and drives it.  Messages are given to msv_smtp_client_send(), at any
 * time, one or many; they go out in order, as soon as the session is set up -
 * greeting, EHLO, STARTTLS, AUTH - and each is answered once, by its op, with
 * what became of each recipient.
 */
#ifndef MAILSERV_SMTP_CLIENT_H
#define MAILSERV_SMTP_CLIENT_H

#include <mailserv/base.h>
#include <mailserv/conn.h>
#include <mailserv/smtp_server.h>
#include <mailserv/tls.h>

#ifdef __cplusplus
extern "C" {
#endif

/* -- What the next hop said --------------------------------------------------------- */

/* How far things were when something went wrong, or right. */
enum msv_smtp_stage {
	MSV_SMTP_AT_CONNECT, /* no greeting yet, or it was no */
	MSV_SMTP_AT_HELLO,   /* EHLO, HELO, LHLO */
	MSV_SMTP_AT_TLS,     /* STARTTLS, the handshake, the certificate */
	MSV_SMTP_AT_AUTH,
	MSV_SMTP_AT_MAIL,
	MSV_SMTP_AT_RCPT,
	MSV_SMTP_AT_DATA, /* DATA, or the chunks of BDAT but the last; while the body went out */
	MSV_SMTP_AT_END   /* the end of the message: CRLF.CRLF, BDAT LAST */
};

/* A verdict: a reply of the next hop's, or the client's own finding (a timeout,
 * an address that cannot be sent) in the same form.  Never changes its size. */
struct msv_smtp_verdict {
	enum msv_smtp_stage stage;
	int code;             /* 250, 450, 550: always 200 to 599 */
	const char *enhanced; /* "4.4.2" (RFC 3463), of the code's class; "" when none was given */
	const char *text;     /* printable ASCII, at most 512 octets, lines joined by a space */
	bool remote;          /* the next hop said so */
	/* The same would be said at any other time: bounce.  Never so for what
	 * concerns the session (a greeting of 554, AUTH, TLS) and not the message. */
	bool permanent;
	/* Nothing was asked about this recipient: the next hop takes no more
	 * recipients a message (RFC 9422), or the connection ended before its turn.
	 * It may be tried again at once. */
	bool untried;
};

/* -- A message ----------------------------------------------------------------------- */

/* One recipient. */
struct msv_smtp_recipient {
	size_t size;
	const char *address; /* "Bob@example.org" without angle brackets, UTF-8 allowed */
	unsigned notify;     /* NOTIFY= (RFC 3461 4.1): enum msv_smtp_notify, 0 not given */
	const char *orcpt;   /* ORCPT= (RFC 3461 4.2), decoded: "rfc822;bob@example.org"; NULL */
};

/* What is sent.  Copied by msv_smtp_client_send(), but not what `user` points
 * to. */
struct msv_smtp_message {
	size_t size;
	const char *from;                            /* "" or NULL: the null reverse-path */
	const struct msv_smtp_recipient *recipients; /* at least one */
	size_t nrecipients;
	uint64_t octets;         /* of the message with CRLF line ends; 0: not known */
	bool body_8bit;          /* it has octets beyond 127 */
	bool smtputf8;           /* its header has UTF-8 (RFC 6531, RFC 6532) */
	bool requiretls;         /* RFC 8689: only over verified TLS, to who promises the same */
	bool has_dkim_signature; /* nobody may change its body (RFC 6376) */
	enum msv_smtp_ret ret;   /* RET= (RFC 3461 4.3) */
	const char *envid;       /* ENVID= (RFC 3461 4.4), decoded; NULL none */
	const char *auth;        /* AUTH= (RFC 4954 5): a mailbox, "<>"; NULL none */
	/*
	 * Gives a piece of the message from `offset` on, at most `*n` bytes wanted
	 * but any number fine: *p points to *n bytes, valid until the next call;
	 * *n 0 is the end.  0: go on; MSV_PAUSE: not now, ask again after
	 * msv_conn_resume() (which may come before returning); negative: it cannot
	 * be read, and the message fails for now.  Offsets follow one another;
	 * they begin again at 0 when the message must be looked through first
	 * (down-conversion).  Not called after the op was answered or canceled.
	 *
	 * Lines end in CRLF.  A last line without it gets one.  A CR or LF alone, or
	 * a NUL, never goes out: the message fails for good with 5.6.0.
	 */
	int (*read)(void *user, struct msv_conn *conn, uint64_t offset, const void **p, size_t *n);
	void *user;
};

/* -- What became of it ----------------------------------------------------------------- */

/* The result of msv_smtp_client_send(). */
struct msv_smtp_outcome {
	size_t size;
	const struct msv_smtp_verdict *recipients; /* in the order of the message */
	size_t nrecipients;
	size_t accepted; /* recipients with a code of 2xx: the next hop has the message for them */
	/* The end of the message was sent and no reply came: the next hop may have
	 * taken it.  The verdicts are temporary. */
	bool uncertain;
	/* The body went out with its end, and a reply came. */
	bool completed;
	/* This connection takes no more messages: it was closed, said 421, or reached
	 * its MAILMAX (RFC 9422). */
	bool over;
	/* TLS is to blame, and with MSV_SMTP_TLS_OPPORTUNISTIC another connection
	 * with MSV_SMTP_TLS_OFF may do (the verdict's text says what it was). */
	bool tls_failed;
	/* What the next hop offered: MSV_SMTP_EXT_*.  Without MSV_SMTP_EXT_DSN whoever
	 * keeps the queue answers NOTIFY=SUCCESS itself: "relayed" (RFC 3461 5.2.2). */
	unsigned extensions;
};

/* A message under way.  Result of the completion: const struct
 * msv_smtp_outcome *, valid during the call; error is MSV_ERR_NOMEM or
 * MSV_ERR_INVAL (no recipients, no read function, conn is no SMTP client) when
 * nothing was tried.  Made by msv_op_new().  Canceling gives the message up: one
 * that waits is dropped; one under way ends the connection, as the protocol
 * has no other way. */
struct msv_smtp_send_op {
	struct msv_op *op;
};

/*
 * Sends a message, after those given before.
 *
 * - SIZE (RFC 1870): one beyond the next hop's limit is not even offered: 552 5.3.4.
 * - 8BITMIME (RFC 6152): when the next hop lacks it, each part of the body with
 *   octets beyond 127 is encoded - text as quoted-printable, all else as base64
 *   - and its Content-Transfer-Encoding says so.  A message with a DKIM signature
 *   (told so, or found in its header) is not converted, nor is one with such octets in
 *   its header; as it may not
 *   be sent either (RFC 6152 3), it fails with 554 5.6.3, for good.
 * - SMTPUTF8 (RFC 6531): when the next hop lacks it, domains go as A-labels; what
 *   still needs it - the header, a local part - fails with 553 5.6.7, for good;
 *   if it is a recipient's local part, for that one alone.
 * - CHUNKING (RFC 3030): BDAT is used when offered.
 * - DSN (RFC 3461): NOTIFY, ORCPT, RET and ENVID are said when the next hop knows
 *   them, else left out: then whoever keeps the queue says what the sender asked
 *   to be told.
 * - REQUIRETLS (RFC 8689): asked for and not to be had - TLS verified, and the
 *   extension - it fails with 550 5.7.30 (5.7.10 without verified TLS); another
 *   host may do better, so try the others before it bounces.  A message with the
 *   null reverse-path is sent all the same (RFC 8689 5).
 * - LIMITS (RFC 9422): recipients beyond RCPTMAX or RCPTDOMAINMAX come back
 *   `untried`.
 */
MSV_API void msv_smtp_client_send(
    struct msv_conn *conn, const struct msv_smtp_message *message, struct msv_smtp_send_op op);

/* Says QUIT when the messages given so far are done, waits for the answer, then
 * wants MSV_WANT_CLOSE.  Messages given later come back untried. */
MSV_API void msv_smtp_client_quit(struct msv_conn *conn);

/* -- Facts ------------------------------------------------------------------------------- */

/* Extensions, or-ed together. */
enum {
	MSV_SMTP_EXT_PIPELINING = 1,
	MSV_SMTP_EXT_SIZE = 2,
	MSV_SMTP_EXT_8BITMIME = 4,
	MSV_SMTP_EXT_SMTPUTF8 = 8,
	MSV_SMTP_EXT_CHUNKING = 16,
	MSV_SMTP_EXT_DSN = 32,
	MSV_SMTP_EXT_ENHANCEDSTATUSCODES = 64,
	MSV_SMTP_EXT_STARTTLS = 128,
	MSV_SMTP_EXT_AUTH = 256,
	MSV_SMTP_EXT_LIMITS = 512,
	MSV_SMTP_EXT_REQUIRETLS = 1024
};

enum msv_smtp_client_state {
	MSV_SMTP_CLIENT_SETUP, /* up to EHLO, TLS, AUTH */
	MSV_SMTP_CLIENT_IDLE,  /* ready for a message */
	MSV_SMTP_CLIENT_BUSY,  /* a message is under way */
	MSV_SMTP_CLIENT_OVER   /* it takes no more */
};

/* Facts of a session.  Strings are never NULL, printable ASCII, and live until
 * the next verb. */
struct msv_smtp_client_info {
	size_t size;
	enum msv_smtp_client_state state;
	const char *greeting_host;                    /* the name in the 220, "" before */
	const char *hello_host;                       /* the name in the answer to EHLO */
	bool esmtp;                                   /* EHLO or LHLO was answered, not just HELO */
	unsigned extensions;                          /* MSV_SMTP_EXT_*, of the last EHLO */
	uint64_t size_limit;                          /* octets, 0: none told */
	uint32_t mail_max, rcpt_max, rcpt_domain_max; /* LIMITS, 0: none told */
	const char *tls;                              /* "TLSv1.3", "" in the clear */
	bool tls_verified;       /* the certificate is for the name, by a CA that is trusted */
	const char *tls_problem; /* why not, or why TLS failed; "" when nothing was wrong */
	bool authenticated;
	uint32_t messages; /* transactions begun (MAIL) */
	size_t waiting;    /* messages given and not answered */
	/* Why it is over (MSV_SMTP_CLIENT_OVER): the verdict that messages given now
	 * would get; code 0 before. */
	struct msv_smtp_verdict end;
};
/* Fills in what is known; a state of MSV_SMTP_CLIENT_OVER and nothing else when
 * conn is no SMTP client. */
MSV_API void msv_smtp_client_info(const struct msv_conn *conn, struct msv_smtp_client_info *info);

/* -- Configuration --------------------------------------------------------------------------- */

/* What is asked of STARTTLS. */
enum msv_smtp_tls_mode {
	MSV_SMTP_TLS_OPPORTUNISTIC, /* when offered, whatever the certificate (RFC 7435) */
	MSV_SMTP_TLS_OFF,
	MSV_SMTP_TLS_REQUIRED, /* no mail in the clear, whatever the certificate */
	MSV_SMTP_TLS_VERIFIED  /* and the certificate must be right (RFC 9525) */
};

/* A line of a session, for a log that follows along. */
enum msv_smtp_trace {
	MSV_SMTP_TRACE_SENT,
	MSV_SMTP_TRACE_RECEIVED,
	MSV_SMTP_TRACE_NOTE /* what happened: "TLSv1.3, certificate verified", "timeout" */
};

/* Copied by msv_smtp_client_new(), strings included, but not what `user`, `tls`
 * point to: that must live as long as the connection. */
struct msv_smtp_client_config {
	size_t size;
	const char *hostname; /* said in EHLO: our name or "[192.0.2.1]" [localhost] */
	bool lmtp;            /* LMTP (RFC 2033): LHLO, an answer for each recipient */
	enum msv_smtp_tls_mode tls_mode;
	bool implicit_tls;          /* TLS from the first byte (RFC 8314) */
	struct msv_tls_client *tls; /* NULL: STARTTLS is not used, as with MSV_SMTP_TLS_OFF */
	/* The name asked for (SNI) and verified: the host of the MX record, or of the
	 * smarthost; NULL: none is asked for, nothing verifies. */
	const char *server_name;
	const char *username, *password; /* AUTH; NULL: none.  UTF-8 */
	bool auth_in_clear;              /* AUTH without TLS: loopback tests only */
	bool no_pipelining, no_chunking; /* not used even if offered */

	/* Time limits in seconds; 0: the default in brackets (RFC 5321 4.5.3.2). */
	uint32_t greeting_s; /* for the 220, TCP not included [300] */
	uint32_t tls_s;      /* for a TLS handshake [60] */
	uint32_t command_s;  /* EHLO, AUTH, MAIL, RCPT, RSET [300] */
	uint32_t data_s;     /* the answer to DATA [120] */
	uint32_t block_s;    /* for the peer to take a piece of the body [180] */
	uint32_t end_s;      /* the answer at the end of the message [600] */
	uint32_t quit_s;     /* the answer to QUIT [5] */
	uint32_t idle_s;     /* ready and without a message, until it says QUIT [60] */

	/* Limits of what a next hop may say; beyond, the connection ends; 0: the
	 * default in brackets. */
	uint32_t reply_line_max;   /* octets of a line [4096, at most 32768] */
	uint32_t reply_octets_max; /* octets of a reply [65536] */

	/* The session is set up (state IDLE).  May be NULL. */
	void (*ready)(void *user, struct msv_conn *conn);
	/* The session ended (state OVER), whoever ended it: called once, after the
	 * completions of the messages, unless the connection is freed before.  It is
	 * still the caller's, to free at MSV_WANT_CLOSE as always.  May be NULL. */
	void (*over)(void *user, struct msv_conn *conn);
	/* A line, valid during the call: printable, without its end; secrets and
	 * bodies are replaced by words.  May be NULL. */
	void (*trace)(
	    void *user, struct msv_conn *conn, enum msv_smtp_trace what, const char *line);
	void *user;
};

/*
 * Starts a session over a socket that is connected to `peer`.  The connection
 * belongs to the caller; ops still unanswered when it ends or is freed are
 * answered then.  msv_conn_shutdown() ends it: a message under way comes back
 * temporary, those that wait untried.  MSV_ERR_INVAL (a hostname that cannot
 * be said, implicit TLS, required TLS or verified TLS without `tls`, verified
 * without server_name, a username without password), MSV_ERR_NOMEM, MSV_ERR_IO (no
 * randomness for a session id), MSV_ERR_TLS.
 */
MSV_API int msv_smtp_client_new(struct msv_env *env, const struct msv_smtp_client_config *config,
    const struct msv_peer *peer, struct msv_conn **out);

#ifdef __cplusplus
}
#endif

#endif
