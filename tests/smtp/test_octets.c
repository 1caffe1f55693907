/* The octets of a body: where it ends, and what is wrong with it. */
#include "smtp/smtp.h"

#include <stdio.h>
#include <string.h>

#include "check_main.h"

/* What a model says that looks at the whole input at once. */
struct outcome {
	bool ended, doubtful;
	enum msv_octets_fault fault;
	size_t used, n;
	char text[1024];
};

/* Feeds pieces cut at `first` and `second`. */
static struct outcome feed(
    const char *p, size_t n, size_t first, size_t second, bool stuffed, bool normalize)
{
	struct outcome out = { 0 };
	struct msv_octets o;
	size_t ends[] = { first, second, n }, at = 0;

	msv_octets_init(&o, stuffed, normalize);
	for (size_t i = 0; i < 3; i++) {
		while (at < ends[i] && !o.ended) {
			struct msv_span piece;
			size_t used = msv_octets_next(&o, p + at, ends[i] - at, &piece);
			ck_assert((used > 0 || piece.n) && used <= ends[i] - at);
			ck_assert(out.n + piece.n <= sizeof(out.text));
			memcpy(out.text + out.n, piece.p, piece.n);
			out.n += piece.n;
			at += used;
		}
	}
	if (!stuffed)
		msv_octets_finish(&o);
	out.ended = o.ended;
	out.doubtful = o.doubtful;
	out.fault = o.fault;
	out.used = at;
	return out;
}

/* The model: the first CRLF.CRLF, the one before the body included. */
static struct outcome model(const char *p, size_t n)
{
	struct outcome out = { .used = n };
	size_t end = n;

	for (size_t i = 0; i + 3 <= n && !out.ended; i++) {
		bool start = i == 0 || (i >= 2 && memcmp(p + i - 2, "\r\n", 2) == 0);
		if (start && memcmp(p + i, ".\r\n", 3) == 0) {
			out.ended = true;
			out.used = i + 3;
			end = i;
		}
	}
	/* A CR or dot at the end of the input may still become a line end. */
	size_t known = out.ended ? end : n;
	for (size_t i = 0; i < known && !out.fault; i++) {
		bool cr_before = i > 0 && p[i - 1] == '\r';
		if (p[i] == '\n' && !cr_before)
			out.fault = MSV_OCTETS_LONE_LF;
		else if (p[i] != '\n' && cr_before)
			out.fault = MSV_OCTETS_LONE_CR;
		else if (p[i] == '\0')
			out.fault = MSV_OCTETS_NUL;
	}
	out.doubtful = out.ended && end >= 3 && p[end - 3] == '\r';
	return out;
}

static void compare(const char *p, size_t n)
{
	struct outcome expected = model(p, n);

	for (size_t first = 0; first <= n; first++) {
		for (size_t second = first; second <= n; second++) {
			struct outcome got = feed(p, n, first, second, true, false);
			ck_assert_int_eq(got.ended, expected.ended);
			ck_assert_uint_eq(got.used, expected.used);
			ck_assert_int_eq(got.fault, expected.fault);
			ck_assert_int_eq(got.doubtful, expected.doubtful);
		}
	}
}

/* What may stand before and behind a dot in an attempt to end a body. */
static const struct {
	const char *p;
	size_t n;
} befores[] = { { "\r\n", 2 }, { "\n", 1 }, { "\r", 1 }, { "\r\r\n", 3 }, { "\n\r", 2 },
	{ "\r\n\0", 3 }, { "\0\r\n", 3 }, { "", 0 } },
  behinds[] = { { "\r\n", 2 }, { "\n", 1 }, { "\r", 1 }, { "\r\r\n", 3 }, { "\0\r\n", 3 },
	  { "\n\r", 2 }, { " \r\n", 3 }, { "", 0 } };

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

/* Every ending, cut everywhere: ended by CRLF.CRLF alone. */
START_TEST(endings)
{
	char text[64];

	for (size_t b = 0; b < COUNT(befores); b++) {
		for (size_t e = 0; e < COUNT(behinds); e++) {
			size_t n = 0;
			memcpy(text, "a", 1);
			n = 1;
			memcpy(text + n, befores[b].p, befores[b].n);
			n += befores[b].n;
			text[n++] = '.';
			memcpy(text + n, behinds[e].p, behinds[e].n);
			n += behinds[e].n;
			memcpy(text + n, "MAIL\r\n.\r\nQUIT\r\n", 15);
			n += 15;
			compare(text, n);
			compare(text + 1, n - 1); /* the same at the beginning */
		}
	}
}
END_TEST

