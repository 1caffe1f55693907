/* The lexical pieces of structured header fields (RFC 5322 3.2, RFC 2045 5.1),
 * read from memory. */
#ifndef MSV_CODEC_TOKEN_H
#define MSV_CODEC_TOKEN_H

#include "base/buf.h"

/* A place in a text. */
struct msv_scan {
	const char *p, *end;
};

/* Blanks, line ends and comments (nested, counted, never recursed) are skipped. */
void msv_scan_cfws(struct msv_scan *s);
/* The same; the text inside the last comment, quotes undone, is put in comment
 * (which is emptied first when there is one).  0 or MSV_ERR_NOMEM. */
int msv_scan_cfws_comment(struct msv_scan *s, struct msv_buf *comment);
/* A quoted-string at the place (which must show a `"`): its text, quotes and
 * backslashes undone, is appended.  An unended one goes to the end. */
int msv_scan_quoted(struct msv_scan *s, struct msv_buf *out);
/* A run of RFC 2045 token characters (or bytes above 127); may be empty. */
struct msv_span msv_scan_token(struct msv_scan *s);
/* A run of RFC 5322 atext, dots, or bytes above 127; may be empty. */
struct msv_span msv_scan_dot_atom(struct msv_scan *s);

bool msv_is_token(char c);
bool msv_is_blank(char c); /* space, tab, CR, LF */

#endif
