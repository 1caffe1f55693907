/* The inside of the SMTP client. */
#ifndef MSV_SMTP_CLIENT_H
#define MSV_SMTP_CLIENT_H

#include <mailserv/auth.h>
#include <mailserv/smtp_client.h>

#include "base/alloc.h"
#include "base/conn.h"
#include "base/op.h"
#include "codec/arena.h"
#include "message/mime.h"

struct msv_smtp_client;
struct msv_smtp_sending;

/* -- Replies (client_reply.c) ------------------------------------------------------ */

#define MSV_REPLY_TEXT_MAX 512

/* A reply, while its lines come in. */
struct msv_smtp_reply {
	int code;
	char enhanced[12]; /* "" for none of the code's class */
	char text[MSV_REPLY_TEXT_MAX + 1];
	size_t ntext;
	size_t octets; /* of all lines so far */
	bool begun, last;
};

/* How far the next line is there. */
enum msv_reply_state {
	MSV_REPLY_NONE,  /* more bytes are needed */
	MSV_REPLY_LINE,  /* *text is a line of it, behind code and separator */
	MSV_REPLY_WHOLE, /* and that was the last */
	MSV_REPLY_BAD    /* this is no reply; reply->text says why */
};
/* Takes the next line of a reply (RFC 5321 4.2) from the connection's input; the
 * text is valid until msv_reply_next() again. */
enum msv_reply_state msv_reply_next(struct msv_smtp_client *c, struct msv_span *text);
/* Forgets the reply: the next begins. */
void msv_reply_reset(struct msv_smtp_client *c);
/* Puts text into out of size octets as printable ASCII, ended by NUL; returns
 * its length. */
size_t msv_smtp_clean(const char *p, size_t n, char *out, size_t size);

/* -- Exchanges (client.c) ------------------------------------------------------------ */

/* A kind of command and what is done with the reply to it. */
struct msv_smtp_exchange {
	enum msv_smtp_stage stage;
	size_t limit; /* offset of its time limit in the config */
	/* A line of the reply; may be NULL. */
	void (*line)(struct msv_smtp_client *c, struct msv_span text, bool first);
	/* The reply; index is that of the command. */
	void (*done)(struct msv_smtp_client *c, const struct msv_smtp_reply *reply, size_t index);
};
#define MSV_LIMIT(member) offsetof(struct msv_smtp_client_config, member)

/* Replies that are due: `count` of them, with indices from `index` on. */
struct msv_smtp_await {
	const struct msv_smtp_exchange *exchange;
	size_t index, count;
};

/* As many commands may be without a reply (RFC 2920). */
enum { MSV_AWAITS_MAX = 64 };

/* Says a command (without its CRLF), whose reply is then due (exchange NULL: that
 * is said by msv_smtp_expect()).  `shown` is what the trace has instead, NULL:
 * the same. */
void msv_smtp_say_line(struct msv_smtp_client *c, const struct msv_smtp_exchange *exchange,
    size_t index, const char *line, const char *shown);
/* As many replies to what was said already, or will be, are due. */
void msv_smtp_expect(
    struct msv_smtp_client *c, const struct msv_smtp_exchange *exchange, size_t count);
/* A line of the trace. */
void msv_smtp_note(struct msv_smtp_client *c, const char *fmt, ...) MSV_PRINTF(2, 3);
void msv_smtp_trace_line(
    struct msv_smtp_client *c, enum msv_smtp_trace what, const char *p, size_t n);

/* The session cannot go on: it ends with the reply, or with words of our own
 * (code, status, text). */
void msv_smtp_end_by_reply(
    struct msv_smtp_client *c, enum msv_smtp_stage stage, const struct msv_smtp_reply *reply);
void msv_smtp_end_by(struct msv_smtp_client *c, enum msv_smtp_stage stage, int code,
    const char *enhanced, const char *text);
/* Nothing may follow what was sent: the connection is cut off. */
void msv_smtp_cut(struct msv_smtp_client *c);

static inline bool msv_reply_yes(const struct msv_smtp_reply *reply)
{
	return reply->code < 400;
}

/* -- Setting up (client_hello.c, client_login.c) ---------------------------------------- */

extern const struct msv_smtp_exchange msv_smtp_greeting;
/* EHLO or LHLO; what was known of the next hop is forgotten. */
void msv_smtp_say_hello(struct msv_smtp_client *c);
/* Logs in, or is ready at once. */
void msv_smtp_log_in(struct msv_smtp_client *c);
/* The session is set up. */
void msv_smtp_ready(struct msv_smtp_client *c);

/* -- Messages (client_message.c) ----------------------------------------------------------- */

struct msv_smtp_target {
	char *address; /* as given; normalized once it is looked at */
	unsigned notify;
	char *orcpt;
	bool settled;  /* its verdict is final */
	bool accepted; /* RCPT was answered yes, and nothing final since */
	bool asked;    /* RCPT was said */
};

