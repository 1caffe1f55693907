/* LIST patterns (RFC 3501 6.3.8), and the tree a LIST is made of. */
#include "imap/rig.h"

#include "imap/imap.h"

static struct rig rig;
static struct imap_session *s;

static void setup(void)
{
	rig_init(&rig, false);
	s = (struct imap_session *)rig_connect(&rig, 0);
}

static void teardown(void)
{
	rig_fini(&rig);
}

static bool matches(const char *text, const char *name)
{
	struct imap_pattern pattern;

	ck_assert_int_eq(msv_imap_pattern_init(s, &pattern, text, strlen(text)), 0);
	return msv_imap_pattern_match(&pattern, name);
}

START_TEST(table)
{
	static const struct {
		const char *pattern, *name;
		bool match;
	} rows[] = {
		{ "*", "INBOX", true },
		{ "*", "a/b/c", true },
		{ "%", "a", true },
		{ "%", "a/b", false },
		{ "%/%", "a/b", true },
		{ "%/%", "a", false },
		{ "%/%", "a/b/c", false },
		{ "a/%", "a/b", true },
		{ "a/%", "a/b/c", false },
		{ "a/*", "a/b/c", true },
		{ "a*", "a", true },
		{ "a%", "abc", true },
		{ "a%c", "abc", true },
		{ "a%c", "ab/c", false },
		{ "a*c", "ab/c", true },
		{ "*c*", "ab/cd", true },
		{ "%*", "a/b", true },
		{ "*%", "a/b", true },
		{ "a/", "a", false },
		{ "a", "a/", false },
		{ "", "a", false },
		{ "", "", true },
		{ "*x*y*z*", "--x--y--z--", true },
		{ "*x*y*z*", "--x--z--y--", false },
		{ "%b%b", "abab", true },
		{ "%b%b", "ab/b", false },
		/* INBOX in any case, but nothing else, and only as a whole level */
		{ "inbox", "INBOX", true },
		{ "InB%", "INBOX", true },
		{ "inbox/a", "INBOX/a", true },
		{ "inbox/A", "INBOX/a", false },
		{ "inboxes", "INBOXES", false },
		{ "a/inbox", "a/INBOX", false },
		{ "A", "a", false },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++)
		ck_assert_msg(matches(rows[i].pattern, rows[i].name) == rows[i].match, "%s %s",
		    rows[i].pattern, rows[i].name);
}
END_TEST

/* Would take a backtracking matcher longer than the world lasts. */
START_TEST(hostile)
{
	char pattern[1001], name[1001];

	memset(name, 'a', 1000);
	name[1000] = '\0';
	for (int i = 0; i < 500; i++)
		memcpy(pattern + 2 * i, i % 2 ? "%a" : "*a", 2);
	pattern[999] = 'b';
	pattern[1000] = '\0';
	ck_assert(!matches(pattern, name));
	for (int i = 0; i < 500; i++)
		memcpy(pattern + 2 * i, "%*", 2);
	ck_assert(matches(pattern, name));
}
END_TEST

/* -- The tree ---------------------------------------------------------------------------- */

static void add(struct imap_listing *l, const char *name)
{
	struct msv_list_entry entry = { .size = sizeof(entry), .name = name, .selectable = true };

	ck_assert_int_eq(msv_imap_listing_add(l, &entry), 0);
}

/* "+" has children, "-" has none, "~" is implied. */
static const char *describe(const struct imap_listing *l)
{
	static char text[1024];

	text[0] = '\0';
	for (size_t i = 0; i < l->n; i++) {
		strcat(text, l->v[i].implied ? "~" : "");
		strcat(strcat(text, l->v[i].has_children ? "+" : "-"), l->v[i].name);
		strcat(text, " ");
	}
	return text;
}

START_TEST(tree)
{
	static const char *const names[] = { "b", "a/b/c", "INBOX/x", "a-z", "a/b", "b/c/d/e", "a!",
		"INBOXES", "INBOX", "b/c", "Z" };
	struct imap_listing l;

	msv_imap_listing_init(&l, s);
	for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++)
		add(&l, names[i]);
	ck_assert_int_eq(msv_imap_listing_finish(&l), 0);
	ck_assert_str_eq(describe(&l), "+INBOX -INBOX/x -INBOXES -Z ~+a +a/b -a/b/c -a! -a-z +b "
	                               "+b/c ~+b/c/d -b/c/d/e ");
	msv_imap_listing_fini(&l);

	msv_imap_listing_init(&l, s);
	ck_assert_int_eq(msv_imap_listing_finish(&l), 0);
	ck_assert_uint_eq(l.n, 0);
	msv_imap_listing_fini(&l);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("imap/pattern");
	TCase *tc = tcase_create("pattern");

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, table);
	tcase_add_test(tc, hostile);
	tcase_add_test(tc, tree);
	suite_add_tcase(suite, tc);
	return check_main(suite);
}
