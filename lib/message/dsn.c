/*
 * Writes a notification: looks through the message first, then gives the words
 * for people, the fields for programs and the message or its header (RFC 6522 3).
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "codec/utf8.h"
#include "message/dsn_parts.h"

enum {
	STEP = 65536,            /* octets of the message at a time */
	HEADER_MAX = 256 * 1024, /* of its header that goes back */
	FULL_MAX = 50 * 1024,
	ID_SIZE = 12, /* octets of randomness in the boundary and the Message-ID */
	ADDRESS_MAX = 800,
};

struct msv_dsn_writer {
	struct msv_env *env;
	const struct msv_dsn *dsn;
	/* What comes next: the next piece in `out`, or nothing. */
	int (*step)(struct msv_dsn_writer *w);
	uint64_t offset, end; /* in the message */
	struct msv_buf out;
	struct msv_dsn_original original;
	struct msv_dsn_copy copy;
	struct msv_dsn_report report;
	bool is_8bit;
	const char *type, *encoding; /* of the third part */
	char id[2 * ID_SIZE + 1];
	char *message_id;
};

/* -- The message comes back ----------------------------------------------------------- */

static int put_end(struct msv_dsn_writer *w)
{
	w->step = NULL;
	return msv_buf_printf(&w->out, "\r\n--%s--\r\n", w->id);
}

static int copy(struct msv_dsn_writer *w)
{
	struct msv_span piece = { NULL, 0 };
	uint64_t left = w->end - w->offset;
	int rc = left ? w->dsn->read(w->dsn->user, w->offset, &piece) : 0;

	if (rc)
		return rc;
	if (piece.n > STEP)
		piece.n = STEP;
	if (piece.n > left)
		piece.n = (size_t)left;
	w->offset += piece.n;
	if (piece.n)
		return msv_dsn_copy_push(&w->copy, piece.p, piece.n, &w->out);
	rc = msv_dsn_copy_end(&w->copy, &w->out);
	return rc == 0 ? put_end(w) : rc;
}

/* How the message is labelled and encoded so that it survives the way (RFC 6522 3,
 * RFC 6533 4). */
static void choose_encoding(struct msv_dsn_writer *w)
{
	const struct msv_dsn_original *o = &w->original;
	bool full = w->report.full, global = o->header_8bit && !o->header_broken;
	bool is_8bit = o->header_8bit || (full && o->body_8bit);

	/* message/rfc822 may not be encoded (RFC 2045 6.4). */
	w->copy.qp = is_8bit && !(global && w->report.utf8) && (global || !full);
	w->is_8bit = w->report.utf8 || (is_8bit && !w->copy.qp);
	w->encoding = w->copy.qp ? "quoted-printable" : is_8bit ? "8bit" : "7bit";
	if (full)
		w->type = global ? "message/global" : "message/rfc822";
	else
		w->type = global ? "message/global-headers" : "text/rfc822-headers";
}

/* Opens a part. */
static int put_part(
    struct msv_dsn_writer *w, const char *description, const char *type, const char *encoding)
{
	return msv_buf_printf(&w->out,
	    "\r\n--%s\r\n"
	    "Content-Description: %s\r\n"
	    "Content-Type: %s\r\n"
	    "Content-Transfer-Encoding: %s\r\n"
	    "\r\n",
	    w->id, description, type, encoding);
}

/* The third part begins. */
static int put_original(struct msv_dsn_writer *w)
{
	const struct msv_dsn_original *o = &w->original;

	w->offset = 0;
	w->end = o->header_octets < HEADER_MAX ? o->header_octets : HEADER_MAX;
	if (w->report.full)
		w->end = o->octets;
	w->step = copy;
	return put_part(
	    w, w->report.full ? "The message" : "The header of the message", w->type, w->encoding);
}

/* -- What is said about it --------------------------------------------------------------- */

static const char *subject(const struct msv_dsn *dsn)
{
	static const char *const subjects[] = {
		[MSV_DSN_FAILED] = "Your message could not be delivered",
		[MSV_DSN_DELAYED] = "Your message is delayed",
		[MSV_DSN_DELIVERED] = "Your message was delivered",
		[MSV_DSN_RELAYED] = "Your message was passed on",
		[MSV_DSN_EXPANDED] = "Your message was passed on",
	};
	return subjects[msv_dsn_main_action(dsn)];
}

