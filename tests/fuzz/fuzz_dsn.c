/*
 * Notifications.  A report of whatever bytes says the same in whatever pieces, and
 * only clean words.  A notification made of whatever words keeps its shape: a
 * header, three parts, lines that are no longer than lines may be; and it is read
 * back as what it was written from.
 *
 * The input is split at NULs: the words of the notification; the last piece is the
 * message it is about.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "codec/utf8.h"
#include "message/dsn.h"
#include "message/mime.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

/* Unlike assert(), there in every build. */
#define MUST(what) \
	do { \
		if (!(what)) { \
			fprintf(stderr, "%s:%d: not so: %s\n", __FILE__, __LINE__, #what); \
			abort(); \
		} \
	} while (0)

/* -- Reading ----------------------------------------------------------------------- */

static void clean(const char *text)
{
	MUST(msv_utf8_valid(text, strlen(text)));
	for (const char *p = text; *p; p++)
		MUST((unsigned char)*p >= 0x20 && *p != 0x7f);
}

static int tell(void *user, const struct msv_dsn_result *r)
{
	const char *const texts[] = { r->reporting_mta, r->envid, r->address, r->orcpt, r->host,
		r->diagnostic_type, r->diagnostic };
	char status[MSV_STATUS_SIZE];

	msv_status_write(&r->status, status);
	for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
		clean(texts[i]);
		msv_buf_puts(user, texts[i]);
		msv_buf_putc(user, '\n');
	}
	return msv_buf_printf(user, "%d %s %lld %lld %lld\n\n", (int)r->action, status,
	    (long long)r->arrival, (long long)r->last_attempt, (long long)r->will_retry_until);
}

static void read_all(struct msv_env *env, const char *p, size_t n, bool whole, struct msv_buf *to)
{
	struct msv_dsn_reader *reader;
	uint32_t dice = (uint32_t)n;

	MUST(msv_dsn_reader_new(env, tell, to, &reader) == 0);
	for (size_t at = 0, piece; at < n; at += piece) {
		dice = dice * 1664525u + 1013904223u;
		piece = whole ? n : 1 + (dice >> 24) % 20;
		if (piece > n - at)
			piece = n - at;
		MUST(msv_dsn_reader_push(reader, p + at, piece) == 0);
	}
	MUST(msv_dsn_reader_finish(reader) == 0);
	msv_dsn_reader_free(reader);
}

static void reading(struct msv_env *env, const char *p, size_t n)
{
	struct msv_buf a, b;

	msv_buf_init(&a, env);
	msv_buf_init(&b, env);
	read_all(env, p, n, true, &a);
	read_all(env, p, n, false, &b);
	MUST(msv_buf_len(&a) == msv_buf_len(&b));
	MUST(memcmp(msv_buf_data(&a), msv_buf_data(&b), msv_buf_len(&a)) == 0);
	msv_buf_fini(&a);
	msv_buf_fini(&b);
}

/* -- Writing ------------------------------------------------------------------------- */

enum { WORDS = 12 };

/* Bits of the first byte; the second says what became of the recipients. */
enum { FULL = 1, REQUIRETLS = 2, REMOTE = 4, WITHOUT = 8, PIECES = 16, NUMBERS = 32 };

struct input {
	char *words[WORDS];
	const char *message;
	size_t nmessage, piece;
	unsigned calls;
};

static int read_message(void *user, uint64_t offset, struct msv_span *piece)
{
	struct input *in = user;
	size_t left = offset < in->nmessage ? in->nmessage - (size_t)offset : 0;

	if (in->piece && ++in->calls % 3 == 0)
		return MSV_PAUSE;
	*piece = (struct msv_span){ in->message + (in->nmessage - left),
		in->piece && in->piece < left ? in->piece : left };
	return 0;
}

static void split(const char *p, size_t n, struct input *in)
{
	for (size_t i = 0; i < WORDS; i++) {
		const char *nul = n ? memchr(p, '\0', n) : NULL;
		size_t len = nul ? (size_t)(nul - p) : 0;
		in->words[i] = malloc(len + 1);
		memcpy(in->words[i], p, len);
		in->words[i][len] = '\0';
		p += len + (nul != NULL);
		n -= len + (nul != NULL);
	}
	in->message = p;
	in->nmessage = n;
}

/* Lines in order, of a length that may be: the copy of the message has its own. */
static void check_lines(const char *p, size_t n, bool copy)
{
	const char *end = p + n;

	MUST(!memchr(p, '\0', n));
	while (p < end) {
		const char *lf = memchr(p, '\n', (size_t)(end - p));
		MUST(lf && lf > p && lf[-1] == '\r');
		MUST(!memchr(p, '\r', (size_t)(lf - p - 1)));
		MUST(copy || lf - p <= 999);
		p = lf + 1;
	}
}

static int count(void *user, const struct msv_dsn_result *r)
{
	enum msv_dsn_action **next = user;

	MUST(r->action == *(*next)++);
	MUST(r->status.kind == 2 || r->status.kind == 4 || r->status.kind == 5);
	return 0;
}

