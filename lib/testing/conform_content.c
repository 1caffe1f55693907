/* Promises about reading messages: what is open stays readable. */
#include <string.h>

#include "testing/kit.h"

#define LINES      500
#define LINE_BYTES 20
#define BYTES      (LINES * LINE_BYTES)

/* Line i of the big message, LINE_BYTES long. */
static void put_line(char line[LINE_BYTES + 1], unsigned i)
{
	memcpy(line, "line     of a text\r\n", LINE_BYTES + 1);
	for (int digit = 8; digit > 4; digit--, i /= 10)
		line[digit] = (char)('0' + i % 10);
}

/* Appends the big message and opens it; fills text (BYTES). */
static int open_big(
    struct msv_kit *k, struct msv_kit_view *view, struct msv_kit_content *content, char *text)
{
	struct msv_append *append;
	struct msv_kit_copied copied = { 0 };
	int error = msv_kit_append_begin(k, "INBOX", &append);
	char line[LINE_BYTES + 1];

	for (unsigned i = 0; i < LINES; i++) {
		put_line(line, i);
		memcpy(text + i * LINE_BYTES, line, LINE_BYTES);
	}
	if (!error)
		error = msv_kit_append_add(k, append, NULL);
	if (!error)
		error = msv_kit_append_write(k, append, text, BYTES);
	if (!error)
		error = msv_kit_append_commit(k, append, &copied);
	if (!error)
		error = msv_kit_open(k, view, "INBOX", false);
	if (!error)
		error = msv_kit_msg_open(k, view, msv_kit_nth(&copied.dest_set, 0), content);
	return error;
}

static void content_is_read_in_windows(struct msv_kit *k)
{
	static const size_t windows[] = { 1, 7, 19, 20, 21, 999, 4096, BYTES, BYTES + 1 };
	struct msv_kit_content content;
	struct msv_kit_view view;
	char text[BYTES];
	struct msv_span got;

	SUCCEEDS(k, open_big(k, &view, &content, text));
	PROMISE(k, content.octets == BYTES, "%llu octets instead of %d",
	    (unsigned long long)content.octets, BYTES);
	for (size_t w = 0; w < sizeof(windows) / sizeof(windows[0]); w++) {
		size_t at = 0;

		do {
			SUCCEEDS(k, msv_kit_read(k, &content, at, windows[w], &got));
			PROMISE(k, got.n <= windows[w] && got.n <= BYTES - at,
			    "%zu bytes came of a window of %zu at %zu", got.n, windows[w], at);
			PROMISE(k, got.n == 0 || memcmp(got.p, text + at, got.n) == 0,
			    "other bytes in a window of %zu at %zu", windows[w], at);
			at += got.n;
		} while (got.n > 0);
		PROMISE(k, at == BYTES, "windows of %zu ended at %zu", windows[w], at);
	}
}

static void content_is_read_anywhere(struct msv_kit *k)
{
	struct msv_kit_content content;
	struct msv_kit_view view;
	char text[BYTES];
	struct msv_span got;
	uint32_t dice = 12345;

	SUCCEEDS(k, open_big(k, &view, &content, text));
	for (int i = 0; i < 200; i++) {
		dice = dice * 1103515245 + 12345;
		size_t at = dice >> 8 & 0xffff, n = (dice >> 4 & 0x3ff) + 1;

		SUCCEEDS(k, msv_kit_read(k, &content, at % (BYTES + 100), n, &got));
		at %= BYTES + 100;
		PROMISE(k, at < BYTES || got.n == 0, "%zu bytes came from behind the end", got.n);
		PROMISE(k, at >= BYTES || (got.n > 0 && got.n <= n && got.n <= BYTES - at),
		    "%zu bytes came for %zu at %zu", got.n, n, at);
		PROMISE(k, got.n == 0 || memcmp(got.p, text + at, got.n) == 0, "other bytes at %zu",
		    at);
	}
}

static void two_readers_do_not_meet(struct msv_kit *k)
{
	struct msv_kit_content one, two;
	struct msv_kit_view view;
	char text[BYTES];
	struct msv_span got;

	SUCCEEDS(k, open_big(k, &view, &one, text));
	SUCCEEDS(k, msv_kit_sync(k, &view));
	SUCCEEDS(k, msv_kit_msg_open(k, &view, view.messages[0].is.uid, &two));
	for (size_t at = 0; at < BYTES; at += 500) {
		SUCCEEDS(k, msv_kit_read(k, &one, at, 500, &got));
		PROMISE(k, got.n && memcmp(got.p, text + at, got.n) == 0, "other bytes at %zu", at);
		SUCCEEDS(k, msv_kit_read(k, &two, BYTES - 500 - at, 500, &got));
		PROMISE(k, got.n && memcmp(got.p, text + BYTES - 500 - at, got.n) == 0,
		    "other bytes at %zu", BYTES - 500 - at);
	}
	msv_kit_msg_close(k, &two);
	msv_kit_reads(k, &one, text, BYTES);
}

/* -- What is open outlasts the message ----------------------------------------------------- */

static void content_outlasts_expunge(struct msv_kit *k)
{
	struct msv_kit_content content;
	struct msv_kit_view view;
	char text[BYTES];
	struct msv_span got;

	SUCCEEDS(k, open_big(k, &view, &content, text));
	SUCCEEDS(k, msv_kit_read(k, &content, 0, 100, &got));
	SUCCEEDS(k, msv_kit_sync(k, &view));
	uint32_t uid = view.messages[0].is.uid;
	SUCCEEDS(k, msv_kit_flags(k, &view, UIDS(uid, uid), MSV_FLAGS_ADD, MSV_FLAG_DELETED, NULL));
	SUCCEEDS(k, msv_kit_expunge(k, &view, NULL));
	SUCCEEDS(k, msv_kit_sync(k, &view));
	PROMISE(k, view.n == 0, "the message was not expunged");
	msv_kit_reads(k, &content, text, BYTES);
}

