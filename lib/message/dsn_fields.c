/* The part of a notification that programs read: message/delivery-status (RFC
 * 3464 2), in UTF-8 for those who take that (RFC 6533 4.1). */
#include <stdio.h>
#include <string.h>

#include "codec/utf8.h"
#include "codec/xtext.h"
#include "message/dsn_parts.h"

enum {
	SAID_MAX = 600,
	EXACT_MAX = 900, /* what fits a line as it is, whatever the field's name */
};

/* -- How it ended -------------------------------------------------------------------- */

/* The text without the code and the status at its front, and the status (none: 0.0.0). */
static struct msv_span without_status(const struct msv_dsn_recipient *r, struct msv_status *status)
{
	struct msv_span text = { r->text ? r->text : "", r->text ? strlen(r->text) : 0 };
	size_t used = msv_status_find(text.p, text.n, status);
	char code[8];

	snprintf(code, sizeof(code), "%d ", r->code % 1000);
	if (!used && r->code && text.n > 4 && memcmp(text.p, code, 4) == 0)
		used = 4;
	return (struct msv_span){ text.p + used, text.n - used };
}

/* The status as it was told, in its member or at the front of the text. */
static struct msv_status told(const struct msv_dsn_recipient *r)
{
	struct msv_status status;

	if (r->status && msv_status_parse(r->status, strlen(r->status), &status) == 0)
		return status;
	without_status(r, &status);
	return status;
}

struct msv_status msv_dsn_status(const struct msv_dsn_recipient *r)
{
	struct msv_status status = told(r);
	bool failed = r->action == MSV_DSN_FAILED;
	uint8_t usual = failed ? 5 : r->action == MSV_DSN_DELAYED ? 4 : 2;

	if (!status.kind || (r->code && !msv_status_suits(&status, r->code)))
		status = r->code ? msv_status_of_code(r->code) : (struct msv_status){ 0 };
	if (status.kind == usual || (failed && status.kind == 4))
		return status;
	/* "Mailbox full" says as much of what is tried on as of what is not. */
	if (status.kind == 2 || usual == 2)
		status.subject = status.detail = 0;
	status.kind = usual;
	return status;
}

int msv_dsn_said(const struct msv_dsn_recipient *r, enum msv_dsn_script script, struct msv_buf *out)
{
	struct msv_status status, in_text;
	struct msv_span text = without_status(r, &in_text);
	char word[MSV_STATUS_SIZE];
	size_t before = msv_buf_len(out);

	if (r->code >= 200 && r->code < 600)
		msv_buf_printf(out, "%d", r->code);
	status = told(r);
	if (status.kind) {
		msv_status_write(&status, word);
		msv_buf_printf(out, "%s%s", msv_buf_len(out) > before ? " " : "", word);
	}
	if (text.n && msv_buf_len(out) > before)
		msv_buf_putc(out, ' ');
	return msv_dsn_clean(text.p, text.n, SAID_MAX - 20, script, out);
}

enum msv_dsn_action msv_dsn_main_action(const struct msv_dsn *dsn)
{
	enum msv_dsn_action first = MSV_DSN_EXPANDED;

	for (size_t i = 0; i < dsn->nrecipients; i++)
		if (dsn->recipients[i].action < first)
			first = dsn->recipients[i].action;
	return first;
}

/* -- Fields ---------------------------------------------------------------------------- */

static enum msv_dsn_script script_of(const struct msv_dsn_report *report)
{
	return report->utf8 ? MSV_DSN_UTF8 : MSV_DSN_ASCII;
}

/* A name of a type: "Name: type;value". */
static int typed(const char *name, const char *type, const char *value, enum msv_dsn_script script,
    struct msv_buf *out)
{
	struct msv_buf text;
	int rc = MSV_ERR_NOMEM;

	msv_buf_init(&text, out->env);
	msv_buf_printf(&text, "%s; ", type);
	msv_buf_puts(&text, value);
	const char *line = msv_buf_cstr(&text);
	if (line)
		rc = msv_dsn_field(name, line, script, out);
	msv_buf_fini(&text);
	return rc;
}

/* True when the value may stand in a line as it is. */
static bool is_exact(const char *value, size_t n, bool utf8)
{
	for (size_t i = 0; i < n; i++)
		if ((unsigned char)value[i] < 0x20 || value[i] == 0x7f ||
		    (!utf8 && (value[i] & 0x80)))
			return false;
	return n <= EXACT_MAX && msv_utf8_valid(value, n);
}

/* What somebody will compare with what he said: as it is, if that can be. */
static int exact(
    const struct msv_dsn_report *report, const char *name, const char *value, struct msv_buf *out)
{
	if (!is_exact(value, strlen(value), report->utf8))
		return msv_dsn_field(name, value, script_of(report), out);
	msv_buf_puts(out, name);
	msv_buf_puts(out, ": ");
	msv_buf_puts(out, value);
	return msv_buf_puts(out, "\r\n");
}

/* An address with its type; of type utf-8 in the form the receiver takes (RFC 6533
 * 3). */