struct msv_smtp_sending {
	struct msv_smtp_sending *next;
	struct msv_smtp_client *client;
	struct msv_arena arena; /* the strings and targets */
	struct msv_op *op;
	struct msv_smtp_message message; /* strings are copies */
	struct msv_smtp_target *targets;
	/* In the op's memory: */
	struct msv_smtp_outcome *outcome;
	struct msv_smtp_verdict *verdicts; /* of the targets */
	bool canceled;
};

/* Takes a message into the queue, or answers it. */
void msv_smtp_client_take(
    struct msv_smtp_client *c, const struct msv_smtp_message *message, struct msv_op *op);
/* The verdict for one recipient; for all that have none; for those of them that
 * were accepted.  Strings are copied. */
void msv_sending_settle(
    struct msv_smtp_sending *s, size_t index, const struct msv_smtp_verdict *verdict);
void msv_sending_settle_rest(struct msv_smtp_sending *s, const struct msv_smtp_verdict *verdict);
void msv_sending_settle_accepted(
    struct msv_smtp_sending *s, const struct msv_smtp_verdict *verdict);
/* What a reply to the message says as a verdict; its strings are the reply's. */
struct msv_smtp_verdict msv_verdict_of(
    enum msv_smtp_stage stage, const struct msv_smtp_reply *reply);
/* The first message of the queue is done: answers its op and forgets it. */
void msv_smtp_answer_first(struct msv_smtp_client *c);
/* All messages are answered by the verdict of the end. */
void msv_smtp_answer_all(struct msv_smtp_client *c);

/* -- The envelope (client_envelope.c) ------------------------------------------------------- */

/* Where the message under way is. */
enum msv_smtp_turn {
	MSV_TURN_NONE,
	MSV_TURN_SCAN,     /* it is looked through, for conversion */
	MSV_TURN_ENVELOPE, /* MAIL and RCPT are said */
	MSV_TURN_DATA,     /* DATA was said */
	MSV_TURN_BODY,     /* the body goes out */
	MSV_TURN_END       /* it has gone out */
};

/* Looks at the first message of the queue and begins with it. */
void msv_smtp_begin(struct msv_smtp_client *c);
/* The message was looked through, c->octets is what it becomes: goes on. */
void msv_smtp_scanned(struct msv_smtp_client *c);
/* Says what can be said now of the envelope; true when something was. */
bool msv_smtp_say_envelope(struct msv_smtp_client *c);
/* The message is done: answers it. */
void msv_smtp_finish(struct msv_smtp_client *c);

/* -- The body (client_body.c, client_lines.c) ---------------------------------------------------- */

/* Checks the lines of a body (RFC 5321 2.3.8, 4.5.2). */
struct msv_lines {
	bool stuff;    /* dots are doubled */
	bool mid_line; /* not at the start of a line */
	bool cr;       /* a CR came last; not given out yet */
};
/* Appends n octets; MSV_ERR_FORMAT at the first CR or LF that is alone, or NUL,
 * with nothing bad given out; MSV_ERR_NOMEM. */
int msv_lines_push(struct msv_lines *lines, const char *p, size_t n, struct msv_buf *out);
/* The body is over: ends the last line.  As above. */
int msv_lines_end(struct msv_lines *lines, struct msv_buf *out);

/* Looks through the message, to convert it. */
void msv_smtp_start_scan(struct msv_smtp_client *c);
/* Sends the body by DATA after its 354, or by BDAT. */
void msv_smtp_start_body(struct msv_smtp_client *c);
/* Goes on with it; true when something was done. */
bool msv_smtp_send_body(struct msv_smtp_client *c);
void msv_smtp_body_fini(struct msv_smtp_client *c);
/* Reads the next piece of the message under way.  1: *piece is it (n 0: the end),
 * 0: not now; negative: the message cannot be read, or the connection is gone. */
int msv_smtp_read(struct msv_smtp_client *c, struct msv_span *piece);

/* -- Conversion to 7 bits (client_convert.c, client_encode.c) ----------------------------------- */

/* What is to be done with a body. */
enum msv_encode {
	MSV_ENCODE_COPY,
	MSV_ENCODE_QP,
	MSV_ENCODE_BASE64,
	MSV_ENCODE_QP_PATCH,
	MSV_ENCODE_BASE64_PATCH,
	MSV_ENCODE_MASK
};

/* What a line of base64 holds. */
#define MSV_ENCODER_LINE 57

/* Encodes octets (RFC 2045 6.7, 6.8). */
struct msv_encoder {
	enum msv_encode how;
	unsigned column;
	char held[MSV_ENCODER_LINE]; /* base64: of a line; quoted-printable: a blank, a CR */
	unsigned nheld;
};
void msv_encoder_init(struct msv_encoder *e, enum msv_encode how);
void msv_encoder_push(struct msv_encoder *e, const char *p, size_t n, struct msv_buf *out);
void msv_encoder_end(struct msv_encoder *e, struct msv_buf *out);

