#include "store/location.h"

#include <mailserv/testing.h>
#include <string.h>

#include "check_main.h"

static struct msv_test_env *test;
static struct msv_buf out;

static void setup(void)
{
	ck_assert_int_eq(msv_test_env_new(0, &test), 0);
	msv_buf_init(&out, msv_test_env(test));
}

static void teardown(void)
{
	msv_buf_fini(&out);
	ck_assert_uint_eq(msv_test_env_free(test), 0);
}

/* -- Templates --------------------------------------------------------------------------- */

static int expand(
    const char *location, const char *user, const char *home, char **base, char **account)
{
	struct msv_actor actor = { .size = sizeof(actor), .user = user, .home = home };

	return msv_location_expand(
	    msv_test_env(test), location, "/srv/mail", &actor, base, account);
}

START_TEST(test_expand)
{
	static const struct {
		const char *location, *user, *home, *base, *account;
	} cases[] = {
		{ "%d/%n", "ann@example.org", NULL, "/srv/mail/", "example.org/ann" },
		{ "%u", "ann@example.org", NULL, "/srv/mail/", "ann@example.org" },
		{ "%d/%n", "ann", NULL, "/srv/mail/", "-/ann" },
		{ "/var/vmail/%d/%n/mail", "ann@a.org", NULL, "/var/vmail/", "a.org/ann/mail" },
		{ "/var/x-%d/y", "ann@a.org", NULL, "/var/", "x-a.org/y" },
		{ "%{home}/Maildir", "ann", "/home/ann", "/home/ann", "Maildir" },
		{ "%{home}", "ann", "/home/ann", "/home/ann", "" },
		{ "/a%%b/%u", "ann", NULL, "/a%b/", "ann" },
		{ "sub/%u", "ann", NULL, "/srv/mail/sub/", "ann" },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		char *base, *account;
		ck_assert_int_eq(
		    expand(cases[i].location, cases[i].user, cases[i].home, &base, &account), 0);
		ck_assert_str_eq(base, cases[i].base);
		ck_assert_str_eq(account, cases[i].account);
		msv_free(msv_test_env(test), base);
		msv_free(msv_test_env(test), account);
	}
}
END_TEST

START_TEST(test_expand_refused)
{
	static const char *const users[] = { "", "../x", "a/b", "@b", "a@", "a@../b", ".a",
		"a\nb" };
	char *base, *account;

	for (size_t i = 0; i < sizeof(users) / sizeof(users[0]); i++)
		ck_assert_msg(
		    expand("%d/%n", users[i], NULL, &base, &account) == MSV_ERR_FORMAT, "%zu", i);
	ck_assert_int_eq(expand("%{home}/x", "ann", NULL, &base, &account), MSV_ERR_NOTFOUND);
	ck_assert_int_eq(expand("%{home}/x", "ann", "relative", &base, &account), MSV_ERR_NOTFOUND);
	ck_assert_ptr_null(base);
	ck_assert_ptr_null(account);
}
END_TEST

START_TEST(test_valid)
{
	ck_assert(msv_location_valid("/x/%d/%n/%u%%%{home}"));
	ck_assert(!msv_location_valid("%x"));
	ck_assert(!msv_location_valid("a%"));
	ck_assert(!msv_location_valid("%{hom}"));
}
END_TEST

/* The actor's mailboxes are the owner's. */
START_TEST(test_owner)
{
	struct msv_actor actor = { .size = sizeof(actor), .user = "ann", .owner = "bob" };
	char *base, *account;

	ck_assert_int_eq(
	    msv_location_expand(msv_test_env(test), "%u", "/m", &actor, &base, &account), 0);
	ck_assert_str_eq(account, "bob");
	msv_free(msv_test_env(test), base);
	msv_free(msv_test_env(test), account);
	for (uint64_t i = 0; i < 3; i++) {
		msv_test_fail_alloc(test, i, true);
		ck_assert_int_eq(
		    msv_location_expand(msv_test_env(test), "%u", "/m", &actor, &base, &account),
		    MSV_ERR_NOMEM);
		msv_test_fail_alloc(test, UINT64_MAX, false);
	}
}
END_TEST

/* -- Folders ------------------------------------------------------------------------------- */

static const struct msv_layout plus = { false, '.', "" };
static const struct msv_layout slash = { false, '/', "" };
static const struct msv_layout inbox = { false, '.', "INBOX." };
static const struct msv_layout fs = { true, '/', "" };
static const struct msv_layout fs_dot = { true, '.', "" };

