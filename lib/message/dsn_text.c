/* The part of a notification that people read. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "codec/date.h"
#include "message/dsn_parts.h"

enum { SAID_MAX = 1000, NAME_OCTETS = 600, PARAGRAPH_MAX = 4000 };

/* What a text is about: stands for %d, %a and %h in it. */
struct about {
	const char *address, *domain;
	char duration[40];
	bool lasted; /* duration is one */
};

/* -- Paragraphs -------------------------------------------------------------------- */

static int put_name(const char *text, struct msv_buf *out)
{
	return msv_dsn_clean(text, strlen(text), NAME_OCTETS, MSV_DSN_UTF8, out);
}

/* Writes out what a template says. */
static void expand(const char *template, const struct about *about, struct msv_buf *out)
{
	for (const char *p = template; *p; p++) {
		if (about && p[0] == '%' && p[1] == 'd')
			put_name(about->domain, out);
		else if (about && p[0] == '%' && p[1] == 'a')
			put_name(about->address, out);
		else if (about && p[0] == '%' && p[1] == 'h')
			msv_buf_puts(out, about->duration);
		else {
			msv_buf_putc(out, *p);
			continue;
		}
		p++;
	}
}

/* Appends a paragraph of the words of the template and an empty line. */
static int paragraph(
    const char *template, const struct about *about, unsigned indent, struct msv_buf *out)
{
	struct msv_buf text, clean;
	int rc = MSV_ERR_NOMEM;

	msv_buf_init(&text, out->env);
	msv_buf_init(&clean, out->env);
	expand(template, about, &text);
	/* Words that were given may be anybody's. */
	msv_dsn_clean(msv_buf_data(&text), msv_buf_len(&text), PARAGRAPH_MAX, MSV_DSN_UTF8, &clean);
	const char *line = msv_buf_failed(&text) ? NULL : msv_buf_cstr(&clean);
	if (line) {
		msv_dsn_wrap(line, indent, out);
		rc = msv_buf_puts(out, "\r\n");
	}
	msv_buf_fini(&text);
	msv_buf_fini(&clean);
	return rc;
}

/* "  Name: value", wrapped. */
static int labelled(const char *name, const char *value, unsigned indent, struct msv_buf *out)
{
	struct msv_buf text;
	int rc = MSV_ERR_NOMEM;

	msv_buf_init(&text, out->env);
	msv_buf_puts(&text, name);
	msv_buf_putc(&text, ' ');
	msv_dsn_clean(value, strlen(value), SAID_MAX, MSV_DSN_UTF8, &text);
	const char *line = msv_buf_cstr(&text);
	if (line)
		rc = msv_dsn_wrap(line, indent, out);
	msv_buf_fini(&text);
	return rc;
}

static int labelled_date(const char *name, int64_t time, unsigned indent, struct msv_buf *out)
{
	char text[MSV_DATE_SIZE];

	msv_date_write(&(struct msv_date){ .time = time }, text);
	return labelled(name, text, indent, out);
}

/* -- A recipient --------------------------------------------------------------------- */

/* "for 4 days", in the largest unit of which there are two at least; false when it was
 * no time worth telling. */
static bool tell_duration(int64_t seconds, char *out, size_t size)
{
	static const struct {
		int64_t seconds;
		const char *name;
	} units[] = { { 86400, "days" }, { 3600, "hours" }, { 60, "minutes" } };

	snprintf(out, size, "when it was asked");
	for (size_t i = 0; i < sizeof(units) / sizeof(units[0]); i++)
		if (seconds >= 2 * units[i].seconds) {
			snprintf(out, size, "for %" PRId64 " %s", seconds / units[i].seconds,
			    units[i].name);
			return true;
		}
	return false;
}

static struct about about(const struct msv_dsn_report *report, const struct msv_dsn_recipient *r)
{
	const char *at = strrchr(r->address, '@');
	struct about a = { .address = r->address, .domain = at ? at + 1 : r->address };
	int64_t from = report->dsn->arrival;
	int64_t until = r->last_attempt ? r->last_attempt : report->date;

	a.lasted = tell_duration(
	    from > 0 && until > from ? until - from : 0, a.duration, sizeof(a.duration));
	return a;
}

/* Who said the words that follow. */
static int put_speaker(const struct msv_dsn_recipient *r, struct msv_buf *out)
{
	struct about a = { .domain = r->host ? r->host : "" };
	struct msv_buf text;
	int rc = MSV_ERR_NOMEM;

	msv_buf_init(&text, out->env);
	expand(!r->remote ? "In the words of our server:"
	       : r->host  ? "In the words of the server %d:"
	                  : "In the words of that server:",
	    &a, &text);
	const char *line = msv_buf_cstr(&text);
	if (line)
		rc = msv_dsn_wrap(line, 4, out);
	msv_buf_fini(&text);
	return rc;
}

static int put_said(const struct msv_dsn_recipient *r, struct msv_buf *out)
{
	struct msv_buf said;
	int rc;

	if (!r->text || !*r->text || r->action > MSV_DSN_DELAYED)
		return 0;
	msv_buf_init(&said, out->env);
	rc = msv_dsn_said(r, MSV_DSN_UTF8, &said);
	const char *line = msv_buf_cstr(&said);
	if (rc == 0 && line) {
		put_speaker(r, out);
		msv_dsn_wrap(line, 6, out);
		msv_buf_puts(out, "\r\n");
	}
	msv_buf_fini(&said);
	return line ? rc : MSV_ERR_NOMEM;
}

