/* Promises about the bytes of appended messages: line ends, lone CR, NUL. */
#include <stdio.h>
#include <string.h>

#include "testing/kit.h"

/* Appends the bytes in pieces of so many; the first error. */
static int append_pieces(
    struct msv_kit *k, bool verbatim, const char *p, size_t n, size_t piece, uint32_t *uid)
{
	struct msv_append_message message = { .size = sizeof(message), .verbatim = verbatim };
	struct msv_kit_copied copied = { 0 };
	struct msv_append *append;
	int error = msv_kit_append_begin(k, "INBOX", &append);

	if (error)
		return error;
	error = msv_kit_append_add(k, append, &message);
	for (size_t at = 0; at < n && !error; at += piece)
		error = msv_kit_append_write(k, append, p + at, n - at < piece ? n - at : piece);
	if (error) {
		msv_kit_append_abort(k, append);
		return error;
	}
	error = msv_kit_append_commit(k, append, &copied);
	*uid = msv_kit_nth(&copied.dest_set, 0);
	return error;
}

/* Breaks the promise unless what is written is read as `expected`, in every
 * size of piece. */
static bool becomes(struct msv_kit *k, bool verbatim, const char *p, size_t n, const char *expected,
    size_t nexpected)
{
	static const size_t pieces[] = { 1, 2, 3, 1000 };
	struct msv_kit_content content;
	struct msv_kit_view view;
	uint32_t uid;

	for (size_t i = 0; i < sizeof(pieces) / sizeof(pieces[0]); i++) {
		int error = append_pieces(k, verbatim, p, n, pieces[i], &uid);

		if (!error)
			error = msv_kit_open(k, &view, "INBOX", true);
		if (!error)
			error = msv_kit_msg_open(k, &view, uid, &content);
		if (error) {
			msv_kit_break(k, "pieces of %zu: %s", pieces[i], msv_strerror(error));
			return false;
		}
		if (content.octets != nexpected)
			msv_kit_break(k, "%llu octets are announced instead of %zu",
			    (unsigned long long)content.octets, nexpected);
		if (k->broken.n || !msv_kit_reads(k, &content, expected, nexpected))
			return false;
		msv_kit_msg_close(k, &content);
		msv_kit_close(k, &view);
	}
	return true;
}

static void lone_lf_becomes_crlf(struct msv_kit *k)
{
	static const struct {
		const char *written, *read;
	} cases[] = {
		{ "a\nb\n", "a\r\nb\r\n" },
		{ "\n\n", "\r\n\r\n" },
		{ "a\r\nb\nc\r\n", "a\r\nb\r\nc\r\n" },
		{ "a\r\n\r\nb", "a\r\n\r\nb" },
		{ "\n\r\n\n", "\r\n\r\n\r\n" },
		{ "no end", "no end" },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		if (!becomes(k, false, cases[i].written, strlen(cases[i].written), cases[i].read,
		        strlen(cases[i].read)))
			return;
}

/* Breaks the promise unless the append fails and leaves nothing. */
static bool is_refused(struct msv_kit *k, const char *p, size_t n)
{
	static const size_t pieces[] = { 1, 2, 1000 };
	struct msv_mailbox_status status;
	uint32_t uid;

	for (size_t i = 0; i < sizeof(pieces) / sizeof(pieces[0]); i++) {
		int error = append_pieces(k, false, p, n, pieces[i], &uid);

		if (error != MSV_ERR_FORMAT)
			msv_kit_break(
			    k, "in pieces of %zu it gave \"%s\"", pieces[i], msv_strerror(error));
		else if ((error = msv_kit_status(k, "INBOX", &status)))
			msv_kit_break(k, "status: %s", msv_strerror(error));
		else if (status.messages > 0)
			msv_kit_break(k, "a refused message is in the mailbox");
		if (k->broken.n)
			return false;
	}
	return true;
}

static void lone_cr_is_refused(struct msv_kit *k)
{
	static const char *const texts[] = { "a\rb\r\n", "\r\r\n", "a\r\n\r", "\r", "a\n\rb\n" };

	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
		if (!is_refused(k, texts[i], strlen(texts[i])))
			return;
}

static void nul_is_refused(struct msv_kit *k)
{
	if (is_refused(k, "a\0b\r\n", 5) && is_refused(k, "\0", 1))
		is_refused(k, "a\r\n\0", 4);
}

static void verbatim_is_kept(struct msv_kit *k)
{
	static const char bytes[] = "\rSubject: x\r\n\r\na\rb\r\nc\0d\r\n\r\r\nend\r";

	becomes(k, true, bytes, sizeof(bytes) - 1, bytes, sizeof(bytes) - 1);
}

static void bytes_are_kept(struct msv_kit *k)
{
	char bytes[600] = "Subject: \xc3\xa4\r\n\r\n";
	size_t n = strlen(bytes);

	for (int c = 1; c < 256; c++)
		if (c != '\r' && c != '\n')
			bytes[n++] = (char)c;
	n += (size_t)snprintf(bytes + n, sizeof(bytes) - n, "\r\n.\r\n..\r\n>From \r\n");
	becomes(k, false, bytes, n, bytes, n);
}

static void long_lines_are_kept(struct msv_kit *k)
{
	static const char word[] = "0123456789abcdef";
	struct msv_kit_content content;
	struct msv_kit_copied copied = { 0 };
	struct msv_append *append;
	struct msv_kit_view view;
	struct msv_span got;

	SUCCEEDS(k, msv_kit_append_begin(k, "INBOX", &append));
	SUCCEEDS(k, msv_kit_append_add(k, append, NULL));
	for (int i = 0; i < 8192; i++)
		SUCCEEDS(k, msv_kit_append_write(k, append, word, 16));
	SUCCEEDS(k, msv_kit_append_commit(k, append, &copied));
	SUCCEEDS(k, msv_kit_open(k, &view, "INBOX", true));
	SUCCEEDS(k, msv_kit_msg_open(k, &view, msv_kit_nth(&copied.dest_set, 0), &content));
	PROMISE(k, content.octets == 131072, "%llu octets instead of 131072",
	    (unsigned long long)content.octets);
	for (uint64_t at = 0; at < content.octets; at += got.n) {
		SUCCEEDS(k, msv_kit_read(k, &content, at, 1000, &got));
		PROMISE(k, got.n > 0 && got.n <= 1000, "%zu bytes were read at %llu", got.n,
		    (unsigned long long)at);
		for (size_t i = 0; i < got.n; i++)
			PROMISE(k, got.p[i] == word[(at + i) % 16], "byte %llu is another",
			    (unsigned long long)at + i);
	}
}

const struct msv_check msv_checks_lines[] = {
	CHECK(lone_lf_becomes_crlf),
	CHECK(lone_cr_is_refused),
	CHECK(nul_is_refused),
	CHECK(verbatim_is_kept),
	CHECK(bytes_are_kept),
	CHECK(long_lines_are_kept),
	{ NULL, NULL },
};
