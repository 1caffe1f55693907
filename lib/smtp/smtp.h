/* The inside of the SMTP server. */
#ifndef MSV_SMTP_SMTP_H
#define MSV_SMTP_SMTP_H

#include <mailserv/smtp_server.h>

#include "base/alloc.h"
#include "base/conn.h"
#include "base/logline.h"
#include "base/op.h"

struct msv_smtp;

/* -- Addresses (address.c) ----------------------------------------------------- */

/* Longer than RFC 5321 4.5.3.1 asks for: senders' local parts that carry an
 * encoded recipient are often longer than 64 octets. */
#define MSV_SMTP_LOCAL_MAX   255
#define MSV_SMTP_DOMAIN_MAX  255
#define MSV_SMTP_ADDRESS_MAX (2 * MSV_SMTP_LOCAL_MAX + 3 + MSV_SMTP_DOMAIN_MAX)

struct msv_smtp_mailbox {
	char address[MSV_SMTP_ADDRESS_MAX + 1]; /* quoted only where it must be */
	char local[MSV_SMTP_LOCAL_MAX + 1];     /* quotes and backslashes undone */
	char domain[MSV_SMTP_DOMAIN_MAX + 1];   /* letters A-Z as a-z; literals canonical */
	bool utf8;                              /* it has characters beyond ASCII */
};

/* What a path may be besides a mailbox. */
enum {
	MSV_PATH_NULL = 1,       /* "<>" */
	MSV_PATH_POSTMASTER = 2, /* "<Postmaster>", without a domain */
};

/* Reads a path, "<" to ">" (RFC 5321 4.1.2, RFC 6531 3.3), from the front of
 * p[0..n); source routes are read and dropped.  *used gets its length.
 * MSV_ERR_FORMAT: no path; MSV_ERR_LIMIT: a part is too long. */
int msv_smtp_path_parse(
    const char *p, size_t n, unsigned allow, size_t *used, struct msv_smtp_mailbox *out);
/* The same for all of p[0..n) as a mailbox without the angle brackets. */
int msv_smtp_mailbox_parse(const char *p, size_t n, struct msv_smtp_mailbox *out);
/* A mailbox as the handler sees it. */
struct msv_smtp_address msv_smtp_address_of(const struct msv_smtp_mailbox *mailbox);

/* -- Answers (reply.c) ----------------------------------------------------------- */

/* A reply, not yet written.  text may hold several lines; NULL or code 0 stand
 * for what usually fits. */
struct msv_smtp_answer {
	int code;          /* 0: the command's usual words */
	char enhanced[12]; /* "" for a fitting one */
	char *text;
};

/* A reply known beforehand. */
struct msv_smtp_say {
	int code;
	const char *enhanced, *text;
};

/* Writes a reply to the command under way; counts and logs refusals, slows down
 * or ends a session with too many.  A 421 ends the connection. */
void msv_smtp_reply(struct msv_smtp *s, int code, const char *enhanced, const char *text);
void msv_smtp_reply_say(struct msv_smtp *s, const struct msv_smtp_say *say);
/* Writes what the handler answered; `usual` is said for a code of 0. */
void msv_smtp_reply_answer(
    struct msv_smtp *s, const struct msv_smtp_answer *answer, const struct msv_smtp_say *usual);
/* What that comes to, with code, status and text; valid as long as both. */
struct msv_smtp_say msv_smtp_resolve(
    const struct msv_smtp_answer *answer, const struct msv_smtp_say *usual);
/* Writes the lines of a reply and nothing else. */
void msv_smtp_write(struct msv_smtp *s, int code, const char *enhanced, const char *text);
/* Says now what is held back. */
void msv_smtp_release(struct msv_smtp *s);
/* 421, then the connection ends. */
void msv_smtp_hang_up(struct msv_smtp *s, const char *enhanced, const char *text);
/* The reply that stands for an error of the handler's (enum msv_error). */
const struct msv_smtp_say *msv_smtp_say_error(int error);
static inline bool msv_smtp_yes(int code)
{
	return code < 400;
}

/* -- Questions (question.c) ------------------------------------------------------- */

typedef void (*msv_smtp_then)(struct msv_smtp *s, const struct msv_smtp_answer *answer);

/* A new op whose answer is given to `then` in a step; until then no input is
 * looked at.  When there is no memory the answer is 451 and op is NULL. */
