/* The pieces the writer of notifications is made of. */
#ifndef MSV_MESSAGE_DSN_PARTS_H
#define MSV_MESSAGE_DSN_PARTS_H

#include "codec/qp.h"
#include "message/dsn.h"
#include "message/header.h"

/* -- Text of others (dsn_clean.c) -------------------------------------------------- */

enum msv_dsn_script {
	MSV_DSN_ASCII, /* anything else becomes "?" */
	MSV_DSN_UTF8,  /* what is no UTF-8 becomes U+FFFD */
};

/* Appends a text of at most `max` octets in one line: control characters and what
 * hides or turns text around become blanks, runs of blanks one, outer ones go.
 * 0 or MSV_ERR_NOMEM. */
int msv_dsn_clean(
    const char *p, size_t n, size_t max, enum msv_dsn_script script, struct msv_buf *out);
/* Appends "Name: value", cleaned, folded at blanks (RFC 5322 2.2.3). */
int msv_dsn_field(
    const char *name, const char *value, enum msv_dsn_script script, struct msv_buf *out);
/* "Name: date" of seconds since the epoch. */
int msv_dsn_date_field(const char *name, int64_t time, struct msv_buf *out);
/* Appends cleaned UTF-8 as a paragraph of lines of at most 76 columns. */
int msv_dsn_wrap(const char *text, unsigned indent, struct msv_buf *out);

/* -- The message it is about (dsn_original.c) ----------------------------------------- */

struct msv_dsn_original {
	struct msv_env *env;
	struct msv_header_reader reader;
	bool header_over;
	uint64_t header_octets; /* up to the end of the last field */
	uint64_t octets;
	bool header_8bit, header_broken; /* broken: it is no UTF-8 */
	bool body_8bit;
	char held[4]; /* a character that came in pieces */
	uint8_t nheld;
	char *message_id, *subject; /* NULL: none that is of use; subject is clean UTF-8 */
};

void msv_dsn_original_init(struct msv_dsn_original *o, struct msv_env *env);
void msv_dsn_original_fini(struct msv_dsn_original *o);
/* Looks at the next octets.  0 or MSV_ERR_NOMEM. */
int msv_dsn_original_push(struct msv_dsn_original *o, const char *p, size_t n);
/* There are no more. */
int msv_dsn_original_end(struct msv_dsn_original *o);

/* Brings a message in order on its way into another: lines end in CRLF, the last
 * too, NULs are gone, and if asked for it is quoted-printable. */
struct msv_dsn_copy {
	bool qp, cr, midline;
	struct msv_qp encoder;
	struct msv_buf lines; /* to be encoded */
};

void msv_dsn_copy_init(struct msv_dsn_copy *c, struct msv_env *env, bool qp);
void msv_dsn_copy_fini(struct msv_dsn_copy *c);
int msv_dsn_copy_push(struct msv_dsn_copy *c, const char *p, size_t n, struct msv_buf *out);
int msv_dsn_copy_end(struct msv_dsn_copy *c, struct msv_buf *out);

/* -- The parts ----------------------------------------------------------------------------- */

/* What all parts need to know. */
struct msv_dsn_report {
	struct msv_env *env;
	const struct msv_dsn *dsn;
	int64_t date;
	bool utf8; /* the receiver takes UTF-8 (RFC 6533 4) */
	bool full; /* all of the message is returned */
	const struct msv_dsn_original *original;
};

/* The status a recipient ended with, of a class that suits what is said of it. */
struct msv_status msv_dsn_status(const struct msv_dsn_recipient *recipient);
/* Appends how it ended, in the words of an SMTP reply: "550 5.1.1 no such user"; at
 * most 600 octets.  What is not known is left out. */
int msv_dsn_said(
    const struct msv_dsn_recipient *recipient, enum msv_dsn_script script, struct msv_buf *out);
/* The most important of what happened: FAILED before DELAYED before the others. */
enum msv_dsn_action msv_dsn_main_action(const struct msv_dsn *dsn);
/* Appends the words for people (dsn_text.c): clean UTF-8, CRLF. */
int msv_dsn_text(const struct msv_dsn_report *report, struct msv_buf *out);
/* Appends the fields for programs (dsn_fields.c). */
int msv_dsn_fields(const struct msv_dsn_report *report, struct msv_buf *out);

#endif
