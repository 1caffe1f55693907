/* sendmail: what programs call to send mail; speaks to mailservd's unix socket. */
#ifndef SENDMAIL_H
#define SENDMAIL_H

#include <mailserv/mailserv.h>
#include <stdio.h>
#include <sysexits.h>

/* A message and whom it goes to. */
struct submission {
	char *from; /* "" the null reverse-path */
	char **recipients;
	size_t nrecipients;
	char *body; /* lines end in CRLF */
	size_t octets;
	bool body_8bit, smtputf8;
	unsigned notify; /* MSV_NOTIFY_*, 0 not given */
	unsigned ret;    /* 0, 1 FULL, 2 HDRS */
	char *envid;
};

/* Copies the address.  0 or -1: no memory. */
int submission_add(struct submission *s, const char *address);
void submission_fini(struct submission *s);

/* -- submit.c --------------------------------------------------------------------- */

/* Hands it to the server behind the unix socket; tells each refusal on `errors`.
 * EX_OK; EX_TEMPFAIL; EX_NOUSER, EX_UNAVAILABLE: refused for good; -1: nobody
 * listens there.  Afterwards the submission has the recipients that can be tried
 * again and no others. */
int submit(const char *socket, struct submission *s, FILE *errors);

/* -- drop.c: a directory for mail while no daemon runs ----------------------------- */

/* Leaves it there, safe on disk.  EX_OK, or EX_CANTCREAT and said why. */
int drop_write(const char *directory, const struct submission *s, FILE *errors);
/* Reads one back from an open file.  0, or -1: it is no such file. */
int drop_read(int fd, struct submission *s);

/* -- compose.c ------------------------------------------------------------------------ */

struct composing {
	const char *from;      /* for a From field when there is none */
	const char *full_name; /* NULL none */
	bool from_header;      /* -t: recipients from To, Cc and Bcc */
};
/* Reads a message with LF or CRLF line ends from `in` up to its end (and with dot_ends to a
 * line with a dot alone).  EX_OK, or an exit status and said why. */
int compose(struct submission *s, FILE *in, bool dot_ends, const struct composing *how);

#endif