/* "To: <address>" */
static int put_to(struct msv_dsn_writer *w)
{
	enum msv_dsn_script script = w->report.utf8 ? MSV_DSN_UTF8 : MSV_DSN_ASCII;

	msv_buf_puts(&w->out, "To: <");
	msv_dsn_clean(w->dsn->to, strlen(w->dsn->to), ADDRESS_MAX, script, &w->out);
	return msv_buf_puts(&w->out, ">\r\n");
}

static int put_header(struct msv_dsn_writer *w)
{
	struct msv_buf *out = &w->out;
	const char *about = w->original.message_id;

	msv_buf_puts(out, "From: Mail Delivery System <MAILER-DAEMON@");
	msv_dsn_clean(w->dsn->host, strlen(w->dsn->host), ADDRESS_MAX, MSV_DSN_ASCII, out);
	msv_buf_puts(out, ">\r\n");
	put_to(w);
	msv_dsn_field("Subject", subject(w->dsn), MSV_DSN_ASCII, out);
	msv_dsn_date_field("Date", w->report.date, out);
	msv_dsn_field("Message-ID", w->message_id, MSV_DSN_ASCII, out);
	if (about) {
		msv_dsn_field("In-Reply-To", about, MSV_DSN_ASCII, out);
		msv_dsn_field("References", about, MSV_DSN_ASCII, out);
	}
	msv_buf_printf(out,
	    "Auto-Submitted: auto-replied\r\n"
	    "MIME-Version: 1.0\r\n"
	    "Content-Type: multipart/report; report-type=delivery-status;\r\n"
	    " boundary=\"%s\"\r\n"
	    "Content-Transfer-Encoding: %s\r\n"
	    "\r\n"
	    "This is a notification about a message, in parts (RFC 3464).\r\n",
	    w->id, w->is_8bit ? "8bit" : "7bit");
	return msv_buf_failed(out) ? MSV_ERR_NOMEM : 0;
}

/* A part of text that was made here, in the right encoding. */
static int put_made(
    struct msv_dsn_writer *w, const char *description, const char *type, struct msv_buf *text)
{
	struct msv_qp qp = { 0 };
	bool ascii = msv_ascii_only(msv_buf_data(text), msv_buf_len(text));

	put_part(w, description, type,
	    ascii            ? "7bit"
	    : w->report.utf8 ? "8bit"
	                     : "quoted-printable");
	if (ascii || w->report.utf8)
		return msv_buf_put(&w->out, msv_buf_data(text), msv_buf_len(text));
	int rc = msv_qp_push(&qp, msv_buf_data(text), msv_buf_len(text), &w->out);
	return rc == 0 ? msv_qp_end(&qp, &w->out) : rc;
}

static int put_text(struct msv_dsn_writer *w)
{
	struct msv_buf text;

	msv_buf_init(&text, w->env);
	int rc = msv_dsn_text(&w->report, &text);
	if (rc == 0)
		rc = put_made(w, "What happened", "text/plain; charset=utf-8", &text);
	msv_buf_fini(&text);
	return rc;
}

static int put_fields(struct msv_dsn_writer *w)
{
	struct msv_buf text;

	msv_buf_init(&text, w->env);
	int rc = msv_dsn_fields(&w->report, &text);
	if (rc == 0)
		rc = put_made(w, "Delivery report",
		    w->report.utf8 ? "message/global-delivery-status" : "message/delivery-status",
		    &text);
	msv_buf_fini(&text);
	return rc;
}

/* The message is known: everything up to it is written. */
static int put_head(struct msv_dsn_writer *w)
{
	int rc = put_header(w);

	if (rc == 0)
		rc = put_text(w);
	if (rc == 0)
		rc = put_fields(w);
	if (rc < 0)
		return rc;
	return w->dsn->read ? put_original(w) : put_end(w);
}

/* -- The message is looked through ----------------------------------------------------------- */

/* All of it goes back, as far as is known yet (RFC 3461 6.2, RFC 8689 5). */
static bool wants_full(const struct msv_dsn_writer *w)
{
	const struct msv_dsn *dsn = w->dsn;
	uint64_t max = dsn->full_max ? dsn->full_max : FULL_MAX;

	return dsn->full && !dsn->requiretls && msv_dsn_main_action(dsn) == MSV_DSN_FAILED &&
	       w->original.octets <= max && !w->original.header_broken;
}

/* Enough was seen. */
static int scanned(struct msv_dsn_writer *w)
{
	int rc = msv_dsn_original_end(&w->original);

	w->report.full = w->dsn->read && wants_full(w);
	choose_encoding(w);
	w->step = put_head;
	return rc;
}

