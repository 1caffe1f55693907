/*
 * The SMTP server (RFC 5321): MX, submission (RFC 6409) and LMTP (RFC 2033).
 *
 * The session speaks the protocol and asks the embedder's handler what it
 * cannot know: may this sender, is this recipient ours, take this message.
 * Each question carries a reply op, answered now or later by msv_reply().
 */
#ifndef MAILSERV_SMTP_SERVER_H
#define MAILSERV_SMTP_SERVER_H

#include <mailserv/auth.h>
#include <mailserv/base.h>
#include <mailserv/conn.h>
#include <mailserv/tls.h>

#ifdef __cplusplus
extern "C" {
#endif

enum msv_smtp_role {
	MSV_SMTP_MX,         /* port 25: mail for us */
	MSV_SMTP_SUBMISSION, /* ports 587, 465: mail from our users; AUTH before MAIL */
	MSV_SMTP_LMTP        /* LHLO, one answer per recipient */
};

/* -- Replies ------------------------------------------------------------------ */

/* A question that is answered by an SMTP reply.  The result of the completion
 * is private to the session.  msv_op_answer() with an error says what fits it:
 * 451 for most, 550 for MSV_ERR_NOTFOUND and MSV_ERR_DENIED, 552 for
 * MSV_ERR_QUOTA, 452 for MSV_ERR_NOSPACE. */
struct msv_reply_op {
	struct msv_op *op;
};

/*
 * Answers with a reply: code 200..599 (RFC 5321 4.2; any other counts as 451),
 * enhanced status code ("2.1.5", RFC 3463; NULL, or one of another class than
 * the code: a fitting one), text (NULL: a fitting one; several lines separated
 * by \n).  Copied; what is not printable ASCII is replaced (RFC 6531 3.7.4.2).
 * 421 ends the connection.
 */
MSV_API void msv_reply(struct msv_reply_op op, int code, const char *enhanced, const char *text);
/* Answers 250 with the command's usual words. */
MSV_API void msv_reply_ok(struct msv_reply_op op);
/* For done() on LMTP, before msv_reply(): the answer for the recipient with
 * that index (0 = the first accepted).  Those never set get what msv_reply()
 * says.  Ignored on other roles. */
MSV_API void msv_reply_recipient(
    struct msv_reply_op op, size_t index, int code, const char *enhanced, const char *text);

/* -- What the handler is told --------------------------------------------------- */

/* A mailbox as it stood between < and > (RFC 5321 4.1.2), without source
 * route.  address is "" for the null reverse-path. */
struct msv_smtp_address {
	const char *address; /* "Fred.Bloggs@example.org", normalized quoting */
	const char *local;   /* the local part with quotes taken off: never NULL */
	const char *domain;  /* lower case, "" when there is none; literals as "[192.0.2.1]" */
};

/* RET (RFC 3461 4.3): what of the message a notification of failure returns. */
enum msv_smtp_ret {
	MSV_RET_NONE, /* not given */
	MSV_RET_FULL, /* all of it */
	MSV_RET_HDRS  /* its header */
};

/* NOTIFY (RFC 3461 4.1): when the sender is told, as bits.  0: not given, that is
 * failure and delay. */
enum msv_smtp_notify {
	MSV_NOTIFY_NEVER = 1, /* stands alone */
	MSV_NOTIFY_SUCCESS = 2,
	MSV_NOTIFY_FAILURE = 4,
	MSV_NOTIFY_DELAY = 8
};

/* MAIL (RFC 5321 4.1.1.2). */
struct msv_smtp_mail {
	size_t size;
	struct msv_smtp_address from;
	uint64_t declared_octets; /* SIZE=, 0 none (RFC 1870) */
	bool body_8bit;           /* BODY=8BITMIME (RFC 6152) */
	bool smtputf8;            /* SMTPUTF8 (RFC 6531) */
	const char *auth; /* AUTH=, decoded; "<>" unless a user logged in; NULL none (RFC 4954 5) */
	enum msv_smtp_ret ret;
	/* ENVID= (RFC 3461 4.4), decoded: at most 100 printable ASCII characters; NULL
	 * none. */
	const char *envid;
	bool requiretls; /* no hop without verified TLS (RFC 8689 4) */
	/* HOLDFOR= or HOLDUNTIL= (RFC 4865): the microsecond since the epoch before
	 * which the message may not go on, 0 none; and as it was asked for, to be told
	 * in notifications (RFC 4865 5.1.2): "for;86400", "until;2027-01-31T08:00:00Z",
	 * NULL none. */
	uint64_t hold_until;
	const char *hold;
};

/* RCPT (RFC 5321 4.1.1.3).  "postmaster" without a domain has domain "". */
struct msv_smtp_rcpt {
	size_t size;
	struct msv_smtp_address to;
	size_t index;    /* among the accepted ones, if this one is */
	unsigned notify; /* NOTIFY=: enum msv_smtp_notify */
	/* ORCPT= (RFC 3461 4.2), decoded: an address type, ";" and whom the sender wrote
	 * to, "rfc822;Bob@example.org"; NULL none.  At most 500 octets, printable ASCII;
	 * those of type utf-8 (RFC 6533 3) are UTF-8 without control characters. */
	const char *orcpt;
};

/*
 * A transaction begins with the call of mail() and ends, whatever happens, with
 * exactly one call of done() or reset().  Why it was reset():
 */
enum msv_smtp_reset {
	MSV_SMTP_RESET_COMMAND, /* RSET, EHLO, STARTTLS */
	MSV_SMTP_RESET_REFUSED, /* mail() or data() was answered no, or the body was
				 * refused: size, lone LF, hops, what body() returned */
	MSV_SMTP_RESET_GONE     /* the connection ended */
};

/* Facts of a session.  Strings are never NULL and live until the next verb. */
struct msv_smtp_session_info {
	size_t size;
	enum msv_smtp_role role;
	const char *session_id;
	const char *peer_address, *peer_name; /* "" when unknown */
	const char *helo;                     /* what it calls itself */
	bool esmtp;                           /* it said EHLO or LHLO */
	const char *tls;                      /* "TLSv1.3", "" in the clear */
	const struct msv_account *account;    /* who logged in, NULL nobody */
	const char *with;                     /* "ESMTPSA" (RFC 3848, 6531 4.3) */
	unsigned messages;                    /* accepted so far */
};
MSV_API void msv_smtp_session_info(const struct msv_conn *conn, struct msv_smtp_session_info *info);

/* The embedder's pointer of the transaction under way; NULL at each MAIL.
 * It is the embedder's to free in done() or reset(), or later when done()
 * answers late: from then on the session knows it no more. */
MSV_API void msv_smtp_set_transaction(struct msv_conn *conn, void *transaction);
MSV_API void *msv_smtp_transaction(const struct msv_conn *conn);

/*
 * The handler.  Members may be NULL: then the answer is yes, except done().
 * `user` is the config's.  Strings are valid during the call.
 */
struct msv_smtp_handler {
	size_t size;
	/* A peer connected; 220 is sent after a 2xx answer, any other is sent
	 * instead (554: it may only QUIT; 421: and it is closed).  With implicit
	 * TLS the handshake is still to come. */
	void (*connect)(void *user, struct msv_conn *conn, struct msv_reply_op op);
	/* HELO, EHLO, LHLO: name as given. */
	void (*helo)(void *user, struct msv_conn *conn, const char *name, struct msv_reply_op op);
	void (*mail)(void *user, struct msv_conn *conn, const struct msv_smtp_mail *mail,
	    struct msv_reply_op op);
	void (*rcpt)(void *user, struct msv_conn *conn, const struct msv_smtp_rcpt *rcpt,
	    struct msv_reply_op op);
	/* DATA or the first BDAT, with at least one recipient; 2xx or 3xx: go. */
	void (*data)(void *user, struct msv_conn *conn, struct msv_reply_op op);
	/* A piece of the message: dots unstuffed, lines end in CRLF, no lone CR or
	 * LF, no NUL; the last line may lack its end (BDAT).  0: go on; MSV_PAUSE:
	 * this piece is taken, the next comes after msv_conn_resume(), which may
	 * be called before returning; negative: the rest is read and dropped and
	 * the error's reply is the answer, as for an op. */
	int (*body)(void *user, struct msv_conn *conn, const void *p, size_t n);
	/* The message is whole: store it, then answer.  250 means it is safe.  On
	 * LMTP each recipient may have an answer of its own.  If the connection
	 * ends first the op is canceled; reset() is not called.  msv_conn_shutdown()
	 * waits for the answer: who reads 421 would send again what is safe. */
	void (*done)(void *user, struct msv_conn *conn, struct msv_reply_op op);
	/* The transaction ended before done() was called; not called after.  An op
	 * under way is canceled first. */
	void (*reset)(void *user, struct msv_conn *conn, enum msv_smtp_reset why);
	/* VRFY (RFC 5321 3.5.3).  NULL: 252. */
	void (*vrfy)(void *user, struct msv_conn *conn, const char *what, struct msv_reply_op op);
};

/* -- Configuration ------------------------------------------------------------------ */

/* Copied by msv_smtp_server_new(), but not what the pointers point to: that
 * must live as long as the connections. */
struct msv_smtp_config {
	size_t size;
	enum msv_smtp_role role;
	const char *hostname; /* in the greeting [localhost] */
	const char *banner;   /* after the host name in the greeting ["ESMTP ready"] */
	const struct msv_smtp_handler *handler; /* required */
	void *user;
	struct msv_tls *tls;         /* NULL: no STARTTLS */
	bool implicit_tls;           /* TLS from the first byte (RFC 8314) */
	bool require_tls;            /* 530 before STARTTLS */
	const struct msv_auth *auth; /* NULL: no AUTH */
	bool auth_in_clear;          /* offer AUTH without TLS: loopback tests only */
	bool no_auth_needed;         /* submission without AUTH: trusted networks */
	/* Who it is, known beforehand, as from the peer's uid on a unix socket: as if
	 * logged in, until STARTTLS.  Copied.  NULL: nobody yet. */
	const struct msv_account *account;
	/* A lone LF or CR in DATA becomes CRLF instead of 550 5.6.0: trusted
	 * clients only. */
	bool normalize_lines;
	bool no_pipelining, no_chunking, no_smtputf8; /* do not offer it */

	/* Limits; 0: the default in brackets. */
	uint64_t message_octets_max; /* [35 MiB] 552 5.3.4 */
	uint32_t recipients_max;     /* a transaction [1000] 452 4.5.3 */
	uint32_t messages_max;       /* MAIL commands on a connection [100] 421 4.7.0 */
	uint32_t hops_max;           /* Received fields [100] 554 5.4.6 */
	/* A command line, CRLF included [2048, 512 to 32768] 500 5.5.2; lines of
	 * AUTH may have 12,288 octets (RFC 4954 4) 500 5.5.6. */
	uint32_t line_octets_max;
	/* Errors (5xx answers since the last message taken) until 421 4.7.0 [20],
	 * and until each is answered late [10], by as much [1000]. */
	uint32_t errors_max;
	uint32_t errors_soft;
	uint32_t error_delay_ms;
	uint32_t auth_failures_max; /* 421 4.7.0 [3] */
	uint32_t idle_s;            /* waiting for a command, or a piece of data [300] 421 4.4.2 */
	uint32_t total_s;           /* a connection in all [3600] 421 4.4.2 */
	/* Octets per second a body must come at, on average, from its second
	 * minute on [64] 421 4.4.2.  Time that body() pauses does not count. */
	uint32_t data_rate_min;
	/* Wait before 220; who talks first gets 554 5.5.1 [0: nobody does] */
	uint32_t greet_delay_ms;

	/* Promises that the handler keeps; each is offered only when set. */
	bool offer_dsn;        /* DSN (RFC 3461): lines of 2048 octets at least are taken */
	bool offer_requiretls; /* REQUIRETLS (RFC 8689), once TLS is on */
	/* FUTURERELEASE (RFC 4865), submission only: how long mail is held at most, in
	 * seconds, up to 999,999,999; 0: not offered. */
	uint32_t future_release_max_s;
};

/*
 * Starts a session; the greeting is its first output.  The handler is called
 * from the first verb or tick on.  The connection belongs to the caller.
 * MSV_ERR_INVAL (no handler, no done(), implicit_tls without tls),
 * MSV_ERR_NOMEM, MSV_ERR_IO (no randomness for a session id), MSV_ERR_TLS.
 */
MSV_API int msv_smtp_server_new(struct msv_env *env, const struct msv_smtp_config *config,
    const struct msv_peer *peer, struct msv_conn **out);

#ifdef __cplusplus
}
#endif

#endif
