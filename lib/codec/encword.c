#include "codec/encword.h"

#include <string.h>

#include "codec/casefold.h"
#include "codec/charset.h"
#include "codec/token.h"
#include "codec/transfer.h"
#include "codec/utf8.h"

/* Charsets looked up for one text: each may cost files to be opened.  Words
 * beyond stay as they are. */
#define LOOKUPS_MAX 256

/* The pieces of =?charset?encoding?text?= */
struct word {
	struct msv_span charset, text;
	enum msv_encoding encoding;
	size_t len;
};

struct decoder {
	struct msv_buf *out;
	struct msv_buf bytes;   /* of a word, before its charset */
	struct msv_span name;   /* the charset `cs` is for */
	struct msv_charset *cs; /* NULL: unknown */
	unsigned lookups;
	bool in_words; /* the last thing written was a word */
};

/* -- Finding --------------------------------------------------------------- */

/* The end of a word's text: the place of "?=".  A "?" elsewhere ends the
 * search (no text holds one), but for "??=", which mailers write. */
static const char *text_end(const char *p, const char *end)
{
	const char *q = memchr(p, '?', (size_t)(end - p));

	if (!q || end - q < 2)
		return NULL;
	if (q[1] == '=')
		return q;
	return end - q > 2 && q[1] == '?' && q[2] == '=' ? q + 1 : NULL;
}

static bool encoding_of(char c, enum msv_encoding *out)
{
	c = msv_ascii_lower(c);
	*out = c == 'b' ? MSV_ENCODING_BASE64 : MSV_ENCODING_QP;
	return c == 'b' || c == 'q';
}

/* Reads a word at p, which shows "=?".  No byte is looked at by more than a few
 * attempts: each ends at the fourth "?". */
static bool read_word(const char *p, const char *end, struct word *w)
{
	const char *q = memchr(p + 2, '?', (size_t)(end - p - 2)), *language, *close;

	if (!q || q == p + 2 || end - q < 5 || q[2] != '?' || !encoding_of(q[1], &w->encoding))
		return false;
	close = text_end(q + 3, end);
	if (!close)
		return false;
	language = memchr(p + 2, '*', (size_t)(q - p - 2)); /* RFC 2231 5 */
	w->charset = (struct msv_span){ p + 2, (size_t)((language ? language : q) - p - 2) };
	w->text = (struct msv_span){ q + 3, (size_t)(close - q - 3) };
	w->len = (size_t)(close + 2 - p);
	return true;
}

/* -- Decoding -------------------------------------------------------------- */

/* Makes d->cs the converter of that charset, or NULL.  0 or MSV_ERR_NOMEM. */
static int use_charset(struct decoder *d, struct msv_span name)
{
	int rc;

	if (d->name.p && msv_ascii_equal(name.p, name.n, d->name.p, d->name.n))
		return 0;
	if (d->cs)
		msv_charset_end(d->cs, d->out);
	msv_charset_free(d->cs);
	d->cs = NULL;
	d->name = name;
	if (d->lookups == LOOKUPS_MAX)
		return 0;
	d->lookups++;
	rc = msv_charset_open(d->out->env, name.p, name.n, &d->cs);
	return rc == MSV_ERR_UNSUPPORTED ? 0 : rc;
}

/* "Q" is quoted-printable with "_" for space, and no line ends (RFC 2047 4.2). */
static void decode_q(struct msv_span text, struct msv_buf *out)
{
	struct msv_transfer t;
	size_t run = 0;

	msv_transfer_init(&t, MSV_ENCODING_QP);
	for (size_t i = 0; i <= text.n; i++) {
		if (i < text.n && text.p[i] != '_' && !msv_is_blank(text.p[i]))
			continue;
		msv_transfer_push(&t, text.p + run, i - run, out);
		msv_transfer_end(&t, out);
		if (i < text.n)
			msv_buf_putc(out, ' ');
		run = i + 1;
	}
}

static int decode_word(struct decoder *d, const struct word *w)
{
	struct msv_transfer t;

	msv_buf_clear(&d->bytes);
	if (w->encoding == MSV_ENCODING_QP) {
		decode_q(w->text, &d->bytes);
	} else {
		msv_transfer_init(&t, MSV_ENCODING_BASE64);
		msv_transfer_push(&t, w->text.p, w->text.n, &d->bytes);
		msv_transfer_end(&t, &d->bytes);
	}
	if (msv_buf_failed(&d->bytes))
		return MSV_ERR_NOMEM;
	return msv_charset_push(d->cs, msv_buf_data(&d->bytes), msv_buf_len(&d->bytes), d->out);
}

static bool all_blank(const char *p, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (!msv_is_blank(p[i]))
			return false;
	return true;
}

/* Text that is no word; blanks between two words are none. */
static void put_plain(struct decoder *d, const char *p, size_t n, bool word_follows)
{
	struct msv_utf8_cleaner cleaner = { .nheld = 0 };

	if (n == 0 || (d->in_words && word_follows && all_blank(p, n)))
		return;
	if (d->in_words && d->cs)
		msv_charset_end(d->cs, d->out);
	d->in_words = false;
	msv_utf8_clean(&cleaner, p, n, d->out);
	msv_utf8_clean_end(&cleaner, d->out);
}

static int decode_all(struct decoder *d, const char *p, size_t n)
{
	const char *end = p + n, *plain = p, *at = p;
	int rc = 0;

	while (rc == 0 && (at = memchr(at, '=', (size_t)(end - at)))) {
		struct word w;

		if (end - at < 8 || at[1] != '?' || !read_word(at, end, &w)) {
			at++;
			continue;
		}
		rc = use_charset(d, w.charset);
		if (rc < 0 || !d->cs) {
			at++;
			continue;
		}
		put_plain(d, plain, (size_t)(at - plain), true);
		rc = decode_word(d, &w);
		d->in_words = true;
		plain = at = at + w.len;
	}
	put_plain(d, plain, (size_t)(end - plain), false);
	if (d->in_words && d->cs)
		msv_charset_end(d->cs, d->out);
	return rc;
}

/* Appends the text; control characters that words smuggled in become spaces, so
 * that no line end comes out of a header. */
static void put_printable(struct msv_buf *text, struct msv_buf *out)
{
	size_t n = msv_buf_len(text);
	char *to = msv_buf_reserve(out, n);

	if (!to)
		return;
	for (size_t i = 0; i < n; i++) {
		char c = msv_buf_data(text)[i];

		to[i] = (c >= 0 && c < 32 && c != '\t') || c == 127 ? ' ' : c;
	}
	msv_buf_commit(out, n);
}

int msv_encword_decode(const char *p, size_t n, struct msv_buf *out)
{
	struct msv_buf text;
	struct decoder d = { .out = &text };
	int rc;

	msv_buf_init(&text, out->env);
	msv_buf_init(&d.bytes, out->env);
	rc = decode_all(&d, p, n);
	if (rc == 0 && msv_buf_failed(&text))
		rc = MSV_ERR_NOMEM;
	if (rc == 0)
		put_printable(&text, out);
	msv_charset_free(d.cs);
	msv_buf_fini(&d.bytes);
	msv_buf_fini(&text);
	return rc < 0 ? rc : msv_buf_failed(out) ? MSV_ERR_NOMEM : 0;
}
