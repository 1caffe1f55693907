/*
 * Delivery status notifications: what a sender is told of his message (RFC
 * 3464, in the report of RFC 6522, as RFC 3461 6 asks; RFC 6533 for addresses
 * beyond ASCII).
 *
 * The writer gives the notification in pieces and reads the message it is
 * about in pieces: nothing of that size is ever in memory.
 *
 *	msv_dsn_writer_new(env, &dsn, &writer);
 *	while ((rc = msv_dsn_next(writer, &piece)) == 0 && piece.n)
 *		... piece ...
 *	msv_dsn_writer_free(writer);
 *
 * Everything a peer said is data: cleaned, bounded and folded wherever it
 * stands; no octet of it begins a line, a field or a part of its own.
 */
#ifndef MSV_MESSAGE_DSN_H
#define MSV_MESSAGE_DSN_H

#include "base/buf.h"
#include "codec/status.h"

/* What became of a recipient (RFC 3464 2.3.3). */
enum msv_dsn_action {
	MSV_DSN_FAILED,    /* given up */
	MSV_DSN_DELAYED,   /* still being tried */
	MSV_DSN_DELIVERED, /* in the mailbox */
	MSV_DSN_RELAYED,   /* given to a server that makes no promise to tell more */
	MSV_DSN_EXPANDED,  /* passed on to the members of a list or the targets of an alias */
	MSV_DSN_UNKNOWN,   /* reader only: another word */
};

/* -- Writing ----------------------------------------------------------------------- */

/* A recipient to tell of.  NULL, 0: not known. */
struct msv_dsn_recipient {
	enum msv_dsn_action action;
	const char *address; /* of the envelope the message came with, UTF-8 allowed; required */
	const char *orcpt;   /* ORCPT=, decoded: "rfc822;bob@example.org"; NULL when not given */
	/* How it ended: code 550, status "5.1.1" (one of another class than `action` and
	 * code allow is replaced) and text, several lines joined by blanks or \n. */
	int code;
	const char *status, *text;
	bool remote;              /* the server at `host` said that; else it is our own finding */
	const char *host;         /* the server that was asked */
	int64_t last_attempt;     /* seconds since the epoch */
	int64_t will_retry_until; /* DELAYED */
	/* What to tell a human, in one paragraph; NULL: words that fit the status (dsn_words.c). */
	const char *words;
};

/* A notification.  Nothing is copied: it must outlive its writer. */
struct msv_dsn {
	const char *host;       /* the reporting MTA; required */
	const char *postmaster; /* who helps; NULL: postmaster@host */
	const char *to;         /* the reverse-path of the message; required, not "" */
	int64_t date;           /* seconds since the epoch; 0: now */
	int64_t arrival;        /* of the message */
	const char *envid;      /* ENVID=, decoded; NULL when not given */
	const char *hold;       /* HOLDFOR=, HOLDUNTIL=: "for;60" (RFC 4865 5.1.2) */
	const struct msv_dsn_recipient *recipients; /* at least one */
	size_t nrecipients;

	/*
	 * The message: a piece from `offset` on is put in *piece, of any size, valid
	 * until the next call; n 0 is the end.  0; MSV_PAUSE: not now, msv_dsn_next()
	 * returns it and is to be called again; negative: is returned too.  Offsets
	 * follow one another; they begin again at 0 once.  Line ends may be CRLF or
	 * LF.  NULL: nothing is returned.
	 */
	int (*read)(void *user, uint64_t offset, struct msv_span *piece);
	void *user;
	/* Return all of it: RET=FULL.  Only done when a recipient failed, it has no
	 * more than full_max octets [50 KiB] and it is not `requiretls`. */
	bool full;
	uint64_t full_max;
	bool requiretls; /* RFC 8689 5: the header is all that goes back */
};

struct msv_dsn_writer;

/* MSV_ERR_INVAL: something required is missing; MSV_ERR_NOMEM; MSV_ERR_IO (no
 * randomness for the boundary). */
int msv_dsn_writer_new(struct msv_env *env, const struct msv_dsn *dsn, struct msv_dsn_writer **out);
/* The next piece, lines ending in CRLF, valid until the next call; n 0 at the end.
 * 0, MSV_PAUSE (nothing is lost), what read() returned, MSV_ERR_NOMEM: then the
 * writer can only be freed. */
int msv_dsn_next(struct msv_dsn_writer *writer, struct msv_span *piece);
void msv_dsn_writer_free(struct msv_dsn_writer *writer);

/* What it takes to send it, known from the first piece on.  All is 7-bit unless
 * there is no other way: the receiver's address is beyond ASCII (then SMTPUTF8,
 * RFC 6533), or the whole of a message with 8-bit octets is returned. */
bool msv_dsn_is_8bit(const struct msv_dsn_writer *writer);
bool msv_dsn_is_smtputf8(const struct msv_dsn_writer *writer);
/* "<id@host>" of the notification, for the log. */
const char *msv_dsn_message_id(const struct msv_dsn_writer *writer);

/* Words for a human: what happened, then what to do about it; never NULL, but
 * `advice` may be "".  "%d" stands for the recipient's domain, "%a" for the
 * address. */
struct msv_dsn_words {
	const char *what, *advice;
};
struct msv_dsn_words msv_dsn_words(const struct msv_status *status, enum msv_dsn_action action);

/* -- Reading ----------------------------------------------------------------------- */

/* Longer values are cut. */
#define MSV_DSN_FIELD_MAX      ((size_t)4096)
/* Further recipients are passed over. */
#define MSV_DSN_RECIPIENTS_MAX 10000

/* What a report says of a recipient.  Strings are UTF-8 without control characters,
 * "" when absent, and valid during the call. */
struct msv_dsn_result {
	/* Of the whole message. */
	const char *reporting_mta; /* without its type: "mx.example.org" */
	const char *envid;
	int64_t arrival; /* seconds since the epoch, 0: not said */

	enum msv_dsn_action action;
	struct msv_status status;    /* 0.0.0 when there is none */
	const char *address;         /* Final-Recipient without its type */
	const char *orcpt;           /* Original-Recipient with it: "rfc822;bob@example.org" */
	const char *host;            /* Remote-MTA */
	const char *diagnostic_type; /* "smtp" */
	const char *diagnostic;      /* "550 5.1.1 no such user" */
	int64_t last_attempt, will_retry_until;
};

/*
 * Reads the body of a message/delivery-status or message/global-delivery-status
 * part (RFC 3464 2, RFC 6533 4.1), its transfer encoding undone, in pieces of any
 * size.  fn is called for each recipient; what it returns other than 0 ends the
 * reading and is returned by push.
 */
struct msv_dsn_reader;

int msv_dsn_reader_new(struct msv_env *env,
    int (*fn)(void *user, const struct msv_dsn_result *result), void *user,
    struct msv_dsn_reader **out);
int msv_dsn_reader_push(struct msv_dsn_reader *reader, const char *p, size_t n);
/* The part ended: the last recipient comes out. */
int msv_dsn_reader_finish(struct msv_dsn_reader *reader);
void msv_dsn_reader_free(struct msv_dsn_reader *reader);

#endif