START_TEST(test_folder)
{
	static const struct {
		const struct msv_layout *layout;
		const char *mailbox, *folder, *line;
	} cases[] = {
		{ &plus, "INBOX", "", "INBOX" },
		{ &plus, "A.B\xc3\xa9", ".A.B&AOk-", "A\tB&AOk-" },
		{ &plus, "INBOX.x", ".INBOX.x", "INBOX\tx" },
		{ &plus, "sp ace", ".sp ace", "sp ace" },
		{ &plus, "a&b", ".a&-b", "a&-b" },
		{ &slash, "A/B", ".A.B", "A\tB" },
		{ &inbox, "INBOX", "", "INBOX" },
		{ &inbox, "INBOX.A.B", ".A.B", "A\tB" },
		{ &fs, "A/B.c", "A/B.c", "A\tB.c" },
		{ &fs, "INBOX", "", "INBOX" },
		{ &fs_dot, "A.B", "A/B", "A\tB" },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		msv_buf_clear(&out);
		ck_assert_int_eq(msv_layout_folder(cases[i].layout, cases[i].mailbox, &out), 0);
		ck_assert_str_eq(msv_buf_cstr(&out), cases[i].folder);
		msv_buf_clear(&out);
		ck_assert_int_eq(msv_layout_mailbox(cases[i].layout, cases[i].folder, &out), 0);
		ck_assert_str_eq(msv_buf_data(&out), cases[i].mailbox);
		msv_buf_clear(&out);
		ck_assert_int_eq(msv_layout_line(cases[i].layout, cases[i].mailbox, &out), 0);
		ck_assert_str_eq(msv_buf_cstr(&out), cases[i].line);
		msv_buf_clear(&out);
		ck_assert_int_eq(msv_layout_mailbox_of_line(
		                     cases[i].layout, cases[i].line, strlen(cases[i].line), &out),
		    0);
		ck_assert_str_eq(msv_buf_data(&out), cases[i].mailbox);
	}
}
END_TEST

/* No name leads out of the folder it names. */
START_TEST(test_folder_refused)
{
	static const struct {
		const struct msv_layout *layout;
		const char *mailbox;
		int error;
	} cases[] = {
		{ &plus, "A/B", MSV_ERR_FORMAT },
		{ &plus, "..", MSV_ERR_FORMAT },
		{ &plus, "A..B", MSV_ERR_FORMAT },
		{ &plus, ".A", MSV_ERR_FORMAT },
		{ &plus, "A.", MSV_ERR_FORMAT },
		{ &plus, "", MSV_ERR_FORMAT },
		{ &plus, "a\nb", MSV_ERR_FORMAT },
		{ &plus, "a\xff", MSV_ERR_FORMAT },
		{ &slash, "A.B", MSV_ERR_FORMAT },
		{ &slash, "../A", MSV_ERR_FORMAT },
		{ &slash, "A/../B", MSV_ERR_FORMAT },
		{ &slash, "/etc", MSV_ERR_FORMAT },
		{ &inbox, "A", MSV_ERR_NOTFOUND },
		{ &inbox, "INBOX.", MSV_ERR_FORMAT },
		{ &inbox, "INBOX.INBOX", MSV_ERR_FORMAT },
		{ &fs, "cur", MSV_ERR_FORMAT },
		{ &fs, "A/new", MSV_ERR_FORMAT },
		{ &fs, "A/.hidden", MSV_ERR_FORMAT },
		{ &fs, "../x", MSV_ERR_FORMAT },
		{ &fs, "A/./B", MSV_ERR_FORMAT },
		{ &fs, "dovecot-uidlist", MSV_ERR_FORMAT },
		{ &fs, "mailserv-attributes", MSV_ERR_FORMAT },
		{ &fs, "subscriptions", MSV_ERR_FORMAT },
		{ &fs_dot, "A/B", MSV_ERR_FORMAT },
	};
	char longest[302];

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		msv_buf_clear(&out);
		ck_assert_msg(
		    msv_layout_folder(cases[i].layout, cases[i].mailbox, &out) == cases[i].error,
		    "%s", cases[i].mailbox);
	}
	memset(longest, 'x', 301);
	longest[301] = '\0';
	ck_assert_int_eq(msv_layout_folder(&plus, longest, &out), MSV_ERR_LIMIT);
	longest[150] = '.';
	msv_buf_clear(&out);
	ck_assert_int_eq(msv_layout_folder(&plus, longest, &out), MSV_ERR_LIMIT);
	longest[150] = '/';
	msv_buf_clear(&out);
	ck_assert_int_eq(msv_layout_folder(&fs, longest, &out), 0);
}
END_TEST

/* Directories that are no mailboxes of ours. */
START_TEST(test_not_ours)
{
	static const struct {
		const struct msv_layout *layout;
		const char *folder;
	} cases[] = {
		{ &plus, "cur" },
		{ &plus, "..trash" },
		{ &plus, ".A..B" },
		{ &plus, ".INBOX" },
		{ &plus, ".&" },
		{ &plus, ".a\xff" },
		{ &plus, "." },
		{ &slash, ".&AC8-" },
		{ &fs, "INBOX" },
		{ &fs, "A//B" },
		{ &fs, "tmp" },
		{ &fs_dot, "A.b" },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		msv_buf_clear(&out);
		ck_assert_msg(
		    msv_layout_mailbox(cases[i].layout, cases[i].folder, &out) == MSV_ERR_FORMAT,
		    "%s", cases[i].folder);
	}
}
END_TEST

int main(void)
{
	Suite *s = suite_create("store/location");
	TCase *tc = tcase_create("location");

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, test_expand);
	tcase_add_test(tc, test_expand_refused);
	tcase_add_test(tc, test_valid);
	tcase_add_test(tc, test_owner);
	tcase_add_test(tc, test_folder);
	tcase_add_test(tc, test_folder_refused);
	tcase_add_test(tc, test_not_ours);
	suite_add_tcase(s, tc);
	return check_main(s);
}