struct msv_convert;
/* A conversion: push the message once to look at its structure, finish, once more
 * to see where octets beyond 127 are, finish; then each push gives what is sent.
 */
int msv_convert_new(struct msv_env *env, struct msv_convert **out);
void msv_convert_free(struct msv_convert *v);
/* Appends to out in the last round only.  0 or MSV_ERR_NOMEM. */
int msv_convert_push(struct msv_convert *v, const char *p, size_t n, struct msv_buf *out);
/* The message is over: the next round begins.  0; MSV_ERR_NOMEM;
 * MSV_ERR_UNSUPPORTED: it cannot be converted, *why says in words. */
int msv_convert_finish(struct msv_convert *v, struct msv_buf *out, const char **why);
/* True in the last round. */
bool msv_convert_ready(const struct msv_convert *v);

/* -- The session (client.c) -------------------------------------------------------------------------- */

/* What is known of the next hop. */
struct msv_next_hop {
	bool esmtp;
	unsigned extensions;
	uint64_t size_limit;
	uint32_t mail_max, rcpt_max, rcpt_domain_max;
	char mechanisms[256]; /* of AUTH */
};

struct msv_smtp_client {
	struct msv_conn conn;
	struct msv_smtp_client_config config; /* with the defaults; strings are copies */

	/* What was said and heard. */
	struct msv_smtp_await awaits[MSV_AWAITS_MAX];
	size_t first_await, nawaits;
	struct msv_smtp_reply reply;
	size_t scanned;   /* octets of the input without an LF */
	size_t line_size; /* of the line shown */
	uint64_t heard;   /* when the session last got on */

	/* Setting up. */
	struct msv_next_hop hop;
	char greeting_host[256], hello_host[256];
	bool heard_in_tls; /* a reply came inside TLS */
	bool helo;         /* HELO was said, as EHLO was not understood */
	struct msv_sasl_client *sasl;
	struct msv_op *sasl_op;
	struct msv_buf sasl_text;      /* an initial response the server has to ask for */
	struct msv_buf sasl_challenge; /* of the server */
	bool sasl_started;             /* AUTH was said */
	bool authenticated, ready;
	uint32_t mails;

	/* The end. */
	bool quit;      /* asked for */
	bool quit_said; /* nothing more is said */
	bool over;      /* all were answered */
	struct msv_task over_task;
	bool tls_failed;
	struct msv_smtp_reply end; /* code 0: not yet */
	enum msv_smtp_stage end_stage;
	bool end_remote;
	bool end_permanent; /* for the message under way */
	bool canceled;      /* the message under way was given up */

	/* Messages; the first is under way when `turn` says so. */
	struct msv_smtp_sending *first, *last;
	size_t waiting;
	enum msv_smtp_turn turn;
	bool utf8;      /* SMTPUTF8 is said */
	bool body_8bit; /* BODY=8BITMIME is said */
	bool mail_said, mail_answered, mail_refused, data_said;
	bool open;                 /* the last transaction was left: RSET is due */
	size_t next_target;        /* whose RCPT is to be said */
	size_t accepted;           /* recipients */
	size_t ends;               /* replies to the end of the message */
	size_t lmtp_next;          /* LMTP: whose answer comes next */
	bool end_sent;             /* the end of the message */
	bool uncertain, completed; /* as in its outcome */
	bool chunk_failed;

	/* The body. */
	bool chunking, chunk_last;
	bool paused;
	uint64_t offset; /* of the piece asked for next */
	bool read_done;
	struct msv_lines lines, checked;
	struct msv_convert *convert;
	struct msv_buf piece, chunk; /* checked octets for conversion; octets of a chunk */
	uint64_t octets;             /* of the message as it is sent, 0 not known */
	uint64_t sent;               /* octets of the body */
};

/* The client behind a conn, NULL when it speaks something else. */
struct msv_smtp_client *msv_smtp_client_of(const struct msv_conn *conn);

/* -- Facts (client_info.c), configuration (client_config.c) ------------------------------------------- */

/* TLS is on, its handshake over: "TLSv1.3"; else "". */
const char *msv_smtp_client_tls(const struct msv_smtp_client *c);
/* For the conn's info. */
void msv_smtp_client_conn_info(const struct msv_conn *conn, struct msv_conn_info *info);
/* Copies and completes it; c->conn.env is set.  0; MSV_ERR_INVAL: nothing was
 * copied; MSV_ERR_NOMEM. */
int msv_smtp_client_take_config(
    struct msv_smtp_client *c, const struct msv_smtp_client_config *config);
/* Frees the copies; wipes the password. */
void msv_smtp_client_forget_config(struct msv_smtp_client *c);

#endif
