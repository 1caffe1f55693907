/* What is on disk and what is on the wire. */
#include "check_main.h"
#include "store/world.h"

static char big[3 << 20], back[3 << 20];

/* -- Served from files ---------------------------------------------------------------------- */

#define BYTES(s) (s), sizeof(s) - 1

/* Names that lie, files with any line ends. */
static const struct {
	const char *name, *file;
	size_t n;
	const char *wire;
	size_t nwire;
} served[] = {
	{ "1.a,S=4,W=6:2,", BYTES("a\nb\n"), BYTES("a\r\nb\r\n") },
	{ "2.a,S=4,W=4:2,", BYTES("a\nb\n"), BYTES("a\r\nb\r\n") },
	{ "3.a,S=999,W=1:2,", BYTES("a\nb\n"), BYTES("a\r\nb\r\n") },
	{ "4.a:2,", BYTES("a\nb\n"), BYTES("a\r\nb\r\n") },
	{ "5.a,S=6,W=6:2,", BYTES("a\r\nb\r\n"), BYTES("a\r\nb\r\n") },
	{ "6.a:2,", BYTES("a\r\nb\n\n\r\n"), BYTES("a\r\nb\r\n\r\n\r\n") },
	{ "7.a,S=0,W=0:2,", BYTES(""), BYTES("") },
	{ "8.a:2,", BYTES("no end"), BYTES("no end") },
	{ "9.a:2,", BYTES("\0\r\r\n\n"), BYTES("\0\r\r\n\r\n") },
};

enum { NSERVED = sizeof(served) / sizeof(served[0]) };

/* A size is exact before the content was ever opened, and after. */
START_TEST(test_sizes)
{
	char name[64], expected[64];

	make_maildir("ann");
	for (size_t i = 0; i < NSERVED; i++) {
		snprintf(name, sizeof(name), "ann/cur/%s", served[i].name);
		scratch_write(name, served[i].file, served[i].n);
	}
	struct msv_mailbox *mailbox = opened("INBOX", true);
	for (uint32_t uid = 1; uid <= NSERVED; uid++) {
		snprintf(expected, sizeof(expected), "%u:(%zu) ", uid, served[uid - 1].nwire);
		ck_assert_int_eq(do_fetch(mailbox, uid, uid, MSV_FIELD_OCTETS), 0);
		ck_assert_str_eq(got.rows, expected);
	}
	for (uint32_t uid = 1; uid <= NSERVED; uid++) {
		for (size_t n = 1; n < 8; n++) {
			ck_assert_uint_eq(
			    read_all(mailbox, uid, back, sizeof(back), n), served[uid - 1].nwire);
			ck_assert_mem_eq(back, served[uid - 1].wire, served[uid - 1].nwire);
		}
	}
	do_close(mailbox);
}
END_TEST

/* Lines of rising length, of either kind; how many bytes. */
static size_t make_big(bool wire)
{
	size_t n = 0;

	for (size_t i = 0; i < 2000; i++) {
		size_t len = i * 7 % 997;
		memset(big + n, (int)('a' + i % 26), len);
		n += len;
		if (wire || i % 5 == 0)
			big[n++] = '\r';
		big[n++] = '\n';
	}
	return n;
}

/* Windows fit together wherever they are cut, and positions are found again. */
START_TEST(test_big)
{
	static char wire[3 << 20];
	size_t n, nwire = make_big(true);

	memcpy(wire, big, nwire);
	n = make_big(false);
	make_maildir("ann");
	scratch_write("ann/cur/1.a,S=1,W=1:2,", big, n);
	struct msv_mailbox *mailbox = opened("INBOX", true);
	for (size_t step = 30000; step < 70000; step += 17777) {
		ck_assert_uint_eq(read_all(mailbox, 1, back, sizeof(back), step), nwire);
		ck_assert_mem_eq(back, wire, nwire);
	}
	/* By pieces, each opened anew, there and back. */
	for (size_t at = 0; at < nwire; at += 50021) {
		ck_assert_int_eq(do_msg_open(mailbox, 1), 0);
		ck_assert_uint_eq(got.content.octets, nwire);
		ck_assert_int_eq(do_read(got.content.message, at, 1000), 0);
		ck_assert_uint_gt(got.read.n, 0);
		ck_assert_mem_eq(got.read.p, wire + at, got.read.n);
		ck_assert_int_eq(do_read(got.content.message, at / 2, 1000), 0);
		ck_assert_mem_eq(got.read.p, wire + at / 2, got.read.n);
		store->msg_close(store->self, got.content.message);
	}
	ck_assert_int_eq(do_msg_open(mailbox, 1), 0);
	ck_assert_int_eq(do_read(got.content.message, nwire, 10), 0);
	ck_assert_uint_eq(got.read.n, 0);
	ck_assert_int_eq(do_read(got.content.message, nwire - 1, 10), 0);
	ck_assert_uint_eq(got.read.n, 1);
	store->msg_close(store->self, got.content.message);
	do_close(mailbox);
}
END_TEST