/* All texts of six of the bytes that matter. */
START_TEST(all_short_texts)
{
	static const char bytes[] = { '\r', '\n', '.', 'a', '\0' };
	char text[6];

	for (unsigned i = 0; i < 5 * 5 * 5 * 5 * 5 * 5; i++) {
		unsigned rest = i;
		for (size_t k = 0; k < sizeof(text); k++, rest /= 5)
			text[k] = bytes[rest % 5];
		compare(text, sizeof(text));
	}
}
END_TEST

struct row {
	const char *wire, *text;
};

static void expect_text(const struct row *row, bool stuffed, bool normalize)
{
	size_t n = strlen(row->wire);

	for (size_t first = 0; first <= n; first++) {
		for (size_t second = first; second <= n; second++) {
			struct outcome got = feed(row->wire, n, first, second, stuffed, normalize);
			ck_assert_int_eq(got.fault, MSV_OCTETS_FINE);
			ck_assert_int_eq(got.ended, stuffed);
			ck_assert_uint_eq(got.n, strlen(row->text));
			ck_assert_mem_eq(got.text, row->text, got.n);
		}
	}
}

/* RFC 5321 4.5.2: the first dot of a line goes. */
START_TEST(unstuffing)
{
	static const struct row rows[] = {
		{ ".\r\n", "" },
		{ "\r\n.\r\n", "\r\n" },
		{ "..\r\n.\r\n", ".\r\n" },
		{ "...\r\n.\r\n", "..\r\n" },
		{ ".a\r\n.\r\n", "a\r\n" },
		{ "a.b.\r\n.c\r\n\r\n..\r\n.\r\n", "a.b.\r\nc\r\n\r\n.\r\n" },
		{ "a\r\n\r\n\r\n.\r\n", "a\r\n\r\n\r\n" },
	};

	for (size_t i = 0; i < COUNT(rows); i++)
		expect_text(&rows[i], true, false);
}
END_TEST

/* Where it is allowed, lone CR and LF become CRLF; the end is the same. */
START_TEST(normalizing)
{
	static const struct row rows[] = {
		{ "a\nb\r\n.\r\n", "a\r\nb\r\n" },
		{ "a\rb\r\n.\r\n", "a\r\nb\r\n" },
		{ "a\r\r\n.\r\n", "a\r\n\r\n" },
		{ "a\n\r\n.\r\n", "a\r\n\r\n" },
		{ "a\n.\nb\n.\r\n\r\n.\r\n", "a\r\n.\r\nb\r\n.\r\n\r\n" },
		{ "a\r.\rb\r\n.\r\n", "a\r\n.\r\nb\r\n" },
		{ "\r\n.\n.\r\r\n.\r\n", "\r\n\r\n.\r\n\r\n" },
	};

	for (size_t i = 0; i < COUNT(rows); i++)
		expect_text(&rows[i], true, true);
}
END_TEST

/* A chunk has no dots and no end of its own. */
START_TEST(chunks)
{
	static const struct row rows[] = {
		{ "", "" },
		{ ".\r\n", ".\r\n" },
		{ "a\r\n.\r\n..\r\nb", "a\r\n.\r\n..\r\nb" },
	};

	for (size_t i = 0; i < COUNT(rows); i++)
		expect_text(&rows[i], false, false);
	ck_assert_int_eq(feed("a\r", 2, 1, 2, false, false).fault, MSV_OCTETS_LONE_CR);
	ck_assert_int_eq(feed("a\n", 2, 1, 2, false, false).fault, MSV_OCTETS_LONE_LF);
	ck_assert_int_eq(feed("a\0", 2, 1, 2, false, true).fault, MSV_OCTETS_NUL);
}
END_TEST

/* -- Hops ------------------------------------------------------------------------ */

static uint32_t hops(const char *header, size_t step)
{
	struct msv_hops h = { 0 };
	size_t n = strlen(header);

	for (size_t at = 0; at < n; at += step)
		msv_hops_count(&h, header + at, step < n - at ? step : n - at);
	return h.count;
}

START_TEST(counting_hops)
{
	static const char header[] = "Received: from a\r\n"
	                             "\tby b; Received: c\r\n"
	                             "RECEIVED \t: d\r\n"
	                             "Received-SPF: e\r\n"
	                             " Received: folded\r\n"
	                             "X-Received: f\r\n"
	                             "Receive: g\r\n"
	                             "received:\r\n"
	                             "\r\n"
	                             "Received: in the body\r\n";

	for (size_t step = 1; step <= sizeof(header); step++)
		ck_assert_uint_eq(hops(header, step), 3);
	ck_assert_uint_eq(hops("Received: unended", 3), 1);
	ck_assert_uint_eq(hops("\r\nReceived: body\r\n", 1), 0);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("smtp/octets");

	check_case(s, "end", endings, all_short_texts);
	check_case(s, "text", unstuffing, normalizing, chunks);
	check_case(s, "hops", counting_hops);
	return check_main(s);
}
