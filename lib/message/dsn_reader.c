/* Reads message/delivery-status (RFC 3464 2.1): groups of fields with empty lines
 * between them, the first about the message, each other about a recipient. */
#include <string.h>

#include "base/alloc.h"
#include "codec/casefold.h"
#include "codec/date.h"
#include "codec/utf8.h"
#include "codec/xtext.h"
#include "message/dsn_parts.h"

enum { VALUE_MAX = 2048 };

/* Fields that are looked at. */
enum field {
	REPORTING_MTA,
	ENVELOPE_ID,
	ARRIVAL_DATE,
	FINAL_RECIPIENT, /* from here on of a recipient */
	ORIGINAL_RECIPIENT,
	ACTION,
	STATUS,
	REMOTE_MTA,
	DIAGNOSTIC_CODE,
	LAST_ATTEMPT_DATE,
	WILL_RETRY_UNTIL,
	FIELDS
};

static const char *const names[FIELDS] = { "Reporting-MTA", "Original-Envelope-Id", "Arrival-Date",
	"Final-Recipient", "Original-Recipient", "Action", "Status", "Remote-MTA",
	"Diagnostic-Code", "Last-Attempt-Date", "Will-Retry-Until" };

struct msv_dsn_reader {
	struct msv_env *env;
	int (*fn)(void *user, const struct msv_dsn_result *result);
	void *user;
	struct msv_header_reader header;
	struct msv_buf values[FIELDS]; /* cleaned, the first of each name */
	struct msv_buf type;           /* of the diagnostic */
	size_t recipients;
	bool has_mta; /* its type is cut off */
};

/* -- Fields -------------------------------------------------------------------------- */

static int on_field(void *user, const struct msv_header_field *field)
{
	struct msv_dsn_reader *r = user;

	for (size_t i = 0; i < FIELDS; i++)
		if (msv_header_is(field, names[i]) && !msv_buf_len(&r->values[i]))
			return msv_dsn_clean(
			    field->value.p, field->value.n, VALUE_MAX, MSV_DSN_UTF8, &r->values[i]);
	return 0;
}

/* "type; value": cuts the type off, in lower case; without one all is the value. */
static int take_type(struct msv_buf *value, struct msv_buf *type)
{
	const char *p = msv_buf_data(value);
	const char *semicolon = memchr(p, ';', msv_buf_len(value));
	size_t n = semicolon ? (size_t)(semicolon - p) : 0;

	msv_buf_clear(type);
	for (size_t i = 0; i < n; i++)
		if (p[i] != ' ')
			msv_buf_putc(type, msv_ascii_lower(p[i]));
	n += semicolon != NULL;
	while (n < msv_buf_len(value) && p[n] == ' ')
		n++;
	if (n)
		msv_buf_consume(value, n);
	return msv_buf_failed(type) ? MSV_ERR_NOMEM : 0;
}

/* An address of type utf-8 in whatever form it came, as UTF-8 (RFC 6533 3). */
static void decode_utf8(struct msv_buf *value)
{
	size_t n = msv_buf_len(value);
	char text[VALUE_MAX];

	if (!n || n > sizeof(text))
		return;
	memcpy(text, msv_buf_data(value), n);
	int decoded = msv_unitext_decode(text, n);
	if (decoded <= 0)
		return;
	msv_buf_clear(value);
	msv_buf_put(value, text, (size_t)decoded);
}

/* Leaves the address alone, or (`typed`) with its type. */
static int take_address(struct msv_dsn_reader *r, struct msv_buf *value, bool typed)
{
	struct msv_buf whole;
	int rc = take_type(value, &r->type);

	if (msv_ascii_equals(msv_buf_data(&r->type), msv_buf_len(&r->type), "utf-8"))
		decode_utf8(value);
	if (rc < 0 || !typed || !msv_buf_len(&r->type) || !msv_buf_len(value))
		return rc;
	msv_buf_init(&whole, r->env);
	msv_buf_put(&whole, msv_buf_data(&r->type), msv_buf_len(&r->type));
	msv_buf_putc(&whole, ';');
	msv_buf_put(&whole, msv_buf_data(value), msv_buf_len(value));
	msv_buf_fini(value);
	*value = whole;
	return msv_buf_failed(value) ? MSV_ERR_NOMEM : 0;
}

static int64_t date_of(const struct msv_buf *value)
{
	struct msv_date date;

	return msv_date_parse(msv_buf_data(value), msv_buf_len(value), &date) == 0 ? date.time : 0;
}

static enum msv_dsn_action action_of(const struct msv_buf *value)
{
	static const char *const words[] = { "failed", "delayed", "delivered", "relayed",
		"expanded" };
	const char *p = msv_buf_data(value);
	size_t n = 0, len = msv_buf_len(value);

	while (n < len && p[n] != ' ' && p[n] != '(' && p[n] != ';')
		n++;
	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
		if (msv_ascii_equals(p, n, words[i]))
			return (enum msv_dsn_action)i;
	return MSV_DSN_UNKNOWN;
}

