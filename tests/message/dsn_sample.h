/* Notifications written in the tests: what they are about, and how they are read
 * to the end. */
#ifndef TESTS_MESSAGE_DSN_SAMPLE_H
#define TESTS_MESSAGE_DSN_SAMPLE_H

#include <string.h>

#include "message/dsn.h"

/* A message in memory that is read in pieces, pausing now and then. */
struct sample_message {
	const char *p;
	size_t n, piece; /* piece 0: all at once */
	bool pauses;     /* every other call says MSV_PAUSE */
	unsigned calls;
	int error; /* returned at the third call, 0 none */
};

static inline int sample_read(void *user, uint64_t offset, struct msv_span *piece)
{
	struct sample_message *m = user;
	size_t left = offset < m->n ? m->n - (size_t)offset : 0;

	m->calls++;
	if (m->error && m->calls == 3)
		return m->error;
	if (m->pauses && m->calls % 2)
		return MSV_PAUSE;
	*piece = (struct msv_span){ left ? m->p + offset : "",
		m->piece && m->piece < left ? m->piece : left };
	return 0;
}

/* Appends the whole notification to out.  0 or the writer's error. */
static inline int sample_write(struct msv_env *env, const struct msv_dsn *dsn, struct msv_buf *out,
    bool *is_8bit, bool *is_smtputf8)
{
	struct msv_dsn_writer *writer;
	struct msv_span piece = { NULL, 0 };
	int rc = msv_dsn_writer_new(env, dsn, &writer);

	if (rc < 0)
		return rc;
	do {
		do
			rc = msv_dsn_next(writer, &piece);
		while (rc == MSV_PAUSE);
		if (rc == 0 && piece.n)
			rc = msv_buf_put(out, piece.p, piece.n);
	} while (rc == 0 && piece.n);
	if (is_8bit)
		*is_8bit = msv_dsn_is_8bit(writer);
	if (is_smtputf8)
		*is_smtputf8 = msv_dsn_is_smtputf8(writer);
	msv_dsn_writer_free(writer);
	return rc;
}

static const char sample_text[] = "Received: from a.example by mx.example.org; Sun, 22 Nov 2026\r\n"
                                  " 19:59:59 +0000\r\n"
                                  "Date: Sun, 22 Nov 2026 19:59:58 +0000\r\n"
                                  "From: Ann <ann@example.org>\r\n"
                                  "To: bob@example.com\r\n"
                                  "Message-ID: <one@example.org>\r\n"
                                  "Subject: Lunch\r\n"
                                  "\r\n"
                                  "At noon?\r\n"
                                  ".\r\n"
                                  "--\r\n"
                                  "Ann\r\n";

static const struct msv_dsn_recipient sample_recipients[] = {
	{ .action = MSV_DSN_FAILED,
	    .address = "bob@example.com",
	    .orcpt = "rfc822;Bob+x@Example.com",
	    .code = 550,
	    .status = "5.1.1",
	    .text = "5.1.1 <bob@example.com>: Recipient address rejected: User unknown in virtual "
	            "mailbox table",
	    .remote = true,
	    .host = "mx1.example.com",
	    .last_attempt = 1795377700 },
	{ .action = MSV_DSN_FAILED,
	    .address = "carol@dead.example",
	    .code = 451,
	    .status = "4.4.1",
	    .text = "Connection timed out",
	    .host = "mail.dead.example",
	    .last_attempt = 1795377600 + 4 * 86400 },
	{ .action = MSV_DSN_DELAYED,
	    .address = "dave@example.net",
	    .code = 452,
	    .text = "the mailbox is full",
	    .remote = true,
	    .host = "mx.example.net",
	    .last_attempt = 1795377600 + 4 * 3600,
	    .will_retry_until = 1795377600 + 4 * 86400 },
	{ .action = MSV_DSN_DELIVERED,
	    .address = "eve@example.org",
	    .code = 250,
	    .status = "2.1.5",
	    .text = "ok" },
};

static inline struct msv_dsn sample_dsn(struct sample_message *message)
{
	return (struct msv_dsn){
		.host = "mx.example.org",
		.postmaster = "postmaster@example.org",
		.to = "ann@example.org",
		.date = 1795377600 + 4 * 86400,
		.arrival = 1795377600,
		.envid = "QQ314159  x",
		.recipients = sample_recipients,
		.nrecipients = sizeof sample_recipients / sizeof *sample_recipients,
		.read = message ? sample_read : NULL,
		.user = message,
	};
}

#endif