static int put_address(const struct msv_dsn_report *report, const char *name, const char *type,
    size_t ntype, const char *address, struct msv_buf *out)
{
	struct msv_buf text;
	int rc;

	msv_buf_init(&text, out->env);
	msv_buf_put(&text, type, ntype);
	msv_buf_putc(&text, ';');
	size_t start = msv_buf_len(&text);
	if (report->utf8 || msv_unitext_encode(address, strlen(address), &text) < 0) {
		msv_buf_truncate(&text, start);
		msv_buf_puts(&text, address);
	}
	const char *line = msv_buf_cstr(&text);
	rc = line ? exact(report, name, line, out) : MSV_ERR_NOMEM;
	msv_buf_fini(&text);
	return rc;
}

static int put_final(
    const struct msv_dsn_report *report, const struct msv_dsn_recipient *r, struct msv_buf *out)
{
	struct msv_buf text;
	int rc = MSV_ERR_NOMEM;

	if (!msv_ascii_only(r->address, strlen(r->address)))
		return put_address(report, "Final-Recipient", "utf-8", 5, r->address, out);
	msv_buf_init(&text, out->env);
	msv_buf_puts(&text, "rfc822;");
	msv_buf_puts(&text, r->address);
	const char *line = msv_buf_cstr(&text);
	if (line)
		rc = exact(report, "Final-Recipient", line, out);
	msv_buf_fini(&text);
	return rc;
}

static int put_original(
    const struct msv_dsn_report *report, const struct msv_dsn_recipient *r, struct msv_buf *out)
{
	const char *semicolon = r->orcpt ? strchr(r->orcpt, ';') : NULL;
	size_t n = semicolon ? (size_t)(semicolon - r->orcpt) : 0;

	if (!semicolon)
		return 0;
	if (n == 5 && (memcmp(r->orcpt, "utf-8", 5) == 0 || memcmp(r->orcpt, "UTF-8", 5) == 0))
		return put_address(report, "Original-Recipient", r->orcpt, n, semicolon + 1, out);
	return exact(report, "Original-Recipient", r->orcpt, out);
}

/* RFC 3461 6.3 (i): what a server said is of type smtp; what we found is our own. */
static int put_diagnostic(
    const struct msv_dsn_report *report, const struct msv_dsn_recipient *r, struct msv_buf *out)
{
	struct msv_buf said;
	int rc;

	if ((!r->code && (!r->text || !*r->text)) || (!r->remote && r->action > MSV_DSN_DELAYED))
		return 0;
	msv_buf_init(&said, out->env);
	rc = msv_dsn_said(r, script_of(report), &said);
	const char *line = msv_buf_cstr(&said);
	if (rc == 0)
		rc = line ? typed("Diagnostic-Code", r->remote ? "smtp" : "x-libmailserv", line,
		                script_of(report), out)
		          : MSV_ERR_NOMEM;
	msv_buf_fini(&said);
	return rc;
}

static int put_recipient(
    const struct msv_dsn_report *report, const struct msv_dsn_recipient *r, struct msv_buf *out)
{
	static const char *const actions[] = { [MSV_DSN_FAILED] = "failed",
		[MSV_DSN_DELAYED] = "delayed",
		[MSV_DSN_DELIVERED] = "delivered",
		[MSV_DSN_RELAYED] = "relayed",
		[MSV_DSN_EXPANDED] = "expanded" };
	struct msv_status status = msv_dsn_status(r);
	char word[MSV_STATUS_SIZE];
	int rc = put_original(report, r, out);

	if (rc == 0)
		rc = put_final(report, r, out);
	msv_dsn_field("Action", actions[r->action], MSV_DSN_ASCII, out);
	msv_status_write(&status, word);
	msv_dsn_field("Status", word, MSV_DSN_ASCII, out);
	if (rc == 0 && r->host && *r->host)
		rc = typed("Remote-MTA", "dns", r->host, MSV_DSN_ASCII, out);
	if (rc == 0)
		rc = put_diagnostic(report, r, out);
	if (r->last_attempt)
		msv_dsn_date_field("Last-Attempt-Date", r->last_attempt, out);
	if (r->will_retry_until && r->action == MSV_DSN_DELAYED)
		msv_dsn_date_field("Will-Retry-Until", r->will_retry_until, out);
	return rc;
}

int msv_dsn_fields(const struct msv_dsn_report *report, struct msv_buf *out)
{
	const struct msv_dsn *dsn = report->dsn;
	int rc = 0;

	if (dsn->envid && *dsn->envid)
		rc = exact(report, "Original-Envelope-Id", dsn->envid, out);
	/* RFC 3461 6.3 (b): "dns" needs the whole name. */
	if (rc == 0)
		rc = typed("Reporting-MTA", strchr(dsn->host, '.') ? "dns" : "x-local-hostname",
		    dsn->host, MSV_DSN_ASCII, out);
	if (dsn->arrival)
		msv_dsn_date_field("Arrival-Date", dsn->arrival, out);
	if (rc == 0 && dsn->hold && *dsn->hold)
		rc = msv_dsn_field("Future-Release-Request", dsn->hold, MSV_DSN_ASCII, out);
	for (size_t i = 0; i < dsn->nrecipients && rc == 0; i++) {
		msv_buf_puts(out, "\r\n");
		rc = put_recipient(report, &dsn->recipients[i], out);
	}
	return rc == 0 && msv_buf_failed(out) ? MSV_ERR_NOMEM : rc;
}