static int scan(struct msv_dsn_writer *w)
{
	struct msv_span piece = { NULL, 0 };
	int rc = w->dsn->read ? w->dsn->read(w->dsn->user, w->offset, &piece) : 0;

	if (rc)
		return rc;
	if (piece.n > STEP)
		piece.n = STEP;
	w->offset += piece.n;
	rc = piece.n ? msv_dsn_original_push(&w->original, piece.p, piece.n) : 0;
	if (rc == 0 && (!piece.n || (w->original.header_over && !wants_full(w)) ||
	                   w->original.octets >= UINT64_MAX - STEP))
		rc = scanned(w);
	return rc;
}

/* -- The writer ------------------------------------------------------------------------------------ */

static bool is_complete(const struct msv_dsn *dsn)
{
	if (!dsn->host || !*dsn->host || !dsn->to || !*dsn->to || !dsn->nrecipients)
		return false;
	for (size_t i = 0; i < dsn->nrecipients; i++)
		if (!dsn->recipients[i].address ||
		    (unsigned)dsn->recipients[i].action > MSV_DSN_EXPANDED)
			return false;
	return true;
}

/* Names the notification and its boundary. */
static int make_id(struct msv_dsn_writer *w)
{
	uint8_t random[ID_SIZE];
	struct msv_buf text;
	int rc = msv_env_random(w->env, random, sizeof(random));

	if (rc < 0)
		return rc;
	for (size_t i = 0; i < sizeof(random); i++)
		snprintf(w->id + 2 * i, 3, "%02x", random[i]);
	msv_buf_init(&text, w->env);
	msv_buf_printf(&text, "<%s@", w->id);
	msv_dsn_clean(w->dsn->host, strlen(w->dsn->host), ADDRESS_MAX, MSV_DSN_ASCII, &text);
	msv_buf_putc(&text, '>');
	if (!msv_buf_failed(&text))
		w->message_id = msv_strndup(w->env, msv_buf_data(&text), msv_buf_len(&text));
	msv_buf_fini(&text);
	return w->message_id ? 0 : MSV_ERR_NOMEM;
}

int msv_dsn_writer_new(struct msv_env *env, const struct msv_dsn *dsn, struct msv_dsn_writer **out)
{
	struct msv_dsn_writer *w;

	*out = NULL;
	if (!is_complete(dsn))
		return MSV_ERR_INVAL;
	w = msv_alloc(env, sizeof(*w));
	if (!w)
		return MSV_ERR_NOMEM;
	w->env = env;
	w->dsn = dsn;
	w->step = scan;
	msv_buf_init(&w->out, env);
	msv_dsn_original_init(&w->original, env);
	msv_dsn_copy_init(&w->copy, env, false);
	w->report = (struct msv_dsn_report){ .env = env,
		.dsn = dsn,
		.date = dsn->date ? dsn->date : (int64_t)(msv_env_realtime(env) / 1000000),
		.utf8 = !msv_ascii_only(dsn->to, strlen(dsn->to)),
		.original = &w->original };
	int rc = make_id(w);
	if (rc < 0) {
		msv_dsn_writer_free(w);
		return rc;
	}
	*out = w;
	return 0;
}

int msv_dsn_next(struct msv_dsn_writer *w, struct msv_span *piece)
{
	int rc = 0;

	*piece = (struct msv_span){ NULL, 0 };
	msv_buf_clear(&w->out);
	while (w->step && !msv_buf_len(&w->out) && rc == 0)
		rc = w->step(w);
	if (rc)
		return rc;
	if (msv_buf_failed(&w->out))
		return MSV_ERR_NOMEM;
	*piece = (struct msv_span){ msv_buf_data(&w->out), msv_buf_len(&w->out) };
	return 0;
}

void msv_dsn_writer_free(struct msv_dsn_writer *w)
{
	if (!w)
		return;
	msv_buf_fini(&w->out);
	msv_dsn_original_fini(&w->original);
	msv_dsn_copy_fini(&w->copy);
	msv_free(w->env, w->message_id);
	msv_free(w->env, w);
}

bool msv_dsn_is_8bit(const struct msv_dsn_writer *w)
{
	return w->is_8bit;
}

bool msv_dsn_is_smtputf8(const struct msv_dsn_writer *w)
{
	return w->report.utf8;
}

const char *msv_dsn_message_id(const struct msv_dsn_writer *w)
{
	return w->message_id;
}