/* What is open can be read to its end, whatever becomes of it. */
START_TEST(test_pinned)
{
	size_t n = make_big(true);

	ck_assert_int_eq(deliver("INBOX", "small\r\n", MSV_FLAG_DELETED, NULL), 0);
	struct msv_append_message message = { .size = sizeof(message), .flags = MSV_FLAG_DELETED };
	ck_assert_int_eq(do_begin("INBOX"), 0);
	ck_assert_int_eq(do_add(got.append, &message), 0);
	ck_assert_int_eq(do_write(got.append, big, n), 0);
	ck_assert_int_eq(do_commit(got.append), 0);
	struct msv_mailbox *mailbox = opened("INBOX", false);
	ck_assert_int_eq(do_msg_open(mailbox, 1), 0);
	struct msv_open_message *small = got.content.message;
	ck_assert_int_eq(do_msg_open(mailbox, 2), 0);
	struct msv_open_message *large = got.content.message;
	ck_assert_uint_eq(got.content.octets, n);
	ck_assert_int_eq(do_expunge(mailbox), 0);
	do_close(mailbox);
	ck_assert_str_eq(names_in("ann/cur"), "");
	ck_assert_int_eq(do_read(small, 0, 100), 0);
	ck_assert_mem_eq(got.read.p, "small\r\n", 7);
	for (size_t at = 0; at < n; at += got.read.n) {
		ck_assert_int_eq(do_read(large, at, 65536), 0);
		ck_assert_mem_eq(got.read.p, big + at, got.read.n);
		ck_assert_uint_gt(got.read.n, 0);
	}
	store->msg_close(store->self, small);
	store->msg_close(store->self, large);
}
END_TEST

/* A file that is cut off while it is open: an error, not a shorter message. */
START_TEST(test_cut_off)
{
	size_t n = make_big(true);

	make_maildir("ann");
	scratch_write("ann/cur/1.a:2,", big, n);
	struct msv_mailbox *mailbox = opened("INBOX", true);
	ck_assert_int_eq(do_msg_open(mailbox, 1), 0);
	ck_assert_int_eq(truncate(scratch_path("ann/cur/1.a:2,"), 1000), 0);
	ck_assert_int_eq(do_read(got.content.message, 500000, 10), MSV_ERR_IO);
	store->msg_close(store->self, got.content.message);
	do_close(mailbox);
}
END_TEST

/* -- Written to files ------------------------------------------------------------------------- */

static const char *only_name(const char *dir)
{
	static char path[512];
	const char *names = names_in(dir);

	ck_assert_ptr_eq(strchr(names, '\n'), strrchr(names, '\n'));
	snprintf(path, sizeof(path), "%s/%.*s", dir, (int)strcspn(names, "\n"), names);
	return path;
}

START_TEST(test_written)
{
	ck_assert_int_eq(deliver("INBOX", "a\r\nb\n", 0, NULL), 0);
	const char *path = only_name("ann/new");
	ck_assert_str_eq(scratch_read(path), "a\nb\n");
	ck_assert_ptr_nonnull(strstr(path, ",S=4,W=6"));
	ck_assert_int_eq(deliver("INBOX", "a\rb", 0, NULL), MSV_ERR_FORMAT);
	ck_assert_int_eq(deliver("INBOX", "a\r", 0, NULL), MSV_ERR_FORMAT);
	ck_assert_str_eq(names_in("ann/tmp"), "");
	ck_assert_str_eq(scratch_read(only_name("ann/new")), "a\nb\n");
}
END_TEST