struct msv_reply_op msv_smtp_ask(struct msv_smtp *s, msv_smtp_then then);
/* Goes on as if the handler had answered 250: it was not asked. */
void msv_smtp_assume(struct msv_smtp *s, msv_smtp_then then);
/* Keeps an answer that came; `then` gets it in the next step. */
void msv_smtp_keep(struct msv_smtp *s, const struct msv_smtp_say *say);
/* Nobody waits for the answer any more. */
void msv_smtp_cancel(struct msv_smtp *s);
void msv_smtp_answer_fini(struct msv_smtp *s, struct msv_smtp_answer *answer);

/* -- Lines and commands (line.c, command.c) ------------------------------------------ */

/* The next line of the peer's. */
enum msv_smtp_line {
	MSV_LINE_NONE,  /* more bytes are needed */
	MSV_LINE_READY, /* *line is it, without its CRLF, until msv_smtp_line_done() */
	MSV_LINE_LF,    /* it ended in a lone LF */
	MSV_LINE_LONG,  /* it was longer than max; it is gone */
	MSV_LINE_BYTES, /* a NUL, a CR or another control character is in it */
};
enum msv_smtp_line msv_smtp_line_next(struct msv_smtp *s, size_t max, struct msv_span *line);
/* Forgets the line shown last. */
void msv_smtp_line_done(struct msv_smtp *s);

/* Where a session is: what it has been told so far. */
enum msv_smtp_phase {
	MSV_PHASE_DENIED = 1, /* turned away at the door: it may only leave */
	MSV_PHASE_START = 2,  /* greeted */
	MSV_PHASE_READY = 4,  /* has said its name */
	MSV_PHASE_MAIL = 8,   /* a sender is accepted */
	MSV_PHASE_RCPT = 16,  /* and at least one recipient */
	MSV_PHASE_BDAT = 32,  /* and at least one chunk of the body */
};

struct msv_smtp_command {
	char name[9];
	unsigned phases;                                      /* where it is allowed */
	unsigned needs;                                       /* MSV_NEED_* */
	void (*run)(struct msv_smtp *s, struct msv_span arg); /* arg without outer blanks */
	struct msv_smtp_say usual;                            /* what is said when all is well */
};
enum {
	MSV_NEED_ARG = 1,
	MSV_NEED_NO_ARG = 2,
	MSV_NEED_TLS = 4,  /* where the config requires TLS */
	MSV_NEED_AUTH = 8, /* where the config requires AUTH */
	MSV_NEED_SMTP = 16,
	MSV_NEED_LMTP = 32,
	MSV_NEED_CHUNK = 64, /* a chunk follows: it runs when refused too, to read that */
};

/* Reads and runs a command; true when there was one. */
bool msv_smtp_read_command(struct msv_smtp *s);

/* HELO, EHLO and LHLO (hello.c); MAIL and RCPT (envelope.c); DATA (data.c), BDAT
 * (bdat.c), AUTH (auth.c), STARTTLS (starttls.c). */
void msv_smtp_helo(struct msv_smtp *s, struct msv_span arg);
void msv_smtp_ehlo(struct msv_smtp *s, struct msv_span arg);
void msv_smtp_mail(struct msv_smtp *s, struct msv_span arg);
void msv_smtp_rcpt(struct msv_smtp *s, struct msv_span arg);
void msv_smtp_data(struct msv_smtp *s, struct msv_span arg);
void msv_smtp_bdat(struct msv_smtp *s, struct msv_span arg);
void msv_smtp_auth(struct msv_smtp *s, struct msv_span arg);
void msv_smtp_starttls(struct msv_smtp *s, struct msv_span arg);

/* Names of the mechanisms that may be offered now, "" when none, into buf of
 * MSV_SMTP_MECHANISMS bytes. */
#define MSV_SMTP_MECHANISMS 256
void msv_smtp_auth_list(const struct msv_smtp *s, char *buf);
/* Mail is not taken before a login. */
bool msv_smtp_must_log_in(const struct msv_smtp *s);

/* -- Parameters of MAIL and RCPT (params.c) ------------------------------------------- */

/* RFC 3461 4.2, 4.4. */
#define MSV_SMTP_ENVID_MAX   100
#define MSV_SMTP_ORCPT_MAX   500
#define MSV_SMTP_HOLD_MAX    64
/* RFC 4865 3. */
#define MSV_SMTP_HOLDFOR_MAX 999999999