static int put_recipient(
    const struct msv_dsn_report *report, const struct msv_dsn_recipient *r, struct msv_buf *out)
{
	struct about a = about(report, r);
	struct msv_status status = msv_dsn_status(r);
	struct msv_dsn_words words = msv_dsn_words(&status, r->action);

	if (r->words)
		words = (struct msv_dsn_words){ r->words, "" };
	msv_buf_puts(out, "  <");
	put_name(r->address, out);
	msv_buf_puts(out, ">\r\n\r\n");
	/* Words that were given have no places for others. */
	paragraph(words.what, r->words ? NULL : &a, 4, out);
	if (r->action == MSV_DSN_FAILED && status.kind == 4 && a.lasted &&
	    !strstr(words.what, "%h"))
		paragraph("It was tried %h.", &a, 4, out);
	if (*words.advice)
		paragraph(words.advice, &a, 4, out);
	return put_said(r, out);
}

/* -- The whole ------------------------------------------------------------------------- */

static const char *const headings[][2] = {
	[MSV_DSN_FAILED] = { "Your message could not be delivered to this recipient, and it will "
	                     "not be tried again.",
	    "Your message could not be delivered to these recipients, and it will not be tried "
	    "again." },
	[MSV_DSN_DELAYED] = { "Your message has not been delivered to this recipient yet. You need "
	                      "not do anything, nor send it again: it goes on being tried.",
	    "Your message has not been delivered to these recipients yet. You need not do "
	    "anything, nor send it again: it goes on being tried." },
	[MSV_DSN_DELIVERED] = { "Your message was delivered to this recipient.",
	    "Your message was delivered to these recipients." },
	[MSV_DSN_RELAYED] = { "Your message was passed on for this recipient, to a server that "
	                      "does not tell when it is delivered.",
	    "Your message was passed on for these recipients, to servers that do not tell when it "
	    "is delivered." },
	[MSV_DSN_EXPANDED] = { "Your message was passed on to all who are behind this address. You "
	                       "are not told when it is delivered to each of them.",
	    "Your message was passed on to all who are behind these addresses. You are not told "
	    "when it is delivered to each of them." },
};

static size_t count(const struct msv_dsn *dsn, enum msv_dsn_action action)
{
	size_t n = 0;

	for (size_t i = 0; i < dsn->nrecipients; i++)
		n += dsn->recipients[i].action == action;
	return n;
}

/* When those that are delayed are given up: the last of the times. */
static int64_t retry_until(const struct msv_dsn *dsn)
{
	int64_t until = 0;

	for (size_t i = 0; i < dsn->nrecipients; i++)
		if (dsn->recipients[i].will_retry_until > until)
			until = dsn->recipients[i].will_retry_until;
	return until;
}

static int put_deadline(int64_t until, struct msv_buf *out)
{
	char date[MSV_DATE_SIZE], text[MSV_DATE_SIZE + 80];

	msv_date_write(&(struct msv_date){ .time = until }, date);
	snprintf(text, sizeof(text), "If it cannot be delivered by %s, you will be told.", date);
	return paragraph(text, NULL, 0, out);
}

static void put_recipients(
    const struct msv_dsn_report *report, enum msv_dsn_action action, struct msv_buf *out)
{
	const struct msv_dsn *dsn = report->dsn;
	size_t n = count(dsn, action);

	if (!n)
		return;
	paragraph(headings[action][n > 1], NULL, 0, out);
	if (action == MSV_DSN_DELAYED && retry_until(dsn))
		put_deadline(retry_until(dsn), out);
	for (size_t i = 0; i < dsn->nrecipients; i++)
		if (dsn->recipients[i].action == action)
			put_recipient(report, &dsn->recipients[i], out);
}

static void put_message(const struct msv_dsn_report *report, struct msv_buf *out)
{
	const struct msv_dsn_original *o = report->original;

	if (!o->subject && !o->message_id && !report->dsn->arrival)
		return;
	msv_buf_puts(out, "The message:\r\n\r\n");
	if (o->subject)
		labelled("Subject:", o->subject, 2, out);
	if (report->dsn->arrival)
		labelled_date("Came in:", report->dsn->arrival, 2, out);
	if (o->message_id)
		labelled("Message-ID:", o->message_id, 2, out);
	msv_buf_puts(out, "\r\n");
}

static void put_end(const struct msv_dsn_report *report, struct msv_buf *out)
{
	const struct msv_dsn *dsn = report->dsn;
	struct about a = { .address = dsn->postmaster ? dsn->postmaster : dsn->host,
		.domain = dsn->host };

	if (dsn->read)
		paragraph(report->full ? "Your message is attached."
		                       : "The header of your message is attached.",
		    NULL, 0, out);
	paragraph(dsn->postmaster
	              ? "This notification was written by the mail server %d. Nobody reads answers "
	                "to it; people who can help are at %a."
	              : "This notification was written by the mail server %d. Nobody reads answers "
	                "to it; people who can help are at postmaster@%a.",
	    &a, 0, out);
}

int msv_dsn_text(const struct msv_dsn_report *report, struct msv_buf *out)
{
	for (int action = MSV_DSN_FAILED; action <= MSV_DSN_EXPANDED; action++)
		put_recipients(report, (enum msv_dsn_action)action, out);
	put_message(report, out);
	put_end(report, out);
	return msv_buf_failed(out) ? MSV_ERR_NOMEM : 0;
}