/* "5.1.1", perhaps with a comment behind it. */
static struct msv_status status_of(const struct msv_buf *value)
{
	const char *p = msv_buf_data(value);
	size_t n = 0, len = msv_buf_len(value);
	struct msv_status status;

	while (n < len && p[n] != ' ' && p[n] != '(')
		n++;
	msv_status_parse(p, n, &status);
	return status;
}

/* -- Groups -------------------------------------------------------------------------- */

static void forget_recipient(struct msv_dsn_reader *r)
{
	for (size_t i = FINAL_RECIPIENT; i < FIELDS; i++)
		msv_buf_clear(&r->values[i]);
}

static bool has_recipient(const struct msv_dsn_reader *r)
{
	return msv_buf_len(&r->values[FINAL_RECIPIENT]) ||
	       msv_buf_len(&r->values[ORIGINAL_RECIPIENT]) || msv_buf_len(&r->values[ACTION]);
}

/* Brings the values of a recipient into the form they are told in. */
static int take_apart(struct msv_dsn_reader *r)
{
	struct msv_buf ignored;
	int rc = take_address(r, &r->values[FINAL_RECIPIENT], false);

	msv_buf_init(&ignored, r->env);
	if (rc == 0)
		rc = take_address(r, &r->values[ORIGINAL_RECIPIENT], true);
	if (rc == 0)
		rc = take_type(&r->values[REMOTE_MTA], &ignored);
	if (rc == 0)
		rc = take_type(&r->values[DIAGNOSTIC_CODE], &r->type);
	msv_buf_fini(&ignored);
	return rc;
}

static int give(struct msv_dsn_reader *r)
{
	const char *text[FIELDS], *type = msv_buf_cstr(&r->type);

	for (size_t i = 0; i < FIELDS; i++) {
		text[i] = msv_buf_cstr(&r->values[i]);
		if (!text[i])
			return MSV_ERR_NOMEM;
	}
	if (!type)
		return MSV_ERR_NOMEM;
	struct msv_dsn_result result = {
		.reporting_mta = text[REPORTING_MTA],
		.envid = text[ENVELOPE_ID],
		.arrival = date_of(&r->values[ARRIVAL_DATE]),
		.action = action_of(&r->values[ACTION]),
		.status = status_of(&r->values[STATUS]),
		.address = text[FINAL_RECIPIENT],
		.orcpt = text[ORIGINAL_RECIPIENT],
		.host = text[REMOTE_MTA],
		.diagnostic_type = type,
		.diagnostic = text[DIAGNOSTIC_CODE],
		.last_attempt = date_of(&r->values[LAST_ATTEMPT_DATE]),
		.will_retry_until = date_of(&r->values[WILL_RETRY_UNTIL]),
	};
	return r->fn(r->user, &result);
}

/* An empty line, or the end: the group is complete. */
static int end_group(struct msv_dsn_reader *r)
{
	struct msv_buf *mta = &r->values[REPORTING_MTA];
	int rc = 0;

	if (!r->has_mta && msv_buf_len(mta)) {
		r->has_mta = true;
		rc = take_type(mta, &r->type);
	}
	if (rc == 0 && has_recipient(r) && r->recipients < MSV_DSN_RECIPIENTS_MAX) {
		r->recipients++;
		rc = take_apart(r);
		if (rc == 0)
			rc = give(r);
	}
	forget_recipient(r);
	return rc;
}

/* -- The reader ------------------------------------------------------------------------ */

int msv_dsn_reader_new(struct msv_env *env,
    int (*fn)(void *user, const struct msv_dsn_result *result), void *user,
    struct msv_dsn_reader **out)
{
	struct msv_dsn_reader *r = msv_alloc(env, sizeof(*r));

	*out = r;
	if (!r)
		return MSV_ERR_NOMEM;
	r->env = env;
	r->fn = fn;
	r->user = user;
	msv_header_reader_init(&r->header, env, MSV_DSN_FIELD_MAX, on_field, r);
	for (size_t i = 0; i < FIELDS; i++)
		msv_buf_init(&r->values[i], env);
	msv_buf_init(&r->type, env);
	return 0;
}

int msv_dsn_reader_push(struct msv_dsn_reader *r, const char *p, size_t n)
{
	while (n > 0) {
		size_t used;
		int rc = msv_header_reader_push(&r->header, p, n, &used);
		if (rc == 1) {
			rc = end_group(r);
			msv_header_reader_reset(&r->header);
		}
		if (rc)
			return rc;
		p += used;
		n -= used;
	}
	return 0;
}

int msv_dsn_reader_finish(struct msv_dsn_reader *r)
{
	int rc = msv_header_reader_end(&r->header);

	return rc ? rc : end_group(r);
}

void msv_dsn_reader_free(struct msv_dsn_reader *r)
{
	if (!r)
		return;
	msv_header_reader_fini(&r->header);
	for (size_t i = 0; i < FIELDS; i++)
		msv_buf_fini(&r->values[i]);
	msv_buf_fini(&r->type);
	msv_free(r->env, r);
}