START_TEST(test_verbatim)
{
	static const char text[] = "a\r\r\nb\0c\rd\r\n\r";
	struct msv_append_message message = { .size = sizeof(message), .verbatim = true };

	ck_assert_int_eq(do_begin("INBOX"), 0);
	ck_assert_int_eq(do_add(got.append, &message), 0);
	for (size_t i = 0; i < sizeof(text) - 1; i++)
		ck_assert_int_eq(do_write(got.append, text + i, 1), 0);
	ck_assert_int_eq(do_commit(got.append), 0);
	struct msv_mailbox *mailbox = opened("INBOX", true);
	ck_assert_uint_eq(read_all(mailbox, 1, back, sizeof(back), 100), sizeof(text) - 1);
	ck_assert_mem_eq(back, text, sizeof(text) - 1);
	do_close(mailbox);
}
END_TEST

/* The date is the file's, and copies keep it. */
START_TEST(test_dates)
{
	struct msv_append_message message = { .size = sizeof(message),
		.internal_date = 1000000000 };

	ck_assert_int_eq(do_begin("INBOX"), 0);
	ck_assert_int_eq(do_add(got.append, &message), 0);
	ck_assert_int_eq(do_write(got.append, "x\r\n", 3), 0);
	message.internal_date = -5;
	ck_assert_int_eq(do_add(got.append, &message), 0);
	message.internal_date = 0;
	ck_assert_int_eq(do_add(got.append, &message), 0);
	ck_assert_int_eq(do_commit(got.append), 0);
	ck_assert_str_eq(got.dest, "1:3");
	struct msv_mailbox *mailbox = opened("INBOX", false);
	ck_assert_int_eq(do_fetch(mailbox, 1, 9, MSV_FIELD_DATES), 0);
	ck_assert_str_eq(got.rows, "1:r@1000000000 2:r@-5 3:r@1767225600 ");
	ck_assert_int_eq(do_copy(mailbox, 1, 1, "INBOX", false), 0);
	ck_assert_int_eq(do_fetch(mailbox, 4, 4, MSV_FIELD_DATES), 0);
	ck_assert_str_eq(got.rows, "4:@1000000000 ");
	do_close(mailbox);
}
END_TEST

/* A copy has the id of its original, over any number of steps. */
START_TEST(test_email_ids)
{
	char id[64];

	ck_assert_int_eq(do_create("A", 0), 0);
	ck_assert_int_eq(deliver("INBOX", "x\r\n", 0, NULL), 0);
	struct msv_mailbox *mailbox = opened("INBOX", false);
	ck_assert_int_eq(do_fetch(mailbox, 1, 1, MSV_FIELD_IDS), 0);
	snprintf(id, sizeof(id), "%s", strchr(got.rows, '#'));
	ck_assert_uint_eq(strlen(id), strlen("#M0123456789abcdef0123456789abcdef "));
	ck_assert_int_eq(do_copy(mailbox, 1, 1, "A", true), 0);
	do_close(mailbox);
	mailbox = opened("A", false);
	ck_assert_int_eq(do_copy(mailbox, 1, 1, "INBOX", false), 0);
	do_close(mailbox);
	world_restart();
	mailbox = opened("INBOX", false);
	ck_assert_int_eq(do_fetch(mailbox, 2, 2, MSV_FIELD_IDS), 0);
	ck_assert_str_eq(strchr(got.rows, '#'), id);
	do_close(mailbox);
}
END_TEST

/* Links cost no room; where there can be none, bytes are copied. */
START_TEST(test_links)
{
	struct stat a, b;

	ck_assert_int_eq(do_create("A", 0), 0);
	ck_assert_int_eq(deliver("INBOX", "x\r\n", 0, NULL), 0);
	struct msv_mailbox *mailbox = opened("INBOX", false);
	ck_assert_int_eq(do_copy(mailbox, 1, 1, "A", false), 0);
	ck_assert_int_eq(stat(scratch_path(only_name("ann/cur")), &a), 0);
	ck_assert_int_eq(stat(scratch_path(only_name("ann/.A/new")), &b), 0);
	ck_assert_uint_eq(a.st_ino, b.st_ino);
	do_close(mailbox);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("store/maildir_content");
	TCase *tc = tcase_create("content");

	tcase_add_checked_fixture(tc, world_setup, world_teardown);
	tcase_set_timeout(tc, 60);
	tcase_add_test(tc, test_sizes);
	tcase_add_test(tc, test_big);
	tcase_add_test(tc, test_pinned);
	tcase_add_test(tc, test_cut_off);
	tcase_add_test(tc, test_written);
	tcase_add_test(tc, test_verbatim);
	tcase_add_test(tc, test_dates);
	tcase_add_test(tc, test_email_ids);
	tcase_add_test(tc, test_links);
	suite_add_tcase(s, tc);
	return check_main(s);
}