static int push(void *user, const char *p, size_t n)
{
	return msv_dsn_reader_push(user, p, n);
}

/* The second part tells what was written into it. */
static void check_report(
    const struct msv_part *part, const char *text, enum msv_dsn_action *actions, size_t n)
{
	struct msv_dsn_reader *reader;
	struct msv_part_reader *decoder;
	enum msv_dsn_action *next = actions;

	MUST(msv_dsn_reader_new(part->mime->env, count, &next, &reader) == 0);
	MUST(msv_part_reader_new(part, true, push, reader, &decoder) == 0);
	MUST(msv_part_reader_push(decoder, text + part->body.start, part->body.len) == 0);
	MUST(msv_part_reader_finish(decoder) == 0);
	MUST(msv_dsn_reader_finish(reader) == 0);
	MUST(next == actions + n);
	msv_part_reader_free(decoder);
	msv_dsn_reader_free(reader);
}

static void check_shape(struct msv_env *env, const struct msv_dsn *dsn, const struct msv_buf *out,
    enum msv_dsn_action *actions)
{
	struct msv_mime_parser *parser;
	struct msv_mime *mime;
	const char *text = msv_buf_data(out);

	MUST(msv_mime_parser_new(env, NULL, &parser) == 0);
	MUST(msv_mime_parser_push(parser, text, msv_buf_len(out)) == 0);
	MUST(msv_mime_parser_finish(parser, &mime) == 0);
	const struct msv_part *root = msv_mime_root(mime);
	MUST(root->kind == MSV_PART_MULTIPART && root->children == (dsn->read ? 3 : 2));
	const struct msv_part *second = msv_part_sibling(msv_part_child(root));
	const struct msv_part *third = msv_part_sibling(second);
	size_t ours = third ? (size_t)third->body.start : msv_buf_len(out);
	check_lines(text, ours, false);
	check_lines(text + ours, msv_buf_len(out) - ours, true);
	check_report(second, text, actions, dsn->nrecipients);
	msv_mime_free(mime);
	msv_mime_parser_free(parser);
}

static void write_all(struct msv_env *env, const struct msv_dsn *dsn, enum msv_dsn_action *actions)
{
	struct msv_dsn_writer *writer;
	struct msv_span piece = { NULL, 0 };
	struct msv_buf out;
	int rc = msv_dsn_writer_new(env, dsn, &writer);

	MUST(rc == 0 || (rc == MSV_ERR_INVAL && (!*dsn->to || !*dsn->host)));
	if (rc)
		return;
	msv_buf_init(&out, env);
	do {
		rc = msv_dsn_next(writer, &piece);
		MUST(rc == 0 || rc == MSV_PAUSE);
		MUST(rc == 0 || !piece.n);
		msv_buf_put(&out, piece.p, piece.n);
	} while (rc || piece.n);
	if (!msv_dsn_is_8bit(writer))
		MUST(msv_ascii_only(msv_buf_data(&out), msv_buf_len(&out)));
	msv_dsn_writer_free(writer);
	check_shape(env, dsn, &out, actions);
	msv_buf_fini(&out);
}

static void writing(struct msv_env *env, unsigned flags, unsigned what, const char *p, size_t n)
{
	struct input in = { .piece = flags & PIECES ? 1 + what : 0 };
	enum msv_dsn_action actions[3];

	split(p, n, &in);
	char **w = in.words;
	bool numbers = flags & NUMBERS;
	struct msv_dsn_recipient recipients[] = {
		{ .address = w[0],
		    .orcpt = w[1],
		    .status = w[2],
		    .text = w[3],
		    .host = w[4],
		    .code = numbers ? 550 : 0,
		    .will_retry_until = numbers ? 1795377600 : 0 },
		{ .address = w[5], .text = w[6], .code = (int)what * 3, .words = w[7] },
		{ .address = w[0], .last_attempt = numbers ? INT64_MAX : INT64_MIN },
	};
	for (size_t i = 0; i < 3; i++, what /= 5) {
		recipients[i].action = actions[i] = (enum msv_dsn_action)(what % 5);
		recipients[i].remote = flags & REMOTE;
	}
	struct msv_dsn dsn = {
		.host = w[8],
		.to = w[9],
		.envid = w[10],
		.postmaster = w[11],
		.hold = w[11],
		.date = 1795377600,
		.arrival = numbers ? 1795370000 : 0,
		.recipients = recipients,
		.nrecipients = 3,
		.read = flags & WITHOUT ? NULL : read_message,
		.user = &in,
		.full = flags & FULL,
		.requiretls = flags & REQUIRETLS,
		.full_max = 10000,
	};
	write_all(env, &dsn, actions);
	for (size_t i = 0; i < WORDS; i++)
		free(in.words[i]);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	const char *p = (const char *)data;
	struct msv_env *env;

	if (n < 2)
		return 0;
	MUST(msv_env_new(NULL, &env) == 0);
	reading(env, p, n);
	writing(env, data[0], data[1], p + 2, n - 2);
	msv_env_free(env);
	return 0;
}
