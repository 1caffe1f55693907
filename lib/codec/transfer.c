#include "codec/transfer.h"

#include <string.h>

#include "codec/casefold.h"

static const struct {
	const char *name;
	enum msv_encoding encoding;
} encodings[] = {
	{ "", MSV_ENCODING_IDENTITY },
	{ "7bit", MSV_ENCODING_IDENTITY },
	{ "8bit", MSV_ENCODING_IDENTITY },
	{ "binary", MSV_ENCODING_IDENTITY },
	{ "quoted-printable", MSV_ENCODING_QP },
	{ "base64", MSV_ENCODING_BASE64 },
};

enum msv_encoding msv_encoding_of(const char *name)
{
	if (!name)
		return MSV_ENCODING_IDENTITY;
	for (size_t i = 0; i < sizeof encodings / sizeof encodings[0]; i++)
		if (msv_ascii_equals(name, strlen(name), encodings[i].name))
			return encodings[i].encoding;
	return MSV_ENCODING_UNKNOWN;
}

void msv_transfer_init(struct msv_transfer *t, enum msv_encoding encoding)
{
	memset(t, 0, sizeof *t);
	t->encoding = encoding;
}

/* -- Base64 ---------------------------------------------------------------- */

static int base64_value(char c)
{
	if (c >= 'A' && c <= 'Z')
		return c - 'A';
	if (c >= 'a' && c <= 'z')
		return c - 'a' + 26;
	if (c >= '0' && c <= '9')
		return c - '0' + 52;
	return c == '+' ? 62 : c == '/' ? 63 : -1;
}

/* Writes the whole bytes of a group that may be short, and begins the next. */
static void base64_flush(struct msv_transfer *t, struct msv_buf *out)
{
	uint32_t bits = t->bits << 6 * (4 - t->count);
	char bytes[] = { (char)(bits >> 16 & 0xff), (char)(bits >> 8 & 0xff), (char)(bits & 0xff) };

	if (t->count > 1)
		msv_buf_put(out, bytes, t->count - 1u);
	t->bits = 0;
	t->count = 0;
}

/* A "=" ends its group; what follows begins another (mailers that join encoded
 * pieces are not rare). */
static void base64_push(struct msv_transfer *t, const char *p, size_t n, struct msv_buf *out)
{
	for (size_t i = 0; i < n; i++) {
		int value = base64_value(p[i]);

		if (value >= 0) {
			t->bits = t->bits << 6 | (uint32_t)value;
			t->count++;
		}
		if (t->count == 4 || p[i] == '=')
			base64_flush(t, out);
	}
}

/* -- Quoted-printable ------------------------------------------------------ */

/* Behind "=", behind "=X", behind "=" and blanks, behind "=" and CR. */
enum { TEXT, EQUALS, HEX, SOFT_BLANKS, SOFT_CR };

static int hex_value(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'A' && c <= 'F')
		return c - 'A' + 10;
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	return -1;
}

static bool qp_blank(char c)
{
	return c == ' ' || c == '\t';
}

static void qp_flush_blanks(struct msv_transfer *t, struct msv_buf *out)
{
	msv_buf_put(out, t->tail, t->blanks);
	t->blanks = 0;
}

/* Blanks wait until it is known whether the line ends behind them. */
static void qp_hold_blank(struct msv_transfer *t, char c, struct msv_buf *out)
{
	if (t->blanks == sizeof t->tail)
		qp_flush_blanks(t, out);
	t->tail[t->blanks++] = c;
}

/* Copies text up to a byte that means something; how many bytes. */
static size_t qp_text_run(struct msv_transfer *t, const char *p, size_t n, struct msv_buf *out)
{
	size_t i = 0;

	while (i < n && p[i] != '=' && !qp_blank(p[i]) && p[i] != '\r' && p[i] != '\n')
		i++;
	if (i > 0)
		qp_flush_blanks(t, out);
	msv_buf_put(out, p, i);
	return i;
}

static void qp_text(struct msv_transfer *t, char c, struct msv_buf *out)
{
	if (qp_blank(c)) {
		qp_hold_blank(t, c, out);
	} else if (c == '=') {
		qp_flush_blanks(t, out);
		t->state = EQUALS;
	} else {
		t->blanks = 0; /* padding (RFC 2045 6.7 rule 3) */
		msv_buf_putc(out, c);
	}
}

/* What came behind "=" was no code: it stands for itself. */
static bool qp_literal(struct msv_transfer *t, struct msv_buf *out)
{
	msv_buf_putc(out, '=');
	if (t->state == HEX)
		msv_buf_putc(out, t->hex);
	t->state = TEXT;
	return false;
}

/* One byte behind "=".  False when it is to be looked at as text. */
static bool qp_code(struct msv_transfer *t, char c, struct msv_buf *out)
{
	int state = t->state;

	if (state == HEX) {
		if (hex_value(c) < 0)
			return qp_literal(t, out);
		msv_buf_putc(out, (char)(hex_value(t->hex) << 4 | hex_value(c)));
		t->state = TEXT;
		return true;
	}
	if (state == SOFT_CR) {
		t->state = TEXT;
		return c == '\n';
	}
	if (state == EQUALS && hex_value(c) >= 0) {
		t->state = HEX;
		t->hex = c;
		return true;
	}
	if (qp_blank(c) && t->blanks < sizeof t->tail) {
		t->state = SOFT_BLANKS;
		t->tail[t->blanks++] = c;
		return true;
	}
	if (c != '\r' && c != '\n')
		return qp_literal(t, out);
	t->blanks = 0;
	t->state = c == '\r' ? SOFT_CR : TEXT;
	return true;
}

static void qp_push(struct msv_transfer *t, const char *p, size_t n, struct msv_buf *out)
{
	size_t i = 0;

	while (i < n) {
		if (t->state == TEXT) {
			size_t run = qp_text_run(t, p + i, n - i, out);

			if (run == 0)
				qp_text(t, p[i], out);
			i += run ? run : 1;
		} else if (qp_code(t, p[i], out)) {
			i++;
		}
	}
}

/* -- Any ------------------------------------------------------------------- */

int msv_transfer_push(struct msv_transfer *t, const char *p, size_t n, struct msv_buf *out)
{
	if (t->encoding == MSV_ENCODING_BASE64)
		base64_push(t, p, n, out);
	else if (t->encoding == MSV_ENCODING_QP)
		qp_push(t, p, n, out);
	else
		msv_buf_put(out, p, n);
	return msv_buf_failed(out) ? MSV_ERR_NOMEM : 0;
}

int msv_transfer_end(struct msv_transfer *t, struct msv_buf *out)
{
	if (t->encoding == MSV_ENCODING_BASE64)
		base64_flush(t, out);
	else if (t->state == HEX)
		qp_literal(t, out);
	msv_transfer_init(t, t->encoding);
	return msv_buf_failed(out) ? MSV_ERR_NOMEM : 0;
}