/* What MAIL and RCPT may say besides the path. */
struct msv_smtp_params {
	uint64_t size;
	bool size_overflow; /* SIZE= beyond what a number holds */
	bool body_8bit, smtputf8;
	bool has_auth, auth_null; /* AUTH=, AUTH=<> */
	struct msv_smtp_mailbox auth;
	enum msv_smtp_ret ret;
	char envid[MSV_SMTP_ENVID_MAX + 1]; /* "" none */
	bool requiretls;
	uint64_t hold_until;          /* microseconds since the epoch, 0 none */
	char hold[MSV_SMTP_HOLD_MAX]; /* as it was asked for, "for;60" */
	unsigned notify;
	char orcpt[MSV_SMTP_ORCPT_MAX + 1]; /* "" none */
};

/* Reads " KEY=value KEY ..." (RFC 5321 4.1.2).  rcpt: for RCPT, else for MAIL.
 * Returns NULL, or why not. */
const struct msv_smtp_say *msv_smtp_params_parse(
    const struct msv_smtp *s, bool rcpt, struct msv_span text, struct msv_smtp_params *out);

/* Readers of values, p NULL when there is no "="; NULL or why not.  DSN (RFC 3461
 * 4, params_dsn.c): */
const struct msv_smtp_say *msv_smtp_read_ret(
    const struct msv_smtp *s, struct msv_span value, struct msv_smtp_params *out);
const struct msv_smtp_say *msv_smtp_read_envid(
    const struct msv_smtp *s, struct msv_span value, struct msv_smtp_params *out);
const struct msv_smtp_say *msv_smtp_read_notify(
    const struct msv_smtp *s, struct msv_span value, struct msv_smtp_params *out);
const struct msv_smtp_say *msv_smtp_read_orcpt(
    const struct msv_smtp *s, struct msv_span value, struct msv_smtp_params *out);
/* FUTURERELEASE (RFC 4865, hold.c): */
const struct msv_smtp_say *msv_smtp_read_holdfor(
    const struct msv_smtp *s, struct msv_span value, struct msv_smtp_params *out);
const struct msv_smtp_say *msv_smtp_read_holduntil(
    const struct msv_smtp *s, struct msv_span value, struct msv_smtp_params *out);
bool msv_smtp_offers_hold(const struct msv_smtp *s);
/* Appends the parameters of the EHLO keyword. */
void msv_smtp_put_hold(const struct msv_smtp *s, struct msv_buf *out);
/* What is said of a value that makes no sense. */
extern const struct msv_smtp_say msv_smtp_bad_value;

/* -- The body (octets.c, body.c) -------------------------------------------------------- */

/* What is wrong with the octets of a body. */
enum msv_octets_fault { MSV_OCTETS_FINE, MSV_OCTETS_LONE_CR, MSV_OCTETS_LONE_LF, MSV_OCTETS_NUL };

/*
 * Takes the octets of a body apart (RFC 5321 4.5.2): dots are unstuffed and
 * the end is found, in pieces of any size.  Only CRLF.CRLF ends it.
 */
struct msv_octets {
	bool stuffed;   /* DATA; false: BDAT, no dots and no end */
	bool normalize; /* lone CR and LF become CRLF */
	uint8_t state;
	bool after_cr; /* the line ended in CR CRLF */
	bool ended;
	bool doubtful; /* ended, but CR CRLF came before the dot: some would not end here */
	enum msv_octets_fault fault; /* the first */
};

void msv_octets_init(struct msv_octets *o, bool stuffed, bool normalize);
/* Reads from p[0..n) up to the next piece of the message, which may be empty and
 * stays valid as long as p.  Returns how many bytes are used: all, unless there
 * is a piece (then perhaps none) or the end is reached. */
size_t msv_octets_next(struct msv_octets *o, const char *p, size_t n, struct msv_span *piece);
/* A body without dots is over: a CR at its end is alone. */
void msv_octets_finish(struct msv_octets *o);

/* Counts the Received fields of a header that streams by. */
struct msv_hops {
	uint32_t count;
	uint8_t match; /* letters of "received" seen, or a state beyond */
	bool over;     /* the header has ended */
};
void msv_hops_count(struct msv_hops *h, const char *p, size_t n);

/* The body of the transaction under way. */
struct msv_smtp_body {
	struct msv_octets octets;
	struct msv_hops hops;
	uint64_t size;                    /* octets of the message so far */
	const struct msv_smtp_say *fault; /* why it is refused; the rest is dropped */
	bool coming; /* octets of it, or of a chunk that is dropped, are what comes */
	/* The slowest rate allowed: octets since the clock started, which stands
	 * still while the peer is not to blame. */
	uint64_t clock, clock_octets;
};

