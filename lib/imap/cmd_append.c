/*
 * APPEND (RFC 3501 6.3.11, RFC 4315 3).  The message is a literal that goes to the
 * store as it comes in; the session keeps none of it.  When it cannot be taken,
 * a literal that waits is refused, and one that does not is read and dropped.
 */
#include "imap/imap.h"

#include "codec/date.h"

enum { PIECE = 65536 };

struct append {
	const char *mailbox;
	struct imap_flags flags;
	int64_t date;
	struct msv_append *handle; /* NULL: none, or being committed */
	uint64_t octets, left;     /* of the literal */
	bool sync;                 /* it waits for "+" */
	bool dropping;             /* the rest is read and dropped */
	const char *refusal;       /* the answer's text, for what is no error of the store */
	int error;
	uint32_t uidvalidity, uid;
};

static enum imap_run receive(struct imap_session *s);

static void fini(struct imap_session *s, void *data)
{
	struct append *append = data;

	if (append->handle)
		s->store->append_abort(s->store->self, append->handle);
}

/* -- Arguments ------------------------------------------------------------------------------- */

static bool take_date(struct imap_session *s, int64_t *out)
{
	struct imap_args *a = &s->cmd.args;
	struct msv_span text;
	struct msv_date date;

	if (!msv_imap_arg_string(a, &text))
		return false;
	if (msv_imap_datetime_parse(text.p, text.n, &date))
		return msv_imap_arg_fail(a, "Invalid date");
	*out = date.time;
	return true;
}

/* "{n}" or "{n+}" at the very end: the literal announced last. */
static bool take_message_literal(struct imap_args *a)
{
	uint64_t n;

	if (!msv_imap_arg_char(a, '{') || !msv_imap_arg_number(a, UINT64_MAX, &n))
		return false;
	msv_imap_arg_if(a, '+');
	return msv_imap_arg_char(a, '}') && msv_imap_arg_char(a, '\r') &&
	       msv_imap_arg_char(a, '\n') && msv_imap_arg_end(a);
}

static bool take_append(struct imap_session *s, struct append *append)
{
	struct imap_args *a = &s->cmd.args;

	if (!msv_imap_arg_mailbox(s, &append->mailbox) || !msv_imap_arg_space(a))
		return false;
	if (msv_imap_arg_peek(a) == '(' &&
	    (!msv_imap_arg_flags(s, false, &append->flags) || !msv_imap_arg_space(a)))
		return false;
	if (msv_imap_arg_peek(a) == '"' && (!take_date(s, &append->date) || !msv_imap_arg_space(a)))
		return false;
	return take_message_literal(a);
}

int msv_imap_append_literal(struct imap_session *s)
{
	struct imap_args *a = &s->cmd.args, rest;

	if (s->cmd.data) {
		msv_imap_arg_fail(a, "One message at a time");
		return -1;
	}
	if (!msv_imap_arg_space(a))
		return -1;
	rest = *a;
	if (take_message_literal(&rest))
		return 0; /* the mailbox name is to come */
	struct append *append = msv_imap_data(s, sizeof(*append), fini);
	if (!append)
		return 0;
	append->octets = append->left = s->reader.literal;
	append->sync = s->reader.sync;
	return take_append(s, append) ? 1 : -1;
}

/* -- The answer ------------------------------------------------------------------------------ */

static enum imap_run answer(struct imap_session *s)
{
	const struct msv_imap_observer *o = s->config.observer;
	const struct append *append = s->cmd.data;

	if (append->refusal)
		return msv_imap_no(s, "%s", append->refusal);
	if (append->error)
		return msv_imap_no_error(s, append->error, true);
	msv_imap_log_append(s, append->mailbox, append->uid, append->octets);
	if (o && o->appended)
		o->appended(s->config.user, &s->conn, append->mailbox, append->uid, append->octets);
	if (!append->uid)
		return msv_imap_ok(s, NULL);
	return msv_imap_ok(
	    s, "[APPENDUID %u %u] APPEND completed", append->uidvalidity, append->uid);
}

/* The message is not taken.  A client that waits for "+" is told at once. */
static void refuse(struct imap_session *s, int error, const char *refusal)
{
	struct append *append = s->cmd.data;

	append->error = error;
	append->refusal = refusal;
	if (append->handle)
		s->store->append_abort(s->store->self, append->handle);
	append->handle = NULL;
	append->dropping = true;
	s->cmd.run = append->sync && append->left == append->octets ? answer : receive;
}

/* What the store's word about the message's octets means. */
static const char *reason(int error)
{
	return error == MSV_ERR_FORMAT ? "[CANNOT] The message holds a NUL or a lone CR" : NULL;
}

