/* Awkward real messages, when they are there: MSV_CORPUS, or the directory
 * shared/corpus beside the sources. */
#include <sys/stat.h>

#include "message/section.h"
#include "parsing.h"

static void same_as_before(const struct msv_mime *mime, struct msv_buf *first)
{
	tell(mime);
	if (msv_buf_len(first) == 0) {
		*first = out;
		msv_buf_init(&out, env);
		return;
	}
	ck_assert_uint_eq(msv_buf_len(&out), msv_buf_len(first));
	ck_assert_mem_eq(msv_buf_data(&out), msv_buf_data(first), msv_buf_len(first));
	msv_buf_clear(&out);
}

static void any_pieces(const char *p, size_t n)
{
	static const size_t pieces[] = { 1, 2, 7, 80, 4096 };
	struct msv_buf first;

	msv_buf_init(&first, env);
	for (size_t i = 0; i < sizeof pieces / sizeof pieces[0]; i++) {
		int rc;
		struct msv_mime *mime = parse_pieces(p, n, pieces[i], pieces[i], NULL, &rc);

		ck_assert_int_eq(rc, 0);
		same_as_before(mime, &first);
		msv_mime_free(mime);
	}
	msv_buf_fini(&first);
}

/* What a range says of wire bytes and lines, counted once more. */
static void counted(const char *p, const struct msv_range *r)
{
	uint64_t wire = r->len, lines = 0;

	for (uint64_t i = r->start; i < r->start + r->len; i++) {
		lines += p[i] == '\n';
		wire += p[i] == '\n' && (i == 0 || p[i - 1] != '\r');
	}
	ck_assert_uint_eq(r->wire_len, wire);
	ck_assert_uint_eq(r->lines, lines);
}

static void inside(const struct msv_range *outer, const struct msv_range *inner)
{
	ck_assert_uint_ge(inner->start, outer->start);
	ck_assert_uint_le(inner->start + inner->len, outer->start + outer->len);
}

static void right_ranges(const char *p, size_t n)
{
	struct msv_mime *mime = parse_bytes(p, n);

	ck_assert_uint_eq(mime->size, n);
	for (const struct msv_part *part = mime->root; part; part = msv_part_next(part)) {
		counted(p, &part->header);
		counted(p, &part->body);
		ck_assert_uint_eq(part->header.start + part->header.len, part->body.start);
		if (!part->parent)
			continue;
		inside(&part->parent->body, &part->header);
		inside(&part->parent->body, &part->body);
	}
	msv_mime_free(mime);
}

static int drop(void *user, const char *p, size_t n)
{
	(void)user, (void)p, (void)n;
	return 0;
}

static int drop_address(void *user, const struct msv_address *address)
{
	(void)user;
	return address->address ? 0 : 1;
}

/* Everything decodes. */
static void decoded(const char *p, size_t n)
{
	struct msv_mime *mime = parse_bytes(p, n);

	for (const struct msv_part *part = mime->root; part; part = msv_part_next(part)) {
		struct msv_part_info info = { .size = sizeof info };
		struct msv_part_reader *reader;

		ck_assert_int_eq(msv_part_info(part, &info), 0);
		for (int f = 0; f < MSV_FIELD_COUNT; f++)
			ck_assert_int_eq(
			    msv_part_addresses(part, (enum msv_field)f, drop_address, NULL), 0);
		ck_assert_int_eq(msv_part_reader_new(part, false, drop, NULL, &reader), 0);
		ck_assert_int_eq(
		    msv_part_reader_push(reader, p + part->body.start, part->body.len), 0);
		ck_assert_int_eq(msv_part_reader_finish(reader), 0);
		msv_part_reader_free(reader);
	}
	msv_mime_free(mime);
}

/* Each directory of the corpus; false when there is none. */
static size_t each_of_corpus(void (*fn)(const char *p, size_t n))
{
	const char *root = getenv("MSV_CORPUS");
	char name[8192];
	struct dirent *entry;
	size_t count = 0;
	DIR *dir;

	if (!root)
		root = source_path("../shared/corpus");
	dir = opendir(root);
	while (dir && (entry = readdir(dir))) {
		if (entry->d_name[0] == '.')
			continue;
		snprintf(name, sizeof name, "%s/%s", root, entry->d_name);
		count += each_message(name, fn);
	}
	if (dir)
		closedir(dir);
	if (count == 0)
		printf("skipped: no corpus in %s (MSV_CORPUS names another place)\n", root);
	return count;
}

START_TEST(real_messages_in_any_pieces)
{
	each_of_corpus(any_pieces);
}
END_TEST

START_TEST(real_messages_have_right_ranges)
{
	each_of_corpus(right_ranges);
	each_message(source_path("tests/fuzz/corpus/message"), right_ranges);
}
END_TEST

START_TEST(real_messages_decode)
{
	each_of_corpus(decoded);
	each_message(source_path("tests/fuzz/corpus/message"), decoded);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("corpus");

	buf_case(s, "corpus", real_messages_in_any_pieces, real_messages_have_right_ranges,
	    real_messages_decode);
	return check_main(s);
}