static void content_outlasts_remove(struct msv_kit *k)
{
	struct msv_kit_content content;
	struct msv_kit_view view;
	char text[200];
	uint32_t uid;

	SUCCEEDS(k, msv_kit_create(k, "Work", 0));
	SUCCEEDS(k, msv_kit_append(k, "Work", msv_kit_text(1, text), &uid));
	SUCCEEDS(k, msv_kit_open(k, &view, "Work", false));
	SUCCEEDS(k, msv_kit_msg_open(k, &view, uid, &content));
	SUCCEEDS(k, msv_kit_remove(k, "Work"));
	msv_kit_reads(k, &content, text, strlen(text));
}

static void content_outlasts_close(struct msv_kit *k)
{
	struct msv_kit_content content;
	struct msv_kit_view view;
	char text[BYTES];

	SUCCEEDS(k, open_big(k, &view, &content, text));
	msv_kit_close(k, &view);
	msv_kit_reads(k, &content, text, BYTES);
}

static void content_outlasts_flags_and_move(struct msv_kit *k)
{
	struct msv_kit_copied copied;
	struct msv_kit_content content;
	struct msv_kit_view view;
	char text[BYTES];
	struct msv_span got;

	SUCCEEDS(k, msv_kit_create(k, "Dest", 0));
	SUCCEEDS(k, open_big(k, &view, &content, text));
	SUCCEEDS(k, msv_kit_read(k, &content, 0, 100, &got));
	SUCCEEDS(k,
	    msv_kit_flags(k, &view, ALL_UIDS, MSV_FLAGS_ADD, MSV_FLAG_SEEN | MSV_FLAG_DRAFT, NULL));
	if (!msv_kit_reads(k, &content, text, BYTES))
		return;
	SUCCEEDS(k, msv_kit_move(k, &view, ALL_UIDS, "Dest", &copied));
	msv_kit_reads(k, &content, text, BYTES);
}

static void expunged_cannot_be_opened(struct msv_kit *k)
{
	struct msv_kit_content content;
	struct msv_kit_view view;

	SUCCEEDS(k, msv_kit_fill(k, "INBOX", 2));
	SUCCEEDS(k, msv_kit_open(k, &view, "INBOX", false));
	SUCCEEDS(k, msv_kit_sync(k, &view));
	uint32_t uid = view.messages[0].is.uid;
	SUCCEEDS(k, msv_kit_flags(k, &view, UIDS(uid, uid), MSV_FLAGS_ADD, MSV_FLAG_DELETED, NULL));
	SUCCEEDS(k, msv_kit_expunge(k, &view, NULL));
	RETURNS(k, MSV_ERR_NOTFOUND, msv_kit_msg_open(k, &view, uid, &content));
	RETURNS(k, MSV_ERR_NOTFOUND, msv_kit_msg_open(k, &view, 4000000000, &content));
}

static void bytes_stay_until_the_next_read(struct msv_kit *k)
{
	struct msv_kit_content content, other;
	struct msv_kit_view view;
	char text[BYTES];
	struct msv_span got, elsewhere;

	SUCCEEDS(k, msv_kit_fill(k, "INBOX", 1));
	SUCCEEDS(k, open_big(k, &view, &content, text));
	SUCCEEDS(k, msv_kit_sync(k, &view));
	SUCCEEDS(k, msv_kit_read(k, &content, 40, 1000, &got));
	SUCCEEDS(k, msv_kit_msg_open(k, &view, view.messages[0].is.uid, &other));
	SUCCEEDS(k, msv_kit_read(k, &other, 0, 10, &elsewhere));
	msv_kit_msg_close(k, &other);
	SUCCEEDS(k, msv_kit_flags(k, &view, ALL_UIDS, MSV_FLAGS_ADD, MSV_FLAG_DELETED, NULL));
	SUCCEEDS(k, msv_kit_expunge(k, &view, NULL));
	PROMISE(k, got.n && memcmp(got.p, text + 40, got.n) == 0, "the bytes read have changed");
}

static void a_canceled_read_can_be_repeated(struct msv_kit *k)
{
	struct msv_kit_content content;
	struct msv_kit_view view;
	char text[BYTES];

	SUCCEEDS(k, open_big(k, &view, &content, text));
	for (unsigned ticks = 0; ticks < 4; ticks++) {
		struct msv_kit_answer a = { 0 };

		if (!msv_kit_ask(k, &a))
			return;
		k->store->msg_read(
		    k->store->self, content.message, 5000, 100, (struct msv_read_op){ a.op });
		for (unsigned i = 0; i < ticks && !a.done; i++)
			msv_env_tick(msv_test_env(k->test));
		msv_kit_cancel(&a);
		if (!msv_kit_reads(k, &content, text, BYTES))
			return;
	}
}

const struct msv_check msv_checks_content[] = {
	CHECK(content_is_read_in_windows),
	CHECK(content_is_read_anywhere),
	CHECK(two_readers_do_not_meet),
	CHECK(content_outlasts_expunge),
	CHECK(content_outlasts_remove),
	CHECK(content_outlasts_close),
	CHECK(content_outlasts_flags_and_move),
	CHECK(expunged_cannot_be_opened),
	CHECK(bytes_stay_until_the_next_read),
	CHECK(a_canceled_read_can_be_repeated),
	{ NULL, NULL },
};
