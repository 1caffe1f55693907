/* The keys of SEARCH (RFC 3501 6.4.4): one table. */
#include "imap/imap.h"

#include <string.h>

#include "codec/charset.h"
#include "codec/date.h"

enum { SECONDS_OF_DAY = 86400 };

/* -- Arguments ------------------------------------------------------------------------- */

static bool take_set(struct imap_session *s, struct imap_search *q, struct imap_search_key *key)
{
	(void)q;
	return msv_imap_arg_set(s, false, &key->set);
}

static bool take_uid(struct imap_session *s, struct imap_search *q, struct imap_search_key *key)
{
	(void)q;
	return msv_imap_arg_space(&s->cmd.args) && msv_imap_arg_set(s, true, &key->set);
}

static bool take_keyword(struct imap_session *s, struct imap_search *q, struct imap_search_key *key)
{
	struct msv_span name;

	(void)q;
	if (!msv_imap_arg_space(&s->cmd.args) || !msv_imap_arg_atom(&s->cmd.args, &name))
		return false;
	key->number = msv_imap_keyword_bit(s, name);
	key->passed = msv_imap_is(name, msv_imap_passed);
	return true;
}

static bool take_size(struct imap_session *s, struct imap_search *q, struct imap_search_key *key)
{
	(void)q;
	return msv_imap_arg_space(&s->cmd.args) &&
	       msv_imap_arg_number(&s->cmd.args, UINT32_MAX, &key->number);
}

static bool take_date(struct imap_session *s, struct imap_search *q, struct imap_search_key *key)
{
	struct imap_args *a = &s->cmd.args;
	struct msv_span text;

	(void)q;
	if (!msv_imap_arg_space(a) || !msv_imap_arg_astring(a, &text))
		return false;
	return !msv_imap_date_parse(text.p, text.n, &key->day) ||
	       msv_imap_arg_fail(a, "Invalid date");
}

/* Turns a string into UTF-8. */
static int convert(
    struct msv_env *env, const char *charset, struct msv_span text, struct msv_buf *out)
{
	struct msv_charset *cs;
	int error = msv_charset_open(env, charset, strlen(charset), &cs);

	if (error)
		return error;
	error = msv_charset_push(cs, text.p, text.n, out);
	if (!error)
		error = msv_charset_end(cs, out);
	msv_charset_free(cs);
	return error;
}

/* The text looked for. */
static bool take_text(struct imap_session *s, struct imap_search *q, struct imap_search_key *key)
{
	struct imap_args *a = &s->cmd.args;
	struct msv_span text;
	struct msv_buf utf8;

	key->field =
	    (struct msv_span){ key->def->field, key->def->field ? strlen(key->def->field) : 0 };
	if (!msv_imap_arg_space(a) || !msv_imap_arg_astring(a, &text))
		return false;
	key->matcher = msv_alloc(s->conn.env, sizeof(*key->matcher));
	if (!key->matcher)
		return msv_imap_arg_nomem(a);
	msv_buf_init(&utf8, s->conn.env);
	int error = convert(s->conn.env, q->charset, text, &utf8);
	if (!error)
		error = msv_matcher_init(
		    key->matcher, s->conn.env, msv_buf_data(&utf8), msv_buf_len(&utf8));
	msv_buf_fini(&utf8);
	if (!error)
		return true;
	msv_free(s->conn.env, key->matcher);
	key->matcher = NULL;
	return error == MSV_ERR_NOMEM ? msv_imap_arg_nomem(a)
	                              : msv_imap_arg_fail(a, "A text cannot be searched for");
}

/* "field text" */
static bool take_header(struct imap_session *s, struct imap_search *q, struct imap_search_key *key)
{
	struct imap_args *a = &s->cmd.args;
	struct msv_span field;

	if (!msv_imap_arg_space(a) || !msv_imap_arg_astring(a, &field) || !take_text(s, q, key))
		return false;
	key->field = field;
	return true;
}

/* -- Tests --------------------------------------------------------------------------------- */

static bool test_all(const struct imap_search *q, const struct imap_search_key *key)
{
	(void)q;
	(void)key;
	return true;
}

static bool test_set(const struct imap_search *q, const struct imap_search_key *key)
{
	return msv_imap_set_has(&key->set, q->seq);
}

static bool test_flag(const struct imap_search *q, const struct imap_search_key *key)
{
	bool set = (q->message->flags & key->def->flag) != 0;

	return key->def->sign > 0 ? set : !set;
}

static bool test_new(const struct imap_search *q, const struct imap_search_key *key)
{
	(void)key;
	return (q->message->flags & (MSV_FLAG_RECENT | MSV_FLAG_SEEN)) == MSV_FLAG_RECENT;
}

static bool test_keyword(const struct imap_search *q, const struct imap_search_key *key)
{
	bool set = (q->message->keywords & key->number) != 0 ||
	           (key->passed && q->message->flags & MSV_FLAG_PASSED);

	return key->def->sign > 0 ? set : !set;
}

/* True when a and b compare as the sign says; sign 2 is "b or later". */
static bool compares(int64_t a, int64_t b, int sign)
{
	return sign < 0 ? a < b : sign == 0 ? a == b : sign == 1 ? a > b : a >= b;
}