/* -- The message ------------------------------------------------------------------------------- */

static void committed(struct imap_session *s, int error, const void *result)
{
	const struct msv_copy_result *r = result;
	struct append *append = s->cmd.data;

	s->cmd.run = answer;
	append->error = error;
	append->refusal = reason(error);
	if (error || !r->dest.n)
		return;
	append->uidvalidity = r->uidvalidity;
	append->uid = r->dest.r[0].first;
}

static enum imap_run commit(struct imap_session *s)
{
	struct append *append = s->cmd.data;
	struct msv_op *op = msv_imap_ask(s, committed);

	if (!op)
		return IMAP_WAIT;
	struct msv_append *handle = append->handle;
	append->handle = NULL;
	s->store->append_commit(s->store->self, handle, (struct msv_copy_op){ op });
	return IMAP_WAIT;
}

/* Behind the literal the command ends. */
static enum imap_run end_line(struct imap_session *s)
{
	const struct append *append = s->cmd.data;

	switch (msv_imap_read(s)) {
	case IMAP_READ_MORE:
		if (s->conn.eof)
			msv_conn_end(&s->conn);
		return IMAP_WAIT;
	case IMAP_READ_COMMAND:
		break;
	case IMAP_READ_FATAL:
		msv_imap_bye(s, "Cannot tell where the next command begins");
		return IMAP_WAIT;
	case IMAP_READ_STREAM:
	case IMAP_READ_FAILED:
		return msv_imap_bad_args(s);
	}
	if (!msv_imap_arg_end(&s->cmd.args))
		return msv_imap_bad_args(s);
	return append->dropping ? answer(s) : commit(s);
}

static void wrote(struct imap_session *s, int error, const void *result)
{
	(void)result;
	s->cmd.run = receive;
	if (error)
		refuse(s, error, reason(error));
}

/* Passes on what came of the literal. */
static enum imap_run receive(struct imap_session *s)
{
	struct append *append = s->cmd.data;
	struct msv_buf *in = &s->conn.in;
	size_t n = msv_buf_len(in);

	if (!append->left) {
		msv_buf_clear(&s->cmd.text);
		s->cmd.resume = 0;
		s->cmd.run = end_line;
		return IMAP_AGAIN;
	}
	if (!n && s->conn.eof)
		msv_conn_end(&s->conn);
	if (!n)
		return IMAP_WAIT;
	n = n < PIECE ? n : PIECE;
	n = n < append->left ? n : (size_t)append->left;
	struct msv_op *op = append->dropping ? NULL : msv_imap_ask(s, wrote);
	append->left -= n;
	if (op)
		s->store->append_write(s->store->self, append->handle, msv_buf_data(in), n, op);
	msv_buf_consume(in, n);
	return op ? IMAP_WAIT : IMAP_AGAIN;
}

/* -- Beginning ------------------------------------------------------------------------------- */

static void added(struct imap_session *s, int error, const void *result)
{
	struct append *append = s->cmd.data;

	(void)result;
	s->cmd.run = receive;
	if (error)
		refuse(s, error, NULL);
	else if (append->sync)
		msv_imap_go_on(s, "OK");
}

static enum imap_run add(struct imap_session *s)
{
	struct append *append = s->cmd.data;
	struct msv_append_message message = {
		.size = sizeof(message),
		.flags = append->flags.flags,
		.keywords = append->flags.keywords,
		.nkeywords = append->flags.nkeywords,
		.internal_date = append->date,
		.octets = append->octets,
	};
	struct msv_op *op = msv_imap_ask(s, added);

	if (op)
		s->store->append_add(s->store->self, append->handle, &message, op);
	return IMAP_WAIT;
}

static void begun(struct imap_session *s, int error, const void *result)
{
	struct append *append = s->cmd.data;

	if (error) {
		refuse(s, error, NULL);
		return;
	}
	append->handle = ((const struct msv_append_handle *)result)->append;
	s->cmd.run = add;
}

enum imap_run msv_imap_run_append(struct imap_session *s)
{
	struct append *append = s->cmd.data;

	if (!append)
		return msv_imap_bad(s, "A message is missing");
	if (append->octets > s->config.append_max)
		refuse(s, 0, "[TOOBIG] The message is too large");
	else if (!append->octets)
		refuse(s, 0, "[CANNOT] The message is empty");
	if (append->dropping)
		return IMAP_AGAIN;
	struct msv_op *op = msv_imap_ask(s, begun);
	if (op)
		s->store->append_begin(
		    s->store->self, &s->actor, append->mailbox, (struct msv_append_op){ op });
	return IMAP_WAIT;
}