/* The first octet is due. */
void msv_smtp_body_start(struct msv_smtp *s, bool stuffed);
/* Takes up to n bytes from the connection's input; returns how many were used.
 * Stops early when the handler pauses or the body ends. */
size_t msv_smtp_body_take(struct msv_smtp *s, size_t n);
/* Refuses the body: the handler is told, what still comes is dropped. */
void msv_smtp_body_refuse(struct msv_smtp *s, const struct msv_smtp_say *say);
/* The body is whole: done() is asked, or the refusal is said. */
void msv_smtp_body_done(struct msv_smtp *s);

/* -- The transaction (envelope.c) --------------------------------------------------------- */

/* Ends a transaction under way that done() was not called for. */
void msv_smtp_reset(struct msv_smtp *s, enum msv_smtp_reset why);
/* Forgets the envelope: the next command may be MAIL. */
void msv_smtp_forget(struct msv_smtp *s);

/* -- Time (timer.c) -------------------------------------------------------------------------- */

/* Sets the connection's deadline. */
void msv_smtp_set_deadline(struct msv_smtp *s);
void msv_smtp_expire(struct msv_conn *conn);

/* -- The log (log.c) --------------------------------------------------------------------------- */

/* Begins a line about the session: "smtp event session=... peer=...". */
void msv_smtp_log_begin(
    struct msv_logline *l, struct msv_smtp *s, enum msv_log_level level, const char *event);
/* A line with a reason. */
void msv_smtp_log(
    struct msv_smtp *s, enum msv_log_level level, const char *event, const char *reason);

/* -- The session (server.c) ------------------------------------------------------------------------ */

struct msv_smtp {
	struct msv_conn conn;
	struct msv_smtp_config config; /* with the defaults filled in */
	struct msv_smtp_handler handler;

	enum msv_smtp_phase phase;
	/* Reads what the peer may say now; true when it got on. */
	bool (*read)(struct msv_smtp *s);
	const struct msv_smtp_command *command; /* under way, or NULL */

	/* The question under way and its answer. */
	struct msv_op *op;
	msv_smtp_then then;
	struct msv_smtp_answer answer;
	bool answered;

	/* Lines. */
	size_t scanned;    /* bytes of the input without an LF */
	size_t line_size;  /* of the line shown, with its end */
	bool skipping;     /* a line that is too long goes on */
	bool skipped_bdat; /* it announced a chunk */

	/* Time, in monotonic ms. */
	uint64_t greet_at;   /* MSV_NEVER: connect() was asked */
	uint64_t heard;      /* when the session last got on */
	uint64_t held_for;   /* until then nothing is said or heard, MSV_NEVER: not so */
	struct msv_buf held; /* what is said then */
	bool paused;         /* body() wants no more */
	uint64_t paused_at;

	/* What is known of the peer. */
	char *helo, *helo_asked;
	bool esmtp;
	struct msv_account *account;
	struct msv_sasl *sasl;
	unsigned errors, auth_failures;
	uint32_t mails, messages;

	/* The transaction. */
	bool open;                          /* mail() was called; neither done() nor reset() was */
	bool delivering;                    /* done() was called; its answer is awaited */
	const struct msv_smtp_say *goodbye; /* said behind that answer */
	void *transaction;
	char *from;
	bool smtputf8;
	uint64_t declared;
	size_t recipients;
	struct msv_smtp_mailbox path;    /* of the MAIL or RCPT under way */
	struct msv_smtp_answer *answers; /* LMTP: one for each recipient */
	size_t answers_cap;
	struct msv_smtp_body body;
	uint64_t chunk_size, chunk; /* octets of the chunk; and still to come */
	bool chunk_last;
	bool chunk_drop; /* it is no part of a transaction; afterwards is said: */
	const struct msv_smtp_say *chunk_refusal; /* what the command table says, or */
	struct msv_smtp_answer chunk_answer;      /* what data() was answered */
};

/* TLS is under the session, and its handshake is over. */
bool msv_smtp_tls(const struct msv_smtp *s);
/* "smtp", "submission" or "lmtp". */
const char *msv_smtp_protocol(const struct msv_smtp *s);
/* Forgets everything the peer said (RFC 3207 4.2). */
void msv_smtp_start_again(struct msv_smtp *s);

#endif