static bool test_size(const struct imap_search *q, const struct imap_search_key *key)
{
	return compares((int64_t)q->row->octets, (int64_t)key->number, key->def->sign);
}

static int64_t day_of(int64_t time)
{
	return time / SECONDS_OF_DAY - (time % SECONDS_OF_DAY < 0);
}

/* The day as INTERNALDATE shows it: UTC. */
static bool test_date(const struct imap_search *q, const struct imap_search_key *key)
{
	return compares(day_of(q->row->internal_date), key->day, key->def->sign);
}

static bool test_sent(const struct imap_search *q, const struct imap_search_key *key)
{
	return q->has_date && compares(q->date, key->day, key->def->sign);
}

/* -- The table ------------------------------------------------------------------------------ */

#define VIEW   IMAP_SEARCH_VIEW
#define ROW    IMAP_SEARCH_ROW
#define HEADER IMAP_SEARCH_HEADER
#define BODY   IMAP_SEARCH_BODY
#define OCTETS MSV_FIELD_OCTETS
#define DATES  MSV_FIELD_DATES

static const struct imap_search_def defs[] = {
	{ "ALL", NULL, VIEW, test_all, 0, 0, NULL, 0 },
	{ "ANSWERED", NULL, VIEW, test_flag, MSV_FLAG_ANSWERED, 1, NULL, 0 },
	{ "BCC", take_text, HEADER, NULL, 0, 0, "Bcc", 0 },
	{ "BEFORE", take_date, ROW, test_date, 0, -1, NULL, DATES },
	{ "BODY", take_text, BODY, NULL, 0, 0, NULL, 0 },
	{ "CC", take_text, HEADER, NULL, 0, 0, "Cc", 0 },
	{ "DELETED", NULL, VIEW, test_flag, MSV_FLAG_DELETED, 1, NULL, 0 },
	{ "DRAFT", NULL, VIEW, test_flag, MSV_FLAG_DRAFT, 1, NULL, 0 },
	{ "FLAGGED", NULL, VIEW, test_flag, MSV_FLAG_FLAGGED, 1, NULL, 0 },
	{ "FROM", take_text, HEADER, NULL, 0, 0, "From", 0 },
	{ "HEADER", take_header, HEADER, NULL, 0, 0, NULL, 0 },
	{ "KEYWORD", take_keyword, VIEW, test_keyword, 0, 1, NULL, 0 },
	{ "LARGER", take_size, ROW, test_size, 0, 1, NULL, OCTETS },
	{ "NEW", NULL, VIEW, test_new, 0, 0, NULL, 0 },
	{ "OLD", NULL, VIEW, test_flag, MSV_FLAG_RECENT, -1, NULL, 0 },
	{ "ON", take_date, ROW, test_date, 0, 0, NULL, DATES },
	{ "RECENT", NULL, VIEW, test_flag, MSV_FLAG_RECENT, 1, NULL, 0 },
	{ "SEEN", NULL, VIEW, test_flag, MSV_FLAG_SEEN, 1, NULL, 0 },
	{ "SENTBEFORE", take_date, HEADER, test_sent, 0, -1, NULL, 0 },
	{ "SENTON", take_date, HEADER, test_sent, 0, 0, NULL, 0 },
	{ "SENTSINCE", take_date, HEADER, test_sent, 0, 2, NULL, 0 },
	{ "SINCE", take_date, ROW, test_date, 0, 2, NULL, DATES },
	{ "SMALLER", take_size, ROW, test_size, 0, -1, NULL, OCTETS },
	{ "SUBJECT", take_text, HEADER, NULL, 0, 0, "Subject", 0 },
	{ "TEXT", take_text, BODY, NULL, IMAP_SEARCH_ANY_FIELD, 0, NULL, 0 },
	{ "TO", take_text, HEADER, NULL, 0, 0, "To", 0 },
	{ "UID", take_uid, VIEW, test_set, 0, 0, NULL, 0 },
	{ "UNANSWERED", NULL, VIEW, test_flag, MSV_FLAG_ANSWERED, -1, NULL, 0 },
	{ "UNDELETED", NULL, VIEW, test_flag, MSV_FLAG_DELETED, -1, NULL, 0 },
	{ "UNDRAFT", NULL, VIEW, test_flag, MSV_FLAG_DRAFT, -1, NULL, 0 },
	{ "UNFLAGGED", NULL, VIEW, test_flag, MSV_FLAG_FLAGGED, -1, NULL, 0 },
	{ "UNKEYWORD", take_keyword, VIEW, test_keyword, 0, -1, NULL, 0 },
	{ "UNSEEN", NULL, VIEW, test_flag, MSV_FLAG_SEEN, -1, NULL, 0 },
};

const struct imap_search_def msv_imap_search_set = { "", take_set, VIEW, test_set, 0, 0, NULL, 0 };

const struct imap_search_def *msv_imap_search_def(struct msv_span name)
{
	for (size_t i = 0; i < sizeof(defs) / sizeof(*defs); i++) {
		if (msv_imap_is(name, defs[i].name))
			return &defs[i];
	}
	return NULL;
}
