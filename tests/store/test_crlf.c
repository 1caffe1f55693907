#include "store/crlf.h"

#include <string.h>

#include "check_main.h"

#define BYTES(s) (s), sizeof(s) - 1

/* In files, on the wire. */
static const struct {
	const char *file;
	size_t n;
	const char *wire;
	size_t nwire;
} served[] = {
	{ BYTES(""), BYTES("") },
	{ BYTES("\n"), BYTES("\r\n") },
	{ BYTES("a\nb\n"), BYTES("a\r\nb\r\n") },
	{ BYTES("a\r\nb\n"), BYTES("a\r\nb\r\n") },
	{ BYTES("a\r\n\r\nb"), BYTES("a\r\n\r\nb") },
	{ BYTES("\n\n\n"), BYTES("\r\n\r\n\r\n") },
	{ BYTES("\r"), BYTES("\r") },
	{ BYTES("a\rb\r\r\n"), BYTES("a\rb\r\r\n") },
	{ BYTES("\0\n"), BYTES("\0\r\n") },
};

/* Sizes and bytes are the same for every split. */
START_TEST(test_to_crlf)
{
	for (size_t i = 0; i < sizeof(served) / sizeof(served[0]); i++) {
		for (size_t step = 1; step <= served[i].n + 1; step++) {
			char out[64];
			size_t n = 0, bare = 0;
			bool cr = false, count_cr = false;
			for (size_t at = 0; at < served[i].n; at += step) {
				size_t len = served[i].n - at < step ? served[i].n - at : step;
				bare += msv_bare_lf(served[i].file + at, len, &count_cr);
				n += msv_to_crlf(served[i].file + at, len, &cr, out + n);
			}
			ck_assert_uint_eq(n, served[i].nwire);
			ck_assert_mem_eq(out, served[i].wire, n);
			ck_assert_uint_eq(served[i].n + bare, n);
		}
	}
}
END_TEST

/* In place, when what is read lies in the upper half. */
START_TEST(test_to_crlf_in_place)
{
	char buf[64];
	bool cr = false;

	memset(buf + 32, '\n', 32);
	ck_assert_uint_eq(msv_to_crlf(buf + 32, 32, &cr, buf), 64);
	for (size_t i = 0; i < 64; i++)
		ck_assert_int_eq(buf[i], i % 2 ? '\n' : '\r');
}
END_TEST

/* On the wire, in files; error when not verbatim. */
static const struct {
	const char *wire;
	size_t n;
	const char *file;
	size_t nfile;
	int error;
} written[] = {
	{ BYTES("a\r\nb\r\n"), BYTES("a\nb\n"), 0 },
	{ BYTES("a\nb\r\n"), BYTES("a\nb\n"), 0 },
	{ BYTES("\r\n\r\n"), BYTES("\n\n"), 0 },
	{ BYTES("no end"), BYTES("no end"), 0 },
	{ BYTES("a\rb\r\n"), BYTES("a\rb\n"), MSV_ERR_FORMAT },
	{ BYTES("a\r"), BYTES("a\r"), MSV_ERR_FORMAT },
	{ BYTES("a\r\r\nb"), BYTES("a\r\r\nb"), MSV_ERR_FORMAT },
	{ BYTES("a\0b"), BYTES("a\0b"), MSV_ERR_FORMAT },
	{ BYTES("\r\r\r\n\r\n"), BYTES("\r\r\r\n\n"), MSV_ERR_FORMAT },
};

static int write_lf(
    const char *p, size_t n, size_t step, bool verbatim, char *out, size_t *total, uint64_t *lines)
{
	struct msv_to_lf state = { .verbatim = verbatim };
	size_t wrote;
	int error = 0;

	*total = 0;
	for (size_t at = 0; !error && at < n; at += step) {
		error =
		    msv_to_lf(&state, p + at, n - at < step ? n - at : step, out + *total, &wrote);
		*total += error ? 0 : wrote;
	}
	if (!error) {
		error = msv_to_lf_end(&state, out + *total, &wrote);
		*total += wrote;
	}
	*lines = state.lines;
	return error;
}

START_TEST(test_to_lf)
{
	for (size_t i = 0; i < sizeof(written) / sizeof(written[0]); i++) {
		for (size_t step = 1; step <= written[i].n; step++) {
			char out[64], back[64];
			size_t n;
			uint64_t lines;
			bool cr = false;
			ck_assert_int_eq(
			    write_lf(written[i].wire, written[i].n, step, false, out, &n, &lines),
			    written[i].error);
			ck_assert_int_eq(
			    write_lf(written[i].wire, written[i].n, step, true, out, &n, &lines),
			    0);
			ck_assert_uint_eq(n, written[i].nfile);
			ck_assert_mem_eq(out, written[i].file, n);
			/* What is told as the size is what is served. */
			ck_assert_uint_eq(msv_to_crlf(out, n, &cr, back), n + lines);
			if (!memchr(written[i].wire, '\n', written[i].n) ||
			    strcmp(written[i].wire, "a\nb\r\n") != 0)
				ck_assert_mem_eq(back, written[i].wire, written[i].n);
		}
	}
}
END_TEST

int main(void)
{
	Suite *s = suite_create("store/crlf");

	check_case(s, "crlf", test_to_crlf, test_to_crlf_in_place, test_to_lf);
	return check_main(s);
}
