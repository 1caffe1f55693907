/* Text of other people's, made fit for a header field or a paragraph. */
#include <string.h>

#include "codec/date.h"
#include "codec/utf8.h"
#include "message/dsn_parts.h"

enum {
	COLUMNS = 76,
	FOLD_AT = 76,     /* RFC 5322 2.1.1 */
	WORD_MAX = 900,   /* a line has at most 998 octets, whatever stands in it */
	VALUE_MAX = 4000, /* of a field */
};

/* -- Cleaning -------------------------------------------------------------------- */

/* Characters that show nothing, or make others appear where they are not. */
static bool is_deceptive(uint32_t c)
{
	return c < 0x20 || (c >= 0x7f && c < 0xa0) || c == 0xad || (c >= 0x200b && c <= 0x200f) ||
	       (c >= 0x2028 && c <= 0x202e) || (c >= 0x2060 && c <= 0x206f) || c == 0xfeff;
}

/* Takes a character off the text and writes what stands for it; its length. */
static size_t clean_char(
    const char *p, size_t n, enum msv_dsn_script script, char out[4], size_t *used)
{
	uint32_t c;
	int len = msv_utf8_get(p, n, &c);

	*used = len > 0 ? (size_t)len : len < 0 ? (size_t)-len : n;
	if (len > 0 && is_deceptive(c))
		c = ' ';
	if (len > 0 && (c < 0x80 || script == MSV_DSN_UTF8))
		return msv_utf8_put(c, out);
	return msv_utf8_put(script == MSV_DSN_UTF8 ? 0xfffd : '?', out);
}

int msv_dsn_clean(
    const char *p, size_t n, size_t max, enum msv_dsn_script script, struct msv_buf *out)
{
	size_t written = 0, used;
	bool blank = false;

	for (size_t i = 0; i < n; i += used) {
		char c[4];
		size_t len = clean_char(p + i, n - i, script, c, &used);
		if (*c == ' ') {
			blank = written > 0;
			continue;
		}
		if (written + blank + len > max)
			break;
		if (blank)
			msv_buf_putc(out, ' ');
		msv_buf_put(out, c, len);
		written += blank + len;
		blank = false;
	}
	return msv_buf_failed(out) ? MSV_ERR_NOMEM : 0;
}

/* -- Lines ------------------------------------------------------------------------- */

/* Octets that take up a column: not those that continue a character. */
static size_t columns(struct msv_span word)
{
	size_t n = 0;

	for (size_t i = 0; i < word.n; i++)
		n += (word.p[i] & 0xc0) != 0x80;
	return n;
}

/* The next word of a clean text: a run without blanks, of WORD_MAX octets at most and
 * whole characters. */
static struct msv_span next_word(struct msv_span *text)
{
	while (text->n && *text->p == ' ') {
		text->p++;
		text->n--;
	}
	const char *blank = text->n ? memchr(text->p, ' ', text->n) : NULL;
	struct msv_span word = { text->p, blank ? (size_t)(blank - text->p) : text->n };
	if (word.n > WORD_MAX)
		for (word.n = WORD_MAX; (word.p[word.n] & 0xc0) == 0x80; word.n--)
			continue;
	text->p += word.n;
	text->n -= word.n;
	return word;
}

/* Appends words at `column`, beginning new lines with `margin`. */
static void put_words(
    struct msv_span text, size_t column, size_t width, const char *margin, struct msv_buf *out)
{
	size_t start = strlen(margin);
	bool first = true;

	for (struct msv_span word = next_word(&text); word.n; word = next_word(&text)) {
		size_t n = columns(word);
		if (!first && column + 1 + n > width) {
			msv_buf_puts(out, "\r\n");
			msv_buf_puts(out, margin);
			column = start;
		} else if (!first) {
			msv_buf_putc(out, ' ');
			column++;
		}
		msv_buf_put(out, word.p, word.n);
		column += n;
		first = false;
	}
}

int msv_dsn_field(
    const char *name, const char *value, enum msv_dsn_script script, struct msv_buf *out)
{
	struct msv_buf clean;

	msv_buf_init(&clean, out->env);
	int rc = msv_dsn_clean(value, strlen(value), VALUE_MAX, script, &clean);
	msv_buf_puts(out, name);
	msv_buf_puts(out, ": ");
	put_words((struct msv_span){ msv_buf_data(&clean), msv_buf_len(&clean) }, strlen(name) + 2,
	    FOLD_AT, " ", out);
	msv_buf_fini(&clean);
	return rc < 0 ? rc : msv_buf_puts(out, "\r\n");
}

int msv_dsn_date_field(const char *name, int64_t time, struct msv_buf *out)
{
	char text[MSV_DATE_SIZE];

	msv_date_write(&(struct msv_date){ .time = time }, text);
	return msv_dsn_field(name, text, MSV_DSN_ASCII, out);
}

int msv_dsn_wrap(const char *text, unsigned indent, struct msv_buf *out)
{
	static const char blanks[] = "        ";
	const char *margin = blanks + sizeof(blanks) - 1 - (indent < 8 ? indent : 8);

	msv_buf_puts(out, margin);
	put_words((struct msv_span){ text, strlen(text) }, strlen(margin), COLUMNS, margin, out);
	return msv_buf_puts(out, "\r\n");
}
